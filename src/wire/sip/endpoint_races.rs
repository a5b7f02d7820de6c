//! Thousands of calls against a far end that loses, doubles and delays messages, in virtual time: nothing may stay up.
//!
//! The far end keeps to RFC 3261: it repeats its final answers until the ACK, and takes CANCEL, BYE and copies.

use super::*;
use crate::wire::sip::event::{Destination, Identity, Transport};
use crate::wire::sip::number::E164;
use std::net::SocketAddr;
use std::time::Duration;

const TRUNK: TrunkId = TrunkId(0);
const SDP: &[u8] = b"v=0\r\nc=IN IP4 203.0.113.5\r\nm=audio 6000 RTP/AVP 0\r\n";

struct Dice(u64);
impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
    fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}
impl Random for Dice {
    fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            *octet = self.roll() as u8;
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// What happens at a time.
enum Step {
    ToFar(Vec<u8>),
    ToNear(Vec<u8>),
    Final(String),
    Repeat(String, Duration),
    Cancel(u64),
    HangUp(u64),
    Abort(u64),
    Dial(u64),
}

/// A leg as the far end sees it.
struct FarLeg {
    invite: Request,
    answers: bool,
    final_answer: Option<Vec<u8>>,
    status: u16,
    is_acknowledged: bool,
    is_up: bool,
    finals_since: Mono,
}

struct World {
    now: Mono,
    steps: BTreeMap<(Mono, u64), Step>,
    order: u64,
    dice: Dice,
    endpoint: Endpoint,
    out: Vec<Output>,
    far: BTreeMap<String, FarLeg>,
    said: BTreeMap<u64, Vec<Event>>,
    aborted: BTreeSet<u64>,
    unwanted: BTreeSet<u64>,
    loss: u64,
}

impl World {
    fn new(seed: u64, loss: u64) -> World {
        let trunk = TrunkSetup {
            id: TRUNK,
            address: address("203.0.113.1:5060"),
            transport: Transport::Udp,
            domain: None,
            username: None,
            password: None,
            realms: vec![],
            signalling_ranges: vec![],
            media_ranges: vec![],
            asks_digest: false,
            srtp: Default::default(),
            is_probed: true,
            keep_alive: Duration::from_secs(1_000_000),
            local: address("198.51.100.2:5060"),
            media_address: address("198.51.100.2:0").ip(),
        };
        let settings = Settings {
            user_agent: "Tandem".to_owned(),
            trunks: vec![trunk],
            numbers: Vec::new(),
            calls_max: 100_000,
        };
        let now = Mono::from_secs(10);
        World {
            now,
            steps: BTreeMap::new(),
            order: 0,
            dice: Dice(seed),
            endpoint: Endpoint::new(now, settings, Box::new(Dice(seed ^ 0xABCD))),
            out: Vec::new(),
            far: BTreeMap::new(),
            said: BTreeMap::new(),
            aborted: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            loss,
        }
    }

    fn at(&mut self, wait: Duration, step: Step) {
        self.order += 1;
        self.steps.insert((self.now + wait, self.order), step);
    }

    /// The network: 80 +- 20 ms (so that messages overtake), 2 % doubled, some lost.
    fn carry(&mut self, octets: Vec<u8>, to_far: bool) {
        let copies = if self.dice.percent(2) { 2 } else { 1 };
        for _ in 0..copies {
            if self.dice.percent(self.loss) {
                continue;
            }
            let delay = self.dice.ms(60, 100);
            let octets = octets.clone();
            self.at(
                delay,
                if to_far {
                    Step::ToFar(octets)
                } else {
                    Step::ToNear(octets)
                },
            );
        }
    }

    fn key(call: u64) -> CallKey {
        CallKey { call, route_try: 1 }
    }

    fn pump(&mut self) {
        for output in std::mem::take(&mut self.out) {
            match output {
                Output::Send {
                    to: Destination::Trunk(_),
                    octets,
                    ..
                }
                | Output::Send {
                    to: Destination::Back(_),
                    octets,
                    ..
                } => {
                    self.carry(octets, true);
                }
                Output::Event(key, event) => {
                    let call = key.call;
                    if matches!(event, Event::Answered { .. }) {
                        self.endpoint.confirm(self.now, key, &mut self.out);
                        let talk = if self.unwanted.contains(&call) {
                            Duration::ZERO
                        } else {
                            self.dice.ms(0, 5_000)
                        };
                        self.at(talk, Step::HangUp(call));
                    }
                    self.said.entry(call).or_default().push(event);
                }
                Output::Trunk(..) => {}
            }
        }
        if !self.out.is_empty() {
            self.pump();
        }
    }

    fn dial(&mut self, call: u64) {
        let order = InviteOrder {
            key: World::key(call),
            trunk: TRUNK,
            identity: Identity {
                call_id: format!("call-{call}"),
                from_tag: format!("ours-{call}"),
                branch: format!("z9hG4bK{call}"),
            },
            number: E164::parse("+84900000412")
                .unwrap_or_else(|_| panic!("number"))
                .into(),
            caller: E164::parse("+84280000001")
                .unwrap_or_else(|_| panic!("number"))
                .into(),
            media_port: 40_000,
            session: None,
        };
        self.endpoint.invite(self.now, order, &mut self.out);
        if self.dice.percent(40) {
            self.unwanted.insert(call);
            let wait = self.dice.ms(0, 3_200);
            let step = if self.dice.percent(20) {
                Step::Abort(call)
            } else {
                Step::Cancel(call)
            };
            self.at(wait, step);
        }
    }

    fn far_reply(&mut self, request: &Request, status: u16) -> Vec<u8> {
        let source = address("198.51.100.2:5060");
        let draft = Draft::answer(
            request,
            source,
            status,
            "x",
            (status > 100).then_some("theirs"),
        )
        .header("Contact", "<sip:gw@203.0.113.9>");
        draft.end(
            (status == 200 && request.method == Method::INVITE).then_some(("application/sdp", SDP)),
        )
    }

    fn far_final(&mut self, call_id: &str, status: u16) {
        let Some(leg) = self
            .far
            .get(call_id)
            .filter(|leg| leg.final_answer.is_none())
        else {
            return;
        };
        let invite = leg.invite.clone();
        let octets = self.far_reply(&invite, status);
        let now = self.now;
        if let Some(leg) = self.far.get_mut(call_id) {
            leg.final_answer = Some(octets.clone());
            leg.status = status;
            leg.is_up = status == 200;
            leg.finals_since = now;
        }
        self.carry(octets, false);
        self.at(
            Duration::from_millis(500),
            Step::Repeat(call_id.to_owned(), Duration::from_millis(500)),
        );
    }

    fn far_hears(&mut self, octets: &[u8]) {
        let Verdict::Accept(message) = read(octets, Framing::Datagram) else {
            panic!("we sent nonsense");
        };
        let Message::Request(request) = *message else {
            return;
        };
        let call_id = request.envelope.call_id.clone();
        let is_known = self.far.contains_key(&call_id);
        match request.method.as_str() {
            "INVITE" if !is_known => {
                let trying = self.far_reply(&request, 100);
                let ringing = self.far_reply(&request, 180);
                let answers = self.dice.percent(75);
                let leg = FarLeg {
                    invite: request,
                    answers,
                    final_answer: None,
                    status: 0,
                    is_acknowledged: false,
                    is_up: false,
                    finals_since: self.now,
                };
                self.far.insert(call_id.clone(), leg);
                self.carry(trying, false);
                self.carry(ringing, false);
                let ring = self.dice.ms(0, 3_000);
                self.at(ring, Step::Final(call_id));
            }
            "INVITE" => {
                let last = self
                    .far
                    .get(&call_id)
                    .and_then(|leg| leg.final_answer.clone());
                let octets = match last {
                    Some(octets) => octets,
                    None => self.far_reply(&request, 180),
                };
                self.carry(octets, false);
            }
            "ACK" => {
                if let Some(leg) = self.far.get_mut(&call_id) {
                    leg.is_acknowledged = true;
                }
            }
            "CANCEL" => {
                let reply = self.far_reply(&request, if is_known { 200 } else { 481 });
                self.carry(reply, false);
                self.far_final(&call_id, 487);
            }
            "BYE" => {
                let is_up = self.far.get(&call_id).is_some_and(|leg| leg.is_up);
                let reply = self.far_reply(&request, if is_up { 200 } else { 481 });
                if let Some(leg) = self.far.get_mut(&call_id) {
                    leg.is_up = false;
                    leg.is_acknowledged = true;
                }
                self.carry(reply, false);
            }
            _ => {}
        }
    }

    fn take(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::ToFar(octets) => self.far_hears(&octets),
            Step::ToNear(octets) => {
                let source = Source {
                    transport: Transport::Udp,
                    address: address("203.0.113.1:5060"),
                    connection: 0,
                };
                self.endpoint
                    .receive(now, source, &octets, Framing::Datagram, &mut self.out);
            }
            Step::Final(call_id) => {
                let answers = self.far.get(&call_id).is_some_and(|leg| leg.answers);
                self.far_final(&call_id, if answers { 200 } else { 486 });
            }
            Step::Repeat(call_id, wait) => {
                let due = self.far.get(&call_id).filter(|leg| !leg.is_acknowledged);
                if let Some(leg) = due
                    && now.since(leg.finals_since) < Duration::from_secs(32)
                {
                    let octets = leg.final_answer.clone().unwrap_or_default();
                    let longer = (wait * 2).min(Duration::from_secs(4));
                    self.carry(octets, false);
                    self.at(longer, Step::Repeat(call_id, longer));
                }
            }
            Step::Dial(call) => self.dial(call),
            Step::Cancel(call) => self.endpoint.cancel(now, World::key(call), &mut self.out),
            Step::HangUp(call) => self.endpoint.hang_up(now, World::key(call), &mut self.out),
            Step::Abort(call) => {
                let is_over = self
                    .said
                    .get(&call)
                    .is_some_and(|said| said.iter().any(is_last));
                if !is_over {
                    self.aborted.insert(call);
                }
                self.endpoint.abort(now, World::key(call), &mut self.out);
            }
        }
    }

    fn run(&mut self) {
        loop {
            let step = self.steps.first_key_value().map(|((at, _), _)| *at);
            let timer = self.endpoint.next_timeout();
            match (step, timer) {
                (Some(at), timer) if timer.is_none_or(|timer| at <= timer) => {
                    self.now = self.now.max(at);
                    if let Some((_, step)) = self.steps.pop_first() {
                        self.take(step);
                    }
                }
                (_, Some(at)) if self.endpoint.calls() > 0 || step.is_some() => {
                    self.now = self.now.max(at);
                    self.endpoint.handle_timeout(self.now, &mut self.out);
                }
                _ => return,
            }
            self.pump();
        }
    }
}

fn is_last(event: &Event) -> bool {
    matches!(event, Event::Failed(_) | Event::Ended | Event::Silent)
}

fn check(seed: u64, loss: u64, calls: u64) {
    let mut world = World::new(seed, loss);
    for call in 1..=calls {
        let wait = Duration::from_millis(call * 20);
        world.at(wait, Step::Dial(call));
    }
    world.run();
    assert_eq!(
        world.endpoint.calls(),
        0,
        "seed {seed}: calls stay in memory"
    );
    let left_up: Vec<&String> = world
        .far
        .iter()
        .filter(|(_, leg)| leg.is_up)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(
        left_up,
        Vec::<&String>::new(),
        "seed {seed}: legs stay up at the far end"
    );
    let mut wanted = 0_u64;
    let mut set_up = 0_u64;
    for call in 1..=calls {
        let said = world.said.get(&call).map_or(&[][..], Vec::as_slice);
        let ends = said.iter().filter(|event| is_last(event)).count();
        let answers = said
            .iter()
            .filter(|event| matches!(event, Event::Answered { .. }))
            .count();
        let is_aborted = world.aborted.contains(&call);
        assert_eq!(
            ends,
            usize::from(!is_aborted),
            "seed {seed}, call {call}: {said:?}"
        );
        assert!(answers <= 1, "seed {seed}, call {call}: {said:?}");
        assert!(
            is_aborted || said.last().is_some_and(is_last),
            "seed {seed}, call {call}: {said:?}"
        );
        let Some(leg) = world.far.get(&format!("call-{call}")) else {
            continue;
        };
        if !world.unwanted.contains(&call) && leg.status == 200 {
            wanted += 1;
            set_up += answers as u64;
        }
    }
    assert!(
        set_up * 1_000 >= wanted * 995,
        "seed {seed}: {set_up} of {wanted} were set up"
    );
}

#[test]
fn no_leg_stays_up_whatever_is_lost_doubled_or_overtaken() {
    for seed in 1..=5 {
        check(seed, 10, 2_000);
    }
}

#[test]
fn no_leg_stays_up_on_a_healthy_network() {
    check(77, 0, 2_000);
}
