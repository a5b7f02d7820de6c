//! The handlers: read the picture, or hand one input to the floor.
//!
//! All acts take the urgent lane: a pause must not wait behind an import, nor overtake the start that came before it.

use super::ApiState;
use super::guard::Refused;
use super::view::{CampaignView, ModeView, PictureView};
use crate::config::nearest;
use crate::core::input::Input;
use crate::core::settings::CampaignState;
use crate::ids::CampaignId;
use crate::shell::lanes::Clock;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What was handed to the floor; not yet what it did.
type Accepted = Result<(StatusCode, Json<Value>), Refused>;
pub(super) type Body = Result<Bytes, BytesRejection>;

/// The process answers.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "alive": true }))
}

/// The engine can do its work, or why not.
pub(super) async fn readyz(State(state): State<ApiState>) -> Response {
    let reasons = state.readiness.reasons(&state.picture.load());
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons });
    (status, Json(body)).into_response()
}

/// Prometheus text. Made on a thread that may be slow: with hundreds of campaigns it costs milliseconds, and the runtime's own
/// threads have agents' sockets to serve.
pub(super) async fn metrics(State(state): State<ApiState>) -> Response {
    let made = tokio::task::spawn_blocking(move || {
        let picture = state.picture.load();
        state.metrics.observe(&picture, (state.backlogs)());
        let is_ready = state.readiness.reasons(&picture).is_empty();
        state.metrics.observe_readiness(is_ready);
        state.metrics.render()
    });
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    match made.await {
        Ok(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(fault) => {
            tracing::error!(%fault, "A scrape failed.");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Everything at one instant.
pub(super) async fn picture(State(state): State<ApiState>) -> Json<PictureView> {
    Json(PictureView::new(
        &state.picture.load(),
        Clock::new().now().unix.0,
        (state.backlogs)(),
        state.metrics.latencies(),
    ))
}

/// The campaigns of the picture.
pub(super) async fn campaigns(State(state): State<ApiState>) -> Json<Vec<CampaignView>> {
    let picture = state.picture.load();
    Json(picture.campaigns.iter().map(CampaignView::from).collect())
}

/// Starts a campaign.
pub(super) async fn start(State(state): State<ApiState>, name: Name) -> Accepted {
    set_state(&state, name, CampaignState::Running, "start")
}

/// Pauses a campaign: no new call; conversations go on.
pub(super) async fn pause(State(state): State<ApiState>, name: Name) -> Accepted {
    set_state(&state, name, CampaignState::Paused, "pause")
}

fn set_state(state: &ApiState, name: Name, to: CampaignState, act: &str) -> Accepted {
    let (name, id) = campaign(state, name)?;
    hand_over(state, Input::CampaignState(id, to))?;
    tracing::info!(campaign = %name, act, "A supervisor changed a campaign.");
    Ok(accepted(json!({ "accepted": act, "campaign": name })))
}

/// Another mode or ratio, in force at the next decision.
pub(super) async fn mode(State(state): State<ApiState>, name: Name, body: Body) -> Accepted {
    let (name, id) = campaign(&state, name)?;
    let wanted: ModeView = json_of(&body.map_err(unread)?)?;
    let mode = wanted.mode().ok_or_else(|| {
        Refused::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_ratio",
            "Send exactly one of {\"predictive\": true}, {\"progressive\": true}, {\"preview\": true}, {\"manual\": true}, \
             {\"lines_per_agent\": 1.2} or {\"lines_per_free_agent\": 2}; a ratio is 0.1 to 100 with at most three decimals.",
        )
    })?;
    hand_over(&state, Input::CampaignMode(id, mode))?;
    tracing::info!(campaign = %name, %mode, "A supervisor changed how a campaign dials.");
    Ok(accepted(
        json!({ "accepted": "mode", "campaign": name, "mode": wanted }),
    ))
}

/// Body of `/v1/stop`. Empty means: let ringing calls ring.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StopBody {
    cancel_ringing: bool,
}

/// No INVITE leaves from now on.
pub(super) async fn stop(State(state): State<ApiState>, body: Body) -> Accepted {
    let body = body.map_err(unread)?;
    // An alarm button must not fail on an empty body.
    let StopBody { cancel_ringing } = if body.is_empty() {
        StopBody::default()
    } else {
        json_of(&body)?
    };
    hand_over(&state, Input::StopDialling { cancel_ringing })?;
    tracing::warn!(cancel_ringing, "A supervisor stopped all dialling.");
    Ok(accepted(
        json!({ "accepted": "stop", "cancel_ringing": cancel_ringing }),
    ))
}

/// Dialling may go on.
pub(super) async fn resume(State(state): State<ApiState>) -> Accepted {
    if state.readiness.is_draining() {
        return Err(Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "draining",
            "The engine is ending: it finishes its calls and starts none.",
        ));
    }
    hand_over(&state, Input::ResumeDialling)?;
    tracing::warn!("A supervisor resumed dialling.");
    Ok(accepted(json!({ "accepted": "resume" })))
}

/// Body of `/v1/leads/changed`. Empty means: all campaigns.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LeadsBody {
    campaign: Option<String>,
}

/// An import ended: the floor asks for leads again.
pub(super) async fn leads_changed(State(state): State<ApiState>, body: Body) -> Accepted {
    let body = body.map_err(unread)?;
    let LeadsBody { campaign: named } = if body.is_empty() {
        LeadsBody::default()
    } else {
        json_of(&body)?
    };
    let ids = match named {
        Some(name) => vec![find(&state, &name)?],
        None => state.campaigns.load().values().copied().collect(),
    };
    for id in &ids {
        state
            .floor
            .bulk(Input::LeadsChanged(*id))
            .map_err(|full| behind(&full))?;
    }
    Ok(accepted(
        json!({ "accepted": "leads_changed", "campaigns": ids.len() }),
    ))
}

/// Nothing is here.
pub(super) async fn not_found() -> Refused {
    Refused::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "There is nothing at this path.",
    )
}

/// The path is known, the method is not.
pub(super) async fn method_not_allowed() -> Refused {
    Refused::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "This path does not know this method.",
    )
}

/// A campaign's name in the path.
pub(super) type Name = Result<Path<String>, PathRejection>;

pub(super) fn campaign(state: &ApiState, name: Name) -> Result<(String, CampaignId), Refused> {
    let Path(name) = name.map_err(|_| {
        Refused::new(
            StatusCode::BAD_REQUEST,
            "bad_path",
            "The campaign's name in the path cannot be read.",
        )
    })?;
    find(state, &name).map(|id| (name, id))
}

fn find(state: &ApiState, name: &str) -> Result<CampaignId, Refused> {
    let campaigns = state.campaigns.load();
    campaigns.get(name).copied().ok_or_else(|| {
        let known = campaigns.keys().map(String::as_str);
        let hint =
            nearest(name, known).map_or(String::new(), |near| format!(" Did you mean `{near}`?"));
        // The name is not repeated: it may be anything, and messages end in logs.
        Refused::new(
            StatusCode::NOT_FOUND,
            "no_such_campaign",
            format!("There is no campaign of this name.{hint}"),
        )
    })
}

fn hand_over(state: &ApiState, input: Input) -> Result<(), Refused> {
    state.floor.urgent(input).map_err(|full| behind(&full))
}

fn behind(full: &crate::shell::lanes::LaneFull) -> Refused {
    tracing::error!(
        waiting = full.waiting,
        "The floor is behind; a supervisor's act was refused."
    );
    Refused::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "engine_behind",
        "The engine is behind and took nothing; try again.",
    )
}

fn accepted(body: Value) -> (StatusCode, Json<Value>) {
    (StatusCode::ACCEPTED, Json(body))
}

pub(super) fn unread(rejection: BytesRejection) -> Refused {
    let status = rejection.status();
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Refused::new(
            status,
            "body_too_large",
            "The body is longer than this path takes.",
        ),
        _ => Refused::new(status, "bad_body", "The body did not arrive."),
    }
}

pub(super) fn json_of<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| {
        let what = if error.is_data() {
            "The body has an unknown key or a wrong type"
        } else {
            "The body is not JSON"
        };
        Refused::new(
            StatusCode::BAD_REQUEST,
            "bad_body",
            format!("{what} (line {}, column {}).", error.line(), error.column()),
        )
    })
}
