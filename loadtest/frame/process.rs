//! A process that a scenario started, and what the kernel counts of it. Ends only what it started.

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
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
    /// Starts Tandem itself and waits until it prints a line that contains `ready`. What it logs goes to `log`:
    /// warnings, or what `TANDEM_LOG` says.
    pub fn tandem(words: &[&str], ready: &str, log: &Path) -> Result<Process> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.args(words);
        if std::env::var_os("TANDEM_LOG").is_none() {
            command.env("TANDEM_LOG", "warn");
        }
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

    /// Starts any program that says nothing when it is ready. What it prints goes nowhere, its errors to `log`.
    pub fn quiet(mut command: Command, log: &Path) -> Result<Process> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log)?)
            .spawn()
            .with_context(|| format!("{name} does not start (is it installed?)"))?;
        Ok(Process { child, name })
    }

    /// Whether it has ended. What the kernel counted of it is still to be read, until [`Process::status`] is asked.
    pub fn is_over(&self) -> Result<bool> {
        let stat = proc_file(self.id(), "stat")?;
        let (_, fields) = stat.rsplit_once(')').context("an odd stat")?;
        // Z: ended, and kept because nobody asked for its status (proc(5)).
        Ok(fields.trim_start().starts_with(['Z', 'X']))
    }

    /// How it ended. Waits for that; afterwards the kernel has forgotten its figures.
    pub fn status(&mut self) -> Result<std::process::ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        resident_kib(self.id())
    }

    /// The part of it that belongs to no file, in KiB: heap and stacks, without the program itself.
    pub fn anonymous_kib(&self) -> Result<u64> {
        status_field(self.id(), "RssAnon:")
    }

    /// User and system time so far, of all its threads, in seconds (of 10 ms each).
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.id())
    }

    /// The same of the threads that live, by the nanosecond: for spans in which no thread ends.
    pub fn cpu_seconds_of_threads(&self) -> Result<f64> {
        let dir = format!("/proc/{}/task", self.id());
        let mut sum = 0.0;
        for task in std::fs::read_dir(&dir).with_context(|| format!("{dir} (this needs Linux)"))? {
            // A thread may end between listing and reading.
            sum += on_core_seconds(&task?.path()).unwrap_or_default();
        }
        Ok(sum)
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// CPU time from now on, in per cent of one core.
    pub async fn cpu_percent(&self, over: Duration) -> Result<f64> {
        let (begun, before) = (Instant::now(), self.cpu_seconds()?);
        tokio::time::sleep(over).await;
        let used = self.cpu_seconds()? - before;
        Ok(used / begun.elapsed().as_secs_f64() * 100.0)
    }

    /// CPU time so far of each thread that lives, by its name; threads of one name are added up. In seconds.
    pub fn cpu_by_thread(&self) -> Result<BTreeMap<String, f64>> {
        let mut all = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let dir = task?.path();
            // Nanoseconds on a core come first. A thread may end between listing and reading.
            let (Ok(name), Ok(spent)) = (
                std::fs::read_to_string(dir.join("comm")),
                std::fs::read_to_string(dir.join("schedstat")),
            ) else {
                continue;
            };
            let nanoseconds: u64 = spent
                .split_whitespace()
                .next()
                .and_then(|first| first.parse().ok())
                .context("an odd schedstat")?;
            *all.entry(name.trim().to_owned()).or_default() += nanoseconds as f64 / 1e9;
        }
        Ok(all)
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

/// Time that this process's thread of this name has spent on a core so far, in seconds.
pub fn named_thread_cpu_seconds(name: &str) -> Result<f64> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        // A thread may end while we look. The kernel keeps fifteen bytes of a name.
        let comm = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
        if comm.trim() == &name[..name.len().min(15)] {
            return on_core_seconds(&task);
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

/// Time that a thread of this process has spent on a core so far, in seconds. `task` is its number in /proc.
pub fn thread_cpu_seconds(task: u64) -> Result<f64> {
    on_core_seconds(&Path::new("/proc/self/task").join(task.to_string()))
}

fn on_core_seconds(task: &Path) -> Result<f64> {
    let path = task.join("schedstat");
    let spent = std::fs::read_to_string(&path)
        .with_context(|| format!("{} (this needs Linux)", path.display()))?;
    // Nanoseconds on a core come first.
    let nanoseconds: u64 = spent
        .split_whitespace()
        .next()
        .and_then(|first| first.parse().ok())
        .context("an odd schedstat")?;
    Ok(nanoseconds as f64 / 1e9)
}

fn proc_file(id: u32, name: &str) -> Result<String> {
    let path = format!("/proc/{id}/{name}");
    std::fs::read_to_string(&path).with_context(|| format!("{path} (this needs Linux)"))
}
