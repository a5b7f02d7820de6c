//! What is left after a process died: nothing acknowledged is lost, everything open is closed, legs that may be up are named.

use super::*;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;
use tandem::core::ledger::{Exposure, Exposures};
use tandem::shell::store::{DialogRow, Store};

const CHILD: &str = "TANDEM_STORE_CHILD";
const LEADS: u32 = 50;

/// Not a test by itself: the process that is killed. Dials and closes for ever, and prints what the store acknowledged.
#[test]
fn child_that_is_killed() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    let (store, recovery) =
        SqliteStore::open(Path::new(&path), &names(), NOW).expect("the child opens the store");
    let bench = Bench::start(store);
    let mut out = std::io::stdout();
    for attempt in recovery.first_attempt.. {
        let n = attempt % u64::from(LEADS) + 1;
        bench.order(intent(attempt, n));
        bench.order(outcome(attempt, n, Disposition::RpcRefuse, again(NOW.0)));
        bench.order(closed(
            attempt,
            n,
            SystemResult::Connected,
            LeadNext::AwaitsOutcome,
        ));
        bench.order(StoreOrder::Exposed {
            campaign: CampaignId((attempt % 2) as u16),
            exposure: Exposure::ALL[(attempt % 4) as usize],
            at: UnixMs(NOW.0 - (attempt % 3_000) as i64 * 60_000),
        });
        while let Ok(news) = bench.news.try_recv() {
            let line = match news {
                StoreNews::IntentDurable(attempt, _) => format!("ack intent {attempt}"),
                StoreNews::OutcomeDurable { attempt, .. } => format!("ack outcome {attempt}"),
                StoreNews::Closed(attempt) => format!("ack closed {attempt}"),
                StoreNews::Ready(_) => continue,
                other => format!("unexpected {other:?}"),
            };
            // A line of its own whatever the harness printed before it.
            let _ = writeln!(out, "\n{line}");
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let place = Place::new();
    place.leads(LEADS);
    let mut acknowledged: BTreeSet<String> = BTreeSet::new();
    let mut unfinished = 0;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child_that_is_killed", "--exact", "--nocapture"])
            .env(CHILD, place.file())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        // Another instant each round, in the middle of whatever the writer does then.
        while heard < 40 + round * 97 {
            let line = lines.next().expect("the child writes").unwrap();
            if let Some(what) = line.strip_prefix("ack ") {
                acknowledged.insert(what.to_owned());
                heard += 1;
            }
            assert!(!line.starts_with("unexpected"), "{line}");
        }
        child.kill().unwrap();
        // What it said before it died counts too.
        for line in lines.map_while(Result::ok) {
            if let Some(what) = line.strip_prefix("ack ")
                && what.split(' ').count() == 2
            {
                acknowledged.insert(what.to_owned());
            }
        }
        child.wait().unwrap();
        let db = rusqlite::Connection::open(place.file()).unwrap();
        let mut kept = BTreeSet::new();
        for (what, sql) in [
            ("intent", "SELECT attempt FROM route_try"),
            ("outcome", "SELECT attempt FROM outcome"),
            (
                "closed",
                "SELECT id FROM attempt WHERE result = 'CONNECTED'",
            ),
        ] {
            let mut rows = db.prepare(sql).unwrap();
            let ids = rows.query_map([], |row| row.get::<_, i64>(0)).unwrap();
            kept.extend(ids.map(|id| format!("{what} {}", id.unwrap())));
        }
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(
            lost.is_empty(),
            "round {round}: acknowledged and lost: {lost:?}"
        );
        drop(db);
        let (_store, recovery) = place.open(NOW);
        let closed = acknowledged
            .iter()
            .filter(|what| what.starts_with("closed"));
        ledgers_hold_at_least(&place, &recovery, closed.count() as u64);
        unfinished += recovery.interrupted + recovery.connected;
        let totals = place.office().store_totals().unwrap();
        assert!(totals.balance(), "{totals:?}");
        assert_eq!(totals.in_air, 0, "{totals:?}");
    }
    assert!(acknowledged.len() > 5_000, "{}", acknowledged.len());
    println!(
        "{} acknowledgements over 12 kills, none lost; {unfinished} attempts were open when the process died",
        acknowledged.len()
    );
}

/// Each close that was acknowledged before `least` had its count ordered just behind it, and all but those of the last instant
/// are on disk; what a start sums up is what the rows say.
fn ledgers_hold_at_least(place: &Place, recovery: &Recovery, least: u64) {
    let total: u64 = place
        .ask("SELECT sum(served + abandoned + left_early + machines) FROM ledger")
        .parse()
        .unwrap();
    // One batch of the writer may lie between a close and its count.
    assert!(total + 4_096 >= least, "{total} of {least}");
    for (campaign, history) in &recovery.ledgers {
        let minutes = NOW.0 / 60_000;
        let row = campaign.0 + 1;
        for (pieces, width, since) in [
            (&history.minutes, 1, minutes - 25 * 60),
            (&history.quarters, 15, minutes - 32 * 24 * 60),
        ] {
            let told: u64 = pieces.iter().map(|(_, counts)| counts.exposed()).sum();
            let kept = place.ask(&format!(
                "SELECT coalesce(sum(served + abandoned + left_early + machines), 0) FROM ledger
                 WHERE campaign = {row} AND minute >= {since}"
            ));
            assert_eq!(told.to_string(), kept, "campaign {row} by {width} min");
            assert!(pieces.is_sorted_by_key(|(piece, _)| *piece));
        }
    }
    assert_eq!(recovery.ledgers.len(), 2, "both campaigns have a ledger");
}

#[test]
fn a_ledger_comes_back_as_it_was_kept_and_old_attempts_begin_one() {
    let place = Place::new();
    place.leads(1);
    let (mut store, recovery) = place.open(NOW);
    assert!(recovery.ledgers.is_empty(), "nobody answered yet");
    let exposed = |exposure, minutes_ago: i64| StoreOrder::Exposed {
        campaign: CampaignId(1),
        exposure,
        at: UnixMs(NOW.0 - minutes_ago * 60_000),
    };
    store
        .commit(&[
            exposed(Exposure::Served, 0),
            exposed(Exposure::Served, 0),
            exposed(Exposure::Abandoned, 0),
            exposed(Exposure::LeftEarly, 90),
            exposed(Exposure::Machine, 31 * 24 * 60),
            exposed(Exposure::Machine, 40 * 24 * 60),
        ])
        .unwrap();
    drop(store);
    let (_store, recovery) = place.open(NOW);
    let [(CampaignId(1), history)] = &recovery.ledgers[..] else {
        panic!("{:?}", recovery.ledgers);
    };
    let counts = |served, abandoned, left_early, machines| Exposures {
        served,
        abandoned,
        left_early,
        machines,
    };
    let minute = NOW.0 / 60_000;
    assert_eq!(
        history.minutes,
        [
            (minute - 90, counts(0, 0, 1, 0)),
            (minute, counts(2, 1, 0, 0))
        ]
    );
    let quarters: Vec<_> = history.quarters.iter().map(|(_, counts)| *counts).collect();
    let expected = [counts(0, 0, 0, 1), counts(0, 0, 1, 0), counts(2, 1, 0, 0)];
    assert_eq!(quarters, expected);
}

/// Takes back what migrations from this version on have added, by their own words.
fn undone_from(version: u32) -> String {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/shell/store/sqlite/migrations"
    );
    let mut undo = format!("DELETE FROM refinery_schema_history WHERE version >= {version};");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let number = name.split_once("__").unwrap().0[1..].parse::<u32>();
        if number.unwrap() < version {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            undo += &match words[..] {
                ["CREATE", "TABLE", table, ..] => format!("DROP TABLE {table};"),
                ["CREATE", "INDEX", index, ..] => format!("DROP INDEX IF EXISTS {index};"),
                ["ALTER", "TABLE", table, "ADD", "COLUMN", column, ..] => {
                    format!("ALTER TABLE {table} DROP COLUMN {column};")
                }
                _ => String::new(),
            };
        }
    }
    undo
}

#[test]
fn an_upgrade_counts_what_was_answered_before_there_was_a_ledger() {
    let place = Place::new();
    place.leads(1);
    drop(place.open(NOW));
    // As the file of the version before.
    place.sql(&undone_from(7));
    place.sql("INSERT OR IGNORE INTO trunk (id, name) VALUES (1, 'north');");
    let now = NOW.0;
    for (result, answered, matched, ended) in [
        ("CONNECTED", 1_000, "1100", 90_000),
        ("CONNECTED", 1_000, "3500", 90_000),
        ("ABANDONED", 1_000, "NULL", 3_000),
        ("CUST_HANGUP_EARLY", 1_000, "NULL", 1_500),
        ("CUST_HANGUP_EARLY", 1_000, "NULL", 3_500),
        ("MACHINE", 1_000, "NULL", 3_000),
    ] {
        let at = |ms: i64| now - 3_600_000 + ms;
        let matched = matched
            .parse()
            .map_or("NULL".to_owned(), |ms: i64| at(ms).to_string());
        place.sql(&format!(
            "INSERT INTO attempt (campaign, lead, person, number, trunk, decided_at, answered_at, matched_at, ended_at, result, counts)
             VALUES (1, 1, 1, 1, 1, {now}, {}, {matched}, {}, '{result}', 1)",
            at(answered),
            at(ended)
        ));
    }
    let (_store, recovery) = place.open(NOW);
    let all = recovery.ledgers[0].1.minutes.iter();
    let sum = all.fold((0, 0, 0, 0), |sum, (_, counts)| {
        (
            sum.0 + counts.served,
            sum.1 + counts.abandoned,
            sum.2 + counts.left_early,
            sum.3 + counts.machines,
        )
    });
    assert_eq!(sum, (1, 3, 1, 1));
}

#[test]
fn an_attempt_without_a_result_is_interrupted_and_its_lead_returns_after_the_gap() {
    let place = Place::new();
    place.leads(3);
    let (mut store, _) = place.open(NOW);
    place.sql("UPDATE lead SET callback = 1, sticky = 7 WHERE id = 1");
    store.commit(&[intent(1, 1), intent(2, 2)]).unwrap();
    drop(store);
    let (_store, recovery) = place.open(UnixMs(NOW.0 + HOUR));
    assert_eq!(recovery.interrupted, 2);
    assert_eq!(recovery.first_attempt, 3);
    assert_eq!(
        place.ask("SELECT group_concat(result || counts) FROM attempt"),
        "INTERRUPTED1,INTERRUPTED1"
    );
    // The campaign's gap is 3 h, more than the least 2 h.
    assert_eq!(
        place.ask("SELECT group_concat(not_before) FROM lead"),
        format!("{0},{0},0", NOW.0 + 4 * HOUR)
    );
    assert_eq!(
        place.ask("SELECT group_concat(attempts) FROM lead"),
        "1,1,0"
    );
    assert_eq!(
        place.ask("SELECT callback || coalesce(sticky, '') FROM lead WHERE id = 1"),
        "0",
        "dialled, so no callback any more: as the floor has it"
    );
}

#[test]
fn an_outcome_that_was_saved_makes_the_attempt_connected_and_its_word_stands() {
    let place = Place::new();
    place.leads(1);
    let (mut store, _) = place.open(NOW);
    let call_back = LeadNext::Again {
        not_before: UnixMs(NOW.0 + 48 * HOUR),
        callback: true,
        sticky: Some(AgentId(7)),
    };
    store
        .commit(&[
            intent(1, 1),
            outcome(1, 1, Disposition::RpcCallback, call_back),
        ])
        .unwrap();
    drop(store);
    let (_store, recovery) = place.open(UnixMs(NOW.0 + HOUR));
    assert_eq!((recovery.connected, recovery.interrupted), (1, 0));
    assert_eq!(
        place.ask("SELECT not_before || ' ' || callback || ' ' || sticky FROM lead"),
        format!("{} 1 7", NOW.0 + 48 * HOUR)
    );
    assert_eq!(
        place.ask("SELECT result || ' ' || agent FROM attempt"),
        "CONNECTED 1"
    );
}

#[test]
fn a_connected_attempt_without_an_outcome_gets_not_recorded() {
    let place = Place::new();
    place.leads(1);
    let (mut store, _) = place.open(NOW);
    store
        .commit(&[
            intent(1, 1),
            closed(1, 1, SystemResult::Connected, LeadNext::AwaitsOutcome),
        ])
        .unwrap();
    drop(store);
    let (store, recovery) = place.open(UnixMs(NOW.0 + HOUR));
    assert_eq!(recovery.not_recorded, 1);
    assert_eq!(
        place.ask("SELECT code || by_system || ' ' || agent FROM outcome"),
        "NOT_RECORDED1 1"
    );
    assert_eq!(
        place.ask("SELECT not_before FROM lead"),
        (NOW.0 + 4 * HOUR).to_string(),
        "the campaign's gap of 3 h, as if the floor had lived"
    );
    assert!(place.office().store_totals().unwrap().balance());
    drop(store);
    let (_store, second) = place.open(UnixMs(NOW.0 + 2 * HOUR));
    assert_eq!(second.not_recorded, 0, "once is enough");
}

#[test]
fn legs_that_may_be_up_are_named_with_what_ends_them() {
    let place = Place::new();
    place.leads(3);
    let (mut store, _) = place.open(NOW);
    let second_try = DialOrder {
        route_try: 2,
        trunk: TrunkId(1),
        ..dial(1, 1)
    };
    let dialog = DialogRow {
        attempt: AttemptId(1),
        route_try: 2,
        remote_tag: "to-1".to_owned(),
        remote_target: "sip:+84900000001@192.0.2.7".to_owned(),
        route_set: vec!["<sip:edge.example;lr>".to_owned()],
        local_cseq: 2,
    };
    store
        .commit(&[
            intent(1, 1),
            StoreOrder::Intent(second_try, identity(11), NOW),
            StoreOrder::Dialog(dialog.clone()),
            intent(2, 2),
            closed(2, 2, SystemResult::NoAnswer, again(NOW.0 + HOUR)),
        ])
        .unwrap();
    drop(store);
    // The operator edits before the start: another order of trunks, another caller id.
    let mut edited = names();
    edited.trunks.reverse();
    edited.campaigns[0].caller_id = "+842400000000".to_owned();
    let (store, recovery) = SqliteStore::open(&place.file(), &edited, NOW).unwrap();
    let legs: Vec<_> = recovery
        .orphans
        .iter()
        .map(|leg| (leg.attempt.0, leg.route_try, leg.trunk.0))
        .collect();
    assert_eq!(
        legs,
        [(1, 1, 1), (1, 2, 0)],
        "the finished call is not among them"
    );
    let up = &recovery.orphans[1];
    assert_eq!(up.number.expose(), &number(1));
    assert_eq!(
        up.caller_id, "+842412345678",
        "the one that the call was made with"
    );
    assert_eq!(up.identity, identity(11));
    assert_eq!(up.dialog.as_ref(), Some(&dialog));
    drop(store);
    // The start itself is cut off before it could end the legs: the next one names them again, a later one does not.
    let (store, soon) = place.open(UnixMs(NOW.0 + 60_000));
    assert_eq!((soon.orphans.len(), soon.interrupted), (2, 0));
    drop(store);
    let (_store, later) = place.open(UnixMs(NOW.0 + HOUR));
    assert!(later.orphans.is_empty());
}

#[test]
fn a_store_with_a_million_old_attempts_is_ready_in_time() {
    let place = Place::new();
    place.leads(1);
    place.sql(
        "INSERT INTO trunk (id, name) VALUES (1, 'north');
         WITH RECURSIVE s (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM s WHERE n < 100000)
         INSERT INTO person (id, cif) SELECT n, 'P' || n FROM s;",
    );
    place.sql(
        "INSERT INTO lead (id, campaign, person, number, zone, imported_at)
             SELECT id, 1, id, 1, 1, 0 FROM person WHERE id > 1;
         WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000000)
         INSERT INTO attempt (id, campaign, lead, person, number, trunk, decided_at, ended_at, result, counts)
             SELECT n, 1, 1 + n % 100000, 1 + n % 100000, 1, 1, n, n + 1, 'NO_ANSWER', 1 FROM s;",
    );
    place.sql(
        "INSERT INTO attempt (campaign, lead, person, number, trunk, decided_at)
             SELECT 1, id, id, number, 1, 5 FROM lead WHERE id <= 500;
         PRAGMA wal_checkpoint(TRUNCATE);",
    );
    let begun = Instant::now();
    let (_store, recovery) = place.open(NOW);
    println!(
        "ready in {:?} with 100,000 leads and 1,000,500 attempts, 500 of them open (bar: 5 s)",
        begun.elapsed()
    );
    assert_eq!(recovery.interrupted, 500);
    assert_eq!(recovery.first_attempt, 1_000_501);
    // What keeps it quick, whatever the machine: no step walks over the old attempts.
    for sql in [
        "SELECT id FROM attempt INDEXED BY attempt_in_air WHERE result IS NULL",
        "SELECT id FROM attempt INDEXED BY attempt_awaiting WHERE awaits_outcome = 1",
    ] {
        let plan = rusqlite::Connection::open(place.file())
            .unwrap()
            .query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| {
                row.get::<_, String>(3)
            })
            .unwrap();
        assert!(plan.contains("INDEX attempt_"), "{plan}");
    }
}
