//! How far a long command is: one line that is overwritten on a terminal, a plain line every few seconds elsewhere. On standard error,
//! so that standard output stays the command's result. Knows no command.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two lines on a terminal.
const LIVE: Duration = Duration::from_millis(200);
/// Time between two lines in a log.
const LOGGED: Duration = Duration::from_secs(5);

/// Tells how far a command is.
#[derive(Debug)]
pub struct ProgressLine {
    is_terminal: bool,
    begun: Instant,
    told: Option<Instant>,
    is_open: bool,
}

impl Default for ProgressLine {
    fn default() -> Self {
        Self::new()
    }
}

impl ProgressLine {
    /// For this process's standard error.
    pub fn new() -> Self {
        ProgressLine {
            is_terminal: std::io::stderr().is_terminal(),
            begun: Instant::now(),
            told: None,
            is_open: false,
        }
    }

    /// Writes the line if the last one is old enough. `words` are only asked for then.
    pub fn tell(&mut self, words: impl FnOnce() -> String) {
        let pause = if self.is_terminal { LIVE } else { LOGGED };
        if self.told.unwrap_or(self.begun).elapsed() < pause {
            return;
        }
        self.told = Some(Instant::now());
        let mut out = std::io::stderr().lock();
        // Nobody reads it any more: that is no reason to stop.
        let _ = if self.is_terminal {
            self.is_open = true;
            write!(out, "\r{}\x1b[K", words()).and_then(|()| out.flush())
        } else {
            writeln!(out, "{}", words())
        };
    }

    /// Ends the line, before anything else is written.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let _ = writeln!(std::io::stderr());
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.end();
    }
}

/// Share, speed and time left of something that is done piece by piece: "42 %, 98,000 rows/s, 12 s left". `done` of `all` counts the
/// pieces (0: it is not known how many), `rate` is whatever the reader cares for.
pub fn share_and_rest(done: u64, all: u64, elapsed: Duration, rate: &str) -> String {
    if all == 0 || done == 0 || done > all {
        return rate.to_owned();
    }
    let share = done as f64 / all as f64;
    let left = elapsed.as_secs_f64() * (1.0 - share) / share;
    format!("{:.0} %, {rate}, {} left", share * 100.0, short(left))
}

/// Seconds as people read them.
fn short(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_told_from_what_is_done() {
        let after = |seconds| Duration::from_secs(seconds);
        let told = |done, all, elapsed| share_and_rest(done, all, after(elapsed), "5 rows/s");
        assert_eq!(told(250, 1_000, 30), "25 %, 5 rows/s, 90 s left");
        assert_eq!(told(10, 1_000, 10), "1 %, 5 rows/s, 16 min left");
        assert_eq!(told(1, 1_000, 10), "0 %, 5 rows/s, 2 h left");
        assert_eq!(told(0, 1_000, 10), "5 rows/s", "nothing to tell it from");
        assert_eq!(told(7, 0, 10), "5 rows/s", "of a pipe nobody knows the end");
        assert_eq!(told(1_000, 1_000, 10), "100 %, 5 rows/s, 0 s left");
    }
}
