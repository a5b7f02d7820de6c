//! Keys for SRTP in a description (RFC 4568): `a=crypto` lines read and written, and what a trunk's rule makes of an offer or answer.
//!
//! Only AES_CM_128_HMAC_SHA1_80, without key indices (MKI) and session parameters: what every carrier that has SRTP speaks. The keys
//! stand in the message as they are: worth something only where the signalling itself is protected (a tunnel, a private line).

use super::event::Random;
use super::sdp::{AudioPath, Direction, Law, LocalAudio, Media, Sdp, SdpFault};
use crate::wire::media::srtp::{MASTER_BYTES, MasterKey, SrtpKeys, Suite};

/// Tag of our only `a=crypto` line in an offer.
const TAG: u32 = 1;
/// Most `a=crypto` lines of a stream that are read.
pub(super) const LINES_MAX: usize = 8;

/// What a trunk does about SRTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SrtpUse {
    /// Plain RTP. An offer of SRTP alone is refused.
    #[default]
    Off,
    /// SRTP is offered; a far end that refuses it (488) is asked again for plain RTP. What it offers is taken as it is.
    Offer,
    /// SRTP or no call.
    Require,
}

/// One `a=crypto` line that we can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// Its tag; an answer repeats it.
    pub tag: u32,
    /// The key that its writer sends with.
    pub key: MasterKey,
}

impl Crypto {
    /// Reads the value of `a=crypto:`; `None`: another suite, a key index, or parameters that we do not know.
    pub fn parse(value: &str) -> Option<Crypto> {
        let mut words = value.split(' ').filter(|word| !word.is_empty());
        let (tag, suite, keys) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || Suite::of_name(suite) != Some(Suite::Sha1Tag80) {
            return None;
        }
        let tag = (tag.len() <= 9 && tag.bytes().all(|octet| octet.is_ascii_digit()))
            .then(|| tag.parse().ok())??;
        // "inline:KEY|2^20|1:4": a lifetime may follow, a key index means more than one key.
        let mut parts = keys.strip_prefix("inline:")?.split('|');
        let key = MasterKey::new(decode(parts.next()?)?);
        let is_plain = parts.all(|part| !part.contains(':')) && !keys.contains(';');
        is_plain.then_some(Crypto { tag, key })
    }

    /// The line, with its end.
    fn line(tag: u32, key: &MasterKey) -> String {
        format!(
            "a=crypto:{tag} {} inline:{}\r\n",
            Suite::Sha1Tag80.name(),
            encode(key.expose())
        )
    }
}

/// One call's secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    wanted: SrtpUse,
    /// The key that we send with; absent where RTP is plain.
    ours: Option<MasterKey>,
    theirs: Option<MasterKey>,
}

impl Secrets {
    /// For a call of ours, or to us, over a trunk with this rule.
    pub fn new(wanted: SrtpUse, random: &mut dyn Random) -> Secrets {
        let ours = (wanted != SrtpUse::Off).then(|| {
            let mut octets = [0; MASTER_BYTES];
            random.fill(&mut octets);
            MasterKey::new(octets)
        });
        Secrets {
            wanted,
            ours,
            theirs: None,
        }
    }

    /// The far end will not have SRTP: whether plain RTP may be asked for.
    pub fn fall_back(&mut self) -> bool {
        let may = self.wanted == SrtpUse::Offer && self.ours.is_some();
        if may {
            *self = Secrets::default();
        }
        may
    }

    /// Our offer.
    pub fn write_offer(&self, local: &LocalAudio, direction: Direction) -> String {
        let plain = super::sdp::write_offer(local, direction);
        match &self.ours {
            None => plain,
            Some(key) => secured(&plain, TAG, key),
        }
    }

    /// What the far end's answer to our offer opens, and the keys if they are new.
    pub fn take_answer(
        &mut self,
        answer: &Sdp,
        spoken: &[Law],
    ) -> Result<(AudioPath, Option<SrtpKeys>), SdpFault> {
        if self.ours.is_none() {
            return answer.audio_path(spoken).map(|path| (path, None));
        }
        let (_, media) = answer.stream(true)?;
        let crypto = media.crypto.iter().find(|line| line.tag == TAG);
        let key = crypto.ok_or(SdpFault::NoKey)?.key.clone();
        let path = answer.path_of(media, spoken)?;
        Ok((path, self.learn(key)))
    }

    /// Our answer to an offer, the path that it opens, and the keys if they are new.
    pub fn answer(
        &mut self,
        offer: &Sdp,
        local: &LocalAudio,
        spoken: &[Law],
    ) -> Result<(String, AudioPath, Option<SrtpKeys>), SdpFault> {
        let (place, media) = self.wanted.choose(offer)?;
        let path = offer.path_of(media, spoken)?;
        let crypto = media.crypto.first().filter(|_| media.is_secure()).cloned();
        let plain = super::sdp::write_answer_at(offer, place, &path, local);
        match (crypto, self.ours.clone()) {
            (Some(crypto), Some(ours)) => {
                let text = secured(&plain, crypto.tag, &ours);
                Ok((text, path, self.learn(crypto.key)))
            }
            _ => Ok((plain, path, None)),
        }
    }

    /// What an offer would open, without taking it.
    pub fn look_at(&self, offer: &Sdp, spoken: &[Law]) -> Result<AudioPath, SdpFault> {
        self.wanted.look_at(offer, spoken)
    }

    fn learn(&mut self, theirs: MasterKey) -> Option<SrtpKeys> {
        let ours = self.ours.clone()?;
        if self.theirs.as_ref() == Some(&theirs) {
            return None;
        }
        self.theirs = Some(theirs.clone());
        Some(SrtpKeys {
            our_suite: Suite::Sha1Tag80,
            ours,
            their_suite: Suite::Sha1Tag80,
            theirs,
        })
    }
}

impl SrtpUse {
    /// What an offer would open under this rule.
    pub fn look_at(self, offer: &Sdp, spoken: &[Law]) -> Result<AudioPath, SdpFault> {
        let (_, media) = self.choose(offer)?;
        offer.path_of(media, spoken)
    }

    /// The stream of an offer that the rule takes: SRTP first where it may.
    fn choose(self, offer: &Sdp) -> Result<(usize, &Media), SdpFault> {
        let secure = match self {
            SrtpUse::Off => Err(SdpFault::NoAudio),
            SrtpUse::Offer | SrtpUse::Require => offer.stream(true).and_then(|found| {
                let has_key = !found.1.crypto.is_empty();
                has_key.then_some(found).ok_or(SdpFault::NoKey)
            }),
        };
        match self {
            SrtpUse::Require => secure,
            SrtpUse::Off | SrtpUse::Offer => secure.or_else(|_| offer.stream(false)),
        }
    }
}

/// A plain description of ours as one of SRTP: the profile of its live stream, and the key.
fn secured(plain: &str, tag: u32, key: &MasterKey) -> String {
    let mut text = String::with_capacity(plain.len() + 96);
    for line in plain.split_inclusive("\r\n") {
        let is_live = line.starts_with("m=audio ") && !line.starts_with("m=audio 0 ");
        if is_live {
            text.push_str(&line.replacen(" RTP/AVP ", " RTP/SAVP ", 1));
            text.push_str(&Crypto::line(tag, key));
        } else {
            text.push_str(line);
        }
    }
    text
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 (RFC 4648 s.4) of 30 octets: 40 characters, never padded.
fn encode(octets: &[u8; MASTER_BYTES]) -> String {
    let mut text = String::with_capacity(40);
    for three in octets.chunks(3) {
        let bits = three
            .iter()
            .fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet));
        for place in [18, 12, 6, 0] {
            text.push(char::from(ALPHABET[(bits >> place & 63) as usize]));
        }
    }
    text
}

fn decode(text: &str) -> Option<[u8; MASTER_BYTES]> {
    let mut octets = [0; MASTER_BYTES];
    if text.len() != 40 {
        return None;
    }
    for (four, three) in text.as_bytes().chunks(4).zip(octets.chunks_mut(3)) {
        let mut bits = 0_u32;
        for character in four {
            let value = ALPHABET.iter().position(|known| known == character)?;
            bits = bits << 6 | value as u32;
        }
        three.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    const BOTH: [Law; 2] = [Law::Mu, Law::A];
    const LOCAL: LocalAudio = LocalAudio {
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        port: 40_000,
        session: 7,
        version: 1,
    };
    /// The key of RFC 4568 s.6.1's example line.
    const EXAMPLE: &str = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20";

    struct Count(u8);
    impl Random for Count {
        fn fill(&mut self, octets: &mut [u8]) {
            for octet in octets {
                self.0 = self.0.wrapping_add(1);
                *octet = self.0;
            }
        }
    }

    fn sdp(protocol: &str, crypto: &str) -> Sdp {
        let text = format!("v=0\r\nc=IN IP4 203.0.113.5\r\nm=audio 6000 {protocol} 8\r\n{crypto}");
        Sdp::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{fault}"))
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_never_printed() {
        let crypto = Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {EXAMPLE}"))
            .unwrap_or_else(|| panic!("it is sound"));
        let line = Crypto::line(1, &crypto.key);
        assert!(line.contains(EXAMPLE.trim_end_matches("|2^20")), "{line}");
        let printed = format!(
            "{crypto:?} {:?}",
            Secrets::new(SrtpUse::Offer, &mut Count(0))
        );
        assert!(
            !printed.contains("PS1u") && printed.contains("***"),
            "{printed}"
        );
        for bad in [
            "1 AES_CM_128_HMAC_SHA1_32 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR",
            "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|1:4",
            "1 AES_CM_128_HMAC_SHA1_80 inline:short",
            "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR UNENCRYPTED_SRTP",
            "x AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR",
            "",
        ] {
            assert_eq!(Crypto::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_offer_names_our_key_and_its_answer_theirs() {
        let mut secrets = Secrets::new(SrtpUse::Require, &mut Count(0));
        let offer = secrets.write_offer(&LOCAL, Direction::SendRecv);
        assert!(offer.contains(
            "m=audio 40000 RTP/SAVP 0 8 101\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
        ));
        let answer = sdp(
            "RTP/SAVP",
            &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {EXAMPLE}\r\n"),
        );
        let (path, keys) = secrets
            .take_answer(&answer, &BOTH)
            .unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(path.law, Law::A);
        let keys = keys.unwrap_or_else(|| panic!("they are new"));
        assert_eq!(keys.ours.expose()[0], 1);
        assert_eq!(keys.theirs.expose()[..3], *b"=-n");
        let again = secrets.take_answer(&answer, &BOTH).map(|(_, keys)| keys);
        assert_eq!(again, Ok(None), "a copy brings no new keys");
        // An answer without a key, or in plain, is none.
        for plain in [sdp("RTP/SAVP", ""), sdp("RTP/AVP", "")] {
            assert!(secrets.take_answer(&plain, &BOTH).is_err());
        }
    }

    #[test]
    fn the_trunks_rule_decides_what_of_an_offer_is_taken() {
        let secure = sdp(
            "RTP/SAVP",
            &format!("a=crypto:4 AES_CM_128_HMAC_SHA1_80 {EXAMPLE}\r\n"),
        );
        let plain = sdp("RTP/AVP", "");
        for (rule, takes_secure, takes_plain) in [
            (SrtpUse::Off, false, true),
            (SrtpUse::Offer, true, true),
            (SrtpUse::Require, true, false),
        ] {
            let mut secrets = Secrets::new(rule, &mut Count(0));
            assert_eq!(
                secrets.look_at(&secure, &BOTH).is_ok(),
                takes_secure,
                "{rule:?}"
            );
            let answered = secrets.answer(&secure, &LOCAL, &BOTH);
            assert_eq!(answered.is_ok(), takes_secure, "{rule:?}");
            if let Ok((text, _, keys)) = answered {
                assert!(text.contains("m=audio 40000 RTP/SAVP 8") && text.contains("a=crypto:4 "));
                assert!(keys.is_some());
            }
            let mut secrets = Secrets::new(rule, &mut Count(0));
            let answered = secrets.answer(&plain, &LOCAL, &BOTH);
            assert_eq!(answered.is_ok(), takes_plain, "{rule:?}");
            if let Ok((text, _, keys)) = answered {
                assert!(text.contains("RTP/AVP 8") && !text.contains("crypto") && keys.is_none());
            }
        }
        let mut offers = Secrets::new(SrtpUse::Offer, &mut Count(0));
        assert!(offers.fall_back() && !offers.fall_back());
        assert!(
            !offers
                .write_offer(&LOCAL, Direction::SendRecv)
                .contains("SAVP")
        );
        assert!(!Secrets::new(SrtpUse::Require, &mut Count(0)).fall_back());
    }
}
