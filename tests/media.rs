//! Hostile packets against the media plane, over real loopback sockets: sprays, forgeries, races, floods, nonsense (reliability.md
//! S8 to S12, D21). The browser's side is a real WebRTC stack.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "../loadtest/media/browser.rs"]
mod browser;

use browser::{BrowserEnd, certificate};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tandem::config::{MediaConfig, Transport, TrunkConfig};
use tandem::core::settings::TrunkSettings;
use tandem::ids::{AgentId, AttemptId, TrunkId};
use tandem::shell::api::ears::{EarId, EarMode};
use tandem::shell::desks::DeskAudio;
use tandem::shell::lanes::{Clock, FloorInbox, LegId, MediaPorts, floor_lanes};
use tandem::shell::media::{self, MediaPlane};
use tandem::shell::recording::{Party, Tap};
use tandem::time::{Mono, UnixMs};
use tandem::wire::media::g711::{decode_pcmu, encode_pcmu};
use tandem::wire::media::keys::KeyReceiver;
use tandem::wire::media::reception::Reception;
use tandem::wire::media::reports::Reports;
use tandem::wire::media::rtcp::Compound;
use tandem::wire::media::rtp::RtpPacket;
use tandem::wire::media::srtp::{MasterKey, Opener, Sealer, Suite};
use tandem::wire::sip::sdp::{AudioPath, Direction, Law};

const TRUNK: TrunkId = TrunkId(0);
/// The trunk's host; everybody else is a stranger.
const CARRIER: &str = "127.0.0.1";
const STRANGER: &str = "127.0.0.66";
const AGENT: AgentId = AgentId(1);
const CALL: AttemptId = AttemptId(1);

/// A media plane on some free ports.
struct Site {
    plane: Arc<MediaPlane>,
    ports: (u16, u16),
    _inbox: FloorInbox,
}

impl Site {
    fn new(calls: u16) -> Site {
        loop {
            let probe = UdpSocket::bind((CARRIER, 0)).unwrap();
            let first = probe.local_addr().unwrap().port() & !1;
            drop(probe);
            let Some(last) = first.checked_add(calls * 2 - 1) else {
                continue;
            };
            let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let config = MediaConfig {
                listen,
                ports: (first, last),
                threads: 1,
                agent_port: 0,
                agent_addresses: Vec::new(),
                ice_servers: Vec::new(),
                prompts_dir: None,
            };
            let trunk = TrunkConfig {
                settings: TrunkSettings {
                    name: "loopback".to_owned(),
                    channels_max: 10,
                    cps_max: 10,
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
                media_ranges: vec!["127.0.0.1/32".parse().unwrap()],
                asks_digest: false,
                srtp: Default::default(),
                keep_alive: Duration::from_secs(10),
            };
            let (floor, inbox) = floor_lanes(1 << 14, 64);
            if let Ok(plane) = media::spawn(&config, &[trunk], Clock::new(), floor) {
                return Site {
                    plane,
                    ports: (first, last),
                    _inbox: inbox,
                };
            }
        }
    }

    /// An answered leg to `far`; its port.
    fn leg(&self, leg: LegId, far: &UdpSocket) -> SocketAddr {
        let port = self.plane.reserve(leg).unwrap();
        let path = AudioPath {
            remote: Some(far.local_addr().unwrap()),
            law: Law::Mu,
            telephone_event: Some(101),
            direction: Direction::SendRecv,
        };
        let trunk = matches!(leg, LegId::Call(_)).then_some(TRUNK);
        self.plane.remote(leg, trunk, &path, true);
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }

    /// A browser's offer, answered.
    fn offer(&self, agent: AgentId, sdp: String) -> String {
        let (answered, answer) = channel();
        self.plane.offer(
            agent,
            sdp,
            Box::new(move |sdp| {
                let _ = answered.send(sdp);
            }),
        );
        answer
            .recv_timeout(Duration::from_secs(20))
            .unwrap()
            .unwrap()
    }

    fn browser(&self, agent: AgentId) -> BrowserEnd {
        let (mut end, sdp) = BrowserEnd::offer(CARRIER, certificate()).unwrap();
        let answer = self.offer(agent, sdp);
        end.answered(&answer).unwrap();
        end
    }

    fn connected(&self, agent: AgentId) -> BrowserEnd {
        let mut end = self.browser(agent);
        until("the browser is connected", || {
            end.turn(&mut [0; 2_048], &mut |_| {});
            end.is_connected
        });
        end
    }

    fn agent_port(&self) -> SocketAddr {
        self.plane.agent_ports()[0]
    }
}

fn far(host: &str) -> UdpSocket {
    let socket = UdpSocket::bind((host, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Polls until `done`, with a generous limit: a busy machine is slow, not wrong.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < limit, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn rtp(ssrc: u32, sequence: u16, mark: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    RtpPacket {
        marker: false,
        payload_type: 0,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc,
        contributors: 0,
        payload: &[mark; 160],
    }
    .write(&mut bytes);
    bytes
}

/// Frames of one mark that came to a plain end.
fn heard(socket: &UdpSocket, mark: u8) -> usize {
    let mut bytes = [0; 2_048];
    let mut count = 0;
    while let Ok((length, _)) = socket.recv_from(&mut bytes) {
        count += usize::from(length >= 172 && bytes[12..172].iter().all(|byte| *byte == mark));
    }
    count
}

/// Made-up bytes, the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    /// A true packet with some of its bytes changed, cut or made longer; now and then nothing but noise.
    fn spoil(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut bytes = packet.to_vec();
        match self.next() % 8 {
            0 => bytes.truncate(self.next() as usize % (packet.len() + 1)),
            1 => bytes.extend((0..self.next() % 64).map(|n| n as u8)),
            2 => bytes = (0..self.next() % 256).map(|_| self.next() as u8).collect(),
            _ => {
                for _ in 0..=self.next() % 4 {
                    if !bytes.is_empty() {
                        // Headers are worth more than what follows them.
                        let most = if self.next() & 1 == 0 {
                            24
                        } else {
                            bytes.len()
                        };
                        let at = self.next() as usize % most.min(bytes.len());
                        bytes[at] = self.next() as u8;
                    }
                }
            }
        }
        bytes
    }
}

/// A STUN binding request without integrity (RFC 8489 s.5).
fn stun() -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42];
    bytes.extend([7; 12]);
    bytes.extend([0, 6, 0, 3, b'a', b':', b'b', 0]);
    bytes
}

/// A DTLS 1.2 ClientHello that offers TLS_NULL_WITH_NULL_NULL only (CVE-2023-51443).
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0xFE, 0xFD];
    hello.extend([0x5A; 32]);
    hello.extend([0, 0, 0, 2, 0, 0, 1, 0]);
    let length = [0, 0, hello.len() as u8];
    let mut message = vec![1];
    message.extend(length);
    message.extend([0, 0, 0, 0, 0]);
    message.extend(length);
    message.extend(hello);
    let mut record = vec![22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend((message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}

fn control() -> Vec<u8> {
    let mut bytes = Vec::new();
    Compound {
        ssrc: 5,
        sender: None,
        block: None,
        name: "somebody",
        bye: true,
    }
    .write(&mut bytes);
    bytes
}

/// Counts what a recording would hear.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<(Party, u8)>>>);

impl Tap for Ear {
    fn hear(&mut self, party: Party, _: Law, payload: &[u8], _: Mono) {
        let first = payload.first().copied().unwrap_or_default();
        self.0.lock().unwrap().push((party, first));
    }
    fn pause(&mut self, _: bool, _: Mono) {}
    fn finish(self: Box<Self>, _: Mono) {}
}

#[test]
fn a_spray_over_all_ports_gets_no_byte_back_and_moves_no_call() {
    let site = Site::new(32);
    let customers: Vec<UdpSocket> = (0..16).map(|_| far(CARRIER)).collect();
    for (n, customer) in customers.iter().enumerate() {
        site.leg(LegId::Call(AttemptId(n as u64 + 1)), customer);
    }
    until("all legs speak", || site.plane.counters().packets_sent > 32);
    let stranger = far(STRANGER);
    let (first, last) = site.ports;
    let browsers = site.agent_port().port();
    for port in (first..=last).chain([browsers]) {
        for bytes in [
            vec![0x80, 0, 0, 1],
            rtp(7, 1, 0x55),
            control(),
            stun(),
            client_hello(),
        ] {
            stranger.send_to(&bytes, (CARRIER, port)).unwrap();
        }
    }
    until("every open leg has refused what it got", || {
        site.plane.counters().foreign_packets >= 16
    });
    until("and the browsers' port too", || {
        site.plane.counters().agent_foreign_datagrams >= 4
    });
    let sent = site.plane.counters().packets_sent;
    until("the calls go on", || {
        site.plane.counters().packets_sent > sent + 64
    });
    assert!(
        stranger.recv_from(&mut [0; 64]).is_err(),
        "a byte came back"
    );
    assert_eq!(site.plane.counters().packets_received, 0);
    for customer in &customers {
        assert!(customer.recv_from(&mut [0; 512]).is_ok());
    }
}

#[test]
fn a_hundred_thousand_forged_packets_are_neither_forwarded_nor_recorded() {
    let site = Site::new(2);
    let customer = far(CARRIER);
    let mut browser = site.connected(AGENT);
    let port = site.leg(LegId::Call(CALL), &customer);
    let ear = Ear::default();
    site.plane.bridge(CALL, AGENT);
    assert!(site.plane.record(CALL, Box::new(ear.clone())));
    // A true word each way first: the latch and the session are set.
    let mut true_sent = 0_u16;
    let mut from_customer = 0;
    until("both hear each other", || {
        customer.send_to(&rtp(3, true_sent, 0x11), port).unwrap();
        true_sent += 1;
        browser.speak(&[0x22; 160], &mut |_| {});
        browser.turn(&mut [0; 2_048], &mut |packet| {
            from_customer += u64::from(packet.payload.first() == Some(&0x11));
        });
        from_customer > 0 && heard(&customer, 0x22) > 0
    });
    // From the browser's own address: SRTP of another key, and plain RTP. From elsewhere: RTP on the trunk's leg.
    let mut sealer = Sealer::new(Suite::Sha1Tag80, &MasterKey::new([9; 30])).unwrap();
    let stranger = far(STRANGER);
    let agent_port = site.agent_port();
    let mut to_browser = 0;
    let before = site.plane.counters().agent_datagrams;
    for n in 0..50_000_u32 {
        let mut forged = rtp(0xBAD, n as u16, 0x66);
        if n % 2 == 0 {
            sealer.seal(&mut forged).unwrap();
        }
        let _ = browser.socket.send_to(&forged, agent_port);
        let _ = stranger.send_to(&rtp(3, n as u16, 0x66), port);
        if n % 16 == 15 {
            // Not faster than it is read: what the kernel drops proves nothing.
            until("it is read", || {
                let counters = site.plane.counters();
                counters.foreign_packets > u64::from(n)
                    && counters.agent_datagrams > before + u64::from(n)
            });
            browser.turn(&mut [0; 2_048], &mut |packet| {
                to_browser += u64::from(packet.payload.contains(&0x66));
            });
        }
    }
    until("all are refused", || {
        site.plane.counters().foreign_packets == 50_000
    });
    assert_eq!(heard(&customer, 0x66), 0, "forwarded to the customer");
    assert_eq!(to_browser, 0, "forwarded to the agent");
    let recorded = ear.0.lock().unwrap().clone();
    assert!(
        recorded
            .iter()
            .any(|(party, first)| (*party, *first) == (Party::Customer, 0x11))
    );
    assert!(recorded.iter().all(|(_, first)| *first != 0x66), "recorded");
    // And the true ones still pass, both ways.
    from_customer = 0;
    until("both still hear each other", || {
        customer.send_to(&rtp(3, true_sent, 0x11), port).unwrap();
        true_sent += 1;
        browser.speak(&[0x22; 160], &mut |_| {});
        browser.turn(&mut [0; 2_048], &mut |packet| {
            from_customer += u64::from(packet.payload.first() == Some(&0x11));
        });
        from_customer > 0 && heard(&customer, 0x22) > 0
    });
}

#[test]
fn a_supervisor_hears_both_sides_and_is_heard_by_whom_the_mode_says() {
    let site = Site::new(2);
    let customer = far(CARRIER);
    let mut agent = site.connected(AGENT);
    let port = site.leg(LegId::Call(CALL), &customer);
    site.plane.bridge(CALL, AGENT);
    let (ear, (mut supervisor, sdp)) =
        (EarId(1), BrowserEnd::offer(CARRIER, certificate()).unwrap());
    let (answered, answer) = channel();
    let answer_to = Box::new(move |sdp| {
        let _ = answered.send(sdp);
    });
    site.plane
        .ear_open(ear, AGENT, EarMode::Listen, sdp, answer_to);
    let answer = answer
        .recv_timeout(Duration::from_secs(20))
        .unwrap()
        .unwrap();
    supervisor.answered(&answer).unwrap();
    // Levels that add up to levels of their own: 1,000 from the customer, 2,000 from the agent, 4,000 from the supervisor.
    let code = |level: i16| encode_pcmu(level);
    let level = |payload: &[u8]| {
        payload
            .get(80)
            .map_or(0, |code| i32::from(decode_pcmu(*code)))
    };
    let near = |seen: i32, want: i32| (seen - want).abs() < 300;
    let mut sequence = 0;
    let mut turn = |says: bool, ears: &mut [bool; 3], wants: [i32; 3]| {
        sequence += 1;
        customer
            .send_to(&rtp(3, sequence, code(1_000)), port)
            .unwrap();
        agent.speak(&[code(2_000); 160], &mut |_| {});
        if says {
            supervisor.speak(&[code(4_000); 160], &mut |_| {});
        }
        let mut buffer = [0; 2_048];
        supervisor.turn(&mut buffer, &mut |packet| {
            ears[0] |= near(level(&packet.payload), wants[0])
        });
        agent.turn(&mut buffer, &mut |packet| {
            ears[1] |= near(level(&packet.payload), wants[1])
        });
        while let Ok((length, _)) = customer.recv_from(&mut buffer) {
            ears[2] |= near(level(&buffer[12..length]), wants[2]);
        }
        std::thread::sleep(Duration::from_millis(15));
    };
    // Listening: 3,000 in the ear, and what he says goes nowhere.
    let mut heard = [false; 3];
    until("he hears both", || {
        turn(true, &mut heard, [3_000, 5_000, 6_000]);
        heard[0]
    });
    assert_eq!(heard, [true, false, false], "a listener was heard");
    site.plane.ear_mode(ear, EarMode::Whisper);
    let mut heard = [false; 3];
    until("the agent hears him", || {
        turn(true, &mut heard, [3_000, 5_000, 6_000]);
        heard[1]
    });
    assert!(!heard[2], "a whisper reached the customer");
    site.plane.ear_mode(ear, EarMode::Barge);
    let mut heard = [false; 3];
    until("both hear him", || {
        turn(true, &mut heard, [3_000, 5_000, 6_000]);
        heard[1] && heard[2]
    });
    // The recording is paused: nobody listens. What was on its way has passed after a while.
    site.plane.pause_recording(CALL, true);
    let mut heard = [false; 3];
    let mut quiet = 0;
    until("the ear is silent", || {
        heard[0] = false;
        turn(false, &mut heard, [3_000, 5_000, 6_000]);
        quiet = if heard[0] { 0 } else { quiet + 1 };
        quiet > 20
    });
    site.plane.ear_close(ear);
}

#[test]
fn a_foreign_client_hello_before_the_true_one_stops_no_handshake() {
    let site = Site::new(2);
    let stranger = far(STRANGER);
    // From the browser's own host too: another port of it is nobody that ICE knows.
    let neighbour = far(CARRIER);
    for round in 0..100 {
        let mut browser = site.browser(AgentId(round + 1));
        for race in [&stranger, &neighbour] {
            race.send_to(&client_hello(), site.agent_port()).unwrap();
        }
        until("the true browser is connected", || {
            browser.turn(&mut [0; 2_048], &mut |_| {});
            browser.is_connected
        });
        site.plane.gone(AgentId(round + 1));
    }
    until("the foreign ones were dropped", || {
        site.plane.counters().agent_foreign_datagrams >= 200
    });
    for race in [&stranger, &neighbour] {
        assert!(race.recv_from(&mut [0; 64]).is_err(), "a byte came back");
    }
}

#[test]
fn a_browser_of_another_certificate_than_it_offered_gets_no_sound_through() {
    let site = Site::new(2);
    let customer = far(CARRIER);
    let port = site.leg(LegId::Call(CALL), &customer);
    let (mut browser, sdp) = BrowserEnd::offer(CARRIER, certificate()).unwrap();
    let line = sdp
        .lines()
        .find(|line| line.starts_with("a=fingerprint:"))
        .unwrap();
    let other = "a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
    let answer = site.offer(AGENT, sdp.replace(line.trim_end(), other));
    browser.answered(&answer).unwrap();
    site.plane.bridge(CALL, AGENT);
    let mut from_customer = 0;
    // Until the handshake has gone back and forth and been given up, or is plainly going nowhere.
    for n in 0..600_u16 {
        customer.send_to(&rtp(3, n, 0x11), port).unwrap();
        browser.speak(&[0x22; 160], &mut |_| {});
        browser.turn(&mut [0; 2_048], &mut |packet| {
            from_customer += u64::from(packet.payload.first() == Some(&0x11));
        });
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(site.plane.counters().agent_datagrams > 0, "it never tried");
    assert_eq!(from_customer, 0, "heard by who is not who he said");
    assert_eq!(
        heard(&customer, 0x22),
        0,
        "heard from who is not who he said"
    );
    // The true owner of the name is not locked out.
    let mut true_one = site.connected(AGENT);
    let mut sequence = 1_000;
    until("the true browser is heard", || {
        sequence += 1;
        customer.send_to(&rtp(3, sequence, 0x11), port).unwrap();
        true_one.speak(&[0x22; 160], &mut |_| {});
        true_one.turn(&mut [0; 2_048], &mut |_| {});
        heard(&customer, 0x22) > 0
    });
}

#[test]
fn a_flood_on_one_call_takes_no_packet_from_another() {
    let site = Site::new(4);
    let (customer, telephone) = (far(CARRIER), far(CARRIER));
    let port = site.leg(LegId::Call(CALL), &customer);
    site.leg(LegId::Phone(AGENT), &telephone);
    let victim = far(CARRIER);
    let flooded = site.leg(LegId::Call(AttemptId(2)), &victim);
    let ear = Ear::default();
    site.plane.bridge(CALL, AGENT);
    site.plane.record(CALL, Box::new(ear.clone()));
    // Half from the flooded call's own far side, half from a stranger: both kinds cost the thread something.
    let sent = AtomicU64::new(0);
    let over = std::sync::atomic::AtomicBool::new(false);
    let mut arrived = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let stranger = far(STRANGER);
            while !over.load(Ordering::Acquire) {
                for n in 0..256_u16 {
                    let _ = victim.send_to(&rtp(8, n, 0x77), flooded);
                    let _ = stranger.send_to(&rtp(8, n, 0x77), flooded);
                }
                sent.fetch_add(512, Ordering::Relaxed);
            }
        });
        for n in 0..300_u16 {
            customer.send_to(&rtp(3, n, 0x11), port).unwrap();
            arrived += heard(&telephone, 0x11);
            std::thread::sleep(Duration::from_millis(5));
        }
        let limit = Instant::now() + Duration::from_secs(20);
        while arrived < 300 && Instant::now() < limit {
            arrived += heard(&telephone, 0x11);
        }
        over.store(true, Ordering::Release);
    });
    assert!(sent.load(Ordering::Relaxed) > 10_000, "no flood");
    assert_eq!(arrived, 300, "packets of the other call");
    let recorded = ear.0.lock().unwrap();
    let customers = recorded
        .iter()
        .filter(|(party, first)| (*party, *first) == (Party::Customer, 0x11));
    assert_eq!(customers.count(), 300, "of its recording");
}

#[test]
fn a_million_malformed_packets_make_nothing_fall() {
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    // Most of them straight into what reads them: no kernel can lose one.
    let mut opener = Opener::new(Suite::Sha1Tag80, &MasterKey::new([9; 30])).unwrap();
    let mut reception = Reception::default();
    let mut reports = Reports::new(Mono::default(), [1; 16]);
    let mut keys = KeyReceiver::default();
    let (voice, report) = (rtp(7, 1, 0x55), control());
    for n in 0..300_000_u64 {
        let now = Mono::from_millis(n);
        let mut bytes = chance.spoil(&voice);
        if let Ok(packet) = RtpPacket::parse(&bytes) {
            reception.receive(&packet, now);
            keys.receive(packet.ssrc, packet.timestamp, packet.payload, |_| {});
        }
        assert!(opener.open(&mut bytes).is_err());
        let mut bytes = chance.spoil(&report);
        let _ = reports.receive(&bytes, 7, now, UnixMs(0));
        assert!(opener.open_control(&mut bytes).is_err());
    }
    // The rest over the wire, from those whose packets are looked at longest: the carrier's host and the browser itself.
    let site = Site::new(2);
    let customer = far(CARRIER);
    let mut browser = site.connected(AGENT);
    let port = site.leg(LegId::Call(CALL), &customer);
    let control_port = SocketAddr::new(port.ip(), port.port() + 1);
    site.plane.bridge(CALL, AGENT);
    customer.send_to(&rtp(3, 1, 0x11), port).unwrap();
    let of_browsers = [stun(), client_hello(), rtp(3, 9, 0x66), report.clone()];
    for n in 0..50_000_u64 {
        let _ = customer.send_to(&chance.spoil(&voice), port);
        let _ = customer.send_to(&chance.spoil(&report), port);
        let _ = customer.send_to(&chance.spoil(&report), control_port);
        for packet in of_browsers.iter().skip(n as usize % 4).take(1) {
            let _ = browser
                .socket
                .send_to(&chance.spoil(packet), site.agent_port());
        }
        if n % 64 == 0 {
            browser.turn(&mut [0; 2_048], &mut |_| {});
        }
    }
    assert_eq!(
        site.plane.counters().threads_restarted,
        0,
        "the thread fell"
    );
    let (mut sequence, mut from_customer) = (2_000, 0);
    until("the call goes on, both ways", || {
        sequence += 1;
        customer.send_to(&rtp(3, sequence, 0x11), port).unwrap();
        browser.speak(&[0x22; 160], &mut |_| {});
        browser.turn(&mut [0; 2_048], &mut |packet| {
            from_customer += u64::from(packet.payload.first() == Some(&0x11));
        });
        from_customer > 0 && heard(&customer, 0x22) > 0
    });
    assert!(site.plane.is_running());
}
