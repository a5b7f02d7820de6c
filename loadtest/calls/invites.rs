//! Calls that nobody answers, as most are: what each costs beside SIPp, what it keeps in memory, and that none goes wrong.
//!
//! Half of them ring until the engine cancels them, the others are refused after a while (three of five busy, two of five
//! unavailable).

use super::engine::{Engine, Load};
use super::rounds::{self, Contest};
use super::sipp::{self, Sipp};
use super::{books, metrics::Scrape};
use crate::frame::report::{Goal, Report};
use anyhow::Result;
use std::path::Path;
use std::time::{Duration, Instant};
use tandem::demo::agents::Habits;
use tokio::time::sleep;

/// Share of calls that are refused.
const REFUSED: f64 = 0.5;
/// Lines that an agent's presence carries in these campaigns: what the configuration allows at most.
const LINES_PER_AGENT: u32 = 100;
/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// How long the engine keeps an ended call for copies of its messages.
const ABSORBED: Duration = Duration::from_secs(34);

/// Options of this scenario.
#[derive(clap::Args)]
pub struct InvitesArgs {
    /// INVITEs per second
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// Turns of the engine and of SIPp, alternating
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=50))]
    rounds: u32,
    /// How long calls are started in each turn
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=120))]
    seconds: u64,
    /// A steady run of the engine behind the turns
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=120))]
    minutes: u64,
    /// Calls that ring at once, at most
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(10..=6_000))]
    ringing: u32,
}

/// How long calls ring.
#[derive(Clone, Copy)]
struct Ringing {
    /// Until the engine cancels.
    timeout: Duration,
    /// Until the far end refuses.
    refused_after: Duration,
}

impl Ringing {
    /// About `ringing` calls at once at this rate, within what people and carriers do: 5 to 25 s.
    fn of(rate: u32, ringing: u32) -> Ringing {
        let mean = f64::from(ringing) / f64::from(rate);
        let timeout = (mean * 1.5).clamp(5.0, 25.0).floor();
        let refused = (mean * 2.0 - timeout).clamp(0.5, 8.0).min(timeout - 3.0);
        Ringing {
            timeout: Duration::from_secs_f64(timeout),
            refused_after: Duration::from_secs_f64(refused),
        }
    }
}

/// Memory at a moment.
#[derive(Clone, Copy, Default)]
struct Memory {
    resident_kib: u64,
    ringing: u32,
    /// Calls that SIP keeps, ended ones included.
    kept: f64,
}

async fn memory(engine: &Engine) -> Result<Memory> {
    let picture = engine.picture().await?;
    Ok(Memory {
        ringing: picture.campaigns.iter().map(|all| all.ringing).sum(),
        kept: engine.scrape().await?.get("tandem_sip_calls", ""),
        resident_kib: engine.process.resident_kib()?,
    })
}

/// What the steady run showed.
struct Steady {
    rate: f64,
    cpu_percent: f64,
    seconds: f64,
    /// Resident memory at its beginning (all kinds of calls there) and at its end.
    resident_kib: (u64, u64),
}

async fn steady(
    engine: &Engine,
    far: &Sipp,
    args: &InvitesArgs,
    ring: Ringing,
) -> Result<(Steady, Memory)> {
    engine.dial().await?;
    // Until as many calls ring and as many ended ones are kept as ever will be.
    sleep(ring.timeout + ABSORBED).await;
    let begun = engine.mark(far).await?;
    let mut peak = memory(engine).await?;
    let first = peak.resident_kib;
    let mut last = first;
    let until = Instant::now() + Duration::from_secs(args.minutes * 60);
    while Instant::now() < until {
        sleep(SAMPLE_EVERY).await;
        last = engine.process.resident_kib()?;
        if last > peak.resident_kib {
            peak = memory(engine).await?;
        }
    }
    let spent = engine.since(&begun, far).await?;
    engine.pause().await?;
    engine
        .drained(ring.timeout + Duration::from_secs(60))
        .await?;
    let found = Steady {
        rate: spent.calls / spent.seconds,
        cpu_percent: spent.cpu / spent.seconds * 100.0,
        seconds: spent.seconds,
        resident_kib: (first, last),
    };
    Ok((found, peak))
}

/// Runs the scenario.
pub async fn measure(args: &InvitesArgs, dir: &Path) -> Result<Report> {
    let ring = Ringing::of(args.rate, args.ringing);
    let far = Sipp::far_end(dir, &sipp::rings(REFUSED, ring.refused_after)).await?;
    let steady_s = if args.minutes > 0 {
        args.minutes * 60 + (ring.timeout + ABSORBED).as_secs()
    } else {
        0
    };
    let dialled_s = u64::from(args.rounds) * (args.seconds + 2) + steady_s;
    let load = Load {
        lanes: 1,
        cps: args.rate,
        // Room above the mean: how long a call rings is spread.
        lines: args.ringing + args.ringing / 4 + 50,
        // A flood: the abandon cap would hold it to one line for each free agent.
        mode: "lines_per_agent = 100\nabandon = { cap_percent = 100 }",
        ring_timeout: ring.timeout,
        agents: args.ringing * 5 / 4 / LINES_PER_AGENT + 2,
        habits: Habits::default(),
        leads: (dialled_s + 10) * u64::from(args.rate),
    };
    let engine = Engine::start(dir, load, far.address).await?;
    let before = engine.scrape().await?;
    let rested = memory(&engine).await?;

    let caller = sipp::rings_caller(ring.timeout);
    let contest = Contest {
        dir,
        engine: &engine,
        far: &far,
        caller: &caller,
        rate: args.rate,
        dial: Duration::from_secs(args.seconds),
        end: ring.timeout + Duration::from_secs(60),
    };
    let mut peak = Memory::default();
    let mut peaks = Vec::new();
    let rounds = contest
        .rounds(args.rounds, async || {
            let now = memory(&engine).await?;
            peaks.push(now.resident_kib as f64);
            if now.resident_kib > peak.resident_kib {
                peak = now;
            }
            Ok(())
        })
        .await?;
    let calls_of_sipp = rounds.iter().map(|round| round.caller_calls).sum();
    let mut steadily = None;
    if args.minutes > 0 {
        let (found, at_most) = steady(&engine, &far, args, ring).await?;
        if at_most.resident_kib > peak.resident_kib {
            peak = at_most;
        }
        steadily = Some(found);
        sleep(ABSORBED).await;
    }

    let what = format!(
        "{} INVITEs/s: half ring for {} s until CANCEL, 3 of 10 busy and 2 of 10 unavailable after {:.1} s; {} rounds of {} s, {} min steady",
        args.rate,
        ring.timeout.as_secs(),
        ring.refused_after.as_secs_f64(),
        args.rounds,
        args.seconds,
        args.minutes
    );
    let mut report = Report::new(&format!("invites-{}", args.rate), what);
    if !rounds.is_empty() {
        rounds::report(&mut report, &rounds, 3.0);
    }
    if let Some(steadily) = &steadily {
        steady_figures(&mut report, args, steadily);
    }
    let left = memory(&engine).await?;
    memory_figures(&mut report, rested, peak, left);
    if let [first, .., last] = peaks.as_slice() {
        // Every round has as many calls up at its end: what its memory is more than the first one's was kept for good.
        let calls = (peaks.len() - 1) as f64 * args.seconds as f64 * f64::from(args.rate);
        report.figure(
            "growth_kib_per_1000_calls",
            "growth from the first round to the last, for 1,000 calls",
            (last - first) / calls * 1_000.0,
            "KiB",
        );
    }
    let allowed = ["NO_ANSWER", "BUSY"];
    let after = books::compare(&mut report, &engine, &far, calls_of_sipp, &allowed).await?;
    latencies(&mut report, &engine, &before, &after).await?;
    Ok(report)
}

fn steady_figures(report: &mut Report, args: &InvitesArgs, steady: &Steady) {
    report.goal(
        "invites_per_s",
        "INVITEs per second over the steady run",
        steady.rate,
        "/s",
        Goal::AtLeast(f64::from(args.rate) * 0.98),
    );
    let (words, unit) = ("CPU time of the engine meanwhile", "% of a core");
    if args.rate == 250 {
        let goal = Goal::AtMost(25.0);
        report.goal("cpu_percent", words, steady.cpu_percent, unit, goal);
    } else {
        report.figure("cpu_percent", words, steady.cpu_percent, unit);
    }
    let (first, last) = steady.resident_kib;
    let grown = last as f64 - first as f64;
    report.figure(
        "steady_growth_kib_per_min",
        "growth of memory over the steady run",
        grown / (steady.seconds / 60.0),
        "KiB/min",
    );
}

fn memory_figures(report: &mut Report, rested: Memory, peak: Memory, left: Memory) {
    let kib = |memory: Memory| memory.resident_kib as f64;
    report.figure(
        "rss_before_kib",
        "resident memory before the first call",
        kib(rested),
        "KiB",
    );
    report.figure("rss_peak_kib", "at most", kib(peak), "KiB");
    report.figure(
        "ringing_at_peak",
        "  calls that rang then",
        f64::from(peak.ringing),
        "",
    );
    report.figure(
        "kept_at_peak",
        "  calls that SIP kept then, ended ones included",
        peak.kept,
        "",
    );
    if peak.kept > 0.0 {
        let each = (kib(peak) - kib(rested)) / peak.kept;
        report.figure(
            "rss_per_kept_call_kib",
            "  growth for each of those",
            each,
            "KiB",
        );
    }
    report.figure("rss_after_kib", "when all are forgotten", kib(left), "KiB");
}

/// Intents and turns of the floor, since `before`.
pub async fn latencies(
    report: &mut Report,
    engine: &Engine,
    before: &Scrape,
    after: &Scrape,
) -> Result<()> {
    let picture = engine.picture().await?;
    if let Some(commit) = picture.latencies.get("intent_commit") {
        let ms = |us: u64| us as f64 / 1e3;
        report.figure(
            "intent_commit_p50_ms",
            "intent durable after, p50",
            ms(commit.p50_us),
            "ms",
        );
        report.figure(
            "intent_commit_p99_ms",
            "intent durable after, p99",
            ms(commit.p99_us),
            "ms",
        );
    }
    report.figure(
        "floor_turn_p99_us",
        "turn of the floor, bucket of p99, at most",
        after.quantile_since(before, "tandem_floor_turn_seconds", 0.99) * 1e6,
        "us",
    );
    Ok(())
}
