//! The processes under load: Tandem's media plane alone, or a bare relay that knows nothing. Both obey the same few words.
//!
//! The relay is the floor: one port for each side of a conversation, one thread, one poll; what comes in on one port leaves by the
//! other. No plane with ports of its own for each call can do less.

use crate::frame::bed::allow_open_files;
use anyhow::{Context, Result, bail};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tandem::config::{MediaConfig, Transport, TrunkConfig};
use tandem::core::settings::TrunkSettings;
use tandem::ids::{AgentId, AttemptId, TrunkId};
use tandem::shell::desks::DeskAudio;
use tandem::shell::lanes::{Clock, FloorInbox, LegId, MediaPorts, floor_lanes};
use tandem::shell::media::{self, MediaPlane};
use tandem::wire::sip::sdp::{AudioPath, Direction, Law};

/// The name under which the processes are started.
pub const COMMAND: &str = "media-server";
/// Packets that the relay reads of one port in one go, as the plane does.
const READ_MAX: usize = 32;

/// Options of the process.
#[derive(clap::Args)]
pub struct ServerArgs {
    /// Where the words come in (TCP)
    #[arg(long)]
    listen: SocketAddr,
    /// First RTP port
    #[arg(long)]
    port_first: u16,
    /// Conversations that will come
    #[arg(long)]
    sessions: u32,
    /// Be the bare relay
    #[arg(long)]
    relay: bool,
    /// Threads of the media plane
    #[arg(long, default_value_t = 1)]
    threads: u16,
}

/// A word to the process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Ask {
    /// A conversation of two plain ends.
    Plain {
        /// Its number.
        number: u32,
        /// The customer.
        customer: SocketAddr,
        /// The agent's telephone.
        agent: SocketAddr,
    },
    /// A conversation of a plain end and a browser.
    Browser {
        /// Its number.
        number: u32,
        /// The customer.
        customer: SocketAddr,
        /// The browser's offer.
        sdp: String,
    },
    /// Joins it.
    Bridge {
        /// Its number.
        number: u32,
    },
}

/// The process's answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Port for the customer.
    pub customer: u16,
    /// Port for the agent's telephone.
    pub agent: u16,
    /// Answer for the browser.
    pub sdp: String,
    /// What went wrong.
    pub fault: Option<String>,
}

/// Runs until its input ends.
pub fn serve(args: &ServerArgs) -> Result<()> {
    allow_open_files(args.sessions * 4 + 256)?;
    let listener = TcpListener::bind(args.listen)?;
    println!("ready");
    std::io::stdout().flush()?;
    let (words, _) = listener.accept()?;
    words.set_nodelay(true)?;
    if args.relay {
        let relay = Relay::start(args)?;
        obey(words, |ask| relay.obey(ask))
    } else {
        let plane = Plane::start(args)?;
        obey(words, |ask| plane.obey(ask))
    }
}

fn obey(words: TcpStream, mut act: impl FnMut(Ask) -> Result<Answer>) -> Result<()> {
    let mut out = words.try_clone()?;
    for line in BufReader::new(words).lines() {
        let answer = act(serde_json::from_str(&line?)?).unwrap_or_else(|fault| Answer {
            fault: Some(format!("{fault:#}")),
            ..Answer::default()
        });
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
    }
    Ok(())
}

/// Tandem's media plane without the rest of the engine.
struct Plane {
    plane: Arc<MediaPlane>,
    /// What it tells the floor goes nowhere.
    _inbox: FloorInbox,
}

impl Plane {
    fn start(args: &ServerArgs) -> Result<Plane> {
        let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let last = u32::from(args.port_first) + args.sessions * 4 + 64;
        let config = MediaConfig {
            listen,
            ports: (args.port_first, u16::try_from(last)?),
            threads: args.threads,
            agent_port: 0,
            agent_addresses: Vec::new(),
            ice_servers: Vec::new(),
            prompts_dir: None,
        };
        let trunk = TrunkConfig {
            settings: TrunkSettings {
                name: "loopback".to_owned(),
                channels_max: 10_000,
                cps_max: 1_000,
                priority: 1,
                failover_on_silence: false,
            },
            address: SocketAddr::new(listen, 5_060),
            transport: Transport::Udp,
            domain: None,
            username: None,
            password: None,
            realms: Vec::new(),
            signalling_ranges: Vec::new(),
            media_ranges: Vec::new(),
            asks_digest: false,
            srtp: Default::default(),
            keep_alive: Duration::from_secs(10),
        };
        let (floor, inbox) = floor_lanes(1 << 16, 64);
        let plane = media::spawn(&config, &[trunk], Clock::new(), floor)?;
        Ok(Plane {
            plane,
            _inbox: inbox,
        })
    }

    fn leg(&self, leg: LegId, far: SocketAddr) -> Result<u16> {
        let port = self.plane.reserve(leg).context("no port is left")?;
        let path = AudioPath {
            remote: Some(far),
            law: Law::Mu,
            telephone_event: None,
            direction: Direction::SendRecv,
        };
        let trunk = matches!(leg, LegId::Call(_)).then_some(TrunkId(0));
        self.plane.remote(leg, trunk, &path, true);
        Ok(port)
    }

    fn obey(&self, ask: Ask) -> Result<Answer> {
        let call = |number: u32| AttemptId(u64::from(number) + 1);
        let agent_of = |number: u32| AgentId(number + 1);
        match ask {
            Ask::Plain {
                number,
                customer,
                agent,
            } => Ok(Answer {
                customer: self.leg(LegId::Call(call(number)), customer)?,
                agent: self.leg(LegId::Phone(agent_of(number)), agent)?,
                ..Answer::default()
            }),
            Ask::Browser {
                number,
                customer,
                sdp,
            } => {
                let (answered, answer) = channel();
                self.plane.offer(
                    agent_of(number),
                    sdp,
                    Box::new(move |answer| {
                        let _ = answered.send(answer);
                    }),
                );
                let sdp = answer
                    .recv_timeout(Duration::from_secs(20))?
                    .map_err(|fault| anyhow::anyhow!("{fault}"))?;
                Ok(Answer {
                    customer: self.leg(LegId::Call(call(number)), customer)?,
                    sdp,
                    ..Answer::default()
                })
            }
            Ask::Bridge { number } => {
                self.plane.bridge(call(number), agent_of(number));
                Ok(Answer::default())
            }
        }
    }
}

/// Two ports of the relay.
struct Pair {
    number: u32,
    sockets: [UdpSocket; 2],
    far: [SocketAddr; 2],
}

/// The bare relay: a thread that gets pairs.
struct Relay {
    pairs: Sender<Pair>,
    waker: mio::Waker,
}

impl Relay {
    fn start(_args: &ServerArgs) -> Result<Relay> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), Token(usize::MAX))?;
        let (pairs, new) = channel();
        std::thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || run(poll, &new))?;
        Ok(Relay { pairs, waker })
    }

    fn obey(&self, ask: Ask) -> Result<Answer> {
        match ask {
            Ask::Plain {
                number,
                customer,
                agent,
            } => {
                let bind = || UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
                let sockets = [bind()?, bind()?];
                let answer = Answer {
                    customer: sockets[0].local_addr()?.port(),
                    agent: sockets[1].local_addr()?.port(),
                    ..Answer::default()
                };
                self.pairs.send(Pair {
                    number,
                    sockets,
                    far: [customer, agent],
                })?;
                self.waker.wake()?;
                Ok(answer)
            }
            Ask::Bridge { .. } => Ok(Answer::default()),
            Ask::Browser { .. } => bail!("a relay knows no browsers"),
        }
    }
}

fn run(mut poll: Poll, new: &std::sync::mpsc::Receiver<Pair>) {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut events = Events::with_capacity(1_024);
    let mut datagram = [0; 2_048];
    loop {
        if poll.poll(&mut events, None).is_err() {
            continue;
        }
        while let Ok(mut pair) = new.try_recv() {
            for (side, socket) in pair.sockets.iter_mut().enumerate() {
                let token = Token(pairs.len() * 2 + side);
                if poll
                    .registry()
                    .register(socket, token, Interest::READABLE)
                    .is_err()
                {
                    eprintln!("conversation {} is not watched", pair.number);
                }
            }
            pairs.push(pair);
        }
        for event in &events {
            let (place, side) = (event.token().0 / 2, event.token().0 % 2);
            let Some(pair) = pairs.get(place) else {
                continue;
            };
            for _ in 0..READ_MAX {
                let Ok((length, _)) = pair.sockets[side].recv_from(&mut datagram) else {
                    break;
                };
                let other = 1 - side;
                let _ = pair.sockets[other].send_to(&datagram[..length], pair.far[other]);
            }
        }
    }
}
