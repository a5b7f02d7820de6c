//! Deadlines in one heap. A deadline that no longer matters is not removed: it is recognised by its generation when it comes.

use crate::ids::{AgentId, AttemptId, CallInId, CampaignId};
use crate::time::Mono;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What may come due. The number is the generation of the state that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The state of an attempt ends by itself.
    Attempt(AttemptId, u32),
    /// The state of an agent ends by itself (wrap-up).
    Agent(AgentId, u32),
    /// The grace time of a lost agent.
    Grace(AgentId, u32),
    /// A call must have been seen and its agent be heard.
    Unseen(AttemptId),
    /// A refill that was asked for did not come.
    Refill(CampaignId, u32),
    /// A call to us that cannot be taken yet has waited long enough.
    CallIn(CallInId),
}

/// The heap.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Mono, u64, Timer)>>,
    sequence: u64,
}

impl Timers {
    /// Asks to be woken at `at`. Equal instants come in the order of asking.
    pub(crate) fn set(&mut self, at: Mono, timer: Timer) {
        self.sequence += 1;
        self.heap.push(Reverse((at, self.sequence, timer)));
    }

    /// The next deadline that has come.
    pub(crate) fn pop_due(&mut self, now: Mono) -> Option<Timer> {
        match self.heap.peek() {
            Some(Reverse((at, _, _))) if *at <= now => {
                self.heap.pop().map(|Reverse((_, _, timer))| timer)
            }
            _ => None,
        }
    }

    /// How many deadlines are kept, those that no longer matter included.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Drops the deadlines that no longer matter. Costs a walk; asked for when most of them do not.
    pub(crate) fn retain(&mut self, matters: impl Fn(&Timer) -> bool) {
        self.heap.retain(|Reverse((_, _, timer))| matters(timer));
    }

    /// When the next deadline comes (it may turn out not to matter).
    pub(crate) fn next(&self) -> Option<Mono> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }
}
