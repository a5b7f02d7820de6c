//! What several seeds of one shift say together: means with their 95 % intervals, and the worst of them. Runs nothing.

use super::scenario::Scenario;
use super::score::Score;

/// Student's t for 95 %, two-sided, by degrees of freedom from 1 (NIST/SEMATECH e-Handbook s.1.3.6.7.2).
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// A mean over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Half the 95 % interval; `None` for a single seed.
    pub plus_minus: Option<f64>,
}

impl Mean {
    /// Of these figures; 0 without any.
    pub fn of(figures: &[f64]) -> Mean {
        let count = figures.len();
        if count == 0 {
            return Mean::default();
        }
        let mean = figures.iter().sum::<f64>() / count as f64;
        let plus_minus = (count > 1).then(|| {
            let squares: f64 = figures.iter().map(|one| (one - mean) * (one - mean)).sum();
            let deviation = (squares / (count - 1) as f64).sqrt();
            let student = STUDENT.get(count - 2).copied().unwrap_or(1.96);
            student * deviation / (count as f64).sqrt()
        });
        Mean { mean, plus_minus }
    }
}

/// What the seeds of one shift came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Odds {
    /// Seeds.
    pub seeds: usize,
    /// Share of agents' time at work in conversations and wrap-up.
    pub utilisation: Mean,
    /// Abandoned of all people who were connected or abandoned.
    pub abandonment: Mean,
    /// The same of the worst seed.
    pub abandonment_worst: f64,
    /// The worst rolling hour of any seed.
    pub worst_hour: f64,
    /// Share of shifts in which a campaign's abandonment was above its hard cap.
    pub above_cap: f64,
    /// Seconds from ready to the next call: the mean.
    pub agent_wait_s: Mean,
    /// And what nine of ten are at most.
    pub agent_wait_p90_s: Mean,
    /// Milliseconds that a person who got an agent waited for him, 99 of 100 at most.
    pub person_wait_p99_ms: Mean,
    /// INVITEs per person joined to an agent.
    pub dials_per_connect: Mean,
    /// People joined to an agent, per agent and hour at work.
    pub connects_per_agent_hour: Mean,
    /// People taken for machines, of all people.
    pub people_lost: Mean,
    /// Share of shifts in which all finite lists were finished.
    pub finished: f64,
    /// When, in hours into the shift, of those that were.
    pub finished_h: Mean,
}

impl Odds {
    /// Of these shifts, all of this scenario.
    pub fn of(scenario: &Scenario, scores: &[&Score]) -> Odds {
        let mean = |figure: &dyn Fn(&Score) -> f64| {
            Mean::of(&scores.iter().map(|score| figure(score)).collect::<Vec<_>>())
        };
        let worst =
            |figure: &dyn Fn(&Score) -> f64| scores.iter().map(|s| figure(s)).fold(0.0, f64::max);
        let share = |is: &dyn Fn(&Score) -> bool| {
            scores.iter().filter(|score| is(score)).count() as f64 / scores.len().max(1) as f64
        };
        let finished: Vec<f64> = scores
            .iter()
            .filter_map(|score| score.finished_s)
            .map(|seconds| seconds / 3_600.0)
            .collect();
        Odds {
            seeds: scores.len(),
            utilisation: mean(&Score::utilisation),
            abandonment: mean(&Score::abandonment),
            abandonment_worst: worst(&Score::abandonment),
            worst_hour: worst(&Score::worst_hour),
            above_cap: share(&|score| is_above_cap(scenario, score)),
            agent_wait_s: mean(&|score| score.agent_waits.mean_s()),
            agent_wait_p90_s: mean(&|score| score.agent_waits.quantile_s(0.9)),
            person_wait_p99_ms: mean(&|score| score.person_waits.quantile_s(0.99) * 1_000.0),
            dials_per_connect: mean(&Score::dials_per_connect),
            connects_per_agent_hour: mean(&|score| {
                let total = score.total();
                let hours = (total.talk_s + total.wrap_s + total.idle_s) / 3_600.0;
                if hours > 0.0 {
                    f64::from(total.connected) / hours
                } else {
                    0.0
                }
            }),
            people_lost: mean(&|score| {
                let lost: u64 = score.campaigns.iter().map(|one| one.people_lost).sum();
                let found: u64 = score.campaigns.iter().map(|one| one.people).sum();
                if lost + found > 0 {
                    lost as f64 / (lost + found) as f64
                } else {
                    0.0
                }
            }),
            finished: share(&|score| score.finished_s.is_some()),
            finished_h: Mean::of(&finished),
        }
    }
}

/// Whether any campaign's abandonment was above its hard cap.
pub fn is_above_cap(scenario: &Scenario, score: &Score) -> bool {
    let caps = scenario.campaigns.iter().map(|campaign| campaign.hard_cap);
    score
        .campaigns
        .iter()
        .zip(caps)
        .any(|(tally, cap)| tally.abandonment() > cap)
}
