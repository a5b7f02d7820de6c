//! Whether the carriers answer: a real OPTIONS to each trunk, from a free port of the configured address.
//!
//! What the engine's own OPTIONS look like, without the engine: one transaction, retransmitted as RFC 3261 s.17.1.2 says,
//! a second one with credentials where the first is challenged. Waits at most [`PATIENCE`] for each.

use super::{Case, Finding};
use crate::config::{Transport, TrunkConfig};
use crate::shell::api::client::ApiClient;
use crate::shell::sip::OsRandom;
use crate::wire::sip::auth::{AuthHeader, Wallet};
use crate::wire::sip::dialog::Ourselves;
use crate::wire::sip::event::random_token;
use crate::wire::sip::framing::{Frame, StreamFramer};
use crate::wire::sip::front_door::{Framing, Verdict as Read, read};
use crate::wire::sip::message::{Message, Method, Response};
use crate::wire::sip::uri::Host;
use crate::wire::sip::via::MAGIC_COOKIE;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// Longest wait for one answer: more than a carrier on the other side of the world takes, retransmissions included.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// T1 (RFC 3261 s.17.1.1.1): a datagram may be lost.
const T1: Duration = Duration::from_millis(500);

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let ups = ups(case);
    std::thread::scope(|scope| {
        let asked: Vec<_> = case
            .config
            .trunks
            .iter()
            .map(|trunk| scope.spawn(|| finding(case, trunk, is_up(&ups, trunk))))
            .collect();
        asked
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| {
                    Finding::fault("trunk", "the check itself broke", "report it: a defect")
                })
            })
            .collect()
    })
}

/// What the engine that runs here says of its trunks.
fn ups(case: &Case<'_>) -> Vec<(String, bool)> {
    if case.running.is_none() {
        return Vec::new();
    }
    let picture = ApiClient::of(case.config)
        .ok()
        .and_then(|client| client.picture().ok());
    picture.map_or_else(Vec::new, |picture| {
        let of = picture.trunks.into_iter();
        of.map(|trunk| (trunk.name, trunk.up)).collect()
    })
}

fn is_up(ups: &[(String, bool)], trunk: &TrunkConfig) -> Option<bool> {
    let name = &trunk.settings.name;
    let of = ups.iter().find(|(other, _)| other == name);
    of.map(|(_, up)| *up)
}

/// What came of an OPTIONS.
enum Said {
    /// An answer, after so long; whether our credentials went with the request.
    Answer(Box<Response>, Duration, bool),
    /// Nothing within the wait.
    Silence,
    /// Nobody listens there.
    Refused(std::io::Error),
    /// It could not be asked.
    Unasked(std::io::Error),
}

fn finding(case: &Case<'_>, trunk: &TrunkConfig, is_up: Option<bool>) -> Finding {
    const CHECK: &str = "trunk";
    let name = format!("{} {}", trunk.settings.name, trunk.address);
    let by_engine = match is_up {
        Some(true) => "; the engine that runs here has it UP",
        Some(false) => "; the engine that runs here has it DOWN",
        None => "",
    };
    let lenient = |what: String, change: &str| match is_up {
        Some(true) => Finding::ok(CHECK, what),
        _ => Finding::fault(CHECK, what, change),
    };
    match ask(case, trunk) {
        Said::Answer(response, took, had_credentials) => {
            let status = response.status;
            let what = format!(
                "{name} answers OPTIONS with {status} after {} ms{by_engine}",
                took.as_millis()
            );
            match status {
                401 | 407 if had_credentials => Finding::fault(
                    CHECK,
                    format!("{what}, also with username and password"),
                    "check username, password and realms of the trunk with the carrier",
                ),
                401 | 407 if trunk.username.is_none() => Finding::fault(
                    CHECK,
                    format!("{what}: it wants credentials and the trunk has none"),
                    "set username and password_file of the trunk",
                ),
                401 | 407 => Finding::fault(
                    CHECK,
                    format!("{what}: a challenge that we do not answer"),
                    "set realms of the trunk to the carrier's realm; MD5 and SHA-256 are spoken",
                ),
                402 | 403 => Finding::warning(
                    CHECK,
                    format!("{what}: it refuses us"),
                    "ask the carrier whether this machine's address and the account are admitted",
                ),
                408 | 503 => lenient(
                    format!("{what}, which counts as silence"),
                    "ask the carrier; the engine would keep the trunk DOWN",
                ),
                _ => Finding::ok(CHECK, what),
            }
        }
        Said::Silence => lenient(
            format!(
                "{name} is silent for {} ms{by_engine}",
                PATIENCE.as_millis()
            ),
            "check address, firewall and account. Some carriers answer only the registered address and port: then the \
             engine itself will tell (\"A trunk changed its state\")",
        ),
        Said::Refused(error) => lenient(
            format!("{name} refuses: {error}{by_engine}"),
            "nobody listens there: check address, port and transport of the trunk",
        ),
        Said::Unasked(error) => Finding::fault(
            CHECK,
            format!("{name} cannot be asked: {error}"),
            "check the route to the carrier and sip.listen (`ip route get`)",
        ),
    }
}

/// OPTIONS, and again with credentials where the far end wants them.
fn ask(case: &Case<'_>, trunk: &TrunkConfig) -> Said {
    let Ok(mut random) = OsRandom::new() else {
        return Said::Unasked(ErrorKind::Unsupported.into());
    };
    let mut line = match Line::open(case, trunk) {
        Ok(line) => line,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Said::Refused(error),
        Err(error) if error.kind() == ErrorKind::TimedOut => return Said::Silence,
        Err(error) => return Said::Unasked(error),
    };
    let question = Question {
        ourselves: Ourselves {
            transport: match trunk.transport {
                Transport::Udp => "UDP",
                Transport::Tcp => "TCP",
            },
            sent_by: format!(
                "{}:{}",
                Host::Address(case.config.sip.advertise_address.unwrap_or(line.local.ip())),
                line.local.port()
            ),
            user_agent: case.config.sip.user_agent.clone(),
        },
        domain: trunk.domain.clone().unwrap_or_else(|| {
            let host = Host::Address(trunk.address.ip());
            match trunk.address.port() {
                5060 => host.to_string(),
                port => format!("{host}:{port}"),
            }
        }),
        call_id: random_token(&mut random),
        tag: random_token(&mut random),
    };
    let first = line.ask(
        &question.words(1, &random_token(&mut random), None),
        &question.call_id,
    );
    let Said::Answer(challenge, took, _) = first else {
        return first;
    };
    let wallet = trunk
        .username
        .clone()
        .zip(trunk.password.clone())
        .map(|(user, password)| Wallet::new(user, password, trunk.realms.clone()));
    let Some((mut wallet, chosen)) =
        wallet.and_then(|wallet| wallet.choose(&challenge).map(|chosen| (wallet, chosen)))
    else {
        return Said::Answer(challenge, took, false);
    };
    let uri = format!("sip:{}", question.domain);
    let header = wallet.answer(chosen, "OPTIONS", &uri, &random_token(&mut random));
    let words = question.words(2, &random_token(&mut random), Some(header));
    match line.ask(&words, &question.call_id) {
        Said::Answer(response, took, _) => Said::Answer(response, took, true),
        other => other,
    }
}

struct Question {
    ourselves: Ourselves,
    domain: String,
    call_id: String,
    tag: String,
}

impl Question {
    fn words(&self, cseq: u32, branch: &str, auth: Option<AuthHeader>) -> Vec<u8> {
        let uri = format!("sip:{}", self.domain);
        let mut draft = self
            .ourselves
            .begin(&Method::OPTIONS, &uri, &format!("{MAGIC_COOKIE}{branch}"))
            .header_with_tag("From", &format!("<sip:tandem@{}>", self.domain), &self.tag)
            .header("To", &format!("<{uri}>"))
            .header("Call-ID", &self.call_id)
            .header("CSeq", &format!("{cseq} OPTIONS"))
            .header("Contact", &self.ourselves.contact(None))
            .header("Accept", "application/sdp")
            .header("User-Agent", &self.ourselves.user_agent);
        if let Some((name, value)) = &auth {
            draft = draft.header(name, value);
        }
        draft.end(None)
    }
}

/// A socket to the trunk.
struct Line {
    socket: Way,
    local: SocketAddr,
}

enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream, Box<StreamFramer>),
}

impl Line {
    /// From the address that the engine would send from, and a port that nobody has.
    fn open(case: &Case<'_>, trunk: &TrunkConfig) -> std::io::Result<Line> {
        let from = SocketAddr::new(from(case, trunk), 0);
        match trunk.transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(from)?;
                // Connected, so that a closed port tells itself (ICMP).
                socket.connect(trunk.address)?;
                let local = socket.local_addr()?;
                Ok(Line {
                    socket: Way::Udp(socket),
                    local,
                })
            }
            Transport::Tcp => {
                let socket = Socket::new(
                    Domain::for_address(trunk.address),
                    Type::STREAM,
                    Some(Protocol::TCP),
                )?;
                socket.bind(&from.into())?;
                socket.connect_timeout(&trunk.address.into(), PATIENCE)?;
                let stream = TcpStream::from(socket);
                let local = stream.local_addr()?;
                Ok(Line {
                    socket: Way::Tcp(stream, Box::default()),
                    local,
                })
            }
        }
    }

    /// Sends a request and waits for its final answer.
    fn ask(&mut self, request: &[u8], call_id: &str) -> Said {
        let begun = Instant::now();
        match self.exchange(request, call_id, begun + PATIENCE) {
            Ok(Some(response)) => Said::Answer(Box::new(response), begun.elapsed(), false),
            Ok(None) => Said::Silence,
            Err(error) => match error.kind() {
                ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::UnexpectedEof
                | ErrorKind::BrokenPipe => Said::Refused(error),
                _ => Said::Unasked(error),
            },
        }
    }

    fn exchange(
        &mut self,
        request: &[u8],
        call_id: &str,
        until: Instant,
    ) -> std::io::Result<Option<Response>> {
        let mut octets = vec![0; 65_535];
        let (mut wait, mut resend_at) = (T1, Instant::now());
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(None);
            }
            match &mut self.socket {
                Way::Udp(socket) => {
                    if now >= resend_at {
                        socket.send(request)?;
                        resend_at = now + wait;
                        wait *= 2;
                    }
                    let patience = until.min(resend_at).saturating_duration_since(now);
                    socket.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
                    match socket.recv(&mut octets) {
                        Ok(count) => {
                            if let Some(response) =
                                answer(&octets[..count], Framing::Datagram, call_id)
                            {
                                return Ok(Some(response));
                            }
                        }
                        Err(error) if is_time_out(&error) => {}
                        Err(error) => return Err(error),
                    }
                }
                Way::Tcp(stream, framer) => {
                    if wait == T1 {
                        wait *= 2;
                        stream.write_all(request)?;
                    }
                    while let Some(frame) = framer.next_frame() {
                        let Frame::Message(message) = frame else {
                            continue;
                        };
                        if let Some(response) = answer(&message, Framing::Stream, call_id) {
                            return Ok(Some(response));
                        }
                    }
                    stream.set_read_timeout(Some(until - now))?;
                    match stream.read(&mut octets) {
                        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                        Ok(count) => framer.push(&octets[..count]),
                        Err(error) if is_time_out(&error) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }
}

fn from(case: &Case<'_>, trunk: &TrunkConfig) -> IpAddr {
    let ours = case.config.sip.listen.ip();
    if !ours.is_unspecified() {
        ours
    } else if trunk.address.is_ipv4() {
        IpAddr::from([0; 4])
    } else {
        IpAddr::from([0u16; 8])
    }
}

fn is_time_out(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The final answer to our question, if these octets are it.
fn answer(octets: &[u8], framing: Framing, call_id: &str) -> Option<Response> {
    match read(octets, framing) {
        Read::Accept(message) => match *message {
            Message::Response(response)
                if response.status >= 200 && response.envelope.call_id == call_id =>
            {
                Some(response)
            }
            Message::Response(_) | Message::Request(_) => None,
        },
        Read::Refuse(_) | Read::Discard(_) => None,
    }
}
