//! The SQLite store. All SQL of the program is in this room.
//!
//! - [`SqliteStore`] the engine's writer: one per file, holds the engine's lock
//! - [`SqliteLeads`] the hopper's reader
//! - [`BackOffice`] imports, agents, blocks, exports; beside a running engine, from any process

mod agents;
mod back_office;
mod checkpoint;
mod export;
mod leads;
mod list;
mod names;
pub(super) mod orders;
mod recovery;
mod schema;

pub use agents::AgentRecord;
pub use back_office::BackOffice;
pub use export::{ExportFilter, NumbersShown, StoreTotals};
pub use leads::SqliteLeads;

use self::checkpoint::Checkpointer;
use self::names::Names;
use self::orders::OrderFault;
use self::schema::{Role, failed, fault_of};
use crate::shell::store::{
    Committed, Recovery, Store, StoreError, StoreFault, StoreNames, StoreOrder,
};
use crate::time::UnixMs;
use rusqlite::{Connection, TransactionBehavior};
use std::fs::File;
use std::path::Path;
use std::time::Instant;

/// The engine's store: commits orders. Whoever holds it is the only engine on its file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    names: Names,
    checkpointer: Checkpointer,
    /// Released with the store.
    _engine: File,
}

/// How a batch failed.
enum BatchFault {
    /// An order is at fault, not the database.
    Order,
    Store(StoreFault),
}

impl From<rusqlite::Error> for BatchFault {
    fn from(fault: rusqlite::Error) -> Self {
        fault_of(&fault).map_or(BatchFault::Order, BatchFault::Store)
    }
}

impl SqliteStore {
    /// Opens or makes the file, brings its tables up to date, and settles what a process before us left behind.
    pub fn open(
        path: &Path,
        settings: &StoreNames,
        now: UnixMs,
    ) -> Result<(Self, Recovery), StoreError> {
        let begun = Instant::now();
        let engine = schema::lock_for_engine(path)?;
        let mut connection = schema::open(path, Role::Writer)?;
        let doing = failed("settle what the last run left behind");
        let settled = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                // Before the names are kept: orphans are ended under the caller id that they were called with.
                let old = Names::find(&transaction, settings)?;
                let recovery = recovery::recover(&transaction, &old, settings, now)?;
                let names = Names::keep(&transaction, settings)?;
                transaction.commit()?;
                Ok((recovery, names))
            });
        let (mut recovery, names) = settled.map_err(doing)?;
        recovery.took = begun.elapsed();
        let store = SqliteStore {
            connection,
            names,
            checkpointer: Checkpointer::start(path)?,
            _engine: engine,
        };
        Ok((store, recovery))
    }

    /// One transaction. `each` guards every order by a savepoint, so that a faulty one falls alone.
    fn attempt(&mut self, batch: &[StoreOrder], each: bool) -> Result<Committed, BatchFault> {
        let mut transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut done = Committed::default();
        for order in batch {
            let applied = if each {
                let savepoint = transaction.savepoint()?;
                let kept = (done.news.len(), done.returned.len());
                match orders::apply(&savepoint, &self.names, order, &mut done) {
                    Ok(()) => savepoint.commit().map_err(OrderFault::from),
                    Err(fault) => {
                        done.news.truncate(kept.0);
                        done.returned.truncate(kept.1);
                        Err(fault)
                    }
                }
            } else {
                orders::apply(&transaction, &self.names, order, &mut done)
            };
            match applied {
                Ok(()) => {}
                Err(OrderFault::Database(fault)) if fault_of(&fault).is_some() => {
                    return Err(fault.into());
                }
                Err(_) if !each => return Err(BatchFault::Order),
                Err(fault) => {
                    tracing::error!(reason = %fault, "The store refused an order.");
                    orders::refused(order, &mut done);
                }
            }
        }
        transaction.commit()?;
        Ok(done)
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, batch: &[StoreOrder]) -> Result<Committed, StoreFault> {
        let done = match self.attempt(batch, false) {
            Err(BatchFault::Order) => self.attempt(batch, true),
            done => done,
        };
        let done = done.map_err(|fault| match fault {
            BatchFault::Store(fault) => fault,
            BatchFault::Order => {
                StoreFault::Broken("an order failed outside its savepoint".to_owned())
            }
        })?;
        self.checkpointer.committed(batch.len());
        Ok(done)
    }

    fn maintain(&mut self, idle: bool) {
        self.checkpointer.between_commits(&self.connection, idle);
    }
}
