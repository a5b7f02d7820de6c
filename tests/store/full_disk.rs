//! A disk that is really full: a small file system of its own, filled up, then freed.

use super::*;
use std::process::Command;

/// A tmpfs of 1 MB; `None` where this user may not mount one.
struct Mount(PathBuf);

impl Mount {
    fn new(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "none"])
            .arg(at)
            .output()
            .is_ok_and(|done| done.status.success());
        mounted.then(|| Mount(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_stops_dialling_without_a_false_word_and_resumes_by_itself() {
    let place = Place::new();
    let Some(_mount) = Mount::new(place.dir.path()) else {
        println!(
            "SKIPPED: this user may not mount a small tmpfs; the page limit in the unit tests stands in for it"
        );
        return;
    };
    place.leads(20);
    let (store, _) = place.open(NOW);
    let bench = Bench::start(store);
    bench.hear(|news| matches!(news, StoreNews::Ready(true)));
    bench.order(intent(1, 2));
    bench.hear(|news| matches!(news, StoreNews::IntentDurable(..)));
    let filler = place.path("filler");
    let _ = std::fs::write(&filler, vec![0_u8; 2 << 20]);
    // What room is left in the WAL is used up by ordinary work.
    let mut attempt = 1;
    let mut kept = 1;
    let refused = loop {
        attempt += 1;
        assert!(attempt < 10_000, "the disk never fills");
        bench.order(intent(attempt, attempt % 20 + 1));
        match bench.hear(|news| !matches!(news, StoreNews::Ready(_))) {
            StoreNews::IntentDurable(..) => kept = attempt,
            StoreNews::IntentFailed(..) => break attempt,
            other => panic!("{other:?}"),
        }
    };
    bench.hear(|news| matches!(news, StoreNews::Ready(false)));
    // An outcome of a conversation that goes on: it waits, and nobody is told that it is saved.
    let spoken = kept;
    let n = spoken % 20 + 1;
    bench.order(outcome(spoken, n, Disposition::RpcRefuse, again(0)));
    bench.order(intent(refused + 1, 1));
    let next = bench.hear(|_| true);
    assert!(
        matches!(next, StoreNews::IntentFailed(AttemptId(id), 1) if id == refused + 1),
        "{next:?}"
    );
    assert_eq!(place.ask("SELECT count(*) FROM outcome"), "0");
    std::fs::remove_file(&filler).unwrap();
    let saved = bench.hear(|news| !matches!(news, StoreNews::Ready(_)));
    assert!(
        matches!(saved, StoreNews::OutcomeDurable { attempt: AttemptId(id), .. } if id == spoken),
        "{saved:?}"
    );
    bench.hear(|news| matches!(news, StoreNews::Ready(true)));
    assert_eq!(place.ask("SELECT count(*) FROM outcome"), "1");
    bench.order(intent(refused + 2, 1));
    bench.hear(|news| matches!(news, StoreNews::IntentDurable(..)));
    assert_eq!(bench.writer.stop(), 0);
    let claimed = place.ask(&format!(
        "SELECT count(*) FROM attempt WHERE id IN ({refused}, {refused} + 1)"
    ));
    assert_eq!(claimed, "0", "an intent that failed must not come alive");
}
