//! Every metric's name, labels and description, once. A misspelt name does not compile.
//!
//! `tandem_<room>_<noun>_<unit>`; counters end in `_total`, gauges never do. Labels are small closed sets: never a person, a
//! number, an agent or a Call-ID.

macro_rules! names {
    ($(#[$doc:meta])* $enum:ident { $($variant:ident = $name:literal [$($label:literal),*] $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $enum { $(#[doc = $help] $variant,)* }

        impl $enum {
            /// All of them, in the order of this file.
            pub const ALL: &'static [$enum] = &[$($enum::$variant,)*];
            /// The name in a scrape.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }
            /// The keys of its labels, in the order in which values are given.
            pub const fn labels(self) -> &'static [&'static str] { match self { $(Self::$variant => &[$($label),*],)* } }
            /// What it counts, for people.
            pub const fn help(self) -> &'static str { match self { $(Self::$variant => $help,)* } }
        }
    };
}

names! {
    /// What only rises.
    CounterName {
        CampaignAttempts = "tandem_campaign_attempts_total" ["campaign"] "Attempts started.";
        CampaignResults = "tandem_campaign_results_total" ["campaign", "result"] "Attempts ended, by system result.";
        CampaignAbandoned = "tandem_campaign_abandoned_total" ["campaign"] "People who answered and were not joined to an agent within the limit.";
        CampaignOutcomes = "tandem_campaign_outcomes_total" ["campaign"] "Dispositions kept.";
        CampaignHeldLeads = "tandem_campaign_held_leads_total" ["campaign", "gate"] "Times a gate held a lead back.";
        FloorSlowTurns = "tandem_floor_slow_turns_total" ["input"] "Turns of the floor above 1 ms, by kind of input.";
        FloorRefusedInputs = "tandem_floor_refused_inputs_total" ["lane"] "Inputs refused because a lane into the floor was full.";
        FloorWrapOverruns = "tandem_floor_wrap_overruns_total" [] "Wrap-ups longer than their campaign allows.";
        FloorInvariantFaults = "tandem_floor_invariant_faults_total" [] "Invariants found broken: each is a defect of the engine.";
        StoreCommits = "tandem_store_commits_total" [] "Transactions committed.";
        StoreOrders = "tandem_store_orders_total" [] "Orders made durable.";
        StoreFailures = "tandem_store_failures_total" [] "Orders that could not be made durable.";
        SipMessages = "tandem_sip_messages_total" ["direction", "kind"] "SIP messages by direction (in, out) and kind (method, or class of response).";
        SipEvents = "tandem_sip_events_total" ["event"] "Notable SIP events: dropped, retransmitted, malformed, refused.";
        MediaPackets = "tandem_media_packets_total" ["direction"] "RTP packets.";
        MediaEvents = "tandem_media_events_total" ["event"] "Notable media events: dropped, malformed, wrong source, out of ports.";
        DeskEvents = "tandem_desk_events_total" ["event"] "Notable desk events: logged in, resumed, refused, closed for slowness.";
        CardEvents = "tandem_card_events_total" ["event"] "Notable card events: staged, pushed, late, shortened.";
        ApiRequests = "tandem_api_requests_total" ["code"] "HTTP requests answered, by status.";
    }
}

names! {
    /// What rises and falls.
    GaugeName {
        EngineBuild = "tandem_engine_build_info" ["version"] "Always 1; the version is the label.";
        FloorAgents = "tandem_floor_agents" ["state"] "Agents by state.";
        FloorAttempts = "tandem_floor_alive_attempts" [] "Attempts between intent and end.";
        FloorIsStopped = "tandem_floor_is_stopped" [] "1 while dialling is stopped by hand.";
        FloorLaneInputs = "tandem_floor_lane_inputs" ["lane"] "Inputs that wait for the floor, by lane.";
        StoreIsReady = "tandem_store_is_ready" [] "1 while the store keeps up; otherwise nothing is dialled.";
        StoreBacklog = "tandem_store_backlog_orders" [] "Orders that wait for the store's writer.";
        CampaignIsRunning = "tandem_campaign_is_running" ["campaign"] "1 while the campaign dials.";
        CampaignAgents = "tandem_campaign_serving_agents" ["campaign"] "Agents who serve the campaign.";
        CampaignInAir = "tandem_campaign_in_air_lines" ["campaign"] "Lines started and neither answered nor ended.";
        CampaignRinging = "tandem_campaign_ringing_lines" ["campaign"] "Lines that ring.";
        CampaignWaiting = "tandem_campaign_waiting_calls" ["campaign"] "People who answered and wait for an agent.";
        CampaignTalking = "tandem_campaign_talking_calls" ["campaign"] "Conversations.";
        CampaignHotLeads = "tandem_campaign_hot_leads" ["campaign"] "Leads in the hot window.";
        TrunkIsUp = "tandem_trunk_is_up" ["trunk"] "1 while the trunk answers OPTIONS.";
        TrunkBreakerIsOpen = "tandem_trunk_breaker_is_open" ["trunk"] "1 while the breaker keeps the trunk out of use.";
        TrunkLegs = "tandem_trunk_in_use_legs" ["trunk"] "Legs in use.";
        DeskSessions = "tandem_desk_open_sessions" [] "Agents' sockets that are open.";
        MediaPorts = "tandem_media_used_ports" [] "RTP ports in use.";
    }
}

names! {
    /// How long something takes. Kept in microseconds, shown in seconds.
    TimingName {
        AnswerToMatch = "tandem_call_answer_to_match_seconds" [] "From the 200 OK to the choice of an agent.";
        MatchToPush = "tandem_desk_match_to_push_seconds" [] "From the choice of an agent to the card on the socket.";
        PushToPaint = "tandem_desk_push_to_paint_seconds" [] "From the card on the socket to the desk's word that it is painted.";
        AnswerToPaint = "tandem_desk_answer_to_paint_seconds" [] "From the 200 OK to the painted card: what the agent feels.";
        IntentCommit = "tandem_store_intent_commit_seconds" [] "From the order to dial to the durable intent.";
        Ring = "tandem_call_ring_seconds" [] "From the INVITE to the answer or the end.";
        Talk = "tandem_call_talk_seconds" [] "Length of conversations.";
        Wrap = "tandem_agent_wrap_seconds" [] "Length of wrap-ups.";
    }
}

/// The turn of the floor, by kind of input: a family of timings of its own.
pub(super) const FLOOR_TURN: (&str, &str) = (
    "tandem_floor_turn_seconds",
    "Time in which the floor decided on one input, by kind of input.",
);

impl TimingName {
    /// Short name, as in the picture.
    pub const fn short(self) -> &'static str {
        match self {
            Self::AnswerToMatch => "answer_to_match",
            Self::MatchToPush => "match_to_push",
            Self::PushToPaint => "push_to_paint",
            Self::AnswerToPaint => "answer_to_paint",
            Self::IntentCommit => "intent_commit",
            Self::Ring => "ring",
            Self::Talk => "talk",
            Self::Wrap => "wrap",
        }
    }

    /// Upper bounds of the buckets in a scrape, in microseconds: dense where the budgets lie.
    pub const fn bounds_us(self) -> &'static [u64] {
        match self {
            Self::AnswerToMatch | Self::MatchToPush => &MACHINE_BOUNDS_US,
            Self::IntentCommit | Self::PushToPaint | Self::AnswerToPaint => &SCREEN_BOUNDS_US,
            Self::Ring | Self::Wrap => &PEOPLE_BOUNDS_US,
            Self::Talk => &TALK_BOUNDS_US,
        }
    }
}

/// Microseconds to tens of milliseconds, up to the answer limit of 2 s: the path that must be short.
pub(super) const MACHINE_BOUNDS_US: [u64; 16] = [
    1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000,
    2_000_000,
];
/// Half a millisecond to seconds: disks, networks, browsers. The budget of 250 ms and the goal of 100 ms are bounds.
const SCREEN_BOUNDS_US: [u64; 13] = [
    500, 1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000,
];
/// Seconds to two minutes: ringing, wrap-up. 2, 15, 25 and 30 are limits somewhere.
const PEOPLE_BOUNDS_US: [u64; 12] = [
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    15_000_000,
    20_000_000,
    25_000_000,
    30_000_000,
    45_000_000,
    60_000_000,
    90_000_000,
    120_000_000,
];
/// Ten seconds to two hours: conversations (p50 180 s, p99 1,271 s in real collections calls; domain.md).
const TALK_BOUNDS_US: [u64; 12] = [
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    180_000_000,
    300_000_000,
    600_000_000,
    900_000_000,
    1_800_000_000,
    3_600_000_000,
    7_200_000_000,
];
