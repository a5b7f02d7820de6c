//! Calls of others to us: what rings, what is answered and refused, what the caller may do meanwhile.

use super::*;
use crate::wire::sip::endpoint::OurNumber;

const OURS: &str = "+842873000000";
const ARRIVED: CallKey = CallKey {
    call: (1 << 63) + 1,
    route_try: 1,
};

/// A caller's side of one call.
struct Caller {
    endpoint: Endpoint,
    now: Mono,
    out: Vec<Output>,
    answers: Vec<Response>,
    requests: Vec<Request>,
    said: Vec<Event>,
}

impl Caller {
    fn new() -> Caller {
        let settings = Settings {
            user_agent: "Tandem".to_owned(),
            trunks: vec![setup(Transport::Udp)],
            numbers: vec![OurNumber {
                number: OURS.to_owned(),
                trunks: vec![],
            }],
            calls_max: 3,
        };
        let now = Mono::from_secs(1_000);
        let endpoint = Endpoint::new(now, settings, Box::new(Seed(1)));
        Caller {
            endpoint,
            now,
            out: Vec::new(),
            answers: Vec::new(),
            requests: Vec::new(),
            said: Vec::new(),
        }
    }

    fn gather(&mut self) {
        for output in self.out.drain(..) {
            match output {
                Output::Send { octets, .. } => match read(&octets, Framing::Stream) {
                    Verdict::Accept(message) => match *message {
                        Message::Response(response) => self.answers.push(response),
                        Message::Request(request) if request.method == Method::OPTIONS => {}
                        Message::Request(request) => self.requests.push(request),
                    },
                    other => panic!("we sent {other:?}: {}", String::from_utf8_lossy(&octets)),
                },
                Output::Event(key, event) => {
                    assert_eq!(key, ARRIVED);
                    self.said.push(event);
                }
                Output::Trunk(..) => {}
            }
        }
    }

    fn send_from(&mut self, source: &str, octets: &[u8]) {
        let source = Source {
            transport: Transport::Udp,
            address: address(source),
            connection: 0,
        };
        self.endpoint
            .receive(self.now, source, octets, Framing::Datagram, &mut self.out);
        self.gather();
    }

    fn send(&mut self, octets: &[u8]) {
        self.send_from("203.0.113.1:5060", octets);
    }

    fn invite(&mut self, more: &[(&str, &str)]) {
        self.send(&request("INVITE", 1, None, OURS, more, Some(SDP)));
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.endpoint.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now, &mut self.out);
            self.gather();
        }
        self.now = until;
    }

    fn accept(&mut self) {
        self.endpoint
            .accept(self.now, ARRIVED, 40_000, &mut self.out);
        self.gather();
    }

    fn statuses(&self) -> Vec<u16> {
        self.answers.iter().map(|answer| answer.status).collect()
    }

    /// Our tag, as the answers have it.
    fn tag(&self) -> String {
        let tagged = self.answers.iter().rev();
        let tags = tagged.filter_map(|answer| answer.envelope.to.tag().map(str::to_owned));
        tags.into_iter().next().unwrap_or_default()
    }

    fn bye(&mut self) {
        let tag = self.tag();
        self.send(&request("BYE", 2, Some(&tag), OURS, &[], None));
    }
}

fn request(
    method: &str,
    cseq: u32,
    to_tag: Option<&str>,
    called: &str,
    more: &[(&str, &str)],
    sdp: Option<&str>,
) -> Vec<u8> {
    let branch = match method {
        // RFC 3261 s.9.1, 17.1.1.3: of the INVITE's own transaction.
        "CANCEL" => "z9hG4bK-INVITE-1".to_owned(),
        _ => format!("z9hG4bK-{method}-{cseq}"),
    };
    let to = match to_tag {
        Some(tag) => format!("<sip:{called}@carrier.example>;tag={tag}"),
        None => format!("<sip:{called}@carrier.example>"),
    };
    let mut draft = Draft::request(
        &Method::from_token(method),
        &format!("sip:{called}@198.51.100.2:5060"),
    )
    .header(
        "Via",
        &format!("SIP/2.0/UDP 203.0.113.1:5060;branch={branch}"),
    )
    .header("From", "\"A\" <sip:0900000412@carrier.example>;tag=theirs")
    .header("To", &to)
    .header("Call-ID", "their-call")
    .header("CSeq", &format!("{cseq} {method}"));
    if !more.iter().any(|(name, _)| *name == "Contact") {
        draft = draft.header("Contact", "<sip:gw@203.0.113.9:5080>");
    }
    for (name, value) in more {
        draft = draft.header(name, value);
    }
    draft.end(sdp.map(|sdp| ("application/sdp", sdp.as_bytes())))
}

fn arrived(event: &Event) -> Option<&crate::wire::sip::event::ArrivedCall> {
    match event {
        Event::Arrived(arrived) => Some(arrived),
        _ => None,
    }
}

#[test]
fn a_call_to_our_number_rings_is_answered_and_ended_by_either_side() {
    for we_end in [true, false] {
        let mut caller = Caller::new();
        caller.invite(&[("Record-Route", "<sip:p1.carrier.example;lr>")]);
        assert_eq!(caller.statuses(), [100, 180]);
        let call = arrived(&caller.said[0]).expect("it arrived").clone();
        assert_eq!(call.called, OURS);
        assert_eq!(
            call.caller.map(|it| it.expose().clone()).as_deref(),
            Some("0900000412")
        );
        caller.accept();
        assert_eq!(caller.statuses(), [100, 180, 200]);
        let answer = caller.answers[2].clone();
        assert_eq!(
            answer.envelope.to.tag(),
            Some(call.identity.from_tag.as_str())
        );
        assert_eq!(
            answer.header("Record-Route"),
            Some("<sip:p1.carrier.example;lr>")
        );
        let sdp = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            sdp.contains("m=audio 40000 RTP/AVP 8\r\n"),
            "PCMA only, as offered: {sdp}"
        );
        let Event::Accepted {
            far,
            path: Some(path),
        } = &caller.said[1]
        else {
            panic!("{:?}", caller.said)
        };
        assert_eq!(path.remote, Some(address("203.0.113.5:6000")));
        assert_eq!((far.remote_tag.as_str(), far.local_cseq), ("theirs", 0));
        let tag = caller.tag();
        caller.send(&request("ACK", 1, Some(&tag), OURS, &[], None));
        caller.pass(S(40));
        assert_eq!(
            caller.statuses(),
            [100, 180, 200],
            "acknowledged: not sent again"
        );
        if we_end {
            caller
                .endpoint
                .hang_up(caller.now, ARRIVED, &mut caller.out);
            caller.gather();
            let bye = caller.requests.pop().expect("a BYE");
            assert_eq!(bye.method, Method::BYE);
            assert_eq!(bye.uri.as_request_uri(), "sip:gw@203.0.113.9:5080");
            assert_eq!(bye.header("Route"), Some("<sip:p1.carrier.example;lr>"));
            assert_eq!(bye.envelope.from.tag(), Some(tag.as_str()));
            assert_eq!(bye.envelope.to.tag(), Some("theirs"));
            let ok = Draft::answer(&bye, address("198.51.100.2:5060"), 200, "OK", None).end(None);
            caller.send(&ok);
        } else {
            caller.bye();
            assert_eq!(caller.statuses().last(), Some(&200));
        }
        assert_eq!(caller.said.last(), Some(&Event::Ended));
    }
}

#[test]
fn an_answer_is_repeated_until_its_ack_and_a_caller_who_never_sends_one_is_hung_up() {
    let mut caller = Caller::new();
    caller.invite(&[]);
    caller.accept();
    caller.pass(MS(600));
    assert_eq!(caller.statuses(), [100, 180, 200, 200]);
    // A copy of the INVITE gets the same 200.
    caller.invite(&[]);
    assert_eq!(caller.statuses().len(), 5);
    caller.pass(S(32));
    assert!(
        caller
            .requests
            .iter()
            .any(|request| request.method == Method::BYE)
    );
}

#[test]
fn a_caller_may_give_up_while_it_rings_by_cancel_or_bye() {
    for by_cancel in [true, false] {
        let mut caller = Caller::new();
        caller.invite(&[]);
        // A copy of the INVITE is answered by the 180, and makes no second call.
        caller.invite(&[]);
        assert_eq!(caller.statuses(), [100, 180, 180]);
        if by_cancel {
            caller.send(&request("CANCEL", 1, None, OURS, &[], None));
        } else {
            caller.bye();
        }
        assert_eq!(caller.statuses(), [100, 180, 180, 200, 487]);
        assert_eq!(caller.said.len(), 2);
        assert_eq!(caller.said[1], Event::Ended);
        caller.accept();
        assert_eq!(caller.statuses().len(), 5, "nothing is left to answer");
        // The 487 is repeated until its ACK.
        caller.pass(MS(600));
        assert_eq!(caller.statuses().last(), Some(&487));
        let tag = caller.tag();
        let ack = request("ACK", 1, Some(&tag), OURS, &[], None);
        let count = caller.statuses().len();
        caller.send(&ack);
        caller.pass(S(10));
        assert_eq!(caller.statuses().len(), count);
    }
}

#[test]
fn whom_nobody_can_take_is_refused_with_the_status_that_was_ordered() {
    for status in [480, 486, 503] {
        let mut caller = Caller::new();
        caller.invite(&[]);
        caller
            .endpoint
            .refuse(caller.now, ARRIVED, status, &mut caller.out);
        caller.gather();
        assert_eq!(caller.statuses(), [100, 180, status]);
        assert_eq!(caller.said.last(), Some(&Event::Ended));
    }
    let mut caller = Caller::new();
    caller.invite(&[]);
    caller.endpoint.cancel(caller.now, ARRIVED, &mut caller.out);
    caller.gather();
    assert_eq!(caller.statuses(), [100, 180, 480]);
}

#[test]
fn what_cannot_ring_is_refused_without_a_state() {
    let video = SDP.replace("m=audio 6000 RTP/AVP 8", "m=video 6000 RTP/AVP 31");
    let elsewhere = SDP.replace("203.0.113.5", "192.0.2.77");
    for (octets, status) in [
        (
            request("INVITE", 1, None, "+842873000001", &[], Some(SDP)),
            404,
        ),
        (request("INVITE", 1, None, OURS, &[], Some(&video)), 488),
        // An offer that names a place outside the trunk's media ranges.
        (request("INVITE", 1, None, OURS, &[], Some(&elsewhere)), 488),
        (
            request("INVITE", 1, None, OURS, &[("Require", "100rel")], Some(SDP)),
            420,
        ),
        (
            request(
                "INVITE",
                1,
                None,
                OURS,
                &[("Session-Expires", "60")],
                Some(SDP),
            ),
            422,
        ),
    ] {
        let mut caller = Caller::new();
        caller.send(&octets);
        assert_eq!(caller.statuses(), [status]);
        assert_eq!(caller.endpoint.calls(), 0);
        assert_eq!(caller.said, []);
    }
    // Nobody's address is not answered at all: no octet goes out for one that came in.
    let mut caller = Caller::new();
    caller.send_from(
        "198.51.100.99:5060",
        &request("INVITE", 1, None, OURS, &[], Some(SDP)),
    );
    assert!(caller.statuses().is_empty());
    // A trunk that may not bring calls to this number, and an engine that ends.
    let mut caller = Caller::new();
    let ours = OurNumber {
        number: OURS.to_owned(),
        trunks: vec![TrunkId(7)],
    };
    caller.endpoint.set_numbers(vec![ours]);
    caller.invite(&[]);
    assert_eq!(caller.statuses(), [403]);
    let mut caller = Caller::new();
    caller.endpoint.take_no_more_calls();
    caller.invite(&[]);
    assert_eq!(caller.statuses(), [503]);
}

#[test]
fn our_number_is_known_with_its_country_and_without_it_where_it_can_be_no_other() {
    for (called, rings) in [
        ("+842873000000", true),
        ("842873000000", true),
        ("00842873000000", true),
        ("02873000000", true),
        ("2873000000", true),
        ("+2873000000", false),
        ("00000", false),
        ("842873000001", false),
    ] {
        let mut caller = Caller::new();
        caller.send(&request("INVITE", 1, None, called, &[], Some(SDP)));
        assert_eq!(caller.statuses().contains(&180), rings, "{called}");
    }
    let mut caller = Caller::new();
    let numbers = ["+842873000000", "+12873000000"].map(|number| OurNumber {
        number: number.to_owned(),
        trunks: vec![],
    });
    caller.endpoint.set_numbers(numbers.to_vec());
    caller.send(&request("INVITE", 1, None, "2873000000", &[], Some(SDP)));
    assert_eq!(caller.statuses(), [404], "it could be either");
}

#[test]
fn the_carrier_says_who_calls_unless_the_caller_hides_it() {
    let asserted = (
        "P-Asserted-Identity",
        "<sip:+84911000001@carrier.example;user=phone>",
    );
    for (headers, want) in [
        (vec![asserted], Some("+84911000001")),
        (
            vec![("P-Asserted-Identity", "<tel:+84911000002>")],
            Some("+84911000002"),
        ),
        (vec![asserted, ("Privacy", "id")], None),
        (vec![("Privacy", "none")], Some("0900000412")),
    ] {
        let mut caller = Caller::new();
        caller.invite(&headers);
        let call = arrived(&caller.said[0]).expect("it arrived");
        assert_eq!(call.caller.as_ref().map(|it| it.expose().as_str()), want);
    }
}

#[test]
fn a_call_without_an_offer_gets_ours_and_answers_in_its_ack() {
    let mut caller = Caller::new();
    caller.send(&request("INVITE", 1, None, OURS, &[], None));
    caller.accept();
    let sdp = String::from_utf8_lossy(&caller.answers[2].body).into_owned();
    assert!(sdp.contains("m=audio 40000 RTP/AVP 0 8 101\r\n"), "{sdp}");
    assert!(matches!(caller.said[1], Event::Accepted { path: None, .. }));
    let tag = caller.tag();
    caller.send(&request("ACK", 1, Some(&tag), OURS, &[], Some(SDP)));
    assert!(
        matches!(caller.said[2], Event::MediaChanged(path) if path.remote == Some(address("203.0.113.5:6000")))
    );
}

#[test]
fn a_flood_of_calls_finds_its_bound_and_a_second_way_to_the_same_call_is_a_loop() {
    let mut caller = Caller::new();
    let text = String::from_utf8(request("INVITE", 1, None, OURS, &[], Some(SDP))).expect("text");
    let settings = |text: &str, number: u32| {
        text.replace("their-call", &format!("their-call-{number}"))
            .replace("z9hG4bK-INVITE-1", &format!("z9hG4bK-{number}"))
    };
    // Events of other calls than the first are not looked at here.
    for number in 0..5 {
        let source = Source {
            transport: Transport::Udp,
            address: address("203.0.113.1:5060"),
            connection: 0,
        };
        let octets = settings(&text, number);
        let (endpoint, out) = (&mut caller.endpoint, &mut caller.out);
        endpoint.receive(
            caller.now,
            source,
            octets.as_bytes(),
            Framing::Datagram,
            out,
        );
    }
    caller
        .out
        .retain(|output| !matches!(output, Output::Event(..)));
    caller.gather();
    let refused = caller
        .statuses()
        .iter()
        .filter(|status| **status == 503)
        .count();
    assert_eq!((caller.endpoint.calls(), refused), (3, 2));
    let again = settings(&text, 0).replace("z9hG4bK-0", "z9hG4bK-by-another-way");
    caller.answers.clear();
    caller.send(again.as_bytes());
    assert_eq!(caller.statuses(), [482]);
}

#[test]
fn a_trunk_that_must_say_who_it_is_rings_only_with_the_right_digest() {
    use crate::wire::sip::auth::Wallet;
    let mut caller = Caller::new();
    let asks = TrunkSetup {
        asks_digest: true,
        ..setup(Transport::Udp)
    };
    caller.endpoint.set_trunks(caller.now, "Tandem", vec![asks]);
    caller.invite(&[]);
    assert_eq!(caller.statuses(), [401]);
    assert_eq!(caller.endpoint.calls(), 0, "nothing is kept of it");
    let asked = caller.answers[0].clone();
    let uri = format!("sip:{OURS}@198.51.100.2:5060");
    let credentials = |password: &str| {
        let password = Pii::new(password.to_owned());
        let mut wallet = Wallet::new("tandem".to_owned(), password, vec![]);
        let challenge = wallet.choose(&asked).expect("we ask for what we answer");
        wallet.answer(challenge, "INVITE", &uri, "cnonce").1
    };
    let invite = |value: &str, cseq: u32| {
        request(
            "INVITE",
            cseq,
            None,
            OURS,
            &[("Authorization", value)],
            Some(SDP),
        )
    };
    caller.send(&invite(&credentials("guess"), 2));
    assert_eq!(caller.statuses(), [401, 401]);
    let right = credentials("secret");
    caller.send(&invite(&right, 3));
    assert_eq!(caller.statuses(), [401, 401, 100, 180]);
    // Too late it is asked again, as stale: the far end need not ask its user.
    let mut late = Caller::new();
    let asks = TrunkSetup {
        asks_digest: true,
        ..setup(Transport::Udp)
    };
    late.endpoint.set_trunks(late.now, "Tandem", vec![asks]);
    late.pass(S(61));
    late.send(&invite(&right, 3));
    let again = late.answers[0]
        .header("WWW-Authenticate")
        .unwrap_or_default()
        .to_owned();
    assert!(again.contains("stale=true"), "{again}");
}
