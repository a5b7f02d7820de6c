//! The phones of a world: what the carrier and the person make of an INVITE, and what answer analysis makes of an answer.

use super::{Phone, World};
use crate::core::input::{LegEvent, LegFailure};
use crate::ids::{AttemptId, TrunkId};

impl World {
    /// What the carrier and the person make of an INVITE.
    pub(super) fn ring(&mut self, attempt: AttemptId, route_try: u8, trunk: TrunkId) {
        self.phones.insert(attempt, Phone::Calling);
        let failed = |status, q850| {
            LegEvent::Failed(LegFailure {
                status,
                q850,
                retry_after_s: None,
            })
        };
        self.leg(1, attempt, route_try, LegEvent::Sent);
        if self.rng.chance(self.plan.mishaps / 2) {
            let event = if self.rng.chance(500) {
                LegEvent::Silent
            } else {
                failed(503, None)
            };
            return self.leg(4_000, attempt, route_try, event);
        }
        let fate = self.rng.below(1_000) + if trunk.0 == 0 { 0 } else { 20 };
        let ring_at = self.rng.between(300, 2_500);
        let ends_at = ring_at + self.rng.between(500, 28_000);
        let skips_ringing = self.rng.chance(self.plan.mishaps);
        if fate >= 60 && !skips_ringing {
            self.leg(ring_at, attempt, route_try, LegEvent::Ringing);
        }
        if self.rng.chance(self.plan.mishaps) {
            self.leg(ring_at + 100, attempt, route_try, LegEvent::Ringing);
        }
        match fate {
            0..=19 => self.leg(200, attempt, route_try, failed(503, None)),
            20..=39 => self.leg(200, attempt, route_try, failed(404, None)),
            40..=59 => self.leg(200, attempt, route_try, failed(404, Some(1))),
            60..=179 => self.leg(ends_at, attempt, route_try, failed(486, None)),
            180..=229 => self.leg(ends_at, attempt, route_try, failed(480, None)),
            230..=249 => self.leg(ends_at, attempt, route_try, failed(603, None)),
            250..=649 => {
                let answer_at = if skips_ringing { 300 } else { ends_at };
                let is_screened = self.rng.chance(300);
                let event = if is_screened {
                    LegEvent::PickedUp
                } else {
                    LegEvent::Answered
                };
                self.leg(answer_at, attempt, route_try, event);
                if self.rng.chance(self.plan.mishaps) {
                    self.leg(answer_at + 1, attempt, route_try, LegEvent::Answered);
                    self.leg(answer_at + 2, attempt, route_try, LegEvent::Ringing);
                }
            }
            // Rings until we give up.
            _ => {}
        }
    }

    /// Something picked up, and answer analysis listens: finds a person or a machine, loses whoever it was, or never says.
    pub(super) fn listen(&mut self, attempt: AttemptId, route_try: u8) {
        let found = match self.rng.below(10) {
            0..=5 => Some(LegEvent::Answered),
            6 | 7 => Some(LegEvent::Machine),
            8 => Some(LegEvent::Ended),
            _ => None,
        };
        if let Some(found) = found {
            let listens = self.rng.between(200, 6_000);
            self.leg(listens, attempt, route_try, found);
        }
    }
}
