//! Previews and personal calls at the desk: the staged card before the call, how far the call is, and what agents say to it.
//!
//! A preview waits for its card: nobody is on the line yet, and a few milliseconds are nothing to an agent who is about to read.

use super::Desks;
use super::figures::DeskCount;
use super::requests::not_your_call;
use super::session::{CurrentCall, Session};
use crate::core::effect::{PersonalNews, PersonalStage, PreviewEnd, PreviewOffer};
use crate::core::input::Input;
use crate::core::settings::PreviewTimeout;
use crate::ids::{AgentId, AttemptId, LeadId};
use crate::wire::desk::client::{CallId, ErrorCode, Fault};
use crate::wire::desk::preview::{
    CallOver, CallProgress, CallStage, Dial, Next, OnTimeout, OverWhy, PreviewFrame, Skip, preview,
};
use crate::wire::desk::server::ServerMessage;
use bytes::Bytes;

impl Desks {
    /// Shows a lead to an agent as soon as its card is staged. The call must be in the book.
    pub fn preview(&self, offer: &PreviewOffer) {
        let now = self.parts.clock.now();
        let Some(session) = self.session(offer.agent) else {
            self.counts.add(DeskCount::CardsNowhere);
            return;
        };
        let lead = self
            .parts
            .calls
            .get(&offer.attempt)
            .map(|entry| entry.lead.clone());
        let mut state = session.state();
        let before = state.forget_call();
        state.call = Some(CurrentCall {
            attempt: offer.attempt,
            lead,
            body: None,
            complete: false,
            answered_at: now.unix,
            answered: now.mono,
            ended: None,
            saved: None,
            written: None,
            preview: Some(PreviewFrame {
                call: CallId(offer.attempt),
                lead: offer.lead.0,
                until: offer.until,
                on_timeout: match offer.on_timeout {
                    Some(PreviewTimeout::Dial) => OnTimeout::Dial,
                    Some(PreviewTimeout::Skip) => OnTimeout::Skip,
                    Some(PreviewTimeout::Break) => OnTimeout::Break,
                    None => OnTimeout::GiveBack,
                },
                skips_left: offer.skips_left,
            }),
            progress: None,
        });
        drop(state);
        if let Some(before) = before {
            self.late.remove(&before);
        }
        // Registered first: the worker tells when the card is there.
        self.late.insert(offer.attempt, offer.agent);
        if !self.parts.cards.stage_now(offer.attempt) {
            self.preview_body(offer.attempt, offer.agent, None);
        }
    }

    /// Pushes a preview with its body; without one, with what can be said on the spot.
    pub(super) fn preview_body(&self, attempt: AttemptId, agent: AgentId, body: Option<Bytes>) {
        let Some(session) = self.session(agent) else {
            return;
        };
        let mut state = session.state();
        let Some(call) = state.current(attempt) else {
            return;
        };
        let (Some(frame), Some(lead)) = (call.preview, call.lead.clone()) else {
            return;
        };
        call.complete = body.is_some();
        let body = body.unwrap_or_else(|| {
            let minimal = self.parts.cards.minimal(&lead);
            Bytes::from(minimal.text.into_bytes())
        });
        call.body = Some(body.clone());
        let Ok(text) = std::str::from_utf8(&body) else {
            return;
        };
        let told = state.tell(
            self.settings().desk.queue,
            Some(attempt),
            None,
            |sequence| preview(sequence, &frame, text),
        );
        drop(state);
        self.counts.add(DeskCount::PreviewsPushed);
        self.note(told);
    }

    /// Tells an agent that a preview came to nothing.
    pub fn preview_over(&self, attempt: AttemptId, agent: AgentId, why: PreviewEnd) {
        self.late.remove(&attempt);
        if matches!(why, PreviewEnd::Skipped(_) | PreviewEnd::TimedOut) {
            self.counts.add(DeskCount::PreviewsSkipped);
        }
        let why = match why {
            PreviewEnd::Skipped(_) => OverWhy::Skipped,
            PreviewEnd::TimedOut => OverWhy::TimedOut,
            PreviewEnd::Withdrawn => OverWhy::Withdrawn,
            PreviewEnd::GivenBack => OverWhy::GivenBack,
        };
        self.over(agent, attempt, why, None);
    }

    /// Tells an agent how far a call is that is made for him.
    pub fn personal(&self, news: &PersonalNews) {
        let stage = match news.stage {
            PersonalStage::Dialling => CallStage::Dialling,
            PersonalStage::Ringing => CallStage::Ringing,
            PersonalStage::Over(result) => {
                let result = Some(result.code().to_owned());
                return self.over(news.agent, news.attempt, OverWhy::NotConnected, result);
            }
        };
        let Some(session) = self.session(news.agent) else {
            return;
        };
        let mut state = session.state();
        if let Some(call) = state.current(news.attempt) {
            call.progress = Some(stage);
        }
        let message = ServerMessage::CallProgress(CallProgress {
            call: CallId(news.attempt),
            stage,
        });
        let told = state.tell_message(self.settings().desk.queue, &message);
        drop(state);
        self.note(told);
    }

    fn over(&self, agent: AgentId, attempt: AttemptId, why: OverWhy, result: Option<String>) {
        let Some(session) = self.session(agent) else {
            return;
        };
        let mut state = session.state();
        if state.current(attempt).is_some() {
            state.forget_call();
        }
        let message = ServerMessage::CallOver(CallOver {
            call: CallId(attempt),
            why,
            result,
        });
        let told = state.tell_message(self.settings().desk.queue, &message);
        drop(state);
        self.note(told);
    }

    pub(super) fn dial(&self, session: &Session, dial: &Dial) -> Result<(), Fault> {
        let (agent, request) = (session.agent, dial.request);
        let fact = match (dial.call, &dial.lead) {
            (Some(call), None) => {
                let mut state = session.state();
                let current = state
                    .current(call.0)
                    .ok_or_else(|| not_your_call(request))?;
                if current.preview.is_some() {
                    Input::AgentAccepts {
                        agent,
                        attempt: call.0,
                        request,
                    }
                } else {
                    let lead = current.lead.as_ref().map(|lead| lead.lead);
                    Input::AgentDials {
                        agent,
                        request,
                        lead: lead.ok_or_else(|| not_your_call(request))?,
                    }
                }
            }
            (None, Some(lead)) => Input::AgentDials {
                agent,
                request,
                lead: lead.parse().map(LeadId).map_err(|_| {
                    Fault::field(ErrorCode::BadField, "lead", "not a lead of this engine")
                        .of_request(request)
                })?,
            },
            _ => {
                let expected = "exactly one of call and lead";
                return Err(Fault::field(ErrorCode::BadField, "call", expected).of_request(request));
            }
        };
        self.tell_floor(fact, request)
    }

    pub(super) fn skip(&self, session: &Session, skip: &Skip) -> Result<(), Fault> {
        // A desk that still shows a reason which left the configuration may use it.
        let reason = self
            .settings()
            .skip_reasons
            .iter()
            .position(|known| *known == skip.reason)
            .and_then(|index| u8::try_from(index).ok())
            .ok_or_else(|| {
                let expected = "one of skip_reasons of welcome";
                Fault::field(ErrorCode::BadField, "reason", expected).of_request(skip.request)
            })?;
        self.tell_floor(
            Input::AgentSkips {
                agent: session.agent,
                attempt: skip.call.0,
                request: skip.request,
                reason,
            },
            skip.request,
        )
    }

    pub(super) fn next(&self, session: &Session, next: &Next) -> Result<(), Fault> {
        let campaign = match &next.campaign {
            Some(name) => Some(self.parts.cards.campaign_named(name).ok_or_else(|| {
                Fault::field(ErrorCode::BadField, "campaign", "no such campaign")
                    .of_request(next.request)
            })?),
            None => None,
        };
        self.tell_floor(
            Input::AgentNext {
                agent: session.agent,
                request: next.request,
                campaign,
            },
            next.request,
        )
    }
}
