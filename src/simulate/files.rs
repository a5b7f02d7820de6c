//! The files of a simulation: everything as JSON, the series as CSV, and the page. Formats only; computes nothing new.

use super::{Asked, CellResult, SimulateError, page};
use crate::core::effect::Bound;
use crate::sim::shift::odds::Mean;
use crate::sim::shift::score::{Minute, Score};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;

/// Writes all files into a directory, which is made if it is not there. Returns their paths.
pub fn write(asked: &Asked, directory: &Path) -> Result<Vec<String>, SimulateError> {
    let failed = |path: &Path, error| SimulateError::File(path.to_owned(), error);
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut written = Vec::new();
    for (name, text) in [
        ("summary.json", summary(asked)),
        ("minutes.csv", minutes(asked)),
        ("report.html", page::page(asked)),
    ] {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
        written.push(path.display().to_string());
    }
    Ok(written)
}

/// Everything as JSON. Shares are 0..=1, never percent.
pub fn summary(asked: &Asked) -> String {
    let results: Vec<Value> = asked.results.iter().map(result).collect();
    let all = json!({
        "format": 1,
        "scenario": asked.scenario.name,
        "title": asked.scenario.title,
        "about": asked.scenario.about,
        "start_min": asked.scenario.start_min,
        "length_s": asked.scenario.length.as_secs(),
        "took_s": asked.took.as_secs_f64(),
        "agent_hours": asked.agent_hours,
        "results": results,
    });
    let mut text = serde_json::to_string_pretty(&all).unwrap_or_default();
    text += "\n";
    text
}

fn mean(mean: Mean) -> Value {
    json!({ "mean": mean.mean, "plus_minus_95": mean.plus_minus })
}

fn result(result: &CellResult) -> Value {
    let odds = &result.odds;
    let seeds: Vec<Value> = result
        .seeds
        .iter()
        .zip(&result.scores)
        .map(|(number, score)| seed(result, *number, score))
        .collect();
    json!({
        "agents": result.cell.agents,
        "answer_rate": result.cell.answer_rate,
        "mode": result.cell.mode.to_string(),
        "cap": result.cell.cap,
        "utilisation": mean(odds.utilisation),
        "abandonment": mean(odds.abandonment),
        "abandonment_worst_seed": odds.abandonment_worst,
        "abandonment_worst_rolling_hour": odds.worst_hour,
        "shifts_above_hard_cap": odds.above_cap,
        "agent_wait_s": mean(odds.agent_wait_s),
        "agent_wait_p90_s": mean(odds.agent_wait_p90_s),
        "person_wait_p99_ms": mean(odds.person_wait_p99_ms),
        "dials_per_connect": mean(odds.dials_per_connect),
        "connects_per_agent_hour": mean(odds.connects_per_agent_hour),
        "people_called_machines": mean(odds.people_lost),
        "lists_finished": odds.finished,
        "lists_finished_after_h": mean(odds.finished_h),
        "seeds": seeds,
    })
}

fn seed(result: &CellResult, number: u64, score: &Score) -> Value {
    let campaigns: Vec<Value> = result
        .cell
        .scenario
        .campaigns
        .iter()
        .zip(&score.campaigns)
        .map(|(campaign, tally)| {
            json!({
                "name": campaign.name,
                "mode": campaign.mode.to_string(),
                "cap": campaign.cap,
                "hard_cap": campaign.hard_cap,
                "dials": tally.dials,
                "people": tally.people,
                "connected": tally.connected,
                "abandoned": tally.abandoned,
                "abandonment": tally.abandonment(),
                "abandonment_worst_rolling_hour": tally.worst_hour(),
                "right_parties": tally.right_parties,
                "people_called_machines": tally.people_lost,
                "machines_called_people": tally.machines_passed,
            })
        })
        .collect();
    let bounds: Map<String, Value> = Bound::ALL
        .iter()
        .zip(score.bounds)
        .map(|(bound, count)| (format!("{bound:?}").to_lowercase(), count.into()))
        .collect();
    let total = score.total();
    json!({
        "seed": number,
        "utilisation": score.utilisation(),
        "abandonment": score.abandonment(),
        "abandonment_worst_rolling_hour": score.worst_hour(),
        "dials": total.dials,
        "people": total.people,
        "connected": total.connected,
        "abandoned": total.abandoned,
        "talk_s": total.talk_s,
        "wrap_s": total.wrap_s,
        "idle_s": total.idle_s,
        "away_s": total.away_s,
        "agent_wait_s": score.agent_waits.mean_s(),
        "agent_wait_p90_s": score.agent_waits.quantile_s(0.9),
        "dials_per_connect": score.dials_per_connect(),
        "trunk_failures": score.trunk_failures,
        "decisions_bound_by": bounds,
        "lists_finished_s": score.finished_s,
        "leads_left": score.leads_left,
        "inputs": score.inputs,
        "faults": score.faults,
        "campaigns": campaigns,
    })
}

/// The series: one row for each cell, seed and minute.
pub fn minutes(asked: &Asked) -> String {
    let mut text = String::from(
        "agents,answer_rate,mode,cap,seed,minute,dials,people,connected,abandoned,talk_s,wrap_s,idle_s,away_s,in_air,utilisation\n",
    );
    for result in &asked.results {
        let cell = &result.cell;
        for (seed, score) in result.seeds.iter().zip(&result.scores) {
            for (number, minute) in score.minutes.iter().enumerate() {
                let _ = write!(
                    text,
                    "{},{},{},{},{seed},{number},",
                    cell.agents, cell.answer_rate, cell.mode, cell.cap
                );
                row(&mut text, minute);
            }
        }
    }
    text
}

fn row(text: &mut String, minute: &Minute) {
    let utilisation = minute
        .utilisation()
        .map_or_else(String::new, |share| format!("{share:.4}"));
    let _ = writeln!(
        text,
        "{},{},{},{},{:.2},{:.2},{:.2},{:.2},{},{utilisation}",
        minute.dials,
        minute.people,
        minute.connected,
        minute.abandoned,
        minute.talk_s,
        minute.wrap_s,
        minute.idle_s,
        minute.away_s,
        minute.in_air
    );
}
