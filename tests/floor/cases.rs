//! Single stories on the floor, each of them once gone wrong: what the wire, the agents and the store may do in which order.

use std::time::Duration;
use tandem::core::dispositions::Disposition;
use tandem::core::effect::*;
use tandem::core::floor::Floor;
use tandem::core::input::*;
use tandem::core::results::SystemResult;
use tandem::core::settings::*;
use tandem::ids::*;
use tandem::time::*;

pub(super) const START: i64 = 1_795_392_000_000 + 2 * 3_600_000;
pub(super) fn at(ms: u64) -> Now {
    Now {
        mono: Mono::from_millis(ms),
        unix: UnixMs(START + ms as i64),
    }
}
pub(super) fn campaign(name: &str) -> CampaignSettings {
    CampaignSettings {
        name: name.into(),
        state: CampaignState::Running,
        mode: DialMode::Progressive,
        weight: 1,
        lines_max: 100,
        cps_max: 100,
        ring_timeout: Duration::from_secs(25),
        answer_limit: Duration::from_secs(2),
        wrap: Duration::from_secs(25),
        wrap_overrun: WrapOverrun::Ready,
        preview: PreviewSettings::default(),
        cancel_ringing: None,
        shadow: None,
        spoken: SpokenSettings::default(),
        inbound: InboundSettings::default(),
        trunks: vec![],
        needs: vec![],
        gate: GateSettings {
            window_from_min: 480,
            window_until_min: 1200,
            weekdays: 0x7f,
            attempts_per_day: 3,
            gap_min: Duration::from_secs(7200),
        },
        attempts_max: 10,
        abandon: AbandonSettings::default(),
        recycle: vec![],
    }
}
pub(super) fn settings() -> Settings {
    Settings {
        floor: FloorSettings {
            hot_leads: 10,
            ..FloorSettings::default()
        },
        zones: vec![ZoneTable {
            name: "z".into(),
            offsets: vec![(UnixMs(0), 7 * 3600)],
        }],
        trunks: vec![TrunkSettings {
            name: "t".into(),
            channels_max: 100,
            cps_max: 100,
            priority: 1,
            failover_on_silence: false,
        }],
        campaigns: vec![campaign("a"), campaign("b")],
        first_attempt: 1,
    }
}
pub(super) fn lead(id: u64, person: u64, number: u64) -> LeadFacts {
    LeadFacts {
        lead: LeadId(id),
        person: PersonId(person),
        number: NumberId(number),
        zone: ZoneId(0),
        callback: false,
        segment: 0,
        priority: 0,
        not_before: UnixMs(START - 1000),
        attempts: 0,
        needs: vec![],
        sticky: None,
        reserved_for: None,
        person_attempts: vec![],
        blocked: false,
    }
}
/// A floor and the time it lives in.
pub(super) struct W {
    pub(super) f: Floor,
    pub(super) ms: u64,
    pub(super) all: Vec<Effect>,
}
impl W {
    pub(super) fn new() -> W {
        let mut w = W {
            f: Floor::new(settings()),
            ms: 10,
            all: vec![],
        };
        w.put(Input::TrunkUp(TrunkId(0), true));
        w
    }
    pub(super) fn agent(&mut self, id: u32, campaigns: &[u16]) {
        self.put(Input::AgentSeated(AgentSeat {
            agent: AgentId(id),
            campaigns: campaigns.iter().map(|c| (CampaignId(*c), 1)).collect(),
            skills: vec![],
            needs_audio: false,
        }));
        self.put(Input::AgentWants(AgentId(id), Wanted::Ready));
    }
    pub(super) fn put(&mut self, i: Input) -> Vec<Effect> {
        let mut e = vec![];
        self.f.handle(at(self.ms), i, &mut e);
        self.f.check().expect("the floor keeps its truths");
        self.all.extend(e.clone());
        e
    }
    pub(super) fn leads(&mut self, c: u16, leads: Vec<LeadFacts>) {
        self.put(Input::Leads {
            campaign: CampaignId(c),
            leads,
            exhausted_until: Some(UnixMs(i64::MAX)),
        });
    }
    /// runs to ms in 50 ms steps
    pub(super) fn to(&mut self, ms: u64) -> Vec<Effect> {
        let mut v = vec![];
        while self.ms < ms {
            self.ms = (self.ms + 50).min(ms);
            v.extend(self.put(Input::Wake));
        }
        v
    }
    pub(super) fn leg(&mut self, a: u64, event: LegEvent) -> Vec<Effect> {
        let at = Mono::from_millis(self.ms);
        self.put(Input::Leg {
            attempt: AttemptId(a),
            route_try: 1,
            at,
            event,
        })
    }
}
pub(super) fn closes(e: &[Effect]) -> Vec<AttemptClosed> {
    e.iter()
        .filter_map(|e| {
            if let Effect::Close(c) = e {
                Some((**c).clone())
            } else {
                None
            }
        })
        .collect()
}
pub(super) fn dials(e: &[Effect]) -> Vec<DialOrder> {
    e.iter()
        .filter_map(|e| {
            if let Effect::Dial(c) = e {
                Some(c.clone())
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn a_trunk_that_said_100_may_take_its_time_to_ring() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(200);
    assert_eq!(dials(&w.all).len(), 1);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Sent);
    w.to(250);
    w.leg(1, LegEvent::Trying);
    let e = w.to(6_000);
    assert!(
        !e.iter().any(|e| matches!(e, Effect::Abort { .. })),
        "aborted though 100 came"
    );
}
#[test]
fn a_phone_that_rang_counts_whatever_the_trunk_then_said() {
    let mut w = W::new();
    w.agent(1, &[0]);
    let mut rung = 0;
    let mut n = 0;
    for _ in 0..20u64 {
        w.leads(0, vec![lead(1, 1, 1)]);
        w.to(w.ms + 200);
        let d = dials(&w.all).len() as u64;
        if d == n {
            break;
        }
        n = d;
        w.put(Input::IntentDurable(AttemptId(n), 1));
        w.leg(n, LegEvent::Ringing);
        rung += 1;
        w.to(w.ms + 10_000);
        let e = w.leg(
            n,
            LegEvent::Failed(LegFailure {
                status: 500,
                q850: None,
                retry_after_s: None,
            }),
        );
        let c = &closes(&e)[0];
        assert!(c.counts, "{:?}", c.result);
        w.to(w.ms + 31_000);
    }
    assert!(
        rung <= 3,
        "the phone rang {rung} times in {} s",
        w.ms / 1000
    );
}
#[test]
fn one_attempt_is_one_attempt_in_the_ledger() {
    let mut w = W::new();
    w.agent(1, &[0]);
    // The person is on two lists; the other list's lead lies in the hot window all day (nobody serves it now).
    w.leads(1, vec![lead(2, 1, 2)]);
    let mut history: Vec<UnixMs> = vec![];
    let mut made = 0;
    for _ in 0..3 {
        w.leads(
            0,
            vec![LeadFacts {
                person_attempts: history.clone(),
                ..lead(1, 1, 1)
            }],
        );
        w.to(w.ms + 200);
        let d = dials(&w.all).len();
        if d == made {
            break;
        }
        made = d;
        w.to(w.ms + 7); // commit
        w.put(Input::IntentDurable(AttemptId(made as u64), 1));
        w.leg(made as u64, LegEvent::Ringing);
        w.to(w.ms + 5_000);
        let e = w.leg(
            made as u64,
            LegEvent::Failed(LegFailure {
                status: 486,
                q850: None,
                retry_after_s: None,
            }),
        );
        history.insert(0, closes(&e)[0].decided_at); // what SqliteLeads::history reads
        w.to(w.ms + 3 * 3_600_000);
    }
    assert_eq!(
        made,
        3,
        "three attempts a day are allowed, {made} were made; held {:?}",
        w.all
            .iter()
            .filter(|e| matches!(e, Effect::ReturnLead { .. }))
            .collect::<Vec<_>>()
    );
}
#[test]
fn a_blocked_person_does_not_block_another_ones_number() {
    let mut w = W::new();
    w.agent(1, &[0]);
    // Person 1 is blocked (complaint, 7 days); person 2 shares the number.
    w.leads(
        0,
        vec![
            LeadFacts {
                blocked: true,
                priority: 9,
                ..lead(1, 1, 77)
            },
            lead(2, 2, 77),
        ],
    );
    w.to(400);
    let r: Vec<_> = w
        .all
        .iter()
        .filter(|e| matches!(e, Effect::ReturnLead { .. }))
        .collect();
    assert_eq!(dials(&w.all).len(), 1, "{r:?}");
}
#[test]
fn a_block_that_ended_is_over() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.put(Input::PersonBlocked(
        PersonId(1),
        Some(UnixMs(START + 7 * 86_400_000)),
    ));
    w.ms += 8 * 24 * 3_600_000; // 8 days later the store says: not blocked any more
    let n = w.all.len();
    for _ in 0..5 {
        w.leads(0, vec![lead(1, 1, 1)]);
        w.to(w.ms + 100);
    }
    let r: Vec<_> = w.all[n..]
        .iter()
        .filter(|e| matches!(e, Effect::ReturnLead { .. }))
        .collect();
    assert!(!dials(&w.all).is_empty(), "{r:?}");
}
#[test]
fn leads_that_nobody_can_take_do_not_stop_the_campaign() {
    let mut w = W::new();
    w.agent(1, &[0]);
    let khmer = vec![SkillNeed {
        skill: SkillId(3),
        level: 1,
    }];
    w.leads(
        0,
        (1..=10)
            .map(|n| LeadFacts {
                priority: 9,
                needs: khmer.clone(),
                ..lead(n, n, n)
            })
            .collect(),
    );
    w.put(Input::LeadsChanged(CampaignId(0)));
    let e = w.to(120_000);
    let refills = e
        .iter()
        .filter(|e| {
            matches!(
                e,
                Effect::Refill {
                    campaign: CampaignId(0),
                    ..
                }
            )
        })
        .count();
    let decided: Vec<_> = e
        .iter()
        .filter(|e| matches!(e, Effect::Decided(_)))
        .collect();
    assert!(
        refills > 0,
        "an idle agent and no refill in 2 min: {decided:?}"
    );
}
#[test]
fn a_callback_stays_one_when_nothing_was_sent() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.leads(
        0,
        vec![LeadFacts {
            callback: true,
            sticky: Some(AgentId(1)),
            ..lead(1, 1, 1)
        }],
    );
    let e = w.to(1_000); // the intent is never durable
    let c = &closes(&e)[0];
    assert_eq!(c.result, SystemResult::NotSent);
    assert!(
        matches!(
            c.next,
            LeadNext::Again {
                callback: true,
                sticky: Some(_),
                ..
            }
        ),
        "{:?}",
        c.next
    );
}
#[test]
fn an_agent_who_is_back_gets_the_person_who_waits_for_him() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.leads(
        0,
        vec![LeadFacts {
            reserved_for: Some(AgentId(1)),
            ..lead(1, 1, 1)
        }],
    );
    w.to(200);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Ringing);
    w.put(Input::AgentLost(AgentId(1)));
    w.leg(1, LegEvent::Answered);
    w.to(w.ms + 300);
    let e = w.put(Input::AgentBack(AgentId(1)));
    assert!(
        e.iter().any(|e| matches!(e, Effect::Bridge { .. })),
        "{e:?} then {:?}",
        w.to(w.ms + 3000)
    );
}
#[test]
fn a_cancel_that_nobody_answers_leaves_the_end_unknown() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(200);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Sent);
    w.put(Input::StopDialling {
        cancel_ringing: true,
    });
    w.to(w.ms + 4000);
    w.leg(1, LegEvent::Silent);
    let e = w.to(w.ms + 45_000);
    let closed = closes(&e);
    assert_eq!(closed[0].result, SystemResult::Interrupted);
    assert!(closed[0].counts, "it may have rung");
}

#[test]
fn a_promise_keeps_the_persons_other_number_quiet_too() {
    let mut w = W::new();
    let mut brief = campaign("a");
    brief.gate.gap_min = Duration::from_secs(60);
    w.put(Input::Edits(vec![Edit::Campaign(CampaignId(0), brief)]));
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(200);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Answered);
    w.put(Input::Bridged(AttemptId(1)));
    w.to(w.ms + 60_000);
    w.put(Input::AgentOutcome {
        agent: AgentId(1),
        attempt: AttemptId(1),
        request: 1,
        disposition: Disposition::RpcPtp,
        follow_up: Some(UnixMs(START + 10 * 86_400_000)),
    });
    w.leg(1, LegEvent::Ended);
    w.put(Input::AgentWants(AgentId(1), Wanted::Ready));
    let first = w.ms;
    // The same person's second number on the same list, as the store lends it: due.
    w.leads(
        0,
        vec![LeadFacts {
            person_attempts: vec![UnixMs(START + 60)],
            ..lead(2, 1, 2)
        }],
    );
    w.to(w.ms + 60_000);
    // The gap is over, the promise is not due. (After ten minutes the store is the one that remembers.)
    w.ms = first + 300_000;
    w.leads(
        0,
        vec![LeadFacts {
            person_attempts: vec![UnixMs(START + 60)],
            ..lead(2, 1, 2)
        }],
    );
    w.to(w.ms + 1_000);
    assert_eq!(
        dials(&w.all).len(),
        1,
        "dialled on the other number {} s after the promise",
        (w.ms - first) / 1000
    );
}
#[test]
fn an_intent_is_not_released_into_retry_after() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.agent(2, &[0]);
    w.leads(0, vec![lead(1, 1, 1), lead(2, 2, 2)]);
    w.to(110);
    assert_eq!(dials(&w.all).len(), 2);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(
        1,
        LegEvent::Failed(LegFailure {
            status: 503,
            q850: None,
            retry_after_s: Some(60),
        }),
    );
    let e = w.put(Input::IntentDurable(AttemptId(2), 1));
    assert!(
        !e.iter().any(|e| matches!(e, Effect::Release { .. })),
        "{e:?}"
    );
}

#[test]
fn an_answer_that_is_heard_of_after_its_limit_is_an_abandon_at_once() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(200);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Ringing);
    // The only agent leaves; the answer comes, and the floor hears of it five seconds later.
    w.put(Input::AgentWants(AgentId(1), Wanted::Break(0)));
    let answered = Mono::from_millis(w.ms);
    w.ms += 5_000;
    w.put(Input::Leg {
        attempt: AttemptId(1),
        route_try: 1,
        at: answered,
        event: LegEvent::Answered,
    });
    w.leg(1, LegEvent::Ended);
    let closed = closes(&w.all);
    assert_eq!(closed[0].result, SystemResult::Abandoned, "{closed:?}");
}

/// One agent is free, one phone was picked up at 300 ms, and answer analysis listens.
fn picked_up() -> W {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(200);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Ringing);
    w.to(300);
    w.leg(1, LegEvent::PickedUp);
    w
}
fn is_shown(e: &[Effect]) -> bool {
    e.iter().any(|e| matches!(e, Effect::Show { .. }))
}

#[test]
fn a_machine_that_picks_up_takes_no_agent() {
    let mut w = picked_up();
    w.to(2_800);
    w.leg(1, LegEvent::Machine);
    w.leg(1, LegEvent::Ended);
    let closed = closes(&w.all);
    assert_eq!(closed[0].result, SystemResult::Machine, "{closed:?}");
    assert!(closed[0].counts, "a phone that was answered was called");
    assert_eq!(closed[0].answered_at, Some(at(300).unix));
    assert!(!is_shown(&w.all));
}

#[test]
fn a_person_found_by_answer_analysis_waits_from_then_on() {
    let mut w = picked_up();
    w.put(Input::AgentWants(AgentId(1), Wanted::Break(0)));
    w.to(1_500);
    w.leg(1, LegEvent::Answered);
    w.to(3_450);
    assert!(!w.all.iter().any(|e| matches!(e, Effect::HangUp { .. })));
    w.to(3_550);
    w.leg(1, LegEvent::Ended);
    assert_eq!(closes(&w.all)[0].result, SystemResult::Abandoned);
}

#[test]
fn answer_analysis_that_never_decides_keeps_nobody_waiting() {
    let mut w = picked_up();
    assert!(!is_shown(&w.to(5_250)));
    assert!(is_shown(&w.to(5_350)), "taken for a person after 5 s");
    // Whatever it finds now, the agent is there.
    w.leg(1, LegEvent::Machine);
    assert!(closes(&w.all).is_empty());
}

#[test]
fn whoever_picks_up_behind_our_cancel_is_listened_to() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(200);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Ringing);
    let e = w.to(25_300);
    assert!(e.iter().any(|e| matches!(e, Effect::Cancel { .. })));
    w.leg(1, LegEvent::PickedUp);
    assert!(is_shown(&w.leg(1, LegEvent::Answered)));
}

#[path = "audio.rs"]
mod audio;
#[path = "edits.rs"]
mod edits;
#[path = "hands.rs"]
mod hands;
