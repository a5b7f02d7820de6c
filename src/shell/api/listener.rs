//! The listener's bounds: so many connections, and so long for each to ask and to take its answer.
//!
//! A full house waits in the kernel's backlog; a slow client is closed, so the wait is short.

use crate::shell::tls::{self, TlsDoor};
use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at once: a monitor, a balancer, some supervisors and room.
const CONNECTIONS_MAX: usize = 64;

/// Longest time from one answer (or the connection) to the next whole request and its answer. A client that sends a header
/// a second never gets there (slow HTTP attack); one that idles is closed and connects again.
const PATIENCE: Duration = Duration::from_secs(10);

/// A listener that admits [`CONNECTIONS_MAX`].
pub(super) struct BoundedListener {
    inner: TcpListener,
    door: Option<Arc<TlsDoor>>,
    room: Arc<Semaphore>,
    patience: Duration,
}

impl BoundedListener {
    /// Plain where there is no door.
    pub(super) fn new(inner: TcpListener, door: Option<Arc<TlsDoor>>) -> Self {
        BoundedListener {
            inner,
            door,
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            patience: PATIENCE,
        }
    }

    #[cfg(test)]
    fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

impl Listener for BoundedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Never closed, so it never fails; without a permit the connection would be unbounded, so we wait for ever.
        let permit = match self.room.clone().acquire_owned().await {
            Ok(permit) => permit,
            Err(_) => std::future::pending().await,
        };
        let (stream, from) = Listener::accept(&mut self.inner).await;
        let connection = Connection {
            // Greeted while it is read: a stranger who is slow at it holds up nobody else.
            stream: match &self.door {
                Some(door) => door.enter(stream),
                None => tls::Connection::Plain(stream),
            },
            deadline: Box::pin(sleep(self.patience)),
            patience: self.patience,
            _permit: permit,
        };
        (connection, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// One connection with a deadline that only an answer moves.
pub(super) struct Connection {
    stream: tls::Connection,
    deadline: Pin<Box<Sleep>>,
    patience: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn check_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn answered(&mut self) {
        let until = Instant::now() + self.patience;
        self.deadline.as_mut().reset(until);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_deadline(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_deadline(context)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.answered();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_deadline(context)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.answered();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// A server that knows one page, with little patience.
    async fn served() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let doors = BoundedListener::new(listener, None).with_patience(Duration::from_millis(300));
        let page = axum::Router::new().route("/", axum::routing::get(|| async { "here" }));
        tokio::spawn(async move { axum::serve(doors, page).await });
        address
    }

    #[tokio::test]
    async fn a_client_that_dribbles_its_header_is_closed() {
        let mut slow = TcpStream::connect(served().await).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
            .await
            .unwrap();
        let (mut from, mut to) = slow.split();
        let dribble = async {
            // Ends by the server's close; each header alone would keep a naive server waiting.
            while to.write_all(b"X-A: b\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let mut answer = Vec::new();
        let closed = async { from.read_to_end(&mut answer).await };
        tokio::select! {
            _ = closed => {}
            () = dribble => {}
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("still open after 20 s"),
        }
        assert!(!String::from_utf8_lossy(&answer).contains("here"));
    }

    #[tokio::test]
    async fn full_of_silent_clients_the_next_one_still_gets_its_answer() {
        let address = served().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut good = TcpStream::connect(address).await.unwrap();
        good.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(20), good.read_to_string(&mut answer))
            .await
            .expect("the silent ones were never closed")
            .unwrap();
        assert!(answer.ends_with("here"), "{answer}");
    }
}
