//! Calls by hand: an agent takes a lead to work on, or dials one that he names. The gate, the trunks and the books are those of
//! every other call; pacing takes no notice.

use super::Floor;
use super::dialling::Launch;
use super::previewing::{Asking, refuse};
use crate::core::agents::Place;
use crate::core::effect::{Effect, Refusal};
use crate::core::input::LeadFacts;
use crate::core::leads::{Rank, StreamId};
use crate::core::settings::{CampaignState, DialMode};
use crate::ids::{AgentId, CampaignId, LeadId};
use crate::time::Now;

/// Leads that one request may find held by the gate before it is refused.
const HELD_MAX: u32 = 64;

impl Floor {
    /// The agent, who dials by hand, asks for a lead to work on.
    pub(super) fn agent_next(
        &mut self,
        (id, request): Asking,
        only: Option<CampaignId>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let by_hand_only = match self.by_hand(id) {
            Ok(by_hand_only) => by_hand_only,
            Err(why) => return refuse((id, request), why, effects),
        };
        if self.stopped || !self.store_ready {
            return refuse((id, request), Refusal::Stopped, effects);
        }
        let mut held_left = HELD_MAX;
        let mut passed_over = Vec::new();
        let mut is_shown = false;
        while held_left > 0
            && let Some(lead) = self.leads.take_personal(id, now.unix)
        {
            held_left -= 1;
            let campaign = self
                .leads
                .facts(lead)
                .map(|(_, stream)| self.leads.streams()[stream.0].campaign);
            match campaign {
                Some(campaign)
                    if only.is_none_or(|only| only == campaign)
                        && self.may_hand_out(campaign, by_hand_only) =>
                {
                    is_shown = self.offer(lead, campaign, id, true, now, effects);
                }
                _ => passed_over.push(lead),
            }
            if is_shown {
                break;
            }
        }
        for lead in passed_over {
            self.put_back_as_it_was(lead, now);
        }
        while !is_shown && held_left > 0 {
            let mut best: Option<(Rank, std::cmp::Reverse<usize>)> = None;
            for stream in 0..self.leads.streams().len() {
                let campaign = self.leads.streams()[stream].campaign;
                if only.is_some_and(|only| only != campaign)
                    || !self.may_hand_out(campaign, by_hand_only)
                    || !self.is_able(id, StreamId(stream))
                {
                    continue;
                }
                if let Some(rank) = self.leads.head(StreamId(stream), now.unix) {
                    best = best.max(Some((rank, std::cmp::Reverse(stream))));
                }
            }
            let Some((_, std::cmp::Reverse(stream))) = best else {
                break;
            };
            let campaign = self.leads.streams()[stream].campaign;
            let Some(lead) = self.leads.take(StreamId(stream), now.unix) else {
                break;
            };
            held_left -= 1;
            is_shown = self.offer(lead, campaign, id, true, now, effects);
        }
        if !is_shown {
            refuse((id, request), Refusal::NoLead, effects);
        }
    }

    /// The agent dials somebody himself: a lead by its id.
    pub(super) fn agent_dials(
        &mut self,
        (id, request): Asking,
        lead: LeadId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let why = match self.by_hand(id) {
            Err(why) => Some(why),
            Ok(_) if self.stopped || !self.store_ready => Some(Refusal::Stopped),
            Ok(_) => None,
        };
        if let Some(why) = why {
            return refuse((id, request), why, effects);
        }
        if self.leads.facts(lead).is_none() {
            self.asked.insert(id, (request, lead));
            effects.push(Effect::FetchLead {
                agent: id,
                request,
                lead,
            });
            return;
        }
        if let Err(why) = self.dial_by_hand(id, lead, now, effects) {
            refuse((id, request), why, effects);
        }
    }

    /// The store has read a lead for an agent, or has none to give.
    pub(super) fn lead_fetched(
        &mut self,
        (id, request): Asking,
        found: Option<(CampaignId, LeadFacts)>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let is_awaited = self
            .asked
            .get(&id)
            .is_some_and(|(asked, _)| *asked == request);
        let asked = if is_awaited {
            self.asked.remove(&id)
        } else {
            None
        };
        let came = found.map(|(campaign, facts)| {
            let lead = facts.lead;
            self.admit_one(campaign, facts, now);
            lead
        });
        let done = match (asked, came) {
            (Some((_, lead)), Some(came)) if lead == came => {
                self.dial_by_hand(id, lead, now, effects)
            }
            _ => Err(Refusal::NoSuchLead),
        };
        if let Some(lead) = came
            && !self.leads.is_out(lead)
        {
            // It was lent for this call alone, whatever its own time is.
            self.leads.take_this(lead);
            self.put_back_or_return(lead, None, now, effects);
        }
        if let (Err(why), Some(_)) = (done, asked) {
            refuse((id, request), why, effects);
        }
    }

    /// Dials a lead of the hot window for the agent who asked for it.
    fn dial_by_hand(
        &mut self,
        id: AgentId,
        lead: LeadId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let by_hand_only = self.by_hand(id)?;
        let Some((facts, stream)) = self.leads.facts(lead) else {
            return Err(Refusal::NoSuchLead);
        };
        let campaign = self.leads.streams()[stream.0].campaign;
        if !self.is_able(id, stream) || facts.reserved_for.is_some_and(|owner| owner != id) {
            return Err(Refusal::NotYourLead);
        }
        if by_hand_only && self.campaign(campaign).mode != DialMode::Manual {
            return Err(Refusal::WrongState);
        }
        if self.stopped || !self.store_ready {
            return Err(Refusal::Stopped);
        }
        if self.campaign(campaign).state != CampaignState::Running {
            return Err(Refusal::NotRunning);
        }
        if !self.leads.take_this(lead) {
            return Err(Refusal::IN_AIR);
        }
        match self.launch(lead, campaign, Some(id), None, now, effects) {
            Launch::Done => Ok(()),
            Launch::Held(held) => Err(held.into()),
            Launch::Bound(bound) => {
                self.put_back_or_return(lead, None, now, effects);
                Err(Refusal::NoLine(bound))
            }
        }
    }

    /// Whether an agent may take leads and dial by himself now; `true`: only in campaigns whose mode is manual, since he waits
    /// for calls.
    fn by_hand(&self, id: AgentId) -> Result<bool, Refusal> {
        let Some(agent) = self.agents.get(id) else {
            return Err(Refusal::NotSeated);
        };
        match agent.place {
            Place::Manual => Ok(false),
            Place::Ready => Ok(true),
            Place::Wrap { .. } if agent.outcome_kept => Ok(false),
            Place::Wrap { .. } => Err(Refusal::OutcomeFirst),
            Place::Offline => Err(Refusal::NotSeated),
            Place::Break(_) | Place::Reserved(_) | Place::Previewing { .. } | Place::Talking(_) => {
                Err(Refusal::WrongState)
            }
        }
    }

    fn may_hand_out(&self, campaign: CampaignId, by_hand_only: bool) -> bool {
        let settings = self.campaign(campaign);
        settings.state == CampaignState::Running
            && (!by_hand_only || settings.mode == DialMode::Manual)
    }
}
