//! The agents' sound, as far as their socket speaks of it: offers and answers, the check, mute, hold, keys, the recording.
//!
//! Owns what each agent was told of his sound. The sound itself is the media plane's; whether he may be READY is the floor's.

use super::figures::DeskCount;
use super::line::Line;
use super::session::Session;
use super::{Desks, not_your_call};
use crate::core::effect::{AgentState, Effect};
use crate::core::input::{CallSign, Input};
use crate::ids::{AgentId, AttemptId};
use crate::shell::store::AgentAudio;
use crate::wire::desk::audio::{
    AudioAnswer, AudioKind, AudioLeg, AudioNews, AudioOffer, AudioSetup, Hold, IceServer, Keys,
    Record, RecordAction, RecordingState,
};
use crate::wire::desk::client::{ErrorCode, Fault};
use crate::wire::desk::server::ServerMessage;
use std::sync::Arc;

/// Why a browser's offer is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AudioRefused {
    /// The offer cannot be read, or has no audio that we speak.
    #[error("the offer cannot be used: {0}")]
    Offer(String),
    /// The media plane has no room for it now.
    #[error("no audio leg is free now; ask again")]
    Busy,
}

/// Where the answer to an offer goes. Called once, from any thread.
pub type AnswerTo = Box<dyn FnOnce(Result<String, AudioRefused>) + Send>;

/// What the desks ask of the media plane. Every call returns at once. A layer that does only a part of it (telephones, recordings)
/// names the one under it, which does the rest.
pub trait DeskAudio: Send + Sync {
    /// The layer under this one; `None`: there is none, and what is not done here is not done.
    fn under(&self) -> Option<&dyn DeskAudio>;
    /// Sets up the browser's leg, or restarts its ICE.
    fn offer(&self, agent: AgentId, sdp: String, answer: AnswerTo) {
        match self.under() {
            Some(under) => under.offer(agent, sdp, answer),
            None => answer(Err(AudioRefused::Busy)),
        }
    }
    /// The agent is logged in and uses a telephone at this SIP address: it is to be on the line for the shift.
    fn phone(&self, agent: AgentId, address: &str) {
        if let Some(under) = self.under() {
            under.phone(agent, address);
        }
    }
    /// The agent is logged out: his leg goes.
    fn gone(&self, agent: AgentId) {
        if let Some(under) = self.under() {
            under.gone(agent);
        }
    }
    /// Plays a tone and the agent's own voice.
    fn check(&self, agent: AgentId) {
        if let Some(under) = self.under() {
            under.check(agent);
        }
    }
    /// Takes the agent off the line, or back on.
    fn mute(&self, agent: AgentId, on: bool) {
        if let Some(under) = self.under() {
            under.mute(agent, on);
        }
    }
    /// Music for the customer, silence for the agent; or back.
    fn hold(&self, attempt: AttemptId, on: bool) {
        if let Some(under) = self.under() {
            under.hold(attempt, on);
        }
    }
    /// Keys towards the customer.
    fn keys(&self, attempt: AttemptId, digits: &str) {
        if let Some(under) = self.under() {
            under.keys(attempt, digits);
        }
    }
    /// Begins, pauses or resumes a recording; what it is then, or `None`: there is none to be had.
    fn record(
        &self,
        agent: AgentId,
        attempt: AttemptId,
        action: RecordAction,
    ) -> Option<RecordingState> {
        self.under()?.record(agent, attempt, action)
    }
}

/// No audio at all, for desks whose agents are all scripted.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAudio;

impl DeskAudio for NoAudio {
    fn under(&self) -> Option<&dyn DeskAudio> {
        None
    }
}

impl Desks {
    /// What `welcome` says about sound.
    pub(super) fn audio_setup(&self, audio: &AgentAudio) -> AudioSetup {
        let ice_servers = match audio {
            AgentAudio::Browser => self.settings().ice_servers.clone(),
            AgentAudio::Phone(_) | AgentAudio::None => Vec::new(),
        };
        AudioSetup {
            kind: match audio {
                AgentAudio::Browser => AudioKind::Browser,
                AgentAudio::Phone(_) => AudioKind::Phone,
                AgentAudio::None => AudioKind::None,
            },
            ice_servers: ice_servers
                .into_iter()
                .map(|server| IceServer {
                    urls: server.urls,
                    username: server.username,
                    credential: server.credential.map(|secret| secret.expose().clone()),
                })
                .collect(),
        }
    }

    pub(super) fn audio_offer(
        &self,
        session: &Session,
        line: &Arc<Line>,
        offer: AudioOffer,
    ) -> Result<(), Fault> {
        let request = offer.request;
        if session.state().audio_kind != AudioKind::Browser {
            return Err(Fault::whole(
                ErrorCode::AudioRefused,
                "this agent is not heard through a browser",
            )
            .of_request(request));
        }
        let (line, queue) = (Arc::clone(line), self.settings().desk.queue);
        let sequence = session.state().sequence;
        let answer: AnswerTo = Box::new(move |answered| {
            let text = match answered {
                Ok(sdp) => {
                    ServerMessage::AudioAnswer(AudioAnswer { request, sdp }).encode(sequence)
                }
                Err(why) => super::requests::fault_text(
                    sequence,
                    Fault::whole(ErrorCode::AudioRefused, why.to_string()).of_request(request),
                ),
            };
            // Too slow a reader is cut by the next news; the browser then offers anew.
            let _ = line.push(text.into(), None, queue);
        });
        self.parts.audio.offer(session.agent, offer.sdp, answer);
        Ok(())
    }

    pub(super) fn audio_check(&self, session: &Session, request: u64) -> Result<(), Fault> {
        let state = session.state();
        let is_quiet = state
            .news
            .as_ref()
            .is_none_or(|news| !matches!(news.state, AgentState::Talking | AgentState::Reserved));
        let has_leg = matches!(state.audio.leg, AudioLeg::Up);
        drop(state);
        if !is_quiet || !has_leg {
            return Err(Fault::whole(
                ErrorCode::NoAudio,
                "the microphone is checked between calls, on a leg that is up",
            )
            .of_request(request));
        }
        self.parts.audio.check(session.agent);
        Ok(())
    }

    pub(super) fn mute(&self, session: &Session, on: bool) -> Result<(), Fault> {
        self.parts.audio.mute(session.agent, on);
        self.change_audio(session, |audio| audio.muted = on);
        Ok(())
    }

    pub(super) fn hold(&self, session: &Session, hold: Hold) -> Result<(), Fault> {
        self.own_conversation(session, hold.call.0, hold.request)?;
        self.parts.audio.hold(hold.call.0, hold.on);
        self.change_audio(session, |audio| audio.held = hold.on);
        Ok(())
    }

    pub(super) fn keys(&self, session: &Session, keys: &Keys) -> Result<(), Fault> {
        self.own_conversation(session, keys.call.0, keys.request)?;
        self.parts.audio.keys(keys.call.0, &keys.digits);
        Ok(())
    }

    pub(super) fn record(&self, session: &Session, record: Record) -> Result<(), Fault> {
        self.own_conversation(session, record.call.0, record.request)?;
        let state = self
            .parts
            .audio
            .record(session.agent, record.call.0, record.action)
            .ok_or_else(|| {
                Fault::whole(
                    ErrorCode::NoAudio,
                    "this campaign has no recording that this could be asked of",
                )
                .of_request(record.request)
            })?;
        self.change_audio(session, |audio| audio.recording = state);
        Ok(())
    }

    fn own_conversation(
        &self,
        session: &Session,
        attempt: AttemptId,
        request: u64,
    ) -> Result<(), Fault> {
        let mut state = session.state();
        let is_on = state
            .current(attempt)
            .is_some_and(|call| call.ended.is_none() && call.preview.is_none());
        if is_on {
            Ok(())
        } else {
            Err(not_your_call(request))
        }
    }

    /// The media plane says how an agent's leg is.
    pub fn audio_leg(&self, agent: AgentId, leg: AudioLeg, checked: bool, checking: bool) {
        if let Some(session) = self.session(agent) {
            self.change_audio(&session, |audio| {
                audio.leg = leg;
                audio.checked = checked;
                audio.checking = checking;
            });
        }
    }

    /// A recording began, was paused or ended without the agent's asking.
    pub fn recording(&self, agent: AgentId, recording: RecordingState) {
        if let Some(session) = self.session(agent) {
            self.change_audio(&session, |audio| audio.recording = recording);
        }
    }

    /// What belongs to one call ends with it.
    pub(super) fn audio_after_call(&self, session: &Session) {
        self.change_audio(session, |audio| {
            audio.held = false;
            audio.muted = false;
            audio.recording = RecordingState::Off;
        });
    }

    fn change_audio(&self, session: &Session, change: impl FnOnce(&mut AudioNews)) {
        let mut state = session.state();
        let before = state.audio;
        change(&mut state.audio);
        if state.audio == before {
            return;
        }
        let message = ServerMessage::Audio(state.audio);
        let told = state.tell_message(self.settings().desk.queue, &message);
        drop(state);
        self.note(told);
    }

    /// The card is on the screen of an agent who must be heard: the floor watches the first seconds.
    pub(super) fn tell_painted(&self, attempt: AttemptId) {
        if self
            .parts
            .lane
            .urgent(Input::CallSign(attempt, CallSign::Painted))
            .is_err()
        {
            self.counts.add(DeskCount::FloorBusy);
        }
    }

    /// An agent who did not see his call, or was not heard: somebody should look at his desk.
    pub(super) fn unseen(&self, effect: &Effect) {
        let Effect::Unseen {
            attempt,
            agent,
            painted,
            heard,
        } = effect
        else {
            return;
        };
        self.counts.add(DeskCount::Unseen);
        tracing::error!(
            %agent, %attempt, painted, heard,
            "Five seconds after the bridge the card was not painted, or the agent could not be heard: he gets a break."
        );
    }
}
