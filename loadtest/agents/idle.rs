//! What idle agents cost: the real engine as a process of its own, and thousands of desks that are ready and get no call.
//!
//! A socket that is lost, an agent who is not ready at the end and a call nobody asked for are failures, not noise.

use crate::frame::bed::{Bed, allow_open_files, free};
use crate::frame::process::Process;
use crate::frame::report::{Goal, Report};
use crate::log_of;
use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tandem::config::Config;
use tandem::pii::Pii;
use tandem::shell::api::client::ApiClient;
use tandem::wire::desk::VERSION;
use tandem::wire::desk::client::{ClientMessage, Hello, StateWish, WantedState};
use tandem::wire::desk::server::{DeskState, ServerFrame, ServerMessage};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

const CAMPAIGN: &str = "IDLE";
/// Longest wait for a socket to be let in.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a start and a rush of log-ins leave behind must be gone before anything is measured: the runtime keeps a thread that
/// checked a log-in for ten seconds.
const SETTLE: Duration = Duration::from_secs(15);
/// Handshakes and log-ins under way at once.
const AT_ONCE: usize = 64;

/// Options of this scenario.
#[derive(clap::Args)]
pub struct IdleArgs {
    /// Agents, each with a socket of its own
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    agents: u32,
    /// How long CPU time is counted, without agents and then with them
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
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

/// Runs the scenario.
pub async fn measure(args: &IdleArgs, dir: &Path) -> Result<Report> {
    allow_open_files(args.agents)?;
    let [carrier] = free()?;
    // A running campaign without leads, on a trunk that is up.
    let bed = Bed::make(
        dir,
        "",
        &format!(
            "[[trunks]]\nname = \"carrier\"\naddress = \"{carrier}\"\n\
             [[campaigns]]\nname = \"{CAMPAIGN}\"\ncaller_id = \"+842873000000\"\nstate = \"running\"\n"
        ),
    )?;
    let logins = bed.add_agents(CAMPAIGN, args.agents)?;
    let listen = carrier.to_string();
    let words = ["carrier", "--listen", &listen, "--until-stdin-closes"];
    let _carrier = Process::tandem(&words, "\"ready\"", &log_of(dir, "carrier"))?;
    let words = ["serve", bed.path_str()?, "--until-stdin-closes"];
    let engine = Process::tandem(&words, "ready:", &log_of(dir, "engine"))?;
    let over = Duration::from_secs(args.seconds);
    sleep(SETTLE).await;
    let rss_before = engine.resident_kib()?;
    let cpu_before = engine.cpu_percent(over).await?;

    let url: Arc<str> = bed.agent_url().into();
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
    let all_ready = begun.elapsed();
    sleep(SETTLE).await;
    let pings_before = pings.load(Ordering::Relaxed);
    let cpu_after = engine.cpu_percent(over).await?;
    let answered = pings.load(Ordering::Relaxed) - pings_before;
    let rss_after = engine.resident_kib()?;

    if let Some(ended) = idling.try_join_next() {
        ended??;
    }
    let ready = ready_agents(&bed.config).await?;
    ensure!(
        ready == args.agents,
        "{ready} of {} agents are ready at the end",
        args.agents
    );

    let what = format!(
        "{} agents, ready and idle; CPU time over {} s, once",
        args.agents, args.seconds
    );
    let mut report = Report::new("idle", what);
    report.figure(
        "rss_before_kib",
        "resident memory without agents",
        rss_before as f64,
        "KiB",
    );
    report.figure(
        "rss_after_kib",
        "resident memory with agents",
        rss_after as f64,
        "KiB",
    );
    let each = (rss_after as f64 - rss_before as f64) / f64::from(args.agents);
    report.goal(
        "rss_per_agent_kib",
        "for each agent",
        each,
        "KiB",
        Goal::AtMost(12.0),
    );
    report.figure(
        "cpu_before_percent",
        "CPU time without agents",
        cpu_before,
        "% of a core",
    );
    report.goal(
        "cpu_after_percent",
        "CPU time with agents",
        cpu_after,
        "% of a core",
        Goal::AtMost(3.0),
    );
    report.figure(
        "pings_answered",
        "pings answered meanwhile",
        answered as f64,
        "",
    );
    report.figure(
        "all_ready_ms",
        "all READY after",
        all_ready.as_millis() as f64,
        "ms",
    );
    Ok(report)
}
