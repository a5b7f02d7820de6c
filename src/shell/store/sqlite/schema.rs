//! Opens the database file: how it is written to, who may read it, which version its tables have. Migrates; never downgrades.

use crate::shell::store::{StoreError, StoreFault};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

mod embedded {
    refinery::embed_migrations!("src/shell/store/sqlite/migrations");
}

/// Who opens the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The engine's writer: every commit is on disk when it returns; checkpoints are made elsewhere.
    Writer,
    /// An import, a new agent: waits patiently, checkpoints for itself.
    Office,
    /// Reads only.
    Reader,
}

/// The WAL shrinks to this after a checkpoint, in bytes.
const WAL_KEPT: u32 = 64 << 20;

/// A connection for `role`, its tables at our version.
pub(super) fn open(path: &Path, role: Role) -> Result<Connection, StoreError> {
    create_private(path).map_err(|fault| StoreError::Failed {
        doing: "create the store's file",
        reason: fault.to_string(),
    })?;
    let mut connection = Connection::open(path).map_err(failed("open the store"))?;
    prepare(&mut connection, role).map_err(failed("open the store"))?;
    migrate(&mut connection, path)?;
    if role == Role::Reader {
        connection
            .pragma_update(None, "query_only", true)
            .map_err(failed("open the store"))?;
    }
    Ok(connection)
}

/// Borrowers' names and debts are in there: nobody but the owner reads it. The WAL takes the file's mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(fault) if fault.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn prepare(connection: &mut Connection, role: Role) -> rusqlite::Result<()> {
    let patience = if role == Role::Writer { 2_000 } else { 20_000 };
    // SQLite's own handler sleeps up to 100 ms between two looks; the floor's intents are stale after 250.
    connection.busy_handler(Some(move |looks: i32| {
        std::thread::sleep(Duration::from_micros(500));
        looks < patience
    }))?;
    // Without it SQLite plans a cached statement anew whenever a bound value could change its plan: two thirds of the time of a
    // refill went there. Our plans are fixed by their indexes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.query_row(
        &format!("PRAGMA journal_size_limit = {WAL_KEPT}"),
        [],
        |_| Ok(()),
    )?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    if role == Role::Writer {
        connection.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
    }
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// The version of the file's tables; 0 for a new file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i32> {
    let tracked: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history')",
        [],
        |row| row.get(0),
    )?;
    if !tracked {
        return Ok(0);
    }
    connection.query_row(
        "SELECT coalesce(max(version), 0) FROM refinery_schema_history",
        [],
        |row| row.get(0),
    )
}

/// The version that this program knows.
pub(super) fn known() -> i32 {
    embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(|step| step.version())
        .max()
        .unwrap_or(0)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let runner = embedded::migrations::runner();
    let known = known();
    let found = version(connection).map_err(failed("read the schema's version"))?;
    if found > known {
        return Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        });
    }
    if found == known {
        return Ok(());
    }
    // Two processes that start together must not migrate together.
    let lock = lock_file(path, "schema-lock").map_err(|fault| StoreError::Failed {
        doing: "lock the store for its migration",
        reason: fault.to_string(),
    })?;
    lock.lock().map_err(|fault| StoreError::Failed {
        doing: "lock the store for its migration",
        reason: fault.to_string(),
    })?;
    runner
        .set_grouped(true)
        .run(connection)
        .map(drop)
        .map_err(|fault| StoreError::Failed {
            doing: "bring the store's tables up to date",
            reason: fault.to_string(),
        })
}

fn lock_file(path: &Path, kind: &str) -> std::io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(kind);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(PathBuf::from(name))
}

/// One engine per file: a second one would close the first one's calls as the remains of a crash. Held as long as it lives.
pub(super) fn lock_for_engine(path: &Path) -> Result<File, StoreError> {
    let refused = |reason: String| StoreError::Failed {
        doing: "lock the store for this engine",
        reason,
    };
    let lock = lock_file(path, "engine-lock").map_err(|fault| refused(fault.to_string()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: path.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(fault)) => Err(refused(fault.to_string())),
    }
}

/// Turns a database error into one of ours.
pub(super) fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |fault| StoreError::Failed {
        doing,
        reason: fault.to_string(),
    }
}

/// What a failed statement means for the batch; `None`: only its order is at fault.
pub(super) fn fault_of(fault: &rusqlite::Error) -> Option<StoreFault> {
    /// The WAL's index could not grow: no room, and no commit was begun.
    const SHARED_MEMORY_SIZE: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
    let rusqlite::Error::SqliteFailure(code, _) = fault else {
        return None;
    };
    let said = fault.to_string();
    match code.code {
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => None,
        ErrorCode::DiskFull => Some(StoreFault::Full(said)),
        ErrorCode::SystemIoFailure if code.extended_code == SHARED_MEMORY_SIZE => {
            Some(StoreFault::Full(said))
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(StoreFault::Busy(said)),
        _ => Some(StoreFault::Broken(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(connection: &Connection, name: &str) -> i64 {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
            .expect("the pragma answers")
    }

    #[test]
    fn the_writer_waits_for_the_disk_and_wipes_what_it_deletes() {
        let dir = tempfile::tempdir().expect("a directory");
        let connection = open(&dir.path().join("t.db"), Role::Writer).expect("it opens");
        assert_eq!(pragma(&connection, "synchronous"), 2);
        assert_eq!(pragma(&connection, "foreign_keys"), 1);
        assert_eq!(pragma(&connection, "secure_delete"), 1);
        assert_eq!(pragma(&connection, "wal_autocheckpoint"), 0);
    }

    #[test]
    fn nobody_but_the_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("t.db");
        let _connection = open(&path, Role::Office).expect("it opens");
        for file in ["t.db", "t.db-wal"] {
            let mode = dir
                .path()
                .join(file)
                .metadata()
                .expect("it is there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{file} has mode {mode:o}");
        }
    }

    #[test]
    fn faults_that_may_be_tried_again_are_told_from_those_that_may_not() {
        use rusqlite::ffi;
        let fault =
            |code: i32| fault_of(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_NOMEM,
        ] {
            assert!(
                matches!(fault(code), Some(StoreFault::Broken(_))),
                "{code} must stop the store"
            );
        }
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
            assert!(matches!(fault(code), Some(StoreFault::Full(_))), "{code}");
        }
        for code in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_LOCKED,
        ] {
            assert!(matches!(fault(code), Some(StoreFault::Busy(_))), "{code}");
        }
        for code in [
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY,
            ffi::SQLITE_CONSTRAINT_UNIQUE,
        ] {
            assert!(fault(code).is_none(), "{code} is the order's fault");
        }
    }

    #[test]
    fn a_file_of_a_newer_program_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("t.db");
        open(&path, Role::Office)
            .expect("it opens")
            .execute(
                "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (9999, 'from_the_future', '', '0')",
                [],
            )
            .expect("a row");
        let refused = open(&path, Role::Office).expect_err("it must not open");
        assert!(matches!(
            refused,
            StoreError::NewerSchema { found: 9999, .. }
        ));
        assert!(refused.to_string().contains("schema 9999"), "{refused}");
    }

    #[test]
    fn a_file_of_the_first_version_is_brought_up_with_its_rows() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("t.db");
        let mut old = Connection::open(&path).expect("it opens");
        embedded::migrations::runner()
            .set_target(refinery::Target::Version(1))
            .run(&mut old)
            .expect("version 1");
        old.execute_batch(
            "INSERT INTO campaign VALUES (1, 'PL-B2-HCM', '+842412345678');
             INSERT INTO trunk VALUES (1, 'north');
             INSERT INTO zone VALUES (1, 'Asia/Ho_Chi_Minh');
             INSERT INTO person VALUES (1, '0021873465');
             INSERT INTO number (id, e164) VALUES (1, '+84900000412');
             INSERT INTO lead (id, campaign, person, number, zone, imported_at) VALUES (1, 1, 1, 1, 1, 5);
             INSERT INTO attempt (id, campaign, lead, person, number, trunk, decided_at, result, counts)
                 VALUES (7, 1, 1, 1, 1, 1, 5, 'CONNECTED', 1), (8, 1, 1, 1, 1, 1, 6, 'CONNECTED', 1);
             INSERT INTO outcome (attempt, agent, code, at) VALUES (7, 1, 'RPC_PTP', 9);",
        )
        .expect("rows of version 1");
        drop(old);
        let new = open(&path, Role::Office).expect("it migrates");
        let awaiting: Vec<i64> = new
            .prepare("SELECT id FROM attempt WHERE awaits_outcome = 1")
            .and_then(|mut rows| rows.query_map([], |row| row.get(0))?.collect())
            .expect("they can be read");
        assert_eq!(awaiting, [8], "only the call whose outcome is missing");
        let newest = embedded::migrations::runner().get_migrations().len();
        assert_eq!(version(&new).expect("a version") as usize, newest);
    }
}
