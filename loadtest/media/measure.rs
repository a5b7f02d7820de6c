//! Runs the relay, plain conversations and conversations with browsers at several sizes, and puts their figures side by side.

use super::browser::{BrowserEnd, certificate};
use super::ends::{Counted, Phase, PlainEnd, Side, run};
use super::server::{Answer, Ask, COMMAND};
use crate::frame::bed::allow_open_files;
use crate::frame::process::Process;
use crate::frame::report::{Goal, Report};
use crate::log_of;
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The host of all ends: the trunk's range.
const HERE: &str = "127.0.0.1";
/// Longest wait for all browsers to be connected.
const HANDSHAKES: Duration = Duration::from_secs(60);
/// Goals of the step.
const PLAIN_OVER_RELAY_MAX: f64 = 1.3;
const BRIDGES_PER_CORE_MIN: f64 = 1_000.0;
const ADDED_P99_MS_MAX: f64 = 5.0;
const SESSION_KIB_MAX: f64 = 260.0 * 1_000.0 / 1_024.0;

/// Options of this scenario.
#[derive(clap::Args)]
pub struct MediaArgs {
    /// Conversations at once, one run for each
    #[arg(long, value_delimiter = ',', default_values_t = [50, 200, 400, 800])]
    sessions: Vec<u32>,
    /// What is run: relay, plain, browsers
    #[arg(long, value_delimiter = ',', default_values_t = ["relay".to_owned(), "plain".to_owned(), "browsers".to_owned()])]
    kinds: Vec<String>,
    /// Seconds that count
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// One run's figures.
struct Run {
    cpu_s: f64,
    kib: f64,
    customers: Counted,
    agents: Counted,
}

impl Run {
    fn forwarded(&self) -> u64 {
        self.customers.heard + self.agents.heard
    }
    fn sent(&self) -> u64 {
        self.customers.sent + self.agents.sent
    }
    fn us_per_packet(&self) -> f64 {
        self.cpu_s * 1e6 / self.forwarded().max(1) as f64
    }
    fn delay_ms(&self, share: f64) -> f64 {
        let of = |side: &Counted| side.delays_us.value_at_quantile(share) as f64 / 1_000.0;
        of(&self.customers).max(of(&self.agents))
    }
}

/// The process under load, and the way to its ear.
struct Server {
    process: Process,
    words: BufReader<TcpStream>,
}

impl Server {
    fn start(kind: &str, sessions: u32, dir: &Path) -> Result<Server> {
        let probe = TcpListener::bind((HERE, 0))?;
        let listen = probe.local_addr()?;
        drop(probe);
        let mut command = Command::new(std::env::current_exe()?);
        let sessions = sessions.to_string();
        command.args(["--bench", COMMAND, "--listen", &listen.to_string()]);
        command.args(["--port-first", "20000", "--sessions", &sessions]);
        if kind == "relay" {
            command.arg("--relay");
        }
        let process = Process::start(
            command,
            "ready",
            &log_of(dir, &format!("{kind}-{sessions}")),
        )?;
        let words = TcpStream::connect(listen)?;
        words.set_nodelay(true)?;
        Ok(Server {
            process,
            words: BufReader::new(words),
        })
    }

    fn ask(&mut self, ask: &Ask) -> Result<Answer> {
        let mut line = serde_json::to_string(ask)?;
        line.push('\n');
        self.words.get_mut().write_all(line.as_bytes())?;
        line.clear();
        self.words.read_line(&mut line)?;
        let answer: Answer = serde_json::from_str(&line).context("an odd answer")?;
        match answer.fault {
            Some(fault) => bail!("{fault}"),
            None => Ok(answer),
        }
    }
}

fn one(kind: &str, sessions: u32, seconds: u64, dir: &Path) -> Result<Run> {
    allow_open_files(sessions * 3 + 256)?;
    let mut server = Server::start(kind, sessions, dir)?;
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let before_kib = server.process.anonymous_kib()? as f64;
    let mut customers = Vec::new();
    let mut telephones = Vec::new();
    let mut browsers = Vec::new();
    let shared = certificate();
    for number in 0..sessions {
        let mut customer = PlainEnd::new(HERE, number * 2 + 1)?;
        let address = customer.socket.local_addr()?;
        if kind == "browsers" {
            let (mut end, sdp) = BrowserEnd::offer(HERE, shared.clone())?;
            let answer = server.ask(&Ask::Browser {
                number,
                customer: address,
                sdp,
            })?;
            customer.target = Some(at(answer.customer));
            end.answered(&answer.sdp)?;
            browsers.push(end);
            // Handshakes go on beside later offers: nobody waits for them one by one.
            turn_all(&mut browsers);
        } else {
            let mut telephone = PlainEnd::new(HERE, number * 2 + 2)?;
            let answer = server.ask(&Ask::Plain {
                number,
                customer: address,
                agent: telephone.socket.local_addr()?,
            })?;
            customer.target = Some(at(answer.customer));
            telephone.target = Some(at(answer.agent));
            telephones.push(telephone);
        }
        customers.push(customer);
    }
    let until = Instant::now() + HANDSHAKES;
    while browsers.iter().any(|end| !end.is_connected) {
        ensure!(Instant::now() < until, "not all browsers connected");
        turn_all(&mut browsers);
        std::thread::sleep(Duration::from_millis(1));
    }
    for number in 0..sessions {
        server.ask(&Ask::Bridge { number })?;
    }
    let phase = Phase::new();
    let agents = if kind == "browsers" {
        Side::Browsers(browsers)
    } else {
        Side::Plain(telephones)
    };
    let start = |name: &str, side: Side| -> Result<JoinHandle<Result<Counted>>> {
        let phase = Arc::clone(&phase);
        Ok(std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(side, &phase))?)
    };
    let customers = start("customers", Side::Plain(customers))?;
    let agents = start("agents", agents)?;
    phase.speak();
    std::thread::sleep(Duration::from_secs(3));
    let cpu_before = server.process.cpu_seconds_of_threads()?;
    phase.count();
    std::thread::sleep(Duration::from_secs(seconds));
    phase.settle();
    let cpu_s = server.process.cpu_seconds_of_threads()? - cpu_before;
    let kib = server.process.anonymous_kib()? as f64 - before_kib;
    std::thread::sleep(Duration::from_millis(500));
    phase.end();
    let joined = |side: JoinHandle<Result<Counted>>| {
        side.join()
            .map_err(|_| anyhow::anyhow!("a generator ended by a panic"))?
    };
    Ok(Run {
        cpu_s,
        kib,
        customers: joined(customers)?,
        agents: joined(agents)?,
    })
}

fn turn_all(browsers: &mut [BrowserEnd]) {
    let mut buffer = [0; 2_048];
    for end in browsers.iter_mut().filter(|end| !end.is_connected) {
        end.turn(&mut buffer, &mut |_| {});
    }
}

/// Runs the scenario.
pub fn measure(args: &MediaArgs, dir: &Path) -> Result<Report> {
    let what = format!(
        "{:?} conversations, 50 packets/s each way, {} s each",
        args.sessions, args.seconds
    );
    let mut report = Report::new("media", what);
    for sessions in &args.sessions {
        let mut relay: Option<(f64, f64)> = None;
        for kind in &args.kinds {
            let run = one(kind, *sessions, args.seconds, dir)
                .with_context(|| format!("{kind} at {sessions}"))?;
            let key = |name: &str| format!("{kind}_{sessions}_{name}");
            let each = run.us_per_packet();
            let lost = 100.0 * (1.0 - run.forwarded() as f64 / run.sent().max(1) as f64);
            report.figure(
                &key("packets_per_s"),
                &format!("{kind}, {sessions} conversations: packets forwarded"),
                run.forwarded() as f64 / args.seconds as f64,
                "/s",
            );
            report.figure(&key("lost_percent"), "  lost", lost.max(0.0), "%");
            report.figure(
                &key("load_percent"),
                "  of one core",
                run.cpu_s * 100.0 / args.seconds as f64,
                "%",
            );
            match (kind.as_str(), relay) {
                ("plain", Some((floor, _))) => {
                    report.figure(&key("us_per_packet"), "  CPU for each packet", each, "us");
                    report.goal(
                        &key("over_relay"),
                        "  times the bare relay's",
                        each / floor,
                        "",
                        Goal::AtMost(PLAIN_OVER_RELAY_MAX),
                    );
                }
                _ => report.figure(&key("us_per_packet"), "  CPU for each packet", each, "us"),
            }
            let bridges = 1e6 / (each * 100.0);
            if kind == "relay" {
                relay = Some((each, run.delay_ms(0.99)));
                report.figure(
                    &key("bridges_per_core"),
                    "  such bridges for each core",
                    bridges,
                    "",
                );
            } else {
                report.goal(
                    &key("bridges_per_core"),
                    "  such bridges for each core",
                    bridges,
                    "",
                    Goal::AtLeast(BRIDGES_PER_CORE_MIN),
                );
            }
            report.figure(
                &key("delay_p50_ms"),
                "  from end to end, median",
                run.delay_ms(0.5),
                "ms",
            );
            let p99 = run.delay_ms(0.99);
            report.figure(
                &key("delay_p99_ms"),
                "  from end to end, 99 of 100",
                p99,
                "ms",
            );
            if let Some((_, floor)) = relay.filter(|_| kind != "relay") {
                report.goal(
                    &key("added_p99_ms"),
                    "  more than through the relay",
                    p99 - floor,
                    "ms",
                    Goal::AtMost(ADDED_P99_MS_MAX),
                );
            }
            if kind != "relay" {
                report.goal(
                    &key("kib_per_session"),
                    "  memory for each conversation",
                    run.kib / f64::from(*sessions),
                    "KiB",
                    Goal::AtMost(SESSION_KIB_MAX),
                );
            }
        }
    }
    Ok(report)
}
