//! The file of a recording: its form on the disk, how it is written and read. Owns every octet of it.
//!
//! ```text
//! header, 128 octets, all numbers big-endian
//!   0 "TNDMREC\0"   8 version u16 = 1   10 kind u16 (1 live, 2 finished)   12 id, 16 octets   28 began, Unix ms i64
//!   36 the site's key id, 8 octets   44 salt, 4 octets   48 length u64 (finished)   56 media type u32 (finished: 1 Ogg)   60 zeros, 4
//!   64 nonce of the wrapped key, 12 octets   76 wrapped key, 48 octets   124 zeros, 4
//! records, one behind the other
//!   length u32 of the sealed octets   kind u8   number u64   sealed octets (text and tag of 16)
//! ```
//! A record is sealed by AES-256-GCM under the recording's key. Nonce: kind and number, which never come twice; a finished file, made
//! anew after a crash, has a new salt in it. Bound to it: id, kind, number; so no record can be moved within a file or into another.
//! The wrapped key is bound to octets 0 to 63.
//!
//! Live files: record 0 says what it is of (`About`), then a chunk for each second in which somebody was heard (its number is that
//! second), at last the end ([`End`]). A file without an end was cut off and reads to its last whole record.
//! Finished files: Ogg Opus in blocks of 65,536 octets, so that a part can be read without the rest.
//!
//! SHA-256 in the store is of the whole file as it lies on the disk, header and sealed records, from the first octet to the last:
//! `sha256sum` proves it without any key.

use super::chunk::{self, ENCODED, SECOND, Second};
use super::keys::{DataKey, KeyFault, KeyId, Sealer, SiteKeys, TAG_BYTES, WRAPPED_BYTES, random};
use super::live::{About, End, RecordingId};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"TNDMREC\0";
const VERSION: u16 = 1;
const HEADER: usize = 128;
/// What the wrapped key is bound to.
const BOUND: usize = 64;
const RECORD_HEAD: usize = 4 + 1 + 8;
/// Plain octets of a block of a finished file.
pub(super) const BLOCK: usize = 65_536;
/// No record of ours is longer than a block.
const SEALED_MAX: usize = BLOCK + TAG_BYTES;

/// Ending of a live or closed recording.
pub(super) const LIVE_ENDING: &str = "rec";
/// Ending of a finished one.
pub(super) const FINISHED_ENDING: &str = "opus.rec";

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Live = 1,
    Finished = 2,
}

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    About = 0,
    Chunk = 1,
    End = 2,
    Block = 3,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The disk.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not one of ours, or of a newer program.
    #[error("{path} is no recording that this program reads ({what})", path = path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What is odd.
        what: &'static str,
    },
    /// Its key.
    #[error("{path}: {source}", path = path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: KeyFault,
    },
    /// A record was changed, moved, or damaged.
    #[error("{path}: the record at octet {offset} is not what was written", path = path.display())]
    Altered {
        /// Which file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> FileFault {
    move |source| FileFault::Io {
        path: path.to_owned(),
        source,
    }
}

/// The head of a file.
#[derive(Clone, Debug)]
struct Header([u8; HEADER]);

impl Header {
    fn new(
        kind: FileKind,
        id: RecordingId,
        began_unix_ms: i64,
        site: KeyId,
        length: u64,
    ) -> Result<Header, KeyFault> {
        let mut octets = [0; HEADER];
        octets[..8].copy_from_slice(MAGIC);
        octets[8..10].copy_from_slice(&VERSION.to_be_bytes());
        octets[10..12].copy_from_slice(&(kind as u16).to_be_bytes());
        octets[12..28].copy_from_slice(&id.0);
        octets[28..36].copy_from_slice(&began_unix_ms.to_be_bytes());
        octets[36..44].copy_from_slice(&site.0);
        if kind == FileKind::Finished {
            random(&mut octets[44..48])?;
            octets[48..56].copy_from_slice(&length.to_be_bytes());
            octets[56..60].copy_from_slice(&1u32.to_be_bytes());
        }
        Ok(Header(octets))
    }

    fn wrap(&mut self, keys: &SiteKeys, key: &DataKey) -> Result<(), KeyFault> {
        let (nonce, wrapped) = keys.wrap(key, &self.0[..BOUND])?;
        self.0[64..76].copy_from_slice(&nonce);
        self.0[76..76 + WRAPPED_BYTES].copy_from_slice(&wrapped);
        Ok(())
    }

    fn array<const N: usize>(&self, from: usize) -> [u8; N] {
        let mut octets = [0; N];
        octets.copy_from_slice(&self.0[from..from + N]);
        octets
    }

    fn check(&self, kind: FileKind) -> Result<(), &'static str> {
        if self.0[..8] != *MAGIC {
            return Err("it does not begin like one");
        }
        if u16::from_be_bytes(self.array(8)) != VERSION {
            return Err("it has another version");
        }
        if u16::from_be_bytes(self.array(10)) != kind as u16 {
            return Err("it is of the other kind");
        }
        Ok(())
    }

    fn id(&self) -> RecordingId {
        RecordingId(self.array(12))
    }

    fn site(&self) -> KeyId {
        KeyId(self.array(36))
    }

    fn salt(&self) -> [u8; 4] {
        self.array(44)
    }

    fn length(&self) -> u64 {
        u64::from_be_bytes(self.array(48))
    }

    fn unwrap(&self, keys: &SiteKeys) -> Result<DataKey, KeyFault> {
        keys.unwrap(
            self.site(),
            self.array(64),
            &self.0[76..76 + WRAPPED_BYTES],
            &self.0[..BOUND],
        )
    }

    fn nonce(&self, kind: Kind, number: u64) -> [u8; 12] {
        let mut nonce = [0; 12];
        // The salt of a live file is zero; its first octet makes way for the kind.
        nonce[..4].copy_from_slice(&self.salt());
        nonce[0] = kind as u8;
        nonce[4..].copy_from_slice(&number.to_be_bytes());
        nonce
    }

    fn bound_to(&self, kind: Kind, number: u64) -> [u8; 25] {
        let mut bound = [0; 25];
        bound[..16].copy_from_slice(&self.0[12..28]);
        bound[16] = kind as u8;
        bound[17..].copy_from_slice(&number.to_be_bytes());
        bound
    }
}

/// Where a recording's file lies under the directory of recordings, by the day on which it began (UTC).
pub(super) fn relative(id: RecordingId, began_unix_ms: i64, ending: &str) -> String {
    let day = jiff::Timestamp::from_millisecond(began_unix_ms)
        .unwrap_or_default()
        .to_zoned(jiff::tz::TimeZone::UTC);
    format!(
        "{:04}/{:02}/{:02}/{id}.{ending}",
        day.year(),
        day.month(),
        day.day()
    )
}

fn create(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// A file that is being written: every record goes to the kernel in one write, whole.
pub(super) struct FileWriter {
    file: File,
    path: PathBuf,
    header: Header,
    sealer: Sealer,
    digest: Sha256,
    length: u64,
    chunks: u32,
    text: Vec<u8>,
    record: Vec<u8>,
}

impl FileWriter {
    /// A new live file.
    pub(super) fn live(
        directory: &Path,
        keys: &SiteKeys,
        key: &DataKey,
        id: RecordingId,
        about: &About,
    ) -> Result<FileWriter, FileFault> {
        let began = about.began_unix_ms;
        let path = directory.join(relative(id, began, LIVE_ENDING));
        let sealed = |source| FileFault::Key {
            path: path.clone(),
            source,
        };
        let mut header =
            Header::new(FileKind::Live, id, began, keys.current(), 0).map_err(sealed)?;
        header.wrap(keys, key).map_err(sealed)?;
        let file = create(&path).map_err(io(&path))?;
        let mut writer = FileWriter::begin(file, path.clone(), header, key);
        let text = serde_json::to_vec(about).map_err(|e| io(&path)(e.into()))?;
        writer
            .head()
            .and_then(|()| writer.append(Kind::About, 0, |into| into.extend(&text)))
            .map_err(io(&path))?;
        Ok(writer)
    }

    /// A new finished file of `audio`, whole and on the disk. Its digest and its length.
    pub(super) fn finished(
        path: &Path,
        keys: &SiteKeys,
        key: &DataKey,
        id: RecordingId,
        began_unix_ms: i64,
        audio: &[u8],
    ) -> Result<([u8; 32], u64), FileFault> {
        let sealed = |source| FileFault::Key {
            path: path.to_owned(),
            source,
        };
        let length = audio.len() as u64;
        let kind = FileKind::Finished;
        let mut header =
            Header::new(kind, id, began_unix_ms, keys.current(), length).map_err(sealed)?;
        header.wrap(keys, key).map_err(sealed)?;
        let aside = path.with_extension("new");
        let _ = std::fs::remove_file(&aside);
        let file = create(&aside).map_err(io(&aside))?;
        let mut writer = FileWriter::begin(file, aside.clone(), header, key);
        let mut write = || {
            writer.head()?;
            for (number, block) in audio.chunks(BLOCK).enumerate() {
                writer.append(Kind::Block, number as u64, |into| into.extend(block))?;
            }
            writer.file.sync_all()?;
            std::fs::rename(&aside, path)?;
            super::keys::sync_folder(path)
        };
        write().map_err(io(path))?;
        Ok((writer.sha256(), writer.length))
    }

    fn begin(file: File, path: PathBuf, header: Header, key: &DataKey) -> FileWriter {
        FileWriter {
            file,
            path,
            header,
            sealer: key.sealer(),
            digest: Sha256::new(),
            length: 0,
            chunks: 0,
            text: Vec::with_capacity(ENCODED + TAG_BYTES),
            record: Vec::with_capacity(RECORD_HEAD + ENCODED + TAG_BYTES),
        }
    }

    fn head(&mut self) -> std::io::Result<()> {
        self.record.clear();
        self.record.extend_from_slice(&self.header.0);
        self.put()
    }

    fn append(
        &mut self,
        kind: Kind,
        number: u64,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> std::io::Result<()> {
        self.text.clear();
        fill(&mut self.text);
        let bound_to = self.header.bound_to(kind, number);
        self.sealer
            .seal(self.header.nonce(kind, number), &bound_to, &mut self.text);
        self.record.clear();
        self.record.extend((self.text.len() as u32).to_be_bytes());
        self.record.push(kind as u8);
        self.record.extend(number.to_be_bytes());
        self.record.extend_from_slice(&self.text);
        self.put()
    }

    /// Writes the record; what was written of one that failed is taken back, so that the next stands where it should.
    fn put(&mut self) -> std::io::Result<()> {
        if let Err(error) = self.file.write_all(&self.record) {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            return Err(error);
        }
        self.digest.update(&self.record);
        self.length += self.record.len() as u64;
        Ok(())
    }

    /// One second.
    pub(super) fn chunk(&mut self, chunk: &chunk::Chunk) -> std::io::Result<()> {
        let number = u64::from(chunk.index);
        self.append(Kind::Chunk, number, |into| chunk.encode(into))?;
        self.chunks += 1;
        Ok(())
    }

    /// The last record; the file is on the disk afterwards.
    pub(super) fn end(&mut self, end: &End) -> std::io::Result<()> {
        let text = serde_json::to_vec(end)?;
        // Drawn: an end that a crash tore off is written anew, and a nonce never comes twice.
        let mut number = [0; 8];
        random(&mut number).map_err(std::io::Error::other)?;
        self.append(Kind::End, u64::from_be_bytes(number), |into| {
            into.extend(&text);
        })?;
        self.file.sync_all()?;
        super::keys::sync_folder(&self.path)
    }

    /// Brings what was written to the disk.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }

    pub(super) fn chunks(&self) -> u32 {
        self.chunks
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Of all octets of the file so far.
    pub(super) fn sha256(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Where a record's sealed octets are.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    offset: u64,
    length: usize,
}

/// A live or closed recording that is read.
pub struct Reader {
    file: File,
    path: PathBuf,
    header: Header,
    sealer: Sealer,
    about: About,
    chunks: Vec<Place>,
    end: Option<End>,
    /// Octets up to the end of the last whole record.
    whole: u64,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({})", self.path.display())
    }
}

fn open(path: &Path, kind: FileKind) -> Result<(File, Header), FileFault> {
    let mut file = File::open(path).map_err(io(path))?;
    let mut header = Header([0; HEADER]);
    let foreign = |what| FileFault::Foreign {
        path: path.to_owned(),
        what,
    };
    file.read_exact(&mut header.0).map_err(|error| {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            foreign("it ends within its header")
        } else {
            io(path)(error)
        }
    })?;
    header.check(kind).map_err(foreign)?;
    Ok((file, header))
}

fn unwrapped(path: &Path, header: &Header, keys: &SiteKeys) -> Result<Sealer, FileFault> {
    let key = header.unwrap(keys).map_err(|source| FileFault::Key {
        path: path.to_owned(),
        source,
    })?;
    Ok(key.sealer())
}

/// The records of a file, whole ones only: kind and place of each, and where the last one ends.
fn scan(file: &mut File, path: &Path) -> Result<(Vec<(u8, Place)>, u64), FileFault> {
    let length = file.metadata().map_err(io(path))?.len();
    let (mut at, mut found) = (HEADER as u64, Vec::new());
    while at + RECORD_HEAD as u64 <= length {
        let mut head = [0; RECORD_HEAD];
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(&mut head))
            .map_err(io(path))?;
        let mut number = [0; 8];
        number.copy_from_slice(&head[5..]);
        let sealed = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let place = Place {
            number: u64::from_be_bytes(number),
            offset: at + RECORD_HEAD as u64,
            length: sealed,
        };
        let until = place.offset + sealed as u64;
        if sealed > SEALED_MAX || until > length {
            break;
        }
        found.push((head[4], place));
        at = until;
    }
    Ok((found, at))
}

fn unsealed(
    file: &mut File,
    path: &Path,
    header: &Header,
    sealer: &Sealer,
    kind: Kind,
    place: Place,
) -> Result<Vec<u8>, FileFault> {
    let mut text = vec![0; place.length];
    file.seek(SeekFrom::Start(place.offset))
        .and_then(|_| file.read_exact(&mut text))
        .map_err(io(path))?;
    let bound_to = header.bound_to(kind, place.number);
    sealer
        .open(header.nonce(kind, place.number), &bound_to, &mut text)
        .map_err(|_| FileFault::Altered {
            path: path.to_owned(),
            offset: place.offset,
        })?;
    Ok(text)
}

impl Reader {
    /// Opens a file. Reads and opens what it is of and its end; chunks when they are asked for.
    pub fn open(path: &Path, keys: &SiteKeys) -> Result<Reader, FileFault> {
        let (mut file, header) = open(path, FileKind::Live)?;
        let sealer = unwrapped(path, &header, keys)?;
        let (records, mut whole) = scan(&mut file, path)?;
        let foreign = |what| FileFault::Foreign {
            path: path.to_owned(),
            what,
        };
        let (mut about, mut end, mut chunks) = (None, None, Vec::new());
        for (kind, place) in records {
            let mut text = |kind| unsealed(&mut file, path, &header, &sealer, kind, place);
            if end.is_some() {
                return Err(foreign("something stands behind its end"));
            }
            match kind {
                0 if about.is_none() => {
                    let text = text(Kind::About)?;
                    let read = serde_json::from_slice::<About>(&text);
                    about = Some(read.map_err(|_| foreign("it does not say what it is of"))?);
                }
                1 => chunks.push(place),
                2 => {
                    let text = text(Kind::End)?;
                    let read = serde_json::from_slice::<End>(&text);
                    end = Some(read.map_err(|_| foreign("its end cannot be read"))?);
                }
                _ => {
                    // Not a record: the write was torn within a head. What is before it counts.
                    whole = place.offset - RECORD_HEAD as u64;
                    break;
                }
            }
        }
        let about = about.ok_or_else(|| foreign("it ends before it says what it is of"))?;
        if chunks.is_sorted_by(|one, next| one.number < next.number) {
            Ok(Reader {
                file,
                path: path.to_owned(),
                header,
                sealer,
                about,
                chunks,
                end,
                whole,
            })
        } else {
            Err(foreign("its seconds are out of order"))
        }
    }

    /// Its id.
    pub fn id(&self) -> RecordingId {
        self.header.id()
    }

    /// The site's key that its own is wrapped with.
    pub fn site_key(&self) -> KeyId {
        self.header.site()
    }

    /// What it is of.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Its end; `None`: it was cut off, or still grows.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Chunks in it.
    pub fn chunks(&self) -> u32 {
        self.chunks.len() as u32
    }

    /// Its length in samples of one channel: by its end, or by its last whole chunk.
    pub fn samples(&self) -> u64 {
        let last = self.chunks.last().map_or(0, |last| last.number + 1);
        match &self.end {
            Some(end) => end.duration_ms * 8,
            None => last * SECOND as u64,
        }
    }

    /// One second of it; zeros where nobody was heard, or the chunk was lost.
    pub fn second(&mut self, number: u64, into: &mut Second) -> Result<(), FileFault> {
        into.fill(0);
        let Ok(place) = self
            .chunks
            .binary_search_by_key(&number, |place| place.number)
        else {
            return Ok(());
        };
        let place = self.chunks[place];
        let text = unsealed(
            &mut self.file,
            &self.path,
            &self.header,
            &self.sealer,
            Kind::Chunk,
            place,
        )?;
        chunk::decode(&text, into).ok_or_else(|| FileFault::Altered {
            path: self.path.clone(),
            offset: place.offset,
        })
    }

    /// Its key: for what is made out of it.
    pub(super) fn key(&self, keys: &SiteKeys) -> Result<DataKey, FileFault> {
        self.header.unwrap(keys).map_err(|source| FileFault::Key {
            path: self.path.clone(),
            source,
        })
    }

    /// Closes a file that was cut off: what is not whole is taken off, the end is added.
    pub(super) fn close(self, keys: &SiteKeys) -> Result<(), FileFault> {
        let (path, key) = (self.path.clone(), self.key(keys)?);
        let end = End {
            duration_ms: self.samples() / 8,
            chunks: self.chunks(),
            dropped: 0,
            // When it was paused is lost with the engine; what was heard then never reached the file.
            paused: Vec::new(),
            announced: false,
            ended: super::live::Ended::Crash,
        };
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(io(&path))?;
        file.set_len(self.whole).map_err(io(&path))?;
        let mut writer = FileWriter::begin(file, path.clone(), self.header, &key);
        writer.length = self.whole;
        writer
            .file
            .seek(SeekFrom::Start(self.whole))
            .and_then(|_| writer.end(&end))
            .map_err(io(&path))
    }
}

/// A finished recording that is read.
pub struct FinishedReader {
    file: File,
    path: PathBuf,
    header: Header,
    sealer: Sealer,
    blocks: Vec<Place>,
}

impl std::fmt::Debug for FinishedReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FinishedReader({})", self.path.display())
    }
}

impl FinishedReader {
    /// Opens a file; a missing block is a fault.
    pub fn open(path: &Path, keys: &SiteKeys) -> Result<FinishedReader, FileFault> {
        let (mut file, header) = open(path, FileKind::Finished)?;
        let sealer = unwrapped(path, &header, keys)?;
        let (records, whole) = scan(&mut file, path)?;
        let blocks: Vec<Place> = records.iter().map(|(_, place)| *place).collect();
        let in_order = (0..).zip(&blocks).all(|(number, place)| {
            place.number == number && (place.length <= SEALED_MAX && place.length > TAG_BYTES)
        });
        let plain: u64 = blocks.iter().map(|at| (at.length - TAG_BYTES) as u64).sum();
        if !in_order || plain != header.length() {
            return Err(FileFault::Altered {
                path: path.to_owned(),
                offset: whole,
            });
        }
        Ok(FinishedReader {
            file,
            path: path.to_owned(),
            header,
            sealer,
            blocks,
        })
    }

    /// Octets of the Ogg stream.
    pub fn length(&self) -> u64 {
        self.header.length()
    }

    /// Reads from octet `from` on, as far as the block reaches and `most` allows; empty at the end.
    pub fn read(&mut self, from: u64, most: usize) -> Result<Vec<u8>, FileFault> {
        let (block, within) = (
            (from / BLOCK as u64) as usize,
            (from % BLOCK as u64) as usize,
        );
        let Some(place) = self.blocks.get(block).copied() else {
            return Ok(Vec::new());
        };
        let mut text = unsealed(
            &mut self.file,
            &self.path,
            &self.header,
            &self.sealer,
            Kind::Block,
            place,
        )?;
        text.drain(..within.min(text.len()));
        text.truncate(most);
        Ok(text)
    }
}

/// Destroys the wrapped key in a file, brings that to the disk, and removes the file. What a copy-on-write file system or a disk's
/// own spare blocks still hold of the old header stays sealed by the site's key: rotate it away where that matters.
pub(super) fn destroy(path: &Path) -> Result<(), FileFault> {
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(path)(error)),
    };
    let wipe = || {
        use std::os::unix::fs::FileExt;
        if file.metadata()?.len() >= HEADER as u64 {
            file.write_all_at(&[0; HEADER - BOUND], BOUND as u64)?;
            file.sync_all()?;
        }
        std::fs::remove_file(path)?;
        super::keys::sync_folder(path)
    };
    wipe().map_err(io(path))
}

/// SHA-256 of a file, all its octets as they are, and their number.
pub(super) fn sha256(path: &Path) -> Result<([u8; 32], u64), FileFault> {
    let mut file = File::open(path).map_err(io(path))?;
    let (mut digest, mut buffer, mut length) = (Sha256::new(), vec![0; BLOCK], 0);
    loop {
        let read = file.read(&mut buffer).map_err(io(path))?;
        if read == 0 {
            return Ok((digest.finalize().into(), length));
        }
        digest.update(&buffer[..read]);
        length += read as u64;
    }
}
