//! The picture as JSON: what `/v1/picture` and `/v1/campaigns` say, and what the client reads.
//!
//! Core's types are not serialised as they are: the API owns its words, so that core may change without breaking clients.

use crate::core::picture::{CampaignPicture, Picture};
use crate::core::results::SystemResult;
use crate::core::rules::Gate;
use crate::core::settings::{CampaignState, DialMode};
use crate::shell::api::ledger_view::LedgerView;
use crate::shell::metrics::{Backlogs, Latency};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The engine at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureView {
    /// Wall-clock time in milliseconds since 1970.
    pub at_unix_ms: i64,
    /// Agents by state.
    pub agents: BTreeMap<String, u32>,
    /// Campaigns, in the order of the configuration.
    pub campaigns: Vec<CampaignView>,
    /// Trunks, in the order of the configuration.
    pub trunks: Vec<TrunkView>,
    /// Whether dialling was stopped by hand.
    pub stopped: bool,
    /// Whether the store keeps up.
    pub store_ready: bool,
    /// Attempts between intent and end.
    pub attempts_alive: u32,
    /// Wrap-ups longer than allowed, since the start.
    pub wrap_overruns: u64,
    /// Invariants found broken, since the start.
    pub invariant_faults: u64,
    /// What waits where.
    pub lanes: LanesView,
    /// Latencies since the start, in microseconds.
    pub latencies: BTreeMap<String, Latency>,
}

/// What waits where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanesView {
    /// Inputs in the floor's urgent lane.
    pub urgent: usize,
    /// Inputs in the floor's bulk lane.
    pub bulk: usize,
    /// Orders that wait for the store.
    pub store: usize,
}

/// One campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignView {
    /// Name.
    pub name: String,
    /// "running" or "paused".
    pub state: String,
    /// How it chooses the number of lines.
    pub mode: ModeView,
    /// Agents who serve it.
    pub agents_serving: u32,
    /// Leads on agents' screens before they are dialled.
    #[serde(default)]
    pub previews: u32,
    /// Lines started and neither answered nor ended.
    pub in_air: u32,
    /// Lines that ring.
    pub ringing: u32,
    /// People who wait for an agent.
    pub waiting: u32,
    /// Conversations.
    pub talking: u32,
    /// Attempts started, since the start.
    pub launched: u64,
    /// Attempts ended, by result, since the start.
    pub results: BTreeMap<String, u64>,
    /// Abandoned / (abandoned + served), 0 to 1; absent before the first answer (domain.md, "KPIs").
    pub abandon_ratio: Option<f64>,
    /// The abandon ledger.
    pub ledger: LedgerView,
    /// Dispositions kept, since the start.
    pub outcomes: u64,
    /// Leads in the hot window.
    pub hot_leads: u32,
    /// Times a gate held a lead back, since the start.
    pub held: BTreeMap<String, u64>,
}

/// Who starts a campaign's calls, and how many at once: exactly one of these. Also the body of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModeView {
    /// Lines per agent at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_per_agent: Option<f64>,
    /// Lines per free agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_per_free_agent: Option<f64>,
    /// `true`: one line per free agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progressive: Option<bool>,
    /// `true`: as many lines as the forecast allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictive: Option<bool>,
    /// `true`: a free agent is shown the next lead and says whether it is dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<bool>,
    /// `true`: agents dial for themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<bool>,
}

/// One trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkView {
    /// Name.
    pub name: String,
    /// Whether it answers OPTIONS.
    pub up: bool,
    /// Whether it left the configuration: what is on it goes on, nothing is added.
    #[serde(default)]
    pub closed: bool,
    /// Whether its breaker keeps it out of use.
    pub breaker_open: bool,
    /// Legs in use.
    pub in_use: u32,
}

impl PictureView {
    /// The picture with what stands beside it.
    pub fn new(
        picture: &Picture,
        at_unix_ms: i64,
        backlogs: Backlogs,
        latencies: BTreeMap<&'static str, Latency>,
    ) -> Self {
        PictureView {
            at_unix_ms,
            agents: Picture::AGENT_STATES
                .iter()
                .zip(picture.agents)
                .map(|(state, count)| ((*state).to_owned(), count))
                .collect(),
            campaigns: picture.campaigns.iter().map(CampaignView::from).collect(),
            trunks: picture
                .trunks
                .iter()
                .map(|trunk| TrunkView {
                    name: trunk.name.clone(),
                    up: trunk.up,
                    closed: trunk.closed,
                    breaker_open: trunk.breaker_open,
                    in_use: trunk.in_use,
                })
                .collect(),
            stopped: picture.stopped,
            store_ready: picture.store_ready,
            attempts_alive: picture.attempts_alive,
            wrap_overruns: picture.wrap_overruns,
            invariant_faults: picture.invariant_faults,
            lanes: LanesView {
                urgent: backlogs.urgent,
                bulk: backlogs.bulk,
                store: backlogs.store,
            },
            latencies: latencies
                .into_iter()
                .map(|(name, latency)| (name.to_owned(), latency))
                .collect(),
        }
    }
}

impl From<&CampaignPicture> for CampaignView {
    fn from(campaign: &CampaignPicture) -> Self {
        let of = |result: SystemResult| {
            let place = SystemResult::ALL.iter().position(|other| *other == result);
            place.map_or(0, |place| campaign.results[place])
        };
        let abandoned = of(SystemResult::Abandoned);
        let people = abandoned + of(SystemResult::Connected);
        CampaignView {
            name: campaign.name.clone(),
            state: match campaign.state {
                CampaignState::Running => "running",
                CampaignState::Paused => "paused",
                CampaignState::Closed => "closed",
            }
            .to_owned(),
            mode: ModeView::from(campaign.mode),
            agents_serving: campaign.agents_serving,
            previews: campaign.previews,
            in_air: campaign.in_air,
            ringing: campaign.ringing,
            waiting: campaign.waiting,
            talking: campaign.talking,
            launched: campaign.launched,
            results: SystemResult::ALL
                .iter()
                .zip(campaign.results)
                .map(|(result, count)| (result.code().to_owned(), count))
                .collect(),
            abandon_ratio: (people > 0).then(|| abandoned as f64 / people as f64),
            ledger: LedgerView::from(&campaign.ledger),
            outcomes: campaign.outcomes,
            hot_leads: campaign.hot_leads,
            held: Gate::ALL
                .iter()
                .zip(campaign.held)
                .map(|(gate, count)| (gate.code().to_owned(), count))
                .collect(),
        }
    }
}

impl From<DialMode> for ModeView {
    fn from(mode: DialMode) -> Self {
        let ratio = |milli: u32| Some(f64::from(milli) / 1_000.0);
        let none = ModeView::default();
        match mode {
            DialMode::Progressive => ModeView {
                progressive: Some(true),
                ..none
            },
            DialMode::LinesPerAgent { milli } => ModeView {
                lines_per_agent: ratio(milli),
                ..none
            },
            DialMode::LinesPerFreeAgent { milli } => ModeView {
                lines_per_free_agent: ratio(milli),
                ..none
            },
            DialMode::Predictive => ModeView {
                predictive: Some(true),
                ..none
            },
            DialMode::Preview => ModeView {
                preview: Some(true),
                ..none
            },
            DialMode::Manual => ModeView {
                manual: Some(true),
                ..none
            },
        }
    }
}

impl ModeView {
    /// The mode, if exactly one is given and within 0.1 to 100 with at most three decimals (the configuration's own check).
    pub fn mode(&self) -> Option<DialMode> {
        let ratio = |lines: f64, mode: fn(u32) -> DialMode| {
            crate::config::ratio_milli(lines).map(mode).ok_or(())
        };
        let word = |is: bool, mode: DialMode| is.then_some(mode).ok_or(());
        let given = [
            self.lines_per_agent
                .map(|lines| ratio(lines, |milli| DialMode::LinesPerAgent { milli })),
            self.lines_per_free_agent
                .map(|lines| ratio(lines, |milli| DialMode::LinesPerFreeAgent { milli })),
            self.progressive.map(|is| word(is, DialMode::Progressive)),
            self.predictive.map(|is| word(is, DialMode::Predictive)),
            self.preview.map(|is| word(is, DialMode::Preview)),
            self.manual.map(|is| word(is, DialMode::Manual)),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(mode), None) => mode.ok(),
            _ => None,
        }
    }
}
