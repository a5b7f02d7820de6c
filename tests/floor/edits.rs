//! A new configuration in the middle of calls: what holds from when on, and what must not end by it.

use super::*;

/// A campaign's settings with something else in them.
fn edited(change: impl FnOnce(&mut CampaignSettings)) -> Edit {
    let mut settings = campaign("a");
    change(&mut settings);
    Edit::Campaign(CampaignId(0), settings)
}

fn released(effects: &[Effect]) -> usize {
    let released = |e: &&Effect| matches!(e, Effect::Release { .. });
    effects.iter().filter(released).count()
}

fn campaign_now(w: &W, number: usize) -> tandem::core::picture::CampaignPicture {
    w.f.picture(at(w.ms)).campaigns[number].clone()
}

/// It is 09:00; from now on only the evening is open.
fn evening(settings: &mut CampaignSettings) {
    settings.gate.window_from_min = 1_080;
}

#[test]
fn hours_that_close_cancel_nothing_and_release_no_further_invite() {
    let mut w = W::new();
    for id in 1..=3 {
        w.agent(id, &[0]);
    }
    w.leads(0, (1..=9).map(|id| lead(id, id, id)).collect());
    w.to(110);
    assert_eq!(dials(&w.all).len(), 3);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.put(Input::IntentDurable(AttemptId(2), 1));
    w.leg(1, LegEvent::Ringing);
    w.leg(2, LegEvent::Answered);
    w.put(Input::Bridged(AttemptId(2)));
    let before = w.all.len();
    w.put(Input::Edits(vec![edited(evening)]));
    // The third intent becomes durable after the hours are over.
    let e = w.put(Input::IntentDurable(AttemptId(3), 1));
    assert_eq!(released(&e), 0, "{e:?}");
    assert!(
        matches!(&e[0], Effect::Close(closed) if closed.result == SystemResult::NotSent),
        "{e:?}"
    );
    // What rings rings on and is answered; the conversation goes on.
    let e = w.leg(1, LegEvent::Answered);
    w.put(Input::Bridged(AttemptId(1)));
    assert!(
        e.iter().any(|e| matches!(e, Effect::Bridge { .. })),
        "{e:?}"
    );
    w.to(w.ms + 5_000);
    let ended = |e: &Effect| {
        matches!(
            e,
            Effect::Cancel { .. } | Effect::HangUp { .. } | Effect::Abort { .. }
        )
    };
    assert!(!w.all[before..].iter().any(ended));
    assert_eq!((dials(&w.all).len(), campaign_now(&w, 0).talking), (3, 2));
}

#[test]
fn leads_wait_in_memory_while_the_hours_are_over_and_go_on_when_they_are_extended() {
    let mut w = W::new();
    w.put(Input::Edits(vec![edited(evening)]));
    w.agent(1, &[0]);
    w.leads(0, (1..=5).map(|id| lead(id, id, id)).collect());
    w.to(10_000);
    assert!(dials(&w.all).is_empty());
    let gone = |e: &Effect| {
        matches!(
            e,
            Effect::ReturnLead { .. }
                | Effect::Refill {
                    campaign: CampaignId(0),
                    ..
                }
        )
    };
    assert!(
        !w.all.iter().any(gone),
        "nothing goes back until the evening, nothing more is asked for"
    );
    assert_eq!(campaign_now(&w, 0).hot_leads, 5);
    w.put(Input::Edits(vec![edited(|_| {})]));
    w.to(w.ms + 60);
    assert_eq!(dials(&w.all).len(), 1, "within a tick");
}

#[test]
fn a_zone_in_which_it_is_open_keeps_the_campaign_awake() {
    let mut w = W::new();
    // 09:00 in Ho Chi Minh City is 20:00 of the day before, six hours west of Greenwich, and 02:00 at Greenwich.
    let west = ZoneTable {
        name: "west".into(),
        offsets: vec![(UnixMs(0), -6 * 3600)],
    };
    w.put(Input::Edits(vec![
        edited(evening),
        Edit::Zone(ZoneId(1), west),
    ]));
    w.agent(1, &[0]);
    let mut there = lead(2, 2, 2);
    there.zone = ZoneId(1);
    w.leads(0, vec![lead(1, 1, 1), there]);
    w.to(200);
    // 20:00 is the first minute that is closed, too: until 21:00 then.
    assert!(dials(&w.all).is_empty());
    w.put(Input::Edits(vec![edited(|settings| {
        evening(settings);
        settings.gate.window_until_min = 1_260;
    })]));
    w.to(w.ms + 100);
    let dialled: Vec<LeadId> = dials(&w.all).iter().map(|order| order.lead).collect();
    assert_eq!(dialled, [LeadId(2)]);
}

#[test]
fn a_new_campaign_asks_for_its_leads_and_dials_with_agents_who_were_here_before_it() {
    let mut w = W::new();
    w.agent(1, &[0]);
    let seat = AgentSeat {
        agent: AgentId(1),
        campaigns: vec![(CampaignId(2), 1)],
        skills: vec![],
        needs_audio: false,
    };
    let e = w.put(Input::Edits(vec![
        Edit::Campaign(CampaignId(2), campaign("c")),
        Edit::Agent(seat),
    ]));
    assert!(e.is_empty(), "{e:?}");
    let e = w.to(w.ms + 100);
    assert!(
        e.iter().any(|e| matches!(
            e,
            Effect::Refill {
                campaign: CampaignId(2),
                ..
            }
        )),
        "{e:?}"
    );
    w.leads(2, vec![lead(1, 1, 1)]);
    w.to(w.ms + 100);
    assert_eq!(dials(&w.all)[0].campaign, CampaignId(2));
    assert_eq!(campaign_now(&w, 2).name, "c");
}

#[test]
fn an_agent_who_learns_something_takes_the_person_who_waits_for_it() {
    let mut w = W::new();
    let need = SkillNeed {
        skill: SkillId(0),
        level: 3,
    };
    w.put(Input::Edits(vec![edited(|settings| {
        settings.needs = vec![need]
    })]));
    let able = |agent| AgentSeat {
        agent: AgentId(agent),
        campaigns: vec![(CampaignId(0), 1)],
        skills: vec![(SkillId(0), 5)],
        needs_audio: false,
    };
    w.put(Input::AgentSeated(able(1)));
    w.put(Input::AgentWants(AgentId(1), Wanted::Ready));
    w.agent(2, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(110);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.put(Input::AgentWants(AgentId(1), Wanted::Break(1)));
    w.leg(1, LegEvent::Answered);
    let e = w.put(Input::Edits(vec![Edit::Agent(able(2))]));
    assert!(
        e.iter().any(|e| matches!(
            e,
            Effect::Bridge {
                agent: AgentId(2),
                ..
            }
        )),
        "{e:?}"
    );
}

#[test]
fn a_closed_campaign_stays_closed_whatever_is_pressed_and_its_conversation_goes_on() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.agent(2, &[0]);
    w.leads(0, (1..=5).map(|id| lead(id, id, id)).collect());
    w.to(110);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Answered);
    w.put(Input::Bridged(AttemptId(1)));
    w.put(Input::Edits(vec![Edit::CampaignState(
        CampaignId(0),
        CampaignState::Closed,
    )]));
    assert_eq!(released(&w.put(Input::IntentDurable(AttemptId(2), 1))), 0);
    w.put(Input::CampaignState(CampaignId(0), CampaignState::Running));
    w.to(w.ms + 2_000);
    let now = campaign_now(&w, 0);
    assert_eq!((now.state, now.talking), (CampaignState::Closed, 1));
    assert_eq!(dials(&w.all).len(), 2);
    w.put(Input::Edits(vec![
        edited(|_| {}),
        Edit::CampaignState(CampaignId(0), CampaignState::Running),
    ]));
    w.to(w.ms + 100);
    assert_eq!(dials(&w.all).len(), 3, "it is back");
}

#[test]
fn rules_leave_alone_what_a_supervisor_set() {
    let mut w = W::new();
    let by_hand = DialMode::LinesPerAgent { milli: 1_700 };
    w.put(Input::CampaignState(CampaignId(0), CampaignState::Paused));
    w.put(Input::CampaignMode(CampaignId(0), by_hand));
    w.put(Input::Edits(vec![edited(|settings| {
        settings.wrap = Duration::ZERO
    })]));
    let now = campaign_now(&w, 0);
    assert_eq!((now.state, now.mode), (CampaignState::Paused, by_hand));
    w.put(Input::Edits(vec![Edit::CampaignMode(
        CampaignId(0),
        DialMode::Progressive,
    )]));
    assert_eq!(campaign_now(&w, 0).mode, DialMode::Progressive);
}

#[test]
fn a_trunk_that_is_closed_gets_no_invite_for_an_intent_that_was_on_its_way() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(110);
    assert_eq!(dials(&w.all).len(), 1);
    w.put(Input::Edits(vec![Edit::TrunkClosed(TrunkId(0))]));
    assert_eq!(released(&w.put(Input::IntentDurable(AttemptId(1), 1))), 0);
    // Another one is up: it serves from the next decision on.
    let second = TrunkSettings {
        name: "u".into(),
        ..settings().trunks[0].clone()
    };
    w.put(Input::Edits(vec![Edit::Trunk(TrunkId(1), second)]));
    w.leads(0, vec![lead(2, 2, 2)]);
    w.to(w.ms + 200);
    assert_eq!(dials(&w.all).len(), 1, "not before it answers");
    w.put(Input::TrunkUp(TrunkId(1), true));
    w.to(w.ms + 100);
    assert_eq!(dials(&w.all)[1].trunk, TrunkId(1));
    assert!(w.f.picture(at(w.ms)).trunks[0].closed);
}

#[test]
fn a_slower_rate_binds_at_once_and_a_shorter_tick_comes_at_once() {
    let mut w = W::new();
    for id in 1..=40 {
        w.agent(id, &[0]);
    }
    w.put(Input::Edits(vec![
        edited(|settings| settings.cps_max = 2),
        Edit::Floor(FloorSettings {
            tick: Duration::from_secs(1),
            ..settings().floor
        }),
    ]));
    w.leads(0, (1..=60).map(|id| lead(id, id, id)).collect());
    w.to(3_010);
    let slow = dials(&w.all).len();
    assert!(
        (2..=4).contains(&slow),
        "{slow} in three seconds, one a tick"
    );
    w.put(Input::Edits(vec![
        edited(|settings| settings.cps_max = 1_000),
        Edit::Floor(settings().floor),
    ]));
    w.to(w.ms + 60);
    assert!(dials(&w.all).len() >= 20, "{}", dials(&w.all).len());
}
