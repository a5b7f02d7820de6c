use super::*;
use crate::config::InputLogConfig;
use crate::core::input::{AgentSeat, LeadFacts, LegEvent, Wanted};
use crate::ids::{AgentId, CampaignId, LeadId, NumberId, PersonId, TrunkId, ZoneId};
use std::sync::Arc;

fn wanted(path: &Path, octets_max: u64, keep: usize) -> InputLogConfig {
    InputLogConfig {
        path: path.to_owned(),
        octets_max,
        keep,
    }
}

/// Runs one call through a recording floor and returns the path of its log.
fn record(dir: &Path) -> PathBuf {
    let path = dir.join("inputs.jsonl");
    let settings = crate::sim::world::settings(1);
    let mut log = InputLog::create(&wanted(&path, 1_000_000_000, 7), &settings, Arc::default())
        .expect("a log");
    let mut floor = Floor::new(settings);
    let start = 1_795_392_000_000 + 2 * 3_600_000;
    let mut effects = Vec::new();
    let mut feed = |ms: u64, input: Input| {
        let now = Now {
            mono: Mono::from_millis(ms),
            unix: UnixMs(start + ms as i64),
        };
        log.input(now, &input);
        floor.handle(now, input, &mut effects);
        for effect in effects.drain(..) {
            log.effect(now, &effect);
        }
    };
    let agent = AgentId(4);
    let lead = LeadFacts {
        lead: LeadId(11),
        person: PersonId(12),
        number: NumberId(13),
        zone: ZoneId(0),
        callback: false,
        segment: 0,
        priority: 0,
        not_before: UnixMs(0),
        attempts: 0,
        needs: Vec::new(),
        sticky: None,
        reserved_for: None,
        person_attempts: Vec::new(),
        blocked: false,
    };
    feed(0, Input::TrunkUp(TrunkId(0), true));
    feed(
        1,
        Input::AgentSeated(AgentSeat {
            agent,
            campaigns: vec![(CampaignId(0), 1)],
            skills: Vec::new(),
            needs_audio: false,
        }),
    );
    feed(2, Input::AgentWants(agent, Wanted::Ready));
    feed(
        3,
        Input::Leads {
            campaign: CampaignId(0),
            leads: vec![lead],
            exhausted_until: None,
        },
    );
    for ms in (50..300).step_by(10) {
        feed(ms, Input::Wake);
    }
    let attempt = AttemptId(1);
    let leg = |event| Input::Leg {
        attempt,
        route_try: 1,
        at: Mono(0),
        event,
    };
    feed(300, Input::IntentDurable(attempt, 1));
    feed(700, leg(LegEvent::Ringing));
    feed(900, leg(LegEvent::Answered));
    feed(901, Input::Bridged(attempt));
    for ms in 0..1_200 {
        feed(1_000 + ms, Input::Wake);
    }
    feed(9_000, leg(LegEvent::Ended));
    drop(log);
    // The log's own thread ends when its sender is gone; the file is whole once its last line is there.
    for _ in 0..1_000 {
        let text = std::fs::read_to_string(&path).expect("the log");
        if text.ends_with('\n') && text.contains("\"Ended\"") {
            break;
        }
        std::thread::yield_now();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    path
}

#[test]
fn a_replay_reaches_the_same_decisions_and_tells_them_in_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = record(dir.path());
    let mut out = Vec::new();
    let told = replay(&path, Telling::default(), &mut out).expect("it replays");
    assert_eq!((told.checks, told.lost), (1, 0), "{told:?}");
    let text = String::from_utf8(out).expect("text");
    for words in [
        "SIM-0: 1 line started: 1 agent free, 0 lines in the air before",
        "dial lead 11 of SIM-0",
        "it rings",
        "to agent 4, longest idle",
        "CONNECTED; the lead waits for its disposition",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

#[test]
fn a_changed_log_is_found_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = record(dir.path());
    let text = std::fs::read_to_string(&path).expect("the log");
    std::fs::write(&path, text.replace("\"Answered\"", "\"Ringing\"")).expect("written");
    let error = replay(
        &path,
        Telling {
            quiet: true,
            attempt: None,
        },
        &mut Vec::new(),
    )
    .expect_err("it differs");
    assert!(matches!(error, ReplayError::Differs { .. }), "{error}");
}

#[test]
fn a_broken_line_is_named_and_a_cut_off_tail_is_not_a_fault() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = record(dir.path());
    let text = std::fs::read_to_string(&path).expect("the log");
    std::fs::write(&path, &text[..text.len() - 20]).expect("written");
    replay(
        &path,
        Telling {
            quiet: true,
            attempt: None,
        },
        &mut Vec::new(),
    )
    .expect("the tail is cut off");
    std::fs::write(&path, text.replacen("{\"in\":", "{\"inn\":", 1)).expect("written");
    let error = replay(
        &path,
        Telling {
            quiet: true,
            attempt: None,
        },
        &mut Vec::new(),
    )
    .expect_err("no such line");
    assert!(error.to_string().contains("inputs.jsonl:2:"), "{error}");
}

/// Names and sizes of what stands in a directory, in order.
fn shelf(dir: &Path) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = std::fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let octets = entry.metadata().expect("its size").len();
            (entry.file_name().to_string_lossy().into_owned(), octets)
        })
        .collect();
    all.sort();
    all
}

/// An earlier run's log of a given end and size.
fn earlier(dir: &Path, name: &str, octets: usize) {
    std::fs::write(dir.join(name), vec![b'x'; octets]).expect("written");
}

fn wake(ms: u64) -> Now {
    Now {
        mono: Mono::from_millis(ms),
        unix: UnixMs(ms as i64),
    }
}

#[test]
fn a_run_that_fills_its_room_alone_stops_being_recorded_and_its_log_still_replays() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("inputs.log");
    earlier(dir.path(), "inputs.20261120T000000Z.log", 30_000);
    earlier(dir.path(), "inputs.20261121T000000Z.log", 30_000);
    earlier(dir.path(), "notes.20261121T000000Z.log", 30_000);
    earlier(dir.path(), "inputs.log.gz", 30_000);
    let settings = crate::sim::world::settings(1);
    let mut floor = Floor::new(settings.clone());
    let figures = Arc::<LogFigures>::default();
    let mut log = InputLog::create(&wanted(&path, 100_000, 7), &settings, Arc::clone(&figures))
        .expect("a log");
    let mut effects = Vec::new();
    let mut ms = 0;
    while figures.is_recording() {
        assert!(ms < 10_000_000, "it never fills");
        ms += 1;
        log.input(wake(ms), &Input::Wake);
        floor.handle(wake(ms), Input::Wake, &mut effects);
        for effect in effects.drain(..) {
            log.effect(wake(ms), &effect);
        }
        if ms % 100 == 0 {
            // The disk's turn.
            std::thread::sleep(std::time::Duration::from_millis(1));
            let names = shelf(dir.path());
            let ours: u64 = names
                .iter()
                .filter(|(name, _)| name.starts_with("inputs.") && name.ends_with(".log"))
                .map(|(_, octets)| octets)
                .sum();
            assert!(ours <= 100_000 + 64, "{ours} octets");
        }
    }
    let left: Vec<String> = shelf(dir.path())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    // What is not ours stays.
    assert_eq!(
        left,
        ["inputs.log", "inputs.log.gz", "notes.20261121T000000Z.log"]
    );
    let before = figures.octets();
    log.input(wake(ms + 1), &Input::Wake);
    drop(log);
    let quiet = Telling {
        quiet: true,
        attempt: None,
    };
    let told = replay(&path, quiet, &mut Vec::new()).expect("it replays");
    assert!(
        told.ended_early && told.lost == 0 && told.checks > 0,
        "{told:?}"
    );
    assert_eq!(figures.octets(), before);
    assert_eq!(figures.dropped(), 0, "not recorded is not lost");
}

#[test]
fn each_run_has_a_file_of_its_own_and_only_so_many_are_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("inputs.log");
    let settings = crate::sim::world::settings(1);
    earlier(dir.path(), "inputs.20261119T000000Z.log", 10);
    earlier(dir.path(), "inputs.20261120T000000Z.log", 10);
    earlier(dir.path(), "inputs.log", 10);
    for run in 0..3 {
        drop(
            InputLog::create(&wanted(&path, 1_000_000_000, 3), &settings, Arc::default())
                .expect("a log"),
        );
        let names: Vec<String> = shelf(dir.path())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names.len(), 4, "run {run}: {names:?}");
        assert_eq!(names.last().map(String::as_str), Some("inputs.log"));
        let oldest_is_kept = names[0].contains("20261119");
        assert_eq!(oldest_is_kept, run == 0, "run {run}: {names:?}");
    }
    // Three runs within one second or two: each kept under a name of its own.
    assert!(
        shelf(dir.path())
            .iter()
            .all(|(name, _)| !name.contains("20261120T000000"))
    );
}
