//! The service manager's side: a real datagram socket in the place of systemd's, and what the shipped unit says.

use crate::site::{LIMIT, Process, Site, free, tandem};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

fn hear(manager: &UnixDatagram) -> String {
    let mut octets = [0; 4_096];
    let count = manager.recv(&mut octets).expect("a message");
    String::from_utf8_lossy(&octets[..count]).into_owned()
}

#[test]
fn the_manager_hears_ready_the_watchdog_and_stopping_in_this_order() {
    let site = Site::new(free(), "", "");
    let path = site.dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(LIMIT)).unwrap();
    let mut engine = site.serve(
        |command| {
            command
                .env("NOTIFY_SOCKET", &path)
                .env("WATCHDOG_USEC", "400000")
                .args(["--log-format", "json"]);
        },
        "engine.log",
    );
    // `serve` has seen the ready line: READY=1 comes right behind it, and nothing but words before it.
    let mut before = Vec::new();
    let ready = loop {
        let said = hear(&manager);
        if said.starts_with("READY=1") {
            break said;
        }
        before.push(said);
    };
    assert_eq!(ready, "READY=1\nSTATUS=Serving.");
    assert!(before[0].starts_with("STATUS=Opening"), "{before:?}");
    let mut status = String::new();
    let mut fed = 0;
    while fed < 5 || status.is_empty() {
        match hear(&manager).as_str() {
            "WATCHDOG=1" => fed += 1,
            said => status = said.to_owned(),
        }
    }
    assert!(status.starts_with("STATUS=0 agents, 0 talking"), "{status}");
    assert!(engine.end().success());
    manager.set_nonblocking(true).unwrap();
    let mut rest = Vec::new();
    let mut octets = [0; 4_096];
    while let Ok(count) = manager.recv(&mut octets) {
        rest.push(String::from_utf8_lossy(&octets[..count]).into_owned());
    }
    let stops: Vec<&String> = rest
        .iter()
        .filter(|said| said.starts_with("STOPPING=1"))
        .collect();
    assert_eq!(stops.len(), 2, "draining, then closing: {rest:?}");
    assert!(stops[0].contains("Draining"));
    let after = rest
        .iter()
        .rev()
        .take_while(|said| !said.starts_with("STOPPING"))
        .count();
    assert_eq!(after, 0, "nothing is told after the end: {rest:?}");
    for line in engine.log().lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(
            record["level"].is_string() && record["message"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn a_watchdog_for_another_process_is_not_fed_and_no_manager_is_no_trouble() {
    let site = Site::new(free(), "", "");
    let path = site.dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(LIMIT)).unwrap();
    let mut engine = site.serve(
        |command| {
            command
                .env("NOTIFY_SOCKET", &path)
                .env("WATCHDOG_USEC", "200000")
                .env("WATCHDOG_PID", "1");
        },
        "engine.log",
    );
    let mut said = vec![hear(&manager)];
    // Its first picture comes seconds after twenty half intervals.
    while !said.last().unwrap().starts_with("STATUS=0 agents") {
        said.push(hear(&manager));
    }
    assert!(engine.end().success());
    assert!(!said.contains(&"WATCHDOG=1".to_owned()), "{said:?}");
    let mut alone = site.serve(|_| {}, "alone.log");
    assert!(alone.end().success());
    assert!(!alone.log().contains("service manager"), "{}", alone.log());
}

#[test]
fn a_start_that_fails_never_says_ready() {
    let site = Site::new(free(), "", "");
    let _taken = std::net::TcpListener::bind(site.config.api.listen).unwrap();
    let path = site.dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let mut command = tandem(&["serve", site.path()]);
    command.env("NOTIFY_SOCKET", &path);
    let done = command.output().unwrap();
    assert!(!done.status.success());
    manager.set_nonblocking(true).unwrap();
    let mut octets = [0; 4_096];
    while let Ok(count) = manager.recv(&mut octets) {
        let said = String::from_utf8_lossy(&octets[..count]).into_owned();
        assert!(!said.contains("READY=1"), "{said}");
    }
    assert!(
        !site.config.data_dir.join("inputs.log").exists(),
        "nothing was recorded"
    );
}

/// Values of a key in the shipped unit.
fn unit(key: &str) -> Vec<String> {
    include_str!("../../config/systemd/tandem.service")
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_shipped_unit_fits_the_engine() {
    assert_eq!(unit("Type"), ["notify"]);
    let seconds = |key: &str| -> u64 {
        let value = unit(key).pop().unwrap_or_default();
        value
            .parse()
            .unwrap_or_else(|_| panic!("{key}={value}: seconds"))
    };
    // The drain takes up to 600 s, the closing some more.
    assert!(seconds("TimeoutStopSec") >= 630);
    // The floor may be silent for two seconds before the watchdog goes hungry.
    let watchdog = Duration::from_secs(seconds("WatchdogSec"));
    assert!(watchdog >= Duration::from_secs(10) && watchdog <= Duration::from_secs(60));
    assert_eq!(
        unit("LimitNOFILE"),
        [tandem::shell::doctor::OPEN_FILES_WANTED.to_string()]
    );
    assert_eq!(
        unit("LimitCORE"),
        ["0"],
        "a core holds every borrower in memory"
    );
    assert_eq!(unit("Restart"), ["on-failure"]);
    let exec = unit("ExecStart").pop().unwrap();
    assert!(
        exec.ends_with("/tandem serve /etc/tandem/tandem.toml"),
        "{exec}"
    );
    let check = unit("ExecStartPre").pop().unwrap();
    assert!(
        check.ends_with("/tandem check /etc/tandem/tandem.toml"),
        "{check}"
    );
}

#[test]
fn lines_on_a_file_have_no_colours_and_a_bad_filter_is_told() {
    let site = Site::new(free(), "", "");
    let mut engine: Process = site.serve(
        |command| {
            command.env("TANDEM_LOG", "tandem=loud");
        },
        "engine.log",
    );
    assert!(engine.end().success());
    let log = engine.log();
    assert!(log.contains("TANDEM_LOG cannot be read"), "{log}");
    assert!(log.contains("Draining") && !log.contains('\u{1b}'), "{log}");
}
