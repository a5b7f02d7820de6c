//! RTCP as bytes (RFC 3550 s.6): sender and receiver reports, CNAME and BYE; compound packets read from hostile bytes. Owns no
//! memory; never panics. What the figures mean over time is [`super::reports`].

/// Packet types (RFC 3550 s.12.1).
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// SDES item of the canonical name (s.6.5.1).
const CNAME: u8 = 1;
/// Bytes of a report block.
const BLOCK_BYTES: usize = 24;
/// Bytes of a sender report's sender information.
const SENDER_BYTES: usize = 20;
/// Packets of one compound that are read: a datagram of 1,500 bytes could name 375.
const PACKETS_MAX: usize = 32;

/// Why a datagram is no RTCP. Counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RtcpFault {
    /// Fewer bytes than a length in it says.
    #[error("shorter than its own length")]
    Short,
    /// A version other than 2.
    #[error("not RTCP version 2")]
    Version,
    /// The first packet is no report (RFC 3550 A.2).
    #[error("a compound packet that does not begin with a report")]
    NoReport,
    /// Padding where only the last packet may have it, or longer than that packet.
    #[error("padding out of place")]
    Padding,
    /// More packets than we read.
    #[error("more than {PACKETS_MAX} packets in one")]
    TooMany,
}

/// What a sender says of itself (s.6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Its wall clock, 32.32 bits of seconds (s.4).
    pub ntp: u64,
    /// The same instant on its RTP timeline.
    pub timestamp: u32,
    /// Packets sent since it began; wraps.
    pub packets: u32,
    /// Bytes of their payloads; wraps.
    pub bytes: u32,
}

/// How somebody receives one source (s.6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whose packets.
    pub ssrc: u32,
    /// Lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Lost since the begin; negative where copies came. 24 bits.
    pub lost: i32,
    /// Highest sequence number, with its wraps above bit 16.
    pub highest: u32,
    /// Interarrival jitter in clock units.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's `ntp`; 0 if none came.
    pub last_report: u32,
    /// From that report's arrival to this one's sending, in 65,536ths of a second.
    pub delay_since: u32,
}

/// One thing that a compound packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A sender report's own part.
    Sender(u32, SenderInfo),
    /// How `0` receives somebody.
    Block(u32, ReportBlock),
    /// The canonical name of a source. Bytes of the far side: never printed.
    Name(u32, &'a [u8]),
    /// A source is leaving.
    Bye(u32),
}

/// Whether a datagram on a port that RTP shares is RTCP (RFC 5761 s.4): types 192..=223 in the second byte.
pub fn is_control(datagram: &[u8]) -> bool {
    datagram.len() >= 2 && datagram[0] >> 6 == 2 && (192..=223).contains(&datagram[1])
}

/// One packet of a compound, framed.
struct Framed<'a> {
    kind: u8,
    count: u8,
    /// Behind the four bytes of the header, without padding.
    body: &'a [u8],
}

/// Takes the first packet off `rest`.
fn frame<'a>(rest: &mut &'a [u8]) -> Result<Framed<'a>, RtcpFault> {
    let (header, after) = rest.split_first_chunk::<4>().ok_or(RtcpFault::Short)?;
    if header[0] >> 6 != 2 {
        return Err(RtcpFault::Version);
    }
    let bytes = usize::from(u16::from_be_bytes([header[2], header[3]])) * 4;
    if bytes > after.len() {
        return Err(RtcpFault::Short);
    }
    let (mut body, behind) = after.split_at(bytes);
    if header[0] & 0x20 != 0 {
        // s.6.4.1: only the last packet of a compound is padded; its last byte counts the padding, a multiple of four.
        let padding = usize::from(*body.last().ok_or(RtcpFault::Padding)?);
        if !behind.is_empty() || padding == 0 || padding % 4 != 0 || padding > body.len() {
            return Err(RtcpFault::Padding);
        }
        body = &body[..body.len() - padding];
    }
    *rest = behind;
    Ok(Framed {
        kind: header[1],
        count: header[0] & 0x1F,
        body,
    })
}

/// Reads a compound packet whole before anything of it is said (A.2), then tells each item in its order. Types that we do not
/// know (APP, extended reports, feedback) are passed over.
pub fn read<'a>(datagram: &'a [u8], mut told: impl FnMut(Item<'a>)) -> Result<(), RtcpFault> {
    let mut rest = datagram;
    let mut packets = 0;
    while !rest.is_empty() || packets == 0 {
        let framed = frame(&mut rest)?;
        if packets == 0 && !matches!(framed.kind, SENDER_REPORT | RECEIVER_REPORT) {
            return Err(RtcpFault::NoReport);
        }
        let needed = match framed.kind {
            SENDER_REPORT => 4 + SENDER_BYTES + usize::from(framed.count) * BLOCK_BYTES,
            RECEIVER_REPORT => 4 + usize::from(framed.count) * BLOCK_BYTES,
            GOODBYE => usize::from(framed.count) * 4,
            _ => 0,
        };
        if framed.body.len() < needed {
            return Err(RtcpFault::Short);
        }
        packets += 1;
        if packets > PACKETS_MAX {
            return Err(RtcpFault::TooMany);
        }
    }
    let mut rest = datagram;
    while !rest.is_empty() {
        tell(&frame(&mut rest)?, &mut told);
    }
    Ok(())
}

fn tell<'a>(framed: &Framed<'a>, told: &mut impl FnMut(Item<'a>)) {
    let body = framed.body;
    match framed.kind {
        SENDER_REPORT | RECEIVER_REPORT => {
            let Some((ssrc, mut blocks)) = word(body) else {
                return;
            };
            if framed.kind == SENDER_REPORT {
                let Some((info, after)) = blocks.split_first_chunk::<SENDER_BYTES>() else {
                    return;
                };
                told(Item::Sender(ssrc, read_sender(info)));
                blocks = after;
            }
            // What is behind the blocks is a profile's extension (s.6.4.3).
            for block in blocks
                .chunks_exact(BLOCK_BYTES)
                .take(usize::from(framed.count))
            {
                if let Ok(block) = block.try_into() {
                    told(Item::Block(ssrc, read_block(block)));
                }
            }
        }
        SOURCE_DESCRIPTION => tell_names(framed, told),
        GOODBYE => {
            let mut rest = body;
            for _ in 0..framed.count {
                let Some((ssrc, after)) = word(rest) else {
                    return;
                };
                told(Item::Bye(ssrc));
                rest = after;
            }
        }
        _ => {}
    }
}

/// Canonical names of an SDES packet (s.6.5). A chunk that lies about its lengths ends the reading of this packet only.
fn tell_names<'a>(framed: &Framed<'a>, told: &mut impl FnMut(Item<'a>)) {
    let mut rest = framed.body;
    for _ in 0..framed.count {
        let Some((ssrc, mut items)) = word(rest) else {
            return;
        };
        let mut taken = 0;
        loop {
            match *items {
                // A zero ends the chunk, and fills it up to the next word.
                [0, ..] => {
                    taken += 1;
                    break;
                }
                [kind, length, ref after @ ..] if after.len() >= usize::from(length) => {
                    let (text, behind) = after.split_at(usize::from(length));
                    if kind == CNAME {
                        told(Item::Name(ssrc, text));
                    }
                    taken += 2 + text.len();
                    items = behind;
                }
                _ => return,
            }
        }
        let chunk = 4 + usize::next_multiple_of(taken, 4);
        let Some(after) = rest.get(chunk..) else {
            return;
        };
        rest = after;
    }
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*word), rest))
}

fn read_sender(bytes: &[u8; SENDER_BYTES]) -> SenderInfo {
    let at = |n: usize| u32::from_be_bytes([bytes[n], bytes[n + 1], bytes[n + 2], bytes[n + 3]]);
    SenderInfo {
        ntp: u64::from(at(0)) << 32 | u64::from(at(4)),
        timestamp: at(8),
        packets: at(12),
        bytes: at(16),
    }
}

fn read_block(bytes: &[u8; BLOCK_BYTES]) -> ReportBlock {
    let at = |n: usize| u32::from_be_bytes([bytes[n], bytes[n + 1], bytes[n + 2], bytes[n + 3]]);
    ReportBlock {
        ssrc: at(0),
        fraction_lost: bytes[4],
        // 24 bits with a sign.
        lost: (at(4) << 8) as i32 >> 8,
        highest: at(8),
        jitter: at(12),
        last_report: at(16),
        delay_since: at(20),
    }
}

/// A compound packet of ours.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    /// Our source.
    pub ssrc: u32,
    /// What we sent; `None` before the first packet: then it is a receiver report.
    pub sender: Option<SenderInfo>,
    /// How we receive the far side, if it sent anything.
    pub block: Option<ReportBlock>,
    /// Canonical name: opaque, at most 255 bytes; names nobody (RFC 7022).
    pub name: &'a str,
    /// Whether we are leaving.
    pub bye: bool,
}

impl Compound<'_> {
    /// Replaces `out` by the packet's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        let kind = if self.sender.is_some() {
            SENDER_REPORT
        } else {
            RECEIVER_REPORT
        };
        packet(out, kind, u8::from(self.block.is_some()), |out| {
            out.extend_from_slice(&self.ssrc.to_be_bytes());
            if let Some(info) = &self.sender {
                out.extend_from_slice(&info.ntp.to_be_bytes());
                for field in [info.timestamp, info.packets, info.bytes] {
                    out.extend_from_slice(&field.to_be_bytes());
                }
            }
            if let Some(block) = &self.block {
                let lost = block.lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
                let lost = u32::from(block.fraction_lost) << 24 | lost;
                for field in [
                    block.ssrc,
                    lost,
                    block.highest,
                    block.jitter,
                    block.last_report,
                    block.delay_since,
                ] {
                    out.extend_from_slice(&field.to_be_bytes());
                }
            }
        });
        packet(out, SOURCE_DESCRIPTION, 1, |out| {
            let length = self.name.len().min(usize::from(u8::MAX));
            out.extend_from_slice(&self.ssrc.to_be_bytes());
            out.extend_from_slice(&[CNAME, length as u8]);
            out.extend_from_slice(&self.name.as_bytes()[..length]);
            // At least one zero ends the chunk.
            out.push(0);
        });
        if self.bye {
            packet(out, GOODBYE, 1, |out| {
                out.extend_from_slice(&self.ssrc.to_be_bytes());
            });
        }
    }
}

/// Adds one packet: header, what `body` writes, zeros up to the next word.
fn packet(out: &mut Vec<u8>, kind: u8, count: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[2 << 6 | count, kind, 0, 0]);
    body(out);
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compound() -> Compound<'static> {
        Compound {
            ssrc: 0xDEAD_BEEF,
            sender: Some(SenderInfo {
                ntp: 0x0102_0304_0506_0708,
                timestamp: 160,
                packets: 500,
                bytes: 80_000,
            }),
            block: Some(ReportBlock {
                ssrc: 7,
                fraction_lost: 25,
                lost: -3,
                highest: 0x1_0005,
                jitter: 40,
                last_report: 0x0304_0506,
                delay_since: 65_536,
            }),
            name: "t1",
            bye: true,
        }
    }

    fn items(bytes: &[u8]) -> Result<Vec<Item<'_>>, RtcpFault> {
        let mut items = Vec::new();
        read(bytes, |item| items.push(item)).map(|()| items)
    }

    #[test]
    fn what_is_written_is_read_back_item_by_item() {
        let ours = compound();
        let mut bytes = Vec::new();
        ours.write(&mut bytes);
        assert!(is_control(&bytes));
        assert_eq!(
            items(&bytes).unwrap(),
            [
                Item::Sender(ours.ssrc, ours.sender.unwrap()),
                Item::Block(ours.ssrc, ours.block.unwrap()),
                Item::Name(ours.ssrc, b"t1"),
                Item::Bye(ours.ssrc),
            ]
        );
    }

    #[test]
    fn the_bytes_are_those_of_the_rfc() {
        // An empty receiver report and a CNAME of one letter, laid out by hand after RFC 3550 s.6.4.2 and s.6.5.
        let mut bytes = Vec::new();
        Compound {
            ssrc: 1,
            sender: None,
            block: None,
            name: "a",
            bye: false,
        }
        .write(&mut bytes);
        assert_eq!(
            bytes,
            [
                0x80, 201, 0, 1, 0, 0, 0, 1, //
                0x81, 202, 0, 2, 0, 0, 0, 1, 1, 1, b'a', 0,
            ]
        );
    }

    #[test]
    fn lies_about_lengths_are_faults_and_nothing_of_them_is_told() {
        let mut good = Vec::new();
        compound().write(&mut good);
        let changed = |at: usize, to: u8| {
            let mut bytes = good.clone();
            bytes[at] = to;
            bytes
        };
        let table = [
            (vec![], RtcpFault::Short),
            (good[..good.len() - 1].to_vec(), RtcpFault::Short),
            (changed(0, 0x41), RtcpFault::Version),
            (changed(1, 202), RtcpFault::NoReport),
            (changed(0, 0x9F), RtcpFault::Short), // 31 blocks, one there
            (changed(3, 255), RtcpFault::Short),
            (changed(0, 0xA1), RtcpFault::Padding), // padded, but not the last
            ([0x80, 201, 0, 1, 0, 0, 0, 1].repeat(40), RtcpFault::TooMany),
            (vec![0xA0, 201, 0, 1, 0, 0, 0, 3], RtcpFault::Padding),
        ];
        for (bytes, fault) in table {
            assert_eq!(items(&bytes), Err(fault), "{bytes:02x?}");
        }
    }

    #[test]
    fn unknown_packets_and_extensions_are_passed_over() {
        let mut bytes = vec![0x80, 201, 0, 2, 0, 0, 0, 9, 1, 2, 3, 4]; // four bytes of a profile
        bytes.extend_from_slice(&[0x80, 204, 0, 2, 0, 0, 0, 9, b'n', b'a', b'm', b'e']);
        bytes.extend_from_slice(&[0x81, 203, 0, 1, 0, 0, 0, 9]);
        assert_eq!(items(&bytes).unwrap(), [Item::Bye(9)]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), likely: bool) {
            if likely && bytes.len() >= 4 {
                // Past the first checks, or chance would never get there.
                bytes[0] = 0x80 | (bytes[0] & 0x3F);
                bytes[1] = 200 + bytes[1] % 5;
                bytes[2] = 0;
                bytes[3] %= 40;
            }
            let mut told = 0;
            let read = read(&bytes, |_| told += 1);
            prop_assert!(read.is_ok() || told == 0);
        }

        #[test]
        fn any_report_survives_the_wire(
            ssrc: u32, lost in -0x80_0000i32..0x7F_FFFF, fraction_lost: u8, highest: u32, jitter: u32,
            name in "[a-z0-9]{0,40}", bye: bool, ntp: u64,
        ) {
            let block = ReportBlock { ssrc: 3, fraction_lost, lost, highest, jitter, last_report: 5, delay_since: 6 };
            let sender = SenderInfo { ntp, timestamp: highest, packets: jitter, bytes: ssrc };
            let mut bytes = Vec::new();
            Compound { ssrc, sender: Some(sender), block: Some(block), name: &name, bye }.write(&mut bytes);
            let mut wanted = vec![Item::Sender(ssrc, sender), Item::Block(ssrc, block), Item::Name(ssrc, name.as_bytes())];
            wanted.extend(bye.then_some(Item::Bye(ssrc)));
            prop_assert_eq!(items(&bytes), Ok(wanted));
        }
    }
}
