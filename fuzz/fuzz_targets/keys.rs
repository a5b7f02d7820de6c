//! Keys (RFC 4733): no payload reports more keys than it has room for; what we send is heard as it was pressed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::wire::media::keys::{KeyReceiver, KeySender};

fuzz_target!(|input: (Vec<(u32, u32, Vec<u8>)>, String)| {
    let (packets, letters) = input;
    let mut receiver = KeyReceiver::default();
    for (ssrc, timestamp, payload) in &packets {
        let mut keys = 0;
        receiver.receive(*ssrc, *timestamp, payload, |_| keys += 1);
        assert!(keys <= payload.len() / 4);
    }
    let mut sender = KeySender::default();
    if sender.press(&letters).is_err() {
        return;
    }
    let mut receiver = KeyReceiver::default();
    let mut heard = String::new();
    let mut frame = 0_u32;
    while sender.is_busy() {
        if let Some(event) = sender.frame() {
            let begin = frame.wrapping_sub(event.age_frames).wrapping_mul(160);
            receiver.receive(1, begin, &event.payload, |key| heard.push(key.letter()));
        }
        frame += 1;
    }
    let pressed = letters.to_ascii_uppercase().replace(',', "");
    assert_eq!(heard, pressed);
});
