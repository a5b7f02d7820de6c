//! Puts two or three G.711 frames together into one: added as linear samples, held at full scale. For ears and for barging in.
//!
//! Decoding is a table; encoding is arithmetic of ten instructions, because a table from 16 bits would take 64 kB for each law and
//! push everything else out of a core's first cache.

use crate::wire::media::FRAME_SAMPLES;
use crate::wire::media::law::{encode, linear};
use crate::wire::sip::sdp::Law;

/// One party's frame, in its own law. Shorter than a frame: the rest is silence; longer: the rest is left out.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The law of `payload`.
    pub law: Law,
    /// G.711.
    pub payload: &'a [u8],
}

/// Replaces `out` by the sum of `parts`, in `law`. No parts: silence. One part is converted only.
pub fn mix(parts: &[Part<'_>], law: Law, out: &mut [u8; FRAME_SAMPLES]) {
    let mut sum = [0_i32; FRAME_SAMPLES];
    for part in parts {
        let linear = linear(part.law);
        for (sample, code) in sum.iter_mut().zip(part.payload) {
            *sample += i32::from(linear[usize::from(*code)]);
        }
    }
    for (code, sample) in out.iter_mut().zip(sum) {
        // Saturating: a sum that wrapped would be a click at full volume in somebody's ear.
        let held = sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX));
        *code = encode(law, held as i16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::tones::{Loop, Sound};
    use crate::wire::media::{PCMA, PCMU, comfort_noise};

    fn samples(law: Law, frame: &[u8]) -> Vec<i32> {
        frame
            .iter()
            .map(|code| i32::from(linear(law)[usize::from(*code)]))
            .collect()
    }

    #[test]
    fn one_party_and_silence_is_that_party() {
        let voice = Loop::new(Sound::Voice, PCMU);
        let frame = voice.frame(4);
        let parts = [
            Part {
                law: Law::Mu,
                payload: frame,
            },
            Part {
                law: Law::Mu,
                payload: comfort_noise(PCMU),
            },
        ];
        let mut out = [0; FRAME_SAMPLES];
        mix(&parts, Law::Mu, &mut out);
        assert_eq!(samples(Law::Mu, &out), samples(Law::Mu, frame));
        mix(&[], Law::A, &mut out);
        assert_eq!(&out, comfort_noise(PCMA));
    }

    #[test]
    fn three_parties_of_both_laws_are_all_heard() {
        let sounds = [
            (Law::Mu, Loop::new(Sound::Melody, PCMU)),
            (Law::A, Loop::new(Sound::RingBack, PCMA)),
            (Law::Mu, Loop::new(Sound::Voice, PCMU)),
        ];
        let parts = sounds.each_ref().map(|(law, sound)| Part {
            law: *law,
            payload: sound.frame(7),
        });
        let mut out = [0; FRAME_SAMPLES];
        mix(&parts, Law::A, &mut out);
        for (n, heard) in samples(Law::A, &out).into_iter().enumerate() {
            let want: i32 = parts
                .iter()
                .map(|part| samples(part.law, part.payload)[n])
                .sum();
            assert!(
                (heard - want).abs() <= (want.abs() / 16).max(16),
                "sample {n}: {heard}, want {want}"
            );
        }
    }

    #[test]
    fn a_sum_beyond_full_scale_is_held_and_does_not_turn_over() {
        let loudest = [0x80_u8; FRAME_SAMPLES]; // +32,124
        let parts = [Part {
            law: Law::Mu,
            payload: &loudest,
        }; 3];
        let mut out = [0; FRAME_SAMPLES];
        mix(&parts, Law::Mu, &mut out);
        assert_eq!(out, loudest);
    }

    #[test]
    fn a_short_frame_ends_in_silence_and_a_long_one_is_cut() {
        let mut out = [0; FRAME_SAMPLES];
        let part = |payload| {
            [Part {
                law: Law::Mu,
                payload,
            }]
        };
        mix(&part(&[0x80; 10]), Law::Mu, &mut out);
        assert_eq!((out[9], out[10]), (0x80, 0xFF));
        mix(&part(&[0x80; 400]), Law::Mu, &mut out);
        assert_eq!(out, [0x80; FRAME_SAMPLES]);
    }
}
