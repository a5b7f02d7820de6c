//! Challenges: answered once, to the right realm, never for ever.

use super::*;

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
