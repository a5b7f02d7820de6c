//! What the kernel allows: open files, socket buffers, backlogs; and whether memory and cores are enough for the floor.

use super::{Case, Finding, OPEN_FILES_WANTED, sysctl};
use std::path::Path;

/// Buffer of the SIP socket in octets, as the engine asks for it.
const SOCKET_OCTETS: u64 = 4 << 20;
/// Connections that wait for the desks to take them, as the engine asks for it: a whole floor comes back at one moment.
const BACKLOG: u64 = 1_024;
/// Descriptors beside agents and calls: API connections, the store and its readers, logs, polls.
const OPEN_FILES_BESIDE: u64 = 256;

/// What the engine takes, by docs/performance.md with room: to begin with, for an agent, for a call, for a lead in the hot window.
const MEMORY_BASE: u64 = 128 << 20;
const MEMORY_AGENT: u64 = 32 << 10;
const MEMORY_CALL: u64 = 32 << 10;
const MEMORY_LEAD: u64 = 8 << 10;

pub(super) fn check(case: &Case<'_>, agents: u64) -> Vec<Finding> {
    let mut found = vec![open_files(case, agents)];
    found.extend(buffers());
    found.extend(backlog());
    found.push(memory(case, agents));
    found.push(cores(case));
    found
}

fn open_files(case: &Case<'_>, agents: u64) -> Finding {
    const CHECK: &str = "open_files";
    let needed = agents + case.calls_max() + OPEN_FILES_BESIDE;
    // The engine raises the soft limit by itself, as far as the hard one lets it; so has this process.
    let Ok((soft, hard)) = rlimit::Resource::NOFILE.get() else {
        return Finding::warning(
            CHECK,
            "the limit of open files cannot be told",
            format!("see that it is at least {needed}"),
        );
    };
    let what = format!(
        "{soft} (hard limit {hard}) for {agents} agents, {} calls and {OPEN_FILES_BESIDE} beside them",
        case.calls_max()
    );
    if soft >= needed {
        Finding::ok(CHECK, what)
    } else {
        let wanted = needed.next_power_of_two().max(OPEN_FILES_WANTED);
        Finding::fault(
            CHECK,
            what,
            format!(
                "LimitNOFILE={wanted} in the unit, or `ulimit -n {wanted}`: agents could not log in, calls get no port"
            ),
        )
    }
}

fn figure(name: &str) -> Option<u64> {
    sysctl(name)?.parse().ok()
}

fn buffers() -> Vec<Finding> {
    ["net.core.rmem_max", "net.core.wmem_max"]
        .into_iter()
        .filter_map(|name| Some((name, figure(name)?)))
        .map(|(name, most)| {
            const CHECK: &str = "socket_buffers";
            if most >= SOCKET_OCTETS {
                return Finding::ok(CHECK, format!("{name} is {most}"));
            }
            // An INVITE's answers are about 1 KB each, and the kernel counts its own overhead.
            Finding::warning(
                CHECK,
                format!(
                    "{name} is {most}, SIP asks for {SOCKET_OCTETS}: a burst of more than some {} messages is lost",
                    most / 1_024
                ),
                format!("sysctl -w {name}={SOCKET_OCTETS}"),
            )
        })
        .collect()
}

fn backlog() -> Option<Finding> {
    const CHECK: &str = "backlog";
    const NAME: &str = "net.core.somaxconn";
    let most = figure(NAME)?;
    Some(if most >= BACKLOG {
        Finding::ok(CHECK, format!("{NAME} is {most}"))
    } else {
        Finding::warning(
            CHECK,
            format!(
                "{NAME} is {most}: when all agents come back at once, some connections wait a second or more"
            ),
            format!("sysctl -w {NAME}={BACKLOG}"),
        )
    })
}

fn memory(case: &Case<'_>, agents: u64) -> Finding {
    const CHECK: &str = "memory";
    let config = case.config;
    let leads = u64::from(config.floor.hot_leads) * config.campaigns.len() as u64;
    let needed =
        MEMORY_BASE + agents * MEMORY_AGENT + case.calls_max() * MEMORY_CALL + leads * MEMORY_LEAD;
    let megabytes = |octets: u64| octets >> 20;
    let Some((room, of)) = available() else {
        return Finding::warning(
            CHECK,
            "free memory cannot be told",
            format!("see that {} MB are free", megabytes(needed)),
        );
    };
    let what = format!(
        "about {} MB for {agents} agents, {} calls and {leads} leads in memory; {} MB are free {of}",
        megabytes(needed),
        case.calls_max(),
        megabytes(room)
    );
    // An engine that runs has its part already.
    if room >= needed * 2 || case.running.is_some() {
        Finding::ok(CHECK, what)
    } else if room >= needed {
        Finding::warning(
            CHECK,
            what,
            "more memory, or a lower floor.hot_leads: the store's cache wants room too",
        )
    } else {
        Finding::fault(CHECK, what, "more memory, or a lower floor.hot_leads")
    }
}

/// Octets that may still be taken, and by whose word: the machine's, or the limit of our control group.
fn available() -> Option<(u64, &'static str)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let machine = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kilobytes| kilobytes.parse::<u64>().ok())?
        << 10;
    match group_room() {
        Some(group) if group < machine => Some((group, "in this control group")),
        _ => Some((machine, "on this machine")),
    }
}

fn group_room() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = Path::new("/sys/fs/cgroup").join(own);
    let figure = |file: &str| -> Option<u64> {
        std::fs::read_to_string(folder.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    Some(figure("memory.max")?.saturating_sub(figure("memory.current")?))
}

fn cores(case: &Case<'_>) -> Finding {
    const CHECK: &str = "cores";
    let Ok(cores) = std::thread::available_parallelism() else {
        return Finding::warning(
            CHECK,
            "the number of cores cannot be told",
            "two at least: the floor and the voice must not wait for each other",
        );
    };
    // docs/performance.md: RTP of 2,000 calls takes about 1.5 cores; the floor, SIP and the store together less than one.
    let calls = case.calls_max();
    let needed = 2.max(1 + (calls * 3).div_ceil(4_000));
    let what = format!("{cores} for {calls} calls at once");
    if cores.get() as u64 >= needed {
        Finding::ok(CHECK, what)
    } else {
        Finding::warning(
            CHECK,
            what,
            format!("{needed} cores (docs/performance.md), or fewer channels: voice is cut first"),
        )
    }
}
