//! Supervisors who switch modes, and agents who decide on calls themselves: they look at previews, skip, dial, forget about it, and dial by hand.

use super::{Deed, Happening, World};
use crate::core::input::{Input, LeadFacts, Wanted};
use crate::core::settings::DialMode;
use crate::ids::{AgentId, AttemptId, CampaignId, LeadId};
use std::time::Duration;

impl World {
    /// A lead appeared on a screen. Now and then nobody looks at it.
    pub(super) fn looks_at(&mut self, agent: AgentId, attempt: AttemptId) {
        if self.rng.chance(850) {
            let reads = Duration::from_millis(self.rng.between(300, 18_000));
            self.later(reads, Happening::Agent(agent, Deed::Decides(attempt)));
        }
    }

    pub(super) fn decides(&mut self, agent: AgentId, attempt: AttemptId) {
        let request = self.inputs;
        match self.rng.below(100) {
            0..=69 => {
                self.deliver(Input::AgentAccepts {
                    agent,
                    attempt,
                    request,
                });
                if self.rng.chance(self.plan.mishaps) {
                    // Pressed twice.
                    self.deliver(Input::AgentAccepts {
                        agent,
                        attempt,
                        request: request + 1,
                    });
                }
            }
            70..=92 => self.deliver(Input::AgentSkips {
                agent,
                attempt,
                request,
                reason: 1,
            }),
            93..=95 => self.deliver(Input::AgentWants(agent, Wanted::Break(1))),
            _ => self.deliver(Input::AgentWants(agent, Wanted::Ready)),
        }
    }

    /// An agent is in manual mode.
    pub(super) fn works_by_hand(&mut self, agent: AgentId) {
        let wait = Duration::from_millis(self.rng.between(500, 8_000));
        self.later(wait, Happening::Agent(agent, Deed::ByHand));
    }

    pub(super) fn by_hand(&mut self, agent: AgentId) {
        if self.closing {
            return;
        }
        let request = self.inputs;
        match self.rng.below(10) {
            0..=5 => self.deliver(Input::AgentNext {
                agent,
                request,
                campaign: None,
            }),
            6..=8 => {
                let all = self.leads.len() as u64;
                let place = self.rng.below(all) as usize;
                if let Some(lead) = self.leads.keys().nth(place).copied() {
                    self.deliver(Input::AgentDials {
                        agent,
                        request,
                        lead,
                    });
                }
            }
            _ => self.deliver(Input::AgentWants(agent, Wanted::Ready)),
        }
        if self.rng.chance(700) {
            self.works_by_hand(agent);
        }
    }

    /// Some campaign gets some mode.
    pub(super) fn switch_mode(&mut self) {
        let campaign = CampaignId(self.rng.below(3) as u16);
        let milli = self.rng.between(800, 3_000) as u32;
        let mode = *self.rng.pick(&[
            DialMode::Progressive,
            DialMode::LinesPerAgent { milli },
            DialMode::LinesPerFreeAgent { milli },
            DialMode::Predictive,
            DialMode::Preview,
            DialMode::Manual,
        ]);
        self.deliver(Input::CampaignMode(campaign, mode));
    }

    /// A supervisor switches, or does not, and some agent wants to dial by hand for a while.
    pub(super) fn switch(&mut self) {
        if self.closing {
            return;
        }
        if self.rng.chance(self.plan.switches) {
            self.switch_mode();
        }
        if self.rng.chance(self.plan.switches) {
            let agent = AgentId(self.rng.below(u64::from(self.plan.agents)) as u32);
            if !self.lost.contains(&agent) {
                if self.rng.chance(500) {
                    self.deliver(Input::AgentWants(agent, Wanted::Manual));
                } else {
                    self.by_hand(agent);
                }
            }
        }
        let wait = Duration::from_millis(self.rng.between(200, 6_000));
        self.later(wait, Happening::Switch);
    }

    /// The store lends one lead, if it is not out.
    pub(super) fn fetch(&mut self, agent: AgentId, request: u64, lead: LeadId) {
        let found = self.leads.get(&lead).cloned();
        let found = found
            .filter(|_| !self.lent.contains(&lead))
            .map(|(campaign, facts)| {
                self.lent.insert(lead);
                let attempts = self.attempts_of.get(&facts.person);
                let person_attempts = attempts.cloned().unwrap_or_default();
                let person_attempts = person_attempts.into_iter().rev().collect();
                let facts = LeadFacts {
                    person_attempts,
                    ..facts
                };
                (campaign, Box::new(facts))
            });
        let wait = Duration::from_millis(self.rng.between(1, 40));
        self.send(
            wait,
            Input::LeadFetched {
                agent,
                request,
                lead: found,
            },
        );
    }
}
