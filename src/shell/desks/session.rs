//! One agent's session: outlives its sockets. What the agent was told, what holds now, and which socket is the present one.
//!
//! Owns the sequence numbers, the kept messages and the current call's facts. Decides nothing about the agent's state: it
//! repeats what the floor said.

use super::line::{Line, Mark, Pushed};
use super::ring::Ring;
use super::translate;
use crate::core::effect::AgentNews;
use crate::ids::{AgentId, AttemptId};
use crate::shell::cards::erase;
use crate::shell::store::LeadRecord;
use crate::time::{Mono, UnixMs};
use crate::wire::desk::audio::{AudioKind, AudioNews};
use crate::wire::desk::client::CallId;
use crate::wire::desk::preview::{CallProgress, CallStage, PreviewFrame, preview};
use crate::wire::desk::server::{CallEnded, Saved, ServerMessage, connected};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Outcomes of one agent that may wait for the store. One call at a time makes one; two where a call ends while the last is saved.
const PENDING_MAX: usize = 8;

/// A session. Shared by the address book and by its sockets' tasks.
pub(super) struct Session {
    pub(super) agent: AgentId,
    state: Mutex<State>,
}

/// What changes.
pub(super) struct State {
    /// 128 random bits in hexadecimal; another one after each log-in.
    pub(super) id: String,
    /// Number of the last news.
    pub(super) sequence: u64,
    pub(super) ring: Ring,
    /// The present socket.
    pub(super) line: Option<Arc<Line>>,
    /// What the floor said last.
    pub(super) news: Option<AgentNews>,
    pub(super) call: Option<CurrentCall>,
    /// What he was told of his sound, and how he is heard.
    pub(super) audio: AudioNews,
    pub(super) audio_kind: AudioKind,
    /// Outcomes on their way to the floor or the store: request and call.
    pub(super) pending: Vec<(u64, AttemptId)>,
    /// The last outcome that became durable: asked again after a cut, it is confirmed again.
    pub(super) saved: Option<Saved>,
    /// The last wish for a state or a hang-up: the floor's refusals do not number them.
    pub(super) last_request: Option<u64>,
    /// The floor knows the agent.
    pub(super) seated: bool,
    /// The floor was told that the socket is lost.
    pub(super) lost_told: bool,
    /// The floor said OFFLINE: nobody may come back to this session.
    pub(super) ended: bool,
}

/// The call on the agent's line, or in wrap-up.
pub(super) struct CurrentCall {
    pub(super) attempt: AttemptId,
    /// `None`: the book did not know the call.
    pub(super) lead: Option<Arc<LeadRecord>>,
    /// The card's body as it was pushed, or as it came later.
    pub(super) body: Option<Bytes>,
    pub(super) complete: bool,
    pub(super) answered_at: UnixMs,
    pub(super) answered: Mono,
    pub(super) ended: Option<CallEnded>,
    pub(super) saved: Option<Saved>,
    /// When the card's last byte was given to the kernel, for the present socket.
    pub(super) written: Option<Mono>,
    /// The agent looks at the lead, or has said "dial": nobody is on the line.
    pub(super) preview: Option<PreviewFrame>,
    /// How far the call is that came of the preview.
    pub(super) progress: Option<CallStage>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The kernel has its last byte.
    Written,
    /// In the socket's queue, or kept for the next socket.
    Yes,
    /// Kept, and the socket is closed: its queue was full.
    TooSlow,
}

impl Session {
    pub(super) fn new(agent: AgentId) -> Arc<Session> {
        Arc::new(Session {
            agent,
            state: Mutex::new(State {
                id: String::new(),
                sequence: 0,
                ring: Ring::default(),
                line: None,
                news: None,
                call: None,
                audio: AudioNews::default(),
                audio_kind: AudioKind::None,
                pending: Vec::new(),
                saved: None,
                last_request: None,
                seated: false,
                lost_told: false,
                ended: false,
            }),
        })
    }

    /// Held for a few microseconds, never over a wait.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        super::locked(&self.state)
    }
}

impl State {
    /// Tells a piece of news under the next number. `about`: whose personal data is in it.
    pub(super) fn tell(
        &mut self,
        queue: usize,
        about: Option<AttemptId>,
        mark: Option<Mark>,
        encode: impl FnOnce(u64) -> String,
    ) -> Told {
        let text = self.number(about, encode);
        let Some(line) = &self.line else {
            return Told::Yes;
        };
        match line.push(text, mark, queue) {
            Pushed::Written => Told::Written,
            Pushed::Waits => Told::Yes,
            Pushed::TooSlow => {
                // The task ends by itself and reports the loss; nothing more goes to this socket.
                self.line = None;
                Told::TooSlow
            }
        }
    }

    /// News without personal data.
    pub(super) fn tell_message(&mut self, queue: usize, message: &ServerMessage) -> Told {
        self.tell(queue, None, None, |sequence| message.encode(sequence))
    }

    fn number(
        &mut self,
        about: Option<AttemptId>,
        encode: impl FnOnce(u64) -> String,
    ) -> Utf8Bytes {
        self.sequence += 1;
        let text = Utf8Bytes::from(encode(self.sequence));
        self.ring.keep(self.sequence, text.clone(), about);
        text
    }

    /// Everything that holds now, under new numbers: state, call with card, its end, its outcome.
    pub(super) fn snapshot(&mut self, now: UnixMs, break_reasons: &[String]) -> Vec<Utf8Bytes> {
        let mut messages = Vec::with_capacity(4);
        if let Some(news) = self.news.clone() {
            let state = ServerMessage::State(translate::state_news(&news, break_reasons));
            messages.push(self.number(None, |sequence| state.encode(sequence)));
        }
        if self.audio_kind != AudioKind::None {
            let audio = ServerMessage::Audio(self.audio);
            messages.push(self.number(None, |sequence| audio.encode(sequence)));
        }
        let Some(call) = &self.call else {
            return messages;
        };
        let (attempt, answered_at) = (call.attempt, call.answered_at);
        let (preview_frame, progress) = (call.preview, call.progress);
        let (body, ended, saved) = (call.body.clone(), call.ended.clone(), call.saved.clone());
        if let Some(body) = body
            .as_deref()
            .and_then(|body| std::str::from_utf8(body).ok())
        {
            messages.push(self.number(Some(attempt), |sequence| match &preview_frame {
                Some(frame) => preview(sequence, frame, body),
                None => connected(sequence, CallId(attempt), answered_at, now, body),
            }));
        }
        if let Some(stage) = progress {
            let message = ServerMessage::CallProgress(CallProgress {
                call: CallId(attempt),
                stage,
            });
            messages.push(self.number(None, |sequence| message.encode(sequence)));
        }
        let after = [
            ended.map(ServerMessage::CallEnded),
            saved.map(ServerMessage::Saved),
        ];
        for message in after.into_iter().flatten() {
            messages.push(self.number(None, |sequence| message.encode(sequence)));
        }
        messages
    }

    /// The call is done with: its card and what was said of its customer are overwritten.
    pub(super) fn forget_call(&mut self) -> Option<AttemptId> {
        let call = self.call.take()?;
        erase(call.body);
        self.ring.forget(call.attempt);
        Some(call.attempt)
    }

    /// The current call, if it is this one.
    pub(super) fn current(&mut self, attempt: AttemptId) -> Option<&mut CurrentCall> {
        self.call.as_mut().filter(|call| call.attempt == attempt)
    }

    /// Notes that an outcome waits for the store.
    pub(super) fn expect_saved(&mut self, request: u64, attempt: AttemptId) {
        if self.pending.len() >= PENDING_MAX {
            self.pending.remove(0);
        }
        self.pending.push((request, attempt));
    }

    /// No longer waits for it. The call it was about.
    pub(super) fn settle(&mut self, request: u64) -> Option<AttemptId> {
        let place = self
            .pending
            .iter()
            .position(|(pending, _)| *pending == request)?;
        Some(self.pending.remove(place).1)
    }
}
