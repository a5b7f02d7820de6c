//! What the loader promises: every fault at once with its place, every default true, every key in the example.

use super::load::{Sources, read};
use super::reader::Sink;
use super::*;
use crate::core::results::SystemResult;
use crate::core::settings::{DialMode, PromptName, Recycle};
use crate::ids::TrunkId;
use crate::time::UnixMs;
use std::path::Path;

const EXAMPLE: &str = include_str!("../../config/tandem.toml");

const SMALL: &str = r#"
[[trunks]]
name = "a"
address = "127.0.0.1:5080"
[[campaigns]]
name = "c"
caller_id = "+842873000000"
"#;

fn load(text: &str) -> Result<Config, Faults> {
    let sources = Sources {
        environment: &|name| (name == "SET").then(|| "from the environment".to_owned()),
        file: &|path| match path.to_str() {
            Some("one-line") => Ok("from a file\n".to_owned()),
            Some("two-lines") => Ok("a\nb\n".to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
    };
    let mut sink = Sink::new(text);
    read(text, &mut sink, &sources).map_err(|()| Faults {
        file: "t.toml".into(),
        list: sink.into_faults(),
    })
}

/// `text` has exactly these faults, in this order.
fn check(text: &str, want: &[&str]) {
    let got = match load(text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.to_string().lines().map(str::to_owned).collect(),
    };
    assert_eq!(got, want, "in:\n{text}");
}

/// `line` within the trunk or campaign of a small configuration has this fault.
fn check_line(table: &str, line: &str, want: &str) {
    let text = match table {
        "" => format!("{line}\n{SMALL}"),
        "trunk" => SMALL.replace("[[campaigns]]", &format!("{line}\n[[campaigns]]")),
        "campaign" => format!("{SMALL}{line}\n"),
        room => format!("[{room}]\n{line}\n{SMALL}"),
    };
    let faults = load(&text).expect_err(line);
    assert_eq!(faults.list.len(), 1, "{line}: {faults}");
    assert_eq!(faults.list[0].to_string(), want, "{line}");
    let shown = text.lines().nth(faults.list[0].line - 1).unwrap();
    assert_eq!(
        shown,
        line.lines().last().unwrap(),
        "the fault points at its line"
    );
}

#[test]
fn a_small_file_is_enough() {
    let config = load(SMALL).unwrap();
    assert_eq!(config.floor, FloorSettings::default());
    assert_eq!(config.break_reasons[0], "login");
    assert_eq!(config.campaigns[0].settings.mode, DialMode::Progressive);
    assert!(config.missing_rules().is_empty());
}

#[test]
fn every_key_that_is_read_stands_in_the_example_and_the_other_way_round() {
    let mut sink = Sink::new(EXAMPLE);
    let sources = Sources {
        environment: &|_| None,
        file: &|_| Err(std::io::ErrorKind::NotFound.into()),
    };
    // Unknown keys of the example would be faults here.
    read(EXAMPLE, &mut sink, &sources).unwrap();
    assert!(sink.known().len() > 70, "{}", sink.known().len());
    for key in sink.known() {
        let last = key.rsplit('.').next().unwrap();
        let is_there = EXAMPLE.lines().any(|line| {
            let line = line.trim_start_matches("# ");
            let head = line.trim_matches(['[', ']']);
            line.starts_with(&format!("{last} = ")) || head == key
        });
        assert!(is_there, "`{key}` is read but not in config/tandem.toml");
    }
}

#[test]
fn a_default_that_the_example_names_is_the_engines_own() {
    let whole = load(EXAMPLE).unwrap();
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    let mut proven = 0;
    for (index, line) in lines.iter().enumerate() {
        if line.starts_with('#') || !line.contains(" = ") {
            continue;
        }
        let comment = lines[..index]
            .iter()
            .rev()
            .take_while(|line| line.starts_with('#'))
            .find_map(|line| line.split_once("Default: "));
        let Some((_, default)) = comment else {
            continue;
        };
        let (_, value) = line.split_once(" = ").unwrap();
        assert_eq!(
            value,
            default,
            "line {}: the comment names another value",
            index + 1
        );
        let mut without = lines.clone();
        without.remove(index);
        let mut less = load(&without.join("\n")).unwrap();
        // An absent recycle rule is looked up, not filled in.
        for (mine, theirs) in less.campaigns.iter_mut().zip(&whole.campaigns) {
            for (result, rule) in &theirs.settings.recycle {
                assert_eq!(mine.settings.recycle_after(*result), *rule, "{line}");
            }
            mine.settings.recycle = theirs.settings.recycle.clone();
        }
        assert_eq!(
            less, whole,
            "without `{line}` the engine does something else"
        );
        proven += 1;
    }
    assert!(proven > 50, "{proven} defaults proven");
}

#[test]
fn all_faults_are_told_at_once_with_their_places() {
    check(
        "default_zone = \"Asia/Ho_Chi_Min\"\nring_timeout_s = 25\n[sip]\nlisten = 5060\n[floor]\ntick_ms = 5\nhot_lead = 100\n",
        &[
            "t.toml:1:1: trunks: are missing; expected at least one [[trunks]]",
            "t.toml:1:1: campaigns: are missing; expected at least one [[campaigns]]",
            "t.toml:1:16: default_zone: is \"Asia/Ho_Chi_Min\", which is not a known zone; expected an IANA time zone, \"Asia/Ho_Chi_Minh\"; did you mean `Asia/Ho_Chi_Minh`?",
            "t.toml:2:1: ring_timeout_s: is not a known key",
            "t.toml:4:10: sip.listen: is 5060; expected an address and port, \"127.0.0.1:5060\" or \"[::1]:5060\"",
            "t.toml:6:11: floor.tick_ms: is 5; expected a whole number of milliseconds, 10 to 1000",
            "t.toml:7:1: floor.hot_lead: is not a known key; did you mean `hot_leads`?",
        ],
    );
}

#[test]
fn broken_toml_is_told_with_its_place() {
    let faults = load("data_dir = \"x\ndesk = [\n").unwrap_err();
    assert!(faults.list.len() >= 2, "{faults}");
    assert_eq!(faults.list[0].line, 1);
    assert!(faults.list[0].what.starts_with("is not TOML: "), "{faults}");
    let twice = load("data_dir = \"a\"\ndata_dir = \"b\"\n").unwrap_err();
    assert_eq!((twice.list.len(), twice.list[0].line), (1, 2), "{twice}");
}

#[test]
fn a_file_that_is_not_there_is_one_fault() {
    let faults = Config::load(Path::new("no/such/file.toml")).unwrap_err();
    assert!(
        faults
            .to_string()
            .starts_with("no/such/file.toml: cannot be read: ")
    );
}

#[test]
fn values_out_of_line_are_faults() {
    let e164 =
        "expected a number in E.164, \"+842873000000\": '+', country code, 7 to 15 digits in all";
    for bad in [
        "0901234567",
        "+0912345678",
        "+84 28 730",
        "+123456",
        "+1234567890123456",
    ] {
        let text = SMALL.replace("+842873000000", bad);
        let want = format!("campaigns[0].caller_id: is \"{bad}\"; {e164}");
        assert_eq!(load(&text).unwrap_err().list[0].to_string(), want);
    }
    check_line(
        "campaign",
        "cps_max = \"ten\"",
        "campaigns[0].cps_max: is the text \"ten\"; expected a whole number of calls per second, 1 to 1000",
    );
    check_line(
        "campaign",
        "cps_max = 2.5",
        "campaigns[0].cps_max: is 2.5; expected a whole number of calls per second, 1 to 1000",
    );
    check_line(
        "campaign",
        "cps_max = -1",
        "campaigns[0].cps_max: is -1; expected a whole number of calls per second, 1 to 1000",
    );
    check_line(
        "campaign",
        "lines_per_agent = 0.05",
        "campaigns[0].lines_per_agent: is 0.05; expected a number of lines per agent, 0.1 to 100",
    );
    check_line(
        "campaign",
        "lines_per_agent = nan",
        "campaigns[0].lines_per_agent: is nan; expected a number of lines per agent, 0.1 to 100",
    );
    check_line(
        "campaign",
        "lines_per_agent = 1.23456",
        "campaigns[0].lines_per_agent: is 1.23456; expected at most three decimals",
    );
    check_line(
        "campaign",
        "lines_per_agent = 1.2\nlines_per_free_agent = 2",
        "campaigns[0].lines_per_free_agent: stands beside lines_per_agent; expected one of the two, or neither (one line per free agent)",
    );
    check_line(
        "campaign",
        "mode = \"predictive\"\nlines_per_agent = 1.2",
        "campaigns[0].lines_per_agent: stands beside mode = \"predictive\"; expected mode = \"ratio\", or no ratio",
    );
    check_line(
        "campaign",
        "mode = \"ratio\"",
        "campaigns[0].mode: is \"ratio\" without a ratio; expected lines_per_agent or lines_per_free_agent beside it",
    );
    check_line(
        "campaign",
        "mode = \"preveiw\"",
        "campaigns[0].mode: is \"preveiw\"; expected \"manual\" or \"preview\" or \"progressive\" or \"ratio\" or \"predictive\"; did you mean `preview`?",
    );
    check_line(
        "campaign",
        "state = \"runing\"",
        "campaigns[0].state: is \"runing\"; expected \"paused\" or \"running\"; did you mean `running`?",
    );
    check_line(
        "campaign",
        "weekdays = [\"mon\", \"tues\"]",
        "campaigns[0].weekdays: has \"tues\"; expected days, [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]; did you mean `tue`?",
    );
    check_line(
        "campaign",
        "weekdays = []",
        "campaigns[0].weekdays: is empty: the campaign would never dial; expected days, [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]",
    );
    check_line(
        "trunk",
        "transport = \"tls\"",
        "trunks[0].transport: is \"tls\"; expected \"udp\" or \"tcp\"",
    );
    check_line(
        "trunk",
        "signalling_ranges = [\"10.0.0.300\"]",
        "trunks[0].signalling_ranges: has \"10.0.0.300\"; expected addresses and networks, [\"192.0.2.10\", \"198.51.100.0/24\"]",
    );
    check_line(
        "trunk",
        "media_ranges = [\"198.51.100.7/24\"]",
        "trunks[0].media_ranges: has \"198.51.100.7/24\", an address inside a network; expected addresses and networks, [\"192.0.2.10\", \"198.51.100.0/24\"]; did you mean `198.51.100.0/24`?",
    );
    check_line(
        "",
        "default_country = \"Vietnam\"",
        "default_country: is \"Vietnam\"; expected an ISO 3166 country, \"VN\"",
    );
    check_line(
        "",
        "break_reasons = [\"lunch\", \"login\"]",
        "break_reasons: \"login\" is built in and need not be named",
    );
    check_line(
        "",
        "skills = [\"vi\", \"vi\"]",
        "skills: \"vi\" is there twice",
    );
    check_line(
        "media",
        "port_first = 30000\nport_last = 30000",
        "media.port_last: is 30000, not above port_first (30000); expected a port above port_first: one even port for each call",
    );
    check_line(
        "desk",
        "origins = [\"https://desk.example/\"]",
        "desk.origins: has \"https://desk.example/\"; expected origins, [\"https://desk.bank.example\"]: scheme and host, no path",
    );
    check_line(
        "api",
        "hosts = [\"a.example:80\"]",
        "api.hosts: has \"a.example:80\"; expected host names without port, [\"tandem.bank.example\"]",
    );
    check_line(
        "sip",
        "listen = \"0.0.0.0:5060\"",
        "sip.listen: is \"0.0.0.0:5060\", which no carrier can answer to; expected one address, or advertise_address beside it: Via, Contact and SDP need it",
    );
    check_line(
        "sip",
        "user_agent = \"Tandém\"",
        "sip.user_agent: is \"Tandém\"; expected 1 to 64 printable ASCII characters",
    );
}

#[test]
fn calling_hours_are_whole_minutes_of_one_day() {
    let shape = "expected local time as \"08:00\", \"00:00\" to \"24:00\"";
    for bad in ["8:00", "08:60", "24:01", "8h", "+8:00"] {
        let line = format!("window_from = \"{bad}\"");
        check_line(
            "campaign",
            &line,
            &format!("campaigns[0].window_from: is \"{bad}\"; {shape}"),
        );
    }
    check_line(
        "campaign",
        "window_until = \"08:00\"",
        "campaigns[0].window_until: is 08:00, not after window_from (08:00); expected a later minute of the same day, at most \"24:00\"",
    );
    let text = format!(
        "{SMALL}window_from = \"00:00\"\nwindow_until = \"24:00\"\nweekdays = [\"mon\", \"sun\"]\n"
    );
    let gate = load(&text).unwrap().campaigns.remove(0).settings.gate;
    assert_eq!(
        (gate.window_from_min, gate.window_until_min, gate.weekdays),
        (0, 1_440, 0b100_0001)
    );
}

#[test]
fn names_are_found_again_or_the_nearest_one_is_offered() {
    check_line(
        "campaign",
        "trunks = [\"a\", \"carier\"]",
        "campaigns[0].trunks: names \"carier\", which is no trunk; expected a list of names of [[trunks]]; absent or empty: all of them",
    );
    check_line(
        "campaign",
        "needs = [{ skill = \"english\" }]",
        "campaigns[0].needs[0].skill: is \"english\", which is no skill; expected a name in `skills`",
    );
    let two = format!(
        "{SMALL}trunks = [\"carrier-b\", \"a\"]\n[[trunks]]\nname = \"carrier-b\"\naddress = \"127.0.0.1:5081\"\n"
    );
    let campaign = load(&two).unwrap().campaigns.remove(0).settings;
    assert_eq!(campaign.trunks, [TrunkId(1), TrunkId(0)]);
    let near = load(&two.replace("[\"carrier-b\"", "[\"carier-b\"")).unwrap_err();
    assert_eq!(near.list[0].did_you_mean.as_deref(), Some("carrier-b"));
    let twice = load(
        &two.replace("name = \"carrier-b\"", "name = \"a\"")
            .replace("[\"carrier-b\", \"a\"]", "[\"a\"]"),
    )
    .unwrap_err();
    assert_eq!(
        twice.list[0].to_string(),
        "trunks[1].name: \"a\" is the name of an earlier one; expected a name of its own"
    );
}

#[test]
fn two_listeners_cannot_share_a_port() {
    check_line(
        "desk",
        "listen = \"127.0.0.1:7400\"",
        "desk.listen: is 127.0.0.1:7400, which api.listen (127.0.0.1:7400) takes already; expected a port of its own",
    );
    load(&format!("[sip]\nlisten = \"127.0.0.1:0\"\n[desk]\nlisten = \"127.0.0.1:0\"\n[api]\nlisten = \"127.0.0.1:0\"\n{SMALL}")).unwrap();
}

#[test]
fn a_password_comes_from_one_place_and_is_never_shown() {
    let with =
        |lines: &str| load(&SMALL.replace("[[campaigns]]", &format!("{lines}\n[[campaigns]]")));
    let found = |lines: &str| {
        with(lines)
            .unwrap()
            .trunks
            .remove(0)
            .password
            .unwrap()
            .into_exposed()
    };
    assert_eq!(
        found("username = \"u\"\npassword_file = \"one-line\""),
        "from a file"
    );
    assert_eq!(
        found("username = \"u\"\npassword_env = \"SET\""),
        "from the environment"
    );
    assert_eq!(found("username = \"u\"\npassword = \"inline\""), "inline");
    for (lines, want) in [
        ("username = \"u\"", "has no password"),
        ("password = \"canary\"", "is of no use without username"),
        (
            "username = \"u\"\npassword = 4242",
            "is not a text, or is empty",
        ),
        (
            "username = \"u\"\npassword_env = \"UNSET\"",
            "names UNSET, which is not set",
        ),
        (
            "username = \"u\"\npassword_file = \"two-lines\"",
            "names an unfit file",
        ),
        (
            "username = \"u\"\npassword_file = \"gone\"",
            "which cannot be read",
        ),
        (
            "username = \"u\"\npassword = \"canary\"\npassword_env = \"SET\"",
            "stands beside password",
        ),
    ] {
        let faults = with(lines).expect_err(lines);
        assert!(faults.to_string().contains(want), "{lines}: {faults}");
        assert!(!faults.to_string().contains("canary") && !faults.to_string().contains("4242"));
    }
    let shown = format!(
        "{:?}",
        with("username = \"u\"\npassword = \"canary\"").unwrap()
    );
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_result_may_return_after_minutes_or_never() {
    let text = format!("{SMALL}[campaigns.recycle]\nbusy_min = 7.5\ninvalid_min = \"never\"\n");
    let campaign = load(&text).unwrap().campaigns.remove(0).settings;
    assert_eq!(
        campaign.recycle_after(SystemResult::Busy),
        Recycle::After(Duration::from_secs(450))
    );
    assert_eq!(
        campaign.recycle_after(SystemResult::Invalid),
        Recycle::Never
    );
    check(
        &format!("{SMALL}[campaigns.recycle]\nbuzy_min = 1\ninterrupted_min = 5\n"),
        &[
            "t.toml:9:1: campaigns[0].recycle.buzy_min: is not a known key; did you mean `busy_min`?",
            "t.toml:10:19: campaigns[0].recycle.interrupted_min: is 5; expected minutes, 120 to 525600, or \"never\"",
        ],
    );
}

#[test]
fn trunks_beyond_this_machine_are_told_which_rules_nobody_has_checked() {
    let far = SMALL.replace("127.0.0.1:5080", "192.0.2.10:5060").replace(
        "\n[[trunks]]",
        "[sip]\nlisten = \"192.0.2.1:5060\"\n[[trunks]]",
    );
    let missing = load(&far).unwrap().missing_rules();
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(
        missing[0].contains("no rule profile for VN") && missing[0].contains(", and a leads"),
        "{missing:?}"
    );
    // A caller id of another country is another law.
    let abroad = far.replace("+842873000000", "+6568000000");
    let missing = load(&abroad).unwrap().missing_rules();
    assert_eq!(missing.len(), 2, "{missing:?}");
}

#[test]
fn a_message_that_is_asked_for_must_be_there_and_be_a_plain_file_name() {
    let with = |line: &str| load(&format!("{SMALL}\n{line}\n"));
    let spoken = |line: &str| with(line).map(|config| config.campaigns[0].settings.spoken.clone());
    let named = spoken("abandon_action = \"message\"\nabandon_message = \"sorry.wav\"");
    assert_eq!(
        named.unwrap().abandon_message,
        Some(PromptName("sorry.wav".to_owned()))
    );
    for (lines, reason) in [
        (
            "abandon_action = \"message\"",
            "there is no abandon_message",
        ),
        (
            "abandon_action = \"message\"\nabandon_message = \"../sorry.wav\"",
            "the name of a WAV file in media.prompts_dir",
        ),
        (
            "recording_notice = \"notice.mp3\"",
            "the name of a WAV file",
        ),
        ("inbound_numbers = [\"028 7300\"]", "our numbers in E.164"),
    ] {
        let faults = with(lines).unwrap_err().to_string();
        assert!(faults.contains(reason), "{lines}: {faults}");
    }
    let twice = with("inbound_numbers = [\"+842873000001\", \"+842873000001\"]");
    assert!(twice.unwrap_err().to_string().contains("already"));
    let alone = load(&format!(
        "[inbound]\nunknown_caller = \"announce\"\n{SMALL}"
    ));
    assert!(
        alone
            .unwrap_err()
            .to_string()
            .contains("there is no message")
    );
}

#[test]
fn a_trunk_that_our_address_cannot_reach_is_a_fault() {
    for (ours, theirs, want) in [
        ("127.0.0.1:5060", "192.0.2.10:5060", "which is loopback"),
        ("192.0.2.1:5060", "[2001:db8::1]:5060", "another IP version"),
        ("192.0.2.1:5060", "192.0.2.10:0", "no place to send to"),
    ] {
        let text = format!(
            "[sip]\nlisten = \"{ours}\"\n{}",
            SMALL.replace("127.0.0.1:5080", theirs)
        );
        let faults = load(&text).unwrap_err();
        assert!(faults.to_string().contains(want), "{faults}");
    }
}

#[test]
fn a_ratio_is_kept_in_thousandths() {
    assert_eq!(ratio_milli(1.2), Some(1_200));
    assert_eq!(ratio_milli(0.1), Some(100));
    assert_eq!(ratio_milli(100.0), Some(100_000));
    assert_eq!(ratio_milli(0.0999), None);
    assert_eq!(ratio_milli(1.2345), None);
    assert_eq!(ratio_milli(f64::NAN), None);
    let free = load(&format!("{SMALL}lines_per_free_agent = 7\n")).unwrap();
    assert_eq!(
        free.campaigns[0].settings.mode,
        DialMode::LinesPerFreeAgent { milli: 7_000 }
    );
}

#[test]
fn a_mode_is_a_word_and_a_ratio_alone_means_ratio() {
    for (lines, want) in [
        ("mode = \"manual\"", DialMode::Manual),
        ("mode = \"preview\"", DialMode::Preview),
        ("mode = \"progressive\"", DialMode::Progressive),
        ("mode = \"predictive\"", DialMode::Predictive),
        (
            "mode = \"ratio\"\nlines_per_agent = 1.5",
            DialMode::LinesPerAgent { milli: 1_500 },
        ),
        (
            "lines_per_free_agent = 2",
            DialMode::LinesPerFreeAgent { milli: 2_000 },
        ),
        ("", DialMode::Progressive),
    ] {
        let config = load(&format!("{SMALL}{lines}\n")).unwrap();
        assert_eq!(config.campaigns[0].settings.mode, want, "{lines}");
    }
}

#[test]
fn a_shadow_is_a_mode_that_starts_lines_or_there_is_none() {
    for (lines, want) in [
        ("", None),
        ("shadow_mode = \"predictive\"", Some(DialMode::Predictive)),
        ("shadow_mode = \"progressive\"", Some(DialMode::Progressive)),
        (
            "shadow_lines_per_free_agent = 2",
            Some(DialMode::LinesPerFreeAgent { milli: 2_000 }),
        ),
    ] {
        let config = load(&format!("{SMALL}{lines}\n")).unwrap();
        let settings = &config.campaigns[0].settings;
        assert_eq!(settings.shadow, want, "{lines}");
        assert_eq!(settings.mode, DialMode::Progressive, "{lines}");
    }
    for (lines, want) in [
        ("shadow_mode = \"preview\"", "shadow_mode"),
        ("shadow_mode = \"ratio\"", "without a ratio"),
        (
            "shadow_mode = \"predictive\"\nshadow_lines_per_agent = 2",
            "stands beside shadow_mode",
        ),
    ] {
        let faults = load(&format!("{SMALL}{lines}\n")).unwrap_err();
        assert!(faults.to_string().contains(want), "{faults}");
    }
}

#[test]
fn zones_know_their_changes_of_offset() {
    let config = load(SMALL).unwrap();
    let names = ["Asia/Ho_Chi_Minh", "Europe/Berlin", "Africa/Casablanca"].map(str::to_owned);
    let settings = config.settings(&names, 17).unwrap();
    assert_eq!(settings.first_attempt, 17);
    assert_eq!(settings.zones[0].offsets.len(), 1);
    assert_eq!(settings.zones[0].offsets[0].1, 7 * 3_600);
    let berlin = &settings.zones[1].offsets;
    // 2026-03-29T01:00:00Z and 2026-10-25T01:00:00Z.
    assert_eq!(berlin[0].1, 3_600);
    assert_eq!(berlin[1], (UnixMs(1_774_746_000_000), 7_200));
    assert_eq!(berlin[2], (UnixMs(1_792_890_000_000), 3_600));
    for zone in &settings.zones {
        assert!(
            zone.offsets
                .windows(2)
                .all(|w| w[0].0 < w[1].0 && w[0].1 != w[1].1),
            "{}",
            zone.name
        );
        assert!(zone.offsets.len() < 200, "{}", zone.name);
    }
    let unknown = config
        .settings(&["Asia/Saigoon".to_owned()], 1)
        .unwrap_err();
    assert!(unknown.to_string().contains("Asia/Saigoon"), "{unknown}");
}

#[test]
fn the_report_tells_what_the_file_means_or_all_that_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tandem.toml");
    std::fs::write(&file, EXAMPLE).unwrap();
    let (text, may_start) = check_report(&file);
    assert!(may_start, "{text}");
    assert!(
        text.contains("campaign PL-B2-HCM (paused): 1.2 lines per agent, 08:00-20:00"),
        "{text}"
    );
    assert!(!text.contains("change-me"), "{text}");
    std::fs::write(&file, "cps = 1\nports = 2\n").unwrap();
    let (text, may_start) = check_report(&file);
    assert!(!may_start);
    assert!(text.contains("4 faults; nothing was started."), "{text}");
}
