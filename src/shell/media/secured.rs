//! A leg's SRTP with keys that signalling agreed on (SDES, RFC 4568). Once a leg has keys, nothing in the clear passes either way.

use super::counters::{Counters, count};
use crate::wire::media::srtp::{Opener, Sealer, SrtpFault, SrtpKeys};

/// Both directions.
#[derive(Debug)]
pub(super) struct Secured {
    keys: SrtpKeys,
    sealer: Sealer,
    opener: Opener,
}

impl Secured {
    /// From the keys of both descriptions.
    pub fn new(keys: SrtpKeys) -> Result<Self, SrtpFault> {
        Ok(Secured {
            sealer: Sealer::new(keys.our_suite, &keys.ours)?,
            opener: Opener::new(keys.their_suite, &keys.theirs)?,
            keys,
        })
    }

    /// Whether these are its keys: a description that is said again must not begin the counters anew.
    pub fn has(&self, keys: &SrtpKeys) -> bool {
        self.keys == *keys
    }

    /// Opens a packet where it lies; its length, or `None` where it is forged, replayed or in the clear.
    pub fn open(&mut self, packet: &mut [u8], control: bool, counters: &Counters) -> Option<usize> {
        let opened = if control {
            self.opener.open_control(packet)
        } else {
            self.opener.open(packet)
        };
        if opened.is_err() {
            count(&counters.forged_packets, 1);
        }
        opened.ok()
    }

    /// Seals a packet; `false`: it must not be sent.
    pub fn seal(&mut self, packet: &mut Vec<u8>, control: bool) -> bool {
        if control {
            self.sealer.seal_control(packet).is_ok()
        } else {
            self.sealer.seal(packet).is_ok()
        }
    }
}
