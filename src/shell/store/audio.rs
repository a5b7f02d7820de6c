//! How an agent is heard: a browser, a SIP telephone, or not at all. One word in the book of agents.

use std::fmt;
use std::str::FromStr;

/// How an agent is heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AgentAudio {
    /// A browser's microphone, by WebRTC over the agent's socket.
    #[default]
    Browser,
    /// A telephone at this SIP address ("sip:1001@192.0.2.5:5060"), called at log-in and kept for the shift.
    Phone(String),
    /// Not at all: a scripted or test agent, whose calls get comfort noise.
    None,
}

impl AgentAudio {
    /// Whether calls need his audio leg.
    pub const fn is_needed(&self) -> bool {
        !matches!(self, AgentAudio::None)
    }

    /// The word without what follows it.
    pub const fn kind(&self) -> &'static str {
        match self {
            AgentAudio::Browser => "browser",
            AgentAudio::Phone(_) => "phone",
            AgentAudio::None => "none",
        }
    }
}

impl fmt::Display for AgentAudio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AgentAudio::Phone(address) => write!(f, "phone:{address}"),
            other => f.write_str(other.kind()),
        }
    }
}

/// The text is none of the three.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no way to be heard; expected browser, phone:sip:1001@192.0.2.5 or none")]
pub struct NoSuchAudio(pub String);

impl FromStr for AgentAudio {
    type Err = NoSuchAudio;
    fn from_str(text: &str) -> Result<Self, NoSuchAudio> {
        let unknown = || NoSuchAudio(text.to_owned());
        match text {
            "browser" => Ok(AgentAudio::Browser),
            "none" => Ok(AgentAudio::None),
            _ => {
                let address = text.strip_prefix("phone:").ok_or_else(unknown)?;
                let rest = address.strip_prefix("sip:").ok_or_else(unknown)?;
                let is_plain = rest.len() <= 128
                    && rest.bytes().all(|byte| byte.is_ascii_graphic())
                    && rest
                        .split_once('@')
                        .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
                if is_plain {
                    Ok(AgentAudio::Phone(address.to_owned()))
                } else {
                    Err(unknown())
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_book_are_read_back_as_they_were_written() {
        for text in ["browser", "none", "phone:sip:1001@192.0.2.5:5070"] {
            assert_eq!(text.parse::<AgentAudio>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "phone",
            "phone:tel:1",
            "phone:sip:@x",
            "phone:sip:a b@x",
        ] {
            assert!(text.parse::<AgentAudio>().is_err(), "{text}");
        }
    }
}
