//! What pacing has learned, in the form that outlives the engine. Owns the form; learns nothing, reads no file.
//!
//! Whole numbers (thousandths): what is written to a file or a log of inputs and read back is the same to the last bit, so that a
//! replay decides alike. Whatever is missing, or has another form than this engine's, is left to be learned anew.

use super::{Predictor, Source, Work, grow};
use crate::core::settings::SkillNeed;
use crate::ids::CampaignId;
use serde::{Deserialize, Serialize};

/// Campaigns that are kept at most; beyond, the later ones learn anew after a start.
pub const CAMPAIGNS_KEPT: usize = 256;
/// Streams of one campaign that are kept at most.
pub const STREAMS_KEPT: usize = 64;

/// What outlives the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learned {
    /// Of phones, whoever dials them.
    pub phones: PhonesLearned,
    /// Of campaigns that dialled by prediction, at most [`CAMPAIGNS_KEPT`].
    pub campaigns: Vec<CampaignLearned>,
}

/// How long phones take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhonesLearned {
    /// From the dial to the pick-up.
    pub pick_up: Counts,
    /// From the dial to any other end.
    pub ended: Counts,
    /// From the pick-up to the verdict that it is a person.
    pub person: Counts,
    /// The same, a machine.
    pub machine: Counts,
}

/// Counts in bins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Width of a bin in milliseconds; 0: bins that grow.
    pub width_ms: u32,
    /// In thousandths.
    pub milli: Vec<u64>,
}

/// One campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignLearned {
    /// Which.
    pub campaign: CampaignId,
    /// How long its agents work.
    pub work: WorkKept,
    /// Its streams, at most [`STREAMS_KEPT`].
    pub streams: Vec<StreamLearned>,
}

/// How long the agents of a campaign work, and what its lines have cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkKept {
    /// Conversations.
    pub talk: Counts,
    /// Wrap-ups.
    pub wrap: Counts,
    /// Wrap-ups, fading, in thousandths.
    pub wraps_milli: u64,
    /// Of those, after which the agent left.
    pub left_milli: u64,
    /// People lost, fading, in thousandths.
    pub lost_milli: u64,
    /// People who were expected to be lost at the prices paid.
    pub expected_milli: u64,
}

/// One stream of a campaign, by what makes it one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamLearned {
    /// Skills that its leads need, the campaign's own included.
    pub needs: Vec<SkillNeed>,
    /// Its part of the list.
    pub segment: u16,
    /// How its phones answer.
    pub answers: AnswersKept,
}

/// How the phones of a stream answer, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswersKept {
    /// Pick-ups and lines of the long memory.
    pub long_milli: [u64; 2],
    /// Of the short one.
    pub short_milli: [u64; 2],
    /// People and verdicts.
    pub people_milli: [u64; 2],
}

/// In thousandths.
pub(super) fn milli(value: f64) -> u64 {
    (value.max(0.0) * 1e3 + 0.5) as u64
}

/// Back from thousandths.
pub(super) fn whole(milli: u64) -> f64 {
    milli as f64 / 1e3
}

impl Counts {
    pub(super) fn of(width_s: f64, counts: &[f64]) -> Counts {
        Counts {
            width_ms: milli(width_s) as u32,
            milli: counts.iter().map(|count| milli(*count)).collect(),
        }
    }

    /// The counts and their sum, if they have `bins` bins of this width and are no more than `most` together.
    pub(super) fn read(&self, width_s: f64, bins: usize, most: f64) -> Option<(Vec<f64>, f64)> {
        let mut sum = 0u64;
        for count in &self.milli {
            sum = sum.checked_add(*count)?;
        }
        let fits = self.width_ms == milli(width_s) as u32 && self.milli.len() == bins;
        (fits && sum > 0 && whole(sum) <= most).then(|| {
            (
                self.milli.iter().map(|count| whole(*count)).collect(),
                whole(sum),
            )
        })
    }
}

impl Predictor {
    /// What has been learned of phones.
    pub fn phones_learned(&self) -> PhonesLearned {
        PhonesLearned {
            pick_up: self.pick_up.kept(),
            ended: self.ended.kept(),
            person: self.person.kept(),
            machine: self.machine.kept(),
        }
    }

    /// What has been learned of a campaign's agents; without its streams.
    pub fn work_learned(&self, campaign: usize) -> WorkKept {
        let mut kept = self.work.get(campaign).map_or_else(
            // Nobody has spoken: nothing to keep, and nothing is recalled of it.
            WorkKept::default,
            Work::kept,
        );
        if let Some(spend) = self.spend.get(campaign) {
            (kept.lost_milli, kept.expected_milli) = spend.kept();
        }
        kept
    }

    /// What has been learned of a stream.
    pub fn answers_learned(&self, stream: usize) -> AnswersKept {
        self.sources
            .get(stream)
            .map_or_else(AnswersKept::default, Source::kept)
    }

    /// Goes on from what was learned of phones before.
    pub fn recall_phones(&mut self, kept: &PhonesLearned) {
        self.pick_up.take(&kept.pick_up);
        self.ended.take(&kept.ended);
        self.person.take(&kept.person);
        self.machine.take(&kept.machine);
    }

    /// Goes on from what was learned of a campaign's agents.
    pub fn recall_work(&mut self, campaign: usize, kept: &WorkKept) {
        grow(&mut self.work, campaign + 1);
        grow(&mut self.spend, campaign + 1);
        self.work[campaign].take(kept);
        self.spend[campaign].take(kept.lost_milli, kept.expected_milli);
    }

    /// Goes on from what was learned of a stream that has not dialled yet.
    pub fn recall_answers(&mut self, stream: usize, kept: &AnswersKept) {
        grow(&mut self.sources, stream + 1);
        self.sources[stream].take(kept);
    }
}
