//! `mode` of a campaign, the ratios that belong to it, and how leads are previewed. Names every contradiction between them.

use super::reader::{Section, Sink};
use crate::core::settings::{DialMode, PreviewSettings, PreviewTimeout};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What a pacing ratio may be, in lines per agent. No built-in maximum of 3: at 8 % answers a good one needs 7 to 30
/// lines per free agent.
const RATIO: RangeInclusive<f64> = 0.1..=100.0;

/// The words of `mode`, from the agent alone to the forecast.
const WORDS: [&str; 5] = ["manual", "preview", "progressive", "ratio", "predictive"];

/// A pacing ratio in thousandths. `None` outside 0.1..=100 or with more than three decimals.
pub fn ratio_milli(ratio: f64) -> Option<u32> {
    let milli = (ratio * 1_000.0).round();
    let exact = (ratio * 1_000.0 - milli).abs() < 1e-6;
    (RATIO.contains(&ratio) && exact).then_some(milli as u32)
}

/// The three keys that say a mode.
struct ModeKeys {
    mode: &'static str,
    per_agent: &'static str,
    per_free: &'static str,
    words: &'static [&'static str],
}

const LIVE: ModeKeys = ModeKeys {
    mode: "mode",
    per_agent: "lines_per_agent",
    per_free: "lines_per_free_agent",
    words: &WORDS,
};

/// What agents would have asked for themselves nobody can tell: only modes that start lines cast a shadow.
const SHADOW: ModeKeys = ModeKeys {
    mode: "shadow_mode",
    per_agent: "shadow_lines_per_agent",
    per_free: "shadow_lines_per_free_agent",
    words: &["progressive", "ratio", "predictive"],
};

/// `mode`, with `lines_per_agent` or `lines_per_free_agent` where it is a ratio; never both: they differ by the share of
/// agents who are free. Without `mode`, a ratio that is given means "ratio", and none "progressive".
pub(super) fn mode(section: &mut Section<'_>, sink: &mut Sink<'_>) -> DialMode {
    said(section, sink, &LIVE).unwrap_or(DialMode::Progressive)
}

/// `shadow_mode`, in the same way; `None` where none of its keys is there.
pub(super) fn shadow(section: &mut Section<'_>, sink: &mut Sink<'_>) -> Option<DialMode> {
    said(section, sink, &SHADOW)
}

fn said(section: &mut Section<'_>, sink: &mut Sink<'_>, keys: &ModeKeys) -> Option<DialMode> {
    let per_agent = ratio(section, sink, keys.per_agent);
    let per_free = ratio(section, sink, keys.per_free);
    if section.has(keys.per_agent) && section.has(keys.per_free) {
        let expected = "one of the two, or neither (one line per free agent)";
        let what = format!("stands beside {}", keys.per_agent);
        section.fault(sink, keys.per_free, what, expected);
    }
    let given = [keys.per_agent, keys.per_free]
        .into_iter()
        .find(|key| section.has(key));
    let meant = if given.is_some() {
        "ratio"
    } else {
        "progressive"
    };
    let place = keys.words.iter().position(|word| *word == meant);
    let word = keys.words[section.word(sink, keys.mode, keys.words, place.unwrap_or(0))];
    match given {
        Some(key) if word != "ratio" => {
            let what = format!("stands beside {} = \"{word}\"", keys.mode);
            let expected = format!("{} = \"ratio\", or no ratio", keys.mode);
            section.fault(sink, key, what, &expected);
        }
        None if word == "ratio" => {
            let expected = format!("{} or {} beside it", keys.per_agent, keys.per_free);
            let what = "is \"ratio\" without a ratio".to_owned();
            section.fault(sink, keys.mode, what, &expected);
        }
        None if !section.has(keys.mode) => return None,
        _ => {}
    }
    Some(match (word, per_agent, per_free) {
        ("manual", ..) => DialMode::Manual,
        ("preview", ..) => DialMode::Preview,
        ("predictive", ..) => DialMode::Predictive,
        (_, Some(milli), _) => DialMode::LinesPerAgent { milli },
        (_, None, Some(milli)) => DialMode::LinesPerFreeAgent { milli },
        (_, None, None) => DialMode::Progressive,
    })
}

fn ratio(section: &mut Section<'_>, sink: &mut Sink<'_>, key: &'static str) -> Option<u32> {
    let number = section.decimal(sink, key, RATIO, "lines per agent")?;
    let milli = ratio_milli(number.value);
    if milli.is_none() {
        let what = format!("is {}", number.value);
        sink.fault(
            number.at,
            section.name(key),
            what,
            Some("at most three decimals".into()),
        );
    }
    milli
}

/// From which age of ringing a predicted call may be cancelled; absent: never.
pub(super) fn cancel_ringing(section: &mut Section<'_>, sink: &mut Sink<'_>) -> Option<Duration> {
    // No rule of law lets a phone ring for less than 15 s or four times (16 CFR 310.4(b)(4)(ii)).
    let seconds = section.whole(sink, "cancel_ringing_after_s", 15..=120, "seconds", 15);
    if !section.has("cancel_ringing_after_s") {
        return None;
    }
    Some(Duration::from_secs(seconds))
}

/// How leads are shown before they are dialled. Read in every mode: a supervisor may switch at any time.
pub(super) fn preview(section: &mut Section<'_>, sink: &mut Sink<'_>) -> PreviewSettings {
    let default = PreviewSettings::default();
    let rules = [
        PreviewTimeout::Dial,
        PreviewTimeout::Skip,
        PreviewTimeout::Break,
    ];
    PreviewSettings {
        timeout: section.seconds(sink, "preview_timeout_s", 5..=600, default.timeout),
        on_timeout: rules[section.word(sink, "preview_on_timeout", &["dial", "skip", "break"], 1)],
        skips_max: section.whole(sink, "preview_skips_max", 0..=100, "previews", 3) as u8,
        skip_gap: Duration::from_secs(
            60 * section.whole(sink, "preview_skip_gap_min", 1..=10_080, "minutes", 60),
        ),
        hold: section.seconds(sink, "manual_hold_s", 30..=3_600, default.hold),
    }
}
