//! The media plane: a UDP port per call, RTP received and counted, comfort noise sent from the answer on.
//!
//! Owns the ports, the media thread and the RTP of all customer legs; decides nothing about calls. Until agents have
//! audio, the agent's side of a bridge is the comfort noise.
//!
//! Bounds, and the answer to "full": ports as configured (no port: the call is not placed), orders four times the ports
//! (dropped and counted; the floor's own deadline ends such a call), call reports [`REPORTS_MAX`] (dropped and counted).

mod counters;
mod leg;
pub mod ports;
mod pump;

pub use counters::MediaCounters;
pub use leg::MediaReport;

use crate::config::{MediaConfig, TrunkConfig};
use crate::ids::{AgentId, AttemptId, TrunkId};
use crate::shell::lanes::{Clock, FloorLane, LegId, MediaPorts};
use crate::wire::sip::sdp::AudioPath;
use arc_swap::ArcSwap;
use counters::{Counters, count};
use crossbeam::channel::{Receiver, Sender, bounded};
use ipnet::IpNet;
use mio::net::UdpSocket;
use mio::{Poll, Waker};
use ports::PortPool;
use rustc_hash::{FxHashMap, FxHashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Call reports that may wait to be taken.
pub const REPORTS_MAX: usize = 16_384;

/// Why the media plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// No port of the range can be bound.
    #[error("no RTP port of {first}-{last} on {listen} can be bound: {source}")]
    Bind {
        /// Where.
        listen: std::net::IpAddr,
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No thread or no poll.
    #[error("the media thread cannot start: {0}")]
    Thread(#[from] std::io::Error),
}

/// An order to the media thread. Legs are named by lease: a port given twice to one attempt is two leases.
enum Order {
    /// A leg has a port.
    Open {
        lease: u64,
        leg: LegId,
        socket: UdpSocket,
        port: u16,
    },
    /// Signalling named the far side.
    Remote {
        lease: u64,
        trunk: TrunkId,
        address: SocketAddr,
        payload_type: u8,
        answered: bool,
    },
    /// Join it to an agent.
    Bridge { lease: u64, agent: AgentId },
}

/// Who has which port. Shared with the media thread; held for microseconds.
struct PortTable {
    pool: PortPool,
    leases: FxHashMap<LegId, (u64, u16)>,
    next_lease: u64,
    /// Leases that are over. Never longer than the ports in use, so a release cannot be lost to a full lane.
    releases: Vec<u64>,
}

/// The media plane. `Arc`: held by the SIP side (as [`MediaPorts`]), the floor's shell (bridges) and the metrics.
pub struct MediaPlane {
    clock: Clock,
    table: Arc<Mutex<PortTable>>,
    orders: Sender<Order>,
    waker: Waker,
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    ranges: Ranges,
    reports: Receiver<MediaReport>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Allowed ranges by trunk, shared with the media thread.
type Ranges = Arc<ArcSwap<Vec<Vec<IpNet>>>>;

/// Starts the media thread. `trunks` in the order of their ids: their ranges say whose RTP is believed.
pub fn spawn(
    config: &MediaConfig,
    trunks: &[TrunkConfig],
    clock: Clock,
    floor: FloorLane,
) -> Result<Arc<MediaPlane>, MediaError> {
    let (first, last) = config.ports;
    let mut pool = PortPool::new(config.listen, config.ports);
    let ports = pool.available();
    pool.probe(clock.mono())
        .map_err(|source| MediaError::Bind {
            listen: config.listen,
            first,
            last,
            source,
        })?;
    let table = Arc::new(Mutex::new(PortTable {
        pool,
        leases: FxHashMap::default(),
        next_lease: 0,
        releases: Vec::new(),
    }));
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), pump::WAKE)?;
    let (orders, orders_out) = bounded(ports * 4);
    let (reports_in, reports) = bounded(REPORTS_MAX);
    let counters = Arc::new(Counters::default());
    let stop = Arc::new(AtomicBool::new(false));
    let ranges = Arc::new(ArcSwap::from_pointee(
        trunks.iter().map(media_ranges).collect(),
    ));
    let pump = pump::Pump {
        poll,
        orders: orders_out,
        table: Arc::clone(&table),
        stop: Arc::clone(&stop),
        counters: Arc::clone(&counters),
        reports: reports_in,
        floor,
        clock,
        ranges: Arc::clone(&ranges),
        legs: pump::Legs::default(),
        bridges_owed: std::collections::VecDeque::new(),
        trunks_warned: FxHashSet::default(),
        beat: 0,
    };
    let thread = std::thread::Builder::new()
        .name("media".to_owned())
        .spawn(move || pump.run())?;
    Ok(Arc::new(MediaPlane {
        clock,
        table,
        orders,
        waker,
        stop,
        counters,
        ranges,
        reports,
        thread: Mutex::new(Some(thread)),
    }))
}

/// Where a trunk's RTP may come from and go to.
fn media_ranges(trunk: &TrunkConfig) -> Vec<IpNet> {
    if trunk.media_ranges.is_empty() {
        let mut ranges = trunk.signalling_ranges.clone();
        ranges.push(IpNet::from(trunk.address.ip()));
        ranges
    } else {
        trunk.media_ranges.clone()
    }
}

impl MediaPlane {
    /// Joins an attempt's leg to an agent; reported as `Input::Bridged` on the floor's urgent lane. Never waits.
    pub fn bridge(&self, attempt: AttemptId, agent: AgentId) {
        let Some((lease, _)) = lock(&self.table).leases.get(&LegId::Call(attempt)).copied() else {
            // Gone already: the leg's end is on its way to the floor.
            count(&self.counters.orders_without_leg, 1);
            return;
        };
        self.order(Order::Bridge { lease, agent });
    }

    /// Other ranges, by the trunks in the order of their ids. In force at the next packet, for legs that are open too.
    pub fn set_trunks(&self, trunks: &[TrunkConfig]) {
        let ranges = trunks.iter().map(media_ranges).collect();
        self.ranges.store(Arc::new(ranges));
    }

    /// All counters now.
    pub fn counters(&self) -> MediaCounters {
        MediaCounters {
            stale_packets: lock(&self.table).pool.stale_packets(),
            ..self.counters.snapshot()
        }
    }

    /// Reports of legs that are over, in the order of their ends. One taker; what nobody takes is dropped at the bound.
    pub fn reports(&self) -> Receiver<MediaReport> {
        self.reports.clone()
    }

    /// Ports that no call uses.
    pub fn ports_available(&self) -> usize {
        lock(&self.table).pool.available()
    }

    /// RTP ports that calls have, and ports that a call could have now.
    pub fn ports(&self) -> (usize, usize) {
        let table = lock(&self.table);
        (table.leases.len(), table.pool.available())
    }

    /// Orders that wait for the media thread, and how many may.
    pub fn waiting(&self) -> (usize, usize) {
        (
            self.orders.len(),
            self.orders.capacity().unwrap_or_default(),
        )
    }

    /// Whether the thread is there: it ends by itself only through a defect of ours.
    pub fn is_running(&self) -> bool {
        lock(&self.thread)
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Stops the thread and waits for it. Legs still open send no more.
    pub fn shutdown(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("The media thread ended by a panic.");
        }
    }

    fn order(&self, order: Order) -> bool {
        let taken = self.orders.try_send(order).is_ok();
        if !taken {
            count(&self.counters.orders_dropped, 1);
        }
        self.wake();
        taken
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "The media thread cannot be woken.");
        }
    }
}

impl Drop for MediaPlane {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl MediaPorts for MediaPlane {
    fn reserve(&self, leg: LegId) -> Option<u16> {
        let mut table = lock(&self.table);
        if let Some((_, port)) = table.leases.get(&leg) {
            return Some(*port);
        }
        let Some((socket, port)) = table.pool.take(self.clock.mono()) else {
            count(&self.counters.reserve_refused, 1);
            return None;
        };
        let lease = table.next_lease;
        table.next_lease += 1;
        let order = Order::Open {
            lease,
            leg,
            socket,
            port,
        };
        if let Err(refused) = self.orders.try_send(order) {
            count(&self.counters.reserve_refused, 1);
            if let Order::Open { socket, .. } = refused.into_inner() {
                table.pool.give_back(socket, port, self.clock.mono());
            }
            return None;
        }
        // Nobody is woken: nothing is to be done before the far side is known, and most calls never get that far.
        table.leases.insert(leg, (lease, port));
        Some(port)
    }

    fn remote(&self, leg: LegId, trunk: Option<TrunkId>, path: &AudioPath, answered: bool) {
        // On hold in the old style: there is nowhere to send to.
        let (Some(trunk), Some(address)) = (trunk, path.remote) else {
            return;
        };
        let Some((lease, _)) = lock(&self.table).leases.get(&leg).copied() else {
            count(&self.counters.orders_without_leg, 1);
            return;
        };
        self.order(Order::Remote {
            lease,
            trunk,
            address,
            payload_type: path.law.payload_type(),
            answered,
        });
    }

    fn release(&self, leg: LegId) {
        let mut table = lock(&self.table);
        if let Some((lease, _)) = table.leases.remove(&leg) {
            // Nobody is woken: a leg that speaks is closed within its beat of 2 ms, a silent one when the thread looks.
            table.releases.push(lease);
        }
    }
}

/// A lock whose holder panicked still holds whole data: each change under it is a single push or removal.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
