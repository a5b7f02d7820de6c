//! `[[trunks]]`: routes to carriers. Owns what holds within one trunk and between it and our SIP address.

use super::load::{Sources, is_host, own_name, required};
use super::reader::{Section, Sink};
use super::{SipConfig, SrtpRule, Transport, TrunkConfig};
use crate::core::settings::TrunkSettings;
use crate::pii::Pii;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Most trunks of one engine; a label of metrics, so it stays small.
const TRUNKS_MAX: usize = 64;

/// Reads all trunks.
pub(super) fn read(
    top: &mut Section<'_>,
    sink: &mut Sink<'_>,
    sources: &Sources<'_>,
    sip: &SipConfig,
) -> Vec<TrunkConfig> {
    let sections = top.tables(sink, "trunks");
    if sections.is_empty() && !top.has("trunks") {
        top.fault(
            sink,
            "trunks",
            "are missing".into(),
            "at least one [[trunks]]",
        );
    }
    if sections.len() > TRUNKS_MAX {
        let what = format!("are {}", sections.len());
        top.fault(sink, "trunks", what, &format!("at most {TRUNKS_MAX}"));
    }
    let mut taken = BTreeMap::new();
    sections
        .into_iter()
        .map(|section| trunk(section, sink, sources, sip, &mut taken))
        .collect()
}

fn trunk(
    mut section: Section<'_>,
    sink: &mut Sink<'_>,
    sources: &Sources<'_>,
    sip: &SipConfig,
    taken: &mut BTreeMap<String, usize>,
) -> TrunkConfig {
    let read = &mut section;
    let name = own_name(read, sink, taken);
    let expected = "the carrier's address and port, \"192.0.2.10:5060\" (a name is not looked up)";
    let address = required(read, sink, "address", expected);
    let address: SocketAddr = match address.map(|text| text.value.parse()) {
        Some(Ok(address)) => {
            reachable(read, sink, address, sip);
            address
        }
        Some(Err(_)) => {
            read.fault(sink, "address", "is not an address".into(), expected);
            SocketAddr::from(([127, 0, 0, 1], 5060))
        }
        None => SocketAddr::from(([127, 0, 0, 1], 5060)),
    };
    let transport =
        [Transport::Udp, Transport::Tcp][read.word(sink, "transport", &["udp", "tcp"], 0)];
    let domain = read.parsed(
        sink,
        "domain",
        "a host name or address without port",
        |text| is_host(text).then(|| text.to_owned()),
    );
    let username = read.parsed(
        sink,
        "username",
        "1 to 128 characters without quotes",
        |text| (text.len() <= 128 && !text.contains(['"', '\\'])).then(|| text.to_owned()),
    );
    let password = password(read, sink, sources);
    if username.is_some() && !has_password(read) {
        let expected = "one of password_file, password_env or password beside it";
        read.fault(sink, "username", "has no password".into(), expected);
    }
    let realms = read
        .texts(sink, "realms", "a list of realms, [\"carrier.example\"]")
        .unwrap_or_default()
        .into_iter()
        .map(|text| text.value.to_owned())
        .collect();
    let signalling_ranges = ranges(read, sink, "signalling_ranges");
    let media_ranges = ranges(read, sink, "media_ranges");
    let keep_alive = read.seconds(sink, "keep_alive_s", 2..=300, Duration::from_secs(10));
    let asks_digest = read.flag(sink, "inbound_digest", false);
    if asks_digest && username.is_none() {
        let what = "is of no use without username".to_owned();
        read.fault(
            sink,
            "inbound_digest",
            what,
            "username and a password beside it",
        );
    }
    let srtp = [SrtpRule::Off, SrtpRule::Offer, SrtpRule::Require]
        [read.word(sink, "srtp", &["off", "offer", "require"], 0)];
    let settings = TrunkSettings {
        name,
        channels_max: read.whole(sink, "channels_max", 1..=20_000, "legs", 100) as u32,
        cps_max: read.whole(sink, "cps_max", 1..=1_000, "calls per second", 10) as u32,
        priority: read.whole(sink, "priority", 0..=1_000, "steps (lower first)", 10) as u16,
        failover_on_silence: read.flag(sink, "failover_on_silence", false),
    };
    section.finish(sink);
    TrunkConfig {
        settings,
        address,
        transport,
        domain,
        username,
        password,
        realms,
        signalling_ranges,
        media_ranges,
        keep_alive,
        asks_digest,
        srtp,
    }
}

/// A trunk that our own address cannot reach would be DOWN for ever, with nothing in the log but silence.
fn reachable(section: &Section<'_>, sink: &mut Sink<'_>, address: SocketAddr, sip: &SipConfig) {
    let ours = sip.listen.ip();
    let what = if address.port() == 0 || address.ip().is_unspecified() {
        "names no place to send to".to_owned()
    } else if address.is_ipv4() != ours.is_ipv4() && ours != IpAddr::from([0u16; 8]) {
        format!("is of another IP version than sip.listen ({ours})")
    } else if ours.is_loopback() && !address.ip().is_loopback() {
        format!("cannot be reached from sip.listen ({ours}), which is loopback")
    } else {
        return;
    };
    section.fault(
        sink,
        "address",
        what,
        "an address that sip.listen can reach",
    );
}

fn has_password(section: &Section<'_>) -> bool {
    ["password", "password_file", "password_env"]
        .iter()
        .any(|key| section.has(key))
}

/// The digest password, from the one place that is named. The text of a fault never holds it.
fn password(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    sources: &Sources<'_>,
) -> Option<Pii<String>> {
    let inline = section.secret(sink, "password").map(str::to_owned);
    let file = section.text(sink, "password_file", "a path in quotes");
    let variable = section.text(sink, "password_env", "the name of an environment variable");
    let named: Vec<&str> = ["password", "password_file", "password_env"]
        .into_iter()
        .filter(|key| section.has(key))
        .collect();
    if named.len() > 1 {
        let what = format!("stands beside {}", named[0]);
        section.fault(
            sink,
            named[1],
            what,
            "only one of password_file, password_env, password",
        );
        return None;
    }
    if let Some(first) = named.first()
        && !section.has("username")
    {
        section.fault(
            sink,
            first,
            "is of no use without username".into(),
            "username beside it",
        );
    }
    let found = if let Some(file) = file {
        let expected = "a readable file whose only line is the password";
        match (sources.file)(Path::new(file.value)) {
            Ok(text) if !text.trim().is_empty() && text.trim().lines().count() == 1 => {
                Some(text.trim().to_owned())
            }
            Ok(_) => {
                section.fault(
                    sink,
                    "password_file",
                    "names an unfit file".into(),
                    expected,
                );
                None
            }
            Err(error) => {
                let what = format!("names \"{}\", which cannot be read: {error}", file.value);
                section.fault(sink, "password_file", what, expected);
                None
            }
        }
    } else if let Some(variable) = variable {
        let value = (sources.environment)(variable.value).filter(|value| !value.is_empty());
        if value.is_none() {
            let what = format!("names {}, which is not set", variable.value);
            section.fault(
                sink,
                "password_env",
                what,
                "a variable of the engine's environment",
            );
        }
        value
    } else {
        inline
    };
    found.map(Pii::new)
}

/// Addresses and networks; an address alone is a network of one.
pub(super) fn ranges(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    key: &'static str,
) -> Vec<IpNet> {
    let expected = "addresses and networks, [\"192.0.2.10\", \"198.51.100.0/24\"]";
    let mut list = Vec::new();
    for text in section.texts(sink, key, expected).unwrap_or_default() {
        let net = text
            .value
            .parse::<IpNet>()
            .ok()
            .or_else(|| text.value.parse::<IpAddr>().ok().map(IpNet::from));
        match net {
            // A network with host bits set is a slip of the pen: which of the two was meant?
            Some(net) if net.trunc() == net => list.push(net),
            Some(net) => sink.guess(
                text.at,
                section.name(key),
                format!("has \"{}\", an address inside a network", text.value),
                Some(expected.to_owned()),
                Some(net.trunc().to_string()),
            ),
            None => {
                let what = format!("has \"{}\"", text.value);
                sink.fault(text.at, section.name(key), what, Some(expected.to_owned()));
            }
        }
    }
    list
}
