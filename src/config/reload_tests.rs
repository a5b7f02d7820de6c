//! What a reload is promised: no key without a decision, no change unseen or at a wrong place, no secret shown, no id moved.

use super::compare::Loaded;
use super::in_force::InForce;
use super::keys::{Change, KEYS, Read, key_table};
use super::load::{Sources, read};
use super::reader::Sink;
use super::*;
use crate::core::settings::{CampaignState, Edit};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const EXAMPLE: &str = include_str!("../../config/tandem.toml");

fn loaded(text: &str) -> Loaded {
    let sources = Sources {
        environment: &|name| (name == "SET").then(|| "from-the-environment".to_owned()),
        file: &|path| match path.to_str() {
            Some("one-line") => Ok("from-a-file\n".to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
    };
    Loaded::of(text.to_owned(), Path::new("t.toml"), &sources)
        .unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

/// The changes from one text to another as "key: old -> new".
fn changes(before: &str, after: &str) -> Vec<String> {
    let changes = loaded(after).changes_since(&loaded(before).config);
    changes
        .iter()
        .map(|change| format!("{}: {} -> {}", change.key, change.old, change.new))
        .collect()
}

#[test]
fn every_key_that_is_read_has_a_decision_and_the_other_way_round() {
    let mut sink = Sink::new(EXAMPLE);
    let sources = Sources {
        environment: &|_| None,
        file: &|_| Err(std::io::ErrorKind::NotFound.into()),
    };
    read(EXAMPLE, &mut sink, &sources).unwrap();
    let decided: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(decided.len(), KEYS.len(), "a key stands there twice");
    let known: BTreeSet<&str> = sink.known().iter().map(String::as_str).collect();
    // A table that is no list is nothing but its keys.
    let is_table = |name: &str| {
        known
            .iter()
            .any(|other| other.starts_with(&format!("{name}.")))
    };
    let undecided: Vec<&&str> = known
        .iter()
        .filter(|name| !is_table(name) && !decided.contains(**name))
        .collect();
    assert!(
        undecided.is_empty(),
        "live or restart? decide in src/config/keys.rs: {undecided:?}"
    );
    let unknown: Vec<&&str> = decided.difference(&known).collect();
    assert!(unknown.is_empty(), "nobody reads {unknown:?}");
    for part in KEYS {
        if let Read::Within(whole) = part.read {
            let whole = KEYS.iter().find(|key| key.name == whole);
            let is_compared = whole.is_some_and(|whole| !matches!(whole.read, Read::Within(_)));
            assert!(is_compared, "{} is compared nowhere", part.name);
        }
    }
}

#[test]
fn the_table_of_keys_in_the_documents_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reload-keys.md");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let head = text.split("| key |").next().unwrap_or_default().to_owned();
    let wanted = head + &key_table();
    if std::env::var_os("TANDEM_UPDATE_KEYS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert!(
            text == wanted,
            "docs/reload-keys.md is not what src/config/keys.rs says: run with TANDEM_UPDATE_KEYS=1"
        );
    }
}

/// Another value for keys whose value is no plain number or flag; the text replaces the whole line.
const OTHER: &[(&str, &str)] = &[
    ("data_dir", "data_dir = \"elsewhere\""),
    ("input_log", "input_log = \"elsewhere.log\""),
    ("default_country", "default_country = \"TH\""),
    ("default_zone", "default_zone = \"Asia/Bangkok\""),
    (
        "skills",
        "skills = [\"vietnamese\", \"late_stage\", \"thai\"]",
    ),
    ("break_reasons", "break_reasons = [\"lunch\", \"prayer\"]"),
    ("sip.listen", "listen = \"127.0.0.1:5061\""),
    ("sip.advertise_address", "advertise_address = \"127.0.0.2\""),
    ("sip.user_agent", "user_agent = \"Other\""),
    ("media.listen", "listen = \"127.0.0.2\""),
    ("media.agent_addresses", "agent_addresses = [\"127.0.0.2\"]"),
    (
        "media.stun_servers",
        "stun_servers = [\"stun:192.0.2.2:3478\"]",
    ),
    (
        "media.turn_servers",
        "turn_servers = [\"turn:192.0.2.2:3478\"]",
    ),
    ("media.turn_username", "turn_username = \"other\""),
    ("media.turn_credential", "turn_credential = \"other\""),
    ("media.prompts_dir", "prompts_dir = \"elsewhere\""),
    ("phones.ranges", "ranges = [\"10.0.8.0/24\"]"),
    ("inbound.unknown_caller", "unknown_caller = \"agent\""),
    ("inbound.message", "message = \"other.wav\""),
    ("trunks.srtp", "srtp = \"offer\""),
    (
        "campaigns.inbound_numbers",
        "inbound_numbers = [\"+842873000009\"]",
    ),
    ("campaigns.abandon_action", "abandon_action = \"hang_up\""),
    (
        "campaigns.abandon_message",
        "abandon_message = \"other.wav\"",
    ),
    (
        "campaigns.recording_notice",
        "recording_notice = \"other.wav\"",
    ),
    ("desk.listen", "listen = \"127.0.0.1:7411\""),
    ("desk.origins", "origins = []"),
    ("api.listen", "listen = \"127.0.0.1:7401\""),
    ("api.hosts", "hosts = [\"other.example\"]"),
    (
        "tls.certificate_file",
        "certificate_file = \"other.pem\"\nkey_file = \"other.key\"",
    ),
    (
        "tls.key_file",
        "key_file = \"other.key\"\ncertificate_file = \"other.pem\"",
    ),
    ("recording.directory", "directory = \"elsewhere\""),
    (
        "recording.site_key_file",
        "site_key_file = \"elsewhere.key\"",
    ),
    ("recording.format", "format = \"wav\""),
    ("campaigns.recording", "recording = \"always\""),
    (
        "pages.socket_url",
        "socket_url = \"wss://other.example/agent\"",
    ),
    ("trunks.address", "address = \"127.0.0.1:5090\""),
    ("trunks.transport", "transport = \"tcp\""),
    ("trunks.domain", "domain = \"other.example\""),
    ("trunks.username", "username = \"other\""),
    ("trunks.password", "password = \"other\""),
    ("trunks.password_file", "password_file = \"one-line\""),
    ("trunks.password_env", "password_env = \"SET\""),
    ("trunks.realms", "realms = [\"other.example\"]"),
    ("trunks.signalling_ranges", "signalling_ranges = []"),
    (
        "trunks.media_ranges",
        "media_ranges = [\"198.51.100.0/25\"]",
    ),
    ("campaigns.caller_id", "caller_id = \"+842873000001\""),
    ("campaigns.why", "why = \"Another reason\""),
    ("campaigns.state", "state = \"running\""),
    ("campaigns.mode", "mode = \"progressive\""),
    ("campaigns.lines_per_agent", "lines_per_agent = 1.3"),
    ("campaigns.shadow_mode", "shadow_mode = \"predictive\""),
    (
        "campaigns.shadow_lines_per_agent",
        "shadow_lines_per_agent = 1.3",
    ),
    (
        "campaigns.shadow_lines_per_free_agent",
        "shadow_lines_per_free_agent = 2.5",
    ),
    (
        "campaigns.lines_per_free_agent",
        "lines_per_free_agent = 2.5",
    ),
    (
        "campaigns.cancel_ringing_after_s",
        "cancel_ringing_after_s = 20",
    ),
    ("skip_reasons", "skip_reasons = [\"not_now\", \"other\"]"),
    ("campaigns.wrap_overrun", "wrap_overrun = \"hold\""),
    (
        "campaigns.preview_on_timeout",
        "preview_on_timeout = \"dial\"",
    ),
    ("campaigns.trunks", "trunks = []"),
    ("campaigns.window_from", "window_from = \"09:00\""),
    ("campaigns.window_until", "window_until = \"21:00\""),
    ("campaigns.weekdays", "weekdays = [\"mon\"]"),
    ("campaigns.abandon.strength", "strength = \"guarantee\""),
    ("campaigns.abandon.target_percent", "target_percent = 2.25"),
    (
        "campaigns.abandon.window",
        "window = \"30d from 2026-11-01\"",
    ),
    (
        "campaigns.abandon.denominator",
        "denominator = \"all_answers\"",
    ),
    ("campaigns.recycle.invalid_min", "invalid_min = 7"),
];

/// The example's lines with the key that each of them sets, "campaigns.recycle.busy_min".
fn keyed_lines() -> Vec<(usize, String)> {
    let mut table = String::new();
    let mut found = Vec::new();
    for (index, line) in EXAMPLE.lines().enumerate() {
        let plain = line.trim_start_matches("# ");
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((name, _)) = plain.split_once(" = ")
            && (!line.starts_with('#')
                || OTHER
                    .iter()
                    .any(|(key, _)| key.ends_with(&format!(".{name}"))))
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            let key = if table.is_empty() {
                name.to_owned()
            } else {
                format!("{table}.{name}")
            };
            found.push((index, key));
        }
    }
    found
}

#[test]
fn another_value_of_any_key_is_seen_by_its_name_at_its_place() {
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    let before = loaded(EXAMPLE).config;
    let mut seen = BTreeSet::new();
    for (index, name) in keyed_lines() {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            panic!("{name} is no key");
        };
        let shown = match key.read {
            Read::Within("trunks" | "campaigns" | "campaigns.needs") => continue,
            Read::Within(whole) => whole,
            _ => key.name,
        };
        let other = match OTHER.iter().find(|(other, _)| *other == name) {
            Some((_, line)) => (*line).to_owned(),
            None => {
                let (left, value) = lines[index].split_once(" = ").unwrap();
                let other = match value {
                    "true" => "false".to_owned(),
                    "false" => "true".to_owned(),
                    number => match number.parse::<u64>() {
                        Ok(number) => (number + 1).to_string(),
                        Err(_) => (number
                            .parse::<f64>()
                            .unwrap_or_else(|_| panic!("{name}: another value in OTHER, please"))
                            + 1.0)
                            .to_string(),
                    },
                };
                format!("{left} = {other}")
            }
        };
        let mut edited: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        edited[index] = other;
        // Keys that exclude each other: one place for the password, one mode.
        for (excluded, by) in [
            ("password = ", "trunks.password_"),
            ("lines_per_agent = ", "campaigns.lines_per_free_agent"),
            ("lines_per_agent = ", "campaigns.mode"),
        ] {
            if name.starts_with(by) {
                let line = edited
                    .iter_mut()
                    .find(|line| line.starts_with(excluded))
                    .unwrap();
                *line = String::new();
            }
        }
        let after = loaded(&edited.join("\n"));
        let changes = after.changes_since(&before);
        let found: Vec<_> = changes
            .iter()
            .filter(|change| change.rule.name == shown)
            .collect();
        assert_eq!(found.len(), 1, "{name}: {changes:?}");
        let others: Vec<_> = changes
            .iter()
            .filter(|change| change.rule.name != shown)
            .map(|change| change.rule.name)
            .collect();
        let may_follow = match name.as_str() {
            "campaigns.lines_per_free_agent" | "campaigns.mode" => {
                vec!["campaigns.lines_per_agent"]
            }
            // A ratio alone is a mode.
            "campaigns.shadow_lines_per_agent" | "campaigns.shadow_lines_per_free_agent" => {
                vec!["campaigns.shadow_mode"]
            }
            // One is of no use without the other.
            "tls.certificate_file" => vec!["tls.key_file"],
            "tls.key_file" => vec!["tls.certificate_file"],
            _ => vec![],
        };
        assert_eq!(others, may_follow, "{name} changes nothing else");
        // The action without its message is told at the message.
        let at = if name == "campaigns.abandon_action" {
            index + 4
        } else {
            index + 1
        };
        assert_eq!(found[0].line, at, "{name}: {:?}", found[0]);
        seen.insert(shown);
    }
    let missed: Vec<&str> = KEYS
        .iter()
        .filter(|key| {
            !matches!(key.read, Read::Within(_) | Read::Entries) && !seen.contains(key.name)
        })
        .map(|key| key.name)
        .collect();
    // A list of tables: proven by itself below.
    assert_eq!(missed, ["campaigns.needs"]);
}

const TWO: &str = r#"
skills = ["a", "b"]
[[trunks]]
name = "north"
address = "127.0.0.1:5080"
[[trunks]]
name = "south"
address = "127.0.0.1:5090"
username = "u"
password = "canary-secret"
[[campaigns]]
name = "ONE"
caller_id = "+842873000000"
trunks = ["south"]
[[campaigns.needs]]
skill = "b"
[[campaigns]]
name = "TWO"
caller_id = "+842873000000"
"#;

#[test]
fn what_means_the_same_is_no_change() {
    let reordered = r#"
skills = ["b", "a"]
[floor]
tick_ms = 50
[[trunks]]
name = "south"
address = "127.0.0.1:5090"
username = "u"
password = "canary-secret"
[[trunks]]
name = "north"
address = "127.0.0.1:5080"
cps_max = 10
[[campaigns]]
name = "TWO"
caller_id = "+842873000000"
wrap_s = 25
[campaigns.recycle]
busy_min = 15
[[campaigns]]
name = "ONE"
caller_id = "+842873000000"
trunks = ["south"]
needs = [{ skill = "b", level = 1 }]
"#;
    assert_eq!(changes(TWO, reordered), Vec::<String>::new());
    let (before, after) = (InForce::start(loaded(TWO).config), loaded(reordered).config);
    let next = before.next(after).unwrap();
    assert_eq!(before.edits_to(&next), []);
    assert!(!before.has_other_trunks(&next));
}

#[test]
fn secrets_are_compared_and_never_shown() {
    let other = TWO.replace("canary-secret", "canary-other");
    assert_eq!(
        changes(TWO, &other),
        ["trunks[\"south\"].password: (not shown) -> (not shown)"]
    );
    let none = TWO.replace("username = \"u\"\npassword = \"canary-secret\"\n", "");
    assert_eq!(
        changes(TWO, &none),
        [
            "trunks[\"south\"].username: \"u\" -> absent",
            "trunks[\"south\"].password: (not shown) -> absent"
        ]
    );
    let all = format!("{:?}", loaded(&other).changes_since(&loaded(TWO).config));
    assert!(!all.contains("canary"), "{all}");
    let next = InForce::start(loaded(TWO).config)
        .next(loaded(&other).config)
        .unwrap();
    assert!(
        InForce::start(loaded(TWO).config).has_other_trunks(&next),
        "SIP must hear of it"
    );
}

#[test]
fn what_comes_and_goes_is_named_and_a_removed_line_points_at_its_table() {
    let renamed = TWO.replace("name = \"TWO\"", "name = \"THREE\"");
    assert_eq!(
        changes(TWO, &renamed),
        [
            "campaigns[\"THREE\"]: absent -> added",
            "campaigns[\"TWO\"]: there -> removed"
        ]
    );
    let without = TWO.replace("trunks = [\"south\"]\n", "");
    let change = &loaded(&without).changes_since(&loaded(TWO).config)[0];
    assert_eq!(
        change.to_string(),
        "campaigns[\"ONE\"].trunks: [\"south\"] -> []"
    );
    assert_eq!(without.lines().nth(change.line - 1), Some("[[campaigns]]"));
    let needs = TWO.replace("skill = \"b\"", "skill = \"a\"");
    assert_eq!(
        changes(TWO, &needs),
        [
            "campaigns[\"ONE\"].needs: [{ skill = \"b\", level = 1 }] -> [{ skill = \"a\", level = 1 }]"
        ]
    );
    let moved = TWO.replace("127.0.0.1:5090", "127.0.0.1:5091");
    let change = &loaded(&moved).changes_since(&loaded(TWO).config)[0];
    assert!(change.needs_restart());
    assert_eq!(change.rule.change, Change::Restart);
    assert!(
        change
            .to_string()
            .contains("needs a restart: calls that are up are signalled there"),
        "{change}"
    );
    assert_eq!(
        moved.lines().nth(change.line - 1),
        Some("address = \"127.0.0.1:5091\"")
    );
}

/// A file in a few strokes: campaigns and trunks by letter, in any order, with settings that vary.
#[derive(Clone, Debug)]
struct Sketch {
    skills: Vec<u8>,
    trunks: Vec<(u8, u32)>,
    campaigns: Vec<(u8, u32, bool, bool, usize, usize)>,
    tick: u64,
}

fn letters(least: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::sample::subsequence(vec![0u8, 1, 2, 3, 4], least..=5).prop_shuffle()
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let campaign = (1u32..4, any::<bool>(), any::<bool>(), 0usize..8, 0usize..8);
    (
        letters(1),
        letters(1),
        letters(1),
        prop::collection::vec(1u32..4, 5),
        prop::collection::vec(campaign, 5),
        10u64..13,
    )
        .prop_map(|(skills, trunks, campaigns, cps, rules, tick)| Sketch {
            skills,
            trunks: trunks.into_iter().zip(cps).collect(),
            campaigns: campaigns
                .into_iter()
                .zip(rules)
                .map(|(c, (cps, runs, ratio, trunk, skill))| (c, cps, runs, ratio, trunk, skill))
                .collect(),
            tick,
        })
}

fn written(sketch: &Sketch) -> String {
    let skills: Vec<String> = sketch
        .skills
        .iter()
        .map(|skill| format!("\"s{skill}\""))
        .collect();
    let mut text = format!(
        "skills = [{}]\n[floor]\ntick_ms = {}\n",
        skills.join(", "),
        sketch.tick
    );
    for (trunk, cps) in &sketch.trunks {
        text += &format!(
            "[[trunks]]\nname = \"t{trunk}\"\naddress = \"127.0.0.1:508{trunk}\"\ncps_max = {cps}\n"
        );
    }
    for (campaign, cps, runs, ratio, trunk, skill) in &sketch.campaigns {
        text += &format!(
            "[[campaigns]]\nname = \"c{campaign}\"\ncaller_id = \"+842873000000\"\ncps_max = {cps}\n"
        );
        if *runs {
            text += "state = \"running\"\n";
        }
        if *ratio {
            text += "lines_per_agent = 1.5\n";
        }
        if let Some((trunk, _)) = sketch.trunks.get(*trunk) {
            text += &format!("trunks = [\"t{trunk}\"]\n");
        }
        if let Some(skill) = sketch.skills.get(*skill) {
            text += &format!("needs = [{{ skill = \"s{skill}\" }}]\n");
        }
    }
    text
}

/// What a floor makes of edits: the tables, by id.
#[derive(Default)]
struct Shadow {
    trunks: Vec<(TrunkSettings, bool)>,
    campaigns: Vec<CampaignSettings>,
}

impl Shadow {
    fn apply(&mut self, edits: Vec<Edit>) {
        for edit in edits {
            match edit {
                Edit::Trunk(id, settings) => put(&mut self.trunks, id.0, (settings, true)),
                Edit::TrunkClosed(id) => self.trunks[usize::from(id.0)].1 = false,
                Edit::Campaign(id, mut settings) => {
                    if let Some(old) = self.campaigns.get(usize::from(id.0)) {
                        (settings.state, settings.mode) = (old.state, old.mode);
                    }
                    put(&mut self.campaigns, id.0, settings);
                }
                Edit::CampaignState(id, state) => self.campaigns[usize::from(id.0)].state = state,
                Edit::CampaignMode(id, mode) => self.campaigns[usize::from(id.0)].mode = mode,
                Edit::Floor(_)
                | Edit::Zone(..)
                | Edit::Agent(_)
                | Edit::Ledger(..)
                | Edit::Learned(_) => {}
            }
        }
    }
}

fn put<T>(table: &mut Vec<T>, id: u16, value: T) {
    let place = usize::from(id);
    if place == table.len() {
        table.push(value);
    } else {
        table[place] = value;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Through any files in any order: no id moves, what a file says holds, and a supervisor's word holds where files agree.
    #[test]
    fn edits_bring_a_floor_from_any_file_to_any_other(files in prop::collection::vec(sketch(), 2..6), hands in prop::collection::vec((0usize..5, any::<bool>()), 6)) {
        let mut in_force = InForce::start(loaded(&written(&files[0])).config);
        let mut shadow = Shadow {
            trunks: in_force.file().trunks.iter().map(|trunk| (trunk.settings.clone(), true)).collect(),
            campaigns: in_force.file().campaigns.iter().map(|campaign| campaign.settings.clone()).collect(),
        };
        let mut ids: BTreeMap<String, usize> = BTreeMap::new();
        for (file, (hand, runs)) in files[1..].iter().zip(hands) {
            // A supervisor starts or pauses somebody between two loads.
            if let Some(campaign) = shadow.campaigns.get_mut(hand)
                && campaign.state != CampaignState::Closed
            {
                campaign.state = if runs { CampaignState::Running } else { CampaignState::Paused };
            }
            let by_hand: BTreeMap<String, CampaignState> = shadow.campaigns.iter().map(|c| (c.name.clone(), c.state)).collect();
            let after = loaded(&written(file));
            let changes = after.changes_since(in_force.file());
            let before = in_force.file().clone();
            let next = in_force.next(after.config.clone()).unwrap();
            let edits = in_force.edits_to(&next);
            prop_assert_eq!(edits.is_empty(), changes.iter().all(|change| change.rule.name == "skills"), "{:?} {:?}", edits, changes);
            shadow.apply(edits);
            for (place, campaign) in shadow.campaigns.iter().enumerate() {
                let known = *ids.entry(campaign.name.clone()).or_insert(place);
                prop_assert_eq!(known, place, "{} has moved", &campaign.name);
                let name = &campaign.name;
                let Some(wanted) = file_campaign(&after.config, name) else {
                    prop_assert_eq!(campaign.state, CampaignState::Closed);
                    continue;
                };
                prop_assert_eq!(campaign.cps_max, wanted.cps_max);
                prop_assert_eq!(campaign.mode, wanted.mode);
                let trunks: Vec<&str> = campaign.trunks.iter().map(|id| shadow.trunks[usize::from(id.0)].0.name.as_str()).collect();
                let meant: Vec<&str> = wanted.trunks.iter().map(|id| after.config.trunks[usize::from(id.0)].settings.name.as_str()).collect();
                prop_assert_eq!(trunks, meant);
                let skills: Vec<&String> = campaign.needs.iter().map(|need| &next.tables().skills[usize::from(need.skill.0)]).collect();
                let meant: Vec<&String> = wanted.needs.iter().map(|need| &after.config.skills[usize::from(need.skill.0)]).collect();
                prop_assert_eq!(skills, meant);
                let says = |config: &Config| file_campaign(config, name).map(|campaign| campaign.state);
                if says(&before) == Some(wanted.state) {
                    prop_assert_eq!(Some(&campaign.state), by_hand.get(name), "the file said nothing new of {}", name);
                } else {
                    prop_assert_eq!(campaign.state, wanted.state);
                }
            }
            for (trunk, is_open) in &shadow.trunks {
                let wanted = after.config.trunks.iter().find(|wanted| wanted.settings.name == trunk.name);
                prop_assert_eq!(*is_open, wanted.is_some());
                if let Some(wanted) = wanted {
                    prop_assert_eq!(trunk, &wanted.settings);
                }
            }
            in_force = next;
        }
    }
}

fn file_campaign<'c>(config: &'c Config, name: &str) -> Option<&'c CampaignSettings> {
    let mut all = config.campaigns.iter().map(|campaign| &campaign.settings);
    all.find(|campaign| campaign.name == name)
}

#[test]
fn a_run_that_has_seen_too_many_names_asks_for_a_restart() {
    let mut in_force = InForce::start(loaded(TWO).config);
    for round in 0..200 {
        let text = TWO.replace("north", &format!("north-{round}"));
        match in_force.next(loaded(&text).config) {
            Ok(next) => in_force = next,
            Err(full) => {
                assert!(
                    full.to_string()
                        .starts_with("this run has had 128 trunks already"),
                    "{full}"
                );
                assert!(round > 100);
                return;
            }
        }
    }
    panic!("a table without a bound");
}
