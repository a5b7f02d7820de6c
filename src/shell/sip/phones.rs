//! Agents' telephones: each is called at its agent's log-in, stays on the line for the shift, and is called again when it drops.
//!
//! A telephone is a far end of its own, which nobody asks with OPTIONS. Owns when it is called next; its sound is the media plane's.
//! Only telephones in `[phones] ranges` are called: the book of agents must not make the engine send to anybody.

use super::driver::Driver;
use super::{SipLane, convert, new_identity};
use crate::core::input::Input;
use crate::ids::{AgentId, TrunkId};
use crate::shell::desks::DeskAudio;
use crate::shell::lanes::{LegId, SipOrder};
use crate::time::Mono;
use crate::wire::desk::audio::AudioLeg;
use crate::wire::sip::event::{CallKey, Event, InviteOrder, Transport};
use crate::wire::sip::number::UserPart;
use crate::wire::sip::sdp::{AudioPath, Direction};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Keys of telephones' calls begin here: above all attempts, below calls to us.
const FIRST: u64 = 1 << 62;
/// Numbers of telephones as far ends begin here: above all trunks (at most 128 in one run).
const FIRST_TRUNK: u16 = 1 << 12;
/// Most telephones: as many as there are numbers for them.
const PHONES_MAX: usize = (u16::MAX - FIRST_TRUNK) as usize;
/// Wait before a telephone is called again; doubled each time, up to [`AGAIN_MAX`]. One that was up for a while starts anew.
const AGAIN_MIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// How long it may ring before it is given up and called again.
const RING: Duration = Duration::from_secs(45);
/// Session timer of the standing leg: a telephone whose plug was pulled is found out after so long at the latest, if RTP does not
/// say so sooner (RFC 4028 s.4 recommends half an hour).
const SESSION: Duration = Duration::from_secs(1_800);

/// Whom a telephone's state is told to while media knows nothing of it.
#[derive(Clone)]
pub struct PhoneNews(pub Arc<dyn Fn(AgentId, AudioLeg) + Send + Sync>);

impl fmt::Debug for PhoneNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNews")
    }
}

/// Keep a telephone on the line, or let it go.
#[derive(Clone, Debug)]
pub struct PhoneOrder {
    /// Whose.
    pub agent: AgentId,
    /// Its SIP address, "sip:1001@192.0.2.5:5060"; `None`: the agent is gone.
    pub address: Option<String>,
    /// Whom to tell.
    pub news: PhoneNews,
}

/// Why a telephone is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PhoneFault {
    /// Not "sip:name@address".
    #[error(
        "its address is none that can be called: sip:1001@192.0.2.5 with an address and, where it is not 5060, a port"
    )]
    Address,
    /// Only UDP is spoken with telephones.
    #[error("its address asks for another transport than UDP")]
    Transport,
    /// Outside the networks that may be called.
    #[error("{0} is not in [phones] ranges: nothing is sent there")]
    Range(IpAddr),
}

/// Name and place of "sip:1001@192.0.2.5:5060". A host name is not looked up.
fn parse(address: &str, ranges: &[IpNet]) -> Result<(UserPart, SocketAddr), PhoneFault> {
    let rest = address.strip_prefix("sip:").ok_or(PhoneFault::Address)?;
    let (user, host) = rest.split_once('@').ok_or(PhoneFault::Address)?;
    let (host, parameters) = host.split_once(';').unwrap_or((host, ""));
    let user = UserPart::parse(user).ok_or(PhoneFault::Address)?;
    let is_udp = parameters.split(';').all(|parameter| {
        let transport = parameter.trim().strip_prefix("transport=");
        transport.is_none_or(|transport| transport.eq_ignore_ascii_case("udp"))
    });
    if !is_udp {
        return Err(PhoneFault::Transport);
    }
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let place: SocketAddr = host
        .parse()
        .ok()
        .or_else(|| {
            plain
                .parse()
                .ok()
                .map(|ip: IpAddr| SocketAddr::new(ip, 5060))
        })
        .ok_or(PhoneFault::Address)?;
    let ip = place.ip();
    if ip.is_unspecified() || ip.is_multicast() || place.port() == 0 {
        return Err(PhoneFault::Address);
    }
    if !ranges.iter().any(|range| range.contains(&ip)) {
        return Err(PhoneFault::Range(ip));
    }
    Ok((user, place))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is called at this time.
    Waits(Mono),
    /// It rings until then.
    Rings {
        key: CallKey,
        until: Mono,
    },
    Up {
        key: CallKey,
        since: Mono,
    },
}

#[derive(Debug)]
struct Phone {
    user: UserPart,
    trunk: TrunkId,
    state: State,
    again: Duration,
    news: PhoneNews,
}

/// All telephones.
#[derive(Debug, Default)]
pub(super) struct Phones {
    ranges: Vec<IpNet>,
    phones: BTreeMap<AgentId, Phone>,
    /// Far ends by agent; kept for the next log-in.
    trunks: BTreeMap<AgentId, TrunkId>,
    calls: u64,
}

/// Whether this is a telephone's call.
pub(super) const fn is_phone(key: CallKey) -> bool {
    key.call >= FIRST && key.call < 1 << 63
}

impl Phones {
    pub(super) fn new(ranges: Vec<IpNet>) -> Phones {
        Phones {
            ranges,
            ..Phones::default()
        }
    }

    /// When the next one is to be called, or given up.
    pub(super) fn next_call(&self) -> Option<Mono> {
        let due = self.phones.values().filter_map(|phone| match phone.state {
            State::Waits(at) | State::Rings { until: at, .. } => Some(at),
            State::Up { .. } => None,
        });
        due.min()
    }

    fn by_key(&mut self, key: CallKey) -> Option<(AgentId, &mut Phone)> {
        let mut phones = self.phones.iter_mut();
        phones
            .find(|(_, phone)| match phone.state {
                State::Rings { key: own, .. } | State::Up { key: own, .. } => own == key,
                State::Waits(_) => false,
            })
            .map(|(agent, phone)| (*agent, phone))
    }
}

impl Driver {
    /// An agent with a telephone logged in, or is gone.
    pub(super) fn phone(&mut self, order: PhoneOrder) {
        let PhoneOrder {
            agent,
            address,
            news,
        } = order;
        let now = self.clock.mono();
        self.let_go(agent, now);
        let Some(address) = address else { return };
        match parse(&address, &self.phones.ranges) {
            Ok((user, place)) => {
                let count = self.phones.trunks.len();
                let known = self.phones.trunks.get(&agent).copied();
                if known.is_none() && count >= PHONES_MAX {
                    tracing::error!(%agent, "No further telephone can be called in this run.");
                    return;
                }
                let trunk = known.unwrap_or(TrunkId(FIRST_TRUNK + count as u16));
                self.phones.trunks.insert(agent, trunk);
                if !self.open_far_end(trunk, place) {
                    tracing::error!(%agent, "No local address leads to an agent's telephone.");
                    return;
                }
                (news.0)(agent, AudioLeg::Connecting);
                let phone = Phone {
                    user,
                    trunk,
                    state: State::Waits(now),
                    again: AGAIN_MIN,
                    news,
                };
                self.phones.phones.insert(agent, phone);
            }
            Err(fault) => {
                tracing::error!(%agent, %fault, "An agent's telephone is not called: the agent cannot take calls.");
                (news.0)(agent, AudioLeg::None);
            }
        }
    }

    /// The far end of a telephone, wherever it is now.
    fn open_far_end(&mut self, trunk: TrunkId, place: SocketAddr) -> bool {
        let Some(mut setup) = self.endpoint.setup_towards(place) else {
            return false;
        };
        setup.id = trunk;
        setup.media_ranges = self.phones.ranges.clone();
        let user_agent = self.endpoint.user_agent().to_owned();
        self.trunks.insert(trunk, (Transport::Udp, place));
        let now = self.clock.mono();
        self.endpoint.set_trunks(now, &user_agent, vec![setup]);
        true
    }

    fn let_go(&mut self, agent: AgentId, now: Mono) {
        if let Some(phone) = self.phones.phones.remove(&agent) {
            if let State::Rings { key, .. } | State::Up { key, .. } = phone.state {
                self.endpoint.abort(now, key, &mut self.out);
            }
            self.media.release(LegId::Phone(agent));
            (phone.news.0)(agent, AudioLeg::None);
        }
    }

    /// The engine ends: every telephone hears a BYE.
    pub(super) fn end_phones(&mut self, now: Mono) {
        let agents: Vec<AgentId> = self.phones.phones.keys().copied().collect();
        for agent in agents {
            self.let_go(agent, now);
        }
    }

    /// Calls those whose time has come.
    pub(super) fn call_phones(&mut self, now: Mono) {
        if self.phones.next_call().is_none_or(|at| at > now) {
            return;
        }
        let agents: Vec<AgentId> = self.phones.phones.keys().copied().collect();
        for agent in agents {
            let Some(phone) = self.phones.phones.get_mut(&agent) else {
                continue;
            };
            match phone.state {
                State::Rings { key, until } if until <= now => {
                    self.endpoint.abort(now, key, &mut self.out);
                    self.phone_lost(agent, now);
                }
                State::Waits(at) if at <= now => {
                    let (user, trunk) = (phone.user.clone(), phone.trunk);
                    self.call_phone(agent, user, trunk, now);
                }
                State::Waits(_) | State::Rings { .. } | State::Up { .. } => {}
            }
        }
    }

    fn call_phone(&mut self, agent: AgentId, user: UserPart, trunk: TrunkId, now: Mono) {
        let Some(media_port) = self.media.reserve(LegId::Phone(agent)) else {
            return self.phone_lost(agent, now);
        };
        self.phones.calls += 1;
        let key = CallKey {
            call: FIRST + self.phones.calls,
            route_try: 1,
        };
        let until = now + RING;
        if let Some(phone) = self.phones.phones.get_mut(&agent) {
            phone.state = State::Rings { key, until };
        }
        let Some(caller) = UserPart::parse("tandem") else {
            return;
        };
        let identity = convert::identity(new_identity(self.endpoint.random()));
        let order = InviteOrder {
            key,
            trunk,
            identity,
            number: user,
            caller,
            media_port,
            session: Some(SESSION),
        };
        self.endpoint.invite(now, order, &mut self.out);
    }

    /// A fact about a telephone's call.
    pub(super) fn report_phone(&mut self, key: CallKey, event: Event) {
        let now = self.clock.mono();
        let Some((agent, phone)) = self.phones.by_key(key) else {
            return;
        };
        match event {
            Event::Answered { path, .. } => {
                phone.state = State::Up { key, since: now };
                self.endpoint.confirm(now, key, &mut self.out);
                self.point_phone(agent, &path);
            }
            Event::MediaChanged(path) => self.point_phone(agent, &path),
            Event::Failed(failure) => {
                tracing::warn!(%agent, status = failure.status, "An agent's telephone did not take the call.");
                self.phone_lost(agent, now);
            }
            Event::Ended | Event::Silent => self.phone_lost(agent, now),
            Event::Trying
            | Event::Ringing
            | Event::EarlyMedia(_)
            | Event::Secured(_)
            | Event::Arrived(_)
            | Event::Accepted { .. } => {}
        }
    }

    /// Where its sound goes. On hold nobody hears the agent: that is no audio.
    fn point_phone(&mut self, agent: AgentId, path: &AudioPath) {
        let is_heard = path.direction == Direction::SendRecv && path.remote.is_some();
        self.media.remote(LegId::Phone(agent), None, path, is_heard);
        if !is_heard {
            tracing::warn!(%agent, "An agent's telephone holds the line.");
            if let Some(phone) = self.phones.phones.get(&agent) {
                (phone.news.0)(agent, AudioLeg::Lost);
            }
            self.tell(Input::AgentAudio(agent, false));
        }
    }

    /// It is not on the line: called again in a while.
    fn phone_lost(&mut self, agent: AgentId, now: Mono) {
        self.media.release(LegId::Phone(agent));
        let Some(phone) = self.phones.phones.get_mut(&agent) else {
            return;
        };
        if let State::Up { since, .. } = phone.state
            && now.since(since) > AGAIN_MAX
        {
            phone.again = AGAIN_MIN;
        }
        phone.state = State::Waits(now + phone.again);
        phone.again = (phone.again * 2).min(AGAIN_MAX);
        (phone.news.0)(agent, AudioLeg::Lost);
        self.tell(Input::AgentAudio(agent, false));
    }
}

/// The desks' way to sound: the media plane's, and telephones by SIP.
pub struct WithPhones {
    audio: Arc<dyn DeskAudio>,
    sip: SipLane,
    news: PhoneNews,
}

impl WithPhones {
    /// `news` hears how telephones are while media does not know them.
    pub fn new(audio: Arc<dyn DeskAudio>, sip: SipLane, news: PhoneNews) -> Self {
        WithPhones { audio, sip, news }
    }

    fn order(&self, agent: AgentId, address: Option<String>) {
        let order = PhoneOrder {
            agent,
            address,
            news: self.news.clone(),
        };
        if self.sip.try_order(SipOrder::Phone(order)).is_err() {
            tracing::error!(%agent, "The SIP lane is full: an agent's telephone is not called; he has to log in again.");
        }
    }
}

impl DeskAudio for WithPhones {
    fn under(&self) -> Option<&dyn DeskAudio> {
        Some(&*self.audio)
    }
    fn phone(&self, agent: AgentId, address: &str) {
        self.order(agent, Some(address.to_owned()));
    }
    fn gone(&self, agent: AgentId) {
        self.order(agent, None);
        self.audio.gone(agent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_telephones_in_the_allowed_networks_are_called_and_no_name_is_looked_up() {
        let ranges = ["192.0.2.0/24".parse().unwrap()];
        let ok =
            |text: &str| parse(text, &ranges).map(|(user, place)| (user.text().to_owned(), place));
        let at = |place: &str| Ok(("1001".to_owned(), place.parse().unwrap()));
        assert_eq!(ok("sip:1001@192.0.2.5"), at("192.0.2.5:5060"));
        assert_eq!(
            ok("sip:1001@192.0.2.5:5070;transport=udp"),
            at("192.0.2.5:5070")
        );
        for (text, fault) in [
            ("sip:1001@phone.example", PhoneFault::Address),
            ("sip:1001@0.0.0.0", PhoneFault::Address),
            ("sip:1001@192.0.2.5:0", PhoneFault::Address),
            ("sip:10 01@192.0.2.5", PhoneFault::Address),
            ("tel:1001", PhoneFault::Address),
            ("sip:1001@192.0.2.5;transport=tcp", PhoneFault::Transport),
            (
                "sip:1001@198.51.100.9",
                PhoneFault::Range("198.51.100.9".parse().unwrap()),
            ),
        ] {
            assert_eq!(ok(text), Err(fault), "{text}");
        }
        let none = parse("sip:1001@192.0.2.5", &[]);
        assert!(
            matches!(none, Err(PhoneFault::Range(_))),
            "without ranges none is called"
        );
    }
}
