//! SDP (RFC 8866) as far as a telephone call needs it: offer, answer, and the audio path that they agree on (RFC 3264).
//!
//! Owns the codecs that we speak (PCMU, PCMA, telephone-event). Addresses only: a host name in `c=` is never resolved.

use super::sdes::{Crypto, LINES_MAX};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most media sections of a description.
const MEDIA_MAX: usize = 32;
/// Most payload types of a media section.
const FORMATS_MAX: usize = 64;
/// Our payload type for telephone-event (RFC 4733).
const EVENT_PAYLOAD: u8 = 101;

/// Why a description cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SdpFault {
    /// Absent where it must stand.
    #[error("description is missing")]
    Missing,
    /// Not `v=0`, or a line that is none.
    #[error("description is malformed")]
    Malformed,
    /// More media sections or payload types than we read.
    #[error("description is too large")]
    TooLarge,
    /// No audio over RTP/AVP that is not refused.
    #[error("no audio stream")]
    NoAudio,
    /// Neither PCMU nor PCMA.
    #[error("no common codec")]
    NoCodec,
    /// SRTP without a key that we can use.
    #[error("no usable key")]
    NoKey,
    /// No address, a host name, or an address that no voice can be sent to.
    #[error("no usable address")]
    Address,
}

/// Who may send (RFC 3264 s.5.1), from the viewpoint of whoever wrote the description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both.
    #[default]
    SendRecv,
    /// The writer only: the reader is on hold.
    SendOnly,
    /// The reader only.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// The direction of the answer that accepts this offer in full.
    pub const fn answered(self) -> Direction {
        match self {
            Direction::SendRecv => Direction::SendRecv,
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            Direction::Inactive => Direction::Inactive,
        }
    }

    /// Attribute name.
    pub const fn attribute(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    fn of_attribute(name: &str) -> Option<Direction> {
        [
            Direction::SendRecv,
            Direction::SendOnly,
            Direction::RecvOnly,
            Direction::Inactive,
        ]
        .into_iter()
        .find(|direction| direction.attribute() == name)
    }
}

/// G.711 in one of its two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Law {
    /// PCMU, payload type 0.
    Mu,
    /// PCMA, payload type 8.
    A,
}

impl Law {
    /// Static payload type (RFC 3551).
    pub const fn payload_type(self) -> u8 {
        match self {
            Law::Mu => 0,
            Law::A => 8,
        }
    }

    const fn encoding(self) -> &'static str {
        match self {
            Law::Mu => "PCMU",
            Law::A => "PCMA",
        }
    }

    /// The law of a static payload type; `None`: it is no G.711.
    pub fn of_payload_type(payload: u8) -> Option<Law> {
        [Law::Mu, Law::A]
            .into_iter()
            .find(|law| law.payload_type() == payload)
    }
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// "audio", "video".
    pub kind: String,
    /// Port; 0 means refused.
    pub port: u16,
    /// "RTP/AVP".
    pub protocol: String,
    /// Formats as written; payload types for RTP.
    pub formats: Vec<String>,
    /// Its own `c=`, if it has one.
    pub connection: Option<IpAddr>,
    /// Its own direction, if it has one.
    pub direction: Option<Direction>,
    /// Payload type of telephone-event, if mapped.
    pub telephone_event: Option<u8>,
    /// Its `a=crypto` lines that we can use, in their order.
    pub crypto: Vec<Crypto>,
}

impl Media {
    /// Whether it is SRTP (RFC 4568 s.1).
    pub fn is_secure(&self) -> bool {
        self.protocol == "RTP/SAVP"
    }
}

/// A session description, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sdp {
    /// Session-level `c=`.
    pub connection: Option<IpAddr>,
    /// Session-level direction.
    pub direction: Option<Direction>,
    /// Media sections in their order.
    pub media: Vec<Media>,
}

/// The audio path that a description of the far end opens for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioPath {
    /// Where our voice goes; `None` while the far end holds with the null address (RFC 3264 s.8.4, old style).
    pub remote: Option<SocketAddr>,
    /// What we send.
    pub law: Law,
    /// Payload type for key tones, if the far end takes them.
    pub telephone_event: Option<u8>,
    /// Direction as the far end wrote it.
    pub direction: Direction,
}

/// Our own side of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAudio {
    /// Address in `o=` and `c=`.
    pub address: IpAddr,
    /// RTP port.
    pub port: u16,
    /// Session id in `o=`; the same for the whole call.
    pub session: u64,
    /// Session version in `o=`; one more with every change.
    pub version: u64,
}

impl Sdp {
    /// Reads a description. Unknown lines and attributes are skipped, as RFC 8866 s.5 asks.
    pub fn parse(octets: &[u8]) -> Result<Sdp, SdpFault> {
        if octets.is_empty() {
            return Err(SdpFault::Missing);
        }
        let text = String::from_utf8_lossy(octets);
        let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
        if lines.next() != Some("v=0") {
            return Err(SdpFault::Malformed);
        }
        let mut sdp = Sdp::default();
        for line in lines {
            if line.trim().is_empty() {
                continue;
            }
            let (kind, value) = line.split_once('=').ok_or(SdpFault::Malformed)?;
            match kind {
                "m" => {
                    if sdp.media.len() >= MEDIA_MAX {
                        return Err(SdpFault::TooLarge);
                    }
                    sdp.media.push(read_media(value)?);
                }
                "c" => {
                    let address = read_connection(value);
                    match sdp.media.last_mut() {
                        // A host name or an unknown network type leaves the stream without an address.
                        Some(media) => media.connection = address,
                        None => sdp.connection = address,
                    }
                }
                "a" => read_attribute(value, &mut sdp),
                _ if kind.len() == 1 => {}
                _ => return Err(SdpFault::Malformed),
            }
        }
        Ok(sdp)
    }

    /// The first audio stream that is not refused, of SRTP or of plain RTP, with its place among the media sections.
    pub fn stream(&self, secure: bool) -> Result<(usize, &Media), SdpFault> {
        let protocol = if secure { "RTP/SAVP" } else { "RTP/AVP" };
        self.media
            .iter()
            .enumerate()
            .find(|(_, media)| {
                media.kind == "audio" && media.port != 0 && media.protocol == protocol
            })
            .ok_or(SdpFault::NoAudio)
    }

    /// The plain audio path of this description: the first law of the writer's list that `spoken` holds.
    pub fn audio_path(&self, spoken: &[Law]) -> Result<AudioPath, SdpFault> {
        let (_, media) = self.stream(false)?;
        self.path_of(media, spoken)
    }

    /// The audio path of one of its streams.
    pub fn path_of(&self, media: &Media, spoken: &[Law]) -> Result<AudioPath, SdpFault> {
        let law = media
            .formats
            .iter()
            .filter_map(|format| format.parse().ok().and_then(Law::of_payload_type))
            .find(|law| spoken.contains(law))
            .ok_or(SdpFault::NoCodec)?;
        let address = media
            .connection
            .or(self.connection)
            .ok_or(SdpFault::Address)?;
        let is_broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
        if address.is_multicast() || is_broadcast {
            return Err(SdpFault::Address);
        }
        let direction = media.direction.or(self.direction).unwrap_or_default();
        Ok(AudioPath {
            remote: (!address.is_unspecified()).then(|| SocketAddr::new(address, media.port)),
            law,
            telephone_event: media.telephone_event,
            direction: match direction {
                Direction::SendRecv if address.is_unspecified() => Direction::SendOnly,
                other => other,
            },
        })
    }
}

/// Our offer: PCMU, PCMA and telephone-event, 20 ms, both directions.
pub fn write_offer(local: &LocalAudio, direction: Direction) -> String {
    let mut text = head(local);
    write_audio(
        &mut text,
        local.port,
        &[Law::Mu, Law::A],
        Some(EVENT_PAYLOAD),
        direction,
    );
    text
}

/// Our answer to an offer, and the audio path that it opens. Other streams are refused with port 0 (RFC 3264 s.6).
pub fn write_answer(
    offer: &Sdp,
    local: &LocalAudio,
    spoken: &[Law],
) -> Result<(String, AudioPath), SdpFault> {
    let (place, media) = offer.stream(false)?;
    let path = offer.path_of(media, spoken)?;
    Ok((write_answer_at(offer, place, &path, local), path))
}

/// Our plain answer that takes the stream at `place`.
pub fn write_answer_at(offer: &Sdp, place: usize, path: &AudioPath, local: &LocalAudio) -> String {
    let mut text = head(local);
    for (index, media) in offer.media.iter().enumerate() {
        if index == place {
            write_audio(
                &mut text,
                local.port,
                &[path.law],
                path.telephone_event,
                path.direction.answered(),
            );
        } else {
            let formats = media.formats.first().map_or("0", String::as_str);
            let _ = write!(text, "m={} 0 {} {formats}\r\n", media.kind, media.protocol);
        }
    }
    text
}

fn head(local: &LocalAudio) -> String {
    let family = if local.address.is_ipv4() {
        "IP4"
    } else {
        "IP6"
    };
    let LocalAudio {
        address,
        session,
        version,
        ..
    } = local;
    let address = address.to_string();
    let mut text = String::with_capacity(384);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "v=0\r\no=- {session} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"
    );
    text
}

fn write_audio(
    text: &mut String,
    port: u16,
    laws: &[Law],
    event: Option<u8>,
    direction: Direction,
) {
    // Writing to a String cannot fail.
    let _ = write!(text, "m=audio {port} RTP/AVP");
    for law in laws {
        let _ = write!(text, " {}", law.payload_type());
    }
    if let Some(event) = event {
        let _ = write!(text, " {event}");
    }
    text.push_str("\r\n");
    for law in laws {
        let _ = write!(
            text,
            "a=rtpmap:{} {}/8000\r\n",
            law.payload_type(),
            law.encoding()
        );
    }
    if let Some(event) = event {
        let _ = write!(
            text,
            "a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-16\r\n"
        );
    }
    let _ = write!(text, "a=ptime:20\r\na={}\r\n", direction.attribute());
}

fn is_sdp_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|octet| octet.is_ascii_graphic())
}

fn read_media(value: &str) -> Result<Media, SdpFault> {
    let mut words = value.split(' ').filter(|word| !word.is_empty());
    let mut next = || {
        words
            .next()
            .filter(|word| is_sdp_token(word))
            .ok_or(SdpFault::Malformed)
    };
    let (kind, port, protocol) = (next()?, next()?, next()?);
    // "49170/2": a number of ports behind the first.
    let port = port.split('/').next().unwrap_or(port);
    let port = if port.bytes().all(|octet| octet.is_ascii_digit()) {
        port.parse().map_err(|_| SdpFault::Malformed)?
    } else {
        return Err(SdpFault::Malformed);
    };
    let mut formats = Vec::new();
    for word in words {
        if !is_sdp_token(word) {
            return Err(SdpFault::Malformed);
        }
        if formats.len() >= FORMATS_MAX {
            return Err(SdpFault::TooLarge);
        }
        formats.push(word.to_owned());
    }
    Ok(Media {
        kind: kind.to_owned(),
        port,
        protocol: protocol.to_owned(),
        formats,
        connection: None,
        direction: None,
        telephone_event: None,
        crypto: Vec::new(),
    })
}

fn read_connection(value: &str) -> Option<IpAddr> {
    let mut words = value.split(' ').filter(|word| !word.is_empty());
    let (network, family, address) = (words.next()?, words.next()?, words.next()?);
    if network != "IN" {
        return None;
    }
    // Behind a slash: time to live and number of addresses, for multicast.
    let address = address.split('/').next()?;
    match family {
        "IP4" => address.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "IP6" => address.parse::<Ipv6Addr>().ok().map(|address| {
            // An IPv4-mapped address is reached over IPv4 (RFC 5118 s.4.9).
            address
                .to_ipv4_mapped()
                .map_or(IpAddr::V6(address), IpAddr::V4)
        }),
        _ => None,
    }
}

fn read_attribute(value: &str, sdp: &mut Sdp) {
    if let Some(direction) = Direction::of_attribute(value.trim()) {
        match sdp.media.last_mut() {
            Some(media) => media.direction = Some(direction),
            None => sdp.direction = Some(direction),
        }
        return;
    }
    let Some(media) = sdp.media.last_mut() else {
        return;
    };
    if let Some(line) = value.strip_prefix("crypto:") {
        if media.crypto.len() < LINES_MAX {
            media.crypto.extend(Crypto::parse(line));
        }
        return;
    }
    if let Some((payload, encoding)) = value
        .strip_prefix("rtpmap:")
        .and_then(|map| map.split_once(' '))
        && encoding
            .trim()
            .to_ascii_lowercase()
            .starts_with("telephone-event/8000")
        && let Ok(payload) = payload.trim().parse::<u8>()
        && payload < 128
        && media
            .formats
            .iter()
            .any(|format| format.parse() == Ok(payload))
    {
        media.telephone_event = Some(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: [Law; 2] = [Law::Mu, Law::A];
    const LOCAL: LocalAudio = LocalAudio {
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        port: 40_000,
        session: 7,
        version: 1,
    };

    fn path(text: &str) -> Result<AudioPath, SdpFault> {
        Sdp::parse(text.replace('\n', "\r\n").as_bytes())?.audio_path(&BOTH)
    }

    #[test]
    fn our_own_offer_is_understood_by_our_own_reader() {
        let offer = write_offer(&LOCAL, Direction::SendRecv);
        let read = Sdp::parse(offer.as_bytes()).and_then(|sdp| sdp.audio_path(&BOTH));
        assert_eq!(
            read,
            Ok(AudioPath {
                remote: "192.0.2.1:40000".parse().ok(),
                law: Law::Mu,
                telephone_event: Some(101),
                direction: Direction::SendRecv
            })
        );
    }

    #[test]
    fn the_far_end_chooses_the_law_and_the_address() {
        let pcma = path(
            "v=0\nc=IN IP4 203.0.113.9\nm=audio 5004 RTP/AVP 8 96\na=rtpmap:96 telephone-event/8000\n",
        );
        assert_eq!(
            pcma.map(|path| (path.law, path.telephone_event)),
            Ok((Law::A, Some(96)))
        );
        let own = path(
            "v=0\nc=IN IP4 203.0.113.9\nm=video 9 RTP/AVP 31\nm=audio 5004/2 RTP/AVP 18 0\nc=IN IP6 2001:db8::20\n",
        );
        assert_eq!(
            own.map(|path| path.remote),
            Ok("[2001:db8::20]:5004".parse().ok())
        );
        let mapped = path("v=0\nc=IN IP6 ::ffff:192.0.2.2\nm=audio 6000 RTP/AVP 0\n");
        assert_eq!(
            mapped.map(|path| path.remote),
            Ok("192.0.2.2:6000".parse().ok())
        );
    }

    #[test]
    fn hold_is_read_in_both_styles() {
        let old = path("v=0\nc=IN IP4 0.0.0.0\nm=audio 5004 RTP/AVP 0\n");
        assert_eq!(
            old.map(|path| (path.remote, path.direction)),
            Ok((None, Direction::SendOnly))
        );
        let new = path("v=0\na=inactive\nc=IN IP4 192.0.2.7\nm=audio 5004 RTP/AVP 0\na=sendonly\n");
        assert_eq!(new.map(|path| path.direction), Ok(Direction::SendOnly));
    }

    #[test]
    fn an_answer_has_a_section_for_every_section_of_the_offer() {
        let offer = "v=0\r\nc=IN IP4 192.0.2.7\r\nm=video 6000 RTP/AVP 31 32\r\nm=audio 5004 RTP/AVP 8 0 97\r\na=rtpmap:97 telephone-event/8000\r\na=sendonly\r\n";
        let (answer, path) = Sdp::parse(offer.as_bytes())
            .and_then(|offer| write_answer(&offer, &LOCAL, &BOTH))
            .unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(path.law, Law::A);
        let read = Sdp::parse(answer.as_bytes()).unwrap_or_default();
        let sections: Vec<(&str, u16)> = read
            .media
            .iter()
            .map(|media| (media.kind.as_str(), media.port))
            .collect();
        assert_eq!(sections, [("video", 0), ("audio", 40_000)]);
        assert_eq!(read.media[1].direction, Some(Direction::RecvOnly));
        assert_eq!(read.media[1].telephone_event, Some(97));
    }

    #[test]
    fn what_carries_no_voice_is_a_named_fault() {
        for (text, want) in [
            ("", SdpFault::Missing),
            ("v=1\n", SdpFault::Malformed),
            ("v=0\nnonsense\n", SdpFault::Malformed),
            ("v=0\nm=audio\n", SdpFault::Malformed),
            ("v=0\nm=audio 70000 RTP/AVP 0\n", SdpFault::Malformed),
            ("v=0\nc=IN IP4 192.0.2.1\n", SdpFault::NoAudio),
            (
                "v=0\nc=IN IP4 192.0.2.1\nm=audio 0 RTP/AVP 0\n",
                SdpFault::NoAudio,
            ),
            (
                "v=0\nc=IN IP4 192.0.2.1\nm=audio 5000 RTP/SAVP 0\n",
                SdpFault::NoAudio,
            ),
            (
                "v=0\nc=IN IP4 192.0.2.1\nm=audio 5000 RTP/AVP 18\n",
                SdpFault::NoCodec,
            ),
            ("v=0\nm=audio 5000 RTP/AVP 0\n", SdpFault::Address),
            (
                "v=0\nc=IN IP4 far.example.com\nm=audio 5000 RTP/AVP 0\n",
                SdpFault::Address,
            ),
            (
                "v=0\nc=IN IP4 224.2.1.1/127\nm=audio 5000 RTP/AVP 0\n",
                SdpFault::Address,
            ),
            (
                "v=0\nc=IN IP4 255.255.255.255\nm=audio 5000 RTP/AVP 0\n",
                SdpFault::Address,
            ),
        ] {
            assert_eq!(path(text), Err(want), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_description_makes_it_panic_or_adds_lines_to_the_answer(
            lines in proptest::collection::vec("(m=audio 5004 RTP/AVP 0|c=IN IP4 192.0.2.1|m=[a-z]{1,9} [0-9]{1,5} [A-Z/]{1,9} [0-9 ]{0,9}|a=[ -~]{0,30}|[a-z]=\\PC{0,20}|\\PC{0,10})", 0..12)
        ) {
            let text = format!("v=0\r\n{}\r\n", lines.join("\r\n"));
            if let Ok(offer) = Sdp::parse(text.as_bytes())
                && let Ok((answer, _)) = write_answer(&offer, &LOCAL, &BOTH)
            {
                let read = Sdp::parse(answer.as_bytes());
                prop_assert_eq!(read.map(|sdp| sdp.media.len()), Ok(offer.media.len()));
            }
        }
    }
}
