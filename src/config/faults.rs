//! Faults of a configuration: all of them at once, each with its place, its reason and what was expected.
//!
//! Owns the form of a fault and the guess "did you mean"; never prints a secret.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1. 0 if the fault is about the file as a whole.
    pub line: usize,
    /// Column in characters, from 1. 0 if the fault is about the file as a whole.
    pub column: usize,
    /// The key with its path, `trunks[0].cps_max`; empty for a fault of syntax.
    pub key: String,
    /// What is there.
    pub what: String,
    /// What should be there: unit and range.
    pub expected: Option<String>,
    /// The nearest valid word.
    pub did_you_mean: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(nearest) = &self.did_you_mean {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with one file, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub list: Vec<Fault>,
}

impl Faults {
    /// A fault of the file as a whole: it cannot be read.
    pub(super) fn whole_file(file: &Path, what: String) -> Self {
        Faults {
            file: file.to_owned(),
            list: vec![Fault {
                line: 0,
                column: 0,
                key: String::new(),
                what,
                expected: None,
                did_you_mean: None,
            }],
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:", self.file.display())?;
            if fault.line > 0 {
                write!(f, "{}:{}:", fault.line, fault.column)?;
            }
            write!(f, " {fault}")?;
        }
        Ok(())
    }
}

/// Line and column (from 1, in characters) of a byte offset.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// The candidate that the writer probably meant; `None` where a guess would only confuse.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let other = candidate.to_lowercase();
            let alike = strsim::jaro_winkler(&lower, &other);
            let edits = strsim::damerau_levenshtein(&lower, &other);
            (candidate, alike, edits)
        })
        // Two edits in a word of three letters is another word.
        .filter(|(candidate, alike, edits)| {
            *alike >= 0.82 || (*edits <= 2 && candidate.chars().count() > 4)
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(candidate, _, _)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_not_bytes() {
        let text = "why = \"Trễ hạn\"\nname = 1";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, text.find('1').unwrap()), (2, 8));
        assert_eq!(place("ễx", 3), (1, 2));
        assert_eq!(place("a", 99), (1, 2));
    }

    #[test]
    fn a_guess_is_made_only_where_it_helps() {
        let keys = ["ring_timeout_s", "wrap_s", "cps_max"];
        assert_eq!(nearest("ring_timout_s", keys), Some("ring_timeout_s"));
        assert_eq!(nearest("ring_timeout_ms", keys), Some("ring_timeout_s"));
        assert_eq!(nearest("max_cps", keys), None);
        assert_eq!(nearest("zzz", keys), None);
    }
}
