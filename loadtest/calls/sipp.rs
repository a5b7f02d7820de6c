//! SIPp as the far end of calls, and as the caller whose cost is the floor: an independent peer with scenarios of ours.

use crate::frame::bed::free;
use crate::frame::process::Process;
use crate::log_of;
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Longest wait until a far end listens.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often SIPp writes its figures.
const FIGURES_EVERY: Duration = Duration::from_secs(1);
/// Calls at once, above anything that a scenario makes.
const CALLS_MAX: u32 = 60_000;

/// A far end that rings: 180, then silence until CANCEL (487), or a refusal.
pub fn rings(refused_share: f64, refuse_after: Duration) -> String {
    include_str!("sipp/rings_far.xml")
        .replace("{refused_share}", &refused_share.to_string())
        .replace("{refuse_after_ms}", &refuse_after.as_millis().to_string())
}

/// The caller for it: CANCEL after `ring`.
pub fn rings_caller(ring: Duration) -> String {
    include_str!("sipp/rings_caller.xml").replace("{ring_ms}", &ring.as_millis().to_string())
}

/// A far end that answers at once and hangs up after `talk`. Voice that is sent to it goes to `sink`.
pub fn answers(talk: Duration, sink: SocketAddr) -> String {
    let pause = if talk.is_zero() {
        String::new()
    } else {
        format!("<pause milliseconds=\"{}\"/>", talk.as_millis())
    };
    include_str!("sipp/answers_far.xml")
        .replace("{talk}", &pause)
        .replace("{sink}", &sink.port().to_string())
}

/// The caller for it.
pub fn answers_caller() -> String {
    include_str!("sipp/answers_caller.xml").to_owned()
}

/// A SIPp that runs.
pub struct Sipp {
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    figures: PathBuf,
}

/// What a SIPp counted since its start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Calls that came in; a keep-alive is one.
    pub incoming: u64,
    /// Calls that stand.
    pub current: u64,
    /// Calls that did not go as the scenario says.
    pub failed: u64,
    /// Of them: a message that the scenario does not expect.
    pub unexpected: u64,
    /// Messages sent again.
    pub retransmissions: u64,
}

impl Sipp {
    fn start(dir: &Path, name: &str, scenario: &str, words: &[&str]) -> Result<Sipp> {
        let [address] = free()?;
        let file = dir.join(format!("{name}.xml"));
        std::fs::write(&file, scenario)?;
        let figures = dir.join(format!("{name}.csv"));
        let mut command = Command::new("sipp");
        command
            .current_dir(dir)
            .arg("-sf")
            .arg(&file)
            .args(["-i", "127.0.0.1", "-p", &address.port().to_string()])
            .args(["-nostdin", "-trace_stat", "-fd", "1", "-stf"])
            .arg(&figures)
            // Socket buffers as large as the engine's: a burst must not be lost where the machine is slow.
            .args(["-buff_size", "4194304"])
            .args(["-l", &CALLS_MAX.to_string()])
            // It remembers ended calls for half a minute by itself, to count copies; the memory is not what is measured.
            .args(["-deadcall_wait", "2000"])
            .args(words);
        Ok(Sipp {
            process: Process::quiet(command, &log_of(dir, name))?,
            address,
            figures,
        })
    }

    /// A far end; returns once it listens.
    pub async fn far_end(dir: &Path, scenario: &str) -> Result<Sipp> {
        let sipp = Sipp::start(dir, "far", scenario, &[])?;
        let wanted = format!(":{:04X}", sipp.address.port());
        let until = Instant::now() + PATIENCE;
        loop {
            let table = std::fs::read_to_string("/proc/net/udp").context("the table of sockets")?;
            let listens = table.lines().any(|line| {
                let local = line.split_whitespace().nth(1);
                local.is_some_and(|local| local.ends_with(&wanted))
            });
            if listens {
                return Ok(sipp);
            }
            ensure!(
                !sipp.process.is_over()? && Instant::now() < until,
                "SIPp does not listen: {}",
                std::fs::read_to_string(log_of(dir, "far")).unwrap_or_default()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// A caller that makes `calls` calls at `rate` per second, and ends.
    pub fn caller(
        dir: &Path,
        scenario: &str,
        to: SocketAddr,
        rate: u32,
        calls: u64,
    ) -> Result<Sipp> {
        let (rate, calls, to) = (rate.to_string(), calls.to_string(), to.to_string());
        Sipp::start(dir, "caller", scenario, &[&to, "-r", &rate, "-m", &calls])
    }

    /// Waits until a caller has ended by itself; its CPU time in seconds.
    pub async fn finish(mut self, within: Duration) -> Result<f64> {
        let until = Instant::now() + within;
        while !self.process.is_over()? {
            ensure!(
                Instant::now() < until,
                "SIPp as caller did not end: {:?}",
                self.last()
            );
            sleep(Duration::from_millis(20)).await;
        }
        let spent = self.process.cpu_seconds()?;
        let status = self.process.status()?;
        // 0: every call went as the scenario says.
        ensure!(
            status.success(),
            "SIPp as caller failed ({status}): {:?}",
            self.last()
        );
        Ok(spent)
    }

    /// Its figures, once it has written them behind this moment.
    pub async fn totals(&self) -> Result<Totals> {
        sleep(FIGURES_EVERY * 2).await;
        self.last()
    }

    fn last(&self) -> Result<Totals> {
        let text = std::fs::read_to_string(&self.figures)
            .with_context(|| format!("SIPp's figures: {}", self.figures.display()))?;
        let mut lines = text.lines().filter(|line| line.contains(';'));
        let head: Vec<&str> = lines.next().context("no head")?.split(';').collect();
        let last: Vec<&str> = lines.next_back().context("no line")?.split(';').collect();
        let of = |name: &str| -> Result<u64> {
            let place = head.iter().position(|key| *key == name);
            place
                .and_then(|place| last.get(place)?.trim().parse().ok())
                .with_context(|| format!("no {name} in SIPp's figures"))
        };
        Ok(Totals {
            incoming: of("IncomingCall(C)")?,
            current: of("CurrentCall")?,
            failed: of("FailedCall(C)")?,
            unexpected: of("FailedUnexpectedMessage(C)")?,
            retransmissions: of("Retransmissions(C)")?,
        })
    }
}
