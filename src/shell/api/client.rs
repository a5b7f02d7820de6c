//! The command line's way to a running engine: a small client of the API, on the same machine, with the same token.

use super::explain::DecisionView;
use super::pinned::Pinned;
use super::token::{self, TokenError};
use super::view::{CampaignView, ModeView, PictureView};
use crate::config::Config;
use crate::config::nearest;
use crate::core::settings::DialMode;
use crate::pii::Pii;
use crate::shell::reload::ReloadReport;
use crate::shell::tls::TlsFault;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, TcpConnector};

/// Longest wait for an answer of an engine on the same machine.
const WAIT: Duration = Duration::from_secs(5);

/// A client of one engine.
pub struct ApiClient {
    base: String,
    token: Pii<String>,
    agent: ureq::Agent,
}

/// What went wrong, for people.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The token cannot be read.
    #[error("no admin token: {0}. Is data_dir that of the running engine?")]
    Token(#[from] TokenError),
    /// The engine's certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] TlsFault),
    /// Nobody answers.
    #[error("is the engine running? tried {url}: {reason}")]
    NotRunning {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The engine refused.
    #[error("{message} ({code})")]
    Refused {
        /// Stable code.
        code: String,
        /// Sentence.
        message: String,
    },
    /// Somebody else answers there.
    #[error(
        "{url} does not answer like Tandem ({reason}); is api.listen the port of another program?"
    )]
    Strange {
        /// Where.
        url: String,
        /// What was odd.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    message: String,
}

impl ApiClient {
    /// A client of the engine that runs with this configuration.
    pub fn of(config: &Config) -> Result<ApiClient, ClientError> {
        match &config.tls.files {
            None => ApiClient::new(config.api.listen, &config.data_dir),
            Some(files) => {
                ApiClient::sealed(config.api.listen, &config.data_dir, &files.certificate)
            }
        }
    }

    /// A client of the engine that listens there and keeps its token in `data_dir`.
    pub fn new(listen: SocketAddr, data_dir: &Path) -> Result<ApiClient, ClientError> {
        ApiClient::over("http", listen, data_dir, |config| config.new_agent())
    }

    /// The same over TLS, to exactly this certificate.
    pub fn sealed(
        listen: SocketAddr,
        data_dir: &Path,
        certificate: &Path,
    ) -> Result<ApiClient, ClientError> {
        let pinned = Pinned::to(certificate)?;
        ApiClient::over("https", listen, data_dir, |config| {
            let connector = ().chain(TcpConnector::default()).chain(pinned);
            ureq::Agent::with_parts(config, connector, DefaultResolver::default())
        })
    }

    fn over(
        scheme: &str,
        listen: SocketAddr,
        data_dir: &Path,
        agent: impl FnOnce(ureq::config::Config) -> ureq::Agent,
    ) -> Result<ApiClient, ClientError> {
        let token = token::read(data_dir)?;
        let mut address = listen;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(WAIT))
            // A proxy of the environment must never see the token.
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        let agent = agent(config);
        Ok(ApiClient {
            base: format!("{scheme}://{address}"),
            token,
            agent,
        })
    }

    /// The whole picture.
    pub fn picture(&self) -> Result<PictureView, ClientError> {
        self.get("/v1/picture")
    }

    /// The campaigns.
    pub fn campaigns(&self) -> Result<Vec<CampaignView>, ClientError> {
        self.get("/v1/campaigns")
    }

    /// Starts a campaign.
    pub fn start(&self, campaign: &str) -> Result<(), ClientError> {
        self.post(
            &format!("/v1/campaigns/{}/start", segment(campaign)),
            &json!({}),
        )
    }

    /// Pauses a campaign.
    pub fn pause(&self, campaign: &str) -> Result<(), ClientError> {
        self.post(
            &format!("/v1/campaigns/{}/pause", segment(campaign)),
            &json!({}),
        )
    }

    /// The last pacing decisions of a campaign, newest first. `last` is 1 to 600.
    pub fn decisions(&self, campaign: &str, last: usize) -> Result<Vec<DecisionView>, ClientError> {
        self.get(&super::explain::path(campaign, last))
    }

    /// Another mode or ratio.
    pub fn set_mode(&self, campaign: &str, mode: DialMode) -> Result<(), ClientError> {
        let path = format!("/v1/campaigns/{}/mode", segment(campaign));
        let url = format!("{}{path}", self.base);
        let request = self.agent.put(&url).header("Authorization", self.bearer());
        let answer = request.send_json(ModeView::from(mode));
        self.read::<Value>(&url, answer).map(|_| ())
    }

    /// No INVITE leaves from now on.
    pub fn stop(&self, cancel_ringing: bool) -> Result<(), ClientError> {
        self.post("/v1/stop", &json!({ "cancel_ringing": cancel_ringing }))
    }

    /// Dialling may go on.
    pub fn resume(&self) -> Result<(), ClientError> {
        self.post("/v1/resume", &json!({}))
    }

    /// An import ended; `None`: for all campaigns.
    pub fn leads_changed(&self, campaign: Option<&str>) -> Result<(), ClientError> {
        self.post("/v1/leads/changed", &json!({ "campaign": campaign }))
    }

    /// The configuration is read anew; with `dry_run`, the engine only says what that would do.
    pub fn reload(&self, dry_run: bool) -> Result<ReloadReport, ClientError> {
        let url = format!("{}/v1/reload", self.base);
        let request = self.agent.post(&url).header("Authorization", self.bearer());
        let answer = self.read(&url, request.send_json(json!({ "dry_run": dry_run })));
        answer.map_err(|error| match error {
            // The file that is to be read anew also says where the engine is asked.
            ClientError::NotRunning { url, reason } => ClientError::NotRunning {
                url,
                reason: format!(
                    "{reason}. If api.listen or data_dir were changed in the file: they need a restart; SIGHUP reaches the engine, and its log names what is refused"
                ),
            },
            other => other,
        })
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token.expose())
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.base);
        let request = self.agent.get(&url).header("Authorization", self.bearer());
        self.read(&url, request.call())
    }

    fn post(&self, path: &str, body: &Value) -> Result<(), ClientError> {
        let url = format!("{}{path}", self.base);
        let request = self.agent.post(&url).header("Authorization", self.bearer());
        self.read::<Value>(&url, request.send_json(body))
            .map(|_| ())
    }

    fn read<T: DeserializeOwned>(
        &self,
        url: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        let mut answer = answer.map_err(|error| ClientError::NotRunning {
            url: url.to_owned(),
            reason: error.to_string(),
        })?;
        let strange = |reason: String| ClientError::Strange {
            url: url.to_owned(),
            reason,
        };
        let status = answer.status();
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(|error| strange(error.to_string()))?;
        if status.is_success() {
            return serde_json::from_str(&text).map_err(|error| strange(error.to_string()));
        }
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Err(ClientError::Refused {
                code: problem.code,
                message: problem.message,
            }),
            Err(_) => Err(strange(format!("status {status}"))),
        }
    }
}

/// A name as one segment of a path: `a/../b` must not become another path.
pub(super) fn segment(name: &str) -> String {
    name.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// One campaign and its abandon ledger as lines for a terminal.
pub fn campaign_lines(campaigns: &[CampaignView], name: &str) -> Result<String, ClientError> {
    let names = || campaigns.iter().map(|campaign| campaign.name.as_str());
    let Some(campaign) = campaigns.iter().find(|campaign| campaign.name == name) else {
        let meant = nearest(name, names()).map(|name| format!("; did you mean {name}?"));
        return Err(ClientError::Refused {
            code: "unknown_campaign".to_owned(),
            message: format!(
                "the engine has no campaign \"{name}\"{}",
                meant.unwrap_or_default()
            ),
        });
    };
    Ok(format!(
        "{}: {}, {}; {} agents, {} ringing, {} talking\n{}",
        campaign.name,
        campaign.state,
        mode_words(campaign.mode),
        campaign.agents_serving,
        campaign.ringing,
        campaign.talking,
        campaign.ledger.lines()
    ))
}

/// Campaigns as a table for a terminal.
pub fn campaign_table(campaigns: &[CampaignView]) -> String {
    let rows: Vec<[String; 9]> = campaigns
        .iter()
        .map(|campaign| {
            [
                campaign.name.clone(),
                campaign.state.clone(),
                mode_words(campaign.mode),
                campaign.agents_serving.to_string(),
                campaign.ringing.to_string(),
                campaign.talking.to_string(),
                campaign.launched.to_string(),
                campaign
                    .abandon_ratio
                    .map_or("-".to_owned(), |ratio| format!("{ratio:.4}")),
                campaign.hot_leads.to_string(),
            ]
        })
        .collect();
    let head = [
        "campaign",
        "state",
        "lines",
        "agents",
        "ringing",
        "talking",
        "attempts",
        "abandoned",
        "leads",
    ]
    .map(str::to_owned);
    let all: Vec<&[String; 9]> = std::iter::once(&head).chain(&rows).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = all.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    for row in all {
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            // Words to the left, figures to the right.
            let _ = if column < 3 {
                write!(text, "{cell:<width$}  ")
            } else {
                write!(text, "{cell:>width$}  ")
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn mode_words(mode: ModeView) -> String {
    match (mode.lines_per_agent, mode.lines_per_free_agent) {
        (Some(ratio), _) => format!("{ratio} per agent"),
        (None, Some(ratio)) => format!("{ratio} per free agent"),
        (None, None) => mode.mode().map_or("?", |mode| mode.word()).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_becomes_another_path() {
        assert_eq!(segment("PL-B2_HCM"), "PL-B2_HCM");
        assert_eq!(segment("a/../../stop?x"), "a%2F%2E%2E%2F%2E%2E%2Fstop%3Fx");
    }

    #[test]
    fn a_missing_engine_is_told_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let listen: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let Err(error) = ApiClient::new(listen, dir.path()) else {
            panic!("a client without a token");
        };
        assert!(error.to_string().contains("admin.token"), "{error}");
        super::super::AdminToken::load_or_create(dir.path()).unwrap();
        let client = ApiClient::new(listen, dir.path()).expect("token is there");
        let error = client.resume().unwrap_err().to_string();
        assert!(
            error.starts_with("is the engine running? tried http://127.0.0.1:1/v1/resume"),
            "{error}"
        );
    }
}
