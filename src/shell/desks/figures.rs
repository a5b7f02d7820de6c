//! What the desks count and time. Owns numbers only; nothing here names a person, a call or an agent.

use crate::shell::metrics::{CounterName, Figure};
use hdrhistogram::Histogram;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

macro_rules! counts {
    ($($(#[$doc:meta])* $variant:ident = $metric:ident $labels:expr;)*) => {
        /// What the desks count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum DeskCount { $($(#[$doc])* $variant,)* }
        impl DeskCount {
            /// All of them.
            pub const ALL: &'static [DeskCount] = &[$(DeskCount::$variant,)*];
            /// As a scrape shows it.
            pub const fn figure(self, value: u64) -> Figure {
                match self { $(Self::$variant => Figure::counter(CounterName::$metric, &$labels, value),)* }
            }
        }
    };
}

counts! {
    /// Sockets accepted.
    Accepted = DeskAcceptedSockets [];
    /// Sockets turned away because there were too many.
    TooMany = DeskRefusedSockets ["too_many"];
    /// Upgrades that failed or took too long.
    BadUpgrade = DeskRefusedSockets ["bad_upgrade"];
    /// Upgrades refused for their Origin.
    ForeignOrigin = DeskRefusedSockets ["foreign_origin"];
    /// Log-ins.
    LoggedIn = DeskLogins [];
    /// Log-ins refused.
    LoginRefused = DeskRefusedSockets ["login"];
    /// Returns to a session.
    Resumed = DeskResumes [];
    /// Of these, with a snapshot since the missed messages were not kept.
    Snapshots = DeskResumeSnapshots [];
    /// Sockets replaced by another one of the same agent.
    TakenOver = DeskClosedSockets ["taken_over"];
    /// Sockets closed since their queue was full.
    TooSlow = DeskClosedSockets ["too_slow"];
    /// Sockets closed since nothing was heard in time.
    Silent = DeskClosedSockets ["silent"];
    /// Messages that were not understood.
    BadMessages = DeskBadMessages [];
    /// Sockets closed for breaking the protocol.
    ProtocolBroken = DeskClosedSockets ["protocol_broken"];
    /// Facts that the floor's lane had no room for.
    FloorBusy = DeskRefusedFacts [];
    /// First cards pushed.
    CardsPushed = DeskPushedCards [];
    /// First cards whose body was not ready at the push.
    CardsLate = DeskLateCards [];
    /// Cards for agents without a session, or for calls that the book does not know.
    CardsNowhere = DeskUndeliverableCards [];
    /// Leads shown before they are dialled.
    PreviewsPushed = DeskPreviews [];
    /// Of those, skipped by their agent.
    PreviewsSkipped = DeskSkippedPreviews [];
    /// Calls whose agent did not see or could not be heard after five seconds.
    Unseen = DeskUnseenCalls [];
    /// Outcomes that the store could not keep.
    NotSaved = DeskUnsavedOutcomes [];
    /// Messages from agents after log-in.
    Received = DeskReceivedMessages [];
    /// Messages given to the kernel.
    Sent = DeskSentMessages [];
    /// Bytes of their text.
    SentBytes = DeskSentBytes [];
}

/// The counters.
#[derive(Debug)]
pub(super) struct DeskCounts([AtomicU64; DeskCount::ALL.len()]);

impl Default for DeskCounts {
    fn default() -> Self {
        DeskCounts(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl DeskCounts {
    pub(super) fn add(&self, what: DeskCount) {
        self.add_many(what, 1);
    }
    pub(super) fn add_many(&self, what: DeskCount, count: u64) {
        self.0[what as usize].fetch_add(count, Ordering::Relaxed);
    }
    pub(super) fn get(&self, what: DeskCount) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }
}

/// Where the desks' times go. Called from the sockets' tasks: must not wait.
pub trait DeskTimes: Send + Sync {
    /// From [`super::Desks::show`] being entered (the floor's order leaves its turn) until the card's last byte was given to the kernel.
    fn match_to_push(&self, took: Duration);
    /// From the person's answer, as the floor dates it, until the card's last byte was given to the kernel.
    fn answer_to_push(&self, took: Duration);
    /// From the card's last byte given to the kernel until the client's `painted` was read: the way there, the paint, the way back.
    fn push_to_paint(&self, took: Duration);
    /// From the person's answer until the client's `painted` was read: what the agent feels.
    fn answer_to_paint(&self, took: Duration);
}

/// Histograms of the three times: microseconds, up to a minute, two significant digits.
#[derive(Debug)]
pub struct DeskHistograms {
    match_to_push: Mutex<Histogram<u64>>,
    answer_to_push: Mutex<Histogram<u64>>,
    push_to_paint: Mutex<Histogram<u64>>,
}

/// One time's figures, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeFigures {
    /// Values recorded.
    pub count: u64,
    /// Median.
    pub p50_us: u64,
    /// 95th percentile.
    pub p95_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Largest.
    pub max_us: u64,
}

const LONGEST_US: u64 = 60_000_000;

fn histogram() -> Mutex<Histogram<u64>> {
    Mutex::new(Histogram::new_with_bounds(1, LONGEST_US, 2).expect("bounds are in order"))
}

impl Default for DeskHistograms {
    fn default() -> Self {
        DeskHistograms {
            match_to_push: histogram(),
            answer_to_push: histogram(),
            push_to_paint: histogram(),
        }
    }
}

impl DeskHistograms {
    /// Figures of match to push, answer to push, push to paint.
    pub fn figures(&self) -> [TimeFigures; 3] {
        [
            &self.match_to_push,
            &self.answer_to_push,
            &self.push_to_paint,
        ]
        .map(|times| {
            let times = super::locked(times);
            TimeFigures {
                count: times.len(),
                p50_us: times.value_at_quantile(0.50),
                p95_us: times.value_at_quantile(0.95),
                p99_us: times.value_at_quantile(0.99),
                max_us: times.max(),
            }
        })
    }
}

fn record(times: &Mutex<Histogram<u64>>, took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST_US);
    super::locked(times).saturating_record(micros.clamp(1, LONGEST_US));
}

impl DeskTimes for DeskHistograms {
    fn match_to_push(&self, took: Duration) {
        record(&self.match_to_push, took);
    }
    fn answer_to_push(&self, took: Duration) {
        record(&self.answer_to_push, took);
    }
    fn push_to_paint(&self, took: Duration) {
        record(&self.push_to_paint, took);
    }
    // Follows from the other two in a test; the engine keeps it in a histogram of its own.
    fn answer_to_paint(&self, _took: Duration) {}
}
