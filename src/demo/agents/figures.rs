//! What the scripted agents saw: counts, and latencies by their own clock. Shared by all agents of a crowd.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Kinds of errors kept apart by code; beyond it they are "other".
const CODES_MAX: usize = 64;
/// Calls remembered as saved.
const SAVED_MAX: usize = 1_000_000;
/// Events kept for a view; the oldest go.
const EVENTS_MAX: usize = 64;

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Running figures. `Arc`: held by every agent of a crowd and by whoever reports.
        #[derive(Debug)]
        pub struct Figures {
            $($(#[$doc])* pub(super) $name: AtomicU64,)*
            errors: Mutex<BTreeMap<String, u64>>,
            outcomes: Mutex<BTreeMap<String, u64>>,
            saved: Mutex<Vec<String>>,
            events: Mutex<VecDeque<AgentEvent>>,
            latencies: Mutex<Latencies>,
        }

        /// Figures at one moment.
        #[derive(Clone, Debug, Default, PartialEq, Serialize)]
        pub struct AgentFigures {
            $($(#[$doc])* pub $name: u64,)*
            /// `error` messages by code.
            pub errors: BTreeMap<String, u64>,
            /// Outcomes saved, by code.
            pub outcomes: BTreeMap<String, u64>,
            /// From the answer to the card's arrival, both by the wall clock of this machine.
            pub answer_to_card: Latency,
            /// From sending an outcome to `saved`.
            pub outcome_to_saved: Latency,
            /// From asking for a further card to its arrival.
            pub expand_to_card: Latency,
        }

        impl Figures {
            /// No figures yet.
            pub fn new() -> Self {
                Figures {
                    $($name: AtomicU64::new(0),)*
                    errors: Mutex::default(),
                    outcomes: Mutex::default(),
                    saved: Mutex::default(),
                    events: Mutex::default(),
                    latencies: Mutex::new(Latencies::new()),
                }
            }

            /// Figures now.
            pub fn snapshot(&self) -> AgentFigures {
                let latencies = lock(&self.latencies);
                AgentFigures {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    errors: lock(&self.errors).clone(),
                    outcomes: lock(&self.outcomes).clone(),
                    answer_to_card: Latency::of(&latencies.answer_to_card),
                    outcome_to_saved: Latency::of(&latencies.outcome_to_saved),
                    expand_to_card: Latency::of(&latencies.expand_to_card),
                }
            }
        }
    };
}

figures! {
    /// Log-ins that began a session.
    logins,
    /// Log-ins refused: the agent gave up.
    logins_refused,
    /// Sessions taken up again after a lost socket.
    resumes,
    /// Sockets lost, or dropped on purpose.
    sockets_lost,
    /// Leads shown before they were dialled.
    previews,
    /// Of those, skipped.
    previews_skipped,
    /// Calls put through.
    calls,
    /// Cards that lacked name, customer number, campaign, or the masked number.
    cards_invalid,
    /// Cards that came without their body first.
    cards_late,
    /// Further cards asked for.
    cards_asked,
    /// Further cards that came.
    cards_received,
    /// Conversations ended by the agent.
    hung_up,
    /// Conversations that ended.
    calls_ended,
    /// Outcomes sent, repetitions after a cut left out.
    outcomes_sent,
    /// Outcomes that the engine has on disk.
    outcomes_saved,
    /// Calls for which the system kept NOT_RECORDED because the agent was late.
    outcomes_by_system,
    /// Breaks taken.
    breaks,
    /// Messages missing in the sequence: must be 0.
    sequence_gaps,
    /// Messages that could not be read: must be 0.
    unreadable,
}

impl Default for Figures {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct Latencies {
    answer_to_card: Histogram<u32>,
    outcome_to_saved: Histogram<u32>,
    expand_to_card: Histogram<u32>,
}

impl Latencies {
    fn new() -> Self {
        // Two digits up to a minute: 30 kB each.
        let histogram = || {
            Histogram::new_with_bounds(1, 60_000_000, 2)
                .unwrap_or_else(|_| unreachable!("1 to 60,000,000 with 2 digits is valid"))
        };
        Latencies {
            answer_to_card: histogram(),
            outcome_to_saved: histogram(),
            expand_to_card: histogram(),
        }
    }
}

/// Something worth a line on the screen. Agents by name, calls by number; never a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentEvent {
    /// When, unix milliseconds.
    pub at_ms: i64,
    /// What.
    pub text: String,
}

/// A latency, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Measurements.
    pub count: u64,
    /// Median.
    pub p50_us: u64,
    /// 95 of 100 are below.
    pub p95_us: u64,
    /// 99 of 100 are below.
    pub p99_us: u64,
    /// Longest.
    pub max_us: u64,
}

impl Latency {
    fn of(histogram: &Histogram<u32>) -> Self {
        Latency {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.50),
            p95_us: histogram.value_at_quantile(0.95),
            p99_us: histogram.value_at_quantile(0.99),
            max_us: histogram.max(),
        }
    }
}

impl Figures {
    pub(super) fn count(&self, which: impl Fn(&Self) -> &AtomicU64) {
        which(self).fetch_add(1, Ordering::Relaxed);
    }

    /// Events since the last call, oldest first.
    pub fn take_events(&self) -> Vec<AgentEvent> {
        lock(&self.events).drain(..).collect()
    }

    pub(super) fn event(&self, at_ms: i64, text: String) {
        let mut events = lock(&self.events);
        if events.len() >= EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(AgentEvent { at_ms, text });
    }

    pub(super) fn error(&self, code: &str) {
        tally(&mut lock(&self.errors), code);
    }

    /// Calls whose outcome the engine said is saved, in the order of its saying; the first million.
    pub fn saved_calls(&self) -> Vec<String> {
        lock(&self.saved).clone()
    }

    pub(super) fn outcome_saved(&self, call: &str, code: &str, us: u64) {
        self.count(|figures| &figures.outcomes_saved);
        let mut saved = lock(&self.saved);
        if saved.len() < SAVED_MAX {
            saved.push(call.to_owned());
        }
        drop(saved);
        tally(&mut lock(&self.outcomes), code);
        lock(&self.latencies)
            .outcome_to_saved
            .saturating_record(us.max(1));
    }

    pub(super) fn answer_to_card(&self, us: u64) {
        lock(&self.latencies)
            .answer_to_card
            .saturating_record(us.max(1));
    }

    pub(super) fn expand_to_card(&self, us: u64) {
        lock(&self.latencies)
            .expand_to_card
            .saturating_record(us.max(1));
    }
}

fn tally(counts: &mut BTreeMap<String, u64>, code: &str) {
    let code = if counts.len() < CODES_MAX || counts.contains_key(code) {
        code
    } else {
        "other"
    };
    *counts.entry(code.to_owned()).or_default() += 1;
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
