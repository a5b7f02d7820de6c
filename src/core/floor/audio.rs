//! Whether an agent can be heard: READY needs a living audio leg, and a call that nobody sees or hears ends in a break.
//!
//! Owns the watch over the first seconds of each bridge. Hears of audio from the media plane and of paint from the desks; knows
//! neither codec nor socket.

use super::Floor;
use super::people::refuse;
use crate::core::agents::Place;
use crate::core::effect::{AfterCall, BREAK_NO_AUDIO, Effect, Refusal};
use crate::core::input::{CallSign, Wanted};
use crate::core::timers::Timer;
use crate::ids::{AgentId, AttemptId};
use crate::time::Now;
use std::time::Duration;

/// How long after the bridge the card must be painted and the agent's audio be there (design.md section 5).
pub(super) const UNSEEN_MAX: Duration = Duration::from_secs(5);

/// What is still missing of a call that was just bridged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    painted: bool,
    heard: bool,
}

impl Floor {
    /// The agent's audio leg lives and was checked, or is lost.
    pub(super) fn agent_audio(
        &mut self,
        id: AgentId,
        is_up: bool,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.agents.set_audio(id, is_up) else {
            self.ignored += 1;
            return;
        };
        if is_up || !self.agents.lacks_audio(id) {
            return;
        }
        let off = Wanted::Break(BREAK_NO_AUDIO);
        match place {
            // What was put off for the sake of a line in the air cannot be: nobody would hear its answer.
            Place::Ready => self.go_to(id, off, now, effects),
            Place::Previewing { attempt, .. } => {
                self.leave_preview(id, attempt, off, now, effects);
            }
            // The call goes on: the leg may come back, and the customer is still there.
            Place::Reserved(_)
            | Place::Talking(_)
            | Place::Wrap { .. }
            | Place::Offline
            | Place::Break(_)
            | Place::Manual => {}
        }
    }

    /// What an agent without audio gets instead of READY or own dialling: a break. Everything else he may have.
    pub(super) fn place_without_audio(&self, id: AgentId, place: Place) -> Place {
        match place {
            Place::Ready | Place::Manual if self.agents.lacks_audio(id) => {
                Place::Break(BREAK_NO_AUDIO)
            }
            other => other,
        }
    }

    /// Whether a wish for calls must be refused for want of audio; tells the agent.
    pub(super) fn refuse_without_audio(
        &self,
        id: AgentId,
        wanted: Wanted,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let is_refused =
            matches!(wanted, Wanted::Ready | Wanted::Manual) && self.agents.lacks_audio(id);
        if is_refused {
            refuse(id, Refusal::AudioNeeded, effects);
        }
        is_refused
    }

    /// A call goes to an agent: within [`UNSEEN_MAX`] he must have seen it and be there to be heard.
    pub(super) fn watch_signs(&mut self, call: AttemptId, agent: AgentId, now: Now) {
        if self.agents.needs_audio(agent) {
            self.signs.insert(call, Signs::default());
            self.timers.set(now.mono + UNSEEN_MAX, Timer::Unseen(call));
        }
    }

    /// The desk painted the card, or the agent's first audio went to the customer.
    pub(super) fn call_sign(&mut self, call: AttemptId, sign: CallSign) {
        let Some(signs) = self.signs.get_mut(&call) else {
            self.ignored += 1;
            return;
        };
        match sign {
            CallSign::Painted => signs.painted = true,
            CallSign::Heard => signs.heard = true,
        }
        if signs.painted && signs.heard {
            self.signs.remove(&call);
        }
    }

    /// The first seconds are over: who did not see or cannot be heard gets no further call.
    pub(super) fn signs_due(&mut self, call: AttemptId, effects: &mut Vec<Effect>, now: Now) {
        let Some(signs) = self.signs.remove(&call) else {
            return;
        };
        let agent = self
            .attempts
            .get(&call)
            .and_then(|attempt| attempt.phase.agent());
        let Some(agent) = agent else {
            // It was over before anybody could have seen it.
            return;
        };
        self.agents
            .set_after_call(agent, AfterCall::Break(BREAK_NO_AUDIO));
        effects.extend(self.agents.news(agent, now).map(Effect::Agent));
        effects.push(Effect::Unseen {
            attempt: call,
            agent,
            painted: signs.painted,
            heard: signs.heard,
        });
    }
}
