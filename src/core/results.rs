//! System results: what the network, the rules or we ourselves made of an attempt. Exactly one per attempt (domain.md, "System results").

use crate::core::settings::Recycle;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The single end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SystemResult {
    /// Answered and joined to an agent.
    Connected,
    /// Answered, and nobody of ours was there within the limit.
    Abandoned,
    /// Answered, and hung up before anybody could be there.
    CustHangupEarly,
    /// Rang out.
    NoAnswer,
    /// 486, 600.
    Busy,
    /// 603, 607, 608; 403 with Q.850 cause 21.
    Rejected,
    /// A machine answered.
    Machine,
    /// Cancelled by us while it rang.
    Cancelled,
    /// A crash or silence left the end unknown.
    Interrupted,
    /// The intent was kept, the INVITE never left.
    NotSent,
    /// The number does not exist.
    Invalid,
    /// The trunk failed, not the person.
    TrunkFail,
    /// The person called us, and nobody of ours could take it.
    Missed,
}

impl SystemResult {
    /// All results, in the order of their code.
    pub const ALL: [SystemResult; 13] = [
        Self::Connected,
        Self::Abandoned,
        Self::CustHangupEarly,
        Self::NoAnswer,
        Self::Busy,
        Self::Rejected,
        Self::Machine,
        Self::Cancelled,
        Self::Interrupted,
        Self::NotSent,
        Self::Invalid,
        Self::TrunkFail,
        Self::Missed,
    ];

    /// The code in records, metrics and exports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Connected => "CONNECTED",
            Self::Abandoned => "ABANDONED",
            Self::CustHangupEarly => "CUST_HANGUP_EARLY",
            Self::NoAnswer => "NO_ANSWER",
            Self::Busy => "BUSY",
            Self::Rejected => "REJECTED",
            Self::Machine => "MACHINE",
            Self::Cancelled => "CANCELLED",
            Self::Interrupted => "INTERRUPTED",
            Self::NotSent => "NOT_SENT",
            Self::Invalid => "INVALID",
            Self::TrunkFail => "TRUNK_FAIL",
            Self::Missed => "MISSED",
        }
    }

    /// The result of a code, as kept in the store.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.code() == code)
    }

    /// Whether this was a try at the person, for caps and gaps. One that was cancelled, or that its trunk failed, counts only if it rang.
    pub const fn counts_as_attempt(self, rang: bool) -> bool {
        match self {
            // Nobody was tried who called us.
            Self::NotSent | Self::Missed => false,
            // A phone that rang was rung, whatever became of the call.
            Self::Cancelled | Self::TrunkFail => rang,
            Self::Connected
            | Self::Abandoned
            | Self::CustHangupEarly
            | Self::NoAnswer
            | Self::Busy
            | Self::Rejected
            | Self::Machine
            | Self::Interrupted
            | Self::Invalid => true,
        }
    }

    /// When a lead returns where its campaign says nothing else (domain.md).
    pub const fn default_recycle(self) -> Recycle {
        const MIN: u64 = 60;
        const HOUR: u64 = 3_600;
        Recycle::After(Duration::from_secs(match self {
            // The disposition decides; this is the floor under it.
            Self::Connected => 2 * HOUR,
            // Ofcom's old habit: no predictive call within 72 h of an abandoned one.
            Self::Abandoned => 72 * HOUR,
            Self::CustHangupEarly => 30 * MIN,
            Self::NoAnswer => 3 * HOUR,
            Self::Busy => 15 * MIN,
            Self::Rejected => 24 * HOUR,
            Self::Machine => 4 * HOUR,
            Self::Cancelled | Self::Interrupted => 2 * HOUR,
            // Whoever called us in vain is owed a call as soon as the rules allow one.
            Self::NotSent | Self::Missed => 1,
            Self::TrunkFail => 30,
            Self::Invalid => return Recycle::Never,
        }))
    }
}
