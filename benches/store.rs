//! How long an intent waits for the disk: group commit at a steady rate, and flat out. Also refills and imports at 100,000 leads.
//! Prints p50 and p99; asserts nothing, because the disk decides.

#![allow(clippy::unwrap_used, reason = "a bench that fails may panic")]
#![allow(missing_docs, reason = "criterion's macros make items without any")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hdrhistogram::Histogram;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tandem::config::StoreConfig;
use tandem::core::effect::{AttemptClosed, DialOrder, LeadNext};
use tandem::core::results::SystemResult;
use tandem::ids::{AttemptId, CampaignId, LeadId, NumberId, PersonId, TrunkId};
use tandem::shell::store::lead_rows::ListRules;
use tandem::shell::store::sqlite::{BackOffice, SqliteLeads, SqliteStore};
use tandem::shell::store::writer::Writer;
use tandem::shell::store::{
    CallIdentity, CampaignName, DueQuery, LeadSource, ReturnedLeads, Store, StoreNames, StoreNews,
    StoreOrder,
};
use tandem::time::UnixMs;

const LEADS: u64 = 100_000;
const NOW: UnixMs = UnixMs(1_795_485_600_000);

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

/// A store with 100,000 leads; says how long their import took.
fn list(dir: &Path) {
    let facts = "Trần Thị Mai Hương,chị,4860000,63420000,49,B2,HIGH,78,BROKEN_PTP|HARDSHIP_HINT";
    let rows: String = (0..LEADS)
        .map(|n| format!("C{n},+8490{n:07},{},{facts}\n", n % 10))
        .collect();
    let header = "cif,number,priority,name,salutation,loan.due,loan.outstanding,loan.days_past_due,loan.bucket,risk.class,risk.score,risk.flags";
    std::fs::write(dir.join("list.csv"), format!("{header}\n{rows}")).unwrap();
    let rules = || ListRules {
        campaigns: vec!["PL-B2-HCM".to_owned()],
        skills: Vec::new(),
        campaign: Some("PL-B2-HCM".to_owned()),
        country: "VN".to_owned(),
        zone: "Asia/Ho_Chi_Minh".to_owned(),
    };
    for round in ["new", "the same again"] {
        let report = BackOffice::open(&dir.join("t.db"))
            .unwrap()
            .import_leads(&dir.join("list.csv"), rules(), None, &mut |_| {})
            .unwrap();
        println!(
            "import of {LEADS} leads, {round}: {:.1} s, {:.0} rows/s ({report:?})",
            report.seconds,
            report.read as f64 / report.seconds
        );
    }
    rusqlite::Connection::open(dir.join("t.db"))
        .unwrap()
        .execute("UPDATE lead SET not_before = 0", [])
        .unwrap();
}

fn intent(attempt: u64) -> StoreOrder {
    let n = attempt % LEADS + 1;
    StoreOrder::Intent(
        DialOrder {
            attempt: AttemptId(attempt),
            route_try: 1,
            campaign: CampaignId(0),
            lead: LeadId(n),
            person: PersonId(n),
            number: NumberId(n),
            trunk: TrunkId(0),
        },
        CallIdentity {
            call_id: format!("{attempt:032x}"),
            from_tag: format!("{attempt:032x}"),
            branch: format!("z9hG4bK{attempt:032x}"),
        },
        NOW,
    )
}

fn closed(attempt: u64) -> StoreOrder {
    let n = attempt % LEADS + 1;
    StoreOrder::Closed(Box::new(AttemptClosed {
        attempt: AttemptId(attempt),
        campaign: CampaignId(0),
        lead: LeadId(n),
        person: PersonId(n),
        number: NumberId(n),
        trunk: TrunkId(0),
        route_tries: 1,
        result: SystemResult::NoAnswer,
        counts: true,
        wire: Some((487, None)),
        agent: None,
        decided_at: NOW,
        released_at: Some(NOW),
        rang_at: Some(NOW),
        answered_at: None,
        matched_at: None,
        ended_at: NOW,
        ring_ms: Some(25_000),
        talk_ms: None,
        is_call_in: false,
        announced_at: None,
        next: LeadNext::Again {
            not_before: UnixMs(NOW.0 + 10_800_000),
            callback: false,
            sticky: None,
        },
    }))
}

/// Orders at a steady rate for some seconds; half are intents, half ends. Prints how long intents took to be durable.
fn at_a_rate(dir: &Path, first: u64, per_second: u64, window: Duration, seconds: u64) -> u64 {
    let (store, _) = SqliteStore::open(&dir.join("t.db"), &names(), NOW).unwrap();
    let (told, news): (_, Receiver<(u64, Instant)>) = channel();
    let writer = Writer::start(
        Box::new(store),
        &StoreConfig {
            commit_window: window,
            queue: 8_192,
        },
        ReturnedLeads::default(),
        Box::new(move |news| {
            if let StoreNews::IntentDurable(attempt, _) = news {
                told.send((attempt.0, Instant::now())).unwrap();
            }
        }),
    )
    .unwrap();
    let lane = writer.lane();
    let stats = writer.stats();
    let rows = per_second * seconds;
    let pairs = rows / 2;
    let step = Duration::from_secs(seconds) / rows as u32;
    let begun = Instant::now();
    let mut ordered = Vec::with_capacity(pairs as usize);
    for row in 0..rows {
        let due = begun + step * row as u32;
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        let n = row / 2;
        if row % 2 == 0 {
            ordered.push(Instant::now());
            lane.send_timeout(intent(first + n), Duration::from_secs(30))
                .unwrap();
        } else if let Some(earlier) = n.checked_sub(100) {
            lane.send_timeout(closed(first + earlier), Duration::from_secs(30))
                .unwrap();
        }
    }
    let mut waits = Histogram::<u64>::new(3).unwrap();
    for _ in 0..pairs {
        let (attempt, at) = news.recv().unwrap();
        let wait = at - ordered[(attempt - first) as usize];
        waits.record(wait.as_micros() as u64).unwrap();
    }
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{per_second} rows/s, window {window:?}: intent durable p50 {:.2} p99 {:.2} max {:.2} ms; {:.1} orders per commit, commit {:.2} ms",
        waits.value_at_quantile(0.5) as f64 / 1e3,
        waits.value_at_quantile(0.99) as f64 / 1e3,
        waits.max() as f64 / 1e3,
        count(&stats.orders) as f64 / count(&stats.commits) as f64,
        stats.commit_times.sum().as_secs_f64() * 1e3 / count(&stats.commits) as f64,
    );
    writer.stop();
    first + pairs
}

fn store(criterion: &mut Criterion) {
    // The working directory's disk: a tmpfs would flatter the fsync.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    list(dir.path());
    let mut next = 1;
    for window in [Duration::ZERO, Duration::from_millis(2)] {
        for per_second in [100, 1_000, 5_000] {
            next = at_a_rate(dir.path(), next, per_second, window, 5);
        }
    }

    let mut group = criterion.benchmark_group("store");
    group.sample_size(20);
    let (mut sqlite, _) = SqliteStore::open(&dir.path().join("t.db"), &names(), NOW).unwrap();
    group.throughput(Throughput::Elements(64));
    group.bench_function("commit of 64 intents", |bench| {
        bench.iter_batched(
            || {
                next += 64;
                (next..next + 64).map(intent).collect::<Vec<_>>()
            },
            |batch| sqlite.commit(&batch).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(1_000));
    let mut leads = SqliteLeads::open(&dir.path().join("t.db"), &names()).unwrap();
    let query = DueQuery {
        campaign: CampaignId(0),
        want: 1_000,
        out: 2_000,
        now: NOW,
        due_until: NOW,
    };
    group.bench_function("refill of 1,000 leads of 100,000", |bench| {
        bench.iter(|| {
            // About what is lent at a time stands in front.
            let due = leads.due(&query, &|lead| lead.0 % 50 == 0).unwrap();
            assert_eq!(due.leads.len(), 1_000);
            due
        });
    });
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
