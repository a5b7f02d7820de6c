//! TOML -> [`Scenario`]: every key with its range and default, every fault with its place and reason, all of them at once.
//!
//! Opens no file: it is handed the text.

use super::scenario::{
    Absence, Analysis, Campaign, Carrier, Channels, Group, HARD_CAP_TIMES, Length, List, Matrix,
    Mode, Outage, OutageKind, Scenario, Segment, Spread, Talk,
};
use crate::config::reader::{Section, Sink, syntax_place};
use crate::config::{Faults, nearest};
use crate::core::results::SystemResult;
use crate::core::settings::{FloorSettings, Recycle, SkillNeed};
use crate::ids::{CampaignId, SkillId};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;
use toml::de::DeTable;

/// Most agents of a scenario.
pub const AGENTS_MAX: u32 = 20_000;
/// A day and a night.
const HOURS_MAX: f64 = 24.0;
const SECONDS: RangeInclusive<f64> = 0.0..=86_400.0;
const MINUTES: RangeInclusive<f64> = 0.0..=1_440.0;
const SHARE: RangeInclusive<f64> = 0.0..=1.0;
const TIME: &str = "a time of day, \"08:00\" to \"24:00\"";

/// A scenario from its text; `path` is its name in faults, and the name of the scenario without its ending.
pub fn scenario(text: &str, path: &Path) -> Result<Scenario, Faults> {
    let mut sink = Sink::new(text);
    let scenario = read(text, path, &mut sink);
    match scenario {
        Some(scenario) if sink.is_clean() => Ok(scenario),
        _ => Err(Faults {
            file: path.to_owned(),
            list: sink.into_faults(),
        }),
    }
}

/// Minutes after midnight.
pub fn time_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let is_two_digits = |part: &str| part.len() == 2 && part.bytes().all(|c| c.is_ascii_digit());
    if !is_two_digits(hours) || !is_two_digits(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= 1_440).then_some(all)
}

fn read(text: &str, path: &Path, sink: &mut Sink<'_>) -> Option<Scenario> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let what = format!("is not TOML: {}", error.message());
        sink.fault(syntax_place(error.span()), String::new(), what, None);
    }
    if !errors.is_empty() {
        return None;
    }
    let mut top = Section::root(table.get_ref());
    let name = path.file_stem().map_or_else(
        || "scenario".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    let title = top
        .text(sink, "title", "a line of words")
        .map_or_else(|| name.clone(), |text| text.value.to_owned());
    let about = top
        .text(sink, "about", "some sentences in one line")
        .map_or_else(String::new, |text| text.value.to_owned());
    let start_min = top
        .parsed(sink, "start", TIME, time_of_day)
        .unwrap_or(8 * 60);
    let hours = number(&mut top, sink, "hours", 0.05..=HOURS_MAX, "hours", 4.0);
    let first_seed = top.whole(sink, "first_seed", 0..=1_000_000_000, "the first seed", 1);
    let seeds = top.whole(sink, "seeds", 1..=1_000, "seeds", 3);
    let skills: Vec<String> = top
        .texts(sink, "skills", "a list of names")
        .unwrap_or_default()
        .iter()
        .map(|skill| skill.value.to_owned())
        .collect();
    let (floor, intent_delay) = floor(top.table(sink, "floor"), sink);
    let carrier = carrier(top.table(sink, "carrier"), sink);
    let analysis = analysis(top.table(sink, "analysis"), sink);
    let sections = top.tables(sink, "campaigns");
    if sections.is_empty() {
        let what = "is missing".to_owned();
        top.fault(sink, "campaigns", what, "at least one [[campaigns]]");
    }
    let mut campaigns: Vec<Campaign> = Vec::new();
    for section in sections {
        let campaign = campaign(section, sink, &skills, &campaigns);
        campaigns.push(campaign);
    }
    let sections = top.tables(sink, "agents");
    if sections.is_empty() {
        let what = "is missing".to_owned();
        top.fault(sink, "agents", what, "at least one [[agents]]");
    }
    let groups: Vec<Group> = sections
        .into_iter()
        .map(|section| group(section, sink, &skills, &campaigns))
        .collect();
    let matrix = matrix(top.table(sink, "matrix"), sink);
    top.finish(sink);
    Some(Scenario {
        name,
        title,
        about,
        start_min,
        length: Duration::from_secs((hours * 3_600.0).round() as u64),
        seeds: (first_seed, seeds),
        floor,
        intent_delay,
        carrier,
        analysis,
        skills,
        groups,
        campaigns,
        matrix,
    })
}

fn number(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    key: &'static str,
    range: RangeInclusive<f64>,
    of: &str,
    default: f64,
) -> f64 {
    section
        .decimal(sink, key, range, of)
        .map_or(default, |number| number.value)
}

fn seconds_in_minutes(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    key: &'static str,
) -> Option<f64> {
    let minutes = section.decimal(sink, key, MINUTES, "minutes into the shift")?;
    Some(minutes.value * 60.0)
}

/// Two bounds in ascending order.
fn bounds(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    key: &'static str,
    default: (f64, f64),
) -> (f64, f64) {
    match section
        .decimals(sink, key, 2..=2, SECONDS, "seconds")
        .as_deref()
    {
        Some([from, to]) if from <= to => (*from, *to),
        Some(_) => {
            let what = "is the wrong way round".to_owned();
            section.fault(sink, key, what, "the lower bound first");
            default
        }
        None => default,
    }
}

fn spread(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    (mean, cv): (&'static str, &'static str),
    default: Spread,
) -> Spread {
    Spread {
        mean_s: number(section, sink, mean, SECONDS, "seconds", default.mean_s),
        cv: number(
            section,
            sink,
            cv,
            0.0..=10.0,
            "standard deviations per mean",
            default.cv,
        ),
    }
}

fn floor(mut section: Section<'_>, sink: &mut Sink<'_>) -> (FloorSettings, Duration) {
    let default = FloorSettings::default();
    let floor = FloorSettings {
        tick: section.millis(sink, "tick_ms", 10..=1_000, default.tick),
        // Sized for any scenario: what bounds a simulated floor are its own limits.
        attempts_max: 1_000_000,
        ..default
    };
    let intent = Duration::from_millis(2);
    let intent = section.millis(sink, "intent_ms", 0..=10_000, intent);
    section.finish(sink);
    (floor, intent)
}

fn carrier(mut section: Section<'_>, sink: &mut Sink<'_>) -> Carrier {
    let default = Carrier::default();
    let lines = section.whole(sink, "lines", 1..=1_000_000, "lines", 1_000_000) as u32;
    let per_agent = section.decimal(sink, "lines_per_agent", 0.1..=1_000.0, "lines per agent");
    let channels = match per_agent {
        Some(lines) => Channels::PerAgent(lines.value),
        None => Channels::Fixed(lines),
    };
    if section.has("lines") && section.has("lines_per_agent") {
        let what = "is written beside lines".to_owned();
        section.fault(sink, "lines_per_agent", what, "one of the two");
    }
    let calls_per_second = section.whole(
        sink,
        "calls_per_second",
        1..=10_000,
        "INVITEs per second",
        1_000,
    ) as u32;
    let setup_s = bounds(&mut section, sink, "setup_s", default.setup_s);
    let ring = spread(&mut section, sink, ("ring_mean_s", "ring_cv"), default.ring);
    let ring_max_s = number(
        &mut section,
        sink,
        "ring_max_s",
        0.1..=300.0,
        "seconds",
        default.ring_max_s,
    );
    let hangs_up_s = number(
        &mut section,
        sink,
        "hangs_up_s",
        0.0..=10.0,
        "seconds",
        default.hangs_up_s,
    );
    let mut outages = Vec::new();
    for mut outage in section.tables(sink, "outages") {
        let kinds = ["refuses", "silent", "down"];
        let kind = match outage.word(sink, "kind", &kinds, 0) {
            1 => OutageKind::Silent,
            2 => OutageKind::Down,
            _ => OutageKind::Refuses,
        };
        let at_s = seconds_in_minutes(&mut outage, sink, "at_min").unwrap_or(0.0);
        let length_s = number(&mut outage, sink, "seconds", SECONDS, "seconds", 60.0);
        outages.push(Outage {
            at_s,
            length_s,
            kind,
        });
        outage.finish(sink);
    }
    section.finish(sink);
    Carrier {
        channels,
        calls_per_second,
        setup_s,
        ring,
        ring_max_s,
        hangs_up_s,
        outages,
    }
}

fn analysis(mut section: Section<'_>, sink: &mut Sink<'_>) -> Option<Analysis> {
    let default = Analysis::default();
    let listens = section.flag(sink, "listens", true);
    let analysis = Analysis {
        person_s: bounds(&mut section, sink, "person_s", default.person_s),
        machine_s: bounds(&mut section, sink, "machine_s", default.machine_s),
        people_lost: number(
            &mut section,
            sink,
            "people_called_machines",
            SHARE,
            "people",
            default.people_lost,
        ),
        machines_passed: number(
            &mut section,
            sink,
            "machines_called_people",
            SHARE,
            "machines",
            default.machines_passed,
        ),
    };
    section.finish(sink);
    listens.then_some(analysis)
}

/// "name:level" -> index and level; a level that is left out is 1.
fn named(
    sink: &mut Sink<'_>,
    at: usize,
    text: &str,
    names: &[&str],
    key: &str,
    most: u16,
) -> Option<(u16, u16)> {
    let (name, level) = match text.rsplit_once(':') {
        Some((name, level)) => (name, level.parse::<u16>().ok()),
        None => (text, Some(1)),
    };
    let found = names.iter().position(|known| *known == name);
    match (found, level.filter(|level| (1..=most).contains(level))) {
        (Some(found), Some(level)) => Some((found as u16, level)),
        (None, _) => {
            let guess = nearest(name, names.iter().copied()).map(str::to_owned);
            let expected = Some("a name that this file defines".to_owned());
            sink.guess(
                at,
                key.to_owned(),
                format!("names \"{name}\""),
                expected,
                guess,
            );
            None
        }
        (_, None) => {
            let expected = Some(format!("\"{name}\" or \"{name}:3\", 1 to {most}"));
            sink.fault(at, key.to_owned(), format!("is \"{text}\""), expected);
            None
        }
    }
}

fn group(
    mut section: Section<'_>,
    sink: &mut Sink<'_>,
    skills: &[String],
    campaigns: &[Campaign],
) -> Group {
    let skills: Vec<&str> = skills.iter().map(String::as_str).collect();
    let names: Vec<&str> = campaigns.iter().map(|one| one.name.as_str()).collect();
    let name = section
        .text(sink, "name", "a name")
        .map_or_else(|| "agents".to_owned(), |text| text.value.to_owned());
    let most = u64::from(AGENTS_MAX);
    let count = section.whole(sink, "count", 0..=most, "agents", 30) as u32;
    let from_s = seconds_in_minutes(&mut section, sink, "from_min").unwrap_or(0.0);
    let over_s = number(&mut section, sink, "over_s", SECONDS, "seconds", 300.0);
    let until_s = seconds_in_minutes(&mut section, sink, "until_min");
    let served = section.texts(sink, "campaigns", "campaigns and weights, \"a:2\"");
    let key = section.name("campaigns");
    let served = served
        .unwrap_or_default()
        .iter()
        .filter_map(|one| named(sink, one.at, one.value, &names, &key, 100))
        .map(|(id, weight)| (CampaignId(id), weight))
        .collect();
    let able = section.texts(sink, "skills", "skills and levels, \"a:3\"");
    let key = section.name("skills");
    let able = able
        .unwrap_or_default()
        .iter()
        .filter_map(|one| named(sink, one.at, one.value, &skills, &key, 10))
        .map(|(id, level)| (SkillId(id), level as u8))
        .collect();
    let pause_share = number(&mut section, sink, "pause_share", SHARE, "wrap-ups", 0.01);
    let pause_mean_s = number(
        &mut section,
        sink,
        "pause_mean_s",
        SECONDS,
        "seconds",
        180.0,
    );
    let mut absences = Vec::new();
    for mut absence in section.tables(sink, "absences") {
        let at_s = seconds_in_minutes(&mut absence, sink, "at_min").unwrap_or(0.0);
        let over_s = number(&mut absence, sink, "over_s", SECONDS, "seconds", 0.0);
        let share = number(&mut absence, sink, "share", SHARE, "the group", 0.0);
        let gone = absence.whole(sink, "count", 0..=most, "agents", 0) as u32;
        let back = absence.decimal(sink, "minutes", MINUTES, "minutes");
        if share == 0.0 && gone == 0 {
            let what = "is missing".to_owned();
            absence.fault(sink, "share", what, "share or count above 0");
        }
        absences.push(Absence {
            at_s,
            over_s,
            share,
            count: gone,
            back_after_s: back.map(|minutes| minutes.value * 60.0),
        });
        absence.finish(sink);
    }
    section.finish(sink);
    Group {
        name,
        count,
        from_s,
        over_s,
        until_s,
        campaigns: served,
        skills: able,
        pause_share,
        pause_mean_s,
        absences,
    }
}

fn campaign(
    mut section: Section<'_>,
    sink: &mut Sink<'_>,
    skills: &[String],
    before: &[Campaign],
) -> Campaign {
    let read = &mut section;
    let name = read.text(sink, "name", "a name").map_or_else(
        || format!("campaign {}", before.len() + 1),
        |text| text.value.to_owned(),
    );
    if before.iter().any(|campaign| campaign.name == name) {
        let what = format!("is \"{name}\", as that of another campaign");
        read.fault(sink, "name", what, "a name of its own");
    }
    let mode = read
        .parsed(sink, "mode", Mode::WORDS, Mode::of)
        .unwrap_or(Mode::PROGRESSIVE);
    let people = "people who answered";
    let cap = number(read, sink, "cap", SHARE, people, 0.03);
    let times = (cap * HARD_CAP_TIMES).min(1.0);
    let hard_cap = number(read, sink, "hard_cap", SHARE, people, times);
    if hard_cap < cap {
        let what = format!("is {hard_cap}, below the cap of {cap}");
        let expected = "at least what pacing steers at";
        read.fault(sink, "hard_cap", what, expected);
    }
    let is_guarantee = read.word(sink, "strength", &["target", "guarantee"], 0) == 1;
    let cancel_ringing = read.has("cancel_ringing_after_s").then(|| {
        let key = "cancel_ringing_after_s";
        Duration::from_secs(read.whole(sink, key, 15..=120, "seconds", 15))
    });
    let weight = read.whole(sink, "weight", 1..=100, "weight", 1) as u16;
    let lines_max = read.whole(sink, "lines_max", 1..=1_000_000, "lines", 1_000_000) as u32;
    let calls_per_second = read.whole(
        sink,
        "calls_per_second",
        1..=10_000,
        "INVITEs per second",
        1_000,
    ) as u32;
    let ring_timeout = number(read, sink, "ring_timeout_s", 5.0..=300.0, "seconds", 24.0);
    let answer_limit = number(read, sink, "answer_limit_s", 0.0..=30.0, "seconds", 2.0);
    let patience_s = number(read, sink, "patience_s", 0.0..=600.0, "seconds", 2.0);
    let names: Vec<&str> = skills.iter().map(String::as_str).collect();
    let needs = read.texts(sink, "needs", "skills and levels, \"a:3\"");
    let key = read.name("needs");
    let needs = needs
        .unwrap_or_default()
        .iter()
        .filter_map(|one| named(sink, one.at, one.value, &names, &key, 10))
        .map(|(skill, level)| SkillNeed {
            skill: SkillId(skill),
            level: level as u8,
        })
        .collect();
    let opens = read.parsed(sink, "opens", TIME, time_of_day).unwrap_or(0);
    let closes = read.parsed(sink, "closes", TIME, time_of_day);
    let closes = closes.unwrap_or(1_440);
    if opens >= closes {
        read.fault(sink, "closes", "is not after opens".into(), TIME);
    }
    let attempts_per_day = read.whole(sink, "attempts_per_day", 1..=32, "attempts", 3) as u8;
    let gap = number(read, sink, "gap_min", 0.0..=10_080.0, "minutes", 120.0);
    let mut retry = read.table(sink, "retry");
    let recycle = [
        (SystemResult::NoAnswer, "no_answer_min"),
        (SystemResult::Busy, "busy_min"),
        (SystemResult::Machine, "machine_min"),
        (SystemResult::Abandoned, "abandoned_min"),
    ]
    .into_iter()
    .filter_map(|(result, key)| {
        let wait = retry.minutes_or_never(sink, key, 0.0..=525_600.0)?;
        Some((result, wait.map_or(Recycle::Never, Recycle::After)))
    })
    .collect();
    retry.finish(sink);
    let list = list(read, sink);
    let talk = talk(read, sink);
    let machine_talk_s = bounds(read, sink, "machine_talk_s", (3.0, 8.0));
    let wrap = Spread {
        mean_s: 20.0,
        cv: 0.4,
    };
    let wrap = spread(read, sink, ("wrap_mean_s", "wrap_cv"), wrap);
    section.finish(sink);
    Campaign {
        name,
        mode,
        cap,
        hard_cap,
        is_guarantee,
        cancel_ringing,
        weight,
        lines_max,
        calls_per_second,
        ring_timeout: Duration::from_secs_f64(ring_timeout),
        answer_limit: Duration::from_secs_f64(answer_limit),
        patience_s,
        needs,
        window_min: (opens, closes),
        attempts_per_day,
        gap: Duration::from_secs_f64(gap * 60.0),
        recycle,
        list,
        talk,
        machine_talk_s,
        wrap,
    }
}

fn list(read: &mut Section<'_>, sink: &mut Sink<'_>) -> List {
    let rate = number(read, sink, "answer_rate", SHARE, "dialled phones", 0.2);
    let mut segments = Vec::new();
    for mut segment in read.tables(sink, "segments") {
        let number_of = segments.len() + 1;
        segments.push(Segment {
            name: segment.text(sink, "name", "a name").map_or_else(
                || format!("segment {number_of}"),
                |text| text.value.to_owned(),
            ),
            share: number(&mut segment, sink, "share", SHARE, "the list", 1.0),
            answer_rate: number(
                &mut segment,
                sink,
                "answer_rate",
                SHARE,
                "dialled phones",
                rate,
            ),
        });
        segment.finish(sink);
    }
    let sum: f64 = segments.iter().map(|segment| segment.share).sum();
    if !segments.is_empty() && (sum - 1.0).abs() > 1e-6 {
        let what = format!("have shares of {sum:.3} in all");
        read.fault(sink, "segments", what, "shares that sum to 1");
    }
    if segments.is_empty() {
        segments.push(Segment {
            name: "all".to_owned(),
            share: 1.0,
            answer_rate: rate,
        });
    }
    let block = read.whole(sink, "block", 1..=1_000_000, "leads", 1);
    let machines = number(
        read,
        sink,
        "machines",
        SHARE,
        "calls that nobody answers",
        0.12,
    );
    let fast = number(
        read,
        sink,
        "fast_failures",
        SHARE,
        "calls that nobody answers",
        0.15,
    );
    if machines + fast > 1.0 {
        let what = "is more than all, with machines".to_owned();
        read.fault(sink, "fast_failures", what, "at most 1 in all");
    }
    let leads = read.whole(
        sink,
        "leads",
        0..=100_000_000,
        "leads (0: the list never ends)",
        0,
    );
    let arrivals = read.decimal(sink, "arrivals_per_hour", 0.1..=1e6, "leads per hour");
    if leads > 0 && arrivals.is_some() {
        let what = "is written beside leads".to_owned();
        read.fault(sink, "arrivals_per_hour", what, "one of the two");
    }
    let length = match (leads, arrivals) {
        (_, Some(per_hour)) => Length::Arrivals {
            per_hour: per_hour.value,
        },
        (0, None) => Length::Endless,
        (leads, None) => Length::Leads(leads),
    };
    let hourly = read
        .decimals(sink, "hourly", 1..=24, 0.0..=10.0, "times the answer rate")
        .unwrap_or_default();
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for mut step in read.tables(sink, "steps") {
        let at_s = seconds_in_minutes(&mut step, sink, "at_min").unwrap_or(0.0);
        let of = "times the answer rate";
        let factor = number(&mut step, sink, "factor", 0.0..=100.0, of, 1.0);
        if steps.last().is_some_and(|(before, _)| *before >= at_s) {
            let what = "is not after the step before".to_owned();
            step.fault(sink, "at_min", what, "steps in order");
        }
        steps.push((at_s, factor));
        step.finish(sink);
    }
    List {
        length,
        segments,
        block,
        machines,
        fast_failures: fast,
        hourly,
        steps,
    }
}

fn talk(read: &mut Section<'_>, sink: &mut Sink<'_>) -> Vec<Talk> {
    let mut kinds: Vec<Talk> = Vec::new();
    for mut kind in read.tables(sink, "talk") {
        let share = number(&mut kind, sink, "share", SHARE, "conversations", 1.0);
        let default = Spread {
            mean_s: 75.0,
            cv: 1.0,
        };
        let spread = spread(&mut kind, sink, ("mean_s", "cv"), default);
        let is_right_party = kind.flag(sink, "right_party", false);
        kinds.push(Talk {
            share,
            spread,
            is_right_party,
        });
        kind.finish(sink);
    }
    let sum: f64 = kinds.iter().map(|kind| kind.share).sum();
    if !kinds.is_empty() && (sum - 1.0).abs() > 1e-6 {
        let what = format!("has shares of {sum:.3} in all");
        read.fault(sink, "talk", what, "shares that sum to 1");
    }
    if kinds.is_empty() {
        let kind = |share, mean_s, cv, is_right_party| Talk {
            share,
            spread: Spread { mean_s, cv },
            is_right_party,
        };
        kinds = vec![kind(0.4, 150.0, 0.9, true), kind(0.6, 25.0, 0.7, false)];
    }
    kinds
}

fn matrix(mut section: Section<'_>, sink: &mut Sink<'_>) -> Matrix {
    let most = f64::from(AGENTS_MAX);
    let agents = section.decimals(sink, "agents", 1..=20, 1.0..=most, "agents");
    let rates = section.decimals(sink, "answer_rates", 1..=20, 0.001..=1.0, "dialled phones");
    let caps = section.decimals(sink, "caps", 1..=20, SHARE, "people who answered");
    let modes = section
        .texts(sink, "modes", Mode::WORDS)
        .unwrap_or_default();
    let key = section.name("modes");
    let modes = modes
        .iter()
        .filter_map(|words| {
            let mode = Mode::of(words.value);
            if mode.is_none() {
                let what = format!("is \"{}\"", words.value);
                sink.fault(words.at, key.clone(), what, Some(Mode::WORDS.to_owned()));
            }
            mode
        })
        .collect();
    section.finish(sink);
    Matrix {
        agents: agents
            .unwrap_or_default()
            .into_iter()
            .map(|agents| agents.round() as u32)
            .collect(),
        answer_rates: rates.unwrap_or_default(),
        modes,
        caps: caps.unwrap_or_default(),
        hard_cap: None,
    }
}
