//! The writer: one thread that commits what the floor ordered, in groups, and tells only what is on disk.
//!
//! Full disk: intents fail at once, everything else waits in order and is tried again; dialling stops by `Ready(false)` and
//! resumes by itself. A failed fsync: nobody knows what is on disk, so nothing more is accepted until the store is reopened.

use crate::config::StoreConfig;
use crate::shell::lanes::{StoreInbox, StoreLane, store_lane};
use crate::shell::metrics::{Timing, TimingName};
use crate::shell::store::sqlite::orders::failure_of;
use crate::shell::store::{ReturnedLeads, Store, StoreFault, StoreNews, StoreOrder};
use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Orders in one commit at most: bounds the time of a turn.
const BATCH_MAX: usize = 1_024;
/// Time between two tries while the disk is full or the database is held.
const RETRY: Duration = Duration::from_millis(250);
/// Time between two tellings of the same readiness. The floor's lane may have had no room for the one before, and would else never
/// dial again, or dial into a store that is full.
const READY_AGAIN: Duration = Duration::from_secs(1);
/// Orders that are worth a commit of their own: more patience would save nothing.
const ENOUGH: usize = 128;
/// Longest that an order waits which wakes nobody.
const LOOK: Duration = Duration::from_millis(25);
/// Without an order for so long, the writer is idle.
const IDLE: Duration = Duration::from_millis(250);
/// Batch sizes up to which [`StoreStats::batches`] counts; the last class has no upper end.
pub const BATCH_CLASSES: [usize; 6] = [1, 4, 16, 64, 256, BATCH_MAX];

/// Told after each commit, in the order of the orders. Called on the writer's thread: hands over and returns.
pub type NewsSink = Box<dyn Fn(StoreNews) + Send>;

/// Counters of the writer. All only rise, except `backlog` and `waiting`.
#[derive(Debug)]
pub struct StoreStats {
    /// Commits that succeeded.
    pub commits: AtomicU64,
    /// Orders in them.
    pub orders: AtomicU64,
    /// Orders refused by themselves.
    pub refused: AtomicU64,
    /// Commits by batch size, classes as in [`BATCH_CLASSES`].
    pub batches: [AtomicU64; BATCH_CLASSES.len()],
    /// Commits that found no room, or the database held.
    pub put_off: AtomicU64,
    /// Times that the writer stopped for good.
    pub stops: AtomicU64,
    /// Orders dropped because the writer had stopped for good; a restart settles them.
    pub dropped: AtomicU64,
    /// How long the commits took.
    pub commit_times: Timing,
    /// Orders in the lane at the last turn.
    pub backlog: AtomicU64,
    /// Orders that wait for room on the disk.
    pub waiting: AtomicU64,
}

impl Default for StoreStats {
    fn default() -> Self {
        StoreStats {
            commits: AtomicU64::default(),
            orders: AtomicU64::default(),
            refused: AtomicU64::default(),
            batches: Default::default(),
            put_off: AtomicU64::default(),
            stops: AtomicU64::default(),
            dropped: AtomicU64::default(),
            commit_times: Timing::of(TimingName::StoreCommit),
            backlog: AtomicU64::default(),
            waiting: AtomicU64::default(),
        }
    }
}

/// The writer's thread.
#[derive(Debug)]
pub struct Writer {
    lane: StoreLane,
    control: Sender<Control>,
    stats: Arc<StoreStats>,
    window: CommitWindow,
    thread: JoinHandle<u64>,
}

/// How long a commit waits for company. Shared by the writer's thread and whoever changes it while it runs.
#[derive(Clone, Debug)]
pub struct CommitWindow(Arc<AtomicU64>);

impl CommitWindow {
    fn new(window: Duration) -> Self {
        CommitWindow(Arc::new(AtomicU64::new(window.as_micros() as u64)))
    }

    /// Another one, from the next commit on.
    pub fn set(&self, window: Duration) {
        self.0.store(window.as_micros() as u64, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

enum Control {
    Reopen(Box<dyn Store>),
    Stop,
}

impl Writer {
    /// Starts the thread. `returned` gets the leads that may be lent again.
    pub fn start(
        store: Box<dyn Store>,
        config: &StoreConfig,
        returned: ReturnedLeads,
        news: NewsSink,
    ) -> std::io::Result<Self> {
        let (lane, inbox) = store_lane(config.queue.max(4));
        let (control, controls) = bounded(4);
        let stats = Arc::new(StoreStats::default());
        let window = CommitWindow::new(config.commit_window);
        let turn = Turn {
            store,
            inbox,
            controls,
            returned,
            news,
            window: window.clone(),
            room: config.queue.max(4),
            waiting: VecDeque::new(),
            batch: Vec::new(),
            state: State::Sound,
            stopping: false,
            ready: None,
            ready_told: Instant::now(),
            busy_until: Instant::now(),
            stats: Arc::clone(&stats),
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || turn.run())?;
        Ok(Writer {
            lane,
            control,
            stats,
            window,
            thread,
        })
    }

    /// The way in.
    pub fn lane(&self) -> StoreLane {
        self.lane.clone()
    }

    /// Whether the thread is there: it ends by itself only through a defect of ours.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// How long a commit waits for company, to be changed.
    pub fn window(&self) -> CommitWindow {
        self.window.clone()
    }

    /// The counters.
    pub fn stats(&self) -> Arc<StoreStats> {
        Arc::clone(&self.stats)
    }

    /// Another store in the place of one that stopped for good. An operator's decision, after the disk was looked at.
    pub fn reopen(&self, store: Box<dyn Store>) {
        // A thread that is gone shows itself in `stop`.
        let _ = self.control.send(Control::Reopen(store));
        self.lane.wake();
    }

    /// Commits what is in the lane, then ends. How many orders could not be kept: 0 if all is well.
    pub fn stop(self) -> u64 {
        let _ = self.control.send(Control::Stop);
        self.lane.wake();
        self.thread.join().unwrap_or(u64::MAX)
    }
}

/// How the store is.
#[derive(Clone, Copy)]
enum State {
    /// It commits. Nothing waits.
    Sound,
    /// No room, or held by another: what must not be lost waits, until this time.
    PutOff(Instant),
    /// A commit's fate is unknown. Nothing is accepted.
    Stopped,
}

struct Turn {
    store: Box<dyn Store>,
    inbox: StoreInbox,
    controls: Receiver<Control>,
    returned: ReturnedLeads,
    news: NewsSink,
    window: CommitWindow,
    /// Orders that may wait, and length of the lane.
    room: usize,
    /// Orders that were taken and not kept yet, oldest first. No intents: those fail at once.
    waiting: VecDeque<StoreOrder>,
    batch: Vec<StoreOrder>,
    state: State,
    stopping: bool,
    ready: Option<bool>,
    /// When that was told.
    ready_told: Instant,
    /// Until then orders are likely that wake nobody.
    busy_until: Instant,
    stats: Arc<StoreStats>,
}

impl Turn {
    fn run(mut self) -> u64 {
        self.inbox.attach();
        loop {
            self.tell_ready();
            self.gather();
            let idle = self.batch.is_empty();
            match self.state {
                State::Sound if idle => {}
                State::Sound => self.commit_batch(),
                State::PutOff(until) => {
                    self.put_off_batch();
                    if Instant::now() >= until || (self.stopping && idle) {
                        self.commit_waiting();
                    }
                }
                State::Stopped => self.refuse_batch(),
            }
            let left_alone = self.waiting.len() >= self.room;
            if self.stopping && idle && (self.inbox.orders.is_empty() || left_alone) {
                let unkept = self.waiting.len() + self.inbox.orders.len();
                return unkept as u64 + self.stats.dropped.load(Ordering::Relaxed);
            }
            self.store.maintain(idle);
        }
    }

    /// Waits for orders and takes what is there, up to one batch.
    fn gather(&mut self) {
        let begun = Instant::now();
        let until = match self.state {
            _ if self.stopping => begun,
            State::PutOff(until) => until,
            State::Sound | State::Stopped => begun + IDLE,
        };
        loop {
            self.take_controls();
            self.take_orders();
            let left = until.saturating_duration_since(Instant::now());
            if !self.batch.is_empty() || self.stopping || left.is_zero() {
                break;
            }
            // In a busy time there are ends of calls in the lane that woke nobody.
            let busy = begun < self.busy_until;
            self.inbox.sleep(if busy { left.min(LOOK) } else { left });
        }
        if self.batch.is_empty() {
            return;
        }
        self.busy_until = Instant::now() + IDLE;
        // A little patience makes one fsync serve several: nobody is woken for each of them meanwhile.
        let window = self.window.get();
        let patient = matches!(self.state, State::Sound) && !self.stopping;
        if patient && self.batch.len() < ENOUGH && !window.is_zero() {
            std::thread::sleep(window);
            self.take_orders();
        }
        self.stats
            .backlog
            .store(self.inbox.orders.len() as u64, Ordering::Relaxed);
    }

    /// What an operator wants.
    fn take_controls(&mut self) {
        if self.stopping {
            return;
        }
        match self.controls.try_recv() {
            Ok(Control::Reopen(store)) => {
                self.store = store;
                self.state = State::Sound;
            }
            Ok(Control::Stop) | Err(TryRecvError::Disconnected) => self.stopping = true,
            Err(TryRecvError::Empty) => {}
        }
    }

    /// Fills the batch. With the waiting room full the lane is left alone: it fills up, and whoever orders is refused there.
    fn take_orders(&mut self) {
        if self.waiting.len() >= self.room {
            return;
        }
        while self.batch.len() < BATCH_MAX {
            match self.inbox.orders.try_recv() {
                Ok(order) => self.batch.push(order),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
            }
        }
    }

    fn commit_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        match self.commit(&batch) {
            Ok(()) => {}
            Err(StoreFault::Broken(reason)) => self.stop_for_good(&reason, batch),
            Err(fault) => {
                self.put_off(&fault);
                self.batch = batch;
                self.put_off_batch();
            }
        }
    }

    fn commit(&mut self, batch: &[StoreOrder]) -> Result<(), StoreFault> {
        let begun = Instant::now();
        let done = self.store.commit(batch)?;
        let stats = &self.stats;
        stats.commit_times.record(begun.elapsed());
        stats.commits.fetch_add(1, Ordering::Relaxed);
        stats
            .orders
            .fetch_add(batch.len() as u64, Ordering::Relaxed);
        stats
            .refused
            .fetch_add(u64::from(done.refused), Ordering::Relaxed);
        let class = BATCH_CLASSES
            .iter()
            .position(|most| batch.len() <= *most)
            .unwrap_or(BATCH_CLASSES.len() - 1);
        stats.batches[class].fetch_add(1, Ordering::Relaxed);
        self.returned.add(&done.returned);
        for news in done.news {
            (self.news)(news);
        }
        Ok(())
    }

    /// Tries what waits, oldest first, in fresh transactions.
    fn commit_waiting(&mut self) {
        while !self.waiting.is_empty() {
            let some: Vec<StoreOrder> = self
                .waiting
                .drain(..self.waiting.len().min(BATCH_MAX))
                .collect();
            match self.commit(&some) {
                Ok(()) => {}
                Err(StoreFault::Broken(reason)) => return self.stop_for_good(&reason, some),
                Err(fault) => {
                    for order in some.into_iter().rev() {
                        self.waiting.push_front(order);
                    }
                    return self.put_off(&fault);
                }
            }
        }
        tracing::warn!("The store commits again; dialling may resume.");
        self.state = State::Sound;
        self.count_waiting();
    }

    fn put_off(&mut self, fault: &StoreFault) {
        if matches!(self.state, State::Sound) {
            tracing::error!(%fault, "The store cannot commit; dialling stops, outcomes wait in memory.");
        }
        self.stats.put_off.fetch_add(1, Ordering::Relaxed);
        self.state = State::PutOff(Instant::now() + RETRY);
        self.count_waiting();
    }

    /// An intent that waits is worthless in 250 ms: it fails. All else must not be lost.
    fn put_off_batch(&mut self) {
        for order in std::mem::take(&mut self.batch) {
            if matches!(order, StoreOrder::Intent(..)) {
                failure_of(&order).into_iter().for_each(&self.news);
            } else {
                self.waiting.push_back(order);
            }
        }
        self.count_waiting();
    }

    fn stop_for_good(&mut self, reason: &str, batch: Vec<StoreOrder>) {
        tracing::error!(
            reason,
            "A commit's fate is unknown: the store accepts nothing more until it is reopened."
        );
        self.stats.stops.fetch_add(1, Ordering::Relaxed);
        self.state = State::Stopped;
        let mut lost = batch;
        lost.extend(self.waiting.drain(..));
        lost.append(&mut self.batch);
        self.batch = lost;
        self.refuse_batch();
        self.count_waiting();
    }

    fn refuse_batch(&mut self) {
        for order in std::mem::take(&mut self.batch) {
            match failure_of(&order) {
                Some(news) => (self.news)(news),
                None => {
                    self.stats.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn count_waiting(&self) {
        self.stats
            .waiting
            .store(self.waiting.len() as u64, Ordering::Relaxed);
    }

    /// Not ready from three quarters of the lane on, ready again below one quarter: it must not flicker.
    fn tell_ready(&mut self) {
        let waiting = self.inbox.orders.len();
        let ready = match self.state {
            State::PutOff(_) | State::Stopped => false,
            State::Sound if self.ready == Some(true) => waiting < self.room / 4 * 3,
            State::Sound => waiting <= self.room / 4,
        };
        if self.ready != Some(ready) || self.ready_told.elapsed() >= READY_AGAIN {
            self.ready = Some(ready);
            self.ready_told = Instant::now();
            (self.news)(StoreNews::Ready(ready));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::dispositions::Disposition;
    use crate::core::effect::{DialOrder, LeadNext, OutcomeKept};
    use crate::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId, TrunkId};
    use crate::shell::store::{CallIdentity, Committed, OutcomeDetail};
    use crate::time::UnixMs;
    use std::sync::Mutex;

    /// A store that answers as it is told to, and keeps what it committed.
    struct Scripted {
        answers: Arc<Mutex<VecDeque<StoreFault>>>,
        kept: Arc<Mutex<Vec<usize>>>,
    }

    impl Store for Scripted {
        fn commit(&mut self, batch: &[StoreOrder]) -> Result<Committed, StoreFault> {
            if let Some(fault) = self.answers.lock().expect("the script").pop_front() {
                return Err(fault);
            }
            self.kept.lock().expect("the record").push(batch.len());
            let news = batch
                .iter()
                .map(|order| match order {
                    StoreOrder::Intent(dial, ..) => {
                        StoreNews::IntentDurable(dial.attempt, dial.route_try)
                    }
                    StoreOrder::Outcome(kept, _) => StoreNews::OutcomeDurable {
                        agent: kept.agent,
                        attempt: kept.attempt,
                        request: kept.request,
                    },
                    other => panic!("not in these tests: {other:?}"),
                })
                .collect();
            Ok(Committed {
                news,
                ..Committed::default()
            })
        }
        fn maintain(&mut self, _idle: bool) {}
    }

    fn intent(attempt: u64) -> StoreOrder {
        let dial = DialOrder {
            attempt: AttemptId(attempt),
            route_try: 1,
            campaign: CampaignId(0),
            lead: LeadId(1),
            person: PersonId(1),
            number: NumberId(1),
            trunk: TrunkId(0),
        };
        let identity = CallIdentity {
            call_id: String::new(),
            from_tag: String::new(),
            branch: String::new(),
        };
        StoreOrder::Intent(dial, identity, UnixMs(0))
    }

    fn outcome(attempt: u64) -> StoreOrder {
        StoreOrder::Outcome(
            OutcomeKept {
                attempt: AttemptId(attempt),
                campaign: CampaignId(0),
                lead: LeadId(1),
                person: PersonId(1),
                agent: AgentId(1),
                request: Some(attempt),
                disposition: Disposition::RpcRefuse,
                at: UnixMs(0),
                next: LeadNext::AwaitsOutcome,
            },
            OutcomeDetail::default(),
        )
    }

    fn said(news: &StoreNews) -> String {
        match news {
            StoreNews::IntentDurable(attempt, _) => format!("intent {attempt}"),
            StoreNews::IntentFailed(attempt, _) => format!("intent {attempt} failed"),
            StoreNews::OutcomeDurable { attempt, .. } => format!("outcome {attempt}"),
            StoreNews::OutcomeFailed { attempt, .. } => format!("outcome {attempt} failed"),
            StoreNews::Ready(ready) => format!("ready {ready}"),
            other => format!("{other:?}"),
        }
    }

    /// A sink that passes over a readiness that was told before.
    fn once(tell: impl Fn(String) + Send + 'static) -> NewsSink {
        let last = std::cell::Cell::new(None);
        Box::new(move |news| match news {
            StoreNews::Ready(ready) if last.replace(Some(ready)) == Some(ready) => {}
            news => tell(said(&news)),
        })
    }

    /// Runs the orders against a store with these answers. What was said, batch sizes kept, orders not kept.
    fn run(faults: Vec<StoreFault>, orders: Vec<StoreOrder>) -> (Vec<String>, Vec<usize>, u64) {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let writer = Writer::start(
            Box::new(Scripted {
                answers: Arc::new(Mutex::new(faults.into())),
                kept: Arc::clone(&kept),
            }),
            &StoreConfig {
                commit_window: Duration::from_millis(200),
                queue: 64,
            },
            ReturnedLeads::default(),
            once(move |said| ears.lock().expect("the ears").push(said)),
        )
        .expect("a thread");
        for order in orders {
            writer.lane().try_send(order).expect("the writer lives");
        }
        let lost = writer.stop();
        let heard = heard.lock().expect("the ears").clone();
        let kept = kept.lock().expect("the record").clone();
        (heard, kept, lost)
    }

    #[test]
    fn news_come_in_the_order_of_the_orders() {
        let (heard, kept, lost) = run(vec![], vec![intent(1), outcome(7), intent(2)]);
        assert_eq!(heard, ["ready true", "intent 1", "outcome 7", "intent 2"]);
        assert_eq!(kept.iter().sum::<usize>(), 3);
        assert_eq!(lost, 0);
    }

    #[test]
    fn a_failed_fsync_stops_the_store_and_is_never_reported_as_success() {
        let broken = StoreFault::Broken("fsync".to_owned());
        let (heard, kept, _) = run(vec![broken], vec![intent(1), outcome(7), intent(2)]);
        assert_eq!(
            heard
                .iter()
                .filter(|said| said.contains("failed"))
                .collect::<Vec<_>>(),
            ["intent 1 failed", "outcome 7 failed", "intent 2 failed"]
        );
        assert!(heard.contains(&"ready false".to_owned()), "{heard:?}");
        assert!(kept.is_empty(), "nothing may be committed after it");
    }

    #[test]
    fn a_full_disk_fails_intents_and_keeps_outcomes_until_there_is_room() {
        let full = StoreFault::Full("full".to_owned());
        let (heard, kept, lost) = run(vec![full], vec![intent(1), outcome(7), outcome(8)]);
        let of = |what: &str| heard.iter().position(|said| said == what);
        assert!(of("intent 1 failed").is_some(), "{heard:?}");
        assert!(
            of("intent 1").is_none(),
            "a stale intent must not come alive"
        );
        assert!(of("outcome 7") < of("outcome 8"), "{heard:?}");
        assert_eq!(kept.iter().sum::<usize>(), 2);
        assert_eq!(lost, 0);
    }

    #[test]
    fn outcomes_that_found_no_room_to_the_end_are_counted_as_lost_and_not_reported_as_saved() {
        let full = vec![StoreFault::Full("full".to_owned()); 50];
        let (heard, kept, lost) = run(full, vec![outcome(7)]);
        assert_eq!((kept.len(), lost), (0, 1));
        assert!(
            !heard.iter().any(|said| said.contains("outcome")),
            "{heard:?}"
        );
    }

    #[test]
    fn a_readiness_that_found_no_room_is_told_again() {
        let (told, hear) = bounded(64);
        let writer = Writer::start(
            Box::new(Scripted {
                answers: Arc::default(),
                kept: Arc::default(),
            }),
            &StoreConfig {
                commit_window: Duration::ZERO,
                queue: 64,
            },
            ReturnedLeads::default(),
            Box::new(move |news| told.send(said(&news)).expect("the test lives")),
        )
        .expect("a thread");
        let begun = Instant::now();
        for _ in 0..2 {
            let again = hear.recv_timeout(Duration::from_secs(20));
            assert_eq!(again.expect("it is told"), "ready true");
        }
        assert!(begun.elapsed() >= READY_AGAIN / 2, "not all the time");
        writer.stop();
    }

    #[test]
    fn a_reopened_store_accepts_again() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let (told, hear) = bounded(64);
        let scripted = |faults: Vec<StoreFault>| {
            Box::new(Scripted {
                answers: Arc::new(Mutex::new(faults.into())),
                kept: Arc::default(),
            })
        };
        let writer = Writer::start(
            scripted(vec![StoreFault::Broken("fsync".to_owned())]),
            &StoreConfig {
                commit_window: Duration::ZERO,
                queue: 64,
            },
            ReturnedLeads::default(),
            once(move |said| {
                ears.lock().expect("the ears").push(said);
                told.send(()).expect("the test lives");
            }),
        )
        .expect("a thread");
        writer.lane().try_send(intent(1)).expect("the writer lives");
        // ready true, intent 1 failed, ready false
        (0..3).for_each(|_| hear.recv().expect("the writer lives"));
        writer.reopen(scripted(vec![]));
        hear.recv().expect("the writer lives");
        writer.lane().try_send(intent(2)).expect("the writer lives");
        writer.stop();
        assert_eq!(
            *heard.lock().expect("the ears"),
            [
                "ready true",
                "intent 1 failed",
                "ready false",
                "ready true",
                "intent 2"
            ]
        );
    }

    #[test]
    fn a_backlog_of_three_quarters_stops_dialling_until_it_is_worked_off() {
        /// Holds every commit until the test lets it go.
        struct Slow(Receiver<()>);
        impl Store for Slow {
            fn commit(&mut self, _batch: &[StoreOrder]) -> Result<Committed, StoreFault> {
                let _ = self.0.recv();
                Ok(Committed::default())
            }
            fn maintain(&mut self, _idle: bool) {}
        }
        let (go, wait) = bounded(1);
        let (told, hear) = bounded(64);
        let writer = Writer::start(
            Box::new(Slow(wait)),
            &StoreConfig {
                commit_window: Duration::ZERO,
                queue: 4_096,
            },
            ReturnedLeads::default(),
            once(move |said| told.send(said).expect("the test lives")),
        )
        .expect("a thread");
        assert_eq!(hear.recv().expect("news"), "ready true");
        // The first order is taken and holds the writer; the rest fills the lane.
        writer.lane().try_send(intent(0)).expect("the writer lives");
        while writer.lane().waiting() > 0 {
            std::thread::yield_now();
        }
        for attempt in 1..5_000 {
            if writer.lane().try_send(intent(attempt)).is_err() {
                break;
            }
        }
        go.send(()).expect("the writer waits");
        assert_eq!(hear.recv().expect("news"), "ready false");
        drop(go);
        assert_eq!(hear.recv().expect("news"), "ready true");
        writer.stop();
    }
}
