//! One number for a whole run: FNV-1a over every effect and its time. Equal runs, equal numbers, on every platform of one word size.
//! Shared by the simulator and the replay log.

use crate::time::Now;
use std::hash::{Hash, Hasher};

/// The running hash.
#[derive(Clone, Debug)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Trace(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// Takes in one effect.
    pub fn add(&mut self, now: Now, effect: &impl Hash) {
        now.mono.hash(self);
        effect.hash(self);
    }
    /// The hash so far.
    pub const fn value(&self) -> u64 {
        self.0
    }
}

impl Hasher for Trace {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
