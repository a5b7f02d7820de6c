//! Watches the orders that leave a floor and holds them against the promises. Keeps its own books; trusts none of the floor's.

use crate::core::effect::{
    AttemptClosed, CallInOrder, DialOrder, Effect, LeadNext, PersonalNews, PersonalStage,
    PreviewEnd, PreviewOffer, Refusal,
};
use crate::core::results::SystemResult;
use crate::core::settings::{CampaignState, Edit, Settings};
use crate::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId, TrunkId};
use crate::sim::promises::Promises;
use crate::time::{Mono, Now, UnixMs};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What the judge knows of an attempt.
#[derive(Clone, Debug)]
struct Case {
    campaign: CampaignId,
    person: PersonId,
    number: NumberId,
    lead: LeadId,
    route_try: u8,
    durable: BTreeSet<u8>,
    released: u32,
    /// The person called us; and whether we have picked up.
    calls_us: Option<bool>,
    answered: Option<Mono>,
    bridged: bool,
    /// Was told that nobody is free.
    sent_off: bool,
    rang: bool,
    shown: Option<AgentId>,
    ended_talk: bool,
    result: Option<SystemResult>,
    /// What the agent for whom it was made was told of its end.
    told_over: Option<SystemResult>,
    outcomes: u32,
}

impl Case {
    /// Nothing has happened to it yet.
    fn new(campaign: CampaignId, person: PersonId, number: NumberId, lead: LeadId) -> Case {
        Case {
            calls_us: None,
            answered: None,
            bridged: false,
            sent_off: false,
            campaign,
            person,
            number,
            lead,
            route_try: 1,
            durable: BTreeSet::new(),
            released: 0,
            rang: false,
            shown: None,
            ended_talk: false,
            result: None,
            told_over: None,
            outcomes: 0,
        }
    }
}

/// The rules that the judge applies to persons, the same for all campaigns of its world.
#[derive(Clone, Copy, Debug)]
pub struct PersonRules {
    /// Most attempts per local day.
    pub per_day: usize,
    /// Least time between two attempts, in milliseconds.
    pub gap_ms: i64,
    /// Local time is UTC plus this, in milliseconds.
    pub offset_ms: i64,
    /// Calling window in minutes of the local day.
    pub window_min: (i64, i64),
}

/// How often agents decided on calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hands {
    /// Leads shown.
    pub shown: usize,
    /// Of those, dialled.
    pub dialled: usize,
    /// Of those, skipped by the agent or by their time.
    pub skipped: usize,
    /// Of those, taken away by a rule, a pause or a stop.
    pub withdrawn: usize,
    /// Calls to leads that agents named.
    pub by_name: usize,
    /// Times a rule refused one of their calls.
    pub held: usize,
}

/// The judge.
#[derive(Debug)]
pub struct Judge {
    rules: PersonRules,
    /// Campaigns whose rules were edited.
    rules_of: BTreeMap<CampaignId, PersonRules>,
    /// Most INVITEs per second of campaigns whose rate was edited, and when they dialled since.
    rates: BTreeMap<CampaignId, (u32, VecDeque<Mono>)>,
    states: BTreeMap<CampaignId, CampaignState>,
    closed_trunks: BTreeSet<TrunkId>,
    /// The longest answer limit that a campaign has had: a call keeps the one that it was answered under.
    limits: BTreeMap<CampaignId, Duration>,
    cases: BTreeMap<AttemptId, Case>,
    persons_in_air: BTreeMap<PersonId, AttemptId>,
    numbers_in_air: BTreeMap<NumberId, AttemptId>,
    agent_call: BTreeMap<AgentId, AttemptId>,
    attempts_of: BTreeMap<PersonId, Vec<UnixMs>>,
    blocked_persons: BTreeSet<PersonId>,
    blocked_numbers: BTreeSet<NumberId>,
    stopped: bool,
    promises: Promises,
    /// Leads on screens: agent, lead, and until when.
    previews: BTreeMap<AttemptId, (AgentId, LeadId, UnixMs)>,
    hands: Hands,
    faults: Vec<String>,
}

impl Judge {
    /// A judge for these rules, of a floor with these settings.
    pub fn new(rules: PersonRules, settings: &Settings) -> Self {
        let mut promises = Promises::default();
        for (number, campaign) in settings.campaigns.iter().enumerate() {
            promises.promise(CampaignId(number as u16), &campaign.abandon);
        }
        Judge {
            promises,
            rules,
            rules_of: BTreeMap::new(),
            rates: BTreeMap::new(),
            states: BTreeMap::new(),
            closed_trunks: BTreeSet::new(),
            limits: settings
                .campaigns
                .iter()
                .enumerate()
                .map(|(number, campaign)| (CampaignId(number as u16), campaign.answer_limit))
                .collect(),
            cases: BTreeMap::new(),
            persons_in_air: BTreeMap::new(),
            numbers_in_air: BTreeMap::new(),
            agent_call: BTreeMap::new(),
            attempts_of: BTreeMap::new(),
            blocked_persons: BTreeSet::new(),
            blocked_numbers: BTreeSet::new(),
            stopped: false,
            previews: BTreeMap::new(),
            hands: Hands::default(),
            faults: Vec::new(),
        }
    }

    /// Broken promises so far.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Attempts seen, attempts with a result, conversations shown, dispositions kept.
    pub fn totals(&self) -> (usize, usize, usize, usize) {
        let cases = self.cases.values();
        (
            self.cases.len(),
            cases.clone().filter(|case| case.result.is_some()).count(),
            cases.clone().filter(|case| case.shown.is_some()).count(),
            cases.map(|case| case.outcomes as usize).sum(),
        )
    }

    /// People abandoned by campaigns that guarantee their cap.
    pub fn abandoned_under_guarantee(&self) -> usize {
        self.promises.abandoned()
    }

    /// What agents decided so far.
    pub fn hands(&self) -> Hands {
        self.hands
    }

    /// Results so far, with their counts.
    pub fn results(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for result in self.cases.values().filter_map(|case| case.result) {
            *counts.entry(result.code()).or_default() += 1;
        }
        counts
    }

    /// The world told the floor that an intent is on disk.
    pub fn durable(&mut self, attempt: AttemptId, route_try: u8) {
        if let Some(case) = self.cases.get_mut(&attempt) {
            case.durable.insert(route_try);
        }
    }
    /// The world told the floor that it rings.
    pub fn rang(&mut self, attempt: AttemptId) {
        if let Some(case) = self.cases.get_mut(&attempt) {
            case.rang = true;
        }
    }
    /// The world told the floor that a person answered.
    pub fn answered(&mut self, attempt: AttemptId, now: Now) {
        if let Some(case) = self.cases.get_mut(&attempt) {
            case.answered.get_or_insert(now.mono);
        }
    }
    /// The world told the floor that somebody must not be called.
    pub fn block(&mut self, person: Option<PersonId>, number: Option<NumberId>) {
        self.blocked_persons.extend(person);
        self.blocked_numbers.extend(number);
    }
    /// The world told the floor to stop, or to go on.
    pub fn stop(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// The world told the floor to start or pause a campaign. A closed one stays closed.
    pub fn campaign_state(&mut self, campaign: CampaignId, state: CampaignState) {
        if self.states.get(&campaign) != Some(&CampaignState::Closed) {
            self.states.insert(campaign, state);
        }
    }

    /// The world gave the floor a new configuration.
    pub fn edits(&mut self, edits: &[Edit]) {
        self.promises.edits(edits);
        for edit in edits {
            match edit {
                Edit::Campaign(id, settings) => {
                    let gate = &settings.gate;
                    let rules = PersonRules {
                        per_day: usize::from(gate.attempts_per_day),
                        gap_ms: gate.gap_min.as_millis() as i64,
                        offset_ms: self.rules.offset_ms,
                        window_min: (gate.window_from_min.into(), gate.window_until_min.into()),
                    };
                    let limit = self.limits.entry(*id).or_default();
                    *limit = (*limit).max(settings.answer_limit);
                    self.rules_of.insert(*id, rules);
                    self.rates.insert(*id, (settings.cps_max, VecDeque::new()));
                }
                Edit::CampaignState(id, state) => {
                    self.states.insert(*id, *state);
                }
                Edit::Trunk(id, _) => {
                    self.closed_trunks.remove(id);
                }
                Edit::TrunkClosed(id) => {
                    self.closed_trunks.insert(*id);
                }
                Edit::Floor(_)
                | Edit::Zone(..)
                | Edit::CampaignMode(..)
                | Edit::Agent(_)
                | Edit::Ledger(..)
                | Edit::Learned(_) => {}
            }
        }
    }

    /// A campaign dials: in no second since its rate was edited more than the rate and what may come at once.
    fn see_rate(&mut self, now: Now, campaign: CampaignId) {
        let Some((rate, dials)) = self.rates.get_mut(&campaign) else {
            return;
        };
        dials.push_back(now.mono);
        while dials
            .front()
            .is_some_and(|at| now.mono.since(*at) > Duration::from_secs(1))
        {
            dials.pop_front();
        }
        let (rate, dialled) = (*rate, dials.len() as u32);
        if dialled > rate + (rate / 5).max(1) + 1 {
            self.fault(
                now,
                format!("campaign {campaign} dialled {dialled} in a second at {rate}"),
            );
        }
    }

    fn fault(&mut self, now: Now, what: String) {
        if self.faults.len() < 20 {
            self.faults
                .push(format!("at {:.3} s: {what}", now.mono.0 as f64 / 1e6));
        }
    }

    /// Holds one order against the promises.
    pub fn see(&mut self, now: Now, effect: &Effect) {
        if let Some(what) = self.promises.see(now, effect) {
            self.fault(now, what);
        }
        match effect {
            Effect::Dial(order) => {
                if order.route_try == 1 {
                    if self.cases.contains_key(&order.attempt) {
                        self.fault(now, format!("attempt id {} is not new", order.attempt));
                    }
                    self.see_dial_beside_previews(now, order);
                    if let Some(other) = self.persons_in_air.insert(order.person, order.attempt) {
                        self.fault(
                            now,
                            format!(
                                "person {} has attempts {other} and {} in the air",
                                order.person, order.attempt
                            ),
                        );
                    }
                    if let Some(other) = self.numbers_in_air.insert(order.number, order.attempt) {
                        self.fault(
                            now,
                            format!(
                                "number {} has attempts {other} and {} in the air",
                                order.number, order.attempt
                            ),
                        );
                    }
                    self.see_rate(now, order.campaign);
                    let case = Case::new(order.campaign, order.person, order.number, order.lead);
                    self.cases.insert(order.attempt, case);
                } else if let Some(case) = self.cases.get_mut(&order.attempt) {
                    let (rang, expected) = (case.rang, case.route_try + 1);
                    case.route_try = order.route_try;
                    if rang || order.route_try != expected {
                        self.fault(
                            now,
                            format!(
                                "attempt {} goes to another trunk after ringing",
                                order.attempt
                            ),
                        );
                    }
                }
            }
            Effect::Release {
                attempt,
                route_try,
                trunk,
            } => {
                if self.closed_trunks.contains(trunk) {
                    self.fault(
                        now,
                        format!("attempt {attempt} left over trunk {trunk}, which is closed"),
                    );
                }
                self.see_release(now, *attempt, *route_try);
            }
            Effect::Preview(offer) => self.see_preview(now, offer),
            Effect::PreviewOver {
                attempt,
                agent,
                lead,
                why,
            } => {
                match why {
                    PreviewEnd::Skipped(_) | PreviewEnd::TimedOut => self.hands.skipped += 1,
                    PreviewEnd::Withdrawn => self.hands.withdrawn += 1,
                    PreviewEnd::GivenBack => {}
                }
                let was = self.previews.remove(attempt);
                if was.is_none_or(|(of, what, _)| (of, what) != (*agent, *lead)) {
                    self.fault(now, format!("preview {attempt} ended and was not there"));
                }
            }
            Effect::Refuse {
                why: Refusal::Held { .. },
                ..
            } => self.hands.held += 1,
            Effect::Personal(news) => self.see_personal(now, news),
            Effect::Show { attempt, agent, .. } => {
                if let Some(other) = self.agent_call.insert(*agent, *attempt) {
                    self.fault(
                        now,
                        format!("agent {agent} got attempt {attempt} during {other}"),
                    );
                }
                match self.cases.get_mut(attempt) {
                    Some(case)
                        if case.shown.is_none() && case.result.is_none() && !case.sent_off =>
                    {
                        case.shown = Some(*agent)
                    }
                    _ => self.fault(
                        now,
                        format!("attempt {attempt} was shown twice, or after its end"),
                    ),
                }
            }
            Effect::CallEnded { attempt, agent, .. } => {
                if self.agent_call.remove(agent) != Some(*attempt) {
                    self.fault(
                        now,
                        format!("agent {agent} ended attempt {attempt}, which he did not have"),
                    );
                }
                if let Some(case) = self.cases.get_mut(attempt) {
                    case.ended_talk = true;
                }
            }
            Effect::Close(closed) => {
                let known = self.cases.get_mut(&closed.attempt).map(|case| {
                    let before = case.result.replace(closed.result);
                    (before, case.clone())
                });
                let Some((before, case)) = known else {
                    return self.fault(
                        now,
                        format!("attempt {} ended and never began", closed.attempt),
                    );
                };
                if before.is_some() {
                    self.fault(now, format!("attempt {} has two results", closed.attempt));
                }
                if (closed.result == SystemResult::Connected) != case.shown.is_some() {
                    self.fault(
                        now,
                        format!(
                            "attempt {} is {} and was shown to {:?}",
                            closed.attempt,
                            closed.result.code(),
                            case.shown
                        ),
                    );
                }
                if case.told_over.is_some_and(|told| told != closed.result) {
                    self.fault(
                        now,
                        format!(
                            "attempt {} is {}, its agent heard {:?}",
                            closed.attempt,
                            closed.result.code(),
                            case.told_over
                        ),
                    );
                }
                if case.shown.is_some() && !case.ended_talk {
                    self.fault(
                        now,
                        format!(
                            "attempt {} closed while its agent still has it",
                            closed.attempt
                        ),
                    );
                }
                let is_of_us = case.calls_us.is_none();
                if is_of_us && (closed.result == SystemResult::NotSent) != (case.released == 0) {
                    self.fault(
                        now,
                        format!(
                            "attempt {} is {} after {} INVITEs",
                            closed.attempt,
                            closed.result.code(),
                            case.released
                        ),
                    );
                }
                if closed.result == SystemResult::Connected
                    && (closed.next == LeadNext::AwaitsOutcome) != (case.outcomes == 0)
                {
                    self.fault(
                        now,
                        format!(
                            "attempt {}: the lead's future is {:?} with {} outcomes",
                            closed.attempt, closed.next, case.outcomes
                        ),
                    );
                }
                self.see_end_of_message(now, closed, &case);
                self.persons_in_air.remove(&case.person);
                self.numbers_in_air.remove(&case.number);
                if closed.counts {
                    let at = closed.decided_at;
                    self.attempts_of.entry(case.person).or_default().push(at);
                }
                if closed.lead != case.lead {
                    self.fault(now, format!("attempt {} changed its lead", closed.attempt));
                }
            }
            Effect::KeepOutcome(kept) => {
                match self.cases.get_mut(&kept.attempt) {
                    Some(case) => {
                        case.outcomes += 1;
                        let (outcomes, shown) = (case.outcomes, case.shown);
                        if outcomes > 1 || shown != Some(kept.agent) {
                            self.fault(now, format!("outcome {outcomes} of attempt {} by agent {}, shown to {shown:?}", kept.attempt, kept.agent));
                        }
                    }
                    None => self.fault(
                        now,
                        format!("an outcome for attempt {}, which never began", kept.attempt),
                    ),
                }
            }
            Effect::CallIn(order) => self.see_call_in(now, order),
            Effect::PickUp { attempt } => match self.cases.get_mut(attempt) {
                Some(case) if case.calls_us == Some(false) && case.result.is_none() => {
                    case.calls_us = Some(true);
                }
                _ => self.fault(
                    now,
                    format!("picked up {attempt}, which does not ring here"),
                ),
            },
            Effect::Announce { attempt, .. } => self.see_message(now, *attempt),
            Effect::Bridge { attempt, .. } => {
                if let Some(case) = self.cases.get_mut(attempt) {
                    case.bridged = true;
                }
                if self
                    .cases
                    .get(attempt)
                    .is_none_or(|case| case.calls_us == Some(false))
                {
                    self.fault(now, format!("attempt {attempt} was joined while it rings"));
                }
            }
            Effect::Cancel { .. }
            | Effect::HangUp { .. }
            | Effect::Abort { .. }
            | Effect::TurnAway { .. }
            | Effect::Agent(_)
            | Effect::Refuse { .. }
            | Effect::Refill { .. }
            | Effect::ReturnLead { .. }
            | Effect::Exposed { .. }
            | Effect::Unseen { .. }
            | Effect::Ledger { .. }
            | Effect::FetchLead { .. }
            | Effect::Decided(_) => {}
        }
    }

    /// Somebody calls us: no rule is asked, but one person has one call.
    fn see_call_in(&mut self, now: Now, order: &CallInOrder) {
        if self.cases.contains_key(&order.attempt) {
            self.fault(now, format!("attempt id {} is not new", order.attempt));
        }
        let person = self.persons_in_air.insert(order.person, order.attempt);
        let number = self.numbers_in_air.insert(order.number, order.attempt);
        if let Some(other) = person.or(number) {
            self.fault(
                now,
                format!("attempt {} beside {other} of one person", order.attempt),
            );
        }
        let on_screen = |(_, lead, _): &(AgentId, LeadId, UnixMs)| *lead == order.lead;
        if self.previews.values().any(on_screen) {
            self.fault(now, format!("lead {} calls from a screen", order.lead));
        }
        let case = Case {
            calls_us: Some(false),
            ..Case::new(order.campaign, order.person, order.number, order.lead)
        };
        self.cases.insert(order.attempt, case);
    }

    /// A prompt plays: as a notice to who has an agent, or as the message to who has none, within the law's time.
    fn see_message(&mut self, now: Now, attempt: AttemptId) {
        let Some(case) = self.cases.get_mut(&attempt) else {
            return self.fault(
                now,
                format!("a prompt for attempt {attempt}, which is none"),
            );
        };
        // The notice stands between the bridge and the card.
        let is_joined = case.bridged;
        if !is_joined {
            case.sent_off = true;
        }
        let case = case.clone();
        let limit = self.limits.get(&case.campaign).copied().unwrap_or_default();
        let late = case
            .answered
            .is_some_and(|answered| now.mono.since(answered) > limit);
        if !is_joined && (late || case.calls_us == Some(false)) {
            self.fault(
                now,
                format!("attempt {attempt} hears the message too late, or while it rings"),
            );
        }
    }

    /// Whoever was told that nobody is free was abandoned, or missed, and nothing else.
    fn see_end_of_message(&mut self, now: Now, closed: &AttemptClosed, case: &Case) {
        let is_turned_off = matches!(
            closed.result,
            SystemResult::Abandoned | SystemResult::Missed
        );
        if case.sent_off && !is_turned_off {
            self.fault(
                now,
                format!(
                    "attempt {} was sent off and is {}",
                    closed.attempt,
                    closed.result.code()
                ),
            );
        }
        if (closed.result == SystemResult::Missed || closed.is_call_in)
            && (case.calls_us.is_none() || closed.counts || !closed.is_call_in)
        {
            self.fault(
                now,
                format!("attempt {} is no call to us, or counts", closed.attempt),
            );
        }
    }

    /// A lead appears on a screen: nobody else looks at it or is being called about it, and the agent has nothing else to do.
    fn see_preview(&mut self, now: Now, offer: &PreviewOffer) {
        let id = offer.attempt;
        self.hands.shown += 1;
        if self.cases.contains_key(&id) {
            self.fault(now, format!("preview {id} has the id of an attempt"));
        }
        if offer.until < now.unix {
            self.fault(now, format!("preview {id} is over before it begins"));
        }
        if self.agent_call.contains_key(&offer.agent) {
            self.fault(now, format!("preview {id} for an agent who talks"));
        }
        if self.stopped
            || !matches!(
                self.states.get(&offer.campaign),
                None | Some(CampaignState::Running)
            )
        {
            self.fault(now, format!("preview {id} although nothing is dialled"));
        }
        for (other, (agent, lead, _)) in self.previews.clone() {
            if agent == offer.agent || lead == offer.lead {
                self.fault(
                    now,
                    format!("previews {other} and {id} share an agent or a lead"),
                );
            }
        }
        self.previews
            .insert(id, (offer.agent, offer.lead, offer.until));
        let late: Vec<AttemptId> = self
            .previews
            .iter()
            .filter(|(_, (_, _, until))| now.unix.0 > until.0 + 1_000)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.fault(now, format!("preview {id} outlived its deadline"));
        }
    }

    /// What an agent hears of a call made for him is true: it left, it rings, or it is about to end with this very result.
    fn see_personal(&mut self, now: Now, news: &PersonalNews) {
        let id = news.attempt;
        let Some(case) = self.cases.get_mut(&id) else {
            return self.fault(now, format!("news of call {id}, which never began"));
        };
        let is_true = match news.stage {
            PersonalStage::Dialling => case.released > 0 && case.result.is_none(),
            PersonalStage::Ringing => case.rang && case.result.is_none(),
            PersonalStage::Over(result) => {
                let is_first = case.told_over.replace(result).is_none();
                is_first && case.shown.is_none() && case.result.is_none()
            }
        };
        if !is_true {
            self.fault(
                now,
                format!("agent {} hears of call {id}: {:?}", news.agent, news.stage),
            );
        }
    }

    /// A lead that is on a screen is dialled from there and from nowhere else.
    fn see_dial_beside_previews(&mut self, now: Now, order: &DialOrder) {
        match self.previews.remove(&order.attempt) {
            Some((_, lead, _)) if lead != order.lead => self.fault(
                now,
                format!("preview {} became a call to another lead", order.attempt),
            ),
            Some(_) => self.hands.dialled += 1,
            None => {
                if self
                    .previews
                    .values()
                    .any(|(_, lead, _)| *lead == order.lead)
                {
                    self.fault(
                        now,
                        format!("lead {} was dialled while on a screen", order.lead),
                    );
                }
            }
        }
    }

    fn see_release(&mut self, now: Now, attempt: AttemptId, route_try: u8) {
        let Some(case) = self.cases.get_mut(&attempt) else {
            return self.fault(now, format!("INVITE without an intent: {attempt}"));
        };
        case.released += 1;
        let case = case.clone();
        if !case.durable.contains(&route_try) {
            self.fault(
                now,
                format!(
                    "the INVITE {route_try} of attempt {attempt} left before its intent was durable"
                ),
            );
        }
        if self.stopped {
            self.fault(
                now,
                format!("attempt {attempt} left although dialling is stopped"),
            );
        }
        if self.blocked_persons.contains(&case.person)
            || self.blocked_numbers.contains(&case.number)
        {
            self.fault(
                now,
                format!("attempt {attempt} went to somebody who is blocked"),
            );
        }
        let rules = self
            .rules_of
            .get(&case.campaign)
            .copied()
            .unwrap_or(self.rules);
        if !matches!(
            self.states.get(&case.campaign),
            None | Some(CampaignState::Running)
        ) {
            self.fault(
                now,
                format!("attempt {attempt} left although its campaign does not run"),
            );
        }
        let day = |at: UnixMs| (at.0 + rules.offset_ms).div_euclid(86_400_000);
        let minute = (now.unix.0 + rules.offset_ms).rem_euclid(86_400_000) / 60_000;
        if !(rules.window_min.0..rules.window_min.1).contains(&minute) {
            self.fault(
                now,
                format!("attempt {attempt} left at minute {minute} of the day"),
            );
        }
        let before = self
            .attempts_of
            .get(&case.person)
            .cloned()
            .unwrap_or_default();
        if before
            .iter()
            .filter(|at| day(**at) == day(now.unix))
            .count()
            >= rules.per_day
        {
            self.fault(
                now,
                format!(
                    "person {} was called more than {} times today",
                    case.person, rules.per_day
                ),
            );
        }
        if before.iter().any(|at| now.unix.0 - at.0 < rules.gap_ms) {
            self.fault(
                now,
                format!("person {} was called again too soon", case.person),
            );
        }
    }

    /// Once all is drained: every attempt has its result, every conversation its disposition.
    pub fn close(&mut self, now: Now) {
        let open: Vec<String> = self
            .cases
            .iter()
            .filter(|(_, case)| {
                case.result.is_none() || (case.shown.is_some() && case.outcomes != 1)
            })
            .map(|(id, case)| {
                format!(
                    "attempt {id} ended as {:?} with {} outcomes",
                    case.result, case.outcomes
                )
            })
            .collect();
        for what in open {
            self.fault(now, what);
        }
        if let Some(id) = self.previews.keys().next().copied() {
            self.fault(now, format!("preview {id} is still on a screen"));
        }
        if let Some((agent, attempt)) = self.agent_call.iter().next() {
            let what = format!("agent {agent} still has attempt {attempt}");
            self.fault(now, what);
        }
    }
}
