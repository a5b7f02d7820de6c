//! The terminal's tables: one row for each way to dial at each place. Plain text, told all figures.

use super::Asked;
use crate::sim::shift::odds::Mean;
use std::fmt::Write;

/// A table; the first column is left-aligned, all others right-aligned.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this head.
    pub fn new(head: &[&str]) -> Self {
        Table {
            rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()],
        }
    }
    /// One more row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
    /// As text, each line ended.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let gap = widths[column] - cell.chars().count();
                let (before, after) = if column == 0 { (0, gap) } else { (gap + 2, 0) };
                let _ = write!(line, "{}{cell}{}", " ".repeat(before), " ".repeat(after));
            }
            text += line.trim_end();
            text += "\n";
        }
        text
    }
}

/// A mean in percent, with its interval.
pub fn percent(mean: Mean, decimals: usize) -> String {
    number(
        Mean {
            mean: mean.mean * 100.0,
            plus_minus: mean.plus_minus.map(|half| half * 100.0),
        },
        decimals,
    )
}

/// A mean with its interval.
pub fn number(mean: Mean, decimals: usize) -> String {
    match mean.plus_minus {
        Some(half) => format!("{:.decimals$} ±{half:.decimals$}", mean.mean),
        None => format!("{:.decimals$}", mean.mean),
    }
}

/// The comparison of all ways to dial, place by place.
pub fn comparison(asked: &Asked) -> String {
    let mut text = String::new();
    let has_an_end = asked.results.iter().any(|result| result.has_an_end());
    let mut places: Vec<String> = asked.results.iter().map(|one| one.cell.place()).collect();
    places.dedup();
    for place in places {
        let _ = writeln!(text, "{place}");
        let mut head = vec![
            "",
            "utilisation %",
            "abandoned %",
            "worst seed",
            "worst hour",
            "shifts above hard cap",
            "agent wait s",
            "p90",
            "dials/connect",
        ];
        if has_an_end {
            head.push("lists finished");
            head.push("after h");
        }
        let mut table = Table::new(&head);
        for result in asked.results.iter().filter(|one| one.cell.place() == place) {
            let odds = &result.odds;
            let mut row = vec![
                format!("  {}", result.cell.way()),
                percent(odds.utilisation, 1),
                percent(odds.abandonment, 2),
                format!("{:.2}", odds.abandonment_worst * 100.0),
                format!("{:.2}", odds.worst_hour * 100.0),
                format!("{:.0} %", odds.above_cap * 100.0),
                number(odds.agent_wait_s, 1),
                number(odds.agent_wait_p90_s, 1),
                number(odds.dials_per_connect, 2),
            ];
            if has_an_end {
                row.push(format!("{:.0} %", odds.finished * 100.0));
                row.push(if odds.finished > 0.0 {
                    number(odds.finished_h, 2)
                } else {
                    "-".to_owned()
                });
            }
            table.row(row);
        }
        text += &table.text();
    }
    text
}
