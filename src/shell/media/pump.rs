//! The media thread: one poll over all call sockets, one beat of 2 ms that spreads the 20 ms frames of all answered legs.
//!
//! Owns the legs. Takes orders through its lane, gives ports back through the port table, reports `Bridged` to the floor.

use super::counters::{Counters, count};
use super::leg::{Leg, MediaReport};
use super::{Order, PortTable, Ranges, lock};
use crate::core::input::Input;
use crate::ids::{AttemptId, TrunkId};
use crate::shell::lanes::{Clock, FloorLane, LegId};
use crate::time::Mono;
use crossbeam::channel::{Receiver, Sender};
use mio::{Events, Interest, Poll, Token};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The waker's token: no slot reaches it.
pub(super) const WAKE: Token = Token(usize::MAX);
/// Beats in one frame of 20 ms: legs are spread over them, so that 2,000 legs send 200 packets at a time and not 2,000.
const PHASES: usize = 10;
/// Microseconds of a beat.
const BEAT_US: u64 = 2_000;
/// Beats behind which frames are left out instead of sent in a burst: 100 ms.
const BEHIND_MAX: u64 = 50;
/// Longest sleep. Ports taken and given back wake nobody: waking costs more than both.
const LOOK: Duration = Duration::from_millis(50);
/// Orders taken in one turn.
const ORDERS_MAX: usize = 1_024;

/// The thread's state.
pub(super) struct Pump {
    pub poll: Poll,
    pub orders: Receiver<Order>,
    pub table: Arc<Mutex<PortTable>>,
    pub stop: Arc<AtomicBool>,
    pub counters: Arc<Counters>,
    pub reports: Sender<MediaReport>,
    pub floor: FloorLane,
    pub clock: Clock,
    /// Allowed ranges by trunk.
    pub ranges: Ranges,
    pub legs: Legs,
    /// Bridges that the floor's lane had no room for. One per leg at most.
    pub bridges_owed: VecDeque<AttemptId>,
    pub trunks_warned: FxHashSet<TrunkId>,
    /// Beats since the clock's origin that are done.
    pub beat: u64,
}

/// Legs by slot (the poll's token) and by lease, and who sends when.
#[derive(Default)]
pub(super) struct Legs {
    slots: Vec<Option<Leg>>,
    empty: Vec<usize>,
    by_lease: FxHashMap<u64, usize>,
    phases: [Vec<usize>; PHASES],
    speaking: usize,
}

impl Pump {
    /// Runs until told to stop.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        let mut unread: Vec<usize> = Vec::new();
        let mut scratch = Vec::with_capacity(256);
        while !self.stop.load(Ordering::Acquire) {
            let wait = self.wait(!unread.is_empty());
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "The media thread cannot poll its sockets; it stops.");
                return;
            }
            // Releases are taken before orders: what was ordered before a release is then among the orders.
            let over = std::mem::take(&mut lock(&self.table).releases);
            for order in self.orders.try_iter().take(ORDERS_MAX).collect::<Vec<_>>() {
                self.obey(order);
            }
            for lease in over {
                self.close(lease);
            }
            let at = self.clock.mono();
            let ranges = self.ranges.load();
            let earlier = std::mem::take(&mut unread);
            for slot in events.iter().map(|event| event.token().0).chain(earlier) {
                if let Some(Some(leg)) = self.legs.slots.get_mut(slot)
                    && leg.read(at, &ranges, &self.counters)
                {
                    unread.push(slot);
                }
            }
            self.pay_bridges();
            self.send_due(&mut scratch);
        }
    }

    /// How long the poll may sleep.
    fn wait(&self, unread: bool) -> Option<Duration> {
        if unread || !self.orders.is_empty() {
            return Some(Duration::ZERO);
        }
        if self.legs.speaking > 0 {
            let next = Mono((self.beat + 1) * BEAT_US);
            return Some(next.since(self.clock.mono()));
        }
        Some(if self.bridges_owed.is_empty() {
            LOOK
        } else {
            Duration::from_millis(1)
        })
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Open {
                lease,
                leg: id,
                socket,
                port,
            } => {
                let LegId::Call(attempt) = id else {
                    return;
                };
                let mut random = [0; 10];
                if let Err(error) = getrandom::fill(&mut random) {
                    // Predictable, but the source check does not rest on it.
                    tracing::warn!(%error, "No randomness for an RTP stream.");
                }
                let slot = self
                    .legs
                    .insert(Leg::new(lease, attempt, socket, port, random));
                if let Some(Some(leg)) = self.legs.slots.get_mut(slot)
                    && let Err(error) = self.poll.registry().register(
                        &mut leg.socket,
                        Token(slot),
                        Interest::READABLE,
                    )
                {
                    tracing::error!(%error, "A call's RTP cannot be watched.");
                }
                count(&self.counters.legs_opened, 1);
            }
            Order::Remote {
                lease,
                trunk,
                address,
                payload_type,
                answered,
            } => self.remote(lease, trunk, address, payload_type, answered),
            Order::Bridge { lease, agent } => {
                let Some(leg) = self.legs.get_mut(lease) else {
                    count(&self.counters.orders_without_leg, 1);
                    return;
                };
                leg.join(agent);
                count(&self.counters.bridges, 1);
                let attempt = leg.attempt;
                self.bridges_owed.push_back(attempt);
            }
        }
    }

    fn remote(
        &mut self,
        lease: u64,
        trunk: TrunkId,
        address: std::net::SocketAddr,
        payload_type: u8,
        answered: bool,
    ) {
        let all = self.ranges.load();
        let ranges = all.get(usize::from(trunk.0)).map_or(&[][..], Vec::as_slice);
        let Some(leg) = self.legs.get_mut(lease) else {
            count(&self.counters.orders_without_leg, 1);
            return;
        };
        if !leg.remote(trunk, address, payload_type, answered, ranges) {
            count(&self.counters.remotes_refused, 1);
            if self.trunks_warned.insert(trunk) {
                tracing::warn!(
                    %trunk, media = %address.ip(),
                    "A trunk's SDP points outside its ranges; nothing is sent there. If it is the carrier's, add it to media_ranges."
                );
            }
        }
        if leg.is_answered() && leg.phase.is_none() {
            if self.legs.speaking == 0 {
                // Nobody spoke for a while: the beats of that time are not owed.
                self.beat = self.clock.mono().0 / BEAT_US;
            }
            self.legs.start_sending(lease);
        }
    }

    fn close(&mut self, lease: u64) {
        let Some(mut leg) = self.legs.remove(lease) else {
            count(&self.counters.orders_without_leg, 1);
            return;
        };
        // One last look: what came before the BYE belongs to this call.
        leg.read(self.clock.mono(), &self.ranges.load(), &self.counters);
        if self.reports.try_send(leg.report()).is_err() {
            count(&self.counters.reports_dropped, 1);
        }
        if let Err(error) = self.poll.registry().deregister(&mut leg.socket) {
            tracing::warn!(%error, "A call's socket was not watched.");
        }
        count(&self.counters.legs_closed, 1);
        let now = self.clock.mono();
        lock(&self.table).pool.give_back(leg.socket, leg.port, now);
    }

    /// Reports bridges to the floor; what its lane has no room for is kept for the next turn.
    fn pay_bridges(&mut self) {
        while let Some(attempt) = self.bridges_owed.front() {
            if self.floor.urgent(Input::Bridged(*attempt)).is_err() {
                return;
            }
            self.bridges_owed.pop_front();
        }
    }

    /// Sends the frames whose beat has come.
    fn send_due(&mut self, scratch: &mut Vec<u8>) {
        if self.legs.speaking == 0 {
            return;
        }
        let due = self.clock.mono().0 / BEAT_US;
        let behind = due.saturating_sub(self.beat);
        if behind > BEHIND_MAX {
            let frames = behind / PHASES as u64;
            self.legs.skip_frames(frames as u32);
            count(
                &self.counters.frames_skipped,
                frames * self.legs.speaking as u64,
            );
            self.beat += frames * PHASES as u64;
        }
        while self.beat < due {
            self.beat += 1;
            let phase = (self.beat % PHASES as u64) as usize;
            self.legs.send_phase(phase, scratch, &self.counters);
        }
    }
}

impl Legs {
    fn insert(&mut self, leg: Leg) -> usize {
        let lease = leg.lease;
        let slot = self.empty.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(leg);
        self.by_lease.insert(lease, slot);
        slot
    }

    fn get_mut(&mut self, lease: u64) -> Option<&mut Leg> {
        let slot = *self.by_lease.get(&lease)?;
        self.slots.get_mut(slot)?.as_mut()
    }

    fn remove(&mut self, lease: u64) -> Option<Leg> {
        let slot = self.by_lease.remove(&lease)?;
        let leg = self.slots.get_mut(slot)?.take()?;
        if let Some(phase) = leg.phase {
            self.phases[phase].retain(|other| *other != slot);
            self.speaking -= 1;
        }
        self.empty.push(slot);
        Some(leg)
    }

    /// Puts a leg into the emptiest phase.
    fn start_sending(&mut self, lease: u64) {
        let Some(&slot) = self.by_lease.get(&lease) else {
            return;
        };
        let phase = (0..PHASES)
            .min_by_key(|phase| self.phases[*phase].len())
            .unwrap_or(0);
        if let Some(Some(leg)) = self.slots.get_mut(slot) {
            leg.phase = Some(phase);
            self.phases[phase].push(slot);
            self.speaking += 1;
        }
    }

    fn send_phase(&mut self, phase: usize, scratch: &mut Vec<u8>, counters: &Counters) {
        for slot in &self.phases[phase] {
            if let Some(Some(leg)) = self.slots.get_mut(*slot) {
                leg.send_frame(scratch, counters);
            }
        }
    }

    fn skip_frames(&mut self, frames: u32) {
        for leg in self.slots.iter_mut().flatten() {
            if leg.phase.is_some() {
                leg.skip_frames(frames);
            }
        }
    }
}
