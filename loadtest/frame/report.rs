//! One report of a scenario, twice: JSON for programs, a page of text for people. Both land in `target/loadtest/`.

use anyhow::Result;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// What a scenario found.
pub struct Report {
    scenario: String,
    /// What was run, in a sentence: load, length, number of runs.
    what: String,
    rows: Vec<Row>,
    failures: Vec<String>,
}

struct Row {
    key: String,
    words: String,
    value: Value,
    unit: &'static str,
    goal: Option<Goal>,
}

/// What a figure should be.
pub enum Goal {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Report {
    /// An empty report.
    pub fn new(scenario: &str, what: impl Into<String>) -> Report {
        Report {
            scenario: scenario.to_owned(),
            what: what.into(),
            rows: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// A figure. `key` names it in the JSON ("cpu_per_invite_us"), `words` on the page.
    pub fn figure(&mut self, key: &str, words: &str, value: f64, unit: &'static str) {
        self.add(key, words, json!(round(value)), unit, None);
    }

    /// A figure that has a goal: the page says whether it is met.
    pub fn goal(&mut self, key: &str, words: &str, value: f64, unit: &'static str, goal: Goal) {
        self.add(key, words, json!(round(value)), unit, Some(goal));
    }

    /// All samples behind a figure: in the JSON only.
    pub fn samples(&mut self, key: &str, values: &[f64]) {
        let values: Vec<f64> = values.iter().copied().map(round).collect();
        self.add(key, "", json!(values), "", None);
    }

    fn add(
        &mut self,
        key: &str,
        words: &str,
        value: Value,
        unit: &'static str,
        goal: Option<Goal>,
    ) {
        self.rows.push(Row {
            key: key.to_owned(),
            words: words.to_owned(),
            value,
            unit,
            goal,
        });
    }

    /// Something that must not happen, whatever the figures are: the report is written, and the scenario fails.
    pub fn failure(&mut self, what: impl Into<String>) {
        self.failures.push(what.into());
    }

    /// What must not have happened.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Whether every goal was met.
    pub fn met_all(&self) -> bool {
        self.rows.iter().all(|row| row.met() != Some(false))
    }

    fn page(&self) -> String {
        let mut page = format!("{}: {}\n", self.scenario, self.what);
        let width = self
            .rows
            .iter()
            .map(|row| row.words.chars().count())
            .max()
            .unwrap_or(0);
        for row in self.rows.iter().filter(|row| !row.words.is_empty()) {
            let value = match &row.value {
                Value::Number(number) => number.to_string(),
                other => other.to_string(),
            };
            let verdict = match (row.met(), &row.goal) {
                (Some(met), Some(Goal::AtMost(most))) => {
                    format!("   goal: at most {most} - {}", word(met))
                }
                (Some(met), Some(Goal::AtLeast(least))) => {
                    format!("   goal: at least {least} - {}", word(met))
                }
                _ => String::new(),
            };
            let _ = writeln!(
                page,
                "  {:<width$}  {value:>12} {:<8}{verdict}",
                row.words, row.unit
            );
        }
        for failure in &self.failures {
            let _ = writeln!(page, "  FAILED: {failure}");
        }
        page
    }

    /// Writes both files and prints one of them.
    pub fn publish(&self, as_json: bool) -> Result<()> {
        let mut figures = Map::new();
        for row in &self.rows {
            figures.insert(row.key.clone(), row.value.clone());
        }
        let line = json!({
            "scenario": self.scenario, "what": self.what, "machine": machine(), "figures": figures,
            "missed": self.rows.iter().filter(|row| row.met() == Some(false)).map(|row| row.key.as_str()).collect::<Vec<_>>(),
            "failures": self.failures,
        })
        .to_string();
        let page = self.page();
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/loadtest");
        std::fs::create_dir_all(&dir)?;
        std::fs::write(
            dir.join(format!("{}.json", self.scenario)),
            format!("{line}\n"),
        )?;
        std::fs::write(dir.join(format!("{}.txt", self.scenario)), &page)?;
        if as_json {
            println!("{line}");
        } else {
            print!("{page}");
        }
        Ok(())
    }
}

impl Row {
    fn met(&self) -> Option<bool> {
        let value = self.value.as_f64()?;
        Some(match self.goal.as_ref()? {
            Goal::AtMost(most) => value <= *most,
            Goal::AtLeast(least) => value >= *least,
        })
    }
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn round(value: f64) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return 0.0;
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    let scale = 10f64.powi(digits.max(0));
    (value * scale).round() / scale
}

fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({ "cores": cores, "kernel": kernel.trim() })
}
