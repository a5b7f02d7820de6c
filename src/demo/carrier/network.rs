//! The simulated network's signalling: which message belongs to which call, what goes back, who is called how often.
//!
//! Owns all calls and their timers. Opens no socket and reads no clock: octets and times come in, octets go out.

use super::call::{Act, Call, EndedBy, Event, Stage};
use super::digest::{Check, Credentials};
use super::fate::{Behaviour, Fate, Kind};
use super::lines::Playing;
use super::messages::{self, Leg, Wire};
use super::records::{CallRecord, CallUp, Stats, Totals};
use crate::time::{Mono, Now};
use crate::wire::media::tones::Sound;
use crate::wire::sip::draft::Draft;
use crate::wire::sip::front_door::{Framing, Verdict, read};
use crate::wire::sip::message::{Message, Method, Request, Response};
use crate::wire::sip::sdp::{Law, Sdp};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};

/// Numbers whose calls are counted; beyond it every call is a number's first.
const NUMBERS_MAX: usize = 4_000_000;

/// How a message came, and how its answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Over UDP, from or to this address.
    Udp(SocketAddr),
    /// Over a TCP connection, by the driver's number, from this address.
    Stream(usize, SocketAddr),
}

impl Route {
    /// The far address.
    pub const fn address(&self) -> SocketAddr {
        match self {
            Route::Udp(address) | Route::Stream(_, address) => *address,
        }
    }
}

/// What leaves the network.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Octets to be sent.
    Send(Route, Vec<u8>),
    /// A call is over.
    Record(Box<CallRecord>),
    /// The stream is out of step.
    CloseStream(usize),
}

/// Settings of the network.
#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// Where we are bound: Contact, Via, SDP.
    pub local: SocketAddr,
    /// Who answers, and when.
    pub behaviour: Behaviour,
    /// The same seed gives the same fates.
    pub seed: u64,
    /// Digest that an INVITE needs.
    pub credentials: Option<Credentials>,
    /// Laws spoken, in any order; the caller's order decides.
    pub laws: Vec<Law>,
    /// Most calls at once; above it 503.
    pub calls_max: usize,
    /// Whether SIP and RTP beyond loopback are allowed.
    pub beyond_loopback: bool,
}

/// The network.
pub struct Network {
    settings: NetworkSettings,
    calls: FxHashMap<u64, Entry>,
    by_name: FxHashMap<(String, String), u64>,
    timers: BinaryHeap<Reverse<(Mono, u64)>>,
    earlier: FxHashMap<u64, u32>,
    next_call: u64,
    totals: Totals,
}

/// A call and what the messages of it need.
struct Entry {
    call: Call,
    leg: Leg,
    record: CallRecord,
    law: Law,
    remote: Option<SocketAddr>,
    offer: Sdp,
}

impl Network {
    /// A network without calls.
    pub fn new(settings: NetworkSettings) -> Self {
        Network {
            settings,
            calls: FxHashMap::default(),
            by_name: FxHashMap::default(),
            timers: BinaryHeap::new(),
            earlier: FxHashMap::default(),
            next_call: 0,
            totals: Totals::default(),
        }
    }

    /// Totals so far. RTP and dropped datagrams are the driver's to fill in.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Calls that ring or talk.
    pub const fn calls_up(&self) -> u64 {
        self.totals.up
    }

    /// Whether no call is up and every BYE of ours is answered.
    pub fn is_quiet(&self) -> bool {
        self.calls
            .values()
            .all(|entry| matches!(entry.call.stage(), Stage::Lingering { .. } | Stage::Gone))
    }

    /// Totals and the calls that are up.
    pub fn stats(&self, now: Now) -> Stats {
        let mut up: Vec<_> = self
            .calls
            .values()
            .filter(|entry| !entry.call.is_over())
            .map(|entry| CallUp {
                call_id: entry.record.call_id.clone(),
                number: entry.record.number.clone(),
                stage: match entry.call.stage() {
                    Stage::Ringing => "ringing",
                    Stage::Answered { .. } => "answered",
                    _ => "talking",
                }
                .to_owned(),
                invited_at_ms: entry.record.invited_at_ms,
                answered_at_ms: entry.record.answered_at_ms,
            })
            .collect();
        up.sort_by(|a, b| (a.invited_at_ms, &a.call_id).cmp(&(b.invited_at_ms, &b.call_id)));
        Stats {
            at_ms: now.unix.0,
            totals: self.totals,
            up,
        }
    }

    /// When [`Network::handle_timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Mono> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Deadlines that have come.
    pub fn handle_timeout(&mut self, now: Now, lines: &mut dyn Playing, out: &mut Vec<Output>) {
        while let Some(Reverse((at, key))) = self.timers.peek().copied() {
            if at > now.mono {
                return;
            }
            self.timers.pop();
            let Some(entry) = self.calls.get_mut(&key) else {
                continue;
            };
            match entry.call.next_timeout() {
                // The deadline moved since: its own entry is further down.
                Some(due) if due > now.mono => continue,
                _ => {}
            }
            if lines.heard_voice(key) {
                entry.call.hear();
            }
            self.drive(now, key, Event::Timeout, None, lines, out);
        }
    }

    /// A message.
    pub fn receive(
        &mut self,
        now: Now,
        route: Route,
        octets: &[u8],
        lines: &mut dyn Playing,
        out: &mut Vec<Output>,
    ) {
        let framing = match route {
            Route::Udp(_) => Framing::Datagram,
            Route::Stream(..) => Framing::Stream,
        };
        self.totals.messages_in += 1;
        match read(octets, framing) {
            Verdict::Accept(message) => match *message {
                Message::Request(request) => self.request(now, route, request, lines, out),
                Message::Response(response) => self.response(now, &response, lines, out),
            },
            Verdict::Refuse(refusal) => {
                self.totals.malformed += 1;
                let octets = Draft::refusal(&refusal, route.address(), "refused");
                self.send(route, octets, out);
            }
            Verdict::Discard(_) => self.totals.malformed += 1,
        }
    }

    /// Ends every call, politely.
    pub fn stop(&mut self, now: Now, lines: &mut dyn Playing, out: &mut Vec<Output>) {
        let keys: Vec<_> = self.calls.keys().copied().collect();
        for key in keys {
            let mut acts = Vec::new();
            if let Some(entry) = self.calls.get_mut(&key) {
                entry.call.stop(now.mono, &mut acts);
            }
            self.perform(now, key, acts, None, lines, out);
        }
    }

    fn request(
        &mut self,
        now: Now,
        route: Route,
        request: Request,
        lines: &mut dyn Playing,
        out: &mut Vec<Output>,
    ) {
        let known = self.find(&request);
        match (request.method.as_str(), known) {
            ("INVITE", Some(key)) => self.invite_again(now, key, route, &request, lines, out),
            ("INVITE", None) => self.invite(now, route, request, lines, out),
            ("ACK", Some(key)) => {
                self.drive(now, key, Event::Ack, Some((route, &request)), lines, out)
            }
            ("CANCEL", Some(key)) if self.is_same_transaction(key, &request) => {
                self.drive(now, key, Event::Cancel, Some((route, &request)), lines, out);
            }
            ("BYE", Some(key)) => {
                self.drive(now, key, Event::Bye, Some((route, &request)), lines, out)
            }
            ("OPTIONS", _) => {
                self.totals.options += 1;
                self.answer(route, &request, 200, &[], out);
            }
            // An ACK without a call is the end of a refusal that kept no state.
            ("ACK", None) => {}
            ("BYE" | "CANCEL", _) => {
                self.totals.unknown_calls += 1;
                self.answer(route, &request, 481, &[], out);
            }
            _ => self.answer(route, &request, 405, &[], out),
        }
    }

    fn response(
        &mut self,
        now: Now,
        response: &Response,
        lines: &mut dyn Playing,
        out: &mut Vec<Output>,
    ) {
        // Only BYE is ever sent from here; its To is the caller.
        let name = (
            response.envelope.call_id.clone(),
            tag(response.envelope.to.tag()),
        );
        let known = self.by_name.get(&name).copied();
        let is_final = response.status >= 200 && response.envelope.cseq.method == Method::BYE;
        match known {
            Some(key) if is_final => self.drive(now, key, Event::ByeAnswered, None, lines, out),
            Some(_) => {}
            None => self.totals.unknown_calls += 1,
        }
    }

    /// The call of a request. In a dialog (with our tag in To) the tag must be ours.
    fn find(&self, request: &Request) -> Option<u64> {
        let envelope = &request.envelope;
        let key = *self
            .by_name
            .get(&(envelope.call_id.clone(), tag(envelope.from.tag())))?;
        let entry = self.calls.get(&key)?;
        match envelope.to.tag() {
            Some(theirs) => (theirs == entry.leg.tag).then_some(key),
            None => Some(key),
        }
    }

    /// Whether a request carries the branch of the call's INVITE: a repetition of it, or its CANCEL (RFC 3261 s.9.1).
    fn is_same_transaction(&self, key: u64, request: &Request) -> bool {
        self.calls
            .get(&key)
            .is_some_and(|entry| entry.leg.branch == messages::branch(request))
    }

    fn invite_again(
        &mut self,
        now: Now,
        key: u64,
        route: Route,
        request: &Request,
        lines: &mut dyn Playing,
        out: &mut Vec<Output>,
    ) {
        self.totals.invites_repeated += 1;
        if self.is_same_transaction(key, request) {
            return self.drive(
                now,
                key,
                Event::InviteAgain,
                Some((route, request)),
                lines,
                out,
            );
        }
        if request.envelope.to.tag().is_some() {
            // A re-INVITE: the simulated phone keeps its session as it is (RFC 3261 s.14.2).
            return self.answer(route, request, 488, &[], out);
        }
        // The same call over two ways (s.8.2.2.2).
        self.answer(route, request, 482, &[], out);
    }

    fn invite(
        &mut self,
        now: Now,
        route: Route,
        request: Request,
        lines: &mut dyn Playing,
        out: &mut Vec<Output>,
    ) {
        if request.envelope.to.tag().is_some() {
            self.totals.unknown_calls += 1;
            return self.answer(route, &request, 481, &[], out);
        }
        if let Some(extension) = request.header("Require") {
            let unsupported = extension.to_owned();
            return self.answer(route, &request, 420, &[("Unsupported", &unsupported)], out);
        }
        if let Some(credentials) = &self.settings.credentials {
            let check = credentials.check(&request, now.unix.0);
            if check != Check::Passed {
                self.totals.challenged += 1;
                let challenge = credentials.challenge(now.unix.0, check == Check::Stale);
                return self.answer(
                    route,
                    &request,
                    401,
                    &[("WWW-Authenticate", &challenge)],
                    out,
                );
            }
        }
        if self.calls_up() >= self.settings.calls_max as u64 {
            return self.answer(route, &request, 503, &[("Retry-After", "2")], out);
        }
        let Some(number) = request
            .uri
            .sip()
            .and_then(|uri| uri.user.map(str::to_owned))
        else {
            return self.answer(route, &request, 404, &[], out);
        };
        let offer = Sdp::parse(&request.body).unwrap_or_default();
        let Ok(path) = offer.audio_path(&self.settings.laws) else {
            return self.answer(route, &request, 488, &[], out);
        };
        let allowed = |address: IpAddr| self.settings.beyond_loopback || address.is_loopback();
        if path.remote.is_some_and(|remote| !allowed(remote.ip())) {
            return self.answer(
                route,
                &request,
                488,
                &[("Warning", "399 carrier \"loopback only\"")],
                out,
            );
        }
        let earlier_calls = self.count_call(&number);
        let fate = self
            .settings
            .behaviour
            .fate(self.settings.seed, &number, earlier_calls);
        self.begin(
            now,
            route,
            request,
            number,
            earlier_calls,
            &fate,
            (offer, path.law, path.remote),
            lines,
            out,
        );
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one caller, which has just taken the INVITE apart"
    )]
    fn begin(
        &mut self,
        now: Now,
        route: Route,
        request: Request,
        number: String,
        earlier_calls: u64,
        fate: &Fate,
        (offer, law, remote): (Sdp, Law, Option<SocketAddr>),
        lines: &mut dyn Playing,
        out: &mut Vec<Output>,
    ) {
        let key = self.next_call;
        self.next_call += 1;
        self.totals.calls += 1;
        self.totals.up += 1;
        let record = CallRecord {
            call_id: request.envelope.call_id.clone(),
            number,
            earlier_calls,
            kind: fate.kind,
            invited_at_ms: now.unix.0,
            rang_at_ms: None,
            answered_at_ms: None,
            acknowledged_at_ms: None,
            ended_at_ms: 0,
            status: 0,
            ended_by: EndedBy::Lost,
            rtp_sent: 0,
            rtp_sent_early: 0,
            rtp_received: 0,
            rtp_lost: 0,
            rtp_foreign: 0,
            rtp_jitter_us: 0,
            keys: String::new(),
        };
        let name = (record.call_id.clone(), tag(request.envelope.from.tag()));
        let leg = Leg::new(request, route, self.settings.seed ^ key);
        let call = Call::new(fate, now.mono, matches!(route, Route::Stream(..)));
        self.by_name.insert(name, key);
        self.calls.insert(
            key,
            Entry {
                call,
                leg,
                record,
                law,
                remote,
                offer,
            },
        );
        self.respond(key, 100, &[], None, out);
        self.drive(now, key, Event::Timeout, None, lines, out);
    }

    /// Calls to `number` before this one. Kept under a hash: the simulator needs no list of numbers.
    fn count_call(&mut self, number: &str) -> u64 {
        let name = crate::demo::chance::Chance::of(0, number, 0).bits();
        if self.earlier.len() >= NUMBERS_MAX && !self.earlier.contains_key(&name) {
            return 0;
        }
        let count = self.earlier.entry(name).or_default();
        *count += 1;
        u64::from(*count - 1)
    }

    /// Hands an event to a call, does what it says, and winds its timer.
    fn drive(
        &mut self,
        now: Now,
        key: u64,
        event: Event,
        at_hand: Option<(Route, &Request)>,
        lines: &mut dyn Playing,
        out: &mut Vec<Output>,
    ) {
        let mut acts = Vec::new();
        if let Some(entry) = self.calls.get_mut(&key) {
            entry.call.handle(now.mono, event, &mut acts);
        }
        self.perform(now, key, acts, at_hand, lines, out);
    }

    fn perform(
        &mut self,
        now: Now,
        key: u64,
        acts: Vec<Act>,
        at_hand: Option<(Route, &Request)>,
        lines: &mut dyn Playing,
        out: &mut Vec<Output>,
    ) {
        for act in acts {
            self.act(now, key, act, at_hand, lines, out);
        }
        let Some(entry) = self.calls.get(&key) else {
            return;
        };
        match entry.call.next_timeout() {
            Some(at) => self.timers.push(Reverse((at, key))),
            None => self.forget(key),
        }
    }

    fn act(
        &mut self,
        now: Now,
        key: u64,
        act: Act,
        at_hand: Option<(Route, &Request)>,
        lines: &mut dyn Playing,
        out: &mut Vec<Output>,
    ) {
        match act {
            Act::Provisional(status, sound) => {
                if let Some(entry) = self.calls.get_mut(&key) {
                    entry.record.rang_at_ms.get_or_insert(now.unix.0);
                }
                let answer = sound.and_then(|sound| self.speak(key, sound, false, lines));
                self.respond(key, status, &[], answer, out);
            }
            Act::Answer => {
                let answer = self.speak(key, Sound::Voice, true, lines);
                if let Some(entry) = self.calls.get_mut(&key) {
                    entry.record.answered_at_ms = Some(now.unix.0);
                    entry.record.status = 200;
                }
                self.totals.answered += 1;
                self.totals.talking += 1;
                self.respond(key, 200, &[], answer, out);
            }
            Act::Refuse(status, cause) => {
                if let Some(entry) = self.calls.get_mut(&key) {
                    entry.record.status = status;
                }
                let reason = format!("Q.850;cause={cause}");
                let headers: &[(&str, &str)] = if cause == 0 {
                    &[]
                } else {
                    &[("Reason", &reason)]
                };
                self.respond(key, status, headers, None, out);
            }
            Act::RepeatResponse | Act::RepeatBye => {
                self.totals.repeated += 1;
                let Some(entry) = self.calls.get(&key) else {
                    return;
                };
                let (route, octets) = if act == Act::RepeatBye {
                    entry.leg.last_request()
                } else {
                    entry.leg.last_response()
                };
                self.send(route, octets, out);
            }
            Act::Bye => {
                let local = self.settings.local;
                let Some(entry) = self.calls.get_mut(&key) else {
                    return;
                };
                let (route, octets) = entry.leg.bye(local);
                self.send(route, octets, out);
            }
            Act::Accept | Act::NoSuchCall => {
                if let Some((route, request)) = at_hand {
                    let status = if act == Act::Accept { 200 } else { 481 };
                    let tag = self.calls.get(&key).map(|entry| entry.leg.tag.clone());
                    let octets =
                        messages::answer(request, route.address(), status, tag.as_deref(), &[]);
                    self.send(messages::response_route(request, route), octets, out);
                }
            }
            Act::Confirmed => {
                self.totals.acknowledged += 1;
                if let Some(entry) = self.calls.get_mut(&key) {
                    entry.record.acknowledged_at_ms = Some(now.unix.0);
                }
            }
            Act::Over(by) => self.end(now, key, by, lines, out),
        }
    }

    /// Begins to play, and writes the SDP that says from where. `None`: no port is left; the call goes on without sound.
    fn speak(
        &mut self,
        key: u64,
        sound: Sound,
        answered: bool,
        lines: &mut dyn Playing,
    ) -> Option<Vec<u8>> {
        let entry = self.calls.get(&key)?;
        let port = lines.open(key)?;
        let sound = match entry.record.kind {
            Kind::Machine if answered => Sound::Announcement,
            _ => sound,
        };
        lines.play(key, sound, entry.law.payload_type(), entry.remote, answered);
        messages::sdp_answer(
            &entry.offer,
            self.settings.local.ip(),
            port,
            key,
            &self.settings.laws,
        )
    }

    fn end(
        &mut self,
        now: Now,
        key: u64,
        by: EndedBy,
        lines: &mut dyn Playing,
        out: &mut Vec<Output>,
    ) {
        let report = lines.close(key);
        let Some(entry) = self.calls.get_mut(&key) else {
            return;
        };
        entry.leg.let_go();
        let record = &mut entry.record;
        record.ended_at_ms = now.unix.0;
        record.ended_by = by;
        record.rtp_sent = report.sent;
        record.rtp_sent_early = report.sent_early;
        record.rtp_received = report.received.packets;
        record.rtp_lost = report.received.lost;
        record.rtp_foreign = report.foreign;
        record.rtp_jitter_us = report.received.jitter_us;
        record.keys = report.keys;
        self.totals.up -= 1;
        self.totals.talking -= u64::from(record.answered_at_ms.is_some());
        self.totals.note_end(by);
        out.push(Output::Record(Box::new(record.clone())));
    }

    fn forget(&mut self, key: u64) {
        if let Some(entry) = self.calls.remove(&key) {
            self.by_name
                .remove(&(entry.record.call_id, entry.leg.caller_tag));
        }
    }

    /// A response to the INVITE of a call, kept for repetition.
    fn respond(
        &mut self,
        key: u64,
        status: u16,
        headers: &[(&str, &str)],
        sdp: Option<Vec<u8>>,
        out: &mut Vec<Output>,
    ) {
        let local = self.settings.local;
        let Some(entry) = self.calls.get_mut(&key) else {
            return;
        };
        let (route, octets) = entry.leg.respond(local, status, headers, sdp.as_deref());
        self.send(route, octets, out);
    }

    /// A response that belongs to no call.
    fn answer(
        &mut self,
        route: Route,
        request: &Request,
        status: u16,
        headers: &[(&str, &str)],
        out: &mut Vec<Output>,
    ) {
        let octets = messages::answer(request, route.address(), status, Some("stateless"), headers);
        self.send(messages::response_route(request, route), octets, out);
    }

    fn send(&mut self, route: Route, octets: Wire, out: &mut Vec<Output>) {
        self.totals.messages_out += 1;
        out.push(Output::Send(route, octets));
    }
}

fn tag(tag: Option<&str>) -> String {
    tag.unwrap_or_default().to_owned()
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
