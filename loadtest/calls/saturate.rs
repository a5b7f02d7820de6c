//! More calls than the machine can dial: admission, not failure. Finds the plateau, and asks meanwhile whether agents' sockets
//! and `/readyz` still answer.

use super::books;
use super::engine::{Engine, Load};
use super::invites::latencies;
use super::metrics::web;
use super::sipp::{self, Sipp};
use crate::frame::report::{Goal, Report};
use crate::frame::stats::{median, quantile};
use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tandem::demo::agents::Habits;
use tandem::pii::Pii;
use tandem::wire::desk::VERSION;
use tandem::wire::desk::client::{ClientMessage, Hello, Ping};
use tandem::wire::desk::server::{ServerFrame, ServerMessage};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

/// What a trunk and a campaign may be configured for at most.
const CPS_MAX: u32 = 1_000;
/// How long each call rings.
const RING: Duration = Duration::from_secs(1);
const RING_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two questions to the engine.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// A prober waits no longer for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Until the rate has settled.
const WARM_UP: usize = 3;

/// Options of this scenario.
#[derive(clap::Args)]
pub struct SaturateArgs {
    /// Calls per second that trunks and campaigns allow together
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000))]
    offered: u32,
    /// How long
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=120))]
    seconds: u64,
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// An agent who is on a break and only asks whether the engine is there.
async fn prober(url: &str, name: String, token: Pii<String>) -> Result<Socket> {
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    let hello = ClientMessage::Hello(Hello {
        version: VERSION,
        agent: name,
        token,
        resume: None,
    });
    socket
        .send(Message::text(serde_json::to_string(&hello)?))
        .await?;
    Ok(socket)
}

/// Milliseconds from each ping to its pong.
async fn ping(mut socket: Socket, until: watch::Receiver<bool>) -> Result<Vec<f64>> {
    let text = serde_json::to_string(&ClientMessage::Ping(Ping { sequence: None }))?;
    let mut waits = Vec::new();
    while !*until.borrow() {
        let asked = Instant::now();
        socket.send(Message::text(text.clone())).await?;
        loop {
            let news = timeout(ANSWER_MAX, socket.next()).await;
            match news
                .context("no pong")?
                .context("the socket was closed")??
            {
                Message::Text(text) => match ServerFrame::parse(&text)?.message {
                    ServerMessage::Pong(_) => break,
                    ServerMessage::Welcome(_) | ServerMessage::State(_) => {}
                    other => bail!("instead of a pong: {other:?}"),
                },
                Message::Ping(_) => socket.flush().await?,
                other => bail!("instead of a pong: {other:?}"),
            }
        }
        waits.push(asked.elapsed().as_secs_f64() * 1e3);
        sleep(ASK_EVERY).await;
    }
    Ok(waits)
}

/// Milliseconds until each `/readyz` was answered, and with which status if not 200.
fn ready(api: SocketAddr, until: watch::Receiver<bool>) -> Result<(Vec<f64>, Vec<u16>)> {
    let web = web();
    let (mut waits, mut others) = (Vec::new(), Vec::new());
    while !*until.borrow() {
        let asked = Instant::now();
        let answer = web.get(format!("http://{api}/readyz")).call()?;
        waits.push(asked.elapsed().as_secs_f64() * 1e3);
        if answer.status() != 200 {
            others.push(answer.status().as_u16());
        }
        std::thread::sleep(ASK_EVERY);
    }
    Ok((waits, others))
}

/// Runs the scenario.
pub async fn measure(args: &SaturateArgs, dir: &Path) -> Result<Report> {
    let far = Sipp::far_end(dir, &sipp::rings(1.0, RING)).await?;
    let lanes = args.offered.div_ceil(CPS_MAX);
    let cps = args.offered / lanes;
    let load = Load {
        lanes,
        cps,
        lines: 20_000,
        // A flood: the abandon cap would hold it to one line for each free agent.
        mode: "lines_per_agent = 100\nabandon = { cap_percent = 100 }",
        ring_timeout: RING_TIMEOUT,
        agents: args.offered * 2 / 100,
        habits: Habits::default(),
        leads: (args.seconds + 5) * u64::from(cps),
    };
    let engine = Engine::start(dir, load, far.address).await?;
    let token = Pii::new(engine.bed.office()?.agent_add(
        "prober",
        &[("LOAD0".to_owned(), 1)],
        &[],
        &tandem::shell::store::AgentAudio::None,
    )?);
    let socket = prober(&engine.bed.agent_url(), "prober".to_owned(), token).await?;
    let (over, until) = watch::channel(false);
    let pings = tokio::spawn(ping(socket, until.clone()));
    let api = engine.bed.config.api.listen;
    let answers = tokio::task::spawn_blocking(move || ready(api, until));

    let before = engine.scrape().await?;
    let begun = engine.mark(&far).await?;
    engine.dial().await?;
    let mut rates = Vec::new();
    let (mut last, mut last_at) = (engine.invites(&before), Instant::now());
    for _ in 0..args.seconds {
        sleep(Duration::from_secs(1)).await;
        let (sent, at) = (engine.invites(&engine.scrape().await?), Instant::now());
        rates.push((sent - last) / (at - last_at).as_secs_f64());
        (last, last_at) = (sent, at);
    }
    let spent = engine.since(&begun, &far).await?;
    engine.pause().await?;
    engine
        .drained(RING_TIMEOUT + Duration::from_secs(60))
        .await?;
    // The receivers may have ended by a fault, which is told below.
    let _ = over.send(true);
    let mut waits = pings.await?.context("an agent's socket under full load")?;
    let (mut asked, others) = answers.await?.context("/readyz under full load")?;

    ensure!(rates.len() > WARM_UP, "too short to find a plateau");
    let steady = &rates[WARM_UP..];
    let what = format!(
        "{} calls/s offered by {lanes} trunks and campaigns, each call refused after {} s of ringing; {} s",
        args.offered,
        RING.as_secs(),
        args.seconds
    );
    let mut report = Report::new("saturate", what);
    report.figure(
        "plateau_invites_per_s",
        "INVITEs per second, median",
        median(steady),
        "/s",
    );
    report.samples("invites_per_s", &rates);
    report.figure(
        "cpu_percent",
        "CPU time of the engine",
        spent.cpu / spent.seconds * 100.0,
        "% of a core",
    );
    report.figure(
        "far_cpu_percent",
        "CPU time of the far end",
        spent.far_cpu / spent.seconds * 100.0,
        "% of a core",
    );
    for (name, seconds) in &spent.by_thread {
        if seconds / spent.seconds >= 0.005 {
            report.figure(
                &format!("thread_{name}_percent"),
                &format!("  of the engine's, thread {name}"),
                seconds / spent.seconds * 100.0,
                "% of a core",
            );
        }
    }
    report.figure(
        "readyz_p50_ms",
        "/readyz answered after, p50",
        median(&asked),
        "ms",
    );
    report.goal(
        "readyz_p99_ms",
        "/readyz answered after, p99",
        quantile(&mut asked, 0.99),
        "ms",
        Goal::AtMost(500.0),
    );
    report.figure(
        "desk_p50_ms",
        "an agent's ping answered after, p50",
        median(&waits),
        "ms",
    );
    report.goal(
        "desk_p99_ms",
        "an agent's ping answered after, p99",
        quantile(&mut waits, 0.99),
        "ms",
        Goal::AtMost(500.0),
    );
    if !others.is_empty() {
        report.failure(format!("/readyz said {others:?} instead of 200"));
    }
    let allowed = ["BUSY", "NO_ANSWER", "NOT_SENT"];
    let after = books::compare(&mut report, &engine, &far, 0, &allowed).await?;
    latencies(&mut report, &engine, &before, &after).await?;
    Ok(report)
}
