//! G.711 from one law to the other and to linear samples, by tables made at compile time. Never decides which law a side speaks.

use crate::wire::media::PCMA;
use crate::wire::media::g711::{decode_pcma, decode_pcmu, encode_pcma, encode_pcmu};
use crate::wire::sip::sdp::Law;

/// PCMU code -> PCMA code.
pub static MU_TO_A: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = encode_pcma(decode_pcmu(code as u8));
        code += 1;
    }
    table
};

/// PCMA code -> PCMU code.
pub static A_TO_MU: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = encode_pcmu(decode_pcma(code as u8));
        code += 1;
    }
    table
};

/// PCMU code -> linear sample of 16 bits.
pub static MU_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = decode_pcmu(code as u8);
        code += 1;
    }
    table
};

/// PCMA code -> linear sample of 16 bits.
pub static A_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = decode_pcma(code as u8);
        code += 1;
    }
    table
};

/// Peak above which a frame holds more than line noise: about -48 dBm0 (G.711 puts +3.14 dBm0 at full scale).
/// Comfort noise and digital silence stay below; the quietest speaker does not.
const LOUD_PEAK: u16 = 128;

/// The linear samples of a law's codes.
pub const fn linear(law: Law) -> &'static [i16; 256] {
    match law {
        Law::Mu => &MU_LINEAR,
        Law::A => &A_LINEAR,
    }
}

/// The code of a linear sample.
pub const fn encode(law: Law, sample: i16) -> u8 {
    match law {
        Law::Mu => encode_pcmu(sample),
        Law::A => encode_pcma(sample),
    }
}

/// Mean level of a payload of payload type 0 or 8, as a linear sample without its sign; 0 of nothing.
pub fn mean_level(payload: &[u8], payload_type: u8) -> u32 {
    let table = if payload_type == PCMA {
        &A_LINEAR
    } else {
        &MU_LINEAR
    };
    let sum: u32 = payload
        .iter()
        .map(|code| u32::from(table[usize::from(*code)].unsigned_abs()))
        .sum();
    sum / payload.len().max(1) as u32
}

/// The table from one law to the other; `None` where both sides speak the same: nothing is to be touched.
pub const fn table(from: Law, to: Law) -> Option<&'static [u8; 256]> {
    match (from, to) {
        (Law::Mu, Law::A) => Some(&MU_TO_A),
        (Law::A, Law::Mu) => Some(&A_TO_MU),
        (Law::Mu, Law::Mu) | (Law::A, Law::A) => None,
    }
}

/// Replaces `out` by a payload of one law in the other, the one of payload type `to` (0 PCMU, 8 PCMA).
pub fn convert(payload: &[u8], to: u8, out: &mut Vec<u8>) {
    let table = if to == PCMA { &MU_TO_A } else { &A_TO_MU };
    out.clear();
    out.extend(payload.iter().map(|code| table[usize::from(*code)]));
}

/// Rewrites a payload from one law to the other where it lies.
pub fn convert_in_place(payload: &mut [u8], from: Law, to: Law) {
    if let Some(table) = table(from, to) {
        for code in payload {
            *code = table[usize::from(*code)];
        }
    }
}

/// Whether somebody or something sounds in a payload, rather than silence or comfort noise. At most one look-up per sample.
pub fn is_loud(law: Law, payload: &[u8]) -> bool {
    let linear = linear(law);
    payload
        .iter()
        .any(|code| linear[usize::from(*code)].unsigned_abs() > LOUD_PEAK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::tones::{Loop, Sound};
    use crate::wire::media::{PCMU, comfort_noise};

    #[test]
    fn there_and_back_moves_no_code_by_more_than_one_step() {
        // G.711 tables 3 and 4: the laws have different steps, so a code may come back as its neighbour, never further.
        for code in 0..=u8::MAX {
            let index = usize::from(code);
            let back = A_TO_MU[usize::from(MU_TO_A[index])];
            // PCMU has two zeros; the negative one comes back as the first step above.
            if code != 0x7F {
                assert!(back.abs_diff(code) <= 1, "PCMU {code:#x} -> {back:#x}");
            }
            let back = MU_TO_A[usize::from(A_TO_MU[index])] ^ 0x55;
            assert!((code ^ 0x55).abs_diff(back) <= 1, "PCMA {code:#x}");
        }
    }

    #[test]
    fn no_sample_changes_its_sign_or_moves_by_more_than_a_step() {
        for code in 0..=u8::MAX {
            let index = usize::from(code);
            for (before, after) in [
                (MU_LINEAR[index], A_LINEAR[usize::from(MU_TO_A[index])]),
                (A_LINEAR[index], MU_LINEAR[usize::from(A_TO_MU[index])]),
            ] {
                assert!(
                    i32::from(before) * i32::from(after) >= 0,
                    "{before} {after}"
                );
                let moved = (i32::from(before) - i32::from(after)).abs();
                assert!(
                    moved <= (i32::from(before).abs() / 16).max(16),
                    "{before} {after}"
                );
            }
        }
    }

    #[test]
    fn the_same_law_is_left_alone_and_the_other_is_rewritten() {
        let mut payload = *Loop::new(Sound::Melody, PCMU).frame(3);
        let before = payload;
        convert_in_place(&mut payload, Law::Mu, Law::Mu);
        assert_eq!(payload, before);
        convert_in_place(&mut payload, Law::Mu, Law::A);
        assert_ne!(payload, before);
        let mut out = Vec::new();
        convert(&before, PCMA, &mut out);
        assert_eq!(out, payload);
        convert_in_place(&mut payload, Law::A, Law::Mu);
        assert!(
            payload
                .iter()
                .zip(before)
                .all(|(code, was)| code.abs_diff(was) <= 1)
        );
    }

    #[test]
    fn speech_is_loud_and_silence_of_either_law_is_not() {
        for (law, payload_type) in [(Law::Mu, PCMU), (Law::A, PCMA)] {
            assert!(!is_loud(law, comfort_noise(payload_type)));
            // Silence that came through the other law is +-8, still silence.
            let mut other = *comfort_noise(if payload_type == PCMU { PCMA } else { PCMU });
            convert_in_place(
                &mut other,
                if law == Law::Mu { Law::A } else { Law::Mu },
                law,
            );
            assert!(!is_loud(law, &other));
            let voice = Loop::new(Sound::Voice, payload_type);
            assert!((0..200).any(|n| is_loud(law, voice.frame(n))));
            assert!(!is_loud(law, &[]));
        }
    }
}
