//! What is kept of how a call sounded: figures of its packets, nothing of what was said.

use crate::ids::AttemptId;

/// One direction of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionSound {
    /// Packets: that came, or that we sent.
    pub packets: u64,
    /// Of those that were sent, how many did not arrive; `None`: nobody reported it.
    pub lost: Option<u64>,
    /// Interarrival jitter at the end, in microseconds.
    pub jitter_us: Option<u64>,
    /// Estimated opinion score in hundredths, 100..=450 (ITU-T G.107); `None` where nothing was measured.
    pub mos_hundredths: Option<u16>,
}

/// How a call sounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSound {
    /// Which call.
    pub attempt: AttemptId,
    /// From the answer to the first of the agent's audio that left for the customer, in milliseconds.
    pub first_audio_ms: Option<u32>,
    /// From the customer.
    pub inward: DirectionSound,
    /// To the customer, as his side reported it.
    pub outward: DirectionSound,
    /// To his side and back, in microseconds.
    pub round_trip_us: Option<u64>,
}
