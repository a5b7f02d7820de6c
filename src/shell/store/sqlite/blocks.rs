//! Who must not be dialled: numbers on the do-not-call list, numbers that are wrong, persons for some days or for good.
//! A person's leads are found by (campaign, person, number), campaign by campaign: there are few, and it saves every lead an index.
//! Every new block is written to the log that a running engine reads. Also who is left in peace for a while, or has no further call
//! due, because of what they said.

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
            "UPDATE lead SET not_before = max(not_before, ?2)
             WHERE campaign IN (SELECT id FROM campaign) AND person = ?1 AND done IS NULL",
        )?
        .execute((person, until.0))?;
    }
    Ok(())
}

/// What the books say of a lead that the floor gave back as blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// Its number or its person is blocked for good.
    ForGood,
    /// Its person is blocked until this time.
    Until(UnixMs),
    /// Its person's block is over.
    NoMore,
    /// Neither was ever blocked: the floor meant somebody else, on the same number.
    Never,
}

/// Judges a lead by its own number and its own person, whatever the floor believes.
pub(super) fn blocked(db: &Connection, lead: i64, now: UnixMs) -> rusqlite::Result<Blocked> {
    db.prepare_cached(
        "SELECT number.status <> 'VALID' OR EXISTS (SELECT 1 FROM dnc WHERE dnc.e164 = number.e164),
            person_block.person IS NOT NULL, person_block.until
         FROM lead
         JOIN number ON number.id = lead.number
         LEFT JOIN person_block ON person_block.person = lead.person
         WHERE lead.id = ?1",
    )?
    .query_row([lead], |row| {
        let (number, person) = (row.get(0)?, row.get(1)?);
        let until = row.get::<_, Option<i64>>(2)?.map(UnixMs);
        Ok(match (number, person, until) {
            (true, ..) | (false, true, None) => Blocked::ForGood,
            (false, true, Some(until)) if until > now => Blocked::Until(until),
            (false, true, Some(_)) => Blocked::NoMore,
            (false, false, _) => Blocked::Never,
        })
    })
    .optional()
    .map(|found| found.unwrap_or(Blocked::Never))
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

/// Leaves a person in peace: no other lead of theirs is dialled before a time, on no list. `spoken` is the lead that was dialled.
pub(super) fn quiet_person(
    db: &Connection,
    person: i64,
    spoken: i64,
    until: UnixMs,
) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE person SET quiet_until = max(quiet_until, ?2) WHERE id = ?1")?
        .execute((person, until.0))?;
    db.prepare_cached(
        "UPDATE lead SET not_before = max(not_before, ?3)
         WHERE campaign IN (SELECT id FROM campaign) AND person = ?1 AND id <> ?2 AND done IS NULL",
    )?
    .execute((person, spoken, until.0))?;
    Ok(())
}

/// Ends all other leads of a person: somebody else takes the case over.
pub(super) fn close_person(db: &Connection, person: i64, spoken: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE lead SET done = 'DISPOSITION', done_at = CAST(unixepoch('subsec') * 1000 AS INTEGER)
         WHERE campaign IN (SELECT id FROM campaign) AND person = ?1 AND id <> ?2 AND done IS NULL",
    )?
    .execute((person, spoken))?;
    Ok(())
}
