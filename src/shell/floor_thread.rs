//! The one thread that owns the floor: takes inputs from the lanes, hands effects to the router, publishes the picture.
//!
//! It never waits for anybody but its lanes and its next deadline. Urgent before bulk: an answer never waits behind an
//! import by more than the one input that is being handled.

use crate::core::effect::Effect;
use crate::core::floor::Floor;
use crate::core::input::Input;
use crate::core::pacing::predict::Learned;
use crate::core::picture::Picture;
use crate::shell::api::Readiness;
use crate::shell::lanes::{Clock, FloorInbox, NAP};
use crate::shell::learned::{KEEP_EVERY, LearnedLane};
use crate::shell::metrics::calls::CallTimes;
use crate::shell::metrics::{Metrics, input_kind};
use crate::shell::replay::InputLog;
use crate::time::{Mono, Now, UnixMs};
use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How old the picture may be, and how often the invariants are checked.
const PICTURE_EVERY: Duration = Duration::from_millis(250);
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Longest sleep: the heartbeat that `/healthz` looks at.
const BEAT: Duration = Duration::from_millis(500);

/// Carries the floor's orders out. Runs on the floor's thread and must not wait.
pub trait Route {
    /// Carries one order out.
    fn route(&mut self, now: Now, effect: Effect);
    /// Called after every turn: a chance to pay what is owed.
    fn turn_over(&mut self);
    /// Called once, when the thread ends: what is owed is paid now, and here it may wait a little.
    fn close(&mut self);
}

/// What the floor's thread needs.
pub struct FloorShell<R> {
    /// The floor, fresh.
    pub floor: Floor,
    /// Its lanes.
    pub inbox: FloorInbox,
    /// The clocks.
    pub clock: Clock,
    /// Carries effects out.
    pub route: R,
    /// Records inputs for `tandem replay`.
    pub log: Option<InputLog>,
    /// Where what pacing has learned is kept.
    pub learned: Option<LearnedLane>,
    /// Times of turns, calls and agents.
    pub metrics: Arc<Metrics>,
    /// Where the picture is published.
    pub picture: Arc<ArcSwap<Picture>>,
    /// Told of every turn: `/healthz` looks at it.
    pub readiness: Arc<Readiness>,
    /// Ends the thread when its sender is dropped.
    pub stop: Receiver<()>,
}

impl<R: Route + Send + 'static> FloorShell<R> {
    /// Starts the thread. It ends when `stop` is disconnected.
    pub fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("floor".to_owned())
            .spawn(move || self.run())
    }

    fn run(mut self) {
        self.inbox.attach();
        let mut effects = Vec::with_capacity(256);
        let (mut picture_at, mut check_at) = (Mono(0), Mono(0));
        let mut keep_at = self.clock.mono() + KEEP_EVERY;
        let mut times = CallTimes::new(Arc::clone(&self.metrics), self.clock.mono());
        loop {
            let Some(input) = self.next_input() else {
                self.keep_learned(LearnedLane::keep_last);
                return self.route.close();
            };
            let now = self.clock.now();
            let kind = input_kind(&input);
            if let Some(log) = &mut self.log {
                log.input(now, &input);
            }
            times.heard(now.mono, &input);
            self.floor.handle(now, input, &mut effects);
            let decided = self.clock.mono();
            for effect in effects.drain(..) {
                times.decided(decided, &effect);
                if let Some(log) = &mut self.log {
                    log.effect(now, &effect);
                }
                self.route.route(now, effect);
            }
            self.route.turn_over();
            let done = self.clock.mono();
            self.metrics.floor_turn(kind, done.since(now.mono));
            self.readiness.floor_turned(done);
            if done >= check_at {
                check_at = done + CHECK_EVERY;
                if let Err(what) = self.floor.check() {
                    tracing::error!(what, "The floor broke one of its own truths.");
                }
            }
            if done >= picture_at {
                picture_at = done + PICTURE_EVERY;
                let picture = self.floor.picture(now);
                times.published(done, &picture);
                self.picture.store(Arc::new(picture));
            }
            if done >= keep_at {
                keep_at = done + KEEP_EVERY;
                self.keep_learned(LearnedLane::keep);
            }
        }
    }

    fn keep_learned(&self, keep: impl Fn(&LearnedLane, UnixMs, Learned)) {
        if let Some(lane) = &self.learned
            && let Some(learned) = self.floor.learned()
        {
            keep(lane, self.clock.now().unix, learned);
        }
    }

    /// The next fact: urgent, then the floor's own deadline, then bulk. `None`: the engine stops.
    fn next_input(&self) -> Option<Input> {
        let beat_at = self.clock.mono() + BEAT;
        loop {
            if let Ok(input) = self.inbox.urgent.try_recv() {
                return Some(input);
            }
            let now = self.clock.mono();
            let deadline = self.floor.next_deadline().unwrap_or(beat_at).min(beat_at);
            if deadline <= now {
                return Some(Input::Wake);
            }
            if let Ok(input) = self.inbox.bulk.try_recv() {
                return Some(input);
            }
            if self.stop.try_recv() == Err(TryRecvError::Disconnected) {
                return None;
            }
            // While calls are alive there may be facts that wake nobody.
            let longest = if self.floor.unfinished().0 > 0 {
                NAP
            } else {
                BEAT
            };
            self.inbox.sleep(deadline.since(now).min(longest));
        }
    }
}

/// Waits until the floor has no attempt and no missing disposition left, or until `limit`. Returns whether it drained.
/// `goes_on` is asked about ten times a second; where it says no, nothing is left to wait for.
pub fn wait_for_drain(
    picture: &ArcSwap<Picture>,
    limit: Duration,
    stop_waiting: &Receiver<()>,
    goes_on: impl Fn() -> bool,
) -> bool {
    let started = std::time::Instant::now();
    loop {
        let seen = picture.load();
        let in_calls: u32 = seen.agents[3..=5].iter().sum();
        if seen.attempts_alive == 0 && in_calls == 0 {
            return true;
        }
        if started.elapsed() >= limit || !goes_on() {
            return false;
        }
        match stop_waiting.recv_timeout(Duration::from_millis(100)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
