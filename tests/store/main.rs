//! The store as the engine, the importer and the auditor see it: real files, real threads, real crashes.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod backup;
mod books;
mod crash;
mod full_disk;
mod lending;
mod lists;
mod resume;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tandem::config::StoreConfig;
use tandem::core::dispositions::Disposition;
use tandem::core::effect::{AttemptClosed, DialOrder, LeadNext, OutcomeKept};
use tandem::core::results::SystemResult;
use tandem::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId, TrunkId};
use tandem::shell::store::lead_rows::ListRules;
use tandem::shell::store::sqlite::{BackOffice, SqliteStore};
use tandem::shell::store::writer::Writer;
use tandem::shell::store::{
    CallIdentity, CampaignName, OutcomeDetail, Recovery, ReturnedLeads, StoreNames, StoreNews,
    StoreOrder,
};
use tandem::time::UnixMs;

/// Tuesday 2026-11-24, 09:00 in Ho Chi Minh City.
const NOW: UnixMs = UnixMs(1_795_485_600_000);
const HOUR: i64 = 3_600_000;

fn names() -> StoreNames {
    let campaign = |name: &str, caller_id: &str| CampaignName {
        name: name.to_owned(),
        caller_id: caller_id.to_owned(),
        gap: Duration::from_secs(3 * 3_600),
    };
    StoreNames {
        campaigns: vec![
            campaign("PL-B2-HCM", "+842412345678"),
            campaign("CC-B1-HN", "+842487654321"),
        ],
        trunks: vec!["north".to_owned(), "south".to_owned()],
        skills: vec!["vietnamese".to_owned()],
        zones: vec!["Asia/Ho_Chi_Minh".to_owned()],
    }
}

fn rules() -> ListRules {
    ListRules {
        campaigns: names()
            .campaigns
            .into_iter()
            .map(|campaign| campaign.name)
            .collect(),
        skills: names().skills,
        campaign: Some("PL-B2-HCM".to_owned()),
        country: "VN".to_owned(),
        zone: "Asia/Ho_Chi_Minh".to_owned(),
    }
}

/// A directory with a store in it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place {
            dir: tempfile::tempdir().unwrap(),
        }
    }
    fn file(&self) -> PathBuf {
        self.dir.path().join("tandem.db")
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn office(&self) -> BackOffice {
        BackOffice::open(&self.file()).unwrap()
    }
    fn open(&self, now: UnixMs) -> (SqliteStore, Recovery) {
        SqliteStore::open(&self.file(), &names(), now).unwrap()
    }
    /// Imports a CSV of leads without a time, so that they are due at once.
    fn list(&self, csv: &str) {
        let path = self.path("list.csv");
        std::fs::write(&path, csv).unwrap();
        let report = self
            .office()
            .import_leads(&path, rules(), None, &mut |_| {})
            .unwrap();
        assert_eq!(report.rejected, 0, "{report:?}");
        // Due since long ago, whatever the clock of this machine says.
        self.sql("UPDATE lead SET not_before = 0");
    }
    /// `count` leads of the first campaign, one person and number each; ids from 1.
    fn leads(&self, count: u32) {
        let rows: String = (1..=count)
            .map(|n| format!("C{n:06},{}\n", number(n)))
            .collect();
        self.list(&format!("cif,number\n{rows}"));
    }
    fn sql(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.file()).unwrap();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        db.execute_batch(sql).unwrap();
    }
    /// The first column of the first row, as text; "" for NULL.
    fn ask(&self, sql: &str) -> String {
        ask(&self.file(), sql)
    }
}

fn ask(file: &Path, sql: &str) -> String {
    let db = rusqlite::Connection::open(file).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    db.query_row(
        &format!("SELECT coalesce(CAST(({sql}) AS TEXT), '')"),
        [],
        |row| row.get(0),
    )
    .unwrap()
}

/// The nth mobile number of Vietnam's plan.
fn number(n: u32) -> String {
    format!("+8490{n:07}")
}

/// A writer and what it said.
struct Bench {
    writer: Writer,
    news: Receiver<StoreNews>,
    returned: ReturnedLeads,
}

impl Bench {
    fn start(store: SqliteStore) -> Self {
        let (told, news) = channel();
        let returned = ReturnedLeads::default();
        let writer = Writer::start(
            Box::new(store),
            &StoreConfig {
                commit_window: Duration::from_millis(2),
                queue: 8_192,
            },
            returned.clone(),
            Box::new(move |news| {
                let _ = told.send(news);
            }),
        )
        .unwrap();
        Bench {
            writer,
            news,
            returned,
        }
    }
    fn order(&self, order: StoreOrder) {
        self.writer
            .lane()
            .send_timeout(order, std::time::Duration::from_secs(60))
            .unwrap();
    }
    /// Waits for news that satisfy `wanted`; what came before is passed over.
    fn hear(&self, wanted: impl Fn(&StoreNews) -> bool) -> StoreNews {
        loop {
            let news = self
                .news
                .recv_timeout(Duration::from_secs(30))
                .expect("the writer says nothing");
            if wanted(&news) {
                return news;
            }
        }
    }
}

/// An order to dial lead `n` of [`Place::leads`].
fn dial(attempt: u64, n: u64) -> DialOrder {
    DialOrder {
        attempt: AttemptId(attempt),
        route_try: 1,
        campaign: CampaignId(0),
        lead: LeadId(n),
        person: PersonId(n),
        number: NumberId(n),
        trunk: TrunkId(0),
    }
}

fn intent(attempt: u64, n: u64) -> StoreOrder {
    StoreOrder::Intent(dial(attempt, n), identity(attempt), NOW)
}

fn identity(attempt: u64) -> CallIdentity {
    CallIdentity {
        call_id: format!("call-{attempt}"),
        from_tag: format!("from-{attempt}"),
        branch: format!("z9hG4bK-{attempt}"),
    }
}

fn again(not_before: i64) -> LeadNext {
    LeadNext::Again {
        not_before: UnixMs(not_before),
        callback: false,
        sticky: None,
    }
}

fn closed(attempt: u64, n: u64, result: SystemResult, next: LeadNext) -> StoreOrder {
    StoreOrder::Closed(Box::new(AttemptClosed {
        attempt: AttemptId(attempt),
        campaign: CampaignId(0),
        lead: LeadId(n),
        person: PersonId(n),
        number: NumberId(n),
        trunk: TrunkId(0),
        route_tries: 1,
        result,
        counts: result.counts_as_attempt(result != SystemResult::TrunkFail),
        wire: None,
        agent: (result == SystemResult::Connected).then_some(AgentId(1)),
        decided_at: NOW,
        released_at: Some(NOW),
        rang_at: Some(NOW),
        answered_at: None,
        matched_at: None,
        ended_at: UnixMs(NOW.0 + 30_000),
        ring_ms: Some(12_000),
        talk_ms: None,
        is_call_in: false,
        announced_at: None,
        next,
    }))
}

fn outcome(attempt: u64, n: u64, disposition: Disposition, next: LeadNext) -> StoreOrder {
    StoreOrder::Outcome(
        said(attempt, n, disposition, next),
        OutcomeDetail::default(),
    )
}

fn said(attempt: u64, n: u64, disposition: Disposition, next: LeadNext) -> OutcomeKept {
    OutcomeKept {
        attempt: AttemptId(attempt),
        campaign: CampaignId(0),
        lead: LeadId(n),
        person: PersonId(n),
        agent: AgentId(1),
        request: Some(9),
        disposition,
        at: UnixMs(NOW.0 + 60_000),
        next,
    }
}
