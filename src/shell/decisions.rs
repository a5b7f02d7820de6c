//! The last pacing decisions of each campaign, for whoever asks why; and one log line a second for each campaign that decided.
//!
//! Filled on the floor's thread, which never waits: where a reader holds the ring, decisions wait in hand until the next one.

use crate::core::effect::PacingDecision;
use crate::core::picture::Picture;
use crate::ids::CampaignId;
use crate::time::UnixMs;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;
use tokio::sync::watch;

/// Decisions kept for each campaign: half a minute at the fastest tick, hours on a quiet floor.
pub const KEPT: usize = 600;
/// Campaigns that keep so many; later ones keep [`KEPT_LATER`], or a thousand of them would hold 60 MB.
const FIRST_CAMPAIGNS: usize = 256;
const KEPT_LATER: usize = 30;
/// Decisions in hand while a reader copies; beyond, the oldest are dropped.
const IN_HAND: usize = 1_024;
/// Time between two looks of the log.
const LOOK: Duration = Duration::from_secs(1);
/// Most lines of one look; more campaigns than that are told as a number.
const LINES_MAX: usize = 20;

/// A decision and when it was made.
pub type Decided = (UnixMs, PacingDecision);

#[derive(Debug, Default)]
struct Ring {
    last: VecDeque<Decided>,
    /// Decisions and lines since the log looked.
    since_look: (u64, u64),
}

/// The rings. Shared by the floor's thread, the API and the log's task.
#[derive(Clone, Debug, Default)]
pub struct Decisions(Arc<Mutex<BTreeMap<CampaignId, Ring>>>);

/// The floor's end.
#[derive(Debug, Default)]
pub struct Decider {
    rings: Decisions,
    in_hand: VecDeque<Decided>,
}

impl Decisions {
    /// The floor's end; one is enough.
    pub fn decider(&self) -> Decider {
        Decider {
            rings: self.clone(),
            in_hand: VecDeque::new(),
        }
    }

    /// The last `most` decisions of a campaign, newest first.
    pub fn last(&self, campaign: CampaignId, most: usize) -> Vec<Decided> {
        let rings = self.locked();
        rings.get(&campaign).map_or_else(Vec::new, |ring| {
            ring.last.iter().rev().take(most).cloned().collect()
        })
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<CampaignId, Ring>> {
        // A holder that panicked left whole decisions behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each campaign decided since the last look: its last decision, how many there were, and how many lines they started.
    fn look(&self) -> Vec<(PacingDecision, u64, u64)> {
        let mut rings = self.locked();
        rings
            .values_mut()
            .filter_map(|ring| {
                let (decisions, lines) = std::mem::take(&mut ring.since_look);
                let (_, last) = ring.last.back()?;
                (decisions > 0).then(|| (last.clone(), decisions, lines))
            })
            .collect()
    }

    /// Writes the log's lines until `stopping` says so. Campaigns by the names of the picture; nobody else is named.
    pub async fn log(self, picture: Arc<ArcSwap<Picture>>, mut stopping: watch::Receiver<bool>) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            let news = self.look();
            if news.is_empty() {
                continue;
            }
            let picture = picture.load();
            for (decision, decisions, lines) in news.iter().take(LINES_MAX) {
                let campaign = picture.campaigns.get(usize::from(decision.campaign.0));
                let campaign = campaign.map_or("?", |campaign| campaign.name.as_str());
                tracing::info!(
                    campaign,
                    mode = decision.mode.word(),
                    decisions,
                    lines,
                    free_agents = decision.free_agents,
                    in_air = decision.in_air,
                    bound = decision.bound.word(),
                    "Pacing: {decision}."
                );
            }
            if news.len() > LINES_MAX {
                let campaigns = news.len() - LINES_MAX;
                tracing::info!(campaigns, "Further campaigns decided.");
            }
        }
    }
}

impl Decider {
    /// Keeps a decision. Never waits.
    pub fn keep(&mut self, at: UnixMs, decision: PacingDecision) {
        if self.in_hand.len() >= IN_HAND {
            self.in_hand.pop_front();
        }
        self.in_hand.push_back((at, decision));
        let mut rings = match self.rings.0.try_lock() {
            Ok(rings) => rings,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        for (at, decision) in self.in_hand.drain(..) {
            let place = usize::from(decision.campaign.0);
            let kept = if place < FIRST_CAMPAIGNS {
                KEPT
            } else {
                KEPT_LATER
            };
            let ring = rings.entry(decision.campaign).or_default();
            ring.since_look.0 += 1;
            ring.since_look.1 += u64::from(decision.launched);
            if ring.last.len() >= kept {
                ring.last.pop_front();
            }
            ring.last.push_back((at, decision));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::effect::Bound;
    use crate::core::settings::DialMode;

    fn decision(campaign: u16, launched: u32) -> PacingDecision {
        PacingDecision {
            campaign: CampaignId(campaign),
            mode: DialMode::Progressive,
            launched,
            free_agents: 3,
            at_work: 5,
            in_air: 2,
            wanted: launched,
            bound: Bound::Nothing,
            why: None,
            shadow: None,
        }
    }

    #[test]
    fn the_last_decisions_are_kept_and_older_ones_make_room() {
        let decisions = Decisions::default();
        let mut decider = decisions.decider();
        for number in 0..KEPT as u32 + 50 {
            decider.keep(UnixMs(i64::from(number)), decision(1, number));
        }
        decider.keep(UnixMs(9), decision(300, 7));
        let last = decisions.last(CampaignId(1), 10_000);
        assert_eq!(last.len(), KEPT);
        let (first, newest) = (&last[KEPT - 1].1, &last[0].1);
        assert_eq!((first.launched, newest.launched), (50, KEPT as u32 + 49));
        assert_eq!(decisions.last(CampaignId(1), 2).len(), 2);
        assert_eq!(decisions.last(CampaignId(300), 9).len(), 1);
        assert!(decisions.last(CampaignId(2), 9).is_empty());
    }

    #[test]
    fn a_reader_who_holds_the_ring_delays_decisions_and_loses_none() {
        let decisions = Decisions::default();
        let mut decider = decisions.decider();
        let held = decisions.locked();
        decider.keep(UnixMs(1), decision(0, 1));
        decider.keep(UnixMs(2), decision(0, 2));
        drop(held);
        assert!(decisions.last(CampaignId(0), 9).is_empty());
        decider.keep(UnixMs(3), decision(0, 3));
        let launched = |(_, decision): &Decided| decision.launched;
        let last: Vec<u32> = decisions
            .last(CampaignId(0), 9)
            .iter()
            .map(launched)
            .collect();
        assert_eq!(last, [3, 2, 1]);
    }

    #[test]
    fn the_log_looks_at_what_is_new_and_sums_it_up() {
        let decisions = Decisions::default();
        let mut decider = decisions.decider();
        assert!(decisions.look().is_empty());
        decider.keep(UnixMs(1), decision(0, 3));
        decider.keep(UnixMs(2), decision(0, 4));
        decider.keep(UnixMs(2), decision(5, 1));
        let looked: Vec<_> = decisions
            .look()
            .into_iter()
            .map(|(last, many, lines)| (last.campaign.0, last.launched, many, lines))
            .collect();
        assert_eq!(looked, [(0, 4, 2, 7), (5, 1, 1, 1)]);
        assert!(decisions.look().is_empty(), "nothing is told twice");
    }
}
