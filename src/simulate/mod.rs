//! `tandem simulate`: runs shifts of [`crate::sim::shift`] on threads, and tells what came of them on the terminal and in files.
//!
//! - [`crew`] runs shifts beside one another; [`table`], [`files`] and [`page`] with its [`chart`]s tell the results
//! - [`staffing`] asks how many agents finish a list; [`calibrate`] makes a scenario out of a recorded day
//!
//! Owns words and files; every figure comes from the simulator.

pub mod calibrate;
pub mod chart;
pub mod crew;
pub mod files;
pub mod page;
pub mod staffing;
pub mod table;

use crate::config::Faults;
use crate::shell::progress_line::ProgressLine;
use crate::shell::store::StoreError;
use crate::sim::shift::cells::{Cell, cells};
use crate::sim::shift::odds::Odds;
use crate::sim::shift::read;
use crate::sim::shift::scenario::{Length, Mode, Scenario};
use crate::sim::shift::score::Score;
use crate::sim::shift::shipped::{SHIPPED, shipped};
use crate::sim::shift::world::RunRules;
use crew::{Progress, Shift, run_all};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Why a simulation did not come about.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The scenario is wrong.
    #[error("the scenario cannot be used\n{0}")]
    Scenario(#[from] Faults),
    /// The scenario is neither a file nor one of ours.
    #[error(
        "{0}: neither a file that can be read ({1}) nor a shipped scenario; `tandem simulate --list` shows those"
    )]
    NoScenario(String, std::io::Error),
    /// A result could not be written.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// Standard output is gone.
    #[error("standard output: {0}")]
    Output(#[from] std::io::Error),
    /// The recorded day cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration that names the store is wrong.
    #[error("the configuration cannot be used\n{0}")]
    Config(Faults),
    /// What was asked for has no answer.
    #[error("{0}")]
    Senseless(String),
}

/// Flags of `tandem simulate`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SimulateArgs {
    /// A scenario file, or the name of a shipped scenario
    #[arg(required_unless_present = "list")]
    scenario: Option<String>,
    #[command(subcommand)]
    command: Option<SimulateCommand>,
    /// Show the shipped scenarios
    #[arg(long)]
    list: bool,
    /// Print the scenario's text, to start one's own from
    #[arg(long, conflicts_with_all = ["list", "json"])]
    show: bool,
    #[command(flatten)]
    run: RunArgs,
    /// Modes to compare: progressive, predictive, lines_per_agent:1.8, lines_per_free_agent:2.5
    #[arg(long, value_delimiter = ',', value_parser = mode)]
    mode: Vec<Mode>,
    /// Abandonment to steer at, in percent of the people who answered; several to compare
    #[arg(long, value_delimiter = ',', value_parser = cap)]
    cap: Vec<f64>,
    /// Hard cap, in percent: above it no line starts without a free agent; default: as the scenario says, in proportion to the cap
    #[arg(long, value_parser = cap)]
    hard_cap: Option<f64>,
    /// Numbers of agents to compare
    #[arg(long, value_delimiter = ',', value_parser = agents)]
    agents: Vec<u32>,
    /// Answer rates to compare, in percent of the dialled phones
    #[arg(long, value_delimiter = ',', value_parser = answer_rate)]
    answer_rate: Vec<f64>,
    /// Write summary.json, minutes.csv and report.html into this directory
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
    /// Print the summary as JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Which seeds are run, and on how many threads.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Seeds, "1..5" or "7"; default: as the scenario says
    #[arg(long, value_parser = seeds)]
    seeds: Option<(u64, u64)>,
    /// Shifts that run beside one another; default: one for each core
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    jobs: Option<u16>,
}

#[derive(Debug, clap::Subcommand)]
enum SimulateCommand {
    /// The smallest number of agents that finishes a scenario's lists by a time of day
    Staffing(staffing::StaffingArgs),
    /// Make a scenario out of a day that the store recorded
    Calibrate(calibrate::CalibrateArgs),
}

fn mode(words: &str) -> Result<Mode, String> {
    Mode::of(words).ok_or_else(|| format!("expected {}", Mode::WORDS))
}

fn part(text: &str, most: f64, least: f64) -> Result<f64, String> {
    let percent = text.trim().trim_end_matches('%').trim().parse::<f64>();
    match percent {
        Ok(percent) if (least..=most).contains(&percent) => Ok(percent / 100.0),
        _ => Err(format!("expected a number of percent, {least} to {most}")),
    }
}

fn cap(text: &str) -> Result<f64, String> {
    part(text, 100.0, 0.0)
}

fn answer_rate(text: &str) -> Result<f64, String> {
    part(text, 100.0, 0.1)
}

fn agents(text: &str) -> Result<u32, String> {
    let most = read::AGENTS_MAX;
    match text.trim().parse() {
        Ok(agents) if (1..=most).contains(&agents) => Ok(agents),
        _ => Err(format!("expected a number of agents, 1 to {most}")),
    }
}

/// "1..5" (both included) or "7" -> the first seed and how many.
fn seeds(text: &str) -> Result<(u64, u64), String> {
    let expected = || "expected seeds as \"1..5\" or \"7\", at most 1000 of them".to_owned();
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| expected());
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (number(first)?, number(last.trim_start_matches('='))?),
        None => (number(text)?, number(text)?),
    };
    let count = last.checked_sub(first).map(|more| more.saturating_add(1));
    count
        .filter(|count| *count <= 1_000 && last <= 1_000_000_000)
        .map(|count| (first, count))
        .ok_or_else(expected)
}

impl RunArgs {
    /// The seeds to run.
    pub fn seeds(&self, scenario: &Scenario) -> Vec<u64> {
        let (first, count) = self.seeds.unwrap_or(scenario.seeds);
        (first..first + count).collect()
    }
    /// Threads to run them on.
    pub fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.map_or_else(cores, usize::from)
    }
}

/// What the seeds of one cell came to.
#[derive(Debug)]
pub struct CellResult {
    /// The cell.
    pub cell: Cell,
    /// Its seeds.
    pub seeds: Vec<u64>,
    /// What each came to.
    pub scores: Vec<Score>,
    /// What all of them say.
    pub odds: Odds,
}

impl CellResult {
    fn has_an_end(&self) -> bool {
        has_an_end(&self.cell.scenario)
    }
}

fn has_an_end(scenario: &Scenario) -> bool {
    let mut campaigns = scenario.campaigns.iter();
    campaigns.any(|campaign| matches!(campaign.list.length, Length::Leads(_)))
}

/// Everything that was asked for, and what came of it.
#[derive(Debug)]
pub struct Asked {
    /// The scenario with the flags taken in.
    pub scenario: Scenario,
    /// By cell.
    pub results: Vec<CellResult>,
    /// How long it took.
    pub took: Duration,
    /// Agents' hours that were simulated.
    pub agent_hours: f64,
}

/// Runs the command.
pub fn simulate(args: &SimulateArgs) -> Result<(), SimulateError> {
    match &args.command {
        Some(SimulateCommand::Staffing(args)) => return staffing::staffing(args),
        Some(SimulateCommand::Calibrate(args)) => return calibrate::calibrate(args),
        None => {}
    }
    let mut out = std::io::stdout().lock();
    if args.list {
        return Ok(out.write_all(shipped_list().as_bytes())?);
    }
    let name = args.scenario.as_deref().unwrap_or_default();
    if args.show {
        let (text, _) = scenario_text(name)?;
        return Ok(out.write_all(text.as_bytes())?);
    }
    let mut scenario = load(name)?;
    let matrix = &mut scenario.matrix;
    for (written, asked) in [
        (&mut matrix.caps, &args.cap),
        (&mut matrix.answer_rates, &args.answer_rate),
    ] {
        if !asked.is_empty() {
            written.clone_from(asked);
        }
    }
    matrix.hard_cap = args.hard_cap;
    if !args.mode.is_empty() {
        matrix.modes.clone_from(&args.mode);
    }
    if !args.agents.is_empty() {
        matrix.agents.clone_from(&args.agents);
    }
    let asked = run(scenario, &args.run);
    if args.json {
        out.write_all(files::summary(&asked).as_bytes())?;
    } else {
        writeln!(out, "{}", asked.scenario.title)?;
        out.write_all(table::comparison(&asked).as_bytes())?;
        let seeds = asked.results.first().map_or(0, |result| result.seeds.len());
        writeln!(
            out,
            "{} shifts ({seeds} seeds each; ± is the 95 % interval of the mean), {:.0} agent-hours in {:.1} s",
            asked
                .results
                .iter()
                .map(|one| one.scores.len())
                .sum::<usize>(),
            asked.agent_hours,
            asked.took.as_secs_f64()
        )?;
        tell_faults(&asked, &mut out)?;
    }
    if let Some(directory) = &args.out {
        let written = files::write(&asked, directory)?;
        if !args.json {
            writeln!(out, "written: {}", written.join(", "))?;
        }
    }
    Ok(())
}

/// A broken truth of the floor is our defect and must not hide in a file.
fn tell_faults(asked: &Asked, out: &mut impl Write) -> std::io::Result<()> {
    for result in &asked.results {
        for (seed, score) in result.seeds.iter().zip(&result.scores) {
            for fault in &score.faults {
                writeln!(
                    out,
                    "a defect of ours, please report it: {}, {}, seed {seed}, {fault}",
                    result.cell.place(),
                    result.cell.way()
                )?;
            }
        }
    }
    Ok(())
}

/// All cells of a scenario over all seeds.
pub fn run(scenario: Scenario, args: &RunArgs) -> Asked {
    let begun = Instant::now();
    let cells = cells(&scenario);
    let seeds = args.seeds(&scenario);
    let shifts: Vec<Shift<'_>> = cells
        .iter()
        .flat_map(|cell| {
            seeds.iter().map(|seed| Shift {
                scenario: &cell.scenario,
                seed: *seed,
                rules: RunRules::default(),
            })
        })
        .collect();
    let agent_hours = shifts
        .iter()
        .map(|shift| {
            f64::from(shift.scenario.agents()) * shift.scenario.length.as_secs_f64() / 3_600.0
        })
        .sum();
    let mut line = ProgressLine::new();
    let scores = run_all(&shifts, args.jobs(), |progress| tell(&mut line, progress));
    line.end();
    let mut scores = scores.into_iter();
    let results = cells
        .into_iter()
        .map(|cell| {
            let scores: Vec<Score> = scores.by_ref().take(seeds.len()).collect();
            let odds = Odds::of(&cell.scenario, &scores.iter().collect::<Vec<_>>());
            CellResult {
                cell,
                seeds: seeds.clone(),
                scores,
                odds,
            }
        })
        .collect();
    Asked {
        scenario,
        results,
        took: begun.elapsed(),
        agent_hours,
    }
}

fn tell(line: &mut ProgressLine, progress: Progress) {
    line.tell(|| {
        format!(
            "{} of {} shifts, {:.0} % of the work",
            progress.over,
            progress.all,
            progress.share * 100.0
        )
    });
}

/// The text of a scenario, and the path that names it.
fn scenario_text(name: &str) -> Result<(String, PathBuf), SimulateError> {
    let path = Path::new(name);
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((text, path.to_owned())),
        Err(error) => SHIPPED
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| ((*text).to_owned(), PathBuf::from(format!("{name}.toml"))))
            .ok_or_else(|| SimulateError::NoScenario(name.to_owned(), error)),
    }
}

/// A scenario from a file, or one of ours by its name.
pub fn load(name: &str) -> Result<Scenario, SimulateError> {
    let (text, path) = scenario_text(name)?;
    Ok(read::scenario(&text, &path)?)
}

fn shipped_list() -> String {
    let longest = SHIPPED.iter().map(|(name, _)| name.len()).max();
    let width = longest.unwrap_or(0) + 2;
    let mut text = String::new();
    for (name, _) in SHIPPED {
        let title = match shipped(name) {
            Some(Ok(scenario)) => scenario.title,
            _ => "cannot be read".to_owned(),
        };
        text += &format!("{name:width$}{title}\n");
    }
    text
}
