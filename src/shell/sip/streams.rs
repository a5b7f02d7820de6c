//! TCP connections: one kept open to each TCP trunk, others accepted from trunks' addresses. Cuts messages, knows no call.
//!
//! Each connection is one task that reads, writes and cuts; it ends when its socket, its framing or its writer ends.

use crate::ids::TrunkId;
use crate::wire::sip::framing::{Frame, StreamFramer};
use crate::wire::sip::trunk::TrunkSetup;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// Messages that may wait for one connection's socket.
const WRITES_MAX: usize = 1_024;
/// Connections accepted at once, over all trunks.
const ACCEPTED_MAX: usize = 64;
/// Wait for a connection to be made.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// Wait for a far end that does not read, or that sends half a message (RFC 4475 s.3.1.2.2 asks for such a timer).
const STALL_WAIT: Duration = Duration::from_secs(32);
/// First and longest wait before a connection is tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What connections report to the driver.
#[derive(Debug)]
pub(super) enum StreamNews {
    /// A connection stands; dropping `writer` closes it.
    Up {
        trunk: Option<TrunkId>,
        connection: u64,
        writer: mpsc::Sender<Vec<u8>>,
    },
    /// One message, or the front of a stream that is out of step and being closed.
    Message {
        connection: u64,
        peer: SocketAddr,
        octets: Vec<u8>,
    },
    /// The connection is gone.
    Down {
        trunk: Option<TrunkId>,
        connection: u64,
    },
    /// A connection from an address of no trunk, or one too many, was closed.
    Refused,
}

/// Addresses that may connect to us: by the driver, for the task that accepts.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowList(Arc<ArcSwap<Vec<Place>>>);

/// A trunk's address, and its ranges beside it.
type Place = (IpAddr, Vec<IpNet>);

impl AllowList {
    /// Those of the trunks, and no others.
    pub(super) fn set(&self, trunks: &[TrunkSetup]) {
        let places = trunks
            .iter()
            .map(|trunk| (trunk.address.ip(), trunk.signalling_ranges.clone()));
        self.0.store(Arc::new(places.collect()));
    }

    fn allows(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.load().iter().any(|(address, ranges)| {
            *address == peer || ranges.iter().any(|range| range.contains(&peer))
        })
    }
}

/// Numbers connections; 0 is UDP.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers(Arc<AtomicU64>);

impl Numbers {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Keeps a connection to a trunk, for ever.
pub(super) async fn keep_connected(
    trunk: TrunkId,
    address: SocketAddr,
    numbers: Numbers,
    news: mpsc::Sender<StreamNews>,
    mut jitter: u64,
) {
    let mut wait = BACKOFF.0;
    loop {
        if let Ok(Ok(stream)) = timeout(CONNECT_WAIT, TcpStream::connect(address)).await {
            let since = Instant::now();
            if serve(stream, address, Some(trunk), numbers.next(), &news)
                .await
                .is_none()
            {
                return;
            }
            // A connection that lasted says that the far end is well; one that broke at once does not.
            if since.elapsed() > BACKOFF.1 {
                wait = BACKOFF.0;
            }
        }
        jitter = jitter
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let spread = (jitter >> 33) as f64 / f64::from(u32::MAX >> 1);
        tokio::time::sleep(wait.mul_f64(0.75 + 0.5 * spread)).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

/// Accepts connections from trunks, for ever.
pub(super) async fn accept(
    listener: TcpListener,
    allow: AllowList,
    numbers: Numbers,
    news: mpsc::Sender<StreamNews>,
) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors, most likely: trying again at once would burn the thread.
            tokio::time::sleep(BACKOFF.0).await;
            continue;
        };
        if !allow.allows(peer.ip()) || open.load(Ordering::Relaxed) >= ACCEPTED_MAX {
            drop(stream);
            if news.send(StreamNews::Refused).await.is_err() {
                return;
            }
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (number, news, open) = (numbers.next(), news.clone(), Arc::clone(&open));
        tokio::spawn(async move {
            serve(stream, peer, None, number, &news).await;
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Serves one connection until it ends; `None`: nobody listens any more.
async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    trunk: Option<TrunkId>,
    connection: u64,
    news: &mpsc::Sender<StreamNews>,
) -> Option<()> {
    let _ = stream.set_nodelay(true);
    let (writer, mut writes) = mpsc::channel(WRITES_MAX);
    news.send(StreamNews::Up {
        trunk,
        connection,
        writer,
    })
    .await
    .ok()?;
    let (mut reader, mut socket) = stream.split();
    let mut framer = StreamFramer::new();
    let mut octets = vec![0_u8; 16_384];
    let mut midway_since: Option<Instant> = None;
    'open: loop {
        let stalled_at = midway_since.map_or_else(
            || Instant::now() + STALL_WAIT * 100,
            |since| since + STALL_WAIT,
        );
        tokio::select! {
            read = timeout_at(stalled_at, reader.read(&mut octets)) => {
                let Ok(Ok(count @ 1..)) = read else { break };
                framer.push(octets.get(..count).unwrap_or_default());
                while let Some(frame) = framer.next_frame() {
                    match frame {
                        Frame::Message(octets) => {
                            news.send(StreamNews::Message { connection, peer, octets }).await.ok()?;
                        }
                        Frame::Ping => {
                            if !matches!(timeout(STALL_WAIT, socket.write_all(b"\r\n")).await, Ok(Ok(()))) {
                                break 'open;
                            }
                        }
                        Frame::Broken(octets) => {
                            news.send(StreamNews::Message { connection, peer, octets }).await.ok()?;
                            // The refusal is written before the connection closes.
                            if let Ok(Some(octets)) = timeout(Duration::from_millis(500), writes.recv()).await {
                                let _ = timeout(Duration::from_secs(1), socket.write_all(&octets)).await;
                            }
                            break 'open;
                        }
                    }
                }
                midway_since = framer.is_midway().then(|| midway_since.unwrap_or_else(Instant::now));
            }
            write = writes.recv() => {
                let Some(octets) = write else { break };
                if !matches!(timeout(STALL_WAIT, socket.write_all(&octets)).await, Ok(Ok(()))) {
                    break;
                }
            }
        }
    }
    news.send(StreamNews::Down { trunk, connection }).await.ok()
}
