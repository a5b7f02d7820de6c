//! The SIP thread against SIPp, over real sockets: each scenario of `tests/data/sipp` is a far end with one habit.
//!
//! A test passes when the floor heard the right facts and SIPp itself says that its scenario went through.

mod harness;

use crate::harness::{Far, Near, Ports, config, failed, free_port, has_tool, wait_until};
use LegEvent::{Answered, Ended, Ringing, Sent, Trying};
use std::io::Read;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tandem::config::Transport;
use tandem::core::input::{Input, LegEvent, LegFailure};
use tandem::ids::{AttemptId, TrunkId};
use tandem::pii::Pii;
use tandem::shell::lanes::{Clock, MediaPorts, SipOrder, floor_lanes, store_lane};
use tandem::shell::sip::{OsRandom, new_identity, spawn};
use tandem::shell::store::OrphanLeg;

/// One call that is hung up by us once answered; what the floor heard.
#[track_caller]
fn answered_call(scenario: &str, more: &[&str], transport: Transport, want: &[LegEvent]) {
    answered_call_with(scenario, more, transport, (true, 1), want);
}

/// The same; without `confirms` the ACK leaves by its bound of 200 ms. SIPp takes no message between two that it sends.
#[track_caller]
fn answered_call_with(
    scenario: &str,
    more: &[&str],
    transport: Transport,
    (confirms, acks): (bool, u64),
    want: &[LegEvent],
) {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play(scenario, 1, more);
    let mut near = Near::over(&far, transport);
    near.confirms = confirms;
    near.dial(1);
    near.wait_for(1, Answered);
    near.wait("every answer is acknowledged", |near| {
        near.figure("tandem_sip_messages_out_total", "ACK") == acks
    });
    near.hang_up(1);
    near.wait_for(1, Ended);
    assert_eq!(near.of(1), want);
    assert_eq!(near.dialogs.len(), 1);
    far.expect_content();
    near.close();
}

#[test]
fn a_call_is_answered_and_hung_up() {
    answered_call(
        "answer",
        &[],
        Transport::Udp,
        &[Sent, Trying, Ringing, Answered, Ended],
    );
}

#[test]
fn a_call_over_tcp_is_answered_and_hung_up() {
    answered_call(
        "answer",
        &["-t", "t1"],
        Transport::Tcp,
        &[Sent, Trying, Ringing, Answered, Ended],
    );
}

#[test]
fn a_200_before_the_180_is_an_answer() {
    answered_call_with(
        "answer_before_ringing",
        &[],
        Transport::Udp,
        (false, 1),
        &[Sent, Answered, Ended],
    );
}

#[test]
fn five_copies_of_an_answer_get_five_acks() {
    answered_call_with(
        "duplicate_answers",
        &[],
        Transport::Udp,
        (false, 5),
        &[Sent, Ringing, Answered, Ended],
    );
}

#[test]
fn a_proxys_challenge_is_answered() {
    answered_call_with(
        "proxy_challenge",
        &[],
        Transport::Udp,
        (true, 2),
        &[Sent, Ringing, Answered, Ended],
    );
}

#[test]
fn a_challenge_is_answered() {
    answered_call_with(
        "challenge",
        &[],
        Transport::Udp,
        (true, 2),
        &[Sent, Ringing, Answered, Ended],
    );
}

#[test]
fn early_media_is_pointed_to_before_the_answer() {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play("early_media", 1, &[]);
    let mut near = Near::towards(&far);
    near.dial(1);
    near.wait_for(1, Answered);
    near.wait("media is pointed to the answer", |near| {
        near.ports.remotes.lock().expect("not poisoned").len() == 2
    });
    near.hang_up(1);
    near.wait_for(1, Ended);
    assert_eq!(near.of(1), [Sent, Ringing, Answered, Ended]);
    let remotes = near.ports.remotes.lock().expect("not poisoned").clone();
    let said: Vec<(u8, bool)> = remotes
        .iter()
        .map(|(_, _, payload, answered)| (*payload, *answered))
        .collect();
    assert_eq!(said, [(8, false), (8, true)]);
    far.expect_content();
    near.close();
}

#[track_caller]
fn refused_call(scenario: &str, want: LegEvent) {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play(scenario, 1, &[]);
    let mut near = Near::towards(&far);
    near.dial(1);
    near.wait("the failure", |near| near.of(1).len() == 3);
    assert_eq!(near.of(1), [Sent, Trying, want]);
    far.expect_content();
    near.close();
}

#[test]
fn busy_is_acknowledged_and_reported() {
    refused_call("refuse_486", failed(486));
}

#[test]
fn an_overloaded_trunk_says_when_to_come_back() {
    let want = LegFailure {
        status: 503,
        q850: None,
        retry_after_s: Some(30),
    };
    refused_call("refuse_503", LegEvent::Failed(want));
}

#[test]
fn a_404_without_reason_stays_bare() {
    refused_call("refuse_404", failed(404));
}

#[test]
fn a_404_with_reason_carries_its_q850_cause() {
    let want = LegFailure {
        status: 404,
        q850: Some(1),
        retry_after_s: None,
    };
    refused_call("refuse_404_cause_1", LegEvent::Failed(want));
}

#[test]
fn a_ringing_call_is_cancelled() {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play("cancelled", 1, &[]);
    let mut near = Near::towards(&far);
    near.dial(1);
    near.wait_for(1, Ringing);
    near.order(SipOrder::Cancel(AttemptId(1)));
    near.wait_for(1, Ended);
    assert_eq!(near.of(1), [Sent, Ringing, Ended]);
    far.expect_content();
    near.close();
}

#[test]
fn an_answer_that_crosses_a_cancel_is_a_person() {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play("answer_crosses_cancel", 1, &[]);
    let mut near = Near::towards(&far);
    near.confirms = false;
    near.dial(1);
    near.wait_for(1, Ringing);
    near.order(SipOrder::Cancel(AttemptId(1)));
    near.wait_for(1, Answered);
    near.wait("the ACK is out", |near| {
        near.figure("tandem_sip_messages_out_total", "ACK") > 0
    });
    near.hang_up(1);
    near.wait_for(1, Ended);
    assert_eq!(near.figure("tandem_sip_crossed_answers_total", ""), 1);
    far.expect_content();
    near.close();
}

#[test]
fn an_aborted_call_is_ended_without_a_word() {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play("answer_behind_cancel", 1, &[]);
    let mut near = Near::towards(&far);
    near.dial(1);
    near.wait_for(1, Ringing);
    near.order(SipOrder::Abort(AttemptId(1)));
    far.expect_content();
    near.take_facts();
    assert_eq!(near.of(1), [Sent, Ringing]);
    near.close();
}

#[test]
fn the_callee_hangs_up() {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play("callee_hangs_up", 1, &[]);
    let mut near = Near::towards(&far);
    near.dial(1);
    near.wait_for(1, Ended);
    assert_eq!(near.of(1), [Sent, Ringing, Answered, Ended]);
    far.expect_content();
    near.close();
}

#[test]
fn the_callee_holds_and_resumes() {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play("hold", 1, &[]);
    let mut near = Near::towards(&far);
    near.dial(1);
    near.wait_for(1, Answered);
    near.wait("the call was resumed", |near| {
        near.figure("tandem_sip_messages_in_total", "ACK") == 2
    });
    near.hang_up(1);
    near.wait_for(1, Ended);
    assert_eq!(near.of(1), [Sent, Ringing, Answered, Ended]);
    far.expect_content();
    near.close();
}

#[test]
fn of_two_telephones_that_answer_the_first_is_kept() {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play("fork", 1, &[]);
    let mut near = Near::towards(&far);
    // The store is slow here: the first answer's ACK leaves by its bound, behind the second's, as the scenario wants.
    near.confirms = false;
    near.dial(1);
    near.wait_for(1, Answered);
    near.wait("both were acknowledged", |near| {
        near.figure("tandem_sip_messages_out_total", "ACK") == 2
    });
    assert_eq!(near.figure("tandem_sip_forked_answers_total", ""), 1);
    assert_eq!(near.figure("tandem_sip_acks_unconfirmed_total", ""), 1);
    near.hang_up(1);
    near.wait_for(1, Ended);
    assert_eq!(near.of(1), [Sent, Ringing, Answered, Ended]);
    far.expect_content();
    near.close();
}

#[test]
fn stopping_hangs_up_what_is_up() {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play("answer", 1, &[]);
    let mut near = Near::towards(&far);
    near.dial(1);
    near.wait_for(1, Answered);
    near.wait("the ACK is out", |near| {
        near.figure("tandem_sip_messages_out_total", "ACK") > 0
    });
    near.sip.stop(Duration::from_secs(10));
    assert!(near.ports.bound.lock().expect("not poisoned").is_empty());
    far.expect_content();
}

#[test]
fn twenty_calls_survive_ten_per_cent_loss() {
    if !has_tool("sipp") {
        return;
    }
    const CALLS: u64 = 20;
    let far = Far::play("answer", CALLS as u32, &["-lost", "10"]);
    // Calls need no trunk that is up here, and SIPp takes a second keep-alive of one Call-ID for a mistake.
    let mut near = Near::with(config(far.address, Transport::Udp));
    for attempt in 1..=CALLS {
        near.dial(attempt);
    }
    near.wait("every call is answered and acknowledged", |near| {
        (1..=CALLS).all(|attempt| near.of(attempt).contains(&Answered))
            && near.dialogs.len() == CALLS as usize
    });
    for attempt in 1..=CALLS {
        near.hang_up(attempt);
    }
    near.wait("every call has ended", |near| {
        (1..=CALLS).all(|attempt| near.of(attempt).last() == Some(&Ended))
    });
    for attempt in 1..=CALLS {
        let answers = near
            .of(attempt)
            .iter()
            .filter(|event| **event == Answered)
            .count();
        assert_eq!(answers, 1, "one call, however often its answer came");
    }
    near.close();
}

#[test]
fn a_dead_far_end_is_silence_and_a_trunk_that_is_down() {
    let port = free_port();
    let mut near = Near::with(config((Ipv4Addr::LOCALHOST, port).into(), Transport::Udp));
    near.is_up = true;
    near.dial(1);
    near.wait_for(1, LegEvent::Silent);
    assert_eq!(near.of(1), [Sent, LegEvent::Silent]);
    near.wait("the trunk is down", |near| !near.is_up);
    near.close();
}

#[test]
fn a_trunk_that_cannot_be_connected_fails_calls_at_once() {
    let port = free_port();
    let mut near = Near::with(config((Ipv4Addr::LOCALHOST, port).into(), Transport::Tcp));
    near.dial(1);
    near.wait("the failure", |near| !near.of(1).is_empty());
    assert_eq!(near.of(1), [failed(0)]);
    near.close();
}

#[test]
fn what_is_no_number_never_leaves() {
    let port = free_port();
    let mut near = Near::with(config((Ipv4Addr::LOCALHOST, port).into(), Transport::Udp));
    let mut random = OsRandom::new().expect("randomness");
    near.order(SipOrder::Invite {
        attempt: AttemptId(1),
        route_try: 1,
        trunk: TrunkId(0),
        identity: new_identity(&mut random),
        number: Pii::new("113@evil.example\r\nRoute: <sip:evil>".to_owned()),
        caller_id: "+842800000001".to_owned(),
    });
    near.wait("the refusal", |near| !near.of(1).is_empty());
    let want = LegFailure {
        status: 484,
        q850: Some(28),
        retry_after_s: None,
    };
    assert_eq!(near.of(1), [LegEvent::Failed(want)]);
    assert_eq!(near.figure("tandem_sip_messages_out_total", "INVITE"), 0);
    near.close();
}

#[test]
fn strangers_get_silence_over_udp_and_a_closed_door_over_tcp() {
    // The trunk is elsewhere (TEST-NET-1), so that loopback is a stranger.
    let near = Near::with(config(
        "192.0.2.1:5060".parse().expect("an address"),
        Transport::Udp,
    ));
    let ours = near.sip.local_address();
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    stranger
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("a timeout");
    let options = format!(
        "OPTIONS sip:x@{ours} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx;rport\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@{ours}>\r\nCall-ID: s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    stranger
        .send_to(options.as_bytes(), ours)
        .expect("it was sent");
    wait_until("it was counted", || {
        near.figure("tandem_sip_discarded_total", "unknown_source") == 1
    });
    assert!(stranger.recv_from(&mut [0; 2_048]).is_err(), "no answer");
    let mut stream = std::net::TcpStream::connect(ours).expect("the listener takes it");
    assert!(
        matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)),
        "it is closed"
    );
    wait_until("it was counted", || {
        near.figure("tandem_sip_streams_refused_total", "") == 1
    });
    near.close();
}

#[test]
fn a_stream_out_of_step_gets_one_refusal_and_is_closed() {
    use std::io::Write as _;
    let near = Near::with(config(
        (Ipv4Addr::LOCALHOST, free_port()).into(),
        Transport::Udp,
    ));
    let mut stream = std::net::TcpStream::connect(near.sip.local_address())
        .expect("a trunk's address may connect");
    let smuggled = "OPTIONS sip:x@h SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@h>\r\nCall-ID: s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 5\r\nl: 0\r\n\r\nOPTIONS sip:second SIP/2.0\r\n\r\n";
    stream.write_all(smuggled.as_bytes()).expect("it was sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("SIP/2.0 400 "), "{answer}");
    assert_eq!(answer.matches("SIP/2.0 4").count(), 1);
    near.close();
}

#[test]
fn a_leg_of_an_earlier_run_is_cancelled() {
    if !has_tool("sipp") {
        return;
    }
    let far = Far::play("cancelled", 2, &[]);
    // Without credentials the INVITE had one branch for sure; SIPp cannot tell CANCELs of several branches apart.
    let mut config = config(far.address, Transport::Udp);
    config.trunks[0].password = None;
    let mut first = Near::with(config.clone());
    first.wait("the trunk is up", |near| near.is_up);
    let identity = first.dial(1);
    first.wait_for(1, Ringing);
    let ours = first.sip.local_address();
    // The process dies: its sockets close, nobody says anything.
    drop(first);
    config.sip.listen = ours;
    let mut second = None;
    wait_until("the address is free again", || {
        let (lane, inbox) = floor_lanes(64, 4);
        let (store_in, store) = store_lane(64);
        let ports = Arc::new(Ports::default());
        let media: Arc<dyn MediaPorts> = Arc::<Ports>::clone(&ports);
        second = spawn(&config, Clock::new(), lane, store_in, media)
            .ok()
            .map(|sip| (sip, inbox, store));
        second.is_some()
    });
    let (sip, inbox, _store) = second.expect("it was bound");
    sip.try_order(SipOrder::Orphans(vec![OrphanLeg {
        attempt: AttemptId(1),
        route_try: 1,
        trunk: TrunkId(0),
        number: Pii::new("+84900000001".to_owned()),
        caller_id: "+842800000001".to_owned(),
        identity,
        dialog: None,
    }]))
    .expect("the queue has room");
    far.expect_content();
    assert!(
        !inbox
            .urgent
            .try_iter()
            .any(|input| matches!(input, Input::Leg { .. })),
        "the floor knows nothing of it"
    );
    sip.stop(Duration::from_secs(2));
}

#[test]
fn tshark_finds_nothing_wrong_with_what_we_send() {
    if !has_tool("sipp") || !has_tool("tshark") {
        return;
    }
    let far = Far::play("challenge", 1, &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sip.pcap");
    // Not tshark itself: killed, it would leave its capturing child behind.
    let capture = Command::new("dumpcap")
        .args([
            "-q",
            "-P",
            "-i",
            "lo",
            "-f",
            &format!("udp port {}", far.address.port()),
            "-w",
        ])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dumpcap, which comes with tshark, starts");
    let capture = Capture(capture);
    // The file's header is written once the filter is in force; before, packets would be missed.
    wait_until(
        "dumpcap captures on the loopback interface (it needs the right to)",
        || std::fs::metadata(&file).is_ok_and(|file| file.len() >= 24),
    );
    let mut near = Near::towards(&far);
    let ours = near.sip.local_address().port();
    near.dial(1);
    near.wait_for(1, Answered);
    near.wait("the ACK is out", |near| {
        near.figure("tandem_sip_messages_out_total", "ACK") == 2
    });
    near.hang_up(1);
    near.wait_for(1, Ended);
    expect_clean_capture(far, &file, ours, capture);
    near.close();
}

/// A running capture. Ended when dropped.
struct Capture(Child);

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the capture until our BYE is in it, then asks the dissector about every message of ours.
#[track_caller]
fn expect_clean_capture(far: Far, file: &std::path::Path, ours: u16, capture: Capture) {
    let port = far.address.port();
    let dissect = |filter: &str| {
        let read = Command::new("tshark")
            .arg("-r")
            .arg(file)
            .args(["-d", &format!("udp.port=={port},sip"), "-Y", filter])
            .args([
                "-T",
                "fields",
                "-e",
                "sip.Method",
                "-e",
                "_ws.expert.message",
            ])
            .output()
            .expect("tshark reads");
        String::from_utf8_lossy(&read.stdout).into_owned()
    };
    let from_us = format!("udp.srcport == {ours}");
    wait_until("the capture holds our BYE", || {
        dissect(&format!("{from_us} && sip.Method == \"BYE\"")).contains("BYE")
    });
    drop(capture);
    let all = dissect(&format!("{from_us} && sip"));
    for method in ["OPTIONS", "INVITE", "ACK", "BYE"] {
        assert!(
            all.contains(method),
            "{method} is not in the capture: {all}"
        );
    }
    // 0x600000 is "warning" in tshark's scale; errors and malformed frames lie above.
    let faults = dissect(&format!(
        "{from_us} && (!sip || _ws.malformed || _ws.expert.severity >= 0x600000)"
    ));
    assert_eq!(faults, "", "tshark's dissector complains");
    far.expect_content();
}
