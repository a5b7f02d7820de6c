//! Recordings over HTTP: the list, one of them by ranges, signed addresses for players, and the word to begin, pause or resume.
//!
//! Every answer with sound in it is in the audit before its first octet leaves, and so is every refusal.

use super::ApiState;
use super::control::{Body, json_of, unread};
use super::ears::CallAudio;
use super::guard::Refused;
use super::links::{LinkKey, Signed};
use super::range::{Wanted, wanted};
use super::rights::{self, Caller, Right, audit, entry, forbidden};
use crate::ids::{AgentId, AttemptId};
use crate::shell::recording::shelf::{Playable, ShelfFault};
use crate::shell::recording::{NotRecorded, Recorder, RecordingId, RecordingNow};
use crate::shell::store::sqlite::{RecordingFilter, RecordingRow, RecordingState};
use crate::time::UnixMs;
use axum::Json;
use axum::body::{Body as Answer, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Recordings in one list, where nothing else is asked for.
const LIST_USUAL: u32 = 100;
/// Recordings in one list at most.
const LIST_MOST: u32 = 1_000;

/// What the API needs of recordings. Held by its handlers only.
pub struct Recordings {
    /// Who is recorded, and what lies on the shelf.
    pub recorder: Arc<Recorder>,
    /// The media plane, as far as people speak to it over HTTP.
    pub audio: Arc<dyn CallAudio>,
    /// Signed addresses.
    pub links: LinkKey,
}

impl std::fmt::Debug for Recordings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recordings")
    }
}

/// A recording as clients see it. Ids only: no name, no number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingView {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The attempt.
    pub attempt: u64,
    /// The agent's id.
    pub agent: u32,
    /// The campaign's name.
    pub campaign: String,
    /// The lead.
    pub lead: u64,
    /// When it began, in milliseconds since 1970.
    pub began_unix_ms: i64,
    /// "live", "closed", "converted", "broken", "erased".
    pub state: String,
    /// Length; absent while it is live.
    pub duration_ms: Option<u64>,
    /// Whether the person was told.
    pub announced: bool,
    /// Seconds that were lost.
    pub dropped_s: u32,
    /// Paused spans in milliseconds from its beginning.
    pub paused_ms: Vec<(u64, u64)>,
    /// SHA-256 of the sealed file, in hexadecimal digits (docs/recording.md).
    pub sha256: Option<String>,
    /// Length of the sealed file.
    pub octets: u64,
}

impl From<RecordingRow> for RecordingView {
    fn from(row: RecordingRow) -> Self {
        let digest = |octets: [u8; 32]| octets.iter().map(|byte| format!("{byte:02x}")).collect();
        RecordingView {
            id: row.id,
            attempt: row.attempt.0,
            agent: row.agent.0,
            campaign: row.campaign,
            lead: row.lead.0,
            began_unix_ms: row.began.0,
            state: row.state.word().to_owned(),
            duration_ms: row.duration_ms,
            announced: row.announced,
            dropped_s: row.dropped,
            paused_ms: serde_json::from_str(&row.paused).unwrap_or_default(),
            sha256: row.sha256.map(digest),
            octets: row.octets,
        }
    }
}

/// What a list is asked for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    campaign: Option<String>,
    agent: Option<u32>,
    attempt: Option<u64>,
    since: Option<i64>,
    until: Option<i64>,
    most: Option<u32>,
}

fn bad_question() -> Refused {
    Refused::new(
        StatusCode::BAD_REQUEST,
        "bad_query",
        "A list takes campaign, agent (its id), attempt, since and until (milliseconds since 1970) and most (1 to 1000).",
    )
}

/// Recordings, newest first.
pub(super) async fn list(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Vec<RecordingView>>, Refused> {
    let Query(asked) = asked.map_err(|_| bad_question())?;
    let most = asked.most.unwrap_or(LIST_USUAL);
    if !(1..=LIST_MOST).contains(&most) {
        return Err(bad_question());
    }
    let filter = RecordingFilter {
        campaign: asked.campaign,
        agent: asked.agent.map(AgentId),
        attempt: asked.attempt.map(AttemptId),
        since: asked.since.map(UnixMs),
        until: asked.until.map(UnixMs),
        most,
    };
    let note = entry(&caller.name, "recording.list", "recordings", true, "");
    audit(&state.access, note).await?;
    let recordings = Arc::clone(&state.recordings);
    let rows = rights::beside(move || recordings.recorder.shelf().book().list(&filter)).await?;
    Ok(Json(rows.into_iter().map(RecordingView::from).collect()))
}

type Id = Result<Path<String>, PathRejection>;

fn unknown() -> Refused {
    Refused::new(
        StatusCode::NOT_FOUND,
        "no_such_recording",
        "There is no recording of this name.",
    )
}

/// The id in a path. What is none is refused as what is unknown, and noted: somebody guesses.
async fn id_of(state: &ApiState, actor: &str, id: Id) -> Result<RecordingId, Refused> {
    let read = id.ok().and_then(|Path(text)| text.parse().ok());
    match read {
        Some(id) => Ok(id),
        None => {
            // What was written is not repeated: it may be anything.
            let note = entry(
                actor,
                "recording.fetch",
                "recording (no id)",
                false,
                "no such name",
            );
            audit(&state.access, note).await?;
            Err(unknown())
        }
    }
}

/// One recording, or a part of it, for whoever brings a token.
pub(super) async fn fetch(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: Id,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let id = id_of(&state, &caller.name, id).await?;
    answer(&state, &caller.name, id, &headers).await
}

/// The same for a player that was given a signed address.
pub(super) async fn fetch_signed(
    State(state): State<ApiState>,
    id: Id,
    signed: Result<Query<Signed>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let id = id_of(&state, "link", id).await?;
    let now = crate::shell::lanes::Clock::new().now().unix;
    let good = signed
        .ok()
        .map(|Query(signed)| signed)
        .filter(|signed| state.recordings.links.is_good(id, signed, now));
    let may = match &good {
        None => None,
        Some(signed) => {
            let (access, name) = (Arc::clone(&state.access), signed.by.clone());
            // Asked again: the token may have been revoked since.
            let caller = rights::beside(move || access.named(&name)).await?;
            caller.filter(|caller| caller.rights.has(Right::Recordings))
        }
    };
    match may {
        Some(caller) => answer(&state, &format!("link:{}", caller.name), id, &headers).await,
        None => {
            let target = format!("recording {id}");
            let note = entry(
                "link",
                "recording.fetch",
                target,
                false,
                "bad or old signature",
            );
            audit(&state.access, note).await?;
            Err(Refused::new(
                StatusCode::FORBIDDEN,
                "bad_link",
                "The address was altered, its time is over, or whoever made it has no right any more.",
            ))
        }
    }
}

fn refusal(fault: ShelfFault, id: RecordingId) -> Refused {
    match fault {
        ShelfFault::Unknown => unknown(),
        ShelfFault::NotThere(how) => {
            let status = if how == "erased" {
                StatusCode::GONE
            } else {
                StatusCode::CONFLICT
            };
            Refused::new(
                status,
                "recording_not_there",
                format!("The recording is {how}."),
            )
        }
        fault @ (ShelfFault::File(_) | ShelfFault::Store(_)) => {
            tracing::error!(recording = %id, %fault, "A recording cannot be given out.");
            Refused::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "recording_unreadable",
                "The recording cannot be read now; the engine's log says why.",
            )
        }
    }
}

async fn answer(
    state: &ApiState,
    actor: &str,
    id: RecordingId,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let recordings = Arc::clone(&state.recordings);
    let opened = tokio::task::spawn_blocking(move || {
        let shelf = recordings.recorder.shelf();
        let row = shelf.row(id)?;
        let playable = shelf.play(&row)?;
        Ok::<_, ShelfFault>((row, playable))
    });
    let opened = match opened.await {
        Ok(opened) => opened,
        Err(_) => Err(ShelfFault::NotThere("broken")),
    };
    let range = headers.get(header::RANGE).and_then(|it| it.to_str().ok());
    let target = format!("recording {id}");
    let (row, playable) = match opened {
        Ok(opened) => opened,
        Err(fault) => {
            let note = entry(actor, "recording.fetch", target, false, fault.to_string());
            audit(&state.access, note).await?;
            return Err(refusal(fault, id));
        }
    };
    let tag = entity_tag(&row);
    // A part of another file is of no use to a player (RFC 9110 s.13.1.5).
    let if_range = headers.get(header::IF_RANGE).map(HeaderValue::as_bytes);
    let range = range.filter(|_| if_range.is_none_or(|known| known == tag.as_bytes()));
    let length = playable.length();
    let wanted = wanted(range, length);
    let detail = match wanted {
        Wanted::Whole => format!("attempt {}", row.attempt),
        Wanted::Part(first, last) => format!("attempt {}, octets {first}-{last}", row.attempt),
        Wanted::Nothing => format!("attempt {}, no such octets", row.attempt),
    };
    audit(
        &state.access,
        entry(actor, "recording.fetch", target, true, detail),
    )
    .await?;
    let (status, first, count) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, length),
        Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Nothing => {
            let mut refused = Refused::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "no_such_range",
                format!("The recording has {length} octets."),
            )
            .into_response();
            put(
                refused.headers_mut(),
                header::CONTENT_RANGE,
                &format!("bytes */{length}"),
            );
            return Ok(refused);
        }
    };
    let ending = match &playable {
        Playable::Wav(_) => "wav",
        Playable::Ogg(_) => "ogg",
    };
    let mut response = Response::new(Answer::empty());
    *response.status_mut() = status;
    let own = response.headers_mut();
    put(own, header::CONTENT_TYPE, playable.media_type());
    put(own, header::CONTENT_LENGTH, &count.to_string());
    put(own, header::ACCEPT_RANGES, "bytes");
    put(own, header::ETAG, &tag);
    put(
        own,
        header::CONTENT_DISPOSITION,
        &format!("inline; filename=\"{id}.{ending}\""),
    );
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + count - 1;
        put(
            own,
            header::CONTENT_RANGE,
            &format!("bytes {first}-{last}/{length}"),
        );
    }
    // The length is in the headers; of a HEAD the server drops the rest.
    *response.body_mut() = Answer::from_stream(octets(playable, first, count));
    Ok(response)
}

fn put(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Changes with every octet of the file, and says nothing about them.
fn entity_tag(row: &RecordingRow) -> String {
    let digest = row.sha256.unwrap_or_default();
    let kind = if row.state == RecordingState::Converted {
        "o"
    } else {
        "w"
    };
    let start: String = digest[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{kind}{start}\"")
}

/// The octets, a block at a time, each opened when the one before has been taken: a slow player holds one block.
fn octets(
    playable: Playable,
    first: u64,
    count: u64,
) -> impl stream::Stream<Item = std::io::Result<Bytes>> + Send {
    stream::unfold(Some((playable, first, count)), |state| async move {
        let (mut playable, at, rest) = state.filter(|(_, _, rest)| *rest > 0)?;
        let most = usize::try_from(rest).unwrap_or(usize::MAX);
        let read = tokio::task::spawn_blocking(move || {
            let part = playable.read(at, most);
            (playable, part)
        });
        let ended = || Some((Err(std::io::ErrorKind::UnexpectedEof.into()), None));
        match read.await {
            Ok((playable, Ok(part))) if !part.is_empty() => {
                let read = part.len() as u64;
                Some((
                    Ok(Bytes::from(part)),
                    Some((playable, at + read, rest - read)),
                ))
            }
            Ok((_, Err(error))) => {
                tracing::error!(%error, "A recording broke off while it was given out.");
                ended()
            }
            Ok(_) | Err(_) => ended(),
        }
    })
}

/// A signed address of one recording.
pub(super) async fn link(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: Id,
) -> Result<Json<Value>, Refused> {
    let id = id_of(&state, &caller.name, id).await?;
    let recordings = Arc::clone(&state.recordings);
    let row = rights::beside(move || recordings.recorder.shelf().book().find(id)).await?;
    let target = format!("recording {id}");
    let is_known = row.is_some();
    let note = entry(&caller.name, "recording.link", target, is_known, "");
    audit(&state.access, note).await?;
    if !is_known {
        return Err(unknown());
    }
    let now = crate::shell::lanes::Clock::new().now().unix;
    let (path, until) = state.recordings.links.path(id, &caller.name, now);
    Ok(Json(json!({ "url": path, "until_unix_ms": until.0 })))
}

/// What is asked of a call's recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Start,
    Pause,
    Resume,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionBody {
    action: Action,
}

/// Begins, pauses or resumes the recording of a call. It has taken hold when the answer leaves.
pub(super) async fn act(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    attempt: Result<Path<u64>, PathRejection>,
    body: Body,
) -> Result<Json<Value>, Refused> {
    let attempt = attempt.map(|Path(id)| AttemptId(id)).map_err(|_| {
        Refused::new(
            StatusCode::NOT_FOUND,
            "no_such_call",
            "A call is named by its number.",
        )
    })?;
    let ActionBody { action } = json_of(&body.map_err(unread)?)?;
    if !caller.rights.has(Right::Record) {
        return Err(forbidden(Right::Record.word()));
    }
    let Recordings {
        recorder, audio, ..
    } = &*state.recordings;
    // First of all: every word between the command and this line would be kept.
    let done = match action {
        Action::Start => recorder.on_demand(attempt).and_then(|tap| {
            let taken = audio.record(attempt, tap);
            if taken {
                Ok(RecordingNow::On)
            } else {
                Err(NotRecorded::NoCall)
            }
        }),
        Action::Pause | Action::Resume => {
            let now = recorder.pause(attempt, action == Action::Pause);
            if now.is_ok() {
                audio.pause_recording(attempt, action == Action::Pause);
            }
            now
        }
    };
    let (act, target) = match action {
        Action::Start => ("recording.start", format!("call {attempt}")),
        Action::Pause => ("recording.pause", format!("call {attempt}")),
        Action::Resume => ("recording.resume", format!("call {attempt}")),
    };
    let why = done.err().map_or(String::new(), |why| why.to_string());
    audit(
        &state.access,
        entry(&caller.name, act, target, done.is_ok(), why),
    )
    .await?;
    match done {
        Ok(now) => {
            let word = match now {
                RecordingNow::Off => "off",
                RecordingNow::On => "on",
                RecordingNow::Paused => "paused",
            };
            let id = recorder.id_of(attempt).map(|id| id.to_string());
            Ok(Json(json!({ "recording": word, "id": id })))
        }
        Err(why) => {
            let (status, code) = match why {
                NotRecorded::NoCall => (StatusCode::NOT_FOUND, "no_such_call"),
                NotRecorded::Never => (StatusCode::CONFLICT, "never_recorded"),
                NotRecorded::Already => (StatusCode::CONFLICT, "recorded_already"),
                NotRecorded::Off => (StatusCode::CONFLICT, "not_recorded"),
                NotRecorded::TooOften => (StatusCode::CONFLICT, "paused_for_good"),
                NotRecorded::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, "no_room"),
            };
            Err(Refused::new(status, code, format!("Not done: {why}.")))
        }
    }
}
