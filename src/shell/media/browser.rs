//! One agent's leg to a browser: WebRTC (ICE-lite, DTLS-SRTP, G.711), set up once and kept for the shift.
//!
//! Owns the session's state and the numbers of the stream towards the browser. Opens no socket: datagrams go in, datagrams and
//! voice come out.

use crate::wire::desk::audio::SDP_BYTES_MAX;
use crate::wire::media::outgoing::{Numbers, Outgoing};
use crate::wire::media::{PCMA, PCMU};
use std::net::SocketAddr;
use std::time::Instant;
use str0m::change::SdpOffer;
use str0m::crypto::dtls::DtlsCert;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, Mid, Pt};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{RtpPacket, RtpWrite, SeqNo, Ssrc};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

/// Payload type of key tones on browsers' legs (RFC 4733), where the browser takes them.
pub(super) const KEYS: u8 = 101;
/// How often RTCP reports leave, at most (RFC 3550 s.6.2: the recommended minimum).
const REPORTS_EVERY: std::time::Duration = std::time::Duration::from_secs(5);

/// Why an offer is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OfferFault {
    #[error("it is longer than {SDP_BYTES_MAX} bytes")]
    TooLong,
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it needs one audio section and nothing else")]
    NotAudio,
    #[error("it has neither PCMU nor PCMA")]
    NoCodec,
}

/// What came out of the session besides datagrams.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BrowserNews {
    /// DTLS is done: sound may flow.
    Connected,
    /// ICE lost the browser. It may come back.
    Disconnected,
    /// The session is over.
    Closed,
}

/// Where a datagram comes from, or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub protocol: Protocol,
    pub address: SocketAddr,
}

/// A session.
pub(super) struct Browser {
    rtc: Rtc,
    ssrc: Option<Ssrc>,
    /// The stream towards the browser.
    pub stream: Outgoing,
    /// The stream's sequence without wrapping, as SRTP counts it.
    extended: u64,
    fingerprint: Option<String>,
    /// When it wants to be looked at next.
    pub next: Instant,
    pub is_connected: bool,
    /// Addresses whose packets ICE has admitted.
    pub addresses: Vec<Peer>,
    local: SocketAddr,
}

impl Browser {
    /// A session from a browser's first offer, and the answer to it. `candidates`: where we are, as browsers see it.
    pub fn accept(
        sdp: &str,
        candidates: &[SocketAddr],
        certificate: DtlsCert,
        random: [u8; 10],
        now: Instant,
    ) -> Result<(Browser, String), OfferFault> {
        let offer = read(sdp)?;
        let mut config = RtcConfig::new()
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_dtls_cert(certificate)
            .set_rtcp_report_interval_audio(REPORTS_EVERY)
            // Order is the browser's business: its jitter buffer does it, and waiting here would be delay.
            .set_reordering_size_audio(0)
            .clear_extension_map()
            .clear_codecs()
            .enable_pcmu(true, false)
            .enable_pcma(true, false);
        config.codec_config().add_config(
            Pt::from(KEYS),
            None,
            Codec::Tele,
            Frequency::EIGHT_KHZ,
            None,
            FormatParams::default(),
        );
        let mut rtc = config.build(now);
        for address in candidates {
            let passive = Candidate::builder()
                .tcp()
                .host(*address)
                .tcptype(TcpType::Passive)
                .build();
            for candidate in [Candidate::host(*address, "udp"), passive]
                .into_iter()
                .flatten()
            {
                rtc.add_local_candidate(candidate);
            }
        }
        let answer = rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|fault| OfferFault::Unreadable(fault.to_string()))?;
        let mut browser = Browser {
            rtc,
            ssrc: None,
            stream: Outgoing::new(random),
            extended: 0,
            fingerprint: fingerprint_of(sdp).map(str::to_owned),
            next: now,
            is_connected: false,
            addresses: Vec::new(),
            local: candidates
                .first()
                .copied()
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
        };
        // SRTP's rollover counter starts at zero on both sides (RFC 3711 s.3.3.1).
        browser.extended = u64::from(browser.stream.sequence());
        let _ = browser.rtc.handle_input(Input::Timeout(now));
        browser.drain(&mut |_, _| {}, &mut Vec::new());
        let answer = answer.to_sdp_string();
        if browser.ssrc.is_none() {
            let mid = answer.lines().find_map(|line| line.strip_prefix("a=mid:"));
            let mid = Mid::from(mid.unwrap_or_default().trim());
            browser.ssrc = tx_ssrc(browser.rtc.direct_api(), mid);
            browser.drain(&mut |_, _| {}, &mut Vec::new());
        }
        if browser.ssrc.is_none() {
            return Err(OfferFault::NoCodec);
        }
        Ok((browser, answer))
    }

    /// Whether this offer belongs to the session: the same browser's, which changes networks.
    pub fn is_of_same_browser(&self, sdp: &str) -> bool {
        self.fingerprint.is_some() && fingerprint_of(sdp) == self.fingerprint.as_deref()
    }

    /// A later offer of the same browser: an ICE restart. What flows goes on.
    pub fn restart(&mut self, sdp: &str) -> Result<String, OfferFault> {
        let offer = read(sdp)?;
        let answer = self
            .rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|fault| OfferFault::Unreadable(fault.to_string()))?;
        Ok(answer.to_sdp_string())
    }

    /// Our ICE user name: the first half of what a browser's checks carry (RFC 8445 s.7.2.2).
    pub fn user_name(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Whether the session is worth keeping.
    pub fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// A datagram from the browser, or from somebody who says so. `false`: nothing that it can use.
    pub fn receive(&mut self, data: &[u8], from: Peer, now: Instant) -> bool {
        let Ok(contents) = data.try_into() else {
            return false;
        };
        let input = Input::Receive(
            now,
            Receive {
                proto: from.protocol,
                source: from.address,
                destination: self.local,
                contents,
            },
        );
        // Known by the packet's own address, or by a check with the right password: anything else is not for this session.
        self.rtc.accepts(&input) && self.rtc.handle_input(input).is_ok()
    }

    /// Its time has come.
    pub fn wake(&mut self, now: Instant) {
        // A fault ends the session, which `is_alive` tells.
        let _ = self.rtc.handle_input(Input::Timeout(now));
    }

    /// Puts a payload on the stream towards the browser. [`Browser::drain`] sends it.
    pub fn write(&mut self, numbers: Numbers, payload_type: u8, payload: &[u8], now: Instant) {
        let step = numbers.sequence.wrapping_sub(self.extended as u16);
        // Late packets lie behind the newest, within half the circle.
        let extended = if step <= u16::MAX / 2 {
            self.extended += u64::from(step);
            self.extended
        } else {
            self.extended.saturating_sub(u64::from(step.wrapping_neg()))
        };
        let Some(ssrc) = self.ssrc.filter(|_| self.is_connected) else {
            return;
        };
        if let Some(stream) = self.rtc.direct_api().stream_tx(&ssrc) {
            let write = RtpWrite::new(
                Pt::from(payload_type),
                SeqNo::from(extended),
                numbers.timestamp,
                now,
                payload,
            );
            stream.write_rtp(write.marker(numbers.marker));
        }
        let _ = self.rtc.handle_input(Input::Timeout(now));
    }

    /// Takes everything out: datagrams to `send`, voice to `heard`. Must follow every act above.
    pub fn drain(
        &mut self,
        send: &mut dyn FnMut(Peer, &[u8]),
        heard: &mut Vec<RtpPacket>,
    ) -> Option<BrowserNews> {
        let mut news = None;
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.next = at;
                    break;
                }
                Ok(Output::Transmit(datagram)) => {
                    let to = Peer {
                        protocol: datagram.proto,
                        address: datagram.destination,
                    };
                    send(to, &datagram.contents);
                }
                Ok(Output::Event(event)) => match event {
                    Event::RtpPacket(packet) => heard.push(packet),
                    Event::MediaAdded(added) => {
                        let stream = self.rtc.direct_api();
                        self.ssrc = tx_ssrc(stream, added.mid);
                    }
                    Event::Connected => {
                        self.is_connected = true;
                        news = Some(BrowserNews::Connected);
                    }
                    Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                        news = Some(BrowserNews::Disconnected);
                    }
                    Event::Closed => news = Some(BrowserNews::Closed),
                    _ => {}
                },
                Err(_) => {
                    self.rtc.disconnect();
                    return Some(BrowserNews::Closed);
                }
            }
        }
        news
    }
}

fn tx_ssrc(mut api: str0m::change::DirectApi<'_>, mid: Mid) -> Option<Ssrc> {
    api.stream_tx_by_mid(mid, None).map(|stream| stream.ssrc())
}

fn read(sdp: &str) -> Result<SdpOffer, OfferFault> {
    if sdp.len() > SDP_BYTES_MAX {
        return Err(OfferFault::TooLong);
    }
    let mut sections = sdp.lines().filter_map(|line| line.strip_prefix("m="));
    let audio = sections.next().ok_or(OfferFault::NotAudio)?;
    if !audio.starts_with("audio ") || sections.next().is_some() {
        return Err(OfferFault::NotAudio);
    }
    let speaks = |payload_type: u8| {
        let mut formats = audio.split_ascii_whitespace().skip(3);
        formats.any(|format| format.parse() == Ok(payload_type))
    };
    if !speaks(PCMU) && !speaks(PCMA) {
        return Err(OfferFault::NoCodec);
    }
    SdpOffer::from_sdp_string(sdp).map_err(|fault| OfferFault::Unreadable(fault.to_string()))
}

/// The certificate's fingerprint: another one is another browser, or the same page loaded anew.
fn fingerprint_of(sdp: &str) -> Option<&str> {
    sdp.lines()
        .find_map(|line| line.strip_prefix("a=fingerprint:"))
        .map(str::trim)
}
