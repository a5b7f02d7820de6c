//! The floor by hand, and a client that knows nothing of our types.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tandem::config::DeskConfig;
use tandem::core::effect::{AfterCall, AgentNews, AgentState, Effect, EndedBy};
use tandem::core::input::Input;
use tandem::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId, SkillId};
use tandem::pii::Pii;
use tandem::shell::cards::Cards;
use tandem::shell::desks::{
    AgentDirectory, DeskHistograms, DeskParts, DeskSettings, Desks, LoggedIn, LoginRefused, board,
    outcome_set,
};
use tandem::shell::lanes::{CallBook, CallEntry, Clock, FloorInbox, floor_lanes};
use tandem::shell::store::{CallIdentity, LeadRecord};
use tandem::time::UnixMs;
use tandem::wire::desk::card::CardContext;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, client_async};

const HUONG: &str = include_str!("../data/desk/huong.json");
pub const NAME: &str = "Trần Thị Mai Hương";
/// How long anything that must happen may take on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);

struct Book(HashMap<&'static str, (&'static str, u32)>);

impl AgentDirectory for Book {
    fn login(&self, name: &str, token: &str) -> Result<LoggedIn, LoginRefused> {
        match self.0.get(name) {
            Some((right, agent)) if *right == token => Ok(LoggedIn {
                agent: AgentId(*agent),
                name: name.to_owned(),
                campaigns: vec![(CampaignId(0), 100)],
                skills: vec![(SkillId(0), 5)],
                audio: tandem::shell::store::AgentAudio::None,
            }),
            _ => Err(LoginRefused::Wrong),
        }
    }
}

/// The floor's side of the desks, by hand.
pub struct Floor {
    pub inbox: FloorInbox,
    pub desks: Arc<Desks>,
    pub cards: Arc<Cards>,
    pub calls: CallBook,
    pub clock: Clock,
    pub times: Arc<DeskHistograms>,
    pub address: SocketAddr,
    pub settings: DeskSettings,
    pub stop: watch::Sender<bool>,
}

#[derive(Clone, Copy)]
pub struct Waits {
    pub hello: Duration,
    pub ping: Duration,
    pub lane: usize,
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
    pub async fn open() -> Floor {
        Floor::with(Waits::default()).await
    }

    pub async fn with(waits: Waits) -> Floor {
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
                sockets_max: 4_096,
            },
            break_reasons: vec!["login".into(), "lunch".into()],
            reasons_offered: vec!["login".into(), "lunch".into()],
            skip_reasons: vec!["not_now".into(), "language".into()],
            skips_offered: vec!["not_now".into()],
            zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(7)),
            ice_servers: Vec::new(),
            outcome_set: outcome_set(),
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
                audio: Arc::new(tandem::shell::desks::NoAudio),
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
            settings,
            stop,
        }
    }

    /// The next fact that the floor hears.
    pub fn hears(&self) -> Input {
        tokio::task::block_in_place(|| self.inbox.urgent.recv_timeout(LIMIT))
            .expect("the floor hears nothing")
    }

    pub fn hears_nothing(&self) {
        let heard: Vec<Input> = self.inbox.urgent.try_iter().collect();
        assert!(heard.is_empty(), "{heard:?}");
    }

    pub fn says(&self, agent: u32, state: AgentState, attempt: Option<u64>) {
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

    pub fn dials(&self, attempt: u64) {
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

    pub fn stages(&self, attempt: u64) {
        self.cards.stage(AttemptId(attempt));
        until("a staged card", || {
            self.calls
                .get(&AttemptId(attempt))
                .is_some_and(|entry| entry.card.is_some())
        });
    }

    pub fn shows(&self, agent: u32, attempt: u64) {
        self.says(agent, AgentState::Reserved, Some(attempt));
        assert!(self.desks.apply(&Effect::Show {
            attempt: AttemptId(attempt),
            agent: AgentId(agent),
            answered: self.clock.mono(),
        }));
        self.says(agent, AgentState::Talking, Some(attempt));
    }

    pub fn ends(&self, agent: u32, attempt: u64) {
        self.says(agent, AgentState::Wrap, Some(attempt));
        assert!(self.desks.apply(&Effect::CallEnded {
            attempt: AttemptId(attempt),
            agent: AgentId(agent),
            by: EndedBy::Customer,
            talk_ms: 61_500,
        }));
    }

    /// A logged-in agent on BREAK, seated on the floor, with nothing left unread.
    pub async fn seated(&self, name: &str, token: &str, agent: u32) -> Client {
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

    pub async fn minh(&self) -> Client {
        self.seated("minh", "right", 7).await
    }
}

pub fn until(what: &str, condition: impl Fn() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < limit, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A client that knows JSON and nothing of our types.
pub struct Client {
    pub ws: WebSocketStream<TcpStream>,
    pub session: String,
    /// Number of the last message.
    pub sequence: u64,
}

impl Client {
    pub async fn open(address: SocketAddr) -> Client {
        Client::try_open(address, "/agent", &[])
            .await
            .expect("an upgrade")
    }

    pub async fn try_open(
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

    pub async fn say(&mut self, message: Value) {
        self.ws
            .send(Message::text(message.to_string()))
            .await
            .expect("the socket is open");
    }

    pub async fn hello(&mut self, name: &str, token: &str) {
        self.say(json!({"type": "hello", "version": 1, "agent": name, "token": token}))
            .await;
    }

    pub async fn hello_again(&mut self, session: &str, sequence: u64) {
        self.say(
            json!({"type": "hello", "version": 1, "agent": "minh", "token": "right",
                   "resume": {"session": session, "sequence": sequence}}),
        )
        .await;
    }

    /// The next message as text; `Err` is how the socket ended.
    pub async fn text(&mut self) -> Result<String, Option<CloseFrame>> {
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
    pub async fn next(&mut self, kind: &str) -> Value {
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
    pub async fn closed(&mut self) -> u16 {
        loop {
            match self.text().await {
                Ok(_) => {}
                Err(Some(frame)) => return frame.code.into(),
                Err(None) => return 0,
            }
        }
    }
}
