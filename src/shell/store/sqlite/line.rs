//! Who writes next: a line in front of the database's write lock, over all processes that have the file open.
//!
//! SQLite lets one write at a time, and whoever finds it busy looks again a little later. An import that ends one transaction and
//! begins the next at once would nearly always be quicker than the engine that looks again. So every writer stands in line first:
//! 1. The engine takes the one place in the line, and looks for the write lock until the import's transaction ends.
//! 2. The import ends its transaction and wants to begin another: the place is taken, it waits.
//! 3. The engine has the write lock and gives up its place; the import takes it, and waits for the write lock in its turn.
//!
//! So the two take turns, nobody has to pause in case somebody waits, and an engine alone pays two system calls. It is a courtesy:
//! the lock of the database decides. Who finds the place taken for too long (its holder was stopped) goes on without.

use crate::shell::store::StoreError;
use crate::shell::store::sqlite::schema;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest wait for the place: several transactions of an import.
const PATIENCE: Duration = Duration::from_millis(50);
/// Time between two looks.
const LOOK: Duration = Duration::from_micros(50);

/// The line of one store.
#[derive(Debug)]
pub(super) struct Line {
    place: File,
}

/// The place in the line; given up when dropped.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    place: Option<&'a File>,
}

impl Line {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        schema::lock_file(path, "line-lock")
            .map(|place| Line { place })
            .map_err(|fault| StoreError::Failed {
                doing: "open the line of writers",
                reason: fault.to_string(),
            })
    }

    /// Takes the place. To be given up as soon as the transaction has begun.
    pub(super) fn stand(&self) -> Standing<'_> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.place.try_lock() {
                Ok(()) => {
                    return Standing {
                        place: Some(&self.place),
                    };
                }
                Err(std::fs::TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(LOOK);
                }
                Err(_) => return Standing { place: None },
            }
        }
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            // It fails only if the file is not open.
            let _ = place.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stands_in_line_at_a_time_and_nobody_waits_for_ever() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("t.db");
        let (mine, other) = (
            Line::open(&path).expect("a line"),
            Line::open(&path).expect("a line"),
        );
        let standing = mine.stand();
        assert!(standing.place.is_some());
        let begun = Instant::now();
        assert!(other.stand().place.is_none(), "the place is taken");
        assert!(begun.elapsed() >= PATIENCE, "it did wait");
        drop(standing);
        assert!(other.stand().place.is_some());
        assert!(mine.stand().place.is_some(), "given up when dropped");
    }
}
