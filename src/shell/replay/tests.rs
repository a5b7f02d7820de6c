use super::*;
use crate::core::input::{AgentSeat, LeadFacts, LegEvent, Wanted};
use crate::ids::{AgentId, CampaignId, LeadId, NumberId, PersonId, TrunkId, ZoneId};

/// Runs one call through a recording floor and returns the path of its log.
fn record(dir: &Path) -> PathBuf {
    let path = dir.join("inputs.jsonl");
    let settings = crate::sim::world::settings(1);
    let mut log = InputLog::create(&path, &settings).expect("a log");
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
