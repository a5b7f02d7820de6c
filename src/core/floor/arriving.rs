//! Calls to us: a borrower who calls back reaches a free agent who may have the call, or hears a message and is called back.
//!
//! - The gate is not asked: it is they who call, also where we must not call them. Nothing of it counts against their caps.
//! - The abandon ledger does not know these calls: its promises (16 CFR 310.4(b)(4), 47 CFR 64.1200(a)(7)) are about calls that we
//!   make. Nobody of ours in time is MISSED, never ABANDONED.
//! - It rings until an agent is there: nobody pays for waiting. Whom we called goes first, since a law counts their seconds.
//! - One call per person: what rings at the caller is cancelled, what is on a screen is taken from it. While such a call still ends
//!   on the wire, the new one is held up. Who is talking with us already is busy.

use super::Floor;
use crate::core::calls::{ArrivedCall, Attempt, CancelWhy, Phase};
use crate::core::effect::{CallInOrder, DoneWhy, Effect, LeadNext};
use crate::core::input::{CallIn, LeadFacts};
use crate::core::results::SystemResult;
use crate::core::settings::CampaignState;
use crate::core::timers::Timer;
use crate::ids::{AttemptId, CallInId, LeadId};
use crate::time::{Mono, Now};

/// Calls that may be held up at once; they hold nothing but their lead.
const HELD_UP_MAX: usize = 256;

/// A call to us that waits for the end of another with the same person.
#[derive(Debug)]
pub(super) struct HeldUp {
    call: CallIn,
    until: Mono,
}

/// What stands in the way of a call to us.
enum Way {
    Free,
    /// Another call with this person is ending.
    Ending,
    /// We are talking with this person.
    Talking,
}

impl Floor {
    /// Somebody calls us.
    pub(super) fn call_in(&mut self, call: CallIn, now: Now, effects: &mut Vec<Effect>) {
        let id = call.call;
        let is_open = self
            .settings
            .campaigns
            .get(usize::from(call.campaign.0))
            .is_some_and(|campaign| campaign.state != CampaignState::Closed);
        let is_known = self.held_up.contains_key(&id)
            || self
                .attempts
                .values()
                .any(|attempt| attempt.call_in.is_some_and(|call_in| call_in.call == id));
        if is_known {
            self.ignored += 1;
            return;
        }
        let has_room = self.attempts.len() < self.settings.floor.attempts_max as usize
            && self.held_up.len() < HELD_UP_MAX;
        let has_trunk = usize::from(call.trunk.0) < self.trunks.count();
        if !is_open || !has_room || !has_trunk {
            return self.turn_away(&call, false, effects);
        }
        match self.clear_the_way(&call.facts, now, effects) {
            Way::Free => self.arrive(call, now, effects),
            Way::Talking => self.turn_away(&call, true, effects),
            Way::Ending => {
                let wait = self.settings.campaigns[usize::from(call.campaign.0)]
                    .inbound
                    .wait;
                let until = now.mono + wait;
                self.timers.set(until, Timer::CallIn(id));
                self.held_up.insert(id, HeldUp { call, until });
            }
        }
    }

    /// Ends what we have in the air with the caller, or says why not.
    fn clear_the_way(&mut self, facts: &LeadFacts, now: Now, effects: &mut Vec<Effect>) -> Way {
        // A person may be held by one attempt and the number by another's.
        for _ in 0..2 {
            let Some(holder) = self.rules.holder(facts.person, facts.number) else {
                return Way::Free;
            };
            if self.withdraw(holder, now, effects) {
                continue;
            }
            let phase = self.attempts.get(&holder).map(|attempt| attempt.phase);
            match phase {
                Some(Phase::Queued { .. }) => {
                    self.close_unsent(holder, now, effects);
                    continue;
                }
                Some(Phase::Dialing { .. } | Phase::Ringing { .. }) => {
                    self.cancel(holder, CancelWhy::Rule, now, effects);
                }
                Some(Phase::Cancelling { .. } | Phase::Ending { .. }) => {}
                Some(
                    Phase::Screening { .. }
                    | Phase::Answered { .. }
                    | Phase::Arriving { .. }
                    | Phase::Announcing { .. }
                    | Phase::Joining { .. }
                    | Phase::Talking { .. },
                )
                | None => return Way::Talking,
            }
            return Way::Ending;
        }
        match self.rules.holder(facts.person, facts.number) {
            Some(_) => Way::Ending,
            None => Way::Free,
        }
    }

    /// The call becomes an attempt.
    fn arrive(&mut self, call: CallIn, now: Now, effects: &mut Vec<Effect>) {
        let (lead, id) = (call.facts.lead, call.call);
        // Here already if it lay in the hot window.
        self.admit_one(call.campaign, call.facts.clone(), now);
        if !self.leads.take_this(lead) {
            return self.turn_away(&call, true, effects);
        }
        let Some((facts, stream)) = self.leads.facts(lead) else {
            return self.turn_away(&call, false, effects);
        };
        let (person, number) = (facts.person, facts.number);
        // Who reserved the person, or spoke with them last, is asked first; but somebody is calling now.
        let sticky = facts.reserved_for.or(facts.sticky);
        let lead_attempts = facts.attempts;
        // The lead's own campaign, whichever of ours the number belongs to.
        let campaign = self.leads.streams()[stream.0].campaign;
        let attempt = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        self.rules.reserve(person, number, attempt);
        self.trunks.take_in(call.trunk);
        self.attempts.insert(
            attempt,
            Attempt {
                id: attempt,
                campaign,
                stream,
                lead,
                person,
                number,
                // Counted nowhere; it enters its first phase below.
                phase: Phase::Ending {
                    until: now.mono,
                    result: SystemResult::Missed,
                },
                generation: 0,
                trunk: call.trunk,
                route_try: 1,
                tried: Vec::new(),
                not_found_once: false,
                made_for: None,
                call_in: Some(ArrivedCall {
                    call: id,
                    may_call_back: call.may_call_back,
                }),
                announced: None,
                sticky,
                decided: Now {
                    mono: call.at.min(now.mono),
                    unix: now.unix_of(call.at.min(now.mono)),
                },
                released: None,
                rang: None,
                picked_up: None,
                answered: None,
                matched: None,
                talk_ended: None,
                line: None,
                // The abandon ledger is about calls that we make.
                is_counted: true,
                agent: None,
                wire: None,
                lead_attempts,
            },
        );
        effects.push(Effect::CallIn(CallInOrder {
            attempt,
            call: id,
            campaign,
            lead,
            person,
            number,
            trunk: call.trunk,
        }));
        let until = now.mono + self.campaign(campaign).inbound.wait;
        let since = now.mono;
        self.set_phase(attempt, Phase::Arriving { since, until });
        if call.is_for_agents {
            self.match_answered(attempt, now, effects);
        } else {
            self.miss(attempt, now, effects);
        }
    }

    /// Nobody of ours can take a call to us: the message, or the line is cut.
    pub(super) fn miss(&mut self, id: AttemptId, now: Now, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        let campaign = &self.settings.campaigns[usize::from(attempt.campaign.0)];
        match campaign.inbound.message.clone() {
            Some(prompt) => {
                attempt.answered = Some(now.mono);
                effects.push(Effect::PickUp { attempt: id });
                self.announce(id, prompt, SystemResult::Missed, now, effects);
            }
            None => {
                effects.push(Effect::Cancel { attempt: id });
                self.end_with(id, SystemResult::Missed, now, effects);
            }
        }
    }

    /// What becomes of a caller's lead whom nobody has spoken with.
    pub(super) fn after_a_missed_call(
        &self,
        call_in: ArrivedCall,
        lead: LeadId,
        now: Now,
    ) -> LeadNext {
        if !call_in.may_call_back {
            return LeadNext::Done(DoneWhy::Rule);
        }
        let sticky = self.leads.facts(lead).and_then(|(facts, _)| facts.sticky);
        // Due now; hours, caps and blocks are the gate's business when it is dialled.
        LeadNext::Again {
            not_before: now.unix,
            callback: true,
            sticky,
        }
    }

    /// A call ended: whoever was held up by it comes in.
    pub(super) fn take_held_up(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.held_up.is_empty() {
            return;
        }
        let free: Vec<CallInId> = self
            .held_up
            .iter()
            .filter(|(_, held)| {
                let facts = &held.call.facts;
                self.rules.holder(facts.person, facts.number).is_none()
            })
            .map(|(id, _)| *id)
            .collect();
        for id in free {
            let Some(held) = self.held_up.remove(&id) else {
                continue;
            };
            let facts = &held.call.facts;
            if self.rules.holder(facts.person, facts.number).is_some() {
                // Two calls of one person were held up.
                self.held_up.insert(id, held);
                continue;
            }
            self.arrive(held.call, now, effects);
        }
    }

    /// It was held up too long.
    pub(super) fn give_up_held(&mut self, id: CallInId, now: Now, effects: &mut Vec<Effect>) {
        if self
            .held_up
            .get(&id)
            .is_some_and(|held| held.until <= now.mono)
            && let Some(held) = self.held_up.remove(&id)
        {
            self.turn_away(&held.call, true, effects);
        }
    }

    /// A call that does not become an attempt. Its lead goes where it came from.
    fn turn_away(&self, call: &CallIn, is_busy: bool, effects: &mut Vec<Effect>) {
        effects.push(Effect::TurnAway {
            call: call.call,
            is_busy,
        });
        let lead = call.facts.lead;
        // One that is here waits in a queue, or is in the other call.
        if self.leads.facts(lead).is_none() {
            effects.push(Effect::ReturnLead {
                lead,
                campaign: call.campaign,
                gate: None,
                next: LeadNext::AwaitsOutcome,
            });
        }
    }
}
