//! Requests of the far end: within a call (BYE, re-INVITE, UPDATE, ACK) and outside any. The first hear of what we serve.
//!
//! Outside a dialog everything is answered without keeping state (RFC 3261 s.8.2.7): a flood costs an answer, no memory.

use super::call::{ALLOW, Call, Phase, SPOKEN, Turn, check_range, session_expires};
use super::counters::{Count, Counters};
use super::draft::{Draft, reason_phrase};
use super::event::{Destination, Event, Output, Source};
use super::message::{Method, Request};
use super::sdes::SrtpUse;
use super::sdp::{AudioPath, Direction, Sdp};
use super::transaction::{Due, Server};
use crate::time::Mono;
use std::net::SocketAddr;
use std::time::Duration;

/// Most answers kept for copies of requests within one call.
const SERVERS_MAX: usize = 8;
/// Most offers of the far end in one second (reliability, D19).
const OFFERS_PER_SECOND_MAX: u8 = 5;
/// Shortest session interval, in seconds (RFC 4028 s.5).
const SESSION_MIN_S: u32 = 90;
/// Extensions that a request may require of us.
const UNDERSTOOD: [&str; 1] = ["timer"];

/// Where the answer to a request goes (RFC 3261 s.18.2.2, RFC 3581): on its connection, or to the host it came from.
pub(super) fn answer_destination(via_port: Option<u16>, source: Source) -> Destination {
    Destination::Back(Source {
        address: SocketAddr::new(
            source.address.ip(),
            via_port.unwrap_or(source.address.port()),
        ),
        ..source
    })
}

/// The port that a request's answer goes to, where it is not the source's own.
pub(super) fn answer_port(request: &Request) -> Option<u16> {
    request
        .envelope
        .top_via()
        .filter(|via| !via.wants_rport())
        .map(|via| via.answer_port())
}

/// Headers and body of an answer.
#[derive(Default)]
pub(super) struct Reply<'a> {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) sdp: Option<&'a str>,
}

impl Reply<'_> {
    fn of(name: &'static str, value: impl Into<String>) -> Reply<'static> {
        Reply {
            headers: vec![(name, value.into())],
            sdp: None,
        }
    }
}

fn write_reply(
    request: &Request,
    source: Source,
    status: u16,
    to_tag: Option<&str>,
    reply: &Reply<'_>,
) -> Vec<u8> {
    let mut draft = Draft::answer(
        request,
        source.address,
        status,
        reason_phrase(status),
        to_tag,
    );
    for (name, value) in &reply.headers {
        draft = draft.header(name, value);
    }
    draft.end(reply.sdp.map(|sdp| ("application/sdp", sdp.as_bytes())))
}

pub(super) fn count_answer(counters: &mut Counters, status: u16) {
    counters.add(match status {
        200..=299 => Count::Out2xx,
        400..=499 => Count::Out4xx,
        _ => Count::Out5xx,
    });
}

/// Extensions that a request requires and we lack.
fn lacking(request: &Request) -> Vec<&str> {
    request
        .header_tokens("Require")
        .filter(|tag| {
            !UNDERSTOOD
                .iter()
                .any(|known| known.eq_ignore_ascii_case(tag))
        })
        .collect()
}

/// What an INVITE that passes every check without a state wants of us.
pub(super) enum Asked {
    /// Refused, with the status.
    Refused(u16),
    /// It may ring: the offer's path, or none where our 200 shall offer.
    Rings(Option<AudioPath>),
}

/// Reads an INVITE outside any dialog as a call to us; `None`: what [`answer_stateless`] says is the answer.
pub(super) fn ask_arrival(
    request: &Request,
    srtp: SrtpUse,
    allows_media: impl Fn(std::net::IpAddr) -> bool,
) -> Option<Asked> {
    if request.method != Method::INVITE || judge_stateless(request).0 != 404 {
        return None;
    }
    let session = request.header("Session-Expires").and_then(session_expires);
    if session.is_some_and(|(seconds, _)| seconds < SESSION_MIN_S) {
        return Some(Asked::Refused(422));
    }
    if request.body.is_empty() {
        return Some(Asked::Rings(None));
    }
    let path = Sdp::parse(&request.body).and_then(|offer| srtp.look_at(&offer, &SPOKEN));
    Some(match path {
        Ok(path) if path.remote.is_none_or(|remote| allows_media(remote.ip())) => {
            Asked::Rings(Some(path))
        }
        _ => Asked::Refused(488),
    })
}

/// A refusal of a call to us without a state.
pub(super) fn refuse_arrival(
    request: &Request,
    source: Source,
    (status, asks): (u16, Option<String>),
    to_tag: &str,
    out: &mut Vec<Output>,
) {
    let reply = match status {
        401 => Reply::of("WWW-Authenticate", asks.unwrap_or_default()),
        422 => Reply::of("Min-SE", SESSION_MIN_S.to_string()),
        503 => Reply::of("Retry-After", "5"),
        _ => Reply::default(),
    };
    out.push(Output::Send {
        to: answer_destination(answer_port(request), source),
        octets: write_reply(request, source, status, Some(to_tag), &reply),
        invite: None,
    });
}

/// The answer to a request outside any dialog of ours; `None` for an ACK.
pub(super) fn answer_stateless(
    request: &Request,
    source: Source,
    to_tag: &str,
    counters: &mut Counters,
    out: &mut Vec<Output>,
) {
    if request.method == Method::ACK {
        return;
    }
    let (status, reply) = judge_stateless(request);
    counters.add(match status {
        200 => Count::Out2xx,
        481 => Count::RefusedNoDialog,
        _ => Count::RefusedRequest,
    });
    if status != 200 {
        count_answer(counters, status);
    }
    out.push(Output::Send {
        to: answer_destination(answer_port(request), source),
        octets: write_reply(request, source, status, Some(to_tag), &reply),
        invite: None,
    });
}

fn judge_stateless(request: &Request) -> (u16, Reply<'static>) {
    use rsip::Method as M;
    let Method::Known(method) = &request.method else {
        return (501, Reply::of("Allow", ALLOW));
    };
    if request.envelope.to.tag().is_some()
        || matches!(method, M::Bye | M::Cancel | M::Update | M::PRack)
    {
        return (481, Reply::default());
    }
    match method {
        M::Invite | M::Options => {}
        M::Subscribe | M::Notify => return (489, Reply::default()),
        _ => return (405, Reply::of("Allow", ALLOW)),
    }
    if !request.uri.is_sip() {
        return (416, Reply::default());
    }
    let lacking = lacking(request);
    if !lacking.is_empty() {
        return (420, Reply::of("Unsupported", lacking.join(", ")));
    }
    if let Some(refused) = content_refusal(request) {
        return refused;
    }
    if *method == M::Invite {
        let mut accepted = request.header_tokens("Accept").peekable();
        let takes_sdp = accepted.peek().is_none()
            || accepted.any(|kind| {
                let kind = kind.split(';').next().unwrap_or_default().trim();
                ["application/sdp", "application/*", "*/*"]
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(kind))
            });
        if !takes_sdp {
            return (406, Reply::default());
        }
        // No number of ours, and nothing is relayed.
        return (404, Reply::default());
    }
    let reply = Reply {
        headers: vec![
            ("Allow", ALLOW.to_owned()),
            ("Accept", "application/sdp".to_owned()),
        ],
        sdp: None,
    };
    (200, reply)
}

fn content_refusal(request: &Request) -> Option<(u16, Reply<'static>)> {
    let is_encoded = request
        .header_tokens("Content-Encoding")
        .any(|coding| !coding.eq_ignore_ascii_case("identity"));
    if is_encoded {
        return Some((415, Reply::of("Accept-Encoding", "identity")));
    }
    let is_foreign = !request.body.is_empty() && !request.has_sdp();
    is_foreign.then(|| (415, Reply::of("Accept", "application/sdp")))
}

/// Tells a request from others: its branch and hop, or, without a branch of RFC 3261, its hop and number.
pub(super) fn transaction_id(request: &Request) -> String {
    let envelope = &request.envelope;
    let Some(via) = envelope.top_via() else {
        return String::new();
    };
    match via.branch() {
        Some(branch) => format!("{branch} {}:{}", via.host, via.answer_port()),
        None => format!("{} {}", envelope.cseq.number, via.text),
    }
}

impl Call {
    /// Whether a request with these tags is within this call: both must match (RFC 3261 s.12.2.2).
    pub(super) fn is_within(&self, request: &Request) -> bool {
        let (to_tag, from_tag) = (
            request.envelope.to.tag(),
            request.envelope.from.tag().unwrap_or_default(),
        );
        let has_peer = self
            .dialog
            .as_ref()
            .is_some_and(|dialog| dialog.far.remote_tag == from_tag)
            || self.has_stray(from_tag);
        to_tag == Some(self.local_tag()) && has_peer
    }

    /// Takes a request within this call up.
    pub(super) fn serve(&mut self, turn: &mut Turn<'_>, request: &Request, source: Source) {
        let id = transaction_id(request);
        if request.method == Method::ACK {
            return self.serve_ack(turn, request);
        }
        if let Some(server) = self
            .servers
            .iter()
            .find(|server| server.is_copy(&id, &request.method))
        {
            turn.counters.add(Count::Copies);
            turn.counters.add(Count::Retransmissions);
            let (to, octets) = (
                answer_destination(answer_port(request), server.destination()),
                server.octets().to_vec(),
            );
            turn.out.push(Output::Send {
                to,
                octets,
                invite: None,
            });
            return;
        }
        if request.method == Method::CANCEL {
            // Our answers to re-INVITEs are final at once: there is nothing left to cancel (s.9.2).
            let is_known = self
                .servers
                .iter()
                .any(|server| server.is_cancelled_by(&id));
            return self.reply(
                turn,
                request,
                source,
                if is_known { 200 } else { 481 },
                Reply::default(),
            );
        }
        let is_main = self.dialog.as_ref().is_some_and(|dialog| {
            Some(dialog.far.remote_tag.as_str()) == request.envelope.from.tag()
                || dialog.far.remote_tag.is_empty()
        });
        if is_main
            && let Some(dialog) = &mut self.dialog
            && !dialog.takes_cseq(request.envelope.cseq.number)
        {
            return self.reply(turn, request, source, 500, Reply::default());
        }
        if request.method == Method::BYE {
            self.reply(turn, request, source, 200, Reply::default());
            if is_main {
                self.serve_bye(turn);
            }
            return;
        }
        if !is_main || self.phase != Phase::Answered {
            turn.counters.add(Count::RefusedNoDialog);
            return self.reply(turn, request, source, 481, Reply::default());
        }
        self.serve_in_dialog(turn, request, source);
    }

    fn serve_bye(&mut self, turn: &mut Turn<'_>) {
        // It may have overtaken our ACK, or crossed our own BYE.
        self.release_ack(turn);
        if matches!(self.phase, Phase::Answered | Phase::Ending) {
            self.ended(turn);
        }
        // The caller may end an early dialog so, too (s.15).
        self.refuse(turn, 487);
    }

    fn serve_ack(&mut self, turn: &mut Turn<'_>, request: &Request) {
        let (now, cseq) = (turn.now, request.envelope.cseq.number);
        let mut is_of_answer = false;
        let is_confirmed = self.servers.iter_mut().any(|server| {
            is_of_answer = server.awaits_ack();
            server.confirm(now, cseq)
        });
        if !is_confirmed {
            return turn.counters.add(Count::Copies);
        }
        if is_of_answer
            && std::mem::replace(&mut self.awaits_answer, false)
            && self.phase == Phase::Answered
        {
            match self.read_path(turn, &request.body) {
                Ok(path) => self.change_path(turn, path),
                Err(_) => {
                    turn.counters.add(Count::SdpFaults);
                    self.hang_up(turn);
                }
            }
        }
    }

    fn serve_in_dialog(&mut self, turn: &mut Turn<'_>, request: &Request, source: Source) {
        let lacking = lacking(request);
        if !lacking.is_empty() {
            let tags = lacking.join(", ");
            return self.reply(turn, request, source, 420, Reply::of("Unsupported", tags));
        }
        match &request.method {
            method if *method == Method::INVITE || *method == Method::UPDATE => {
                self.serve_offer(turn, request, source)
            }
            method if *method == Method::OPTIONS => {
                let reply = Reply {
                    headers: vec![
                        ("Allow", ALLOW.to_owned()),
                        ("Accept", "application/sdp".to_owned()),
                    ],
                    sdp: None,
                };
                self.reply(turn, request, source, 200, reply);
            }
            Method::Known(rsip::Method::Subscribe | rsip::Method::Notify) => {
                turn.counters.add(Count::RefusedRequest);
                self.reply(turn, request, source, 489, Reply::default());
            }
            Method::Known(_) => {
                turn.counters.add(Count::RefusedRequest);
                self.reply(turn, request, source, 405, Reply::of("Allow", ALLOW));
            }
            Method::Other(_) => {
                turn.counters.add(Count::RefusedRequest);
                self.reply(turn, request, source, 501, Reply::of("Allow", ALLOW));
            }
        }
    }

    /// Re-INVITE (s.14.2) or UPDATE (RFC 3311): hold, resume, another address, or only a session refresh.
    fn serve_offer(&mut self, turn: &mut Turn<'_>, request: &Request, source: Source) {
        self.release_ack(turn);
        let is_invite = request.method == Method::INVITE;
        // One at a time: the answer to the one before is not acknowledged yet.
        if self.servers.iter().any(Server::awaits_ack) {
            turn.counters.add(Count::RefusedBusyDialog);
            return self.reply(turn, request, source, 491, Reply::default());
        }
        if !self.has_room_for_offer(turn.now) {
            turn.counters.add(Count::RefusedBusyDialog);
            return self.reply(turn, request, source, 500, Reply::of("Retry-After", "2"));
        }
        if let Some((status, reply)) = content_refusal(request) {
            return self.reply(turn, request, source, status, reply);
        }
        let session = request.header("Session-Expires").and_then(session_expires);
        if session.is_some_and(|(seconds, _)| seconds < SESSION_MIN_S) {
            return self.reply(
                turn,
                request,
                source,
                422,
                Reply::of("Min-SE", SESSION_MIN_S.to_string()),
            );
        }
        let sdp = match self.answer_offer(turn, request, is_invite) {
            Ok(sdp) => sdp,
            Err(()) => {
                turn.counters.add(Count::SdpFaults);
                return self.reply(turn, request, source, 488, Reply::default());
            }
        };
        let mut headers = vec![
            ("Contact", turn.trunk.ourselves.contact(None)),
            ("Allow", ALLOW.to_owned()),
        ];
        headers.extend(self.session_headers(turn.now, request));
        // A new Contact is where later requests of ours are addressed to (target refresh, s.12.2.2).
        if let (Some(dialog), Some(contact)) = (&mut self.dialog, request.contacts.first())
            && contact.uri.is_sip()
        {
            dialog.far.remote_target = contact.uri.as_request_uri().to_owned();
        }
        self.reply(
            turn,
            request,
            source,
            200,
            Reply {
                headers,
                sdp: sdp.as_deref(),
            },
        );
    }

    /// Takes the session timer of an INVITE or UPDATE up, and what the 200 says about it (RFC 4028 s.9).
    pub(super) fn session_headers(
        &mut self,
        now: Mono,
        request: &Request,
    ) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        let value = request.header("Session-Expires");
        let Some((seconds, refresher)) = value.and_then(session_expires) else {
            return headers;
        };
        self.keep_session(now, value, false);
        if request
            .header_tokens("Supported")
            .any(|tag| tag.eq_ignore_ascii_case("timer"))
        {
            headers.push(("Require", "timer".to_owned()));
        }
        let refresher = if refresher == Some("uas") {
            "uas"
        } else {
            "uac"
        };
        headers.push((
            "Session-Expires",
            format!("{seconds};refresher={refresher}"),
        ));
        headers
    }

    /// Our description for the 200: the answer to an offer, our own offer where a re-INVITE brings none.
    fn answer_offer(
        &mut self,
        turn: &mut Turn<'_>,
        request: &Request,
        is_invite: bool,
    ) -> Result<Option<String>, ()> {
        if request.body.is_empty() {
            self.awaits_answer = is_invite;
            return Ok(is_invite.then(|| {
                let secrets = &self.secrets;
                secrets.write_offer(&self.local, Direction::SendRecv)
            }));
        }
        let offer = Sdp::parse(&request.body).map_err(drop)?;
        let wanted = self.secrets.look_at(&offer, &SPOKEN).map_err(drop)?;
        check_range(turn, &wanted).map_err(drop)?;
        if self.path != Some(wanted) {
            self.local.version += 1;
        }
        let answer = self.secrets.answer(&offer, &self.local, &SPOKEN);
        let (sdp, path, keys) = answer.map_err(drop)?;
        self.report_keys(turn, keys);
        self.change_path(turn, path);
        Ok(Some(sdp))
    }

    fn change_path(&mut self, turn: &mut Turn<'_>, path: super::sdp::AudioPath) {
        if self.path != Some(path) {
            self.path = Some(path);
            self.report(turn, Event::MediaChanged(path));
        }
    }

    fn has_room_for_offer(&mut self, now: Mono) -> bool {
        let (since, taken) = &mut self.changes;
        if now.since(*since) >= Duration::from_secs(1) {
            *since = now;
            *taken = 0;
        }
        *taken = taken.saturating_add(1);
        *taken <= OFFERS_PER_SECOND_MAX
    }

    pub(super) fn reply(
        &mut self,
        turn: &mut Turn<'_>,
        request: &Request,
        source: Source,
        status: u16,
        reply: Reply<'_>,
    ) {
        let octets = write_reply(request, source, status, Some(self.local_tag()), &reply);
        count_answer(turn.counters, status);
        turn.out.push(Output::Send {
            to: answer_destination(answer_port(request), source),
            octets: octets.clone(),
            invite: None,
        });
        if self.servers.len() >= SERVERS_MAX {
            let oldest = self
                .servers
                .iter()
                .position(|server| !server.awaits_ack())
                .unwrap_or(0);
            self.servers.remove(oldest);
        }
        self.servers.push(Server::answered(
            turn.now,
            transaction_id(request),
            request.method.clone(),
            request.envelope.cseq.number,
            status,
            octets,
            back_of(request, source),
            source.transport == super::event::Transport::Tcp,
        ));
    }

    /// Timers of our answers.
    pub(super) fn serve_timeouts(&mut self, turn: &mut Turn<'_>) {
        let mut is_deaf = false;
        for server in &mut self.servers {
            match server.handle_timeout(turn.now) {
                Some(Due::Resend) => {
                    turn.counters.add(Count::Retransmissions);
                    turn.out.push(Output::Send {
                        to: Destination::Back(server.destination()),
                        octets: server.octets().to_vec(),
                        invite: None,
                    });
                }
                Some(Due::GaveUp) => is_deaf = true,
                Some(Due::Over) | None => {}
            }
        }
        self.servers.retain(Server::is_alive);
        // RFC 3261 s.14.2: an answer to a re-INVITE that is never acknowledged ends the session.
        if is_deaf {
            turn.counters.add(Count::TransactionTimeouts);
            self.awaits_answer = false;
            if self.phase == Phase::Answered {
                self.hang_up(turn);
            }
        }
    }
}

fn back_of(request: &Request, source: Source) -> Source {
    match answer_destination(answer_port(request), source) {
        Destination::Back(back) => back,
        Destination::Trunk(_) => source,
    }
}
