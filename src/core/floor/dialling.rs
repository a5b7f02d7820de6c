//! From the tick to the released INVITE: pacing, the next lead, the gate, a trunk, the intent, and all of it again at release.

use super::Floor;
use super::predicting::Predicted;
use crate::core::agents::Place;
use crate::core::backing::{Launcher, Verdict};
use crate::core::calls::{Attempt, CancelWhy, Phase};
use crate::core::effect::{
    AfterCall, Bound, DialOrder, DoneWhy, Effect, LeadNext, PacingDecision, PersonalStage,
};
use crate::core::input::LeadFacts;
use crate::core::leads::StreamId;
use crate::core::pacing::Plan;
use crate::core::results::SystemResult;
use crate::core::rules::{Candidate, Gate, Held};
use crate::core::settings::{CampaignState, DialMode};
use crate::core::timers::Timer;
use crate::core::trunks::NoTrunk;
use crate::ids::{AgentId, AttemptId, CampaignId, LeadId};
use crate::time::{Now, UnixMs};
use std::time::Duration;

/// Lines that one decision may start: bounds the length of a turn. The next tick goes on.
const LAUNCHES_MAX: u32 = 256;
/// Leads that one decision may find held by the gate before it gives the turn back.
const HELD_MAX: u32 = 512;
/// A lead that may be tried within this time stays in memory; another goes back to the store.
pub(super) const STAYS_WITHIN: Duration = Duration::from_secs(120);
/// The hot window may grow to so many times its size when nobody at work can take what is in it.
const HOT_TIMES_MAX: u32 = 8;
/// Longest time between two looks at a closed window: the wall clock may be set.
const WINDOW_LOOK: Duration = Duration::from_secs(60);
const REFILL_WAIT: Duration = Duration::from_secs(10);

/// What a campaign did in this decision.
#[derive(Clone, Copy)]
struct Tally {
    launched: u32,
    bound: Bound,
}

impl Floor {
    /// One pacing decision over all campaigns, streams and agents.
    pub(super) fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.store_ready {
            self.all_bound_by(Bound::Store, effects);
            // What waits for the disk is not in the store's answers: forget nobody, ask for nobody.
            return;
        }
        if now.mono >= self.forget_from {
            self.rules.forget_some(now.mono);
        }
        self.look_at_windows(now);
        self.refill(now, effects);
        if self.stopped {
            return;
        }
        self.move_windows(now, effects);
        self.recall_streams();
        self.dial_personal(now, effects);
        let mut launcher = self.launcher();

        let talking: Vec<u32> = self
            .leads
            .streams()
            .iter()
            .map(|stream| stream.talking)
            .collect();
        let shadows = self.shadows(&talking, now);
        let modes = self.modes();
        let mut shares = std::mem::take(&mut self.shares);
        let mut plan = Plan::new(
            self.agents.classes(),
            self.leads.streams(),
            &self.settings.campaigns,
            &modes,
            &talking,
            |stream| self.predictor.answer_rate(stream),
            &mut shares,
        );
        let mut tallies = vec![
            Tally {
                launched: 0,
                bound: Bound::Leads
            };
            self.loads.len()
        ];
        let in_air_before: Vec<u32> = self.loads.iter().map(|load| load.in_air).collect();
        let mut held_left = HELD_MAX;
        for _ in 0..LAUNCHES_MAX {
            let chosen = plan.next(&mut shares, |stream| {
                let campaign = self.leads.streams()[stream].campaign;
                if self.may_work(campaign) {
                    self.leads.head(StreamId(stream), now.unix)
                } else {
                    None
                }
            });
            let Some(stream) = chosen else { break };
            let campaign = self.leads.streams()[stream].campaign;
            let stream_id = StreamId(stream);
            if self.campaign(campaign).mode == DialMode::Preview {
                let classes = plan.givers(stream);
                if self
                    .offer_next(stream_id, campaign, &classes, &mut held_left, now, effects)
                    .is_err()
                {
                    plan.close(stream);
                }
                continue;
            }
            let tally = &mut tallies[usize::from(campaign.0)];
            match self.launch_backed(stream_id, &mut launcher, &mut held_left, now, effects) {
                Ok(()) => tally.launched += 1,
                Err(bound) => {
                    tally.bound = bound;
                    plan.close(stream);
                }
            }
        }
        let predicted = self.predict(now);
        for (stream, lines) in predicted.iter().flat_map(Predicted::starts) {
            let campaign = self.leads.streams()[stream.0].campaign;
            let tally = &mut tallies[usize::from(campaign.0)];
            for _ in 0..lines.min(LAUNCHES_MAX) {
                match self.launch_backed(stream, &mut launcher, &mut held_left, now, effects) {
                    Ok(()) => tally.launched += 1,
                    Err(bound) => {
                        tally.bound = bound;
                        break;
                    }
                }
            }
        }
        if let Some(predicted) = &predicted {
            self.cancel_hopeless(predicted, now, effects);
        }
        for stream in 0..talking.len() {
            let campaign = self.leads.streams()[stream].campaign;
            if self.campaign(campaign).mode == DialMode::Predictive {
                continue;
            }
            let tally = &mut tallies[usize::from(campaign.0)];
            if tally.bound == Bound::Leads
                && self.leads.head(StreamId(stream), now.unix).is_some()
                && plan.room(stream) == 0
            {
                tally.bound = Bound::Agents;
            }
        }
        for (number, tally) in tallies.iter().enumerate() {
            let campaign = CampaignId(number as u16);
            let settings = self.campaign(campaign);
            if settings.state != CampaignState::Running || !settings.mode.starts_lines() {
                continue;
            }
            let mut tally = *tally;
            if settings.mode == DialMode::Predictive {
                match &predicted {
                    // Between two predictions nothing is decided.
                    None if self.loads[number].shut_until.is_none() => continue,
                    Some(predicted)
                        if tally.bound == Bound::Leads
                            && predicted.is_short_of_agents(campaign) =>
                    {
                        tally.bound = Bound::Agents;
                    }
                    _ => {}
                }
            }
            let bound = match self.loads[number].shut_until {
                Some(_) if tally.launched == 0 => Bound::Window,
                _ => tally.bound,
            };
            let shadow = shadows.as_ref().and_then(|all| all.of(campaign));
            let has_news = self.tells_shadow(campaign, shadow);
            if tally.launched > 0 || bound != self.loads[number].bound || has_news {
                self.loads[number].bound = bound;
                let streams = (0..talking.len())
                    .filter(|stream| self.leads.streams()[*stream].campaign == campaign);
                let (mut free, mut room) = (0, 0u32);
                for stream in streams {
                    free = free.max(plan.free(stream));
                    room = room.max(plan.room(stream));
                }
                let mut decision = self.decision(campaign, bound, free);
                decision.launched = tally.launched;
                decision.shadow = shadow;
                decision.in_air = in_air_before[number];
                decision.wanted = tally.launched.saturating_add(room);
                if let Some(predicted) = &predicted
                    && decision.mode == DialMode::Predictive
                {
                    decision.why = predicted.why(campaign, self.budget_left(campaign, now));
                    decision.wanted = tally.launched;
                }
                effects.push(Effect::Decided(decision));
            }
        }
        self.shares = shares;
        if let Some(shadows) = &shadows {
            self.sum_shadows(shadows);
        }
    }

    /// A decision that starts nothing, with the figures of the moment.
    fn decision(&self, campaign: CampaignId, bound: Bound, free_agents: u32) -> PacingDecision {
        let load = &self.loads[usize::from(campaign.0)];
        PacingDecision {
            campaign,
            mode: self.campaign(campaign).mode,
            launched: 0,
            free_agents,
            at_work: self
                .agents
                .classes()
                .iter()
                .filter(|class| class.weight(campaign).is_some())
                .map(|class| class.at_work())
                .sum(),
            in_air: load.in_air,
            wanted: 0,
            bound,
            why: load.figures_of_the_moment(free_agents),
            shadow: None,
        }
    }

    /// Nothing is dialled for anybody: each campaign that would dial says so, once.
    fn all_bound_by(&mut self, bound: Bound, effects: &mut Vec<Effect>) {
        for number in 0..self.loads.len() {
            let settings = &self.settings.campaigns[number];
            let would_dial =
                settings.state == CampaignState::Running && settings.mode.starts_lines();
            if would_dial && self.loads[number].bound != bound {
                self.loads[number].bound = bound;
                let campaign = CampaignId(number as u16);
                effects.push(Effect::Decided(self.decision(campaign, bound, 0)));
            }
        }
    }

    /// Notes which campaigns' calling hours are over everywhere. Their leads then stay in memory as they are, instead of going
    /// back to the store with tomorrow's opening one by one: when the hours are extended live, they are there.
    fn look_at_windows(&mut self, now: Now) {
        for (load, campaign) in self.loads.iter_mut().zip(&self.settings.campaigns) {
            if campaign.state != CampaignState::Running
                || load.shut_until.is_some_and(|opens| now.unix < opens)
            {
                continue;
            }
            let opens = self.rules.closed_everywhere(&campaign.gate, now.unix);
            load.shut_until = opens.map(|opens| opens.min(now.unix + WINDOW_LOOK));
        }
    }

    /// Whether the tick may dial or show anything of a campaign: it runs, its agents are not on their own, and somewhere its
    /// calling hours are open.
    pub(super) fn may_work(&self, campaign: CampaignId) -> bool {
        let settings = self.campaign(campaign);
        settings.state == CampaignState::Running
            && settings.mode != DialMode::Manual
            && self.loads[usize::from(campaign.0)].shut_until.is_none()
    }

    /// Calls that only one agent may have: made when this agent is free, who waits for it.
    fn dial_personal(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for agent in self.leads.agents_with_due(now.unix) {
            let stays = self
                .agents
                .get(agent)
                .is_some_and(|agent| agent.after_call == AfterCall::Ready);
            // An agent on whom a guaranteed call counts makes no call of his own.
            if !self.agents.is_free(agent) || !stays || !self.may_leave(agent) {
                continue;
            }
            let mut held_left = 16;
            let mut passed_over = Vec::new();
            while let Some(lead) = self.leads.take_personal(agent, now.unix) {
                let Some((_, stream)) = self.leads.facts(lead) else {
                    break;
                };
                let campaign = self.leads.streams()[stream.0].campaign;
                let mode = self.campaign(campaign).mode;
                held_left -= 1;
                if mode == DialMode::Manual {
                    // He asks for it himself.
                    passed_over.push(lead);
                } else if !self.may_work(campaign) {
                    self.leads
                        .put_back(lead, now.unix + Duration::from_secs(5), now.unix);
                    break;
                } else if mode == DialMode::Preview {
                    if self.offer(lead, campaign, agent, false, now, effects) {
                        break;
                    }
                } else {
                    match self.launch(lead, campaign, Some(agent), None, now, effects) {
                        Launch::Done => break,
                        Launch::Bound(_) => {
                            self.leads.put_back(lead, now.unix, now.unix);
                            break;
                        }
                        Launch::Held(_) => {}
                    }
                }
                if held_left == 0 {
                    break;
                }
            }
            for lead in passed_over {
                self.put_back_as_it_was(lead, now);
            }
        }
    }

    /// Starts the next lead of a stream, if the ledgers allow one more line.
    fn launch_backed(
        &mut self,
        stream: StreamId,
        launcher: &mut Option<Launcher>,
        held_left: &mut u32,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Bound> {
        let campaign = self.leads.streams()[stream.0].campaign;
        let verdict = launcher
            .as_mut()
            .map_or(Verdict::Free, |book| book.launch(campaign, stream));
        if let Verdict::Refused = verdict {
            return Err(self.refusal(campaign));
        }
        let started = self.launch_next(stream, campaign, held_left, now, effects);
        match (started, launcher, verdict) {
            (Ok(()), ..) => self.ledger.launched(campaign),
            (Err(_), Some(book), Verdict::Backed(undo)) => book.undo(undo),
            (Err(_), ..) => {}
        }
        started
    }

    /// Starts the next lead of a stream that the gate lets pass.
    fn launch_next(
        &mut self,
        stream: StreamId,
        campaign: CampaignId,
        held_left: &mut u32,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Bound> {
        while *held_left > 0 {
            let Some(lead) = self.leads.take(stream, now.unix) else {
                return Err(Bound::Leads);
            };
            match self.launch(lead, campaign, None, None, now, effects) {
                Launch::Done => return Ok(()),
                Launch::Bound(bound) => {
                    self.put_back_as_it_was(lead, now);
                    return Err(bound);
                }
                Launch::Held(_) => *held_left -= 1,
            }
        }
        Err(Bound::Leads)
    }

    /// Starts a call to a lead that was taken: for anybody, or `made_for` one agent; under the id of its `preview`, if it had one.
    pub(super) fn launch(
        &mut self,
        lead: LeadId,
        campaign: CampaignId,
        made_for: Option<AgentId>,
        preview: Option<AttemptId>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Launch {
        let Some((facts, stream)) = self.leads.facts(lead) else {
            return Launch::Bound(Bound::Leads);
        };
        let facts = facts.clone();
        let settings = &self.settings.campaigns[usize::from(campaign.0)];
        let load = &mut self.loads[usize::from(campaign.0)];
        if load.in_air + load.talking >= settings.lines_max {
            return Launch::Bound(Bound::Lines);
        }
        if self.attempts.len() as u32 >= self.settings.floor.attempts_max / 4 * 3 {
            return Launch::Bound(Bound::Lines);
        }
        if !load.bucket.has(now.mono) {
            return Launch::Bound(Bound::Cps);
        }
        if let Err(held) = self.rules.ask(
            candidate(&facts, settings.attempts_max, preview),
            &settings.gate,
            now,
        ) {
            self.hold(lead, campaign, held, now, effects);
            return Launch::Held(held);
        }
        let trunk = match self.trunks.choose(now.mono, &settings.trunks, &[]) {
            Ok(trunk) => trunk,
            Err(NoTrunk::Cps) => return Launch::Bound(Bound::Cps),
            Err(NoTrunk::Unavailable) => return Launch::Bound(Bound::Trunks),
        };
        load.bucket.take();
        load.in_air += 1;
        load.launched += 1;
        self.trunks.take(trunk);
        let attempt = preview.unwrap_or(AttemptId(self.next_attempt));
        self.next_attempt += u64::from(preview.is_none());
        self.rules.reserve(facts.person, facts.number, attempt);
        if made_for.is_none() {
            self.leads.stream_mut(stream).in_air += 1;
        }
        // A call that one agent waits for is no line that others count on.
        let line = made_for
            .is_none()
            .then(|| self.predictor.dialled(stream.0, now.mono));
        let until = now.mono + self.settings.floor.intent_age_max;
        self.timers.set(until, Timer::Attempt(attempt, 0));
        self.attempts.insert(
            attempt,
            Attempt {
                id: attempt,
                campaign,
                stream,
                lead,
                person: facts.person,
                number: facts.number,
                phase: Phase::Queued { until },
                generation: 0,
                trunk,
                route_try: 1,
                tried: Vec::new(),
                not_found_once: false,
                made_for,
                call_in: None,
                announced: None,
                sticky: facts.sticky,
                decided: now,
                released: None,
                rang: None,
                picked_up: None,
                answered: None,
                matched: None,
                talk_ended: None,
                line,
                is_counted: false,
                agent: None,
                wire: None,
                lead_attempts: facts.attempts,
            },
        );
        if let Some(agent) = made_for {
            self.keep_manual(agent);
            self.place_agent(agent, Place::Reserved(attempt), now, effects);
        }
        effects.push(dial_order(&self.attempts[&attempt]));
        Launch::Done
    }

    /// A lead that the gate holds: stays if it may go soon, else returns to the store with its next lawful instant.
    pub(super) fn hold(
        &mut self,
        lead: LeadId,
        campaign: CampaignId,
        held: Held,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.load(campaign).held[held.gate as usize] += 1;
        // An agent who dials by hand may ask for a lead before its own time: that time stays.
        let own = self.leads.facts(lead).map(|(facts, _)| facts.not_before);
        let held = Held {
            next: held.next.max(held.next.and(own)),
            ..held
        };
        match held.next {
            Some(next) if next <= now.unix + STAYS_WITHIN => {
                self.leads.put_back(lead, next, now.unix)
            }
            _ => {
                let Some((facts, _)) = self.leads.facts(lead) else {
                    return;
                };
                let next = match (held.next, held.gate) {
                    (Some(not_before), _) => LeadNext::Again {
                        not_before,
                        callback: facts.callback,
                        sticky: facts.sticky,
                    },
                    // A zone that nobody knows, a week without an open hour: the configuration may change, so the lead stays.
                    (None, Gate::Window) => LeadNext::Again {
                        not_before: now.unix + Duration::from_secs(86_400),
                        callback: facts.callback,
                        sticky: facts.sticky,
                    },
                    (None, Gate::AttemptsUsed) => LeadNext::Done(DoneWhy::AttemptsUsed),
                    (None, _) => LeadNext::Done(DoneWhy::Blocked),
                };
                self.forget_lead(lead, now);
                effects.push(Effect::ReturnLead {
                    lead,
                    campaign,
                    gate: Some(held.gate),
                    next,
                });
                self.due_again(campaign, held.next);
            }
        }
    }

    /// A lead leaves the hot window.
    pub(super) fn forget_lead(&mut self, lead: LeadId, now: Now) {
        if let Some(facts) = self.leads.remove(lead) {
            self.rules.dismiss(facts.person, now.mono);
        }
    }

    /// The store will have a lead of this campaign at `at`: do not sleep past it.
    pub(super) fn due_again(&mut self, campaign: CampaignId, at: Option<UnixMs>) {
        if let (Some(dry), Some(at)) = (&mut self.load(campaign).dry_until, at) {
            *dry = (*dry).min(at);
        }
    }

    fn refill(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let want_most = self.settings.floor.hot_leads;
        for number in 0..self.loads.len() {
            let campaign = CampaignId(number as u16);
            // Leads that nobody at work can take lie in memory and must not stand before those that somebody can.
            let usable = self.leads.usable(campaign, |stream| {
                let classes = self.agents.classes().iter();
                classes
                    .clone()
                    .any(|class| class.uses_leads() && class.can_take(campaign, &stream.needs))
            });
            let hot = self.leads.hot(campaign);
            let most = want_most.saturating_mul(HOT_TIMES_MAX);
            let load = &mut self.loads[number];
            let is_running = self.settings.campaigns[number].state == CampaignState::Running;
            if !is_running
                || load.shut_until.is_some()
                || usable > want_most / 2
                || hot >= most
                || load.refill.is_some()
                || load.dry_until.is_some_and(|dry| now.unix < dry)
            {
                continue;
            }
            load.refills += 1;
            load.refill = Some(load.refills);
            self.timers.set(
                now.mono + REFILL_WAIT,
                Timer::Refill(campaign, load.refills),
            );
            effects.push(Effect::Refill {
                campaign,
                want: (want_most - usable).min(most - hot),
            });
        }
    }

    pub(super) fn admit_leads(
        &mut self,
        campaign: CampaignId,
        leads: Vec<LeadFacts>,
        dry_until: Option<UnixMs>,
        now: Now,
    ) {
        if usize::from(campaign.0) >= self.loads.len() {
            return;
        }
        let is_empty = leads.is_empty();
        for facts in leads {
            self.admit_one(campaign, facts, now);
        }
        let load = self.load(campaign);
        load.refill = None;
        // An empty answer without a time would be asked again at every tick.
        load.dry_until = dry_until.or(is_empty.then_some(now.unix + Duration::from_secs(1)));
    }

    /// A lead enters the hot window.
    pub(super) fn admit_one(&mut self, campaign: CampaignId, facts: LeadFacts, now: Now) {
        let Some(settings) = self.settings.campaigns.get(usize::from(campaign.0)) else {
            return;
        };
        let person = facts.person;
        let attempts = facts.person_attempts.clone();
        let facts = LeadFacts {
            person_attempts: Vec::new(),
            ..facts
        };
        if self.leads.admit(campaign, facts, &settings.needs, now.unix) {
            self.rules.admit(person, &attempts);
        }
    }

    /// The intent is on disk: all is asked again, then the INVITE may leave.
    pub(super) fn release(
        &mut self,
        id: AttemptId,
        route_try: u8,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        if attempt.route_try != route_try || !matches!(attempt.phase, Phase::Queued { .. }) {
            return;
        }
        let settings = &self.settings.campaigns[usize::from(attempt.campaign.0)];
        let lawful = self.leads.facts(attempt.lead).is_some_and(|(facts, _)| {
            self.rules
                .ask(
                    candidate(facts, settings.attempts_max, Some(id)),
                    &settings.gate,
                    now,
                )
                .is_ok()
        });
        let still_wanted = attempt.made_for.is_none_or(|agent| {
            self.agents
                .get(agent)
                .is_some_and(|agent| agent.connected && agent.place == Place::Reserved(id))
        });
        if self.stopped
            || !self.trunks.is_usable(attempt.trunk, now.mono)
            || !lawful
            || !still_wanted
            || settings.state != CampaignState::Running
        {
            self.close_unsent(id, now, effects);
            return;
        }
        let wait = self.settings.floor.first_answer_wait;
        let trunk = attempt.trunk;
        // The SIP side measures the wait for the first answer; this deadline is behind it, for a SIP side that is gone.
        let until = now.mono + wait + Duration::from_secs(1);
        self.set_phase(
            id,
            Phase::Dialing {
                until,
                heard: false,
            },
        );
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.released.get_or_insert(now.mono);
        }
        effects.push(Effect::Release {
            attempt: id,
            route_try,
            trunk,
        });
        self.tell_progress(id, PersonalStage::Dialling, effects);
    }

    pub(super) fn intent_failed(
        &mut self,
        id: AttemptId,
        route_try: u8,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let is_queued = self.attempts.get(&id).is_some_and(|attempt| {
            attempt.route_try == route_try && matches!(attempt.phase, Phase::Queued { .. })
        });
        if is_queued {
            self.close_unsent(id, now, effects);
        }
    }

    /// Ends an attempt whose present route try was never sent.
    pub(super) fn close_unsent(&mut self, id: AttemptId, now: Now, effects: &mut Vec<Effect>) {
        let earlier_try = self
            .attempts
            .get(&id)
            .is_some_and(|attempt| attempt.route_try > 1);
        // An earlier route try did leave, and its trunk refused it.
        let result = if earlier_try {
            SystemResult::TrunkFail
        } else {
            SystemResult::NotSent
        };
        self.close(id, result, now, effects);
    }

    /// Asks the next trunk, where there is one. The intent of the new INVITE must be durable first, like the first one's.
    pub(super) fn try_next_trunk(
        &mut self,
        id: AttemptId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return false;
        };
        if self.stopped || attempt.route_try >= 3 || attempt.rang.is_some() {
            return false;
        }
        let settings = &self.settings.campaigns[usize::from(attempt.campaign.0)];
        let mut tried = attempt.tried.clone();
        tried.push(attempt.trunk);
        let Ok(trunk) = self.trunks.choose(now.mono, &settings.trunks, &tried) else {
            return false;
        };
        self.trunks.release(attempt.trunk);
        self.trunks.take(trunk);
        attempt.tried = tried;
        attempt.trunk = trunk;
        attempt.route_try += 1;
        attempt.wire = None;
        let until = now.mono + self.settings.floor.intent_age_max;
        self.set_phase(id, Phase::Queued { until });
        effects.push(dial_order(&self.attempts[&id]));
        true
    }

    /// No INVITE leaves from now on.
    pub(super) fn stop(&mut self, cancel_ringing: bool, now: Now, effects: &mut Vec<Effect>) {
        self.stopped = true;
        self.all_bound_by(Bound::Stopped, effects);
        if !cancel_ringing {
            return;
        }
        let mut ringing: Vec<AttemptId> = self
            .attempts
            .values()
            .filter(|attempt| {
                matches!(attempt.phase, Phase::Dialing { .. } | Phase::Ringing { .. })
            })
            .map(|attempt| attempt.id)
            .collect();
        ringing.sort_unstable();
        for id in ringing {
            self.cancel(id, CancelWhy::Stopped, now, effects);
        }
    }

    /// A rule took the person away while it rang.
    pub(super) fn cancel_by_rule(
        &mut self,
        in_air: Option<AttemptId>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(id) = in_air else { return };
        if self.withdraw(id, now, effects) {
            return;
        }
        // A queued intent is asked again at its release; a conversation goes on.
        if let Some(Phase::Dialing { .. } | Phase::Ringing { .. } | Phase::Cancelling { .. }) =
            self.attempts.get(&id).map(|attempt| attempt.phase)
        {
            self.cancel(id, CancelWhy::Rule, now, effects);
        }
    }
}

/// What came of the wish to start a call.
pub(super) enum Launch {
    Done,
    Held(Held),
    Bound(Bound),
}

pub(super) fn candidate(facts: &LeadFacts, attempts_max: u16, own: Option<AttemptId>) -> Candidate {
    Candidate {
        person: facts.person,
        number: facts.number,
        zone: facts.zone,
        attempts: facts.attempts,
        attempts_max,
        blocked: facts.blocked,
        own,
    }
}

fn dial_order(attempt: &Attempt) -> Effect {
    Effect::Dial(DialOrder {
        attempt: attempt.id,
        route_try: attempt.route_try,
        campaign: attempt.campaign,
        lead: attempt.lead,
        person: attempt.person,
        number: attempt.number,
        trunk: attempt.trunk,
    })
}

/// The future of a lead whose attempts are counted.
pub(super) fn next_for(
    not_before: UnixMs,
    attempts_used: bool,
    callback: bool,
    sticky: Option<AgentId>,
) -> LeadNext {
    if attempts_used {
        LeadNext::Done(DoneWhy::AttemptsUsed)
    } else {
        LeadNext::Again {
            not_before,
            callback,
            sticky,
        }
    }
}
