//! Browsers that only get through by TCP (RFC 6544, passive side): the same datagrams, each behind its length (RFC 4571).
//!
//! Owns the listening socket and the connections; knows nothing of sessions. A connection that does not name one of ours within
//! [`NAME_WAIT`] is closed, so that strangers hold nothing.

use crate::time::Mono;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// Connections at once; a further one is closed at once. Few agents need TCP at all.
const CONNECTIONS_MAX: usize = 1_024;
/// Longest wait for the check that names a session.
const NAME_WAIT: Duration = Duration::from_secs(5);
/// Octets that may wait for a reader that is too slow: half a second of voice. More is dropped: late voice is no voice.
const WAITING_MAX: usize = 16_384;
/// Longest datagram behind a length.
const FRAME_MAX: usize = 2_048;
/// Tokens of connections begin here: no leg's slot reaches it.
const FIRST_TOKEN: usize = 1 << 60;

/// The listening socket's token.
pub(super) const LISTENER: Token = Token(usize::MAX - 2);

/// All connections of one thread.
pub(super) struct Streams {
    listener: TcpListener,
    connections: FxHashMap<usize, Connection>,
    by_peer: FxHashMap<SocketAddr, usize>,
    next: usize,
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    since: Mono,
    /// It has named a session.
    is_known: bool,
    unread: Vec<u8>,
    unsent: Vec<u8>,
}

impl Streams {
    /// Listens where browsers are told that we are.
    pub fn new(listener: TcpListener) -> Streams {
        Streams {
            listener,
            connections: FxHashMap::default(),
            by_peer: FxHashMap::default(),
            next: FIRST_TOKEN,
        }
    }

    /// Begins to listen.
    pub fn register(&mut self, registry: &Registry) -> std::io::Result<()> {
        registry.register(&mut self.listener, LISTENER, Interest::READABLE)
    }

    /// Whether a token is one of these connections'.
    pub const fn is_one(token: Token) -> bool {
        token.0 >= FIRST_TOKEN && token.0 < LISTENER.0
    }

    /// Takes new connections in.
    pub fn accept(&mut self, registry: &Registry, now: Mono) {
        loop {
            let (mut stream, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Also "too many open files": the next event tries again.
                Err(_) => return,
            };
            if self.connections.len() >= CONNECTIONS_MAX {
                continue;
            }
            let token = self.next;
            let both = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut stream, Token(token), both).is_err() {
                continue;
            }
            // Voice in small packets: waiting to fill a segment would be delay.
            let _ = stream.set_nodelay(true);
            self.next += 1;
            self.by_peer.insert(peer, token);
            self.connections.insert(
                token,
                Connection {
                    stream,
                    peer,
                    since: now,
                    is_known: false,
                    unread: Vec::new(),
                    unsent: Vec::new(),
                },
            );
        }
    }

    /// Reads a connection and hands over each whole datagram with the address it came from.
    pub fn read(
        &mut self,
        token: Token,
        registry: &Registry,
        each: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        let Some(connection) = self.connections.get_mut(&token.0) else {
            return;
        };
        let mut is_over = !connection.write_on();
        let mut octets = [0; 4_096];
        while !is_over {
            match connection.stream.read(&mut octets) {
                Ok(0) => is_over = true,
                Ok(count) => {
                    connection.unread.extend_from_slice(&octets[..count]);
                    is_over = !connection.frames(each);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => is_over = true,
            }
        }
        if is_over {
            self.close(token.0, registry);
        }
    }

    /// Sends a datagram to a peer; `false`: there is no connection, or its reader is too slow.
    pub fn send(&mut self, peer: SocketAddr, datagram: &[u8]) -> bool {
        let connection = self
            .by_peer
            .get(&peer)
            .and_then(|token| self.connections.get_mut(token));
        let Some(connection) = connection else {
            return false;
        };
        let Ok(length) = u16::try_from(datagram.len()) else {
            return false;
        };
        if connection.unsent.len() + datagram.len() > WAITING_MAX {
            return false;
        }
        connection.unsent.extend(length.to_be_bytes());
        connection.unsent.extend_from_slice(datagram);
        connection.write_on()
    }

    /// A session belongs to this peer: the connection may stay.
    pub fn keep(&mut self, peer: SocketAddr) {
        let token = self.by_peer.get(&peer);
        if let Some(connection) = token.and_then(|token| self.connections.get_mut(token)) {
            connection.is_known = true;
        }
    }

    /// Closes what named no session in time.
    pub fn close_strangers(&mut self, now: Mono, registry: &Registry) {
        let strangers: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, one)| !one.is_known && now.since(one.since) >= NAME_WAIT)
            .map(|(token, _)| *token)
            .collect();
        for token in strangers {
            self.close(token, registry);
        }
    }

    fn close(&mut self, token: usize, registry: &Registry) {
        if let Some(mut connection) = self.connections.remove(&token) {
            let _ = registry.deregister(&mut connection.stream);
            if self.by_peer.get(&connection.peer) == Some(&token) {
                self.by_peer.remove(&connection.peer);
            }
        }
    }
}

impl Connection {
    /// Takes whole datagrams off what was read. `false`: a length that no packet of ours or theirs has.
    fn frames(&mut self, each: &mut dyn FnMut(SocketAddr, &[u8])) -> bool {
        let mut from = 0;
        while let Some([high, low]) = self.unread.get(from..from + 2) {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if length > FRAME_MAX {
                return false;
            }
            let Some(datagram) = self.unread.get(from + 2..from + 2 + length) else {
                break;
            };
            each(self.peer, datagram);
            from += 2 + length;
        }
        self.unread.drain(..from);
        true
    }

    /// Writes what waits, as far as it goes. `false`: the connection is broken.
    fn write_on(&mut self) -> bool {
        let mut written = 0;
        let is_whole = loop {
            let rest = &self.unsent[written..];
            if rest.is_empty() {
                break true;
            }
            match self.stream.write(rest) {
                Ok(0) => break false,
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Not connected yet counts as broken: accepted sockets are.
                Err(_) => break false,
            }
        };
        self.unsent.drain(..written);
        is_whole
    }
}
