//! Leads that an agent looks at before they are dialled. Owns who sees which, and how often an agent skipped in a row; holds
//! nobody, dials nobody.
//!
//! A preview has the id of the attempt that may come of it, so that card, screen and call are one thing for the agent.

use crate::core::Map;
use crate::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId};

/// A lead on an agent's screen. Its deadline stands with the agent's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preview {
    pub(crate) attempt: AttemptId,
    pub(crate) agent: AgentId,
    pub(crate) campaign: CampaignId,
    pub(crate) lead: LeadId,
    pub(crate) person: PersonId,
    pub(crate) number: NumberId,
    /// The agent asked for it: he may lay it down as he likes.
    pub(crate) by_hand: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Previews {
    open: Map<AttemptId, Preview>,
    /// Previews skipped in a row, of agents who did so.
    skipped: Map<AgentId, u8>,
}

impl Previews {
    pub(crate) fn open(&mut self, preview: Preview) {
        self.open.insert(preview.attempt, preview);
    }
    pub(crate) fn get(&self, attempt: AttemptId) -> Option<Preview> {
        self.open.get(&attempt).copied()
    }
    pub(crate) fn close(&mut self, attempt: AttemptId) -> Option<Preview> {
        self.open.remove(&attempt)
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Preview> {
        self.open.values()
    }
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
    /// Those that `which` accepts, oldest first.
    pub(crate) fn all(&self, which: impl Fn(&Preview) -> bool) -> Vec<Preview> {
        let mut all: Vec<Preview> = self.open.values().filter(|of| which(of)).copied().collect();
        // The map's order is that of its hashes.
        all.sort_unstable_by_key(|preview| preview.attempt);
        all
    }

    /// Whether the agent may skip once more, of `most` in a row.
    pub(crate) fn may_skip(&self, agent: AgentId, most: u8) -> bool {
        self.skips_left(agent, most) > 0
    }
    pub(crate) fn skips_left(&self, agent: AgentId, most: u8) -> u8 {
        most.saturating_sub(self.skipped.get(&agent).copied().unwrap_or(0))
    }
    pub(crate) fn skipped(&mut self, agent: AgentId) {
        let run = self.skipped.entry(agent).or_default();
        *run = run.saturating_add(1);
    }
    /// He dialled, or is gone for a while.
    pub(crate) fn begin_anew(&mut self, agent: AgentId) {
        self.skipped.remove(&agent);
    }
}
