//! Who must not be dialled: numbers on the do-not-call list, numbers that are wrong, persons for some days or for good.
//! Every new block is written to the log that a running engine reads.

use crate::time::UnixMs;
use rusqlite::{Connection, OptionalExtension};

fn log_block(
    db: &Connection,
    number: Option<i64>,
    person: Option<i64>,
    reason: &str,
    at: UnixMs,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO block_log (number, person, reason, at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((number, person, reason, at.0))?;
    Ok(())
}

/// Puts a number on the do-not-call list, known or not. Its row, if it is known and was not on the list.
pub(super) fn block_number(
    db: &Connection,
    e164: &str,
    reason: &str,
    at: UnixMs,
) -> rusqlite::Result<Option<i64>> {
    let added = db
        .prepare_cached(
            "INSERT INTO dnc (e164, reason, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute((e164, reason, at.0))?;
    if added == 0 {
        return Ok(None);
    }
    let number: Option<i64> = db
        .prepare_cached("SELECT id FROM number WHERE e164 = ?1")?
        .query_row([e164], |row| row.get(0))
        .optional()?;
    if number.is_some() {
        log_block(db, number, None, reason, at)?;
    }
    Ok(number)
}

/// Keeps a person from being dialled until a time, or for good; never shortens a block that is there.
pub(super) fn block_person(
    db: &Connection,
    person: i64,
    reason: &str,
    at: UnixMs,
    until: Option<UnixMs>,
) -> rusqlite::Result<()> {
    let changed = db
        .prepare_cached(
            "INSERT INTO person_block (person, reason, at, until) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (person) DO UPDATE SET reason = excluded.reason, at = excluded.at, until = excluded.until
             WHERE person_block.until IS NOT NULL
                AND (excluded.until IS NULL OR excluded.until > person_block.until)",
        )?
        .execute((person, reason, at.0, until.map(|until| until.0)))?;
    if changed > 0 {
        log_block(db, None, Some(person), reason, at)?;
    }
    if let Some(until) = until {
        db.prepare_cached(
            "UPDATE lead SET not_before = max(not_before, ?2) WHERE person = ?1 AND done IS NULL",
        )?
        .execute((person, until.0))?;
    }
    Ok(())
}

/// When the block ends that ended a lead; `None` if it has no end. The floor knows only that there is one.
pub(super) fn block_ends(db: &Connection, lead: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(
        "SELECT person_block.until FROM lead
         JOIN number ON number.id = lead.number
         JOIN person_block ON person_block.person = lead.person
         WHERE lead.id = ?1 AND number.status = 'VALID'
            AND NOT EXISTS (SELECT 1 FROM dnc WHERE dnc.e164 = number.e164)",
    )?
    .query_row([lead], |row| row.get(0))
    .optional()
    .map(Option::flatten)
}

/// A number that is somebody else's, or nobody's: not dialled again on any list.
pub(super) fn mark_number(
    db: &Connection,
    number: i64,
    status: &str,
    at: UnixMs,
) -> rusqlite::Result<()> {
    let changed = db
        .prepare_cached(
            "UPDATE number SET status = ?2, status_at = ?3 WHERE id = ?1 AND status = 'VALID'",
        )?
        .execute((number, status, at.0))?;
    if changed > 0 {
        log_block(db, Some(number), None, status, at)?;
    }
    Ok(())
}
