//! RTCP: a compound packet is read whole or not at all, and what a leg believes of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::time::{Mono, UnixMs};
use tandem::wire::media::reports::Reports;
use tandem::wire::media::rtcp::{Item, read};

fuzz_target!(|datagrams: Vec<Vec<u8>>| {
    let mut reports = Reports::new(Mono::default(), [7; 16]);
    for (n, datagram) in datagrams.iter().enumerate() {
        let mut told = 0;
        let read = read(datagram, |item| {
            told += 1;
            if let Item::Name(_, name) = item {
                assert!(name.len() <= 255);
            }
        });
        assert!(read.is_ok() || told == 0);
        let now = Mono::from_millis(n as u64 * 20);
        let taken = reports.receive(datagram, 7, now, UnixMs(1_795_429_262_331));
        assert_eq!(taken, read);
    }
});
