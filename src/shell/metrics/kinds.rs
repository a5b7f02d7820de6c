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
    "campaign",
    "campaign_state",
    "campaign_mode",
    "trunk",
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
];

/// The kind of an input. The answered leg has one of its own: it is the turn that a person feels.
pub fn input_kind(input: &Input) -> InputKind {
    InputKind(match input {
        Input::Wake => 0,
        Input::Campaign(..) => 1,
        Input::CampaignState(..) => 2,
        Input::CampaignMode(..) => 3,
        Input::Trunk(..) => 4,
        Input::StopDialling { .. } => 5,
        Input::ResumeDialling => 6,
        Input::AgentSeated(..) => 7,
        Input::AgentWants(..) => 8,
        Input::AgentLost(..) => 9,
        Input::AgentBack(..) => 10,
        Input::AgentHangUp(..) => 11,
        Input::AgentOutcome { .. } => 12,
        Input::Leads { .. } => 13,
        Input::LeadsChanged(..) => 14,
        Input::NumberBlocked(..) => 15,
        Input::PersonBlocked(..) => 16,
        Input::IntentDurable(..) => 17,
        Input::IntentFailed(..) => 18,
        Input::StoreReady(..) => 19,
        Input::Leg {
            event: LegEvent::Answered,
            ..
        } => 20,
        Input::Leg { .. } => 21,
        Input::Bridged(..) => 22,
        Input::TrunkUp(..) => 23,
    })
}
