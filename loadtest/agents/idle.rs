//! What idle agents cost: the real engine as a process of its own, and thousands of desks that are ready and get no call.
//!
//! `cargo bench --bench idle_agents -- --agents 2000 --seconds 20`; with `--json`, the report is one line of JSON. A socket
//! that is lost, an agent who is not ready at the end and a call nobody asked for are failures, not noise.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tandem::config::Config;
use tandem::pii::Pii;
use tandem::shell::api::client::ApiClient;
use tandem::shell::serve::store_path;
use tandem::shell::store::sqlite::BackOffice;
use tandem::wire::desk::VERSION;
use tandem::wire::desk::client::{ClientMessage, Hello, StateWish, WantedState};
use tandem::wire::desk::server::{DeskState, ServerFrame, ServerMessage};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

const CAMPAIGN: &str = "IDLE";
/// Longest wait for a process to be ready, and for a socket to be let in.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a start and a rush of log-ins leave behind must be gone before anything is measured: the runtime keeps a thread that
/// checked a log-in for ten seconds.
const SETTLE: Duration = Duration::from_secs(15);
/// Handshakes and log-ins under way at once.
const AT_ONCE: usize = 64;
/// What both processes open beside the agents' sockets.
const OTHER_FILES: u64 = 200;
/// The unit of CPU time in /proc: USER_HZ, which Linux has kept at 100 everywhere.
const TICKS_PER_SECOND: f64 = 100.0;

/// Measures the engine's memory and CPU time with idle agents.
#[derive(Parser)]
struct Args {
    /// Agents, each with a socket of its own; the engine takes 4,096 sockets
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    agents: u32,
    /// How long CPU time is counted, without agents and then with them
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Print the report as one line of JSON
    #[arg(long)]
    json: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
    /// Measure only if the name of this benchmark contains it, as the other benches have it
    #[arg(hide = true)]
    filter: Option<String>,
}

/// What was measured. Memory in KiB, as the kernel counts it.
#[derive(serde::Serialize)]
struct Report {
    agents: u32,
    seconds: u64,
    rss_before_kib: u64,
    rss_after_kib: u64,
    rss_per_agent_kib: f64,
    cpu_before_percent: f64,
    cpu_after_percent: f64,
    pings_answered: u64,
    all_ready_after_ms: u64,
}

impl Report {
    fn print(&self, as_json: bool) -> Result<()> {
        if as_json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        println!(
            "{} agents, ready and idle (all were ready {:.1} s after the first connected)",
            self.agents,
            self.all_ready_after_ms as f64 / 1_000.0
        );
        println!(
            "memory of the engine   {} KiB -> {} KiB resident: {:.2} KiB for each agent",
            self.rss_before_kib, self.rss_after_kib, self.rss_per_agent_kib
        );
        println!(
            "CPU time of the engine {:.1} % -> {:.1} % of one core, over {} s each; {} pings answered meanwhile",
            self.cpu_before_percent, self.cpu_after_percent, self.seconds, self.pings_answered
        );
        Ok(())
    }
}

/// A process that we started. Killed when dropped.
struct Process {
    child: Child,
}

impl Process {
    /// Starts the program and waits until it prints a line that contains `ready`. What it logs goes to `log`.
    fn start(words: &[&str], ready: &str, log: &Path) -> Result<Process> {
        let child = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(words)
            .env("TANDEM_LOG", "warn")
            // Both end when this pipe does: also if we are killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .with_context(|| format!("tandem {} does not start", words[0]))?;
        let mut process = Process { child };
        let out = process.child.stdout.take().context("its output is piped")?;
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // Nobody waits any more: it is read all the same, or the process would stand still.
                let _ = sender.send(line);
            }
        });
        let until = Instant::now() + PATIENCE;
        loop {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(ready) => return Ok(process),
                Ok(_) => {}
                Err(_) => bail!(
                    "tandem {} is not ready: {}",
                    words[0],
                    std::fs::read_to_string(log).unwrap_or_default()
                ),
            }
        }
    }

    fn proc_file(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(&path).with_context(|| format!("{path} (this needs Linux)"))
    }

    fn resident_kib(&self) -> Result<u64> {
        self.proc_file("status")?
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok())
            .context("no VmRSS: has the engine ended?")
    }

    /// User and system time so far, of all its threads.
    fn cpu_seconds(&self) -> Result<f64> {
        let stat = self.proc_file("stat")?;
        // The second field is the program's name in brackets; utime and stime are the 14th and 15th.
        let (_, fields) = stat.rsplit_once(')').context("an odd stat")?;
        let ticks: Vec<u64> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map_while(|field| field.parse().ok())
            .collect();
        ensure!(ticks.len() == 2, "an odd stat: {stat}");
        Ok(ticks.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
    }

    /// CPU time from now on, in per cent of one core.
    async fn cpu_percent(&self, over: Duration) -> Result<f64> {
        let (begun, before) = (Instant::now(), self.cpu_seconds()?);
        sleep(over).await;
        let used = self.cpu_seconds()? - before;
        Ok(used / begun.elapsed().as_secs_f64() * 100.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Loopback addresses that are free now, for UDP and TCP.
fn free<const COUNT: usize>() -> Result<[SocketAddr; COUNT]> {
    let mut held = Vec::new();
    while held.len() < COUNT {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = tcp.local_addr()?;
        if let Ok(udp) = UdpSocket::bind(address) {
            held.push((address, tcp, udp));
        }
    }
    Ok(std::array::from_fn(|at| held[at].0))
}

/// A running campaign without leads, on a trunk that is up.
fn write_config(dir: &Path, carrier: SocketAddr) -> Result<(PathBuf, Config)> {
    let [sip, desk, api] = free()?;
    let text = format!(
        "data_dir = {data:?}\n\
         [sip]\nlisten = \"{sip}\"\n[desk]\nlisten = \"{desk}\"\n[api]\nlisten = \"{api}\"\n\
         [[trunks]]\nname = \"carrier\"\naddress = \"{carrier}\"\n\
         [[campaigns]]\nname = \"{CAMPAIGN}\"\ncaller_id = \"+842873000000\"\nstate = \"running\"\n",
        data = dir.join("data")
    );
    let path = dir.join("tandem.toml");
    std::fs::write(&path, &text)?;
    let config = Config::load(&path).map_err(|faults| anyhow::anyhow!("{faults}"))?;
    Ok((path, config))
}

/// Names and tokens of new agents.
fn add_agents(config: &Config, count: u32) -> Result<Vec<(String, Pii<String>)>> {
    std::fs::create_dir_all(&config.data_dir)?;
    let mut office = BackOffice::open(&store_path(config))?;
    (0..count)
        .map(|number| {
            let name = format!("agent{number:04}");
            let token = office.agent_add(&name, &[(CAMPAIGN.to_owned(), 1)], &[])?;
            Ok((name, Pii::new(token)))
        })
        .collect()
}

/// Sockets may be as many as files may; the engine raises its own limit.
fn allow_open_files(agents: u32) -> Result<()> {
    let needed = u64::from(agents) + OTHER_FILES;
    let allowed = rlimit::increase_nofile_limit(needed).context("the limit of open files")?;
    ensure!(
        allowed >= needed,
        "only {allowed} files may be open at once; {needed} are needed (the hard limit of `ulimit -n`)"
    );
    Ok(())
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// Connects, logs in and asks for calls: a socket whose agent is ready.
async fn make_ready(url: &str, name: String, token: Pii<String>) -> Result<Socket> {
    let small = WebSocketConfig::default()
        .read_buffer_size(2 * 1_024)
        .write_buffer_size(0);
    let connect = tokio_tungstenite::connect_async_with_config(url, Some(small), true);
    let (mut socket, _) = connect.await?;
    let hello = ClientMessage::Hello(Hello {
        version: VERSION,
        agent: name,
        token,
        resume: None,
    });
    say(&mut socket, &hello).await?;
    loop {
        match socket.next().await.context("closed")?? {
            Message::Text(text) => match ServerFrame::parse(&text)?.message {
                ServerMessage::Welcome(_) => {
                    let wish = ClientMessage::State(StateWish {
                        request: 1,
                        to: WantedState::Ready,
                        reason: None,
                    });
                    say(&mut socket, &wish).await?;
                }
                ServerMessage::State(news) if news.state == DeskState::Ready => return Ok(socket),
                ServerMessage::State(_) => {}
                other => bail!("instead of ready: {other:?}"),
            },
            Message::Ping(_) => {}
            other => bail!("instead of ready: {other:?}"),
        }
    }
}

async fn say(socket: &mut Socket, message: &ClientMessage) -> Result<()> {
    let text = serde_json::to_string(message)?;
    Ok(socket.send(Message::text(text)).await?)
}

/// Answers pings, as every websocket library does, and expects nothing else. Ends only by a fault.
async fn idle(mut socket: Socket, pings: Arc<AtomicU64>) -> Result<()> {
    loop {
        match socket.next().await.context("an idle socket was closed")?? {
            Message::Ping(_) => {
                // The answer lies ready in the library; nothing else would send it.
                socket.flush().await?;
                pings.fetch_add(1, Ordering::Relaxed);
            }
            other => bail!("an idle agent was told {other:?}"),
        }
    }
}

async fn ready_agents(config: &Config) -> Result<u32> {
    let client = ApiClient::of(config)?;
    let picture = tokio::task::spawn_blocking(move || client.picture()).await??;
    Ok(picture.agents.get("ready").copied().unwrap_or_default())
}

async fn measure(args: &Args, dir: &Path) -> Result<Report> {
    let [carrier] = free()?;
    let (path, config) = write_config(dir, carrier)?;
    let path = path.to_str().context("a path in UTF-8")?;
    let logins = add_agents(&config, args.agents)?;
    let listen = carrier.to_string();
    let words = ["carrier", "--listen", &listen, "--until-stdin-closes"];
    let _carrier = Process::start(&words, "\"ready\"", &dir.join("carrier.log"))?;
    let engine = Process::start(
        &["serve", path, "--until-stdin-closes"],
        "ready:",
        &dir.join("engine.log"),
    )?;
    let over = Duration::from_secs(args.seconds);
    sleep(SETTLE).await;
    let rss_before_kib = engine.resident_kib()?;
    let cpu_before_percent = engine.cpu_percent(over).await?;

    let url: Arc<str> = format!("ws://{}/agent", config.desk.listen).into();
    let pings = Arc::new(AtomicU64::new(0));
    let (mut entering, mut idling) = (JoinSet::new(), JoinSet::new());
    let begun = Instant::now();
    let mut logins = logins.into_iter();
    loop {
        while entering.len() < AT_ONCE
            && let Some((name, token)) = logins.next()
        {
            let url = Arc::clone(&url);
            entering.spawn(async move { timeout(PATIENCE, make_ready(&url, name, token)).await? });
        }
        let Some(entered) = entering.join_next().await else {
            break;
        };
        let socket = entered?.context("an agent did not get ready")?;
        idling.spawn(idle(socket, Arc::clone(&pings)));
    }
    let all_ready_after_ms = begun.elapsed().as_millis() as u64;
    sleep(SETTLE).await;
    let pings_before = pings.load(Ordering::Relaxed);
    let cpu_after_percent = engine.cpu_percent(over).await?;
    let pings_answered = pings.load(Ordering::Relaxed) - pings_before;
    let rss_after_kib = engine.resident_kib()?;

    if let Some(ended) = idling.try_join_next() {
        ended??;
    }
    let ready = ready_agents(&config).await?;
    ensure!(
        ready == args.agents,
        "{ready} of {} agents are ready at the end",
        args.agents
    );
    Ok(Report {
        agents: args.agents,
        seconds: args.seconds,
        rss_before_kib,
        rss_after_kib,
        rss_per_agent_kib: (rss_after_kib as f64 - rss_before_kib as f64) / f64::from(args.agents),
        cpu_before_percent,
        cpu_after_percent,
        pings_answered,
        all_ready_after_ms,
    })
}

fn run(args: &Args) -> Result<()> {
    allow_open_files(args.agents)?;
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Both ends drop what `measure` holds: the processes that it started are gone before the directory is.
    let report = runtime.block_on(async {
        tokio::select! {
            report = measure(args, dir.path()) => report,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })?;
    report.print(args.json)
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !args.bench {
        // `cargo test --all-targets` runs benches too, unoptimised: a figure of that would mislead.
        println!("not measured: run `cargo bench --bench idle_agents`");
        return ExitCode::SUCCESS;
    }
    let is_meant = |filter: &String| "idle_agents".contains(filter.as_str());
    if !args.filter.as_ref().is_none_or(is_meant) {
        return ExitCode::SUCCESS;
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("idle_agents: {fault:#}");
            ExitCode::FAILURE
        }
    }
}
