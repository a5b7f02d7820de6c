//! The world around a floor: phones that ring, carriers that fail, agents who come and go, a store that is sometimes slow.
//!
//! Everything happens through the floor's own inputs and effects, in virtual time, drawn from one seed.

mod callers;
mod edits;
mod hands;
mod lists;
mod phones;

use super::judge::{Hands, Judge, PersonRules};
use super::rng::Rng;
use crate::core::dispositions::Disposition;
use crate::core::effect::{AgentState, Effect, LeadNext};
use crate::core::floor::Floor;
use crate::core::input::{AgentSeat, Input, LeadFacts, LegEvent, LegFailure, Wanted};
use crate::core::results::SystemResult;
use crate::core::settings::{
    AbandonSettings, AbandonStrength, AbandonWindow, CampaignSettings, CampaignState, DialMode,
    FloorSettings, GateSettings, InboundSettings, PreviewSettings, PreviewTimeout, Recycle,
    Settings, SkillNeed, SpokenSettings, TrunkSettings, WrapOverrun, ZoneTable,
};
use crate::ids::{
    AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId, SkillId, TrunkId, ZoneId,
};
use crate::time::{Mono, Now, UnixMs};
use crate::trace::Trace;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

/// How a world is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Agents.
    pub agents: u32,
    /// Leads per campaign; persons are shared between campaigns.
    pub leads: u64,
    /// Length of the shift in virtual seconds.
    pub seconds: u64,
    /// Mishaps (lost sockets, slow disks, stops, dead trunks, duplicate messages) per thousand chances; 0: a calm day.
    pub mishaps: u64,
    /// Mode switches per thousand chances, every few seconds: campaigns go from any mode to any other.
    pub switches: u64,
    /// Whether the floor's invariants are checked after every step.
    pub check: bool,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// One number for every effect and its time.
    pub trace: u64,
    /// Inputs handled.
    pub inputs: u64,
    /// Attempts, results, conversations, dispositions.
    pub totals: (usize, usize, usize, usize),
    /// Results by code.
    pub results: BTreeMap<&'static str, usize>,
    /// People abandoned by campaigns that guarantee their cap, within the promise.
    pub abandoned_under_guarantee: usize,
    /// What agents decided on calls.
    pub hands: Hands,
    /// Broken promises and invariants.
    pub faults: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// Something reaches the floor (an index into `mail`, so that the heap needs no order on inputs).
    Mail(usize),
    /// An agent does something.
    Agent(AgentId, Deed),
    /// A mishap, or its end.
    Mishap(u8),
    /// A supervisor looks at a campaign's mode.
    Switch,
    /// Somebody calls us.
    Caller,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    WantsReady,
    HangsUp(AttemptId),
    Says(AttemptId),
    ComesBack,
    /// Says something about the lead on his screen.
    Decides(AttemptId),
    /// Takes or dials a lead by hand.
    ByHand,
}

/// What the carrier does with one call, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phone {
    Calling,
    /// Picked up; answer analysis listens.
    Screened,
    Answered,
    Over,
}

struct World {
    plan: Plan,
    rng: Rng,
    start: UnixMs,
    now: Now,
    floor: Floor,
    /// The settings that the floor was told last.
    told: Settings,
    judge: Judge,
    trace: Trace,
    heap: BinaryHeap<Reverse<(Mono, u64, Happening)>>,
    mail: Vec<Option<Input>>,
    sequence: u64,
    inputs: u64,
    leads: BTreeMap<LeadId, (CampaignId, LeadFacts)>,
    lent: BTreeSet<LeadId>,
    attempts_of: BTreeMap<PersonId, Vec<UnixMs>>,
    phones: BTreeMap<AttemptId, Phone>,
    lead_of: BTreeMap<AttemptId, LeadId>,
    lost: BTreeSet<AgentId>,
    /// Calls to us so far.
    callers: u64,
    closing: bool,
    faults: Vec<String>,
}

/// Runs one world to its end: the shift, then everything drains.
pub fn run(seed: u64, plan: Plan) -> Outcome {
    let mut world = World::new(seed, plan);
    world.open();
    world.run_until(Mono::from_secs(plan.seconds));
    world.close()
}

const RULES: PersonRules = PersonRules {
    per_day: 3,
    gap_ms: 60_000,
    offset_ms: 7 * 3_600_000,
    window_min: (480, 1_200),
};

/// The settings of a simulated floor with `campaigns` campaigns over two trunks; the last one needs a rare skill.
pub fn settings(campaigns: u16) -> Settings {
    let campaign = |number: u16| CampaignSettings {
        name: format!("SIM-{number}"),
        state: CampaignState::Running,
        mode: match number % 3 {
            0 => DialMode::LinesPerFreeAgent { milli: 1_500 },
            1 => DialMode::Progressive,
            _ => DialMode::LinesPerAgent { milli: 1_300 },
        },
        weight: 1 + number % 3,
        lines_max: 500,
        cps_max: 100,
        ring_timeout: Duration::from_secs(25),
        answer_limit: Duration::from_secs(2),
        wrap: Duration::from_secs(15),
        wrap_overrun: if number.is_multiple_of(2) {
            WrapOverrun::Ready
        } else {
            WrapOverrun::Hold
        },
        cancel_ringing: None,
        shadow: None,
        spoken: SpokenSettings::default(),
        inbound: InboundSettings::default(),
        preview: PreviewSettings {
            timeout: Duration::from_secs(20),
            on_timeout: [
                PreviewTimeout::Skip,
                PreviewTimeout::Dial,
                PreviewTimeout::Break,
            ][usize::from(number % 3)],
            skips_max: 2,
            skip_gap: Duration::from_secs(90),
            hold: Duration::from_secs(40),
        },
        trunks: Vec::new(),
        needs: if number + 1 == campaigns && campaigns > 1 {
            vec![SkillNeed {
                skill: SkillId(0),
                level: 3,
            }]
        } else {
            Vec::new()
        },
        gate: GateSettings {
            window_from_min: RULES.window_min.0 as u16,
            window_until_min: RULES.window_min.1 as u16,
            weekdays: 0x7f,
            attempts_per_day: RULES.per_day as u8,
            gap_min: Duration::from_millis(RULES.gap_ms as u64),
        },
        attempts_max: 5,
        abandon: AbandonSettings::default(),
        recycle: vec![
            (
                SystemResult::NoAnswer,
                Recycle::After(Duration::from_secs(120)),
            ),
            (SystemResult::Busy, Recycle::After(Duration::from_secs(60))),
            (
                SystemResult::Abandoned,
                Recycle::After(Duration::from_secs(600)),
            ),
        ],
    };
    let trunk = |name: &str, priority| TrunkSettings {
        name: name.to_owned(),
        channels_max: 200,
        cps_max: 60,
        priority,
        failover_on_silence: priority == 2,
    };
    Settings {
        floor: FloorSettings {
            hot_leads: 200,
            attempts_max: 2_000,
            // Promises are tried here, not skill.
            predict_every: Duration::from_secs(2),
            ..FloorSettings::default()
        },
        zones: vec![ZoneTable {
            name: "Asia/Ho_Chi_Minh".to_owned(),
            offsets: vec![(UnixMs(0), 25_200)],
        }],
        trunks: vec![trunk("first", 1), trunk("second", 2)],
        campaigns: (0..campaigns).map(campaign).collect(),
        first_attempt: 1,
    }
}

/// Two of three worlds guarantee their abandon cap for all or some of their campaigns; in some of these the window closes during
/// the shift.
fn promised(mut settings: Settings, seed: u64, start: UnixMs) -> Settings {
    let strength = AbandonStrength::Guarantee;
    for (number, campaign) in settings.campaigns.iter_mut().enumerate() {
        let cap_ppm = [300_000, 150_000, 50_000][number];
        let window = if seed % 5 == 1 {
            let quarter = 15 * 60_000;
            let from = UnixMs((start.0 / quarter + 1) * quarter);
            AbandonWindow::Days30 { from }
        } else {
            AbandonWindow::RollingHours(1)
        };
        if seed % 3 == 1 || (seed % 3 == 2 && number == 0) {
            campaign.abandon = AbandonSettings {
                strength,
                cap_ppm,
                window,
                ..AbandonSettings::default()
            };
        }
        if seed % 3 == 1 {
            campaign.mode = DialMode::LinesPerFreeAgent { milli: 2_500 };
        }
    }
    settings
}

impl World {
    fn new(seed: u64, plan: Plan) -> Self {
        // Monday 2026-11-23, 08:55 in Ho Chi Minh City, or twenty minutes before the window closes.
        let start = if seed % 4 == 3 {
            1_795_392_000_000 + (12 * 60 + 40) * 60_000
        } else {
            1_795_392_000_000 + 2 * 3_600_000 - 300_000
        };
        let campaigns = 3;
        let mut rng = Rng::new(seed);
        let mut leads = BTreeMap::new();
        for number in 0..plan.leads * u64::from(campaigns) {
            let person = PersonId(number % (plan.leads + plan.leads / 2));
            let facts = LeadFacts {
                lead: LeadId(number),
                person,
                number: NumberId(person.0 + if rng.chance(100) { 1_000_000 } else { 0 }),
                zone: ZoneId(0),
                callback: rng.chance(20),
                segment: rng.below(3) as u16,
                priority: rng.below(10) as i32,
                not_before: UnixMs(
                    start
                        + if rng.chance(200) {
                            rng.below(600_000) as i64
                        } else {
                            0
                        },
                ),
                attempts: 0,
                needs: Vec::new(),
                sticky: rng
                    .chance(50)
                    .then(|| AgentId(rng.below(u64::from(plan.agents)) as u32)),
                reserved_for: rng
                    .chance(30)
                    .then(|| AgentId(rng.below(u64::from(plan.agents)) as u32)),
                person_attempts: Vec::new(),
                blocked: rng.chance(10),
            };
            leads.insert(
                LeadId(number),
                (CampaignId((number / plan.leads) as u16), facts),
            );
        }
        let told = promised(
            callers::with_prompts(settings(campaigns)),
            seed,
            UnixMs(start),
        );
        World {
            plan,
            rng,
            start: UnixMs(start),
            now: Now {
                mono: Mono(0),
                unix: UnixMs(start),
            },
            floor: Floor::new(told.clone()),
            judge: Judge::new(RULES, &told),
            told,
            trace: Trace::default(),
            heap: BinaryHeap::new(),
            mail: Vec::new(),
            sequence: 0,
            inputs: 0,
            leads,
            lent: BTreeSet::new(),
            attempts_of: BTreeMap::new(),
            phones: BTreeMap::new(),
            lead_of: BTreeMap::new(),
            lost: BTreeSet::new(),
            callers: 0,
            closing: false,
            faults: Vec::new(),
        }
    }

    fn open(&mut self) {
        for trunk in 0..2 {
            self.send(
                Duration::from_millis(5),
                Input::TrunkUp(TrunkId(trunk), true),
            );
        }
        for id in 0..self.plan.agents {
            let seat = self.seat(AgentId(id));
            let wait = Duration::from_millis(self.rng.below(20_000));
            self.send(wait, Input::AgentSeated(seat));
        }
        self.later(Duration::from_secs(3), Happening::Caller);
        if self.plan.switches > 0 {
            self.later(Duration::from_secs(2), Happening::Switch);
        }
        if self.plan.mishaps > 0 {
            self.later(Duration::from_secs(5), Happening::Mishap(0));
        }
    }

    fn seat(&self, agent: AgentId) -> AgentSeat {
        let campaigns: &[(u16, u16)] = match agent.0 % 4 {
            0 => &[(0, 1)],
            1 => &[(0, 2), (1, 1)],
            2 => &[(0, 1), (1, 1), (2, 3)],
            _ => &[(1, 1), (2, 1)],
        };
        AgentSeat {
            agent,
            campaigns: campaigns
                .iter()
                .map(|(id, weight)| (CampaignId(*id), *weight))
                .chain(self.added_campaigns(agent))
                .collect(),
            skills: if agent.0 % 6 < 3 {
                vec![(SkillId(0), (agent.0 % 6) as u8 + 1)]
            } else {
                Vec::new()
            },
            needs_audio: false,
        }
    }

    fn later(&mut self, wait: Duration, what: Happening) {
        self.sequence += 1;
        self.heap
            .push(Reverse((self.now.mono + wait, self.sequence, what)));
    }

    fn send(&mut self, wait: Duration, input: Input) {
        self.mail.push(Some(input));
        self.later(wait, Happening::Mail(self.mail.len() - 1));
    }

    fn leg(&mut self, millis: u64, attempt: AttemptId, route_try: u8, event: LegEvent) {
        let at = self.now.mono + Duration::from_millis(millis);
        self.send(
            Duration::from_millis(millis),
            Input::Leg {
                attempt,
                route_try,
                at,
                event,
            },
        );
    }

    fn run_until(&mut self, end: Mono) {
        loop {
            let event = self.heap.peek().map(|Reverse((at, _, _))| *at);
            let deadline = self.floor.next_deadline();
            let Some(next) = [event, deadline].into_iter().flatten().min() else {
                break;
            };
            if next > end {
                break;
            }
            self.advance(next);
            // A deadline at the same instant is carried out by the input itself: both orders must be right.
            if event == Some(next) {
                if let Some(Reverse((_, _, what))) = self.heap.pop() {
                    self.happen(what);
                }
            } else {
                self.feed(Input::Wake);
            }
            if !self.faults.is_empty() || !self.judge.faults().is_empty() {
                break;
            }
        }
    }

    fn advance(&mut self, to: Mono) {
        let mono = self.now.mono.max(to);
        self.now = Now {
            mono,
            unix: UnixMs(self.start.0 + (mono.0 / 1_000) as i64),
        };
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Mail(number) => {
                if let Some(input) = self.mail[number].take() {
                    self.deliver(input);
                }
            }
            Happening::Agent(agent, deed) => self.agent_does(agent, deed),
            Happening::Mishap(kind) => self.mishap(kind),
            Happening::Switch => self.switch(),
            Happening::Caller => self.somebody_calls(),
        }
    }

    /// Books what the world tells the floor, then tells it.
    fn deliver(&mut self, input: Input) {
        match &input {
            Input::IntentDurable(attempt, route_try) => self.judge.durable(*attempt, *route_try),
            Input::Leg {
                attempt,
                event: LegEvent::Ringing,
                ..
            } => self.judge.rang(*attempt),
            Input::Leg {
                attempt,
                route_try,
                event: LegEvent::PickedUp,
                ..
            } => {
                if self.phones.get(attempt) != Some(&Phone::Calling) {
                    return;
                }
                self.phones.insert(*attempt, Phone::Screened);
                self.listen(*attempt, *route_try);
            }
            Input::Leg {
                attempt,
                event: LegEvent::Answered,
                ..
            } => {
                // A phone that was cancelled in time never answers.
                if !matches!(
                    self.phones.get(attempt),
                    Some(Phone::Calling | Phone::Screened)
                ) {
                    return;
                }
                let (attempt, now) = (*attempt, self.now);
                self.judge.answered(attempt, now);
                self.picked_up(attempt);
            }
            Input::Leg {
                attempt,
                event: LegEvent::Failed(_),
                ..
            } => {
                if matches!(
                    self.phones.get(attempt),
                    Some(Phone::Screened | Phone::Answered)
                ) {
                    return;
                }
                self.phones.insert(*attempt, Phone::Over);
            }
            // The store keeps a block as well: the floor forgets who has not been on it for a while.
            Input::NumberBlocked(number) => {
                let leads = self.leads.values_mut();
                leads
                    .filter(|(_, facts)| facts.number == *number)
                    .for_each(|(_, facts)| facts.blocked = true);
                self.judge.block(None, Some(*number));
            }
            Input::PersonBlocked(person, _) => {
                let leads = self.leads.values_mut();
                leads
                    .filter(|(_, facts)| facts.person == *person)
                    .for_each(|(_, facts)| facts.blocked = true);
                self.judge.block(Some(*person), None);
            }
            Input::StopDialling { .. } => self.judge.stop(true),
            Input::ResumeDialling => self.judge.stop(false),
            Input::CampaignState(campaign, state) => self.judge.campaign_state(*campaign, *state),
            Input::Edits(edits) => {
                self.judge.edits(edits);
                self.note_edits(&edits.clone());
            }
            _ => {}
        }
        self.feed(input);
    }

    fn feed(&mut self, input: Input) {
        self.inputs += 1;
        let mut effects = Vec::new();
        let before = format!("{input:?}");
        self.floor.handle(self.now, input, &mut effects);
        for effect in &effects {
            self.trace.add(self.now, effect);
            self.judge.see(self.now, effect);
        }
        if self.plan.check
            && let Err(what) = self.floor.check()
        {
            let seconds = self.now.mono.0 as f64 / 1e6;
            self.faults
                .push(format!("at {seconds:.3} s after {before}: {what}"));
        }
        for effect in effects {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Dial(order) => {
                self.lead_of.insert(order.attempt, order.lead);
                let slow = self.rng.chance(self.plan.mishaps / 4);
                let wait = Duration::from_micros(if slow {
                    400_000
                } else {
                    self.rng.between(500, 6_000)
                });
                let kept = !self.rng.chance(self.plan.mishaps / 4);
                self.send(
                    wait,
                    if kept {
                        Input::IntentDurable(order.attempt, order.route_try)
                    } else {
                        Input::IntentFailed(order.attempt, order.route_try)
                    },
                );
            }
            Effect::Release {
                attempt,
                route_try,
                trunk,
            } => self.ring(attempt, route_try, trunk),
            Effect::Cancel { attempt } => {
                if self.phones.get(&attempt) == Some(&Phone::Calling)
                    && !self.rng.chance(self.plan.mishaps / 2)
                {
                    self.phones.insert(attempt, Phone::Over);
                    let wait = self.rng.between(5, 400);
                    let failure = LegFailure {
                        status: 487,
                        q850: None,
                        retry_after_s: None,
                    };
                    for route_try in 1..=3 {
                        self.leg(wait, attempt, route_try, LegEvent::Failed(failure));
                    }
                }
            }
            Effect::HangUp { attempt } => {
                self.phones.insert(attempt, Phone::Over);
                if !self.rng.chance(self.plan.mishaps) {
                    let wait = self.rng.between(5, 200);
                    for route_try in 1..=3 {
                        self.leg(wait, attempt, route_try, LegEvent::Ended);
                    }
                }
            }
            Effect::Abort { attempt } => {
                self.phones.insert(attempt, Phone::Over);
            }
            Effect::Bridge { attempt, .. } => {
                if !self.rng.chance(self.plan.mishaps / 4) {
                    let wait = Duration::from_micros(self.rng.between(100, 3_000));
                    self.send(wait, Input::Bridged(attempt));
                }
            }
            Effect::Show { attempt, agent, .. } => {
                let talk = Duration::from_millis(self.rng.between(500, 120_000));
                self.later(talk, Happening::Agent(agent, Deed::HangsUp(attempt)));
                if self.rng.chance(300) {
                    let early = Duration::from_millis(self.rng.between(100, 30_000));
                    self.later(early, Happening::Agent(agent, Deed::Says(attempt)));
                }
            }
            Effect::CallEnded { attempt, agent, .. } => {
                if !self.rng.chance(self.plan.mishaps) {
                    let thinks = Duration::from_millis(self.rng.between(500, 20_000));
                    self.later(thinks, Happening::Agent(agent, Deed::Says(attempt)));
                }
            }
            Effect::Agent(news) => {
                if let AgentState::Break(_) = news.state {
                    let wait = Duration::from_millis(self.rng.between(200, 20_000));
                    self.later(wait, Happening::Agent(news.agent, Deed::WantsReady));
                } else if news.state == AgentState::Manual {
                    self.works_by_hand(news.agent);
                } else if news.state == AgentState::Offline && !self.closing {
                    let wait = Duration::from_millis(self.rng.between(1_000, 30_000));
                    self.later(wait, Happening::Agent(news.agent, Deed::ComesBack));
                }
            }
            Effect::Close(closed) => {
                if closed.counts {
                    let at = closed.decided_at;
                    self.attempts_of.entry(closed.person).or_default().push(at);
                    if let Some((_, facts)) = self.leads.get_mut(&closed.lead) {
                        facts.attempts += 1;
                    }
                }
                self.lead_next(closed.lead, closed.next);
            }
            Effect::KeepOutcome(kept) => {
                // Before the attempt's end the lead is still in the air: its future waits with it.
                if self.floor_has_let_go(kept.attempt) {
                    self.lead_next(kept.lead, kept.next);
                }
            }
            Effect::ReturnLead {
                lead,
                next: LeadNext::AwaitsOutcome,
                ..
            } => drop(self.lent.remove(&lead)),
            Effect::ReturnLead { lead, next, .. } => self.lead_next(lead, next),
            Effect::Announce { attempt, .. } => self.plays(attempt),
            Effect::CallIn(order) => self.rings_here(&order),
            Effect::PickUp { attempt } => {
                self.phones.insert(attempt, Phone::Answered);
                self.picked_up(attempt);
            }
            Effect::Refill { campaign, want } => self.refill(campaign, want as usize),
            Effect::Preview(offer) => self.looks_at(offer.agent, offer.attempt),
            Effect::FetchLead {
                agent,
                request,
                lead,
            } => self.fetch(agent, request, lead),
            Effect::PreviewOver { .. }
            | Effect::Personal(_)
            | Effect::TurnAway { .. }
            | Effect::Refuse { .. }
            | Effect::Exposed { .. }
            | Effect::Unseen { .. }
            | Effect::Ledger { .. }
            | Effect::Decided(_) => {}
        }
    }

    fn agent_does(&mut self, agent: AgentId, deed: Deed) {
        if self.lost.contains(&agent) && deed != Deed::ComesBack {
            return;
        }
        match deed {
            Deed::WantsReady => {
                let wanted = if self.closing {
                    Wanted::Offline
                } else if self.rng.chance(self.plan.mishaps) {
                    *self
                        .rng
                        .pick(&[Wanted::Break(2), Wanted::Manual, Wanted::Offline])
                } else {
                    Wanted::Ready
                };
                self.deliver(Input::AgentWants(agent, wanted));
            }
            Deed::HangsUp(attempt) => {
                self.deliver(Input::AgentHangUp(agent, attempt));
                if self.rng.chance(60) {
                    self.deliver(Input::AgentWants(agent, Wanted::Break(1)));
                }
            }
            Deed::Says(attempt) => {
                let disposition = *self
                    .rng
                    .pick(&Disposition::ALL[..Disposition::ALL.len() - 1]);
                let follow_up = (!self.rng.chance(self.plan.mishaps))
                    .then(|| self.now.unix + Duration::from_secs(3_600));
                let request = self.inputs;
                self.deliver(Input::AgentOutcome {
                    agent,
                    attempt,
                    request,
                    disposition,
                    follow_up,
                });
                if self.rng.chance(300) {
                    self.deliver(Input::AgentWants(agent, Wanted::Ready));
                }
            }
            Deed::Decides(attempt) => self.decides(agent, attempt),
            Deed::ByHand => self.by_hand(agent),
            Deed::ComesBack => {
                if self.lost.remove(&agent) {
                    self.deliver(Input::AgentBack(agent));
                } else {
                    let seat = self.seat(agent);
                    self.deliver(Input::AgentSeated(seat));
                }
            }
        }
    }

    fn mishap(&mut self, kind: u8) {
        match kind {
            0 => {
                let next = self.rng.between(1, 10) as u8;
                self.happen(Happening::Mishap(next));
                if !self.closing {
                    let wait = Duration::from_millis(
                        self.rng.between(500, 200_000 / (self.plan.mishaps + 1)),
                    );
                    self.later(wait, Happening::Mishap(0));
                }
            }
            1 | 2 => {
                let agent = AgentId(self.rng.below(u64::from(self.plan.agents)) as u32);
                if self.lost.insert(agent) {
                    self.deliver(Input::AgentLost(agent));
                    let away = Duration::from_millis(self.rng.between(100, 60_000));
                    self.later(away, Happening::Agent(agent, Deed::ComesBack));
                }
            }
            3 => {
                let trunk = TrunkId(self.rng.below(2) as u16);
                self.deliver(Input::TrunkUp(trunk, false));
                let away = Duration::from_millis(self.rng.between(100, 20_000));
                self.send(away, Input::TrunkUp(trunk, true));
            }
            4 => {
                let cancel_ringing = self.rng.chance(500);
                self.deliver(Input::StopDialling { cancel_ringing });
                let away = Duration::from_millis(self.rng.between(100, 10_000));
                self.send(away, Input::ResumeDialling);
            }
            5 => {
                let person = PersonId(self.rng.below(self.plan.leads));
                let input = if self.rng.chance(500) {
                    Input::PersonBlocked(person, None)
                } else {
                    Input::NumberBlocked(NumberId(person.0))
                };
                self.deliver(input);
            }
            6 => {
                self.deliver(Input::StoreReady(false));
                let away = Duration::from_millis(self.rng.between(10, 5_000));
                self.send(away, Input::StoreReady(true));
            }
            7 => {
                self.switch_mode();
            }
            9 | 10 => self.reload(),
            _ => {
                let campaign = CampaignId(self.rng.below(3) as u16);
                self.deliver(Input::CampaignState(campaign, CampaignState::Paused));
                let away = Duration::from_millis(self.rng.between(10, 20_000));
                self.send(away, Input::CampaignState(campaign, CampaignState::Running));
            }
        }
    }

    /// The end of the shift: nobody dials, everybody finishes or is gone.
    fn close(mut self) -> Outcome {
        self.closing = true;
        if self.faults.is_empty() && self.judge.faults().is_empty() {
            self.deliver(Input::StopDialling {
                cancel_ringing: false,
            });
            let mut end = self.now.mono + Duration::from_secs(300);
            self.run_until(end);
            for agent in 0..self.plan.agents {
                self.lost.insert(AgentId(agent));
                self.deliver(Input::AgentLost(AgentId(agent)));
            }
            end = end + Duration::from_secs(200);
            self.run_until(end);
            let unfinished = self.floor.unfinished();
            if unfinished != (0, 0) && self.faults.is_empty() {
                self.faults.push(format!(
                    "{unfinished:?} attempts and dispositions are left over after the drain"
                ));
            }
            self.judge.close(self.now);
        }
        let mut faults = self.faults;
        faults.extend(self.judge.faults().iter().cloned());
        Outcome {
            trace: self.trace.value(),
            inputs: self.inputs,
            totals: self.judge.totals(),
            results: self.judge.results(),
            abandoned_under_guarantee: self.judge.abandoned_under_guarantee(),
            hands: self.judge.hands(),
            faults,
        }
    }
}
