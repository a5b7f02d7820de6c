//! Calls that an agent decides on: what he may say about a lead on his screen, and what he hears of it.
//!
//! A preview has the name of the call that may come of it, so that screen, card and call stay one thing.

use crate::time::UnixMs;
use crate::wire::desk::VERSION;
use crate::wire::desk::card::CardBody;
use crate::wire::desk::client::CallId;
use crate::wire::desk::server::UnixMillis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Dial: the lead on the screen, the person of the call that just ended once more, or a lead by its name. Exactly one of `call`
/// and `lead`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dial {
    /// The client's number of this request, from 1; an `error` cites it.
    pub request: u64,
    /// The preview on the screen, or the call in wrap-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// `lead` of a card that the agent may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
}

/// The agent does not want the lead on the screen dialled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// The client's number of this request, from 1; an `error` cites it.
    pub request: u64,
    /// Which preview.
    pub call: CallId,
    /// One of `skip_reasons` of `welcome`.
    pub reason: String,
}

/// An agent who dials by hand asks for a lead to work on. Answered by `call.preview`, or by an `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Next {
    /// The client's number of this request, from 1; an `error` cites it.
    pub request: u64,
    /// Only of this campaign, by its name; absent: of any that the agent serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
}

/// What happens when the agent says nothing about a preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// It is dialled.
    Dial,
    /// It counts as skipped.
    Skip,
    /// The agent goes on break.
    Break,
    /// It goes back to the list: the agent asked for it himself.
    GiveBack,
}

impl OnTimeout {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dial => "dial",
            Self::Skip => "skip",
            Self::Break => "break",
            Self::GiveBack => "give_back",
        }
    }
}

/// A lead before it is dialled, with its first card. Answer with `dial` or `skip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallPreview {
    /// Its name, and that of the call that may come of it.
    pub call: CallId,
    /// The lead, for `dial`.
    pub lead: String,
    /// Until when the agent may look, unix milliseconds.
    pub until_ms: UnixMillis,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// How many previews may still be skipped in a row, this one included; absent: as many as the agent likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skips_left: Option<u8>,
    /// What is known.
    #[serde(flatten)]
    pub card: CardBody,
}

/// How far a call is that is made for this agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallStage {
    /// It goes out.
    Dialling,
    /// The phone rings.
    Ringing,
}

/// News of a call that is made for this agent. `call.connected` follows, or `call.over`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallProgress {
    /// Which call.
    pub call: CallId,
    /// How far it is.
    pub stage: CallStage,
}

/// Why a preview or a call made for this agent came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverWhy {
    /// The agent skipped it.
    Skipped,
    /// Its time was over, and it counts as skipped.
    TimedOut,
    /// It must not be dialled any more: a payment, an opt-out, a rule, a campaign that was paused.
    Withdrawn,
    /// The agent left it, or was gone.
    GivenBack,
    /// It was dialled and nobody was reached: see `result`.
    NotConnected,
}

/// A preview, or a call made for this agent, came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallOver {
    /// Which.
    pub call: CallId,
    /// Why.
    pub why: OverWhy,
    /// What the network said, of a call that was dialled ("NO_ANSWER", "BUSY").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// What the envelope of a preview says. Kept as long as the preview, for a desk that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviewFrame {
    /// Its name.
    pub call: CallId,
    /// The lead.
    pub lead: u64,
    /// Until when.
    pub until: UnixMs,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// Skips left.
    pub skips_left: Option<u8>,
}

/// A preview: the envelope, written now, and the body as it was staged. Nothing is serialised again.
pub fn preview(sequence: u64, frame: &PreviewFrame, body: &str) -> String {
    let PreviewFrame {
        call,
        lead,
        until,
        on_timeout,
        skips_left,
    } = frame;
    let on_timeout = on_timeout.as_str();
    let skips = skips_left.map_or_else(String::new, |left| format!(r#","skips_left":{left}"#));
    format!(
        r#"{{"version":{VERSION},"sequence":{sequence},"type":"call.preview","call":"{call}","lead":"{lead}","until_ms":{},"on_timeout":"{on_timeout}"{skips},{body}"#,
        until.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AttemptId;
    use crate::wire::desk::server::{ServerFrame, ServerMessage};

    #[test]
    fn a_preview_is_an_envelope_around_the_staged_card() {
        let mut frame = PreviewFrame {
            call: CallId(AttemptId(70_012)),
            lead: 9,
            until: UnixMs(1_795_429_262_318),
            on_timeout: OnTimeout::Skip,
            skips_left: Some(2),
        };
        let body = r#""complete":true,"campaign":{"id":"PL","mode":"auto"},"customer":{"cif":"1","name":"Mai","phone":"09*****412"}}"#;
        let text = preview(5, &frame, body);
        let told = ServerFrame::parse(&text).expect("readable");
        let ServerMessage::CallPreview(shown) = told.message else {
            panic!("a preview: {text}");
        };
        assert_eq!(
            (told.sequence, shown.call, shown.skips_left),
            (5, frame.call, Some(2))
        );
        assert_eq!(
            (shown.lead.as_str(), shown.on_timeout),
            ("9", OnTimeout::Skip)
        );
        assert_eq!(shown.card.customer.name, "Mai");
        frame.skips_left = None;
        assert!(!preview(5, &frame, body).contains("skips_left"));
    }

    #[test]
    fn words_on_the_wire_are_those_of_the_schema() {
        for word in [
            OnTimeout::Dial,
            OnTimeout::Skip,
            OnTimeout::Break,
            OnTimeout::GiveBack,
        ] {
            assert_eq!(serde_json::to_value(word).expect("a word"), word.as_str());
        }
    }
}
