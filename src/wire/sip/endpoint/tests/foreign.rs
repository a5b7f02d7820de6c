//! Messages that belong to no call of ours, and what strangers may try.

use super::*;

#[test]
fn guessed_requests_end_nothing() {
    let mut stage = Stage::new();
    stage.talk();
    for (cseq, tags) in [
        (2, ("guess", "ours")),
        (3, ("theirs", "guess")),
        (4, ("ours", "theirs")),
    ] {
        stage.request("BYE", cseq, tags, &[], None);
    }
    assert_eq!(stage.statuses(), [481, 481, 481]);
    let bye = far_request("BYE", 9, THEIRS, &[], None);
    stage.hear_from("198.18.0.1:5060", &bye);
    assert_eq!(stage.statuses().len(), 3, "an unknown source gets silence");
    assert_eq!(stage.count(Count::UnknownSource), 1);
    assert!(!stage.said.contains(&Event::Ended));
    stage.hear_from("203.0.113.70:5070", &bye);
    assert!(
        stage.said.contains(&Event::Ended),
        "a carrier's other address may end it"
    );
}

#[test]
fn control_from_outside_is_refused_without_effect() {
    let mut stage = Stage::new();
    stage.talk();
    let methods = [
        "INFO",
        "REFER",
        "MESSAGE",
        "SUBSCRIBE",
        "NOTIFY",
        "PRACK",
        "REGISTER",
        "PUBLISH",
        "SPLIT",
    ];
    for (cseq, method) in (2..).zip(methods) {
        stage.request(method, cseq, THEIRS, &[], None);
    }
    assert_eq!(
        stage.statuses(),
        [405, 405, 405, 489, 489, 405, 405, 405, 501]
    );
    assert_eq!(stage.said.len(), 2);
    stage.request("OPTIONS", 40, THEIRS, &[], None);
    assert_eq!(stage.statuses().last(), Some(&200));
}

#[test]
fn requests_outside_any_dialog_are_answered_without_state() {
    for (file, want) in [
        ("intmeth", 501),
        ("esc02", 501),
        ("unkscm", 416),
        ("novelsc", 416),
        ("bext01", 420),
        ("sdp01", 406),
        ("invut", 415),
        ("regaut01", 405),
        ("mpart01", 405),
        ("insuf", 400),
        ("badvers", 505),
        ("badinv01", 400),
        ("zeromf", 200),
        ("semiuri", 200),
        ("badbranch", 200),
        ("wsinv", 481),
        ("inv2543", 404),
        ("longreq", 404),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../shared/sip/rfc4475/{file}.dat"));
        let Ok(octets) = std::fs::read(path) else {
            println!("skipped: the shared folder with the RFC 4475 messages is absent");
            return;
        };
        let mut stage = Stage::new();
        let source = Source {
            transport: Transport::Udp,
            address: address("203.0.113.1:5060"),
            connection: 0,
        };
        stage.endpoint.receive(
            stage.now,
            source,
            &octets,
            Framing::Datagram,
            &mut stage.out,
        );
        let Some(Output::Send { octets, .. }) = stage.out.pop() else {
            panic!("{file}: no answer");
        };
        let status_line = String::from_utf8_lossy(&octets).into_owned();
        assert!(
            status_line.starts_with(&format!("SIP/2.0 {want} ")),
            "{file}: {status_line}"
        );
        assert_eq!(stage.endpoint.calls(), 0);
    }
}

#[test]
fn copies_of_a_stateless_request_get_the_same_answer_and_other_engines_another_tag() {
    let invite = Draft::request(&Method::INVITE, "sip:+1900@198.51.100.2")
        .header("Via", "SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKq")
        .header("From", "<sip:a@b>;tag=1")
        .header("To", "<sip:+1900@198.51.100.2>")
        .header("Call-ID", "fraud")
        .header("CSeq", "1 INVITE")
        .end(None);
    let tag_of = |seed: u64| {
        let mut stage = Stage::new();
        stage.endpoint.salt = seed;
        stage.hear(&invite);
        stage.hear(&invite);
        let answers = stage.answers();
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].status, 404);
        assert_eq!(
            stage.requests(&Method::INVITE).len(),
            0,
            "nothing is relayed"
        );
        answers[0].envelope.to.tag().map(str::to_owned)
    };
    assert_eq!(tag_of(1).map(|tag| tag.len()), Some(32));
    assert_ne!(tag_of(1), tag_of(2));
}

#[test]
fn responses_to_others_are_dropped() {
    let mut stage = Stage::new();
    stage.ring();
    let invite = stage.last(&Method::INVITE);
    let twice = Draft::response(200, "x")
        .header("Via", &invite.envelope.vias[0].text)
        .header("Via", "SIP/2.0/UDP 203.0.113.7;branch=z9hG4bKz")
        .header("From", &invite.envelope.from.text)
        .header("To", "<sip:x@y>;tag=z")
        .header("Call-ID", "call-1")
        .header("CSeq", "1 INVITE")
        .end(None);
    stage.hear(&twice);
    stage.hear(&far_answer_of_invite("z9hG4bKother", 1, 200));
    stage.hear(&far_answer_of_invite("z9hG4bKfirst", 2, 200));
    assert!(!stage.was_answered());
    assert_eq!(stage.count(Count::DiscardedUnmatched), 3);
}
