//! The two companding laws of G.711, between 16-bit linear samples and one byte. Own arithmetic, checked against each other.

/// PCMU code of a linear sample (G.711 mu-law, inverted as on the wire).
pub const fn encode_pcmu(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    const CLIP: i32 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let mut magnitude = (sample as i32).abs();
    if magnitude > CLIP {
        magnitude = CLIP;
    }
    magnitude += BIAS;
    // The segment is the place of the highest bit above bit 7.
    let exponent = (31 - (magnitude as u32).leading_zeros()) as i32 - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !((sign | (exponent << 4) | mantissa) as u8)
}

/// Linear sample of a PCMU code.
pub const fn decode_pcmu(code: u8) -> i16 {
    let code = !code as i32;
    let magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    (if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }) as i16
}

/// PCMA code of a linear sample (G.711 A-law, even bits inverted as on the wire).
pub const fn encode_pcma(sample: i16) -> u8 {
    // 13 bits: the law has no use for the lowest three (12 bits of magnitude are left).
    let positive = sample >= 0;
    let magnitude = if positive {
        sample as i32
    } else {
        -(sample as i32) - 1
    } >> 3;
    let code = if magnitude < 32 {
        magnitude >> 1
    } else {
        let exponent = (31 - (magnitude as u32).leading_zeros()) as i32 - 4;
        (exponent << 4) | ((magnitude >> exponent) & 0x0F)
    };
    (code as u8) ^ if positive { 0xD5 } else { 0x55 }
}

/// Linear sample of a PCMA code.
pub const fn decode_pcma(code: u8) -> i16 {
    let code = (code ^ 0x55) as i32;
    let exponent = (code >> 4) & 7;
    let mantissa = code & 0x0F;
    let magnitude = if exponent == 0 {
        (mantissa << 4) + 8
    } else {
        ((mantissa << 4) + 0x108) << (exponent - 1)
    };
    (if code & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_the_code_that_comfort_noise_sends() {
        assert_eq!((encode_pcmu(0), encode_pcma(0)), (0xFF, 0xD5));
    }

    #[test]
    fn known_points_of_the_tables() {
        // G.711 tables 1a and 2a: full scale and the first segment ends.
        assert_eq!((encode_pcmu(32_767), encode_pcmu(-32_768)), (0x80, 0x00));
        assert_eq!((encode_pcma(32_767), encode_pcma(-32_768)), (0xAA, 0x2A));
        assert_eq!((decode_pcmu(0x80), decode_pcma(0xAA)), (32_124, 32_256));
    }

    #[test]
    fn every_code_decodes_to_a_sample_that_encodes_to_it() {
        for code in 0..=u8::MAX {
            // PCMU has two zeros; the negative one is written as the positive.
            if code != 0x7F {
                assert_eq!(encode_pcmu(decode_pcmu(code)), code, "PCMU {code:#x}");
            }
            assert_eq!(encode_pcma(decode_pcma(code)), code, "PCMA {code:#x}");
        }
    }

    #[test]
    fn no_sample_moves_by_more_than_its_step() {
        for sample in i16::MIN..=i16::MAX {
            let step = (i32::from(sample).abs() / 16).max(16);
            for back in [
                decode_pcmu(encode_pcmu(sample)),
                decode_pcma(encode_pcma(sample)),
            ] {
                let error = (i32::from(back) - i32::from(sample)).abs();
                assert!(
                    error <= step.max(660 * i32::from(sample.unsigned_abs() > 32_000)),
                    "{sample}: {back}"
                );
            }
        }
    }
}
