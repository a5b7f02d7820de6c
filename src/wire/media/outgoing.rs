//! The stream that we send on one leg: one SSRC, a sequence without holes of ours, a timeline that never runs back.
//!
//! Two sources feed it in turn: frames of our own (comfort noise, prompts) and packets of another leg that are passed on. A change
//! of source is a new talk spurt on the same stream: the far end hears no new stream, and needs no new negotiation.

use crate::time::Mono;
use crate::wire::media::FRAME_SAMPLES;
use crate::wire::media::rtp::RtpPacket;

/// Largest jump of a passed-on sequence that is still loss: beyond it the source has begun anew.
const JUMP_MAX: u16 = 500;
/// Oldest passed-on packet that is still sent: what comes later was given up by every far end.
const LATE_MAX: u16 = 50;
/// Largest difference between a source's timeline and the clock before its timeline is taken anew: 1 s.
const DRIFT_MAX: i32 = 8_000;
/// Samples per millisecond.
const PER_MS: u64 = 8;

/// An outgoing stream of 20 ms frames.
#[derive(Clone, Debug)]
pub struct Outgoing {
    ssrc: u32,
    /// Sequence number of the next packet that goes on without a hole.
    sequence: u16,
    /// Its timestamp, if it follows without a pause.
    timestamp: u32,
    marker: bool,
    /// When the last packet was made.
    last_at: Option<Mono>,
    source: Option<Source>,
    /// Packets written so far.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

/// The stream that is passed on, and how far its numbers are from ours.
#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    sequence_ahead: u16,
    timestamp_ahead: u32,
    /// Our number for its first packet: nothing before it is ours to send.
    first: u16,
}

/// The numbers under which one payload leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Whether it begins a talk spurt (RFC 3551 s.4.1).
    pub marker: bool,
}

impl Outgoing {
    /// A stream whose SSRC, first sequence number and first timestamp are taken from `random` (RFC 3550 s.5.1: unpredictable).
    pub const fn new(random: [u8; 10]) -> Self {
        Outgoing {
            ssrc: u32::from_be_bytes([random[0], random[1], random[2], random[3]]),
            sequence: u16::from_be_bytes([random[4], random[5]]),
            timestamp: u32::from_be_bytes([random[6], random[7], random[8], random[9]]),
            marker: true,
            last_at: None,
            source: None,
            packets: 0,
            bytes: 0,
        }
    }

    /// Our synchronisation source.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Sequence number of the packet that would be sent next.
    pub const fn sequence(&self) -> u16 {
        self.sequence
    }

    /// Timestamp of the packet that would be sent next without a pause; for sender reports.
    pub const fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Replaces `out` by the next packet of our own. `payload` is one frame of G.711.
    pub fn next(&mut self, payload_type: u8, payload: &[u8], out: &mut Vec<u8>) {
        let numbers = self.own(FRAME_SAMPLES as u32);
        self.write(numbers, payload_type, payload, out);
    }

    /// Numbers for a frame of our own, after a source that was passed on or after another frame; `at` is now.
    pub fn own_at(&mut self, at: Mono) -> Numbers {
        if self.source.take().is_some() {
            self.catch_up(at);
        }
        self.last_at = Some(at);
        self.own(FRAME_SAMPLES as u32)
    }

    /// Numbers for a packet of a key that began `age_frames` ago (RFC 4733 s.2.2.1): it takes a frame's place, under the timestamp of
    /// the key's begin. Audio behind it begins a talk spurt.
    pub fn event_at(&mut self, at: Mono, marker: bool, age_frames: u32, bytes: usize) -> Numbers {
        let numbers = self.own_at(at);
        self.bytes = self.bytes + bytes as u64 - FRAME_SAMPLES as u64;
        self.marker = true;
        Numbers {
            timestamp: numbers
                .timestamp
                .wrapping_sub(age_frames.wrapping_mul(FRAME_SAMPLES as u32)),
            marker,
            ..numbers
        }
    }

    /// Numbers for a packet of another leg. `None`: it is too late to be sent.
    pub fn pass_on(&mut self, packet: &RtpPacket<'_>, at: Mono) -> Option<Numbers> {
        let is_known = self.source.is_some_and(|source| {
            let ours = packet.sequence.wrapping_add(source.sequence_ahead);
            let ahead = ours.wrapping_sub(self.sequence);
            let behind = self.sequence.wrapping_sub(ours);
            source.ssrc == packet.ssrc && (ahead < JUMP_MAX || behind <= LATE_MAX)
        });
        if !is_known {
            self.catch_up(at);
            self.source = Some(Source {
                ssrc: packet.ssrc,
                sequence_ahead: self.sequence.wrapping_sub(packet.sequence),
                timestamp_ahead: self.timestamp.wrapping_sub(packet.timestamp),
                first: self.sequence,
            });
            self.marker = true;
        }
        let source = self.source?;
        let sequence = packet.sequence.wrapping_add(source.sequence_ahead);
        let mut timestamp = packet.timestamp.wrapping_add(source.timestamp_ahead);
        let samples = packet.payload.len() as u32;
        if sequence.wrapping_sub(self.sequence) >= JUMP_MAX {
            // Behind what was sent: late, and only sent where nothing of ours stands under its number.
            let is_ours = sequence.wrapping_sub(source.first) > u16::MAX / 2;
            return (!is_ours).then(|| {
                self.count(packet.payload.len());
                Numbers {
                    sequence,
                    timestamp,
                    marker: false,
                }
            });
        }
        let expected = self.expected(at);
        let drift = timestamp.wrapping_sub(expected) as i32;
        if drift.abs() > DRIFT_MAX {
            // A source that restarts its clock on the same SSRC: ours goes on.
            timestamp = expected;
            self.source = Some(Source {
                timestamp_ahead: timestamp.wrapping_sub(packet.timestamp),
                ..source
            });
            self.marker = true;
        }
        let numbers = Numbers {
            sequence,
            timestamp,
            marker: std::mem::take(&mut self.marker) || packet.marker,
        };
        self.sequence = sequence.wrapping_add(1);
        self.timestamp = timestamp.wrapping_add(samples);
        self.last_at = Some(at);
        self.count(packet.payload.len());
        Some(numbers)
    }

    /// Replaces `out` by a packet under these numbers.
    pub fn write(&self, numbers: Numbers, payload_type: u8, payload: &[u8], out: &mut Vec<u8>) {
        RtpPacket {
            marker: numbers.marker,
            payload_type,
            sequence: numbers.sequence,
            timestamp: numbers.timestamp,
            ssrc: self.ssrc,
            contributors: 0,
            payload,
        }
        .write(out);
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

    fn own(&mut self, samples: u32) -> Numbers {
        let numbers = Numbers {
            sequence: self.sequence,
            timestamp: self.timestamp,
            marker: std::mem::take(&mut self.marker),
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(samples);
        self.count(samples as usize);
        numbers
    }

    fn count(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }

    /// The timestamp that the clock asks for.
    fn expected(&self, at: Mono) -> u32 {
        let Some(last) = self.last_at else {
            return self.timestamp;
        };
        let passed = (at.since(last).as_micros() as u64 * PER_MS / 1_000) as u32;
        // One frame has been spoken for already.
        self.timestamp
            .wrapping_add(passed.saturating_sub(FRAME_SAMPLES as u32))
    }

    /// Time that passed without a packet passes on the timeline too; never backwards.
    fn catch_up(&mut self, at: Mono) {
        let expected = self.expected(at);
        if expected != self.timestamp {
            self.timestamp = expected;
            self.marker = true;
        }
        self.last_at = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::{PCMU, comfort_noise};

    fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> RtpPacket<'static> {
        RtpPacket {
            marker: false,
            payload_type: PCMU,
            sequence,
            timestamp,
            ssrc,
            contributors: 0,
            payload: &[0xFF; 160],
        }
    }
    fn ms(ms: u64) -> Mono {
        Mono(ms * 1_000)
    }
    fn stream() -> Outgoing {
        Outgoing::new([1, 2, 3, 4, 0, 100, 0, 0, 0, 0])
    }

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
    fn two_calls_and_the_noise_between_them_are_one_stream() {
        let mut stream = stream();
        let mut seen = Vec::new();
        for n in 0..3_u16 {
            let numbers = stream.pass_on(
                &packet(7, 60_000 + n, 5 + u32::from(n) * 160),
                ms(20 * u64::from(n)),
            );
            seen.push(numbers.unwrap());
        }
        seen.push(stream.own_at(ms(60)));
        seen.push(stream.own_at(ms(80)));
        // The next call comes 200 ms later from another source.
        seen.push(stream.pass_on(&packet(9, 3, 4_000_000), ms(280)).unwrap());
        let sequences: Vec<u16> = seen.iter().map(|numbers| numbers.sequence).collect();
        assert_eq!(sequences, [100, 101, 102, 103, 104, 105]);
        let timestamps: Vec<u32> = seen.iter().map(|numbers| numbers.timestamp).collect();
        assert_eq!(timestamps, [0, 160, 320, 480, 640, 280 * 8]);
        let marks: Vec<bool> = seen.iter().map(|numbers| numbers.marker).collect();
        assert_eq!(marks, [true, false, false, false, false, true]);
    }

    #[test]
    fn loss_and_disorder_of_the_source_stay_visible_to_the_far_end() {
        let mut stream = stream();
        let mut pass = |sequence: u16, at| {
            stream
                .pass_on(&packet(7, sequence, u32::from(sequence) * 160), ms(at))
                .map(|numbers| numbers.sequence)
        };
        assert_eq!(pass(10, 0), Some(100));
        assert_eq!(pass(13, 60), Some(103), "11 and 12 are still on their way");
        assert_eq!(pass(12, 61), Some(102));
        assert_eq!(pass(9, 62), None, "its number was somebody else's");
        assert_eq!(pass(14, 80), Some(104));
    }

    #[test]
    fn a_source_that_begins_anew_leaves_no_hole() {
        let mut stream = stream();
        let first = stream.pass_on(&packet(7, 10, 0), ms(0)).unwrap();
        let jumped = stream.pass_on(&packet(7, 40_000, 160), ms(20)).unwrap();
        assert_eq!(jumped.sequence, first.sequence + 1);
        assert!(jumped.marker);
        // Its clock jumps by an hour: ours does not.
        let later = stream
            .pass_on(&packet(7, 40_001, 28_800_000), ms(40))
            .unwrap();
        assert_eq!(later.timestamp, jumped.timestamp + 160);
    }

    #[test]
    fn a_key_stands_still_in_time_while_the_sequence_goes_on() {
        let mut stream = stream();
        let numbers: Vec<Numbers> = [None, Some(0), Some(1), Some(2), None]
            .into_iter()
            .zip(0..)
            .map(|(age, frame)| match age {
                Some(age) => stream.event_at(ms(20 * frame), age == 0, age, 4),
                None => stream.own_at(ms(20 * frame)),
            })
            .collect();
        let seen: Vec<_> = numbers
            .iter()
            .map(|numbers| (numbers.sequence, numbers.timestamp, numbers.marker))
            .collect();
        assert_eq!(
            seen,
            [
                (100, 0, true),
                (101, 160, true),
                (102, 160, false),
                (103, 160, false),
                (104, 640, true),
            ]
        );
        assert_eq!((stream.packets, stream.bytes), (5, 2 * 160 + 3 * 4));
    }
}
