//! The SQLite store. All SQL of the program is in this room.
//!
//! - [`SqliteStore`] the engine's writer: one per file, holds the engine's lock
//! - [`SqliteLeads`] the hopper's reader
//! - [`BackOffice`] imports, agents, blocks, exports; beside a running engine, from any process
//! - [`RecordingBook`], [`AccessBook`] recordings; tokens with rights and the audit
//! - [`backup()`], [`restore`] a copy of the file while it is written to, and the way back

mod access;
mod agents;
mod back_office;
mod backup;
mod blocks;
mod callers;
mod checkpoint;
mod export;
mod health;
mod leads;
mod ledger;
mod line;
mod list;
mod names;
pub(super) mod orders;
mod recorded_day;
mod recordings;
mod recovery;
mod restore;
mod schema;
mod sound;

pub use access::{AccessBook, AuditBroken, AuditEntry, TokenRow};
pub use agents::AgentRecord;
pub use back_office::BackOffice;
pub use backup::backup;
pub use export::{ExportFilter, NumbersShown, StoreTotals};
pub use health::{StoreHealth, Wholeness, store_health, store_zones};
pub use leads::SqliteLeads;
pub use recorded_day::{RecordedAttempt, recorded_day};
pub use recordings::{RecordingBook, RecordingFilter, RecordingRow, RecordingState};
pub use restore::restore;

use self::checkpoint::{Checkpointer, Work};
use self::line::Line;
use self::names::{FollowedNames, Names};
use self::orders::OrderFault;
use self::schema::{Role, failed, fault_of};
use crate::shell::store::{
    Committed, Recovery, SharedNames, Store, StoreError, StoreFault, StoreNames, StoreOrder,
};
use crate::time::UnixMs;
use rusqlite::{Connection, TransactionBehavior};
use std::fs::File;
use std::path::Path;
use std::time::Instant;

/// The engine's store: commits orders. Whoever holds it is the only engine on its file.
///
/// A commit is brought to the disk by us, after SQLite has ended its transaction and given up the write lock: SQLite itself would
/// hold the lock until the disk has answered, and an import could write nothing meanwhile. What was committed and is not yet on disk
/// is seen by readers and reported to nobody.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    names: FollowedNames,
    line: Line,
    /// The write-ahead log, the same file as long as our connection lives.
    wal: File,
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
                let mut recovery = recovery::recover(&transaction, &old, settings, now)?;
                let names = Names::keep(&transaction, settings)?;
                recovery.ledgers = ledger::histories(&transaction, &names, settings, 0, now)?;
                transaction.commit()?;
                Ok((recovery, names))
            });
        let (mut recovery, names) = settled.map_err(doing)?;
        let unread = |fault: std::io::Error| StoreError::Failed {
            doing: "bring the store's log to the disk",
            reason: fault.to_string(),
        };
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let wal = File::open(wal).map_err(unread)?;
        wal.sync_data().map_err(unread)?;
        recovery.took = begun.elapsed();
        let store = SqliteStore {
            connection,
            names: FollowedNames::new(settings, names),
            line: Line::open(path)?,
            wal,
            checkpointer: Checkpointer::start(path)?,
            _engine: engine,
        };
        Ok((store, recovery))
    }

    /// Turns ids into rows by these names from now on. Their rows must be there ([`BackOffice::keep_names`]) before an order
    /// names them.
    pub fn follow(mut self, names: SharedNames) -> Self {
        self.names.follow(names);
        self
    }

    /// One transaction. `each` guards every order by a savepoint, so that a faulty one falls alone.
    fn attempt(&mut self, batch: &[StoreOrder], each: bool) -> Result<Committed, BatchFault> {
        let standing = self.line.stand();
        let mut transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        drop(standing);
        let names = self.names.now(&transaction)?;
        let mut done = Committed::default();
        for order in batch {
            let applied = if each {
                let savepoint = transaction.savepoint()?;
                let kept = (done.news.len(), done.returned.len());
                match orders::apply(&savepoint, names, order, &mut done) {
                    Ok(()) => savepoint.commit().map_err(OrderFault::from),
                    Err(fault) => {
                        done.news.truncate(kept.0);
                        done.returned.truncate(kept.1);
                        Err(fault)
                    }
                }
            } else {
                orders::apply(&transaction, names, order, &mut done)
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
        // As with a failed fsync of SQLite's own: nobody knows what is on disk now, and a second one that succeeds proves nothing.
        self.wal
            .sync_data()
            .map_err(|fault| StoreFault::Broken(format!("fsync of the log: {fault}")))?;
        self.checkpointer.committed(Work::Orders(batch.len()));
        Ok(done)
    }

    fn maintain(&mut self, idle: bool) {
        self.checkpointer.rests(idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::effect::{DialOrder, LeadNext};
    use crate::ids::{AttemptId, CampaignId, LeadId, NumberId, PersonId, TrunkId};
    use crate::shell::store::lead_rows::ListRules;
    use crate::shell::store::{CallIdentity, CampaignName, StoreNews};
    use std::time::Duration;

    fn names() -> StoreNames {
        StoreNames {
            campaigns: vec![CampaignName {
                name: "PL-B2-HCM".to_owned(),
                caller_id: "+842412345678".to_owned(),
                gap: Duration::from_secs(7_200),
            }],
            trunks: vec!["north".to_owned()],
            skills: Vec::new(),
            zones: vec!["Asia/Ho_Chi_Minh".to_owned()],
        }
    }

    /// A store with one lead.
    fn store(dir: &Path) -> SqliteStore {
        let list = dir.join("list.csv");
        std::fs::write(&list, "cif,number\n1,+84900000412\n").expect("a list");
        let rules = ListRules {
            campaigns: vec!["PL-B2-HCM".to_owned()],
            skills: Vec::new(),
            campaign: Some("PL-B2-HCM".to_owned()),
            country: "VN".to_owned(),
            zone: "Asia/Ho_Chi_Minh".to_owned(),
        };
        let report = BackOffice::open(&dir.join("t.db"))
            .expect("it opens")
            .import_leads(&list, rules, None, &mut |_| {})
            .expect("it imports");
        assert_eq!(report.imported, 1);
        SqliteStore::open(&dir.join("t.db"), &names(), UnixMs(0))
            .expect("it opens")
            .0
    }

    fn intent(attempt: u64) -> StoreOrder {
        StoreOrder::Intent(
            DialOrder {
                attempt: AttemptId(attempt),
                route_try: 1,
                campaign: CampaignId(0),
                lead: LeadId(1),
                person: PersonId(1),
                number: NumberId(1),
                trunk: TrunkId(0),
            },
            CallIdentity {
                call_id: format!("call-{attempt}"),
                from_tag: "tag".to_owned(),
                branch: "z9hG4bK".to_owned(),
            },
            UnixMs(5),
        )
    }

    #[test]
    fn a_full_disk_is_told_apart_from_a_broken_one_and_ends_when_there_is_room() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = store(dir.path());
        let pages: i64 = store
            .connection
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .expect("a number of pages");
        let limit = |store: &SqliteStore, most: i64| {
            store
                .connection
                .query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))
                .expect("the pragma answers");
        };
        limit(&store, pages);
        let many: Vec<StoreOrder> = (1..=500).map(intent).collect();
        let fault = store.commit(&many).expect_err("there is no room");
        assert!(matches!(fault, StoreFault::Full(_)), "{fault}");
        limit(&store, 1 << 30);
        let done = store.commit(&many).expect("there is room again");
        assert_eq!((done.news.len(), done.refused), (500, 0));
    }

    #[test]
    fn nothing_is_reported_before_the_disk_has_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = store(dir.path());
        let sound = std::mem::replace(
            &mut store.wal,
            // A file that cannot be brought to any disk.
            File::open("/dev/null").expect("it is everywhere"),
        );
        let fault = store.commit(&[intent(1)]).expect_err("it is not on disk");
        assert!(matches!(fault, StoreFault::Broken(_)), "{fault}");
        store.wal = sound;
        assert_eq!(store.commit(&[intent(2)]).expect("it is").news.len(), 1);
    }

    #[test]
    fn an_order_that_contradicts_the_store_falls_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = store(dir.path());
        let nobody = StoreOrder::Intent(
            DialOrder {
                attempt: AttemptId(2),
                route_try: 1,
                campaign: CampaignId(0),
                lead: LeadId(999),
                person: PersonId(999),
                number: NumberId(999),
                trunk: TrunkId(0),
            },
            CallIdentity {
                call_id: String::new(),
                from_tag: String::new(),
                branch: String::new(),
            },
            UnixMs(5),
        );
        let returned = StoreOrder::LeadReturned {
            lead: LeadId(1),
            next: Some(LeadNext::Again {
                not_before: UnixMs(77),
                callback: false,
                sticky: None,
            }),
        };
        let done = store
            .commit(&[intent(1), nobody, intent(3), returned])
            .expect("the others are kept");
        let said: Vec<String> = done.news.iter().map(|news| format!("{news:?}")).collect();
        assert_eq!(
            said,
            [
                "IntentDurable(AttemptId(1), 1)",
                "IntentFailed(AttemptId(2), 1)",
                "IntentDurable(AttemptId(3), 1)"
            ]
        );
        assert_eq!(done.returned, [LeadId(1)]);
    }

    #[test]
    fn the_wal_starts_anew_although_the_writer_never_rests() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = store(dir.path());
        let wal = dir.path().join("t.db-wal");
        let length = || wal.metadata().expect("a WAL").len();
        let mut attempt = 0;
        let mut begins_anew = false;
        // A WAL that starts anew is written from its beginning: its salt, bytes 16..24 of the header, changes (SQLite file
        // format s.4.1).
        let salt = || {
            use std::io::Read;
            let mut header = [0; 24];
            let mut file = File::open(&wal).expect("a WAL");
            file.read_exact(&mut header).expect("a header");
            header[16..].to_vec()
        };
        let first = salt();
        while !begins_anew {
            for _ in 0..20 {
                let batch: Vec<StoreOrder> = (0..32)
                    .map(|_| {
                        attempt += 1;
                        intent(attempt)
                    })
                    .collect();
                let done = store.commit(&batch).expect("it commits");
                assert!(matches!(done.news[0], StoreNews::IntentDurable(..)));
            }
            begins_anew = salt() != first;
            assert!(length() < 512 << 20, "the WAL only grows");
        }
        assert!(store.checkpointer.passes() > 0);
    }

    #[test]
    fn a_second_engine_on_the_same_file_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = store(dir.path());
        let second = SqliteStore::open(&dir.path().join("t.db"), &names(), UnixMs(0));
        assert!(matches!(second, Err(StoreError::InUse { .. })));
        drop(first);
        assert!(SqliteStore::open(&dir.path().join("t.db"), &names(), UnixMs(0)).is_ok());
    }
}
