//! The thread that seals and writes. Takes chunks from all taps; gives their memory back; closes files.
//!
//! What a crash can cost: each chunk goes to the kernel at once, in one write, so that a process that is killed loses only the second
//! that was open. Against a power cut, open files are brought to the disk every `recording.sync_s` (and each file when it is closed):
//! so much of the end of a conversation may then be missing. Recordings wait for the disk, the bridge never does: what a slow or full
//! disk does not take while the queue lasts is dropped, counted in the recording's own end, in a metric, and told.

use super::Closed;
use super::chunk::Chunk;
use super::file::FileWriter;
use super::keeper::Note;
use super::keys::{DataKey, SiteKeys};
use super::live::{Live, RecordingId};
use super::stats::RecordingStats;
use crate::shell::lanes::Clock;
use crate::time::Mono;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use crossbeam::queue::ArrayQueue;
use rustc_hash::FxHashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Time between two looks at pauses that last too long and at files that wait for the disk.
const LOOK: Duration = Duration::from_millis(250);
/// Files that are brought to the disk at one look: the queue must not fill meanwhile.
const SYNCS_AT_ONCE: usize = 32;

/// What the writer is handed.
pub(super) enum Work {
    /// A recording begins.
    Begin(Arc<Live>, DataKey),
    /// A second is over.
    Chunk(Arc<Live>, Box<Chunk>),
    /// A recording is over: everything of it has been handed over.
    End(Arc<Live>),
}

/// Chunks that wait for a tap to take them.
struct Spares {
    free: ArrayQueue<Box<Chunk>>,
    made: AtomicUsize,
    most: usize,
}

/// The way to the writer. Each tap has one; nothing in it waits.
#[derive(Clone)]
pub(super) struct WriterLane {
    work: Sender<Work>,
    spares: Arc<Spares>,
    stats: Arc<RecordingStats>,
}

/// A lane for `chunks` that may wait, of `recordings` at once, and the writer's end of it.
pub(super) fn lane(
    chunks: usize,
    recordings: usize,
    stats: Arc<RecordingStats>,
) -> (WriterLane, Receiver<Work>) {
    // Spares bound the chunks; beginnings, ends and the last two chunks of each recording come on top. So it is never full.
    let (work, inbox) = bounded(chunks + 4 * recordings);
    let spares = Spares {
        free: ArrayQueue::new(chunks),
        made: AtomicUsize::new(0),
        most: chunks,
    };
    let lane = WriterLane {
        work,
        spares: Arc::new(spares),
        stats,
    };
    (lane, inbox)
}

impl WriterLane {
    /// An empty chunk in place of a full one; `None`: the writer has all of them.
    pub(super) fn spare(&self) -> Option<Box<Chunk>> {
        if let Some(spare) = self.spares.free.pop() {
            return Some(spare);
        }
        let made = self.spares.made.fetch_add(1, Ordering::Relaxed);
        if made < self.spares.most {
            return Some(Chunk::new());
        }
        self.spares.made.fetch_sub(1, Ordering::Relaxed);
        None
    }

    fn give_back(&self, mut chunk: Box<Chunk>) {
        chunk.reset(0);
        let _ = self.spares.free.push(chunk);
    }

    /// Hands over. Refused only once the writer is gone.
    pub(super) fn send(&self, work: Work) {
        if let Err(refused) = self.work.try_send(work)
            && let Work::Chunk(live, _) = refused.into_inner()
        {
            live.dropped.fetch_add(1, Ordering::Relaxed);
            self.count_dropped();
        }
    }

    pub(super) fn try_begin(&self, live: Arc<Live>, key: DataKey) -> bool {
        self.work.try_send(Work::Begin(live, key)).is_ok()
    }

    pub(super) fn count_dropped(&self) {
        self.stats.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// What waits, and how much may.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.work.len(), self.spares.most)
    }
}

struct Open {
    live: Arc<Live>,
    file: FileWriter,
    synced: Mono,
    is_dirty: bool,
}

/// Told when a recording's pause ended by itself.
pub(super) type Resumed = Box<dyn Fn(&Live) + Send>;
/// Told when a recording's file is made, closed, or could not be made.
pub(super) type Tell = Box<dyn Fn(Note) + Send>;

/// The writer's own.
pub(super) struct Writer {
    pub(super) inbox: Receiver<Work>,
    pub(super) lane: WriterLane,
    pub(super) directory: PathBuf,
    pub(super) keys: Arc<SiteKeys>,
    pub(super) clock: Clock,
    pub(super) sync_every: Duration,
    pub(super) stats: Arc<RecordingStats>,
    pub(super) resumed: Resumed,
    pub(super) tell: Tell,
    /// Told to end: what waits is written first.
    pub(super) stop: Receiver<()>,
}

impl Writer {
    /// Runs until it is told to stop and nothing waits.
    pub(super) fn run(self) {
        let mut open: FxHashMap<RecordingId, Open> = FxHashMap::default();
        let (mut looked, mut ailing) = (self.clock.mono(), false);
        loop {
            match self.inbox.recv_timeout(LOOK) {
                Ok(work) => self.take(work, &mut open, &mut ailing),
                Err(RecvTimeoutError::Timeout) => {
                    if !matches!(
                        self.stop.try_recv(),
                        Err(crossbeam::channel::TryRecvError::Empty)
                    ) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = self.clock.mono();
            if now.since(looked) >= LOOK {
                looked = now;
                self.look(&mut open, now);
            }
        }
        // Taps that are still there belong to calls that end with the process: closed as they are.
        for (_, mut open) in open.drain() {
            open.live.finish(self.clock.mono());
            self.close(&mut open);
        }
    }

    fn take(&self, work: Work, open: &mut FxHashMap<RecordingId, Open>, ailing: &mut bool) {
        match work {
            Work::Begin(live, key) => {
                let made =
                    FileWriter::live(&self.directory, &self.keys, &key, live.id, &live.about);
                match made {
                    Ok(file) => {
                        let entry = Open {
                            live: Arc::clone(&live),
                            file,
                            synced: self.clock.mono(),
                            is_dirty: true,
                        };
                        open.insert(live.id, entry);
                        (self.tell)(Note::Begun(live.id, Box::new(live.about.clone())));
                    }
                    Err(error) => {
                        self.stats.failures.fetch_add(1, Ordering::Relaxed);
                        tracing::error!(recording = %live.id, %error, "A recording could not be begun: this conversation is not recorded.");
                        let closed = Closed::failed(&live, error.to_string());
                        (self.tell)(Note::Closed(Box::new(closed)));
                    }
                }
            }
            Work::Chunk(live, mut chunk) => {
                chunk.strike(&live.gate);
                let written = match open.get_mut(&live.id) {
                    _ if chunk.is_silent() => Some(Ok(())),
                    Some(open) => {
                        open.is_dirty = true;
                        Some(open.file.chunk(&chunk))
                    }
                    None => None,
                };
                match written {
                    Some(Ok(())) => {
                        self.stats.chunks.fetch_add(1, Ordering::Relaxed);
                        if std::mem::take(ailing) {
                            tracing::warn!("The disk takes recordings again.");
                        }
                    }
                    failed => {
                        live.dropped.fetch_add(1, Ordering::Relaxed);
                        self.stats.dropped.fetch_add(1, Ordering::Relaxed);
                        if let Some(Err(error)) = failed
                            && !std::mem::replace(ailing, true)
                        {
                            tracing::error!(recording = %live.id, %error, "The disk does not take recordings: seconds of conversations are lost.");
                        }
                    }
                }
                self.lane.give_back(chunk);
            }
            Work::End(live) => {
                if let Some(mut open) = open.remove(&live.id) {
                    self.close(&mut open);
                }
            }
        }
    }

    /// Pauses that lasted too long, ends whose word was lost, files that wait for the disk.
    fn look(&self, open: &mut FxHashMap<RecordingId, Open>, now: Mono) {
        self.stats.open.store(open.len() as u64, Ordering::Relaxed);
        let mut syncs = 0;
        for entry in open.values_mut() {
            let live = &entry.live;
            if let Some(since) = live.gate.paused_since()
                && !live.pause_max.is_zero()
                && now.since(since) >= live.pause_max
                && live.gate.resume(now)
            {
                tracing::warn!(recording = %live.id, attempt = %live.about.attempt, "A pause reached its limit: the recording goes on by itself.");
                self.stats.resumed.fetch_add(1, Ordering::Relaxed);
                (self.resumed)(live);
            }
            let is_due = entry.is_dirty && now.since(entry.synced) >= self.sync_every;
            if is_due && syncs < SYNCS_AT_ONCE {
                syncs += 1;
                (entry.synced, entry.is_dirty) = (now, false);
                if let Err(error) = entry.file.sync() {
                    self.stats.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(recording = %entry.live.id, %error, "A recording could not be brought to the disk.");
                }
            }
        }
        // Its last word came while the writer was gone, or never: everything that was handed over before is in.
        if self.inbox.is_empty() {
            let lost = |entry: &Open| {
                let finished = entry.live.finished()?;
                (now.since(finished) > Duration::from_secs(5)).then_some(entry.live.id)
            };
            let over: Vec<RecordingId> = open.values().filter_map(lost).collect();
            for id in over {
                if let Some(mut entry) = open.remove(&id) {
                    self.close(&mut entry);
                }
            }
        }
    }

    fn close(&self, open: &mut Open) {
        let live = &open.live;
        let at = live.finished().unwrap_or_else(|| self.clock.mono());
        let end = live.end(at, open.file.chunks());
        let mut closed = Closed::of(live, self.keys.current(), end.clone());
        match open.file.end(&end) {
            Ok(()) => {
                closed.sha256 = Some(open.file.sha256());
                closed.octets = open.file.length();
            }
            Err(error) => {
                // Left as after a crash: the keeper closes it once the disk takes it.
                self.stats.failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(path = %open.file.path().display(), %error, "A recording could not be closed.");
            }
        }
        (self.tell)(Note::Closed(Box::new(closed)));
    }
}
