//! What the endpoint counts: a closed set, so that a metric name cannot be misspelt and no label can carry a person.

macro_rules! counts {
    ($($(#[$doc:meta])* $variant:ident = $metric:literal, $key:literal, $value:literal;)*) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Count { $($(#[$doc])* $variant,)* }

        impl Count {
            /// All, in the order of their index.
            pub const ALL: &'static [Count] = &[$(Count::$variant,)*];

            /// Metric name, label key and label value; key and value are empty where the metric has no label.
            pub const fn metric(self) -> (&'static str, &'static str, &'static str) {
                match self { $(Count::$variant => ($metric, $key, $value),)* }
            }
        }
    };
}

counts! {
    /// INVITE received.
    InInvite = "tandem_sip_messages_in_total", "kind", "INVITE";
    /// ACK received.
    InAck = "tandem_sip_messages_in_total", "kind", "ACK";
    /// BYE received.
    InBye = "tandem_sip_messages_in_total", "kind", "BYE";
    /// CANCEL received.
    InCancel = "tandem_sip_messages_in_total", "kind", "CANCEL";
    /// OPTIONS received.
    InOptions = "tandem_sip_messages_in_total", "kind", "OPTIONS";
    /// Any other request received.
    InOther = "tandem_sip_messages_in_total", "kind", "other";
    /// 1xx received.
    In1xx = "tandem_sip_messages_in_total", "kind", "1xx";
    /// 2xx received.
    In2xx = "tandem_sip_messages_in_total", "kind", "2xx";
    /// 3xx received.
    In3xx = "tandem_sip_messages_in_total", "kind", "3xx";
    /// 4xx received.
    In4xx = "tandem_sip_messages_in_total", "kind", "4xx";
    /// 5xx received.
    In5xx = "tandem_sip_messages_in_total", "kind", "5xx";
    /// 6xx received.
    In6xx = "tandem_sip_messages_in_total", "kind", "6xx";
    /// INVITE sent, without retransmissions.
    OutInvite = "tandem_sip_messages_out_total", "kind", "INVITE";
    /// ACK sent.
    OutAck = "tandem_sip_messages_out_total", "kind", "ACK";
    /// BYE sent, without retransmissions.
    OutBye = "tandem_sip_messages_out_total", "kind", "BYE";
    /// CANCEL sent, without retransmissions.
    OutCancel = "tandem_sip_messages_out_total", "kind", "CANCEL";
    /// OPTIONS sent, without retransmissions.
    OutOptions = "tandem_sip_messages_out_total", "kind", "OPTIONS";
    /// UPDATE sent, without retransmissions.
    OutUpdate = "tandem_sip_messages_out_total", "kind", "UPDATE";
    /// 2xx sent.
    Out2xx = "tandem_sip_messages_out_total", "kind", "2xx";
    /// 4xx sent.
    Out4xx = "tandem_sip_messages_out_total", "kind", "4xx";
    /// 5xx sent.
    Out5xx = "tandem_sip_messages_out_total", "kind", "5xx";
    /// Requests and answers of ours sent again.
    Retransmissions = "tandem_sip_retransmissions_total", "", "";
    /// Messages from addresses of no trunk.
    UnknownSource = "tandem_sip_discarded_total", "reason", "unknown_source";
    /// Keep-alives and empty datagrams.
    DiscardedKeepAlive = "tandem_sip_discarded_total", "reason", "keep_alive";
    /// Octets that are no SIP.
    DiscardedNotSip = "tandem_sip_discarded_total", "reason", "not_sip";
    /// Malformed responses and ACKs.
    DiscardedMalformed = "tandem_sip_discarded_total", "reason", "malformed";
    /// Responses to nothing that we sent.
    DiscardedUnmatched = "tandem_sip_discarded_total", "reason", "unmatched_response";
    /// Messages for a call that came from another trunk's address.
    DiscardedForeign = "tandem_sip_discarded_total", "reason", "foreign_source";
    /// Copies of requests and answers, absorbed or answered again.
    Copies = "tandem_sip_copies_total", "", "";
    /// Malformed requests answered with a refusal.
    RefusedMalformed = "tandem_sip_refused_total", "reason", "malformed";
    /// Requests outside any dialog, or that we do not serve.
    RefusedRequest = "tandem_sip_refused_total", "reason", "not_served";
    /// Requests for dialogs that do not exist (tags or Call-ID do not match).
    RefusedNoDialog = "tandem_sip_refused_total", "reason", "no_dialog";
    /// Re-INVITEs and UPDATEs that came too early or too often.
    RefusedBusyDialog = "tandem_sip_refused_total", "reason", "one_at_a_time";
    /// Answers with a description that carries no voice, or outside the trunk's media ranges.
    SdpFaults = "tandem_sip_sdp_faults_total", "", "";
    /// Further answers of a forked INVITE: acknowledged and ended.
    ForkedAnswers = "tandem_sip_forked_answers_total", "", "";
    /// Answers that came after we had given up: acknowledged and ended.
    LateAnswers = "tandem_sip_late_answers_total", "", "";
    /// Answers that crossed our CANCEL.
    CrossedAnswers = "tandem_sip_crossed_answers_total", "", "";
    /// Copies of a 2xx, acknowledged again.
    DuplicateAnswers = "tandem_sip_duplicate_answers_total", "", "";
    /// ACKs sent because the store was too slow to confirm the dialog.
    AckUnconfirmed = "tandem_sip_acks_unconfirmed_total", "", "";
    /// Transactions that nobody answered within 64 T1.
    TransactionTimeouts = "tandem_sip_transaction_timeouts_total", "", "";
    /// INVITEs without any provisional answer in time.
    SilentInvites = "tandem_sip_silent_invites_total", "", "";
    /// Challenges answered.
    ChallengesAnswered = "tandem_sip_challenges_total", "outcome", "answered";
    /// Challenges that we do not answer: other realm, other source, no credentials, or asked again.
    ChallengesRefused = "tandem_sip_challenges_total", "outcome", "refused";
    /// Calls ended because the far end stopped refreshing its session (RFC 4028).
    SessionsExpired = "tandem_sip_sessions_expired_total", "", "";
    /// Legs of an earlier process taken over in order to end them.
    Orphans = "tandem_sip_orphans_total", "", "";
}

/// Number of [`Count`]s.
pub const COUNTS: usize = Count::ALL.len();

/// All counts of an endpoint since its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([u64; COUNTS]);

impl Default for Counters {
    fn default() -> Self {
        Counters([0; COUNTS])
    }
}

impl Counters {
    /// One more.
    pub fn add(&mut self, count: Count) {
        if let Some(place) = self.0.get_mut(count as usize) {
            *place += 1;
        }
    }

    /// How many.
    pub fn get(&self, count: Count) -> u64 {
        self.0.get(count as usize).copied().unwrap_or_default()
    }
}
