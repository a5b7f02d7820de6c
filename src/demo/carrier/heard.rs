//! What a simulated phone hears: kept as a WAV file of each call where that is asked for, and the keys that were pressed.
//!
//! Owns the files. Gaps in the stream are kept as silence, so that a second in the file is a second of the call.

use crate::wire::media::g711::{decode_pcma, decode_pcmu};
use crate::wire::media::rtp::RtpPacket;
use crate::wire::media::{CLOCK_HZ, PCMA, PCMU};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Longest file: what comes later is not kept.
const SECONDS_MAX: u64 = 600;
/// Longest gap that is filled with silence; a longer jump of the timestamp is another stream.
const GAP_MAX: u32 = 60 * CLOCK_HZ as u32;
/// Samples after which the file can be read as far as it is.
const FLUSH_EVERY: u64 = CLOCK_HZ;
/// Keys kept of one call.
const KEYS_MAX: usize = 64;

/// One call's recording.
pub struct Tape {
    writer: hound::WavWriter<BufWriter<File>>,
    next: Option<u32>,
    written: u64,
    flushed: u64,
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tape({} samples)", self.written)
    }
}

impl Tape {
    /// Begins a file of 16-bit samples at 8,000 Hz.
    pub fn create(path: &Path) -> Result<Self, hound::Error> {
        let writer = hound::WavWriter::create(
            path,
            hound::WavSpec {
                channels: 1,
                sample_rate: CLOCK_HZ as u32,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            },
        )?;
        Ok(Tape {
            writer,
            next: None,
            written: 0,
            flushed: 0,
        })
    }

    /// Keeps a packet's samples at their place.
    pub fn hear(&mut self, packet: &RtpPacket<'_>) -> Result<(), hound::Error> {
        let decode = match packet.payload_type {
            PCMU => decode_pcmu,
            PCMA => decode_pcma,
            _ => return Ok(()),
        };
        let gap = self
            .next
            .map_or(0, |next| packet.timestamp.wrapping_sub(next));
        if gap > u32::MAX / 2 {
            // Late: its place is taken.
            return Ok(());
        }
        if gap <= GAP_MAX {
            for _ in 0..gap {
                self.write(0)?;
            }
        }
        for code in packet.payload {
            self.write(decode(*code))?;
        }
        self.next = Some(packet.timestamp.wrapping_add(packet.payload.len() as u32));
        if self.written - self.flushed >= FLUSH_EVERY {
            self.flushed = self.written;
            self.writer.flush()?;
        }
        Ok(())
    }

    /// Closes the file.
    pub fn finish(self) -> Result<(), hound::Error> {
        self.writer.finalize()
    }

    fn write(&mut self, sample: i16) -> Result<(), hound::Error> {
        if self.written < SECONDS_MAX * CLOCK_HZ {
            self.written += 1;
            self.writer.write_sample(sample)?;
        }
        Ok(())
    }
}

/// Keys pressed towards the phone (RFC 4733 s.2.3): one for each event's timestamp, however often its packets come.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    last: Option<u32>,
    pressed: String,
}

impl Keys {
    /// Takes a packet of a dynamic payload type: the simulator agrees on no other use of them than events.
    pub fn hear(&mut self, packet: &RtpPacket<'_>) {
        if packet.payload_type < 96
            || packet.payload.len() < 4
            || self.last == Some(packet.timestamp)
        {
            return;
        }
        self.last = Some(packet.timestamp);
        const NAMES: &[u8; 16] = b"0123456789*#ABCD";
        if let Some(name) = NAMES
            .get(usize::from(packet.payload[0]))
            .filter(|_| self.pressed.len() < KEYS_MAX)
        {
            self.pressed.push(char::from(*name));
        }
    }

    /// All of them, in their order.
    pub fn into_pressed(self) -> String {
        self.pressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::rtp::RtpPacket;

    fn packet(payload_type: u8, timestamp: u32, payload: &[u8]) -> RtpPacket<'_> {
        RtpPacket {
            payload_type,
            marker: false,
            sequence: 1,
            timestamp,
            ssrc: 7,
            contributors: 0,
            payload,
        }
    }

    #[test]
    fn a_second_of_the_call_is_a_second_of_the_file_whatever_was_lost_or_late() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("one.wav");
        let mut tape = Tape::create(&path).unwrap();
        let loud = [0x80; crate::wire::media::FRAME_SAMPLES];
        let start = u32::MAX - 100;
        for (at, payload_type) in [(0, PCMU), (160, PCMU), (480, PCMA), (320, PCMU), (640, 101)] {
            tape.hear(&packet(payload_type, start.wrapping_add(at), &loud))
                .unwrap();
        }
        tape.finish().unwrap();
        let samples: Vec<i16> = hound::WavReader::open(&path)
            .unwrap()
            .samples()
            .map(Result::unwrap)
            .collect();
        assert_eq!(samples.len(), 640);
        assert!(
            samples[..320]
                .iter()
                .all(|sample| *sample == decode_pcmu(0x80))
        );
        assert!(samples[320..480].iter().all(|sample| *sample == 0));
        assert!(
            samples[480..]
                .iter()
                .all(|sample| *sample == decode_pcma(0x80))
        );
    }

    #[test]
    fn a_key_counts_once_however_often_its_packets_come() {
        let mut keys = Keys::default();
        for (timestamp, event) in [
            (800, 1),
            (800, 1),
            (800, 1),
            (2_400, 1),
            (4_000, 11),
            (4_000, 11),
        ] {
            keys.hear(&packet(101, timestamp, &[event, 0x8A, 3, 0xC0]));
        }
        keys.hear(&packet(0, 9_000, &[5, 0, 0, 0]));
        keys.hear(&packet(101, 9_000, &[5, 0]));
        assert_eq!(keys.into_pressed(), "11#");
    }
}
