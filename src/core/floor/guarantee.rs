//! Keeps an agent behind every guaranteed line that needs one: at the launch, at the answer, and when somebody wants to leave.
//!
//! Guaranteed lines count on agents, so nobody else may have these: neither an answered call of another campaign, nor a call made
//! for one agent alone, nor a break. Who asks for one goes as soon as no call in the air counts on him. What cannot be put off (a
//! lost socket, other rules) is named.

use super::Floor;
use crate::core::agents::{ClassId, Place};
use crate::core::backing::{Claim, Launcher, Need, Scene, Without};
use crate::core::effect::{AfterCall, Bound, Effect};
use crate::core::leads::StreamId;
use crate::core::ledger::NamedEvent;
use crate::core::settings::DialMode;
use crate::ids::{AgentId, AttemptId, CampaignId};
use crate::time::Now;

impl Floor {
    /// Lines that count on agents. With `all`, also those of campaigns without a guarantee.
    fn claims(&self, all: bool) -> Vec<Claim> {
        let campaigns = self.settings.campaigns.iter().enumerate();
        let claim = |(number, settings): (usize, &crate::core::settings::CampaignSettings)| {
            let campaign = CampaignId(number as u16);
            let need = if self.ledger.is_guarantee(campaign) {
                let (launch, hold) = self.ledger.slack(campaign);
                Need::Guaranteed { hold, launch }
            } else if !all {
                return None;
            } else if self.is_held_by_cap(campaign) {
                Need::OneEach
            } else {
                match settings.mode {
                    DialMode::Progressive => Need::OneEach,
                    DialMode::LinesPerFreeAgent { milli } => Need::Shared { milli },
                    // Count on agents who talk: what they may have of the free ones is for their plan to say.
                    DialMode::LinesPerAgent { .. } | DialMode::Predictive => return None,
                    // One agent for each lead that is shown; by hand, nothing starts by itself.
                    DialMode::Preview | DialMode::Manual => return None,
                }
            };
            Some(Claim { campaign, need })
        };
        campaigns.filter_map(claim).collect()
    }

    /// Whether a campaign is down to one line per free agent until it keeps its cap again. Not where it predicts: the model then
    /// spends a small part of the target until the cap is kept. Stopping it altogether would idle the agents whose served calls
    /// are what brings the rate down, and the burst after it breaks the cap anew.
    fn is_held_by_cap(&self, campaign: CampaignId) -> bool {
        self.ledger.is_over_cap(campaign) && self.campaign(campaign).mode != DialMode::Predictive
    }

    /// The book of a decision; `None` where no ledger bounds it.
    pub(super) fn launcher(&self) -> Option<Launcher> {
        let is_bound = (0..self.loads.len()).any(|number| {
            let campaign = CampaignId(number as u16);
            self.ledger.is_guarantee(campaign) || self.is_held_by_cap(campaign)
        });
        is_bound.then(|| {
            let claims = self.claims(true);
            self.scene(&claims).launcher()
        })
    }

    /// What a campaign lacks whose line was refused: a ledger that allows it, or (it dials one line for each agent anyway) an agent.
    pub(super) fn refusal(&self, campaign: CampaignId) -> Bound {
        if self.ledger.is_guarantee(campaign) || self.is_held_by_cap(campaign) {
            Bound::Budget
        } else {
            Bound::Agents
        }
    }

    fn scene<'a>(&'a self, claims: &'a [Claim]) -> Scene<'a> {
        Scene {
            claims,
            classes: self.agents.classes(),
            streams: self.leads.streams(),
        }
    }

    fn is_safe(&self, without: Without) -> bool {
        if !self.ledger.has_guarantee() {
            return true;
        }
        let claims = self.claims(false);
        self.scene(&claims).is_safe(without)
    }

    /// Whether a free agent of this class may have an answered call.
    pub(super) fn may_take(&self, class: ClassId, call: AttemptId) -> bool {
        let line = self.attempts.get(&call).filter(|attempt| {
            // What comes too late is abandoned all the same: its place in the ledger is taken.
            let limit = self.campaign(attempt.campaign).abandon.connect_within;
            let answered = attempt.answered.unwrap_or(self.latest);
            !attempt.is_apart() && self.latest.since(answered) <= limit
        });
        self.is_safe(Without {
            agent: Some(class),
            line: line.map(|attempt| attempt.stream),
        })
    }

    /// Whether this free agent may have an answered call.
    pub(super) fn may_give(&self, agent: AgentId, call: AttemptId) -> bool {
        let agent = self.agents.get(agent);
        agent.is_some_and(|agent| self.may_take(agent.class, call))
    }

    /// Whether a free agent may stop being free.
    pub(super) fn may_leave(&self, agent: AgentId) -> bool {
        self.agents.get(agent).is_none_or(|agent| {
            self.is_safe(Without {
                agent: Some(agent.class),
                line: None::<StreamId>,
            })
        })
    }

    /// He goes when no call in the air counts on him any more.
    pub(super) fn put_off(
        &mut self,
        agent: AgentId,
        after_call: AfterCall,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.agents.set_after_call(agent, after_call);
        if after_call == AfterCall::Ready {
            self.put_off.remove(&agent);
        } else {
            self.put_off.insert(agent);
        }
        effects.extend(self.agents.news(agent, now).map(Effect::Agent));
    }

    /// A line left the air, or an agent became free: who waited for that?
    pub(super) fn settle_backing(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !std::mem::take(&mut self.backing_eased) {
            return;
        }
        if !self.waiting.is_empty() && self.ledger.has_guarantee() {
            let held_back: Vec<AttemptId> = self.waiting.iter().map(|(_, id)| *id).collect();
            for id in held_back {
                self.match_answered(id, now, effects);
            }
        }
        if self.put_off.is_empty() {
            return;
        }
        for agent in self.put_off.iter().copied().collect::<Vec<_>>() {
            let waits = self.agents.get(agent).is_some_and(|agent| {
                agent.place == Place::Ready && agent.after_call != AfterCall::Ready
            });
            if !waits {
                self.put_off.remove(&agent);
            } else if self.may_leave(agent) {
                self.put_off.remove(&agent);
                self.after_the_call(agent, now, effects);
            }
        }
    }

    /// Guaranteed lines without an agent, by campaign.
    pub(super) fn unbacked(&self) -> Vec<(CampaignId, u32)> {
        if !self.ledger.has_guarantee() {
            return Vec::new();
        }
        let claims = self.claims(false);
        let unmet = self.scene(&claims).unmet();
        let claims = claims.iter().map(|claim| claim.campaign);
        claims.zip(unmet).collect()
    }

    /// Names an event for every campaign that has more lines without an agent than `before` it.
    pub(super) fn name_unbacked(
        &mut self,
        before: &[(CampaignId, u32)],
        event: NamedEvent,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let after = self.unbacked();
        let sum = |all: &[(CampaignId, u32)]| all.iter().map(|(_, lines)| *lines).sum::<u32>();
        if sum(&after) <= sum(before) {
            return;
        }
        for (campaign, lines) in after {
            if lines > 0 {
                self.name_event(campaign, event, now, effects);
            }
        }
    }
}
