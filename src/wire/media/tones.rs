//! Sounds of a phone network as loops of 20 ms frames, ready to send: ring-back, melody, voice-like noise, announcement.
//!
//! Computed once; sending a frame is an index. Told no time and no chance: the same loop each time.

use crate::wire::media::g711::{encode_pcma, encode_pcmu};
use crate::wire::media::{CLOCK_HZ, FRAME_SAMPLES, PCMA};

/// A sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sound {
    /// 425 Hz, one second on, four off: ring-back in Vietnam (ITU-T E.180, supplement 2).
    RingBack,
    /// A little pentatonic tune: ring-back music, as most Vietnamese mobiles have it.
    Melody,
    /// Bursts of shaped noise with pauses: somebody speaks.
    Voice,
    /// Three rising tones (ITU-T E.180 special information), then voice: "the number you have dialled...".
    Announcement,
}

/// One sound in one law, as whole frames.
#[derive(Clone, Debug)]
pub struct Loop {
    frames: Vec<[u8; FRAME_SAMPLES]>,
}

impl Loop {
    /// The loop of `sound` for payload type 0 (PCMU) or 8 (PCMA).
    pub fn new(sound: Sound, payload_type: u8) -> Self {
        let encode = if payload_type == PCMA {
            encode_pcma
        } else {
            encode_pcmu
        };
        let seconds = match sound {
            Sound::RingBack => 5,
            Sound::Melody | Sound::Voice => 4,
            Sound::Announcement => 6,
        };
        let samples = seconds * CLOCK_HZ as usize;
        let mut noise = Noise(0x9E37_79B9);
        let frames = (0..samples / FRAME_SAMPLES)
            .map(|frame| {
                std::array::from_fn(|n| encode(level(sound, frame * FRAME_SAMPLES + n, &mut noise)))
            })
            .collect();
        Loop { frames }
    }

    /// A steady tone of a whole number of hertz, about -18 dBm0: one second, which such a tone ends where it began.
    pub fn tone(hertz: u16, payload_type: u8) -> Self {
        let encode = if payload_type == PCMA {
            encode_pcma
        } else {
            encode_pcmu
        };
        let frames = (0..CLOCK_HZ as usize / FRAME_SAMPLES)
            .map(|frame| {
                std::array::from_fn(|n| encode(sine(f32::from(hertz), frame * FRAME_SAMPLES + n)))
            })
            .collect();
        Loop { frames }
    }

    /// The frame to send as the `n`-th; the loop repeats.
    pub fn frame(&self, n: u64) -> &[u8; FRAME_SAMPLES] {
        &self.frames[(n % self.frames.len() as u64) as usize]
    }
}

/// The linear sample of a sound at a place in its loop.
fn level(sound: Sound, sample: usize, noise: &mut Noise) -> i16 {
    const RATE: usize = CLOCK_HZ as usize;
    match sound {
        Sound::RingBack if sample < RATE => sine(425.0, sample),
        Sound::RingBack => 0,
        Sound::Melody => {
            // Half-second notes of a pentatonic scale from a'.
            const NOTES: [f32; 8] = [440.0, 495.0, 550.0, 660.0, 733.0, 660.0, 550.0, 495.0];
            sine(NOTES[(sample / (RATE / 2)) % NOTES.len()], sample)
        }
        Sound::Voice => voice(sample, noise),
        Sound::Announcement => match sample * 3 / RATE {
            0 => sine(950.0, sample),
            1 => sine(1_400.0, sample),
            2 => sine(1_800.0, sample),
            _ => voice(sample, noise),
        },
    }
}

/// About -18 dBm0.
fn sine(hertz: f32, sample: usize) -> i16 {
    let turn = (hertz * sample as f32 / CLOCK_HZ as f32).fract();
    ((turn * std::f32::consts::TAU).sin() * 4_000.0) as i16
}

/// Syllables of 180 ms with 70 ms between, a breath each two seconds.
fn voice(sample: usize, noise: &mut Noise) -> i16 {
    let hiss = i32::from(noise.next());
    let in_breath = sample % 16_000 > 14_000;
    let place = sample % 2_000;
    if in_breath || place > 1_440 {
        return (hiss / 512) as i16;
    }
    let swell = (place.min(1_440 - place) as i32).min(300);
    (hiss / 8 * swell / 300 + i32::from(sine(140.0, sample)) * swell / 600) as i16
}

/// Xorshift: white enough for a hiss, the same each time.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> i16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::g711::{decode_pcma, decode_pcmu};
    use crate::wire::media::{PCMU, comfort_noise};

    fn energy(frame: &[u8; FRAME_SAMPLES], decode: fn(u8) -> i16) -> i64 {
        frame
            .iter()
            .map(|code| i64::from(decode(*code)).pow(2))
            .sum::<i64>()
            / FRAME_SAMPLES as i64
    }

    #[test]
    fn ring_back_sounds_for_one_second_and_is_silent_for_four() {
        for (law, decode) in [(PCMU, decode_pcmu as fn(u8) -> i16), (PCMA, decode_pcma)] {
            let ring = Loop::new(Sound::RingBack, law);
            assert!((0..50).all(|n| energy(ring.frame(n), decode) > 1_000_000));
            assert!((50..250).all(|n| ring.frame(n) == comfort_noise(law)));
            assert_eq!(ring.frame(250), ring.frame(0));
        }
    }

    #[test]
    fn voice_speaks_and_pauses() {
        let voice = Loop::new(Sound::Voice, PCMU);
        let loud = (0..200)
            .filter(|n| energy(voice.frame(*n), decode_pcmu) > 100_000)
            .count();
        assert!((40..190).contains(&loud), "{loud} of 200 frames are loud");
    }
}
