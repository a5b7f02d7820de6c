//! The doctor from outside: exit codes, beside a running engine, under a low limit, on a full disk.

use crate::site::{Site, free, network, run, said, tandem, wait_until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tandem::shell::api::client::ApiClient;

fn findings(text: &[u8], check: &str, verdict: &str) -> Vec<Value> {
    let report: Value = serde_json::from_slice(text).expect("JSON");
    let all = report["findings"].as_array().expect("findings");
    all.iter()
        .filter(|finding| finding["check"] == check && finding["verdict"] == verdict)
        .cloned()
        .collect()
}

#[test]
fn beside_the_engine_of_its_own_directory_it_finds_nothing_wrong() {
    let outer = tempfile::tempdir().unwrap();
    let (_carrier, far) = network(outer.path(), None);
    let site = Site::new(far, "", "");
    let mut engine = site.serve(|_| {}, "engine.log");
    let client = ApiClient::of(&site.config).unwrap();
    wait_until("the trunk is up", || {
        client
            .picture()
            .is_ok_and(|picture| picture.trunks.first().is_some_and(|trunk| trunk.up))
    });
    let done = run(&["doctor", "--json", site.path()]);
    assert!(done.status.success(), "{}", said(&done));
    let ports: Vec<String> = findings(&done.stdout, "ports", "ok")
        .iter()
        .map(|finding| finding["what"].as_str().unwrap().to_owned())
        .collect();
    let held = format!(
        "held by the engine that runs here (process {})",
        engine.id()
    );
    assert_eq!(
        ports.iter().filter(|what| what.contains(&held)).count(),
        4,
        "{ports:#?}"
    );
    let trunk = findings(&done.stdout, "trunk", "ok")
        .pop()
        .expect("it answers");
    assert!(
        trunk["what"].as_str().unwrap().ends_with("has it UP"),
        "{trunk}"
    );
    assert!(engine.end().success());
    // The same ports, held by somebody else: the directory's engine is gone.
    let _other = std::net::TcpListener::bind(site.config.desk.listen).unwrap();
    let done = run(&["doctor", site.path()]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert!(said(&done).contains("1 fault,"), "{}", said(&done));
}

#[test]
fn too_few_open_files_are_a_fault_with_the_number_to_set() {
    let site = Site::new(free(), "", "");
    let program = env!("CARGO_BIN_EXE_tandem");
    let done = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 512; exec \"$0\" doctor --json \"$1\"",
            program,
            site.path(),
        ])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1));
    let fault = findings(&done.stdout, "open_files", "fault")
        .pop()
        .expect("a fault");
    assert!(
        fault["what"]
            .as_str()
            .unwrap()
            .starts_with("512 (hard limit 512)"),
        "{fault}"
    );
    assert!(
        fault["change"]
            .as_str()
            .unwrap()
            .contains("LimitNOFILE=65536"),
        "{fault}"
    );
}

#[test]
fn a_broken_configuration_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.toml");
    std::fs::write(&file, "[sip]\nlisten = 5060\n").unwrap();
    let done = tandem(&["doctor", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(
        said(&done).contains("line 2: sip.listen"),
        "{}",
        said(&done)
    );
}

/// A tmpfs of 1 MB; `None` where this user may not mount one.
struct Mount(PathBuf);

impl Mount {
    fn new(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "none"])
            .arg(at)
            .output()
            .is_ok_and(|done| done.status.success());
        mounted.then(|| Mount(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_is_a_fault_before_the_first_call() {
    let site = Site::new(free(), "", "");
    std::fs::create_dir(&site.config.data_dir).unwrap();
    let Some(_mount) = Mount::new(&site.config.data_dir) else {
        println!("SKIPPED: this user may not mount a small tmpfs");
        return;
    };
    let done = run(&["doctor", "--json", site.path()]);
    assert!(
        !findings(&done.stdout, "file_system", "warning").is_empty(),
        "{}",
        said(&done)
    );
    assert!(
        !findings(&done.stdout, "disk_room", "fault").is_empty(),
        "1 MB is no room"
    );
    assert!(
        findings(&done.stdout, "disk_sync", "fault").is_empty(),
        "it can be written to"
    );
    let _ = std::fs::write(site.config.data_dir.join("filler"), vec![0_u8; 2 << 20]);
    let done = run(&["doctor", "--json", site.path()]);
    assert_eq!(done.status.code(), Some(1));
    let fault = findings(&done.stdout, "disk_sync", "fault")
        .pop()
        .expect("nothing can be written");
    assert!(
        fault["change"].as_str().unwrap().contains("make room"),
        "{fault}"
    );
    let left: Vec<_> = std::fs::read_dir(&site.config.data_dir)
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "the probe leaves nothing behind: {left:?}");
}
