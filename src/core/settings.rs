//! What the floor is told to obey. Checked before it arrives: `config` fills it, the floor never doubts it.

mod abandon;
mod spoken;

pub use abandon::{AbandonDenominator, AbandonSettings, AbandonStrength, AbandonWindow};
pub use spoken::{InboundSettings, PromptName, SpokenSettings};

use crate::core::input::AgentSeat;
use crate::core::ledger::LedgerHistory;
use crate::core::pacing::predict::Learned;
use crate::core::results::SystemResult;
use crate::ids::{CampaignId, SkillId, TrunkId, ZoneId};
use crate::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Everything a floor starts with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Limits of the floor as a whole.
    pub floor: FloorSettings,
    /// Time zones of borrowers; a `ZoneId` is an index into this table.
    pub zones: Vec<ZoneTable>,
    /// Trunks; a `TrunkId` is an index into this table.
    pub trunks: Vec<TrunkSettings>,
    /// Campaigns; a `CampaignId` is an index into this table.
    pub campaigns: Vec<CampaignSettings>,
    /// The first attempt id to hand out: one more than the store has ever seen.
    pub first_attempt: u64,
}

/// Waits and bounds of the floor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorSettings {
    /// Time between two pacing decisions. Default 50 ms.
    pub tick: Duration,
    /// Time between two predictions. Default 250 ms: a line takes seconds to be answered, so more often gains nothing.
    pub predict_every: Duration,
    /// Oldest intent that may still be released as an INVITE. Default 250 ms: what was decided on is then still true.
    pub intent_age_max: Duration,
    /// How long a lost agent keeps state, call and card. Default 30 s.
    pub agent_grace: Duration,
    /// Longest wait for the first provisional answer to an INVITE. Default 4 s.
    pub first_answer_wait: Duration,
    /// Longest wait for the end of a call that we cancelled or hung up. Default 40 s: above 64*T1 (RFC 3261 s.17.1.1.2).
    pub end_wait: Duration,
    /// Longest wait for the media plane to join two legs. Default 5 s.
    pub bridge_wait: Duration,
    /// Longest conversation. Default 2 h.
    pub talk_max: Duration,
    /// Leads kept in memory per campaign. Default 2,000.
    pub hot_leads: u32,
    /// Most attempts alive at once on this floor. Default 8,000, which the lanes into the floor are made for.
    pub attempts_max: u32,
    /// Failures in a row that open a trunk's breaker. Default 5.
    pub breaker_failures: u32,
    /// How long an open breaker keeps a trunk out of use. Default 3 s.
    pub breaker_wait: Duration,
}

impl Default for FloorSettings {
    fn default() -> Self {
        FloorSettings {
            tick: Duration::from_millis(50),
            predict_every: Duration::from_millis(250),
            intent_age_max: Duration::from_millis(250),
            agent_grace: Duration::from_secs(30),
            first_answer_wait: Duration::from_secs(4),
            end_wait: Duration::from_secs(40),
            bridge_wait: Duration::from_secs(5),
            talk_max: Duration::from_secs(7_200),
            hot_leads: 2_000,
            attempts_max: 8_000,
            breaker_failures: 5,
            breaker_wait: Duration::from_secs(3),
        }
    }
}

/// Offsets of one time zone: from each instant on, local time is UTC plus `offset_s`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneTable {
    /// IANA name, for explanations.
    pub name: String,
    /// Ascending; the first entry also serves all earlier instants. Never empty.
    pub offsets: Vec<(UnixMs, i32)>,
}

/// One route to a carrier, as far as deciding needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkSettings {
    /// Name in the configuration.
    pub name: String,
    /// Most legs at once.
    pub channels_max: u32,
    /// Most INVITEs per second.
    pub cps_max: u32,
    /// Lower is tried first. Equal priorities share by free channels.
    pub priority: u16,
    /// Whether silence before the first provisional answer may be tried on the next trunk (default false: the first may be ringing).
    pub failover_on_silence: bool,
}

/// Who starts a campaign's calls, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DialMode {
    /// Nobody but the agents: each dials for himself.
    Manual,
    /// A free agent is shown the next lead and says whether it is dialled.
    Preview,
    /// One line per free agent.
    Progressive,
    /// Lines per agent at work (ready, talking or in wrap-up), in thousandths; calls with agents count as lines.
    LinesPerAgent {
        /// 1,200 is 1.2 lines per agent.
        milli: u32,
    },
    /// Lines ringing per free agent, in thousandths.
    LinesPerFreeAgent {
        /// 1,200 is 1.2 lines per free agent.
        milli: u32,
    },
    /// As many lines as the forecast of free agents and answers allows.
    Predictive,
}

impl DialMode {
    /// Whether pacing starts lines in this mode; in the others an agent asks for each call.
    pub const fn starts_lines(self) -> bool {
        match self {
            Self::Manual | Self::Preview => false,
            Self::Progressive
            | Self::LinesPerAgent { .. }
            | Self::LinesPerFreeAgent { .. }
            | Self::Predictive => true,
        }
    }

    /// The word in configuration, API and metrics labels. Both ratios are "ratio".
    pub const fn word(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Preview => "preview",
            Self::Progressive => "progressive",
            Self::LinesPerAgent { .. } | Self::LinesPerFreeAgent { .. } => "ratio",
            Self::Predictive => "predictive",
        }
    }
}

/// As a supervisor says it: "1.2 lines per free agent".
impl fmt::Display for DialMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = |milli: u32| f64::from(milli) / 1_000.0;
        match *self {
            Self::Manual => f.write_str("by hand, each agent for himself"),
            Self::Preview => f.write_str("what agents accept after a preview"),
            Self::Progressive => f.write_str("one line per free agent"),
            Self::LinesPerAgent { milli } => write!(f, "{} lines per agent", ratio(milli)),
            Self::LinesPerFreeAgent { milli } => write!(f, "{} lines per free agent", ratio(milli)),
            Self::Predictive => f.write_str("as many lines as its forecast allows"),
        }
    }
}

/// Whether a campaign dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CampaignState {
    /// Dials when agents, leads and rules allow.
    Running,
    /// Starts no call; calls in the air and conversations go on.
    Paused,
    /// Not in the configuration any more: as paused, and only an [`Edit`] opens it again.
    Closed,
}

/// What happens when wrap-up time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WrapOverrun {
    /// The agent becomes ready; a missing disposition is kept as `NOT_RECORDED` by the system.
    Ready,
    /// The agent stays in wrap-up until the disposition is there; the overrun is counted. With one saved, becomes ready.
    Hold,
}

/// A skill and the least level (1..=10) that will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SkillNeed {
    /// The skill.
    pub skill: SkillId,
    /// Least level, 1..=10.
    pub level: u8,
}

/// What happens when an agent says nothing about the lead that he is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PreviewTimeout {
    /// It is dialled.
    Dial,
    /// It counts as skipped; whoever may not skip any more goes on break.
    Skip,
    /// The agent goes on break, the lead goes back.
    Break,
}

/// How leads are shown before they are dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PreviewSettings {
    /// How long an agent may look. Default 30 s.
    pub timeout: Duration,
    /// What happens then. Default [`PreviewTimeout::Skip`].
    pub on_timeout: PreviewTimeout,
    /// Previews that an agent may skip in a row; then he dials, or goes on break. Default 3.
    pub skips_max: u8,
    /// How long a skipped lead stays away. Default 1 h.
    pub skip_gap: Duration,
    /// How long an agent who dials by hand may hold a lead that he asked for. Default 5 min.
    pub hold: Duration,
}

impl Default for PreviewSettings {
    fn default() -> Self {
        PreviewSettings {
            timeout: Duration::from_secs(30),
            on_timeout: PreviewTimeout::Skip,
            skips_max: 3,
            skip_gap: Duration::from_secs(3_600),
            hold: Duration::from_secs(300),
        }
    }
}

/// The rules that hold before any dial of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateSettings {
    /// First minute of the day (borrower's local time) in which we may dial. Default 480 (08:00).
    pub window_from_min: u16,
    /// First minute in which we may not. Default 1,200 (20:00).
    pub window_until_min: u16,
    /// Days on which we may dial: bit 0 is Monday. Default all seven.
    pub weekdays: u8,
    /// Most attempts per person and local day, over all numbers and campaigns. Default 3.
    pub attempts_per_day: u8,
    /// Least time between two attempts at one person. Default 2 h.
    pub gap_min: Duration,
}

/// When a lead returns after a system result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recycle {
    /// Not before this time has passed (never less than the campaign's least gap).
    After(Duration),
    /// Never.
    Never,
}

/// A campaign's rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignSettings {
    /// Name in the configuration ("PL-B2-HCM").
    pub name: String,
    /// Whether it dials.
    pub state: CampaignState,
    /// How it chooses the number of lines.
    pub mode: DialMode,
    /// A mode that is asked what it would do beside the live one, and changes nothing. Only modes that start lines. Default none.
    #[serde(default)]
    pub shadow: Option<DialMode>,
    /// Share of contested agents relative to other campaigns, 1..=100.
    pub weight: u16,
    /// Most lines at once (ringing and talking).
    pub lines_max: u32,
    /// Most INVITEs per second.
    pub cps_max: u32,
    /// How long a phone may ring. Default 25 s.
    pub ring_timeout: Duration,
    /// Longest wait of an answered person for an agent. Default 2 s (47 CFR 64.1200(a)(7)).
    pub answer_limit: Duration,
    /// After-call work. Default 25 s.
    pub wrap: Duration,
    /// What happens when it is over.
    pub wrap_overrun: WrapOverrun,
    /// How leads are shown before they are dialled.
    #[serde(default)]
    pub preview: PreviewSettings,
    /// Age of ringing from which a predicted call may be cancelled when nobody will be free for its answer, at least 15 s
    /// (16 CFR 310.4(b)(4)(ii), 47 CFR 64.1200(a)(6)). Default never.
    pub cancel_ringing: Option<Duration>,
    /// Trunks in order of preference within equal trunk priority; empty: all.
    pub trunks: Vec<TrunkId>,
    /// Skills that every call of the campaign needs.
    pub needs: Vec<SkillNeed>,
    /// The gate.
    pub gate: GateSettings,
    /// Attempts after which a lead is done, over all days.
    pub attempts_max: u16,
    /// What is promised about people who answer and find nobody.
    pub abandon: AbandonSettings,
    /// When a lead returns, by result; results that are absent use [`SystemResult::default_recycle`].
    pub recycle: Vec<(SystemResult, Recycle)>,
    /// What is played to the people who are called.
    #[serde(default)]
    pub spoken: SpokenSettings,
    /// How people are served who call the campaign's numbers.
    #[serde(default)]
    pub inbound: InboundSettings,
}

impl CampaignSettings {
    /// When a lead returns after `result`.
    pub fn recycle_after(&self, result: SystemResult) -> Recycle {
        self.recycle
            .iter()
            .find(|(of, _)| *of == result)
            .map_or_else(|| result.default_recycle(), |(_, rule)| *rule)
    }
}

/// A change of the settings in force. The edits of one reload are one [`crate::core::input::Input`]: no decision falls between
/// two of them. Tables only grow, because calls in the air name their places; what goes is closed.
///
/// What has begun keeps the deadline that it began with: a new ring time is that of the next call.
#[expect(
    clippy::large_enum_variant,
    reason = "an edit is rare and lives for one turn"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    /// Waits and bounds of the floor.
    Floor(FloorSettings),
    /// The offsets of a zone; a new zone if the id is the next one.
    Zone(ZoneId, ZoneTable),
    /// The limits of a trunk, which is thereby open; a new trunk, down until it answers, if the id is the next one.
    Trunk(TrunkId, TrunkSettings),
    /// The trunk takes no call any more; those on it go on.
    TrunkClosed(TrunkId),
    /// A campaign's rules. Its state and mode stay as they are, since a supervisor may have changed them; a new campaign, with
    /// the state and mode given, if the id is the next one.
    Campaign(CampaignId, CampaignSettings),
    /// A campaign's state, also from and to [`CampaignState::Closed`].
    CampaignState(CampaignId, CampaignState),
    /// A campaign's mode.
    CampaignMode(CampaignId, DialMode),
    /// What an agent serves and can do now, if he is logged in: campaigns and skills may be new.
    Agent(AgentSeat),
    /// What earlier runs left in a campaign's abandon ledger. Comes once, before the campaign dials.
    Ledger(CampaignId, LedgerHistory),
    /// What pacing learned in earlier runs. Comes once, before anybody dials.
    Learned(Box<Learned>),
}

impl Settings {
    /// A campaign's settings; `None` for an id that is not in force.
    pub fn campaign(&self, id: CampaignId) -> Option<&CampaignSettings> {
        self.campaigns.get(usize::from(id.0))
    }
}
