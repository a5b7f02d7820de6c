//! The media plane: a UDP port per call, a port per thread for all agents' browsers, and the bridge between the two.
//!
//! Owns the ports, the media threads and the RTP of all legs; decides nothing about calls. An agent is pinned to a thread when his
//! leg is set up; the leg of a call comes to that thread at the bridge. Nobody waits for anybody: orders in, facts out.
//!
//! Bounds, and the answer to "full": ports as configured (no port: the call is not placed), orders four times the ports
//! (dropped and counted; the floor's own deadline ends such a call), call reports [`REPORTS_MAX`] (dropped and counted).

mod browser;
mod browsers;
mod counters;
mod ears;
mod leg;
mod legs;
mod line;
mod playing;
pub mod ports;
pub mod prompts;
mod seat;
mod secured;
mod streams;
mod thread;

pub use counters::MediaCounters;
pub use leg::MediaReport;
pub use line::{LineReport, sound};

use crate::config::{MediaConfig, TrunkConfig};
use crate::core::settings::PromptName;
use crate::ids::{AgentId, AttemptId, TrunkId};
use crate::pii::Pii;
use crate::shell::api::ears::{EarId, EarMode};
use crate::shell::desks::{AnswerTo, AudioRefused, DeskAudio};
use crate::shell::lanes::{Clock, FloorLane, LegId, MediaPorts};
use crate::shell::recording::Tap;
use crate::time::Mono;
use crate::wire::desk::audio::AudioLeg;
use crate::wire::media::srtp::SrtpKeys;
use crate::wire::sip::sdp::AudioPath;
use arc_swap::ArcSwap;
use browsers::Browsers;
use counters::{Counters, count};
use crossbeam::channel::{Receiver, Sender, bounded};
use ipnet::IpNet;
use leg::Leg;
use mio::net::UdpSocket;
use mio::{Poll, Waker};
use ports::PortPool;
use prompts::{Prompt, PromptFaults, Prompts};
use rustc_hash::FxHashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use str0m::crypto::dtls::DtlsCert;

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
    /// The browsers' port cannot be bound.
    #[error("media.agent_port {address}: {source}")]
    AgentPort {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No certificate for the browsers' legs.
    #[error("no certificate for the browsers' legs can be made")]
    Certificate,
    /// No thread or no poll.
    #[error("a media thread cannot start: {0}")]
    Thread(#[from] std::io::Error),
    /// A prompt that cannot be played.
    #[error("media.prompts_dir: {0}")]
    Prompts(PromptFaults),
}

/// What the media plane has to say to the desks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaNews {
    /// An agent's leg.
    Leg {
        /// Whose.
        agent: AgentId,
        /// Where it is.
        leg: AudioLeg,
        /// Whether his microphone was heard once.
        checked: bool,
        /// Whether a check is under way.
        checking: bool,
    },
    /// A supervisor's leg is gone.
    EarGone(EarId),
}

/// Who hears it. Called from media threads; must return at once.
pub type NewsSink = Box<dyn Fn(MediaNews) + Send + Sync>;

/// An order to a media thread. Legs are named by lease: a port given twice to one attempt is two leases.
enum Order {
    /// A leg has a port.
    Open {
        lease: u64,
        leg: LegId,
        socket: UdpSocket,
        port: u16,
    },
    /// Signalling described the far side.
    Remote {
        lease: u64,
        trunk: Option<TrunkId>,
        path: AudioPath,
        answered: bool,
    },
    /// Join it to an agent, who is pinned to this thread.
    Bridge {
        lease: u64,
        agent: AgentId,
        thread: usize,
    },
    /// A leg from another thread, and whom to join it to.
    Adopt { leg: Box<Leg>, agent: AgentId },
    /// A browser's offer.
    Offer {
        agent: AgentId,
        sdp: String,
        answer: AnswerTo,
    },
    /// A supervisor listens to an agent of this thread.
    EarOpen {
        ear: EarId,
        agent: AgentId,
        mode: EarMode,
        sdp: String,
        answer: AnswerTo,
    },
    /// In another way.
    EarMode(EarId, EarMode),
    /// No more.
    EarClose(EarId),
    /// The agent is logged out.
    AgentGone(AgentId),
    /// Check his microphone.
    Check(AgentId),
    /// Off the line, or back.
    Mute(AgentId, bool),
    /// The customer on hold, or back.
    Hold { lease: u64, on: bool },
    /// Protect it from now on.
    Secure { lease: u64, keys: Box<SrtpKeys> },
    /// Press keys towards its far side.
    Keys { lease: u64, letters: Pii<String> },
    /// Play a prompt to its far side.
    Announce { lease: u64, prompt: Arc<Prompt> },
    /// Record it from now on.
    Record { lease: u64, tap: Box<dyn Tap> },
    /// Silence on the recording, or not.
    PauseRecording { lease: u64, paused: bool },
}

impl Order {
    /// The leg that must be there for it.
    const fn lease(&self) -> Option<u64> {
        match self {
            Order::Remote { lease, .. }
            | Order::Bridge { lease, .. }
            | Order::Hold { lease, .. }
            | Order::Secure { lease, .. }
            | Order::Keys { lease, .. }
            | Order::Announce { lease, .. }
            | Order::Record { lease, .. }
            | Order::PauseRecording { lease, .. } => Some(*lease),
            Order::Open { .. }
            | Order::Adopt { .. }
            | Order::Offer { .. }
            | Order::EarOpen { .. }
            | Order::EarMode(..)
            | Order::EarClose(_)
            | Order::AgentGone(_)
            | Order::Check(_)
            | Order::Mute(..) => None,
        }
    }
}

/// The way to one media thread.
#[derive(Clone)]
struct Lane {
    orders: Sender<Order>,
    waker: Arc<Waker>,
}

impl Lane {
    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "A media thread cannot be woken.");
        }
    }
}

/// A leg's port and where it lives.
#[derive(Clone, Copy)]
struct Lease {
    number: u64,
    port: u16,
    thread: usize,
}

/// Who has which port, and which agent is pinned to which thread. Shared with the media threads; held for microseconds.
struct PortTable {
    pool: PortPool,
    leases: FxHashMap<LegId, Lease>,
    next_lease: u64,
    /// Leases that are over, by thread. Never longer than the ports in use, so a release cannot be lost to a full lane.
    releases: Vec<Vec<u64>>,
    pinned: FxHashMap<AgentId, usize>,
    /// Threads of supervisors' ears. As many as the API allows at once.
    ears: FxHashMap<EarId, usize>,
    /// Agents of each thread.
    agents: Vec<usize>,
}

impl PortTable {
    fn take_releases(&mut self, thread: usize) -> Vec<u64> {
        std::mem::take(&mut self.releases[thread])
    }

    /// The agent's thread; the emptiest one, if he has none yet.
    fn pin(&mut self, agent: AgentId) -> usize {
        let agents = &mut self.agents;
        *self.pinned.entry(agent).or_insert_with(|| {
            let thread = (0..agents.len()).min_by_key(|n| agents[*n]).unwrap_or(0);
            agents[thread] += 1;
            thread
        })
    }

    fn unpin(&mut self, agent: AgentId) -> Option<usize> {
        let thread = self.pinned.remove(&agent)?;
        self.agents[thread] -= 1;
        Some(thread)
    }
}

/// The media plane. `Arc`: held by the SIP side (as [`MediaPorts`]), the desks (as [`DeskAudio`]), the floor's shell and the metrics.
pub struct MediaPlane {
    clock: Clock,
    table: Arc<Mutex<PortTable>>,
    lanes: Arc<OnceLock<Vec<Lane>>>,
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    ranges: Ranges,
    trunks_down: TrunksDown,
    prompts: Prompts,
    news: Arc<OnceLock<NewsSink>>,
    agent_ports: Vec<SocketAddr>,
    reports: Receiver<MediaReport>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Allowed ranges by trunk, shared with the media threads.
type Ranges = Arc<ArcSwap<Vec<Vec<IpNet>>>>;

/// Trunks that answer no OPTIONS, by their ids, likewise.
type TrunksDown = Arc<ArcSwap<Vec<bool>>>;

/// The prompt that a customer on hold hears, if the directory has it.
const HOLD_MUSIC: &str = "hold-music.wav";

/// Starts the media threads. `trunks` in the order of their ids: their ranges say whose RTP is believed.
pub fn spawn(
    config: &MediaConfig,
    trunks: &[TrunkConfig],
    clock: Clock,
    floor: FloorLane,
) -> Result<Arc<MediaPlane>, MediaError> {
    let prompts = config.prompts_dir.as_deref().map(Prompts::load);
    let prompts = prompts
        .transpose()
        .map_err(MediaError::Prompts)?
        .unwrap_or_default();
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
    let count_of_threads = usize::from(config.threads.max(1));
    let table = Arc::new(Mutex::new(PortTable {
        pool,
        leases: FxHashMap::default(),
        next_lease: 0,
        releases: vec![Vec::new(); count_of_threads],
        pinned: FxHashMap::default(),
        ears: FxHashMap::default(),
        agents: vec![0; count_of_threads],
    }));
    let (reports_in, reports) = bounded(REPORTS_MAX);
    let mut plane = MediaPlane {
        clock,
        table,
        lanes: Arc::default(),
        stop: Arc::default(),
        counters: Arc::default(),
        ranges: Arc::new(ArcSwap::from_pointee(
            trunks.iter().map(media_ranges).collect(),
        )),
        trunks_down: Arc::default(),
        prompts,
        news: Arc::default(),
        agent_ports: Vec::new(),
        reports,
        threads: Mutex::default(),
    };
    let certificate = certificate()?;
    let started = clock.now();
    let origin = started.unix_of(Mono(0));
    let mut lanes = Vec::new();
    let mut parts = Vec::new();
    let mut agent_ports = Vec::new();
    for index in 0..count_of_threads {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), thread::WAKE)?);
        let (orders, orders_out) = bounded(ports * 4 + 4_096);
        lanes.push(Lane { orders, waker });
        let browsers = browsers(config, index, &certificate)?;
        agent_ports.push(browsers.socket.local_addr()?);
        parts.push(thread::MediaThread {
            index,
            poll,
            orders: orders_out,
            lanes: Arc::clone(&plane.lanes),
            table: Arc::clone(&plane.table),
            stop: Arc::clone(&plane.stop),
            counters: Arc::clone(&plane.counters),
            reports: reports_in.clone(),
            floor: floor.clone(),
            news: Arc::clone(&plane.news),
            clock,
            ranges: Arc::clone(&plane.ranges),
            trunks_down: Arc::clone(&plane.trunks_down),
            origin,
            music: plane.prompts.get(HOLD_MUSIC).cloned(),
            browsers,
            room: thread::Room::new(),
        });
    }
    let _ = plane.lanes.set(lanes);
    for part in parts {
        let thread = std::thread::Builder::new()
            .name(format!("media-{}", part.index))
            .spawn(move || part.run())?;
        lock(&plane.threads).push(thread);
    }
    plane.agent_ports = agent_ports;
    Ok(Arc::new(plane))
}

/// A fresh key at each start: nobody can have taken it from an earlier one (RFC 8827 s.6.5).
fn certificate() -> Result<DtlsCert, MediaError> {
    str0m::crypto::from_feature_flags()
        .dtls_provider
        .generate_certificate()
        .ok_or(MediaError::Certificate)
}

fn browsers(
    config: &MediaConfig,
    index: usize,
    certificate: &DtlsCert,
) -> Result<Browsers, MediaError> {
    let port = match config.agent_port {
        0 => 0,
        first => first + index as u16,
    };
    let address = SocketAddr::new(config.listen, port);
    let failed = |source| MediaError::AgentPort { address, source };
    let (socket, listener) = ports::bind_shared(address).map_err(failed)?;
    Browsers::new(
        socket,
        listener,
        &config.agent_addresses,
        certificate.clone(),
    )
    .map_err(failed)
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
    /// Who hears what the desks must know. Set once, when they are there.
    pub fn tell(&self, sink: NewsSink) {
        let _ = self.news.set(sink);
    }

    /// Joins an attempt's leg to an agent; reported as `Input::Bridged` on the floor's urgent lane. Never waits.
    pub fn bridge(&self, attempt: AttemptId, agent: AgentId) {
        let mut table = lock(&self.table);
        let pinned = table.pinned.get(&agent).copied();
        let Some(lease) = table.leases.get_mut(&LegId::Call(attempt)) else {
            // Gone already: the leg's end is on its way to the floor.
            count(&self.counters.orders_without_leg, 1);
            return;
        };
        let from = lease.thread;
        // An agent without a leg of his own is wherever the call is.
        let to = pinned.unwrap_or(from);
        lease.thread = to;
        let number = lease.number;
        drop(table);
        self.order(
            from,
            Order::Bridge {
                lease: number,
                agent,
                thread: to,
            },
        );
    }

    /// The prompts that there are.
    pub const fn prompts(&self) -> &Prompts {
        &self.prompts
    }

    /// Opens a supervisor's ear on an agent, on the agent's thread.
    pub fn ear_open(
        &self,
        ear: EarId,
        agent: AgentId,
        mode: EarMode,
        sdp: String,
        answer: AnswerTo,
    ) {
        let mut table = lock(&self.table);
        let thread = table.pin(agent);
        table.ears.insert(ear, thread);
        drop(table);
        let order = Order::EarOpen {
            ear,
            agent,
            mode,
            sdp,
            answer,
        };
        self.order(thread, order);
    }

    /// Another mode of an ear.
    pub fn ear_mode(&self, ear: EarId, mode: EarMode) {
        let thread = lock(&self.table).ears.get(&ear).copied();
        if let Some(thread) = thread {
            self.order(thread, Order::EarMode(ear, mode));
        }
    }

    /// Closes an ear.
    pub fn ear_close(&self, ear: EarId) {
        let thread = lock(&self.table).ears.remove(&ear);
        if let Some(thread) = thread {
            self.order(thread, Order::EarClose(ear));
        }
    }

    /// Records an attempt's leg from now on. `false`: it is gone.
    pub fn record(&self, attempt: AttemptId, tap: Box<dyn Tap>) -> bool {
        self.order_for(attempt, |lease| Order::Record { lease, tap })
    }

    /// Silence on the recording from now on, or not.
    pub fn pause_recording(&self, attempt: AttemptId, paused: bool) -> bool {
        self.order_for(attempt, |lease| Order::PauseRecording { lease, paused })
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

    /// The browsers' ports, by thread.
    pub fn agent_ports(&self) -> &[SocketAddr] {
        &self.agent_ports
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

    /// Orders that wait for the media thread that is furthest behind, and how many may.
    pub fn waiting(&self) -> (usize, usize) {
        let lanes = self.lanes.get().map_or(&[][..], Vec::as_slice);
        let waiting = lanes.iter().map(|lane| lane.orders.len()).max();
        let most = lanes.first().and_then(|lane| lane.orders.capacity());
        (waiting.unwrap_or(0), most.unwrap_or_default())
    }

    /// Whether all threads are there: one ends by itself only where it cannot even begin anew.
    pub fn is_running(&self) -> bool {
        let threads = lock(&self.threads);
        !threads.is_empty() && threads.iter().all(|thread| !thread.is_finished())
    }

    /// Stops the threads and waits for them. Legs still open send no more.
    pub fn shutdown(&self) {
        self.stop.store(true, Ordering::Release);
        for lane in self.lanes.get().map_or(&[][..], Vec::as_slice) {
            lane.wake();
        }
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            if thread.join().is_err() {
                tracing::error!("A media thread ended by a panic.");
            }
        }
    }

    fn order_for(&self, attempt: AttemptId, order: impl FnOnce(u64) -> Order) -> bool {
        let lease = lock(&self.table).leases.get(&LegId::Call(attempt)).copied();
        let Some(lease) = lease else {
            count(&self.counters.orders_without_leg, 1);
            return false;
        };
        self.order(lease.thread, order(lease.number))
    }

    fn order_of(&self, agent: AgentId, order: Order) -> bool {
        let thread = lock(&self.table).pin(agent);
        self.order(thread, order)
    }

    fn order(&self, thread: usize, order: Order) -> bool {
        let Some(lane) = self.lanes.get().and_then(|lanes| lanes.get(thread)) else {
            return false;
        };
        let taken = match lane.orders.try_send(order) {
            Ok(()) => true,
            Err(refused) => {
                count(&self.counters.orders_dropped, 1);
                if let Order::Offer { answer, .. } | Order::EarOpen { answer, .. } =
                    refused.into_inner()
                {
                    answer(Err(AudioRefused::Busy));
                }
                false
            }
        };
        lane.wake();
        taken
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
        if let Some(lease) = table.leases.get(&leg) {
            return Some(lease.port);
        }
        let Some((socket, port)) = table.pool.take(self.clock.mono()) else {
            count(&self.counters.reserve_refused, 1);
            return None;
        };
        let number = table.next_lease;
        table.next_lease += 1;
        let thread = match leg {
            LegId::Phone(agent) => table.pin(agent),
            LegId::Call(_) => number as usize % table.agents.len(),
        };
        let order = Order::Open {
            lease: number,
            leg,
            socket,
            port,
        };
        let lane = self.lanes.get().and_then(|lanes| lanes.get(thread))?;
        if let Err(refused) = lane.orders.try_send(order) {
            count(&self.counters.reserve_refused, 1);
            if let Order::Open { socket, .. } = refused.into_inner() {
                table.pool.give_back(socket, port, self.clock.mono());
            }
            return None;
        }
        // Nobody is woken: nothing is to be done before the far side is known, and most calls never get that far.
        table.leases.insert(
            leg,
            Lease {
                number,
                port,
                thread,
            },
        );
        Some(port)
    }

    fn remote(&self, leg: LegId, trunk: Option<TrunkId>, path: &AudioPath, answered: bool) {
        let Some(lease) = lock(&self.table).leases.get(&leg).copied() else {
            count(&self.counters.orders_without_leg, 1);
            return;
        };
        self.order(
            lease.thread,
            Order::Remote {
                lease: lease.number,
                trunk,
                path: *path,
                answered,
            },
        );
    }

    fn secure(&self, leg: LegId, keys: SrtpKeys) {
        let lease = lock(&self.table).leases.get(&leg).copied();
        if let Some(lease) = lease {
            let order = Order::Secure {
                lease: lease.number,
                keys: Box::new(keys),
            };
            self.order(lease.thread, order);
        }
    }

    fn announce(&self, attempt: AttemptId, prompt: &PromptName) -> bool {
        let Some(prompt) = self.prompts.get(&prompt.0).map(Arc::clone) else {
            return false;
        };
        self.order_for(attempt, |lease| Order::Announce { lease, prompt })
    }

    fn trunk_up(&self, trunk: TrunkId, is_up: bool) {
        let place = usize::from(trunk.0);
        let mut down = Vec::clone(&self.trunks_down.load());
        if down.len() <= place {
            down.resize(place + 1, false);
        }
        down[place] = !is_up;
        self.trunks_down.store(Arc::new(down));
    }

    fn release(&self, leg: LegId) {
        let mut table = lock(&self.table);
        if let Some(lease) = table.leases.remove(&leg) {
            // Nobody is woken: a leg that speaks is closed within its beat of 2 ms, a silent one when the thread looks.
            table.releases[lease.thread].push(lease.number);
        }
    }
}

impl DeskAudio for MediaPlane {
    fn under(&self) -> Option<&dyn DeskAudio> {
        None
    }

    fn offer(&self, agent: AgentId, sdp: String, answer: AnswerTo) {
        self.order_of(agent, Order::Offer { agent, sdp, answer });
    }

    fn gone(&self, agent: AgentId) {
        let thread = lock(&self.table).unpin(agent);
        if let Some(thread) = thread {
            self.order(thread, Order::AgentGone(agent));
        }
    }

    fn check(&self, agent: AgentId) {
        self.order_of(agent, Order::Check(agent));
    }

    fn mute(&self, agent: AgentId, on: bool) {
        self.order_of(agent, Order::Mute(agent, on));
    }

    fn hold(&self, attempt: AttemptId, on: bool) {
        self.order_for(attempt, |lease| Order::Hold { lease, on });
    }

    fn keys(&self, attempt: AttemptId, digits: &str) {
        self.order_for(attempt, |lease| Order::Keys {
            lease,
            letters: Pii::new(digits.to_owned()),
        });
    }
}

/// A lock whose holder panicked still holds whole data: each change under it is a single push or removal.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod browser_tests;
#[cfg(test)]
mod line_tests;
#[cfg(test)]
mod tests;
