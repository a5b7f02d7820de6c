//! Sockets that come back, and a second one for the same agent.

use crate::harness::{Client, Floor, NAME};
use serde_json::json;
use tandem::core::effect::AgentState;
use tandem::core::input::Input;
use tandem::ids::AgentId;
use tandem::shell::desks::DeskCount;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_in_the_middle_of_a_call_is_resumed_to_the_same_call_and_card() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    floor.dials(43);
    floor.stages(43);
    floor.shows(7, 43);
    minh.next("state").await;
    let shown = minh.next("call.connected").await;
    let handled = minh.sequence;
    let session = minh.session.clone();
    drop(minh);
    assert_eq!(floor.hears(), Input::AgentLost(AgentId(7)));
    // The customer hangs up while nobody is there.
    floor.ends(7, 43);

    let mut back = Client::open(floor.address).await;
    back.hello_again(&session, handled).await;
    let resumed = back.next("resumed").await;
    assert_eq!(
        (
            &resumed["follows"],
            &resumed["messages"],
            &resumed["session"]
        ),
        (&json!("missed"), &json!(3), &json!(session))
    );
    assert_eq!(floor.hears(), Input::AgentBack(AgentId(7)));
    for (step, kind) in ["state", "state", "call.ended"].iter().enumerate() {
        back.next(kind).await;
        assert_eq!(back.sequence, handled + 1 + step as u64);
    }
    let handled = back.sequence;
    drop(back);
    assert_eq!(floor.hears(), Input::AgentLost(AgentId(7)));

    // A page that was reloaded has nothing left: it gets everything again, under the next numbers.
    let mut reloaded = Client::open(floor.address).await;
    reloaded.hello_again(&session, 0).await;
    assert_eq!(reloaded.next("resumed").await["follows"], "snapshot");
    assert_eq!(reloaded.next("state").await["state"], "wrap");
    assert_eq!(reloaded.sequence, handled + 1);
    let again = reloaded.next("call.connected").await;
    for part in [
        "call",
        "answered_at_ms",
        "customer",
        "loan",
        "risk",
        "greeting",
        "more",
    ] {
        assert_eq!(again[part], shown[part], "{part}");
    }
    assert_eq!(reloaded.next("call.ended").await["talk_ms"], 61_500);
    assert_eq!(floor.hears(), Input::AgentBack(AgentId(7)));
    // The outcome of the call can still be given.
    reloaded
        .say(json!({"type": "outcome", "request": 1, "call": "43", "code": "WRONG_NO"}))
        .await;
    assert!(matches!(floor.hears(), Input::AgentOutcome { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_missed_too_much_gets_what_holds_now() {
    let floor = Floor::open().await;
    let minh = floor.minh().await;
    let (session, handled) = (minh.session.clone(), minh.sequence);
    drop(minh);
    assert_eq!(floor.hears(), Input::AgentLost(AgentId(7)));
    for _ in 0..50 {
        floor.says(7, AgentState::Ready, None);
        floor.says(7, AgentState::Break(1), None);
    }
    let mut back = Client::open(floor.address).await;
    back.hello_again(&session, handled).await;
    assert_eq!(back.next("resumed").await["follows"], "snapshot");
    assert_eq!(back.next("state").await["reason"], "lunch");
    assert_eq!(back.sequence, handled + 101);
    // The card of a call that is over is not among what was kept: nobody needs it any more.
    assert_eq!(floor.desks.count(DeskCount::Snapshots), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_log_in_takes_over_and_the_floor_keeps_one_agent() {
    let floor = Floor::open().await;
    let mut first = floor.minh().await;
    floor.dials(45);
    floor.stages(45);
    floor.shows(7, 45);
    for kind in ["state", "call.connected", "state"] {
        first.next(kind).await;
    }
    let mut second = Client::open(floor.address).await;
    second.hello("minh", "right").await;
    let welcome = second.next("welcome").await;
    assert_ne!(welcome["session"], json!(first.session));
    assert_eq!(second.next("state").await["call"], "45");
    assert_eq!(
        second.next("call.connected").await["customer"]["name"],
        NAME
    );
    assert_eq!(first.next("closing").await["reason"], "taken_over");
    assert_eq!(first.closed().await, 4003);
    // The floor has seen no coming and going, and its news go to the second socket.
    floor.says(7, AgentState::Talking, Some(45));
    second.next("state").await;
    floor.hears_nothing();
    assert_eq!(floor.desks.sessions(), (1, 0));
    // The first one's session name is worth nothing now.
    let mut stale = Client::open(floor.address).await;
    stale.hello_again(&first.session, 3).await;
    stale.next("welcome").await;
}
