//! What becomes of a call in the simulated network: decided from (seed, number, calls to it so far), before it rings.
//!
//! Owns the shares and the times; knows no SIP message. The same seed gives every number the same life.

use crate::demo::chance::Chance;
use crate::wire::media::tones::Sound;
use std::time::Duration;

/// Shares and times of the simulated network. Shares are 0..=1 of all calls and may not exceed 1 together; what is left
/// rings out unanswered.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Behaviour {
    /// Share of calls that a person answers.
    #[arg(long, default_value_t = 0.30, value_parser = share)]
    pub answer_rate: f64,
    /// Share of calls that a machine answers.
    #[arg(long, default_value_t = 0.03, value_parser = share)]
    pub machine_rate: f64,
    /// Share of calls that find the line busy (486).
    #[arg(long, default_value_t = 0.08, value_parser = share)]
    pub busy_rate: f64,
    /// Share of calls that are rejected by hand (603).
    #[arg(long, default_value_t = 0.04, value_parser = share)]
    pub reject_rate: f64,
    /// Share of calls to phones that are off: an announcement in 183, then 480 with Q.850 cause 20.
    #[arg(long, default_value_t = 0.06, value_parser = share)]
    pub unavailable_rate: f64,
    /// Share of calls to numbers that do not exist: an announcement in 183, then 404 with Q.850 cause 1.
    #[arg(long, default_value_t = 0.02, value_parser = share)]
    pub invalid_rate: f64,
    /// Share of calls that the network itself fails (503 with Q.850 cause 34).
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub trunk_failure_rate: f64,
    /// Mean time from INVITE to answer, in seconds; lognormal.
    #[arg(long, default_value_t = 11.0, value_parser = seconds)]
    pub ring_mean_s: f64,
    /// Its coefficient of variation.
    #[arg(long, default_value_t = 0.5, value_parser = seconds)]
    pub ring_cv: f64,
    /// Mean talk time after which a person hangs up, in seconds; lognormal with coefficient of variation 1.2 (domain.md).
    #[arg(long, default_value_t = 120.0, value_parser = seconds)]
    pub talk_mean_s: f64,
    /// Share of answered people who hang up themselves; the others wait for our BYE.
    #[arg(long, default_value_t = 0.4, value_parser = share)]
    pub callee_hangs_up: f64,
    /// Mean time that a person who hears no voice stays on the line, in seconds; exponential. Off unless given: Tandem
    /// sends comfort noise only, so far.
    #[arg(long, value_parser = seconds)]
    pub patience_mean_s: Option<f64>,
    /// Share of ringing calls with ring-back music in 183 instead of a 180 (most mobiles in Vietnam).
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    pub early_media_rate: f64,
    /// All human times are divided by this.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    pub speed: f64,
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value| (0.0..=1.0).contains(value))
        .ok_or_else(|| "a share from 0 to 1".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value| (0.001..=1e6).contains(value))
        .ok_or_else(|| "a number above 0".to_owned())
}

/// Shares that exceed 1 together.
#[derive(Debug, thiserror::Error)]
#[error(
    "the shares of answers, machines, busy, rejected, unavailable, invalid and failed calls are {sum:.2} together; at most 1"
)]
pub struct SharesAboveOne {
    /// Their sum.
    pub sum: f64,
}

/// Who or what a number turns out to be this time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person answers.
    Person,
    /// A machine answers, plays its greeting, records, hangs up.
    Machine,
    /// 486.
    Busy,
    /// 603.
    Rejected,
    /// Announcement, 480.
    Unavailable,
    /// Announcement, 404.
    Invalid,
    /// 503.
    TrunkFailure,
    /// Rings out.
    NoAnswer,
}

/// What happens next, at which time after the INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// 180 without media.
    Ring,
    /// 183 with SDP, and this sound.
    Progress(Sound),
    /// 200.
    Answer,
    /// A final failure with a Q.850 cause.
    Fail {
        /// SIP status.
        status: u16,
        /// Q.850 cause for the Reason header.
        cause: u8,
    },
}

/// The whole life of one call, if nobody interferes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Who or what it is.
    pub kind: Kind,
    /// Steps, by time after the INVITE, ascending. The last one is final.
    pub steps: Vec<(Duration, Step)>,
    /// Time after the answer at which the callee hangs up; `None`: waits for the caller's BYE.
    pub hangs_up_after: Option<Duration>,
    /// Time after the answer at which it hangs up if no voice was heard.
    pub patience: Option<Duration>,
}

impl Behaviour {
    /// Checks that the shares leave room for each other.
    pub fn check(&self) -> Result<(), SharesAboveOne> {
        let sum = self.kinds().iter().map(|(share, _)| share).sum::<f64>();
        if sum > 1.0 + 1e-9 {
            return Err(SharesAboveOne { sum });
        }
        Ok(())
    }

    fn kinds(&self) -> [(f64, Kind); 7] {
        [
            (self.answer_rate, Kind::Person),
            (self.machine_rate, Kind::Machine),
            (self.busy_rate, Kind::Busy),
            (self.reject_rate, Kind::Rejected),
            (self.unavailable_rate, Kind::Unavailable),
            (self.invalid_rate, Kind::Invalid),
            (self.trunk_failure_rate, Kind::TrunkFailure),
        ]
    }

    /// The fate of the `count`-th call (from 0) to `number`.
    pub fn fate(&self, seed: u64, number: &str, count: u64) -> Fate {
        let mut chance = Chance::of(seed, number, count);
        let kind = self.kind(&mut chance);
        let human = |seconds: f64| Duration::from_secs_f64((seconds / self.speed).clamp(0.0, 1e6));
        // The network needs 150-450 ms to find the phone; that is not scaled, it is not human.
        let found = Duration::from_millis(150 + chance.below(300));
        let ring =
            human(chance.lognormal(self.ring_mean_s, self.ring_cv)).max(Duration::from_millis(50));
        let first = if chance.happens(self.early_media_rate) {
            Step::Progress(if chance.happens(0.8) {
                Sound::Melody
            } else {
                Sound::RingBack
            })
        } else {
            Step::Ring
        };
        let announce = Step::Progress(Sound::Announcement);
        let fail = |status, cause| Step::Fail { status, cause };
        let steps = match kind {
            Kind::Person => vec![(found, first), (found + ring, Step::Answer)],
            // Machines pick up at a fixed time, later than most people.
            Kind::Machine => vec![(found, first), (found + human(18.0), Step::Answer)],
            Kind::Busy => vec![(found, fail(486, 17))],
            Kind::Rejected => vec![(found, first), (found + ring.mul_f64(0.6), fail(603, 21))],
            Kind::Unavailable => vec![(found, announce), (found + human(6.0), fail(480, 20))],
            Kind::Invalid => vec![(found, announce), (found + human(6.0), fail(404, 1))],
            Kind::TrunkFailure => vec![(found, fail(503, 34))],
            // The network gives up by itself, well after any caller's ring timeout.
            Kind::NoAnswer => vec![(found, first), (found + human(90.0), fail(480, 19))],
        };
        let talk = human(chance.lognormal(self.talk_mean_s, 1.2)).max(Duration::from_millis(200));
        let hangs_up_after = match kind {
            Kind::Machine => Some(human(25.0)),
            _ => chance.happens(self.callee_hangs_up).then_some(talk),
        };
        let patience = self
            .patience_mean_s
            .filter(|_| kind == Kind::Person)
            .map(|mean| human(chance.exponential(mean)));
        Fate {
            kind,
            steps,
            hangs_up_after,
            patience,
        }
    }

    fn kind(&self, chance: &mut Chance) -> Kind {
        let mut left = chance.unit();
        for (share, kind) in self.kinds() {
            if left < share {
                return kind;
            }
            left -= share;
        }
        Kind::NoAnswer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::collections::BTreeMap;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        behaviour: Behaviour,
    }

    fn behaviour(flags: &[&str]) -> Behaviour {
        Line::parse_from([&["carrier"], flags].concat()).behaviour
    }

    #[test]
    fn the_shares_come_out_as_asked_for() {
        let behaviour = behaviour(&["--answer-rate", "0.4", "--trunk-failure-rate", "0.05"]);
        let mut kinds: BTreeMap<Kind, u32> = BTreeMap::new();
        for n in 0..20_000 {
            *kinds
                .entry(behaviour.fate(1, &format!("+8490{n:07}"), 0).kind)
                .or_default() += 1;
        }
        for (share, kind) in behaviour.kinds() {
            let seen = f64::from(kinds[&kind]) / 20_000.0;
            assert!((seen - share).abs() < 0.015, "{kind:?}: {seen} of {share}");
        }
        assert!(kinds[&Kind::NoAnswer] > 5_000);
    }

    #[test]
    fn a_number_has_its_fate_whoever_else_is_called_and_another_one_the_next_time() {
        let behaviour = behaviour(&[]);
        let fates: Vec<_> = (0..20)
            .map(|count| behaviour.fate(5, "+84900000412", count))
            .collect();
        assert_eq!(fates[3], behaviour.fate(5, "+84900000412", 3));
        assert!(fates.iter().any(|fate| fate.kind != fates[0].kind));
    }

    #[test]
    fn steps_ascend_and_end_in_an_answer_or_a_failure() {
        let behaviour = behaviour(&["--speed", "5", "--patience-mean-s", "6"]);
        for n in 0..2_000 {
            let fate = behaviour.fate(9, &n.to_string(), 0);
            assert!(fate.steps.is_sorted_by_key(|(at, _)| *at), "{fate:?}");
            let (last, earlier) = fate.steps.split_last().unwrap();
            assert!(matches!(last.1, Step::Answer | Step::Fail { .. }));
            assert!(
                earlier
                    .iter()
                    .all(|(_, step)| matches!(step, Step::Ring | Step::Progress(_)))
            );
            assert_eq!(fate.patience.is_some(), fate.kind == Kind::Person);
        }
    }

    #[test]
    fn a_higher_speed_shortens_human_times_only() {
        let slow = behaviour(&[]).fate(2, "+84900000001", 0);
        let fast = behaviour(&["--speed", "10"]).fate(2, "+84900000001", 0);
        assert_eq!(slow.kind, fast.kind);
        assert_eq!(slow.steps[0].0, fast.steps[0].0);
        assert!(slow.steps.last().unwrap().0 > fast.steps.last().unwrap().0);
    }

    #[test]
    fn shares_above_one_are_refused() {
        assert!(
            behaviour(&["--answer-rate", "0.9", "--busy-rate", "0.3"])
                .check()
                .is_err()
        );
        assert!(behaviour(&[]).check().is_ok());
        assert!(Line::try_parse_from(["carrier", "--answer-rate", "30"]).is_err());
    }
}
