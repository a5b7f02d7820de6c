//! The side of an import that reads: a file -> parts of checked leads. Knows where in the file each part ends, and the digest of all
//! before it. Writes nothing.

use crate::shell::store::import::{ListFormat, hex};
use crate::shell::store::lead_columns::Header;
use crate::shell::store::lead_part::{LeadPart, Reject};
use crate::shell::store::lead_rows::RowReader;
use crate::shell::store::records::{Cut, CutFault, Records, delimiter_of};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::sync::mpsc::SyncSender;

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes before it.
    pub(super) offset: u64,
    /// Lines before it.
    pub(super) line: u64,
    /// SHA-256 of those bytes, in hexadecimal.
    pub(super) digest: String,
}

/// What the reader says.
pub(super) enum Told {
    /// It reads from the place that it was given, or else from here, behind the header.
    Begun { resumed: bool, from: Place },
    /// A part, ready to be written.
    Part(Box<ReadPart>),
    /// Nothing more comes.
    Ended(Result<(), ReadFault>),
}

/// A part and where it ends.
pub(super) struct ReadPart {
    pub(super) part: LeadPart,
    pub(super) end: Place,
    /// Whether an import that is cut off may go on behind it. Not if the file breaks off there.
    pub(super) goes_on_from_here: bool,
}

/// Why it cannot be read on.
pub(super) enum ReadFault {
    Refused { line: u64, reason: String },
    Io(io::Error),
}

impl From<CutFault> for ReadFault {
    fn from(fault: CutFault) -> Self {
        match fault {
            CutFault::UnclosedQuote { line } => ReadFault::Refused {
                line,
                reason: format!("a quote opened in line {line} is not closed"),
            },
            CutFault::Io(reason) => ReadFault::Io(reason),
        }
    }
}

impl From<io::Error> for ReadFault {
    fn from(reason: io::Error) -> Self {
        ReadFault::Io(reason)
    }
}

/// A file that is counted and hashed as it is read.
#[derive(Debug)]
struct Hashed {
    input: BufReader<File>,
    offset: u64,
    hash: Sha256,
}

impl Hashed {
    fn new(file: File) -> Self {
        Hashed {
            input: BufReader::with_capacity(256 * 1024, file),
            offset: 0,
            hash: Sha256::new(),
        }
    }
    fn digest(&self) -> String {
        hex(&self.hash.clone().finalize())
    }
}

impl Read for Hashed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        self.offset += read as u64;
        self.hash.update(&into[..read]);
        Ok(read)
    }
}

impl BufRead for Hashed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }
    fn consume(&mut self, bytes: usize) {
        self.hash.update(&self.input.buffer()[..bytes]);
        self.offset += bytes as u64;
        self.input.consume(bytes);
    }
}

/// Reads the whole file, from `place` on if what is before it is what it was. Ends early if nobody listens any more.
pub(super) fn read_parts(
    file: File,
    format: ListFormat,
    mut reader: RowReader,
    place: Option<Place>,
    tell: &SyncSender<Told>,
) {
    let ended = match ListReader::open(file, format, place) {
        Ok((mut list, resumed)) => {
            let from = list.place();
            if tell.send(Told::Begun { resumed, from }).is_err() {
                return;
            }
            loop {
                match list.part(&mut reader) {
                    (Some(part), end) => {
                        if tell.send(Told::Part(Box::new(part))).is_err() {
                            return;
                        }
                        if let Some(end) = end {
                            break end;
                        }
                    }
                    (None, end) => break end.unwrap_or(Ok(())),
                }
            }
        }
        Err(fault) => Err(fault),
    };
    // Nobody listens: nobody waits for it.
    let _ = tell.send(Told::Ended(ended));
}

struct ListReader {
    records: Records<Hashed>,
    /// Of CSV: the columns and what separates them.
    columns: Option<(Header, u8)>,
    record: Vec<u8>,
}

impl ListReader {
    fn open(
        file: File,
        format: ListFormat,
        place: Option<Place>,
    ) -> Result<(Self, bool), ReadFault> {
        if let Some(place) = place {
            let mut again = ListReader::begin(file.try_clone()?, format)?;
            let before = again.records.input().offset;
            let reached = place.offset >= before
                && again.records.skip(place.offset - before, place.line)?
                && again.records.input().digest() == place.digest;
            if reached {
                return Ok((again, true));
            }
            (&file).rewind()?;
        }
        Ok((ListReader::begin(file, format)?, false))
    }

    /// At the first record behind the header.
    fn begin(file: File, format: ListFormat) -> Result<Self, ReadFault> {
        let input = Hashed::new(file);
        let mut list = ListReader {
            records: match format {
                ListFormat::Csv => Records::csv(input, b','),
                ListFormat::JsonLines => Records::lines(input),
            },
            columns: None,
            record: Vec::new(),
        };
        if format == ListFormat::Csv && list.records.next(&mut list.record)?.is_some() {
            let delimiter = delimiter_of(&list.record);
            list.records.set_delimiter(delimiter);
            let header = Header::read(&list.record, delimiter)
                .map_err(|reason| ReadFault::Refused { line: 1, reason })?;
            list.columns = Some((header, delimiter));
        }
        Ok(list)
    }

    /// Behind the last record that was read.
    fn place(&self) -> Place {
        let input = self.records.input();
        Place {
            offset: input.offset,
            line: self.records.line(),
            digest: input.digest(),
        }
    }

    /// The next part, if there is one; and whether it was the last.
    fn part(
        &mut self,
        reader: &mut RowReader,
    ) -> (Option<ReadPart>, Option<Result<(), ReadFault>>) {
        let mut part = LeadPart::default();
        let end = loop {
            if part.is_full() {
                break None;
            }
            let cut = match self.records.next(&mut self.record) {
                Ok(Some(cut)) => cut,
                Ok(None) => break Some(Ok(())),
                Err(fault) => break Some(Err(fault.into())),
            };
            part.read += 1;
            let (line, lead) = match (cut, &self.columns) {
                (Cut::TooLong { line }, _) => (line, Err("longer than a record may be".to_owned())),
                (Cut::Whole { line }, Some((header, delimiter))) => {
                    (line, reader.csv(header, &self.record, *delimiter))
                }
                (Cut::Whole { line }, None) => (line, reader.json(&self.record)),
            };
            match lead {
                Ok(lead) => part.push(&lead, line, &self.record),
                Err(reason) => part.reject(Reject::new(line, reason, &self.record)),
            }
        };
        if part.read == 0 {
            return (None, end);
        }
        part.sort();
        let read = ReadPart {
            part,
            end: self.place(),
            goes_on_from_here: !matches!(end, Some(Err(_))),
        };
        (Some(read), end)
    }
}
