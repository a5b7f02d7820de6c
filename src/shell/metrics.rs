//! Figures for people who watch: counters, gauges and latency distributions, as Prometheus text and for the picture.
//!
//! Owns the recorder and every handle; nothing is registered globally, so tests do not share figures. Never holds a person.
//! Hot paths keep a handle or a [`Timing`]; the picture is turned into gauges only when somebody scrapes.

mod names;
mod timing;

pub use names::{CounterName, GaugeName, TimingName};
pub use timing::{Latency, Timing};

use crate::core::input::{Input, LegEvent};
use crate::core::picture::{CampaignPicture, Picture};
use crate::core::results::SystemResult;
use crate::core::rules::Gate;
use crate::core::settings::CampaignState;
use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use names::{FLOOR_TURN, MACHINE_BOUNDS_US};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Campaigns with a label of their own; later ones share "other", or a floor with many campaigns would drown its monitor.
pub const CAMPAIGN_LABELS_MAX: usize = 256;

/// A turn of the floor above this is counted with its input's kind (design: a slow handler delays all).
pub const SLOW_TURN: Duration = Duration::from_millis(1);

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

/// A figure that a room keeps for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomFigure {
    /// Metric name.
    pub name: &'static str,
    /// Label key and value.
    pub label: Option<(&'static str, &'static str)>,
    /// Value.
    pub value: u64,
    /// Whether it may fall.
    pub is_gauge: bool,
}

/// All figures of one engine. Shared as `Arc<Metrics>` by every shell.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    timings: Vec<Timing>,
    turns: Vec<Timing>,
    slow_turns: Vec<Counter>,
    // Held only while a scrape sets gauges: no hot path comes here.
    shown: Mutex<Shown>,
}

/// Handles of what the picture shows, kept between scrapes.
#[derive(Default)]
struct Shown {
    campaigns: Vec<CampaignHandles>,
    other: Option<CampaignHandles>,
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
        let mut metrics = Metrics {
            recorder,
            handle,
            timings: TimingName::ALL.iter().map(|_| Timing::default()).collect(),
            turns: INPUT_KINDS.iter().map(|_| Timing::default()).collect(),
            slow_turns: Vec::new(),
            shown: Mutex::default(),
        };
        metrics.slow_turns = INPUT_KINDS
            .iter()
            .map(|kind| metrics.counter(CounterName::FloorSlowTurns, &[kind]))
            .collect();
        metrics
            .gauge(GaugeName::EngineBuild, &[env!("CARGO_PKG_VERSION")])
            .set(1.0);
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

    /// A latency distribution; recording into it takes no lock.
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

    /// Turns the picture into gauges and counters. Called before a scrape is rendered.
    pub fn observe(&self, picture: &Picture, backlogs: Backlogs) {
        let flag = |is: bool| f64::from(u8::from(is));
        for (state, count) in Picture::AGENT_STATES.iter().zip(picture.agents) {
            self.gauge(GaugeName::FloorAgents, &[state])
                .set(f64::from(count));
        }
        for (name, value) in [
            (GaugeName::FloorAttempts, f64::from(picture.attempts_alive)),
            (GaugeName::FloorIsStopped, flag(picture.stopped)),
            (GaugeName::StoreIsReady, flag(picture.store_ready)),
            (GaugeName::StoreBacklog, backlogs.store as f64),
        ] {
            self.gauge(name, &[]).set(value);
        }
        for (lane, waiting) in [("urgent", backlogs.urgent), ("bulk", backlogs.bulk)] {
            self.gauge(GaugeName::FloorLaneInputs, &[lane])
                .set(waiting as f64);
        }
        self.counter(CounterName::FloorWrapOverruns, &[])
            .absolute(picture.wrap_overruns);
        self.counter(CounterName::FloorInvariantFaults, &[])
            .absolute(picture.invariant_faults);
        for trunk in &picture.trunks {
            let label = [trunk.name.as_str()];
            // A trunk that left the configuration may go down without an alarm: no number, and so no comparison, holds.
            let up = if trunk.closed {
                f64::NAN
            } else {
                flag(trunk.up)
            };
            self.gauge(GaugeName::TrunkIsUp, &label).set(up);
            self.gauge(GaugeName::TrunkBreakerIsOpen, &label)
                .set(flag(trunk.breaker_open));
            self.gauge(GaugeName::TrunkLegs, &label)
                .set(f64::from(trunk.in_use));
        }
        self.observe_campaigns(&picture.campaigns);
    }

    fn observe_campaigns(&self, campaigns: &[CampaignPicture]) {
        // A poisoned lock means that an earlier scrape panicked; its handles are still good.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let own = campaigns.len().min(CAMPAIGN_LABELS_MAX);
        for (index, campaign) in campaigns[..own].iter().enumerate() {
            if shown.campaigns.len() <= index {
                let handles = CampaignHandles::new(self, &campaign.name);
                shown.campaigns.push(handles);
            }
            shown.campaigns[index].set(&CampaignFigures::default().plus(campaign));
        }
        if campaigns.len() > own {
            let sum = campaigns[own..]
                .iter()
                .fold(CampaignFigures::default(), CampaignFigures::plus);
            shown
                .other
                .get_or_insert_with(|| CampaignHandles::new(self, "other"))
                .set(&sum);
        }
    }

    /// Takes over what the rooms count for themselves. Names and labels come out of their closed sets.
    pub fn observe_rooms(&self, figures: impl IntoIterator<Item = RoomFigure>) {
        for figure in figures {
            let labels = figure
                .label
                .map(|(key, value)| Label::new(key, value))
                .into_iter()
                .collect::<Vec<_>>();
            let key = Key::from_parts(figure.name, labels);
            let words = figure
                .name
                .trim_start_matches("tandem_")
                .trim_end_matches("_total")
                .replace('_', " ");
            let help = format!("Counted by its room since the start: {words}.");
            if figure.is_gauge {
                self.recorder
                    .describe_gauge(figure.name.into(), None, help.into());
                self.recorder
                    .register_gauge(&key, &METADATA)
                    .set(figure.value as f64);
            } else {
                self.recorder
                    .describe_counter(figure.name.into(), None, help.into());
                self.recorder
                    .register_counter(&key, &METADATA)
                    .absolute(figure.value);
            }
        }
    }

    /// Everything as Prometheus text (exposition format 0.0.4).
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        for name in TimingName::ALL {
            let timing = self.timing(*name);
            head(&mut text, name.name(), "histogram", name.help());
            timing.render(&mut text, name.name(), "", name.bounds_us());
            self.render_quantiles(&mut text, *name);
        }
        head(&mut text, FLOOR_TURN.0, "histogram", FLOOR_TURN.1);
        for (kind, timing) in INPUT_KINDS.iter().zip(&self.turns) {
            let label = format!("input=\"{kind}\"");
            timing.render(&mut text, FLOOR_TURN.0, &label, &MACHINE_BOUNDS_US);
        }
        text
    }

    /// Quantiles as the engine itself sees them, out of the same cells as the buckets.
    fn render_quantiles(&self, text: &mut String, name: TimingName) {
        let stem = name.name().trim_end_matches("_seconds");
        let family = format!("{stem}_quantile_seconds");
        // Not the label "quantile": that is reserved for summaries (promtool check metrics).
        head(
            text,
            &family,
            "gauge",
            &format!("Quantiles since the start. {}", name.help()),
        );
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

    /// The figures of all timings by short name, and of all turns of the floor as "floor_turn". Since the start.
    pub fn latencies(&self) -> BTreeMap<&'static str, Latency> {
        let mut all: BTreeMap<&'static str, Latency> = TimingName::ALL
            .iter()
            .map(|name| (name.short(), self.timing(*name).latency()))
            .collect();
        all.insert("floor_turn", timing::together(&self.turns));
        all
    }
}

fn key(name: &'static str, labels: &'static [&'static str], values: &[&str]) -> Key {
    debug_assert_eq!(labels.len(), values.len(), "labels of {name}");
    let labels: Vec<Label> = labels
        .iter()
        .zip(values)
        .map(|(label, value)| Label::new(*label, (*value).to_owned()))
        .collect();
    Key::from_parts(name, labels)
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// What a campaign's labels show; sums where several campaigns share one.
#[derive(Default)]
struct CampaignFigures {
    gauges: [u64; 7],
    launched: u64,
    outcomes: u64,
    results: [u64; SystemResult::ALL.len()],
    held: [u64; Gate::ALL.len()],
}

const CAMPAIGN_GAUGES: [GaugeName; 7] = [
    GaugeName::CampaignIsRunning,
    GaugeName::CampaignAgents,
    GaugeName::CampaignInAir,
    GaugeName::CampaignRinging,
    GaugeName::CampaignWaiting,
    GaugeName::CampaignTalking,
    GaugeName::CampaignHotLeads,
];

impl CampaignFigures {
    fn plus(mut self, campaign: &CampaignPicture) -> Self {
        let gauges = [
            u32::from(campaign.state == CampaignState::Running),
            campaign.agents_serving,
            campaign.in_air,
            campaign.ringing,
            campaign.waiting,
            campaign.talking,
            campaign.hot_leads,
        ];
        add(&mut self.gauges, &gauges.map(u64::from));
        self.launched += campaign.launched;
        self.outcomes += campaign.outcomes;
        add(&mut self.results, &campaign.results);
        add(&mut self.held, &campaign.held);
        self
    }
}

fn add(into: &mut [u64], from: &[u64]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into += from;
    }
}

struct CampaignHandles {
    gauges: [Gauge; CAMPAIGN_GAUGES.len()],
    launched: Counter,
    abandoned: Counter,
    outcomes: Counter,
    results: [Counter; SystemResult::ALL.len()],
    held: [Counter; Gate::ALL.len()],
}

impl CampaignHandles {
    fn new(metrics: &Metrics, campaign: &str) -> Self {
        CampaignHandles {
            gauges: CAMPAIGN_GAUGES.map(|name| metrics.gauge(name, &[campaign])),
            launched: metrics.counter(CounterName::CampaignAttempts, &[campaign]),
            abandoned: metrics.counter(CounterName::CampaignAbandoned, &[campaign]),
            outcomes: metrics.counter(CounterName::CampaignOutcomes, &[campaign]),
            results: SystemResult::ALL.map(|result| {
                metrics.counter(CounterName::CampaignResults, &[campaign, result.code()])
            }),
            held: Gate::ALL.map(|gate| {
                metrics.counter(CounterName::CampaignHeldLeads, &[campaign, gate.code()])
            }),
        }
    }

    fn set(&self, figures: &CampaignFigures) {
        for (gauge, value) in self.gauges.iter().zip(figures.gauges) {
            gauge.set(value as f64);
        }
        self.launched.absolute(figures.launched);
        self.outcomes.absolute(figures.outcomes);
        for (result, (counter, value)) in SystemResult::ALL
            .iter()
            .zip(self.results.iter().zip(figures.results))
        {
            counter.absolute(value);
            if *result == SystemResult::Abandoned {
                self.abandoned.absolute(value);
            }
        }
        for (counter, value) in self.held.iter().zip(figures.held) {
            counter.absolute(value);
        }
    }
}

/// A kind of input, as a label of the floor's turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputKind(usize);

impl InputKind {
    /// The label.
    pub fn name(self) -> &'static str {
        INPUT_KINDS[self.0]
    }
}

const INPUT_KINDS: [&str; 23] = [
    "wake",
    "edits",
    "campaign_state",
    "campaign_mode",
    "stop_dialling",
    "resume_dialling",
    "agent_seated",
    "agent_wants",
    "agent_lost",
    "agent_back",
    "agent_hang_up",
    "agent_outcome",
    "leads",
    "leads_changed",
    "number_blocked",
    "person_blocked",
    "intent_durable",
    "intent_failed",
    "store_ready",
    "leg_answered",
    "leg",
    "bridged",
    "trunk_up",
];

/// The kind of an input. The answered leg has one of its own: it is the turn that a person feels.
pub fn input_kind(input: &Input) -> InputKind {
    InputKind(match input {
        Input::Wake => 0,
        Input::Edits(..) => 1,
        Input::CampaignState(..) => 2,
        Input::CampaignMode(..) => 3,
        Input::StopDialling { .. } => 4,
        Input::ResumeDialling => 5,
        Input::AgentSeated(..) => 6,
        Input::AgentWants(..) => 7,
        Input::AgentLost(..) => 8,
        Input::AgentBack(..) => 9,
        Input::AgentHangUp(..) => 10,
        Input::AgentOutcome { .. } => 11,
        Input::Leads { .. } => 12,
        Input::LeadsChanged(..) => 13,
        Input::NumberBlocked(..) => 14,
        Input::PersonBlocked(..) => 15,
        Input::IntentDurable(..) => 16,
        Input::IntentFailed(..) => 17,
        Input::StoreReady(..) => 18,
        Input::Leg {
            event: LegEvent::Answered,
            ..
        } => 19,
        Input::Leg { .. } => 20,
        Input::Bridged(..) => 21,
        Input::TrunkUp(..) => 22,
    })
}

#[cfg(test)]
mod tests;
