//! The stream that we send on one leg: one SSRC, a sequence without holes, a timeline that never runs back.

use crate::wire::media::FRAME_SAMPLES;
use crate::wire::media::rtp::RtpPacket;

/// An outgoing stream of 20 ms frames.
#[derive(Clone, Debug)]
pub struct Outgoing {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    /// Packets written so far.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

impl Outgoing {
    /// A stream whose SSRC, first sequence number and first timestamp are taken from `random` (RFC 3550 s.5.1: unpredictable).
    pub const fn new(random: [u8; 10]) -> Self {
        Outgoing {
            ssrc: u32::from_be_bytes([random[0], random[1], random[2], random[3]]),
            sequence: u16::from_be_bytes([random[4], random[5]]),
            timestamp: u32::from_be_bytes([random[6], random[7], random[8], random[9]]),
            marker: true,
            packets: 0,
            bytes: 0,
        }
    }

    /// Our synchronisation source.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Timestamp of the next frame.
    pub const fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Replaces `out` by a packet of a key that began `age_frames` ago (RFC 4733 s.2.2.1): in the frame's place, with the timestamp
    /// of the key's begin. Audio behind it begins a talk spurt.
    pub fn next_event(
        &mut self,
        payload_type: u8,
        marker: bool,
        age_frames: u32,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        let now = self.timestamp;
        self.timestamp = now.wrapping_sub(age_frames.wrapping_mul(FRAME_SAMPLES as u32));
        self.marker = marker;
        self.next(payload_type, payload, out);
        self.timestamp = now.wrapping_add(FRAME_SAMPLES as u32);
        self.marker = true;
    }

    /// Replaces `out` by the next packet. `payload` is one frame of G.711.
    pub fn next(&mut self, payload_type: u8, payload: &[u8], out: &mut Vec<u8>) {
        RtpPacket {
            marker: self.marker,
            payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            contributors: 0,
            payload,
        }
        .write(out);
        self.marker = false;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        self.packets += 1;
        self.bytes += payload.len() as u64;
    }

    /// Lets `frames` times 20 ms pass in silence: time goes on, the sequence has no hole (RFC 3551 s.4.1), the next packet is marked.
    pub const fn skip(&mut self, frames: u32) {
        if frames > 0 {
            self.timestamp = self
                .timestamp
                .wrapping_add(frames.wrapping_mul(FRAME_SAMPLES as u32));
            self.marker = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::{PCMU, comfort_noise};

    #[test]
    fn silence_moves_time_but_leaves_no_hole_in_the_sequence() {
        let mut stream = Outgoing::new([1, 2, 3, 4, 0xFF, 0xFF, 0, 0, 0, 1]);
        let mut seen = Vec::new();
        let mut bytes = Vec::new();
        for gap in [0, 0, 5, 0] {
            stream.skip(gap);
            stream.next(PCMU, comfort_noise(PCMU), &mut bytes);
            let packet = RtpPacket::parse(&bytes).unwrap();
            seen.push((packet.sequence, packet.timestamp, packet.marker));
        }
        assert_eq!(
            seen,
            [
                (65_535, 1, true),
                (0, 161, false),
                (1, 321 + 800, true),
                (2, 481 + 800, false),
            ]
        );
        assert_eq!((stream.packets, stream.bytes), (4, 640));
    }

    #[test]
    fn a_key_stands_still_in_time_while_the_sequence_goes_on() {
        let mut stream = Outgoing::new([0; 10]);
        let mut bytes = Vec::new();
        let mut seen = Vec::new();
        for age in [None, Some(0), Some(1), Some(2), None] {
            match age {
                Some(age) => stream.next_event(101, age == 0, age, &[1, 10, 0, 160], &mut bytes),
                None => stream.next(PCMU, comfort_noise(PCMU), &mut bytes),
            }
            let packet = RtpPacket::parse(&bytes).unwrap();
            seen.push((packet.sequence, packet.timestamp, packet.marker));
        }
        assert_eq!(
            seen,
            [
                (0, 0, true),
                (1, 160, true),
                (2, 160, false),
                (3, 160, false),
                (4, 640, true),
            ]
        );
    }
}
