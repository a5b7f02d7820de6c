//! Answers to an INVITE: their ACK, their copies, their forks, and those that nobody can talk on.

use super::*;

#[test]
fn the_ack_leaves_after_200_ms_although_nobody_confirms() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    stage.pass(MS(199));
    assert_eq!(stage.requests(&Method::ACK).len(), 0);
    stage.pass(MS(1));
    assert_eq!(stage.requests(&Method::ACK).len(), 1);
    assert_eq!(stage.count(Count::AckUnconfirmed), 1);
    stage.endpoint.confirm(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(stage.requests(&Method::ACK).len(), 1);
}

#[test]
fn ten_copies_of_an_answer_get_ten_acks_and_are_one_call() {
    let mut stage = Stage::new();
    stage.talk();
    for _ in 0..9 {
        stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    }
    assert_eq!(stage.requests(&Method::ACK).len(), 10);
    assert_eq!(
        stage
            .said
            .iter()
            .filter(|event| matches!(event, Event::Answered { .. }))
            .count(),
        1
    );
    // Also long after the transaction ended.
    stage.pass(S(60));
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert_eq!(stage.requests(&Method::ACK).len(), 11);
}

#[test]
fn copies_that_come_while_the_ack_is_held_are_acknowledged_with_it() {
    let mut stage = Stage::new();
    stage.ring();
    for _ in 0..10 {
        stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    }
    assert_eq!(stage.requests(&Method::ACK).len(), 0);
    stage.pass(MS(200));
    assert_eq!(stage.requests(&Method::ACK).len(), 10);
}

#[test]
fn the_second_answer_of_a_fork_is_acknowledged_and_ended() {
    let mut stage = Stage::new();
    stage.talk();
    let invite = stage.last(&Method::INVITE);
    for _ in 0..2 {
        stage.answer_to(
            &invite,
            200,
            "other",
            &[("Contact", "<sip:second@203.0.113.8>")],
            Some(SDP),
        );
    }
    assert_eq!(stage.requests(&Method::ACK).len(), 3);
    let bye = stage.last(&Method::BYE);
    assert_eq!(
        (bye.uri.as_str(), bye.envelope.to.tag()),
        ("sip:second@203.0.113.8", Some("other"))
    );
    assert_eq!(stage.requests(&Method::BYE).len(), 1);
    assert_eq!(stage.count(Count::ForkedAnswers), 1);
    stage.answer_to(&bye, 200, "other", &[], None);
    stage.pass(S(40));
    assert_eq!(stage.requests(&Method::BYE).len(), 1);
    assert!(
        !stage.said.contains(&Event::Ended),
        "the first dialog stands"
    );
}

#[test]
fn an_answer_that_comes_after_everything_timed_out_is_acknowledged_and_ended() {
    let mut stage = Stage::new();
    stage.dial();
    stage.pass(S(45));
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert_eq!(
        (
            stage.requests(&Method::ACK).len(),
            stage.requests(&Method::BYE).len()
        ),
        (1, 1)
    );
    stage.pass(S(120));
    assert_eq!(stage.endpoint.calls(), 0);
    // Even when the call is forgotten altogether.
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert_eq!(
        (
            stage.requests(&Method::ACK).len(),
            stage.count(Count::LateAnswers)
        ),
        (3, 2)
    );
    assert_eq!(
        stage.last(&Method::BYE).uri.as_str(),
        "sip:gw@203.0.113.9:5080"
    );
    assert_eq!(stage.said, [Event::Silent]);
}

#[test]
fn a_ringing_that_comes_behind_the_answer_changes_nothing() {
    let mut stage = Stage::new();
    stage.dial();
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    stage.answer(&Method::INVITE, 180, &[], None);
    assert_eq!(stage.said.len(), 1);
    assert!(stage.was_answered());
}

#[test]
fn early_media_is_no_answer_and_its_description_serves_an_answer_without_one() {
    let mut stage = Stage::new();
    stage.dial();
    stage.answer(&Method::INVITE, 183, &[], Some(SDP));
    stage.answer(&Method::INVITE, 183, &[], Some(SDP));
    assert!(matches!(
        stage.said.as_slice(),
        [Event::Ringing, Event::EarlyMedia(_)]
    ));
    stage.answer(&Method::INVITE, 200, &[], None);
    assert!(stage.was_answered());
}

#[test]
fn an_answer_without_usable_voice_is_acknowledged_ended_and_failed() {
    let elsewhere = SDP.replace("203.0.113.5", "198.18.0.66");
    for sdp in [None, Some("v=0\r\nnonsense"), Some(elsewhere.as_str())] {
        let mut stage = Stage::new();
        stage.dial();
        stage.answer(&Method::INVITE, 200, &[], sdp);
        assert_eq!(
            stage.said,
            [Event::Ringing, Event::Failed(Failure::local(488))]
        );
        assert_eq!(
            (
                stage.requests(&Method::ACK).len(),
                stage.requests(&Method::BYE).len()
            ),
            (1, 1)
        );
        assert_eq!(stage.count(Count::SdpFaults), 1);
        stage.answer(&Method::BYE, 200, &[], None);
        assert_eq!(stage.said.len(), 2);
    }
}

#[test]
fn a_phone_that_is_answered_has_rung_once_although_nobody_can_talk() {
    for rings in 0..3 {
        let mut stage = Stage::new();
        stage.dial();
        for _ in 0..rings {
            stage.answer(&Method::INVITE, 180, &[], None);
        }
        for _ in 0..2 {
            stage.answer(&Method::INVITE, 200, &[], None);
        }
        stage.answer(&Method::INVITE, 180, &[], None);
        assert_eq!(
            stage.said,
            [Event::Ringing, Event::Failed(Failure::local(488))],
            "after {rings} times 180"
        );
    }
}
