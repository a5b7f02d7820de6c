//! Recordings of conversations: heard by a tap on the media thread, sealed chunk by chunk, kept, converted, erased.
//!
//! Never makes the bridge wait: what the disk does not take in time is dropped, counted and told.

use crate::time::Mono;
use crate::wire::sip::sdp::Law;

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
