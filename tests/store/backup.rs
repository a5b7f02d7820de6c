//! A copy made while calls are made, and the way back: nothing acknowledged before it is missing, nobody is dialled too soon after it,
//! and what is no good copy never takes the store's place.

use super::*;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use tandem::shell::store::backup::{BackupReport, CopyStep, RestorePlan, RestoreReport};
use tandem::shell::store::sqlite::{backup, restore};
use tandem::shell::store::{Store, StoreError};

fn back_up(place: &Place, name: &str) -> BackupReport {
    backup(&place.file(), &place.path(name), NOW, &mut |_| {}).unwrap()
}

fn restore_into(
    place: &Place,
    from: &Path,
    quiet_until: UnixMs,
) -> Result<RestoreReport, StoreError> {
    let plan = RestorePlan {
        store: &place.file(),
        backup: from,
        now: NOW,
        quiet_until,
    };
    restore(&plan, &mut |_| {})
}

fn names_in(place: &Place) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(place.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with("-lock"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_backup_under_load_has_everything_that_was_acknowledged_before_it_began() {
    let place = Place::new();
    place.leads(200);
    let (store, _) = place.open(NOW);
    let bench = Bench::start(store);
    let more: String = (1_000..9_000)
        .map(|n| format!("M{n},{}\n", number(n)))
        .collect();
    let list = place.path("more.csv");
    std::fs::write(&list, format!("cif,number\n{more}")).unwrap();
    let over = AtomicBool::new(false);
    let (mut before, mut steps) = (BTreeSet::new(), Vec::new());
    let report = std::thread::scope(|all| {
        let importer = all.spawn(|| {
            place
                .office()
                .import_leads(&list, rules(), None, &mut |_| {})
                .unwrap()
        });
        let (told, hear) = std::sync::mpsc::channel();
        let over = &over;
        let dialler = all.spawn(move || {
            for attempt in 1.. {
                let n = attempt % 200 + 1;
                bench.order(intent(attempt, n));
                bench.order(outcome(attempt, n, Disposition::RpcRefuse, again(NOW.0)));
                // Some are in the air at any time.
                if let Some(earlier) = attempt.checked_sub(5).filter(|earlier| *earlier > 0) {
                    bench.order(closed(
                        earlier,
                        earlier % 200 + 1,
                        SystemResult::Connected,
                        LeadNext::AwaitsOutcome,
                    ));
                }
                let heard = bench.hear(|news| matches!(news, StoreNews::OutcomeDurable { .. }));
                if let StoreNews::OutcomeDurable { attempt, .. } = heard {
                    let _ = told.send(attempt.0);
                }
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
            bench.writer.stop()
        });
        while before.len() < 50 {
            before.insert(hear.recv().unwrap());
        }
        before.extend(hear.try_iter());
        let report = backup(&place.file(), &place.path("copy.db"), NOW, &mut |step| {
            steps.push(step);
        });
        over.store(true, Ordering::Relaxed);
        importer.join().unwrap();
        assert_eq!(dialler.join().unwrap(), 0);
        report.unwrap()
    });
    assert!(matches!(steps[0], CopyStep::Copying(..)), "{steps:?}");
    assert!(matches!(steps.last(), Some(CopyStep::Checking)));
    assert!(report.in_air > 0, "calls went on meanwhile: {report:?}");
    let mode = report.file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "borrowers' data is in there");
    assert!(
        !names_in(&place).iter().any(|name| name.contains("partial")),
        "{:?}",
        names_in(&place)
    );

    let fresh = Place::new();
    let restored = restore_into(&fresh, &report.file, NOW).unwrap();
    assert_eq!(restored.kept, None, "there was nothing");
    assert_eq!(restored.in_air, report.in_air);
    let (store, recovery) = fresh.open(NOW);
    drop(store);
    assert_eq!(
        u64::from(recovery.interrupted + recovery.connected),
        report.in_air,
        "what was in the air is settled as on any start"
    );
    let kept = fresh.ask("SELECT group_concat(attempt) FROM outcome");
    let kept: BTreeSet<u64> = kept.split(',').map(|id| id.parse().unwrap()).collect();
    let lost: Vec<_> = before.difference(&kept).collect();
    assert!(lost.is_empty(), "acknowledged before and lost: {lost:?}");
    let totals = fresh.office().store_totals().unwrap();
    assert!(totals.balance() && totals.in_air == 0, "{totals:?}");
}

#[test]
fn after_a_restore_nobody_is_dialled_before_the_quiet_time_ends() {
    let place = Place::new();
    place.leads(3);
    let (mut store, _) = place.open(NOW);
    store
        .commit(&[
            intent(1, 1),
            closed(1, 1, SystemResult::NoAnswer, again(NOW.0 + 100 * HOUR)),
            intent(2, 2),
        ])
        .unwrap();
    let copy = back_up(&place, "copy.db").file;
    // What happens after the backup: a call, a person who asks not to be called, one who complains.
    store
        .commit(&[
            intent(3, 3),
            closed(3, 3, SystemResult::NoAnswer, again(NOW.0)),
        ])
        .unwrap();
    drop(store);
    place
        .office()
        .number_block(&number(2), "VN", "asked us")
        .unwrap();
    place
        .office()
        .person_block("C000003", "COMPLAINT", None)
        .unwrap();
    let quiet = UnixMs(NOW.0 + 24 * HOUR);
    let report = restore_into(&place, &copy, quiet).unwrap();
    assert_eq!(report.backup_at, Some(NOW));
    assert_eq!(report.leads_waiting, 2, "the third waits longer by itself");
    assert_eq!(
        place.ask("SELECT group_concat(not_before) FROM lead"),
        format!("{},{quiet},{quiet}", NOW.0 + 100 * HOUR, quiet = quiet.0)
    );
    assert_eq!(
        place.ask("SELECT group_concat(quiet_until) FROM person"),
        format!("{quiet},{quiet},{quiet}", quiet = quiet.0),
        "also for lists to come"
    );
    let carried = report.carried.expect("the old store can be read");
    assert_eq!((carried.numbers, carried.persons), (1, 1));
    assert_eq!(place.ask("SELECT e164 FROM dnc"), number(2));
    assert_eq!(place.ask("SELECT person FROM person_block"), "3");
    // The old store is there, whole, with what came after.
    let kept = report.kept.expect("a store was there");
    assert_eq!(ask(&kept, "SELECT count(*) FROM attempt"), "3");
    let (_store, recovery) = place.open(NOW);
    assert_eq!(recovery.interrupted, 1, "attempt 2 was in the air");
    assert_eq!(recovery.first_attempt, 4, "behind what was lost");
}

#[test]
fn a_store_that_cannot_be_read_any_more_is_replaced_too() {
    let place = Place::new();
    place.leads(2);
    let copy = back_up(&place, "copy.db").file;
    std::fs::write(place.file(), b"no database at all".repeat(500)).unwrap();
    let report = restore_into(&place, &copy, NOW).unwrap();
    assert_eq!(report.carried, None);
    let kept = std::fs::read(report.kept.expect("it is kept all the same")).unwrap();
    assert!(kept.starts_with(b"no database"));
    assert_eq!(place.ask("SELECT count(*) FROM lead"), "2");
    let (_store, recovery) = place.open(NOW);
    assert!(
        recovery.first_attempt > 1_000_000,
        "far behind what may have been"
    );
}

#[test]
fn what_is_no_good_copy_never_takes_the_place_of_the_store() {
    let place = Place::new();
    place.leads(400);
    let copy = back_up(&place, "copy.db").file;
    let good = std::fs::read(&copy).unwrap();
    let bad = place.path("bad.db");
    let mut damaged = good.clone();
    let middle = damaged.len() / 8_192 * 4_096;
    damaged[middle..middle + 3_000].fill(0xA5);
    let halved = good[..good.len() / 2].to_vec();
    for (content, what) in [
        (damaged, "no good copy"),
        (halved, "no good copy"),
        (b"some words".repeat(900), "no good copy"),
        (Vec::new(), "empty"),
    ] {
        std::fs::write(&bad, content).unwrap();
        let refused = restore_into(&place, &bad, NOW).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains(what) && said.contains("bad.db"), "{said}");
    }
    std::fs::write(&bad, &good).unwrap();
    rusqlite::Connection::open(&bad)
        .unwrap()
        .execute_batch("DELETE FROM attempt; UPDATE lead SET done = 'X'; INSERT INTO trunk VALUES (1, 'north');
            INSERT INTO attempt (campaign, lead, person, number, trunk, decided_at, result) VALUES (1, 1, 1, 1, 1, 5, 'CONNECTED');")
        .unwrap();
    let refused = restore_into(&place, &bad, NOW).unwrap_err();
    assert!(refused.to_string().contains("books"), "{refused}");
    std::fs::write(&bad, &good).unwrap();
    rusqlite::Connection::open(&bad)
        .unwrap()
        .execute_batch(
            "INSERT INTO refinery_schema_history VALUES (9999, 'from_the_future', '', '0')",
        )
        .unwrap();
    let refused = restore_into(&place, &bad, NOW).unwrap_err();
    assert!(
        matches!(refused, StoreError::NewerSchema { found: 9999, .. }),
        "{refused}"
    );
    assert_eq!(
        place.ask("SELECT count(*) FROM lead WHERE done IS NULL"),
        "400"
    );
    assert_eq!(
        names_in(&place),
        ["bad.db", "copy.db", "list.csv", "tandem.db"],
        "nothing is left behind"
    );
}

#[test]
fn a_restore_waits_for_nobody_and_takes_nothing_away_from_anybody() {
    let place = Place::new();
    place.leads(1);
    let copy = back_up(&place, "copy.db").file;
    let (engine, _) = place.open(NOW);
    let refused = restore_into(&place, &copy, NOW).unwrap_err();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    drop(engine);
    let office = place.office();
    let refused = restore_into(&place, &copy, NOW).unwrap_err();
    assert!(matches!(refused, StoreError::InHand { .. }), "{refused}");
    drop(office);
    restore_into(&place, &copy, NOW).unwrap();
}

#[test]
fn a_restore_that_was_cut_off_is_finished_by_running_it_again() {
    let place = Place::new();
    place.leads(2);
    let copy = back_up(&place, "copy.db").file;
    // Cut off when the old store had been moved away and the new one was not there yet.
    std::fs::write(place.path("tandem.db.restoring-now"), "").unwrap();
    std::fs::rename(place.file(), place.path("tandem.db.replaced-x")).unwrap();
    let refused = BackOffice::open(&place.file()).unwrap_err();
    assert!(
        matches!(refused, StoreError::RestoreCut { .. }),
        "{refused}"
    );
    assert!(SqliteStore::open(&place.file(), &names(), NOW).is_err());
    restore_into(&place, &copy, NOW).unwrap();
    assert_eq!(place.ask("SELECT count(*) FROM lead"), "2");
    drop(place.office());
}

#[test]
fn a_backup_overwrites_nothing_and_needs_a_store() {
    let place = Place::new();
    let missing = backup(&place.file(), &place.path("copy.db"), NOW, &mut |_| {});
    assert!(missing.unwrap_err().to_string().contains("no store"));
    assert!(!place.file().exists(), "nor is one made");
    place.leads(1);
    let copy = back_up(&place, "copy.db").file;
    let twice = backup(&place.file(), &copy, NOW, &mut |_| {}).unwrap_err();
    assert!(twice.to_string().contains("there already"), "{twice}");
}
