//! The last news of one agent, kept for a client that comes back: at most 64 messages and 16 KiB.
//!
//! Owns copies of what was pushed. Personal data among them is overwritten when the call that it belongs to is done.

use crate::ids::AttemptId;
use crate::shell::cards::erase;
use std::collections::VecDeque;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Most messages kept.
pub(super) const KEPT_MAX: usize = 64;
/// Most bytes kept: seven calls with their cards; an idle agent holds a few hundred bytes.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// Kept messages, oldest first, without gaps in their numbers.
#[derive(Debug, Default)]
pub(super) struct Ring {
    kept: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    sequence: u64,
    /// `None`: overwritten.
    text: Option<Utf8Bytes>,
    /// Whose personal data is in it.
    about: Option<AttemptId>,
}

impl Ring {
    /// Keeps a message under its number.
    pub(super) fn keep(&mut self, sequence: u64, text: Utf8Bytes, about: Option<AttemptId>) {
        self.bytes += text.len();
        self.kept.push_back(Kept {
            sequence,
            text: Some(text),
            about,
        });
        while self.kept.len() > KEPT_MAX || self.bytes > KEPT_BYTES_MAX {
            self.drop_oldest();
        }
    }

    /// The client has handled everything up to `sequence`.
    pub(super) fn acknowledged(&mut self, sequence: u64) {
        while self
            .kept
            .front()
            .is_some_and(|kept| kept.sequence <= sequence)
        {
            self.drop_oldest();
        }
    }

    /// Overwrites what was said about a call's customer.
    pub(super) fn forget(&mut self, attempt: AttemptId) {
        for kept in &mut self.kept {
            if kept.about == Some(attempt)
                && let Some(text) = kept.text.take()
            {
                self.bytes -= text.len();
                erase(Some(text.into()));
            }
        }
    }

    /// The messages after `sequence`, up to `last`, the latest number given out. `None`: some are gone, a snapshot must do.
    pub(super) fn after(&self, sequence: u64, last: u64) -> Option<Vec<Utf8Bytes>> {
        if sequence > last {
            return None;
        }
        let missed: Option<Vec<Utf8Bytes>> = self
            .kept
            .iter()
            .filter(|kept| kept.sequence > sequence)
            .map(|kept| kept.text.clone())
            .collect();
        missed.filter(|missed| missed.len() as u64 == last - sequence)
    }

    fn drop_oldest(&mut self) {
        if let Some(kept) = self.kept.pop_front()
            && let Some(text) = kept.text
        {
            self.bytes -= text.len();
            if kept.about.is_some() {
                erase(Some(text.into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(numbers: std::ops::RangeInclusive<u64>) -> Ring {
        let mut ring = Ring::default();
        for number in numbers {
            ring.keep(number, format!("news {number}").into(), None);
        }
        ring
    }

    fn texts(missed: Option<Vec<Utf8Bytes>>) -> Option<Vec<String>> {
        missed.map(|missed| missed.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_client_gets_exactly_what_it_missed() {
        let ring = ring(1..=5);
        assert_eq!(
            texts(ring.after(3, 5)),
            Some(vec!["news 4".into(), "news 5".into()])
        );
        assert_eq!(texts(ring.after(5, 5)), Some(vec![]));
    }

    #[test]
    fn a_client_that_missed_too_much_or_claims_the_future_gets_none() {
        let ring = ring(1..=100);
        assert_eq!(texts(ring.after(35, 100)), None);
        assert_eq!(
            texts(ring.after(36, 100)).map(|missed| missed.len()),
            Some(64)
        );
        assert_eq!(texts(ring.after(101, 100)), None);
    }

    #[test]
    fn the_ring_is_bounded_in_bytes_too() {
        let mut ring = Ring::default();
        for number in 1..=20 {
            ring.keep(number, "x".repeat(2_000).into(), Some(AttemptId(number)));
        }
        assert_eq!(ring.kept.len(), 8);
        assert_eq!(ring.bytes, 16_000);
    }

    #[test]
    fn what_is_forgotten_is_not_replayed_and_leaves_no_silent_gap() {
        let mut ring = ring(1..=2);
        ring.keep(3, "card of Huong".into(), Some(AttemptId(7)));
        ring.keep(4, "news 4".into(), None);
        ring.forget(AttemptId(7));
        assert_eq!(texts(ring.after(2, 4)), None);
        assert_eq!(texts(ring.after(3, 4)), Some(vec!["news 4".into()]));
    }

    #[test]
    fn acknowledged_messages_are_let_go() {
        let mut ring = ring(1..=5);
        ring.acknowledged(4);
        assert_eq!(ring.kept.len(), 1);
        assert_eq!(ring.bytes, "news 5".len());
    }
}
