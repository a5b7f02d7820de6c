//! The dashboards that are checked in are those of the code, and Grafana finds in them what it needs.

use super::all;
use crate::shell::metrics::names::{Label, TimingName};
use crate::shell::metrics::reference::{catalogue, compare};
use serde_json::Value;
use std::collections::BTreeSet;

const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/config/prometheus/recording.yml"
);
const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus/alerts.yml");

fn text_of(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_dashboards_in_config_are_those_of_the_code() {
    for dashboard in all() {
        let json = serde_json::to_string_pretty(&dashboard.json()).expect("serialises") + "\n";
        let name = dashboard.uid.trim_start_matches("tandem-");
        compare(&format!("config/grafana/dashboards/{name}.json"), &json);
    }
}

/// Names that may stand in a query: of the catalogue, with what Prometheus makes of histograms, and recorded ones.
fn known_names() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for entry in catalogue() {
        match entry.kind {
            "histogram" => {
                for end in ["_bucket", "_sum", "_count"] {
                    known.insert(format!("{}{end}", entry.name));
                }
            }
            _ => {
                known.insert(entry.name.to_owned());
            }
        }
    }
    known.extend(TimingName::ALL.iter().filter_map(|name| name.quantiles()));
    let recording = text_of(RECORDING);
    let records = recording
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "));
    known.extend(records.map(str::to_owned));
    known
}

/// Words of a query that look like the name of a series: ours, or recorded.
fn names_in(query: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    query
        .split(|c| !is_part(c))
        .filter(|word| {
            let is_ours = word.starts_with("tandem_") || word.starts_with("process_");
            is_ours || word.contains(":tandem_")
        })
        .map(str::to_owned)
        .collect()
}

/// Keys of labels that a query names: in matchers, and behind `by`, `without`, `on` and `ignoring`.
fn labels_in(query: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in query.split('{').skip(1) {
        let matchers = part.split('}').next().unwrap_or_default();
        for matcher in matchers.split(", ") {
            let key = matcher.split(['=', '!']).next().unwrap_or_default();
            found.push(key.trim().to_owned());
        }
    }
    for word in [
        "by (",
        "without (",
        "on (",
        "ignoring (",
        "on(",
        "ignoring(",
    ] {
        for part in query.split(word).skip(1) {
            let keys = part.split(')').next().unwrap_or_default();
            found.extend(keys.split(',').map(|key| key.trim().to_owned()));
        }
    }
    found.retain(|key| !key.is_empty());
    found
}

fn check_query(place: &str, query: &str) {
    let known = known_names();
    for name in names_in(query) {
        assert!(
            known.contains(&name),
            "{place}: there is no series {name}\n{query}"
        );
    }
    for label in labels_in(query) {
        let is_ours = Label::ALL.iter().any(|known| known.key() == label);
        let is_made = ["le", "at", "job", "instance"].contains(&label.as_str());
        assert!(
            is_ours || is_made,
            "{place}: there is no label {label}\n{query}"
        );
    }
}

#[test]
fn a_query_for_what_does_not_exist_is_found() {
    check_query(
        "here",
        "sum by (campaign) (rate(tandem_campaign_attempts_total{job=\"tandem\"}[1m]))",
    );
    for wrong in [
        "rate(tandem_campaign_atempts_total[1m])",
        "tandem_call_ring_seconds",
        "instance:tandem_nobody:records",
        "sum by (phone) (tandem_floor_agents)",
        "tandem_floor_agents{agent=\"minh\"}",
    ] {
        let found = std::panic::catch_unwind(|| check_query("here", wrong));
        assert!(found.is_err(), "{wrong}");
    }
}

#[test]
fn every_query_of_the_rules_names_what_exists() {
    let mut queries = 0;
    for path in [RECORDING, ALERTS] {
        let text = text_of(path);
        // Prose may speak of anything; names in it are checked too, their labels are not.
        for name in names_in(&text) {
            assert!(known_names().contains(&name), "{path}: {name}");
        }
        let mut lines = text.lines().map(str::trim).peekable();
        while let Some(line) = lines.next() {
            let Some(first) = line.strip_prefix("expr: ") else {
                continue;
            };
            let mut query = first.trim_start_matches(">-").to_owned();
            // A folded query goes on until the next key.
            while first == ">-" && lines.peek().is_some_and(|line| !is_key(line)) {
                query += " ";
                query += lines.next().unwrap_or_default();
            }
            queries += 1;
            check_query(path, &query);
        }
    }
    assert!(queries > 40, "{queries} queries found");
}

/// A line of YAML that begins another key or rule.
fn is_key(line: &str) -> bool {
    line.is_empty()
        || line.starts_with('-')
        || ["for:", "labels:", "annotations:"].contains(&line.split(' ').next().unwrap_or_default())
}

fn array<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn grafana_finds_what_it_needs() {
    let mut uids = BTreeSet::new();
    for dashboard in all() {
        let json = dashboard.json();
        let uid = json["uid"].as_str().unwrap().to_owned();
        assert!(uid.len() <= 40 && uids.insert(uid.clone()), "{uid}");
        assert_eq!(json["schemaVersion"], 39);
        let variables: BTreeSet<&str> = array(&json["templating"], "list")
            .iter()
            .filter_map(|variable| variable["name"].as_str())
            .collect();
        assert!(variables.contains("datasource") && variables.contains("instance"));
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in array(&json, "panels") {
            let title = panel["title"].as_str().unwrap();
            let place = format!("{uid}: {title}");
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{place}");
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(
                at("x") + at("w") <= 24 && at("w") > 0 && at("h") > 0,
                "{place}"
            );
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{place} lies over another panel");
                }
            }
            if panel["type"] == "row" {
                continue;
            }
            let about = panel["description"].as_str().unwrap();
            assert!(about.ends_with('.') && !title.is_empty(), "{place}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{place}");
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].is_string(),
                "{place}"
            );
            let targets = array(panel, "targets");
            assert!(!targets.is_empty(), "{place}");
            let mut letters = BTreeSet::new();
            for target in targets {
                assert!(letters.insert(target["refId"].as_str().unwrap()), "{place}");
                assert!(
                    !target["legendFormat"].as_str().unwrap().is_empty(),
                    "{place}"
                );
                let query = target["expr"].as_str().unwrap();
                check_query(&place, query);
                for word in query.split('$').skip(1) {
                    let end = word.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                    let name = &word[..end.unwrap_or(word.len())];
                    let is_built_in = ["__rate_interval", "__range"].contains(&name);
                    assert!(is_built_in || variables.contains(name), "{place}: ${name}");
                }
            }
        }
    }
}

#[test]
fn the_limits_that_people_are_held_to_are_marked() {
    let marks = |uid: &str, title: &str| -> Vec<f64> {
        let all = all();
        let dashboard = all.iter().find(|dashboard| dashboard.uid == uid).unwrap();
        let json = dashboard.json();
        let panel = array(&json, "panels")
            .iter()
            .find(|panel| panel["title"] == title)
            .unwrap_or_else(|| panic!("{title}"))
            .clone();
        array(&panel["fieldConfig"]["defaults"]["thresholds"], "steps")
            .iter()
            .filter_map(|step| step["value"].as_f64())
            .collect()
    };
    assert_eq!(marks("tandem-campaign", "Abandoned, 1 h"), [0.02, 0.03]);
    assert_eq!(
        marks("tandem-latency", "From the 200 OK to the painted card"),
        [0.25]
    );
}
