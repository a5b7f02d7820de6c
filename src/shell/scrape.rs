//! What a scrape of the metrics asks of every room that keeps figures of its own.

use crate::shell::cards::{CardCount, Cards};
use crate::shell::desks::{DeskCount, Desks};
use crate::shell::lanes::FloorLane;
use crate::shell::media::MediaPlane;
use crate::shell::metrics::{Backlogs, Metrics, RoomFigure};
use crate::shell::replay::LogFigures;
use crate::shell::sip::SipLane;
use crate::shell::store::writer::{StoreStats, Writer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is asked at each scrape: what waits where, and what the rooms have counted.
pub(super) fn scrape(
    lane: &FloorLane,
    writer: &Writer,
    rooms: impl Fn() -> Vec<RoomFigure> + Send + Sync + 'static,
    metrics: Arc<Metrics>,
) -> Arc<dyn Fn() -> Backlogs + Send + Sync> {
    let (lane, store) = (lane.clone(), writer.lane());
    Arc::new(move || {
        metrics.observe_rooms(rooms());
        let (urgent, bulk) = lane.waiting();
        Backlogs {
            urgent,
            bulk,
            store: store.len(),
        }
    })
}

/// The counters of all rooms that keep their own.
pub(super) fn room_figures(
    sip: SipLane,
    media: Arc<MediaPlane>,
    desks: Arc<Desks>,
    cards: Arc<Cards>,
    store: Arc<StoreStats>,
    input_log: Option<Arc<LogFigures>>,
) -> impl Fn() -> Vec<RoomFigure> + Send + Sync + 'static {
    let counter = |name, label, value| RoomFigure {
        name,
        label,
        value,
        is_gauge: false,
    };
    move || {
        let mut all: Vec<RoomFigure> = sip
            .counters()
            .into_iter()
            .map(|figure| RoomFigure {
                name: figure.metric,
                label: figure.label,
                value: figure.value,
                is_gauge: figure.is_gauge,
            })
            .collect();
        let named = media.counters().named().into_iter();
        all.extend(named.map(|(event, value)| {
            counter("tandem_media_events_total", Some(("event", event)), value)
        }));
        all.extend(
            DeskCount::ALL
                .iter()
                .map(|count| counter(count.metric(), None, desks.count(*count))),
        );
        all.extend(
            CardCount::ALL
                .iter()
                .map(|count| counter(count.metric(), None, cards.count(*count))),
        );
        let of = |value: &AtomicU64| value.load(Ordering::Relaxed);
        all.push(counter(
            "tandem_store_commits_total",
            None,
            of(&store.commits),
        ));
        all.push(counter(
            "tandem_store_orders_total",
            None,
            of(&store.orders),
        ));
        all.push(counter(
            "tandem_store_failures_total",
            None,
            of(&store.refused) + of(&store.dropped),
        ));
        if let Some(log) = &input_log {
            all.push(counter(
                "tandem_input_log_written_bytes_total",
                None,
                log.octets(),
            ));
            all.push(counter(
                "tandem_input_log_lost_lines_total",
                None,
                log.dropped(),
            ));
            all.push(RoomFigure {
                name: "tandem_input_log_is_recording",
                label: None,
                value: u64::from(log.is_recording()),
                is_gauge: true,
            });
        }
        all.push(RoomFigure {
            name: "tandem_desk_open_sessions",
            label: None,
            value: desks.sessions().0 as u64,
            is_gauge: true,
        });
        all
    }
}
