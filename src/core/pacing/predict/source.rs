//! How likely the leads of one stream are picked up, and by a person. Estimated by exposure: each cohort of lines that were
//! dialled together expects the pick-ups that its age has made possible.
//!
//! Counting only what is resolved would be biased (answers resolve in half the time that ringing out takes), and our own trunk's
//! failures say nothing about a list: they leave the count.

use super::kept::{AnswersKept, milli, whole};
use super::learned::Spread;
use crate::time::Mono;
use std::collections::VecDeque;

/// Lines dialled within this time are one cohort.
const COHORT_S: f64 = 0.25;
/// Far more than are dialled within [`OLD_S`]: a bound where nobody asks for estimates, because no campaign dials by them.
const COHORTS_MAX: usize = 4_096;
/// Lines that the long and the short memory hold at least.
const LONG: f64 = 1_500.0;
const SHORT: f64 = 200.0;
/// Older lines tell nothing more.
pub(super) const OLD_S: f64 = 40.0;
/// More lines than any memory holds, in thousandths: what was kept so is no figure of ours.
const LINES_MILLI_MAX: u64 = 1_000_000_000_000;
/// Standard errors between the long and the short memory at which the long one is given up.
const JUMP: f64 = 3.2;

/// A line in the air, as the model knows it. Hand it back with whatever becomes of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The stream that its lead came from.
    pub(super) source: usize,
    pub(super) cohort: u64,
    pub(super) dialled: Mono,
}

impl Line {
    /// Seconds since it was dialled, to the quarter.
    pub fn age_s(&self, now: Mono) -> f64 {
        now.since(self.dialled).as_secs_f64()
    }
}

/// Lines dialled together.
#[derive(Clone, Debug)]
pub(super) struct Cohort {
    pub(super) dialled: Mono,
    /// Lines that count: all but those that our trunk failed, and cancelled ones only as far as they rang.
    exposed: f64,
    /// Lines not picked up and not ended.
    pub(super) alive: f64,
    picked_up: f64,
}

/// Pick-ups over lines, fading.
#[derive(Clone, Copy, Debug)]
struct Memory {
    picked_up: f64,
    lines: f64,
}

impl Memory {
    fn kept(self) -> [u64; 2] {
        [milli(self.picked_up), milli(self.lines)]
    }

    /// `None`: that is no memory.
    fn read([picked_up, lines]: [u64; 2]) -> Option<Memory> {
        (lines > 0 && picked_up <= lines && lines < LINES_MILLI_MAX).then(|| Memory {
            picked_up: whole(picked_up),
            lines: whole(lines),
        })
    }

    fn add(&mut self, cohort: &Cohort, size: f64) {
        let keep = (1.0 - cohort.exposed / size).max(0.3);
        self.picked_up = self.picked_up * keep + cohort.picked_up;
        self.lines = self.lines * keep + cohort.exposed;
    }
}

/// What a source has learned, as it outlives the engine.
#[derive(Clone, Copy, Debug)]
struct SourceLearned {
    long: Memory,
    short: Memory,
    verdicts: f64,
    people: f64,
}

impl Default for SourceLearned {
    fn default() -> Self {
        // Thirty of a hundred, believed as much as eight lines: the first minute is careful and soon over.
        let first = Memory {
            picked_up: 2.4,
            lines: 8.0,
        };
        SourceLearned {
            long: first,
            short: first,
            verdicts: 4.0,
            people: 3.0,
        }
    }
}

/// The leads of one stream.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) cohorts: VecDeque<Cohort>,
    /// Number of the first cohort kept.
    first: u64,
    learned: SourceLearned,
    /// Chance that a line is picked up, 0..1.
    pub(super) pick_up: f64,
    /// Square of the relative standard error of `pick_up`.
    pub(super) doubt: f64,
    /// Calls given to agents of each class, fading.
    taken: Vec<f64>,
    /// Lines dialled per second, over a minute.
    pub(super) rate: f64,
    new_lines: f64,
}

impl Default for Source {
    fn default() -> Self {
        Source::from_learned(SourceLearned::default())
    }
}

impl Source {
    fn from_learned(learned: SourceLearned) -> Source {
        Source {
            cohorts: VecDeque::new(),
            first: 0,
            learned,
            pick_up: 0.3,
            doubt: 0.3,
            taken: Vec::new(),
            rate: 0.0,
            new_lines: 0.0,
        }
    }

    pub(super) fn kept(&self) -> AnswersKept {
        AnswersKept {
            long_milli: self.learned.long.kept(),
            short_milli: self.learned.short.kept(),
            people_milli: [milli(self.learned.people), milli(self.learned.verdicts)],
        }
    }

    /// Goes on from what was kept, as far as it can be.
    pub(super) fn take(&mut self, kept: &AnswersKept) {
        if let (Some(long), Some(short)) = (
            Memory::read(kept.long_milli),
            Memory::read(kept.short_milli),
        ) {
            (self.learned.long, self.learned.short) = (long, short);
            self.pick_up = (long.picked_up / long.lines).clamp(0.01, 0.95);
        }
        let [people, verdicts] = kept.people_milli;
        if verdicts > 0 && people <= verdicts && verdicts < LINES_MILLI_MAX {
            (self.learned.people, self.learned.verdicts) = (whole(people), whole(verdicts));
        }
    }

    /// Chance that a pick-up is a person, 0..=1.
    pub(super) fn person(&self) -> f64 {
        self.learned.people / self.learned.verdicts
    }

    /// One of its calls went to an agent of this class.
    pub(super) fn matched(&mut self, class: usize) {
        const KEEP: f64 = 0.995;
        if self.taken.len() <= class {
            self.taken.resize(class + 1, 0.0);
        }
        self.taken.iter_mut().for_each(|taken| *taken *= KEEP);
        self.taken[class] += 1.0;
    }

    /// Share of its calls that go to agents of these classes, 0..=1; little is assumed before it is seen.
    pub(super) fn share_of(&self, classes: &[usize]) -> f64 {
        let all: f64 = self.taken.iter().sum();
        let of = classes.iter().filter_map(|class| self.taken.get(*class));
        of.sum::<f64>() / (all + 5.0)
    }

    /// Chance that a line is answered by a person.
    pub(super) fn answer(&self) -> f64 {
        self.pick_up * self.person()
    }

    pub(super) fn dialled(&mut self, source: usize, at: Mono) -> Line {
        let is_new = self
            .cohorts
            .back()
            .is_none_or(|cohort| at.since(cohort.dialled).as_secs_f64() >= COHORT_S);
        if is_new {
            if self.cohorts.len() >= COHORTS_MAX {
                self.remember_oldest(LONG, SHORT);
            }
            self.cohorts.push_back(Cohort {
                dialled: at,
                exposed: 0.0,
                alive: 0.0,
                picked_up: 0.0,
            });
        }
        self.new_lines += 1.0;
        let number = self.first + self.cohorts.len() as u64 - 1;
        let dialled = self.cohorts.back_mut().map_or(at, |cohort| {
            cohort.exposed += 1.0;
            cohort.alive += 1.0;
            cohort.dialled
        });
        Line {
            source,
            cohort: number,
            dialled,
        }
    }

    fn cohort(&mut self, line: Line) -> Option<&mut Cohort> {
        let place = line.cohort.checked_sub(self.first)?;
        self.cohorts.get_mut(place as usize)
    }

    pub(super) fn picked_up(&mut self, line: Line) {
        if let Some(cohort) = self.cohort(line) {
            cohort.alive -= 1.0;
            cohort.picked_up += 1.0;
        }
    }

    /// Busy, rang out, refused: it was exposed to the end.
    pub(super) fn ended(&mut self, line: Line) {
        if let Some(cohort) = self.cohort(line) {
            cohort.alive -= 1.0;
        }
    }

    /// Our own trunk's failure.
    pub(super) fn void(&mut self, line: Line) {
        if let Some(cohort) = self.cohort(line) {
            cohort.alive -= 1.0;
            cohort.exposed -= 1.0;
        }
    }

    /// Cancelled by us: exposed as long as it rang.
    pub(super) fn cut(&mut self, line: Line, share_seen: f64) {
        if let Some(cohort) = self.cohort(line) {
            cohort.alive -= 1.0;
            cohort.exposed -= 1.0 - share_seen;
        }
    }

    pub(super) fn verdict(&mut self, is_person: bool) {
        const KEEP: f64 = 0.998;
        self.learned.people = self.learned.people * KEEP + f64::from(u8::from(is_person));
        self.learned.verdicts = self.learned.verdicts * KEEP + 1.0;
    }

    fn remember_oldest(&mut self, long_size: f64, short_size: f64) {
        if let Some(cohort) = self.cohorts.pop_front() {
            self.first += 1;
            self.learned.long.add(&cohort, long_size);
            self.learned.short.add(&cohort, short_size);
        }
    }

    /// Estimates anew. `passed_s`: seconds since the last time.
    pub(super) fn estimate(&mut self, now: Mono, passed_s: f64, pick_up: &Spread) {
        let keep = (1.0 - passed_s / 60.0).max(0.0);
        self.rate = self.rate * keep + self.new_lines / 60.0;
        self.new_lines = 0.0;
        // In calls where there are few, in time where there are many: 2,000 agents dial 1,500 lines in six seconds.
        let long_size = (self.rate * 240.0).max(LONG);
        let short_size = (self.rate * 40.0).max(SHORT);
        while self
            .cohorts
            .front()
            .is_some_and(|cohort| now.since(cohort.dialled).as_secs_f64() > OLD_S)
        {
            self.remember_oldest(long_size, short_size);
        }
        let (mut exposed, mut picked_up) = (0.0, 0.0);
        for cohort in &self.cohorts {
            exposed += cohort.exposed * pick_up.share(now.since(cohort.dialled).as_secs_f64());
            picked_up += cohort.picked_up;
        }
        let read = |memory: &Memory| {
            let lines = memory.lines + exposed;
            let chance = ((memory.picked_up + picked_up) / lines).clamp(0.01, 0.95);
            (chance, lines)
        };
        let (long, long_lines) = read(&self.learned.long);
        let (short, short_lines) = read(&self.learned.short);
        let error = (long * (1.0 - long) / short_lines).sqrt();
        let has_changed = short_lines > 60.0 && (short - long).abs() > JUMP * error;
        let (chance, lines) = if has_changed {
            self.learned.long = self.learned.short;
            (short, short_lines)
        } else {
            (long, long_lines)
        };
        self.pick_up = chance;
        self.doubt = (1.0 - chance) / (chance * lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread() -> Spread {
        Spread::new(0.25, 160, &[(4.0, 0.0), (18.0, 1.0)], 1_000.0, 5_000.0)
    }

    /// One line a second; every `one_in`-th is picked up after 11 s, the others ring out after 26.
    fn run(source: &mut Source, from_s: u64, seconds: u64, one_in: u64) {
        let spread = spread();
        let mut lines = VecDeque::new();
        for second in from_s..from_s + seconds {
            let now = Mono::from_secs(second);
            lines.push_back((second, source.dialled(0, now)));
            lines.retain(|(at, line)| {
                let age = second - at;
                let answers = at % one_in == 0;
                if answers && age == 11 {
                    source.picked_up(*line);
                } else if age == 26 {
                    source.ended(*line);
                }
                !(answers && age == 11 || age == 26)
            });
            source.estimate(now, 1.0, &spread);
        }
    }

    #[test]
    fn the_rate_is_that_of_all_lines_and_not_of_those_resolved_so_far() {
        let mut source = Source::default();
        run(&mut source, 0, 3_000, 5);
        assert!((source.pick_up - 0.2).abs() < 0.01, "{}", source.pick_up);
        // Half a minute after the start of a stream the resolved calls alone would say far more than 20 %.
        let mut young = Source::default();
        run(&mut young, 0, 45, 5);
        assert!(young.pick_up < 0.28, "{}", young.pick_up);
    }

    #[test]
    fn failures_of_our_own_trunk_say_nothing_about_the_list() {
        let mut source = Source::default();
        run(&mut source, 0, 2_000, 5);
        let before = source.pick_up;
        let spread = spread();
        for second in 2_000..2_060 {
            let now = Mono::from_secs(second);
            for _ in 0..20 {
                let line = source.dialled(0, now);
                source.void(line);
            }
            source.estimate(now, 1.0, &spread);
        }
        assert!((source.pick_up - before).abs() < 0.02, "{}", source.pick_up);
    }

    #[test]
    fn a_changed_list_is_noticed_within_minutes() {
        let mut source = Source::default();
        run(&mut source, 0, 4_000, 5);
        // At a line a second; a floor of 30 dials several times as many.
        run(&mut source, 4_000, 900, 20);
        assert!(
            (source.pick_up - 1.0 / 20.0).abs() < 0.03,
            "{}",
            source.pick_up
        );
    }
}
