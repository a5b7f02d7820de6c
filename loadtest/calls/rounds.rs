//! Engine and SIPp in turns: the same flow at the same rate to the same far end, so that what else the machine does meets both.

use super::engine::{Engine, Spent};
use super::sipp::Sipp;
use crate::frame::report::{Goal, Report};
use crate::frame::stats::median;
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::{sleep, sleep_until};

/// How long the engine absorbs copies behind a call (64 T1, RFC 3261): forgetting it is a part of its cost.
const ABSORBED: Duration = Duration::from_secs(34);
/// How long the idle engine is watched.
const IDLE: Duration = Duration::from_secs(5);

/// What is compared.
pub struct Contest<'a> {
    /// Where files of a round go.
    pub dir: &'a Path,
    /// The engine, paused.
    pub engine: &'a Engine,
    /// The far end of both.
    pub far: &'a Sipp,
    /// SIPp's scenario as caller.
    pub caller: &'a str,
    /// Calls per second.
    pub rate: u32,
    /// How long calls are started in each turn.
    pub dial: Duration,
    /// Longest wait for the end of the last call.
    pub end: Duration,
}

/// One turn of each.
pub struct Round {
    /// CPU time of the engine for a call in microseconds, what comes after its end included.
    pub engine_us: f64,
    /// CPU time of SIPp for the same call in microseconds.
    pub caller_us: f64,
    /// CPU time of the far end for a call of the engine in microseconds.
    pub far_us: f64,
    /// Engine, by thread, in microseconds for a call.
    pub by_thread: BTreeMap<String, f64>,
    /// Calls that SIPp made.
    pub caller_calls: u64,
}

impl Contest<'_> {
    /// Some rounds, one after another. `at_peak` is asked at the end of each of the engine's turns, while calls are up.
    pub async fn rounds(
        &self,
        count: u32,
        mut at_peak: impl AsyncFnMut() -> Result<()>,
    ) -> Result<Vec<Round>> {
        let begun = self.engine.mark(self.far).await?;
        sleep(IDLE).await;
        let idle = self.engine.since(&begun, self.far).await?;
        let mut rounds = Vec::new();
        for _ in 0..count {
            rounds.push(self.round(&idle, &mut at_peak).await?);
        }
        Ok(rounds)
    }

    async fn round(
        &self,
        idle: &Spent,
        at_peak: &mut impl AsyncFnMut() -> Result<()>,
    ) -> Result<Round> {
        let begun = self.engine.mark(self.far).await?;
        self.engine.dial().await?;
        sleep(self.dial).await;
        at_peak().await?;
        self.engine.pause().await?;
        self.engine.drained(self.end).await?;
        let dialled = self.engine.since(&begun, self.far).await?;
        let ended = self.engine.mark(self.far).await?;
        let forgotten_at = Instant::now() + ABSORBED;
        ensure!(dialled.calls > 0.0, "the engine dialled nobody");

        let calls = u64::from(self.rate) * self.dial.as_secs();
        let caller = Sipp::caller(self.dir, self.caller, self.far.address, self.rate, calls)?;
        let caller_cpu = caller.finish(self.dial + self.end).await?;

        sleep_until(forgotten_at.into()).await;
        let after = self.engine.since(&ended, self.far).await?;
        // An engine that only waits costs something too, which no call is to be charged with.
        let share = after.seconds / idle.seconds;
        let forgetting = (after.cpu - idle.cpu * share).max(0.0);
        let per_call = |seconds: f64| seconds * 1e6 / dialled.calls;
        let by_thread = dialled
            .by_thread
            .iter()
            .map(|(name, spent)| {
                let of = |spent: &Spent| spent.by_thread.get(name).copied().unwrap_or_default();
                let later = (of(&after) - of(idle) * share).max(0.0);
                (name.clone(), per_call(spent + later))
            })
            .collect();
        Ok(Round {
            engine_us: per_call(dialled.cpu + forgetting),
            caller_us: caller_cpu * 1e6 / calls as f64,
            far_us: per_call(dialled.far_cpu),
            by_thread,
            caller_calls: calls,
        })
    }
}

/// Writes the rounds down: medians, and all samples.
pub fn report(report: &mut Report, rounds: &[Round], most_times: f64) {
    let of = |value: fn(&Round) -> f64| -> Vec<f64> { rounds.iter().map(value).collect() };
    let engine = of(|round| round.engine_us);
    let caller = of(|round| round.caller_us);
    let times = of(|round| round.engine_us / round.caller_us);
    report.figure(
        "engine_us_per_call",
        "CPU time of the engine for a call",
        median(&engine),
        "us",
    );
    let mut threads: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, spent) in rounds.iter().flat_map(|round| &round.by_thread) {
        threads.entry(name).or_default().push(*spent);
    }
    for (name, spent) in threads {
        // A thread that ended within a round is missing in some of them.
        let middle = median(&spent);
        if middle >= 0.5 {
            report.figure(
                &format!("thread_{name}_us_per_call"),
                &format!("  of it thread {name}"),
                middle,
                "us",
            );
        }
    }
    report.figure(
        "sipp_us_per_call",
        "CPU time of SIPp for the same call",
        median(&caller),
        "us",
    );
    report.figure(
        "far_us_per_call",
        "CPU time of the far end for a call",
        median(&of(|round| round.far_us)),
        "us",
    );
    report.goal(
        "engine_per_sipp",
        "engine by SIPp, median of the rounds",
        median(&times),
        "times",
        Goal::AtMost(most_times),
    );
    report.samples("engine_us_samples", &engine);
    report.samples("sipp_us_samples", &caller);
    report.samples("engine_per_sipp_samples", &times);
}
