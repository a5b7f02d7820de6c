//! What a leg knows of the line to its far side: control packets both ways, keys both ways, protection, silence, quality.
//!
//! Beside [`super::leg`], which owns the socket of the voice; this owns the one of the control packets. Decides nothing about calls:
//! it says that a line fell silent, and the floor ends it.

use super::counters::{Counters, count};
use super::leg::MediaReport;
use super::ports;
use super::prompts::Prompt;
use super::secured::Secured;
use crate::core::input::Input;
use crate::ids::AttemptId;
use crate::shell::store::{CallSound, DirectionSound};
use crate::time::{Mono, UnixMs};
use crate::wire::media::keys::{EventFrame, KeyReceiver, KeySender, KeysRefused};
use crate::wire::media::outgoing::Outgoing;
use crate::wire::media::quality::{Concealment, Network, burst_ratio, estimate};
use crate::wire::media::reception::Reception;
use crate::wire::media::reports::{FarView, Reports};
use crate::wire::media::watch::{Circumstances, Watch, WatchLimits, WatchNews};
use mio::net::UdpSocket;
use std::net::SocketAddr;
use std::sync::Arc;

/// Control packets read in one go.
const READ_MAX: usize = 8;
/// Longest control packet that is read: what fits an Ethernet frame.
const CONTROL_MAX: usize = 1_500;
/// What a packet waits before it is sent and what its listener's jitter buffer adds, besides the network (ITU-T G.114: one frame of
/// 20 ms to fill the packet, 40 ms of buffer as browsers and telephones have it on a good line).
const ENDS_MS: f64 = 60.0;

/// What holds while a leg has its turn.
pub(super) struct Around<'a> {
    /// Now.
    pub at: Mono,
    /// The wall clock at the origin of `at`.
    pub origin: UnixMs,
    /// What a customer on hold hears.
    pub music: Option<&'a Arc<Prompt>>,
    /// Trunks that answer no OPTIONS, by their ids.
    pub trunks_down: &'a [bool],
    /// What is counted.
    pub counters: &'a Counters,
}

/// What a line says of its call when it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LineReport {
    /// From the answer to the first of the agent's audio that left for the far side, in milliseconds.
    pub first_audio_ms: Option<u32>,
    /// What the far side reported of our stream.
    pub far: FarView,
    /// Keys that the far side pressed. Not which.
    pub keys: u64,
    /// Whether packets stayed away for longer than the alarm's limit.
    pub was_silent: bool,
    /// Whether packets came but never a sound.
    pub was_one_way: bool,
    /// Whether it was given up because nothing came.
    pub was_lost: bool,
}

/// A line, from the answer on.
#[derive(Debug)]
pub(super) struct Line {
    answered_at: Mono,
    first_audio_at: Option<Mono>,
    reports: Reports,
    /// Port above the voice's (RFC 3550 s.11); `None` where somebody else has it: then there are no reports.
    control: Option<UdpSocket>,
    watch: Watch,
    keys_out: KeySender,
    keys_in: KeyReceiver,
    said: LineReport,
}

impl Line {
    /// An answered leg's. `voice`: the address of its RTP socket; `random`: for the control's name and pace.
    pub fn new(at: Mono, limits: WatchLimits, voice: SocketAddr, random: [u8; 16]) -> Self {
        let above = voice.port().checked_add(1);
        let control = above.and_then(|port| ports::bind(SocketAddr::new(voice.ip(), port)).ok());
        Line {
            answered_at: at,
            first_audio_at: None,
            reports: Reports::new(at, random),
            control,
            watch: Watch::new(limits, at),
            keys_out: KeySender::default(),
            keys_in: KeyReceiver::default(),
            said: LineReport::default(),
        }
    }

    /// The socket of the control packets, to be watched.
    pub const fn control(&mut self) -> Option<&mut UdpSocket> {
        self.control.as_mut()
    }

    // -- voice

    /// Whether the next packet's loudness is of interest.
    pub const fn listens(&self) -> bool {
        self.watch.listens()
    }

    /// A packet of the far side came.
    pub fn heard(&mut self, at: Mono, loud: bool) -> Option<WatchNews> {
        self.watch.heard(at, loud)
    }

    /// A packet of the agent's voice left for the far side.
    pub fn agent_spoke(&mut self, at: Mono) {
        self.first_audio_at.get_or_insert(at);
    }

    /// Time passed; at most one thing to say.
    pub fn look(&mut self, now: Mono, around: Circumstances) -> Option<WatchNews> {
        let news = self.watch.tick(now, around)?;
        match news {
            WatchNews::Alarm => self.said.was_silent = true,
            WatchNews::OneWay => self.said.was_one_way = true,
            WatchNews::Lost => self.said.was_lost = true,
            WatchNews::Back => {}
        }
        Some(news)
    }

    // -- keys

    /// Presses keys towards the far side.
    pub fn press(&mut self, letters: &str) -> Result<(), KeysRefused> {
        self.keys_out.press(letters)
    }

    /// Whether keys are being pressed: voice waits.
    pub fn presses(&self) -> bool {
        self.keys_out.is_busy()
    }

    /// Goes on with the keys by a frame.
    pub fn key_frame(&mut self) -> Option<EventFrame> {
        self.keys_out.frame()
    }

    /// A packet of key events from the far side. Keys are counted, never kept: they may be a card's.
    pub fn hear_keys(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) {
        let said = &mut self.said;
        self.keys_in
            .receive(ssrc, timestamp, payload, |_| said.keys += 1);
    }

    // -- control

    /// Reads control packets of `from`, the host that the voice comes from.
    pub fn read_control(
        &mut self,
        from: Option<SocketAddr>,
        mut secured: Option<&mut Secured>,
        our_ssrc: u32,
        around: &Around<'_>,
    ) {
        let counters = around.counters;
        let mut datagram = [0; CONTROL_MAX];
        for _ in 0..READ_MAX {
            let Some(control) = &self.control else {
                return;
            };
            let (mut length, source) = match control.recv_from(&mut datagram) {
                Ok(arrived) => arrived,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier packet: the next read goes on.
                Err(_) => continue,
            };
            if from.is_none_or(|from| from.ip() != source.ip().to_canonical()) {
                count(&counters.foreign_packets, 1);
                continue;
            }
            if let Some(secured) = secured.as_deref_mut() {
                match secured.open(&mut datagram[..length], true, counters) {
                    Some(opened) => length = opened,
                    None => continue,
                }
            }
            self.take_control(&datagram[..length], our_ssrc, around);
        }
    }

    /// A control packet of the right source, in the clear.
    pub fn take_control(&mut self, datagram: &[u8], our_ssrc: u32, around: &Around<'_>) {
        let read = self
            .reports
            .receive(datagram, our_ssrc, around.at, around.origin);
        let counters = around.counters;
        let counter = match read {
            Ok(()) => &counters.control_received,
            Err(_) => &counters.malformed_packets,
        };
        count(counter, 1);
    }

    /// Writes a report into `scratch` if one is due, or at the end with a goodbye; `false`: nothing is to be sent.
    pub fn report(
        &mut self,
        figures: (&Outgoing, &Reception),
        around: &Around<'_>,
        bye: bool,
        scratch: &mut Vec<u8>,
    ) -> bool {
        if self.control.is_none() || (!bye && around.at < self.reports.due()) {
            return false;
        }
        // Spread by what is at hand: the pace is no secret (RFC 3550 s.6.3.1).
        let random = (figures.0.ssrc() as u16) ^ (around.at.0 as u16);
        self.reports
            .report(around.at, around.origin, figures, random, bye, scratch);
        true
    }

    /// Sends what [`Line::report`] wrote. `to`: the voice's far address; control goes to the port above it (RFC 3550 s.11).
    pub fn send_control(&self, to: SocketAddr, packet: &[u8], counters: &Counters) {
        if let (Some(control), Some(above)) = (&self.control, to.port().checked_add(1))
            && control
                .send_to(packet, SocketAddr::new(to.ip(), above))
                .is_ok()
        {
            count(&counters.control_sent, 1);
        }
    }

    /// What there is to say of it.
    pub fn said(&self) -> LineReport {
        LineReport {
            first_audio_ms: self
                .first_audio_at
                .map(|at| at.since(self.answered_at).as_millis() as u32),
            far: self.reports.view(),
            ..self.said
        }
    }
}

/// What is kept of a call: the figures, and the scores that follow from them.
pub fn sound(report: &MediaReport) -> CallSound {
    let (received, line) = (&report.received, &report.line);
    let sent_packets = report.sent_packets;
    let trip = line.far.round_trip_us;
    let one_way_ms = ENDS_MS + trip.map_or(0.0, |trip| trip as f64 / 2_000.0);
    let score = |packets: u64, lost: u64, runs: Option<u64>, jitter_us: u64| {
        (packets > 0).then(|| {
            let expected = packets + lost;
            let quality = estimate(&Network {
                // A listener's buffer grows with the jitter, to about twice its mean.
                one_way_ms: one_way_ms + jitter_us as f64 * 2.0 / 1_000.0,
                loss_ratio: lost as f64 / expected as f64,
                burst_ratio: runs.map_or(1.0, |runs| burst_ratio(expected, lost, runs)),
                concealment: Concealment::AppendixOne,
            });
            quality.mos_hundredths()
        })
    };
    let came = received.packets - received.duplicates.min(received.packets);
    let reported = line.far.reports > 0;
    let arrived = sent_packets.saturating_sub(line.far.lost);
    CallSound {
        attempt: report.attempt,
        first_audio_ms: line.first_audio_ms,
        inward: DirectionSound {
            packets: received.packets,
            lost: Some(received.lost),
            jitter_us: Some(received.jitter_us),
            mos_hundredths: score(
                came,
                received.lost,
                Some(received.loss_runs),
                received.jitter_us,
            ),
        },
        outward: DirectionSound {
            packets: sent_packets,
            lost: reported.then_some(line.far.lost),
            jitter_us: reported.then_some(line.far.jitter_us),
            mos_hundredths: if reported {
                score(arrived, line.far.lost, None, line.far.jitter_us)
            } else {
                None
            },
        },
        round_trip_us: trip,
    }
}

/// Logs and counts that somebody fell silent; what the floor must know of it.
pub(super) fn say(attempt: AttemptId, news: WatchNews, counters: &Counters) -> Option<Input> {
    match news {
        WatchNews::Alarm => {
            count(&counters.silence_alarms, 1);
            tracing::warn!(%attempt, "Nothing has been heard of a customer's side for 5 s.");
        }
        WatchNews::OneWay => {
            count(&counters.one_way_alarms, 1);
            tracing::warn!(%attempt, "A customer's side sends packets, and not one had a sound in 10 s: one-way audio?");
        }
        WatchNews::Lost => {
            count(&counters.media_lost, 1);
            tracing::warn!(%attempt, "A customer's side is taken for dead: no packet came.");
            return Some(Input::MediaLost(attempt));
        }
        WatchNews::Back => {}
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::reception::ReceptionReport;

    fn call(
        (packets, lost, loss_runs): (u64, u64, u64),
        sent_packets: u64,
        line: LineReport,
    ) -> MediaReport {
        MediaReport {
            attempt: AttemptId(7),
            received: ReceptionReport {
                packets,
                lost,
                loss_runs,
                ..ReceptionReport::default()
            },
            early_packets: 0,
            sent_packets,
            sent_bytes: 0,
            foreign_packets: 0,
            malformed_packets: 0,
            bridged: true,
            line,
        }
    }

    #[test]
    fn a_clean_call_scores_like_a_good_line_and_a_lossy_one_does_not() {
        let clean = sound(&call((3_000, 0, 0), 3_000, LineReport::default()));
        assert!(
            (430..=441).contains(&clean.inward.mos_hundredths.unwrap()),
            "{clean:?}"
        );
        let random = sound(&call((2_850, 150, 150), 3_000, LineReport::default()));
        let bursts = sound(&call((2_850, 150, 15), 3_000, LineReport::default()));
        assert!(random.inward.mos_hundredths < clean.inward.mos_hundredths);
        assert!(bursts.inward.mos_hundredths < random.inward.mos_hundredths);
    }

    #[test]
    fn the_far_sides_loss_is_scored_only_where_it_was_reported() {
        let silent = sound(&call((10, 0, 0), 500, LineReport::default()));
        assert_eq!(silent.outward.lost, None);
        assert_eq!(silent.outward.mos_hundredths, None);
        let line = LineReport {
            far: FarView {
                reports: 3,
                lost: 50,
                round_trip_us: Some(600_000),
                ..FarView::default()
            },
            ..LineReport::default()
        };
        let told = sound(&call((10, 0, 0), 500, line));
        assert_eq!(
            (told.outward.lost, told.round_trip_us),
            (Some(50), Some(600_000))
        );
        // 10 % lost, 360 ms from mouth to ear.
        assert!(told.outward.mos_hundredths.unwrap() < 320, "{told:?}");
    }

    #[test]
    fn a_call_without_a_packet_has_no_score() {
        let none = sound(&call((0, 0, 0), 0, LineReport::default()));
        assert_eq!(none.inward.mos_hundredths, None);
    }
}
