//! What a backup and a restore report. The work is the database's ([`crate::shell::store::sqlite`]).

use crate::shell::store::StoreError;
use crate::time::UnixMs;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// How far a backup or a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStep {
    /// Bytes copied, of so many.
    Copying(u64, u64),
    /// The copy is read through and its books are added up.
    Checking,
    /// The copy is made ready to be dialled from.
    Preparing,
}

/// A backup that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupReport {
    /// Where it is.
    pub file: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// The instant that it shows.
    pub at: UnixMs,
    /// Attempts in it.
    pub attempts: u64,
    /// Of them, those that were in the air: a start from it settles them as INTERRUPTED.
    pub in_air: u64,
    /// Leads in it.
    pub leads: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What is to be restored.
#[derive(Clone, Copy, Debug)]
pub struct RestorePlan<'a> {
    /// The store's file.
    pub store: &'a Path,
    /// The backup.
    pub backup: &'a Path,
    /// The time.
    pub now: UnixMs,
    /// Nobody on the lists is dialled before this time. Whom the lost store dialled after the backup is not known.
    pub quiet_until: UnixMs,
}

/// A restore that is done.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreReport {
    /// When the backup was made; `None`: it was not made by Tandem.
    pub backup_at: Option<UnixMs>,
    /// Where the store that was there before is kept.
    pub kept: Option<PathBuf>,
    /// Attempts in the restored store.
    pub attempts: u64,
    /// Of them, those that were in the air at the backup.
    pub in_air: u64,
    /// Leads that wait until the quiet time ends.
    pub leads_waiting: u64,
    /// What could still be read of the store that was there before, and is in force again.
    pub carried: Option<Carried>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl RestoreReport {
    /// What an operator must know now.
    pub fn words(&self, plan: &RestorePlan<'_>) -> String {
        let mut words = format!(
            "Restored {}: {} attempts ({} were in the air, the next start settles them); {:.1} s\n",
            plan.backup.display(),
            self.attempts,
            self.in_air,
            self.seconds
        );
        // Writing to a String cannot fail.
        let _ = match self.backup_at {
            Some(at) => writeln!(words, "It shows the store as it was at {}.", iso(at)),
            None => writeln!(words, "When it was made is not known."),
        };
        if let Some(kept) = &self.kept {
            let _ = writeln!(words, "The store before it is kept: {}", kept.display());
            let _ = match self.carried {
                Some(carried) => writeln!(
                    words,
                    "Taken over from that: {} numbers not to be called, {} blocks of persons.",
                    carried.numbers, carried.persons
                ),
                None => writeln!(
                    words,
                    "That one cannot be read. Who asked since the backup not to be called must be entered again before you dial."
                ),
            };
        }
        let _ = if plan.quiet_until > plan.now {
            writeln!(
                words,
                "Whom it dialled since the backup is not known: {} leads wait until {} (--hold-hours).",
                self.leads_waiting,
                iso(plan.quiet_until)
            )
        } else {
            writeln!(
                words,
                "Whom it dialled since the backup is not known, and nobody is held back: daily caps and gaps may be broken."
            )
        };
        words
    }
}

/// Where a backup goes that nobody named: `backups/tandem-20261124T020000Z.db`. Makes the directory, for its owner only.
pub fn default_file(data_dir: &Path, now: UnixMs) -> std::io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let directory = data_dir.join("backups");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)?;
    Ok(directory.join(format!("tandem-{}.db", stamp(now))))
}

/// A time as a part of a file's name, UTC: "20261124T020000Z".
pub(super) fn stamp(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| at.0.to_string(),
        |at| at.strftime("%Y%m%dT%H%M%SZ").to_string(),
    )
}

/// UTC, to the second.
fn iso(at: UnixMs) -> String {
    jiff::Timestamp::from_second(at.0 / 1_000)
        .map_or_else(|_| at.0.to_string(), |at| at.to_string())
}

/// Wishes not to be called, taken over from the store that was replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Numbers on the do-not-call list.
    pub numbers: u64,
    /// Blocks of persons.
    pub persons: u64,
}

/// Why a copy is no good, in words.
pub(super) fn not_good(path: &Path, reason: impl std::fmt::Display) -> StoreError {
    StoreError::BadCopy {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
