//! The lanes between rooms: bounded, and each with a named answer to "full".

use crate::core::input::{Input, LegEvent};
use crate::ids::{AgentId, AttemptId, LeadId};
use crate::shell::store::StoreOrder;
use crate::time::{Mono, Now, UnixMs};
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use dashmap::DashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The process's two clocks. Cheap to copy; all copies share one origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic origin is now.
    #[expect(
        clippy::new_without_default,
        reason = "a clock is started once, on purpose"
    )]
    pub fn new() -> Self {
        Clock {
            origin: Instant::now(),
        }
    }
    /// The monotonic instant.
    pub fn mono(&self) -> Mono {
        Mono(self.origin.elapsed().as_micros() as u64)
    }
    /// Both clocks.
    pub fn now(&self) -> Now {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as i64;
        Now {
            mono: self.mono(),
            unix: UnixMs(unix),
        }
    }
    /// The `Instant` of a monotonic time, for timers of the runtime.
    pub fn instant(&self, at: Mono) -> Instant {
        self.origin + Duration::from_micros(at.0)
    }
}

/// The way into the floor. Two lanes: legs, agents and stops never wait behind imports.
///
/// Not every fact wakes the floor's thread: a call that nobody answers has five facts, and waking costs ten times what
/// deciding does. Those that can wait are taken at the next turn, at most [`NAP`] later.
#[derive(Clone, Debug)]
pub struct FloorLane {
    urgent: Sender<Input>,
    bulk: Sender<Input>,
    sleeper: Sleeper,
    /// Inputs that were not taken, urgent and bulk. Shared by all ways into this floor.
    refused: Arc<[AtomicU64; 2]>,
}

/// The floor's end of its lanes.
#[derive(Debug)]
pub struct FloorInbox {
    /// Legs, agents, store answers, stops.
    pub urgent: Receiver<Input>,
    /// Leads, settings.
    pub bulk: Receiver<Input>,
    sleeper: Sleeper,
}

/// Longest that a fact waits which wakes nobody. Far below a tick of pacing, and far above the cost of a turn.
pub const NAP: Duration = Duration::from_millis(5);

/// The thread to wake, once it has said who it is.
type Sleeper = Arc<OnceLock<std::thread::Thread>>;

/// Whether somebody feels it if the floor hears of this [`NAP`] later: an answer, an agent, a supervisor.
fn is_felt(input: &Input) -> bool {
    match input {
        Input::Leg { event, .. } => *event == LegEvent::Answered,
        Input::IntentDurable(..) | Input::IntentFailed(..) | Input::Bridged(..) => false,
        _ => true,
    }
}

/// The lane is full: the floor is behind by its whole length. The sender drops the fact and counts, or refuses its client.
#[derive(Debug, thiserror::Error)]
#[error("the floor is {waiting} inputs behind")]
pub struct LaneFull {
    /// Inputs waiting.
    pub waiting: usize,
}

/// Both ends of a floor's lanes. `urgent` and `bulk` are their lengths in inputs.
pub fn floor_lanes(urgent: usize, bulk: usize) -> (FloorLane, FloorInbox) {
    let (urgent_in, urgent_out) = bounded(urgent);
    let (bulk_in, bulk_out) = bounded(bulk);
    let sleeper = Sleeper::default();
    (
        FloorLane {
            urgent: urgent_in,
            bulk: bulk_in,
            sleeper: Arc::clone(&sleeper),
            refused: Arc::default(),
        },
        FloorInbox {
            urgent: urgent_out,
            bulk: bulk_out,
            sleeper,
        },
    )
}

impl FloorLane {
    /// Hands over a fact about a leg, an agent, an intent, or a stop.
    pub fn urgent(&self, input: Input) -> Result<(), LaneFull> {
        let wakes = is_felt(&input);
        self.urgent
            .try_send(input)
            .map_err(|_: TrySendError<Input>| self.full(0, self.urgent.len()))?;
        if wakes {
            self.wake();
        }
        Ok(())
    }
    /// Hands over leads or settings.
    pub fn bulk(&self, input: Input) -> Result<(), LaneFull> {
        self.bulk
            .try_send(input)
            .map_err(|_: TrySendError<Input>| self.full(1, self.bulk.len()))?;
        self.wake();
        Ok(())
    }
    fn full(&self, lane: usize, waiting: usize) -> LaneFull {
        self.refused[lane].fetch_add(1, Ordering::Relaxed);
        LaneFull { waiting }
    }
    /// Inputs that the urgent and the bulk lane did not take, since the start.
    pub fn refused(&self) -> (u64, u64) {
        let of = |lane: usize| self.refused[lane].load(Ordering::Relaxed);
        (of(0), of(1))
    }
    /// Inputs that the urgent and the bulk lane hold at most.
    pub fn capacity(&self) -> (usize, usize) {
        let of = |lane: &Sender<Input>| lane.capacity().unwrap_or_default();
        (of(&self.urgent), of(&self.bulk))
    }
    /// Inputs waiting in the urgent and the bulk lane.
    pub fn waiting(&self) -> (usize, usize) {
        (self.urgent.len(), self.bulk.len())
    }
    /// Wakes the floor's thread, if it sleeps.
    pub fn wake(&self) {
        if let Some(sleeper) = self.sleeper.get() {
            sleeper.unpark();
        }
    }
}

impl FloorInbox {
    /// Says that the calling thread is the one that [`FloorInbox::sleep`]s. Called once, by it.
    pub fn attach(&self) {
        let _ = self.sleeper.set(std::thread::current());
    }
    /// Sleeps until somebody hands over what is felt, or for `longest`. May return early.
    pub fn sleep(&self, longest: Duration) {
        std::thread::park_timeout(longest);
    }
}

/// The way into the store's writer. Full means: stop dialling. As into the floor, only what somebody waits for wakes it.
#[derive(Clone, Debug)]
pub struct StoreLane {
    orders: Sender<StoreOrder>,
    sleeper: Sleeper,
}

/// The writer's end of its lane.
#[derive(Debug)]
pub struct StoreInbox {
    /// What is to be kept.
    pub orders: Receiver<StoreOrder>,
    sleeper: Sleeper,
}

/// Both ends of the writer's lane of `orders` orders.
pub fn store_lane(orders: usize) -> (StoreLane, StoreInbox) {
    let (orders_in, orders_out) = bounded(orders);
    let sleeper = Sleeper::default();
    (
        StoreLane {
            orders: orders_in,
            sleeper: Arc::clone(&sleeper),
        },
        StoreInbox {
            orders: orders_out,
            sleeper,
        },
    )
}

impl StoreLane {
    /// Hands over what is to be kept; gives it back where there is no room, or no writer.
    pub fn try_send(&self, order: StoreOrder) -> Result<(), Box<StoreOrder>> {
        // An INVITE waits for its intent, an ACK for its dialog, an agent for "saved". The end of a call nobody waits for.
        let wakes = matches!(
            order,
            StoreOrder::Intent(..) | StoreOrder::Dialog(..) | StoreOrder::Outcome(..)
        );
        self.orders
            .try_send(order)
            .map_err(|refused| Box::new(refused.into_inner()))?;
        if wakes {
            self.wake();
        }
        Ok(())
    }
    /// The same, waiting for room for a while where there is none.
    pub fn send_timeout(&self, order: StoreOrder, wait: Duration) -> Result<(), Box<StoreOrder>> {
        let Err(order) = self.try_send(order) else {
            return Ok(());
        };
        self.wake();
        self.orders
            .send_timeout(*order, wait)
            .map_err(|refused| Box::new(refused.into_inner()))?;
        self.wake();
        Ok(())
    }
    /// Orders that wait.
    pub fn waiting(&self) -> usize {
        self.orders.len()
    }
    /// Orders that may wait.
    pub fn capacity(&self) -> usize {
        self.orders.capacity().unwrap_or_default()
    }
    /// Wakes the writer, if it sleeps.
    pub fn wake(&self) {
        if let Some(sleeper) = self.sleeper.get() {
            sleeper.unpark();
        }
    }
}

impl StoreInbox {
    /// Says that the calling thread is the one that [`StoreInbox::sleep`]s. Called once, by it.
    pub fn attach(&self) {
        let _ = self.sleeper.set(std::thread::current());
    }
    /// Sleeps until an order comes that somebody waits for, or for `longest`. May return early.
    pub fn sleep(&self, longest: Duration) {
        std::thread::park_timeout(longest);
    }
}

/// An order to the SIP thread.
#[derive(Clone, Debug)]
pub enum SipOrder {
    /// Send the INVITE of a durable route try.
    Invite {
        /// The attempt.
        attempt: AttemptId,
        /// Its route try, from 1.
        route_try: u8,
        /// Where to.
        trunk: crate::ids::TrunkId,
        /// What the store knows it by.
        identity: crate::shell::store::CallIdentity,
        /// The number in E.164.
        number: crate::pii::Pii<String>,
        /// Caller id in E.164.
        caller_id: String,
    },
    /// Stop it while it rings; a 200 that crosses is reported as `LegEvent::Answered`.
    Cancel(AttemptId),
    /// BYE; `LegEvent::Ended` follows.
    HangUp(AttemptId),
    /// Get rid of it in whatever way its state allows; report nothing more.
    Abort(AttemptId),
    /// The dialog's far side is on disk: ACK the 200 (sent after 200 ms in any case; docs/adr/0002).
    ConfirmDialog(AttemptId, u8),
    /// Legs that an earlier process left behind: CANCEL or BYE them, ACK and BYE what still answers.
    Orphans(Vec<crate::shell::store::OrphanLeg>),
    /// Take calls under these rules from now on.
    CallsIn(Arc<crate::shell::callers::CallsIn>),
    /// Keep an agent's telephone on the line, or let it go.
    Phone(crate::shell::sip::PhoneOrder),
    /// Take no further call: the engine ends.
    NoMoreCalls,
    /// A call to us has become this attempt.
    Became(crate::ids::CallInId, AttemptId),
    /// Answer it; its RTP port is bound.
    PickUp(AttemptId, u16),
    /// Refuse a call to us that became no attempt, with this status.
    TurnAway(crate::ids::CallInId, u16),
    /// Other trunks and another User-Agent. Calls that are up stay.
    Trunks(Arc<crate::wire::sip::endpoint::Settings>),
}

/// One side of a conversation whose signalling is SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegId {
    /// Towards a customer, over a trunk.
    Call(AttemptId),
    /// Towards an agent's telephone: up for the whole shift.
    Phone(AgentId),
}

/// What SIP asks of the media plane. Implemented by `shell::media`, replaced by nothing else in the product.
pub trait MediaPorts: Send + Sync {
    /// A bound UDP port for the leg; `None` when all are taken. Asked again for a later route try, gives the same one.
    fn reserve(&self, leg: LegId) -> Option<u16>;
    /// The far side as an SDP answer, early media or a re-INVITE describes it. `trunk`: whose ranges its address must lie in;
    /// `None` for a telephone, whose address was checked already.
    fn remote(
        &self,
        leg: LegId,
        trunk: Option<crate::ids::TrunkId>,
        path: &crate::wire::sip::sdp::AudioPath,
        answered: bool,
    );
    /// From now on the leg is SRTP with these keys (SDES, RFC 4568), in both directions: nothing in the clear is sent or believed.
    /// Told before the `remote` of the same description; the same keys again change nothing.
    fn secure(&self, leg: LegId, keys: crate::wire::media::srtp::SrtpKeys);
    /// The leg is over; the port goes back.
    fn release(&self, leg: LegId);
    /// Plays a prompt to the person on this attempt's leg: at once, or, while it is joined, before them alone. Its end is reported as
    /// `Input::Announced`. `false`: it cannot be played, and nothing is reported.
    fn announce(&self, _attempt: AttemptId, _prompt: &crate::core::settings::PromptName) -> bool {
        false
    }
    /// A trunk answers OPTIONS, or no longer does: where it does not, a silent leg is given up sooner.
    fn trunk_up(&self, _trunk: crate::ids::TrunkId, _is_up: bool) {}
}

/// What the address book keeps of a lead while it is in the hot window.
pub type LeadBook = Arc<DashMap<LeadId, Arc<crate::shell::store::LeadRecord>>>;

/// What the address book keeps of an attempt from intent to end.
pub type CallBook = Arc<DashMap<AttemptId, CallEntry>>;

/// Names and ready bytes of one attempt. Nothing here decides anything.
#[derive(Clone, Debug)]
pub struct CallEntry {
    /// What SIP will call it; durable with the intent.
    pub identity: crate::shell::store::CallIdentity,
    /// The number in E.164, "+84900000412".
    pub number: crate::pii::Pii<String>,
    /// What is known of the lead, for the card and its expansions.
    pub lead: Arc<crate::shell::store::LeadRecord>,
    /// The staged card body, once built.
    pub card: Option<bytes::Bytes>,
}
