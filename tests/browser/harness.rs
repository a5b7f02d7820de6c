//! An engine of one campaign and one agent, its far ends, and the browser that node drives.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tandem::config::Config;
use tandem::demo::borrowers::{BorrowerPlan, Detail, write_json_lines};
use tandem::demo::carrier::records::{CallRecord, read_records};
use tandem::shell::serve::store_path;
use tandem::shell::store::AgentAudio;
use tandem::shell::store::sqlite::{
    BackOffice, ExportFilter, NumbersShown, RecordingBook, RecordingFilter, RecordingRow,
};

/// Longest wait for anything that must happen.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest scenario.
const SCENARIO_MAX: Duration = Duration::from_secs(300);

/// Whether all tools are there; absent and not excused by TANDEM_SKIP_PEERS is a failure.
pub fn has(tools: &[&str], packages: bool) -> bool {
    let mut missing: Vec<String> = tools
        .iter()
        .filter(|tool| which(tool).is_none())
        .map(|tool| {
            format!(
                "{tool} (Debian: {})",
                if *tool == "node" { "nodejs" } else { tool }
            )
        })
        .collect();
    if packages && !web().join("node_modules/typescript").exists() {
        missing.push(
            "the packages of web/package-lock.json (npm ci in web/, or make setup)".to_owned(),
        );
    }
    if missing.is_empty() {
        return true;
    }
    let excused = std::env::var_os("TANDEM_SKIP_PEERS").is_some_and(|value| value == "1");
    assert!(
        excused,
        "missing: {}; TANDEM_SKIP_PEERS=1 skips this test",
        missing.join(", ")
    );
    eprintln!("skipped: missing {}", missing.join(", "));
    false
}

fn which(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(tool))
        .find(|file| file.is_file())
}

/// A browser fills a small machine: one scenario at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder of the pages.
pub fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web")
}

/// Runs a program of npm's packages in `web/`.
pub fn node_tool(tool: &str, words: &[&str]) {
    let run = Command::new("node")
        .arg(web().join("node_modules").join(tool))
        .args(words)
        .current_dir(web())
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{tool}: {}",
        String::from_utf8_lossy(&run.stdout)
    );
}

/// The files of a folder by name.
pub fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        .collect()
}

/// A process that we started. Killed when dropped.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(command: &mut Command) -> Process {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|fault| panic!("{command:?}: {fault}"));
        let (sender, lines) = channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Process { child, lines }
    }

    fn tandem(words: &[&str]) -> Process {
        Process::start(
            Command::new(env!("CARGO_BIN_EXE_tandem"))
                .args(words)
                .env("TANDEM_LOG", "warn"),
        )
    }

    fn wait_for(&self, what: &str) {
        let until = Instant::now() + LIMIT;
        while let Ok(line) = self
            .lines
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if line.contains(what) {
                return;
            }
        }
        panic!("no line with {what:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

static GIVEN: AtomicU16 = AtomicU16::new(0);

/// An address that nobody uses, for UDP and TCP, below the range from which clients get their ports.
fn free() -> SocketAddr {
    loop {
        let port = 3_000
            + (std::process::id() % 600) as u16 * 8
            + GIVEN.fetch_add(1, Ordering::Relaxed) % 1_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// An engine with one campaign, one list and one agent in a browser.
pub struct Site {
    _dir: tempfile::TempDir,
    path: PathBuf,
    config: Config,
    token: String,
}

impl Site {
    /// Dials 200 people over `trunk`.
    pub fn new(trunk: SocketAddr) -> Site {
        Site::with_people(trunk, 200)
    }

    /// Dials so many people over `trunk`.
    pub fn with_people(trunk: SocketAddr, people: u32) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let (sip, desk, api) = (free(), free(), free());
        let text = format!(
            "data_dir = {data:?}\n[sip]\nlisten = \"{sip}\"\n[desk]\nlisten = \"{desk}\"\n[api]\nlisten = \"{api}\"\n\
             [media]\nlisten = \"127.0.0.1\"\nport_first = 26000\nport_last = 27999\nagent_port = 0\nprompts_dir = {prompts:?}\n\
             [[trunks]]\nname = \"far\"\naddress = \"{trunk}\"\nchannels_max = 50\ncps_max = 50\nkeep_alive_s = 2\n\
             [[campaigns]]\nname = \"TEST\"\ncaller_id = \"+842873000000\"\nstate = \"running\"\n\
             window_from = \"00:00\"\nwindow_until = \"24:00\"\nring_timeout_s = 15\nwrap_s = 30\n",
            data = dir.path().join("data"),
            prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts"),
        );
        let path = dir.path().join("tandem.toml");
        std::fs::write(&path, &text).unwrap();
        let config = Config::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
        let list = dir.path().join("leads.jsonl");
        std::fs::write(&list, people_list(people)).unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args([
                "import",
                list.to_str().unwrap(),
                "--config",
                path.to_str().unwrap(),
            ])
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let token = BackOffice::open(&store_path(&config))
            .unwrap()
            .agent_add("minh", &[("TEST".to_owned(), 1)], &[], &AgentAudio::Browser)
            .unwrap();
        Site {
            _dir: dir,
            path,
            config,
            token,
        }
    }

    /// Starts the engine.
    pub fn serve(&self) -> Process {
        let engine = Process::tandem(&["serve", self.path.to_str().unwrap()]);
        engine.wait_for("ready:");
        engine
    }

    /// The same, and every conversation is recorded.
    pub fn recording(trunk: SocketAddr) -> Site {
        let mut site = Site::new(trunk);
        let text = std::fs::read_to_string(&site.path).unwrap() + "recording = \"always\"\n";
        std::fs::write(&site.path, &text).unwrap();
        site.config = Config::load(&site.path).unwrap_or_else(|faults| panic!("{faults}"));
        site
    }

    /// The only recording, and the WAV file that the command makes of it. Waits until the engine has closed it.
    pub fn only_recording(&self, into: &Path) -> RecordingRow {
        let book = RecordingBook::open(&store_path(&self.config)).unwrap();
        let until = Instant::now() + LIMIT;
        let row = loop {
            let rows = book.list(&RecordingFilter::default()).unwrap();
            assert!(rows.len() <= 1, "{rows:?}");
            if let Some(row) = rows.into_iter().find(|row| row.duration_ms.is_some()) {
                break row;
            }
            assert!(Instant::now() < until, "no recording was closed");
            std::thread::sleep(Duration::from_millis(50));
        };
        let done = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(["recording", "export", &row.id, "--config"])
            .arg(&self.path)
            .arg("--wav")
            .arg(into)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        row
    }

    /// The outcomes that the store has, as lines of its export.
    pub fn outcomes(&self) -> Vec<String> {
        let office = BackOffice::open(&store_path(&self.config)).unwrap();
        let mut csv = Vec::new();
        office
            .outcomes_export(&mut csv, &ExportFilter::default(), NumbersShown::Masked)
            .unwrap();
        String::from_utf8(csv)
            .unwrap()
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect()
    }
}

/// Made-up people with all that is known of them, the same each time.
fn people_list(people: u32) -> Vec<u8> {
    let campaigns = ["TEST".to_owned()];
    let plan = BorrowerPlan {
        seed: 1,
        campaigns: &campaigns,
        today: jiff::civil::date(2026, 11, 23),
        detail: Detail::Full,
    };
    let mut list = Vec::new();
    write_json_lines(&plan, people, &mut list).unwrap();
    list
}

/// The number of the first of them, as it is dialled.
pub fn first_number() -> String {
    let first: Value = serde_json::from_slice(&people_list(1)).unwrap();
    let number = first["number"].as_str().expect("a number").to_owned();
    match number.strip_prefix('0') {
        Some(rest) => format!("+84{rest}"),
        None => number,
    }
}

/// A far end of the trunk.
pub struct FarEnd {
    _process: Process,
    /// Its SIP address.
    pub address: SocketAddr,
    dir: tempfile::TempDir,
}

impl FarEnd {
    /// The simulated phone network: everybody answers at once and stays.
    pub fn carrier(flags: &[&str]) -> FarEnd {
        let dir = tempfile::tempdir().unwrap();
        let address = free();
        let (listen, cdr, tapes) = (
            address.to_string(),
            dir.path().join("calls.jsonl"),
            dir.path().join("tapes"),
        );
        let mut words = vec![
            "carrier",
            "--listen",
            &listen,
            "--rtp-ports",
            "24000-24999",
            "--cdr",
            cdr.to_str().unwrap(),
        ];
        words.extend([
            "--record",
            tapes.to_str().unwrap(),
            "--answer-rate",
            "1",
            "--machine-rate",
            "0",
            "--busy-rate",
            "0",
        ]);
        words.extend([
            "--reject-rate",
            "0",
            "--unavailable-rate",
            "0",
            "--invalid-rate",
            "0",
            "--callee-hangs-up",
            "0",
        ]);
        words.extend(["--ring-mean-s", "0.5", "--ring-cv", "0.1"]);
        words.extend(flags);
        let process = Process::tandem(&words);
        process.wait_for("\"ready\"");
        FarEnd {
            _process: process,
            address,
            dir,
        }
    }

    /// baresip as the telephone of one number: answers by itself, sounds a tone and keeps what it hears.
    pub fn baresip(number: &str, hertz: u16) -> FarEnd {
        let dir = tempfile::tempdir().unwrap();
        let address = free();
        let place = dir.path();
        tone_file(&place.join("tone.wav"), hertz);
        // Its file module only plays; the sndfile filter keeps what is decoded, and a bridge to nowhere pulls it through.
        let config = format!(
            "sip_listen {address}\nnet_interface 127.0.0.1\ncall_max_calls 4\naudio_path {place}\nsnd_path {place}\n\
             audio_source aufile,{tone}\naudio_player aubridge,nowhere\nausrc_srate 8000\nauplay_srate 8000\n\
             rtp_ports 25000-25099\nmodule_path {modules}\nmodule g711.so\nmodule aufile.so\nmodule aubridge.so\n\
             module sndfile.so\nmodule_app account.so\nmodule_app menu.so\n",
            place = place.display(),
            tone = place.join("tone.wav").display(),
            modules = baresip_modules().display(),
        );
        std::fs::write(place.join("config"), config).unwrap();
        let account = format!(
            "<sip:{number}@{address}>;regint=0;answermode=auto;audio_codecs=PCMU/8000/1,PCMA/8000/1\n"
        );
        std::fs::write(place.join("accounts"), account).unwrap();
        std::fs::write(place.join("contacts"), "").unwrap();
        let process = Process::start(
            Command::new("baresip")
                .args(["-f", place.to_str().unwrap()])
                .stderr(Stdio::null()),
        );
        process.wait_for("baresip is ready");
        FarEnd {
            _process: process,
            address,
            dir,
        }
    }

    /// Waits until so many calls are over.
    pub fn records(&self, count: usize) -> Vec<CallRecord> {
        let path = self.dir.path().join("calls.jsonl");
        let until = Instant::now() + LIMIT;
        loop {
            let records = read_records(&path).unwrap_or_default();
            if records.len() >= count {
                return records;
            }
            assert!(
                Instant::now() < until,
                "{} of {count} calls are over",
                records.len()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the `number`-th phone (from 1) heard.
    pub fn tape(&self, number: usize) -> PathBuf {
        self.dir.path().join(format!("tapes/call-{number:06}.wav"))
    }

    /// What baresip heard.
    pub fn baresip_tape(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut tapes = entries.map(|entry| entry.unwrap().path());
        tapes
            .find(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .expect("baresip keeps what it hears")
    }
}

fn baresip_modules() -> PathBuf {
    ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"]
        .map(PathBuf::from)
        .into_iter()
        .find(|folder| folder.exists())
        .expect("baresip's modules")
}

/// Five minutes of a tone: longer than any call of a test.
fn tone_file(path: &Path, hertz: u16) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..8_000 * 300 {
        let turn = std::f64::consts::TAU * f64::from(hertz) * f64::from(n) / 8_000.0;
        writer.write_sample((turn.sin() * 4_000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// Node and its browser in one scenario.
pub struct Drive {
    process: Process,
    scenario: String,
}

impl Drive {
    /// Starts it against a site; `more` is the scenario's own.
    pub fn start(site: &Site, scenario: &str, more: Value) -> Drive {
        let mut settings = json!({
            "api": format!("http://{}", site.config.api.listen),
            "socket": format!("ws://{}/agent", site.config.desk.listen),
            "agent": "minh",
            "token": site.token,
            "chromium": which("chromium").expect("looked for before"),
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut settings, more) {
            all.extend(more);
        }
        let process = Process::start(
            Command::new("node")
                .arg("test/browser.mjs")
                .arg(scenario)
                .arg(settings.to_string())
                .current_dir(web()),
        );
        Drive {
            process,
            scenario: scenario.to_owned(),
        }
    }

    /// Waits for its end; what it told.
    pub fn finish(self) -> Told {
        let until = Instant::now() + SCENARIO_MAX;
        let mut told = Vec::new();
        while let Ok(line) = self
            .process
            .lines
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if let Ok(value) = serde_json::from_str::<Value>(&line) {
                told.push(value);
            }
        }
        let told = Told(told);
        let faults: Vec<_> = told
            .0
            .iter()
            .filter(|value| value["mark"] == "failed" || value["mark"] == "page_error")
            .collect();
        assert!(
            faults.is_empty(),
            "{}: {faults:#?}\n{told:?}",
            self.scenario
        );
        assert!(
            told.0.iter().any(|value| value["mark"] == "done"),
            "{}: no end: {told:?}",
            self.scenario
        );
        told
    }
}

/// What a scenario told, in its order.
#[derive(Debug)]
pub struct Told(Vec<Value>);

impl Told {
    /// The line of a mark.
    pub fn of(&self, mark: &str) -> &Value {
        self.0
            .iter()
            .find(|value| value["mark"] == mark)
            .unwrap_or_else(|| panic!("{mark} was not told: {self:?}"))
    }

    /// When it was told, unix milliseconds.
    pub fn at(&self, mark: &str) -> i64 {
        self.of(mark)["at"].as_i64().expect("a time")
    }

    /// The browser heard the tone in at least this share of its looks.
    pub fn share_above(&self, mark: &str, least: f64) {
        let share = self.of(mark)["share"].as_f64().expect("a share");
        assert!(share >= least, "{mark}: {share:.2} of the looks");
    }

    /// The browser heard the tone in at most this share of its looks.
    pub fn share_below(&self, mark: &str, most: f64) {
        let share = self.of(mark)["share"].as_f64().expect("a share");
        assert!(share <= most, "{mark}: {share:.2} of the looks");
    }
}
