//! Files of leads, and of numbers that must not be called, into the store. Reads, checks, writes in short transactions beside a
//! running engine; what cannot be read goes to a file of rejects with its line and the reason. Memory is bounded by one record.

use crate::shell::store::StoreError;
use crate::shell::store::cells;
use crate::shell::store::lead_columns::Header;
use crate::shell::store::lead_rows::{LeadRow, ListRules, RowReader};
use crate::shell::store::records::{Cut, CutFault, Records, delimiter_of};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Records that are checked before they are written together.
const CHUNK: usize = 256;
/// Bytes of records that are held until they are written.
const CHUNK_BYTES: usize = 1 << 20;
/// Of a rejected record so many bytes are repeated.
const REJECT_BYTES_MAX: usize = 8 * 1024;
/// Records between two reports of progress.
const PROGRESS_EVERY: u64 = 1_000;

/// Where leads go. Implemented by each database.
pub trait LeadList {
    /// Writes the rows; what became of each, in their order. On return they are visible to the hopper.
    fn keep(&mut self, rows: &[LeadRow]) -> Result<Vec<Kept>, StoreError>;
    /// Puts numbers in E.164 on the do-not-call list, with the reason; whether each was new.
    fn block(&mut self, numbers: &[(String, String)]) -> Result<Vec<Kept>, StoreError>;
    /// Returns when all that was written is on disk.
    fn finish(&mut self) -> Result<(), StoreError>;
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A new lead.
    New,
    /// It was on the list; something about it is new.
    Updated,
    /// It was on the list as it is.
    Same,
    /// It names what is not there.
    Refused(String),
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFormat {
    /// CSV with a header; the delimiter is found out.
    Csv,
    /// One JSON object per line.
    JsonLines,
}

impl ListFormat {
    /// By the file's ending: `.jsonl`, `.ndjson` and `.json` are JSON Lines, all else is CSV.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("jsonl" | "ndjson" | "json") => ListFormat::JsonLines,
            _ => ListFormat::Csv,
        }
    }
}

/// What an import did. `read = imported + duplicates + rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ImportReport {
    /// Records read.
    pub read: u64,
    /// New on the list.
    pub imported: u64,
    /// Of the duplicates, those that brought something new.
    pub updated: u64,
    /// On the list already (same campaign, customer and number).
    pub duplicates: u64,
    /// Not understood; in the file of rejects.
    pub rejected: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be opened, or the rejects cannot be written.
    #[error("{what}: {reason}")]
    File {
        /// Which file.
        what: &'static str,
        /// What the system said.
        reason: io::Error,
    },
    /// The rules contradict themselves.
    #[error("{0}")]
    Rules(String),
    /// The file cannot be read on from here. What stands before it is on the list; importing the mended file doubles nothing.
    #[error("refused at line {line}: {reason} ({} records before it were imported)", done.imported)]
    Refused {
        /// The line.
        line: u64,
        /// Why.
        reason: String,
        /// What was done before.
        done: ImportReport,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The file of rejects: made when the first reject is there. CSV: line, reason, the record as it was.
#[derive(Debug)]
struct Rejects {
    path: Option<PathBuf>,
    file: Option<csv::Writer<File>>,
}

impl Rejects {
    fn add(&mut self, line: u64, reason: &str, record: &[u8]) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let Some(path) = &self.path else {
            return Ok(());
        };
        if self.file.is_none() {
            // It repeats borrowers' data: for the owner's eyes.
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(path)?;
            let mut file = csv::Writer::from_writer(file);
            file.write_record(["line", "reason", "record"])?;
            self.file = Some(file);
        }
        let record = String::from_utf8_lossy(&record[..record.len().min(REJECT_BYTES_MAX)]);
        if let Some(file) = &mut self.file {
            file.write_record([
                &line.to_string(),
                &cells::neutral(reason)[..],
                &cells::neutral(&record)[..],
            ])?;
        }
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        match self.file {
            Some(mut file) => file.flush(),
            None => Ok(()),
        }
    }
}

struct Run<'a> {
    list: &'a mut dyn LeadList,
    rejects: Rejects,
    report: ImportReport,
    begun: Instant,
    progress: &'a mut dyn FnMut(&ImportReport),
}

impl Run<'_> {
    fn reject(&mut self, line: u64, reason: &str, record: &[u8]) -> Result<(), ImportError> {
        self.report.rejected += 1;
        self.rejects
            .add(line, reason, record)
            .map_err(|reason| ImportError::File {
                what: "the file of rejects",
                reason,
            })
    }

    fn count(&mut self) {
        self.report.read += 1;
        if self.report.read.is_multiple_of(PROGRESS_EVERY) {
            self.report.seconds = self.begun.elapsed().as_secs_f64();
            (self.progress)(&self.report);
        }
    }

    /// Adds up what became of rows; `records` are their lines and texts, for the rejects.
    fn tally(
        &mut self,
        kept: Vec<Kept>,
        records: &mut Vec<(u64, Vec<u8>)>,
    ) -> Result<(), ImportError> {
        for (kept, (line, record)) in kept.into_iter().zip(records.drain(..)) {
            match kept {
                Kept::New => self.report.imported += 1,
                Kept::Same => self.report.duplicates += 1,
                Kept::Updated => {
                    self.report.duplicates += 1;
                    self.report.updated += 1;
                }
                Kept::Refused(reason) => self.reject(line, &reason, &record)?,
            }
        }
        Ok(())
    }

    fn refused(&mut self, line: u64, reason: String) -> ImportError {
        self.report.seconds = self.begun.elapsed().as_secs_f64();
        ImportError::Refused {
            line,
            reason,
            done: self.report,
        }
    }

    fn finish(mut self) -> Result<ImportReport, ImportError> {
        self.list.finish()?;
        self.rejects.finish().map_err(|reason| ImportError::File {
            what: "the file of rejects",
            reason,
        })?;
        self.report.seconds = self.begun.elapsed().as_secs_f64();
        (self.progress)(&self.report);
        Ok(self.report)
    }
}

/// Imports leads. `rejects` names the file for what cannot be read; `None`: they are only counted.
pub fn import_leads(
    list: &mut dyn LeadList,
    input: impl BufRead,
    format: ListFormat,
    rules: ListRules,
    rejects: Option<&Path>,
    progress: &mut dyn FnMut(&ImportReport),
) -> Result<ImportReport, ImportError> {
    let mut reader = RowReader::new(rules).map_err(ImportError::Rules)?;
    let mut run = start(list, rejects, progress);
    let mut records = match format {
        ListFormat::Csv => Records::csv(input, b','),
        ListFormat::JsonLines => Records::lines(input),
    };
    let mut record = Vec::new();
    let mut delimiter = b',';
    let mut header = None;
    let (mut rows, mut origins) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    let end = loop {
        let cut = match records.next(&mut record) {
            Ok(Some(cut)) => cut,
            Ok(None) => break Ok(()),
            Err(fault) => break Err(fault),
        };
        if format == ListFormat::Csv && header.is_none() {
            delimiter = delimiter_of(&record);
            records.set_delimiter(delimiter);
            header = match Header::read(&record, delimiter) {
                Ok(header) => Some(header),
                Err(reason) => return Err(run.refused(1, reason)),
            };
            continue;
        }
        run.count();
        let (line, row) = match (cut, &header) {
            (Cut::TooLong { line }, _) => (line, Err("longer than a record may be".to_owned())),
            (Cut::Whole { line }, Some(header)) => (line, reader.csv(header, &record, delimiter)),
            (Cut::Whole { line }, None) => (line, reader.json(&record)),
        };
        match row {
            Ok(row) => {
                rows.push(row);
                origins.push((line, record.clone()));
            }
            Err(reason) => run.reject(line, &reason, &record)?,
        }
        if rows.len() == CHUNK || held(&origins) > CHUNK_BYTES {
            let kept = run.list.keep(&rows)?;
            rows.clear();
            run.tally(kept, &mut origins)?;
        }
    };
    let kept = run.list.keep(&rows)?;
    run.tally(kept, &mut origins)?;
    conclude(run, end)
}

/// Imports a do-not-call list: one number per line, or CSV with the reason in the second field. A first line without a digit is
/// a header.
pub fn import_dnc(
    list: &mut dyn LeadList,
    input: impl BufRead,
    country: &str,
    rejects: Option<&Path>,
    progress: &mut dyn FnMut(&ImportReport),
) -> Result<ImportReport, ImportError> {
    let reader = RowReader::new(ListRules {
        campaigns: Vec::new(),
        skills: Vec::new(),
        campaign: None,
        country: country.to_owned(),
        zone: "UTC".to_owned(),
    })
    .map_err(ImportError::Rules)?;
    let mut run = start(list, rejects, progress);
    let mut records = Records::lines(input);
    let mut record = Vec::new();
    let (mut numbers, mut origins) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    let end = loop {
        let (Cut::Whole { line } | Cut::TooLong { line }) = match records.next(&mut record) {
            Ok(Some(cut)) => cut,
            Ok(None) => break Ok(()),
            Err(fault) => break Err(fault),
        };
        if line == 1 && !record.iter().any(u8::is_ascii_digit) {
            continue;
        }
        run.count();
        match dnc_entry(&reader, &record) {
            Ok(entry) => {
                numbers.push(entry);
                origins.push((line, record.clone()));
            }
            Err(reason) => run.reject(line, &reason, &record)?,
        }
        if numbers.len() == CHUNK || held(&origins) > CHUNK_BYTES {
            let kept = run.list.block(&numbers)?;
            numbers.clear();
            run.tally(kept, &mut origins)?;
        }
    };
    let kept = run.list.block(&numbers)?;
    run.tally(kept, &mut origins)?;
    conclude(run, end)
}

fn held(origins: &[(u64, Vec<u8>)]) -> usize {
    origins.iter().map(|(_, record)| record.len()).sum()
}

/// A number and the reason why it must not be called.
fn dnc_entry(reader: &RowReader, record: &[u8]) -> Result<(String, String), String> {
    let text = std::str::from_utf8(record).map_err(|_| "not UTF-8".to_owned())?;
    let mut fields = text
        .split([',', ';', '\t'])
        .map(|field| field.trim().trim_matches('"'));
    let number = reader.number(fields.next().unwrap_or_default())?;
    let reason = match fields.next() {
        Some(reason) if !reason.is_empty() => reason.chars().take(80).collect(),
        _ => "import".to_owned(),
    };
    Ok((number, reason))
}

fn start<'a>(
    list: &'a mut dyn LeadList,
    rejects: Option<&Path>,
    progress: &'a mut dyn FnMut(&ImportReport),
) -> Run<'a> {
    Run {
        list,
        rejects: Rejects {
            path: rejects.map(Path::to_owned),
            file: None,
        },
        report: ImportReport::default(),
        begun: Instant::now(),
        progress,
    }
}

fn conclude(mut run: Run<'_>, end: Result<(), CutFault>) -> Result<ImportReport, ImportError> {
    match end {
        Ok(()) => run.finish(),
        Err(CutFault::UnclosedQuote { line }) => {
            // What was read before is on the list: make that true on disk too before it is said.
            run.list.finish()?;
            Err(run.refused(line, format!("a quote opened in line {line} is not closed")))
        }
        Err(CutFault::Io(reason)) => Err(ImportError::File {
            what: "the list",
            reason,
        }),
    }
}

/// Opens a list for reading.
pub fn open_list(path: &Path) -> Result<impl BufRead + use<>, ImportError> {
    File::open(path)
        .map(|file| BufReader::with_capacity(64 * 1024, file))
        .map_err(|reason| ImportError::File {
            what: "the list",
            reason,
        })
}
