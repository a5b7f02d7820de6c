//! What the SIP thread counts: written by it alone, read by anybody, each figure as the thread last wrote it.
//!
//! Owns the numbers and knows what each is called in a scrape.

use super::driver::LATE_MAX;
use crate::shell::metrics::{CounterName, Figure as Shown, GaugeName};
use crate::wire::sip::counters::{ANSWER_CODES, COUNTS, Count, Counters, TrunkCounters};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Trunks of a configuration at most.
const TRUNKS_MAX: usize = 64;

/// What the shell counts beside the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    OrdersRefused,
    OrdersUnmatched,
    SendFailures,
    FloorLate,
    FloorLost,
    DialogsNotStored,
    PortsExhausted,
    StreamsRefused,
    Calls,
    StreamsOpen,
    /// Facts that wait because the floor's lane is full.
    LateFacts,
}

impl Figure {
    const ALL: [Figure; 11] = [
        Figure::OrdersRefused,
        Figure::OrdersUnmatched,
        Figure::SendFailures,
        Figure::FloorLate,
        Figure::FloorLost,
        Figure::DialogsNotStored,
        Figure::PortsExhausted,
        Figure::StreamsRefused,
        Figure::Calls,
        Figure::StreamsOpen,
        Figure::LateFacts,
    ];

    const fn shown(self, value: u64) -> Shown {
        use CounterName as C;
        use GaugeName as G;
        match self {
            Figure::OrdersRefused => Shown::counter(C::SipOrdersRefused, &["queue_full"], value),
            Figure::OrdersUnmatched => {
                Shown::counter(C::SipOrdersRefused, &["unknown_call"], value)
            }
            Figure::SendFailures => Shown::counter(C::SipSendFailures, &[], value),
            Figure::FloorLate => Shown::counter(C::SipFloorLate, &[], value),
            Figure::FloorLost => Shown::counter(C::SipFloorLost, &[], value),
            Figure::DialogsNotStored => Shown::counter(C::SipDialogsNotStored, &[], value),
            Figure::PortsExhausted => Shown::counter(C::SipPortsExhausted, &[], value),
            Figure::StreamsRefused => Shown::counter(C::SipStreamsRefused, &[], value),
            Figure::Calls => Shown::gauge(G::SipCalls, &[], value),
            Figure::StreamsOpen => Shown::gauge(G::SipStreams, &[], value),
            Figure::LateFacts => Shown::gauge(G::EngineQueueItems, &["sip_late"], value),
        }
    }
}

/// What each of the endpoint's counts is called.
const fn shown(count: Count) -> (CounterName, &'static [&'static str]) {
    use Count as C;
    use CounterName as N;
    match count {
        C::InInvite => (N::SipMessagesIn, &["INVITE"]),
        C::InAck => (N::SipMessagesIn, &["ACK"]),
        C::InBye => (N::SipMessagesIn, &["BYE"]),
        C::InCancel => (N::SipMessagesIn, &["CANCEL"]),
        C::InOptions => (N::SipMessagesIn, &["OPTIONS"]),
        C::InOther => (N::SipMessagesIn, &["other"]),
        C::In1xx => (N::SipMessagesIn, &["1xx"]),
        C::In2xx => (N::SipMessagesIn, &["2xx"]),
        C::In3xx => (N::SipMessagesIn, &["3xx"]),
        C::In4xx => (N::SipMessagesIn, &["4xx"]),
        C::In5xx => (N::SipMessagesIn, &["5xx"]),
        C::In6xx => (N::SipMessagesIn, &["6xx"]),
        C::OutInvite => (N::SipMessagesOut, &["INVITE"]),
        C::OutAck => (N::SipMessagesOut, &["ACK"]),
        C::OutBye => (N::SipMessagesOut, &["BYE"]),
        C::OutCancel => (N::SipMessagesOut, &["CANCEL"]),
        C::OutOptions => (N::SipMessagesOut, &["OPTIONS"]),
        C::OutUpdate => (N::SipMessagesOut, &["UPDATE"]),
        C::Out2xx => (N::SipMessagesOut, &["2xx"]),
        C::Out4xx => (N::SipMessagesOut, &["4xx"]),
        C::Out5xx => (N::SipMessagesOut, &["5xx"]),
        C::Retransmissions => (N::SipRetransmissions, &[]),
        C::UnknownSource => (N::SipDiscarded, &["unknown_source"]),
        C::DiscardedKeepAlive => (N::SipDiscarded, &["keep_alive"]),
        C::DiscardedNotSip => (N::SipDiscarded, &["not_sip"]),
        C::DiscardedMalformed => (N::SipDiscarded, &["malformed"]),
        C::DiscardedUnmatched => (N::SipDiscarded, &["unmatched_response"]),
        C::DiscardedForeign => (N::SipDiscarded, &["foreign_source"]),
        C::Copies => (N::SipCopies, &[]),
        C::RefusedMalformed => (N::SipRefused, &["malformed"]),
        C::RefusedRequest => (N::SipRefused, &["not_served"]),
        C::RefusedNoDialog => (N::SipRefused, &["no_dialog"]),
        C::RefusedBusyDialog => (N::SipRefused, &["one_at_a_time"]),
        C::SdpFaults => (N::SipSdpFaults, &[]),
        C::ForkedAnswers => (N::SipForkedAnswers, &[]),
        C::LateAnswers => (N::SipLateAnswers, &[]),
        C::CrossedAnswers => (N::SipCrossedAnswers, &[]),
        C::DuplicateAnswers => (N::SipDuplicateAnswers, &[]),
        C::AckUnconfirmed => (N::SipAcksUnconfirmed, &[]),
        C::TransactionTimeouts => (N::SipTransactionTimeouts, &[]),
        C::SilentInvites => (N::SipSilentInvites, &[]),
        C::ChallengesAnswered => (N::SipChallenges, &["answered"]),
        C::ChallengesRefused => (N::SipChallenges, &["refused"]),
        C::SessionsExpired => (N::SipSessionsExpired, &[]),
        C::CallsIn => (N::SipCallsIn, &["rang"]),
        C::CallsInRefused => (N::SipCallsIn, &["refused"]),
        C::Orphans => (N::SipOrphans, &[]),
    }
}

#[derive(Debug)]
struct TrunkFigures {
    invites: AtomicU64,
    challenges_refused: AtomicU64,
    answers: [AtomicU64; ANSWER_CODES.len()],
}

/// All figures.
#[derive(Debug)]
pub(super) struct Figures {
    wire: [AtomicU64; COUNTS],
    own: [AtomicU64; Figure::ALL.len()],
    /// By trunk's number.
    trunks: Box<[TrunkFigures]>,
}

impl Default for Figures {
    fn default() -> Self {
        let trunk = |_| TrunkFigures {
            invites: AtomicU64::new(0),
            challenges_refused: AtomicU64::new(0),
            answers: [const { AtomicU64::new(0) }; ANSWER_CODES.len()],
        };
        Figures {
            wire: [const { AtomicU64::new(0) }; COUNTS],
            own: [const { AtomicU64::new(0) }; Figure::ALL.len()],
            trunks: (0..TRUNKS_MAX).map(trunk).collect(),
        }
    }
}

impl Figures {
    pub(super) fn add(&self, figure: Figure) {
        self.own[figure as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn set(&self, figure: Figure, value: u64) {
        self.own[figure as usize].store(value, Relaxed);
    }

    pub(super) fn publish(&self, counters: &Counters) {
        for count in Count::ALL {
            self.wire[*count as usize].store(counters.get(*count), Relaxed);
        }
        for (trunk, counted) in counters.trunks() {
            let Some(figures) = self.trunks.get(usize::from(trunk.0)) else {
                continue;
            };
            figures.invites.store(counted.invites, Relaxed);
            figures
                .challenges_refused
                .store(counted.challenges_refused, Relaxed);
            for (figure, count) in figures.answers.iter().zip(counted.answers) {
                figure.store(count, Relaxed);
            }
        }
    }

    pub(super) fn snapshot(&self) -> Vec<Shown> {
        let wire = Count::ALL.iter().map(|count| {
            let (name, labels) = shown(*count);
            Shown::counter(name, labels, self.wire[*count as usize].load(Relaxed))
        });
        let own = Figure::ALL
            .into_iter()
            .map(|figure| figure.shown(self.own[figure as usize].load(Relaxed)));
        let late_max = Shown::gauge(
            GaugeName::EngineQueueCapacity,
            &["sip_late"],
            LATE_MAX as u64,
        );
        wire.chain(own).chain([late_max]).collect()
    }

    /// What is counted of each trunk, in the order of their ids.
    pub(super) fn trunks(&self) -> Vec<TrunkCounters> {
        self.trunks
            .iter()
            .map(|figures| TrunkCounters {
                invites: figures.invites.load(Relaxed),
                challenges_refused: figures.challenges_refused.load(Relaxed),
                answers: std::array::from_fn(|place| figures.answers[place].load(Relaxed)),
            })
            .collect()
    }
}
