//! SRTP on a trunk (RFC 4568): offers with a key, answers without one, and a far end that will have plain RTP only.

use super::*;
use crate::wire::sip::sdes::SrtpUse;

const SECURE: &str = "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 6000 RTP/SAVP 8\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n";

fn stage(srtp: SrtpUse) -> Stage {
    let mut stage = Stage::new();
    let secured = TrunkSetup {
        srtp,
        ..setup(Transport::Udp)
    };
    stage
        .endpoint
        .set_trunks(stage.now, "Tandem", vec![secured]);
    stage
}

fn offer(stage: &Stage) -> String {
    String::from_utf8_lossy(&stage.last(&Method::INVITE).body).into_owned()
}

#[test]
fn keys_are_said_before_the_path_that_they_belong_to_and_a_hold_brings_none() {
    let mut stage = stage(SrtpUse::Require);
    stage.dial();
    assert!(
        offer(&stage).contains("RTP/SAVP 0 8 101\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:")
    );
    stage.answer(&Method::INVITE, 180, &[], None);
    stage.answer(&Method::INVITE, 200, &[], Some(SECURE));
    let said = std::mem::take(&mut stage.said);
    let [.., Event::Secured(keys), Event::Answered { .. }] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_ne!(keys.ours, keys.theirs);
    assert!(
        !format!("{said:?}").contains("PS1u"),
        "keys are not printed"
    );
    stage.endpoint.confirm(stage.now, KEY, &mut stage.out);
    stage.gather();
    let hold = SECURE.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\r\n";
    stage.request("INVITE", 5, THEIRS, &[], Some(&hold));
    assert!(
        matches!(stage.said.as_slice(), [Event::MediaChanged(_)]),
        "{:?}",
        stage.said
    );
    let answer = stage.answers().pop().unwrap_or_else(|| panic!("an answer"));
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(
        body.contains("RTP/SAVP 8") && body.contains("a=crypto:1 "),
        "{body}"
    );
}

#[test]
fn a_far_end_that_refuses_srtp_is_asked_again_for_plain_rtp_where_the_trunk_allows_it() {
    let mut stage = stage(SrtpUse::Offer);
    stage.dial();
    let first = stage.last(&Method::INVITE);
    stage.answer(&Method::INVITE, 100, &[], None);
    stage.answer(&Method::INVITE, 488, &[], None);
    let second = stage.last(&Method::INVITE);
    assert_eq!(second.envelope.call_id, first.envelope.call_id);
    assert_eq!(second.envelope.cseq.number, 2);
    assert!(second.envelope.top_via() != first.envelope.top_via());
    assert!(offer(&stage).contains("RTP/AVP 0 8 101") && !offer(&stage).contains("crypto"));
    stage.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert!(stage.was_answered());
    assert_eq!(stage.requests(&Method::INVITE).len(), 2);
}

#[test]
fn where_srtp_is_required_a_refusal_is_final_and_an_answer_in_plain_is_ended() {
    let mut refused = stage(SrtpUse::Require);
    refused.dial();
    refused.answer(&Method::INVITE, 488, &[], None);
    assert!(matches!(refused.said.last(), Some(Event::Failed(failure)) if failure.status == 488));
    assert_eq!(refused.requests(&Method::INVITE).len(), 1);

    let mut plain = stage(SrtpUse::Require);
    plain.dial();
    plain.answer(&Method::INVITE, 200, &[], Some(SDP));
    assert!(!plain.was_answered());
    assert_eq!(plain.requests(&Method::BYE).len(), 1);
    assert_eq!(plain.count(Count::SdpFaults), 1);
}
