//! How an answered call ends: BYE and its answers, and the session timer that finds dead far ends (RFC 3261 s.15, RFC 4028).

use super::{Call, Phase, Session, Turn};
use crate::time::Mono;
use crate::wire::sip::auth::AuthHeader;
use crate::wire::sip::counters::Count;
use crate::wire::sip::dialog::Dialog;
use crate::wire::sip::event::{Event, random_token};
use crate::wire::sip::message::{Method, Response};
use crate::wire::sip::transaction::Client;
use std::time::Duration;

impl Call {
    pub(in crate::wire::sip) fn send_bye(&mut self, turn: &mut Turn<'_>) {
        self.session = None;
        self.cseq += 1;
        self.phase = Phase::Ending;
        if let Some(dialog) = self.dialog.take() {
            let cnonce = random_token(turn.random);
            let uri = dialog.request_uri();
            let auth = turn
                .trunk
                .wallet
                .as_mut()
                .and_then(|wallet| wallet.reuse("BYE", &uri, &cnonce));
            self.bye = Some(self.write_bye(turn, &dialog, auth));
            self.dialog = Some(dialog);
        }
    }

    pub(super) fn write_bye(
        &self,
        turn: &mut Turn<'_>,
        dialog: &Dialog,
        auth: Option<AuthHeader>,
    ) -> Client {
        let branch = turn.branch();
        let ourselves = &turn.trunk.ourselves;
        let mut draft = dialog
            .begin(ourselves, &Method::BYE, &branch, self.cseq)
            .header("User-Agent", &ourselves.user_agent);
        if let Some((name, value)) = &auth {
            draft = draft.header(name, value);
        }
        let octets = draft.end(None);
        turn.counters.add(Count::OutBye);
        turn.send(octets.clone());
        Client::start(
            turn.now,
            Method::BYE,
            branch,
            self.cseq,
            turn.trunk.is_reliable(),
            octets,
        )
    }

    pub(super) fn bye_answered(
        &mut self,
        turn: &mut Turn<'_>,
        response: &Response,
        is_from_address: bool,
    ) {
        if self.phase != Phase::Ending {
            return;
        }
        if matches!(response.status, 401 | 407)
            && !self.is_bye_challenged
            && let Some(dialog) = self.dialog.take()
        {
            self.is_bye_challenged = true;
            self.challenges = 0;
            let uri = dialog.request_uri();
            let auth = self.answer_challenge(turn, response, "BYE", &uri, is_from_address);
            if auth.is_some() {
                self.cseq += 1;
                self.bye = Some(self.write_bye(turn, &dialog, auth));
                self.dialog = Some(dialog);
                return;
            }
            self.dialog = Some(dialog);
        }
        // Whatever it says (481, 408 included), there is no dialog behind it (RFC 3261 s.15.1.1, 12.2.1.2).
        self.ended(turn);
    }

    pub(in crate::wire::sip) fn ended(&mut self, turn: &mut Turn<'_>) {
        self.report(turn, Event::Ended);
        self.over(turn.now);
    }

    // -- session timer

    /// Takes a Session-Expires value up: of our INVITE's answer (`is_answer`), or of a request of the far end's.
    pub(in crate::wire::sip) fn keep_session(
        &mut self,
        now: Mono,
        value: Option<&str>,
        is_answer: bool,
    ) {
        let Some((seconds, refresher)) = value.and_then(session_expires) else {
            self.session = None;
            return;
        };
        // "uac" is whoever sent the request: we in an answer to ours, the far end in its own.
        let we_refresh = match refresher {
            Some("uac") => is_answer,
            Some("uas") => !is_answer,
            _ => false,
        };
        let interval = Duration::from_secs(u64::from(seconds.clamp(90, 86_400)));
        let wait = if we_refresh {
            interval / 2
        } else {
            interval - (interval / 3).min(Duration::from_secs(32))
        };
        self.session = Some(Session {
            interval,
            we_refresh,
            due: now + wait,
        });
    }

    pub(super) fn session_due(&mut self, turn: &mut Turn<'_>, session: Session) {
        self.session = None;
        if self.phase != Phase::Answered {
            return;
        }
        if !session.we_refresh {
            turn.counters.add(Count::SessionsExpired);
            return self.hang_up(turn);
        }
        self.session = Some(Session {
            due: turn.now + session.interval / 2,
            ..session
        });
        let Some(dialog) = &self.dialog else { return };
        let branch = turn.branch();
        self.cseq += 1;
        let ourselves = &turn.trunk.ourselves;
        let octets = dialog
            .begin(ourselves, &Method::UPDATE, &branch, self.cseq)
            .header("Contact", &ourselves.contact(None))
            .header("Supported", "timer")
            .header(
                "Session-Expires",
                &format!("{};refresher=uac", session.interval.as_secs()),
            )
            .header("User-Agent", &ourselves.user_agent)
            .end(None);
        turn.counters.add(Count::OutUpdate);
        turn.send(octets.clone());
        let is_reliable = turn.trunk.is_reliable();
        self.refresh = Some(Client::start(
            turn.now,
            Method::UPDATE,
            branch,
            self.cseq,
            is_reliable,
            octets,
        ));
    }

    pub(super) fn refresh_answered(&mut self, turn: &mut Turn<'_>, status: u16) {
        // RFC 3261 s.12.2.1.2: these two say that the dialog is gone; any other refusal leaves it standing.
        if matches!(status, 408 | 481) {
            turn.counters.add(Count::SessionsExpired);
            self.hang_up(turn);
        }
    }
}

/// Seconds and refresher of a Session-Expires value (RFC 4028 s.4).
pub(in crate::wire::sip) fn session_expires(value: &str) -> Option<(u32, Option<&str>)> {
    let mut parts = value.split(';').map(str::trim);
    let seconds = parts.next()?.parse().ok()?;
    let refresher = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("refresher"))
        .map(|(_, value)| value.trim());
    Some((seconds, refresher))
}
