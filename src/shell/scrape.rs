//! What a scrape of the metrics asks of every room that keeps figures of its own.
//!
//! Runs on a thread that may be slow, never on the floor's; takes no lock for longer than a look.

use crate::shell::cards::{CardCount, Cards};
use crate::shell::desks::{DeskCount, Desks};
use crate::shell::lanes::{FloorLane, StoreLane};
use crate::shell::media::MediaPlane;
use crate::shell::metrics::{Backlogs, CounterName, Figure, GaugeName, Metrics, TimingName};
use crate::shell::recording::Recorder;
use crate::shell::replay::LogFigures;
use crate::shell::sip::SipLane;
use crate::shell::store::hopper::HopperStats;
use crate::shell::store::writer::StoreStats;
use crate::shell::tls::TlsDoor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Who is asked.
pub(super) struct Rooms {
    pub(super) lane: FloorLane,
    pub(super) store: (StoreLane, Arc<StoreStats>),
    /// The database's file; its write-ahead log lies beside it.
    pub(super) store_file: PathBuf,
    pub(super) hopper: Arc<HopperStats>,
    pub(super) sip: SipLane,
    pub(super) media: Arc<MediaPlane>,
    pub(super) desks: Arc<Desks>,
    pub(super) cards: Arc<Cards>,
    pub(super) recorder: Arc<Recorder>,
    /// Absent where API and desks are plain.
    pub(super) door: Option<Arc<TlsDoor>>,
    /// Absent where inputs are not recorded.
    pub(super) log: Option<Arc<LogFigures>>,
}

impl Rooms {
    /// What is done at each scrape, and what waits where.
    pub(super) fn each_scrape(
        self,
        metrics: Arc<Metrics>,
    ) -> Arc<dyn Fn() -> Backlogs + Send + Sync> {
        Arc::new(move || {
            metrics.observe_rooms(self.figures());
            metrics.observe_trunks(self.sip.trunk_counters());
            metrics.observe_store(&self.store.1);
            metrics.observe_timing(TimingName::HopperRefill, &self.hopper.read_times);
            let (urgent, bulk) = self.lane.waiting();
            Backlogs {
                urgent,
                bulk,
                store: self.store.0.waiting(),
            }
        })
    }

    /// The figures of all rooms, always in the same order.
    fn figures(&self) -> Vec<Figure> {
        let mut all = self.sip.counters();
        all.extend(self.media.counters().figures());
        let desk = |count: &DeskCount| count.figure(self.desks.count(*count));
        all.extend(DeskCount::ALL.iter().map(desk));
        let card = |count: &CardCount| count.figure(self.cards.count(*count));
        all.extend(CardCount::ALL.iter().map(card));
        all.extend(self.recorder.figures());
        if let Some(door) = &self.door {
            let ends = (door.ends().0 / 1_000).max(0) as u64;
            all.push(Figure::gauge(GaugeName::TlsExpiry, &[], ends));
        }
        self.floor_figures(&mut all);
        self.store_figures(&mut all);
        let (used, free) = self.media.ports();
        let (open, lost) = self.desks.sessions();
        for (name, value) in [
            (GaugeName::MediaUsedPorts, used),
            (GaugeName::MediaFreePorts, free),
            (GaugeName::DeskOpenSessions, open),
            (GaugeName::DeskLostSessions, lost),
        ] {
            all.push(Figure::gauge(name, &[], value as u64));
        }
        let mut queue = |name, (waits, holds)| all.extend(Figure::queue(name, waits, holds));
        queue(&["sip"], self.sip.waiting());
        queue(&["media"], self.media.waiting());
        queue(&["desk"], self.desks.longest_queue());
        let [card, late] = self.cards.waiting();
        queue(&["card"], card);
        queue(&["card_late"], late);
        if let Some(log) = &self.log {
            queue(&["input_log"], log.waiting());
            let recording = GaugeName::EngineInputLogIsRecording;
            all.push(Figure::gauge(recording, &[], u64::from(log.is_recording())));
            let written = CounterName::EngineInputLog;
            all.push(Figure::counter(written, &[], log.octets()));
        }
        all
    }

    fn floor_figures(&self, all: &mut Vec<Figure>) {
        let refused = CounterName::FloorRefusedInputs;
        let (urgent, bulk) = self.lane.refused();
        all.push(Figure::counter(refused, &["urgent"], urgent));
        all.push(Figure::counter(refused, &["bulk"], bulk));
        let lost = self.log.as_ref().map_or(0, |log| log.dropped());
        all.push(Figure::counter(CounterName::EngineLostLogLines, &[], lost));
        let capacity = GaugeName::EngineQueueCapacity;
        let (urgent, bulk) = self.lane.capacity();
        all.push(Figure::gauge(capacity, &["floor_urgent"], urgent as u64));
        all.push(Figure::gauge(capacity, &["floor_bulk"], bulk as u64));
        let store = self.store.0.capacity();
        all.push(Figure::gauge(capacity, &["store"], store as u64));
    }

    fn store_figures(&self, all: &mut Vec<Figure>) {
        let (store, hopper) = (&self.store.1, &self.hopper);
        let of = |value: &AtomicU64| value.load(Relaxed);
        for (name, value) in [
            (CounterName::StoreRefusedOrders, &store.refused),
            (CounterName::StorePutOffCommits, &store.put_off),
            (CounterName::StoreStops, &store.stops),
            (CounterName::StoreDroppedOrders, &store.dropped),
            (CounterName::HopperLentLeads, &hopper.lent),
            (CounterName::HopperUnusableLeads, &hopper.unusable),
            (CounterName::HopperFailures, &hopper.failures),
        ] {
            all.push(Figure::counter(name, &[], of(value)));
        }
        let mut wal = self.store_file.clone().into_os_string();
        wal.push("-wal");
        for (name, value) in [
            (GaugeName::StoreWaitingOrders, of(&store.waiting)),
            (GaugeName::HopperOutLeads, of(&hopper.out)),
            (GaugeName::StoreFile, length(&self.store_file)),
            (GaugeName::StoreWal, length(Path::new(&wal))),
        ] {
            all.push(Figure::gauge(name, &[], value));
        }
    }
}

/// A file that is not there has no length.
fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}
