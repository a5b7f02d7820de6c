//! Whose packets belong to a call, and where ours may go (design.md section 5; reliability.md S8, S9, S33).
//!
//! Signalling names an address; it counts only inside the trunk's ranges. The first RTP packet from that host, or from
//! within the ranges, fixes the source for good: nobody can take the stream over later by sending to the port.

use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The far side of one leg's RTP.
#[derive(Clone, Debug, Default)]
pub struct Latch {
    /// As signalled, inside the ranges.
    signalled: Option<SocketAddr>,
    /// As seen.
    latched: Option<SocketAddr>,
}

impl Latch {
    /// Signalling named an address. Returns whether it is one that we may send to; outside `ranges` it is forgotten.
    ///
    /// The same address again changes nothing (a 200 repeats the 183's SDP); another one is the far side's re-INVITE, and
    /// the latch is set anew.
    pub fn signal(&mut self, address: SocketAddr, ranges: &[IpNet]) -> bool {
        let address = canonical(address);
        let usable = is_within(address.ip(), ranges) && address.port() != 0;
        if self.signalled != Some(address) {
            self.latched = None;
            self.signalled = usable.then_some(address);
        }
        usable
    }

    /// Whether a valid RTP packet from `source` belongs to this leg; the first one that does fixes the source.
    pub fn admits(&mut self, source: SocketAddr, ranges: &[IpNet]) -> bool {
        let source = canonical(source);
        match (self.latched, self.signalled) {
            (Some(latched), _) => latched == source,
            // Before any SDP nobody is known: on a shared port range the packet may belong to an earlier call.
            (None, None) => false,
            (None, Some(signalled)) => {
                let belongs = source.ip() == signalled.ip() || is_within(source.ip(), ranges);
                if belongs {
                    self.latched = Some(source);
                }
                belongs
            }
        }
    }

    /// Whether this source is the one that is fixed already. Never fixes one.
    pub fn is_latched(&self, source: SocketAddr) -> bool {
        self.latched == Some(canonical(source))
    }

    /// Where our packets go: the latched source, before that the signalled address. `None`: nowhere.
    pub fn target(&self) -> Option<SocketAddr> {
        self.latched.or(self.signalled)
    }

    /// The far side as last signalled.
    pub const fn signalled(&self) -> Option<SocketAddr> {
        self.signalled
    }
}

fn is_within(address: IpAddr, ranges: &[IpNet]) -> bool {
    ranges.iter().any(|range| range.contains(&address))
}

/// An IPv4 address in IPv6 clothes is the IPv4 address: both forms occur on one dual-stack socket.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }
    fn ranges() -> Vec<IpNet> {
        vec!["192.0.2.0/24".parse().unwrap()]
    }

    #[test]
    fn the_first_packet_within_the_ranges_fixes_the_source_for_good() {
        let mut latch = Latch::default();
        assert!(latch.signal(at("192.0.2.10:4000"), &ranges()));
        assert_eq!(latch.target(), Some(at("192.0.2.10:4000")));
        // Another media gateway of the same carrier, as carriers do.
        assert!(latch.admits(at("192.0.2.77:9000"), &ranges()));
        assert_eq!(latch.target(), Some(at("192.0.2.77:9000")));
        assert!(!latch.admits(at("192.0.2.10:4000"), &ranges()));
        assert!(!latch.admits(at("192.0.2.77:9001"), &ranges()));
    }

    #[test]
    fn a_stranger_is_not_admitted_and_gets_nothing() {
        let mut latch = Latch::default();
        latch.signal(at("192.0.2.10:4000"), &ranges());
        assert!(!latch.admits(at("198.51.100.9:4000"), &ranges()));
        assert_eq!(latch.target(), Some(at("192.0.2.10:4000")));
    }

    #[test]
    fn nobody_is_admitted_before_signalling_names_somebody() {
        let mut latch = Latch::default();
        assert!(!latch.admits(at("192.0.2.10:4000"), &ranges()));
        assert_eq!(latch.target(), None);
    }

    #[test]
    fn an_sdp_that_points_outside_the_ranges_gets_nothing() {
        let mut latch = Latch::default();
        assert!(!latch.signal(at("203.0.113.5:4000"), &ranges()));
        assert_eq!(latch.target(), None);
        assert!(!latch.admits(at("203.0.113.5:4000"), &ranges()));
    }

    #[test]
    fn the_same_address_again_keeps_the_latch_and_a_new_one_resets_it() {
        let mut latch = Latch::default();
        latch.signal(at("192.0.2.10:4000"), &ranges());
        latch.admits(at("192.0.2.10:4002"), &ranges());
        latch.signal(at("192.0.2.10:4000"), &ranges());
        assert_eq!(latch.target(), Some(at("192.0.2.10:4002")));
        latch.signal(at("192.0.2.20:5000"), &ranges());
        assert_eq!(latch.target(), Some(at("192.0.2.20:5000")));
        assert!(latch.admits(at("[::ffff:192.0.2.20]:5000"), &ranges()));
    }
}
