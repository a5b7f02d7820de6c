//! Previews: a lead on an agent's screen, and what he says to it. Same gate, same trunks, same promises as a line that pacing
//! starts; only the moment is the agent's.
//!
//! While a lead is on a screen its person and number are held, so that nobody else dials them.

use super::Floor;
use super::dialling::{Launch, candidate};
use crate::core::agents::Place;
use crate::core::effect::{
    AfterCall, Bound, Effect, LeadNext, PersonalNews, PersonalStage, PreviewEnd, PreviewOffer,
    Refusal,
};
use crate::core::input::Wanted;
use crate::core::leads::StreamId;
use crate::core::previews::Preview;
use crate::core::settings::{CampaignState, PreviewTimeout};
use crate::ids::{AgentId, AttemptId, CampaignId, LeadId};
use crate::time::{Now, UnixMs};

/// A request of an agent: who, and the client's own number of it.
pub(super) type Asking = (AgentId, u64);

impl Floor {
    /// Shows the next lead of a stream that the gate lets pass to a free agent of `classes`.
    pub(super) fn offer_next(
        &mut self,
        stream: StreamId,
        campaign: CampaignId,
        classes: &[usize],
        held_left: &mut u32,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Bound> {
        while *held_left > 0 {
            let Some(lead) = self.leads.take(stream, now.unix) else {
                return Err(Bound::Leads);
            };
            let sticky = self.leads.facts(lead).and_then(|(facts, _)| facts.sticky);
            let is_able = |class: usize| classes.contains(&class);
            let agent = sticky
                .filter(|agent| {
                    self.agents.is_free(*agent)
                        && self
                            .agents
                            .get(*agent)
                            .is_some_and(|agent| is_able(agent.class.0))
                })
                .or_else(|| self.agents.longest_idle(|id, _| is_able(id.0)));
            // Whoever a guaranteed call in the air counts on, or who is about to leave, looks at no lead.
            let agent = agent.filter(|agent| {
                self.may_leave(*agent)
                    && self
                        .agents
                        .get(*agent)
                        .is_some_and(|agent| agent.after_call == AfterCall::Ready)
            });
            let Some(agent) = agent else {
                self.put_back_as_it_was(lead, now);
                return Err(Bound::Agents);
            };
            if self.offer(lead, campaign, agent, false, now, effects) {
                return Ok(());
            }
            *held_left -= 1;
        }
        Err(Bound::Leads)
    }

    /// Shows a lead that was taken to an agent; `false`: the gate holds it.
    pub(super) fn offer(
        &mut self,
        lead: LeadId,
        campaign: CampaignId,
        agent: AgentId,
        by_hand: bool,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some((facts, _)) = self.leads.facts(lead) else {
            return false;
        };
        let (person, number) = (facts.person, facts.number);
        let settings = &self.settings.campaigns[usize::from(campaign.0)];
        let who = candidate(facts, settings.attempts_max, None);
        if let Err(held) = self.rules.ask(who, &settings.gate, now) {
            self.hold(lead, campaign, held, now, effects);
            return false;
        }
        let rules = settings.preview;
        let attempt = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        self.rules.reserve(person, number, attempt);
        self.previews.open(Preview {
            attempt,
            agent,
            campaign,
            lead,
            person,
            number,
            by_hand,
        });
        let wait = if by_hand { rules.hold } else { rules.timeout };
        let until = now.mono + wait;
        self.keep_manual(agent);
        self.place_agent(agent, Place::Previewing { attempt, until }, now, effects);
        let left = self.previews.skips_left(agent, rules.skips_max);
        effects.push(Effect::Preview(PreviewOffer {
            attempt,
            agent,
            campaign,
            lead,
            until: now.unix_of(until),
            on_timeout: (!by_hand).then_some(rules.on_timeout),
            skips_left: (!by_hand).then_some(left),
        }));
        true
    }

    /// The agent says: dial.
    pub(super) fn agent_accepts(
        &mut self,
        (agent, request): Asking,
        attempt: AttemptId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(preview) = self.own_preview(agent, attempt) else {
            return refuse((agent, request), Refusal::NotYourCall, effects);
        };
        if let Err(why) = self.dial_preview(preview, now, effects) {
            refuse((agent, request), why, effects);
        }
    }

    /// The agent says: not this one.
    pub(super) fn agent_skips(
        &mut self,
        (agent, request): Asking,
        attempt: AttemptId,
        reason: u8,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(preview) = self.own_preview(agent, attempt) else {
            return refuse((agent, request), Refusal::NotYourCall, effects);
        };
        let most = self.campaign(preview.campaign).preview.skips_max;
        if !preview.by_hand {
            if !self.previews.may_skip(agent, most) {
                return refuse((agent, request), Refusal::SkipsUsedUp, effects);
            }
            self.previews.skipped(agent);
        }
        self.end_preview(preview, PreviewEnd::Skipped(reason), now, effects);
        self.free_again(agent, now, effects);
    }

    /// The deadline of an agent's place.
    pub(super) fn agent_deadline(&mut self, id: AgentId, now: Now, effects: &mut Vec<Effect>) {
        let Some(agent) = self.agents.get(id) else {
            return;
        };
        let Place::Previewing { attempt, .. } = agent.place else {
            return self.wrap_over(id, now, effects);
        };
        let connected = agent.connected;
        let Some(preview) = self.previews.get(attempt) else {
            return;
        };
        let rules = self.campaign(preview.campaign).preview;
        if preview.by_hand || !connected {
            // Nobody looks at it: it is nobody's skip either.
            self.end_preview(preview, PreviewEnd::GivenBack, now, effects);
            return self.free_again(id, now, effects);
        }
        match rules.on_timeout {
            PreviewTimeout::Dial => {
                if self.dial_preview(preview, now, effects).is_err()
                    && self.previews.get(attempt).is_some()
                {
                    self.end_preview(preview, PreviewEnd::GivenBack, now, effects);
                    self.free_again(id, now, effects);
                }
            }
            PreviewTimeout::Skip if self.previews.may_skip(id, rules.skips_max) => {
                self.previews.skipped(id);
                self.end_preview(preview, PreviewEnd::TimedOut, now, effects);
                self.free_again(id, now, effects);
            }
            // Nobody is at this desk.
            PreviewTimeout::Skip | PreviewTimeout::Break => {
                self.end_preview(preview, PreviewEnd::GivenBack, now, effects);
                self.leave(id, Wanted::Break(0), now, effects);
            }
        }
    }

    /// The agent looks at a lead and asks for another state. A preview that pacing chose for him cannot be waved away by asking
    /// for the next one.
    pub(super) fn leave_preview(
        &mut self,
        id: AgentId,
        attempt: AttemptId,
        wanted: Wanted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(preview) = self.own_preview(id, attempt) else {
            return;
        };
        if wanted == Wanted::Ready && !preview.by_hand {
            effects.extend(self.agents.news(id, now).map(Effect::Agent));
            return;
        }
        self.end_preview(preview, PreviewEnd::GivenBack, now, effects);
        self.leave(id, wanted, now, effects);
    }

    fn leave(&mut self, id: AgentId, wanted: Wanted, now: Now, effects: &mut Vec<Effect>) {
        self.previews.begin_anew(id);
        self.go_to(id, wanted, now, effects);
    }

    /// A payment, an opt-out: nobody is to look at this lead any more. `false`: it is not on a screen.
    pub(super) fn withdraw(&mut self, id: AttemptId, now: Now, effects: &mut Vec<Effect>) -> bool {
        let Some(preview) = self.previews.get(id) else {
            return false;
        };
        self.end_preview(preview, PreviewEnd::Withdrawn, now, effects);
        self.free_again(preview.agent, now, effects);
        true
    }

    /// Dialling was stopped, or a campaign does not run any more: what it shows can come to nothing.
    pub(super) fn withdraw_idle(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let (stopped, campaigns) = (self.stopped, &self.settings.campaigns);
        let idle = self.previews.all(|preview| {
            stopped || campaigns[usize::from(preview.campaign.0)].state != CampaignState::Running
        });
        for preview in idle {
            self.withdraw(preview.attempt, now, effects);
        }
    }

    /// The agent did not come back.
    pub(super) fn give_preview_back(
        &mut self,
        attempt: AttemptId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(preview) = self.previews.get(attempt) {
            self.previews.begin_anew(preview.agent);
            self.end_preview(preview, PreviewEnd::GivenBack, now, effects);
        }
    }

    fn own_preview(&self, agent: AgentId, attempt: AttemptId) -> Option<Preview> {
        self.previews
            .get(attempt)
            .filter(|preview| preview.agent == agent)
    }

    /// What was shown is dialled. The gate is asked again; what it holds leaves the screen, what only lacks a line stays.
    fn dial_preview(
        &mut self,
        preview: Preview,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if self.stopped || !self.store_ready {
            return Err(Refusal::Stopped);
        }
        let Preview {
            attempt,
            agent,
            campaign,
            lead,
            ..
        } = preview;
        match self.launch(lead, campaign, Some(agent), Some(attempt), now, effects) {
            Launch::Done => {
                self.previews.close(attempt);
                self.previews.begin_anew(agent);
                Ok(())
            }
            Launch::Bound(bound) => Err(Refusal::NoLine(bound)),
            Launch::Held(held) => {
                // The gate has said where the lead goes.
                self.previews.close(attempt);
                self.rules.settle(preview.person, preview.number, None);
                effects.push(over(preview, PreviewEnd::Withdrawn));
                self.free_again(agent, now, effects);
                Err(held.into())
            }
        }
    }

    /// Takes a lead off a screen. Where the agent goes is the caller's to say.
    fn end_preview(
        &mut self,
        preview: Preview,
        why: PreviewEnd,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.previews.close(preview.attempt);
        self.rules.settle(preview.person, preview.number, None);
        effects.push(over(preview, why));
        let gap = match why {
            PreviewEnd::Skipped(_) | PreviewEnd::TimedOut => {
                let gap = self.campaign(preview.campaign).preview.skip_gap;
                Some(now.unix + gap)
            }
            PreviewEnd::Withdrawn | PreviewEnd::GivenBack => None,
        };
        self.put_back_or_return(preview.lead, gap, now, effects);
    }

    /// A lead that was taken and not dialled: stays in memory if it may go soon, else it returns to the store.
    pub(super) fn put_back_or_return(
        &mut self,
        lead: LeadId,
        not_before: Option<UnixMs>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some((facts, stream)) = self.leads.facts(lead) else {
            return;
        };
        let campaign = self.leads.streams()[stream.0].campaign;
        let not_before = not_before.unwrap_or(facts.not_before);
        let next = LeadNext::Again {
            not_before,
            callback: facts.callback,
            sticky: facts.sticky,
        };
        if not_before <= now.unix + super::dialling::STAYS_WITHIN {
            return self.leads.put_back(lead, not_before, now.unix);
        }
        self.forget_lead(lead, now);
        effects.push(Effect::ReturnLead {
            lead,
            campaign,
            gate: None,
            next,
        });
        self.due_again(campaign, Some(not_before));
    }

    pub(super) fn put_back_as_it_was(&mut self, lead: LeadId, now: Now) {
        if let Some((facts, _)) = self.leads.facts(lead) {
            let not_before = facts.not_before;
            self.leads.put_back(lead, not_before, now.unix);
        }
    }

    /// Who dials by hand goes on so after the call, unless he asks for something else meanwhile.
    pub(super) fn keep_manual(&mut self, agent: AgentId) {
        if self
            .agents
            .get(agent)
            .is_some_and(|agent| agent.place == Place::Manual)
        {
            self.agents.set_after_call(agent, AfterCall::Manual);
        }
    }

    /// The agent for whom a call was made hears how far it is.
    pub(super) fn tell_progress(
        &self,
        id: AttemptId,
        stage: PersonalStage,
        effects: &mut Vec<Effect>,
    ) {
        let waits = self
            .attempts
            .get(&id)
            .and_then(|attempt| attempt.made_for)
            .filter(|agent| {
                self.agents
                    .get(*agent)
                    .is_some_and(|agent| agent.place == Place::Reserved(id))
            });
        if let Some(agent) = waits {
            effects.push(Effect::Personal(PersonalNews {
                attempt: id,
                agent,
                stage,
            }));
        }
    }
}

fn over(preview: Preview, why: PreviewEnd) -> Effect {
    Effect::PreviewOver {
        attempt: preview.attempt,
        agent: preview.agent,
        lead: preview.lead,
        why,
    }
}

pub(super) fn refuse((agent, request): Asking, why: Refusal, effects: &mut Vec<Effect>) {
    effects.push(Effect::Refuse {
        agent,
        request,
        why,
    });
}
