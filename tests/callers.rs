//! People who call us, against the whole engine: SIPp as the borrower's carrier, the demo's agents at the desks, the store as witness.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tandem::config::Config;
use tandem::demo::agents::{AgentLogin, Crowd, Habits};
use tandem::demo::borrowers::{BorrowerPlan, Detail, write_csv};
use tandem::pii::Pii;
use tandem::shell::api::client::ApiClient;
use tandem::shell::serve::store_path;
use tandem::shell::store::AgentAudio;
use tandem::shell::store::sqlite::BackOffice;

/// Our number, as the campaign has it and as the carrier writes it.
const OURS: &str = "+842873000000";
const WRITTEN: &str = "02873000000";

fn has_sipp() -> bool {
    let is_there = Command::new("sipp")
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !is_there {
        assert_eq!(
            std::env::var("TANDEM_SKIP_PEERS").as_deref(),
            Ok("1"),
            "sipp is not installed; TANDEM_SKIP_PEERS=1 skips the tests that need it"
        );
        println!("skipped: sipp is not installed and TANDEM_SKIP_PEERS=1");
    }
    is_there
}

/// Below the range that the system gives out by itself, different for every process.
fn free() -> SocketAddr {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 90) as u16 * 30;
    loop {
        let port = 12_000 + (first + GIVEN.fetch_add(2, Ordering::Relaxed)) % 2_900;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An engine with a list of three borrowers whom it does not dial, and one trunk.
struct Site {
    dir: tempfile::TempDir,
    config: Config,
    carrier: SocketAddr,
    engine: Option<Child>,
}

impl Site {
    fn open(inbound: &str) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let (sip, desk, api, carrier) = (free(), free(), free(), free());
        let rtp = 22_000 + (std::process::id() % 40) as u16 * 400 + (carrier.port() % 4) * 100;
        let text = format!(
            "data_dir = {data:?}\n[sip]\nlisten = \"{sip}\"\n[desk]\nlisten = \"{desk}\"\n[api]\nlisten = \"{api}\"\n\
             [media]\nlisten = \"127.0.0.1\"\nport_first = {rtp}\nport_last = {last}\n[inbound]\n{inbound}\n\
             [[trunks]]\nname = \"carrier\"\naddress = \"{carrier}\"\nkeep_alive_s = 300\n\
             [[campaigns]]\nname = \"TEST\"\ncaller_id = \"{OURS}\"\nstate = \"paused\"\ninbound_numbers = [\"{OURS}\"]\n\
             window_from = \"00:00\"\nwindow_until = \"24:00\"\nwrap_s = 5\n",
            data = dir.path().join("data"),
            last = rtp + 99
        );
        let path = dir.path().join("tandem.toml");
        std::fs::write(&path, &text).unwrap();
        let config = Config::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
        let list = dir.path().join("leads.csv");
        let campaigns = ["TEST".to_owned()];
        let plan = BorrowerPlan {
            seed: 1,
            campaigns: &campaigns,
            today: jiff::civil::date(2026, 11, 23),
            detail: Detail::FirstCard,
        };
        write_csv(&plan, 3, std::fs::File::create(&list).unwrap()).unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(["import", list.to_str().unwrap(), "--config"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        Site {
            dir,
            config,
            carrier,
            engine: None,
        }
    }

    /// One agent at a desk, or none.
    fn agents(&self, count: usize) -> Vec<AgentLogin> {
        let mut office = BackOffice::open(&store_path(&self.config)).unwrap();
        let serves = [("TEST".to_owned(), 1)];
        (0..count)
            .map(|number| {
                let name = format!("agent{number}");
                let token = office.agent_add(&name, &serves, &[], &AgentAudio::None);
                AgentLogin {
                    name,
                    token: Pii::new(token.unwrap()),
                }
            })
            .collect()
    }

    fn serve(mut self) -> Site {
        let mut engine = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .arg("serve")
            .arg(self.dir.path().join("tandem.toml"))
            .env("TANDEM_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(engine.stdout.take().unwrap());
        let is_ready = out
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("ready:"));
        assert!(is_ready, "the engine starts");
        self.engine = Some(engine);
        self
    }

    fn crowd(&self, logins: Vec<AgentLogin>) -> Crowd {
        let url = format!("ws://{}/agent", self.config.desk.listen);
        let habits = Habits {
            speed: 20.0,
            break_share: 0.0,
            lose_socket_share: 0.0,
            ..Habits::default()
        };
        let crowd = Crowd::start(&url, logins, habits, 1, Duration::from_millis(100)).unwrap();
        let client = ApiClient::of(&self.config).unwrap();
        wait_until("somebody is ready", || {
            client.picture().is_ok_and(|seen| seen.agents["ready"] > 0)
        });
        crowd
    }

    /// The number of the first borrower, as a carrier writes it: without the country.
    fn borrower(&self) -> String {
        let number: String = self.ask("SELECT e164 FROM number ORDER BY id LIMIT 1");
        format!("0{}", number.strip_prefix("+84").unwrap())
    }

    fn ask<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        let db = rusqlite::Connection::open(store_path(&self.config)).unwrap();
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// SIPp plays a caller's scenario from the trunk's address, and says that it went through.
    fn call(&self, scenario: &str, called: &str, caller: &str) {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/data/callers/{scenario}.xml"));
        let errors = self.dir.path().join("errors.log");
        let played = Command::new("sipp")
            .current_dir(self.dir.path())
            .arg("-sf")
            .arg(file)
            .args(["-i", "127.0.0.1", "-p", &self.carrier.port().to_string()])
            .args(["-s", called, "-key", "caller", caller])
            .args([
                "-m",
                "1",
                "-aa",
                "-nostdin",
                "-timeout",
                "60s",
                "-timeout_error",
            ])
            .args(["-mp", &free().port().to_string()])
            .args(["-trace_err", "-error_file"])
            .arg(&errors)
            .arg(self.config.sip.listen.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let said = std::fs::read_to_string(errors).unwrap_or_default();
        assert!(played.success(), "{scenario}: SIPp is not content: {said}");
    }

    /// The one attempt of the list, once it has ended: direction, result, whether it counts, and its outcome.
    fn attempt(&self) -> (String, String, bool, Option<String>) {
        let db = rusqlite::Connection::open(store_path(&self.config)).unwrap();
        let mut seen = None;
        wait_until("the attempt is kept with its end", || {
            seen = db
                .query_row(
                    "SELECT direction, result, counts, outcome.code FROM attempt
                     LEFT JOIN outcome ON outcome.attempt = attempt.id
                     WHERE result IS NOT NULL AND (result <> 'CONNECTED' OR outcome.code IS NOT NULL)",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                )
                .ok();
            seen.is_some()
        });
        seen.unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(engine) = &mut self.engine {
            let _ = engine.kill();
            let _ = engine.wait();
        }
    }
}

#[test]
fn a_borrower_who_calls_back_talks_with_an_agent_who_has_the_card() {
    if !has_sipp() {
        return;
    }
    for scenario in ["waits_for_bye", "hangs_up"] {
        let site = Site::open("");
        let logins = site.agents(1);
        let site = site.serve();
        let crowd = site.crowd(logins);
        // Do-not-call lists are about calls that we make.
        let number: String = site.ask("SELECT e164 FROM number ORDER BY id LIMIT 1");
        let db = rusqlite::Connection::open(store_path(&site.config)).unwrap();
        db.execute(
            "INSERT INTO dnc (e164, reason, at) VALUES (?1, 'test', 0)",
            [number],
        )
        .unwrap();
        site.call(scenario, WRITTEN, &site.borrower());
        let (direction, result, counts, outcome) = site.attempt();
        assert_eq!((direction.as_str(), result.as_str()), ("IN", "CONNECTED"));
        assert!(!counts, "it was not we who tried");
        assert!(outcome.is_some());
        let seen = crowd.leave(Duration::from_secs(1));
        assert_eq!(seen.calls, 1, "{scenario}");
        let ledger: i64 = site.ask("SELECT count(*) FROM ledger");
        assert_eq!(ledger, 0, "no abandon ledger knows of it");
    }
}

#[test]
fn nobody_there_is_480_after_the_wait_and_a_callback_that_is_due() {
    if !has_sipp() {
        return;
    }
    let site = Site::open("wait_s = 1").serve();
    // A lead that was done is opened again: its person asked for it.
    let db = rusqlite::Connection::open(store_path(&site.config)).unwrap();
    db.execute("UPDATE lead SET done = 'ATTEMPTS_USED'", [])
        .unwrap();
    site.call("refused_480", WRITTEN, &site.borrower());
    let (direction, result, counts, outcome) = site.attempt();
    assert_eq!((direction.as_str(), result.as_str()), ("IN", "MISSED"));
    assert!(!counts && outcome.is_none());
    let due = "SELECT count(*) FROM lead WHERE done IS NULL AND callback = 1 AND callback_source = 'CALLED_IN'
        AND not_before <= CAST(unixepoch('subsec') * 1000 AS INTEGER)";
    wait_until("the callback is noted", || site.ask::<i64>(due) == 1);
}

#[test]
fn a_caller_may_give_up_and_is_called_back_all_the_same() {
    if !has_sipp() {
        return;
    }
    let site = Site::open("wait_s = 30").serve();
    site.call("gives_up", WRITTEN, &site.borrower());
    let (direction, result, ..) = site.attempt();
    assert_eq!(
        (direction.as_str(), result.as_str()),
        ("IN", "CUST_HANGUP_EARLY")
    );
    wait_until("the callback is noted", || {
        site.ask::<i64>("SELECT count(*) FROM lead WHERE callback_source = 'CALLED_IN'") == 1
    });
}

#[test]
fn strangers_get_what_the_configuration_says_and_foreign_numbers_get_404() {
    if !has_sipp() {
        return;
    }
    let site = Site::open("").serve();
    site.call("refused_480", WRITTEN, "0987654321");
    site.call("refused_480", WRITTEN, "anonymous");
    site.call("refused_404", "02873000009", &site.borrower());
    assert_eq!(site.ask::<i64>("SELECT count(*) FROM attempt"), 0);

    let site = Site::open("unknown_caller = \"agent\"");
    let logins = site.agents(1);
    let site = site.serve();
    let crowd = site.crowd(logins);
    site.call("waits_for_bye", WRITTEN, "0987654321");
    let (direction, result, ..) = site.attempt();
    assert_eq!((direction.as_str(), result.as_str()), ("IN", "CONNECTED"));
    let known: String = site.ask(
        "SELECT e164 FROM attempt JOIN number ON number.id = attempt.number WHERE direction = 'IN'",
    );
    assert_eq!(known, "+84987654321", "on the list from now on");
    crowd.leave(Duration::from_secs(1));
}
