//! A backup in the place of the store. Everything that can fail is done on a copy; then the files change places under a mark that
//! says so, and whoever finds the mark later opens nothing.
//!
//! What nobody can know after it: whom the lost store dialled since the backup. So everybody on the lists is left in peace for a
//! while; and who asked not to be called is taken over from the replaced store, as far as that can still be read.

use super::backup::{Partial, check, sync_directory_of, unwritten};
use super::schema::{self, Role, failed};
use crate::shell::store::StoreError;
use crate::shell::store::backup::{Carried, CopyStep, RestorePlan, RestoreReport, not_good, stamp};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Attempts that the lost store may have made since the backup: behind so many numbers new ones are counted if it cannot be read.
const ATTEMPTS_UNKNOWN: i64 = 10_000_000;

/// Puts a backup in the store's place. The store that was there is kept beside it, under a name with the date.
pub fn restore(
    plan: &RestorePlan<'_>,
    progress: &mut dyn FnMut(CopyStep),
) -> Result<RestoreReport, StoreError> {
    let begun = Instant::now();
    let store = plan.store;
    // Nobody may have the old file open: what is written to it from now on would be lost.
    let _engine = schema::lock_for_engine(store)?;
    let _in_use = schema::lock_for_restore(store)?;
    judge(plan.backup)?;
    let mut copy = Partial::create(store)?;
    copy_file(plan.backup, &mut copy, progress)?;
    progress(CopyStep::Checking);
    let mut database = schema::open_file(&copy.path, Role::Office)
        .map_err(|fault| named(fault, &copy.path, plan.backup))?;
    let sums =
        check(&mut database, &copy.path).map_err(|fault| named(fault, &copy.path, plan.backup))?;
    progress(CopyStep::Preparing);
    let doing = failed("prepare the restored store");
    let backup_at = database
        .query_row(
            "SELECT max(CAST(value AS INTEGER)) FROM meta WHERE key = 'backup_at'",
            [],
            |row| row.get::<_, Option<i64>>(0),
        )
        .map_err(&doing)?;
    let carried = if store.exists() {
        carry_over(&mut database, store)
    } else {
        None
    };
    let leads_waiting = settle(&mut database, plan, carried.is_some()).map_err(&doing)?;
    database
        .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .map_err(&doing)?;
    drop(database);
    copy.sync()?;
    let kept = exchange(plan, copy)?;
    Ok(RestoreReport {
        backup_at: backup_at.map(crate::time::UnixMs),
        kept,
        attempts: sums.attempts,
        in_air: sums.in_air,
        leads_waiting,
        carried,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Refuses what is not a store, or a newer one, under the name that the user gave. Writes nothing.
fn judge(backup: &Path) -> Result<(), StoreError> {
    let doing = failed("open the backup");
    let found = Connection::open_with_flags(
        backup,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(&doing)
    .and_then(|database| schema::version(&database, backup))
    .map_err(|fault| named(fault, backup, backup))?;
    if found == 0 {
        return Err(not_good(backup, "it is empty"));
    }
    Ok(())
}

/// A fault of the copy is one of the backup: that name is known to the user.
fn named(fault: StoreError, copy: &Path, backup: &Path) -> StoreError {
    match fault {
        StoreError::BadCopy { path, reason } if path == copy => StoreError::BadCopy {
            path: backup.to_owned(),
            reason,
        },
        StoreError::Damaged { path, reason } if path == copy => not_good(backup, reason),
        StoreError::Foreign { path } if path == copy => {
            not_good(backup, "it is the database of another program")
        }
        other => other,
    }
}

fn copy_file(
    from: &Path,
    to: &mut Partial,
    progress: &mut dyn FnMut(CopyStep),
) -> Result<(), StoreError> {
    let unread = |fault: std::io::Error| StoreError::Failed {
        doing: "read the backup",
        reason: format!("{}: {fault}", from.display()),
    };
    let mut source = File::open(from).map_err(unread)?;
    let all = source.metadata().map_err(unread)?.len();
    let (mut buffer, mut done) = (vec![0; 1 << 20], 0);
    loop {
        let read = source.read(&mut buffer).map_err(unread)?;
        if read == 0 {
            return to.sync();
        }
        let path = to.path.clone();
        to.file()
            .write_all(&buffer[..read])
            .map_err(|fault| unwritten(&path, &fault))?;
        done += read as u64;
        progress(CopyStep::Copying(done, all));
    }
}

/// Takes over from the replaced store who must not be called. `None`: it cannot be read, which is often why it is replaced.
fn carry_over(database: &mut Connection, old: &Path) -> Option<Carried> {
    let attach = |database: &Connection| -> rusqlite::Result<()> {
        database
            .execute("ATTACH ?1 AS old", [old.to_string_lossy()])
            .map(drop)
    };
    if let Err(fault) = attach(database) {
        tracing::warn!(%fault, "The replaced store cannot be read.");
        return None;
    }
    let taken = database
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .and_then(|transaction| {
            let numbers = transaction.execute(
                "INSERT INTO dnc (e164, reason, at) SELECT e164, reason, at FROM old.dnc WHERE true
                 ON CONFLICT DO NOTHING",
                [],
            )?;
            let persons = transaction.execute(
                "INSERT INTO person_block (person, reason, at, until)
                 SELECT person.id, block.reason, block.at, block.until
                 FROM old.person_block AS block
                 JOIN old.person AS known ON known.id = block.person
                 JOIN main.person AS person ON person.cif = known.cif
                 WHERE true
                 ON CONFLICT (person) DO UPDATE SET reason = excluded.reason, at = excluded.at, until = excluded.until
                 WHERE person_block.until IS NOT NULL
                    AND (excluded.until IS NULL OR excluded.until > person_block.until)",
                [],
            )?;
            transaction.execute(
                "UPDATE main.number SET status = gone.status, status_at = gone.status_at
                 FROM old.number AS gone
                 WHERE gone.e164 = main.number.e164 AND gone.status <> 'VALID' AND main.number.status = 'VALID'",
                [],
            )?;
            transaction.execute(
                "UPDATE main.person SET quiet_until = max(main.person.quiet_until, spoken.quiet_until)
                 FROM old.person AS spoken
                 WHERE spoken.cif = main.person.cif AND spoken.quiet_until > main.person.quiet_until",
                [],
            )?;
            transaction.execute(
                "INSERT INTO meta (key, value) SELECT 'attempts_before', coalesce(max(id), 0) FROM old.attempt WHERE true
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [],
            )?;
            transaction.commit()?;
            Ok(Carried {
                numbers: numbers as u64,
                persons: persons as u64,
            })
        });
    // It fails only if the file is busy, and then the connection is closed soon.
    let _ = database.execute("DETACH old", []);
    taken
        .map_err(|fault| tracing::warn!(%fault, "The replaced store cannot be read."))
        .ok()
}

/// Leaves everybody on the lists in peace until the time of the plan. How many leads that are.
fn settle(
    database: &mut Connection,
    plan: &RestorePlan<'_>,
    attempts_known: bool,
) -> rusqlite::Result<u64> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !attempts_known {
        transaction.execute(
            "INSERT INTO meta (key, value) SELECT 'attempts_before', coalesce(max(id), 0) + ?1 FROM attempt WHERE true
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [ATTEMPTS_UNKNOWN],
        )?;
    }
    transaction.execute(
        "INSERT INTO meta (key, value) VALUES ('restored_at', ?1)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [plan.now.0.to_string()],
    )?;
    let mut waiting = 0;
    if plan.quiet_until > plan.now {
        waiting = transaction.execute(
            "UPDATE lead SET not_before = ?1 WHERE done IS NULL AND not_before < ?1",
            [plan.quiet_until.0],
        )?;
        transaction.execute(
            "UPDATE person SET quiet_until = ?1 WHERE quiet_until < ?1",
            [plan.quiet_until.0],
        )?;
    }
    transaction.commit()?;
    Ok(waiting as u64)
}

/// The store's name goes from the old file to the new one. Between the two a mark stands, so that nobody takes half for the whole.
fn exchange(plan: &RestorePlan<'_>, copy: Partial) -> Result<Option<PathBuf>, StoreError> {
    let store = plan.store;
    let mark = schema::restore_mark(store);
    let doing = |fault: std::io::Error| StoreError::Failed {
        doing: "put the backup in the store's place",
        reason: format!("{}: {fault}", store.display()),
    };
    File::create(&mark)
        .and_then(|mark| mark.sync_all())
        .and_then(|()| sync_directory_of(store))
        .map_err(doing)?;
    let kept = schema::beside(store, &format!("replaced-{}", stamp(plan.now)));
    let was_there = store.exists();
    // The log goes with its file: SQLite would read an old log into the new file.
    for ending in ["-wal", "-shm", ""] {
        let with = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        match std::fs::rename(with(store), with(&kept)) {
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
            moved => moved.map_err(doing)?,
        }
    }
    copy.publish(store)?;
    std::fs::remove_file(&mark)
        .and_then(|()| sync_directory_of(store))
        .map_err(doing)?;
    Ok(was_there.then_some(kept))
}
