//! Whether what we listen on can be bound, who has it instead, and whether the kernel may give it away meanwhile.
//!
//! Binds and lets go at once; listens nowhere, so that nobody connects to a check.

use super::neighbours::{Holder, Kind, Sockets};
use super::{Case, Finding, sysctl};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::ErrorKind;
use std::net::SocketAddr;

const CHECK: &str = "ports";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let config = case.config;
    let sockets = Sockets::now();
    let mut found: Vec<Finding> = [
        ("sip.listen", config.sip.listen, Kind::Udp),
        ("sip.listen", config.sip.listen, Kind::Tcp),
        ("desk.listen", config.desk.listen, Kind::Tcp),
        ("api.listen", config.api.listen, Kind::Tcp),
    ]
    .into_iter()
    .map(|(key, address, kind)| listener(case, &sockets, key, address, kind))
    .collect();
    found.push(rtp(case, &sockets));
    found.extend(given_away(case));
    found
}

fn bind(address: SocketAddr, kind: Kind) -> std::io::Result<()> {
    let (shape, protocol) = match kind {
        Kind::Udp => (Type::DGRAM, Protocol::UDP),
        Kind::Tcp => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(Domain::for_address(address), shape, Some(protocol))?;
    if kind == Kind::Tcp {
        // As the engine does: old connections in TIME_WAIT are no hindrance, a listener is.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())
}

fn listener(
    case: &Case<'_>,
    sockets: &Sockets,
    key: &str,
    address: SocketAddr,
    kind: Kind,
) -> Finding {
    let transport = match kind {
        Kind::Udp => "UDP",
        Kind::Tcp => "TCP",
    };
    let name = format!("{key} {address} ({transport})");
    let error = match bind(address, kind) {
        Ok(()) => return Finding::ok(CHECK, format!("{name} can be bound")),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::AddrInUse => taken(case, sockets.holder(kind, address), &name),
        ErrorKind::AddrNotAvailable => Finding::fault(
            CHECK,
            format!("{name} is no address of this machine"),
            format!(
                "set {key} to one of `ip address`; behind NAT that is the inner one, with sip.advertise_address for the outer"
            ),
        ),
        ErrorKind::PermissionDenied => Finding::fault(
            CHECK,
            format!("{name} may not be bound by this user"),
            "take a port from 1024 on, or give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE",
        ),
        _ => Finding::fault(
            CHECK,
            format!("{name} cannot be bound: {error}"),
            format!("set {key} to an address and port that this machine offers"),
        ),
    }
}

fn taken(case: &Case<'_>, holder: Option<Holder>, name: &str) -> Finding {
    let pid = holder.as_ref().and_then(|holder| holder.pid);
    match (case.running, pid) {
        (Some(running), Some(pid)) if running.pid == Some(pid) => Finding::ok(
            CHECK,
            format!("{name} is held by the engine that runs here (process {pid})"),
        ),
        // Another user's sockets have no process that we may see.
        (Some(_), None) => Finding::ok(
            CHECK,
            format!("{name} is taken, as it should be while an engine runs on this data_dir"),
        ),
        _ => {
            let holder = holder.map_or_else(|| "somebody".to_owned(), |holder| holder.words());
            Finding::fault(
                CHECK,
                format!("{name} is taken by {holder}"),
                "end that, or choose another port (`ss -lpn` as root names the process)",
            )
        }
    }
}

/// Each call takes one even port of the range.
fn rtp(case: &Case<'_>, sockets: &Sockets) -> Finding {
    let media = &case.config.media;
    let (first, last) = media.ports;
    let name = format!("RTP {} ports {first}-{last}", media.listen);
    let (mut free, mut all, mut others) = (0u64, 0u64, Vec::new());
    for port in (first..=last).filter(|port| port % 2 == 0) {
        all += 1;
        let address = SocketAddr::new(media.listen, port);
        match bind(address, Kind::Udp) {
            Ok(()) => free += 1,
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                let holder = sockets.holder(Kind::Udp, address);
                let pid = holder.as_ref().and_then(|holder| holder.pid);
                let is_ours = case
                    .running
                    .is_some_and(|running| pid.is_none() || running.pid == pid);
                if is_ours {
                    free += 1;
                } else {
                    others.push(holder.map_or_else(|| "somebody".to_owned(), |who| who.words()));
                }
            }
            Err(error) => {
                return Finding::fault(
                    CHECK,
                    format!("{name}: port {port} cannot be bound: {error}"),
                    "set media.listen to an address of this machine (`ip address`)",
                );
            }
        }
    }
    let taken = others.len();
    others.sort();
    others.dedup();
    others.truncate(3);
    let by = if others.is_empty() {
        String::new()
    } else {
        format!(", {taken} taken by {}", others.join(", "))
    };
    let calls = case.calls_max();
    let what =
        format!("{name}: {free} of {all} calls find a port{by}; the trunks allow {calls} at once");
    if free == 0 {
        Finding::fault(CHECK, what, "choose another range: no call can be made")
    } else if free < calls {
        Finding::warning(
            CHECK,
            what,
            "widen media.port_first and port_last: a call without a port is not sent",
        )
    } else {
        Finding::ok(CHECK, what)
    }
}

/// Ports of ours that the kernel hands out to clients: any connection of this machine may sit on one when we want it.
fn given_away(case: &Case<'_>) -> Option<Finding> {
    const NAME: &str = "net.ipv4.ip_local_port_range";
    let range = sysctl(NAME)?;
    let mut ends = range.split_whitespace().map(str::parse::<u16>);
    let (Some(Ok(low)), Some(Ok(high))) = (ends.next(), ends.next()) else {
        return None;
    };
    let reserved = reserved(&sysctl("net.ipv4.ip_local_reserved_ports").unwrap_or_default());
    let config = case.config;
    let single = |address: SocketAddr| (address.port(), address.port());
    let mut clash = Vec::new();
    for (name, (first, last)) in [
        ("sip.listen", single(config.sip.listen)),
        ("desk.listen", single(config.desk.listen)),
        ("api.listen", single(config.api.listen)),
        ("RTP", config.media.ports),
    ] {
        let (from, to) = (first.max(low), last.min(high));
        let is_reserved = |port: u16| reserved.iter().any(|(a, b)| (*a..=*b).contains(&port));
        if first != 0 && from <= to && !(from..=to).all(is_reserved) {
            clash.push((name, from, to));
        }
    }
    if clash.is_empty() {
        return Some(Finding::ok(
            CHECK,
            format!(
                "no port of ours is among those that clients get ({low}-{high}), or it is reserved"
            ),
        ));
    }
    let span = |(name, from, to): &(&str, u16, u16)| {
        if from == to {
            format!("{name} {from}")
        } else {
            format!("{name} {from}-{to}")
        }
    };
    let names: Vec<String> = clash.iter().map(span).collect();
    let spans: Vec<String> = clash
        .iter()
        .map(|(_, from, to)| {
            if from == to {
                from.to_string()
            } else {
                format!("{from}-{to}")
            }
        })
        .collect();
    Some(Finding::warning(
        CHECK,
        format!(
            "the kernel gives ports of {low}-{high} to clients, among them {}: one may be taken when it is needed",
            names.join(", ")
        ),
        format!(
            "sysctl -w net.ipv4.ip_local_reserved_ports={}, or ports below {low}",
            spans.join(",")
        ),
    ))
}

/// "8080,20000-39999" as spans.
fn reserved(text: &str) -> Vec<(u16, u16)> {
    text.split(',')
        .filter_map(|span| {
            let (from, to) = span
                .trim()
                .split_once('-')
                .unwrap_or((span.trim(), span.trim()));
            Some((from.parse().ok()?, to.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_are_read_as_the_kernel_writes_them() {
        assert_eq!(
            reserved("8080,20000-39999"),
            [(8080, 8080), (20_000, 39_999)]
        );
        assert!(reserved("").is_empty());
    }
}
