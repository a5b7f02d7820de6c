//! A browser's side of an agent's leg, made of str0m itself: the handshake, the keys and the packets are real ones.
//!
//! Also compiled into `tests/media.rs`. Owns one UDP socket; whoever drives it says when.

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::crypto::dtls::DtlsCert;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite, SeqNo};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// Payload type of PCMU.
const PCMU: u8 = 0;

/// One client.
pub struct BrowserEnd {
    rtc: Rtc,
    /// Its own port: the server tells browsers apart by their address.
    pub socket: UdpSocket,
    local: SocketAddr,
    mid: Mid,
    pending: Option<SdpPendingOffer>,
    sequence: u64,
    /// Whether DTLS is done.
    pub is_connected: bool,
    /// Whether ICE or DTLS gave up.
    pub is_closed: bool,
    /// When it wants to be woken.
    pub next: Instant,
}

/// A certificate that many clients share: making one takes a millisecond.
pub fn certificate() -> DtlsCert {
    str0m::crypto::from_feature_flags()
        .dtls_provider
        .generate_certificate()
        .expect("the crypto library makes certificates")
}

impl BrowserEnd {
    /// A client on a free port of `host`, and its offer.
    pub fn offer(host: &str, certificate: DtlsCert) -> std::io::Result<(BrowserEnd, String)> {
        let socket = UdpSocket::bind((host, 0))?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let now = Instant::now();
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .set_dtls_cert(certificate)
            .clear_codecs()
            .enable_pcmu(true, false)
            .build(now);
        let candidate = Candidate::host(local, "udp").map_err(std::io::Error::other)?;
        rtc.add_local_candidate(candidate);
        let mut api = rtc.sdp_api();
        let mid = api.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = api
            .apply()
            .ok_or_else(|| std::io::Error::other("nothing to offer"))?;
        let end = BrowserEnd {
            rtc,
            socket,
            local,
            mid,
            pending: Some(pending),
            sequence: 0,
            is_connected: false,
            is_closed: false,
            next: now,
        };
        Ok((end, offer.to_sdp_string()))
    }

    /// Takes the answer.
    pub fn answered(&mut self, sdp: &str) -> std::io::Result<()> {
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(std::io::Error::other)?;
        if let Some(pending) = self.pending.take() {
            self.rtc
                .sdp_api()
                .accept_answer(pending, answer)
                .map_err(std::io::Error::other)?;
        }
        self.wake(Instant::now(), &mut |_| {});
        Ok(())
    }

    /// Reads what is there and goes on; `heard` is told each packet of voice.
    pub fn turn(&mut self, buffer: &mut [u8], heard: &mut dyn FnMut(&RtpPacket)) {
        while let Ok((length, source)) = self.socket.recv_from(buffer) {
            let now = Instant::now();
            if let Ok(contents) = (&buffer[..length]).try_into() {
                let receive = Receive {
                    proto: Protocol::Udp,
                    source,
                    destination: self.local,
                    contents,
                };
                if self.rtc.handle_input(Input::Receive(now, receive)).is_err() {
                    self.is_closed = true;
                }
            }
            self.drain(heard);
        }
        if Instant::now() >= self.next {
            self.wake(Instant::now(), heard);
        }
    }

    fn wake(&mut self, now: Instant, heard: &mut dyn FnMut(&RtpPacket)) {
        if self.rtc.handle_input(Input::Timeout(now)).is_err() {
            self.is_closed = true;
        }
        self.drain(heard);
    }

    /// Sends one frame of voice.
    pub fn speak(&mut self, payload: &[u8], heard: &mut dyn FnMut(&RtpPacket)) {
        let (now, mid) = (Instant::now(), self.mid);
        let sequence = self.sequence;
        self.sequence += 1;
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            stream.write_rtp(RtpWrite::new(
                Pt::from(PCMU),
                SeqNo::from(sequence),
                sequence as u32 * 160,
                now,
                payload,
            ));
        }
        self.wake(now, heard);
    }

    fn drain(&mut self, heard: &mut dyn FnMut(&RtpPacket)) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.next = at;
                    return;
                }
                Ok(Output::Transmit(datagram)) => {
                    // A full buffer loses it, as a network does.
                    let _ = self
                        .socket
                        .send_to(&datagram.contents, datagram.destination);
                }
                Ok(Output::Event(event)) => match event {
                    Event::Connected => self.is_connected = true,
                    Event::RtpPacket(packet) => heard(&packet),
                    Event::Closed => self.is_closed = true,
                    _ => {}
                },
                Err(_) => {
                    self.is_closed = true;
                    return;
                }
            }
        }
    }
}
