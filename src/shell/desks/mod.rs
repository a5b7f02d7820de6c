//! The agents' desks: websockets on one side, the floor's effects on the other.
//!
//! Owns the address book from agent to session, the sockets, and what agents wrote beside their outcome codes until the store
//! takes it. Takes no decision: what an agent may do is the floor's to say. Every call from the floor's thread returns at once.
//!
//! - [`Desks::apply`] and its parts: the floor's side.
//! - `server` accepts sockets, `socket` runs one, `requests` turns messages into inputs.
//! - `session` outlives sockets, `line` is the way to one (a bounded queue before its `pipe`), `ring` keeps what a returning
//!   client missed.

mod audio;
mod directory;
mod figures;
mod line;
mod pipe;
mod previews;
mod requests;
mod ring;
mod sealed;
mod server;
mod session;
mod socket;
mod translate;

pub use audio::{AnswerTo, AudioRefused, DeskAudio, NoAudio};
pub use directory::{AgentDirectory, LoggedIn, LoginRefused};
pub use figures::{DeskCount, DeskHistograms, DeskTimes, TimeFigures};
pub use translate::outcome_set;

use crate::config::{Config, DeskConfig, IceServerConfig, InForce};
use crate::core::effect::{AgentNews, AgentState, Effect, EndedBy, Refusal};
use crate::ids::{AgentId, AttemptId};
use crate::shell::cards::{CampaignBoard, Cards};
use crate::shell::lanes::{CallBook, Clock, FloorLane};
use crate::shell::pages::own_origins;
use crate::shell::store::OutcomeDetail;
use crate::time::{Mono, UnixMs};
use crate::wire::desk::card::CardContext;
use crate::wire::desk::client::{CallId, ErrorCode};
use crate::wire::desk::outcome::OutcomeSet;
use crate::wire::desk::server::{
    CallEnded, ClosingReason, ErrorNews, Saved, ServerMessage, connected, late_card,
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use dashmap::DashMap;
use directory::LoginLimiter;
use figures::DeskCounts;
use line::Mark;
use requests::not_your_call;
use session::{CurrentCall, Session, Told};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Codes for quick buttons where a campaign names none (domain.md section 1).
const HOT_CODES: [&str; 6] = [
    "RPC_PTP",
    "RPC_CB",
    "RPC_REFUSE",
    "WRONG_NO",
    "RPC_HARDSHIP",
    "RPC_DISPUTE",
];

/// How long a socket whose agent logged out stays for the "saved" of its last outcome.
const LAST_SAVED_WAIT: Duration = Duration::from_secs(2);
/// What agents wrote, at most: far above one per agent, and only a fault of ours gets there.
const DETAILS_MAX: usize = 10_000;

/// What the desks are told to obey.
#[derive(Clone, Debug)]
pub struct DeskSettings {
    /// Address, origins, ping deadline, queue, number of sockets.
    pub desk: DeskConfig,
    /// Break reasons by the numbers that the floor knows them by; 0 is "login". Those that left the configuration keep their place.
    pub break_reasons: Vec<String>,
    /// Break reasons that are offered to agents.
    pub reasons_offered: Vec<String>,
    /// Reasons for skipping a preview, as [`DeskSettings::break_reasons`].
    pub skip_reasons: Vec<String>,
    /// Those that are offered to agents.
    pub skips_offered: Vec<String>,
    /// STUN and TURN servers for the agents' browsers.
    pub ice_servers: Vec<IceServerConfig>,
    /// Zone in which promises fall due and callbacks are allowed.
    pub zone: jiff::tz::TimeZone,
    /// Codes and what each needs.
    pub outcome_set: OutcomeSet,
    /// Most sockets at once that have not logged in. Default 1,024: a whole shift may arrive within a second.
    pub strangers_max: usize,
    /// Longest wait for the upgrade, and again for `hello`. Default 3 s.
    pub hello_wait: Duration,
}

impl DeskSettings {
    /// From the configuration in force. A zone that this machine does not know falls back to UTC+7.
    pub fn of(in_force: &InForce) -> Self {
        let config = in_force.tables();
        DeskSettings {
            desk: DeskConfig {
                // The engine's own page comes from another port, which is another origin.
                origins: [
                    &config.desk.origins[..],
                    &own_origins(&config.pages, &config.api),
                ]
                .concat(),
                ..config.desk.clone()
            },
            break_reasons: config.break_reasons.clone(),
            reasons_offered: in_force.file().break_reasons.clone(),
            skip_reasons: config.skip_reasons.clone(),
            skips_offered: in_force.file().skip_reasons.clone(),
            zone: jiff::tz::TimeZone::get(&config.default_zone)
                .unwrap_or_else(|_| jiff::tz::TimeZone::fixed(jiff::tz::offset(7))),
            ice_servers: config.media.ice_servers.clone(),
            outcome_set: outcome_set(),
            strangers_max: 1_024,
            hello_wait: Duration::from_secs(3),
        }
    }

    /// Seconds to add to UTC for local time at `at`.
    fn offset_s(&self, at: UnixMs) -> i32 {
        jiff::Timestamp::from_millisecond(at.0)
            .map(|at| self.zone.to_offset(at).seconds())
            .unwrap_or(0)
    }
}

/// What each campaign adds to its cards, from a checked configuration. Store into the board again after an edit.
pub fn campaign_board(config: &Config) -> Vec<CardContext> {
    let set = outcome_set();
    let home_prefix = config
        .default_country
        .parse::<phonenumber::country::Id>()
        .ok()
        .and_then(|country| {
            phonenumber::metadata::DATABASE
                .by_id(country.as_ref())
                .map(|country| format!("+{}", country.country_code()))
        })
        .unwrap_or_default();
    config
        .campaigns
        .iter()
        .map(|campaign| CardContext {
            campaign: campaign.settings.name.clone(),
            why: campaign.why.clone(),
            mode: "auto".into(),
            outcome_set: (set.id.clone(), set.version),
            hot: HOT_CODES.map(str::to_owned).to_vec(),
            wrap_s: u16::try_from(campaign.settings.wrap.as_secs()).unwrap_or(u16::MAX),
            home_prefix: home_prefix.clone(),
        })
        .collect()
}

/// An empty or filled board to share with [`Cards`].
pub fn board(contexts: Vec<CardContext>) -> CampaignBoard {
    Arc::new(ArcSwap::from_pointee(contexts))
}

/// What the desks work with.
pub struct DeskParts {
    /// The process's clocks, with the same origin as the floor's.
    pub clock: Clock,
    /// The way into the floor.
    pub lane: FloorLane,
    /// Attempts and their staged cards.
    pub calls: CallBook,
    /// The worker that stages them.
    pub cards: Arc<Cards>,
    /// Who may log in.
    pub directory: Arc<dyn AgentDirectory>,
    /// Where times go.
    pub times: Arc<dyn DeskTimes>,
    /// Their sound.
    pub audio: Arc<dyn DeskAudio>,
}

/// What an agent wrote beside a code, until the store takes it.
struct Waiting {
    request: u64,
    detail: OutcomeDetail,
    since: Mono,
}

/// The desks. One per floor; shared by the floor's thread, the store's news and the sockets' tasks.
pub struct Desks {
    settings: ArcSwap<DeskSettings>,
    parts: DeskParts,
    /// Shared with every socket's pipe.
    counts: Arc<DeskCounts>,
    /// Agent -> session. An address book: no decision reads it.
    sessions: DashMap<AgentId, Arc<Session>>,
    details: DashMap<AttemptId, Waiting>,
    /// Calls that were pushed without a body, and to whom it is to follow.
    late: DashMap<AttemptId, AgentId>,
    logins: Mutex<LoginLimiter>,
    /// Log-ins that are checked at once; others wait their turn.
    login_slots: tokio::sync::Semaphore,
}

/// A lock whose holder panicked still guards plain values that are whole between statements.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desks {
    /// The desks of a floor, without sockets yet: see [`Desks::serve`].
    pub fn new(settings: DeskSettings, parts: DeskParts) -> Arc<Desks> {
        let cards = parts.cards.clone();
        let desks = Arc::new(Desks {
            settings: ArcSwap::from_pointee(settings),
            parts,
            counts: Arc::default(),
            sessions: DashMap::new(),
            details: DashMap::new(),
            late: DashMap::new(),
            logins: Mutex::default(),
            login_slots: tokio::sync::Semaphore::new(8),
        });
        // Weak: the desks hold the cards' handle, and the cards' worker must not hold the desks.
        let weak = Arc::downgrade(&desks);
        cards.on_ready(move |attempt| {
            if let Some(desks) = weak.upgrade() {
                desks.card_ready(attempt);
            }
        });
        desks
    }

    /// Other settings, for what happens from now on; sockets and sessions stay.
    pub fn set_settings(&self, settings: DeskSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// The settings in force.
    fn settings(&self) -> arc_swap::Guard<Arc<DeskSettings>> {
        self.settings.load()
    }

    /// Carries out an effect, if it is one for the desks; `false` if it is not. Callable from any thread, never waits.
    pub fn apply(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Agent(news) => self.agent_news(news),
            Effect::Show {
                attempt,
                agent,
                answered,
            } => self.show(*attempt, *agent, *answered),
            Effect::CallEnded {
                attempt,
                agent,
                by,
                talk_ms,
            } => self.call_ended(*attempt, *agent, *by, *talk_ms),
            Effect::Refuse {
                agent,
                request,
                why,
            } => self.refuse(*agent, *request, *why),
            Effect::Personal(news) => self.personal(news),
            Effect::Unseen { .. } => self.unseen(effect),
            _ => return false,
        }
        true
    }

    /// Tells an agent his state. OFFLINE ends the session.
    pub fn agent_news(&self, news: &AgentNews) {
        let Some(session) = self.session(news.agent) else {
            return;
        };
        let mut state = session.state();
        let forgotten = if translate::has_call(news.state) {
            None
        } else {
            state.forget_call()
        };
        state.news = Some(news.clone());
        let message =
            ServerMessage::State(translate::state_news(news, &self.settings().break_reasons));
        let told = state.tell_message(self.settings().desk.queue, &message);
        if news.state == AgentState::Offline {
            state.ended = true;
            match (&state.line, state.pending.is_empty()) {
                (Some(line), true) => line.close(ClosingReason::LoggedOut),
                // "saved" comes within milliseconds; it belongs to this agent's last call.
                (Some(line), false) => line.close_at(
                    ClosingReason::LoggedOut,
                    tokio::time::Instant::now() + LAST_SAVED_WAIT,
                ),
                (None, _) => state.pending.clear(),
            }
            if state.pending.is_empty() {
                drop(state);
                self.end(&session);
            }
        }
        if let Some(attempt) = forgotten {
            self.late.remove(&attempt);
        }
        self.note(told);
    }

    /// Pushes the staged card of an answered call: envelope and ready bytes. Where they are not ready: identity and flags now, the
    /// body as soon as it is there.
    pub fn show(&self, attempt: AttemptId, agent: AgentId, answered: Mono) {
        let now = self.parts.clock.now();
        let Some(session) = self.session(agent) else {
            self.counts.add(DeskCount::CardsNowhere);
            return;
        };
        let known = self
            .parts
            .calls
            .get(&attempt)
            .map(|entry| (entry.lead.clone(), entry.card.clone()));
        if known.is_none() {
            self.counts.add(DeskCount::CardsNowhere);
        }
        let (lead, staged) = match known {
            Some((lead, staged)) => (Some(lead), staged),
            None => (None, None),
        };
        let complete = staged.is_some();
        let body = staged.or_else(|| {
            let minimal = self.parts.cards.minimal(lead.as_ref()?);
            Some(Bytes::from(minimal.text.into_bytes()))
        });
        let answered_at = now.unix_of(answered);
        let mark = Mark {
            attempt,
            asked: now.mono,
            answered,
        };
        let mut state = session.state();
        let before = state.forget_call();
        let text = body
            .as_deref()
            .and_then(|body| std::str::from_utf8(body).ok());
        // A call that the book does not know: at least its number, so that the agent can name it.
        let text = text.unwrap_or(
            r#""complete":false,"campaign":{"id":"","mode":"auto"},"customer":{"cif":"","name":"","phone":""}}"#,
        );
        let told = state.tell(
            self.settings().desk.queue,
            Some(attempt),
            Some(mark),
            |sequence| connected(sequence, CallId(attempt), answered_at, now.unix, text),
        );
        let written = (told == Told::Written).then(|| self.parts.clock.mono());
        state.call = Some(CurrentCall {
            attempt,
            lead: lead.clone(),
            body,
            complete,
            answered_at,
            answered,
            ended: None,
            saved: None,
            written,
            preview: None,
            progress: None,
        });
        drop(state);
        if let Some(written) = written {
            self.note_push(mark, written);
        }
        self.counts.add(DeskCount::CardsPushed);
        self.note(told);
        if let Some(before) = before {
            self.late.remove(&before);
        }
        if !complete && lead.is_some() {
            self.counts.add(DeskCount::CardsLate);
            // Registered first, looked again after: the worker stores first and tells after, so one of the two sees the other.
            self.late.insert(attempt, agent);
            let ready = self
                .parts
                .calls
                .get(&attempt)
                .is_some_and(|entry| entry.card.is_some());
            if ready {
                self.card_ready(attempt);
            } else {
                self.parts.cards.stage_now(attempt);
            }
        }
    }

    /// Tells an agent that the conversation is over.
    pub fn call_ended(&self, attempt: AttemptId, agent: AgentId, by: EndedBy, talk_ms: u64) {
        let now = self.parts.clock.now();
        let Some(session) = self.session(agent) else {
            return;
        };
        let mut state = session.state();
        let wrap_until = state
            .news
            .as_ref()
            .filter(|news| news.state == AgentState::Wrap && news.attempt == Some(attempt))
            .and_then(|news| news.until);
        let lead = state.current(attempt).and_then(|call| call.lead.clone());
        let wrap_until = wrap_until.unwrap_or_else(|| {
            let wrap_s = lead
                .and_then(|lead| self.parts.cards.context(lead.campaign))
                .map_or(0, |context| context.wrap_s);
            now.unix + Duration::from_secs(wrap_s.into())
        });
        let ended = CallEnded {
            call: CallId(attempt),
            by: translate::ended_by(by),
            talk_ms,
            wrap_until_ms: wrap_until.into(),
        };
        if let Some(call) = state.current(attempt) {
            call.ended = Some(ended.clone());
        }
        let told = state.tell_message(self.settings().desk.queue, &ServerMessage::CallEnded(ended));
        drop(state);
        self.note(told);
        self.audio_after_call(&session);
    }

    /// Tells an agent that the floor cannot meet a request. 0: the latest wish for a state, or hang-up.
    pub fn refuse(&self, agent: AgentId, request: u64, why: Refusal) {
        let Some(session) = self.session(agent) else {
            return;
        };
        let mut state = session.state();
        let request = if request == 0 {
            state.last_request.take()
        } else {
            if let Some(attempt) = state.settle(request) {
                self.drop_detail(attempt, request);
            }
            Some(request)
        };
        let message = ServerMessage::Error(ErrorNews {
            request,
            code: why.code().into(),
            message: translate::refusal_sentence(why).into(),
            field: None,
            rule: match why {
                Refusal::Held { gate, .. } => Some(gate.code().to_owned()),
                _ => None,
            },
            not_before_ms: match why {
                Refusal::Held { next, .. } => next.map(Into::into),
                _ => None,
            },
        });
        let told = state.tell_message(self.settings().desk.queue, &message);
        self.note(told);
    }

    /// Tells an agent that an outcome is durable (`StoreNews::OutcomeDurable`).
    pub fn outcome_saved(&self, agent: AgentId, attempt: AttemptId, request: Option<u64>) {
        self.settled(agent, attempt, request, |state| {
            let saved = Saved {
                request,
                call: CallId(attempt),
            };
            state.saved = Some(saved.clone());
            if let Some(call) = state.current(attempt) {
                call.saved = Some(saved.clone());
            }
            ServerMessage::Saved(saved)
        });
    }

    /// Tells an agent that an outcome could not be made durable (`StoreNews::OutcomeFailed`).
    pub fn outcome_failed(&self, agent: AgentId, attempt: AttemptId, request: Option<u64>) {
        self.counts.add(DeskCount::NotSaved);
        self.settled(agent, attempt, request, |_| {
            ServerMessage::Error(ErrorNews {
                request,
                code: ErrorCode::NotSaved.as_str().into(),
                message: "The outcome could not be saved. Your supervisor has been told by the engine's alarms.".into(),
                field: None,
                rule: None,
                not_before_ms: None,
            })
        });
    }

    fn settled(
        &self,
        agent: AgentId,
        attempt: AttemptId,
        request: Option<u64>,
        message: impl FnOnce(&mut session::State) -> ServerMessage,
    ) {
        let Some(session) = self.session(agent) else {
            return;
        };
        let mut state = session.state();
        if let Some(request) = request
            && state.settle(request).is_some()
        {
            self.drop_detail(attempt, request);
        }
        let message = message(&mut state);
        let told = state.tell_message(self.settings().desk.queue, &message);
        if state.ended && state.pending.is_empty() {
            if let Some(line) = &state.line {
                line.close(ClosingReason::LoggedOut);
            }
            drop(state);
            self.end(&session);
        }
        self.note(told);
    }

    /// What the agent wrote beside the code, for `StoreOrder::Outcome`. `request` as in `OutcomeKept`: an outcome that the system
    /// itself keeps (`None`) has no detail, even where the agent's own is on its way.
    pub fn take_detail(&self, attempt: AttemptId, request: Option<u64>) -> OutcomeDetail {
        self.details
            .remove_if(&attempt, |_, waiting| Some(waiting.request) == request)
            .map(|(_, waiting)| waiting.detail)
            .unwrap_or_default()
    }

    /// A card's body is in the book. Pushes it if its call went out without.
    fn card_ready(&self, attempt: AttemptId) {
        let Some((_, agent)) = self.late.remove(&attempt) else {
            return;
        };
        let Some(session) = self.session(agent) else {
            return;
        };
        let staged = self
            .parts
            .calls
            .get(&attempt)
            .and_then(|entry| entry.card.clone());
        let Some(body) = staged else {
            return;
        };
        let mut state = session.state();
        let Some(call) = state.current(attempt) else {
            return;
        };
        if call.preview.is_some() {
            drop(state);
            return self.preview_body(attempt, agent, Some(body));
        }
        call.complete = true;
        call.body = Some(body.clone());
        let Ok(text) = std::str::from_utf8(&body) else {
            return;
        };
        let told = state.tell(
            self.settings().desk.queue,
            Some(attempt),
            None,
            |sequence| late_card(sequence, CallId(attempt), text),
        );
        self.note(told);
    }

    /// How often something happened since the start.
    pub fn count(&self, what: DeskCount) -> u64 {
        self.counts.get(what)
    }

    /// Agents with a session, with and without a socket.
    pub fn sessions(&self) -> (usize, usize) {
        let all = self.sessions.len();
        let with = self
            .sessions
            .iter()
            .filter(|session| session.state().line.is_some())
            .count();
        (with, all - with)
    }

    /// Messages that wait for the agent whose queue is longest, and how many may. Locks one session at a time, for nanoseconds.
    pub fn longest_queue(&self) -> (usize, usize) {
        let longest = self.sessions.iter().filter_map(|session| {
            let state = session.state();
            state.line.as_ref().map(|line| line.waiting())
        });
        (longest.max().unwrap_or(0), self.settings().desk.queue)
    }

    fn session(&self, agent: AgentId) -> Option<Arc<Session>> {
        self.sessions.get(&agent).map(|session| session.clone())
    }

    /// Takes a session out of the book, if it is still the agent's.
    fn end(&self, session: &Arc<Session>) {
        let was_present = self
            .sessions
            .remove_if(&session.agent, |_, present| Arc::ptr_eq(present, session));
        if was_present.is_some() {
            self.parts.audio.gone(session.agent);
        }
    }

    /// A card's last byte was given to the kernel.
    fn note_push(&self, mark: Mark, written: Mono) {
        self.parts.times.match_to_push(written.since(mark.asked));
        self.parts
            .times
            .answer_to_push(written.since(mark.answered));
    }

    fn note(&self, told: Told) {
        if told == Told::TooSlow {
            self.counts.add(DeskCount::TooSlow);
        }
    }

    fn drop_detail(&self, attempt: AttemptId, request: u64) {
        self.details
            .remove_if(&attempt, |_, waiting| waiting.request == request);
    }

    fn keep_detail(&self, attempt: AttemptId, request: u64, detail: OutcomeDetail) {
        let since = self.parts.clock.mono();
        if self.details.len() >= DETAILS_MAX {
            let old = Duration::from_secs(600);
            self.details
                .retain(|_, waiting| since.since(waiting.since) < old);
        }
        self.details.insert(
            attempt,
            Waiting {
                request,
                detail,
                since,
            },
        );
    }
}
