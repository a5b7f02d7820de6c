//! A new configuration takes hold: rules, limits, zones, trunks, campaigns, and what agents serve, all in one turn.
//!
//! Nothing that is in the air ends by it. An intent is asked again under the new rules before its INVITE may leave; what has
//! left keeps its deadlines; whom an attempt was dialled for (skills, campaign) stays with the attempt.

use super::{Floor, Load};
use crate::core::effect::Effect;
use crate::core::settings::{CampaignSettings, CampaignState, Edit};
use crate::ids::CampaignId;
use crate::time::Now;

impl Floor {
    /// Applies the edits of one reload, in order.
    pub(super) fn edit(&mut self, edits: Vec<Edit>, now: Now, effects: &mut Vec<Effect>) {
        for edit in edits {
            match edit {
                Edit::Floor(floor) => {
                    self.trunks.set_breaker(&floor);
                    // A tick that was armed under a longer interval must not delay the first one under the new.
                    self.next_tick = self.next_tick.map(|tick| tick.min(now.mono + floor.tick));
                    self.settings.floor = floor;
                }
                Edit::Zone(id, table) => self.rules.set_zone(id, table),
                Edit::Trunk(id, settings) => self.trunks.set(id, settings),
                Edit::TrunkClosed(id) => self.trunks.close(id),
                Edit::Campaign(id, settings) => self.set_campaign(id, settings, now),
                Edit::CampaignState(id, state) => {
                    if let Some(campaign) = self.settings.campaigns.get_mut(usize::from(id.0)) {
                        campaign.state = state;
                    }
                }
                Edit::CampaignMode(id, mode) => {
                    if let Some(campaign) = self.settings.campaigns.get_mut(usize::from(id.0)) {
                        campaign.mode = mode;
                    }
                }
                Edit::Ledger(id, history) => self.ledger.admit(id, &history, now.unix),
                Edit::Learned(learned) => self.recall(*learned),
                Edit::Agent(mut seat) => {
                    seat.campaigns
                        .retain(|(campaign, _)| usize::from(campaign.0) < self.loads.len());
                    let agent = seat.agent;
                    if self.agents.set_abilities(seat) {
                        self.match_free_agent(agent, now, effects);
                    }
                }
            }
        }
        for load in &mut self.loads {
            // What the store could not lend, or the window kept asleep, may be of use under the new rules.
            load.dry_until = None;
            load.shut_until = None;
        }
    }

    /// A supervisor's start or pause. A closed campaign has no rules that anybody answers for: it stays closed.
    pub(super) fn set_campaign_state(&mut self, id: CampaignId, state: CampaignState) {
        if let Some(campaign) = self.settings.campaigns.get_mut(usize::from(id.0))
            && campaign.state != CampaignState::Closed
        {
            campaign.state = state;
        }
    }

    fn set_campaign(&mut self, id: CampaignId, settings: CampaignSettings, now: Now) {
        let number = usize::from(id.0);
        if let Some(campaign) = self.settings.campaigns.get_mut(number) {
            let needs_others = campaign.needs != settings.needs;
            let (state, mode) = (campaign.state, campaign.mode);
            *campaign = CampaignSettings {
                state,
                mode,
                ..settings
            };
            self.loads[number].bucket.set_rate(campaign.cps_max);
            let air = super::ledger::air(&self.settings.floor, campaign);
            self.ledger.set(id, &campaign.abandon, air);
            if needs_others {
                self.leads.refile(id, &campaign.needs, now.unix);
            }
        } else if number == self.loads.len() {
            self.loads.push(Load::new(&settings));
            let air = super::ledger::air(&self.settings.floor, &settings);
            self.ledger.open(&settings.abandon, air);
            self.settings.campaigns.push(settings);
        }
    }
}
