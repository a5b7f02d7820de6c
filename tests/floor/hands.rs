//! Agents who decide: previews, leads taken and dialled by hand, and modes that change meanwhile.

use super::*;

fn mode(w: &mut W, campaign: u16, mode: DialMode) {
    w.put(Input::CampaignMode(CampaignId(campaign), mode));
}

fn previews(e: &[Effect]) -> Vec<PreviewOffer> {
    e.iter()
        .filter_map(|e| match e {
            Effect::Preview(offer) => Some(offer.clone()),
            _ => None,
        })
        .collect()
}

fn overs(e: &[Effect]) -> Vec<(u64, PreviewEnd)> {
    e.iter()
        .filter_map(|e| match e {
            Effect::PreviewOver { attempt, why, .. } => Some((attempt.0, *why)),
            _ => None,
        })
        .collect()
}

fn refusals(e: &[Effect]) -> Vec<Refusal> {
    e.iter()
        .filter_map(|e| match e {
            Effect::Refuse { why, .. } => Some(*why),
            _ => None,
        })
        .collect()
}

fn states(e: &[Effect]) -> Vec<AgentState> {
    e.iter()
        .filter_map(|e| match e {
            Effect::Agent(news) => Some(news.state),
            _ => None,
        })
        .collect()
}

fn stages(e: &[Effect]) -> Vec<PersonalStage> {
    e.iter()
        .filter_map(|e| match e {
            Effect::Personal(news) => Some(news.stage),
            _ => None,
        })
        .collect()
}

fn accept(w: &mut W, agent: u32, preview: u64) -> Vec<Effect> {
    w.put(Input::AgentAccepts {
        agent: AgentId(agent),
        attempt: AttemptId(preview),
        request: 1,
    })
}

fn skip(w: &mut W, agent: u32, preview: u64) -> Vec<Effect> {
    w.put(Input::AgentSkips {
        agent: AgentId(agent),
        attempt: AttemptId(preview),
        request: 2,
        reason: 1,
    })
}

fn next(w: &mut W, agent: u32) -> Vec<Effect> {
    w.put(Input::AgentNext {
        agent: AgentId(agent),
        request: 3,
        campaign: None,
    })
}

fn dial(w: &mut W, agent: u32, lead: u64) -> Vec<Effect> {
    w.put(Input::AgentDials {
        agent: AgentId(agent),
        request: 4,
        lead: LeadId(lead),
    })
}

/// One agent of campaign 0 in preview mode, looking at lead 1.
fn looking() -> W {
    let mut w = W::new();
    mode(&mut w, 0, DialMode::Preview);
    w.agent(1, &[0]);
    w.leads(0, (1..=6).map(|id| lead(id, id, id)).collect());
    w.to(110);
    assert_eq!(previews(&w.all).len(), 1);
    assert!(dials(&w.all).is_empty(), "nobody is dialled unasked");
    w
}

#[test]
fn a_lead_is_shown_accepted_dialled_and_put_through_to_its_agent_alone() {
    let mut w = looking();
    let offer = previews(&w.all)[0].clone();
    assert_eq!((offer.agent, offer.lead), (AgentId(1), LeadId(1)));
    assert_eq!(offer.skips_left, Some(3));
    // Shown at the first tick.
    assert_eq!(offer.until, at(60).unix + Duration::from_secs(30));
    assert_eq!(states(&w.all).last(), Some(&AgentState::Reserved));
    // Another agent is free: he gets a lead of his own, never this call.
    w.agent(2, &[0]);
    w.to(300);
    let e = accept(&mut w, 1, offer.attempt.0);
    let order = &dials(&e)[0];
    assert_eq!((order.attempt, order.lead), (offer.attempt, LeadId(1)));
    let id = offer.attempt.0;
    w.put(Input::IntentDurable(offer.attempt, 1));
    w.leg(id, LegEvent::Ringing);
    let e = w.leg(id, LegEvent::Answered);
    assert!(e.iter().any(
        |e| matches!(e, Effect::Show { attempt, agent: AgentId(1), .. } if *attempt == offer.attempt)
    ));
    let heard = stages(&w.all);
    assert_eq!(heard, [PersonalStage::Dialling, PersonalStage::Ringing]);
}

#[test]
fn an_agent_never_has_two_previews_and_no_lead_is_on_two_screens() {
    let mut w = looking();
    w.agent(2, &[0]);
    w.to(5_000);
    let offers = previews(&w.all);
    assert_eq!(offers.len(), 2, "one for each: {offers:?}");
    let picture = w.f.picture(at(w.ms));
    assert_eq!(picture.campaigns[0].previews, 2);
    assert_eq!(picture.agents[3], 2, "both are reserved");
    assert_ne!(offers[0].lead, offers[1].lead);
}

#[test]
fn whoever_has_skipped_too_often_dials_or_takes_a_break() {
    let mut w = looking();
    for _ in 0..3 {
        let shown = previews(&w.all).last().unwrap().attempt.0;
        let e = skip(&mut w, 1, shown);
        assert_eq!(overs(&e), [(shown, PreviewEnd::Skipped(1))]);
        // For an hour it is with the store, not with us.
        assert!(e.iter().any(|e| matches!(
            e,
            Effect::ReturnLead { gate: None, next: LeadNext::Again { not_before, .. }, .. }
                if *not_before == at(w.ms).unix + Duration::from_secs(3_600)
        )));
        w.to(w.ms + 100);
    }
    let shown = previews(&w.all).last().unwrap().clone();
    assert_eq!(shown.skips_left, Some(0));
    let e = skip(&mut w, 1, shown.attempt.0);
    assert_eq!(refusals(&e), [Refusal::SkipsUsedUp]);
    // Nor by asking for the next one.
    let e = w.put(Input::AgentWants(AgentId(1), Wanted::Ready));
    assert_eq!(
        (overs(&e), states(&e)),
        (vec![], vec![AgentState::Reserved])
    );
    let e = w.put(Input::AgentWants(AgentId(1), Wanted::Break(2)));
    assert_eq!(overs(&e), [(shown.attempt.0, PreviewEnd::GivenBack)]);
    assert_eq!(states(&e), [AgentState::Break(2)]);
    w.put(Input::AgentWants(AgentId(1), Wanted::Ready));
    w.to(w.ms + 100);
    let again = previews(&w.all).last().unwrap().clone();
    assert_eq!(again.lead, shown.lead, "it was laid down, not skipped");
    assert_eq!(again.skips_left, Some(3));
}

#[test]
fn who_says_nothing_skips_until_skips_are_used_up_and_is_then_on_break() {
    let mut w = looking();
    let e = w.to(3 * 30_000 + 1_000);
    assert_eq!(overs(&e).len(), 3);
    assert!(
        overs(&e)
            .iter()
            .all(|(_, why)| *why == PreviewEnd::TimedOut)
    );
    let e = w.to(4 * 30_000 + 2_000);
    assert_eq!(overs(&e).len(), 1);
    assert_eq!(states(&e).last(), Some(&AgentState::Break(0)));
    assert!(
        previews(&w.to(300_000)).is_empty(),
        "nobody is at this desk"
    );
}

#[test]
fn the_rule_for_silence_is_the_campaigns() {
    for (rule, dialled, state) in [
        (PreviewTimeout::Dial, 1, AgentState::Reserved),
        (PreviewTimeout::Break, 0, AgentState::Break(0)),
    ] {
        let mut w = looking();
        let mut edited = campaign("a");
        edited.preview.on_timeout = rule;
        w.put(Input::Edits(vec![Edit::Campaign(CampaignId(0), edited)]));
        let e = w.to(30_150);
        assert_eq!(dials(&e).len(), dialled, "{rule:?}");
        assert_eq!(states(&w.all).last(), Some(&state), "{rule:?}");
    }
}

#[test]
fn a_payment_or_an_opt_out_takes_the_lead_off_the_screen() {
    let mut w = looking();
    let shown = previews(&w.all)[0].attempt.0;
    let e = w.put(Input::PersonBlocked(PersonId(1), None));
    assert_eq!(overs(&e), [(shown, PreviewEnd::Withdrawn)]);
    let e = accept(&mut w, 1, shown);
    assert_eq!(refusals(&e), [Refusal::NotYourCall]);
    w.to(w.ms + 200);
    let shown = previews(&w.all).last().unwrap().clone();
    assert_eq!(shown.lead, LeadId(2));
    let e = w.put(Input::NumberBlocked(NumberId(2)));
    assert_eq!(overs(&e), [(shown.attempt.0, PreviewEnd::Withdrawn)]);
    w.to(w.ms + 200);
    assert!(dials(&w.all).is_empty());
}

#[test]
fn the_gate_is_asked_again_when_the_agent_says_dial() {
    let mut w = looking();
    let shown = previews(&w.all)[0].attempt.0;
    // The hours end while he reads.
    let mut closed = campaign("a");
    (closed.gate.window_from_min, closed.gate.window_until_min) = (0, 60);
    w.put(Input::Edits(vec![Edit::Campaign(CampaignId(0), closed)]));
    let e = accept(&mut w, 1, shown);
    assert!(matches!(
        refusals(&e)[..],
        [Refusal::Held {
            gate: tandem::core::rules::Gate::Window,
            next: Some(_)
        }]
    ));
    assert_eq!(overs(&e), [(shown, PreviewEnd::Withdrawn)]);
    assert!(dials(&e).is_empty());
    assert_eq!(states(&e).last(), Some(&AgentState::Ready));
}

#[test]
fn without_a_line_the_lead_stays_on_the_screen() {
    let mut w = looking();
    let shown = previews(&w.all)[0].attempt.0;
    w.put(Input::TrunkUp(TrunkId(0), false));
    let e = accept(&mut w, 1, shown);
    assert_eq!(refusals(&e), [Refusal::NoLine(Bound::Trunks)]);
    assert!(overs(&e).is_empty());
    w.put(Input::TrunkUp(TrunkId(0), true));
    assert_eq!(dials(&accept(&mut w, 1, shown)).len(), 1);
}

#[test]
fn a_lost_socket_gives_the_lead_back_after_the_grace_and_keeps_it_until_then() {
    let mut w = looking();
    let mut edited = campaign("a");
    edited.preview.timeout = Duration::from_secs(120);
    w.put(Input::Edits(vec![Edit::Campaign(CampaignId(0), edited)]));
    // This one was shown for two minutes.
    let first = previews(&w.all)[0].attempt.0;
    skip(&mut w, 1, first);
    w.to(300);
    let shown = previews(&w.all).last().unwrap().clone();
    w.put(Input::AgentLost(AgentId(1)));
    assert!(overs(&w.to(20_000)).is_empty());
    w.put(Input::AgentBack(AgentId(1)));
    assert!(overs(&w.to(60_000)).is_empty(), "he came back in time");
    w.put(Input::AgentLost(AgentId(1)));
    let e = w.to(95_000);
    assert_eq!(overs(&e), [(shown.attempt.0, PreviewEnd::GivenBack)]);
    w.agent(2, &[0]);
    w.to(95_300);
    assert_eq!(previews(&w.all).last().unwrap().lead, shown.lead);
}

#[test]
fn a_pause_or_a_stop_clears_the_screens_and_an_accept_that_crosses_dials_nobody() {
    for input in [
        Input::CampaignState(CampaignId(0), CampaignState::Paused),
        Input::StopDialling {
            cancel_ringing: false,
        },
    ] {
        let mut w = looking();
        let shown = previews(&w.all)[0].attempt.0;
        let e = w.put(input);
        assert_eq!(overs(&e), [(shown, PreviewEnd::Withdrawn)]);
        let e = accept(&mut w, 1, shown);
        assert_eq!((dials(&e).len(), refusals(&e).len()), (0, 1));
        assert!(previews(&w.to(5_000)).is_empty());
    }
}

#[test]
fn a_preview_takes_no_agent_whom_a_line_in_the_air_counts_on() {
    let mut w = W::new();
    mode(&mut w, 1, DialMode::Preview);
    // Agent 1 serves both and has waited longest; agent 2 serves the preview campaign only.
    w.agent(1, &[0, 1]);
    w.to(60);
    w.agent(2, &[1]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(150);
    assert_eq!(dials(&w.all).len(), 1, "a line for agent 1");
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Ringing);
    w.leads(1, (10..=14).map(|id| lead(id, id, id)).collect());
    w.to(400);
    let offers = previews(&w.all);
    assert_eq!(offers.len(), 1, "{offers:?}");
    assert_eq!(offers[0].agent, AgentId(2));
}

#[test]
fn modes_change_and_what_is_ringing_or_on_a_screen_goes_on() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.agent(2, &[0]);
    w.leads(0, (1..=9).map(|id| lead(id, id, id)).collect());
    w.to(110);
    let lines = dials(&w.all);
    assert_eq!(lines.len(), 2);
    for order in &lines {
        w.put(Input::IntentDurable(order.attempt, 1));
        w.leg(order.attempt.0, LegEvent::Ringing);
    }
    mode(&mut w, 0, DialMode::Preview);
    let e = w.to(2_000);
    assert!(
        previews(&e).is_empty(),
        "both agents have a line in the air"
    );
    assert!(!e.iter().any(|e| matches!(e, Effect::Cancel { .. })));
    let e = w.leg(lines[0].attempt.0, LegEvent::Answered);
    assert!(e.iter().any(|e| matches!(e, Effect::Bridge { .. })));
    w.leg(
        lines[1].attempt.0,
        LegEvent::Failed(LegFailure {
            status: 486,
            q850: None,
            retry_after_s: None,
        }),
    );
    let e = w.to(3_000);
    let shown = previews(&e)[0].clone();
    // Back to pacing, to by hand: the lead on the screen is still his to dial.
    for to in [DialMode::Predictive, DialMode::Manual] {
        mode(&mut w, 0, to);
        let e = w.to(w.ms + 500);
        assert!(overs(&e).is_empty() && dials(&e).is_empty(), "{to:?}");
    }
    let e = accept(&mut w, shown.agent.0, shown.attempt.0);
    assert_eq!(dials(&e).len(), 1);
}

#[test]
fn manual_mode_dials_nobody_unasked_and_an_agent_gets_a_lead_when_he_asks() {
    let mut w = W::new();
    mode(&mut w, 0, DialMode::Manual);
    w.agent(1, &[0, 1]);
    w.leads(0, (1..=3).map(|id| lead(id, id, id)).collect());
    let e = w.to(5_000);
    assert!(previews(&e).is_empty() && dials(&e).is_empty());
    let e = next(&mut w, 1);
    let offer = previews(&e)[0].clone();
    assert_eq!((offer.on_timeout, offer.skips_left), (None, None));
    // He may lay it down as often as he likes.
    skip(&mut w, 1, offer.attempt.0);
    assert_eq!(states(&w.all).last(), Some(&AgentState::Ready));
    let second = previews(&next(&mut w, 1))[0].clone();
    assert_ne!(second.lead, offer.lead);
    accept(&mut w, 1, second.attempt.0);
    assert_eq!(dials(&w.all).len(), 1);
    assert_eq!(refusals(&next(&mut w, 1)), [Refusal::WrongState]);
}

#[test]
fn a_ready_agent_takes_nothing_by_hand_out_of_a_campaign_that_is_paced() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.to(100);
    w.put(Input::TrunkUp(TrunkId(0), false));
    w.leads(0, vec![lead(1, 1, 1)]);
    assert_eq!(refusals(&next(&mut w, 1)), [Refusal::NoLead]);
    assert_eq!(refusals(&dial(&mut w, 1, 1)), [Refusal::WrongState]);
}

#[test]
fn an_agent_in_manual_state_dials_by_name_hears_how_it_goes_and_stays_manual() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.put(Input::AgentWants(AgentId(1), Wanted::Manual));
    w.leads(0, vec![lead(1, 1, 1), lead(2, 2, 2)]);
    let e = w.to(1_000);
    assert!(dials(&e).is_empty(), "pacing ignores him");
    let e = dial(&mut w, 1, 2);
    assert_eq!(dials(&e)[0].lead, LeadId(2));
    let news = e.iter().find_map(|e| match e {
        Effect::Agent(news) => Some(news.clone()),
        _ => None,
    });
    assert_eq!(news.unwrap().after_call, AfterCall::Manual);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Ringing);
    let e = w.leg(
        1,
        LegEvent::Failed(LegFailure {
            status: 486,
            q850: None,
            retry_after_s: None,
        }),
    );
    assert_eq!(stages(&e), [PersonalStage::Over(SystemResult::Busy)]);
    assert_eq!(states(&e), [AgentState::Manual]);
    // The same person again: two hours have not passed.
    w.put(Input::Leads {
        campaign: CampaignId(0),
        leads: vec![LeadFacts {
            person: PersonId(2),
            ..lead(3, 2, 3)
        }],
        exhausted_until: None,
    });
    let e = dial(&mut w, 1, 3);
    assert!(matches!(
        refusals(&e)[..],
        [Refusal::Held {
            gate: tandem::core::rules::Gate::Gap,
            next: Some(_)
        }]
    ));
}

#[test]
fn a_lead_that_is_not_here_is_fetched_and_dialled_and_goes_back_if_it_must_not_be() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.put(Input::AgentWants(AgentId(1), Wanted::Manual));
    let e = dial(&mut w, 1, 77);
    assert!(e.iter().any(|e| matches!(
        e,
        Effect::FetchLead {
            agent: AgentId(1),
            request: 4,
            lead: LeadId(77)
        }
    )));
    let fetched = |lead: Option<(u16, LeadFacts)>| Input::LeadFetched {
        agent: AgentId(1),
        request: 4,
        lead: lead.map(|(campaign, facts)| (CampaignId(campaign), Box::new(facts))),
    };
    // Due tomorrow only: the agent's own wish goes before the list's time.
    let tomorrow = LeadFacts {
        not_before: UnixMs(START + 86_400_000),
        ..lead(77, 7, 7)
    };
    let e = w.put(fetched(Some((0, tomorrow.clone()))));
    assert_eq!(dials(&e)[0].lead, LeadId(77));
    w.put(Input::IntentFailed(AttemptId(1), 1));
    assert_eq!(refusals(&w.put(fetched(None))), [], "nobody asked any more");
    dial(&mut w, 1, 78);
    assert_eq!(refusals(&w.put(fetched(None))), [Refusal::NoSuchLead]);
    // A rule that ends before the lead's own time does not make it due earlier.
    dial(&mut w, 1, 80);
    let e = w.put(fetched(Some((
        0,
        LeadFacts {
            lead: LeadId(80),
            person_attempts: vec![UnixMs(START - 1_000)],
            ..lead(80, 8, 8)
        },
    ))));
    assert!(matches!(refusals(&e)[..], [Refusal::Held { .. }]), "{e:?}");
    dial(&mut w, 1, 81);
    let e = w.put(fetched(Some((
        0,
        LeadFacts {
            lead: LeadId(81),
            person: PersonId(8),
            ..tomorrow.clone()
        },
    ))));
    assert!(matches!(refusals(&e)[..], [Refusal::Held { .. }]), "{e:?}");
    assert!(e.iter().any(|e| matches!(
        e,
        Effect::ReturnLead { lead: LeadId(81), next: LeadNext::Again { not_before, .. }, .. }
            if *not_before == UnixMs(START + 86_400_000)
    )));
    // Another list's lead, which this agent does not serve: refused, and back to the store with its own time.
    dial(&mut w, 1, 79);
    let e = w.put(fetched(Some((
        1,
        LeadFacts {
            lead: LeadId(79),
            ..tomorrow
        },
    ))));
    assert_eq!(refusals(&e), [Refusal::NotYourLead]);
    assert!(e.iter().any(|e| matches!(
        e,
        Effect::ReturnLead { lead: LeadId(79), next: LeadNext::Again { not_before, .. }, .. }
            if *not_before == UnixMs(START + 86_400_000)
    )));
}

#[test]
fn after_the_outcome_the_same_person_is_dialled_again_where_the_rules_allow() {
    let mut w = W::new();
    let mut no_gap = campaign("a");
    no_gap.gate.gap_min = Duration::ZERO;
    w.put(Input::Edits(vec![Edit::Campaign(CampaignId(0), no_gap)]));
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1)]);
    w.to(110);
    w.put(Input::IntentDurable(AttemptId(1), 1));
    w.leg(1, LegEvent::Ringing);
    w.leg(1, LegEvent::Answered);
    w.put(Input::Bridged(AttemptId(1)));
    w.leg(1, LegEvent::Ended);
    assert_eq!(refusals(&dial(&mut w, 1, 1)), [Refusal::OutcomeFirst]);
    w.put(Input::AgentOutcome {
        agent: AgentId(1),
        attempt: AttemptId(1),
        request: 9,
        disposition: Disposition::Hangup,
        follow_up: None,
    });
    let e = dial(&mut w, 1, 1);
    assert!(e.iter().any(|e| matches!(e, Effect::FetchLead { .. })));
    let e = w.put(Input::LeadFetched {
        agent: AgentId(1),
        request: 4,
        lead: Some((
            CampaignId(0),
            Box::new(LeadFacts {
                attempts: 1,
                not_before: UnixMs(START + 7_200_000),
                ..lead(1, 1, 1)
            }),
        )),
    });
    assert_eq!(dials(&e).len(), 1);
    assert_eq!(states(&e), [AgentState::Reserved]);
}

#[test]
fn a_lead_taken_by_hand_and_forgotten_goes_back() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.put(Input::AgentWants(AgentId(1), Wanted::Manual));
    w.leads(0, vec![lead(1, 1, 1)]);
    let offer = previews(&next(&mut w, 1))[0].clone();
    assert!(overs(&w.to(290_000)).is_empty());
    let e = w.to(301_000);
    assert_eq!(overs(&e), [(offer.attempt.0, PreviewEnd::GivenBack)]);
    assert_eq!(states(&e), [AgentState::Manual]);
    assert_eq!(previews(&next(&mut w, 1))[0].lead, LeadId(1));
}

#[test]
fn a_floor_on_which_all_dial_by_hand_still_asks_for_leads() {
    let mut w = W::new();
    w.agent(1, &[0]);
    w.put(Input::AgentWants(AgentId(1), Wanted::Manual));
    let e = w.to(500);
    assert!(e.iter().any(|e| matches!(
        e,
        Effect::Refill {
            campaign: CampaignId(0),
            ..
        }
    )));
    w.leads(0, (1..=10).map(|id| lead(id, id, id)).collect());
    let refills = w
        .to(60_000)
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
    assert_eq!(refills, 0, "there are enough, and he can use them");
}

#[test]
fn why_nothing_is_dialled_is_told_once_for_a_stop_a_store_and_closed_hours() {
    let sentence = |e: &[Effect]| -> Vec<String> {
        e.iter()
            .filter_map(|e| match e {
                Effect::Decided(d) if d.campaign == CampaignId(0) => Some(d.to_string()),
                _ => None,
            })
            .collect()
    };
    let mut w = W::new();
    w.agent(1, &[0]);
    w.leads(0, vec![lead(1, 1, 1), lead(2, 2, 2)]);
    let e = w.to(1_000);
    assert_eq!(
        sentence(&e),
        [
            "1 line started: 1 agent free, 0 lines in the air before",
            "1 line started: 1 agent free, 0 lines in the air before; no more: no lead is due that the rules let pass"
        ],
        "the first intent was not durable in time"
    );
    w.put(Input::StoreReady(false));
    let e = w.to(2_000);
    assert_eq!(
        sentence(&e),
        ["0 lines started: the store does not keep up"]
    );
    w.put(Input::StoreReady(true));
    w.to(3_000);
    let e = w.put(Input::StopDialling {
        cancel_ringing: false,
    });
    assert_eq!(sentence(&e), ["0 lines started: dialling is stopped"]);
    w.put(Input::ResumeDialling);
    let mut closed = campaign("a");
    (closed.gate.window_from_min, closed.gate.window_until_min) = (0, 60);
    w.put(Input::Edits(vec![Edit::Campaign(CampaignId(0), closed)]));
    let e = w.to(4_000);
    assert_eq!(
        sentence(&e),
        ["0 lines started: its calling hours are over"]
    );
}
