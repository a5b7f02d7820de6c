//! Lists as people send them: odd, doubled, broken, huge; and beside a running engine.

use super::*;
use std::io::{Read, Write};
use tandem::shell::store::import::{ImportError, ImportReport};
use tandem::wire::desk::facts::CustomerFacts;

fn import(place: &Place, name: &str, content: &[u8]) -> Result<ImportReport, ImportError> {
    let path = place.path(name);
    std::fs::write(&path, content).unwrap();
    place.office().import_leads(
        &path,
        rules(),
        Some(&place.path("rejects.csv")),
        &mut |_| {},
    )
}

fn counts(report: &ImportReport) -> (u64, u64, u64, u64, u64) {
    assert_eq!(
        report.read,
        report.imported + report.duplicates + report.rejected
    );
    (
        report.read,
        report.imported,
        report.updated,
        report.duplicates,
        report.rejected,
    )
}

#[test]
fn a_list_comes_in_and_vietnamese_words_come_back_as_they_were() {
    let place = Place::new();
    let csv = "\u{FEFF}cif;name;number;loan.due;risk.flags;why\r\n\
        0021873465;\"Trần Thị Mai Hương; chị\";'+84900000412;4860000;BROKEN_PTP|HARDSHIP_HINT;\"quá hạn\nhai dòng\"\r\n";
    let report = import(&place, "list.csv", csv.as_bytes()).unwrap();
    assert_eq!(counts(&report), (1, 1, 0, 0, 0));
    let facts: CustomerFacts =
        serde_json::from_str(&place.ask("SELECT facts FROM lead_facts")).unwrap();
    assert_eq!(facts.name, "Trần Thị Mai Hương; chị");
    assert_eq!(facts.why.as_deref(), Some("quá hạn\nhai dòng"));
    assert_eq!(facts.loan.unwrap().due, 4_860_000);
    assert_eq!(place.ask("SELECT e164 FROM number"), "+84900000412");
    assert_eq!(place.office().zones().unwrap(), ["Asia/Ho_Chi_Minh"]);
}

#[test]
fn json_lines_come_in_with_all_that_a_card_shows() {
    let place = Place::new();
    let line = r#"{"campaign":"CC-B1-HN","number":"+84900000412","zone":"Asia/Bangkok","priority":-3,"needs":{"vietnamese":5},"facts":{"cif":"1","name":"Lê Văn Tám","expansion":{"loans":[{"n":1}]},"mood":{"cooperation":"PARTIAL","reliability":0.5}}}"#;
    let content = format!("{line}\n\n{{\"number\":1}}\n{line}\n");
    let report = import(&place, "list.jsonl", content.as_bytes()).unwrap();
    assert_eq!(counts(&report), (3, 1, 0, 1, 1));
    assert_eq!(
        place.ask("SELECT priority || ' ' || needs || ' ' || (SELECT name FROM zone WHERE id = zone) || ' ' || (SELECT name FROM campaign WHERE id = campaign) FROM lead"),
        r#"-3 {"vietnamese":5} Asia/Bangkok CC-B1-HN"#
    );
    let rejects = std::fs::read_to_string(place.path("rejects.csv")).unwrap();
    assert!(rejects.contains("3,"), "the line's number: {rejects}");
}

#[test]
fn the_same_list_again_doubles_nothing_and_brings_what_is_new() {
    let place = Place::new();
    let list = |due: u32| {
        format!("cif,number,loan.due\n1,0900000001,{due}\n2,0900000002,5\n2,0900000002,5\n")
    };
    let first = import(&place, "list.csv", list(1).as_bytes()).unwrap();
    assert_eq!(counts(&first), (3, 2, 0, 1, 0));
    let second = import(&place, "list.csv", list(2).as_bytes()).unwrap();
    assert_eq!(counts(&second), (3, 0, 1, 3, 0));
    assert_eq!(place.ask("SELECT count(*) FROM lead"), "2");
    assert_eq!(
        place.ask("SELECT facts ->> '$.loan.due' FROM lead_facts WHERE lead = 1"),
        "2"
    );
}

#[test]
fn a_bad_record_is_rejected_with_its_line_and_can_be_sent_again() {
    let place = Place::new();
    let mut content =
        b"cif,number,name\n1,0900000001,good\n2,113,short code\n3,0900000003,".to_vec();
    content.extend_from_slice(
        b"\xFF\xFE\n4,0900000004,=cmd()\n=5,abc,formula\n6,0900000006,x\0y\n7\n",
    );
    let report = import(&place, "list.csv", &content).unwrap();
    assert_eq!(counts(&report), (7, 2, 0, 0, 5));
    let mut rejects = csv::Reader::from_path(place.path("rejects.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = rejects.records().map(Result::unwrap).collect();
    let lines: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(lines, ["3", "4", "6", "7", "8"]);
    assert!(rows[0][1].contains("number"), "{:?}", rows[0]);
    assert!(rows[1][1].contains("UTF-8"), "{:?}", rows[1]);
    assert!(
        rows[2][2].starts_with("'=5"),
        "opens as text: {:?}",
        rows[2]
    );
    assert!(rows[3][1].contains("NUL"), "{:?}", rows[3]);
    assert_eq!(&rows[0][2], "2,113,short code", "as it was sent");
    use std::os::unix::fs::PermissionsExt;
    let mode = place
        .path("rejects.csv")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "borrowers' data is in there");
}

#[test]
fn a_broken_file_is_refused_with_its_line_and_what_came_before_is_kept_once() {
    let place = Place::new();
    let broken =
        "cif,number,name\n1,0900000001,good\n2,0900000002,\"never closed\n3,0900000003,x\n";
    let refused = import(&place, "list.csv", broken.as_bytes()).unwrap_err();
    let said = refused.to_string();
    assert!(
        matches!(refused, ImportError::Refused { line: 3, .. }),
        "{said}"
    );
    let mended = import(
        &place,
        "list.csv",
        broken.replace("\"never", "never").as_bytes(),
    )
    .unwrap();
    assert_eq!(counts(&mended), (3, 2, 0, 1, 0));
    for (header, what) in [
        ("cif,number,laon.due", "laon.due"),
        ("cif,name", "number"),
        ("cif,number,cif", "twice"),
        (&"a,".repeat(300)[..], "columns"),
        ("\0", "column 1 is not known"),
    ] {
        let said = import(&place, "list.csv", header.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(said.contains(what) && said.contains("line 1"), "{said}");
    }
    let huge = vec![b','; 10_000_000];
    assert!(
        import(&place, "list.csv", &huge)
            .unwrap_err()
            .to_string()
            .contains("columns")
    );
    let endless = [b"cif,number\n1,\"".to_vec(), vec![b'x'; 4 << 20]].concat();
    assert!(matches!(
        import(&place, "list.csv", &endless),
        Err(ImportError::Refused { line: 2, .. })
    ));
}

#[test]
fn a_record_for_an_agent_who_is_not_there_is_rejected() {
    let place = Place::new();
    place
        .office()
        .agent_add("Minh", &[], &[], &tandem::shell::store::AgentAudio::None)
        .unwrap();
    let report = import(
        &place,
        "list.csv",
        b"cif,number,reserved_for\n1,0900000001,Minh\n2,0900000002,Nobody\n",
    )
    .unwrap();
    assert_eq!(counts(&report), (2, 1, 0, 0, 1));
    assert_eq!(place.ask("SELECT reserved_for FROM lead"), "1");
}

#[test]
fn a_do_not_call_list_is_remembered_for_lists_to_come() {
    let place = Place::new();
    let path = place.path("dnc.csv");
    std::fs::write(
        &path,
        "number,reason\n0900000001,asked us\n+84900000002\nnonsense 5\n0900000001\n",
    )
    .unwrap();
    let report = place
        .office()
        .import_dnc(&path, "VN", Some(&place.path("rejects.csv")), &mut |_| {})
        .unwrap();
    assert_eq!(counts(&report), (4, 2, 0, 1, 1));
    assert_eq!(
        place.ask("SELECT group_concat(e164 || reason) FROM dnc"),
        "+84900000001asked us,+84900000002import"
    );
}

#[test]
fn an_import_beside_a_running_engine_holds_up_neither() {
    let place = Place::new();
    place.leads(20);
    let (store, _) = place.open(NOW);
    let bench = Bench::start(store);
    let rows: String = (100..4_100)
        .map(|n| format!("C{n},{}\n", number(n)))
        .collect();
    let file = place.path("more.csv");
    std::fs::write(&file, format!("cif,number\n{rows}")).unwrap();
    std::thread::scope(|both| {
        let importer = both.spawn(|| {
            place
                .office()
                .import_leads(&file, rules(), None, &mut |_| {})
        });
        let mut attempt = 0;
        while !importer.is_finished() {
            attempt += 1;
            bench.order(intent(attempt, attempt % 20 + 1));
            let news = bench.hear(|news| !matches!(news, StoreNews::Ready(true)));
            assert!(matches!(news, StoreNews::IntentDurable(..)), "{news:?}");
        }
        let report = importer.join().unwrap().unwrap();
        assert_eq!(report.imported, 4_000);
        assert!(attempt > 10, "the engine came in {attempt} times only");
        println!(
            "{attempt} intents were made durable while {} leads were imported in {:.1} s",
            report.imported, report.seconds
        );
    });
    let put_off = bench
        .writer
        .stats()
        .put_off
        .load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(put_off, 0, "a commit gave up waiting for the import");
}

#[test]
fn progress_is_told_and_a_huge_file_takes_no_memory() {
    // In a process of its own: the peak is one of the whole process, other tests included.
    const ALONE: &str = "TANDEM_STORE_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "lists::progress_is_told_and_a_huge_file_takes_no_memory",
                "--exact",
                "--nocapture",
            ])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success() && said.contains("kB more"), "{said}");
        return;
    }
    let place = Place::new();
    let path = place.path("huge.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    writeln!(file, "cif,number,greeting").unwrap();
    // 64 MB of records that are all rejected: what is measured is the reading.
    let filler = "x".repeat(32_000);
    for _ in 0..2_000 {
        writeln!(file, "1,113,{filler}").unwrap();
    }
    file.flush().unwrap();
    let before = peak_memory_kb();
    let mut told = Vec::new();
    let report = place
        .office()
        .import_leads(&path, rules(), None, &mut |report| told.push(*report))
        .unwrap();
    assert_eq!(report.rejected, 2_000);
    let size = path.metadata().unwrap().len();
    assert_eq!((report.bytes, report.bytes_total), (size, size));
    assert!(told.len() > 3, "as it goes on, and at the end");
    assert!(told.is_sorted_by_key(|report| report.bytes));
    assert_eq!(told.last(), Some(&report));
    let grown = peak_memory_kb().saturating_sub(before);
    println!("reading 64 MB took {grown} kB more");
    assert!(grown < 32 * 1024, "reading 64 MB took {grown} kB more");
}

/// Highest memory of this process so far.
fn peak_memory_kb() -> u64 {
    let mut status = String::new();
    std::fs::File::open("/proc/self/status")
        .unwrap()
        .read_to_string(&mut status)
        .unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|size| size.trim().trim_end_matches(" kB").parse().ok())
        .unwrap()
}
