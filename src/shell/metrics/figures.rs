//! What rooms count for themselves, and how a scrape takes it over. Owns the handles for it; counts nothing.

use super::{CounterName, GaugeName, Metrics};
use crate::shell::store::writer::{BATCH_CLASSES, StoreStats};
use metrics::{Counter, Gauge};
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

/// A figure that a room keeps for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Which.
    pub name: FigureName,
    /// Values of its labels, in their order, out of a closed set.
    pub labels: &'static [&'static str],
    /// Value; of a counter since the start.
    pub value: u64,
}

/// Which figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureName {
    /// One that only rises.
    Counter(CounterName),
    /// One that may fall.
    Gauge(GaugeName),
}

impl Figure {
    /// A figure that only rises.
    pub const fn counter(name: CounterName, labels: &'static [&'static str], value: u64) -> Figure {
        Figure {
            name: FigureName::Counter(name),
            labels,
            value,
        }
    }

    /// A figure that may fall.
    pub const fn gauge(name: GaugeName, labels: &'static [&'static str], value: u64) -> Figure {
        Figure {
            name: FigureName::Gauge(name),
            labels,
            value,
        }
    }

    /// A bounded queue: what waits in it, and how much it holds.
    pub const fn queue(
        queue: &'static [&'static str; 1],
        waits: usize,
        holds: usize,
    ) -> [Figure; 2] {
        [
            Figure::gauge(GaugeName::EngineQueueItems, queue, waits as u64),
            Figure::gauge(GaugeName::EngineQueueCapacity, queue, holds as u64),
        ]
    }

    /// Name of the metric.
    pub const fn metric(&self) -> &'static str {
        match self.name {
            FigureName::Counter(name) => name.name(),
            FigureName::Gauge(name) => name.name(),
        }
    }
}

enum Handle {
    Counter(Counter),
    Gauge(Gauge),
}

/// Handles of the rooms' figures, in the order in which a scrape hands them over: that order does not change.
#[derive(Default)]
pub(super) struct RoomHandles(Vec<(FigureName, &'static [&'static str], Handle)>);

impl RoomHandles {
    pub(super) fn take_over(
        &mut self,
        metrics: &Metrics,
        figures: impl IntoIterator<Item = Figure>,
    ) {
        for (place, figure) in figures.into_iter().enumerate() {
            let Figure {
                name,
                labels,
                value,
            } = figure;
            let is_known = self
                .0
                .get(place)
                .is_some_and(|(known, with, _)| *known == name && *with == labels);
            if !is_known {
                let handle = match name {
                    FigureName::Counter(name) => Handle::Counter(metrics.counter(name, labels)),
                    FigureName::Gauge(name) => Handle::Gauge(metrics.gauge(name, labels)),
                };
                self.0.truncate(place);
                self.0.push((name, labels, handle));
            }
            match self.0.get(place) {
                Some((_, _, Handle::Counter(counter))) => counter.absolute(value),
                Some((_, _, Handle::Gauge(gauge))) => gauge.set(value as f64),
                None => {}
            }
        }
    }
}

/// How many orders the store's commits held.
#[derive(Debug, Default)]
pub(super) struct BatchSizes {
    classes: [u64; BATCH_CLASSES.len()],
    orders: u64,
}

impl BatchSizes {
    pub(super) fn of(store: &StoreStats) -> Self {
        BatchSizes {
            classes: std::array::from_fn(|class| store.batches[class].load(Relaxed)),
            orders: store.orders.load(Relaxed),
        }
    }

    /// A classic Prometheus histogram. No commit holds more than the last class.
    pub(super) fn render(&self, text: &mut String, name: &str) {
        let mut count = 0;
        for (most, commits) in BATCH_CLASSES.iter().zip(self.classes) {
            count += commits;
            let _ = writeln!(text, "{name}_bucket{{le=\"{most}\"}} {count}");
        }
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum {}", self.orders);
        let _ = writeln!(text, "{name}_count {count}");
    }
}
