//! The abandon ledger: per campaign, who answered and what became of them, and what that leaves to be risked.
//!
//! Told every answered call exactly once; owns the counts and the sums over each campaign's window; never dials, matches or
//! releases anybody. Counts are whole calls and shares parts per million, so that the comparison with the cap is exact.
//!
//! - [`series`] counts by the minute and by the quarter of an hour
//! - [`book`] one campaign: its window, its sums, its judgement

mod book;
mod series;

use crate::core::settings::{AbandonSettings, AbandonStrength};
use crate::ids::CampaignId;
use crate::time::{Mono, Now, UnixMs};
use book::Book;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What became of a call that was answered. Exactly one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Exposure {
    /// Joined to an agent in time.
    Served,
    /// A person whom no agent of ours reached in time.
    Abandoned,
    /// A person who hung up before the time was over: neither served nor abandoned (47 CFR 64.1200(a)(7) asks about those whom
    /// nobody reached within two seconds).
    LeftEarly,
    /// A machine, as far as we could tell.
    Machine,
}

impl Exposure {
    /// All of them, in the order of their code in the store.
    pub const ALL: [Exposure; 4] = [
        Self::Served,
        Self::Abandoned,
        Self::LeftEarly,
        Self::Machine,
    ];

    /// As a person would say it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Abandoned => "abandoned",
            Self::LeftEarly => "left early",
            Self::Machine => "a machine",
        }
    }
}

/// Answered calls, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exposures {
    /// Joined to an agent in time.
    pub served: u64,
    /// People whom nobody reached in time.
    pub abandoned: u64,
    /// People who hung up before.
    pub left_early: u64,
    /// Machines.
    pub machines: u64,
}

impl Exposures {
    /// Every answered call.
    pub fn exposed(&self) -> u64 {
        self.served + self.abandoned + self.left_early + self.machines
    }

    fn count(&mut self, exposure: Exposure) -> &mut u64 {
        match exposure {
            Exposure::Served => &mut self.served,
            Exposure::Abandoned => &mut self.abandoned,
            Exposure::LeftEarly => &mut self.left_early,
            Exposure::Machine => &mut self.machines,
        }
    }

    fn add(&mut self, other: &Exposures) {
        self.served += other.served;
        self.abandoned += other.abandoned;
        self.left_early += other.left_early;
        self.machines += other.machines;
    }

    fn subtract(&mut self, other: &Exposures) {
        self.served -= other.served;
        self.abandoned -= other.abandoned;
        self.left_early -= other.left_early;
        self.machines -= other.machines;
    }
}

/// What a campaign's earlier runs left, by minute and by quarter of an hour since 1970-01-01T00:00:00Z, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerHistory {
    /// The last day and an hour, by the minute.
    pub minutes: Vec<(i64, Exposures)>,
    /// The last 32 days, by the quarter of an hour.
    pub quarters: Vec<(i64, Exposures)>,
}

/// Where a campaign stands with its cap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// People whom nobody reached in time, in the window.
    pub abandoned: u64,
    /// People joined to an agent in time, in the window.
    pub served: u64,
    /// All answered calls in the window.
    pub exposed: u64,
    /// What the abandoned are divided by, as the campaign's rules say.
    pub denominator: u64,
    /// Abandoned calls with those among the machines that were people, as estimated.
    pub abandoned_estimate: f64,
    /// `abandoned_estimate / denominator`, 0..=1; 0 where nobody answered.
    pub rate: f64,
    /// Calls over the target (below 0: still to be spent): `abandoned_estimate - target x denominator`.
    pub excess: f64,
    /// The same against the cap.
    pub hard_excess: f64,
    /// Whether the cap is passed: no line may start without a free agent. In a window too small for the cap to be one call
    /// (3 %: fewer than 34), a single abandoned call does not pass it.
    pub is_over_cap: bool,
    /// Lines that may be in the air without a free agent behind them under [`AbandonStrength::Guarantee`], whatever becomes of
    /// them; 0 where none may.
    pub budget: u32,
    /// Until the window closes; `None`: it never does, it rolls.
    pub window_left: Option<Duration>,
    /// How strictly.
    pub strength: AbandonStrength,
    /// The target, 0..=1.
    pub target: f64,
    /// The cap, 0..=1.
    pub cap: f64,
}

/// Why the guarantee could be broken although every launch was within it. Counted, logged and named in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NamedEvent {
    /// An agent's socket was lost, or he was taken out, while a call in the air counted on him.
    AgentLost,
    /// Rules, abilities or the strength changed under calls in the air.
    RulesChanged,
    /// The legs could not be joined, or not in time, although an agent had the call.
    JoinFailed,
    /// A rule (payment, opt-out) forbade a call that was answered before it could be cancelled.
    CancelledByRule,
    /// The engine learned of the answer too late.
    NoticedLate,
    /// The wall clock was set.
    ClockSet,
}

impl NamedEvent {
    /// All of them, in the order of the picture.
    pub const ALL: [NamedEvent; 6] = [
        Self::AgentLost,
        Self::RulesChanged,
        Self::JoinFailed,
        Self::CancelledByRule,
        Self::NoticedLate,
        Self::ClockSet,
    ];

    /// Stable word for logs, metrics and the API.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AgentLost => "agent_lost",
            Self::RulesChanged => "rules_changed",
            Self::JoinFailed => "join_failed",
            Self::CancelledByRule => "cancelled_by_rule",
            Self::NoticedLate => "noticed_late",
            Self::ClockSet => "clock_set",
        }
    }
}

/// Something that happened in a ledger and that somebody should hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LedgerNews {
    /// The cap is passed: lines start for free agents only.
    OverCap,
    /// It is kept again.
    UnderCap,
    /// Under a guarantee: the event that may cost it.
    Named(NamedEvent),
    /// Under a guarantee: an abandonment passed the cap. `named`: by an event that was named before.
    Broken {
        /// Whether an event explains it; else the floor is at fault.
        named: bool,
    },
    /// A fixed window closed with these counts.
    WindowClosed {
        /// What was in it.
        counts: Exposures,
        /// Whether the cap was kept.
        kept: bool,
    },
}

/// What a ledger can afford to see abandoned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slack {
    millionths: u64,
    /// What each line in the air may cost beside, if it is taken for a machine.
    each: u32,
}

impl Slack {
    /// Of `in_air` lines, those that need no agent.
    pub(crate) fn lines(self, in_air: u32) -> u32 {
        let left = self
            .millionths
            .saturating_sub(u64::from(self.each) * u64::from(in_air));
        u32::try_from(left / 1_000_000).unwrap_or(u32::MAX)
    }
}

/// The ledgers of all campaigns.
#[derive(Debug, Default)]
pub struct Ledger {
    books: Vec<Book>,
    /// Distance of the two clocks, in milliseconds: when it jumps, somebody set the wall clock.
    clocks: Option<i64>,
    /// It did, and nobody was told yet.
    stepped: bool,
    /// Abandonments that broke a guarantee and that no event explains, since last asked.
    faults: u64,
}

/// A step of the wall clock from which windows may lose calls that were counted on.
const CLOCK_STEP_MS: u64 = 30_000;

impl Ledger {
    /// Opens the next campaign's book. `air` is the longest time from a launch to its end.
    pub fn open(&mut self, settings: &AbandonSettings, air: Duration) {
        self.books.push(Book::new(settings.clone(), air));
    }

    /// Other rules for a campaign; the counts stay.
    pub fn set(&mut self, campaign: CampaignId, settings: &AbandonSettings, air: Duration) {
        if let Some(book) = self.book_mut(campaign) {
            book.set(settings.clone(), air);
        }
    }

    /// Adds what earlier runs left.
    pub fn admit(&mut self, campaign: CampaignId, history: &LedgerHistory, now: UnixMs) {
        if let Some(book) = self.book_mut(campaign) {
            book.admit(history, now);
        }
    }

    /// Counts an answered call, at the instant of its verdict. Returns what followed from it.
    pub fn count(
        &mut self,
        campaign: CampaignId,
        exposure: Exposure,
        now: Now,
    ) -> Option<LedgerNews> {
        self.look_at_clocks(now);
        let book = self.book_mut(campaign)?;
        let news = book.count(exposure, now);
        if news == Some(LedgerNews::Broken { named: false }) {
            self.faults += 1;
        }
        news
    }

    /// Notes an event that may cost the guarantee; what breaks while a call of that moment may be in the air is laid to it.
    pub fn name(&mut self, campaign: CampaignId, event: NamedEvent, now: Mono) {
        if let Some(book) = self.book_mut(campaign) {
            book.name(event, now);
        }
    }

    /// Moves all windows to `now`. Returns what closed, what passed its cap and what keeps it again. Costs a look per campaign.
    pub fn advance(&mut self, now: Now) -> Vec<(CampaignId, LedgerNews)> {
        self.look_at_clocks(now);
        let stepped = std::mem::take(&mut self.stepped);
        let mut all = Vec::new();
        for (number, book) in self.books.iter_mut().enumerate() {
            let campaign = CampaignId(number as u16);
            if stepped && book.is_guarantee() {
                all.push((campaign, LedgerNews::Named(NamedEvent::ClockSet)));
            }
            all.extend(book.advance(now.unix).map(|news| (campaign, news)));
            all.extend(book.crossed().map(|news| (campaign, news)));
        }
        all
    }

    /// Where a campaign stands. Moves its window first: costs what left it since the last time, mostly nothing.
    pub fn standing(&mut self, campaign: CampaignId, now: UnixMs) -> Option<Standing> {
        let book = self.book_mut(campaign)?;
        // What closes here is told by the next `advance`.
        book.move_to(now);
        Some(book.standing(now))
    }

    /// Where a campaign stood when its window was last moved.
    pub fn last_standing(&self, campaign: CampaignId, now: UnixMs) -> Option<Standing> {
        self.book(campaign).map(|book| book.standing(now))
    }

    /// Named events so far, in the order of [`NamedEvent::ALL`], and guarantees broken.
    pub fn events(&self, campaign: CampaignId) -> ([u64; 6], u64) {
        self.book(campaign)
            .map_or(([0; 6], 0), |book| (book.named(), book.broken()))
    }

    /// Whether a campaign's strength is [`AbandonStrength::Guarantee`].
    pub fn is_guarantee(&self, campaign: CampaignId) -> bool {
        self.book(campaign).is_some_and(Book::is_guarantee)
    }

    /// Whether any campaign's is.
    pub(crate) fn has_guarantee(&self) -> bool {
        self.books.iter().any(Book::is_guarantee)
    }

    /// Whether a campaign passed its cap.
    pub fn is_over_cap(&self, campaign: CampaignId) -> bool {
        self.book(campaign).is_some_and(Book::is_over_cap)
    }

    /// What a line that starts now may count on under a guarantee, and what those in the air may.
    pub(crate) fn slack(&self, campaign: CampaignId) -> (Slack, Slack) {
        self.book(campaign)
            .map_or_else(Default::default, |book| (book.launches(), book.holds()))
    }

    /// A line of a guaranteed campaign started, within the slack of a launch.
    pub(crate) fn launched(&mut self, campaign: CampaignId) {
        if let Some(book) = self.book_mut(campaign) {
            book.launched();
        }
    }

    /// Guarantees broken without a named event since last asked: defects of ours.
    pub(crate) fn take_faults(&mut self) -> u64 {
        std::mem::take(&mut self.faults)
    }

    /// A wall clock that was set moves windows over calls that were counted on.
    fn look_at_clocks(&mut self, now: Now) {
        let distance = now.unix.0.wrapping_sub((now.mono.0 / 1_000) as i64);
        let before = self.clocks.replace(distance);
        if before.is_some_and(|before| before.abs_diff(distance) > CLOCK_STEP_MS) {
            self.stepped = true;
            for book in self.books.iter_mut().filter(|book| book.is_guarantee()) {
                book.name(NamedEvent::ClockSet, now.mono);
            }
        }
    }

    fn book(&self, campaign: CampaignId) -> Option<&Book> {
        self.books.get(usize::from(campaign.0))
    }

    fn book_mut(&mut self, campaign: CampaignId) -> Option<&mut Book> {
        self.books.get_mut(usize::from(campaign.0))
    }
}

#[cfg(test)]
mod tests;
