//! The user agent: all calls and trunks of one SIP address. Told the time, handed octets and orders; opens no socket.
//!
//! Owns who belongs to which Call-ID and which timer is next. Requests leave for trunks' configured addresses only; what
//! comes from any other address than a trunk's own or its ranges is counted and never answered (reliability, S1, S33).

use super::ask::{Worth, challenge};
use super::call::{Call, Turn, number_of};
use super::counters::{Count, Counters};
use super::draft::Draft;
use super::event::{
    CallKey, Event, InviteOrder, OrphanOrder, Output, Random, Source, random_token,
};
use super::failure::Failure;
use super::front_door::{Fault, Framing, Verdict, read};
use super::message::{Message, Method, Request, Response};
use super::requests::{
    Asked, answer_destination, answer_stateless, ask_arrival, count_answer, refuse_arrival,
};
use super::trunk::{Trunk, TrunkSetup};
use crate::ids::TrunkId;
use crate::time::Mono;
use rustc_hash::{FxHashMap, FxHashMapSeed, FxSeededState};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Timers handled in one call of [`Endpoint::handle_timeout`], so that sockets are served in between.
const TIMEOUTS_PER_TURN_MAX: usize = 256;

/// Settings of the user agent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// User-Agent header.
    pub user_agent: String,
    /// Trunks.
    pub trunks: Vec<TrunkSetup>,
    /// Our numbers that may be called, each with the trunks that it may be called over; without them every call to us is refused.
    pub numbers: Vec<OurNumber>,
    /// Most calls kept at once, those included that only absorb copies. 32,768 is 3x of 250 calls per second for 32 s.
    pub calls_max: usize,
}

/// A number of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurNumber {
    /// In E.164, "+842873000000".
    pub number: String,
    /// Trunks over which it may be called; empty: all.
    pub trunks: Vec<TrunkId>,
}

/// Calls of one trunk that may ring here at once. A floor takes none of more than that in any case.
const ARRIVING_MAX: usize = 512;
/// Least digits of a called number that is written without its country: fewer could be anybody's.
const NATIONAL_DIGITS_MIN: usize = 6;
/// Keys of calls to us begin here; those of our own are far below.
const FIRST_ARRIVAL: u64 = 1 << 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Call(CallKey),
    Trunk(TrunkId),
}

/// The user agent.
pub struct Endpoint {
    user_agent: String,
    trunks: BTreeMap<TrunkId, Trunk>,
    /// Boxed: a table of calls themselves would be moved about, kilobyte by kilobyte, as it grows.
    calls: FxHashMap<CallKey, Box<Call>>,
    by_call_id: FxHashMapSeed<String, CallKey>,
    wakes: BTreeSet<(Mono, Wake)>,
    random: Box<dyn Random>,
    counters: Counters,
    calls_max: usize,
    numbers: Vec<OurNumber>,
    takes_calls: bool,
    arrivals: u64,
    /// Makes the tags of stateless answers unguessable.
    salt: u64,
    strays: u64,
}

impl Endpoint {
    /// A user agent at `now`; each trunk is asked with OPTIONS at once (over TCP: once connected).
    pub fn new(now: Mono, settings: Settings, mut random: Box<dyn Random>) -> Endpoint {
        let mut salt = [0_u8; 8];
        random.fill(&mut salt);
        let salt = u64::from_le_bytes(salt);
        let Settings {
            user_agent,
            trunks,
            numbers,
            calls_max,
        } = settings;
        let trunks: BTreeMap<TrunkId, Trunk> = trunks
            .into_iter()
            .map(|setup| {
                (
                    setup.id,
                    Trunk::new(setup, &user_agent, now, random.as_mut()),
                )
            })
            .collect();
        let mut endpoint = Endpoint {
            user_agent,
            calls: FxHashMap::default(),
            // Call-IDs of stray answers are the far end's choice: which of them collide must not be known to it.
            by_call_id: FxHashMapSeed::with_hasher(FxSeededState::with_seed(salt as usize)),
            wakes: BTreeSet::new(),
            counters: Counters::default(),
            calls_max,
            numbers,
            takes_calls: true,
            arrivals: 0,
            salt,
            strays: 0,
            trunks,
            random,
        };
        let ids: Vec<TrunkId> = endpoint.trunks.keys().copied().collect();
        for id in ids {
            endpoint.settle_trunk(id);
        }
        endpoint
    }

    /// Other trunks: those that are known change, at the address they have; new ones are asked with OPTIONS at once. One that is
    /// not named stays as it is, for the calls on it.
    pub fn set_trunks(&mut self, now: Mono, user_agent: &str, setups: Vec<TrunkSetup>) {
        user_agent.clone_into(&mut self.user_agent);
        for setup in setups {
            let id = setup.id;
            match self.trunks.get_mut(&id) {
                Some(trunk) => trunk.change(now, setup, user_agent),
                None => {
                    let trunk = Trunk::new(setup, user_agent, now, self.random.as_mut());
                    self.trunks.insert(id, trunk);
                }
            }
            self.settle_trunk(id);
        }
    }

    /// User-Agent header.
    pub fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// The source of randomness, for whoever makes identities.
    pub fn random(&mut self) -> &mut dyn Random {
        self.random.as_mut()
    }

    /// A far end that is no trunk, at an address over UDP: nobody asks it with OPTIONS, and it has no credentials of ours. Our own
    /// addresses are those towards the trunk whose address is most like it. `None`: there is no trunk.
    pub fn setup_towards(&self, address: std::net::SocketAddr) -> Option<TrunkSetup> {
        let alike = |setup: &&TrunkSetup| {
            let (theirs, ours) = (setup.local.ip(), address.ip());
            (
                setup.is_probed,
                theirs.is_ipv4() == ours.is_ipv4(),
                theirs.is_loopback() == ours.is_loopback(),
            )
        };
        let setups = self.trunks.values().map(|trunk| &trunk.setup);
        let like = setups.max_by_key(alike)?;
        Some(TrunkSetup {
            id: like.id,
            address,
            transport: super::event::Transport::Udp,
            domain: Some(address.to_string()),
            username: None,
            password: None,
            realms: Vec::new(),
            signalling_ranges: Vec::new(),
            media_ranges: vec![address.ip().into()],
            asks_digest: false,
            srtp: super::sdes::SrtpUse::Off,
            is_probed: false,
            keep_alive: like.keep_alive,
            local: like.local,
            media_address: like.media_address,
        })
    }

    /// The trunk of a call.
    pub fn trunk_of(&self, key: CallKey) -> Option<TrunkId> {
        self.calls.get(&key).map(|call| call.trunk)
    }

    /// Other numbers of ours, for the next call.
    pub fn set_numbers(&mut self, numbers: Vec<OurNumber>) {
        self.numbers = numbers;
    }

    /// No further call to us is taken: 503.
    pub fn take_no_more_calls(&mut self) {
        self.takes_calls = false;
    }

    /// Answers a call to us.
    pub fn accept(&mut self, now: Mono, key: CallKey, media_port: u16, out: &mut Vec<Output>) {
        self.with_call(now, key, out, |call, turn| call.accept(turn, media_port));
    }

    /// Refuses a call to us that is not answered; `Ended` follows.
    pub fn refuse(&mut self, now: Mono, key: CallKey, status: u16, out: &mut Vec<Output>) {
        self.with_call(now, key, out, |call, turn| call.refuse(turn, status));
    }

    /// Everything counted since the start.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Calls kept, those included that only absorb copies.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Places a call. A trunk that is not connected, an unknown trunk, a key or Call-ID in use, or too many calls: `Failed`
    /// with status 0, and nothing is sent.
    pub fn invite(&mut self, now: Mono, order: InviteOrder, out: &mut Vec<Output>) {
        let key = order.key;
        let is_taken = self.calls.contains_key(&key)
            || self.by_call_id.contains_key(&order.identity.call_id)
            || self.calls.len() >= self.calls_max;
        let Some(trunk) = self
            .trunks
            .get_mut(&order.trunk)
            .filter(|trunk| trunk.is_connected && !is_taken)
        else {
            out.push(Output::Event(key, Event::Failed(Failure::local(0))));
            return;
        };
        let call_id = order.identity.call_id.clone();
        let mut turn = Turn {
            now,
            trunk,
            random: self.random.as_mut(),
            counters: &mut self.counters,
            out,
        };
        let call = Call::place(&mut turn, order);
        self.keep(now, call_id, call);
    }

    /// Takes over a leg of an earlier process, to end it. Nothing is reported.
    pub fn orphan(&mut self, now: Mono, order: OrphanOrder, out: &mut Vec<Output>) {
        let key = order.key;
        if self.calls.contains_key(&key) || self.by_call_id.contains_key(&order.identity.call_id) {
            return;
        }
        let Some(trunk) = self.trunks.get_mut(&order.trunk) else {
            return;
        };
        let call_id = order.identity.call_id.clone();
        let mut turn = Turn {
            now,
            trunk,
            random: self.random.as_mut(),
            counters: &mut self.counters,
            out,
        };
        let call = Call::adopt(&mut turn, order);
        self.keep(now, call_id, call);
    }

    /// Stop a call while it rings. A 200 that crosses is reported as `Answered`; a done CANCEL as `Ended`.
    pub fn cancel(&mut self, now: Mono, key: CallKey, out: &mut Vec<Output>) {
        self.with_call(now, key, out, Call::cancel);
    }

    /// End an answered call; one that still rings is cancelled.
    pub fn hang_up(&mut self, now: Mono, key: CallKey, out: &mut Vec<Output>) {
        self.with_call(now, key, out, Call::hang_up);
    }

    /// Get rid of a call in whatever state it is; nothing more is reported.
    pub fn abort(&mut self, now: Mono, key: CallKey, out: &mut Vec<Output>) {
        self.with_call(now, key, out, Call::abort);
    }

    /// The dialog's far side is durable: the ACK goes out.
    pub fn confirm(&mut self, now: Mono, key: CallKey, out: &mut Vec<Output>) {
        self.with_call(now, key, out, Call::confirm);
    }

    /// The first INVITE of a call could not be sent.
    pub fn send_failed(&mut self, now: Mono, key: CallKey, out: &mut Vec<Output>) {
        self.with_call(now, key, out, Call::send_failed);
    }

    /// A TCP trunk is connected, or no longer. What waits for an answer is sent again on the new connection.
    pub fn connected(&mut self, now: Mono, id: TrunkId, is_connected: bool, out: &mut Vec<Output>) {
        if let Some(trunk) = self.trunks.get_mut(&id) {
            trunk.connected(now, is_connected, out);
            self.settle_trunk(id);
        }
        if is_connected {
            let mut keys: Vec<CallKey> = self
                .calls
                .iter()
                .filter(|(_, call)| call.trunk == id)
                .map(|(key, _)| *key)
                .collect();
            // In the order of dialling, whatever the table's is.
            keys.sort_unstable();
            for key in keys {
                self.with_call(now, key, out, Call::reconnected);
            }
        }
    }

    /// Whether no call is up, ringing or being ended: what is left only absorbs copies.
    pub fn is_quiet(&self) -> bool {
        self.calls.values().all(|call| call.is_over())
    }

    /// Whether anything from this address is looked at.
    pub fn knows(&self, source: std::net::IpAddr) -> bool {
        self.trunks.values().any(|trunk| trunk.allows(source))
    }

    /// Takes one datagram, or one message cut out of a stream, up.
    pub fn receive(
        &mut self,
        now: Mono,
        source: Source,
        octets: &[u8],
        framing: Framing,
        out: &mut Vec<Output>,
    ) {
        if !self.knows(source.address.ip()) {
            return self.counters.add(Count::UnknownSource);
        }
        match read(octets, framing) {
            Verdict::Discard(fault) => self.counters.add(match fault {
                Fault::KeepAlive => Count::DiscardedKeepAlive,
                Fault::NotSip => Count::DiscardedNotSip,
                _ => Count::DiscardedMalformed,
            }),
            Verdict::Refuse(refusal) => {
                self.counters.add(Count::RefusedMalformed);
                count_answer(&mut self.counters, refusal.status);
                let tag = self.stateless_tag(refusal.call_id.as_deref(), refusal.cseq.as_deref());
                let port = refusal
                    .top_via
                    .as_ref()
                    .filter(|via| !via.wants_rport())
                    .map(|via| via.answer_port());
                out.push(Output::Send {
                    to: answer_destination(port, source),
                    octets: Draft::refusal(&refusal, source.address, &tag),
                    invite: None,
                });
            }
            Verdict::Accept(message) => match *message {
                Message::Request(request) => self.take_request(now, source, &request, out),
                Message::Response(response) => self.take_response(now, source, &response, out),
            },
        }
    }

    fn take_response(
        &mut self,
        now: Mono,
        source: Source,
        response: &Response,
        out: &mut Vec<Output>,
    ) {
        self.counters.add(match response.status {
            100..=199 => Count::In1xx,
            200..=299 => Count::In2xx,
            300..=399 => Count::In3xx,
            400..=499 => Count::In4xx,
            500..=599 => Count::In5xx,
            _ => Count::In6xx,
        });
        let envelope = &response.envelope;
        // RFC 3261 s.8.1.3.3: a response with a second hop was meant for somebody else.
        if envelope.vias.len() != 1 {
            return self.counters.add(Count::DiscardedUnmatched);
        }
        let call_id = envelope.call_id.as_str();
        if let Some(key) = self.by_call_id.get(call_id).copied() {
            let trunk = self
                .calls
                .get(&key)
                .and_then(|call| self.trunks.get(&call.trunk));
            let Some(trunk) = trunk.filter(|trunk| trunk.allows(source.address.ip())) else {
                return self.counters.add(Count::DiscardedForeign);
            };
            let is_from_address = trunk.setup.address.ip() == source.address.ip().to_canonical();
            return self.with_call(now, key, out, |call, turn| {
                call.hear(turn, response, is_from_address)
            });
        }
        let asked = self.trunks.values_mut().find(|trunk| trunk.owns(call_id));
        if let Some(trunk) = asked {
            if !trunk.allows(source.address.ip()) || envelope.cseq.method != Method::OPTIONS {
                return self.counters.add(Count::DiscardedForeign);
            }
            let is_from_address = trunk.setup.address.ip() == source.address.ip().to_canonical();
            let id = trunk.setup.id;
            trunk.hear(
                now,
                response,
                is_from_address,
                self.random.as_mut(),
                &mut self.counters,
                out,
            );
            return self.settle_trunk(id);
        }
        self.take_unknown_response(now, source, response, out);
    }

    /// A 2xx to an INVITE that carries our own hop and is not known (forgotten, or of a process before us): a person may be
    /// listening to nothing, so it is acknowledged and ended.
    fn take_unknown_response(
        &mut self,
        now: Mono,
        source: Source,
        response: &Response,
        out: &mut Vec<Output>,
    ) {
        let envelope = &response.envelope;
        let is_answer =
            (200..300).contains(&response.status) && envelope.cseq.method == Method::INVITE;
        let hop = envelope.top_via();
        let trunk = self.trunks.values_mut().find(|trunk| {
            let local = trunk.setup.local;
            trunk.allows(source.address.ip())
                && hop.is_some_and(|via| {
                    via.host.address() == Some(local.ip()) && via.answer_port() == local.port()
                })
        });
        let has_room = self.calls.len() < self.calls_max;
        match trunk {
            Some(trunk) if is_answer && has_room && envelope.from.tag().is_some() => {
                self.strays += 1;
                let key = CallKey {
                    call: u64::MAX - self.strays,
                    route_try: 0,
                };
                let mut turn = Turn {
                    now,
                    trunk,
                    random: self.random.as_mut(),
                    counters: &mut self.counters,
                    out,
                };
                let call = Call::of_stray_answer(&mut turn, key, response);
                self.keep(now, envelope.call_id.clone(), call);
            }
            _ => self.counters.add(Count::DiscardedUnmatched),
        }
    }

    fn take_request(
        &mut self,
        now: Mono,
        source: Source,
        request: &Request,
        out: &mut Vec<Output>,
    ) {
        self.counters.add(match &request.method {
            method if *method == Method::INVITE => Count::InInvite,
            method if *method == Method::ACK => Count::InAck,
            method if *method == Method::BYE => Count::InBye,
            method if *method == Method::CANCEL => Count::InCancel,
            method if *method == Method::OPTIONS => Count::InOptions,
            _ => Count::InOther,
        });
        let key = self
            .by_call_id
            .get(request.envelope.call_id.as_str())
            .copied();
        if let Some(key) = key
            && let Some(call) = self.calls.get(&key)
            && call.is_within(request)
        {
            if !self.is_of_its_trunk(key, source) {
                return self.counters.add(Count::DiscardedForeign);
            }
            return self.with_call(now, key, out, |call, turn| {
                call.serve(turn, request, source)
            });
        }
        if let Some(key) = key
            && self
                .calls
                .get(&key)
                .is_some_and(|call| call.is_of_arrival(request))
        {
            if !self.is_of_its_trunk(key, source) {
                return self.counters.add(Count::DiscardedForeign);
            }
            return self.with_call(now, key, out, |call, turn| {
                call.serve_arrival(turn, request, source)
            });
        }
        let envelope = &request.envelope;
        let cseq = envelope.cseq.number.to_string();
        let tag = self.stateless_tag(Some(&envelope.call_id), Some(&cseq));
        if self.take_arrival(now, source, request, key.is_some(), &tag, out) {
            return;
        }
        answer_stateless(request, source, &tag, &mut self.counters, out);
    }

    /// Whether this source may speak for a call.
    fn is_of_its_trunk(&self, key: CallKey, source: Source) -> bool {
        let call = self.calls.get(&key);
        call.and_then(|call| self.trunks.get(&call.trunk))
            .is_some_and(|trunk| trunk.allows(source.address.ip()))
    }

    /// Takes a call to one of our numbers up, or refuses it; `false`: it is none.
    fn take_arrival(
        &mut self,
        now: Mono,
        source: Source,
        request: &Request,
        is_known: bool,
        tag: &str,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(called) = number_of(&request.uri).and_then(|called| self.our_number(&called))
        else {
            return false;
        };
        let (called, allowed) = (called.number.clone(), called.trunks.clone());
        let ip = source.address.ip();
        // Agents' telephones bring no calls.
        let mut trunks = self
            .trunks
            .iter()
            .filter(|(_, trunk)| trunk.setup.is_probed && trunk.allows(ip));
        let trunk = trunks
            .clone()
            .find(|(id, _)| allowed.is_empty() || allowed.contains(id))
            .or_else(|| trunks.next());
        let Some((id, trunk)) = trunk.map(|(id, trunk)| (*id, trunk)) else {
            return false;
        };
        let Some(asked) = ask_arrival(request, trunk.setup.srtp, |address| {
            trunk.allows_media(address)
        }) else {
            return false;
        };
        let worth = trunk.judge_caller(request, self.salt, now);
        let is_trusted = worth == Worth::Right;
        let ringing = || {
            let mut calls = self.calls.values();
            calls
                .by_ref()
                .filter(|call| call.trunk == id && call.is_arriving())
                .count()
        };
        let status = match asked {
            // The same call by another way (s.8.2.2.2).
            _ if is_known => 482,
            // A number that this trunk may not bring calls to.
            _ if !allowed.is_empty() && !allowed.contains(&id) => 403,
            _ if !is_trusted => 401,
            _ if !self.takes_calls || self.calls.len() >= self.calls_max => 503,
            _ if ringing() >= ARRIVING_MAX => 503,
            Asked::Refused(status) => status,
            Asked::Rings(offered) => {
                self.arrivals += 1;
                let key = CallKey {
                    call: FIRST_ARRIVAL + self.arrivals,
                    route_try: 1,
                };
                let Some(trunk) = self.trunks.get_mut(&id) else {
                    return false;
                };
                let mut turn = Turn {
                    now,
                    trunk,
                    random: self.random.as_mut(),
                    counters: &mut self.counters,
                    out,
                };
                let call = Call::arrive(&mut turn, key, request, source, offered, called);
                self.keep(now, request.envelope.call_id.clone(), call);
                return true;
            }
        };
        self.counters.add(Count::CallsInRefused);
        count_answer(&mut self.counters, status);
        let asks = (status == 401)
            .then(|| self.trunks.get(&id))
            .flatten()
            .map(|trunk| challenge(&trunk.realm(), self.salt, now, worth == Worth::Stale));
        refuse_arrival(request, source, (status, asks), tag, out);
        true
    }

    /// Which number of ours was called: as it is written with its country, or without it, where that can be only one.
    fn our_number(&self, called: &str) -> Option<&OurNumber> {
        let plain = called.trim_start_matches('+').trim_start_matches('0');
        let exact = |number: &&OurNumber| number.number.trim_start_matches('+') == plain;
        if let Some(number) = self.numbers.iter().find(exact) {
            return Some(number);
        }
        if called.starts_with('+') || plain.len() < NATIONAL_DIGITS_MIN {
            return None;
        }
        let mut alike = self.numbers.iter();
        let first = alike.find(|number| number.number.ends_with(plain))?;
        alike
            .all(|number| !number.number.ends_with(plain))
            .then_some(first)
    }

    /// A tag that is the same for copies of a request and that nobody can guess (RFC 3261 s.8.2.7).
    fn stateless_tag(&self, call_id: Option<&str>, cseq: Option<&str>) -> String {
        let half = |round: u64| {
            let mut hasher = DefaultHasher::new();
            (self.salt, round, call_id, cseq).hash(&mut hasher);
            hasher.finish()
        };
        format!("{:016x}{:016x}", half(0), half(1))
    }

    /// When [`Endpoint::handle_timeout`] wants to be called; it may be called earlier and later.
    pub fn next_timeout(&self) -> Option<Mono> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Does what is due, at most a bounded number of things: afterwards `next_timeout` may still lie in the past.
    pub fn handle_timeout(&mut self, now: Mono, out: &mut Vec<Output>) {
        for _ in 0..TIMEOUTS_PER_TURN_MAX {
            let Some(&(at, wake)) = self.wakes.first() else {
                return;
            };
            if at > now {
                return;
            }
            match wake {
                Wake::Call(key) => self.with_call(now, key, out, Call::handle_timeout),
                Wake::Trunk(id) => {
                    if let Some(trunk) = self.trunks.get_mut(&id) {
                        trunk.handle_timeout(now, self.random.as_mut(), &mut self.counters, out);
                    }
                    self.settle_trunk(id);
                }
            }
        }
    }

    fn keep(&mut self, now: Mono, call_id: String, call: Call) {
        let key = call.key;
        self.by_call_id.insert(call_id, key);
        self.calls.insert(key, Box::new(call));
        self.settle_call(now, key);
    }

    fn with_call(
        &mut self,
        now: Mono,
        key: CallKey,
        out: &mut Vec<Output>,
        act: impl FnOnce(&mut Call, &mut Turn<'_>),
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(trunk) = self.trunks.get_mut(&call.trunk) else {
            return;
        };
        let mut turn = Turn {
            now,
            trunk,
            random: self.random.as_mut(),
            counters: &mut self.counters,
            out,
        };
        act(call, &mut turn);
        self.settle_call(now, key);
    }

    /// Files the call under its next timer, or forgets it.
    fn settle_call(&mut self, now: Mono, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.is_gone(now) {
            if let Some(at) = call.wake {
                self.wakes.remove(&(at, Wake::Call(key)));
            }
            if let Some(call) = self.calls.remove(&key) {
                self.by_call_id.remove(call.call_id());
            }
            return;
        }
        let next = call.next_timeout();
        if next != call.wake {
            if let Some(at) = call.wake {
                self.wakes.remove(&(at, Wake::Call(key)));
            }
            if let Some(at) = next {
                self.wakes.insert((at, Wake::Call(key)));
            }
            call.wake = next;
        }
    }

    fn settle_trunk(&mut self, id: TrunkId) {
        let Some(trunk) = self.trunks.get_mut(&id) else {
            return;
        };
        let next = trunk.next_timeout();
        if next != trunk.wake {
            if let Some(at) = trunk.wake {
                self.wakes.remove(&(at, Wake::Trunk(id)));
            }
            if let Some(at) = next {
                self.wakes.insert((at, Wake::Trunk(id)));
            }
            trunk.wake = next;
        }
    }

    /// A token for whoever makes identities with the endpoint's randomness.
    pub fn token(&mut self) -> String {
        random_token(self.random.as_mut())
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
#[path = "endpoint_races.rs"]
mod races;
