//! Both ends of many conversations: they speak 50 packets a second, spread over the 20 ms, and note when each packet arrives.
//!
//! A frame carries the instant at which it was given to the kernel; the other end reads the same clock.

use super::browser::BrowserEnd;
use anyhow::Result;
use hdrhistogram::Histogram;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Milliseconds between two frames of one end.
const FRAME_MS: u64 = 20;
/// What marks a frame of ours: comfort noise of the plane has none.
const MARK: [u8; 4] = *b"tdm1";
/// Packets read of one end in one go.
const READ_MAX: usize = 16;

/// What the ends are doing.
pub struct Phase {
    state: AtomicU8,
    stop: AtomicBool,
    origin: Instant,
}

const SILENT: u8 = 0;
const SPEAKING: u8 = 1;
const COUNTING: u8 = 2;

impl Phase {
    /// Silent.
    pub fn new() -> Arc<Phase> {
        Arc::new(Phase {
            state: AtomicU8::new(SILENT),
            stop: AtomicBool::new(false),
            origin: Instant::now(),
        })
    }
    /// They begin to speak.
    pub fn speak(&self) {
        self.state.store(SPEAKING, Ordering::Release);
    }
    /// What they send and hear from now on counts.
    pub fn count(&self) {
        self.state.store(COUNTING, Ordering::Release);
    }
    /// It counts no more; they go on.
    pub fn settle(&self) {
        self.state.store(SPEAKING, Ordering::Release);
    }
    /// The threads end.
    pub fn end(&self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// What one side's ends counted.
pub struct Counted {
    /// Frames sent while it counted.
    pub sent: u64,
    /// Frames heard that had been sent while it counted.
    pub heard: u64,
    /// Microseconds from one end's kernel to the other's ear.
    pub delays_us: Histogram<u64>,
}

/// An end of plain RTP.
pub struct PlainEnd {
    /// Its port.
    pub socket: UdpSocket,
    /// Where it speaks to.
    pub target: Option<SocketAddr>,
    ssrc: u32,
    sequence: u16,
}

impl PlainEnd {
    /// On a free port of `host`.
    pub fn new(host: &str, ssrc: u32) -> Result<PlainEnd> {
        let socket = std::net::UdpSocket::bind((host, 0))?;
        socket.set_nonblocking(true)?;
        Ok(PlainEnd {
            socket: UdpSocket::from_std(socket),
            target: None,
            ssrc,
            sequence: 0,
        })
    }

    fn speak(&mut self, payload: &[u8; 160], packet: &mut [u8; 172]) -> bool {
        let Some(target) = self.target else {
            return false;
        };
        packet[0] = 0x80;
        packet[1] = 0;
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        let timestamp = u32::from(self.sequence).wrapping_mul(160);
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        packet[12..].copy_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send_to(packet, target).is_ok()
    }
}

/// One side's ends.
pub enum Side {
    /// Plain RTP.
    Plain(Vec<PlainEnd>),
    /// Browsers.
    Browsers(Vec<BrowserEnd>),
}

impl Side {
    fn len(&self) -> usize {
        match self {
            Side::Plain(ends) => ends.len(),
            Side::Browsers(ends) => ends.len(),
        }
    }

    fn watch(&mut self, poll: &Poll) -> Result<()> {
        match self {
            Side::Plain(ends) => {
                for (n, end) in ends.iter_mut().enumerate() {
                    poll.registry()
                        .register(&mut end.socket, Token(n), Interest::READABLE)?;
                }
            }
            Side::Browsers(ends) => {
                for (n, end) in ends.iter().enumerate() {
                    let fd = end.socket.as_raw_fd();
                    let mut source = mio::unix::SourceFd(&fd);
                    poll.registry()
                        .register(&mut source, Token(n), Interest::READABLE)?;
                }
            }
        }
        Ok(())
    }
}

/// Runs one side until told to end.
pub fn run(mut side: Side, phase: &Phase) -> Result<Counted> {
    let mut poll = Poll::new()?;
    side.watch(&poll)?;
    let mut events = Events::with_capacity(2_048);
    let mut counted = Counted {
        sent: 0,
        heard: 0,
        delays_us: Histogram::new_with_bounds(1, 10_000_000, 3)?,
    };
    let ends = side.len();
    let mut buffer = [0; 2_048];
    let mut packet = [0; 172];
    let mut frame = [0xFF; 160];
    // Milliseconds of the clock that have been spoken for.
    let mut spoken = phase.origin.elapsed().as_millis() as u64;
    while !phase.stop.load(Ordering::Acquire) {
        let state = phase.state.load(Ordering::Acquire);
        let due = phase.origin.elapsed().as_millis() as u64;
        // A generator that lags leaves frames out rather than to send them in a burst.
        spoken = spoken.max(due.saturating_sub(FRAME_MS));
        while spoken < due {
            spoken += 1;
            if state == SILENT {
                continue;
            }
            let slot = (spoken % FRAME_MS) as usize;
            for n in (slot..ends).step_by(FRAME_MS as usize) {
                stamp(&mut frame, phase.origin, state == COUNTING);
                let mut hear = |payload: &[u8]| hear(payload, phase.origin, &mut counted);
                let sent = match &mut side {
                    Side::Plain(ends) => ends[n].speak(&frame, &mut packet),
                    Side::Browsers(ends) => {
                        ends[n].speak(&frame, &mut |packet| hear(&packet.payload));
                        true
                    }
                };
                counted.sent += u64::from(sent && state == COUNTING);
            }
        }
        let until = Duration::from_millis(spoken + 1).saturating_sub(phase.origin.elapsed());
        if let Err(error) = poll.poll(&mut events, Some(until))
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            return Err(error.into());
        }
        for event in &events {
            let n = event.token().0;
            match &mut side {
                Side::Plain(ends) => {
                    for _ in 0..READ_MAX {
                        let Ok((length, _)) = ends[n].socket.recv_from(&mut buffer) else {
                            break;
                        };
                        if length > 12 {
                            hear(&buffer[12..length], phase.origin, &mut counted);
                        }
                    }
                }
                Side::Browsers(ends) => ends[n].turn(&mut buffer, &mut |packet| {
                    hear(&packet.payload, phase.origin, &mut counted);
                }),
            }
        }
        if let Side::Browsers(ends) = &mut side {
            let now = Instant::now();
            for end in ends.iter_mut().filter(|end| end.next <= now) {
                end.turn(&mut buffer, &mut |packet| {
                    hear(&packet.payload, phase.origin, &mut counted);
                });
            }
        }
    }
    Ok(counted)
}

fn stamp(frame: &mut [u8; 160], origin: Instant, counts: bool) {
    let now = origin.elapsed().as_nanos() as u64;
    frame[..4].copy_from_slice(&MARK);
    frame[4..12].copy_from_slice(&now.to_be_bytes());
    frame[12] = u8::from(counts);
}

fn hear(payload: &[u8], origin: Instant, counted: &mut Counted) {
    let Some((head, rest)) = payload.split_first_chunk::<13>() else {
        return;
    };
    if rest.is_empty() || head[..4] != MARK || head[12] != 1 {
        return;
    }
    let mut sent = [0; 8];
    sent.copy_from_slice(&head[4..12]);
    let passed = (origin.elapsed().as_nanos() as u64).saturating_sub(u64::from_be_bytes(sent));
    counted.heard += 1;
    counted.delays_us.saturating_record((passed / 1_000).max(1));
}
