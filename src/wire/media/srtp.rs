//! SRTP and SRTCP of one stream (RFC 3711) with the suites that telephone trunks offer in SDES (RFC 4568): AES counter mode with
//! 128 bits, HMAC-SHA1 cut to 80 or 32 bits. Key derivation, rollover counter and replay window are here; the ciphers are aws-lc's.
//!
//! In place and without an allocation per packet. Never says why a packet was refused to anybody but a counter.
//!
//! Why our own: what else exists either brings a second crypto stack (webrtc-srtp and rtc-srtp RustCrypto, srtp OpenSSL and a C build
//! of libsrtp), or keeps its SRTP private and makes a key and two vectors for each packet (str0m). The ciphers stay one library's.

use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use zeroize::Zeroize;

/// Bytes of a master key with its salt: what `inline:` carries in base64 (RFC 4568 s.6.1).
pub const MASTER_BYTES: usize = 30;
/// Bytes that protection adds to an RTCP packet: index and tag.
pub const CONTROL_OVERHEAD: usize = 4 + LONG_TAG;
/// Bytes of the tag of 80 bits. SRTCP has it in both suites (RFC 4568 s.6.2.2).
const LONG_TAG: usize = 10;
/// Packets behind the newest that are still taken once (RFC 3711 s.3.3.2: at least 64).
const WINDOW: u64 = 64;
/// Sources that one key may have in a call; more are refused. State of an old one is never dropped: its packets could come again.
const SOURCES_MAX: usize = 8;
/// Packets before a key is used up: 2^48 and 2^31 (s.9.2).
const PACKETS_MAX: u64 = 1 << 48;
const CONTROLS_MAX: u32 = 1 << 31;

/// A crypto suite of RFC 4568 s.6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES_CM_128_HMAC_SHA1_80.
    Sha1Tag80,
    /// AES_CM_128_HMAC_SHA1_32: RTP with a short tag.
    Sha1Tag32,
}

impl Suite {
    /// As `a=crypto` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Suite::Sha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::Sha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite of that name.
    pub fn of_name(name: &str) -> Option<Suite> {
        [Suite::Sha1Tag80, Suite::Sha1Tag32]
            .into_iter()
            .find(|suite| suite.name() == name)
    }

    const fn tag_bytes(self) -> usize {
        match self {
            Suite::Sha1Tag80 => LONG_TAG,
            Suite::Sha1Tag32 => 4,
        }
    }
}

/// A master key and its salt. Never printed; overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; MASTER_BYTES]);

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl MasterKey {
    /// 16 bytes of key, 14 of salt.
    pub const fn new(bytes: [u8; MASTER_BYTES]) -> Self {
        MasterKey(bytes)
    }

    /// The bytes, for the `a=crypto` line that carries them.
    pub const fn expose(&self) -> &[u8; MASTER_BYTES] {
        &self.0
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

/// Keys of both directions, as two descriptions named them (RFC 4568 s.5.1: each side names the key that it sends with).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// What we send with.
    pub our_suite: Suite,
    /// The key that our description named.
    pub ours: MasterKey,
    /// What they send with.
    pub their_suite: Suite,
    /// The key that theirs named.
    pub theirs: MasterKey,
}

/// Why a packet was not protected or not opened. Counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SrtpFault {
    /// Too short for a header and a tag, or no RTP.
    #[error("not an SRTP packet")]
    Short,
    /// The tag does not fit: forged, damaged, or another key.
    #[error("the authentication tag does not fit")]
    Forged,
    /// Seen before, or too old to tell.
    #[error("a packet that came before")]
    Replayed,
    /// More sources than one key may have.
    #[error("more than {SOURCES_MAX} sources under one key")]
    Sources,
    /// SRTCP that is not encrypted: we negotiated that it is.
    #[error("a control packet in the clear")]
    Clear,
    /// The key has protected as many packets as it may.
    #[error("the key is used up")]
    UsedUp,
    /// The crypto library refused.
    #[error("the cipher failed")]
    Cipher,
}

/// Session keys of one kind of packet.
struct Keys {
    cipher: EncryptingKey,
    salt: [u8; 14],
    tag: hmac::Key,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

fn cipher(key: &[u8]) -> Result<EncryptingKey, SrtpFault> {
    UnboundCipherKey::new(&AES_128, key)
        .and_then(EncryptingKey::ctr)
        .map_err(|_| SrtpFault::Cipher)
}

/// XORs `data` with the key stream of `iv` (s.4.1.1): counter mode is its own inverse.
fn stream(cipher: &EncryptingKey, iv: [u8; 16], data: &mut [u8]) -> Result<(), SrtpFault> {
    cipher
        .less_safe_encrypt(data, EncryptionContext::Iv128(iv.into()))
        .map(|_| ())
        .map_err(|_| SrtpFault::Cipher)
}

impl Keys {
    /// Session keys from the master key (s.4.3.1, derivation rate 0). `label`: 0 for RTP, 3 for RTCP (s.4.3.2).
    fn derive(master: &MasterKey, label: u8) -> Result<Keys, SrtpFault> {
        let derived = |label: u8, out: &mut [u8]| {
            let mut iv = [0; 16];
            iv[..14].copy_from_slice(&master.0[16..]);
            iv[7] ^= label;
            out.fill(0);
            stream(&cipher(&master.0[..16])?, iv, out)
        };
        let (mut key, mut tag, mut salt) = ([0; 16], [0; 20], [0; 14]);
        derived(label, &mut key)?;
        derived(label + 1, &mut tag)?;
        derived(label + 2, &mut salt)?;
        let keys = Keys {
            cipher: cipher(&key)?,
            salt,
            tag: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &tag),
        };
        key.zeroize();
        tag.zeroize();
        Ok(keys)
    }

    /// Encrypts or decrypts (s.4.1.1). `index`: 48 bits for RTP, 31 for RTCP.
    fn cipher(&self, ssrc: u32, index: u64, data: &mut [u8]) -> Result<(), SrtpFault> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        for (byte, part) in iv[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
            *byte ^= part;
        }
        for (byte, part) in iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *byte ^= part;
        }
        stream(&self.cipher, iv, data)
    }

    fn tag(&self, packet: &[u8], behind: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.tag);
        context.update(packet);
        context.update(behind);
        context.sign()
    }
}

/// Bytes of an RTP header with contributors and extension (RFC 3550 s.5.1), within `packet`.
fn header_bytes(packet: &[u8]) -> Result<usize, SrtpFault> {
    let fixed = packet.first_chunk::<12>().ok_or(SrtpFault::Short)?;
    if fixed[0] >> 6 != 2 {
        return Err(SrtpFault::Short);
    }
    let mut bytes = 12 + usize::from(fixed[0] & 0x0F) * 4;
    if fixed[0] & 0x10 != 0 {
        let length = packet.get(bytes + 2..bytes + 4).ok_or(SrtpFault::Short)?;
        bytes += 4 + usize::from(u16::from_be_bytes([length[0], length[1]])) * 4;
    }
    if bytes > packet.len() {
        return Err(SrtpFault::Short);
    }
    Ok(bytes)
}

fn sequence_of(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[2], packet[3]])
}

fn word_at(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}

/// What one direction of a call is sent with.
#[derive(Debug)]
pub struct Sealer {
    suite: Suite,
    rtp: Keys,
    control: Keys,
    /// Packets that the rollover counter and the last sequence number make; `None` before the first.
    last: Option<u64>,
    control_index: u32,
}

impl Sealer {
    /// For the key that our own description named.
    pub fn new(suite: Suite, master: &MasterKey) -> Result<Self, SrtpFault> {
        Ok(Sealer {
            suite,
            rtp: Keys::derive(master, 0)?,
            control: Keys::derive(master, 3)?,
            last: None,
            control_index: 0,
        })
    }

    /// Protects an RTP packet of our one source, in place; it grows by its tag. Packets in the order of their sequence.
    pub fn seal(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpFault> {
        let header = header_bytes(packet)?;
        let sequence = sequence_of(packet);
        let index = match self.last {
            None => u64::from(sequence),
            Some(last) => last + u64::from(sequence.wrapping_sub(last as u16)),
        };
        if index >= PACKETS_MAX {
            return Err(SrtpFault::UsedUp);
        }
        self.last = Some(index);
        self.rtp
            .cipher(word_at(packet, 8), index, &mut packet[header..])?;
        let tag = self.rtp.tag(packet, &rollover(index).to_be_bytes());
        packet.extend_from_slice(&tag.as_ref()[..self.suite.tag_bytes()]);
        Ok(())
    }

    /// Protects an RTCP packet, in place; it grows by [`CONTROL_OVERHEAD`].
    pub fn seal_control(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpFault> {
        if packet.len() < 8 {
            return Err(SrtpFault::Short);
        }
        if self.control_index >= CONTROLS_MAX {
            return Err(SrtpFault::UsedUp);
        }
        let index = self.control_index;
        self.control_index += 1;
        self.control
            .cipher(word_at(packet, 4), u64::from(index), &mut packet[8..])?;
        // The highest bit says: encrypted (s.3.4).
        packet.extend_from_slice(&(index | 1 << 31).to_be_bytes());
        let tag = self.control.tag(packet, &[]);
        packet.extend_from_slice(&tag.as_ref()[..LONG_TAG]);
        Ok(())
    }
}

const fn rollover(index: u64) -> u32 {
    (index >> 16) as u32
}

/// Which of the last packets were here.
#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u64,
    /// Bit n: `highest - n`.
    seen: u64,
}

impl Window {
    const fn new(first: u64) -> Window {
        Window {
            highest: first,
            seen: 0,
        }
    }

    fn admits(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < WINDOW && self.seen & (1 << behind) == 0,
        }
    }

    fn note(&mut self, index: u64) {
        if index > self.highest {
            let ahead = index - self.highest;
            self.seen = if ahead >= WINDOW {
                0
            } else {
                self.seen << ahead
            };
            self.highest = index;
        }
        self.seen |= 1 << (self.highest - index);
    }
}

/// One source of the far side.
#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    rtp: Option<Window>,
    control: Option<Window>,
}

/// What one direction of a call is received with.
#[derive(Debug)]
pub struct Opener {
    suite: Suite,
    rtp: Keys,
    control: Keys,
    sources: [Option<Source>; SOURCES_MAX],
}

impl Opener {
    /// For the key that the far side's description named.
    pub fn new(suite: Suite, master: &MasterKey) -> Result<Self, SrtpFault> {
        Ok(Opener {
            suite,
            rtp: Keys::derive(master, 0)?,
            control: Keys::derive(master, 3)?,
            sources: [None; SOURCES_MAX],
        })
    }

    /// Checks and decrypts an SRTP packet in place. Returns the length of the RTP packet in it; refused, `packet` is as it was.
    pub fn open(&mut self, packet: &mut [u8]) -> Result<usize, SrtpFault> {
        let tag_bytes = self.suite.tag_bytes();
        let length = packet
            .len()
            .checked_sub(tag_bytes)
            .ok_or(SrtpFault::Short)?;
        let (body, tag) = packet.split_at_mut(length);
        let header = header_bytes(body)?;
        let ssrc = word_at(body, 8);
        let place = self.place_of(ssrc)?;
        let window = self.sources[place].and_then(|source| source.rtp);
        let index = index_of(sequence_of(body), window.map(|window| window.highest));
        if index >= PACKETS_MAX || window.is_some_and(|window| !window.admits(index)) {
            return Err(SrtpFault::Replayed);
        }
        let wanted = self.rtp.tag(body, &rollover(index).to_be_bytes());
        if verify_slices_are_equal(&wanted.as_ref()[..tag_bytes], tag).is_err() {
            return Err(SrtpFault::Forged);
        }
        self.rtp.cipher(ssrc, index, &mut body[header..])?;
        // Only what is authentic moves the state: a forged packet must not shut the window before the true one.
        let mut window = window.unwrap_or(Window::new(index));
        window.note(index);
        self.source(place, ssrc).rtp = Some(window);
        Ok(length)
    }

    /// The same for SRTCP.
    pub fn open_control(&mut self, packet: &mut [u8]) -> Result<usize, SrtpFault> {
        let signed = packet.len().checked_sub(LONG_TAG).ok_or(SrtpFault::Short)?;
        let (body, tag) = packet.split_at_mut(signed);
        let length = body.len().checked_sub(4).ok_or(SrtpFault::Short)?;
        if length < 8 {
            return Err(SrtpFault::Short);
        }
        let trailer = word_at(body, length);
        let (index, ssrc) = (u64::from(trailer & (CONTROLS_MAX - 1)), word_at(body, 4));
        let place = self.place_of(ssrc)?;
        let window = self.sources[place].and_then(|source| source.control);
        if window.is_some_and(|window| !window.admits(index)) {
            return Err(SrtpFault::Replayed);
        }
        let wanted = self.control.tag(body, &[]);
        if verify_slices_are_equal(&wanted.as_ref()[..LONG_TAG], tag).is_err() {
            return Err(SrtpFault::Forged);
        }
        if trailer >> 31 == 0 {
            return Err(SrtpFault::Clear);
        }
        self.control.cipher(ssrc, index, &mut body[8..length])?;
        let mut window = window.unwrap_or(Window::new(index));
        window.note(index);
        self.source(place, ssrc).control = Some(window);
        Ok(length)
    }

    /// Where this source's state is, or would be.
    fn place_of(&self, ssrc: u32) -> Result<usize, SrtpFault> {
        self.sources
            .iter()
            .position(|source| source.is_none_or(|source| source.ssrc == ssrc))
            .ok_or(SrtpFault::Sources)
    }

    fn source(&mut self, place: usize, ssrc: u32) -> &mut Source {
        self.sources[place].get_or_insert(Source {
            ssrc,
            rtp: None,
            control: None,
        })
    }
}

/// The packet's index: the rollover counter that brings it nearest to the newest (s.3.3.1).
fn index_of(sequence: u16, highest: Option<u64>) -> u64 {
    let Some(highest) = highest else {
        return u64::from(sequence);
    };
    // As a signed distance: at most 32,768 either way.
    let distance = sequence.wrapping_sub(highest as u16) as i16;
    highest
        .checked_add_signed(i64::from(distance))
        // Before the very first rollover there is no earlier one: then it is ahead.
        .unwrap_or_else(|| u64::from(sequence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::outgoing::Outgoing;
    use crate::wire::media::{PCMU, comfort_noise};
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// The master key of RFC 3711 B.3.
    fn master() -> MasterKey {
        let bytes = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        MasterKey::new(bytes.try_into().unwrap())
    }

    fn pair(suite: Suite) -> (Sealer, Opener) {
        (
            Sealer::new(suite, &master()).unwrap(),
            Opener::new(suite, &master()).unwrap(),
        )
    }

    #[test]
    fn the_key_stream_of_rfc_3711_b2() {
        let key = cipher(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
        let iv: [u8; 16] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap();
        let mut data = vec![0; 0xFF02 * 16];
        stream(&key, iv, &mut data).unwrap();
        let block = |n: usize| data[n * 16..(n + 1) * 16].to_vec();
        assert_eq!(block(0), hex("E03EAD0935C95E80E166B16DD92B4EB4"));
        assert_eq!(block(1), hex("D23513162B02D0F72A43A2FE4A5F97AB"));
        assert_eq!(block(2), hex("41E95B3BB0A2E8DD477901E4FCA894C0"));
        assert_eq!(block(0xFEFF), hex("EC8CDF7398607CB0F2D21675EA9EA1E4"));
        assert_eq!(block(0xFF00), hex("362B7C3C6773516318A077D7FC5073AE"));
        assert_eq!(block(0xFF01), hex("6A2CC3787889374FBEB4C81B17BA6C44"));
    }

    #[test]
    fn the_derived_keys_of_rfc_3711_b3() {
        let keys = Keys::derive(&master(), 0).unwrap();
        assert_eq!(keys.salt.to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        // The cipher and the tag show their keys only by what they make of known data.
        let mut seen = vec![0; 16];
        stream(&keys.cipher, [0; 16], &mut seen).unwrap();
        let mut want = vec![0; 16];
        let by_hand = cipher(&hex("C61E7A93744F39EE10734AFE3FF7A087")).unwrap();
        stream(&by_hand, [0; 16], &mut want).unwrap();
        assert_eq!(seen, want);
        let by_hand = hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            &hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"),
        );
        assert_eq!(
            keys.tag(b"a", b"b").as_ref(),
            hmac::sign(&by_hand, b"ab").as_ref()
        );
    }

    /// The packets that libsrtp, the reference implementation of the RFC's authors, checks itself against.
    #[test]
    fn the_packets_of_the_reference_implementation() {
        let clear = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
        let sealed =
            hex("800f1234 decafbad cafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
        let (mut sealer, mut opener) = pair(Suite::Sha1Tag80);
        let mut packet = clear.clone();
        sealer.seal(&mut packet).unwrap();
        assert_eq!(packet, sealed);
        let length = opener.open(&mut packet).unwrap();
        assert_eq!(packet[..length], clear);

        let clear = hex("81c8000b cafebabe abababab abababab abababab abababab");
        let sealed =
            hex("81c8000b cafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
        // Its index begins at 1, ours at 0 (s.3.2.3): the second one is compared.
        let mut packet = clear.clone();
        sealer.seal_control(&mut packet).unwrap();
        packet = clear.clone();
        sealer.seal_control(&mut packet).unwrap();
        assert_eq!(packet, sealed);
        let length = opener.open_control(&mut packet).unwrap();
        assert_eq!(packet[..length], clear);
    }

    /// Packets of one stream, sealed; the sequence starts just before its wrap.
    fn sealed(suite: Suite, count: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut sealer, _) = pair(suite);
        let mut stream = Outgoing::new([1, 2, 3, 4, 0xFF, 0xF0, 0, 0, 0, 0]);
        (0..count)
            .map(|_| {
                let mut packet = Vec::new();
                stream.next(PCMU, comfort_noise(PCMU), &mut packet);
                let clear = packet.clone();
                sealer.seal(&mut packet).unwrap();
                (clear, packet)
            })
            .unzip()
    }

    #[test]
    fn a_stream_is_read_across_the_rollover_also_with_loss_and_disorder() {
        for (suite, tag) in [(Suite::Sha1Tag80, 10), (Suite::Sha1Tag32, 4)] {
            let (clear, mut packets) = sealed(suite, 80);
            assert!(packets.iter().all(|packet| packet.len() == 12 + 160 + tag));
            let (_, mut opener) = pair(suite);
            // Pairs swapped, each fifth lost.
            let order = (0..40)
                .flat_map(|n| [2 * n + 1, 2 * n])
                .filter(|n| n % 5 != 3);
            for n in order {
                let length = opener.open(&mut packets[n]).expect("a true packet");
                assert_eq!(packets[n][..length], clear[n]);
            }
        }
    }

    #[test]
    fn a_packet_is_taken_once_and_an_old_one_never() {
        let (_, packets) = sealed(Suite::Sha1Tag80, 200);
        let (_, mut opener) = pair(Suite::Sha1Tag80);
        let mut open = |n: usize| opener.open(&mut packets[n].clone()).map(|_| ());
        assert_eq!(open(10), Ok(()));
        assert_eq!(open(10), Err(SrtpFault::Replayed));
        assert_eq!(open(100), Ok(()));
        assert_eq!(open(37), Ok(())); // 63 behind: the last in the window
        assert_eq!(open(37), Err(SrtpFault::Replayed));
        assert_eq!(open(36), Err(SrtpFault::Replayed)); // never came, too old to tell
        assert_eq!(open(199), Ok(()));
        assert_eq!(open(100), Err(SrtpFault::Replayed));
    }

    #[test]
    fn forged_packets_are_refused_left_as_they_are_and_move_nothing() {
        let (clear, packets) = sealed(Suite::Sha1Tag80, 3);
        let (_, mut opener) = pair(Suite::Sha1Tag80);
        assert!(opener.open(&mut packets[0].clone()).is_ok());
        for bit in 0..packets[1].len() * 8 {
            let mut forged = packets[1].clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let before = forged.clone();
            assert!(opener.open(&mut forged).is_err(), "bit {bit}");
            assert_eq!(forged, before);
        }
        let mut packet = packets[1].clone();
        let length = opener
            .open(&mut packet)
            .expect("the true one still comes through");
        assert_eq!(packet[..length], clear[1]);
    }

    #[test]
    fn control_packets_are_checked_for_forgery_replay_and_clear_text() {
        let (mut sealer, mut opener) = pair(Suite::Sha1Tag32);
        let clear = hex("80c90001 00000007 81ca0002 00000007 01016100");
        let mut packet = clear.clone();
        sealer.seal_control(&mut packet).unwrap();
        assert_eq!(packet.len(), clear.len() + CONTROL_OVERHEAD);
        let sealed = packet.clone();
        assert_eq!(opener.open_control(&mut packet), Ok(clear.len()));
        assert_eq!(packet[..clear.len()], clear);
        assert_eq!(
            opener.open_control(&mut sealed.clone()),
            Err(SrtpFault::Replayed)
        );
        let mut forged = sealed;
        forged[9] ^= 1;
        forged[clear.len() + 3] ^= 9; // another index
        assert_eq!(opener.open_control(&mut forged), Err(SrtpFault::Forged));
        // Authentic, but without the bit that says encrypted.
        let mut open = clear.clone();
        open.extend_from_slice(&[0, 0, 0, 77]);
        let tag = sealer.control.tag(&open, &[]).as_ref()[..LONG_TAG].to_vec();
        open.extend_from_slice(&tag);
        assert_eq!(opener.open_control(&mut open), Err(SrtpFault::Clear));
    }

    #[test]
    fn one_key_has_a_bounded_number_of_sources_and_remembers_each() {
        let (_, mut opener) = pair(Suite::Sha1Tag80);
        let mut first = Vec::new();
        for ssrc in 0..=SOURCES_MAX as u8 {
            let (mut sealer, _) = pair(Suite::Sha1Tag80);
            let mut packet = Vec::new();
            Outgoing::new([0, 0, 0, ssrc, 0, 0, 0, 0, 0, 0]).next(
                PCMU,
                comfort_noise(PCMU),
                &mut packet,
            );
            sealer.seal(&mut packet).unwrap();
            first.push(packet);
        }
        for packet in &first[..SOURCES_MAX] {
            assert!(opener.open(&mut packet.clone()).is_ok());
        }
        assert_eq!(
            opener.open(&mut first[SOURCES_MAX].clone()),
            Err(SrtpFault::Sources)
        );
        assert_eq!(opener.open(&mut first[0].clone()), Err(SrtpFault::Replayed));
    }

    #[test]
    fn keys_are_not_printed() {
        let (sealer, opener) = pair(Suite::Sha1Tag80);
        let text = format!("{:?} {sealer:?} {opener:?}", master());
        assert!(
            !text.contains("225") && !text.to_lowercase().contains("e1"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_opener_panic_or_are_accepted(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (_, mut opener) = pair(Suite::Sha1Tag32);
            if let Some(first) = bytes.first_mut() {
                *first = 0x80 | (*first & 0x3F);
            }
            prop_assert!(opener.open(&mut bytes.clone()).is_err());
            prop_assert!(opener.open_control(&mut bytes).is_err());
        }
    }
}
