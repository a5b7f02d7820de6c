//! What came of a reload: for the API as JSON, for people as text, for the log as records. Shows no secret: values come from
//! `config::KeyChange`, which has none.

use super::{Asked, Asker};
use crate::config::{Fault, Faults, KeyChange, TableFull, UnknownZone};
use crate::shell::announcements::AnnouncementFault;
use crate::shell::sip::SipStartFault;
use crate::shell::store::StoreError;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    /// The file is in force now.
    Applied,
    /// The file says what is in force already.
    Unchanged,
    /// A dry run: the file could be put in force.
    Checked,
}

/// A reload that was not refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// What was done.
    pub result: ReloadResult,
    /// The file, as the engine names it.
    pub file: String,
    /// Keys that say something else.
    pub changes: Vec<ChangeView>,
}

/// One key that says something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// The key, `campaigns["PL-B2-HCM"].cps_max`.
    pub key: String,
    /// Line in the file, from 1; 0 if it is not there any more.
    pub line: usize,
    /// Column in characters, from 1; 0 as the line.
    pub column: usize,
    /// What the file said before.
    pub old: String,
    /// What it says now.
    pub new: String,
    /// What that means for what is going on, or why it needs a restart.
    pub why: String,
}

impl From<&KeyChange> for ChangeView {
    fn from(change: &KeyChange) -> Self {
        ChangeView {
            key: change.key.clone(),
            line: change.line,
            column: change.column,
            old: change.old.clone(),
            new: change.new.clone(),
            why: change.rule.why.to_owned(),
        }
    }
}

/// One fault of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    /// The key with its path; empty for a fault of syntax.
    pub key: String,
    /// Line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// Column in characters, from 1; 0 as the line.
    pub column: usize,
    /// What is wrong, what was expected, what was probably meant.
    pub message: String,
}

impl From<&Fault> for FaultView {
    fn from(fault: &Fault) -> Self {
        FaultView {
            key: fault.key.clone(),
            line: fault.line,
            column: fault.column,
            message: fault.to_string(),
        }
    }
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadRefused {
    /// The file is not sound: all of its faults.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// A prompt that it names.
    #[error(transparent)]
    Announcement(#[from] AnnouncementFault),
    /// Keys that are read only at the start.
    #[error("{} of its keys need a restart", changes.len())]
    NeedsRestart {
        /// The file.
        file: PathBuf,
        /// Those keys.
        changes: Vec<KeyChange>,
        /// How many others could have changed.
        live: usize,
    },
    /// More names than one run has room for.
    #[error(transparent)]
    NoRoom(#[from] TableFull),
    /// A trunk that no local address leads to.
    #[error(transparent)]
    Route(SipStartFault),
    /// The default zone is unknown to this machine.
    #[error(transparent)]
    Zone(#[from] UnknownZone),
    /// New names could not be made durable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The floor or the SIP thread has no room for it.
    #[error("the engine is behind; try again")]
    Behind,
    /// The engine is ending.
    #[error("the engine is ending: the next start reads the file")]
    Draining,
}

/// A refusal as the API gives it: the form of all of its errors, with the parts beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// Stable code.
    pub code: String,
    /// Everything, for people: several lines.
    pub message: String,
    /// Faults of the file.
    pub faults: Vec<FaultView>,
    /// Keys that need a restart.
    pub changes: Vec<ChangeView>,
}

impl ReloadRefused {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Faults(_) => "faults",
            Self::Announcement(_) => "prompt_missing",
            Self::NeedsRestart { .. } => "needs_restart",
            Self::NoRoom(_) => "no_room",
            Self::Route(_) => "no_route",
            Self::Zone(_) => "unknown_zone",
            Self::Store(_) => "store_failed",
            Self::Behind => "engine_behind",
            Self::Draining => "draining",
        }
    }

    /// The refusal in one sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Faults(faults) => format!(
                "nothing was changed: the file has {}",
                faults_of(faults.list.len())
            ),
            Self::NeedsRestart { changes, .. } => {
                let verb = if changes.len() == 1 { "needs" } else { "need" };
                format!(
                    "nothing was changed: {} {verb} a restart",
                    keys(changes.len())
                )
            }
            other => format!("nothing was changed: {other}"),
        }
    }

    /// The refusal with all of its reasons, each on a line of its own.
    pub fn text(&self) -> String {
        let mut text = self.sentence();
        match self {
            Self::Faults(faults) => {
                let _ = write!(text, "\n{faults}");
            }
            Self::NeedsRestart {
                file,
                changes,
                live,
            } => {
                for change in changes {
                    let _ = write!(
                        text,
                        "\n{}{change}",
                        place(file, change.line, change.column)
                    );
                }
                if *live > 0 {
                    let _ = write!(
                        text,
                        "\n{} more could change live, without these",
                        keys(*live)
                    );
                }
            }
            _ => {}
        }
        text
    }

    /// The refusal for a client.
    pub fn problem(&self) -> Problem {
        let (faults, changes) = match self {
            Self::Faults(faults) => (
                faults.list.iter().map(FaultView::from).collect(),
                Vec::new(),
            ),
            Self::NeedsRestart { changes, .. } => {
                (Vec::new(), changes.iter().map(ChangeView::from).collect())
            }
            _ => (Vec::new(), Vec::new()),
        };
        Problem {
            code: self.code().to_owned(),
            message: self.text(),
            faults,
            changes,
        }
    }
}

impl ReloadReport {
    pub(super) fn new(file: &Path, result: ReloadResult, changes: &[KeyChange]) -> Self {
        ReloadReport {
            result,
            file: file.display().to_string(),
            changes: changes.iter().map(ChangeView::from).collect(),
        }
    }

    /// The report in one sentence.
    pub fn sentence(&self) -> String {
        let count = keys(self.changes.len());
        match self.result {
            ReloadResult::Applied => format!("{count} changed"),
            ReloadResult::Unchanged => "nothing has changed".to_owned(),
            ReloadResult::Checked if self.changes.is_empty() => "nothing would change".to_owned(),
            ReloadResult::Checked => format!("{count} would change; nothing was done"),
        }
    }

    /// The report for people, a line for each key.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}.\n", self.file, self.sentence());
        for change in &self.changes {
            let place = match change.line {
                0 => String::new(),
                line => format!("line {line}: "),
            };
            let ChangeView {
                key, old, new, why, ..
            } = change;
            let _ = writeln!(text, "  {place}{key}: {old} -> {new} ({why})");
        }
        text
    }
}

/// One record for the reload, and one for each key, tied together by its number: who changed what, from what, to what.
pub(super) fn record(
    reload: u64,
    asked: Asked,
    file: &Path,
    outcome: &Result<ReloadReport, ReloadRefused>,
) {
    let by = match asked.by {
        Asker::Signal => "signal",
        Asker::Api => "api",
    };
    let file = file.display();
    match outcome {
        Ok(report) => {
            let (result, keys) = (report.result, report.changes.len());
            tracing::info!(reload, by, %file, ?result, keys, "The configuration was read anew.");
            if result == ReloadResult::Applied {
                for change in &report.changes {
                    let ChangeView {
                        key,
                        line,
                        old,
                        new,
                        ..
                    } = change;
                    tracing::info!(
                        reload,
                        by,
                        key,
                        line,
                        old,
                        new,
                        "A key of the configuration changed."
                    );
                }
            }
        }
        Err(refused) => {
            let problem = refused.problem();
            let code = refused.code();
            let dry_run = asked.dry_run;
            tracing::warn!(reload, by, %file, code, dry_run, reason = refused.sentence(), "A reload was refused.");
            for fault in &problem.faults {
                let (line, column) = (fault.line, fault.column);
                tracing::warn!(
                    reload,
                    by,
                    line,
                    column,
                    fault = fault.message,
                    "A fault of the configuration."
                );
            }
            for change in &problem.changes {
                let ChangeView {
                    key,
                    line,
                    old,
                    new,
                    why,
                    ..
                } = change;
                tracing::warn!(
                    reload,
                    by,
                    key,
                    line,
                    old,
                    new,
                    why,
                    "A key needs a restart."
                );
            }
        }
    }
}

fn place(file: &Path, line: usize, column: usize) -> String {
    match line {
        0 => format!("{}: ", file.display()),
        line => format!("{}:{line}:{column}: ", file.display()),
    }
}

fn keys(count: usize) -> String {
    if count == 1 {
        "1 key".to_owned()
    } else {
        format!("{count} keys")
    }
}

fn faults_of(count: usize) -> String {
    if count == 1 {
        "1 fault".to_owned()
    } else {
        format!("{count} faults")
    }
}
