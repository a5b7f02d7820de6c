//! A process that a scenario started, and what the kernel counts of it. Ends only what it started.

use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a process to be ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// The unit of CPU time in /proc: USER_HZ, which Linux has kept at 100 everywhere.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that we started. Killed when dropped.
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts Tandem itself and waits until it prints a line that contains `ready`. What it logs goes to `log`.
    pub fn tandem(words: &[&str], ready: &str, log: &Path) -> Result<Process> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.args(words).env("TANDEM_LOG", "warn");
        Process::start(command, ready, log)
    }

    /// Starts any program and waits for a line of its output that contains `ready`.
    pub fn start(mut command: Command, ready: &str, log: &Path) -> Result<Process> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            // What ends with its input ends when this pipe does: also if we are killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let mut process = Process { child, name };
        let out = process.child.stdout.take().context("its output is piped")?;
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // Nobody waits any more: it is read all the same, or the process would stand still.
                let _ = sender.send(line);
            }
        });
        let until = Instant::now() + PATIENCE;
        loop {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(ready) => return Ok(process),
                Ok(_) => {}
                Err(_) => bail!(
                    "{} is not ready: {}",
                    process.name,
                    std::fs::read_to_string(log).unwrap_or_default()
                ),
            }
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        resident_kib(self.id())
    }

    /// User and system time so far, of all its threads, in seconds (of 10 ms each).
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.id())
    }

    /// CPU time from now on, in per cent of one core.
    pub async fn cpu_percent(&self, over: Duration) -> Result<f64> {
        let (begun, before) = (Instant::now(), self.cpu_seconds()?);
        tokio::time::sleep(over).await;
        let used = self.cpu_seconds()? - before;
        Ok(used / begun.elapsed().as_secs_f64() * 100.0)
    }

    /// How many threads it has.
    pub fn threads(&self) -> Result<u64> {
        status_field(self.id(), "Threads:")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory of a process in KiB.
pub fn resident_kib(id: u32) -> Result<u64> {
    status_field(id, "VmRSS:")
}

/// Most memory that a process ever had resident, in KiB.
pub fn peak_kib(id: u32) -> Result<u64> {
    status_field(id, "VmHWM:")
}

/// CPU time so far of this process's thread of this name, in seconds.
pub fn thread_cpu_seconds(name: &str) -> Result<f64> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        // A thread may end while we look.
        let Ok(comm) = std::fs::read_to_string(task.join("comm")) else {
            continue;
        };
        // The kernel keeps fifteen bytes of a name.
        if comm.trim() == &name[..name.len().min(15)] {
            let spent = std::fs::read_to_string(task.join("schedstat"))?;
            let nanoseconds = spent.split_whitespace().next().unwrap_or_default();
            return Ok(nanoseconds.parse::<f64>()? / 1e9);
        }
    }
    bail!("no thread is named {name}")
}

fn status_field(id: u32, field: &str) -> Result<u64> {
    proc_file(id, "status")?
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("no {field} in its status: has it ended?"))
}

/// User and system time of a process so far, in seconds.
pub fn cpu_seconds(id: u32) -> Result<f64> {
    let stat = proc_file(id, "stat")?;
    // The second field is the program's name in brackets; utime and stime are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').context("an odd stat")?;
    let ticks: Vec<u64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map_while(|field| field.parse().ok())
        .collect();
    ensure!(ticks.len() == 2, "an odd stat: {stat}");
    Ok(ticks.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
}

fn proc_file(id: u32, name: &str) -> Result<String> {
    let path = format!("/proc/{id}/{name}");
    std::fs::read_to_string(&path).with_context(|| format!("{path} (this needs Linux)"))
}
