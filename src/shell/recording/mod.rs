//! Recordings of conversations: heard by a tap on the media thread, sealed second by second, kept, made into Ogg Opus, erased.
//!
//! Never makes the bridge wait: what the disk does not take in time is dropped, counted and told. Never writes a sample that was heard
//! while the recording was paused, and no sample that is not sealed.
//!
//! - [`recorder`] who is recorded: beginnings, pauses, bounds
//! - `tap`, `gate`, `chunk` on the media thread: the timeline, the pause, one second
//! - `writer` the thread that seals and writes; [`file`] the form on the disk; [`keys`] the site's keys and each recording's own
//! - [`keeper`] the threads behind it: the store's rows, what a crash left, conversion, retention
//! - [`audio`] WAV and Ogg Opus; [`shelf`] finds and opens a recording by its id; [`commands`], [`cli`] the command line

pub mod audio;
mod chunk;
pub mod cli;
pub mod commands;
mod desk;
pub mod file;
mod gate;
pub mod keeper;
pub mod keys;
mod live;
pub mod recorder;
pub mod shelf;
mod stats;
mod tap;
#[cfg(test)]
mod tests;
mod writer;

pub use desk::WithRecorder;
pub use live::{About, End, Ended, NotAnId, RecordingId};
pub use recorder::{NotRecorded, Recorder, RecorderParts, RecordingNow, Rules, rules};
pub use stats::RecordingStats;

use crate::time::Mono;
use crate::wire::sip::sdp::Law;
use keys::KeyId;
use live::Live;

/// Whose voice a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The person who was called, or who called: the left channel.
    Customer,
    /// Our agent: the right channel.
    Agent,
}

/// Hears one call for its recording. Owned by the media thread of the call; no act of it waits or allocates per packet.
pub trait Tap: Send {
    /// G.711 of one party, as it arrived: any number of octets, 160 of them are 20 ms. `at` is the monotonic arrival.
    fn hear(&mut self, party: Party, law: Law, payload: &[u8], at: Mono);
    /// From `at` on, nothing that is heard is handed on (`true`), or it is again (`false`).
    fn pause(&mut self, paused: bool, at: Mono);
    /// The call is over: what is left is handed over.
    fn finish(self: Box<Self>, at: Mono);
}

/// A file that was closed, or could not be made.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) id: RecordingId,
    pub(crate) about: About,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) end: End,
    /// Of the whole file; `None`: it is not whole, or was not made.
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) octets: u64,
    /// Why there is no file.
    pub(crate) fault: Option<String>,
}

impl Closed {
    fn of(live: &Live, key_id: KeyId, end: End) -> Closed {
        Closed {
            id: live.id,
            about: live.about.clone(),
            key_id: Some(key_id),
            end,
            sha256: None,
            octets: 0,
            fault: None,
        }
    }

    fn failed(live: &Live, fault: String) -> Closed {
        Closed {
            id: live.id,
            about: live.about.clone(),
            key_id: None,
            end: live.end(live.start.mono, 0),
            sha256: None,
            octets: 0,
            fault: Some(fault),
        }
    }
}
