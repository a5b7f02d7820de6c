//! Whether every prompt that a configuration names can be played: asked before the first call, since at the moment of an abandoned
//! one it would be too late. Reads the files; plays nothing.

use crate::config::Config;
use crate::core::settings::PromptName;
use crate::shell::media::prompts::{PromptFaults, Prompts};
use std::path::PathBuf;
use std::time::Duration;

/// Longest message to a person whom nobody could take: the floor ends the call soon after.
const MESSAGE_MAX: Duration = Duration::from_secs(60);

/// Why a prompt that is named cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum AnnouncementFault {
    /// Prompts are named, and no directory.
    #[error("{key} names {prompt}, and media.prompts_dir is absent")]
    NoDirectory {
        /// The key.
        key: String,
        /// What it names.
        prompt: PromptName,
    },
    /// It is not there.
    #[error("{key} names {prompt}, which is not in media.prompts_dir ({})", directory.display())]
    Missing {
        /// The key.
        key: String,
        /// What it names.
        prompt: PromptName,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// Nobody listens so long, and the floor hangs up before.
    #[error("{key} names {prompt}, which takes {} s; at most {} s", took.as_secs(), MESSAGE_MAX.as_secs())]
    TooLong {
        /// The key.
        key: String,
        /// What it names.
        prompt: PromptName,
        /// Its length.
        took: Duration,
    },
    /// The directory cannot be read, or holds what cannot be played.
    #[error("media.prompts_dir: {0}")]
    Unsound(#[from] PromptFaults),
}

/// Every prompt that is named, with its key; `true`: a message after which the call ends.
fn named(config: &Config) -> Vec<(String, PromptName, bool)> {
    let mut all = Vec::new();
    if let Some(prompt) = &config.inbound.settings.message {
        all.push(("inbound.message".to_owned(), prompt.clone(), true));
    }
    for campaign in &config.campaigns {
        let key = |name: &str| format!("campaigns[\"{}\"].{name}", campaign.settings.name);
        if let Some(prompt) = &campaign.settings.spoken.abandon_message {
            all.push((key("abandon_message"), prompt.clone(), true));
        }
        if let Some(prompt) = &campaign.recording_notice {
            all.push((key("recording_notice"), prompt.clone(), false));
        }
    }
    all
}

/// The first prompt that is named and cannot be played.
pub fn check(config: &Config) -> Result<(), AnnouncementFault> {
    let named = named(config);
    let Some((key, prompt, _)) = named.first().cloned() else {
        return Ok(());
    };
    let Some(directory) = &config.media.prompts_dir else {
        return Err(AnnouncementFault::NoDirectory { key, prompt });
    };
    let prompts = Prompts::load(directory)?;
    for (key, prompt, is_message) in named {
        let directory = directory.clone();
        let Some(found) = prompts.get(&prompt.0) else {
            return Err(AnnouncementFault::Missing {
                key,
                prompt,
                directory,
            });
        };
        let took = found.duration();
        if is_message && took > MESSAGE_MAX {
            return Err(AnnouncementFault::TooLong { key, prompt, took });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn checked(media: &str, campaign: &str) -> String {
        let text = format!(
            "[media]\n{media}\n[[trunks]]\nname = \"a\"\naddress = \"127.0.0.1:5080\"\n\
             [[campaigns]]\nname = \"c\"\ncaller_id = \"+842873000000\"\n{campaign}\n"
        );
        let config = Config::from_text(&text, Path::new("t.toml"));
        let config = config.unwrap_or_else(|faults| panic!("{faults}"));
        check(&config).map_or_else(|fault| fault.to_string(), |()| "sound".to_owned())
    }

    #[test]
    fn a_prompt_that_is_named_must_be_there_and_short_enough_to_be_heard() {
        let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prompts");
        let samples = format!("prompts_dir = {samples:?}");
        let message =
            |name: &str| format!("abandon_action = \"message\"\nabandon_message = \"{name}\"");
        assert_eq!(checked("", ""), "sound", "nothing is named");
        assert_eq!(checked(&samples, &message("abandon.wav")), "sound");
        let absent = checked("", &message("abandon.wav"));
        assert!(absent.contains("media.prompts_dir is absent"), "{absent}");
        let missing = checked(&samples, &message("sorry.wav"));
        assert!(
            missing
                .starts_with("campaigns[\"c\"].abandon_message names sorry.wav, which is not in"),
            "{missing}"
        );
        let notice = checked(
            &samples,
            "recording = \"always\"\nrecording_notice = \"x.wav\"",
        );
        assert!(notice.contains("recording_notice names x.wav"), "{notice}");
        let dir = tempfile::tempdir().expect("a directory");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let path = dir.path().join("long.wav");
        let mut wav = hound::WavWriter::create(path, spec).expect("a file");
        for sample in 0..8_000 * 61 {
            wav.write_sample((sample % 100 * 100) as i16)
                .expect("written");
        }
        wav.finalize().expect("whole");
        let long = checked(
            &format!("prompts_dir = {:?}", dir.path()),
            &message("long.wav"),
        );
        assert!(long.contains("takes 61 s; at most 60 s"), "{long}");
    }
}
