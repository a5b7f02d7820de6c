//! The SIP thread's side of calls to us: who asked, what became of it, and the way of its facts to the floor.

use super::driver::Driver;
use super::{convert, leg};
use crate::core::input::LegEvent;
use crate::ids::{AttemptId, CallInId};
use crate::shell::callers::{Caller, CallsIn as Rules};
use crate::shell::lanes::LegId;
use crate::shell::store::{CallIdentity, StoreOrder};
use crate::wire::sip::event::{ArrivedCall, CallKey, Event};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Keys of calls to us begin here, as the endpoint gives them.
const FIRST: u64 = 1 << 63;

/// What the thread knows of calls to us.
#[derive(Default)]
pub(super) struct CallsIn {
    /// Absent until somebody knows the callers: then every call is refused.
    pub(super) rules: Option<Arc<Rules>>,
    /// Those that are no attempt yet.
    pub(super) ringing: BTreeSet<CallInId>,
    became: HashMap<CallInId, AttemptId>,
}

/// Whether this is a call to us.
pub(super) const fn is_call_in(key: CallKey) -> bool {
    key.call > FIRST && key.route_try == 1
}

/// The endpoint's name of a call to us.
pub(super) const fn key(call: CallInId) -> CallKey {
    CallKey {
        call: FIRST + call.0,
        route_try: 1,
    }
}

impl Driver {
    /// A fact about a call to us.
    pub(super) fn report_call_in(&mut self, key: CallKey, event: Event) {
        let call = CallInId(key.call - FIRST);
        if let Event::Arrived(arrived) = event {
            return self.ask_about(call, *arrived);
        }
        let Some(attempt) = self.calls_in.became.get(&call).copied() else {
            // The caller gave up while the floor was still asked: it learns of it when the call becomes an attempt.
            if matches!(event, Event::Ended) {
                self.calls_in.ringing.remove(&call);
            }
            return;
        };
        match event {
            Event::Accepted { far, path } => {
                if let Some(path) = path {
                    self.point_media(attempt, &path, true);
                }
                let row = convert::dialog_row(attempt, 1, far);
                // Lost, a crash leaves this call to the carrier's session timer.
                let _ = self.store.try_send(StoreOrder::Dialog(row));
            }
            Event::Secured(keys) => self.media.secure(LegId::Call(attempt), *keys),
            Event::MediaChanged(path) => self.point_media(attempt, &path, true),
            Event::Ended | Event::Failed(_) | Event::Silent => {
                self.calls_in.became.remove(&call);
                self.end_leg(attempt, 1, LegEvent::Ended);
            }
            Event::Trying
            | Event::Ringing
            | Event::EarlyMedia(_)
            | Event::Answered { .. }
            | Event::Arrived(_) => {}
        }
    }

    fn ask_about(&mut self, call: CallInId, arrived: ArrivedCall) {
        let rules = self.calls_in.rules.clone();
        let asked = rules.and_then(|rules| {
            let identity = CallIdentity {
                call_id: arrived.identity.call_id,
                from_tag: arrived.identity.from_tag,
                branch: arrived.identity.branch,
            };
            let caller = Caller {
                call,
                trunk: arrived.trunk,
                at: self.turn_at,
                campaign: rules.campaign(&arrived.called)?,
                number: arrived.caller,
                identity,
                rules: Arc::clone(&rules),
            };
            (rules.look_up)(caller).then_some(())
        });
        if asked.is_some() {
            self.calls_in.ringing.insert(call);
        } else {
            let now = self.clock.mono();
            self.endpoint.refuse(now, key(call), 480, &mut self.out);
        }
    }

    /// The floor has made an attempt of it.
    pub(super) fn became(&mut self, call: CallInId, attempt: AttemptId) {
        if !self.calls_in.ringing.remove(&call) {
            // The caller has given up meanwhile.
            return self.tell(leg(attempt, 1, self.turn_at, LegEvent::Ended));
        }
        let Some(trunk) = self.endpoint.trunk_of(key(call)) else {
            return self.tell(leg(attempt, 1, self.turn_at, LegEvent::Ended));
        };
        self.calls_in.became.insert(call, attempt);
        self.keep_leg(attempt, key(call), trunk);
    }
}
