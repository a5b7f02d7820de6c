//! The log of inputs, and its replay: the same floor, fed the same facts, tells its decisions in words and proves that
//! they are the same ones.
//!
//! A log is JSON Lines: a header with the settings, then `{"mono","unix","input"}` in the order of handling, and after every
//! thousand inputs the trace hash so far. It holds ids, never a name or a number of a person. [`record`] writes it, one file for
//! each run of the engine.

mod record;
mod words;

pub use record::{InputLog, LogFigures};

use crate::core::floor::Floor;
use crate::core::input::Input;
use crate::core::settings::Settings;
use crate::ids::AttemptId;
use crate::time::{Mono, Now, UnixMs};
use crate::trace::Trace;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

/// Version of the log's form; rises when old logs can no longer be read.
const FORM: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Line {
    #[serde(rename = "header")]
    Header {
        form: u32,
        version: String,
        settings: Box<Settings>,
    },
    #[serde(rename = "in")]
    In { mono: u64, unix: i64, input: Input },
    #[serde(rename = "check")]
    Check { inputs: u64, trace: String },
    #[serde(rename = "gap")]
    Gap { lost: u64 },
    /// The last line of a log that reached its bound: what came later was not recorded.
    #[serde(rename = "full")]
    Full { octets: u64 },
}

/// Why a log cannot be written or replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line that is none.
    #[error("{path}:{line}: {what}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The replay came to other decisions.
    #[error(
        "{path}:{line}: after {inputs} inputs the recorded decisions have trace {recorded}, the replayed ones {replayed}"
    )]
    Differs {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// After how many inputs.
        inputs: u64,
        /// As recorded.
        recorded: String,
        /// As replayed.
        replayed: String,
    },
}

/// What to tell of a replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Telling {
    /// Only this attempt.
    pub attempt: Option<AttemptId>,
    /// Only the summary.
    pub quiet: bool,
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Inputs fed.
    pub inputs: u64,
    /// Effects that came out.
    pub effects: u64,
    /// Recorded hashes that were met.
    pub checks: u64,
    /// Inputs that the log lost; after a gap nothing can be compared.
    pub lost: u64,
    /// Whether the recording reached its bound and ended before the run did.
    pub ended_early: bool,
    /// The trace hash at the end.
    pub trace: u64,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Replayed {
            inputs,
            effects,
            checks,
            ..
        } = self;
        write!(
            f,
            "{inputs} inputs, {effects} decisions, {checks} recorded checks met"
        )?;
        if self.lost > 0 {
            write!(f, ", {} inputs were lost by the recording", self.lost)?;
        }
        if self.ended_early {
            f.write_str(", the recording was full before the run ended")?;
        }
        write!(f, "; trace {:016x}", self.trace)
    }
}

/// Feeds a recorded log to a fresh floor and writes the decisions in words.
pub fn replay(
    path: &Path,
    telling: Telling,
    out: &mut impl Write,
) -> Result<Replayed, ReplayError> {
    let io = |source| ReplayError::Io {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut floor: Option<(Floor, words::Names)> = None;
    let mut told = Replayed {
        inputs: 0,
        effects: 0,
        checks: 0,
        lost: 0,
        ended_early: false,
        trace: 0,
    };
    let mut trace = Trace::default();
    let mut effects = Vec::new();
    let mut lines = std::io::BufReader::new(file)
        .split(b'\n')
        .enumerate()
        .peekable();
    while let Some((number, bytes)) = lines.next() {
        let bytes = bytes.map_err(io)?;
        let fault = |what: String| ReplayError::Line {
            path: path.to_owned(),
            line: number as u64 + 1,
            what,
        };
        let line: Line = match serde_json::from_slice(&bytes) {
            Ok(line) => line,
            // The last line of a log that was cut off by a crash.
            Err(_) if lines.peek().is_none() => break,
            Err(error) => return Err(fault(error.to_string())),
        };
        match (line, &mut floor) {
            (
                Line::Header {
                    form,
                    version,
                    settings,
                },
                None,
            ) => {
                if form != FORM {
                    return Err(fault(format!(
                        "form {form} was written by Tandem {version}; this one reads form {FORM}"
                    )));
                }
                let names = words::Names::new(&settings);
                floor = Some((Floor::new(*settings), names));
            }
            (_, None) => return Err(fault("the log does not begin with its header".to_owned())),
            (Line::Header { .. }, Some(_)) => return Err(fault("a second header".to_owned())),
            (Line::In { mono, unix, input }, Some((floor, names))) => {
                let now = Now {
                    mono: Mono(mono),
                    unix: UnixMs(unix),
                };
                told.inputs += 1;
                names.learn(&input);
                if !telling.quiet
                    && let Some(text) = names.input(&input, telling.attempt)
                {
                    writeln!(out, "{} {text}", words::time(now)).map_err(io)?;
                }
                floor.handle(now, input, &mut effects);
                for effect in effects.drain(..) {
                    told.effects += 1;
                    trace.add(now, &effect);
                    if !telling.quiet
                        && let Some(text) = names.effect(&effect, telling.attempt)
                    {
                        writeln!(out, "{}   -> {text}", words::time(now)).map_err(io)?;
                    }
                }
            }
            (
                Line::Check {
                    inputs,
                    trace: recorded,
                },
                Some(_),
            ) => {
                let replayed = format!("{:016x}", trace.value());
                if told.lost == 0 && (inputs != told.inputs || recorded != replayed) {
                    let line = number as u64 + 1;
                    return Err(ReplayError::Differs {
                        path: path.to_owned(),
                        line,
                        inputs,
                        recorded,
                        replayed,
                    });
                }
                told.checks += u64::from(told.lost == 0);
            }
            (Line::Gap { lost }, Some(_)) => told.lost += lost,
            (Line::Full { .. }, Some(_)) => told.ended_early = true,
        }
    }
    told.trace = trace.value();
    Ok(told)
}

#[cfg(test)]
mod tests;
