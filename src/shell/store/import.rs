//! Files of leads, and of numbers that must not be called, into the store. One thread reads and checks, one writes in short
//! transactions beside a running engine; what cannot be read goes to a file of rejects with its line and the reason. Memory is
//! bounded by two parts of the list ([`crate::shell::store::lead_part`]).
//!
//! How far it got is kept in the same transaction as the leads. An import of the same file that was cut off goes on there: only if
//! what it has read before is the same, byte for byte, and the configuration says the same about lists.

use crate::shell::store::StoreError;
use crate::shell::store::lead_part::{LeadPart, Reject};
use crate::shell::store::lead_rows::{ListRules, RowReader};
use crate::shell::store::list_reader::{Place, ReadFault, ReadPart, Told, read_parts};
use crate::shell::store::records::{Cut, CutFault, Records};
use crate::shell::store::rejects::Rejects;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// Numbers of a do-not-call list that are written together.
const NUMBERS_AT_ONCE: usize = 4_096;
/// Of a file's beginning so much tells it from other files whose import was cut off.
const HEAD_BYTES: u64 = 4_096;

/// Where leads go. Implemented by each database.
pub trait LeadList {
    /// How far an earlier run of this import got.
    fn mark(&mut self, import: &str) -> Result<Option<ImportMark>, StoreError>;
    /// Keeps how far it got; `None`: forgets it.
    fn set_mark(&mut self, import: &str, mark: Option<&ImportMark>) -> Result<(), StoreError>;
    /// Writes a part of a list. `tally` says what of it an earlier run has written already, and is counted on; `mark`, with it, is
    /// kept together with the leads. `told` is called after each transaction. The leads that were refused.
    fn keep(
        &mut self,
        part: &LeadPart,
        tally: &mut PartTally,
        mark: Option<(&str, &ImportMark)>,
        told: &mut dyn FnMut(&PartTally),
    ) -> Result<Vec<u32>, StoreError>;
    /// Puts numbers in E.164 on the do-not-call list, with the reason; whether each was new, in their order.
    fn block(&mut self, numbers: &[(String, String)]) -> Result<Vec<bool>, StoreError>;
    /// Returns when all that was written is on disk.
    fn finish(&mut self) -> Result<(), StoreError>;
}

/// How far an import got: everything before this place in the file is on the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportMark {
    /// Bytes read.
    pub offset: u64,
    /// Lines read.
    pub line: u64,
    /// SHA-256 of those bytes, in hexadecimal.
    pub digest: String,
    /// Records read, and what became of them, as in [`ImportReport`].
    pub read: u64,
    /// New.
    pub imported: u64,
    /// Known, with something new.
    pub updated: u64,
    /// Known.
    pub duplicates: u64,
    /// Not taken.
    pub rejected: u64,
    /// Length of the file of rejects.
    pub rejects_bytes: u64,
    /// SHA-256 of everything up to the end of the part that was being written, and how much of it was.
    pub part: Option<(String, PartTally)>,
}

/// What became of the leads of a part, as far as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartTally {
    /// Leads written, in the order of writing.
    pub done: u64,
    /// New on the list.
    pub imported: u64,
    /// Of the duplicates, those that brought something new.
    pub updated: u64,
    /// On the list already.
    pub duplicates: u64,
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

/// What an import did. At its end, `read = imported + duplicates + rejected`.
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
    /// Of those read, how many an earlier run had read before it was cut off. All other figures count them in, but `seconds`.
    pub resumed: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Bytes of the file that are done.
    pub bytes: u64,
    /// Length of the file in bytes; 0 if it is not known.
    pub bytes_total: u64,
}

impl ImportReport {
    /// Records per second of this run.
    pub fn rate(&self) -> f64 {
        (self.read - self.resumed) as f64 / self.seconds.max(0.001)
    }

    fn count(&mut self, mark: &ImportMark, tally: &PartTally) {
        self.imported = mark.imported + tally.imported;
        self.updated = mark.updated + tally.updated;
        self.duplicates = mark.duplicates + tally.duplicates;
    }
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
    /// The thread that reads ended by itself: a defect of ours.
    #[error("the reading of the list ended by itself; what was read is on the list")]
    ReaderEnded,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn file_fault(what: &'static str) -> impl Fn(io::Error) -> ImportError {
    move |reason| ImportError::File { what, reason }
}

/// What tells this import from others: the beginning of its file, and all that decides what becomes of a record. `None` for what is
/// no ordinary file, and cannot be read again from a place.
pub fn import_name(path: &Path, rules: &ListRules) -> Result<Option<String>, ImportError> {
    let unread = file_fault("the list");
    let file = File::open(path).map_err(&unread)?;
    if !file.metadata().map_err(&unread)?.is_file() {
        return Ok(None);
    }
    let mut head = Vec::new();
    file.take(HEAD_BYTES)
        .read_to_end(&mut head)
        .map_err(&unread)?;
    let mut hash = Sha256::new();
    hash.update(format!("{:?}\n{rules:?}\n", ListFormat::of(path)));
    hash.update(&head);
    Ok(Some(hex(&hash.finalize())))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Imports leads. `rejects` names the file for what cannot be read; `None`: they are only counted. `progress` is told after every
/// transaction, some hundred times a second.
pub fn import_leads(
    list: &mut dyn LeadList,
    path: &Path,
    rules: ListRules,
    rejects: Option<&Path>,
    progress: &mut dyn FnMut(&ImportReport),
) -> Result<ImportReport, ImportError> {
    let name = import_name(path, &rules)?;
    let mark = match &name {
        Some(name) => list.mark(name)?,
        None => None,
    };
    let reader = RowReader::new(rules).map_err(ImportError::Rules)?;
    let file = File::open(path).map_err(file_fault("the list"))?;
    let mut run = Run {
        list,
        name,
        rejects: Rejects::new(rejects),
        report: ImportReport {
            bytes_total: file.metadata().map_or(0, |about| about.len()),
            ..ImportReport::default()
        },
        mark: ImportMark::default(),
        begun: Instant::now(),
        progress,
    };
    // Parts wait for nobody: one is read while the one before it is written.
    let (tell, told) = sync_channel(0);
    std::thread::scope(|threads| {
        let place = mark.as_ref().map(|mark| Place {
            offset: mark.offset,
            line: mark.line,
            digest: mark.digest.clone(),
        });
        let format = ListFormat::of(path);
        std::thread::Builder::new()
            .name("list-reader".to_owned())
            .spawn_scoped(threads, move || {
                read_parts(file, format, reader, place, &tell);
            })
            .map_err(file_fault("the thread that reads the list"))?;
        for message in told {
            match message {
                Told::Begun { resumed, from } => {
                    run.begin(mark.clone().filter(|_| resumed), from)?;
                }
                Told::Part(part) => run.part(*part)?,
                Told::Ended(Ok(())) => return run.finish(),
                Told::Ended(Err(fault)) => return run.fail(fault),
            }
        }
        Err(ImportError::ReaderEnded)
    })
}

/// An import under way: the side that writes.
struct Run<'a> {
    list: &'a mut dyn LeadList,
    name: Option<String>,
    rejects: Rejects,
    report: ImportReport,
    /// How far it got.
    mark: ImportMark,
    begun: Instant,
    progress: &'a mut dyn FnMut(&ImportReport),
}

impl Run<'_> {
    fn begin(&mut self, mark: Option<ImportMark>, from: Place) -> Result<(), ImportError> {
        let Some(mark) = mark else {
            self.mark.offset = from.offset;
            self.mark.line = from.line;
            self.mark.digest = from.digest;
            return Ok(());
        };
        self.rejects
            .resume(mark.rejects_bytes)
            .map_err(file_fault("the file of rejects"))?;
        let done = mark.part.as_ref().map_or(0, |(_, tally)| tally.done);
        self.report.read = mark.read;
        self.report.rejected = mark.rejected;
        self.report.resumed = mark.read + done;
        self.report.bytes = mark.offset;
        self.mark = mark;
        Ok(())
    }

    fn part(&mut self, read: ReadPart) -> Result<(), ImportError> {
        let ReadPart {
            part,
            end,
            goes_on_from_here,
        } = read;
        let before = self.mark.part.take();
        let mut tally = match before {
            Some((digest, tally)) if digest == end.digest => tally,
            Some((_, tally)) => {
                // The file was changed within this part: it is written again from its beginning.
                self.report.resumed -= tally.done;
                PartTally::default()
            }
            None => PartTally::default(),
        };
        let mark = ImportMark {
            part: Some((end.digest.clone(), PartTally::default())),
            ..self.mark.clone()
        };
        let name = self.name.as_deref().filter(|_| goes_on_from_here);
        let (report, begun, progress) = (&mut self.report, self.begun, &mut *self.progress);
        let length = part.len().max(1) as u64;
        let refused = self.list.keep(
            &part,
            &mut tally,
            name.map(|name| (name, &mark)),
            &mut |tally| {
                report.count(&mark, tally);
                report.read = mark.read + tally.done;
                report.bytes = mark.offset + (end.offset - mark.offset) * tally.done / length;
                report.seconds = begun.elapsed().as_secs_f64();
                progress(report);
            },
        )?;
        let mut rejects: Vec<&Reject> = part
            .rejects
            .iter()
            .chain(refused.iter().filter_map(|lead| part.refusal(*lead)))
            .collect();
        rejects.sort_by_key(|reject| reject.line);
        let unwritten = file_fault("the file of rejects");
        self.rejects
            .add(rejects.iter().copied())
            .map_err(&unwritten)?;
        self.mark = ImportMark {
            offset: end.offset,
            line: end.line,
            digest: end.digest,
            read: mark.read + part.read,
            imported: mark.imported + tally.imported,
            updated: mark.updated + tally.updated,
            duplicates: mark.duplicates + tally.duplicates,
            rejected: mark.rejected + rejects.len() as u64,
            rejects_bytes: self.rejects.bytes().map_err(&unwritten)?,
            part: None,
        };
        self.report.read = self.mark.read;
        self.report.rejected = self.mark.rejected;
        self.report.count(&self.mark, &PartTally::default());
        self.report.bytes = self.mark.offset;
        self.report.seconds = self.begun.elapsed().as_secs_f64();
        (self.progress)(&self.report);
        if let Some(name) = self.name.as_deref().filter(|_| goes_on_from_here) {
            self.list.set_mark(name, Some(&self.mark))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<ImportReport, ImportError> {
        if let Some(name) = &self.name {
            self.list.set_mark(name, None)?;
        }
        self.list.finish()?;
        self.report.seconds = self.begun.elapsed().as_secs_f64();
        (self.progress)(&self.report);
        Ok(self.report)
    }

    fn fail(mut self, fault: ReadFault) -> Result<ImportReport, ImportError> {
        match fault {
            ReadFault::Refused { line, reason } => {
                // What was read before is on the list: make that true on disk too before it is said.
                self.list.finish()?;
                self.report.seconds = self.begun.elapsed().as_secs_f64();
                Err(ImportError::Refused {
                    line,
                    reason,
                    done: self.report,
                })
            }
            ReadFault::Io(reason) => Err(ImportError::File {
                what: "the list",
                reason,
            }),
        }
    }
}

/// Imports a do-not-call list: one number per line, or CSV with the reason in the second field. A first line without a digit is
/// a header.
pub fn import_dnc(
    list: &mut dyn LeadList,
    path: &Path,
    country: &str,
    rejects: Option<&Path>,
    progress: &mut dyn FnMut(&ImportReport),
) -> Result<ImportReport, ImportError> {
    let mut reader = RowReader::new(ListRules {
        campaigns: Vec::new(),
        skills: Vec::new(),
        campaign: None,
        country: country.to_owned(),
        zone: "UTC".to_owned(),
    })
    .map_err(ImportError::Rules)?;
    let file = File::open(path).map_err(file_fault("the list"))?;
    let begun = Instant::now();
    let mut report = ImportReport {
        bytes_total: file.metadata().map_or(0, |about| about.len()),
        ..ImportReport::default()
    };
    let mut rejects = Rejects::new(rejects);
    let mut records = Records::lines(BufReader::with_capacity(64 * 1024, file));
    let mut record = Vec::new();
    let mut numbers = Vec::with_capacity(NUMBERS_AT_ONCE);
    let end = loop {
        let cut = records.next(&mut record);
        if let Ok(Some(Cut::Whole { line } | Cut::TooLong { line })) = cut {
            if line == 1 && !record.iter().any(u8::is_ascii_digit) {
                continue;
            }
            report.read += 1;
            report.bytes += record.len() as u64 + 1;
            match dnc_entry(&mut reader, &record) {
                Ok(entry) => numbers.push(entry),
                Err(reason) => {
                    report.rejected += 1;
                    rejects
                        .add([&Reject::new(line, reason, &record)])
                        .map_err(file_fault("the file of rejects"))?;
                }
            }
        }
        let over = !matches!(cut, Ok(Some(_)));
        if numbers.len() == NUMBERS_AT_ONCE || (over && !numbers.is_empty()) {
            for is_new in list.block(&numbers)? {
                if is_new {
                    report.imported += 1;
                } else {
                    report.duplicates += 1;
                }
            }
            numbers.clear();
            report.seconds = begun.elapsed().as_secs_f64();
            progress(&report);
        }
        match cut {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(CutFault::Io(reason)) => break Err(reason),
            // Lines have no quotes.
            Err(CutFault::UnclosedQuote { .. }) => break Ok(()),
        }
    };
    list.finish()?;
    end.map_err(file_fault("the list"))?;
    report.seconds = begun.elapsed().as_secs_f64();
    progress(&report);
    Ok(report)
}

/// A number and the reason why it must not be called.
fn dnc_entry(reader: &mut RowReader, record: &[u8]) -> Result<(String, String), String> {
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
