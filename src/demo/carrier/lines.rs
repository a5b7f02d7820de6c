//! The RTP of the simulated network: a port per call, sounds out at 20 ms, everything that comes in counted.
//!
//! Owns the call sockets; told by the network when to play what. Sends only where the caller's SDP said.

use super::heard::{Keys, Tape};
use super::records::LineReport;
use super::talk::{Language, Talk, Voice, is_voice};
use crate::shell::media::ports::PortPool;
use crate::time::Mono;
use crate::wire::media::outgoing::Outgoing;
use crate::wire::media::reception::Reception;
use crate::wire::media::rtp::RtpPacket;
use crate::wire::media::tones::{Loop, Sound};
use crate::wire::media::{PCMA, PCMU, comfort_noise};
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Microseconds between two beats; ten beats make a frame.
const BEAT_US: u64 = 2_000;
const PHASES: usize = 10;
/// Behind by more than this (200 ms), frames are left out.
const BEHIND_MAX: u64 = 100;
/// Packets read of one line in one go.
const READ_MAX: usize = 32;

/// Most calls that are kept as files at once: each writes to the disk in the simulator's only thread.
const TAPES_MAX: usize = 64;
/// The agent is heard as long as his last loud packet is not older (three packets).
const VOICE_LASTS_US: u64 = 60_000;

/// How people sound, and whether what they hear is kept.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// They talk.
    pub speech: bool,
    /// They are a tone of so many hertz.
    pub tone: Option<u16>,
    /// Directory for what they hear.
    pub record: Option<PathBuf>,
}

/// What the network asks of the lines. The simulator's own tests put a list in their place.
pub trait Playing {
    /// A port for the call; the same one again if it has one. `None`: all taken.
    fn open(&mut self, call: u64) -> Option<u16>;
    /// Plays a sound to the caller from now on. `answered`: it is speech after the 200, not early media.
    fn play(
        &mut self,
        call: u64,
        sound: Sound,
        payload_type: u8,
        to: Option<SocketAddr>,
        answered: bool,
    );
    /// Whether anything but comfort noise came so far.
    fn heard_voice(&self, call: u64) -> bool;
    /// The call is over; gives its port back.
    fn close(&mut self, call: u64) -> LineReport;
}

/// All lines.
pub struct Lines {
    registry: Registry,
    pool: PortPool,
    slots: Vec<Option<Line>>,
    empty: Vec<usize>,
    by_call: FxHashMap<u64, usize>,
    phases: [Vec<usize>; PHASES],
    sounds: FxHashMap<(Sound, u8), Loop>,
    voices: FxHashMap<(Language, u8), Voice>,
    people: People,
    tapes: usize,
    random: crate::demo::chance::Chance,
    /// Tokens are slots plus this.
    first_token: usize,
    beat: u64,
    now: Mono,
    scratch: Vec<u8>,
    /// Packets sent, and received of the right source, since the start.
    pub totals: (u64, u64),
}

struct Line {
    socket: UdpSocket,
    port: u16,
    phase: Option<usize>,
    playing: Option<(Sound, u8)>,
    frame: u64,
    peer: Option<SocketAddr>,
    answered: bool,
    sent_early: u64,
    stream: Outgoing,
    reception: Reception,
    foreign: u64,
    heard_voice: bool,
    /// The agent's last loud packet; followed only where somebody listens.
    loud_at: Option<Mono>,
    talk: Option<(Talk, Language)>,
    tape: Option<Tape>,
    keys: Keys,
}

impl Lines {
    /// Lines on the ports of `pool`; their tokens begin at `first_token`.
    pub fn new(
        registry: Registry,
        pool: PortPool,
        first_token: usize,
        seed: u64,
        people: People,
    ) -> Self {
        let mut sounds = FxHashMap::default();
        let mut voices = FxHashMap::default();
        for sound in [
            Sound::RingBack,
            Sound::Melody,
            Sound::Voice,
            Sound::Announcement,
        ] {
            for law in [PCMU, PCMA] {
                sounds.insert((sound, law), Loop::new(sound, law));
            }
        }
        for law in [PCMU, PCMA] {
            if let Some(hertz) = people.tone {
                sounds.insert((Sound::Voice, law), Loop::tone(hertz, law));
            }
            for language in [Language::Vietnamese, Language::English] {
                if people.speech {
                    voices.insert((language, law), Voice::new(language, law));
                }
            }
        }
        Lines {
            registry,
            pool,
            slots: Vec::new(),
            empty: Vec::new(),
            by_call: FxHashMap::default(),
            phases: Default::default(),
            sounds,
            voices,
            people,
            tapes: 0,
            random: crate::demo::chance::Chance::new(seed),
            first_token,
            beat: 0,
            now: Mono(0),
            scratch: Vec::with_capacity(256),
            totals: (0, 0),
        }
    }

    /// Tells the time; orders of the same turn go by it.
    pub const fn set_now(&mut self, now: Mono) {
        self.now = now;
    }

    /// When the next frame is due.
    pub fn next_timeout(&self) -> Option<Mono> {
        let busy = self.phases.iter().any(|phase| !phase.is_empty());
        busy.then_some(Mono((self.beat + 1) * BEAT_US))
    }

    /// Reads a line's socket. Returns whether there may be more.
    pub fn read(&mut self, token: Token, at: Mono) -> bool {
        let slot = token.0.wrapping_sub(self.first_token);
        let Some(Some(line)) = self.slots.get_mut(slot) else {
            return false;
        };
        let mut datagram = [0; 2_048];
        for _ in 0..READ_MAX {
            let (length, source) = match line.socket.recv_from(&mut datagram) {
                Ok(arrived) => arrived,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                Err(_) => continue,
            };
            let Ok(packet) = RtpPacket::parse(&datagram[..length]) else {
                line.foreign += 1;
                continue;
            };
            if line.peer != Some(source) {
                line.foreign += 1;
                continue;
            }
            line.reception.receive(&packet, at);
            line.heard_voice |= packet.payload != comfort_noise(packet.payload_type);
            if line.talk.is_some() && is_voice(packet.payload, packet.payload_type) {
                line.loud_at = Some(at);
            }
            line.keys.hear(&packet);
            if let Some(Err(error)) = line.tape.as_mut().map(|tape| tape.hear(&packet)) {
                tracing::error!(%error, "What a phone hears could not be kept.");
                line.tape = None;
                self.tapes = self.tapes.saturating_sub(1);
            }
            self.totals.1 += 1;
        }
        true
    }

    /// Sends the frames that are due.
    pub fn send_due(&mut self, now: Mono) {
        self.now = now;
        let due = now.0 / BEAT_US;
        let behind = due.saturating_sub(self.beat);
        if behind > BEHIND_MAX {
            let frames = behind / PHASES as u64;
            for line in self
                .slots
                .iter_mut()
                .flatten()
                .filter(|line| line.phase.is_some())
            {
                line.stream.skip(frames as u32);
            }
            self.beat += frames * PHASES as u64;
        }
        while self.beat < due {
            self.beat += 1;
            let phase = (self.beat % PHASES as u64) as usize;
            for slot in &self.phases[phase] {
                let Some(Some(line)) = self.slots.get_mut(*slot) else {
                    continue;
                };
                let (Some(playing), Some(peer)) = (line.playing, line.peer) else {
                    continue;
                };
                let voice = line.talk.as_mut().and_then(|(talk, language)| {
                    let voice = self.voices.get(&(*language, playing.1))?;
                    let heard = line
                        .loud_at
                        .is_some_and(|at| now.0.saturating_sub(at.0) < VOICE_LASTS_US);
                    Some(voice.frame(talk.step(heard, voice), playing.1))
                });
                let sound = self.sounds.get(&playing);
                let Some(frame) = voice.or_else(|| sound.map(|sound| sound.frame(line.frame)))
                else {
                    continue;
                };
                line.stream.next(playing.1, frame, &mut self.scratch);
                line.frame += 1;
                // Loopback takes it or is full; either way the next one is due in 20 ms.
                if line.socket.send_to(&self.scratch, peer).is_ok() {
                    self.totals.0 += 1;
                    line.sent_early += u64::from(!line.answered);
                }
            }
        }
    }

    fn line(&self, call: u64) -> Option<&Line> {
        self.slots.get(*self.by_call.get(&call)?)?.as_ref()
    }
}

impl Playing for Lines {
    fn open(&mut self, call: u64) -> Option<u16> {
        if let Some(line) = self.line(call) {
            return Some(line.port);
        }
        let (mut socket, port) = self.pool.take(self.now)?;
        let slot = self.empty.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let token = Token(slot + self.first_token);
        if self
            .registry
            .register(&mut socket, token, Interest::READABLE)
            .is_err()
        {
            self.empty.push(slot);
            self.pool.give_back(socket, port, self.now);
            return None;
        }
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.random.bits().to_be_bytes());
        self.slots[slot] = Some(Line {
            socket,
            port,
            phase: None,
            playing: None,
            frame: 0,
            peer: None,
            answered: false,
            sent_early: 0,
            stream: Outgoing::new(random),
            reception: Reception::default(),
            foreign: 0,
            heard_voice: false,
            loud_at: None,
            talk: None,
            tape: None,
            keys: Keys::default(),
        });
        self.by_call.insert(call, slot);
        Some(port)
    }

    fn play(
        &mut self,
        call: u64,
        sound: Sound,
        payload_type: u8,
        to: Option<SocketAddr>,
        answered: bool,
    ) {
        let idle = self.phases.iter().all(Vec::is_empty);
        let Some(&slot) = self.by_call.get(&call) else {
            return;
        };
        let Some(Some(line)) = self.slots.get_mut(slot) else {
            return;
        };
        line.playing = Some((sound, payload_type));
        if answered && line.tape.is_none() && self.tapes < TAPES_MAX {
            line.tape = self.people.record.as_ref().and_then(|directory| {
                let path = directory.join(format!("call-{:06}.wav", call + 1));
                Tape::create(&path)
                    .inspect_err(|error| tracing::error!(%error, "A recording could not begin."))
                    .ok()
            });
            self.tapes += usize::from(line.tape.is_some());
        }
        if answered && self.people.speech && sound == Sound::Voice {
            line.talk = Some((Talk::default(), Language::of(call)));
        }
        line.frame = 0;
        line.peer = to;
        line.answered |= answered;
        if line.phase.is_none() {
            if idle {
                self.beat = self.now.0 / BEAT_US;
            }
            let phase = (0..PHASES)
                .min_by_key(|phase| self.phases[*phase].len())
                .unwrap_or(0);
            line.phase = Some(phase);
            self.phases[phase].push(slot);
        }
    }

    fn heard_voice(&self, call: u64) -> bool {
        self.line(call).is_some_and(|line| line.heard_voice)
    }

    fn close(&mut self, call: u64) -> LineReport {
        let Some(slot) = self.by_call.remove(&call) else {
            return LineReport::default();
        };
        // What came before the end belongs to the call.
        self.read(Token(slot + self.first_token), self.now);
        let Some(mut line) = self.slots.get_mut(slot).and_then(Option::take) else {
            return LineReport::default();
        };
        if let Some(phase) = line.phase {
            self.phases[phase].retain(|other| *other != slot);
        }
        self.empty.push(slot);
        if let Some(tape) = line.tape.take() {
            self.tapes = self.tapes.saturating_sub(1);
            if let Err(error) = tape.finish() {
                tracing::error!(%error, "What a phone heard could not be kept to its end.");
            }
        }
        let report = LineReport {
            sent: line.stream.packets,
            sent_early: line.sent_early,
            received: line.reception.report(),
            foreign: line.foreign,
            keys: std::mem::take(&mut line.keys).into_pressed(),
        };
        // A socket that cannot be unwatched is dropped with its watch.
        if self.registry.deregister(&mut line.socket).is_ok() {
            self.pool.give_back(line.socket, line.port, self.now);
        }
        report
    }
}
