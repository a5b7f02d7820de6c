//! Between the configuration's indices and the store's rows: a campaign keeps its row when the configuration is reordered.

use crate::ids::{CampaignId, SkillId, TrunkId, ZoneId};
use crate::shell::store::{SharedNames, StoreNames};
use rusqlite::{Connection, OptionalExtension};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Names in force, and their rows: one version of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// By `CampaignId`.
    campaigns: Vec<i64>,
    /// By `TrunkId`.
    trunks: Vec<i64>,
    campaign_ids: FxHashMap<i64, CampaignId>,
    trunk_ids: FxHashMap<i64, TrunkId>,
    zone_ids: FxHashMap<String, ZoneId>,
    skill_ids: FxHashMap<String, SkillId>,
}

/// The rows of shared names, looked up anew when there is another version of them.
#[derive(Debug)]
pub(super) struct FollowedNames {
    shared: SharedNames,
    seen: Arc<StoreNames>,
    names: Names,
}

impl FollowedNames {
    /// Names whose rows are known; nobody changes them until [`FollowedNames::follow`].
    pub(super) fn new(settings: &StoreNames, names: Names) -> Self {
        let shared = SharedNames::new(settings.clone());
        FollowedNames {
            seen: shared.now(),
            shared,
            names,
        }
    }

    /// From now on, these.
    pub(super) fn follow(&mut self, shared: SharedNames) {
        self.shared = shared;
    }

    /// The names now.
    pub(super) fn now(&mut self, db: &Connection) -> rusqlite::Result<&Names> {
        let now = self.shared.now();
        if !Arc::ptr_eq(&now, &self.seen) {
            self.names = Names::find(db, &now)?;
            self.seen = now;
        }
        Ok(&self.names)
    }
}

impl Names {
    /// Finds the rows of all names, and makes those that are new. Caller ids are brought up to date.
    pub(super) fn keep(db: &Connection, names: &StoreNames) -> rusqlite::Result<Self> {
        for campaign in &names.campaigns {
            db.execute(
                "INSERT INTO campaign (name, caller_id) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET caller_id = excluded.caller_id",
                (&campaign.name, &campaign.caller_id),
            )?;
        }
        for trunk in &names.trunks {
            db.execute(
                "INSERT INTO trunk (name) VALUES (?1) ON CONFLICT DO NOTHING",
                [trunk],
            )?;
        }
        Self::find(db, names)
    }

    /// Finds the rows of all names; those that have none get row 0, which no lead has.
    pub(super) fn find(db: &Connection, names: &StoreNames) -> rusqlite::Result<Self> {
        let row = |table: &str, name: &str| -> rusqlite::Result<i64> {
            db.query_row(
                &format!("SELECT id FROM {table} WHERE name = ?1"),
                [name],
                |row| row.get(0),
            )
            .optional()
            .map(Option::unwrap_or_default)
        };
        let mut found = Names::default();
        for (index, campaign) in names.campaigns.iter().enumerate() {
            let id = row("campaign", &campaign.name)?;
            found.campaigns.push(id);
            found.campaign_ids.insert(id, CampaignId(index as u16));
        }
        for (index, trunk) in names.trunks.iter().enumerate() {
            let id = row("trunk", trunk)?;
            found.trunks.push(id);
            found.trunk_ids.insert(id, TrunkId(index as u16));
        }
        for (index, zone) in names.zones.iter().enumerate() {
            found.zone_ids.insert(zone.clone(), ZoneId(index as u16));
        }
        for (index, skill) in names.skills.iter().enumerate() {
            found.skill_ids.insert(skill.clone(), SkillId(index as u16));
        }
        Ok(found)
    }

    pub(super) fn campaign_row(&self, id: CampaignId) -> Option<i64> {
        self.campaigns.get(usize::from(id.0)).copied()
    }
    pub(super) fn trunk_row(&self, id: TrunkId) -> Option<i64> {
        self.trunks.get(usize::from(id.0)).copied()
    }
    pub(super) fn campaign_id(&self, row: i64) -> Option<CampaignId> {
        self.campaign_ids.get(&row).copied()
    }
    pub(super) fn trunk_id(&self, row: i64) -> Option<TrunkId> {
        self.trunk_ids.get(&row).copied()
    }
    pub(super) fn zone_id(&self, name: &str) -> Option<ZoneId> {
        self.zone_ids.get(name).copied()
    }
    pub(super) fn skill_id(&self, name: &str) -> Option<SkillId> {
        self.skill_ids.get(name).copied()
    }
}
