//! READY needs a living audio leg, and a call must be seen and heard within five seconds.

use super::*;

/// An agent whose calls need his audio, logged in.
fn seated(w: &mut W) {
    w.put(Input::AgentSeated(AgentSeat {
        agent: AgentId(1),
        campaigns: vec![(CampaignId(0), 1)],
        skills: vec![],
        needs_audio: true,
    }));
}

fn state(w: &W) -> AgentState {
    let news = w.all.iter().rev().find_map(|effect| match effect {
        Effect::Agent(news) => Some(news.state),
        _ => None,
    });
    news.expect("the agent was told his state")
}

/// Up to the bridge of a call to him.
fn talking(w: &mut W) {
    seated(w);
    w.put(Input::AgentAudio(AgentId(1), true));
    w.put(Input::AgentWants(AgentId(1), Wanted::Ready));
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(200);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Answered);
    w.put(Input::Bridged(AttemptId(1)));
    assert_eq!(state(w), AgentState::Talking);
}

#[test]
fn nobody_is_ready_who_cannot_be_heard() {
    let mut w = W::new();
    seated(&mut w);
    for wanted in [Wanted::Ready, Wanted::Manual] {
        let refused = w.put(Input::AgentWants(AgentId(1), wanted));
        assert!(
            matches!(
                &refused[..],
                [Effect::Refuse {
                    why: Refusal::AudioNeeded,
                    ..
                }]
            ),
            "{refused:?}"
        );
    }
    w.put(Input::AgentAudio(AgentId(1), true));
    w.put(Input::AgentWants(AgentId(1), Wanted::Ready));
    assert_eq!(state(&w), AgentState::Ready);
    w.put(Input::AgentAudio(AgentId(1), false));
    assert_eq!(state(&w), AgentState::Break(BREAK_NO_AUDIO));
    // Nothing is dialled for him, and its return alone does not make him ready.
    w.put(Input::AgentAudio(AgentId(1), true));
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(1_000);
    assert!(dials(&w.all).is_empty());
}

#[test]
fn a_call_goes_on_without_audio_and_ends_in_a_break() {
    let mut w = W::new();
    talking(&mut w);
    w.put(Input::CallSign(AttemptId(1), CallSign::Painted));
    w.put(Input::CallSign(AttemptId(1), CallSign::Heard));
    w.put(Input::AgentAudio(AgentId(1), false));
    assert_eq!(state(&w), AgentState::Talking);
    w.leg(1, LegEvent::Ended);
    w.put(Input::AgentOutcome {
        agent: AgentId(1),
        attempt: AttemptId(1),
        request: 1,
        disposition: Disposition::RpcRefuse,
        follow_up: None,
    });
    w.to(40_000);
    assert_eq!(state(&w), AgentState::Break(BREAK_NO_AUDIO));
}

#[test]
fn a_call_that_is_not_seen_or_not_heard_is_told_and_costs_a_break() {
    for (signs, told) in [
        (&[][..], Some((false, false))),
        (&[CallSign::Painted][..], Some((true, false))),
        (&[CallSign::Heard][..], Some((false, true))),
        (&[CallSign::Heard, CallSign::Painted][..], None),
    ] {
        let mut w = W::new();
        talking(&mut w);
        for sign in signs {
            w.put(Input::CallSign(AttemptId(1), *sign));
        }
        let late = w.to(w.ms + 5_000);
        let unseen = late.iter().find_map(|effect| match effect {
            Effect::Unseen { painted, heard, .. } => Some((*painted, *heard)),
            _ => None,
        });
        assert_eq!(unseen, told);
        w.leg(1, LegEvent::Ended);
        w.to(w.ms + 60_000);
        let break_follows = matches!(state(&w), AgentState::Break(BREAK_NO_AUDIO));
        assert_eq!(break_follows, told.is_some(), "{:?}", state(&w));
    }
}

#[test]
fn a_scripted_agent_needs_no_audio() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.put(Input::AgentAudio(AgentId(1), false));
    assert_eq!(state(&w), AgentState::Ready);
}
