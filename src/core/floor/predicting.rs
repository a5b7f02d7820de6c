//! Predictive pacing at work on the floor: what the model is told of lines and agents, the picture it decides on, and what its
//! decision says to supervisors. Owns when it is asked; the model owns what it has learned.

use super::Floor;
use crate::core::agents::Place;
use crate::core::calls::{CancelWhy, Phase};
use crate::core::effect::{AfterCall, Effect, Forecast};
use crate::core::leads::StreamId;
use crate::core::ledger::Standing;
use crate::core::pacing::predict::{
    AgentNow, CampaignNow, Decision, Doing, Line, Scene, StreamNow, Twins,
};
use crate::core::results::SystemResult;
use crate::core::settings::DialMode;
use crate::ids::{AgentId, AttemptId, CampaignId};
use crate::time::{Mono, Now};

/// Calls that one decision may cancel.
const CANCELS_MAX: usize = 256;

/// Whether the model is to be asked in this tick, and what it said.
pub(super) struct Predicted {
    decision: Decision,
    now: Vec<StreamNow>,
}

impl Predicted {
    /// Lines to start, by stream.
    pub(super) fn starts(&self) -> impl Iterator<Item = (StreamId, u32)> {
        let starts = self.decision.start.iter().enumerate();
        starts
            .filter(|(_, lines)| **lines > 0)
            .map(|(stream, lines)| (StreamId(stream), *lines))
    }

    /// What a campaign's decision reckoned with: the stream of the most answers speaks for all. Lines still wanted: none, the model
    /// asks for what it may have.
    pub(super) fn why(&self, campaign: CampaignId, budget: f64) -> Option<Forecast> {
        let milli = |figure: f64| (figure * 1e3).clamp(0.0, 4e9) as u32;
        let streams = self.now.iter().zip(&self.decision.expects);
        streams
            .filter(|(stream, _)| stream.campaign == usize::from(campaign.0) && stream.most > 0)
            .map(|(_, expects)| expects)
            .max_by(|a, b| a.answers.total_cmp(&b.answers))
            .map(|expects| Forecast {
                within_ms: milli(expects.within_s),
                agents_milli: milli(expects.agents),
                answers_milli: milli(expects.answers),
                answer_rate_ppm: (expects.answer_rate * 1e6) as u32,
                budget_milli: Some((budget * 1e3).clamp(-2e9, 2e9) as i32),
            })
    }

    /// Whether what one more line may cost, and not the want of lines, held a campaign's last line back.
    pub(super) fn is_short_of_agents(&self, campaign: CampaignId) -> bool {
        let streams = self.now.iter().zip(&self.decision.start);
        streams
            .filter(|(stream, _)| stream.campaign == usize::from(campaign.0) && stream.most > 0)
            .any(|(stream, started)| *started < stream.most)
    }
}

/// An attempt is over without having been answered by a person.
pub(super) fn learn_end(predictor: &mut Twins, line: Line, result: SystemResult, at: Mono) {
    use SystemResult as R;
    match result {
        R::NoAnswer | R::Busy | R::Rejected | R::Invalid => predictor.ended(line, at),
        R::Machine => predictor.machine(line, at),
        R::Cancelled | R::CustHangupEarly | R::Connected | R::Abandoned => predictor.cut(line, at),
        // A crash of ours, an intent that was too late, a trunk: nothing is learned about the list.
        R::Interrupted | R::NotSent | R::Missed => predictor.failed(line, at, false),
        R::TrunkFail => predictor.failed(line, at, true),
    }
}

impl Floor {
    /// An agent leaves wrap-up for `place`.
    pub(super) fn learn_wrap(&mut self, id: AgentId, place: Place, now: Now) {
        let Some(agent) = self.agents.get(id) else {
            return;
        };
        let (campaign, since) = agent.last_call;
        if matches!(agent.place, Place::Wrap { .. }) && !matches!(place, Place::Wrap { .. }) {
            let leaves = matches!(place, Place::Break(_) | Place::Offline | Place::Manual);
            let seconds = now.mono.since(since).as_secs_f64();
            self.predictor
                .wrapped(usize::from(campaign.0), seconds, leaves);
        }
    }

    /// Whether a campaign dials by the model.
    pub(super) fn is_predictive(&self) -> bool {
        let mut campaigns = self.settings.campaigns.iter();
        campaigns.any(|campaign| campaign.mode == DialMode::Predictive)
    }

    /// Asks the model, if it is time and a campaign dials by it.
    pub(super) fn predict(&mut self, now: Now) -> Option<Predicted> {
        if now.mono < self.predict_at {
            return None;
        }
        if !self.is_predictive() {
            return None;
        }
        self.predict_at = now.mono + self.settings.floor.predict_every;
        for (load, campaign) in self.loads.iter_mut().zip(&self.settings.campaigns) {
            load.has_predicted |= campaign.mode == DialMode::Predictive;
        }
        let modes = self.modes();
        let streams = self.streams_now(&modes, now);
        let agents = self.agents_now();
        let campaigns: Vec<CampaignNow> = (0..self.loads.len())
            .map(|number| {
                let campaign = CampaignId(number as u16);
                let standing = self.ledger.standing(campaign, now.unix);
                self.campaign_now(campaign, standing)
            })
            .collect();
        let decision = self.predictor.decide(&Scene {
            now: now.mono,
            classes: self.agents.classes().len(),
            agents: &agents,
            streams: &streams,
            campaigns: &campaigns,
        });
        Some(Predicted {
            decision,
            now: streams,
        })
    }

    /// The modes in force.
    pub(super) fn modes(&self) -> Vec<DialMode> {
        let campaigns = self.settings.campaigns.iter();
        campaigns.map(|campaign| campaign.mode).collect()
    }

    /// The streams as the model is to see them, if these modes were in force.
    pub(super) fn streams_now(&mut self, modes: &[DialMode], now: Now) -> Vec<StreamNow> {
        let mut streams: Vec<StreamNow> = Vec::with_capacity(self.leads.streams().len());
        for number in 0..self.leads.streams().len() {
            let campaign = self.leads.streams()[number].campaign;
            let mode = modes[usize::from(campaign.0)];
            let is_predictive = mode == DialMode::Predictive && self.may_work(campaign);
            let head = if is_predictive {
                self.leads.head(StreamId(number), now.unix)
            } else {
                None
            };
            let load = &self.loads[usize::from(campaign.0)];
            let settings = &self.settings.campaigns[usize::from(campaign.0)];
            let stream = &self.leads.streams()[number];
            let classes = self.agents.classes().iter().enumerate();
            streams.push(StreamNow {
                campaign: usize::from(campaign.0),
                able: classes
                    .filter(|(_, class)| class.can_take(campaign, &stream.needs))
                    .map(|(class, _)| class)
                    .collect(),
                waiting: 0,
                most: head.map_or(0, |_| {
                    settings
                        .lines_max
                        .saturating_sub(load.in_air + load.talking)
                }),
                priority: head.map_or(
                    0,
                    |(callback, priority, ..)| {
                        if callback { i32::MAX } else { priority }
                    },
                ),
                mixed: None,
            });
        }
        for (_, id) in &self.waiting {
            if let Some(attempt) = self.attempts.get(id)
                && attempt.made_for.is_none()
            {
                streams[attempt.stream.0].waiting += 1;
            }
        }
        streams
    }

    /// Agents at work who will stay: whoever is about to leave carries no further line.
    pub(super) fn agents_now(&self) -> Vec<AgentNow> {
        let staying = self
            .agents
            .iter()
            .filter(|agent| agent.connected && agent.after_call == AfterCall::Ready);
        staying
            .filter_map(|agent| {
                let (campaign, since) = agent.last_call;
                let doing = match agent.place {
                    Place::Ready => Doing::Free,
                    Place::Talking(_) => Doing::Talk(since),
                    Place::Reserved(_) => Doing::Talk(since),
                    Place::Wrap { .. } => Doing::Wrap(since),
                    _ => return None,
                };
                Some(AgentNow {
                    class: agent.class.0,
                    campaign: usize::from(campaign.0).min(self.loads.len().saturating_sub(1)),
                    doing,
                })
            })
            .collect()
    }

    pub(super) fn campaign_now(
        &self,
        campaign: CampaignId,
        standing: Option<Standing>,
    ) -> CampaignNow {
        let settings = self.campaign(campaign);
        let load = &self.loads[usize::from(campaign.0)];
        let abandon = &settings.abandon;
        CampaignNow {
            weight: f64::from(settings.weight),
            abandoned: standing
                .as_ref()
                .map_or(0.0, |standing| standing.abandoned_estimate),
            denominator: standing
                .as_ref()
                .map_or(0.0, |standing| standing.denominator as f64),
            abandoned_ever: load.lost,
            answered_ever: load.answers,
            target: f64::from(abandon.target_ppm) / 1e6,
            is_over_cap: standing
                .as_ref()
                .is_some_and(|standing| standing.is_over_cap),
            window_left_s: standing
                .and_then(|standing| standing.window_left)
                .map(|left| left.as_secs_f64()),
            patience_s: settings.answer_limit.as_secs_f64(),
            may_cancel: settings.cancel_ringing.is_some(),
        }
    }

    /// People whom a campaign may still lose in its window at its target.
    pub(super) fn budget_left(&mut self, campaign: CampaignId, now: Now) -> f64 {
        let standing = self.ledger.standing(campaign, now.unix);
        -standing.map_or(0.0, |standing| standing.excess)
    }

    /// Cancels calls that ring on where nobody will be free for them, the longest first.
    pub(super) fn cancel_hopeless(
        &mut self,
        predicted: &Predicted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if !predicted.decision.cancel.contains(&true) {
            return;
        }
        let mut ringing: Vec<(Mono, AttemptId)> = self
            .attempts
            .values()
            .filter(|attempt| {
                let settings = &self.settings.campaigns[usize::from(attempt.campaign.0)];
                predicted.decision.cancel.get(attempt.stream.0) == Some(&true)
                    && attempt.made_for.is_none()
                    && matches!(attempt.phase, Phase::Ringing { .. })
                    && settings
                        .cancel_ringing
                        .zip(attempt.rang)
                        .is_some_and(|(least, rang)| now.mono.since(rang) >= least)
            })
            .filter_map(|attempt| attempt.rang.map(|rang| (rang, attempt.id)))
            .collect();
        ringing.sort_unstable();
        for (_, id) in ringing.into_iter().take(CANCELS_MAX) {
            self.cancel(id, CancelWhy::Stopped, now, effects);
        }
    }
}
