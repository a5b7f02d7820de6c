use super::*;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;

/// A configuration on loopback with one trunk, its ports asked of the system; `more` goes to the top, `trunk` to the trunk.
struct Place {
    dir: tempfile::TempDir,
    file: PathBuf,
}

fn free() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = tcp.local_addr().expect("bound").port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn place(trunk: &str, more: &str) -> Place {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("tandem.toml");
    let text = format!(
        "data_dir = {data:?}\n{more}\n[sip]\nlisten = \"127.0.0.1:{sip}\"\n[desk]\nlisten = \"127.0.0.1:{desk}\"\n\
         [api]\nlisten = \"127.0.0.1:{api}\"\n[media]\nport_first = 20000\nport_last = 20199\n\
         [[trunks]]\nname = \"carrier-a\"\nchannels_max = 20\n{trunk}\n\
         [[campaigns]]\nname = \"T\"\ncaller_id = \"+842873000000\"\n",
        data = dir.path().join("data"),
        sip = free(),
        desk = free(),
        api = free(),
    );
    std::fs::write(&file, text).expect("written");
    Place { dir, file }
}

/// The findings of a check that are of this verdict, as text.
fn said(report: &Report, check: &str, verdict: Verdict) -> String {
    let of = report
        .findings
        .iter()
        .filter(|finding| finding.check == check && finding.verdict == verdict)
        .map(|finding| {
            let change = finding.change.as_deref().unwrap_or_default();
            format!("{} -> {change}", finding.what)
        });
    of.collect::<Vec<_>>().join("\n")
}

/// A carrier that answers each OPTIONS with this status and header.
fn carrier(status: &'static str) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        let mut octets = [0; 4_096];
        while let Ok((count, from)) = socket.recv_from(&mut octets) {
            let text = String::from_utf8_lossy(&octets[..count]).into_owned();
            assert!(text.starts_with("OPTIONS sip:"), "{text}");
            let kept: Vec<&str> = text
                .lines()
                .filter(|line| {
                    ["Via:", "From:", "To:", "Call-ID:", "CSeq:"]
                        .iter()
                        .any(|name| line.starts_with(name))
                })
                .collect();
            let status = if text.contains("Authorization:") && text.contains("username=\"tandem\"")
            {
                "200 OK"
            } else {
                status
            };
            let answer = format!(
                "SIP/2.0 {status}\r\n{}\r\nContent-Length: 0\r\n\r\n",
                kept.join("\r\n")
            );
            let _ = socket.send_to(answer.as_bytes(), from);
        }
    });
    port
}

#[test]
fn a_trunk_that_answers_is_told_with_code_and_time() {
    let place = place(
        &format!("address = \"127.0.0.1:{}\"", carrier("200 OK")),
        "",
    );
    let report = examine(&place.file);
    let ok = said(&report, "trunk", Verdict::Ok);
    assert!(
        ok.contains("answers OPTIONS with 200 after"),
        "{}",
        report.text()
    );
}

#[test]
fn a_trunk_is_asked_for_credentials_and_given_them() {
    const ASKS: &str =
        "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
    let port = carrier(ASKS);
    let without = place(&format!("address = \"127.0.0.1:{port}\""), "");
    let fault = said(&examine(&without.file), "trunk", Verdict::Fault);
    assert!(
        fault.contains("401") && fault.contains("the trunk has none"),
        "{fault}"
    );
    let wrong_realm = place(
        &format!(
            "address = \"127.0.0.1:{port}\"\nusername = \"tandem\"\npassword = \"x\"\nrealms = [\"other\"]"
        ),
        "",
    );
    let fault = said(&examine(&wrong_realm.file), "trunk", Verdict::Fault);
    assert!(fault.contains("set realms"), "{fault}");
    let with = place(
        &format!("address = \"127.0.0.1:{port}\"\nusername = \"tandem\"\npassword = \"x\""),
        "",
    );
    let ok = said(&examine(&with.file), "trunk", Verdict::Ok);
    assert!(ok.contains("with 200"), "{ok}");
}

#[test]
fn a_silent_trunk_and_a_closed_one_are_told_apart() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let report = examine(&place(&format!("address = \"127.0.0.1:{port}\""), "").file);
    let fault = said(&report, "trunk", Verdict::Fault);
    assert!(fault.contains("is silent for"), "{}", report.text());
    drop(silent);
    for transport in ["udp", "tcp"] {
        let trunk = format!(
            "address = \"127.0.0.1:{}\"\ntransport = \"{transport}\"",
            free()
        );
        let fault = said(&examine(&place(&trunk, "").file), "trunk", Verdict::Fault);
        assert!(
            fault.contains("nobody listens there"),
            "{transport}: {fault}"
        );
    }
}

#[test]
fn a_port_that_somebody_has_is_told_with_who_it_is() {
    let place = place("address = \"127.0.0.1:9\"", "");
    let config = Config::load(&place.file).expect("correct");
    let _desk = TcpListener::bind(config.desk.listen).expect("free");
    let _sip = UdpSocket::bind(config.sip.listen).expect("free");
    let report = examine(&place.file);
    let faults = said(&report, "ports", Verdict::Fault);
    let us = format!("(process {})", std::process::id());
    assert_eq!(faults.matches(&us).count(), 2, "{}", report.text());
    assert!(
        faults.contains("desk.listen") && faults.contains("(UDP)"),
        "{faults}"
    );
    assert!(!report.is_sound());
}

#[test]
fn an_address_that_is_not_ours_is_a_fault() {
    let place = place("address = \"192.0.2.1:5060\"", "");
    let text = std::fs::read_to_string(&place.file).expect("read");
    let foreign = text.replacen(
        "[sip]\nlisten = \"127.0.0.1",
        "[sip]\nlisten = \"198.51.100.7",
        1,
    );
    std::fs::write(&place.file, foreign).expect("written");
    let report = examine(&place.file);
    let faults = said(&report, "ports", Verdict::Fault);
    assert!(
        faults.contains("no address of this machine"),
        "{}",
        report.text()
    );
    assert!(said(&report, "configuration", Verdict::Warning).contains("no rule profile for VN"));
    assert!(said(&report, "trunk", Verdict::Fault).contains("cannot be asked"));
}

#[test]
fn secrets_that_everybody_may_read_are_faults() {
    let at = tempfile::tempdir().expect("a directory");
    let password = at.path().join("password");
    std::fs::write(&password, "geheim\n").expect("written");
    let place = place(
        &format!("address = \"127.0.0.1:9\"\nusername = \"tandem\"\npassword_file = {password:?}"),
        "",
    );
    let data = place.dir.path().join("data");
    std::fs::create_dir(&data).expect("made");
    let allow = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("allowed");
    };
    allow(&password, 0o644);
    allow(&data, 0o777);
    crate::shell::api::AdminToken::load_or_create(&data).expect("a token");
    allow(&data.join("admin.token"), 0o640);
    let report = examine(&place.file);
    let faults = said(&report, "secrets", Verdict::Fault);
    assert!(
        faults.contains("password of trunk carrier-a"),
        "{}",
        report.text()
    );
    assert!(
        faults.contains("the admin token") && faults.contains("mode 640"),
        "{faults}"
    );
    assert!(said(&report, "data_dir", Verdict::Fault).contains("written by everybody"));
    assert!(!report.text().contains("geheim") && !report.json().contains("geheim"));
    allow(&password, 0o640);
    allow(&data, 0o700);
    allow(&data.join("admin.token"), 0o600);
    let report = examine(&place.file);
    assert!(
        said(&report, "secrets", Verdict::Ok).contains("for their owner alone"),
        "{}",
        report.text()
    );
    assert!(!said(&report, "data_dir", Verdict::Ok).is_empty());
}

#[test]
fn a_data_directory_in_memory_is_a_warning() {
    let memory = tempfile::tempdir_in("/dev/shm").expect("Linux keeps a tmpfs at /dev/shm");
    let place = place("address = \"127.0.0.1:9\"", "");
    let text = std::fs::read_to_string(&place.file).expect("read");
    let (_, rest) = text.split_once('\n').expect("lines");
    std::fs::write(
        &place.file,
        format!("data_dir = {:?}\n{rest}", memory.path()),
    )
    .expect("written");
    let report = examine(&place.file);
    let warning = said(&report, "file_system", Verdict::Warning);
    assert!(
        warning.contains("forgotten every outcome"),
        "{}",
        report.text()
    );
}

#[test]
fn a_broken_configuration_is_told_fault_by_fault_and_nothing_else_is_tried() {
    let place = place(
        "address = \"127.0.0.1:9\"\nchanels_max = 3",
        "data_dirr = \"x\"",
    );
    let report = examine(&place.file);
    assert_eq!(report.findings.len(), 2, "{}", report.text());
    assert!(report.text().contains("did you mean"), "{}", report.text());
}

#[test]
fn a_store_of_a_newer_program_or_a_damaged_one_is_a_fault() {
    let place = place("address = \"127.0.0.1:9\"", "");
    let data = place.dir.path().join("data");
    std::fs::create_dir(&data).expect("made");
    let store = data.join("tandem.db");
    drop(crate::shell::store::sqlite::BackOffice::open(&store).expect("a store"));
    let connection = rusqlite::Connection::open(&store).expect("it opens");
    let row = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (9999, 'x', '', '0')";
    connection.execute(row, []).expect("a row");
    drop(connection);
    let fault = said(&examine(&place.file), "store", Verdict::Fault);
    assert!(fault.contains("schema 9999"), "{fault}");
    std::fs::write(&store, vec![0x41; 40_960]).expect("written over");
    let report = examine(&place.file);
    let fault = said(&report, "store", Verdict::Fault);
    assert!(
        fault.contains("restore the last backup"),
        "{}",
        report.text()
    );
}

#[test]
fn a_finding_is_one_line_whatever_a_path_holds() {
    let report = Report {
        config: PathBuf::from("t.toml"),
        findings: vec![Finding::warning("store", "a\r\nok \u{1b}[2J", "b\nc")],
    };
    let text = report.text();
    assert_eq!(text.lines().count(), 2, "{text:?}");
    assert!(!text.contains('\u{1b}'));
    assert!(text.contains("1 warning."), "{text}");
}
