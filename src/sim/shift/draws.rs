//! Draws that belong to a thing, not to a moment: a list position answers alike whoever dials it, and whatever was drawn before.
//!
//! Each purpose has its own stream, so that two policies meet the same people and the same work.

use super::scenario::Spread;
use crate::sim::rng::Rng;

/// What a draw is for. The number is part of the seed: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What becomes of a call.
    Fate = 1,
    /// How long people talk, and what comes of it.
    Work = 2,
    /// Who pauses, and for how long.
    Pause = 3,
    /// When agents come.
    LogIn = 4,
    /// Which part of the list a position is.
    Segment = 5,
    /// Who goes when part of a group goes.
    Absence = 6,
    /// When leads arrive.
    Arrival = 7,
}

/// The draws of one thing: `whose` is a campaign or a group, `which` a position or an agent.
#[derive(Clone, Debug)]
pub struct Draws(Rng);

impl Draws {
    /// Equal arguments, equal draws.
    pub fn of(seed: u64, purpose: Purpose, whose: u64, which: u64) -> Self {
        let mut mix = Rng::new(seed ^ (purpose as u64).wrapping_mul(0xd6e8_feb8_6659_fd93));
        let mut mix = Rng::new(mix.bits() ^ whose.wrapping_mul(0xa076_1d64_78bd_642f));
        Draws(Rng::new(
            mix.bits() ^ which.wrapping_mul(0xe703_7ed1_a0b4_28db),
        ))
    }

    /// Evenly in 0..1, never 1.
    pub fn even(&mut self) -> f64 {
        (self.0.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly between two bounds.
    pub fn between(&mut self, (from, to): (f64, f64)) -> f64 {
        from + (to - from) * self.even()
    }

    /// True with this chance.
    pub fn chance(&mut self, chance: f64) -> bool {
        self.even() < chance
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.even()).ln()
    }

    /// From a spread.
    pub fn of_spread(&mut self, spread: Spread) -> f64 {
        // Drawn in any case, so that what follows does not hang on it.
        let (radius, angle) = (1.0 - self.even(), self.even());
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        if spread.cv <= 0.0 {
            return spread.mean_s;
        }
        let variance = (1.0 + spread.cv * spread.cv).ln();
        spread.mean_s * (variance.sqrt() * normal - variance / 2.0).exp()
    }

    /// From a spread, drawn again until it is at most `most`. After many draws in vain: `most`.
    pub fn at_most(&mut self, spread: Spread, most: f64) -> f64 {
        for _ in 0..64 {
            let draw = self.of_spread(spread);
            if draw <= most {
                return draw;
            }
        }
        most
    }
}
