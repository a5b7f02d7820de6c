//! Finds a recording by its id and opens it, whatever state it is in. Asks the store where it is; guesses no path.

use super::audio::{wav_length, wav_part};
use super::file::{FileFault, FinishedReader, Reader};
use super::keys::SiteKeys;
use super::live::RecordingId;
use crate::shell::store::StoreError;
use crate::shell::store::sqlite::{RecordingBook, RecordingRow, RecordingState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why a recording cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ShelfFault {
    /// There is none of this id.
    #[error("there is no recording of this name")]
    Unknown,
    /// It is not whole yet, or no more.
    #[error("the recording is {0}")]
    NotThere(&'static str),
    /// Its file.
    #[error(transparent)]
    File(#[from] FileFault),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All recordings of a site.
pub struct Shelf {
    book: Mutex<RecordingBook>,
    directory: PathBuf,
    keys: Arc<SiteKeys>,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shelf({})", self.directory.display())
    }
}

/// A recording as a stream of octets, any part of which can be read.
#[derive(Debug)]
pub enum Playable {
    /// WAV, made while it is read.
    Wav(Box<Reader>),
    /// Ogg Opus.
    Ogg(Box<FinishedReader>),
}

impl Playable {
    /// Its media type (RFC 7845 s.9 for Ogg Opus).
    pub fn media_type(&self) -> &'static str {
        match self {
            Playable::Wav(_) => "audio/wav",
            Playable::Ogg(_) => "audio/ogg",
        }
    }

    /// Octets in all.
    pub fn length(&self) -> u64 {
        match self {
            Playable::Wav(reader) => wav_length(reader),
            Playable::Ogg(reader) => reader.length(),
        }
    }

    /// Octets from `from` on, at most `most` and as many as one block or second holds; empty at the end.
    pub fn read(&mut self, from: u64, most: usize) -> Result<Vec<u8>, FileFault> {
        match self {
            Playable::Wav(reader) => wav_part(reader, from, most),
            Playable::Ogg(reader) => reader.read(from, most),
        }
    }
}

impl Shelf {
    /// The recordings under `directory`, as the store knows them.
    pub fn open(
        store: &Path,
        directory: PathBuf,
        keys: Arc<SiteKeys>,
    ) -> Result<Shelf, StoreError> {
        Ok(Shelf {
            book: Mutex::new(RecordingBook::open(store)?),
            directory,
            keys,
        })
    }

    /// The store's book of recordings. Held for one statement.
    pub fn book(&self) -> MutexGuard<'_, RecordingBook> {
        // No transaction outlives a call: a reader that panicked left the connection usable.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The site's keys.
    pub fn keys(&self) -> &SiteKeys {
        &self.keys
    }

    /// The same, for another thread.
    pub(super) fn shared_keys(&self) -> Arc<SiteKeys> {
        Arc::clone(&self.keys)
    }

    /// What the store knows of one.
    pub fn row(&self, id: RecordingId) -> Result<RecordingRow, ShelfFault> {
        self.book().find(id)?.ok_or(ShelfFault::Unknown)
    }

    /// The file of a recording. The path is ours: made of its day and its id when it began.
    pub fn path(&self, row: &RecordingRow) -> PathBuf {
        self.directory.join(&row.file)
    }

    /// Opens one to be played.
    pub fn play(&self, row: &RecordingRow) -> Result<Playable, ShelfFault> {
        let path = self.path(row);
        match row.state {
            RecordingState::Live => Err(ShelfFault::NotThere("still under way")),
            RecordingState::Broken => Err(ShelfFault::NotThere("broken")),
            RecordingState::Erased => Err(ShelfFault::NotThere("erased")),
            RecordingState::Closed => Ok(Playable::Wav(Box::new(Reader::open(&path, &self.keys)?))),
            RecordingState::Converted => Ok(Playable::Ogg(Box::new(FinishedReader::open(
                &path, &self.keys,
            )?))),
        }
    }
}
