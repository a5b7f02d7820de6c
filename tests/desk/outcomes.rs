//! What becomes of an outcome: saved also for one who has left, refused under its own number.

use crate::harness::Floor;
use serde_json::json;
use tandem::core::effect::{AgentState, Effect, Refusal};
use tandem::core::input::Input;
use tandem::ids::{AgentId, AttemptId};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logged_out_agent_still_sees_the_last_outcome_saved() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    floor.dials(46);
    floor.stages(46);
    floor.shows(7, 46);
    floor.ends(7, 46);
    minh.say(json!({"type": "outcome", "request": 9, "call": "46", "code": "WRONG_NO"}))
        .await;
    assert!(matches!(floor.hears(), Input::AgentOutcome { .. }));
    // The floor takes it, and logs the agent out as he had asked; the disk is a little later.
    floor.says(7, AgentState::Offline, None);
    floor
        .desks
        .outcome_saved(AgentId(7), AttemptId(46), Some(9));
    for kind in ["state", "call.connected", "state", "state", "call.ended"] {
        minh.next(kind).await;
    }
    assert_eq!(minh.next("state").await["state"], "offline");
    assert_eq!(minh.next("saved").await["request"], 9);
    assert_eq!(minh.next("closing").await["reason"], "logged_out");
    assert_eq!(minh.closed().await, 1000);
    floor.hears_nothing();
    assert_eq!(floor.desks.sessions(), (0, 0));
    // The next log-in is a new seat.
    floor.minh().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_of_the_floor_cites_the_request() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    let handled = minh.sequence;
    minh.say(json!({"type": "state", "request": 12, "to": "ready"}))
        .await;
    floor.hears();
    assert!(floor.desks.apply(&Effect::Refuse {
        agent: AgentId(7),
        request: 0,
        why: Refusal::OutcomeFirst,
    }));
    let error = minh.next("error").await;
    assert_eq!(
        (&error["request"], &error["code"]),
        (&json!(12), &json!("outcome_first"))
    );
    assert_eq!(minh.sequence, handled + 1, "what the floor says is news");

    floor.dials(47);
    floor.stages(47);
    floor.shows(7, 47);
    for kind in ["state", "call.connected", "state"] {
        minh.next(kind).await;
    }
    let outcome = |request: u64| json!({"type": "outcome", "request": request, "call": "47", "code": "WRONG_NO", "note": "số của người khác"});
    minh.say(outcome(13)).await;
    floor.hears();
    minh.say(outcome(14)).await;
    assert_eq!(minh.next("error").await["code"], "outcome_pending");
    assert!(floor.desks.apply(&Effect::Refuse {
        agent: AgentId(7),
        request: 13,
        why: Refusal::WrongState,
    }));
    assert_eq!(minh.next("error").await["request"], 13);
    assert_eq!(
        floor.desks.take_detail(AttemptId(47), Some(13)).note,
        None,
        "what was refused is not kept"
    );
    minh.say(outcome(15)).await;
    assert!(matches!(
        floor.hears(),
        Input::AgentOutcome { request: 15, .. }
    ));
}
