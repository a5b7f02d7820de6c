//! A call's way from INVITE to the first word of the far end: what leaves, what is sent again, what silence means.

use super::*;

#[test]
fn a_call_runs_from_invite_to_bye() {
    let mut stage = Stage::new();
    stage.dial();
    let invite = stage.last(&Method::INVITE);
    assert_eq!(invite.uri.as_str(), "sip:+84900000412@carrier.example");
    assert_eq!(invite.envelope.from.tag(), Some("ours"));
    assert_eq!(
        invite.envelope.top_via().and_then(|via| via.branch()),
        Some("z9hG4bKfirst")
    );
    stage.answer(&Method::INVITE, 100, &[], None);
    stage.answer(&Method::INVITE, 180, &[], None);
    stage.answer(&Method::INVITE, 180, &[], None);
    stage.answer(
        &Method::INVITE,
        200,
        &[("Record-Route", "<sip:p2;lr>, <sip:p1;lr>")],
        Some(SDP),
    );
    let far = FarSide {
        remote_tag: "theirs".to_owned(),
        remote_target: "sip:gw@203.0.113.9:5080".to_owned(),
        route_set: vec!["<sip:p1;lr>".to_owned(), "<sip:p2;lr>".to_owned()],
        local_cseq: 1,
    };
    assert_eq!(stage.said[..2], [Event::Trying, Event::Ringing]);
    assert!(
        matches!(&stage.said[2], Event::Answered { far: got, path } if *got == far && path.remote == Some(address("203.0.113.5:6000")))
    );
    assert_eq!(
        stage.requests(&Method::ACK).len(),
        0,
        "the ACK waits for the dialog to be durable"
    );
    stage.endpoint.confirm(stage.now, KEY, &mut stage.out);
    stage.gather();
    let ack = stage.last(&Method::ACK);
    assert_eq!(
        (ack.uri.as_str(), ack.envelope.cseq.number),
        ("sip:gw@203.0.113.9:5080", 1)
    );
    assert_eq!(
        ack.header_values("Route").collect::<Vec<_>>(),
        ["<sip:p1;lr>", "<sip:p2;lr>"]
    );
    stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(stage.last(&Method::BYE).envelope.cseq.number, 2);
    stage.answer(&Method::BYE, 200, &[], None);
    assert_eq!(stage.said.last(), Some(&Event::Ended));
    assert_eq!(stage.said.len(), 4);
    stage.pass(S(33));
    assert_eq!(stage.endpoint.calls(), 0);
}

#[test]
fn silence_is_reported_after_four_seconds_and_what_still_comes_is_cleaned_up() {
    let mut stage = Stage::new();
    stage.dial();
    stage.pass(MS(3_999));
    assert_eq!(stage.said, []);
    stage.pass(MS(1));
    assert_eq!(stage.said, [Event::Silent]);
    let invites = stage.requests(&Method::INVITE).len();
    stage.pass(S(10));
    assert_eq!(
        stage.requests(&Method::INVITE).len(),
        invites,
        "no further copy may ring a telephone"
    );
    stage.answer(&Method::INVITE, 180, &[], None);
    assert_eq!(stage.requests(&Method::CANCEL).len(), 1);
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert_eq!(
        (
            stage.requests(&Method::ACK).len(),
            stage.requests(&Method::BYE).len()
        ),
        (1, 1)
    );
    stage.answer(&Method::BYE, 200, &[], None);
    stage.pass(S(70));
    assert_eq!(stage.said, [Event::Silent], "nothing more is reported");
    assert_eq!(stage.endpoint.calls(), 0);
}

#[test]
fn a_lost_invite_is_sent_again_until_heard() {
    let mut stage = Stage::new();
    stage.dial();
    stage.pass(MS(3_500));
    let invites = stage.requests(&Method::INVITE);
    assert_eq!(invites.len(), 4);
    assert!(invites.iter().all(|invite| *invite == invites[0]));
    stage.answer(&Method::INVITE, 100, &[], None);
    stage.pass(S(20));
    assert_eq!(stage.requests(&Method::INVITE).len(), 4);
}

#[test]
fn over_tcp_nothing_is_sent_twice_and_a_gap_fails_new_calls() {
    let mut stage = Stage::over(Transport::Tcp);
    stage.dial();
    stage.pass(MS(3_900));
    assert_eq!(stage.requests(&Method::INVITE).len(), 1);
    assert!(stage.last(&Method::INVITE).envelope.vias[0].transport() == "TCP");
    let mut gap = Stage::over(Transport::Tcp);
    gap.endpoint.connected(gap.now, TRUNK, false, &mut gap.out);
    gap.dial();
    assert_eq!(gap.said, [Event::Failed(Failure::local(0))]);
    assert_eq!(gap.requests(&Method::INVITE).len(), 0);
}

#[test]
fn a_failure_says_what_the_wire_said() {
    for (status, more, q850, retry_after_s) in [
        (486, &[][..], None, None),
        (
            404,
            &[
                ("Reason", "SIP;cause=404"),
                ("Reason", "Q.850;cause=1;text=\"Unallocated\""),
            ][..],
            Some(1),
            None,
        ),
        (503, &[("Retry-After", "30 (busy)")][..], None, Some(30)),
        (302, &[("Contact", "<sip:evil@198.18.0.1>")][..], None, None),
        (603, &[][..], None, None),
        (401, &[][..], None, None),
    ] {
        let mut stage = Stage::new();
        stage.dial();
        stage.answer(&Method::INVITE, status, more, None);
        assert_eq!(
            stage.said,
            [Event::Failed(Failure {
                status,
                q850,
                retry_after_s
            })]
        );
        assert_eq!(stage.requests(&Method::ACK).len(), 1);
        stage.pass(S(40));
        assert_eq!(stage.endpoint.calls(), 0);
        assert_eq!(stage.requests(&Method::INVITE).len(), 1);
    }
}

#[test]
fn a_trunk_is_up_at_its_first_answer_and_down_after_three_missed() {
    let mut stage = Stage::new();
    stage.pass(MS(1));
    assert_eq!(stage.requests(&Method::OPTIONS).len(), 1);
    stage.answer(&Method::OPTIONS, 404, &[], None);
    assert_eq!(stage.trunk, [true]);
    stage.pass(S(10));
    stage.answer(&Method::OPTIONS, 200, &[], None);
    stage.pass(MS(14_400));
    assert_eq!(stage.trunk, [true]);
    stage.pass(MS(100));
    assert_eq!(
        stage.trunk,
        [true, false],
        "known within 15 s of its last word"
    );
    stage.pass(S(10));
    stage.answer(&Method::OPTIONS, 503, &[], None);
    assert_eq!(stage.trunk, [true, false]);
    stage.pass(S(10));
    stage.answer(&Method::OPTIONS, 200, &[], None);
    assert_eq!(stage.trunk, [true, false, true]);
}

#[test]
fn a_request_that_could_not_leave_is_a_failure_without_status() {
    let mut stage = Stage::new();
    stage.dial();
    stage.endpoint.send_failed(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(stage.said, [Event::Failed(Failure::local(0))]);
    stage.pass(S(40));
    assert_eq!(
        (
            stage.requests(&Method::INVITE).len(),
            stage.endpoint.calls()
        ),
        (1, 0)
    );
}

#[test]
fn of_ten_thousand_hostile_numbers_only_numbers_leave_and_no_header_is_added() {
    let mut seed = Seed(9);
    let alphabet: Vec<char> = "0123456789012345678901234567890123456789+;?@\r\n<> \"%="
        .chars()
        .collect();
    let mut sent = 0;
    for call in 0..10_000 {
        let mut octets = [0_u8; 12];
        seed.fill(&mut octets);
        let length = 3 + usize::from(octets[0] % 9);
        let text: String = octets[..length]
            .iter()
            .map(|octet| alphabet[usize::from(*octet) % alphabet.len()])
            .collect();
        let Ok(number) = E164::parse(&text) else {
            continue;
        };
        let mut stage = Stage::new();
        let order = InviteOrder {
            key: KEY,
            trunk: TRUNK,
            identity: Identity {
                call_id: format!("call-{call}"),
                ..Stage::identity()
            },
            caller: number.clone().into(),
            number: number.into(),
            media_port: 40_000,
            session: None,
        };
        stage.endpoint.invite(stage.now, order, &mut stage.out);
        stage.gather();
        let invite = stage.last(&Method::INVITE);
        let user = invite
            .uri
            .sip()
            .and_then(|uri| uri.user.map(str::to_owned))
            .unwrap_or_default();
        let digits = user.strip_prefix('+').unwrap_or(&user);
        assert!(
            (3..=15).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit()),
            "{user}"
        );
        assert!(invite.uri.as_str().ends_with("@carrier.example"));
        assert_eq!(invite.headers.iter().count(), 11);
        sent += 1;
    }
    assert!(sent > 50, "{sent}");
}

#[test]
fn responses_are_counted_by_trunk_and_code_and_copies_are_not() {
    use crate::wire::sip::counters::{ANSWER_CODES, TrunkCounters};
    let seen = |stage: &Stage| -> (TrunkCounters, Vec<(&str, u64)>) {
        let counters = stage.endpoint.counters();
        let (_, trunk) = counters.trunks().next().expect("one trunk");
        let codes = ANSWER_CODES.into_iter().zip(trunk.answers);
        (
            trunk.clone(),
            codes.filter(|(_, count)| *count > 0).collect(),
        )
    };
    let mut stage = Stage::new();
    stage.dial();
    for _ in 0..2 {
        stage.answer(&Method::INVITE, 100, &[], None);
        stage.answer(&Method::INVITE, 183, &[], None);
    }
    for _ in 0..3 {
        stage.answer(&Method::INVITE, 403, &[], None);
    }
    let (trunk, codes) = seen(&stage);
    assert_eq!((trunk.invites, trunk.challenges_refused), (1, 0));
    // A provisional answer may be said again and mean it; a final one cannot.
    assert_eq!(codes, [("100", 2), ("183", 2), ("403", 1)]);

    // A wrong password: the second challenge gets no answer.
    let mut stage = Stage::new();
    stage.dial();
    for nonce in 1..=2 {
        let value = format!("Digest realm=\"r\", nonce=\"n{nonce}\"");
        stage.answer(&Method::INVITE, 401, &[("WWW-Authenticate", &value)], None);
    }
    let (trunk, codes) = seen(&stage);
    assert_eq!((trunk.invites, trunk.challenges_refused), (2, 1));
    assert_eq!(codes, [("401", 2)]);
}
