//! Legs that an earlier process left behind.

use super::*;

fn orphan(far: Option<FarSide>) -> OrphanOrder {
    OrphanOrder {
        key: KEY,
        trunk: TRUNK,
        identity: Stage::identity(),
        number: E164::parse("+84900000412").unwrap_or_else(|_| panic!("number")),
        caller: E164::parse("+84280000001").unwrap_or_else(|_| panic!("number")),
        far,
    }
}

#[test]
fn an_orphan_with_a_dialog_gets_a_bye() {
    let mut stage = Stage::new();
    let far = FarSide {
        remote_tag: "theirs".to_owned(),
        remote_target: "sip:gw@203.0.113.9".to_owned(),
        route_set: vec!["<sip:p;lr>".to_owned()],
        local_cseq: 2,
    };
    stage
        .endpoint
        .orphan(stage.now, orphan(Some(far)), &mut stage.out);
    stage.gather();
    let bye = stage.last(&Method::BYE);
    assert_eq!(
        (bye.uri.as_str(), bye.envelope.cseq.number),
        ("sip:gw@203.0.113.9", 3)
    );
    assert_eq!(
        (bye.envelope.from.tag(), bye.envelope.to.tag()),
        (Some("ours"), Some("theirs"))
    );
    stage.answer(&Method::BYE, 481, &[], None);
    stage.pass(S(40));
    assert_eq!((stage.endpoint.calls(), stage.said.len()), (0, 0));
}

#[test]
fn an_orphan_that_rings_is_cancelled_on_every_branch_that_it_may_have() {
    let mut stage = Stage::new();
    stage
        .endpoint
        .orphan(stage.now, orphan(None), &mut stage.out);
    stage.gather();
    let branches: Vec<String> = stage
        .requests(&Method::CANCEL)
        .iter()
        .filter_map(|cancel| {
            cancel
                .envelope
                .top_via()
                .and_then(|via| via.branch())
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(
        branches,
        ["z9hG4bKfirst", "z9hG4bKfirst-2", "z9hG4bKfirst-3"]
    );
    let cancel = stage.requests(&Method::CANCEL).remove(1);
    stage.answer_to(&cancel, 200, "theirs", &[], None);
    let invite = far_answer_of_invite("z9hG4bKfirst-2", 2, 487);
    stage.hear(&invite);
    assert_eq!(stage.last(&Method::ACK).envelope.cseq.number, 2);
    stage.pass(S(70));
    assert_eq!((stage.endpoint.calls(), stage.said.len()), (0, 0));
}

#[test]
fn an_orphan_whose_answer_is_repeated_gets_ack_and_bye() {
    let mut stage = Stage::new();
    stage
        .endpoint
        .orphan(stage.now, orphan(None), &mut stage.out);
    stage.gather();
    for _ in 0..2 {
        stage.hear(&far_answer_of_invite("z9hG4bKfirst", 1, 200));
    }
    assert_eq!(
        (
            stage.requests(&Method::ACK).len(),
            stage.requests(&Method::BYE).len()
        ),
        (2, 1)
    );
    assert_eq!(stage.said.len(), 0);
}
