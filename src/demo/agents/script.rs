//! One scripted agent's mind: what to answer to each message of the engine, and what to do at which time. No socket, no clock.
//!
//! Behaves as a person at a desk does: reads the card, talks, hangs up or is hung up on, says what came of it, goes on.

use super::Habits;
use super::figures::Figures;
use super::outcomes;
use crate::demo::chance::Chance;
use crate::pii::Pii;
use crate::time::{Mono, Now, UnixMs};
use crate::wire::desk::VERSION;
use crate::wire::desk::card::CardBody;
use crate::wire::desk::client::{
    CallId, CardName, ClientMessage, Expand, HangUp, Hello, Outcome, Painted, Resume, StateWish,
    WantedState,
};
use crate::wire::desk::outcome::OutcomeSet;
use crate::wire::desk::preview::{Dial, Skip};
use crate::wire::desk::server::{ClosingReason, DeskState, ServerFrame, ServerMessage, StateNews};
use std::sync::Arc;
use std::time::Duration;

/// Time to read a card before its lead is dialled, in seconds.
const READING_S: f64 = 3.0;
/// Share of previews that are skipped.
const SKIP_SHARE: f64 = 0.08;
/// Talk time once the shift nears its end, in seconds.
const HURRIED_TALK_S: f64 = 5.0;

/// What the agent has in mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Intention {
    /// Dials the lead on the screen, or skips it.
    Decide,
    /// The card is on the screen.
    Paint,
    /// Opens a further card.
    Expand,
    /// Ends the conversation.
    HangUp,
    /// Says what came of it.
    SayOutcome,
    /// Back from a break.
    Return,
    /// The network cable is pulled (if such is the habit).
    LoseSocket,
}

/// What the driver must do with the socket.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Send a message.
    Send(ClientMessage),
    /// Drop the socket without a word and connect again.
    Drop,
    /// The agent is done for today.
    Leave,
}

/// The lead on the screen before it is dialled.
#[derive(Debug)]
struct Shown {
    id: CallId,
    may_skip: bool,
}

/// The call at hand.
#[derive(Debug)]
struct Call {
    id: CallId,
    due: i64,
    expand: Option<CardName>,
    over: bool,
    outcome: Option<Outcome>,
    sent_at: Mono,
    asked_at: Option<(u64, Mono)>,
}

/// The agent.
#[derive(Debug)]
pub struct Script {
    name: String,
    token: Pii<String>,
    habits: Habits,
    figures: Arc<Figures>,
    chance: Chance,
    session: Option<String>,
    sequence: u64,
    next_request: u64,
    outcome_set: OutcomeSet,
    break_reasons: Vec<String>,
    skip_reasons: Vec<String>,
    shown: Option<Shown>,
    call: Option<Call>,
    intentions: Vec<(Mono, Intention)>,
    state: DeskState,
    wants_break: bool,
    on_break: bool,
    leaving: bool,
}

impl Script {
    /// An agent of this name.
    pub fn new(
        name: String,
        token: Pii<String>,
        habits: Habits,
        seed: u64,
        figures: Arc<Figures>,
    ) -> Self {
        Script {
            chance: Chance::of(seed, &name, 0),
            name,
            token,
            habits,
            figures,
            session: None,
            sequence: 0,
            next_request: 0,
            outcome_set: OutcomeSet {
                id: String::new(),
                version: 0,
                codes: Vec::new(),
            },
            break_reasons: Vec::new(),
            skip_reasons: Vec::new(),
            shown: None,
            call: None,
            intentions: Vec::new(),
            state: DeskState::Offline,
            wants_break: false,
            on_break: false,
            leaving: false,
        }
    }

    /// The first message on a new socket.
    pub fn hello(&self) -> ClientMessage {
        ClientMessage::Hello(Hello {
            version: VERSION,
            agent: self.name.clone(),
            token: self.token.clone(),
            resume: self.session.as_ref().map(|session| Resume {
                session: session.clone(),
                sequence: self.sequence,
            }),
        })
    }

    /// When [`Script::handle_timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Mono> {
        self.intentions.iter().map(|(at, _)| *at).min()
    }

    /// The socket is gone.
    pub fn socket_lost(&mut self) {
        self.figures.count(|figures| &figures.sockets_lost);
    }

    /// The shift nears its end: conversations are brought to theirs within seconds, also those to come.
    pub fn hurry(&mut self, now: Mono) {
        self.habits.talk_mean_s = self.habits.talk_mean_s.min(HURRIED_TALK_S);
        self.habits.talk_cv = self.habits.talk_cv.min(0.5);
        if self.call.as_ref().is_some_and(|call| !call.over) {
            self.intend(
                now,
                Intention::HangUp,
                self.habits.talk_mean_s,
                self.habits.talk_cv,
            );
        }
    }

    /// The day ends: finish what is at hand, then log out.
    pub fn leave(&mut self, now: Mono, wishes: &mut Vec<Wish>) {
        if !self.leaving {
            self.leaving = true;
            self.hurry(now);
            self.ask_state(WantedState::Offline, None, wishes);
        }
    }

    /// A message of the engine.
    pub fn hear(&mut self, now: Now, text: &str, wishes: &mut Vec<Wish>) {
        let Ok(frame) = ServerFrame::parse(text) else {
            self.figures.count(|figures| &figures.unreadable);
            return;
        };
        let begins = matches!(
            frame.message,
            ServerMessage::Welcome(_) | ServerMessage::Resumed(_)
        );
        let snapshot = matches!(&frame.message, ServerMessage::Resumed(news) if news.follows == crate::wire::desk::server::Follows::Snapshot);
        if !begins && frame.sequence > self.sequence + 1 {
            self.figures.count(|figures| &figures.sequence_gaps);
        }
        // A resumed session says where it stands; what was missed follows with the numbers it had.
        if !begins || snapshot || matches!(frame.message, ServerMessage::Welcome(_)) {
            self.sequence = frame.sequence;
        }
        self.take(now, frame.message, wishes);
    }

    fn take(&mut self, now: Now, message: ServerMessage, wishes: &mut Vec<Wish>) {
        match message {
            ServerMessage::Welcome(welcome) => {
                self.figures.count(|figures| &figures.logins);
                self.session = Some(welcome.session);
                self.outcome_set = welcome.outcome_set;
                self.break_reasons = welcome.break_reasons;
                self.skip_reasons = welcome.skip_reasons;
                self.shown = None;
                self.call = None;
                self.intentions.clear();
                self.on_break = false;
                if self.leaving {
                    self.ask_state(WantedState::Offline, None, wishes);
                }
            }
            ServerMessage::Resumed(resumed) => {
                self.figures.count(|figures| &figures.resumes);
                self.event(now, "is back after a lost socket".to_owned());
                self.session = Some(resumed.session);
                // An outcome under way when the socket went may be lost: the same request again is harmless.
                if let Some(outcome) = self.call.as_ref().and_then(|call| call.outcome.clone()) {
                    wishes.push(Wish::Send(ClientMessage::Outcome(Box::new(outcome))));
                }
            }
            ServerMessage::State(news) => self.take_state(now, news, wishes),
            ServerMessage::CallPreview(preview) => {
                let is_known = self
                    .shown
                    .as_ref()
                    .is_some_and(|shown| shown.id == preview.call);
                if !is_known {
                    self.figures.count(|figures| &figures.previews);
                }
                self.shown = Some(Shown {
                    id: preview.call,
                    may_skip: preview.skips_left != Some(0),
                });
                self.intend(now.mono, Intention::Decide, READING_S, 0.5);
            }
            // What it says is on the screen; a person waits.
            ServerMessage::CallProgress(_) => self.forget(Intention::Decide),
            ServerMessage::CallOver(over) => {
                if self.shown.take_if(|shown| shown.id == over.call).is_some() {
                    self.forget(Intention::Decide);
                }
            }
            ServerMessage::CallConnected(call) => {
                self.shown = None;
                let answered_us = (now.unix.0 - call.answered_at_ms.0).max(0) as u64 * 1_000;
                self.figures.answer_to_card(answered_us);
                self.begin_call(now.mono, call.call, &call.card);
            }
            ServerMessage::Card(card) => self.take_card(now.mono, card.request),
            ServerMessage::CallEnded(ended) => {
                if let Some(call) = self
                    .call
                    .as_mut()
                    .filter(|call| call.id == ended.call && !call.over)
                {
                    call.over = true;
                    self.figures.count(|figures| &figures.calls_ended);
                    self.forget(Intention::HangUp);
                    self.forget(Intention::Expand);
                    self.forget(Intention::LoseSocket);
                    if self
                        .call
                        .as_ref()
                        .is_some_and(|call| call.outcome.is_none())
                    {
                        self.intend(
                            now.mono,
                            Intention::SayOutcome,
                            self.habits.wrap_mean_s,
                            0.4,
                        );
                    }
                }
            }
            ServerMessage::Saved(saved) => {
                let Some(call) = self.call.take_if(|call| call.id == saved.call) else {
                    return;
                };
                self.intentions.clear();
                match (&call.outcome, saved.request) {
                    (Some(outcome), Some(_)) => {
                        let us = now.mono.since(call.sent_at).as_micros() as u64;
                        self.figures
                            .outcome_saved(&call.id.to_string(), &outcome.code, us);
                        self.event(
                            now,
                            format!(
                                "call {} saved as {} in {} ms",
                                call.id,
                                outcome.code,
                                us / 1_000
                            ),
                        );
                    }
                    _ => {
                        self.figures.count(|figures| &figures.outcomes_by_system);
                        self.event(
                            now,
                            format!("call {} kept as NOT_RECORDED: too late", call.id),
                        );
                    }
                }
                self.go_on(wishes);
            }
            ServerMessage::Error(error) => self.take_error(now.mono, error.request, &error.code),
            ServerMessage::Pong(_) | ServerMessage::Audio(_) | ServerMessage::AudioAnswer(_) => {}
            ServerMessage::Closing(closing) => self.take_closing(closing.reason, wishes),
        }
    }

    fn take_state(&mut self, now: Now, news: StateNews, wishes: &mut Vec<Wish>) {
        self.state = news.state;
        match news.state {
            DeskState::Break if self.leaving => self.ask_state(WantedState::Offline, None, wishes),
            // Logged in, or brought to a break by the engine: this crowd came to work.
            DeskState::Break if !self.on_break && !self.wants_break => {
                self.ask_state(WantedState::Ready, None, wishes)
            }
            DeskState::Break if !self.on_break => {
                self.wants_break = false;
                self.on_break = true;
                self.figures.count(|figures| &figures.breaks);
                self.event(now, "takes a break".to_owned());
                self.intend(now.mono, Intention::Return, self.habits.break_mean_s, 0.3);
            }
            DeskState::Ready | DeskState::Manual => {
                // Ready again without `saved`: wrap-up ran out and the system kept the outcome.
                self.on_break = false;
            }
            DeskState::Wrap if self.call.is_none() => {}
            DeskState::Wrap
            | DeskState::Break
            | DeskState::Offline
            | DeskState::Reserved
            | DeskState::Talking => {}
        }
    }

    fn begin_call(&mut self, now: Mono, id: CallId, card: &CardBody) {
        if self.call.as_ref().is_some_and(|call| call.id == id) {
            // Said again after a resume: the screen is rebuilt, the conversation goes on.
            return self.intend(now, Intention::Paint, self.habits.paint_mean_s, 0.5);
        }
        self.figures.count(|figures| &figures.calls);
        if !card.complete {
            self.figures.count(|figures| &figures.cards_late);
        }
        let customer = &card.customer;
        let valid = !customer.name.trim().is_empty()
            && !customer.cif.is_empty()
            && !card.campaign.id.is_empty()
            && customer.phone.contains('*');
        if !valid {
            self.figures.count(|figures| &figures.cards_invalid);
        }
        self.intentions.clear();
        self.call = Some(Call {
            id,
            due: outcomes::amount_due(card),
            expand: self.chance.pick(&card.more).copied(),
            over: false,
            outcome: None,
            sent_at: now,
            asked_at: None,
        });
        self.intend(now, Intention::Paint, self.habits.paint_mean_s, 0.5);
        if self.chance.happens(self.habits.expand_share) {
            self.intend(
                now,
                Intention::Expand,
                3.0_f64.min(self.habits.talk_mean_s / 2.0),
                0.5,
            );
        }
        self.intend(
            now,
            Intention::HangUp,
            self.habits.talk_mean_s,
            self.habits.talk_cv,
        );
        if self.chance.happens(self.habits.lose_socket_share) {
            self.intend(
                now,
                Intention::LoseSocket,
                self.habits.talk_mean_s / 2.0,
                0.5,
            );
        }
    }

    fn take_card(&mut self, now: Mono, request: Option<u64>) {
        let Some(call) = &mut self.call else { return };
        if let Some((_, asked_at)) = call.asked_at.take_if(|(asked, _)| Some(*asked) == request) {
            self.figures.count(|figures| &figures.cards_received);
            self.figures
                .expand_to_card(now.since(asked_at).as_micros() as u64);
        }
    }

    fn take_error(&mut self, now: Mono, request: Option<u64>, code: &str) {
        self.figures.error(code);
        if code == "no_line_free" && self.shown.is_some() {
            self.intend(now, Intention::Decide, 1.0, 0.5);
        }
        let Some(call) = &mut self.call else { return };
        let about_outcome = call
            .outcome
            .as_ref()
            .is_some_and(|outcome| Some(outcome.request) == request);
        if !about_outcome {
            return;
        }
        match code {
            // Somebody was faster: our own repetition, or the system.
            "outcome_already_saved" | "outcome_pending" | "not_your_call" => {}
            // Not durable, or refused: an agent tries again.
            _ => {
                call.outcome = None;
                self.intend(now, Intention::SayOutcome, self.habits.wrap_mean_s, 0.4);
            }
        }
    }

    fn take_closing(&mut self, reason: ClosingReason, wishes: &mut Vec<Wish>) {
        match reason {
            ClosingReason::LoginRefused => {
                self.figures.count(|figures| &figures.logins_refused);
                wishes.push(Wish::Leave);
            }
            ClosingReason::LoggedOut | ClosingReason::TakenOver => wishes.push(Wish::Leave),
            ClosingReason::Stopping if self.leaving => wishes.push(Wish::Leave),
            // A person whose client was thrown out tries again.
            ClosingReason::TooSlow
            | ClosingReason::HelloFirst
            | ClosingReason::ProtocolBroken
            | ClosingReason::Busy
            | ClosingReason::Stopping => wishes.push(Wish::Drop),
        }
    }

    /// Intentions whose time has come.
    pub fn handle_timeout(&mut self, now: Now, wishes: &mut Vec<Wish>) {
        let mut due: Vec<_> = self
            .intentions
            .extract_if(.., |(at, _)| *at <= now.mono)
            .collect();
        due.sort_unstable();
        for (_, intention) in due {
            self.act(now, intention, wishes);
        }
    }

    fn act(&mut self, now: Now, intention: Intention, wishes: &mut Vec<Wish>) {
        if intention == Intention::Return {
            self.on_break = false;
            return self.ask_state(WantedState::Ready, None, wishes);
        }
        if intention == Intention::Decide {
            return self.decide(wishes);
        }
        let request = self.request();
        let Some(call) = &mut self.call else { return };
        match intention {
            Intention::Paint => wishes.push(Wish::Send(ClientMessage::Painted(Painted {
                call: call.id,
                painted_at_ms: Some(now.unix.0),
            }))),
            Intention::Expand => {
                if let Some(card) = call.expand {
                    call.asked_at = Some((request, now.mono));
                    self.figures.count(|figures| &figures.cards_asked);
                    wishes.push(Wish::Send(ClientMessage::Expand(Expand {
                        request,
                        call: call.id,
                        card,
                    })));
                }
            }
            Intention::HangUp if !call.over => {
                self.figures.count(|figures| &figures.hung_up);
                wishes.push(Wish::Send(ClientMessage::HangUp(HangUp {
                    request,
                    call: call.id,
                })));
            }
            Intention::SayOutcome if call.outcome.is_none() => {
                let outcome = outcomes::draw(
                    &mut self.chance,
                    &self.outcome_set,
                    call.id,
                    request,
                    call.due,
                    now.unix,
                );
                call.outcome = Some(outcome.clone());
                call.sent_at = now.mono;
                self.figures.count(|figures| &figures.outcomes_sent);
                wishes.push(Wish::Send(ClientMessage::Outcome(Box::new(outcome))));
            }
            Intention::LoseSocket => wishes.push(Wish::Drop),
            Intention::HangUp | Intention::SayOutcome | Intention::Return | Intention::Decide => {}
        }
    }

    /// Most leads are dialled; now and then one is not for this agent.
    fn decide(&mut self, wishes: &mut Vec<Wish>) {
        let request = self.request();
        let Some(shown) = &self.shown else { return };
        let call = shown.id;
        let reason = match self.skip_reasons.first() {
            Some(_) if !shown.may_skip => None,
            Some(_) if self.chance.happens(SKIP_SHARE) => {
                self.chance.pick(&self.skip_reasons).cloned()
            }
            _ => None,
        };
        let said = match reason {
            Some(reason) => {
                self.figures.count(|figures| &figures.previews_skipped);
                ClientMessage::Skip(Skip {
                    request,
                    call,
                    reason,
                })
            }
            None => ClientMessage::Dial(Dial {
                request,
                call: Some(call),
                lead: None,
            }),
        };
        wishes.push(Wish::Send(said));
    }

    /// After `saved`: the next call, or a break.
    fn go_on(&mut self, wishes: &mut Vec<Wish>) {
        if self.leaving {
            return self.ask_state(WantedState::Offline, None, wishes);
        }
        let reason = self
            .break_reasons
            .iter()
            .find(|reason| *reason != "login")
            .cloned();
        if reason.is_some() && self.chance.happens(self.habits.break_share) {
            self.wants_break = true;
            return self.ask_state(WantedState::Break, reason, wishes);
        }
        if matches!(self.state, DeskState::Wrap) {
            self.ask_state(WantedState::Ready, None, wishes);
        }
    }

    fn ask_state(&mut self, to: WantedState, reason: Option<String>, wishes: &mut Vec<Wish>) {
        let request = self.request();
        wishes.push(Wish::Send(ClientMessage::State(StateWish {
            request,
            to,
            reason,
        })));
    }

    fn event(&self, now: Now, what: String) {
        self.figures
            .event(now.unix.0, format!("{} {what}", self.name));
    }

    fn request(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request
    }

    fn intend(&mut self, now: Mono, intention: Intention, mean_s: f64, cv: f64) {
        let seconds =
            (self.chance.lognormal(mean_s.max(0.001), cv) / self.habits.speed).min(36_000.0);
        self.forget(intention);
        self.intentions
            .push((now + Duration::from_secs_f64(seconds), intention));
    }

    fn forget(&mut self, intention: Intention) {
        self.intentions.retain(|(_, other)| *other != intention);
    }
}

/// Both clocks as one value, for drivers.
pub fn now(mono: Mono, unix_ms: i64) -> Now {
    Now {
        mono,
        unix: UnixMs(unix_ms),
    }
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
