//! Moves what the WAL holds into the database file, beside the writers' turns. Owns a thread and a connection of its own; the engine has
//! one, and so has every import.
//!
//! The technique: a passive checkpoint takes no lock that a writer needs, so a thread may run it at any time. Its price: under
//! steady writing it never reaches the WAL's very end, so SQLite never starts the WAL anew and the file would grow all day.
//! 1. The thread copies nearly everything (tens of megabytes, off the writers' path).
//! 2. It sees that the WAL is long, copies once more what came meanwhile, and once more, until little is left.
//! 3. It stands in line like a writer, holds the write lock, and copies the few frames that are left: nobody can add to them now.
//! 4. The next commit, whoever's it is, finds all frames copied and starts the WAL from its beginning.
//!
//! A reader that is in the middle of the WAL keeps it from starting anew. Step 3 does not wait for it.

use super::line::Line;
use super::schema::{self, Role};
use crate::shell::store::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Pages (4 KiB) written after which a pass is worth its fsyncs: about 4 MB. Passes of 16 MB wrote no less in the end, and while such a
/// one went to the disk the engine's commits waited three times as long (p99 behind an import 111 ms, else 32 to 66).
const PAGES_PER_PASS: u64 = 1_024;
/// Pages of the WAL that an order of the floor's writes, about.
const PAGES_PER_ORDER: u64 = 4;
/// Rows of a list to a page of the WAL, about.
const ROWS_PER_PAGE: u64 = 4;
/// Frames (pages) in the WAL from which it should start anew: 128 MB. An import writes so much in two seconds, and each new start holds
/// up all writers for some milliseconds.
const FRAMES_LONG: i64 = 32_000;
/// Frames that may be left for the pass that holds up the writers: some milliseconds.
const FRAMES_LEFT: i64 = 600;
/// Passes one after the other, to get there.
const PASSES: u32 = 4;
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Time before writers are held up again for a WAL that a reader kept from starting anew.
const AGAIN: Duration = Duration::from_secs(5);

/// What was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Orders of the floor.
    Orders(usize),
    /// Rows of a list.
    Rows(usize),
}

#[derive(Debug, Default)]
struct Shared {
    pages: AtomicU64,
    idle: AtomicBool,
    stop: AtomicBool,
    passes: AtomicU64,
}

/// The thread and what it shares with the writer.
#[derive(Debug)]
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open(path, Role::Checkpoint)?;
        let line = Line::open(path)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&connection, &line, &theirs))
            .map_err(|fault| StoreError::Failed {
                doing: "start the checkpoint thread",
                reason: fault.to_string(),
            })?;
        Ok(Checkpointer {
            shared,
            thread: Some(thread),
        })
    }

    /// The writer committed so much.
    pub(super) fn committed(&self, work: Work) {
        let pages = match work {
            Work::Orders(orders) => orders as u64 * PAGES_PER_ORDER,
            Work::Rows(rows) => rows as u64 / ROWS_PER_PAGE + 1,
        };
        self.shared.idle.store(false, Ordering::Relaxed);
        let before = self.shared.pages.fetch_add(pages, Ordering::Relaxed);
        if before < PAGES_PER_PASS
            && before + pages >= PAGES_PER_PASS
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }

    /// The writer has nothing to do, or has something to do again.
    pub(super) fn rests(&self, idle: bool) {
        self.shared.idle.store(idle, Ordering::Relaxed);
    }

    /// Passes made so far.
    #[cfg(test)]
    pub(super) fn passes(&self) -> u64 {
        self.shared.passes.load(Ordering::Relaxed)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It holds nothing that a panic could leave half done.
            drop(thread.join());
        }
    }
}

fn run(connection: &Connection, line: &Line, shared: &Shared) {
    let mut not_before = Instant::now();
    while !shared.stop.load(Ordering::Relaxed) {
        let pages = shared.pages.load(Ordering::Relaxed);
        let idle = shared.idle.load(Ordering::Relaxed);
        if pages < PAGES_PER_PASS && !(idle && pages > 0) {
            std::thread::park_timeout(LOOK);
            continue;
        }
        shared.pages.fetch_sub(pages, Ordering::Relaxed);
        let Some(mut wal) = pass(connection, "PASSIVE") else {
            std::thread::park_timeout(LOOK);
            continue;
        };
        shared.passes.fetch_add(1, Ordering::Relaxed);
        if wal.frames <= FRAMES_LONG || Instant::now() < not_before {
            continue;
        }
        for _ in 1..PASSES {
            if wal.left() <= FRAMES_LEFT {
                break;
            }
            wal = pass(connection, "PASSIVE").unwrap_or(wal);
        }
        if wal.left() <= FRAMES_LEFT {
            let standing = line.stand();
            let last = pass(connection, "FULL");
            drop(standing);
            if last.is_none_or(|wal| wal.busy || wal.left() > 0) {
                not_before = Instant::now() + AGAIN;
            }
        }
    }
}

/// The WAL after a checkpoint.
#[derive(Clone, Copy, Debug)]
struct Wal {
    busy: bool,
    frames: i64,
    copied: i64,
}

impl Wal {
    /// Frames that are not copied. Whoever found another process at it knows nothing of them.
    fn left(self) -> i64 {
        if self.busy {
            i64::MAX
        } else {
            self.frames - self.copied
        }
    }
}

/// A checkpoint. `None` if it failed: the WAL keeps everything, and the next pass tries again.
fn pass(connection: &Connection, kind: &str) -> Option<Wal> {
    let done = connection.query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], |row| {
        Ok(Wal {
            busy: row.get(0)?,
            frames: row.get(1)?,
            copied: row.get(2)?,
        })
    });
    match done {
        Ok(wal) => Some(wal),
        Err(fault) => {
            tracing::warn!(%fault, "The store's checkpoint failed; the WAL keeps everything.");
            None
        }
    }
}
