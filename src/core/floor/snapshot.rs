//! Copies the floor's figures for those who only look.

use super::Floor;
use crate::core::picture::{CampaignPicture, LedgerPicture, Picture};
use crate::core::settings::CampaignSettings;
use crate::ids::CampaignId;
use crate::time::Now;

pub(super) fn picture(floor: &Floor, now: Now) -> Picture {
    let campaigns = floor
        .settings
        .campaigns
        .iter()
        .zip(&floor.loads)
        .enumerate();
    let mut previews = vec![0; floor.loads.len()];
    for preview in floor.previews.iter() {
        previews[usize::from(preview.campaign.0)] += 1;
    }
    Picture {
        agents: floor.agents.by_place(),
        campaigns: campaigns
            .map(|(number, (settings, load))| {
                let campaign = CampaignId(number as u16);
                let serving = floor
                    .agents
                    .classes()
                    .iter()
                    .filter(|class| class.weight(campaign).is_some());
                CampaignPicture {
                    name: settings.name.clone(),
                    state: settings.state,
                    mode: settings.mode,
                    shadow: settings.shadow,
                    shadow_line_seconds: load.shadow.line_seconds(),
                    agents_serving: serving.map(|class| class.at_work()).sum(),
                    previews: previews[number],
                    in_air: load.in_air,
                    ringing: load.ringing,
                    waiting: load.waiting,
                    talking: load.talking,
                    launched: load.launched,
                    results: load.results,
                    outcomes: load.outcomes,
                    hot_leads: floor.leads.hot(campaign),
                    ledger: ledger(floor, campaign, settings, now),
                    held: load.held,
                }
            })
            .collect(),
        trunks: floor.trunks.each(now.mono).collect(),
        stopped: floor.stopped,
        store_ready: floor.store_ready,
        attempts_alive: floor.attempts.len() as u32,
        wrap_overruns: floor.wrap_overruns,
        invariant_faults: floor.invariant_faults,
    }
}

fn ledger(
    floor: &Floor,
    campaign: CampaignId,
    settings: &CampaignSettings,
    now: Now,
) -> LedgerPicture {
    let (named, broken) = floor.ledger.events(campaign);
    LedgerPicture {
        standing: floor
            .ledger
            .last_standing(campaign, now.unix)
            .unwrap_or_default(),
        window: settings.abandon.window.clone(),
        denominator: settings.abandon.denominator,
        named,
        broken,
    }
}
