//! What happens on the legs: ringing, answers, failures, ends. Each attempt gets its one result here.

use super::Floor;
use super::dialling::next_for;
use super::predicting::learn_end;
use crate::core::agents::{Class, Place};
use crate::core::calls::{Act, CancelWhy, Event, Phase, act};
use crate::core::effect::{
    AfterCall, AttemptClosed, DoneWhy, Effect, EndedBy, LeadNext, PersonalStage,
};
use crate::core::input::{LegEvent, LegFailure};
use crate::core::reading::{self, Reading};
use crate::core::results::SystemResult;
use crate::core::settings::Recycle;
use crate::core::timers::Timer;
use crate::ids::{AgentId, AttemptId};
use crate::time::{Mono, Now};
use std::time::Duration;

/// Least wait of a lead whose attempt ended nobody knows how (design.md section 5), as after a crash.
const INTERRUPTED_GAP: Duration = Duration::from_secs(7_200);

/// Longest that answer analysis may keep a person waiting. A machine's greeting is told from a person's within 4 s, or never.
pub(super) const SCREENING_MAX: Duration = Duration::from_secs(5);

/// Ring deadlines lie on a grid of 20 ms: phones that were dialled together are given up together, in one turn, instead of
/// waking everybody once for each. A phone may ring that much longer.
fn on_grid(deadline: Mono) -> Mono {
    const GRID_US: u64 = 20_000;
    Mono(deadline.0.next_multiple_of(GRID_US))
}

impl Floor {
    /// Something happened to an attempt at `at` (never later than `now`).
    pub(super) fn attempt_event(
        &mut self,
        id: AttemptId,
        event: Event,
        at: Mono,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            self.ignored += 1;
            return;
        };
        if let Event::Leg(LegEvent::Sent) = event {
            // Dated by the wire from here on; the ring time starts with the INVITE itself.
            attempt.released = Some(at);
            return;
        }
        let Some(wanted) = act(attempt.phase, event) else {
            self.ignored += 1;
            return;
        };
        let campaign = attempt.campaign;
        let settings = &self.settings.campaigns[usize::from(campaign.0)];
        match wanted {
            Act::NotSent => {
                // Told to the SIP side too: an intent that becomes durable later must find nobody waiting.
                self.close_unsent(id, now, effects);
            }
            Act::Heard => {
                let until = on_grid(at + settings.ring_timeout);
                self.set_phase(id, Phase::Dialing { until, heard: true });
            }
            Act::Unknown => {
                effects.push(Effect::Abort { attempt: id });
                self.end_with(id, SystemResult::Interrupted, now, effects);
            }
            Act::Rings => {
                attempt.rang = Some(at);
                let until = on_grid(at + settings.ring_timeout);
                self.set_phase(id, Phase::Ringing { until });
                self.tell_progress(id, PersonalStage::Ringing, effects);
            }
            Act::Screen => {
                attempt.picked_up = Some(at);
                if let Some(line) = attempt.line {
                    self.predictor.picked_up(line, at);
                }
                self.trunks.worked(attempt.trunk);
                let until = at + SCREENING_MAX;
                self.set_phase(id, Phase::Screening { until });
            }
            Act::Machine => self.hang_up(id, SystemResult::Machine, now, effects),
            Act::Greet => {
                attempt.answered = Some(at);
                if let Some(line) = attempt.line.take() {
                    // Without answer analysis both are one instant.
                    if attempt.picked_up.is_none() {
                        self.predictor.picked_up(line, at);
                    }
                    self.predictor.person(line, at);
                }
                let until = at + super::announcing::patience(settings);
                self.trunks.worked(attempt.trunk);
                self.set_phase(id, Phase::Answered { since: at, until });
                self.answer_noticed(id, campaign, now, effects);
                self.match_answered(id, now, effects);
            }
            Act::Unwanted => {
                attempt.answered = Some(at);
                self.hang_up(id, SystemResult::Cancelled, now, effects);
            }
            Act::Read(failure) => self.read_failure(id, failure, now, effects),
            Act::Silent => {
                let trunk = attempt.trunk;
                self.trunks.failed(trunk, now.mono, None);
                effects.push(Effect::Abort { attempt: id });
                if !(self.trunks.failover_on_silence(trunk)
                    && self.try_next_trunk(id, now, effects))
                {
                    // It may be ringing there all the same: the person stays taken until a late answer has been dealt with.
                    self.end_with(id, SystemResult::Interrupted, now, effects);
                }
            }
            Act::RingOut => {
                // It brought the call to a phone. Ringing alone proves nothing: a trunk may ring everybody and connect nobody.
                self.trunks.worked(attempt.trunk);
                self.cancel(id, CancelWhy::RingTimeout, now, effects);
            }
            Act::Close(result) => {
                if result == SystemResult::CustHangupEarly {
                    self.count_departure(id, at, now, effects);
                }
                self.close(id, result, now, effects);
            }
            Act::GiveUp(result) => {
                effects.push(Effect::Abort { attempt: id });
                self.close(id, result, now, effects);
            }
            Act::Abandon => {
                let load = self.load(campaign);
                load.lost += 1;
                load.answers += 1;
                self.abandon(id, campaign, now, effects);
            }
            Act::Miss => self.miss(id, now, effects),
            Act::MessageOver => {
                let result = attempt.phase.result().unwrap_or(SystemResult::Abandoned);
                self.hang_up(id, result, now, effects);
            }
            Act::Vanished => {
                self.count_departure(id, at, now, effects);
                self.hang_up(id, SystemResult::CustHangupEarly, now, effects);
            }
            Act::Talk => {
                if let Some(agent) = attempt.phase.agent() {
                    attempt.matched = attempt.matched.or(Some(now.mono));
                    let until = now.mono + self.settings.floor.talk_max;
                    self.set_phase(
                        id,
                        Phase::Talking {
                            agent,
                            since: now.mono,
                            until,
                        },
                    );
                    self.place_agent(agent, Place::Talking(id), now, effects);
                    self.count_join(id, now, effects);
                }
            }
            Act::PersonLeft => {
                if let Some(agent) = attempt.phase.agent() {
                    self.count_departure(id, at, now, effects);
                    self.talk_over(id, agent, EndedBy::Customer, at, now, effects);
                    self.close(id, SystemResult::Connected, now, effects);
                }
            }
            Act::JoinFailed | Act::TooLong | Act::AudioLost => {
                if let Some(agent) = attempt.phase.agent() {
                    self.talk_over(id, agent, EndedBy::System, now.mono, now, effects);
                    self.hang_up(id, SystemResult::Connected, now, effects);
                }
            }
        }
    }

    /// A person is on the line: the longest idle of the agents who can take the call and whom the fewest other calls in the air
    /// need, or a place in the wait.
    pub(super) fn match_answered(&mut self, id: AttemptId, now: Now, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        let stream = &self.leads.streams()[attempt.stream.0];
        let agent = match attempt.made_for {
            // Made for one agent, who waits for it.
            Some(agent) => self
                .agents
                .get(agent)
                .filter(|waiting| waiting.connected && waiting.place == Place::Reserved(id))
                .map(|waiting| waiting.id),
            None => attempt
                .sticky
                .filter(|agent| self.agents.is_free(*agent) && self.is_able(*agent, attempt.stream))
                .filter(|agent| self.may_give(*agent, id))
                .or_else(|| {
                    let able = |number, class: &Class| {
                        class.can_take(stream.campaign, &stream.needs) && self.may_take(number, id)
                    };
                    self.agents
                        .longest_idle_of_least(able, |class| self.wanted_by(class))
                }),
        };
        if let Some(agent) = agent {
            self.match_to(id, agent, now, effects);
        }
    }

    /// How many streams with lines in the air agents of a class could serve: whom few need is given away first.
    fn wanted_by(&self, class: &Class) -> usize {
        let streams = self.leads.streams().iter();
        streams
            .filter(|stream| stream.in_air > 0 && class.can_take(stream.campaign, &stream.needs))
            .count()
    }

    /// An agent became free: the person who has waited longest and whom this agent can serve.
    pub(super) fn match_free_agent(&mut self, agent: AgentId, now: Now, effects: &mut Vec<Effect>) {
        if !self.agents.is_free(agent) {
            return;
        }
        let may_have = |id: &AttemptId, calls_us: bool| {
            self.attempts.get(id).is_some_and(|attempt| {
                attempt.made_for.is_none()
                    && attempt.call_in.is_some() == calls_us
                    && self.is_able(agent, attempt.stream)
                    && self.may_give(agent, *id)
            })
        };
        // Whom we called is owed an agent within two seconds; who calls us hears it ring meanwhile.
        let waiting = [false, true].into_iter().find_map(|calls_us| {
            let mut waiting = self.waiting.iter().map(|(_, id)| *id);
            waiting.find(|id| may_have(id, calls_us))
        });
        if let Some(id) = waiting {
            self.match_to(id, agent, now, effects);
        }
    }

    pub(super) fn is_able(&self, agent: AgentId, stream: crate::core::leads::StreamId) -> bool {
        let stream = &self.leads.streams()[stream.0];
        self.agents.get(agent).is_some_and(|agent| {
            self.agents.classes()[agent.class.0].can_take(stream.campaign, &stream.needs)
        })
    }

    fn match_to(&mut self, id: AttemptId, agent: AgentId, now: Now, effects: &mut Vec<Effect>) {
        let until = now.mono + self.settings.floor.bridge_wait;
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        attempt.agent = Some(agent);
        attempt.matched = Some(now.mono);
        let answered = *attempt.answered.get_or_insert(now.mono);
        let calls_us = attempt.call_in.is_some();
        let campaign = attempt.campaign;
        let was_waiting_for_it = attempt.made_for.is_some();
        let stream = attempt.stream;
        if let Some(class) = self.agents.get(agent).map(|agent| agent.class)
            && !was_waiting_for_it
        {
            self.predictor.matched(stream.0, class.0);
        }
        self.load(campaign).answers += u64::from(!calls_us);
        self.agents.note_call(agent, campaign, now.mono);
        self.set_phase(id, Phase::Joining { agent, until });
        self.count_match(id, now, effects);
        self.watch_signs(id, agent, now);
        if calls_us {
            effects.push(Effect::PickUp { attempt: id });
        }
        effects.push(Effect::Bridge { attempt: id, agent });
        self.give_notice(id, campaign, effects);
        effects.push(Effect::Show {
            attempt: id,
            agent,
            answered,
        });
        self.unspoken.insert(
            id,
            super::people::Unspoken {
                agent,
                campaign,
                next: None,
            },
        );
        if !was_waiting_for_it {
            self.place_agent(agent, Place::Reserved(id), now, effects);
        }
    }

    /// The conversation is over for the agent: wrap-up begins.
    pub(super) fn talk_over(
        &mut self,
        id: AttemptId,
        agent: AgentId,
        by: EndedBy,
        at: Mono,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        if attempt.talk_ended.is_some() {
            return;
        }
        attempt.talk_ended = Some(at);
        let talk_ms = attempt
            .matched
            .map_or(0, |matched| at.since(matched).as_millis() as u64);
        let (campaign, talk_s) = (attempt.campaign, talk_ms as f64 / 1e3);
        self.predictor.talked(usize::from(campaign.0), talk_s);
        let wrap = self.settings.campaigns[usize::from(campaign.0)].wrap;
        effects.push(Effect::CallEnded {
            attempt: id,
            agent,
            by,
            talk_ms,
        });
        let until = now.mono + wrap;
        self.place_agent(
            agent,
            Place::Wrap {
                attempt: id,
                until,
                overrun: false,
            },
            now,
            effects,
        );
    }

    /// Ends an answered call; the result is known, the leg still has to go.
    pub(super) fn hang_up(
        &mut self,
        id: AttemptId,
        result: SystemResult,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::HangUp { attempt: id });
        self.end_with(id, result, now, effects);
    }

    /// The result is known; person and number stay taken until the leg is gone.
    pub(super) fn end_with(
        &mut self,
        id: AttemptId,
        result: SystemResult,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.count_result(id, result, now, effects);
        let until = now.mono + self.settings.floor.end_wait;
        self.set_phase(id, Phase::Ending { until, result });
        self.free_who_waited(id, result, now, effects);
    }

    /// The agent for whom this very call was made is free again, no younger in the queue than before.
    pub(super) fn free_who_waited(
        &mut self,
        id: AttemptId,
        result: SystemResult,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(agent) = self.attempts.get(&id).and_then(|attempt| attempt.made_for) else {
            return;
        };
        let waits = self
            .agents
            .get(agent)
            .is_some_and(|waiting| waiting.place == Place::Reserved(id));
        if !waits {
            return;
        }
        self.tell_progress(id, PersonalStage::Over(result), effects);
        self.free_again(agent, now, effects);
    }

    /// An agent whom nothing holds any more: ready, no younger in the queue than before, or what he asked for meanwhile.
    pub(super) fn free_again(&mut self, agent: AgentId, now: Now, effects: &mut Vec<Effect>) {
        match self.agents.get(agent).map(|waiting| waiting.after_call) {
            Some(AfterCall::Ready) | None => {
                if self.agents.lacks_audio(agent) {
                    return self.after_the_call(agent, now, effects);
                }
                self.agents.give_back(agent, now);
                self.backing_eased = true;
                effects.extend(self.agents.news(agent, now).map(Effect::Agent));
                self.match_free_agent(agent, now, effects);
            }
            Some(_) => self.after_the_call(agent, now, effects),
        }
    }

    /// Cancels a call that is not answered.
    pub(super) fn cancel(
        &mut self,
        id: AttemptId,
        why: CancelWhy,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        let was_cancelling = matches!(attempt.phase, Phase::Cancelling { .. });
        let until = now.mono + self.settings.floor.end_wait;
        self.set_phase(id, Phase::Cancelling { until, why });
        if !was_cancelling {
            effects.push(Effect::Cancel { attempt: id });
        }
    }

    fn read_failure(
        &mut self,
        id: AttemptId,
        failure: LegFailure,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        attempt.wire = Some((failure.status, failure.q850));
        let trunk = attempt.trunk;
        match reading::read(failure, attempt.rang.is_some()) {
            Reading::Final(result) => {
                self.trunks.worked(trunk);
                self.close(id, result, now, effects);
            }
            Reading::Trunk => {
                self.trunks.failed(trunk, now.mono, failure.retry_after_s);
                if !self.try_next_trunk(id, now, effects) {
                    self.close(id, SystemResult::TrunkFail, now, effects);
                }
            }
            Reading::NotFound => {
                self.trunks.worked(trunk);
                let second = std::mem::replace(&mut attempt.not_found_once, true);
                if second {
                    self.close(id, SystemResult::Invalid, now, effects);
                } else if !self.try_next_trunk(id, now, effects) {
                    // One trunk alone does not condemn a number: it counts as a try, and the lead returns.
                    self.close(id, SystemResult::NoAnswer, now, effects);
                }
            }
        }
    }

    /// The one end of an attempt: everything that it holds is given back.
    pub(super) fn close(
        &mut self,
        id: AttemptId,
        result: SystemResult,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.count_result(id, result, now, effects);
        self.free_who_waited(id, result, now, effects);
        self.leave_phase(id);
        let Some(attempt) = self.attempts.remove(&id) else {
            return;
        };
        if let Some(line) = attempt.line {
            learn_end(&mut self.predictor, line, result, now.mono);
        }
        self.trunks.release(attempt.trunk);
        let picked_up = attempt.picked_up.or(attempt.answered);
        let rang = attempt.rang.is_some() || picked_up.is_some();
        // Who calls us was not tried by us.
        let counts = attempt.call_in.is_none() && result.counts_as_attempt(rang);
        let made_at = attempt.released.map(|at| now.unix_of(at));
        // Dated as the store dates it, or one attempt would be two when the store's list is read.
        self.rules.settle(
            attempt.person,
            attempt.number,
            counts.then_some(attempt.decided.unix),
        );
        self.load(attempt.campaign).results[result as usize] += 1;

        let settings = &self.settings.campaigns[usize::from(attempt.campaign.0)];
        let used = attempt.lead_attempts + u16::from(counts);
        let next = if result == SystemResult::Connected {
            match self
                .unspoken
                .get(&id)
                .and_then(|unspoken| unspoken.next.clone())
            {
                Some(decided) => decided,
                None => LeadNext::AwaitsOutcome,
            }
        } else if let Some(call_in) = attempt.call_in {
            self.after_a_missed_call(call_in, attempt.lead, now)
        } else {
            match settings.recycle_after(result) {
                Recycle::Never if result == SystemResult::Invalid => {
                    LeadNext::Done(DoneWhy::Invalid)
                }
                Recycle::Never => LeadNext::Done(DoneWhy::Rule),
                Recycle::After(wait) => {
                    let least = match result {
                        SystemResult::Interrupted => settings.gate.gap_min.max(INTERRUPTED_GAP),
                        _ if counts => settings.gate.gap_min,
                        _ => Duration::ZERO,
                    };
                    // Who asked to be called back still is, and who was abandoned is owed a call (domain.md).
                    let asked = self
                        .leads
                        .facts(attempt.lead)
                        .map(|(facts, _)| (facts.callback, facts.sticky));
                    let (callback, sticky) = asked.unwrap_or_default();
                    next_for(
                        now.unix + wait.max(least),
                        used >= settings.attempts_max,
                        callback || result == SystemResult::Abandoned,
                        sticky,
                    )
                }
            }
        };
        match &next {
            // The disposition comes first or is to come; the lead stays out of all queues until both are known.
            LeadNext::AwaitsOutcome => {}
            LeadNext::Again { not_before, .. } => {
                self.due_again(attempt.campaign, Some(*not_before))
            }
            LeadNext::Done(_) => {}
        }
        match self
            .unspoken
            .get(&id)
            .map(|unspoken| unspoken.next.is_some())
        {
            Some(true) => {
                self.unspoken.remove(&id);
            }
            Some(false) => {
                self.closed_calls.insert(id, (attempt.lead, attempt.person));
            }
            None => {}
        }
        self.forget_lead(attempt.lead, now);

        let unix = |at: Option<Mono>| at.map(|at| now.unix_of(at));
        let ring_end = picked_up.unwrap_or(now.mono);
        effects.push(Effect::Close(Box::new(AttemptClosed {
            attempt: id,
            campaign: attempt.campaign,
            lead: attempt.lead,
            person: attempt.person,
            number: attempt.number,
            trunk: attempt.trunk,
            route_tries: attempt.route_try,
            result,
            counts,
            wire: attempt.wire,
            agent: attempt.agent,
            decided_at: attempt.decided.unix,
            released_at: made_at,
            rang_at: unix(attempt.rang),
            answered_at: unix(attempt.answered.or(attempt.picked_up)),
            matched_at: unix(attempt.matched),
            ended_at: now.unix,
            ring_ms: attempt
                .released
                .map(|released| ring_end.since(released).as_millis() as u64),
            talk_ms: attempt.matched.map(|matched| {
                attempt
                    .talk_ended
                    .unwrap_or(now.mono)
                    .since(matched)
                    .as_millis() as u64
            }),
            is_call_in: attempt.call_in.is_some(),
            announced_at: unix(attempt.announced),
            next,
        })));
    }

    /// Enters a phase: deadline, counts, and the wait for an agent.
    pub(super) fn set_phase(&mut self, id: AttemptId, phase: Phase) {
        self.leave_phase(id);
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        attempt.phase = phase;
        attempt.generation += 1;
        let (campaign, stream, personal) = (attempt.campaign, attempt.stream, attempt.is_apart());
        self.timers
            .set(phase.until(), Timer::Attempt(id, attempt.generation));
        let load = self.load(campaign);
        load.in_air += u32::from(phase.is_in_air());
        load.talking += u32::from(phase.is_talking());
        load.ringing += u32::from(matches!(phase, Phase::Ringing { .. }));
        load.waiting += u32::from(phase.waits_since().is_some());
        let kept = self.leads.stream_mut(stream);
        kept.in_air += u32::from(phase.is_in_air() && !personal);
        kept.talking += u32::from(phase.is_talking());
        if let Some(since) = phase.waits_since() {
            self.waiting.insert((since, id));
        }
    }

    fn leave_phase(&mut self, id: AttemptId) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        let (phase, campaign, stream, personal) = (
            attempt.phase,
            attempt.campaign,
            attempt.stream,
            attempt.is_apart(),
        );
        self.backing_eased |= phase.is_in_air();
        let load = self.load(campaign);
        load.in_air -= u32::from(phase.is_in_air());
        load.talking -= u32::from(phase.is_talking());
        load.ringing -= u32::from(matches!(phase, Phase::Ringing { .. }));
        load.waiting -= u32::from(phase.waits_since().is_some());
        let kept = self.leads.stream_mut(stream);
        kept.in_air -= u32::from(phase.is_in_air() && !personal);
        kept.talking -= u32::from(phase.is_talking());
        if let Some(since) = phase.waits_since() {
            self.waiting.remove(&(since, id));
        }
    }
}
