//! A read-only snapshot of the floor for wallboards and metrics. Copies counts; holds nothing that decides.

use crate::core::settings::{CampaignState, DialMode};

/// The floor at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Agents: offline, on break, ready, reserved, talking, in wrap-up, manual.
    pub agents: [u32; 7],
    /// Campaigns; the index is the `CampaignId`.
    pub campaigns: Vec<CampaignPicture>,
    /// Trunks; the index is the `TrunkId`.
    pub trunks: Vec<TrunkPicture>,
    /// Whether dialling is stopped.
    pub stopped: bool,
    /// Whether the store keeps up.
    pub store_ready: bool,
    /// Attempts that have no result yet.
    pub attempts_alive: u32,
    /// Wrap-ups that outlasted their time.
    pub wrap_overruns: u64,
    /// Truths of the floor found broken (0, or wake somebody).
    pub invariant_faults: u64,
}

/// One campaign at one instant; counters rise from the engine's start.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignPicture {
    /// Name.
    pub name: String,
    /// Whether it dials.
    pub state: CampaignState,
    /// How it chooses its lines.
    pub mode: DialMode,
    /// Agents at work who serve it.
    pub agents_serving: u32,
    /// Lines in the air: intents, ringing, answered and waiting.
    pub in_air: u32,
    /// Of these, ringing.
    pub ringing: u32,
    /// Of these, answered people who wait for an agent.
    pub waiting: u32,
    /// Conversations (and legs being joined).
    pub talking: u32,
    /// Attempts started.
    pub launched: u64,
    /// Attempts ended, in the order of `SystemResult::ALL`.
    pub results: [u64; 12],
    /// Dispositions kept.
    pub outcomes: u64,
    /// Leads in the hot window.
    pub hot_leads: u32,
    /// Leads held back, in the order of `Gate::ALL`.
    pub held: [u64; 6],
}

/// One trunk at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrunkPicture {
    /// Name.
    pub name: String,
    /// Whether it answers OPTIONS.
    pub up: bool,
    /// Whether its breaker keeps calls away.
    pub breaker_open: bool,
    /// Legs on it.
    pub in_use: u32,
}
