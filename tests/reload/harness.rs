//! An engine as a process of its own, whose file is edited while it runs; a far end that keeps its own records, and one that
//! writes down every INVITE as it came.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tandem::config::Config;
use tandem::demo::agents::{AgentLogin, Crowd, Habits};
use tandem::demo::carrier::records::Stats;
use tandem::pii::Pii;
use tandem::shell::api::PictureView;
use tandem::shell::api::client::ApiClient;
use tandem::shell::serve::store_path;
use tandem::shell::store::sqlite::BackOffice;

/// A process that we started, with all that it prints. Killed when dropped.
pub struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub fn start(words: &[&str]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(words)
            .env("TANDEM_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let out: Box<dyn std::io::Read + Send> = Box::new(child.stdout.take().unwrap());
        let err: Box<dyn std::io::Read + Send> = Box::new(child.stderr.take().unwrap());
        for stream in [out, err] {
            let kept = Arc::clone(&lines);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    kept.lock().unwrap().push(plain(&line));
                }
            });
        }
        Process { child, lines }
    }

    /// Everything printed so far.
    pub fn said(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Waits until something was printed that contains `what`.
    pub fn wait_for(&self, what: &str) {
        wait_until(&format!("{what:?} in:\n{}", self.said()), || {
            self.said().contains(what)
        });
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub fn wait(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line without the colours of a terminal.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        text += before;
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    text + rest
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

static GIVEN: AtomicU16 = AtomicU16::new(0);
static RTP: AtomicU16 = AtomicU16::new(0);

/// A loopback address that nobody uses, for UDP and TCP: below the range from which clients get their ports.
pub fn free() -> SocketAddr {
    let first = 2_000 + (std::process::id() % 700) as u16 * 10;
    loop {
        let port = 2_000 + (first - 2_000 + GIVEN.fetch_add(1, Ordering::Relaxed)) % 7_900;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// RTP ports of one process of this run.
fn rtp() -> u16 {
    10_000 + RTP.fetch_add(1, Ordering::Relaxed) % 44 * 500
}

/// An engine's directory and file. The file is written anew by [`Site::edit`].
pub struct Site {
    pub dir: tempfile::TempDir,
    pub path: PathBuf,
    head: String,
    body: Mutex<String>,
}

/// A trunk of the file.
pub fn trunk(name: &str, address: SocketAddr) -> String {
    format!(
        "[[trunks]]\nname = \"{name}\"\naddress = \"{address}\"\nchannels_max = 500\ncps_max = 100\nkeep_alive_s = 2\n"
    )
}

/// A campaign of the file, running, at any hour of the day, with further lines.
pub fn campaign(name: &str, lines: &str) -> String {
    let hours = if lines.contains("window_from") {
        ""
    } else {
        "window_from = \"00:00\"\nwindow_until = \"24:00\"\n"
    };
    let state = if lines.contains("state = ") {
        ""
    } else {
        "state = \"running\"\n"
    };
    let caller_id = if lines.contains("caller_id") {
        ""
    } else {
        "caller_id = \"+842873000000\"\n"
    };
    format!("[[campaigns]]\nname = \"{name}\"\n{caller_id}{state}{hours}{lines}\n")
}

impl Site {
    pub fn new(body: &str) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let rtp = rtp();
        let head = format!(
            "data_dir = {data:?}\n[sip]\nlisten = \"{}\"\n[desk]\nlisten = \"{}\"\n[api]\nlisten = \"{}\"\n\
             [media]\nlisten = \"127.0.0.1\"\nport_first = {rtp}\nport_last = {last}\n",
            free(),
            free(),
            free(),
            data = dir.path().join("data"),
            last = rtp + 499
        );
        let path = dir.path().join("tandem.toml");
        let site = Site {
            dir,
            path,
            head,
            body: Mutex::default(),
        };
        site.edit(body);
        site
    }

    /// Writes what stands behind the addresses anew.
    pub fn edit(&self, body: &str) {
        std::fs::write(&self.path, format!("{}{body}", self.head)).unwrap();
        *self.body.lock().unwrap() = body.to_owned();
    }

    /// Writes a part of it anew.
    pub fn replace(&self, from: &str, to: &str) {
        let body = self.body.lock().unwrap().clone();
        assert!(body.contains(from), "{from} in {body}");
        self.edit(&body.replace(from, to));
    }

    /// The line on which a text stands in the file, from 1.
    pub fn line_of(&self, text: &str) -> usize {
        let file = std::fs::read_to_string(&self.path).unwrap();
        let at = file
            .find(text)
            .unwrap_or_else(|| panic!("{text} in {file}"));
        file[..at].matches('\n').count() + 1
    }

    pub fn config(&self) -> Config {
        Config::load(&self.path).unwrap_or_else(|faults| panic!("{faults}"))
    }

    pub fn tandem(&self, words: &[&str]) -> Output {
        let config = ["--config", self.path.to_str().unwrap()];
        Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(words)
            .args(config)
            .output()
            .unwrap()
    }

    /// `tandem reload`, which must go well; what it prints.
    pub fn reload(&self) -> String {
        let done = self.tandem(&["reload"]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{error}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Imports `count` leads of `campaign` from the number with index `first` on, in a zone.
    pub fn import(&self, campaign: &str, first: u32, count: u32, zone: &str) {
        let list = self.dir.path().join(format!("{campaign}-{first}.csv"));
        let mut text = "campaign,cif,number,zone\n".to_owned();
        for index in first..first + count {
            text += &format!(
                "{campaign},C{index:07},{},{zone}\n",
                tandem::demo::borrowers::number_of(index)
            );
        }
        std::fs::write(&list, text).unwrap();
        let done = self.tandem(&["import", list.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(
            said.contains(&format!("{count} new")),
            "{said}{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// Adds agents who serve these campaigns, whether the file names them or not.
    pub fn agents(&self, name: &str, count: u32, campaigns: &[&str]) -> Vec<AgentLogin> {
        let mut office = BackOffice::open(&store_path(&self.config())).unwrap();
        let serves: Vec<(String, u16)> = campaigns
            .iter()
            .map(|name| ((*name).to_owned(), 1))
            .collect();
        (0..count)
            .map(|number| {
                let name = format!("{name}{number:02}");
                let token = office
                    .agent_add(&name, &serves, &[], &tandem::shell::store::AgentAudio::None)
                    .unwrap();
                AgentLogin {
                    name,
                    token: Pii::new(token),
                }
            })
            .collect()
    }

    pub fn crowd(&self, logins: Vec<AgentLogin>, habits: Habits) -> Crowd {
        let url = format!("ws://{}/agent", self.config().desk.listen);
        Crowd::start(&url, logins, habits, 1, Duration::from_millis(200)).unwrap()
    }

    pub fn serve(&self) -> Process {
        let engine = Process::start(&["serve", self.path.to_str().unwrap()]);
        engine.wait_for("ready:");
        engine
    }

    pub fn client(&self) -> ApiClient {
        ApiClient::of(&self.config()).unwrap()
    }
}

/// A campaign's part of the picture.
pub fn of<'p>(picture: &'p PictureView, name: &str) -> &'p tandem::shell::api::CampaignView {
    let mut all = picture.campaigns.iter();
    all.find(|campaign| campaign.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

/// The simulated phone network.
pub struct Network {
    _process: Process,
    pub address: SocketAddr,
    stats: PathBuf,
}

/// Shares of a network: everybody answers.
pub const ALL_ANSWER: [&str; 2] = ["--answer-rate", "1"];

pub fn network(dir: &Path, name: &str, shares: &[&str]) -> Network {
    let address = free();
    let stats = dir.join(format!("{name}.stats"));
    let listen = address.to_string();
    let first = rtp();
    let ports = format!("{first}-{}", first + 499);
    let mut words = vec!["carrier", "--listen", &listen, "--rtp-ports", &ports];
    words.extend(["--stats", stats.to_str().unwrap()]);
    for other in [
        "--machine-rate",
        "--busy-rate",
        "--reject-rate",
        "--unavailable-rate",
        "--invalid-rate",
    ] {
        words.extend([other, "0"]);
    }
    words.extend(["--callee-hangs-up", "0", "--ring-mean-s", "1"]);
    words.extend(shares);
    let process = Process::start(&words);
    process.wait_for("\"ready\"");
    Network {
        _process: process,
        address,
        stats,
    }
}

impl Network {
    fn stats(&self) -> Option<Stats> {
        serde_json::from_str(&std::fs::read_to_string(&self.stats).ok()?).ok()
    }

    /// Call-IDs of calls that are talking.
    pub fn talking(&self) -> Vec<String> {
        let up = self.stats().map(|stats| stats.up).unwrap_or_default();
        let talking = up.into_iter().filter(|call| call.stage == "talking");
        talking.map(|call| call.call_id).collect()
    }
}

/// A far end that answers OPTIONS, says "busy" to every INVITE, and keeps each as it came.
pub struct Scribe {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
    stop: Arc<AtomicBool>,
}

impl Scribe {
    pub fn start() -> Scribe {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let heard: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let scribe = Scribe {
            address: socket.local_addr().unwrap(),
            heard: Arc::clone(&heard),
            stop: Arc::clone(&stop),
        };
        std::thread::spawn(move || {
            let mut datagram = vec![0; 65_535];
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut datagram) else {
                    continue;
                };
                let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
                let status = match text.split(' ').next() {
                    Some("OPTIONS") => "200 OK",
                    Some("INVITE") => "486 Busy Here",
                    _ => continue,
                };
                let mut answer = format!("SIP/2.0 {status}\r\n");
                for line in text.lines().take_while(|line| !line.is_empty()) {
                    let name = line.split(':').next().unwrap_or_default();
                    if ["Via", "From", "Call-ID", "CSeq"].contains(&name) {
                        answer += &format!("{line}\r\n");
                    } else if name == "To" {
                        answer += &format!("{line};tag=scribe\r\n");
                    }
                }
                answer += "Content-Length: 0\r\n\r\n";
                let _ = socket.send_to(answer.as_bytes(), from);
                heard.lock().unwrap().push((Instant::now(), text));
            }
        });
        scribe
    }

    /// INVITEs of different calls with the instants at which they came first.
    pub fn invites(&self) -> Vec<(Instant, String)> {
        let mut seen = std::collections::BTreeSet::new();
        let heard = self.heard.lock().unwrap();
        let invites = heard.iter().filter(|(_, text)| text.starts_with("INVITE"));
        invites
            .filter(|(_, text)| seen.insert(header(text, "Call-ID")))
            .cloned()
            .collect()
    }

    /// OPTIONS so far.
    pub fn options(&self) -> usize {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .filter(|(_, text)| text.starts_with("OPTIONS"))
            .count()
    }

    /// Most INVITEs within one second, from an instant on.
    pub fn most_in_a_second(&self, since: Instant) -> usize {
        let at: Vec<Instant> = self
            .invites()
            .into_iter()
            .map(|(at, _)| at)
            .filter(|at| *at >= since)
            .collect();
        let within = |first: &Instant| {
            at.iter()
                .filter(|other| *other >= first && **other < *first + Duration::from_secs(1))
                .count()
        };
        at.iter().map(within).max().unwrap_or(0)
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A header's value.
pub fn header(message: &str, name: &str) -> String {
    let line = message
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("{name} in {message}"))
        .to_owned()
}
