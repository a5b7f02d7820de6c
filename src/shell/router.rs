//! Carries the floor's orders to the rooms that can: store, SIP, media, desks, hopper. Runs on the floor's thread, so it
//! never waits; what a full lane refuses is either owed (results, outcomes) or told to the floor as a failure.

use crate::core::effect::{CallInOrder, Effect, LeadNext, PreviewEnd, PreviewOffer};
use crate::core::input::{Input, LegEvent, LegFailure};
use crate::core::ledger::LedgerNews;
use crate::core::results::SystemResult;
use crate::core::settings::PromptName;
use crate::ids::{AgentId, AttemptId, CampaignId};
use crate::shell::callers::ArrivalBook;
use crate::shell::cards::Cards;
use crate::shell::decisions::Decider;
use crate::shell::desks::Desks;
use crate::shell::floor_thread::Route;
use crate::shell::lanes::{
    CallBook, CallEntry, FloorLane, LeadBook, LegId, MediaPorts, SipOrder, StoreLane,
};
use crate::shell::media::MediaPlane;
use crate::shell::recording::{Recorder, Tap};
use crate::shell::sip::{self, OsRandom, SipLane};
use crate::shell::store::hopper::Hopper;
use crate::shell::store::{CallIdentity, LeadRecord, StoreOrder};
use crate::time::{Mono, Now};
use crate::wire::desk::audio::RecordingState;
use arc_swap::ArcSwap;
use dashmap::DashMap;
use rustc_hash::FxHashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// When each intent was ordered, for the histogram of commits. Filled here, emptied by the store's news.
pub type OrderedAt = Arc<DashMap<AttemptId, Mono>>;

/// Caller ids; a `CampaignId` is an index. Swapped whole by a reload, for the next call.
pub type CallerIds = Arc<ArcSwap<Vec<String>>>;

/// Puts a tap on a call that is joined.
pub type TapSink = Box<dyn Fn(AttemptId, Box<dyn Tap>) + Send>;

/// What the router hands orders to.
pub struct Router {
    /// The store's writer.
    pub store: StoreLane,
    /// The SIP thread.
    pub sip: SipLane,
    /// RTP.
    pub media: Arc<MediaPlane>,
    /// Who is recorded.
    pub recorder: Arc<Recorder>,
    /// Where a tap goes.
    pub tapped: TapSink,
    /// Agents' sockets.
    pub desks: Arc<Desks>,
    /// The worker that stages cards.
    pub cards: Arc<Cards>,
    /// The reader of leads.
    pub hopper: Hopper,
    /// Back into the floor, for what cannot be carried out.
    pub floor: FloorLane,
    /// Attempts from intent to end.
    pub calls: CallBook,
    /// Leads in the hot window.
    pub leads: LeadBook,
    /// Callers whom the floor was told of.
    pub arrivals: ArrivalBook,
    /// Caller id of each campaign.
    pub caller_ids: CallerIds,
    /// When intents were ordered.
    pub ordered: OrderedAt,
    /// The last pacing decisions, for those who ask why.
    pub decisions: Decider,
    /// Where Call-IDs, tags and branches come from.
    pub random: OsRandom,
    /// What follows is the router's own; see [`Router::books`].
    pub books: Books,
}

/// The router's own books.
#[derive(Default)]
pub struct Books {
    /// Orders that the store must get and its lane had no room for. No longer than the attempts alive.
    owed: VecDeque<StoreOrder>,
    /// Connected attempts of which either the end or the outcome is still to come: the card stays with the agent.
    half: FxHashSet<AttemptId>,
    /// Legs to be joined at the end of this turn: the card goes first. Joining takes a lock that the SIP thread holds at this very
    /// moment (it has just told media where the person is) and wakes a thread; sound comes every 20 ms, a few microseconds are
    /// nothing to it.
    joins: Vec<(AttemptId, AgentId, Now)>,
    /// Prompts to be played, behind the joins of the same turn.
    prompts: Vec<(AttemptId, PromptName)>,
}

impl Route for Router {
    fn route(&mut self, now: Now, effect: Effect) {
        if self.desks.apply(&effect) {
            return;
        }
        match effect {
            Effect::Dial(order) => self.dial(order, now),
            Effect::Release {
                attempt,
                route_try,
                trunk,
            } => {
                let order = self.calls.get(&attempt).map(|entry| {
                    (
                        entry.identity.clone(),
                        entry.number.clone(),
                        usize::from(entry.lead.campaign.0),
                    )
                });
                let sent = order.is_some_and(|(identity, number, campaign)| {
                    let caller_ids = self.caller_ids.load();
                    let caller_id = caller_ids.get(campaign).cloned().unwrap_or_default();
                    self.sip
                        .try_order(SipOrder::Invite {
                            attempt,
                            route_try,
                            trunk,
                            identity,
                            number,
                            caller_id,
                        })
                        .is_ok()
                });
                if !sent {
                    let failure = LegFailure {
                        status: 0,
                        q850: None,
                        retry_after_s: None,
                    };
                    let event = LegEvent::Failed(failure);
                    self.tell(Input::Leg {
                        attempt,
                        route_try,
                        at: now.mono,
                        event,
                    });
                }
            }
            Effect::Cancel { attempt } => self.end_leg(SipOrder::Cancel(attempt)),
            Effect::HangUp { attempt } => self.end_leg(SipOrder::HangUp(attempt)),
            Effect::Abort { attempt } => self.end_leg(SipOrder::Abort(attempt)),
            Effect::Bridge { attempt, agent } => self.books.joins.push((attempt, agent, now)),
            Effect::Close(closed) => {
                self.recorder.ended(closed.attempt);
                if closed.result == SystemResult::Connected {
                    self.half_done(closed.attempt);
                } else {
                    self.forget(closed.attempt);
                }
                self.keep(StoreOrder::Closed(closed));
            }
            Effect::KeepOutcome(kept) => {
                let detail = self.desks.take_detail(kept.attempt, kept.request);
                self.half_done(kept.attempt);
                self.keep(StoreOrder::Outcome(kept, detail));
            }
            Effect::Refill { campaign, want } => {
                // Full: the floor asks again when the refill's deadline has passed.
                if self.hopper.refill(campaign, want).is_err() {
                    tracing::warn!(%campaign, "The hopper does not keep up.");
                }
            }
            Effect::ReturnLead { lead, next, .. } => {
                let next = match next {
                    LeadNext::AwaitsOutcome => None,
                    next => Some(next),
                };
                self.keep(StoreOrder::LeadReturned { lead, next });
            }
            Effect::Exposed {
                campaign,
                exposure,
                at,
                ..
            } => self.keep(StoreOrder::Exposed {
                campaign,
                exposure,
                at,
            }),
            Effect::Ledger { campaign, news } => tell_ledger(campaign, news),
            Effect::Preview(offer) => self.preview(&offer),
            Effect::PreviewOver {
                attempt,
                agent,
                lead,
                why,
            } => {
                self.desks.preview_over(attempt, agent, why);
                if let PreviewEnd::Skipped(reason) = why {
                    tracing::info!(%agent, %lead, reason, "An agent skipped a lead.");
                }
                self.forget(attempt);
            }
            Effect::FetchLead {
                agent,
                request,
                lead,
            } => {
                if self.hopper.fetch(agent, request, lead).is_err() {
                    self.tell(Input::LeadFetched {
                        agent,
                        request,
                        lead: None,
                    });
                }
            }
            Effect::Decided(decision) => self.decisions.keep(now.unix, decision),
            Effect::Announce { attempt, prompt } => self.books.prompts.push((attempt, prompt)),
            Effect::CallIn(order) => self.call_in(order, now),
            Effect::PickUp { attempt } => {
                // Bound before the legs are joined at the turn's end: that finds the port, whenever SIP has said where to send.
                let order = match self.media.reserve(LegId::Call(attempt)) {
                    Some(port) => SipOrder::PickUp(attempt, port),
                    None => SipOrder::Cancel(attempt),
                };
                self.end_leg(order);
            }
            Effect::TurnAway { call, is_busy } => {
                self.arrivals.remove(&call);
                // RFC 3261 s.21.4.18, 21.4.24.
                self.end_leg(SipOrder::TurnAway(call, if is_busy { 486 } else { 480 }));
            }
            Effect::Show { .. }
            | Effect::Personal(_)
            | Effect::Unseen { .. }
            | Effect::Agent(_)
            | Effect::CallEnded { .. }
            | Effect::Refuse { .. } => {}
        }
    }

    fn turn_over(&mut self) {
        for (attempt, agent, at) in std::mem::take(&mut self.books.joins) {
            self.media.bridge(attempt, agent);
            self.record(attempt, agent, at);
        }
        for (attempt, prompt) in self.books.prompts.drain(..) {
            if MediaPorts::announce(&*self.media, attempt, &prompt) {
                // Of a call that is being recorded it is the notice; any other has no recording that could know.
                self.recorder.announced(attempt);
            } else {
                tracing::error!(%attempt, %prompt, "A prompt cannot be played.");
                let _ = self.floor.urgent(Input::Announced(attempt));
            }
        }
        while let Some(order) = self.books.owed.pop_front() {
            if let Err(order) = self.store.try_send(order) {
                self.books.owed.push_front(*order);
                return;
            }
        }
    }

    fn close(&mut self) {
        for order in self.books.owed.drain(..) {
            if self
                .store
                .send_timeout(order, Duration::from_secs(1))
                .is_err()
            {
                tracing::error!(
                    "The store took no more orders; the next start settles what they were about."
                );
                return;
            }
        }
    }
}

/// What happens in an abandon ledger is rare, and somebody should hear of it.
fn tell_ledger(campaign: CampaignId, news: LedgerNews) {
    match news {
        LedgerNews::OverCap => tracing::warn!(
            %campaign,
            "The campaign passed its abandon cap: no line starts without a free agent until it is kept again."
        ),
        LedgerNews::UnderCap => {
            tracing::info!(%campaign, "The campaign keeps its abandon cap again.");
        }
        LedgerNews::Named(event) => tracing::warn!(
            %campaign,
            event = event.code(),
            "An event may cost the campaign its abandon guarantee."
        ),
        LedgerNews::Broken { named: true } => {
            tracing::warn!(%campaign, "An abandoned call broke the guarantee, by an event that was named.");
        }
        LedgerNews::Broken { named: false } => {
            tracing::error!(%campaign, "An abandoned call broke the guarantee, and no event explains it.");
        }
        LedgerNews::WindowClosed { counts, kept } => tracing::info!(
            %campaign,
            served = counts.served,
            abandoned = counts.abandoned,
            left_early = counts.left_early,
            machines = counts.machines,
            kept,
            "A window of the abandon ledger closed."
        ),
    }
}

impl Router {
    /// The lead's card is made and shown; the call that may come of it is in the book already.
    fn preview(&mut self, offer: &PreviewOffer) {
        match self.leads.get(&offer.lead).map(|lead| Arc::clone(&lead)) {
            Some(lead) => {
                let identity = sip::new_identity(&mut self.random);
                self.open_call(offer.attempt, identity, lead);
            }
            None => {
                tracing::error!(lead = %offer.lead, "A lead of the hot window is not in the address book.");
            }
        }
        self.desks.preview(offer);
    }

    /// A joined call is recorded from here on, where its campaign says so; or can be, by somebody's word.
    fn record(&self, attempt: AttemptId, agent: AgentId, at: Now) {
        let of = self
            .calls
            .get(&attempt)
            .map(|entry| (entry.lead.campaign, entry.lead.lead));
        let Some((campaign, lead)) = of else { return };
        if let Some(tap) = self.recorder.joined(attempt, agent, campaign, lead, at) {
            (self.tapped)(attempt, tap);
            self.desks.recording(agent, RecordingState::On);
        }
    }

    fn open_call(&self, attempt: AttemptId, identity: CallIdentity, lead: Arc<LeadRecord>) {
        let entry = CallEntry {
            identity,
            number: lead.e164.clone(),
            lead,
            card: None,
        };
        self.calls.insert(attempt, entry);
    }

    /// A call to us is an attempt now: it is kept, its card is made, and SIP learns its name.
    fn call_in(&mut self, order: CallInOrder, now: Now) {
        let attempt = order.attempt;
        let Some((_, arrived)) = self.arrivals.remove(&order.call) else {
            tracing::error!(call = %order.call, "A call to us is not in the book of arrivals.");
            return self.end_leg(SipOrder::TurnAway(order.call, 480));
        };
        self.open_call(attempt, arrived.identity.clone(), arrived.lead);
        self.cards.stage(attempt);
        self.end_leg(SipOrder::Became(order.call, attempt));
        self.keep(StoreOrder::CallIn(order, arrived.identity, now.unix));
    }

    /// The intent goes to the disk, and meanwhile the card is made.
    fn dial(&mut self, order: crate::core::effect::DialOrder, now: Now) {
        let (attempt, route_try) = (order.attempt, order.route_try);
        let Some(lead) = self.leads.get(&order.lead).map(|lead| Arc::clone(&lead)) else {
            tracing::error!(lead = %order.lead, "A lead of the hot window is not in the address book.");
            return self.tell(Input::IntentFailed(attempt, route_try));
        };
        let identity = sip::new_identity(&mut self.random);
        // A later route try, or a call that was shown before it was dialled, has its card already.
        let known = self.calls.get_mut(&attempt).map(|mut entry| {
            entry.identity = identity.clone();
            entry.card.is_some()
        });
        if known.is_none() && route_try == 1 {
            self.open_call(attempt, identity.clone(), lead);
        }
        if route_try == 1 && known != Some(true) {
            self.cards.stage(attempt);
        }
        self.ordered.insert(attempt, now.mono);
        if self
            .store
            .try_send(StoreOrder::Intent(order, identity, now.unix))
            .is_err()
        {
            // The store is behind by its whole lane: nothing is sent that is not on disk.
            self.tell(Input::IntentFailed(attempt, route_try));
        }
    }

    /// A full SIP lane loses it; the phase that waits for the leg's end has a deadline, and then says it again as an abort.
    fn end_leg(&self, order: SipOrder) {
        if self.sip.try_order(order).is_err() {
            tracing::warn!("The SIP lane is full: a leg ends by its deadline.");
        }
    }

    /// A full lane loses it and counts it; the attempt's own deadline then says the same.
    fn tell(&self, input: Input) {
        let _ = self.floor.urgent(input);
    }

    fn keep(&mut self, order: StoreOrder) {
        if !self.books.owed.is_empty() {
            self.books.owed.push_back(order);
            return;
        }
        if let Err(order) = self.store.try_send(order) {
            self.books.owed.push_back(*order);
        }
    }

    /// End and outcome of a connected attempt come in either order; with the second its card is forgotten.
    fn half_done(&mut self, attempt: AttemptId) {
        if !self.books.half.insert(attempt) {
            self.books.half.remove(&attempt);
            self.forget(attempt);
        }
    }

    fn forget(&self, attempt: AttemptId) {
        self.cards.forget(attempt);
        self.calls.remove(&attempt);
        self.ordered.remove(&attempt);
    }
}
