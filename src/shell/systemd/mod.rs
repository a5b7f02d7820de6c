//! What the service manager is told: started, reloading, stopping, how things are, and that the floor still turns.
//!
//! Owns the watchdog's thread. Started by hand, without `NOTIFY_SOCKET`, it does nothing. The promise: `WATCHDOG=1` leaves only
//! while the floor turns and somebody looks after the other threads, so that an engine that lives and does nothing is
//! started anew instead of standing there all day.

mod notify;

use crate::core::picture::Picture;
use crate::core::settings::CampaignState;
use crate::shell::api::Readiness;
use crate::shell::lanes::Clock;
use crate::time::Mono;
use arc_swap::ArcSwap;
use notify::Notifier;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The one who looks after SIP, store and media does so every 100 to 500 ms; silent for this long, nobody does.
const SUPERVISION_SILENT_MAX: Duration = Duration::from_secs(2);
/// Longest time between two looks of the watchdog's thread.
const LOOK: Duration = Duration::from_millis(500);
/// Time between two tellings of how things are.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// This process as a service. Held by `serve`, by the watchdog's thread (weakly) and by whoever reloads.
#[derive(Debug)]
pub struct Service {
    notifier: Option<Notifier>,
    /// `WatchdogSec` of the unit; absent: nobody watches.
    watchdog: Option<Duration>,
    clock: Clock,
    /// Monotonic microseconds of the last [`Service::supervised`].
    supervised_us: AtomicU64,
    is_closing: AtomicBool,
    /// The last message could not be handed over.
    is_unheard: AtomicBool,
}

impl Service {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    pub fn from_environment() -> Self {
        let notifier = notify::from_environment().unwrap_or_else(|fault| {
            tracing::warn!(%fault, "The service manager cannot be told anything.");
            None
        });
        let variable = |name: &str| std::env::var(name).ok();
        let watchdog = notify::watchdog(
            variable("WATCHDOG_USEC"),
            variable("WATCHDOG_PID"),
            std::process::id(),
        );
        Service::of(notifier, watchdog)
    }

    fn of(notifier: Option<Notifier>, watchdog: Option<Duration>) -> Self {
        Service {
            notifier,
            watchdog,
            clock: Clock::new(),
            supervised_us: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
            is_unheard: AtomicBool::new(false),
        }
    }

    /// What the start is busy with, for `systemctl status`.
    pub fn opening(&self, what: &str) {
        self.tell(&format!("STATUS={what}"));
    }

    /// Everything is bound and the last run is settled: units that wait for us may start.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=Serving.");
    }

    /// The configuration is being read anew. [`Service::reloaded`] must follow, also where the new one is refused.
    pub fn reloading(&self) {
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reading the configuration.",
            notify::monotonic_us()
        ));
    }

    /// The end of [`Service::reloading`]; `how` is one sentence for `systemctl status`.
    pub fn reloaded(&self, how: &str) {
        self.tell(&format!("READY=1\nSTATUS={how}"));
    }

    /// No further call is begun; `TimeoutStopSec` counts from here.
    pub fn stopping(&self, why: &str) {
        self.tell(&format!("STOPPING=1\nSTATUS={why}"));
    }

    /// The threads are about to end, each in its turn: nobody watches them any more.
    pub fn closing(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.stopping("Closing.");
    }

    /// Whoever looks after the engine's threads has found all of them there. Said at least every 500 ms.
    pub fn supervised(&self) {
        let now = self.clock.mono().0.max(1);
        self.supervised_us.store(now, Ordering::Relaxed);
    }

    fn is_supervised(&self) -> bool {
        let at = self.supervised_us.load(Ordering::Relaxed);
        at > 0 && self.clock.mono().since(Mono(at)) <= SUPERVISION_SILENT_MAX
    }

    fn tell(&self, state: &str) {
        if let Some(notifier) = &self.notifier {
            // A manager that does not listen is no reason to stop calling; said once, not with every feeding.
            match notifier.send(state) {
                Ok(()) => self.is_unheard.store(false, Ordering::Relaxed),
                Err(fault) => {
                    if !self.is_unheard.swap(true, Ordering::Relaxed) {
                        tracing::warn!(%fault, "The service manager does not take our messages.");
                    }
                }
            }
        }
    }

    /// Starts the thread that feeds the watchdog and tells how things are. It ends with [`Service::closing`] or the last
    /// holder of `self`.
    pub fn watch(
        self: &Arc<Self>,
        readiness: Arc<Readiness>,
        picture: Arc<ArcSwap<Picture>>,
    ) -> std::io::Result<()> {
        if self.notifier.is_none() {
            return Ok(());
        }
        let look = self.watchdog.map_or(LOOK, |every| (every / 8).min(LOOK));
        let service = Arc::downgrade(self);
        std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || {
                let mut watch = Watch::default();
                loop {
                    std::thread::sleep(look);
                    let Some(service) = service.upgrade() else {
                        return;
                    };
                    if service.is_closing.load(Ordering::Relaxed) {
                        return;
                    }
                    let now = service.clock.mono();
                    let trouble = trouble(readiness.is_floor_turning(), service.is_supervised());
                    for said in watch.look(now, trouble, service.watchdog, || {
                        words(&picture.load(), readiness.is_draining())
                    }) {
                        service.tell(&said);
                    }
                }
            })
            .map(drop)
    }
}

/// Why the watchdog must go hungry; `None`: the engine does its work.
const fn trouble(floor_turns: bool, is_supervised: bool) -> Option<&'static str> {
    match (floor_turns, is_supervised) {
        (true, true) => None,
        (false, _) => Some("The floor does not turn."),
        (true, false) => Some("Nobody looks after the engine's threads."),
    }
}

/// What the watchdog's thread remembers.
#[derive(Debug, Default)]
struct Watch {
    fed: Option<Mono>,
    told: Option<Mono>,
    last_words: String,
    was_in_trouble: bool,
}

impl Watch {
    /// What to tell the manager now. Fed at half the interval (sd_watchdog_enabled(3)); after trouble at once, for the engine may
    /// have come back just before the interval's end.
    fn look(
        &mut self,
        now: Mono,
        trouble: Option<&'static str>,
        interval: Option<Duration>,
        words: impl FnOnce() -> String,
    ) -> Vec<String> {
        let mut say = Vec::new();
        if let Some(trouble) = trouble {
            if !std::mem::replace(&mut self.was_in_trouble, true) {
                tracing::error!(
                    trouble,
                    "The engine does not do its work; the watchdog is not fed."
                );
                say.push(format!("STATUS={trouble}"));
            }
            return say;
        }
        let is_over = std::mem::replace(&mut self.was_in_trouble, false);
        if is_over {
            tracing::warn!("The engine does its work again.");
        }
        if let Some(interval) = interval
            && (is_over || self.fed.is_none_or(|at| now.since(at) >= interval / 2))
        {
            self.fed = Some(now);
            say.push("WATCHDOG=1".to_owned());
        }
        if is_over || self.told.is_none_or(|at| now.since(at) >= STATUS_EVERY) {
            self.told = Some(now);
            let words = words();
            if is_over || words != self.last_words {
                say.push(format!("STATUS={words}"));
                self.last_words = words;
            }
        }
        say
    }
}

/// The floor in one line, for `systemctl status`.
fn words(picture: &Picture, is_draining: bool) -> String {
    let of = |state: &str| {
        let place = Picture::AGENT_STATES.iter().position(|name| *name == state);
        place.map_or(0, |place| picture.agents[place])
    };
    let logged_in: u32 = picture.agents.iter().sum::<u32>() - of("offline");
    let running = picture
        .campaigns
        .iter()
        .filter(|campaign| campaign.state == CampaignState::Running)
        .count();
    let in_air: u32 = picture.campaigns.iter().map(|of| of.in_air).sum();
    let up = picture.trunks.iter().filter(|trunk| trunk.up).count();
    let mut text = format!(
        "{logged_in} agents, {} talking, {} ready; {in_air} lines in the air; {running} of {} campaigns dial; {up} of {} trunks up",
        of("talking"),
        of("ready"),
        picture.campaigns.len(),
        picture.trunks.len()
    );
    for (is, what) in [
        (is_draining, "draining"),
        (picture.stopped && !is_draining, "dialling stopped by hand"),
        (!picture.store_ready, "the store does not keep up"),
    ] {
        if is {
            text.push_str("; ");
            text.push_str(what);
        }
    }
    text.push('.');
    text
}

#[cfg(test)]
mod tests;
