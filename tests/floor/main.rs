//! The shipped floor in seeded worlds: every promise is held against a judge that keeps its own books.

mod callers;
mod cases;
mod guarantee;
mod pacing;

use tandem::sim::judge::Hands;
use tandem::sim::world::{Outcome, Plan, run};

/// Seeds per test: a handful by default, as many as `TANDEM_SIM_SEEDS` says for a soak.
fn seeds(default: u64) -> u64 {
    std::env::var("TANDEM_SIM_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn plan(mishaps: u64) -> Plan {
    Plan {
        agents: 12,
        leads: 150,
        seconds: 600,
        mishaps,
        switches: 0,
        check: true,
    }
}

fn check(seed: u64, plan: Plan) -> Outcome {
    let outcome = run(seed, plan);
    assert!(
        outcome.faults.is_empty(),
        "seed {seed}: {:#?}",
        outcome.faults
    );
    let (attempts, results, shown, outcomes) = outcome.totals;
    assert!(
        attempts > 50 && shown > 10,
        "seed {seed} is a floor at work: {:?}",
        outcome.totals
    );
    assert_eq!(
        attempts, results,
        "seed {seed}: every attempt has one result"
    );
    assert_eq!(
        shown, outcomes,
        "seed {seed}: every conversation has one disposition"
    );
    outcome
}

#[test]
fn a_calm_floor_keeps_every_promise() {
    for seed in 0..seeds(8) {
        check(seed, plan(0));
    }
}

#[test]
fn a_floor_full_of_mishaps_keeps_every_promise() {
    for seed in 100..100 + seeds(14) {
        check(seed, plan(20 + seed % 60));
    }
}

#[test]
fn a_guaranteed_cap_is_kept_at_every_abandonment_and_still_lines_start_without_an_agent() {
    let mut abandoned = 0;
    for seed in (500..).step_by(3).take(seeds(4) as usize) {
        // 500, 503, ..: some campaigns promise; one more: all do.
        for seed in [seed, seed + 2] {
            let outcome = run(seed, plan(if seed % 2 == 0 { 0 } else { 30 }));
            assert!(
                outcome.faults.is_empty(),
                "seed {seed}: {:#?}",
                outcome.faults
            );
            abandoned += outcome.abandoned_under_guarantee;
        }
    }
    assert!(
        abandoned > 0,
        "nobody was ever abandoned: the promise was not put to the test"
    );
}

#[test]
fn modes_are_switched_with_calls_in_the_air_and_leads_on_screens_and_nothing_is_dropped() {
    let mut hands = Hands::default();
    for seed in 300..300 + seeds(6) {
        let plan = Plan {
            switches: 600,
            ..plan(if seed % 2 == 0 { 0 } else { 30 })
        };
        let outcome = check(seed, plan);
        hands.shown += outcome.hands.shown;
        hands.dialled += outcome.hands.dialled;
        hands.skipped += outcome.hands.skipped;
        hands.withdrawn += outcome.hands.withdrawn;
        hands.held += outcome.hands.held;
    }
    assert!(
        hands.shown > 120 && hands.dialled > 60 && hands.skipped > 15,
        "agents decide: {hands:?}"
    );
    assert!(
        hands.withdrawn > 0 && hands.held > 0,
        "rules speak: {hands:?}"
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    let first = run(7, plan(40));
    assert_eq!(first, run(7, plan(40)));
    assert_ne!(first.trace, run(8, plan(40)).trace);
}

mod anything {
    //! Any facts in any order, sensible or not: the floor keeps its own truths, ends every attempt once, and forgets nothing.

    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tandem::core::dispositions::Disposition;
    use tandem::core::effect::Effect;
    use tandem::core::floor::Floor;
    use tandem::core::input::{
        AgentSeat, CallIn, CallSign, Input, LeadFacts, LegEvent, LegFailure, Wanted,
    };
    use tandem::core::settings::{
        CampaignState, DialMode, Edit, FloorSettings, SkillNeed, TrunkSettings,
    };
    use tandem::ids::{
        AgentId, AttemptId, CallInId, CampaignId, LeadId, NumberId, PersonId, SkillId, TrunkId,
        ZoneId,
    };
    use tandem::time::{Mono, Now, UnixMs};

    /// Monday 2026-11-23, 09:00 in Ho Chi Minh City.
    const START: i64 = 1_795_392_000_000 + 2 * 3_600_000;

    fn lead(id: u64) -> LeadFacts {
        LeadFacts {
            lead: LeadId(id),
            person: PersonId(id % 40),
            number: NumberId(id % 45),
            zone: ZoneId((id % 9 == 8).into()),
            callback: id.is_multiple_of(11),
            segment: (id % 3) as u16,
            priority: (id % 5) as i32,
            not_before: UnixMs(START + (id % 7) as i64 * 1_000),
            attempts: (id % 6) as u16,
            needs: Vec::new(),
            sticky: id.is_multiple_of(3).then_some(AgentId((id % 6) as u32)),
            reserved_for: id.is_multiple_of(13).then_some(AgentId((id % 6) as u32)),
            person_attempts: Vec::new(),
            blocked: id.is_multiple_of(17),
        }
    }

    fn event() -> impl Strategy<Value = LegEvent> {
        let failure = (
            prop::sample::select(vec![0, 302, 403, 404, 408, 480, 486, 487, 500, 503, 603]),
            prop::option::of(1u8..40),
        )
            .prop_map(|(status, q850)| {
                LegEvent::Failed(LegFailure {
                    status,
                    q850,
                    retry_after_s: None,
                })
            });
        prop_oneof![
            1 => Just(LegEvent::Sent),
            1 => Just(LegEvent::Trying),
            4 => Just(LegEvent::Ringing),
            2 => Just(LegEvent::PickedUp),
            6 => Just(LegEvent::Answered),
            1 => Just(LegEvent::Machine),
            2 => Just(LegEvent::Ended),
            1 => Just(LegEvent::Silent),
            2 => failure,
        ]
    }

    /// Attempts are drawn from the last few, so that most facts are about something that lives.
    fn input() -> impl Strategy<Value = Input> {
        let attempt = || (1u64..60).prop_map(AttemptId);
        let agent = || (0u32..6).prop_map(AgentId);
        let wanted = prop::sample::select(vec![
            Wanted::Ready,
            Wanted::Ready,
            Wanted::Break(1),
            Wanted::Manual,
            Wanted::Offline,
        ]);
        prop_oneof![
            6 => Just(Input::Wake),
            6 => (agent(), wanted).prop_map(|(agent, wanted)| Input::AgentWants(agent, wanted)),
            3 => (agent(), prop::collection::vec((0u16..3, 1u16..5), 0..3), 0u8..9).prop_map(|(agent, campaigns, level)| {
                let campaigns = campaigns.into_iter().map(|(id, weight)| (CampaignId(id), weight)).collect();
                Input::AgentSeated(AgentSeat { agent, campaigns, skills: vec![(SkillId(0), level)], needs_audio: agent.0 % 2 == 0 })
            }),
            2 => (agent(), any::<bool>()).prop_map(|(agent, is_up)| Input::AgentAudio(agent, is_up)),
            2 => (attempt(), prop::sample::select(vec![CallSign::Painted, CallSign::Heard])).prop_map(|(call, sign)| Input::CallSign(call, sign)),
            1 => agent().prop_map(Input::AgentLost),
            1 => agent().prop_map(Input::AgentBack),
            2 => (agent(), attempt()).prop_map(|(agent, attempt)| Input::AgentHangUp(agent, attempt)),
            3 => (agent(), attempt(), prop::sample::select(Disposition::ALL), prop::option::of(0i64..1_000_000)).prop_map(
                |(agent, attempt, disposition, follow_up)| Input::AgentOutcome {
                    agent,
                    attempt,
                    request: 1,
                    disposition,
                    follow_up: follow_up.map(|at| UnixMs(START + at)),
                }
            ),
            3 => (agent(), attempt()).prop_map(|(agent, attempt)| Input::AgentAccepts { agent, attempt, request: 2 }),
            2 => (agent(), attempt(), 0u8..3).prop_map(|(agent, attempt, reason)| Input::AgentSkips { agent, attempt, request: 3, reason }),
            3 => (agent(), prop::option::of(0u16..4)).prop_map(|(agent, campaign)| Input::AgentNext {
                agent,
                request: 4,
                campaign: campaign.map(CampaignId),
            }),
            2 => (agent(), 0u64..220).prop_map(|(agent, lead)| Input::AgentDials { agent, request: 5, lead: LeadId(lead) }),
            2 => (agent(), prop::option::of((0u16..4, 0u64..220))).prop_map(|(agent, found)| Input::LeadFetched {
                agent,
                request: 5,
                lead: found.map(|(campaign, id)| (CampaignId(campaign), Box::new(lead(id)))),
            }),
            2 => (0u16..3, 0u64..200, 0u64..20).prop_map(|(campaign, from, many)| Input::Leads {
                campaign: CampaignId(campaign),
                leads: (from..from + many).map(lead).collect(),
                exhausted_until: None,
            }),
            1 => (0u64..45).prop_map(|id| Input::NumberBlocked(NumberId(id))),
            1 => (0u64..40).prop_map(|id| Input::PersonBlocked(PersonId(id), None)),
            8 => (attempt(), 1u8..3).prop_map(|(attempt, route_try)| Input::IntentDurable(attempt, route_try)),
            1 => (attempt(), 1u8..3).prop_map(|(attempt, route_try)| Input::IntentFailed(attempt, route_try)),
            1 => any::<bool>().prop_map(Input::StoreReady),
            1 => any::<bool>().prop_map(|cancel_ringing| Input::StopDialling { cancel_ringing }),
            2 => Just(Input::ResumeDialling),
            1 => (0u16..3, any::<bool>()).prop_map(|(id, runs)| {
                Input::CampaignState(CampaignId(id), if runs { CampaignState::Running } else { CampaignState::Paused })
            }),
            3 => (0u16..4, mode()).prop_map(|(id, mode)| Input::CampaignMode(CampaignId(id), mode)),
            2 => (0u16..3, any::<bool>()).prop_map(|(id, up)| Input::TrunkUp(TrunkId(id), up)),
            3 => prop::collection::vec(edit(), 1..5).prop_map(Input::Edits),
            14 => (attempt(), 1u8..3, event()).prop_map(|(attempt, route_try, event)| Input::Leg {
                attempt,
                route_try,
                at: Mono(0),
                event,
            }),
            4 => attempt().prop_map(Input::Bridged),
            2 => attempt().prop_map(Input::Announced),
            1 => attempt().prop_map(Input::MediaLost),
            3 => (1u64..40, 0u16..4, 0u64..220, any::<bool>(), any::<bool>()).prop_map(
                |(call, campaign, id, is_for_agents, may_call_back)| Input::CallIn(Box::new(CallIn {
                    call: CallInId(call),
                    trunk: TrunkId((call % 3) as u16),
                    at: Mono(0),
                    campaign: CampaignId(campaign),
                    facts: lead(id),
                    is_for_agents,
                    may_call_back,
                }))
            ),
        ]
    }

    fn mode() -> impl Strategy<Value = DialMode> {
        (0u8..8, 0u32..4_000).prop_map(|(kind, milli)| match kind {
            0 => DialMode::LinesPerAgent { milli },
            1 => DialMode::LinesPerFreeAgent { milli },
            2 => DialMode::Progressive,
            3 => DialMode::Predictive,
            4 | 5 => DialMode::Manual,
            _ => DialMode::Preview,
        })
    }

    /// Any change of the configuration, of what is there and of what may not be.
    fn edit() -> impl Strategy<Value = Edit> {
        let campaign = || (0u16..5).prop_map(CampaignId);
        let state = prop::sample::select(vec![
            CampaignState::Running,
            CampaignState::Paused,
            CampaignState::Closed,
        ]);
        let rules = (
            campaign(),
            0usize..3,
            0u64..40,
            1u32..60,
            any::<bool>(),
            any::<bool>(),
        );
        let told = tandem::sim::world::settings(3);
        let (floor, trunk, zone) = (
            told.floor.clone(),
            told.trunks[0].clone(),
            told.zones[0].clone(),
        );
        prop_oneof![
            4 => rules.prop_map(move |(id, from, wait, cps_max, open, needs)| {
                let mut settings = told.campaigns[from].clone();
                settings.cps_max = cps_max;
                settings.lines_max = cps_max;
                settings.ring_timeout = std::time::Duration::from_secs(wait);
                settings.answer_limit = std::time::Duration::from_millis(wait * 100);
                settings.wrap = std::time::Duration::from_secs(wait);
                settings.gate.window_until_min = if open { 1_440 } else { settings.gate.window_from_min + 1 };
                settings.needs = if needs { vec![SkillNeed { skill: SkillId(0), level: 3 }] } else { Vec::new() };
                Edit::Campaign(id, settings)
            }),
            2 => (campaign(), state).prop_map(|(id, state)| Edit::CampaignState(id, state)),
            1 => (campaign(), 1u32..4_000).prop_map(|(id, milli)| Edit::CampaignMode(id, DialMode::LinesPerFreeAgent { milli })),
            1 => (0u16..4, 1u32..50).prop_map(move |(id, channels_max)| {
                Edit::Trunk(TrunkId(id), TrunkSettings { channels_max, ..trunk.clone() })
            }),
            1 => (0u16..4).prop_map(|id| Edit::TrunkClosed(TrunkId(id))),
            1 => (0u16..3).prop_map(move |id| Edit::Zone(ZoneId(id), zone.clone())),
            1 => (1u64..300, 1u64..60).prop_map(move |(tick, wait)| Edit::Floor(FloorSettings {
                tick: std::time::Duration::from_millis(tick),
                bridge_wait: std::time::Duration::from_secs(wait),
                agent_grace: std::time::Duration::from_secs(wait),
                ..floor.clone()
            })),
            2 => (0u32..6, 0u16..5, 0u8..6).prop_map(|(agent, campaign, level)| Edit::Agent(AgentSeat {
                agent: AgentId(agent),
                campaigns: vec![(CampaignId(campaign), 1)],
                skills: (level > 0).then_some((SkillId(0), level)).into_iter().collect(), needs_audio: false,
            })),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
        #[test]
        fn in_any_order_breaks_no_truth(inputs in prop::collection::vec((0u64..400, input()), 50..300)) {
            let mut floor = Floor::new(tandem::sim::world::settings(3));
            let mut effects = Vec::new();
            let mut started: BTreeMap<AttemptId, u32> = BTreeMap::new();
            let (mut dialled, mut ms) = (0, 0);
            let calm = [
                (0, Input::TrunkUp(TrunkId(0), true)),
                (0, Input::Leads { campaign: CampaignId(0), leads: (0..30).map(lead).collect(), exhausted_until: None }),
            ];
            let end = [(0, Input::StopDialling { cancel_ringing: true })];
            // Then three hours in which nobody says anything: every deadline must do its work.
            let silence = (0..4_000).map(|_| (3_000, Input::Wake));
            for (wait, input) in calm.into_iter().chain(inputs).chain(end).chain(silence) {
                ms += wait;
                let now = Now { mono: Mono::from_millis(ms), unix: UnixMs(START + ms as i64) };
                floor.handle(now, input.clone(), &mut effects);
                for effect in effects.drain(..) {
                    match effect {
                        Effect::Dial(order) if order.route_try == 1 => {
                            dialled += 1;
                            prop_assert!(started.insert(order.attempt, 0).is_none());
                        }
                        Effect::CallIn(order) => {
                            dialled += 1;
                            prop_assert!(started.insert(order.attempt, 0).is_none());
                        }
                        Effect::Close(closed) => {
                            let ends = started.get_mut(&closed.attempt).expect("it began");
                            *ends += 1;
                            prop_assert_eq!(*ends, 1, "attempt {} ended twice", closed.attempt);
                        }
                        _ => {}
                    }
                }
                if let Err(what) = floor.check() {
                    return Err(TestCaseError::fail(format!("after {input:?}: {what}")));
                }
            }
            let closed = started.values().filter(|ends| **ends == 1).count();
            prop_assert_eq!(closed, dialled, "attempts left without a result");
            prop_assert_eq!(floor.unfinished().0, 0);
        }
    }
}
