//! One leg's RTCP over time (RFC 3550 s.6): when a report is due, what it says of our stream and of theirs, and what theirs says of
//! us: round trip, their loss, their jitter. Told the time and its randomness; sends nothing itself.

use crate::time::{Mono, UnixMs};
use crate::wire::media::CLOCK_HZ;
use crate::wire::media::outgoing::Outgoing;
use crate::wire::media::reception::Reception;
use crate::wire::media::rtcp::{Compound, Item, ReportBlock, RtcpFault, SenderInfo, read};
use std::time::Duration;

/// Shortest mean time between two reports (s.6.2).
const INTERVAL_MS: u64 = 5_000;
/// Seconds from 1900 to 1970 (s.4).
const NTP_EPOCH_S: u64 = 2_208_988_800;
/// Longest round trip that is believed: beyond, the far side's clock or figures are wrong.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

/// What the far side says of the stream that it gets from us, and how far away it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FarView {
    /// Reports that had a block about our stream.
    pub reports: u64,
    /// Packets of ours that did not arrive there, since the begin; never negative.
    pub lost: u64,
    /// Highest share lost between two reports, in 256ths.
    pub fraction_lost_max: u8,
    /// Their latest interarrival jitter, in microseconds.
    pub jitter_us: u64,
    /// Latest round trip, in microseconds, if one could be measured.
    pub round_trip_us: Option<u64>,
    /// The far side said goodbye.
    pub left: bool,
}

/// One leg's reports.
#[derive(Clone, Debug)]
pub struct Reports {
    next: Mono,
    /// Canonical name, opaque (RFC 7022 s.4.2).
    name: String,
    /// Middle of their last sender report's NTP time, and when it came.
    last_report: Option<(u32, Mono)>,
    /// Expected and received at our last report, for the share lost since.
    before: (u64, u64),
    view: FarView,
}

impl Reports {
    /// A leg whose first report is due after about half an interval (s.6.2). `random`: for the name and the first wait.
    pub fn new(now: Mono, random: [u8; 16]) -> Self {
        let name = random[..12].iter().map(|byte| format!("{byte:02x}"));
        let mut reports = Reports {
            next: now,
            name: name.collect(),
            last_report: None,
            before: (0, 0),
            view: FarView::default(),
        };
        reports.schedule(
            now,
            INTERVAL_MS / 2,
            u16::from_be_bytes([random[12], random[13]]),
        );
        reports
    }

    /// When the next report is due.
    pub const fn due(&self) -> Mono {
        self.next
    }

    /// What the far side said so far.
    pub const fn view(&self) -> FarView {
        self.view
    }

    /// Replaces `out` by a report and sets when the next is due. `origin`: the wall clock at the origin of `now`; `random` spreads
    /// the reports of many legs (s.6.2). With `bye`, the last one.
    pub fn report(
        &mut self,
        now: Mono,
        origin: UnixMs,
        (ours, theirs): (&Outgoing, &Reception),
        random: u16,
        bye: bool,
        out: &mut Vec<u8>,
    ) {
        let block = theirs.extended().map(|seen| {
            let (expected, received) = (seen.expected, seen.received);
            let since = (
                expected.saturating_sub(self.before.0),
                received.saturating_sub(self.before.1),
            );
            self.before = (expected, received);
            // A.3; copies and latecomers can bring more than were expected since.
            let fraction_lost = (since.0.saturating_sub(since.1) * 256)
                .checked_div(since.0)
                .unwrap_or(0);
            ReportBlock {
                ssrc: seen.ssrc,
                fraction_lost: fraction_lost.min(255) as u8,
                lost: (expected as i64 - received as i64).clamp(-0x80_0000, 0x7F_FFFF) as i32,
                highest: seen.highest,
                jitter: seen.jitter,
                last_report: self.last_report.map_or(0, |(middle, _)| middle),
                delay_since: self
                    .last_report
                    .map_or(0, |(_, came)| fraction_of_65536(now.since(came))),
            }
        });
        let sender = (ours.packets > 0).then(|| SenderInfo {
            ntp: ntp(origin, now),
            timestamp: ours.timestamp(),
            packets: ours.packets as u32,
            bytes: ours.bytes as u32,
        });
        Compound {
            ssrc: ours.ssrc(),
            sender,
            block,
            name: &self.name,
            bye,
        }
        .write(out);
        self.schedule(now, INTERVAL_MS, random);
    }

    /// Takes a compound packet that came at `now`. `our_ssrc`: blocks about other streams are none of our business.
    pub fn receive(
        &mut self,
        datagram: &[u8],
        our_ssrc: u32,
        now: Mono,
        origin: UnixMs,
    ) -> Result<(), RtcpFault> {
        read(datagram, |item| match item {
            Item::Sender(_, info) => self.last_report = Some(((info.ntp >> 16) as u32, now)),
            Item::Block(_, block) if block.ssrc == our_ssrc => self.believe(&block, now, origin),
            Item::Bye(_) => self.view.left = true,
            Item::Block(..) | Item::Name(..) => {}
        })
    }

    fn believe(&mut self, block: &ReportBlock, now: Mono, origin: UnixMs) {
        let view = &mut self.view;
        view.reports += 1;
        view.lost = block.lost.max(0) as u64;
        view.fraction_lost_max = view.fraction_lost_max.max(block.fraction_lost);
        view.jitter_us = u64::from(block.jitter) * 1_000_000 / CLOCK_HZ;
        if let Some(trip) = round_trip(
            (ntp(origin, now) >> 16) as u32,
            block.last_report,
            block.delay_since,
        ) {
            view.round_trip_us = Some(trip.as_micros() as u64);
        }
    }

    /// Half to one and a half intervals from now (s.6.2).
    fn schedule(&mut self, now: Mono, interval_ms: u64, random: u16) {
        let wait = interval_ms / 2 + interval_ms * u64::from(random) / u64::from(u16::MAX);
        self.next = now + Duration::from_millis(wait);
    }
}

/// Our wall clock in NTP's 32.32 form. From the monotonic clock and one origin: a step of the system's clock is no round trip.
fn ntp(origin: UnixMs, now: Mono) -> u64 {
    let micros = u128::from(origin.0.max(0) as u64) * 1_000 + u128::from(now.0);
    let seconds = (micros / 1_000_000) as u64 + NTP_EPOCH_S;
    let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
    seconds << 32 | fraction as u64
}

/// A - LSR - DLSR (s.6.4.1). `None` without a sender report of ours, and where the figures make no sense.
fn round_trip(now: u32, last_report: u32, delay_since: u32) -> Option<Duration> {
    if last_report == 0 {
        return None;
    }
    let units = now.wrapping_sub(last_report).wrapping_sub(delay_since);
    let trip = Duration::from_micros(u64::from(units) * 1_000_000 / 65_536);
    (trip <= ROUND_TRIP_MAX).then_some(trip)
}

/// In 65,536ths of a second, as reports have it.
fn fraction_of_65536(time: Duration) -> u32 {
    u32::try_from(time.as_micros() * 65_536 / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::rtp::RtpPacket;
    use crate::wire::media::{PCMU, comfort_noise};

    const ORIGIN: UnixMs = UnixMs(1_795_429_262_331);

    struct Side {
        reports: Reports,
        stream: Outgoing,
        reception: Reception,
    }

    impl Side {
        fn new(seed: u8) -> Side {
            Side {
                reports: Reports::new(Mono::default(), [seed; 16]),
                stream: Outgoing::new([seed; 10]),
                reception: Reception::default(),
            }
        }
        /// Sends `count` packets to `other`, one each 20 ms from `at`; `lost` says which never arrive.
        fn speak(&mut self, other: &mut Side, at: Mono, count: u64, lost: impl Fn(u64) -> bool) {
            let mut bytes = Vec::new();
            for n in 0..count {
                self.stream.next(PCMU, comfort_noise(PCMU), &mut bytes);
                if !lost(n) {
                    let packet = RtpPacket::parse(&bytes).unwrap();
                    let arrival = at + Duration::from_millis(20 * n);
                    other.reception.receive(&packet, arrival);
                }
            }
        }
        fn report(&mut self, now: Mono) -> Vec<u8> {
            let mut bytes = Vec::new();
            let figures = (&self.stream, &self.reception);
            self.reports
                .report(now, ORIGIN, figures, 0, false, &mut bytes);
            bytes
        }
        fn hear(&mut self, bytes: &[u8], now: Mono) {
            self.reports
                .receive(bytes, self.stream.ssrc(), now, ORIGIN)
                .unwrap();
        }
    }

    #[test]
    fn the_round_trip_is_what_the_wire_took_not_what_the_far_side_waited() {
        let (mut near, mut far) = (Side::new(1), Side::new(2));
        near.speak(&mut far, Mono::default(), 10, |_| false);
        let sent = Mono::from_millis(1_000);
        let report = near.report(sent);
        // 30 ms there, 700 ms until the far side reports, 50 ms back.
        far.hear(&report, sent + Duration::from_millis(30));
        let answer = far.report(sent + Duration::from_millis(730));
        near.hear(&answer, sent + Duration::from_millis(780));
        let trip = near.reports.view().round_trip_us.unwrap();
        assert!(trip.abs_diff(80_000) < 50, "{trip} us");
        assert_eq!(far.reports.view().round_trip_us, None);
    }

    #[test]
    fn the_round_trip_survives_the_wrap_of_the_middle_bits() {
        // 32 bits of 65,536ths wrap each 18 hours.
        assert_eq!(
            round_trip(5, u32::MAX - 4, 0),
            Some(Duration::from_micros(10 * 1_000_000 / 65_536))
        );
        // A delay longer than the time that passed is nonsense, not a trip of 18 hours.
        assert_eq!(round_trip(100, 50, 60), None);
        assert_eq!(round_trip(100, 0, 0), None);
    }

    #[test]
    fn what_the_far_side_lost_is_known_here() {
        let (mut near, mut far) = (Side::new(1), Side::new(2));
        near.speak(&mut far, Mono::default(), 100, |n| n % 4 == 2);
        let report = far.report(Mono::from_secs(3));
        near.hear(&report, Mono::from_secs(3));
        let view = near.reports.view();
        assert_eq!((view.lost, view.fraction_lost_max), (25, 64));
        // The next report's share counts from there on.
        near.speak(&mut far, Mono::from_secs(3), 100, |_| false);
        let bytes = far.report(Mono::from_secs(6));
        let mut share = None;
        read(&bytes, |item| {
            if let Item::Block(_, block) = item {
                share = Some((block.fraction_lost, block.lost));
            }
        })
        .unwrap();
        assert_eq!(share, Some((0, 25)));
    }

    #[test]
    fn a_block_about_another_stream_says_nothing_of_ours() {
        let (mut near, mut far) = (Side::new(1), Side::new(2));
        Side::new(9).speak(&mut far, Mono::default(), 50, |n| n % 2 == 1);
        let report = far.report(Mono::from_secs(3));
        near.hear(&report, Mono::from_secs(3));
        assert_eq!(near.reports.view(), FarView::default());
    }

    #[test]
    fn reports_are_spread_around_five_seconds_and_the_first_comes_sooner() {
        let first = Reports::new(Mono::default(), [0; 16]).due();
        assert_eq!(first, Mono::from_millis(1_250));
        let mut side = Side::new(3);
        for (random, wait_ms) in [(0, 2_500), (u16::MAX, 7_500)] {
            let now = Mono::from_secs(10);
            let figures = (&side.stream, &side.reception);
            let mut bytes = Vec::new();
            side.reports
                .report(now, ORIGIN, figures, random, false, &mut bytes);
            assert_eq!(side.reports.due(), now + Duration::from_millis(wait_ms));
        }
    }

    #[test]
    fn a_goodbye_is_remembered() {
        let (mut near, mut far) = (Side::new(1), Side::new(2));
        let mut bytes = Vec::new();
        let figures = (&far.stream, &far.reception);
        far.reports
            .report(Mono::default(), ORIGIN, figures, 0, true, &mut bytes);
        near.hear(&bytes, Mono::default());
        assert!(near.reports.view().left);
    }
}
