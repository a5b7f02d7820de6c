//! When a busy agent is likely free: learned lengths of conversations and wrap-ups of one campaign, and how often an agent does not
//! come back after one. Answers by how long somebody has been at it already; knows no agent.

use super::kept::{WorkKept, milli, whole};
use super::learned::Lasting;
use super::outlook::{AHEAD, PATIENCE_MAX};

/// Seconds looked ahead, patience included.
pub(super) const REACH: usize = AHEAD + PATIENCE_MAX;
/// Steps of elapsed talk that are told apart: seconds to 32, then 4 s to 128, then 16 s to 512, then all longer ones.
pub(super) const TALK_STEPS: usize = 81;
/// Steps of elapsed wrap-up: seconds.
pub(super) const WRAP_STEPS: usize = 96;

/// By each second from now, the chance of being free.
type FreeBy = [f64; REACH + 1];

/// What outlives the engine.
#[derive(Clone, Debug)]
struct WorkLearned {
    talk: Lasting,
    wrap: Lasting,
    wraps: f64,
    left: f64,
}

/// One campaign's conversations and wrap-ups.
#[derive(Clone, Debug)]
pub(super) struct Work {
    learned: WorkLearned,
    after_talk: Vec<FreeBy>,
    after_wrap: Vec<FreeBy>,
    /// Something was learned that is not in the tables yet.
    is_stale: bool,
}

impl Default for Work {
    fn default() -> Self {
        // A collection floor before anybody has spoken: many short wrong parties, some long talks (mean 88 s), 22 s of wrap-up.
        const TALK: [(f64, f64); 8] = [
            (2.0, 0.0),
            (10.0, 0.15),
            (20.0, 0.32),
            (40.0, 0.55),
            (80.0, 0.72),
            (150.0, 0.85),
            (300.0, 0.95),
            (900.0, 1.0),
        ];
        const WRAP: [(f64, f64); 5] = [
            (4.0, 0.0),
            (10.0, 0.1),
            (20.0, 0.55),
            (30.0, 0.85),
            (60.0, 1.0),
        ];
        Work::from_learned(WorkLearned {
            talk: Lasting::new(&TALK, 20.0, 3_000.0),
            wrap: Lasting::new(&WRAP, 20.0, 3_000.0),
            wraps: 30.0,
            left: 0.5,
        })
    }
}

impl Work {
    fn from_learned(learned: WorkLearned) -> Work {
        let mut work = Work {
            learned,
            after_talk: vec![[0.0; REACH + 1]; TALK_STEPS],
            after_wrap: vec![[0.0; REACH + 1]; WRAP_STEPS],
            is_stale: true,
        };
        work.refresh();
        work
    }

    /// What has been learned; without what lines have cost.
    pub(super) fn kept(&self) -> WorkKept {
        WorkKept {
            talk: self.learned.talk.kept(),
            wrap: self.learned.wrap.kept(),
            wraps_milli: milli(self.learned.wraps),
            left_milli: milli(self.learned.left),
            ..WorkKept::default()
        }
    }

    /// Goes on from it, as far as it has this engine's form.
    pub(super) fn take(&mut self, kept: &WorkKept) {
        self.is_stale = true;
        self.learned.talk.take(&kept.talk);
        self.learned.wrap.take(&kept.wrap);
        // Fading by a thousandth, they are never more than a thousand.
        if (1..=1_001_000).contains(&kept.wraps_milli) && kept.left_milli <= kept.wraps_milli {
            self.learned.wraps = whole(kept.wraps_milli);
            self.learned.left = whole(kept.left_milli);
        }
        self.refresh();
    }

    pub(super) fn talked(&mut self, seconds: f64) {
        self.learned.talk.add(seconds);
        self.is_stale = true;
    }

    pub(super) fn wrapped(&mut self, seconds: f64, leaves: bool) {
        const KEEP: f64 = 0.999;
        self.learned.wrap.add(seconds);
        self.is_stale = true;
        self.learned.wraps = self.learned.wraps * KEEP + 1.0;
        self.learned.left = self.learned.left * KEEP + f64::from(u8::from(leaves));
    }

    /// Mean seconds of a conversation with its wrap-up.
    pub(super) fn handle_s(&self) -> f64 {
        self.learned.talk.mean_s() + self.learned.wrap.mean_s()
    }

    /// Takes what was learned into the tables.
    pub(super) fn refresh(&mut self) {
        if !std::mem::replace(&mut self.is_stale, false) {
            return;
        }
        let WorkLearned {
            talk,
            wrap,
            wraps,
            left,
        } = &mut self.learned;
        talk.refresh();
        wrap.refresh();
        let returns = 1.0 - *left / *wraps;
        for (step, by) in self.after_wrap.iter_mut().enumerate() {
            let elapsed = step as f64 + 0.5;
            let still = wrap.longer(elapsed);
            for (second, chance) in by.iter_mut().enumerate() {
                *chance = returns * (1.0 - wrap.longer(elapsed + second as f64) / still);
            }
        }
        // The wrap-up of a talk that ends within a second begins in its middle.
        let wrapped_by: FreeBy = std::array::from_fn(|second| {
            returns * (1.0 - wrap.longer((second as f64 - 0.5).max(0.0)))
        });
        for (step, by) in self.after_talk.iter_mut().enumerate() {
            let elapsed = talk_elapsed(step);
            let still = talk.longer(elapsed);
            let ends: FreeBy = std::array::from_fn(|second| {
                let from = elapsed + second as f64;
                (talk.longer(from) - talk.longer(from + 1.0)) / still
            });
            for (second, chance) in by.iter_mut().enumerate() {
                *chance = (0..second)
                    .map(|end| ends[end] * wrapped_by[second - end])
                    .sum();
            }
        }
    }

    pub(super) fn after_talk(&self, step: usize) -> &FreeBy {
        &self.after_talk[step.min(TALK_STEPS - 1)]
    }

    pub(super) fn after_wrap(&self, step: usize) -> &FreeBy {
        &self.after_wrap[step.min(WRAP_STEPS - 1)]
    }
}

/// The step of so many seconds of talk.
pub(super) fn talk_step(elapsed_s: f64) -> usize {
    let elapsed = elapsed_s.max(0.0);
    if elapsed < 32.0 {
        elapsed as usize
    } else if elapsed < 128.0 {
        32 + ((elapsed - 32.0) / 4.0) as usize
    } else if elapsed < 512.0 {
        56 + ((elapsed - 128.0) / 16.0) as usize
    } else {
        TALK_STEPS - 1
    }
}

/// The middle of a step, in seconds.
fn talk_elapsed(step: usize) -> f64 {
    match step {
        0..32 => step as f64 + 0.5,
        32..56 => 34.0 + (step - 32) as f64 * 4.0,
        56..80 => 136.0 + (step - 56) as f64 * 16.0,
        _ => 600.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_elapsed_time_has_its_step() {
        for tenth in 0..7_000 {
            let elapsed = f64::from(tenth) / 10.0;
            let middle = talk_elapsed(talk_step(elapsed));
            assert!(
                (middle - elapsed).abs() <= 8.1 || elapsed >= 504.0,
                "{elapsed} {middle}"
            );
        }
    }

    #[test]
    fn agents_come_free_in_time_and_those_who_leave_do_not() {
        let mut work = Work::default();
        for _ in 0..2_000 {
            work.talked(60.0);
            work.wrapped(20.0, false);
        }
        work.refresh();
        assert!(work.after_wrap(19)[3] > 0.9);
        assert!(work.after_talk(talk_step(57.0))[30] > 0.8);
        assert!(work.after_talk(talk_step(10.0))[25] < 0.1);
        for _ in 0..3_000 {
            work.wrapped(20.0, true);
        }
        work.refresh();
        assert!(work.after_wrap(19)[3] < 0.1);
    }
}
