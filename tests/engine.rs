//! The whole engine as a process of its own: killed at random, stopped by hand, with a trunk that fails. The judge is the
//! far end, which keeps its own records.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tandem::config::Config;
use tandem::demo::agents::{AgentLogin, Crowd, Habits};
use tandem::demo::borrowers::{BorrowerPlan, Detail, write_csv};
use tandem::demo::carrier::records::{CallRecord, Stats};
use tandem::pii::Pii;
use tandem::shell::api::client::ApiClient;
use tandem::shell::serve::store_path;
use tandem::shell::store::sqlite::{BackOffice, ExportFilter, NumbersShown};
use tandem::sim::rng::Rng;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// A process that we started, with what it prints. Killed when dropped.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(words: &[&str]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(words)
            .env("TANDEM_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
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

    /// Waits for a line that contains `what`.
    fn wait_for(&self, what: &str) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) if line.contains(what) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with {what:?}")
                }
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    fn wait(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many addresses and port ranges were given out: tests of one run share none.
static GIVEN: AtomicU16 = AtomicU16::new(0);
static ENGINES: AtomicU16 = AtomicU16::new(0);
static NETWORKS: AtomicU16 = AtomicU16::new(0);

/// A loopback address that nobody uses, for UDP and TCP: below the range from which clients get their ports, so that none of
/// ours takes it before (or between two starts of) the process that it is for.
fn free() -> SocketAddr {
    let first = 2_000 + (std::process::id() % 700) as u16 * 10;
    loop {
        let port = 2_000 + (first - 2_000 + GIVEN.fetch_add(1, Ordering::Relaxed)) % 7_900;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// An engine's directory, configuration and addresses; `trunks` are the far ends in the order of priority.
struct Site {
    dir: tempfile::TempDir,
    path: PathBuf,
    config: Config,
}

fn site(trunks: &[SocketAddr], campaign: &str) -> Site {
    let dir = tempfile::tempdir().unwrap();
    let (sip, desk, api) = (free(), free(), free());
    // Two engines of one test run must not share RTP ports.
    let rtp = 20_000 + ENGINES.fetch_add(1, Ordering::Relaxed) % 6 * 2_000;
    let mut text = format!(
        "data_dir = {data:?}\n[sip]\nlisten = \"{sip}\"\n[desk]\nlisten = \"{desk}\"\n[api]\nlisten = \"{api}\"\n\
         [media]\nlisten = \"127.0.0.1\"\nport_first = {rtp}\nport_last = {last}\n",
        data = dir.path().join("data"),
        last = rtp + 1_999
    );
    for (number, trunk) in trunks.iter().enumerate() {
        text += &format!(
            "[[trunks]]\nname = \"trunk-{number}\"\naddress = \"{trunk}\"\nchannels_max = 500\ncps_max = 100\n\
             priority = {priority}\nkeep_alive_s = 2\n",
            priority = number + 1
        );
    }
    text += &format!(
        "[[campaigns]]\nname = \"TEST\"\ncaller_id = \"+842873000000\"\nstate = \"running\"\n{campaign}\n"
    );
    let path = dir.path().join("tandem.toml");
    std::fs::write(&path, &text).unwrap();
    let config = Config::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
    Site { dir, path, config }
}

impl Site {
    fn import(&self, leads: u32) {
        let list = self.dir.path().join("leads.csv");
        let campaigns = ["TEST".to_owned()];
        let plan = BorrowerPlan {
            seed: 1,
            campaigns: &campaigns,
            today: jiff::civil::date(2026, 11, 23),
            detail: Detail::FirstCard,
        };
        write_csv(&plan, leads, std::fs::File::create(&list).unwrap()).unwrap();
        let path = self.path.to_str().unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(["import", list.to_str().unwrap(), "--config", path])
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    fn agents(&self, count: u32) -> Vec<AgentLogin> {
        let mut office = BackOffice::open(&store_path(&self.config)).unwrap();
        (0..count)
            .map(|number| {
                let name = format!("agent{number:02}");
                let token = office
                    .agent_add(
                        &name,
                        &[("TEST".to_owned(), 1)],
                        &[],
                        &tandem::shell::store::AgentAudio::None,
                    )
                    .unwrap();
                AgentLogin {
                    name,
                    token: Pii::new(token),
                }
            })
            .collect()
    }

    fn crowd(&self, logins: Vec<AgentLogin>, habits: Habits) -> Crowd {
        let url = format!("ws://{}/agent", self.config.desk.listen);
        Crowd::start(&url, logins, habits, 1, Duration::from_millis(500)).unwrap()
    }

    fn serve(&self) -> Process {
        let engine = Process::start(&["serve", self.path.to_str().unwrap()]);
        engine.wait_for("ready:");
        engine
    }

    fn client(&self) -> ApiClient {
        ApiClient::of(&self.config).unwrap()
    }
}

struct Network {
    _process: Process,
    address: SocketAddr,
    cdr: PathBuf,
    stats: PathBuf,
}

fn network(dir: &Path, name: &str, flags: &[&str]) -> Network {
    let address = free();
    let cdr = dir.join(format!("{name}.cdr"));
    let stats = dir.join(format!("{name}.stats"));
    let listen = address.to_string();
    let first = 10_000 + NETWORKS.fetch_add(1, Ordering::Relaxed) % 10 * 900;
    let ports = format!("{first}-{}", first + 899);
    let mut words = vec!["carrier", "--listen", &listen, "--rtp-ports", &ports];
    words.extend([
        "--cdr",
        cdr.to_str().unwrap(),
        "--stats",
        stats.to_str().unwrap(),
    ]);
    words.extend(flags);
    let process = Process::start(&words);
    process.wait_for("\"ready\"");
    Network {
        _process: process,
        address,
        cdr,
        stats,
    }
}

impl Network {
    fn records(&self) -> Vec<CallRecord> {
        let text = std::fs::read_to_string(&self.cdr).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn calls_up(&self) -> Option<Stats> {
        serde_json::from_str(&std::fs::read_to_string(&self.stats).ok()?).ok()
    }

    /// Waits until no call is up any more.
    fn wait_until_quiet(&self) {
        wait_until("no call is up at the far end", || {
            self.calls_up().is_some_and(|stats| stats.up.is_empty())
        });
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Calling at any hour, so that the test does not depend on the time of day; caps and gaps are the real ones.
const ANY_HOUR: &str = "window_from = \"00:00\"\nwindow_until = \"24:00\"\n";

#[test]
fn killed_at_any_instant_it_loses_no_outcome_dials_nobody_twice_and_leaves_no_call_up() {
    let kills = number("TANDEM_KILLS", 20);
    let leads = number("TANDEM_KILL_LEADS", 20_000);
    let dir = tempfile::tempdir().unwrap();
    let flags = [
        "--speed",
        "20",
        "--answer-rate",
        "0.4",
        "--callee-hangs-up",
        "0.3",
    ];
    let far_end = network(dir.path(), "far", &flags);
    let campaign = format!(
        "{ANY_HOUR}lines_per_free_agent = 4.0\ncps_max = 20\nlines_max = 300\nring_timeout_s = 5\nwrap_s = 5\n"
    );
    let site = site(&[far_end.address], &campaign);
    site.import(leads as u32);
    let logins = site.agents(30);
    let habits = Habits {
        speed: 20.0,
        break_share: 0.0,
        lose_socket_share: 0.05,
        ..Habits::default()
    };
    let mut crowd = None;
    let mut rng = Rng::new(number("TANDEM_KILL_SEED", 1));
    let mut starts = Vec::new();
    for _ in 0..kills {
        let begun = Instant::now();
        let engine = site.serve();
        starts.push(begun.elapsed());
        crowd.get_or_insert_with(|| site.crowd(logins.clone(), habits.clone()));
        std::thread::sleep(Duration::from_millis(rng.between(1_000, 4_000)));
        engine.signal("-KILL");
        drop(engine);
    }
    let mut engine = site.serve();
    let crowd = crowd.unwrap();
    std::thread::sleep(Duration::from_secs(2));
    // The abandon ledger of a quiet floor is the same after one kill more, to the call.
    let ledger = |site: &Site| {
        // The first picture is published shortly after the door opens.
        let mut seen = Vec::new();
        wait_until("the floor is shown", || {
            seen = site.client().campaigns().unwrap();
            !seen.is_empty()
        });
        seen.remove(0).ledger
    };
    site.client().stop(false).unwrap();
    wait_until("all is kept", || {
        let seen = site.client().picture().unwrap();
        let talking = seen.agents["talking"] + seen.agents["reserved"];
        (seen.attempts_alive, seen.lanes.store, talking) == (0, 0, 0)
    });
    // A commit is under way for some milliseconds after the lane is empty.
    let kept = |site: &Site| {
        let db = rusqlite::Connection::open(store_path(&site.config)).unwrap();
        let sums = "SELECT sum(served), sum(abandoned), sum(served + abandoned + left_early + machines) FROM ledger";
        db.query_row(sums, [], |row| {
            Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?])
        })
        .unwrap()
    };
    let before = ledger(&site);
    let told = [before.served, before.abandoned, before.exposed].map(|calls| calls as i64);
    wait_until("the ledger is on disk", || kept(&site) == told);
    assert!(before.served > kills, "{before:?}");
    engine.signal("-KILL");
    drop(engine);
    engine = site.serve();
    assert_eq!(ledger(&site), before, "killed and started again");
    engine.signal("-TERM");
    let mut saved = BTreeSet::new();
    wait_until("the drain is over", || {
        engine.child.try_wait().unwrap().is_some()
    });
    assert!(engine.wait(), "a drain ends well");
    saved.extend(crowd.saved_calls());
    let seen = crowd.leave(Duration::from_secs(1));
    far_end.wait_until_quiet();

    let office = BackOffice::open(&store_path(&site.config)).unwrap();
    let mut export = Vec::new();
    office
        .outcomes_export(&mut export, &ExportFilter::default(), NumbersShown::Clear)
        .unwrap();
    let mut reader = csv::Reader::from_reader(export.as_slice());
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| {
        headers
            .iter()
            .position(|header| header == name)
            .unwrap_or_else(|| panic!("{name} in {headers:?}"))
    };
    let (attempt, result, outcome) = (column("attempt"), column("result"), column("outcome"));
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let kept: BTreeMap<String, String> = rows
        .iter()
        .map(|row| (row[attempt].to_owned(), row[outcome].to_owned()))
        .collect();

    let lost: Vec<_> = saved
        .iter()
        .filter(|call| {
            kept.get(*call)
                .is_none_or(|code| code.is_empty() || code == "NOT_RECORDED")
        })
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged outcomes are lost: {lost:?}",
        lost.len(),
        saved.len()
    );
    let open: Vec<_> = rows.iter().filter(|row| row[result].is_empty()).collect();
    assert!(open.is_empty(), "attempts without a result: {open:?}");
    let unspoken = rows
        .iter()
        .filter(|row| &row[result] == "CONNECTED" && row[outcome].is_empty())
        .count();
    assert_eq!(unspoken, 0, "conversations without an outcome");

    let mut dials: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for record in far_end.records() {
        dials
            .entry(record.number)
            .or_default()
            .insert(record.call_id);
    }
    let twice: Vec<_> = dials.values().filter(|calls| calls.len() > 1).collect();
    assert!(
        twice.is_empty(),
        "{} of {} numbers were dialled twice",
        twice.len(),
        dials.len()
    );
    assert!(
        dials.len() as u64 > 10 * kills && saved.len() as u64 > kills,
        "a floor at work: {} dials, {} outcomes",
        dials.len(),
        saved.len()
    );
    starts.sort_unstable();
    println!(
        "{kills} kills, {leads} leads, {} numbers dialled, {} calls shown, {} outcomes acknowledged; ready after {:?} (median), {:?} (longest)",
        dials.len(),
        seen.calls,
        saved.len(),
        starts[starts.len() / 2],
        starts[starts.len() - 1]
    );
}

#[test]
fn stop_ends_dialling_and_cancels_what_rings() {
    let dir = tempfile::tempdir().unwrap();
    // Everybody lets it ring.
    let flags = [
        "--answer-rate",
        "0",
        "--machine-rate",
        "0",
        "--busy-rate",
        "0",
        "--reject-rate",
        "0",
    ];
    let more = ["--unavailable-rate", "0", "--invalid-rate", "0"];
    let far_end = network(dir.path(), "far", &[&flags[..], &more[..]].concat());
    let campaign =
        format!("{ANY_HOUR}lines_per_free_agent = 3.0\ncps_max = 50\nring_timeout_s = 60\n");
    let site = site(&[far_end.address], &campaign);
    site.import(500);
    let logins = site.agents(5);
    let mut engine = site.serve();
    let crowd = site.crowd(logins, Habits::default());
    wait_until("fifteen lines ring", || {
        far_end.calls_up().is_some_and(|stats| stats.up.len() == 15)
    });
    let asked_at = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64;
    site.client().stop(true).unwrap();
    far_end.wait_until_quiet();
    let records = far_end.records();
    assert_eq!(records.len(), 15);
    assert!(
        records.iter().all(|record| record.status == 487),
        "all were cancelled"
    );
    let late = records
        .iter()
        .map(|record| record.ended_at_ms - asked_at)
        .max()
        .unwrap();
    println!("the last of 15 ringing phones was cancelled {late} ms after the order");
    // Free agents, due leads, and yet nobody is dialled; then the order is taken back.
    let picture = site.client().picture().unwrap();
    assert!(picture.stopped);
    assert_eq!(picture.campaigns[0].launched, 15);
    site.client().resume().unwrap();
    wait_until("it rings again", || {
        far_end.calls_up().is_some_and(|stats| stats.up.len() == 15)
    });
    site.client().stop(true).unwrap();
    far_end.wait_until_quiet();
    engine.signal("-TERM");
    assert!(engine.wait());
    drop(crowd);
}

#[test]
fn a_trunk_that_refuses_hands_over_to_the_next_and_the_person_is_tried_once() {
    let dir = tempfile::tempdir().unwrap();
    let shares = [
        "--answer-rate",
        "0",
        "--machine-rate",
        "0",
        "--busy-rate",
        "0",
        "--reject-rate",
        "0",
    ];
    let no = ["--unavailable-rate", "0", "--invalid-rate", "0"];
    let refuses = network(
        dir.path(),
        "refuses",
        &[&shares[..], &no[..], &["--trunk-failure-rate", "1"]].concat(),
    );
    let answers = network(
        dir.path(),
        "answers",
        &["--answer-rate", "0.75", "--speed", "20"],
    );
    let campaign = format!("{ANY_HOUR}ring_timeout_s = 5\nwrap_s = 5\n");
    let site = site(&[refuses.address, answers.address], &campaign);
    site.import(200);
    let logins = site.agents(4);
    let mut engine = site.serve();
    let crowd = site.crowd(
        logins,
        Habits {
            speed: 20.0,
            ..Habits::default()
        },
    );
    wait_until("ten calls came through over the second trunk", || {
        crowd.figures().outcomes_saved >= 10
    });
    engine.signal("-TERM");
    assert!(engine.wait());
    drop(crowd);
    let first: BTreeSet<String> = refuses
        .records()
        .into_iter()
        .map(|record| record.number)
        .collect();
    assert!(
        first.len() >= 5,
        "the first trunk was tried first: {} calls",
        first.len()
    );
    let second = answers.records();
    let numbers: BTreeSet<&String> = second.iter().map(|record| &record.number).collect();
    assert_eq!(second.len(), numbers.len(), "nobody was called twice");
    assert!(
        first.iter().any(|number| numbers.contains(number)),
        "what the first refused the second carried"
    );
    let totals = BackOffice::open(&store_path(&site.config))
        .unwrap()
        .store_totals()
        .unwrap();
    let sum: u64 = totals.results.iter().map(|(_, count)| count).sum();
    assert_eq!(totals.attempts, sum);
}

/// A desk of one's own, without a runtime.
struct Desk(WebSocket<std::net::TcpStream>);

impl Desk {
    fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    /// Reads up to the next message of one of these types.
    fn hear(&mut self, kinds: &[&str]) -> Value {
        loop {
            let message = self.0.read().expect("the engine speaks");
            if let Message::Text(text) = message {
                let value: Value = serde_json::from_str(&text).unwrap();
                if kinds.iter().any(|kind| value["type"] == *kind) {
                    return value;
                }
            }
        }
    }
}

/// An agent in manual state takes a lead and lays it down, dials others by name until one answers, and may not call that person
/// again so soon.
fn one_call_by_hand(site: &Site, login: &AgentLogin) {
    let address = site.config.desk.listen;
    let stream = std::net::TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let (socket, _) = client(format!("ws://{address}/agent"), stream).unwrap();
    let mut desk = Desk(socket);
    desk.say(
        json!({"type": "hello", "version": 1, "agent": login.name, "token": login.token.expose()}),
    );
    let reasons = desk.hear(&["welcome"])["skip_reasons"].clone();
    desk.say(json!({"type": "state", "request": 1, "to": "manual"}));
    while desk.hear(&["state"])["state"] != "manual" {}
    desk.say(json!({"type": "next", "request": 2}));
    let shown = desk.hear(&["call.preview"]);
    assert_eq!(
        (&shown["on_timeout"], &shown["skips_left"]),
        (&json!("give_back"), &Value::Null)
    );
    desk.say(json!({"type": "skip", "request": 3, "call": shown["call"], "reason": reasons[0]}));
    assert_eq!(desk.hear(&["call.over"])["why"], "skipped");
    let connected = (1_500..2_000).find_map(|lead| {
        desk.say(json!({"type": "dial", "request": lead, "lead": lead.to_string()}));
        let came = desk.hear(&["call.connected", "call.over", "error"]);
        (came["type"] == "call.connected").then_some(came)
    });
    let call = connected.expect("somebody answers")["call"].clone();
    desk.say(json!({"type": "hang_up", "request": 5_001, "call": call}));
    desk.hear(&["call.ended"]);
    desk.say(json!({"type": "outcome", "request": 5_002, "call": call, "code": "RPC_NO_COMMIT"}));
    desk.hear(&["saved"]);
    desk.say(json!({"type": "dial", "request": 5_003, "call": call}));
    let refused = desk.hear(&["error", "call.progress"]);
    assert_eq!(
        (&refused["code"], &refused["rule"]),
        (&json!("held_by_rule"), &json!("GAP"))
    );
    assert!(refused["not_before_ms"].is_i64());
    desk.say(json!({"type": "state", "request": 5_004, "to": "offline"}));
    desk.hear(&["closing"]);
}

/// Runs the program to its end; what it printed.
fn told(words: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(words)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words:?}: {error}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_campaign_goes_through_all_modes_while_people_talk_and_no_call_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--speed", "20", "--answer-rate", "0.5"];
    let far_end = network(dir.path(), "far", &flags);
    let campaign = format!(
        "{ANY_HOUR}mode = \"progressive\"\ncps_max = 20\nring_timeout_s = 5\nwrap_s = 5\npreview_timeout_s = 5\n"
    );
    let site = site(&[far_end.address], &campaign);
    site.import(2_000);
    let mut logins = site.agents(9);
    let by_hand = logins.pop().unwrap();
    let mut engine = site.serve();
    let habits = Habits {
        speed: 20.0,
        break_share: 0.0,
        ..Habits::default()
    };
    let crowd = site.crowd(logins, habits);
    let path = site.path.to_str().unwrap().to_owned();
    let switch = |flag: &[&str]| {
        let words = ["campaign", "mode", "TEST"];
        told(&[&words[..], flag, &["--config", &path]].concat())
    };
    let saved_more = |what: &str| {
        let before = crowd.figures().outcomes_saved;
        wait_until(what, || crowd.figures().outcomes_saved >= before + 4);
    };
    saved_more("calls in progressive mode");
    let said = switch(&["--preview"]);
    assert!(
        said.contains("what agents accept after a preview"),
        "{said}"
    );
    wait_until("leads are shown", || crowd.figures().previews >= 12);
    saved_more("calls that were shown first");
    switch(&["--manual"]);
    wait_until("the switch is in force", || {
        told(&["explain", "TEST", "--config", &path]).contains("TEST is in manual mode")
    });
    wait_until("what was in the air and on screens is over", || {
        let picture = site.client().picture().unwrap();
        picture.attempts_alive == 0 && picture.agents["reserved"] == 0
    });
    let launched = || site.client().picture().unwrap().campaigns[0].launched;
    let by_then = launched();
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(launched(), by_then, "nobody is dialled unasked");
    one_call_by_hand(&site, &by_hand);
    switch(&["--lines-per-free-agent", "1.5"]);
    saved_more("calls by ratio");
    switch(&["--predictive"]);
    saved_more("calls by forecast");

    let table = told(&["explain", "TEST", "--last", "5", "--config", &path]);
    assert!(
        table.lines().count() >= 2 && table.contains(" started: "),
        "{table}"
    );
    let json = told(&[
        "explain", "TEST", "--json", "--last", "600", "--config", &path,
    ]);
    let decisions: Vec<tandem::shell::api::DecisionView> = serde_json::from_str(&json).unwrap();
    let modes: BTreeSet<&str> = decisions.iter().map(|told| told.mode.as_str()).collect();
    assert_eq!(
        modes,
        BTreeSet::from(["predictive", "progressive", "ratio"])
    );
    engine.signal("-TERM");
    assert!(engine.wait());
    let seen = crowd.leave(Duration::from_secs(1));
    far_end.wait_until_quiet();

    let totals = BackOffice::open(&store_path(&site.config))
        .unwrap()
        .store_totals()
        .unwrap();
    let results: BTreeMap<&str, u64> = totals
        .results
        .iter()
        .map(|(result, count)| (result.code(), *count))
        .collect();
    let sum: u64 = results.values().sum();
    assert_eq!(
        totals.attempts, sum,
        "every attempt has its result: {results:?}"
    );
    assert_eq!(results.get("INTERRUPTED"), None, "{results:?}");
    assert_eq!(seen.calls + 1, results["CONNECTED"], "{results:?}");
    let mut numbers = BTreeSet::new();
    for record in far_end.records() {
        assert!(numbers.insert(record.number), "somebody was dialled twice");
    }
    println!(
        "{} leads shown, {} skipped; {results:?}",
        seen.previews, seen.previews_skipped
    );
}
