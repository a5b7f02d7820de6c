//! `tandem doctor`: what would go wrong on this machine with this configuration, and what to change. Before anything is
//! started, or beside an engine that runs.
//!
//! Owns the order of the checks, their form and their bound in time. Starts nothing, migrates nothing, dials nobody; the one
//! thing that leaves the machine is an OPTIONS to each trunk. One finding is one line.
//!
//! - [`ports`] what we listen on, and who has it instead; [`neighbours`] who runs here
//! - [`machine`] limits of the kernel, memory, cores; [`clock`] the time
//! - [`disk`] the data directory, how fast it is, who may read it; [`books`] the store in it
//! - [`trunks`] whether the carriers answer

mod books;
mod clock;
mod disk;
mod machine;
mod neighbours;
mod ports;
mod trunks;

use crate::config::{Config, notes};
use neighbours::Running;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Open files that the engine asks the system for at its start: an agent's socket and a call's RTP port are one each.
pub const OPEN_FILES_WANTED: u64 = 1 << 16;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and it may hurt; or it cannot be told.
    Warning,
    /// It will not work.
    Fault,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Fault => "fault",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check; a stable word for scripts.
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What is so, in one sentence.
    pub what: String,
    /// What to change; absent where there is nothing to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, what: impl Into<String>) -> Finding {
        Finding {
            check,
            verdict: Verdict::Ok,
            what: what.into(),
            change: None,
        }
    }

    fn warning(check: &'static str, what: impl Into<String>, change: impl Into<String>) -> Finding {
        Finding {
            verdict: Verdict::Warning,
            change: Some(change.into()),
            ..Finding::ok(check, what)
        }
    }

    fn fault(check: &'static str, what: impl Into<String>, change: impl Into<String>) -> Finding {
        Finding {
            verdict: Verdict::Fault,
            change: Some(change.into()),
            ..Finding::ok(check, what)
        }
    }
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The configuration that it is about.
    pub config: PathBuf,
    /// In the order of the checks.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing was found that will not work.
    pub fn is_sound(&self) -> bool {
        self.count(Verdict::Fault) == 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    }

    /// For people: one line for each finding, then the sum.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let verdict = finding.verdict.word();
            // A path or a system's message may hold anything; it stays one line.
            let what = one_line(&finding.what);
            let _ = write!(text, "{verdict:<8} {:<14} {what}", finding.check);
            if let Some(change) = &finding.change {
                let _ = write!(text, " -> {}", one_line(change));
            }
            text.push('\n');
        }
        let some = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        let _ = writeln!(
            text,
            "{}: {}, {}.",
            self.config.display(),
            some(self.count(Verdict::Fault), "fault"),
            some(self.count(Verdict::Warning), "warning")
        );
        text
    }

    /// For scripts: `{"config","sound","findings":[{"check","verdict","what","change"}]}`.
    pub fn json(&self) -> String {
        let value = serde_json::json!({
            "config": self.config,
            "sound": self.is_sound(),
            "findings": self.findings,
        });
        format!("{value:#}\n")
    }
}

fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let plain = (!character.is_control()).then_some(character);
            plain.into_iter().chain(
                character
                    .is_control()
                    .then(|| character.escape_default())
                    .into_iter()
                    .flatten(),
            )
        })
        .collect()
}

/// What the checks share.
struct Case<'a> {
    config: &'a Config,
    file: &'a Path,
    running: Option<Running>,
}

impl Case<'_> {
    /// Calls that may be up at once: what the carriers allow, and what the floor does.
    fn calls_max(&self) -> u64 {
        let channels = self
            .config
            .trunks
            .iter()
            .map(|trunk| u64::from(trunk.settings.channels_max));
        let floor = u64::from(self.config.floor.attempts_max);
        channels.sum::<u64>().min(floor)
    }
}

/// Looks at everything. Takes below ten seconds whatever is silent or slow.
pub fn examine(file: &Path) -> Report {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(faults) => {
            let findings = faults
                .list
                .iter()
                .map(|fault| {
                    let place = match fault.line {
                        0 => String::new(),
                        line => format!("line {line}: "),
                    };
                    Finding::fault(
                        "configuration",
                        format!("{place}{fault}"),
                        "mend it first; nothing else was looked at",
                    )
                })
                .collect();
            return Report {
                config: file.to_owned(),
                findings,
            };
        }
    };
    let case = Case {
        config: &config,
        file,
        running: neighbours::engine_of(&config),
    };
    let mut findings = configuration(&case);
    // Before anything of ours is bound.
    findings.extend(ports::check(&case));
    let (disk_and_books, time, carriers) = std::thread::scope(|scope| {
        let disk = scope.spawn(|| {
            let mut found = disk::check(&case);
            let (books, agents) = books::check(&case);
            found.extend(books);
            (found, agents)
        });
        let time = scope.spawn(|| clock::check(&case));
        let carriers = trunks::check(&case);
        (disk.join(), time.join(), carriers)
    });
    let broken = |check| Finding::fault(check, "the check itself broke", "report it: a defect");
    let (disk, agents) =
        disk_and_books.unwrap_or_else(|_| (vec![broken("data_dir")], books::AGENTS_GUESSED));
    findings.extend(machine::check(&case, agents));
    findings.extend(time.unwrap_or_else(|_| vec![broken("clock")]));
    findings.extend(disk);
    findings.extend(carriers);
    Report {
        config: file.to_owned(),
        findings,
    }
}

/// What `tandem check` says, and what the configuration opens to others.
fn configuration(case: &Case<'_>) -> Vec<Finding> {
    const CHECK: &str = "configuration";
    let mut found = vec![Finding::ok(
        CHECK,
        format!("{} is correct", case.file.display()),
    )];
    if let Err(fault) = crate::shell::announcements::check(case.config) {
        found.push(Finding::fault(
            CHECK,
            fault.to_string(),
            "name a prompt that is there: `tandem serve` refuses to start without it",
        ));
    }
    found.extend(
        notes(case.config)
            .into_iter()
            .map(|note| Finding::warning(CHECK, note, "change it, or know why not")),
    );
    let sip = case.config.sip.listen;
    if !sip.ip().is_loopback() {
        found.push(Finding::warning(
            CHECK,
            format!("sip.listen {sip} is open to the network, and SIP is without TLS"),
            "let the firewall admit the carriers' networks only, or lead them through a tunnel",
        ));
    }
    found
}

/// The output of a short command, within a bound; `None`: absent, failed or too slow.
fn output_of(program: &str, words: &[&str], patience: Duration) -> Option<String> {
    use std::io::Read;
    use std::process::{Command, Stdio};
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let until = std::time::Instant::now() + patience;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if std::time::Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let mut text = String::new();
    // Less than a pipe holds, so it never waited for us.
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    status.success().then_some(text)
}

/// A figure of the kernel's, by its name in sysctl; `None` where it cannot be read.
fn sysctl(name: &str) -> Option<String> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests;
