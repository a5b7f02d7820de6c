//! The ledger against its own definition: every answered call kept in a list and added up anew.

use super::*;
use crate::core::settings::{AbandonDenominator, AbandonWindow, ZoneTable};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2026-11-23T02:00:00Z, a Monday.
const START: i64 = 1_795_399_200_000;
const AIR: Duration = Duration::from_secs(110);
const ONE: CampaignId = CampaignId(0);

fn at(unix: i64) -> Now {
    Now {
        mono: Mono(((unix - START + DAY) * 1_000) as u64),
        unix: UnixMs(unix),
    }
}

fn rules(window: AbandonWindow) -> AbandonSettings {
    AbandonSettings {
        window,
        ..AbandonSettings::default()
    }
}

fn guarantee(cap_ppm: u32, window: AbandonWindow) -> AbandonSettings {
    AbandonSettings {
        strength: AbandonStrength::Guarantee,
        cap_ppm,
        ..rules(window)
    }
}

fn ledger(settings: &AbandonSettings) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.open(settings, AIR);
    ledger
}

fn standing(ledger: &mut Ledger, unix: i64) -> Standing {
    ledger.standing(ONE, UnixMs(unix)).expect("it is open")
}

fn counts(standing: &Standing) -> (u64, u64, u64) {
    (standing.served, standing.abandoned, standing.exposed)
}

fn zone(name: &str, offset_s: i32) -> ZoneTable {
    ZoneTable {
        name: name.to_owned(),
        offsets: vec![(UnixMs(0), offset_s)],
    }
}

#[test]
fn a_rolling_window_forgets_to_the_minute_and_never_too_soon() {
    let mut book = ledger(&rules(AbandonWindow::RollingHours(1)));
    book.count(ONE, Exposure::Abandoned, at(START));
    book.count(ONE, Exposure::Served, at(START + 30 * MINUTE));
    assert_eq!(counts(&standing(&mut book, START + HOUR)), (1, 1, 2));
    assert_eq!(
        counts(&standing(&mut book, START + HOUR + MINUTE - 1)),
        (1, 1, 2),
        "the minute at the far end counts whole"
    );
    assert_eq!(
        counts(&standing(&mut book, START + HOUR + MINUTE)),
        (1, 0, 1)
    );
    assert_eq!(counts(&standing(&mut book, START + 3 * HOUR)), (0, 0, 0));
}

#[test]
fn a_month_closes_at_local_midnight_and_says_what_was_in_it() {
    // 30 November 2026, 23:59 in Ho Chi Minh City.
    let before = 1_796_057_940_000;
    let zone = zone("Asia/Ho_Chi_Minh", 7 * 3_600);
    let mut book = ledger(&rules(AbandonWindow::CalendarMonth { zone }));
    for _ in 0..50 {
        book.count(ONE, Exposure::Served, at(before));
    }
    book.count(ONE, Exposure::Abandoned, at(before + 30_000));
    let left = standing(&mut book, before + 30_000).window_left;
    assert_eq!(left, Some(Duration::from_secs(30)));
    assert!(book.advance(at(before + 59_999)).is_empty());
    let news = book.advance(at(before + MINUTE));
    let closed = Exposures {
        served: 50,
        abandoned: 1,
        ..Exposures::default()
    };
    let expected = LedgerNews::WindowClosed {
        counts: closed,
        kept: true,
    };
    assert_eq!(news, [(ONE, expected)]);
    assert_eq!(counts(&standing(&mut book, before + MINUTE)), (0, 0, 0));
    let left = standing(&mut book, before + MINUTE).window_left;
    assert_eq!(left, Some(Duration::from_secs(31 * 86_400)), "December");
}

#[test]
fn months_have_the_days_that_they_have() {
    let utc = zone("UTC", 0);
    // Instant, length of its month: a leap February, a common one, the year 2100, the end of a year.
    for (unix, days) in [
        (1_835_395_200_000, 29),
        (1_772_280_000_000, 28),
        (4_107_542_400_000, 28),
        (1_798_761_599_000, 31),
        (1_798_761_600_000, 31),
        (1_777_593_599_000, 30),
    ] {
        let window = AbandonWindow::CalendarMonth { zone: utc.clone() };
        let mut book = ledger(&rules(window));
        let first = standing(&mut book, unix).window_left.expect("it closes");
        let end = unix + first.as_millis() as i64;
        assert_eq!(end % DAY, 0, "at midnight");
        let mut other = ledger(&rules(AbandonWindow::CalendarMonth { zone: utc.clone() }));
        let begin = end - i64::from(days) * DAY;
        let whole = standing(&mut other, begin).window_left;
        assert_eq!(
            whole,
            Some(Duration::from_secs(days as u64 * 86_400)),
            "{unix}"
        );
    }
}

#[test]
fn periods_of_thirty_days_follow_one_another_from_the_day_given() {
    let from = UnixMs(START - 45 * DAY);
    let mut book = ledger(&rules(AbandonWindow::Days30 { from }));
    book.count(ONE, Exposure::Served, at(START));
    let left = standing(&mut book, START).window_left;
    assert_eq!(left, Some(Duration::from_secs(15 * 86_400)));
    assert_eq!(
        counts(&standing(&mut book, START + 15 * DAY - 1)),
        (1, 0, 1)
    );
    assert_eq!(counts(&standing(&mut book, START + 15 * DAY)), (0, 0, 0));
}

#[test]
fn the_rate_is_of_people_or_of_everything_that_answered() {
    let mut settings = rules(AbandonWindow::default());
    for denominator in [
        AbandonDenominator::LiveAnswers,
        AbandonDenominator::AllAnswers,
    ] {
        settings.denominator = denominator;
        let mut book = ledger(&settings);
        for (exposure, many) in [
            (Exposure::Served, 38),
            (Exposure::Abandoned, 2),
            (Exposure::LeftEarly, 10),
            (Exposure::Machine, 50),
        ] {
            for _ in 0..many {
                book.count(ONE, exposure, at(START));
            }
        }
        let now = standing(&mut book, START);
        let (of, rate) = match denominator {
            AbandonDenominator::LiveAnswers => (40, 0.05),
            AbandonDenominator::AllAnswers => (100, 0.02),
        };
        assert_eq!((now.denominator, now.exposed), (of, 100));
        assert!((now.rate - rate).abs() < 1e-12, "{now:?}");
        assert!((now.excess - (2.0 - 0.025 * of as f64)).abs() < 1e-9);
        assert!((now.hard_excess - (2.0 - 0.03 * of as f64)).abs() < 1e-9);
    }
}

#[test]
fn people_among_the_machines_count_in_part_where_their_share_is_given() {
    let mut settings = rules(AbandonWindow::default());
    settings.machine_false_positive_ppm = 15_000;
    let mut book = ledger(&settings);
    for _ in 0..200 {
        book.count(ONE, Exposure::Machine, at(START));
        book.count(ONE, Exposure::Served, at(START));
    }
    let now = standing(&mut book, START);
    assert!((now.abandoned_estimate - 3.0).abs() < 1e-12);
    assert!((now.rate - 3.0 / 200.0).abs() < 1e-12);
    assert!(!now.is_over_cap, "3 of 200");
}

#[test]
fn one_call_does_not_pass_a_cap_of_three_percent_and_two_do_until_there_are_enough_others() {
    let mut book = ledger(&rules(AbandonWindow::default()));
    book.count(ONE, Exposure::Abandoned, at(START));
    assert!(!standing(&mut book, START).is_over_cap);
    book.count(ONE, Exposure::Abandoned, at(START));
    assert_eq!(book.advance(at(START)), [(ONE, LedgerNews::OverCap)]);
    assert_eq!(book.advance(at(START)), [], "told once");
    for _ in 0..64 {
        book.count(ONE, Exposure::Served, at(START));
    }
    assert!(standing(&mut book, START).is_over_cap, "2 of 66");
    book.count(ONE, Exposure::Served, at(START));
    assert!(!standing(&mut book, START).is_over_cap, "2 of 67");
    assert_eq!(book.advance(at(START)), [(ONE, LedgerNews::UnderCap)]);
}

#[test]
fn a_guarantee_has_no_budget_until_it_is_earned_and_none_when_the_window_is_about_to_close() {
    let from = UnixMs(START);
    let mut book = ledger(&guarantee(30_000, AbandonWindow::Days30 { from }));
    assert_eq!(standing(&mut book, START).budget, 0);
    for _ in 0..67 {
        book.count(ONE, Exposure::Served, at(START));
    }
    assert_eq!(standing(&mut book, START).budget, 2, "3 % of 67");
    book.count(ONE, Exposure::Abandoned, at(START));
    assert_eq!(standing(&mut book, START).budget, 1);
    let close = START + 30 * DAY;
    let air = AIR.as_millis() as i64;
    assert_eq!(standing(&mut book, close - air - 1).budget, 1);
    assert_eq!(
        standing(&mut book, close - air).budget,
        0,
        "it might be abandoned in a window in which nobody is served yet"
    );
}

#[test]
fn a_rolling_guarantee_does_not_count_on_calls_that_age_out_while_a_line_rings() {
    let mut book = ledger(&guarantee(30_000, AbandonWindow::RollingHours(1)));
    for _ in 0..34 {
        book.count(ONE, Exposure::Served, at(START));
    }
    let later = START + HOUR - AIR.as_millis() as i64;
    assert_eq!(standing(&mut book, START + 50 * MINUTE).budget, 1);
    assert_eq!(standing(&mut book, later).budget, 0);
    assert_eq!(
        standing(&mut book, later).served,
        34,
        "they are still in the window"
    );
}

#[test]
fn what_was_sure_at_the_launch_holds_until_the_line_ends() {
    let mut book = ledger(&guarantee(30_000, AbandonWindow::RollingHours(1)));
    for _ in 0..34 {
        book.count(ONE, Exposure::Served, at(START));
    }
    let launch = START + HOUR - AIR.as_millis() as i64 - 2 * MINUTE;
    standing(&mut book, launch);
    assert_eq!(book.slack(ONE).0.lines(1), 1);
    book.launched(ONE);
    let ends = launch + AIR.as_millis() as i64;
    standing(&mut book, ends);
    let (launches, holds) = book.slack(ONE);
    assert_eq!((launches.lines(1), holds.lines(1)), (0, 1));
    assert_eq!(
        book.count(ONE, Exposure::Abandoned, at(ends)),
        None,
        "as promised"
    );
}

#[test]
fn an_unexplained_breach_is_a_fault_and_an_explained_one_is_not() {
    let mut book = ledger(&guarantee(30_000, AbandonWindow::default()));
    let now = at(START);
    book.name(ONE, NamedEvent::AgentLost, now.mono);
    let broken = |named| Some(LedgerNews::Broken { named });
    assert_eq!(book.count(ONE, Exposure::Abandoned, now), broken(true));
    assert_eq!(book.take_faults(), 0);
    let later = at(START + AIR.as_millis() as i64 + 1);
    assert_eq!(book.count(ONE, Exposure::Abandoned, later), broken(false));
    assert_eq!((book.take_faults(), book.take_faults()), (1, 0));
    assert_eq!(book.events(ONE), ([1, 0, 0, 0, 0, 0], 2));
}

#[test]
fn a_wall_clock_that_is_set_is_named_and_loses_nothing_when_it_is_set_back() {
    let mut book = ledger(&guarantee(30_000, AbandonWindow::RollingHours(24)));
    book.count(ONE, Exposure::Served, at(START));
    let back = Now {
        mono: at(START).mono + Duration::from_secs(1),
        unix: UnixMs(START - 6 * HOUR),
    };
    let named = (ONE, LedgerNews::Named(NamedEvent::ClockSet));
    assert_eq!(book.advance(back), [named]);
    assert_eq!(counts(&standing(&mut book, START - 6 * HOUR)), (1, 0, 1));
    let day_later = standing(&mut book, START + 19 * HOUR);
    assert_eq!(counts(&day_later), (0, 0, 0), "it ages from then on");
}

#[test]
fn other_rules_find_the_same_calls() {
    let mut book = ledger(&rules(AbandonWindow::RollingHours(24)));
    for hour in 0..20 {
        book.count(ONE, Exposure::Served, at(START + hour * HOUR));
    }
    let now = START + 19 * HOUR;
    for (window, served) in [
        (AbandonWindow::RollingHours(1), 2),
        (
            AbandonWindow::Days30 {
                from: UnixMs(START),
            },
            20,
        ),
        (AbandonWindow::RollingHours(24), 20),
    ] {
        book.set(ONE, &rules(window), AIR);
        assert_eq!(standing(&mut book, now).served, served);
    }
}

#[test]
fn a_month_of_calls_takes_a_bounded_place() {
    let mut book = Book::new(rules(AbandonWindow::default()), AIR);
    for minute in 0..40 * 24 * 60 {
        book.count(Exposure::Served, at(START + minute * MINUTE));
    }
    let (minutes, quarters) = book.pieces();
    assert!(minutes <= 25 * 60 + 1, "{minutes}");
    assert!(quarters <= 32 * 24 * 4 + 1, "{quarters}");
}

fn any_window() -> impl Strategy<Value = AbandonWindow> {
    prop_oneof![
        (1u8..=24).prop_map(AbandonWindow::RollingHours),
        (0i64..60).prop_map(|days| AbandonWindow::Days30 {
            from: UnixMs(START - days * DAY)
        }),
        prop::sample::select(vec![-34_200, 0, 20_700, 25_200]).prop_map(|offset| {
            AbandonWindow::CalendarMonth {
                zone: zone("somewhere", offset),
            }
        }),
    ]
}

fn any_exposure() -> impl Strategy<Value = Exposure> {
    prop::sample::select(vec![
        Exposure::Served,
        Exposure::Served,
        Exposure::Served,
        Exposure::Abandoned,
        Exposure::LeftEarly,
        Exposure::Machine,
    ])
}

/// The first instant of a window, by its definition.
fn begins(window: &AbandonWindow, now: i64) -> i64 {
    match window {
        AbandonWindow::RollingHours(hours) => {
            now.div_euclid(MINUTE) * MINUTE - i64::from(*hours) * HOUR
        }
        AbandonWindow::Days30 { from } => from.0 + (now - from.0).div_euclid(30 * DAY) * 30 * DAY,
        AbandonWindow::CalendarMonth { zone } => {
            let offset = i64::from(zone.offsets[0].1) * 1_000;
            let mut day = (now + offset).div_euclid(DAY);
            let month = |day: i64| {
                let date = jiff::Timestamp::from_millisecond(day * DAY).expect("a date");
                let date = date.to_zoned(jiff::tz::TimeZone::UTC);
                (date.year(), date.month())
            };
            while month(day - 1) == month(day) {
                day -= 1;
            }
            day * DAY - offset
        }
    }
}

proptest! {
    #[test]
    fn sums_are_those_of_a_list_through_all_windows_restarts_and_changes_of_rules(
        calls in prop::collection::vec((0i64..3 * HOUR, any_exposure(), 0u8..40), 1..120),
        windows in prop::collection::vec(any_window(), 1..6),
    ) {
        let mut window = 0;
        let mut book = ledger(&rules(windows[0].clone()));
        let mut list: Vec<(i64, Exposure)> = Vec::new();
        let mut now = START;
        for (wait, exposure, what) in calls {
            now += wait;
            book.count(ONE, exposure, at(now));
            list.push((now, exposure));
            match what {
                0..=2 => {
                    window = (window + 1) % windows.len();
                    book.set(ONE, &rules(windows[window].clone()), AIR);
                }
                // What the store makes of it, at a start some time later.
                3..=4 => {
                    now += wait / 2;
                    book = ledger(&rules(windows[window].clone()));
                    book.admit(ONE, &kept(&list, now), UnixMs(now));
                }
                _ => {}
            }
            let from = begins(&windows[window], now);
            let mut expected = Exposures::default();
            for (_, exposure) in list.iter().filter(|(at, _)| *at >= from) {
                *expected.count(*exposure) += 1;
            }
            let seen = standing(&mut book, now);
            prop_assert_eq!(
                (seen.served, seen.abandoned, seen.exposed),
                (expected.served, expected.abandoned, expected.exposed()),
                "{:?}", windows[window]
            );
        }
    }

    /// The pure promise: whoever launches within the slack, whatever becomes of the lines and whenever, never breaks the cap.
    #[test]
    fn whoever_launches_within_the_slack_keeps_the_cap(
        window in any_window(),
        cap_ppm in 5_000u32..400_000,
        false_positives in prop::sample::select(vec![0u32, 20_000]),
        steps in prop::collection::vec((0i64..20 * MINUTE, 0u8..9, 0usize..64), 1..300),
    ) {
        let settings = AbandonSettings {
            machine_false_positive_ppm: false_positives,
            ..guarantee(cap_ppm, window)
        };
        let mut book = ledger(&settings);
        // Lines without an agent, by the instant at which they end at the latest.
        let mut in_air: Vec<i64> = Vec::new();
        let air = AIR.as_millis() as i64;
        let mut now = START;
        let mut served = START;
        for (wait, what, which) in steps {
            now += match what {
                0..=4 => wait / 40,
                // To where the window is about to close, or what was served about to leave it.
                5..=6 => {
                    let left = book.standing(ONE, UnixMs(now)).and_then(|now| now.window_left);
                    let edge = match (left, &settings.window) {
                        (Some(left), _) => now + left.as_millis() as i64,
                        (None, AbandonWindow::RollingHours(hours)) => served + i64::from(*hours) * HOUR,
                        (None, _) => now,
                    };
                    (edge - which as i64 * 3_000 - now).max(0)
                }
                _ => wait,
            };
            // Nobody is longer in the air than that: the unluckiest end for all of them.
            while let Some(due) = in_air.iter().position(|until| *until < now) {
                let until = in_air.swap_remove(due);
                prop_assert_eq!(book.count(ONE, Exposure::Abandoned, at(until)), None);
            }
            match what {
                0..=3 => {
                    book.standing(ONE, UnixMs(now));
                    let lines = in_air.len() as u32 + 1;
                    if book.slack(ONE).0.lines(lines) >= lines {
                        book.launched(ONE);
                        in_air.push(now + air);
                    }
                }
                4 if !in_air.is_empty() => {
                    let which = which % in_air.len();
                    in_air.swap_remove(which);
                    let end = if which.is_multiple_of(2) || false_positives == 0 { Exposure::Abandoned } else { Exposure::Machine };
                    prop_assert_eq!(book.count(ONE, end, at(now)), None, "{:?}", settings);
                }
                5..=6 => {}
                _ => {
                    served = now;
                    for _ in 0..which {
                        book.count(ONE, Exposure::Served, at(now));
                    }
                }
            }
        }
    }
}

/// A list as the store keeps it.
fn kept(list: &[(i64, Exposure)], now: i64) -> LedgerHistory {
    let pieces = |width: i64, keep: i64| {
        let mut all = std::collections::BTreeMap::<i64, Exposures>::new();
        for (at, exposure) in list {
            if at.div_euclid(width) >= now.div_euclid(width) - keep {
                *all.entry(at.div_euclid(width))
                    .or_default()
                    .count(*exposure) += 1;
            }
        }
        all.into_iter().collect()
    };
    LedgerHistory {
        minutes: pieces(MINUTE, 25 * 60),
        quarters: pieces(15 * MINUTE, 32 * 96),
    }
}
