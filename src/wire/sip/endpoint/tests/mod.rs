//! The user agent against a scripted far end, in virtual time: calls as tables of what crosses on the wire.

mod answers;
mod auth;
mod calls;
mod calls_in;
mod changes;
mod ending;
mod foreign;
mod orphans;
mod secure;
mod trunks;

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
        asks_digest: false,
        srtp: Default::default(),
        is_probed: true,
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
            numbers: vec![],
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
