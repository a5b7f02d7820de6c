//! The judge's own abandon books: what was promised about people who answer, against what the floor says became of them.
//!
//! Keeps every answered call of a world and adds it up anew each time; knows nothing of the floor's ledger.

use crate::core::effect::{AttemptClosed, Effect};
use crate::core::ledger::{Exposure, LedgerNews};
use crate::core::settings::{
    AbandonDenominator, AbandonSettings, AbandonStrength, AbandonWindow, Edit,
};
use crate::ids::{AttemptId, CampaignId};
use crate::time::{Mono, Now};
use std::collections::BTreeMap;
use std::time::Duration;

/// No call of a world is longer in the air: what a named event may explain.
const AIR: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
struct Promise {
    settings: AbandonSettings,
    /// When, and what became of it.
    seen: Vec<(i64, Exposure)>,
    explained_until: Mono,
}

/// The books of all campaigns.
#[derive(Debug, Default)]
pub(super) struct Promises {
    campaigns: BTreeMap<CampaignId, Promise>,
    counted: BTreeMap<AttemptId, u32>,
    /// The floor said that this campaign's guarantee is broken now.
    said_broken: Option<CampaignId>,
    /// A breach that the floor has yet to own up to.
    broken: Option<CampaignId>,
}

impl Promises {
    /// What a campaign promises from now on.
    pub(super) fn promise(&mut self, campaign: CampaignId, settings: &AbandonSettings) {
        self.campaigns.entry(campaign).or_default().settings = settings.clone();
    }

    pub(super) fn edits(&mut self, edits: &[Edit]) {
        for edit in edits {
            if let Edit::Campaign(id, settings) = edit {
                self.promise(*id, &settings.abandon);
            }
        }
    }

    /// Holds one order against the promises; what is wrong with it.
    pub(super) fn see(&mut self, now: Now, effect: &Effect) -> Option<String> {
        let owed = self.broken.take();
        if let Effect::Ledger {
            campaign,
            news: LedgerNews::Broken { .. },
        } = effect
        {
            self.said_broken = Some(*campaign);
        }
        if owed.is_some() && owed != self.said_broken.take() {
            return Some("a guarantee broke and the floor does not say so".to_owned());
        }
        match effect {
            Effect::Exposed {
                attempt,
                campaign,
                exposure,
                at,
            } => {
                *self.counted.entry(*attempt).or_default() += 1;
                let promise = self.campaigns.entry(*campaign).or_default();
                promise.seen.push((at.0, *exposure));
                if *exposure != Exposure::Abandoned || !promise.is_broken(now) {
                    return None;
                }
                self.broken = Some(*campaign);
                (promise.explained_until < now.mono).then(|| {
                    format!(
                        "attempt {attempt} broke the guarantee of campaign {campaign} unexplained"
                    )
                })
            }
            Effect::Ledger {
                campaign,
                news: LedgerNews::Named(_),
            } => {
                self.campaigns.entry(*campaign).or_default().explained_until = now.mono + AIR;
                None
            }
            Effect::Close(closed) => self.see_end(closed),
            _ => None,
        }
    }

    /// Every answered call is counted once, and no other.
    fn see_end(&self, closed: &AttemptClosed) -> Option<String> {
        let counted = self.counted.get(&closed.attempt).copied().unwrap_or(0);
        // No promise is about calls that people make to us.
        let expected = u32::from(closed.answered_at.is_some() && !closed.is_call_in);
        (counted != expected).then(|| {
            format!(
                "attempt {} ({}) is {counted} times in the ledger instead of {expected}",
                closed.attempt,
                closed.result.code()
            )
        })
    }

    /// Abandonments of guaranteed campaigns, and those that were within the promise: whether a world put it to the test.
    pub(super) fn abandoned(&self) -> usize {
        let guaranteed = self
            .campaigns
            .values()
            .filter(|promise| promise.settings.strength == AbandonStrength::Guarantee);
        guaranteed
            .flat_map(|promise| &promise.seen)
            .filter(|(_, exposure)| *exposure == Exposure::Abandoned)
            .count()
    }
}

impl Promise {
    /// Whether abandoned calls are above cap x the others now.
    fn is_broken(&self, now: Now) -> bool {
        if self.settings.strength != AbandonStrength::Guarantee {
            return false;
        }
        let from = match &self.settings.window {
            // To the minute, and never less than the hours.
            AbandonWindow::RollingHours(hours) => {
                (now.unix.0.div_euclid(60_000) - i64::from(*hours) * 60) * 60_000
            }
            AbandonWindow::Days30 { from } => {
                let length = 30 * 86_400_000;
                from.0 + (now.unix.0 - from.0).div_euclid(length) * length
            }
            AbandonWindow::CalendarMonth { .. } => i64::MIN,
        };
        let count = |of: Exposure| {
            let within = self.seen.iter().filter(|(at, _)| *at >= from);
            within.filter(|(_, exposure)| *exposure == of).count() as u64
        };
        let weight = match self.settings.denominator {
            AbandonDenominator::LiveAnswers => count(Exposure::Served),
            AbandonDenominator::AllAnswers => {
                count(Exposure::Served) + count(Exposure::LeftEarly) + count(Exposure::Machine)
            }
        };
        count(Exposure::Abandoned) * 1_000_000 > u64::from(self.settings.cap_ppm) * weight
    }
}
