//! Accepts the agents' sockets. Owns the limits on their number; each socket then runs as its own task.

use super::Desks;
use super::figures::DeskCount;
use super::pipe::Pipe;
use crate::shell::tls::TlsDoor;
use crate::wire::desk::server::ClosingReason;
use socket2::SockRef;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tracing::warn;

/// Bytes that the kernel holds for one socket: some thirty cards. More only hides a client that does not read.
const SEND_BUFFER: usize = 64 * 1024;
/// Sockets at once, whatever the configuration says: the upper end of `desk.sockets_max`.
const PLACES: usize = 65_536;
/// Longest wait for sockets to leave at a stop.
const STOP_WAIT: Duration = Duration::from_secs(2);

impl Desks {
    /// Serves the listener until `stop` becomes true, then says goodbye to everybody and returns. Plain.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: watch::Receiver<bool>) {
        self.serve_behind(None, listener, stop).await;
    }

    /// The same behind a door, if there is one: WSS.
    pub async fn serve_behind(
        self: Arc<Self>,
        door: Option<Arc<TlsDoor>>,
        listener: TcpListener,
        mut stop: watch::Receiver<bool>,
    ) {
        let sockets = Arc::new(Semaphore::new(PLACES));
        let strangers = Arc::new(Semaphore::new(self.settings().strangers_max));
        loop {
            // Taken before accepting: beyond it, strangers wait in the kernel's queue rather than in our memory.
            let Ok(stranger) = strangers.clone().acquire_owned().await else {
                break;
            };
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, source) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or a connection that died in the queue.
                    warn!(%error, "A desk's socket could not be accepted.");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Asked each time: a reload may have changed it. Sockets above a lowered bound stay.
            let is_full = PLACES - sockets.available_permits() >= self.settings().desk.sockets_max;
            let place = sockets.clone().try_acquire_owned().ok();
            let Some(place) = place.filter(|_| !is_full) else {
                self.counts.add(DeskCount::TooMany);
                continue;
            };
            self.counts.add(DeskCount::Accepted);
            tune(&stream);
            let (desks, door) = (self.clone(), door.clone());
            tokio::spawn(async move {
                let pipe = match door {
                    None => Some(Pipe::new(stream, desks.counts.clone())),
                    // Boxed: what a greeting needs must not weigh on the socket's whole life.
                    Some(door) => match Box::pin(door.greet(stream)).await {
                        Ok((stream, session)) => {
                            Some(Pipe::sealed(stream, session, desks.counts.clone()))
                        }
                        Err(_) => None,
                    },
                };
                if let Some(pipe) = pipe {
                    desks.run_socket(pipe, source.ip(), stranger).await;
                }
                drop(place);
            });
        }
        drop(listener);
        for session in &self.sessions {
            if let Some(line) = &session.state().line {
                line.close(ClosingReason::Stopping);
            }
        }
        let gone = sockets.acquire_many(PLACES as u32);
        let _ = tokio::time::timeout(STOP_WAIT, gone).await;
    }
}

/// Small messages leave at once, and the kernel does not hide a slow reader. A socket that refuses either still works.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_send_buffer_size(SEND_BUFFER);
}
