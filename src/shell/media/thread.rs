//! A media thread: one poll over its browsers' port and its legs' sockets, one beat of 2 ms that spreads the 20 ms frames of all
//! answered legs.
//!
//! Owns its legs, its browsers' sessions and its agents' seats. Takes orders through its lane, gives ports back through the port
//! table, tells the floor and the desks what they must know.

use super::browser::BrowserNews;
use super::browsers::{Browsers, Heard, Who};
use super::counters::{Counters, count, count_sound};
use super::ears::Ears;
use super::leg::{Inbox, Leg, MediaReport};
use super::legs::{Legs, PHASES};
use super::line::{self, Around};
use super::prompts::Prompt;
use super::seat::{Echo, Seat, Standing};
use super::streams::{LISTENER, Streams};
use super::{Lane, NewsSink, Order, PortTable, Ranges, TrunksDown, lock};
use crate::core::input::Input;
use crate::ids::{AgentId, TrunkId};
use crate::shell::desks::AudioRefused;
use crate::shell::lanes::{Clock, FloorLane, LegId};
use crate::shell::recording::Party;
use crate::time::{Mono, UnixMs};
use crate::wire::media::rtp::RtpPacket;
use crate::wire::media::tones::{Loop, Sound};
use crate::wire::media::{PCMA, PCMU};
use crossbeam::channel::{Receiver, Sender};
use mio::{Events, Interest, Poll, Registry, Token};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

mod listening;

/// The waker's token: no slot reaches it.
pub(super) const WAKE: Token = Token(usize::MAX);
/// The browsers' port.
const BROWSERS: Token = Token(usize::MAX - 1);
/// Set in the token of a leg's control packets, beside its slot.
const CONTROL: usize = 1 << 40;
/// Microseconds of a beat.
const BEAT_US: u64 = 2_000;
/// Beats behind which frames are left out instead of sent in a burst: 100 ms.
const BEHIND_MAX: u64 = 50;
/// Longest sleep. Ports taken and given back wake nobody: waking costs more than both.
const LOOK: Duration = Duration::from_millis(50);
/// Orders taken in one turn.
const ORDERS_MAX: usize = 1_024;
/// How often sessions that want to be woken are looked for: their timers are those of a handshake and of reports.
const WAKE_EVERY: Duration = Duration::from_millis(20);
/// How often seats are looked at: who has not been heard for 2 s is told at most this much later.
const SEATS_EVERY: Duration = Duration::from_millis(100);
/// How long an order about a leg waits that is on its way from another thread.
const EARLY_MAX: Duration = Duration::from_millis(200);
/// Facts for a floor whose lane is full.
const OWED_MAX: usize = 16_384;

/// The thread's state.
pub(super) struct MediaThread {
    pub index: usize,
    pub poll: Poll,
    pub orders: Receiver<Order>,
    /// The lanes of all threads, this one's included.
    pub lanes: Arc<OnceLock<Vec<Lane>>>,
    pub table: Arc<Mutex<PortTable>>,
    pub stop: Arc<AtomicBool>,
    pub counters: Arc<Counters>,
    pub reports: Sender<MediaReport>,
    pub floor: FloorLane,
    pub news: Arc<OnceLock<NewsSink>>,
    pub clock: Clock,
    /// Allowed ranges by trunk.
    pub ranges: Ranges,
    /// Trunks that answer no OPTIONS.
    pub trunks_down: TrunksDown,
    /// The wall clock at the origin of `clock`.
    pub origin: UnixMs,
    /// What a customer on hold hears.
    pub music: Option<Arc<Prompt>>,
    pub browsers: Browsers,
    pub room: Room,
}

/// What a thread has that a defect of ours may take from it.
pub(super) struct Room {
    legs: Legs,
    seats: FxHashMap<AgentId, Seat>,
    ears: Ears,
    /// What the floor's lane had no room for.
    owed: VecDeque<Input>,
    /// Orders about legs that are still to come from another thread, and since when.
    early: Vec<(Mono, Order)>,
    /// Legs that are over and still to come, likewise.
    early_over: Vec<(Mono, u64)>,
    trunks_warned: FxHashSet<TrunkId>,
    /// Beats since the clock's origin that are done.
    beat: u64,
    wake_at: Mono,
    seats_at: Mono,
    unread: Vec<Token>,
    heard: Vec<Heard>,
    inbox: Inbox,
    scratch: Vec<u8>,
    tone: [Loop; 2],
}

impl Room {
    pub fn new() -> Room {
        Room {
            legs: Legs::default(),
            seats: FxHashMap::default(),
            ears: Ears::default(),
            owed: VecDeque::new(),
            early: Vec::new(),
            early_over: Vec::new(),
            trunks_warned: FxHashSet::default(),
            beat: 0,
            wake_at: Mono(0),
            seats_at: Mono(0),
            unread: Vec::new(),
            heard: Vec::new(),
            inbox: Inbox::default(),
            scratch: Vec::with_capacity(256),
            tone: [PCMU, PCMA].map(|law| Loop::new(Sound::RingBack, law)),
        }
    }
}

impl MediaThread {
    /// Runs until told to stop. A defect of ours costs this thread's calls and nobody else's.
    pub fn run(mut self) {
        if let Err(error) =
            self.poll
                .registry()
                .register(&mut self.browsers.socket, BROWSERS, Interest::READABLE)
        {
            tracing::error!(%error, "The browsers' port cannot be watched.");
            return;
        }
        if let Err(error) = self.browsers.streams.register(self.poll.registry()) {
            tracing::error!(%error, "The browsers' TCP port cannot be watched.");
        }
        let mut events = Events::with_capacity(1_024);
        while !self.stop.load(Ordering::Acquire) {
            let turns = catch_unwind(AssertUnwindSafe(|| self.turns(&mut events)));
            if turns.is_err() {
                count(&self.counters.threads_restarted, 1);
                tracing::error!(
                    thread = self.index,
                    "A media thread met a defect of ours: its calls end, and it begins anew."
                );
                self.begin_anew();
            }
        }
    }

    /// After a defect: whoever was here is told, and nothing of it is trusted any more.
    fn begin_anew(&mut self) {
        let mut broken = std::mem::replace(&mut self.room, Room::new());
        self.room.owed = std::mem::take(&mut broken.owed);
        for lease in broken.legs.leases() {
            if let Some(leg) = broken.legs.remove(lease) {
                let lost = leg.attempt().map(Input::MediaLost);
                self.room.owed.extend(lost);
                self.put_away(leg);
            }
        }
        for agent in broken.seats.keys() {
            self.browsers.remove(*agent);
            self.room.owed.push_back(Input::AgentAudio(*agent, false));
        }
    }

    fn turns(&mut self, events: &mut Events) {
        while !self.stop.load(Ordering::Acquire) {
            let wait = self.wait();
            if let Err(error) = self.poll.poll(events, wait)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "A media thread cannot poll its sockets; it stops.");
                self.stop.store(true, Ordering::Release);
                return;
            }
            // Releases are taken before orders: what was ordered before a release is then among the orders.
            let over = lock(&self.table).take_releases(self.index);
            for order in self.orders.try_iter().take(ORDERS_MAX).collect::<Vec<_>>() {
                self.obey(order);
            }
            self.obey_early();
            for lease in over {
                self.close(lease);
            }
            let unread = std::mem::take(&mut self.room.unread);
            for token in events.iter().map(|event| event.token()).chain(unread) {
                self.read(token);
            }
            self.look_around();
            self.pay();
            self.send_due();
            self.send_to_ears(self.clock.mono());
        }
    }

    /// How long the poll may sleep.
    fn wait(&self) -> Option<Duration> {
        let room = &self.room;
        if !room.unread.is_empty() || !self.orders.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = self.clock.mono();
        if room.legs.speaking() > 0 {
            return Some(Mono((room.beat + 1) * BEAT_US).since(now));
        }
        if !room.owed.is_empty() || !room.early.is_empty() || !room.early_over.is_empty() {
            return Some(Duration::from_millis(1));
        }
        if self.browsers.len() > 0 {
            return Some(room.wake_at.since(now).min(LOOK));
        }
        Some(LOOK)
    }

    // -- orders

    fn obey_early(&mut self) {
        let now = self.clock.mono();
        for (since, lease) in std::mem::take(&mut self.room.early_over) {
            if self.room.legs.get_mut(lease).is_some() {
                self.close(lease);
            } else if now.since(since) < EARLY_MAX {
                self.room.early_over.push((since, lease));
            }
        }
        for (since, order) in std::mem::take(&mut self.room.early) {
            let is_here = order
                .lease()
                .is_none_or(|lease| self.room.legs.get_mut(lease).is_some());
            if is_here {
                self.obey(order);
            } else if now.since(since) < EARLY_MAX {
                self.room.early.push((since, order));
            } else {
                count(&self.counters.orders_without_leg, 1);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        if let Some(lease) = order.lease()
            && self.room.legs.get_mut(lease).is_none()
        {
            // With one thread nothing can be on its way.
            let others = self.lanes.get().map_or(0, Vec::len) > 1;
            if others && self.room.early.len() < ORDERS_MAX {
                self.room.early.push((self.clock.mono(), order));
            } else {
                count(&self.counters.orders_without_leg, 1);
            }
            return;
        }
        match order {
            Order::Open {
                lease,
                leg,
                socket,
                port,
            } => {
                let random = random();
                self.settle_in(Leg::new(lease, leg, socket, port, random));
                count(&self.counters.legs_opened, 1);
            }
            Order::Adopt { leg, agent } => {
                let lease = leg.lease;
                self.settle_in(*leg);
                self.start_if_answered(lease);
                self.join(lease, agent);
            }
            Order::Remote {
                lease,
                trunk,
                path,
                answered,
            } => self.remote(lease, trunk, path, answered),
            Order::Bridge {
                lease,
                agent,
                thread,
            } => {
                if thread == self.index {
                    self.join(lease, agent);
                } else {
                    self.hand_over(lease, agent, thread);
                }
            }
            Order::Offer { agent, sdp, answer } => {
                let now = self.clock.instant(self.clock.mono());
                let answered = self.browsers.offer(agent, &sdp, random(), now);
                match &answered {
                    Ok(_) => {
                        count(&self.counters.browsers_opened, 1);
                        let seat = self.room.seats.entry(agent).or_default();
                        seat.connect(Standing::Browser);
                    }
                    Err(_) => count(&self.counters.offers_refused, 1),
                }
                answer(answered.map_err(|fault| AudioRefused::Offer(fault.to_string())));
                self.drain(agent, self.clock.mono());
            }
            Order::EarOpen {
                ear,
                agent,
                mode,
                sdp,
                answer,
            } => self.ear_open((ear, agent, mode), &sdp, answer),
            Order::EarMode(ear, mode) => self.room.ears.change(ear, mode),
            Order::EarClose(ear) => self.ear_close(ear),
            Order::AgentGone(agent) => self.agent_gone(agent),
            Order::Check(agent) => {
                let now = self.clock.mono();
                if let Some(seat) = self.room.seats.get_mut(&agent)
                    && seat.call.is_none()
                {
                    seat.begin_check(now);
                    self.look_at_seats(now);
                }
            }
            Order::Mute(agent, on) => {
                self.room.seats.entry(agent).or_default().muted = on;
            }
            Order::Secure { lease, keys } => {
                if let Some(leg) = self.room.legs.get_mut(lease)
                    && !leg.secure(*keys)
                {
                    tracing::error!("A call's SRTP keys cannot be used: it stays silent.");
                }
            }
            Order::Keys { lease, letters } => {
                if let Some(leg) = self.room.legs.get_mut(lease)
                    && let Some(line) = &mut leg.line
                    && line.press(letters.expose()).is_err()
                {
                    count(&self.counters.keys_refused, 1);
                }
            }
            Order::Announce { lease, prompt } => {
                if let Some(leg) = self.room.legs.get_mut(lease) {
                    leg.announce(prompt);
                }
            }
            Order::Hold { lease, on } => {
                if let Some(leg) = self.room.legs.get_mut(lease) {
                    leg.held = on;
                }
            }
            Order::Record { lease, tap } => {
                let now = self.clock.mono();
                if let Some(leg) = self.room.legs.get_mut(lease)
                    && let Some(before) = leg.tap.replace(tap)
                {
                    before.finish(now);
                }
            }
            Order::PauseRecording { lease, paused } => {
                let now = self.clock.mono();
                if let Some(leg) = self.room.legs.get_mut(lease) {
                    leg.hidden = paused;
                    if let Some(tap) = &mut leg.tap {
                        tap.pause(paused, now);
                    }
                }
            }
        }
    }

    fn settle_in(&mut self, leg: Leg) {
        let slot = self.room.legs.insert(leg);
        self.watch_control(slot);
        if let Some(leg) = self.room.legs.at(slot)
            && let Err(error) =
                self.poll
                    .registry()
                    .register(&mut leg.socket, Token(slot), Interest::READABLE)
        {
            tracing::error!(%error, "A call's RTP cannot be watched.");
        }
    }

    fn remote(
        &mut self,
        lease: u64,
        trunk: Option<TrunkId>,
        path: crate::wire::sip::sdp::AudioPath,
        answered: bool,
    ) {
        let all = self.ranges.load();
        let ranges = trunk
            .and_then(|trunk| all.get(usize::from(trunk.0)))
            .map_or(&[][..], Vec::as_slice);
        let Some(leg) = self.room.legs.get_mut(lease) else {
            return;
        };
        let is_usable = leg.remote(trunk, path, answered, ranges);
        let id = leg.id;
        if !is_usable {
            count(&self.counters.remotes_refused, 1);
            if let (Some(trunk), Some(address)) = (trunk, path.remote)
                && self.room.trunks_warned.insert(trunk)
            {
                tracing::warn!(
                    %trunk, media = %address.ip(),
                    "A trunk's SDP points outside its ranges; nothing is sent there. If it is the carrier's, add it to media_ranges."
                );
            }
        }
        self.start_if_answered(lease);
        if let LegId::Phone(agent) = id
            && answered
        {
            let seat = self.room.seats.entry(agent).or_default();
            seat.connect(Standing::Phone(lease));
            seat.pass();
        }
    }

    fn start_if_answered(&mut self, lease: u64) {
        let Some(leg) = self.room.legs.get_mut(lease) else {
            return;
        };
        if leg.is_answered() && leg.phase.is_none() {
            if self.room.legs.speaking() == 0 {
                // Nobody spoke for a while: the beats of that time are not owed.
                self.room.beat = self.clock.mono().0 / BEAT_US;
            }
            self.room.legs.start_sending(lease);
            self.begin_line(lease);
        }
    }

    fn begin_line(&mut self, lease: u64) {
        let at = self.clock.mono();
        if let Some(slot) = self.room.legs.slot_of(lease)
            && let Some(leg) = self.room.legs.at(slot)
            && leg.line.is_none()
        {
            leg.begin_line(at, random());
            self.watch_control(slot);
        }
    }

    /// From the answer on a leg has control packets too, on a port of their own.
    fn watch_control(&mut self, slot: usize) {
        if let Some(leg) = self.room.legs.at(slot)
            && let Some(line) = &mut leg.line
            && let Some(control) = line.control()
            && let Err(error) =
                self.poll
                    .registry()
                    .register(control, Token(CONTROL | slot), Interest::READABLE)
        {
            tracing::warn!(%error, "A call's RTCP cannot be watched.");
        }
    }

    /// The customer's leg and the agent are one conversation from here on.
    fn join(&mut self, lease: u64, agent: AgentId) {
        let Some(leg) = self.room.legs.get_mut(lease) else {
            return;
        };
        leg.agent = Some(agent);
        leg.held = false;
        let attempt = leg.attempt();
        let seat = self.room.seats.entry(agent).or_default();
        seat.call = Some(lease);
        seat.was_heard_in_call = false;
        count(&self.counters.bridges, 1);
        if let Some(attempt) = attempt {
            self.tell(Input::Bridged(attempt));
        }
    }

    /// The agent's leg lives on another thread: the customer's goes there.
    fn hand_over(&mut self, lease: u64, agent: AgentId, thread: usize) {
        let Some(mut leg) = self.room.legs.remove(lease) else {
            return;
        };
        self.unwatch(&mut leg);
        let lane = self
            .lanes
            .get()
            .and_then(|lanes| lanes.get(thread))
            .cloned();
        let Some(lane) = lane else {
            return self.put_away(leg);
        };
        let order = Order::Adopt {
            leg: Box::new(leg),
            agent,
        };
        if let Err(refused) = lane.orders.try_send(order) {
            count(&self.counters.orders_dropped, 1);
            // The floor's own deadline ends a call that was not joined.
            if let Order::Adopt { leg, .. } = refused.into_inner() {
                self.put_away(*leg);
            }
        }
        lane.wake();
    }

    fn close(&mut self, lease: u64) {
        let Some(mut leg) = self.room.legs.remove(lease) else {
            // With more than one thread it may be on its way to us.
            if self.lanes.get().map_or(0, Vec::len) > 1 {
                self.room.early_over.push((self.clock.mono(), lease));
            }
            return;
        };
        let at = self.clock.mono();
        // One last look: what came before the BYE belongs to this call.
        self.room.inbox.clear();
        let down = self.trunks_down.load();
        let around = Around {
            at,
            origin: self.origin,
            music: None,
            trunks_down: &down,
            counters: &self.counters,
        };
        leg.read(&self.ranges.load(), &around, &mut self.room.inbox);
        leg.say_goodbye(&around, &mut self.room.scratch);
        if let Some(agent) = leg.agent
            && let Some(seat) = self.room.seats.get_mut(&agent)
            && seat.call == Some(lease)
        {
            seat.call = None;
            // Nobody begins the next conversation unheard because of the last one.
            seat.muted = false;
        }
        if let LegId::Phone(agent) = leg.id
            && let Some(seat) = self.room.seats.get_mut(&agent)
        {
            seat.disconnect();
        }
        if let Some(report) = leg.report() {
            if report.bridged {
                count_sound(&self.counters, &line::sound(&report));
            }
            if self.reports.try_send(report).is_err() {
                count(&self.counters.reports_dropped, 1);
            }
        }
        self.unwatch(&mut leg);
        self.put_away(leg);
    }

    fn unwatch(&self, leg: &mut Leg) {
        let registry = self.poll.registry();
        let mut unwatched = registry.deregister(&mut leg.socket);
        if let Some(control) = leg.line.as_mut().and_then(|line| line.control()) {
            unwatched = unwatched.and(registry.deregister(control));
        }
        if let Err(error) = unwatched {
            tracing::warn!(%error, "A call's socket was not watched.");
        }
    }

    /// Ends a leg's recording and gives its port back.
    fn put_away(&mut self, mut leg: Leg) {
        let now = self.clock.mono();
        if let Some(tap) = leg.tap.take() {
            tap.finish(now);
        }
        count(&self.counters.legs_closed, 1);
        lock(&self.table).pool.give_back(leg.socket, leg.port, now);
    }

    fn agent_gone(&mut self, agent: AgentId) {
        self.browsers.remove(agent);
        let Some(mut seat) = self.room.seats.remove(&agent) else {
            return;
        };
        seat.disconnect();
        let (_, ready) = seat.look(agent, self.clock.mono());
        if let Some(ready) = ready {
            self.tell(Input::AgentAudio(agent, ready));
        }
    }

    // -- sound

    fn read(&mut self, token: Token) {
        let at = self.clock.mono();
        match token {
            WAKE => {}
            LISTENER => self.browsers.streams.accept(self.poll.registry(), at),
            token if Streams::is_one(token) => {
                self.with_browsers(at, |browsers, now, registry, heard, counters| {
                    browsers.read_stream(token, registry, now, heard, counters);
                });
            }
            BROWSERS => {
                let more = self.with_browsers(at, |browsers, now, _, heard, counters| {
                    browsers.read(now, heard, counters)
                });
                if more {
                    self.room.unread.push(BROWSERS);
                }
            }
            Token(slot) if slot & CONTROL != 0 => {
                let around = Around {
                    at,
                    origin: self.origin,
                    music: None,
                    trunks_down: &[],
                    counters: &self.counters,
                };
                if let Some(leg) = self.room.legs.at(slot & !CONTROL) {
                    leg.read_control(&around);
                }
            }
            Token(slot) => self.read_leg(slot, at),
        }
    }

    fn read_leg(&mut self, slot: usize, at: Mono) {
        let ranges = self.ranges.load();
        let Some(leg) = self.room.legs.at(slot) else {
            return;
        };
        let mut inbox = std::mem::take(&mut self.room.inbox);
        inbox.clear();
        let around = Around {
            at,
            origin: self.origin,
            music: None,
            trunks_down: &[],
            counters: &self.counters,
        };
        if leg.read(&ranges, &around, &mut inbox) {
            self.room.unread.push(Token(slot));
        }
        let (id, agent, held) = (leg.id, leg.agent, leg.held);
        match (id, agent) {
            (LegId::Phone(agent), _) => {
                for packet in inbox.packets() {
                    self.agent_speaks(agent, &packet, at);
                }
            }
            (LegId::Call(_), Some(agent)) if !held => {
                for packet in inbox.packets() {
                    if let Some(leg) = self.room.legs.at(slot) {
                        leg.record(Party::Customer, packet.payload_type, packet.payload, at);
                    }
                    self.tell_ears(agent, Party::Customer, &packet);
                    let joined = self.with_ears(agent, Party::Agent, &packet);
                    let payload = joined.as_ref().map_or(packet.payload, |frame| &frame[..]);
                    self.play_to(agent, &RtpPacket { payload, ..packet }, at);
                }
                self.drain(agent, at);
            }
            (LegId::Call(_), _) => {}
        }
        self.room.inbox = inbox;
    }

    fn take_heard(&mut self, heard: &mut Vec<Heard>, at: Mono) {
        for heard in heard.drain(..) {
            match heard {
                Heard::Packet(who, packet) => {
                    let voice = RtpPacket {
                        marker: packet.header.marker,
                        payload_type: *packet.header.payload_type,
                        sequence: packet.header.sequence_number,
                        timestamp: packet.header.timestamp,
                        ssrc: *packet.header.ssrc,
                        contributors: 0,
                        payload: &packet.payload,
                    };
                    match who {
                        Who::Agent(agent) => self.agent_speaks(agent, &voice, at),
                        Who::Ear(ear) => self.ear_speaks(ear, &voice, at),
                    }
                }
                Heard::News(Who::Agent(agent), news) => self.browser_news(agent, &news, at),
                Heard::News(Who::Ear(ear), BrowserNews::Closed | BrowserNews::Disconnected) => {
                    self.ear_lost(ear);
                }
                Heard::News(Who::Ear(_), BrowserNews::Connected) => {}
            }
        }
    }

    fn browser_news(&mut self, agent: AgentId, news: &BrowserNews, at: Mono) {
        tracing::debug!(%agent, ?news, "An agent's browser.");
        if *news == BrowserNews::Closed
            && let Some(seat) = self.room.seats.get_mut(&agent)
            && seat.standing == Standing::Browser
        {
            seat.disconnect();
            self.look_at_seats(at);
        }
    }

    /// A packet of an agent: to his customer, or back to himself while he checks his microphone.
    fn agent_speaks(&mut self, agent: AgentId, packet: &RtpPacket<'_>, at: Mono) {
        let Some(seat) = self.room.seats.get_mut(&agent) else {
            return;
        };
        let is_first = seat.heard_at.is_none();
        seat.heard_at = Some(at);
        if matches!(packet.payload_type, PCMU | PCMA)
            && let Some(echo) = seat.hear_check(packet.payload_type, packet.payload, at)
        {
            self.echo(agent, echo, packet, at);
        } else if let Some(lease) = seat.call
            && !seat.muted
        {
            self.agent_to_customer(agent, lease, packet, at);
        }
        if is_first {
            self.look_at_seats(at);
        }
    }

    fn drain(&mut self, agent: AgentId, at: Mono) {
        self.drain_of(Who::Agent(agent), at);
    }

    fn drain_of(&mut self, who: Who, at: Mono) {
        self.with_browsers(at, |browsers, _, _, heard, counters| {
            browsers.drain(who, None, heard, counters);
        });
    }

    /// Lets the browsers' legs do something, and takes in what was heard meanwhile.
    fn with_browsers<T>(
        &mut self,
        at: Mono,
        act: impl FnOnce(&mut Browsers, Instant, &Registry, &mut Vec<Heard>, &Counters) -> T,
    ) -> T {
        let now = self.clock.instant(at);
        let mut heard = std::mem::take(&mut self.room.heard);
        let done = act(
            &mut self.browsers,
            now,
            self.poll.registry(),
            &mut heard,
            &self.counters,
        );
        self.take_heard(&mut heard, at);
        // Empty again; kept for its room.
        self.room.heard = heard;
        done
    }

    // -- time

    /// What is looked at now and then: sessions that want to be woken, seats whose leg fell silent.
    fn look_around(&mut self) {
        let at = self.clock.mono();
        if at >= self.room.wake_at {
            self.room.wake_at = at + WAKE_EVERY;
            self.with_browsers(at, |browsers, now, registry, heard, counters| {
                browsers.wake_due(now, heard, counters);
                browsers.streams.close_strangers(at, registry);
            });
        }
        if at >= self.room.seats_at {
            self.look_at_seats(at);
        }
    }

    fn look_at_seats(&mut self, at: Mono) {
        self.room.seats_at = at + SEATS_EVERY;
        let Room { seats, owed, .. } = &mut self.room;
        for (agent, seat) in seats {
            let (news, ready) = seat.look(*agent, at);
            if let (Some(news), Some(sink)) = (news, self.news.get()) {
                sink(news);
            }
            if let Some(ready) = ready {
                if owed.len() < OWED_MAX {
                    owed.push_back(Input::AgentAudio(*agent, ready));
                } else {
                    seat.untell_ready();
                }
            }
        }
    }

    fn tell(&mut self, input: Input) {
        // Bounded by what is alive: two facts for each leg, one for each seat.
        if self.room.owed.len() < OWED_MAX {
            self.room.owed.push_back(input);
        }
    }

    /// Tells the floor what it must know; what its lane has no room for is kept for the next turn.
    fn pay(&mut self) {
        while let Some(input) = self.room.owed.front() {
            if self.floor.urgent(input.clone()).is_err() {
                return;
            }
            self.room.owed.pop_front();
        }
    }

    /// Sends the frames whose beat has come.
    fn send_due(&mut self) {
        let room = &mut self.room;
        if room.legs.speaking() == 0 {
            return;
        }
        let now = self.clock.mono();
        let due = now.0 / BEAT_US;
        let behind = due.saturating_sub(room.beat);
        if behind > BEHIND_MAX {
            let frames = behind / PHASES as u64;
            room.legs.skip_frames(frames as u32);
            count(
                &self.counters.frames_skipped,
                frames * room.legs.speaking() as u64,
            );
            room.beat += frames * PHASES as u64;
        }
        let down = self.trunks_down.load();
        let around = Around {
            at: now,
            origin: self.origin,
            music: self.music.as_ref(),
            trunks_down: &down,
            counters: &self.counters,
        };
        while room.beat < due {
            room.beat += 1;
            let phase = (room.beat % PHASES as u64) as usize;
            let (scratch, owed) = (&mut room.scratch, &mut room.owed);
            room.legs.each_of_phase(phase, |leg| {
                let beat = leg.beat(&around, scratch);
                let Some(attempt) = leg.attempt() else {
                    return;
                };
                if beat.announced && owed.len() < OWED_MAX {
                    owed.push_back(Input::Announced(attempt));
                }
                if let Some(news) = beat.news {
                    let lost = line::say(attempt, news, around.counters);
                    owed.extend(lost.filter(|_| owed.len() < OWED_MAX));
                }
            });
        }
    }
}

/// Predictable numbers would not open a leg to strangers: the source check does not rest on them.
fn random<const N: usize>() -> [u8; N] {
    let mut random = [0; N];
    if let Err(error) = getrandom::fill(&mut random) {
        tracing::warn!(%error, "No randomness for an RTP stream.");
    }
    random
}
