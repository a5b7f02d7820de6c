//! One law of G.711 into the other, by a table of 256 bytes each way (ITU-T G.711 s.3: no other step between the two).

use crate::wire::media::PCMA;
use crate::wire::media::g711::{decode_pcma, decode_pcmu, encode_pcma, encode_pcmu};

const MU_TO_A: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = encode_pcma(decode_pcmu(code as u8));
        code += 1;
    }
    table
};

const A_TO_MU: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = encode_pcmu(decode_pcma(code as u8));
        code += 1;
    }
    table
};

/// Puts the payload of one law into `out`, in the other one. Payload types: 0 PCMU, 8 PCMA.
pub fn convert(payload: &[u8], to: u8, out: &mut Vec<u8>) {
    let table = if to == PCMA { &MU_TO_A } else { &A_TO_MU };
    out.clear();
    out.extend(payload.iter().map(|code| table[usize::from(*code)]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::PCMU;

    #[test]
    fn silence_stays_silence_and_loudness_stays_within_a_step() {
        let mut out = Vec::new();
        convert(&[0xFF], PCMA, &mut out);
        assert_eq!(out, [0xD5]);
        convert(&[0xD5], PCMU, &mut out);
        assert!(decode_pcmu(out[0]).abs() <= 8);
        for code in 0..=u8::MAX {
            convert(&[code], PCMA, &mut out);
            let (before, after) = (i32::from(decode_pcmu(code)), i32::from(decode_pcma(out[0])));
            let step = (before.abs() / 16).max(16);
            assert!(
                (before - after).abs() <= step,
                "{code:#x}: {before} {after}"
            );
        }
    }
}
