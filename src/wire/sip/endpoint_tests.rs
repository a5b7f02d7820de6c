//! The user agent against a scripted far end, in virtual time: calls as tables of what crosses on the wire.

use super::*;
use crate::pii::Pii;
use crate::wire::sip::dialog::FarSide;
use crate::wire::sip::event::{Destination, Identity, Transport};
use crate::wire::sip::failure::Failure;
use crate::wire::sip::number::E164;
use std::net::SocketAddr;
use std::time::Duration;

const TRUNK: TrunkId = TrunkId(0);
const KEY: CallKey = CallKey {
    call: 7,
    route_try: 1,
};
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n";
const HOLD: &str = "v=0\r\no=- 1 2 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\na=sendonly\r\n";

struct Seed(u64);
impl Random for Seed {
    fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *octet = (self.0 >> 56) as u8;
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn setup(transport: Transport) -> TrunkSetup {
    TrunkSetup {
        id: TRUNK,
        address: address("203.0.113.1:5060"),
        transport,
        domain: Some("carrier.example".to_owned()),
        username: Some("tandem".to_owned()),
        password: Some(Pii::new("secret".to_owned())),
        realms: vec![],
        signalling_ranges: vec![
            "203.0.113.64/28"
                .parse()
                .unwrap_or_else(|_| panic!("range")),
        ],
        media_ranges: vec!["203.0.113.0/24".parse().unwrap_or_else(|_| panic!("range"))],
        keep_alive: Duration::from_secs(10),
        local: address("198.51.100.2:5060"),
        media_address: address("198.51.100.2:0").ip(),
    }
}

/// The user agent, its clock, and all that it sent and said.
struct Stage {
    endpoint: Endpoint,
    now: Mono,
    out: Vec<Output>,
    sent: Vec<Message>,
    said: Vec<Event>,
    trunk: Vec<bool>,
    transport: Transport,
}

impl Stage {
    fn over(transport: Transport) -> Stage {
        let settings = Settings {
            user_agent: "Tandem".to_owned(),
            trunks: vec![setup(transport)],
            calls_max: 100,
        };
        let now = Mono::from_secs(1_000);
        let mut stage = Stage {
            endpoint: Endpoint::new(now, settings, Box::new(Seed(1))),
            now,
            out: Vec::new(),
            sent: Vec::new(),
            said: Vec::new(),
            trunk: Vec::new(),
            transport,
        };
        if transport == Transport::Tcp {
            stage.endpoint.connected(now, TRUNK, true, &mut stage.out);
        }
        stage
    }

    fn new() -> Stage {
        Stage::over(Transport::Udp)
    }

    fn gather(&mut self) {
        for output in self.out.drain(..) {
            match output {
                Output::Send { to, octets, .. } => {
                    // S33: whatever the far end writes, requests go to the trunk and answers to their source.
                    match to {
                        Destination::Trunk(id) => assert_eq!(id, TRUNK),
                        Destination::Back(back) => {
                            assert!(back.address.ip().to_string().starts_with("203.0.113."))
                        }
                    }
                    match read(&octets, Framing::Stream) {
                        Verdict::Accept(message) => self.sent.push(*message),
                        other => panic!("we sent {other:?}: {}", String::from_utf8_lossy(&octets)),
                    }
                }
                Output::Event(key, event) => {
                    assert_eq!(key, KEY);
                    self.said.push(event);
                }
                Output::Trunk(_, is_up) => self.trunk.push(is_up),
            }
        }
    }

    fn identity() -> Identity {
        Identity {
            call_id: "call-1".to_owned(),
            from_tag: "ours".to_owned(),
            branch: "z9hG4bKfirst".to_owned(),
        }
    }

    fn dial(&mut self) {
        let order = InviteOrder {
            key: KEY,
            trunk: TRUNK,
            identity: Stage::identity(),
            number: E164::parse("+84900000412").unwrap_or_else(|_| panic!("number")),
            caller: E164::parse("+84280000001").unwrap_or_else(|_| panic!("number")),
            media_port: 40_000,
        };
        self.endpoint.invite(self.now, order, &mut self.out);
        self.gather();
    }

    /// Moves the clock, handling every timer at its time.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.endpoint.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now, &mut self.out);
            self.gather();
        }
        self.now = until;
    }

    fn hear_from(&mut self, source: &str, octets: &[u8]) {
        let source = Source {
            transport: self.transport,
            address: address(source),
            connection: 0,
        };
        self.endpoint
            .receive(self.now, source, octets, Framing::Datagram, &mut self.out);
        self.gather();
    }

    fn hear(&mut self, octets: &[u8]) {
        self.hear_from("203.0.113.1:5060", octets);
    }

    fn requests(&self, method: &Method) -> Vec<Request> {
        self.sent
            .iter()
            .filter_map(|message| match message {
                Message::Request(request) if request.method == *method => Some(request.clone()),
                _ => None,
            })
            .collect()
    }

    fn last(&self, method: &Method) -> Request {
        self.requests(method)
            .pop()
            .unwrap_or_else(|| panic!("no {method} was sent"))
    }

    fn answers(&self) -> Vec<Response> {
        self.sent
            .iter()
            .filter_map(|message| match message {
                Message::Response(response) => Some(response.clone()),
                Message::Request(_) => None,
            })
            .collect()
    }

    fn statuses(&self) -> Vec<u16> {
        self.answers().iter().map(|answer| answer.status).collect()
    }

    /// The far end answers the last request of a method.
    fn answer(&mut self, method: &Method, status: u16, more: &[(&str, &str)], sdp: Option<&str>) {
        let request = self.last(method);
        self.answer_to(&request, status, "theirs", more, sdp);
    }

    fn answer_to(
        &mut self,
        request: &Request,
        status: u16,
        tag: &str,
        more: &[(&str, &str)],
        sdp: Option<&str>,
    ) {
        let mut draft = Draft::answer(
            request,
            address("198.51.100.2:5060"),
            status,
            "x",
            (status > 100).then_some(tag),
        );
        if !more.iter().any(|(name, _)| *name == "Contact") {
            draft = draft.header("Contact", "<sip:gw@203.0.113.9:5080>");
        }
        for (name, value) in more {
            draft = draft.header(name, value);
        }
        let octets = draft.end(sdp.map(|sdp| ("application/sdp", sdp.as_bytes())));
        self.hear(&octets);
    }

    /// The far end sends a request in the dialog.
    fn request(
        &mut self,
        method: &str,
        cseq: u32,
        tags: (&str, &str),
        more: &[(&str, &str)],
        sdp: Option<&str>,
    ) {
        let octets = far_request(method, cseq, tags, more, sdp);
        self.hear(&octets);
    }

    fn ring(&mut self) {
        self.dial();
        self.answer(&Method::INVITE, 180, &[], None);
    }

    fn talk(&mut self) {
        self.ring();
        self.answer(&Method::INVITE, 200, &[], Some(SDP));
        self.endpoint.confirm(self.now, KEY, &mut self.out);
        self.gather();
        assert_eq!(self.requests(&Method::ACK).len(), 1);
    }

    fn count(&self, count: Count) -> u64 {
        self.endpoint.counters().get(count)
    }

    fn was_answered(&self) -> bool {
        self.said
            .iter()
            .any(|event| matches!(event, Event::Answered { .. }))
    }
}

fn far_request(
    method: &str,
    cseq: u32,
    tags: (&str, &str),
    more: &[(&str, &str)],
    sdp: Option<&str>,
) -> Vec<u8> {
    let mut draft = Draft::request(
        &Method::from_token(method),
        "sip:+84280000001@198.51.100.2:5060",
    )
    .header(
        "Via",
        &format!("SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bK-{method}-{cseq}"),
    )
    .header(
        "From",
        &format!("<sip:+84900000412@carrier.example>;tag={}", tags.0),
    )
    .header(
        "To",
        &format!("<sip:+84280000001@carrier.example>;tag={}", tags.1),
    )
    .header("Call-ID", "call-1")
    .header("CSeq", &format!("{cseq} {method}"));
    for (name, value) in more {
        draft = draft.header(name, value);
    }
    draft.end(sdp.map(|sdp| ("application/sdp", sdp.as_bytes())))
}

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;
const THEIRS: (&str, &str) = ("theirs", "ours");

#[test]
fn a_call_runs_from_invite_to_bye() {
    let mut stage = Stage::new();
    stage.dial();
    let invite = stage.last(&Method::INVITE);
    assert_eq!(invite.uri.as_str(), "sip:+84900000412@carrier.example");
    assert_eq!(invite.envelope.from.tag(), Some("ours"));
    assert_eq!(
        invite.envelope.top_via().and_then(|via| via.branch()),
        Some("z9hG4bKfirst")
    );
    stage.answer(&Method::INVITE, 100, &[], None);
    stage.answer(&Method::INVITE, 180, &[], None);
    stage.answer(&Method::INVITE, 180, &[], None);
    stage.answer(
        &Method::INVITE,
        200,
        &[("Record-Route", "<sip:p2;lr>, <sip:p1;lr>")],
        Some(SDP),
    );
    let far = FarSide {
        remote_tag: "theirs".to_owned(),
        remote_target: "sip:gw@203.0.113.9:5080".to_owned(),
        route_set: vec!["<sip:p1;lr>".to_owned(), "<sip:p2;lr>".to_owned()],
        local_cseq: 1,
    };
    assert_eq!(stage.said[..2], [Event::Trying, Event::Ringing]);
    assert!(
        matches!(&stage.said[2], Event::Answered { far: got, path } if *got == far && path.remote == Some(address("203.0.113.5:6000")))
    );
    assert_eq!(
        stage.requests(&Method::ACK).len(),
        0,
        "the ACK waits for the dialog to be durable"
    );
    stage.endpoint.confirm(stage.now, KEY, &mut stage.out);
    stage.gather();
    let ack = stage.last(&Method::ACK);
    assert_eq!(
        (ack.uri.as_str(), ack.envelope.cseq.number),
        ("sip:gw@203.0.113.9:5080", 1)
    );
    assert_eq!(
        ack.header_values("Route").collect::<Vec<_>>(),
        ["<sip:p1;lr>", "<sip:p2;lr>"]
    );
    stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(stage.last(&Method::BYE).envelope.cseq.number, 2);
    stage.answer(&Method::BYE, 200, &[], None);
    assert_eq!(stage.said.last(), Some(&Event::Ended));
    assert_eq!(stage.said.len(), 4);
    stage.pass(S(33));
    assert_eq!(stage.endpoint.calls(), 0);
}

#[test]
fn the_ack_leaves_after_200_ms_although_nobody_confirms() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    stage.pass(MS(199));
    assert_eq!(stage.requests(&Method::ACK).len(), 0);
    stage.pass(MS(1));
    assert_eq!(stage.requests(&Method::ACK).len(), 1);
    assert_eq!(stage.count(Count::AckUnconfirmed), 1);
    stage.endpoint.confirm(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(stage.requests(&Method::ACK).len(), 1);
}

#[test]
fn ten_copies_of_an_answer_get_ten_acks_and_are_one_call() {
    let mut stage = Stage::new();
    stage.talk();
    for _ in 0..9 {
        stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    }
    assert_eq!(stage.requests(&Method::ACK).len(), 10);
    assert_eq!(
        stage
            .said
            .iter()
            .filter(|event| matches!(event, Event::Answered { .. }))
            .count(),
        1
    );
    // Also long after the transaction ended.
    stage.pass(S(60));
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert_eq!(stage.requests(&Method::ACK).len(), 11);
}

#[test]
fn copies_that_come_while_the_ack_is_held_are_acknowledged_with_it() {
    let mut stage = Stage::new();
    stage.ring();
    for _ in 0..10 {
        stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    }
    assert_eq!(stage.requests(&Method::ACK).len(), 0);
    stage.pass(MS(200));
    assert_eq!(stage.requests(&Method::ACK).len(), 10);
}

#[test]
fn the_second_answer_of_a_fork_is_acknowledged_and_ended() {
    let mut stage = Stage::new();
    stage.talk();
    let invite = stage.last(&Method::INVITE);
    for _ in 0..2 {
        stage.answer_to(
            &invite,
            200,
            "other",
            &[("Contact", "<sip:second@203.0.113.8>")],
            Some(SDP),
        );
    }
    assert_eq!(stage.requests(&Method::ACK).len(), 3);
    let bye = stage.last(&Method::BYE);
    assert_eq!(
        (bye.uri.as_str(), bye.envelope.to.tag()),
        ("sip:second@203.0.113.8", Some("other"))
    );
    assert_eq!(stage.requests(&Method::BYE).len(), 1);
    assert_eq!(stage.count(Count::ForkedAnswers), 1);
    stage.answer_to(&bye, 200, "other", &[], None);
    stage.pass(S(40));
    assert_eq!(stage.requests(&Method::BYE).len(), 1);
    assert!(
        !stage.said.contains(&Event::Ended),
        "the first dialog stands"
    );
}

#[test]
fn a_cancel_waits_for_a_provisional_answer() {
    let mut stage = Stage::new();
    stage.dial();
    stage.endpoint.cancel(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(stage.requests(&Method::CANCEL).len(), 0);
    stage.answer(&Method::INVITE, 100, &[], None);
    let cancel = stage.last(&Method::CANCEL);
    assert_eq!(
        cancel.envelope.top_via().and_then(|via| via.branch()),
        Some("z9hG4bKfirst")
    );
    assert_eq!(
        (cancel.envelope.cseq.number, cancel.envelope.to.tag()),
        (1, None)
    );
    stage.answer(&Method::CANCEL, 200, &[], None);
    stage.answer(&Method::INVITE, 487, &[], None);
    assert_eq!(stage.said, [Event::Trying, Event::Ended]);
    let ack = stage.last(&Method::ACK);
    assert_eq!(
        ack.envelope.top_via().and_then(|via| via.branch()),
        Some("z9hG4bKfirst")
    );
    assert_eq!(ack.envelope.to.tag(), Some("theirs"));
    stage.answer(&Method::INVITE, 487, &[], None);
    assert_eq!(
        stage.requests(&Method::ACK).len(),
        2,
        "a copy of the failure is acknowledged again"
    );
}

#[test]
fn a_final_answer_that_comes_before_our_cancel_is_acted_upon() {
    let mut stage = Stage::new();
    stage.dial();
    stage.endpoint.cancel(stage.now, KEY, &mut stage.out);
    stage.answer(&Method::INVITE, 486, &[], None);
    assert_eq!(stage.said, [Event::Failed(Failure::local(486))]);
    assert_eq!(stage.requests(&Method::CANCEL).len(), 0);
}

#[test]
fn an_answer_that_crosses_our_cancel_is_reported() {
    let mut stage = Stage::new();
    stage.ring();
    stage.endpoint.cancel(stage.now, KEY, &mut stage.out);
    stage.gather();
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert!(stage.was_answered());
    assert_eq!(stage.count(Count::CrossedAnswers), 1);
    stage.pass(S(40));
    assert_eq!(stage.requests(&Method::BYE).len(), 0, "the caller decides");
}

#[test]
fn a_cancel_that_nobody_answers_ends_after_64_t1() {
    let mut stage = Stage::new();
    stage.ring();
    stage.endpoint.cancel(stage.now, KEY, &mut stage.out);
    stage.pass(S(31));
    assert!(!stage.said.contains(&Event::Ended));
    stage.pass(S(2));
    assert!(stage.said.contains(&Event::Ended));
    assert!(stage.requests(&Method::CANCEL).len() > 5);
}

#[test]
fn silence_is_reported_after_four_seconds_and_what_still_comes_is_cleaned_up() {
    let mut stage = Stage::new();
    stage.dial();
    stage.pass(MS(3_999));
    assert_eq!(stage.said, []);
    stage.pass(MS(1));
    assert_eq!(stage.said, [Event::Silent]);
    let invites = stage.requests(&Method::INVITE).len();
    stage.pass(S(10));
    assert_eq!(
        stage.requests(&Method::INVITE).len(),
        invites,
        "no further copy may ring a telephone"
    );
    stage.answer(&Method::INVITE, 180, &[], None);
    assert_eq!(stage.requests(&Method::CANCEL).len(), 1);
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert_eq!(
        (
            stage.requests(&Method::ACK).len(),
            stage.requests(&Method::BYE).len()
        ),
        (1, 1)
    );
    stage.answer(&Method::BYE, 200, &[], None);
    stage.pass(S(70));
    assert_eq!(stage.said, [Event::Silent], "nothing more is reported");
    assert_eq!(stage.endpoint.calls(), 0);
}

#[test]
fn an_answer_that_comes_after_everything_timed_out_is_acknowledged_and_ended() {
    let mut stage = Stage::new();
    stage.dial();
    stage.pass(S(45));
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert_eq!(
        (
            stage.requests(&Method::ACK).len(),
            stage.requests(&Method::BYE).len()
        ),
        (1, 1)
    );
    stage.pass(S(120));
    assert_eq!(stage.endpoint.calls(), 0);
    // Even when the call is forgotten altogether.
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert_eq!(
        (
            stage.requests(&Method::ACK).len(),
            stage.count(Count::LateAnswers)
        ),
        (3, 2)
    );
    assert_eq!(
        stage.last(&Method::BYE).uri.as_str(),
        "sip:gw@203.0.113.9:5080"
    );
    assert_eq!(stage.said, [Event::Silent]);
}

#[test]
fn a_lost_invite_is_sent_again_until_heard() {
    let mut stage = Stage::new();
    stage.dial();
    stage.pass(MS(3_500));
    let invites = stage.requests(&Method::INVITE);
    assert_eq!(invites.len(), 4);
    assert!(invites.iter().all(|invite| *invite == invites[0]));
    stage.answer(&Method::INVITE, 100, &[], None);
    stage.pass(S(20));
    assert_eq!(stage.requests(&Method::INVITE).len(), 4);
}

#[test]
fn over_tcp_nothing_is_sent_twice_and_a_gap_fails_new_calls() {
    let mut stage = Stage::over(Transport::Tcp);
    stage.dial();
    stage.pass(MS(3_900));
    assert_eq!(stage.requests(&Method::INVITE).len(), 1);
    assert!(stage.last(&Method::INVITE).envelope.vias[0].transport == "TCP");
    let mut gap = Stage::over(Transport::Tcp);
    gap.endpoint.connected(gap.now, TRUNK, false, &mut gap.out);
    gap.dial();
    assert_eq!(gap.said, [Event::Failed(Failure::local(0))]);
    assert_eq!(gap.requests(&Method::INVITE).len(), 0);
}

#[test]
fn a_bye_said_into_a_gap_is_said_again_on_the_new_connection() {
    let mut stage = Stage::over(Transport::Tcp);
    stage.talk();
    stage
        .endpoint
        .connected(stage.now, TRUNK, false, &mut stage.out);
    stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
    stage
        .endpoint
        .connected(stage.now, TRUNK, true, &mut stage.out);
    stage.gather();
    assert_eq!(stage.requests(&Method::BYE).len(), 2);
    assert_eq!(
        stage.trunk.last(),
        Some(&false),
        "up only once OPTIONS was answered"
    );
}

#[test]
fn a_failure_says_what_the_wire_said() {
    for (status, more, q850, retry_after_s) in [
        (486, &[][..], None, None),
        (
            404,
            &[
                ("Reason", "SIP;cause=404"),
                ("Reason", "Q.850;cause=1;text=\"Unallocated\""),
            ][..],
            Some(1),
            None,
        ),
        (503, &[("Retry-After", "30 (busy)")][..], None, Some(30)),
        (302, &[("Contact", "<sip:evil@198.18.0.1>")][..], None, None),
        (603, &[][..], None, None),
        (401, &[][..], None, None),
    ] {
        let mut stage = Stage::new();
        stage.dial();
        stage.answer(&Method::INVITE, status, more, None);
        assert_eq!(
            stage.said,
            [Event::Failed(Failure {
                status,
                q850,
                retry_after_s
            })]
        );
        assert_eq!(stage.requests(&Method::ACK).len(), 1);
        stage.pass(S(40));
        assert_eq!(stage.endpoint.calls(), 0);
        assert_eq!(stage.requests(&Method::INVITE).len(), 1);
    }
}

#[test]
fn a_challenge_is_answered_once_in_a_new_transaction_and_its_nonce_used_again() {
    let mut stage = Stage::new();
    stage.dial();
    let challenge = (
        "Proxy-Authenticate",
        "Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\"",
    );
    stage.answer(&Method::INVITE, 407, &[challenge], None);
    let second = stage.last(&Method::INVITE);
    assert_eq!(
        stage.requests(&Method::ACK)[0]
            .envelope
            .top_via()
            .and_then(|via| via.branch()),
        Some("z9hG4bKfirst")
    );
    assert_eq!(
        second.envelope.top_via().and_then(|via| via.branch()),
        Some("z9hG4bKfirst-2")
    );
    assert_eq!(
        (
            second.envelope.cseq.number,
            second.envelope.call_id.as_str()
        ),
        (2, "call-1")
    );
    assert_eq!(second.envelope.from.tag(), Some("ours"));
    let credentials = second
        .header("Proxy-Authorization")
        .unwrap_or_default()
        .to_owned();
    assert!(
        credentials.contains("nc=00000001")
            && credentials.contains("uri=\"sip:+84900000412@carrier.example\"")
    );
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(
        stage.last(&Method::ACK).header("Proxy-Authorization"),
        Some(credentials.as_str())
    );
    let bye = stage.last(&Method::BYE);
    assert_eq!(bye.envelope.cseq.number, 3);
    assert!(
        bye.header("Proxy-Authorization")
            .is_some_and(|value| value.contains("nc=00000002"))
    );
}

#[test]
fn a_challenge_is_not_answered_for_ever() {
    for (second, invites) in [("", 2), (", stale=true", 3)] {
        let mut stage = Stage::new();
        stage.dial();
        stage.answer(
            &Method::INVITE,
            401,
            &[("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n1\"")],
            None,
        );
        for round in 2..6 {
            let value = format!("Digest realm=\"r\", nonce=\"n{round}\"{second}");
            stage.answer(&Method::INVITE, 401, &[("WWW-Authenticate", &value)], None);
        }
        assert_eq!(stage.requests(&Method::INVITE).len(), invites);
        assert_eq!(stage.said, [Event::Failed(Failure::local(401))]);
    }
}

#[test]
fn forged_challenges_get_no_credentials() {
    // Another realm than the one pinned, another source within the ranges, and a challenge to the far end's own request.
    let mut stage = Stage::new();
    stage.dial();
    let invite = stage.last(&Method::INVITE);
    let forged = Draft::answer(&invite, address("198.51.100.2:5060"), 407, "x", Some("t"))
        .header(
            "Proxy-Authenticate",
            "Digest realm=\"carrier\", nonce=\"n\"",
        )
        .end(None);
    stage.hear_from("203.0.113.66:5060", &forged);
    assert_eq!(stage.said, [Event::Failed(Failure::local(407))]);
    let mut pinned = Stage::new();
    pinned.pass(MS(1));
    pinned.answer(
        &Method::OPTIONS,
        401,
        &[("WWW-Authenticate", "Digest realm=\"carrier\", nonce=\"n\"")],
        None,
    );
    assert!(
        pinned
            .last(&Method::OPTIONS)
            .header("Authorization")
            .is_some()
    );
    pinned.dial();
    pinned.answer(
        &Method::INVITE,
        407,
        &[("Proxy-Authenticate", "Digest realm=\"evil\", nonce=\"n\"")],
        None,
    );
    assert_eq!(pinned.said, [Event::Failed(Failure::local(407))]);
    assert_eq!(pinned.count(Count::ChallengesRefused), 1);
}

#[test]
fn the_far_end_hangs_up() {
    let mut stage = Stage::new();
    stage.talk();
    for _ in 0..2 {
        stage.request("BYE", 5, THEIRS, &[], None);
    }
    assert_eq!(stage.statuses(), [200, 200]);
    assert_eq!(
        stage
            .said
            .iter()
            .filter(|event| **event == Event::Ended)
            .count(),
        1
    );
    stage.pass(S(33));
    assert_eq!(stage.endpoint.calls(), 0);
}

#[test]
fn a_bye_that_overtakes_our_ack_is_answered_and_the_ack_still_sent() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    stage.request("BYE", 1, THEIRS, &[], None);
    assert_eq!(stage.statuses(), [200]);
    assert_eq!(stage.requests(&Method::ACK).len(), 1);
    assert_eq!(stage.said.last(), Some(&Event::Ended));
}

#[test]
fn byes_that_cross_end_the_call_once() {
    let mut stage = Stage::new();
    stage.talk();
    stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
    stage.gather();
    stage.request("BYE", 1, THEIRS, &[], None);
    stage.answer(&Method::BYE, 481, &[], None);
    assert_eq!(
        stage
            .said
            .iter()
            .filter(|event| **event == Event::Ended)
            .count(),
        1
    );
}

#[test]
fn a_bye_ends_the_call_whatever_comes_back() {
    for status in [200, 408, 481, 500] {
        let mut stage = Stage::new();
        stage.talk();
        stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
        stage.gather();
        stage.answer(&Method::BYE, status, &[], None);
        assert_eq!(stage.said.last(), Some(&Event::Ended), "{status}");
    }
    let mut deaf = Stage::new();
    deaf.talk();
    deaf.endpoint.hang_up(deaf.now, KEY, &mut deaf.out);
    deaf.pass(S(32));
    assert_eq!(deaf.said.last(), Some(&Event::Ended));
    assert_eq!(deaf.requests(&Method::BYE).len(), 11);
}

#[test]
fn a_ringing_that_comes_behind_the_answer_changes_nothing() {
    let mut stage = Stage::new();
    stage.dial();
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    stage.answer(&Method::INVITE, 180, &[], None);
    assert_eq!(stage.said.len(), 1);
    assert!(stage.was_answered());
}

#[test]
fn early_media_is_no_answer_and_its_description_serves_an_answer_without_one() {
    let mut stage = Stage::new();
    stage.dial();
    stage.answer(&Method::INVITE, 183, &[], Some(SDP));
    stage.answer(&Method::INVITE, 183, &[], Some(SDP));
    assert!(matches!(
        stage.said.as_slice(),
        [Event::Ringing, Event::EarlyMedia(_)]
    ));
    stage.answer(&Method::INVITE, 200, &[], None);
    assert!(stage.was_answered());
}

#[test]
fn an_answer_without_usable_voice_is_acknowledged_ended_and_failed() {
    let elsewhere = SDP.replace("203.0.113.5", "198.18.0.66");
    for sdp in [None, Some("v=0\r\nnonsense"), Some(elsewhere.as_str())] {
        let mut stage = Stage::new();
        stage.dial();
        stage.answer(&Method::INVITE, 200, &[], sdp);
        assert_eq!(stage.said, [Event::Failed(Failure::local(488))]);
        assert_eq!(
            (
                stage.requests(&Method::ACK).len(),
                stage.requests(&Method::BYE).len()
            ),
            (1, 1)
        );
        assert_eq!(stage.count(Count::SdpFaults), 1);
        stage.answer(&Method::BYE, 200, &[], None);
        assert_eq!(stage.said.len(), 1);
    }
}

#[test]
fn an_abort_cleans_up_in_every_state_and_says_nothing() {
    for state in ["silent", "ringing", "answered", "crossing"] {
        let mut stage = Stage::new();
        match state {
            "silent" => stage.dial(),
            "answered" => stage.talk(),
            _ => stage.ring(),
        }
        let said = stage.said.len();
        stage.endpoint.abort(stage.now, KEY, &mut stage.out);
        stage.gather();
        match state {
            "answered" => stage.answer(&Method::BYE, 200, &[], None),
            "ringing" => stage.answer(&Method::INVITE, 487, &[], None),
            _ => {
                stage.answer(&Method::INVITE, 200, &[], Some(SDP));
                stage.answer(&Method::BYE, 200, &[], None);
            }
        }
        stage.pass(S(70));
        assert_eq!(
            (stage.said.len(), stage.endpoint.calls()),
            (said, 0),
            "{state}"
        );
    }
}

#[test]
fn hold_and_resume_are_answered_with_our_description() {
    let mut stage = Stage::new();
    stage.talk();
    for (cseq, sdp, attribute) in [(2, HOLD, "a=recvonly"), (3, SDP, "a=sendrecv")] {
        stage.request(
            "INVITE",
            cseq,
            THEIRS,
            &[("Contact", "<sip:moved@203.0.113.10>")],
            Some(sdp),
        );
        let answer = stage.answers().pop().unwrap_or_else(|| panic!("no answer"));
        assert_eq!(answer.status, 200);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            body.contains(attribute) && body.contains("m=audio 40000"),
            "{body}"
        );
        assert!(matches!(stage.said.last(), Some(Event::MediaChanged(_))));
        stage.request("ACK", cseq, THEIRS, &[], None);
    }
    let before = stage.sent.len();
    stage.pass(S(9));
    assert!(
        !stage.sent[before..]
            .iter()
            .any(|message| matches!(message, Message::Response(_))),
        "an ACK ends the copies"
    );
    stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(
        stage.last(&Method::BYE).uri.as_str(),
        "sip:moved@203.0.113.10"
    );
}

#[test]
fn an_offer_in_our_200_is_answered_in_the_ack() {
    let mut stage = Stage::new();
    stage.talk();
    stage.request("INVITE", 2, THEIRS, &[], None);
    let offer = stage.answers().pop().unwrap_or_else(|| panic!("no answer"));
    assert!(String::from_utf8_lossy(&offer.body).contains("m=audio 40000 RTP/AVP 0 8 101"));
    stage.request("ACK", 2, THEIRS, &[], Some(HOLD));
    assert!(
        matches!(stage.said.last(), Some(Event::MediaChanged(path)) if path.direction == super::super::sdp::Direction::SendOnly)
    );
}

#[test]
fn changes_are_taken_one_at_a_time_and_not_in_a_storm() {
    let mut stage = Stage::new();
    stage.talk();
    stage.request("INVITE", 2, THEIRS, &[], Some(SDP));
    stage.request("INVITE", 3, THEIRS, &[], Some(HOLD));
    stage.request("INVITE", 1, THEIRS, &[], Some(HOLD));
    assert_eq!(stage.statuses(), [200, 491, 500]);
    stage.request("ACK", 2, THEIRS, &[], None);
    for cseq in 10..110 {
        stage.request("UPDATE", cseq, THEIRS, &[], Some(SDP));
    }
    let accepted = stage
        .statuses()
        .iter()
        .filter(|status| **status == 200)
        .count();
    assert!(accepted <= 6, "{accepted}");
    stage.pass(S(2));
    stage.request("UPDATE", 200, THEIRS, &[], Some(HOLD));
    assert_eq!(
        stage.statuses().last(),
        Some(&200),
        "the call survives the storm"
    );
}

#[test]
fn an_answer_that_is_never_acknowledged_ends_the_call() {
    let mut stage = Stage::new();
    stage.talk();
    stage.request("INVITE", 2, THEIRS, &[], Some(SDP));
    stage.pass(S(32));
    assert!(stage.statuses().len() > 8);
    assert_eq!(stage.requests(&Method::BYE).len(), 1);
}

#[test]
fn offers_that_we_cannot_take_leave_the_call_as_it_was() {
    let mut stage = Stage::new();
    stage.talk();
    let elsewhere = SDP.replace("203.0.113.5", "198.18.0.66");
    stage.request("INVITE", 2, THEIRS, &[], Some(&elsewhere));
    stage.request("ACK", 2, THEIRS, &[], None);
    stage.request("INVITE", 3, THEIRS, &[], Some("v=0\r\n"));
    stage.request("ACK", 3, THEIRS, &[], None);
    stage.request(
        "INVITE",
        4,
        THEIRS,
        &[("Require", "100rel, timer")],
        Some(SDP),
    );
    stage.request("UPDATE", 5, THEIRS, &[("Session-Expires", "60")], None);
    assert_eq!(stage.statuses(), [488, 488, 420, 422]);
    assert_eq!(stage.answers()[2].header("Unsupported"), Some("100rel"));
    assert_eq!(stage.said.len(), 2);
}

#[test]
fn a_session_that_the_far_end_stops_refreshing_is_ended() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer(
        &Method::INVITE,
        200,
        &[("Session-Expires", "120;refresher=uas")],
        Some(SDP),
    );
    stage.pass(S(80));
    stage.request(
        "UPDATE",
        2,
        THEIRS,
        &[
            ("Session-Expires", "120;refresher=uac"),
            ("Supported", "timer"),
        ],
        None,
    );
    let answer = stage.answers().pop().unwrap_or_else(|| panic!("no answer"));
    assert_eq!(
        (answer.header("Session-Expires"), answer.header("Require")),
        (Some("120;refresher=uac"), Some("timer"))
    );
    stage.pass(S(87));
    assert_eq!(stage.requests(&Method::BYE).len(), 0);
    stage.pass(S(2));
    assert_eq!(stage.count(Count::OutBye), 1);
    assert_eq!(stage.count(Count::SessionsExpired), 1);
}

#[test]
fn a_session_that_we_must_refresh_is_refreshed() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer(
        &Method::INVITE,
        200,
        &[("Session-Expires", "200;refresher=uac")],
        Some(SDP),
    );
    stage.pass(S(101));
    stage.answer(&Method::UPDATE, 200, &[], None);
    stage.pass(S(100));
    assert_eq!(stage.count(Count::OutUpdate), 2);
    stage.answer(&Method::UPDATE, 481, &[], None);
    assert_eq!(stage.count(Count::OutBye), 1);
}

#[test]
fn guessed_requests_end_nothing() {
    let mut stage = Stage::new();
    stage.talk();
    for (cseq, tags) in [
        (2, ("guess", "ours")),
        (3, ("theirs", "guess")),
        (4, ("ours", "theirs")),
    ] {
        stage.request("BYE", cseq, tags, &[], None);
    }
    assert_eq!(stage.statuses(), [481, 481, 481]);
    let bye = far_request("BYE", 9, THEIRS, &[], None);
    stage.hear_from("198.18.0.1:5060", &bye);
    assert_eq!(stage.statuses().len(), 3, "an unknown source gets silence");
    assert_eq!(stage.count(Count::UnknownSource), 1);
    assert!(!stage.said.contains(&Event::Ended));
    stage.hear_from("203.0.113.70:5070", &bye);
    assert!(
        stage.said.contains(&Event::Ended),
        "a carrier's other address may end it"
    );
}

#[test]
fn control_from_outside_is_refused_without_effect() {
    let mut stage = Stage::new();
    stage.talk();
    let methods = [
        "INFO",
        "REFER",
        "MESSAGE",
        "SUBSCRIBE",
        "NOTIFY",
        "PRACK",
        "REGISTER",
        "PUBLISH",
        "SPLIT",
    ];
    for (cseq, method) in (2..).zip(methods) {
        stage.request(method, cseq, THEIRS, &[], None);
    }
    assert_eq!(
        stage.statuses(),
        [405, 405, 405, 489, 489, 405, 405, 405, 501]
    );
    assert_eq!(stage.said.len(), 2);
    stage.request("OPTIONS", 40, THEIRS, &[], None);
    assert_eq!(stage.statuses().last(), Some(&200));
}

#[test]
fn requests_outside_any_dialog_are_answered_without_state() {
    for (file, want) in [
        ("intmeth", 501),
        ("esc02", 501),
        ("unkscm", 416),
        ("novelsc", 416),
        ("bext01", 420),
        ("sdp01", 406),
        ("invut", 415),
        ("regaut01", 405),
        ("mpart01", 405),
        ("insuf", 400),
        ("badvers", 505),
        ("badinv01", 400),
        ("zeromf", 200),
        ("semiuri", 200),
        ("badbranch", 200),
        ("wsinv", 481),
        ("inv2543", 404),
        ("longreq", 404),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../shared/sip/rfc4475/{file}.dat"));
        let Ok(octets) = std::fs::read(path) else {
            println!("skipped: the shared folder with the RFC 4475 messages is absent");
            return;
        };
        let mut stage = Stage::new();
        let source = Source {
            transport: Transport::Udp,
            address: address("203.0.113.1:5060"),
            connection: 0,
        };
        stage.endpoint.receive(
            stage.now,
            source,
            &octets,
            Framing::Datagram,
            &mut stage.out,
        );
        let Some(Output::Send { octets, .. }) = stage.out.pop() else {
            panic!("{file}: no answer");
        };
        let status_line = String::from_utf8_lossy(&octets).into_owned();
        assert!(
            status_line.starts_with(&format!("SIP/2.0 {want} ")),
            "{file}: {status_line}"
        );
        assert_eq!(stage.endpoint.calls(), 0);
    }
}

#[test]
fn copies_of_a_stateless_request_get_the_same_answer_and_other_engines_another_tag() {
    let invite = Draft::request(&Method::INVITE, "sip:+1900@198.51.100.2")
        .header("Via", "SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKq")
        .header("From", "<sip:a@b>;tag=1")
        .header("To", "<sip:+1900@198.51.100.2>")
        .header("Call-ID", "fraud")
        .header("CSeq", "1 INVITE")
        .end(None);
    let tag_of = |seed: u64| {
        let mut stage = Stage::new();
        stage.endpoint.salt = seed;
        stage.hear(&invite);
        stage.hear(&invite);
        let answers = stage.answers();
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].status, 404);
        assert_eq!(
            stage.requests(&Method::INVITE).len(),
            0,
            "nothing is relayed"
        );
        answers[0].envelope.to.tag().map(str::to_owned)
    };
    assert_eq!(tag_of(1).map(|tag| tag.len()), Some(32));
    assert_ne!(tag_of(1), tag_of(2));
}

#[test]
fn a_trunk_is_up_at_its_first_answer_and_down_after_three_missed() {
    let mut stage = Stage::new();
    stage.pass(MS(1));
    assert_eq!(stage.requests(&Method::OPTIONS).len(), 1);
    stage.answer(&Method::OPTIONS, 404, &[], None);
    assert_eq!(stage.trunk, [true]);
    stage.pass(S(10));
    stage.answer(&Method::OPTIONS, 200, &[], None);
    stage.pass(MS(14_400));
    assert_eq!(stage.trunk, [true]);
    stage.pass(MS(100));
    assert_eq!(
        stage.trunk,
        [true, false],
        "known within 15 s of its last word"
    );
    stage.pass(S(10));
    stage.answer(&Method::OPTIONS, 503, &[], None);
    assert_eq!(stage.trunk, [true, false]);
    stage.pass(S(10));
    stage.answer(&Method::OPTIONS, 200, &[], None);
    assert_eq!(stage.trunk, [true, false, true]);
}

fn orphan(far: Option<FarSide>) -> OrphanOrder {
    OrphanOrder {
        key: KEY,
        trunk: TRUNK,
        identity: Stage::identity(),
        number: E164::parse("+84900000412").unwrap_or_else(|_| panic!("number")),
        caller: E164::parse("+84280000001").unwrap_or_else(|_| panic!("number")),
        far,
    }
}

#[test]
fn an_orphan_with_a_dialog_gets_a_bye() {
    let mut stage = Stage::new();
    let far = FarSide {
        remote_tag: "theirs".to_owned(),
        remote_target: "sip:gw@203.0.113.9".to_owned(),
        route_set: vec!["<sip:p;lr>".to_owned()],
        local_cseq: 2,
    };
    stage
        .endpoint
        .orphan(stage.now, orphan(Some(far)), &mut stage.out);
    stage.gather();
    let bye = stage.last(&Method::BYE);
    assert_eq!(
        (bye.uri.as_str(), bye.envelope.cseq.number),
        ("sip:gw@203.0.113.9", 3)
    );
    assert_eq!(
        (bye.envelope.from.tag(), bye.envelope.to.tag()),
        (Some("ours"), Some("theirs"))
    );
    stage.answer(&Method::BYE, 481, &[], None);
    stage.pass(S(40));
    assert_eq!((stage.endpoint.calls(), stage.said.len()), (0, 0));
}

#[test]
fn an_orphan_that_rings_is_cancelled_on_every_branch_that_it_may_have() {
    let mut stage = Stage::new();
    stage
        .endpoint
        .orphan(stage.now, orphan(None), &mut stage.out);
    stage.gather();
    let branches: Vec<String> = stage
        .requests(&Method::CANCEL)
        .iter()
        .filter_map(|cancel| {
            cancel
                .envelope
                .top_via()
                .and_then(|via| via.branch())
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(
        branches,
        ["z9hG4bKfirst", "z9hG4bKfirst-2", "z9hG4bKfirst-3"]
    );
    let cancel = stage.requests(&Method::CANCEL).remove(1);
    stage.answer_to(&cancel, 200, "theirs", &[], None);
    let invite = far_answer_of_invite("z9hG4bKfirst-2", 2, 487);
    stage.hear(&invite);
    assert_eq!(stage.last(&Method::ACK).envelope.cseq.number, 2);
    stage.pass(S(70));
    assert_eq!((stage.endpoint.calls(), stage.said.len()), (0, 0));
}

#[test]
fn an_orphan_whose_answer_is_repeated_gets_ack_and_bye() {
    let mut stage = Stage::new();
    stage
        .endpoint
        .orphan(stage.now, orphan(None), &mut stage.out);
    stage.gather();
    for _ in 0..2 {
        stage.hear(&far_answer_of_invite("z9hG4bKfirst", 1, 200));
    }
    assert_eq!(
        (
            stage.requests(&Method::ACK).len(),
            stage.requests(&Method::BYE).len()
        ),
        (2, 1)
    );
    assert_eq!(stage.said.len(), 0);
}

fn far_answer_of_invite(branch: &str, cseq: u32, status: u16) -> Vec<u8> {
    Draft::response(status, "x")
        .header(
            "Via",
            &format!("SIP/2.0/UDP 198.51.100.2:5060;branch={branch};rport"),
        )
        .header("From", "<sip:+84280000001@carrier.example>;tag=ours")
        .header("To", "<sip:+84900000412@carrier.example>;tag=theirs")
        .header("Call-ID", "call-1")
        .header("CSeq", &format!("{cseq} INVITE"))
        .header("Contact", "<sip:gw@203.0.113.9>")
        .end((status == 200).then_some(("application/sdp", SDP.as_bytes())))
}

#[test]
fn a_request_that_could_not_leave_is_a_failure_without_status() {
    let mut stage = Stage::new();
    stage.dial();
    stage.endpoint.send_failed(stage.now, KEY, &mut stage.out);
    stage.gather();
    assert_eq!(stage.said, [Event::Failed(Failure::local(0))]);
    stage.pass(S(40));
    assert_eq!(
        (
            stage.requests(&Method::INVITE).len(),
            stage.endpoint.calls()
        ),
        (1, 0)
    );
}

#[test]
fn responses_to_others_are_dropped() {
    let mut stage = Stage::new();
    stage.ring();
    let invite = stage.last(&Method::INVITE);
    let twice = Draft::response(200, "x")
        .header("Via", &invite.envelope.vias[0].text)
        .header("Via", "SIP/2.0/UDP 203.0.113.7;branch=z9hG4bKz")
        .header("From", &invite.envelope.from.text)
        .header("To", "<sip:x@y>;tag=z")
        .header("Call-ID", "call-1")
        .header("CSeq", "1 INVITE")
        .end(None);
    stage.hear(&twice);
    stage.hear(&far_answer_of_invite("z9hG4bKother", 1, 200));
    stage.hear(&far_answer_of_invite("z9hG4bKfirst", 2, 200));
    assert!(!stage.was_answered());
    assert_eq!(stage.count(Count::DiscardedUnmatched), 3);
}

#[test]
fn of_ten_thousand_hostile_numbers_only_numbers_leave_and_no_header_is_added() {
    let mut seed = Seed(9);
    let alphabet: Vec<char> = "0123456789012345678901234567890123456789+;?@\r\n<> \"%="
        .chars()
        .collect();
    let mut sent = 0;
    for call in 0..10_000 {
        let mut octets = [0_u8; 12];
        seed.fill(&mut octets);
        let length = 3 + usize::from(octets[0] % 9);
        let text: String = octets[..length]
            .iter()
            .map(|octet| alphabet[usize::from(*octet) % alphabet.len()])
            .collect();
        let Ok(number) = E164::parse(&text) else {
            continue;
        };
        let mut stage = Stage::new();
        let order = InviteOrder {
            key: KEY,
            trunk: TRUNK,
            identity: Identity {
                call_id: format!("call-{call}"),
                ..Stage::identity()
            },
            caller: number.clone(),
            number,
            media_port: 40_000,
        };
        stage.endpoint.invite(stage.now, order, &mut stage.out);
        stage.gather();
        let invite = stage.last(&Method::INVITE);
        let user = invite
            .uri
            .sip()
            .and_then(|uri| uri.user.clone())
            .unwrap_or_default();
        let digits = user.strip_prefix('+').unwrap_or(&user);
        assert!(
            (3..=15).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit()),
            "{user}"
        );
        assert!(invite.uri.as_str().ends_with("@carrier.example"));
        assert_eq!(invite.headers.iter().count(), 11);
        sent += 1;
    }
    assert!(sent > 50, "{sent}");
}
