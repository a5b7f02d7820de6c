//! How much of a campaign's abandon budget a line may cost now. Owns the relation between the price asked and the people lost; the
//! ledger's figures are told.
//!
//! The budget is spread: what the window has left (or overdrawn) is spent evenly over the answers to come, so that nothing jumps
//! at a breach. Dropping to one line per agent there is what makes other dialers both break their cap and idle their agents.

use super::CampaignNow;
use super::kept::{milli, whole};

/// Answers to come over which an excess is worked off, in seconds of floor time, where no window closes sooner.
const HORIZON_S: f64 = 3_600.0;
/// Steered at so much of the target: the last calls of a window fall either way, and where no window closes an early excess is
/// never quite worked off.
const AIM: f64 = 0.98;
const AIM_ROLLING: f64 = 0.955;
/// Least and most of the target that is spent while an excess, or a saving, is worked off; the least above the hard cap.
const LEAST: f64 = 0.4;
const LEAST_ABOVE_CAP: f64 = 0.15;
const MOST: f64 = 1.8;
/// Believed at the start as much as so many lost people.
const BELIEF: f64 = 12.0;
/// Above so many, old ones fade.
const MEMORY: f64 = 120.0;

/// One campaign's price.
#[derive(Clone, Debug, Default)]
pub(super) struct Spend {
    /// People lost, and how many the price led to expect, fading.
    lost: f64,
    expected: f64,
    /// Figures of the ledger at the last look.
    seen: Option<(u64, u64)>,
    price: f64,
    usual: f64,
}

impl Spend {
    /// The most that one more line may cost: a chance, 0..1. `answer`: chance that a line is answered; `answers_per_s`: of the
    /// whole floor that serves the campaign, when it is busy.
    pub(super) fn price(&mut self, campaign: &CampaignNow, answer: f64, answers_per_s: f64) -> f64 {
        self.learn(campaign);
        // Lost people per price where both are small: measured on simulated floors, less where lines are surer.
        let rest = 1.0 - answer.clamp(0.0, 0.7);
        self.usual = 2.5 * rest * rest.sqrt() * rest.sqrt().sqrt();
        let ratio = (self.lost + BELIEF) / (self.expected + BELIEF);
        let per_price = self.usual * ratio.clamp(0.05, 4.0);
        let share = campaign.window_left_s.map_or(AIM_ROLLING, |_| AIM);
        let aim = campaign.target * share;
        let left_s = campaign
            .window_left_s
            .unwrap_or(HORIZON_S)
            .clamp(20.0, HORIZON_S);
        let to_come = (answers_per_s * left_s).max(1.0);
        let (lost, answered) = (campaign.abandoned, campaign.denominator);
        let to_spend = aim * (answered + to_come) - lost;
        let least = if campaign.is_over_cap {
            LEAST_ABOVE_CAP
        } else {
            LEAST
        };
        let rate = (to_spend / to_come).clamp(least * aim, MOST * aim);
        self.price = (rate / per_price).min(0.95);
        self.price
    }

    /// People lost and expected to be, in thousandths.
    pub(super) fn kept(&self) -> (u64, u64) {
        (milli(self.lost), milli(self.expected))
    }

    /// Goes on from these.
    pub(super) fn take(&mut self, lost_milli: u64, expected_milli: u64) {
        let (lost, expected) = (whole(lost_milli), whole(expected_milli));
        if lost.max(expected) <= 10.0 * MEMORY {
            (self.lost, self.expected) = (lost, expected);
        }
    }

    /// People who were answered since the last look were priced at what was asked then.
    fn learn(&mut self, campaign: &CampaignNow) {
        let now = (campaign.abandoned_ever, campaign.answered_ever);
        let Some(before) = self.seen.replace(now) else {
            return;
        };
        let lost = now.0.saturating_sub(before.0) as f64;
        let answered = now.1.saturating_sub(before.1) as f64;
        if answered <= 0.0 {
            return;
        }
        let expected =
            answered * self.price.max(0.3 * campaign.target / self.usual.max(0.1)) * self.usual;
        if self.lost > MEMORY || self.expected > MEMORY {
            let keep = (1.0 - lost.max(expected) / MEMORY).max(0.0);
            self.lost *= keep;
            self.expected *= keep;
        }
        self.lost += lost;
        self.expected += expected;
    }
}
