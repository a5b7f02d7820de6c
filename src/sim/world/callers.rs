//! People on the line of a world: they hang up, vanish without a word, listen to prompts, and call us.

use super::{Happening, Phone, World};
use crate::core::effect::CallInOrder;
use crate::core::input::{CallIn, Input, LegEvent};
use crate::core::settings::{PromptName, Settings};
use crate::ids::{AttemptId, CallInId, TrunkId};
use std::time::Duration;

/// What media waits before it takes a silent leg for dead, in milliseconds.
const MEDIA_PATIENCE_MS: u64 = 30_000;

/// One campaign says why it hangs up, one only that it records, one says nothing; two of three have a message for callers.
pub(super) fn with_prompts(mut settings: Settings) -> Settings {
    let prompt = |name: &str| Some(PromptName(name.to_owned()));
    for (number, campaign) in settings.campaigns.iter_mut().enumerate() {
        match number % 3 {
            0 => campaign.spoken.abandon_message = prompt("sorry.wav"),
            1 => campaign.spoken.recording_notice = prompt("recorded.wav"),
            _ => {}
        }
        if number % 3 < 2 {
            campaign.inbound.message = prompt("nobody-free.wav");
        }
    }
    settings
}

impl World {
    /// A person is on the line. Some hang up first, and of some of those the BYE is lost: then media finds out.
    pub(super) fn picked_up(&mut self, attempt: AttemptId) {
        if !self.rng.chance(300) {
            return;
        }
        let wait = self.rng.between(100, 90_000);
        if self.rng.chance(self.plan.mishaps * 5) {
            let wait = Duration::from_millis(wait + MEDIA_PATIENCE_MS);
            self.send(wait, Input::MediaLost(attempt));
        } else {
            for route_try in 1..=3 {
                self.leg(wait, attempt, route_try, LegEvent::Ended);
            }
        }
    }

    /// A prompt plays to its end, unless media has lost it.
    pub(super) fn plays(&mut self, attempt: AttemptId) {
        if !self.rng.chance(self.plan.mishaps) {
            let length = Duration::from_millis(self.rng.between(500, 20_000));
            self.send(length, Input::Announced(attempt));
        }
    }

    /// Somebody from our lists calls us, whatever is in the air with him.
    pub(super) fn somebody_calls(&mut self) {
        if self.closing {
            return;
        }
        let all = self.leads.len() as u64;
        let place = self.rng.below(all.max(1)) as usize;
        if let Some((campaign, facts)) = self.leads.values().nth(place).cloned() {
            let is_known = !self.rng.chance(100);
            self.callers += 1;
            self.lent.insert(facts.lead);
            let call = CallIn {
                call: CallInId(self.callers),
                trunk: TrunkId(self.rng.below(2) as u16),
                at: self.now.mono,
                campaign,
                facts,
                is_for_agents: is_known,
                may_call_back: is_known,
            };
            let call = Input::CallIn(Box::new(call));
            self.deliver(call.clone());
            if self.rng.chance(self.plan.mishaps) {
                self.deliver(call);
            }
        }
        let wait = Duration::from_millis(self.rng.between(500, 12_000));
        self.later(wait, Happening::Caller);
    }

    /// A call to us rings here; the caller is patient, or is not.
    pub(super) fn rings_here(&mut self, order: &CallInOrder) {
        self.lead_of.insert(order.attempt, order.lead);
        self.phones.insert(order.attempt, Phone::Calling);
        if self.rng.chance(200) {
            let patience = self.rng.between(10, 25_000);
            self.leg(patience, order.attempt, 1, LegEvent::Ended);
        }
    }
}
