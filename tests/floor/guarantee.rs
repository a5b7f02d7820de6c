//! The abandon guarantee on a whole floor: whatever people, phones and agents do next, an abandonment is within the cap, or an event
//! was named. The books here are the test's own.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tandem::core::dispositions::Disposition;
use tandem::core::effect::{AfterCall, Bound, Effect};
use tandem::core::floor::Floor;
use tandem::core::input::{AgentSeat, Input, LeadFacts, LegEvent, LegFailure, Wanted};
use tandem::core::ledger::{Exposure, LedgerNews, NamedEvent};
use tandem::core::settings::{
    AbandonSettings, AbandonStrength, AbandonWindow, DialMode, Settings, SkillNeed,
};
use tandem::ids::{
    AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId, SkillId, TrunkId, ZoneId,
};
use tandem::time::{Mono, Now, UnixMs};

/// Monday 2026-11-23, 08:56 in Ho Chi Minh City: four minutes before a window closes, where one does.
const START: i64 = CLOSES - 240_000;
const CLOSES: i64 = 1_795_392_000_000 + 2 * 3_600_000;
/// The longest a call may be in the air: what a named event explains.
const AIR_MS: u64 = 300_000;

fn guarantee(cap_ppm: u32, window: AbandonWindow) -> AbandonSettings {
    AbandonSettings {
        strength: AbandonStrength::Guarantee,
        cap_ppm,
        window,
        ..AbandonSettings::default()
    }
}

/// Two guaranteed campaigns, the second of which needs a skill, and one that promises nothing, over the same agents.
fn told(caps: [u32; 2], window: &AbandonWindow) -> Settings {
    let mut settings = tandem::sim::world::settings(3);
    settings.floor.tick = Duration::from_millis(200);
    settings.floor.hot_leads = 40;
    for (number, campaign) in settings.campaigns.iter_mut().enumerate() {
        campaign.mode = DialMode::LinesPerFreeAgent { milli: 4_000 };
        campaign.wrap = Duration::from_secs(1);
        campaign.needs.clear();
        match caps.get(number) {
            Some(cap) => campaign.abandon = guarantee(*cap, window.clone()),
            None => campaign.abandon.cap_ppm = 1_000_000,
        }
    }
    settings.campaigns[1].needs = vec![SkillNeed {
        skill: SkillId(0),
        level: 1,
    }];
    settings
}

/// What somebody does next.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Answers,
    Rings(u16),
    PersonLeaves,
    AgentEnds,
    Wants(Wanted),
    Lost,
    Back,
    Learns(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        10 => Just(Deed::Answers),
        4 => prop::sample::select(vec![404, 486, 503]).prop_map(Deed::Rings),
        3 => Just(Deed::PersonLeaves),
        8 => Just(Deed::AgentEnds),
        6 => Just(Deed::Wants(Wanted::Ready)),
        2 => prop::sample::select(vec![Wanted::Break(1), Wanted::Manual, Wanted::Offline]).prop_map(Deed::Wants),
        1 => Just(Deed::Lost),
        1 => Just(Deed::Back),
        1 => (0u8..3).prop_map(Deed::Learns),
    ]
}

/// A floor, those around it who do at once what it orders, and the books.
struct Scene {
    floor: Floor,
    settings: Settings,
    ms: u64,
    effects: Vec<Effect>,
    next_lead: u64,
    /// Whether some leads are one agent's own, or prefer one.
    personal: bool,
    in_air: Vec<AttemptId>,
    talks: BTreeMap<AgentId, AttemptId>,
    bridges_fail: bool,
    seen: Vec<(CampaignId, i64, Exposure)>,
    explained: BTreeMap<CampaignId, u64>,
    named: Vec<NamedEvent>,
    after_call: BTreeMap<AgentId, AfterCall>,
    bounds: Vec<(CampaignId, Bound)>,
    launched: BTreeMap<CampaignId, u32>,
    faults: Vec<String>,
}

impl Scene {
    fn new(settings: Settings, agents: u32) -> Scene {
        let mut scene = Scene {
            floor: Floor::new(settings.clone()),
            settings,
            ms: 0,
            effects: Vec::new(),
            next_lead: 0,
            personal: false,
            in_air: Vec::new(),
            talks: BTreeMap::new(),
            bridges_fail: false,
            seen: Vec::new(),
            explained: BTreeMap::new(),
            named: Vec::new(),
            after_call: BTreeMap::new(),
            bounds: Vec::new(),
            launched: BTreeMap::new(),
            faults: Vec::new(),
        };
        scene.feed(Input::TrunkUp(TrunkId(0), true));
        for agent in 0..agents {
            scene.feed(Input::AgentSeated(seat(agent, (agent % 2) as u8)));
            scene.feed(Input::AgentWants(AgentId(agent), Wanted::Ready));
        }
        scene
    }

    fn now(&self) -> Now {
        Now {
            mono: Mono::from_millis(self.ms),
            unix: UnixMs(START + self.ms as i64),
        }
    }

    /// Lets time pass, deadline by deadline.
    fn wait(&mut self, ms: u64) {
        let end = self.ms + ms;
        loop {
            let due = self.floor.next_deadline().map(|at| at.0.div_ceil(1_000));
            match due.filter(|due| *due <= end) {
                Some(due) => self.ms = self.ms.max(due),
                None => break,
            }
            self.feed(Input::Wake);
        }
        self.ms = end;
        self.feed(Input::Wake);
    }

    fn feed(&mut self, input: Input) {
        let now = self.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.floor.handle(now, input, &mut effects);
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
    }

    fn leg(&mut self, attempt: AttemptId, event: LegEvent) {
        let at = self.now().mono;
        for route_try in 1..=3 {
            self.feed(Input::Leg {
                attempt,
                route_try,
                at,
                event,
            });
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Dial(order) => {
                if order.route_try == 1 {
                    *self.launched.entry(order.campaign).or_default() += 1;
                }
                self.feed(Input::IntentDurable(order.attempt, order.route_try));
            }
            Effect::Release { attempt, .. } => {
                if !self.in_air.contains(&attempt) {
                    self.in_air.push(attempt);
                }
                self.leg(attempt, LegEvent::Ringing);
            }
            Effect::HangUp { attempt } => self.leg(attempt, LegEvent::Ended),
            Effect::Bridge { attempt, agent } => {
                self.talks.insert(agent, attempt);
                if !self.bridges_fail {
                    self.feed(Input::Bridged(attempt));
                }
            }
            Effect::CallEnded { attempt, agent, .. } => {
                self.talks.remove(&agent);
                self.feed(Input::AgentOutcome {
                    agent,
                    attempt,
                    request: 1,
                    disposition: Disposition::RpcRefuse,
                    follow_up: None,
                });
            }
            Effect::Close(closed) => self.in_air.retain(|id| *id != closed.attempt),
            Effect::Refill { campaign, want } => {
                let first = self.next_lead;
                self.next_lead += u64::from(want);
                let personal = self.personal;
                let leads = (first..self.next_lead)
                    .map(|id| lead(id, personal))
                    .collect();
                self.feed(Input::Leads {
                    campaign,
                    leads,
                    exhausted_until: None,
                });
            }
            Effect::Exposed {
                campaign,
                exposure,
                at,
                ..
            } => self.count(campaign, exposure, at),
            Effect::Ledger {
                campaign,
                news: LedgerNews::Named(event),
            } => {
                self.named.push(event);
                self.explained.insert(campaign, self.ms + AIR_MS);
            }
            Effect::Agent(news) => {
                self.after_call.insert(news.agent, news.after_call);
            }
            Effect::Decided(decision) => self.bounds.push((decision.campaign, decision.bound)),
            _ => {}
        }
    }

    fn count(&mut self, campaign: CampaignId, exposure: Exposure, at: UnixMs) {
        self.seen.push((campaign, at.0, exposure));
        let settings = &self.settings.campaigns[usize::from(campaign.0)].abandon;
        if exposure != Exposure::Abandoned || settings.strength != AbandonStrength::Guarantee {
            return;
        }
        let from = match &settings.window {
            AbandonWindow::Days30 { from } if at >= *from => from.0,
            _ => i64::MIN,
        };
        let (abandoned, served) = (
            self.counted(campaign, from, Exposure::Abandoned),
            self.counted(campaign, from, Exposure::Served),
        );
        let is_explained = self
            .explained
            .get(&campaign)
            .is_some_and(|until| self.ms <= *until);
        if abandoned * 1_000_000 > served * u64::from(settings.cap_ppm) && !is_explained {
            self.faults.push(format!(
                "campaign {campaign}: {abandoned} abandoned, {served} served, and nothing was named"
            ));
        }
    }

    fn counted(&self, campaign: CampaignId, from: i64, exposure: Exposure) -> u64 {
        let within = self
            .seen
            .iter()
            .filter(|(of, at, _)| *of == campaign && *at >= from);
        within.filter(|(_, _, seen)| *seen == exposure).count() as u64
    }

    fn check(&mut self) {
        if let Err(what) = self.floor.check() {
            self.faults.push(what);
        }
    }

    fn does(&mut self, deed: Deed, which: usize, agents: u32) {
        let agent = AgentId(which as u32 % agents);
        let call = (!self.in_air.is_empty()).then(|| self.in_air[which % self.in_air.len()]);
        match deed {
            Deed::Answers => {
                if let Some(call) = call {
                    self.leg(call, LegEvent::Answered);
                }
            }
            Deed::Rings(status) => {
                if let Some(call) = call {
                    let failure = LegFailure {
                        status,
                        q850: None,
                        retry_after_s: None,
                    };
                    self.leg(call, LegEvent::Failed(failure));
                }
            }
            Deed::PersonLeaves => {
                if let Some(call) = call {
                    self.leg(call, LegEvent::Ended);
                }
            }
            Deed::AgentEnds => {
                if let Some(call) = self.talks.get(&agent).copied() {
                    self.feed(Input::AgentHangUp(agent, call));
                }
            }
            Deed::Wants(wanted) => self.feed(Input::AgentWants(agent, wanted)),
            Deed::Lost => self.feed(Input::AgentLost(agent)),
            Deed::Back => {
                self.feed(Input::AgentBack(agent));
                self.feed(Input::AgentSeated(seat(agent.0, (agent.0 % 2) as u8)));
            }
            Deed::Learns(level) => self.feed(Input::AgentSeated(seat(agent.0, level))),
        }
    }
}

fn seat(agent: u32, level: u8) -> AgentSeat {
    AgentSeat {
        agent: AgentId(agent),
        campaigns: (0..3).map(|id| (CampaignId(id), 1)).collect(),
        skills: (level > 0)
            .then_some((SkillId(0), level))
            .into_iter()
            .collect(),
        needs_audio: false,
    }
}

fn lead(id: u64, personal: bool) -> LeadFacts {
    LeadFacts {
        segment: 0,
        lead: LeadId(id),
        person: PersonId(id),
        number: NumberId(id),
        zone: ZoneId(0),
        callback: false,
        priority: 0,
        not_before: UnixMs(START - 1_000),
        attempts: 0,
        needs: Vec::new(),
        sticky: (personal && id.is_multiple_of(7)).then_some(AgentId((id % 5) as u32)),
        reserved_for: (personal && id.is_multiple_of(23)).then_some(AgentId((id % 5) as u32)),
        person_attempts: Vec::new(),
        blocked: false,
    }
}

/// Abandonments over all cases, and those of them that no event explained away: whether the promise was put to the test.
static TRIED: AtomicU64 = AtomicU64::new(0);

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 300, ..ProptestConfig::default() })]
    fn whatever_happens_next_an_abandonment_is_within_the_cap_or_explained(
        caps in (50_000u32..900_000, 50_000u32..900_000),
        closes in any::<bool>(),
        agents in 1u32..7,
        deeds in prop::collection::vec((0u64..4_000, deed(), 0usize..64), 50..250),
    ) {
        let window = if closes {
            AbandonWindow::Days30 { from: UnixMs(CLOSES) }
        } else {
            AbandonWindow::RollingHours(1)
        };
        let mut scene = Scene::new(told([caps.0, caps.1], &window), agents);
        scene.personal = true;
        let calm = deeds.len() / 2;
        for (number, (wait, deed, which)) in deeds.into_iter().enumerate() {
            scene.wait(wait);
            // The first half of the day is one of work: a promise needs people who were served.
            let deed = match deed {
                Deed::Lost | Deed::Learns(_) | Deed::Wants(Wanted::Break(_) | Wanted::Manual | Wanted::Offline) if number < calm => Deed::Wants(Wanted::Ready),
                deed => deed,
            };
            scene.bridges_fail = number > calm && which == 13;
            scene.does(deed, which, agents);
            scene.check();
            prop_assert!(scene.faults.is_empty(), "{:#?}", scene.faults);
        }
        scene.wait(300_000);
        scene.check();
        prop_assert!(scene.faults.is_empty(), "{:#?}", scene.faults);
        let free = scene.seen.iter().filter(|(of, _, what)| of.0 < 2 && *what == Exposure::Abandoned).count();
        TRIED.fetch_add(free as u64, Ordering::Relaxed);
    }
}

#[test]
fn at_each_abandonment_the_guarantee_holds_or_an_event_is_named() {
    whatever_happens_next_an_abandonment_is_within_the_cap_or_explained();
    let tried = TRIED.load(Ordering::Relaxed);
    assert!(
        tried > 20,
        "only {tried} were abandoned: the promise was not put to the test"
    );
}

/// One guaranteed campaign with three agents and no budget yet.
fn three_agents() -> Scene {
    let window = AbandonWindow::RollingHours(1);
    let mut settings = told([30_000, 30_000], &window);
    for campaign in &mut settings.campaigns[1..] {
        campaign.state = tandem::core::settings::CampaignState::Paused;
    }
    let mut scene = Scene::new(settings, 3);
    scene.wait(1_000);
    scene
}

const FIRST: CampaignId = CampaignId(0);

#[test]
fn without_a_budget_a_ratio_of_four_is_one_line_for_each_free_agent_and_says_why() {
    let scene = three_agents();
    assert_eq!(scene.launched.get(&FIRST), Some(&3));
    assert!(
        scene.bounds.contains(&(FIRST, Bound::Budget)),
        "{:?}",
        scene.bounds
    );
}

#[test]
fn an_agent_who_backs_a_call_is_told_that_his_break_comes_and_gets_it_when_the_call_is_over() {
    let mut scene = three_agents();
    scene.feed(Input::AgentWants(AgentId(0), Wanted::Break(1)));
    assert_eq!(
        scene.floor.picture(scene.now()).agents[1..3],
        [0, 3],
        "still ready"
    );
    assert_eq!(scene.after_call[&AgentId(0)], AfterCall::Break(1));
    let calls = scene.in_air.clone();
    let busy = LegFailure {
        status: 486,
        q850: None,
        retry_after_s: None,
    };
    scene.leg(calls[0], LegEvent::Failed(busy));
    assert_eq!(
        scene.floor.picture(scene.now()).agents[1..3],
        [1, 2],
        "on break"
    );
    scene.wait(500);
    assert_eq!(scene.in_air.len(), 2, "and nothing new counts on him");
    assert!(scene.named.is_empty());
}

#[test]
fn who_asked_to_leave_may_change_his_mind() {
    let mut scene = three_agents();
    scene.feed(Input::AgentWants(AgentId(0), Wanted::Offline));
    scene.feed(Input::AgentWants(AgentId(0), Wanted::Ready));
    assert_eq!(scene.after_call[&AgentId(0)], AfterCall::Ready);
    let calls = scene.in_air.clone();
    scene.leg(calls[0], LegEvent::Answered);
    assert_eq!(scene.floor.picture(scene.now()).agents[2..5], [2, 0, 1]);
}

#[test]
fn a_lost_socket_is_named_and_the_abandonment_that_follows_is_explained() {
    let mut scene = three_agents();
    scene.feed(Input::AgentLost(AgentId(1)));
    assert_eq!(scene.named, [NamedEvent::AgentLost]);
    for call in scene.in_air.clone() {
        scene.leg(call, LegEvent::Answered);
    }
    scene.wait(3_000);
    assert_eq!(scene.counted(FIRST, i64::MIN, Exposure::Abandoned), 1);
    assert_eq!(
        scene.floor.picture(scene.now()).campaigns[0].ledger.broken,
        1
    );
    assert!(scene.faults.is_empty(), "{:#?}", scene.faults);
}

#[test]
fn a_ratio_campaign_over_its_cap_falls_back_to_one_line_for_each_free_agent_until_it_is_healed() {
    let mut scene = three_agents();
    let Settings { campaigns, .. } = &scene.settings;
    let mut rules = campaigns[0].clone();
    rules.abandon = AbandonSettings::default();
    scene.settings.campaigns[0] = rules.clone();
    scene.feed(Input::Edits(vec![tandem::core::settings::Edit::Campaign(
        FIRST, rules,
    )]));
    scene.wait(200);
    assert_eq!(
        scene.in_air.len(),
        12,
        "four lines for each of three agents"
    );
    for call in scene.in_air.clone() {
        scene.leg(call, LegEvent::Answered);
    }
    scene.wait(3_000);
    let standing = scene.floor.picture(scene.now()).campaigns[0]
        .ledger
        .standing
        .clone();
    assert_eq!(
        (standing.served, standing.abandoned, standing.is_over_cap),
        (3, 9, true)
    );
    scene.bounds.clear();
    for agent in 0..3 {
        let call = scene.talks[&AgentId(agent)];
        scene.feed(Input::AgentHangUp(AgentId(agent), call));
    }
    scene.wait(5_000);
    assert_eq!(scene.in_air.len(), 3, "one for each");
    assert!(
        scene.bounds.contains(&(FIRST, Bound::Budget)),
        "{:?}",
        scene.bounds
    );
    // 9 abandoned need 300 answers in all.
    let standing = |scene: &Scene| {
        let picture = scene.floor.picture(scene.now());
        picture.campaigns[0].ledger.standing.clone()
    };
    let mut rounds = 0;
    while standing(&scene).is_over_cap {
        rounds += 1;
        assert!(rounds < 120, "{:?}", standing(&scene));
        assert!(scene.in_air.len() <= 3, "one for each until it is healed");
        for call in scene.in_air.clone() {
            scene.leg(call, LegEvent::Answered);
        }
        for (agent, call) in scene.talks.clone() {
            scene.feed(Input::AgentHangUp(agent, call));
        }
        scene.wait(1_500);
    }
    let healed = standing(&scene);
    assert_eq!((healed.abandoned, healed.denominator / 10), (9, 30));
    scene.wait(1_000);
    assert_eq!(scene.in_air.len(), 12, "four for each again");
}
