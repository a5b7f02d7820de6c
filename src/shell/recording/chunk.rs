//! One second of a conversation: both parties' G.711, on a grid of 20 ms. Owns the form of a chunk before it is sealed.
//!
//! Always of one length, whoever speaks: a sealed file says nothing about who spoke when.

use super::Party;
use super::gate::Gate;
use crate::time::Mono;
use crate::wire::media::g711::{decode_pcma, decode_pcmu, encode_pcma, encode_pcmu};
use crate::wire::sip::sdp::Law;
use zeroize::Zeroize;

/// Samples of a second of G.711; for one channel also its octets.
pub const SECOND: usize = 8_000;
/// Samples of a slot: 20 ms.
pub const SLOT: usize = 160;
/// Slots of a chunk.
pub const SLOTS: usize = SECOND / SLOT;
/// Octets of an encoded chunk: laws, length, two maps of slots, two channels.
pub const ENCODED: usize = 2 + 2 + 8 + 8 + 2 * SECOND;

/// What silence is in a law.
const fn silence(law: Law) -> u8 {
    match law {
        Law::Mu => 0xFF,
        Law::A => 0xD5,
    }
}

/// One party's second.
struct Side {
    law: Law,
    /// One bit for each slot that holds sound. What has none is exactly zero when it is read: A-law's own silence is not.
    heard: u64,
    /// Last arrival of what is in each slot, for the gate.
    arrived: [u64; SLOTS],
    sound: [u8; SECOND],
}

impl Side {
    const fn new() -> Side {
        Side {
            law: Law::Mu,
            heard: 0,
            arrived: [0; SLOTS],
            sound: [silence(Law::Mu); SECOND],
        }
    }

    fn clear(&mut self) {
        // Wiped, not only forgotten: it was a person's voice.
        self.sound.zeroize();
        self.sound.fill(silence(self.law));
        self.heard = 0;
    }

    fn write(&mut self, law: Law, from: usize, sound: &[u8], at: Mono) {
        if law != self.law && self.heard == 0 {
            self.law = law;
            self.sound.fill(silence(law));
        }
        let kept = &mut self.sound[from..from + sound.len()];
        match (law, self.law) {
            (Law::Mu, Law::A) => convert(kept, sound, |code| encode_pcma(decode_pcmu(code))),
            (Law::A, Law::Mu) => convert(kept, sound, |code| encode_pcmu(decode_pcma(code))),
            (Law::Mu, Law::Mu) | (Law::A, Law::A) => kept.copy_from_slice(sound),
        }
        for slot in from / SLOT..(from + sound.len()).div_ceil(SLOT) {
            // A slot that is written for the first time takes its own arrival, a later one the later.
            let first = self.heard & (1 << slot) == 0;
            self.arrived[slot] = if first {
                at.0
            } else {
                self.arrived[slot].max(at.0)
            };
            self.heard |= 1 << slot;
        }
    }

    fn strike(&mut self, is_struck: &dyn Fn(u64) -> bool) {
        for slot in 0..SLOTS {
            if self.heard & (1 << slot) != 0 && is_struck(self.arrived[slot]) {
                self.heard &= !(1 << slot);
                let sound = &mut self.sound[slot * SLOT..(slot + 1) * SLOT];
                sound.zeroize();
                sound.fill(silence(self.law));
            }
        }
    }
}

fn convert(into: &mut [u8], from: &[u8], code: impl Fn(u8) -> u8) {
    for (into, from) in into.iter_mut().zip(from) {
        *into = code(*from);
    }
}

/// One second of both.
pub(super) struct Chunk {
    /// Which second of the recording, from 0.
    pub(super) index: u32,
    sides: [Side; 2],
}

impl Chunk {
    /// An empty one, on the heap: it is handed from thread to thread.
    pub(super) fn new() -> Box<Chunk> {
        Box::new(Chunk {
            index: 0,
            sides: [Side::new(), Side::new()],
        })
    }

    /// Wipes it for another second.
    pub(super) fn reset(&mut self, index: u32) {
        self.index = index;
        self.sides.iter_mut().for_each(Side::clear);
    }

    /// Whether nobody was heard.
    pub(super) fn is_silent(&self) -> bool {
        self.sides.iter().all(|side| side.heard == 0)
    }

    /// Keeps sound from sample `from` of this second on; it must end within.
    pub(super) fn write(&mut self, party: Party, law: Law, from: usize, sound: &[u8], at: Mono) {
        self.sides[party as usize].write(law, from, sound, at);
    }

    /// Silences what arrived while the gate was shut.
    pub(super) fn strike(&mut self, gate: &Gate) {
        gate.strike(|is_struck| {
            for side in &mut self.sides {
                side.strike(is_struck);
            }
        });
    }

    /// As octets, for sealing.
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        into.clear();
        into.extend(self.sides.iter().map(|side| side.law.payload_type()));
        into.extend((SECOND as u16).to_be_bytes());
        for side in &self.sides {
            into.extend(side.heard.to_be_bytes());
        }
        for side in &self.sides {
            into.extend_from_slice(&side.sound);
        }
    }
}

/// One second of both parties as 16-bit samples: customer, agent, customer, and so on.
pub type Second = [i16; 2 * SECOND];

/// Reads an encoded chunk; `None`: it is none.
pub(super) fn decode(octets: &[u8], into: &mut Second) -> Option<()> {
    if octets.len() != ENCODED {
        return None;
    }
    into.fill(0);
    for channel in 0..2 {
        let decode = match octets[channel] {
            0 => decode_pcmu,
            8 => decode_pcma,
            _ => return None,
        };
        let map = octets[4 + 8 * channel..12 + 8 * channel].try_into().ok()?;
        let heard = u64::from_be_bytes(map);
        let sound = &octets[20 + SECOND * channel..20 + SECOND * (channel + 1)];
        for slot in (0..SLOTS).filter(|slot| heard & (1 << slot) != 0) {
            for sample in slot * SLOT..(slot + 1) * SLOT {
                into[2 * sample + channel] = decode(sound[sample]);
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunk: &Chunk) -> Box<Second> {
        let (mut octets, mut second) = (Vec::new(), Box::new([0; 2 * SECOND]));
        chunk.encode(&mut octets);
        decode(&octets, &mut second).expect("our own form");
        second
    }

    #[test]
    fn what_nobody_said_is_exactly_zero_in_both_laws() {
        let mut chunk = Chunk::new();
        chunk.write(Party::Customer, Law::A, 0, &[0x2A; SLOT], Mono(1));
        chunk.write(Party::Agent, Law::Mu, SLOT, &[0x00; SLOT], Mono(1));
        let second = read(&chunk);
        assert_eq!((second[0], second[1]), (decode_pcma(0x2A), 0));
        assert_eq!((second[2 * SLOT], second[2 * SLOT + 1]), (0, -32_124));
        assert!(second[4 * SLOT..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn a_law_that_changes_within_a_second_is_converted() {
        let mut chunk = Chunk::new();
        chunk.write(
            Party::Agent,
            Law::Mu,
            0,
            &[encode_pcmu(8_000); SLOT],
            Mono(1),
        );
        chunk.write(
            Party::Agent,
            Law::A,
            SLOT,
            &[encode_pcma(8_000); SLOT],
            Mono(2),
        );
        let second = read(&chunk);
        for slot in 0..2 {
            let sample = i32::from(second[2 * SLOT * slot + 1]);
            assert!((sample - 8_000).abs() < 400, "{sample}");
        }
    }

    #[test]
    fn the_gate_strikes_by_arrival_and_leaves_no_octet() {
        let mut chunk = Chunk::new();
        for slot in 0..10 {
            let at = Mono::from_millis(20 * slot as u64);
            chunk.write(Party::Customer, Law::A, slot * SLOT, &[7; SLOT], at);
        }
        let gate = Gate::new();
        gate.pause(|| Mono::from_millis(100));
        chunk.strike(&gate);
        let side = &chunk.sides[Party::Customer as usize];
        assert_eq!(side.heard, 0b1_1111);
        assert!(side.sound[..5 * SLOT].iter().all(|code| *code == 7));
        assert!(side.sound[5 * SLOT..].iter().all(|code| *code == 0xD5));
    }
}
