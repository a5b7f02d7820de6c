//! What agents ask for and say: states, breaks, hang-ups, dispositions, lost sockets. Every request is met or refused with a reason.

use super::Floor;
use crate::core::agents::Place;
use crate::core::calls::{CancelWhy, Phase};
use crate::core::dispositions::{Disposition, Needs};
use crate::core::effect::{AfterCall, DoneWhy, Effect, EndedBy, LeadNext, OutcomeKept, Refusal};
use crate::core::input::{AgentSeat, Wanted};
use crate::core::results::SystemResult;
use crate::core::settings::WrapOverrun;
use crate::core::timers::Timer;
use crate::ids::{AgentId, AttemptId, CampaignId};
use crate::time::{Now, UnixMs};
use std::time::Duration;

/// A conversation whose disposition, or whose attempt's end, is still to come.
#[derive(Clone, Debug)]
pub(super) struct Unspoken {
    pub(super) agent: AgentId,
    pub(super) campaign: CampaignId,
    /// The lead's future, if the disposition came before the attempt's end.
    pub(super) next: Option<LeadNext>,
}

/// A disposition and what came with it; without a request it is the system's.
#[derive(Clone, Copy)]
struct Said {
    request: Option<u64>,
    disposition: Disposition,
    follow_up: Option<UnixMs>,
}

impl Said {
    const NOTHING: Said = Said {
        request: None,
        disposition: Disposition::NotRecorded,
        follow_up: None,
    };
}

/// How long an agent may sit over a missing disposition before it is kept as NOT_RECORDED.
const HOLD_MAX: Duration = Duration::from_secs(900);

impl Floor {
    pub(super) fn seat(&mut self, mut seat: AgentSeat, now: Now, effects: &mut Vec<Effect>) {
        seat.campaigns
            .retain(|(campaign, _)| usize::from(campaign.0) < self.loads.len());
        let agent = seat.agent;
        self.agents.seat(seat, now);
        effects.extend(self.agents.news(agent, now).map(Effect::Agent));
        if let Some(place) = self.agents.get(agent).map(|agent| agent.place) {
            self.resume_waiting(agent, place, now, effects);
        }
    }

    pub(super) fn agent_wants(
        &mut self,
        id: AgentId,
        wanted: Wanted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(agent) = self.agents.get(id) else {
            return refuse(id, Refusal::NotSeated, effects);
        };
        let kept = agent.outcome_kept;
        if agent.place != Place::Offline && self.refuse_without_audio(id, wanted, effects) {
            return;
        }
        match (agent.place, wanted) {
            (Place::Offline, _) => refuse(id, Refusal::NotSeated, effects),
            // Who had asked to leave stays after all.
            (Place::Ready, Wanted::Ready) => self.put_off(id, AfterCall::Ready, now, effects),
            (Place::Ready, wanted) if agent.connected && !self.may_leave(id) => {
                self.put_off(id, after_call(wanted), now, effects);
            }
            (Place::Break(_) | Place::Ready | Place::Manual, wanted) => {
                self.go_to(id, wanted, now, effects)
            }
            (Place::Previewing { attempt, .. }, wanted) => {
                self.leave_preview(id, attempt, wanted, now, effects)
            }
            (Place::Wrap { .. }, Wanted::Ready) if !kept => {
                refuse(id, Refusal::OutcomeFirst, effects)
            }
            (Place::Wrap { .. }, wanted) if kept => self.go_to(id, wanted, now, effects),
            (Place::Reserved(_) | Place::Talking(_) | Place::Wrap { .. }, wanted) => {
                self.agents.set_after_call(id, after_call(wanted));
                effects.extend(self.agents.news(id, now).map(Effect::Agent));
            }
        }
    }

    pub(super) fn go_to(
        &mut self,
        id: AgentId,
        wanted: Wanted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let place = match wanted {
            Wanted::Ready => Place::Ready,
            Wanted::Break(reason) => Place::Break(reason),
            Wanted::Manual => Place::Manual,
            Wanted::Offline => Place::Offline,
        };
        let place = self.place_without_audio(id, place);
        self.place_agent(id, place, now, effects);
        if place == Place::Ready {
            self.match_free_agent(id, now, effects);
        }
    }

    pub(super) fn agent_hangs_up(
        &mut self,
        id: AgentId,
        call: AttemptId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let phase = self.attempts.get(&call).map(|attempt| attempt.phase);
        match phase {
            Some(phase) if phase.agent() == Some(id) => {
                self.talk_over(call, id, EndedBy::Agent, now.mono, now, effects);
                self.hang_up(call, SystemResult::Connected, now, effects);
            }
            _ => refuse(id, Refusal::NotYourCall, effects),
        }
    }

    pub(super) fn agent_outcome(
        &mut self,
        (id, call, request): (AgentId, AttemptId, u64),
        disposition: Disposition,
        follow_up: Option<UnixMs>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let why = match self.agents.get(id) {
            None => Some(Refusal::NotSeated),
            Some(agent)
                if agent.place.attempt() != Some(call)
                    || self
                        .unspoken
                        .get(&call)
                        .is_none_or(|unspoken| unspoken.agent != id) =>
            {
                let had_it = agent.place.attempt() == Some(call) && agent.outcome_kept;
                Some(if had_it {
                    Refusal::OutcomeKept
                } else {
                    Refusal::NotYourCall
                })
            }
            Some(agent) if agent.outcome_kept => Some(Refusal::OutcomeKept),
            Some(_) if needs_time(disposition) && follow_up.is_none() => {
                Some(Refusal::FollowUpMissing)
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            effects.push(Effect::Refuse {
                agent: id,
                request,
                why,
            });
            return;
        }
        self.keep_outcome(
            id,
            call,
            Said {
                request: Some(request),
                disposition,
                follow_up,
            },
            now,
            effects,
        );
        // An agent who only waited for this goes on at once.
        if let Some(Place::Wrap { overrun: true, .. }) =
            self.agents.get(id).map(|agent| agent.place)
        {
            self.after_the_call(id, now, effects);
        }
    }

    fn keep_outcome(
        &mut self,
        agent: AgentId,
        call: AttemptId,
        said: Said,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Said {
            request,
            disposition,
            follow_up,
        } = said;
        let Some(unspoken) = self.unspoken.get_mut(&call) else {
            return;
        };
        if unspoken.next.is_some() {
            return; // said already; only the attempt's end is still to come
        }
        let campaign = unspoken.campaign;
        let gap = self.settings.campaigns[usize::from(campaign.0)]
            .gate
            .gap_min;
        let next = lead_next(disposition, follow_up, agent, gap, now);
        // While the attempt lives its lead is here; afterwards the store knows both by the attempt.
        let (lead, person) = match self.attempts.get(&call) {
            Some(attempt) => {
                unspoken.next = Some(next.clone());
                (attempt.lead, attempt.person)
            }
            None => match self
                .unspoken
                .remove(&call)
                .and_then(|_| self.closed_calls.remove(&call))
            {
                Some(ids) => ids,
                None => return,
            },
        };
        if holds_for_the_person(disposition) {
            match &next {
                LeadNext::Again { not_before, .. } => self.rules.quiet(person, *not_before),
                LeadNext::Done(_) => drop(self.rules.block_person(person, None)),
                LeadNext::AwaitsOutcome => {}
            }
        }
        self.load(campaign).outcomes += 1;
        if let LeadNext::Again { not_before, .. } = &next {
            self.due_again(campaign, Some(*not_before));
        }
        self.agents.set_outcome_kept(agent);
        effects.push(Effect::KeepOutcome(OutcomeKept {
            attempt: call,
            campaign,
            lead,
            person,
            agent,
            request,
            disposition,
            at: now.unix,
            next,
        }));
    }

    /// The deadline of wrap-up.
    pub(super) fn wrap_over(&mut self, id: AgentId, now: Now, effects: &mut Vec<Effect>) {
        let Some(agent) = self.agents.get(id) else {
            return;
        };
        let Place::Wrap {
            attempt, overrun, ..
        } = agent.place
        else {
            return;
        };
        if agent.outcome_kept {
            return self.after_the_call(id, now, effects);
        }
        let campaign = self
            .unspoken
            .get(&attempt)
            .map(|unspoken| unspoken.campaign);
        let rule = campaign.map_or(WrapOverrun::Ready, |campaign| {
            self.campaign(campaign).wrap_overrun
        });
        if !overrun {
            self.wrap_overruns += 1;
        }
        if rule == WrapOverrun::Hold && !overrun {
            let until = now.mono + HOLD_MAX;
            self.place_agent(
                id,
                Place::Wrap {
                    attempt,
                    until,
                    overrun: true,
                },
                now,
                effects,
            );
            return;
        }
        self.keep_outcome(id, attempt, Said::NOTHING, now, effects);
        if overrun {
            // Nobody is at this desk.
            self.agents.set_after_call(id, AfterCall::Break(0));
        }
        self.after_the_call(id, now, effects);
    }

    pub(super) fn after_the_call(&mut self, id: AgentId, now: Now, effects: &mut Vec<Effect>) {
        let Some(agent) = self.agents.get(id) else {
            return;
        };
        let wanted = match agent.after_call {
            AfterCall::Ready => Wanted::Ready,
            AfterCall::Break(reason) => Wanted::Break(reason),
            AfterCall::Manual => Wanted::Manual,
            AfterCall::Offline => Wanted::Offline,
        };
        self.go_to(id, wanted, now, effects);
    }

    pub(super) fn agent_lost(&mut self, id: AgentId, now: Now) {
        if !self
            .agents
            .get(id)
            .is_some_and(|agent| agent.connected && agent.place != Place::Offline)
        {
            return;
        }
        if let Some(losses) = self.agents.set_connected(id, false) {
            self.timers.set(
                now.mono + self.settings.floor.agent_grace,
                Timer::Grace(id, losses),
            );
        }
    }

    pub(super) fn agent_back(&mut self, id: AgentId, now: Now, effects: &mut Vec<Effect>) {
        match self.agents.get(id).map(|agent| agent.place) {
            Some(place) if place != Place::Offline => {
                self.agents.set_connected(id, true);
                effects.extend(self.agents.news(id, now).map(Effect::Agent));
                self.resume_waiting(id, place, now, effects);
            }
            _ => refuse(id, Refusal::NotSeated, effects),
        }
    }

    /// Back at the desk: somebody may be waiting, for this agent alone or for anyone.
    fn resume_waiting(&mut self, id: AgentId, place: Place, now: Now, effects: &mut Vec<Effect>) {
        let own = place.attempt().filter(|call| {
            self.attempts
                .get(call)
                .is_some_and(|attempt| matches!(attempt.phase, Phase::Answered { .. }))
        });
        match own {
            Some(call) => self.match_answered(call, now, effects),
            None => self.match_free_agent(id, now, effects),
        }
    }

    /// The agent did not come back: whoever is on the line is not left alone with silence.
    pub(super) fn grace_over(&mut self, id: AgentId, now: Now, effects: &mut Vec<Effect>) {
        let Some(agent) = self.agents.get(id) else {
            return;
        };
        match agent.place {
            Place::Reserved(call) | Place::Talking(call) => {
                match self.attempts.get(&call).map(|attempt| attempt.phase) {
                    Some(phase) if phase.agent() == Some(id) => {
                        self.talk_over(call, id, EndedBy::System, now.mono, now, effects);
                        self.hang_up(call, SystemResult::Connected, now, effects);
                        self.keep_outcome(id, call, Said::NOTHING, now, effects);
                    }
                    // Made for this agent and still in the air.
                    Some(Phase::Dialing { .. } | Phase::Ringing { .. }) => {
                        self.place_agent(id, Place::Offline, now, effects);
                        return self.cancel(call, CancelWhy::Stopped, now, effects);
                    }
                    _ => {}
                }
            }
            Place::Wrap { attempt, .. } => {
                self.keep_outcome(id, attempt, Said::NOTHING, now, effects);
            }
            Place::Previewing { attempt, .. } => self.give_preview_back(attempt, now, effects),
            Place::Break(_) | Place::Ready | Place::Manual | Place::Offline => {}
        }
        self.place_agent(id, Place::Offline, now, effects);
    }
}

pub(super) fn refuse(agent: AgentId, why: Refusal, effects: &mut Vec<Effect>) {
    effects.push(Effect::Refuse {
        agent,
        request: 0,
        why,
    });
}

fn after_call(wanted: Wanted) -> AfterCall {
    match wanted {
        Wanted::Ready => AfterCall::Ready,
        Wanted::Break(reason) => AfterCall::Break(reason),
        Wanted::Manual => AfterCall::Manual,
        Wanted::Offline => AfterCall::Offline,
    }
}

/// Whether what was said binds us whatever number or list the person is dialled on next (a promise, a refusal), or was
/// about this number only (a wrong one, silence).
fn holds_for_the_person(disposition: Disposition) -> bool {
    use Disposition as D;
    !matches!(
        disposition,
        D::TpcMessage
            | D::TpcRefuses
            | D::WrongNumber
            | D::NoSpeech
            | D::Hangup
            | D::Language
            | D::VoicemailAgent
            | D::NotRecorded
    )
}

fn needs_time(disposition: Disposition) -> bool {
    matches!(disposition.needs(), Needs::Promise | Needs::Time)
}

/// What a disposition makes of the lead (domain.md, column "next"), never sooner than the least gap.
fn lead_next(
    disposition: Disposition,
    follow_up: Option<UnixMs>,
    agent: AgentId,
    gap: Duration,
    now: Now,
) -> LeadNext {
    use Disposition as D;
    const HOUR: u64 = 3_600;
    const DAY: u64 = 24 * HOUR;
    let after = |seconds: u64| LeadNext::Again {
        not_before: now.unix + Duration::from_secs(seconds).max(gap),
        callback: false,
        sticky: None,
    };
    match disposition {
        // Quiet until the promise is due; the same agent if he is free.
        D::RpcPtp => LeadNext::Again {
            not_before: follow_up.unwrap_or(now.unix).max(now.unix + gap),
            callback: false,
            sticky: Some(agent),
        },
        D::RpcCallback => LeadNext::Again {
            not_before: follow_up.unwrap_or(now.unix).max(now.unix + gap),
            callback: true,
            sticky: Some(agent),
        },
        D::BrokenPromise => match follow_up {
            Some(due) => LeadNext::Again {
                not_before: due.max(now.unix + gap),
                callback: false,
                sticky: Some(agent),
            },
            None => after(DAY),
        },
        D::RpcPaid | D::RpcNoCommit | D::RpcPartialPlan | D::RpcRefuse => after(2 * DAY),
        D::RpcPaynow => after(DAY),
        D::RpcHardship | D::Complaint => after(7 * DAY),
        D::TpcMessage | D::VoicemailAgent => after(4 * HOUR),
        D::NoSpeech | D::Hangup | D::NotRecorded => after(2 * HOUR),
        D::Language => after(HOUR),
        D::RpcDispute
        | D::TpcRefuses
        | D::WrongNumber
        | D::Deceased
        | D::LegalRepresentative
        | D::Escalate
        | D::FieldVisit => LeadNext::Done(DoneWhy::Disposition),
    }
}
