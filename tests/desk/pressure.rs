//! Peers that are slow, silent or too loud, a floor that is behind, and an engine that stops.

use crate::harness::{Client, Floor, LIMIT, Waits, until};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::time::Duration;
use tandem::core::effect::AgentState;
use tandem::core::input::Input;
use tandem::ids::AgentId;
use tandem::shell::desks::DeskCount;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::{Bytes, Message};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_floods_is_closed_and_the_floor_is_spared() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    for request in 1..=500 {
        let wish = json!({"type": "state", "request": request, "to": "ready"}).to_string();
        if minh.ws.send(Message::text(wish)).await.is_err() {
            break;
        }
    }
    assert_eq!(minh.closed().await, 1008);
    let wishes = floor
        .inbox
        .urgent
        .try_iter()
        .filter(|input| matches!(input, Input::AgentWants(..)))
        .count();
    assert!((60..500).contains(&wishes), "{wishes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_closed_while_others_go_on() {
    let floor = Floor::open().await;
    let mut lan = floor.seated("lan", "right too", 8).await;
    // A socket with a small window that says hello and never reads.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small window");
    let stream = socket.connect(floor.address).await.expect("a listener");
    let request = format!("ws://{}/agent", floor.address);
    let (mut deaf, _) = client_async(request, stream).await.expect("an upgrade");
    let hello = json!({"type": "hello", "version": 1, "agent": "minh", "token": "right"});
    deaf.send(Message::text(hello.to_string()))
        .await
        .expect("open");
    assert!(matches!(floor.hears(), Input::AgentSeated(_)));

    let mut pushed = 0;
    while floor.desks.count(DeskCount::TooSlow) == 0 {
        assert!(pushed < 100_000, "never found too slow");
        floor.says(7, AgentState::Break(1), None);
        // The same news for one who reads: each arrives before the next is told.
        floor.says(8, AgentState::Break(1), None);
        lan.next("state").await;
        pushed += 1;
    }
    assert_eq!(floor.hears(), Input::AgentLost(AgentId(7)));
    assert_eq!(floor.desks.sessions(), (1, 1));
    floor.says(8, AgentState::Ready, None);
    assert_eq!(lan.next("state").await["state"], "ready");
    drop(deaf);
    // And it can come back.
    let mut back = Client::open(floor.address).await;
    back.hello("minh", "right").await;
    back.next("welcome").await;
    assert_eq!(floor.hears(), Input::AgentBack(AgentId(7)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_answers_no_ping_is_lost_and_one_that_does_is_not() {
    let floor = Floor::with(Waits {
        ping: Duration::from_secs(4),
        ..Waits::default()
    })
    .await;
    let dead = floor.minh().await;
    let mut lan = floor.seated("lan", "right too", 8).await;
    // Lan reads (and thereby answers pings) until Minh, who does neither, is lost.
    let lost = tokio::time::timeout(LIMIT, async {
        loop {
            if let Ok(input) = floor.inbox.urgent.try_recv() {
                return input;
            }
            let _ = tokio::time::timeout(Duration::from_millis(20), lan.ws.next()).await;
        }
    })
    .await
    .expect("a dead socket is never found");
    assert_eq!(lost, Input::AgentLost(AgentId(7)));
    assert_eq!(floor.desks.count(DeskCount::Silent), 1);
    lan.ws
        .send(Message::Ping(Bytes::from_static(b"you?")))
        .await
        .expect("open");
    let pong = tokio::time::timeout(LIMIT, async {
        loop {
            if let Some(Ok(Message::Pong(payload))) = lan.ws.next().await {
                return payload;
            }
        }
    });
    assert_eq!(&pong.await.expect("no pong")[..], b"you?");
    drop(dead);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_floor_that_is_behind_turns_log_ins_away_and_still_hears_of_the_lost() {
    let floor = Floor::with(Waits {
        lane: 1,
        ..Waits::default()
    })
    .await;
    let mut minh = Client::open(floor.address).await;
    minh.hello("minh", "right").await;
    minh.next("welcome").await;
    // The lane holds Minh's seat: it is full.
    let mut lan = Client::open(floor.address).await;
    lan.hello("lan", "right too").await;
    assert_eq!(lan.next("error").await["code"], "busy");
    assert_eq!(lan.closed().await, 1013);
    minh.say(json!({"type": "state", "request": 1, "to": "ready"}))
        .await;
    assert_eq!(minh.next("error").await["code"], "busy");
    drop(minh);
    until("the loss waits", || floor.desks.sessions() == (0, 1));
    assert!(matches!(floor.hears(), Input::AgentSeated(_)));
    assert_eq!(floor.hears(), Input::AgentLost(AgentId(7)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_engine_says_goodbye() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    floor.stop.send(true).expect("a server");
    assert_eq!(minh.next("closing").await["reason"], "stopping");
    assert_eq!(minh.closed().await, 1001);
}
