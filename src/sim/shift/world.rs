//! Drives the shipped floor through a shift: phones, people, agents and a store, from event to event in virtual time.
//!
//! Everything goes through the floor's own inputs and effects; nothing in here says when to dial. A seed is a run.

use super::fate::{Call, Fate, Which};
use super::lists::{Lists, place_of};
use super::scenario::{Outage, OutageKind, Scenario};
use super::score::{Doing, Score};
use super::seats::{ABSENT, Move, PAUSE, Seat, seat_of, seats};
use crate::core::dispositions::Disposition;
use crate::core::effect::{AgentNews, AgentState, Effect};
use crate::core::floor::Floor;
use crate::core::input::{Input, LegEvent, LegFailure, Wanted};
use crate::core::results::SystemResult;
use crate::ids::{AgentId, AttemptId, CampaignId, LeadId, TrunkId};
use crate::time::{Mono, Now, UnixMs};
use rustc_hash::FxHashMap;
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Minutes between two checks of the floor's truths: a check walks over everything.
const CHECK_EVERY_MIN: usize = 10;
/// Faults kept: the first ones tell the story.
const FAULTS_MAX: usize = 20;
/// A trunk that refuses does so after this time.
const REFUSAL: Duration = Duration::from_millis(200);

/// Something that will happen.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Durable(AttemptId, u8),
    Rings(AttemptId),
    PicksUp(AttemptId),
    Verdict(AttemptId),
    Fails(AttemptId, u16),
    StaysSilent(AttemptId),
    LosesPatience(AttemptId),
    TalkEnds(AttemptId),
    LegIsGone(AttemptId),
    WrapEnds(AgentId, AttemptId),
    Returns(AgentId, u32),
    Moves(AgentId, Move),
    TrunkUp(bool),
    MinuteEnds(usize),
}

#[derive(Debug)]
struct Event {
    at: Mono,
    sequence: u64,
    what: Happening,
}
impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// How far a phone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phone {
    /// Not answered.
    Calling,
    /// Picked up; analysis listens.
    Screened,
    /// A person, or a machine that passes for one, waits.
    Waits,
    /// With an agent.
    Talks,
    /// We hung up, or they did.
    Over,
}

/// A call between intent and end.
#[derive(Clone, Copy, Debug)]
struct Line {
    which: Which,
    lead: LeadId,
    route_try: u8,
    phone: Phone,
    call: Call,
    wrap_s: f64,
}

impl Line {
    fn is_person(&self) -> bool {
        matches!(self.call.fate, Fate::Person { .. })
    }
}

struct World<'s> {
    scenario: &'s Scenario,
    seed: u64,
    floor: Floor,
    starts_at: UnixMs,
    now: Now,
    heap: BinaryHeap<Reverse<Event>>,
    sequence: u64,
    /// Facts that follow at once: a bridge, an answer of the store.
    at_once: VecDeque<Input>,
    /// Kept for its room.
    effects: Vec<Effect>,
    lists: Lists,
    lines: FxHashMap<AttemptId, Line>,
    seats: Vec<Seat>,
    score: Score,
    until_finished: bool,
    unfinished_lists: usize,
    over: bool,
}

/// What a run is told beside its scenario and seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunRules {
    /// Whether the run ends when its lists are finished, instead of at the shift's end.
    pub until_finished: bool,
}

/// Runs a shift to its end. `minute` is told each minute that is over.
pub fn run(
    scenario: &Scenario,
    seed: u64,
    rules: RunRules,
    minute: &mut dyn FnMut(usize),
) -> Score {
    let mut world = World::new(scenario, seed, rules);
    world.open();
    world.run(minute);
    world.close()
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_micros((seconds.max(0.0) * 1e6) as u64)
}

impl<'s> World<'s> {
    fn new(scenario: &'s Scenario, seed: u64, rules: RunRules) -> Self {
        let minutes = scenario.length.as_secs().div_ceil(60) as usize;
        let starts_at = scenario.starts_at();
        let lists = Lists::new(scenario, seed);
        World {
            scenario,
            seed,
            floor: Floor::new(scenario.settings()),
            starts_at,
            now: Now {
                mono: Mono(0),
                unix: starts_at,
            },
            heap: BinaryHeap::new(),
            sequence: 0,
            at_once: VecDeque::new(),
            effects: Vec::new(),
            until_finished: rules.until_finished && lists.has_an_end(),
            unfinished_lists: scenario
                .campaigns
                .iter()
                .filter(|campaign| {
                    matches!(campaign.list.length, super::scenario::Length::Leads(_))
                })
                .count(),
            lists,
            lines: FxHashMap::default(),
            seats: Vec::new(),
            score: Score::new(scenario.campaigns.len(), minutes),
            over: false,
        }
    }

    fn open(&mut self) {
        self.feed(Input::TrunkUp(TrunkId(0), true));
        let (seats, moves) = seats(self.scenario, self.seed);
        self.seats = seats;
        for (at_s, agent, what) in moves {
            self.later(seconds(at_s), Happening::Moves(agent, what));
        }
        for outage in &self.scenario.carrier.outages {
            if outage.kind == OutageKind::Down {
                self.later(seconds(outage.at_s), Happening::TrunkUp(false));
                let back_s = outage.at_s + outage.length_s;
                self.later(seconds(back_s), Happening::TrunkUp(true));
            }
        }
        for minute in 0..self.score.minutes.len() {
            let end = Duration::from_secs(60 * (minute as u64 + 1));
            self.later(end, Happening::MinuteEnds(minute));
        }
    }

    fn run(&mut self, minute: &mut dyn FnMut(usize)) {
        let end = Mono(0) + self.scenario.length;
        while !self.over {
            let event = self.heap.peek().map(|Reverse(event)| event.at);
            let next = match (event, self.floor.next_deadline()) {
                (Some(event), Some(deadline)) => event.min(deadline),
                (Some(at), None) | (None, Some(at)) => at,
                (None, None) => break,
            };
            if next > end {
                break;
            }
            self.now = Now {
                mono: self.now.mono.max(next),
                unix: UnixMs(self.starts_at.0 + (self.now.mono.max(next).0 / 1_000) as i64),
            };
            // A deadline at the same instant is carried out by the input itself.
            if event != Some(next) {
                self.feed(Input::Wake);
                continue;
            }
            let Some(Reverse(Event { what, .. })) = self.heap.pop() else {
                continue;
            };
            if let Happening::MinuteEnds(number) = what {
                self.minute_ends(number);
                minute(number);
            } else {
                self.happen(what);
            }
        }
        if !self.over {
            self.now.mono = end;
        }
    }

    fn close(mut self) -> Score {
        let now_s = self.now_s();
        for seat in &self.seats {
            self.score.spend(seat.doing, seat.since_s, now_s);
        }
        self.check();
        self.score.leads_left = self.lists.left();
        self.score
    }

    fn now_s(&self) -> f64 {
        self.now.mono.0 as f64 / 1e6
    }

    fn later(&mut self, wait: Duration, what: Happening) {
        self.sequence += 1;
        self.heap.push(Reverse(Event {
            at: self.now.mono + wait,
            sequence: self.sequence,
            what,
        }));
    }

    fn fault(&mut self, what: String) {
        if self.score.faults.len() < FAULTS_MAX {
            let at_s = self.now_s();
            self.score.faults.push(format!("at {at_s:.3} s: {what}"));
        }
    }

    fn check(&mut self) {
        if let Err(what) = self.floor.check() {
            self.fault(what);
        }
    }

    fn minute_ends(&mut self, number: usize) {
        let picture = self.floor.picture(self.now);
        let in_air = picture.campaigns.iter().map(|campaign| campaign.in_air);
        if let Some(minute) = self.score.minutes.get_mut(number) {
            minute.in_air = in_air.sum();
        }
        if number.is_multiple_of(CHECK_EVERY_MIN) {
            self.check();
        }
    }

    /// Tells the floor, and carries out what it wants, until nothing follows at once.
    fn feed(&mut self, input: Input) {
        let mut effects = std::mem::take(&mut self.effects);
        let mut next = Some(input);
        while let Some(input) = next {
            self.score.inputs += 1;
            self.floor.handle(self.now, input, &mut effects);
            for effect in effects.drain(..) {
                self.carry_out(effect);
            }
            next = self.at_once.pop_front();
        }
        self.effects = effects;
    }

    fn leg(&mut self, attempt: AttemptId, event: LegEvent) {
        if let Some(line) = self.lines.get(&attempt) {
            let route_try = line.route_try;
            self.feed(Input::Leg {
                attempt,
                route_try,
                at: self.now.mono,
                event,
            });
        }
    }

    fn phone(&self, attempt: AttemptId) -> Option<Phone> {
        self.lines.get(&attempt).map(|line| line.phone)
    }

    fn set_phone(&mut self, attempt: AttemptId, phone: Phone) {
        if let Some(line) = self.lines.get_mut(&attempt) {
            line.phone = phone;
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Durable(attempt, route_try) => {
                self.feed(Input::IntentDurable(attempt, route_try));
            }
            Happening::Rings(attempt) => self.rings(attempt),
            Happening::PicksUp(attempt) => self.picks_up(attempt),
            Happening::Verdict(attempt) => self.verdict(attempt),
            Happening::Fails(attempt, status) => {
                if self.phone(attempt) == Some(Phone::Calling) {
                    self.set_phone(attempt, Phone::Over);
                    self.leg(attempt, failed(status));
                }
            }
            Happening::StaysSilent(attempt) => {
                if self.phone(attempt) == Some(Phone::Calling) {
                    self.leg(attempt, LegEvent::Silent);
                }
            }
            Happening::LosesPatience(attempt) => {
                if self.phone(attempt) == Some(Phone::Waits) {
                    self.set_phone(attempt, Phone::Over);
                    self.leg(attempt, LegEvent::Ended);
                }
            }
            Happening::TalkEnds(attempt) => {
                if self.phone(attempt) == Some(Phone::Talks) {
                    self.set_phone(attempt, Phone::Over);
                    self.leg(attempt, LegEvent::Ended);
                }
            }
            Happening::LegIsGone(attempt) => self.leg(attempt, LegEvent::Ended),
            Happening::WrapEnds(agent, attempt) => self.wrap_ends(agent, attempt),
            Happening::Returns(agent, epoch) => {
                let seat = &mut self.seats[agent.0 as usize];
                if seat.epoch == epoch {
                    self.feed(Input::AgentWants(agent, Wanted::Ready));
                }
            }
            Happening::Moves(agent, what) => self.moves(agent, what),
            Happening::TrunkUp(up) => self.feed(Input::TrunkUp(TrunkId(0), up)),
            Happening::MinuteEnds(_) => {}
        }
    }

    fn moves(&mut self, agent: AgentId, what: Move) {
        let scenario = self.scenario;
        let seat = &mut self.seats[agent.0 as usize];
        match what {
            Move::LogsIn => {
                let group = &scenario.groups[seat.group];
                let told = seat_of(group, agent, scenario.campaigns.len());
                self.feed(Input::AgentSeated(told));
            }
            Move::Leaves(back_after) => {
                if seat.doing == Doing::Out {
                    return;
                }
                seat.leaves = Some(back_after);
                let wanted = seat.wants();
                // Said at once, also during a call: the floor then does not count on this agent.
                self.feed(Input::AgentWants(agent, wanted));
            }
        }
    }

    fn outage(&self) -> Option<Outage> {
        let now_s = self.now_s();
        let outages = self.scenario.carrier.outages.iter();
        outages
            .copied()
            .find(|outage| (outage.at_s..outage.at_s + outage.length_s).contains(&now_s))
    }

    /// An INVITE leaves.
    fn dial(&mut self, attempt: AttemptId, route_try: u8) {
        let now_s = self.now_s();
        let Some(line) = self.lines.get_mut(&attempt) else {
            return;
        };
        line.route_try = route_try;
        let number = line.which.campaign as usize;
        let campaign = &self.scenario.campaigns[number];
        let segment = campaign.list.segment_of(line.which.position, |which| {
            use super::draws::{Draws, Purpose};
            Draws::of(self.seed, Purpose::Segment, line.which.campaign, which).even()
        });
        let rate = campaign.list.rate(segment, now_s);
        let analysis = self.scenario.analysis.as_ref();
        line.call = line
            .which
            .fate(rate, &self.scenario.carrier, analysis, campaign);
        let call = line.call;
        self.score.campaigns[number].dials += 1;
        if let Some(minute) = self.score.minutes.get_mut((now_s / 60.0) as usize) {
            minute.dials += 1;
        }
        match self.outage().map(|outage| outage.kind) {
            Some(OutageKind::Refuses | OutageKind::Down) => {
                self.later(REFUSAL, Happening::Fails(attempt, 503));
            }
            Some(OutageKind::Silent) => {
                let wait = self.scenario.floor.first_answer_wait;
                self.later(wait, Happening::StaysSilent(attempt));
            }
            None if call.fate == Fate::FastFailure => {
                self.later(seconds(call.setup_s), Happening::Fails(attempt, 486));
            }
            None => self.later(seconds(call.setup_s), Happening::Rings(attempt)),
        }
    }

    fn rings(&mut self, attempt: AttemptId) {
        let Some(line) = self.lines.get(&attempt) else {
            return;
        };
        if line.phone != Phone::Calling {
            return;
        }
        match line.call.fate {
            Fate::Person { ring_s, .. } | Fate::Machine { ring_s, .. } => {
                self.later(seconds(ring_s), Happening::PicksUp(attempt));
            }
            Fate::FastFailure | Fate::NoAnswer => {}
        }
        self.leg(attempt, LegEvent::Ringing);
    }

    fn picks_up(&mut self, attempt: AttemptId) {
        let Some(line) = self.lines.get(&attempt) else {
            return;
        };
        let fate = line.call.fate;
        if line.phone != Phone::Calling {
            return;
        }
        if self.scenario.analysis.is_none() {
            return self.found(attempt);
        }
        self.set_phone(attempt, Phone::Screened);
        if let Fate::Person { listens_s, .. } | Fate::Machine { listens_s, .. } = fate {
            self.later(seconds(listens_s), Happening::Verdict(attempt));
        }
        self.leg(attempt, LegEvent::PickedUp);
    }

    fn verdict(&mut self, attempt: AttemptId) {
        let Some(line) = self.lines.get(&attempt) else {
            return;
        };
        if line.phone != Phone::Screened {
            return;
        }
        let campaign = line.which.campaign as usize;
        match line.call.fate {
            Fate::Person {
                is_misheard: true, ..
            } => {
                self.score.campaigns[campaign].people_lost += 1;
                self.leg(attempt, LegEvent::Machine);
            }
            Fate::Machine {
                is_misheard: false, ..
            } => self.leg(attempt, LegEvent::Machine),
            _ => self.found(attempt),
        }
    }

    /// A person, or what passes for one, is on the line and waits for an agent from now on.
    fn found(&mut self, attempt: AttemptId) {
        let minute = (self.now_s() / 60.0) as usize;
        let Some(line) = self.lines.get_mut(&attempt) else {
            return;
        };
        line.phone = Phone::Waits;
        let is_person = line.is_person();
        let number = line.which.campaign as usize;
        if is_person {
            self.score.campaigns[number].people += 1;
            if let Some(minute) = self.score.minutes.get_mut(minute) {
                minute.people += 1;
            }
        }
        let campaign = &self.scenario.campaigns[number];
        // At the same instant the floor's limit comes first.
        if campaign.patience_s < campaign.answer_limit.as_secs_f64() {
            let patience = seconds(campaign.patience_s);
            self.later(patience, Happening::LosesPatience(attempt));
        }
        self.leg(attempt, LegEvent::Answered);
    }

    fn wrap_ends(&mut self, agent: AgentId, attempt: AttemptId) {
        let seat = &self.seats[agent.0 as usize];
        let (says, wants) = (seat.says, seat.wants());
        self.feed(Input::AgentOutcome {
            agent,
            attempt,
            request: attempt.0,
            disposition: says,
            follow_up: Some(self.now.unix + Duration::from_secs(3 * 86_400)),
        });
        self.feed(Input::AgentWants(agent, wants));
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Dial(order) => {
                if order.route_try == 1 {
                    let (campaign, position) = place_of(order.lead);
                    let line = Line {
                        which: Which {
                            seed: self.seed,
                            campaign: u64::from(campaign.0),
                            position,
                            tries: self.lists.tries(order.lead),
                        },
                        lead: order.lead,
                        route_try: 1,
                        phone: Phone::Calling,
                        call: Call {
                            setup_s: 0.0,
                            fate: Fate::NoAnswer,
                        },
                        wrap_s: 0.0,
                    };
                    self.lines.insert(order.attempt, line);
                }
                let durable = Happening::Durable(order.attempt, order.route_try);
                self.later(self.scenario.intent_delay, durable);
            }
            Effect::Release {
                attempt, route_try, ..
            } => self.dial(attempt, route_try),
            Effect::Cancel { attempt } => {
                if self.phone(attempt) == Some(Phone::Calling) {
                    self.set_phone(attempt, Phone::Over);
                    let ends = seconds(self.scenario.carrier.hangs_up_s);
                    self.later(ends, Happening::LegIsGone(attempt));
                }
            }
            Effect::HangUp { attempt } => {
                self.set_phone(attempt, Phone::Over);
                let ends = seconds(self.scenario.carrier.hangs_up_s);
                self.later(ends, Happening::LegIsGone(attempt));
            }
            Effect::Abort { attempt } => {
                self.set_phone(attempt, Phone::Over);
                let ends = seconds(self.scenario.carrier.hangs_up_s);
                self.later(ends, Happening::LegIsGone(attempt));
            }
            Effect::Bridge { attempt, .. } => self.at_once.push_back(Input::Bridged(attempt)),
            Effect::Show {
                attempt,
                agent,
                answered,
            } => self.connects(attempt, agent, answered),
            Effect::CallEnded { attempt, agent, .. } => {
                let wrap_s = self.lines.get(&attempt).map_or(0.0, |line| line.wrap_s);
                self.later(seconds(wrap_s), Happening::WrapEnds(agent, attempt));
            }
            Effect::Agent(news) => self.hear_of(&news),
            Effect::Close(closed) => {
                let Some(line) = self.lines.remove(&closed.attempt) else {
                    return;
                };
                match closed.result {
                    SystemResult::Abandoned | SystemResult::CustHangupEarly
                        if line.is_person() && line.phone == Phone::Over =>
                    {
                        self.abandons(line.which.campaign as usize);
                    }
                    SystemResult::TrunkFail => self.score.trunk_failures += 1,
                    _ => {}
                }
                if closed.counts {
                    self.lists.count(line.lead, closed.decided_at);
                }
                self.settle(closed.lead, &closed.next);
            }
            Effect::KeepOutcome(kept) => self.settle(kept.lead, &kept.next),
            Effect::ReturnLead { lead, next, .. } => self.settle(lead, &next),
            Effect::Refill { campaign, want } => self.refill(campaign, want),
            Effect::Refuse { agent, why, .. } => {
                self.fault(format!("the floor refused agent {agent}: {}", why.code()));
            }
            Effect::Decided(decision) => self.score.bounds[decision.bound as usize] += 1,
            // The score keeps its own books.
            Effect::Exposed { .. } | Effect::Ledger { .. } | Effect::Unseen { .. } => {}
            Effect::Announce { .. }
            | Effect::CallIn(_)
            | Effect::PickUp { .. }
            | Effect::TurnAway { .. } => {
                self.fault("nobody calls in a scenario, and no prompt is played".to_owned());
            }
            // Nobody in a scenario decides on a lead by hand.
            Effect::Preview(_)
            | Effect::PreviewOver { .. }
            | Effect::Personal(_)
            | Effect::FetchLead { .. } => {
                self.fault("the floor showed a lead before it was dialled".to_owned());
            }
        }
    }

    fn connects(&mut self, attempt: AttemptId, agent: AgentId, answered: Mono) {
        let now_s = self.now_s();
        let Some(line) = self.lines.get_mut(&attempt) else {
            return;
        };
        line.phone = Phone::Talks;
        let (is_person, number) = (line.is_person(), line.which.campaign as usize);
        let campaign = &self.scenario.campaigns[number];
        let (talk_s, wrap_s, is_right_party) = line.which.work(campaign, is_person);
        line.wrap_s = wrap_s;
        let seat = &mut self.seats[agent.0 as usize];
        let group = &self.scenario.groups[seat.group];
        seat.pause_s = line.which.pause(group.pause_share, group.pause_mean_s);
        seat.says = match (is_person, is_right_party) {
            (true, true) => Disposition::RpcPtp,
            (true, false) => Disposition::TpcMessage,
            (false, _) => Disposition::VoicemailAgent,
        };
        self.later(seconds(talk_s), Happening::TalkEnds(attempt));
        let tally = &mut self.score.campaigns[number];
        if !is_person {
            tally.machines_passed += 1;
            return;
        }
        tally.connected += 1;
        tally.right_parties += u64::from(is_right_party);
        let minute = (now_s / 60.0) as usize;
        if let Some((connected, _)) = tally.by_minute.get_mut(minute) {
            *connected += 1;
        }
        if let Some(minute) = self.score.minutes.get_mut(minute) {
            minute.connected += 1;
        }
        let waited = self.now.mono.since(answered).as_secs_f64();
        self.score.person_waits.add(waited);
    }

    fn abandons(&mut self, number: usize) {
        let minute = (self.now_s() / 60.0) as usize;
        let tally = &mut self.score.campaigns[number];
        tally.abandoned += 1;
        if let Some((_, abandoned)) = tally.by_minute.get_mut(minute) {
            *abandoned += 1;
        }
        if let Some(minute) = self.score.minutes.get_mut(minute) {
            minute.abandoned += 1;
        }
    }

    fn hear_of(&mut self, news: &AgentNews) {
        let now_s = self.now_s();
        let doing = match news.state {
            AgentState::Offline => Doing::Out,
            AgentState::Break(_) | AgentState::Manual => Doing::Away,
            AgentState::Ready => Doing::Idle,
            AgentState::Reserved | AgentState::Talking => Doing::Talk,
            AgentState::Wrap => Doing::Wrap,
        };
        let seat = &mut self.seats[news.agent.0 as usize];
        if doing != seat.doing {
            self.score.spend(seat.doing, seat.since_s, now_s);
            if seat.doing == Doing::Idle && doing == Doing::Talk {
                self.score.agent_waits.add(now_s - seat.since_s);
            }
            seat.doing = doing;
            seat.since_s = now_s;
        }
        match news.state {
            AgentState::Offline => {
                seat.leaves = None;
                seat.epoch += 1;
            }
            // "login": on to work, or, if he is to go already, on to that.
            AgentState::Break(0) => {
                seat.epoch += 1;
                let wants = seat.wants();
                self.at_once.push_back(Input::AgentWants(news.agent, wants));
            }
            AgentState::Break(reason) => {
                let away_s = match reason {
                    ABSENT => seat.leaves.take().flatten(),
                    PAUSE => seat.pause_s.take(),
                    _ => None,
                };
                if let Some(away_s) = away_s {
                    seat.epoch += 1;
                    let returns = Happening::Returns(news.agent, seat.epoch);
                    self.later(seconds(away_s), returns);
                }
            }
            _ => {}
        }
    }

    fn refill(&mut self, campaign: CampaignId, want: u32) {
        let (leads, exhausted_until) =
            self.lists
                .lend(self.scenario, campaign, want, self.now.unix);
        self.at_once.push_back(Input::Leads {
            campaign,
            leads,
            exhausted_until,
        });
    }

    fn settle(&mut self, lead: LeadId, next: &crate::core::effect::LeadNext) {
        if self.lists.take_back(lead, next) {
            self.unfinished_lists = self.unfinished_lists.saturating_sub(1);
            if self.unfinished_lists == 0 {
                self.score.finished_s = Some(self.now_s());
                self.over = self.until_finished;
            }
        }
    }
}

fn failed(status: u16) -> LegEvent {
    LegEvent::Failed(LegFailure {
        status,
        q850: None,
        retry_after_s: None,
    })
}
