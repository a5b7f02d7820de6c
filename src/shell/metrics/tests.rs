//! What a scrape promises: names by the rule, closed labels, buckets and quantiles of one truth.

use super::*;
use crate::core::picture::TrunkPicture;
use crate::core::settings::DialMode;
use crate::ids::AttemptId;
use crate::time::Mono;
use std::io::Write as _;

fn campaign(name: &str) -> CampaignPicture {
    CampaignPicture {
        name: name.to_owned(),
        state: CampaignState::Running,
        mode: DialMode::Progressive,
        agents_serving: 3,
        in_air: 5,
        ringing: 4,
        waiting: 1,
        talking: 2,
        launched: 100,
        results: std::array::from_fn(|index| index as u64 + 1),
        outcomes: 7,
        hot_leads: 50,
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
        }],
        store_ready: true,
        attempts_alive: 11,
        ..Picture::default()
    }
}

#[test]
fn names_follow_the_rule() {
    let mut seen = std::collections::BTreeSet::new();
    for name in CounterName::ALL {
        assert!(name.name().ends_with("_total"), "{name:?}");
        assert!(seen.insert(name.name()), "{name:?}");
    }
    for name in GaugeName::ALL {
        assert!(!name.name().ends_with("_total"), "{name:?}");
        assert!(seen.insert(name.name()), "{name:?}");
    }
    for name in TimingName::ALL {
        assert!(name.name().ends_with("_seconds"), "{name:?}");
        assert!(seen.insert(name.name()), "{name:?}");
        assert!(name.bounds_us().windows(2).all(|w| w[0] < w[1]), "{name:?}");
    }
    for name in seen {
        let parts: Vec<&str> = name.split('_').collect();
        assert!(parts.len() >= 3 && parts[0] == "tandem", "{name}");
    }
}

#[test]
fn the_picture_is_shown_as_it_is() {
    let metrics = Metrics::new();
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
        "tandem_floor_lane_inputs{lane=\"urgent\"} 12",
        "tandem_store_backlog_orders 14",
        "tandem_store_is_ready 1",
        "tandem_campaign_in_air_lines{campaign=\"c0\"} 5",
        "tandem_campaign_attempts_total{campaign=\"c0\"} 100",
        "tandem_campaign_abandoned_total{campaign=\"c0\"} 2",
        "tandem_campaign_results_total{campaign=\"c0\",result=\"ABANDONED\"} 2",
        "tandem_campaign_results_total{campaign=\"c0\",result=\"TRUNK_FAIL\"} 12",
        "tandem_campaign_held_leads_total{campaign=\"c0\",gate=\"DNC\"} 1",
        "tandem_trunk_is_up{trunk=\"carrier-a\"} 1",
        "tandem_trunk_in_use_legs{trunk=\"carrier-a\"} 9",
        "# TYPE tandem_campaign_results_total counter",
        "# HELP tandem_floor_agents Agents by state.",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
}

#[test]
fn the_257th_campaign_and_later_ones_share_a_label() {
    let metrics = Metrics::new();
    metrics.observe(&picture(300), Backlogs::default());
    metrics.observe(&picture(300), Backlogs::default());
    let text = metrics.render();
    let labels: std::collections::BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split_once("campaign=\"")?.1.split('"').next())
        .collect();
    assert_eq!(labels.len(), CAMPAIGN_LABELS_MAX + 1);
    assert!(labels.contains("c255") && !labels.contains("c256"));
    assert!(
        text.contains("tandem_campaign_attempts_total{campaign=\"other\"} 4400"),
        "44 campaigns x 100"
    );
}

#[test]
fn engine_and_dashboard_agree_within_a_bucket() {
    let metrics = Metrics::new();
    for ms in 1..=1_000 {
        metrics
            .timing(TimingName::AnswerToPaint)
            .record(Duration::from_millis(ms));
    }
    let text = metrics.render();
    let value = |start: &str| -> f64 {
        let line = text
            .lines()
            .find(|line| line.starts_with(start))
            .expect(start);
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let name = "tandem_desk_answer_to_paint";
    let at_250_ms = value(&format!("{name}_seconds_bucket{{le=\"0.25\"}}"));
    assert!((250.0..=252.0).contains(&at_250_ms), "{at_250_ms}");
    let p95 = value(&format!("{name}_quantile_seconds{{at=\"p95\"}}"));
    assert!((0.950..=0.958).contains(&p95), "{p95}");
    assert_eq!(value(&format!("{name}_seconds_sum")), 500.5);
    assert_eq!(
        value(&format!("{name}_seconds_bucket{{le=\"+Inf\"}}")),
        1_000.0
    );
    assert_eq!(metrics.latencies()["answer_to_paint"].max_us, 1_000_000);
}

#[test]
fn a_slow_turn_is_counted_with_its_kind_of_input() {
    let metrics = Metrics::new();
    let answered = input_kind(&Input::Leg {
        attempt: AttemptId(1),
        route_try: 1,
        at: Mono(0),
        event: LegEvent::Answered,
    });
    metrics.floor_turn(answered, Duration::from_micros(80));
    metrics.floor_turn(answered, Duration::from_micros(1_500));
    metrics.floor_turn(input_kind(&Input::Wake), Duration::from_micros(1_000));
    let text = metrics.render();
    assert!(
        text.contains("tandem_floor_slow_turns_total{input=\"leg_answered\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("tandem_floor_slow_turns_total{input=\"wake\"} 0"),
        "{text}"
    );
    assert!(
        text.contains("tandem_floor_turn_seconds_count{input=\"leg_answered\"} 2"),
        "{text}"
    );
    assert_eq!(metrics.latencies()["floor_turn"].count, 3);
    assert_eq!(metrics.latencies()["floor_turn"].max_us, 1_500);
}

/// Every sample belongs to a family with HELP and TYPE, families do not repeat, and no series appears twice.
#[test]
fn a_scrape_is_well_formed() {
    let metrics = Metrics::new();
    for name in CounterName::ALL {
        let values: Vec<&str> = name.labels().iter().map(|_| "x").collect();
        metrics.counter(*name, &values).increment(1);
    }
    for name in GaugeName::ALL {
        let values: Vec<&str> = name.labels().iter().map(|_| "x").collect();
        metrics.gauge(*name, &values).set(1.0);
    }
    metrics.observe(&picture(2), Backlogs::default());
    let text = metrics.render();
    let mut family = (String::new(), String::new());
    let mut families = std::collections::BTreeSet::new();
    let mut series = std::collections::BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(family.0, name, "HELP precedes TYPE");
            assert!(families.insert(name.to_owned()), "{name} twice");
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
    assert_eq!(
        families.len(),
        CounterName::ALL.len() + GaugeName::ALL.len() + 2 * TimingName::ALL.len() + 1
    );
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let metrics = Metrics::new();
    metrics.observe(&picture(2), Backlogs::default());
    metrics
        .timing(TimingName::Ring)
        .record(Duration::from_secs(7));
    let child = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!(
            "skipped: promtool (Debian package prometheus) is not installed; a_scrape_is_well_formed checks the form"
        );
        return;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.render().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
