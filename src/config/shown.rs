//! Values of keys as they are compared between two files, and shown to people. Secrets are compared and never shown.

use super::{CampaignConfig, Config, TlsFiles, Transport};
use crate::core::results::SystemResult;
use crate::core::settings::{CampaignState, Recycle};
use crate::pii::Pii;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

/// A value that can be compared and shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shown {
    /// As it would be written.
    Plain(String),
    /// Compared, never shown.
    Secret(Option<Pii<String>>),
}

impl Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Shown::Plain(text) => text,
            Shown::Secret(Some(_)) => "(not shown)",
            Shown::Secret(None) => ABSENT,
        })
    }
}

/// What stands for a value that is not there.
pub(super) const ABSENT: &str = "absent";

pub(super) fn plain(value: impl Display) -> Shown {
    Shown::Plain(value.to_string())
}

pub(super) fn text(value: impl Display) -> Shown {
    Shown::Plain(format!("\"{value}\""))
}

pub(super) fn path(value: &std::path::Path) -> Shown {
    text(value.display())
}

pub(super) fn absent() -> Shown {
    plain(ABSENT)
}

pub(super) fn option(value: Option<impl Display>) -> Shown {
    value.map_or_else(absent, text)
}

pub(super) fn optional_text(value: Option<&str>) -> Shown {
    option(value)
}

pub(super) fn list(values: &[impl Display]) -> Shown {
    let items: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
    plain(format!("[{}]", items.join(", ")))
}

pub(super) fn seconds(wait: Duration) -> Shown {
    plain(wait.as_secs())
}

pub(super) fn millis(wait: Duration) -> Shown {
    plain(wait.as_millis())
}

pub(super) fn minutes(wait: Duration) -> Shown {
    plain(wait.as_millis() as f64 / 60_000.0)
}

pub(super) fn ratio(milli: u32) -> Shown {
    plain(f64::from(milli) / 1_000.0)
}

pub(super) fn clock(minute: u16) -> Shown {
    text(format!("{:02}:{:02}", minute / 60, minute % 60))
}

pub(super) fn weekdays(bits: u8) -> Shown {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let days = DAYS
        .iter()
        .enumerate()
        .filter(|(day, _)| bits >> day & 1 == 1);
    list(&days.map(|(_, name)| *name).collect::<Vec<_>>())
}

pub(super) fn transport(transport: Transport) -> Shown {
    text(match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    })
}

pub(super) fn state(state: CampaignState) -> Shown {
    text(match state {
        CampaignState::Running => "running",
        CampaignState::Paused => "paused",
        CampaignState::Closed => "closed",
    })
}

pub(super) fn needs(config: &Config, campaign: &CampaignConfig) -> Shown {
    let one = |need: &crate::core::settings::SkillNeed| {
        let skill = config.skills.get(usize::from(need.skill.0));
        let skill = skill.map_or("", String::as_str);
        format!("{{ skill = \"{skill}\", level = {} }}", need.level)
    };
    let mut all: Vec<String> = campaign.settings.needs.iter().map(one).collect();
    all.sort_unstable();
    plain(format!("[{}]", all.join(", ")))
}

/// The rule in force: what the file says, or what an absent key means.
pub(super) fn recycle(campaign: &CampaignConfig, result: SystemResult) -> Shown {
    match campaign.settings.recycle_after(result) {
        Recycle::Never => text("never"),
        Recycle::After(wait) => minutes(wait),
    }
}

/// The STUN, or the TURN, servers for browsers.
pub(super) fn ice_urls(config: &Config, is_turn: bool) -> Shown {
    let servers = config.media.ice_servers.iter();
    let urls: Vec<&String> = servers
        .filter(|server| server.username.is_some() == is_turn)
        .flat_map(|server| &server.urls)
        .collect();
    list(&urls)
}

/// A file of TLS.
pub(super) fn tls_file(config: &Config, file: fn(&TlsFiles) -> &PathBuf) -> Shown {
    match &config.tls.files {
        Some(files) => path(file(files)),
        None => absent(),
    }
}
