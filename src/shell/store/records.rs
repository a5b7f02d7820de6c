//! Cuts a file into records, whatever is in it: bounded memory, the line number of each, and a refusal where a quote never ends.
//! Knows lines and quotes; knows no lead.

use std::borrow::Cow;
use std::io::{self, BufRead};

/// Longest record in bytes.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;
/// Longest line of JSON Lines, and of a list of numbers, in bytes.
pub const LINE_BYTES_MAX: usize = RECORD_BYTES_MAX;

/// What was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A whole record is in the buffer.
    Whole {
        /// Its first line, from 1.
        line: u64,
    },
    /// It was longer than [`RECORD_BYTES_MAX`]; its beginning is in the buffer, the rest was skipped.
    TooLong {
        /// Its line.
        line: u64,
    },
}

/// Why no more records can be cut.
#[derive(Debug, thiserror::Error)]
pub enum CutFault {
    /// The file could not be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A quote was opened and not closed: where records end is not known any more.
    #[error("a quote opened in line {line} is not closed")]
    UnclosedQuote {
        /// Where it was opened.
        line: u64,
    },
}

/// Cuts records.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    line: u64,
    /// The delimiter of CSV; `None`: every line is a record.
    delimiter: Option<u8>,
    begun: bool,
}

/// Where in a CSV record the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote within quotes: the end of the field, or half of an escaped quote.
    AfterQuote,
}

impl<R: BufRead> Records<R> {
    /// Records of CSV (RFC 4180), in which a quoted field may hold line ends.
    pub fn csv(input: R, delimiter: u8) -> Self {
        Records {
            input,
            line: 0,
            delimiter: Some(delimiter),
            begun: false,
        }
    }

    /// One record per line.
    pub fn lines(input: R) -> Self {
        Records {
            input,
            line: 0,
            delimiter: None,
            begun: false,
        }
    }

    /// Another delimiter from here on (it is known once the first line was seen).
    pub fn set_delimiter(&mut self, delimiter: u8) {
        self.delimiter = Some(delimiter);
    }

    /// Lines read so far.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Where the records come from: for whoever must know how far it is read.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// Passes over what an earlier run has read, up to a place that [`Records::next`] once ended at. `lines` are the lines before
    /// it. Whether the file was long enough.
    pub fn skip(&mut self, bytes: u64, lines: u64) -> io::Result<bool> {
        let mut left = bytes;
        while left > 0 {
            let there = match self.input.fill_buf() {
                Ok(bytes) => bytes.len(),
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
                Err(fault) => return Err(fault),
            };
            if there == 0 {
                return Ok(false);
            }
            let step = usize::try_from(left).map_or(there, |left| left.min(there));
            self.input.consume(step);
            left -= step as u64;
        }
        self.line = lines;
        self.begun = true;
        Ok(true)
    }

    /// The next record that is not empty, without its line end and without a byte order mark; `None` at the end.
    pub fn next(&mut self, record: &mut Vec<u8>) -> Result<Option<Cut>, CutFault> {
        loop {
            record.clear();
            let line = self.line + 1;
            let Some(whole) = self.cut(record)? else {
                return Ok(None);
            };
            if record.last() == Some(&b'\r') {
                record.pop();
            }
            if !self.begun {
                self.begun = true;
                if record.starts_with(b"\xEF\xBB\xBF") {
                    record.drain(..3);
                }
            }
            if record.iter().all(u8::is_ascii_whitespace) && whole {
                continue;
            }
            return Ok(Some(if whole {
                Cut::Whole { line }
            } else {
                Cut::TooLong { line }
            }));
        }
    }

    /// Up to the next line end outside quotes. `Some(false)`: too long; `None`: there was nothing more.
    fn cut(&mut self, record: &mut Vec<u8>) -> Result<Option<bool>, CutFault> {
        let mut at = At::FieldStart;
        let mut quote_line = 0;
        let mut whole = true;
        let mut any = false;
        self.line += 1;
        loop {
            let bytes = match self.input.fill_buf() {
                Ok(bytes) => bytes,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
                Err(fault) => return Err(fault.into()),
            };
            if bytes.is_empty() {
                // In the middle of a quoted field only: at `AfterQuote` the quote was closed.
                if at == At::Quoted {
                    return Err(CutFault::UnclosedQuote { line: quote_line });
                }
                return Ok(any.then_some(whole));
            }
            any = true;
            let mut used = 0;
            let mut ended = false;
            // Most lines lie whole in the buffer and have no quote: nothing of them has to be looked at twice.
            if record.is_empty()
                && at == At::FieldStart
                && let Some(end) = plain_line(bytes, self.delimiter.is_some())
            {
                let length = end.min(RECORD_BYTES_MAX);
                record.extend_from_slice(&bytes[..length]);
                self.input.consume(end + 1);
                return Ok(Some(length == end));
            }
            for &byte in bytes {
                used += 1;
                if byte == b'\n' {
                    if at != At::Quoted {
                        ended = true;
                        break;
                    }
                    self.line += 1;
                }
                at = after(at, byte, self.delimiter);
                if at == At::Quoted && quote_line == 0 {
                    quote_line = self.line;
                } else if at != At::Quoted && at != At::AfterQuote {
                    quote_line = 0;
                }
                if record.len() < RECORD_BYTES_MAX {
                    record.push(byte);
                } else if at == At::Quoted {
                    return Err(CutFault::UnclosedQuote { line: quote_line });
                } else {
                    whole = false;
                }
            }
            self.input.consume(used);
            if ended {
                return Ok(Some(whole));
            }
        }
    }
}

/// The length of the first line, if it ends within `bytes`. A line of CSV that has a quote is none.
fn plain_line(bytes: &[u8], is_csv: bool) -> Option<usize> {
    let end = if is_csv {
        memchr::memchr2(b'\n', b'"', bytes)
    } else {
        memchr::memchr(b'\n', bytes)
    }?;
    (bytes[end] == b'\n').then_some(end)
}

/// The place after a byte. A quote is one only at the beginning of a field, as the `csv` crate has it.
fn after(at: At, byte: u8, delimiter: Option<u8>) -> At {
    let Some(delimiter) = delimiter else {
        return At::Plain;
    };
    match at {
        At::FieldStart if byte == b'"' => At::Quoted,
        At::Quoted if byte == b'"' => At::AfterQuote,
        At::Quoted => At::Quoted,
        At::AfterQuote if byte == b'"' => At::Quoted,
        At::FieldStart | At::Plain | At::AfterQuote if byte == delimiter => At::FieldStart,
        At::FieldStart | At::Plain | At::AfterQuote => At::Plain,
    }
}

/// The fields of one CSV record, unquoted. As the `csv` crate splits it; that one builds its tables for every reader, which took
/// two fifths of an import.
pub fn fields(record: &[u8], delimiter: u8) -> Vec<Cow<'_, [u8]>> {
    if memchr::memchr(b'"', record).is_none() {
        return record
            .split(|byte| *byte == delimiter)
            .map(Cow::Borrowed)
            .collect();
    }
    let mut fields = vec![Vec::new()];
    let mut at = At::FieldStart;
    for &byte in record {
        let next = after(at, byte, Some(delimiter));
        let ends = next == At::FieldStart;
        let escaped = at == At::AfterQuote && next == At::Quoted;
        let quote = byte == b'"'
            && !escaped
            && matches!(
                (at, next),
                (_, At::AfterQuote) | (At::FieldStart, At::Quoted)
            );
        at = next;
        if ends {
            fields.push(Vec::new());
        } else if !quote && let Some(field) = fields.last_mut() {
            field.push(byte);
        }
    }
    fields.into_iter().map(Cow::Owned).collect()
}

/// The delimiter of a header line: whichever of `,` `;` TAB `|` stands in it most often.
pub fn delimiter_of(header: &[u8]) -> u8 {
    let count = |wanted: u8| header.iter().filter(|byte| **byte == wanted).count();
    [b',', b';', b'\t', b'|']
        .into_iter()
        .rev()
        .max_by_key(|wanted| count(*wanted))
        .unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut_all(file: &[u8]) -> Result<Vec<(u64, Vec<u8>)>, CutFault> {
        // A tiny buffer, so that every state is carried over its end.
        let mut records = Records::csv(io::BufReader::with_capacity(3, file), b',');
        let (mut buffer, mut all) = (Vec::new(), Vec::new());
        while let Some(cut) = records.next(&mut buffer)? {
            let (Cut::Whole { line } | Cut::TooLong { line }) = cut;
            all.push((line, buffer.clone()));
        }
        Ok(all)
    }

    #[test]
    fn a_quoted_field_may_hold_line_ends_and_the_numbers_of_lines_stay_right() {
        let cut = cut_all(b"\xEF\xBB\xBFa,b\r\n1,\"two\nlines, \"\"quoted\"\"\"\n\n3,4")
            .expect("it cuts");
        assert_eq!(
            cut,
            [
                (1, b"a,b".to_vec()),
                (2, b"1,\"two\nlines, \"\"quoted\"\"\"".to_vec()),
                (5, b"3,4".to_vec())
            ]
        );
    }

    #[test]
    fn a_quote_that_never_ends_is_named_by_its_line() {
        let fault = cut_all(b"a,b\n1,2\n3,\"four\n5,6\n").expect_err("it must be refused");
        assert!(
            matches!(fault, CutFault::UnclosedQuote { line: 3 }),
            "{fault}"
        );
    }

    #[test]
    fn a_quote_in_the_middle_of_a_field_is_a_letter() {
        assert_eq!(cut_all(b"5\" pipe,x\ny,z").expect("it cuts").len(), 2);
    }

    #[test]
    fn a_quote_that_runs_on_is_refused_before_it_fills_the_memory() {
        struct Endless(u64);
        impl io::Read for Endless {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                into.fill(b'x');
                if self.0 == 0 {
                    into[0] = b'"';
                }
                self.0 += into.len() as u64;
                assert!(self.0 < 10 << 20, "it reads on and on");
                Ok(into.len())
            }
        }
        let mut records = Records::csv(io::BufReader::new(Endless(0)), b',');
        let fault = records
            .next(&mut Vec::new())
            .expect_err("it must be refused");
        assert!(matches!(fault, CutFault::UnclosedQuote { line: 1 }));
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_one_is_read() {
        let mut file = vec![b'x'; RECORD_BYTES_MAX + 10];
        file.extend_from_slice(b"\nshort\n");
        let mut records = Records::lines(&file[..]);
        let mut record = Vec::new();
        assert_eq!(
            records.next(&mut record).expect("it cuts"),
            Some(Cut::TooLong { line: 1 })
        );
        assert_eq!(record.len(), RECORD_BYTES_MAX);
        assert_eq!(
            records.next(&mut record).expect("it cuts"),
            Some(Cut::Whole { line: 2 })
        );
        assert_eq!(record, b"short");
    }

    proptest! {
        #[test]
        fn records_are_cut_where_the_csv_crate_cuts_them(file in "[a\",\n]{0,60}") {
            let ours = match cut_all(file.as_bytes()) {
                Ok(cut) => cut,
                Err(_) => return Ok(()),
            };
            let one = |record: &[u8]| -> Vec<csv::ByteRecord> {
                csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(record)
                    .into_byte_records().collect::<Result<_, _>>().expect("bytes")
            };
            let whole = one(file.as_bytes());
            let cut: Vec<csv::ByteRecord> = ours.iter().flat_map(|(_, record)| one(record)).collect();
            prop_assert_eq!(whole, cut);
        }

        #[test]
        fn fields_are_split_where_the_csv_crate_splits_them(record in "[a\",\n;]{1,40}") {
            let mut records = Records::csv(record.as_bytes(), b',');
            let mut cut = Vec::new();
            while let Ok(Some(_)) = records.next(&mut cut) {
                let theirs: Vec<Vec<u8>> = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&cut[..])
                    .into_byte_records().next().expect("a record").expect("bytes").iter().map(<[u8]>::to_vec).collect();
                prop_assert_eq!(fields(&cut, b','), theirs);
            }
        }
    }
}
