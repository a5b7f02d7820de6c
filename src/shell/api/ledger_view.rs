//! A campaign's abandon ledger, as the API says it and as a terminal shows it.

use crate::core::ledger::NamedEvent;
use crate::core::picture::LedgerPicture;
use crate::core::settings::{AbandonDenominator, AbandonStrength, AbandonWindow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where a campaign stands with its abandon cap. Shares are 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerView {
    /// "target" or "guarantee".
    pub strength: String,
    /// "24h" (rolling hours), "month" or "30d".
    pub window: String,
    /// Until the window closes, in seconds; absent where it rolls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_left_s: Option<u64>,
    /// "people" or "all_answers".
    pub denominator: String,
    /// People who answered and whom nobody reached in time, in the window.
    pub abandoned: u64,
    /// People joined to an agent in time.
    pub served: u64,
    /// All answered calls.
    pub exposed: u64,
    /// Abandoned / denominator, with the people among the machines; absent before the first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// What pacing steers at.
    pub target: f64,
    /// What must not be passed.
    pub cap: f64,
    /// Calls above the target; below 0: so many may still be abandoned within it.
    pub excess: f64,
    /// The same against the cap.
    pub hard_excess: f64,
    /// Whether the cap is passed: lines start for free agents only.
    pub is_over_cap: bool,
    /// Under a guarantee: lines that may be in the air without an agent behind them.
    pub budget: u32,
    /// Events that may have cost a guarantee, since the start.
    pub named_events: BTreeMap<String, u64>,
    /// Abandonments that broke a guarantee, since the start.
    pub broken: u64,
}

impl From<&LedgerPicture> for LedgerView {
    fn from(ledger: &LedgerPicture) -> Self {
        let standing = &ledger.standing;
        LedgerView {
            strength: match standing.strength {
                AbandonStrength::Target => "target",
                AbandonStrength::Guarantee => "guarantee",
            }
            .to_owned(),
            window: match ledger.window {
                AbandonWindow::RollingHours(hours) => format!("{hours}h"),
                AbandonWindow::CalendarMonth { .. } => "month".to_owned(),
                AbandonWindow::Days30 { .. } => "30d".to_owned(),
            },
            window_left_s: standing.window_left.map(|left| left.as_secs()),
            denominator: match ledger.denominator {
                AbandonDenominator::LiveAnswers => "people",
                AbandonDenominator::AllAnswers => "all_answers",
            }
            .to_owned(),
            abandoned: standing.abandoned,
            served: standing.served,
            exposed: standing.exposed,
            rate: (standing.denominator > 0).then_some(standing.rate),
            target: standing.target,
            cap: standing.cap,
            excess: standing.excess,
            hard_excess: standing.hard_excess,
            is_over_cap: standing.is_over_cap,
            budget: standing.budget,
            named_events: NamedEvent::ALL
                .iter()
                .zip(ledger.named)
                .map(|(event, count)| (event.code().to_owned(), count))
                .collect(),
            broken: ledger.broken,
        }
    }
}

impl LedgerView {
    /// The ledger as lines for a terminal.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<22}{value}");
        };
        let window = match self.window_left_s {
            Some(left) => format!(
                "{}, closes in {} d {} h {} min",
                self.window,
                left / 86_400,
                left / 3_600 % 24,
                left / 60 % 60
            ),
            None => format!("the last {} h", self.window.trim_end_matches('h')),
        };
        line(
            "abandon cap",
            format!("{} ({})", percent(self.cap), self.strength),
        );
        line("target", percent(self.target));
        line("window", window);
        line("abandoned", self.abandoned.to_string());
        line("served", self.served.to_string());
        line("answered in all", self.exposed.to_string());
        let of = if self.denominator == "people" {
            "people"
        } else {
            "all answers"
        };
        line(
            "rate",
            self.rate.map_or_else(
                || "- (nobody answered yet)".to_owned(),
                |rate| format!("{} of {of}", percent(rate)),
            ),
        );
        line("against the target", calls(self.excess));
        line("against the cap", calls(self.hard_excess));
        if self.is_over_cap {
            let what = "no line starts without a free agent until the cap is kept again";
            line("over the cap", what.to_owned());
        }
        if self.strength == "guarantee" {
            let lines = if self.budget == 1 { "line" } else { "lines" };
            line(
                "budget",
                format!("{} {lines} without an agent behind them", self.budget),
            );
            let events: Vec<String> = self
                .named_events
                .iter()
                .filter(|(_, count)| **count > 0)
                .map(|(event, count)| format!("{event} {count}"))
                .collect();
            let events = if events.is_empty() {
                "none".to_owned()
            } else {
                events.join(", ")
            };
            line("named events", events);
            line("guarantee broken", format!("{} times", self.broken));
        }
        text
    }
}

fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

fn calls(excess: f64) -> String {
    if excess > 0.0 {
        format!("{excess:.1} calls too many")
    } else {
        format!("{:.1} calls left", -excess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_reads_what_is_left() {
        let view = LedgerView {
            strength: "guarantee".to_owned(),
            window: "30d".to_owned(),
            window_left_s: Some(90_061),
            denominator: "people".to_owned(),
            abandoned: 2,
            served: 98,
            exposed: 120,
            rate: Some(0.02),
            target: 0.025,
            cap: 0.03,
            excess: -0.5,
            hard_excess: -1.0,
            is_over_cap: false,
            budget: 0,
            named_events: [("agent_lost".to_owned(), 1), ("clock_set".to_owned(), 0)].into(),
            broken: 0,
        };
        assert_eq!(
            view.lines(),
            "abandon cap           3 % (guarantee)\n\
             target                2.5 %\n\
             window                30d, closes in 1 d 1 h 1 min\n\
             abandoned             2\n\
             served                98\n\
             answered in all       120\n\
             rate                  2 % of people\n\
             against the target    0.5 calls left\n\
             against the cap       1.0 calls left\n\
             budget                0 lines without an agent behind them\n\
             named events          agent_lost 1\n\
             guarantee broken      0 times\n"
        );
    }
}
