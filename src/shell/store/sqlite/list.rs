//! Writes lists: leads of an import, and numbers for the do-not-call list. In transactions of about 5 ms with pauses between,
//! because the engine's writer waits meanwhile and its intents are stale after 250 ms.

use super::blocks::block_number;
use super::orders;
use super::schema::failed;
use crate::shell::store::StoreError;
use crate::shell::store::import::{Kept, LeadList};
use crate::shell::store::lead_rows::LeadRow;
use crate::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::time::{Duration, Instant};

/// A transaction is ended after so long.
const TURN: Duration = Duration::from_millis(5);
/// The least pause between two transactions: long enough for the engine's writer, which looks every 0.5 ms, to come in.
const PAUSE: Duration = Duration::from_millis(2);

/// The writer of lists.
#[derive(Debug)]
pub(super) struct ListWriter<'a> {
    connection: &'a mut Connection,
}

impl<'a> ListWriter<'a> {
    /// While the list is written its commits do not wait for the disk; [`LeadList::finish`] does.
    pub(super) fn begin(connection: &'a mut Connection) -> Result<Self, StoreError> {
        connection
            .pragma_update(None, "synchronous", "NORMAL")
            .map_err(failed("begin the import"))?;
        Ok(ListWriter { connection })
    }

    /// Calls `write` for every row, in as many transactions as it takes.
    fn in_turns<Row>(
        &mut self,
        rows: &[Row],
        mut write: impl FnMut(&Connection, &Row, UnixMs) -> rusqlite::Result<Kept>,
    ) -> Result<Vec<Kept>, StoreError> {
        let doing = failed("write the list");
        let mut kept = Vec::with_capacity(rows.len());
        while kept.len() < rows.len() {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(&doing)?;
            let now = orders::now(&transaction).map_err(&doing)?;
            let begun = Instant::now();
            while kept.len() < rows.len() && begun.elapsed() < TURN {
                kept.push(write(&transaction, &rows[kept.len()], now).map_err(&doing)?);
            }
            transaction.commit().map_err(&doing)?;
            std::thread::sleep(PAUSE);
        }
        Ok(kept)
    }
}

impl Drop for ListWriter<'_> {
    /// Also after an import that failed: what the connection writes next must wait for the disk.
    fn drop(&mut self) {
        if let Err(fault) = self.connection.pragma_update(None, "synchronous", "FULL") {
            tracing::error!(%fault, "The connection of the import cannot be used any more.");
        }
    }
}

impl LeadList for ListWriter<'_> {
    fn keep(&mut self, rows: &[LeadRow]) -> Result<Vec<Kept>, StoreError> {
        self.in_turns(rows, keep_lead)
    }

    fn block(&mut self, numbers: &[(String, String)]) -> Result<Vec<Kept>, StoreError> {
        self.in_turns(numbers, |db, (number, reason), now| {
            let there: bool = db
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM dnc WHERE e164 = ?1)")?
                .query_row([number], |row| row.get(0))?;
            block_number(db, number, reason, now)?;
            Ok(if there { Kept::Same } else { Kept::New })
        })
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        let doing = failed("bring the list to the disk");
        self.connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(&doing)?;
        // One commit that waits for the disk takes all commits before it along: the WAL is one file.
        self.connection
            .execute(
                "INSERT INTO meta (key, value) VALUES ('last_import', unixepoch())
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [],
            )
            .map_err(&doing)?;
        Ok(())
    }
}

fn row_of(db: &Connection, find: &str, make: &str, name: &str) -> rusqlite::Result<i64> {
    let found = db
        .prepare_cached(find)?
        .query_row([name], |row| row.get(0))
        .optional()?;
    match found {
        Some(id) => Ok(id),
        None => {
            db.prepare_cached(make)?.execute([name])?;
            Ok(db.last_insert_rowid())
        }
    }
}

/// A lead is new, or it is on the list: then what the list knows better is taken over. Its past and its future are the floor's:
/// attempts, not-before and an end stay as they are.
fn keep_lead(db: &Connection, row: &LeadRow, now: UnixMs) -> rusqlite::Result<Kept> {
    let reserved_for: Option<i64> = match &row.reserved_for {
        None => None,
        Some(name) => {
            let found = db
                .prepare_cached("SELECT id FROM agent WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()?;
            let Some(agent) = found else {
                return Ok(Kept::Refused(
                    "reserved for an agent that is not there".to_owned(),
                ));
            };
            Some(agent)
        }
    };
    let campaign = row_of(
        db,
        "SELECT id FROM campaign WHERE name = ?1",
        "INSERT INTO campaign (name) VALUES (?1)",
        &row.campaign,
    )?;
    let person = row_of(
        db,
        "SELECT id FROM person WHERE cif = ?1",
        "INSERT INTO person (cif) VALUES (?1)",
        row.cif.expose(),
    )?;
    let number = row_of(
        db,
        "SELECT id FROM number WHERE e164 = ?1",
        "INSERT INTO number (e164) VALUES (?1)",
        row.e164.expose(),
    )?;
    let zone = row_of(
        db,
        "SELECT id FROM zone WHERE name = ?1",
        "INSERT INTO zone (name) VALUES (?1)",
        &row.zone,
    )?;
    let needs = if row.needs.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&row.needs)
            .map_err(|fault| rusqlite::Error::ToSqlConversionFailure(fault.into()))?
    };
    let there: Option<i64> = db
        .prepare_cached("SELECT id FROM lead WHERE campaign = ?1 AND person = ?2 AND number = ?3")?
        .query_row((campaign, person, number), |row| row.get(0))
        .optional()?;
    if let Some(lead) = there {
        let changed = db
            .prepare_cached(
                "UPDATE lead SET priority = ?2, zone = ?3, needs = ?4, reserved_for = ?5
                 WHERE id = ?1 AND (priority, zone, needs, reserved_for) IS NOT (?2, ?3, ?4, ?5)",
            )?
            .execute((lead, row.priority, zone, &needs, reserved_for))?
            + db.prepare_cached(
                "UPDATE lead_facts SET facts = ?2 WHERE lead = ?1 AND facts <> ?2",
            )?
            .execute((lead, row.facts.expose()))?;
        return Ok(if changed > 0 {
            Kept::Updated
        } else {
            Kept::Same
        });
    }
    // A person who is held for some days, or left in peace after a call, is so on new lists too.
    db.prepare_cached(
        "INSERT INTO lead (campaign, person, number, zone, priority, not_before, needs, reserved_for, imported_at)
         VALUES (?1, ?2, ?3, ?4, ?5,
            max(?6, (SELECT quiet_until FROM person WHERE id = ?2),
                coalesce((SELECT until FROM person_block WHERE person = ?2), 0)), ?7, ?8, ?9)",
    )?
    .execute((
        campaign,
        person,
        number,
        zone,
        row.priority,
        row.not_before.unwrap_or(now).0,
        &needs,
        reserved_for,
        now.0,
    ))?;
    let lead = db.last_insert_rowid();
    db.prepare_cached("INSERT INTO lead_facts (lead, facts) VALUES (?1, ?2)")?
        .execute((lead, row.facts.expose()))?;
    Ok(Kept::New)
}
