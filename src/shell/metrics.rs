//! Figures for people who watch: counters, gauges and latency distributions, as Prometheus text and for the picture.
//!
//! Owns the recorder and every handle; nothing is registered globally, so tests do not share figures. Never holds a person.
//! Hot paths keep a handle or a [`Timing`]; the picture, the rooms' own counters and the process are looked at only when
//! somebody scrapes.
//!
//! - [`names`] every name, once · [`timing`] distributions · [`figures`] what rooms count for themselves
//! - [`calls`] the times of calls and agents, as the floor's thread sees them
//! - `shown` the picture as series · `process` what the operating system says of us · `kinds` kinds of input
//! - `reference`, `dashboards` (tests only) write `docs/metrics.md` and `config/grafana/dashboards`

pub mod calls;
pub mod figures;
mod kinds;
pub mod names;
mod process;
mod shown;
pub mod timing;

#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use figures::{Figure, FigureName};
pub use kinds::{InputKind, input_kind};
pub use names::{
    CAMPAIGN_LABELS_MAX, CounterName, GaugeName, Label, SecondsName, SizeName, TimingName,
};
pub use timing::{Latency, Timing};

use crate::core::effect::Bound;
use crate::core::ledger::NamedEvent;
use crate::core::picture::Picture;
use crate::ids::CampaignId;
use crate::shell::store::writer::StoreStats;
use crate::time::UnixMs;
use crate::wire::sip::counters::TrunkCounters;
use figures::{BatchSizes, RoomHandles};
use kinds::INPUT_KINDS;
use metrics::{Counter, Gauge, Key, Label as KeyLabel, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use names::{OTHER, TRUNK_LABELS_MAX};
use shown::Shown;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A turn of the floor above this is counted with its input's kind (design: a slow handler delays all).
pub const SLOW_TURN: Duration = Duration::from_millis(1);

/// Campaigns of which it is kept what bounds them: as many as a configuration may hold, rounded up.
const BOUNDS_KEPT: usize = 1_024;

/// Statuses that the API answers with; anything else is [`OTHER`].
const API_CODES: [&str; 18] = [
    "200", "201", "202", "206", "400", "401", "403", "404", "405", "408", "409", "410", "413",
    "415", "416", "421", "422", "503",
];

/// What waits where, beside the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlogs {
    /// Inputs in the urgent lane.
    pub urgent: usize,
    /// Inputs in the bulk lane.
    pub bulk: usize,
    /// Orders that wait for the store's writer.
    pub store: usize,
}

/// All figures of one engine. Shared as `Arc<Metrics>` by every shell.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    timings: Vec<Timing>,
    turns: Vec<Timing>,
    slow_turns: Vec<Counter>,
    api: Vec<Counter>,
    /// Microseconds of agents by state; the floor's thread writes them.
    agent_us: [AtomicU64; Picture::AGENT_STATES.len()],
    /// What bounded each campaign at its last decision; the floor's thread writes it. 0: no decision yet.
    bounds: Box<[AtomicU8]>,
    /// By trunk; the floor's thread writes them.
    breaker_openings: Box<[AtomicU64]>,
    // What follows is locked only by whoever scrapes: no hot path comes here.
    shown: Mutex<Shown>,
    rooms: Mutex<RoomHandles>,
    trunks: Mutex<Vec<TrunkCounters>>,
    batches: Mutex<BatchSizes>,
    process: Mutex<process::Watch>,
    seconds: Mutex<BTreeMap<(SecondsName, &'static str), f64>>,
}

const METADATA: Metadata<'static> = Metadata::new("tandem", Level::INFO, None);

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// A poisoned lock means that an earlier scrape panicked; what it guards is whole between statements.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// All figures at zero.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        for name in CounterName::ALL {
            recorder.describe_counter(name.name().into(), None, name.help().into());
        }
        for name in GaugeName::ALL {
            recorder.describe_gauge(name.name().into(), None, name.help().into());
        }
        let handle = recorder.handle();
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        let mut metrics = Metrics {
            recorder,
            handle,
            timings: TimingName::ALL
                .iter()
                .map(|name| Timing::of(*name))
                .collect(),
            turns: INPUT_KINDS
                .iter()
                .map(|_| Timing::of(TimingName::FloorTurn))
                .collect(),
            slow_turns: Vec::new(),
            api: Vec::new(),
            agent_us: Default::default(),
            bounds: (0..BOUNDS_KEPT).map(|_| AtomicU8::new(0)).collect(),
            breaker_openings: zeros(TRUNK_LABELS_MAX),
            shown: Mutex::default(),
            rooms: Mutex::default(),
            trunks: Mutex::default(),
            batches: Mutex::default(),
            process: Mutex::default(),
            seconds: Mutex::default(),
        };
        let handles = |name, values: &[&'static str]| -> Vec<Counter> {
            let of = |value: &&'static str| metrics.counter(name, &[*value]);
            values.iter().map(of).collect()
        };
        let slow_turns = handles(CounterName::FloorSlowTurns, &INPUT_KINDS);
        let mut api = handles(CounterName::ApiRequests, &API_CODES);
        api.push(metrics.counter(CounterName::ApiRequests, &[OTHER]));
        // A counter that is first seen above zero has no increase: alarms on single failures need the zero.
        for name in [CounterName::ConfigReloads, CounterName::StoreBackups] {
            handles(name, &["ok", "failed"]);
        }
        metrics.slow_turns = slow_turns;
        metrics.api = api;
        metrics
            .gauge(GaugeName::EngineBuild, &[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        metrics.gauge(GaugeName::ConfigReloadIsGood, &[]).set(1.0);
        metrics.gauge(GaugeName::StoreLastBackup, &[]).set(0.0);
        metrics
    }

    /// A handle of a counter; keep it where it is used often. `values` are those of the name's labels, in order, out of a
    /// small closed set.
    pub fn counter(&self, name: CounterName, values: &[&str]) -> Counter {
        let key = key(name.name(), name.labels(), values);
        self.recorder.register_counter(&key, &METADATA)
    }

    /// A handle of a gauge; keep it where it is used often.
    pub fn gauge(&self, name: GaugeName, values: &[&str]) -> Gauge {
        let key = key(name.name(), name.labels(), values);
        self.recorder.register_gauge(&key, &METADATA)
    }

    /// A latency distribution; recording into it takes no lock. Turns of the floor go through [`Metrics::floor_turn`].
    pub fn timing(&self, name: TimingName) -> &Timing {
        &self.timings[name as usize]
    }

    /// Counts one turn of the floor; slow ones are counted once more. `kind` comes from [`input_kind`].
    pub fn floor_turn(&self, kind: InputKind, took: Duration) {
        self.turns[kind.0].record(took);
        if took > SLOW_TURN {
            self.slow_turns[kind.0].increment(1);
        }
    }

    /// Counts one answer of the API.
    pub fn api_answer(&self, status: &str) {
        let place = API_CODES.iter().position(|code| *code == status);
        self.api[place.unwrap_or(API_CODES.len())].increment(1);
    }

    /// A configuration is in force: at the start, and after each reload.
    pub fn config_loaded(&self, at: UnixMs) {
        self.gauge(GaugeName::ConfigLoadedTime, &[])
            .set(at.0 as f64 / 1e3);
    }

    /// A reload was tried while the engine ran; `taken`: its configuration is in force now.
    pub fn config_reloaded(&self, taken: bool, at: UnixMs) {
        self.counter(CounterName::ConfigReloads, &[success(taken)])
            .increment(1);
        self.gauge(GaugeName::ConfigReloadIsGood, &[])
            .set(flag(taken));
        if taken {
            self.config_loaded(at);
        }
    }

    /// A backup of the store ended; `made`: it is whole and in its place.
    pub fn backup_ended(&self, made: bool, at: UnixMs) {
        self.counter(CounterName::StoreBackups, &[success(made)])
            .increment(1);
        if made {
            self.gauge(GaugeName::StoreLastBackup, &[])
                .set(at.0 as f64 / 1e3);
        }
    }

    /// What bounded a campaign at its last decision.
    pub(crate) fn bounded(&self, campaign: CampaignId, bound: Bound) {
        if let Some(kept) = self.bounds.get(usize::from(campaign.0)) {
            kept.store(shown::bound_place(bound) as u8 + 1, Relaxed);
        }
    }

    /// Agents spent time in a state (its place in [`Picture::AGENT_STATES`]), all together.
    pub(crate) fn agents_spent(&self, state: usize, us: u64) {
        if let Some(total) = self.agent_us.get(state) {
            total.fetch_add(us, Relaxed);
        }
    }

    /// The breaker of a trunk opened.
    pub(crate) fn breaker_opened(&self, trunk: usize) {
        if let Some(openings) = self.breaker_openings.get(trunk) {
            openings.fetch_add(1, Relaxed);
        }
    }

    /// Turns the picture into gauges and counters, and looks at the process. Called before a scrape is rendered.
    pub fn observe(&self, picture: &Picture, backlogs: Backlogs) {
        for (state, count) in Picture::AGENT_STATES.iter().zip(picture.agents) {
            self.gauge(GaugeName::FloorAgents, &[state])
                .set(f64::from(count));
        }
        for (name, value) in [
            (GaugeName::FloorAttempts, f64::from(picture.attempts_alive)),
            (GaugeName::FloorIsStopped, flag(picture.stopped)),
            (GaugeName::StoreIsReady, flag(picture.store_ready)),
        ] {
            self.gauge(name, &[]).set(value);
        }
        for (queue, waiting) in [
            ("floor_urgent", backlogs.urgent),
            ("floor_bulk", backlogs.bulk),
            ("store", backlogs.store),
        ] {
            self.gauge(GaugeName::EngineQueueItems, &[queue])
                .set(waiting as f64);
        }
        self.counter(CounterName::FloorWrapOverruns, &[])
            .absolute(picture.wrap_overruns);
        self.counter(CounterName::FloorInvariantFaults, &[])
            .absolute(picture.invariant_faults);
        for (place, event) in NamedEvent::ALL.iter().enumerate() {
            let ledgers = picture.campaigns.iter().map(|campaign| &campaign.ledger);
            self.counter(CounterName::FloorNamedEvents, &[event.code()])
                .absolute(ledgers.map(|ledger| ledger.named[place]).sum());
        }
        locked(&self.shown).take(self, picture, &locked(&self.trunks));
        self.observe_process();
    }

    fn observe_process(&self) {
        let mut watch = locked(&self.process);
        let mut seconds = locked(&self.seconds);
        for (state, us) in Picture::AGENT_STATES.iter().zip(&self.agent_us) {
            // Nobody is at work there, and nobody asks how long.
            if *state != "offline" {
                let spent = us.load(Relaxed) as f64 / 1e6;
                seconds.insert((SecondsName::AgentTime, state), spent);
            }
        }
        let Some(seen) = watch.look() else { return };
        for (name, value) in seen.gauges() {
            if let Some(value) = value {
                self.gauge(name, &[]).set(value);
            }
        }
        seconds.insert((SecondsName::ProcessCpu, ""), seen.cpu_s);
        for thread in &seen.threads {
            self.gauge(GaugeName::EngineThreads, &[thread.job])
                .set(f64::from(thread.alive));
            seconds.insert((SecondsName::ThreadCpu, thread.job), thread.cpu_s);
            seconds.insert((SecondsName::ThreadWait, thread.job), thread.wait_s);
        }
    }

    /// Whether `/readyz` says yes.
    pub fn observe_readiness(&self, is_ready: bool) {
        self.gauge(GaugeName::EngineIsReady, &[])
            .set(flag(is_ready));
    }

    /// Takes over what the rooms count for themselves.
    pub fn observe_rooms(&self, figures: impl IntoIterator<Item = Figure>) {
        locked(&self.rooms).take_over(self, figures);
    }

    /// Takes over what the SIP side counts of each trunk, in the order of their ids.
    pub fn observe_trunks(&self, counters: Vec<TrunkCounters>) {
        *locked(&self.trunks) = counters;
    }

    /// Takes over what the store's writer timed and how large its commits were.
    pub fn observe_store(&self, store: &StoreStats) {
        self.timing(TimingName::StoreCommit)
            .take_over(&store.commit_times);
        *locked(&self.batches) = BatchSizes::of(store);
    }

    /// Takes over a distribution that a room keeps for itself.
    pub fn observe_timing(&self, name: TimingName, own: &Timing) {
        self.timing(name).take_over(own);
    }

    /// Everything as Prometheus text (exposition format 0.0.4).
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        locked(&self.shown).render(&mut text);
        self.render_seconds(&mut text);
        for name in TimingName::ALL {
            head(&mut text, name.name(), "histogram", name.help());
            match name.quantiles() {
                Some(family) => {
                    self.timing(*name).render(&mut text, name.name(), "");
                    self.render_quantiles(&mut text, *name, &family);
                }
                None => {
                    for (kind, timing) in INPUT_KINDS.iter().zip(&self.turns) {
                        let label = format!("{}=\"{kind}\"", Label::Input.key());
                        timing.render(&mut text, name.name(), &label);
                    }
                }
            }
        }
        let batches = SizeName::StoreBatch;
        head(&mut text, batches.name(), "histogram", batches.help());
        locked(&self.batches).render(&mut text, batches.name());
        text
    }

    fn render_seconds(&self, text: &mut String) {
        let seconds = locked(&self.seconds);
        for name in SecondsName::ALL {
            let mut values = seconds
                .range((*name, "")..)
                .take_while(|((of, _), _)| of == name)
                .peekable();
            if values.peek().is_some() {
                head(text, name.name(), "counter", name.help());
            }
            for ((_, value), spent) in values {
                let labels = name
                    .labels()
                    .first()
                    .map(|label| format!("{{{}=\"{value}\"}}", label.key()))
                    .unwrap_or_default();
                let _ = writeln!(text, "{}{labels} {spent}", name.name());
            }
        }
    }

    /// Quantiles as the engine itself sees them, out of the same cells as the buckets.
    fn render_quantiles(&self, text: &mut String, name: TimingName, family: &str) {
        // Not the label "quantile": that is reserved for summaries (promtool check metrics).
        let help = format!("Quantiles since the start. {}", name.help());
        head(text, family, "gauge", &help);
        let latency = self.timing(name).latency();
        for (at, us) in [
            ("p50", latency.p50_us),
            ("p95", latency.p95_us),
            ("p99", latency.p99_us),
        ] {
            let seconds = us as f64 / 1e6;
            let _ = writeln!(text, "{family}{{at=\"{at}\"}} {seconds}");
        }
    }

    /// The figures of all timings by short name; the turns of the floor all together. Since the start.
    pub fn latencies(&self) -> BTreeMap<&'static str, Latency> {
        let figures = |name: &TimingName| match name {
            TimingName::FloorTurn => timing::together(*name, &self.turns),
            name => self.timing(*name).latency(),
        };
        TimingName::ALL
            .iter()
            .map(|name| (name.short(), figures(name)))
            .collect()
    }
}

fn key(name: &'static str, labels: &'static [Label], values: &[&str]) -> Key {
    debug_assert_eq!(labels.len(), values.len(), "labels of {name}");
    let labels: Vec<KeyLabel> = labels
        .iter()
        .zip(values)
        .map(|(label, value)| KeyLabel::new(label.key(), (*value).to_owned()))
        .collect();
    Key::from_parts(name, labels)
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

const fn success(is: bool) -> &'static str {
    if is { "ok" } else { "failed" }
}
