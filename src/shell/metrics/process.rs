//! What the operating system says of this process: processor time, memory, files, and what each thread costs.
//!
//! Read from /proc when somebody scrapes, a few dozen small reads (proc(5)); elsewhere than on Linux there is none, and the
//! metrics are absent. Weighed: a crate for it; it would know neither our threads nor the control group's limit.

use super::names::GaugeName;
use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Ticks per second in /proc/*/stat. The kernel's interface fixes it at 100 for every architecture that we build for
/// (USER_HZ, proc(5)); asking for it would need `unsafe`.
const TICKS_PER_S: f64 = 100.0;

/// Threads by the beginning of their name (the kernel keeps 15 octets), and the job that they do.
const JOBS: [(&str, &str); 10] = [
    ("floor", "floor"),
    ("tandem-sip", "sip"),
    ("media", "media"),
    ("store-writer", "store_writer"),
    ("store-hopper", "hopper"),
    ("store-checkpoin", "checkpoint"),
    ("cards", "cards"),
    ("input-log", "input_log"),
    ("rec", "recording"),
    ("shell", "shell"),
];

fn job_of(thread: &str) -> usize {
    JOBS.iter()
        .position(|(name, _)| thread.starts_with(name))
        .unwrap_or(JOBS.len())
}

fn job_name(job: usize) -> &'static str {
    JOBS.get(job).map_or("other", |(_, name)| name)
}

/// What was seen.
pub(super) struct Seen {
    pub(super) cpu_s: f64,
    start_s: Option<f64>,
    resident: Option<f64>,
    virtual_: Option<f64>,
    threads_all: Option<f64>,
    files: Option<f64>,
    files_max: Option<f64>,
    memory_limit: Option<f64>,
    pub(super) threads: Vec<JobSeen>,
}

/// What the threads of one job cost since the start.
pub(super) struct JobSeen {
    pub(super) job: &'static str,
    pub(super) alive: u32,
    pub(super) cpu_s: f64,
    /// Runnable, and no processor was free.
    pub(super) wait_s: f64,
}

impl Seen {
    pub(super) fn gauges(&self) -> [(GaugeName, Option<f64>); 7] {
        [
            (GaugeName::ProcessStart, self.start_s),
            (GaugeName::ProcessMemory, self.resident),
            (GaugeName::ProcessVirtualMemory, self.virtual_),
            (GaugeName::ProcessThreads, self.threads_all),
            (GaugeName::ProcessOpenFiles, self.files),
            (GaugeName::ProcessMaxFiles, self.files_max),
            (GaugeName::EngineMemoryLimit, self.memory_limit),
        ]
    }
}

/// Remembers the threads, so that what ended ones have cost is not lost from the sums.
#[derive(Default)]
pub(super) struct Watch {
    /// Processor and waiting time of each thread at the last look, in nanoseconds.
    threads: BTreeMap<u32, (usize, u64, u64)>,
    spent: [(u64, u64); JOBS.len() + 1],
    /// When the process began, as first computed: the kernel's boot time moves with the clock by a second now and then, and a
    /// start that moves looks like a restart.
    start_s: Option<f64>,
}

impl Watch {
    /// Looks at this process; `None` where there is no /proc.
    pub(super) fn look(&mut self) -> Option<Seen> {
        let proc = Path::new("/proc/self");
        let (ticks, started) = stat(&read_to_string(proc.join("stat")).ok()?)?;
        let status = read_to_string(proc.join("status")).unwrap_or_default();
        if self.start_s.is_none() {
            let boot_s = read_to_string("/proc/stat")
                .ok()
                .and_then(|text| number_after(&text, "btime"));
            self.start_s = boot_s.map(|boot| boot + started as f64 / TICKS_PER_S);
        }
        let limits = read_to_string(proc.join("limits")).unwrap_or_default();
        Some(Seen {
            cpu_s: ticks as f64 / TICKS_PER_S,
            start_s: self.start_s,
            resident: number_after(&status, "VmRSS:").map(|kib| kib * 1024.0),
            virtual_: number_after(&status, "VmSize:").map(|kib| kib * 1024.0),
            threads_all: number_after(&status, "Threads:"),
            files: open_files(&proc.join("fd")),
            files_max: number_after(&limits, "Max open files"),
            memory_limit: memory_limit(),
            threads: self.look_at_threads(&proc.join("task")),
        })
    }

    fn look_at_threads(&mut self, tasks: &Path) -> Vec<JobSeen> {
        let mut alive = [0; JOBS.len() + 1];
        let mut now = BTreeMap::new();
        for task in std::fs::read_dir(tasks).into_iter().flatten().flatten() {
            let path = task.path();
            let id = task.file_name().to_string_lossy().parse();
            let name = read_to_string(path.join("comm"));
            // A thread may end between two reads.
            let (Ok(id), Ok(name), Some((cpu, wait))) = (id, name, thread_times(&path)) else {
                continue;
            };
            let job = job_of(name.trim_end());
            alive[job] += 1;
            let before = self.threads.get(&id).filter(|before| before.0 == job);
            let (_, cpu_before, wait_before) = before.copied().unwrap_or((job, 0, 0));
            self.spent[job].0 += cpu.saturating_sub(cpu_before);
            self.spent[job].1 += wait.saturating_sub(wait_before);
            now.insert(id, (job, cpu, wait));
        }
        self.threads = now;
        (0..=JOBS.len())
            .map(|job| JobSeen {
                job: job_name(job),
                alive: alive[job],
                cpu_s: self.spent[job].0 as f64 / 1e9,
                wait_s: self.spent[job].1 as f64 / 1e9,
            })
            .collect()
    }
}

/// Processor and waiting time of a thread in nanoseconds, from schedstat; where the kernel keeps none, only its ticks.
fn thread_times(task: &Path) -> Option<(u64, u64)> {
    let precise = read_to_string(task.join("schedstat"))
        .ok()
        .and_then(|text| {
            let mut words = text.split_whitespace().map(str::parse);
            Some((words.next()?.ok()?, words.next()?.ok()?))
        });
    precise.or_else(|| {
        let (ticks, _) = stat(&read_to_string(task.join("stat")).ok()?)?;
        Some((ticks * (1_000_000_000 / TICKS_PER_S as u64), 0))
    })
}

/// Ticks of processor time, and the tick after boot at which it started. The name in brackets may hold anything.
fn stat(text: &str) -> Option<(u64, u64)> {
    let (_, after) = text.rsplit_once(')')?;
    let words: Vec<&str> = after.split_whitespace().collect();
    // Fields 14, 15 and 22 of proc(5); the first word here is field 3.
    let field = |number: usize| words.get(number - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(15)?, field(22)?))
}

/// The first number behind a key at the beginning of a line.
fn number_after(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    line[key.len()..].split_whitespace().next()?.parse().ok()
}

/// Open files. Since Linux 6.2 the directory's size is their number; before, they are counted.
fn open_files(fd: &Path) -> Option<f64> {
    match std::fs::metadata(fd) {
        Ok(folder) if folder.len() > 0 => Some(folder.len() as f64),
        // Reading the directory opened one more.
        _ => Some(std::fs::read_dir(fd).ok()?.count().saturating_sub(1) as f64),
    }
}

/// The least of the machine's memory and of what this process's control groups allow, in bytes.
fn memory_limit() -> Option<f64> {
    let machine = read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| number_after(&text, "MemTotal:"))
        .map(|kib| kib * 1024.0);
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    group_files(&groups)
        .into_iter()
        .filter_map(|file| read_to_string(file).ok()?.trim().parse::<f64>().ok())
        .chain(machine)
        .reduce(f64::min)
}

/// Files that may hold a limit: of the group and of every group above it (cgroups(7), versions 2 and 1).
fn group_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let inside = Path::new(path.trim_start_matches('/'));
        files.extend(
            inside
                .ancestors()
                .map(|group| Path::new(root).join(group).join(name)),
        );
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let text = "7 (a) b) c) S 1 7 7 0 -1 4194560 9 0 0 0 123 45 0 0 20 0 12 0 6789 1000 500 1";
        assert_eq!(stat(text), Some((168, 6_789)));
        assert_eq!(stat("7 (cut"), None);
        assert_eq!(stat("7 (cut) S 1 2"), None);
    }

    #[test]
    fn numbers_stand_behind_their_keys() {
        let text =
            "VmRSSx:\t 9 kB\nVmRSS:\t  2048 kB\nMax open files            1024   524288 files\n";
        assert_eq!(number_after(text, "VmRSS:"), Some(2_048.0));
        assert_eq!(number_after(text, "Max open files"), Some(1_024.0));
        assert_eq!(number_after(text, "Threads:"), None);
        assert_eq!(
            number_after("Max open files unlimited", "Max open files"),
            None
        );
    }

    #[test]
    fn limits_are_looked_for_in_the_group_and_above_it() {
        let files = group_files("9:cpu:/x\n4:memory,hugetlb:/a/b\n0::/c\nbroken\n");
        let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/c/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
    }

    #[test]
    fn a_thread_is_known_by_its_job_and_what_it_cost_stays_when_it_ends() {
        let mut watch = Watch::default();
        let (work, worked) = std::sync::mpsc::channel::<()>();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                let mut sum = 0_u64;
                for number in 0..3_000_000_u64 {
                    sum = std::hint::black_box(sum.wrapping_add(number));
                }
                work.send(()).unwrap();
                let _ = ended.recv();
            })
            .unwrap();
        worked.recv().unwrap();
        let of = |seen: &Seen| {
            let job = seen
                .threads
                .iter()
                .find(|thread| thread.job == "checkpoint");
            job.map(|thread| (thread.alive, thread.cpu_s)).unwrap()
        };
        let during = watch.look().expect("these tests run on Linux");
        let (alive, cost) = of(&during);
        assert!(alive >= 1 && cost > 0.0, "{alive} alive, {cost} s");
        assert!(during.resident > Some(1e6) && during.files > Some(2.0));
        assert!(during.memory_limit >= during.resident && during.files_max >= during.files);
        assert!(during.start_s > Some(1.6e9), "{:?}", during.start_s);
        drop(end);
        thread.join().unwrap();
        let (_, cost_after) = of(&watch.look().unwrap());
        assert!(cost_after >= cost);
    }
}
