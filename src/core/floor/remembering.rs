//! What pacing has learned, from one run to the next: collected by campaign and stream, and given back to them whatever their
//! numbers are then. Owns what no stream has claimed yet; the model owns the rest.

use super::Floor;
use crate::core::pacing::predict::{
    AnswersKept, CAMPAIGNS_KEPT, CampaignLearned, Learned, STREAMS_KEPT, StreamLearned,
};
use crate::core::settings::SkillNeed;
use crate::ids::CampaignId;
use std::collections::BTreeMap;

/// What makes a stream: campaign, segment, skills.
type StreamKey = (CampaignId, u16, Vec<SkillNeed>);

/// What earlier runs learned of streams that have no lead in memory yet.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    unclaimed: BTreeMap<StreamKey, AnswersKept>,
    /// Streams that were asked for their past already.
    seen: usize,
}

impl Floor {
    /// What pacing has learned, to be kept for the next start; `None` while no campaign has dialled by prediction. A copy of counts:
    /// at most [`CAMPAIGNS_KEPT`] campaigns with [`STREAMS_KEPT`] streams each.
    pub fn learned(&self) -> Option<Learned> {
        let predicting = self.loads.iter().enumerate();
        let mut campaigns: BTreeMap<CampaignId, CampaignLearned> = predicting
            .filter(|(_, load)| load.has_predicted)
            .take(CAMPAIGNS_KEPT)
            .map(|(number, _)| {
                let campaign = CampaignId(number as u16);
                let learned = CampaignLearned {
                    campaign,
                    work: self.predictor.work_learned(number),
                    streams: Vec::new(),
                };
                (campaign, learned)
            })
            .collect();
        if campaigns.is_empty() {
            return None;
        }
        let mut add = |campaign, segment, needs: &[SkillNeed], answers| {
            if let Some(learned) = campaigns.get_mut(&campaign)
                && learned.streams.len() < STREAMS_KEPT
            {
                learned.streams.push(StreamLearned {
                    needs: needs.to_vec(),
                    segment,
                    answers,
                });
            }
        };
        for (number, stream) in self.leads.streams().iter().enumerate() {
            let answers = self.predictor.answers_learned(number);
            if answers != AnswersKept::default() {
                add(stream.campaign, stream.segment, &stream.needs, answers);
            }
        }
        for ((campaign, segment, needs), answers) in &self.remembered.unclaimed {
            add(*campaign, *segment, needs, *answers);
        }
        Some(Learned {
            phones: self.predictor.phones_learned(),
            campaigns: campaigns.into_values().collect(),
        })
    }

    /// Goes on from what an earlier run learned. Campaigns that are not there, and streams that have dialled in this run, are left as they are.
    pub(super) fn recall(&mut self, learned: Learned) {
        self.predictor.recall_phones(&learned.phones);
        for kept in learned.campaigns.into_iter().take(CAMPAIGNS_KEPT) {
            let number = usize::from(kept.campaign.0);
            let Some(load) = self.loads.get_mut(number) else {
                continue;
            };
            load.has_predicted = true;
            self.predictor.recall_work(number, &kept.work);
            for stream in kept.streams.into_iter().take(STREAMS_KEPT) {
                let mut needs = stream.needs;
                needs.sort_unstable();
                let key = (kept.campaign, stream.segment, needs);
                self.remembered.unclaimed.insert(key, stream.answers);
            }
        }
    }

    /// Streams that are new since the last tick get their past back, before their first line.
    pub(super) fn recall_streams(&mut self) {
        for (number, stream) in self
            .leads
            .streams()
            .iter()
            .enumerate()
            .skip(self.remembered.seen)
        {
            if self.remembered.unclaimed.is_empty() {
                break;
            }
            let key = (stream.campaign, stream.segment, stream.needs.clone());
            if let Some(answers) = self.remembered.unclaimed.remove(&key) {
                self.predictor.recall_answers(number, &answers);
            }
        }
        self.remembered.seen = self.leads.streams().len();
    }
}
