//! Agents under load: each a real websocket that logs in, is ready, takes calls and says what came of them at once.
//!
//! Owns what they saw: when each card came, how long the way to READY was, what should not have been. All of them run on the
//! scenario's one thread, so a card's instant is read by the clock that the far end reads too. An agent does what a desk does
//! and no more; a message that a desk would not understand is a fault, never noise.

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tandem::demo::chance::Chance;
use tandem::ids::AttemptId;
use tandem::pii::Pii;
use tandem::wire::desk::VERSION;
use tandem::wire::desk::client::{
    CallId, ClientMessage, Hello, Outcome, Painted, Resume, StateWish, WantedState,
};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longest wait for a handshake.
const CONNECT_MAX: Duration = Duration::from_secs(60);
/// Handshakes and log-ins under way at once, where a scenario does not want them all at once.
const AT_ONCE: usize = 64;
/// docs/agent-protocol.md: reconnect after a random wait of 0.2 to 1 s, doubling to 10 s.
const RETRY_FIRST_S: (f64, f64) = (0.2, 1.0);
const RETRY_MAX_S: f64 = 10.0;
/// An outcome that needs nothing else.
const OUTCOME: &str = "RPC_NO_COMMIT";
/// Faults kept in words; all are counted.
const FAULTS_KEPT: usize = 5;

/// A websocket of a client, of the engine's or of the bare server's.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Small buffers: ten thousand clients live in one process.
pub fn small_buffers() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1_024)
        .write_buffer_size(0)
}

/// Opens a websocket as every client here does.
pub async fn open(url: &str) -> Result<Socket> {
    let connect = tokio_tungstenite::connect_async_with_config(url, Some(small_buffers()), true);
    let (socket, _) = timeout(CONNECT_MAX, connect).await??;
    Ok(socket)
}

/// What an agent does when its socket is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenLost {
    /// Nobody may lose one: a fault.
    Fault,
    /// Comes back as a desk does, with back-off, and resumes.
    ComeBack,
}

/// States as the engine spells them; the place is what [`Seen`] keeps.
const STATES: [&str; 7] = [
    "offline", "break", "ready", "reserved", "talking", "wrap", "manual",
];
const BREAK: u8 = 1;
const READY: u8 = 2;
const RESERVED: u8 = 3;
const TALKING: u8 = 4;
const WRAP: u8 = 5;

/// A first card that came.
#[derive(Clone, Copy, Debug)]
pub struct CardSeen {
    /// Whom it is about: the place on the made-up list.
    pub lead: u32,
    /// When its frame was read.
    pub at: Instant,
    /// Its length in bytes.
    pub bytes: usize,
}

/// What all agents saw.
#[derive(Debug)]
pub struct Seen {
    /// By agent: the place of its last state in [`STATES`].
    states: Vec<AtomicU8>,
    cards: Mutex<Vec<CardSeen>>,
    /// Milliseconds from the first try to open a socket to READY, one for each arrival.
    to_ready_ms: Mutex<Vec<f64>>,
    faults: Mutex<Vec<String>>,
    /// Arrivals at READY on a new socket.
    pub arrived: AtomicU64,
    /// Pings answered.
    pub pings: AtomicU64,
    /// Outcomes that the engine said are kept.
    pub saved: AtomicU64,
    /// Outcomes sent.
    pub outcomes: AtomicU64,
    /// First cards whose body was late.
    pub incomplete: AtomicU64,
    /// Sockets lost.
    pub lost: AtomicU64,
    /// Tries that ended without a welcome.
    pub failed_tries: AtomicU64,
    /// Sessions that went on, and new ones.
    pub resumed: AtomicU64,
    /// New sessions.
    pub welcomed: AtomicU64,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    fn new(agents: u32) -> Seen {
        Seen {
            states: (0..agents).map(|_| AtomicU8::new(0)).collect(),
            cards: Mutex::default(),
            to_ready_ms: Mutex::default(),
            faults: Mutex::default(),
            arrived: AtomicU64::new(0),
            pings: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            outcomes: AtomicU64::new(0),
            incomplete: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            failed_tries: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            welcomed: AtomicU64::new(0),
        }
    }

    /// Agents whose last word from the engine was READY.
    pub fn ready(&self) -> u32 {
        self.states
            .iter()
            .filter(|state| state.load(Relaxed) == READY)
            .count() as u32
    }

    /// The cards that came, and forgets them.
    pub fn take_cards(&self) -> Vec<CardSeen> {
        std::mem::take(&mut held(&self.cards))
    }

    /// How long each arrival took so far, and forgets them.
    pub fn take_to_ready_ms(&self) -> Vec<f64> {
        std::mem::take(&mut held(&self.to_ready_ms))
    }

    /// Outcomes whose answer cannot come any more count as answered.
    pub fn forget_open_outcomes(&self) {
        self.saved.store(self.outcomes.load(Relaxed), Relaxed);
    }

    /// A fault, if there was one.
    pub fn check(&self) -> Result<()> {
        let faults = held(&self.faults);
        ensure!(faults.is_empty(), "{}", faults.join("; "));
        Ok(())
    }

    fn fault(&self, what: String) {
        let mut faults = held(&self.faults);
        if faults.len() < FAULTS_KEPT {
            faults.push(what);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Work,
    Leave,
}

/// All agents of a scenario.
pub struct Crew {
    /// What they see.
    pub seen: Arc<Seen>,
    url: Arc<str>,
    when_lost: WhenLost,
    orders: watch::Sender<Order>,
    doors: Arc<Semaphore>,
    at_work: JoinSet<()>,
    entered: u32,
}

impl Crew {
    /// Nobody yet, of at most `agents`.
    pub fn new(url: String, agents: u32, when_lost: WhenLost) -> Crew {
        Crew {
            seen: Arc::new(Seen::new(agents)),
            url: url.into(),
            when_lost,
            orders: watch::channel(Order::Work).0,
            doors: Arc::new(Semaphore::new(AT_ONCE)),
            at_work: JoinSet::new(),
            entered: 0,
        }
    }

    /// Sends agents in, each `apart` after the last one, [`AT_ONCE`] of them at a time.
    pub fn enter(
        &mut self,
        logins: impl IntoIterator<Item = (String, Pii<String>)>,
        apart: Duration,
    ) {
        for (place, (name, token)) in logins.into_iter().enumerate() {
            let agent = Agent {
                number: self.entered,
                name,
                token,
                url: Arc::clone(&self.url),
                seen: Arc::clone(&self.seen),
                orders: self.orders.subscribe(),
                door: None,
                session: None,
                sequence: 0,
                request: 0,
                absent_since: Instant::now(),
                arrived: false,
                is_old_session: false,
                call: None,
                state: 0,
            };
            self.entered += 1;
            let doors = Arc::clone(&self.doors);
            let begin = apart * place as u32;
            self.at_work.spawn(agent.work(begin, doors, self.when_lost));
        }
    }

    /// Waits until that many arrivals at READY were seen.
    pub async fn arrivals(&mut self, wanted: u64, patience: Duration) -> Result<()> {
        let until = Instant::now() + patience;
        while self.seen.arrived.load(Relaxed) < wanted {
            self.seen.check()?;
            ensure!(
                Instant::now() < until,
                "{} of {wanted} agents were READY after {patience:?}",
                self.seen.arrived.load(Relaxed)
            );
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Fails if an agent has ended or saw what should not be.
    pub fn check(&mut self) -> Result<()> {
        self.seen.check()?;
        if let Some(ended) = self.at_work.try_join_next() {
            ended.context("an agent's task")?;
            bail!("an agent went home early");
        }
        Ok(())
    }

    /// Everybody logs out. Fails if somebody is not let go within `patience`.
    pub async fn leave(mut self, patience: Duration) -> Result<()> {
        // Nobody listens: then nobody is there.
        let _ = self.orders.send(Order::Leave);
        let all = async {
            while let Some(ended) = self.at_work.join_next().await {
                ended.context("an agent's task")?;
            }
            Ok::<_, anyhow::Error>(())
        };
        timeout(patience, all)
            .await
            .context("somebody was not let go")??;
        self.seen.check()
    }
}

/// What a desk reads of a message.
#[derive(Deserialize)]
struct News<'a> {
    sequence: u64,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    session: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    state: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    call: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    customer: Option<Customer<'a>>,
    #[serde(default)]
    complete: Option<bool>,
    #[serde(default, borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Customer<'a> {
    #[serde(borrow)]
    cif: Cow<'a, str>,
}

/// The made-up list counts its people from here (`demo::borrowers`).
const FIRST_CIF: u64 = 20_000_000;

/// How a socket's life ended.
enum Ended {
    /// As it was asked to.
    LoggedOut,
    /// By itself, for this reason.
    Lost(String),
}

struct Agent {
    number: u32,
    name: String,
    token: Pii<String>,
    url: Arc<str>,
    seen: Arc<Seen>,
    orders: watch::Receiver<Order>,
    /// Held from the first try to the first READY.
    door: Option<OwnedSemaphorePermit>,
    session: Option<String>,
    sequence: u64,
    request: u64,
    /// Since when the agent tries to be at work.
    absent_since: Instant,
    /// READY was seen on this socket.
    arrived: bool,
    /// The session is an old one: what came before the cut may be cited.
    is_old_session: bool,
    /// The call whose card came last.
    call: Option<u64>,
    /// The place of the last state in [`STATES`].
    state: u8,
}

impl Agent {
    async fn work(mut self, begin: Duration, doors: Arc<Semaphore>, when_lost: WhenLost) {
        sleep(begin).await;
        self.door = doors.acquire_owned().await.ok();
        self.absent_since = Instant::now();
        let mut chance = Chance::of(1, &self.name, 0);
        let (mut least, mut most) = RETRY_FIRST_S;
        loop {
            let ended = match open(&self.url).await {
                Ok(socket) => self.converse(socket).await,
                Err(error) => Ok(Ended::Lost(format!("{error:#}"))),
            };
            match ended {
                Ok(Ended::LoggedOut) => return self.enter(0),
                Ok(Ended::Lost(_)) if when_lost == WhenLost::ComeBack => {}
                Ok(Ended::Lost(why)) => {
                    return self.fault(&format!("lost its socket: {why}"));
                }
                Err(fault) => return self.fault(&format!("{fault:#}")),
            }
            self.enter(0);
            self.call = None;
            if std::mem::take(&mut self.arrived) {
                self.seen.lost.fetch_add(1, Relaxed);
                self.absent_since = Instant::now();
                (least, most) = RETRY_FIRST_S;
            } else {
                self.seen.failed_tries.fetch_add(1, Relaxed);
            }
            let wait = least + (most - least) * chance.unit();
            sleep(Duration::from_secs_f64(wait)).await;
            (least, most) = (
                (least * 2.0).min(RETRY_MAX_S),
                (most * 2.0).min(RETRY_MAX_S),
            );
        }
    }

    fn fault(&self, what: &str) {
        self.seen.fault(format!("{} {what}", self.name));
    }

    fn enter(&mut self, state: u8) {
        self.state = state;
        self.seen.states[self.number as usize].store(state, Relaxed);
    }

    fn next_request(&mut self) -> u64 {
        self.request += 1;
        self.request
    }

    fn wish(&mut self, to: WantedState) -> ClientMessage {
        ClientMessage::State(StateWish {
            request: self.next_request(),
            to,
            reason: None,
        })
    }

    /// One socket's life. An error is what should not be; the loss of the socket is for the caller to judge.
    async fn converse(&mut self, mut socket: Socket) -> Result<Ended> {
        let hello = ClientMessage::Hello(Hello {
            version: VERSION,
            agent: self.name.clone(),
            token: self.token.clone(),
            resume: self.session.clone().map(|session| Resume {
                session,
                sequence: self.sequence,
            }),
        });
        let mut answers = vec![hello];
        let mut orders = self.orders.clone();
        let mut leaving = false;
        loop {
            if !answers.is_empty()
                && let Err(error) = say(&mut socket, &answers).await
            {
                return Ok(Ended::Lost(format!("{error:#}")));
            }
            answers.clear();
            let read = tokio::select! {
                biased;
                read = socket.next() => read,
                _ = orders.wait_for(|order| *order == Order::Leave), if !leaving => {
                    leaving = true;
                    answers.push(self.wish(WantedState::Offline));
                    continue;
                }
            };
            // Before anything is done with it: this is when the frame was here.
            let now = Instant::now();
            let text = match read {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Ping(_))) => {
                    self.seen.pings.fetch_add(1, Relaxed);
                    // The answer lies ready in the library; nothing else would send it.
                    match socket.flush().await {
                        Ok(()) => continue,
                        Err(error) => return Ok(Ended::Lost(error.to_string())),
                    }
                }
                _ if leaving => return Ok(Ended::LoggedOut),
                Some(Ok(other)) => return Ok(Ended::Lost(format!("told {other:?}"))),
                Some(Err(error)) => return Ok(Ended::Lost(error.to_string())),
                None => return Ok(Ended::Lost("closed".to_owned())),
            };
            let news: News<'_> = serde_json::from_str(&text)
                .with_context(|| format!("was told {:.80}", text.as_str()))?;
            self.sequence = news.sequence;
            if news.kind == "closing" {
                let reason = news.reason.unwrap_or_default().into_owned();
                return match (reason.as_str(), leaving) {
                    ("logged_out", true) => Ok(Ended::LoggedOut),
                    ("busy" | "stopping", _) => Ok(Ended::Lost(reason)),
                    _ => bail!("was closed out: {reason}"),
                };
            }
            self.hear(&news, now, text.len(), &mut answers)?;
        }
    }

    fn hear(
        &mut self,
        news: &News<'_>,
        now: Instant,
        bytes: usize,
        answers: &mut Vec<ClientMessage>,
    ) -> Result<()> {
        match news.kind.as_ref() {
            "welcome" | "resumed" => {
                self.is_old_session = news.kind == "resumed";
                let counter = match self.is_old_session {
                    true => &self.seen.resumed,
                    false => &self.seen.welcomed,
                };
                counter.fetch_add(1, Relaxed);
                self.session = news.session.as_deref().map(str::to_owned);
                answers.push(self.wish(WantedState::Ready));
            }
            "state" => {
                self.take_state(news)?;
                if self.state == READY && !self.arrived {
                    self.arrived = true;
                    self.door = None;
                    let took = now.saturating_duration_since(self.absent_since);
                    held(&self.seen.to_ready_ms).push(took.as_secs_f64() * 1e3);
                    self.seen.arrived.fetch_add(1, Relaxed);
                }
            }
            "call.connected" => self.take_card(news, now, bytes, answers)?,
            "saved" => {
                self.seen.saved.fetch_add(1, Relaxed);
            }
            "call.ended" | "card" => {}
            "error" => bail!("was refused: {}", news.code.as_deref().unwrap_or_default()),
            other => bail!("was told {other}"),
        }
        Ok(())
    }

    /// Only ways that an agent's life knows (docs/states.md), and no call whose card was not shown.
    fn take_state(&mut self, news: &News<'_>) -> Result<()> {
        let word = news.state.as_deref().unwrap_or_default();
        let state = STATES
            .iter()
            .position(|state| *state == word)
            .with_context(|| format!("is in a state called {word:?}"))? as u8;
        let before = self.state;
        let is_known = before == 0
            || state == 0
            || state == before
            || matches!(
                (before, state),
                (BREAK, READY)
                    | (READY, RESERVED)
                    | (RESERVED, TALKING | WRAP | READY)
                    | (TALKING, WRAP)
                    | (WRAP, READY)
            );
        ensure!(
            is_known,
            "went from {} to {word}",
            STATES[usize::from(before)]
        );
        if matches!(state, RESERVED | TALKING | WRAP) && !self.is_old_session {
            let call = news.call.as_deref().and_then(|call| call.parse().ok());
            ensure!(
                call.is_some() && call == self.call,
                "is {word} in call {call:?} and has the card of {:?}",
                self.call
            );
        }
        self.enter(state);
        Ok(())
    }

    fn take_card(
        &mut self,
        news: &News<'_>,
        now: Instant,
        bytes: usize,
        answers: &mut Vec<ClientMessage>,
    ) -> Result<()> {
        ensure!(
            self.state == READY || self.is_old_session,
            "got a card while {}",
            STATES[usize::from(self.state)]
        );
        let call = news
            .call
            .as_deref()
            .and_then(|call| call.parse().ok())
            .context("a card without a call")?;
        let lead = news
            .customer
            .as_ref()
            .and_then(|customer| customer.cif.parse::<u64>().ok()?.checked_sub(FIRST_CIF))
            .context("a card of nobody on the list")?;
        held(&self.seen.cards).push(CardSeen {
            lead: lead as u32,
            at: now,
            bytes,
        });
        if news.complete == Some(false) {
            self.seen.incomplete.fetch_add(1, Relaxed);
        }
        self.call = Some(call);
        let call = CallId(AttemptId(call));
        answers.push(ClientMessage::Painted(Painted {
            call,
            painted_at_ms: None,
        }));
        self.seen.outcomes.fetch_add(1, Relaxed);
        answers.push(ClientMessage::Outcome(Box::new(Outcome {
            request: self.next_request(),
            call,
            code: OUTCOME.to_owned(),
            promise: None,
            follow_up_at: None,
            reason: None,
            amount: None,
            paid: None,
            schedule: None,
            note: None,
            cooperation: None,
        })));
        Ok(())
    }
}

/// All in one packet.
async fn say(socket: &mut Socket, messages: &[ClientMessage]) -> Result<()> {
    for message in messages {
        let text = serde_json::to_string(message)?;
        socket.feed(Message::text(text)).await?;
    }
    Ok(socket.flush().await?)
}
