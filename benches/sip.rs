//! What a SIP message and a whole call cost in CPU, without sockets.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tandem::ids::TrunkId;
use tandem::time::Mono;
use tandem::wire::sip::draft::Draft;
use tandem::wire::sip::endpoint::{Endpoint, Settings};
use tandem::wire::sip::event::{
    CallKey, Destination, Identity, InviteOrder, Output, Random, Source, Transport,
};
use tandem::wire::sip::framing::StreamFramer;
use tandem::wire::sip::front_door::{Framing, Verdict, read};
use tandem::wire::sip::message::{Message, Method, Request};
use tandem::wire::sip::number::E164;
use tandem::wire::sip::trunk::TrunkSetup;

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
/// Virtual time between two calls: 250 calls per second, so that some 8,000 ended calls absorb copies meanwhile.
const BETWEEN_CALLS: Duration = Duration::from_millis(4);

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

fn endpoint(now: Mono) -> Endpoint {
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
    Endpoint::new(now, settings, Box::new(Seed(1)))
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

/// The last request in `out`.
fn sent(out: &mut Vec<Output>) -> Request {
    let octets = out
        .drain(..)
        .filter_map(|output| match output {
            Output::Send {
                to: Destination::Trunk(_),
                octets,
                ..
            } => Some(octets),
            _ => None,
        })
        .next_back()
        .expect("a request was sent");
    match read(&octets, Framing::Datagram) {
        Verdict::Accept(message) => match *message {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a response"),
        },
        other => panic!("{other:?}"),
    }
}

fn answer(request: &Request, status: u16, sdp: bool) -> Vec<u8> {
    let source = address("198.51.100.2:5060");
    Draft::answer(
        request,
        source,
        status,
        "x",
        (status > 100).then_some("theirs"),
    )
    .header("Contact", "<sip:gw@203.0.113.1>")
    .header("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS")
    .header("Server", "carrier")
    .end(sdp.then_some(("application/sdp", SDP)))
}

fn messages(c: &mut Criterion) {
    let now = Mono::from_secs(1);
    let mut user_agent = endpoint(now);
    let mut out = Vec::new();
    let first = order(1, &mut user_agent);
    user_agent.invite(now, first, &mut out);
    let invite = sent(&mut out);
    let ok = answer(&invite, 200, true);
    let trying = answer(&invite, 100, false);
    let mut group = c.benchmark_group("front door");
    group.bench_function("200 with SDP", |b| {
        b.iter(|| read(black_box(&ok), Framing::Datagram))
    });
    group.bench_function("100", |b| {
        b.iter(|| read(black_box(&trying), Framing::Datagram))
    });
    group.bench_function("noise of 512 octets", |b| {
        let noise = [b'x'; 512];
        b.iter(|| read(black_box(&noise), Framing::Datagram));
    });
    group.bench_function("200 out of a stream", |b| {
        b.iter(|| {
            let mut framer = StreamFramer::new();
            framer.push(black_box(&ok));
            framer.next_frame()
        });
    });
    group.finish();
}

/// One call: INVITE, 100, 180, 200, ACK, BYE, 200. Only the endpoint's time is counted.
fn call(user_agent: &mut Endpoint, number: u64, now: Mono) -> Duration {
    let source = Source {
        transport: Transport::Udp,
        address: address("203.0.113.1:5060"),
        connection: 0,
    };
    let key = CallKey {
        call: number,
        route_try: 1,
    };
    let mut out = Vec::new();
    let placed = order(number, user_agent);
    let started = Instant::now();
    user_agent.invite(now, placed, &mut out);
    let mut spent = started.elapsed();
    let invite = sent(&mut out);
    for status in [100, 180, 200] {
        let octets = answer(&invite, status, status == 200);
        let started = Instant::now();
        user_agent.receive(now, source, &octets, Framing::Datagram, &mut out);
        spent += started.elapsed();
    }
    let started = Instant::now();
    user_agent.confirm(now, key, &mut out);
    user_agent.hang_up(now, key, &mut out);
    spent += started.elapsed();
    let bye = sent(&mut out);
    assert_eq!(bye.method, Method::BYE);
    let octets = answer(&bye, 200, false);
    let started = Instant::now();
    user_agent.receive(now, source, &octets, Framing::Datagram, &mut out);
    user_agent.handle_timeout(now, &mut out);
    spent + started.elapsed()
}

fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("endpoint");
    group.bench_function("a whole call, 250 per second", |b| {
        let mut now = Mono::from_secs(1);
        let mut user_agent = endpoint(now);
        let mut number = 0;
        // Fill up with calls that absorb copies, as in a running house.
        for _ in 0..9_000 {
            number += 1;
            now = now + BETWEEN_CALLS;
            call(&mut user_agent, number, now);
        }
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                number += 1;
                now = now + BETWEEN_CALLS;
                spent += call(&mut user_agent, number, now);
            }
            spent
        });
        assert!(user_agent.calls() > 7_000, "{}", user_agent.calls());
    });
    group.bench_function("an INVITE", |b| {
        let now = Mono::from_secs(1);
        let mut user_agent = endpoint(now);
        let mut number = 0;
        let mut out = Vec::new();
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                number += 1;
                if number % 10_000 == 0 {
                    user_agent = endpoint(now);
                }
                let placed = order(number, &mut user_agent);
                let started = Instant::now();
                user_agent.invite(now, placed, &mut out);
                spent += started.elapsed();
                out.clear();
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, messages, calls);
criterion_main!(benches);
