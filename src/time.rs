//! The two clocks, kept apart by type: `Mono` for waiting, `UnixMs` for calling hours and records.
//!
//! Nothing here reads a clock: the shells do, and hand a [`Now`] down.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant of the monotonic clock, in microseconds since an origin chosen by the shell (the engine's start).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Mono(pub u64);

impl Mono {
    /// `seconds` after the origin.
    pub const fn from_secs(seconds: u64) -> Self {
        Mono(seconds * 1_000_000)
    }
    /// `millis` after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Mono(millis * 1_000)
    }
    /// Time from `earlier` to `self`; zero if `earlier` is later.
    pub const fn since(self, earlier: Mono) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, wait: Duration) -> Mono {
        Mono(
            self.0
                .saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Mono> for Mono {
    type Output = Duration;
    fn sub(self, earlier: Mono) -> Duration {
        self.since(earlier)
    }
}

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl Add<Duration> for UnixMs {
    type Output = UnixMs;
    fn add(self, wait: Duration) -> UnixMs {
        UnixMs(
            self.0
                .saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

/// What both clocks said when an input was taken up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// For deadlines and durations.
    pub mono: Mono,
    /// For calling hours and records only.
    pub unix: UnixMs,
}

impl Now {
    /// The wall-clock time of a monotonic instant near this `Now` (used to date an event that was noticed a little earlier).
    pub fn unix_of(&self, at: Mono) -> UnixMs {
        let back = self.mono.since(at).as_millis() as i64;
        let ahead = at.since(self.mono).as_millis() as i64;
        UnixMs(self.unix.0 - back + ahead)
    }
}
