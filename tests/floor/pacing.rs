//! Pacing over a stretch of a shift: a shadow mode changes nothing that is done and tells what differs, and what was learned is
//! there after a restart. The world is the smallest that answers: phones, talks and wrap-ups by the number of the attempt.

use std::collections::BTreeMap;
use std::time::Duration;
use tandem::core::effect::{Effect, PacingDecision};
use tandem::core::floor::Floor;
use tandem::core::input::{AgentSeat, Input, LeadFacts, LegEvent, LegFailure, Wanted};
use tandem::core::settings::{CampaignState, DialMode, Edit, Settings, WrapOverrun};
use tandem::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId, TrunkId, ZoneId};
use tandem::time::{Mono, Now, UnixMs};

/// Monday 2026-11-23, 09:00 in Ho Chi Minh City.
const START: i64 = 1_795_392_000_000 + 2 * 3_600_000;
const AGENTS: u32 = 20;

/// Two campaigns over the same agents; `modes[n]`: live mode and shadow of the n-th.
fn told(names: [&str; 2], modes: [(DialMode, Option<DialMode>); 2]) -> Settings {
    let mut settings = tandem::sim::world::settings(2);
    settings.floor.hot_leads = 400;
    for trunk in &mut settings.trunks {
        (trunk.cps_max, trunk.channels_max) = (1_000, 1_000);
    }
    for ((campaign, name), (mode, shadow)) in settings.campaigns.iter_mut().zip(names).zip(modes) {
        campaign.name = name.to_owned();
        (campaign.mode, campaign.shadow) = (mode, shadow);
        campaign.needs.clear();
        // A fifth of a second's calls may leave at once: enough for any first decision here.
        campaign.cps_max = 1_000;
        campaign.wrap = Duration::from_secs(8);
        campaign.wrap_overrun = WrapOverrun::Ready;
    }
    settings
}

fn now(ms: u64) -> Now {
    Now {
        mono: Mono::from_millis(ms),
        unix: UnixMs(START + ms as i64),
    }
}

/// Evenly spread below `below`, by a number and what it is for.
fn draw(number: u64, what: u64, below: u64) -> u64 {
    let mixed = (number * 4 + what).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 32) % below
}

struct Shift {
    floor: Floor,
    ms: u64,
    mail: BTreeMap<(u64, u64), Input>,
    posted: u64,
    handled: u64,
    next_lead: u64,
    /// Of a hundred phones, so many are answered, by segment.
    answer: [u64; 2],
    done: Vec<(u64, Effect)>,
    decided: Vec<(u64, PacingDecision)>,
}

impl Shift {
    fn new(settings: Settings) -> Shift {
        let mut shift = Shift {
            floor: Floor::new(settings),
            ms: 0,
            mail: BTreeMap::new(),
            posted: 0,
            handled: 0,
            next_lead: 1,
            answer: [45, 60],
            done: Vec::new(),
            decided: Vec::new(),
        };
        for campaign in 0..2 {
            let from = shift.next_lead;
            shift.next_lead += 300;
            shift.put(Input::Leads {
                campaign: CampaignId(campaign),
                leads: (from..shift.next_lead).map(lead).collect(),
                exhausted_until: None,
            });
        }
        for trunk in 0..2 {
            shift.put(Input::TrunkUp(TrunkId(trunk), true));
        }
        shift
    }

    fn open(&mut self, serve: &[u16]) {
        for agent in 1..=AGENTS {
            let campaigns = serve.iter().map(|id| (CampaignId(*id), 1)).collect();
            self.put(Input::AgentSeated(AgentSeat {
                agent: AgentId(agent),
                campaigns,
                skills: Vec::new(),
                needs_audio: false,
            }));
            self.put(Input::AgentWants(AgentId(agent), Wanted::Ready));
        }
    }

    fn post(&mut self, in_ms: u64, input: Input) {
        self.posted += 1;
        self.mail.insert((self.ms + in_ms, self.posted), input);
    }

    fn leg(&mut self, in_ms: u64, attempt: AttemptId, event: LegEvent) {
        let at = Mono::from_millis(self.ms + in_ms);
        let input = Input::Leg {
            attempt,
            route_try: 1,
            at,
            event,
        };
        self.post(in_ms, input);
    }

    fn put(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.floor.handle(now(self.ms), input, &mut effects);
        // It costs a walk over everything.
        self.handled += 1;
        if self.handled.is_multiple_of(64) {
            self.floor.check().expect("the floor keeps its truths");
        }
        for effect in effects {
            self.carry_out(&effect);
            match effect {
                Effect::Decided(decision) => self.decided.push((self.ms, decision)),
                effect => self.done.push((self.ms, effect)),
            }
        }
    }

    fn carry_out(&mut self, effect: &Effect) {
        let failed = |status| {
            LegEvent::Failed(LegFailure {
                status,
                q850: None,
                retry_after_s: None,
            })
        };
        match effect {
            Effect::Dial(order) => {
                self.post(2, Input::IntentDurable(order.attempt, order.route_try));
            }
            Effect::Release { attempt, .. } => {
                let segment = (attempt.0 % 2) as usize;
                self.leg(1, *attempt, LegEvent::Sent);
                self.leg(2_000, *attempt, LegEvent::Ringing);
                if draw(attempt.0, 0, 100) < self.answer[segment] {
                    let rings = 3_000 + draw(attempt.0, 1, 12_000);
                    self.leg(2_000 + rings, *attempt, LegEvent::Answered);
                } else {
                    self.leg(21_000, *attempt, failed(480));
                }
            }
            Effect::Bridge { attempt, .. } => {
                self.post(5, Input::Bridged(*attempt));
                let talks = 10_000 + draw(attempt.0, 2, 90_000);
                self.leg(talks, *attempt, LegEvent::Ended);
            }
            Effect::Cancel { attempt } => self.leg(50, *attempt, failed(487)),
            Effect::HangUp { attempt } => self.leg(50, *attempt, LegEvent::Ended),
            Effect::Refill { campaign, want } => {
                let from = self.next_lead;
                self.next_lead += u64::from(*want);
                let leads = (from..self.next_lead).map(lead).collect();
                self.post(
                    20,
                    Input::Leads {
                        campaign: *campaign,
                        leads,
                        exhausted_until: None,
                    },
                );
            }
            _ => {}
        }
    }

    fn until(&mut self, seconds: u64) {
        let end = seconds * 1_000;
        loop {
            let mail = self.mail.keys().next().map_or(u64::MAX, |(at, _)| *at);
            let due = self.floor.next_deadline();
            let due = due.map_or(u64::MAX, |at| at.0.div_ceil(1_000));
            let next = mail.min(due);
            if next > end {
                self.ms = end;
                return;
            }
            self.ms = self.ms.max(next);
            let input = if mail <= due {
                self.mail.pop_first().map(|(_, input)| input)
            } else {
                None
            };
            self.put(input.unwrap_or(Input::Wake));
        }
    }

    /// The first decision of a campaign that started anything.
    fn first_start(&self, campaign: CampaignId) -> PacingDecision {
        let started = |(_, decision): &&(u64, PacingDecision)| {
            decision.campaign == campaign && decision.launched > 0
        };
        let found = self.decided.iter().find(started);
        found.expect("it started something").1.clone()
    }
}

fn lead(id: u64) -> LeadFacts {
    LeadFacts {
        lead: LeadId(id),
        person: PersonId(id),
        number: NumberId(id),
        zone: ZoneId(0),
        callback: false,
        segment: (id % 2) as u16,
        priority: 0,
        not_before: UnixMs(START - 1_000),
        attempts: 0,
        needs: Vec::new(),
        sticky: None,
        reserved_for: None,
        person_attempts: Vec::new(),
        blocked: false,
    }
}

/// Decisions without what the shadow said; those that were told for its sake alone are left out.
fn without_shadow(decided: &[(u64, PacingDecision)]) -> Vec<(u64, PacingDecision)> {
    let mut bound = BTreeMap::new();
    let mut left = Vec::new();
    for (at, decision) in decided {
        let is_bound_anew = bound.insert(decision.campaign, decision.bound) != Some(decision.bound);
        if decision.launched > 0 || is_bound_anew {
            let mut decision = decision.clone();
            decision.shadow = None;
            left.push((*at, decision));
        }
    }
    left
}

const RATIO: DialMode = DialMode::LinesPerFreeAgent { milli: 2_500 };

#[test]
fn a_shadow_changes_nothing_that_is_done() {
    use DialMode::{LinesPerAgent, Predictive, Progressive};
    let per_agent = LinesPerAgent { milli: 1_600 };
    for (live, shadow) in [
        ([Progressive, Progressive], [Some(Predictive), Some(RATIO)]),
        ([RATIO, per_agent], [Some(Progressive), Some(Predictive)]),
        ([Predictive, Progressive], [Some(RATIO), Some(Predictive)]),
        ([Predictive, Predictive], [Some(per_agent), None]),
    ] {
        let run = |shadow: [Option<DialMode>; 2]| {
            let modes = [(live[0], shadow[0]), (live[1], shadow[1])];
            let mut shift = Shift::new(told(["north", "south"], modes));
            shift.open(&[0, 1]);
            shift.until(100);
            // Everything that a shadow could have left behind would show where the live mode is the model from here on.
            shift.put(Input::CampaignMode(CampaignId(1), Predictive));
            shift.until(160);
            // Away with it, and back.
            for shadow in [None, shadow[0]] {
                let mut settings = told(["north", "south"], modes).campaigns[0].clone();
                settings.shadow = shadow;
                shift.put(Input::Edits(vec![Edit::Campaign(CampaignId(0), settings)]));
                shift.until(shift.ms / 1_000 + 30);
            }
            shift
        };
        let (without, with) = (run([None, None]), run(shadow));
        assert!(without.done.len() > 800, "a shift at work");
        assert!(without.decided.iter().all(|(_, d)| d.shadow.is_none()));
        assert!(with.decided.iter().any(|(_, d)| d.shadow.is_some()));
        assert_eq!(without.done, with.done, "{live:?} beside {shadow:?}");
        assert_eq!(without.decided, without_shadow(&with.decided));
    }
}

#[test]
fn a_shadow_tells_what_it_would_have_done_and_for_how_many_lines() {
    use DialMode::{Predictive, Progressive};
    let run = |live, shadow| {
        let modes = [(live, Some(shadow)), (Progressive, None)];
        let mut shift = Shift::new(told(["north", "south"], modes));
        // South has nobody: it decides nothing.
        shift.open(&[0]);
        shift.until(200);
        let picture = shift.floor.picture(now(shift.ms));
        let (live, shadow) = picture.campaigns[0].shadow_line_seconds;
        assert_eq!(picture.campaigns[1].shadow_line_seconds, (0, 0));
        assert!(live > 300, "{live} line-seconds in 200 s");
        let first = shift.first_start(CampaignId(0));
        (first, shadow as f64 / live as f64)
    };
    let (first, share) = run(Progressive, Predictive);
    let (mode, lines) = first.shadow.expect("asked at the first tick");
    assert_eq!((first.launched, mode), (AGENTS, Predictive));
    assert!(lines > AGENTS, "{lines}");
    let told = format!("; predictive would have started {lines}");
    assert!(first.to_string().ends_with(&told), "{first}");
    assert!(share > 1.1, "the model dials ahead: {share}");

    let (first, share) = run(RATIO, Progressive);
    assert_eq!(first.shadow, Some((Progressive, AGENTS)));
    assert_eq!(first.launched, AGENTS * 5 / 2);
    assert!(share < 0.7, "one line per free agent: {share}");

    let (first, share) = run(Predictive, Progressive);
    assert!(first.launched > AGENTS, "{first}");
    assert!(share < 0.9, "{share}");

    let (_, share) = run(Progressive, Progressive);
    assert!((0.98..1.02).contains(&share), "its own shadow: {share}");
}

#[test]
fn a_paused_campaign_and_one_whose_agents_dial_themselves_cast_no_shadow() {
    let modes = [(DialMode::Progressive, Some(DialMode::Predictive)); 2];
    let mut shift = Shift::new(told(["north", "south"], modes));
    shift.put(Input::CampaignState(CampaignId(0), CampaignState::Paused));
    shift.put(Input::CampaignMode(CampaignId(1), DialMode::Manual));
    shift.open(&[0, 1]);
    shift.until(60);
    assert!(shift.decided.iter().all(|(_, d)| d.shadow.is_none()));
    let picture = shift.floor.picture(now(shift.ms));
    for campaign in &picture.campaigns {
        assert_eq!(campaign.shadow_line_seconds, (0, 0));
    }
}

#[test]
fn after_a_restart_pacing_goes_on_with_what_it_knew_whatever_the_order_of_campaigns() {
    let (live, other) = ((DialMode::Predictive, None), (DialMode::Progressive, None));
    let mut before = Shift::new(told(["north", "south"], [live, other]));
    assert_eq!(before.floor.learned(), None, "nobody has predicted yet");
    before.open(&[0]);
    before.until(600);
    let last = before.decided.last().expect("decided").1.clone();
    let knew = last.why.expect("a forecast").answer_rate_ppm;
    let learned = before.floor.learned().expect("it has predicted");
    assert_eq!(learned.campaigns.len(), 1, "south never predicted");
    assert_eq!(learned.campaigns[0].streams.len(), 2, "by segment");

    // What the shell does: north is the second one now.
    let mut moved = learned.clone();
    moved.campaigns[0].campaign = CampaignId(1);
    let told_again = Input::Edits(vec![Edit::Learned(Box::new(moved.clone()))]);
    let text = serde_json::to_string(&told_again).expect("written to the log");
    let read: Input = serde_json::from_str(&text).expect("read by a replay");
    assert_eq!(read, told_again);
    let start = |input: Option<Input>| {
        let mut shift = Shift::new(told(["south", "north"], [other, live]));
        input.into_iter().for_each(|input| shift.put(input));
        // Kept before anybody came, it is what it was.
        let kept = shift.floor.learned();
        shift.open(&[1]);
        shift.until(2);
        (shift.first_start(CampaignId(1)), kept)
    };
    let (cold, nothing) = start(None);
    let (warm, kept) = start(Some(read));
    assert_eq!(nothing, None);
    assert_eq!(kept, Some(moved), "kept again, to the last digit");
    let rate = |decision: &PacingDecision| decision.why.expect("a forecast").answer_rate_ppm;
    assert!(knew > 350_000, "half of them answer: {knew}");
    assert!(rate(&warm).abs_diff(knew) < knew / 5, "{warm} {knew}");
    assert!(rate(&cold) < 250_000, "{cold}");
    assert!(
        warm.launched < cold.launched,
        "who does not know that half of them answer starts too many: {warm}, {cold}"
    );
}

#[test]
fn what_was_kept_for_other_campaigns_or_in_another_form_is_no_harm() {
    let live = (DialMode::Predictive, None);
    let mut before = Shift::new(told(["north", "south"], [live, live]));
    before.open(&[0, 1]);
    before.until(120);
    let mut learned = before.floor.learned().expect("it has predicted");
    learned.campaigns[0].campaign = CampaignId(900);
    learned.campaigns[1].work.talk.milli.truncate(3);
    learned.campaigns[1].work.wrap.milli[0] = u64::MAX;
    learned.campaigns[1].streams[0].answers.long_milli = [7, 0];
    learned.phones.pick_up.width_ms = 1;
    learned.phones.ended = Default::default();
    let mut shift = Shift::new(told(["north", "south"], [live, live]));
    shift.put(Input::Edits(vec![Edit::Learned(Box::new(learned))]));
    let kept = shift.floor.learned().expect("south is remembered");
    let [south] = &kept.campaigns[..] else {
        panic!("there is no campaign 900: {kept:?}");
    };
    assert_eq!(south.campaign, CampaignId(1));
    assert!(south.work.talk.milli.len() > 50 && south.work.wrap.milli[0] < 1_000_000);
    assert_eq!(kept.phones.pick_up.width_ms, 250);
    shift.open(&[0, 1]);
    shift.until(120);
    assert!(shift.first_start(CampaignId(0)).launched > 0);
    let answers = shift.floor.learned().expect("both by now").campaigns[1].streams[0].answers;
    assert!(answers.long_milli[1] > 0, "{answers:?}");
}
