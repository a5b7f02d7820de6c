//! The way from everybody to one socket's task: a bounded queue, and at its end a farewell.
//!
//! Owns what waits to be written. Never blocks its writers: a full queue ends the socket, which can resume.

use crate::ids::AttemptId;
use crate::time::Mono;
use crate::wire::desk::server::ClosingReason;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) text: Utf8Bytes,
    /// Present where the time of writing is to be measured.
    pub(super) mark: Option<Mark>,
}

/// What is measured of a pushed card.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) attempt: AttemptId,
    /// When the floor's order came.
    pub(super) asked: Mono,
    /// When the person answered.
    pub(super) answered: Mono,
}

/// One socket's queue. Shared by its task and, while it is the agent's current one, the agent's session.
#[derive(Debug, Default)]
pub(super) struct Line {
    outbox: Mutex<Outbox>,
    /// Something waits, or a farewell is due. Only the socket's task listens.
    pub(super) wake: Notify,
}

#[derive(Debug, Default)]
struct Outbox {
    waiting: VecDeque<Outgoing>,
    farewell: Option<Farewell>,
}

/// How the socket ends.
#[derive(Clone, Copy, Debug)]
struct Farewell {
    reason: ClosingReason,
    /// Not before this instant, unless told again; `None`: now.
    at: Option<Instant>,
}

/// What the task is to do.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) write: VecDeque<Outgoing>,
    /// Close after writing.
    pub(super) close: Option<ClosingReason>,
    /// Come back at this instant even if nothing happens.
    pub(super) again_at: Option<Instant>,
}

impl Line {
    /// Puts a message into the queue of at most `bound`. `false`: it was full, and the socket is being closed.
    pub(super) fn push(&self, out: Outgoing, bound: usize) -> bool {
        let taken = {
            let mut outbox = super::locked(&self.outbox);
            if outbox.waiting.len() < bound {
                outbox.waiting.push_back(out);
                true
            } else {
                outbox.waiting = VecDeque::new();
                outbox.farewell = Some(Farewell {
                    reason: ClosingReason::TooSlow,
                    at: None,
                });
                false
            }
        };
        self.wake.notify_one();
        taken
    }

    /// How much waits.
    pub(super) fn waiting(&self) -> usize {
        super::locked(&self.outbox).waiting.len()
    }

    /// What a new socket starts with; not held to the bound, since it is bounded by what was kept.
    pub(super) fn start_with(&self, messages: impl IntoIterator<Item = Utf8Bytes>) {
        super::locked(&self.outbox).waiting.extend(
            messages
                .into_iter()
                .map(|text| Outgoing { text, mark: None }),
        );
        self.wake.notify_one();
    }

    /// Ends the socket once what waits is written.
    pub(super) fn close(&self, reason: ClosingReason) {
        super::locked(&self.outbox).farewell = Some(Farewell { reason, at: None });
        self.wake.notify_one();
    }

    /// Ends the socket at `at`, unless it is closed before.
    pub(super) fn close_at(&self, reason: ClosingReason, at: Instant) {
        super::locked(&self.outbox)
            .farewell
            .get_or_insert(Farewell {
                reason,
                at: Some(at),
            });
        self.wake.notify_one();
    }

    /// Ends the socket without writing what waits: it belongs to another socket now.
    pub(super) fn cut(&self, reason: ClosingReason) {
        let mut outbox = super::locked(&self.outbox);
        outbox.waiting = VecDeque::new();
        outbox.farewell = Some(Farewell { reason, at: None });
        drop(outbox);
        self.wake.notify_one();
    }

    /// Takes the turn.
    pub(super) fn turn(&self, now: Instant) -> Turn {
        let mut outbox = super::locked(&self.outbox);
        let (close, again_at) = match outbox.farewell {
            Some(Farewell { at: Some(at), .. }) if at > now => (None, Some(at)),
            Some(Farewell { reason, .. }) => (Some(reason), None),
            None => (None, None),
        };
        Turn {
            write: std::mem::take(&mut outbox.waiting),
            close,
            again_at,
        }
    }

    /// Whether a write under way has lost its point: the socket was cut, or found too slow.
    pub(super) fn is_cut(&self) -> bool {
        let outbox = super::locked(&self.outbox);
        outbox.farewell.is_some_and(|farewell| {
            matches!(
                farewell.reason,
                ClosingReason::TooSlow | ClosingReason::TakenOver
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn message(text: &str) -> Outgoing {
        Outgoing {
            text: text.into(),
            mark: None,
        }
    }

    #[test]
    fn a_full_queue_is_emptied_and_ends_the_socket() {
        let line = Line::default();
        assert!(line.push(message("1"), 2));
        assert!(line.push(message("2"), 2));
        assert!(!line.is_cut());
        assert!(!line.push(message("3"), 2));
        assert!(line.is_cut());
        let turn = line.turn(Instant::now());
        assert!(turn.write.is_empty());
        assert_eq!(turn.close, Some(ClosingReason::TooSlow));
    }

    #[test]
    fn a_later_farewell_waits_for_its_time_and_lets_messages_pass() {
        let line = Line::default();
        let now = Instant::now();
        let at = now + Duration::from_secs(2);
        line.close_at(ClosingReason::LoggedOut, at);
        line.push(message("saved"), 2);
        let turn = line.turn(now);
        assert_eq!(turn.write.len(), 1);
        assert_eq!((turn.close, turn.again_at), (None, Some(at)));
        assert_eq!(line.turn(at).close, Some(ClosingReason::LoggedOut));
    }
}
