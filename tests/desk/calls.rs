//! A call as the agent lives it, and the cards that come with it.

use crate::harness::{Client, Floor, NAME, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use tandem::core::dispositions::Disposition;
use tandem::core::effect::AgentState;
use tandem::core::input::{Input, Wanted};
use tandem::ids::{AgentId, AttemptId};
use tandem::pii::Pii;
use tandem::shell::desks::DeskCount;
use tandem::wire::desk::card::CARD_BYTES_MAX;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_from_ready_to_saved() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    minh.say(json!({"type": "state", "request": 1, "to": "ready"}))
        .await;
    assert_eq!(floor.hears(), Input::AgentWants(AgentId(7), Wanted::Ready));
    floor.says(7, AgentState::Ready, None);
    assert_eq!(minh.next("state").await["state"], "ready");

    floor.dials(41);
    floor.stages(41);
    floor.shows(7, 41);
    assert_eq!(minh.next("state").await["state"], "reserved");
    let text = minh.text().await.expect("a card");
    assert!(text.len() <= CARD_BYTES_MAX, "{}", text.len());
    let card: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(card["type"], "call.connected");
    assert_eq!(card["call"], "41");
    assert_eq!(card["customer"]["name"], NAME);
    assert_eq!(card["customer"]["phone"], "09*****412");
    assert_eq!(
        card["last_contact"]["note"],
        "Hứa trả 3tr ngày 18, chưa thanh toán"
    );
    assert!(card["answered_at_ms"].as_i64() <= card["pushed_at_ms"].as_i64());
    assert_eq!(minh.next("state").await["state"], "talking");
    assert_eq!(card["sequence"].as_u64(), Some(minh.sequence - 1));

    minh.say(json!({"type": "painted", "call": "41", "painted_at_ms": 1}))
        .await;
    minh.say(json!({"type": "painted", "call": "41"})).await;
    until("a paint", || floor.times.figures()[2].count > 0);
    minh.say(json!({"type": "expand", "request": 2, "call": "41", "card": "references"}))
        .await;
    let references = minh.next("card").await;
    assert_eq!(references["request"], 2);
    assert_eq!(references["body"][1]["name"], "Trần Văn Hòa");
    assert_eq!(references["body"][1]["may_discuss"], false);
    let [to_push, _, to_paint] = floor.times.figures();
    assert_eq!(
        (to_push.count, to_paint.count),
        (1, 1),
        "one push, one paint"
    );

    minh.say(json!({"type": "hang_up", "request": 3, "call": "41"}))
        .await;
    assert_eq!(floor.hears(), Input::AgentHangUp(AgentId(7), AttemptId(41)));
    floor.ends(7, 41);
    assert_eq!(minh.next("state").await["state"], "wrap");
    let ended = minh.next("call.ended").await;
    assert_eq!(
        (&ended["by"], &ended["talk_ms"]),
        (&json!("customer"), &json!(61_500))
    );

    minh.say(
        json!({"type": "outcome", "request": 4, "call": "41", "code": "RPC_PTP",
                    "promise": {"due": "2026-11-25"}}),
    )
    .await;
    let error = minh.next("error").await;
    assert_eq!(
        (&error["code"], &error["field"]),
        (&json!("missing_field"), &json!("promise.amount"))
    );
    floor.hears_nothing();

    let tomorrow = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7)))
        .date()
        .tomorrow()
        .expect("a date")
        .to_string();
    let outcome = json!({"type": "outcome", "request": 5, "call": "41", "code": "RPC_PTP",
                         "promise": {"amount": 3_230_000, "due": tomorrow, "method": "MOMO"},
                         "note": "hẹn thanh toán ngày mai"});
    minh.say(outcome.clone()).await;
    let Input::AgentOutcome {
        attempt,
        request,
        disposition,
        follow_up,
        ..
    } = floor.hears()
    else {
        panic!("not an outcome");
    };
    assert_eq!(
        (attempt, request, disposition),
        (AttemptId(41), 5, Disposition::RpcPtp)
    );
    assert!(follow_up.is_some());
    assert_eq!(
        floor.desks.take_detail(attempt, None).promise,
        None,
        "the system's own outcome carries nothing of the agent's"
    );
    let detail = floor.desks.take_detail(attempt, Some(5));
    assert_eq!(
        detail.promise.map(|promise| (promise.amount, promise.due)),
        Some((3_230_000, tomorrow))
    );
    assert_eq!(
        detail.note.map(Pii::into_exposed).as_deref(),
        Some("hẹn thanh toán ngày mai")
    );

    // Not before the store has it. Whatever is asked now is answered first.
    minh.say(json!({"type": "ping"})).await;
    minh.next("pong").await;
    floor
        .desks
        .outcome_saved(AgentId(7), AttemptId(41), Some(5));
    let saved = minh.next("saved").await;
    assert_eq!(
        (&saved["request"], &saved["call"]),
        (&json!(5), &json!("41"))
    );
    // Sent once more, as after a cut: confirmed again, and the floor hears nothing.
    minh.say(outcome).await;
    assert_eq!(minh.next("saved").await["request"], 5);
    floor.hears_nothing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_late_follows_identity_and_flags() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    floor.dials(42);
    floor.shows(7, 42);
    minh.next("state").await;
    let first = minh.next("call.connected").await;
    assert_eq!(first["complete"], false);
    assert_eq!(first["customer"]["name"], NAME);
    assert_eq!(
        first["risk"]["flags"],
        json!(["BROKEN_PTP", "HARDSHIP_HINT"])
    );
    assert_eq!(first["loan"], Value::Null);
    // The body and the state come from two threads: either may be first.
    let mut body = Value::Null;
    for _ in 0..2 {
        let text = minh.text().await.expect("open");
        let message: Value = serde_json::from_str(&text).expect("JSON");
        if message["type"] == "card" {
            body = message;
        }
    }
    assert_eq!(body["card"], "customer");
    assert_eq!(body["call"], "42");
    assert_eq!(body["body"]["loan"]["due"], 4_860_000);
    assert_eq!(floor.desks.count(DeskCount::CardsLate), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_is_not_kept_beyond_its_call() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    let handled = minh.sequence;
    floor.dials(44);
    floor.stages(44);
    floor.shows(7, 44);
    floor.ends(7, 44);
    floor.says(7, AgentState::Ready, None);
    for kind in [
        "state",
        "call.connected",
        "state",
        "state",
        "call.ended",
        "state",
    ] {
        minh.next(kind).await;
    }
    minh.say(json!({"type": "expand", "request": 1, "call": "44", "card": "customer"}))
        .await;
    assert_eq!(minh.next("error").await["code"], "not_your_call");
    let session = minh.session.clone();
    drop(minh);
    let mut back = Client::open(floor.address).await;
    back.hello_again(&session, handled).await;
    assert_eq!(back.next("resumed").await["messages"], 1);
    assert_eq!(back.next("state").await["state"], "ready");
}

/// A websocket that we did not write, in a language that we do not use: the example client under node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_client_under_node_takes_a_call() {
    if std::env::var_os("TANDEM_SKIP_PEERS").is_some() {
        println!("skipped: TANDEM_SKIP_PEERS is set");
        return;
    }
    let floor = Floor::open().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/agent.mjs");
    let mut node = Command::new("node")
        .args(["--experimental-websocket", script])
        .arg(format!("ws://{}/agent", floor.address))
        .args(["minh", "right", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("node 20 or later is needed (TANDEM_SKIP_PEERS=1 skips this test)");
    let output = node.stdout.take().expect("piped");
    assert!(matches!(floor.hears(), Input::AgentSeated(_)));
    floor.says(7, AgentState::Break(0), None);
    assert_eq!(floor.hears(), Input::AgentWants(AgentId(7), Wanted::Ready));
    floor.dials(48);
    floor.stages(48);
    floor.shows(7, 48);
    until("a paint", || floor.times.figures()[2].count == 1);
    floor.ends(7, 48);
    let Input::AgentOutcome {
        request,
        disposition,
        ..
    } = floor.hears()
    else {
        panic!("not an outcome");
    };
    assert_eq!(disposition, Disposition::RpcNoCommit);
    let note = floor.desks.take_detail(AttemptId(48), Some(request)).note;
    assert_eq!(
        note.map(Pii::into_exposed).as_deref(),
        Some("đã nói chuyện")
    );
    floor
        .desks
        .outcome_saved(AgentId(7), AttemptId(48), Some(request));
    assert_eq!(
        floor.hears(),
        Input::AgentWants(AgentId(7), Wanted::Offline)
    );
    floor.says(7, AgentState::Offline, None);
    let lines: Vec<String> = BufReader::new(output)
        .lines()
        .map(|line| line.expect("UTF-8"))
        .collect();
    let status = node.wait().expect("an end");
    assert!(status.success(), "{lines:#?}");
    let heard: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let card = heard
        .iter()
        .find(|message| message["type"] == "call.connected")
        .expect("a card");
    assert_eq!(card["customer"]["name"], NAME);
    assert!(heard.iter().any(|message| message["card"] == "timeline"));
    assert_eq!(heard.last().expect("an end")["closed"], 1000);
}
