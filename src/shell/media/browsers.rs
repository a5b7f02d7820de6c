//! All browsers' legs of one media thread behind one UDP port: who a datagram belongs to, and when each session is due.
//!
//! Owns the port and the sessions. A datagram counts only from an address that ICE has admitted, or as an ICE check that names one
//! of our sessions (RFC 8445 s.7.3); everything else is dropped after a look at its first octets, and nothing is sent back.

use super::browser::{Browser, BrowserNews, OfferFault, Peer};
use super::counters::{Counters, count};
use super::streams::Streams;
use crate::ids::AgentId;
use crate::shell::api::ears::EarId;
use mio::net::{TcpListener, UdpSocket};
use mio::{Registry, Token};
use rustc_hash::FxHashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use str0m::crypto::dtls::DtlsCert;
use str0m::net::Protocol;
use str0m::rtp::RtpPacket;

/// Datagrams read in one go: others have their turn in between.
const READ_MAX: usize = 256;
/// Addresses of one browser that are remembered; a phone on the move has a handful.
const ADDRESSES_MAX: usize = 8;
/// "Magic cookie" of STUN (RFC 8489 s.5).
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// STUN attribute USERNAME (RFC 8489 s.14.3).
const STUN_USERNAME: u16 = 0x0006;

/// Whose session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// An agent, for the shift.
    Agent(AgentId),
    /// A supervisor who listens.
    Ear(EarId),
}

impl From<AgentId> for Who {
    fn from(agent: AgentId) -> Who {
        Who::Agent(agent)
    }
}

/// What happened on one browser's leg.
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be an allocation for each packet; the list is used again"
)]
#[derive(Debug)]
pub(super) enum Heard {
    /// Voice or keys.
    Packet(Who, RtpPacket),
    /// The session changed.
    News(Who, BrowserNews),
}

/// The sessions.
pub(super) struct Browsers {
    pub socket: UdpSocket,
    /// Browsers that only get through by TCP, on a port of the same number.
    pub streams: Streams,
    /// Where browsers are told that we are.
    candidates: Vec<SocketAddr>,
    certificate: DtlsCert,
    sessions: FxHashMap<Who, Session>,
    by_address: FxHashMap<Peer, Who>,
    by_user_name: FxHashMap<String, Who>,
    packets: Vec<RtpPacket>,
    datagram: Box<[u8]>,
    datagrams: Vec<(SocketAddr, Vec<u8>)>,
}

struct Session {
    browser: Browser,
    user_name: String,
}

impl Browsers {
    /// No session yet. `advertised`: addresses that browsers are told instead of the socket's own.
    pub fn new(
        socket: UdpSocket,
        listener: TcpListener,
        advertised: &[IpAddr],
        certificate: DtlsCert,
    ) -> std::io::Result<Browsers> {
        let local = socket.local_addr()?;
        let candidates = if advertised.is_empty() {
            vec![local]
        } else {
            let with_port = |address: &IpAddr| SocketAddr::new(*address, local.port());
            advertised.iter().map(with_port).collect()
        };
        Ok(Browsers {
            socket,
            streams: Streams::new(listener),
            candidates,
            certificate,
            sessions: FxHashMap::default(),
            by_address: FxHashMap::default(),
            by_user_name: FxHashMap::default(),
            packets: Vec::new(),
            datagram: Box::new([0; 2_048]),
            datagrams: Vec::new(),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// An agent's session.
    pub fn get_mut(&mut self, agent: impl Into<Who>) -> Option<&mut Browser> {
        let agent = agent.into();
        self.sessions
            .get_mut(&agent)
            .map(|session| &mut session.browser)
    }

    /// A browser's offer: an ICE restart of its session, or a new session in place of an earlier one.
    pub fn offer(
        &mut self,
        agent: impl Into<Who>,
        sdp: &str,
        random: [u8; 10],
        now: Instant,
    ) -> Result<String, OfferFault> {
        let agent = agent.into();
        if let Some(session) = self.sessions.get_mut(&agent)
            && session.browser.is_alive()
            && session.browser.is_of_same_browser(sdp)
        {
            let answer = session.browser.restart(sdp)?;
            self.name(agent);
            return Ok(answer);
        }
        let certificate = self.certificate.clone();
        let (browser, answer) = Browser::accept(sdp, &self.candidates, certificate, random, now)?;
        self.remove(agent);
        let session = Session {
            browser,
            user_name: String::new(),
        };
        self.sessions.insert(agent, session);
        self.name(agent);
        Ok(answer)
    }

    /// An ICE restart gives the session another name.
    fn name(&mut self, agent: Who) {
        if let Some(session) = self.sessions.get_mut(&agent) {
            self.by_user_name.remove(&session.user_name);
            session.user_name = session.browser.user_name();
            self.by_user_name.insert(session.user_name.clone(), agent);
        }
    }

    /// Ends a session.
    pub fn remove(&mut self, agent: impl Into<Who>) {
        let agent = agent.into();
        if let Some(session) = self.sessions.remove(&agent) {
            self.by_user_name.remove(&session.user_name);
            for address in &session.browser.addresses {
                self.by_address.remove(address);
            }
        }
    }

    /// Reads what is there. Returns whether there may be more.
    pub fn read(&mut self, now: Instant, heard: &mut Vec<Heard>, counters: &Counters) -> bool {
        for _ in 0..READ_MAX {
            let (length, source) = match self.socket.recv_from(&mut self.datagram) {
                Ok(arrived) => arrived,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                // An ICMP error of an earlier packet: the next read goes on.
                Err(_) => continue,
            };
            let from = Peer {
                protocol: Protocol::Udp,
                address: source,
            };
            let datagram = std::mem::replace(&mut self.datagram, Box::new([0; 0]));
            self.take(&datagram[..length], from, now, heard, counters);
            self.datagram = datagram;
        }
        true
    }

    /// Reads a connection of a browser that comes by TCP.
    pub fn read_stream(
        &mut self,
        token: Token,
        registry: &Registry,
        now: Instant,
        heard: &mut Vec<Heard>,
        counters: &Counters,
    ) {
        let mut datagrams = std::mem::take(&mut self.datagrams);
        self.streams.read(token, registry, &mut |peer, datagram| {
            datagrams.push((peer, datagram.to_vec()));
        });
        for (address, datagram) in datagrams.drain(..) {
            let from = Peer {
                protocol: Protocol::Tcp,
                address,
            };
            self.take(&datagram, from, now, heard, counters);
        }
        self.datagrams = datagrams;
    }

    fn take(
        &mut self,
        data: &[u8],
        from: Peer,
        now: Instant,
        heard: &mut Vec<Heard>,
        counters: &Counters,
    ) {
        count(&counters.agent_datagrams, 1);
        let Some(agent) = self.owner(from, data) else {
            return count(&counters.agent_foreign_datagrams, 1);
        };
        let Some(session) = self.sessions.get_mut(&agent) else {
            return;
        };
        if !session.browser.receive(data, from, now) {
            count(&counters.agent_refused_datagrams, 1);
        }
        self.drain(agent, Some(from), heard, counters);
    }

    fn owner(&self, source: Peer, data: &[u8]) -> Option<Who> {
        let named = || {
            let name = user_name(data)?;
            self.by_user_name.get(name).copied()
        };
        self.by_address.get(&source).copied().or_else(named)
    }

    /// Puts a payload on the stream to an agent and sends what comes of it.
    pub fn drain(
        &mut self,
        agent: impl Into<Who>,
        source: Option<Peer>,
        heard: &mut Vec<Heard>,
        counters: &Counters,
    ) {
        let agent = agent.into();
        let Some(session) = self.sessions.get_mut(&agent) else {
            return;
        };
        let (socket, streams) = (&self.socket, &mut self.streams);
        let mut answered = false;
        let news = session.browser.drain(
            &mut |target, datagram| {
                // Only a check with the right password is answered to where it came from.
                answered |= source == Some(target);
                let is_sent = match target.protocol {
                    Protocol::Udp => socket.send_to(datagram, target.address).is_ok(),
                    _ => streams.send(target.address, datagram),
                };
                if is_sent {
                    count(&counters.agent_sent_datagrams, 1);
                } else {
                    count(&counters.send_failures, 1);
                }
            },
            &mut self.packets,
        );
        if answered && let Some(source) = source {
            self.admit(agent, source);
        }
        heard.extend(
            self.packets
                .drain(..)
                .map(|packet| Heard::Packet(agent, packet)),
        );
        if let Some(news) = news {
            if news == BrowserNews::Closed {
                self.remove(agent);
            }
            heard.push(Heard::News(agent, news));
        }
    }

    fn admit(&mut self, agent: Who, source: Peer) {
        if source.protocol != Protocol::Udp {
            self.streams.keep(source.address);
        }
        if self.by_address.get(&source) == Some(&agent) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&agent) else {
            return;
        };
        let addresses = &mut session.browser.addresses;
        if addresses.len() >= ADDRESSES_MAX {
            let oldest = addresses.remove(0);
            self.by_address.remove(&oldest);
        }
        addresses.push(source);
        if let Some(before) = self.by_address.insert(source, agent)
            && before != agent
            && let Some(earlier) = self.sessions.get_mut(&before)
        {
            // The same port of the same host, now of another session: an agent who loaded his page anew.
            earlier
                .browser
                .addresses
                .retain(|address| *address != source);
        }
    }

    /// Wakes the sessions whose time has come.
    pub fn wake_due(&mut self, now: Instant, heard: &mut Vec<Heard>, counters: &Counters) {
        let due: Vec<Who> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.browser.next <= now)
            .map(|(agent, _)| *agent)
            .collect();
        for agent in due {
            if let Some(session) = self.sessions.get_mut(&agent) {
                session.browser.wake(now);
            }
            self.drain(agent, None, heard, counters);
        }
    }
}

/// The part of a STUN check's USERNAME that names us: what stands before the colon (RFC 8445 s.7.2.2).
fn user_name(data: &[u8]) -> Option<&str> {
    // A binding request: type 0x0001, then length and cookie (RFC 8489 s.5).
    if data.len() < 20 || data[..2] != [0, 1] || data[4..8] != STUN_COOKIE {
        return None;
    }
    let mut rest = &data[20..];
    while rest.len() >= 4 {
        let kind = u16::from_be_bytes([rest[0], rest[1]]);
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let value = rest.get(4..4 + length)?;
        if kind == STUN_USERNAME {
            let text = std::str::from_utf8(value).ok()?;
            return text.split(':').next().filter(|name| !name.is_empty());
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attributes: &[u8]) -> Vec<u8> {
        let mut data = vec![0, 1, 0, attributes.len() as u8];
        data.extend(STUN_COOKIE);
        data.extend([7; 12]);
        data.extend(attributes);
        data
    }

    #[test]
    fn a_check_names_its_session_behind_other_attributes() {
        let mut attributes = vec![0x80, 0x22, 0, 3, b'x', b'y', b'z', 0];
        attributes.extend([0, 6, 0, 9]);
        attributes.extend(b"ours:hers");
        attributes.extend([0, 0, 0]);
        assert_eq!(user_name(&check(&attributes)), Some("ours"));
    }

    #[test]
    fn cut_off_and_foreign_datagrams_name_nobody() {
        for data in [
            &[][..],
            &[0, 1, 0, 0],
            &check(&[0, 6, 0xFF, 0xFF, b'a']),
            &check(&[0, 6, 0, 1, b':', 0, 0, 0]),
            &[22; 64],
            &[0x80; 172],
        ] {
            assert_eq!(user_name(data), None);
        }
    }
}
