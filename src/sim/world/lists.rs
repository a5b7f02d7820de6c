//! The lists of a world, as a store would keep them: what is lent, what is due, what becomes of a lead.

use super::World;
use crate::core::effect::LeadNext;
use crate::core::input::{Input, LeadFacts};
use crate::ids::{AttemptId, CampaignId, LeadId};
use crate::time::UnixMs;
use std::time::Duration;

impl World {
    /// Whether the attempt is closed, so that its outcome decides the lead's future.
    pub(super) fn floor_has_let_go(&self, attempt: AttemptId) -> bool {
        self.lead_of
            .get(&attempt)
            .is_some_and(|lead| self.lent.contains(lead))
            && !self.floor.view().attempts.contains_key(&attempt)
    }

    pub(super) fn lead_next(&mut self, lead: LeadId, next: LeadNext) {
        match next {
            LeadNext::AwaitsOutcome => {}
            LeadNext::Again {
                not_before, sticky, ..
            } => {
                self.lent.remove(&lead);
                if let Some((_, facts)) = self.leads.get_mut(&lead) {
                    facts.not_before = not_before;
                    facts.sticky = sticky;
                }
            }
            LeadNext::Done(_) => {
                self.lent.remove(&lead);
                self.leads.remove(&lead);
            }
        }
    }

    pub(super) fn refill(&mut self, campaign: CampaignId, want: usize) {
        let horizon = self.now.unix + Duration::from_secs(60);
        let mut due: Vec<LeadFacts> = Vec::new();
        let mut dry_until: Option<UnixMs> = None;
        for (id, (of, facts)) in &self.leads {
            if *of != campaign || self.lent.contains(id) {
                continue;
            }
            if facts.not_before <= horizon && due.len() < want {
                due.push(facts.clone());
            } else if facts.not_before > horizon {
                dry_until =
                    Some(dry_until.map_or(facts.not_before, |known| known.min(facts.not_before)));
            }
        }
        for facts in &mut due {
            self.lent.insert(facts.lead);
            let attempts = self
                .attempts_of
                .get(&facts.person)
                .cloned()
                .unwrap_or_default();
            facts.person_attempts = attempts.into_iter().rev().collect();
        }
        let full = due.len() == want;
        let exhausted_until =
            (!full).then(|| dry_until.unwrap_or(self.now.unix + Duration::from_secs(30)));
        let wait = Duration::from_millis(self.rng.between(1, 40));
        self.send(
            wait,
            Input::Leads {
                campaign,
                leads: due,
                exhausted_until,
            },
        );
    }
}
