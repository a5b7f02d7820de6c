//! The way from everybody to one socket: straight into the kernel where it takes it, else a bounded queue to the socket's task,
//! and at its end a farewell.
//!
//! Owns what waits to be written. Never blocks its writers: a full queue ends the socket, which can resume.

use super::pipe::{Offered, Pipe};
use crate::ids::AttemptId;
use crate::time::Mono;
use crate::wire::desk::server::ClosingReason;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// `None`: the rest of a message that the pipe has begun.
    pub(super) text: Option<Utf8Bytes>,
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
    /// Where messages go that find nothing before them; absent in tests of the queue alone.
    pipe: Option<Arc<Pipe>>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// The kernel has its last byte.
    Written,
    /// The socket's task will write it.
    Waits,
    /// The queue was full, and the socket is being closed.
    TooSlow,
}

#[derive(Debug, Default)]
struct Outbox {
    waiting: VecDeque<Outgoing>,
    /// The task has taken messages that it has not written yet: later ones go behind them.
    in_hand: bool,
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
    /// The line to a socket.
    pub(super) fn of(pipe: Arc<Pipe>) -> Line {
        Line {
            pipe: Some(pipe),
            ..Line::default()
        }
    }

    /// Writes a message, or puts it into the queue of at most `bound`. Never waits; a write that the kernel takes at once costs
    /// less than waking the task, and comes a thread's wake-up earlier.
    pub(super) fn push(&self, text: Utf8Bytes, mark: Option<Mark>, bound: usize) -> Pushed {
        let pushed = {
            let mut outbox = super::locked(&self.outbox);
            let is_first =
                outbox.waiting.is_empty() && !outbox.in_hand && outbox.farewell.is_none();
            let offered = match &self.pipe {
                // A dead socket: its task finds out when it writes.
                Some(pipe) if is_first => pipe.offer(&text).unwrap_or(Offered::Refused),
                _ => Offered::Refused,
            };
            match offered {
                Offered::Written => return Pushed::Written,
                Offered::Begun => {
                    outbox.waiting.push_back(Outgoing { text: None, mark });
                    Pushed::Waits
                }
                Offered::Refused if outbox.waiting.len() < bound => {
                    let text = Some(text);
                    outbox.waiting.push_back(Outgoing { text, mark });
                    Pushed::Waits
                }
                Offered::Refused => {
                    outbox.waiting = VecDeque::new();
                    outbox.farewell = Some(Farewell {
                        reason: ClosingReason::TooSlow,
                        at: None,
                    });
                    Pushed::TooSlow
                }
            }
        };
        self.wake.notify_one();
        pushed
    }

    /// How much waits.
    pub(super) fn waiting(&self) -> usize {
        super::locked(&self.outbox).waiting.len()
    }

    /// What a new socket starts with; not held to the bound, since it is bounded by what was kept.
    pub(super) fn start_with(&self, messages: impl IntoIterator<Item = Utf8Bytes>) {
        super::locked(&self.outbox)
            .waiting
            .extend(messages.into_iter().map(|text| Outgoing {
                text: Some(text),
                mark: None,
            }));
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
        outbox.in_hand = !outbox.waiting.is_empty();
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

    fn push(line: &Line, text: &str) -> Pushed {
        line.push(text.into(), None, 2)
    }

    #[test]
    fn a_full_queue_is_emptied_and_ends_the_socket() {
        let line = Line::default();
        assert_eq!(push(&line, "1"), Pushed::Waits);
        assert_eq!(push(&line, "2"), Pushed::Waits);
        assert!(!line.is_cut());
        assert_eq!(push(&line, "3"), Pushed::TooSlow);
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
        push(&line, "saved");
        let turn = line.turn(now);
        assert_eq!(turn.write.len(), 1);
        assert_eq!((turn.close, turn.again_at), (None, Some(at)));
        assert_eq!(line.turn(at).close, Some(ClosingReason::LoggedOut));
    }

    #[tokio::test]
    async fn a_message_never_overtakes_one_that_the_task_has_in_hand() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        let _far = tokio::net::TcpStream::connect(address)
            .await
            .expect("connected");
        let (near, _) = listener.accept().await.expect("accepted");
        near.writable().await.expect("open");
        let line = Line::of(Pipe::new(near, Arc::default()));
        assert_eq!(push(&line, "at once"), Pushed::Written);
        line.start_with(["queued".into()]);
        assert_eq!(push(&line, "behind it"), Pushed::Waits);
        assert_eq!(line.turn(Instant::now()).write.len(), 2);
        assert_eq!(push(&line, "behind what is in hand"), Pushed::Waits);
        assert_eq!(line.turn(Instant::now()).write.len(), 1);
        assert!(line.turn(Instant::now()).write.is_empty(), "all is written");
        assert_eq!(push(&line, "at once again"), Pushed::Written);
    }
}
