//! `[campaigns.abandon]`: what a campaign promises about people who answer and find nobody. Owns the percentages and the window.

use super::reader::{Section, Sink};
use super::settings::zone_table;
use crate::core::settings::{AbandonDenominator, AbandonSettings, AbandonStrength, AbandonWindow};
use crate::time::UnixMs;
use std::time::Duration;

/// Parts per million in one percent.
const PERCENT: f64 = 10_000.0;

const WINDOW: &str =
    "\"1h\" to \"24h\", \"month\", or \"30d from 2026-11-01\" with a day on which a period began";

/// Reads the table. `zone` is where months and periods begin at midnight.
pub(super) fn read(mut section: Section<'_>, sink: &mut Sink<'_>, zone: &str) -> AbandonSettings {
    let read = &mut section;
    let strength = [AbandonStrength::Target, AbandonStrength::Guarantee]
        [read.word(sink, "strength", &["target", "guarantee"], 0)];
    let cap_ppm = percent(read, sink, "cap_percent", 0.1..=100.0).unwrap_or(30_000);
    let target_ppm = percent(read, sink, "target_percent", 0.1..=100.0);
    if let Some(target) = target_ppm
        && target > cap_ppm
    {
        let what = format!(
            "is {}, above cap_percent ({})",
            f64::from(target) / PERCENT,
            f64::from(cap_ppm) / PERCENT
        );
        let expected = "a share that leaves room below the cap; absent: five sixths of it";
        read.fault(sink, "target_percent", what, expected);
    }
    let window = read
        .parsed(sink, "window", WINDOW, |text| window(text, zone))
        .unwrap_or_default();
    let denominator = [
        AbandonDenominator::LiveAnswers,
        AbandonDenominator::AllAnswers,
    ][read.word(sink, "denominator", &["people", "all_answers"], 0)];
    let connect_within = read.millis(
        sink,
        "connect_within_ms",
        0..=60_000,
        Duration::from_secs(2),
    );
    let machine_false_positive_ppm =
        percent(read, sink, "machine_false_positive_percent", 0.0..=100.0).unwrap_or(0);
    section.finish(sink);
    AbandonSettings {
        strength,
        target_ppm: target_ppm.unwrap_or(cap_ppm / 6 * 5),
        cap_ppm,
        window,
        denominator,
        connect_within,
        machine_false_positive_ppm,
    }
}

fn percent(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<f64>,
) -> Option<u32> {
    let number = section.decimal(sink, key, range, "percent")?;
    let ppm = (number.value * PERCENT).round();
    if (number.value * PERCENT - ppm).abs() > 1e-6 {
        let what = format!("is {}", number.value);
        section.fault(sink, key, what, "at most four decimals");
    }
    Some(ppm as u32)
}

fn window(text: &str, zone: &str) -> Option<AbandonWindow> {
    if text == "month" {
        // A zone that is unknown is a fault of its own key.
        let zone = zone_table(zone).or_else(|_| zone_table("UTC")).ok()?;
        return Some(AbandonWindow::CalendarMonth { zone });
    }
    if let Some(day) = text.strip_prefix("30d from ") {
        let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let day: jiff::civil::Date = day.parse().ok()?;
        let from = day.to_zoned(zone).ok()?.timestamp().as_millisecond();
        return Some(AbandonWindow::Days30 { from: UnixMs(from) });
    }
    let hours: u8 = text.strip_suffix('h')?.parse().ok()?;
    (1..=24)
        .contains(&hours)
        .then_some(AbandonWindow::RollingHours(hours))
}

/// A window as it would be written.
pub(super) fn window_words(window: &AbandonWindow, zone: &str) -> String {
    match window {
        AbandonWindow::RollingHours(hours) => format!("{hours}h"),
        AbandonWindow::CalendarMonth { .. } => "month".to_owned(),
        AbandonWindow::Days30 { from } => {
            let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
            let from = jiff::Timestamp::from_millisecond(from.0).unwrap_or_default();
            format!("30d from {}", from.to_zoned(zone).date())
        }
    }
}

/// Parts per million as percent.
pub(super) fn in_percent(ppm: u32) -> f64 {
    f64::from(ppm) / PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::{Sources, read};

    /// The promise of a campaign with this table, or all faults in one text.
    fn abandon(table: &str) -> Result<AbandonSettings, String> {
        let text = format!(
            "default_zone = \"Asia/Ho_Chi_Minh\"\n[[trunks]]\nname = \"a\"\naddress = \"127.0.0.1:5080\"\n\
             [[campaigns]]\nname = \"c\"\ncaller_id = \"+842873000000\"\n[campaigns.abandon]\n{table}\n"
        );
        let sources = Sources {
            environment: &|_| None,
            file: &|_| Err(std::io::ErrorKind::NotFound.into()),
        };
        let mut sink = Sink::new(&text);
        match read(&text, &mut sink, &sources) {
            Ok(config) => Ok(config.campaigns[0].settings.abandon.clone()),
            Err(()) => {
                let faults = sink.into_faults();
                Err(faults.iter().map(|fault| format!("{fault}\n")).collect())
            }
        }
    }

    #[test]
    fn a_target_left_out_keeps_a_sixth_of_the_cap_in_hand() {
        assert_eq!(abandon(""), Ok(AbandonSettings::default()));
        let stricter = abandon("cap_percent = 1.5").expect("it is sound");
        assert_eq!((stricter.target_ppm, stricter.cap_ppm), (12_500, 15_000));
    }

    #[test]
    fn windows_are_hours_months_or_periods_that_begin_at_local_midnight() {
        let window = |text: &str| abandon(&format!("window = \"{text}\"")).map(|it| it.window);
        assert_eq!(window("1h"), Ok(AbandonWindow::RollingHours(1)));
        // 2026-11-01T00:00+07:00.
        let from = UnixMs(1_793_466_000_000);
        assert_eq!(
            window("30d from 2026-11-01"),
            Ok(AbandonWindow::Days30 { from })
        );
        let month = window("month").expect("it is sound");
        assert!(
            matches!(month, AbandonWindow::CalendarMonth { zone } if zone.name == "Asia/Ho_Chi_Minh")
        );
        for wrong in ["0h", "25h", "24", "30d", "30d from 2026-02-30", "week"] {
            let fault = window(wrong).expect_err(wrong);
            assert!(
                fault.contains("campaigns[0].abandon.window") && fault.contains("\"month\""),
                "{fault}"
            );
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_reason() {
        for (table, reason) in [
            (
                "cap_percent = 2.0\ntarget_percent = 2.5",
                "is 2.5, above cap_percent (2)",
            ),
            ("cap_percent = 0", "abandon.cap_percent"),
            ("target_percent = 2.00001", "at most four decimals"),
            ("strength = \"promise\"", "\"target\" or \"guarantee\""),
            (
                "start_point = \"greeting_end\"",
                "abandon.start_point: is not a known key",
            ),
        ] {
            let faults = abandon(table).expect_err(table);
            assert!(faults.contains(reason), "{table}: {faults}");
        }
    }
}
