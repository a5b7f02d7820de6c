//! Keeps how each call sounded: takes the media plane's reports as calls end, hands them to the store, times the first audio.
//!
//! A thread that sleeps nearly always. It may fall behind; the media plane then drops reports and counts them.

use crate::shell::lanes::StoreLane;
use crate::shell::media::{MediaReport, sound};
use crate::shell::metrics::{Metrics, TimingName};
use crate::shell::store::StoreOrder;
use crossbeam::channel::Receiver;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a report waits for room in the store's lane: the end of a call is never worth more than the next intent.
const PATIENCE: Duration = Duration::from_millis(500);

/// Starts the thread. It ends by itself when the media threads have.
pub fn start(
    reports: Receiver<MediaReport>,
    store: StoreLane,
    metrics: Arc<Metrics>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("sounds".to_owned())
        .spawn(move || {
            for report in reports {
                take(&report, &store, &metrics);
            }
        })
}

fn take(report: &MediaReport, store: &StoreLane, metrics: &Metrics) {
    if !report.bridged {
        // Nobody talked: what rang is in the attempt's own record.
        return;
    }
    if let Some(first) = report.line.first_audio_ms {
        let took = Duration::from_millis(u64::from(first));
        metrics.timing(TimingName::FirstAudio).record(took);
    }
    let order = StoreOrder::Sound(Box::new(sound(report)));
    if store.send_timeout(order, PATIENCE).is_err() {
        tracing::warn!(attempt = %report.attempt, "The store is behind: how a call sounded is not kept.");
    }
}
