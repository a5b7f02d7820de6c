//! What each order writes. Told an open transaction; decides nothing about leads that the floor did not decide.

use super::blocks::{
    Blocked, block_number, block_person, blocked, close_person, mark_number, quiet_person,
};
use super::names::Names;
use crate::core::dispositions::Disposition;
use crate::core::effect::{AttemptClosed, CallInOrder, DialOrder, DoneWhy, LeadNext, OutcomeKept};
use crate::core::results::SystemResult;
use crate::ids::{AttemptId, LeadId};
use crate::shell::store::{
    CallIdentity, Committed, DialogRow, OutcomeDetail, PromiseDetail, StoreNews, StoreOrder,
};
use crate::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, params};

const DAY_MS: i64 = 86_400_000;
/// Time that a complaint or a hardship case keeps a person from being dialled (domain.md, "Agent outcome codes").
const HOLD_MS: i64 = 7 * DAY_MS;

const MINUTE_MS: i64 = 60_000;
/// Wait of a lead whose floor believes in a block that is over. Not none: as long as it believes, it gives the lead back at once.
const BLOCK_OVER_MS: i64 = MINUTE_MS;
/// Wait of a lead whose floor believes in a block that never was.
const NEVER_BLOCKED_MS: i64 = 60 * MINUTE_MS;

/// Why an order was not applied.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderFault {
    /// It contradicts what is kept, or names what is not there.
    #[error("{0}")]
    Refused(String),
    /// The database said so.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

type Applied = Result<(), OrderFault>;

/// Applies one order; news and returned leads are added to `done`.
pub(super) fn apply(
    db: &Connection,
    names: &Names,
    order: &StoreOrder,
    done: &mut Committed,
) -> Applied {
    match order {
        StoreOrder::Intent(dial, identity, at) => intent(db, names, dial, identity, *at, done),
        StoreOrder::CallIn(order, identity, at) => call_in(db, names, order, identity, *at),
        StoreOrder::Dialog(row) => dialog(db, row, done),
        StoreOrder::Closed(closed) => close(db, names, closed, done),
        StoreOrder::Outcome(kept, detail) => outcome(db, kept, detail, done),
        StoreOrder::Sound(sound) => Ok(super::sound::keep(db, sound).map(|_| ())?),
        StoreOrder::LeadReturned { lead, next } => {
            if let Some(next) = next {
                lead_next(db, *lead, next, 0, Time::Earliest)?;
            }
            done.returned.push(*lead);
            Ok(())
        }
        StoreOrder::Exposed {
            campaign,
            exposure,
            at,
        } => Ok(super::ledger::keep(
            db,
            campaign_row(names, *campaign)?,
            *exposure,
            *at,
        )?),
        StoreOrder::BlockNumber { number, reason } => {
            block_number(db, number.expose(), reason, now(db)?)?;
            Ok(())
        }
    }
}

/// What to tell whoever ordered something that was not kept.
pub(super) fn refused(order: &StoreOrder, done: &mut Committed) {
    done.refused += 1;
    done.news.extend(failure_of(order));
}

/// The news of an order's failure, if anybody waits for it.
pub(in crate::shell::store) fn failure_of(order: &StoreOrder) -> Option<StoreNews> {
    match order {
        StoreOrder::Intent(dial, ..) => Some(StoreNews::IntentFailed(dial.attempt, dial.route_try)),
        StoreOrder::Outcome(kept, _) => Some(StoreNews::OutcomeFailed {
            agent: kept.agent,
            attempt: kept.attempt,
            request: kept.request,
        }),
        StoreOrder::CallIn(..)
        | StoreOrder::Dialog(_)
        | StoreOrder::Closed(_)
        | StoreOrder::Sound(_)
        | StoreOrder::LeadReturned { .. }
        | StoreOrder::Exposed { .. }
        | StoreOrder::BlockNumber { .. } => None,
    }
}

/// The database's clock, for orders that carry no time.
pub(super) fn now(db: &Connection) -> rusqlite::Result<UnixMs> {
    db.prepare_cached("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)")?
        .query_row([], |row| row.get(0).map(UnixMs))
}

fn row_of(id: u64) -> i64 {
    id as i64
}

fn campaign_row(names: &Names, id: crate::ids::CampaignId) -> Result<i64, OrderFault> {
    names
        .campaign_row(id)
        .ok_or_else(|| OrderFault::Refused(format!("no campaign {id}")))
}

fn trunk_row(names: &Names, id: crate::ids::TrunkId) -> Result<i64, OrderFault> {
    names
        .trunk_row(id)
        .ok_or_else(|| OrderFault::Refused(format!("no trunk {id}")))
}

/// Written twice it is written once: an intent that is repeated after a doubt must not count as a second try.
fn intent(
    db: &Connection,
    names: &Names,
    dial: &DialOrder,
    identity: &CallIdentity,
    at: UnixMs,
    done: &mut Committed,
) -> Applied {
    let trunk = trunk_row(names, dial.trunk)?;
    db.prepare_cached(
        "INSERT INTO attempt (id, campaign, lead, person, number, trunk, route_tries, decided_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO NOTHING",
    )?
    .execute((
        row_of(dial.attempt.0),
        campaign_row(names, dial.campaign)?,
        row_of(dial.lead.0),
        row_of(dial.person.0),
        row_of(dial.number.0),
        trunk,
        dial.route_try,
        at.0,
    ))?;
    db.prepare_cached(
        "INSERT INTO route_try (attempt, n, trunk, call_id, from_tag, branch)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
    )?
    .execute((
        row_of(dial.attempt.0),
        dial.route_try,
        trunk,
        &identity.call_id,
        &identity.from_tag,
        &identity.branch,
    ))?;
    done.news
        .push(StoreNews::IntentDurable(dial.attempt, dial.route_try));
    Ok(())
}

/// A call to us: known by its Call-ID, like one of ours, so that a start after a crash ends it.
fn call_in(
    db: &Connection,
    names: &Names,
    order: &CallInOrder,
    identity: &CallIdentity,
    at: UnixMs,
) -> Applied {
    let trunk = trunk_row(names, order.trunk)?;
    db.prepare_cached(
        "INSERT INTO attempt (id, campaign, lead, person, number, trunk, route_tries, decided_at, direction)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, 'IN')
         ON CONFLICT (id) DO NOTHING",
    )?
    .execute((
        row_of(order.attempt.0),
        campaign_row(names, order.campaign)?,
        row_of(order.lead.0),
        row_of(order.person.0),
        row_of(order.number.0),
        trunk,
        at.0,
    ))?;
    db.prepare_cached(
        "INSERT INTO route_try (attempt, n, trunk, call_id, from_tag, branch)
         VALUES (?1, 1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?
    .execute((
        row_of(order.attempt.0),
        trunk,
        &identity.call_id,
        &identity.from_tag,
        &identity.branch,
    ))?;
    Ok(())
}

/// A lead whose person called us and is to be called back is open again, if it was done. Nothing else opens one: what was settled
/// with a person does not begin anew because they ask.
fn reopen_for_callback(
    db: &Connection,
    attempt: AttemptId,
    lead: LeadId,
    next: &LeadNext,
) -> rusqlite::Result<()> {
    if !matches!(next, LeadNext::Again { callback: true, .. }) {
        return Ok(());
    }
    db.prepare_cached(
        "UPDATE lead SET done = NULL, done_at = NULL
         WHERE id = ?1 AND done IS NOT NULL
            AND EXISTS (SELECT 1 FROM attempt WHERE attempt.id = ?2 AND direction = 'IN')",
    )?
    .execute((row_of(lead.0), row_of(attempt.0)))?;
    Ok(())
}

fn dialog(db: &Connection, row: &DialogRow, done: &mut Committed) -> Applied {
    let route_set = serde_json::to_string(&row.route_set)
        .map_err(|fault| OrderFault::Refused(fault.to_string()))?;
    let changed = db
        .prepare_cached(
            "UPDATE route_try SET remote_tag = ?3, remote_target = ?4, route_set = ?5, cseq = ?6
             WHERE attempt = ?1 AND n = ?2",
        )?
        .execute((
            row_of(row.attempt.0),
            row.route_try,
            &row.remote_tag,
            &row.remote_target,
            route_set,
            row.local_cseq,
        ))?;
    if changed == 0 {
        return Err(OrderFault::Refused(format!(
            "no route try {} of attempt {}",
            row.route_try, row.attempt
        )));
    }
    done.news
        .push(StoreNews::DialogDurable(row.attempt, row.route_try));
    Ok(())
}

fn close(db: &Connection, names: &Names, closed: &AttemptClosed, done: &mut Committed) -> Applied {
    let has_outcome =
        matches!(closed.next, LeadNext::AwaitsOutcome) || closed.result == SystemResult::Connected;
    let has_outcome = has_outcome && outcome_exists(db, closed.attempt)?;
    let awaits = closed.result == SystemResult::Connected && !has_outcome;
    let changed = write_end(db, names, closed, awaits)?;
    done.news.push(StoreNews::Closed(closed.attempt));
    if changed == 0 {
        // It has its one result already.
        done.refused += 1;
        return Ok(());
    }
    if closed.result == SystemResult::Invalid {
        mark_number(db, row_of(closed.number.0), "INVALID", closed.ended_at)?;
    }
    let counted = u16::from(closed.counts);
    match &closed.next {
        LeadNext::AwaitsOutcome => {
            count_attempt(db, closed.lead, counted)?;
            // The agent may have been quicker than the hang-up: then nothing more is to come.
            if has_outcome {
                done.returned.push(closed.lead);
            }
        }
        // What the agent said stands over what the line did.
        LeadNext::Again { .. } if has_outcome => {
            count_attempt(db, closed.lead, counted)?;
            done.returned.push(closed.lead);
        }
        next if closed.is_call_in => {
            reopen_for_callback(db, closed.attempt, closed.lead, next)?;
            lead_next(db, closed.lead, next, counted, Time::Agreed)?;
            if matches!(next, LeadNext::Again { callback: true, .. }) {
                db.prepare_cached("UPDATE lead SET callback_source = 'CALLED_IN' WHERE id = ?1")?
                    .execute([row_of(closed.lead.0)])?;
            }
            done.returned.push(closed.lead);
        }
        next => {
            lead_next(db, closed.lead, next, counted, Time::Earliest)?;
            done.returned.push(closed.lead);
        }
    }
    Ok(())
}

/// Also inserts: an attempt whose intent could not be kept still gets its one result, NOT_SENT.
fn write_end(
    db: &Connection,
    names: &Names,
    closed: &AttemptClosed,
    awaits: bool,
) -> Result<usize, OrderFault> {
    let at = |time: Option<UnixMs>| time.map(|at| at.0);
    let trunk = trunk_row(names, closed.trunk)?;
    let changed = db
        .prepare_cached(
            "UPDATE attempt SET trunk = ?2, route_tries = ?3, released_at = ?4, rang_at = ?5, answered_at = ?6,
                matched_at = ?7, ended_at = ?8, ring_ms = ?9, talk_ms = ?10, result = ?11, counts = ?12,
                wire_status = ?13, wire_cause = ?14, agent = ?15, awaits_outcome = ?16, announced_at = ?17
             WHERE id = ?1 AND result IS NULL",
        )?
        .execute(params![
            row_of(closed.attempt.0),
            trunk,
            closed.route_tries,
            at(closed.released_at),
            at(closed.rang_at),
            at(closed.answered_at),
            at(closed.matched_at),
            closed.ended_at.0,
            closed.ring_ms.map(row_of),
            closed.talk_ms.map(row_of),
            closed.result.code(),
            closed.counts,
            closed.wire.map(|(status, _)| status),
            closed.wire.and_then(|(_, cause)| cause),
            closed.agent.map(|agent| agent.0),
            awaits,
            at(closed.announced_at),
        ])?;
    if changed > 0 {
        return Ok(changed);
    }
    Ok(db
        .prepare_cached(
            "INSERT INTO attempt (id, campaign, lead, person, number, trunk, route_tries, decided_at, released_at,
                rang_at, answered_at, matched_at, ended_at, ring_ms, talk_ms, result, counts, wire_status, wire_cause,
                agent, awaits_outcome, announced_at, direction)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            row_of(closed.attempt.0),
            campaign_row(names, closed.campaign)?,
            row_of(closed.lead.0),
            row_of(closed.person.0),
            row_of(closed.number.0),
            trunk,
            closed.route_tries,
            closed.decided_at.0,
            at(closed.released_at),
            at(closed.rang_at),
            at(closed.answered_at),
            at(closed.matched_at),
            closed.ended_at.0,
            closed.ring_ms.map(row_of),
            closed.talk_ms.map(row_of),
            closed.result.code(),
            closed.counts,
            closed.wire.map(|(status, _)| status),
            closed.wire.and_then(|(_, cause)| cause),
            closed.agent.map(|agent| agent.0),
            awaits,
            at(closed.announced_at),
            if closed.is_call_in { "IN" } else { "OUT" },
        ])?)
}

fn outcome_exists(db: &Connection, attempt: AttemptId) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM outcome WHERE attempt = ?1)")?
        .query_row([row_of(attempt.0)], |row| row.get(0))
}

fn outcome(
    db: &Connection,
    kept: &OutcomeKept,
    detail: &OutcomeDetail,
    done: &mut Committed,
) -> Applied {
    let durable = StoreNews::OutcomeDurable {
        agent: kept.agent,
        attempt: kept.attempt,
        request: kept.request,
    };
    // Dates and amounts only: writing them cannot fail.
    let schedule = (!detail.schedule.is_empty())
        .then(|| serde_json::to_string(&detail.schedule).unwrap_or_default());
    let inserted = db
        .prepare_cached(
            "INSERT INTO outcome (attempt, agent, code, at, by_system, note, reason, amount, follow_up, cooperation,
                paid_at, paid_method, schedule)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (attempt) DO NOTHING",
        )?
        .execute((
            row_of(kept.attempt.0),
            kept.agent.0,
            kept.disposition.code(),
            kept.at.0,
            kept.request.is_none(),
            detail.note.as_ref().map(|note| note.expose()),
            &detail.reason,
            detail.amount,
            detail.follow_up.map(|at| at.0),
            &detail.cooperation,
            detail.paid.as_ref().map(|paid| &paid.at),
            detail.paid.as_ref().map(|paid| &paid.method),
            schedule,
        ))?;
    if inserted == 0 {
        return repeated(db, kept, durable, done);
    }
    let ended: Option<(i64, bool)> = db
        .prepare_cached(
            "UPDATE attempt SET awaits_outcome = 0 WHERE id = ?1 RETURNING number, result IS NOT NULL",
        )?
        .query_row([row_of(kept.attempt.0)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((number, ended)) = ended else {
        return Err(OrderFault::Refused(format!("no attempt {}", kept.attempt)));
    };
    if let Some(promise) = &detail.promise {
        keep_promise(db, kept, promise)?;
    }
    follow(db, kept, number)?;
    let agreed = matches!(
        kept.disposition,
        Disposition::RpcPtp | Disposition::RpcCallback | Disposition::BrokenPromise
    );
    let time = if agreed { Time::Agreed } else { Time::Earliest };
    reopen_for_callback(db, kept.attempt, kept.lead, &kept.next)?;
    lead_next(db, kept.lead, &kept.next, 0, time)?;
    db.prepare_cached(
        "UPDATE lead SET callback_source = NULL WHERE id = ?1 AND callback_source IS NOT NULL",
    )?
    .execute([row_of(kept.lead.0)])?;
    // While the conversation goes on the lead stays out, or the person could be dialled while on the phone with us.
    if ended {
        done.returned.push(kept.lead);
    }
    done.news.push(durable);
    Ok(())
}

/// The same outcome again is saved; another one for the same call is not.
fn repeated(
    db: &Connection,
    kept: &OutcomeKept,
    durable: StoreNews,
    done: &mut Committed,
) -> Applied {
    let same: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM outcome WHERE attempt = ?1 AND agent IS ?2 AND code = ?3)",
        )?
        .query_row(
            (row_of(kept.attempt.0), kept.agent.0, kept.disposition.code()),
            |row| row.get(0),
        )?;
    if !same {
        return Err(OrderFault::Refused(format!(
            "attempt {} has its outcome already",
            kept.attempt
        )));
    }
    done.news.push(durable);
    Ok(())
}

/// One open promise per lead: a new one replaces the one before it.
fn keep_promise(db: &Connection, kept: &OutcomeKept, promise: &PromiseDetail) -> Applied {
    db.prepare_cached(
        "UPDATE promise SET state = 'RESCHEDULED' WHERE lead = ?1 AND state = 'OPEN'",
    )?
    .execute([row_of(kept.lead.0)])?;
    db.prepare_cached(
        "INSERT INTO promise (attempt, lead, person, amount, due, method, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        row_of(kept.attempt.0),
        row_of(kept.lead.0),
        row_of(kept.person.0),
        promise.amount,
        &promise.due,
        &promise.method,
        kept.at.0,
    ))?;
    Ok(())
}

/// What a disposition asks beyond its own lead: the number, or the person on every list (domain.md, column "next").
fn follow(db: &Connection, kept: &OutcomeKept, number: i64) -> Applied {
    use Disposition as D;
    let person = row_of(kept.person.0);
    let code = kept.disposition.code();
    match kept.disposition {
        D::WrongNumber => mark_number(db, number, "WRONG", kept.at)?,
        D::TpcRefuses => {
            let e164: String = db
                .prepare_cached("SELECT e164 FROM number WHERE id = ?1")?
                .query_row([number], |row| row.get(0))?;
            block_number(db, &e164, code, kept.at)?;
        }
        D::Deceased | D::LegalRepresentative | D::RpcDispute => {
            block_person(db, person, code, kept.at, None)?;
        }
        D::Complaint | D::RpcHardship => {
            block_person(db, person, code, kept.at, Some(UnixMs(kept.at.0 + HOLD_MS)))?;
        }
        D::RpcPtp
        | D::RpcPaid
        | D::RpcPaynow
        | D::RpcPartialPlan
        | D::RpcCallback
        | D::RpcRefuse
        | D::RpcNoCommit
        | D::BrokenPromise => {
            if let LeadNext::Again { not_before, .. } = kept.next {
                quiet_person(db, person, row_of(kept.lead.0), not_before)?;
            }
        }
        D::Escalate | D::FieldVisit => close_person(db, person, row_of(kept.lead.0))?,
        D::TpcMessage
        | D::NoSpeech
        | D::Hangup
        | D::Language
        | D::VoicemailAgent
        | D::NotRecorded => {}
    }
    Ok(())
}

fn count_attempt(db: &Connection, lead: LeadId, counted: u16) -> rusqlite::Result<()> {
    if counted > 0 {
        db.prepare_cached("UPDATE lead SET attempts = attempts + ?2 WHERE id = ?1")?
            .execute((row_of(lead.0), counted))?;
    }
    Ok(())
}

/// What a lead's new time is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    /// Agreed with the customer on this call: it stands.
    Agreed,
    /// Not sooner. It lowers no time that was set while the lead was out, and none that its person is left in peace until.
    Earliest,
}

/// Sets a lead's future. A lead that is done stays done, whatever comes late.
fn lead_next(
    db: &Connection,
    lead: LeadId,
    next: &LeadNext,
    counted: u16,
    time: Time,
) -> rusqlite::Result<()> {
    let id = row_of(lead.0);
    match next {
        LeadNext::AwaitsOutcome => count_attempt(db, lead, counted)?,
        LeadNext::Again {
            not_before,
            callback,
            sticky,
        } => {
            db.prepare_cached(
                // A callback that comes back undialled is still what the customer asked for.
                "UPDATE lead SET attempts = attempts + ?2, callback = ?4, sticky = ?5,
                    not_before = CASE WHEN ?6 THEN ?3 ELSE max(?3, not_before, CASE WHEN ?4 THEN 0
                        ELSE (SELECT quiet_until FROM person WHERE person.id = lead.person) END) END
                 WHERE id = ?1 AND done IS NULL",
            )?
            .execute((
                id,
                counted,
                not_before.0,
                callback,
                sticky.map(|agent| agent.0),
                time == Time::Agreed,
            ))?;
        }
        LeadNext::Done(why) => {
            if let Some(until) = block_ends(db, id, *why)? {
                db.prepare_cached(
                    "UPDATE lead SET attempts = attempts + ?2, not_before = max(not_before, ?3)
                     WHERE id = ?1 AND done IS NULL",
                )?
                .execute((id, counted, until.0))?;
                return Ok(());
            }
            db.prepare_cached(
                "UPDATE lead SET attempts = attempts + ?2, done = ?3, done_at = CAST(unixepoch('subsec') * 1000 AS INTEGER)
                 WHERE id = ?1 AND done IS NULL",
            )?
            .execute((id, counted, done_code(*why)))?;
        }
    }
    Ok(())
}

/// When a lead that the floor gave back as blocked may be dialled again; `None`: never, or it is done for another reason.
fn block_ends(db: &Connection, lead: i64, why: DoneWhy) -> rusqlite::Result<Option<UnixMs>> {
    if why != DoneWhy::Blocked {
        return Ok(None);
    }
    let now = now(db)?;
    Ok(match blocked(db, lead, now)? {
        Blocked::ForGood => None,
        Blocked::Until(until) => Some(until),
        Blocked::NoMore => Some(UnixMs(now.0 + BLOCK_OVER_MS)),
        Blocked::Never => Some(UnixMs(now.0 + NEVER_BLOCKED_MS)),
    })
}

/// The code of an end, in records.
const fn done_code(why: DoneWhy) -> &'static str {
    match why {
        DoneWhy::Disposition => "DISPOSITION",
        DoneWhy::AttemptsUsed => "ATTEMPTS_USED",
        DoneWhy::Invalid => "INVALID",
        DoneWhy::Rule => "RULE",
        DoneWhy::Blocked => "BLOCKED",
    }
}
