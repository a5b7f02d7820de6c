//! The gate: may we dial this lead now? First failing rule and the next lawful instant.

use serde::{Deserialize, Serialize};

/// A rule that holds a lead back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Gate {
    /// On a do-not-call list, or the person is blocked.
    Blocked,
    /// An attempt at this person or number is in the air.
    InAir,
    /// Outside the calling window in the person's time zone.
    Window,
    /// The person has had today's attempts.
    DayCap,
    /// The last attempt at this person is too recent.
    Gap,
    /// The lead has used all its attempts.
    AttemptsUsed,
}

impl Gate {
    /// All gates, in the order in which they are asked.
    pub const ALL: [Gate; 6] = [
        Self::Blocked,
        Self::InAir,
        Self::AttemptsUsed,
        Self::Window,
        Self::DayCap,
        Self::Gap,
    ];
    /// The code in records and metric labels.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Blocked => "DNC",
            Self::InAir => "IN_AIR",
            Self::Window => "WINDOW",
            Self::DayCap => "CAPPED",
            Self::Gap => "GAP",
            Self::AttemptsUsed => "ATTEMPTS_USED",
        }
    }
}
