//! One sentence for each pacing decision: what was started, on which figures, and what held the rest back.
//!
//! The same words for the supervisor's screen, the decision log and a replay. Whole numbers only: a replay on another machine
//! says the same. Decides nothing.

use crate::core::effect::{Bound, Forecast, PacingDecision};
use crate::core::settings::DialMode;
use std::fmt;

/// "67 lines started: 41 agents free in 11 s, 21 answers coming, 29.8 % answer".
impl fmt::Display for PacingDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} started: ", Count(self.launched, "line"))?;
        if self.launched == 0 {
            self.nothing_started(f)?;
        } else {
            self.some_started(f)?;
        }
        match self.shadow {
            None => Ok(()),
            Some((
                mode @ (DialMode::LinesPerAgent { .. } | DialMode::LinesPerFreeAgent { .. }),
                lines,
            )) => write!(f, "; {mode} would have started {lines}"),
            Some((mode, lines)) => write!(f, "; {} would have started {lines}", mode.word()),
        }
    }
}

impl PacingDecision {
    fn some_started(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Some(why) if why.within_ms > 0 => write!(f, "{why}")?,
            why => {
                write!(
                    f,
                    "{} free, {} in the air before",
                    Count(self.free_agents, "agent"),
                    Count(self.in_air, "line")
                )?;
                if let Some(why) = why {
                    write!(f, ", {} % answer", Percent(why.answer_rate_ppm))?;
                }
            }
        }
        match self.bound {
            Bound::Nothing => Ok(()),
            // Every agent has his lines now: that is the aim, not a hindrance.
            Bound::Agents => Ok(()),
            bound => write!(f, "; no more: {}", bound.words()),
        }
    }

    fn nothing_started(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bound != Bound::Agents {
            return f.write_str(self.bound.words());
        }
        let lines = Count(self.in_air, "line");
        match (self.mode, self.why) {
            (DialMode::Predictive, Some(why)) => {
                write!(f, "{lines} in the air are enough ({why})")
            }
            (DialMode::LinesPerAgent { milli }, _) if self.at_work > 0 => write!(
                f,
                "{} at work have all of their {} lines",
                Count(self.at_work, "agent"),
                Milli(milli.saturating_mul(self.at_work))
            ),
            _ if self.free_agents == 0 => f.write_str(self.bound.words()),
            (DialMode::LinesPerFreeAgent { milli }, _) if self.in_air > 0 => write!(
                f,
                "{} free, {lines} in the air, {} wanted for each",
                Count(self.free_agents, "agent"),
                Milli(milli)
            ),
            _ if self.in_air >= self.free_agents => match self.free_agents {
                1 => f.write_str("the 1 free agent has a line in the air"),
                free => write!(f, "all {free} free agents have a line in the air"),
            },
            _ => write!(
                f,
                "{} free, taken up by lines of other campaigns",
                Count(self.free_agents, "agent")
            ),
        }
    }
}

/// "41 agents free in 11 s, 21 answers coming, 29.8 % answer".
impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} free in {} s, {} coming, {} % answer",
            Count(rounded(self.agents_milli, 1_000), "agent"),
            rounded(self.within_ms, 1_000),
            Count(rounded(self.answers_milli, 1_000), "answer"),
            Percent(self.answer_rate_ppm)
        )?;
        match self.budget_milli {
            Some(budget) if budget < 0 => f.write_str(", abandon budget overdrawn"),
            _ => Ok(()),
        }
    }
}

impl Bound {
    /// Why no more lines were started, as the end of a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Bound::Nothing => "nothing more is wanted",
            Bound::Agents => "no agent is free whom its leads could use",
            Bound::Leads => "no lead is due that the rules let pass",
            Bound::Lines => "all its lines are in use",
            Bound::Cps => "its calls per second are used up",
            Bound::Trunks => "no trunk is up with a free channel",
            Bound::Stopped => "dialling is stopped",
            Bound::Budget => "its abandon budget is used up",
            Bound::Window => "its calling hours are over",
            Bound::Store => "the store does not keep up",
        }
    }

    /// The word in the API, in logs and in metric labels.
    pub const fn word(self) -> &'static str {
        match self {
            Bound::Nothing => "nothing",
            Bound::Agents => "agents",
            Bound::Leads => "leads",
            Bound::Lines => "lines",
            Bound::Cps => "cps",
            Bound::Trunks => "trunks",
            Bound::Stopped => "stopped",
            Bound::Budget => "budget",
            Bound::Window => "window",
            Bound::Store => "store",
        }
    }
}

fn rounded(value: u32, unit: u32) -> u32 {
    value.saturating_add(unit / 2) / unit
}

/// "1 line", "2 lines".
struct Count(u32, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

/// Thousandths without idle zeros: 1.2, 12.
struct Milli(u32);

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000, self.0 % 1_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:03}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Millionths as a percentage with one decimal.
struct Percent(u32);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = rounded(self.0, 1_000);
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CampaignId;

    fn decision(mode: DialMode, launched: u32, bound: Bound) -> PacingDecision {
        PacingDecision {
            campaign: CampaignId(0),
            mode,
            launched,
            free_agents: 3,
            at_work: 12,
            in_air: 3,
            wanted: launched,
            bound,
            why: None,
            shadow: None,
        }
    }

    const FORECAST: Forecast = Forecast {
        within_ms: 11_200,
        agents_milli: 40_900,
        answers_milli: 21_300,
        answer_rate_ppm: 298_400,
        budget_milli: Some(2_500),
    };

    #[test]
    fn every_decision_has_its_sentence() {
        use DialMode::{LinesPerAgent, LinesPerFreeAgent, Predictive, Progressive};
        let with = |decision: PacingDecision, why: Forecast| PacingDecision {
            why: Some(why),
            ..decision
        };
        let now = Forecast {
            within_ms: 0,
            ..FORECAST
        };
        let overdrawn = Forecast {
            budget_milli: Some(-1),
            ..FORECAST
        };
        let nobody = |mode| PacingDecision {
            free_agents: 0,
            ..decision(mode, 0, Bound::Agents)
        };
        let one = PacingDecision {
            free_agents: 1,
            in_air: 1,
            ..decision(Progressive, 0, Bound::Agents)
        };
        let others = PacingDecision {
            in_air: 0,
            ..decision(Progressive, 0, Bound::Agents)
        };
        let shadowed = |decision: PacingDecision, shadow| PacingDecision {
            shadow: Some(shadow),
            ..decision
        };
        for (decision, want) in [
            (
                shadowed(decision(Progressive, 1, Bound::Agents), (Predictive, 12)),
                "1 line started: 3 agents free, 3 lines in the air before; predictive would have started 12",
            ),
            (
                shadowed(
                    decision(Progressive, 0, Bound::Window),
                    (LinesPerFreeAgent { milli: 1_200 }, 0),
                ),
                "0 lines started: its calling hours are over; 1.2 lines per free agent would have started 0",
            ),
            (
                with(decision(Predictive, 67, Bound::Agents), FORECAST),
                "67 lines started: 41 agents free in 11 s, 21 answers coming, 29.8 % answer",
            ),
            (
                with(decision(Predictive, 9, Bound::Budget), overdrawn),
                "9 lines started: 41 agents free in 11 s, 21 answers coming, 29.8 % answer, abandon budget overdrawn; \
                 no more: its abandon budget is used up",
            ),
            (
                with(decision(Predictive, 0, Bound::Agents), FORECAST),
                "0 lines started: 3 lines in the air are enough (41 agents free in 11 s, 21 answers coming, 29.8 % answer)",
            ),
            (
                decision(Progressive, 1, Bound::Nothing),
                "1 line started: 3 agents free, 3 lines in the air before",
            ),
            (
                with(decision(Progressive, 2, Bound::Cps), now),
                "2 lines started: 3 agents free, 3 lines in the air before, 29.8 % answer; no more: its calls per second are used up",
            ),
            (
                decision(Progressive, 0, Bound::Agents),
                "0 lines started: all 3 free agents have a line in the air",
            ),
            (
                one,
                "0 lines started: the 1 free agent has a line in the air",
            ),
            (
                others,
                "0 lines started: 3 agents free, taken up by lines of other campaigns",
            ),
            (
                nobody(Progressive),
                "0 lines started: no agent is free whom its leads could use",
            ),
            (
                decision(LinesPerFreeAgent { milli: 1_200 }, 0, Bound::Agents),
                "0 lines started: 3 agents free, 3 lines in the air, 1.2 wanted for each",
            ),
            (
                decision(LinesPerAgent { milli: 1_250 }, 0, Bound::Agents),
                "0 lines started: 12 agents at work have all of their 15 lines",
            ),
            (
                decision(Progressive, 0, Bound::Window),
                "0 lines started: its calling hours are over",
            ),
            (
                decision(Progressive, 0, Bound::Store),
                "0 lines started: the store does not keep up",
            ),
            (
                decision(Progressive, 0, Bound::Leads),
                "0 lines started: no lead is due that the rules let pass",
            ),
        ] {
            assert_eq!(decision.to_string(), want);
        }
    }
}
