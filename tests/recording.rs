//! Recordings as people meet them: over HTTP with rights, out of a process that was killed, and read by programs that are not ours.
#![allow(clippy::unwrap_used)]

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

/// What was asked of the media plane.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Asked {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl CallAudio for Asked {
    fn ear_open(&self, ear: EarId, agent: AgentId, mode: EarMode, sdp: String, answer: AnswerTo) {
        self.note(format!("open {} on {agent}: {mode:?}", ear.0));
        answer(match sdp.as_str() {
            "bad" => Err(AudioRefused::Offer("no audio in it".to_owned())),
            _ => Ok("v=0 answered".to_owned()),
        });
    }
    fn ear_mode(&self, ear: EarId, mode: EarMode) {
        self.note(format!("mode {}: {mode:?}", ear.0));
    }
    fn ear_close(&self, ear: EarId) {
        self.note(format!("close {}", ear.0));
    }
    fn record(&self, attempt: AttemptId, tap: Box<dyn Tap>) -> bool {
        self.note(format!("record {attempt}"));
        drop(tap);
        true
    }
    fn pause_recording(&self, attempt: AttemptId, paused: bool) {
        self.note(format!("pause {attempt}: {paused}"));
    }
}

/// A served API over a recorder, with a recording of 4.5 s and one that runs.
struct House {
    dir: tempfile::TempDir,
    address: SocketAddr,
    asked: Arc<Asked>,
    recorder: Arc<Recorder>,
    threads: Option<RecorderThreads>,
    admin: String,
    /// The floor's end: somebody must be there to be told.
    _inbox: FloorInbox,
    running: Option<Box<dyn Tap>>,
    /// The finished one.
    id: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    server: Option<std::thread::JoinHandle<()>>,
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_owned();
    let (recorder, threads) = recorder(&data, "wav");
    let mut tap = begin(&recorder, 1);
    talk(&mut *tap, 0, 4_500);
    tap.finish(Mono::from_millis(4_500));
    wait_until("it is closed", || {
        let rows = recorder
            .shelf()
            .book()
            .list(&RecordingFilter::default())
            .unwrap();
        rows.first()
            .is_some_and(|row| row.state == RecordingState::Closed)
    });
    let row = recorder
        .shelf()
        .book()
        .list(&RecordingFilter::default())
        .unwrap()
        .remove(0);
    let running = begin(&recorder, 2);
    let token = AdminToken::load_or_create(&data).unwrap();
    let admin = std::fs::read_to_string(data.join("admin.token")).unwrap();
    let asked: Arc<Asked> = Arc::default();
    let clock = Clock::new();
    let (floor, inbox) = floor_lanes(64, 8);
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let site = config(&data, "wav");
    let state = ApiState {
        decisions: Decisions::default(),
        floor,
        picture: Arc::new(ArcSwap::from_pointee(Picture::default())),
        campaigns: Arc::default(),
        reload: Arc::new(|_| Err(ReloadRefused::Draining)),
        metrics: Arc::new(Metrics::new()),
        backlogs: Arc::new(Backlogs::default),
        readiness: Arc::new(Readiness::new(clock)),
        token: Arc::new(token),
        access: Arc::new(Access::open(&store(&data), clock).unwrap()),
        recordings: Arc::new(Recordings {
            recorder: Arc::clone(&recorder),
            audio: Arc::clone(&asked) as Arc<dyn CallAudio>,
            links: LinkKey::draw(Duration::from_secs(300)).unwrap(),
        }),
        ears: Arc::default(),
        hosts: Arc::new(AllowedHosts::new(listen, &[])),
        pages: Arc::new(tandem::shell::pages::Pages::new(
            &site.pages,
            site.desk.listen,
        )),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ready, address) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let config = ApiConfig {
                listen,
                hosts: Vec::new(),
            };
            let listener = bind(&config).await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            let until = async move {
                let _ = stopped.await;
            };
            serve(listener, state, until).await.unwrap();
        });
    });
    House {
        address: address.recv().unwrap(),
        asked,
        recorder,
        threads: Some(threads),
        admin: admin.trim().to_owned(),
        _inbox: inbox,
        running: Some(running),
        id: row.id,
        stop: Some(stop),
        server: Some(server),
        dir,
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.stop.take());
        let joined = self.server.take().map(std::thread::JoinHandle::join);
        drop(self.running.take());
        if let Some(threads) = self.threads.take() {
            threads.stop();
        }
        assert!(joined.is_none_or(|it| it.is_ok()) || std::thread::panicking());
    }
}

impl House {
    fn token(&self, name: &str, role: &str, rights: &str) -> String {
        let book = AccessBook::open(&store(self.dir.path())).unwrap();
        book.token_add(name, role, rights).unwrap()
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        extra: &[&str],
        body: &str,
    ) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        if let Some(token) = token {
            request += &format!("Authorization: Bearer {token}\r\n");
        }
        for header in extra {
            request += &format!("{header}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).unwrap();
        let end = octets.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(octets[..end].to_vec()).unwrap();
        let headers = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: octets[end + 4..].to_vec(),
        }
    }

    fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, Some(token), &[], "")
    }

    fn send(&self, method: &str, path: &str, token: &str, body: Value) -> Answer {
        self.ask(method, path, Some(token), &[], &body.to_string())
    }

    /// The audit as "actor act target allowed".
    fn audit(&self) -> Vec<String> {
        let book = AccessBook::open(&store(self.dir.path())).unwrap();
        let entries = book.audit_list(None, 1_000).unwrap();
        assert!(book.audit_check().unwrap().is_ok(), "the chain holds");
        entries
            .into_iter()
            .map(|it| {
                let word = if it.allowed { "allowed" } else { "denied" };
                format!("{} {} {} {word}", it.actor, it.act, it.target)
            })
            .collect()
    }
}

#[test]
fn every_right_opens_its_own_doors_and_no_other_and_each_denial_is_kept() {
    let house = house();
    let fetch = format!("/v1/recordings/{}", house.id);
    let link = format!("{fetch}/link");
    let ear = json!({ "agent": 7, "mode": "whisper", "sdp": "v=0" });
    let doors: [(&str, &str, Value, &str); 10] = [
        ("GET", "/v1/picture", json!(null), "view"),
        ("GET", "/v1/campaigns", json!(null), "view"),
        ("POST", "/v1/stop", json!({}), "control"),
        ("POST", "/v1/reload", json!({}), "reload"),
        ("GET", "/v1/recordings", json!(null), "recordings"),
        ("GET", &fetch, json!(null), "recordings"),
        ("POST", &link, json!(null), "recordings"),
        (
            "POST",
            "/v1/calls/2/recording",
            json!({ "action": "pause" }),
            "record",
        ),
        ("POST", "/v1/ears", ear, "whisper"),
        ("GET", "/v1/nowhere", json!(null), "everything"),
    ];
    let rights = [
        "view",
        "control",
        "reload",
        "recordings",
        "record",
        "listen",
        "whisper",
        "barge",
    ];
    let mut denied = 0;
    for right in rights {
        let token = house.token(&format!("only-{right}"), "admin", right);
        for (method, path, body, needs) in &doors {
            let body = if body.is_null() {
                String::new()
            } else {
                body.to_string()
            };
            let answer = house.ask(method, path, Some(&token), &[], &body);
            if *needs == right {
                assert!(
                    answer.status != 401 && answer.status != 403,
                    "{right}: {method} {path}: {}",
                    answer.status
                );
            } else {
                assert_eq!(answer.status, 403, "{right}: {method} {path}");
                denied += 1;
            }
        }
    }
    let kept = house
        .audit()
        .iter()
        .filter(|it| it.ends_with("denied"))
        .count();
    // The reload was tried and refused by a house that has none.
    assert_eq!(kept, denied + 1);
    for path in ["/v1/recordings", &fetch, "/v1/picture"] {
        assert_eq!(house.ask("GET", path, None, &[], "").status, 401);
        let guess = "0".repeat(64);
        assert_eq!(house.get(path, &guess).status, 401);
    }
    assert_eq!(house.get(&fetch, &house.admin).status, 200);
    assert_eq!(house.get("/v1/nowhere", &house.admin).status, 404);
    let token = house.token("lan", "supervisor", "recordings");
    assert_eq!(house.get(&fetch, &token).status, 200);
    AccessBook::open(&store(house.dir.path()))
        .unwrap()
        .token_revoke("lan")
        .unwrap();
    assert_eq!(
        house.get(&fetch, &token).status,
        401,
        "revoked, it opens nothing"
    );
}

#[test]
fn a_recording_is_given_out_whole_or_by_ranges_and_every_time_it_is_noted() {
    let house = house();
    let token = house.token("lan", "supervisor", "recordings");
    let path = format!("/api/v1/recordings/{}", house.id);
    let whole = house.get(&path, &token);
    assert_eq!(
        (whole.status, whole.headers["content-type"].as_str()),
        (200, "audio/wav")
    );
    assert_eq!(whole.body.len(), 44 + 4 * 36_000);
    let wav = house.dir.path().join("got.wav");
    std::fs::write(&wav, &whole.body).unwrap();
    each_tone_is_in_its_own_channel(&wav, 4);
    let head = house.ask("HEAD", &path, Some(&token), &[], "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers["content-length"], whole.body.len().to_string());
    assert_eq!(head.headers["accept-ranges"], "bytes");
    let last = whole.body.len() - 1;
    for (range, from, until) in [
        ("bytes=0-43".to_owned(), 0, 43),
        ("bytes=40-50".to_owned(), 40, 50),
        (format!("bytes={}-", last - 9), last - 9, last),
        ("bytes=-5".to_owned(), last - 4, last),
        // Over a second's end.
        ("bytes=32030-96060".to_owned(), 32_030, 96_060),
    ] {
        let part = house.ask(
            "GET",
            &path,
            Some(&token),
            &[&format!("Range: {range}")],
            "",
        );
        assert_eq!(part.status, 206, "{range}");
        assert!(part.body == whole.body[from..=until], "{range}");
        let told = format!("bytes {from}-{until}/{}", whole.body.len());
        assert_eq!(part.headers["content-range"], told);
    }
    let beyond = house.ask("GET", &path, Some(&token), &["Range: bytes=9999999-"], "");
    assert_eq!(beyond.status, 416);
    assert_eq!(
        beyond.headers["content-range"],
        format!("bytes */{}", whole.body.len())
    );
    let other = house.ask(
        "GET",
        &path,
        Some(&token),
        &["Range: bytes=0-1", "If-Range: \"x\""],
        "",
    );
    assert_eq!(other.status, 200, "a part of another file is of no use");
    let same = format!("If-Range: {}", whole.headers["etag"]);
    let again = house.ask("GET", &path, Some(&token), &["Range: bytes=0-1", &same], "");
    assert_eq!(again.status, 206);
    let noted = format!("lan recording.fetch recording {} allowed", house.id);
    let count = house.audit().iter().filter(|it| **it == noted).count();
    assert_eq!(
        count, 10,
        "each answer with sound, and the one that asked for what is not there"
    );
    let list = house
        .get("/v1/recordings?campaign=PL-B2-HCM&agent=7", &token)
        .json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[1]["id"], json!(house.id));
    assert_eq!(list[1]["duration_ms"], json!(4_500));
    assert_eq!(
        house.get("/v1/recordings?campaign=OTHER", &token).json(),
        json!([])
    );
    assert_eq!(house.get("/v1/recordings?order=by", &token).status, 400);
}

#[test]
fn guessed_names_and_paths_that_climb_find_nothing_and_are_noted() {
    let house = house();
    let token = house.token("lan", "supervisor", "recordings");
    let mut near = house.id.clone().into_bytes();
    near[31] = if near[31] == b'0' { b'1' } else { b'0' };
    let near = String::from_utf8(near).unwrap();
    let upper = house.id.to_uppercase();
    let mut denied = 0;
    for name in [
        "0".repeat(32).as_str(),
        &near,
        "..%2F..%2Ftandem.db",
        "..%2f..%2fadmin.token",
        "%2e%2e%2frecording.key",
        &format!("{}%00", house.id),
        &format!("{}.rec", house.id),
        "1",
    ] {
        let answer = house.get(&format!("/v1/recordings/{name}"), &token);
        assert_eq!(answer.status, 404, "{name}");
        denied += 1;
    }
    if upper != house.id {
        assert_eq!(
            house.get(&format!("/v1/recordings/{upper}"), &token).status,
            404
        );
        denied += 1;
    }
    for path in [
        "/v1/recordings/../../recording.key",
        "/v1/recordings/%2e%2e/x/y",
    ] {
        assert!(
            matches!(house.get(path, &token).status, 403 | 404),
            "{path}"
        );
        denied += 1;
    }
    let noted = house
        .audit()
        .iter()
        .filter(|it| it.ends_with("denied"))
        .count();
    assert_eq!(noted, denied);
    // The one that runs is not there yet.
    let rows = house
        .recorder
        .shelf()
        .book()
        .list(&RecordingFilter::default())
        .unwrap();
    let live = rows
        .iter()
        .find(|row| row.state == RecordingState::Live)
        .unwrap();
    assert_eq!(
        house
            .get(&format!("/v1/recordings/{}", live.id), &token)
            .status,
        409
    );
}

#[test]
fn a_signed_address_plays_without_a_token_until_it_is_altered_old_or_its_maker_revoked() {
    let house = house();
    let token = house.token("lan", "supervisor", "recordings");
    let made = house.send(
        "POST",
        &format!("/v1/recordings/{}/link", house.id),
        &token,
        json!({}),
    );
    let url = made.json()["url"].as_str().unwrap().to_owned();
    let play = |url: &str| {
        house
            .ask("GET", url, None, &["Range: bytes=0-99"], "")
            .status
    };
    assert_eq!(play(&url), 206);
    assert_eq!(house.ask("HEAD", &url, None, &[], "").status, 200);
    let until = made.json()["until_unix_ms"].as_i64().unwrap();
    let now = Clock::new().now().unix.0;
    assert!((until - now - 300_000).abs() < 60_000);
    let other = "0".repeat(32);
    for bad in [
        url.replace(&format!("until={until}"), &format!("until={}", until + 1)),
        url.replace(&format!("until={until}"), "until=1"),
        url.replace("by=lan", "by=admin"),
        url.replace(&house.id, &other),
        url.split('?').next().unwrap().to_owned(),
        url[..url.len() - 1].to_owned(),
        format!("{url}0"),
        format!("{url}&more=1"),
    ] {
        assert_eq!(play(&bad), 403, "{bad}");
    }
    let post = house.ask("POST", &url, None, &[], "").status;
    assert_eq!(post, 401, "it is for listening");
    AccessBook::open(&store(house.dir.path()))
        .unwrap()
        .token_revoke("lan")
        .unwrap();
    assert_eq!(play(&url), 403);
    let audit = house.audit();
    let played = format!("link:lan recording.fetch recording {} allowed", house.id);
    assert_eq!(audit.iter().filter(|it| **it == played).count(), 2);
    assert_eq!(audit.iter().filter(|it| it.ends_with("denied")).count(), 9);
}

#[test]
fn a_pause_over_the_api_keeps_nothing_of_what_follows_on_disk_or_for_listeners() {
    let mut house = house();
    let token = house.token("crm", "agent", "record");
    let mut tap = house.running.take().unwrap();
    talk(&mut *tap, 0, 1_000);
    let paused = house.send(
        "POST",
        "/v1/calls/2/recording",
        &token,
        json!({ "action": "pause" }),
    );
    assert_eq!(
        (paused.status, &paused.json()["recording"]),
        (200, &json!("paused"))
    );
    // An hour later by the tap's clock: after the command, whatever the machine does meanwhile.
    let hour = 3_600_000;
    talk(&mut *tap, hour, hour + 2_000);
    let resumed = house.send(
        "POST",
        "/v1/calls/2/recording",
        &token,
        json!({ "action": "resume" }),
    );
    assert_eq!(resumed.json()["recording"], json!("on"));
    assert_eq!(resumed.json()["id"].as_str().unwrap().len(), 32);
    talk(&mut *tap, 2 * hour, 2 * hour + 2_000);
    tap.finish(Mono::from_millis(2 * hour + 2_000));
    house.threads.take().unwrap().stop();
    let filter = RecordingFilter {
        attempt: Some(AttemptId(2)),
        ..RecordingFilter::default()
    };
    let row = house
        .recorder
        .shelf()
        .book()
        .list(&filter)
        .unwrap()
        .remove(0);
    let mut playable = house.recorder.shelf().play(&row).unwrap();
    let second = |playable: &mut tandem::shell::recording::shelf::Playable, number: u64| {
        playable.read(44 + number * 32_000, 32_000).unwrap()
    };
    for (number, is_heard) in [(0, true), (3_600, false), (3_601, false), (7_200, true)] {
        let octets = second(&mut playable, number);
        assert_eq!(octets.len(), 32_000);
        assert_eq!(
            octets.iter().any(|octet| *octet != 0),
            is_heard,
            "second {number}"
        );
    }
    assert_eq!(
        house.asked.0.lock().unwrap().as_slice(),
        ["pause 2: true", "pause 2: false"]
    );
    let audit = house.audit();
    assert!(
        audit.contains(&"crm recording.pause call 2 allowed".to_owned()),
        "{audit:?}"
    );
    assert!(
        audit.contains(&"crm recording.resume call 2 allowed".to_owned()),
        "{audit:?}"
    );
    let nobody = house.send(
        "POST",
        "/v1/calls/99/recording",
        &token,
        json!({ "action": "pause" }),
    );
    assert_eq!(
        (nobody.status, &nobody.json()["code"]),
        (409, &json!("not_recorded"))
    );
    let paused: Vec<(u64, u64)> = serde_json::from_str(&row.paused).unwrap();
    assert_eq!(paused.len(), 1);
}

#[test]
fn ears_ask_for_each_mode_s_own_right_and_belong_to_whom_opened_them() {
    let house = house();
    let listener = house.token("listener", "supervisor", "listen");
    let coach = house.token("coach", "supervisor", "listen,whisper,barge");
    let open = |token: &str, mode: &str, sdp: &str| {
        house.send(
            "POST",
            "/v1/ears",
            token,
            json!({ "agent": 7, "mode": mode, "sdp": sdp }),
        )
    };
    assert_eq!(open(&listener, "whisper", "v=0").status, 403);
    assert_eq!(open(&listener, "barge", "v=0").status, 403);
    let opened = open(&listener, "listen", "v=0");
    assert_eq!(
        (opened.status, &opened.json()["sdp"]),
        (201, &json!("v=0 answered"))
    );
    let ear = opened.json()["ear"].as_u64().unwrap();
    let path = format!("/v1/ears/{ear}");
    let change =
        |token: &str, mode: &str| house.send("PATCH", &path, token, json!({ "mode": mode }));
    assert_eq!(change(&listener, "barge").status, 403);
    assert_eq!(change(&coach, "whisper").status, 404, "it is not his");
    assert_eq!(house.send("DELETE", &path, &coach, json!({})).status, 404);
    assert_eq!(
        house.send("DELETE", &path, &listener, json!({})).status,
        200
    );
    assert_eq!(
        house.send("DELETE", &path, &listener, json!({})).status,
        404
    );
    assert_eq!(open(&coach, "listen", "bad").status, 422);
    let coaching = open(&coach, "listen", "v=0").json()["ear"]
        .as_u64()
        .unwrap();
    let path = format!("/v1/ears/{coaching}");
    let changed = house.send("PATCH", &path, &coach, json!({ "mode": "barge" }));
    assert_eq!(
        (changed.status, &changed.json()["mode"]),
        (200, &json!("barge"))
    );
    let unknown = json!({ "agent": "nobody", "mode": "listen", "sdp": "v=0" });
    assert_eq!(house.send("POST", "/v1/ears", &coach, unknown).status, 404);
    assert_eq!(
        house.asked.0.lock().unwrap().as_slice(),
        [
            "open 1 on 7: Listen",
            "close 1",
            "open 2 on 7: Listen",
            "close 2",
            "open 3 on 7: Listen",
            "mode 3: Barge"
        ]
    );
    let audit = house.audit();
    for want in [
        "listener ear.whisper agent 7 denied",
        "listener ear.barge agent 7 denied",
        "listener ear.listen agent 7 allowed",
        "listener ear.close agent 7 allowed",
        "coach ear.change ear (unknown) denied",
        "coach ear.barge agent 7 allowed",
    ] {
        assert!(
            audit.iter().any(|it| it == want),
            "{want} is not in {audit:#?}"
        );
    }
}
