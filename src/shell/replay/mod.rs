//! The log of inputs, and its replay: the same floor, fed the same facts, tells its decisions in words and proves that
//! they are the same ones.
//!
//! A log is JSON Lines: a header with the settings, then `{"mono","unix","input"}` in the order of handling, and after every
//! thousand inputs the trace hash so far. It holds ids, never a name or a number of a person.

mod words;

use crate::core::effect::Effect;
use crate::core::floor::Floor;
use crate::core::input::Input;
use crate::core::settings::Settings;
use crate::ids::AttemptId;
use crate::time::{Mono, Now, UnixMs};
use crate::trace::Trace;
use crossbeam::channel::{Sender, bounded};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Version of the log's form; rises when old logs can no longer be read.
const FORM: u32 = 1;
/// Lines that may wait for the disk. Full: the log says that it has a gap, the floor goes on.
const WAITING_MAX: usize = 16_384;
const CHECK_EVERY: u64 = 1_000;

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

/// Writes the log; a thread of its own does the disk.
pub struct InputLog {
    lines: Sender<Line>,
    trace: Trace,
    inputs: u64,
    lost: u64,
    figures: Arc<LogFigures>,
}

/// How the log is. Held by the log, its thread and whoever reports.
#[derive(Debug, Default)]
pub struct LogFigures {
    /// Lines that wait for the disk.
    pub waiting: AtomicU64,
    /// Lines that were lost because the disk was behind.
    pub lost: AtomicU64,
}

impl LogFigures {
    /// Lines that may wait.
    pub const WAITING_MAX: usize = WAITING_MAX;
}

impl InputLog {
    /// Starts a log. An existing file is kept beside it with the extension "old".
    pub fn create(path: &Path, settings: &Settings) -> Result<Self, ReplayError> {
        let io = |source| ReplayError::Io {
            path: path.to_owned(),
            source,
        };
        if path.exists() {
            std::fs::rename(path, path.with_extension("old")).map_err(io)?;
        }
        let file = std::fs::File::create(path).map_err(io)?;
        let (lines, waiting) = bounded::<Line>(WAITING_MAX);
        let shown = path.to_owned();
        let figures = Arc::new(LogFigures::default());
        let theirs = Arc::clone(&figures);
        std::thread::Builder::new()
            .name("input-log".to_owned())
            .spawn(move || {
                let mut file = std::io::BufWriter::with_capacity(1 << 16, file);
                while let Ok(line) = waiting.recv() {
                    let wrote = serde_json::to_writer(&mut file, &line).map_err(std::io::Error::other);
                    let wrote = wrote.and_then(|()| file.write_all(b"\n"));
                    // Nobody waits for the disk; a reader of a live log sees it a batch late.
                    let flushed = if waiting.is_empty() { file.flush() } else { Ok(()) };
                    theirs.waiting.store(waiting.len() as u64, Ordering::Relaxed);
                    if let Err(error) = wrote.and(flushed) {
                        tracing::error!(%error, path = %shown.display(), "The log of inputs ends here.");
                        return;
                    }
                }
            })
            .map_err(io)?;
        let header = Line::Header {
            form: FORM,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: Box::new(settings.clone()),
        };
        let log = InputLog {
            lines,
            trace: Trace::default(),
            inputs: 0,
            lost: 0,
            figures,
        };
        let _ = log.lines.send(header);
        Ok(log)
    }

    /// How it is.
    pub fn figures(&self) -> Arc<LogFigures> {
        Arc::clone(&self.figures)
    }

    /// Notes an input before it is handled.
    pub fn input(&mut self, now: Now, input: &Input) {
        if self.inputs > 0 && self.inputs.is_multiple_of(CHECK_EVERY) && self.lost == 0 {
            let trace = format!("{:016x}", self.trace.value());
            self.put(Line::Check {
                inputs: self.inputs,
                trace,
            });
        }
        self.inputs += 1;
        self.put(Line::In {
            mono: now.mono.0,
            unix: now.unix.0,
            input: input.clone(),
        });
    }

    /// Notes an effect of the last input.
    pub fn effect(&mut self, now: Now, effect: &Effect) {
        self.trace.add(now, effect);
    }

    fn put(&mut self, line: Line) {
        if self.lost > 0 && self.lines.try_send(Line::Gap { lost: self.lost }).is_ok() {
            self.lost = 0;
        }
        if self.lost > 0 || self.lines.try_send(line).is_err() {
            self.lost += 1;
            self.figures.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.figures
            .waiting
            .store(self.lines.len() as u64, Ordering::Relaxed);
    }
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
    /// The trace hash at the end.
    pub trace: u64,
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
        }
    }
    told.trace = trace.value();
    Ok(told)
}

#[cfg(test)]
mod tests;
