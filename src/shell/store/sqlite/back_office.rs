//! Everything that is done beside the engine, from its own process or another: lists, agents, blocks, exports, totals.
//! Opens the same file; never closes attempts and never takes the engine's lock.

use super::agents::{self, AgentRecord};
use super::blocks::{block_number, block_person};
use super::export::{self, ExportFilter, NumbersShown, StoreTotals};
use super::ledger;
use super::line::Line;
use super::list::ListWriter;
use super::names::Names;
use super::orders;
use super::schema::{self, Role, failed};
use crate::core::ledger::LedgerHistory;
use crate::ids::{AgentId, CampaignId, NumberId, PersonId};
use crate::shell::store::import::{
    ImportError, ImportReport, LeadList, import_dnc, import_leads, import_name,
};
use crate::shell::store::lead_rows::{ListRules, RowReader};
use crate::shell::store::{AgentAudio, StoreError, StoreNames};
use crate::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The back office of one store.
#[derive(Debug)]
pub struct BackOffice {
    connection: Connection,
    path: PathBuf,
    line: Line,
    /// Keeps a restore from replacing the file meanwhile.
    _in_use: File,
}

impl BackOffice {
    /// Opens, or makes, the store's file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let in_use = schema::lock_for_use(path)?;
        Ok(BackOffice {
            connection: schema::open(path, Role::Office)?,
            path: path.to_owned(),
            line: Line::open(path)?,
            _in_use: in_use,
        })
    }

    /// Names of all zones that leads name: what the engine must know before it starts.
    pub fn zones(&self) -> Result<Vec<String>, StoreError> {
        self.connection
            .prepare("SELECT name FROM zone ORDER BY id")
            .and_then(|mut names| names.query_map([], |row| row.get(0))?.collect())
            .map_err(failed("read the zones"))
    }

    /// Makes the rows of names that are new, and brings caller ids up to date: before a reload puts them in force.
    pub fn keep_names(&mut self, names: &StoreNames) -> Result<(), StoreError> {
        self.in_one(|db| Names::keep(db, names).map(drop))
            .map_err(failed("keep the names of the new configuration"))
    }

    /// What the abandon ledgers hold of the campaigns from place `first` on.
    pub fn ledgers(
        &self,
        names: &StoreNames,
        first: usize,
    ) -> Result<Vec<(CampaignId, LedgerHistory)>, StoreError> {
        Names::find(&self.connection, names)
            .and_then(|rows| {
                let now = orders::now(&self.connection)?;
                ledger::histories(&self.connection, &rows, names, first, now)
            })
            .map_err(failed("read the abandon ledgers"))
    }

    /// Imports a file of leads. `rejects` names the file for what cannot be read. An import of this file that was cut off is gone on
    /// with where it stood.
    pub fn import_leads(
        &mut self,
        path: &Path,
        rules: ListRules,
        rejects: Option<&Path>,
        progress: &mut dyn FnMut(&ImportReport),
    ) -> Result<ImportReport, ImportError> {
        let mut list = ListWriter::begin(&mut self.connection, &self.path)?;
        import_leads(&mut list, path, rules, rejects, progress)
    }

    /// Forgets how far an import of this file got: the next one begins at its beginning, and doubles nothing.
    pub fn import_forget(&mut self, path: &Path, rules: &ListRules) -> Result<(), ImportError> {
        if let Some(import) = import_name(path, rules)? {
            ListWriter::begin(&mut self.connection, &self.path)?.set_mark(&import, None)?;
        }
        Ok(())
    }

    /// Imports a do-not-call list. `country` is that of numbers without "+".
    pub fn import_dnc(
        &mut self,
        path: &Path,
        country: &str,
        rejects: Option<&Path>,
        progress: &mut dyn FnMut(&ImportReport),
    ) -> Result<ImportReport, ImportError> {
        let mut list = ListWriter::begin(&mut self.connection, &self.path)?;
        import_dnc(&mut list, path, country, rejects, progress)
    }

    /// Adds an agent: campaigns and weights (1..=100), skills and levels (1..=10), and how he is heard. The log-in token, shown this once.
    pub fn agent_add(
        &mut self,
        name: &str,
        campaigns: &[(String, u16)],
        skills: &[(String, u8)],
        audio: &AgentAudio,
    ) -> Result<String, StoreError> {
        let _standing = self.line.stand();
        agents::add(&mut self.connection, name, campaigns, skills, audio)
    }

    /// All agents.
    pub fn agent_list(&self) -> Result<Vec<AgentRecord>, StoreError> {
        agents::list(&self.connection)
    }

    /// The agent with this name and token, unless disabled.
    pub fn agent_by_token(
        &self,
        name: &str,
        token: &str,
    ) -> Result<Option<AgentRecord>, StoreError> {
        agents::by_token(&self.connection, name, token)
    }

    /// Refuses (or allows again) an agent's log-in. A session that is open is not closed by this.
    pub fn agent_disable(&self, name: &str, disabled: bool) -> Result<AgentId, StoreError> {
        let _standing = self.line.stand();
        agents::disable(&self.connection, name, disabled)
    }

    /// Writes attempts with their outcomes as CSV. Rows written.
    pub fn outcomes_export(
        &self,
        into: &mut dyn Write,
        filter: &ExportFilter,
        numbers: NumbersShown,
    ) -> Result<u64, StoreError> {
        export::outcomes(&self.connection, into, filter, numbers)
    }

    /// Sums over all attempts.
    pub fn store_totals(&mut self) -> Result<StoreTotals, StoreError> {
        export::totals(&mut self.connection)
    }

    /// Puts a number on the do-not-call list, as people write it. Its id, if any lead has it: the floor must be told (a running
    /// engine also finds out by itself within a second).
    pub fn number_block(
        &mut self,
        written: &str,
        country: &str,
        reason: &str,
    ) -> Result<Option<NumberId>, StoreError> {
        let value = |expected| StoreError::Value {
            what: "a number",
            expected,
        };
        let mut reader = RowReader::new(ListRules {
            campaigns: Vec::new(),
            skills: Vec::new(),
            campaign: None,
            country: country.to_owned(),
            zone: "UTC".to_owned(),
        })
        .map_err(value)?;
        let e164 = reader
            .number(written)
            .map_err(|reason| value(format!("one that can be dialled: {reason}")))?;
        let doing = failed("block the number");
        self.in_one(|db| {
            block_number(db, &e164, reason, orders::now(db)?)?;
            db.query_row("SELECT id FROM number WHERE e164 = ?1", [&e164], |row| {
                row.get::<_, i64>(0)
            })
            .optional()
        })
        .map(|id| id.map(|id| NumberId(id as u64)))
        .map_err(doing)
    }

    /// Keeps a person from being dialled on every list, until a time or for good.
    pub fn person_block(
        &mut self,
        cif: &str,
        reason: &str,
        until: Option<UnixMs>,
    ) -> Result<PersonId, StoreError> {
        self.in_one(|db| {
            let person: Option<i64> = db
                .query_row("SELECT id FROM person WHERE cif = ?1", [cif], |row| {
                    row.get(0)
                })
                .optional()?;
            if let Some(person) = person {
                block_person(db, person, reason, orders::now(db)?, until)?;
            }
            Ok(person)
        })
        .map_err(failed("block the person"))?
        .map(|id| PersonId(id as u64))
        .ok_or_else(|| StoreError::Unknown {
            what: "customer",
            name: "(the number given)".to_owned(),
        })
    }

    fn in_one<T>(
        &mut self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let standing = self.line.stand();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        drop(standing);
        let done = act(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }
}
