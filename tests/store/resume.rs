//! Imports that were cut off: they go on where they stood, and never in a file that is another one now.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use tandem::shell::store::import::ImportReport;

const CHILD: &str = "TANDEM_STORE_IMPORTER";

/// A list in no order, with records that are doubled and records that are wrong.
fn write_list(path: &Path, rows: u32) {
    let mut text = String::from("cif,number,name,priority\n");
    for row in 0..rows {
        let n = (row * 7_919) % rows;
        let (cif, number) = match row % 500 {
            13 => (n, "113".to_owned()),
            // The row before it once more.
            14 => {
                let before = ((row - 2) * 7_919) % rows;
                (before, number(before))
            }
            _ => (n, number(n)),
        };
        text.push_str(&format!("C{cif:07},{number},Name of {cif},{}\n", cif % 9));
    }
    std::fs::write(path, text).unwrap();
}

fn import(place: &Place, path: &Path) -> ImportReport {
    place
        .office()
        .import_leads(path, rules(), Some(&place.path("rejects.csv")), &mut |_| {})
        .unwrap()
}

/// Imports until so many leads are written, then ends as a defect would end it.
fn import_until(place: &Place, path: &Path, written: u64) {
    let ended = catch_unwind(AssertUnwindSafe(|| {
        place.office().import_leads(
            path,
            rules(),
            Some(&place.path("rejects.csv")),
            &mut |report| {
                assert!(report.imported < written, "cut off, as this test wants it");
            },
        )
    }));
    assert!(ended.is_err(), "it was to be cut off before its end");
}

/// Everything that an import brought, as text.
fn content(place: &Place) -> String {
    place.ask(
        "SELECT group_concat(line, char(10)) FROM (
            SELECT cif || ' ' || e164 || ' ' || priority || ' ' || facts AS line FROM lead
            JOIN person ON person.id = person JOIN number ON number.id = number JOIN lead_facts ON lead = lead.id
            ORDER BY cif, e164)",
    )
}

fn without_time(report: &ImportReport) -> ImportReport {
    ImportReport {
        seconds: 0.0,
        resumed: 0,
        ..*report
    }
}

/// Not a test by itself: the importer that is killed. Says how far it is.
#[test]
fn importer_that_is_killed() {
    let Ok(dir) = std::env::var(CHILD) else {
        return;
    };
    let dir = Path::new(&dir);
    let report = BackOffice::open(&dir.join("tandem.db"))
        .unwrap()
        .import_leads(
            &dir.join("list.csv"),
            rules(),
            Some(&dir.join("rejects.csv")),
            &mut |report| {
                let _ = writeln!(std::io::stdout(), "\ndone {}", report.read);
            },
        );
    let _ = writeln!(std::io::stdout(), "\nended {report:?}");
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_stood() {
    // More than one part of 65,536.
    const ROWS: u32 = 80_000;
    let (place, whole) = (Place::new(), Place::new());
    for place in [&place, &whole] {
        write_list(&place.path("list.csv"), ROWS);
    }
    let at_once = import(&whole, &whole.path("list.csv"));
    assert_eq!(at_once.read, u64::from(ROWS));
    assert_eq!(at_once.resumed, 0);
    assert!(at_once.rejected > 100 && at_once.duplicates > 100);
    let mut reached = 0;
    for until in [1, 20_000, 66_000] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["resume::importer_that_is_killed", "--exact", "--nocapture"])
            .env(CHILD, place.dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            assert!(!line.starts_with("ended"), "it was to be killed: {line}");
            if let Some(done) = line.strip_prefix("done ") {
                let done: u64 = done.parse().unwrap();
                assert!(done >= reached, "it began at {done}, after {reached}");
                reached = done;
                if done >= until {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let rest = import(&place, &place.path("list.csv"));
    assert!(rest.resumed >= 65_536, "{rest:?}");
    assert_eq!(without_time(&rest), without_time(&at_once));
    assert_eq!(content(&place), content(&whole));
    let rejects = |place: &Place| std::fs::read_to_string(place.path("rejects.csv")).unwrap();
    assert_eq!(rejects(&place), rejects(&whole));
    assert_eq!(
        place.ask("SELECT count(*) FROM pragma_foreign_key_check"),
        "0",
        "what the import does not have checked is right all the same"
    );
    assert_eq!(
        place.ask("SELECT integrity_check FROM pragma_integrity_check"),
        "ok"
    );
    assert_eq!(
        place.ask("SELECT count(*) FROM import_mark"),
        "0",
        "nothing is left to go on with"
    );
    let again = import(&place, &place.path("list.csv"));
    assert_eq!((again.imported, again.resumed), (0, 0));
}

#[test]
fn leads_that_are_written_already_are_counted_as_what_they_were() {
    let place = Place::new();
    let path = place.path("list.csv");
    write_list(&path, 6_000);
    import_until(&place, &path, 500);
    let written: u64 = place.ask("SELECT count(*) FROM lead").parse().unwrap();
    assert!((500..5_900).contains(&written), "{written}");
    let rest = import(&place, &path);
    // What was there twice is one lead.
    assert!(
        (written..=written + 24).contains(&rest.resumed),
        "{written} leads, {rest:?}"
    );
    // 12 are wrong, 12 are there twice.
    assert_eq!((rest.read, rest.rejected, rest.duplicates), (6_000, 12, 12));
    assert_eq!(rest.imported, 5_976);
}

#[test]
fn a_file_that_was_changed_is_read_from_its_beginning() {
    for (change, what) in [
        ("Name of 2840,", "before the place where it stood"),
        ("", "its end"),
    ] {
        let place = Place::new();
        let path = place.path("list.csv");
        write_list(&path, 6_000);
        import_until(&place, &path, 500);
        let mut text = std::fs::read_to_string(&path).unwrap();
        if change.is_empty() {
            text.push_str(&format!("CNEW,{},one more,1\n", number(7_000)));
        } else {
            assert!(text.contains(change), "the test's own list");
            text = text.replace(change, "Somebody else,");
        }
        std::fs::write(&path, &text).unwrap();
        let rest = import(&place, &path);
        assert_eq!(rest.resumed, 0, "changed: {what}");
        assert_eq!(rest.read, text.lines().count() as u64 - 1);
        assert_eq!(rest.read, rest.imported + rest.duplicates + rest.rejected);
        let wanted = if change.is_empty() {
            "one more"
        } else {
            "Somebody else"
        };
        assert_eq!(
            place.ask(&format!(
                "SELECT count(*) FROM lead_facts WHERE facts ->> '$.name' = '{wanted}'"
            )),
            "1",
            "changed: {what}"
        );
    }
}

#[test]
fn other_rules_are_another_import_and_so_is_one_that_is_to_begin_anew() {
    let place = Place::new();
    let path = place.path("list.csv");
    write_list(&path, 6_000);
    import_until(&place, &path, 500);
    let mut others = rules();
    others.campaign = Some("CC-B1-HN".to_owned());
    let other = place
        .office()
        .import_leads(&path, others, None, &mut |_| {})
        .unwrap();
    assert_eq!((other.resumed, other.imported), (0, 5_976));
    place.office().import_forget(&path, &rules()).unwrap();
    let anew = import(&place, &path);
    assert_eq!(anew.resumed, 0);
    assert!(anew.duplicates >= 500, "{anew:?}");
    assert_eq!(place.ask("SELECT count(*) FROM lead"), "11952");
}
