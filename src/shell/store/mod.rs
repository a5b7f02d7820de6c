//! The store: what must survive. One writer thread with group commit behind [`Store`]; SQLite today, PostgreSQL behind the same trait later.
//!
//! Promises: an intent is durable before its INVITE, an outcome before "saved", the dialog's far side before our ACK.

use crate::core::effect::{AttemptClosed, DialOrder, LeadNext, OutcomeKept};
use crate::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId};
use crate::pii::Pii;
use crate::time::UnixMs;
use serde::{Deserialize, Serialize};

/// What SIP calls a route try. Random, made when the intent is made, durable with it: CANCEL, ACK and BYE need it after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallIdentity {
    /// Call-ID, 128 random bits.
    pub call_id: String,
    /// Our From tag, 128 random bits.
    pub from_tag: String,
    /// The top Via's branch, "z9hG4bK" and 128 random bits.
    pub branch: String,
}

/// What follows at the 200: enough to send a BYE without the process that made the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogRow {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Which route try of it.
    pub route_try: u8,
    /// The far side's To tag.
    pub remote_tag: String,
    /// Its Contact URI.
    pub remote_target: String,
    /// Route set, already in the order of sending.
    pub route_set: Vec<String>,
    /// Our last CSeq number in the dialog.
    pub local_cseq: u32,
}

/// A leg that may still be up at a far end after a crash.
#[derive(Clone, Debug)]
pub struct OrphanLeg {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Which route try.
    pub route_try: u8,
    /// The trunk that it went to.
    pub trunk: crate::ids::TrunkId,
    /// The number in E.164 (To and Request-URI).
    pub number: Pii<String>,
    /// Caller id in E.164 (From).
    pub caller_id: String,
    /// What SIP called it.
    pub identity: CallIdentity,
    /// The far side, if the 200 was kept.
    pub dialog: Option<DialogRow>,
}

/// A borrower on a list, with all that the card may show. Kept as the importer understood it.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadRecord {
    /// The lead.
    pub lead: LeadId,
    /// Whose list.
    pub campaign: CampaignId,
    /// Who.
    pub person: PersonId,
    /// Which number.
    pub number: NumberId,
    /// The number in E.164.
    pub e164: Pii<String>,
    /// [`crate::wire::desk::facts::CustomerFacts`] as JSON text, parsed when the card is staged.
    pub facts: Pii<Box<str>>,
}

/// Something that must become durable.
#[derive(Clone, Debug)]
pub enum StoreOrder {
    /// An attempt and its first or next route try.
    Intent(DialOrder, CallIdentity, UnixMs),
    /// The far side of an answered call.
    Dialog(DialogRow),
    /// An attempt's end and its lead's future.
    Closed(Box<AttemptClosed>),
    /// A disposition, with what the agent wrote.
    Outcome(OutcomeKept, OutcomeDetail),
    /// A lead that left the hot window without an attempt.
    LeadReturned {
        /// The lead.
        lead: LeadId,
        /// Its future; `None`: unchanged.
        next: Option<LeadNext>,
    },
    /// A do-not-call entry for a number in E.164.
    BlockNumber {
        /// The number.
        number: Pii<String>,
        /// Why ("agent", "import", "payment").
        reason: String,
    },
}

/// What the agent wrote beside the code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutcomeDetail {
    /// Free text.
    pub note: Option<Pii<String>>,
    /// A promise: amount in the loan's smallest unit, due date, method.
    pub promise: Option<PromiseDetail>,
    /// When to call back.
    pub follow_up: Option<UnixMs>,
    /// Reason, type or language, where the code needs one.
    pub reason: Option<String>,
    /// Amount paid, where the code needs one.
    pub amount: Option<i64>,
    /// When and how it was paid, as the customer says.
    #[serde(default)]
    pub paid: Option<PaidDetail>,
    /// Instalments of a plan, in the order of their dates.
    #[serde(default)]
    pub schedule: Vec<InstalmentDetail>,
    /// Cooperation, as the agent overrides it.
    pub cooperation: Option<String>,
}

/// A promise to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseDetail {
    /// Amount in whole units of the currency (VND has no minor unit).
    pub amount: i64,
    /// Due date, ISO 8601 ("2026-11-25").
    pub due: String,
    /// How ("TRANSFER", "MOMO").
    pub method: Option<String>,
}

/// A payment that the customer says was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidDetail {
    /// Date, ISO 8601.
    pub at: String,
    /// How ("MOMO", "COUNTER").
    pub method: String,
}

/// One part of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalmentDetail {
    /// Due date, ISO 8601.
    pub due: String,
    /// Amount in whole units of the currency.
    pub amount: i64,
}

/// What the writer reports after a commit, in the order of the orders.
#[derive(Clone, Debug)]
pub enum StoreNews {
    /// The intent is on disk.
    IntentDurable(AttemptId, u8),
    /// It could not be kept.
    IntentFailed(AttemptId, u8),
    /// The dialog's far side is on disk: the ACK may go.
    DialogDurable(AttemptId, u8),
    /// The attempt's end is on disk.
    Closed(AttemptId),
    /// The outcome is on disk: tell the agent.
    OutcomeDurable {
        /// Who.
        agent: AgentId,
        /// About which call.
        attempt: AttemptId,
        /// The client's number of the request.
        request: Option<u64>,
    },
    /// The outcome could not be kept.
    OutcomeFailed {
        /// Who.
        agent: AgentId,
        /// About which call.
        attempt: AttemptId,
        /// The client's number of the request.
        request: Option<u64>,
    },
    /// Whether the writer keeps up (disk full, backlog above its bound: false).
    Ready(bool),
}
