//! Reloads in the simulated world: at random instants the floor gets a new configuration. What would end the shift (a closed
//! window, a closed campaign, a closed trunk) is taken back some seconds later, by another reload.

use super::World;
use crate::core::input::{AgentSeat, Input};
use crate::core::results::SystemResult;
use crate::core::settings::{
    AbandonDenominator, AbandonSettings, AbandonStrength, CampaignSettings, CampaignState,
    DialMode, Edit, FloorSettings, Recycle, SkillNeed, TrunkSettings, WrapOverrun, ZoneTable,
};
use crate::ids::{AgentId, CampaignId, LeadId, SkillId, TrunkId, ZoneId};
use crate::time::UnixMs;
use std::time::Duration;

/// Campaigns of a world at its start.
const FIRST_CAMPAIGNS: usize = 3;
const CAMPAIGNS_MAX: usize = 5;
const TRUNKS_MAX: usize = 4;
const ZONES_MAX: usize = 3;

impl World {
    /// One reload: some edits in one input.
    pub(super) fn reload(&mut self) {
        let mut edits = Vec::new();
        for _ in 0..self.rng.between(1, 4) {
            match self.rng.below(10) {
                0 => edits.push(self.other_rules()),
                1 => edits.push(self.other_promise()),
                2 => edits.push(self.other_needs()),
                3 => edits.push(self.other_gate()),
                4 => self.close_a_campaign(&mut edits),
                5 => self.add_a_campaign(&mut edits),
                6 => self.other_trunks(&mut edits),
                7 => edits.push(Edit::Floor(self.other_floor())),
                8 => {
                    let place = self
                        .rng
                        .below(ZONES_MAX as u64)
                        .min(self.told.zones.len() as u64);
                    let table = ZoneTable {
                        offsets: vec![(UnixMs(0), 25_200)],
                        ..self.told.zones[0].clone()
                    };
                    edits.push(Edit::Zone(ZoneId(place as u16), table));
                }
                _ => {
                    let agent = AgentId(self.rng.below(u64::from(self.plan.agents)) as u32);
                    let mut seat = self.seat(agent);
                    seat.skills = vec![(SkillId(0), self.rng.between(1, 10) as u8)];
                    edits.push(Edit::Agent(seat));
                }
            }
            // Later edits of one reload build on the earlier ones.
            self.note_edits(&edits.clone());
        }
        self.deliver(Input::Edits(edits));
    }

    /// What the floor was told, for the next edit to begin from.
    pub(super) fn note_edits(&mut self, edits: &[Edit]) {
        for edit in edits {
            match edit {
                Edit::Floor(floor) => self.told.floor = floor.clone(),
                Edit::Zone(id, table) => put(&mut self.told.zones, id.0, table.clone()),
                Edit::Trunk(id, settings) => put(&mut self.told.trunks, id.0, settings.clone()),
                Edit::Campaign(id, settings) => {
                    put(&mut self.told.campaigns, id.0, settings.clone())
                }
                Edit::TrunkClosed(_)
                | Edit::CampaignState(..)
                | Edit::CampaignMode(..)
                | Edit::Agent(_)
                | Edit::Ledger(..)
                | Edit::Learned(_) => {}
            }
        }
    }

    /// Campaigns that were added, for the agents who serve them.
    pub(super) fn added_campaigns(&self, agent: AgentId) -> Vec<(CampaignId, u16)> {
        (FIRST_CAMPAIGNS..self.told.campaigns.len())
            .filter(|place| (agent.0 as usize + place).is_multiple_of(2))
            .map(|place| (CampaignId(place as u16), 1))
            .collect()
    }

    fn any_campaign(&mut self) -> (CampaignId, CampaignSettings) {
        let place = self.rng.below(self.told.campaigns.len() as u64) as usize;
        (CampaignId(place as u16), self.told.campaigns[place].clone())
    }

    /// Another strength, cap or limit; the counts stay.
    fn other_promise(&mut self) -> Edit {
        let (id, mut settings) = self.any_campaign();
        settings.abandon = AbandonSettings {
            strength: *self
                .rng
                .pick(&[AbandonStrength::Target, AbandonStrength::Guarantee]),
            cap_ppm: self.rng.between(10_000, 300_000) as u32,
            connect_within: Duration::from_millis(self.rng.between(0, 4_000)),
            window: settings.abandon.window,
            denominator: *self.rng.pick(&[
                AbandonDenominator::LiveAnswers,
                AbandonDenominator::AllAnswers,
            ]),
            ..AbandonSettings::default()
        };
        Edit::Campaign(id, settings)
    }

    fn other_rules(&mut self) -> Edit {
        let (id, mut settings) = self.any_campaign();
        settings.weight = self.rng.between(1, 100) as u16;
        settings.lines_max = self.rng.between(3, 500) as u32;
        settings.cps_max = self.rng.between(1, 120) as u32;
        settings.ring_timeout = Duration::from_secs(self.rng.between(5, 60));
        settings.answer_limit = Duration::from_millis(self.rng.between(0, 4_000));
        settings.wrap = Duration::from_secs(self.rng.between(0, 30));
        settings.wrap_overrun = *self.rng.pick(&[WrapOverrun::Ready, WrapOverrun::Hold]);
        settings.attempts_max = self.rng.between(2, 8) as u16;
        let wait = Duration::from_secs(self.rng.between(30, 300));
        settings.recycle = vec![(SystemResult::NoAnswer, Recycle::After(wait))];
        let trunk = TrunkId(self.rng.below(self.told.trunks.len() as u64) as u16);
        settings.trunks = if self.rng.chance(500) {
            vec![trunk]
        } else {
            Vec::new()
        };
        Edit::Campaign(id, settings)
    }

    fn other_needs(&mut self) -> Edit {
        let (id, mut settings) = self.any_campaign();
        let need = SkillNeed {
            skill: SkillId(0),
            level: self.rng.between(1, 3) as u8,
        };
        settings.needs = if settings.needs.is_empty() {
            vec![need]
        } else {
            Vec::new()
        };
        Edit::Campaign(id, settings)
    }

    /// Caps, gap, and calling hours that may be over.
    fn other_gate(&mut self) -> Edit {
        let (id, mut settings) = self.any_campaign();
        let before = settings.clone();
        settings.gate.attempts_per_day = self.rng.between(2, 5) as u8;
        settings.gate.gap_min = Duration::from_secs(self.rng.between(30, 300));
        if self.rng.chance(500) {
            (
                settings.gate.window_from_min,
                settings.gate.window_until_min,
            ) = (0, 60);
            self.take_back(vec![Edit::Campaign(id, before)]);
        }
        Edit::Campaign(id, settings)
    }

    /// A campaign leaves the configuration, and comes back with what it had.
    fn close_a_campaign(&mut self, edits: &mut Vec<Edit>) {
        let (id, settings) = self.any_campaign();
        edits.push(Edit::CampaignState(id, CampaignState::Closed));
        let mode = settings.mode;
        self.take_back(vec![
            Edit::Campaign(id, settings),
            Edit::CampaignMode(id, mode),
            Edit::CampaignState(id, CampaignState::Running),
        ]);
    }

    /// A campaign that was not there before, with leads of its own and agents who serve it.
    fn add_a_campaign(&mut self, edits: &mut Vec<Edit>) {
        let place = self.told.campaigns.len();
        if place >= CAMPAIGNS_MAX {
            return;
        }
        let id = CampaignId(place as u16);
        let milli = self.rng.between(1_000, 2_000) as u32;
        let settings = CampaignSettings {
            name: format!("SIM-{place}"),
            state: CampaignState::Running,
            mode: DialMode::LinesPerFreeAgent { milli },
            needs: Vec::new(),
            ..self.told.campaigns[0].clone()
        };
        let lists: Vec<_> = self
            .leads
            .values()
            .take(40)
            .map(|(_, facts)| facts.clone())
            .collect();
        for mut facts in lists {
            facts.lead = LeadId(1_000_000 * place as u64 + facts.lead.0);
            (facts.attempts, facts.reserved_for) = (0, None);
            self.leads.insert(facts.lead, (id, facts));
        }
        edits.push(Edit::Campaign(id, settings));
        self.note_edits(&edits.clone());
        for agent in 0..self.plan.agents {
            let seat: AgentSeat = self.seat(AgentId(agent));
            edits.push(Edit::Agent(seat));
        }
    }

    fn other_trunks(&mut self, edits: &mut Vec<Edit>) {
        let place = self.rng.below(self.told.trunks.len() as u64 + 1) as usize;
        let id = TrunkId(place as u16);
        if place == self.told.trunks.len() {
            if place < TRUNKS_MAX {
                let settings = TrunkSettings {
                    name: format!("trunk-{place}"),
                    ..self.told.trunks[0].clone()
                };
                edits.push(Edit::Trunk(id, settings));
                let wait = Duration::from_millis(self.rng.between(1, 5_000));
                self.send(wait, Input::TrunkUp(id, true));
            }
            return;
        }
        let before = self.told.trunks[place].clone();
        if self.rng.chance(300) {
            edits.push(Edit::TrunkClosed(id));
            return self.take_back(vec![Edit::Trunk(id, before)]);
        }
        let settings = TrunkSettings {
            name: before.name,
            channels_max: self.rng.between(5, 300) as u32,
            cps_max: self.rng.between(2, 80) as u32,
            priority: self.rng.between(1, 3) as u16,
            failover_on_silence: self.rng.chance(500),
        };
        edits.push(Edit::Trunk(id, settings));
    }

    fn other_floor(&mut self) -> FloorSettings {
        FloorSettings {
            tick: Duration::from_millis(self.rng.between(20, 200)),
            predict_every: Duration::from_secs(2),
            intent_age_max: Duration::from_millis(self.rng.between(50, 400)),
            agent_grace: Duration::from_secs(self.rng.between(1, 60)),
            first_answer_wait: Duration::from_secs(self.rng.between(4, 10)),
            end_wait: Duration::from_secs(self.rng.between(33, 60)),
            bridge_wait: Duration::from_secs(self.rng.between(1, 10)),
            talk_max: Duration::from_secs(self.rng.between(60, 7_200)),
            hot_leads: self.rng.between(20, 300) as u32,
            attempts_max: self.rng.between(40, 2_000) as u32,
            breaker_failures: self.rng.between(2, 10) as u32,
            breaker_wait: Duration::from_secs(self.rng.between(1, 6)),
        }
    }

    fn take_back(&mut self, edits: Vec<Edit>) {
        let away = Duration::from_millis(self.rng.between(10, 20_000));
        self.send(away, Input::Edits(edits));
    }
}

/// Replaces a place, or adds the next one.
fn put<T>(table: &mut Vec<T>, id: u16, value: T) {
    let place = usize::from(id);
    if place < table.len() {
        table[place] = value;
    } else if place == table.len() {
        table.push(value);
    }
}
