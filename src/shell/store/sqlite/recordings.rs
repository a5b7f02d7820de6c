//! The book of recordings: what each is of, where it lies, in which state it is. One connection, beside the engine's writer.
//!
//! A recording is live, then closed (its file is whole) or broken, then converted; at last erased. The row stays when the sound is gone.

use super::line::Line;
use super::schema::{self, Role, failed};
use crate::ids::{AgentId, AttemptId, LeadId};
use crate::shell::store::StoreError;
use crate::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use std::fs::File;
use std::path::Path;

/// Where a recording is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingState {
    /// Under way, or cut off and not closed yet.
    Live,
    /// Its file is whole: sealed G.711.
    Closed,
    /// Made into Ogg Opus.
    Converted,
    /// Its file is damaged or missing.
    Broken,
    /// Its time was over; key and file are destroyed.
    Erased,
}

impl RecordingState {
    const ALL: [RecordingState; 5] = [
        Self::Live,
        Self::Closed,
        Self::Converted,
        Self::Broken,
        Self::Erased,
    ];

    /// The word in the store, the API and on the terminal.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Closed => "closed",
            Self::Converted => "converted",
            Self::Broken => "broken",
            Self::Erased => "erased",
        }
    }
}

/// What the store knows of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRow {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The attempt.
    pub attempt: AttemptId,
    /// The agent who spoke.
    pub agent: AgentId,
    /// The campaign's name when it began.
    pub campaign: String,
    /// The lead.
    pub lead: LeadId,
    /// When it began.
    pub began: UnixMs,
    /// Days for which it is kept, unless the campaign says otherwise by now.
    pub keep_days: u32,
    /// Where it is in its life.
    pub state: RecordingState,
    /// Its file, under the directory of recordings.
    pub file: String,
    /// Length; absent while it is live.
    pub duration_ms: Option<u64>,
    /// Whether the person was told that the call is recorded.
    pub announced: bool,
    /// Seconds of sound in the sealed file.
    pub chunks: u32,
    /// Seconds that the disk did not take.
    pub dropped: u32,
    /// Paused spans in milliseconds from its beginning, as a JSON list of pairs.
    pub paused: String,
    /// The site's key that wraps its own.
    pub key_id: Option<String>,
    /// SHA-256 of the file as it lies on the disk, all octets (docs/recording.md).
    pub sha256: Option<[u8; 32]>,
    /// Length of the file.
    pub octets: u64,
    /// Why it is broken, or how it ended.
    pub note: Option<String>,
}

/// Which recordings are listed, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingFilter {
    /// Of this campaign.
    pub campaign: Option<String>,
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Of this attempt.
    pub attempt: Option<AttemptId>,
    /// Begun at or after.
    pub since: Option<UnixMs>,
    /// Begun before.
    pub until: Option<UnixMs>,
    /// How many at most; 0: all.
    pub most: u32,
}

/// The book of recordings of one store.
#[derive(Debug)]
pub struct RecordingBook {
    connection: Connection,
    line: Line,
    /// Keeps a restore from replacing the file meanwhile.
    _in_use: File,
}

const COLUMNS: &str = "id, attempt, agent, campaign, lead, began_at, keep_days, state, file, duration_ms, announced, chunks, \
     dropped, paused, key_id, sha256, octets, note";

fn row_of(row: &Row<'_>) -> rusqlite::Result<RecordingRow> {
    let word: String = row.get(7)?;
    let state = RecordingState::ALL
        .into_iter()
        .find(|state| state.word() == word)
        // The table's own check keeps other words out.
        .unwrap_or(RecordingState::Broken);
    let digest: Option<Vec<u8>> = row.get(15)?;
    Ok(RecordingRow {
        id: row.get(0)?,
        attempt: AttemptId(row.get::<_, i64>(1)? as u64),
        agent: AgentId(row.get(2)?),
        campaign: row.get(3)?,
        lead: LeadId(row.get::<_, i64>(4)? as u64),
        began: UnixMs(row.get(5)?),
        keep_days: row.get(6)?,
        state,
        file: row.get(8)?,
        duration_ms: row.get::<_, Option<i64>>(9)?.map(|ms| ms as u64),
        announced: row.get(10)?,
        chunks: row.get(11)?,
        dropped: row.get(12)?,
        paused: row.get(13)?,
        key_id: row.get(14)?,
        sha256: digest.and_then(|octets| octets.try_into().ok()),
        octets: row.get::<_, i64>(16)? as u64,
        note: row.get(17)?,
    })
}

impl RecordingBook {
    /// Opens, or makes, the store's file.
    pub fn open(path: &Path) -> Result<RecordingBook, StoreError> {
        Ok(RecordingBook {
            _in_use: schema::lock_for_use(path)?,
            connection: schema::open(path, Role::Office)?,
            line: Line::open(path)?,
        })
    }

    /// Puts a recording down as it is now; what was known of it before is replaced.
    pub fn put(&self, row: &RecordingRow, at: UnixMs) -> Result<(), StoreError> {
        let _standing = self.line.stand();
        let closed = (row.state != RecordingState::Live).then_some(at.0);
        self.connection
            .prepare_cached(
                "INSERT INTO recording (id, attempt, agent, campaign, lead, began_at, keep_days, state, file, duration_ms, announced,
                     chunks, dropped, paused, key_id, sha256, octets, note, closed_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
                 ON CONFLICT (id) DO UPDATE SET state = excluded.state, file = excluded.file, duration_ms = excluded.duration_ms,
                     announced = excluded.announced, chunks = excluded.chunks, dropped = excluded.dropped, paused = excluded.paused,
                     key_id = excluded.key_id, sha256 = excluded.sha256, octets = excluded.octets, note = excluded.note,
                     closed_at = coalesce(closed_at, excluded.closed_at)
                 WHERE state IN ('live', 'closed')",
            )
            .and_then(|mut put| {
                put.execute(rusqlite::params![
                    row.id,
                    row.attempt.0 as i64,
                    row.agent.0,
                    row.campaign,
                    row.lead.0 as i64,
                    row.began.0,
                    row.keep_days,
                    row.state.word(),
                    row.file,
                    row.duration_ms.map(|ms| ms as i64),
                    row.announced,
                    row.chunks,
                    row.dropped,
                    row.paused,
                    row.key_id,
                    row.sha256.as_ref().map(|digest| digest.as_slice()),
                    row.octets as i64,
                    row.note,
                    closed,
                ])
            })
            .map(drop)
            .map_err(failed("put a recording down"))
    }

    /// One recording.
    pub fn find(
        &self,
        id: crate::shell::recording::RecordingId,
    ) -> Result<Option<RecordingRow>, StoreError> {
        self.connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM recording WHERE id = ?1"))
            .and_then(|mut find| find.query_row([id.to_string()], row_of).optional())
            .map_err(failed("look a recording up"))
    }

    fn rows(
        &self,
        rest: &str,
        values: &[rusqlite::types::Value],
    ) -> Result<Vec<RecordingRow>, StoreError> {
        self.connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM recording {rest}"))
            .and_then(|mut list| list.query_map(params_from_iter(values), row_of)?.collect())
            .map_err(failed("list recordings"))
    }

    /// Recordings that the filter lets through, newest first.
    pub fn list(&self, filter: &RecordingFilter) -> Result<Vec<RecordingRow>, StoreError> {
        let (mut rest, mut values) = (String::from("WHERE 1"), Vec::new());
        let mut only = |clause: &str, value: Option<rusqlite::types::Value>| {
            if let Some(value) = value {
                values.push(value);
                rest.push_str(&format!(" AND {clause} ?{}", values.len()));
            }
        };
        only("campaign =", filter.campaign.clone().map(Into::into));
        only("agent =", filter.agent.map(|it| i64::from(it.0).into()));
        only("attempt =", filter.attempt.map(|it| (it.0 as i64).into()));
        only("began_at >=", filter.since.map(|it| it.0.into()));
        only("began_at <", filter.until.map(|it| it.0.into()));
        rest.push_str(" ORDER BY began_at DESC, id");
        if filter.most > 0 {
            rest.push_str(&format!(" LIMIT {}", filter.most));
        }
        self.rows(&rest, &values)
    }

    /// Those that are live by the book.
    pub fn live(&self) -> Result<Vec<RecordingRow>, StoreError> {
        self.rows("WHERE state = 'live' ORDER BY began_at", &[])
    }

    /// The closed one that waits longest for its conversion, and how many wait.
    pub fn next_to_convert(&self) -> Result<(Option<RecordingRow>, u64), StoreError> {
        let waiting: i64 = self
            .connection
            .query_row(
                "SELECT count(*) FROM recording WHERE state = 'closed'",
                [],
                |row| row.get(0),
            )
            .map_err(failed("count the recordings that wait"))?;
        let next = self.rows("WHERE state = 'closed' ORDER BY closed_at, id LIMIT 1", &[])?;
        Ok((next.into_iter().next(), waiting as u64))
    }

    /// It lies elsewhere now, as Ogg Opus.
    pub fn converted(
        &self,
        id: &str,
        file: &str,
        sha256: [u8; 32],
        octets: u64,
        key_id: &str,
        at: UnixMs,
    ) -> Result<bool, StoreError> {
        let _standing = self.line.stand();
        self.connection
            .execute(
                "UPDATE recording SET state = 'converted', file = ?2, sha256 = ?3, octets = ?4, converted_at = ?5, key_id = ?6
                 WHERE id = ?1 AND state = 'closed'",
                (id, file, sha256.as_slice(), octets as i64, at.0, key_id),
            )
            .map(|changed| changed == 1)
            .map_err(failed("note a conversion"))
    }

    /// Its file is damaged or missing.
    pub fn broken(&self, id: &str, why: &str, at: UnixMs) -> Result<(), StoreError> {
        let _standing = self.line.stand();
        self.connection
            .execute(
                "UPDATE recording SET state = 'broken', note = ?2, closed_at = coalesce(closed_at, ?3)
                 WHERE id = ?1 AND state <> 'erased'",
                (id, why, at.0),
            )
            .map(drop)
            .map_err(failed("note a broken recording"))
    }

    /// Recordings of a campaign that began before `before` and have sound. `but_of`: of all campaigns except these, by their own days.
    pub fn due(&self, campaign: &str, before: UnixMs) -> Result<Vec<RecordingRow>, StoreError> {
        self.rows(
            "WHERE campaign = ?1 AND began_at < ?2 AND state NOT IN ('erased', 'live') ORDER BY began_at LIMIT 1000",
            &[campaign.to_owned().into(), before.0.into()],
        )
    }

    /// Recordings of campaigns that are not configured any more, whose own days are over at `now`.
    pub fn due_of_others(
        &self,
        configured: &[String],
        now: UnixMs,
    ) -> Result<Vec<RecordingRow>, StoreError> {
        let names = serde_json::to_string(configured).unwrap_or_else(|_| "[]".to_owned());
        self.rows(
            "WHERE campaign NOT IN (SELECT value FROM json_each(?1)) AND began_at < ?2 - keep_days * 86400000
                 AND state NOT IN ('erased', 'live') ORDER BY began_at LIMIT 1000",
            &[names.into(), now.0.into()],
        )
    }

    /// Key and file are destroyed.
    pub fn erased(&self, id: &str, at: UnixMs) -> Result<(), StoreError> {
        let _standing = self.line.stand();
        self.connection
            .execute(
                "UPDATE recording SET state = 'erased', erased_at = ?2 WHERE id = ?1",
                (id, at.0),
            )
            .map(drop)
            .map_err(failed("note an erased recording"))
    }
}
