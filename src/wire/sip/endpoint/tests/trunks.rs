//! Trunks that change while calls are up: new credentials, other ranges, another trunk.

use super::*;

impl Stage {
    /// Another setup of the trunk takes hold.
    fn edit(&mut self, change: impl FnOnce(&mut TrunkSetup)) {
        let mut edited = setup(self.transport);
        change(&mut edited);
        self.endpoint.set_trunks(self.now, "Other", vec![edited]);
        self.gather();
    }

    fn challenge(&mut self) -> Request {
        let challenge = (
            "Proxy-Authenticate",
            "Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\"",
        );
        self.answer(&Method::INVITE, 407, &[challenge], None);
        self.last(&Method::INVITE)
    }
}

#[test]
fn a_challenge_is_answered_with_the_credentials_of_now() {
    let mut before = Stage::new();
    before.dial();
    let old = before.challenge();
    let mut stage = Stage::new();
    stage.dial();
    stage.edit(|setup| setup.password = Some(Pii::new("another".to_owned())));
    let new = stage.challenge();
    let response = |request: &Request| {
        let header = request.header("Proxy-Authorization").unwrap_or_default();
        let at = header.find("response=").unwrap_or_default();
        header[at..at + 44].to_owned()
    };
    // The same nonce and the same sequence of random octets: only the password differs.
    assert_ne!(response(&old), response(&new));
    assert_eq!(new.header("User-Agent"), Some("Other"));
}

#[test]
fn a_call_that_is_up_stays_up_and_is_ended_where_it_was_made() {
    let mut stage = Stage::new();
    stage.dial();
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    stage.endpoint.confirm(stage.now, KEY, &mut stage.out);
    stage.gather();
    let (sent, calls) = (stage.sent.len(), stage.endpoint.calls());
    stage.edit(|setup| {
        setup.domain = Some("new.example".to_owned());
        setup.keep_alive = Duration::from_secs(5);
    });
    assert_eq!((stage.sent.len(), stage.endpoint.calls()), (sent, calls));
    stage.endpoint.hang_up(stage.now, KEY, &mut stage.out);
    stage.gather();
    let bye = stage.last(&Method::BYE);
    assert_eq!(bye.envelope.call_id, "call-1");
    assert!(
        bye.header("From")
            .is_some_and(|from| from.contains("carrier.example"))
    );
}

#[test]
fn a_range_that_is_added_is_heard_and_one_that_is_removed_is_not() {
    let mut stage = Stage::new();
    let options = b"OPTIONS sip:tandem@198.51.100.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bKx\r\n\
        Max-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: foreign\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    let range = "192.0.2.0/24".parse().expect("a network");
    let from = address("192.0.2.77:5060").ip();
    assert!(!stage.endpoint.knows(from));
    stage.endpoint.set_trunks(
        stage.now,
        "Tandem",
        vec![TrunkSetup {
            signalling_ranges: vec![range],
            ..setup(Transport::Udp)
        }],
    );
    assert!(stage.endpoint.knows(from));
    let source = Source {
        transport: Transport::Udp,
        address: address("192.0.2.77:5060"),
        connection: 0,
    };
    let mut out = Vec::new();
    stage
        .endpoint
        .receive(stage.now, source, options, Framing::Datagram, &mut out);
    assert_eq!(out.len(), 1, "it is answered");
    stage.edit(|_| {});
    assert!(!stage.endpoint.knows(from));
}

#[test]
fn a_new_trunk_is_asked_at_once_and_the_old_one_is_not_asked_again_for_it() {
    let mut stage = Stage::new();
    stage.endpoint.handle_timeout(stage.now, &mut stage.out);
    stage.out.clear();
    let new = TrunkId(TRUNK.0 + 1);
    let added = TrunkSetup {
        id: new,
        address: address("203.0.113.77:5060"),
        ..setup(Transport::Udp)
    };
    stage
        .endpoint
        .set_trunks(stage.now, "Tandem", vec![setup(Transport::Udp), added]);
    stage.endpoint.handle_timeout(stage.now, &mut stage.out);
    let asked: Vec<Destination> = stage
        .out
        .drain(..)
        .filter_map(|output| match output {
            Output::Send { to, .. } => Some(to),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [Destination::Trunk(new)]);
}
