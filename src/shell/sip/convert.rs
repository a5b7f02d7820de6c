//! Between the house and the wire: configuration to trunk setups, store rows to far sides and back. Pure, but for one look-up.

use super::SipStartFault;
use crate::config::{Config, SrtpRule, Transport as ConfiguredTransport, TrunkConfig};
use crate::core::input::LegFailure;
use crate::ids::{AttemptId, TrunkId};
use crate::shell::store::{CallIdentity, DialogRow, OrphanLeg};
use crate::wire::sip::dialog::FarSide;
use crate::wire::sip::endpoint::Settings;
use crate::wire::sip::event::{CallKey, Identity, OrphanOrder, Transport};
use crate::wire::sip::failure::Failure;
use crate::wire::sip::number::{E164, NumberFault};
use crate::wire::sip::sdes::SrtpUse;
use crate::wire::sip::trunk::TrunkSetup;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Most calls kept at once: 8,000 legs, and 3x of 250 calls per second whose copies are absorbed for 32 s.
const CALLS_MAX: usize = 32_768;

/// Settings of the user agent; `local` is the bound address.
pub(super) fn settings(config: &Config, local: SocketAddr) -> Result<Settings, SipStartFault> {
    let mut trunks = Vec::with_capacity(config.trunks.len());
    for (index, trunk) in config.trunks.iter().enumerate() {
        let id = TrunkId(u16::try_from(index).unwrap_or(u16::MAX));
        trunks.push(setup(id, trunk, config, local)?);
    }
    Ok(Settings {
        user_agent: config.sip.user_agent.clone(),
        trunks,
        // Told by `SipOrder::CallsIn`, once somebody knows the callers.
        numbers: Vec::new(),
        calls_max: CALLS_MAX,
    })
}

fn setup(
    id: TrunkId,
    trunk: &TrunkConfig,
    config: &Config,
    local: SocketAddr,
) -> Result<TrunkSetup, SipStartFault> {
    let ours = match config.sip.advertise_address {
        Some(address) => address,
        None if !local.ip().is_unspecified() => local.ip(),
        None => address_towards(trunk.address).map_err(|reason| SipStartFault::NoRoute {
            trunk: trunk.settings.name.clone(),
            address: trunk.address,
            reason,
        })?,
    };
    let media_address = match (config.sip.advertise_address, config.media.listen) {
        (Some(address), _) => address,
        (None, listen) if !listen.is_unspecified() => listen,
        (None, _) => ours,
    };
    Ok(TrunkSetup {
        id,
        address: trunk.address,
        transport: transport(trunk.transport),
        domain: trunk.domain.clone(),
        username: trunk.username.clone(),
        password: trunk.password.clone(),
        realms: trunk.realms.clone(),
        signalling_ranges: trunk.signalling_ranges.clone(),
        media_ranges: trunk.media_ranges.clone(),
        asks_digest: trunk.asks_digest,
        srtp: match trunk.srtp {
            SrtpRule::Off => SrtpUse::Off,
            SrtpRule::Offer => SrtpUse::Offer,
            SrtpRule::Require => SrtpUse::Require,
        },
        is_probed: true,
        keep_alive: trunk.keep_alive,
        local: SocketAddr::new(ours, local.port()),
        media_address,
    })
}

/// The address that the system would send from: asked of the routing table, nothing is sent.
fn address_towards(far: SocketAddr) -> std::io::Result<IpAddr> {
    let any: SocketAddr = if far.is_ipv4() {
        (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let probe = UdpSocket::bind(any)?;
    probe.connect(far)?;
    Ok(probe.local_addr()?.ip())
}

pub(super) const fn transport(transport: ConfiguredTransport) -> Transport {
    match transport {
        ConfiguredTransport::Udp => Transport::Udp,
        ConfiguredTransport::Tcp => Transport::Tcp,
    }
}

pub(super) const fn key(attempt: AttemptId, route_try: u8) -> CallKey {
    CallKey {
        call: attempt.0,
        route_try,
    }
}

pub(super) fn identity(identity: CallIdentity) -> Identity {
    let CallIdentity {
        call_id,
        from_tag,
        branch,
    } = identity;
    Identity {
        call_id,
        from_tag,
        branch,
    }
}

pub(super) fn dialog_row(attempt: AttemptId, route_try: u8, far: FarSide) -> DialogRow {
    DialogRow {
        attempt,
        route_try,
        remote_tag: far.remote_tag,
        remote_target: far.remote_target,
        route_set: far.route_set,
        local_cseq: far.local_cseq,
    }
}

pub(super) fn orphan(leg: OrphanLeg) -> Result<OrphanOrder, NumberFault> {
    Ok(OrphanOrder {
        key: key(leg.attempt, leg.route_try),
        trunk: leg.trunk,
        identity: identity(leg.identity),
        number: E164::parse(leg.number.expose())?,
        caller: E164::parse(&leg.caller_id)?,
        far: leg.dialog.map(|row| FarSide {
            remote_tag: row.remote_tag,
            remote_target: row.remote_target,
            route_set: row.route_set,
            local_cseq: row.local_cseq,
        }),
    })
}

pub(super) const fn failure(failure: Failure) -> LegFailure {
    LegFailure {
        status: failure.status,
        q850: failure.q850,
        retry_after_s: failure.retry_after_s,
    }
}
