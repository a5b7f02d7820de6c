//! What becomes of a dialled phone, and of the conversation with whoever answered it. Fixed by seed, list position, try and answer
//! rate at the moment of dialling; knows no floor.

use super::draws::{Draws, Purpose};
use super::scenario::{Analysis, Campaign, Carrier};

/// Who or what is at the other end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// A person answers after `ring_s` of ringing; answer analysis says so after `listens_s`, or takes them for a machine.
    Person {
        /// From the first ringing.
        ring_s: f64,
        /// From the pick-up.
        listens_s: f64,
        /// Whether analysis errs.
        is_misheard: bool,
    },
    /// A machine answers.
    Machine {
        /// From the first ringing.
        ring_s: f64,
        /// From the pick-up.
        listens_s: f64,
        /// Whether analysis takes it for a person.
        is_misheard: bool,
    },
    /// Busy, or not in service.
    FastFailure,
    /// It rings for as long as we let it.
    NoAnswer,
}

/// A fate, and the set-up time before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// From the INVITE to the first ringing, or to the failure.
    pub setup_s: f64,
    /// What then.
    pub fate: Fate,
}

/// Which call is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which {
    /// The seed.
    pub seed: u64,
    /// Campaign, by index.
    pub campaign: u64,
    /// Position in its list.
    pub position: u64,
    /// Attempts at it before.
    pub tries: u64,
}

impl Which {
    fn draws(self, purpose: Purpose) -> Draws {
        // Tries lie far above any position.
        Draws::of(
            self.seed,
            purpose,
            self.campaign,
            self.position | self.tries << 48,
        )
    }

    /// The call's fate, when a person answers with chance `rate`. A higher rate answers all that a lower one does.
    pub fn fate(
        self,
        rate: f64,
        carrier: &Carrier,
        analysis: Option<&Analysis>,
        campaign: &Campaign,
    ) -> Call {
        let mut draws = self.draws(Purpose::Fate);
        let (answers, else_what, errs, listens) =
            (draws.even(), draws.even(), draws.even(), draws.even());
        let setup_s = draws.between(carrier.setup_s);
        let ring_s = draws.at_most(carrier.ring, carrier.ring_max_s);
        let within = |(from, to): (f64, f64)| from + (to - from) * listens;
        let list = &campaign.list;
        let fate = if answers < rate {
            Fate::Person {
                ring_s,
                listens_s: analysis.map_or(0.0, |analysis| within(analysis.person_s)),
                is_misheard: analysis.is_some_and(|analysis| errs < analysis.people_lost),
            }
        } else if else_what < list.machines {
            Fate::Machine {
                ring_s,
                listens_s: analysis.map_or(0.0, |analysis| within(analysis.machine_s)),
                is_misheard: analysis.is_none_or(|analysis| errs < analysis.machines_passed),
            }
        } else if else_what < list.machines + list.fast_failures {
            Fate::FastFailure
        } else {
            Fate::NoAnswer
        };
        Call { setup_s, fate }
    }

    /// The work that a conversation makes: talk and wrap-up in seconds, and whether it was the right party.
    pub fn work(self, campaign: &Campaign, is_person: bool) -> (f64, f64, bool) {
        let mut draws = self.draws(Purpose::Work);
        let kind = draws.even();
        let mut sum = 0.0;
        let talk = campaign.talk.iter().find(|talk| {
            sum += talk.share;
            kind < sum
        });
        let Some(talk) = talk.or(campaign.talk.last()) else {
            return (0.0, 0.0, false);
        };
        let talk_s = draws.of_spread(talk.spread);
        let wrap_s = draws.of_spread(campaign.wrap);
        if is_person {
            (talk_s, wrap_s, talk.is_right_party)
        } else {
            (draws.between(campaign.machine_talk_s), wrap_s, false)
        }
    }

    /// Seconds of pause that the agent takes after this conversation, if any.
    pub fn pause(self, share: f64, mean_s: f64) -> Option<f64> {
        let mut draws = self.draws(Purpose::Pause);
        draws.chance(share).then(|| draws.exponential(mean_s))
    }
}
