//! The demo's other processes: the engine and the simulated carrier, from this same program. Ends only what it started.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Lines of standard output kept for whoever waits for one.
const LINES_MAX: usize = 256;
/// Lines of the log shown when a process fails.
const TAIL_LINES: usize = 12;

/// Why a process does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It could not be started, or asked to end.
    #[error("the {name} cannot be started or reached: {source}")]
    Io {
        /// Which process.
        name: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It ended before it was ready.
    #[error("the {name} ended ({status}) before it was ready; its last words:\n{tail}")]
    Ended {
        /// Which process.
        name: &'static str,
        /// How it ended.
        status: String,
        /// Its last log lines.
        tail: String,
    },
    /// It is not ready in time.
    #[error("the {name} is not ready after {waited_s} s; its last words:\n{tail}")]
    Slow {
        /// Which process.
        name: &'static str,
        /// Seconds waited.
        waited_s: u64,
        /// Its last log lines.
        tail: String,
    },
}

/// A process that the demo started.
#[derive(Debug)]
pub struct Peer {
    name: &'static str,
    child: Child,
    log: PathBuf,
    lines: Receiver<String>,
    ended: Option<ExitStatus>,
}

impl Peer {
    /// Starts this program again with other words. Its errors go to `log`. It gets a process group of its own: Ctrl-C on
    /// the terminal is for the demo, which then ends things in their order.
    pub fn start(name: &'static str, words: &[String], log: &Path) -> Result<Peer, PeerError> {
        let io = |source| PeerError::Io { name, source };
        let errors = File::create(log).map_err(io)?;
        let mut child = Command::new(std::env::current_exe().map_err(io)?)
            .args(words)
            // A piped input that the demo holds: its end tells the carrier that the demo is gone.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(io)?;
        let (sender, lines) = sync_channel(LINES_MAX);
        if let Some(stdout) = child.stdout.take() {
            std::thread::Builder::new()
                .name(format!("{name} output"))
                .spawn(move || {
                    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                        // Nobody waits for lines any more: they are read all the same, or the process would stand still.
                        let _ = sender.try_send(line);
                    }
                })
                .map_err(io)?;
        }
        Ok(Peer {
            name,
            child,
            log: log.to_owned(),
            lines,
            ended: None,
        })
    }

    /// Waits for a line of its output that begins with `start`; returns it.
    pub fn wait_for_line(&mut self, start: &str, patience: Duration) -> Result<String, PeerError> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self
                .lines
                .recv_timeout(left.min(Duration::from_millis(100)))
            {
                Ok(line) if line.starts_with(start) => return Ok(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    if let Some(status) = self.poll_end() {
                        return Err(PeerError::Ended {
                            name: self.name,
                            status: status.to_string(),
                            tail: self.tail(),
                        });
                    }
                    if Instant::now() >= until {
                        return Err(PeerError::Slow {
                            name: self.name,
                            waited_s: patience.as_secs(),
                            tail: self.tail(),
                        });
                    }
                }
            }
        }
    }

    /// How it ended, if it did.
    pub fn poll_end(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// SIGTERM: finish, then end.
    fn ask_to_end(&mut self) -> Result<(), PeerError> {
        if self.poll_end().is_some() {
            return Ok(());
        }
        // Our own child, not yet waited for: its number cannot belong to anybody else. The standard library only kills.
        Command::new("sh")
            .args([
                "-c",
                "kill -TERM \"$1\"",
                "sh",
                &self.child.id().to_string(),
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map(|_| ())
            .map_err(|source| PeerError::Io {
                name: self.name,
                source,
            })
    }

    /// Asks it to end; after `patience` asks again, which means at once; after that long again it is killed. Returns whether
    /// it ended at the first word, and well.
    pub fn end(&mut self, patience: Duration) -> Result<bool, PeerError> {
        for attempt in 0..2 {
            self.ask_to_end()?;
            let until = Instant::now() + patience;
            while Instant::now() < until {
                if let Some(status) = self.poll_end() {
                    return Ok(attempt == 0 && status.success());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.kill();
        Ok(false)
    }

    /// The last lines of its log.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn kill(&mut self) {
        if self.poll_end().is_none() {
            // It may end in this very moment; then there is nothing to do.
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}
