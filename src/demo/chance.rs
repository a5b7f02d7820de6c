//! Seeded chance for the demo's peers: the same seed gives the same people. SplitMix64; good enough for lives, not for secrets.

/// A stream of chance.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A stream from a seed.
    pub const fn new(seed: u64) -> Self {
        Chance(seed)
    }

    /// A stream of its own for (seed, name, count): what happens to one number does not depend on who was called before.
    pub fn of(seed: u64, name: &str, count: u64) -> Self {
        // FNV-1a over the name, then mixed: std's hasher may change between versions, and fates must not.
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        let mut chance =
            Chance(seed ^ hash.rotate_left(17) ^ count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        chance.bits();
        chance
    }

    /// 64 random bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with probability `share`.
    pub fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// 0 up to, not including, `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// `from` up to, not including, `until`.
    pub fn between(&mut self, from: i64, until: i64) -> i64 {
        from + self.below(until.saturating_sub(from).max(0) as u64) as i64
    }

    /// Lognormal with this mean and coefficient of variation (standard deviation / mean).
    pub fn lognormal(&mut self, mean: f64, cv: f64) -> f64 {
        let variance = (1.0 + cv * cv).ln();
        (mean.ln() - variance / 2.0 + variance.sqrt() * self.normal()).exp()
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Standard normal (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (self.unit() * std::f64::consts::TAU).cos()
    }

    /// One of `choices`; `None` if there are none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len() as u64) as usize)
    }

    /// One of `choices` by weight; `None` if all weights are 0.
    pub fn weighted<'a, T>(&mut self, choices: &'a [(u32, T)]) -> Option<&'a T> {
        let total = choices.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut left = self.below(total);
        choices.iter().find_map(|(weight, choice)| {
            if left < u64::from(*weight) {
                return Some(choice);
            }
            left -= u64::from(*weight);
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lognormal_has_the_mean_and_spread_that_were_asked_for() {
        let mut chance = Chance::new(1);
        let times: Vec<_> = (0..100_000).map(|_| chance.lognormal(11.0, 0.5)).collect();
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        let variance = times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / times.len() as f64;
        assert!((10.9..11.1).contains(&mean), "{mean}");
        assert!((0.48..0.52).contains(&(variance.sqrt() / mean)));
        assert!(times.iter().all(|t| *t > 0.0));
    }

    #[test]
    fn one_number_s_chance_does_not_depend_on_others_and_differs_by_count() {
        let mut draws: Vec<_> = (0..50)
            .flat_map(|n| {
                (0..4).map(move |count| Chance::of(7, &format!("+8490000{n:04}"), count).bits())
            })
            .collect();
        assert_eq!(draws[0], Chance::of(7, "+84900000000", 0).bits());
        draws.sort_unstable();
        draws.dedup();
        assert_eq!(draws.len(), 200);
    }

    #[test]
    fn weights_are_kept_and_nothing_is_picked_from_nothing() {
        let mut chance = Chance::new(3);
        let picked = (0..10_000)
            .filter(|_| chance.weighted(&[(1, 'a'), (0, 'b'), (3, 'c')]) == Some(&'c'))
            .count();
        assert!((7_300..7_700).contains(&picked), "{picked}");
        assert_eq!(chance.weighted::<u8>(&[]), None);
        assert_eq!(chance.pick::<u8>(&[]), None);
    }
}
