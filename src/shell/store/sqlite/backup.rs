//! A copy of the store while it is written to. Page by page out of one snapshot, at a pace that leaves the disk to the engine; read
//! through and added up before it is called good.
//!
//! Why page by page (SQLite's backup interface) and not `VACUUM INTO`: that one writes the whole file in one statement, without a pause
//! and without a word about how far it is. The snapshot is pinned by a read transaction, so that writers do not make the copy begin
//! anew; its price is that the WAL grows until the copy is there.

use super::export;
use super::schema::{self, Role, failed};
use crate::shell::store::StoreError;
use crate::shell::store::backup::{BackupReport, CopyStep, not_good};
use crate::time::UnixMs;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pages copied in one step: 1 MB.
const STEP_PAGES: i32 = 256;
/// Pause after a step: at most about 250 MB a second are copied.
const PAUSE: Duration = Duration::from_millis(2);
/// Steps after which the copy is brought to the disk. Left to the kernel it would go there at once, and the engine's commits wait.
const STEPS_PER_SYNC: u32 = 8;
/// Lines that an integrity check may say.
const FAULTS_MAX: usize = 3;

/// Copies the store at `path` to the new file `to`. `to` is there when the copy was checked and is on disk, or not at all.
pub fn backup(
    path: &Path,
    to: &Path,
    now: UnixMs,
    progress: &mut dyn FnMut(CopyStep),
) -> Result<BackupReport, StoreError> {
    let begun = Instant::now();
    if to.exists() {
        return Err(StoreError::Value {
            what: "the backup's file",
            expected: format!("a new one; {} is there already", to.display()),
        });
    }
    let _in_use = schema::lock_for_use(path)?;
    if !path.exists() {
        return Err(StoreError::Failed {
            doing: "make a backup",
            reason: format!("there is no store at {}", path.display()),
        });
    }
    let partial = Partial::create(to)?;
    let source = schema::open(path, Role::Reader)?;
    copy(&source, &partial, progress)?;
    progress(CopyStep::Checking);
    let mut copy = Connection::open(&partial.path).map_err(failed("open the copy"))?;
    // One file, without a log beside it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .and_then(|()| {
            copy.execute(
                "INSERT INTO meta (key, value) VALUES ('backup_at', ?1)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [now.0.to_string()],
            )
        })
        .map_err(failed("finish the copy"))?;
    let sums = check(&mut copy, &partial.path)?;
    drop(copy);
    let bytes = partial.publish(to)?;
    Ok(BackupReport {
        file: to.to_owned(),
        bytes,
        at: now,
        attempts: sums.attempts,
        in_air: sums.in_air,
        leads: sums.leads_open + sums.leads_done,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

fn copy(
    source: &Connection,
    partial: &Partial,
    progress: &mut dyn FnMut(CopyStep),
) -> Result<(), StoreError> {
    let doing = failed("copy the store");
    let mut target = Connection::open(&partial.path).map_err(&doing)?;
    // We bring it to the disk ourselves, in pieces.
    target
        .pragma_update(None, "synchronous", "OFF")
        .map_err(&doing)?;
    source
        .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")
        .map_err(&doing)?;
    let page: u64 = source
        .query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))
        .map_err(&doing)? as u64;
    let backup = Backup::new(source, &mut target).map_err(&doing)?;
    let mut steps = 0;
    loop {
        let step = backup.step(STEP_PAGES).map_err(&doing)?;
        let pages = backup.progress();
        let (all, left) = (pages.pagecount.max(0) as u64, pages.remaining.max(0) as u64);
        progress(CopyStep::Copying((all - left) * page, all * page));
        if step == StepResult::Done {
            break;
        }
        steps += 1;
        if steps % STEPS_PER_SYNC == 0 {
            partial.sync()?;
        }
        std::thread::sleep(PAUSE);
    }
    drop(backup);
    source.execute_batch("COMMIT").map_err(&doing)
}

/// Whether a file is whole, and its books balance. The sums.
pub(super) fn check(copy: &mut Connection, path: &Path) -> Result<export::StoreTotals, StoreError> {
    let faults: Vec<String> = copy
        .prepare("PRAGMA integrity_check")
        .and_then(|mut check| check.query_map([], |row| row.get(0))?.collect())
        .map_err(|fault| not_good(path, fault))?;
    if faults != ["ok"] {
        let some = &faults[..faults.len().min(FAULTS_MAX)];
        return Err(not_good(path, some.join("; ")));
    }
    let sums = export::totals(copy)?;
    if sums.balance() {
        Ok(sums)
    } else {
        Err(not_good(
            path,
            format!(
                "its books do not balance: {} attempts, {} in the air, {} awaiting an outcome",
                sums.attempts, sums.in_air, sums.awaiting_outcome
            ),
        ))
    }
}

/// A file that is being made. Removed unless it is published.
pub(super) struct Partial {
    pub(super) path: PathBuf,
    file: File,
}

impl Partial {
    /// A new file beside `to`, for its owner's eyes.
    pub(super) fn create(to: &Path) -> Result<Self, StoreError> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = schema::beside(to, &format!("partial-{}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(|fault| unwritten(&path, &fault))?;
        Ok(Partial { path, file })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .map_err(|fault| unwritten(&self.path, &fault))
    }

    /// Gives it its name, on disk. Its length.
    pub(super) fn publish(self, to: &Path) -> Result<u64, StoreError> {
        self.sync()?;
        let published = self
            .file
            .metadata()
            .and_then(|about| std::fs::rename(&self.path, to).map(|()| about.len()))
            .and_then(|bytes| sync_directory_of(to).map(|()| bytes));
        published.map_err(|fault| unwritten(to, &fault))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Published, it is not there any more under this name.
        for ending in ["", "-journal", "-wal", "-shm"] {
            let mut name = self.path.as_os_str().to_owned();
            name.push(ending);
            let _ = std::fs::remove_file(PathBuf::from(name));
        }
    }
}

/// Makes a new, renamed or removed name in a file's directory outlast a power cut.
pub(super) fn sync_directory_of(file: &Path) -> std::io::Result<()> {
    let directory = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

pub(super) fn unwritten(path: &Path, fault: &std::io::Error) -> StoreError {
    StoreError::Failed {
        doing: "write the copy",
        reason: format!("{}: {fault}", path.display()),
    }
}
