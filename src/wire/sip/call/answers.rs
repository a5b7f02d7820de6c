//! Answers to a call's requests: what each means in the phase that it meets (RFC 3261 s.13.2.2, 17.1.1).

use super::{
    ACK_HOLD_MAX, Ack, Call, OWED_MAX, Phase, RING_MAX, SPOKEN, STRAYS_MAX, Stray, Turn, Wish,
};
use crate::wire::media::srtp::SrtpKeys;
use crate::wire::sip::auth::AuthHeader;
use crate::wire::sip::counters::Count;
use crate::wire::sip::dialog::{Dialog, FarSide};
use crate::wire::sip::event::{Event, random_token};
use crate::wire::sip::failure::Failure;
use crate::wire::sip::message::{Method, Response};
use crate::wire::sip::sdp::{AudioPath, Sdp, SdpFault};
use crate::wire::sip::transaction::{Client, GIVE_UP, Heard};

impl Call {
    /// Takes an answer up. `is_from_address`: it came from the trunk's own address, not only from its ranges.
    pub(in crate::wire::sip) fn hear(
        &mut self,
        turn: &mut Turn<'_>,
        response: &Response,
        is_from_address: bool,
    ) {
        let envelope = &response.envelope;
        let branch = envelope
            .top_via()
            .and_then(|via| via.branch())
            .unwrap_or_default();
        let (cseq, method) = (envelope.cseq.number, &envelope.cseq.method);
        let is_ours = |client: &&mut Client| client.matches(branch, cseq, method);
        if envelope.from.tag() != Some(self.identity.from_tag.as_str()) {
            return turn.counters.add(Count::DiscardedUnmatched);
        }
        if *method == Method::INVITE {
            return self.hear_invite(turn, response, branch, is_from_address);
        }
        if let Some(client) = self.cancels.iter_mut().find(is_ours) {
            client.hear(turn.now, response.status);
            return;
        }
        if let Some(bye) = self.bye.as_mut().filter(is_ours) {
            if bye.hear(turn.now, response.status) == Heard::Final {
                self.bye_answered(turn, response, is_from_address);
            }
            return;
        }
        if let Some(bye) = self
            .strays
            .iter_mut()
            .map(|stray| &mut stray.bye)
            .find(is_ours)
        {
            bye.hear(turn.now, response.status);
            return;
        }
        if let Some(refresh) = self.refresh.as_mut().filter(is_ours) {
            if refresh.hear(turn.now, response.status) == Heard::Final {
                self.refresh = None;
                self.refresh_answered(turn, response.status);
            }
            return;
        }
        turn.counters.add(Count::DiscardedUnmatched);
    }

    pub(super) fn hear_invite(
        &mut self,
        turn: &mut Turn<'_>,
        response: &Response,
        branch: &str,
        is_from_address: bool,
    ) {
        let (status, cseq) = (response.status, response.envelope.cseq.number);
        let is_current = self.invite.matches(branch, cseq, &Method::INVITE);
        let client = if is_current {
            &mut self.invite
        } else {
            match self
                .earlier
                .iter_mut()
                .find(|client| client.matches(branch, cseq, &Method::INVITE))
            {
                Some(client) => client,
                None => return turn.counters.add(Count::DiscardedUnmatched),
            }
        };
        let heard = client.hear(turn.now, status);
        if heard == Heard::Final || (heard == Heard::Provisional && is_current) {
            turn.counters.trunk(self.trunk).answered(status);
        }
        match heard {
            Heard::Provisional if is_current => self.provisional(turn, response),
            Heard::Provisional | Heard::Nothing => turn.counters.add(Count::Copies),
            Heard::Again => {
                let octets = client.octets().to_vec();
                turn.counters.add(Count::Copies);
                turn.counters.add(Count::OutAck);
                turn.send(octets);
            }
            Heard::AnswerAgain => self.answer(turn, response),
            Heard::Final if status < 300 => self.answer(turn, response),
            Heard::Final => {
                // RFC 3261 s.17.1.1.3: the ACK of a failure belongs to the INVITE's own transaction.
                let octets = turn
                    .trunk
                    .ourselves
                    .begin(&Method::ACK, &self.uri, branch)
                    .header_with_tag("From", &self.from, &self.identity.from_tag)
                    .header("To", &response.envelope.to.text)
                    .header("Call-ID", &self.identity.call_id)
                    .cseq(cseq, &Method::ACK)
                    .end(None);
                client.keep_ack(octets.clone());
                turn.counters.add(Count::OutAck);
                turn.send(octets);
                if is_current {
                    self.failed(turn, response, is_from_address);
                }
            }
        }
    }

    pub(super) fn provisional(&mut self, turn: &mut Turn<'_>, response: &Response) {
        if self.phase != Phase::Calling {
            return;
        }
        self.silence_at = None;
        self.ring_until.get_or_insert(turn.now + RING_MAX);
        self.cancel_if_possible(turn);
        if response.status == 100 {
            if !std::mem::replace(&mut self.has_tried, true) {
                self.report(turn, Event::Trying);
            }
            return;
        }
        if !std::mem::replace(&mut self.has_rung, true) {
            self.report(turn, Event::Ringing);
        }
        if response.has_sdp() {
            match self.read_path(turn, &response.body) {
                Ok(path) if self.early != Some(path) => {
                    self.early = Some(path);
                    self.report(turn, Event::EarlyMedia(path));
                }
                Ok(_) => {}
                Err(_) => turn.counters.add(Count::SdpFaults),
            }
        }
    }

    /// What an answer of theirs opens; keys that are new are reported.
    pub(in crate::wire::sip) fn read_path(
        &mut self,
        turn: &mut Turn<'_>,
        body: &[u8],
    ) -> Result<AudioPath, SdpFault> {
        let answer = Sdp::parse(body)?;
        let (path, keys) = self.secrets.take_answer(&answer, &SPOKEN)?;
        check_range(turn, &path)?;
        self.report_keys(turn, keys);
        Ok(path)
    }

    pub(in crate::wire::sip) fn report_keys(
        &mut self,
        turn: &mut Turn<'_>,
        keys: Option<SrtpKeys>,
    ) {
        if let Some(keys) = keys {
            self.report(turn, Event::Secured(Box::new(keys)));
        }
    }

    pub(super) fn failed(
        &mut self,
        turn: &mut Turn<'_>,
        response: &Response,
        is_from_address: bool,
    ) {
        if self.phase != Phase::Calling {
            return;
        }
        if matches!(response.status, 401 | 407) && self.wish == Wish::Keep {
            let uri = self.uri.clone();
            if let Some(header) =
                self.answer_challenge(turn, response, "INVITE", &uri, is_from_address)
            {
                self.authorization = Some(header);
                self.cseq += 1;
                let challenged = std::mem::replace(
                    &mut self.invite,
                    Client::adopt(turn.now, String::new(), 0, true),
                );
                self.earlier.push(challenged);
                let caller = user_of(&self.from).to_owned();
                return self.send_invite(turn, &caller);
            }
        }
        // RFC 3261 s.21.4.26: our description was not acceptable. Behind ringing it was, and this is about something else.
        let is_refused = matches!(response.status, 415 | 488 | 606) && !self.has_rung;
        if is_refused && self.wish == Wish::Keep && self.secrets.fall_back() {
            self.is_plain_again = true;
            self.cseq += 1;
            let refused = std::mem::replace(
                &mut self.invite,
                Client::adopt(turn.now, String::new(), 0, true),
            );
            self.earlier.push(refused);
            let caller = user_of(&self.from).to_owned();
            return self.send_invite(turn, &caller);
        }
        let is_cancelled = response.status == 487 && !self.cancels.is_empty();
        let event = if is_cancelled {
            Event::Ended
        } else {
            Event::Failed(Failure::read(response))
        };
        self.report(turn, event);
        self.over(turn.now);
    }

    /// Credentials for a challenge to a request of ours, unless it is asked too often or by somebody else.
    pub(super) fn answer_challenge(
        &mut self,
        turn: &mut Turn<'_>,
        response: &Response,
        method: &str,
        uri: &str,
        is_from_address: bool,
    ) -> Option<AuthHeader> {
        let chosen = turn
            .trunk
            .wallet
            .as_ref()
            .filter(|_| is_from_address)
            .and_then(|wallet| wallet.choose(response));
        // Once for each call, and once more where only the nonce was too old.
        let is_fresh = |is_stale: bool| self.challenges == 0 || (self.challenges == 1 && is_stale);
        match chosen.filter(|challenge| is_fresh(challenge.is_stale)) {
            Some(challenge) => {
                self.challenges += 1;
                turn.counters.add(Count::ChallengesAnswered);
                let cnonce = random_token(turn.random);
                turn.trunk
                    .wallet
                    .as_mut()
                    .map(|wallet| wallet.answer(challenge, method, uri, &cnonce))
            }
            None => {
                turn.counters.add(Count::ChallengesRefused);
                turn.counters.trunk(self.trunk).challenges_refused += 1;
                None
            }
        }
    }

    /// A 2xx to our INVITE, whenever it comes.
    pub(super) fn answer(&mut self, turn: &mut Turn<'_>, response: &Response) {
        let far = FarSide::of_answer(response, &self.uri);
        match self.phase {
            Phase::Calling => self.first_answer(turn, response, far),
            // No request of ours is out.
            Phase::Arriving => turn.counters.add(Count::DiscardedUnmatched),
            Phase::Answered | Phase::Ending | Phase::Over => {
                let is_known = self
                    .dialog
                    .as_ref()
                    .is_some_and(|dialog| dialog.far.remote_tag == far.remote_tag);
                if is_known {
                    turn.counters.add(Count::DuplicateAnswers);
                    // RFC 3261 s.13.2.2.4: each copy asks for an ACK of its own.
                    match &mut self.ack {
                        Some(Ack {
                            octets, due: None, ..
                        }) => {
                            turn.counters.add(Count::OutAck);
                            turn.send(octets.clone());
                        }
                        Some(ack) => ack.owed = (ack.owed + 1).min(OWED_MAX),
                        None => {}
                    }
                } else {
                    self.stray_answer(turn, far);
                }
            }
        }
    }

    pub(super) fn first_answer(&mut self, turn: &mut Turn<'_>, response: &Response, far: FarSide) {
        self.silence_at = None;
        self.ring_until = None;
        self.cancel_until = None;
        self.open_dialog(turn, far.clone());
        if self.wish == Wish::Drop {
            turn.counters.add(Count::LateAnswers);
            self.release_ack(turn);
            return self.send_bye(turn);
        }
        if !self.cancels.is_empty() {
            turn.counters.add(Count::CrossedAnswers);
        }
        // An answer without a description stands on the one of its 183, as some gateways send it.
        let path = match (response.has_sdp(), self.early) {
            (true, _) => self.read_path(turn, &response.body),
            (false, Some(early)) => Ok(early),
            (false, None) => Err(SdpFault::Missing),
        };
        match path {
            Ok(path) => {
                self.phase = Phase::Answered;
                self.path = Some(path);
                self.keep_session(turn.now, response.header("Session-Expires"), true);
                self.report(turn, Event::Answered { far, path });
            }
            Err(_) => {
                // Nobody can talk on this leg. 488 says whose fault it is: the trunk's, not the person's.
                turn.counters.add(Count::SdpFaults);
                // But a phone that was answered has rung: without that word the next trunk would ring the same person again.
                if !std::mem::replace(&mut self.has_rung, true) {
                    self.report(turn, Event::Ringing);
                }
                self.report(turn, Event::Failed(Failure::local(488)));
                self.is_silent = true;
                self.release_ack(turn);
                self.send_bye(turn);
            }
        }
    }

    pub(super) fn dialog_with(&self, far: FarSide) -> Dialog {
        Dialog {
            call_id: self.identity.call_id.clone(),
            from: self.from.clone(),
            local_tag: self.identity.from_tag.clone(),
            to: self.to.clone(),
            far,
            remote_cseq: None,
        }
    }

    /// Makes the dialog and its ACK, which is held.
    pub(super) fn open_dialog(&mut self, turn: &mut Turn<'_>, far: FarSide) {
        let dialog = self.dialog_with(far);
        self.ack = Some(Ack {
            octets: self.write_ack(turn, &dialog),
            due: Some(turn.now + ACK_HOLD_MAX),
            owed: 0,
        });
        self.dialog = Some(dialog);
    }

    pub(super) fn write_ack(&self, turn: &mut Turn<'_>, dialog: &Dialog) -> Vec<u8> {
        let branch = turn.branch();
        let mut draft = dialog.begin(
            &turn.trunk.ourselves,
            &Method::ACK,
            &branch,
            dialog.far.local_cseq,
        );
        // RFC 3261 s.13.2.2.4: the ACK carries the credentials of its INVITE.
        if let Some((name, value)) = &self.authorization {
            draft = draft.header(name, value);
        }
        draft.end(None)
    }

    /// Sends the ACK if it is still held.
    pub(in crate::wire::sip) fn release_ack(&mut self, turn: &mut Turn<'_>) {
        if let Some(ack) = &mut self.ack
            && ack.due.take().is_some()
        {
            for _ in 0..=std::mem::take(&mut ack.owed) {
                turn.counters.add(Count::OutAck);
                turn.send(ack.octets.clone());
            }
        }
    }

    pub(super) fn stray_answer(&mut self, turn: &mut Turn<'_>, far: FarSide) {
        if let Some(stray) = self.strays.iter().find(|stray| stray.tag == far.remote_tag) {
            turn.counters.add(Count::DuplicateAnswers);
            turn.counters.add(Count::OutAck);
            return turn.send(stray.ack.clone());
        }
        turn.counters.add(if self.dialog.is_some() {
            Count::ForkedAnswers
        } else {
            Count::LateAnswers
        });
        if self.strays.len() >= STRAYS_MAX {
            return;
        }
        let tag = far.remote_tag.clone();
        let dialog = self.dialog_with(far);
        let ack = self.write_ack(turn, &dialog);
        turn.counters.add(Count::OutAck);
        turn.send(ack.clone());
        self.cseq += 1;
        let bye = self.write_bye(turn, &dialog, None);
        self.strays.push(Stray { tag, ack, bye });
        if self.phase == Phase::Over {
            self.gone_at = Some(turn.now + GIVE_UP);
        }
    }

    /// Whether a tag is that of a fork that we ended.
    pub(in crate::wire::sip) fn has_stray(&self, tag: &str) -> bool {
        self.strays.iter().any(|stray| stray.tag == tag)
    }
}

/// Voice goes only where the trunk's media may come from.
pub(in crate::wire::sip) fn check_range(turn: &Turn<'_>, path: &AudioPath) -> Result<(), SdpFault> {
    match path.remote {
        Some(remote) if !turn.trunk.allows_media(remote.ip()) => Err(SdpFault::Address),
        _ => Ok(()),
    }
}

/// The user part of `<sip:user@host>` that we wrote ourselves.
fn user_of(address: &str) -> &str {
    address
        .split_once("sip:")
        .and_then(|(_, rest)| rest.split_once('@'))
        .map_or("", |(user, _)| user)
}
