//! SRTP and SRTCP: nothing that was not sealed with the key is opened, and a refused packet is left as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::wire::media::srtp::{MasterKey, Opener, Sealer, Suite};

fuzz_target!(|input: (bool, Vec<(bool, Vec<u8>)>)| {
    let (short, packets) = input;
    let suite = if short { Suite::Sha1Tag32 } else { Suite::Sha1Tag80 };
    let key = MasterKey::new([0x5A; 30]);
    let mut opener = Opener::new(suite, &key).expect("keys are derived");
    let mut sealer = Sealer::new(suite, &key).expect("keys are derived");
    for (control, packet) in packets {
        let mut forged = packet.clone();
        let opened = if control {
            opener.open_control(&mut forged)
        } else {
            opener.open(&mut forged)
        };
        // A tag of 32 bits can be met by chance once in four thousand million.
        assert!(opened.is_err());
        assert_eq!(forged, packet);
        let mut ours = packet.clone();
        let sealed = if control {
            sealer.seal_control(&mut ours)
        } else {
            sealer.seal(&mut ours)
        };
        if sealed.is_err() {
            assert!(ours.len() <= packet.len());
        }
    }
});
