//! RTP: a datagram is read, counted by the reception of a stream, and passed on by the other leg's stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::time::Mono;
use tandem::wire::media::outgoing::Outgoing;
use tandem::wire::media::reception::Reception;
use tandem::wire::media::rtp::RtpPacket;

fuzz_target!(|datagrams: Vec<(u16, Vec<u8>)>| {
    let mut reception = Reception::default();
    let mut stream = Outgoing::new([7; 10]);
    let mut now = Mono::default();
    let mut out = Vec::new();
    for (wait_ms, datagram) in &datagrams {
        now = Mono(now.0 + u64::from(*wait_ms) * 1_000);
        let Ok(packet) = RtpPacket::parse(datagram) else {
            continue;
        };
        assert!(packet.payload.len() <= datagram.len());
        reception.receive(&packet, now);
        if let Some(numbers) = stream.pass_on(&packet, now) {
            stream.write(numbers, packet.payload_type, packet.payload, &mut out);
            let sent = RtpPacket::parse(&out).expect("what we send can be read");
            assert_eq!(sent.payload, packet.payload);
        }
    }
    let report = reception.report();
    assert!(report.duplicates + report.out_of_order + report.strays <= report.packets);
});
