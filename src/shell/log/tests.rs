use super::*;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// Keeps what is written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the log of this look and level writes of `act`.
fn written(look: Look, level: &str, act: impl FnOnce()) -> String {
    let paper = Paper::default();
    let theirs = paper.clone();
    let lines = lines(look, filter(level).0, move || theirs.clone());
    tracing::subscriber::with_default(lines, act);
    let octets = paper.0.lock().unwrap().clone();
    String::from_utf8(octets).expect("text")
}

/// A User-Agent that would forge a record, clear a screen and turn the writing round.
const HOSTILE: &str =
    "x\r\n2026-11-23T00:00:00Z ERROR tandem: forged\u{1b}[2J\u{9b}2J\u{7}\0\u{2028}\u{202e}end";

fn tell_hostile() {
    tracing::warn!(agent = %HOSTILE, quoted = HOSTILE, "Refused {HOSTILE}.");
}

fn has_harmful(text: &str) -> bool {
    let body = text.strip_suffix('\n').expect("one line");
    body.chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}'))
}

#[test]
fn a_hostile_text_makes_one_record_with_its_controls_escaped() {
    let json = Look {
        format: LogFormat::Json,
        ..Look::default()
    };
    let journal = Look {
        is_journal: true,
        ..Look::default()
    };
    for look in [Look::default(), json, journal] {
        let text = written(look, "info", tell_hostile);
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(!has_harmful(&text), "{text:?}");
        assert!(text.contains("forged"), "told, and harmless: {text}");
    }
}

#[test]
fn a_record_is_bounded_however_much_a_far_end_sends() {
    let long = "a".repeat(100_000);
    let text = written(
        Look::default(),
        "info",
        || tracing::info!(long = %long, "Long."),
    );
    assert!(text.len() < 2_500, "{} octets", text.len());
    assert!(text.trim_end().ends_with("a…"), "it says that it was cut");
}

#[test]
fn other_peoples_crates_are_never_told_below_a_warning() {
    let text = written(Look::default(), "trace", || {
        tracing::trace!(target: "tungstenite::protocol", "a frame of an agent");
        tracing::debug!(target: "hyper::proto", "a request");
        tracing::info!(target: "tandemly", "nearly ours");
        tracing::warn!(target: "hyper::proto", "their warning");
        tracing::trace!(target: "tandem::shell::sip", "our trace");
    });
    let told: Vec<&str> = text.lines().collect();
    assert_eq!(told.len(), 2, "{text}");
    assert!(told[0].contains("their warning") && told[1].contains("our trace"));
}

#[test]
fn json_lines_are_flat_objects() {
    let look = Look {
        format: LogFormat::Json,
        ..Look::default()
    };
    let text = written(look, "info", || {
        tracing::warn!(trunk = "carrier-a", fails = 5, "A breaker opened.");
    });
    let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "A breaker opened.");
    assert_eq!(line["trunk"], "carrier-a");
    assert_eq!(line["fails"], 5);
    assert!(line["timestamp"].is_string() && line["target"].is_string());
}

#[test]
fn the_journal_gets_the_level_as_it_wants_it_and_no_second_clock() {
    let look = Look {
        is_journal: true,
        ..Look::default()
    };
    let text = written(look, "trace", || {
        tracing::error!("wake somebody");
        tracing::warn!("look at it");
        tracing::info!("so it is");
        tracing::debug!("so it was");
    });
    let begins: Vec<&str> = text.lines().map(|line| &line[..3]).collect();
    assert_eq!(begins, ["<3>", "<4>", "<6>", "<7>"], "{text}");
    assert!(text.starts_with("<3>ERROR"), "{text}");
    let json = Look {
        format: LogFormat::Json,
        ..look
    };
    let text = written(json, "info", || tracing::error!("wake somebody"));
    let object = text.strip_prefix("<3>").expect("the level");
    serde_json::from_str::<serde_json::Value>(object).expect("JSON behind it");
}

#[test]
fn colours_are_for_terminals() {
    let tell = || tracing::info!(count = 1, "So it is.");
    assert!(!written(Look::default(), "info", tell).contains('\u{1b}'));
    let terminal = Look {
        is_terminal: true,
        ..Look::default()
    };
    let text = written(terminal, "info", tell);
    assert!(text.contains('\u{1b}'), "{text:?}");
    // Ours are there, a far end's are not.
    let text = written(terminal, "info", tell_hostile);
    assert!(!text.contains("\u{1b}[2J"), "{text:?}");
}

#[test]
fn a_filter_that_cannot_be_read_is_told_and_does_not_silence_the_log() {
    let (_, fault) = filter("tandem=loud");
    assert!(fault.is_some());
    let text = written(Look::default(), "tandem=loud", || tracing::info!("told"));
    assert!(text.contains("told"));
    assert!(filter("warn,tandem::shell::sip=debug").1.is_none());
}
