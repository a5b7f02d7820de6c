//! What a scrape promises: names by the rule, closed labels, a bounded number of series, and what the floor's thread times.

use super::calls::CallTimes;
use super::reference::{Entry, catalogue};
use super::*;
use crate::core::effect::{
    AfterCall, AgentNews, AgentState, AttemptClosed, Effect, LeadNext, PacingDecision,
};
use crate::core::input::{Input, LegEvent};
use crate::core::picture::{CampaignPicture, TrunkPicture};
use crate::core::results::SystemResult;
use crate::core::rules::Gate;
use crate::core::settings::{CampaignState, DialMode};
use crate::ids::{AgentId, AttemptId, LeadId, NumberId, PersonId, TrunkId};
use crate::time::Mono;
use crate::wire::sip::counters::ANSWER_CODES;
use std::collections::BTreeSet;
use std::sync::Arc;

fn campaign(name: &str) -> CampaignPicture {
    CampaignPicture {
        name: name.to_owned(),
        state: CampaignState::Running,
        mode: DialMode::Progressive,
        shadow: None,
        shadow_line_seconds: (0, 0),
        agents_serving: 3,
        previews: 0,
        in_air: 5,
        ringing: 4,
        waiting: 1,
        talking: 2,
        launched: 100,
        results: std::array::from_fn(|index| index as u64 + 1),
        outcomes: 7,
        hot_leads: 50,
        ledger: Default::default(),
        held: [1, 2, 3, 4, 5, 6],
    }
}

fn picture(campaigns: usize) -> Picture {
    Picture {
        agents: [1, 2, 3, 4, 5, 6, 7],
        campaigns: (0..campaigns).map(|n| campaign(&format!("c{n}"))).collect(),
        trunks: vec![TrunkPicture {
            name: "carrier-a".into(),
            up: true,
            closed: false,
            breaker_open: false,
            in_use: 9,
            channels_max: 30,
        }],
        store_ready: true,
        attempts_alive: 11,
        ..Picture::default()
    }
}

#[test]
fn names_follow_the_rule() {
    let (mut seen, mut helps) = (BTreeSet::new(), BTreeSet::new());
    for Entry {
        name,
        kind,
        labels,
        help,
    } in catalogue()
    {
        assert!(seen.insert(name), "{name} twice");
        assert!(helps.insert(help), "{name} says what another one says");
        assert!(
            help.ends_with('.') && !help.contains('\n'),
            "{name}: {help}"
        );
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        let parts: Vec<&str> = name.split('_').collect();
        // `process_*` is what every client library calls it.
        let is_ours = parts[0] == "tandem" && parts.len() >= 3;
        assert!(is_ours || parts[0] == "process", "{name}");
        let words = name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
        assert!(words, "{name}");
        // Base units only (prometheus.io, "Metric and label naming").
        for unit in ["ms", "us", "milliseconds", "percent", "minutes", "kib"] {
            assert!(!parts.contains(&unit), "{name}");
        }
        let keys: BTreeSet<&str> = labels.iter().map(|label| label.key()).collect();
        assert_eq!(keys.len(), labels.len(), "{name} has a label twice");
    }
    for name in TimingName::ALL {
        assert!(name.name().ends_with("_seconds"), "{name:?}");
        assert!(name.bounds_us().windows(2).all(|w| w[0] < w[1]), "{name:?}");
    }
    for label in Label::ALL {
        let is_used = catalogue().iter().any(|entry| entry.labels.contains(label));
        assert!(is_used, "{label:?} divides nothing");
    }
}

#[test]
fn labels_have_as_many_values_as_they_say() {
    for (label, values) in [
        (Label::Result, SystemResult::ALL.len()),
        (Label::Gate, Gate::ALL.len()),
        (Label::State, Picture::AGENT_STATES.len()),
        (Label::SipCode, ANSWER_CODES.len()),
        (Label::ApiCode, API_CODES.len() + 1),
        (Label::Input, INPUT_KINDS.len()),
    ] {
        assert_eq!(label.most(), values, "{label:?}");
    }
    for code in ANSWER_CODES {
        let is_told = code.ends_with("xx") || Label::SipCode.meaning().contains(code);
        assert!(is_told, "{code}");
    }
    let values = SystemResult::ALL
        .map(|result| (Label::Result, result.code()))
        .into_iter()
        .chain(Gate::ALL.map(|gate| (Label::Gate, gate.code())))
        .chain(Picture::AGENT_STATES.map(|state| (Label::State, state)));
    for (label, value) in values {
        assert!(label.meaning().contains(&format!("`{value}`")), "{value}");
    }
}

#[test]
fn the_picture_is_shown_as_it_is() {
    let metrics = Metrics::new();
    metrics.bounded(CampaignId(0), Bound::Cps);
    metrics.breaker_opened(0);
    let mut answers = TrunkCounters {
        invites: 40,
        challenges_refused: 2,
        ..TrunkCounters::default()
    };
    answers.answers[9] = 3;
    metrics.observe_trunks(vec![answers]);
    metrics.observe(
        &picture(1),
        Backlogs {
            urgent: 12,
            bulk: 13,
            store: 14,
        },
    );
    let text = metrics.render();
    for line in [
        "tandem_floor_agents{state=\"offline\"} 1",
        "tandem_floor_agents{state=\"manual\"} 7",
        "tandem_engine_queue_items{queue=\"floor_urgent\"} 12",
        "tandem_engine_queue_items{queue=\"store\"} 14",
        "tandem_store_is_ready 1",
        "tandem_campaign_in_air_lines{campaign=\"c0\"} 5",
        "tandem_campaign_attempts_total{campaign=\"c0\"} 100",
        "tandem_campaign_abandoned_total{campaign=\"c0\"} 2",
        "tandem_campaign_results_total{campaign=\"c0\",result=\"ABANDONED\"} 2",
        "tandem_campaign_results_total{campaign=\"c0\",result=\"TRUNK_FAIL\"} 12",
        "tandem_campaign_held_leads_total{campaign=\"c0\",gate=\"DNC\"} 1",
        "tandem_campaign_is_bound{campaign=\"c0\",bound=\"cps\"} 1",
        "tandem_campaign_is_bound{campaign=\"c0\",bound=\"agents\"} 0",
        "tandem_trunk_is_up{trunk=\"carrier-a\"} 1",
        "tandem_trunk_in_use_legs{trunk=\"carrier-a\"} 9",
        "tandem_trunk_capacity_legs{trunk=\"carrier-a\"} 30",
        "tandem_trunk_invites_total{trunk=\"carrier-a\"} 40",
        "tandem_trunk_responses_total{trunk=\"carrier-a\",code=\"403\"} 3",
        "tandem_trunk_responses_total{trunk=\"carrier-a\",code=\"503\"} 0",
        "tandem_trunk_refused_challenges_total{trunk=\"carrier-a\"} 2",
        "tandem_trunk_breaker_openings_total{trunk=\"carrier-a\"} 1",
        "# TYPE tandem_campaign_results_total counter",
        "# HELP tandem_floor_agents Agents by state.",
        "# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
}

#[test]
fn what_bounds_a_campaign_is_never_stale() {
    let metrics = Metrics::new();
    metrics.bounded(CampaignId(0), Bound::Leads);
    let shows = |picture: &Picture, bound: &str| {
        metrics.observe(picture, Backlogs::default());
        let text = metrics.render();
        let line = format!("tandem_campaign_is_bound{{campaign=\"c0\",bound=\"{bound}\"}} 1");
        let ones = text
            .lines()
            .filter(|line| line.starts_with("tandem_campaign_is_bound") && line.ends_with(" 1"));
        (ones.count(), text.contains(&line))
    };
    let mut picture = picture(1);
    assert_eq!(shows(&picture, "leads"), (1, true));
    picture.campaigns[0].agents_serving = 0;
    assert_eq!(shows(&picture, "agents"), (1, true));
    picture.stopped = true;
    assert_eq!(shows(&picture, "stopped"), (1, true));
    picture.campaigns[0].state = CampaignState::Paused;
    assert_eq!(shows(&picture, "stopped"), (0, false));
}

fn labels_of(text: &str, key: &str) -> BTreeSet<String> {
    let begins = format!("{key}=\"");
    text.lines()
        .filter_map(|line| line.split_once(&begins)?.1.split('"').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_257th_campaign_and_later_ones_share_a_label() {
    let metrics = Metrics::new();
    metrics.observe(&picture(300), Backlogs::default());
    metrics.observe(&picture(300), Backlogs::default());
    let text = metrics.render();
    let labels = labels_of(&text, "campaign");
    assert_eq!(labels.len(), CAMPAIGN_LABELS_MAX + 1);
    assert!(labels.contains("c255") && !labels.contains("c256"));
    assert!(
        text.contains("tandem_campaign_attempts_total{campaign=\"other\"} 4400"),
        "44 campaigns x 100"
    );
}

/// A configuration that is edited all day, and names chosen to collide.
#[test]
fn renamed_campaigns_cannot_grow_the_monitor_and_a_name_keeps_its_figures() {
    let metrics = Metrics::new();
    for edit in 0..40 {
        let mut picture = picture(10);
        for campaign in &mut picture.campaigns {
            campaign.name += &format!("-edit{edit}");
        }
        picture.campaigns.push(campaign("other"));
        metrics.observe(&picture, Backlogs::default());
    }
    let text = metrics.render();
    assert_eq!(labels_of(&text, "campaign").len(), CAMPAIGN_LABELS_MAX + 1);
    // c0 of the first edit is gone: its gauges have fallen, its counters stand.
    assert!(text.contains("tandem_campaign_is_running{campaign=\"c0-edit0\"} 0"));
    assert!(text.contains("tandem_campaign_attempts_total{campaign=\"c0-edit0\"} 100"));
    // Names that come and go between one another leave each other's counters alone.
    let ours = text
        .lines()
        .filter(|l| l.starts_with("tandem_campaign_attempts_total"));
    let wrong: Vec<&str> = ours
        .filter(|l| !l.ends_with("} 100") && !l.contains("other"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(text.contains("tandem_campaign_attempts_total{campaign=\"other\"} 1100"));
    // The last edit's ten campaigns and the one that is really called "other".
    assert!(text.contains("tandem_campaign_is_running{campaign=\"other\"} 11"));
}

#[test]
fn a_name_with_quotes_cannot_break_out_of_its_label() {
    let metrics = Metrics::new();
    let mut picture = picture(0);
    picture.campaigns.push(campaign("a\"} 1\nb\\"));
    metrics.observe(&picture, Backlogs::default());
    let line = r#"tandem_campaign_attempts_total{campaign="a\"} 1\nb\\"} 100"#;
    let text = metrics.render();
    assert!(text.lines().any(|l| l == line), "{text}");
}

#[test]
fn the_number_of_series_has_a_bound() {
    let series = |labels: &[Label]| labels.iter().map(|label| label.most()).product::<usize>();
    let buckets = |name: &TimingName| name.bounds_us().len() + 3;
    let most: usize = CounterName::ALL
        .iter()
        .map(|n| series(n.labels()))
        .sum::<usize>()
        + GaugeName::ALL
            .iter()
            .map(|n| series(n.labels()))
            .sum::<usize>()
        + SecondsName::ALL
            .iter()
            .map(|n| series(n.labels()))
            .sum::<usize>()
        + TimingName::ALL
            .iter()
            .map(|n| series(n.labels()) * (buckets(n) + 3))
            .sum::<usize>();
    let metrics = Metrics::new();
    metrics.observe(&picture(1_000), Backlogs::default());
    let shown = metrics
        .render()
        .lines()
        .filter(|l| !l.starts_with('#'))
        .count();
    assert!(
        shown < most && most < 17_000,
        "{shown} shown, at most {most}"
    );
}

#[test]
fn a_slow_turn_is_counted_with_its_kind_of_input() {
    let metrics = Metrics::new();
    let answered = input_kind(&leg(1, LegEvent::Answered, Mono(0)));
    metrics.floor_turn(answered, Duration::from_micros(80));
    metrics.floor_turn(answered, Duration::from_micros(1_500));
    metrics.floor_turn(input_kind(&Input::Wake), Duration::from_micros(1_000));
    let text = metrics.render();
    for line in [
        "tandem_floor_slow_turns_total{input=\"leg_answered\"} 1",
        "tandem_floor_slow_turns_total{input=\"wake\"} 0",
        "tandem_floor_turn_seconds_count{input=\"leg_answered\"} 2",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(metrics.latencies()["floor_turn"].count, 3);
    assert_eq!(metrics.latencies()["floor_turn"].max_us, 1_500);
}

fn leg(attempt: u64, event: LegEvent, at: Mono) -> Input {
    Input::Leg {
        attempt: AttemptId(attempt),
        route_try: 1,
        at,
        event,
    }
}

fn agent(agent: u32, state: AgentState) -> Effect {
    Effect::Agent(AgentNews {
        agent: AgentId(agent),
        state,
        since: UnixMs(0),
        until: None,
        attempt: None,
        after_call: AfterCall::Ready,
    })
}

#[test]
fn the_times_of_a_call_are_those_between_its_facts() {
    let metrics = Arc::new(Metrics::new());
    let ms = Mono::from_millis;
    let mut times = CallTimes::new(Arc::clone(&metrics), ms(0));
    let attempt = AttemptId(7);
    let release = Effect::Release {
        attempt,
        route_try: 1,
        trunk: TrunkId(0),
    };
    times.decided(ms(100), &release);
    times.heard(ms(109), &leg(7, LegEvent::Sent, ms(103)));
    // A second word of the same, and one of a call that nobody released here: nothing to measure.
    times.heard(ms(110), &leg(7, LegEvent::Sent, ms(110)));
    times.heard(ms(110), &leg(8, LegEvent::Sent, ms(110)));
    times.heard(ms(5_002), &leg(7, LegEvent::Answered, ms(5_000)));
    let show = Effect::Show {
        attempt,
        agent: AgentId(1),
        answered: ms(5_000),
    };
    times.decided(ms(5_004), &show);
    times.decided(ms(5_004), &agent(1, AgentState::Wrap));
    times.decided(ms(5_104), &agent(1, AgentState::Ready));
    let closed = AttemptClosed {
        attempt,
        campaign: CampaignId(0),
        lead: LeadId(1),
        person: PersonId(1),
        number: NumberId(1),
        trunk: TrunkId(0),
        route_tries: 1,
        result: SystemResult::Connected,
        counts: true,
        wire: None,
        agent: None,
        decided_at: UnixMs(0),
        released_at: None,
        rang_at: None,
        answered_at: None,
        matched_at: None,
        ended_at: UnixMs(0),
        ring_ms: Some(4_900),
        talk_ms: None,
        is_call_in: false,
        announced_at: None,
        next: LeadNext::AwaitsOutcome,
    };
    times.decided(ms(9_000), &Effect::Close(Box::new(closed)));
    let of = |name: &str| {
        let latency = metrics.latencies()[name];
        (latency.count, latency.max_us / 1_000)
    };
    assert_eq!(of("release_to_invite"), (1, 3));
    assert_eq!(of("answer_to_floor"), (1, 2));
    assert_eq!(of("answer_to_match"), (1, 4));
    assert_eq!(of("wrap"), (1, 100));
    assert_eq!(of("ring"), (1, 4_900));
}

#[test]
fn the_time_of_agents_adds_up_state_by_state() {
    let metrics = Arc::new(Metrics::new());
    let s = Mono::from_secs;
    let mut times = CallTimes::new(Arc::clone(&metrics), s(10));
    times.decided(s(10), &agent(1, AgentState::Break(0)));
    times.decided(s(10), &agent(2, AgentState::Ready));
    times.decided(s(12), &agent(1, AgentState::Ready));
    times.decided(s(15), &agent(1, AgentState::Talking));
    // The same state told again changes nothing.
    times.decided(s(16), &agent(1, AgentState::Talking));
    times.published(s(20), &Picture::default());
    times.decided(s(21), &agent(2, AgentState::Offline));
    times.published(s(30), &Picture::default());
    metrics.observe(&Picture::default(), Backlogs::default());
    let text = metrics.render();
    for (state, seconds) in [
        ("break", 2),
        ("ready", 11 + 3),
        ("talking", 15),
        ("wrap", 0),
    ] {
        let line = format!("tandem_agent_state_seconds_total{{state=\"{state}\"}} {seconds}");
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(!text.contains("seconds_total{state=\"offline\"}"));
}

#[test]
fn a_breaker_that_opens_is_counted_although_it_is_closed_at_the_next_scrape() {
    let metrics = Arc::new(Metrics::new());
    let mut times = CallTimes::new(Arc::clone(&metrics), Mono(0));
    let mut seen = picture(1);
    for (second, open) in [(1, true), (2, true), (3, false), (4, true), (5, false)] {
        seen.trunks[0].breaker_open = open;
        times.published(Mono::from_secs(second), &seen);
    }
    metrics.observe(&seen, Backlogs::default());
    let line = "tandem_trunk_breaker_openings_total{trunk=\"carrier-a\"} 2";
    assert!(metrics.render().contains(line));
}

#[test]
fn decisions_tell_what_bounds_their_campaign() {
    let metrics = Arc::new(Metrics::new());
    let mut times = CallTimes::new(Arc::clone(&metrics), Mono(0));
    let decision = PacingDecision {
        campaign: CampaignId(0),
        mode: DialMode::Progressive,
        launched: 3,
        free_agents: 3,
        at_work: 3,
        in_air: 0,
        wanted: 9,
        bound: Bound::Trunks,
        why: None,
        shadow: None,
    };
    times.decided(Mono(1), &Effect::Decided(decision));
    metrics.observe(&picture(1), Backlogs::default());
    let line = "tandem_campaign_is_bound{campaign=\"c0\",bound=\"trunks\"} 1";
    assert!(metrics.render().contains(line));
    let mut by_hand = picture(1);
    by_hand.campaigns[0].mode = DialMode::Preview;
    metrics.observe(&by_hand, Backlogs::default());
    let none = "tandem_campaign_is_bound{campaign=\"c0\",bound=\"trunks\"} 0";
    assert!(
        metrics.render().contains(none),
        "its agents decide, and the last decision is stale"
    );
}

#[test]
fn reloads_and_backups_are_counted_with_their_times() {
    let metrics = Metrics::new();
    metrics.config_loaded(UnixMs(1_000));
    metrics.config_reloaded(true, UnixMs(5_500));
    metrics.config_reloaded(false, UnixMs(9_000));
    metrics.backup_ended(false, UnixMs(3_000));
    metrics.backup_ended(true, UnixMs(4_250));
    let text = metrics.render();
    for line in [
        "tandem_config_reloads_total{result=\"ok\"} 1",
        "tandem_config_reloads_total{result=\"failed\"} 1",
        "tandem_config_last_load_success_timestamp_seconds 5.5",
        "tandem_config_last_reload_is_good 0",
        "tandem_store_backups_total{result=\"ok\"} 1",
        "tandem_store_last_backup_timestamp_seconds 4.25",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
}

#[test]
fn an_answer_that_the_api_never_gives_is_counted_as_other() {
    let metrics = Metrics::new();
    metrics.api_answer("404");
    metrics.api_answer("418");
    let text = metrics.render();
    assert!(text.contains("tandem_api_requests_total{code=\"404\"} 1"));
    assert!(text.contains("tandem_api_requests_total{code=\"other\"} 1"));
}

/// Every sample belongs to a family with HELP and TYPE as in the catalogue, families do not repeat, and no series is twice.
#[test]
fn a_scrape_is_well_formed() {
    let metrics = Metrics::new();
    let is_shown =
        |labels: &[Label]| labels.contains(&Label::Campaign) || labels.contains(&Label::Trunk);
    for name in CounterName::ALL
        .iter()
        .filter(|name| !is_shown(name.labels()))
    {
        let values: Vec<&str> = name.labels().iter().map(|_| "x").collect();
        metrics.counter(*name, &values).increment(1);
    }
    for name in GaugeName::ALL
        .iter()
        .filter(|name| !is_shown(name.labels()))
    {
        let values: Vec<&str> = name.labels().iter().map(|_| "x").collect();
        metrics.gauge(*name, &values).set(1.0);
    }
    metrics.observe(&picture(2), Backlogs::default());
    let text = metrics.render();
    let mut family = (String::new(), String::new());
    let mut families = BTreeSet::new();
    let mut series = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(family.0, name, "HELP precedes TYPE");
            assert!(
                families.insert((name.to_owned(), kind.to_owned())),
                "{name} twice"
            );
            family.1 = kind.to_owned();
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            family = (rest.split_once(' ').unwrap().0.to_owned(), String::new());
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(series.insert(key.to_owned()), "{key} twice");
            let name = key.split('{').next().unwrap();
            let stem = match family.1.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end))
                    .expect(line),
                _ => name,
            };
            assert_eq!(stem, family.0, "{line}");
        }
    }
    let mut promised: BTreeSet<(String, String)> = catalogue()
        .iter()
        .map(|entry| (entry.name.to_owned(), entry.kind.to_owned()))
        .collect();
    let quantiles = TimingName::ALL.iter().filter_map(|name| name.quantiles());
    promised.extend(quantiles.map(|family| (family, "gauge".to_owned())));
    assert_eq!(families, promised);
}
