//! The gate of a pause: of what was heard while it was shut, nothing is handed on. Owns the paused spans of one recording.
//!
//! Shut from any thread, at once and without a queue: whoever says "pause" need not hope that an order arrives in time. The tap looks
//! before it keeps a payload, and the writer looks again before it seals a chunk, because a chunk may have waited:
//! 1. the customer speaks a card number, the tap keeps it (the gate is open);
//! 2. the agent pauses: the span begins;
//! 3. the chunk of that second reaches the writer: what arrived within the span is silenced, what arrived before stays.

use crate::time::Mono;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sound that arrives so soon after a resume was spoken before it: one packet, the network, a jitter buffer. It stays out.
pub(super) const AFTER_RESUME: Duration = Duration::from_millis(100);
/// Pauses of one recording; beyond it, it stays paused: safe, and told by its spans.
const SPANS_MAX: usize = 1_000;
/// No instant.
const NEVER: u64 = u64::MAX;

/// Half open, in microseconds of the monotonic clock; the end is [`NEVER`] while it lasts.
type Span = (u64, u64);

/// The gate of one recording.
#[derive(Debug)]
pub(super) struct Gate {
    /// When the pause that lasts began; [`NEVER`]: none does.
    since: AtomicU64,
    /// What arrives before this is silenced: the last pause, and a little more.
    until: AtomicU64,
    // Held for a few instructions, by the writer once for each chunk.
    spans: Mutex<Vec<Span>>,
}

impl Gate {
    pub(super) fn new() -> Gate {
        Gate {
            since: AtomicU64::new(NEVER),
            until: AtomicU64::new(0),
            spans: Mutex::default(),
        }
    }

    fn spans(&self) -> MutexGuard<'_, Vec<Span>> {
        // Whole between any two statements.
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what arrives at `at` must not be kept. Two loads.
    pub(super) fn is_shut(&self, at: Mono) -> bool {
        at.0 >= self.since.load(Ordering::Acquire) || at.0 < self.until.load(Ordering::Acquire)
    }

    /// Whether a pause lasts, and since when.
    pub(super) fn paused_since(&self) -> Option<Mono> {
        let since = self.since.load(Ordering::Acquire);
        (since != NEVER).then_some(Mono(since))
    }

    /// Shuts it. `at` is asked under the lock: no chunk can be sealed between that instant and the span's beginning.
    pub(super) fn pause(&self, at: impl FnOnce() -> Mono) -> bool {
        let mut spans = self.spans();
        if spans.last().is_some_and(|(_, until)| *until == NEVER) {
            return false;
        }
        let at = at();
        spans.push((at.0, NEVER));
        self.since.store(at.0, Ordering::Release);
        true
    }

    /// Opens it again, a little later than `at`.
    pub(super) fn resume(&self, at: Mono) -> bool {
        let mut spans = self.spans();
        if spans.len() >= SPANS_MAX {
            return false;
        }
        let Some(last) = spans.last_mut().filter(|(_, until)| *until == NEVER) else {
            return false;
        };
        let until = (at + AFTER_RESUME).0.max(last.0);
        last.1 = until;
        // In this order: in between, everything is silenced.
        self.until.store(until, Ordering::Release);
        self.since.store(NEVER, Ordering::Release);
        true
    }

    /// Calls `silence` for each arrival within a span. `arrivals` are visited in any order.
    pub(super) fn strike(&self, mut each: impl FnMut(&dyn Fn(u64) -> bool)) {
        let spans = self.spans();
        if !spans.is_empty() {
            each(&|at| {
                spans
                    .iter()
                    .any(|(from, until)| (*from..*until).contains(&at))
            });
        }
    }

    /// The paused spans so far, relative to `start`, in milliseconds; one that lasts ends at `end`.
    pub(super) fn told(&self, start: Mono, end: Mono) -> Vec<(u64, u64)> {
        let ms = |at: u64| at.saturating_sub(start.0) / 1_000;
        self.spans()
            .iter()
            .map(|(from, until)| (ms(*from), ms((*until).min(end.0))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_from_the_command_on_until_a_little_after_the_resume_is_shut_out() {
        let gate = Gate::new();
        let at = Mono::from_millis;
        assert!(!gate.is_shut(at(0)));
        assert!(gate.pause(|| at(1_000)));
        assert!(!gate.pause(|| at(1_500)), "it is paused already");
        assert!(!gate.is_shut(at(999)) && gate.is_shut(at(1_000)) && gate.is_shut(at(9_000)));
        assert!(gate.resume(at(2_000)));
        assert!(!gate.resume(at(2_000)), "it is not paused");
        assert!(gate.is_shut(at(2_099)) && !gate.is_shut(at(2_100)));
        assert_eq!(gate.told(at(500), at(9_000)), [(500, 1_600)]);
    }
}
