//! Text -> [`Config`]: the top of the file, and the tables that say where we listen and what bounds us.
//!
//! Owns the order of reading and what holds between tables; trunks and campaigns have files of their own.

use super::reader::{Placed, Section, Sink, syntax_place};
use super::{
    ApiConfig, Config, DeskConfig, Faults, IceServerConfig, InputLogConfig, MediaConfig,
    PhonesConfig, SipConfig, StoreConfig, campaigns, inbound, nearest, trunks,
};
use crate::core::settings::FloorSettings;
use crate::pii::Pii;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

/// Where passwords may come from beside the file itself. Handed in, so that a test needs no environment.
pub(super) struct Sources<'a> {
    /// An environment variable.
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    /// A file's text.
    pub(super) file: &'a dyn Fn(&Path) -> std::io::Result<String>,
}

const ADDRESS: &str = "an address and port, \"127.0.0.1:5060\" or \"[::1]:5060\"";
const PLAIN_ADDRESS: &str = "an address without port, \"192.0.2.7\" or \"2001:db8::7\"";

impl Config {
    /// Reads and checks a configuration. Relative paths in it are seen from the working directory.
    pub fn load(path: &Path) -> Result<Config, Faults> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Faults::whole_file(path, format!("cannot be read: {error}")))?;
        Config::from_text(&text, path)
    }

    /// Checks the text of a configuration; `path` is only its name in faults.
    pub fn from_text(text: &str, path: &Path) -> Result<Config, Faults> {
        let sources = Sources {
            environment: &|name| std::env::var(name).ok(),
            file: &|path| std::fs::read_to_string(path),
        };
        let mut sink = Sink::new(text);
        read(text, &mut sink, &sources).map_err(|()| Faults {
            file: path.to_owned(),
            list: sink.into_faults(),
        })
    }
}

/// Reads the whole file. `Err` means that the sink holds at least one fault.
pub(super) fn read(text: &str, sink: &mut Sink<'_>, sources: &Sources<'_>) -> Result<Config, ()> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let what = format!("is not TOML: {}", error.message());
        sink.fault(syntax_place(error.span()), String::new(), what, None);
    }
    // What could be read of a broken file is not checked: its faults would be echoes of the first one.
    if !errors.is_empty() {
        return Err(());
    }
    let config = root(Section::root(table.get_ref()), sink, sources);
    if sink.is_clean() { Ok(config) } else { Err(()) }
}

fn root(mut section: Section<'_>, sink: &mut Sink<'_>, sources: &Sources<'_>) -> Config {
    let top = &mut section;
    let data_dir = path(top, sink, "data_dir").unwrap_or_else(|| PathBuf::from("tandem-data"));
    let input_log = input_log(top, sink);
    let default_country = top
        .parsed(
            sink,
            "default_country",
            "an ISO 3166 country, \"VN\"",
            |text| {
                text.parse::<phonenumber::country::Id>().ok()?;
                Some(text.to_owned())
            },
        )
        .unwrap_or_else(|| "VN".to_owned());
    let default_zone = zone(top, sink);
    let skills = names(top, sink, "skills", 256, &[]);
    let break_reasons = names(top, sink, "break_reasons", 254, &["login"]);
    let break_reasons = if top.has("break_reasons") {
        break_reasons
    } else {
        ["login", "lunch", "coaching", "technical", "personal"]
            .map(str::to_owned)
            .to_vec()
    };
    let skip_reasons = names(top, sink, "skip_reasons", 255, &[]);
    let skip_reasons = if skip_reasons.is_empty() {
        ["not_now", "facts_wrong", "language", "known_person"]
            .map(str::to_owned)
            .to_vec()
    } else {
        skip_reasons
    };
    let sip = sip(top.table(sink, "sip"), sink);
    let media = media(
        top.table(sink, "media"),
        sink,
        sip.advertise_address.is_some(),
    );
    let desk = desk(top.table(sink, "desk"), sink);
    let api = api(top.table(sink, "api"), sink);
    let pages = super::pages::read(top.table(sink, "pages"), sink);
    let tls = super::tls::read(top.table(sink, "tls"), sink);
    let recording = super::recording::read(top.table(sink, "recording"), sink);
    let store = store(top.table(sink, "store"), sink);
    let floor = floor(top.table(sink, "floor"), sink);
    one_listener_per_port(top, sink, &sip, &desk, &api);
    let spoken_to = [("desk", desk.listen), ("api", api.listen)];
    super::tls::nothing_plain_beyond_loopback(top, sink, &tls, &spoken_to);
    let trunks = trunks::read(top, sink, sources, &sip);
    let phones = phones(top.table(sink, "phones"), sink);
    let inbound = inbound::read(top.table(sink, "inbound"), sink);
    let campaigns = campaigns::read(top, sink, &trunks, &skills, &default_zone, &inbound);
    section.finish(sink);
    Config {
        data_dir,
        input_log,
        default_country,
        default_zone,
        sip,
        media,
        desk,
        api,
        pages,
        tls,
        recording,
        store,
        floor,
        skills,
        break_reasons,
        skip_reasons,
        trunks,
        phones,
        inbound,
        campaigns,
    }
}

fn path(section: &mut Section<'_>, sink: &mut Sink<'_>, key: &'static str) -> Option<PathBuf> {
    let text = section.text(sink, key, "a path in quotes")?;
    Some(PathBuf::from(text.value))
}

/// Where inputs are recorded, and how much of it is kept.
fn input_log(section: &mut Section<'_>, sink: &mut Sink<'_>) -> Option<InputLogConfig> {
    let path = path(section, sink, "input_log");
    let megabytes = section.whole(sink, "input_log_max_mb", 16..=1_048_576, "MB", 4_096);
    let keep = section.whole(sink, "input_log_keep", 0..=1_000, "earlier runs", 7);
    if !section.has("input_log") {
        for key in ["input_log_max_mb", "input_log_keep"] {
            if section.has(key) {
                let what = "is of no use without input_log".to_owned();
                section.fault(sink, key, what, "input_log beside it");
            }
        }
    }
    path.map(|path| InputLogConfig {
        path,
        octets_max: megabytes * 1_000_000,
        keep: keep as usize,
    })
}

fn zone(section: &mut Section<'_>, sink: &mut Sink<'_>) -> String {
    const DEFAULT: &str = "Asia/Ho_Chi_Minh";
    let expected = "an IANA time zone, \"Asia/Ho_Chi_Minh\"";
    let Some(text) = section.text(sink, "default_zone", expected) else {
        return DEFAULT.to_owned();
    };
    if jiff::tz::TimeZone::get(text.value).is_err() {
        let known: Vec<String> = jiff::tz::db()
            .available()
            .map(|name| name.to_string())
            .collect();
        sink.guess(
            text.at,
            section.name("default_zone"),
            format!("is \"{}\", which is not a known zone", text.value),
            Some(expected.to_owned()),
            nearest(text.value, known.iter().map(String::as_str)).map(str::to_owned),
        );
    }
    text.value.to_owned()
}

/// A list of names without doubles, after the built-in ones.
fn names(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    key: &'static str,
    most: usize,
    built_in: &[&str],
) -> Vec<String> {
    let mut list: Vec<String> = built_in.iter().map(|name| (*name).to_owned()).collect();
    let Some(texts) = section.texts(
        sink,
        key,
        "a list of names, [\"vietnamese\", \"late_stage\"]",
    ) else {
        return list;
    };
    if texts.len() > most {
        section.fault(
            sink,
            key,
            format!("has {} names", texts.len()),
            &format!("at most {most}"),
        );
    }
    for text in texts {
        let at = text.at;
        if !is_name(text.value) {
            let what = format!("has \"{}\"", text.value);
            sink.fault(at, section.name(key), what, Some(NAME.to_owned()));
        } else if list.iter().any(|name| name == text.value) {
            let why = if built_in.contains(&text.value) {
                "is built in and need not be named"
            } else {
                "is there twice"
            };
            let what = format!("\"{}\" {why}", text.value);
            sink.fault(at, section.name(key), what, None);
        } else {
            list.push(text.value.to_owned());
        }
    }
    list
}

/// What a name may be: it becomes a metric label, a part of a URL and a word on a command line.
pub(super) const NAME: &str =
    "a name of 1 to 64 letters, digits, '_', '-' or '.', beginning with a letter or digit";

/// Whether this may be the name of a trunk, a campaign or a skill.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The name of a trunk or campaign: required, well formed, and not taken by an earlier one.
pub(super) fn own_name(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    taken: &mut BTreeMap<String, usize>,
) -> String {
    let Some(text) = required(section, sink, "name", NAME) else {
        return String::new();
    };
    if !is_name(text.value) {
        section.fault(sink, "name", format!("is \"{}\"", text.value), NAME);
    } else if taken.insert(text.value.to_owned(), text.at).is_some() {
        let what = format!("\"{}\" is the name of an earlier one", text.value);
        section.fault(sink, "name", what, "a name of its own");
    }
    text.value.to_owned()
}

/// Whether this is a number in E.164, "+842873000000".
pub(super) fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A text that must be there.
pub(super) fn required<'t>(
    section: &mut Section<'t>,
    sink: &mut Sink<'_>,
    key: &'static str,
    expected: &str,
) -> Option<Placed<&'t str>> {
    let is_there = section.has(key);
    let text = section.text(sink, key, expected);
    if !is_there {
        section.fault(sink, key, "is missing".to_owned(), expected);
    }
    text
}

fn address(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    key: &'static str,
    port: u16,
) -> SocketAddr {
    section
        .parsed(sink, key, ADDRESS, |text| text.parse().ok())
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
}

fn sip(mut section: Section<'_>, sink: &mut Sink<'_>) -> SipConfig {
    let listen = address(&mut section, sink, "listen", 5060);
    let advertise_address: Option<IpAddr> =
        section.parsed(sink, "advertise_address", PLAIN_ADDRESS, |text| {
            text.parse()
                .ok()
                .filter(|address: &IpAddr| !address.is_unspecified() && !address.is_multicast())
        });
    if listen.ip().is_unspecified() && !section.has("advertise_address") {
        section.fault(
            sink,
            "listen",
            format!("is \"{listen}\", which no carrier can answer to"),
            "one address, or advertise_address beside it: Via, Contact and SDP need it",
        );
    }
    let user_agent = section
        .parsed(
            sink,
            "user_agent",
            "1 to 64 printable ASCII characters",
            |text| {
                let plain = text.len() <= 64 && text.bytes().all(|b| (0x20..0x7f).contains(&b));
                plain.then(|| text.to_owned())
            },
        )
        .unwrap_or_else(|| "Tandem".to_owned());
    section.finish(sink);
    SipConfig {
        listen,
        advertise_address,
        user_agent,
    }
}

fn media(mut section: Section<'_>, sink: &mut Sink<'_>, advertised: bool) -> MediaConfig {
    let listen: IpAddr = section
        .parsed(sink, "listen", PLAIN_ADDRESS, |text| text.parse().ok())
        .unwrap_or(IpAddr::from([127, 0, 0, 1]));
    if listen.is_unspecified() && !advertised {
        section.fault(
            sink,
            "listen",
            format!("is \"{listen}\", which SDP cannot offer"),
            "one address, or sip.advertise_address beside it",
        );
    }
    let first = section.whole(sink, "port_first", 1_024..=65_534, "UDP ports", 20_000) as u16;
    let last = section.whole(sink, "port_last", 1_025..=65_535, "UDP ports", 39_999) as u16;
    if last <= first {
        section.fault(
            sink,
            "port_last",
            format!("is {last}, not above port_first ({first})"),
            "a port above port_first: one even port for each call",
        );
    }
    let threads = section.whole(sink, "threads", 1..=64, "threads", 1) as u16;
    let agent_port = section.whole(sink, "agent_port", 0..=65_000, "a UDP port", 0) as u16;
    let last_agent_port = agent_port.saturating_add(threads - 1);
    if agent_port != 0 && agent_port <= last && last_agent_port >= first {
        section.fault(
            sink,
            "agent_port",
            format!("is {agent_port}, inside the ports of calls ({first} to {last})"),
            "a port outside port_first to port_last, with one for each thread",
        );
    }
    let mut agent_addresses = Vec::new();
    let texts = section.texts(sink, "agent_addresses", "addresses, [\"203.0.113.7\"]");
    for text in texts.unwrap_or_default() {
        match text.value.parse::<IpAddr>() {
            Ok(address) if !address.is_unspecified() => agent_addresses.push(address),
            _ => {
                let what = format!("has \"{}\"", text.value);
                let name = section.name("agent_addresses");
                sink.fault(text.at, name, what, Some(PLAIN_ADDRESS.to_owned()));
            }
        }
    }
    if listen.is_unspecified() && agent_addresses.is_empty() && advertised {
        section.fault(
            sink,
            "agent_addresses",
            format!("is absent, and listen is \"{listen}\", which no browser can reach"),
            "the addresses at which browsers reach this machine",
        );
    }
    let ice_servers = ice_servers(&mut section, sink);
    let prompts_dir = path(&mut section, sink, "prompts_dir");
    section.finish(sink);
    MediaConfig {
        listen,
        ports: (first, last),
        threads,
        agent_port,
        agent_addresses,
        ice_servers,
        prompts_dir,
    }
}

/// STUN and TURN servers for the browsers: TURN with name and credential, STUN without.
fn ice_servers(section: &mut Section<'_>, sink: &mut Sink<'_>) -> Vec<IceServerConfig> {
    let mut servers = Vec::new();
    let mut urls = |section: &mut Section<'_>, key, schemes: [&str; 2], expected| {
        let mut urls = Vec::new();
        for text in section.texts(sink, key, expected).unwrap_or_default() {
            let is_one = schemes.iter().any(|scheme| {
                text.value
                    .strip_prefix(scheme)
                    .is_some_and(|rest| !rest.is_empty())
            });
            if is_one {
                urls.push(text.value.to_owned());
            } else {
                let what = format!("has \"{}\"", text.value);
                sink.fault(text.at, section.name(key), what, Some(expected.to_owned()));
            }
        }
        urls
    };
    let stun = urls(
        section,
        "stun_servers",
        ["stun:", "stuns:"],
        "STUN servers, [\"stun:192.0.2.1:3478\"]",
    );
    let turn = urls(
        section,
        "turn_servers",
        ["turn:", "turns:"],
        "TURN servers, [\"turns:turn.bank.example:443?transport=tcp\"]",
    );
    let username = section
        .text(sink, "turn_username", "a name in quotes")
        .map(|text| text.value.to_owned());
    let credential = section
        .text(sink, "turn_credential", "a credential in quotes")
        .map(|text| Pii::new(text.value.to_owned()));
    if !stun.is_empty() {
        servers.push(IceServerConfig {
            urls: stun,
            username: None,
            credential: None,
        });
    }
    if !turn.is_empty() {
        if username.is_none() || credential.is_none() {
            section.fault(
                sink,
                "turn_servers",
                "has no turn_username and turn_credential beside it".to_owned(),
                "both: browsers refuse a TURN server without",
            );
        }
        servers.push(IceServerConfig {
            urls: turn,
            username,
            credential,
        });
    }
    servers
}

fn phones(mut section: Section<'_>, sink: &mut Sink<'_>) -> PhonesConfig {
    let ranges = trunks::ranges(&mut section, sink, "ranges");
    section.finish(sink);
    PhonesConfig { ranges }
}

fn desk(mut section: Section<'_>, sink: &mut Sink<'_>) -> DeskConfig {
    let listen = address(&mut section, sink, "listen", 7410);
    let expected = "origins, [\"https://desk.bank.example\"]: scheme and host, no path";
    let mut origins = Vec::new();
    for text in section.texts(sink, "origins", expected).unwrap_or_default() {
        if is_origin(text.value) {
            origins.push(text.value.to_owned());
        } else {
            let what = format!("has \"{}\"", text.value);
            sink.fault(
                text.at,
                section.name("origins"),
                what,
                Some(expected.into()),
            );
        }
    }
    let ping_deadline = section.seconds(sink, "ping_deadline_s", 3..=60, Duration::from_secs(10));
    let queue = section.whole(sink, "queue", 8..=1_024, "messages", 64) as usize;
    let sockets_max = section.whole(sink, "sockets_max", 64..=65_536, "sockets", 4_096) as usize;
    section.finish(sink);
    DeskConfig {
        listen,
        origins,
        ping_deadline,
        queue,
        sockets_max,
    }
}

/// A browser's Origin is compared letter by letter, so it is written as browsers send it.
fn is_origin(text: &str) -> bool {
    let Some(host) = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
    else {
        return false;
    };
    !host.is_empty()
        && host == host.to_ascii_lowercase()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
}

fn api(mut section: Section<'_>, sink: &mut Sink<'_>) -> ApiConfig {
    let listen = address(&mut section, sink, "listen", 7400);
    let expected = "host names without port, [\"tandem.bank.example\"]";
    let mut hosts = Vec::new();
    for text in section.texts(sink, "hosts", expected).unwrap_or_default() {
        if is_host(text.value) {
            hosts.push(text.value.to_ascii_lowercase());
        } else {
            let what = format!("has \"{}\"", text.value);
            sink.fault(text.at, section.name("hosts"), what, Some(expected.into()));
        }
    }
    section.finish(sink);
    ApiConfig { listen, hosts }
}

/// Whether this is a host name or an address, without a port.
pub(super) fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
        || (text.len() <= 253
            && text.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            }))
}

fn store(mut section: Section<'_>, sink: &mut Sink<'_>) -> StoreConfig {
    let commit_window = section.millis(sink, "commit_window_ms", 0..=50, Duration::from_millis(2));
    let queue = section.whole(sink, "queue", 256..=65_536, "orders", 8_192) as usize;
    section.finish(sink);
    StoreConfig {
        commit_window,
        queue,
    }
}

fn floor(mut section: Section<'_>, sink: &mut Sink<'_>) -> FloorSettings {
    let usual = FloorSettings::default();
    let read = &mut section;
    let floor = FloorSettings {
        tick: read.millis(sink, "tick_ms", 10..=1_000, usual.tick),
        predict_every: usual.predict_every,
        intent_age_max: read.millis(sink, "intent_age_max_ms", 50..=2_000, usual.intent_age_max),
        agent_grace: read.seconds(sink, "agent_grace_s", 1..=300, usual.agent_grace),
        first_answer_wait: read.seconds(
            sink,
            "first_answer_wait_s",
            1..=32,
            usual.first_answer_wait,
        ),
        end_wait: read.seconds(sink, "end_wait_s", 33..=120, usual.end_wait),
        bridge_wait: read.seconds(sink, "bridge_wait_s", 1..=30, usual.bridge_wait),
        talk_max: read.seconds(sink, "talk_max_s", 60..=28_800, usual.talk_max),
        hot_leads: read.whole(
            sink,
            "hot_leads",
            100..=100_000,
            "leads per campaign",
            u64::from(usual.hot_leads),
        ) as u32,
        attempts_max: read.whole(
            sink,
            "attempts_max",
            16..=100_000,
            "attempts",
            u64::from(usual.attempts_max),
        ) as u32,
        breaker_failures: read.whole(
            sink,
            "breaker_failures",
            1..=1_000,
            "failures in a row",
            u64::from(usual.breaker_failures),
        ) as u32,
        breaker_wait: read.seconds(sink, "breaker_wait_s", 1..=600, usual.breaker_wait),
    };
    section.finish(sink);
    floor
}

/// SIP (TCP), desks and API cannot share a port: the second bind would fail at start, after the check said yes.
fn one_listener_per_port(
    top: &Section<'_>,
    sink: &mut Sink<'_>,
    sip: &SipConfig,
    desk: &DeskConfig,
    api: &ApiConfig,
) {
    let listeners = [
        ("sip", sip.listen),
        ("desk", desk.listen),
        ("api", api.listen),
    ];
    for (index, first) in listeners.iter().enumerate() {
        for second in &listeners[index + 1..] {
            let (ours, theirs) = (first.1, second.1);
            let overlap = ours.ip() == theirs.ip()
                || ours.ip().is_unspecified()
                || theirs.ip().is_unspecified();
            // Port 0 asks the system for a free one.
            if !overlap || ours.port() != theirs.port() || ours.port() == 0 {
                continue;
            }
            // Blame the one that is written; the other is a default.
            let (blamed, other) = match top.place_inside(second.0, "listen") {
                Some(_) => (second, first),
                None => (first, second),
            };
            sink.fault(
                top.place_inside(blamed.0, "listen").unwrap_or_default(),
                format!("{}.listen", blamed.0),
                format!(
                    "is {}, which {}.listen ({}) takes already",
                    blamed.1, other.0, other.1
                ),
                Some("a port of its own".to_owned()),
            );
        }
    }
}
