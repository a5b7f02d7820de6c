//! What stands before every handler: the Host allow list, the bearer token, a time limit; and the one form of errors.

use super::ApiState;
use super::rights::{self, Caller, audit, entry, forbidden};
use crate::shell::pages;
use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Longest time for one answer. Handlers wait for nobody; what takes longer is a client that sends its body slowly.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What may be asked without the token: a load balancer and a monitor have none, and neither sees a person there.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// An error as clients see it: a stable code and a sentence.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Refused {
            status,
            code,
            message: message.into(),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "code": self.code, "message": self.message });
        let mut response = (self.status, axum::Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Host headers that are answered. A page of somebody else can make a browser ask us under its own name (DNS rebinding);
/// the name in Host gives it away.
#[derive(Debug)]
pub struct AllowedHosts {
    listen: IpAddr,
    names: ArcSwap<Vec<String>>,
}

impl AllowedHosts {
    /// The listening address, `localhost` where that is it, and the configured names.
    pub fn new(listen: SocketAddr, names: &[String]) -> Self {
        let hosts = AllowedHosts {
            listen: listen.ip(),
            names: ArcSwap::default(),
        };
        hosts.set_names(names);
        hosts
    }

    /// Other configured names, from the next request on.
    pub fn set_names(&self, names: &[String]) {
        let names = names.iter().map(|name| name.to_ascii_lowercase());
        self.names.store(Arc::new(names.collect()));
    }

    /// Whether a Host header (with or without port) is one of ours.
    pub fn allow(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = without_port(&host);
        if self.names.load().iter().any(|allowed| allowed == name) {
            return true;
        }
        let is_local = self.listen.is_loopback() || self.listen.is_unspecified();
        match name.parse::<IpAddr>() {
            // An address cannot be rebound, and behind an unspecified one we do not know which are ours.
            Ok(address) => {
                address == self.listen
                    || self.listen.is_unspecified()
                    || (self.listen.is_loopback() && address.is_loopback())
            }
            Err(_) => is_local && name == "localhost",
        }
    }
}

/// `[::1]:80` -> `::1`, `host:80` -> `host`.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Host, token, time limit; then the handler. Counts the answer.
pub(super) async fn guard(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = match admit(&state, &request) {
        Ok(Some(asking)) => known(&state, asking).await.map(Some),
        Ok(None) => Ok(None),
        Err(refused) => Err(refused),
    };
    let mut response = match admitted {
        Ok(caller) => {
            let acts = caller.as_ref().and_then(|caller| act(caller, &request));
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            let answered = match tokio::time::timeout(ANSWER_MAX, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Refused::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "too_slow",
                    "The request took too long to arrive.",
                )
                .into_response(),
            };
            noted(&state, acts, answered).await
        }
        Err(refused) => refused.into_response(),
    };
    let headers = response.headers_mut();
    // Pages say themselves how long they may be kept.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    state.metrics.api_answer(response.status().as_str());
    response
}

/// A path without the `/api` that some put before it.
fn own_path(request: &Request) -> &str {
    let path = request.uri().path();
    match path.strip_prefix("/api") {
        Some(rest) if rest.starts_with("/v1/") => rest,
        _ => path,
    }
}

/// What changes something is noted with its answer; recordings, calls and ears note themselves, with whom they concern.
fn act(caller: &Caller, request: &Request) -> Option<(Caller, String)> {
    let method = request.method();
    let path = own_path(request);
    let notes_itself = ["/v1/recordings", "/v1/calls/", "/v1/ears"]
        .iter()
        .any(|room| path.starts_with(room));
    if matches!(*method, Method::GET | Method::HEAD) || notes_itself {
        return None;
    }
    // Cut: it may be anything of any length.
    let path: String = path
        .chars()
        .filter(char::is_ascii_graphic)
        .take(80)
        .collect();
    Some((caller.clone(), format!("{method} {path}")))
}

async fn noted(state: &ApiState, act: Option<(Caller, String)>, answer: Response) -> Response {
    let Some((caller, what)) = act else {
        return answer;
    };
    let status = answer.status();
    let note = entry(
        &caller.name,
        "api",
        what,
        status.is_success(),
        status.as_str(),
    );
    // Done already: a store that cannot take the note is told in the log, and the answer stands.
    let _ = audit(&state.access, note).await;
    answer
}

/// Who says that he may ask, and for what.
struct Asking {
    token: Option<String>,
    method: Method,
    path: String,
}

/// Host, and who asks; `None` where nobody needs to say so, or the address itself is signed.
fn admit(state: &ApiState, request: &Request) -> Result<Option<Asking>, Refused> {
    let header_of = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let only_one = request.headers().get_all(header::HOST).iter().count() == 1;
    let host = header_of(header::HOST).filter(|host| only_one && state.hosts.allow(host));
    // A request line with a whole URI names a host of its own, which wins over the header (RFC 9112 s.3.2.2).
    let authority = request.uri().authority();
    if host.is_none() || authority.is_some_and(|named| !state.hosts.allow(named.as_str())) {
        return Err(Refused::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong_host",
            "This host name is not served here; api.hosts in the configuration lists those that are.",
        ));
    }
    if OPEN.contains(&request.uri().path()) || pages::is_page(request.uri().path()) {
        return Ok(None);
    }
    let path = own_path(request);
    let is_signed = path.starts_with("/v1/recordings/")
        && path.ends_with("/audio")
        && matches!(*request.method(), Method::GET | Method::HEAD);
    if is_signed {
        return Ok(None);
    }
    let token = header_of(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    Ok(Some(Asking {
        token: token.map(str::to_owned),
        method: request.method().clone(),
        path: path.to_owned(),
    }))
}

/// The caller, if he may.
async fn known(state: &ApiState, asking: Asking) -> Result<Caller, Refused> {
    let caller = match asking.token {
        Some(token) if state.token.is(&token) => Some(Caller::admin()),
        Some(token) if token.len() == 64 => rights::caller(&state.access, token).await?,
        _ => None,
    };
    let Some(caller) = caller else {
        return Err(Refused::new(
            StatusCode::UNAUTHORIZED,
            "no_token",
            "Send `Authorization: Bearer` with a token of `tandem token add`, or that in admin.token of the engine's data directory.",
        ));
    };
    let need = rights::need(&asking.method, &asking.path);
    if need.is_met_by(&caller) {
        return Ok(caller);
    }
    let what = asking.path.chars().filter(char::is_ascii_graphic);
    let what = format!("{} {}", asking.method, what.take(80).collect::<String>());
    let note = entry(&caller.name, "api", what, false, need.word());
    audit(&state.access, note).await?;
    Err(forbidden(need.word()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered() {
        let names = ["tandem.bank.example".to_owned()];
        let local = AllowedHosts::new("127.0.0.1:7400".parse().unwrap(), &names);
        for good in [
            "127.0.0.1:7400",
            "127.0.0.1",
            "localhost:7400",
            "LOCALHOST",
            "[::1]:7400",
            "tandem.bank.example",
            "Tandem.Bank.Example:443",
        ] {
            assert!(local.allow(good), "{good}");
        }
        for bad in [
            "attacker.example",
            "tandem.bank.example.attacker.example",
            "localhost.attacker.example:7400",
            "192.0.2.1:7400",
            "",
            ":7400",
            "localhost:7400:7400",
        ] {
            assert!(!local.allow(bad), "{bad}");
        }
        let open = AllowedHosts::new("0.0.0.0:7400".parse().unwrap(), &[]);
        assert!(open.allow("192.0.2.1:7400") && !open.allow("attacker.example"));
        let one = AllowedHosts::new("192.0.2.1:7400".parse().unwrap(), &[]);
        assert!(one.allow("192.0.2.1") && !one.allow("localhost") && !one.allow("192.0.2.2"));
    }
}
