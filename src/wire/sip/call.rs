//! One call of ours, from INVITE to the last absorbed copy (RFC 3261 s.9, 13, 15). Owns its transactions and its dialog.
//!
//! The caller's wishes and the far end's answers cross on the wire; every crossing has a named outcome here:
//! - CANCEL before any 1xx: the wish waits for the 1xx; a final answer that comes first is acted upon.
//! - CANCEL crossing a 200: `Answered` is reported, the caller decides. Nobody wants it any more (`Drop`): ACK and BYE.
//! - A second 2xx with another tag (fork), or a 2xx after we gave up: ACK and BYE, counted, reported nowhere.

mod answers;
mod arriving;
mod ending;

pub(super) use answers::check_range;
pub(super) use arriving::number_of;
pub(super) use ending::session_expires;

use super::auth::AuthHeader;
use super::counters::{Count, Counters};
use super::dialog::Dialog;
use super::event::{
    CallKey, Destination, Event, Identity, InviteOrder, OrphanOrder, Output, Random, Source,
    random_token,
};
use super::failure::Failure;
use super::message::{Method, Response};
use super::sdes::Secrets;
use super::sdp::{AudioPath, Direction, Law, LocalAudio};
use super::transaction::{Client, Due, GIVE_UP, Server, earliest};
use super::trunk::Trunk;
use super::via::MAGIC_COOKIE;
use crate::time::Mono;
use std::time::Duration;

/// From the INVITE to the first provisional answer; then the call is given up (design, s.5).
pub const SILENCE_MAX: Duration = Duration::from_secs(4);
/// How long the ACK waits for the dialog to be durable (docs/adr/0002).
pub const ACK_HOLD_MAX: Duration = Duration::from_millis(200);
/// Longest ringing: a last resort, the floor cancels long before.
pub const RING_MAX: Duration = Duration::from_secs(300);
/// Most forks and late answers of one call that are ended.
const STRAYS_MAX: usize = 8;
/// Methods that we serve.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE";
/// Laws that we speak.
pub(super) const SPOKEN: [Law; 2] = [Law::Mu, Law::A];

/// What a call may use while it handles one thing.
pub(super) struct Turn<'a> {
    pub(super) now: Mono,
    pub(super) trunk: &'a mut Trunk,
    pub(super) random: &'a mut dyn Random,
    pub(super) counters: &'a mut Counters,
    pub(super) out: &'a mut Vec<Output>,
}

impl Turn<'_> {
    pub(super) fn send(&mut self, octets: Vec<u8>) {
        self.out.push(Output::Send {
            to: Destination::Trunk(self.trunk.setup.id),
            octets,
            invite: None,
        });
    }

    pub(super) fn resend(&mut self, octets: &[u8]) {
        self.counters.add(Count::Retransmissions);
        self.send(octets.to_vec());
    }

    pub(super) fn branch(&mut self) -> String {
        [MAGIC_COOKIE, &random_token(self.random)].concat()
    }
}

/// Where a call is. `Calling`, `Answered` and `Ending` each end by a timer or by the caller; `Over` ends by `gone_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// INVITE out, no final answer.
    Calling,
    /// Their INVITE rings here.
    Arriving,
    /// A dialog stands.
    Answered,
    /// Our BYE is out.
    Ending,
    /// Only copies are absorbed.
    Over,
}

/// What the caller wants of a call that is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    /// An answer.
    Keep,
    /// No answer; should one cross, it is reported.
    Cancel,
    /// Nothing: an answer is acknowledged and ended.
    Drop,
}

#[derive(Debug)]
struct Ack {
    octets: Vec<u8>,
    /// Held until then; `None`: it went out.
    due: Option<Mono>,
    /// Copies of the 2xx that came while it was held: each is to be acknowledged (s.13.2.2.4).
    owed: u8,
}

/// Most copies acknowledged at once.
const OWED_MAX: u8 = 16;

/// A dialog that nobody wants.
#[derive(Debug)]
struct Stray {
    tag: String,
    ack: Vec<u8>,
    bye: Client,
}

/// Session timer (RFC 4028).
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) interval: Duration,
    pub(super) we_refresh: bool,
    /// When we refresh, or give the far end up.
    pub(super) due: Mono,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) key: CallKey,
    pub(super) trunk: crate::ids::TrunkId,
    pub(super) phase: Phase,
    pub(super) wake: Option<Mono>,
    pub(super) gone_at: Option<Mono>,
    pub(super) dialog: Option<Dialog>,
    pub(super) servers: Vec<Server<Source>>,
    pub(super) local: LocalAudio,
    pub(super) secrets: Secrets,
    pub(super) path: Option<AudioPath>,
    pub(super) session: Option<Session>,
    /// Offers taken up in the second that began then.
    pub(super) changes: (Mono, u8),
    /// Our offer went out in a 200; its answer comes in the ACK.
    pub(super) awaits_answer: bool,
    identity: Identity,
    from: String,
    to: String,
    uri: String,
    cseq: u32,
    wish: Wish,
    is_silent: bool,
    has_tried: bool,
    has_rung: bool,
    invite: Client,
    /// INVITEs that were challenged, or that an earlier process may have sent.
    earlier: Vec<Client>,
    authorization: Option<AuthHeader>,
    challenges: u8,
    is_bye_challenged: bool,
    silence_at: Option<Mono>,
    ring_until: Option<Mono>,
    cancels: Vec<Client>,
    cancel_until: Option<Mono>,
    early: Option<AudioPath>,
    ack: Option<Ack>,
    bye: Option<Client>,
    strays: Vec<Stray>,
    refresh: Option<Client>,
    /// The far end would not have SRTP, and was asked again for plain RTP.
    is_plain_again: bool,
    /// The session timer that our INVITE asks for.
    asks_session: Option<Duration>,
    /// Their INVITE, until its final answer.
    arrival: Option<arriving::Arrival>,
}

/// Branch of the INVITE that follows `round` challenges.
fn branch_of_round(identity: &Identity, round: u8) -> String {
    match round {
        0 => identity.branch.clone(),
        _ => format!("{}-{}", identity.branch, round + 1),
    }
}

impl Call {
    fn bare(
        key: CallKey,
        turn: &mut Turn<'_>,
        identity: Identity,
        number: &str,
        caller: &str,
        media_port: u16,
        invite: Client,
    ) -> Call {
        let domain = &turn.trunk.domain;
        let mut session = [0_u8; 8];
        turn.random.fill(&mut session);
        let secrets = Secrets::new(turn.trunk.setup.srtp, turn.random);
        Call {
            secrets,
            key,
            trunk: turn.trunk.setup.id,
            phase: Phase::Calling,
            wake: None,
            gone_at: None,
            dialog: None,
            servers: Vec::new(),
            local: LocalAudio {
                address: turn.trunk.setup.media_address,
                port: media_port,
                // RFC 8866 s.5.2: numeric; some far ends read it as a signed 32-bit number.
                session: u64::from_le_bytes(session) & 0x3FFF_FFFF,
                version: 1,
            },
            path: None,
            session: None,
            changes: (turn.now, 0),
            awaits_answer: false,
            identity,
            from: ["<sip:", caller, "@", domain, ">"].concat(),
            to: ["<sip:", number, "@", domain, ">"].concat(),
            uri: ["sip:", number, "@", domain].concat(),
            cseq: 1,
            wish: Wish::Keep,
            is_silent: false,
            has_tried: false,
            has_rung: false,
            invite,
            earlier: Vec::new(),
            authorization: None,
            challenges: 0,
            is_bye_challenged: false,
            silence_at: None,
            ring_until: None,
            cancels: Vec::new(),
            cancel_until: None,
            early: None,
            ack: None,
            bye: None,
            strays: Vec::new(),
            refresh: None,
            is_plain_again: false,
            asks_session: None,
            arrival: None,
        }
    }

    /// Sends the INVITE.
    pub(super) fn place(turn: &mut Turn<'_>, order: InviteOrder) -> Call {
        let InviteOrder {
            key,
            identity,
            number,
            caller,
            media_port,
            session,
            ..
        } = order;
        let pending = Client::adopt(turn.now, identity.branch.clone(), 1, true);
        let mut call = Call::bare(
            key,
            turn,
            identity,
            number.text(),
            caller.text(),
            media_port,
            pending,
        );
        call.asks_session = session;
        let cnonce = random_token(turn.random);
        if let Some(wallet) = &mut turn.trunk.wallet {
            call.authorization = wallet.reuse("INVITE", &call.uri, &cnonce);
        }
        call.send_invite(turn, caller.text());
        call
    }

    fn send_invite(&mut self, turn: &mut Turn<'_>, caller: &str) {
        let mut branch = branch_of_round(&self.identity, self.challenges);
        if self.is_plain_again {
            branch.push_str("-p");
        }
        let ourselves = &turn.trunk.ourselves;
        let mut draft = ourselves
            .begin(&Method::INVITE, &self.uri, &branch)
            .header_with_tag("From", &self.from, &self.identity.from_tag)
            .header("To", &self.to)
            .header("Call-ID", &self.identity.call_id)
            .cseq(self.cseq, &Method::INVITE)
            .header("Contact", &ourselves.contact(Some(caller)))
            .header("Allow", ALLOW)
            .header("User-Agent", &ourselves.user_agent);
        if let Some(interval) = self.asks_session {
            let value = format!("{};refresher=uac", interval.as_secs());
            draft = draft
                .header("Supported", "timer")
                .header("Session-Expires", &value);
        }
        if let Some((name, value)) = &self.authorization {
            draft = draft.header(name, value);
        }
        let offer = self.secrets.write_offer(&self.local, Direction::SendRecv);
        let octets = draft.end(Some(("application/sdp", offer.as_bytes())));
        turn.counters.add(Count::OutInvite);
        turn.counters.trunk(self.trunk).invites += 1;
        turn.out.push(Output::Send {
            to: Destination::Trunk(self.trunk),
            octets: octets.clone(),
            invite: (self.challenges == 0 && !self.is_plain_again).then_some(self.key),
        });
        self.invite = Client::start(
            turn.now,
            Method::INVITE,
            branch,
            self.cseq,
            turn.trunk.is_reliable(),
            octets,
        );
        self.silence_at = Some(turn.now + SILENCE_MAX);
    }

    /// Takes over a leg of an earlier process, to end it: BYE where its dialog is known, else CANCEL.
    pub(super) fn adopt(turn: &mut Turn<'_>, order: OrphanOrder) -> Call {
        let OrphanOrder {
            key,
            identity,
            number,
            caller,
            far,
            ..
        } = order;
        turn.counters.add(Count::Orphans);
        let is_reliable = turn.trunk.is_reliable();
        let adopted = |round: u8| {
            Client::adopt(
                turn.now,
                branch_of_round(&identity, round),
                u32::from(round) + 1,
                is_reliable,
            )
        };
        // Behind a challenge the INVITE had another branch; which one rings, only the far end knows.
        let rounds = if turn.trunk.wallet.is_some() {
            1..3
        } else {
            1..1
        };
        let (first, earlier) = (adopted(0), rounds.map(adopted).collect());
        let mut call = Call::bare(
            key,
            turn,
            identity,
            number.digits(),
            caller.digits(),
            0,
            first,
        );
        call.earlier = earlier;
        call.is_silent = true;
        call.wish = Wish::Drop;
        match far {
            Some(far) => {
                call.cseq = far.local_cseq;
                call.open_dialog(turn, far);
                if let Some(ack) = &mut call.ack {
                    ack.due = None;
                }
                call.send_bye(turn);
            }
            None => {
                call.send_cancel(turn);
                call.cancel_until = Some(turn.now + GIVE_UP);
            }
        }
        call
    }

    /// A place for a 2xx to a call that nobody knows any more: it is acknowledged and ended.
    pub(super) fn of_stray_answer(turn: &mut Turn<'_>, key: CallKey, answer: &Response) -> Call {
        let envelope = &answer.envelope;
        let identity = Identity {
            call_id: envelope.call_id.clone(),
            from_tag: envelope.from.tag().unwrap_or_default().to_owned(),
            branch: envelope
                .top_via()
                .and_then(|via| via.branch())
                .unwrap_or_default()
                .to_owned(),
        };
        let adopted = Client::adopt(
            turn.now,
            identity.branch.clone(),
            envelope.cseq.number,
            turn.trunk.is_reliable(),
        );
        let mut call = Call::bare(key, turn, identity, "", "", 0, adopted);
        call.from = format!("<{}>", envelope.from.uri);
        call.to = format!("<{}>", envelope.to.uri);
        call.uri = envelope.to.uri.as_request_uri().to_owned();
        call.cseq = envelope.cseq.number;
        call.is_silent = true;
        call.wish = Wish::Drop;
        call.over(turn.now);
        call.hear(turn, answer, false);
        call
    }

    /// Call-ID.
    pub(super) fn call_id(&self) -> &str {
        &self.identity.call_id
    }

    /// Whether only copies are absorbed.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether it rings here.
    pub(super) fn is_arriving(&self) -> bool {
        self.phase == Phase::Arriving
    }

    /// Our tag.
    pub(super) fn local_tag(&self) -> &str {
        &self.identity.from_tag
    }

    // -- the caller's wishes

    /// Stop it while it rings.
    pub(super) fn cancel(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Calling => {
                self.wish = self.wish.max(Wish::Cancel);
                self.cancel_if_possible(turn);
            }
            // Nobody can take it: temporarily unavailable.
            Phase::Arriving => self.refuse(turn, 480),
            Phase::Answered | Phase::Ending | Phase::Over => {}
        }
    }

    /// End it.
    pub(super) fn hang_up(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Calling | Phase::Arriving => self.cancel(turn),
            Phase::Answered => {
                self.release_ack(turn);
                self.send_bye(turn);
            }
            Phase::Ending | Phase::Over => {}
        }
    }

    /// Get rid of it and report nothing more.
    pub(super) fn abort(&mut self, turn: &mut Turn<'_>) {
        self.is_silent = true;
        self.wish = Wish::Drop;
        self.hang_up(turn);
    }

    /// The dialog is durable: the ACK may go.
    pub(super) fn confirm(&mut self, turn: &mut Turn<'_>) {
        self.release_ack(turn);
    }

    /// The INVITE could not be sent: nobody heard of this call.
    pub(super) fn send_failed(&mut self, turn: &mut Turn<'_>) {
        if self.phase == Phase::Calling && !self.has_tried && !self.has_rung {
            self.report(turn, Event::Failed(Failure::local(0)));
            self.invite.stop();
            self.over(turn.now);
        }
    }

    /// The trunk is connected again: what was said into the gap is said again.
    pub(super) fn reconnected(&mut self, turn: &mut Turn<'_>) {
        let waiting = self
            .cancels
            .iter()
            .chain(&self.bye)
            .chain(self.strays.iter().map(|stray| &stray.bye));
        for client in waiting.filter(|client| client.is_pending()) {
            turn.resend(client.octets());
        }
    }

    pub(super) fn report(&mut self, turn: &mut Turn<'_>, event: Event) {
        if !self.is_silent {
            turn.out.push(Output::Event(self.key, event));
        }
    }

    /// Ends the part that anybody hears of.
    pub(super) fn over(&mut self, now: Mono) {
        self.phase = Phase::Over;
        self.is_silent = true;
        self.silence_at = None;
        self.ring_until = None;
        self.cancel_until = None;
        self.session = None;
        self.refresh = None;
        self.gone_at = Some(now + GIVE_UP);
    }

    fn cancel_if_possible(&mut self, turn: &mut Turn<'_>) {
        // RFC 3261 s.9.1: no CANCEL before a provisional answer.
        if self.wish != Wish::Keep && self.cancels.is_empty() && self.invite.is_proceeding() {
            self.send_cancel(turn);
            self.cancel_until = Some(turn.now + GIVE_UP);
        }
    }

    fn send_cancel(&mut self, turn: &mut Turn<'_>) {
        let ringing: Vec<(String, u32)> = std::iter::once(&self.invite)
            .chain(&self.earlier)
            .filter(|client| client.is_pending())
            .map(|client| (client.branch().to_owned(), client.cseq()))
            .collect();
        for (branch, cseq) in ringing {
            let ourselves = &turn.trunk.ourselves;
            let octets = ourselves
                .begin(&Method::CANCEL, &self.uri, &branch)
                .header_with_tag("From", &self.from, &self.identity.from_tag)
                .header("To", &self.to)
                .header("Call-ID", &self.identity.call_id)
                .cseq(cseq, &Method::CANCEL)
                .header("User-Agent", &ourselves.user_agent)
                .end(None);
            turn.counters.add(Count::OutCancel);
            turn.send(octets.clone());
            let is_reliable = turn.trunk.is_reliable();
            self.cancels.push(Client::start(
                turn.now,
                Method::CANCEL,
                branch,
                cseq,
                is_reliable,
                octets,
            ));
        }
    }

    // -- time

    pub(super) fn next_timeout(&self) -> Option<Mono> {
        let clients = std::iter::once(&self.invite)
            .chain(&self.earlier)
            .chain(&self.cancels)
            .chain(&self.bye)
            .chain(&self.refresh)
            .chain(self.strays.iter().map(|stray| &stray.bye))
            .map(Client::next_timeout);
        let own = [
            self.silence_at,
            self.ring_until,
            self.cancel_until,
            self.ack.as_ref().and_then(|ack| ack.due),
            self.session.map(|session| session.due),
            self.gone_at,
        ];
        earliest(
            own.into_iter()
                .chain(clients)
                .chain(self.servers.iter().map(Server::next_timeout)),
        )
    }

    /// Whether nothing of it is left at `now`.
    pub(super) fn is_gone(&self, now: Mono) -> bool {
        self.gone_at.is_some_and(|at| at <= now)
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        if due(&mut self.silence_at, now) && self.phase == Phase::Calling {
            turn.counters.add(Count::SilentInvites);
            self.report(turn, Event::Silent);
            self.is_silent = true;
            self.wish = Wish::Drop;
            // A further copy could only make a telephone ring for nobody.
            self.invite.stop_resending();
        }
        if due(&mut self.ring_until, now) {
            if self.phase == Phase::Calling {
                self.report(turn, Event::Failed(Failure::local(408)));
                self.abort(turn);
            }
            self.refuse(turn, 480);
        }
        if due(&mut self.cancel_until, now) && self.phase == Phase::Calling {
            // RFC 3261 s.9.1: 64 T1 behind the CANCEL the call counts as cancelled.
            turn.counters.add(Count::TransactionTimeouts);
            self.ended(turn);
        }
        if self
            .ack
            .as_ref()
            .and_then(|ack| ack.due)
            .is_some_and(|at| at <= now)
        {
            turn.counters.add(Count::AckUnconfirmed);
            self.release_ack(turn);
        }
        match self.invite.handle_timeout(now) {
            Some(Due::Resend) => turn.resend(self.invite.octets()),
            Some(Due::GaveUp) if self.phase == Phase::Calling => {
                turn.counters.add(Count::TransactionTimeouts);
                self.report(turn, Event::Failed(Failure::local(408)));
                self.over(now);
            }
            Some(Due::GaveUp | Due::Over) | None => {}
        }
        for client in self
            .cancels
            .iter_mut()
            .chain(self.strays.iter_mut().map(|stray| &mut stray.bye))
        {
            match client.handle_timeout(now) {
                Some(Due::Resend) => turn.resend(client.octets()),
                Some(Due::GaveUp) => turn.counters.add(Count::TransactionTimeouts),
                Some(Due::Over) | None => {}
            }
        }
        for client in &mut self.earlier {
            client.handle_timeout(now);
        }
        self.earlier.retain(Client::is_alive);
        if let Some(bye) = &mut self.bye {
            match bye.handle_timeout(now) {
                Some(Due::Resend) => turn.resend(bye.octets()),
                Some(Due::GaveUp) => {
                    turn.counters.add(Count::TransactionTimeouts);
                    if self.phase == Phase::Ending {
                        self.ended(turn);
                    }
                }
                Some(Due::Over) | None => {}
            }
        }
        if let Some(refresh) = &mut self.refresh {
            match refresh.handle_timeout(now) {
                Some(Due::Resend) => turn.resend(refresh.octets()),
                Some(Due::GaveUp) => {
                    self.refresh = None;
                    self.refresh_answered(turn, 408);
                }
                Some(Due::Over) | None => {}
            }
        }
        if let Some(session) = self.session
            && session.due <= now
        {
            self.session_due(turn, session);
        }
        self.serve_timeouts(turn);
    }
}

/// Takes a deadline that has come.
fn due(deadline: &mut Option<Mono>, now: Mono) -> bool {
    let is_due = deadline.is_some_and(|at| at <= now);
    if is_due {
        *deadline = None;
    }
    is_due
}
