//! `[[campaigns]]`: rules, pacing and what happens to a lead afterwards. Owns what holds within one campaign and its
//! references to trunks and skills.

use super::inbound::{self, InboundConfig};
use super::load::{is_e164, own_name, required};
use super::reader::{Section, Sink};
use super::{CampaignConfig, RecordingMode, TrunkConfig, modes, nearest};
use crate::core::results::SystemResult;
use crate::core::settings::{
    CampaignSettings, CampaignState, GateSettings, InboundSettings, Recycle, SkillNeed, WrapOverrun,
};
use crate::ids::{SkillId, TrunkId};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Most campaigns of one engine.
const CAMPAIGNS_MAX: usize = 1_000;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When a result brings a lead back, and the range of it in minutes. NOT_SENT is absent: no call was made, and the lead
/// goes back at once.
const RECYCLE: [(SystemResult, &str, RangeInclusive<f64>); 11] = [
    (SystemResult::Connected, "connected_min", 0.0..=525_600.0),
    (SystemResult::Abandoned, "abandoned_min", 0.0..=525_600.0),
    (
        SystemResult::CustHangupEarly,
        "cust_hangup_early_min",
        0.0..=525_600.0,
    ),
    (SystemResult::NoAnswer, "no_answer_min", 0.0..=525_600.0),
    (SystemResult::Busy, "busy_min", 0.0..=525_600.0),
    (SystemResult::Rejected, "rejected_min", 0.0..=525_600.0),
    (SystemResult::Machine, "machine_min", 0.0..=525_600.0),
    (SystemResult::Cancelled, "cancelled_min", 0.0..=525_600.0),
    // Nobody knows whether the phone rang: never sooner than the usual gap (domain.md, "System results").
    (
        SystemResult::Interrupted,
        "interrupted_min",
        120.0..=525_600.0,
    ),
    (SystemResult::Invalid, "invalid_min", 0.0..=525_600.0),
    (SystemResult::TrunkFail, "trunk_fail_min", 0.1..=525_600.0),
];

/// Reads all campaigns.
pub(super) fn read(
    top: &mut Section<'_>,
    sink: &mut Sink<'_>,
    trunks: &[TrunkConfig],
    skills: &[String],
    zone: &str,
    inbound: &InboundConfig,
) -> Vec<CampaignConfig> {
    let sections = top.tables(sink, "campaigns");
    if sections.is_empty() && !top.has("campaigns") {
        let expected = "at least one [[campaigns]]";
        top.fault(sink, "campaigns", "are missing".into(), expected);
    }
    if sections.len() > CAMPAIGNS_MAX {
        let what = format!("are {}", sections.len());
        top.fault(sink, "campaigns", what, &format!("at most {CAMPAIGNS_MAX}"));
    }
    let mut taken = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    sections
        .into_iter()
        .map(|section| {
            let mut campaign = campaign(
                section,
                sink,
                trunks,
                skills,
                zone,
                (&mut taken, &mut numbers),
            );
            campaign.settings.inbound = inbound.settings.clone();
            campaign
        })
        .collect()
}

fn campaign(
    mut section: Section<'_>,
    sink: &mut Sink<'_>,
    trunks: &[TrunkConfig],
    skills: &[String],
    zone: &str,
    (taken, numbers): (&mut BTreeMap<String, usize>, &mut BTreeMap<String, String>),
) -> CampaignConfig {
    let read = &mut section;
    let name = own_name(read, sink, taken);
    let caller_id = caller_id(read, sink);
    let inbound_numbers = inbound::numbers(read, sink, numbers, &name);
    let why = read.parsed(sink, "why", "a sentence of at most 80 characters", |text| {
        (text.chars().count() <= 80).then(|| text.to_owned())
    });
    let state = [CampaignState::Paused, CampaignState::Running]
        [read.word(sink, "state", &["paused", "running"], 0)];
    let wrap_overrun = [WrapOverrun::Ready, WrapOverrun::Hold]
        [read.word(sink, "wrap_overrun", &["ready", "hold"], 0)];
    let settings = CampaignSettings {
        name,
        state,
        mode: modes::mode(read, sink),
        shadow: modes::shadow(read, sink),
        weight: read.whole(sink, "weight", 1..=100, "shares", 10) as u16,
        lines_max: read.whole(sink, "lines_max", 1..=20_000, "lines", 500) as u32,
        cps_max: read.whole(sink, "cps_max", 1..=1_000, "calls per second", 10) as u32,
        ring_timeout: read.seconds(sink, "ring_timeout_s", 5..=120, Duration::from_secs(25)),
        answer_limit: read.millis(sink, "answer_limit_ms", 0..=10_000, Duration::from_secs(2)),
        wrap: read.seconds(sink, "wrap_s", 0..=3_600, Duration::from_secs(25)),
        wrap_overrun,
        preview: modes::preview(read, sink),
        cancel_ringing: modes::cancel_ringing(read, sink),
        trunks: own_trunks(read, sink, trunks),
        needs: needs(read, sink, skills),
        gate: gate(read, sink),
        attempts_max: read.whole(sink, "attempts_max", 1..=1_000, "attempts per lead", 10) as u16,
        abandon: super::abandon::read(read.table(sink, "abandon"), sink, zone),
        recycle: recycle(read.table(sink, "recycle"), sink),
        spoken: inbound::spoken(read, sink),
        inbound: InboundSettings::default(),
    };
    let recording = super::recording::rule(read, sink);
    let mut settings = settings;
    // On demand the agent says that he records.
    let recording_notice = settings.spoken.recording_notice.clone();
    if recording.mode != RecordingMode::Always {
        settings.spoken.recording_notice = None;
    }
    section.finish(sink);
    CampaignConfig {
        settings,
        caller_id,
        why,
        inbound_numbers,
        recording,
        recording_notice,
    }
}

fn caller_id(section: &mut Section<'_>, sink: &mut Sink<'_>) -> String {
    let expected = "a number in E.164, \"+842873000000\": '+', country code, 7 to 15 digits in all";
    let Some(text) = required(section, sink, "caller_id", expected) else {
        return String::new();
    };
    if !is_e164(text.value) {
        section.fault(
            sink,
            "caller_id",
            format!("is \"{}\"", text.value),
            expected,
        );
    }
    text.value.to_owned()
}

fn own_trunks(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    trunks: &[TrunkConfig],
) -> Vec<TrunkId> {
    let expected = "a list of names of [[trunks]]; absent or empty: all of them";
    let mut list = Vec::new();
    for text in section.texts(sink, "trunks", expected).unwrap_or_default() {
        let known = trunks.iter().map(|trunk| trunk.settings.name.as_str());
        let Some(index) = known.clone().position(|name| name == text.value) else {
            sink.guess(
                text.at,
                section.name("trunks"),
                format!("names \"{}\", which is no trunk", text.value),
                Some(expected.to_owned()),
                nearest(text.value, known).map(str::to_owned),
            );
            continue;
        };
        let id = TrunkId(index as u16);
        if list.contains(&id) {
            let what = format!("names \"{}\" twice", text.value);
            sink.fault(text.at, section.name("trunks"), what, None);
        } else {
            list.push(id);
        }
    }
    list
}

fn needs(section: &mut Section<'_>, sink: &mut Sink<'_>, skills: &[String]) -> Vec<SkillNeed> {
    let mut list: Vec<SkillNeed> = Vec::new();
    for mut need in section.tables(sink, "needs") {
        let expected = "a name in `skills`";
        let skill = required(&mut need, sink, "skill", expected);
        let level = need.whole(sink, "level", 1..=10, "levels", 1) as u8;
        if let Some(text) = skill {
            match skills.iter().position(|name| name == text.value) {
                Some(index) if list.iter().any(|other| usize::from(other.skill.0) == index) => {
                    need.fault(
                        sink,
                        "skill",
                        format!("\"{}\" is there twice", text.value),
                        "",
                    );
                }
                Some(index) => list.push(SkillNeed {
                    skill: SkillId(index as u16),
                    level,
                }),
                None => sink.guess(
                    text.at,
                    need.name("skill"),
                    format!("is \"{}\", which is no skill", text.value),
                    Some(expected.to_owned()),
                    nearest(text.value, skills.iter().map(String::as_str)).map(str::to_owned),
                ),
            }
        }
        need.finish(sink);
    }
    list
}

fn gate(section: &mut Section<'_>, sink: &mut Sink<'_>) -> GateSettings {
    let from = minute(section, sink, "window_from").unwrap_or(8 * 60);
    let until = minute(section, sink, "window_until").unwrap_or(20 * 60);
    if until <= from {
        section.fault(
            sink,
            "window_until",
            format!(
                "is {}, not after window_from ({})",
                clock(until),
                clock(from)
            ),
            "a later minute of the same day, at most \"24:00\"",
        );
    }
    GateSettings {
        window_from_min: from,
        window_until_min: until,
        weekdays: weekdays(section, sink),
        attempts_per_day: section.whole(sink, "attempts_per_day", 1..=100, "attempts per person", 3)
            as u8,
        gap_min: Duration::from_secs(
            60 * section.whole(sink, "attempt_gap_min", 0..=10_080, "minutes", 120),
        ),
    }
}

/// `"08:00"` as the minute of the day; `"24:00"` is its end.
fn minute(section: &mut Section<'_>, sink: &mut Sink<'_>, key: &'static str) -> Option<u16> {
    section.parsed(
        sink,
        key,
        "local time as \"08:00\", \"00:00\" to \"24:00\"",
        |text| {
            let (hour, minute) = text.split_once(':')?;
            let digits = |part: &str| {
                (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
                    .then(|| part.parse::<u16>().ok())
                    .flatten()
            };
            let (hour, minute) = (digits(hour)?, digits(minute)?);
            let all = hour * 60 + minute;
            (minute < 60 && all <= 24 * 60).then_some(all)
        },
    )
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn weekdays(section: &mut Section<'_>, sink: &mut Sink<'_>) -> u8 {
    let expected = "days, [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]";
    let Some(texts) = section.texts(sink, "weekdays", expected) else {
        return 0b111_1111;
    };
    if texts.is_empty() {
        let what = "is empty: the campaign would never dial".to_owned();
        section.fault(sink, "weekdays", what, expected);
    }
    let mut bits = 0;
    for text in texts {
        match DAYS.iter().position(|day| *day == text.value) {
            Some(day) => bits |= 1 << day,
            None => sink.guess(
                text.at,
                section.name("weekdays"),
                format!("has \"{}\"", text.value),
                Some(expected.to_owned()),
                nearest(text.value, DAYS).map(str::to_owned),
            ),
        }
    }
    bits
}

fn recycle(mut section: Section<'_>, sink: &mut Sink<'_>) -> Vec<(SystemResult, Recycle)> {
    let mut list = Vec::new();
    for (result, key, range) in RECYCLE {
        if let Some(rule) = section.minutes_or_never(sink, key, range) {
            list.push((result, rule.map_or(Recycle::Never, Recycle::After)));
        }
    }
    section.finish(sink);
    list
}
