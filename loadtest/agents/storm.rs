//! The engine is killed at work and started again, and the whole floor comes back at the same moment.
//!
//! Clients do what docs/agent-protocol.md asks of them: a random wait of 0.2 to 1 s, doubling to 10 s, then `hello` with the
//! session they had. Afterwards calls must go on as if nothing had been, and no agent may be in two states.

use super::crew::{Crew, WhenLost};
use super::stage::{CYCLE_S, Running, SETTLE, Setting, Stage, seat_all};
use crate::frame::process::cpu_seconds;
use crate::frame::report::{Goal, Report};
use crate::frame::stats::quantile;
use anyhow::{Result, ensure};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Longest wait for the last one.
const PATIENCE: Duration = Duration::from_secs(120);

/// Options of this scenario.
#[derive(clap::Args)]
pub struct StormArgs {
    /// Agents
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    agents: u32,
    /// Answered calls per second before the kill, and again afterwards
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    per_second: u32,
    /// How long calls go on before the kill, and again afterwards
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// Runs the scenario.
pub async fn measure(args: &StormArgs, dir: &Path) -> Result<Report> {
    let agents = args.agents;
    ensure!(
        f64::from(args.per_second) * CYCLE_S <= f64::from(agents),
        "{agents} agents are too few for {} answers a second",
        args.per_second
    );
    let calls_for = Duration::from_secs(args.seconds);
    let mut stage = Stage::open(
        dir,
        Setting {
            agents,
            per_second: args.per_second,
            calls_for: calls_for * 2 + Duration::from_secs(10),
        },
    )?;
    let mut crew = Crew::new(stage.bed.agent_url(), agents, WhenLost::ComeBack);
    seat_all(&mut stage, &mut crew).await?;
    stage.start_calls().await?;
    sleep(calls_for).await;

    let seen = crew.seen.clone();
    let (pings, tries) = (seen.pings.load(Relaxed), seen.failed_tries.load(Relaxed));
    seen.take_to_ready_ms();
    seen.take_cards();
    let clients_before = cpu_seconds(std::process::id())?;
    // On a thread that may wait: meanwhile the clients must find out and knock.
    let (gone, ready, stage) = tokio::task::spawn_blocking(move || {
        let (gone, ready) = stage.kill_and_restart()?;
        Ok::<_, anyhow::Error>((gone, ready, stage))
    })
    .await??;
    crew.arrivals(u64::from(agents) * 2, PATIENCE).await?;
    let all_ready = Instant::now();
    let engine_cpu = stage.engine.cpu_seconds()?;
    let clients_cpu = cpu_seconds(std::process::id())? - clients_before;
    let mut to_ready = seen.take_to_ready_ms();
    // Outcomes that were under way when it was killed have no answer; the store is asked about them by loadtest/kills.sh.
    let open = seen.outcomes.load(Relaxed) - seen.saved.load(Relaxed);
    seen.forget_open_outcomes();
    let refused = seen.failed_tries.load(Relaxed) - tries;
    sleep(SETTLE).await;
    crew.check()?;
    stage.check_books(agents).await?;
    let rss = stage.engine.resident_kib()?;

    stage.start_calls().await?;
    sleep(Duration::from_secs(2)).await;
    let running = Running::over(&stage, calls_for).await?;
    stage.end_calls(&seen, agents).await?;
    crew.check()?;
    stage.check_books(agents).await?;
    stage.check_results().await?;
    let mut span = running.end(&stage, &seen.take_cards())?;
    let (resumed, welcomed) = (seen.resumed.load(Relaxed), seen.welcomed.load(Relaxed));
    ensure!(
        resumed + welcomed >= u64::from(agents) * 2,
        "{resumed} resumed and {welcomed} new sessions for {agents} agents twice"
    );
    crew.leave(Duration::from_secs(60)).await?;

    let what = format!(
        "{agents} agents, {} answers a second; the engine is killed and started again; one run",
        args.per_second
    );
    let mut report = Report::new("storm", what);
    let ms = |span: Duration| span.as_secs_f64() * 1e3;
    report.figure(
        "engine_back_ms",
        "from the kill until the engine is ready again",
        ms(ready - gone),
        "ms",
    );
    report.goal(
        "all_ready_ms",
        "from there until all agents are READY",
        ms(all_ready.saturating_duration_since(ready)),
        "ms",
        Goal::AtMost(5_000.0),
    );
    for (name, words, share) in [
        ("to_ready_p50_ms", "from a socket's loss to READY, p50", 0.5),
        ("to_ready_p99_ms", "p99", 0.99),
        ("to_ready_max_ms", "slowest", 1.0),
    ] {
        report.figure(name, words, quantile(&mut to_ready, share), "ms");
    }
    report.figure(
        "failed_tries",
        "tries before the engine was there, or refused by it",
        refused as f64,
        "",
    );
    report.figure(
        "sessions_new",
        "new sessions (the old ones died with the engine)",
        (welcomed - u64::from(agents)) as f64,
        "",
    );
    report.figure(
        "open_outcomes",
        "outcomes under way at the kill",
        open as f64,
        "",
    );
    report.figure(
        "engine_cpu_ms",
        "engine's CPU from its start until all were READY",
        engine_cpu * 1e3,
        "ms",
    );
    report.figure(
        "clients_cpu_ms",
        "agents' clients' and far end's meanwhile",
        clients_cpu * 1e3,
        "ms",
    );
    report.figure("rss_kib", "engine's memory then", rss as f64, "KiB");
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        report.figure(
            &format!("after_{name}_ms"),
            &format!("answer to card afterwards, {name}"),
            quantile(&mut span.latencies_ms, share),
            "ms",
        );
    }
    report.figure(
        "pings",
        "pings answered until the end",
        (seen.pings.load(Relaxed) - pings) as f64,
        "",
    );
    Ok(report)
}
