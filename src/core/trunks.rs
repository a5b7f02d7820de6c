//! Trunks: which one takes the next call. Owns channels, calls per second, breakers; never sends.

use crate::core::picture::TrunkPicture;
use crate::core::settings::{FloorSettings, TrunkSettings};
use crate::ids::TrunkId;
use crate::time::Mono;
use std::time::Duration;

/// A token bucket: `rate` per second on average, at most a fifth of a second's worth (at least one) at once.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    rate: u32,
    /// In millionths of a token.
    level: u64,
    filled: Mono,
}

impl Bucket {
    pub(crate) fn new(rate: u32) -> Self {
        let mut bucket = Bucket {
            rate,
            level: 0,
            filled: Mono(0),
        };
        bucket.level = bucket.capacity();
        bucket
    }
    /// Another rate; what is in the bucket stays, up to the new bound.
    pub(crate) fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
        self.level = self.level.min(self.capacity());
    }
    fn capacity(&self) -> u64 {
        (u64::from(self.rate) * 200_000).max(1_000_000)
    }
    /// Whether a token is there.
    pub(crate) fn has(&mut self, now: Mono) -> bool {
        // One microsecond at `rate` per second is `rate` millionths of a token.
        let gained = (now.0.saturating_sub(self.filled.0)).saturating_mul(u64::from(self.rate));
        self.level = self.level.saturating_add(gained).min(self.capacity());
        self.filled = self.filled.max(now);
        self.level >= 1_000_000
    }
    /// Takes a token that [`Bucket::has`] has seen.
    pub(crate) fn take(&mut self) {
        self.level = self.level.saturating_sub(1_000_000);
    }
}

/// Keeps calls away from a trunk that fails all of them. Our own outage says nothing about the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaker {
    Closed {
        failures: u32,
    },
    Open {
        until: Mono,
    },
    /// One call at a time, until one of them gets an answer that is not the trunk's own failure.
    Probing {
        in_air: u32,
    },
}

#[derive(Debug)]
struct Trunk {
    settings: TrunkSettings,
    up: bool,
    /// Not in the configuration any more: no call starts on it.
    closed: bool,
    in_use: u32,
    bucket: Bucket,
    breaker: Breaker,
    /// Retry-After of a 503.
    quiet_until: Mono,
}

/// All trunks of the floor.
#[derive(Debug)]
pub(crate) struct Trunks {
    trunks: Vec<Trunk>,
    breaker_failures: u32,
    breaker_wait: Duration,
}

/// Why no trunk takes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoTrunk {
    /// None is up with a free channel.
    Unavailable,
    /// Those that are have used their calls per second.
    Cps,
}

impl Trunks {
    pub(crate) fn new(settings: &[TrunkSettings], floor: &FloorSettings) -> Self {
        let mut trunks = Trunks {
            trunks: Vec::new(),
            breaker_failures: floor.breaker_failures.max(1),
            breaker_wait: floor.breaker_wait,
        };
        for trunk in settings {
            trunks.add(trunk.clone());
        }
        trunks
    }

    fn add(&mut self, settings: TrunkSettings) {
        let bucket = Bucket::new(settings.cps_max);
        self.trunks.push(Trunk {
            settings,
            up: false,
            closed: false,
            in_use: 0,
            bucket,
            breaker: Breaker::Closed { failures: 0 },
            quiet_until: Mono(0),
        });
    }

    /// Another patience with failures. A breaker that is open stays so until its time.
    pub(crate) fn set_breaker(&mut self, floor: &FloorSettings) {
        self.breaker_failures = floor.breaker_failures.max(1);
        self.breaker_wait = floor.breaker_wait;
    }

    /// No call starts on it until [`Trunks::set`] opens it again; those on it go on.
    pub(crate) fn close(&mut self, id: TrunkId) {
        if let Some(trunk) = self.trunks.get_mut(usize::from(id.0)) {
            trunk.closed = true;
        }
    }

    /// New limits, or a new trunk if the id is the next one.
    pub(crate) fn set(&mut self, id: TrunkId, settings: TrunkSettings) {
        let number = usize::from(id.0);
        if let Some(trunk) = self.trunks.get_mut(number) {
            trunk.bucket.set_rate(settings.cps_max);
            trunk.settings = settings;
            trunk.closed = false;
        } else if number == self.trunks.len() {
            self.add(settings);
        }
    }

    pub(crate) fn set_up(&mut self, id: TrunkId, up: bool) {
        if let Some(trunk) = self.trunks.get_mut(usize::from(id.0)) {
            trunk.up = up;
        }
    }

    /// The trunk for the next call: lowest priority number first, then most free channels. `listed`: only these, empty: all.
    pub(crate) fn choose(
        &mut self,
        now: Mono,
        listed: &[TrunkId],
        tried: &[TrunkId],
    ) -> Result<TrunkId, NoTrunk> {
        let mut best: Option<(u16, std::cmp::Reverse<u32>, usize)> = None;
        let mut cps_bound = false;
        for (number, trunk) in self.trunks.iter_mut().enumerate() {
            let id = TrunkId(number as u16);
            if (!listed.is_empty() && !listed.contains(&id)) || tried.contains(&id) {
                continue;
            }
            if trunk.closed
                || !trunk.up
                || trunk.in_use >= trunk.settings.channels_max
                || now < trunk.quiet_until
            {
                continue;
            }
            match trunk.breaker {
                Breaker::Open { until } if now < until => continue,
                Breaker::Open { .. } => trunk.breaker = Breaker::Probing { in_air: 0 },
                Breaker::Probing { in_air } if in_air > 0 => continue,
                Breaker::Probing { .. } | Breaker::Closed { .. } => {}
            }
            if !trunk.bucket.has(now) {
                cps_bound = true;
                continue;
            }
            let free = trunk.settings.channels_max - trunk.in_use;
            let key = (trunk.settings.priority, std::cmp::Reverse(free), number);
            if best.is_none_or(|chosen| key < chosen) {
                best = Some(key);
            }
        }
        match best {
            Some((_, _, number)) => Ok(TrunkId(number as u16)),
            None if cps_bound => Err(NoTrunk::Cps),
            None => Err(NoTrunk::Unavailable),
        }
    }

    /// Whether an INVITE may go there this instant: up, open, not asked to be left alone, its breaker not open.
    pub(crate) fn is_usable(&self, id: TrunkId, now: Mono) -> bool {
        self.trunks.get(usize::from(id.0)).is_some_and(|trunk| {
            trunk.up
                && !trunk.closed
                && now >= trunk.quiet_until
                && !matches!(trunk.breaker, Breaker::Open { until } if now < until)
        })
    }

    /// A call starts on a trunk that [`Trunks::choose`] gave.
    pub(crate) fn take(&mut self, id: TrunkId) {
        if let Some(trunk) = self.trunks.get_mut(usize::from(id.0)) {
            trunk.in_use += 1;
            trunk.bucket.take();
            if let Breaker::Probing { in_air } = &mut trunk.breaker {
                *in_air += 1;
            }
        }
    }

    /// Trunks there are, closed ones included.
    pub(crate) fn count(&self) -> usize {
        self.trunks.len()
    }

    /// Somebody calls us over a trunk: a leg on it, whatever its limits and its breaker say.
    pub(crate) fn take_in(&mut self, id: TrunkId) {
        if let Some(trunk) = self.trunks.get_mut(usize::from(id.0)) {
            trunk.in_use += 1;
        }
    }

    /// A leg is over.
    pub(crate) fn release(&mut self, id: TrunkId) {
        if let Some(trunk) = self.trunks.get_mut(usize::from(id.0)) {
            trunk.in_use = trunk.in_use.saturating_sub(1);
            if let Breaker::Probing { in_air } = &mut trunk.breaker {
                *in_air = in_air.saturating_sub(1);
            }
        }
    }

    /// The trunk brought a call to a phone, or an answer about one.
    pub(crate) fn worked(&mut self, id: TrunkId) {
        if let Some(trunk) = self.trunks.get_mut(usize::from(id.0)) {
            trunk.breaker = Breaker::Closed { failures: 0 };
        }
    }

    /// The trunk itself failed a call.
    pub(crate) fn failed(&mut self, id: TrunkId, now: Mono, retry_after_s: Option<u32>) {
        let (limit, wait) = (self.breaker_failures, self.breaker_wait);
        let Some(trunk) = self.trunks.get_mut(usize::from(id.0)) else {
            return;
        };
        if let Some(seconds) = retry_after_s {
            // RFC 3261 s.20.33; an hour at most, so that a typing error at the carrier does not end the day.
            trunk.quiet_until = trunk
                .quiet_until
                .max(now + Duration::from_secs(u64::from(seconds.min(3_600))));
        }
        trunk.breaker = match trunk.breaker {
            Breaker::Closed { failures } if failures + 1 < limit => Breaker::Closed {
                failures: failures + 1,
            },
            Breaker::Open { until } if now < until => Breaker::Open { until },
            Breaker::Closed { .. } | Breaker::Probing { .. } | Breaker::Open { .. } => {
                Breaker::Open { until: now + wait }
            }
        };
    }

    pub(crate) fn failover_on_silence(&self, id: TrunkId) -> bool {
        self.trunks
            .get(usize::from(id.0))
            .is_some_and(|trunk| trunk.settings.failover_on_silence)
    }

    /// All of them at `now`, for the picture and `invariants`.
    pub(crate) fn each(&self, now: Mono) -> impl Iterator<Item = TrunkPicture> {
        self.trunks.iter().map(move |trunk| TrunkPicture {
            name: trunk.settings.name.clone(),
            up: trunk.up,
            closed: trunk.closed,
            breaker_open: matches!(trunk.breaker, Breaker::Open { until } if now < until),
            in_use: trunk.in_use,
            channels_max: trunk.settings.channels_max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunks(settings: &[(u16, u32, u32)]) -> Trunks {
        let settings: Vec<TrunkSettings> = settings
            .iter()
            .enumerate()
            .map(|(n, (priority, channels_max, cps_max))| TrunkSettings {
                name: format!("t{n}"),
                channels_max: *channels_max,
                cps_max: *cps_max,
                priority: *priority,
                failover_on_silence: false,
            })
            .collect();
        let mut trunks = Trunks::new(&settings, &FloorSettings::default());
        for n in 0..settings.len() {
            trunks.set_up(TrunkId(n as u16), true);
        }
        trunks
    }

    #[test]
    fn the_first_priority_is_used_until_its_channels_are_full() {
        let mut trunks = trunks(&[(2, 10, 100), (1, 2, 100)]);
        for want in [1, 1, 0] {
            let chosen = trunks.choose(Mono(1), &[], &[]);
            assert_eq!(chosen, Ok(TrunkId(want)));
            trunks.take(TrunkId(want));
        }
    }

    #[test]
    fn calls_per_second_bind_and_come_back_with_time() {
        let mut trunks = trunks(&[(1, 100, 10)]);
        let mut started = 0;
        for millis in 0..=1_000 {
            while trunks.choose(Mono::from_millis(millis), &[], &[]).is_ok() {
                trunks.take(TrunkId(0));
                started += 1;
            }
        }
        assert!(
            (10..=12).contains(&started),
            "{started} calls in a second at 10 per second"
        );
        assert_eq!(
            trunks.choose(Mono::from_millis(1_000), &[], &[]),
            Err(NoTrunk::Cps)
        );
    }

    #[test]
    fn five_failures_open_the_breaker_and_one_probe_closes_it() {
        let mut trunks = trunks(&[(1, 100, 1_000)]);
        for _ in 0..5 {
            trunks.failed(TrunkId(0), Mono::from_secs(1), None);
        }
        assert_eq!(
            trunks.choose(Mono::from_secs(3), &[], &[]),
            Err(NoTrunk::Unavailable)
        );
        assert_eq!(trunks.choose(Mono::from_secs(4), &[], &[]), Ok(TrunkId(0)));
        trunks.take(TrunkId(0));
        assert_eq!(
            trunks.choose(Mono::from_secs(4), &[], &[]),
            Err(NoTrunk::Unavailable),
            "one probe at a time"
        );
        trunks.worked(TrunkId(0));
        assert_eq!(trunks.choose(Mono::from_secs(4), &[], &[]), Ok(TrunkId(0)));
    }

    #[test]
    fn a_closed_trunk_takes_no_call_until_it_is_opened_again() {
        let mut trunks = trunks(&[(1, 100, 1_000), (2, 100, 1_000)]);
        trunks.close(TrunkId(0));
        assert_eq!(trunks.choose(Mono(1), &[], &[]), Ok(TrunkId(1)));
        assert!(!trunks.is_usable(TrunkId(0), Mono(1)));
        assert_eq!(
            trunks.choose(Mono(1), &[TrunkId(0)], &[]),
            Err(NoTrunk::Unavailable)
        );
        let again = trunks.trunks[0].settings.clone();
        trunks.set(TrunkId(0), again);
        assert_eq!(trunks.choose(Mono(1), &[], &[]), Ok(TrunkId(0)));
    }

    #[test]
    fn retry_after_keeps_calls_away_for_its_time() {
        let mut trunks = trunks(&[(1, 100, 1_000)]);
        trunks.failed(TrunkId(0), Mono::from_secs(1), Some(30));
        assert_eq!(
            trunks.choose(Mono::from_secs(30), &[], &[]),
            Err(NoTrunk::Unavailable)
        );
        assert_eq!(trunks.choose(Mono::from_secs(31), &[], &[]), Ok(TrunkId(0)));
    }
}
