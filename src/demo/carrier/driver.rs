//! The simulated network's sockets, clock and thread: one poll over SIP (UDP, TCP) and RTP. Decides nothing about calls.

use super::lines::{Lines, People};
use super::network::{Network, NetworkSettings, Output, Route};
use super::records::{RecordFile, Totals, replace_file};
use super::{CarrierArgs, CarrierError};
use crate::demo::chance::Chance;
use crate::shell::lanes::Clock;
use crate::shell::media::ports::PortPool;
use crate::time::{Mono, Now};
use crate::wire::sip::framing::{Frame, StreamFramer};
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

const WAKE: Token = Token(0);
const UDP: Token = Token(1);
const LISTENER: Token = Token(2);
const FIRST_STREAM: usize = 3;
/// TCP connections at once; further ones are closed at once.
const STREAMS_MAX: usize = 256;
const FIRST_LINE: usize = FIRST_STREAM + STREAMS_MAX;
/// Octets that may wait for a slow TCP peer before its connection is closed.
const PENDING_MAX: usize = 1 << 20;
/// Datagrams taken in one go before RTP has its turn.
const DATAGRAMS_MAX: usize = 256;
/// Receive buffer of the SIP socket: a burst at the start of a shift.
const SIP_BUFFER: usize = 4 << 20;
/// How long a stop waits for the answers to its BYEs.
const FAREWELL: Duration = Duration::from_secs(2);
/// Time between two `--stats`.
const STATS_EVERY: Duration = Duration::from_secs(1);

/// Stops a driver from another thread. The first call ends all calls politely, the second one at once.
#[derive(Debug)]
pub struct Stopper {
    asked: AtomicU8,
    waker: Waker,
}

impl Stopper {
    /// Asks the driver to stop.
    pub fn stop(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        // A driver that is gone needs no waking.
        let _ = self.waker.wake();
    }

    fn asked(&self) -> u8 {
        self.asked.load(Ordering::Acquire)
    }
}

/// The bound network, ready to run.
pub struct Driver {
    poll: Poll,
    clock: Clock,
    udp: UdpSocket,
    listener: TcpListener,
    streams: Vec<Option<Stream>>,
    lines: Lines,
    network: Network,
    local: SocketAddr,
    stopper: Arc<Stopper>,
    records: Option<RecordFile>,
    stats: Option<PathBuf>,
    stats_at: Mono,
    loss: f64,
    luck: Chance,
    dropped: u64,
    beyond_loopback: bool,
    out: Vec<Output>,
}

struct Stream {
    socket: TcpStream,
    peer: SocketAddr,
    framer: StreamFramer,
    pending: Vec<u8>,
}

impl Driver {
    /// Checks the flags and binds every socket.
    pub fn bind(args: CarrierArgs, clock: Clock) -> Result<Self, CarrierError> {
        args.behaviour.check()?;
        if !(0.0..=0.9).contains(&args.loss) {
            return Err(CarrierError::Loss(args.loss));
        }
        if !args.lab && !args.listen.ip().is_loopback() {
            return Err(CarrierError::BeyondLoopback(args.listen));
        }
        let secret = Chance::of(args.seed, "nonces", clock.now().unix.0 as u64).bits();
        let credentials = args
            .digest
            .as_deref()
            .map(|text| super::digest::Credentials::parse(text, args.digest_sha256, secret))
            .transpose()?;
        let records = match &args.cdr {
            Some(path) => Some(
                RecordFile::open(path).map_err(|source| CarrierError::Records {
                    path: path.clone(),
                    source,
                })?,
            ),
            None => None,
        };
        let (mut udp, mut listener, local) = bind_both(args.listen)?;
        let mut pool = PortPool::new(args.listen.ip(), args.rtp_ports);
        pool.probe(clock.mono())
            .map_err(|source| CarrierError::Bind {
                what: format!("an RTP port of {}-{}", args.rtp_ports.0, args.rtp_ports.1),
                source,
            })?;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        poll.registry()
            .register(&mut udp, UDP, Interest::READABLE)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        if let Some(path) = &args.record {
            std::fs::create_dir_all(path).map_err(|source| CarrierError::Tapes {
                path: path.clone(),
                source,
            })?;
        }
        let people = People {
            speech: args.speech,
            tone: args.tone,
            record: args.record.clone(),
        };
        let registry = poll.registry().try_clone()?;
        let lines = Lines::new(registry, pool, FIRST_LINE, args.seed, people);
        let network = Network::new(NetworkSettings {
            local,
            behaviour: args.behaviour,
            seed: args.seed,
            credentials,
            laws: args.law.list(),
            calls_max: args.calls_max,
            beyond_loopback: args.lab,
        });
        Ok(Driver {
            poll,
            clock,
            udp,
            listener,
            streams: Vec::new(),
            lines,
            network,
            local,
            stopper: Arc::new(Stopper {
                asked: AtomicU8::new(0),
                waker,
            }),
            records,
            stats: args.stats,
            stats_at: Mono(0),
            loss: args.loss,
            luck: Chance::of(args.seed, "loss", 0),
            dropped: 0,
            beyond_loopback: args.lab,
            out: Vec::new(),
        })
    }

    /// Where SIP is bound.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Stops it from elsewhere.
    pub fn stopper(&self) -> Arc<Stopper> {
        Arc::clone(&self.stopper)
    }

    /// Runs on this thread until stopped; returns the totals.
    pub fn run(mut self) -> Totals {
        let mut events = Events::with_capacity(1_024);
        let mut unread: Vec<Token> = Vec::new();
        let mut farewell: Option<Mono> = None;
        loop {
            let wait = if unread.is_empty() {
                self.wait()
            } else {
                Duration::ZERO
            };
            if let Err(error) = self.poll.poll(&mut events, Some(wait))
                && error.kind() != ErrorKind::Interrupted
            {
                tracing::error!(%error, "The simulated network cannot poll its sockets; it stops.");
                break;
            }
            let now = self.clock.now();
            self.lines.set_now(now.mono);
            let earlier = std::mem::take(&mut unread);
            for token in events.iter().map(|event| event.token()).chain(earlier) {
                if self.ready(token, now) {
                    unread.push(token);
                }
            }
            self.network
                .handle_timeout(now, &mut self.lines, &mut self.out);
            self.flush();
            self.lines.send_due(self.clock.mono());
            self.write_stats(now, false);
            let asked = self.stopper.asked();
            if asked == 0 {
                continue;
            }
            let until = *farewell.get_or_insert_with(|| {
                self.network.stop(now, &mut self.lines, &mut self.out);
                now.mono + FAREWELL
            });
            self.flush();
            if asked > 1 || now.mono >= until || self.network.is_quiet() {
                break;
            }
        }
        let now = self.clock.now();
        self.write_stats(now, true);
        self.totals()
    }

    fn totals(&self) -> Totals {
        Totals {
            dropped: self.dropped,
            rtp_sent: self.lines.totals.0,
            rtp_received: self.lines.totals.1,
            ..self.network.totals()
        }
    }

    fn wait(&self) -> Duration {
        let now = self.clock.mono();
        [self.network.next_timeout(), self.lines.next_timeout()]
            .into_iter()
            .flatten()
            .map(|at| at.since(now))
            .min()
            .unwrap_or(STATS_EVERY)
            .min(STATS_EVERY)
    }

    /// Serves one socket. Returns whether there may be more to read.
    fn ready(&mut self, token: Token, now: Now) -> bool {
        match token {
            WAKE => false,
            UDP => self.read_datagrams(now),
            LISTENER => {
                self.accept();
                false
            }
            Token(n) if n < FIRST_LINE => {
                self.read_stream(n - FIRST_STREAM, now);
                false
            }
            line => self.lines.read(line, now.mono),
        }
    }

    fn read_datagrams(&mut self, now: Now) -> bool {
        let mut datagram = [0; 65_535];
        for _ in 0..DATAGRAMS_MAX {
            let (length, source) = match self.udp.recv_from(&mut datagram) {
                Ok(arrived) => arrived,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => continue,
            };
            if !self.beyond_loopback && !source.ip().is_loopback() {
                continue;
            }
            if self.luck.happens(self.loss) {
                self.dropped += 1;
                continue;
            }
            self.network.receive(
                now,
                Route::Udp(source),
                &datagram[..length],
                &mut self.lines,
                &mut self.out,
            );
            self.flush();
        }
        true
    }

    fn accept(&mut self) {
        while let Ok((mut socket, peer)) = self.listener.accept() {
            if !self.beyond_loopback && !peer.ip().is_loopback() {
                continue;
            }
            let slot = self
                .streams
                .iter()
                .position(Option::is_none)
                .unwrap_or(self.streams.len());
            if slot >= STREAMS_MAX {
                continue;
            }
            let token = Token(FIRST_STREAM + slot);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self
                .poll
                .registry()
                .register(&mut socket, token, interest)
                .is_err()
            {
                continue;
            }
            if slot == self.streams.len() {
                self.streams.push(None);
            }
            self.streams[slot] = Some(Stream {
                socket,
                peer,
                framer: StreamFramer::new(),
                pending: Vec::new(),
            });
            // What came with the handshake raised its edge before we were registered for it.
            let now = self.clock.now();
            self.read_stream(slot, now);
        }
    }

    fn read_stream(&mut self, slot: usize, now: Now) {
        let mut octets = [0; 16_384];
        loop {
            let Some(Some(stream)) = self.streams.get_mut(slot) else {
                return;
            };
            let route = Route::Stream(slot, stream.peer);
            match stream.socket.read(&mut octets) {
                Ok(0) => return self.close_stream(slot),
                Ok(length) => stream.framer.push(&octets[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return self.close_stream(slot),
            }
            while let Some(frame) = self
                .streams
                .get_mut(slot)
                .and_then(|s| s.as_mut())
                .and_then(|s| s.framer.next_frame())
            {
                match frame {
                    Frame::Message(message) => {
                        self.network
                            .receive(now, route, &message, &mut self.lines, &mut self.out);
                    }
                    Frame::Ping => self.out.push(Output::Send(route, b"\r\n".to_vec())),
                    Frame::Broken(message) => {
                        self.network
                            .receive(now, route, &message, &mut self.lines, &mut self.out);
                        self.out.push(Output::CloseStream(slot));
                    }
                }
                self.flush();
            }
        }
        self.write_stream(slot, &[]);
    }

    fn write_stream(&mut self, slot: usize, octets: &[u8]) {
        let Some(Some(stream)) = self.streams.get_mut(slot) else {
            return;
        };
        stream.pending.extend_from_slice(octets);
        while !stream.pending.is_empty() {
            match stream.socket.write(&stream.pending) {
                Ok(written) => drop(stream.pending.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.close_stream(slot),
            }
        }
        if stream.pending.len() > PENDING_MAX {
            self.close_stream(slot);
        }
    }

    fn close_stream(&mut self, slot: usize) {
        if let Some(mut stream) = self.streams.get_mut(slot).and_then(Option::take) {
            // It is closed either way.
            let _ = self.poll.registry().deregister(&mut stream.socket);
        }
    }

    /// Carries out what the network ordered.
    fn flush(&mut self) {
        for output in std::mem::take(&mut self.out) {
            match output {
                Output::Send(Route::Udp(to), octets) => {
                    let allowed = self.beyond_loopback || to.ip().is_loopback();
                    if !allowed || self.luck.happens(self.loss) {
                        self.dropped += 1;
                    } else if let Err(error) = self.udp.send_to(&octets, to) {
                        // As good as lost on the way: retransmissions are for that.
                        tracing::debug!(%error, "A datagram was not taken.");
                        self.dropped += 1;
                    }
                }
                Output::Send(Route::Stream(slot, peer), octets) => {
                    let same = self
                        .streams
                        .get(slot)
                        .and_then(Option::as_ref)
                        .is_some_and(|s| s.peer == peer);
                    if same {
                        self.write_stream(slot, &octets);
                    }
                }
                Output::CloseStream(slot) => self.close_stream(slot),
                Output::Record(record) => {
                    if let Some(Err(error)) = self.records.as_mut().map(|file| file.keep(&record)) {
                        tracing::error!(%error, "A call record could not be written.");
                    }
                }
            }
        }
    }

    fn write_stats(&mut self, now: Now, last: bool) {
        let Some(path) = &self.stats else { return };
        if now.mono < self.stats_at && !last {
            return;
        }
        self.stats_at = now.mono + STATS_EVERY;
        let mut stats = self.network.stats(now);
        stats.totals = self.totals();
        let written = serde_json::to_vec(&stats)
            .map_err(std::io::Error::from)
            .and_then(|bytes| replace_file(path, &bytes));
        if let Err(error) = written {
            tracing::error!(%error, "The statistics could not be written.");
        }
    }
}

/// UDP and TCP on the same port. With port 0, one that is free for both.
fn bind_both(listen: SocketAddr) -> Result<(UdpSocket, TcpListener, SocketAddr), CarrierError> {
    const TRIES: u8 = 32;
    let mut last = None;
    for _ in 0..if listen.port() == 0 { TRIES } else { 1 } {
        let bound = bind_udp(listen).and_then(|udp| {
            let local = udp.local_addr()?;
            Ok((udp, bind_tcp(local)?, local))
        });
        match bound {
            Ok(bound) => return Ok(bound),
            Err(error) => last = Some(error),
        }
    }
    Err(CarrierError::Bind {
        what: format!("SIP on {listen}"),
        source: last.unwrap_or_else(|| ErrorKind::AddrInUse.into()),
    })
}

fn bind_udp(listen: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(listen),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    // The kernel may give less; a smaller buffer loses datagrams only in a burst.
    let _ = socket.set_recv_buffer_size(SIP_BUFFER);
    socket.bind(&listen.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// With SO_REUSEADDR: a restart must not wait for connections of the earlier run to be forgotten.
fn bind_tcp(listen: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(listen)
}

/// Stops when standard input ends: a parent that is killed takes us along.
pub fn stop_when_stdin_closes(stop: Arc<Stopper>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut scrap = [0; 64];
            while std::io::stdin()
                .read(&mut scrap)
                .is_ok_and(|length| length > 0)
            {}
            stop.stop();
        })?;
    Ok(())
}

/// A network on a thread of its own, for tests and the load test.
#[derive(Debug)]
pub struct RunningCarrier {
    /// Where SIP is bound.
    pub local: SocketAddr,
    stopper: Arc<Stopper>,
    thread: Option<std::thread::JoinHandle<Totals>>,
}

impl RunningCarrier {
    /// Starts it.
    pub fn start(args: CarrierArgs) -> Result<Self, CarrierError> {
        let driver = Driver::bind(args, Clock::new())?;
        let (local, stopper) = (driver.local(), driver.stopper());
        let thread = std::thread::Builder::new()
            .name("carrier".to_owned())
            .spawn(move || driver.run())?;
        Ok(RunningCarrier {
            local,
            stopper,
            thread: Some(thread),
        })
    }

    /// Ends all calls, stops, and returns the totals; `None` if its thread panicked.
    pub fn stop(mut self) -> Option<Totals> {
        self.stopper.stop();
        self.thread.take()?.join().ok()
    }
}

impl Drop for RunningCarrier {
    fn drop(&mut self) {
        self.stopper.stop();
        self.stopper.stop();
    }
}
