//! The hopper: lends due leads to the floor, on a thread and a connection of its own. Owns the set of leads that are out.
//!
//! A lead is lent once. It stays out until its return is on disk (the writer says so), and only then may it be read again.
//! The hopper also tells the floor what others wrote beside it: new leads, and numbers and persons that must not be dialled.

use crate::config::UnknownCaller;
use crate::core::input::{CallIn, Input};
use crate::ids::{AgentId, CampaignId, LeadId};
use crate::shell::callers::{ArrivalBook, Arrived, Caller, LookUp};
use crate::shell::lanes::{Clock, FloorLane, LaneFull, LeadBook};
use crate::shell::metrics::{Timing, TimingName};
use crate::shell::store::numbers::NumberReader;
use crate::shell::store::{Changes, DueQuery, LeadSource, ReturnedLeads};
use crate::time::UnixMs;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A lead that is due so soon is lent already: the floor holds it until its time.
const AHEAD: Duration = Duration::from_secs(60);
/// Longest wait for the return of a lead that an agent asks for again: a commit takes milliseconds.
const RETURN_WAIT: Duration = Duration::from_secs(1);
/// Time between two looks at what others wrote: a do-not-call entry is in force after so long at most.
const LOOK: Duration = Duration::from_millis(500);
/// Time before a refill is tried again that the floor's lane had no room for, or the database failed.
const AGAIN: Duration = Duration::from_millis(20);
/// Refills that may wait. Campaigns ask one at a time.
const ORDERS: usize = 1_024;
/// Facts that may wait for room in the floor's lanes; beyond, nothing more is read.
const TO_TELL: usize = 4_096;
/// Inputs in the floor's urgent lane from which on the hopper waits: a long list of blocks must not crowd out legs and agents.
const URGENT_SHARE: usize = 4_096;

/// Counters of the hopper.
#[derive(Debug)]
pub struct HopperStats {
    /// Leads lent.
    pub lent: AtomicU64,
    /// Leads out now.
    pub out: AtomicU64,
    /// Refills answered.
    pub refills: AtomicU64,
    /// How long the reads took.
    pub read_times: Timing,
    /// Leads passed over because their zone or a skill is not in force.
    pub unusable: AtomicU64,
    /// Reads that failed.
    pub failures: AtomicU64,
}

impl Default for HopperStats {
    fn default() -> Self {
        HopperStats {
            lent: AtomicU64::default(),
            out: AtomicU64::default(),
            refills: AtomicU64::default(),
            read_times: Timing::of(TimingName::HopperRefill),
            unusable: AtomicU64::default(),
            failures: AtomicU64::default(),
        }
    }
}

/// What the hopper is asked for.
#[derive(Clone, Debug)]
enum Order {
    Refill(CampaignId, u32),
    /// One lead, for an agent's request.
    Fetch(AgentId, u64, LeadId),
    /// Who calls us.
    Caller(Box<Caller>),
}

/// The hopper's thread. Dropped, it ends.
#[derive(Debug)]
pub struct Hopper {
    orders: Option<Arc<Sender<Order>>>,
    stats: Arc<HopperStats>,
    thread: Option<JoinHandle<()>>,
}

impl Hopper {
    /// Starts the thread. `returned` comes from the writer, `book` is filled and emptied here and nowhere else.
    pub fn start(
        source: Box<dyn LeadSource>,
        returned: ReturnedLeads,
        book: LeadBook,
        arrivals: ArrivalBook,
        floor: FloorLane,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let (orders, asked) = bounded(ORDERS);
        let stats = Arc::new(HopperStats::default());
        let mut lender = Lender::new(source, returned, book, Arc::clone(&stats));
        lender.arrivals = arrivals;
        let thread = std::thread::Builder::new()
            .name("store-hopper".to_owned())
            .spawn(move || run(&mut lender, &asked, &floor, clock))?;
        Ok(Hopper {
            orders: Some(Arc::new(orders)),
            stats,
            thread: Some(thread),
        })
    }

    /// Carries out an `Effect::Refill`; answered by `Input::Leads`. Full only if the hopper stands still: ask again later.
    pub fn refill(&self, campaign: CampaignId, want: u32) -> Result<(), LaneFull> {
        self.order(Order::Refill(campaign, want))
    }

    /// Carries out an `Effect::FetchLead`; answered by `Input::LeadFetched`.
    pub fn fetch(&self, agent: AgentId, request: u64, lead: LeadId) -> Result<(), LaneFull> {
        self.order(Order::Fetch(agent, request, lead))
    }

    /// The way in for callers. It does not keep the thread alive: once the hopper is dropped, nobody is looked up any more.
    pub fn look_up(&self) -> LookUp {
        let orders = self.orders.as_ref().map(Arc::downgrade).unwrap_or_default();
        Arc::new(move |caller| {
            orders
                .upgrade()
                .is_some_and(|orders| orders.try_send(Order::Caller(Box::new(caller))).is_ok())
        })
    }

    fn order(&self, order: Order) -> Result<(), LaneFull> {
        let orders = self.orders.as_ref().ok_or(LaneFull { waiting: 0 })?;
        orders.try_send(order).map_err(|_| LaneFull {
            waiting: orders.len(),
        })
    }

    /// The counters.
    pub fn stats(&self) -> Arc<HopperStats> {
        Arc::clone(&self.stats)
    }
}

impl Drop for Hopper {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It only reads: a panic there leaves nothing half done.
            drop(thread.join());
        }
    }
}

fn run(lender: &mut Lender, asked: &Receiver<Order>, floor: &FloorLane, clock: Clock) {
    let take = |lender: &mut Lender, order: Order| match order {
        Order::Refill(campaign, want) => lender.ask(campaign, want),
        Order::Caller(caller) => {
            lender.caller(&caller, clock.now().unix, &mut |input| floor.urgent(input));
        }
        Order::Fetch(agent, request, lead) => {
            // Too many at once are answered as things stand.
            let wait = if lender.fetches.len() < ORDERS {
                RETURN_WAIT
            } else {
                Duration::ZERO
            };
            let until = Instant::now() + wait;
            lender.fetches.push((until, agent, request, lead));
        }
    };
    let mut look_at = Instant::now() + LOOK;
    loop {
        let is_idle =
            lender.wanted.is_empty() && lender.to_tell.is_empty() && lender.fetches.is_empty();
        let wait = if is_idle {
            look_at.saturating_duration_since(Instant::now())
        } else {
            AGAIN
        };
        match asked.recv_timeout(wait) {
            Ok(order) => take(lender, order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while let Ok(order) = asked.try_recv() {
            take(lender, order);
        }
        lender.serve_agents(Instant::now(), clock.now().unix, &mut |input| {
            floor.urgent(input)
        });
        lender.serve(clock.now().unix, &mut |input| floor.bulk(input));
        if Instant::now() >= look_at {
            // One part of a long list a turn: refills are answered in between.
            let more = lender.look();
            look_at = Instant::now() + if more { Duration::ZERO } else { LOOK };
        }
        lender.tell(&mut |way, input| match way {
            Way::Urgent => match floor.waiting().0 {
                waiting if waiting >= URGENT_SHARE => Err(LaneFull { waiting }),
                _ => floor.urgent(input),
            },
            Way::Bulk => floor.bulk(input),
        });
    }
}

/// Which lane a fact takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Urgent,
    Bulk,
}

/// Lends, takes back, and knows what is out. Told the time; has no thread.
struct Lender {
    source: Box<dyn LeadSource>,
    returned: ReturnedLeads,
    book: LeadBook,
    out: FxHashMap<LeadId, CampaignId>,
    out_of: FxHashMap<CampaignId, u32>,
    /// Refills that are not answered yet.
    wanted: BTreeMap<CampaignId, u32>,
    /// Leads that agents asked for: until when one that is out may come back, who, the number of the request, and which.
    fetches: Vec<(Instant, AgentId, u64, LeadId)>,
    arrivals: ArrivalBook,
    /// Reads callers' numbers, for one country.
    reader: Option<(String, NumberReader)>,
    /// Blocks that the floor does not know of yet.
    to_tell: VecDeque<(Way, Input)>,
    stats: Arc<HopperStats>,
}

impl Lender {
    fn new(
        source: Box<dyn LeadSource>,
        returned: ReturnedLeads,
        book: LeadBook,
        stats: Arc<HopperStats>,
    ) -> Self {
        Lender {
            source,
            returned,
            book,
            out: FxHashMap::default(),
            out_of: FxHashMap::default(),
            wanted: BTreeMap::new(),
            fetches: Vec::new(),
            arrivals: ArrivalBook::default(),
            reader: None,
            to_tell: VecDeque::new(),
            stats,
        }
    }

    /// Finds out who calls us, lends the lead if it is not out, and tells the floor. Whoever nobody may have is turned away.
    fn caller(
        &mut self,
        caller: &Caller,
        now: UnixMs,
        send: &mut dyn FnMut(Input) -> Result<(), LaneFull>,
    ) {
        let rules = &caller.rules;
        let number = caller
            .number
            .as_ref()
            .and_then(|written| self.read_number(&rules.country, written.expose()));
        self.take_back();
        let known = match &number {
            Some(e164) => self.source.caller(e164, now),
            None => Ok(None),
        };
        let found = match (known, rules.unknown) {
            (Ok(None), UnknownCaller::Reject) => Ok(None),
            (Ok(None), _) => {
                let (campaign, zone) = (caller.campaign, &rules.zone);
                let noted = self.source.stranger(number.as_deref(), campaign, zone, now);
                noted.map(|found| found.map(|found| (found, false)))
            }
            (known, _) => known.map(|found| found.map(|found| (found, true))),
        };
        let ((facts, record), is_known) = match found {
            Ok(Some(found)) => found,
            Ok(None) => return (rules.turn_away)(caller.call),
            Err(fault) => {
                self.stats.failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%fault, "The hopper cannot find out who calls.");
                return (rules.turn_away)(caller.call);
            }
        };
        let (lead, campaign) = (facts.lead, record.campaign);
        let record = Arc::new(record);
        let arrived = Arrived {
            lead: Arc::clone(&record),
            identity: caller.identity.clone(),
        };
        self.arrivals.insert(caller.call, arrived);
        let is_lent = self.out.insert(lead, campaign).is_none();
        if is_lent {
            *self.out_of.entry(campaign).or_default() += 1;
            self.book.insert(lead, record);
            self.stats.lent.fetch_add(1, Ordering::Relaxed);
        }
        // Whoever is known by the number can be called back, and whoever an agent may have.
        let is_for_agents = is_known || rules.unknown == UnknownCaller::Agent;
        let told = send(Input::CallIn(Box::new(CallIn {
            call: caller.call,
            trunk: caller.trunk,
            at: caller.at,
            campaign,
            facts,
            is_for_agents,
            may_call_back: is_for_agents && number.is_some(),
        })));
        if told.is_err() {
            self.arrivals.remove(&caller.call);
            if is_lent {
                self.remove(lead);
            }
            (rules.turn_away)(caller.call);
        }
    }

    /// A caller's number in E.164, as the lists have it.
    fn read_number(&mut self, country: &str, written: &str) -> Option<String> {
        if self.reader.as_ref().is_none_or(|(of, _)| of != country) {
            self.reader = Some((country.to_owned(), NumberReader::new(country).ok()?));
        }
        let (_, reader) = self.reader.as_mut()?;
        // Some carriers leave the plus sign out of a number with its country.
        let read = reader.read(written).ok();
        read.or_else(|| reader.read(&format!("+{written}")).ok())
    }

    fn ask(&mut self, campaign: CampaignId, want: u32) {
        let wanted = self.wanted.entry(campaign).or_default();
        *wanted = want.max(*wanted);
    }

    /// Answers agents. A lead whose call has just ended is not on disk yet: its return is waited for.
    fn serve_agents(
        &mut self,
        at: Instant,
        now: UnixMs,
        send: &mut dyn FnMut(Input) -> Result<(), LaneFull>,
    ) {
        for (until, agent, request, lead) in std::mem::take(&mut self.fetches) {
            self.take_back();
            if self.out.contains_key(&lead) && at < until {
                self.fetches.push((until, agent, request, lead));
                continue;
            }
            let was_out = self.out.contains_key(&lead);
            let answer = self.fetch(agent, request, lead, now);
            if send(answer).is_err() && !was_out {
                // The agent asks again.
                self.remove(lead);
            }
        }
    }

    /// Lends one lead whatever its time is, unless it is out, done or not there. An agent asked: his rules are the gate's.
    fn fetch(&mut self, agent: AgentId, request: u64, lead: LeadId, now: UnixMs) -> Input {
        self.take_back();
        let found = match (self.out.contains_key(&lead), self.source.one(lead, now)) {
            (false, Ok(found)) => found,
            (true, _) => None,
            (false, Err(fault)) => {
                self.stats.failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%fault, "The hopper cannot read a lead for an agent.");
                None
            }
        };
        let lead = found.map(|(facts, record)| {
            let campaign = record.campaign;
            self.out.insert(lead, campaign);
            *self.out_of.entry(campaign).or_default() += 1;
            self.book.insert(lead, Arc::new(record));
            self.stats.lent.fetch_add(1, Ordering::Relaxed);
            (campaign, Box::new(facts))
        });
        Input::LeadFetched {
            agent,
            request,
            lead,
        }
    }

    /// Answers every refill that can be answered now.
    fn serve(&mut self, now: UnixMs, send: &mut dyn FnMut(Input) -> Result<(), LaneFull>) {
        for (campaign, want) in std::mem::take(&mut self.wanted) {
            if !self.refill(campaign, want, now, send) {
                self.wanted.insert(campaign, want);
            }
        }
        self.take_back();
        self.stats
            .out
            .store(self.out.len() as u64, Ordering::Relaxed);
    }

    /// Before every read, never between a read and its use: see [`ReturnedLeads`].
    fn take_back(&mut self) {
        for lead in self.returned.take() {
            self.remove(lead);
        }
    }

    fn remove(&mut self, lead: LeadId) {
        if let Some(campaign) = self.out.remove(&lead) {
            self.book.remove(&lead);
            if let Some(out) = self.out_of.get_mut(&campaign) {
                *out = out.saturating_sub(1);
            }
        }
    }

    /// Whether the floor got its answer.
    fn refill(
        &mut self,
        campaign: CampaignId,
        want: u32,
        now: UnixMs,
        send: &mut dyn FnMut(Input) -> Result<(), LaneFull>,
    ) -> bool {
        self.take_back();
        let query = DueQuery {
            campaign,
            want,
            out: self.out_of.get(&campaign).copied().unwrap_or_default(),
            now,
            due_until: now + AHEAD,
        };
        let begun = Instant::now();
        let out = &self.out;
        let due = match self.source.due(&query, &|lead| out.contains_key(&lead)) {
            Ok(due) => due,
            Err(fault) => {
                if self
                    .stats
                    .failures
                    .fetch_add(1, Ordering::Relaxed)
                    .is_multiple_of(50)
                {
                    tracing::error!(%fault, %campaign, "The hopper cannot read leads; it tries again.");
                }
                return false;
            }
        };
        let stats = &self.stats;
        stats.read_times.record(begun.elapsed());
        stats
            .unusable
            .fetch_add(u64::from(due.unusable), Ordering::Relaxed);
        if due.unusable > 0 {
            tracing::warn!(
                %campaign,
                leads = due.unusable,
                "Leads name a zone that this machine does not know, or a skill that is not in force; they wait for a reload."
            );
        }
        let exhausted_until = (!due.more).then(|| {
            let next = due.next_due.unwrap_or(UnixMs(i64::MAX));
            // What is out may come back with an earlier time than anything that lies in the store now.
            if query.out > 0 || !due.leads.is_empty() {
                next.min(now + AHEAD)
            } else {
                next
            }
        });
        let mut leads = Vec::with_capacity(due.leads.len());
        for (facts, record) in due.leads {
            self.out.insert(facts.lead, campaign);
            self.book.insert(facts.lead, Arc::new(record));
            leads.push(facts);
        }
        let lent: Vec<LeadId> = leads.iter().map(|facts| facts.lead).collect();
        *self.out_of.entry(campaign).or_default() += lent.len() as u32;
        let answer = Input::Leads {
            campaign,
            leads,
            exhausted_until,
        };
        if send(answer).is_err() {
            lent.into_iter().for_each(|lead| self.remove(lead));
            return false;
        }
        self.stats
            .lent
            .fetch_add(lent.len() as u64, Ordering::Relaxed);
        self.stats.refills.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Reads what others wrote. Whether there is more to read than it took.
    fn look(&mut self) -> bool {
        if self.to_tell.len() >= TO_TELL {
            return true;
        }
        match self.source.changes() {
            Ok(Changes {
                campaigns,
                numbers,
                persons,
                more,
            }) => {
                let blocks = numbers.into_iter().map(Input::NumberBlocked).chain(
                    persons
                        .into_iter()
                        .map(|(person, until)| Input::PersonBlocked(person, until)),
                );
                // Twice: at once, for what rings; and behind the leads in the bulk lane, which may have been read before
                // the block was there and would else be dialled after it.
                for block in blocks {
                    self.to_tell.push_back((Way::Urgent, block.clone()));
                    self.to_tell.push_back((Way::Bulk, block));
                }
                let changed = campaigns.into_iter().map(Input::LeadsChanged);
                self.to_tell.extend(changed.map(|input| (Way::Bulk, input)));
                more
            }
            Err(fault) => {
                self.stats.failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%fault, "The hopper cannot read what changed; it tries again.");
                false
            }
        }
    }

    fn tell(&mut self, send: &mut dyn FnMut(Way, Input) -> Result<(), LaneFull>) {
        while let Some((way, input)) = self.to_tell.front() {
            if send(*way, input.clone()).is_err() {
                return;
            }
            self.to_tell.pop_front();
        }
    }
}
