//! One recording while its call goes on: what all who have a hand in it share. Owns its identity and its pause.

use super::gate::Gate;
use super::keys::{KeyFault, random};
use crate::ids::{AgentId, AttemptId, LeadId};
use crate::time::{Mono, Now};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What a recording is asked for by: 128 random bits, so that nobody finds one by counting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingId(pub [u8; 16]);

impl RecordingId {
    /// A new one.
    pub fn draw() -> Result<RecordingId, KeyFault> {
        let mut bits = [0; 16];
        random(&mut bits)?;
        Ok(RecordingId(bits))
    }
}

impl std::fmt::Display for RecordingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for RecordingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordingId({self})")
    }
}

/// The text is no recording's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a recording's name is 32 hexadecimal digits, in lower case")]
pub struct NotAnId;

impl std::str::FromStr for RecordingId {
    type Err = NotAnId;

    /// Exactly as it is printed: one recording has one name, and no path hides in it.
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let is_id = text.len() == 32
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !is_id {
            return Err(NotAnId);
        }
        let mut id = [0; 16];
        for (place, byte) in id.iter_mut().enumerate() {
            let digits = &text[2 * place..2 * place + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotAnId)?;
        }
        Ok(RecordingId(id))
    }
}

/// What a recording is of: sealed into the file's first record, so that the file tells it without the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The attempt.
    pub attempt: AttemptId,
    /// The agent who spoke.
    pub agent: AgentId,
    /// The campaign's name.
    pub campaign: String,
    /// The lead.
    pub lead: LeadId,
    /// When it began, in milliseconds since 1970.
    pub began_unix_ms: i64,
    /// How long the campaign kept recordings when it began, in days.
    pub keep_days: u32,
}

/// How a recording came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// With the call.
    Call,
    /// With the engine: closed by the next start at its last whole chunk.
    Crash,
}

/// The last record of a file that was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Chunks that are in the file; seconds in which nobody was heard have none.
    pub chunks: u32,
    /// Chunks that the disk did not take: they read as silence.
    pub dropped: u32,
    /// Spans that were paused, in milliseconds from the beginning.
    pub paused: Vec<(u64, u64)>,
    /// Whether the person was told that the call is recorded.
    pub announced: bool,
    /// How it ended.
    pub ended: Ended,
}

/// The instant is not there yet.
const NOT_YET: u64 = u64::MAX;

/// A recording under way. Shared by the tap (media thread), the writer, and whoever pauses it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) id: RecordingId,
    pub(super) about: About,
    pub(super) start: Now,
    pub(super) gate: Gate,
    /// After so long a pause ends by itself: a forgotten one would lose the rest of the call. Zero: never.
    pub(super) pause_max: Duration,
    pub(super) dropped: AtomicU32,
    announced: AtomicBool,
    finished: AtomicU64,
}

impl Live {
    pub(super) fn new(id: RecordingId, about: About, start: Now, pause_max: Duration) -> Live {
        Live {
            id,
            about,
            start,
            gate: Gate::new(),
            pause_max,
            dropped: AtomicU32::new(0),
            announced: AtomicBool::new(false),
            finished: AtomicU64::new(NOT_YET),
        }
    }

    /// Nothing more is heard. The first word counts.
    pub(super) fn finish(&self, at: Mono) {
        let _ = self
            .finished
            .compare_exchange(NOT_YET, at.0, Ordering::AcqRel, Ordering::Acquire);
    }

    /// When it ended, if it has.
    pub(super) fn finished(&self) -> Option<Mono> {
        let at = self.finished.load(Ordering::Acquire);
        (at != NOT_YET).then_some(Mono(at))
    }

    pub(super) fn set_announced(&self) {
        self.announced.store(true, Ordering::Relaxed);
    }

    /// The last record, for an end at `at`.
    pub(super) fn end(&self, at: Mono, chunks: u32) -> End {
        End {
            duration_ms: at.since(self.start.mono).as_millis() as u64,
            chunks,
            dropped: self.dropped.load(Ordering::Relaxed),
            paused: self.gate.told(self.start.mono, at),
            announced: self.announced.load(Ordering::Relaxed),
            ended: Ended::Call,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_only_as_it_is_printed() {
        let id = RecordingId::draw().unwrap();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(RecordingId::draw().unwrap(), id);
        for bad in [
            "",
            "../../../../etc/passwd",
            "0123456789abcdef0123456789abcde",
            "0123456789abcdef0123456789abcdef0",
            "0123456789ABCDEF0123456789ABCDEF",
            "+123456789abcdef0123456789abcdef",
            "éé23456789abcdef0123456789abcd",
        ] {
            assert_eq!(bad.parse::<RecordingId>(), Err(NotAnId), "{bad}");
        }
    }
}
