//! What the media plane counts. Written by its thread (and the port table), read by anybody, never reset.

use crate::shell::metrics::{CounterName, Figure};
use crate::shell::store::CallSound;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $metric:ident $labels:expr;)*) => {
        /// The counters themselves. `Arc`: held by the plane, its thread and whoever reports.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub(super) $name: AtomicU64,)* }

        /// All counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct MediaCounters { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            /// All counters now.
            pub fn snapshot(&self) -> MediaCounters {
                MediaCounters { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl MediaCounters {
            /// All of them, as a scrape shows them.
            pub fn figures(&self) -> Vec<Figure> {
                vec![$(Figure::counter(CounterName::$metric, &$labels, self.$name),)*]
            }
        }
    };
}

counters! {
    /// Legs that got a port.
    legs_opened = MediaOpenedLegs [];
    /// Legs that gave it back. `legs_opened - legs_closed` are open.
    legs_closed = MediaClosedLegs [];
    /// Reservations refused: all ports taken, or the thread is behind by its whole lane.
    reserve_refused = MediaRefusedReservations [];
    /// RTP packets of the right source.
    packets_received = MediaPackets ["in"];
    /// Bytes of their payloads.
    bytes_received = MediaPayload ["in"];
    /// Of the packets received: before the answer (ring-back, announcements).
    early_packets_received = MediaEarlyPackets [];
    /// Packets sent.
    packets_sent = MediaPackets ["out"];
    /// Bytes of their payloads.
    bytes_sent = MediaPayload ["out"];
    /// Packets that the operating system did not take.
    send_failures = MediaDroppedPackets ["not_sent"];
    /// Frames left out because the thread was late by more than 100 ms.
    frames_skipped = MediaSkippedFrames [];
    /// Packets from a source that the leg does not admit: dropped, never answered.
    foreign_packets = MediaDroppedPackets ["foreign"];
    /// Datagrams that are no RTP.
    malformed_packets = MediaDroppedPackets ["malformed"];
    /// RTCP on the RTP port.
    control_packets = MediaDroppedPackets ["control"];
    /// Packets of an earlier call found in a port's buffer when it was reused.
    stale_packets = MediaDroppedPackets ["stale"];
    /// SDP addresses outside their trunk's ranges: nothing is sent there.
    remotes_refused = MediaRefusedRemotes [];
    /// Legs joined to an agent.
    bridges = MediaBridges [];
    /// Orders about a leg that is not, or no longer, there.
    orders_without_leg = MediaDroppedOrders ["no_leg"];
    /// Orders dropped because the thread was behind by its whole lane.
    orders_dropped = MediaDroppedOrders ["queue_full"];
    /// Datagrams on the browsers' port.
    agent_datagrams = MediaAgentDatagrams ["in"];
    /// Datagrams to browsers.
    agent_sent_datagrams = MediaAgentDatagrams ["out"];
    /// Datagrams on the browsers' port from nobody that ICE knows: dropped, never answered.
    agent_foreign_datagrams = MediaDroppedPackets ["agent_foreign"];
    /// Datagrams of a known browser that its session cannot use: forged, replayed or malformed.
    agent_refused_datagrams = MediaDroppedPackets ["agent_refused"];
    /// Browsers' legs set up.
    browsers_opened = MediaBrowserLegs [];
    /// Offers of browsers that were refused.
    offers_refused = MediaRefusedOffers [];
    /// Times that a media thread had to begin anew because of a defect of ours: its calls were lost.
    threads_restarted = MediaRestartedThreads [];
    /// Control packets (RTCP) of the right source that were understood.
    control_received = MediaControlPackets ["in"];
    /// Control packets sent.
    control_sent = MediaControlPackets ["out"];
    /// Packets of a protected leg that were forged, replayed or in the clear.
    forged_packets = MediaDroppedPackets ["forged"];
    /// Key strings that no telephone has, or that came too fast.
    keys_refused = MediaRefusedKeys [];
    /// Customers' sides of which nothing was heard for 5 s.
    silence_alarms = MediaAlarms ["silence"];
    /// Customers' sides that sent packets without a sound.
    one_way_alarms = MediaAlarms ["one_way"];
    /// Customers' sides taken for dead.
    media_lost = MediaAlarms ["lost"];
    /// Packets of joined calls that did not come, by their numbers.
    lost_in = MediaLostPackets ["in"];
    /// Packets of ours that did not arrive, as the far sides reported.
    lost_out = MediaLostPackets ["out"];
    /// Joined calls by how the agent heard the customer.
    scored_in_best = MediaScoredCalls ["in", "best"];
    /// Likewise.
    scored_in_high = MediaScoredCalls ["in", "high"];
    /// Likewise.
    scored_in_medium = MediaScoredCalls ["in", "medium"];
    /// Likewise.
    scored_in_low = MediaScoredCalls ["in", "low"];
    /// Likewise.
    scored_in_poor = MediaScoredCalls ["in", "poor"];
    /// Joined calls by how the customer heard us, where his side said so.
    scored_out_best = MediaScoredCalls ["out", "best"];
    /// Likewise.
    scored_out_high = MediaScoredCalls ["out", "high"];
    /// Likewise.
    scored_out_medium = MediaScoredCalls ["out", "medium"];
    /// Likewise.
    scored_out_low = MediaScoredCalls ["out", "low"];
    /// Likewise.
    scored_out_poor = MediaScoredCalls ["out", "poor"];
    /// Call reports dropped because nobody took them.
    reports_dropped = MediaDroppedReports [];
}

/// Adds to a counter.
pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Counts how a joined call sounded.
pub(super) fn count_sound(counters: &Counters, sound: &CallSound) {
    count(&counters.lost_in, sound.inward.lost.unwrap_or(0));
    count(&counters.lost_out, sound.outward.lost.unwrap_or(0));
    let bands = [
        (
            sound.inward,
            [
                &counters.scored_in_best,
                &counters.scored_in_high,
                &counters.scored_in_medium,
                &counters.scored_in_low,
                &counters.scored_in_poor,
            ],
        ),
        (
            sound.outward,
            [
                &counters.scored_out_best,
                &counters.scored_out_high,
                &counters.scored_out_medium,
                &counters.scored_out_low,
                &counters.scored_out_poor,
            ],
        ),
    ];
    for (direction, bands) in bands {
        if let Some(score) = direction.mos_hundredths {
            // ITU-T G.109 table 1, as scores.
            let place = [434, 403, 360, 310]
                .iter()
                .position(|least| score >= *least);
            count(bands[place.unwrap_or(4)], 1);
        }
    }
}
