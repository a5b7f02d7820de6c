//! Stages the first card of every attempt while its phone rings: a worker thread turns a lead's facts into ready bytes.
//!
//! Owns the worker and its two queues. Never runs on the floor's thread, and never holds up a call: a card that is not ready at
//! the answer goes out as identity and flags, and its body follows.

use crate::ids::{AttemptId, CampaignId};
use crate::shell::lanes::CallBook;
use crate::shell::metrics::{CounterName, Figure};
use crate::shell::store::LeadRecord;
use crate::wire::desk::card::{self, CardContext, StagedBody};
use crate::wire::desk::facts::CustomerFacts;
use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use crossbeam::channel::{Receiver, Sender, bounded, select_biased};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use tracing::warn;
use zeroize::Zeroize;

/// What each campaign adds to its cards; a `CampaignId` is an index. Swapped whole when a campaign is edited.
pub type CampaignBoard = Arc<ArcSwap<Vec<CardContext>>>;

/// Attempts that may wait for their card: every attempt that can be alive at once (design.md section 7).
const STAGE_QUEUE: usize = 8_192;
/// Answered calls that may wait for a late body.
const LATE_QUEUE: usize = 1_024;

type OnReady = Box<dyn Fn(AttemptId) + Send + Sync>;

/// The cards' worker. Dropping it ends the thread.
pub struct Cards {
    ordinary: Option<Sender<AttemptId>>,
    urgent: Option<Sender<AttemptId>>,
    worker: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// Shared by the worker and the handle.
struct Shared {
    board: CampaignBoard,
    calls: CallBook,
    on_ready: OnceLock<OnReady>,
    counts: [AtomicU64; CardCount::ALL.len()],
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardCount {
    /// Bodies built.
    Staged,
    /// Bodies that lost a part for size.
    Truncated,
    /// Stage orders refused because the queue was full; the card will be late.
    Refused,
    /// Leads whose facts are not readable; their card shows the masked number only.
    Unreadable,
}

impl CardCount {
    /// All of them.
    pub const ALL: [CardCount; 4] = [
        Self::Staged,
        Self::Truncated,
        Self::Refused,
        Self::Unreadable,
    ];
    /// As a scrape shows it.
    pub const fn figure(self, value: u64) -> Figure {
        let name = match self {
            Self::Staged => CounterName::CardBodies,
            Self::Truncated => CounterName::CardShortenedBodies,
            Self::Refused => CounterName::CardRefusedOrders,
            Self::Unreadable => CounterName::CardUnreadableFacts,
        };
        Figure::counter(name, &[], value)
    }
}

impl Cards {
    /// Starts the worker. `board` and `calls` are shared with the rest of the shell.
    pub fn start(board: CampaignBoard, calls: CallBook) -> std::io::Result<Arc<Cards>> {
        let (ordinary, ordinary_out) = bounded(STAGE_QUEUE);
        let (urgent, urgent_out) = bounded(LATE_QUEUE);
        let shared = Arc::new(Shared {
            board,
            calls,
            on_ready: OnceLock::new(),
            counts: Default::default(),
        });
        let at_work = shared.clone();
        let worker = std::thread::Builder::new()
            .name("cards".into())
            .spawn(move || work(&at_work, &urgent_out, &ordinary_out))?;
        Ok(Arc::new(Cards {
            ordinary: Some(ordinary),
            urgent: Some(urgent),
            worker: Some(worker),
            shared,
        }))
    }

    /// Who is told when a body is ready. Once; later callers are ignored.
    pub fn on_ready(&self, listener: impl Fn(AttemptId) + Send + Sync + 'static) {
        let _ = self.shared.on_ready.set(Box::new(listener));
    }

    /// Builds the card of an attempt in the `CallBook`, or builds it anew after its facts changed. Never waits; a full queue is
    /// counted and makes the card late.
    pub fn stage(&self, attempt: AttemptId) {
        let _ = self.order(&self.ordinary, attempt);
    }

    /// The same, ahead of all others: somebody is on the line already.
    /// `false`: the queue is full.
    pub fn stage_now(&self, attempt: AttemptId) -> bool {
        self.order(&self.urgent, attempt)
    }

    /// The attempt is over: its staged bytes are overwritten. Call it before the entry leaves the `CallBook`.
    pub fn forget(&self, attempt: AttemptId) {
        let staged = self
            .shared
            .calls
            .get_mut(&attempt)
            .and_then(|mut entry| entry.card.take());
        erase(staged);
    }

    /// How often something happened.
    pub fn count(&self, what: CardCount) -> u64 {
        self.shared.counts[what as usize].load(Ordering::Relaxed)
    }

    /// Attempts that wait for their card, and answered calls that wait for a late one; each with how many may.
    pub fn waiting(&self) -> [(usize, usize); 2] {
        [(&self.ordinary, STAGE_QUEUE), (&self.urgent, LATE_QUEUE)]
            .map(|(lane, most)| (lane.as_ref().map_or(0, Sender::len), most))
    }

    /// What `campaign` adds to its cards.
    pub fn context(&self, campaign: CampaignId) -> Option<CardContext> {
        self.shared
            .board
            .load()
            .get(usize::from(campaign.0))
            .cloned()
    }

    /// Identity and flags of a lead, built on the spot: under 50 us (benches/card.rs), and only for a card that is late.
    pub fn minimal(&self, lead: &LeadRecord) -> StagedBody {
        let board = self.shared.board.load();
        let context = context_of(&board, lead);
        card::minimal(
            outline_of(lead).unwrap_or_default(),
            lead.e164.expose(),
            &context,
        )
    }

    /// The campaign of this name.
    pub fn campaign_named(&self, name: &str) -> Option<CampaignId> {
        let board = self.shared.board.load();
        let place = board.iter().position(|context| context.campaign == name)?;
        u16::try_from(place).ok().map(CampaignId)
    }

    fn order(&self, lane: &Option<Sender<AttemptId>>, attempt: AttemptId) -> bool {
        let taken = lane
            .as_ref()
            .is_some_and(|lane| lane.try_send(attempt).is_ok());
        if !taken {
            self.shared.add(CardCount::Refused);
        }
        taken
    }
}

impl Drop for Cards {
    fn drop(&mut self) {
        // Closed lanes end the worker.
        self.ordinary = None;
        self.urgent = None;
        if let Some(worker) = self.worker.take()
            // The listener may hold the last handle: then the worker itself is here, and must not wait for itself.
            && worker.thread().id() != std::thread::current().id()
        {
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn add(&self, what: CardCount) {
        self.counts[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn build(&self, attempt: AttemptId) {
        let Some(lead) = self.calls.get(&attempt).map(|entry| entry.lead.clone()) else {
            // Over before its turn came.
            return;
        };
        let facts = outline_of(&lead).unwrap_or_else(|| {
            self.add(CardCount::Unreadable);
            warn!(lead = %lead.lead, "A lead's facts are not readable; its card shows the number only.");
            CustomerFacts::default()
        });
        let body = {
            let board = self.board.load();
            card::stage(facts, lead.e164.expose(), &context_of(&board, &lead))
        };
        self.add(CardCount::Staged);
        if !body.dropped.is_empty() {
            self.add(CardCount::Truncated);
        }
        let staged = Bytes::from(body.text.into_bytes());
        let before = match self.calls.get_mut(&attempt) {
            Some(mut entry) => entry.card.replace(staged),
            None => Some(staged),
        };
        erase(before);
        // Stored first, told after: whoever registers for a late body looks again once registered, so none is missed.
        if let Some(on_ready) = self.on_ready.get() {
            on_ready(attempt);
        }
    }
}

fn work(shared: &Shared, urgent: &Receiver<AttemptId>, ordinary: &Receiver<AttemptId>) {
    loop {
        let order = select_biased! {
            recv(urgent) -> order => order,
            recv(ordinary) -> order => order,
        };
        match order {
            Ok(attempt) => shared.build(attempt),
            Err(_) => return,
        }
    }
}

/// The facts as the importer kept them. serde's error may quote them, so it goes nowhere.
pub(super) fn facts_of(lead: &LeadRecord) -> Option<CustomerFacts> {
    // Read to be shown to the agent of this lead's call.
    serde_json::from_str(lead.facts.expose()).ok()
}

/// What the first card needs of them.
fn outline_of(lead: &LeadRecord) -> Option<CustomerFacts> {
    // Read to be staged for the agent of this lead's call.
    CustomerFacts::outline(lead.facts.expose()).ok()
}

fn context_of(board: &[CardContext], lead: &LeadRecord) -> CardContext {
    board
        .get(usize::from(lead.campaign.0))
        .cloned()
        .unwrap_or_else(|| CardContext {
            campaign: String::new(),
            why: None,
            mode: "auto".into(),
            outcome_set: (String::new(), 0),
            hot: Vec::new(),
            wrap_s: 0,
            home_prefix: String::new(),
        })
}

/// Overwrites staged bytes if nobody else holds them; the last holder's turn comes otherwise.
pub(super) fn erase(staged: Option<Bytes>) -> Option<BytesMut> {
    let mut bytes = staged?.try_into_mut().ok()?;
    bytes[..].zeroize();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{LeadId, NumberId, PersonId};
    use crate::pii::Pii;
    use crate::shell::lanes::CallEntry;
    use crate::shell::store::CallIdentity;
    use std::time::{Duration, Instant};

    fn entry(facts: &str) -> CallEntry {
        CallEntry {
            identity: CallIdentity {
                call_id: "c".into(),
                from_tag: "f".into(),
                branch: "b".into(),
            },
            number: Pii::new("+84900000412".into()),
            lead: Arc::new(LeadRecord {
                lead: LeadId(1),
                campaign: CampaignId(0),
                person: PersonId(1),
                number: NumberId(1),
                e164: Pii::new("+84900000412".into()),
                facts: Pii::new(facts.into()),
            }),
            card: None,
        }
    }

    fn board() -> CampaignBoard {
        Arc::new(ArcSwap::from_pointee(vec![CardContext {
            campaign: "PL-B2-HCM".into(),
            why: None,
            mode: "auto".into(),
            outcome_set: ("OUT-COLL".into(), 3),
            hot: vec![],
            wrap_s: 25,
            home_prefix: "+84".into(),
        }]))
    }

    fn until(what: &str, condition: impl Fn() -> bool) {
        let limit = Instant::now() + Duration::from_secs(20);
        while !condition() {
            assert!(Instant::now() < limit, "never happened: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn body(calls: &CallBook, attempt: AttemptId) -> Option<String> {
        let entry = calls.get(&attempt)?;
        let card = entry.card.as_ref()?;
        Some(String::from_utf8(card.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn a_staged_attempt_has_its_card_and_a_forgotten_one_has_none() {
        let calls = CallBook::default();
        let attempt = AttemptId(5);
        calls.insert(
            attempt,
            entry(r#"{"cif":"0021873465","name":"Trần Thị Mai Hương"}"#),
        );
        let cards = Cards::start(board(), calls.clone()).expect("a thread");
        cards.stage(attempt);
        until("a card", || body(&calls, attempt).is_some());
        let text = body(&calls, attempt).expect("a card");
        assert!(
            text.contains("Trần Thị Mai Hương") && text.contains("PL-B2-HCM"),
            "{text}"
        );
        cards.forget(attempt);
        assert_eq!(body(&calls, attempt), None);
        assert_eq!(cards.count(CardCount::Staged), 1);
    }

    #[test]
    fn unreadable_facts_give_a_card_with_the_number_and_are_counted() {
        let calls = CallBook::default();
        calls.insert(AttemptId(1), entry("{\"name\":"));
        let cards = Cards::start(board(), calls.clone()).expect("a thread");
        cards.stage(AttemptId(1));
        until("a card", || body(&calls, AttemptId(1)).is_some());
        assert!(
            body(&calls, AttemptId(1))
                .expect("a card")
                .contains("09*****412")
        );
        assert_eq!(cards.count(CardCount::Unreadable), 1);
    }

    #[test]
    fn an_attempt_that_is_over_is_not_staged_and_harms_nobody() {
        let calls = CallBook::default();
        let cards = Cards::start(board(), calls.clone()).expect("a thread");
        cards.stage(AttemptId(1));
        calls.insert(AttemptId(2), entry("{}"));
        cards.stage(AttemptId(2));
        until("the second card", || body(&calls, AttemptId(2)).is_some());
        assert_eq!(cards.count(CardCount::Staged), 1);
    }

    #[test]
    fn the_last_holder_of_staged_bytes_overwrites_them() {
        let staged = Bytes::from(b"Tran Thi Mai Huong".to_vec());
        let shown = staged.clone();
        assert_eq!(erase(Some(staged)), None, "somebody still shows them");
        let erased = erase(Some(shown)).expect("nobody else holds them");
        assert_eq!(erased.len(), 18);
        assert!(erased.iter().all(|byte| *byte == 0));
    }
}
