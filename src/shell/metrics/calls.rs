//! What calls and agents cost in time, as the floor's thread sees it: told of every input before it is handled, and of
//! every order that came out. Owns the instants between two facts of one call; decides nothing.
//!
//! Everything here is bounded by the attempts alive and the agents known.

use super::Metrics;
use super::names::TimingName;
use crate::core::effect::{AgentState, Effect};
use crate::core::input::{Input, LegEvent};
use crate::core::picture::Picture;
use crate::ids::{AgentId, AttemptId};
use crate::time::Mono;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// The times of one floor. Lives on its thread.
pub struct CallTimes {
    metrics: Arc<Metrics>,
    /// When INVITEs were released that have not left yet.
    released: FxHashMap<AttemptId, Mono>,
    /// Since when agents are in wrap-up.
    wraps: FxHashMap<AgentId, Mono>,
    /// Where agents are, as they were last told.
    places: FxHashMap<AgentId, usize>,
    agents: [u64; Picture::AGENT_STATES.len()],
    counted_until: Mono,
    breakers: Vec<bool>,
}

impl CallTimes {
    /// Nothing seen yet; agents' time counts from `now`.
    pub fn new(metrics: Arc<Metrics>, now: Mono) -> Self {
        CallTimes {
            metrics,
            released: FxHashMap::default(),
            wraps: FxHashMap::default(),
            places: FxHashMap::default(),
            agents: Default::default(),
            counted_until: now,
            breakers: Vec::new(),
        }
    }

    fn record(&self, name: TimingName, took: Duration) {
        self.metrics.timing(name).record(took);
    }

    /// An input is about to be handled at `now`.
    pub fn heard(&mut self, now: Mono, input: &Input) {
        let Input::Leg {
            attempt, at, event, ..
        } = input
        else {
            return;
        };
        match event {
            LegEvent::Answered => self.record(TimingName::AnswerToFloor, now.since(*at)),
            LegEvent::Sent => {
                if let Some(released) = self.released.remove(attempt) {
                    self.record(TimingName::ReleaseToInvite, at.since(released));
                }
            }
            _ => {}
        }
    }

    /// The floor decided on this order at `at`.
    pub fn decided(&mut self, at: Mono, effect: &Effect) {
        match effect {
            Effect::Release { attempt, .. } => {
                self.released.insert(*attempt, at);
            }
            Effect::Show { answered, .. } => {
                self.record(TimingName::AnswerToMatch, at.since(*answered));
            }
            Effect::CallEnded { talk_ms, .. } => {
                self.record(TimingName::Talk, Duration::from_millis(*talk_ms));
            }
            Effect::Close(closed) => {
                self.released.remove(&closed.attempt);
                if let Some(ring_ms) = closed.ring_ms {
                    self.record(TimingName::Ring, Duration::from_millis(ring_ms));
                }
            }
            Effect::Agent(news) => {
                if news.state == AgentState::Wrap {
                    self.wraps.entry(news.agent).or_insert(at);
                } else if let Some(since) = self.wraps.remove(&news.agent) {
                    self.record(TimingName::Wrap, at.since(since));
                }
                self.moved(at, news.agent, place_of(news.state));
            }
            Effect::Decided(decision) => self.metrics.bounded(decision.campaign, decision.bound),
            _ => {}
        }
    }

    /// An agent is in another state now.
    fn moved(&mut self, at: Mono, agent: AgentId, place: usize) {
        self.count_agents(at);
        if let Some(before) = self.places.insert(agent, place) {
            self.agents[before] -= 1;
        }
        self.agents[place] += 1;
    }

    /// Time passed for all agents where they are.
    fn count_agents(&mut self, at: Mono) {
        let us = at.since(self.counted_until).as_micros() as u64;
        self.counted_until = self.counted_until.max(at);
        for (state, agents) in self.agents.iter().enumerate() {
            if *agents > 0 && us > 0 {
                self.metrics.agents_spent(state, agents * us);
            }
        }
    }

    /// A picture was published.
    pub fn published(&mut self, at: Mono, picture: &Picture) {
        self.count_agents(at);
        self.breakers.resize(picture.trunks.len(), false);
        for (place, (was_open, trunk)) in self.breakers.iter_mut().zip(&picture.trunks).enumerate()
        {
            if trunk.breaker_open && !*was_open {
                self.metrics.breaker_opened(place);
            }
            *was_open = trunk.breaker_open;
        }
    }
}

/// Place of a state in [`Picture::AGENT_STATES`].
const fn place_of(state: AgentState) -> usize {
    match state {
        AgentState::Offline => 0,
        AgentState::Break(_) => 1,
        AgentState::Ready => 2,
        AgentState::Reserved => 3,
        AgentState::Talking => 4,
        AgentState::Wrap => 5,
        AgentState::Manual => 6,
    }
}
