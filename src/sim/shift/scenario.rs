//! What a shift is made of: people, carrier, agents, campaigns, lists. Plain data, checked before it gets here; runs nothing.
//!
//! The defaults are the floor on which pacing is measured: a set-up of 1 to 3 s, 11 s of ringing, answer analysis, 40 % right
//! parties of 150 s and 60 % others of 25 s, 20 s of wrap-up: 95 s of work per conversation.

use crate::core::results::SystemResult;
use crate::core::settings::{
    AbandonSettings, AbandonStrength, AbandonWindow, CampaignSettings, CampaignState, DialMode,
    FloorSettings, GateSettings, InboundSettings, PreviewSettings, Recycle, Settings, SkillNeed,
    SpokenSettings, TrunkSettings, WrapOverrun, ZoneTable,
};
use crate::ids::{CampaignId, SkillId, TrunkId};
use crate::time::UnixMs;
use std::fmt;
use std::time::Duration;

/// A hard cap over what pacing steers at, where a scenario says nothing else.
pub const HARD_CAP_TIMES: f64 = 1.2;

/// Midnight of the simulated day, a Monday (2026-11-23), in the world's one time zone.
pub const MIDNIGHT: UnixMs = UnixMs(1_795_392_000_000);

/// A shift, before it is crossed with a matrix of agents, answer rates, modes and caps.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its file's name without ending.
    pub name: String,
    /// One line: what it shows.
    pub title: String,
    /// A few sentences on why.
    pub about: String,
    /// Minutes after midnight at which it begins. Default 480 (08:00).
    pub start_min: u16,
    /// Length. Default 4 h.
    pub length: Duration,
    /// Seeds: the first and how many. Default 1 and 3.
    pub seeds: (u64, u64),
    /// Waits and bounds of the floor.
    pub floor: FloorSettings,
    /// How long an intent takes to the disk. Default 2 ms, the store's median.
    pub intent_delay: Duration,
    /// The way to the phones.
    pub carrier: Carrier,
    /// What listens to answers before an agent does; `None`: every answer is taken for a person at once.
    pub analysis: Option<Analysis>,
    /// Skill names; a `SkillId` is an index.
    pub skills: Vec<String>,
    /// Agents, by group.
    pub groups: Vec<Group>,
    /// Campaigns and their lists.
    pub campaigns: Vec<Campaign>,
    /// The crossings that the scenario asks for.
    pub matrix: Matrix,
}

/// What is crossed with what. An empty list: as the scenario says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// Numbers of agents; groups keep their proportions.
    pub agents: Vec<u32>,
    /// Answer rates of the first campaign, 0..=1; all segments keep their proportions.
    pub answer_rates: Vec<f64>,
    /// Modes of all campaigns.
    pub modes: Vec<Mode>,
    /// What pacing steers at in all campaigns, 0..=1; hard caps keep their proportion to it.
    pub caps: Vec<f64>,
    /// Hard caps of all campaigns, whatever they steer at.
    pub hard_cap: Option<f64>,
}

/// A pacing mode that starts lines, with the words that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub DialMode);

impl Mode {
    /// One line per free agent.
    pub const PROGRESSIVE: Mode = Mode(DialMode::Progressive);
    /// What [`Mode::of`] understands.
    pub const WORDS: &'static str =
        "\"progressive\", \"predictive\", \"lines_per_agent:1.8\" or \"lines_per_free_agent:2.5\"";

    /// A mode by its words.
    pub fn of(words: &str) -> Option<Mode> {
        let (name, ratio) = match words.split_once(':') {
            Some((name, ratio)) => (name, Some(ratio.trim().parse::<f64>().ok()?)),
            None => (words, None),
        };
        let milli = ratio.map(crate::config::ratio_milli);
        Some(Mode(match (name.trim(), milli) {
            ("progressive", None) => DialMode::Progressive,
            ("predictive", None) => DialMode::Predictive,
            ("lines_per_agent", Some(Some(milli))) => DialMode::LinesPerAgent { milli },
            ("lines_per_free_agent", Some(Some(milli))) => DialMode::LinesPerFreeAgent { milli },
            _ => return None,
        }))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = |milli: u32| f64::from(milli) / 1_000.0;
        match self.0 {
            DialMode::LinesPerAgent { milli } => write!(f, "lines_per_agent:{}", ratio(milli)),
            DialMode::LinesPerFreeAgent { milli } => {
                write!(f, "lines_per_free_agent:{}", ratio(milli))
            }
            other => f.write_str(other.word()),
        }
    }
}

/// A spread of times that are never negative: log-normal, by mean and coefficient of variation (0: always the mean).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Mean, in seconds.
    pub mean_s: f64,
    /// Standard deviation over mean.
    pub cv: f64,
}

/// How many lines there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Channels {
    /// So many.
    Fixed(u32),
    /// So many per agent.
    PerAgent(f64),
}

/// The way to the phones.
#[derive(Clone, Debug, PartialEq)]
pub struct Carrier {
    /// Lines. Default: more than any floor needs.
    pub channels: Channels,
    /// Most INVITEs per second. Default 1,000.
    pub calls_per_second: u32,
    /// From the INVITE to the first ringing, evenly between these seconds. Default 1 to 3.
    pub setup_s: (f64, f64),
    /// From the first ringing to the answer. Default 11 s, cv 0.5.
    pub ring: Spread,
    /// Nobody answers after so many seconds of ringing. Default 24.
    pub ring_max_s: f64,
    /// From our CANCEL or BYE to its end. Default 50 ms.
    pub hangs_up_s: f64,
    /// When it fails.
    pub outages: Vec<Outage>,
}

impl Default for Carrier {
    fn default() -> Self {
        Carrier {
            channels: Channels::Fixed(1_000_000),
            calls_per_second: 1_000,
            setup_s: (1.0, 3.0),
            ring: Spread {
                mean_s: 11.0,
                cv: 0.5,
            },
            ring_max_s: 24.0,
            hangs_up_s: 0.05,
            outages: Vec::new(),
        }
    }
}

/// A time in which the trunk brings no call to a phone. Calls that ring or talk go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    /// From the start of the shift.
    pub at_s: f64,
    /// For how long.
    pub length_s: f64,
    /// How it shows.
    pub kind: OutageKind,
}

/// How an outage shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageKind {
    /// Each INVITE is refused with 503 after 200 ms.
    Refuses,
    /// No INVITE is answered at all.
    Silent,
    /// OPTIONS fail, so that the trunk is known to be down.
    Down,
}

/// What listens to answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Analysis {
    /// Seconds until a person is called one, evenly. Default 0.4 to 1.2.
    pub person_s: (f64, f64),
    /// Seconds until a machine is called one, evenly. Default 1.5 to 4.
    pub machine_s: (f64, f64),
    /// Share of people called machines, 0..=1: they hear a click. Default 0.01.
    pub people_lost: f64,
    /// Share of machines called people, 0..=1: an agent hears a greeting. Default 0.05.
    pub machines_passed: f64,
}

impl Default for Analysis {
    fn default() -> Self {
        Analysis {
            person_s: (0.4, 1.2),
            machine_s: (1.5, 4.0),
            people_lost: 0.01,
            machines_passed: 0.05,
        }
    }
}

/// A kind of conversation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Talk {
    /// Share of conversations; those of a campaign sum to 1.
    pub share: f64,
    /// How long.
    pub spread: Spread,
    /// Whether it was the right party: the lead is done for the day.
    pub is_right_party: bool,
}

/// A group of agents.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Name, for the report.
    pub name: String,
    /// Agents.
    pub count: u32,
    /// Logged in at the earliest so many seconds into the shift. Default 0.
    pub from_s: f64,
    /// And at the latest so many seconds later, evenly. Default 300.
    pub over_s: f64,
    /// Logs out so many seconds into the shift; `None`: stays.
    pub until_s: Option<f64>,
    /// Campaigns served, by index, and weights; empty: all.
    pub campaigns: Vec<(CampaignId, u16)>,
    /// Skills and levels.
    pub skills: Vec<(SkillId, u8)>,
    /// Share of wrap-ups that lead to a pause. Default 0.01.
    pub pause_share: f64,
    /// Mean of a pause in seconds, exponential. Default 180.
    pub pause_mean_s: f64,
    /// When part of the group goes.
    pub absences: Vec<Absence>,
}

/// Part of a group goes, for a time or for good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Absence {
    /// Seconds into the shift.
    pub at_s: f64,
    /// They go one after another over so many seconds; 0: all at once.
    pub over_s: f64,
    /// Share of the group, 0..=1, if `count` is 0.
    pub share: f64,
    /// So many of the group.
    pub count: u32,
    /// Back after so many seconds; `None`: logged out for good.
    pub back_after_s: Option<f64>,
}

/// Part of a list in which people answer alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Name, for the report.
    pub name: String,
    /// Share of the list; those of a list sum to 1.
    pub share: f64,
    /// Chance that a dialled phone is answered by a person, 0..=1.
    pub answer_rate: f64,
}

/// How many positions a list has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// Never ends; each position is dialled once.
    Endless,
    /// So many leads, with the retries that the campaign's rules allow.
    Leads(u64),
    /// Leads come one by one, as a Poisson process; each is dialled once, when it comes.
    Arrivals {
        /// How many, on average.
        per_hour: f64,
    },
}

/// A list.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// How long it is.
    pub length: Length,
    /// Its parts, at least one.
    pub segments: Vec<Segment>,
    /// Positions of one segment that follow one another; 1: mixed.
    pub block: u64,
    /// Share of machines among those that no person answers. Default 0.12.
    pub machines: f64,
    /// Share of busy lines and dead numbers among those that no person answers. Default 0.15.
    pub fast_failures: f64,
    /// Factors on the answer rate, one for each hour of the shift; the last one goes on.
    pub hourly: Vec<f64>,
    /// From so many seconds on, this factor on the answer rate, until the next one.
    pub steps: Vec<(f64, f64)>,
}

/// A campaign: its rules, its list, and what its conversations are like.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// Name.
    pub name: String,
    /// Mode.
    pub mode: Mode,
    /// Abandoned of those answered by people, 0..=1: what pacing steers at. Default 0.03.
    pub cap: f64,
    /// Above it no line starts without a free agent, 0..=1. Default 1.2 times the cap, as the product's 3 and 2.5 %.
    pub hard_cap: f64,
    /// Whether the hard cap is guaranteed at every launch.
    pub is_guarantee: bool,
    /// Age of ringing from which a predicted call may be cancelled when nobody will be free. Default never.
    pub cancel_ringing: Option<Duration>,
    /// Share of contested agents, 1..=100.
    pub weight: u16,
    /// Most lines at once.
    pub lines_max: u32,
    /// Most INVITEs per second.
    pub calls_per_second: u32,
    /// How long a phone rings. Default 24 s.
    pub ring_timeout: Duration,
    /// Longest wait of a person. Default 2 s.
    pub answer_limit: Duration,
    /// The person hangs up after waiting so many seconds. Default 2.
    pub patience_s: f64,
    /// Skills needed.
    pub needs: Vec<SkillNeed>,
    /// First and last minute of the day in which it may dial. Default 0 to 1,440.
    pub window_min: (u16, u16),
    /// Most attempts per person and day.
    pub attempts_per_day: u8,
    /// Least time between two of them.
    pub gap: Duration,
    /// After how long a lead returns; results that are absent use the floor's own times.
    pub recycle: Vec<(SystemResult, Recycle)>,
    /// Its list.
    pub list: List,
    /// Its conversations.
    pub talk: Vec<Talk>,
    /// An agent hears a machine's greeting for so many seconds, evenly. Default 3 to 8.
    pub machine_talk_s: (f64, f64),
    /// After-call work. Default 20 s, cv 0.4.
    pub wrap: Spread,
}

impl Scenario {
    /// Agents in all groups.
    pub fn agents(&self) -> u32 {
        self.groups.iter().map(|group| group.count).sum()
    }

    /// With `agents` agents in all; groups keep their proportions, and each that has anybody keeps one.
    pub fn with_agents(mut self, agents: u32) -> Self {
        let before = self.agents().max(1);
        let mut left = agents;
        let last = self.groups.len().saturating_sub(1);
        for (number, group) in self.groups.iter_mut().enumerate() {
            let share = f64::from(group.count) * f64::from(agents) / f64::from(before);
            let count = if number == last {
                left
            } else {
                (share.round() as u32)
                    .max(u32::from(group.count > 0))
                    .min(left)
            };
            group.count = count;
            left -= count;
        }
        self
    }

    /// With another answer rate of the first campaign; all segments of all campaigns keep their proportions.
    pub fn with_answer_rate(mut self, rate: f64) -> Self {
        let mean = self.campaigns.first().map_or(0.0, Campaign::answer_rate);
        if mean > 0.0 {
            for campaign in &mut self.campaigns {
                for segment in &mut campaign.list.segments {
                    segment.answer_rate = (segment.answer_rate * rate / mean).min(1.0);
                }
            }
        }
        self
    }

    /// With another mode of all campaigns.
    pub fn with_mode(mut self, mode: Mode) -> Self {
        for campaign in &mut self.campaigns {
            campaign.mode = mode;
        }
        self
    }

    /// With another share that pacing of all campaigns steers at; hard caps keep their proportion to it.
    pub fn with_cap(mut self, cap: f64) -> Self {
        for campaign in &mut self.campaigns {
            let times = if campaign.cap > 0.0 {
                campaign.hard_cap / campaign.cap
            } else {
                HARD_CAP_TIMES
            };
            campaign.hard_cap = (cap * times).min(1.0);
            campaign.cap = cap;
        }
        self
    }

    /// With another hard cap of all campaigns, which steer at no more.
    pub fn with_hard_cap(mut self, hard_cap: f64) -> Self {
        for campaign in &mut self.campaigns {
            campaign.hard_cap = hard_cap;
            campaign.cap = campaign.cap.min(hard_cap);
        }
        self
    }

    /// Wall-clock time at the start.
    pub fn starts_at(&self) -> UnixMs {
        MIDNIGHT + Duration::from_secs(u64::from(self.start_min) * 60)
    }

    /// What the floor is told.
    pub fn settings(&self) -> Settings {
        let channels_max = match self.carrier.channels {
            Channels::Fixed(lines) => lines,
            Channels::PerAgent(lines) => (lines * f64::from(self.agents())).round().max(1.0) as u32,
        };
        Settings {
            floor: self.floor.clone(),
            zones: vec![ZoneTable {
                name: "UTC".to_owned(),
                offsets: vec![(UnixMs(0), 0)],
            }],
            trunks: vec![TrunkSettings {
                name: "carrier".to_owned(),
                channels_max,
                cps_max: self.carrier.calls_per_second,
                priority: 1,
                failover_on_silence: false,
            }],
            campaigns: self.campaigns.iter().map(Campaign::settings).collect(),
            first_attempt: 1,
        }
    }
}

impl Campaign {
    /// The list's mean answer rate, without hours and steps.
    pub fn answer_rate(&self) -> f64 {
        let segments = self.list.segments.iter();
        segments.map(|part| part.share * part.answer_rate).sum()
    }

    /// What its ledger promises.
    fn abandon(&self) -> AbandonSettings {
        let ppm = |share: f64| (share * 1e6).round() as u32;
        AbandonSettings {
            strength: if self.is_guarantee {
                AbandonStrength::Guarantee
            } else {
                AbandonStrength::Target
            },
            target_ppm: ppm(self.cap),
            cap_ppm: ppm(self.hard_cap),
            // The whole shift, as the score counts it.
            window: AbandonWindow::RollingHours(24),
            connect_within: self.answer_limit,
            ..AbandonSettings::default()
        }
    }

    /// What the floor is told of it.
    fn settings(&self) -> CampaignSettings {
        CampaignSettings {
            name: self.name.clone(),
            state: CampaignState::Running,
            mode: self.mode.0,
            weight: self.weight,
            lines_max: self.lines_max,
            cps_max: self.calls_per_second,
            ring_timeout: self.ring_timeout,
            answer_limit: self.answer_limit,
            // Agents end their wrap-up themselves; the floor's own limit would cut the long ones.
            wrap: Duration::from_secs(600),
            wrap_overrun: WrapOverrun::Hold,
            preview: PreviewSettings::default(),
            trunks: vec![TrunkId(0)],
            needs: self.needs.clone(),
            gate: GateSettings {
                window_from_min: self.window_min.0,
                window_until_min: self.window_min.1,
                weekdays: 0x7f,
                attempts_per_day: self.attempts_per_day,
                gap_min: self.gap,
            },
            attempts_max: u16::MAX,
            abandon: self.abandon(),
            recycle: self.recycle.clone(),
            cancel_ringing: self.cancel_ringing,
            shadow: None,
            spoken: SpokenSettings::default(),
            inbound: InboundSettings::default(),
        }
    }
}

impl List {
    /// The segment of a position: by its share, mixed or in blocks. `even` is the position's own even draw.
    pub fn segment_of(&self, position: u64, even: impl Fn(u64) -> f64) -> u16 {
        // All positions of a block have the draw of the block.
        let draw = even(position / self.block.max(1));
        let mut sum = 0.0;
        for (number, segment) in self.segments.iter().enumerate() {
            sum += segment.share;
            if draw < sum {
                return number as u16;
            }
        }
        self.segments.len().saturating_sub(1) as u16
    }

    /// Chance that a person answers a phone of this segment that is dialled `at_s` seconds into the shift.
    pub fn rate(&self, segment: u16, at_s: f64) -> f64 {
        let base = self
            .segments
            .get(usize::from(segment))
            .map_or(0.0, |segment| segment.answer_rate);
        let hour = (at_s / 3_600.0) as usize;
        let hourly = self
            .hourly
            .get(hour)
            .or(self.hourly.last())
            .copied()
            .unwrap_or(1.0);
        let steps = self.steps.iter().rev();
        let step = steps
            .clone()
            .find(|(from_s, _)| *from_s <= at_s)
            .map_or(1.0, |(_, factor)| *factor);
        (base * hourly * step).clamp(0.0, 1.0)
    }
}
