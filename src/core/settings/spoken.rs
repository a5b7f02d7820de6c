//! What people hear who wait for us, or for whom nobody is there: prompts by name, and who is called in by them.
//!
//! A prompt is named by its file; whether the file is there and sound is checked before the floor starts.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The name of a recorded prompt: a file in `media.prompts_dir`. Never more than a file's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PromptName(pub String);

impl fmt::Display for PromptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is played to people who were called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpokenSettings {
    /// Played to a person whom nobody of ours could take in time; it begins within the answer limit (47 CFR 64.1200(a)(7)(i)).
    /// Default none: the call is hung up.
    pub abandon_message: Option<PromptName>,
    /// Played to the person as a call that is recorded is joined with its agent. Not before: a recording of ours is no live
    /// agent, and a person who hears one for longer than the answer limit was abandoned. Default none.
    pub recording_notice: Option<PromptName>,
}

/// How people are served who call us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundSettings {
    /// How long they hear it ring while no agent is free. Default 20 s.
    pub wait: Duration,
    /// Played to those whom nobody could take in that time. Default none: the call is turned away with 480.
    pub message: Option<PromptName>,
}

impl Default for InboundSettings {
    fn default() -> Self {
        InboundSettings {
            wait: Duration::from_secs(20),
            message: None,
        }
    }
}
