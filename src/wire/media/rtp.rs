//! One RTP packet (RFC 3550 s.5.1): read from arbitrary bytes, written from fields. Owns no memory; never panics.

/// Bytes of a header without contributing sources and extension.
pub const HEADER_BYTES: usize = 12;

/// A packet as it lies in the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// Marker bit: for audio, the first packet after silence (RFC 3551 s.4.1).
    pub marker: bool,
    /// 0..=127.
    pub payload_type: u8,
    /// Rises by one per packet, wraps.
    pub sequence: u16,
    /// In samples, wraps.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Contributing sources named in the header, 0..=15.
    pub contributors: u8,
    /// Without padding; may be empty.
    pub payload: &'a [u8],
}

/// Why a datagram is no RTP packet. Counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RtpFault {
    /// Fewer bytes than the header says it has.
    #[error("shorter than its own header")]
    Short,
    /// The version is not 2.
    #[error("not RTP version 2")]
    Version,
    /// An RTCP packet on the RTP port: types 192..=223, seen as payload types 64..=95 (RFC 5761 s.4).
    #[error("RTCP on the RTP port")]
    Control,
    /// The padding length is zero or exceeds what follows the header.
    #[error("padding longer than the payload")]
    Padding,
}

impl<'a> RtpPacket<'a> {
    /// Reads a datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtpFault> {
        let (header, mut rest) = datagram
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(RtpFault::Short)?;
        let [first, second, ..] = *header;
        if first >> 6 != 2 {
            return Err(RtpFault::Version);
        }
        if (192..=223).contains(&second) {
            return Err(RtpFault::Control);
        }
        let contributors = first & 0x0F;
        rest = rest
            .get(usize::from(contributors) * 4..)
            .ok_or(RtpFault::Short)?;
        if first & 0x10 != 0 {
            // s.5.3.1: 16 bits of profile, then the length in 32-bit words without these four bytes.
            let (extension, after) = rest.split_first_chunk::<4>().ok_or(RtpFault::Short)?;
            let words = u16::from_be_bytes([extension[2], extension[3]]);
            rest = after.get(usize::from(words) * 4..).ok_or(RtpFault::Short)?;
        }
        if first & 0x20 != 0 {
            // s.5.1: the last byte counts the padding, itself included.
            let padding = usize::from(*rest.last().ok_or(RtpFault::Padding)?);
            if padding == 0 || padding > rest.len() {
                return Err(RtpFault::Padding);
            }
            rest = &rest[..rest.len() - padding];
        }
        Ok(RtpPacket {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7F,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            contributors,
            payload: rest,
        })
    }

    /// Replaces `out` by the packet's bytes, without contributors, extension or padding.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.reserve(HEADER_BYTES + self.payload.len());
        out.push(2 << 6);
        out.push((u8::from(self.marker) << 7) | (self.payload_type & 0x7F));
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(self.payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(first: u8, second: u8) -> Vec<u8> {
        let mut bytes = vec![first, second, 0x12, 0x34, 0, 0, 0, 160];
        bytes.extend_from_slice(&[0xDE, 0xAD, 0xBE, 0xEF]);
        bytes
    }

    #[test]
    fn a_plain_packet_is_read_field_by_field() {
        let mut bytes = header(0x80, 0x88);
        bytes.extend_from_slice(b"audio");
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(
            packet,
            RtpPacket {
                marker: true,
                payload_type: 8,
                sequence: 0x1234,
                timestamp: 160,
                ssrc: 0xDEAD_BEEF,
                contributors: 0,
                payload: b"audio",
            }
        );
    }

    #[test]
    fn contributors_extension_and_padding_are_taken_off() {
        let mut bytes = header(0x80 | 0x20 | 0x10 | 2, 0);
        bytes.extend_from_slice(&[0; 8]); // two contributors
        bytes.extend_from_slice(&[0xBE, 0xDE, 0, 1, 1, 2, 3, 4]); // one word of extension
        bytes.extend_from_slice(b"ab");
        bytes.extend_from_slice(&[0, 0, 3]);
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!((packet.contributors, packet.payload), (2, &b"ab"[..]));
    }

    #[test]
    fn lies_about_lengths_are_faults() {
        let table: [(Vec<u8>, RtpFault); 8] = [
            (vec![0x80, 0, 0, 1], RtpFault::Short),
            (vec![], RtpFault::Short),
            (header(0x40, 0), RtpFault::Version),
            (header(0x8F, 0), RtpFault::Short), // 15 contributors, none there
            (header(0x90, 0), RtpFault::Short), // an extension, none there
            (header(0x80, 200), RtpFault::Control), // a sender report
            (header(0xA0, 0), RtpFault::Padding), // padding, no byte to count it
            (
                [header(0xA0, 0), vec![9, 9, 9, 9]].concat(),
                RtpFault::Padding,
            ),
        ];
        for (bytes, fault) in table {
            assert_eq!(RtpPacket::parse(&bytes), Err(fault), "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_or_read_outside(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                prop_assert!(packet.payload.len() + HEADER_BYTES + 4 * usize::from(packet.contributors) <= bytes.len());
                prop_assert!(packet.payload_type < 128);
            }
        }

        #[test]
        fn what_is_written_is_read_back(
            marker: bool, payload_type in 0u8..64, sequence: u16, timestamp: u32, ssrc: u32,
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let packet = RtpPacket { marker, payload_type, sequence, timestamp, ssrc, contributors: 0, payload: &payload };
            let mut bytes = Vec::new();
            packet.write(&mut bytes);
            prop_assert_eq!(RtpPacket::parse(&bytes), Ok(packet));
        }
    }
}
