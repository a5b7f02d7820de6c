//! Newtypes for everything that has an identity. An id says nothing about a person: safe in logs, labels and replay files.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A person who takes calls. Unique for the life of the store.
    AgentId(u32)
);
id!(
    /// A campaign, in the order of its first appearance in the configuration.
    CampaignId(u16)
);
id!(
    /// A route to a carrier.
    TrunkId(u16)
);
id!(
    /// A named ability of agents ("vietnamese", "late_stage").
    SkillId(u16)
);
id!(
    /// A time zone in the table of zones in force.
    ZoneId(u16)
);
id!(
    /// One person on one campaign's list.
    LeadId(u64)
);
id!(
    /// One borrower, whatever the number of lists and phone numbers.
    PersonId(u64)
);
id!(
    /// One phone number (E.164), whoever answers it.
    NumberId(u64)
);
id!(
    /// One try at one person's number. Rises by one, never reused, also across restarts.
    AttemptId(u64)
);
id!(
    /// A call that somebody makes to us, until it is an attempt. Rises by one within a run.
    CallInId(u64)
);
