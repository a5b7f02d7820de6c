//! Routes to carriers: what they carry, what they answer, what they refuse.

use super::panel::{Dashboard, Form, Panel, Unit, panel};
use super::query::{gauge, quantile, rate, ratio, recorded, sum};
use crate::shell::metrics::names::{CounterName as C, GaugeName as G, TimingName as T};

const OF: &str = "trunk=~\"$trunk\"";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "tandem-trunk",
        title: "Tandem / Trunk",
        about: "What each route carries, answers and refuses; signalling and RTP.",
        choose: Some(("trunk", G::TrunkIsUp)),
        rows: vec![
            ("State", state()),
            ("Calls", calls()),
            ("Signalling, all trunks", signalling()),
            ("RTP, all trunks", media()),
        ],
    }
}

fn state() -> Vec<Panel> {
    vec![
        panel(
            Form::Lines,
            "Up",
            Unit::Number,
            "1 while it answers OPTIONS.",
        )
        .show(gauge(G::TrunkIsUp, OF), "{{trunk}}")
        .wide(8),
        panel(
            Form::Lines,
            "Breaker openings",
            Unit::PerSecond,
            "Times that failures in a row took it out of use.",
        )
        .show(
            sum("trunk", &rate(C::TrunkBreakerOpenings, OF)),
            "{{trunk}}",
        )
        .wide(8),
        panel(
            Form::Lines,
            "Challenges that we do not answer",
            Unit::PerSecond,
            "Anything but 0: the password is wrong, or the realm is another one.",
        )
        .show(
            sum("trunk", &rate(C::TrunkRefusedChallenges, OF)),
            "{{trunk}}",
        )
        .wide(8),
    ]
}

fn calls() -> Vec<Panel> {
    let fill = ratio(
        &sum("trunk", &gauge(G::TrunkLegs, OF)),
        &sum("trunk", &gauge(G::TrunkCapacity, OF)),
    );
    vec![
        panel(Form::Lines, "Legs in use", Unit::Number, "By trunk.")
            .show(sum("trunk", &gauge(G::TrunkLegs, OF)), "{{trunk}}"),
        panel(Form::Lines, "Of its channels", Unit::Share, "Legs in use of channels_max.")
            .show(fill, "{{trunk}}")
            .warn_from(0.8)
            .bad_from(0.95),
        panel(Form::Lines, "INVITEs", Unit::PerSecond, "Sent, those repeated with credentials included.")
            .show(sum("trunk", &rate(C::TrunkInvites, OF)), "{{trunk}}"),
        panel(Form::Stacked, "Final responses", Unit::PerSecond, "By code. 403 and 402 usually mean that the trunk refuses us, 408 and 5xx that it fails; 486, 480, 603 and 487 speak of the person.")
            .show(sum("code", &rate(C::TrunkResponses, "trunk=~\"$trunk\", code!~\"1.*\"")), "{{code}}"),
        panel(Form::Lines, "Failures of the trunk itself", Unit::Share, "402, 403, 408 and 5xx of all final responses.")
            .show(recorded("trunk:tandem_trunk_failures:ratio5m", OF), "{{trunk}}")
            .warn_from(0.05)
            .bad_from(0.2),
        panel(Form::Lines, "Ringing", Unit::Seconds, "From the INVITE's release to the answer or the end, all trunks.")
            .show(quantile(0.5, T::Ring, ""), "p50")
            .show(quantile(0.95, T::Ring, ""), "p95"),
    ]
}

fn signalling() -> Vec<Panel> {
    vec![
        panel(Form::Stacked, "Received", Unit::PerSecond, "Requests by method, responses by class.")
            .show(sum("kind", &rate(C::SipMessagesIn, "")), "{{kind}}"),
        panel(Form::Stacked, "Sent", Unit::PerSecond, "Without retransmissions.")
            .show(sum("kind", &rate(C::SipMessagesOut, "")), "{{kind}}"),
        panel(Form::Lines, "Lost and late", Unit::PerSecond, "Retransmissions mean lost packets or a slow far end; silent INVITEs and timeouts a dead one.")
            .show(sum("", &rate(C::SipRetransmissions, "")), "sent again")
            .show(sum("", &rate(C::SipCopies, "")), "copies received")
            .show(sum("", &rate(C::SipSilentInvites, "")), "silent INVITEs")
            .show(sum("", &rate(C::SipTransactionTimeouts, "")), "timeouts")
            .show(sum("", &rate(C::SipLateAnswers, "")), "late answers"),
        panel(Form::Lines, "Dropped and refused", Unit::PerSecond, "`unknown_source` on an open port is a scanner; `malformed` from a carrier is a talk with it.")
            .show(sum("reason", &rate(C::SipDiscarded, "")), "dropped: {{reason}}")
            .show(sum("reason", &rate(C::SipRefused, "")), "refused: {{reason}}")
            .show(sum("", &rate(C::SipSdpFaults, "")), "unusable SDP")
            .show(sum("", &rate(C::SipSendFailures, "")), "not sent"),
        panel(Form::Lines, "Kept by the SIP side", Unit::Number, "Calls, ended ones that absorb copies included; TCP connections.")
            .show(sum("", &gauge(G::SipCalls, "")), "calls")
            .show(sum("", &gauge(G::SipStreams, "")), "TCP connections"),
        panel(Form::Lines, "From release to INVITE", Unit::Seconds, "The floor's release to the INVITE given to the kernel.")
            .show(quantile(0.5, T::ReleaseToInvite, ""), "p50")
            .show(quantile(0.99, T::ReleaseToInvite, ""), "p99"),
    ]
}

fn media() -> Vec<Panel> {
    vec![
        panel(
            Form::Lines,
            "RTP packets",
            Unit::PerSecond,
            "Fifty per second and leg in each direction.",
        )
        .show(
            sum("direction", &rate(C::MediaPackets, "")),
            "{{direction}}",
        ),
        panel(
            Form::Lines,
            "Dropped",
            Unit::PerSecond,
            "`foreign`: from an address outside the trunk's media ranges.",
        )
        .show(
            sum("reason", &rate(C::MediaDroppedPackets, "")),
            "{{reason}}",
        )
        .show(
            sum("", &rate(C::MediaSkippedFrames, "")),
            "frames left out: the thread was late",
        ),
        panel(
            Form::Lines,
            "Ports",
            Unit::Number,
            "RTP ports in use and free.",
        )
        .show(sum("", &gauge(G::MediaUsedPorts, "")), "used")
        .show(sum("", &gauge(G::MediaFreePorts, "")), "free"),
        panel(
            Form::Lines,
            "Calls without media",
            Unit::PerSecond,
            "All of these should be zero.",
        )
        .show(sum("", &rate(C::SipPortsExhausted, "")), "no port")
        .show(
            sum("", &rate(C::MediaRefusedRemotes, "")),
            "address outside the ranges",
        )
        .show(
            sum("reason", &rate(C::MediaDroppedOrders, "")),
            "orders: {{reason}}",
        ),
    ]
}
