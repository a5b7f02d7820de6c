//! Agents: one state each, and the index of who is ready, by what they can do. Owns idle order; never chooses a call.
//!
//! Agents of equal abilities form a class. All choosing (pacing, matching) goes over classes, so its cost does not grow
//! with the number of agents.

use crate::core::Map;
use crate::core::effect::{AfterCall, AgentNews, AgentState};
use crate::core::input::AgentSeat;
use crate::core::settings::SkillNeed;
use crate::ids::{AgentId, AttemptId, CampaignId, SkillId};
use crate::time::{Mono, Now, UnixMs};
use std::collections::BTreeSet;

/// Agents of equal campaigns, weights and skills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClassId(pub(crate) usize);

/// What the agents of a class can do, who of them is ready, and how many are at work.
#[derive(Debug)]
pub(crate) struct Class {
    campaigns: Vec<(CampaignId, u16)>,
    skills: Vec<(SkillId, u8)>,
    /// Longest idle first; the number breaks ties in the order of becoming ready.
    ready: BTreeSet<(Mono, u64, AgentId)>,
    /// How many of these wait to leave.
    leaving: u32,
    /// Ready, reserved, talking or in wrap-up, connected, and not about to leave.
    at_work: u32,
    /// Connected, and dialling by hand: pacing does not count on them.
    by_hand: u32,
}

impl Class {
    /// The weight of a campaign for these agents; `None` if they do not serve it.
    pub(crate) fn weight(&self, campaign: CampaignId) -> Option<u16> {
        self.campaigns
            .iter()
            .find(|(served, _)| *served == campaign)
            .map(|(_, weight)| *weight)
    }
    /// Whether these agents can take calls of a campaign with these needs.
    pub(crate) fn can_take(&self, campaign: CampaignId, needs: &[SkillNeed]) -> bool {
        self.weight(campaign).is_some() && self.meets(needs)
    }
    /// Whether all needs are met at their least level.
    fn meets(&self, needs: &[SkillNeed]) -> bool {
        needs.iter().all(|need| {
            self.skills
                .iter()
                .any(|(skill, level)| *skill == need.skill && *level >= need.level)
        })
    }
    /// Agents ready whom a new line may count on: those who wait to leave are not among them.
    pub(crate) fn free(&self) -> u32 {
        self.ready() - self.leaving.min(self.ready())
    }
    /// Agents who could take a call this instant.
    pub(crate) fn ready(&self) -> u32 {
        self.ready.len() as u32
    }
    /// Of those, agents who leave as soon as no call in the air counts on them.
    pub(crate) fn leaving(&self) -> u32 {
        self.leaving
    }
    /// Agents ready, reserved, talking or in wrap-up.
    pub(crate) fn at_work(&self) -> u32 {
        self.at_work
    }
    /// Whether anybody of the class could use a lead: from pacing, or by hand.
    pub(crate) fn uses_leads(&self) -> bool {
        self.at_work + self.by_hand > 0
    }
    /// Campaigns served.
    pub(crate) fn campaigns(&self) -> &[(CampaignId, u16)] {
        &self.campaigns
    }
    fn longest_idle(&self) -> Option<(Mono, u64, AgentId)> {
        self.ready.first().copied()
    }
}

/// Where an agent is. Living states say when they end by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Offline,
    Break(u8),
    Ready,
    /// The call is his: being joined, or (made for him) still in the air. Ends with the attempt's own deadline.
    Reserved(AttemptId),
    /// A lead is on his screen; the id is that of the attempt that may come of it. `until` is his time to look.
    Previewing {
        attempt: AttemptId,
        until: Mono,
    },
    /// Ends with the attempt.
    Talking(AttemptId),
    /// `until` is the end of wrap-up, or, once over it, the end of patience with a missing disposition.
    Wrap {
        attempt: AttemptId,
        until: Mono,
        overrun: bool,
    },
    Manual,
}

impl Place {
    pub(crate) fn attempt(self) -> Option<AttemptId> {
        match self {
            Place::Reserved(attempt)
            | Place::Previewing { attempt, .. }
            | Place::Talking(attempt)
            | Place::Wrap { attempt, .. } => Some(attempt),
            Place::Offline | Place::Break(_) | Place::Ready | Place::Manual => None,
        }
    }
    /// When the place ends by itself; calls have deadlines of their own.
    pub(crate) fn until(self) -> Option<Mono> {
        match self {
            Place::Previewing { until, .. } | Place::Wrap { until, .. } => Some(until),
            Place::Offline
            | Place::Break(_)
            | Place::Ready
            | Place::Reserved(_)
            | Place::Talking(_)
            | Place::Manual => None,
        }
    }
    fn state(self) -> AgentState {
        match self {
            Place::Offline => AgentState::Offline,
            Place::Break(reason) => AgentState::Break(reason),
            Place::Ready => AgentState::Ready,
            Place::Reserved(_) | Place::Previewing { .. } => AgentState::Reserved,
            Place::Talking(_) => AgentState::Talking,
            Place::Wrap { .. } => AgentState::Wrap,
            Place::Manual => AgentState::Manual,
        }
    }
    fn is_at_work(self) -> bool {
        matches!(
            self,
            Place::Ready
                | Place::Reserved(_)
                | Place::Previewing { .. }
                | Place::Talking(_)
                | Place::Wrap { .. }
        )
    }
    const fn index(self) -> usize {
        match self {
            Place::Offline => 0,
            Place::Break(_) => 1,
            Place::Ready => 2,
            Place::Reserved(_) | Place::Previewing { .. } => 3,
            Place::Talking(_) => 4,
            Place::Wrap { .. } => 5,
            Place::Manual => 6,
        }
    }
}

/// One agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) class: ClassId,
    pub(crate) place: Place,
    pub(crate) after_call: AfterCall,
    /// Whether the socket is there; a lost agent keeps the place for the grace time and gets no new call.
    pub(crate) connected: bool,
    /// Whether calls need his audio leg, and whether it lives.
    needs_audio: bool,
    audio: bool,
    /// Rises with every change of place: old deadlines are recognised by it.
    pub(crate) generation: u32,
    /// Rises with every loss of the socket.
    pub(crate) losses: u32,
    /// The last call, its disposition pending or kept, while in conversation or wrap-up.
    pub(crate) outcome_kept: bool,
    /// The campaign of the last call, and since when he is in its conversation, or in its wrap-up.
    pub(crate) last_call: (CampaignId, Mono),
    idle_since: Mono,
    idle_order: u64,
    since: UnixMs,
}

/// All agents of the floor.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    slots: Vec<Agent>,
    index: Map<AgentId, usize>,
    classes: Vec<Class>,
    by_place: [u32; 7],
    ready_order: u64,
}

impl Agents {
    pub(crate) fn get(&self, id: AgentId) -> Option<&Agent> {
        self.index.get(&id).map(|slot| &self.slots[*slot])
    }
    pub(crate) fn classes(&self) -> &[Class] {
        &self.classes
    }
    pub(crate) fn by_place(&self) -> [u32; 7] {
        self.by_place
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.slots.iter()
    }

    /// Logs an agent in, or renews abilities and connection of one who is still here. Returns whether he starts anew.
    pub(crate) fn seat(&mut self, seat: AgentSeat, now: Now) -> bool {
        let class = self.class_of(seat.campaigns, seat.skills);
        if let Some(slot) = self.index.get(&seat.agent).copied() {
            self.leave_counts(slot);
            let agent = &mut self.slots[slot];
            agent.class = class;
            agent.connected = true;
            agent.needs_audio = seat.needs_audio;
            agent.losses += 1;
            let anew = agent.place == Place::Offline;
            if anew {
                agent.place = Place::Break(0);
                agent.after_call = AfterCall::Ready;
                agent.generation += 1;
                agent.since = now.unix;
            }
            self.enter_counts(slot);
            return anew;
        }
        self.index.insert(seat.agent, self.slots.len());
        self.slots.push(Agent {
            id: seat.agent,
            class,
            place: Place::Break(0),
            after_call: AfterCall::Ready,
            connected: true,
            needs_audio: seat.needs_audio,
            audio: false,
            generation: 0,
            losses: 0,
            outcome_kept: false,
            last_call: (CampaignId(0), now.mono),
            idle_since: now.mono,
            idle_order: 0,
            since: now.unix,
        });
        self.enter_counts(self.slots.len() - 1);
        true
    }

    /// Renews what an agent serves and can do; all else stays as it is. `false`: nobody of this id was ever here.
    pub(crate) fn set_abilities(&mut self, seat: AgentSeat) -> bool {
        let Some(slot) = self.index.get(&seat.agent).copied() else {
            return false;
        };
        let class = self.class_of(seat.campaigns, seat.skills);
        self.leave_counts(slot);
        self.slots[slot].class = class;
        self.enter_counts(slot);
        true
    }

    /// Moves an agent. Becoming ready from elsewhere starts the idle clock anew. Returns the new generation.
    pub(crate) fn move_to(&mut self, id: AgentId, place: Place, now: Now) -> Option<u32> {
        let slot = *self.index.get(&id)?;
        self.leave_counts(slot);
        self.ready_order += 1;
        let order = self.ready_order;
        let agent = &mut self.slots[slot];
        if place == Place::Ready {
            agent.idle_since = now.mono;
            agent.idle_order = order;
        }
        self.settle(slot, place, now)
    }

    /// Takes a reservation back: the agent is ready again as if he had never been chosen.
    pub(crate) fn give_back(&mut self, id: AgentId, now: Now) -> Option<u32> {
        let slot = *self.index.get(&id)?;
        self.leave_counts(slot);
        self.settle(slot, Place::Ready, now)
    }

    fn settle(&mut self, slot: usize, place: Place, now: Now) -> Option<u32> {
        let agent = &mut self.slots[slot];
        if matches!(place, Place::Wrap { .. }) && !matches!(agent.place, Place::Wrap { .. }) {
            agent.last_call.1 = now.mono;
        }
        agent.place = place;
        agent.generation += 1;
        agent.since = now.unix;
        if matches!(
            place,
            Place::Ready | Place::Offline | Place::Break(_) | Place::Manual
        ) {
            agent.after_call = AfterCall::Ready;
        }
        if matches!(place, Place::Reserved(_)) {
            agent.outcome_kept = false;
        }
        let generation = agent.generation;
        self.enter_counts(slot);
        Some(generation)
    }

    /// Notes the loss or return of the socket. Returns the number of losses, by which a grace time is recognised.
    pub(crate) fn set_connected(&mut self, id: AgentId, connected: bool) -> Option<u32> {
        let slot = *self.index.get(&id)?;
        self.leave_counts(slot);
        let agent = &mut self.slots[slot];
        agent.connected = connected;
        agent.losses += 1;
        let losses = agent.losses;
        self.enter_counts(slot);
        Some(losses)
    }

    /// Notes the life or loss of an agent's audio; where he is. `None`: nobody of this id was ever here.
    pub(crate) fn set_audio(&mut self, id: AgentId, is_up: bool) -> Option<Place> {
        let slot = *self.index.get(&id)?;
        let agent = &mut self.slots[slot];
        agent.audio = is_up;
        Some(agent.place)
    }

    /// Whether calls need this agent's audio.
    pub(crate) fn needs_audio(&self, id: AgentId) -> bool {
        self.get(id).is_some_and(|agent| agent.needs_audio)
    }

    /// Whether calls need this agent's audio and it is not there.
    pub(crate) fn lacks_audio(&self, id: AgentId) -> bool {
        self.get(id)
            .is_some_and(|agent| agent.needs_audio && !agent.audio)
    }

    /// What happens after the call.
    pub(crate) fn set_after_call(&mut self, id: AgentId, after_call: AfterCall) {
        if let Some(slot) = self.index.get(&id).copied() {
            self.leave_counts(slot);
            self.slots[slot].after_call = after_call;
            self.enter_counts(slot);
        }
    }

    /// A conversation of this campaign begins.
    pub(crate) fn note_call(&mut self, id: AgentId, campaign: CampaignId, now: Mono) {
        if let Some(slot) = self.index.get(&id) {
            self.slots[*slot].last_call = (campaign, now);
        }
    }

    /// The disposition of his call is kept.
    pub(crate) fn set_outcome_kept(&mut self, id: AgentId) {
        if let Some(slot) = self.index.get(&id) {
            self.slots[*slot].outcome_kept = true;
        }
    }

    /// The longest idle ready agent of the classes that `able` accepts.
    pub(crate) fn longest_idle(&self, able: impl Fn(ClassId, &Class) -> bool) -> Option<AgentId> {
        let mut best: Option<(Mono, u64, AgentId)> = None;
        for (number, class) in self.classes.iter().enumerate() {
            if let Some(candidate) = class.longest_idle()
                && best.is_none_or(|chosen| candidate < chosen)
                && able(ClassId(number), class)
            {
                best = Some(candidate);
            }
        }
        best.map(|(_, _, id)| id)
    }

    /// The longest idle ready agent of those classes that `able` accepts and for which `cost` is least.
    pub(crate) fn longest_idle_of_least(
        &self,
        able: impl Fn(ClassId, &Class) -> bool,
        cost: impl Fn(&Class) -> usize,
    ) -> Option<AgentId> {
        let waiting = || {
            let classes = self.classes.iter().enumerate();
            classes.filter_map(|(number, class)| {
                let candidate = class.longest_idle()?;
                able(ClassId(number), class).then_some((candidate, class))
            })
        };
        // Mostly one class alone has somebody: then nothing is weighed.
        if waiting().nth(1).is_none() {
            return waiting().next().map(|((_, _, id), _)| id);
        }
        waiting()
            .map(|(candidate, class)| (cost(class), candidate))
            .min()
            .map(|(_, (_, _, id))| id)
    }

    /// Whether an agent could take a call this instant.
    pub(crate) fn is_free(&self, id: AgentId) -> bool {
        self.get(id)
            .is_some_and(|agent| agent.connected && agent.place == Place::Ready)
    }

    /// What others may know.
    pub(crate) fn news(&self, id: AgentId, now: Now) -> Option<AgentNews> {
        let agent = self.get(id)?;
        Some(AgentNews {
            agent: id,
            state: agent.place.state(),
            since: agent.since,
            until: match agent.place {
                Place::Previewing { until, .. }
                | Place::Wrap {
                    until,
                    overrun: false,
                    ..
                } => Some(now.unix_of(until)),
                _ => None,
            },
            attempt: agent.place.attempt(),
            after_call: agent.after_call,
        })
    }

    fn class_of(
        &mut self,
        mut campaigns: Vec<(CampaignId, u16)>,
        mut skills: Vec<(SkillId, u8)>,
    ) -> ClassId {
        campaigns.sort_unstable();
        campaigns.dedup_by_key(|(campaign, _)| *campaign);
        skills.sort_unstable();
        let known = self
            .classes
            .iter()
            .position(|class| class.campaigns == campaigns && class.skills == skills);
        ClassId(known.unwrap_or_else(|| {
            self.classes.push(Class {
                campaigns,
                skills,
                ready: BTreeSet::new(),
                leaving: 0,
                at_work: 0,
                by_hand: 0,
            });
            self.classes.len() - 1
        }))
    }

    fn leave_counts(&mut self, slot: usize) {
        let agent = &self.slots[slot];
        self.by_place[agent.place.index()] -= 1;
        let class = &mut self.classes[agent.class.0];
        if counts_as_at_work(agent) {
            class.at_work -= 1;
        }
        class.leaving -= u32::from(is_leaving(agent));
        class.by_hand -= u32::from(dials_by_hand(agent));
        class
            .ready
            .remove(&(agent.idle_since, agent.idle_order, agent.id));
    }

    fn enter_counts(&mut self, slot: usize) {
        let agent = &self.slots[slot];
        self.by_place[agent.place.index()] += 1;
        let class = &mut self.classes[agent.class.0];
        if counts_as_at_work(agent) {
            class.at_work += 1;
        }
        class.leaving += u32::from(is_leaving(agent));
        class.by_hand += u32::from(dials_by_hand(agent));
        if agent.place == Place::Ready && agent.connected {
            class
                .ready
                .insert((agent.idle_since, agent.idle_order, agent.id));
        }
    }

    /// Compares the index with the agents; for `invariants`.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut ready = 0;
        let mut at_work = vec![0u32; self.classes.len()];
        let mut leaving = vec![0u32; self.classes.len()];
        let mut by_place = [0u32; 7];
        for agent in &self.slots {
            by_place[agent.place.index()] += 1;
            let indexed = self.classes[agent.class.0].ready.contains(&(
                agent.idle_since,
                agent.idle_order,
                agent.id,
            ));
            let is_ready = agent.place == Place::Ready && agent.connected;
            if indexed != is_ready {
                return Err(format!(
                    "agent {} is {:?} but the ready index says {indexed}",
                    agent.id, agent.place
                ));
            }
            ready += usize::from(is_ready);
            at_work[agent.class.0] += u32::from(counts_as_at_work(agent));
            leaving[agent.class.0] += u32::from(is_leaving(agent));
        }
        let indexed: usize = self.classes.iter().map(|class| class.ready.len()).sum();
        if indexed != ready {
            return Err(format!(
                "{indexed} agents in the ready index, {ready} ready"
            ));
        }
        if by_place != self.by_place {
            return Err(format!(
                "counts by state {:?} should be {by_place:?}",
                self.by_place
            ));
        }
        if let Some(class) =
            (0..leaving.len()).find(|class| leaving[*class] != self.classes[*class].leaving)
        {
            return Err(format!(
                "class {class} counts {} about to leave, has {}",
                self.classes[class].leaving, leaving[class]
            ));
        }
        if let Some(class) =
            (0..at_work.len()).find(|class| at_work[*class] != self.classes[*class].at_work)
        {
            return Err(format!(
                "class {class} counts {} at work, has {}",
                self.classes[class].at_work, at_work[class]
            ));
        }
        Ok(())
    }
}

/// Ready, and to go as soon as no call in the air counts on him.
fn is_leaving(agent: &Agent) -> bool {
    agent.connected && agent.place == Place::Ready && agent.after_call != AfterCall::Ready
}

fn dials_by_hand(agent: &Agent) -> bool {
    let goes_on_so = agent.place.is_at_work() && agent.after_call == AfterCall::Manual;
    agent.connected && (agent.place == Place::Manual || goes_on_so)
}

/// Somebody who is about to leave is no support for further lines.
fn counts_as_at_work(agent: &Agent) -> bool {
    agent.connected && agent.place.is_at_work() && agent.after_call == AfterCall::Ready
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(id: u32, skill: bool) -> AgentSeat {
        AgentSeat {
            agent: AgentId(id),
            campaigns: vec![(CampaignId(0), 1)],
            skills: skill.then_some((SkillId(0), 5)).into_iter().collect(),
            needs_audio: false,
        }
    }

    #[test]
    fn a_rare_agent_waits_while_somebody_else_can_and_goes_when_nobody_can() {
        let mut agents = Agents::default();
        for (id, skill) in [(1, true), (2, false), (3, false)] {
            agents.seat(seat(id, skill), Now::default());
            let now = Now {
                mono: Mono::from_secs(u64::from(id)),
                unix: UnixMs(0),
            };
            agents.move_to(AgentId(id), Place::Ready, now);
        }
        // Calls that need the skill are in the air: its agents are wanted twice.
        let cost = |class: &Class| 1 + class.skills.len();
        let chosen = |agents: &Agents| agents.longest_idle_of_least(|_, _| true, cost);
        assert_eq!(chosen(&agents), Some(AgentId(2)), "not the longest idle");
        for id in [2, 3] {
            agents.move_to(AgentId(id), Place::Break(0), Now::default());
        }
        assert_eq!(chosen(&agents), Some(AgentId(1)));
        agents.move_to(AgentId(1), Place::Break(0), Now::default());
        assert_eq!(chosen(&agents), None);
    }
}
