//! Supervisors who listen, whisper or barge in: an ear on an agent's calls, opened and closed over HTTP, heard over WebRTC.
//!
//! Each mode is a right of its own, asked at the opening and at each change, and each is in the audit before anything is heard. Owns
//! which ears are open and whose; the sound is the media plane's.

use super::ApiState;
use super::control::{Body, json_of, unread};
use super::guard::Refused;
use super::rights::{self, Caller, Right, audit, entry, forbidden};
use crate::ids::{AgentId, AttemptId};
use crate::shell::desks::{AnswerTo, AudioRefused};
use crate::shell::recording::Tap;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Ears at once, of all supervisors: each is a WebRTC leg.
const EARS_MAX: usize = 64;
/// Longest wait for the media plane's answer to an offer. It answers within milliseconds; the guard gives up after 5 s.
const ANSWER_WAIT: Duration = Duration::from_secs(4);
/// Longest offer of a browser, in octets of JSON.
pub(super) const OFFER_MAX: usize = 32_768;

/// One supervisor's leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EarId(pub u64);

/// What a supervisor does on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarMode {
    /// Hears both; nobody hears him.
    Listen,
    /// The agent hears him too.
    Whisper,
    /// Both hear him.
    Barge,
}

impl EarMode {
    /// The right that it needs.
    pub const fn right(self) -> Right {
        match self {
            Self::Listen => Right::Listen,
            Self::Whisper => Right::Whisper,
            Self::Barge => Right::Barge,
        }
    }
}

/// What the API asks of the media plane. Every call returns at once.
pub trait CallAudio: Send + Sync {
    /// Opens a supervisor's leg on an agent; `answer` gets the SDP.
    fn ear_open(&self, ear: EarId, agent: AgentId, mode: EarMode, sdp: String, answer: AnswerTo);
    /// Another mode.
    fn ear_mode(&self, ear: EarId, mode: EarMode);
    /// The leg goes.
    fn ear_close(&self, ear: EarId);
    /// Puts a tap on a call. `false`: it is gone.
    fn record(&self, attempt: AttemptId, tap: Box<dyn Tap>) -> bool;
    /// The recording is paused, or goes on: those who listen hear silence meanwhile.
    fn pause_recording(&self, attempt: AttemptId, paused: bool);
}

#[derive(Clone, Debug)]
struct Ear {
    owner: String,
    agent: AgentId,
    mode: EarMode,
}

/// The ears that are open.
#[derive(Debug, Default)]
pub struct Ears {
    open: Mutex<(u64, BTreeMap<EarId, Ear>)>,
}

impl Ears {
    fn open(&self) -> MutexGuard<'_, (u64, BTreeMap<EarId, Ear>)> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, ear: Ear) -> Option<EarId> {
        let mut open = self.open();
        if open.1.len() >= EARS_MAX {
            return None;
        }
        open.0 += 1;
        let id = EarId(open.0);
        open.1.insert(id, ear);
        Some(id)
    }

    /// An ear of this owner. Somebody else's is as if it were not there.
    fn of(&self, id: EarId, owner: &str) -> Option<Ear> {
        let open = self.open();
        open.1.get(&id).filter(|ear| ear.owner == owner).cloned()
    }

    /// The media plane says that a leg is gone.
    pub fn gone(&self, id: EarId) {
        self.open().1.remove(&id);
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open().1.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An agent by his log-in name or his id.
#[derive(Deserialize)]
#[serde(untagged)]
enum Whom {
    Id(u32),
    Name(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenBody {
    agent: Whom,
    mode: EarMode,
    sdp: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModeBody {
    mode: EarMode,
}

/// Asks for the mode's own right; a refusal is noted.
async fn may(state: &ApiState, caller: &Caller, mode: EarMode, agent: &str) -> Result<(), Refused> {
    let right = mode.right();
    if caller.rights.has(right) {
        return Ok(());
    }
    let act = format!("ear.{}", right.word());
    let note = entry(&caller.name, act, agent, false, "no right");
    audit(&state.access, note).await?;
    Err(forbidden(right.word()))
}

/// Opens an ear.
pub(super) async fn open(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let OpenBody { agent, mode, sdp } = json_of(&body.map_err(unread)?)?;
    let agent = match agent {
        Whom::Id(id) => Some(AgentId(id)),
        Whom::Name(name) => {
            let access = Arc::clone(&state.access);
            rights::beside(move || access.agent(&name)).await?
        }
    };
    let target = agent.map_or("agent (unknown)".to_owned(), |id| format!("agent {id}"));
    may(&state, &caller, mode, &target).await?;
    let Some(agent) = agent else {
        return Err(Refused::new(
            StatusCode::NOT_FOUND,
            "no_such_agent",
            "There is no agent of this name.",
        ));
    };
    let ear = Ear {
        owner: caller.name.clone(),
        agent,
        mode,
    };
    let full = || {
        Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_ears",
            "As many supervisors listen as there is room for.",
        )
    };
    let id = state.ears.begin(ear).ok_or_else(full)?;
    let act = format!("ear.{}", mode.right().word());
    let note = entry(&caller.name, act, target, true, format!("ear {}", id.0));
    if let Err(refused) = audit(&state.access, note).await {
        state.ears.gone(id);
        return Err(refused);
    }
    let (tell, told) = tokio::sync::oneshot::channel();
    let answer: AnswerTo = Box::new(move |answered| {
        let _ = tell.send(answered);
    });
    let audio = &state.recordings.audio;
    audio.ear_open(id, agent, mode, sdp, answer);
    let answered = tokio::time::timeout(ANSWER_WAIT, told).await;
    match answered {
        Ok(Ok(Ok(sdp))) => Ok((
            StatusCode::CREATED,
            Json(json!({ "ear": id.0, "mode": mode, "sdp": sdp })),
        )),
        failed => {
            state.ears.gone(id);
            audio.ear_close(id);
            Err(match failed {
                Ok(Ok(Err(AudioRefused::Offer(why)))) => Refused::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "bad_offer",
                    format!("The offer cannot be used: {why}."),
                ),
                _ => Refused::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "no_audio",
                    "The agent cannot be heard now.",
                ),
            })
        }
    }
}

async fn own(
    state: &ApiState,
    caller: &Caller,
    id: Result<Path<u64>, PathRejection>,
) -> Result<(EarId, Ear), Refused> {
    let id = id.ok().map(|Path(id)| EarId(id));
    let found = id.and_then(|id| Some((id, state.ears.of(id, &caller.name)?)));
    match found {
        Some(found) => Ok(found),
        None => {
            let note = entry(
                &caller.name,
                "ear.change",
                "ear (unknown)",
                false,
                "not his",
            );
            audit(&state.access, note).await?;
            Err(Refused::new(
                StatusCode::NOT_FOUND,
                "no_such_ear",
                "You have no such ear.",
            ))
        }
    }
}

/// Another mode for an ear that is open.
pub(super) async fn change(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<u64>, PathRejection>,
    body: Body,
) -> Result<Json<Value>, Refused> {
    let (id, ear) = own(&state, &caller, id).await?;
    let ModeBody { mode } = json_of(&body.map_err(unread)?)?;
    let target = format!("agent {}", ear.agent);
    may(&state, &caller, mode, &target).await?;
    let act = format!("ear.{}", mode.right().word());
    let was = format!("ear {}, was {}", id.0, ear.mode.right().word());
    audit(&state.access, entry(&caller.name, act, target, true, was)).await?;
    if let Some(kept) = state.ears.open().1.get_mut(&id) {
        kept.mode = mode;
    }
    state.recordings.audio.ear_mode(id, mode);
    Ok(Json(json!({ "ear": id.0, "mode": mode })))
}

/// Closes an ear.
pub(super) async fn close(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<u64>, PathRejection>,
) -> Result<Json<Value>, Refused> {
    let (id, ear) = own(&state, &caller, id).await?;
    // Closed first: nothing stands in the way of ending it.
    state.ears.gone(id);
    state.recordings.audio.ear_close(id);
    let (target, what) = (format!("agent {}", ear.agent), format!("ear {}", id.0));
    audit(
        &state.access,
        entry(&caller.name, "ear.close", target, true, what),
    )
    .await?;
    Ok(Json(json!({ "closed": id.0 })))
}

impl CallAudio for crate::shell::media::MediaPlane {
    fn ear_open(&self, ear: EarId, agent: AgentId, mode: EarMode, sdp: String, answer: AnswerTo) {
        crate::shell::media::MediaPlane::ear_open(self, ear, agent, mode, sdp, answer);
    }
    fn ear_mode(&self, ear: EarId, mode: EarMode) {
        crate::shell::media::MediaPlane::ear_mode(self, ear, mode);
    }
    fn ear_close(&self, ear: EarId) {
        crate::shell::media::MediaPlane::ear_close(self, ear);
    }
    fn record(&self, attempt: AttemptId, tap: Box<dyn Tap>) -> bool {
        crate::shell::media::MediaPlane::record(self, attempt, tap)
    }
    fn pause_recording(&self, attempt: AttemptId, paused: bool) {
        // Gone already: then nobody listens either.
        let _ = crate::shell::media::MediaPlane::pause_recording(self, attempt, paused);
    }
}
