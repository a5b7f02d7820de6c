//! The SIP thread: sockets around [`crate::wire::sip::endpoint::Endpoint`]. Carries orders out and reports facts; decides nothing.
//!
//! One OS thread with a runtime of its own, so that a busy HTTP task never delays an answer. Orders come over a bounded queue
//! (full: the order is refused and counted, the floor's next deadline says it again); facts leave on the floor's urgent lane.

mod calls_in;
mod convert;
mod driver;
mod figures;
mod phones;
mod streams;

use crate::config::Config;
use crate::core::input::Input;
use crate::shell::lanes::{Clock, FloorLane, MediaPorts, SipOrder, StoreLane};
use crate::shell::metrics::Figure as Shown;
use crate::shell::store::CallIdentity;
use crate::time::Mono;
use crate::wire::sip::counters::TrunkCounters;
use crate::wire::sip::endpoint::Settings;
use crate::wire::sip::event::{Random, random_token};
use crate::wire::sip::via::MAGIC_COOKIE;
use figures::{Figure, Figures};
pub use phones::{PhoneNews, PhoneOrder, WithPhones};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Orders that may wait for the SIP thread: two seconds of the heaviest start of a shift.
const ORDERS_MAX: usize = 8_192;
/// Receive and send buffer of the UDP socket in octets: a burst of some 4,000 messages while the thread is busy.
const SOCKET_OCTETS: usize = 4 << 20;
/// Tries to find a port that is free for UDP and TCP alike, where the configuration leaves the choice (port 0).
const PORT_TRIES: usize = 32;

/// Why the SIP thread cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SipStartFault {
    /// The listening address cannot be bound.
    #[error("sip.listen {address}: {reason}")]
    Bind {
        /// The address as configured.
        address: SocketAddr,
        /// What the system said.
        reason: std::io::Error,
    },
    /// No local address leads to a trunk.
    #[error("trunk \"{trunk}\": no local address leads to {address}: {reason}")]
    NoRoute {
        /// Name of the trunk.
        trunk: String,
        /// Where it is.
        address: SocketAddr,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The thread or its runtime could not be made.
    #[error("SIP thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The operating system gives no randomness: tags could be guessed.
    #[error("no randomness from the operating system: {0}")]
    Random(String),
}

/// The queue of orders is full, or the thread has ended.
#[derive(Debug, thiserror::Error)]
#[error("the SIP thread takes no order now")]
pub struct SipBusy;

/// The way to the SIP thread. [`SipHandle::stop`] ends its calls; dropping it ends the thread at once and in silence, as a
/// crash would.
#[derive(Debug)]
pub struct SipHandle {
    orders: mpsc::Sender<SipOrder>,
    stop: Option<oneshot::Sender<Duration>>,
    thread: Option<JoinHandle<()>>,
    figures: Arc<Figures>,
    local: SocketAddr,
}

/// A further way to the SIP thread, for whoever only gives orders.
#[derive(Clone, Debug)]
pub struct SipLane {
    orders: mpsc::Sender<SipOrder>,
    figures: Arc<Figures>,
    local: SocketAddr,
}

/// A place in the queue of orders, taken before it is needed: what is ordered with it cannot be refused.
#[derive(Debug)]
pub struct SipPlace(mpsc::OwnedPermit<SipOrder>);

impl SipPlace {
    /// Hands the order over.
    pub fn order(self, order: SipOrder) {
        self.0.send(order);
    }
}

impl SipLane {
    /// All figures, each as the thread last wrote it.
    pub fn counters(&self) -> Vec<Shown> {
        self.figures.snapshot()
    }

    /// What is counted of each trunk, in the order of their ids.
    pub fn trunk_counters(&self) -> Vec<TrunkCounters> {
        self.figures.trunks()
    }

    /// Orders that wait for the thread, and how many may.
    pub fn waiting(&self) -> (usize, usize) {
        let most = self.orders.max_capacity();
        (most - self.orders.capacity(), most)
    }

    /// Hands an order over; never waits.
    pub fn try_order(&self, order: SipOrder) -> Result<(), SipBusy> {
        self.orders.try_send(order).map_err(|_| {
            self.figures.add(Figure::OrdersRefused);
            SipBusy
        })
    }

    /// Takes a place for an order to come; never waits.
    pub fn place(&self) -> Result<SipPlace, SipBusy> {
        let place = self.orders.clone().try_reserve_owned();
        place.map(SipPlace).map_err(|_| SipBusy)
    }

    /// What the thread would have to know of a configuration's trunks, for [`SipOrder::Trunks`].
    pub fn trunks(&self, config: &Config) -> Result<Settings, SipStartFault> {
        convert::settings(config, self.local)
    }
}

impl SipHandle {
    /// Hands an order over; never waits.
    pub fn try_order(&self, order: SipOrder) -> Result<(), SipBusy> {
        self.lane().try_order(order)
    }

    /// A further way to the thread.
    pub fn lane(&self) -> SipLane {
        SipLane {
            orders: self.orders.clone(),
            figures: Arc::clone(&self.figures),
            local: self.local,
        }
    }

    /// Whether the thread is there: it ends by itself only through a defect of ours.
    pub fn is_running(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Where UDP and TCP are bound.
    pub const fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// All figures, each as the thread last wrote it.
    pub fn counters(&self) -> Vec<Shown> {
        self.figures.snapshot()
    }

    /// Ends what is still up (CANCEL, BYE), waits for the far ends at most `grace`, then ends the thread.
    pub fn stop(mut self, grace: Duration) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself: then nobody listens, and joining returns at once.
            let _ = stop.send(grace);
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The SIP thread ended with a panic.");
        }
    }
}

/// Binds the sockets and starts the thread. `floor` hears of legs and trunks, `store` keeps dialogs, `media` has the ports.
pub fn spawn(
    config: &Config,
    clock: Clock,
    floor: FloorLane,
    store: StoreLane,
    media: Arc<dyn MediaPorts>,
) -> Result<SipHandle, SipStartFault> {
    let mut random = OsRandom::new()?;
    let (udp, tcp) = bind(config.sip.listen).map_err(|reason| SipStartFault::Bind {
        address: config.sip.listen,
        reason,
    })?;
    let local = udp.local_addr().map_err(SipStartFault::Thread)?;
    let settings = convert::settings(config, local)?;
    let (orders, orders_out) = mpsc::channel(ORDERS_MAX);
    let (stop, stop_out) = oneshot::channel();
    let figures = Arc::new(Figures::default());
    // The origin of the jitter between reconnections: trunks of one site must not come back in one instant.
    let mut jitter = [0_u8; 8];
    random.fill(&mut jitter);
    let driver = driver::Parts {
        settings,
        clock,
        floor,
        store,
        media,
        udp,
        tcp,
        orders: orders_out,
        stop: stop_out,
        figures: Arc::clone(&figures),
        random: Box::new(random),
        jitter: u64::from_le_bytes(jitter),
        phone_ranges: config.phones.ranges.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("tandem-sip".to_owned())
        .spawn(move || driver::run(driver))
        .map_err(SipStartFault::Thread)?;
    Ok(SipHandle {
        orders,
        stop: Some(stop),
        thread: Some(thread),
        figures,
        local,
    })
}

fn bind(address: SocketAddr) -> std::io::Result<(UdpSocket, TcpListener)> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match bind_both(address) {
            Ok(both) => return Ok(both),
            Err(fault) if tries == 0 => return Err(fault),
            Err(_) => {}
        }
    }
}

fn bind_both(address: SocketAddr) -> std::io::Result<(UdpSocket, TcpListener)> {
    let udp = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    // The kernel grants at most net.core.rmem_max; less is no reason not to start.
    let _ = udp.set_recv_buffer_size(SOCKET_OCTETS);
    let _ = udp.set_send_buffer_size(SOCKET_OCTETS);
    udp.set_nonblocking(true)?;
    udp.bind(&address.into())?;
    let udp = UdpSocket::from(udp);
    let same = udp.local_addr()?;
    let tcp = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the old connections' TIME_WAIT.
    tcp.set_reuse_address(true)?;
    tcp.set_nonblocking(true)?;
    tcp.bind(&same.into())?;
    tcp.listen(128)?;
    Ok((udp, TcpListener::from(tcp)))
}

/// A new identity for a route try; made before its intent is stored.
pub fn new_identity(random: &mut dyn Random) -> CallIdentity {
    CallIdentity {
        call_id: random_token(random),
        from_tag: random_token(random),
        branch: format!("{MAGIC_COOKIE}{}", random_token(random)),
    }
}

/// The operating system's generator, read in blocks.
#[derive(Debug)]
pub struct OsRandom {
    block: [u8; 512],
    used: usize,
}

impl OsRandom {
    /// A generator that has proved to work.
    pub fn new() -> Result<OsRandom, SipStartFault> {
        let mut block = [0; 512];
        getrandom::fill(&mut block).map_err(|fault| SipStartFault::Random(fault.to_string()))?;
        Ok(OsRandom { block, used: 0 })
    }
}

impl Random for OsRandom {
    fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            if self.used >= self.block.len() {
                getrandom::fill(&mut self.block).expect(
                    "getrandom(2) does not fail once it has worked, as it did in OsRandom::new",
                );
                self.used = 0;
            }
            *octet = self.block[self.used];
            self.used += 1;
        }
    }
}

/// A fact about a leg, as the floor wants it.
fn leg(
    attempt: crate::ids::AttemptId,
    route_try: u8,
    at: Mono,
    event: crate::core::input::LegEvent,
) -> Input {
    Input::Leg {
        attempt,
        route_try,
        at,
        event,
    }
}
