//! Allocations on the path that a customer feels, counted: from the 200 OK to the card, and over a whole call.
//!
//! One test, because the counter is the process's. `cargo test --test allocations -- --nocapture` prints the table. The
//! bounds are what was seen, rounded up a little: a change that allocates more has to say so here.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;
use tandem::config::MediaConfig;
use tandem::core::effect::Effect;
use tandem::core::floor::Floor;
use tandem::core::input::{AgentSeat, Input, LeadFacts, LegEvent, LegFailure, Wanted};
use tandem::core::settings::DialMode;
use tandem::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId, TrunkId, ZoneId};
use tandem::shell::lanes::{Clock, LegId, MediaPorts, floor_lanes};
use tandem::shell::media;
use tandem::shell::metrics::{Metrics, TimingName, input_kind};
use tandem::time::{Mono, Now, UnixMs};
use tandem::wire::desk::card::{CardContext, stage};
use tandem::wire::desk::client::CallId;
use tandem::wire::desk::facts::CustomerFacts;
use tandem::wire::desk::server::connected;
use tandem::wire::media::mix::{Part, mix};
use tandem::wire::media::outgoing::Outgoing;
use tandem::wire::media::rtp::RtpPacket;
use tandem::wire::media::srtp::{MasterKey, Opener, Sealer, Suite};
use tandem::wire::sip::draft::Draft;
use tandem::wire::sip::endpoint::{Endpoint, Settings};
use tandem::wire::sip::event::{
    CallKey, Destination, Identity, InviteOrder, Output, Random, Source, Transport,
};
use tandem::wire::sip::front_door::{Framing, Verdict, read};
use tandem::wire::sip::message::{Message, Request};
use tandem::wire::sip::number::E164;
use tandem::wire::sip::sdp::{AudioPath, Direction, Law};
use tandem::wire::sip::trunk::TrunkSetup;

#[global_allocator]
static COUNTING: dhat::Alloc = dhat::Alloc;

/// Rounds over which a count is averaged: growth of a table now and then is part of the truth, one lucky round is not.
const ROUNDS: u64 = 500;

/// Blocks and bytes taken from the allocator while `work` ran.
fn taken(work: impl FnOnce()) -> (u64, u64) {
    let before = dhat::HeapStats::get();
    work();
    let after = dhat::HeapStats::get();
    (
        after.total_blocks - before.total_blocks,
        after.total_bytes - before.total_bytes,
    )
}

/// Prints the mean of one round and holds it to its bound.
fn hold(what: &str, (blocks, bytes): (u64, u64), blocks_max: f64) {
    let mean = blocks as f64 / ROUNDS as f64;
    println!(
        "{what:<58} {mean:>7.2} allocations {:>8.0} bytes",
        bytes as f64 / ROUNDS as f64
    );
    assert!(
        mean <= blocks_max,
        "{what}: {mean:.2} allocations, at most {blocks_max} so far"
    );
}

/// A floor of 2,000 ready agents whose effects are carried out as far as the floor must hear of it.
struct Site {
    floor: Floor,
    micros: u64,
    effects: Vec<Effect>,
    dialled: Vec<AttemptId>,
    bridged: Vec<(AgentId, AttemptId)>,
    next_lead: u64,
}

impl Site {
    fn new() -> Site {
        let mut settings = tandem::sim::world::settings(1);
        settings.floor.attempts_max = 100_000;
        settings.floor.hot_leads = 4_000;
        let campaign = &mut settings.campaigns[0];
        campaign.mode = DialMode::LinesPerFreeAgent { milli: 2_000 };
        campaign.gate.window_from_min = 0;
        campaign.gate.window_until_min = 1_440;
        (campaign.lines_max, campaign.cps_max) = (100_000, 1_000_000);
        for trunk in &mut settings.trunks {
            (trunk.channels_max, trunk.cps_max) = (100_000, 1_000_000);
        }
        let mut site = Site {
            floor: Floor::new(settings),
            micros: 1_000_000,
            effects: Vec::with_capacity(8_192),
            dialled: Vec::new(),
            bridged: Vec::new(),
            next_lead: 0,
        };
        site.feed(Input::TrunkUp(TrunkId(0), true));
        for id in 0..2_000 {
            site.feed(Input::AgentSeated(AgentSeat {
                agent: AgentId(id),
                campaigns: vec![(CampaignId(0), 1)],
                skills: Vec::new(),
                needs_audio: false,
            }));
            site.feed(Input::AgentWants(AgentId(id), Wanted::Ready));
        }
        while site.dialled.len() < 3 * ROUNDS as usize {
            site.micros += 50_000;
            site.feed(Input::Wake);
        }
        site
    }

    fn feed(&mut self, input: Input) {
        self.handle(input);
        let effects: Vec<Effect> = self.effects.drain(..).collect();
        for effect in effects {
            match effect {
                Effect::Dial(order) => {
                    self.feed(Input::IntentDurable(order.attempt, order.route_try))
                }
                Effect::Release { attempt, .. } => {
                    self.feed(leg(attempt, self.micros, LegEvent::Ringing));
                    self.dialled.push(attempt);
                }
                Effect::Refill { campaign, want } => {
                    let leads = (0..want).map(|_| self.lead()).collect();
                    self.feed(Input::Leads {
                        campaign,
                        leads,
                        exhausted_until: None,
                    });
                }
                Effect::Bridge { agent, attempt } => self.bridged.push((agent, attempt)),
                _ => {}
            }
        }
    }

    /// The floor's own work and nothing else.
    fn handle(&mut self, input: Input) {
        self.micros += 10;
        let now = Now {
            mono: Mono(self.micros),
            unix: UnixMs(1_795_399_200_000 + (self.micros / 1_000) as i64),
        };
        self.floor.handle(now, input, &mut self.effects);
    }

    fn lead(&mut self) -> LeadFacts {
        self.next_lead += 1;
        let id = self.next_lead;
        LeadFacts {
            lead: LeadId(id),
            person: PersonId(id),
            number: NumberId(id),
            zone: ZoneId(0),
            callback: false,
            segment: 0,
            priority: 0,
            not_before: UnixMs(0),
            attempts: 0,
            needs: Vec::new(),
            sticky: None,
            reserved_for: None,
            person_attempts: Vec::new(),
            blocked: false,
        }
    }
}

fn leg(attempt: AttemptId, micros: u64, event: LegEvent) -> Input {
    Input::Leg {
        attempt,
        route_try: 1,
        at: Mono(micros),
        event,
    }
}

fn the_floor() {
    let mut site = Site::new();
    let answered: Vec<AttemptId> = site.dialled.drain(..ROUNDS as usize).collect();
    let count = taken(|| {
        for attempt in &answered {
            let input = leg(*attempt, site.micros, LegEvent::Answered);
            site.handle(input);
        }
    });
    let shown = site
        .effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Show { .. }))
        .count();
    assert_eq!(shown, answered.len(), "each answer found its agent");
    site.effects.clear();
    hold("floor: an answer is matched with an agent", count, 0.5);

    let failed: Vec<AttemptId> = site.dialled.drain(..ROUNDS as usize).collect();
    let count = taken(|| {
        for attempt in &failed {
            let failure = LegFailure {
                status: 480,
                q850: None,
                retry_after_s: None,
            };
            let input = leg(*attempt, site.micros, LegEvent::Failed(failure));
            site.handle(input);
        }
    });
    site.effects.clear();
    hold(
        "floor: a call fails and its lead's future is set",
        count,
        2.5,
    );
}

struct Seed(u64);
impl Random for Seed {
    fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *octet = (self.0 >> 56) as u8;
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn endpoint() -> Endpoint {
    let trunk = TrunkSetup {
        id: TrunkId(0),
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
        keep_alive: Duration::from_secs(86_400),
        local: address("198.51.100.2:5060"),
        media_address: address("198.51.100.2:0").ip(),
    };
    let settings = Settings {
        user_agent: "Tandem".to_owned(),
        trunks: vec![trunk],
        numbers: Vec::new(),
        calls_max: 100_000,
    };
    Endpoint::new(Mono::from_secs(1), settings, Box::new(Seed(1)))
}

fn order(call: u64, endpoint: &mut Endpoint) -> InviteOrder {
    InviteOrder {
        key: CallKey { call, route_try: 1 },
        trunk: TrunkId(0),
        identity: Identity {
            call_id: endpoint.token(),
            from_tag: endpoint.token(),
            branch: format!("z9hG4bK{}", endpoint.token()),
        },
        number: E164::parse("+84900000412").expect("a number").into(),
        caller: E164::parse("+842800000001").expect("a number").into(),
        media_port: 40_000,
        session: None,
    }
}

fn requests(out: &mut Vec<Output>) -> Vec<Request> {
    out.drain(..)
        .filter_map(|output| match output {
            Output::Send {
                to: Destination::Trunk(_),
                octets,
                ..
            } => match read(&octets, Framing::Datagram) {
                Verdict::Accept(message) => match *message {
                    Message::Request(request) => Some(request),
                    Message::Response(_) => None,
                },
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn answer(request: &Request, status: u16, with_sdp: bool) -> Vec<u8> {
    const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
    let near = address("198.51.100.2:5060");
    Draft::answer(
        request,
        near,
        status,
        "x",
        (status > 100).then_some("theirs"),
    )
    .header("Contact", "<sip:gw@203.0.113.1>")
    .header("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS")
    .end(with_sdp.then_some(("application/sdp", SDP)))
}

fn the_wire() {
    let mut endpoint = endpoint();
    let source = Source {
        transport: Transport::Udp,
        address: address("203.0.113.1:5060"),
        connection: 0,
    };
    let now = Mono::from_secs(2);
    let mut out = Vec::with_capacity(64);
    let mut answers = (0, 0);
    let mut calls = (0, 0);
    let add = |sum: &mut (u64, u64), (blocks, bytes): (u64, u64)| {
        sum.0 += blocks;
        sum.1 += bytes;
    };
    // Tables grow in the first rounds; they are not counted.
    for round in 0..2 * ROUNDS {
        let counted = round >= ROUNDS;
        // A call that is answered.
        let placed = order(2 * round, &mut endpoint);
        endpoint.invite(now, placed, &mut out);
        let invite = requests(&mut out).pop().expect("an INVITE");
        let ok = answer(&invite, 200, true);
        let ringing = answer(&invite, 180, false);
        endpoint.receive(now, source, &ringing, Framing::Datagram, &mut out);
        out.clear();
        let count = taken(|| endpoint.receive(now, source, &ok, Framing::Datagram, &mut out));
        assert!(!out.is_empty(), "somebody is told of the answer");
        out.clear();
        if counted {
            add(&mut answers, count);
        }
        // A call that nobody answers: INVITE, 100, 180, CANCEL, 200, 487, ACK.
        let placed = order(2 * round + 1, &mut endpoint);
        let key = placed.key;
        let mut count = taken(|| endpoint.invite(now, placed, &mut out));
        let invite = requests(&mut out).pop().expect("an INVITE");
        for status in [100, 180] {
            let octets = answer(&invite, status, false);
            add(
                &mut count,
                taken(|| endpoint.receive(now, source, &octets, Framing::Datagram, &mut out)),
            );
        }
        out.clear();
        add(&mut count, taken(|| endpoint.cancel(now, key, &mut out)));
        let cancel = requests(&mut out).pop().expect("a CANCEL");
        for (request, status) in [(&cancel, 200), (&invite, 487)] {
            let octets = answer(request, status, false);
            add(
                &mut count,
                taken(|| endpoint.receive(now, source, &octets, Framing::Datagram, &mut out)),
            );
        }
        assert!(!requests(&mut out).is_empty(), "the 487 is acknowledged");
        if counted {
            add(&mut calls, count);
        }
    }
    hold(
        "SIP: a 200 OK with SDP is read and understood",
        answers,
        46.0,
    );
    hold("SIP: a whole call that nobody answers", calls, 115.0);
}

fn the_desk() {
    let context = CardContext {
        campaign: "PL-B2-HCM".into(),
        why: None,
        mode: "auto".into(),
        outcome_set: ("OUT-COLL".into(), 3),
        hot: vec!["RPC_PTP".to_owned()],
        wrap_s: 25,
        home_prefix: "+84".into(),
    };
    let huong = include_str!("data/desk/huong.json");
    let facts: CustomerFacts = serde_json::from_str(huong).expect("a well-formed example");
    let staged = stage(facts, "+84900000412", &context);
    let call = CallId(AttemptId(7_000_001));
    let count = taken(|| {
        for round in 0..ROUNDS {
            let now = UnixMs(1_795_429_262_331);
            std::hint::black_box(connected(round, call, now, now, &staged.text));
        }
    });
    hold("desk: a staged card is pushed", count, 1.0);
}

fn the_instruments() {
    let metrics = Metrics::new();
    let kind = input_kind(&Input::Wake);
    let count = taken(|| {
        for round in 0..ROUNDS {
            metrics.floor_turn(kind, Duration::from_micros(round));
            metrics
                .timing(TimingName::AnswerToMatch)
                .record(Duration::from_micros(round));
        }
    });
    hold("metrics: a turn of the floor and one timing", count, 0.0);
}

/// A packet through a real media thread, from a customer's socket to a telephone's; protection, mixing and conversion beside it.
fn the_sound() {
    let here = Ipv4Addr::LOCALHOST;
    let plane = loop {
        let probe = UdpSocket::bind((here, 0)).expect("a port");
        let first = probe.local_addr().expect("bound").port() & !1;
        drop(probe);
        let config = MediaConfig {
            listen: here.into(),
            ports: (first, first.saturating_add(7)),
            threads: 1,
            agent_port: 0,
            agent_addresses: Vec::new(),
            ice_servers: Vec::new(),
            prompts_dir: None,
        };
        let (floor, _inbox) = floor_lanes(1_024, 64);
        if let Ok(plane) = media::spawn(&config, &[], Clock::new(), floor) {
            break plane;
        }
    };
    let end = || {
        let socket = UdpSocket::bind((here, 0)).expect("a port");
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).expect("it can wait");
        socket
    };
    let (one, other) = (end(), end());
    let leg = |leg, far: &UdpSocket| {
        let path = AudioPath {
            remote: far.local_addr().ok(),
            law: Law::Mu,
            telephone_event: None,
            direction: Direction::SendRecv,
        };
        let port = plane.reserve(leg).expect("a port");
        plane.remote(leg, None, &path, true);
        port
    };
    // Two telephones: without a trunk, whoever is signalled is believed.
    let call = LegId::Call(AttemptId(1));
    leg(LegId::Phone(AgentId(1)), &other);
    let port = leg(call, &one);
    plane.bridge(AttemptId(1), AgentId(1));
    let mut packet = Vec::new();
    let mut bytes = [0; 512];
    let mut pass = |sequence: u16| {
        RtpPacket {
            marker: false,
            payload_type: 0,
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc: 7,
            contributors: 0,
            payload: &[0x11; 160],
        }
        .write(&mut packet);
        one.send_to(&packet, (here, port)).expect("loopback");
        loop {
            let (length, _) = other.recv_from(&mut bytes).expect("it is passed on");
            if bytes[12..length].iter().all(|code| *code == 0x11) {
                return;
            }
        }
    };
    (0..200).for_each(&mut pass);
    let count = taken(|| (200..200 + ROUNDS as u16).for_each(&mut pass));
    // Sums of counters and reports now and then; nothing for a packet.
    hold("media: a packet is passed on", count, 0.1);

    let key = MasterKey::new([7; 30]);
    let mut sealer = Sealer::new(Suite::Sha1Tag80, &key).expect("keys");
    let mut opener = Opener::new(Suite::Sha1Tag80, &key).expect("keys");
    let mut stream = Outgoing::new([1; 10]);
    let mut out = Vec::with_capacity(256);
    let mut frame = [0xFF; 160];
    let count = taken(|| {
        for _ in 0..ROUNDS {
            stream.next(0, &frame, &mut out);
            sealer.seal(&mut out).expect("sealed");
            opener.open(&mut out).expect("opened");
            let part = Part {
                law: Law::Mu,
                payload: &[0x21; 160],
            };
            mix(&[part, part, part], Law::A, &mut frame);
        }
    });
    hold("media: a packet is sealed, opened and mixed", count, 0.0);
    plane.shutdown();
}

#[test]
fn the_path_that_a_customer_feels_allocates_next_to_nothing() {
    let _counting = dhat::Profiler::builder().testing().build();
    the_floor();
    the_wire();
    the_desk();
    the_instruments();
    the_sound();
}
