//! One leg's RTP towards a customer or an agent's telephone: its socket, whom it listens to, what it sends, what it counted.
//!
//! Sends only when told. Knows nothing of the other side of its conversation.

use super::browser::KEYS;
use super::counters::{Counters, count};
use super::line::{Around, Line, LineReport};
use super::playing::Playing;
use super::prompts::Prompt;
use super::secured::Secured;
use crate::ids::{AgentId, AttemptId, TrunkId};
use crate::shell::lanes::LegId;
use crate::shell::recording::{Party, Tap};
use crate::time::Mono;
use crate::wire::media::latch::Latch;
use crate::wire::media::outgoing::Outgoing;
use crate::wire::media::reception::{Arrival, Reception, ReceptionReport};
use crate::wire::media::rtcp::is_control;
use crate::wire::media::rtp::RtpPacket;
use crate::wire::media::srtp::SrtpKeys;
use crate::wire::media::watch::{Circumstances, WatchLimits, WatchNews};
use crate::wire::media::{FRAME_SAMPLES, PCMA, PCMU, comfort_noise, law};
use crate::wire::sip::sdp::{AudioPath, Direction, Law};
use ipnet::IpNet;
use mio::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

/// Packets read of one leg in one go: a flood on one port must not starve the others.
const READ_MAX: usize = 32;
/// Nothing passed on for this long: comfort noise takes over, so that nobody takes the line for dead.
const FILL_AFTER: Duration = Duration::from_millis(60);

/// How often a leg looks whether somebody fell silent or a report is due.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a leg says at its beat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beat {
    /// Its prompt is over.
    pub announced: bool,
    /// Somebody fell silent.
    pub news: Option<WatchNews>,
}

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
    /// What its line said of itself.
    pub line: LineReport,
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

    fn push(&mut self, packet: &RtpPacket<'_>, payload_type: u8) {
        let from = self.octets.len();
        self.octets.extend_from_slice(packet.payload);
        self.pieces.push(Piece {
            marker: packet.marker,
            payload_type,
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
    /// Nobody may listen: what is said now is not for a recording either.
    pub hidden: bool,
    /// From the answer on.
    pub line: Option<Box<Line>>,
    secured: Option<Box<Secured>>,
    announcing: Option<Playing>,
    music: Option<Playing>,
    look_at: Mono,
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
            hidden: false,
            line: None,
            secured: None,
            announcing: None,
            music: None,
            look_at: Mono(0),
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

    /// Signalling agreed on keys: from now on nothing in the clear. `false`: they cannot be used, and nothing is sent at all.
    pub fn secure(&mut self, keys: SrtpKeys) -> bool {
        if self
            .secured
            .as_ref()
            .is_some_and(|secured| secured.has(&keys))
        {
            return true;
        }
        match Secured::new(keys) {
            Ok(secured) => {
                self.secured = Some(Box::new(secured));
                true
            }
            Err(_) => {
                self.path = None;
                self.latch = Latch::default();
                false
            }
        }
    }

    /// The leg was answered: its line begins. `random`: for the control packets' name and pace.
    pub fn begin_line(&mut self, at: Mono, random: [u8; 16]) {
        if self.line.is_none()
            && let Ok(voice) = self.socket.local_addr()
        {
            let limits = WatchLimits::default();
            self.line = Some(Box::new(Line::new(at, limits, voice, random)));
        }
    }

    /// Plays a prompt to the far side, instead of one that is under way. Its end is told at a beat.
    pub fn announce(&mut self, prompt: Arc<Prompt>) {
        self.announcing = Some(Playing::new(prompt));
    }

    /// Whether something of ours keeps the other side's voice off the line.
    fn is_taken(&self) -> bool {
        self.held
            || self.announcing.is_some()
            || self.line.as_ref().is_some_and(|line| line.presses())
    }

    /// Whether the far side wants to hear anything (RFC 3264 s.8.4: on hold it says sendonly, inactive or the null address).
    fn is_listening(&self) -> bool {
        self.path.is_some_and(|path| {
            path.remote.is_some()
                && matches!(path.direction, Direction::SendRecv | Direction::RecvOnly)
        })
    }

    /// Reads what is there into `inbox`. Returns whether there may be more.
    pub fn read(
        &mut self,
        ranges_of: &[Vec<IpNet>],
        around: &Around<'_>,
        inbox: &mut Inbox,
    ) -> bool {
        let (at, counters) = (around.at, around.counters);
        let ranges = self
            .trunk
            .and_then(|trunk| ranges_of.get(usize::from(trunk.0)))
            .map_or(&[][..], Vec::as_slice);
        let mut datagram = [0; 2_048];
        for _ in 0..READ_MAX {
            let (mut length, source) = match self.socket.recv_from(&mut datagram) {
                Ok(arrived) => arrived,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                // An ICMP error of an earlier packet: the next read goes on.
                Err(_) => continue,
            };
            let control = is_control(&datagram[..length]);
            if let Some(secured) = &mut self.secured {
                // Before the source is looked at: a forged packet must not take the latch.
                match secured.open(&mut datagram[..length], control, counters) {
                    Some(opened) => length = opened,
                    None => continue,
                }
            }
            let datagram = &datagram[..length];
            if control {
                // RFC 5761: control on the voice's port; only of a source that voice has shown.
                count(&counters.control_packets, 1);
                if let Some(line) = &mut self.line
                    && self.latch.is_latched(source)
                {
                    line.take_control(datagram, self.stream.ssrc(), around);
                }
                continue;
            }
            let Ok(packet) = RtpPacket::parse(datagram) else {
                self.malformed_packets += 1;
                count(&counters.malformed_packets, 1);
                continue;
            };
            if !self
                .latch
                .admits(source, self.own_range.as_slice_or(ranges))
            {
                self.foreign_packets += 1;
                count(&counters.foreign_packets, 1);
                continue;
            }
            let arrival = self.reception.receive(&packet, at);
            count(&counters.packets_received, 1);
            count(&counters.bytes_received, packet.payload.len() as u64);
            if !self.answered {
                self.early_packets += 1;
                count(&counters.early_packets_received, 1);
            }
            self.take(&packet, arrival, at, inbox);
        }
        true
    }

    /// A packet that counts: to the watch, to the keys, and on to the other side.
    fn take(&mut self, packet: &RtpPacket<'_>, arrival: Arrival, at: Mono, inbox: &mut Inbox) {
        let is_key = self.path.and_then(|path| path.telephone_event) == Some(packet.payload_type);
        if let Some(line) = &mut self.line {
            let loud = line.listens()
                && Law::of_payload_type(packet.payload_type)
                    .is_some_and(|law| law::is_loud(law, packet.payload));
            line.heard(at, loud);
            if is_key {
                line.hear_keys(packet.ssrc, packet.timestamp, packet.payload);
            }
        }
        // A copy, or a packet far off its sequence, is nothing for anybody's ear.
        let is_fresh = matches!(arrival, Arrival::InOrder | Arrival::Late);
        if is_fresh && is_key {
            inbox.push(packet, KEYS);
        } else if is_fresh && Law::of_payload_type(packet.payload_type).is_some() {
            inbox.push(packet, packet.payload_type);
        }
    }

    /// Reads control packets.
    pub fn read_control(&mut self, around: &Around<'_>) {
        let from = self.latch.target();
        let ours = self.stream.ssrc();
        if let Some(line) = &mut self.line {
            line.read_control(from, self.secured.as_deref_mut(), ours, around);
        }
    }

    /// Passes a packet of the other side on, in this leg's law. `scratch` is overwritten. Returns whether it was sent.
    pub fn pass_on(
        &mut self,
        packet: &RtpPacket<'_>,
        at: Mono,
        scratch: &mut Vec<u8>,
        counters: &Counters,
    ) -> bool {
        let ours = match packet.payload_type {
            PCMU | PCMA => Some(self.payload_type()),
            KEYS => self.path.and_then(|path| path.telephone_event),
            _ => None,
        };
        let Some(ours) = ours.filter(|_| !self.is_taken() && self.is_listening()) else {
            return false;
        };
        let Some(numbers) = self.stream.pass_on(packet, at) else {
            return false;
        };
        self.passed_on_at = Some(at);
        if packet.payload_type == ours || packet.payload_type == KEYS {
            self.stream.write(numbers, ours, packet.payload, scratch);
        } else {
            law::convert(packet.payload, ours, &mut self.converted);
            self.stream.write(numbers, ours, &self.converted, scratch);
        }
        let sent = self.send(scratch, packet.payload.len(), counters);
        if sent && let Some(line) = &mut self.line {
            line.agent_spoke(at);
        }
        sent
    }

    /// Its turn in the 20 ms: a frame of our own where nothing else is being sent; now and then a look around. `scratch` is
    /// overwritten.
    pub fn beat(&mut self, around: &Around<'_>, scratch: &mut Vec<u8>) -> Beat {
        let announced = self.send_frame(around, scratch);
        let mut news = None;
        if around.at >= self.look_at {
            self.look_at = around.at + LOOK_EVERY;
            news = self.look(around, scratch, false);
        }
        Beat { announced, news }
    }

    /// The last words to the far side's control.
    pub fn say_goodbye(&mut self, around: &Around<'_>, scratch: &mut Vec<u8>) {
        self.look(around, scratch, true);
    }

    fn look(&mut self, around: &Around<'_>, scratch: &mut Vec<u8>, bye: bool) -> Option<WatchNews> {
        let line = self.line.as_mut()?;
        let figures = (&self.stream, &self.reception);
        if line.report(figures, around, bye, scratch)
            && let Some(target) = self.latch.target()
            && self
                .secured
                .as_mut()
                .is_none_or(|secured| secured.seal(scratch, true))
        {
            line.send_control(target, scratch, around.counters);
        }
        let trunk = self.trunk.map(|trunk| usize::from(trunk.0));
        let down = trunk.and_then(|trunk| around.trunks_down.get(trunk));
        let is_sending = self
            .path
            .is_some_and(|path| path.remote.is_some() && path.direction == Direction::SendRecv);
        let around_it = Circumstances {
            held: self.held || !is_sending,
            trunk_down: down.copied().unwrap_or(false),
        };
        line.look(around.at, around_it)
    }

    /// Sends a frame of our own, if it is our turn. Returns whether a prompt ended with it.
    fn send_frame(&mut self, around: &Around<'_>, scratch: &mut Vec<u8>) -> bool {
        let at = around.at;
        let is_spoken = self
            .passed_on_at
            .is_some_and(|passed| at.since(passed) < FILL_AFTER);
        if is_spoken && !self.is_taken() {
            return false;
        }
        let can_send = self.latch.target().is_some() && self.is_listening();
        let law = self.path.map_or(Law::Mu, |path| path.law);
        let ours = law.payload_type();
        let event = self.line.as_mut().and_then(|line| line.key_frame());
        let key = self.path.and_then(|path| path.telephone_event);
        if let (Some(event), Some(key), true) = (event, key, can_send) {
            let payload = &event.payload;
            let (marker, age) = (event.marker, event.age_frames);
            let numbers = self.stream.event_at(at, marker, age, payload.len());
            self.stream.write(numbers, key, payload, scratch);
            self.send(scratch, payload.len(), around.counters);
            return false;
        }
        // A far side that takes no events hears the tones.
        let tone = event.and_then(|event| event.sound(law));
        let mut announced = false;
        let mut frame: &[u8; FRAME_SAMPLES] = comfort_noise(ours);
        if let Some(tone) = &tone {
            frame = tone;
        } else if let Some(playing) = &mut self.announcing {
            match playing.once(law) {
                Some(next) => frame = next,
                None => announced = true,
            }
        } else if self.held {
            if self.music.is_none() {
                self.music = around.music.map(|music| Playing::new(Arc::clone(music)));
            }
            if let Some(music) = &mut self.music {
                frame = music.again(law);
            }
        }
        if can_send {
            let numbers = self.stream.own_at(at);
            self.stream.write(numbers, ours, frame, scratch);
            let bytes = frame.len();
            self.send(scratch, bytes, around.counters);
        } else {
            self.stream.skip(1);
        }
        if announced {
            self.announcing = None;
        }
        announced
    }

    fn send(&mut self, packet: &mut Vec<u8>, payload: usize, counters: &Counters) -> bool {
        let Some(target) = self.latch.target() else {
            return false;
        };
        if let Some(secured) = &mut self.secured
            && !secured.seal(packet, false)
        {
            count(&counters.send_failures, 1);
            return false;
        }
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
        if let (Some(tap), Some(law)) = (&mut self.tap, Law::of_payload_type(payload_type)) {
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
            line: self
                .line
                .as_ref()
                .map(|line| line.said())
                .unwrap_or_default(),
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
