//! Messages that break the protocol, and the description that names every word of it.

use crate::harness::{Client, Floor};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tandem::core::effect::Refusal;
use tandem::core::input::Input;
use tandem::ids::AgentId;
use tandem::wire::desk::client::ErrorCode;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_messages_are_named_and_oversized_ones_end_the_socket() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    let news = minh.sequence;
    minh.ws
        .send(Message::text("{\"type\":"))
        .await
        .expect("open");
    assert_eq!(minh.next("error").await["code"], "bad_json");
    minh.say(json!({"type": "state", "request": 4, "to": "fly"}))
        .await;
    let error = minh.next("error").await;
    assert_eq!(
        (&error["code"], &error["field"], &error["request"]),
        (&json!("bad_field"), &json!("to"), &json!(4))
    );
    minh.say(json!({"type": "state", "request": 5, "to": "break", "reason": "sleep"}))
        .await;
    assert_eq!(minh.next("error").await["field"], "reason");
    minh.say(json!({"type": "expand", "request": 6, "call": "1", "card": "loans"}))
        .await;
    assert_eq!(minh.next("error").await["code"], "not_your_call");
    assert_eq!(minh.sequence, news, "faults are replies, not news");
    floor.hears_nothing();

    minh.ws
        .send(Message::text("x".repeat(17 * 1024)))
        .await
        .expect("open");
    assert_eq!(minh.closed().await, 1009);
    assert_eq!(floor.hears(), Input::AgentLost(AgentId(7)));

    let mut again = Client::open(floor.address).await;
    again.hello("minh", "right").await;
    again.next("welcome").await;
    again
        .ws
        .send(Message::binary(vec![1, 2, 3]))
        .await
        .expect("open");
    assert_eq!(again.closed().await, 1003);
}

#[test]
fn the_public_description_names_every_code_message_and_reason() {
    let text = include_str!("../../docs/agent-protocol.md");
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/agent-protocol.schema.json")).expect("JSON");
    let definitions = &schema["$defs"];
    let mut words: Vec<String> = ErrorCode::ALL
        .iter()
        .map(|code| code.as_str().to_owned())
        .collect();
    words.extend(
        [
            Refusal::NotSeated,
            Refusal::NotYourCall,
            Refusal::OutcomeKept,
            Refusal::FollowUpMissing,
            Refusal::WrongState,
            Refusal::OutcomeFirst,
            Refusal::Held {
                gate: tandem::core::rules::Gate::Gap,
                next: None,
            },
            Refusal::SkipsUsedUp,
            Refusal::NoLead,
            Refusal::NoSuchLead,
            Refusal::NotYourLead,
            Refusal::NotRunning,
            Refusal::NoLine(tandem::core::effect::Bound::Cps),
            Refusal::Stopped,
        ]
        .map(|refusal| refusal.code().to_owned()),
    );
    // Every constant of these types: messages, reasons, parts, needs, cards.
    for name in [
        "ClientMessage",
        "ServerFrame",
        "ClosingReason",
        "Part",
        "OutcomeNeeds",
        "CardName",
        "WantedState",
        "OnTimeout",
        "OverWhy",
        "CallStage",
    ] {
        let found = words.len();
        constants(&definitions[name], &mut words);
        assert!(words.len() > found, "{name} has left the schema");
    }
    words.extend(tandem::core::rules::Gate::ALL.map(|gate| gate.code().to_owned()));
    for word in words {
        assert!(
            text.contains(&format!("`{word}`")),
            "{word} is not described"
        );
    }
}

fn constants(schema: &Value, into: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("const", Value::String(word)) => into.push(word.clone()),
                    ("enum", Value::Array(words)) => {
                        into.extend(words.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => constants(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| constants(item, into)),
        _ => {}
    }
}
