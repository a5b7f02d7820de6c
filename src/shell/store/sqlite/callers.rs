//! Who calls us: from a number to the lead whose card the agent sees; and a lead for those who are on no list.

use super::leads::{SqliteLeads, read_lead};
use super::schema::{self, Role, failed};
use crate::core::input::LeadFacts;
use crate::ids::CampaignId;
use crate::shell::store::{DueQuery, LeadRecord, StoreError};
use crate::time::UnixMs;
use rusqlite::OptionalExtension;

/// What stands in the place of a number that the caller hides. Nobody can be dialled under it.
const WITHHELD: &str = "withheld";
/// Leads of one number that are looked at: a number stands on a few lists at most.
const LISTS_MAX: i64 = 32;

impl SqliteLeads {
    /// The caller's lead: of the lists that the number is on, the one dialled last; one that is done serves as well.
    pub(super) fn find_caller(
        &mut self,
        e164: &str,
        now: UnixMs,
    ) -> Result<Option<(LeadFacts, LeadRecord)>, StoreError> {
        let doing = failed("look a caller up");
        let mut unknown_zones = Vec::new();
        let found = self.read_caller(e164, now, &mut unknown_zones);
        let found = found.map_err(&doing)?;
        if found.is_none() && self.learn_zones(&unknown_zones) {
            return self
                .read_caller(e164, now, &mut unknown_zones)
                .map_err(doing);
        }
        Ok(found)
    }

    fn read_caller(
        &mut self,
        e164: &str,
        now: UnixMs,
        unknown_zones: &mut Vec<String>,
    ) -> rusqlite::Result<Option<(LeadFacts, LeadRecord)>> {
        let (connection, names) = self.parts();
        let transaction = connection.transaction()?;
        let names = names.now(&transaction)?;
        let leads: Vec<(i64, i64)> = transaction
            .prepare_cached(
                "SELECT lead.id, lead.campaign FROM number
                 JOIN lead INDEXED BY lead_of_number ON lead.number = number.id
                 WHERE number.e164 = ?1
                 ORDER BY coalesce((SELECT max(decided_at) FROM attempt INDEXED BY attempt_of_person
                        WHERE attempt.person = lead.person AND counts = 1 AND attempt.lead = lead.id), 0) DESC,
                    lead.done IS NOT NULL, lead.id DESC
                 LIMIT ?2",
            )?
            .query_map((e164, LISTS_MAX), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (lead, campaign) in leads {
            let Some(campaign) = names.campaign_id(campaign) else {
                continue;
            };
            let query = DueQuery {
                campaign,
                want: 1,
                out: 0,
                now,
                due_until: now,
            };
            let found = read_lead(&transaction, names, lead, &query, unknown_zones)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// A lead for somebody whom nobody knows, on this campaign's list: done from the beginning, so that it is never dialled by
    /// itself. `None`: the campaign or the zone is not in force.
    pub(super) fn note_stranger(
        &mut self,
        e164: Option<&str>,
        campaign: CampaignId,
        zone: &str,
        now: UnixMs,
    ) -> Result<Option<(LeadFacts, LeadRecord)>, StoreError> {
        let doing = failed("note a caller");
        let number = e164.unwrap_or(WITHHELD);
        let row = {
            let (connection, names) = self.parts();
            let transaction = connection.transaction().map_err(&doing)?;
            let names = names.now(&transaction).map_err(&doing)?;
            names.campaign_row(campaign)
        };
        let Some(row) = row else { return Ok(None) };
        let mut office = schema::open(self.path(), Role::Office)?;
        let id = (|| {
            let transaction =
                office.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction.execute(
                "INSERT INTO person (cif) VALUES (?1) ON CONFLICT DO NOTHING",
                [format!("caller {number}")],
            )?;
            transaction.execute(
                "INSERT INTO number (e164) VALUES (?1) ON CONFLICT DO NOTHING",
                [number],
            )?;
            transaction.execute(
                "INSERT INTO zone (name) VALUES (?1) ON CONFLICT DO NOTHING",
                [zone],
            )?;
            transaction.execute(
                "INSERT INTO lead (campaign, person, number, zone, not_before, done, done_at, imported_at)
                 SELECT ?1, person.id, number.id, zone.id, ?4, 'RULE', ?4, ?4 FROM person, number, zone
                 WHERE person.cif = ?5 AND number.e164 = ?2 AND zone.name = ?3
                 ON CONFLICT DO NOTHING",
                (row, number, zone, now.0, format!("caller {number}")),
            )?;
            let id = transaction
                .query_row(
                    "SELECT lead.id FROM lead JOIN number ON number.id = lead.number
                     JOIN person ON person.id = lead.person
                     WHERE lead.campaign = ?1 AND number.e164 = ?2 AND person.cif = ?3",
                    (row, number, format!("caller {number}")),
                    |row| row.get::<_, i64>(0),
                )
                .optional()?;
            transaction.commit()?;
            Ok(id)
        })()
        .map_err(&doing)?;
        let Some(id) = id else { return Ok(None) };
        let query = DueQuery {
            campaign,
            want: 1,
            out: 0,
            now,
            due_until: now,
        };
        let (connection, names) = self.parts();
        let transaction = connection.transaction().map_err(&doing)?;
        let names = names.now(&transaction).map_err(&doing)?;
        read_lead(&transaction, names, id, &query, &mut Vec::new()).map_err(doing)
    }
}
