//! One socket, from the upgrade to its end: one task, small buffers, nothing that can hold up another socket.
//!
//! Owns the websocket. Says nothing before `hello`; leaves when told, when silent for too long, or when the protocol is broken.

use super::figures::DeskCount;
use super::line::{Line, Mark, Outgoing};
use super::pipe::{Offered, Pipe, Reins};
use super::requests::fault_text;
use super::session::Session;
use super::{Desks, LoggedIn, LoginRefused, locked};
use crate::pii::Pii;
use crate::wire::desk::client::{self, ClientMessage, ErrorCode, Fault, Hello, Resume};
use crate::wire::desk::server::{Closing, ClosingReason, ServerMessage};
use crate::wire::desk::{CLIENT_MESSAGE_BYTES_MAX, PATH};
use futures_util::{SinkExt, StreamExt};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WsError};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

type Ws = WebSocketStream<Reins>;

/// Longest farewell: closing message, close frame, and the far side's own.
const FAREWELL_WAIT: Duration = Duration::from_secs(1);
/// Messages of a client that may come at once, and per second in the long run. An agent's hands make two a second at most.
const BURST: f32 = 60.0;
const PER_SECOND: f32 = 20.0;
/// What the library reads at once. Kept for the socket's whole life, so not much more than the messages that clients send:
/// an outcome with a promise is some 300 bytes; a longer one is read in parts.
const READ_BUFFER: usize = 1_024;
/// Longest check of a log-in.
const LOGIN_WAIT: Duration = Duration::from_secs(5);

/// How a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The far side went, or nothing was heard in time.
    Gone,
    /// We say why.
    Farewell(ClosingReason),
    /// A message above the bound: 1009.
    TooLarge,
    /// Binary: 1003.
    NotText,
}

/// Reports the loss of a socket however its task ends, also by a panic: an agent must not stay "here" without one.
struct Presence {
    desks: Arc<Desks>,
    session: Arc<Session>,
    line: Arc<Line>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        if self.desks.line_gone(&self.session, &self.line) {
            return;
        }
        let (desks, session, line) = (self.desks.clone(), self.session.clone(), self.line.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    if desks.line_gone(&session, &line) {
                        return;
                    }
                }
            });
        }
    }
}

impl Desks {
    /// Runs one accepted socket to its end. `stranger` is held until log-in.
    pub(super) async fn run_socket(
        self: Arc<Self>,
        pipe: Arc<Pipe>,
        source: IpAddr,
        stranger: tokio::sync::OwnedSemaphorePermit,
    ) {
        // Boxed: the upgrade's and the log-in's state must not weigh on the socket's whole life.
        let Some(mut ws) = Box::pin(self.upgrade(pipe.clone())).await else {
            return;
        };
        let entered = Box::pin(self.clone().greet(&mut ws, source, &pipe)).await;
        drop(stranger);
        let (end, sequence) = match entered {
            Ok(presence) => {
                let end = self
                    .converse(&mut ws, &pipe, &presence.session, &presence.line)
                    .await;
                let sequence = presence.session.state().sequence;
                // First the floor hears of it, then the far side is said goodbye.
                drop(presence);
                (end, sequence)
            }
            Err(end) => (end, 0),
        };
        Box::pin(goodbye(ws, end, sequence)).await;
    }

    async fn upgrade(&self, pipe: Arc<Pipe>) -> Option<Ws> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            // Pings, pongs and closing frames only: each leaves at once.
            .write_buffer_size(0)
            .max_write_buffer_size(64 * 1024)
            .max_message_size(Some(CLIENT_MESSAGE_BYTES_MAX))
            .max_frame_size(Some(CLIENT_MESSAGE_BYTES_MAX));
        #[expect(
            clippy::result_large_err,
            reason = "the library's callback wants its response by value"
        )]
        let check = |request: &Request, response: Response| match refused_upgrade(
            request,
            &self.settings().desk.origins,
        ) {
            None => Ok(response),
            Some(status) => {
                if status == StatusCode::FORBIDDEN {
                    self.counts.add(DeskCount::ForeignOrigin);
                }
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = status;
                Err(refusal)
            }
        };
        let upgraded = timeout(
            self.settings().hello_wait,
            tokio_tungstenite::accept_hdr_async_with_config(Reins(pipe), check, Some(config)),
        )
        .await;
        match upgraded {
            Ok(Ok(ws)) => Some(ws),
            _ => {
                self.counts.add(DeskCount::BadUpgrade);
                None
            }
        }
    }

    /// The first message and the log-in. Nothing is sent before it, and a refusal does not say what was wrong.
    async fn greet(
        self: Arc<Self>,
        ws: &mut Ws,
        source: IpAddr,
        pipe: &Arc<Pipe>,
    ) -> Result<Presence, End> {
        let hello = match timeout(self.settings().hello_wait, first_text(ws)).await {
            Ok(first) => match client::parse(&first?) {
                Ok(ClientMessage::Hello(hello)) => hello,
                Ok(_) => {
                    let fault = Fault::whole(ErrorCode::HelloFirst, "the first message is hello");
                    return self.turned_away(ws, fault, ClosingReason::HelloFirst).await;
                }
                Err(fault) => {
                    return self.turned_away(ws, fault, ClosingReason::HelloFirst).await;
                }
            },
            Err(_) => {
                let fault = Fault::whole(ErrorCode::HelloFirst, "no hello in time");
                return self.turned_away(ws, fault, ClosingReason::HelloFirst).await;
            }
        };
        let Hello {
            agent,
            token,
            resume,
            ..
        } = hello;
        // A known session's name is 128 random bits: whoever brings it is no guesser, and a floor behind one address must be able
        // to come back even while somebody there mistypes tokens.
        if !locked(&self.logins).may_try(source, now()) && !self.knows(resume.as_ref()) {
            self.counts.add(DeskCount::LoginRefused);
            let fault = Fault::whole(ErrorCode::TooManyLogins, "too many refused log-ins; wait");
            return self
                .turned_away(ws, fault, ClosingReason::LoginRefused)
                .await;
        }
        match self.clone().checked(agent, token).await {
            Ok(who) => match self.attach(who, resume, pipe.clone()) {
                Ok((session, line)) => Ok(Presence {
                    desks: self.clone(),
                    session,
                    line,
                }),
                Err(reason) => {
                    let fault = Fault::whole(ErrorCode::Busy, "the engine is behind; try again");
                    self.turned_away(ws, fault, reason).await
                }
            },
            Err(LoginRefused::Wrong) => {
                self.counts.add(DeskCount::LoginRefused);
                locked(&self.logins).refused(source, now());
                let fault = Fault::whole(ErrorCode::LoginRefused, "name or token is wrong");
                self.turned_away(ws, fault, ClosingReason::LoginRefused)
                    .await
            }
            Err(LoginRefused::Unavailable) => {
                let fault = Fault::whole(ErrorCode::Busy, "log-in is not possible now; try again");
                self.turned_away(ws, fault, ClosingReason::Busy).await
            }
        }
    }

    fn knows(&self, resume: Option<&Resume>) -> bool {
        resume.is_some_and(|resume| {
            !resume.session.is_empty()
                && self
                    .sessions
                    .iter()
                    .any(|session| session.state().id == resume.session)
        })
    }

    async fn checked(
        self: Arc<Self>,
        name: String,
        token: Pii<String>,
    ) -> Result<LoggedIn, LoginRefused> {
        let check = async {
            let _slot = self
                .login_slots
                .acquire()
                .await
                .map_err(|_| LoginRefused::Unavailable)?;
            let directory = self.parts.directory.clone();
            tokio::task::spawn_blocking(move || {
                let token = zeroize::Zeroizing::new(token.into_exposed());
                directory.login(&name, &token)
            })
            .await
            .map_err(|_| LoginRefused::Unavailable)?
        };
        timeout(LOGIN_WAIT, check)
            .await
            .unwrap_or(Err(LoginRefused::Unavailable))
    }

    async fn turned_away(
        &self,
        ws: &mut Ws,
        fault: Fault,
        reason: ClosingReason,
    ) -> Result<Presence, End> {
        let text = fault_text(0, fault);
        let _ = timeout(FAREWELL_WAIT, ws.send(Message::text(text))).await;
        Err(End::Farewell(reason))
    }

    /// The socket's life after log-in.
    async fn converse(&self, ws: &mut Ws, pipe: &Pipe, session: &Session, line: &Arc<Line>) -> End {
        let mut heard = Instant::now();
        let mut pinged = heard;
        let mut tokens = (BURST, heard);
        loop {
            let deadline = self.settings().desk.ping_deadline;
            let ping_every = deadline / 3;
            // What waits goes out first: it is older than whatever comes in next.
            let turn = line.turn(Instant::now());
            if !turn.write.is_empty() {
                let last_word = heard + deadline;
                for Outgoing { text, mark } in turn.write {
                    let sent = send_text(ws, pipe, text.as_deref());
                    if let Err(end) = self.within(line, sent, last_word).await {
                        return end;
                    }
                    if let Some(mark) = mark {
                        self.pushed(session, mark);
                    }
                }
                continue;
            }
            if let Some(reason) = turn.close {
                return End::Farewell(reason);
            }
            let mut next = (heard + deadline).min(pinged + ping_every);
            if let Some(again) = turn.again_at {
                next = next.min(again);
            }
            tokio::select! {
                biased;
                () = line.wake.notified() => {}
                read = ws.next() => {
                    heard = Instant::now();
                    match read {
                        Some(Ok(Message::Text(text))) => {
                            self.counts.add(DeskCount::Received);
                            if !spend(&mut tokens, heard) {
                                self.counts.add(DeskCount::ProtocolBroken);
                                self.fault(session, line, Fault::whole(
                                    ErrorCode::TooManyMessages,
                                    "too many messages",
                                ));
                                line.close(ClosingReason::ProtocolBroken);
                                continue;
                            }
                            match client::parse(&text) {
                                Ok(message) => self.request(session, line, message),
                                Err(fault) => self.fault(session, line, fault),
                            }
                        }
                        Some(Ok(Message::Binary(_))) => {
                            self.counts.add(DeskCount::ProtocolBroken);
                            return End::NotText;
                        }
                        Some(Ok(Message::Close(_))) | None => return End::Gone,
                        // Pings are answered by the library on the next write or read; both spend tokens, or they are free work.
                        Some(Ok(_)) => {
                            if !spend(&mut tokens, heard) {
                                self.counts.add(DeskCount::ProtocolBroken);
                                return End::Farewell(ClosingReason::ProtocolBroken);
                            }
                        }
                        Some(Err(error)) => {
                            let end = end_of(&error);
                            if end != End::Gone {
                                self.counts.add(DeskCount::ProtocolBroken);
                            }
                            return end;
                        }
                    }
                }
                () = sleep_until(next) => {
                    let now = Instant::now();
                    if now >= heard + deadline {
                        self.counts.add(DeskCount::Silent);
                        return End::Gone;
                    }
                    if now >= pinged + ping_every {
                        pinged = now;
                        let sent = ws.send(Message::Ping(Bytes::new()));
                        if let Err(end) = self.within(line, sent, heard + deadline).await {
                            return end;
                        }
                    }
                }
            }
        }
    }

    /// Waits for a write to the kernel. A far side that does not read holds up this task only, until the socket is found too
    /// slow, is taken over, or was silent for too long.
    async fn within(
        &self,
        line: &Line,
        sent: impl Future<Output = Result<(), WsError>>,
        last_word: Instant,
    ) -> Result<(), End> {
        let mut sent = pin!(sent);
        loop {
            tokio::select! {
                biased;
                done = &mut sent => return done.map_err(|error| end_of(&error)),
                () = line.wake.notified() => {
                    if line.is_cut() {
                        // Nothing more can be written behind a half-written frame that nobody reads.
                        return Err(End::Gone);
                    }
                }
                () = sleep_until(last_word) => {
                    self.counts.add(DeskCount::Silent);
                    return Err(End::Gone);
                }
            }
        }
    }

    /// A card's last byte was given to the kernel.
    fn pushed(&self, session: &Session, mark: Mark) {
        let now = self.parts.clock.mono();
        self.note_push(mark, now);
        if let Some(call) = session.state().current(mark.attempt) {
            call.written = Some(now);
        }
    }
}

/// Gives a text, or the rest of one, to the kernel.
async fn send_text(ws: &mut Ws, pipe: &Pipe, text: Option<&str>) -> Result<(), WsError> {
    let Some(text) = text else {
        return Ok(pipe.finish().await?);
    };
    loop {
        if pipe.library_waits() {
            // A pong that found no room goes first: it may have been cut.
            ws.flush().await?;
        }
        match pipe.offer(text)? {
            Offered::Written => return Ok(()),
            Offered::Begun => return Ok(pipe.finish().await?),
            Offered::Refused => pipe.writable().await?,
        }
    }
}

/// Why an upgrade is refused: another path, no or two Hosts, a foreign Origin (reliability.md S13). `None`: it is not.
fn refused_upgrade(request: &Request, origins: &[String]) -> Option<StatusCode> {
    if request.uri().path() != PATH {
        return Some(StatusCode::NOT_FOUND);
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    if !matches!((hosts.next(), hosts.next()), (Some(host), None) if !host.is_empty()) {
        return Some(StatusCode::BAD_REQUEST);
    }
    let mut present = request.headers().get_all(header::ORIGIN).iter();
    match (present.next(), present.next()) {
        // A native client; its token in the first frame stands for it.
        (None, _) => None,
        (Some(origin), None)
            if origins
                .iter()
                .any(|own| own.as_bytes() == origin.as_bytes()) =>
        {
            None
        }
        _ => Some(StatusCode::FORBIDDEN),
    }
}

async fn first_text(ws: &mut Ws) -> Result<Utf8Bytes, End> {
    loop {
        match ws.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(End::NotText),
            Some(Err(error)) => return Err(end_of(&error)),
            Some(Ok(_)) | None => return Err(End::Gone),
        }
    }
}

/// One token per message; refilled with time.
fn spend((left, since): &mut (f32, Instant), now: Instant) -> bool {
    *left = (*left + now.duration_since(*since).as_secs_f32() * PER_SECOND).min(BURST);
    *since = now;
    if *left < 1.0 {
        return false;
    }
    *left -= 1.0;
    true
}

fn end_of(error: &WsError) -> End {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => End::TooLarge,
        WsError::Protocol(_) | WsError::Utf8(_) => End::Farewell(ClosingReason::ProtocolBroken),
        _ => End::Gone,
    }
}

/// Says goodbye where that is still possible, then lets the socket go. What the far side still sends is read and dropped: closing
/// over unread bytes makes TCP reset the connection, and the goodbye would be lost with it.
async fn goodbye(mut ws: Ws, end: End, sequence: u64) {
    let (message, code, reason) = match end {
        End::Gone => (None, CloseCode::Normal, ""),
        End::Farewell(reason) => (
            Some(ServerMessage::Closing(Closing { reason })),
            CloseCode::from(reason.close_code()),
            reason.as_str(),
        ),
        End::TooLarge => (None, CloseCode::Size, "message too large"),
        End::NotText => (None, CloseCode::Unsupported, "text only"),
    };
    let farewell = async {
        if let Some(message) = message {
            ws.send(Message::text(message.encode(sequence)))
                .await
                .ok()?;
        }
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        };
        ws.close(Some(frame)).await.ok()?;
        if end == End::Gone {
            return Some(());
        }
        let stream = ws.get_mut();
        let mut scrap = [0_u8; 1024];
        let mut read = 0;
        while read < 256 * 1024 {
            match stream.read(&mut scrap).await {
                Ok(0) | Err(_) => break,
                Ok(length) => read += length,
            }
        }
        Some(())
    };
    let _ = timeout(FAREWELL_WAIT, farewell).await;
}

/// The limiter's clock.
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
