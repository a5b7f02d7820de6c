//! SDP: a description is read or refused, and our answer to it can be read by ourselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::wire::sip::sdp::{Law, LocalAudio, Sdp, write_answer};

fuzz_target!(|octets: &[u8]| {
    let Ok(offer) = Sdp::parse(octets) else {
        return;
    };
    let local = LocalAudio {
        address: std::net::IpAddr::from([192, 0, 2, 1]),
        port: 40_000,
        session: 7,
        version: 1,
    };
    if let Ok((answer, path)) = write_answer(&offer, &local, &[Law::Mu, Law::A]) {
        let read = Sdp::parse(answer.as_bytes()).expect("our own answer can be read");
        let ours = read.audio_path(&[Law::Mu, Law::A]).expect("it has audio");
        assert_eq!(ours.law, path.law);
    }
});
