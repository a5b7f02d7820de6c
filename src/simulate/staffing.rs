//! How many agents finish a scenario's lists by a time of day: bisection over the number of agents, the same seeds for each.
//!
//! "Finished" is: nothing is left that may still be dialled that day under the campaign's own rules.

use super::crew::{Shift, run_all};
use super::table::{Table, number, percent};
use super::{RunArgs, SimulateError, has_an_end, load, tell};
use crate::shell::progress_line::ProgressLine;
use crate::sim::shift::odds::Odds;
use crate::sim::shift::read::{AGENTS_MAX, time_of_day};
use crate::sim::shift::scenario::Scenario;
use crate::sim::shift::score::Score;
use crate::sim::shift::world::RunRules;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

/// Flags of `tandem simulate staffing`.
#[derive(Debug, clap::Args)]
pub struct StaffingArgs {
    /// A scenario with lists that end, as a file or the name of a shipped one
    scenario: String,
    /// Time of day by which the lists are to be finished; default: the scenario's end
    #[arg(long, value_parser = by)]
    by: Option<u16>,
    /// Chance of it, in percent
    #[arg(long, default_value = "90", value_parser = super::answer_rate)]
    probability: f64,
    /// Never more agents than this
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=i64::from(AGENTS_MAX)))]
    most: u32,
    #[command(flatten)]
    run: RunArgs,
    /// The curve as JSON
    #[arg(long)]
    json: bool,
}

fn by(text: &str) -> Result<u16, String> {
    time_of_day(text).ok_or_else(|| "expected a time of day, \"21:00\"".to_owned())
}

/// What a number of agents came to.
struct Step {
    odds: Odds,
    leads_left: f64,
}

/// The smallest number in `1..=most` for which `is_enough` holds, if it holds from some number on; `start` is tried first.
fn smallest(
    start: u32,
    most: u32,
    mut is_enough: impl FnMut(u32) -> Result<bool, SimulateError>,
) -> Result<Option<u32>, SimulateError> {
    let (mut too_few, mut enough) = (0, start.clamp(1, most));
    while !is_enough(enough)? {
        if enough == most {
            return Ok(None);
        }
        too_few = enough;
        enough = enough.saturating_mul(2).min(most);
    }
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        if is_enough(middle)? {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Ok(Some(enough))
}

/// Runs the command.
pub fn staffing(args: &StaffingArgs) -> Result<(), SimulateError> {
    let mut scenario = load(&args.scenario)?;
    if !has_an_end(&scenario) {
        let why = "no list of this scenario ends: give a campaign `leads`".to_owned();
        return Err(SimulateError::Senseless(why));
    }
    if let Some(by) = args.by {
        let minutes = by
            .checked_sub(scenario.start_min)
            .filter(|minutes| *minutes > 0);
        let Some(minutes) = minutes else {
            let why = "the shift begins after the time by which it is to be finished".to_owned();
            return Err(SimulateError::Senseless(why));
        };
        scenario.length = Duration::from_secs(u64::from(minutes) * 60);
    }
    let seeds = match args.run.seeds {
        Some(_) => args.run.seeds(&scenario),
        // A probability needs more seeds than a mean.
        None => (scenario.seeds.0..scenario.seeds.0 + 20).collect(),
    };
    let mut curve: BTreeMap<u32, Step> = BTreeMap::new();
    let mut line = ProgressLine::new();
    let found = smallest(scenario.agents(), args.most, |agents| {
        let step = step(&scenario, agents, &seeds, args.run.jobs(), &mut line);
        let is_enough = step.odds.finished >= args.probability;
        curve.insert(agents, step);
        Ok(is_enough)
    })?;
    line.end();
    let mut out = std::io::stdout().lock();
    let end_min = u64::from(scenario.start_min) + scenario.length.as_secs() / 60;
    if args.json {
        let steps: Vec<_> = curve
            .iter()
            .map(|(agents, step)| as_json(*agents, step))
            .collect();
        let all = json!({
            "scenario": scenario.name,
            "by_min": end_min,
            "probability": args.probability,
            "seeds": seeds.len(),
            "agents": found,
            "curve": steps,
        });
        let text = serde_json::to_string_pretty(&all).unwrap_or_default();
        return Ok(writeln!(out, "{text}")?);
    }
    writeln!(out, "{}", scenario.title)?;
    out.write_all(curve_text(&curve).as_bytes())?;
    let by = format!("{:02}:{:02}", end_min / 60, end_min % 60);
    let percent = args.probability * 100.0;
    match found {
        Some(agents) => writeln!(
            out,
            "{agents} agents finish the lists by {by} in at least {percent:.0} % of {} shifts.",
            seeds.len()
        )?,
        None => writeln!(
            out,
            "Not even {} agents finish the lists by {by} in {percent:.0} % of {} shifts: look at gap, retries, hours and lines.",
            args.most,
            seeds.len()
        )?,
    }
    Ok(())
}

fn step(
    scenario: &Scenario,
    agents: u32,
    seeds: &[u64],
    jobs: usize,
    line: &mut ProgressLine,
) -> Step {
    let shift = scenario.clone().with_agents(agents);
    let rules = RunRules {
        until_finished: true,
    };
    let shifts: Vec<Shift<'_>> = seeds
        .iter()
        .map(|seed| Shift {
            scenario: &shift,
            seed: *seed,
            rules,
        })
        .collect();
    let scores = run_all(&shifts, jobs, |progress| tell(line, progress));
    let left: u64 = scores.iter().map(|score| score.leads_left).sum();
    Step {
        odds: Odds::of(&shift, &scores.iter().collect::<Vec<&Score>>()),
        leads_left: left as f64 / scores.len().max(1) as f64,
    }
}

fn as_json(agents: u32, step: &Step) -> serde_json::Value {
    json!({
        "agents": agents,
        "finished": step.odds.finished,
        "finished_after_h": step.odds.finished_h.mean,
        "leads_left": step.leads_left,
        "utilisation": step.odds.utilisation.mean,
        "abandonment": step.odds.abandonment.mean,
    })
}

fn curve_text(curve: &BTreeMap<u32, Step>) -> String {
    let mut table = Table::new(&[
        "agents",
        "finished",
        "after h",
        "leads left",
        "utilisation %",
        "abandoned %",
    ]);
    for (agents, step) in curve {
        table.row(vec![
            agents.to_string(),
            format!("{:.0} %", step.odds.finished * 100.0),
            if step.odds.finished > 0.0 {
                number(step.odds.finished_h, 2)
            } else {
                "-".to_owned()
            },
            format!("{:.0}", step.leads_left),
            percent(step.odds.utilisation, 1),
            percent(step.odds.abandonment, 2),
        ]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_number_that_is_enough_is_found_from_anywhere() {
        for want in [1, 2, 7, 30, 64, 100] {
            for start in [1, 5, 30, 100] {
                let mut asked = 0;
                let found = smallest(start, 100, |agents| {
                    asked += 1;
                    Ok(agents >= want)
                });
                assert_eq!(found.unwrap(), Some(want), "from {start}");
                assert!(asked <= 15, "{asked} shifts for {want} from {start}");
            }
        }
        assert_eq!(smallest(30, 100, |_| Ok(false)).unwrap(), None);
    }
}
