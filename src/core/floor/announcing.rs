//! What people hear for whom nobody is there, and who are recorded. Owns when a message begins and what follows it; plays nothing.
//!
//! - The message to a person whom we called begins within the answer limit (47 CFR 64.1200(a)(7)(i): within two seconds after the
//!   greeting), so that the wait for an agent ends a little before it. The call is ABANDONED from that instant, whatever follows.
//! - An agent who becomes free while it plays is not joined: the call is counted already, and the person was just told that nobody is.
//! - The recording notice plays while the legs are joined. Before, it would be a recording in the place of a live agent.

use super::Floor;
use crate::core::calls::Phase;
use crate::core::effect::Effect;
use crate::core::results::SystemResult;
use crate::core::settings::{CampaignSettings, PromptName};
use crate::ids::{AttemptId, CampaignId};
use crate::time::Now;
use std::time::Duration;

/// From the order to the first packet of a message: the lanes, the media thread's turn and one packet clock, with room to spare.
pub(super) const MESSAGE_LEAD: Duration = Duration::from_millis(100);
/// Longest message. A prompt that is longer is refused when the configuration is read.
pub(super) const MESSAGE_MAX: Duration = Duration::from_secs(62);

/// How long a person who answered is kept for an agent.
pub(super) fn patience(settings: &CampaignSettings) -> Duration {
    match settings.spoken.abandon_message {
        Some(_) => settings.answer_limit.saturating_sub(MESSAGE_LEAD),
        None => settings.answer_limit,
    }
}

impl Floor {
    /// Nobody was there in time for a person whom we called.
    pub(super) fn abandon(
        &mut self,
        id: AttemptId,
        campaign: CampaignId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        match self.campaign(campaign).spoken.abandon_message.clone() {
            Some(prompt) => self.announce(id, prompt, SystemResult::Abandoned, now, effects),
            None => self.hang_up(id, SystemResult::Abandoned, now, effects),
        }
    }

    /// Plays a message to a person who is on the line; the result is known.
    pub(super) fn announce(
        &mut self,
        id: AttemptId,
        prompt: PromptName,
        result: SystemResult,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.count_result(id, result, now, effects);
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.announced = Some(now.mono);
        }
        effects.push(Effect::Announce {
            attempt: id,
            prompt,
        });
        let until = now.mono + MESSAGE_MAX;
        self.set_phase(id, Phase::Announcing { until, result });
        self.free_who_waited(id, result, now, effects);
    }

    /// Says that the call is recorded, where the campaign does.
    pub(super) fn give_notice(
        &self,
        id: AttemptId,
        campaign: CampaignId,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(prompt) = self.campaign(campaign).spoken.recording_notice.clone() {
            effects.push(Effect::Announce {
                attempt: id,
                prompt,
            });
        }
    }
}
