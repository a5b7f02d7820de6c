//! What the media plane counts. Written by its thread (and the port table), read by anybody, never reset.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
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
            /// Names and values, for `/metrics`.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

counters! {
    /// Legs that got a port.
    legs_opened,
    /// Legs that gave it back. `legs_opened - legs_closed` are open.
    legs_closed,
    /// Reservations refused: all ports taken, or the thread is behind by its whole lane.
    reserve_refused,
    /// RTP packets of the right source.
    packets_received,
    /// Bytes of their payloads.
    bytes_received,
    /// Of the packets received: before the answer (ring-back, announcements).
    early_packets_received,
    /// Packets sent.
    packets_sent,
    /// Bytes of their payloads.
    bytes_sent,
    /// Packets that the operating system did not take.
    send_failures,
    /// Frames left out because the thread was late by more than 100 ms.
    frames_skipped,
    /// Packets from a source that the leg does not admit: dropped, never answered.
    foreign_packets,
    /// Datagrams that are no RTP.
    malformed_packets,
    /// RTCP on the RTP port.
    control_packets,
    /// Packets of an earlier call found in a port's buffer when it was reused.
    stale_packets,
    /// SDP addresses outside their trunk's ranges: nothing is sent there.
    remotes_refused,
    /// Legs joined to an agent.
    bridges,
    /// Orders about a leg that is not, or no longer, there.
    orders_without_leg,
    /// Orders dropped because the thread was behind by its whole lane.
    orders_dropped,
    /// Call reports dropped because nobody took them.
    reports_dropped,
}

/// Adds to a counter.
pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
