//! What a campaign promises about people who answer and find nobody: how they are counted, over which time, and how strictly.
//!
//! Shares are parts per million and sums are whole calls, so that a ledger of a month adds up to the call.

use crate::core::settings::ZoneTable;
use crate::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How strictly the cap is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AbandonStrength {
    /// Pacing steers at the target; over the cap no line starts without a free agent.
    #[default]
    Target,
    /// No line starts that could break the cap, whatever the calls in the air turn out to be.
    Guarantee,
}

/// The time over which the cap is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AbandonWindow {
    /// The last hours, 1..=24, to the minute (Ofcom's 24 h).
    RollingHours(u8),
    /// From local midnight of the first day of a month to the next (the CRTC's habit).
    CalendarMonth {
        /// Where the midnight is.
        zone: ZoneTable,
    },
    /// Successive periods of 30 days (16 CFR 310.4(b)(4)), the first of which began at `from`.
    Days30 {
        /// The beginning of one of them; any other is a multiple of 30 days away.
        from: UnixMs,
    },
}

impl Default for AbandonWindow {
    fn default() -> Self {
        AbandonWindow::RollingHours(24)
    }
}

/// What abandoned calls are divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AbandonDenominator {
    /// People: served and abandoned.
    #[default]
    LiveAnswers,
    /// Everything that answered: people who left early and machines too.
    AllAnswers,
}

/// The abandon ledger's rules for one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbandonSettings {
    /// How strictly.
    pub strength: AbandonStrength,
    /// What pacing steers at, in parts per million. Default 25,000 (2.5 %).
    pub target_ppm: u32,
    /// What must not be passed, in parts per million. Default 30,000 (3 %: 16 CFR 310.4(b)(4), 47 CFR 64.1200(a)(7)).
    pub cap_ppm: u32,
    /// Over which time. Default the last 24 hours.
    pub window: AbandonWindow,
    /// Of which calls. Default people, the stricter.
    pub denominator: AbandonDenominator,
    /// Longest time from the answer to being joined with an agent; a person who waited longer counts as abandoned even if joined
    /// then. Default 2 s (47 CFR 64.1200(a)(7)).
    pub connect_within: Duration,
    /// Of a million calls taken for a machine, how many were people, as measured: they count as abandoned. 0: not counted (the FTC
    /// does not ask for it; Ofcom's policy does).
    pub machine_false_positive_ppm: u32,
}

impl Default for AbandonSettings {
    fn default() -> Self {
        AbandonSettings {
            strength: AbandonStrength::Target,
            target_ppm: 25_000,
            cap_ppm: 30_000,
            window: AbandonWindow::default(),
            denominator: AbandonDenominator::LiveAnswers,
            connect_within: Duration::from_secs(2),
            machine_false_positive_ppm: 0,
        }
    }
}

impl AbandonSettings {
    /// Whether two rules sum up the same calls over the same time: then a change of them leaves the sums as they are.
    pub fn sums_like(&self, other: &AbandonSettings) -> bool {
        self.window == other.window
    }
}
