//! The start of a shift: agents log in one after the other while calls are going on. How long each waits for READY, what a
//! log-in costs, and whether the cards of those who work already come later for it.

use super::crew::{Crew, WhenLost};
use super::stage::{CYCLE_S, Running, SETTLE, Setting, Span, Stage};
use crate::frame::report::{Goal, Report};
use crate::frame::stats::quantile;
use anyhow::{Result, ensure};
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// Longest wait for the last one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Options of this scenario.
#[derive(clap::Args)]
pub struct RampArgs {
    /// Agents at the end
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    agents: u32,
    /// Of these, agents who work before the shift begins
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    first: u32,
    /// The others log in within so many seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    over: u64,
    /// Answered calls per second, all the time
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    per_second: u32,
    /// Length of the spans before and after it, in seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// Runs the scenario.
pub async fn measure(args: &RampArgs, dir: &Path) -> Result<Report> {
    ensure!(args.first < args.agents, "--first must be below --agents");
    ensure!(
        f64::from(args.per_second) * CYCLE_S <= f64::from(args.first),
        "{} agents are too few for {} answers a second",
        args.first,
        args.per_second
    );
    let around = Duration::from_secs(args.seconds);
    let over = Duration::from_secs(args.over);
    let mut stage = Stage::open(
        dir,
        Setting {
            agents: args.agents,
            per_second: args.per_second,
            calls_for: around * 2 + over + SETTLE * 2,
        },
    )?;
    let mut crew = Crew::new(stage.bed.agent_url(), args.agents, WhenLost::Fault);
    let mut rest = std::mem::take(&mut stage.logins);
    let newcomers = rest.split_off(args.first as usize);
    let joining = newcomers.len() as u64;
    crew.enter(rest, Duration::ZERO);
    crew.arrivals(args.first.into(), PATIENCE).await?;
    sleep(SETTLE).await;
    stage.start_calls().await?;
    sleep(Duration::from_secs(2)).await;

    let before = Running::over(&stage, around).await?;
    crew.seen.take_to_ready_ms();
    // The whole of it by the process's own count: threads that check log-ins come and go.
    let engine_before = stage.engine.cpu_seconds()?;
    crew.enter(newcomers, over / joining.max(1) as u32);
    let during = Running::over(&stage, over).await?;
    crew.arrivals(u64::from(args.agents), PATIENCE).await?;
    let engine_during = stage.engine.cpu_seconds()? - engine_before;
    let mut to_ready = crew.seen.take_to_ready_ms();
    sleep(SETTLE).await;
    let after = Running::over(&stage, around).await?;

    stage.end_calls(&crew.seen, args.agents).await?;
    crew.check()?;
    stage.check_books(args.agents).await?;
    stage.check_results().await?;
    let cards = crew.seen.take_cards();
    let mut spans = Vec::new();
    for running in [before, during, after] {
        let share = running.engine_share();
        spans.push((running.end(&stage, &cards)?, share));
    }
    crew.leave(Duration::from_secs(60)).await?;
    Ok(told(args, &mut to_ready, engine_during, &spans))
}

fn told(
    args: &RampArgs,
    to_ready: &mut [f64],
    engine_during: f64,
    spans: &[(Span, f64)],
) -> Report {
    let what = format!(
        "{} agents log in over {} s, {} were there before; {} answers a second all the time; one run",
        args.agents - args.first,
        args.over,
        args.first,
        args.per_second
    );
    let mut report = Report::new("ramp", what);
    report.figure(
        "to_ready_p50_ms",
        "from the first packet to READY, p50",
        quantile(to_ready, 0.5),
        "ms",
    );
    report.goal(
        "to_ready_p99_ms",
        "p99",
        quantile(to_ready, 0.99),
        "ms",
        Goal::AtMost(200.0),
    );
    report.figure("to_ready_max_ms", "slowest", quantile(to_ready, 1.0), "ms");
    // Calls and pings go on meanwhile; both spans around it have them too, and agents grow evenly between.
    let others = (spans[0].1 + spans[2].1) / 2.0 * spans[1].0.length.as_secs_f64();
    report.figure(
        "cpu_per_login_us",
        "engine's CPU for each log-in, without calls and pings",
        (engine_during - others) / to_ready.len().max(1) as f64 * 1e6,
        "us",
    );
    for ((span, share), name) in spans.iter().zip(["before", "during", "after"]) {
        for (quantile_name, share) in [("p50", 0.5), ("p99", 0.99)] {
            report.figure(
                &format!("{name}_{quantile_name}_ms"),
                &format!("answer to card {name} it, {quantile_name}"),
                quantile(&mut span.latencies_ms.clone(), share),
                "ms",
            );
        }
        report.figure(
            &format!("{name}_cpu_percent"),
            &format!("engine's CPU {name} it"),
            share * 100.0,
            "% of a core",
        );
        report.figure(
            &format!("{name}_answers"),
            &format!("answers {name} it"),
            span.answers.len() as f64,
            "",
        );
    }
    let p99 = |place: usize| quantile(&mut spans[place].0.latencies_ms.clone(), 0.99);
    report.goal(
        "p99_ratio",
        "answer to card p99 during it over before it",
        p99(1) / p99(0),
        "times",
        Goal::AtMost(2.0),
    );
    report.figure(
        "far_end_cpu_percent",
        "far end's CPU during it",
        spans[1].0.cpu.far_end / spans[1].0.length.as_secs_f64() * 100.0,
        "% of a core",
    );
    report.figure(
        "clients_cpu_percent",
        "agents' clients' CPU during it",
        spans[1].0.cpu.clients / spans[1].0.length.as_secs_f64() * 100.0,
        "% of a core",
    );
    report
}
