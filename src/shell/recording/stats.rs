//! What the recorder counts for itself; a scrape takes it over.

use crate::shell::metrics::{CounterName, Figure, GaugeName};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Figures of all recordings since the start.
#[derive(Debug, Default)]
pub struct RecordingStats {
    /// Recordings begun.
    pub begun: AtomicU64,
    /// Recordings not begun because as many as allowed were under way.
    pub refused: AtomicU64,
    /// Chunks written.
    pub chunks: AtomicU64,
    /// Chunks lost.
    pub dropped: AtomicU64,
    /// Files that could not be made, synced or closed.
    pub failures: AtomicU64,
    /// Pauses that ended by their limit.
    pub resumed: AtomicU64,
    /// Recordings under way.
    pub open: AtomicU64,
    /// Closed ones that wait for their conversion.
    pub backlog: AtomicU64,
    /// Made into Ogg Opus.
    pub converted: AtomicU64,
    /// Found broken.
    pub broken: AtomicU64,
    /// Erased: their time was over.
    pub erased: AtomicU64,
}

impl RecordingStats {
    /// As figures, always in the same order; with what waits for the writer, and how much may.
    pub(super) fn figures(&self, (waits, holds): (usize, usize)) -> Vec<Figure> {
        let counters = [
            (CounterName::RecordingBegun, &self.begun),
            (CounterName::RecordingRefused, &self.refused),
            (CounterName::RecordingChunks, &self.chunks),
            (CounterName::RecordingDroppedChunks, &self.dropped),
            (CounterName::RecordingFailures, &self.failures),
            (CounterName::RecordingResumed, &self.resumed),
            (CounterName::RecordingConverted, &self.converted),
            (CounterName::RecordingBroken, &self.broken),
            (CounterName::RecordingErased, &self.erased),
        ];
        let counters =
            counters.map(|(name, value)| Figure::counter(name, &[], value.load(Relaxed)));
        let gauges = [
            (GaugeName::RecordingOpen, &self.open),
            (GaugeName::RecordingBacklog, &self.backlog),
        ];
        let gauges = gauges.map(|(name, value)| Figure::gauge(name, &[], value.load(Relaxed)));
        let mut all = counters.to_vec();
        all.extend(gauges);
        all.extend(Figure::queue(&["recording"], waits, holds));
        all
    }
}
