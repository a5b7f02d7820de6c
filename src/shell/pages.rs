//! The agents' page under `/desk/`, built into the program: what is served, under which policy, and where its socket is.
//!
//! Owns the list of files, their tags and the headers. Serves no datum of anybody: the page logs in over its websocket. Its
//! sources are in `web/`; a test holds the built files against them.

use crate::config::{ApiConfig, PagesConfig};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Path of the agents' websocket.
const SOCKET_PATH: &str = crate::wire::desk::PATH;

/// A file of the page: its name below `/desk/` and its content.
type File = (&'static str, &'static str);

macro_rules! files {
    ($($name:literal from $path:literal,)*) => { &[$(($name, include_str!(concat!("../../web/", $path))),)*] };
}

/// Names keep the relative places that the modules have in `web/`: their imports are taken as they are.
const FILES: &[File] = files! {
    "" from "desk/index.html",
    "icon.svg" from "desk/icon.svg",
    "page/desk.css" from "desk/desk.css",
    "page/dist/card.js" from "desk/dist/card.js",
    "page/dist/desk.js" from "desk/dist/desk.js",
    "page/dist/dom.js" from "desk/dist/dom.js",
    "page/dist/format.js" from "desk/dist/format.js",
    "page/dist/main.js" from "desk/dist/main.js",
    "page/dist/outcome.js" from "desk/dist/outcome.js",
    "page/dist/words.js" from "desk/dist/words.js",
    "softphone/dist/audio.js" from "softphone/dist/audio.js",
    "softphone/dist/care.js" from "softphone/dist/care.js",
    "softphone/dist/emitter.js" from "softphone/dist/emitter.js",
    "softphone/dist/fault.js" from "softphone/dist/fault.js",
    "softphone/dist/index.js" from "softphone/dist/index.js",
    "softphone/dist/levels.js" from "softphone/dist/levels.js",
    "softphone/dist/protocol.js" from "softphone/dist/protocol.js",
    "softphone/dist/session.js" from "softphone/dist/session.js",
    "softphone/dist/softphone.js" from "softphone/dist/softphone.js",
    "softphone/dist/stats.js" from "softphone/dist/stats.js",
    "softphone/dist/tones.js" from "softphone/dist/tones.js",
    "softphone/dist/view.js" from "softphone/dist/view.js",
};

/// The pages, laid out once.
#[derive(Debug)]
pub struct Pages {
    is_served: bool,
    socket_url: Option<String>,
    socket_port: u16,
    files: BTreeMap<&'static str, Asset>,
}

#[derive(Debug)]
struct Asset {
    kind: &'static str,
    tag: String,
    text: &'static str,
}

impl Pages {
    /// Pages whose socket is on `desk_listen`, unless the configuration names another address.
    pub fn new(config: &PagesConfig, desk_listen: SocketAddr) -> Self {
        let files = FILES.iter().map(|(name, text)| {
            let hash = Sha256::digest(text);
            let tag = hash[..12]
                .iter()
                .fold(String::from("\""), |tag, byte| tag + &format!("{byte:02x}"))
                + "\"";
            let kind = kind_of(name);
            (*name, Asset { kind, tag, text })
        });
        Pages {
            is_served: config.desk,
            socket_url: config.socket_url.clone(),
            socket_port: desk_listen.port(),
            files: files.collect(),
        }
    }

    /// The file of a path below `/desk/`, under the policy for a page that was asked for as `host`.
    fn answer(&self, name: &str, host: &str, known_tag: Option<&str>) -> Response {
        if !self.is_served {
            return not_here();
        }
        if name == "settings.json" {
            return self.settings();
        }
        let Some(asset) = self.files.get(name) else {
            return not_here();
        };
        // Asked each time and rarely sent again: a new program's page is there at the next load, the old one costs a 304.
        let mut headers = HeaderMap::new();
        put(&mut headers, header::CACHE_CONTROL, "no-cache");
        put(&mut headers, header::ETAG, &asset.tag);
        put(&mut headers, header::CONTENT_TYPE, asset.kind);
        put(
            &mut headers,
            header::CONTENT_SECURITY_POLICY,
            &self.policy(host),
        );
        for (name, value) in SAFETY {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        if known_tag.is_some_and(|known| {
            known
                .split(',')
                .any(|tag| tag.trim().trim_start_matches("W/") == asset.tag)
        }) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, asset.text).into_response()
    }

    /// What the page must know: where the socket is. Without an address of its own it takes the page's host and this port.
    fn settings(&self) -> Response {
        let settings = serde_json::json!({
            "socket": self.socket_url,
            "socket_port": self.socket_port,
            "socket_path": SOCKET_PATH,
        });
        let mut response = axum::Json(settings).into_response();
        let headers = response.headers_mut();
        put(headers, header::CONNECTION, "close");
        response
    }

    /// Scripts, styles and pictures of ours alone, one socket, no frame, no form, no markup from strings.
    fn policy(&self, host: &str) -> String {
        let sockets = match &self.socket_url {
            Some(url) => url.strip_suffix(SOCKET_PATH).unwrap_or(url).to_owned(),
            None => {
                let name = without_port(host);
                // The grammar of policies has no IPv6 address (CSP3 s.2.3.1, host-source); the port at least is ours.
                let is_name = name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
                let name = if is_name { name } else { "*" };
                format!(
                    "ws://{name}:{port} wss://{name}:{port}",
                    port = self.socket_port
                )
            }
        };
        format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {sockets}; \
             media-src 'self' blob: mediastream:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'"
        )
    }
}

/// The same for every file. A connection is closed after its answer: the listener has few, and a shift's agents load the page in
/// the same minute.
const SAFETY: [(&str, &str); 6] = [
    ("connection", "close"),
    (
        "permissions-policy",
        "microphone=(self), speaker-selection=(self), camera=(), geolocation=(), payment=()",
    ),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
];

/// Routes of the pages, for a state that has them.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Pages>: axum::extract::FromRef<S>,
{
    Router::new()
        .route("/desk", get(|| async { Redirect::permanent("/desk/") }))
        .route("/desk/", get(index))
        .route("/desk/{*name}", get(file))
}

/// Whether a path is a page: asked for without a token, shows nobody.
pub fn is_page(path: &str) -> bool {
    path == "/desk" || path.starts_with("/desk/")
}

async fn index(State(pages): State<Arc<Pages>>, headers: HeaderMap) -> Response {
    serve(&pages, "", &headers)
}

async fn file(
    State(pages): State<Arc<Pages>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    serve(&pages, &name, &headers)
}

fn serve(pages: &Pages, name: &str, headers: &HeaderMap) -> Response {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    pages.answer(
        name,
        text(header::HOST).unwrap_or_default(),
        text(header::IF_NONE_MATCH),
    )
}

/// Origins of the engine's own pages, for the agents' socket: the page and the socket are two listeners, so for a browser two
/// origins. Behind an unspecified address only names that we know are ours; others belong into `desk.origins`.
pub fn own_origins(pages: &PagesConfig, api: &ApiConfig) -> Vec<String> {
    if !pages.desk {
        return Vec::new();
    }
    let listen = api.listen;
    let mut names: Vec<String> = api.hosts.clone();
    let ip = listen.ip();
    if ip.is_loopback() || ip.is_unspecified() {
        names.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
    }
    if !ip.is_unspecified() {
        let name = match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let origins = names.iter().flat_map(|name| {
        // A browser leaves the scheme's own port out.
        [("http", 80), ("https", 443)].map(|(scheme, usual)| {
            if listen.port() == usual {
                format!("{scheme}://{name}")
            } else {
                format!("{scheme}://{name}:{}", listen.port())
            }
        })
    });
    origins.collect()
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    }
}

/// `[::1]:80` -> `[::1]`, `host:80` -> `host`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty()
                && port.bytes().all(|b| b.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Everything that comes here is ASCII of ours or was checked; what is not is left out rather than sent broken.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn not_here() -> Response {
    (StatusCode::NOT_FOUND, "There is no such page.\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Pages {
        Pages::new(&PagesConfig::default(), "127.0.0.1:7410".parse().unwrap())
    }

    fn header_of<'a>(response: &'a Response, name: &str) -> &'a str {
        response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn every_file_is_served_with_its_kind_its_tag_and_a_policy_that_lets_nothing_foreign_in() {
        let pages = pages();
        for (name, text) in FILES {
            let response = pages.answer(name, "127.0.0.1:7400", None);
            assert_eq!(response.status(), StatusCode::OK, "{name}");
            let policy = header_of(&response, "content-security-policy");
            assert!(
                policy.starts_with("default-src 'none';") && !policy.contains("unsafe"),
                "{policy}"
            );
            assert!(
                policy.contains("connect-src 'self' ws://127.0.0.1:7410 wss://127.0.0.1:7410;"),
                "{policy}"
            );
            assert!(header_of(&response, "permissions-policy").starts_with("microphone=(self)"));
            let tag = header_of(&response, "etag").to_owned();
            assert_eq!(
                pages.answer(name, "h", Some(&tag)).status(),
                StatusCode::NOT_MODIFIED
            );
            assert_eq!(
                pages.answer(name, "h", Some("\"other\"")).status(),
                StatusCode::OK
            );
            assert!(!text.is_empty());
        }
        assert_eq!(
            pages.answer("page/dist/none.js", "h", None).status(),
            StatusCode::NOT_FOUND
        );
    }

    #[test]
    fn every_module_that_a_module_imports_is_served_and_nothing_is_fetched_elsewhere() {
        let served: BTreeMap<_, _> = FILES.iter().copied().collect();
        let mut imports = 0;
        for (name, text) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
            for line in text
                .lines()
                .filter(|line| line.starts_with("import ") || line.starts_with("export "))
            {
                let Some((_, from)) = line.split_once(" from \"") else {
                    continue;
                };
                let target = from.split('"').next().unwrap();
                let mut place: Vec<&str> = name.split('/').collect();
                place.pop();
                for step in target.split('/') {
                    match step {
                        "." => {}
                        ".." => drop(place.pop()),
                        other => place.push(other),
                    }
                }
                assert!(
                    served.contains_key(place.join("/").as_str()),
                    "{name} imports {target}"
                );
                imports += 1;
            }
        }
        assert!(imports > 20, "{imports} imports were seen");
        for (name, text) in FILES {
            let foreign = text.replace("http://www.w3.org/2000/svg", "");
            assert!(
                !foreign.contains("http://") && !foreign.contains("https://"),
                "{name} names an address"
            );
        }
    }

    #[test]
    fn a_host_that_would_break_out_of_the_policy_becomes_a_wildcard() {
        let pages = pages();
        for host in ["[::1]:7400", "x; script-src *", "a b"] {
            let policy = pages.policy(host);
            assert!(
                policy.contains("ws://*:7410") && !policy.contains("script-src *"),
                "{policy}"
            );
        }
        let proxied = PagesConfig {
            desk: true,
            socket_url: Some("wss://desk.bank.example/agent".to_owned()),
        };
        let policy =
            Pages::new(&proxied, "127.0.0.1:7410".parse().unwrap()).policy("desk.bank.example");
        assert!(
            policy.contains("connect-src 'self' wss://desk.bank.example;"),
            "{policy}"
        );
    }

    #[test]
    fn pages_that_are_switched_off_are_not_there_and_have_no_origin() {
        let config = PagesConfig {
            desk: false,
            ..PagesConfig::default()
        };
        let api = ApiConfig {
            listen: "127.0.0.1:7400".parse().unwrap(),
            hosts: vec!["desk.bank.example".to_owned()],
        };
        assert!(own_origins(&config, &api).is_empty());
        let pages = Pages::new(&config, "127.0.0.1:7410".parse().unwrap());
        for name in ["", "settings.json", "icon.svg"] {
            assert_eq!(
                pages.answer(name, "localhost", None).status(),
                StatusCode::NOT_FOUND
            );
        }
    }

    #[test]
    fn the_engines_own_page_may_open_the_socket_and_nobody_else_on_that_machine() {
        let of = |listen: &str, hosts: &[&str]| {
            let api = ApiConfig {
                listen: listen.parse().unwrap(),
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            };
            own_origins(&PagesConfig::default(), &api)
        };
        let local = of("127.0.0.1:7400", &["desk.bank.example"]);
        for origin in [
            "http://127.0.0.1:7400",
            "http://localhost:7400",
            "https://desk.bank.example:7400",
        ] {
            assert!(local.iter().any(|own| own == origin), "{origin}: {local:?}");
        }
        assert!(
            !local.iter().any(|own| own == "http://127.0.0.1"),
            "{local:?}"
        );
        let public = of("192.0.2.1:443", &[]);
        assert!(
            public.contains(&"https://192.0.2.1".to_owned()),
            "{public:?}"
        );
        assert!(
            !public.iter().any(|own| own.contains("localhost")),
            "{public:?}"
        );
    }
}
