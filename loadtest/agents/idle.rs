//! What idle agents cost: the real engine as a process of its own, and thousands of desks that are ready and get no call.
//!
//! A socket that is lost, an agent who is not ready at the end and a call nobody asked for are failures, not noise.

use super::crew::{Crew, WhenLost};
use crate::frame::bed::{Bed, allow_open_files, free, rtp_ports};
use crate::frame::process::Process;
use crate::frame::report::{Goal, Report};
use crate::log_of;
use anyhow::{Result, ensure};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tandem::config::Config;
use tandem::shell::api::PictureView;
use tandem::shell::api::client::ApiClient;
use tokio::time::sleep;

const CAMPAIGN: &str = "IDLE";
/// Longest wait until all are in, and until all are out.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a start and a rush of log-ins leave behind must be gone before anything is measured: the runtime keeps a thread that
/// checked a log-in for ten seconds.
const SETTLE: Duration = Duration::from_secs(15);

/// Options of this scenario.
#[derive(clap::Args)]
pub struct IdleArgs {
    /// Agents, each with a socket of its own
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    agents: u32,
    /// How long CPU time is counted, without agents and then with them
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

async fn picture(config: &Config) -> Result<PictureView> {
    let client = ApiClient::of(config)?;
    Ok(tokio::task::spawn_blocking(move || client.picture()).await??)
}

/// What the engine's memory was at one point.
struct Memory {
    resident: f64,
    anonymous: f64,
}

impl Memory {
    fn of(engine: &Process) -> Result<Memory> {
        Ok(Memory {
            resident: engine.resident_kib()? as f64,
            anonymous: engine.anonymous_kib()? as f64,
        })
    }
}

/// Runs the scenario.
pub async fn measure(args: &IdleArgs, dir: &Path) -> Result<Report> {
    allow_open_files(args.agents)?;
    let [carrier] = free()?;
    let room = (args.agents * 2).max(4_096);
    // A running campaign without leads, on a trunk that is up.
    let bed = Bed::make_with(
        dir,
        "",
        &format!("sockets_max = {room}"),
        &format!(
            "{rtp}[[trunks]]\nname = \"carrier\"\naddress = \"{carrier}\"\n\
             [[campaigns]]\nname = \"{CAMPAIGN}\"\ncaller_id = \"+842873000000\"\nstate = \"running\"\n",
            rtp = rtp_ports()
        ),
    )?;
    let logins = bed.add_agents(CAMPAIGN, args.agents)?;
    let again = logins.clone();
    let listen = carrier.to_string();
    let words = ["carrier", "--listen", &listen, "--until-stdin-closes"];
    let _carrier = Process::tandem(&words, "\"ready\"", &log_of(dir, "carrier"))?;
    let words = ["serve", bed.path_str()?, "--until-stdin-closes"];
    let engine = Process::tandem(&words, "ready:", &log_of(dir, "engine"))?;
    let over = Duration::from_secs(args.seconds);
    sleep(SETTLE).await;
    let before = Memory::of(&engine)?;
    let cpu_before = engine.cpu_percent(over).await?;

    let mut crew = Crew::new(bed.agent_url(), args.agents, WhenLost::Fault);
    let begun = Instant::now();
    crew.enter(logins, Duration::ZERO);
    crew.arrivals(args.agents.into(), PATIENCE).await?;
    let all_ready = begun.elapsed();
    sleep(SETTLE).await;
    let pings_before = crew.seen.pings.load(Ordering::Relaxed);
    let cpu_after = engine.cpu_percent(over).await?;
    let answered = crew.seen.pings.load(Ordering::Relaxed) - pings_before;
    let with = Memory::of(&engine)?;

    crew.check()?;
    ensure!(
        crew.seen.take_cards().is_empty(),
        "an idle agent got a card"
    );
    let agents = picture(&bed.config).await?.agents;
    ensure!(
        agents.get("ready") == Some(&args.agents),
        "of {} agents there are {agents:?}",
        args.agents
    );
    crew.leave(PATIENCE).await?;
    sleep(SETTLE).await;
    let left = Memory::of(&engine)?;
    let agents = picture(&bed.config).await?.agents;
    ensure!(
        agents
            .iter()
            .all(|(state, count)| state == "offline" || *count == 0),
        "everybody logged out, and there are {agents:?}"
    );

    // The allocator keeps pages for the next shift: what a second one adds is what was lost.
    let mut crew = Crew::new(bed.agent_url(), args.agents, WhenLost::Fault);
    crew.enter(again, Duration::ZERO);
    crew.arrivals(args.agents.into(), PATIENCE).await?;
    sleep(SETTLE).await;
    let second = Memory::of(&engine)?;
    crew.check()?;
    crew.leave(PATIENCE).await?;

    let what = format!(
        "{} agents, ready and idle; CPU time over {} s, once",
        args.agents, args.seconds
    );
    let mut report = Report::new("idle", what);
    for (key, words, memory) in [
        ("before", "without agents", &before),
        ("after", "with agents", &with),
        ("left", "after they logged out", &left),
        ("second", "with them logged in again", &second),
    ] {
        report.figure(
            &format!("rss_{key}_kib"),
            &format!("resident memory {words}"),
            memory.resident,
            "KiB",
        );
        report.figure(
            &format!("rss_{key}_anonymous_kib"),
            "of that, heap and stacks",
            memory.anonymous,
            "KiB",
        );
    }
    report.goal(
        "rss_per_agent_kib",
        "for each agent (KiB of 1,024 bytes)",
        (with.resident - before.resident) / f64::from(args.agents),
        "KiB",
        Goal::AtMost(12.0),
    );
    let taken = with.resident - before.resident;
    report.figure(
        "rss_given_back_share",
        "of what they took, given back",
        (with.resident - left.resident) / taken.max(1.0) * 100.0,
        "%",
    );
    report.figure(
        "cpu_before_percent",
        "CPU time without agents",
        cpu_before,
        "% of a core",
    );
    report.goal(
        "rss_second_over_first",
        "memory with the second shift over that with the first",
        second.resident / with.resident,
        "times",
        Goal::AtMost(1.05),
    );
    let cpu_words = "CPU time with agents";
    if args.agents <= 2_000 {
        report.goal(
            "cpu_after_percent",
            cpu_words,
            cpu_after,
            "% of a core",
            Goal::AtMost(3.0),
        );
    } else {
        report.figure("cpu_after_percent", cpu_words, cpu_after, "% of a core");
    }
    report.figure(
        "pings_answered",
        "pings answered meanwhile",
        answered as f64,
        "",
    );
    report.figure(
        "all_ready_ms",
        "all READY after",
        all_ready.as_millis() as f64,
        "ms",
    );
    Ok(report)
}
