//! What an agent's client and the engine say about sound: the browser's leg, the microphone's check, mute, hold, keys, recording.
//!
//! The audio itself travels beside this socket (WebRTC: ICE, DTLS-SRTP), and outlives it: a cut socket ends no conversation.

use crate::wire::desk::client::{CallId, ErrorCode, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest SDP of a browser that is read, in bytes; one audio section of Chromium has some 2,000.
pub const SDP_BYTES_MAX: usize = 12_288;
/// Most keys pressed in one message.
pub const KEYS_MAX: usize = 32;

/// The browser offers its leg: at log-in, and again to change networks (an ICE restart). Answered by `audio_answer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AudioOffer {
    /// The client's number of this request, from 1; the answer cites it.
    pub request: u64,
    /// The whole SDP offer (no trickle): one audio section with PCMU or PCMA, at most 12,288 bytes.
    pub sdp: String,
}

/// The engine plays a tone and then the agent's own voice back; passed, once the microphone was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AudioCheck {
    /// The client's number of this request, from 1; an `error` cites it.
    pub request: u64,
}

/// Takes the agent off the line, or back on: the customer hears comfort noise meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// The client's number of this request, from 1; an `error` cites it.
    pub request: u64,
    /// Muted from now on, or not.
    pub on: bool,
}

/// Puts the customer on hold with music, or takes him back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The client's number of this request, from 1; an `error` cites it.
    pub request: u64,
    /// Which call.
    pub call: CallId,
    /// Held from now on, or not.
    pub on: bool,
}

/// Presses keys towards the customer (RFC 4733).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The client's number of this request, from 1; an `error` cites it.
    pub request: u64,
    /// Which call.
    pub call: CallId,
    /// 1 to 32 of 0-9, *, #, A-D.
    pub digits: String,
}

/// What becomes of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordAction {
    /// Begins one, where the campaign records on demand.
    Start,
    /// Silence from here on: a card number is about to be said.
    Pause,
    /// Goes on.
    Resume,
}

/// Begins, pauses or resumes the recording of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The client's number of this request, from 1; an `error` cites it.
    pub request: u64,
    /// Which call.
    pub call: CallId,
    /// What.
    pub action: RecordAction,
}

/// Answer to `audio_offer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AudioAnswer {
    /// The request that it answers.
    pub request: u64,
    /// The whole SDP answer. The engine is the ICE-lite side.
    pub sdp: String,
}

/// How the agent is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AudioKind {
    /// By this client, with WebRTC.
    #[default]
    Browser,
    /// By a telephone that the engine calls.
    Phone,
    /// Not at all.
    None,
}

/// A STUN or TURN server for the browser, as `RTCIceServer` wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IceServer {
    /// "stun:192.0.2.1:3478", "turns:turn.bank.example:443".
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// How this agent is to be heard; part of `welcome`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AudioSetup {
    /// How.
    pub kind: AudioKind,
    /// For the browser's `RTCPeerConnection`.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
}

/// Where the agent's leg is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AudioLeg {
    /// There is none.
    #[default]
    None,
    /// It is being set up.
    Connecting,
    /// Sound arrives.
    Up,
    /// Nothing arrived for 2 s: no calls until it is back.
    Lost,
}

/// Whether the call is being recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
    /// Silence is.
    Paused,
}

/// Everything about the agent's sound, at each change and in snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AudioNews {
    /// The leg.
    pub leg: AudioLeg,
    /// Whether the microphone was heard once on this leg: needed before the first READY.
    pub checked: bool,
    /// Whether a check is under way.
    pub checking: bool,
    /// Whether the agent is off the line.
    pub muted: bool,
    /// Whether the customer is on hold.
    pub held: bool,
    /// The present call's recording.
    pub recording: RecordingState,
}

impl AudioOffer {
    /// Refuses what no browser writes.
    pub fn check(&self) -> Result<(), Fault> {
        if self.sdp.len() > SDP_BYTES_MAX {
            let mut fault = Fault::field(
                ErrorCode::BadField,
                "sdp",
                format!("is longer than {SDP_BYTES_MAX} bytes"),
            );
            fault.request = Some(self.request);
            return Err(fault);
        }
        Ok(())
    }
}

impl Keys {
    /// Refuses what is no key.
    pub fn check(&self) -> Result<(), Fault> {
        let is_key = |key: char| matches!(key, '0'..='9' | '*' | '#' | 'A'..='D');
        let count = self.digits.chars().count();
        if count == 0 || count > KEYS_MAX || !self.digits.chars().all(is_key) {
            let mut fault = Fault::field(
                ErrorCode::BadField,
                "digits",
                format!("must be 1 to {KEYS_MAX} of 0-9, *, #, A-D"),
            );
            fault.request = Some(self.request);
            return Err(fault);
        }
        Ok(())
    }
}
