//! The agents' desks as a client sees them: a real server on a free port, real sockets, and the floor's part played by hand.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tandem::config::DeskConfig;
use tandem::core::dispositions::Disposition;
use tandem::core::effect::{AfterCall, AgentNews, AgentState, Effect, EndedBy, Refusal};
use tandem::core::input::{Input, Wanted};
use tandem::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId, SkillId};
use tandem::pii::Pii;
use tandem::shell::cards::Cards;
use tandem::shell::desks::{
    AgentDirectory, DeskCount, DeskHistograms, DeskParts, DeskSettings, Desks, LoggedIn,
    LoginRefused, board, outcome_set,
};
use tandem::shell::lanes::{CallBook, CallEntry, Clock, FloorInbox, floor_lanes};
use tandem::shell::store::{CallIdentity, LeadRecord};
use tandem::time::UnixMs;
use tandem::wire::desk::card::{CARD_BYTES_MAX, CardContext};
use tandem::wire::desk::client::ErrorCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

const HUONG: &str = include_str!("data/desk/huong.json");
const NAME: &str = "Trần Thị Mai Hương";
/// How long anything that must happen may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

struct Book(HashMap<&'static str, (&'static str, u32)>);

impl AgentDirectory for Book {
    fn login(&self, name: &str, token: &str) -> Result<LoggedIn, LoginRefused> {
        match self.0.get(name) {
            Some((right, agent)) if *right == token => Ok(LoggedIn {
                agent: AgentId(*agent),
                name: name.to_owned(),
                campaigns: vec![(CampaignId(0), 100)],
                skills: vec![(SkillId(0), 5)],
            }),
            _ => Err(LoginRefused::Wrong),
        }
    }
}

/// The floor's side of the desks, by hand.
struct Floor {
    inbox: FloorInbox,
    desks: Arc<Desks>,
    cards: Arc<Cards>,
    calls: CallBook,
    clock: Clock,
    times: Arc<DeskHistograms>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

#[derive(Clone, Copy)]
struct Waits {
    hello: Duration,
    ping: Duration,
    lane: usize,
}

impl Default for Waits {
    fn default() -> Self {
        Waits {
            hello: LIMIT,
            ping: LIMIT,
            lane: 4_096,
        }
    }
}

impl Floor {
    async fn open() -> Floor {
        Floor::with(Waits::default()).await
    }

    async fn with(waits: Waits) -> Floor {
        let (lane, inbox) = floor_lanes(waits.lane, 16);
        let calls = CallBook::default();
        let board = board(vec![CardContext {
            campaign: "PL-B2-HCM".into(),
            why: None,
            mode: "auto".into(),
            outcome_set: ("OUT-COLL".into(), 3),
            hot: vec!["RPC_PTP".into()],
            wrap_s: 25,
            home_prefix: "+84".into(),
        }]);
        let cards = Cards::start(board, calls.clone()).expect("a thread");
        let clock = Clock::new();
        let times = Arc::new(DeskHistograms::default());
        let settings = DeskSettings {
            desk: DeskConfig {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                origins: vec!["https://desk.bank.example".into()],
                ping_deadline: waits.ping,
                queue: 64,
            },
            break_reasons: vec!["login".into(), "lunch".into()],
            zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(7)),
            outcome_set: outcome_set(),
            sockets_max: 4_096,
            strangers_max: 1_024,
            hello_wait: waits.hello,
        };
        let desks = Desks::new(
            settings.clone(),
            DeskParts {
                clock,
                lane,
                calls: calls.clone(),
                cards: cards.clone(),
                directory: Arc::new(Book(HashMap::from([
                    ("minh", ("right", 7)),
                    ("lan", ("right too", 8)),
                ]))),
                times: times.clone(),
            },
        );
        let listener = TcpListener::bind(settings.desk.listen)
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(desks.clone().serve(listener, stopped));
        Floor {
            inbox,
            desks,
            cards,
            calls,
            clock,
            times,
            address,
            stop,
        }
    }

    /// The next fact that the floor hears.
    fn hears(&self) -> Input {
        tokio::task::block_in_place(|| self.inbox.urgent.recv_timeout(LIMIT))
            .expect("the floor hears nothing")
    }

    fn hears_nothing(&self) {
        let heard: Vec<Input> = self.inbox.urgent.try_iter().collect();
        assert!(heard.is_empty(), "{heard:?}");
    }

    fn says(&self, agent: u32, state: AgentState, attempt: Option<u64>) {
        let now = self.clock.now().unix;
        assert!(self.desks.apply(&Effect::Agent(AgentNews {
            agent: AgentId(agent),
            state,
            since: now,
            until: (state == AgentState::Wrap).then_some(UnixMs(now.0 + 25_000)),
            attempt: attempt.map(AttemptId),
            after_call: AfterCall::Ready,
        })));
    }

    fn dials(&self, attempt: u64) {
        self.calls.insert(
            AttemptId(attempt),
            CallEntry {
                identity: CallIdentity {
                    call_id: "c".into(),
                    from_tag: "f".into(),
                    branch: "b".into(),
                },
                number: Pii::new("+84900000412".into()),
                lead: Arc::new(LeadRecord {
                    lead: LeadId(attempt),
                    campaign: CampaignId(0),
                    person: PersonId(attempt),
                    number: NumberId(attempt),
                    e164: Pii::new("+84900000412".into()),
                    facts: Pii::new(HUONG.into()),
                }),
                card: None,
            },
        );
    }

    fn stages(&self, attempt: u64) {
        self.cards.stage(AttemptId(attempt));
        until("a staged card", || {
            self.calls
                .get(&AttemptId(attempt))
                .is_some_and(|entry| entry.card.is_some())
        });
    }

    fn shows(&self, agent: u32, attempt: u64) {
        self.says(agent, AgentState::Reserved, Some(attempt));
        assert!(self.desks.apply(&Effect::Show {
            attempt: AttemptId(attempt),
            agent: AgentId(agent),
            answered: self.clock.mono(),
        }));
        self.says(agent, AgentState::Talking, Some(attempt));
    }

    fn ends(&self, agent: u32, attempt: u64) {
        self.says(agent, AgentState::Wrap, Some(attempt));
        assert!(self.desks.apply(&Effect::CallEnded {
            attempt: AttemptId(attempt),
            agent: AgentId(agent),
            by: EndedBy::Customer,
            talk_ms: 61_500,
        }));
    }

    /// A logged-in agent on BREAK, seated on the floor, with nothing left unread.
    async fn seated(&self, name: &str, token: &str, agent: u32) -> Client {
        let mut client = Client::open(self.address).await;
        client.hello(name, token).await;
        client.session = client.next("welcome").await["session"]
            .as_str()
            .expect("a session")
            .to_owned();
        assert!(matches!(self.hears(), Input::AgentSeated(seat) if seat.agent == AgentId(agent)));
        self.says(agent, AgentState::Break(0), None);
        assert_eq!(client.next("state").await["reason"], "login");
        client
    }

    async fn minh(&self) -> Client {
        self.seated("minh", "right", 7).await
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < limit, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A client that knows JSON and nothing of our types.
struct Client {
    ws: WebSocketStream<TcpStream>,
    session: String,
    /// Number of the last message.
    sequence: u64,
}

impl Client {
    async fn open(address: SocketAddr) -> Client {
        Client::try_open(address, "/agent", &[])
            .await
            .expect("an upgrade")
    }

    async fn try_open(
        address: SocketAddr,
        path: &str,
        origins: &[&str],
    ) -> Result<Client, WsError> {
        let stream = TcpStream::connect(address).await.expect("a listener");
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        for origin in origins {
            request
                .headers_mut()
                .append("origin", origin.parse().expect("a header"));
        }
        let (ws, _) = client_async(request, stream).await?;
        Ok(Client {
            ws,
            session: String::new(),
            sequence: 0,
        })
    }

    async fn say(&mut self, message: Value) {
        self.ws
            .send(Message::text(message.to_string()))
            .await
            .expect("the socket is open");
    }

    async fn hello(&mut self, name: &str, token: &str) {
        self.say(json!({"type": "hello", "version": 1, "agent": name, "token": token}))
            .await;
    }

    async fn hello_again(&mut self, session: &str, sequence: u64) {
        self.say(
            json!({"type": "hello", "version": 1, "agent": "minh", "token": "right",
                   "resume": {"session": session, "sequence": sequence}}),
        )
        .await;
    }

    /// The next message as text; `Err` is how the socket ended.
    async fn text(&mut self) -> Result<String, Option<CloseFrame>> {
        // One limit for all that is read: the engine's pings must not extend it.
        tokio::time::timeout(LIMIT, async {
            loop {
                match self.ws.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                    Some(Ok(Message::Close(frame))) => return Err(frame),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(None),
                }
            }
        })
        .await
        .expect("the engine says nothing")
    }

    /// The next message, which must be of this type.
    async fn next(&mut self, kind: &str) -> Value {
        let text = match self.text().await {
            Ok(text) => text,
            Err(end) => panic!("closed ({end:?}) instead of {kind}"),
        };
        let message: Value = serde_json::from_str(&text).expect("the engine speaks JSON");
        assert_eq!(message["type"], kind, "{message}");
        assert_eq!(message["version"], 1);
        self.sequence = message["sequence"].as_u64().expect("a number");
        message
    }

    /// Reads to the end: the close code.
    async fn closed(&mut self) -> u16 {
        loop {
            match self.text().await {
                Ok(_) => {}
                Err(Some(frame)) => return frame.code.into(),
                Err(None) => return 0,
            }
        }
    }
}

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

#[test]
fn the_public_description_names_every_code_message_and_reason() {
    let text = include_str!("../docs/agent-protocol.md");
    let schema: Value =
        serde_json::from_str(include_str!("../docs/agent-protocol.schema.json")).expect("JSON");
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
    ] {
        let found = words.len();
        constants(&definitions[name], &mut words);
        assert!(words.len() > found, "{name} has left the schema");
    }
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

/// Not a proof but a measurement: `cargo test --release --test desk -- --ignored --nocapture idle`.
#[ignore = "measures memory; run by hand"]
#[test]
fn idle_connections_are_small() {
    // 2,000 clients in another process: raw sockets that upgrade, say hello and wait.
    const CLIENTS: u32 = 2_000;
    const PEER: &str = r#"
import socket, sys, json, struct, os
port, count = int(sys.argv[1]), int(sys.argv[2])
def frame(text):
    data = text.encode(); mask = b"\0\0\0\0"
    head = b"\x81" + (bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data)))
    return head + mask + data
sockets = []
for n in range(count):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"GET /agent HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    while b"\r\n\r\n" not in s.recv(4096): pass
    s.sendall(frame(json.dumps({"type": "hello", "version": 1, "agent": str(n + 1), "token": "t"})))
    s.recv(4096)
    sockets.append(s)
print("ready", flush=True)
sys.stdin.readline()
"#;
    struct Anybody;
    impl AgentDirectory for Anybody {
        fn login(&self, name: &str, _: &str) -> Result<LoggedIn, LoginRefused> {
            Ok(LoggedIn {
                agent: AgentId(name.parse().map_err(|_| LoginRefused::Wrong)?),
                name: name.to_owned(),
                campaigns: vec![(CampaignId(0), 100)],
                skills: vec![],
            })
        }
    }
    fn resident_kb() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .expect("VmRSS")
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (lane, inbox) = floor_lanes(8_192, 16);
        let calls = CallBook::default();
        let cards = Cards::start(board(vec![]), calls.clone()).expect("a thread");
        let clock = Clock::new();
        let desks = Desks::new(
            DeskSettings {
                desk: DeskConfig {
                    listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                    origins: vec![],
                    ping_deadline: Duration::from_secs(600),
                    queue: 64,
                },
                break_reasons: vec!["login".into()],
                zone: jiff::tz::TimeZone::UTC,
                outcome_set: outcome_set(),
                sockets_max: 4_096,
                strangers_max: 1_024,
                hello_wait: LIMIT,
            },
            DeskParts {
                clock,
                lane,
                calls,
                cards,
                directory: Arc::new(Anybody),
                times: Arc::new(DeskHistograms::default()),
            },
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (_stop, stopped) = watch::channel(false);
        tokio::spawn(desks.clone().serve(listener, stopped));
        let before = resident_kb();
        let mut peer = Command::new("python3")
            .args(["-c", PEER, &port.to_string(), &CLIENTS.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        let mut output = BufReader::new(peer.stdout.take().expect("piped"));
        tokio::task::block_in_place(|| output.read_line(&mut line)).expect("ready");
        assert_eq!(desks.sessions().0, CLIENTS as usize);
        for agent in 1..=CLIENTS {
            desks.agent_news(&AgentNews {
                agent: AgentId(agent),
                state: AgentState::Break(0),
                since: UnixMs(1),
                until: None,
                attempt: None,
                after_call: AfterCall::Ready,
            });
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let after = resident_kb();
        println!(
            "{CLIENTS} idle connections: {before} kB -> {after} kB, {:.2} kB each",
            (after - before) as f64 / f64::from(CLIENTS)
        );
        drop(inbox);
        drop(peer.stdin.take());
        let _ = peer.wait();
    });
}
