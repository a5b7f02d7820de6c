//! What the engine says to an agent's client, and the envelope around it.
//!
//! Two kinds of messages. *News* (state, call.preview, call.progress, call.over, call.connected, late card, call.ended, audio, saved, the floor's refusals) raise the agent's
//! sequence number and are kept for a resume. *Replies* (welcome, resumed, answers to `expand` and `audio_offer`, faults, pong, closing) carry the
//! number of the last news: a client that missed one asks again.

use crate::time::UnixMs;
use crate::wire::desk::VERSION;
use crate::wire::desk::audio::{AudioAnswer, AudioNews, AudioSetup};
use crate::wire::desk::card::CardBody;
use crate::wire::desk::client::{CallId, CardName};
use crate::wire::desk::outcome::OutcomeSet;
use crate::wire::desk::preview::{CallOver, CallPreview, CallProgress};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most bytes that the envelope of `call.connected` takes: the first card's budget minus this is the staged body's.
pub const ENVELOPE_BYTES_MAX: usize = 160;

/// A server message as it travels. Clients ignore fields and types that they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerFrame {
    /// Version of the protocol: 1.
    pub version: u32,
    /// Rises by one with every piece of news for this agent; replies carry the last number again. 0 before log-in.
    pub sequence: u64,
    /// What is said.
    #[serde(flatten)]
    pub message: ServerMessage,
}

/// A message of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Logged in, in a new session.
    Welcome(Box<Welcome>),
    /// The earlier session goes on. What was missed follows, then everything new.
    Resumed(Resumed),
    /// The agent's state.
    State(StateNews),
    /// A lead before it is dialled: the agent says whether.
    #[serde(rename = "call.preview")]
    CallPreview(Box<CallPreview>),
    /// How far a call is that is made for this agent.
    #[serde(rename = "call.progress")]
    CallProgress(CallProgress),
    /// A preview, or a call made for this agent, came to nothing.
    #[serde(rename = "call.over")]
    CallOver(CallOver),
    /// A call is on the agent's line: the first card.
    #[serde(rename = "call.connected")]
    CallConnected(Box<CallConnected>),
    /// A further card, or the first card's body where it was late.
    Card(CardNews),
    /// The conversation is over.
    #[serde(rename = "call.ended")]
    CallEnded(CallEnded),
    /// The outcome is durable.
    Saved(Saved),
    /// The agent's sound, all of it.
    Audio(AudioNews),
    /// Answer to `audio_offer`.
    AudioAnswer(AudioAnswer),
    /// A message was not understood, or a request cannot be met.
    Error(ErrorNews),
    /// Answer to `ping`.
    Pong(Pong),
    /// The engine closes this socket now.
    Closing(Closing),
}

/// Answer to a `hello` that starts a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Welcome {
    /// Name of the session, for `resume`. 128 random bits in hexadecimal.
    pub session: String,
    /// The agent.
    pub agent: AgentCard,
    /// Campaigns that the agent serves.
    pub campaigns: Vec<String>,
    /// Reasons for a break, for `state`.
    pub break_reasons: Vec<String>,
    /// Reasons for skipping a preview, for `skip`.
    #[serde(default)]
    pub skip_reasons: Vec<String>,
    /// Outcome codes and what each needs.
    pub outcome_set: OutcomeSet,
    /// An agent from whom nothing is heard for this long is lost (pings included), in milliseconds.
    pub ping_deadline_ms: u64,
    /// How the agent is to be heard.
    #[serde(default)]
    pub audio: AudioSetup,
    /// The engine's clock, unix milliseconds.
    pub now_ms: UnixMillis,
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentCard {
    /// Number of the agent in records and exports.
    pub id: u32,
    /// Name to show.
    pub name: String,
}

/// Answer to a `hello` that resumes a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// Name of the session.
    pub session: String,
    /// Whether what follows is exactly what was missed (`missed`), or everything that holds now (`snapshot`).
    pub follows: Follows,
    /// Messages that follow before anything new.
    pub messages: u32,
    /// The engine's clock, unix milliseconds.
    pub now_ms: UnixMillis,
}

/// What follows `resumed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Follows {
    /// The messages after the client's number, as they were.
    Missed,
    /// State, call, card and outcome as they are now, under new numbers. Drop what is on the screen.
    Snapshot,
}

/// States of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeskState {
    /// Not logged in.
    Offline,
    /// Logged in, no calls.
    Break,
    /// Waiting for a call.
    Ready,
    /// A lead is on his screen, a call made for him is in the air, or the legs are being joined.
    Reserved,
    /// In a conversation.
    Talking,
    /// After-call work.
    Wrap,
    /// Own dialling.
    Manual,
}

/// The agent's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StateNews {
    /// Which.
    pub state: DeskState,
    /// Reason of a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it began, unix milliseconds.
    pub since_ms: UnixMillis,
    /// When it ends by itself, unix milliseconds (wrap-up, preview).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<UnixMillis>,
    /// The call, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// What comes after the call, as it was asked for.
    pub after_call: AfterCallNews,
}

/// What comes after the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AfterCallNews {
    /// Ready unless something else was asked for.
    pub to: DeskState,
    /// Reason of a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A call and its first card, at most 2,048 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallConnected {
    /// The call.
    pub call: CallId,
    /// When the person answered, unix milliseconds.
    pub answered_at_ms: UnixMillis,
    /// When this message was written, unix milliseconds.
    pub pushed_at_ms: UnixMillis,
    /// What is known.
    #[serde(flatten)]
    pub card: CardBody,
}

/// A further card, at most 8,192 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CardNews {
    /// The request that it answers; absent where the first card's body was late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// About which call.
    pub call: CallId,
    /// Which card.
    pub card: CardName,
    /// Whether oldest entries were left out for size.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
    /// The card: as the importer brought it, or for `customer` the fields of `call.connected`.
    pub body: Value,
}

/// Who ended a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallEndedBy {
    /// The customer.
    Customer,
    /// The agent.
    Agent,
    /// A limit or a failure.
    System,
}

/// A conversation is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallEnded {
    /// Which call.
    pub call: CallId,
    /// Who ended it.
    pub by: CallEndedBy,
    /// Length of the conversation in milliseconds.
    pub talk_ms: u64,
    /// When wrap-up ends by itself, unix milliseconds. The `state` message that follows is binding.
    pub wrap_until_ms: UnixMillis,
}

/// An outcome is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// The request that it answers; absent where the system kept NOT_RECORDED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// About which call.
    pub call: CallId,
}

/// Something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorNews {
    /// The request, where there is one. For `state` and `hang_up`: the latest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// Stable code; docs/agent-protocol.md lists them.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// The field, with dots and indexes (`promise.amount`, `schedule[1].due`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// With `held_by_rule`: which rule ("WINDOW", "CAPPED", "GAP", "DNC", "IN_AIR", "ATTEMPTS_USED").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// With `held_by_rule`: the next lawful instant, unix milliseconds, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<UnixMillis>,
}

/// Answer to `ping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pong {
    /// The engine's clock, unix milliseconds.
    pub now_ms: UnixMillis,
}

/// Why a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClosingReason {
    /// The agent is logged out.
    LoggedOut,
    /// The same agent logged in elsewhere.
    TakenOver,
    /// The client read too slowly; it can resume.
    TooSlow,
    /// The log-in was refused.
    LoginRefused,
    /// No `hello` in time, or something else came first.
    HelloFirst,
    /// Messages that break the protocol: too large, too many, not text.
    ProtocolBroken,
    /// The engine cannot take the agent now; try again.
    Busy,
    /// The engine stops; try again.
    Stopping,
}

impl ClosingReason {
    /// Close code of the websocket (RFC 6455 s.7.4; 4000-4999 are ours).
    pub const fn close_code(self) -> u16 {
        match self {
            Self::LoggedOut => 1000,
            Self::Stopping => 1001,
            Self::ProtocolBroken => 1008,
            Self::Busy => 1013,
            Self::LoginRefused => 4001,
            Self::HelloFirst => 4002,
            Self::TakenOver => 4003,
            Self::TooSlow => 4004,
        }
    }
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::TakenOver => "taken_over",
            Self::TooSlow => "too_slow",
            Self::LoginRefused => "login_refused",
            Self::HelloFirst => "hello_first",
            Self::ProtocolBroken => "protocol_broken",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
        }
    }
}

/// The engine closes this socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Closing {
    /// Why.
    pub reason: ClosingReason,
}

/// A time on the wire: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl From<UnixMs> for UnixMillis {
    fn from(at: UnixMs) -> Self {
        UnixMillis(at.0)
    }
}

impl ServerMessage {
    /// The message as text, under `sequence`.
    pub fn encode(&self, sequence: u64) -> String {
        let body = serde_json::to_string(self).expect("plain structures with text keys serialise");
        // One opening brace less: the envelope brings its own.
        format!(
            r#"{{"version":{VERSION},"sequence":{sequence},{}"#,
            &body[1..]
        )
    }
}

impl ServerFrame {
    /// Reads a server message, for clients in Rust.
    pub fn parse(text: &str) -> Result<ServerFrame, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// The first card: the envelope, written now, and the body as it was staged. Nothing is serialised again.
pub fn connected(
    sequence: u64,
    call: CallId,
    answered_at: UnixMs,
    pushed_at: UnixMs,
    body: &str,
) -> String {
    let mut frame = String::with_capacity(ENVELOPE_BYTES_MAX + body.len());
    frame.push_str(r#"{"version":1,"sequence":"#);
    push_number(&mut frame, sequence);
    frame.push_str(r#","type":"call.connected","call":""#);
    push_number(&mut frame, call.0.0);
    frame.push_str(r#"","answered_at_ms":"#);
    push_time(&mut frame, answered_at);
    frame.push_str(r#","pushed_at_ms":"#);
    push_time(&mut frame, pushed_at);
    frame.push(',');
    frame.push_str(body);
    frame
}

/// The first card's body, late: a `card` message around the staged bytes.
pub fn late_card(sequence: u64, call: CallId, body: &str) -> String {
    format!(
        r#"{{"version":{VERSION},"sequence":{sequence},"type":"card","call":"{call}","card":"customer","body":{{{body}}}"#
    )
}

fn push_number(text: &mut String, number: u64) {
    use std::fmt::Write;
    let _ = write!(text, "{number}");
}

fn push_time(text: &mut String, at: UnixMs) {
    use std::fmt::Write;
    let _ = write!(text, "{}", at.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AttemptId;

    #[test]
    fn every_message_carries_version_sequence_and_type_and_comes_back_the_same() {
        for message in [
            ServerMessage::State(StateNews {
                state: DeskState::Break,
                reason: Some("lunch".into()),
                since_ms: UnixMillis(1),
                until_ms: None,
                call: Some(CallId(AttemptId(4))),
                after_call: AfterCallNews {
                    to: DeskState::Ready,
                    reason: None,
                },
            }),
            ServerMessage::CallEnded(CallEnded {
                call: CallId(AttemptId(4)),
                by: CallEndedBy::Customer,
                talk_ms: 9,
                wrap_until_ms: UnixMillis(5),
            }),
            ServerMessage::Saved(Saved {
                request: None,
                call: CallId(AttemptId(4)),
            }),
            ServerMessage::Pong(Pong {
                now_ms: UnixMillis(1),
            }),
            ServerMessage::Closing(Closing {
                reason: ClosingReason::TakenOver,
            }),
        ] {
            let text = message.encode(77);
            let frame = ServerFrame::parse(&text).expect("our own message");
            assert_eq!(frame.version, VERSION);
            assert_eq!(frame.sequence, 77);
            assert_eq!(frame.message, message, "{text}");
        }
    }

    #[test]
    fn the_envelope_stays_within_its_reserve_at_the_largest_numbers_that_can_occur() {
        // 2^53 news for one agent, 10^19 calls, and the year 2286.
        let frame = connected(
            1 << 53,
            CallId(AttemptId(u64::MAX)),
            UnixMs(9_999_999_999_999),
            UnixMs(9_999_999_999_999),
            "",
        );
        assert!(frame.len() <= ENVELOPE_BYTES_MAX, "{}", frame.len());
    }

    #[test]
    fn a_client_that_is_older_than_the_engine_reads_past_unknown_fields() {
        let frame = ServerFrame::parse(
            r#"{"version":1,"sequence":3,"type":"pong","now_ms":5,"weather":"fine"}"#,
        )
        .expect("readable");
        assert_eq!(frame.sequence, 3);
    }
}
