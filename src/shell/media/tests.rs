//! The media plane over real loopback sockets, driven as SIP and the floor drive it.

use super::*;
use crate::core::input::Input;
use crate::core::settings::TrunkSettings;
use crate::shell::lanes::{FloorInbox, floor_lanes};
use crate::wire::media::rtp::RtpPacket;
use crate::wire::media::{PCMA, PCMU, comfort_noise};
use crate::wire::sip::sdp::{AudioPath, Direction, Law};
use std::net::UdpSocket as StdSocket;
use std::time::{Duration, Instant};

pub(super) const TRUNK: TrunkId = TrunkId(0);

fn trunk() -> TrunkConfig {
    TrunkConfig {
        settings: TrunkSettings {
            name: "loopback".to_owned(),
            channels_max: 10,
            cps_max: 10,
            priority: 1,
            failover_on_silence: false,
        },
        address: "127.0.0.1:5060".parse().unwrap(),
        transport: crate::config::Transport::Udp,
        domain: None,
        username: None,
        password: None,
        realms: Vec::new(),
        signalling_ranges: Vec::new(),
        media_ranges: vec![
            "127.0.0.1/32".parse().unwrap(),
            "127.0.0.8/29".parse().unwrap(),
        ],
        keep_alive: Duration::from_secs(10),
        asks_digest: false,
        srtp: Default::default(),
    }
}

/// What an SDP of the far end says.
pub(super) fn path(remote: SocketAddr, payload_type: u8) -> AudioPath {
    AudioPath {
        remote: Some(remote),
        law: if payload_type == PCMA {
            Law::A
        } else {
            Law::Mu
        },
        telephone_event: None,
        direction: Direction::SendRecv,
    }
}

/// A plane on some free range of `pairs` call ports.
pub(super) fn plane(pairs: u16) -> (Arc<MediaPlane>, FloorInbox) {
    let (floor, inbox) = floor_lanes(64, 64);
    (plane_with(pairs, floor), inbox)
}

fn plane_with(pairs: u16, floor: FloorLane) -> Arc<MediaPlane> {
    plane_of(pairs, 1, floor)
}

/// The same with so many threads.
pub(super) fn plane_of(pairs: u16, threads: u16, floor: FloorLane) -> Arc<MediaPlane> {
    loop {
        let probe = StdSocket::bind("127.0.0.1:0").unwrap();
        let first = probe.local_addr().unwrap().port() & !1;
        drop(probe);
        let Some(last) = first.checked_add(pairs * 2 - 1) else {
            continue;
        };
        let config = MediaConfig {
            listen: "127.0.0.1".parse().unwrap(),
            ports: (first, last),
            threads,
            agent_port: 0,
            agent_addresses: Vec::new(),
            ice_servers: Vec::new(),
            prompts_dir: Some(
                std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts"),
            ),
        };
        if let Ok(plane) = spawn(&config, &[trunk()], Clock::new(), floor.clone()) {
            return plane;
        }
    }
}

pub(super) fn far_end(host: &str) -> (StdSocket, SocketAddr) {
    let socket = StdSocket::bind((host, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Polls until `done`, with a generous limit: a busy machine is slow, not wrong.
pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < limit, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(super) fn rtp(sequence: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    RtpPacket {
        marker: false,
        payload_type: PCMU,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: 99,
        contributors: 0,
        payload: &[0x55; 160],
    }
    .write(&mut bytes);
    bytes
}

#[test]
fn an_answered_leg_sends_comfort_noise_without_a_hole() {
    let (plane, _inbox) = plane(2);
    for (attempt, payload_type) in [(AttemptId(1), PCMU), (AttemptId(2), PCMA)] {
        let (far, address) = far_end("127.0.0.1");
        let port = plane.reserve(LegId::Call(attempt)).unwrap();
        plane.remote(
            LegId::Call(attempt),
            Some(TRUNK),
            &path(address, payload_type),
            true,
        );
        let mut sequence = None;
        for _ in 0..10 {
            let mut bytes = [0; 512];
            let (length, source) = far.recv_from(&mut bytes).unwrap();
            let packet = RtpPacket::parse(&bytes[..length]).unwrap();
            assert_eq!(source.port(), port);
            assert_eq!(packet.payload, comfort_noise(payload_type));
            assert_eq!(packet.payload_type, payload_type);
            let (next, time): (u16, u32) = (packet.sequence, packet.timestamp);
            if let Some((last, at)) = sequence {
                assert_eq!(next, u16::wrapping_add(last, 1));
                // Whole frames: on a machine that stalled, time may go on by more than one.
                let passed = time.wrapping_sub(at);
                assert!(passed > 0 && passed.is_multiple_of(160), "{passed}");
            }
            sequence = Some((next, time));
        }
        plane.release(LegId::Call(attempt));
    }
    plane.shutdown();
    let reports: Vec<_> = plane.reports().try_iter().collect();
    let counters = plane.counters();
    assert_eq!(counters.bytes_sent, counters.packets_sent * 160);
    assert!(reports.iter().all(|report| report.sent_packets >= 10));
}

#[test]
fn early_media_is_counted_and_nothing_is_sent_before_the_answer() {
    let (plane, _inbox) = plane(1);
    let (far, address) = far_end("127.0.0.1");
    let port = plane.reserve(LegId::Call(AttemptId(1))).unwrap();
    plane.remote(
        LegId::Call(AttemptId(1)),
        Some(TRUNK),
        &path(address, PCMU),
        false,
    );
    until("the leg is open", || plane.counters().legs_opened == 1);
    for sequence in 0..20 {
        far.send_to(&rtp(sequence), ("127.0.0.1", port)).unwrap();
    }
    until("all are counted", || {
        plane.counters().packets_received == 20
    });
    assert_eq!(plane.counters().early_packets_received, 20);
    assert_eq!(plane.counters().packets_sent, 0);
    plane.release(LegId::Call(AttemptId(1)));
    until("it is closed", || plane.counters().legs_closed == 1);
    let report = plane.reports().try_recv().unwrap();
    assert_eq!((report.attempt, report.early_packets), (AttemptId(1), 20));
    assert_eq!((report.received.packets, report.received.lost), (20, 0));
}

#[test]
fn packets_from_elsewhere_are_dropped_and_get_no_answer() {
    let (plane, _inbox) = plane(1);
    let (far, address) = far_end("127.0.0.1");
    let (stranger, _) = far_end("127.0.0.77");
    let port = plane.reserve(LegId::Call(AttemptId(1))).unwrap();
    // The stranger is first: it must not take the latch.
    stranger.send_to(&rtp(1), ("127.0.0.1", port)).unwrap();
    until("the stranger is refused", || {
        plane.counters().foreign_packets == 1
    });
    plane.remote(
        LegId::Call(AttemptId(1)),
        Some(TRUNK),
        &path(address, PCMU),
        true,
    );
    far.send_to(&rtp(1), ("127.0.0.1", port)).unwrap();
    until("the far end is heard", || {
        plane.counters().packets_received == 1
    });
    for bytes in [rtp(2), vec![0x80, 0, 0, 1], vec![0; 1_500], vec![]] {
        stranger.send_to(&bytes, ("127.0.0.1", port)).unwrap();
    }
    until("all are refused", || {
        let counters = plane.counters();
        counters.foreign_packets == 2 && counters.malformed_packets == 3
    });
    until("the far end gets its frames", || {
        plane.counters().packets_sent > 10
    });
    assert_eq!(plane.counters().packets_received, 1);
    stranger.set_nonblocking(true).unwrap();
    assert!(
        stranger.recv_from(&mut [0; 64]).is_err(),
        "a stranger got a packet"
    );
}

#[test]
fn the_stream_follows_the_carrier_to_another_host_of_its_ranges_once() {
    let (plane, _inbox) = plane(1);
    let (first, address) = far_end("127.0.0.1");
    let (gateway, gateway_address) = far_end("127.0.0.9");
    let port = plane.reserve(LegId::Call(AttemptId(1))).unwrap();
    plane.remote(
        LegId::Call(AttemptId(1)),
        Some(TRUNK),
        &path(address, PCMU),
        true,
    );
    // Before the latch, the SDP's address is served.
    assert!(first.recv_from(&mut [0; 512]).is_ok());
    gateway.send_to(&rtp(1), ("127.0.0.1", port)).unwrap();
    assert!(
        gateway.recv_from(&mut [0; 512]).is_ok(),
        "{gateway_address}"
    );
    // The latch is closed: also the SDP's own address comes too late.
    first.send_to(&rtp(1), ("127.0.0.1", port)).unwrap();
    until("the late one is foreign", || {
        plane.counters().foreign_packets == 1
    });
}

#[test]
fn a_range_that_is_added_is_heard_from_the_next_packet_on() {
    let (plane, _inbox) = plane(1);
    let (_, address) = far_end("127.0.0.1");
    let (new, _) = far_end("127.0.0.77");
    let port = plane.reserve(LegId::Call(AttemptId(1))).unwrap();
    plane.remote(
        LegId::Call(AttemptId(1)),
        Some(TRUNK),
        &path(address, PCMU),
        true,
    );
    new.send_to(&rtp(1), ("127.0.0.1", port)).unwrap();
    until("it is a stranger", || plane.counters().foreign_packets == 1);
    let mut edited = trunk();
    edited.media_ranges.push("127.0.0.77/32".parse().unwrap());
    plane.set_trunks(&[edited]);
    new.send_to(&rtp(2), ("127.0.0.1", port)).unwrap();
    until("it is the carrier", || {
        plane.counters().packets_received == 1
    });
}

#[test]
fn an_sdp_that_points_outside_the_ranges_gets_no_packet() {
    let (plane, _inbox) = plane(1);
    let (canary, address) = far_end("127.0.0.200");
    plane.reserve(LegId::Call(AttemptId(1))).unwrap();
    plane.remote(
        LegId::Call(AttemptId(1)),
        Some(TRUNK),
        &path(address, PCMU),
        true,
    );
    until("it is refused", || plane.counters().remotes_refused == 1);
    plane.release(LegId::Call(AttemptId(1)));
    until("it is closed", || plane.counters().legs_closed == 1);
    canary.set_nonblocking(true).unwrap();
    assert!(canary.recv_from(&mut [0; 64]).is_err());
    assert_eq!(plane.counters().packets_sent, 0);
}

#[test]
fn a_bridge_is_reported_to_the_floor_also_when_its_lane_was_full() {
    let (floor, inbox) = floor_lanes(1, 1);
    floor.urgent(Input::Wake).unwrap();
    let plane = plane_with(1, floor);
    let (_far, address) = far_end("127.0.0.1");
    plane.reserve(LegId::Call(AttemptId(7))).unwrap();
    plane.remote(
        LegId::Call(AttemptId(7)),
        Some(TRUNK),
        &path(address, PCMU),
        true,
    );
    plane.bridge(AttemptId(7), AgentId(3));
    until("the leg is joined", || plane.counters().bridges == 1);
    // The lane has held one input all the time; only now is there room.
    let wait = Duration::from_secs(30);
    assert_eq!(inbox.urgent.recv_timeout(wait).unwrap(), Input::Wake);
    assert_eq!(
        inbox.urgent.recv_timeout(wait).unwrap(),
        Input::Bridged(AttemptId(7))
    );
    plane.bridge(AttemptId(8), AgentId(3));
    assert_eq!(plane.counters().orders_without_leg, 1);
    plane.release(LegId::Call(AttemptId(7)));
    until("it is closed", || plane.counters().legs_closed == 1);
    assert!(plane.reports().try_recv().unwrap().bridged);
}

#[test]
fn a_port_is_given_once_per_attempt_and_comes_back() {
    let (plane, _inbox) = plane(2);
    let port = plane.reserve(LegId::Call(AttemptId(1))).unwrap();
    assert_eq!(plane.reserve(LegId::Call(AttemptId(1))), Some(port));
    assert!(plane.reserve(LegId::Call(AttemptId(2))).is_some());
    assert_eq!(plane.reserve(LegId::Call(AttemptId(3))), None);
    assert_eq!(plane.counters().reserve_refused, 1);
    plane.release(LegId::Call(AttemptId(1)));
    plane.release(LegId::Call(AttemptId(1)));
    until("the port is back", || plane.ports_available() == 1);
    assert_eq!(plane.reserve(LegId::Call(AttemptId(3))), Some(port));
}
