//! Settings as written -> checked settings. All faults at once, each with line, reason and what was expected; unknown keys are faults.

mod abandon;
mod campaigns;
mod compare;
mod faults;
mod in_force;
mod inbound;
mod keys;
mod load;
mod modes;
mod pages;
pub(crate) mod reader;
mod recording;
#[cfg(test)]
mod reload_tests;
mod report;
mod secrets;
mod settings;
mod shown;
#[cfg(test)]
mod tests;
mod tls;
mod trunks;

pub use compare::{KeyChange, Loaded};
pub use faults::{Fault, Faults, nearest};
pub use in_force::{InForce, TableFull};
pub use inbound::{InboundConfig, UnknownCaller};
pub use keys::{Change, KEYS, Key, key_table};
pub use modes::ratio_milli;
pub use pages::PagesConfig;
pub use recording::{RecordingConfig, RecordingFormat, RecordingMode, RecordingRule};
pub use report::{check_report, notes};
pub use secrets::{PasswordPlace, password_places};
pub use settings::{UnknownZone, zone_table};
pub use tls::{TlsConfig, TlsFiles};

use crate::core::settings::{CampaignSettings, FloorSettings, PromptName, TrunkSettings};
use crate::pii::Pii;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the store, the admin token and the logs of inputs live.
    pub data_dir: PathBuf,
    /// Records every input of the floor for `tandem replay`; absent: not recorded.
    pub input_log: Option<InputLogConfig>,
    /// Country for numbers without "+", ISO 3166 ("VN").
    pub default_country: String,
    /// Zone for leads that name none ("Asia/Ho_Chi_Minh").
    pub default_zone: String,
    /// SIP on our side.
    pub sip: SipConfig,
    /// RTP on our side.
    pub media: MediaConfig,
    /// The agents' socket.
    pub desk: DeskConfig,
    /// HTTP: health, metrics, control.
    pub api: ApiConfig,
    /// Pages that the engine serves.
    pub pages: PagesConfig,
    /// TLS of API and desks.
    pub tls: TlsConfig,
    /// Recordings.
    pub recording: RecordingConfig,
    /// The store.
    pub store: StoreConfig,
    /// Limits of the floor.
    pub floor: FloorSettings,
    /// Skill names; a `SkillId` is an index.
    pub skills: Vec<String>,
    /// Break reasons; index 0 is "login".
    pub break_reasons: Vec<String>,
    /// Reasons for skipping a preview.
    pub skip_reasons: Vec<String>,
    /// Trunks; a `TrunkId` is an index.
    pub trunks: Vec<TrunkConfig>,
    /// Agents' SIP telephones.
    pub phones: PhonesConfig,
    /// Calls that people make to us.
    pub inbound: InboundConfig,
    /// Campaigns; a `CampaignId` is an index.
    pub campaigns: Vec<CampaignConfig>,
}

/// The log of inputs, and how much of the disk it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputLogConfig {
    /// The log of the run that is under way; those of earlier runs stand beside it.
    pub path: PathBuf,
    /// Octets of all its files together. Default 4,096 MB.
    pub octets_max: u64,
    /// Logs of earlier runs that are kept. Default 7.
    pub keep: usize,
}

/// SIP on our side.
#[derive(Clone, Debug, PartialEq)]
pub struct SipConfig {
    /// Where UDP and TCP are bound.
    pub listen: SocketAddr,
    /// Address in Via, Contact and SDP, where it differs from `listen` (NAT).
    pub advertise_address: Option<std::net::IpAddr>,
    /// User-Agent header.
    pub user_agent: String,
}

/// RTP on our side.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaConfig {
    /// Address on which call ports are bound.
    pub listen: std::net::IpAddr,
    /// First and last UDP port for calls (even ports are used).
    pub ports: (u16, u16),
    /// Threads that carry sound. Default 1; each is good for some hundreds of conversations.
    pub threads: u16,
    /// UDP port for agents' browsers; thread n has the n-th after it. 0: any free ones.
    pub agent_port: u16,
    /// Addresses that browsers are told, where they differ from `listen` (NAT).
    pub agent_addresses: Vec<std::net::IpAddr>,
    /// STUN and TURN servers for the browsers.
    pub ice_servers: Vec<IceServerConfig>,
    /// Directory of the prompts; `None`: there are none.
    pub prompts_dir: Option<PathBuf>,
}

/// STUN or TURN servers for the agents' browsers; the engine itself asks none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServerConfig {
    /// "stun:192.0.2.1:3478", "turns:turn.bank.example:443?transport=tcp".
    pub urls: Vec<String>,
    /// For TURN.
    pub username: Option<String>,
    /// For TURN; every agent's browser is told it.
    pub credential: Option<Pii<String>>,
}

/// Agents' SIP telephones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhonesConfig {
    /// Networks in which a telephone may be called and heard; empty: none may.
    pub ranges: Vec<IpNet>,
}

/// The agents' socket.
#[derive(Clone, Debug, PartialEq)]
pub struct DeskConfig {
    /// Where the websocket is served.
    pub listen: SocketAddr,
    /// Origins that a browser may come from, `https://desk.bank.example`; empty: none but native clients.
    pub origins: Vec<String>,
    /// An agent that answers no ping for this long is lost. Default 10 s.
    pub ping_deadline: Duration,
    /// Messages that may wait for one agent before its socket is closed. Default 64.
    pub queue: usize,
    /// Most sockets at once; further ones are closed at once. Default 4,096.
    pub sockets_max: usize,
}

/// HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiConfig {
    /// Where it is served.
    pub listen: SocketAddr,
    /// Host headers accepted beside the listening address.
    pub hosts: Vec<String>,
}

/// The store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// How long a commit may wait for company. Default 2 ms.
    pub commit_window: Duration,
    /// Orders that may wait for the writer before dialling stops. Default 8,192.
    pub queue: usize,
}

/// Transport of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// RFC 3261 s.18 over UDP.
    Udp,
    /// RFC 3261 s.18 over TCP, one connection kept open.
    Tcp,
}

/// What a trunk does about SRTP with keys in the description (RFC 4568).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SrtpRule {
    /// Plain RTP.
    #[default]
    Off,
    /// SRTP first, plain RTP for a far end that refuses it.
    Offer,
    /// SRTP or no call.
    Require,
}

/// A route to a carrier.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkConfig {
    /// What deciding needs of it.
    pub settings: TrunkSettings,
    /// Where requests go.
    pub address: SocketAddr,
    /// How.
    pub transport: Transport,
    /// Host part of our From and of the Request-URI, where it is not the address.
    pub domain: Option<String>,
    /// Digest user.
    pub username: Option<String>,
    /// Digest password.
    pub password: Option<Pii<String>>,
    /// Realms that we answer; empty: the first one seen is pinned.
    pub realms: Vec<String>,
    /// Where its signalling may come from, beside `address`.
    pub signalling_ranges: Vec<IpNet>,
    /// Where its RTP may come from and go to; empty: `address` and the signalling ranges. An SDP that names another place
    /// gets no packet (reliability.md S33).
    pub media_ranges: Vec<IpNet>,
    /// Time between OPTIONS. Default 10 s; three unanswered mean DOWN.
    pub keep_alive: Duration,
    /// Whether its calls to us must bring a digest of username and password. Default no: its addresses are believed.
    pub asks_digest: bool,
    /// What is done about SRTP. Default off.
    pub srtp: SrtpRule,
}

/// A campaign as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignConfig {
    /// What the floor obeys.
    pub settings: CampaignSettings,
    /// Caller id in E.164.
    pub caller_id: String,
    /// Sentence for the card where a lead brings none.
    pub why: Option<String>,
    /// Our numbers in E.164 under which people call this campaign; no other campaign has them.
    pub inbound_numbers: Vec<String>,
    /// Whether its conversations are recorded.
    pub recording: RecordingRule,
    /// The prompt that says so, as it is written: the floor plays it only where every call is recorded.
    pub recording_notice: Option<PromptName>,
}
