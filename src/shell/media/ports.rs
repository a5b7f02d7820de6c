//! A pool of UDP sockets on even ports. Owns the sockets that no call uses; knows nothing of calls.
//!
//! Bound when first needed; reused oldest first and not within [`QUARANTINE`] while another port is to be had, so that
//! packets of an earlier call find nobody.

use crate::time::Mono;
use mio::net::{TcpListener, UdpSocket};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a port rests after a call, while others are free. Longer than a far end goes on sending after BYE.
pub const QUARANTINE: Duration = Duration::from_secs(10);
/// Ports tried for one request: others on the machine may hold some of the range.
const TRIES: usize = 64;
/// Stale packets taken out of a socket at reuse: more than its buffer holds.
const DRAIN_MAX: u64 = 4_096;
/// Receive and send buffer of a shared port in octets: some 100 ms of 1,000 voices.
const SHARED_OCTETS: usize = 4 << 20;
/// Expedited forwarding (RFC 3246, RFC 4594 s.4.1): voice goes first where the network listens to it.
const DSCP_EF: u32 = 46 << 2;

/// The pool.
#[derive(Debug)]
pub struct PortPool {
    listen: IpAddr,
    /// Ports never bound so far, lowest first.
    unbound: VecDeque<u16>,
    /// Bound and free, the longest free first.
    free: VecDeque<(UdpSocket, u16, Mono)>,
    stale: u64,
}

impl PortPool {
    /// A pool over the even ports of `first..=last` on `listen`. Binds nothing yet.
    pub fn new(listen: IpAddr, (first, last): (u16, u16)) -> Self {
        PortPool {
            listen,
            unbound: (first..=last).filter(|port| port % 2 == 0).collect(),
            free: VecDeque::new(),
            stale: 0,
        }
    }

    /// Ports that nobody uses, bound or not.
    pub fn available(&self) -> usize {
        self.unbound.len() + self.free.len()
    }

    /// Packets of earlier calls found in reused sockets so far.
    pub const fn stale_packets(&self) -> u64 {
        self.stale
    }

    /// Checks that the range can be used at all: binds one port of it.
    pub fn probe(&mut self, now: Mono) -> std::io::Result<()> {
        let (socket, port) = self.bind_next().unwrap_or_else(|| {
            Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "no even port in the range",
            ))
        })?;
        // As free as if it had rested already.
        self.free.push_front((
            socket,
            port,
            Mono(now.0.saturating_sub(QUARANTINE.as_micros() as u64)),
        ));
        Ok(())
    }

    /// An empty, non-blocking socket and its port; `None` when all are taken.
    pub fn take(&mut self, now: Mono) -> Option<(UdpSocket, u16)> {
        let rested = self
            .free
            .front()
            .is_some_and(|(_, _, since)| now.since(*since) >= QUARANTINE);
        if !rested && let Some(Ok(fresh)) = self.bind_next() {
            return Some(fresh);
        }
        let (socket, port, _) = self.free.pop_front()?;
        self.stale += drain(&socket);
        Some((socket, port))
    }

    /// A socket whose call is over.
    pub fn give_back(&mut self, socket: UdpSocket, port: u16, now: Mono) {
        self.free.push_back((socket, port, now));
    }

    /// The next unbound port that can be bound; a port held by others goes to the end of the line.
    fn bind_next(&mut self) -> Option<std::io::Result<(UdpSocket, u16)>> {
        let mut last = None;
        for _ in 0..TRIES.min(self.unbound.len()) {
            let port = self.unbound.pop_front()?;
            match bind(SocketAddr::new(self.listen, port)) {
                Ok(socket) => return Some(Ok((socket, port))),
                Err(error) => {
                    self.unbound.push_back(port);
                    last = Some(Err(error));
                }
            }
        }
        last
    }
}

/// A port that many share: its buffers hold a moment of everybody's voice. The kernel grants at most net.core.rmem_max.
/// The TCP port of the same number is bound beside it, for browsers that UDP does not reach.
pub(super) fn bind_shared(address: SocketAddr) -> std::io::Result<(UdpSocket, TcpListener)> {
    let mut tries = if address.port() == 0 { TRIES } else { 1 };
    loop {
        tries -= 1;
        let socket = bind(address)?;
        match TcpListener::bind(socket.local_addr()?) {
            Ok(listener) => {
                let view = socket2::SockRef::from(&socket);
                let _ = view.set_recv_buffer_size(SHARED_OCTETS);
                let _ = view.set_send_buffer_size(SHARED_OCTETS);
                return Ok((socket, listener));
            }
            Err(fault) if tries == 0 => return Err(fault),
            Err(_) => {}
        }
    }
}

/// A non-blocking socket that voice goes out of first.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    // A refusal costs priority, not the call.
    let _ = if address.is_ipv4() {
        socket.set_tos_v4(DSCP_EF)
    } else {
        socket.set_tclass_v6(DSCP_EF)
    };
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// Empties a socket's buffer; returns how many packets were in it.
fn drain(socket: &UdpSocket) -> u64 {
    let mut scrap = [0; 64];
    (0..DRAIN_MAX)
        .find(|_| socket.recv_from(&mut scrap).is_err())
        .unwrap_or(DRAIN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A range of `pairs` port pairs somewhere free: asked of the operating system, so that tests do not meet.
    fn pool(pairs: u16) -> PortPool {
        loop {
            let probe = std::net::UdpSocket::bind((HERE, 0)).unwrap();
            let first = probe.local_addr().unwrap().port() & !1;
            let Some(last) = first.checked_add(pairs * 2 - 1) else {
                continue;
            };
            drop(probe);
            let mut pool = PortPool::new(HERE, (first, last));
            let all: Vec<_> = std::iter::from_fn(|| pool.take(Mono(0))).collect();
            if all.len() == usize::from(pairs) {
                return PortPool::new(HERE, (first, last));
            }
        }
    }

    #[test]
    fn ports_are_even_distinct_and_end() {
        let mut pool = pool(4);
        let taken: Vec<_> = std::iter::from_fn(|| pool.take(Mono(0))).collect();
        let mut ports: Vec<_> = taken.iter().map(|(_, port)| *port).collect();
        for (socket, port) in &taken {
            assert_eq!(socket.local_addr().unwrap().port(), *port);
        }
        ports.dedup();
        assert_eq!(ports.len(), 4);
        assert!(ports.iter().all(|port| port % 2 == 0));
        assert_eq!(pool.available(), 0);
    }

    #[test]
    fn a_port_rests_while_another_is_to_be_had() {
        let mut pool = pool(3);
        let (first, first_port) = pool.take(Mono(0)).unwrap();
        pool.give_back(first, first_port, Mono(0));
        let (second, second_port) = pool.take(Mono::from_secs(1)).unwrap();
        assert_ne!(second_port, first_port);
        // Rested: the oldest comes before a new one.
        let (_third, third_port) = pool.take(Mono::from_secs(11)).unwrap();
        assert_eq!(third_port, first_port);
        let _fourth = pool.take(Mono::from_secs(11)).unwrap();
        // Nothing else is left: better a port that has not rested than no call.
        pool.give_back(second, second_port, Mono::from_secs(11));
        assert_eq!(
            pool.take(Mono::from_secs(11)).map(|(_, port)| port),
            Some(second_port)
        );
        assert!(pool.take(Mono::from_secs(11)).is_none());
    }

    #[test]
    fn a_reused_port_holds_no_packet_of_the_earlier_call() {
        let mut pool = pool(1);
        let (socket, port) = pool.take(Mono(0)).unwrap();
        let sender = std::net::UdpSocket::bind((HERE, 0)).unwrap();
        pool.give_back(socket, port, Mono(0));
        for _ in 0..5 {
            sender.send_to(&[0x80; 172], (HERE, port)).unwrap();
        }
        let (socket, _) = pool.take(Mono::from_secs(60)).unwrap();
        assert_eq!(pool.stale_packets(), 5);
        assert!(socket.recv_from(&mut [0; 8]).is_err());
    }
}
