//! RTP as bytes and counters (RFC 3550, RFC 3551, G.711). Pure: arrival times are passed in, nothing is sent from here.
//!
//! - [`rtp`] one packet: reading it from hostile bytes, writing one
//! - [`reception`] what arrived on one stream: loss, jitter, duplicates, new sources
//! - [`outgoing`] the stream that we send: one sequence, one timeline
//! - [`latch`] whose packets belong to a call, and where ours may go
//! - [`g711`] the two companding laws; [`law`] from one to the other by table; [`mix`] several parties in one frame
//! - [`tones`] sounds made of them, one frame of 20 ms at a time; [`keys`] the keys of a telephone (RFC 4733)
//! - [`rtcp`] control packets as bytes, [`reports`] one leg's control over time; [`srtp`] both of them protected (RFC 3711)
//! - [`watch`] who has fallen silent; [`quality`] how a call sounds (E-model)

pub mod g711;
pub mod keys;
pub mod latch;
pub mod law;
pub mod mix;
pub mod outgoing;
pub mod quality;
pub mod reception;
pub mod reports;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
pub mod tones;
pub mod watch;

/// Static payload type of PCMU (RFC 3551 table 4).
pub const PCMU: u8 = 0;
/// Static payload type of PCMA (RFC 3551 table 4).
pub const PCMA: u8 = 8;
/// Samples of one frame: 20 ms at 8,000 Hz; for G.711 also its payload in bytes.
pub const FRAME_SAMPLES: usize = 160;
/// Milliseconds of one frame.
pub const FRAME_MS: u64 = 20;
/// Samples per second of G.711 and of its RTP clock (RFC 3551 s.4.5.14).
pub const CLOCK_HZ: u64 = 8_000;

/// The payload that stands for silence before there is audio: 160 times the code of zero, 0xFF for PCMU, 0xD5 for PCMA.
/// Other payload types get the PCMU one: only these two are ever offered.
pub const fn comfort_noise(payload_type: u8) -> &'static [u8; FRAME_SAMPLES] {
    match payload_type {
        PCMA => &[0xD5; FRAME_SAMPLES],
        _ => &[0xFF; FRAME_SAMPLES],
    }
}
