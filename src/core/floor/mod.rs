//! The floor: one writer over agents, campaigns and calls. Routes each input to its room; decides nothing itself.
//!
//! `handle` never waits, never fails and never allocates without bound. Same settings and inputs, same effects.

mod announcing;
mod arriving;
mod audio;
mod by_hand;
mod dialling;
mod edits;
mod guarantee;
mod ledger;
mod legs;
mod people;
mod predicting;
mod previewing;
mod remembering;
mod shadowing;
mod snapshot;

use crate::core::Map;
use crate::core::agents::{Agents, Place};
use crate::core::calls::{Attempts, Event};
use crate::core::effect::{Bound, Effect, Forecast};
use crate::core::input::Input;
use crate::core::leads::Leads;
use crate::core::ledger::{Ledger, NamedEvent};
use crate::core::pacing::Shares;
use crate::core::pacing::predict::Twins;
use crate::core::picture::Picture;
use crate::core::previews::Previews;
use crate::core::results::SystemResult;
use crate::core::rules::Rules;
use crate::core::settings::{CampaignSettings, CampaignState, Settings};
use crate::core::timers::{Timer, Timers};
use crate::core::trunks::{Bucket, Trunks};
use crate::ids::{AgentId, AttemptId, CallInId, CampaignId, LeadId, PersonId};
use crate::time::{Mono, Now, UnixMs};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a campaign has going on and has done.
#[derive(Debug)]
struct Load {
    bucket: Bucket,
    /// Lines in the air, all streams and personal calls: intent to answer.
    in_air: u32,
    ringing: u32,
    waiting: u32,
    talking: u32,
    launched: u64,
    results: [u64; SystemResult::ALL.len()],
    outcomes: u64,
    held: [u64; 6],
    /// People lost for want of an agent, and answers, since the start.
    lost: u64,
    answers: u64,
    /// A refill is on its way; the number recognises its deadline.
    refill: Option<u32>,
    refills: u32,
    /// The store has nothing more before this time.
    dry_until: Option<UnixMs>,
    /// The calling hours are over in every zone until then at least: its leads stay where they are.
    shut_until: Option<UnixMs>,
    /// Whether it has dialled by prediction, now or in a run that is remembered.
    has_predicted: bool,
    shadow: shadowing::ShadowSums,
    bound: Bound,
}

impl Load {
    fn new(settings: &CampaignSettings) -> Self {
        Load {
            bucket: Bucket::new(settings.cps_max),
            in_air: 0,
            ringing: 0,
            waiting: 0,
            talking: 0,
            launched: 0,
            results: [0; SystemResult::ALL.len()],
            outcomes: 0,
            held: [0; 6],
            lost: 0,
            answers: 0,
            refill: None,
            refills: 0,
            dry_until: None,
            shut_until: None,
            has_predicted: false,
            shadow: shadowing::ShadowSums::default(),
            bound: Bound::Nothing,
        }
    }

    /// What today's modes can say of themselves: the answers of all calls that are over. A call that nobody answers takes
    /// longer to be over than one that is answered, so that the share is a little high while many ring; no decision reads it.
    fn figures_of_the_moment(&self, free_agents: u32) -> Option<Forecast> {
        /// Fewer say nothing about a share.
        const ENDED_MIN: u64 = 20;
        use SystemResult as R;
        let of = |wanted: &[R]| -> u64 {
            wanted
                .iter()
                .map(|result| self.results[*result as usize])
                .sum()
        };
        let answered = of(&[R::Connected, R::Abandoned, R::CustHangupEarly, R::Machine]);
        let ended = answered + of(&[R::NoAnswer, R::Busy, R::Rejected, R::Invalid]);
        if ended < ENDED_MIN {
            return None;
        }
        let ppm = answered * 1_000_000 / ended;
        Some(Forecast {
            within_ms: 0,
            agents_milli: free_agents.saturating_mul(1_000),
            answers_milli: u32::try_from(u64::from(self.in_air) * ppm / 1_000).unwrap_or(u32::MAX),
            answer_rate_ppm: ppm as u32,
            budget_milli: None,
        })
    }
}

/// A set of agents, the campaigns that they serve, and every call between them and the world.
#[derive(Debug)]
pub struct Floor {
    settings: Settings,
    agents: Agents,
    leads: Leads,
    rules: Rules,
    trunks: Trunks,
    attempts: Attempts,
    previews: Previews,
    /// Leads that are being read for agents who dial by hand: the number of the request, and which.
    asked: Map<AgentId, (u64, LeadId)>,
    loads: Vec<Load>,
    timers: Timers,
    shares: Shares,
    /// What pacing has learned, and when it predicts next.
    predictor: Twins,
    predict_at: Mono,
    /// When shadow modes were asked last.
    shadowed_at: Option<Mono>,
    remembered: remembering::Remembered,
    ledger: Ledger,
    /// When the ledgers' windows move at the latest.
    windows_at: Mono,
    /// Ready agents who go as soon as no call in the air counts on them.
    put_off: BTreeSet<crate::ids::AgentId>,
    /// A line left the air, or an agent became free, in this turn.
    backing_eased: bool,
    /// Calls to us from people with whom another call is just ending; see `arriving`.
    held_up: BTreeMap<CallInId, arriving::HeldUp>,
    /// Answered people and callers without an agent, longest wait first.
    waiting: BTreeSet<(Mono, AttemptId)>,
    /// Conversations whose disposition, or whose attempt's end, is still to come.
    unspoken: Map<AttemptId, people::Unspoken>,
    /// Calls just given to agents who must show that they see and can be heard.
    signs: Map<AttemptId, audio::Signs>,
    /// Lead and person of those whose attempt is closed.
    closed_calls: Map<AttemptId, (LeadId, PersonId)>,
    next_attempt: u64,
    next_tick: Option<Mono>,
    stopped: bool,
    store_ready: bool,
    /// Nobody is forgotten before this time: the store was behind.
    forget_from: Mono,
    wrap_overruns: u64,
    invariant_faults: u64,
    /// Inputs that the protocol allows and that changed nothing (a 180 after the 200, a late deadline).
    ignored: u64,
    /// The latest instant seen: time never runs backwards here.
    latest: Mono,
}

impl Floor {
    /// A floor with these settings: nobody logged in, all trunks down until they answer, the store taken as ready.
    pub fn new(settings: Settings) -> Self {
        Floor {
            agents: Agents::default(),
            leads: Leads::default(),
            rules: Rules::new(settings.zones.clone()),
            trunks: Trunks::new(&settings.trunks, &settings.floor),
            attempts: Attempts::default(),
            previews: Previews::default(),
            asked: Map::default(),
            loads: settings.campaigns.iter().map(Load::new).collect(),
            timers: Timers::default(),
            shares: Shares::default(),
            predictor: Twins::default(),
            predict_at: Mono(0),
            shadowed_at: None,
            remembered: remembering::Remembered::default(),
            ledger: ledger::open(&settings),
            windows_at: Mono(0),
            put_off: BTreeSet::new(),
            backing_eased: false,
            held_up: BTreeMap::new(),
            waiting: BTreeSet::new(),
            unspoken: Map::default(),
            signs: Map::default(),
            closed_calls: Map::default(),
            next_attempt: settings.first_attempt,
            next_tick: None,
            stopped: false,
            store_ready: true,
            forget_from: Mono(0),
            wrap_overruns: 0,
            invariant_faults: 0,
            ignored: 0,
            latest: Mono(0),
            settings,
        }
    }

    /// Takes a fact in at `now` and appends the orders that follow from it to `effects`.
    ///
    /// Deadlines that have come are carried out first, so that a late caller changes nothing but the delay.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        let now = Now {
            mono: now.mono.max(self.latest),
            unix: now.unix,
        };
        self.latest = now.mono;
        if now.mono >= self.windows_at {
            self.move_windows(now, effects);
        }
        self.wake(now, effects);
        match input {
            Input::Wake => {}
            Input::Edits(edits) => {
                let before = self.unbacked();
                self.edit(edits, now, effects);
                self.name_unbacked(&before, NamedEvent::RulesChanged, now, effects);
                self.withdraw_idle(now, effects);
            }
            Input::CampaignState(id, state) => {
                self.set_campaign_state(id, state);
                self.withdraw_idle(now, effects);
            }
            Input::CampaignMode(id, mode) => {
                if let Some(campaign) = self.settings.campaigns.get_mut(usize::from(id.0)) {
                    campaign.mode = mode;
                }
            }
            Input::TrunkUp(id, up) => self.trunks.set_up(id, up),
            Input::StopDialling { cancel_ringing } => {
                self.stop(cancel_ringing, now, effects);
                self.withdraw_idle(now, effects);
            }
            Input::ResumeDialling => self.stopped = false,
            Input::StoreReady(ready) => {
                if ready && !self.store_ready {
                    // What waited for the disk is being written now: the store's answers are complete a little later.
                    self.forget_from = now.mono + Duration::from_secs(60);
                }
                self.store_ready = ready;
            }

            Input::AgentSeated(seat) => {
                let before = self.unbacked();
                self.seat(seat, now, effects);
                self.name_unbacked(&before, NamedEvent::RulesChanged, now, effects);
            }
            Input::AgentWants(agent, wanted) => self.agent_wants(agent, wanted, now, effects),
            Input::AgentLost(agent) => {
                let before = self.unbacked();
                self.agent_lost(agent, now);
                self.name_unbacked(&before, NamedEvent::AgentLost, now, effects);
            }
            Input::AgentBack(agent) => self.agent_back(agent, now, effects),
            Input::AgentAudio(agent, is_up) => {
                let before = self.unbacked();
                self.agent_audio(agent, is_up, now, effects);
                self.name_unbacked(&before, NamedEvent::AgentLost, now, effects);
            }
            Input::CallSign(attempt, sign) => self.call_sign(attempt, sign),
            Input::AgentHangUp(agent, attempt) => self.agent_hangs_up(agent, attempt, now, effects),
            Input::AgentOutcome {
                agent,
                attempt,
                request,
                disposition,
                follow_up,
            } => {
                self.agent_outcome(
                    (agent, attempt, request),
                    disposition,
                    follow_up,
                    now,
                    effects,
                );
            }

            Input::AgentAccepts {
                agent,
                attempt,
                request,
            } => self.agent_accepts((agent, request), attempt, now, effects),
            Input::AgentSkips {
                agent,
                attempt,
                request,
                reason,
            } => self.agent_skips((agent, request), attempt, reason, now, effects),
            Input::AgentNext {
                agent,
                request,
                campaign,
            } => self.agent_next((agent, request), campaign, now, effects),
            Input::AgentDials {
                agent,
                request,
                lead,
            } => self.agent_dials((agent, request), lead, now, effects),
            Input::LeadFetched {
                agent,
                request,
                lead,
            } => {
                let found = lead.map(|(campaign, facts)| (campaign, *facts));
                self.lead_fetched((agent, request), found, now, effects);
            }

            Input::Leads {
                campaign,
                leads,
                exhausted_until,
            } => {
                self.admit_leads(campaign, leads, exhausted_until, now);
            }
            Input::LeadsChanged(campaign) => {
                if let Some(load) = self.loads.get_mut(usize::from(campaign.0)) {
                    load.dry_until = None;
                }
            }
            Input::NumberBlocked(number) => {
                let in_air = self.rules.block_number(number);
                self.cancel_by_rule(in_air, now, effects);
            }
            Input::PersonBlocked(person, until) => {
                let in_air = self.rules.block_person(person, until);
                self.cancel_by_rule(in_air, now, effects);
            }

            Input::IntentDurable(attempt, route_try) => {
                self.release(attempt, route_try, now, effects)
            }
            Input::IntentFailed(attempt, route_try) => {
                self.intent_failed(attempt, route_try, now, effects)
            }
            Input::Leg {
                attempt,
                route_try,
                at,
                event,
            } => {
                let current = self
                    .attempts
                    .get(&attempt)
                    .is_some_and(|attempt| attempt.route_try == route_try);
                if current {
                    self.attempt_event(attempt, Event::Leg(event), at.min(now.mono), now, effects);
                } else {
                    self.ignored += 1;
                }
            }
            Input::Bridged(attempt) => {
                self.attempt_event(attempt, Event::Joined, now.mono, now, effects)
            }
            Input::Announced(attempt) => {
                self.attempt_event(attempt, Event::Announced, now.mono, now, effects)
            }
            Input::MediaLost(attempt) => {
                self.attempt_event(attempt, Event::MediaLost, now.mono, now, effects)
            }
            Input::CallIn(call) => self.call_in(*call, now, effects),
        }
        // An answer that was noticed late may have passed its limit already.
        if self.timers.next().is_some_and(|due| due <= now.mono) {
            self.wake(now, effects);
        }
        self.take_held_up(now, effects);
        self.settle_backing(now, effects);
        self.arm_tick(now);
    }

    /// When `handle` wants to be called again at the latest (with [`Input::Wake`], if there is nothing else).
    pub fn next_deadline(&self) -> Option<Mono> {
        match (self.timers.next(), self.next_tick) {
            (Some(timer), Some(tick)) => Some(timer.min(tick)),
            (timer, tick) => timer.or(tick),
        }
    }

    /// A snapshot for wallboards and metrics.
    pub fn picture(&self, now: Now) -> Picture {
        snapshot::picture(self, now)
    }

    /// Checks the truths of the whole floor; an error names the first that does not hold. Costs a walk over everything:
    /// after every step in simulation, once a second live.
    pub fn check(&mut self) -> Result<(), String> {
        let broken = self.ledger.take_faults();
        let verdict = crate::core::invariants::check(self).and(if broken == 0 {
            Ok(())
        } else {
            Err(format!(
                "{broken} abandonments broke a guarantee, and no event explains them"
            ))
        });
        if verdict.is_err() {
            self.invariant_faults += 1;
        }
        verdict
    }

    /// Attempts without a result, and dispositions without which a lead waits: both zero once all is drained.
    pub fn unfinished(&self) -> (usize, usize) {
        (self.attempts.len(), self.unspoken.len())
    }

    /// Carries out every deadline that has come, then the pacing decision if it is due.
    fn wake(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some(timer) = self.timers.pop_due(now.mono) {
            match timer {
                Timer::Attempt(id, generation) => {
                    if self
                        .attempts
                        .get(&id)
                        .is_some_and(|attempt| attempt.generation == generation)
                    {
                        self.attempt_event(id, Event::Deadline, now.mono, now, effects);
                    }
                }
                Timer::Agent(id, generation) => {
                    if self
                        .agents
                        .get(id)
                        .is_some_and(|agent| agent.generation == generation)
                    {
                        self.agent_deadline(id, now, effects);
                    }
                }
                Timer::Grace(id, losses) => {
                    if self
                        .agents
                        .get(id)
                        .is_some_and(|agent| agent.losses == losses && !agent.connected)
                    {
                        self.grace_over(id, now, effects);
                    }
                }
                Timer::Unseen(id) => self.signs_due(id, effects, now),
                Timer::Refill(campaign, number) => {
                    if let Some(load) = self.loads.get_mut(usize::from(campaign.0))
                        && load.refill == Some(number)
                    {
                        load.refill = None;
                    }
                }
                Timer::CallIn(call) => self.give_up_held(call, now, effects),
            }
        }
        // A conversation sets a deadline two hours ahead and is over in minutes: what is stale must not pile up.
        if self.timers.len() > 4_096 + 4 * (self.attempts.len() + self.unspoken.len()) {
            self.forget_stale_timers();
        }
        if self.next_tick.is_some_and(|tick| tick <= now.mono) {
            self.next_tick = None;
            self.tick(now, effects);
        }
    }

    fn forget_stale_timers(&mut self) {
        let (attempts, agents, loads) = (&self.attempts, &self.agents, &self.loads);
        let signs = &self.signs;
        let held_up = &self.held_up;
        self.timers.retain(|timer| match timer {
            Timer::Attempt(id, generation) => attempts
                .get(id)
                .is_some_and(|attempt| attempt.generation == *generation),
            Timer::Agent(id, generation) => agents
                .get(*id)
                .is_some_and(|agent| agent.generation == *generation),
            Timer::Grace(id, losses) => {
                agents.get(*id).is_some_and(|agent| agent.losses == *losses)
            }
            Timer::Unseen(id) => signs.contains_key(id),
            Timer::Refill(campaign, number) => {
                loads[usize::from(campaign.0)].refill == Some(*number)
            }
            Timer::CallIn(call) => held_up.contains_key(call),
        });
    }

    /// Ticks go on while somebody is at work and a campaign runs; an idle floor sleeps.
    fn arm_tick(&mut self, now: Now) {
        let is_wanted = !self.stopped
            // Who dials by hand needs leads as well.
            && self.agents.by_place()[2..=6]
                .iter()
                .any(|agents| *agents > 0)
            && self
                .settings
                .campaigns
                .iter()
                .any(|campaign| campaign.state == CampaignState::Running);
        if !is_wanted {
            self.next_tick = None;
        } else if self.next_tick.is_none() {
            self.next_tick = Some(now.mono + self.settings.floor.tick);
        }
    }

    fn load(&mut self, campaign: CampaignId) -> &mut Load {
        &mut self.loads[usize::from(campaign.0)]
    }

    fn campaign(&self, campaign: CampaignId) -> &CampaignSettings {
        &self.settings.campaigns[usize::from(campaign.0)]
    }

    /// Moves an agent, sets the deadline of the new place, and tells everybody.
    fn place_agent(
        &mut self,
        agent: crate::ids::AgentId,
        place: Place,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.backing_eased |= place == Place::Ready;
        self.learn_wrap(agent, place, now);
        if let Some(generation) = self.agents.move_to(agent, place, now) {
            if let Some(until) = place.until() {
                self.timers.set(until, Timer::Agent(agent, generation));
            }
            effects.extend(self.agents.news(agent, now).map(Effect::Agent));
        }
    }

    /// What `invariants` looks at.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            agents: &self.agents,
            attempts: &self.attempts,
            previews: &self.previews,
            rules: &self.rules,
            leads: &self.leads,
            trunks: self
                .trunks
                .each(self.latest)
                .map(|trunk| trunk.in_use)
                .collect(),
            streams: self
                .leads
                .streams()
                .iter()
                .map(|stream| (stream.in_air, stream.talking))
                .collect(),
            loads: self
                .loads
                .iter()
                .map(|load| (load.in_air, load.talking))
                .collect(),
            unspoken: self.unspoken.keys().copied().collect(),
            waiting: self.waiting.len(),
            latest: self.latest,
        }
    }
}

/// The floor, laid open for `invariants`.
pub(crate) struct View<'a> {
    pub(crate) agents: &'a Agents,
    pub(crate) attempts: &'a Attempts,
    pub(crate) previews: &'a Previews,
    pub(crate) rules: &'a Rules,
    pub(crate) leads: &'a Leads,
    pub(crate) trunks: Vec<u32>,
    /// In the air and talking, per stream.
    pub(crate) streams: Vec<(u32, u32)>,
    /// In the air and talking, per campaign.
    pub(crate) loads: Vec<(u32, u32)>,
    pub(crate) unspoken: BTreeSet<AttemptId>,
    pub(crate) waiting: usize,
    pub(crate) latest: Mono,
}
