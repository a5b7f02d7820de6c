//! The simulated carrier on real sockets, called by peers that we did not write (SIPp), and the demo's agents.
//!
//! Everything on loopback and on free ports. Without SIPp these tests fail, unless TANDEM_SKIP_PEERS=1 says that it may be absent.

#![allow(clippy::unwrap_used)]

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tandem::demo::carrier::CarrierArgs;
use tandem::demo::carrier::driver::RunningCarrier;
use tandem::demo::carrier::records::{CallRecord, Stats, Totals, read_records};

/// Whether `tool` can be run; absent and not excused is a failure.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("-v").output().is_ok();
    if !found {
        assert!(
            std::env::var_os("TANDEM_SKIP_PEERS").is_some_and(|value| value == "1"),
            "{tool} is not installed (Debian: sip-tester); TANDEM_SKIP_PEERS=1 skips this test"
        );
        eprintln!("skipped: {tool} is not installed and TANDEM_SKIP_PEERS=1");
    }
    found
}

/// A range of RTP ports that is free now and below the ports that the system hands out by itself.
fn rtp_ports(count: u16) -> (u16, u16) {
    let spread = u64::from(std::process::id()).wrapping_mul(97);
    for step in 0..500_u64 {
        let first = 10_000 + ((spread + step * 211) % 9_000) as u16 * 2;
        let last = first + count * 2 - 1;
        let free = (first..=last)
            .step_by(2)
            .all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok());
        if free {
            return (first, last);
        }
    }
    panic!("no free range of RTP ports");
}

/// Everybody answers after a moment, and stays.
fn friendly(directory: &Path) -> CarrierArgs {
    let mut args = CarrierArgs {
        listen: "127.0.0.1:0".parse().unwrap(),
        rtp_ports: rtp_ports(300),
        cdr: Some(directory.join("calls.jsonl")),
        stats: Some(directory.join("stats.json")),
        ..CarrierArgs::default()
    };
    let behaviour = &mut args.behaviour;
    behaviour.answer_rate = 1.0;
    behaviour.machine_rate = 0.0;
    behaviour.busy_rate = 0.0;
    behaviour.reject_rate = 0.0;
    behaviour.unavailable_rate = 0.0;
    behaviour.invalid_rate = 0.0;
    behaviour.callee_hangs_up = 0.0;
    behaviour.ring_mean_s = 0.3;
    args
}

/// Calls the carrier with SIPp; returns what it printed if all its calls went well.
fn sipp(carrier: &RunningCarrier, flags: &[&str], directory: &Path) -> Result<(), String> {
    let output = Command::new("sipp")
        .arg(carrier.local.to_string())
        .args([
            "-s",
            "+84900000412",
            "-i",
            "127.0.0.1",
            "-timeout",
            "120",
            "-nostdin",
        ])
        .args(flags)
        .current_dir(directory)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let tail: Vec<_> = text.lines().rev().take(40).collect();
    Err(format!(
        "{:?}\n{}\n{}",
        output.status,
        tail.into_iter().rev().collect::<Vec<_>>().join("\n"),
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn finish(carrier: RunningCarrier, directory: &Path) -> (Totals, Vec<CallRecord>) {
    let totals = carrier.stop().expect("the carrier did not panic");
    let records = read_records(&directory.join("calls.jsonl")).unwrap();
    assert!(totals.add_up(), "{totals:?}");
    assert_eq!(
        totals.calls,
        records.len() as u64,
        "one record for each call"
    );
    (totals, records)
}

#[test]
fn sipp_calls_it_over_udp_and_over_tcp_and_hangs_up() {
    if !has("sipp") {
        return;
    }
    for transport in ["u1", "t1"] {
        let directory = tempfile::tempdir().unwrap();
        let carrier = RunningCarrier::start(friendly(directory.path())).unwrap();
        sipp(
            &carrier,
            &[
                "-sn", "uac", "-t", transport, "-m", "60", "-r", "30", "-d", "500",
            ],
            directory.path(),
        )
        .unwrap();
        let (totals, records) = finish(carrier, directory.path());
        assert_eq!(
            (totals.calls, totals.acknowledged, totals.ended_by_caller),
            (60, 60, 60),
            "{transport}"
        );
        // Half a second of speech to each of them.
        assert!(
            records.iter().all(|record| record.rtp_sent >= 5),
            "{transport}"
        );
        assert!(
            records
                .iter()
                .all(|record| record.status == 200 && record.acknowledged_at_ms.is_some())
        );
    }
}

#[test]
fn a_tenth_of_the_datagrams_may_be_lost_and_every_call_still_comes_to_its_end() {
    if !has("sipp") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let args = CarrierArgs {
        loss: 0.1,
        ..friendly(directory.path())
    };
    let carrier = RunningCarrier::start(args).unwrap();
    sipp(
        &carrier,
        &["-sn", "uac", "-m", "60", "-r", "30", "-d", "500"],
        directory.path(),
    )
    .unwrap();
    let (totals, _) = finish(carrier, directory.path());
    assert_eq!((totals.calls, totals.lost), (60, 0));
    assert!(
        totals.dropped > 20 && totals.repeated + totals.invites_repeated > 0,
        "{totals:?}"
    );
}

#[test]
fn a_caller_with_the_right_password_passes_the_challenge() {
    if !has("sipp") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let args = CarrierArgs {
        digest: Some("tandem:s3cret".to_owned()),
        ..friendly(directory.path())
    };
    let carrier = RunningCarrier::start(args).unwrap();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/carrier/uac_auth.xml");
    let flags = [
        "-sf",
        scenario.to_str().unwrap(),
        "-au",
        "tandem",
        "-m",
        "10",
        "-r",
        "10",
    ];
    sipp(
        &carrier,
        &[&flags[..], &["-ap", "s3cret"]].concat(),
        directory.path(),
    )
    .unwrap();
    assert!(
        sipp(
            &carrier,
            &[&flags[..], &["-ap", "wrong"]].concat(),
            directory.path()
        )
        .is_err()
    );
    let (totals, _) = finish(carrier, directory.path());
    assert_eq!(totals.acknowledged, 10);
}

#[test]
fn callees_hang_up_on_sipp() {
    if !has("sipp") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut args = friendly(directory.path());
    args.behaviour.callee_hangs_up = 1.0;
    args.behaviour.talk_mean_s = 0.5;
    let carrier = RunningCarrier::start(args).unwrap();
    let scenario =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/carrier/uac_waits_for_bye.xml");
    sipp(
        &carrier,
        &["-sf", scenario.to_str().unwrap(), "-m", "20", "-r", "20"],
        directory.path(),
    )
    .unwrap();
    let (totals, _) = finish(carrier, directory.path());
    assert_eq!(totals.ended_by_callee, 20);
}

#[test]
fn early_media_is_heard_before_the_answer_and_from_the_signalled_port() {
    let directory = tempfile::tempdir().unwrap();
    let mut args = friendly(directory.path());
    args.behaviour.early_media_rate = 1.0;
    args.behaviour.ring_mean_s = 1.0;
    let carrier = RunningCarrier::start(args).unwrap();
    let signalling = socket();
    let media = socket();
    let (own, rtp) = (
        signalling.local_addr().unwrap(),
        media.local_addr().unwrap(),
    );
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 8\r\n",
        rtp.port()
    );
    let invite = format!(
        "INVITE sip:+84900000001@{} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKone;rport\r\nFrom: <sip:a@{own}>;tag=1\r\n\
         To: <sip:+84900000001@127.0.0.1>\r\nCall-ID: early\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@{own}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        carrier.local,
        sdp.len()
    );
    signalling
        .send_to(invite.as_bytes(), carrier.local)
        .unwrap();
    let mut datagram = [0; 4_096];
    let (length, source) = media.recv_from(&mut datagram).unwrap();
    assert_eq!((length, datagram[1] & 0x7F), (172, 8));
    // No answer so far, but a 183 that names the port.
    let mut signalled = None;
    loop {
        let (length, _) = signalling.recv_from(&mut datagram).unwrap();
        let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
        if text.starts_with("SIP/2.0 183 ") {
            signalled = text.lines().find_map(|line| {
                line.strip_prefix("m=audio ")?
                    .split(' ')
                    .next()?
                    .parse::<u16>()
                    .ok()
            });
        }
        if text.starts_with("SIP/2.0 200 ") {
            break;
        }
    }
    assert_eq!(signalled, Some(source.port()));
    let limit = Instant::now() + Duration::from_secs(30);
    let stats: Stats = loop {
        let text = std::fs::read(directory.path().join("stats.json")).unwrap_or_default();
        match serde_json::from_slice(&text) {
            Ok(Stats { up, .. }) if up.is_empty() || up[0].stage != "answered" => {}
            Ok(stats) => break stats,
            Err(_) => {}
        }
        assert!(
            Instant::now() < limit,
            "the call never showed in the statistics"
        );
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(
        (stats.up[0].call_id.as_str(), stats.up[0].number.as_str()),
        ("early", "+84900000001")
    );
    let (_, records) = finish(carrier, directory.path());
    assert!(records[0].rtp_sent_early > 0 && records[0].rtp_sent_early < records[0].rtp_sent);
}

#[test]
fn it_refuses_to_leave_loopback() {
    let args = CarrierArgs {
        listen: "0.0.0.0:0".parse().unwrap(),
        ..friendly(&PathBuf::from("."))
    };
    let refused = RunningCarrier::start(CarrierArgs {
        cdr: None,
        stats: None,
        ..args
    })
    .unwrap_err();
    assert!(refused.to_string().contains("--lab"), "{refused}");
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    socket
}

/// A demo of a few seconds at ten times the speed of life.
fn demo(directory: &Path, minutes: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args([
            "demo",
            "--plain",
            "--agents",
            "4",
            "--leads",
            "200",
            "--speed",
            "10",
            "--answer-rate",
            "0.5",
        ])
        .args(["--minutes", minutes, "--data-dir"])
        .arg(directory.join("demo"))
        .arg("--json")
        .arg(directory.join("summary.json"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a process's end, within reason.
fn finished(child: Child) -> std::process::Output {
    let (sender, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    done.recv_timeout(Duration::from_secs(400))
        .expect("the demo ends")
        .unwrap()
}

#[test]
fn the_demo_ends_with_books_that_agree() {
    let directory = tempfile::tempdir().unwrap();
    let output = finished(demo(directory.path(), "0.3"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.path().join("summary.json")).unwrap())
            .unwrap();
    assert_eq!(summary["adds_up"], true);
    let connected = summary["results"]["CONNECTED"].as_u64().unwrap();
    assert!(connected > 0, "{text}");
    assert_eq!(summary["desk"]["calls"].as_u64(), Some(connected));
    assert_eq!(
        summary["latencies"]["answer_to_match"]["count"].as_u64(),
        Some(connected)
    );
    // The engine's comfort noise reached the people it talked to.
    assert!(summary["carrier"]["rtp_received"].as_u64().unwrap() > 0);
}

#[test]
fn a_demo_whose_engine_dies_fails_and_leaves_no_process_behind() {
    let directory = tempfile::tempdir().unwrap();
    let demo = demo(directory.path(), "10");
    let limit = Instant::now() + Duration::from_secs(120);
    let children = loop {
        let children = children_of(demo.id());
        if children.len() == 2 && directory.path().join("demo/carrier.json").exists() {
            break children;
        }
        assert!(Instant::now() < limit, "engine and carrier never started");
        std::thread::sleep(Duration::from_millis(50));
    };
    let (engine, _) = children
        .iter()
        .find(|(_, words)| words.contains("serve"))
        .unwrap();
    let killed = Command::new("sh")
        .args(["-c", "kill -KILL \"$1\"", "sh", &engine.to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let output = finished(demo);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("engine"));
    for (pid, words) in children {
        let now = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert_ne!(now, words, "a process is left behind");
    }
}

/// Children of a process, with their command lines.
fn children_of(pid: u32) -> Vec<(u32, String)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .filter_map(|pid| {
            Some((
                pid,
                std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?,
            ))
        })
        .collect()
}
