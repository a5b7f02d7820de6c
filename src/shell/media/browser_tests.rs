//! A browser's leg over real loopback sockets: another WebRTC stack's client side is in tests/browser.rs; here its whole life is
//! driven by hand, packet by packet.

use super::tests::{TRUNK, path, plane, plane_of};
use super::*;
use crate::core::input::{CallSign, Input};
use crate::wire::desk::audio::AudioLeg;
use crate::wire::media::outgoing::Outgoing;
use crate::wire::media::rtp::RtpPacket;
use crate::wire::media::tones::{Loop, Sound};
use crate::wire::media::{PCMA, PCMU};
use crossbeam::channel::unbounded;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket as StdSocket};
use std::time::{Duration, Instant};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Candidate, Event, Input as RtcInput, Output, Rtc, RtcConfig};

const AGENT: AgentId = AgentId(5);
const CALL: AttemptId = AttemptId(1);

/// The browser's side.
struct Client {
    rtc: Rtc,
    mid: Mid,
    socket: StdSocket,
    /// In place of the socket: where UDP does not get through.
    stream: Option<(TcpStream, Vec<u8>)>,
    sequence: u64,
    pub connected: bool,
    /// Payload type, sequence, timestamp, first octet of what came.
    pub heard: Vec<(u8, u64, u32, u8)>,
    pub ssrcs: std::collections::BTreeSet<u32>,
}

impl Client {
    /// By UDP.
    fn join(plane: &MediaPlane) -> Client {
        Client::join_by(plane, None)
    }

    /// Offers and takes the answer in.
    fn join_by(plane: &MediaPlane, stream: Option<TcpStream>) -> Client {
        let socket = StdSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_pcmu(true, false)
            .enable_pcma(true, false)
            .build(Instant::now());
        let host = match &stream {
            Some(stream) => Candidate::builder()
                .tcp()
                .host(stream.local_addr().unwrap())
                .tcptype(TcpType::Active)
                .build()
                .unwrap(),
            None => Candidate::host(socket.local_addr().unwrap(), "udp").unwrap(),
        };
        rtc.add_local_candidate(host);
        let mut change = rtc.sdp_api();
        let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().unwrap();
        let answer = ask(plane, offer.to_sdp_string()).unwrap();
        let answer = SdpAnswer::from_sdp_string(&answer).unwrap();
        rtc.sdp_api().accept_answer(pending, answer).unwrap();
        Client {
            rtc,
            mid,
            socket,
            stream: stream.map(|stream| (stream, Vec::new())),
            sequence: 10,
            connected: false,
            heard: Vec::new(),
            ssrcs: Default::default(),
        }
    }

    fn turn(&mut self) {
        let mut datagram = [0; 2_048];
        loop {
            loop {
                match self.rtc.poll_output().unwrap() {
                    Output::Timeout(_) => break,
                    Output::Transmit(out) => match &mut self.stream {
                        Some((stream, _)) => {
                            let length = out.contents.len() as u16;
                            stream.write_all(&length.to_be_bytes()).unwrap();
                            stream.write_all(&out.contents).unwrap();
                        }
                        None => {
                            let _ = self.socket.send_to(&out.contents, out.destination);
                        }
                    },
                    Output::Event(Event::Connected) => self.connected = true,
                    Output::Event(Event::RtpPacket(packet)) => {
                        self.ssrcs.insert(*packet.header.ssrc);
                        self.heard.push((
                            *packet.header.payload_type,
                            *packet.seq_no,
                            packet.header.timestamp,
                            packet.payload.first().copied().unwrap_or(0),
                        ));
                    }
                    Output::Event(_) => {}
                }
            }
            let receive = if let Some((stream, unread)) = &mut self.stream {
                let Some(length) = framed(stream, unread, &mut datagram) else {
                    break;
                };
                Receive {
                    proto: Protocol::Tcp,
                    source: stream.peer_addr().unwrap(),
                    destination: stream.local_addr().unwrap(),
                    contents: datagram[..length].try_into().unwrap(),
                }
            } else {
                let Ok((length, source)) = self.socket.recv_from(&mut datagram) else {
                    break;
                };
                Receive {
                    proto: Protocol::Udp,
                    source,
                    destination: self.socket.local_addr().unwrap(),
                    contents: datagram[..length].try_into().unwrap(),
                }
            };
            self.rtc
                .handle_input(RtcInput::Receive(Instant::now(), receive))
                .unwrap();
        }
        self.rtc
            .handle_input(RtcInput::Timeout(Instant::now()))
            .unwrap();
    }

    fn say(&mut self, payload: &[u8]) {
        self.sequence += 1;
        let mid = self.mid;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).unwrap();
        let time = (self.sequence * 160) as u32;
        stream.write_rtp(RtpWrite::new(
            Pt::from(PCMU),
            SeqNo::from(self.sequence),
            time,
            Instant::now(),
            payload,
        ));
        self.turn();
    }
}

/// The next datagram behind its length (RFC 4571), if it is there.
fn framed(stream: &mut TcpStream, unread: &mut Vec<u8>, into: &mut [u8]) -> Option<usize> {
    let mut octets = [0; 4_096];
    if let Ok(count) = stream.read(&mut octets) {
        unread.extend_from_slice(&octets[..count]);
    }
    let length = usize::from(u16::from_be_bytes([*unread.first()?, *unread.get(1)?]));
    into[..length].copy_from_slice(unread.get(2..2 + length)?);
    unread.drain(..2 + length);
    Some(length)
}

fn ask(plane: &MediaPlane, sdp: String) -> Result<String, AudioRefused> {
    let (tell, told) = unbounded();
    plane.offer(
        AGENT,
        sdp,
        Box::new(move |answer| {
            let _ = tell.send(answer);
        }),
    );
    told.recv_timeout(Duration::from_secs(5)).unwrap()
}

/// Turns the wheel until `done`, or fails.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn connected(plane: &MediaPlane) -> Client {
    let mut client = Client::join(plane);
    until("DTLS", || {
        client.turn();
        client.connected
    });
    client
}

/// A customer whose leg is answered at `law`.
fn customer(plane: &MediaPlane, attempt: AttemptId, law: u8) -> (StdSocket, SocketAddr) {
    let far = StdSocket::bind("127.0.0.1:0").unwrap();
    far.set_nonblocking(true).unwrap();
    let port = plane.reserve(LegId::Call(attempt)).unwrap();
    plane.remote(
        LegId::Call(attempt),
        Some(TRUNK),
        &path(far.local_addr().unwrap(), law),
        true,
    );
    (far, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn both_sides_hear_each_other_across_the_laws_and_the_next_call_needs_no_new_offer() {
    let (plane, inbox) = plane(4);
    let mut client = connected(&plane);
    let voice = Loop::new(Sound::Melody, PCMU);
    for (n, law) in [(1, PCMU), (2, PCMA)] {
        let attempt = AttemptId(n);
        let (far, ours) = customer(&plane, attempt, law);
        plane.bridge(attempt, AGENT);
        assert_eq!(
            inbox.urgent.recv_timeout(Duration::from_secs(5)).unwrap(),
            Input::Bridged(attempt)
        );
        let mut stream = Outgoing::new([n as u8; 10]);
        let (before, mut bytes, mut got) = (client.heard.len(), Vec::new(), Vec::new());
        for frame in 0..25 {
            stream.next(law, &[0x55; 160], &mut bytes);
            far.send_to(&bytes, ours).unwrap();
            client.say(voice.frame(frame + 5));
            std::thread::sleep(Duration::from_millis(5));
            let mut datagram = [0; 512];
            while let Ok(length) = far.recv(&mut datagram) {
                got.push(RtpPacket::parse(&datagram[..length]).unwrap().payload_type);
            }
        }
        until("the agent hears", || {
            client.turn();
            client.heard.len() >= before + 25
        });
        assert!(
            got.iter().filter(|got| **got == law).count() >= 20,
            "{got:?}"
        );
        let heard = &client.heard[before..];
        assert!(
            heard
                .iter()
                .all(|(pt, _, _, octet)| *pt == law && *octet == 0x55)
        );
        let signs: Vec<Input> = inbox.urgent.try_iter().collect();
        assert!(
            signs.contains(&Input::CallSign(attempt, CallSign::Heard)),
            "{signs:?}"
        );
        plane.release(LegId::Call(attempt));
        until("the leg is closed", || plane.counters().legs_closed == n);
    }
    // One stream across both calls: the browser saw one source, and no hole that was ours.
    assert_eq!(client.ssrcs.len(), 1);
    let numbers: Vec<u64> = client
        .heard
        .iter()
        .map(|(_, sequence, _, _)| *sequence)
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
    let times: Vec<u32> = client.heard.iter().map(|(_, _, time, _)| *time).collect();
    assert!(
        times
            .windows(2)
            .all(|pair| pair[1].wrapping_sub(pair[0]) < 80_000)
    );
    plane.shutdown();
}

#[test]
fn an_agent_is_ready_for_calls_after_the_check_and_not_any_more_once_he_is_silent() {
    let (plane, inbox) = plane(1);
    let (tell, told) = unbounded();
    plane.tell(Box::new(move |news| {
        let _ = tell.send(news);
    }));
    let mut client = connected(&plane);
    let voice = Loop::new(Sound::Melody, PCMU);
    until("the leg is up", || {
        client.say(voice.frame(0));
        told.try_iter().any(|news| {
            matches!(
                news,
                MediaNews::Leg {
                    leg: AudioLeg::Up,
                    checked: false,
                    ..
                }
            )
        })
    });
    plane.check(AGENT);
    let (mut frame, mut heard) = (0, None);
    until("the check has passed", || {
        frame += 1;
        client.say(voice.frame(frame));
        std::thread::sleep(Duration::from_millis(18));
        heard = heard.take().or(inbox.urgent.try_iter().next());
        heard == Some(Input::AgentAudio(AGENT, true))
    });
    // The tone came first, then his own voice.
    assert!(client.heard.len() > 30, "{}", client.heard.len());
    let mut last = None;
    until("the loss is noticed", || {
        client.turn();
        last = inbox.urgent.try_iter().last().or(last.take());
        last == Some(Input::AgentAudio(AGENT, false))
    });
    plane.shutdown();
}

#[test]
fn an_offer_that_is_no_audio_is_refused_with_its_reason() {
    let (plane, _inbox) = plane(1);
    for sdp in [
        "",
        "v=0\r\n",
        "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
    ] {
        assert!(matches!(
            ask(&plane, sdp.to_owned()),
            Err(AudioRefused::Offer(_))
        ));
    }
    assert_eq!(plane.counters().offers_refused, 4);
    plane.shutdown();
}

#[test]
fn strangers_on_the_browsers_port_get_nothing_back() {
    let (plane, _inbox) = plane(1);
    let mut client = connected(&plane);
    let target = plane.agent_ports()[0];
    let stranger = StdSocket::bind("127.0.0.1:0").unwrap();
    stranger
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut check = vec![0, 1, 0, 12, 0x21, 0x12, 0xA4, 0x42];
    check.extend([9; 12]);
    check.extend([0, 6, 0, 5, b'a', b':', b'b', b'c', b'd', 0, 0, 0]);
    for datagram in [
        &[0x80; 172][..],
        &[22, 254, 253, 0, 0],
        &check,
        &[0; 4],
        &[],
    ] {
        stranger.send_to(datagram, target).unwrap();
    }
    assert!(
        stranger.recv(&mut [0; 64]).is_err(),
        "an answer to a stranger"
    );
    until("all were counted", || {
        client.turn();
        plane.counters().agent_foreign_datagrams >= 4
    });
    let (far, _) = customer(&plane, CALL, PCMU);
    plane.bridge(CALL, AGENT);
    until("the session lives on", || {
        client.say(&[0x11; 160]);
        let mut datagram = [0; 512];
        matches!(far.recv(&mut datagram), Ok(length) if datagram[length - 1] == 0x11)
    });
    plane.shutdown();
}

#[test]
fn a_browser_that_udp_does_not_reach_talks_by_tcp() {
    let (plane, _inbox) = plane(1);
    let stream = TcpStream::connect(plane.agent_ports()[0]).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut client = Client::join_by(&plane, Some(stream));
    until("DTLS over TCP", || {
        client.turn();
        client.connected
    });
    let (far, ours) = customer(&plane, CALL, PCMU);
    plane.bridge(CALL, AGENT);
    let mut stream = Outgoing::new([3; 10]);
    let mut bytes = Vec::new();
    until("both hear each other", || {
        stream.next(PCMU, &[0x33; 160], &mut bytes);
        far.send_to(&bytes, ours).unwrap();
        client.say(&[0x11; 160]);
        let mut datagram = [0; 512];
        let is_heard =
            matches!(far.recv(&mut datagram), Ok(length) if datagram[length - 1] == 0x11);
        is_heard && client.heard.iter().any(|heard| heard.3 == 0x33)
    });
    plane.shutdown();
}

#[test]
fn a_stranger_on_the_tcp_port_is_closed_and_told_nothing() {
    let (plane, _inbox) = plane(1);
    let mut stranger = TcpStream::connect(plane.agent_ports()[0]).unwrap();
    // Longer than any datagram of ours: closed at once.
    stranger.write_all(&[0xFF, 0xFF, 1, 2, 3]).unwrap();
    assert_eq!(stranger.read(&mut [0; 16]).unwrap_or(0), 0);
    // Silent: closed when its time is over.
    let mut silent = TcpStream::connect(plane.agent_ports()[0]).unwrap();
    let _client = Client::join(&plane);
    assert_eq!(silent.read(&mut [0; 16]).unwrap_or(0), 0);
    plane.shutdown();
}

#[test]
fn a_call_whose_port_lives_on_another_thread_comes_to_its_agent() {
    let (floor, inbox) = crate::shell::lanes::floor_lanes(64, 64);
    let plane = plane_of(4, 2, floor);
    let mut client = connected(&plane);
    // Ports are dealt to the threads in turn: one of the two calls begins on the other thread.
    for n in [1, 2] {
        let attempt = AttemptId(n);
        let (far, ours) = customer(&plane, attempt, PCMU);
        plane.bridge(attempt, AGENT);
        // What is ordered at once finds the leg on its way.
        DeskAudio::hold(&*plane, attempt, true);
        DeskAudio::hold(&*plane, attempt, false);
        let mut stream = Outgoing::new([n as u8; 10]);
        let mut bytes = Vec::new();
        let voice = 0x20 + n as u8;
        until("both hear each other", || {
            stream.next(PCMU, &[voice; 160], &mut bytes);
            far.send_to(&bytes, ours).unwrap();
            client.say(&[0x11; 160]);
            let mut datagram = [0; 512];
            let is_heard =
                matches!(far.recv(&mut datagram), Ok(length) if datagram[length - 1] == 0x11);
            is_heard && client.heard.iter().any(|heard| heard.3 == voice)
        });
        let told: Vec<Input> = inbox.urgent.try_iter().collect();
        assert!(told.contains(&Input::Bridged(attempt)), "{told:?}");
        plane.release(LegId::Call(attempt));
        until("the leg is closed", || plane.counters().legs_closed == n);
    }
    assert_eq!(plane.counters().orders_without_leg, 0);
    plane.shutdown();
}
