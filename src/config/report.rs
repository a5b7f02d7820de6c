//! `tandem check FILE`: everything that is wrong at once, or what the file means.

use super::{Config, RecordingMode};
use crate::core::settings::CampaignState;
use std::fmt::Write;
use std::path::Path;

/// The report on a configuration, and whether it may be started. Ends with a line break.
pub fn check_report(path: &Path) -> (String, bool) {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(faults) => {
            let count = faults.list.len();
            let plural = if count == 1 { "fault" } else { "faults" };
            return (
                format!("{faults}\n\n{count} {plural}; nothing was started.\n"),
                false,
            );
        }
    };
    let mut text = format!("{}: correct.\n", path.display());
    describe(&mut text, &config);
    for note in notes(&config) {
        let _ = writeln!(text, "note: {note}");
    }
    (text, true)
}

fn describe(text: &mut String, config: &Config) {
    let _ = writeln!(
        text,
        "  SIP {}, RTP {} ports {}-{}, desks {}, API {}",
        config.sip.listen,
        config.media.listen,
        config.media.ports.0,
        config.media.ports.1,
        config.desk.listen,
        config.api.listen
    );
    for trunk in &config.trunks {
        let _ = writeln!(
            text,
            "  trunk {}: {} {:?}, {} channels, {} calls per second",
            trunk.settings.name,
            trunk.address,
            trunk.transport,
            trunk.settings.channels_max,
            trunk.settings.cps_max
        );
    }
    for campaign in &config.campaigns {
        let settings = &campaign.settings;
        let gate = &settings.gate;
        let mode = settings.mode;
        let state = match settings.state {
            CampaignState::Running => "running",
            CampaignState::Paused => "paused",
            CampaignState::Closed => "closed",
        };
        let _ = writeln!(
            text,
            "  campaign {} ({state}): {mode}, {:02}:{:02}-{:02}:{:02} at the borrower's, at most {} attempts a day, {} min apart",
            settings.name,
            gate.window_from_min / 60,
            gate.window_from_min % 60,
            gate.window_until_min / 60,
            gate.window_until_min % 60,
            gate.attempts_per_day,
            gate.gap_min.as_secs() / 60
        );
    }
}

/// What is allowed and worth a second look, a sentence each. `tandem check` and `tandem doctor` tell it.
pub fn notes(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    for missing in config.missing_rules() {
        notes.push(format!("{missing}."));
    }
    for (name, listen) in [("desk", config.desk.listen), ("api", config.api.listen)] {
        if !listen.ip().is_loopback() && config.tls.files.is_none() {
            notes.push(format!(
                "{name}.listen {listen} is open to the network without TLS (tls.allow_plain): put a TLS proxy in front."
            ));
        }
    }
    let ports = u32::from(config.media.ports.1 - config.media.ports.0).div_ceil(2);
    if ports < config.floor.attempts_max {
        notes.push(format!(
            "media has ports for {ports} calls, floor.attempts_max allows {}: a call without a port is not sent.",
            config.floor.attempts_max
        ));
    }
    for campaign in &config.campaigns {
        let settings = &campaign.settings;
        let (name, gate) = (&settings.name, &settings.gate);
        if campaign.recording_notice.is_some() && campaign.recording.mode != RecordingMode::Always {
            notes.push(format!(
                "campaign {name} has a recording_notice that is not played: only recording = \"always\" plays it."
            ));
        }
        if gate.window_from_min < 7 * 60 || gate.window_until_min > 21 * 60 {
            notes.push(format!(
                "campaign {name} may call outside 07:00-21:00: check the law of the borrowers' country."
            ));
        }
        if gate.attempts_per_day > 5 {
            notes.push(format!(
                "campaign {name} allows {} attempts a day: Vietnam allows 5.",
                gate.attempts_per_day
            ));
        }
        if settings.answer_limit.as_millis() > 2_000 {
            notes.push(format!(
                "campaign {name} lets people wait {} ms for an agent: 47 CFR 64.1200(a)(7) allows 2,000.",
                settings.answer_limit.as_millis()
            ));
        }
    }
    notes
}
