//! People who call us, and agents who use a telephone, against the whole engine: SIPp and baresip as peers, the store as witness.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
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
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

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
             [media]\nlisten = \"127.0.0.1\"\nport_first = {rtp}\nport_last = {last}\nprompts_dir = {prompts:?}\n[inbound]\n{inbound}\n\
             [[trunks]]\nname = \"carrier\"\naddress = \"{carrier}\"\nkeep_alive_s = 300\n\
             [[campaigns]]\nname = \"TEST\"\ncaller_id = \"{OURS}\"\nstate = \"paused\"\ninbound_numbers = [\"{OURS}\"]\n\
             window_from = \"00:00\"\nwindow_until = \"24:00\"\nwrap_s = 5\n",
            data = dir.path().join("data"),
            last = rtp + 99,
            prompts = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prompts"),
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
        self.agents_with(count, &AgentAudio::None)
    }

    fn agents_with(&self, count: usize, audio: &AgentAudio) -> Vec<AgentLogin> {
        let mut office = BackOffice::open(&store_path(&self.config)).unwrap();
        let serves = [("TEST".to_owned(), 1)];
        (0..count)
            .map(|number| {
                let name = format!("agent{number}");
                let token = office.agent_add(&name, &serves, &[], audio);
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
fn a_caller_whom_nobody_can_take_hears_the_whole_message_and_a_bye() {
    if !has_sipp() {
        return;
    }
    let site = Site::open("wait_s = 0\nmessage = \"nobody-free.wav\"").serve();
    site.call("waits_for_bye", WRITTEN, &site.borrower());
    let (direction, result, ..) = site.attempt();
    assert_eq!((direction.as_str(), result.as_str()), ("IN", "MISSED"));
    let told = "SELECT count(*) FROM attempt WHERE announced_at IS NOT NULL";
    assert_eq!(site.ask::<i64>(told), 1);
    // Media says when the prompt is over, and only then is there a BYE.
    let prompt = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/config/prompts/nobody-free.wav"
    );
    let prompt = hound::WavReader::open(prompt).unwrap();
    let length_ms = i64::from(prompt.duration()) * 1_000 / i64::from(prompt.spec().sample_rate);
    let lasted: i64 = site.ask("SELECT ended_at - announced_at FROM attempt");
    assert!(
        (length_ms..length_ms + 3_000).contains(&lasted),
        "{lasted} ms for a prompt of {length_ms} ms"
    );
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

// -- telephones

/// baresip as somebody's telephone, that we did not write: picks up at once, says a tone, keeps what it hears. Ended when dropped.
struct Baresip {
    child: Child,
    dir: tempfile::TempDir,
}

impl Baresip {
    /// `at`: where it listens; `tone`: what it says, in Hz; `dials`: whom it calls by itself.
    fn start(user: &str, at: SocketAddr, tone: u32, dials: Option<String>) -> Baresip {
        let dir = tempfile::tempdir().unwrap();
        let heard = dir.path().join("heard");
        std::fs::create_dir(&heard).unwrap();
        let config = format!(
            "sip_listen {at}\nnet_interface 127.0.0.1\ncall_local_timeout 120\ncall_max_calls 4\n\
             audio_player aubridge,none\naudio_source ausine,{tone}\naudio_alert aubridge,none\n\
             ausrc_srate 48000\nauplay_srate 48000\nausrc_channels 2\nauplay_channels 2\n\
             rtp_ports {first}-{last}\nsnd_path {heard}\n\
             module_path /usr/lib/baresip/modules\nmodule stdio.so\nmodule g711.so\nmodule ausine.so\n\
             module aubridge.so\nmodule sndfile.so\nmodule_app account.so\nmodule_app menu.so\n",
            first = 16_000 + at.port() % 1_000 * 4,
            last = 16_000 + at.port() % 1_000 * 4 + 30,
            heard = heard.display(),
        );
        std::fs::write(dir.path().join("config"), config).unwrap();
        let account = format!(
            "<sip:{user}@{at};transport=udp>;regint=0;answermode=auto;audio_codecs=PCMA/8000/1\n"
        );
        std::fs::write(dir.path().join("accounts"), account).unwrap();
        std::fs::write(dir.path().join("contacts"), "").unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new("baresip");
        command.arg("-f").arg(dir.path());
        if let Some(whom) = dials {
            command.args(["-e", &format!("d {whom}")]);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Baresip { child, dir }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Ends it as a user would: its calls hear a BYE, and its files are whole.
    fn quit(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.child.wait();
    }

    /// The share of each tone in what it has heard, over its loudest second.
    fn heard(&self, tones: &[f64]) -> Vec<f64> {
        let files = std::fs::read_dir(self.dir.path().join("heard")).unwrap();
        let mut best = vec![0.0_f64; tones.len()];
        for file in files.filter_map(Result::ok) {
            let path = file.path();
            if !path.to_string_lossy().contains("dec") {
                continue;
            }
            let mut reader = hound::WavReader::open(&path).unwrap();
            let rate = f64::from(reader.spec().sample_rate);
            let step = usize::from(reader.spec().channels);
            let samples: Vec<f64> = reader
                .samples::<i16>()
                .map_while(Result::ok)
                .step_by(step)
                .map(f64::from)
                .collect();
            for second in samples.chunks(rate as usize) {
                let energy: f64 = second.iter().map(|sample| sample * sample).sum();
                if energy < 1e6 * second.len() as f64 {
                    continue;
                }
                for (best, tone) in best.iter_mut().zip(tones) {
                    let (mut re, mut im) = (0.0, 0.0);
                    for (place, sample) in second.iter().enumerate() {
                        let angle = std::f64::consts::TAU * tone * place as f64 / rate;
                        re += sample * angle.cos();
                        im += sample * angle.sin();
                    }
                    let share = 2.0 * (re * re + im * im) / (second.len() as f64 * energy);
                    *best = best.max(share);
                }
            }
        }
        best
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has_baresip() -> bool {
    let is_there = Command::new("baresip")
        .arg("-h")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !is_there {
        assert_eq!(
            std::env::var("TANDEM_SKIP_PEERS").as_deref(),
            Ok("1"),
            "baresip is not installed; TANDEM_SKIP_PEERS=1 skips the tests that need it"
        );
        println!("skipped: baresip is not installed and TANDEM_SKIP_PEERS=1");
    }
    is_there
}

/// An agent's desk.
struct Desk(WebSocket<TcpStream>);

impl Desk {
    fn log_in(site: &Site, login: &AgentLogin) -> Desk {
        let address = site.config.desk.listen;
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let (socket, _) = client(format!("ws://{address}/agent"), stream).unwrap();
        let mut desk = Desk(socket);
        let token = login.token.expose();
        desk.say(json!({"type": "hello", "version": 1, "agent": login.name, "token": token}));
        desk
    }

    fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    /// The next message for which this holds.
    fn hear(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < until, "never heard: {what}");
            if let Message::Text(text) = self
                .0
                .read()
                .unwrap_or_else(|error| panic!("{what}: {error}"))
            {
                let message: Value = serde_json::from_str(&text).unwrap();
                if is_it(&message) {
                    return message;
                }
            }
        }
    }

    fn hear_leg(&mut self, leg: &str) {
        self.hear(leg, |it| it["type"] == "audio" && it["leg"] == leg);
    }
}

#[test]
fn an_agents_telephone_is_on_the_line_for_the_shift_and_both_hear_each_other() {
    if !has_baresip() {
        return;
    }
    let at = free();
    let site = Site::open("wait_s = 30\n[phones]\nranges = [\"127.0.0.1\"]");
    let phone_of = AgentAudio::Phone(format!("sip:1001@{at}"));
    let login = site.agents_with(1, &phone_of).remove(0);
    let site = site.serve();
    let mut phone = Baresip::start("1001", at, 440, None);
    let mut desk = Desk::log_in(&site, &login);
    let welcome = desk.hear("welcome", |it| it["type"] == "welcome");
    assert_eq!(welcome["audio"]["kind"], "phone");
    desk.hear_leg("up");
    desk.say(json!({"type": "state", "request": 1, "to": "ready"}));
    desk.hear("ready", |it| {
        it["type"] == "state" && it["state"] == "ready"
    });

    let ours = site.config.sip.listen;
    let dials = format!("sip:{WRITTEN}@{ours}");
    let mut borrower = Baresip::start(&site.borrower(), site.carrier, 1_000, Some(dials));
    let call = desk.hear("the card", |it| it["type"] == "call.connected")["call"].clone();
    desk.say(json!({"type": "painted", "call": call}));
    std::thread::sleep(Duration::from_secs(4));
    borrower.quit();
    desk.hear("the end", |it| it["type"] == "call.ended");
    let from_phone = borrower.heard(&[440.0, 1_000.0]);
    assert!(
        from_phone[0] > 0.8,
        "the borrower heard {from_phone:?}: {}",
        borrower.said()
    );

    // It drops, is called again as soon as it is back, and hears a BYE at the end of the shift.
    phone.quit();
    let from_borrower = phone.heard(&[440.0, 1_000.0]);
    assert!(
        from_borrower[1] > 0.8,
        "the agent heard {from_borrower:?}: {}",
        phone.said()
    );
    desk.hear_leg("lost");
    let phone = Baresip::start("1001", at, 440, None);
    desk.hear_leg("up");
    desk.say(json!({"type": "outcome", "request": 2, "call": call, "code": "HANGUP"}));
    desk.say(json!({"type": "state", "request": 3, "to": "offline"}));
    desk.hear("closing", |it| it["type"] == "closing");
    wait_until("its call is ended", || {
        phone.said().contains("session closed")
    });
}

#[test]
fn a_telephone_outside_the_allowed_networks_is_not_called_and_its_agent_takes_no_calls() {
    let at = free();
    let site = Site::open("[phones]\nranges = [\"192.0.2.0/24\"]");
    let login = site
        .agents_with(1, &AgentAudio::Phone(format!("sip:1001@{at}")))
        .remove(0);
    let site = site.serve();
    let silent = UdpSocket::bind(at).unwrap();
    let mut desk = Desk::log_in(&site, &login);
    desk.hear("welcome", |it| it["type"] == "welcome");
    desk.say(json!({"type": "state", "request": 1, "to": "ready"}));
    let refused = desk.hear("an error", |it| it["type"] == "error");
    assert_eq!(refused["code"], "audio_needed");
    silent
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    assert!(silent.recv(&mut [0; 64]).is_err(), "nothing was sent there");
}
