//! A look at the file from outside, for whoever wants to know whether it will do. Changes nothing: no migration, no new file.

use super::schema;
use crate::shell::store::StoreError;
use crate::shell::store::sqlite::schema::failed;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Whether all pages are as they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wholeness {
    /// All of them were looked at.
    Whole,
    /// Time ran out before the end; what was seen was whole.
    NotSeenThrough,
    /// What SQLite says is wrong, the first thing only.
    Damaged(String),
}

/// The state of a store's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// Version of its tables; 0: it has none yet.
    pub schema: i32,
    /// The version that this program knows.
    pub schema_known: i32,
    /// Agents who may log in.
    pub agents: u32,
    /// Octets of the database file.
    pub octets: u64,
    /// Octets of its write-ahead log.
    pub wal_octets: u64,
    /// Whether it is whole.
    pub wholeness: Wholeness,
}

/// Opens a store's file for reading only.
fn look_into(path: &Path) -> Result<Connection, StoreError> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(failed("open the store"))
}

/// Names of all zones that leads name; none where there is no store yet.
pub fn store_zones(path: &Path) -> Result<Vec<String>, StoreError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let connection = look_into(path)?;
    connection
        .prepare("SELECT name FROM zone ORDER BY id")
        .and_then(|mut names| names.query_map([], |row| row.get(0))?.collect())
        .map_err(failed("read the zones"))
}

/// How the file is. Looks at its pages for at most `patience`; beside a running engine it only reads.
pub fn store_health(path: &Path, patience: Duration) -> Result<StoreHealth, StoreError> {
    let connection = look_into(path)?;
    let schema = match schema::version(&connection, path) {
        Err(StoreError::NewerSchema { found, .. }) => found,
        found => found?,
    };
    let agents = connection
        .query_row("SELECT count(*) FROM agent WHERE disabled = 0", [], |row| {
            row.get(0)
        })
        .optional();
    let length = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        std::fs::metadata(name).map_or(0, |meta| meta.len())
    };
    Ok(StoreHealth {
        schema,
        schema_known: schema::known_version(),
        // A file without our tables has no agents; its version says the rest.
        agents: agents.ok().flatten().unwrap_or(0),
        octets: length(""),
        wal_octets: length("-wal"),
        wholeness: wholeness(&connection, patience)?,
    })
}

fn wholeness(connection: &Connection, patience: Duration) -> Result<Wholeness, StoreError> {
    let interrupt = connection.get_interrupt_handle();
    let (done, wait) = channel::<()>();
    let said = std::thread::scope(|scope| {
        scope.spawn(move || {
            if wait.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                interrupt.interrupt();
            }
        });
        let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        drop(done);
        said
    });
    match said {
        Ok(said) if said == "ok" => Ok(Wholeness::Whole),
        Ok(said) => Ok(Wholeness::Damaged(said)),
        Err(rusqlite::Error::SqliteFailure(code, _))
            if code.code == ErrorCode::OperationInterrupted =>
        {
            Ok(Wholeness::NotSeenThrough)
        }
        Err(rusqlite::Error::SqliteFailure(code, said))
            if matches!(
                code.code,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
            ) =>
        {
            Ok(Wholeness::Damaged(said.unwrap_or_else(|| code.to_string())))
        }
        Err(fault) => Err(failed("look at the store's pages")(fault)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::store::sqlite::BackOffice;
    use std::io::{Seek, SeekFrom, Write};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_look_tells_version_agents_and_damage_and_changes_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("t.db");
        assert!(store_health(&path, LONG).is_err(), "there is none");
        assert!(!path.exists(), "and none was made");
        assert!(store_zones(&path).expect("none is no fault").is_empty());
        let mut office = BackOffice::open(&path).expect("it opens");
        for name in ["minh", "lan", "tu"] {
            office
                .agent_add(name, &[], &[], &crate::shell::store::AgentAudio::None)
                .expect("added");
        }
        office.agent_disable("tu", true).expect("disabled");
        let health = store_health(&path, LONG).expect("it is there");
        assert_eq!(health.agents, 2);
        assert_eq!(health.schema, health.schema_known);
        assert_eq!(health.wholeness, Wholeness::Whole);
        drop(office);
        // The last pages are overwritten, as by a bad disk: the first ones hold the schema itself.
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("the file");
        let last = file.metadata().expect("its size").len() / 4_096 * 4_096 - 8_192;
        file.seek(SeekFrom::Start(last)).expect("there");
        file.write_all(&[0xa5; 8_192]).expect("damaged");
        drop(file);
        let health = store_health(&path, LONG).expect("it can be looked at");
        assert!(
            matches!(health.wholeness, Wholeness::Damaged(_)),
            "{health:?}"
        );
    }

    #[test]
    fn another_programs_file_is_named_as_such_and_left_as_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("t.db");
        Connection::open(&path)
            .expect("it opens")
            .execute_batch("CREATE TABLE something (x)")
            .expect("a table");
        let before = std::fs::read(&path).expect("the file");
        let said = store_health(&path, LONG);
        assert!(matches!(said, Err(StoreError::Foreign { .. })), "{said:?}");
        assert_eq!(std::fs::read(&path).expect("the file"), before);
    }
}
