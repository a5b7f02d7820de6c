//! Conversations: what each keeps in memory while it lasts, that it is given back, and that no call takes a thread.

use super::books;
use super::engine::{Engine, Load};
use super::sipp::{self, Sipp};
use crate::frame::report::{Goal, Report};
use anyhow::Result;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;
use tandem::demo::agents::Habits;
use tokio::time::sleep;

/// A twentieth of what Asterisk 22 keeps for a live call: 206 kB.
const RSS_KIB_MAX: f64 = 10.3 * 1_000.0 / 1_024.0;
/// How long the engine keeps an ended call for copies of its messages.
const ABSORBED: Duration = Duration::from_secs(34);

/// Options of this scenario.
#[derive(clap::Args)]
pub struct LiveArgs {
    /// Conversations at once; each needs an agent
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=5_000))]
    calls: u32,
    /// Calls made per second until they all are up
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=250))]
    rate: u32,
    /// Turns: the first one shows also what is kept for good
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=5))]
    rounds: u32,
}

/// Resident memory and threads.
struct State {
    kib: f64,
    threads: f64,
}

fn state(engine: &Engine) -> Result<State> {
    Ok(State {
        kib: engine.process.resident_kib()? as f64,
        threads: engine.process.threads()? as f64,
    })
}

/// Runs the scenario.
pub async fn measure(args: &LiveArgs, dir: &Path) -> Result<Report> {
    let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ramp = Duration::from_secs(u64::from(args.calls / args.rate) + 5);
    // The first call is to stand until the last one has been up for a while.
    let talk = ramp * 2 + Duration::from_secs(30);
    let far = Sipp::far_end(dir, &sipp::answers(talk, sink.local_addr()?)).await?;
    let load = Load {
        lanes: 1,
        cps: args.rate,
        lines: args.calls,
        mode: "",
        ring_timeout: Duration::from_secs(25),
        agents: args.calls,
        habits: Habits {
            // The far end hangs up, never the agent.
            talk_mean_s: 36_000.0,
            talk_cv: 0.1,
            wrap_mean_s: 1.0,
            expand_share: 0.0,
            break_share: 0.0,
            ..Habits::default()
        },
        leads: u64::from(args.calls * args.rounds) * 2,
    };
    let engine = Engine::start(dir, load, far.address).await?;
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        let before = state(&engine)?;
        engine.dial().await?;
        let calls = args.calls;
        engine
            .wait("all conversations stand", ramp * 2, move |picture| {
                picture.campaigns.iter().map(|all| all.talking).sum::<u32>() == calls
            })
            .await?;
        engine.pause().await?;
        sleep(Duration::from_secs(10)).await;
        let during = state(&engine)?;
        engine.drained(talk + Duration::from_secs(60)).await?;
        sleep(ABSORBED).await;
        rounds.push((before, during, state(&engine)?));
    }

    let what = format!(
        "{} conversations at once, {} turns",
        args.calls, args.rounds
    );
    let mut report = Report::new("live", what);
    let last = rounds.len();
    for (number, (before, during, after)) in rounds.iter().enumerate() {
        let turn = number + 1;
        let each = (during.kib - before.kib) / f64::from(args.calls);
        report.figure(
            &format!("rss_before_{turn}_kib"),
            &format!("turn {turn}: resident memory before"),
            before.kib,
            "KiB",
        );
        report.figure(
            &format!("rss_during_{turn}_kib"),
            "  with all conversations",
            during.kib,
            "KiB",
        );
        report.figure(
            &format!("rss_after_{turn}_kib"),
            "  when all are forgotten",
            after.kib,
            "KiB",
        );
        let words = "  for each conversation";
        let key = format!("rss_per_live_call_{turn}_kib");
        // The first turn pays for what is used again by every later one.
        if turn == 1 {
            report.goal(&key, words, each, "KiB", Goal::AtMost(RSS_KIB_MAX));
        } else {
            report.figure(&key, words, each, "KiB");
        }
        if turn == last {
            report.goal(
                "threads_more",
                "threads more with conversations than without",
                during.threads - before.threads,
                "",
                Goal::AtMost(0.0),
            );
        }
    }
    if let [(_, _, first), .., (_, _, last)] = rounds.as_slice() {
        let grown = (last.kib - first.kib) / f64::from(args.calls * (args.rounds - 1));
        report.goal(
            "kept_per_call_kib",
            "kept for good for each later call",
            grown,
            "KiB",
            Goal::AtMost(0.5),
        );
    }
    books::compare(&mut report, &engine, &far, 0, &["CONNECTED"]).await?;
    Ok(report)
}
