//! The attempts of a day, for a scenario that is like it: times and results, never a name or a number. Reads in pages, as exports do.

use super::schema::failed;
use crate::core::dispositions::Disposition;
use crate::core::results::SystemResult;
use crate::shell::store::StoreError;
use crate::time::UnixMs;
use rusqlite::{Connection, OpenFlags, Row};
use std::path::Path;

/// Rows of one page.
const PAGE: i64 = 5_000;

/// One attempt that left, and its end. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// Name of the campaign.
    pub campaign: String,
    /// The lead's segment, where its list says one.
    pub segment: Option<String>,
    /// When the INVITE left.
    pub released_at: UnixMs,
    /// When it rang.
    pub rang_at: Option<UnixMs>,
    /// When it was answered.
    pub answered_at: Option<UnixMs>,
    /// When it was joined to the agent.
    pub matched_at: Option<UnixMs>,
    /// When it ended.
    pub ended_at: UnixMs,
    /// Milliseconds of conversation.
    pub talk_ms: Option<u64>,
    /// The result.
    pub result: SystemResult,
    /// The agent.
    pub agent: Option<u32>,
    /// What the agent said, and when; not what the system said for him.
    pub outcome: Option<(Disposition, UnixMs)>,
}

/// Reads every attempt whose INVITE left at or after `since` and before `until`, in the order of their ids.
pub fn recorded_day(
    path: &Path,
    since: UnixMs,
    until: UnixMs,
    mut take: impl FnMut(RecordedAttempt),
) -> Result<(), StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(failed("open the store"))?;
    let mut last = 0;
    loop {
        let page = page(&connection, last, since, until).map_err(failed("read a recorded day"))?;
        let Some((id, _)) = page.last() else {
            return Ok(());
        };
        last = *id;
        for (_, attempt) in page {
            if let Some(attempt) = attempt {
                take(attempt);
            }
        }
    }
}

/// Of a row that cannot be read any more (a code of a later version) only the id.
fn page(
    connection: &Connection,
    last: i64,
    since: UnixMs,
    until: UnixMs,
) -> rusqlite::Result<Vec<(i64, Option<RecordedAttempt>)>> {
    connection
        .prepare_cached(
            "SELECT attempt.id, campaign.name, json_extract(lead_facts.facts, '$.segment'), released_at, rang_at, answered_at,
                matched_at, ended_at, talk_ms, result, attempt.agent, outcome.code, outcome.at
             FROM attempt
             JOIN campaign ON campaign.id = attempt.campaign
             LEFT JOIN lead_facts ON lead_facts.lead = attempt.lead
             LEFT JOIN outcome ON outcome.attempt = attempt.id AND outcome.by_system = 0
             WHERE attempt.id > ?1 AND released_at >= ?2 AND released_at < ?3 AND result IS NOT NULL AND ended_at IS NOT NULL
             ORDER BY attempt.id LIMIT ?4",
        )?
        .query_map((last, since.0, until.0, PAGE), |row| Ok((row.get(0)?, attempt(row)?)))?
        .collect()
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<Option<RecordedAttempt>> {
    let unix = |column| row.get::<_, Option<i64>>(column).map(|at| at.map(UnixMs));
    let Some(result) = SystemResult::from_code(row.get_ref(9)?.as_str()?) else {
        return Ok(None);
    };
    let said: Option<String> = row.get(11)?;
    let said = said.as_deref().and_then(Disposition::from_code);
    Ok(Some(RecordedAttempt {
        campaign: row.get(1)?,
        // A list may hold anything there; only words are a segment.
        segment: row.get_ref(2)?.as_str().ok().map(str::to_owned),
        released_at: UnixMs(row.get(3)?),
        rang_at: unix(4)?,
        answered_at: unix(5)?,
        matched_at: unix(6)?,
        ended_at: UnixMs(row.get(7)?),
        talk_ms: row.get::<_, Option<i64>>(8)?.map(|talk| talk.max(0) as u64),
        result,
        agent: row.get(10)?,
        outcome: said.zip(unix(12)?),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::store::sqlite::schema::{self, Role};

    #[test]
    fn a_day_is_read_without_what_lies_before_it_or_never_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tandem.db");
        let connection = schema::open(&path, Role::Office).expect("a store");
        let rows = "
            INSERT INTO campaign (id, name) VALUES (1, 'PL');
            INSERT INTO trunk (id, name) VALUES (1, 't');
            INSERT INTO zone (id, name) VALUES (1, 'UTC');
            INSERT INTO person (id, cif) VALUES (1, 'c');
            INSERT INTO number (id, e164) VALUES (1, '+84900000412');
            INSERT INTO lead (id, campaign, person, number, zone, imported_at) VALUES (1, 1, 1, 1, 1, 0);
            INSERT INTO lead_facts (lead, facts) VALUES (1, '{\"segment\":\"B2\"}');
            INSERT INTO attempt (id, campaign, lead, person, number, trunk, decided_at, released_at, rang_at, answered_at,
                matched_at, ended_at, talk_ms, result, counts, agent) VALUES
                (1, 1, 1, 1, 1, 1, 900, 900, NULL, NULL, NULL, 950, NULL, 'NO_ANSWER', 1, NULL),
                (2, 1, 1, 1, 1, 1, 1000, 1001, 3000, 9000, 9001, 49001, 40000, 'CONNECTED', 1, 7),
                (3, 1, 1, 1, 1, 1, 1100, NULL, NULL, NULL, NULL, 1200, NULL, 'NOT_SENT', 0, NULL),
                (4, 1, 1, 1, 1, 1, 1300, 1301, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                (5, 1, 1, 1, 1, 1, 2000, 2000, NULL, NULL, NULL, 2500, NULL, 'BUSY', 1, NULL);
            INSERT INTO outcome (attempt, agent, code, at) VALUES (2, 7, 'RPC_PTP', 61001);";
        connection.execute_batch(rows).expect("rows");
        drop(connection);
        let mut day = Vec::new();
        recorded_day(&path, UnixMs(1_000), UnixMs(2_000), |one| day.push(one)).expect("a day");
        assert_eq!(day.len(), 1, "{day:?}");
        assert_eq!(day[0].segment.as_deref(), Some("B2"));
        assert_eq!(day[0].outcome, Some((Disposition::RpcPtp, UnixMs(61_001))));
        assert_eq!((day[0].agent, day[0].talk_ms), (Some(7), Some(40_000)));
    }
}
