//! Feeds the abandon ledger: what became of each answered call, and what follows from it.

use crate::core::ledger::Ledger;
use crate::core::settings::{CampaignSettings, FloorSettings, Settings};
use std::time::Duration;

/// The ledgers of a floor that starts.
pub(super) fn open(settings: &Settings) -> Ledger {
    let mut ledger = Ledger::default();
    for campaign in &settings.campaigns {
        ledger.open(&campaign.abandon, air(&settings.floor, campaign));
    }
    ledger
}

/// The longest time from a launch to the end of what may come of it: three routes that stay silent, the ring time before and after
/// the first 180, an answer that crosses our CANCEL, and the wait for an agent.
pub(super) fn air(floor: &FloorSettings, campaign: &CampaignSettings) -> Duration {
    3 * (floor.intent_age_max + floor.first_answer_wait + Duration::from_secs(1))
        + 2 * campaign.ring_timeout
        + floor.end_wait
        + campaign.answer_limit
        + Duration::from_secs(5)
}
