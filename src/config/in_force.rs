//! What is in force: the last file that was loaded, and the tables that grew out of all files since the start.
//!
//! Ids are places in tables, and calls in the air name them: so a table only grows, whatever the order of the file, and what
//! left the file keeps its place, closed. Owns the way from one file to the next as [`Edit`]s; applies none.

use super::{CampaignConfig, Config, TrunkConfig};
use crate::core::results::SystemResult;
use crate::core::settings::{CampaignSettings, CampaignState, Edit, SkillNeed};
use crate::ids::{CampaignId, SkillId, TrunkId};

/// Places of each table over a whole run: files hold half as many at most (1,000, 64, 256; break reasons are one octet).
const CAMPAIGN_PLACES: usize = 2_000;
const TRUNK_PLACES: usize = 128;
const SKILL_PLACES: usize = 512;
const REASON_PLACES: usize = 255;

/// More names than one run has room for; a restart begins with the file alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this run has had {most} {what} already, those that were removed included: start again to make room"
)]
pub struct TableFull {
    /// "campaigns", "trunks", "skills", "break reasons", "skip reasons".
    pub what: &'static str,
    /// How many there can be.
    pub most: usize,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq)]
pub struct InForce {
    file: Config,
    tables: Config,
    closed_trunks: Vec<bool>,
}

impl InForce {
    /// What a start begins with: the tables are the file's.
    pub fn start(file: Config) -> Self {
        InForce {
            tables: file.clone(),
            closed_trunks: vec![false; file.trunks.len()],
            file,
        }
    }

    /// The last file that took hold, in its own order.
    pub fn file(&self) -> &Config {
        &self.file
    }

    /// The same with tables in the order of ids, and what left the file still in its place: a campaign as
    /// [`CampaignState::Closed`]. Campaigns name trunks and skills by these tables.
    pub fn tables(&self) -> &Config {
        &self.tables
    }

    /// What is in force once `file` has taken hold.
    pub fn next(&self, file: Config) -> Result<InForce, TableFull> {
        let mut tables = file.clone();
        tables.skills = grown(&self.tables.skills, &file.skills);
        tables.break_reasons = grown(&self.tables.break_reasons, &file.break_reasons);
        tables.skip_reasons = grown(&self.tables.skip_reasons, &file.skip_reasons);
        tables.trunks = self.tables.trunks.clone();
        let mut closed_trunks = vec![true; tables.trunks.len()];
        for trunk in &file.trunks {
            match trunk_place(&tables, &trunk.settings.name) {
                Some(place) => {
                    closed_trunks[place] = false;
                    tables.trunks[place] = trunk.clone();
                }
                None => {
                    closed_trunks.push(false);
                    tables.trunks.push(trunk.clone());
                }
            }
        }
        tables.campaigns = self.tables.campaigns.clone();
        for campaign in &mut tables.campaigns {
            campaign.settings.state = CampaignState::Closed;
        }
        for campaign in &file.campaigns {
            let campaign = renumbered(campaign, &file, &tables);
            let name = &campaign.settings.name;
            let mut places = tables.campaigns.iter();
            match places.position(|known| known.settings.name == *name) {
                Some(place) => tables.campaigns[place] = campaign,
                None => tables.campaigns.push(campaign),
            }
        }
        for (what, most, have) in [
            ("campaigns", CAMPAIGN_PLACES, tables.campaigns.len()),
            ("trunks", TRUNK_PLACES, tables.trunks.len()),
            ("skills", SKILL_PLACES, tables.skills.len()),
            ("break reasons", REASON_PLACES, tables.break_reasons.len()),
            ("skip reasons", REASON_PLACES, tables.skip_reasons.len()),
        ] {
            if have > most {
                return Err(TableFull { what, most });
            }
        }
        Ok(InForce {
            file,
            tables,
            closed_trunks,
        })
    }

    /// What the floor must be told to come from here to `next`. A campaign's state and mode are told only where the two files
    /// differ in them: a supervisor may have changed either since.
    pub fn edits_to(&self, next: &InForce) -> Vec<Edit> {
        let mut edits = Vec::new();
        if self.tables.floor != next.tables.floor {
            edits.push(Edit::Floor(next.tables.floor.clone()));
        }
        for (place, trunk) in next.tables.trunks.iter().enumerate() {
            let id = TrunkId(place as u16);
            let was_closed = self.closed_trunks.get(place).copied();
            match (was_closed, next.closed_trunks[place]) {
                (Some(false), true) => edits.push(Edit::TrunkClosed(id)),
                (Some(false), false) if self.tables.trunks[place].settings == trunk.settings => {}
                (Some(_) | None, false) => edits.push(Edit::Trunk(id, trunk.settings.clone())),
                (Some(true) | None, true) => {}
            }
        }
        for (place, campaign) in next.tables.campaigns.iter().enumerate() {
            let id = CampaignId(place as u16);
            let new = &campaign.settings;
            let Some(old) = self.tables.campaigns.get(place).map(|old| &old.settings) else {
                edits.push(Edit::Campaign(id, new.clone()));
                continue;
            };
            if new.state == CampaignState::Closed {
                if old.state != CampaignState::Closed {
                    edits.push(Edit::CampaignState(id, CampaignState::Closed));
                }
                continue;
            }
            let is_back = old.state == CampaignState::Closed;
            if is_back || !same_rules(old, new) {
                edits.push(Edit::Campaign(id, new.clone()));
            }
            if is_back || old.mode != new.mode {
                edits.push(Edit::CampaignMode(id, new.mode));
            }
            if old.state != new.state {
                edits.push(Edit::CampaignState(id, new.state));
            }
        }
        edits
    }

    /// Campaigns that are open, by id.
    pub fn open_campaigns(&self) -> impl Iterator<Item = (CampaignId, &CampaignConfig)> {
        let all = self.tables.campaigns.iter().enumerate();
        all.filter(|(_, campaign)| campaign.settings.state != CampaignState::Closed)
            .map(|(place, campaign)| (CampaignId(place as u16), campaign))
    }

    /// Whether SIP or media must hear of other trunks.
    pub fn has_other_trunks(&self, next: &InForce) -> bool {
        let wires = |trunks: &[TrunkConfig]| -> Vec<TrunkConfig> {
            let mut trunks = trunks.to_vec();
            for trunk in &mut trunks {
                // What only the floor looks at.
                trunk.settings.channels_max = 0;
                trunk.settings.cps_max = 0;
                trunk.settings.priority = 0;
                trunk.settings.failover_on_silence = false;
            }
            trunks
        };
        self.tables.sip != next.tables.sip
            || wires(&self.tables.trunks) != wires(&next.tables.trunks)
    }
}

/// A table with what is new behind what is there.
fn grown(table: &[String], file: &[String]) -> Vec<String> {
    let new = file.iter().filter(|name| !table.contains(name));
    table.iter().chain(new).cloned().collect()
}

fn trunk_place(tables: &Config, name: &str) -> Option<usize> {
    tables
        .trunks
        .iter()
        .position(|known| known.settings.name == name)
}

/// A campaign of `file`, with the ids of `tables`.
fn renumbered(campaign: &CampaignConfig, file: &Config, tables: &Config) -> CampaignConfig {
    let mut campaign = campaign.clone();
    let settings = &mut campaign.settings;
    settings.trunks = settings
        .trunks
        .iter()
        .filter_map(|id| {
            let trunk = file.trunks.get(usize::from(id.0))?;
            trunk_place(tables, &trunk.settings.name).map(|place| TrunkId(place as u16))
        })
        .collect();
    settings.needs = settings
        .needs
        .iter()
        .filter_map(|need| {
            let name = file.skills.get(usize::from(need.skill.0))?;
            let place = tables.skills.iter().position(|known| known == name)?;
            Some(SkillNeed {
                skill: SkillId(place as u16),
                level: need.level,
            })
        })
        .collect();
    campaign
}

/// Whether all but state and mode is the same.
fn same_rules(old: &CampaignSettings, new: &CampaignSettings) -> bool {
    let mut old = CampaignSettings {
        state: new.state,
        mode: new.mode,
        ..old.clone()
    };
    let mut results = SystemResult::ALL.iter();
    if results.all(|result| old.recycle_after(*result) == new.recycle_after(*result)) {
        // A default that is written out now is the same rule.
        old.recycle = new.recycle.clone();
    }
    old == *new
}
