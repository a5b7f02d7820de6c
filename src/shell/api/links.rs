//! Signed addresses: one recording for a short time, without a token, because a browser's player can bring none.
//!
//! The signature binds recording, end and the token's name; its key lives as long as the process. Whose token is revoked meanwhile, his
//! links are dead too: rights are asked again when one is used.

use crate::shell::recording::RecordingId;
use crate::shell::recording::keys::KeyFault;
use crate::time::UnixMs;
use aws_lc_rs::hmac;
use serde::Deserialize;
use std::fmt::Write as _;
use std::time::Duration;
use zeroize::Zeroize;

/// The part of an address behind the question mark.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    /// The token that it was made with, by name.
    pub(super) by: String,
    /// Until when, in milliseconds since 1970.
    pub(super) until: i64,
    /// HMAC-SHA-256, 64 hexadecimal digits.
    pub(super) signature: String,
}

/// Makes signed addresses, and knows its own.
pub struct LinkKey {
    key: hmac::Key,
    life: Duration,
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(***)")
    }
}

impl LinkKey {
    /// A new key; addresses live for `life`.
    pub fn draw(life: Duration) -> Result<LinkKey, KeyFault> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|fault| KeyFault::Random(fault.to_string()))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bits);
        bits.zeroize();
        Ok(LinkKey { key, life })
    }

    fn text(id: RecordingId, by: &str, until: i64) -> String {
        format!("tandem recording link\n{id}\n{until}\n{by}")
    }

    /// The address of a recording for `by`, and until when it is one.
    pub(super) fn path(&self, id: RecordingId, by: &str, now: UnixMs) -> (String, UnixMs) {
        let until = now + self.life;
        let tag = hmac::sign(&self.key, LinkKey::text(id, by, until.0).as_bytes());
        let mut path = format!(
            "/v1/recordings/{id}/audio?by={}&until={}&signature=",
            super::client::segment(by),
            until.0
        );
        for byte in tag.as_ref() {
            let _ = write!(path, "{byte:02x}");
        }
        (path, until)
    }

    /// Whether this is one of ours, for this recording, and its time is not over. Compared without telling where it differs.
    pub(super) fn is_good(&self, id: RecordingId, signed: &Signed, now: UnixMs) -> bool {
        let mut tag = [0; 32];
        let text = signed.signature.as_bytes();
        if text.len() != 64 || !text.iter().all(u8::is_ascii_hexdigit) {
            return false;
        }
        for (place, byte) in tag.iter_mut().enumerate() {
            let digits = &signed.signature[2 * place..2 * place + 2];
            *byte = u8::from_str_radix(digits, 16).unwrap_or_default();
        }
        let said = LinkKey::text(id, &signed.by, signed.until);
        hmac::verify(&self.key, said.as_bytes(), &tag).is_ok() && now.0 <= signed.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(path: &str) -> Signed {
        let of = |key: &str| {
            let from = path.find(&format!("{key}=")).expect("it is there") + key.len() + 1;
            path[from..]
                .split('&')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        Signed {
            by: of("by"),
            until: of("until").parse().unwrap(),
            signature: of("signature"),
        }
    }

    #[test]
    fn a_link_is_for_one_recording_one_name_and_a_short_time() {
        let links = LinkKey::draw(Duration::from_secs(300)).unwrap();
        let (id, other) = (RecordingId([1; 16]), RecordingId([2; 16]));
        let (path, until) = links.path(id, "lan", UnixMs(1_000));
        assert_eq!(until, UnixMs(301_000));
        let good = signed(&path);
        assert!(links.is_good(id, &good, UnixMs(301_000)));
        assert!(
            !links.is_good(id, &good, UnixMs(301_001)),
            "its time is over"
        );
        assert!(
            !links.is_good(other, &good, UnixMs(1_000)),
            "another recording"
        );
        for change in [
            |it: &mut Signed| it.by = "minh".to_owned(),
            |it: &mut Signed| it.until += 1,
            |it: &mut Signed| it.signature.replace_range(0..1, "g"),
            |it: &mut Signed| it.signature.clear(),
            |it: &mut Signed| {
                let flipped = if it.signature.ends_with('0') {
                    "1"
                } else {
                    "0"
                };
                it.signature.replace_range(63..64, flipped);
            },
        ] {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(!links.is_good(id, &bad, UnixMs(1_000)), "{bad:?}");
        }
        let stranger = LinkKey::draw(Duration::from_secs(300)).unwrap();
        assert!(!stranger.is_good(id, &good, UnixMs(1_000)), "another key");
    }
}
