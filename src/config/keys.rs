//! The closed table of keys: what a reload may change while calls go on, what needs a restart, and why.
//!
//! Every key that the loader reads stands here once; a test holds the two together, so that a new key needs a decision.

use super::abandon::{in_percent, window_words};
use super::shown::{
    Shown, absent, clock, ice_urls, list, millis, minutes, needs, option, optional_text, path,
    plain, ratio, recycle, seconds, state, text, tls_file, transport, weekdays,
};
use super::{CampaignConfig, Config, RecordingFormat, SrtpRule, TrunkConfig};
use crate::core::results::SystemResult;
use crate::core::settings::{
    AbandonDenominator, AbandonStrength, DialMode, PreviewTimeout, WrapOverrun,
};
use std::fmt::Write;

/// What a reload does with another value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It takes hold at once; calls, conversations and sockets stay.
    Live,
    /// The whole reload is refused: the value is read when the engine starts, and only then.
    Restart,
}

/// A key and the decision about it.
#[derive(Debug)]
pub struct Key {
    /// The key without indices, "trunks.cps_max".
    pub name: &'static str,
    /// What a reload does with it.
    pub change: Change,
    /// What another value means for what is going on; or why it needs a restart.
    pub why: &'static str,
    pub(super) read: Read,
}

/// How the value of a key is read out of a checked configuration.
#[derive(Debug)]
pub(super) enum Read {
    /// It stands once.
    Engine(fn(&Config) -> Shown),
    /// Each trunk has one.
    Trunk(fn(&TrunkConfig) -> Shown),
    /// Each campaign has one.
    Campaign(fn(&Config, &CampaignConfig) -> Shown),
    /// The entries of a list of tables: they come and go by name.
    Entries,
    /// Compared under another key, of which it is a part.
    Within(&'static str),
}

const fn live(name: &'static str, why: &'static str, read: Read) -> Key {
    Key {
        name,
        change: Change::Live,
        why,
        read,
    }
}

const fn restart(name: &'static str, why: &'static str, read: Read) -> Key {
    Key {
        name,
        change: Change::Restart,
        why,
        read,
    }
}

const AT_LOGIN: &str = "for agents who log in from then on";
const BOUND: &str = "its socket is bound once, before the first call";
const SIGNALLED: &str = "calls that are up are signalled there; add the new place as a trunk of another name and remove this one: \
     both are live";
const NEXT_CALL: &str = "from the next call on";
const NEXT_DECISION: &str = "at the next decision";
const NEXT_WAIT: &str = "for waits that begin from then on";
const ASKED_AGAIN: &str = "asked at the next decision, and again before each INVITE leaves";
const COUNTED_ON: &str = "the calls of the window are weighed anew, none is forgotten; under a guarantee a stricter rule is a named event while \
     calls are in the air";
const LEAD_RETURNS: &str =
    "for attempts that end from then on; leads that were put back keep their time";

use Read::{Campaign, Engine, Entries, Trunk, Within};

/// Every key.
pub const KEYS: &[Key] = &[
    restart(
        "data_dir",
        "the store and the admin token are open in it",
        Engine(|c| path(&c.data_dir)),
    ),
    restart(
        "input_log",
        "a log begins with the settings that the floor began with",
        Engine(|c| {
            c.input_log
                .as_ref()
                .map_or_else(absent, |log| path(&log.path))
        }),
    ),
    restart(
        "input_log_max_mb",
        "its log is open, with the room that it was given",
        Engine(|c| {
            c.input_log
                .as_ref()
                .map_or_else(absent, |log| plain(log.octets_max / 1_000_000))
        }),
    ),
    restart(
        "input_log_keep",
        "earlier logs are counted when the engine starts",
        Engine(|c| {
            c.input_log
                .as_ref()
                .map_or_else(absent, |log| plain(log.keep))
        }),
    ),
    live(
        "default_country",
        "for cards from the next call on; imports read the file themselves",
        Engine(|c| text(&c.default_country)),
    ),
    live(
        "default_zone",
        "for promises and callbacks from then on; imports read the file themselves",
        Engine(|c| text(&c.default_zone)),
    ),
    live(
        "skills",
        "new ones at once; one that is removed is known until the next start, because leads in memory may need it",
        Engine(|c| {
            let mut names = c.skills.clone();
            names.sort_unstable();
            list(&names)
        }),
    ),
    live(
        "break_reasons",
        "offered from the next log-in on; a desk that still shows a removed one may use it",
        Engine(|c| list(&c.break_reasons)),
    ),
    live(
        "skip_reasons",
        "offered from the next log-in on; a desk that still shows a removed one may use it",
        Engine(|c| list(&c.skip_reasons)),
    ),
    restart("sip.listen", BOUND, Engine(|c| text(c.sip.listen))),
    restart(
        "sip.advertise_address",
        "calls that are up were offered it in Contact and SDP",
        Engine(|c| option(c.sip.advertise_address)),
    ),
    live(
        "sip.user_agent",
        "from the next request on",
        Engine(|c| text(&c.sip.user_agent)),
    ),
    restart(
        "media.listen",
        "sockets of calls are bound there",
        Engine(|c| text(c.media.listen)),
    ),
    restart(
        "media.port_first",
        "the table of ports is made once",
        Engine(|c| plain(c.media.ports.0)),
    ),
    restart(
        "media.port_last",
        "the table of ports is made once",
        Engine(|c| plain(c.media.ports.1)),
    ),
    restart(
        "media.threads",
        "agents are pinned to their threads at log-in",
        Engine(|c| plain(c.media.threads)),
    ),
    restart(
        "media.agent_port",
        BOUND,
        Engine(|c| plain(c.media.agent_port)),
    ),
    restart(
        "media.agent_addresses",
        "browsers were told them at log-in",
        Engine(|c| list(&c.media.agent_addresses)),
    ),
    live(
        "media.stun_servers",
        AT_LOGIN,
        Engine(|c| ice_urls(c, false)),
    ),
    live(
        "media.turn_servers",
        AT_LOGIN,
        Engine(|c| ice_urls(c, true)),
    ),
    live(
        "media.turn_username",
        AT_LOGIN,
        Engine(|c| {
            let mut names = c.media.ice_servers.iter();
            names
                .find_map(|server| server.username.as_deref())
                .map_or_else(absent, plain)
        }),
    ),
    live(
        "media.turn_credential",
        AT_LOGIN,
        Engine(|c| {
            let mut secrets = c.media.ice_servers.iter();
            Shown::Secret(secrets.find_map(|server| server.credential.clone()))
        }),
    ),
    restart(
        "media.prompts_dir",
        "prompts are read once, so that none is missing at the moment of an abandoned call",
        Engine(|c| {
            let dir = c.media.prompts_dir.as_ref();
            dir.map_or_else(absent, |dir| path(dir))
        }),
    ),
    restart("desk.listen", BOUND, Engine(|c| text(c.desk.listen))),
    live(
        "desk.origins",
        "for sockets that are opened from then on",
        Engine(|c| list(&c.desk.origins)),
    ),
    live(
        "desk.ping_deadline_s",
        "at once, for sockets that are open too",
        Engine(|c| seconds(c.desk.ping_deadline)),
    ),
    live(
        "desk.queue",
        "at the next message",
        Engine(|c| plain(c.desk.queue)),
    ),
    live(
        "desk.sockets_max",
        "for sockets that are opened from then on",
        Engine(|c| plain(c.desk.sockets_max)),
    ),
    restart("api.listen", BOUND, Engine(|c| text(c.api.listen))),
    live(
        "api.hosts",
        "at the next request",
        Engine(|c| list(&c.api.hosts)),
    ),
    restart(
        "pages.desk",
        "pages are laid out once",
        Engine(|c| plain(c.pages.desk)),
    ),
    restart(
        "pages.socket_url",
        "pages are laid out once",
        Engine(|c| optional_text(c.pages.socket_url.as_deref())),
    ),
    restart(
        "tls.certificate_file",
        "its path is asked once; what is in the file is read again at each reload, and when the file changes",
        Engine(|c| tls_file(c, |files| &files.certificate)),
    ),
    restart(
        "tls.key_file",
        "as certificate_file",
        Engine(|c| tls_file(c, |files| &files.key)),
    ),
    restart(
        "tls.allow_plain",
        "the sockets are open already",
        Engine(|c| plain(c.tls.allow_plain)),
    ),
    restart(
        "recording.directory",
        "recordings are open in it",
        Engine(|c| path(&c.recording_directory())),
    ),
    restart(
        "recording.site_key_file",
        "recordings are sealed with what was in it at the start",
        Engine(|c| path(&c.recording_key_file())),
    ),
    restart(
        "recording.calls_max",
        "the queue is made once",
        Engine(|c| plain(c.recording.calls_max)),
    ),
    restart(
        "recording.queue_chunks",
        "the queue is made once",
        Engine(|c| plain(c.recording.queue_chunks)),
    ),
    restart(
        "recording.sync_s",
        "asked when the writer starts",
        Engine(|c| seconds(c.recording.sync_every)),
    ),
    restart(
        "recording.format",
        "asked when the converter starts",
        Engine(|c| {
            text(match c.recording.format {
                RecordingFormat::Opus => "opus",
                RecordingFormat::Wav => "wav",
            })
        }),
    ),
    restart(
        "recording.link_life_s",
        "asked when the API starts",
        Engine(|c| seconds(c.recording.link_life)),
    ),
    live(
        "store.commit_window_ms",
        "at the next commit",
        Engine(|c| millis(c.store.commit_window)),
    ),
    restart(
        "store.queue",
        "the lane into the store is made once",
        Engine(|c| plain(c.store.queue)),
    ),
    live(
        "floor.tick_ms",
        NEXT_DECISION,
        Engine(|c| millis(c.floor.tick)),
    ),
    live(
        "floor.intent_age_max_ms",
        NEXT_WAIT,
        Engine(|c| millis(c.floor.intent_age_max)),
    ),
    live(
        "floor.agent_grace_s",
        NEXT_WAIT,
        Engine(|c| seconds(c.floor.agent_grace)),
    ),
    live(
        "floor.first_answer_wait_s",
        NEXT_WAIT,
        Engine(|c| seconds(c.floor.first_answer_wait)),
    ),
    live(
        "floor.end_wait_s",
        NEXT_WAIT,
        Engine(|c| seconds(c.floor.end_wait)),
    ),
    live(
        "floor.bridge_wait_s",
        NEXT_WAIT,
        Engine(|c| seconds(c.floor.bridge_wait)),
    ),
    live(
        "floor.talk_max_s",
        "for conversations that begin from then on",
        Engine(|c| seconds(c.floor.talk_max)),
    ),
    live(
        "floor.hot_leads",
        "at the next refill",
        Engine(|c| plain(c.floor.hot_leads)),
    ),
    live(
        "floor.attempts_max",
        "for new attempts; none that is alive ends",
        Engine(|c| plain(c.floor.attempts_max)),
    ),
    live(
        "floor.breaker_failures",
        "at the next failure",
        Engine(|c| plain(c.floor.breaker_failures)),
    ),
    live(
        "floor.breaker_wait_s",
        "for breakers that open from then on",
        Engine(|c| seconds(c.floor.breaker_wait)),
    ),
    restart(
        "phones.ranges",
        "telephones that are on the line were called under it",
        Engine(|c| list(&c.phones.ranges)),
    ),
    live(
        "inbound.unknown_caller",
        NEXT_CALL,
        Engine(|c| text(c.inbound.unknown_caller.word())),
    ),
    live(
        "inbound.wait_s",
        NEXT_CALL,
        Engine(|c| seconds(c.inbound.settings.wait)),
    ),
    live(
        "inbound.message",
        NEXT_CALL,
        Engine(|c| option(c.inbound.settings.message.as_ref())),
    ),
    live(
        "trunks",
        "a new one is asked with OPTIONS at once; one that is removed takes no call any more, those on it go on",
        Entries,
    ),
    live(
        "trunks.name",
        "another name is another trunk",
        Within("trunks"),
    ),
    restart("trunks.address", SIGNALLED, Trunk(|t| text(t.address))),
    restart(
        "trunks.transport",
        SIGNALLED,
        Trunk(|t| transport(t.transport)),
    ),
    live(
        "trunks.domain",
        NEXT_CALL,
        Trunk(|t| optional_text(t.domain.as_deref())),
    ),
    live(
        "trunks.username",
        "at the next challenge",
        Trunk(|t| optional_text(t.username.as_deref())),
    ),
    live(
        "trunks.password",
        "at the next challenge; read again from its file at each reload",
        Trunk(|t| Shown::Secret(t.password.clone())),
    ),
    live(
        "trunks.password_file",
        "as password",
        Within("trunks.password"),
    ),
    live(
        "trunks.password_env",
        "as password; the engine's environment itself does not change while it runs",
        Within("trunks.password"),
    ),
    live(
        "trunks.realms",
        "at the next challenge",
        Trunk(|t| list(&t.realms)),
    ),
    live(
        "trunks.signalling_ranges",
        "at the next message, for calls that are up too",
        Trunk(|t| list(&t.signalling_ranges)),
    ),
    live(
        "trunks.media_ranges",
        "at the next packet, for calls that are up too",
        Trunk(|t| list(&t.media_ranges)),
    ),
    live(
        "trunks.inbound_digest",
        NEXT_CALL,
        Trunk(|t| plain(t.asks_digest)),
    ),
    live(
        "trunks.srtp",
        NEXT_CALL,
        Trunk(|t| {
            text(match t.srtp {
                SrtpRule::Off => "off",
                SrtpRule::Offer => "offer",
                SrtpRule::Require => "require",
            })
        }),
    ),
    live(
        "trunks.keep_alive_s",
        "after the next OPTIONS",
        Trunk(|t| seconds(t.keep_alive)),
    ),
    live(
        "trunks.channels_max",
        "for new calls; none that is up ends",
        Trunk(|t| plain(t.settings.channels_max)),
    ),
    live(
        "trunks.cps_max",
        NEXT_DECISION,
        Trunk(|t| plain(t.settings.cps_max)),
    ),
    live(
        "trunks.priority",
        NEXT_DECISION,
        Trunk(|t| plain(t.settings.priority)),
    ),
    live(
        "trunks.failover_on_silence",
        "at the next silence",
        Trunk(|t| plain(t.settings.failover_on_silence)),
    ),
    live(
        "campaigns",
        "a new one begins in the state that the file gives it; one that is removed is closed: no new call, conversations go on",
        Entries,
    ),
    live(
        "campaigns.name",
        "another name is another campaign",
        Within("campaigns"),
    ),
    live(
        "campaigns.caller_id",
        NEXT_CALL,
        Campaign(|_, c| text(&c.caller_id)),
    ),
    live(
        "campaigns.inbound_numbers",
        NEXT_CALL,
        Campaign(|_, c| list(&c.inbound_numbers)),
    ),
    live(
        "campaigns.abandon_action",
        "as abandon_message",
        Within("campaigns.abandon_message"),
    ),
    live(
        "campaigns.abandon_message",
        "for people who answer from then on",
        Campaign(|_, c| option(c.settings.spoken.abandon_message.as_ref())),
    ),
    live(
        "campaigns.recording_notice",
        "for calls that are joined from then on",
        Campaign(|_, c| option(c.recording_notice.as_ref())),
    ),
    live(
        "campaigns.why",
        "for cards from the next call on",
        Campaign(|_, c| optional_text(c.why.as_deref())),
    ),
    live(
        "campaigns.recording",
        NEXT_CALL,
        Campaign(|_, c| text(c.recording.mode.word())),
    ),
    live(
        "campaigns.recording_retention_days",
        "at the next look, within ten minutes, for all recordings of the campaign: fewer days erase more",
        Campaign(|_, c| plain(c.recording.retention_days)),
    ),
    live(
        "campaigns.recording_pause_max_s",
        "for recordings that begin from then on",
        Campaign(|_, c| seconds(c.recording.pause_max)),
    ),
    live(
        "campaigns.state",
        "only if the file's own value is another than at the last load: what a supervisor started or paused stays",
        Campaign(|_, c| state(c.settings.state)),
    ),
    live(
        "campaigns.mode",
        "only if the file's own value is another than at the last load: what a supervisor set stays; calls in the air go on",
        Campaign(|_, c| text(c.settings.mode.word())),
    ),
    live(
        "campaigns.lines_per_agent",
        "only if the file's own value is another than at the last load: what a supervisor set stays",
        Campaign(|_, c| match c.settings.mode {
            DialMode::LinesPerAgent { milli } => ratio(milli),
            _ => absent(),
        }),
    ),
    live(
        "campaigns.lines_per_free_agent",
        "only if the file's own value is another than at the last load: what a supervisor set stays",
        Campaign(|_, c| match c.settings.mode {
            DialMode::LinesPerFreeAgent { milli } => ratio(milli),
            _ => absent(),
        }),
    ),
    live(
        "campaigns.shadow_mode",
        "at the next decision that it is asked about; calls do not notice",
        Campaign(|_, c| {
            c.settings
                .shadow
                .map_or_else(absent, |mode| text(mode.word()))
        }),
    ),
    live(
        "campaigns.shadow_lines_per_agent",
        "as shadow_mode",
        Campaign(|_, c| match c.settings.shadow {
            Some(DialMode::LinesPerAgent { milli }) => ratio(milli),
            _ => absent(),
        }),
    ),
    live(
        "campaigns.shadow_lines_per_free_agent",
        "as shadow_mode",
        Campaign(|_, c| match c.settings.shadow {
            Some(DialMode::LinesPerFreeAgent { milli }) => ratio(milli),
            _ => absent(),
        }),
    ),
    live(
        "campaigns.weight",
        NEXT_DECISION,
        Campaign(|_, c| plain(c.settings.weight)),
    ),
    live(
        "campaigns.lines_max",
        "for new calls; none that is up ends",
        Campaign(|_, c| plain(c.settings.lines_max)),
    ),
    live(
        "campaigns.cps_max",
        NEXT_DECISION,
        Campaign(|_, c| plain(c.settings.cps_max)),
    ),
    live(
        "campaigns.ring_timeout_s",
        "for phones that begin to ring from then on",
        Campaign(|_, c| seconds(c.settings.ring_timeout)),
    ),
    live(
        "campaigns.answer_limit_ms",
        "for people who answer from then on",
        Campaign(|_, c| millis(c.settings.answer_limit)),
    ),
    live(
        "campaigns.wrap_s",
        "for wrap-ups that begin from then on",
        Campaign(|_, c| seconds(c.settings.wrap)),
    ),
    live(
        "campaigns.wrap_overrun",
        "for wrap-ups that end from then on",
        Campaign(|_, c| {
            text(match c.settings.wrap_overrun {
                WrapOverrun::Ready => "ready",
                WrapOverrun::Hold => "hold",
            })
        }),
    ),
    live(
        "campaigns.preview_timeout_s",
        "for previews that begin from then on",
        Campaign(|_, c| seconds(c.settings.preview.timeout)),
    ),
    live(
        "campaigns.preview_on_timeout",
        "for previews that end from then on",
        Campaign(|_, c| {
            text(match c.settings.preview.on_timeout {
                PreviewTimeout::Dial => "dial",
                PreviewTimeout::Skip => "skip",
                PreviewTimeout::Break => "break",
            })
        }),
    ),
    live(
        "campaigns.preview_skips_max",
        "at the next skip",
        Campaign(|_, c| plain(c.settings.preview.skips_max)),
    ),
    live(
        "campaigns.preview_skip_gap_min",
        "at the next skip",
        Campaign(|_, c| plain(c.settings.preview.skip_gap.as_secs() / 60)),
    ),
    live(
        "campaigns.cancel_ringing_after_s",
        NEXT_DECISION,
        Campaign(|_, c| match c.settings.cancel_ringing {
            Some(least) => seconds(least),
            None => absent(),
        }),
    ),
    live(
        "campaigns.manual_hold_s",
        "for leads that are taken from then on",
        Campaign(|_, c| seconds(c.settings.preview.hold)),
    ),
    live(
        "campaigns.trunks",
        NEXT_DECISION,
        Campaign(|config, c| {
            let name = |id: &crate::ids::TrunkId| {
                config
                    .trunks
                    .get(usize::from(id.0))
                    .map(|trunk| &trunk.settings.name)
            };
            list(
                &c.settings
                    .trunks
                    .iter()
                    .filter_map(name)
                    .collect::<Vec<_>>(),
            )
        }),
    ),
    live(
        "campaigns.needs",
        "for calls from then on; what is in the air goes to agents as it was dialled for",
        Campaign(needs),
    ),
    live(
        "campaigns.needs.skill",
        "as needs",
        Within("campaigns.needs"),
    ),
    live(
        "campaigns.needs.level",
        "as needs",
        Within("campaigns.needs"),
    ),
    live(
        "campaigns.window_from",
        ASKED_AGAIN,
        Campaign(|_, c| clock(c.settings.gate.window_from_min)),
    ),
    live(
        "campaigns.window_until",
        ASKED_AGAIN,
        Campaign(|_, c| clock(c.settings.gate.window_until_min)),
    ),
    live(
        "campaigns.weekdays",
        ASKED_AGAIN,
        Campaign(|_, c| weekdays(c.settings.gate.weekdays)),
    ),
    live(
        "campaigns.attempts_per_day",
        ASKED_AGAIN,
        Campaign(|_, c| plain(c.settings.gate.attempts_per_day)),
    ),
    live(
        "campaigns.attempt_gap_min",
        ASKED_AGAIN,
        Campaign(|_, c| minutes(c.settings.gate.gap_min)),
    ),
    live(
        "campaigns.attempts_max",
        ASKED_AGAIN,
        Campaign(|_, c| plain(c.settings.attempts_max)),
    ),
    live(
        "campaigns.abandon.strength",
        COUNTED_ON,
        Campaign(|_, c| {
            text(match c.settings.abandon.strength {
                AbandonStrength::Target => "target",
                AbandonStrength::Guarantee => "guarantee",
            })
        }),
    ),
    live(
        "campaigns.abandon.target_percent",
        NEXT_DECISION,
        Campaign(|_, c| plain(in_percent(c.settings.abandon.target_ppm))),
    ),
    live(
        "campaigns.abandon.cap_percent",
        COUNTED_ON,
        Campaign(|_, c| plain(in_percent(c.settings.abandon.cap_ppm))),
    ),
    live(
        "campaigns.abandon.window",
        COUNTED_ON,
        Campaign(|config, c| {
            text(window_words(
                &c.settings.abandon.window,
                &config.default_zone,
            ))
        }),
    ),
    live(
        "campaigns.abandon.denominator",
        COUNTED_ON,
        Campaign(|_, c| {
            text(match c.settings.abandon.denominator {
                AbandonDenominator::LiveAnswers => "people",
                AbandonDenominator::AllAnswers => "all_answers",
            })
        }),
    ),
    live(
        "campaigns.abandon.connect_within_ms",
        "for people who are joined from then on; what was counted stays",
        Campaign(|_, c| millis(c.settings.abandon.connect_within)),
    ),
    live(
        "campaigns.abandon.machine_false_positive_percent",
        COUNTED_ON,
        Campaign(|_, c| plain(in_percent(c.settings.abandon.machine_false_positive_ppm))),
    ),
    live(
        "campaigns.recycle.connected_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::Connected)),
    ),
    live(
        "campaigns.recycle.abandoned_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::Abandoned)),
    ),
    live(
        "campaigns.recycle.cust_hangup_early_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::CustHangupEarly)),
    ),
    live(
        "campaigns.recycle.no_answer_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::NoAnswer)),
    ),
    live(
        "campaigns.recycle.busy_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::Busy)),
    ),
    live(
        "campaigns.recycle.rejected_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::Rejected)),
    ),
    live(
        "campaigns.recycle.machine_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::Machine)),
    ),
    live(
        "campaigns.recycle.cancelled_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::Cancelled)),
    ),
    live(
        "campaigns.recycle.interrupted_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::Interrupted)),
    ),
    live(
        "campaigns.recycle.invalid_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::Invalid)),
    ),
    live(
        "campaigns.recycle.trunk_fail_min",
        LEAD_RETURNS,
        Campaign(|_, c| recycle(c, SystemResult::TrunkFail)),
    ),
];

/// The table as text in Markdown, for docs/reload-keys.md.
pub fn key_table() -> String {
    let mut text = "| key | change | what it means for what is going on, or why it needs a restart |\n|---|---|---|\n".to_owned();
    for key in KEYS {
        let change = match key.change {
            Change::Live => "live",
            Change::Restart => "restart",
        };
        let _ = writeln!(text, "| `{}` | {change} | {} |", key.name, key.why);
    }
    text
}
