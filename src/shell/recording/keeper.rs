//! The threads behind the recordings: what the store knows of them, what a crash left, conversion, retention.
//!
//! - `recordings` notes beginnings and ends in the store; closes files of an earlier run; erases what has been kept long enough.
//! - `rec-convert` makes Ogg Opus of closed ones, the oldest first, at the lowest priority; its backlog is a metric.
//!
//! Erasing destroys the key in the file first, on the disk, then removes the file, then notes it: cut off anywhere, it is done again.

use super::Closed;
use super::audio::{AudioFault, ogg_opus};
use super::file::{self, FINISHED_ENDING, FileFault, FileWriter, LIVE_ENDING, Reader, relative};
use super::live::{About, Live, RecordingId};
use super::recorder::{RecorderFault, Rules};
use super::shelf::Shelf;
use super::stats::RecordingStats;
use crate::config::RecordingFormat;
use crate::ids::AttemptId;
use crate::shell::lanes::Clock;
use crate::shell::store::StoreError;
use crate::shell::store::sqlite::{AccessBook, AuditEntry, RecordingRow, RecordingState};
use crate::time::{Mono, UnixMs};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use dashmap::DashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// Time between two looks at what is to be erased.
const ERASE_EVERY: Duration = Duration::from_secs(600);
/// Time between two tries of what the disk or the store did not take.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// Time between two looks at what is to be converted, where nothing was.
const LOOK: Duration = Duration::from_secs(2);
/// The lowest priority of a thread (setpriority(2)): conversion takes what nobody else wants.
const NICE: i32 = 19;
/// A day.
const DAY_MS: i64 = 86_400_000;

/// What the writer tells.
#[derive(Debug)]
pub(super) enum Note {
    /// A file was made.
    Begun(RecordingId, Box<About>),
    /// A file was closed, or could not be made.
    Closed(Box<Closed>),
}

/// What the keeper is made of.
pub(super) struct KeeperParts {
    pub(super) shelf: Arc<Shelf>,
    pub(super) store: PathBuf,
    pub(super) rules: Rules,
    pub(super) live: Arc<DashMap<AttemptId, Arc<Live>>>,
    pub(super) stats: Arc<RecordingStats>,
    pub(super) notes: Receiver<Note>,
    pub(super) clock: Clock,
    pub(super) format: RecordingFormat,
    pub(super) stop: Receiver<()>,
}

/// Why one step failed.
#[derive(Debug, thiserror::Error)]
enum StepFault {
    #[error(transparent)]
    File(#[from] FileFault),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Audio(#[from] AudioFault),
}

/// The keeper's own.
pub(super) struct Keeper {
    parts: KeeperParts,
    access: AccessBook,
    /// Notes that the store did not take; first in, first out. No more than recordings are under way: the rest is found by its file.
    owed: Vec<RecordingRow>,
    /// Begun before this: of an earlier run.
    started: SystemTime,
}

impl Keeper {
    /// Starts both threads.
    pub(super) fn start(parts: KeeperParts) -> Result<Vec<JoinHandle<()>>, RecorderFault> {
        let io = |source| RecorderFault::Io {
            directory: parts.shelf.directory().to_owned(),
            source,
        };
        let mut threads = Vec::new();
        if parts.format == RecordingFormat::Opus {
            let converter = Converter {
                shelf: Arc::new(Shelf::open(
                    &parts.store,
                    parts.shelf.directory().to_owned(),
                    parts.shelf.shared_keys(),
                )?),
                stats: Arc::clone(&parts.stats),
                clock: parts.clock,
                stop: parts.stop.clone(),
            };
            let thread = std::thread::Builder::new()
                .name("rec-convert".to_owned())
                .spawn(move || converter.run())
                .map_err(io)?;
            threads.push(thread);
        }
        let keeper = Keeper {
            access: AccessBook::open(&parts.store)?,
            parts,
            owed: Vec::new(),
            started: SystemTime::now(),
        };
        let directory = keeper.parts.shelf.directory().to_owned();
        let thread = std::thread::Builder::new()
            .name("recordings".to_owned())
            .spawn(move || keeper.run())
            .map_err(|source| RecorderFault::Io { directory, source })?;
        threads.push(thread);
        Ok(threads)
    }

    fn run(mut self) {
        self.close_left_behind();
        self.erase_what_is_due();
        let now = self.parts.clock.mono();
        let (mut erased, mut tried): (Mono, Mono) = (now, now);
        loop {
            let note = self.parts.notes.recv_timeout(Duration::from_secs(1));
            match note {
                Ok(note) => self.take(note),
                Err(RecvTimeoutError::Timeout) => {}
                // The writer and the recorder are gone, and everything they said is noted.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if !matches!(
                self.parts.stop.try_recv(),
                Err(crossbeam::channel::TryRecvError::Empty)
            ) && self.parts.notes.is_empty()
            {
                break;
            }
            let now = self.parts.clock.mono();
            if !self.owed.is_empty() && now.since(tried) >= TRY_AGAIN {
                tried = now;
                let owed = std::mem::take(&mut self.owed);
                owed.into_iter().for_each(|row| self.put(row));
            }
            if now.since(erased) >= ERASE_EVERY {
                erased = now;
                self.erase_what_is_due();
                self.close_left_behind();
            }
        }
        for row in std::mem::take(&mut self.owed) {
            self.put(row);
        }
    }

    fn now(&self) -> UnixMs {
        self.parts.clock.now().unix
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Begun(id, about) => {
                let mut row = row_of(id, &about);
                row.key_id = Some(self.parts.shelf.keys().current().to_string());
                self.put(row);
            }
            Note::Closed(closed) => {
                let mut row = row_of(closed.id, &closed.about);
                row.key_id = closed.key_id.map(|id| id.to_string());
                match (&closed.fault, closed.sha256) {
                    (Some(fault), _) => {
                        self.parts.stats.broken.fetch_add(1, Relaxed);
                        row.state = RecordingState::Broken;
                        row.note = Some(fault.clone());
                    }
                    (None, Some(sha256)) => {
                        end_of(&mut row, &closed.end);
                        (row.sha256, row.octets) = (Some(sha256), closed.octets);
                    }
                    // The disk did not take its end: closed with what a crash leaves.
                    (None, None) => {}
                }
                self.put(row);
            }
        }
    }

    fn put(&mut self, row: RecordingRow) {
        let put = self.parts.shelf.book().put(&row, self.now());
        if let Err(error) = put {
            tracing::error!(recording = %row.id, %error, "The store does not take what became of a recording; it is tried again.");
            if self.owed.len() < 4_096 {
                self.owed.push(row);
            }
        }
    }

    /// Files that no recording under way writes to: what the last run was writing when it ended, and what a full disk left open.
    fn close_left_behind(&mut self) {
        let rows = match self.parts.shelf.book().live() {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "Recordings that were left open cannot be looked for.");
                return;
            }
        };
        let in_hand = |id: &str| {
            let mut live = self.parts.live.iter();
            live.any(|live| live.id.to_string() == id)
        };
        let mut left: Vec<(PathBuf, Option<RecordingRow>)> = rows
            .into_iter()
            .filter(|row| !in_hand(&row.id))
            .map(|row| (self.parts.shelf.path(&row), Some(row)))
            .collect();
        // A crash may have come before the store knew of a file: looked for among those of the last days.
        for path in recent_files(self.parts.shelf.directory(), self.now(), self.started) {
            if left.iter().all(|(known, _)| *known != path) {
                left.push((path, None));
            }
        }
        let mut closed = 0;
        for (path, row) in left {
            match self.settle(&path, row) {
                Ok(true) => closed += 1,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "A recording that was cut off could not be closed.");
                }
            }
        }
        if closed > 0 {
            tracing::warn!(
                closed,
                "Recordings that were cut off are closed; each reads to its last whole second."
            );
        }
    }

    /// One file that nobody writes to any more. Whether it was closed by this.
    fn settle(&mut self, path: &Path, row: Option<RecordingRow>) -> Result<bool, StepFault> {
        let now = self.now();
        let id = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.parse::<RecordingId>().ok());
        let row = match (row, id) {
            (Some(row), _) => Some(row),
            (None, Some(id)) => self.parts.shelf.book().find(id)?,
            (None, None) => return Ok(false),
        };
        match row.as_ref().map(|row| row.state) {
            None | Some(RecordingState::Live) => {}
            // Its conversion was cut off between the store's word and the removal.
            Some(RecordingState::Converted | RecordingState::Erased) => {
                file::destroy(path)?;
                return Ok(false);
            }
            Some(RecordingState::Closed | RecordingState::Broken) => return Ok(false),
        }
        let opened = Reader::open(path, self.parts.shelf.keys());
        let reader = match (opened, row) {
            (Ok(reader), _) => reader,
            // Nothing was heard yet, or the file is not there at all: nothing is lost but the name.
            (Err(error), Some(row)) if !matches!(error, FileFault::Io { .. }) || !path.exists() => {
                self.parts.stats.broken.fetch_add(1, Relaxed);
                self.parts
                    .shelf
                    .book()
                    .broken(&row.id, &error.to_string(), now)?;
                return Ok(false);
            }
            (Err(error), _) => return Err(error.into()),
        };
        let (id, about) = (reader.id(), reader.about().clone());
        let key_id = reader.site_key().to_string();
        if reader.end().is_none() {
            reader.close(self.parts.shelf.keys())?;
        }
        let reader = Reader::open(path, self.parts.shelf.keys())?;
        let mut row = row_of(id, &about);
        row.key_id = Some(key_id);
        if let Some(end) = reader.end() {
            end_of(&mut row, end);
            if end.ended == super::Ended::Crash {
                row.note = Some("cut off: reads to its last whole second".to_owned());
            }
        }
        let (sha256, octets) = file::sha256(path)?;
        (row.sha256, row.octets) = (Some(sha256), octets);
        self.parts.shelf.book().put(&row, now)?;
        Ok(true)
    }

    /// Erases what was kept long enough, by what its campaign says now; of campaigns that are gone, by what it said then.
    fn erase_what_is_due(&mut self) {
        let (rules, now) = (self.parts.rules.load_full(), self.now());
        let configured: Vec<String> = rules.iter().map(|(name, _)| name.clone()).collect();
        let mut due = Vec::new();
        let mut gather = |found: Result<Vec<RecordingRow>, StoreError>| match found {
            Ok(rows) => due.extend(rows),
            Err(error) => tracing::error!(%error, "Recordings to erase cannot be looked for."),
        };
        {
            let book = self.parts.shelf.book();
            for (name, rule) in rules.iter() {
                let before = now.0 - i64::from(rule.retention_days) * DAY_MS;
                gather(book.due(name, UnixMs(before)));
            }
            gather(book.due_of_others(&configured, now));
        }
        for row in due {
            match erase(&self.parts.shelf, &mut self.access, &row, "retention", now) {
                Ok(()) => {
                    self.parts.stats.erased.fetch_add(1, Relaxed);
                }
                Err(error) => {
                    tracing::error!(recording = %row.id, %error, "A recording whose time is over could not be erased.");
                }
            }
        }
    }
}

/// Destroys a recording: key, file, and the word of it in the audit.
pub(super) fn erase(
    shelf: &Shelf,
    access: &mut AccessBook,
    row: &RecordingRow,
    actor: &str,
    at: UnixMs,
) -> Result<(), super::commands::CommandFault> {
    for ending in [LIVE_ENDING, FINISHED_ENDING] {
        if let Ok(id) = row.id.parse::<RecordingId>() {
            file::destroy(&shelf.directory().join(relative(id, row.began.0, ending)))?;
        }
    }
    access.audit(&[AuditEntry {
        at,
        actor: actor.to_owned(),
        act: "recording.erase".to_owned(),
        target: format!("recording {}", row.id),
        allowed: true,
        detail: format!("attempt {}", row.attempt),
    }])?;
    shelf.book().erased(&row.id, at)?;
    Ok(())
}

fn row_of(id: RecordingId, about: &About) -> RecordingRow {
    RecordingRow {
        id: id.to_string(),
        attempt: about.attempt,
        agent: about.agent,
        campaign: about.campaign.clone(),
        lead: about.lead,
        began: UnixMs(about.began_unix_ms),
        keep_days: about.keep_days,
        state: RecordingState::Live,
        file: relative(id, about.began_unix_ms, LIVE_ENDING),
        duration_ms: None,
        announced: false,
        chunks: 0,
        dropped: 0,
        paused: "[]".to_owned(),
        key_id: None,
        sha256: None,
        octets: 0,
        note: None,
    }
}

fn end_of(row: &mut RecordingRow, end: &super::End) {
    row.state = RecordingState::Closed;
    row.duration_ms = Some(end.duration_ms);
    row.announced = end.announced;
    (row.chunks, row.dropped) = (end.chunks, end.dropped);
    row.paused = serde_json::to_string(&end.paused).unwrap_or_else(|_| "[]".to_owned());
}

/// Live files of the last week that were last written to before `started`.
fn recent_files(directory: &Path, now: UnixMs, started: SystemTime) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for days in 0..8 {
        let day = relative(RecordingId([0; 16]), now.0 - days * DAY_MS, LIVE_ENDING);
        let Some(folder) = directory.join(day).parent().map(Path::to_owned) else {
            continue;
        };
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_old = || entry.metadata()?.modified().map(|at| at < started);
            let is_live = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_suffix(&format!(".{LIVE_ENDING}")))
                .is_some_and(|id| id.parse::<RecordingId>().is_ok());
            if is_live && is_old().unwrap_or(false) {
                found.push(path);
            }
        }
    }
    found
}

/// Makes Ogg Opus.
struct Converter {
    shelf: Arc<Shelf>,
    stats: Arc<RecordingStats>,
    clock: Clock,
    stop: Receiver<()>,
}

impl Converter {
    fn run(self) {
        // Of this thread only (Linux counts priorities by thread). Refused: it then runs as everybody does.
        let _ = rustix::process::setpriority_process(None, NICE);
        loop {
            let rest = match self.next() {
                Ok(true) => Duration::ZERO,
                Ok(false) => LOOK,
                Err(error) => {
                    tracing::error!(%error, "Recordings are not converted now; it is tried again.");
                    TRY_AGAIN
                }
            };
            match self.stop.recv_timeout(rest) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Converts one. Whether there was one.
    fn next(&self) -> Result<bool, StepFault> {
        let (next, waiting) = self.shelf.book().next_to_convert()?;
        self.stats.backlog.store(waiting, Relaxed);
        let Some(row) = next else { return Ok(false) };
        match self.convert(&row) {
            Ok(()) => {
                self.stats.converted.fetch_add(1, Relaxed);
                self.stats.backlog.store(waiting.saturating_sub(1), Relaxed);
                Ok(true)
            }
            // The disk may come back; a file that is not what was written does not.
            Err(StepFault::File(
                error @ (FileFault::Altered { .. } | FileFault::Foreign { .. }),
            ))
            | Err(StepFault::Audio(AudioFault::File(error @ FileFault::Altered { .. }))) => {
                self.stats.broken.fetch_add(1, Relaxed);
                tracing::error!(recording = %row.id, %error, "A recording is broken.");
                let now = self.clock.now().unix;
                self.shelf.book().broken(&row.id, &error.to_string(), now)?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn convert(&self, row: &RecordingRow) -> Result<(), StepFault> {
        let path = self.shelf.path(row);
        let mut reader = Reader::open(&path, self.shelf.keys())?;
        let audio = ogg_opus(&mut reader)?;
        let (id, began) = (reader.id(), reader.about().began_unix_ms);
        let key = reader.key(self.shelf.keys())?;
        let file = relative(id, began, FINISHED_ENDING);
        let (sha256, octets) = FileWriter::finished(
            &self.shelf.directory().join(&file),
            self.shelf.keys(),
            &key,
            id,
            began,
            &audio,
        )?;
        let now = self.clock.now().unix;
        let key_id = self.shelf.keys().current().to_string();
        let is_noted = self
            .shelf
            .book()
            .converted(&row.id, &file, sha256, octets, &key_id, now)?;
        // Erased meanwhile: then the new file must go too.
        let useless = if is_noted {
            path
        } else {
            self.shelf.directory().join(&file)
        };
        file::destroy(&useless)?;
        Ok(())
    }
}
