//! `POST /v1/reload`: the configuration is read anew. Says what changed, or everything that stands against it.

use super::ApiState;
use super::control::{Body, json_of, unread};
use super::guard::Refused;
use crate::shell::reload::{Asked, Asker, ReloadRefused};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// Body of `/v1/reload`. Empty means: do it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReloadBody {
    dry_run: bool,
}

/// Reads the configuration anew, or only says what that would do.
pub(super) async fn reload(State(state): State<ApiState>, body: Body) -> Result<Response, Refused> {
    let body = body.map_err(unread)?;
    let ReloadBody { dry_run } = if body.is_empty() {
        ReloadBody::default()
    } else {
        json_of(&body)?
    };
    let asked = Asked {
        by: Asker::Api,
        dry_run,
    };
    let act = state.reload.clone();
    // It reads files and writes a few rows: not on a thread that serves others.
    let done = tokio::task::spawn_blocking(move || act(asked)).await;
    match done {
        Ok(Ok(report)) => Ok((StatusCode::OK, Json(report)).into_response()),
        Ok(Err(refused)) => Ok((status(&refused), Json(refused.problem())).into_response()),
        Err(_) => Err(Refused::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed",
            "The reload ended by a defect of the engine; its log says more.",
        )),
    }
}

fn status(refused: &ReloadRefused) -> StatusCode {
    match refused {
        ReloadRefused::Announcement(_)
        | ReloadRefused::Faults(_)
        | ReloadRefused::Zone(_)
        | ReloadRefused::Route(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ReloadRefused::NeedsRestart { .. } | ReloadRefused::NoRoom(_) => StatusCode::CONFLICT,
        ReloadRefused::Behind | ReloadRefused::Draining | ReloadRefused::Store(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
