//! Calls that are answered at once and ended by the far end without a word: what signalling, matching, the card and the
//! outcome cost together, beside SIPp as caller of the same flow.

use super::books;
use super::engine::{Engine, Load};
use super::invites::latencies;
use super::rounds::{self, Contest};
use super::sipp::{self, Sipp};
use crate::frame::report::{Goal, Report};
use crate::frame::stats::median;
use anyhow::Result;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;
use tandem::demo::agents::Habits;

/// A fifteenth of what Asterisk 22 as originator costs for a call: 3.2 ms (docs/performance.md).
const CPU_US_MAX: f64 = 213.0;

/// Options of this scenario.
#[derive(clap::Args)]
pub struct AnsweredArgs {
    /// Answered calls per second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// Turns of the engine and of SIPp, alternating
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// How long calls are started in each turn
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=600))]
    seconds: u64,
    /// What one bare websocket push of a card costs on this machine, in microseconds; 0: only the sum without it is told
    #[arg(long, default_value_t = 0.0)]
    push_us: f64,
}

/// Agents who are quick: they say what came of a call as soon as it is over.
fn quick() -> Habits {
    Habits {
        talk_mean_s: 60.0,
        wrap_mean_s: 0.05,
        paint_mean_s: 0.01,
        expand_share: 0.0,
        break_share: 0.0,
        ..Habits::default()
    }
}

/// Runs the scenario.
pub async fn measure(args: &AnsweredArgs, dir: &Path) -> Result<Report> {
    // Nobody reads it: what does not fit is dropped by the kernel, as voice for nobody.
    let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let scenario = sipp::answers(Duration::ZERO, sink.local_addr()?);
    let far = Sipp::far_end(dir, &scenario).await?;
    let load = Load {
        lanes: 1,
        cps: args.rate,
        lines: 2_000,
        mode: "",
        ring_timeout: Duration::from_secs(25),
        agents: (args.rate / 2).max(10),
        habits: quick(),
        leads: (u64::from(args.rounds) * (args.seconds + 2) + 10) * u64::from(args.rate),
    };
    let engine = Engine::start(dir, load, far.address).await?;
    let before = engine.scrape().await?;
    let caller = sipp::answers_caller();
    let contest = Contest {
        dir,
        engine: &engine,
        far: &far,
        caller: &caller,
        rate: args.rate,
        dial: Duration::from_secs(args.seconds),
        end: Duration::from_secs(60),
    };
    let rounds = contest.rounds(args.rounds, async || Ok(())).await?;
    let calls_of_sipp = rounds.iter().map(|round| round.caller_calls).sum();

    let what = format!(
        "{} answered calls/s, no talk, an outcome for each, {} agents; {} rounds of {} s",
        args.rate,
        engine.agents(),
        args.rounds,
        args.seconds
    );
    let mut report = Report::new(&format!("answered-{}", args.rate), what);
    let of = |value: fn(&rounds::Round) -> f64| -> Vec<f64> { rounds.iter().map(value).collect() };
    let engine_us = median(&of(|round| round.engine_us));
    report.goal(
        "cpu_per_answered_call_us",
        "CPU time of the engine for an answered call",
        engine_us,
        "us",
        Goal::AtMost(CPU_US_MAX),
    );
    let bar = median(&of(|round| round.caller_us)) * 3.0 + args.push_us;
    if args.push_us > 0.0 {
        report.goal(
            "cpu_by_bar",
            "by three times SIPp and one bare push",
            engine_us / bar,
            "times",
            Goal::AtMost(1.0),
        );
    } else {
        report.figure(
            "three_times_sipp_us",
            "three times SIPp, without a push",
            bar,
            "us",
        );
    }
    rounds::report(&mut report, &rounds, 3.0);
    let allowed = ["CONNECTED", "CUST_HANGUP_EARLY"];
    let after = books::compare(&mut report, &engine, &far, calls_of_sipp, &allowed).await?;
    latencies(&mut report, &engine, &before, &after).await?;
    Ok(report)
}
