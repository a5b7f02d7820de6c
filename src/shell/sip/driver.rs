//! The SIP thread's loop: waits for sockets, orders and timers, feeds the endpoint, carries its outputs out.
//!
//! Every turn is bounded (64 of each kind), so that a flood on one side never starves the timers or the other sides.

use super::calls_in::{self, CallsIn};
use super::convert;
use super::figures::{Figure, Figures};
use super::phones::{self, Phones};
use super::streams::{self, AllowList, Numbers, StreamNews};
use super::{OsRandom, leg};
use crate::core::input::{Input, LegEvent, LegFailure};
use crate::ids::{AttemptId, TrunkId};
use crate::shell::lanes::{Clock, FloorLane, LegId, MediaPorts, SipOrder, StoreLane};
use crate::shell::store::{OrphanLeg, StoreOrder};
use crate::time::Mono;
use crate::wire::sip::endpoint::{Endpoint, Settings};
use crate::wire::sip::event::{
    CallKey, Destination, Event, InviteOrder, Output, Source, Transport,
};
use crate::wire::sip::failure::Failure;
use crate::wire::sip::front_door::Framing;
use crate::wire::sip::number::E164;
use crate::wire::sip::sdp::AudioPath;
use crate::wire::sip::trunk::TrunkSetup;
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Things of one kind done before the others have their turn.
const TURN_MAX: usize = 64;
/// Facts kept for a floor whose lane is full.
pub(super) const LATE_MAX: usize = 16_384;
/// News of connections that may wait; their sockets wait behind.
const STREAM_NEWS_MAX: usize = 512;
/// Wait between two batches of orphans, and between two tries to reach a full floor.
const BATCH_WAIT: Duration = Duration::from_millis(5);

/// What the thread is made of.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) floor: FloorLane,
    pub(super) store: StoreLane,
    pub(super) media: Arc<dyn MediaPorts>,
    pub(super) udp: std::net::UdpSocket,
    pub(super) tcp: std::net::TcpListener,
    pub(super) orders: mpsc::Receiver<SipOrder>,
    pub(super) stop: oneshot::Receiver<Duration>,
    pub(super) figures: Arc<Figures>,
    pub(super) random: Box<OsRandom>,
    pub(super) jitter: u64,
    pub(super) phone_ranges: Vec<IpNet>,
}

/// The thread's body.
pub(super) fn run(parts: Parts) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(drive(parts)),
        Err(fault) => tracing::error!(%fault, "The SIP thread has no runtime and ends."),
    }
}

/// A route try whose end was not reported yet.
#[derive(Clone, Copy, Debug)]
struct Leg {
    key: CallKey,
    route_try: u8,
    trunk: TrunkId,
}

pub(super) struct Driver {
    pub(super) endpoint: Endpoint,
    allow: AllowList,
    numbers: Numbers,
    /// For the connections of trunks that come later.
    news: mpsc::Sender<StreamNews>,
    jitter: u64,
    pub(super) clock: Clock,
    floor: FloorLane,
    pub(super) store: StoreLane,
    pub(super) media: Arc<dyn MediaPorts>,
    /// Sends without waiting; the same socket as the runtime's.
    udp: std::net::UdpSocket,
    pub(super) trunks: BTreeMap<TrunkId, (Transport, SocketAddr)>,
    trunk_streams: HashMap<TrunkId, u64>,
    writers: HashMap<u64, mpsc::Sender<Vec<u8>>>,
    legs: HashMap<AttemptId, Leg>,
    pub(super) calls_in: CallsIn,
    pub(super) phones: Phones,
    late: VecDeque<Input>,
    orphans: VecDeque<OrphanLeg>,
    pub(super) out: Vec<Output>,
    /// What [`Driver::pump`] carries out; kept for its room.
    pumped: Vec<Output>,
    pub(super) figures: Arc<Figures>,
    /// When the present turn began: what it reports was read off a socket, or came due, then.
    pub(super) turn_at: Mono,
}

async fn drive(parts: Parts) {
    let Parts {
        mut orders,
        mut stop,
        clock,
        settings,
        udp,
        tcp,
        ..
    } = parts;
    let (news_in, mut news) = mpsc::channel(STREAM_NEWS_MAX);
    let sockets = udp.try_clone().and_then(|sender| {
        Ok((
            sender,
            tokio::net::UdpSocket::from_std(udp)?,
            tokio::net::TcpListener::from_std(tcp)?,
        ))
    });
    let (sender, udp, tcp) = match sockets {
        Ok(sockets) => sockets,
        Err(fault) => {
            tracing::error!(%fault, "The SIP thread cannot use its sockets and ends.");
            return;
        }
    };
    let numbers = Numbers::default();
    let allow = AllowList::default();
    tokio::spawn(streams::accept(
        tcp,
        allow.clone(),
        numbers.clone(),
        news_in.clone(),
    ));
    let known = settings.trunks.clone();
    let mut driver = Driver {
        endpoint: Endpoint::new(clock.mono(), settings, parts.random),
        allow,
        numbers,
        news: news_in,
        jitter: parts.jitter,
        clock,
        floor: parts.floor,
        store: parts.store,
        media: parts.media,
        udp: sender,
        trunks: BTreeMap::new(),
        trunk_streams: HashMap::new(),
        writers: HashMap::new(),
        legs: HashMap::new(),
        calls_in: CallsIn::default(),
        phones: Phones::new(parts.phone_ranges),
        late: VecDeque::new(),
        orphans: VecDeque::new(),
        out: Vec::new(),
        pumped: Vec::new(),
        figures: parts.figures,
        turn_at: clock.mono(),
    };
    driver.connect_trunks(&known);
    let mut datagram = vec![0_u8; 65_535];
    let mut stop_at: Option<Instant> = None;
    loop {
        driver.settle();
        if stop_at.is_some_and(|at| driver.endpoint.is_quiet() || Instant::now() >= at) {
            return;
        }
        let wake = driver.wake_at(stop_at);
        tokio::select! {
            grace = &mut stop, if stop_at.is_none() => {
                // A handle dropped without a word is a crash: the next start ends what is up, from the store.
                let Ok(grace) = grace else { return };
                stop_at = Some(Instant::now() + grace);
                while let Ok(order) = orders.try_recv() {
                    driver.carry_out(order);
                }
                driver.end_all();
            }
            Some(order) = orders.recv(), if stop_at.is_none() => {
                driver.carry_out(order);
                for _ in 1..TURN_MAX {
                    match orders.try_recv() {
                        Ok(order) => driver.carry_out(order),
                        Err(_) => break,
                    }
                }
            }
            readable = udp.readable() => {
                if readable.is_ok() {
                    for _ in 0..TURN_MAX {
                        match udp.try_recv_from(&mut datagram) {
                            Ok((count, peer)) => {
                                let octets = datagram.get(..count).unwrap_or_default();
                                driver.hear(Transport::Udp, peer, 0, octets);
                            }
                            // Also errors of earlier datagrams (ICMP) show here; the transactions' timers know better.
                            Err(_) => break,
                        }
                    }
                }
            }
            Some(first) = news.recv() => {
                driver.take_news(first);
                for _ in 1..TURN_MAX {
                    match news.try_recv() {
                        Ok(next) => driver.take_news(next),
                        Err(_) => break,
                    }
                }
            }
            () = tokio::time::sleep_until(wake.into()) => {}
        }
    }
}

impl Driver {
    fn begin_turn(&mut self) -> Mono {
        self.turn_at = self.clock.mono();
        self.turn_at
    }

    /// Handles due timers, carries outputs out, and writes the figures.
    fn settle(&mut self) {
        for _ in 0..TURN_MAX.min(self.orphans.len()) {
            if let Some(leg) = self.orphans.pop_front() {
                self.adopt(leg);
            }
        }
        let now = self.begin_turn();
        self.endpoint.handle_timeout(now, &mut self.out);
        self.call_phones(now);
        self.pump();
        self.flush_late();
        self.figures.publish(self.endpoint.counters());
        self.figures
            .set(Figure::Calls, self.endpoint.calls() as u64);
        self.figures
            .set(Figure::StreamsOpen, self.writers.len() as u64);
        self.figures.set(Figure::LateFacts, self.late.len() as u64);
    }

    fn wake_at(&self, stop_at: Option<Instant>) -> Instant {
        let far = Instant::now() + Duration::from_secs(60);
        let timer = self
            .endpoint
            .next_timeout()
            .into_iter()
            .chain(self.phones.next_call())
            .min()
            .map_or(far, |at| self.clock.instant(at));
        let has_backlog = !self.late.is_empty() || !self.orphans.is_empty();
        let backlog = if has_backlog {
            Instant::now() + BATCH_WAIT
        } else {
            far
        };
        timer.min(backlog).min(stop_at.unwrap_or(far)).min(far)
    }

    // -- orders

    fn carry_out(&mut self, order: SipOrder) {
        let now = self.begin_turn();
        match order {
            SipOrder::Invite {
                attempt,
                route_try,
                trunk,
                identity,
                number,
                caller_id,
            } => {
                let key = convert::key(attempt, route_try);
                let is_repeated = self
                    .legs
                    .get(&attempt)
                    .is_some_and(|leg| leg.route_try == route_try);
                if is_repeated {
                    return self.figures.add(Figure::OrdersUnmatched);
                }
                let leg = Leg {
                    key,
                    route_try,
                    trunk,
                };
                self.legs.insert(attempt, leg);
                let caller = E164::parse(&caller_id);
                match (E164::parse(number.expose()), caller) {
                    (Ok(number), Ok(caller)) => match self.media.reserve(LegId::Call(attempt)) {
                        Some(media_port) => {
                            let order = InviteOrder {
                                key,
                                trunk,
                                identity: convert::identity(identity),
                                number: number.into(),
                                caller: caller.into(),
                                media_port,
                                session: None,
                            };
                            self.endpoint.invite(now, order, &mut self.out);
                        }
                        None => {
                            self.figures.add(Figure::PortsExhausted);
                            self.out
                                .push(Output::Event(key, Event::Failed(Failure::local(0))));
                        }
                    },
                    // What is no number is told as Q.850 would (28, invalid number format); nothing leaves.
                    (Err(_), _) => {
                        let failure = LegFailure {
                            status: 484,
                            q850: Some(28),
                            retry_after_s: None,
                        };
                        self.end_leg(attempt, route_try, LegEvent::Failed(failure));
                    }
                    (_, Err(_)) => self
                        .out
                        .push(Output::Event(key, Event::Failed(Failure::local(0)))),
                }
            }
            SipOrder::Cancel(attempt) => {
                if let Some(key) = self.key_of(attempt) {
                    self.endpoint.cancel(now, key, &mut self.out);
                }
            }
            SipOrder::HangUp(attempt) => {
                if let Some(key) = self.key_of(attempt) {
                    self.endpoint.hang_up(now, key, &mut self.out);
                }
            }
            SipOrder::Abort(attempt) => {
                if let Some(key) = self.key_of(attempt) {
                    self.endpoint.abort(now, key, &mut self.out);
                    self.legs.remove(&attempt);
                    self.media.release(LegId::Call(attempt));
                }
            }
            SipOrder::ConfirmDialog(attempt, route_try) => {
                self.endpoint
                    .confirm(now, convert::key(attempt, route_try), &mut self.out);
            }
            SipOrder::CallsIn(rules) => {
                let numbers = rules.numbers.iter().map(|(ours, _)| ours.clone());
                self.endpoint.set_numbers(numbers.collect());
                self.calls_in.rules = Some(rules);
            }
            SipOrder::Phone(order) => self.phone(order),
            SipOrder::NoMoreCalls => self.endpoint.take_no_more_calls(),
            SipOrder::Became(call, attempt) => self.became(call, attempt),
            SipOrder::PickUp(attempt, media_port) => match self.key_of(attempt) {
                Some(key) => self.endpoint.accept(now, key, media_port, &mut self.out),
                // Gone meanwhile, which the floor knows.
                None => self.media.release(LegId::Call(attempt)),
            },
            SipOrder::TurnAway(call, status) => {
                self.calls_in.ringing.remove(&call);
                let key = calls_in::key(call);
                self.endpoint.refuse(now, key, status, &mut self.out);
            }
            SipOrder::Orphans(legs) => self.orphans.extend(legs),
            SipOrder::Trunks(settings) => {
                let Settings {
                    user_agent, trunks, ..
                } = Settings::clone(&settings);
                self.connect_trunks(&trunks);
                self.endpoint.set_trunks(now, &user_agent, trunks);
            }
        }
        self.pump();
    }

    /// Learns where trunks are, and keeps a connection to each TCP trunk that is new.
    fn connect_trunks(&mut self, trunks: &[TrunkSetup]) {
        self.allow.set(trunks);
        for trunk in trunks {
            let place = (trunk.transport, trunk.address);
            let is_new = self.trunks.insert(trunk.id, place).is_none();
            if is_new && trunk.transport == Transport::Tcp {
                tokio::spawn(streams::keep_connected(
                    trunk.id,
                    trunk.address,
                    self.numbers.clone(),
                    self.news.clone(),
                    self.jitter ^ u64::from(trunk.id.0),
                ));
            }
        }
    }

    /// A call to us is a leg like any other from here on.
    pub(super) fn keep_leg(&mut self, attempt: AttemptId, key: CallKey, trunk: TrunkId) {
        let leg = Leg {
            key,
            route_try: 1,
            trunk,
        };
        self.legs.insert(attempt, leg);
    }

    fn key_of(&self, attempt: AttemptId) -> Option<CallKey> {
        let leg = self.legs.get(&attempt);
        if leg.is_none() {
            // It ended while the order was on its way: the floor learns of the end anyway.
            self.figures.add(Figure::OrdersUnmatched);
        }
        leg.map(|leg| leg.key)
    }

    fn adopt(&mut self, leg: OrphanLeg) {
        let attempt = leg.attempt;
        match convert::orphan(leg) {
            Ok(order) => self
                .endpoint
                .orphan(self.clock.mono(), order, &mut self.out),
            Err(fault) => {
                tracing::warn!(%attempt, %fault, "A leg of an earlier run cannot be ended: its number is none.")
            }
        }
        self.pump();
    }

    fn end_all(&mut self) {
        let now = self.begin_turn();
        self.end_phones(now);
        for call in std::mem::take(&mut self.calls_in.ringing) {
            let key = calls_in::key(call);
            self.endpoint.refuse(now, key, 503, &mut self.out);
        }
        for (attempt, leg) in std::mem::take(&mut self.legs) {
            self.endpoint.abort(now, leg.key, &mut self.out);
            self.media.release(LegId::Call(attempt));
        }
        self.pump();
    }

    // -- sockets

    fn hear(&mut self, transport: Transport, address: SocketAddr, connection: u64, octets: &[u8]) {
        let source = Source {
            transport,
            address,
            connection,
        };
        let framing = match transport {
            Transport::Udp => Framing::Datagram,
            Transport::Tcp => Framing::Stream,
        };
        let now = self.begin_turn();
        self.endpoint
            .receive(now, source, octets, framing, &mut self.out);
        self.pump();
    }

    fn take_news(&mut self, news: StreamNews) {
        let now = self.begin_turn();
        match news {
            StreamNews::Up {
                trunk,
                connection,
                writer,
            } => {
                self.writers.insert(connection, writer);
                if let Some(trunk) = trunk {
                    self.trunk_streams.insert(trunk, connection);
                    self.endpoint.connected(now, trunk, true, &mut self.out);
                    self.pump();
                }
            }
            StreamNews::Message {
                connection,
                peer,
                octets,
            } => self.hear(Transport::Tcp, peer, connection, &octets),
            StreamNews::Down { trunk, connection } => {
                self.writers.remove(&connection);
                if let Some(trunk) = trunk
                    && self.trunk_streams.get(&trunk) == Some(&connection)
                {
                    self.trunk_streams.remove(&trunk);
                    self.endpoint.connected(now, trunk, false, &mut self.out);
                    self.pump();
                }
            }
            StreamNews::Refused => self.figures.add(Figure::StreamsRefused),
        }
    }

    fn send(&self, to: Destination, octets: &[u8]) -> bool {
        let is_sent = match to {
            Destination::Trunk(id) => match self.trunks.get(&id) {
                Some((Transport::Udp, address)) => self.udp.send_to(octets, address).is_ok(),
                Some((Transport::Tcp, _)) => self
                    .trunk_streams
                    .get(&id)
                    .is_some_and(|connection| self.write(*connection, octets)),
                None => false,
            },
            Destination::Back(source) => match source.transport {
                Transport::Udp => self.udp.send_to(octets, source.address).is_ok(),
                Transport::Tcp => self.write(source.connection, octets),
            },
        };
        if !is_sent {
            self.figures.add(Figure::SendFailures);
        }
        is_sent
    }

    fn write(&self, connection: u64, octets: &[u8]) -> bool {
        self.writers
            .get(&connection)
            .is_some_and(|writer| writer.try_send(octets.to_vec()).is_ok())
    }

    // -- outputs

    pub(super) fn pump(&mut self) {
        while !self.out.is_empty() {
            let mut pumped = std::mem::take(&mut self.pumped);
            std::mem::swap(&mut pumped, &mut self.out);
            for output in pumped.drain(..) {
                match output {
                    Output::Send { to, octets, invite } => {
                        let is_sent = self.send(to, &octets);
                        match invite {
                            Some(key) if is_sent => {
                                let at = self.clock.mono();
                                self.tell(leg(
                                    AttemptId(key.call),
                                    key.route_try,
                                    at,
                                    LegEvent::Sent,
                                ));
                            }
                            Some(key) => {
                                let now = self.clock.mono();
                                self.endpoint.send_failed(now, key, &mut self.out);
                            }
                            None => {}
                        }
                    }
                    Output::Event(key, event) => self.report(key, event),
                    Output::Trunk(trunk, is_up) => {
                        tracing::info!(%trunk, is_up, "A trunk changed its state.");
                        if !is_up && let Some(connection) = self.trunk_streams.get(&trunk) {
                            // A connection on which nobody answers is half dead: it is made anew.
                            self.writers.remove(connection);
                        }
                        self.media.trunk_up(trunk, is_up);
                        self.tell(Input::TrunkUp(trunk, is_up));
                    }
                }
            }
            self.pumped = pumped;
        }
    }

    fn report(&mut self, key: CallKey, event: Event) {
        if phones::is_phone(key) {
            return self.report_phone(key, event);
        }
        if calls_in::is_call_in(key) {
            return self.report_call_in(key, event);
        }
        let (at, attempt) = (self.turn_at, AttemptId(key.call));
        let leg = |event| leg(attempt, key.route_try, at, event);
        match event {
            Event::Trying => self.tell(leg(LegEvent::Trying)),
            Event::Ringing => self.tell(leg(LegEvent::Ringing)),
            Event::Secured(keys) => self.media.secure(LegId::Call(attempt), *keys),
            Event::EarlyMedia(path) => self.point_media(attempt, &path, false),
            Event::MediaChanged(path) => self.point_media(attempt, &path, true),
            Event::Answered { far, path } => {
                // The floor first: matching must not wait for anything.
                self.tell(leg(LegEvent::Answered));
                self.point_media(attempt, &path, true);
                let row = convert::dialog_row(attempt, key.route_try, far);
                if self.store.try_send(StoreOrder::Dialog(row)).is_err() {
                    // The ACK leaves after its 200 ms (docs/adr/0002).
                    self.figures.add(Figure::DialogsNotStored);
                }
            }
            Event::Failed(failure) => {
                let failed = LegEvent::Failed(convert::failure(failure));
                self.end_leg(attempt, key.route_try, failed);
            }
            Event::Ended => self.end_leg(attempt, key.route_try, LegEvent::Ended),
            Event::Silent => self.end_leg(attempt, key.route_try, LegEvent::Silent),
            // Of calls to us only.
            Event::Arrived(_) | Event::Accepted { .. } => {}
        }
    }

    pub(super) fn point_media(&self, attempt: AttemptId, path: &AudioPath, is_answered: bool) {
        if let Some(leg) = self.legs.get(&attempt) {
            self.media
                .remote(LegId::Call(attempt), Some(leg.trunk), path, is_answered);
        }
    }

    pub(super) fn end_leg(&mut self, attempt: AttemptId, route_try: u8, event: LegEvent) {
        // A later route try of the same attempt may hold the port already.
        if self
            .legs
            .get(&attempt)
            .is_some_and(|leg| leg.route_try == route_try)
        {
            self.legs.remove(&attempt);
            self.media.release(LegId::Call(attempt));
        }
        self.tell(leg(attempt, route_try, self.turn_at, event));
    }

    pub(super) fn tell(&mut self, input: Input) {
        // Facts keep their order: what is late goes first.
        if self.late.is_empty() && self.floor.urgent(input.clone()).is_ok() {
            return;
        }
        if self.late.len() < LATE_MAX {
            self.figures.add(Figure::FloorLate);
            self.late.push_back(input);
        } else {
            self.figures.add(Figure::FloorLost);
            tracing::error!("The floor is so far behind that facts about legs are lost.");
        }
    }

    fn flush_late(&mut self) {
        while let Some(input) = self.late.front() {
            if self.floor.urgent(input.clone()).is_err() {
                return;
            }
            self.late.pop_front();
        }
    }
}
