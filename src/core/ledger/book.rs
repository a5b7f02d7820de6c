//! One campaign's ledger: counts in its window now, what of them will last as long as a call in the air, and the judgement.
//!
//! A guarantee is judged at each abandonment and at the close of a fixed window, never in between: in a rolling window the share
//! rises by itself when served calls age out. A line that starts now may be abandoned up to `air` later; by then served calls may
//! have aged out, or the window may have closed and a new one, with nobody served in it, begun. So what may be risked is what the
//! calls that last that long allow (`lasting`), less all that is abandoned now.

use super::series::{Series, Tail};
use super::{Exposure, Exposures, LedgerHistory, LedgerNews, NamedEvent, Slack, Standing};
use crate::core::rules::{local_civil, start_of_local_day};
use crate::core::settings::{
    AbandonDenominator, AbandonSettings, AbandonStrength, AbandonWindow, ZoneTable,
};
use crate::time::{Mono, Now, UnixMs};
use std::time::Duration;

const MINUTE_MS: i64 = 60_000;
const QUARTER_MS: i64 = 15 * MINUTE_MS;
const DAY_MS: i64 = 86_400_000;
/// A day and an hour: the longest rolling window and room for the minutes at its ends.
const MINUTES_KEPT: i64 = 25 * 60;
/// The longest fixed window and a day.
const QUARTERS_KEPT: i64 = 32 * 24 * 4;
const MILLION: u64 = 1_000_000;
/// The wall clock may be set back so far without the window being moved with it (a slew, a leap second).
const BACK_MS: i64 = 300_000;

/// A fixed window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period {
    from: UnixMs,
    until: UnixMs,
}

#[derive(Debug)]
pub(super) struct Book {
    settings: AbandonSettings,
    air: Duration,
    minutes: Series,
    quarters: Series,
    /// Of a fixed window: its beginning and end.
    period: Option<Period>,
    window: Tail,
    /// What of the window is still in it when a line that starts now ends.
    lasting: Tail,
    /// The latest time seen.
    latest: UnixMs,
    /// What was allowed at the last launch.
    sure: u64,
    /// What breaks before this is laid to a named event.
    explained_until: Option<Mono>,
    named: [u64; 6],
    broken: u64,
    /// As last told.
    was_over: bool,
    closed: Option<LedgerNews>,
}

impl Book {
    pub(super) fn new(settings: AbandonSettings, air: Duration) -> Self {
        Book {
            settings,
            air,
            minutes: Series::new(MINUTE_MS, MINUTES_KEPT),
            quarters: Series::new(QUARTER_MS, QUARTERS_KEPT),
            period: None,
            window: Tail::default(),
            lasting: Tail::default(),
            latest: UnixMs(i64::MIN),
            sure: 0,
            explained_until: None,
            named: [0; 6],
            broken: 0,
            was_over: false,
            closed: None,
        }
    }

    pub(super) fn set(&mut self, settings: AbandonSettings, air: Duration) {
        let same = self.settings.sums_like(&settings) && self.air == air;
        (self.settings, self.air) = (settings, air);
        if !same && self.latest != UnixMs(i64::MIN) {
            self.sum_afresh(self.latest);
        }
        self.sure = self.allowed();
    }

    pub(super) fn admit(&mut self, history: &LedgerHistory, now: UnixMs) {
        self.minutes
            .admit(&history.minutes, self.minutes.piece_of(now.0));
        self.quarters
            .admit(&history.quarters, self.quarters.piece_of(now.0));
        self.latest = self.latest.max(now);
        self.sum_afresh(now);
    }

    pub(super) fn is_guarantee(&self) -> bool {
        self.settings.strength == AbandonStrength::Guarantee
    }

    /// Moves the window; `Some` if a fixed one closed.
    pub(super) fn advance(&mut self, now: UnixMs) -> Option<LedgerNews> {
        self.move_to(now);
        self.closed.take()
    }

    pub(super) fn move_to(&mut self, now: UnixMs) {
        if self.latest == UnixMs(i64::MIN) || now.0 + BACK_MS < self.latest.0 {
            if self.latest != UnixMs(i64::MIN) {
                self.minutes.rebase(self.minutes.piece_of(now.0));
                self.quarters.rebase(self.quarters.piece_of(now.0));
            }
            self.latest = now;
            self.sum_afresh(now);
            return;
        }
        let now = now.max(self.latest);
        self.latest = now;
        if let Some(period) = self.period {
            if now < period.until {
                return;
            }
            let counts = *self.window.sum();
            self.closed = Some(LedgerNews::WindowClosed {
                counts,
                kept: !self.passes(&counts),
            });
            self.sure = 0;
            self.sum_afresh(now);
            return;
        }
        let (whole, lasting) = self.rolling_from(now);
        self.window.move_to(&self.minutes, whole);
        self.lasting.move_to(&self.minutes, lasting);
    }

    /// First minute of the window, and of that part of it which lasts.
    fn rolling_from(&self, now: UnixMs) -> (i64, i64) {
        let AbandonWindow::RollingHours(hours) = self.settings.window else {
            return (0, 0);
        };
        let back = i64::from(hours.clamp(1, 24)) * 60;
        let minute = self.minutes.piece_of(now.0);
        let air = self.air.as_millis() as i64 / MINUTE_MS + 1;
        // Never less than the hours asked for: the minute at the far end counts whole.
        (minute - back, minute - back + air + 1)
    }

    fn sum_afresh(&mut self, now: UnixMs) {
        self.period = period_of(&self.settings.window, now);
        match self.period {
            Some(period) => {
                let from = self.quarters.piece_of(period.from.0);
                self.window = Tail::of(&self.quarters, from);
                self.lasting = self.window;
            }
            None => {
                let (whole, lasting) = self.rolling_from(now);
                self.window = Tail::of(&self.minutes, whole);
                self.lasting = Tail::of(&self.minutes, lasting);
            }
        }
    }

    pub(super) fn count(&mut self, exposure: Exposure, now: Now) -> Option<LedgerNews> {
        self.move_to(now.unix);
        let at = self.latest.0;
        self.minutes.count(self.minutes.piece_of(at), exposure);
        self.quarters.count(self.quarters.piece_of(at), exposure);
        self.window.count(exposure);
        self.lasting.count(exposure);
        if exposure == Exposure::Abandoned && self.is_guarantee() && self.breaks(self.window.sum())
        {
            self.broken += 1;
            let named = self.explained_until.is_some_and(|until| now.mono <= until);
            return Some(LedgerNews::Broken { named });
        }
        None
    }

    pub(super) fn name(&mut self, event: NamedEvent, now: Mono) {
        self.named[event as usize] += 1;
        self.explained_until = Some(now + self.air);
    }

    /// How many pieces of time are kept.
    #[cfg(test)]
    pub(super) fn pieces(&self) -> (usize, usize) {
        (self.minutes.len(), self.quarters.len())
    }

    pub(super) fn named(&self) -> [u64; 6] {
        self.named
    }

    pub(super) fn broken(&self) -> u64 {
        self.broken
    }

    pub(super) fn is_over_cap(&self) -> bool {
        self.passes(self.window.sum())
    }

    /// `Some` when the cap was passed, or is kept again, since last asked.
    pub(super) fn crossed(&mut self) -> Option<LedgerNews> {
        let is_over = self.is_over_cap();
        (is_over != std::mem::replace(&mut self.was_over, is_over)).then_some(if is_over {
            LedgerNews::OverCap
        } else {
            LedgerNews::UnderCap
        })
    }

    /// What calls that are served now and last as long as a line in the air allow to be abandoned, in millionths of a call.
    fn allowed(&self) -> u64 {
        if let Some(period) = self.period
            && self.latest + self.air >= period.until
        {
            // It may be abandoned in the next window, in which nobody is served yet.
            return 0;
        }
        u64::from(self.settings.cap_ppm) * self.weight(self.lasting.sum())
    }

    fn slack(&self, allowed: u64) -> Slack {
        Slack {
            millionths: allowed.saturating_sub(self.abandoned_millionths(self.window.sum())),
            each: self.settings.machine_false_positive_ppm,
        }
    }

    /// What a line that starts now may count on.
    pub(super) fn launches(&self) -> Slack {
        self.slack(self.allowed())
    }

    /// What the lines in the air may count on: at the last launch it was made sure that this lasts until they end, although part
    /// of it ages out of what a launch may count on meanwhile.
    pub(super) fn holds(&self) -> Slack {
        self.slack(self.allowed().max(self.sure))
    }

    /// A line started within [`Book::launches`].
    pub(super) fn launched(&mut self) {
        self.sure = self.allowed();
    }

    /// Abandoned calls in millionths of a call, with the people among the machines.
    fn abandoned_millionths(&self, counts: &Exposures) -> u64 {
        counts.abandoned * MILLION
            + counts.machines * u64::from(self.settings.machine_false_positive_ppm)
    }

    /// What a guarantee weighs the abandoned against: the denominator without them.
    fn weight(&self, counts: &Exposures) -> u64 {
        match self.settings.denominator {
            AbandonDenominator::LiveAnswers => counts.served,
            AbandonDenominator::AllAnswers => counts.exposed() - counts.abandoned,
        }
    }

    fn denominator(&self, counts: &Exposures) -> u64 {
        self.weight(counts) + counts.abandoned
    }

    /// Whether a guarantee is broken: abandoned above cap x served.
    fn breaks(&self, counts: &Exposures) -> bool {
        self.abandoned_millionths(counts) > u64::from(self.settings.cap_ppm) * self.weight(counts)
    }

    /// Whether the cap is passed. A cap of 3 % cannot tell one call of five from one of thirty-three.
    fn passes(&self, counts: &Exposures) -> bool {
        let cap = u64::from(self.settings.cap_ppm.max(1));
        let least = if self.is_guarantee() {
            0
        } else {
            MILLION.div_ceil(cap)
        };
        self.abandoned_millionths(counts) > cap * self.denominator(counts).max(least)
    }

    pub(super) fn standing(&self, now: UnixMs) -> Standing {
        let counts = self.window.sum();
        let abandoned = self.abandoned_millionths(counts) as f64 / MILLION as f64;
        let denominator = self.denominator(counts);
        let target = f64::from(self.settings.target_ppm) / MILLION as f64;
        let cap = f64::from(self.settings.cap_ppm) / MILLION as f64;
        Standing {
            abandoned: counts.abandoned,
            served: counts.served,
            exposed: counts.exposed(),
            denominator,
            abandoned_estimate: abandoned,
            rate: if denominator == 0 {
                0.0
            } else {
                abandoned / denominator as f64
            },
            excess: abandoned - target * denominator as f64,
            hard_excess: abandoned - cap * denominator as f64,
            is_over_cap: self.is_over_cap(),
            budget: self.launches().lines(0),
            window_left: self.period.map(|period| {
                Duration::from_millis(u64::try_from(period.until.0 - now.0).unwrap_or(0))
            }),
            strength: self.settings.strength,
            target,
            cap,
        }
    }
}

/// The fixed window that `now` lies in; `None`: the window rolls.
fn period_of(window: &AbandonWindow, now: UnixMs) -> Option<Period> {
    match window {
        AbandonWindow::RollingHours(_) => None,
        AbandonWindow::CalendarMonth { zone } => Some(month_of(zone, now)),
        AbandonWindow::Days30 { from } => {
            let length = 30 * DAY_MS;
            let begun = from.0 + (now.0 - from.0).div_euclid(length) * length;
            Some(Period {
                from: UnixMs(begun),
                until: UnixMs(begun + length),
            })
        }
    }
}

fn month_of(zone: &ZoneTable, now: UnixMs) -> Period {
    let (day, day_of_month, days) = local_civil(zone, now);
    let first = day - i64::from(day_of_month - 1);
    let from = start_of_local_day(zone, first, now);
    let until = start_of_local_day(zone, first + i64::from(days), now);
    Period { from, until }
}
