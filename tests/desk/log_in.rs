//! Who gets in: `hello` first, one answer to every wrong log-in, own origins only.

use crate::harness::{Client, Floor, LIMIT, Waits};
use serde_json::{Value, json};
use std::time::Duration;
use tandem::core::effect::AgentState;
use tandem::core::input::{Input, Wanted};
use tandem::ids::AgentId;
use tandem::shell::desks::{DeskCount, DeskSettings};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::error::Error as WsError;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_said_before_hello_and_nobody_is_seated_without_one() {
    let floor = Floor::with(Waits {
        hello: Duration::from_millis(300),
        ..Waits::default()
    })
    .await;
    let mut silent = Client::open(floor.address).await;
    assert_eq!(silent.next("error").await["code"], "hello_first");
    assert_eq!(silent.next("closing").await["reason"], "hello_first");
    assert_eq!(silent.closed().await, 4002);

    let mut hasty = Client::open(floor.address).await;
    hasty
        .say(json!({"type": "state", "request": 1, "to": "ready"}))
        .await;
    assert_eq!(hasty.next("error").await["code"], "hello_first");
    assert_eq!(hasty.next("closing").await["reason"], "hello_first");
    assert_eq!(hasty.closed().await, 4002);

    // A socket that never finishes its upgrade is let go as well.
    let half = TcpStream::connect(floor.address).await.expect("a listener");
    let mut byte = [0_u8; 1];
    let end = tokio::time::timeout(LIMIT, async {
        half.readable().await?;
        half.try_read(&mut byte)
    })
    .await
    .expect("the half-open upgrade is never closed");
    assert!(matches!(end, Ok(0)), "{end:?}");
    floor.hears_nothing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_agent_and_a_wrong_token_get_the_same_answer() {
    let floor = Floor::open().await;
    let mut answers = Vec::new();
    for (name, token) in [("minh", "wrong"), ("nobody", "right")] {
        let mut client = Client::open(floor.address).await;
        client.hello(name, token).await;
        let mut said = Vec::new();
        let end = loop {
            match client.text().await {
                Ok(text) => said.push(text),
                Err(end) => break end.map(|frame| u16::from(frame.code)),
            }
        };
        answers.push((said, end));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].1, Some(4001));
    assert!(answers[0].0[0].contains("login_refused"), "{answers:?}");
    assert_eq!(floor.desks.count(DeskCount::LoginRefused), 2);
    floor.hears_nothing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_guesses_tokens_is_stopped_but_a_known_session_may_return() {
    let floor = Floor::open().await;
    let minh = floor.minh().await;
    let mut code = Value::Null;
    for _ in 0..40 {
        let mut guesser = Client::open(floor.address).await;
        guesser.hello("minh", "guess").await;
        code = guesser.next("error").await["code"].clone();
        if code == "too_many_logins" {
            break;
        }
    }
    assert_eq!(code, "too_many_logins");
    let mut back = Client::open(floor.address).await;
    back.hello_again(&minh.session, minh.sequence).await;
    assert_eq!(back.next("resumed").await["follows"], "missed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_origin_is_refused_before_the_upgrade() {
    let floor = Floor::open().await;
    let good = "https://desk.bank.example";
    for (path, origins, want) in [
        ("/agent", vec!["https://evil.example"], 403),
        ("/agent", vec!["null"], 403),
        ("/agent", vec!["https://desk.bank.example.evil"], 403),
        ("/agent", vec!["http://desk.bank.example"], 403),
        ("/agent", vec![good, "https://evil.example"], 403),
        ("/other", vec![good], 404),
    ] {
        match Client::try_open(floor.address, path, &origins).await {
            Err(WsError::Http(response)) => {
                assert_eq!(response.status().as_u16(), want, "{path} {origins:?}");
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{path} {origins:?} was let in"),
        }
    }
    assert_eq!(floor.desks.count(DeskCount::ForeignOrigin), 5);
    for origins in [vec![good], vec![]] {
        let mut client = Client::try_open(floor.address, "/agent", &origins)
            .await
            .expect("an own origin, or a native client");
        client.hello("minh", "right").await;
        client.next("welcome").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_break_reason_is_taken_at_once_and_a_removed_one_is_offered_to_nobody_new() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    let all = ["login", "lunch", "prayer"].map(str::to_owned).to_vec();
    let offered = ["login", "prayer"].map(str::to_owned).to_vec();
    floor.desks.set_settings(DeskSettings {
        break_reasons: all,
        reasons_offered: offered.clone(),
        ..floor.settings.clone()
    });
    for (request, (reason, number)) in [("prayer", 2), ("lunch", 1)].into_iter().enumerate() {
        minh.say(json!({"type": "state", "request": request + 1, "to": "break", "reason": reason}))
            .await;
        let heard = floor.hears();
        assert_eq!(heard, Input::AgentWants(AgentId(7), Wanted::Break(number)));
    }
    floor.says(7, AgentState::Break(2), None);
    assert_eq!(minh.next("state").await["reason"], "prayer");

    let mut lan = Client::open(floor.address).await;
    lan.hello("lan", "right too").await;
    assert_eq!(lan.next("welcome").await["break_reasons"], json!(offered));
    // And who comes from another page than before is let in where the page is named now.
    let mut desk = floor.settings.desk.clone();
    desk.origins = vec!["https://new.bank.example".into()];
    floor.desks.set_settings(DeskSettings {
        desk,
        ..floor.settings.clone()
    });
    let origin = ["https://new.bank.example"];
    Client::try_open(floor.address, "/agent", &origin)
        .await
        .expect("the new origin is allowed");
    let origin = ["https://desk.bank.example"];
    let refused = Client::try_open(floor.address, "/agent", &origin).await;
    assert!(refused.is_err(), "the old one is not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_on_sockets_follows_a_reload_and_nobody_inside_is_thrown_out() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    let bound = |sockets_max| {
        let mut desk = floor.settings.desk.clone();
        desk.sockets_max = sockets_max;
        floor.desks.set_settings(DeskSettings {
            desk,
            ..floor.settings.clone()
        });
    };
    bound(1);
    let one_too_many = Client::try_open(floor.address, "/agent", &[]).await;
    assert!(one_too_many.is_err());
    assert_eq!(floor.desks.count(DeskCount::TooMany), 1);
    bound(2);
    let mut lan = Client::open(floor.address).await;
    lan.hello("lan", "right too").await;
    lan.next("welcome").await;
    bound(1);
    minh.say(json!({"type": "ping"})).await;
    minh.next("pong").await;
}
