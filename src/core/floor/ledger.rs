//! Feeds the abandon ledger: what became of each answered call, counted once, at the instant at which it is clear.
//!
//! - Served: joined to an agent within the campaign's limit. It is the joining that counts, not the choice of an agent: a person
//!   whose line is never joined has heard nobody.
//! - Abandoned: ABANDONED; joined later than the limit, or never; hung up after more than the limit without an agent (whoever waited
//!   longer than the law allows was abandoned before they gave up); answered although a rule had cancelled the call, since the person
//!   hears nobody.
//! - Left early: hung up within the limit, or while answer analysis listened.

use super::Floor;
use crate::core::calls::Phase;
use crate::core::effect::Effect;
use crate::core::ledger::{Exposure, Ledger, LedgerNews, NamedEvent};
use crate::core::results::SystemResult;
use crate::core::settings::{CampaignSettings, FloorSettings, Settings};
use crate::ids::{AttemptId, CampaignId};
use crate::time::{Mono, Now};
use std::time::Duration;

/// How often windows move on a floor that decides nothing.
const MOVES_EVERY: Duration = Duration::from_secs(1);

impl Floor {
    /// Moves the windows of all ledgers, and tells what came of it.
    pub(super) fn move_windows(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.windows_at = now.mono + MOVES_EVERY;
        let news = self.ledger.advance(now).into_iter();
        effects.extend(news.map(|(campaign, news)| Effect::Ledger { campaign, news }));
    }

    /// How long a person had waited at `at`, and whether that is too long.
    fn waited_too_long(&self, id: AttemptId, at: Mono) -> Option<bool> {
        let attempt = self.attempts.get(&id)?;
        let limit = self.campaign(attempt.campaign).abandon.connect_within;
        Some(at.since(attempt.answered?) > limit)
    }

    /// An answer was learned of at `at`, which may have been a while ago.
    pub(super) fn answer_noticed(
        &mut self,
        id: AttemptId,
        campaign: CampaignId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if self.waited_too_long(id, now.mono) == Some(true) {
            self.name_event(campaign, NamedEvent::NoticedLate, now, effects);
        }
    }

    /// An agent has the call. If that is too late, nothing will make it good.
    pub(super) fn count_match(&mut self, id: AttemptId, now: Now, effects: &mut Vec<Effect>) {
        if self.waited_too_long(id, now.mono) == Some(true) {
            self.count(id, Exposure::Abandoned, now, effects);
        }
    }

    /// The legs are joined.
    pub(super) fn count_join(&mut self, id: AttemptId, now: Now, effects: &mut Vec<Effect>) {
        match self.waited_too_long(id, now.mono) {
            Some(true) => self.count_unjoined(id, now, effects),
            Some(false) => self.count(id, Exposure::Served, now, effects),
            None => {}
        }
    }

    /// The person hung up at `at`.
    pub(super) fn count_departure(
        &mut self,
        id: AttemptId,
        at: Mono,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        if attempt.answered.is_none() && attempt.picked_up.is_some() {
            // Gone before answer analysis knew who it was: nobody whom we let wait.
            return self.count(id, Exposure::LeftEarly, now, effects);
        }
        let has_agent = attempt.agent.is_some();
        match self.waited_too_long(id, at) {
            Some(true) if has_agent => self.count_unjoined(id, now, effects),
            Some(true) => self.count(id, Exposure::Abandoned, now, effects),
            Some(false) => self.count(id, Exposure::LeftEarly, now, effects),
            None => {}
        }
    }

    /// What the result says of an answered call that nothing was said of before.
    pub(super) fn count_result(
        &mut self,
        id: AttemptId,
        result: SystemResult,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        let is_answered = attempt.answered.is_some() || attempt.picked_up.is_some();
        if attempt.is_counted || !is_answered {
            return;
        }
        let campaign = attempt.campaign;
        match result {
            SystemResult::Machine => self.count(id, Exposure::Machine, now, effects),
            SystemResult::CustHangupEarly => self.count_departure(id, now.mono, now, effects),
            SystemResult::Connected => self.count_unjoined(id, now, effects),
            SystemResult::Cancelled => {
                self.name_event(campaign, NamedEvent::CancelledByRule, now, effects);
                self.count(id, Exposure::Abandoned, now, effects);
            }
            _ => {
                if attempt.made_for.is_some() && !matches!(attempt.phase, Phase::Queued { .. }) {
                    // Made for one agent, who waited for it: gone while it rang.
                    self.name_event(campaign, NamedEvent::AgentLost, now, effects);
                }
                self.count(id, Exposure::Abandoned, now, effects);
            }
        }
    }

    /// An agent had the call, and the person did not hear him in time.
    fn count_unjoined(&mut self, id: AttemptId, now: Now, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        if !attempt.is_counted {
            let campaign = attempt.campaign;
            self.name_event(campaign, NamedEvent::JoinFailed, now, effects);
            self.count(id, Exposure::Abandoned, now, effects);
        }
    }

    fn count(&mut self, id: AttemptId, exposure: Exposure, now: Now, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut attempt.is_counted, true) {
            return;
        }
        let campaign = attempt.campaign;
        effects.push(Effect::Exposed {
            attempt: id,
            campaign,
            exposure,
            at: now.unix,
        });
        let news = self.ledger.count(campaign, exposure, now);
        effects.extend(news.map(|news| Effect::Ledger { campaign, news }));
    }

    /// Under a guarantee, says that something happened that no launch could have allowed for.
    pub(super) fn name_event(
        &mut self,
        campaign: CampaignId,
        event: NamedEvent,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if self.ledger.is_guarantee(campaign) {
            self.ledger.name(campaign, event, now.mono);
            effects.push(Effect::Ledger {
                campaign,
                news: LedgerNews::Named(event),
            });
        }
    }
}

/// The ledgers of a floor that starts.
pub(super) fn open(settings: &Settings) -> Ledger {
    let mut ledger = Ledger::default();
    for campaign in &settings.campaigns {
        ledger.open(&campaign.abandon, air(&settings.floor, campaign));
    }
    ledger
}

/// The longest time from a launch to the end of what may come of it: three routes that stay silent, the ring time before and after
/// the first 180, an answer that crosses our CANCEL, what listens to it, and the wait for an agent.
pub(super) fn air(floor: &FloorSettings, campaign: &CampaignSettings) -> Duration {
    3 * (floor.intent_age_max + floor.first_answer_wait + Duration::from_secs(1))
        + 2 * campaign.ring_timeout
        + floor.end_wait
        + super::legs::SCREENING_MAX
        + campaign.answer_limit
        + Duration::from_secs(5)
}
