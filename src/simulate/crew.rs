//! Runs many shifts beside one another, each on a thread of its own. Knows no figure; tells how far all are.

use crate::sim::shift::scenario::Scenario;
use crate::sim::shift::score::Score;
use crate::sim::shift::world::{RunRules, run};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// One shift to be run.
#[derive(Clone, Copy, Debug)]
pub struct Shift<'s> {
    /// The scenario.
    pub scenario: &'s Scenario,
    /// The seed.
    pub seed: u64,
    /// When it ends.
    pub rules: RunRules,
}

/// How far all shifts are.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Shifts that are over.
    pub over: usize,
    /// Of so many.
    pub all: usize,
    /// Share of the work, 0..=1, by agents and minutes.
    pub share: f64,
}

/// Runs all shifts, `jobs` at a time, and gives their scores in their order. `tell` is called several times a second.
pub fn run_all(shifts: &[Shift<'_>], jobs: usize, mut tell: impl FnMut(Progress)) -> Vec<Score> {
    let weight = |shift: &Shift<'_>| u64::from(shift.scenario.agents()) + 20;
    let minutes = |shift: &Shift<'_>| shift.scenario.length.as_secs().div_ceil(60);
    let work: u64 = shifts
        .iter()
        .map(|shift| weight(shift) * minutes(shift))
        .sum();
    let (next, over, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
    let scores: Vec<Mutex<Option<Score>>> = shifts.iter().map(|_| Mutex::new(None)).collect();
    // The longest first: the last one must not begin when all others are over.
    let mut order: Vec<usize> = (0..shifts.len()).collect();
    order.sort_by_key(|number| {
        std::cmp::Reverse(weight(&shifts[*number]) * minutes(&shifts[*number]))
    });
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.clamp(1, shifts.len().max(1)))
            .map(|_| {
                scope.spawn(|| {
                    while let Some(number) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let shift = &shifts[*number];
                        let score = run(shift.scenario, shift.seed, shift.rules, &mut |_| {
                            done.fetch_add(weight(shift), Ordering::Relaxed);
                        });
                        if let Ok(mut place) = scores[*number].lock() {
                            *place = Some(score);
                        }
                        over.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        while !workers.iter().all(|worker| worker.is_finished()) {
            tell(Progress {
                over: over.load(Ordering::Relaxed),
                all: shifts.len(),
                share: done.load(Ordering::Relaxed) as f64 / work.max(1) as f64,
            });
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    scores
        .into_iter()
        .filter_map(|place| place.into_inner().ok().flatten())
        .collect()
}
