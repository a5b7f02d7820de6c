//! What the endpoint counts: a closed set, so that a metric name cannot be misspelt and no label can carry a person.

use crate::ids::TrunkId;
use std::collections::BTreeMap;

macro_rules! counts {
    ($($(#[$doc:meta])* $variant:ident,)*) => {
        /// Something that is counted. What it is called in a scrape, the shell knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Count { $($(#[$doc])* $variant,)* }

        impl Count {
            /// All, in the order of their index.
            pub const ALL: &'static [Count] = &[$(Count::$variant,)*];
        }
    };
}

counts! {
    /// INVITE received.
    InInvite,
    /// ACK received.
    InAck,
    /// BYE received.
    InBye,
    /// CANCEL received.
    InCancel,
    /// OPTIONS received.
    InOptions,
    /// Any other request received.
    InOther,
    /// 1xx received.
    In1xx,
    /// 2xx received.
    In2xx,
    /// 3xx received.
    In3xx,
    /// 4xx received.
    In4xx,
    /// 5xx received.
    In5xx,
    /// 6xx received.
    In6xx,
    /// INVITE sent, without retransmissions.
    OutInvite,
    /// ACK sent.
    OutAck,
    /// BYE sent, without retransmissions.
    OutBye,
    /// CANCEL sent, without retransmissions.
    OutCancel,
    /// OPTIONS sent, without retransmissions.
    OutOptions,
    /// UPDATE sent, without retransmissions.
    OutUpdate,
    /// 2xx sent.
    Out2xx,
    /// 4xx sent.
    Out4xx,
    /// 5xx sent.
    Out5xx,
    /// Requests and answers of ours sent again.
    Retransmissions,
    /// Messages from addresses of no trunk.
    UnknownSource,
    /// Keep-alives and empty datagrams.
    DiscardedKeepAlive,
    /// Octets that are no SIP.
    DiscardedNotSip,
    /// Malformed responses and ACKs.
    DiscardedMalformed,
    /// Responses to nothing that we sent.
    DiscardedUnmatched,
    /// Messages for a call that came from another trunk's address.
    DiscardedForeign,
    /// Copies of requests and answers, absorbed or answered again.
    Copies,
    /// Malformed requests answered with a refusal.
    RefusedMalformed,
    /// Requests outside any dialog, or that we do not serve.
    RefusedRequest,
    /// Requests for dialogs that do not exist (tags or Call-ID do not match).
    RefusedNoDialog,
    /// Re-INVITEs and UPDATEs that came too early or too often.
    RefusedBusyDialog,
    /// Answers with a description that carries no voice, or outside the trunk's media ranges.
    SdpFaults,
    /// Further answers of a forked INVITE: acknowledged and ended.
    ForkedAnswers,
    /// Answers that came after we had given up: acknowledged and ended.
    LateAnswers,
    /// Answers that crossed our CANCEL.
    CrossedAnswers,
    /// Copies of a 2xx, acknowledged again.
    DuplicateAnswers,
    /// ACKs sent because the store was too slow to confirm the dialog.
    AckUnconfirmed,
    /// Transactions that nobody answered within 64 T1.
    TransactionTimeouts,
    /// INVITEs without any provisional answer in time.
    SilentInvites,
    /// Challenges answered.
    ChallengesAnswered,
    /// Challenges that we do not answer: other realm, other source, no credentials, or asked again.
    ChallengesRefused,
    /// Calls ended because the far end stopped refreshing its session (RFC 4028).
    SessionsExpired,
    /// Legs of an earlier process taken over in order to end them.
    Orphans,
    /// Calls to our numbers that rang here.
    CallsIn,
    /// Calls to us that were refused at once: no number of ours, no room, no voice.
    CallsInRefused,
}

/// Number of [`Count`]s.
pub const COUNTS: usize = Count::ALL.len();

/// Responses to our INVITEs as they are counted: codes that mean something of their own, and the rest of each class.
pub const ANSWER_CODES: [&str; 26] = [
    "100", "180", "183", "1xx", "200", "2xx", "3xx", "401", "402", "403", "404", "407", "408",
    "480", "484", "486", "487", "488", "4xx", "500", "502", "503", "504", "5xx", "603", "6xx",
];

/// Place of a status in [`ANSWER_CODES`].
const fn answer_place(status: u16) -> usize {
    match status {
        100 => 0,
        180 => 1,
        183 => 2,
        0..=199 => 3,
        200 => 4,
        201..=299 => 5,
        300..=399 => 6,
        401 => 7,
        402 => 8,
        403 => 9,
        404 => 10,
        407 => 11,
        408 => 12,
        480 => 13,
        484 => 14,
        486 => 15,
        487 => 16,
        488 => 17,
        400..=499 => 18,
        500 => 19,
        502 => 20,
        503 => 21,
        504 => 22,
        501..=599 => 23,
        603 => 24,
        600.. => 25,
    }
}

/// What is counted of each trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkCounters {
    /// INVITEs sent, those repeated with credentials included, retransmissions not.
    pub invites: u64,
    /// Challenges (401, 407), to OPTIONS also, that we do not answer.
    pub challenges_refused: u64,
    /// Responses to INVITEs without copies, in the order of [`ANSWER_CODES`].
    pub answers: [u64; ANSWER_CODES.len()],
}

impl TrunkCounters {
    /// A response to an INVITE.
    pub(super) fn answered(&mut self, status: u16) {
        self.answers[answer_place(status)] += 1;
    }
}

/// All counts of an endpoint since its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    counts: [u64; COUNTS],
    trunks: BTreeMap<TrunkId, TrunkCounters>,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            counts: [0; COUNTS],
            trunks: BTreeMap::new(),
        }
    }
}

impl Counters {
    /// One more.
    pub fn add(&mut self, count: Count) {
        if let Some(place) = self.counts.get_mut(count as usize) {
            *place += 1;
        }
    }

    /// How many.
    pub fn get(&self, count: Count) -> u64 {
        self.counts.get(count as usize).copied().unwrap_or_default()
    }

    /// What is counted of a trunk. Only trunks of the configuration are named, so their number is bounded.
    pub(super) fn trunk(&mut self, trunk: TrunkId) -> &mut TrunkCounters {
        self.trunks.entry(trunk).or_default()
    }

    /// All trunks of which something was counted.
    pub fn trunks(&self) -> impl Iterator<Item = (TrunkId, &TrunkCounters)> {
        self.trunks
            .iter()
            .map(|(trunk, counters)| (*trunk, counters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_counted_under_its_code_or_its_class() {
        for status in 100..=699 {
            let code = ANSWER_CODES[answer_place(status)];
            let own = status.to_string();
            let class = format!("{}xx", status / 100);
            let has_own = ANSWER_CODES.contains(&own.as_str());
            assert_eq!(code, if has_own { own } else { class }, "{status}");
        }
    }
}
