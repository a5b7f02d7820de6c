//! What a leg's line does over real loopback sockets: control, keys, prompts, hold, protection, silence.

use super::tests::{TRUNK, far_end, path, plane, rtp, until};
use super::*;
use crate::core::input::Input;
use crate::shell::lanes::FloorInbox;
use crate::time::UnixMs;
use crate::wire::media::keys::KeyReceiver;
use crate::wire::media::law::is_loud;
use crate::wire::media::outgoing::Outgoing;
use crate::wire::media::reception::Reception;
use crate::wire::media::reports::Reports;
use crate::wire::media::rtcp::{Item, read};
use crate::wire::media::rtp::RtpPacket;
use crate::wire::media::srtp::{MasterKey, Opener, Sealer, Suite};
use crate::wire::media::{PCMA, PCMU, comfort_noise};
use crate::wire::sip::sdp::{Direction, Law};
use std::net::UdpSocket as StdSocket;

const CALL: LegId = LegId::Call(AttemptId(1));
const AGENT: AgentId = AgentId(9);

/// A customer's side with an even port and the one above it.
struct Customer {
    voice: StdSocket,
    control: StdSocket,
    address: SocketAddr,
}

impl Customer {
    fn new() -> Customer {
        loop {
            let (voice, address) = far_end("127.0.0.1");
            let above = (address.ip(), address.port().wrapping_add(1));
            if let Ok(control) = StdSocket::bind(above) {
                let wait = Some(std::time::Duration::from_secs(20));
                control.set_read_timeout(wait).unwrap();
                return Customer {
                    voice,
                    control,
                    address,
                };
            }
        }
    }

    /// An answered call to it; the plane's port.
    fn answer(&self, plane: &MediaPlane, change: impl FnOnce(&mut AudioPath)) -> u16 {
        let port = plane.reserve(CALL).unwrap();
        let mut path = path(self.address, PCMU);
        path.telephone_event = Some(96);
        change(&mut path);
        plane.remote(CALL, Some(TRUNK), &path, true);
        port
    }

    /// The next packet's payload type, timestamp and payload.
    fn hear(&self) -> (u8, u32, Vec<u8>) {
        let mut bytes = [0; 512];
        let (length, _) = self.voice.recv_from(&mut bytes).expect("a packet");
        let packet = RtpPacket::parse(&bytes[..length]).unwrap();
        (
            packet.payload_type,
            packet.timestamp,
            packet.payload.to_vec(),
        )
    }
}

fn told(inbox: &FloorInbox, wanted: &Input) {
    until("the floor is told", || {
        inbox.urgent.try_iter().any(|input| input == *wanted)
    });
}

#[test]
fn both_sides_report_and_the_round_trip_is_in_the_record() {
    let (plane, _inbox) = plane(1);
    let customer = Customer::new();
    let port = customer.answer(&plane, |_| {});
    let clock = Clock::new();
    let (mut reports, mut reception) = (Reports::new(clock.mono(), [7; 16]), Reception::default());
    let stream = Outgoing::new([9; 10]);
    // What they send us, we count; what we send, they count.
    for sequence in 0..30 {
        customer
            .voice
            .send_to(&rtp(sequence), ("127.0.0.1", port))
            .unwrap();
    }
    let mut bytes = [0; 1_500];
    let mut ours = None;
    for _ in 0..5 {
        let (length, _) = customer.voice.recv_from(&mut bytes).unwrap();
        let packet = RtpPacket::parse(&bytes[..length]).unwrap();
        ours = Some(packet.ssrc);
        reception.receive(&packet, clock.mono());
    }
    let (length, source) = customer.control.recv_from(&mut bytes).expect("our report");
    assert_eq!(source.port(), port + 1);
    let mut heard = (false, 0);
    read(&bytes[..length], |item| match item {
        Item::Sender(ssrc, info) => heard.0 = Some(ssrc) == ours && info.packets > 0,
        Item::Block(_, block) => heard.1 = block.highest,
        _ => {}
    })
    .unwrap();
    assert_eq!(heard, (true, 29), "our stream, and how we receive theirs");
    reports
        .receive(&bytes[..length], 0, clock.mono(), UnixMs(0))
        .unwrap();
    let mut answer = Vec::new();
    let figures = (&stream, &reception);
    reports.report(clock.mono(), UnixMs(0), figures, 0, false, &mut answer);
    customer
        .control
        .send_to(&answer, ("127.0.0.1", port + 1))
        .unwrap();
    until("their report is read", || {
        plane.counters().control_received == 1
    });
    // A stranger's report is not believed.
    let (stranger, _) = far_end("127.0.0.77");
    stranger.send_to(&answer, ("127.0.0.1", port + 1)).unwrap();
    until("it is foreign", || plane.counters().foreign_packets == 1);
    plane.release(CALL);
    until("it is closed", || plane.counters().legs_closed == 1);
    let report = plane.reports().try_recv().unwrap();
    assert_eq!(report.line.far.reports, 1);
    assert!(
        report
            .line
            .far
            .round_trip_us
            .is_some_and(|us| us < 10_000_000)
    );
    let sound = sound(&report);
    assert_eq!(sound.inward.packets, 30);
    assert!(sound.inward.mos_hundredths.is_some_and(|score| score > 400));
    // The last word is a goodbye.
    let mut left = false;
    while !left {
        let (length, _) = customer.control.recv_from(&mut bytes).expect("a goodbye");
        read(&bytes[..length], |item| {
            left |= matches!(item, Item::Bye(_))
        })
        .unwrap();
    }
}

#[test]
fn keys_of_the_agent_reach_the_customer_as_events() {
    let (plane, _inbox) = plane(1);
    let customer = Customer::new();
    customer.answer(&plane, |_| {});
    customer.hear();
    plane.keys(AttemptId(1), "12#");
    let (mut receiver, mut keys) = (KeyReceiver::default(), String::new());
    while keys.len() < 3 {
        let (payload_type, timestamp, payload) = customer.hear();
        if payload_type == 96 {
            receiver.receive(1, timestamp, &payload, |key| keys.push(key.letter()));
        }
    }
    assert_eq!(keys, "12#");
    plane.keys(AttemptId(1), "no keys");
    until("they are refused", || plane.counters().keys_refused == 1);
}

#[test]
fn a_customer_without_events_hears_the_tones() {
    let (plane, _inbox) = plane(1);
    let customer = Customer::new();
    customer.answer(&plane, |path| path.telephone_event = None);
    customer.hear();
    plane.keys(AttemptId(1), "5");
    let loud = std::iter::repeat_with(|| customer.hear())
        .skip_while(|(_, _, payload)| payload == comfort_noise(PCMU))
        .take_while(|(_, _, payload)| payload != comfort_noise(PCMU))
        .count();
    assert_eq!(loud, 5, "100 ms");
}

#[test]
fn keys_of_the_customer_are_counted_and_no_sound() {
    let (plane, _inbox) = plane(1);
    let customer = Customer::new();
    let port = customer.answer(&plane, |_| {});
    until("the leg is open", || plane.counters().legs_opened == 1);
    let mut bytes = Vec::new();
    for (sequence, end) in [(1, 0), (2, 0x80), (3, 0x80), (4, 0x80)] {
        RtpPacket {
            marker: sequence == 1,
            payload_type: 96,
            sequence,
            timestamp: 800,
            ssrc: 5,
            contributors: 0,
            payload: &[4, end | 10, 3, 32],
        }
        .write(&mut bytes);
        customer.voice.send_to(&bytes, ("127.0.0.1", port)).unwrap();
    }
    until("all are there", || plane.counters().packets_received == 4);
    plane.release(CALL);
    until("it is closed", || plane.counters().legs_closed == 1);
    let report = plane.reports().try_recv().unwrap();
    assert_eq!(report.line.keys, 1);
}

#[test]
fn a_prompt_is_played_once_frame_by_frame_and_its_end_is_told() {
    let (plane, inbox) = plane(1);
    let customer = Customer::new();
    customer.answer(&plane, |path| path.law = Law::A);
    customer.hear();
    let name = PromptName("recording-notice.wav".to_owned());
    assert!(plane.announce(AttemptId(1), &name));
    assert!(!plane.announce(AttemptId(1), &PromptName("none.wav".to_owned())));
    let prompt = plane.prompts().get("recording-notice.wav").unwrap();
    let first = prompt.frame(Law::A, 0).unwrap();
    // The first frames are silence before the speech; from the first loud one on, each is the next.
    let begin = (0..)
        .find(|n| is_loud(Law::A, prompt.frame(Law::A, *n).unwrap()))
        .unwrap();
    assert!(!is_loud(Law::A, first));
    let mut heard = customer.hear();
    while !is_loud(Law::A, &heard.2) {
        assert_eq!(heard.0, PCMA);
        heard = customer.hear();
    }
    for n in begin..begin + 40 {
        assert_eq!(heard.2, prompt.frame(Law::A, n).unwrap(), "frame {n}");
        heard = customer.hear();
    }
    told(&inbox, &Input::Announced(AttemptId(1)));
}

#[test]
fn a_customer_on_hold_hears_music_and_not_the_agent() {
    let (plane, _inbox) = plane(1);
    let customer = Customer::new();
    customer.answer(&plane, |_| {});
    plane.bridge(AttemptId(1), AGENT);
    plane.hold(AttemptId(1), true);
    let music = plane.prompts().get("hold-music.wav").unwrap();
    let mut heard = customer.hear().2;
    while !is_loud(Law::Mu, &heard) {
        heard = customer.hear().2;
    }
    assert!((0..200).any(|n| music.looped(Law::Mu, n)[..] == heard[..]));
    plane.hold(AttemptId(1), false);
    until("it is silent again", || {
        customer.hear().2 == comfort_noise(PCMU)
    });
}

#[test]
fn a_far_side_that_holds_us_gets_nothing_until_it_is_back() {
    let (plane, _inbox) = plane(1);
    let customer = Customer::new();
    customer.answer(&plane, |_| {});
    customer.hear();
    let mut held = path(customer.address, PCMU);
    held.direction = Direction::Inactive;
    plane.remote(CALL, Some(TRUNK), &held, true);
    let mut sent = u64::MAX;
    until("it is silent", || {
        let now = plane.counters().packets_sent;
        std::thread::sleep(std::time::Duration::from_millis(60));
        std::mem::replace(&mut sent, now) == now && plane.counters().packets_sent == now
    });
    plane.remote(CALL, Some(TRUNK), &path(customer.address, PCMU), true);
    until("it hears us again", || plane.counters().packets_sent > sent);
}

#[test]
fn a_trunk_that_is_down_and_silent_loses_its_call_and_one_that_holds_does_not() {
    let (plane, inbox) = plane(2);
    let (customer, holding) = (Customer::new(), Customer::new());
    customer.answer(&plane, |_| {});
    let other = LegId::Call(AttemptId(2));
    plane.reserve(other).unwrap();
    let mut held = path(holding.address, PCMU);
    held.direction = Direction::SendOnly;
    plane.remote(other, Some(TRUNK), &held, true);
    plane.trunk_up(TRUNK, false);
    told(&inbox, &Input::MediaLost(AttemptId(1)));
    let counters = plane.counters();
    assert_eq!((counters.silence_alarms, counters.media_lost), (1, 1));
}

fn secured() -> (SrtpKeys, Sealer, Opener) {
    let (ours, theirs) = (MasterKey::new([1; 30]), MasterKey::new([2; 30]));
    let (long, short) = (Suite::Sha1Tag80, Suite::Sha1Tag32);
    let sealer = Sealer::new(short, &theirs).unwrap();
    let opener = Opener::new(long, &ours).unwrap();
    let keys = SrtpKeys {
        our_suite: long,
        ours,
        their_suite: short,
        theirs,
    };
    (keys, sealer, opener)
}

#[test]
fn a_protected_leg_speaks_and_believes_srtp_only() {
    let (plane, _inbox) = plane(1);
    let customer = Customer::new();
    let (keys, mut sealer, mut opener) = secured();
    let port = plane.reserve(CALL).unwrap();
    plane.secure(CALL, keys.clone());
    plane.remote(CALL, Some(TRUNK), &path(customer.address, PCMU), true);
    let mut bytes = [0; 1_500];
    for n in 0..5 {
        let (length, _) = customer.voice.recv_from(&mut bytes).unwrap();
        assert_ne!(bytes[12..172], comfort_noise(PCMU)[..], "in the clear");
        let opened = opener
            .open(&mut bytes[..length])
            .expect("sealed with our key");
        assert_eq!(bytes[12..opened], comfort_noise(PCMU)[..]);
        if n == 2 {
            // The same description again: the counters go on.
            plane.secure(CALL, keys.clone());
        }
    }
    let (length, _) = customer.control.recv_from(&mut bytes).unwrap();
    let opened = opener.open_control(&mut bytes[..length]).expect("SRTCP");
    assert!(read(&bytes[..opened], |_| {}).is_ok());
    // Theirs: one sealed, the same once more, one in the clear, one forged.
    let mut packet = rtp(7);
    sealer.seal(&mut packet).unwrap();
    let mut forged = rtp(8);
    sealer.seal(&mut forged).unwrap();
    forged[20] ^= 1;
    for bytes in [&packet, &packet, &rtp(9), &forged] {
        customer.voice.send_to(bytes, ("127.0.0.1", port)).unwrap();
    }
    until("three are refused", || plane.counters().forged_packets == 3);
    assert_eq!(plane.counters().packets_received, 1);
}
