//! Every metric's name, labels and description, once. A misspelt name does not compile.
//!
//! `tandem_<room>_<noun>_<unit>` (and the `process_*` names that every Prometheus dashboard knows); base units; counters end
//! in `_total`, nothing else does. Labels are small closed sets: never a person, a number, an agent or a Call-ID.
//! `docs/metrics.md` is made from this file.

macro_rules! names {
    ($(#[$doc:meta])* $enum:ident { $($variant:ident = $name:literal [$($label:ident),*] $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $enum { $(#[doc = $help] $variant,)* }

        impl $enum {
            /// All of them, in the order of this file.
            pub const ALL: &'static [$enum] = &[$($enum::$variant,)*];
            /// The name in a scrape.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }
            /// Its labels, in the order in which values are given.
            pub const fn labels(self) -> &'static [Label] { match self { $(Self::$variant => &[$(Label::$label),*],)* } }
            /// What it counts, for people.
            pub const fn help(self) -> &'static str { match self { $(Self::$variant => $help,)* } }
        }
    };
}

macro_rules! labels {
    ($($variant:ident = $key:literal, $most:expr, $meaning:literal;)*) => {
        /// What a metric may be divided by. Every label is a closed set, or a set with a bound.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Label { $(#[doc = $meaning] $variant,)* }

        impl Label {
            /// All of them.
            pub const ALL: &'static [Label] = &[$(Label::$variant,)*];
            /// The key in a scrape.
            pub const fn key(self) -> &'static str { match self { $(Self::$variant => $key,)* } }
            /// How many values it has at most.
            pub const fn most(self) -> usize { match self { $(Self::$variant => $most,)* } }
            /// Its values, for people.
            pub const fn meaning(self) -> &'static str { match self { $(Self::$variant => $meaning,)* } }
        }
    };
}

/// Campaigns with a label of their own; later ones share [`OTHER`], or a floor with many campaigns would drown its monitor.
pub const CAMPAIGN_LABELS_MAX: usize = 256;
/// Trunks with a label of their own: as many as a configuration may hold.
pub const TRUNK_LABELS_MAX: usize = 64;
/// What shares a label because there are too many.
pub const OTHER: &str = "other";

labels! {
    Campaign = "campaign", CAMPAIGN_LABELS_MAX + 1, "Name of the campaign in the configuration. The first 256 have a label of their own, later ones share `other`.";
    Result = "result", 13, "System result of an attempt: `CONNECTED`, `ABANDONED`, `CUST_HANGUP_EARLY`, `NO_ANSWER`, `BUSY`, `REJECTED`, `MACHINE`, `CANCELLED`, `INTERRUPTED`, `NOT_SENT`, `INVALID`, `TRUNK_FAIL`, `MISSED`.";
    Success = "result", 2, "`ok` or `failed`.";
    Gate = "gate", 6, "What held a lead back: `DNC`, `IN_AIR`, `ATTEMPTS_USED`, `WINDOW`, `CAPPED`, `GAP`.";
    Bound = "bound", 10, "What keeps a campaign from starting more lines: `nothing`, `agents`, `leads`, `lines`, `cps`, `trunks`, `stopped`, `budget` (its abandon ledger), `window`, `store`.";
    Trunk = "trunk", TRUNK_LABELS_MAX + 1, "Name of the trunk in the configuration (at most 64).";
    SipCode = "code", 26, "Response to an INVITE: `100` `180` `183` `200` `401` `402` `403` `404` `407` `408` `480` `484` `486` `487` `488` `500` `502` `503` `504` `603`, and `1xx` to `6xx` for the rest of each class.";
    ApiCode = "code", 19, "HTTP status of the answer; one that the API never gives by itself is `other`.";
    Input = "input", 31, "Kind of fact that the floor decided on; `leg_answered` is the one that a person feels.";
    Lane = "lane", 2, "Way into the floor: `urgent` (legs, desks, stops) or `bulk` (leads, settings).";
    Queue = "queue", 11, "Bounded queue: `floor_urgent`, `floor_bulk`, `store`, `sip`, `sip_late`, `media`, `card`, `card_late`, `recording`, `input_log`, and `desk` (the longest queue of any one agent's socket).";
    State = "state", 7, "State of agents: `offline`, `break`, `ready`, `reserved`, `talking`, `wrap`, `manual`.";
    Kind = "kind", 12, "Method of a SIP request, or class of a response.";
    Reason = "reason", 8, "Why, in one word.";
    Outcome = "outcome", 2, "`answered` or `refused`.";
    Direction = "direction", 2, "`in` or `out`.";
    Score = "score", 5, "Estimated mean opinion score: `best` (4.34 and more), `high` (4.03), `medium` (3.60), `low` (3.10), `poor` (less): the bounds of ITU-T G.109.";
    Thread = "thread", 11, "Threads by their job: `floor`, `sip`, `media`, `store_writer`, `hopper`, `checkpoint`, `cards`, `input_log`, `recording`, `shell` (desks and API), `other`.";
    Version = "version", 1, "Version of the engine.";
}

names! {
    /// What only rises, in whole numbers.
    CounterName {
        CampaignAttempts = "tandem_campaign_attempts_total" [Campaign] "Attempts started.";
        CampaignResults = "tandem_campaign_results_total" [Campaign, Result] "Attempts ended, by system result.";
        CampaignAbandoned = "tandem_campaign_abandoned_total" [Campaign] "People who answered and were not joined to an agent within the limit.";
        CampaignBrokenGuarantees = "tandem_campaign_broken_guarantees_total" [Campaign] "Under an abandon guarantee: abandonments that passed the cap.";
        CampaignShadowLineSeconds = "tandem_campaign_shadow_line_seconds_total" [Campaign] "Lines that the campaign's shadow mode would have had in the air, times seconds: the rate is the mean number of lines. Rises only while the campaign has a shadow mode.";
        CampaignShadowedLineSeconds = "tandem_campaign_shadowed_line_seconds_total" [Campaign] "Lines in the air of the live mode over the same time, times seconds.";
        CampaignOutcomes = "tandem_campaign_outcomes_total" [Campaign] "Dispositions kept.";
        CampaignHeldLeads = "tandem_campaign_held_leads_total" [Campaign, Gate] "Times a gate held a lead back.";

        FloorSlowTurns = "tandem_floor_slow_turns_total" [Input] "Turns of the floor above 1 ms, by kind of input.";
        FloorRefusedInputs = "tandem_floor_refused_inputs_total" [Lane] "Inputs that a lane into the floor did not take because it was full. Some senders try again.";
        FloorWrapOverruns = "tandem_floor_wrap_overruns_total" [] "Wrap-ups longer than their campaign allows.";
        FloorNamedEvents = "tandem_floor_named_events_total" [Reason] "Events that may cost a campaign its abandon guarantee: `agent_lost`, `rules_changed`, `join_failed`, `cancelled_by_rule`, `noticed_late`, `clock_set`. Which campaign: `tandem campaign show`, and the log.";
        FloorInvariantFaults = "tandem_floor_invariant_faults_total" [] "Invariants found broken, looked for once a second: each is a defect of the engine.";

        TrunkInvites = "tandem_trunk_invites_total" [Trunk] "INVITEs sent, those repeated with credentials included, retransmissions not.";
        TrunkResponses = "tandem_trunk_responses_total" [Trunk, SipCode] "Responses to INVITEs, copies not counted.";
        TrunkRefusedChallenges = "tandem_trunk_refused_challenges_total" [Trunk] "Challenges (401, 407) that we do not answer: no or wrong password, another realm, another source.";
        TrunkBreakerOpenings = "tandem_trunk_breaker_openings_total" [Trunk] "Times the breaker took the trunk out of use, looked for four times a second.";

        SipMessagesIn = "tandem_sip_messages_in_total" [Kind] "SIP messages received.";
        SipMessagesOut = "tandem_sip_messages_out_total" [Kind] "SIP messages sent, retransmissions not counted.";
        SipRetransmissions = "tandem_sip_retransmissions_total" [] "Requests and answers of ours sent again: packets are lost, or the far end is slow.";
        SipDiscarded = "tandem_sip_discarded_total" [Reason] "Messages dropped without an answer: `unknown_source` (an address of no trunk), `keep_alive`, `not_sip`, `malformed`, `unmatched_response`, `foreign_source` (another trunk's address).";
        SipCopies = "tandem_sip_copies_total" [] "Copies of requests and answers, absorbed or answered again.";
        SipRefused = "tandem_sip_refused_total" [Reason] "Requests answered with a refusal: `malformed`, `not_served`, `no_dialog`, `one_at_a_time`.";
        SipSdpFaults = "tandem_sip_sdp_faults_total" [] "Answers whose description carries no voice or names a place outside the trunk's media ranges.";
        SipForkedAnswers = "tandem_sip_forked_answers_total" [] "Further answers of a forked INVITE: acknowledged and ended.";
        SipLateAnswers = "tandem_sip_late_answers_total" [] "Answers that came after we had given up: acknowledged and ended.";
        SipCrossedAnswers = "tandem_sip_crossed_answers_total" [] "Answers that crossed our CANCEL.";
        SipDuplicateAnswers = "tandem_sip_duplicate_answers_total" [] "Copies of a 2xx, acknowledged again.";
        SipAcksUnconfirmed = "tandem_sip_acks_unconfirmed_total" [] "ACKs sent after 200 ms because the store was too slow to confirm the dialog.";
        SipTransactionTimeouts = "tandem_sip_transaction_timeouts_total" [] "Transactions that nobody answered within 64 T1.";
        SipSilentInvites = "tandem_sip_silent_invites_total" [] "INVITEs without any provisional answer in time.";
        SipChallenges = "tandem_sip_challenges_total" [Outcome] "Challenges, by what we did.";
        SipSessionsExpired = "tandem_sip_sessions_expired_total" [] "Calls ended because the far end stopped refreshing its session (RFC 4028).";
        SipCallsIn = "tandem_sip_calls_in_total" [Reason] "Calls to our numbers: `rang` here, or `refused` at once (no voice, no room, a trunk that may not bring them).";
        SipOrphans = "tandem_sip_orphans_total" [] "Legs of an earlier process taken over in order to end them.";
        SipOrdersRefused = "tandem_sip_orders_refused_total" [Reason] "Orders not carried out: `queue_full`, or `unknown_call` (it had ended while the order was on its way).";
        SipSendFailures = "tandem_sip_send_failures_total" [] "Messages that the operating system or a connection did not take.";
        SipFloorLate = "tandem_sip_floor_late_total" [] "Facts kept for a while because the floor's lane was full.";
        SipFloorLost = "tandem_sip_floor_lost_total" [] "Facts lost because the floor was too far behind.";
        SipDialogsNotStored = "tandem_sip_dialogs_not_stored_total" [] "Answered calls whose far side the store's lane had no room for: their ACK leaves after 200 ms.";
        SipPortsExhausted = "tandem_sip_ports_exhausted_total" [] "Calls not placed because no RTP port was free.";
        SipStreamsRefused = "tandem_sip_streams_refused_total" [] "TCP connections refused: no trunk's address, or too many.";

        MediaOpenedLegs = "tandem_media_opened_legs_total" [] "Legs that got a port.";
        MediaBrowserLegs = "tandem_media_browser_legs_total" [] "Audio legs of browsers set up, page loads included.";
        MediaClosedLegs = "tandem_media_closed_legs_total" [] "Legs that gave it back.";
        MediaRefusedReservations = "tandem_media_refused_reservations_total" [] "Ports refused: all taken, or the media thread behind by its whole lane.";
        MediaPackets = "tandem_media_packets_total" [Direction] "RTP packets, received from the right source or sent.";
        MediaPayload = "tandem_media_payload_bytes_total" [Direction] "Bytes of their payloads.";
        MediaEarlyPackets = "tandem_media_early_packets_total" [] "Packets received before the answer: ring-back and announcements.";
        MediaDroppedPackets = "tandem_media_dropped_packets_total" [Reason] "Packets dropped: `foreign` source, `malformed`, `control` (RTCP), `stale` (of the port's last call), `not_sent` (the operating system did not take it), `forged` (SRTP of a trunk: forged, replayed or in the clear), `agent_foreign` and `agent_refused` (on the browsers' port: of nobody that ICE knows; forged, replayed or malformed).";
        MediaSkippedFrames = "tandem_media_skipped_frames_total" [] "Frames left out because the media thread was late by more than 100 ms.";
        MediaRefusedRemotes = "tandem_media_refused_remotes_total" [] "SDP addresses outside their trunk's ranges: nothing is sent there.";
        MediaAgentDatagrams = "tandem_media_agent_datagrams_total" [Direction] "Datagrams of agents' browsers: checks, keys and voice.";
        MediaBridges = "tandem_media_bridges_total" [] "Legs joined to an agent.";
        MediaDroppedOrders = "tandem_media_dropped_orders_total" [Reason] "Orders not carried out: `no_leg`, or `queue_full`.";
        MediaRefusedOffers = "tandem_media_refused_offers_total" [] "Browsers' offers refused: not audio, no G.711, or unreadable.";
        MediaRestartedThreads = "tandem_media_restarted_threads_total" [] "Times that a media thread began anew after a defect: its calls were ended, other threads' went on.";
        MediaControlPackets = "tandem_media_control_packets_total" [Direction] "RTCP packets of customers' and telephones' legs: understood, or sent.";
        MediaScoredCalls = "tandem_media_scored_directions_total" [Direction, Score] "Directions of joined calls by their estimated opinion score (ITU-T G.107): how the agent heard the customer, how the customer's side says that he was heard.";
        MediaLostPackets = "tandem_media_lost_packets_total" [Direction] "Packets of joined calls that did not arrive: of the customer's, by their numbers; of ours, as his side reported.";
        MediaRefusedKeys = "tandem_media_refused_keys_total" [] "Strings of keys that were not sent: a character that no telephone has, or more than 64 waiting.";
        MediaAlarms = "tandem_media_alarms_total" [Reason] "Customers' sides that fell silent: `silence` (no packet for 5 s), `one_way` (packets without a sound for 10 s), `lost` (taken for dead, the call ends).";
        MediaDroppedReports = "tandem_media_dropped_reports_total" [] "Call reports that nobody took in time.";

        DeskAcceptedSockets = "tandem_desk_accepted_sockets_total" [] "Agents' sockets accepted.";
        DeskRefusedSockets = "tandem_desk_refused_sockets_total" [Reason] "Sockets turned away: `too_many`, `bad_upgrade`, `foreign_origin` (also counted as bad upgrade), `login`.";
        DeskClosedSockets = "tandem_desk_closed_sockets_total" [Reason] "Sockets closed by us: `too_slow` (its queue was full), `silent` (no pong in time), `protocol_broken`, `taken_over` (another socket of the same agent).";
        DeskLogins = "tandem_desk_logins_total" [] "Log-ins.";
        DeskResumes = "tandem_desk_resumes_total" [] "Returns to a session.";
        DeskResumeSnapshots = "tandem_desk_resume_snapshots_total" [] "Of these, with a snapshot since the missed messages were not kept.";
        DeskReceivedMessages = "tandem_desk_received_messages_total" [] "Messages from agents after log-in.";
        DeskBadMessages = "tandem_desk_bad_messages_total" [] "Messages from agents that were not understood.";
        DeskSentMessages = "tandem_desk_sent_messages_total" [] "Messages to agents given to the kernel.";
        DeskSentBytes = "tandem_desk_sent_bytes_total" [] "Bytes of their text.";
        DeskRefusedFacts = "tandem_desk_refused_facts_total" [] "Facts of agents that the floor's lane had no room for; the agent was told to try again.";
        DeskPushedCards = "tandem_desk_pushed_cards_total" [] "First cards pushed.";
        DeskLateCards = "tandem_desk_late_cards_total" [] "First cards whose body was not ready at the push and followed.";
        DeskPreviews = "tandem_desk_previews_total" [] "Leads shown to an agent before they are dialled.";
        DeskSkippedPreviews = "tandem_desk_skipped_previews_total" [] "Of those, skipped by their agent, or by the end of their time.";
        DeskUndeliverableCards = "tandem_desk_undeliverable_cards_total" [] "Cards for agents without a session, or for calls that the book does not know.";
        DeskUnseenCalls = "tandem_desk_unseen_calls_total" [] "Calls whose card was not painted, or whose agent could not be heard, five seconds after the bridge: look at that desk.";
        DeskUnsavedOutcomes = "tandem_desk_unsaved_outcomes_total" [] "Outcomes that the store could not keep; the agent was told.";

        CardBodies = "tandem_card_bodies_total" [] "Bodies of first cards built.";
        CardShortenedBodies = "tandem_card_shortened_bodies_total" [] "Bodies that lost a part for size.";
        CardRefusedOrders = "tandem_card_refused_orders_total" [] "Orders to build a card refused because the queue was full; the card will be late.";
        CardUnreadableFacts = "tandem_card_unreadable_facts_total" [] "Leads whose facts are not readable: their card shows the masked number only.";

        StoreRefusedOrders = "tandem_store_refused_orders_total" [] "Orders that contradict the store and were refused by themselves.";
        StorePutOffCommits = "tandem_store_put_off_commits_total" [] "Commits that found no room on the disk, or the database held by another process.";
        StoreStops = "tandem_store_stops_total" [] "Times the store stopped for good because a commit's fate is unknown.";
        StoreDroppedOrders = "tandem_store_dropped_orders_total" [] "Orders dropped because the store had stopped for good; a restart settles what they were about.";
        StoreBackups = "tandem_store_backups_total" [Success] "Backups made, or failed.";

        HopperLentLeads = "tandem_hopper_lent_leads_total" [] "Leads lent to the floor.";
        HopperUnusableLeads = "tandem_hopper_unusable_leads_total" [] "Leads passed over because their zone or a skill is not in force.";
        HopperFailures = "tandem_hopper_failures_total" [] "Reads of leads that failed; they are tried again.";

        RecordingBegun = "tandem_recording_begun_total" [] "Recordings begun.";
        RecordingRefused = "tandem_recording_refused_total" [] "Conversations that should have been recorded and were not: the bound was reached, the queue full, or no key could be drawn.";
        RecordingChunks = "tandem_recording_chunks_total" [] "Seconds of sound sealed and written.";
        RecordingDroppedChunks = "tandem_recording_dropped_chunks_total" [] "Seconds of sound lost because the disk did not take them in time; the bridge never waits.";
        RecordingFailures = "tandem_recording_failures_total" [] "Files of recordings that could not be made, brought to the disk, or closed.";
        RecordingResumed = "tandem_recording_resumed_total" [] "Pauses that reached their limit: the recording went on by itself.";
        RecordingConverted = "tandem_recording_converted_total" [] "Recordings made into Ogg Opus.";
        RecordingBroken = "tandem_recording_broken_total" [] "Recordings found damaged, or without their file.";
        RecordingErased = "tandem_recording_erased_total" [] "Recordings erased because their time was over.";

        ApiRequests = "tandem_api_requests_total" [ApiCode] "HTTP requests answered, by status.";
        ConfigReloads = "tandem_config_reloads_total" [Success] "Configurations taken in while running, or refused.";
        EngineInputLog = "tandem_engine_input_log_bytes_total" [] "Octets of the input log written by this run.";
        EngineLostLogLines = "tandem_engine_lost_input_log_lines_total" [] "Lines of the input log lost because its disk was behind.";
    }
}

names! {
    /// What rises and falls.
    GaugeName {
        EngineBuild = "tandem_engine_build_info" [Version] "Always 1; the version is the label.";
        EngineIsReady = "tandem_engine_is_ready" [] "1 while `/readyz` says yes: the floor turns, the store keeps up, SIP is bound, no drain.";
        EngineThreads = "tandem_engine_threads" [Thread] "Threads alive, by their job.";
        EngineQueueItems = "tandem_engine_queue_items" [Queue] "What waits in a bounded queue.";
        EngineQueueCapacity = "tandem_engine_queue_capacity_items" [Queue] "How much the queue holds.";
        EngineInputLogIsRecording = "tandem_engine_input_log_is_recording" [] "1 while inputs are recorded; 0 once the log is full or broken. Absent where none is configured.";
        EngineMemoryLimit = "tandem_engine_memory_limit_bytes" [] "Memory that the process may have: the least of the machine's and its control groups'.";
        ConfigLoadedTime = "tandem_config_last_load_success_timestamp_seconds" [] "When the configuration in force was taken in.";
        ConfigReloadIsGood = "tandem_config_last_reload_is_good" [] "1 unless the last reload was refused.";

        FloorAgents = "tandem_floor_agents" [State] "Agents by state.";
        FloorAttempts = "tandem_floor_alive_attempts" [] "Attempts between intent and end.";
        FloorIsStopped = "tandem_floor_is_stopped" [] "1 while dialling is stopped by hand.";

        CampaignIsRunning = "tandem_campaign_is_running" [Campaign] "1 while the campaign dials.";
        CampaignAgents = "tandem_campaign_serving_agents" [Campaign] "Agents who serve the campaign.";
        CampaignPreviews = "tandem_campaign_previews" [Campaign] "Leads on agents' screens before they are dialled.";
        CampaignInAir = "tandem_campaign_in_air_lines" [Campaign] "Lines started and neither answered nor ended.";
        CampaignRinging = "tandem_campaign_ringing_lines" [Campaign] "Lines that ring.";
        CampaignWaiting = "tandem_campaign_waiting_calls" [Campaign] "People who answered and wait for an agent.";
        CampaignTalking = "tandem_campaign_talking_calls" [Campaign] "Conversations.";
        CampaignHotLeads = "tandem_campaign_hot_leads" [Campaign] "Leads in the hot window.";
        CampaignWindowAbandoned = "tandem_campaign_window_abandoned_calls" [Campaign] "Abandon ledger: people in its window whom nobody reached in time.";
        CampaignWindowServed = "tandem_campaign_window_served_calls" [Campaign] "Abandon ledger: people in its window joined to an agent in time.";
        CampaignWindowExposed = "tandem_campaign_window_exposed_calls" [Campaign] "Abandon ledger: all answered calls in its window.";
        CampaignAbandonBudget = "tandem_campaign_abandon_budget_lines" [Campaign] "Under an abandon guarantee: lines that may be in the air without an agent behind them.";
        CampaignIsOverCap = "tandem_campaign_is_over_cap" [Campaign] "1 while the abandon cap is passed: no line starts without a free agent.";
        CampaignAbandonExcess = "tandem_campaign_abandon_excess_calls" [Campaign] "Abandoned calls above the target in the ledger's window; below 0, so many are left.";
        CampaignCapExcess = "tandem_campaign_cap_excess_calls" [Campaign] "Abandoned calls above the cap in the ledger's window; below 0, so many are left.";
        CampaignIsBound = "tandem_campaign_is_bound" [Campaign, Bound] "1 for what keeps a running campaign from starting more lines now.";

        TrunkIsUp = "tandem_trunk_is_up" [Trunk] "1 while the trunk answers OPTIONS.";
        TrunkBreakerIsOpen = "tandem_trunk_breaker_is_open" [Trunk] "1 while the breaker keeps the trunk out of use.";
        TrunkLegs = "tandem_trunk_in_use_legs" [Trunk] "Legs in use.";
        TrunkCapacity = "tandem_trunk_capacity_legs" [Trunk] "Legs that the trunk may have (channels_max).";

        SipCalls = "tandem_sip_calls" [] "Calls that the SIP side keeps, ended ones that only absorb copies included.";
        SipStreams = "tandem_sip_streams" [] "TCP connections open.";
        MediaUsedPorts = "tandem_media_used_ports" [] "RTP ports in use.";
        MediaFreePorts = "tandem_media_free_ports" [] "RTP ports that a call could have now.";
        DeskOpenSessions = "tandem_desk_open_sessions" [] "Agents with an open socket.";
        DeskLostSessions = "tandem_desk_lost_sessions" [] "Agents whose socket is lost and who may come back to their session.";

        StoreIsReady = "tandem_store_is_ready" [] "1 while the store keeps up; otherwise nothing is dialled.";
        StoreWaitingOrders = "tandem_store_waiting_orders" [] "Orders taken that wait for room on the disk.";
        StoreFile = "tandem_store_file_bytes" [] "Size of the database file.";
        StoreWal = "tandem_store_wal_bytes" [] "Size of its write-ahead log.";
        StoreLastBackup = "tandem_store_last_backup_timestamp_seconds" [] "When the last backup was made; 0: none since the start.";
        HopperOutLeads = "tandem_hopper_out_leads" [] "Leads lent to the floor and not returned.";

        RecordingOpen = "tandem_recording_open_files" [] "Recordings under way.";
        RecordingBacklog = "tandem_recording_backlog_recordings" [] "Closed recordings that wait for their conversion.";
        TlsExpiry = "tandem_tls_certificate_expiry_timestamp_seconds" [] "When the certificate in use ends. Absent without TLS.";

        ProcessMemory = "process_resident_memory_bytes" [] "Resident memory size in bytes.";
        ProcessVirtualMemory = "process_virtual_memory_bytes" [] "Virtual memory size in bytes.";
        ProcessOpenFiles = "process_open_fds" [] "Number of open file descriptors.";
        ProcessMaxFiles = "process_max_fds" [] "Maximum number of open file descriptors.";
        ProcessThreads = "process_threads" [] "Number of OS threads in the process.";
        ProcessStart = "process_start_time_seconds" [] "Start time of the process since unix epoch in seconds.";
    }
}

names! {
    /// Time that only rises, in seconds with fractions: its rate is a share, or a number of agents or cores.
    SecondsName {
        AgentTime = "tandem_agent_state_seconds_total" [State] "Time that agents spent in a state, all together. Occupancy is the share of talking and wrap in the time at work.";
        ThreadCpu = "tandem_engine_thread_cpu_seconds_total" [Thread] "Processor time of threads, by their job.";
        ThreadWait = "tandem_engine_thread_wait_seconds_total" [Thread] "Time in which threads could have run and no processor was free, by their job.";
        ProcessCpu = "process_cpu_seconds_total" [] "Total user and system CPU time spent in seconds.";
    }
}

names! {
    /// How long something takes. Kept in microseconds, shown in seconds: as a histogram, and as quantiles since the start
    /// under the name with `_quantile_seconds`.
    TimingName {
        AnswerToFloor = "tandem_call_answer_to_floor_seconds" [] "From the 200 OK read off the socket to the floor's turn on it.";
        AnswerToMatch = "tandem_call_answer_to_match_seconds" [] "From the 200 OK read off the socket to the choice of an agent.";
        MatchToPush = "tandem_desk_match_to_push_seconds" [] "From the choice of an agent to the card's last byte given to the kernel.";
        AnswerToPush = "tandem_desk_answer_to_push_seconds" [] "From the 200 OK to the card's last byte given to the kernel.";
        PushToPaint = "tandem_desk_push_to_paint_seconds" [] "From the card given to the kernel to the desk's word that it is painted, the ways there and back included.";
        AnswerToPaint = "tandem_desk_answer_to_paint_seconds" [] "From the 200 OK to the desk's word that the card is painted: what the agent feels. Budget 0.25.";
        IntentCommit = "tandem_store_intent_commit_seconds" [] "From the order to dial to the durable intent. An intent older than 0.25 is not sent.";
        ReleaseToInvite = "tandem_call_release_to_invite_seconds" [] "From the floor's release to the INVITE given to the kernel.";
        FirstAudio = "tandem_call_first_audio_seconds" [] "From the answer to the first packet of the agent's voice that left for the customer.";
        Ring = "tandem_call_ring_seconds" [] "From the INVITE's release to the answer or the end.";
        Talk = "tandem_call_talk_seconds" [] "Length of conversations.";
        Wrap = "tandem_agent_wrap_seconds" [] "Length of wrap-ups.";
        StoreCommit = "tandem_store_commit_seconds" [] "One transaction of the store, its fsync included.";
        HopperRefill = "tandem_hopper_refill_seconds" [] "Reading due leads for one campaign.";
        FloorTurn = "tandem_floor_turn_seconds" [Input] "One turn of the floor: deciding on one input and handing out the orders that follow.";
    }
}

names! {
    /// How many at once: histograms of plain numbers.
    SizeName {
        StoreBatch = "tandem_store_commit_orders" [] "Orders made durable by one transaction.";
    }
}

impl TimingName {
    /// Short name, as in the picture.
    pub const fn short(self) -> &'static str {
        match self {
            Self::AnswerToFloor => "answer_to_floor",
            Self::AnswerToMatch => "answer_to_match",
            Self::MatchToPush => "match_to_push",
            Self::AnswerToPush => "answer_to_push",
            Self::PushToPaint => "push_to_paint",
            Self::AnswerToPaint => "answer_to_paint",
            Self::IntentCommit => "intent_commit",
            Self::ReleaseToInvite => "release_to_invite",
            Self::FirstAudio => "first_audio",
            Self::Ring => "ring",
            Self::Talk => "talk",
            Self::Wrap => "wrap",
            Self::StoreCommit => "store_commit",
            Self::HopperRefill => "hopper_refill",
            Self::FloorTurn => "floor_turn",
        }
    }

    /// The family of quantiles that stands beside the histogram; `None` where there is one histogram for each kind of input.
    pub fn quantiles(self) -> Option<String> {
        let stem = self.name().trim_end_matches("_seconds");
        self.labels()
            .is_empty()
            .then(|| format!("{stem}_quantile_seconds"))
    }

    /// Upper bounds of the buckets in a scrape, in microseconds: dense where the budgets lie.
    pub const fn bounds_us(self) -> &'static [u64] {
        match self {
            Self::AnswerToFloor
            | Self::AnswerToMatch
            | Self::MatchToPush
            | Self::AnswerToPush
            | Self::ReleaseToInvite
            | Self::FloorTurn => &MACHINE_BOUNDS_US,
            Self::IntentCommit
            | Self::StoreCommit
            | Self::HopperRefill
            | Self::FirstAudio
            | Self::PushToPaint
            | Self::AnswerToPaint => &SCREEN_BOUNDS_US,
            Self::Ring | Self::Wrap => &PEOPLE_BOUNDS_US,
            Self::Talk => &TALK_BOUNDS_US,
        }
    }
}

/// Microseconds to tens of milliseconds, up to the answer limit of 2 s: the path that must be short.
const MACHINE_BOUNDS_US: [u64; 16] = [
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
