//! How calls end: CANCEL and BYE, crossed, unanswered, from either side.

use super::*;

#[test]
fn a_cancel_waits_for_a_provisional_answer() {
    let mut stage = Stage::new();
    stage.dial();
    stage.endpoint.cancel(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(stage.requests(&Method::CANCEL).len(), 0);
    stage.answer(&Method::INVITE, 100, &[], None);
    let cancel = stage.last(&Method::CANCEL);
    assert_eq!(
        cancel.envelope.top_via().and_then(|via| via.branch()),
        Some("z9hG4bKfirst")
    );
    assert_eq!(
        (cancel.envelope.cseq.number, cancel.envelope.to.tag()),
        (1, None)
    );
    stage.answer(&Method::CANCEL, 200, &[], None);
    stage.answer(&Method::INVITE, 487, &[], None);
    assert_eq!(stage.said, [Event::Trying, Event::Ended]);
    let ack = stage.last(&Method::ACK);
    assert_eq!(
        ack.envelope.top_via().and_then(|via| via.branch()),
        Some("z9hG4bKfirst")
    );
    assert_eq!(ack.envelope.to.tag(), Some("theirs"));
    stage.answer(&Method::INVITE, 487, &[], None);
    assert_eq!(
        stage.requests(&Method::ACK).len(),
        2,
        "a copy of the failure is acknowledged again"
    );
}

#[test]
fn a_final_answer_that_comes_before_our_cancel_is_acted_upon() {
    let mut stage = Stage::new();
    stage.dial();
    stage.endpoint.cancel(stage.now, KEY, &mut stage.out);
    stage.answer(&Method::INVITE, 486, &[], None);
    assert_eq!(stage.said, [Event::Failed(Failure::local(486))]);
    assert_eq!(stage.requests(&Method::CANCEL).len(), 0);
}

#[test]
fn an_answer_that_crosses_our_cancel_is_reported() {
    let mut stage = Stage::new();
    stage.ring();
    stage.endpoint.cancel(stage.now, KEY, &mut stage.out);
    stage.gather();
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert!(stage.was_answered());
    assert_eq!(stage.count(Count::CrossedAnswers), 1);
    stage.pass(S(40));
    assert_eq!(stage.requests(&Method::BYE).len(), 0, "the caller decides");
}

#[test]
fn a_cancel_that_nobody_answers_ends_after_64_t1() {
    let mut stage = Stage::new();
    stage.ring();
    stage.endpoint.cancel(stage.now, KEY, &mut stage.out);
    stage.pass(S(31));
    assert!(!stage.said.contains(&Event::Ended));
    stage.pass(S(2));
    assert!(stage.said.contains(&Event::Ended));
    assert!(stage.requests(&Method::CANCEL).len() > 5);
}

#[test]
fn a_bye_said_into_a_gap_is_said_again_on_the_new_connection() {
    let mut stage = Stage::over(Transport::Tcp);
    stage.talk();
    stage
        .endpoint
        .connected(stage.now, TRUNK, false, &mut stage.out);
    stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
    stage
        .endpoint
        .connected(stage.now, TRUNK, true, &mut stage.out);
    stage.gather();
    assert_eq!(stage.requests(&Method::BYE).len(), 2);
    assert_eq!(
        stage.trunk.last(),
        Some(&false),
        "up only once OPTIONS was answered"
    );
}

#[test]
fn the_far_end_hangs_up() {
    let mut stage = Stage::new();
    stage.talk();
    for _ in 0..2 {
        stage.request("BYE", 5, THEIRS, &[], None);
    }
    assert_eq!(stage.statuses(), [200, 200]);
    assert_eq!(
        stage
            .said
            .iter()
            .filter(|event| **event == Event::Ended)
            .count(),
        1
    );
    stage.pass(S(33));
    assert_eq!(stage.endpoint.calls(), 0);
}

#[test]
fn a_bye_that_overtakes_our_ack_is_answered_and_the_ack_still_sent() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    stage.request("BYE", 1, THEIRS, &[], None);
    assert_eq!(stage.statuses(), [200]);
    assert_eq!(stage.requests(&Method::ACK).len(), 1);
    assert_eq!(stage.said.last(), Some(&Event::Ended));
}

#[test]
fn byes_that_cross_end_the_call_once() {
    let mut stage = Stage::new();
    stage.talk();
    stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
    stage.gather();
    stage.request("BYE", 1, THEIRS, &[], None);
    stage.answer(&Method::BYE, 481, &[], None);
    assert_eq!(
        stage
            .said
            .iter()
            .filter(|event| **event == Event::Ended)
            .count(),
        1
    );
}

#[test]
fn a_bye_ends_the_call_whatever_comes_back() {
    for status in [200, 408, 481, 500] {
        let mut stage = Stage::new();
        stage.talk();
        stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
        stage.gather();
        stage.answer(&Method::BYE, status, &[], None);
        assert_eq!(stage.said.last(), Some(&Event::Ended), "{status}");
    }
    let mut deaf = Stage::new();
    deaf.talk();
    deaf.endpoint.hang_up(deaf.now, KEY, &mut deaf.out);
    deaf.pass(S(32));
    assert_eq!(deaf.said.last(), Some(&Event::Ended));
    assert_eq!(deaf.requests(&Method::BYE).len(), 11);
}

#[test]
fn an_abort_cleans_up_in_every_state_and_says_nothing() {
    for state in ["silent", "ringing", "answered", "crossing"] {
        let mut stage = Stage::new();
        match state {
            "silent" => stage.dial(),
            "answered" => stage.talk(),
            _ => stage.ring(),
        }
        let said = stage.said.len();
        stage.endpoint.abort(stage.now, KEY, &mut stage.out);
        stage.gather();
        match state {
            "answered" => stage.answer(&Method::BYE, 200, &[], None),
            "ringing" => stage.answer(&Method::INVITE, 487, &[], None),
            _ => {
                stage.answer(&Method::INVITE, 200, &[], Some(SDP));
                stage.answer(&Method::BYE, 200, &[], None);
            }
        }
        stage.pass(S(70));
        assert_eq!(
            (stage.said.len(), stage.endpoint.calls()),
            (said, 0),
            "{state}"
        );
    }
}
