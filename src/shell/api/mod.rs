//! HTTP: health, metrics, the picture, the few acts of a supervisor, recordings. Translates acts into inputs of the floor; decides
//! nothing, and answers 202 before the floor has acted: the picture shows when it has.
//!
//! Owns the listener's bounds, tokens and their rights, and the form of answers. Never shows a person; a recording only to whom its
//! audit names.

pub mod client;
mod control;
pub mod ears;
mod explain;
mod guard;
mod ledger_view;
mod links;
mod listener;
mod mode_arg;
mod pinned;
mod range;
mod recordings;
mod reload;
pub mod rights;
mod token;
mod view;

pub use explain::{DecisionView, ForecastView, explained};
pub use guard::AllowedHosts;
pub use ledger_view::LedgerView;
pub use links::LinkKey;
pub use mode_arg::{ModeArg, ratio};
pub use recordings::{RecordingView, Recordings};
pub use token::{AdminToken, TOKEN_FILE, TokenError};
pub use view::{CampaignView, LanesView, ModeView, PictureView, TrunkView};

use crate::config::ApiConfig;
use crate::core::picture::Picture;
use crate::ids::CampaignId;
use crate::shell::decisions::Decisions;
use crate::shell::lanes::{Clock, FloorLane};
use crate::shell::metrics::{Backlogs, Metrics};
use crate::shell::pages::{self, Pages};
use crate::shell::reload::ReloadAct;
use crate::shell::tls::TlsDoor;
use crate::time::Mono;
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpListener;

/// Longest body of a request in bytes: the longest that means anything is below 100.
const BODY_MAX: usize = 4_096;

/// A floor that has not turned for this long is stuck: its thread turns at least every 500 ms, with nothing to do too.
const FLOOR_SILENT_MAX: Duration = Duration::from_secs(2);

/// Open campaigns by name. Shared by the API and the reload.
pub type CampaignIds = Arc<ArcSwap<BTreeMap<String, CampaignId>>>;

/// What the API needs of the engine. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// The way into the floor.
    pub floor: FloorLane,
    /// The floor's last picture; the floor's thread replaces it.
    pub picture: Arc<ArcSwap<Picture>>,
    /// The last pacing decisions; the floor's thread adds to them.
    pub decisions: Decisions,
    /// Open campaigns by name; a reload swaps them.
    pub campaigns: CampaignIds,
    /// All figures; shared with every shell.
    pub metrics: Arc<Metrics>,
    /// What waits where, asked at each scrape.
    pub backlogs: Arc<dyn Fn() -> Backlogs + Send + Sync>,
    /// Whether the engine can do its work; the floor's thread, SIP and `serve` report to it.
    pub readiness: Arc<Readiness>,
    /// Reads the configuration anew.
    pub reload: ReloadAct,
    /// The token that may everything.
    pub token: Arc<AdminToken>,
    /// All others, and the audit.
    pub access: Arc<rights::Access>,
    /// Recordings, and the media plane as far as people speak to it.
    pub recordings: Arc<Recordings>,
    /// Supervisors' ears that are open; the media plane tells when one is gone.
    pub ears: Arc<ears::Ears>,
    /// Host headers that are answered.
    pub hosts: Arc<AllowedHosts>,
    /// Pages that are served beside it.
    pub pages: Arc<Pages>,
}

impl FromRef<ApiState> for Arc<Pages> {
    fn from_ref(state: &ApiState) -> Self {
        Arc::clone(&state.pages)
    }
}

/// Whether the engine can do its work, as its parts report it.
#[derive(Debug)]
pub struct Readiness {
    clock: Clock,
    /// Monotonic microseconds of the floor's last turn, 0 before the first.
    floor_turned_us: AtomicU64,
    sip_bound: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// Nothing has reported yet.
    pub fn new(clock: Clock) -> Self {
        Readiness {
            clock,
            floor_turned_us: AtomicU64::new(0),
            sip_bound: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        }
    }

    /// The floor has taken a turn. Called by its thread at least every 500 ms; one relaxed store.
    pub fn floor_turned(&self, at: Mono) {
        self.floor_turned_us.store(at.0.max(1), Relaxed);
    }

    /// SIP is bound, or no longer.
    pub fn set_sip_bound(&self, is: bool) {
        self.sip_bound.store(is, Relaxed);
    }

    /// The engine is stopping: finish what is there, send nothing new.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// The engine finishes its calls and starts none.
    pub fn set_draining(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether the floor has taken a turn within the last two seconds. `/readyz` and the service manager's watchdog ask.
    pub fn is_floor_turning(&self) -> bool {
        let turned = self.floor_turned_us.load(Relaxed);
        turned > 0 && self.clock.mono().since(Mono(turned)) <= FLOOR_SILENT_MAX
    }

    /// Why the engine is not ready; empty: it is. Codes are stable.
    pub fn reasons(&self, picture: &Picture) -> Vec<&'static str> {
        [
            (!self.is_floor_turning(), "floor_not_turning"),
            (!picture.store_ready, "store_not_ready"),
            (!self.sip_bound.load(Relaxed), "sip_not_bound"),
            (self.draining.load(Relaxed), "draining"),
        ]
        .into_iter()
        .filter_map(|(is, why)| is.then_some(why))
        .collect()
    }
}

/// The API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ApiFailed {
    /// The address is taken or not ours.
    #[error("api.listen {listen} cannot be bound: {source}")]
    Bind {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The listener broke.
    #[error("the API stopped: {0}")]
    Serve(#[from] std::io::Error),
}

/// Binds the address, so that a start fails before the first call and not after it.
pub async fn bind(config: &ApiConfig) -> Result<TcpListener, ApiFailed> {
    TcpListener::bind(config.listen)
        .await
        .map_err(|source| ApiFailed::Bind {
            listen: config.listen,
            source,
        })
}

/// Serves until `stop` resolves; requests that are being answered are finished. Plain.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ApiFailed> {
    serve_behind(None, listener, state, stop).await
}

/// The same behind a door, if there is one: HTTPS.
pub async fn serve_behind(
    door: Option<Arc<TlsDoor>>,
    listener: TcpListener,
    state: ApiState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ApiFailed> {
    let doors = listener::BoundedListener::new(listener, door);
    axum::serve(doors, router(state))
        .with_graceful_shutdown(stop)
        .await?;
    Ok(())
}

/// What concerns conversations: recordings, and supervisors' ears.
fn people(below: &str) -> Router<ApiState> {
    let at = |path: &str| format!("{below}{path}");
    let ears = Router::new()
        .route(&at("/ears"), post(ears::open))
        .layer(DefaultBodyLimit::max(ears::OFFER_MAX));
    Router::new()
        .route(&at("/recordings"), get(recordings::list))
        .route(&at("/recordings/{id}"), get(recordings::fetch))
        .route(&at("/recordings/{id}/audio"), get(recordings::fetch_signed))
        .route(&at("/recordings/{id}/link"), post(recordings::link))
        .route(&at("/calls/{attempt}/recording"), post(recordings::act))
        .route(
            &at("/ears/{ear}"),
            axum::routing::patch(ears::change).delete(ears::close),
        )
        .merge(ears)
}

fn router(state: ApiState) -> Router {
    Router::new()
        .route("/healthz", get(control::healthz))
        .route("/readyz", get(control::readyz))
        .route("/metrics", get(control::metrics))
        .route("/v1/picture", get(control::picture))
        .route("/v1/campaigns", get(control::campaigns))
        .route("/v1/campaigns/{name}/start", post(control::start))
        .route("/v1/campaigns/{name}/pause", post(control::pause))
        .route("/v1/campaigns/{name}/decisions", get(explain::decisions))
        .route("/v1/campaigns/{name}/mode", put(control::mode))
        .route("/v1/campaigns/{name}/ratio", put(control::mode))
        .route("/v1/stop", post(control::stop))
        .route("/v1/resume", post(control::resume))
        .route("/v1/leads/changed", post(control::leads_changed))
        .route("/v1/reload", post(reload::reload))
        .merge(people("/v1"))
        // Where a site's own pages and the engine share a host, all of this lies below /api.
        .merge(people("/api/v1"))
        .merge(pages::routes())
        .fallback(control::not_found)
        .method_not_allowed_fallback(control::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}
