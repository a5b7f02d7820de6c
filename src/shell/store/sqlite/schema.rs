//! Opens the database file: whether it is one of ours, how it is written to, who may read it, which version its tables have.
//! Migrates; never downgrades, and writes nothing into a file before it knows whose it is.

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
    /// The engine's writer: brings its commits to the disk itself ([`super::SqliteStore`]); checkpoints are made elsewhere.
    Writer,
    /// An import, a new agent: waits patiently, checkpoints for itself.
    Office,
    /// Reads only.
    Reader,
    /// Makes checkpoints and nothing else. Has no patience: the writers wait for it.
    Checkpoint,
}

/// The WAL shrinks to this after a checkpoint, in bytes.
const WAL_KEPT: u32 = 144 << 20;

/// A connection for `role`, its tables at our version.
pub(super) fn open(path: &Path, role: Role) -> Result<Connection, StoreError> {
    if restore_mark(path).exists() {
        return Err(StoreError::RestoreCut {
            path: path.to_owned(),
        });
    }
    create_private(path).map_err(|fault| StoreError::Failed {
        doing: "create the store's file",
        reason: fault.to_string(),
    })?;
    open_file(path, role)
}

/// As [`open`], for a file that is there, whatever stands beside it.
pub(super) fn open_file(path: &Path, role: Role) -> Result<Connection, StoreError> {
    let doing = opening(path);
    let mut connection = Connection::open(path).map_err(&doing)?;
    wait_for_others(&mut connection, role).map_err(&doing)?;
    let found = version(&connection, path)?;
    prepare(&mut connection, role).map_err(&doing)?;
    migrate(&mut connection, found, path)?;
    if role == Role::Reader {
        connection
            .pragma_update(None, "query_only", true)
            .map_err(&doing)?;
    }
    Ok(connection)
}

/// What says that a restore was cut off between two of its steps.
pub(super) fn restore_mark(path: &Path) -> PathBuf {
    beside(path, "restoring-now")
}

/// `tandem.db` and "replaced": `tandem.db.replaced`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
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

/// Time between two looks at a lock that somebody else has. SQLite's own handler sleeps up to 100 ms; the floor's intents are
/// stale after 250.
const LOOK: Duration = Duration::from_micros(100);

fn wait_for_others(connection: &mut Connection, role: Role) -> rusqlite::Result<()> {
    let patience = match role {
        Role::Writer => Duration::from_secs(1),
        Role::Office | Role::Reader => Duration::from_secs(10),
        Role::Checkpoint => Duration::from_millis(20),
    };
    let looks_max = (patience.as_micros() / LOOK.as_micros()) as i32;
    connection.busy_handler(Some(move |looks: i32| {
        std::thread::sleep(LOOK);
        looks < looks_max
    }))
}

fn prepare(connection: &mut Connection, role: Role) -> rusqlite::Result<()> {
    // Without it SQLite plans a cached statement anew whenever a bound value could change its plan: two thirds of the time of a
    // refill went there. Our plans are fixed by their indexes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let synchronous = if role == Role::Writer {
        "NORMAL"
    } else {
        "FULL"
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
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

/// The name of our first migration: what tells our file from another program's.
const FIRST_STEP: &str = "the_floor_s_memory";

/// The version of the file's tables, 0 for a new file; refused if it is not ours, or newer than we are. Only reads.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<i32, StoreError> {
    let doing = opening(path);
    let has = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, bool>(0));
    if !has("SELECT EXISTS (SELECT 1 FROM sqlite_schema)").map_err(&doing)? {
        return Ok(0);
    }
    let foreign = || StoreError::Foreign {
        path: path.to_owned(),
    };
    let tracked =
        has("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history')");
    if !tracked.map_err(&doing)? {
        return Err(foreign());
    }
    let (first, found): (Option<String>, i32) = connection
        .query_row(
            "SELECT (SELECT name FROM refinery_schema_history WHERE version = 1), max(version)
             FROM refinery_schema_history",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(|_| foreign())?;
    if first.as_deref() != Some(FIRST_STEP) {
        return Err(foreign());
    }
    let known = known_version();
    if found > known {
        return Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(found)
}

/// The newest version that this program knows.
pub(super) fn known_version() -> i32 {
    embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(|step| step.version())
        .max()
        .unwrap_or(0)
}

fn migrate(connection: &mut Connection, found: i32, path: &Path) -> Result<(), StoreError> {
    if found == known_version() {
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
    embedded::migrations::runner()
        .set_grouped(true)
        .run(connection)
        .map(drop)
        .map_err(|fault| StoreError::Failed {
            doing: "bring the store's tables up to date",
            reason: fault.to_string(),
        })
}

/// A file beside the store that is there to be locked. Holds nothing.
pub(super) fn lock_file(path: &Path, kind: &str) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(beside(path, kind))
}

/// Says that a command uses the file, for as long as it is held. Refused while a restore puts another file in its place.
pub(super) fn lock_for_use(path: &Path) -> Result<File, StoreError> {
    locked(path, "use-lock", File::try_lock_shared)
}

/// Nobody uses the file but whoever holds this.
pub(super) fn lock_for_restore(path: &Path) -> Result<File, StoreError> {
    locked(path, "use-lock", File::try_lock)
}

fn locked(
    path: &Path,
    kind: &str,
    take: impl FnOnce(&File) -> Result<(), std::fs::TryLockError>,
) -> Result<File, StoreError> {
    let refused = |reason: String| StoreError::Failed {
        doing: "lock the store",
        reason,
    };
    let lock = lock_file(path, kind).map_err(|fault| refused(fault.to_string()))?;
    match take(&lock) {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) if kind == "use-lock" => Err(StoreError::InHand {
            path: path.to_owned(),
        }),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: path.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(fault)) => Err(refused(fault.to_string())),
    }
}

/// One engine per file: a second one would close the first one's calls as the remains of a crash. Held as long as it lives.
pub(super) fn lock_for_engine(path: &Path) -> Result<File, StoreError> {
    locked(path, "engine-lock", File::try_lock)
}

/// What an error means while a file is opened.
fn opening(path: &Path) -> impl Fn(rusqlite::Error) -> StoreError {
    move |fault| match fault.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Damaged {
            path: path.to_owned(),
            reason: fault.to_string(),
        },
        _ => failed("open the store")(fault),
    }
}

/// Turns a database error into one of ours.
pub(super) fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |fault| StoreError::Failed {
        doing,
        reason: match fault.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                format!(
                    "the store's file is damaged ({fault}); restore a backup: tandem restore FILE"
                )
            }
            _ => fault.to_string(),
        },
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
    fn everybody_waits_for_the_disk_and_wipes_what_is_deleted() {
        let dir = tempfile::tempdir().expect("a directory");
        let office = open(&dir.path().join("t.db"), Role::Office).expect("it opens");
        assert_eq!(pragma(&office, "synchronous"), 2);
        let connection = open(&dir.path().join("t.db"), Role::Writer).expect("it opens");
        assert_eq!(
            pragma(&connection, "synchronous"),
            1,
            "it waits by itself, without holding up others"
        );
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
        let said = refused.to_string();
        let known = known_version().to_string();
        for word in ["9999", known.as_str(), "newer", "restore", "t.db"] {
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn a_file_of_another_program_is_refused_and_stays_as_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("t.db");
        for tables in [
            "CREATE TABLE song (title TEXT);",
            "CREATE TABLE refinery_schema_history (version INT, name TEXT, applied_on TEXT, checksum TEXT);
             INSERT INTO refinery_schema_history VALUES (1, 'songs', '', '');",
            "CREATE TABLE refinery_schema_history (of_another_kind TEXT);",
        ] {
            let _ = std::fs::remove_file(&path);
            Connection::open(&path)
                .and_then(|other| other.execute_batch(tables))
                .expect("another program's file");
            let before = std::fs::read(&path).expect("its bytes");
            let refused = open(&path, Role::Office).expect_err("it must not open");
            assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
            assert_eq!(std::fs::read(&path).expect("its bytes"), before);
        }
    }

    #[test]
    fn a_damaged_file_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("t.db");
        std::fs::write(&path, b"these are the words of somebody else".repeat(100)).expect("a file");
        for role in [Role::Office, Role::Writer, Role::Reader] {
            let refused = open(&path, role).expect_err("it must not open");
            assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
            assert!(refused.to_string().contains("tandem restore"), "{refused}");
        }
        // The header is good, the rest is not.
        std::fs::remove_file(&path).expect("gone");
        drop(open(&path, Role::Office).expect("a new one"));
        let mut bytes = std::fs::read(&path).expect("its bytes");
        bytes[100..4_096].fill(0xA5);
        std::fs::write(&path, bytes).expect("written");
        let refused = open(&path, Role::Office).expect_err("it must not open");
        assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    }

    #[test]
    fn a_store_whose_restore_was_cut_off_is_not_opened() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("t.db");
        std::fs::write(restore_mark(&path), "").expect("a mark");
        let refused = open(&path, Role::Office).expect_err("it must not open");
        assert!(
            matches!(refused, StoreError::RestoreCut { .. }),
            "{refused}"
        );
        assert!(!path.exists(), "nor is an empty one made in its place");
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
        assert_eq!(version(&new, &path).expect("a version"), known_version());
    }
}
