//! Moves what the WAL holds into the database file, beside the writer's turns. Owns a thread and a connection of its own.
//!
//! The technique: a passive checkpoint takes no lock that the writer needs, so a thread may run it at any time. Its price: under
//! steady writing it never reaches the WAL's very end, so SQLite never starts the WAL anew and the file would grow all day.
//! 1. The thread copies nearly everything (tens of megabytes, off the hot path).
//! 2. It sees that the WAL is long and sets `tail_wanted`.
//! 3. The writer, between two commits, copies the few frames that came meanwhile: nobody can add to them now.
//! 4. The writer's next commit finds all frames copied and starts the WAL from its beginning.

use super::schema::{self, Role};
use crate::shell::store::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Orders after which a pass is worth its fsyncs: about 20 MB of WAL.
const ORDERS_PER_PASS: u64 = 5_000;
/// Frames (pages of 4 KiB) in the WAL from which it should start anew: 32 MB.
const FRAMES_LONG: i64 = 8_000;
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
struct Shared {
    orders: AtomicU64,
    idle: AtomicBool,
    tail_wanted: AtomicBool,
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
        let connection = schema::open(path, Role::Office)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&connection, &theirs))
            .map_err(|fault| StoreError::Failed {
                doing: "start the checkpoint thread",
                reason: fault.to_string(),
            })?;
        Ok(Checkpointer {
            shared,
            thread: Some(thread),
        })
    }

    /// The writer committed so many orders.
    pub(super) fn committed(&self, orders: usize) {
        self.shared.idle.store(false, Ordering::Relaxed);
        self.shared
            .orders
            .fetch_add(orders as u64, Ordering::Relaxed);
    }

    /// Between two commits of the writer, on its connection.
    pub(super) fn between_commits(&self, writer: &Connection, idle: bool) {
        self.shared.idle.store(idle, Ordering::Relaxed);
        if self.shared.tail_wanted.swap(false, Ordering::Relaxed) {
            pass(writer);
        }
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

fn run(connection: &Connection, shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(LOOK);
        let orders = shared.orders.load(Ordering::Relaxed);
        let idle = shared.idle.load(Ordering::Relaxed);
        if orders < ORDERS_PER_PASS && !(idle && orders > 0) {
            continue;
        }
        shared.orders.fetch_sub(orders, Ordering::Relaxed);
        if let Some(frames) = pass(connection) {
            shared.passes.fetch_add(1, Ordering::Relaxed);
            if frames > FRAMES_LONG {
                shared.tail_wanted.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// A passive checkpoint. Frames in the WAL; `None` if it failed: the WAL keeps everything, and the next pass tries again.
fn pass(connection: &Connection) -> Option<i64> {
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)) {
        Ok(frames) => Some(frames),
        Err(fault) => {
            tracing::warn!(%fault, "The store's checkpoint failed; the WAL keeps everything.");
            None
        }
    }
}
