//! One agent's TCP socket, shared by its task and by whoever has news for the agent: texts go out as frames of our own, at once.
//!
//! Owns the order of bytes: a frame is never begun inside another one, whoever writes. The library reads, and writes what the
//! protocol asks of it (ping, pong, close) through [`Reins`]; texts pass it by, so no copy of a card stays in its buffer and an
//! idle agent does not hold one the size of the greeting. Never waits: what the kernel does not take is the task's to finish.
//! docs/adr/0004-news-leave-on-the-thread-that-has-them.md tells why.

use super::figures::{DeskCount, DeskCounts};
use super::sealed::Sealed;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use zeroize::Zeroize;

/// The socket. Shared by the task (through [`Reins`]) and the agent's line.
#[derive(Debug)]
pub(super) struct Pipe {
    tcp: TcpStream,
    gate: Mutex<Gate>,
    /// Shared with all desks.
    counts: Arc<DeskCounts>,
}

/// Who stands inside a frame.
#[derive(Debug, Default)]
struct Gate {
    /// What the kernel did not take of a text's frame; at most one frame. Personal data may be in it.
    rest: Vec<u8>,
    /// Bytes of `rest` that are gone.
    sent: usize,
    /// The library has bytes that it could not write: it may be inside a frame.
    library_waits: bool,
    /// TLS; absent: plain.
    seal: Option<Sealed>,
}

/// What became of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// The kernel has its last byte.
    Written,
    /// The kernel has a part: the task must call [`Pipe::finish`] before anything else.
    Begun,
    /// Nothing of it: no room, or somebody else is inside a frame.
    Refused,
}

impl Pipe {
    pub(super) fn new(tcp: TcpStream, counts: Arc<DeskCounts>) -> Arc<Pipe> {
        Arc::new(Pipe {
            tcp,
            gate: Mutex::default(),
            counts,
        })
    }

    /// The same over TLS; the socket has been greeted.
    pub(super) fn sealed(
        tcp: TcpStream,
        session: tokio_rustls::rustls::ServerConnection,
        counts: Arc<DeskCounts>,
    ) -> Arc<Pipe> {
        let mut gate = Gate::default();
        gate.seal = Some(Sealed::new(session));
        Arc::new(Pipe {
            tcp,
            gate: Mutex::new(gate),
            counts,
        })
    }

    /// Writes a text as one frame, as far as the kernel takes it without waiting. From any thread. An error: the socket is dead,
    /// although it goes on saying that it may be written to.
    pub(super) fn offer(&self, text: &str) -> io::Result<Offered> {
        let mut gate = super::locked(&self.gate);
        if gate.library_waits || gate.is_inside_a_text() {
            return Ok(Offered::Refused);
        }
        let mut head = [0; HEAD_MAX];
        let head = text_head(text.len(), &mut head);
        let parts = [IoSlice::new(head), IoSlice::new(text.as_bytes())];
        let total = head.len() + text.len();
        let sent = match gate.try_write(&self.tcp, &parts) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Offered::Refused),
            Err(error) => return Err(error),
        };
        self.counts.add(DeskCount::Sent);
        self.counts
            .add_many(DeskCount::SentBytes, text.len() as u64);
        if sent == total {
            // Sealed, it may still wait for the kernel.
            return Ok(if gate.is_inside_a_text() {
                Offered::Begun
            } else {
                Offered::Written
            });
        }
        gate.rest.extend_from_slice(&head[sent.min(head.len())..]);
        let of_text = sent.saturating_sub(head.len());
        gate.rest.extend_from_slice(&text.as_bytes()[of_text..]);
        Ok(Offered::Begun)
    }

    /// Waits until the kernel has the rest of a text that was begun. Only the socket's task.
    pub(super) async fn finish(&self) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_rest(context)).await
    }

    /// Waits until there may be room for another text.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.tcp.writable().await
    }

    /// Whether the library must be flushed before a text can go out.
    pub(super) fn library_waits(&self) -> bool {
        super::locked(&self.gate).library_waits
    }

    fn poll_rest(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sent = super::locked(&self.gate).send_rest(&self.tcp);
            match sent {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.tcp.poll_write_ready(context))?;
                }
                ended => return Poll::Ready(ended),
            }
        }
    }

    /// Sealed octets of the library may wait although it has none left itself.
    fn poll_library_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            {
                let mut gate = super::locked(&self.gate);
                if gate.seal.is_none() {
                    return Poll::Ready(Ok(()));
                }
                match gate.send_rest(&self.tcp) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(()) => {
                        gate.library_waits = false;
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            ready!(self.tcp.poll_write_ready(context))?;
        }
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut gate = super::locked(&self.gate);
        match &mut gate.seal {
            Some(seal) => seal.read(&self.tcp, buffer),
            None => {
                // The kernel needs no gate.
                drop(gate);
                self.tcp.try_read(buffer)
            }
        }
    }

    fn poll_library_write(
        &self,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            {
                // Held over both writes, or a text could begin between the rest of the last one and `octets`.
                let mut gate = super::locked(&self.gate);
                // Until it is through, nobody begins a text: `octets` ends with a frame, and may begin inside one.
                gate.library_waits = true;
                let sent = gate
                    .send_rest(&self.tcp)
                    .and_then(|()| gate.try_write(&self.tcp, &[IoSlice::new(octets)]));
                match sent {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(count) => {
                        gate.library_waits = count < octets.len() || gate.is_inside_a_text();
                        return Poll::Ready(Ok(count));
                    }
                }
            }
            ready!(self.tcp.poll_write_ready(context))?;
        }
    }
}

impl Gate {
    /// Whether a part of a text is still to be taken by the kernel.
    fn is_inside_a_text(&self) -> bool {
        !self.rest.is_empty() || self.seal.as_ref().is_some_and(Sealed::waits)
    }

    fn try_write(&mut self, tcp: &TcpStream, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.seal {
            Some(seal) => seal.write(tcp, parts),
            None => tcp.try_write_vectored(parts),
        }
    }

    /// Sends what is left of a text. `WouldBlock`: the kernel has no room for all of it.
    fn send_rest(&mut self, tcp: &TcpStream) -> io::Result<()> {
        if let Some(seal) = &mut self.seal {
            return seal.flush(tcp);
        }
        while self.sent < self.rest.len() {
            match tcp.try_write(&self.rest[self.sent..])? {
                0 => return Err(ErrorKind::WriteZero.into()),
                count => self.sent += count,
            }
        }
        if !self.rest.is_empty() {
            self.clear();
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.rest.zeroize();
        self.rest = Vec::new();
        self.sent = 0;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The library's end of the pipe. One for each pipe: it is the task's.
#[derive(Debug)]
pub(super) struct Reins(pub(super) Arc<Pipe>);

impl AsyncRead for Reins {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.0.tcp.poll_read_ready(context))?;
        }
    }
}

impl AsyncWrite for Reins {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_library_write(context, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_library_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(seal) = &mut super::locked(&self.0.gate).seal {
            seal.close(&self.0.tcp);
        }
        // The library closes by a frame; the socket itself goes when the last handle does.
        Poll::Ready(socket2::SockRef::from(&self.0.tcp).shutdown(std::net::Shutdown::Write))
    }
}

/// Longest head of an unmasked frame.
const HEAD_MAX: usize = 10;

/// The head of a whole text in one frame, from a server (RFC 6455 s.5.2): final, text, unmasked, length.
fn text_head(length: usize, head: &mut [u8; HEAD_MAX]) -> &[u8] {
    const FINAL_TEXT: u8 = 0x81;
    head[0] = FINAL_TEXT;
    match length {
        0..=125 => {
            head[1] = length as u8;
            &head[..2]
        }
        126..=0xffff => {
            head[1] = 126;
            head[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            &head[..4]
        }
        _ => {
            head[1] = 127;
            head[2..].copy_from_slice(&(length as u64).to_be_bytes());
            &head[..]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{SinkExt, StreamExt};
    use std::time::Duration;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    const LIMIT: Duration = Duration::from_secs(20);

    /// The engine's side with a small kernel buffer, its library, and the far side.
    async fn pair() -> (Arc<Pipe>, WebSocketStream<Reins>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let far = TcpStream::connect(address).await.expect("connected");
        let (near, _) = listener.accept().await.expect("accepted");
        socket2::SockRef::from(&near)
            .set_send_buffer_size(4_096)
            .expect("a small buffer");
        near.writable().await.expect("open");
        let pipe = Pipe::new(near, Arc::default());
        let library =
            WebSocketStream::from_raw_socket(Reins(pipe.clone()), Role::Server, None).await;
        (pipe, library, far)
    }

    async fn client(far: TcpStream) -> WebSocketStream<TcpStream> {
        WebSocketStream::from_raw_socket(far, Role::Client, None).await
    }

    async fn next(client: &mut WebSocketStream<TcpStream>) -> Message {
        tokio::time::timeout(LIMIT, client.next())
            .await
            .expect("in time")
            .expect("open")
            .expect("whole frames only")
    }

    #[tokio::test]
    async fn a_text_of_any_length_is_one_message() {
        for length in [0, 1, 125, 126, 127, 2_048, 65_535, 65_536, 70_000] {
            let (pipe, _library, far) = pair().await;
            let text = "x".repeat(length);
            let sent = {
                let (pipe, text) = (pipe.clone(), text.clone());
                tokio::spawn(async move {
                    match pipe.offer(&text).expect("open") {
                        Offered::Written => {}
                        Offered::Begun => pipe.finish().await.expect("open"),
                        Offered::Refused => panic!("an empty pipe refused"),
                    }
                })
            };
            let mut client = client(far).await;
            assert_eq!(next(&mut client).await, Message::text(text), "{length}");
            sent.await.expect("no panic");
        }
    }

    #[tokio::test]
    async fn a_text_that_was_cut_is_finished_before_another_one_begins() {
        let (pipe, _library, mut far) = pair().await;
        socket2::SockRef::from(&far)
            .set_recv_buffer_size(4_096)
            .expect("a small buffer");
        // Far more than both sides' buffers hold.
        let long = "x".repeat(256 << 10);
        assert_eq!(pipe.offer(&long).expect("open"), Offered::Begun);
        let mut read = Vec::new();
        while read.len() < 128 << 10 {
            // There is room again, and the first text is not through.
            assert_eq!(pipe.offer("too early").expect("open"), Offered::Refused);
            let mut part = vec![0; 64 << 10];
            tokio::select! {
                biased;
                count = far.read(&mut part) => read.extend_from_slice(&part[..count.expect("open")]),
                // As a task does that is woken once and then held up.
                sent = tokio::time::timeout(Duration::from_millis(1), pipe.finish()) => assert!(sent.is_err()),
            }
        }
        let rest = tokio::spawn(async move {
            pipe.finish().await.expect("open");
            pipe.offer("now").expect("open");
            pipe
        });
        // Head of ten bytes, the long text, head of two bytes, the short one.
        let mut last = vec![0; (256 << 10) + 10 + 2 + 3 - read.len()];
        far.read_exact(&mut last).await.expect("open");
        assert_eq!(&last[last.len() - 5..], b"\x81\x03now");
        assert!(
            read[10..]
                .iter()
                .chain(&last[..last.len() - 5])
                .all(|octet| *octet == b'x')
        );
        rest.await.expect("no panic");
    }

    #[tokio::test]
    async fn texts_and_pings_never_begin_inside_each_other() {
        let (pipe, mut library, far) = pair().await;
        // Nobody reads: the pipe fills up, and at some point a text is cut in the middle.
        let mut texts = 0;
        let cut = loop {
            match pipe
                .offer(&format!("{texts}:{}", "x".repeat(3_000)))
                .expect("open")
            {
                Offered::Written => texts += 1,
                other => break other,
            }
        };
        if cut == Offered::Begun {
            texts += 1;
        }
        assert_eq!(pipe.offer("too early").expect("open"), Offered::Refused);
        let pinged = tokio::spawn(async move {
            library
                .send(Message::Ping("now".into()))
                .await
                .expect("open");
            library
        });
        let mut client = client(far).await;
        for number in 0..texts {
            let Message::Text(text) = next(&mut client).await else {
                panic!("a ping before text {number}");
            };
            assert!(text.starts_with(&format!("{number}:")));
            assert_eq!(text.len(), format!("{number}:").len() + 3_000);
        }
        assert_eq!(next(&mut client).await, Message::Ping("now".into()));
        let _library = pinged.await.expect("no panic");
        assert!(!pipe.library_waits());
        assert_eq!(pipe.offer("again").expect("open"), Offered::Written);
        assert_eq!(next(&mut client).await, Message::text("again"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_thread_that_writes_texts_and_a_task_that_pings_keep_every_frame_whole() {
        const TEXTS: u32 = 3_000;
        let (pipe, mut library, far) = pair().await;
        let floor = {
            let pipe = pipe.clone();
            std::thread::spawn(move || {
                let mut taken = Vec::new();
                for number in 0..TEXTS {
                    let text = format!("{number}:{}", "x".repeat((number % 900) as usize));
                    if pipe.offer(&text).expect("open") != Offered::Refused {
                        taken.push(text);
                    }
                    std::thread::yield_now();
                }
                taken
            })
        };
        let task = tokio::spawn(async move {
            let mut pings = 0;
            while !floor.is_finished() {
                library
                    .send(Message::Ping(vec![7; 90].into()))
                    .await
                    .expect("open");
                pings += 1;
            }
            pipe.finish().await.expect("open");
            library.send(Message::text("the end")).await.expect("open");
            // The socket stays: closed over unread pongs it would be reset.
            (floor.join().expect("no panic"), pings, pipe, library)
        });
        let mut client = client(far).await;
        let (mut texts, mut pings) = (Vec::new(), 0);
        loop {
            match next(&mut client).await {
                Message::Ping(octets) => {
                    assert_eq!(octets.len(), 90);
                    pings += 1;
                }
                Message::Text(text) if text.as_str() == "the end" => break,
                Message::Text(text) => texts.push(text.to_string()),
                other => panic!("{other:?}"),
            }
        }
        let (taken, sent, ..) = task.await.expect("no panic");
        assert_eq!((texts.len(), pings), (taken.len(), sent));
        assert_eq!(texts, taken);
    }

    #[tokio::test]
    async fn a_dead_socket_is_an_error_and_not_a_lack_of_room() {
        let (pipe, _library, far) = pair().await;
        socket2::SockRef::from(&far)
            .set_linger(Some(Duration::ZERO))
            .expect("a reset at its end");
        drop(far);
        // The reset is on its way; until it is here the kernel still takes something, or has no room.
        let dead = async {
            while pipe.offer("anybody there?").is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, dead)
            .await
            .expect("it is found out");
    }
}
