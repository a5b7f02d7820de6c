//! The people whom an engine under load rings: a SIP user agent on one UDP socket and one thread. Everybody answers, soon.
//!
//! Owns the instant at which each 200 was first sent, by the number dialled: the start of "from the answer to the card". It
//! lives in the process of the agents' clients, so both ends of that span are read from one clock. Written with templates and
//! nothing of the engine's SIP: it must cost little, and an error of the engine must not hide itself here. Loopback only.

use crate::frame::process::thread_cpu_seconds;
use anyhow::{Context, Result, ensure};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tandem::demo::borrowers::number_of;
use tandem::demo::chance::Chance;

/// RFC 3261 T1: what is not acknowledged is said again, at twice the interval each time.
const REPEAT_FIRST: Duration = Duration::from_millis(500);
/// Repetitions until the far end gives a call up: T1 doubled six times is the 32 s of timers F and H.
const REPEATS_MAX: u32 = 6;
/// Longest sleep: how soon a stop is heard.
const NAP: Duration = Duration::from_millis(100);
/// Receive buffer of the SIP socket: a burst must not look like loss.
const SIP_BUFFER: usize = 4 << 20;

/// How people behave.
#[derive(Clone, Copy, Debug)]
pub struct People {
    /// Shortest and longest time from INVITE to 200; even chances between. Spread, since the engine dials in ticks.
    pub ring: (Duration, Duration),
    /// From the 200 until they hang up.
    pub talk: Duration,
}

/// What the far end counts.
#[derive(Debug, Default)]
pub struct FarCounts {
    /// INVITEs taken up.
    pub invited: AtomicU64,
    /// 200s sent, repetitions not counted.
    pub answered: AtomicU64,
    /// Of those, acknowledged.
    pub acknowledged: AtomicU64,
    /// Calls ended by our BYE, or by the engine's.
    pub ended: AtomicU64,
    /// Calls that the engine cancelled.
    pub cancelled: AtomicU64,
    /// Messages that had to be said again, either way.
    pub repeated: AtomicU64,
    /// Calls given up: nothing came back.
    pub lost: AtomicU64,
    /// What should not be: another number than those on the list, or a number rung twice.
    pub strange: AtomicU64,
}

/// Shared by the thread and its owner.
struct Shared {
    origin: Instant,
    /// By place on the list: nanoseconds since `origin` at which the first 200 was sent; 0: not yet.
    answered_ns: Vec<AtomicU64>,
    counts: FarCounts,
    stop: AtomicBool,
}

/// The running far end. Its thread ends when this is dropped.
pub struct FarEnd {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// The kernel's number of the thread, for its CPU time.
    task: u64,
}

/// An answer: the place of the number on the list, and when the 200 left.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Place on the list.
    pub lead: u32,
    /// Read right before the 200 was given to the kernel.
    pub at: Instant,
}

impl FarEnd {
    /// Rings for `leads` numbers of the made-up list (`demo::borrowers`), at `address`.
    pub fn start(address: SocketAddr, leads: u32, people: People) -> Result<FarEnd> {
        ensure!(
            address.ip().is_loopback(),
            "the far end stays on this machine"
        );
        let socket = UdpSocket::bind(address)?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(SIP_BUFFER)?;
        // Sound goes here and is dropped by the kernel when its small buffer is full: nobody listens.
        let sound = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket2::SockRef::from(&sound).set_recv_buffer_size(4_096)?;
        let shared = Arc::new(Shared {
            origin: Instant::now(),
            answered_ns: (0..leads).map(|_| AtomicU64::new(0)).collect(),
            counts: FarCounts::default(),
            stop: AtomicBool::new(false),
        });
        let people = Street {
            shared: Arc::clone(&shared),
            sdp: format!(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n",
                sound.local_addr()?.port()
            ),
            address,
            socket,
            _sound: sound,
            people,
            chance: Chance::new(1),
            calls: HashMap::new(),
            due: BinaryHeap::new(),
        };
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("far end".to_owned())
            .spawn(move || {
                // Nobody waits: then nobody wants the number.
                let _ = tell.send(own_task());
                if let Err(fault) = people.live() {
                    eprintln!("The far end ended: {fault:#}");
                }
            })?;
        let task = told.recv().context("the far end did not start")??;
        Ok(FarEnd {
            shared,
            thread: Some(thread),
            task,
        })
    }

    /// What it counted.
    pub fn counts(&self) -> &FarCounts {
        &self.shared.counts
    }

    /// CPU time of its thread, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        thread_cpu_seconds(self.task)
    }

    /// When a number was answered.
    pub fn answered_at(&self, lead: u32) -> Option<Instant> {
        let ns = self.shared.answered_ns.get(lead as usize)?.load(Relaxed);
        (ns > 0).then(|| self.shared.origin + Duration::from_nanos(ns))
    }

    /// Everything that was answered in `[from, until)`, by time.
    pub fn answers(&self, from: Instant, until: Instant) -> Vec<Answer> {
        let mut answers: Vec<Answer> = (0..self.shared.answered_ns.len() as u32)
            .filter_map(|lead| {
                self.answered_at(lead)
                    .filter(|at| (from..until).contains(at))
                    .map(|at| Answer { lead, at })
            })
            .collect();
        answers.sort_by_key(|answer| answer.at);
        answers
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // It naps at most a tenth of a second; a panic of it was printed already.
            let _ = thread.join();
        }
    }
}

/// The number by which /proc knows the calling thread.
fn own_task() -> Result<u64> {
    let link = std::fs::read_link("/proc/thread-self").context("/proc/thread-self")?;
    link.file_name()
        .and_then(|name| name.to_str()?.parse().ok())
        .context("an odd /proc/thread-self")
}

/// What is to be done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Answer,
    HangUp,
    /// Say the 200 or the BYE again, unless it was heard.
    Repeat(u32),
}

#[derive(Debug)]
struct Call {
    peer: SocketAddr,
    lead: u32,
    /// Copied from the INVITE as they stand, each with its line end.
    via: String,
    from: String,
    to: String,
    cseq: String,
    /// Where the BYE goes.
    contact: String,
    /// Said again when the far side says something again.
    response: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ringing,
    /// The 200 is out.
    Answered,
    Talking,
    /// Our BYE is out.
    HangingUp,
}

struct Street {
    shared: Arc<Shared>,
    sdp: String,
    address: SocketAddr,
    socket: UdpSocket,
    _sound: UdpSocket,
    people: People,
    chance: Chance,
    /// By Call-ID.
    calls: HashMap<String, Call>,
    due: BinaryHeap<Reverse<(Instant, String, Act)>>,
}

impl Street {
    fn live(mut self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        runtime.block_on(async {
            let hearing = self.socket.try_clone()?;
            hearing.set_nonblocking(true)?;
            let hearing = tokio::net::UdpSocket::from_std(hearing)?;
            let mut datagram = [0_u8; 8_192];
            while !self.shared.stop.load(Relaxed) {
                let now = Instant::now();
                let next = self
                    .due
                    .peek()
                    .map_or(now + NAP, |Reverse((at, ..))| (*at).min(now + NAP));
                tokio::select! {
                    readable = hearing.readable() => {
                        readable?;
                        while let Ok((length, peer)) = hearing.try_recv_from(&mut datagram) {
                            if let Ok(text) = std::str::from_utf8(&datagram[..length]) {
                                self.hear(text, peer);
                            }
                        }
                    }
                    () = tokio::time::sleep_until(next.into()) => {}
                }
                self.act_on_time();
            }
            Ok(())
        })
    }

    fn act_on_time(&mut self) {
        let now = Instant::now();
        while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            if let Some(Reverse((_, call_id, act))) = self.due.pop() {
                self.act(&call_id, act);
            }
        }
    }

    fn later(&mut self, wait: Duration, call_id: &str, act: Act) {
        self.due
            .push(Reverse((Instant::now() + wait, call_id.to_owned(), act)));
    }

    fn count(&self, what: impl Fn(&FarCounts) -> &AtomicU64) {
        what(&self.shared.counts).fetch_add(1, Relaxed);
    }

    fn send(&self, octets: &[u8], to: SocketAddr) {
        // As good as lost on the way: it is said again.
        let _ = self.socket.send_to(octets, to);
    }

    fn hear(&mut self, text: &str, peer: SocketAddr) {
        let Some(message) = Heard::read(text) else {
            return;
        };
        let call_id = message.value("call-id").unwrap_or_default().to_owned();
        match message.method {
            "INVITE" => self.invited(&message, call_id, peer),
            "ACK" => {
                if let Some(call) = self.calls.get_mut(&call_id)
                    && call.stage == Stage::Answered
                {
                    call.stage = Stage::Talking;
                    self.count(|counts| &counts.acknowledged);
                }
            }
            "BYE" => {
                self.send(&message.answer("200 OK", ""), peer);
                if self.calls.remove(&call_id).is_some() {
                    self.count(|counts| &counts.ended);
                }
            }
            "CANCEL" => {
                self.send(&message.answer("200 OK", ""), peer);
                if let Some(call) = self.calls.get(&call_id)
                    && call.stage == Stage::Ringing
                    && let Some(call) = self.calls.remove(&call_id)
                {
                    let end = call.respond(&call_id, "487 Request Terminated", self.address, "");
                    self.send(&end, peer);
                    self.count(|counts| &counts.cancelled);
                }
            }
            "OPTIONS" => self.send(&message.answer("200 OK", ""), peer),
            // A response: of ours only BYE has any.
            _ => {
                if message.status >= 200
                    && self
                        .calls
                        .get(&call_id)
                        .is_some_and(|call| call.stage == Stage::HangingUp)
                {
                    self.calls.remove(&call_id);
                    self.count(|counts| &counts.ended);
                }
            }
        }
    }

    fn invited(&mut self, message: &Heard<'_>, call_id: String, peer: SocketAddr) {
        if let Some(call) = self.calls.get(&call_id) {
            self.count(|counts| &counts.repeated);
            return self.send(&call.response, peer);
        }
        let lead = message
            .uri
            .strip_prefix("sip:")
            .and_then(|rest| rest.split('@').next())
            .and_then(|number| number.strip_prefix(prefix()?.as_str())?.parse::<u32>().ok())
            .filter(|lead| (*lead as usize) < self.shared.answered_ns.len());
        let Some(lead) = lead else {
            self.count(|counts| &counts.strange);
            return self.send(&message.answer("404 Not Found", ";tag=far"), peer);
        };
        self.count(|counts| &counts.invited);
        let mut call = Call {
            peer,
            lead,
            via: message.lines("via"),
            from: message.lines("from"),
            to: message.lines("to").trim_end().to_owned() + ";tag=far\r\n",
            cseq: message.lines("cseq"),
            contact: message
                .value("contact")
                .map(|contact| {
                    let inner = contact.split('<').nth(1).unwrap_or(contact);
                    inner.split('>').next().unwrap_or(inner).to_owned()
                })
                .unwrap_or_default(),
            response: Vec::new(),
            stage: Stage::Ringing,
        };
        call.response = call.respond(&call_id, "180 Ringing", self.address, "");
        self.send(&call.response, peer);
        let (least, most) = self.people.ring;
        let ring = least + (most - least).mul_f64(self.chance.unit());
        self.later(ring, &call_id, Act::Answer);
        self.calls.insert(call_id, call);
    }

    fn act(&mut self, call_id: &str, act: Act) {
        let Some(call) = self.calls.get_mut(call_id) else {
            return;
        };
        match (call.stage, act) {
            (Stage::Ringing, Act::Answer) => {
                call.response = call.respond(call_id, "200 OK", self.address, &self.sdp);
                call.stage = Stage::Answered;
                let ns = (self.shared.origin.elapsed().as_nanos() as u64).max(1);
                // The clock is read before the datagram leaves: what the kernel takes for it counts as ours.
                let _ = self.socket.send_to(&call.response, call.peer);
                let before = self.shared.answered_ns[call.lead as usize].swap(ns, Relaxed);
                self.count(|counts| &counts.answered);
                if before != 0 {
                    self.count(|counts| &counts.strange);
                }
                self.later(REPEAT_FIRST, call_id, Act::Repeat(1));
                self.later(self.people.talk, call_id, Act::HangUp);
            }
            (Stage::Answered | Stage::Talking, Act::HangUp) => {
                call.stage = Stage::HangingUp;
                call.response = call.bye(call_id, self.address);
                let (bye, peer) = (call.response.clone(), call.peer);
                self.send(&bye, peer);
                self.later(REPEAT_FIRST, call_id, Act::Repeat(1));
            }
            (Stage::Answered | Stage::HangingUp, Act::Repeat(times)) => {
                if times > REPEATS_MAX {
                    self.calls.remove(call_id);
                    return self.count(|counts| &counts.lost);
                }
                let (octets, peer) = (call.response.clone(), call.peer);
                self.send(&octets, peer);
                self.count(|counts| &counts.repeated);
                self.later(REPEAT_FIRST * (1 << times), call_id, Act::Repeat(times + 1));
            }
            // Acknowledged, or already on another way out.
            (Stage::Ringing | Stage::Answered | Stage::Talking | Stage::HangingUp, _) => {}
        }
    }
}

/// What all numbers on the list begin with.
fn prefix() -> Option<String> {
    number_of(0).strip_suffix("000000").map(str::to_owned)
}

impl Call {
    fn respond(&self, call_id: &str, status: &str, own: SocketAddr, sdp: &str) -> Vec<u8> {
        let Call {
            via,
            from,
            to,
            cseq,
            ..
        } = self;
        let kind = if sdp.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "SIP/2.0 {status}\r\n{via}{from}{to}Call-ID: {call_id}\r\n{cseq}Contact: <sip:far@{own}>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
        .into_bytes()
    }

    /// In the dialog, the other way round (RFC 3261 s.12.2.1.1): what was From is To.
    fn bye(&self, call_id: &str, own: SocketAddr) -> Vec<u8> {
        let value = |line: &str| {
            line.split_once(':')
                .map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        format!(
            "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKfar{};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {call_id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            self.contact,
            self.lead,
            value(&self.to),
            value(&self.from),
        )
        .into_bytes()
    }
}

/// A message as far as the far end needs it.
struct Heard<'a> {
    /// Empty for a response.
    method: &'a str,
    uri: &'a str,
    /// 0 for a request.
    status: u16,
    head: &'a str,
}

impl<'a> Heard<'a> {
    fn read(text: &'a str) -> Option<Heard<'a>> {
        let head = text.split("\r\n\r\n").next()?;
        let (first, _) = head.split_once("\r\n")?;
        let mut words = first.split(' ');
        let (one, two) = (words.next()?, words.next()?);
        let is_response = one == "SIP/2.0";
        Some(Heard {
            method: if is_response { "" } else { one },
            uri: two,
            status: if is_response { two.parse().ok()? } else { 0 },
            head,
        })
    }

    /// All lines of a header, as they stand.
    fn lines(&self, name: &str) -> String {
        let mut all = String::new();
        for line in self.head.split("\r\n").skip(1) {
            if line
                .split_once(':')
                .is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            {
                all.push_str(line);
                all.push_str("\r\n");
            }
        }
        all
    }

    /// The first value of a header.
    fn value(&self, name: &str) -> Option<&'a str> {
        self.head.split("\r\n").skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// A stateless answer to a request. `tag` goes to To.
    fn answer(&self, status: &str, tag: &str) -> Vec<u8> {
        let to = self.lines("to");
        format!(
            "SIP/2.0 {status}\r\n{}{}{}{tag}\r\n{}{}Content-Length: 0\r\n\r\n",
            self.lines("via"),
            self.lines("from"),
            to.trim_end(),
            self.lines("call-id"),
            self.lines("cseq"),
        )
        .into_bytes()
    }
}
