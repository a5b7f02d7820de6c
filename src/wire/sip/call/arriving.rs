//! A call of somebody else's to us: the server side of an INVITE until it is answered, refused or taken back (RFC 3261 s.9.2, 13.3).
//!
//! It rings at once (100, 180) and is answered or refused by order. From the 200 on it is a call like any other: the same dialog,
//! the same requests within it, the same end. Reliable provisional answers (RFC 3262) are not offered; nobody may require them.

use super::{ALLOW, Call, Phase, RING_MAX, SPOKEN, Turn};
use crate::wire::sip::counters::Count;
use crate::wire::sip::dialog::{Dialog, FarSide};
use crate::wire::sip::draft::{Draft, reason_phrase};
use crate::wire::sip::event::{
    ArrivedCall, CallKey, Event, Identity, Output, Source, random_token,
};
use crate::wire::sip::message::{Method, Request};
use crate::wire::sip::requests::{Reply, answer_destination, answer_port, transaction_id};
use crate::wire::sip::sdp::{AudioPath, Direction, Sdp};
use crate::wire::sip::transaction::Client;

/// An INVITE that is not answered yet.
#[derive(Debug)]
pub(super) struct Arrival {
    request: Request,
    source: Source,
    id: String,
    /// The last provisional answer, for copies of the INVITE.
    last: Vec<u8>,
    /// What the offer asks for; `None`: it brings none, and our 200 will.
    offered: Option<AudioPath>,
}

impl Call {
    /// Takes an INVITE up that passed all that can be checked without a state. It rings from here on.
    pub(in crate::wire::sip) fn arrive(
        turn: &mut Turn<'_>,
        key: CallKey,
        request: &Request,
        source: Source,
        offered: Option<AudioPath>,
        called: String,
    ) -> Call {
        let envelope = &request.envelope;
        let identity = Identity {
            call_id: envelope.call_id.clone(),
            from_tag: random_token(turn.random),
            branch: envelope
                .top_via()
                .and_then(|via| via.branch())
                .unwrap_or_default()
                .to_owned(),
        };
        let mut none = Client::adopt(turn.now, String::new(), 0, true);
        none.stop();
        let mut call = Call::bare(key, turn, identity.clone(), "", "", 0, none);
        // In a dialog of theirs the To of their INVITE is our From (s.12.1.1).
        call.from = format!("<{}>", envelope.to.uri);
        call.to = format!("<{}>", envelope.from.uri);
        call.uri = envelope.from.uri.as_request_uri().to_owned();
        call.cseq = 0;
        call.phase = Phase::Arriving;
        call.ring_until = Some(turn.now + RING_MAX);
        let contact = request.contacts.first().filter(|it| it.uri.is_sip());
        let far = FarSide {
            remote_tag: envelope.from.tag().unwrap_or_default().to_owned(),
            remote_target: contact.map_or_else(
                || call.uri.clone(),
                |contact| contact.uri.as_request_uri().to_owned(),
            ),
            // The callee's route set is in the order of the request (s.12.1.1).
            route_set: request
                .record_route
                .iter()
                .map(|entry| entry.text.clone())
                .collect(),
            local_cseq: 0,
        };
        call.dialog = Some(Dialog {
            remote_cseq: Some(envelope.cseq.number),
            ..call.dialog_with(far)
        });
        call.arrival = Some(Arrival {
            request: request.clone(),
            source,
            id: transaction_id(request),
            last: Vec::new(),
            offered,
        });
        turn.counters.add(Count::CallsIn);
        call.say_provisionally(turn, 100);
        call.say_provisionally(turn, 180);
        let arrived = ArrivedCall {
            trunk: call.trunk,
            called,
            caller: caller_of(request),
            identity,
        };
        call.report(turn, Event::Arrived(Box::new(arrived)));
        call
    }

    fn say_provisionally(&mut self, turn: &mut Turn<'_>, status: u16) {
        let contact = turn.trunk.ourselves.contact(None);
        let tag = self.identity.from_tag.clone();
        let Some(arrival) = &mut self.arrival else {
            return;
        };
        // A 100 makes no dialog, so that it has no tag of ours (s.8.2.6.2).
        let tag = (status > 100).then_some(tag.as_str());
        let (request, source) = (&arrival.request, arrival.source.address);
        let mut draft = Draft::answer(request, source, status, reason_phrase(status), tag);
        if status > 100 {
            for entry in &request.record_route {
                draft = draft.header("Record-Route", &entry.text);
            }
            draft = draft.header("Contact", &contact);
        }
        arrival.last = draft.end(None);
        turn.out.push(Output::Send {
            to: answer_destination(answer_port(request), arrival.source),
            octets: arrival.last.clone(),
            invite: None,
        });
    }

    /// Answers it: our RTP port is bound.
    pub(in crate::wire::sip) fn accept(&mut self, turn: &mut Turn<'_>, media_port: u16) {
        if self.phase != Phase::Arriving {
            return;
        }
        let Some(arrival) = self.arrival.take() else {
            return;
        };
        self.local.port = media_port;
        self.ring_until = None;
        let described = match arrival.offered {
            None => {
                self.awaits_answer = true;
                let offer = self.secrets.write_offer(&self.local, Direction::SendRecv);
                Ok((offer, None, None))
            }
            Some(_) => Sdp::parse(&arrival.request.body)
                .and_then(|offer| self.secrets.answer(&offer, &self.local, &SPOKEN))
                .map(|(sdp, path, keys)| (sdp, Some(path), keys)),
        };
        let Ok((sdp, path, keys)) = described else {
            turn.counters.add(Count::SdpFaults);
            self.arrival = Some(arrival);
            return self.refuse(turn, 488);
        };
        let (request, source) = (&arrival.request, arrival.source);
        let mut headers: Vec<(&'static str, String)> = request
            .record_route
            .iter()
            .map(|entry| ("Record-Route", entry.text.clone()))
            .collect();
        headers.push(("Contact", turn.trunk.ourselves.contact(None)));
        headers.push(("Allow", ALLOW.to_owned()));
        headers.push(("Supported", "timer".to_owned()));
        headers.extend(self.session_headers(turn.now, request));
        headers.push(("User-Agent", turn.trunk.ourselves.user_agent.clone()));
        self.report_keys(turn, keys);
        self.phase = Phase::Answered;
        self.path = path;
        let reply = Reply {
            headers,
            sdp: Some(&sdp),
        };
        self.reply(turn, request, source, 200, reply);
        if let Some(far) = self.dialog.as_ref().map(|dialog| dialog.far.clone()) {
            self.report(turn, Event::Accepted { far, path });
        }
    }

    /// Refuses it with a final status; the end is reported.
    pub(in crate::wire::sip) fn refuse(&mut self, turn: &mut Turn<'_>, status: u16) {
        let Some(arrival) = self
            .arrival
            .take()
            .filter(|_| self.phase == Phase::Arriving)
        else {
            return;
        };
        self.reply(
            turn,
            &arrival.request,
            arrival.source,
            status,
            Reply::default(),
        );
        self.ended(turn);
    }

    /// Whether a request is of the INVITE's own transaction: a copy of it, its CANCEL, the ACK of our refusal.
    pub(in crate::wire::sip) fn is_of_arrival(&self, request: &Request) -> bool {
        let id = transaction_id(request);
        let is_waiting = self.arrival.as_ref().is_some_and(|it| it.id == id);
        is_waiting
            || self
                .servers
                .iter()
                .any(|server| server.is_cancelled_by(&id))
    }

    /// Takes such a request up.
    pub(in crate::wire::sip) fn serve_arrival(
        &mut self,
        turn: &mut Turn<'_>,
        request: &Request,
        source: Source,
    ) {
        if request.method == Method::INVITE
            && let Some(arrival) = &self.arrival
        {
            turn.counters.add(Count::Copies);
            turn.counters.add(Count::Retransmissions);
            turn.out.push(Output::Send {
                to: answer_destination(answer_port(&arrival.request), arrival.source),
                octets: arrival.last.clone(),
                invite: None,
            });
            return;
        }
        if request.method == Method::CANCEL {
            self.reply(turn, request, source, 200, Reply::default());
            // Behind our final answer it changes nothing (s.9.2).
            return self.refuse(turn, 487);
        }
        // Copies behind our final answer, and the ACK of a refusal.
        self.serve(turn, request, source);
    }
}

/// The caller's number as the carrier names it: P-Asserted-Identity before From, since carriers let callers write the latter
/// (RFC 3325 s.9.1). `None`: withheld (RFC 3323 s.4.2), or no number.
fn caller_of(request: &Request) -> Option<crate::pii::Pii<String>> {
    let is_withheld = request
        .header_values("Privacy")
        .flat_map(|value| value.split(';'))
        .any(|word| ["id", "user", "header"].contains(&word.trim().to_ascii_lowercase().as_str()));
    if is_withheld {
        return None;
    }
    let asserted = request
        .header_values("P-Asserted-Identity")
        .filter_map(|value| crate::wire::sip::uri::NameAddr::parse(value).ok())
        .find_map(|address| number_of(&address.uri));
    asserted
        .or_else(|| number_of(&request.envelope.from.uri))
        .map(crate::pii::Pii::new)
}

/// The user part of a URI, where it is a number; visual separators are left out (RFC 3966 s.5.1.1).
pub(in crate::wire::sip) fn number_of(uri: &crate::wire::sip::uri::Uri) -> Option<String> {
    let text = uri.as_request_uri();
    let rest = text
        .strip_prefix("sip:")
        .or_else(|| text.strip_prefix("sips:"))
        .or_else(|| text.strip_prefix("tel:"))?;
    let user = rest.split(['@', ';', '?']).next()?;
    if text.starts_with("sip") && !rest.contains('@') {
        return None;
    }
    let digits: String = user
        .chars()
        .filter(|octet| !matches!(octet, '-' | '.' | '(' | ')'))
        .collect();
    let plain = digits.strip_prefix('+').unwrap_or(&digits);
    let is_number =
        (3..=15).contains(&plain.len()) && plain.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then_some(digits)
}
