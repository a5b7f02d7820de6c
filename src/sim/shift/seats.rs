//! The agents of a shift: when they come, pause and go, and what each is doing. Answers no call itself.

use super::draws::{Draws, Purpose};
use super::scenario::{Group, Scenario};
use super::score::Doing;
use crate::core::dispositions::Disposition;
use crate::core::input::{AgentSeat, Wanted};
use crate::ids::{AgentId, CampaignId};

/// The break that an absence is.
pub const ABSENT: u8 = 1;
/// The break that a pause after wrap-up is.
pub const PAUSE: u8 = 2;

/// One agent.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Group, by index.
    pub group: usize,
    /// What he does, and since when, in seconds after the start.
    pub doing: Doing,
    /// Since when.
    pub since_s: f64,
    /// Wants to go: back after so many seconds, or never.
    pub leaves: Option<Option<f64>>,
    /// Will pause after this wrap-up, for so many seconds.
    pub pause_s: Option<f64>,
    /// What he will say of his call.
    pub says: Disposition,
    /// Rises with every change: a return that was planned for an earlier break is recognised by it.
    pub epoch: u32,
}

impl Seat {
    /// What he asks for when his work is done.
    pub fn wants(&self) -> Wanted {
        match (self.leaves, self.pause_s) {
            (Some(Some(_)), _) => Wanted::Break(ABSENT),
            (Some(None), _) => Wanted::Offline,
            (None, Some(_)) => Wanted::Break(PAUSE),
            (None, None) => Wanted::Ready,
        }
    }
}

/// Something that an agent does by the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Move {
    /// Logs in.
    LogsIn,
    /// Goes: back after so many seconds, or for good.
    Leaves(Option<f64>),
}

/// All agents, and their moves: seconds after the start, who, what.
pub fn seats(scenario: &Scenario, seed: u64) -> (Vec<Seat>, Vec<(f64, AgentId, Move)>) {
    let mut seats = Vec::new();
    let mut moves = Vec::new();
    for (number, group) in scenario.groups.iter().enumerate() {
        let first = seats.len() as u32;
        for which in 0..group.count {
            let agent = AgentId(first + which);
            let mut draws = Draws::of(seed, Purpose::LogIn, number as u64, u64::from(which));
            moves.push((
                group.from_s + draws.even() * group.over_s,
                agent,
                Move::LogsIn,
            ));
            if let Some(until_s) = group.until_s {
                moves.push((until_s, agent, Move::Leaves(None)));
            }
            seats.push(Seat {
                group: number,
                doing: Doing::Out,
                since_s: 0.0,
                leaves: None,
                pause_s: None,
                says: Disposition::NotRecorded,
                epoch: 0,
            });
        }
        for (which, absence) in group.absences.iter().enumerate() {
            let whose = ((number as u64) << 16) | which as u64;
            let mut order: Vec<(f64, f64, u32)> = (0..group.count)
                .map(|agent| {
                    let mut draws = Draws::of(seed, Purpose::Absence, whose, u64::from(agent));
                    (draws.even(), draws.even(), agent)
                })
                .collect();
            order.sort_by(|one, other| one.0.total_cmp(&other.0));
            let count = match absence.count {
                0 => (absence.share * f64::from(group.count)).round() as usize,
                count => count as usize,
            };
            for (_, when, agent) in order.into_iter().take(count) {
                let at_s = absence.at_s + when * absence.over_s;
                let leaves = Move::Leaves(absence.back_after_s);
                moves.push((at_s, AgentId(first + agent), leaves));
            }
        }
    }
    (seats, moves)
}

/// What the floor is told of an agent.
pub fn seat_of(group: &Group, agent: AgentId, campaigns: usize) -> AgentSeat {
    let all = || {
        (0..campaigns)
            .map(|number| (CampaignId(number as u16), 1))
            .collect()
    };
    AgentSeat {
        agent,
        campaigns: if group.campaigns.is_empty() {
            all()
        } else {
            group.campaigns.clone()
        },
        skills: group.skills.clone(),
        needs_audio: false,
    }
}
