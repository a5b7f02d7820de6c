//! Reads due leads for the hopper, in one short read transaction each time, so that no reader holds the WAL for long.

use super::names::{FollowedNames, Names};
use super::schema::{self, Role, failed};
use crate::core::input::LeadFacts;
use crate::core::settings::SkillNeed;
use crate::ids::{AgentId, CampaignId, LeadId, NumberId, PersonId};
use crate::pii::Pii;
use crate::shell::store::{
    Changes, DueLeads, DueQuery, LeadRecord, LeadSource, SharedNames, StoreError, StoreNames,
    ZoneLearner,
};
use crate::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, Transaction};
use std::path::{Path, PathBuf};

/// Up to so many due leads it is quicker to take them all and sort; beyond, to walk the order of dialling.
const FEW: i64 = 20_000;
/// Attempts older than this interest no cap, in milliseconds (two local days, whatever the zone).
const HISTORY_MS: i64 = 48 * 3_600_000;
/// Most past attempts handed to the floor per person.
const HISTORY_MAX: i64 = 64;

/// Zones that one answer offers to be learned.
const UNKNOWN_ZONES_MAX: usize = 16;
/// Blocks read in one look.
const BLOCKS_AT_ONCE: usize = 1_000;

/// The hopper's reader.
pub struct SqliteLeads {
    path: PathBuf,
    connection: Connection,
    names: FollowedNames,
    learn_zone: ZoneLearner,
    last_block: i64,
    last_lead: i64,
}

impl SqliteLeads {
    /// A reader on a file that the engine has open. `settings` must be the names that the engine was opened with, and the
    /// zones in force.
    pub fn open(path: &Path, settings: &StoreNames) -> Result<Self, StoreError> {
        let connection = schema::open(path, Role::Reader)?;
        let doing = failed("read the names in force");
        let names = Names::find(&connection, settings).map_err(&doing)?;
        let last = |table: &str| {
            connection.query_row(
                &format!("SELECT coalesce(max(id), 0) FROM {table}"),
                [],
                |row| row.get(0),
            )
        };
        let (last_block, last_lead) = (
            last("block_log").map_err(&doing)?,
            last("lead").map_err(&doing)?,
        );
        Ok(SqliteLeads {
            path: path.to_owned(),
            connection,
            names: FollowedNames::new(settings, names),
            learn_zone: Box::new(|_| false),
            last_block,
            last_lead,
        })
    }
}

impl SqliteLeads {
    /// Turns rows into ids by these names from now on; a zone that is not among them is offered to `learn_zone`.
    pub fn follow(mut self, names: SharedNames, learn_zone: ZoneLearner) -> Self {
        self.names.follow(names);
        self.learn_zone = learn_zone;
        self
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn parts(&mut self) -> (&mut Connection, &mut FollowedNames) {
        (&mut self.connection, &mut self.names)
    }

    /// Offers zones to be learned; whether one was.
    pub(super) fn learn_zones(&mut self, zones: &[String]) -> bool {
        let mut has_learned = false;
        for zone in zones {
            has_learned |= (self.learn_zone)(zone);
        }
        has_learned
    }

    fn read(
        &mut self,
        query: &DueQuery,
        is_out: &dyn Fn(LeadId) -> bool,
    ) -> rusqlite::Result<DueLeads> {
        let transaction = self.connection.transaction()?;
        let names = self.names.now(&transaction)?;
        match names.campaign_row(query.campaign) {
            Some(campaign) => read_due(&transaction, names, campaign, query, is_out),
            None => Ok(DueLeads::default()),
        }
    }

    fn read_one(
        &mut self,
        lead: LeadId,
        now: UnixMs,
        unknown_zones: &mut Vec<String>,
    ) -> rusqlite::Result<Option<(LeadFacts, LeadRecord)>> {
        let transaction = self.connection.transaction()?;
        let names = self.names.now(&transaction)?;
        let id = lead.0 as i64;
        let campaign: Option<i64> = transaction
            .prepare_cached("SELECT campaign FROM lead WHERE id = ?1 AND done IS NULL")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        let Some(campaign) = campaign.and_then(|row| names.campaign_id(row)) else {
            return Ok(None);
        };
        let query = DueQuery {
            campaign,
            want: 1,
            out: 0,
            now,
            due_until: now,
        };
        read_lead(&transaction, names, id, &query, unknown_zones)
    }
}

impl LeadSource for SqliteLeads {
    fn due(
        &mut self,
        query: &DueQuery,
        is_out: &dyn Fn(LeadId) -> bool,
    ) -> Result<DueLeads, StoreError> {
        let doing = failed("read due leads");
        let due = self.read(query, is_out).map_err(&doing)?;
        let mut has_learned = false;
        for zone in &due.unknown_zones {
            has_learned |= (self.learn_zone)(zone);
        }
        if has_learned {
            return self.read(query, is_out).map_err(doing);
        }
        Ok(due)
    }

    fn one(
        &mut self,
        lead: LeadId,
        now: UnixMs,
    ) -> Result<Option<(LeadFacts, LeadRecord)>, StoreError> {
        let mut unknown_zones = Vec::new();
        let doing = failed("read a lead");
        let found = self
            .read_one(lead, now, &mut unknown_zones)
            .map_err(&doing)?;
        let mut has_learned = false;
        for zone in &unknown_zones {
            has_learned |= (self.learn_zone)(zone);
        }
        if has_learned {
            return self.read_one(lead, now, &mut unknown_zones).map_err(doing);
        }
        Ok(found)
    }

    fn caller(
        &mut self,
        e164: &str,
        now: UnixMs,
    ) -> Result<Option<(LeadFacts, LeadRecord)>, StoreError> {
        self.find_caller(e164, now)
    }

    fn stranger(
        &mut self,
        e164: Option<&str>,
        campaign: CampaignId,
        zone: &str,
        now: UnixMs,
    ) -> Result<Option<(LeadFacts, LeadRecord)>, StoreError> {
        self.note_stranger(e164, campaign, zone, now)
    }

    fn changes(&mut self) -> Result<Changes, StoreError> {
        let transaction = self
            .connection
            .transaction()
            .map_err(failed("read what changed"))?;
        let (changes, last_block, last_lead) = self
            .names
            .now(&transaction)
            .and_then(|names| read_changes(&transaction, names, self.last_block, self.last_lead))
            .map_err(failed("read what changed"))?;
        drop(transaction);
        (self.last_block, self.last_lead) = (last_block, last_lead);
        Ok(changes)
    }
}

fn read_due(
    db: &Transaction<'_>,
    names: &Names,
    campaign: i64,
    query: &DueQuery,
    is_out: &dyn Fn(LeadId) -> bool,
) -> rusqlite::Result<DueLeads> {
    let want = query.want as usize;
    let few: bool = db
        .prepare_cached(
            "SELECT count(*) < ?3 FROM (SELECT 1 FROM lead INDEXED BY lead_due
                WHERE campaign = ?1 AND done IS NULL AND not_before <= ?2 LIMIT ?3)",
        )?
        .query_row((campaign, query.due_until.0, FEW), |row| row.get(0))?;
    // The two differ in their index only. What is lent is passed over, so that many more must be read.
    let sql = if few {
        "SELECT id FROM lead INDEXED BY lead_due WHERE campaign = ?1 AND done IS NULL AND not_before <= ?2
         ORDER BY callback DESC, priority DESC, not_before, id LIMIT ?3"
    } else {
        "SELECT id FROM lead INDEXED BY lead_order WHERE campaign = ?1 AND done IS NULL AND not_before <= ?2
         ORDER BY callback DESC, priority DESC, not_before, id LIMIT ?3"
    };
    let mut limit = i64::from(query.want) + i64::from(query.out) + 1;
    let mut found = loop {
        let ids: Vec<i64> = db
            .prepare_cached(sql)?
            .query_map((campaign, query.due_until.0, limit), |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let all_read = (ids.len() as i64) < limit;
        let mut found = DueLeads::default();
        for id in ids {
            if is_out(LeadId(id as u64)) {
                continue;
            }
            if found.leads.len() == want {
                found.more = true;
                break;
            }
            match read_lead(db, names, id, query, &mut found.unknown_zones)? {
                Some(lead) => found.leads.push(lead),
                None => found.unusable += 1,
            }
        }
        if found.more || all_read {
            break found;
        }
        // Leads that nobody can use stand in front: look behind them.
        limit = limit.saturating_mul(4);
    };
    if !found.more {
        found.next_due = db
            .prepare_cached(
                "SELECT min(not_before) FROM lead INDEXED BY lead_due
                 WHERE campaign = ?1 AND done IS NULL AND not_before > ?2",
            )?
            .query_row((campaign, query.due_until.0), |row| {
                row.get::<_, Option<i64>>(0)
            })?
            .map(UnixMs);
    }
    Ok(found)
}

/// `None`: its zone or one of its skills is not in force.
pub(super) fn read_lead(
    db: &Transaction<'_>,
    names: &Names,
    id: i64,
    query: &DueQuery,
    unknown_zones: &mut Vec<String>,
) -> rusqlite::Result<Option<(LeadFacts, LeadRecord)>> {
    let mut lead = db.prepare_cached(
        "SELECT lead.person, lead.number, zone.name, priority, not_before, attempts, needs, sticky, reserved_for,
            number.e164, lead_facts.facts,
            number.status <> 'VALID'
                OR EXISTS (SELECT 1 FROM dnc WHERE dnc.e164 = number.e164)
                OR EXISTS (SELECT 1 FROM person_block WHERE person_block.person = lead.person
                    AND (person_block.until IS NULL OR person_block.until > ?2)),
            lead.callback
         FROM lead
         JOIN number ON number.id = lead.number
         JOIN zone ON zone.id = lead.zone
         LEFT JOIN lead_facts ON lead_facts.lead = lead.id
         WHERE lead.id = ?1",
    )?;
    lead.query_row((id, query.now.0), |row| {
        let name = row.get_ref(2)?.as_str()?;
        let Some(zone) = names.zone_id(name) else {
            if unknown_zones.len() < UNKNOWN_ZONES_MAX
                && !unknown_zones.iter().any(|zone| zone == name)
            {
                unknown_zones.push(name.to_owned());
            }
            return Ok(None);
        };
        let Some(needs) = needs_of(names, row.get_ref(6)?.as_str()?) else {
            return Ok(None);
        };
        let person = row.get::<_, i64>(0)?;
        let number = NumberId(row.get::<_, i64>(1)? as u64);
        let agent = |id: Option<u32>| id.map(AgentId);
        let facts = LeadFacts {
            lead: LeadId(id as u64),
            person: PersonId(person as u64),
            number,
            zone,
            callback: row.get(12)?,
            segment: 0,
            priority: row.get(3)?,
            not_before: UnixMs(row.get(4)?),
            attempts: row.get(5)?,
            needs,
            sticky: agent(row.get(7)?),
            reserved_for: agent(row.get(8)?),
            person_attempts: history(db, person, query.now)?,
            blocked: row.get(11)?,
        };
        let record = LeadRecord {
            lead: facts.lead,
            campaign: query.campaign,
            person: facts.person,
            number,
            e164: Pii::new(row.get(9)?),
            facts: Pii::new(
                row.get::<_, Option<String>>(10)?
                    .unwrap_or_else(|| "{}".to_owned())
                    .into_boxed_str(),
            ),
        };
        Ok(Some((facts, record)))
    })
    .optional()
    .map(Option::flatten)
}

/// `{"vietnamese":5}` as needs; `None` if a skill is not in force. Empty text: none.
fn needs_of(names: &Names, json: &str) -> Option<Vec<SkillNeed>> {
    if json.is_empty() {
        return Some(Vec::new());
    }
    let needs: std::collections::BTreeMap<&str, u8> = serde_json::from_str(json).ok()?;
    needs
        .into_iter()
        .map(|(skill, level)| {
            names
                .skill_id(skill)
                .map(|skill| SkillNeed { skill, level })
        })
        .collect()
}

/// Attempts at a person that counted, over all campaigns, newest first: the last two days, and the newest whatever its age.
fn history(db: &Transaction<'_>, person: i64, now: UnixMs) -> rusqlite::Result<Vec<UnixMs>> {
    let mut newest = db.prepare_cached(
        "SELECT decided_at FROM attempt INDEXED BY attempt_of_person WHERE person = ?1 AND counts = 1
         ORDER BY decided_at DESC LIMIT ?2",
    )?;
    let mut rows = newest.query((person, HISTORY_MAX))?;
    let mut times = Vec::new();
    while let Some(row) = rows.next()? {
        let at = UnixMs(row.get(0)?);
        if !times.is_empty() && at.0 < now.0 - HISTORY_MS {
            break;
        }
        times.push(at);
    }
    Ok(times)
}

fn read_changes(
    db: &Transaction<'_>,
    names: &Names,
    last_block: i64,
    last_lead: i64,
) -> rusqlite::Result<(Changes, i64, i64)> {
    let mut changes = Changes::default();
    let mut newest_block = last_block;
    let mut blocks = db.prepare_cached(
        "SELECT block_log.id, number, person_block.person, until FROM block_log
         LEFT JOIN person_block ON person_block.person = block_log.person
         WHERE block_log.id > ?1 ORDER BY block_log.id LIMIT ?2",
    )?;
    let mut rows = blocks.query((last_block, BLOCKS_AT_ONCE as i64))?;
    let mut read = 0;
    while let Some(row) = rows.next()? {
        read += 1;
        newest_block = row.get(0)?;
        if let Some(number) = row.get::<_, Option<i64>>(1)? {
            changes.numbers.push(NumberId(number as u64));
        }
        if let Some(person) = row.get::<_, Option<i64>>(2)? {
            let until = row.get::<_, Option<i64>>(3)?.map(UnixMs);
            changes.persons.push((PersonId(person as u64), until));
        }
    }
    changes.more = read == BLOCKS_AT_ONCE;
    let newest_lead = db
        .prepare_cached("SELECT coalesce(max(id), 0) FROM lead")?
        .query_row([], |row| row.get(0))?;
    if newest_lead > last_lead {
        let mut campaigns =
            db.prepare_cached("SELECT DISTINCT campaign FROM lead NOT INDEXED WHERE id > ?1")?;
        let mut rows = campaigns.query([last_lead])?;
        while let Some(row) = rows.next()? {
            changes.campaigns.extend(names.campaign_id(row.get(0)?));
        }
    }
    Ok((changes, newest_block, newest_lead))
}
