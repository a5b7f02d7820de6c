//! The tap: what the media thread hears, put on the recording's timeline. Owns two open seconds; hands each on when it is over.
//!
//! Both parties lie on one timeline by arrival, so that a question and its answer stand as they were heard here. Packets do not
//! arrive evenly, so a party's sound goes on where its last ended, and moves only when it is truly elsewhere:
//! - more than 100 ms behind its arrivals: packets are missing, or it was silent. What lies between is silence.
//! - behind by a slot or more over a whole second of packets: one was lost, or the sender's clock is slow. A slot of silence.
//! - more than 100 ms ahead: the sender's clock is fast, or a burst came twice. The packet is left out.

use super::chunk::{Chunk, SECOND, SLOT};
use super::live::Live;
use super::writer::{Work, WriterLane};
use super::{Party, Tap};
use crate::time::Mono;
use crate::wire::sip::sdp::Law;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Samples behind the arrivals from which on sound is missing: 100 ms, what jitter and a lost packet do together.
const GAP: u64 = 5 * SLOT as u64;
/// Samples ahead of the arrivals that are borne: 100 ms.
const AHEAD: u64 = 5 * SLOT as u64;
/// Packets over which a steady lag is looked for: a second.
const LOOK: u32 = 50;
/// Longest payload that is kept: 200 ms, the longest that anybody packs (RFC 3551 s.4.2 recommends 20).
const PAYLOAD_MAX: usize = 10 * SLOT;
/// A second stays open for so long after its end: a party may be behind by its gap and its payload.
const STAYS_OPEN: Duration = Duration::from_millis(400);

/// Where one party's sound stands.
#[derive(Clone, Copy, Default)]
struct Timeline {
    /// The next sample.
    cursor: u64,
    is_running: bool,
    least_lag: u64,
    seen: u32,
}

impl Timeline {
    /// Where a payload goes whose first sample is `expected` by its arrival; `None`: nowhere. Never before `open`.
    fn place(&mut self, expected: u64, open: u64) -> Option<u64> {
        let on_grid = |sample: u64| sample / SLOT as u64 * SLOT as u64;
        if !self.is_running || expected > self.cursor + GAP {
            self.cursor = self.cursor.max(on_grid(expected));
            self.is_running = true;
            (self.least_lag, self.seen) = (u64::MAX, 0);
        } else if self.cursor > expected + AHEAD {
            return None;
        } else {
            self.least_lag = self.least_lag.min(expected.saturating_sub(self.cursor));
            self.seen += 1;
            if self.seen == LOOK {
                self.cursor += on_grid(self.least_lag);
                (self.least_lag, self.seen) = (u64::MAX, 0);
            }
        }
        self.cursor = self.cursor.max(open);
        Some(self.cursor)
    }
}

/// The tap of one call.
pub(super) struct CallTap {
    live: Arc<Live>,
    lane: WriterLane,
    /// The second that is open, and the one after it.
    current: Box<Chunk>,
    next: Box<Chunk>,
    timelines: [Timeline; 2],
    heard_at: Mono,
    is_over: bool,
}

impl CallTap {
    pub(super) fn new(live: Arc<Live>, lane: WriterLane) -> CallTap {
        let (current, mut next) = (Chunk::new(), Chunk::new());
        next.reset(1);
        CallTap {
            heard_at: live.start.mono,
            live,
            lane,
            current,
            next,
            timelines: [Timeline::default(); 2],
            is_over: false,
        }
    }

    /// The first sample of the open second.
    fn open_from(&self) -> u64 {
        u64::from(self.current.index) * SECOND as u64
    }

    /// Hands on the seconds that are over at `at`.
    fn close_seconds(&mut self, at: Mono) {
        let passed = at.since(self.live.start.mono).saturating_sub(STAYS_OPEN);
        let open = passed.as_secs().min(u64::from(u32::MAX - 2)) as u32;
        while self.current.index < open {
            // Nobody was heard, perhaps for minutes: nothing to hand on, and nothing to count through.
            if self.current.is_silent() && self.next.is_silent() {
                self.current.index = open;
                self.next.index = open + 1;
                return;
            }
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        if !self.current.is_silent() {
            match self.lane.spare() {
                Some(spare) => {
                    let full = std::mem::replace(&mut self.current, spare);
                    let index = full.index;
                    self.lane.send(Work::Chunk(Arc::clone(&self.live), full));
                    self.current.index = index;
                }
                // All are with the writer: it is behind by its whole queue.
                None => self.lane.dropped(&self.live),
            }
        }
        let index = self.current.index + 2;
        self.current.reset(index);
        std::mem::swap(&mut self.current, &mut self.next);
    }

    fn end(&mut self, at: Mono) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        for chunk in [&mut self.current, &mut self.next] {
            if !chunk.is_silent() {
                let index = chunk.index;
                // The last two need no spare: the tap gives up its own.
                let last = std::mem::replace(chunk, Chunk::new());
                chunk.reset(index);
                self.lane.send(Work::Chunk(Arc::clone(&self.live), last));
            }
        }
        self.live.finish(at);
        self.lane.send(Work::End(Arc::clone(&self.live)));
    }
}

impl Tap for CallTap {
    fn hear(&mut self, party: Party, law: Law, payload: &[u8], at: Mono) {
        self.heard_at = at;
        self.close_seconds(at);
        let timeline = &mut self.timelines[party as usize];
        if self.live.gate.is_shut(at) {
            // Afterwards it begins where it then is.
            timeline.is_running = false;
            return;
        }
        let mut payload = &payload[..payload.len().min(PAYLOAD_MAX)];
        let arrived = at.since(self.live.start.mono).as_micros() as u64 * 8 / 1_000;
        let expected = arrived.saturating_sub(payload.len() as u64);
        let open = u64::from(self.current.index) * SECOND as u64;
        let Some(mut from) = timeline.place(expected, open) else {
            return;
        };
        timeline.cursor = from + payload.len() as u64;
        while !payload.is_empty() {
            let within = (from % SECOND as u64) as usize;
            let (now, rest) = payload.split_at(payload.len().min(SECOND - within));
            let chunk = match (from - self.open_from()) / SECOND as u64 {
                0 => &mut self.current,
                1 => &mut self.next,
                // Not reached: a party is ahead by at most 100 ms and a payload.
                _ => return,
            };
            chunk.write(party, law, within, now, at);
            from += now.len() as u64;
            payload = rest;
        }
    }

    fn pause(&mut self, paused: bool, at: Mono) {
        if paused {
            self.live.gate.pause(|| at);
            // What was kept between the command and now is taken back.
            self.current.strike(&self.live.gate);
            self.next.strike(&self.live.gate);
        } else {
            self.live.gate.resume(at);
        }
    }

    fn finish(mut self: Box<Self>, at: Mono) {
        self.end(at);
    }
}

impl Drop for CallTap {
    /// A media thread that fell leaves its recordings closed, not open.
    fn drop(&mut self) {
        self.end(self.heard_at);
    }
}

/// So that a figure can say how far the writer is behind.
impl WriterLane {
    fn dropped(&self, live: &Live) {
        live.dropped.fetch_add(1, Ordering::Relaxed);
        self.count_dropped();
    }
}
