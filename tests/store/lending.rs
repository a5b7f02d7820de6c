//! The hopper: every lead is lent once, in the order of dialling, and again only after its return is on disk.

use super::*;
use crossbeam::channel::Receiver as Lane;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tandem::core::input::{Input, LeadFacts};
use tandem::shell::lanes::{Clock, FloorInbox, LeadBook, floor_lanes};
use tandem::shell::store::hopper::Hopper;
use tandem::shell::store::sqlite::SqliteLeads;
use tandem::shell::store::{DueQuery, LeadSource, Store};

fn due(place: &Place, want: u32) -> tandem::shell::store::DueLeads {
    SqliteLeads::open(&place.file(), &names())
        .unwrap()
        .due(&query(want), &|_| false)
        .unwrap()
}

fn query(want: u32) -> DueQuery {
    DueQuery {
        campaign: CampaignId(0),
        want,
        out: 0,
        now: NOW,
        due_until: UnixMs(NOW.0 + 60_000),
    }
}

fn ids(due: &tandem::shell::store::DueLeads) -> Vec<u64> {
    due.leads.iter().map(|(facts, _)| facts.lead.0).collect()
}

#[test]
fn callbacks_come_first_then_priority_then_the_longest_due() {
    let place = Place::new();
    place.leads(7);
    let (_store, _) = place.open(NOW);
    place.sql(&format!(
        "UPDATE lead SET priority = 5, not_before = 20 WHERE id = 1;
         UPDATE lead SET priority = 5, not_before = 10 WHERE id = 2;
         UPDATE lead SET priority = 9 WHERE id = 3;
         UPDATE lead SET callback = 1, priority = -1 WHERE id = 4;
         UPDATE lead SET not_before = {} WHERE id = 5;
         UPDATE lead SET not_before = {} WHERE id = 6;
         UPDATE lead SET done = 'RULE' WHERE id = 7;",
        NOW.0 + 59_000,
        NOW.0 + 61_000
    ));
    let all = due(&place, 10);
    assert_eq!(ids(&all), [4, 3, 2, 1, 5]);
    assert!(!all.more);
    assert_eq!(all.next_due, Some(UnixMs(NOW.0 + 61_000)));
    let some = due(&place, 2);
    assert_eq!((ids(&some), some.more), (vec![4, 3], true));
}

#[test]
fn many_due_leads_come_in_the_same_order_as_few() {
    let place = Place::new();
    place.leads(1);
    let (_store, _) = place.open(NOW);
    place.sql(
        "WITH RECURSIVE s (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM s WHERE n < 25000)
         INSERT INTO person (id, cif) SELECT n, 'P' || n FROM s;
         INSERT INTO lead (id, campaign, person, number, zone, priority, callback, not_before, imported_at)
             SELECT id, 1, id, 1, 1, abs(random() % 7), id % 5 = 0, abs(random() % 1000), 0 FROM person WHERE id > 1;",
    );
    let found = due(&place, 3_000);
    assert!(
        found.more,
        "there are 25,000: the walk over the order of dialling"
    );
    let db = rusqlite::Connection::open(place.file()).unwrap();
    let by_definition: Vec<u64> = db
        .prepare("SELECT id FROM lead NOT INDEXED ORDER BY callback DESC, priority DESC, not_before, id LIMIT 3000")
        .unwrap()
        .query_map([], |row| row.get::<_, i64>(0).map(|id| id as u64))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(ids(&found), by_definition);
}

#[test]
fn the_floor_learns_who_must_not_be_called_and_who_was_called_lately() {
    let place = Place::new();
    place.list(&format!(
        "cif,number,needs\nC1,{},vietnamese:4\nC2,{},\nC3,{},\nC4,{},\n",
        number(1),
        number(2),
        number(3),
        number(4)
    ));
    // The same person on another list, and tried there.
    place.list(&format!(
        "campaign,cif,number\nCC-B1-HN,C000001,{}\n",
        number(9)
    ));
    let (mut store, _) = place.open(NOW);
    store
        .commit(&[
            intent(1, 1),
            closed(1, 1, SystemResult::NoAnswer, again(0)),
            intent(2, 1),
            closed(2, 1, SystemResult::TrunkFail, again(0)),
            intent(3, 2),
            closed(3, 2, SystemResult::Connected, LeadNext::AwaitsOutcome),
            outcome(3, 2, Disposition::WrongNumber, again(0)),
        ])
        .unwrap();
    place.sql(&format!(
        "INSERT INTO attempt (id, campaign, lead, person, number, trunk, decided_at, result, counts)
             VALUES (50, 2, 5, 1, 5, 1, {}, 'BUSY', 1), (51, 2, 5, 1, 5, 1, {}, 'BUSY', 1), (52, 2, 5, 1, 5, 1, {}, 'BUSY', 1);",
        NOW.0 - HOUR,
        NOW.0 - 47 * HOUR,
        NOW.0 - 49 * HOUR
    ));
    let mut office = place.office();
    office.number_block(&number(3), "VN", "agent").unwrap();
    office.person_block("C4", "paid", None).unwrap();
    let found = due(&place, 10);
    let facts: BTreeMap<u64, &LeadFacts> = found
        .leads
        .iter()
        .map(|(facts, _)| (facts.lead.0, facts))
        .collect();
    assert_eq!(
        facts[&1].person_attempts,
        [NOW, UnixMs(NOW.0 - HOUR), UnixMs(NOW.0 - 47 * HOUR)],
        "over both campaigns, newest first; not the trunk's failure, not the one of the day before yesterday"
    );
    assert_eq!(facts[&1].attempts, 1);
    assert_eq!(facts[&1].needs.len(), 1);
    let blocked: Vec<u64> = facts
        .values()
        .filter(|facts| facts.blocked)
        .map(|facts| facts.lead.0)
        .collect();
    assert_eq!(
        blocked,
        [2, 3, 4],
        "a wrong number, a do-not-call entry, a person"
    );
}

#[test]
fn the_newest_attempt_is_told_however_old_it_is() {
    let place = Place::new();
    place.leads(1);
    let (_store, _) = place.open(NOW);
    place.sql(
        "INSERT INTO attempt (id, campaign, lead, person, number, trunk, decided_at, result, counts)
             VALUES (1, 1, 1, 1, 1, 1, 5, 'BUSY', 1), (2, 1, 1, 1, 1, 1, 9, 'BUSY', 1)",
    );
    assert_eq!(due(&place, 1).leads[0].0.person_attempts, [UnixMs(9)]);
}

#[test]
fn leads_of_a_zone_or_skill_that_is_not_in_force_are_passed_over_without_hiding_others() {
    let place = Place::new();
    place.leads(60);
    let (_store, _) = place.open(NOW);
    place.sql(
        "INSERT INTO zone (id, name) VALUES (9, 'Asia/Tokyo');
         UPDATE lead SET zone = 9, priority = 5 WHERE id <= 40;
         UPDATE lead SET needs = '{\"klingon\":3}', priority = 5 WHERE id > 40 AND id <= 50;",
    );
    let found = due(&place, 4);
    assert_eq!(ids(&found), [51, 52, 53, 54]);
    assert!(found.more);
    assert!(found.unusable >= 50, "{}", found.unusable);
}

/// A hopper beside a writer, as the engine has them.
struct Engine {
    place: Place,
    bench: Bench,
    hopper: Hopper,
    book: LeadBook,
    inbox: FloorInbox,
}

impl Engine {
    fn start(leads: u32) -> Self {
        Self::with_lanes(leads, 1_000, 4)
    }

    fn with_lanes(leads: u32, urgent: usize, bulk: usize) -> Self {
        let place = Place::new();
        place.leads(leads);
        let (store, _) = place.open(NOW);
        let bench = Bench::start(store);
        let book = LeadBook::default();
        let (lane, inbox) = floor_lanes(urgent, bulk);
        let hopper = Hopper::start(
            Box::new(SqliteLeads::open(&place.file(), &names()).unwrap()),
            bench.returned.clone(),
            Arc::clone(&book),
            Default::default(),
            lane,
            Clock::new(),
        )
        .unwrap();
        Engine {
            place,
            bench,
            hopper,
            book,
            inbox,
        }
    }

    fn refill(&self, want: u32) -> (Vec<u64>, Option<UnixMs>) {
        let (leads, exhausted_until) = self.refill_facts(want);
        (
            leads.iter().map(|facts| facts.lead.0).collect(),
            exhausted_until,
        )
    }

    fn refill_facts(&self, want: u32) -> (Vec<LeadFacts>, Option<UnixMs>) {
        self.hopper.refill(CampaignId(0), want).unwrap();
        loop {
            match next(&self.inbox.bulk) {
                Input::Leads {
                    leads,
                    exhausted_until,
                    ..
                } => return (leads, exhausted_until),
                Input::LeadsChanged(_) | Input::NumberBlocked(_) | Input::PersonBlocked(..) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn next(lane: &Lane<Input>) -> Input {
    lane.recv_timeout(Duration::from_secs(30))
        .expect("the hopper says nothing")
}

#[test]
fn no_lead_is_lent_twice_until_its_return_is_on_disk() {
    let engine = Engine::start(10);
    assert_eq!(engine.refill(4).0, [1, 2, 3, 4]);
    assert_eq!(engine.refill(4).0, [5, 6, 7, 8]);
    assert_eq!(engine.book.len(), 8);
    let (rest, exhausted) = engine.refill(4);
    assert_eq!(rest, [9, 10]);
    assert!(exhausted.is_some());
    assert!(engine.refill(4).0.is_empty());
    // One comes back due now, one due tomorrow, one is done.
    engine.bench.order(StoreOrder::LeadReturned {
        lead: LeadId(3),
        next: None,
    });
    engine.bench.order(intent(1, 5));
    engine
        .bench
        .order(closed(1, 5, SystemResult::Busy, again(i64::MAX / 2)));
    engine.bench.order(intent(2, 6));
    engine.bench.order(closed(
        2,
        6,
        SystemResult::Invalid,
        LeadNext::Done(tandem::core::effect::DoneWhy::Invalid),
    ));
    engine
        .bench
        .hear(|news| matches!(news, StoreNews::Closed(AttemptId(2))));
    assert_eq!(engine.refill(9).0, [3]);
    assert_eq!(
        engine.book.len(),
        8,
        "two are back and no longer in the book"
    );
    assert!(!engine.book.contains_key(&LeadId(5)));
}

#[test]
fn a_lead_that_an_agent_asks_for_is_lent_whatever_its_time_and_never_beside_another_loan() {
    let engine = Engine::start(4);
    engine.place.sql(&format!(
        "UPDATE lead SET not_before = {} WHERE id = 3;
         UPDATE lead SET done = 'RULE' WHERE id = 4;",
        i64::MAX / 2
    ));
    let fetch = |lead: u64| {
        engine.hopper.fetch(AgentId(7), lead, LeadId(lead)).unwrap();
        loop {
            if let Input::LeadFetched {
                agent,
                request,
                lead: found,
            } = next(&engine.inbox.urgent)
            {
                assert_eq!((agent, request), (AgentId(7), lead));
                return found.map(|(campaign, facts)| (campaign.0, facts.lead.0));
            }
        }
    };
    assert_eq!(engine.refill(1).0, [1]);
    assert_eq!(fetch(1), None, "it is out");
    assert_eq!(fetch(3), Some((0, 3)), "due in a thousand years");
    assert!(engine.book.contains_key(&LeadId(3)));
    assert_eq!(fetch(3), None, "it is out now");
    assert_eq!(fetch(4), None, "it is done");
    assert_eq!(fetch(9_999), None, "there is none");
    assert_eq!(fetch(2), Some((0, 2)));
    assert!(engine.refill(9).0.is_empty(), "lent to an agent is lent");
    for lead in [2, 3] {
        let next = Some(again(if lead == 2 { 0 } else { i64::MAX / 2 }));
        engine.bench.order(StoreOrder::LeadReturned {
            lead: LeadId(lead),
            next,
        });
    }
    // The writer's news of a return is the next commit that tells of itself.
    engine.bench.order(intent(1, 1));
    engine
        .bench
        .order(closed(1, 1, SystemResult::Busy, again(i64::MAX / 2)));
    engine
        .bench
        .hear(|news| matches!(news, StoreNews::Closed(AttemptId(1))));
    assert_eq!(engine.refill(9).0, [2]);
    assert_eq!(fetch(3), Some((0, 3)));
}

#[test]
fn a_connected_lead_stays_out_until_both_its_end_and_its_outcome_are_on_disk() {
    let engine = Engine::start(2);
    assert_eq!(engine.refill(9).0, [1, 2]);
    // One agent speaks after the call, the other while it goes on.
    engine.bench.order(intent(1, 1));
    engine.bench.order(closed(
        1,
        1,
        SystemResult::Connected,
        LeadNext::AwaitsOutcome,
    ));
    engine.bench.order(intent(2, 2));
    engine
        .bench
        .order(outcome(2, 2, Disposition::RpcNoCommit, again(0)));
    engine.bench.hear(|news| {
        matches!(
            news,
            StoreNews::OutcomeDurable {
                attempt: AttemptId(2),
                ..
            }
        )
    });
    assert!(
        engine.refill(9).0.is_empty(),
        "one waits for its outcome, one still talks"
    );
    engine
        .bench
        .order(outcome(1, 1, Disposition::RpcNoCommit, again(0)));
    engine.bench.order(closed(
        2,
        2,
        SystemResult::Connected,
        LeadNext::AwaitsOutcome,
    ));
    engine
        .bench
        .hear(|news| matches!(news, StoreNews::Closed(AttemptId(2))));
    assert_eq!(engine.refill(9).0, [1, 2]);
}

#[test]
fn leads_that_the_floors_full_lane_refused_are_lent_later_and_not_lost() {
    let engine = Engine::start(30);
    // The bulk lane holds four answers; the floor sleeps.
    for _ in 0..4 {
        engine.hopper.refill(CampaignId(0), 3).unwrap();
        while engine.inbox.bulk.is_empty() {
            std::thread::yield_now();
        }
        while engine
            .hopper
            .stats()
            .refills
            .load(std::sync::atomic::Ordering::Relaxed)
            < engine.inbox.bulk.len() as u64
        {
            std::thread::yield_now();
        }
    }
    engine.hopper.refill(CampaignId(0), 30).unwrap();
    let mut lent = BTreeSet::new();
    while lent.len() < 30 {
        if let Input::Leads { leads, .. } = next(&engine.inbox.bulk) {
            for facts in leads {
                assert!(lent.insert(facts.lead), "{} was lent twice", facts.lead);
            }
        }
    }
}

#[test]
fn under_load_no_lead_comes_again_before_its_past_is_on_disk() {
    let engine = Engine::start(40);
    let db = rusqlite::Connection::open(engine.place.file()).unwrap();
    let mut open = db
        .prepare("SELECT count(*) FROM attempt WHERE lead = ?1 AND (result IS NULL OR awaits_outcome = 1)")
        .unwrap();
    let mut attempts_at: BTreeMap<u64, u16> = BTreeMap::new();
    let mut attempt = 0;
    while attempt < 3_000 {
        for facts in engine.refill_facts(15).0 {
            let lead = facts.lead.0;
            let open: u32 = open.query_row([lead as i64], |row| row.get(0)).unwrap();
            assert_eq!(open, 0, "lead {lead} is lent while a call to it is open");
            let made = attempts_at.entry(lead).or_default();
            assert_eq!(
                facts.attempts, *made,
                "lead {lead} is lent as it was before its last return"
            );
            *made += 1;
            attempt += 1;
            engine.bench.order(intent(attempt, lead));
            let connected = || {
                closed(
                    attempt,
                    lead,
                    SystemResult::Connected,
                    LeadNext::AwaitsOutcome,
                )
            };
            let said = || outcome(attempt, lead, Disposition::NoSpeech, again(0));
            let orders = match attempt % 3 {
                0 => vec![connected(), said()],
                1 => vec![closed(attempt, lead, SystemResult::Busy, again(0))],
                _ => vec![said(), connected()],
            };
            orders
                .into_iter()
                .for_each(|order| engine.bench.order(order));
        }
    }
    assert_eq!(engine.bench.writer.stop(), 0);
    let totals = engine.place.office().store_totals().unwrap();
    assert!(totals.balance(), "{totals:?}");
    assert_eq!(
        (totals.attempts, totals.in_air, totals.awaiting_outcome),
        (attempt, 0, 0)
    );
}

#[test]
fn what_another_process_writes_reaches_the_floor() {
    let engine = Engine::start(3);
    assert_eq!(engine.refill(9).0.len(), 3);
    let mut office = engine.place.office();
    office.number_block("0900000002", "VN", "opt-out").unwrap();
    assert_eq!(
        next(&engine.inbox.urgent),
        Input::NumberBlocked(NumberId(2))
    );
    assert_eq!(
        next(&engine.inbox.bulk),
        Input::NumberBlocked(NumberId(2)),
        "behind leads that were read before"
    );
    let until = Some(UnixMs(NOW.0 + HOUR));
    office.person_block("C000003", "paid", until).unwrap();
    let blocked = Input::PersonBlocked(PersonId(3), until);
    assert_eq!(next(&engine.inbox.urgent), blocked);
    assert_eq!(next(&engine.inbox.bulk), blocked);
    office.person_block("C000003", "opt-out", None).unwrap();
    let blocked = Input::PersonBlocked(PersonId(3), None);
    assert_eq!(next(&engine.inbox.urgent), blocked, "and now for good");
    assert_eq!(next(&engine.inbox.bulk), blocked);
    engine.place.list(&format!(
        "campaign,cif,number\nCC-B1-HN,C77,{}\n",
        number(77)
    ));
    assert_eq!(next(&engine.inbox.bulk), Input::LeadsChanged(CampaignId(1)));
}

#[test]
fn a_long_list_of_blocks_reaches_the_floor_at_once_and_leaves_it_room() {
    let engine = Engine::with_lanes(6_500, 65_536, 20_000);
    let mut reader = SqliteLeads::open(&engine.place.file(), &names()).unwrap();
    engine.place.sql(
        "INSERT INTO block_log (number, reason, at) SELECT id, 'opt-out', 0 FROM number ORDER BY id",
    );
    let begun = std::time::Instant::now();
    let told: Vec<(usize, bool)> = (0..8)
        .map(|_| reader.changes().unwrap())
        .map(|changes| (changes.numbers.len(), changes.more))
        .collect();
    assert_eq!(told[..6], [(1_000, true); 6]);
    assert_eq!(told[6..], [(500, false), (0, false)]);
    while engine.inbox.urgent.len() < 4_096 {
        std::thread::sleep(Duration::from_millis(1));
    }
    // One look in half a second would take 2 s.
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(
        engine.inbox.urgent.len(),
        4_096,
        "legs and agents need the rest of the lane"
    );
    for lane in [&engine.inbox.urgent, &engine.inbox.bulk] {
        for id in 1..=6_500 {
            assert_eq!(next(lane), Input::NumberBlocked(NumberId(id)));
        }
    }
}
