//! Recordings as people meet them: over HTTP with rights, out of a process that was killed, and read by programs that are not ours.
#![allow(clippy::unwrap_used)]

#[path = "recording/api.rs"]
mod api;
#[path = "recording/tls.rs"]
mod tls;

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tandem::config::{ApiConfig, Config, RecordingMode, RecordingRule};
use tandem::core::picture::Picture;
use tandem::ids::{AgentId, AttemptId, CampaignId, LeadId};
use tandem::shell::api::ears::{CallAudio, EarId, EarMode};
use tandem::shell::api::rights::Access;
use tandem::shell::api::{
    AdminToken, AllowedHosts, ApiState, LinkKey, Readiness, Recordings, bind, serve,
};
use tandem::shell::decisions::Decisions;
use tandem::shell::desks::{AnswerTo, AudioRefused};
use tandem::shell::lanes::{Clock, FloorInbox, floor_lanes};
use tandem::shell::metrics::{Backlogs, Metrics};
use tandem::shell::recording::commands::Archive;
use tandem::shell::recording::recorder::RecorderThreads;
use tandem::shell::recording::{Party, Recorder, RecorderParts, Rules, Tap};
use tandem::shell::reload::ReloadRefused;
use tandem::shell::store::sqlite::{AccessBook, RecordingFilter, RecordingState};
use tandem::time::{Mono, Now};
use tandem::wire::media::g711::{encode_pcma, encode_pcmu};
use tandem::wire::sip::sdp::Law;

const LIMIT: Duration = Duration::from_secs(60);

/// Amplitude of a tone, by Goertzel's algorithm.
fn tone_in(samples: &[i16], hertz: f64, rate: f64) -> f64 {
    let turn = std::f64::consts::TAU * hertz / rate;
    let (mut one, mut two) = (0.0, 0.0);
    for sample in samples {
        let now = f64::from(*sample) + 2.0 * turn.cos() * one - two;
        (two, one) = (one, now);
    }
    let power = one * one + two * two - 2.0 * turn.cos() * one * two;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

fn packet(hertz: f64, law: Law, from: u64) -> Vec<u8> {
    (from..from + 160)
        .map(|sample| {
            let at = sample as f64 / 8_000.0 * std::f64::consts::TAU;
            let value = (8_000.0 * (at * hertz).sin()) as i16;
            match law {
                Law::Mu => encode_pcmu(value),
                Law::A => encode_pcma(value),
            }
        })
        .collect()
}

/// The customer speaks 440 Hz in A-law, the agent 1,000 Hz in mu-law. Times after the recording's beginning.
fn talk(tap: &mut dyn Tap, from_ms: u64, until_ms: u64) {
    for ms in (from_ms..until_ms).step_by(20) {
        let at = Mono::from_millis(ms + 20);
        tap.hear(Party::Customer, Law::A, &packet(440.0, Law::A, ms * 8), at);
        tap.hear(Party::Agent, Law::Mu, &packet(1_000.0, Law::Mu, ms * 8), at);
    }
}

fn config(data_dir: &Path, format: &str) -> Config {
    let text = format!(
        "data_dir = {data_dir:?}\n[recording]\nformat = \"{format}\"\n\
         [[trunks]]\nname = \"a\"\naddress = \"127.0.0.1:5080\"\n\
         [[campaigns]]\nname = \"PL-B2-HCM\"\ncaller_id = \"+842873000000\"\nrecording = \"always\"\n"
    );
    Config::from_text(&text, Path::new("t.toml")).unwrap_or_else(|faults| panic!("{faults}"))
}

fn store(data_dir: &Path) -> PathBuf {
    data_dir.join("tandem.db")
}

fn recorder(data_dir: &Path, format: &str) -> (Arc<Recorder>, RecorderThreads) {
    let config = config(data_dir, format);
    let rule = RecordingRule {
        mode: RecordingMode::Always,
        ..config.campaigns[0].recording.clone()
    };
    let rules: Rules = Arc::new(ArcSwap::from_pointee(vec![("PL-B2-HCM".to_owned(), rule)]));
    let parts = RecorderParts::of(&config, &store(data_dir), rules, Clock::new()).unwrap();
    Recorder::start(parts).unwrap()
}

fn begin(recorder: &Recorder, attempt: u64) -> Box<dyn Tap> {
    let at = Now {
        mono: Mono(0),
        unix: Clock::new().now().unix,
    };
    recorder
        .joined(AttemptId(attempt), AgentId(7), CampaignId(0), LeadId(3), at)
        .expect("it is recorded")
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !is() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a program that the test speaks to is there; not so, the test fails, unless peers are left out on purpose.
fn has_peer(program: &str) -> bool {
    if std::env::var_os("TANDEM_SKIP_PEERS").is_some_and(|it| it == "1") {
        return false;
    }
    let is_there = Command::new(program).arg("--version").output().is_ok();
    assert!(
        is_there,
        "{program} is missing: install it (make test-tools), or leave such tests out with TANDEM_SKIP_PEERS=1"
    );
    true
}

fn said(program: &str, words: &[&str]) -> String {
    let out = Command::new(program).args(words).output().unwrap();
    let all = [out.stdout, out.stderr].concat();
    assert!(
        out.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&all)
    );
    String::from_utf8_lossy(&all).into_owned()
}

/// Left and right channel of a WAV.
fn channels(wav: &Path) -> (Vec<i16>, Vec<i16>, u32) {
    let mut reader = hound::WavReader::open(wav).unwrap();
    assert_eq!(reader.spec().channels, 2);
    let rate = reader.spec().sample_rate;
    let all: Vec<i16> = reader.samples::<i16>().map(|s| s.unwrap()).collect();
    let of = |channel: usize| all.iter().skip(channel).step_by(2).copied().collect();
    (of(0), of(1), rate)
}

fn each_tone_is_in_its_own_channel(wav: &Path, seconds: usize) {
    let (customer, agent, rate) = channels(wav);
    let inner = rate as usize / 2..(seconds - 1) * rate as usize;
    for (heard, own, other) in [(customer, 440.0, 1_000.0), (agent, 1_000.0, 440.0)] {
        let heard = &heard[inner.clone()];
        let rate = f64::from(rate);
        assert!(
            tone_in(heard, own, rate) > 6_000.0,
            "{}",
            tone_in(heard, own, rate)
        );
        assert!(
            tone_in(heard, other, rate) < 30.0,
            "it leaks: {}",
            tone_in(heard, other, rate)
        );
    }
}

/// Names the data directory of the process that is to be killed.
const CHILD: &str = "TANDEM_TEST_RECORDS_IN";

/// Not a test by itself: run again by the next one, as a process of its own.
#[test]
fn a_process_that_records_until_it_is_killed() {
    let Some(data_dir) = std::env::var_os(CHILD) else {
        return;
    };
    let (recorder, _threads) = recorder(Path::new(&data_dir), "wav");
    let mut tap = begin(&recorder, 1);
    // Five whole seconds are handed on, the sixth and seventh are open.
    talk(&mut *tap, 0, 6_300);
    wait_until("five seconds are written", || {
        let figures = recorder.figures();
        let chunks = figures
            .iter()
            .find(|it| it.metric() == "tandem_recording_chunks_total");
        chunks.is_some_and(|it| it.value >= 5)
    });
    println!("five seconds are written");
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::sleep(LIMIT);
    }
}

#[test]
fn a_recording_of_a_killed_process_reads_to_its_last_whole_second() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_process_that_records_until_it_is_killed",
            "--nocapture",
        ])
        .env(CHILD, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_written = lines.any(|line| line.unwrap().contains("five seconds are written"));
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_written);

    // Readable at once, by the command line, before any engine closes it.
    let files: Vec<PathBuf> = walk(&dir.path().join("recordings"));
    assert_eq!(files.len(), 1, "{files:?}");
    let old = std::time::SystemTime::now() - Duration::from_secs(60);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&files[0])
        .unwrap();
    file.set_modified(old).unwrap();
    drop(file);
    let (recorder, threads) = recorder(dir.path(), "wav");
    let rows = || {
        let filter = RecordingFilter::default();
        recorder.shelf().book().list(&filter).unwrap()
    };
    wait_until("the next start closes it", || {
        rows()
            .first()
            .is_some_and(|row| row.state == RecordingState::Closed)
    });
    let row = rows().remove(0);
    assert_eq!(row.duration_ms, Some(5_000));
    assert_eq!(
        (row.attempt, row.campaign.as_str()),
        (AttemptId(1), "PL-B2-HCM")
    );
    threads.stop();
    let mut archive = Archive::open(&config(dir.path(), "wav"), &store(dir.path())).unwrap();
    let checked = archive.verify(None).unwrap();
    assert_eq!(checked.len(), 1);
    assert_eq!(checked[0].fault, None);
    let wav = dir.path().join("out.wav");
    assert_eq!(archive.export_wav(&row.id, &wav).unwrap(), 5.0);
    each_tone_is_in_its_own_channel(&wav, 5);
    if has_peer("sox") {
        let length = said("sox", &["--i", "-D", wav.to_str().unwrap()]);
        assert_eq!(length.trim().parse::<f64>().unwrap(), 5.0, "{length}");
    }
    let audit = AccessBook::open(&store(dir.path()))
        .unwrap()
        .audit_list(None, 9)
        .unwrap();
    assert_eq!(
        (audit[0].actor.as_str(), audit[0].act.as_str()),
        ("console", "recording.export")
    );
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn other_programs_read_what_is_made_of_a_recording() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, threads) = recorder(dir.path(), "opus");
    let mut tap = begin(&recorder, 1);
    talk(&mut *tap, 0, 4_500);
    tap.finish(Mono::from_millis(4_500));
    let rows = || {
        let filter = RecordingFilter::default();
        recorder.shelf().book().list(&filter).unwrap()
    };
    wait_until("it is converted", || {
        rows()
            .first()
            .is_some_and(|row| row.state == RecordingState::Converted)
    });
    threads.stop();
    let id = rows()[0].id.clone();
    let mut archive = Archive::open(&config(dir.path(), "opus"), &store(dir.path())).unwrap();
    let (wav, ogg) = (dir.path().join("out.wav"), dir.path().join("out.ogg"));
    assert_eq!(archive.export_wav(&id, &wav).unwrap(), 4.5);
    assert_eq!(archive.export_as_is(&id, &ogg).unwrap(), "audio/ogg");
    assert_eq!(archive.verify(None).unwrap()[0].fault, None);
    each_tone_is_in_its_own_channel(&wav, 4);
    if has_peer("sox") {
        let about = said("sox", &["--i", wav.to_str().unwrap()]);
        assert!(
            about.contains("Channels       : 2") && about.contains("8000"),
            "{about}"
        );
    }
    if has_peer("ffprobe") && has_peer("ffmpeg") {
        let ogg = ogg.to_str().unwrap();
        let shown = [
            "-v",
            "error",
            "-show_entries",
            "stream=codec_name,channels:format=duration",
            "-of",
            "csv=p=0",
            ogg,
        ];
        let about = said("ffprobe", &shown);
        let words: Vec<&str> = about.split([',', '\n']).collect();
        assert_eq!(&words[..2], ["opus", "2"], "{about}");
        let length: f64 = words[2].parse().unwrap();
        assert!((length - 4.5).abs() < 0.02, "{about}");
        // Decoded by somebody else's decoder, the parties are still apart.
        let theirs = dir.path().join("theirs.wav");
        said(
            "ffmpeg",
            &["-v", "error", "-y", "-i", ogg, theirs.to_str().unwrap()],
        );
        each_tone_is_in_its_own_channel(&theirs, 4);
    }
}
