//! A read-only snapshot of the floor, for wallboard, metrics and `/v1/picture`.
//!
//! Plain numbers and names of campaigns and trunks; never a person. The floor fills it once per publication and hands it
//! out whole: a reader sees one instant, never half of two.

use crate::core::ledger::Standing;
use crate::core::settings::{AbandonDenominator, AbandonWindow, CampaignState, DialMode};

/// The floor at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Agents by state, in the order of [`Picture::AGENT_STATES`].
    pub agents: [u32; 7],
    /// Campaigns; a `CampaignId` is an index.
    pub campaigns: Vec<CampaignPicture>,
    /// Trunks; a `TrunkId` is an index.
    pub trunks: Vec<TrunkPicture>,
    /// Whether dialling was stopped by hand.
    pub stopped: bool,
    /// Whether the store keeps up; while it does not, nothing is dialled.
    pub store_ready: bool,
    /// Attempts between intent and end.
    pub attempts_alive: u32,
    /// Wrap-ups that lasted longer than their campaign allows, since the start.
    pub wrap_overruns: u64,
    /// Invariants found broken, since the start. Anything but 0 is a defect of ours.
    pub invariant_faults: u64,
}

impl Picture {
    /// What each place of [`Picture::agents`] counts.
    pub const AGENT_STATES: [&'static str; 7] = [
        "offline", "break", "ready", "reserved", "talking", "wrap", "manual",
    ];
}

/// One campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignPicture {
    /// Name in the configuration.
    pub name: String,
    /// Whether it dials.
    pub state: CampaignState,
    /// How it chooses the number of lines.
    pub mode: DialMode,
    /// The mode that is asked beside it.
    pub shadow: Option<DialMode>,
    /// Lines in the air while a shadow mode was asked, in line-seconds since the start: of the live mode, and of the shadow.
    pub shadow_line_seconds: (u64, u64),
    /// Agents logged in who serve it and are not on break or dialling by hand.
    pub agents_serving: u32,
    /// Leads on agents' screens, to be dialled or not as they say.
    pub previews: u32,
    /// Lines started and neither answered nor ended, intents included.
    pub in_air: u32,
    /// Of those, lines that ring.
    pub ringing: u32,
    /// People who answered and wait for an agent.
    pub waiting: u32,
    /// Conversations.
    pub talking: u32,
    /// Attempts started, since the start.
    pub launched: u64,
    /// Attempts ended, by result, in the order of [`crate::core::results::SystemResult::ALL`], since the start.
    pub results: [u64; crate::core::results::SystemResult::ALL.len()],
    /// Dispositions kept, since the start.
    pub outcomes: u64,
    /// Leads in the hot window.
    pub hot_leads: u32,
    /// Its abandon ledger.
    pub ledger: LedgerPicture,
    /// Times a gate held a lead back, in the order of [`crate::core::rules::Gate::ALL`], since the start.
    pub held: [u64; 6],
}

/// One campaign's abandon ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LedgerPicture {
    /// Where it stands with its cap.
    pub standing: Standing,
    /// Over which time.
    pub window: AbandonWindow,
    /// What abandoned calls are divided by.
    pub denominator: AbandonDenominator,
    /// Events that may have cost a guarantee, in the order of [`crate::core::ledger::NamedEvent::ALL`], since the start.
    pub named: [u64; 6],
    /// Abandonments that broke a guarantee, since the start.
    pub broken: u64,
}

/// One trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkPicture {
    /// Name in the configuration.
    pub name: String,
    /// Whether it answers OPTIONS.
    pub up: bool,
    /// Whether it is not in the configuration any more: what is on it goes on, nothing is added.
    pub closed: bool,
    /// Whether its breaker keeps it out of use.
    pub breaker_open: bool,
    /// Legs in use.
    pub in_use: u32,
    /// Legs that it may have.
    pub channels_max: u32,
}
