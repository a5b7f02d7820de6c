//! What agents ask for: log-in, return, and every message after it. Turns each into a fact for the floor or an answer.
//!
//! Owns the order between a session and the floor: `AgentSeated`, `AgentLost` and `AgentBack` are handed over under the session's
//! lock, so that the floor hears them in the order in which they happened.

use super::figures::DeskCount;
use super::line::{Line, Pushed};
use super::pipe::Pipe;
use super::session::{Session, State};
use super::{Desks, LoggedIn, translate};
use crate::core::dispositions::Disposition;
use crate::core::effect::Refusal;
use crate::core::input::{AgentSeat, Input, Wanted};
use crate::ids::AttemptId;
use crate::shell::cards::facts_of;
use crate::shell::store::AgentAudio;
use crate::wire::desk::audio::AudioKind;
use crate::wire::desk::client::{
    ClientMessage, ErrorCode, Expand, Fault, Outcome, Resume, StateWish, WantedState,
};
use crate::wire::desk::expansion;
use crate::wire::desk::outcome;
use crate::wire::desk::server::{
    AgentCard, ClosingReason, ErrorNews, Follows, Pong, Resumed, ServerMessage, Welcome,
};
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Utf8Bytes;

impl Desks {
    /// Gives a logged-in agent's new socket its session: the one it names, the one it has, or a new one. An older socket of the
    /// same agent is cut.
    pub(super) fn attach(
        &self,
        who: LoggedIn,
        resume: Option<Resume>,
        pipe: Arc<Pipe>,
    ) -> Result<(Arc<Session>, Arc<Line>), ClosingReason> {
        let line = Arc::new(Line::of(pipe));
        let session = loop {
            let session = self
                .sessions
                .entry(who.agent)
                .or_insert_with(|| Session::new(who.agent))
                .clone();
            let mut state = session.state();
            if state.ended {
                // The floor said OFFLINE while we came in: the next turn makes a new session.
                drop(state);
                self.end(&session);
                continue;
            }
            if let Err(busy) = self.announce(&who, &mut state) {
                let never_seated = !state.seated;
                state.ended = never_seated;
                drop(state);
                if never_seated {
                    self.end(&session);
                }
                return Err(busy);
            }
            if let Some(old) = state.line.take() {
                self.counts.add(DeskCount::TakenOver);
                old.cut(ClosingReason::TakenOver);
            }
            state.audio_kind = self.audio_setup(&who.audio).kind;
            let first = self.first_words(&who, resume.as_ref(), &mut state);
            line.start_with(first);
            if let Some(call) = &mut state.call {
                // Its paint would measure the cut, not the push.
                call.written = None;
            }
            state.line = Some(line.clone());
            drop(state);
            break session;
        };
        Ok((session, line))
    }

    /// Tells the floor that the agent is here. Under the session's lock.
    fn announce(&self, who: &LoggedIn, state: &mut State) -> Result<(), ClosingReason> {
        let fact = if !state.seated {
            Input::AgentSeated(AgentSeat {
                agent: who.agent,
                campaigns: who.campaigns.clone(),
                skills: who.skills.clone(),
                needs_audio: who.audio.is_needed(),
            })
        } else if state.lost_told {
            Input::AgentBack(who.agent)
        } else {
            return Ok(());
        };
        self.parts.lane.urgent(fact).map_err(|_| {
            self.counts.add(DeskCount::FloorBusy);
            ClosingReason::Busy
        })?;
        if let (false, AgentAudio::Phone(address)) = (state.seated, &who.audio) {
            self.parts.audio.phone(who.agent, address);
        }
        state.seated = true;
        state.lost_told = false;
        Ok(())
    }

    /// `resumed` and what was missed, or `welcome`; with what holds now where the client cannot know it.
    fn first_words(
        &self,
        who: &LoggedIn,
        resume: Option<&Resume>,
        state: &mut State,
    ) -> Vec<Utf8Bytes> {
        let now = self.parts.clock.now().unix;
        let resume = resume.filter(|resume| !state.id.is_empty() && resume.session == state.id);
        if let Some(resume) = resume {
            self.counts.add(DeskCount::Resumed);
            let missed = if resume.sequence == 0 {
                None
            } else {
                state.ring.acknowledged(resume.sequence);
                state.ring.after(resume.sequence, state.sequence)
            };
            let before = state.sequence;
            let (follows, mut messages) = match missed {
                Some(missed) => (Follows::Missed, missed),
                None => {
                    self.counts.add(DeskCount::Snapshots);
                    let all = state.snapshot(now, &self.settings().break_reasons);
                    (Follows::Snapshot, all)
                }
            };
            let resumed = ServerMessage::Resumed(Resumed {
                session: state.id.clone(),
                follows,
                messages: messages.len() as u32,
                now_ms: now.into(),
            });
            // The number of the last news before what follows.
            let number = match follows {
                Follows::Missed => resume.sequence,
                Follows::Snapshot => before,
            };
            messages.insert(0, resumed.encode(number).into());
            return messages;
        }
        self.counts.add(DeskCount::LoggedIn);
        state.id = session_name();
        let board = |campaign| self.parts.cards.context(campaign);
        let welcome = ServerMessage::Welcome(Box::new(Welcome {
            session: state.id.clone(),
            agent: AgentCard {
                id: who.agent.0,
                name: who.name.clone(),
            },
            campaigns: who
                .campaigns
                .iter()
                .filter_map(|(campaign, _)| board(*campaign))
                .map(|context| context.campaign)
                .collect(),
            break_reasons: self.settings().reasons_offered.clone(),
            skip_reasons: self.settings().skips_offered.clone(),
            outcome_set: self.settings().outcome_set.clone(),
            ping_deadline_ms: self.settings().desk.ping_deadline.as_millis() as u64,
            audio: self.audio_setup(&who.audio),
            now_ms: now.into(),
        }));
        let mut messages = vec![welcome.encode(state.sequence).into()];
        messages.extend(state.snapshot(now, &self.settings().break_reasons));
        messages
    }

    /// The socket is gone. `false`: the floor's lane was full, and this must be said again.
    pub(super) fn line_gone(&self, session: &Session, line: &Arc<Line>) -> bool {
        let mut state = session.state();
        match &state.line {
            // Another socket has taken over.
            Some(present) if !Arc::ptr_eq(present, line) => return true,
            _ => state.line = None,
        }
        if state.ended || state.lost_told {
            return true;
        }
        let told = self
            .parts
            .lane
            .urgent(Input::AgentLost(session.agent))
            .is_ok();
        state.lost_told = told;
        told
    }

    /// One message after log-in.
    pub(super) fn request(&self, session: &Session, line: &Arc<Line>, message: ClientMessage) {
        let answer = match message {
            ClientMessage::Hello(_) => Err(Fault::whole(
                ErrorCode::HelloFirst,
                "you are logged in already",
            )),
            ClientMessage::State(wish) => self.wish(session, wish),
            ClientMessage::HangUp(hang_up) => self.number_and_tell(
                session,
                hang_up.request,
                Input::AgentHangUp(session.agent, hang_up.call.0),
            ),
            ClientMessage::Painted(painted) => {
                self.painted(session, painted.call.0);
                Ok(())
            }
            ClientMessage::Expand(expand) => self.expand(session, line, &expand),
            ClientMessage::Outcome(outcome) => self.outcome(session, *outcome),
            ClientMessage::Dial(dial) => self.dial(session, &dial),
            ClientMessage::Skip(skip) => self.skip(session, &skip),
            ClientMessage::Next(next) => self.next(session, &next),
            ClientMessage::AudioOffer(offer) => self.audio_offer(session, line, offer),
            ClientMessage::AudioCheck(check) => self.audio_check(session, check.request),
            ClientMessage::Mute(mute) => self.mute(session, mute.on),
            ClientMessage::Hold(hold) => self.hold(session, hold),
            ClientMessage::Keys(keys) => self.keys(session, &keys),
            ClientMessage::Record(record) => self.record(session, record),
            ClientMessage::Ping(ping) => {
                let mut state = session.state();
                if let Some(handled) = ping.sequence {
                    state.ring.acknowledged(handled);
                }
                let pong = ServerMessage::Pong(Pong {
                    now_ms: self.parts.clock.now().unix.into(),
                });
                let text = pong.encode(state.sequence);
                drop(state);
                self.reply(line, text);
                Ok(())
            }
        };
        if let Err(fault) = answer {
            self.fault(session, line, fault);
        }
    }

    /// Answers a message that cannot be taken.
    pub(super) fn fault(&self, session: &Session, line: &Line, fault: Fault) {
        self.counts.add(DeskCount::BadMessages);
        let sequence = session.state().sequence;
        self.reply(line, fault_text(sequence, fault));
    }

    /// A reply: not numbered, not kept.
    fn reply(&self, line: &Line, text: String) {
        if line.push(text.into(), None, self.settings().desk.queue) == Pushed::TooSlow {
            self.counts.add(DeskCount::TooSlow);
        }
    }

    fn wish(&self, session: &Session, wish: StateWish) -> Result<(), Fault> {
        let wanted = match (wish.to, &wish.reason) {
            (WantedState::Ready, None) => Wanted::Ready,
            (WantedState::Manual, None) => Wanted::Manual,
            (WantedState::Offline, None) => Wanted::Offline,
            (WantedState::Break, Some(reason)) => {
                // A desk that still shows a reason which left the configuration may use it.
                let index = self
                    .settings()
                    .break_reasons
                    .iter()
                    .position(|known| known == reason)
                    .and_then(|index| u8::try_from(index).ok());
                Wanted::Break(index.ok_or_else(|| {
                    Fault::field(
                        ErrorCode::BadField,
                        "reason",
                        "one of break_reasons of welcome",
                    )
                    .of_request(wish.request)
                })?)
            }
            (WantedState::Break, None) => {
                return Err(Fault::field(
                    ErrorCode::MissingField,
                    "reason",
                    "a break has a reason",
                )
                .of_request(wish.request));
            }
            (_, Some(_)) => {
                return Err(Fault::field(
                    ErrorCode::BadField,
                    "reason",
                    "only a break has a reason",
                )
                .of_request(wish.request));
            }
        };
        self.number_and_tell(
            session,
            wish.request,
            Input::AgentWants(session.agent, wanted),
        )
    }

    fn number_and_tell(&self, session: &Session, request: u64, fact: Input) -> Result<(), Fault> {
        // The floor's refusals of these carry no number; noted before the floor can answer.
        session.state().last_request = Some(request);
        self.tell_floor(fact, request)
    }

    pub(super) fn tell_floor(&self, fact: Input, request: u64) -> Result<(), Fault> {
        self.parts.lane.urgent(fact).map_err(|_| {
            self.counts.add(DeskCount::FloorBusy);
            Fault::whole(ErrorCode::Busy, "the engine is behind; ask again").of_request(request)
        })
    }

    fn painted(&self, session: &Session, attempt: AttemptId) {
        let now = self.parts.clock.mono();
        let mut state = session.state();
        // Once per push: taken, not read.
        let written = state
            .current(attempt)
            .and_then(|call| call.written.take().map(|written| (written, call.answered)));
        let is_watched = state.audio_kind != AudioKind::None;
        drop(state);
        if is_watched {
            self.tell_painted(attempt);
        }
        if let Some((written, answered)) = written {
            self.parts.times.push_to_paint(now.since(written));
            self.parts.times.answer_to_paint(now.since(answered));
        }
    }

    fn expand(&self, session: &Session, line: &Line, expand: &Expand) -> Result<(), Fault> {
        let lead = session
            .state()
            .current(expand.call.0)
            .map(|call| call.lead.clone())
            .ok_or_else(|| not_your_call(expand.request))?;
        let no_card = |message: &str| {
            Fault::field(ErrorCode::NoSuchCard, "card", message).of_request(expand.request)
        };
        let nothing = || no_card("nothing is known for this card");
        let lead = lead.ok_or_else(nothing)?;
        let context = self
            .parts
            .cards
            .context(lead.campaign)
            .ok_or_else(nothing)?;
        let facts = facts_of(&lead).ok_or_else(nothing)?;
        // Shown to the agent whose call it is.
        let body = expansion::body(facts, lead.e164.expose(), &context, expand.card)
            .map_err(|why| no_card(&why.to_string()))?;
        let sequence = session.state().sequence;
        self.reply(
            line,
            expansion::encode(sequence, expand.request, expand.call, expand.card, &body),
        );
        Ok(())
    }

    fn outcome(&self, session: &Session, outcome: Outcome) -> Result<(), Fault> {
        let now = self.parts.clock.now().unix;
        let (request, attempt) = (outcome.request, outcome.call.0);
        let mut state = session.state();
        // Sent again after a cut: the answer is on its way, or is given again.
        if state.pending.contains(&(request, attempt)) {
            return Ok(());
        }
        let confirmed = state
            .saved
            .clone()
            .filter(|saved| saved.request == Some(request) && saved.call.0 == attempt);
        if let Some(saved) = confirmed {
            let told = state.tell_message(self.settings().desk.queue, &ServerMessage::Saved(saved));
            drop(state);
            self.note(told);
            return Ok(());
        }
        if state.current(attempt).is_none() {
            return Err(not_your_call(request));
        }
        if state.pending.iter().any(|(_, of)| *of == attempt) {
            return Err(Fault::whole(
                ErrorCode::OutcomePending,
                "an outcome for this call is being saved",
            )
            .of_request(request));
        }
        let follow_up = outcome::check(
            &outcome,
            &self.settings().outcome_set,
            now,
            self.settings().offset_s(now),
        )?;
        let disposition = Disposition::from_code(&outcome.code).ok_or_else(|| {
            Fault::field(ErrorCode::BadField, "code", "not a code of the set").of_request(request)
        })?;
        // In place before the floor can answer.
        self.keep_detail(attempt, request, translate::detail(outcome, follow_up));
        state.expect_saved(request, attempt);
        let told = self.tell_floor(
            Input::AgentOutcome {
                agent: session.agent,
                attempt,
                request,
                disposition,
                follow_up,
            },
            request,
        );
        if told.is_err() {
            state.settle(request);
            self.drop_detail(attempt, request);
        }
        told
    }
}

/// An `error` message under the number of the last news.
pub(super) fn fault_text(sequence: u64, fault: Fault) -> String {
    ServerMessage::Error(ErrorNews {
        request: fault.request,
        code: fault.code.as_str().into(),
        message: fault.message,
        field: fault.field,
        rule: None,
        not_before_ms: None,
    })
    .encode(sequence)
}

pub(super) fn not_your_call(request: u64) -> Fault {
    Fault::field(
        ErrorCode::NotYourCall,
        "call",
        translate::refusal_sentence(Refusal::NotYourCall),
    )
    .of_request(request)
}

/// 128 random bits from the operating system. Should it fail, the session cannot be resumed, which is safe.
fn session_name() -> String {
    let mut bits = [0_u8; 16];
    if getrandom::fill(&mut bits).is_err() {
        return String::new();
    }
    bits.iter().map(|byte| format!("{byte:02x}")).collect()
}
