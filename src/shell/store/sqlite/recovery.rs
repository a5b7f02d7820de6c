//! After a crash: gives every attempt its one result, every connected one its outcome, and names the legs that may be up.
//!
//! An attempt without a result was in the air, or was about to be: we cannot know. It counts, and it is never sent again by
//! itself; its lead returns after the campaign's gap, at least two hours. So does the lead of a call whose agent never spoke: what
//! the floor does with both while it lives.

use super::names::Names;
use crate::core::results::SystemResult;
use crate::ids::AttemptId;
use crate::pii::Pii;
use crate::shell::store::{CallIdentity, DialogRow, OrphanLeg, Recovery, StoreNames};
use crate::time::UnixMs;
use rusqlite::{Connection, Row};
use std::time::Duration;

/// Least wait of a lead whose attempt was cut off, or whose agent said nothing (domain.md, INTERRUPTED, NOT_RECORDED).
const WAIT_MIN: Duration = Duration::from_secs(2 * 3_600);
/// A start that was itself cut off: legs named in the last minutes are named again.
const NAMED_AGAIN_MS: i64 = 10 * 60_000;

/// Closes what a process left behind. Everything in the caller's one transaction.
pub(super) fn recover(
    db: &Connection,
    old: &Names,
    settings: &StoreNames,
    now: UnixMs,
) -> rusqlite::Result<Recovery> {
    let mut recovery = Recovery {
        // After a restore also behind those that the restored file does not know: elsewhere they are known by their numbers.
        first_attempt: 1 + db.query_row(
            "SELECT max((SELECT coalesce(max(id), 0) FROM attempt),
                coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'attempts_before'), 0))",
            [],
            |row| row.get::<_, i64>(0),
        )? as u64,
        ..Recovery::default()
    };
    (recovery.connected, recovery.interrupted) = close_attempts(db, old, settings, now)?;
    recovery.not_recorded = record_outcomes(db, old, settings, now)?;
    name_orphans(db, old, now, &mut recovery)?;
    Ok(recovery)
}

/// The wait of a lead of this campaign.
fn wait_of(campaign: i64, old: &Names, settings: &StoreNames) -> Duration {
    old.campaign_id(campaign)
        .and_then(|id| settings.campaigns.get(usize::from(id.0)))
        .map_or(WAIT_MIN, |campaign| campaign.gap.max(WAIT_MIN))
}

/// Sends leads back to the list, not before a time.
const RETURN: &str = "UPDATE lead SET not_before = max(not_before, ?2), callback = 0, sticky = NULL
    WHERE id = ?1 AND done IS NULL";

fn close_attempts(
    db: &Connection,
    old: &Names,
    settings: &StoreNames,
    now: UnixMs,
) -> rusqlite::Result<(u32, u32)> {
    let open: Vec<(i64, i64, i64, bool)> = db
        .prepare(
            "SELECT id, lead, campaign, EXISTS (SELECT 1 FROM outcome WHERE outcome.attempt = attempt.id)
             FROM attempt INDEXED BY attempt_in_air WHERE result IS NULL",
        )?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut close = db.prepare(
        "UPDATE attempt SET result = ?2, counts = direction = 'OUT', ended_at = ?3, recovered_at = ?3,
            agent = coalesce(agent, (SELECT agent FROM outcome WHERE outcome.attempt = attempt.id))
         WHERE id = ?1",
    )?;
    let mut count = db.prepare(
        "UPDATE lead SET attempts = attempts + 1 FROM attempt
         WHERE lead.id = ?1 AND attempt.id = ?2 AND attempt.direction = 'OUT'",
    )?;
    let mut wait = db.prepare(RETURN)?;
    let (mut connected, mut interrupted) = (0, 0);
    for (attempt, lead, campaign, has_outcome) in open {
        // An outcome was saved: the agent did speak to somebody, and the lead's future is what the agent said.
        let result = if has_outcome {
            connected += 1;
            SystemResult::Connected
        } else {
            interrupted += 1;
            wait.execute((lead, (now + wait_of(campaign, old, settings)).0))?;
            SystemResult::Interrupted
        };
        // Who called us was not tried by us.
        count.execute([lead, attempt])?;
        close.execute((attempt, result.code(), now.0))?;
    }
    Ok((connected, interrupted))
}

/// A conversation whose agent never said what came of it: the system says so.
fn record_outcomes(
    db: &Connection,
    old: &Names,
    settings: &StoreNames,
    now: UnixMs,
) -> rusqlite::Result<u32> {
    let added = db.execute(
        "INSERT INTO outcome (attempt, agent, code, at, by_system)
         SELECT id, agent, 'NOT_RECORDED', ?1, 1 FROM attempt INDEXED BY attempt_awaiting WHERE awaits_outcome = 1
         ON CONFLICT DO NOTHING",
        [now.0],
    )?;
    let mut wait = db.prepare(RETURN)?;
    let mut spoken = db.prepare(
        "SELECT lead, campaign FROM attempt INDEXED BY attempt_awaiting WHERE awaits_outcome = 1",
    )?;
    let mut rows = spoken.query([])?;
    while let Some(row) = rows.next()? {
        let campaign = row.get(1)?;
        wait.execute((
            row.get::<_, i64>(0)?,
            (now + wait_of(campaign, old, settings)).0,
        ))?;
    }
    db.execute(
        "UPDATE attempt SET awaits_outcome = 0 WHERE awaits_outcome = 1",
        [],
    )?;
    Ok(added as u32)
}

fn name_orphans(
    db: &Connection,
    old: &Names,
    now: UnixMs,
    recovery: &mut Recovery,
) -> rusqlite::Result<()> {
    let mut legs = db.prepare(
        "SELECT route_try.attempt, route_try.n, route_try.trunk, number.e164, campaign.caller_id,
            call_id, from_tag, branch, remote_tag, remote_target, route_set, cseq
         FROM attempt INDEXED BY attempt_recovered
         JOIN route_try ON route_try.attempt = attempt.id
         JOIN number ON number.id = attempt.number
         JOIN campaign ON campaign.id = attempt.campaign
         WHERE attempt.recovered_at > ?1
         ORDER BY route_try.attempt, route_try.n",
    )?;
    let mut rows = legs.query([now.0 - NAMED_AGAIN_MS])?;
    while let Some(row) = rows.next()? {
        match old.trunk_id(row.get(2)?) {
            Some(trunk) => recovery.orphans.push(orphan(row, trunk)?),
            None => recovery.orphans_without_trunk += 1,
        }
    }
    Ok(())
}

fn orphan(row: &Row<'_>, trunk: crate::ids::TrunkId) -> rusqlite::Result<OrphanLeg> {
    let attempt = AttemptId(row.get::<_, i64>(0)? as u64);
    let route_try = row.get(1)?;
    let dialog = match row.get::<_, Option<String>>(8)? {
        None => None,
        Some(remote_tag) => Some(DialogRow {
            attempt,
            route_try,
            remote_tag,
            remote_target: row.get::<_, Option<String>>(9)?.unwrap_or_default(),
            route_set: row
                .get::<_, Option<String>>(10)?
                .and_then(|json| serde_json::from_str(&json).ok())
                .unwrap_or_default(),
            local_cseq: row.get(11)?,
        }),
    };
    Ok(OrphanLeg {
        attempt,
        route_try,
        trunk,
        number: Pii::new(row.get(3)?),
        caller_id: row.get(4)?,
        identity: CallIdentity {
            call_id: row.get(5)?,
            from_tag: row.get(6)?,
            branch: row.get(7)?,
        },
        dialog,
    })
}
