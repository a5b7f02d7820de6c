//! The floor beside us: a websocket server that knows nothing and pushes a text to one of its clients when a datagram says so.
//!
//! One process, one thread, no hop: whoever pushes over the same library to the same clients cannot be quicker. Its clients
//! live beside the agents, on the same thread and with the same buffers; triggers leave a thread of their own, as the far
//! end's answers do.

use super::crew::open;
use crate::frame::bed::allow_open_files;
use crate::frame::process::Process;
use crate::log_of;
use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// The name under which the server is started.
pub const COMMAND: &str = "bare-push-server";
/// Digits at the beginning of each text: the number of the push.
const NUMBER_DIGITS: usize = 10;
/// Longest wait for the last push of a round.
const PATIENCE: Duration = Duration::from_secs(5);

/// Options of the server.
#[derive(clap::Args)]
pub struct BareArgs {
    /// Where websockets (TCP) and triggers (UDP) come in
    #[arg(long)]
    listen: SocketAddr,
    /// Sockets that will come
    #[arg(long)]
    clients: u32,
}

/// Runs the server until its standard input ends.
pub fn serve(args: &BareArgs) -> Result<()> {
    allow_open_files(args.clients)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = TcpListener::bind(args.listen).await?;
            let triggers = tokio::net::UdpSocket::bind(args.listen).await?;
            println!("ready");
            std::io::stdout().flush()?;
            let (stopped, mut stop) = tokio::sync::oneshot::channel::<()>();
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
                // The server ends by this: nobody listening means that it has ended already.
                drop(stopped);
            });
            let mut sockets = Vec::with_capacity(args.clients as usize);
            while sockets.len() < args.clients as usize {
                tokio::select! {
                    accepted = listener.accept() => sockets.push(upgrade(accepted?.0).await?),
                    _ = &mut stop => return Ok(()),
                }
            }
            let mut datagram = [0; 64];
            loop {
                tokio::select! {
                    biased;
                    length = triggers.recv(&mut datagram) => push(&mut sockets, &datagram[..length?]).await?,
                    _ = &mut stop => return Ok(()),
                }
            }
        })
}

async fn upgrade(stream: TcpStream) -> Result<WebSocketStream<TcpStream>> {
    stream.set_nodelay(true)?;
    // The engine's own buffers.
    let config = WebSocketConfig::default()
        .read_buffer_size(2 * 1_024)
        .write_buffer_size(4 * 1_024);
    Ok(tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?)
}

/// A trigger: number of the push, place of the client, length of the text.
async fn push(sockets: &mut [WebSocketStream<TcpStream>], trigger: &[u8]) -> Result<()> {
    let words: Vec<u32> = trigger
        .as_chunks::<4>()
        .0
        .iter()
        .map(|word| u32::from_be_bytes(*word))
        .collect();
    let &[number, client, length] = words.as_slice() else {
        bail!("an odd trigger of {} bytes", trigger.len());
    };
    let socket = sockets
        .get_mut(client as usize)
        .context("a trigger for nobody")?;
    let mut text = String::with_capacity(length as usize);
    text.push_str(&format!("{number:0NUMBER_DIGITS$}"));
    text.extend(std::iter::repeat_n(
        'x',
        (length as usize).saturating_sub(NUMBER_DIGITS),
    ));
    Ok(socket.send(Message::text(text)).await?)
}

/// The server as a process, and its clients here.
pub struct BarePush {
    /// The server.
    pub server: Process,
    address: SocketAddr,
    clients: u32,
    arrivals: Arc<Mutex<Vec<(u32, Instant)>>>,
    tasks: JoinSet<Result<()>>,
    next_number: u32,
}

/// One round's figures.
#[derive(Debug)]
pub struct BareRound {
    /// From the trigger's departure to the frame at the client, in milliseconds.
    pub latencies_ms: Vec<f64>,
    /// CPU time of the server.
    pub cpu_s: f64,
}

impl BarePush {
    /// Starts the server and connects `clients`.
    pub async fn start(address: SocketAddr, clients: u32, dir: &Path) -> Result<BarePush> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--bench", COMMAND]);
        command.args(["--listen", &address.to_string()]);
        command.args(["--clients", &clients.to_string()]);
        let server = Process::start(command, "ready", &log_of(dir, COMMAND))?;
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let url = format!("ws://{address}/");
        for _ in 0..clients {
            let mut socket = open(&url).await?;
            let arrivals = Arc::clone(&arrivals);
            tasks.spawn(async move {
                loop {
                    let read = socket.next().await;
                    let now = Instant::now();
                    match read.context("a bare client was closed")?? {
                        Message::Text(text) => {
                            let number = text
                                .get(..NUMBER_DIGITS)
                                .and_then(|digits| digits.parse().ok())
                                .context("a push without its number")?;
                            arrivals
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .push((number, now));
                        }
                        other => bail!("a bare client was told {other:?}"),
                    }
                }
            });
        }
        Ok(BarePush {
            server,
            address,
            clients,
            arrivals,
            tasks,
            next_number: 0,
        })
    }

    /// Pushes a text of `bytes` at each of `offsets` from now, each to another client, and waits until all are there.
    pub async fn round(&mut self, offsets: Vec<Duration>, bytes: usize) -> Result<BareRound> {
        let count = offsets.len();
        let (first, clients) = (self.next_number, self.clients);
        self.next_number += count as u32;
        let address = self.address;
        let before = self.server.cpu_seconds()?;
        // Looked over at the end: a client that is lost shows as a push that is.
        let sent = tokio::task::spawn_blocking(move || {
            trigger_all(address, first, clients, &offsets, bytes)
        })
        .await??;
        let until = Instant::now() + PATIENCE;
        while self.arrived() < count && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let cpu_s = self.server.cpu_seconds()? - before;
        if let Some(ended) = self.tasks.try_join_next() {
            ended??;
        }
        let arrivals =
            std::mem::take(&mut *self.arrivals.lock().unwrap_or_else(PoisonError::into_inner));
        ensure!(
            arrivals.len() == count,
            "{} of {count} bare pushes came",
            arrivals.len()
        );
        let latencies_ms = arrivals
            .iter()
            .map(|(number, at)| {
                let sent = sent
                    .get((number - first) as usize)
                    .context("a push of another round")?;
                Ok(at.saturating_duration_since(*sent).as_secs_f64() * 1e3)
            })
            .collect::<Result<_>>()?;
        Ok(BareRound {
            latencies_ms,
            cpu_s,
        })
    }

    fn arrived(&self) -> usize {
        self.arrivals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

/// Sends the triggers; says when each left.
fn trigger_all(
    to: SocketAddr,
    first: u32,
    clients: u32,
    offsets: &[Duration],
    bytes: usize,
) -> Result<Vec<Instant>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let begun = Instant::now();
    let mut sent = Vec::with_capacity(offsets.len());
    for (number, offset) in (first..).zip(offsets) {
        std::thread::sleep((begun + *offset).saturating_duration_since(Instant::now()));
        // A large odd stride: neighbours in time are no neighbours in the server's list.
        let client = (u64::from(number) * 7_919 % u64::from(clients)) as u32;
        let words = [number, client, bytes as u32].map(u32::to_be_bytes);
        sent.push(Instant::now());
        socket.send_to(words.as_flattened(), to)?;
    }
    Ok(sent)
}
