//! Exports and totals. Reads in pages, so that a long export holds no snapshot and the WAL can start anew meanwhile.

use super::schema::failed;
use crate::core::dispositions::Disposition;
use crate::core::results::SystemResult;
use crate::pii::masked_number;
use crate::shell::store::StoreError;
use crate::shell::store::cells::neutral;
use crate::time::UnixMs;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::io::Write;

/// Rows of one page.
const PAGE: i64 = 1_000;

/// What to export.
#[derive(Clone, Debug, Default)]
pub struct ExportFilter {
    /// Attempts decided at or after this time.
    pub since: Option<UnixMs>,
    /// Attempts decided before this time.
    pub until: Option<UnixMs>,
    /// Of this campaign only.
    pub campaign: Option<String>,
}

/// How numbers appear in an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumbersShown {
    /// "+84*******12".
    #[default]
    Masked,
    /// In full.
    Clear,
}

/// Sums over all attempts, for a check of the books: every attempt has one result, every connected one its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreTotals {
    /// Attempts on record.
    pub attempts: u64,
    /// Of them, still in the air.
    pub in_air: u64,
    /// By result, in the order of [`SystemResult::ALL`]; those that did not happen are left out.
    pub results: Vec<(SystemResult, u64)>,
    /// Outcomes by code, in the order of [`Disposition::ALL`]; those that were not said are left out.
    pub outcomes: Vec<(Disposition, u64)>,
    /// Connected attempts whose outcome is still to come.
    pub awaiting_outcome: u64,
    /// Persons with two attempts or more in the air at once: never, if all is well.
    pub persons_twice_in_air: u64,
    /// Leads that may still be dialled.
    pub leads_open: u64,
    /// Leads that are done.
    pub leads_done: u64,
    /// Promises on record.
    pub promises: u64,
}

impl StoreTotals {
    /// Attempts with this result.
    pub fn result(&self, result: SystemResult) -> u64 {
        self.results
            .iter()
            .find(|(of, _)| *of == result)
            .map_or(0, |(_, count)| *count)
    }

    /// Whether the books balance: attempts = results + in the air, connected = outcomes + awaited.
    pub fn balance(&self) -> bool {
        let results: u64 = self.results.iter().map(|(_, count)| count).sum();
        let outcomes: u64 = self.outcomes.iter().map(|(_, count)| count).sum();
        self.attempts == results + self.in_air
            && self.result(SystemResult::Connected) == outcomes + self.awaiting_outcome
            && self.persons_twice_in_air == 0
    }
}

/// The sums, from one snapshot.
pub(super) fn totals(db: &mut Connection) -> Result<StoreTotals, StoreError> {
    db.transaction()
        .and_then(|snapshot| {
            let one = |sql: &str| snapshot.query_row(sql, [], |row| row.get::<_, i64>(0).map(|n| n as u64));
            let pairs = |sql: &str| -> rusqlite::Result<Vec<(String, u64)>> {
                snapshot
                    .prepare(sql)?
                    .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?
                    .collect()
            };
            let results = pairs("SELECT result, count(*) FROM attempt WHERE result IS NOT NULL GROUP BY result")?;
            let outcomes = pairs(
                "SELECT code, count(*) FROM outcome JOIN attempt ON attempt.id = outcome.attempt
                 WHERE attempt.result = 'CONNECTED' GROUP BY code",
            )?;
            Ok(StoreTotals {
                attempts: one("SELECT count(*) FROM attempt")?,
                in_air: one("SELECT count(*) FROM attempt WHERE result IS NULL")?,
                results: in_order(SystemResult::ALL.iter(), |result| result.code(), &results),
                outcomes: in_order(Disposition::ALL.iter(), |code| code.code(), &outcomes),
                awaiting_outcome: one("SELECT count(*) FROM attempt WHERE awaits_outcome = 1")?,
                persons_twice_in_air: one(
                    "SELECT count(*) FROM (SELECT 1 FROM attempt WHERE result IS NULL GROUP BY person HAVING count(*) > 1)",
                )?,
                leads_open: one("SELECT count(*) FROM lead WHERE done IS NULL")?,
                leads_done: one("SELECT count(*) FROM lead WHERE done IS NOT NULL")?,
                promises: one("SELECT count(*) FROM promise")?,
            })
        })
        .map_err(failed("add up the attempts"))
}

fn in_order<'a, Code: Copy + 'a>(
    all: impl Iterator<Item = &'a Code>,
    code: impl Fn(&Code) -> &'static str,
    counted: &[(String, u64)],
) -> Vec<(Code, u64)> {
    all.filter_map(|one| {
        counted
            .iter()
            .find(|(name, _)| name == code(one))
            .map(|(_, count)| (*one, *count))
    })
    .collect()
}

const COLUMNS: [&str; 42] = [
    "attempt",
    "campaign",
    "cif",
    "number",
    "trunk",
    "route_tries",
    "decided_at",
    "released_at",
    "rang_at",
    "answered_at",
    "matched_at",
    "ended_at",
    "ring_ms",
    "talk_ms",
    "result",
    "counts",
    "sip_status",
    "q850_cause",
    "agent",
    "outcome",
    "outcome_at",
    "note",
    "reason",
    "amount",
    "follow_up",
    "promise_amount",
    "promise_due",
    "paid_at",
    "paid_method",
    "schedule",
    "first_audio_ms",
    "packets_in",
    "lost_in",
    "jitter_in_us",
    "mos_in",
    "packets_out",
    "lost_out",
    "jitter_out_us",
    "mos_out",
    "round_trip_us",
    "direction",
    "announced_at",
];

/// Columns of [`COLUMNS`] that are opinion scores, kept in hundredths.
const SCORES: [usize; 2] = [34, 38];
/// Columns of [`COLUMNS`] that are times.
const TIMES: [usize; 9] = [6, 7, 8, 9, 10, 11, 20, 24, 41];

/// Writes attempts with their outcomes as CSV, oldest first. Rows written.
pub(super) fn outcomes(
    db: &Connection,
    into: &mut dyn Write,
    filter: &ExportFilter,
    numbers: NumbersShown,
) -> Result<u64, StoreError> {
    let written = |fault: csv::Error| StoreError::Failed {
        doing: "write the export",
        reason: fault.to_string(),
    };
    let doing = failed("read the attempts");
    let mut out = csv::Writer::from_writer(into);
    out.write_record(COLUMNS).map_err(written)?;
    let mut page = db
        .prepare(
            "SELECT attempt.id, campaign.name, person.cif, number.e164, trunk.name, route_tries, decided_at, released_at,
                rang_at, answered_at, matched_at, ended_at, ring_ms, talk_ms, result, counts, wire_status, wire_cause,
                agent.name, outcome.code, outcome.at, outcome.note, outcome.reason, outcome.amount, outcome.follow_up,
                promise.amount, promise.due, outcome.paid_at, outcome.paid_method, outcome.schedule,
                first_audio_ms, packets_in, lost_in, jitter_in_us, mos_in, packets_out, lost_out, jitter_out_us, mos_out,
                round_trip_us, direction, announced_at
             FROM attempt
             JOIN campaign ON campaign.id = attempt.campaign
             JOIN person ON person.id = attempt.person
             JOIN number ON number.id = attempt.number
             JOIN trunk ON trunk.id = attempt.trunk
             LEFT JOIN agent ON agent.id = attempt.agent
             LEFT JOIN outcome ON outcome.attempt = attempt.id
             LEFT JOIN promise ON promise.attempt = attempt.id
             WHERE attempt.id > ?1 AND decided_at >= ?2 AND decided_at < ?3 AND (?4 IS NULL OR campaign.name = ?4)
             ORDER BY attempt.id LIMIT ?5",
        )
        .map_err(&doing)?;
    let (mut last, mut count) = (0_i64, 0);
    loop {
        let before = count;
        let mut rows = page
            .query((
                last,
                filter.since.map_or(i64::MIN, |at| at.0),
                filter.until.map_or(i64::MAX, |at| at.0),
                &filter.campaign,
                PAGE,
            ))
            .map_err(&doing)?;
        while let Some(row) = rows.next().map_err(&doing)? {
            last = row.get(0).map_err(&doing)?;
            let cells = cells_of(row, numbers).map_err(&doing)?;
            out.write_record(cells).map_err(written)?;
            count += 1;
        }
        if count - before < PAGE as u64 {
            break;
        }
    }
    out.flush().map_err(|fault| written(fault.into()))?;
    Ok(count)
}

fn cells_of(row: &Row<'_>, numbers: NumbersShown) -> rusqlite::Result<Vec<String>> {
    (0..COLUMNS.len())
        .map(|index| {
            Ok(match row.get_ref(index)? {
                ValueRef::Integer(at) if TIMES.contains(&index) => iso(at),
                ValueRef::Integer(score) if SCORES.contains(&index) => {
                    format!("{}.{:02}", score / 100, score % 100)
                }
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Text(_) if index == 3 && numbers == NumbersShown::Masked => {
                    masked_number(row.get_ref(index)?.as_str()?)
                }
                ValueRef::Text(_) => neutral(row.get_ref(index)?.as_str()?).into_owned(),
                ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => String::new(),
            })
        })
        .collect()
}

/// UTC, to the millisecond.
fn iso(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| millis.to_string(), |at| at.to_string())
}
