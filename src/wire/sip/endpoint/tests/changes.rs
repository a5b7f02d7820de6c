//! What the far end changes within a call: hold, other offers, session timers.

use super::*;

#[test]
fn hold_and_resume_are_answered_with_our_description() {
    let mut stage = Stage::new();
    stage.talk();
    for (cseq, sdp, attribute) in [(2, HOLD, "a=recvonly"), (3, SDP, "a=sendrecv")] {
        stage.request(
            "INVITE",
            cseq,
            THEIRS,
            &[("Contact", "<sip:moved@203.0.113.10>")],
            Some(sdp),
        );
        let answer = stage.answers().pop().unwrap_or_else(|| panic!("no answer"));
        assert_eq!(answer.status, 200);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            body.contains(attribute) && body.contains("m=audio 40000"),
            "{body}"
        );
        assert!(matches!(stage.said.last(), Some(Event::MediaChanged(_))));
        stage.request("ACK", cseq, THEIRS, &[], None);
    }
    let before = stage.sent.len();
    stage.pass(S(9));
    assert!(
        !stage.sent[before..]
            .iter()
            .any(|message| matches!(message, Message::Response(_))),
        "an ACK ends the copies"
    );
    stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(
        stage.last(&Method::BYE).uri.as_str(),
        "sip:moved@203.0.113.10"
    );
}

#[test]
fn an_offer_in_our_200_is_answered_in_the_ack() {
    let mut stage = Stage::new();
    stage.talk();
    stage.request("INVITE", 2, THEIRS, &[], None);
    let offer = stage.answers().pop().unwrap_or_else(|| panic!("no answer"));
    assert!(String::from_utf8_lossy(&offer.body).contains("m=audio 40000 RTP/AVP 0 8 101"));
    stage.request("ACK", 2, THEIRS, &[], Some(HOLD));
    assert!(
        matches!(stage.said.last(), Some(Event::MediaChanged(path)) if path.direction == crate::wire::sip::sdp::Direction::SendOnly)
    );
}

#[test]
fn changes_are_taken_one_at_a_time_and_not_in_a_storm() {
    let mut stage = Stage::new();
    stage.talk();
    stage.request("INVITE", 2, THEIRS, &[], Some(SDP));
    stage.request("INVITE", 3, THEIRS, &[], Some(HOLD));
    stage.request("INVITE", 1, THEIRS, &[], Some(HOLD));
    assert_eq!(stage.statuses(), [200, 491, 500]);
    stage.request("ACK", 2, THEIRS, &[], None);
    for cseq in 10..110 {
        stage.request("UPDATE", cseq, THEIRS, &[], Some(SDP));
    }
    let accepted = stage
        .statuses()
        .iter()
        .filter(|status| **status == 200)
        .count();
    assert!(accepted <= 6, "{accepted}");
    stage.pass(S(2));
    stage.request("UPDATE", 200, THEIRS, &[], Some(HOLD));
    assert_eq!(
        stage.statuses().last(),
        Some(&200),
        "the call survives the storm"
    );
}

#[test]
fn an_answer_that_is_never_acknowledged_ends_the_call() {
    let mut stage = Stage::new();
    stage.talk();
    stage.request("INVITE", 2, THEIRS, &[], Some(SDP));
    stage.pass(S(32));
    assert!(stage.statuses().len() > 8);
    assert_eq!(stage.requests(&Method::BYE).len(), 1);
}

#[test]
fn offers_that_we_cannot_take_leave_the_call_as_it_was() {
    let mut stage = Stage::new();
    stage.talk();
    let elsewhere = SDP.replace("203.0.113.5", "198.18.0.66");
    stage.request("INVITE", 2, THEIRS, &[], Some(&elsewhere));
    stage.request("ACK", 2, THEIRS, &[], None);
    stage.request("INVITE", 3, THEIRS, &[], Some("v=0\r\n"));
    stage.request("ACK", 3, THEIRS, &[], None);
    stage.request(
        "INVITE",
        4,
        THEIRS,
        &[("Require", "100rel, timer")],
        Some(SDP),
    );
    stage.request("UPDATE", 5, THEIRS, &[("Session-Expires", "60")], None);
    assert_eq!(stage.statuses(), [488, 488, 420, 422]);
    assert_eq!(stage.answers()[2].header("Unsupported"), Some("100rel"));
    assert_eq!(stage.said.len(), 2);
}

#[test]
fn a_session_that_the_far_end_stops_refreshing_is_ended() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer(
        &Method::INVITE,
        200,
        &[("Session-Expires", "120;refresher=uas")],
        Some(SDP),
    );
    stage.pass(S(80));
    stage.request(
        "UPDATE",
        2,
        THEIRS,
        &[
            ("Session-Expires", "120;refresher=uac"),
            ("Supported", "timer"),
        ],
        None,
    );
    let answer = stage.answers().pop().unwrap_or_else(|| panic!("no answer"));
    assert_eq!(
        (answer.header("Session-Expires"), answer.header("Require")),
        (Some("120;refresher=uac"), Some("timer"))
    );
    stage.pass(S(87));
    assert_eq!(stage.requests(&Method::BYE).len(), 0);
    stage.pass(S(2));
    assert_eq!(stage.count(Count::OutBye), 1);
    assert_eq!(stage.count(Count::SessionsExpired), 1);
}

#[test]
fn a_session_that_we_must_refresh_is_refreshed() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer(
        &Method::INVITE,
        200,
        &[("Session-Expires", "200;refresher=uac")],
        Some(SDP),
    );
    stage.pass(S(101));
    stage.answer(&Method::UPDATE, 200, &[], None);
    stage.pass(S(100));
    assert_eq!(stage.count(Count::OutUpdate), 2);
    stage.answer(&Method::UPDATE, 481, &[], None);
    assert_eq!(stage.count(Count::OutBye), 1);
}
