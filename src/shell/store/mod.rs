//! The store: what must survive. One writer thread with group commit behind [`Store`]; SQLite today, PostgreSQL behind the same trait later.
//!
//! Promises: an intent is durable before its INVITE, an outcome before "saved", the dialog's far side before our ACK.
//!
//! - [`writer`] the thread that commits, in groups, what the floor ordered
//! - [`hopper`] the thread that lends due leads to the floor, none of them twice
//! - [`import`], [`lead_rows`], [`lead_columns`], [`lead_part`], [`numbers`], [`records`] files of leads, and of numbers that must not
//!   be called
//! - [`backup`] what a copy of the store and its restoring report
//! - [`cells`] CSV cells that no spreadsheet runs as a formula
//! - [`sqlite`] all SQL: the only room that knows which database it is

pub mod audio;
pub mod backup;
pub mod cells;
pub mod hopper;
pub mod import;
pub mod lead_columns;
pub mod lead_part;
pub mod lead_rows;
mod list_reader;
pub mod numbers;
pub mod records;
mod rejects;
mod sound;
pub mod sqlite;
pub mod writer;

pub use audio::AgentAudio;
pub use sound::{CallSound, DirectionSound};

use crate::core::effect::{AttemptClosed, CallInOrder, DialOrder, LeadNext, OutcomeKept};
use crate::core::input::LeadFacts;
use crate::core::ledger::{Exposure, LedgerHistory};
use crate::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId};
use crate::pii::Pii;
use crate::time::UnixMs;
use arc_swap::ArcSwap;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    /// A call to us that has become an attempt.
    CallIn(CallInOrder, CallIdentity, UnixMs),
    /// The far side of an answered call.
    Dialog(DialogRow),
    /// An attempt's end and its lead's future.
    Closed(Box<AttemptClosed>),
    /// A disposition, with what the agent wrote.
    Outcome(OutcomeKept, OutcomeDetail),
    /// How a call sounded.
    Sound(Box<CallSound>),
    /// A lead that left the hot window without an attempt.
    LeadReturned {
        /// The lead.
        lead: LeadId,
        /// Its future; `None`: unchanged.
        next: Option<LeadNext>,
    },
    /// What became of an answered call, for the abandon ledger of the next run.
    Exposed {
        /// Whose list.
        campaign: CampaignId,
        /// What became of it.
        exposure: Exposure,
        /// When that was clear.
        at: UnixMs,
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
    /// Whether the writer keeps up (disk full, backlog above its bound: false). Told again every second.
    Ready(bool),
}

/// What the writer needs of a database. One caller, one thread.
pub trait Store: Send {
    /// Makes the whole batch durable, in order, or none of it. An order that contradicts the store is refused by itself
    /// and does not take the others with it.
    fn commit(&mut self, batch: &[StoreOrder]) -> Result<Committed, StoreFault>;
    /// Called between commits; `idle` says that nothing waits. Housekeeping that is short goes here.
    fn maintain(&mut self, idle: bool);
}

/// What a commit did.
#[derive(Debug, Default)]
pub struct Committed {
    /// News for whoever ordered, in the order of the orders.
    pub news: Vec<StoreNews>,
    /// Leads whose future is on disk: they may be lent again.
    pub returned: Vec<LeadId>,
    /// Orders refused by themselves.
    pub refused: u32,
}

/// Why a batch was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// No room on the disk. Nothing of the batch is kept; it may be tried again in a fresh transaction.
    #[error("no room on the disk: {0}")]
    Full(String),
    /// Another process holds the database. Nothing of the batch is kept; it may be tried again.
    #[error("held by another process: {0}")]
    Busy(String),
    /// Whether the batch is on disk is not known (a failed fsync), or the file is damaged. Never tried again as if nothing were.
    #[error("broken: {0}")]
    Broken(String),
}

/// Where leads come from. One caller, one thread.
pub trait LeadSource: Send {
    /// Leads to dial now, best first: callbacks, then priority, then the longest due.
    fn due(
        &mut self,
        query: &DueQuery,
        is_out: &dyn Fn(LeadId) -> bool,
    ) -> Result<DueLeads, StoreError>;
    /// One lead, due or not; `None`: it is not there, is done, or its campaign, zone or a skill is not in force.
    fn one(
        &mut self,
        lead: LeadId,
        now: UnixMs,
    ) -> Result<Option<(LeadFacts, LeadRecord)>, StoreError>;
    /// The lead of somebody who calls us, by the number: of the lists that it is on, the one dialled last, done or not.
    fn caller(
        &mut self,
        e164: &str,
        now: UnixMs,
    ) -> Result<Option<(LeadFacts, LeadRecord)>, StoreError>;
    /// A lead for a caller who is on no list, or (`None`) hides the number; it is never dialled by itself.
    fn stranger(
        &mut self,
        e164: Option<&str>,
        campaign: CampaignId,
        zone: &str,
        now: UnixMs,
    ) -> Result<Option<(LeadFacts, LeadRecord)>, StoreError>;
    /// What others wrote since the last call, oldest first; a bounded part of it if it is much.
    fn changes(&mut self) -> Result<Changes, StoreError>;
}

/// A question for due leads.
#[derive(Clone, Copy, Debug)]
pub struct DueQuery {
    /// Of which campaign.
    pub campaign: CampaignId,
    /// At most so many.
    pub want: u32,
    /// How many of this campaign are lent already: they are passed over.
    pub out: u32,
    /// The time of asking.
    pub now: UnixMs,
    /// Due until then is due.
    pub due_until: UnixMs,
}

/// Leads that are due.
#[derive(Debug, Default)]
pub struct DueLeads {
    /// In the order of dialling.
    pub leads: Vec<(LeadFacts, LeadRecord)>,
    /// Whether more are due than were asked for.
    pub more: bool,
    /// If no more are due: when the next one is.
    pub next_due: Option<UnixMs>,
    /// Passed over because their zone or a skill is not in force.
    pub unusable: u32,
    /// Zones of those, a few at once: they may be put in force.
    pub unknown_zones: Vec<String>,
}

/// What other writers did: an import, a do-not-call list, the floor's own outcomes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Campaigns with new leads.
    pub campaigns: Vec<CampaignId>,
    /// Numbers that must not be dialled any more.
    pub numbers: Vec<NumberId>,
    /// Persons who must not be dialled until a time, or never again (`None`).
    pub persons: Vec<(PersonId, Option<UnixMs>)>,
    /// There is more than one answer holds: ask again.
    pub more: bool,
}

/// Leads whose return is on disk, from the writer to the hopper. Bounded by the number of leads that are lent.
///
/// The hopper empties it before it reads, never after: what it then reads is newer than every return that it knows of.
/// The other way round it could read a lead's old row, then learn of the return, and lend the lead a second time.
#[derive(Clone, Debug, Default)]
pub struct ReturnedLeads(Arc<Mutex<FxHashSet<LeadId>>>);

impl ReturnedLeads {
    /// Adds leads; their return must be on disk.
    pub fn add(&self, leads: &[LeadId]) {
        if !leads.is_empty() {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(leads);
        }
    }
    /// Takes all.
    pub fn take(&self) -> FxHashSet<LeadId> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the store is told of the configuration: ids there are indices, here names that survive its edits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreNames {
    /// Campaigns; a `CampaignId` is an index.
    pub campaigns: Vec<CampaignName>,
    /// Trunks; a `TrunkId` is an index.
    pub trunks: Vec<String>,
    /// Skills; a `SkillId` is an index.
    pub skills: Vec<String>,
    /// Zones in force; a `ZoneId` is an index. Needed by the hopper only.
    pub zones: Vec<String>,
}

/// The names in force, shared by all who turn ids into rows and back. A reload, or a new zone, puts longer tables in the place
/// of the old ones: a place means the same in every version.
#[derive(Clone, Debug, Default)]
pub struct SharedNames {
    now: Arc<ArcSwap<StoreNames>>,
    edits: Arc<Mutex<()>>,
}

impl SharedNames {
    /// These names.
    pub fn new(names: StoreNames) -> Self {
        SharedNames {
            now: Arc::new(ArcSwap::from_pointee(names)),
            edits: Arc::default(),
        }
    }

    /// The names now. Two equal pointers are the same version.
    pub fn now(&self) -> Arc<StoreNames> {
        self.now.load_full()
    }

    /// Keeps everybody else from changing the names until the guard is dropped. Readers go on.
    pub fn edit(&self) -> NamesEdit<'_> {
        NamesEdit {
            names: &self.now,
            // Nothing but the order of edits is guarded.
            _alone: self.edits.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The right to change the names.
#[derive(Debug)]
pub struct NamesEdit<'a> {
    names: &'a ArcSwap<StoreNames>,
    _alone: MutexGuard<'a, ()>,
}

impl NamesEdit<'_> {
    /// The names now.
    pub fn now(&self) -> Arc<StoreNames> {
        self.names.load_full()
    }

    /// Other names, at once, for everybody.
    pub fn set(&self, names: Arc<StoreNames>) {
        self.names.store(names);
    }
}

/// Whether a zone that was unknown could be put in force; asked by a reader that met a lead of it.
pub type ZoneLearner = Box<dyn FnMut(&str) -> bool + Send>;

/// A campaign, as far as the store cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignName {
    /// Its name.
    pub name: String,
    /// Its caller id in E.164: needed to end the legs of a process that died.
    pub caller_id: String,
    /// Least time between two attempts at one person.
    pub gap: Duration,
}

impl StoreNames {
    /// The names of a configuration; `zones` is the table of zones in force.
    pub fn of(config: &crate::config::Config, zones: Vec<String>) -> Self {
        StoreNames {
            campaigns: config
                .campaigns
                .iter()
                .map(|campaign| CampaignName {
                    name: campaign.settings.name.clone(),
                    caller_id: campaign.caller_id.clone(),
                    gap: campaign.settings.gate.gap_min,
                })
                .collect(),
            trunks: config
                .trunks
                .iter()
                .map(|trunk| trunk.settings.name.clone())
                .collect(),
            skills: config.skills.clone(),
            zones,
        }
    }
}

/// What a start found of the process before it.
#[derive(Debug, Default)]
pub struct Recovery {
    /// The first attempt id to hand out.
    pub first_attempt: u64,
    /// Legs that may still be up.
    pub orphans: Vec<OrphanLeg>,
    /// Legs over trunks that are not configured any more: nobody can end them.
    pub orphans_without_trunk: u32,
    /// Attempts closed as INTERRUPTED.
    pub interrupted: u32,
    /// Attempts closed as CONNECTED, because their outcome was kept.
    pub connected: u32,
    /// Connected attempts whose outcome is NOT_RECORDED now.
    pub not_recorded: u32,
    /// What the abandon ledgers hold.
    pub ledgers: Vec<(CampaignId, LedgerHistory)>,
    /// How long it took.
    pub took: Duration,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Written by a newer program.
    #[error(
        "{} was written by a newer Tandem: its tables have version {found}, this program ({}) knows versions up to {known}. Start the newer program, or restore a backup that was made before it ran (tandem restore FILE)",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// Tables, but not ours.
    #[error(
        "{} is the database of another program, not a store of Tandem: move it away, or set data_dir to another directory",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Not a database, or not one that can be read.
    #[error(
        "{} is damaged, or is no store at all ({reason}): move it away and restore a backup (tandem restore FILE)",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// A copy that must not be relied on.
    #[error("{} is no good copy of a store: {reason}", path.display())]
    BadCopy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A restore ended between two of its steps.
    #[error(
        "the restore of {} was cut off: run it again (tandem restore FILE)",
        path.display()
    )]
    RestoreCut {
        /// The file.
        path: PathBuf,
    },
    /// A command works on it, or a restore.
    #[error(
        "{} is in the hands of another command (an import, an export, a restore): wait until it is done",
        path.display()
    )]
    InHand {
        /// The file.
        path: PathBuf,
    },
    /// Another engine runs on it.
    #[error(
        "{} is in use by an engine that runs: stop it first, or set data_dir to another directory",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A name that the store does not know.
    #[error("there is no {what} named \"{name}\"")]
    Unknown {
        /// "campaign", "skill", "agent", "customer".
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name that is taken.
    #[error("there is an {what} named \"{name}\" already")]
    Taken {
        /// "agent".
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A value that cannot be kept.
    #[error("{what} must be {expected}")]
    Value {
        /// Which.
        what: &'static str,
        /// What was expected.
        expected: String,
    },
    /// The database failed.
    #[error("could not {doing}: {reason}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        reason: String,
    },
}
