//! What an agent's client may say, and how a text becomes one of these messages or a fault that names field and reason.

use crate::ids::AttemptId;
use crate::pii::Pii;
use crate::wire::desk::audio::{AudioCheck, AudioOffer, Hold, Keys, Mute, Record};
use crate::wire::desk::outcome::Cooperation;
use crate::wire::desk::preview::{Dial, Next, Skip};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A message of the client. Its `type` is the variant's name in snake_case; unknown fields are faults.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// The first message, within 3 s of the upgrade.
    Hello(Hello),
    /// Another state, please. Answered by a `state` message, or by an `error`.
    State(StateWish),
    /// The card of this call is on the screen.
    Painted(Painted),
    /// Asks for a further card. Answered by a `card` message, or by an `error`.
    Expand(Expand),
    /// Ends the conversation. Answered by `call.ended`, or by an `error`.
    HangUp(HangUp),
    /// What the agent says of the call. Answered by `saved` once it is durable, or by an `error`.
    Outcome(Box<Outcome>),
    /// Dials: the lead on the screen, the last call's person once more, or a lead by its name. Answered by `call.progress` and
    /// then `call.connected` or `call.over`, or by an `error`.
    Dial(Dial),
    /// Does not want the lead on the screen dialled. Answered by `call.over`, or by an `error`.
    Skip(Skip),
    /// Asks for a lead to work on, by hand. Answered by `call.preview`, or by an `error`.
    Next(Next),
    /// Offers the browser's audio leg. Answered by `audio_answer`, or by an `error`.
    AudioOffer(AudioOffer),
    /// Asks for the echo and microphone check. Told about by `audio`.
    AudioCheck(AudioCheck),
    /// Off the line, or back. Answered by `audio`.
    Mute(Mute),
    /// The customer on hold, or back. Answered by `audio`, or by an `error`.
    Hold(Hold),
    /// Keys towards the customer.
    Keys(Keys),
    /// Begins, pauses or resumes the recording. Answered by `audio`, or by an `error`.
    Record(Record),
    /// Answered by `pong`. Liveness itself is kept by websocket pings, which every client library answers by itself.
    Ping(Ping),
}

/// Log-in, or return after a cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Version of the protocol: 1.
    pub version: u32,
    /// Log-in name, 1 to 64 characters.
    pub agent: String,
    /// The agent's token, 1 to 256 characters. Never part of the URL, never logged.
    #[schemars(with = "String")]
    pub token: Pii<String>,
    /// Present if the client wants to go on with an earlier session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// Where an earlier session was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// `session` of the last `welcome` or `resumed`.
    pub session: String,
    /// `sequence` of the last server message that was handled; 0: nothing is left on the screen, send everything.
    pub sequence: u64,
}

/// What a client can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WantedState {
    /// Calls, please. Ends wrap-up where the outcome is saved.
    Ready,
    /// A break, at once or after the call; `reason` says which.
    Break,
    /// Own dialling: the dialer ignores the agent.
    Manual,
    /// Log out, at once or after the call.
    Offline,
}

/// A wish for another state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateWish {
    /// The client's number of this request, from 1; an `error` cites it.
    pub request: u64,
    /// Which state.
    pub to: WantedState,
    /// With `break` only, and needed there: one of `break_reasons` of `welcome`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The card was painted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Painted {
    /// Which call.
    pub call: CallId,
    /// When, by the client's clock, in unix milliseconds. For the client's own diagnosis; the engine measures by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub painted_at_ms: Option<i64>,
}

/// Cards beyond the first one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CardName {
    /// The whole first card again, with nothing dropped for size.
    Customer,
    /// Phones, e-mail, addresses.
    Contacts,
    /// Guarantors and family: who is liable, with whom it may be discussed.
    References,
    /// All loans.
    Loans,
    /// Last payments.
    Payments,
    /// Interactions, newest first.
    Timeline,
    /// Script and answers to objections.
    Script,
}

/// A request for a further card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expand {
    /// The client's number of this request, from 1; the answer cites it.
    pub request: u64,
    /// The agent's current call (also during wrap-up).
    pub call: CallId,
    /// Which card.
    pub card: CardName,
}

/// The agent hangs up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HangUp {
    /// The client's number of this request, from 1; an `error` cites it.
    pub request: u64,
    /// Which call.
    pub call: CallId,
}

/// The disposition of a call. What a code needs stands in `outcome_set` of `welcome`; anything else is refused by field name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The client's number of this request, from 1; `saved` or `error` cite it. Sent again after a cut, it must be the same number.
    pub request: u64,
    /// Which call; during the conversation or in wrap-up.
    pub call: CallId,
    /// A code of the outcome set ("RPC_PTP").
    pub code: String,
    /// A promise to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise: Option<Promise>,
    /// When to call back, unix milliseconds; in the future, at most 60 days ahead, 07:00 to 21:00 local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up_at: Option<i64>,
    /// Reason, type or language, at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reason: Option<Pii<String>>,
    /// Amount paid on the call, in whole units of the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// When and how it was paid, as the customer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<Paid>,
    /// Instalments, 1 to 24, in the order of their dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Vec<Instalment>>,
    /// Free text, at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub note: Option<Pii<String>>,
    /// Cooperation, where the agent overrides the derived one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooperation: Option<Cooperation>,
}

/// A promise to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// Above 0, in whole units of the currency (VND has no minor unit).
    pub amount: i64,
    /// Due date, ISO 8601 ("2026-11-25"): today or within 60 days.
    pub due: String,
    /// How ("TRANSFER", "MOMO"), at most 40 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// A payment that the customer says was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paid {
    /// Date, ISO 8601: today or within the last 366 days.
    pub at: String,
    /// How, 1 to 40 characters.
    pub method: String,
}

/// One part of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instalment {
    /// Due date, ISO 8601.
    pub due: String,
    /// Above 0, in whole units of the currency.
    pub amount: i64,
}

/// Asks for a sign of life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// `sequence` of the last message handled: earlier ones need not be kept for a resume any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// A call, as clients name it: an opaque text. (Today the attempt's number; 64 bits do not fit a JavaScript number.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(pub AttemptId);

impl std::fmt::Display for CallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for CallId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let number = text
            .parse::<u64>()
            .map_err(|_| serde::de::Error::custom("not a call of this engine"))?;
        Ok(CallId(AttemptId(number)))
    }
}

impl JsonSchema for CallId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CallId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A call. Opaque: take it as it comes, give it back as it came.",
            "maxLength": 20
        })
    }
}

/// Why a message cannot be taken. Goes back to its sender and nowhere else: `message` may quote what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", code.as_str())]
pub struct Fault {
    /// The request, where the message had a readable one.
    pub request: Option<u64>,
    /// Stable code.
    pub code: ErrorCode,
    /// Which field, with dots ("promise.amount").
    pub field: Option<String>,
    /// A sentence for people.
    pub message: String,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal;)*) => {
        /// Stable codes of `error` messages that this protocol knows. The floor's refusals add their own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }
        impl ErrorCode {
            /// All codes.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];
            /// The code on the wire.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $code,)* } }
        }
    };
}

error_codes! {
    /// Not JSON, or not a JSON object with a `type`.
    BadJson = "bad_json";
    /// No such `type`.
    UnknownType = "unknown_type";
    /// A needed field is absent.
    MissingField = "missing_field";
    /// A field that the message does not have.
    UnknownField = "unknown_field";
    /// A field of the wrong type, or a value out of its range.
    BadField = "bad_field";
    /// The first message must be `hello`, and only the first.
    HelloFirst = "hello_first";
    /// Another version of the protocol.
    VersionUnsupported = "version_unsupported";
    /// Unknown agent, wrong token, or a disabled account: the answer does not say which.
    LoginRefused = "login_refused";
    /// Too many refused log-ins from this address; try later.
    TooManyLogins = "too_many_logins";
    /// Too many messages on this socket; it is closed.
    TooManyMessages = "too_many_messages";
    /// The engine is behind, or cannot check now; ask again.
    Busy = "busy";
    /// The call is not, or no longer, this agent's.
    NotYourCall = "not_your_call";
    /// Nothing is known for this card.
    NoSuchCard = "no_such_card";
    /// An outcome for this call is being saved already.
    OutcomePending = "outcome_pending";
    /// The outcome could not be made durable.
    NotSaved = "not_saved";
    /// The audio leg cannot be set up from this offer, or not by this agent.
    AudioRefused = "audio_refused";
    /// There is no audio leg, or no recording, that this could be asked of.
    NoAudio = "no_audio";
}

impl Fault {
    /// A fault about one field.
    pub fn field(code: ErrorCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Fault {
            request: None,
            code,
            field: Some(field.into()),
            message: message.into(),
        }
    }
    /// A fault about the message as a whole.
    pub fn whole(code: ErrorCode, message: impl Into<String>) -> Self {
        Fault {
            request: None,
            code,
            field: None,
            message: message.into(),
        }
    }
    /// The same fault, citing a request.
    pub fn of_request(mut self, request: u64) -> Self {
        self.request = Some(request);
        self
    }
}

/// Reads one message of a client.
pub fn parse(text: &str) -> Result<ClientMessage, Fault> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Fault::whole(
            ErrorCode::BadJson,
            format!("not JSON: line {}, column {}", error.line(), error.column()),
        )
    })?;
    let Value::Object(mut fields) = value else {
        return Err(Fault::whole(
            ErrorCode::BadJson,
            "a JSON object is expected",
        ));
    };
    let request = fields.get("request").and_then(Value::as_u64);
    if request == Some(0) {
        // 0 is the floor's word for "not numbered".
        return Err(Fault::field(
            ErrorCode::BadField,
            "request",
            "requests are numbered from 1",
        ));
    }
    read(&mut fields).map_err(|fault| Fault { request, ..fault })
}

fn read(fields: &mut Map<String, Value>) -> Result<ClientMessage, Fault> {
    let Some(kind) = fields.remove("type") else {
        return Err(Fault::field(
            ErrorCode::MissingField,
            "type",
            "every message has a type",
        ));
    };
    let fields = std::mem::take(fields);
    Ok(match kind.as_str() {
        Some("hello") => ClientMessage::Hello(checked_hello(body(fields)?)?),
        Some("state") => ClientMessage::State(body(fields)?),
        Some("painted") => ClientMessage::Painted(body(fields)?),
        Some("expand") => ClientMessage::Expand(body(fields)?),
        Some("hang_up") => ClientMessage::HangUp(body(fields)?),
        Some("outcome") => ClientMessage::Outcome(Box::new(body(fields)?)),
        Some("dial") => ClientMessage::Dial(body(fields)?),
        Some("skip") => ClientMessage::Skip(body(fields)?),
        Some("next") => ClientMessage::Next(body(fields)?),
        Some("audio_offer") => {
            let offer: AudioOffer = body(fields)?;
            offer.check()?;
            ClientMessage::AudioOffer(offer)
        }
        Some("audio_check") => ClientMessage::AudioCheck(body(fields)?),
        Some("mute") => ClientMessage::Mute(body(fields)?),
        Some("hold") => ClientMessage::Hold(body(fields)?),
        Some("keys") => {
            let keys: Keys = body(fields)?;
            keys.check()?;
            ClientMessage::Keys(keys)
        }
        Some("record") => ClientMessage::Record(body(fields)?),
        Some("ping") => ClientMessage::Ping(body(fields)?),
        _ => {
            return Err(Fault::field(
                ErrorCode::UnknownType,
                "type",
                "one of hello, state, painted, expand, hang_up, outcome, dial, skip, next, audio_offer, audio_check, mute, hold, keys, record, ping",
            ));
        }
    })
}

fn checked_hello(hello: Hello) -> Result<Hello, Fault> {
    if hello.version != super::VERSION {
        return Err(Fault::field(
            ErrorCode::VersionUnsupported,
            "version",
            format!("this engine speaks version {}", super::VERSION),
        ));
    }
    let name = hello.agent.chars().count();
    if !(1..=64).contains(&name) {
        return Err(Fault::field(
            ErrorCode::BadField,
            "agent",
            "1 to 64 characters",
        ));
    }
    if !(1..=256).contains(&hello.token.expose().len()) {
        return Err(Fault::field(
            ErrorCode::BadField,
            "token",
            "1 to 256 characters",
        ));
    }
    Ok(hello)
}

fn body<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, Fault> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let path = match error.path().to_string() {
            root if root == "." => String::new(),
            path => path,
        };
        let reason = error.inner().to_string();
        // serde names the field of these two only in its sentence; its path ends at the enclosing object.
        let (code, field) = if let Some(name) = quoted_after(&reason, "missing field ") {
            (ErrorCode::MissingField, joined(&path, name))
        } else if let Some(name) = quoted_after(&reason, "unknown field ") {
            (ErrorCode::UnknownField, joined_once(&path, name))
        } else {
            (ErrorCode::BadField, path)
        };
        Fault::field(code, field, reason)
    })
}

fn quoted_after<'a>(sentence: &'a str, start: &str) -> Option<&'a str> {
    sentence.strip_prefix(start)?.split('`').nth(1)
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// An unknown field may already end the path.
fn joined_once(path: &str, name: &str) -> String {
    if path == name || path.ends_with(&format!(".{name}")) {
        path.to_owned()
    } else {
        joined(path, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (Option<u64>, &'static str, Option<String>) {
        let fault = parse(text).expect_err("must be refused");
        (fault.request, fault.code.as_str(), fault.field)
    }

    #[test]
    fn every_message_survives_the_way_out_and_back() {
        let call = CallId(AttemptId(1 << 60));
        for message in [
            ClientMessage::Hello(Hello {
                version: 1,
                agent: "minh".into(),
                token: Pii::new("t".into()),
                resume: Some(Resume {
                    session: "ab".into(),
                    sequence: 7,
                }),
            }),
            ClientMessage::State(StateWish {
                request: 1,
                to: WantedState::Break,
                reason: Some("lunch".into()),
            }),
            ClientMessage::Painted(Painted {
                call,
                painted_at_ms: Some(5),
            }),
            ClientMessage::Expand(Expand {
                request: 2,
                call,
                card: CardName::Timeline,
            }),
            ClientMessage::HangUp(HangUp { request: 3, call }),
            ClientMessage::Outcome(Box::new(Outcome {
                request: 4,
                call,
                code: "RPC_PTP".into(),
                promise: Some(Promise {
                    amount: 3_230_000,
                    due: "2026-11-25".into(),
                    method: None,
                }),
                follow_up_at: None,
                reason: None,
                amount: None,
                paid: None,
                schedule: None,
                note: Some(Pii::new("hẹn thứ tư".into())),
                cooperation: Some(Cooperation::Partial),
            })),
            ClientMessage::AudioOffer(AudioOffer {
                request: 5,
                sdp: "v=0\r\n".into(),
            }),
            ClientMessage::Keys(Keys {
                request: 6,
                call,
                digits: "12#".into(),
            }),
            ClientMessage::Ping(Ping { sequence: Some(9) }),
        ] {
            let text = serde_json::to_string(&message).expect("serialises");
            assert_eq!(parse(&text), Ok(message), "{text}");
        }
    }

    #[test]
    fn a_fault_names_field_and_request() {
        assert_eq!(fault("{"), (None, "bad_json", None));
        assert_eq!(fault("[1]"), (None, "bad_json", None));
        assert_eq!(
            fault(r#"{"request":3}"#),
            (Some(3), "missing_field", Some("type".into()))
        );
        assert_eq!(
            fault(r#"{"type":"state","request":0,"to":"ready"}"#),
            (None, "bad_field", Some("request".into()))
        );
        assert_eq!(
            fault(r#"{"type":"jump","request":3}"#),
            (Some(3), "unknown_type", Some("type".into()))
        );
        assert_eq!(
            fault(r#"{"type":"state","request":3}"#),
            (Some(3), "missing_field", Some("to".into()))
        );
        assert_eq!(
            fault(r#"{"type":"state","request":3,"to":"fly"}"#),
            (Some(3), "bad_field", Some("to".into()))
        );
        assert_eq!(
            fault(r#"{"type":"ping","colour":1}"#),
            (None, "unknown_field", Some("colour".into()))
        );
        assert_eq!(
            fault(
                r#"{"type":"outcome","request":8,"call":"1","code":"RPC_PTP","promise":{"due":"2026-11-25"}}"#
            ),
            (Some(8), "missing_field", Some("promise.amount".into()))
        );
        assert_eq!(
            fault(
                r#"{"type":"outcome","request":8,"call":"1","code":"RPC_PTP","promise":{"amount":"all","due":"2026-11-25"}}"#
            ),
            (Some(8), "bad_field", Some("promise.amount".into()))
        );
        assert_eq!(
            fault(
                r#"{"type":"outcome","request":8,"call":"1","code":"X","schedule":[{"due":"2026-11-25","amount":1,"x":2}]}"#
            ),
            (Some(8), "unknown_field", Some("schedule[0].x".into()))
        );
        assert_eq!(
            fault(r#"{"type":"hang_up","request":1,"call":"../1"}"#),
            (Some(1), "bad_field", Some("call".into()))
        );
    }

    #[test]
    fn a_hello_of_another_version_or_without_a_token_is_refused() {
        assert_eq!(
            fault(r#"{"type":"hello","version":2,"agent":"a","token":"t"}"#).1,
            "version_unsupported"
        );
        assert_eq!(
            fault(r#"{"type":"hello","version":1,"agent":"a"}"#),
            (None, "missing_field", Some("token".into()))
        );
        assert_eq!(
            fault(r#"{"type":"hello","version":1,"agent":"","token":"t"}"#),
            (None, "bad_field", Some("agent".into()))
        );
    }

    #[test]
    fn a_token_and_a_note_never_print() {
        let hello = parse(r#"{"type":"hello","version":1,"agent":"a","token":"canary"}"#)
            .expect("a good hello");
        assert!(!format!("{hello:?}").contains("canary"));
    }
}
