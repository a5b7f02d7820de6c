//! What the command line does with recordings, tokens and the audit; beside a running engine or without one. Whoever may run it on this
//! machine may read the site's key anyway; what he does stands in the audit as "console".

use super::audio::{AudioFault, ogg_to_wav, write_wav};
use super::file::{self, FileFault, FinishedReader, Reader};
use super::keeper::erase;
use super::keys::{KeyFault, SiteKeys};
use super::live::{NotAnId, RecordingId};
use super::shelf::{Shelf, ShelfFault};
use crate::config::Config;
use crate::shell::store::StoreError;
use crate::shell::store::sqlite::{
    AccessBook, AuditEntry, RecordingFilter, RecordingRow, RecordingState,
};
use crate::time::UnixMs;
use std::fmt::Write as _;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who acts, in the audit.
const CONSOLE: &str = "console";

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub enum CommandFault {
    /// The name is no id.
    #[error(transparent)]
    Id(#[from] NotAnId),
    /// The recording.
    #[error(transparent)]
    Shelf(#[from] ShelfFault),
    /// Its file.
    #[error(transparent)]
    File(#[from] FileFault),
    /// The site's keys.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is made of it.
    #[error(transparent)]
    Audio(#[from] AudioFault),
    /// The file that is written.
    #[error("{path}: {source}", path = path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is under way, or erased.
    #[error("the recording is {0}")]
    State(&'static str),
}

/// The recordings of a configuration.
pub struct Archive {
    shelf: Shelf,
    access: AccessBook,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Archive({:?})", self.shelf)
    }
}

/// What a check of one recording found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Its id.
    pub id: String,
    /// `None`: every octet is what was written.
    pub fault: Option<String>,
}

impl Archive {
    /// Opens store and keys; nothing is made.
    pub fn open(config: &Config, store: &Path) -> Result<Archive, CommandFault> {
        let keys = SiteKeys::load(&config.recording_key_file())?;
        Ok(Archive {
            shelf: Shelf::open(store, config.recording_directory(), Arc::new(keys))?,
            access: AccessBook::open(store)?,
        })
    }

    /// Recordings that the filter lets through, as a table for a terminal.
    pub fn list(&self, filter: &RecordingFilter) -> Result<String, CommandFault> {
        let rows = self.shelf.book().list(filter)?;
        let mut text = String::from(
            "recording                         began                 length  state      attempt   agent  campaign\n",
        );
        for row in &rows {
            let began = jiff::Timestamp::from_millisecond(row.began.0).unwrap_or_default();
            let length = row.duration_ms.map_or("-".to_owned(), |ms| {
                format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60)
            });
            let _ = writeln!(
                text,
                "{}  {:.0}  {:>7}  {:<9}  {:<8}  {:<5}  {}{}",
                row.id,
                began,
                length,
                row.state.word(),
                row.attempt,
                row.agent,
                row.campaign,
                if row.dropped > 0 {
                    format!("  ({} s lost)", row.dropped)
                } else {
                    String::new()
                }
            );
        }
        let _ = writeln!(text, "{} recordings.", rows.len());
        Ok(text)
    }

    fn row(&self, name: &str) -> Result<RecordingRow, CommandFault> {
        Ok(self.shelf.row(name.parse::<RecordingId>()?)?)
    }

    fn note(&mut self, act: &str, row: &RecordingRow) -> Result<(), CommandFault> {
        let at = self.access.now()?;
        Ok(self.access.audit(&[AuditEntry {
            at,
            actor: CONSOLE.to_owned(),
            act: act.to_owned(),
            target: format!("recording {}", row.id),
            allowed: true,
            detail: format!("attempt {}", row.attempt),
        }])?)
    }

    /// Writes one as WAV: 8,000 Hz, 16 bits, customer left, agent right. One that was cut off is read to its last whole second. Seconds
    /// of it.
    pub fn export_wav(&mut self, name: &str, wav: &Path) -> Result<f64, CommandFault> {
        let row = self.row(name)?;
        self.note("recording.export", &row)?;
        let path = self.shelf.path(&row);
        let write = |source| CommandFault::Write {
            path: wav.to_owned(),
            source,
        };
        let into = BufWriter::new(private(wav).map_err(write)?);
        let samples = match row.state {
            RecordingState::Erased => return Err(CommandFault::State("erased")),
            RecordingState::Converted => {
                let mut reader = FinishedReader::open(&path, self.shelf.keys())?;
                ogg_to_wav(&mut reader, into)?
            }
            RecordingState::Live | RecordingState::Closed | RecordingState::Broken => {
                let mut reader = Reader::open(&path, self.shelf.keys())?;
                write_wav(&mut reader, into)?;
                reader.samples()
            }
        };
        Ok(samples as f64 / 8_000.0)
    }

    /// Writes one as it is played: Ogg Opus where it is converted, else WAV. Its media type.
    pub fn export_as_is(&mut self, name: &str, to: &Path) -> Result<&'static str, CommandFault> {
        use std::io::Write as _;
        let row = self.row(name)?;
        self.note("recording.export", &row)?;
        let mut playable = self.shelf.play(&row)?;
        let write = |source| CommandFault::Write {
            path: to.to_owned(),
            source,
        };
        let (mut into, mut at) = (BufWriter::new(private(to).map_err(write)?), 0);
        loop {
            let part = playable.read(at, usize::MAX)?;
            if part.is_empty() {
                into.flush().map_err(write)?;
                return Ok(playable.media_type());
            }
            into.write_all(&part).map_err(write)?;
            at += part.len() as u64;
        }
    }

    /// Proves a recording, or all that have a file: the digest in the store is that of the file, and every record opens.
    pub fn verify(&mut self, name: Option<&str>) -> Result<Vec<Checked>, CommandFault> {
        let rows = match name {
            Some(name) => vec![self.row(name)?],
            None => self.shelf.book().list(&RecordingFilter::default())?,
        };
        let has_file = |row: &RecordingRow| {
            matches!(
                row.state,
                RecordingState::Closed | RecordingState::Converted
            )
        };
        let check = |row: RecordingRow| {
            let fault = match row.state {
                RecordingState::Closed | RecordingState::Converted => {
                    self.check(&row).err().map(|fault| fault.to_string())
                }
                other => Some(format!("is {}", other.word())),
            };
            Checked { id: row.id, fault }
        };
        Ok(rows
            .into_iter()
            .filter(|row| name.is_some() || has_file(row) || row.state == RecordingState::Broken)
            .map(check)
            .collect())
    }

    fn check(&self, row: &RecordingRow) -> Result<(), CommandFault> {
        let path = self.shelf.path(row);
        let (sha256, octets) = file::sha256(&path)?;
        if row.sha256 != Some(sha256) || row.octets != octets {
            return Err(CommandFault::State("not what the store's digest says"));
        }
        let mut playable = self.shelf.play(row)?;
        let mut at = 0;
        loop {
            match playable.read(at, usize::MAX)?.len() {
                0 => return Ok(()),
                read => at += read as u64,
            }
        }
    }

    /// Destroys one before its time: its key first, then its file. Its row and the audit stay.
    pub fn erase(&mut self, name: &str) -> Result<(), CommandFault> {
        let row = self.row(name)?;
        if row.state == RecordingState::Live {
            return Err(CommandFault::State("under way"));
        }
        let at = self.access.now()?;
        erase(&self.shelf, &mut self.access, &row, CONSOLE, at)
    }
}

/// A new file that only its owner reads: it holds a conversation.
fn private(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// The last entries of the audit as lines, oldest first.
pub fn audit_lines(entries: &[AuditEntry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let at = jiff::Timestamp::from_millisecond(entry.at.0).unwrap_or_default();
        let _ = writeln!(
            text,
            "{at:.3}  {:<7}  {:<20}  {:<18}  {}{}{}",
            if entry.allowed { "allowed" } else { "DENIED" },
            entry.actor,
            entry.act,
            entry.target,
            if entry.detail.is_empty() { "" } else { "  " },
            entry.detail
        );
    }
    text
}

/// Adds or revokes a token, and puts it into the audit.
pub fn audited_token(
    book: &mut AccessBook,
    act: &str,
    name: &str,
    detail: String,
) -> Result<(), StoreError> {
    let at: UnixMs = book.now()?;
    book.audit(&[AuditEntry {
        at,
        actor: CONSOLE.to_owned(),
        act: act.to_owned(),
        target: format!("token {name}"),
        allowed: true,
        detail,
    }])
}
