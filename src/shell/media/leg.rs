//! One leg's RTP towards a customer or an agent's telephone: its socket, whom it listens to, what it sends, what it counted.
//!
//! Sends only when told. Knows nothing of the other side of its conversation.

use super::counters::{Counters, count};
use crate::ids::{AgentId, AttemptId, TrunkId};
use crate::shell::lanes::LegId;
use crate::shell::recording::{Party, Tap};
use crate::time::Mono;
use crate::wire::media::latch::Latch;
use crate::wire::media::outgoing::Outgoing;
use crate::wire::media::reception::{Reception, ReceptionReport};
use crate::wire::media::rtp::{RtpFault, RtpPacket};
use crate::wire::media::{PCMA, PCMU, comfort_noise, law};
use crate::wire::sip::sdp::{AudioPath, Law};
use ipnet::IpNet;
use mio::net::UdpSocket;
use std::time::Duration;

/// Packets read of one leg in one go: a flood on one port must not starve the others.
const READ_MAX: usize = 32;
/// Nothing passed on for this long: comfort noise takes over, so that nobody takes the line for dead.
const FILL_AFTER: Duration = Duration::from_millis(60);

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

/// Packets read in one go, one after the other in one buffer that is used again.
#[derive(Default)]
pub(super) struct Inbox {
    octets: Vec<u8>,
    pieces: Vec<Piece>,
}

struct Piece {
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    from: usize,
    to: usize,
}

impl Inbox {
    pub fn clear(&mut self) {
        self.octets.clear();
        self.pieces.clear();
    }

    fn push(&mut self, packet: &RtpPacket<'_>) {
        let from = self.octets.len();
        self.octets.extend_from_slice(packet.payload);
        self.pieces.push(Piece {
            marker: packet.marker,
            payload_type: packet.payload_type,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            ssrc: packet.ssrc,
            from,
            to: self.octets.len(),
        });
    }

    /// The packets, in the order of their arrival.
    pub fn packets(&self) -> impl Iterator<Item = RtpPacket<'_>> {
        self.pieces.iter().map(|piece| RtpPacket {
            marker: piece.marker,
            payload_type: piece.payload_type,
            sequence: piece.sequence,
            timestamp: piece.timestamp,
            ssrc: piece.ssrc,
            contributors: 0,
            payload: &self.octets[piece.from..piece.to],
        })
    }
}

/// A leg.
pub(super) struct Leg {
    pub lease: u64,
    pub id: LegId,
    pub socket: UdpSocket,
    pub port: u16,
    /// Which beat of the frame it sends at; `None` while it does not send.
    pub phase: Option<usize>,
    /// Whose ranges count; `None` for a telephone, or before signalling named it.
    trunk: Option<TrunkId>,
    /// A telephone's own host, in place of a trunk's ranges.
    own_range: Option<IpNet>,
    path: Option<AudioPath>,
    answered: bool,
    /// Whom it is joined to.
    pub agent: Option<AgentId>,
    /// The customer is on hold, by the agent's wish.
    pub held: bool,
    /// Its recording.
    pub tap: Option<Box<dyn Tap>>,
    latch: Latch,
    reception: Reception,
    stream: Outgoing,
    passed_on_at: Option<Mono>,
    converted: Vec<u8>,
    early_packets: u64,
    foreign_packets: u64,
    malformed_packets: u64,
}

impl Leg {
    pub fn new(lease: u64, id: LegId, socket: UdpSocket, port: u16, random: [u8; 10]) -> Self {
        Leg {
            lease,
            id,
            socket,
            port,
            phase: None,
            trunk: None,
            own_range: None,
            path: None,
            answered: false,
            agent: None,
            held: false,
            tap: None,
            latch: Latch::default(),
            reception: Reception::default(),
            stream: Outgoing::new(random),
            passed_on_at: None,
            converted: Vec::new(),
            early_packets: 0,
            foreign_packets: 0,
            malformed_packets: 0,
        }
    }

    /// Signalling described the far side. Returns whether the address may be used.
    pub fn remote(
        &mut self,
        trunk: Option<TrunkId>,
        path: AudioPath,
        answered: bool,
        ranges: &[IpNet],
    ) -> bool {
        self.trunk = trunk;
        self.path = Some(path);
        // An answer is not taken back by a later repetition of early media.
        self.answered |= answered;
        let Some(address) = path.remote else {
            // Held in the old style: there is nowhere to send to, and the latch stays for its return.
            return true;
        };
        if trunk.is_none() {
            self.own_range = Some(IpNet::from(address.ip()));
        }
        self.latch
            .signal(address, self.own_range.as_slice_or(ranges))
    }

    pub const fn is_answered(&self) -> bool {
        self.answered
    }

    /// What is sent on it: 0 PCMU, 8 PCMA.
    pub fn payload_type(&self) -> u8 {
        self.path.map_or(PCMU, |path| path.law.payload_type())
    }

    /// The attempt, on a customer's leg.
    pub const fn attempt(&self) -> Option<AttemptId> {
        match self.id {
            LegId::Call(attempt) => Some(attempt),
            LegId::Phone(_) => None,
        }
    }

    /// Reads what is there into `inbox`. Returns whether there may be more.
    pub fn read(
        &mut self,
        at: Mono,
        ranges_of: &[Vec<IpNet>],
        counters: &Counters,
        inbox: &mut Inbox,
    ) -> bool {
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
            if !self
                .latch
                .admits(source, self.own_range.as_slice_or(ranges))
            {
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
            inbox.push(&packet);
        }
        true
    }

    /// Passes a packet of the other side on, in this leg's law. `scratch` is overwritten. Returns whether it was sent.
    pub fn pass_on(
        &mut self,
        packet: &RtpPacket<'_>,
        at: Mono,
        scratch: &mut Vec<u8>,
        counters: &Counters,
    ) -> bool {
        if self.held || !matches!(packet.payload_type, PCMU | PCMA) {
            return false;
        }
        let ours = self.payload_type();
        let Some(numbers) = self.stream.pass_on(packet, at) else {
            return false;
        };
        self.passed_on_at = Some(at);
        if packet.payload_type == ours {
            self.stream.write(numbers, ours, packet.payload, scratch);
        } else {
            law::convert(packet.payload, ours, &mut self.converted);
            self.stream.write(numbers, ours, &self.converted, scratch);
        }
        self.send(scratch, packet.payload.len(), counters)
    }

    /// Sends one frame of comfort noise where nothing else is being sent. `scratch` is overwritten.
    pub fn send_frame(&mut self, at: Mono, scratch: &mut Vec<u8>, counters: &Counters) {
        let is_spoken = self
            .passed_on_at
            .is_some_and(|passed| at.since(passed) < FILL_AFTER);
        if is_spoken && !self.held {
            return;
        }
        if self.latch.target().is_none() {
            self.stream.skip(1);
            return;
        }
        let ours = self.payload_type();
        let frame = comfort_noise(ours);
        let numbers = self.stream.own_at(at);
        self.stream.write(numbers, ours, frame, scratch);
        self.send(scratch, frame.len(), counters);
    }

    fn send(&self, packet: &[u8], payload: usize, counters: &Counters) -> bool {
        let Some(target) = self.latch.target() else {
            return false;
        };
        let sent = self.socket.send_to(packet, target).is_ok();
        if sent {
            count(&counters.packets_sent, 1);
            count(&counters.bytes_sent, payload as u64);
        } else {
            count(&counters.send_failures, 1);
        }
        sent
    }

    /// Hands a payload to the recording, if there is one.
    pub fn record(&mut self, party: Party, payload_type: u8, payload: &[u8], at: Mono) {
        let law = match payload_type {
            PCMU => Law::Mu,
            PCMA => Law::A,
            _ => return,
        };
        if let Some(tap) = &mut self.tap {
            tap.hear(party, law, payload, at);
        }
    }

    pub fn skip_frames(&mut self, frames: u32) {
        self.stream.skip(frames);
    }

    /// What there is to say of a customer's leg.
    pub fn report(&self) -> Option<MediaReport> {
        Some(MediaReport {
            attempt: self.attempt()?,
            received: self.reception.report(),
            early_packets: self.early_packets,
            sent_packets: self.stream.packets,
            sent_bytes: self.stream.bytes,
            foreign_packets: self.foreign_packets,
            malformed_packets: self.malformed_packets,
            bridged: self.agent.is_some(),
        })
    }
}

/// One range of a telephone in place of a trunk's many.
trait OwnRange {
    fn as_slice_or<'a>(&'a self, others: &'a [IpNet]) -> &'a [IpNet];
}

impl OwnRange for Option<IpNet> {
    fn as_slice_or<'a>(&'a self, others: &'a [IpNet]) -> &'a [IpNet] {
        match self {
            Some(range) => std::slice::from_ref(range),
            None => others,
        }
    }
}
