//! The simulated network's messages as octets: responses to an INVITE, BYE, stateless answers, SDP. Decides nothing.

use super::network::Route;
use crate::demo::chance::Chance;
use crate::wire::sip::draft::{Draft, reason_phrase};
use crate::wire::sip::message::{Method, Request};
use crate::wire::sip::sdp::{Law, LocalAudio, Sdp, write_answer};
use std::net::{IpAddr, SocketAddr};

/// What the simulator calls itself, in every message: nobody shall take it for a carrier.
pub const NAME: &str = "Tandem-carrier (simulated phone network)";
/// Methods that it takes.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";

/// A message ready to be sent.
pub type Wire = Vec<u8>;

/// One call's side of the signalling: what responses and BYE are made of.
#[derive(Debug)]
pub struct Leg {
    /// Gone once the call is over: repetitions need the octets only.
    invite: Option<Box<Request>>,
    /// Where the INVITE came from: our BYE goes there.
    route: Route,
    /// Where its responses go.
    response_route: Route,
    /// Our tag.
    pub tag: String,
    /// The caller's tag.
    pub caller_tag: String,
    /// Branch of the INVITE.
    pub branch: String,
    /// Branch of our BYE.
    bye_branch: String,
    response: Wire,
    request: Wire,
}

impl Leg {
    /// The leg of an INVITE. `seed` makes tag and branch: unique within a run.
    pub fn new(invite: Request, route: Route, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        Leg {
            tag: format!("sim{:016x}", chance.bits()),
            bye_branch: format!("z9hG4bKsim{:016x}", chance.bits()),
            caller_tag: invite.envelope.from.tag().unwrap_or_default().to_owned(),
            branch: branch(&invite),
            response_route: response_route(&invite, route),
            invite: Some(Box::new(invite)),
            route,
            response: Wire::new(),
            request: Wire::new(),
        }
    }

    /// A response to the INVITE, and where it goes.
    pub fn respond(
        &mut self,
        local: SocketAddr,
        status: u16,
        headers: &[(&str, &str)],
        sdp: Option<&[u8]>,
    ) -> (Route, Wire) {
        let Some(invite) = &self.invite else {
            return self.last_response();
        };
        // A 100 belongs to the hop and opens no dialog (s.8.2.6.2).
        let tag = (status > 100).then_some(self.tag.as_str());
        let mut draft = Draft::answer(invite, self.route.address(), status, phrase(status), tag);
        if (101..300).contains(&status) {
            // s.12.1.1: what proxies put in on the way must come back.
            for hop in &invite.record_route {
                draft = draft.header("Record-Route", &hop.text);
            }
            draft = draft
                .header("Contact", &contact(local, self.route))
                .header("Allow", ALLOW);
        }
        for (name, value) in headers {
            draft = draft.header(name, value);
        }
        let octets = draft
            .header("Server", NAME)
            .end(sdp.map(|sdp| ("application/sdp", sdp)));
        self.response.clone_from(&octets);
        (self.response_route, octets)
    }

    /// The last response again.
    pub fn last_response(&self) -> (Route, Wire) {
        (self.response_route, self.response.clone())
    }

    /// Our BYE, sent where the INVITE came from, along its recorded route (s.12.2.1.1).
    pub fn bye(&mut self, local: SocketAddr) -> (Route, Wire) {
        let Some(invite) = &self.invite else {
            return self.last_request();
        };
        let envelope = &invite.envelope;
        let target = invite
            .contacts
            .first()
            .map_or(&envelope.from.uri, |contact| &contact.uri);
        let transport = match self.route {
            Route::Udp(_) => "UDP",
            Route::Stream(..) => "TCP",
        };
        let via = format!(
            "SIP/2.0/{transport} {local};branch={};rport",
            self.bye_branch
        );
        let mut draft = Draft::request(&Method::BYE, target.as_request_uri()).header("Via", &via);
        for hop in &invite.record_route {
            draft = draft.header("Route", &hop.text);
        }
        let octets = draft
            .header("Max-Forwards", "70")
            .header_with_tag("From", &envelope.to.text, &self.tag)
            .header("To", &envelope.from.text)
            .header("Call-ID", &envelope.call_id)
            .header("CSeq", "1 BYE")
            .header("User-Agent", NAME)
            .end(None);
        self.request.clone_from(&octets);
        (self.route, octets)
    }

    /// The BYE again.
    pub fn last_request(&self) -> (Route, Wire) {
        (self.route, self.request.clone())
    }

    /// The call is over: only repetitions are still to come.
    pub fn let_go(&mut self) {
        self.invite = None;
    }
}

/// Branch of the topmost hop.
pub fn branch(request: &Request) -> String {
    let via = request.envelope.top_via();
    via.and_then(|via| via.branch())
        .unwrap_or_default()
        .to_owned()
}

/// Where the response to a request goes: back on its connection, or to the source (RFC 3581 s.4), or to the port of its Via
/// (RFC 3261 s.18.2.2).
pub fn response_route(request: &Request, came: Route) -> Route {
    match (came, request.envelope.top_via()) {
        (Route::Udp(source), Some(via)) if !via.wants_rport() => {
            Route::Udp(SocketAddr::new(source.ip(), via.answer_port()))
        }
        _ => came,
    }
}

/// A response to any request.
pub fn answer(
    request: &Request,
    source: SocketAddr,
    status: u16,
    tag: Option<&str>,
    headers: &[(&str, &str)],
) -> Wire {
    let mut draft = Draft::answer(request, source, status, phrase(status), tag);
    for (name, value) in headers {
        draft = draft.header(name, value);
    }
    if matches!(status, 200 | 405) {
        draft = draft.header("Allow", ALLOW);
    }
    draft.header("Server", NAME).end(None)
}

/// Our SDP for an offer; `None` if the offer has nothing for us.
pub fn sdp_answer(
    offer: &Sdp,
    address: IpAddr,
    port: u16,
    session: u64,
    laws: &[Law],
) -> Option<Vec<u8>> {
    let local = LocalAudio {
        address,
        port,
        session,
        version: 1,
    };
    let (text, _) = write_answer(offer, &local, laws).ok()?;
    Some(text.into_bytes())
}

fn contact(local: SocketAddr, route: Route) -> String {
    match route {
        Route::Udp(_) => format!("<sip:carrier@{local}>"),
        Route::Stream(..) => format!("<sip:carrier@{local};transport=tcp>"),
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        401 => "Unauthorized",
        482 => "Loop Detected",
        _ => reason_phrase(status),
    }
}
