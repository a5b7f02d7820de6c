//! Writes the log of inputs: a lane, a thread that does the disk, and a bound on what the disk may lose to it.
//!
//! One file for each run, because a log tells a day again only from the start of its run: the floor cannot be put together out of
//! the middle. So nothing is ever cut off a file's beginning. An earlier run's file is renamed at the start and removed as a
//! whole; a run that fills the room alone stops being recorded, and says so in its last line, in the log and in a metric.

use super::{FORM, Line, ReplayError};
use crate::config::InputLogConfig;
use crate::core::effect::Effect;
use crate::core::input::Input;
use crate::core::settings::Settings;
use crate::time::Now;
use crate::trace::Trace;
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Lines that may wait for the disk. Full: the log says that it has a gap, the floor goes on.
const WAITING_MAX: usize = 16_384;
const CHECK_EVERY: u64 = 1_000;

/// Figures of the log, for metrics. Shared by the floor's thread, the log's thread and the scrape.
#[derive(Debug, Default)]
pub struct LogFigures {
    octets: AtomicU64,
    dropped: AtomicU64,
    waiting: AtomicU64,
    is_recording: AtomicBool,
}

impl LogFigures {
    /// Octets written by this run.
    pub fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }
    /// Lines lost because the disk was behind.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
    /// Lines that wait for the disk, and how many may.
    pub fn waiting(&self) -> (usize, usize) {
        let waiting = self.waiting.load(Ordering::Relaxed);
        (waiting as usize, WAITING_MAX)
    }
    /// Whether inputs are still recorded.
    pub fn is_recording(&self) -> bool {
        self.is_recording.load(Ordering::Relaxed)
    }
}

/// The floor's end of the log.
pub struct InputLog {
    lines: Sender<Line>,
    trace: Trace,
    inputs: u64,
    lost: u64,
    figures: Arc<LogFigures>,
}

impl InputLog {
    /// Starts the log of this run, which keeps `figures` up. That of the run before is kept beside it, under the time of its last line.
    pub fn create(
        wanted: &InputLogConfig,
        settings: &Settings,
        figures: Arc<LogFigures>,
    ) -> Result<Self, ReplayError> {
        let io = |source| ReplayError::Io {
            path: wanted.path.clone(),
            source,
        };
        let shelf = Shelf(wanted.path.clone());
        shelf.put_away().map_err(io)?;
        let earlier = shelf.earlier().map_err(io)?;
        let surplus = earlier.len().saturating_sub(wanted.keep);
        for log in &earlier[..surplus] {
            std::fs::remove_file(&log.path).map_err(io)?;
        }
        let file = private(&wanted.path).map_err(io)?;
        let (lines, waiting) = bounded::<Line>(WAITING_MAX);
        figures.is_recording.store(true, Ordering::Relaxed);
        let scribe = Scribe {
            file: BufWriter::with_capacity(1 << 16, file),
            shelf,
            earlier: earlier[surplus..].iter().map(|log| log.octets).sum(),
            octets_max: wanted.octets_max,
            figures: Arc::clone(&figures),
        };
        std::thread::Builder::new()
            .name("input-log".to_owned())
            .spawn(move || scribe.run(&waiting))
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

    /// Notes an input before it is handled.
    pub fn input(&mut self, now: Now, input: &Input) {
        if !self.figures.is_recording() {
            return;
        }
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
        let sent = if self.lost > 0 {
            Err(TrySendError::Full(line))
        } else {
            self.lines.try_send(line)
        };
        // Disconnected: the recording ended in this moment, which is no loss.
        if let Err(TrySendError::Full(_)) = sent {
            self.lost += 1;
            self.figures.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let waiting = self.lines.len() as u64;
        self.figures.waiting.store(waiting, Ordering::Relaxed);
    }
}

/// The thread that does the disk.
struct Scribe {
    file: BufWriter<File>,
    shelf: Shelf,
    /// Octets of earlier runs' logs.
    earlier: u64,
    octets_max: u64,
    figures: Arc<LogFigures>,
}

impl Scribe {
    fn run(mut self, waiting: &Receiver<Line>) {
        let path = self.shelf.0.clone();
        match self.write(waiting) {
            Ok(()) => return,
            Err(Stop::Full) => tracing::warn!(
                path = %path.display(),
                octets = self.figures.octets(),
                "The log of inputs is full: this run is not recorded any further. Dialling goes on."
            ),
            Err(Stop::Broken(error)) => {
                tracing::error!(%error, path = %path.display(), "The log of inputs ends here.");
            }
        }
        self.figures.is_recording.store(false, Ordering::Relaxed);
    }

    fn write(&mut self, waiting: &Receiver<Line>) -> Result<(), Stop> {
        let mut octets = Vec::with_capacity(1_024);
        while let Ok(line) = waiting.recv() {
            octets.clear();
            serde_json::to_writer(&mut octets, &line).map_err(std::io::Error::other)?;
            octets.push(b'\n');
            if !self.has_room_for(octets.len() as u64)? {
                let line = Line::Full {
                    octets: self.figures.octets(),
                };
                serde_json::to_writer(&mut self.file, &line).map_err(std::io::Error::other)?;
                self.file.write_all(b"\n")?;
                self.file.flush()?;
                return Err(Stop::Full);
            }
            self.file.write_all(&octets)?;
            self.figures
                .octets
                .fetch_add(octets.len() as u64, Ordering::Relaxed);
            // Nobody waits for the disk; a reader of a live log sees it a batch late.
            if waiting.is_empty() {
                self.file.flush()?;
                self.figures.waiting.store(0, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Makes room, out of earlier runs, the oldest first. False: there is none left to make.
    fn has_room_for(&mut self, octets: u64) -> std::io::Result<bool> {
        let ours = self.figures.octets() + octets;
        if ours + self.earlier <= self.octets_max {
            return Ok(true);
        }
        for log in self.shelf.earlier()? {
            std::fs::remove_file(&log.path)?;
            self.earlier = self.earlier.saturating_sub(log.octets);
            if ours + self.earlier <= self.octets_max {
                return Ok(true);
            }
        }
        // Nothing is left of them, whoever removed it.
        self.earlier = 0;
        Ok(ours <= self.octets_max)
    }
}

/// Why the recording ends before the run does.
enum Stop {
    Full,
    Broken(std::io::Error),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Stop::Broken(error)
    }
}

/// An earlier run's log.
struct Earlier {
    path: PathBuf,
    octets: u64,
}

/// Where the logs stand: this run's file, and those of earlier runs beside it.
struct Shelf(PathBuf);

impl Shelf {
    /// Renames the log of the run before: `inputs.log` becomes `inputs.20261122T164502Z.log`, by the time of its last line.
    fn put_away(&self) -> std::io::Result<()> {
        let ended = match std::fs::metadata(&self.0) {
            Ok(meta) => jiff::Timestamp::try_from(meta.modified()?).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let at = ended.strftime("%Y%m%dT%H%M%SZ");
        // Two runs may end within one second.
        let name = (1..)
            .map(|copy| match copy {
                1 => self.named(&at.to_string()),
                copy => self.named(&format!("{at}-{copy}")),
            })
            .find(|name| !name.exists());
        match name {
            Some(name) => std::fs::rename(&self.0, name),
            None => Ok(()),
        }
    }

    /// Logs of earlier runs, the oldest first.
    fn earlier(&self) -> std::io::Result<Vec<Earlier>> {
        let folder = match self.0.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(ended) = name.to_str().and_then(|name| self.ended(name)) {
                let log = Earlier {
                    path: entry.path(),
                    octets: entry.metadata()?.len(),
                };
                found.push((ended, log));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found.into_iter().map(|(_, log)| log).collect())
    }

    fn named(&self, middle: &str) -> PathBuf {
        let (stem, ending) = self.parts();
        self.0.with_file_name(format!("{stem}.{middle}{ending}"))
    }

    /// When the run of a log ended, by its name, and which of that second it is. `None`: not one that [`Shelf::put_away`]
    /// named, and nothing else in the directory is ours to remove.
    fn ended(&self, name: &str) -> Option<(String, u32)> {
        let (stem, ending) = self.parts();
        let middle = name
            .strip_prefix(&format!("{stem}."))?
            .strip_suffix(&ending)?;
        let (at, copy) = middle.split_once('-').unwrap_or((middle, "1"));
        let is_time = at.len() == 16
            && at.bytes().enumerate().all(|(place, octet)| match place {
                8 => octet == b'T',
                15 => octet == b'Z',
                _ => octet.is_ascii_digit(),
            });
        is_time.then(|| Some((at.to_owned(), copy.parse().ok()?)))?
    }

    fn parts(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let ending = text(self.0.extension());
        let ending = if ending.is_empty() {
            ending
        } else {
            format!(".{ending}")
        };
        (text(self.0.file_stem()), ending)
    }
}

/// Ids only, but they tell who works when: nobody but the owner reads it.
fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_of_the_oldest_runs_and_of_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("inputs.log");
        let others = [
            "inputs.20261121.log",
            "inputs.20261121T000000Z.log.gz",
            "x.20261121T000000Z.log",
        ];
        let runs = [
            "inputs.20261120T000000Z.log",
            "inputs.20261121T000000Z-2.log",
            "inputs.20261122T000000Z.log",
        ];
        for name in runs.iter().chain(&others) {
            std::fs::write(dir.path().join(name), [b'x'; 300]).expect("written");
        }
        let figures = Arc::new(LogFigures::default());
        let mut scribe = Scribe {
            file: BufWriter::new(private(&path).expect("a file")),
            shelf: Shelf(path),
            earlier: 900,
            octets_max: 1_000,
            figures: Arc::clone(&figures),
        };
        let left = || runs.map(|name| dir.path().join(name).exists());
        assert!(scribe.has_room_for(100).expect("a disk"));
        assert_eq!(left(), [true, true, true]);
        assert!(scribe.has_room_for(101).expect("a disk"));
        assert_eq!(left(), [false, true, true]);
        figures.octets.store(600, Ordering::Relaxed);
        assert!(scribe.has_room_for(200).expect("a disk"));
        assert_eq!(left(), [false, false, false], "800 and 300 are too many");
        assert!(!scribe.has_room_for(401).expect("a disk"));
        assert!(others.iter().all(|name| dir.path().join(name).exists()));
    }
}
