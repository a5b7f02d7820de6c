//! One trunk as the wire sees it: address, credentials, who may speak for it, and whether it answers OPTIONS.

use super::ask::{Worth, judge};
use super::auth::{AuthHeader, Wallet};
use super::counters::{Count, Counters};
use super::dialog::Ourselves;
use super::event::{Destination, Output, Random, Transport, random_token};
use super::message::{Method, Request, Response};
use super::sdes::SrtpUse;
use super::transaction::{Client, Due, earliest};
use super::uri::{Host, parse_hostport};
use super::via::MAGIC_COOKIE;
use crate::ids::TrunkId;
use crate::pii::Pii;
use crate::time::Mono;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long an OPTIONS may stay unanswered before it counts as missed. Three in a row then take 4.5 s, so that with the
/// default interval of 10 s a dead trunk is known within 15 s (reliability, D6).
const PROBE_WAIT: Duration = Duration::from_millis(1_500);
/// Unanswered OPTIONS in a row that mean DOWN.
const PROBES_MISSED_MAX: u8 = 3;

/// A trunk as configured.
#[derive(Clone, Debug)]
pub struct TrunkSetup {
    /// Its number.
    pub id: TrunkId,
    /// Where requests go.
    pub address: SocketAddr,
    /// How.
    pub transport: Transport,
    /// Host, with a port if wanted, of our From and of Request-URIs, where it is not the address.
    pub domain: Option<String>,
    /// Digest user.
    pub username: Option<String>,
    /// Digest password.
    pub password: Option<Pii<String>>,
    /// Realms that we answer; empty: the first one seen is pinned.
    pub realms: Vec<String>,
    /// Where its signalling may come from, beside `address`.
    pub signalling_ranges: Vec<IpNet>,
    /// Where its RTP may come from and go to; empty: wherever its SDP says.
    pub media_ranges: Vec<IpNet>,
    /// Whether its calls to us must bring a digest of `username` and `password`.
    pub asks_digest: bool,
    /// What is done about SRTP.
    pub srtp: SrtpUse,
    /// Whether it is asked with OPTIONS at all: an agent's telephone is not.
    pub is_probed: bool,
    /// Time between OPTIONS.
    pub keep_alive: Duration,
    /// Our address and port in Via and Contact.
    pub local: SocketAddr,
    /// Our address in SDP.
    pub media_address: IpAddr,
}

/// A trunk at work.
#[derive(Debug)]
pub(super) struct Trunk {
    pub(super) setup: TrunkSetup,
    pub(super) ourselves: Ourselves,
    /// Host of URIs, as text.
    pub(super) domain: String,
    pub(super) wallet: Option<Wallet>,
    /// Whether requests can leave at all: always over UDP, while connected over TCP.
    pub(super) is_connected: bool,
    pub(super) wake: Option<Mono>,
    is_up: Option<bool>,
    missed: u8,
    probe: Option<Client>,
    probe_until: Option<Mono>,
    is_probe_authorized: bool,
    next_probe_at: Mono,
    cseq: u32,
    call_id: String,
    tag: String,
}

impl Trunk {
    pub(super) fn new(
        setup: TrunkSetup,
        user_agent: &str,
        now: Mono,
        random: &mut dyn Random,
    ) -> Trunk {
        Trunk {
            ourselves: ourselves(&setup, user_agent),
            domain: domain(&setup),
            wallet: wallet(&setup),
            is_connected: setup.transport == Transport::Udp,
            wake: None,
            is_up: None,
            missed: 0,
            probe: None,
            probe_until: None,
            is_probe_authorized: false,
            next_probe_at: now,
            cseq: 0,
            call_id: random_token(random),
            tag: random_token(random),
            setup,
        }
    }

    /// Another setup at the same address. Calls that are up, the connection and the last answer to OPTIONS stay; what was
    /// remembered of a challenge stays too, unless the credentials are others.
    pub(super) fn change(&mut self, now: Mono, setup: TrunkSetup, user_agent: &str) {
        let credentials = |of: &TrunkSetup| {
            let realms = of.realms.clone();
            (of.username.clone(), of.password.clone(), realms)
        };
        if credentials(&self.setup) != credentials(&setup) {
            self.wallet = wallet(&setup);
        }
        self.ourselves = ourselves(&setup, user_agent);
        self.domain = domain(&setup);
        self.next_probe_at = self.next_probe_at.min(now + setup.keep_alive);
        self.setup = setup;
    }

    /// Whether signalling for this trunk may come from here.
    pub(super) fn allows(&self, source: IpAddr) -> bool {
        // An IPv4 peer on a dual-stack socket shows as ::ffff:a.b.c.d.
        let source = source.to_canonical();
        self.setup.address.ip() == source
            || self
                .setup
                .signalling_ranges
                .iter()
                .any(|range| range.contains(&source))
    }

    /// Whether voice may go there.
    pub(super) fn allows_media(&self, address: IpAddr) -> bool {
        self.setup.media_ranges.is_empty()
            || self
                .setup
                .media_ranges
                .iter()
                .any(|range| range.contains(&address))
    }

    /// What the credentials of a call to us are worth; right ones where none are asked for.
    pub(super) fn judge_caller(&self, request: &Request, salt: u64, now: Mono) -> Worth {
        match (&self.setup.username, &self.setup.password) {
            (Some(username), Some(password)) if self.setup.asks_digest => {
                judge(request, (&self.realm(), username, password), salt, now)
            }
            _ => Worth::Right,
        }
    }

    /// The realm in which we ask: the first that we answer in, or the trunk's domain.
    pub(super) fn realm(&self) -> String {
        let first = self.setup.realms.first();
        first.unwrap_or(&self.domain).replace(['"', '\\'], "")
    }

    pub(super) const fn is_reliable(&self) -> bool {
        matches!(self.setup.transport, Transport::Tcp)
    }

    /// Whether this Call-ID is that of our OPTIONS.
    pub(super) fn owns(&self, call_id: &str) -> bool {
        self.call_id == call_id
    }

    /// The TCP connection is there, or gone.
    pub(super) fn connected(&mut self, now: Mono, is_connected: bool, out: &mut Vec<Output>) {
        self.is_connected = is_connected;
        self.missed = 0;
        self.probe = None;
        self.probe_until = None;
        self.next_probe_at = now;
        if !is_connected {
            self.say(false, out);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Mono> {
        if !self.is_connected || !self.setup.is_probed {
            return None;
        }
        let next_probe = self.probe_until.is_none().then_some(self.next_probe_at);
        earliest([
            next_probe,
            self.probe_until,
            self.probe.as_ref().and_then(Client::next_timeout),
        ])
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Mono,
        random: &mut dyn Random,
        counters: &mut Counters,
        out: &mut Vec<Output>,
    ) {
        if let Some(until) = self.probe_until
            && until <= now
        {
            self.missed = self.missed.saturating_add(1);
            self.probe_until = None;
            if self.missed >= PROBES_MISSED_MAX {
                self.say(false, out);
                self.probe = None;
                self.next_probe_at = now + self.setup.keep_alive;
            } else {
                self.next_probe_at = now;
            }
        }
        if self.probe_until.is_none() && self.next_probe_at <= now {
            self.is_probe_authorized = false;
            self.send_probe(now, None, random, counters, out);
        }
        if let Some(probe) = &mut self.probe {
            match probe.handle_timeout(now) {
                Some(Due::Resend) => {
                    counters.add(Count::Retransmissions);
                    out.push(send(self.setup.id, probe.octets().to_vec()));
                }
                Some(Due::GaveUp | Due::Over) => self.probe = None,
                None => {}
            }
        }
    }

    fn send_probe(
        &mut self,
        now: Mono,
        auth: Option<AuthHeader>,
        random: &mut dyn Random,
        counters: &mut Counters,
        out: &mut Vec<Output>,
    ) {
        self.cseq = self.cseq.wrapping_add(1) & 0x7FFF_FFFF;
        let branch = format!("{MAGIC_COOKIE}{}", random_token(random));
        let mut draft = self
            .ourselves
            .begin(&Method::OPTIONS, &self.uri(), &branch)
            .header_with_tag("From", &format!("<sip:tandem@{}>", self.domain), &self.tag)
            .header("To", &format!("<{}>", self.uri()))
            .header("Call-ID", &self.call_id)
            .header("CSeq", &format!("{} OPTIONS", self.cseq))
            .header("Contact", &self.ourselves.contact(None))
            .header("Accept", "application/sdp")
            .header("User-Agent", &self.ourselves.user_agent);
        if let Some((name, value)) = &auth {
            draft = draft.header(name, value);
        }
        let octets = draft.end(None);
        counters.add(Count::OutOptions);
        out.push(send(self.setup.id, octets.clone()));
        self.probe = Some(Client::start(
            now,
            Method::OPTIONS,
            branch,
            self.cseq,
            self.is_reliable(),
            octets,
        ));
        self.probe_until = Some(now + PROBE_WAIT);
    }

    fn uri(&self) -> String {
        format!("sip:{}", self.domain)
    }

    /// Takes an answer to our OPTIONS up, also a late one.
    pub(super) fn hear(
        &mut self,
        now: Mono,
        response: &Response,
        is_from_address: bool,
        random: &mut dyn Random,
        counters: &mut Counters,
        out: &mut Vec<Output>,
    ) {
        if let Some(probe) = &mut self.probe {
            probe.hear(now, response.status);
        }
        // 503 says "send me nothing" and 408 that somebody else waited in vain: both are silence (reliability, D7).
        if matches!(response.status, 100..=199 | 408 | 503) {
            return;
        }
        self.missed = 0;
        self.probe = None;
        self.probe_until = None;
        self.next_probe_at = now + self.setup.keep_alive;
        self.say(true, out);
        if matches!(response.status, 401 | 407) && !self.is_probe_authorized {
            self.is_probe_authorized = true;
            let uri = self.uri();
            let challenge = self
                .wallet
                .as_ref()
                .filter(|_| is_from_address)
                .and_then(|wallet| wallet.choose(response));
            match (&mut self.wallet, challenge) {
                (Some(wallet), Some(challenge)) => {
                    counters.add(Count::ChallengesAnswered);
                    let header = wallet.answer(challenge, "OPTIONS", &uri, &random_token(random));
                    self.send_probe(now, Some(header), random, counters, out);
                }
                _ => {
                    counters.add(Count::ChallengesRefused);
                    counters.trunk(self.setup.id).challenges_refused += 1;
                }
            }
        }
    }

    fn say(&mut self, is_up: bool, out: &mut Vec<Output>) {
        if self.is_up != Some(is_up) {
            self.is_up = Some(is_up);
            out.push(Output::Trunk(self.setup.id, is_up));
        }
    }
}

/// Host of URIs: the domain, or the address with a port that is not the usual one.
fn domain(setup: &TrunkSetup) -> String {
    let host = Host::Address(setup.address.ip());
    setup
        .domain
        .clone()
        .filter(|domain| parse_hostport(domain).is_ok())
        .unwrap_or_else(|| match setup.address.port() {
            5060 => host.to_string(),
            port => format!("{host}:{port}"),
        })
}

fn wallet(setup: &TrunkSetup) -> Option<Wallet> {
    match (&setup.username, &setup.password) {
        (Some(username), Some(password)) => Some(Wallet::new(
            username.clone(),
            password.clone(),
            setup.realms.clone(),
        )),
        _ => None,
    }
}

fn ourselves(setup: &TrunkSetup, user_agent: &str) -> Ourselves {
    Ourselves {
        transport: setup.transport.name(),
        sent_by: format!("{}:{}", Host::Address(setup.local.ip()), setup.local.port()),
        user_agent: user_agent.to_owned(),
    }
}

fn send(trunk: TrunkId, octets: Vec<u8>) -> Output {
    Output::Send {
        to: Destination::Trunk(trunk),
        octets,
        invite: None,
    }
}
