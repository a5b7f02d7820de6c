//! Kinds of input, as a label of the floor's turns.

use super::names::Label;
use crate::core::input::{Input, LegEvent};

/// A kind of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputKind(pub(super) usize);

impl InputKind {
    /// The label.
    pub fn name(self) -> &'static str {
        INPUT_KINDS[self.0]
    }
}

pub(super) const INPUT_KINDS: [&str; Label::Input.most()] = [
    "wake",
    "edits",
    "campaign_state",
    "campaign_mode",
    "stop_dialling",
    "resume_dialling",
    "agent_seated",
    "agent_wants",
    "agent_lost",
    "agent_back",
    "agent_hang_up",
    "agent_outcome",
    "leads",
    "leads_changed",
    "number_blocked",
    "person_blocked",
    "intent_durable",
    "intent_failed",
    "store_ready",
    "leg_answered",
    "leg",
    "bridged",
    "trunk_up",
    "agent_preview",
    "agent_dial",
    "lead_fetched",
    "agent_audio",
    "call_sign",
    "announced",
    "media_lost",
    "call_in",
];

/// The kind of an input. The answered leg has one of its own: it is the turn that a person feels.
pub fn input_kind(input: &Input) -> InputKind {
    InputKind(match input {
        Input::Wake => 0,
        Input::Edits(..) => 1,
        Input::CampaignState(..) => 2,
        Input::CampaignMode(..) => 3,
        Input::StopDialling { .. } => 4,
        Input::ResumeDialling => 5,
        Input::AgentSeated(..) => 6,
        Input::AgentWants(..) => 7,
        Input::AgentLost(..) => 8,
        Input::AgentBack(..) => 9,
        Input::AgentHangUp(..) => 10,
        Input::AgentOutcome { .. } => 11,
        Input::Leads { .. } => 12,
        Input::LeadsChanged(..) => 13,
        Input::NumberBlocked(..) => 14,
        Input::PersonBlocked(..) => 15,
        Input::IntentDurable(..) => 16,
        Input::IntentFailed(..) => 17,
        Input::StoreReady(..) => 18,
        Input::Leg {
            event: LegEvent::Answered,
            ..
        } => 19,
        Input::Leg { .. } => 20,
        Input::Bridged(..) => 21,
        Input::TrunkUp(..) => 22,
        Input::AgentAccepts { .. } | Input::AgentSkips { .. } => 23,
        Input::AgentNext { .. } | Input::AgentDials { .. } => 24,
        Input::LeadFetched { .. } => 25,
        Input::AgentAudio(..) => 26,
        Input::CallSign(..) => 27,
        Input::Announced(..) => 28,
        Input::MediaLost(..) => 29,
        Input::CallIn(..) => 30,
    })
}
