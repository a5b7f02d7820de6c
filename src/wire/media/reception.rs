//! What arrived on one stream (RFC 3550 s.6.4.1, A.1, A.3, A.8): loss by extended sequence number, jitter, duplicates,
//! order, new sources. Told when each packet arrived; never looks into the audio.

use crate::time::Mono;
use crate::wire::media::CLOCK_HZ;
use crate::wire::media::rtp::RtpPacket;

/// Largest jump forward that is still loss (RFC 3550 A.1).
const DROPOUT_MAX: u16 = 3_000;
/// Oldest packet that is still "late", in packets behind the newest (RFC 3550 A.1).
const MISORDER_MAX: u16 = 100;

/// Running statistics of one received stream.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    source: Option<Source>,
    /// Losses of sources that ended before the present one.
    lost_before: u64,
    report: ReceptionReport,
}

/// What one SSRC has sent so far.
#[derive(Clone, Debug)]
struct Source {
    ssrc: u32,
    /// First extended sequence number.
    first: u64,
    /// Highest extended sequence number: wraps in the upper bits.
    highest: u64,
    /// Packets without duplicates.
    distinct: u64,
    /// Bit n: packet `highest - n` was here. Wider than `MISORDER_MAX`.
    seen: u128,
    /// Where a restarted sender would go on: two in a row make a restart (A.1).
    restart_at: Option<u16>,
    /// Arrival minus timestamp, in clock units.
    transit: u32,
    timestamp: u32,
    /// Scaled by 16 as in A.8.
    jitter: u32,
}

/// Figures for a call record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReceptionReport {
    /// Valid packets, duplicates included.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Packets that never came: expected by sequence number, minus distinct ones; never negative.
    pub lost: u64,
    /// Packets that came more than once.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub out_of_order: u64,
    /// Packets far off the sequence, left out until a second one confirmed a restart.
    pub strays: u64,
    /// Restarts and other SSRCs after the first.
    pub ssrc_changes: u64,
    /// Runs of packets that did not come, late ones included: with `lost`, how bursty the loss was.
    pub loss_runs: u64,
    /// Interarrival jitter at the end, in microseconds (A.8).
    pub jitter_us: u64,
}

/// What a report to the sender needs to know of its present source (s.6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    /// The source.
    pub ssrc: u32,
    /// Highest sequence number, its wraps above bit 16.
    pub highest: u32,
    /// Packets that its sequence numbers say it sent.
    pub expected: u64,
    /// Packets of them that came, without copies.
    pub received: u64,
    /// Interarrival jitter in clock units (A.8).
    pub jitter: u32,
}

/// What a packet was to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or a later one after a loss.
    InOrder,
    /// Older than the newest, not seen before.
    Late,
    /// Seen before.
    Duplicate,
    /// Far off the sequence: not used.
    Stray,
}

impl Reception {
    /// Takes a packet into account.
    pub fn receive(&mut self, packet: &RtpPacket<'_>, at: Mono) -> Arrival {
        self.report.packets += 1;
        self.report.bytes += packet.payload.len() as u64;
        let transit = clock_units(at).wrapping_sub(packet.timestamp);
        let Some(source) = self.source.as_mut().filter(|s| s.ssrc == packet.ssrc) else {
            self.change_source(packet, transit);
            return Arrival::InOrder;
        };
        let newest = source.highest as u16;
        let ahead = packet.sequence.wrapping_sub(newest);
        let behind = newest.wrapping_sub(packet.sequence);
        if ahead == 0 {
            self.report.duplicates += 1;
            return Arrival::Duplicate;
        }
        if ahead < DROPOUT_MAX {
            source.highest += u64::from(ahead);
            self.report.loss_runs += u64::from(ahead > 1);
            source.seen = source.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            source.distinct += 1;
            source.restart_at = None;
            source.measure_jitter(packet.timestamp, transit);
            return Arrival::InOrder;
        }
        if behind <= MISORDER_MAX {
            let bit = 1_u128 << behind;
            if source.seen & bit != 0 {
                self.report.duplicates += 1;
                return Arrival::Duplicate;
            }
            source.seen |= bit;
            source.distinct += 1;
            // A packet from before the first one widens what was to be expected.
            source.first = source.first.min(source.highest - u64::from(behind));
            self.report.out_of_order += 1;
            return Arrival::Late;
        }
        if source.restart_at == Some(packet.sequence) {
            self.change_source(packet, transit);
            return Arrival::InOrder;
        }
        source.restart_at = Some(packet.sequence.wrapping_add(1));
        self.report.strays += 1;
        Arrival::Stray
    }

    fn change_source(&mut self, packet: &RtpPacket<'_>, transit: u32) {
        // The origin leaves room below for packets older than the first.
        let first = (1 << 16) | u64::from(packet.sequence);
        let jitter = self.source.as_ref().map_or(0, |before| before.jitter);
        let before = self.source.replace(Source {
            ssrc: packet.ssrc,
            first,
            highest: first,
            distinct: 1,
            seen: 1,
            restart_at: None,
            transit,
            timestamp: packet.timestamp,
            jitter,
        });
        if let Some(before) = before {
            self.lost_before += before.lost();
            self.report.ssrc_changes += 1;
        }
    }

    /// The present source's figures, for a report to it; `None` before the first packet.
    pub fn extended(&self) -> Option<Extended> {
        self.source.as_ref().map(|source| Extended {
            ssrc: source.ssrc,
            // Our origin is one wrap up (see `change_source`).
            highest: source.highest.wrapping_sub(1 << 16) as u32,
            expected: source.highest - source.first + 1,
            received: source.distinct,
            jitter: source.jitter >> 4,
        })
    }

    /// The figures so far.
    pub fn report(&self) -> ReceptionReport {
        let source = self.source.as_ref();
        ReceptionReport {
            lost: self.lost_before + source.map_or(0, Source::lost),
            jitter_us: source.map_or(0, |s| u64::from(s.jitter >> 4) * 1_000_000 / CLOCK_HZ),
            ..self.report
        }
    }
}

impl Source {
    /// A.3, cumulative. Duplicates are left out beforehand, so it cannot be negative.
    fn lost(&self) -> u64 {
        (self.highest - self.first + 1).saturating_sub(self.distinct)
    }

    /// A.8, in integers. Packets of one event share a timestamp (RFC 4733 s.2.2.1) and say nothing of the network.
    fn measure_jitter(&mut self, timestamp: u32, transit: u32) {
        if timestamp == self.timestamp {
            return;
        }
        let difference = (transit.wrapping_sub(self.transit) as i32).unsigned_abs();
        // A pause in the sender's timeline is not the network's doing: more than ten seconds restarts the measure.
        if u64::from(difference) < 10 * CLOCK_HZ {
            self.jitter = (self.jitter + difference).saturating_sub((self.jitter + 8) >> 4);
        }
        self.transit = transit;
        self.timestamp = timestamp;
    }
}

/// Arrival time in units of the RTP clock, wrapping as timestamps do.
fn clock_units(at: Mono) -> u32 {
    (u128::from(at.0) * u128::from(CLOCK_HZ) / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `(sequence, milliseconds)` of one source, timestamps following the sequence.
    fn check(arrivals: &[(u16, u64)]) -> ReceptionReport {
        let mut reception = Reception::default();
        for (sequence, ms) in arrivals {
            reception.receive(&packet(7, *sequence), Mono::from_millis(*ms));
        }
        reception.report()
    }

    fn packet(ssrc: u32, sequence: u16) -> RtpPacket<'static> {
        RtpPacket {
            marker: false,
            payload_type: 0,
            sequence,
            timestamp: u32::from(sequence).wrapping_mul(160),
            ssrc,
            contributors: 0,
            payload: &[0xFF; 160],
        }
    }

    #[test]
    fn a_steady_stream_loses_nothing_and_has_no_jitter() {
        let arrivals: Vec<_> = (0..500_u16).map(|n| (n, u64::from(n) * 20)).collect();
        let report = check(&arrivals);
        assert_eq!((report.packets, report.bytes), (500, 80_000));
        assert_eq!((report.lost, report.jitter_us), (0, 0));
    }

    #[test]
    fn a_gap_is_loss_also_across_the_wrap() {
        let report = check(&[(65_533, 0), (65_534, 20), (2, 100), (3, 120)]);
        assert_eq!((report.lost, report.loss_runs), (3, 1)); // 65535, 0, 1
    }

    #[test]
    fn a_late_packet_is_not_lost_and_a_second_copy_is_a_duplicate() {
        let report = check(&[(10, 0), (12, 40), (11, 41), (11, 42), (12, 43)]);
        assert_eq!(
            (report.lost, report.out_of_order, report.duplicates),
            (0, 1, 2)
        );
    }

    #[test]
    fn a_packet_from_before_the_first_does_not_hide_a_loss() {
        let report = check(&[(10, 0), (9, 1), (12, 40)]);
        assert_eq!((report.lost, report.out_of_order), (1, 1));
    }

    #[test]
    fn another_source_keeps_the_losses_of_the_first() {
        let mut reception = Reception::default();
        for (ssrc, sequence) in [(1, 5), (1, 7), (2, 9_000), (2, 9_001)] {
            reception.receive(&packet(ssrc, sequence), Mono::default());
        }
        let report = reception.report();
        assert_eq!((report.lost, report.ssrc_changes), (1, 1));
    }

    #[test]
    fn a_lone_stray_is_ignored_and_two_in_a_row_are_a_restart() {
        let report = check(&[(1, 0), (2, 20), (30_000, 40), (3, 60)]);
        assert_eq!((report.lost, report.strays, report.ssrc_changes), (0, 1, 0));
        let report = check(&[(1, 0), (2, 20), (30_000, 40), (30_001, 60), (30_002, 80)]);
        assert_eq!((report.lost, report.strays, report.ssrc_changes), (0, 1, 1));
    }

    #[test]
    fn jitter_follows_appendix_a8() {
        // Every second packet 10 ms late: |D| is 80 units each time, so the estimate nears 80 units = 10 ms.
        let arrivals: Vec<_> = (0..2_000_u16)
            .map(|n| (n, u64::from(n) * 20 + u64::from(n % 2) * 10))
            .collect();
        let jitter = check(&arrivals).jitter_us;
        assert!((9_000..=10_500).contains(&jitter), "{jitter}");
    }

    proptest! {
        #[test]
        fn any_sequence_of_packets_adds_up(arrivals in proptest::collection::vec((0u32..3, any::<u16>(), 0u64..100_000), 0..400)) {
            let mut reception = Reception::default();
            for (ssrc, sequence, ms) in &arrivals {
                reception.receive(&packet(*ssrc, *sequence), Mono::from_millis(*ms));
            }
            let report = reception.report();
            prop_assert_eq!(report.packets, arrivals.len() as u64);
            prop_assert!(report.duplicates + report.out_of_order + report.strays <= report.packets);
        }

        #[test]
        fn what_was_dropped_is_what_is_lost(start: u16, kept in proptest::collection::vec(any::<bool>(), 1..2_000)) {
            let mut sequence = start;
            let mut arrivals = vec![(sequence, 0)];
            let mut dropped = 0;
            let mut run = 0;
            for keep in &kept {
                sequence = sequence.wrapping_add(1);
                run += 1;
                if *keep {
                    arrivals.push((sequence, 0));
                    dropped += run - 1;
                    run = 0;
                }
            }
            prop_assert_eq!(check(&arrivals).lost, dropped);
        }
    }
}
