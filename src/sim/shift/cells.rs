//! The shifts that a scenario asks for: every number of agents and answer rate is a place, every mode and cap a way to dial there.

use super::scenario::{Mode, Scenario};

/// One shift, still without a seed.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Agents.
    pub agents: u32,
    /// Mean answer rate of the first campaign's list, without hours and steps.
    pub answer_rate: f64,
    /// Mode of the first campaign, or of all.
    pub mode: Mode,
    /// Cap of the first campaign, or of all.
    pub cap: f64,
    /// The shift.
    pub scenario: Scenario,
}

/// All cells, place by place.
pub fn cells(scenario: &Scenario) -> Vec<Cell> {
    fn each<T: Copy>(list: &[T]) -> Vec<Option<T>> {
        if list.is_empty() {
            vec![None]
        } else {
            list.iter().copied().map(Some).collect()
        }
    }
    let matrix = &scenario.matrix;
    let mut cells = Vec::new();
    for agents in each(&matrix.agents) {
        for rate in each(&matrix.answer_rates) {
            for mode in each(&matrix.modes) {
                for cap in each(&matrix.caps) {
                    let mut shift = scenario.clone();
                    if let Some(agents) = agents {
                        shift = shift.with_agents(agents);
                    }
                    if let Some(rate) = rate {
                        shift = shift.with_answer_rate(rate);
                    }
                    if let Some(mode) = mode {
                        shift = shift.with_mode(mode);
                    }
                    if let Some(cap) = cap {
                        shift = shift.with_cap(cap);
                    }
                    if let Some(hard_cap) = matrix.hard_cap {
                        shift = shift.with_hard_cap(hard_cap);
                    }
                    let first = shift.campaigns.first();
                    cells.push(Cell {
                        agents: shift.agents(),
                        answer_rate: first.map_or(0.0, |campaign| campaign.answer_rate()),
                        mode: first.map_or(Mode::PROGRESSIVE, |campaign| campaign.mode),
                        cap: first.map_or(0.0, |campaign| campaign.cap),
                        scenario: shift,
                    });
                }
            }
        }
    }
    cells
}

impl Cell {
    /// Where it is: all its ways to dial are compared with one another.
    pub fn place(&self) -> String {
        let percent = self.answer_rate * 100.0;
        format!("{} agents, {percent:.0} % answer", self.agents)
    }

    /// How it dials.
    pub fn way(&self) -> String {
        let mut modes: Vec<String> = self
            .scenario
            .campaigns
            .iter()
            .map(|campaign| campaign.mode.to_string())
            .collect();
        modes.dedup();
        format!("{}, cap {:.1} %", modes.join(" + "), self.cap * 100.0)
    }
}
