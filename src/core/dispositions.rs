//! Dispositions: what the agent said of a conversation (`OUT-COLL` v3, domain.md), and what each asks of the lead's future.

use serde::{Deserialize, Serialize};

macro_rules! dispositions {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $class:ident, $needs:ident;)*) => {
        /// An agent's outcome code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Disposition { $($(#[$doc])* #[serde(rename = $code)] $variant,)* }

        impl Disposition {
            /// All dispositions, in the order of the set.
            pub const ALL: &'static [Disposition] = &[$(Disposition::$variant,)*];
            /// The code on the wire, in records and in exports.
            pub const fn code(self) -> &'static str { match self { $(Self::$variant => $code,)* } }
            /// Who was spoken to.
            pub const fn contact(self) -> Contact { match self { $(Self::$variant => Contact::$class,)* } }
            /// What must come with it.
            pub const fn needs(self) -> Needs { match self { $(Self::$variant => Needs::$needs,)* } }
        }
    };
}

dispositions! {
    /// Right party, promise to pay.
    RpcPtp = "RPC_PTP", RightParty, Promise;
    /// Says it is paid already.
    RpcPaid = "RPC_PAID", RightParty, PaidDetails;
    /// Paid on the call, or link sent.
    RpcPaynow = "RPC_PAYNOW", RightParty, Amount;
    /// Restructuring or plan.
    RpcPartialPlan = "RPC_PARTIAL_PLAN", RightParty, Schedule;
    /// Asks to be called back.
    RpcCallback = "RPC_CB", RightParty, Time;
    /// Refuses to pay.
    RpcRefuse = "RPC_REFUSE", RightParty, Reason;
    /// Disputes the debt.
    RpcDispute = "RPC_DISPUTE", RightParty, Reason;
    /// Job loss, illness, disaster.
    RpcHardship = "RPC_HARDSHIP", RightParty, Reason;
    /// Talked, no commitment.
    RpcNoCommit = "RPC_NO_COMMIT", RightParty, Nothing;
    /// Talk about a broken promise; may come with a new one.
    BrokenPromise = "BP", RightParty, Nothing;
    /// Message left with a third party, no debt disclosed.
    TpcMessage = "TPC_MSG", ThirdParty, Nothing;
    /// A third party asks not to be called.
    TpcRefuses = "TPC_REFUSES", ThirdParty, Nothing;
    /// Not this customer's number.
    WrongNumber = "WRONG_NO", NoContact, Nothing;
    /// Silence on the line.
    NoSpeech = "NO_SPEECH", NoContact, Nothing;
    /// Hung up before identification.
    Hangup = "HANGUP", NoContact, Nothing;
    /// Language barrier.
    Language = "LANG", NoContact, Reason;
    /// The customer has died.
    Deceased = "DECEASED", ThirdParty, Nothing;
    /// A lawyer was named, or a request to cease.
    LegalRepresentative = "LEGAL_REP", RightParty, Nothing;
    /// A complaint.
    Complaint = "COMPLAINT", RightParty, Reason;
    /// To the supervisor.
    Escalate = "ESCALATE", RightParty, Reason;
    /// To field collection.
    FieldVisit = "FIELD_VISIT", RightParty, Reason;
    /// A machine, heard by the agent.
    VoicemailAgent = "VM_AGENT", NoContact, Nothing;
    /// Nothing was said in time: kept by the system, never by an agent.
    NotRecorded = "NOT_RECORDED", NoContact, Nothing;
}

impl Disposition {
    /// The disposition of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|disposition| disposition.code() == code)
    }
}

/// Who was spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contact {
    /// The customer (RPC).
    RightParty,
    /// Somebody else (TPC).
    ThirdParty,
    /// Nobody who counts as a contact (NC).
    NoContact,
}

/// What must come with a disposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Amount and due date of a promise.
    Promise,
    /// When and how it was paid.
    PaidDetails,
    /// An amount.
    Amount,
    /// Instalments: dates and amounts.
    Schedule,
    /// A time to call back, 07:00-21:00 local.
    Time,
    /// A reason in words or a code.
    Reason,
}
