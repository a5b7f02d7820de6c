//! Shadow mode: what another mode would do now, on the live floor and without any effect on it. Owns when it is asked and the
//! sums for the difference; every figure of the floor is read, none is written.
//!
//! All shadows are asked together, as if they were in force: agents are shared among them as among live modes. A shadow is asked
//! about this instant each time; it does not live with the calls that it would have made. Calls per second, trunks and rules are
//! not asked.

use super::Floor;
use crate::core::leads::StreamId;
use crate::core::pacing::Plan;
use crate::core::pacing::predict::Scene;
use crate::core::settings::{CampaignSettings, CampaignState, DialMode};
use crate::ids::CampaignId;
use crate::time::Now;
use std::time::Duration;

/// Lines that shadows of plans are asked about at most: as many as a live decision may start.
const STARTS_MAX: u32 = 256;
/// Longest time that one answer stands for: nobody was asked while dialling was stopped.
const STANDS_FOR_MAX: Duration = Duration::from_secs(1);

/// What the shadows would do now, by campaign.
pub(super) struct Shadows {
    by_campaign: Vec<Option<Shadow>>,
    stands_for: Duration,
}

/// What one campaign's shadow would do.
#[derive(Clone, Copy)]
struct Shadow {
    mode: DialMode,
    /// Lines in the air before.
    in_air: u32,
    /// Lines that it would start.
    more: u32,
    /// Lines in the air that it has no agents for.
    fewer: u32,
}

/// Sums for the difference between a live mode and its shadow, since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShadowSums {
    /// Lines in the air, times milliseconds, as long as a shadow was asked.
    live_line_ms: u64,
    /// The same, of the shadow.
    line_ms: u64,
    /// What was told last.
    told: Option<(DialMode, u32)>,
}

impl ShadowSums {
    /// Line-seconds of the live mode and of its shadow.
    pub(super) fn line_seconds(&self) -> (u64, u64) {
        (self.live_line_ms / 1_000, self.line_ms / 1_000)
    }
}

impl Shadows {
    /// The shadow's mode, and the lines that it would have started.
    pub(super) fn of(&self, campaign: CampaignId) -> Option<(DialMode, u32)> {
        let shadow = self.by_campaign.get(usize::from(campaign.0))?.as_ref()?;
        Some((shadow.mode, shadow.more))
    }
}

/// The mode of a campaign's shadow; `None`: it has none, or starts no lines that could be compared.
fn shadow_of(campaign: &CampaignSettings) -> Option<DialMode> {
    let starts = campaign.state == CampaignState::Running && campaign.mode.starts_lines();
    campaign.shadow.filter(|_| starts)
}

impl Floor {
    /// Asks the shadows, if it is time and there are any: before anything is started in this tick.
    pub(super) fn shadows(&mut self, talking: &[u32], now: Now) -> Option<Shadows> {
        if !self
            .settings
            .campaigns
            .iter()
            .any(|c| shadow_of(c).is_some())
        {
            self.predictor.end_shadow();
            self.shadowed_at = None;
            return None;
        }
        let passed = self.shadowed_at.map(|last| now.mono.since(last));
        let is_due = if self.is_predictive() {
            // What is compared is decided at the same instant.
            now.mono >= self.predict_at
        } else {
            passed.is_none_or(|passed| passed >= self.settings.floor.predict_every)
        };
        if !is_due {
            return None;
        }
        self.shadowed_at = Some(now.mono);
        let campaigns = &self.settings.campaigns;
        let shadows: Vec<Option<DialMode>> = campaigns.iter().map(shadow_of).collect();
        let modes: Vec<DialMode> = campaigns
            .iter()
            .zip(&shadows)
            .map(|(campaign, shadow)| shadow.unwrap_or(campaign.mode))
            .collect();
        let (mut more, fewer) = self.plan_in_shadow(&modes, talking, now);
        if shadows.contains(&Some(DialMode::Predictive)) {
            for (campaign, lines) in self.predict_in_shadow(&modes, now) {
                more[campaign] += lines;
            }
        } else {
            self.predictor.end_shadow();
        }
        let by_campaign = shadows.iter().enumerate().map(|(number, mode)| {
            let mode = (*mode)?;
            self.may_work(CampaignId(number as u16)).then(|| Shadow {
                mode,
                in_air: self.loads[number].in_air,
                more: more[number],
                fewer: if mode == DialMode::Predictive {
                    0
                } else {
                    fewer[number]
                },
            })
        });
        Some(Shadows {
            by_campaign: by_campaign.collect(),
            stands_for: passed.unwrap_or_default().min(STANDS_FOR_MAX),
        })
    }

    /// Lines that the plan would start under these modes, and those in the air that it has no agents for, by campaign.
    fn plan_in_shadow(
        &mut self,
        modes: &[DialMode],
        talking: &[u32],
        now: Now,
    ) -> (Vec<u32>, Vec<u32>) {
        let mut shares = self.shares.clone();
        let mut plan = Plan::new(
            self.agents.classes(),
            self.leads.streams(),
            &self.settings.campaigns,
            modes,
            talking,
            |stream| self.predictor.shadow_answer_rate(stream),
            &mut shares,
        );
        let (mut more, mut fewer) = (vec![0; modes.len()], vec![0; modes.len()]);
        for (number, stream) in self.leads.streams().iter().enumerate() {
            fewer[usize::from(stream.campaign.0)] += plan.over(number).min(stream.in_air);
        }
        let mut left: Vec<u32> = self.leads.streams().iter().map(|s| s.waiting()).collect();
        for _ in 0..STARTS_MAX {
            let chosen = plan.next(&mut shares, |stream| {
                let campaign = self.leads.streams()[stream].campaign;
                if left[stream] > 0 && self.may_work(campaign) {
                    self.leads.head(StreamId(stream), now.unix)
                } else {
                    None
                }
            });
            let Some(stream) = chosen else { break };
            let campaign = usize::from(self.leads.streams()[stream].campaign.0);
            let load = &self.loads[campaign];
            let lines = load.in_air + load.talking + more[campaign];
            if lines >= self.settings.campaigns[campaign].lines_max {
                plan.close(stream);
                continue;
            }
            more[campaign] += 1;
            left[stream] -= 1;
        }
        (more, fewer)
    }

    /// Lines that the model would start under these modes, by campaign.
    fn predict_in_shadow(&mut self, modes: &[DialMode], now: Now) -> Vec<(usize, u32)> {
        let streams = self.streams_now(modes, now);
        let agents = self.agents_now();
        let campaigns: Vec<_> = (0..self.loads.len())
            .map(|number| {
                let campaign = CampaignId(number as u16);
                // As the windows stood when they were last moved: a shadow moves none.
                let standing = self.ledger.last_standing(campaign, now.unix);
                self.campaign_now(campaign, standing)
            })
            .collect();
        let decision = self.predictor.shadow(&Scene {
            now: now.mono,
            classes: self.agents.classes().len(),
            agents: &agents,
            streams: &streams,
            campaigns: &campaigns,
        });
        let started = streams.iter().zip(decision.start);
        started
            .map(|(stream, lines)| (stream.campaign, lines))
            .collect()
    }

    /// Whether a campaign's shadow has something new to tell; it is then told.
    pub(super) fn tells_shadow(
        &mut self,
        campaign: CampaignId,
        now: Option<(DialMode, u32)>,
    ) -> bool {
        let told = &mut self.loads[usize::from(campaign.0)].shadow.told;
        now.is_some() && std::mem::replace(told, now) != now
    }

    /// Adds up the lines of live modes and shadows, once the tick has started what it could.
    pub(super) fn sum_shadows(&mut self, shadows: &Shadows) {
        let ms = shadows.stands_for.as_millis() as u64;
        for (load, shadow) in self.loads.iter_mut().zip(&shadows.by_campaign) {
            if let Some(shadow) = shadow {
                let lines = (shadow.in_air + shadow.more).saturating_sub(shadow.fewer);
                load.shadow.line_ms += u64::from(lines) * ms;
                load.shadow.live_line_ms += u64::from(load.in_air) * ms;
            }
        }
    }
}
