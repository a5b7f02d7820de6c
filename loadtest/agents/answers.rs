//! From the answer to the card: real calls, real agents, and beside them a bare websocket push of the same size and rate.
//!
//! The span begins right before the far end gives its 200 OK to the kernel and ends when the client has the card's frame; both
//! instants are read from one clock. In the same run, alternating, the bare server pushes a text of the card's length to as many
//! clients at the instants at which people answered before. What matters is the ratio: the machine's mood is in both.

use super::bare::{BarePush, BareRound};
use super::crew::{Crew, WhenLost};
use super::stage::{CYCLE_S, Running, Setting, Span, Stage, seat_all};
use crate::frame::bed::free;
use crate::frame::report::{Goal, Report};
use crate::frame::stats::{median, quantile};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tandem::shell::metrics::Latency;
use tokio::time::sleep;

/// Calls go on for so long before a round is measured: the first ones fill the pipe.
const WARM_UP: Duration = Duration::from_secs(2);
/// Least share of the wished rate that must be reached; below it another load was measured.
const RATE_LEAST: f64 = 0.9;
/// The load that the goals are set for.
const GOAL_AT: (u32, u32) = (2_000, 100);
/// p99 there is compared with the same rate at so many agents (requirement S4-58).
const SMALL: u32 = 200;

/// Options of this scenario.
#[derive(clap::Args)]
pub struct AnswersArgs {
    /// Agents, one engine after the other
    #[arg(long, value_delimiter = ',', default_values_t = [20, 200, 2_000], value_parser = clap::value_parser!(u32).range(1..=10_000))]
    agents: Vec<u32>,
    /// Answered calls per second; left out where the agents are too few for it
    #[arg(long, value_delimiter = ',', default_values_t = [20, 100], value_parser = clap::value_parser!(u32).range(1..=500))]
    per_second: Vec<u32>,
    /// Rounds for each pair of them: calls, then bare pushes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Length of a round's calls, and again of its bare pushes
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// What came of one number of agents and one rate.
struct Cell {
    agents: u32,
    per_second: u32,
    rounds: Vec<(Span, BareRound)>,
    /// CPU time of the engine with its agents and without calls, in shares of a core.
    idle_cpu: f64,
    /// Cards whose body came late.
    incomplete: u64,
    /// Intents that were held back.
    not_sent: u64,
    /// The engine's own times, over all rounds.
    own: BTreeMap<String, Latency>,
}

/// Runs the scenario.
pub async fn measure(args: &AnswersArgs, dir: &Path) -> Result<Report> {
    let mut cells = Vec::new();
    for &agents in &args.agents {
        for &per_second in &args.per_second {
            if f64::from(per_second) * CYCLE_S > f64::from(agents) {
                continue;
            }
            let place = dir.join(format!("{agents}-{per_second}"));
            std::fs::create_dir(&place)?;
            eprintln!("{agents} agents, {per_second} answers a second ...");
            cells.push(cell(args, agents, per_second, &place).await?);
        }
    }
    ensure!(!cells.is_empty(), "too few agents for every rate");
    Ok(told(args, &cells))
}

async fn cell(args: &AnswersArgs, agents: u32, per_second: u32, dir: &Path) -> Result<Cell> {
    let length = Duration::from_secs(args.seconds);
    let mut stage = Stage::open(
        dir,
        Setting {
            agents,
            per_second,
            calls_for: (length + WARM_UP) * args.rounds,
        },
    )?;
    let [address] = free()?;
    let mut bare = BarePush::start(address, agents, dir).await?;
    let mut crew = Crew::new(stage.bed.agent_url(), agents, WhenLost::Fault);
    seat_all(&mut stage, &mut crew).await?;
    let idle = Running::over(&stage, length.min(Duration::from_secs(10))).await?;
    let idle_cpu = idle.engine_share();
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        stage.start_calls().await?;
        sleep(WARM_UP).await;
        let running = Running::over(&stage, length).await?;
        stage.end_calls(&crew.seen, agents).await?;
        crew.check()?;
        let span = running.end(&stage, &crew.seen.take_cards())?;
        ensure!(
            span.rate() >= f64::from(per_second) * RATE_LEAST,
            "only {:.1} of {per_second} people a second answered",
            span.rate()
        );
        let pushes = bare.round(span.offsets(), span.card_bytes).await?;
        rounds.push((span, pushes));
    }
    stage.check_books(agents).await?;
    let not_sent = stage.check_results().await?;
    let own = stage.picture().await?.latencies;
    let incomplete = crew.seen.incomplete.load(Relaxed);
    crew.leave(Duration::from_secs(60)).await?;
    Ok(Cell {
        agents,
        per_second,
        rounds,
        idle_cpu,
        incomplete,
        not_sent,
        own,
    })
}

impl Cell {
    fn over_rounds(&self, of: impl Fn(&(Span, BareRound)) -> f64) -> Vec<f64> {
        self.rounds.iter().map(of).collect()
    }

    fn ours_ms(&self, share: f64) -> Vec<f64> {
        self.over_rounds(|(span, _)| quantile(&mut span.latencies_ms.clone(), share))
    }

    fn bare_ms(&self, share: f64) -> Vec<f64> {
        self.over_rounds(|(_, bare)| quantile(&mut bare.latencies_ms.clone(), share))
    }

    fn ratios(&self, share: f64) -> Vec<f64> {
        let pairs = self.ours_ms(share).into_iter().zip(self.bare_ms(share));
        pairs.map(|(ours, bare)| ours / bare).collect()
    }

    fn per_answer_us(&self, seconds: impl Fn(&Span) -> f64) -> f64 {
        median(
            &self.over_rounds(|(span, _)| seconds(span) / span.answers.len().max(1) as f64 * 1e6),
        )
    }
}

fn told(args: &AnswersArgs, cells: &[Cell]) -> Report {
    let what = format!(
        "from the 200 OK to the card at the client, and a bare push of the same size and rate beside it; {} rounds of {} s each, medians of rounds",
        args.rounds, args.seconds
    );
    let mut report = Report::new("answers", what);
    for cell in cells {
        tell_cell(&mut report, cell);
    }
    let p99 = |agents| {
        cells
            .iter()
            .find(|cell| (cell.agents, cell.per_second) == (agents, GOAL_AT.1))
            .map(|cell| median(&cell.ours_ms(0.99)))
    };
    if let (Some(many), Some(few)) = (p99(GOAL_AT.0), p99(SMALL)) {
        report.goal(
            "p99_growth",
            &format!(
                "p99 at {} agents over that at {SMALL}, {} answers a second",
                GOAL_AT.0, GOAL_AT.1
            ),
            many / few,
            "times",
            Goal::AtMost(2.0),
        );
    }
    report
}

fn tell_cell(report: &mut Report, cell: &Cell) {
    let key = |name: &str| format!("agents{}_rate{}_{name}", cell.agents, cell.per_second);
    let words = |what: &str| format!("{} agents, {}/s: {what}", cell.agents, cell.per_second);
    let all_ours: Vec<f64> = cell
        .rounds
        .iter()
        .flat_map(|(span, _)| span.latencies_ms.iter().copied())
        .collect();
    let all_bare: Vec<f64> = cell
        .rounds
        .iter()
        .flat_map(|(_, bare)| bare.latencies_ms.iter().copied())
        .collect();
    report.figure(
        &key("answers"),
        &words("answers"),
        all_ours.len() as f64,
        "",
    );
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let (ours, bare) = (cell.ours_ms(share), cell.bare_ms(share));
        report.figure(
            &key(&format!("{name}_ms")),
            &words(&format!("answer to card {name}")),
            median(&ours),
            "ms",
        );
        report.figure(
            &key(&format!("bare_{name}_ms")),
            &words(&format!("bare push {name}")),
            median(&bare),
            "ms",
        );
        let ratios = cell.ratios(share);
        let (ratio_key, ratio_words) = (
            key(&format!("{name}_ratio")),
            words(&format!("{name} over the bare push")),
        );
        if (cell.agents, cell.per_second) == GOAL_AT {
            let most = if share < 0.9 { 2.0 } else { 3.0 };
            report.goal(
                &ratio_key,
                &ratio_words,
                median(&ratios),
                "times",
                Goal::AtMost(most),
            );
        } else {
            report.figure(&ratio_key, &ratio_words, median(&ratios), "times");
        }
        report.samples(&key(&format!("{name}_ms_rounds")), &ours);
        report.samples(&key(&format!("bare_{name}_ms_rounds")), &bare);
        report.samples(&key(&format!("{name}_ratio_rounds")), &ratios);
    }
    for (name, mut all) in [("p999_ms", all_ours), ("bare_p999_ms", all_bare)] {
        let what = if name == "p999_ms" {
            "answer to card p99.9"
        } else {
            "bare push p99.9"
        };
        report.figure(&key(name), &words(what), quantile(&mut all, 0.999), "ms");
    }
    let net = |span: &Span| span.cpu.engine - cell.idle_cpu * span.length.as_secs_f64();
    for (name, what, us) in
        [
            (
                "cpu_engine_us",
                "engine's CPU for each answer",
                cell.per_answer_us(|span| span.cpu.engine),
            ),
            (
                "cpu_engine_net_us",
                "the same without what idle agents cost",
                cell.per_answer_us(net),
            ),
            (
                "cpu_far_end_us",
                "far end's",
                cell.per_answer_us(|span| span.cpu.far_end),
            ),
            (
                "cpu_clients_us",
                "the agents' clients'",
                cell.per_answer_us(|span| span.cpu.clients),
            ),
            (
                "cpu_bare_us",
                "bare server's CPU for each push",
                median(&cell.over_rounds(|(_, bare)| {
                    bare.cpu_s / bare.latencies_ms.len().max(1) as f64 * 1e6
                })),
            ),
        ]
    {
        report.figure(&key(name), &words(what), us, "us");
    }
    report.figure(
        &key("idle_percent"),
        &words("engine's CPU without calls"),
        cell.idle_cpu * 100.0,
        "% of a core",
    );
    for (name, what) in [
        (
            "answer_to_match",
            "answer to match by the engine's own count",
        ),
        ("match_to_push", "match to push"),
        ("intent_commit", "intent to disk"),
    ] {
        let own = cell.own.get(name).copied().unwrap_or_default();
        for (quantile_name, us) in [("p50", own.p50_us), ("p99", own.p99_us)] {
            report.figure(
                &key(&format!("{name}_{quantile_name}_ms")),
                &words(&format!("{what}, {quantile_name}")),
                us as f64 / 1e3,
                "ms",
            );
        }
    }
    report.figure(
        &key("not_sent"),
        &words("intents held back"),
        cell.not_sent as f64,
        "",
    );
    report.figure(
        &key("late_cards"),
        &words("cards whose body came late"),
        cell.incomplete as f64,
        "",
    );
    report.figure(
        &key("card_bytes"),
        &words("length of a card"),
        median(&cell.over_rounds(|(span, _)| span.card_bytes as f64)),
        "bytes",
    );
}
