//! People who answer and find nobody, people whose line dies, and people who call us.

use super::cases::{W, at, closes, dials, lead, settings};
use std::time::Duration;
use tandem::core::effect::*;
use tandem::core::floor::Floor;
use tandem::core::input::*;
use tandem::core::ledger::Exposure;
use tandem::core::results::SystemResult;
use tandem::core::settings::*;
use tandem::ids::*;
use tandem::time::*;

fn prompt(name: &str) -> PromptName {
    PromptName(name.to_owned())
}

/// A floor whose first campaign says why it hangs up, and what it records; both answer callers with a message.
fn floor() -> W {
    let mut settings = settings();
    settings.campaigns[0].mode = DialMode::LinesPerFreeAgent { milli: 3_000 };
    settings.campaigns[0].spoken = SpokenSettings {
        abandon_message: Some(prompt("sorry.wav")),
        recording_notice: Some(prompt("recorded.wav")),
    };
    settings.campaigns[0].inbound.message = Some(prompt("nobody.wav"));
    let mut w = W {
        f: Floor::new(settings),
        ms: 10,
        all: vec![],
    };
    w.put(Input::TrunkUp(TrunkId(0), true));
    w
}

/// Dials `calls` people and lets each answer; the first is the agent's, the others wait.
fn answered(w: &mut W, calls: u64) {
    w.agent(1, &[0]);
    w.leads(0, (1..=calls).map(|id| lead(id, id, id)).collect());
    w.to(200);
    assert_eq!(dials(&w.all).len() as u64, calls);
    for id in 1..=calls {
        w.put(Input::IntentDurable(AttemptId(id), 1));
        w.leg(id, LegEvent::Ringing);
    }
    for id in 1..=calls {
        w.leg(id, LegEvent::Answered);
    }
}

fn announces(effects: &[Effect]) -> Vec<(u64, &str)> {
    let all = effects.iter().filter_map(|effect| match effect {
        Effect::Announce { attempt, prompt } => Some((attempt.0, prompt.0.as_str())),
        _ => None,
    });
    all.collect()
}

fn caller(call: u64, id: u64) -> CallIn {
    CallIn {
        call: CallInId(call),
        trunk: TrunkId(0),
        at: Mono(0),
        campaign: CampaignId(0),
        facts: lead(id, id, id),
        is_for_agents: true,
        may_call_back: true,
    }
}

fn calls_us(w: &mut W, call: CallIn) -> Vec<Effect> {
    w.put(Input::CallIn(Box::new(call)))
}

fn became(effects: &[Effect]) -> Option<AttemptId> {
    effects.iter().find_map(|effect| match effect {
        Effect::CallIn(order) => Some(order.attempt),
        _ => None,
    })
}

#[test]
fn the_message_begins_within_the_answer_limit_and_the_call_stays_abandoned() {
    let mut w = floor();
    answered(&mut w, 2);
    let since = w.ms;
    assert!(
        w.all
            .iter()
            .any(|e| matches!(e, Effect::Bridge { attempt, .. } if attempt.0 == 1))
    );
    let before = w.to(since + 1_850);
    assert_eq!(announces(&before), [], "not before its time");
    let told = w.to(since + 2_000);
    assert_eq!(announces(&told), [(2, "sorry.wav")], "within two seconds");
    let exposed = told.iter().any(|effect| {
        matches!(effect, Effect::Exposed { attempt, exposure: Exposure::Abandoned, .. } if attempt.0 == 2)
    });
    assert!(exposed, "counted when it begins, not when it ends");
    // An agent who becomes free meanwhile is not joined any more.
    w.put(Input::Bridged(AttemptId(1)));
    w.put(Input::AgentHangUp(AgentId(1), AttemptId(1)));
    let free = w.put(Input::AgentOutcome {
        agent: AgentId(1),
        attempt: AttemptId(1),
        request: 1,
        disposition: tandem::core::dispositions::Disposition::Hangup,
        follow_up: None,
    });
    let free = [free, w.put(Input::AgentWants(AgentId(1), Wanted::Ready))].concat();
    assert!(!free.iter().any(|e| matches!(e, Effect::Bridge { .. })));
    let over = w.put(Input::Announced(AttemptId(2)));
    assert!(over.contains(&Effect::HangUp {
        attempt: AttemptId(2)
    }));
    let closed = closes(&w.leg(2, LegEvent::Ended));
    assert_eq!(closed[0].result, SystemResult::Abandoned);
    assert!(closed[0].announced_at.is_some());
}

#[test]
fn a_message_whose_end_nobody_reports_ends_by_itself_and_a_dead_line_ends_it_at_once() {
    for lost in [false, true] {
        let mut w = floor();
        answered(&mut w, 2);
        let told = w.to(w.ms + 2_000);
        assert_eq!(announces(&told).len(), 1);
        let ends = if lost {
            w.put(Input::MediaLost(AttemptId(2)))
        } else {
            w.to(w.ms + 63_000)
        };
        assert!(
            ends.contains(&Effect::HangUp {
                attempt: AttemptId(2)
            }),
            "lost: {lost}"
        );
    }
}

#[test]
fn the_recording_notice_plays_as_the_call_is_joined_and_not_before() {
    let mut w = floor();
    answered(&mut w, 1);
    let order: Vec<&str> = w
        .all
        .iter()
        .filter_map(|effect| match effect {
            Effect::Bridge { .. } => Some("bridge"),
            Effect::Announce { .. } => Some("notice"),
            Effect::Show { .. } => Some("card"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["bridge", "notice", "card"]);
    w.put(Input::Bridged(AttemptId(1)));
    let over = w.put(Input::Announced(AttemptId(1)));
    assert!(over.is_empty(), "they talk on: {over:?}");
}

#[test]
fn a_line_that_died_in_a_conversation_sends_the_agent_to_wrap_up_and_ends_the_call() {
    let mut w = floor();
    answered(&mut w, 1);
    w.put(Input::Bridged(AttemptId(1)));
    w.to(w.ms + 30_000);
    let lost = w.put(Input::MediaLost(AttemptId(1)));
    assert!(lost.iter().any(|effect| matches!(
        effect,
        Effect::CallEnded {
            by: EndedBy::System,
            talk_ms: 30_000..,
            ..
        }
    )));
    assert!(lost.iter().any(|effect| matches!(
        effect,
        Effect::Agent(news) if news.state == AgentState::Wrap
    )));
    assert!(lost.contains(&Effect::HangUp {
        attempt: AttemptId(1)
    }));
    let again = w.put(Input::MediaLost(AttemptId(1)));
    assert!(again.is_empty(), "said twice it is said once: {again:?}");
}

#[test]
fn whoever_calls_back_reaches_the_longest_idle_agent_with_the_card_and_asks_no_rule() {
    let mut w = floor();
    w.agent(1, &[0]);
    w.to(100);
    w.agent(2, &[0]);
    // On a do-not-call list, and called three times today: but it is they who call.
    let call = CallIn {
        facts: LeadFacts {
            blocked: true,
            attempts: 99,
            person_attempts: vec![at(0).unix; 3],
            ..lead(7, 7, 7)
        },
        ..caller(1, 7)
    };
    let effects = calls_us(&mut w, call);
    let id = became(&effects).expect("it is an attempt");
    let place = |wanted: &Effect| effects.iter().position(|effect| effect == wanted);
    let picked_up = place(&Effect::PickUp { attempt: id }).expect("picked up");
    let joined = place(&Effect::Bridge {
        attempt: id,
        agent: AgentId(1),
    });
    assert!(joined.is_some_and(|joined| picked_up < joined));
    assert!(effects.iter().any(|e| matches!(
        e,
        Effect::Show {
            agent: AgentId(1),
            ..
        }
    )));
    w.put(Input::Bridged(id));
    w.to(w.ms + 5_000);
    let ended = w.leg(id.0, LegEvent::Ended);
    let closed = closes(&ended);
    assert_eq!(closed[0].result, SystemResult::Connected);
    assert!(closed[0].is_call_in && !closed[0].counts);
    let counted = w.all.iter().any(|e| matches!(e, Effect::Exposed { .. }));
    assert!(!counted, "the abandon ledger is about calls that we make");
}

#[test]
fn a_caller_for_whom_nobody_is_free_hears_it_ring_then_the_message_and_is_called_back() {
    let mut w = floor();
    let rings = calls_us(&mut w, caller(1, 7));
    let id = became(&rings).expect("an attempt");
    assert!(!rings.iter().any(|e| matches!(e, Effect::PickUp { .. })));
    assert_eq!(w.to(w.ms + 19_900), []);
    let told = w.to(w.ms + 200);
    assert_eq!(
        told,
        [
            Effect::PickUp { attempt: id },
            Effect::Announce {
                attempt: id,
                prompt: prompt("nobody.wav")
            }
        ]
    );
    w.put(Input::Announced(id));
    let closed = closes(&w.leg(id.0, LegEvent::Ended));
    assert_eq!(closed[0].result, SystemResult::Missed);
    let LeadNext::Again {
        not_before,
        callback: true,
        ..
    } = closed[0].next
    else {
        panic!("no callback: {:?}", closed[0].next)
    };
    assert_eq!(not_before, at(w.ms).unix, "due now");
}

#[test]
fn an_agent_who_becomes_free_in_time_takes_the_caller_but_whom_we_called_goes_first() {
    let mut w = floor();
    answered(&mut w, 2);
    let waits = became(&calls_us(&mut w, caller(1, 7))).expect("an attempt");
    w.put(Input::Bridged(AttemptId(1)));
    // Two more agents: the answered person has 2 s, the caller 20 s.
    w.agent(2, &[0]);
    w.agent(3, &[0]);
    let joined: Vec<(u64, u32)> = w
        .all
        .iter()
        .filter_map(|effect| match effect {
            Effect::Bridge { attempt, agent } => Some((attempt.0, agent.0)),
            _ => None,
        })
        .collect();
    assert_eq!(joined, [(1, 1), (2, 2), (waits.0, 3)]);
}

#[test]
fn a_caller_whom_we_are_just_ringing_is_held_up_until_that_call_is_gone() {
    let mut w = floor();
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(200);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Ringing);
    let crossing = calls_us(&mut w, caller(1, 1));
    assert!(crossing.contains(&Effect::Cancel {
        attempt: AttemptId(1)
    }));
    assert_eq!(became(&crossing), None);
    let failure = LegFailure {
        status: 487,
        q850: None,
        retry_after_s: None,
    };
    let gone = w.leg(1, LegEvent::Failed(failure));
    let id = became(&gone).expect("now it is an attempt");
    assert!(gone.contains(&Effect::Bridge {
        attempt: id,
        agent: AgentId(1)
    }));
    // Who talks with us is busy.
    let second = calls_us(&mut w, caller(2, 1));
    assert!(second.contains(&Effect::TurnAway {
        call: CallInId(2),
        is_busy: true
    }));
}

#[test]
fn a_caller_who_is_on_a_screen_is_taken_off_it_and_one_not_yet_dialled_is_not_dialled() {
    let mut w = floor();
    w.put(Input::CampaignMode(CampaignId(0), DialMode::Preview));
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(200);
    assert!(w.all.iter().any(|e| matches!(e, Effect::Preview(_))));
    let calls = calls_us(&mut w, caller(1, 1));
    assert!(
        calls
            .iter()
            .any(|e| matches!(e, Effect::PreviewOver { .. }))
    );
    let id = became(&calls).expect("an attempt");
    assert!(calls.contains(&Effect::Bridge {
        attempt: id,
        agent: AgentId(1)
    }));

    let mut w = floor();
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(200);
    let calls = calls_us(&mut w, caller(1, 1));
    assert_eq!(closes(&calls)[0].result, SystemResult::NotSent);
    assert!(became(&calls).is_some());
}

#[test]
fn a_caller_nobody_may_have_and_a_campaign_without_a_message_are_turned_away() {
    let mut w = floor();
    w.agent(1, &[0, 1]);
    // Only the message, although an agent is free.
    let unknown = CallIn {
        is_for_agents: false,
        may_call_back: false,
        ..caller(1, 7)
    };
    let told = calls_us(&mut w, unknown);
    assert_eq!(announces(&told).len(), 1);
    let id = became(&told).expect("an attempt");
    let closed = closes(&w.leg(id.0, LegEvent::Ended));
    assert_eq!(closed[0].next, LeadNext::Done(DoneWhy::Rule));
    // No message: 480 when patience is over, and the callback all the same.
    let mut w = floor();
    let silent = CallIn {
        campaign: CampaignId(1),
        ..caller(1, 7)
    };
    let id = became(&calls_us(&mut w, silent)).expect("an attempt");
    let over = w.to(w.ms + 20_050);
    assert!(over.contains(&Effect::Cancel { attempt: id }));
    let closed = closes(&w.leg(id.0, LegEvent::Ended));
    assert_eq!(closed[0].result, SystemResult::Missed);
    assert!(matches!(
        closed[0].next,
        LeadNext::Again { callback: true, .. }
    ));
    let closed_campaign = CallIn {
        campaign: CampaignId(9),
        ..caller(3, 9)
    };
    let away = calls_us(&mut w, closed_campaign);
    assert!(away.contains(&Effect::TurnAway {
        call: CallInId(3),
        is_busy: false
    }));
}

#[test]
fn waiting_callers_are_no_line_of_a_guarantee_and_their_wait_is_patience_not_law() {
    let mut w = floor();
    w.f = {
        let mut settings = settings();
        settings.campaigns[0].abandon.strength = AbandonStrength::Guarantee;
        settings.campaigns[0].inbound.wait = Duration::from_secs(40);
        Floor::new(settings)
    };
    let id = became(&calls_us(&mut w, caller(1, 7))).expect("an attempt");
    let ledger = w.to(w.ms + 41_000);
    assert!(
        !ledger
            .iter()
            .any(|e| matches!(e, Effect::Ledger { .. } | Effect::Exposed { .. }))
    );
    assert!(ledger.contains(&Effect::Cancel { attempt: id }));
}
