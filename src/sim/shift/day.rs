//! A scenario out of a recorded day: who answered when, how long it rang, how long people talked and agents wrapped up, and when
//! agents were there. Measures and writes down; what a day does not tell is a default, and said to be one.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Fewer dialled phones in an hour say nothing about that hour.
const DIALS_MIN: usize = 30;
/// A segment with fewer dialled phones is put to the others.
const SEGMENT_MIN: usize = 50;
/// Most segments of a list; the smaller ones are put together.
const SEGMENTS_MAX: usize = 12;
/// A wrap-up above it is a break that nobody asked for.
const WRAP_MAX_S: f64 = 600.0;
/// Agents who came and went within the same steps are one group.
const STEP_S: f64 = 1_800.0;

/// What a call came to, as far as a scenario tells it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A person was on the line.
    Person,
    /// A machine.
    Machine,
    /// Busy, refused, or a dead number.
    FastFailure,
    /// It rang out.
    NoAnswer,
    /// Ours: the trunk, a cancel, a crash. Says nothing about the list.
    Ours,
}

/// One call of the day. Times are seconds, from midnight or as lengths.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Name of its campaign.
    pub campaign: String,
    /// Segment of its lead.
    pub segment: Option<String>,
    /// When it was dialled.
    pub at_s: f64,
    /// Until it rang.
    pub setup_s: Option<f64>,
    /// From there until it was answered, or until it ended.
    pub ring_s: Option<f64>,
    /// What it came to.
    pub seen: Seen,
    /// How long the conversation was.
    pub talk_s: Option<f64>,
    /// And the wrap-up.
    pub wrap_s: Option<f64>,
    /// Whether it was the right party.
    pub is_right_party: bool,
    /// Who had it.
    pub agent: Option<u32>,
}

/// The day holds too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the day holds {people} answered calls; a scenario needs at least {PEOPLE_MIN}")]
pub struct TooLittle {
    /// Calls that people answered.
    pub people: usize,
}

/// Fewer answers make no rate.
pub const PEOPLE_MIN: usize = 20;

/// Mean and coefficient of variation.
fn spread(times: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let times: Vec<f64> = times.filter(|time| *time >= 0.0).collect();
    if times.len() < 2 {
        return None;
    }
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let squares: f64 = times.iter().map(|time| (time - mean) * (time - mean)).sum();
    let deviation = (squares / (times.len() - 1) as f64).sqrt();
    (mean > 0.0).then(|| (mean, deviation / mean))
}

/// What this share of the times is at most.
fn quantile(mut times: Vec<f64>, share: f64) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    let last = times.len().checked_sub(1)?;
    times.get((share * last as f64).round() as usize).copied()
}

fn rate(calls: &[&Observed]) -> f64 {
    let people = calls
        .iter()
        .filter(|call| call.seen == Seen::Person)
        .count();
    let all = calls.iter().filter(|call| call.seen != Seen::Ours).count();
    people as f64 / all.max(1) as f64
}

/// The text of a scenario that is like this day; `from` says where the day was recorded.
pub fn scenario_text(day: &[Observed], from: &str) -> Result<String, TooLittle> {
    let people = day.iter().filter(|call| call.seen == Seen::Person).count();
    if people < PEOPLE_MIN {
        return Err(TooLittle { people });
    }
    let begins = day.iter().map(|call| call.at_s).fold(f64::MAX, f64::min);
    let ends = day.iter().map(|call| call.at_s).fold(0.0, f64::max);
    // Whole steps around the day's dialling.
    let begins = (begins / STEP_S).floor() * STEP_S;
    let hours = (((ends - begins) / STEP_S).ceil() * STEP_S / 3_600.0).clamp(0.5, 24.0);
    let mut text = String::new();
    let quoted = toml_text(&format!("Like the day of {from}"));
    let _ = writeln!(
        text,
        "# Measured from {} calls. What the store does not record is a default: pauses, the dial mode, lines of the trunk.\n\
         # Log-ins are those of the first and the last conversation, in steps of half an hour.\n\
         title = {quoted}\nabout = \"Calibrated from recorded attempts.\"\nstart = \"{:02}:{:02}\"\nhours = {hours}\nseeds = 3\n",
        day.len(),
        (begins / 3_600.0) as u32 % 24,
        (begins / 60.0) as u32 % 60,
    );
    carrier(&mut text, day);
    let mut by_campaign: BTreeMap<&str, Vec<&Observed>> = BTreeMap::new();
    for call in day {
        by_campaign.entry(&call.campaign).or_default().push(call);
    }
    agents(&mut text, day, begins, begins + hours * 3_600.0);
    for (name, calls) in by_campaign {
        campaign(&mut text, name, &calls, begins, hours);
    }
    Ok(text)
}

/// A text in quotes.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn carrier(text: &mut String, day: &[Observed]) {
    let setups: Vec<f64> = day.iter().filter_map(|call| call.setup_s).collect();
    let answered = || day.iter().filter(|call| call.seen == Seen::Person);
    let rings = || answered().filter_map(|call| call.ring_s);
    *text += "[carrier]\n";
    if let (Some(from), Some(to)) = (quantile(setups.clone(), 0.05), quantile(setups, 0.95)) {
        let _ = writeln!(
            text,
            "setup_s = [{:.2}, {:.2}]",
            from.max(0.0),
            to.max(from)
        );
    }
    if let Some((mean, cv)) = spread(rings()) {
        let _ = writeln!(text, "ring_mean_s = {mean:.2}\nring_cv = {cv:.2}");
    }
    if let Some(longest) = quantile(rings().collect(), 0.999) {
        let _ = writeln!(text, "ring_max_s = {:.1}", longest.clamp(0.1, 300.0));
    }
    // The engine takes every answer for a person as long as it analyses none.
    let listens = day
        .iter()
        .any(|call| call.seen == Seen::Machine && call.agent.is_none());
    let _ = writeln!(text, "\n[analysis]\nlistens = {listens}\n");
}

/// Agents by when they were there and what they served.
fn agents(text: &mut String, day: &[Observed], begins: f64, ends: f64) {
    struct There<'a> {
        from: f64,
        until: f64,
        campaigns: Vec<&'a str>,
    }
    let mut agents: BTreeMap<u32, There<'_>> = BTreeMap::new();
    for call in day {
        let Some(agent) = call.agent else { continue };
        let length = call.talk_s.unwrap_or(0.0) + call.wrap_s.unwrap_or(0.0);
        let there = agents.entry(agent).or_insert(There {
            from: call.at_s,
            until: call.at_s,
            campaigns: Vec::new(),
        });
        there.from = there.from.min(call.at_s);
        there.until = there.until.max(call.at_s + length);
        if !there.campaigns.contains(&call.campaign.as_str()) {
            there.campaigns.push(&call.campaign);
        }
    }
    let mut groups: BTreeMap<(u64, u64, Vec<&str>), u32> = BTreeMap::new();
    for (_, mut there) in agents {
        there.campaigns.sort_unstable();
        let from = ((there.from - begins).max(0.0) / STEP_S).floor() as u64;
        let until = ((there.until.min(ends) - begins).max(0.0) / STEP_S).ceil() as u64;
        *groups.entry((from, until, there.campaigns)).or_default() += 1;
    }
    for (number, ((from, until, campaigns), count)) in groups.into_iter().enumerate() {
        let campaigns: Vec<String> = campaigns.iter().map(|name| toml_text(name)).collect();
        let minutes = |steps: u64| steps as f64 * STEP_S / 60.0;
        let _ = writeln!(
            text,
            "[[agents]]\nname = \"group {}\"\ncount = {count}\nfrom_min = {}\nover_s = 300\ncampaigns = [{}]",
            number + 1,
            minutes(from),
            campaigns.join(", ")
        );
        if begins + until as f64 * STEP_S < ends {
            let _ = writeln!(text, "until_min = {}", minutes(until));
        }
        text.push('\n');
    }
}

fn campaign(text: &mut String, name: &str, calls: &[&Observed], begins: f64, hours: f64) {
    let count = |seen| calls.iter().filter(|call| call.seen == seen).count();
    let nobody = (count(Seen::Machine) + count(Seen::FastFailure) + count(Seen::NoAnswer)).max(1);
    let share = |seen| count(seen) as f64 / nobody as f64;
    let mean = rate(calls);
    let _ = writeln!(
        text,
        "[[campaigns]]\nname = {}\nmode = \"progressive\"\ncap = 0.03\nanswer_rate = {mean:.4}\n\
         machines = {:.4}\nfast_failures = {:.4}",
        toml_text(name),
        share(Seen::Machine),
        share(Seen::FastFailure)
    );
    let rang_out: Vec<f64> = calls
        .iter()
        .filter(|call| call.seen == Seen::NoAnswer)
        .filter_map(|call| call.ring_s)
        .collect();
    if let Some(most) = quantile(rang_out, 0.95) {
        let _ = writeln!(text, "ring_timeout_s = {:.1}", most.clamp(5.0, 300.0));
    }
    if mean > 0.0 {
        let hourly: Vec<String> = (0..hours.ceil() as usize)
            .map(|hour| {
                let from = begins + hour as f64 * 3_600.0;
                let range = from..from + 3_600.0;
                let here: Vec<&Observed> = calls
                    .iter()
                    .copied()
                    .filter(|call| range.contains(&call.at_s) && call.seen != Seen::Ours)
                    .collect();
                let factor = if here.len() < DIALS_MIN {
                    1.0
                } else {
                    (rate(&here) / mean).min(10.0)
                };
                format!("{factor:.3}")
            })
            .collect();
        let _ = writeln!(text, "hourly = [{}]", hourly.join(", "));
    }
    segments(text, calls);
    let talks = |is_right_party: bool| {
        let people = calls.iter().filter(|call| call.seen == Seen::Person);
        people
            .filter(move |call| call.is_right_party == is_right_party)
            .filter_map(|call| call.talk_s)
    };
    // A kind that was seen once has no spread.
    let measured: Vec<(bool, usize, (f64, f64))> = [true, false]
        .into_iter()
        .filter_map(|kind| Some((kind, talks(kind).count(), spread(talks(kind))?)))
        .collect();
    let all: usize = measured.iter().map(|(_, count, _)| count).sum();
    let mut left = 1.0;
    let mut kinds = Vec::new();
    for (number, (is_right_party, count, (mean_s, cv))) in measured.iter().enumerate() {
        let is_last = number + 1 == measured.len();
        let share = part_of(*count, all, is_last, &mut left);
        let cv = cv.min(10.0);
        kinds.push(format!(
            "{{ share = {share:.4}, mean_s = {mean_s:.1}, cv = {cv:.2}, right_party = {is_right_party} }}"
        ));
    }
    if !kinds.is_empty() {
        let _ = writeln!(text, "talk = [{}]", kinds.join(", "));
    }
    let wraps = calls.iter().filter_map(|call| call.wrap_s);
    if let Some((mean_s, cv)) = spread(wraps.filter(|wrap| *wrap <= WRAP_MAX_S)) {
        let _ = writeln!(
            text,
            "wrap_mean_s = {mean_s:.1}\nwrap_cv = {:.2}",
            cv.min(10.0)
        );
    }
    text.push('\n');
}

/// A share in four digits; the last of a whole takes what rounding has left.
fn part_of(count: usize, all: usize, is_last: bool, left: &mut f64) -> f64 {
    let share = if is_last {
        *left
    } else {
        (count as f64 / all as f64 * 1e4).round() / 1e4
    };
    *left -= share;
    share
}

/// The list's parts by what was dialled of each, the small ones together.
fn segments(text: &mut String, calls: &[&Observed]) {
    let mut parts: BTreeMap<&str, Vec<&Observed>> = BTreeMap::new();
    for call in calls {
        let name = call.segment.as_deref().unwrap_or("other");
        parts.entry(name).or_default().push(call);
    }
    let mut parts: Vec<(&str, Vec<&Observed>)> = parts.into_iter().collect();
    parts.sort_by_key(|(_, calls)| std::cmp::Reverse(calls.len()));
    let mut kept: Vec<(&str, Vec<&Observed>)> = Vec::new();
    let mut rest: Vec<&Observed> = Vec::new();
    for (name, calls) in parts {
        if name == "other" || calls.len() < SEGMENT_MIN || kept.len() + 1 >= SEGMENTS_MAX {
            rest.extend(calls);
        } else {
            kept.push((name, calls));
        }
    }
    if kept.is_empty() {
        return;
    }
    if !rest.is_empty() {
        kept.push(("other", rest));
    }
    let mut left = 1.0;
    let last = kept.len() - 1;
    let lines: Vec<String> = kept
        .iter()
        .enumerate()
        .map(|(number, (name, own))| {
            let share = part_of(own.len(), calls.len(), number == last, &mut left);
            format!(
                "    {{ name = {}, share = {share:.4}, answer_rate = {:.4} }},",
                toml_text(name),
                rate(own)
            )
        })
        .collect();
    let _ = writeln!(text, "segments = [\n{}\n]", lines.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::shift::draws::{Draws, Purpose};
    use crate::sim::shift::read;
    use crate::sim::shift::scenario::Spread;
    use std::path::Path;

    /// A made-up day: 8 hours from 9:00, two segments, a better fifth hour, 25 agents of whom five come at noon.
    fn day() -> Vec<Observed> {
        let mut draws = Draws::of(1, Purpose::Fate, 0, 0);
        (0..20_000)
            .map(|number| {
                let at_s = 9.0 * 3_600.0 + f64::from(number) * 8.0 * 3_600.0 / 20_000.0;
                let is_cold = draws.chance(0.6);
                let hour = (at_s / 3_600.0) as u32 - 9;
                let better = if hour == 4 { 1.5 } else { 1.0 };
                let rate = if is_cold { 0.1 } else { 0.3 } * better;
                let seen = match draws.even() {
                    even if even < rate => Seen::Person,
                    even if even < rate + 0.1 => Seen::Machine,
                    even if even < rate + 0.2 => Seen::FastFailure,
                    even if even < rate + 0.25 => Seen::Ours,
                    _ => Seen::NoAnswer,
                };
                let ring = Spread {
                    mean_s: 9.0,
                    cv: 0.5,
                };
                let talk = Spread {
                    mean_s: 120.0,
                    cv: 0.8,
                };
                let is_person = seen == Seen::Person;
                let late = at_s >= 12.0 * 3_600.0;
                Observed {
                    campaign: "PL-B2".to_owned(),
                    segment: Some(if is_cold { "cold" } else { "warm" }.to_owned()),
                    at_s,
                    setup_s: Some(draws.between((1.0, 4.0))),
                    ring_s: Some(if is_person {
                        draws.of_spread(ring)
                    } else {
                        25.0
                    }),
                    seen,
                    talk_s: is_person.then(|| draws.of_spread(talk)),
                    wrap_s: is_person.then_some(18.0),
                    is_right_party: is_person && draws.chance(0.5),
                    agent: is_person.then(|| number as u32 % if late { 25 } else { 20 }),
                }
            })
            .collect()
    }

    #[test]
    fn a_recorded_day_becomes_a_scenario_that_is_like_it() {
        let text = scenario_text(&day(), "2026-11-23").expect("enough");
        let scenario = read::scenario(&text, Path::new("day.toml"))
            .unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        let near = |figure: f64, want: f64, by: f64| {
            assert!(
                (figure - want).abs() < by,
                "{figure} is not near {want}\n{text}"
            );
        };
        assert_eq!(
            (scenario.start_min, scenario.length.as_secs()),
            (540, 28_800)
        );
        let campaign = &scenario.campaigns[0];
        let parts = &campaign.list.segments;
        assert_eq!(parts[0].name, "cold");
        near(parts[0].share, 0.6, 0.02);
        near(parts[0].answer_rate, 0.112, 0.012);
        near(parts[1].answer_rate, 0.336, 0.02);
        near(campaign.list.hourly[4] / campaign.list.hourly[2], 1.5, 0.15);
        near(scenario.carrier.ring.mean_s, 9.0, 0.3);
        near(scenario.carrier.setup_s.1, 3.85, 0.1);
        near(campaign.talk[0].spread.mean_s, 120.0, 8.0);
        near(campaign.wrap.mean_s, 18.0, 0.1);
        near(campaign.list.machines, 0.133, 0.02);
        let counts: Vec<(u32, f64)> = scenario
            .groups
            .iter()
            .map(|group| (group.count, group.from_s))
            .collect();
        assert_eq!(counts, [(20, 0.0), (5, 10_800.0)], "{text}");
        assert!(
            scenario.analysis.is_some(),
            "machines without an agent were heard by analysis"
        );
    }

    #[test]
    fn what_was_seen_once_has_no_spread_and_breaks_no_sum() {
        let mut rest = day();
        let mut right = rest.iter_mut().filter(|call| call.is_right_party);
        right.next().expect("one stays");
        right.for_each(|call| call.is_right_party = false);
        let text = scenario_text(&rest, "x").expect("enough");
        let scenario = read::scenario(&text, Path::new("day.toml"))
            .unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        assert_eq!(scenario.campaigns[0].talk.len(), 1, "{text}");
        assert_eq!(scenario.campaigns[0].talk[0].share, 1.0);
    }

    #[test]
    fn a_day_without_answers_makes_no_scenario() {
        let few: Vec<Observed> = day().into_iter().take(60).collect();
        let people = few.iter().filter(|call| call.seen == Seen::Person).count();
        assert_eq!(scenario_text(&few, "x"), Err(TooLittle { people }));
    }
}
