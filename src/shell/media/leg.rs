//! One customer leg's RTP: its socket, whom it listens to, what it sends, what it counted. Sends only when told.

use super::counters::{Counters, count};
use crate::ids::{AgentId, AttemptId, TrunkId};
use crate::time::Mono;
use crate::wire::media::latch::Latch;
use crate::wire::media::outgoing::Outgoing;
use crate::wire::media::reception::{Reception, ReceptionReport};
use crate::wire::media::rtp::{RtpFault, RtpPacket};
use crate::wire::media::{PCMU, comfort_noise};
use ipnet::IpNet;
use mio::net::UdpSocket;

/// Packets read of one leg in one go: a flood on one port must not starve the others.
const READ_MAX: usize = 32;

/// What a leg has to say when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MediaReport {
    /// Which attempt.
    pub attempt: AttemptId,
    /// What arrived from the right source.
    pub received: ReceptionReport,
    /// Of those packets, how many before the answer.
    pub early_packets: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Bytes of their payloads.
    pub sent_bytes: u64,
    /// Packets of other sources: dropped.
    pub foreign_packets: u64,
    /// Datagrams that were no RTP.
    pub malformed_packets: u64,
    /// Whether it was joined to an agent.
    pub bridged: bool,
}

/// A leg.
#[derive(Debug)]
pub(super) struct Leg {
    pub lease: u64,
    pub attempt: AttemptId,
    pub socket: UdpSocket,
    pub port: u16,
    /// Where it sends in the 20 ms; `None` while it does not send.
    pub phase: Option<usize>,
    /// Index into the ranges by trunk; unknown before signalling named it.
    trunk: Option<TrunkId>,
    payload_type: u8,
    answered: bool,
    agent: Option<AgentId>,
    latch: Latch,
    reception: Reception,
    stream: Outgoing,
    early_packets: u64,
    foreign_packets: u64,
    malformed_packets: u64,
}

impl Leg {
    pub fn new(
        lease: u64,
        attempt: AttemptId,
        socket: UdpSocket,
        port: u16,
        random: [u8; 10],
    ) -> Self {
        Leg {
            lease,
            attempt,
            socket,
            port,
            phase: None,
            trunk: None,
            payload_type: PCMU,
            answered: false,
            agent: None,
            latch: Latch::default(),
            reception: Reception::default(),
            stream: Outgoing::new(random),
            early_packets: 0,
            foreign_packets: 0,
            malformed_packets: 0,
        }
    }

    /// Signalling named the far side. Returns whether the address may be used.
    pub fn remote(
        &mut self,
        trunk: TrunkId,
        address: std::net::SocketAddr,
        payload_type: u8,
        answered: bool,
        ranges: &[IpNet],
    ) -> bool {
        self.trunk = Some(trunk);
        self.payload_type = payload_type;
        // An answer is not taken back by a later repetition of early media.
        self.answered |= answered;
        self.latch.signal(address, ranges)
    }

    pub fn join(&mut self, agent: AgentId) {
        self.agent = Some(agent);
    }

    pub const fn is_answered(&self) -> bool {
        self.answered
    }

    /// Reads what is there. Returns whether there may be more.
    pub fn read(&mut self, at: Mono, ranges_of: &[Vec<IpNet>], counters: &Counters) -> bool {
        let ranges = self
            .trunk
            .and_then(|trunk| ranges_of.get(usize::from(trunk.0)))
            .map_or(&[][..], Vec::as_slice);
        let mut datagram = [0; 2_048];
        for _ in 0..READ_MAX {
            let (length, source) = match self.socket.recv_from(&mut datagram) {
                Ok(arrived) => arrived,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                // An ICMP error of an earlier packet: the next read goes on.
                Err(_) => continue,
            };
            let packet = match RtpPacket::parse(&datagram[..length]) {
                Ok(packet) => packet,
                Err(RtpFault::Control) => {
                    count(&counters.control_packets, 1);
                    continue;
                }
                Err(_) => {
                    self.malformed_packets += 1;
                    count(&counters.malformed_packets, 1);
                    continue;
                }
            };
            if !self.latch.admits(source, ranges) {
                self.foreign_packets += 1;
                count(&counters.foreign_packets, 1);
                continue;
            }
            self.reception.receive(&packet, at);
            count(&counters.packets_received, 1);
            count(&counters.bytes_received, packet.payload.len() as u64);
            if !self.answered {
                self.early_packets += 1;
                count(&counters.early_packets_received, 1);
            }
        }
        true
    }

    /// Sends one frame of comfort noise. `scratch` is overwritten.
    pub fn send_frame(&mut self, scratch: &mut Vec<u8>, counters: &Counters) {
        let Some(target) = self.latch.target() else {
            self.stream.skip(1);
            return;
        };
        let frame = comfort_noise(self.payload_type);
        self.stream.next(self.payload_type, frame, scratch);
        if self.socket.send_to(scratch, target).is_ok() {
            count(&counters.packets_sent, 1);
            count(&counters.bytes_sent, frame.len() as u64);
        } else {
            count(&counters.send_failures, 1);
        }
    }

    pub fn skip_frames(&mut self, frames: u32) {
        self.stream.skip(frames);
    }

    pub fn report(&self) -> MediaReport {
        MediaReport {
            attempt: self.attempt,
            received: self.reception.report(),
            early_packets: self.early_packets,
            sent_packets: self.stream.packets,
            sent_bytes: self.stream.bytes,
            foreign_packets: self.foreign_packets,
            malformed_packets: self.malformed_packets,
            bridged: self.agent.is_some(),
        }
    }
}
