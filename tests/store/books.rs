//! The books: one result per attempt, one outcome per conversation, whatever is said twice; and what outcomes ask of the store.

use super::*;
use tandem::core::effect::DoneWhy;
use tandem::pii::Pii;
use tandem::shell::store::sqlite::{ExportFilter, NumbersShown};
use tandem::shell::store::{InstalmentDetail, PaidDetail, PromiseDetail, Store, StoreError};

#[test]
fn what_is_ordered_twice_is_kept_once() {
    let place = Place::new();
    place.leads(1);
    let (mut store, _) = place.open(NOW);
    let once = [
        intent(1, 1),
        closed(1, 1, SystemResult::Connected, LeadNext::AwaitsOutcome),
        outcome(1, 1, Disposition::RpcRefuse, again(7)),
    ];
    store.commit(&once).unwrap();
    let second = store.commit(&once).unwrap();
    assert!(
        matches!(
            second.news[..],
            [
                StoreNews::IntentDurable(..),
                StoreNews::Closed(_),
                StoreNews::OutcomeDurable { .. }
            ]
        ),
        "whoever asks again is told again: {:?}",
        second.news
    );
    let another = store
        .commit(&[outcome(1, 1, Disposition::RpcPtp, again(9))])
        .unwrap();
    assert!(matches!(
        another.news[..],
        [StoreNews::OutcomeFailed { .. }]
    ));
    let late = store
        .commit(&[closed(1, 1, SystemResult::NoAnswer, again(11))])
        .unwrap();
    assert_eq!(late.refused, 1);
    assert_eq!(
        place.ask("SELECT (SELECT result FROM attempt) || (SELECT code FROM outcome) || attempts || not_before FROM lead"),
        "CONNECTEDRPC_REFUSE17"
    );
    assert_eq!(place.ask("SELECT count(*) FROM route_try"), "1");
}

#[test]
fn an_attempt_whose_intent_was_not_kept_still_gets_its_one_result() {
    let place = Place::new();
    place.leads(1);
    let (mut store, _) = place.open(NOW);
    store
        .commit(&[closed(4, 1, SystemResult::NotSent, again(5))])
        .unwrap();
    assert_eq!(
        place.ask("SELECT result || counts FROM attempt"),
        "NOT_SENT0"
    );
    assert_eq!(
        place.ask("SELECT attempts || ' ' || not_before FROM lead"),
        "0 5"
    );
    drop(store);
    assert_eq!(place.open(NOW).1.first_attempt, 5);
}

#[test]
fn an_outcome_reaches_as_far_as_its_code_says() {
    use Disposition as D;
    let place = Place::new();
    place.leads(9);
    place.list(&format!(
        "campaign,cif,number\nCC-B1-HN,C000006,{}\nCC-B1-HN,C000007,{}\n",
        number(16),
        number(17)
    ));
    let (mut store, _) = place.open(NOW);
    let done = LeadNext::Done(DoneWhy::Disposition);
    let mut orders = Vec::new();
    for (n, code) in [
        (1, D::WrongNumber),
        (2, D::TpcRefuses),
        (3, D::Deceased),
        (4, D::LegalRepresentative),
        (5, D::RpcDispute),
        (6, D::Complaint),
        (7, D::RpcHardship),
        (8, D::RpcRefuse),
    ] {
        orders.push(intent(n, n));
        orders.push(outcome(n, n, code, done.clone()));
        orders.push(closed(
            n,
            n,
            SystemResult::Connected,
            LeadNext::AwaitsOutcome,
        ));
    }
    orders.push(intent(9, 9));
    orders.push(closed(
        9,
        9,
        SystemResult::Invalid,
        LeadNext::Done(DoneWhy::Invalid),
    ));
    store.commit(&orders).unwrap();
    assert_eq!(
        place.ask("SELECT group_concat(id || status) FROM number WHERE status <> 'VALID'"),
        "1WRONG,9INVALID"
    );
    assert_eq!(
        place.ask("SELECT e164 || reason FROM dnc"),
        format!("{}TPC_REFUSES", number(2))
    );
    let week = NOW.0 + 60_000 + 7 * 24 * HOUR;
    assert_eq!(
        place.ask(
            "SELECT group_concat(person || reason || coalesce(until, ''), ' ') FROM person_block"
        ),
        format!("3DECEASED 4LEGAL_REP 5RPC_DISPUTE 6COMPLAINT{week} 7RPC_HARDSHIP{week}")
    );
    assert_eq!(
        place.ask("SELECT count(*) FROM lead WHERE done = 'DISPOSITION'"),
        "8"
    );
    // A hold of some days is one on every list, and no end.
    assert_eq!(
        place.ask("SELECT group_concat(not_before) FROM lead WHERE campaign = 2"),
        format!("{week},{week}")
    );
    // The floor sees a block and knows no end of it: the store does.
    store
        .commit(&[StoreOrder::LeadReturned {
            lead: LeadId(10),
            next: Some(LeadNext::Done(DoneWhy::Blocked)),
        }])
        .unwrap();
    assert_eq!(
        place.ask("SELECT coalesce(done, 'open') FROM lead WHERE id = 10"),
        "open"
    );
    place
        .office()
        .person_block("C000006", "paid", None)
        .unwrap();
    store
        .commit(&[StoreOrder::LeadReturned {
            lead: LeadId(10),
            next: Some(LeadNext::Done(DoneWhy::Blocked)),
        }])
        .unwrap();
    assert_eq!(place.ask("SELECT done FROM lead WHERE id = 10"), "BLOCKED");
}

/// Two persons at one number, and the first of them at another one and on another list.
fn shared_number() -> Place {
    let place = Place::new();
    let (one, two) = (number(1), number(2));
    place.list(&format!("cif,number\nC1,{one}\nC2,{one}\n"));
    place.list(&format!("cif,number\nC1,{two}\n"));
    place.list(&format!("campaign,cif,number\nCC-B1-HN,C1,{two}\n"));
    place
}

fn returned(lead: u64, next: LeadNext) -> StoreOrder {
    StoreOrder::LeadReturned {
        lead: LeadId(lead),
        next: Some(next),
    }
}

/// "open", or why it is done; and the whole minutes from now to its next time.
fn state(place: &Place, lead: u64) -> (String, i64) {
    let minutes = place.ask(&format!(
        "SELECT (not_before / 1000 - unixepoch() + 30) / 60 FROM lead WHERE id = {lead}"
    ));
    (
        place.ask(&format!(
            "SELECT coalesce(done, 'open') FROM lead WHERE id = {lead}"
        )),
        minutes.parse().unwrap(),
    )
}

#[test]
fn a_lead_is_judged_by_its_own_person_and_number_whatever_the_floor_believes() {
    let place = shared_number();
    let (mut store, _) = place.open(NOW);
    let mut blocked = |lead| {
        let done = store
            .commit(&[returned(lead, LeadNext::Done(DoneWhy::Blocked))])
            .unwrap();
        assert_eq!(done.returned, [LeadId(lead)], "it may be lent again");
        state(&place, lead)
    };
    let block = |until: &str| {
        place.sql(&format!(
            "INSERT OR REPLACE INTO person_block (person, reason, at, until) VALUES (1, 'COMPLAINT', 1, {until})"
        ));
    };
    block("(unixepoch() + 6000) * 1000");
    assert_eq!(blocked(1), ("open".to_owned(), 100), "until the block ends");
    assert_eq!(
        blocked(2),
        ("open".to_owned(), 60),
        "another person at the number: the floor will know better in an hour"
    );
    block("(unixepoch() - 1) * 1000");
    assert_eq!(blocked(3), ("open".to_owned(), 1), "the block is over");
    block("NULL");
    assert_eq!(blocked(3).0, "BLOCKED", "for good");
    assert_eq!(blocked(2).0, "open");
    place
        .office()
        .number_block(&number(1), "VN", "opt-out")
        .unwrap();
    assert_eq!(blocked(2).0, "BLOCKED", "now its own number is blocked");
}

#[test]
fn a_conversation_quiets_the_person_on_every_list_and_the_call_that_was_agreed_comes_in_time() {
    let place = shared_number();
    let (mut store, _) = place.open(NOW);
    let (callback, late) = (NOW.0 + 30 * HOUR, NOW.0 + 90 * HOUR);
    let times = || place.ask("SELECT group_concat(not_before) FROM lead NOT INDEXED");
    let times_are = |times: [i64; 4]| times.map(|at| at.to_string()).join(",");
    let agreed = LeadNext::Again {
        not_before: UnixMs(callback),
        callback: true,
        sticky: Some(AgentId(1)),
    };
    store
        .commit(&[
            intent(1, 1),
            closed(1, 1, SystemResult::Connected, LeadNext::AwaitsOutcome),
            outcome(1, 1, Disposition::RpcCallback, agreed.clone()),
        ])
        .unwrap();
    assert_eq!(times(), times_are([callback, 0, callback, callback]));
    assert_eq!(
        place.ask("SELECT group_concat(quiet_until) FROM person"),
        format!("{callback},0")
    );
    // Leads that were out meanwhile come back with what the floor knew before.
    store
        .commit(&[
            returned(3, again(NOW.0 + HOUR)),
            StoreOrder::LeadReturned {
                lead: LeadId(4),
                next: None,
            },
        ])
        .unwrap();
    assert_eq!(times(), times_are([callback, 0, callback, callback]));
    // A list of the next day knows nothing of it.
    let path = place.path("next.csv");
    std::fs::write(&path, format!("cif,number\nC1,{}\n", number(3))).unwrap();
    place
        .office()
        .import_leads(&path, rules(), None, &mut |_| {})
        .unwrap();
    assert_eq!(
        place.ask(
            "SELECT not_before - max(imported_at, person.quiet_until) FROM lead
            JOIN person ON person.id = person WHERE lead.id = 5"
        ),
        "0"
    );
    // At another number the person promises something for a later day: the agreed time of that call is its own.
    let said_at_3 = |attempt, code, next| {
        let mut kept = said(attempt, 3, code, next);
        kept.person = PersonId(1);
        [
            StoreOrder::Intent(
                DialOrder {
                    person: PersonId(1),
                    number: NumberId(2),
                    ..dial(attempt, 3)
                },
                identity(attempt),
                NOW,
            ),
            StoreOrder::Outcome(kept, OutcomeDetail::default()),
        ]
    };
    store
        .commit(&said_at_3(2, Disposition::RpcPtp, again(late)))
        .unwrap();
    place.sql("DELETE FROM lead_facts WHERE lead = 5; DELETE FROM lead WHERE id = 5;");
    assert_eq!(times(), times_are([late, 0, late, late]));
    store
        .commit(&said_at_3(3, Disposition::RpcCallback, agreed.clone()))
        .unwrap();
    assert_eq!(times(), times_are([late, 0, callback, late]));
    store.commit(&[returned(3, agreed)]).unwrap();
    assert_eq!(
        times(),
        times_are([late, 0, callback, late]),
        "a callback that comes back undialled keeps its time"
    );
    // Nobody spoke: that says nothing about when.
    store
        .commit(&said_at_3(
            4,
            Disposition::NoSpeech,
            again(NOW.0 + 2 * HOUR),
        ))
        .unwrap();
    assert_eq!(times(), times_are([late, 0, late, late]));
}

#[test]
fn a_case_that_somebody_else_takes_over_ends_on_every_list() {
    for code in [Disposition::Escalate, Disposition::FieldVisit] {
        let place = shared_number();
        let (mut store, _) = place.open(NOW);
        let done = LeadNext::Done(DoneWhy::Disposition);
        store
            .commit(&[
                intent(1, 1),
                closed(1, 1, SystemResult::Connected, LeadNext::AwaitsOutcome),
                outcome(1, 1, code, done),
                returned(4, again(NOW.0 + HOUR)),
            ])
            .unwrap();
        assert_eq!(
            place.ask("SELECT group_concat(id || coalesce(done, ''), ' ') FROM lead NOT INDEXED"),
            "1DISPOSITION 2 3DISPOSITION 4DISPOSITION"
        );
        assert_eq!(
            place.ask("SELECT count(*) FROM lead WHERE (done IS NULL) <> (done_at IS NULL)"),
            "0"
        );
    }
}

#[test]
fn a_lead_that_is_done_stays_done() {
    let place = Place::new();
    place.leads(1);
    let (mut store, _) = place.open(NOW);
    store
        .commit(&[
            intent(1, 1),
            outcome(
                1,
                1,
                Disposition::WrongNumber,
                LeadNext::Done(DoneWhy::Disposition),
            ),
            closed(1, 1, SystemResult::Connected, again(5)),
            StoreOrder::LeadReturned {
                lead: LeadId(1),
                next: Some(again(6)),
            },
        ])
        .unwrap();
    drop(store);
    place.list(&format!("cif,number,priority\nC000001,{},9\n", number(1)));
    assert_eq!(
        place.ask("SELECT done || priority FROM lead"),
        "DISPOSITION9"
    );
}

#[test]
fn a_new_promise_replaces_the_one_before_it_and_words_come_back_as_they_were_written() {
    let place = Place::new();
    place.leads(1);
    let (mut store, _) = place.open(NOW);
    let note = "Hứa trả 3tr ngày 25, \"chuyển khoản\"\n=HYPERLINK(\"x\")";
    for (attempt, amount) in [(1, 3_000_000), (2, 1_500_000)] {
        let detail = OutcomeDetail {
            note: Some(Pii::new(note.to_owned())),
            promise: Some(PromiseDetail {
                amount,
                due: "2026-11-25".to_owned(),
                method: Some("MOMO".to_owned()),
            }),
            follow_up: Some(UnixMs(NOW.0 + HOUR)),
            ..OutcomeDetail::default()
        };
        store
            .commit(&[
                intent(attempt, 1),
                closed(attempt, 1, SystemResult::Connected, LeadNext::AwaitsOutcome),
                StoreOrder::Outcome(said(attempt, 1, Disposition::RpcPtp, again(0)), detail),
            ])
            .unwrap();
    }
    assert_eq!(
        place.ask("SELECT group_concat(amount || state || due || method, ' ') FROM promise"),
        "3000000RESCHEDULED2026-11-25MOMO 1500000OPEN2026-11-25MOMO"
    );
    assert_eq!(place.ask("SELECT note FROM outcome"), note);
    let mut csv = Vec::new();
    let rows = place
        .office()
        .outcomes_export(&mut csv, &ExportFilter::default(), NumbersShown::Masked)
        .unwrap();
    assert_eq!(rows, 2);
    let mut reader = csv::Reader::from_reader(&csv[..]);
    let header = reader.headers().unwrap().clone();
    let row = reader.records().next().unwrap().unwrap();
    let cell = |name: &str| {
        let index = header.iter().position(|column| column == name).unwrap();
        row[index].to_owned()
    };
    assert_eq!(cell("note"), note);
    assert_eq!(cell("number"), "+84*******01");
    assert_eq!(cell("decided_at"), "2026-11-24T02:00:00Z");
    assert_eq!(cell("outcome"), "RPC_PTP");
    assert_eq!(cell("promise_amount"), "3000000");
}

#[test]
fn an_export_is_cut_by_time_and_campaign_and_opens_as_text() {
    let place = Place::new();
    place.leads(3);
    let (mut store, _) = place.open(NOW);
    let formula = OutcomeDetail {
        reason: Some("=1+1".to_owned()),
        paid: Some(PaidDetail {
            at: "2026-11-20".to_owned(),
            method: "COUNTER".to_owned(),
        }),
        schedule: vec![InstalmentDetail {
            due: "2026-12-05".to_owned(),
            amount: 1_500_000,
        }],
        ..OutcomeDetail::default()
    };
    store
        .commit(&[
            intent(1, 1),
            closed(1, 1, SystemResult::Connected, LeadNext::AwaitsOutcome),
            StoreOrder::Outcome(said(1, 1, Disposition::RpcRefuse, again(0)), formula),
            StoreOrder::Intent(dial(2, 2), identity(2), UnixMs(NOW.0 + HOUR)),
        ])
        .unwrap();
    let export = |filter: ExportFilter, numbers| {
        let mut csv = Vec::new();
        let rows = place
            .office()
            .outcomes_export(&mut csv, &filter, numbers)
            .unwrap();
        (rows, String::from_utf8(csv).unwrap())
    };
    let all = export(ExportFilter::default(), NumbersShown::Clear);
    assert_eq!(all.0, 2);
    assert!(
        all.1.contains(&number(1)) && all.1.contains("'=1+1"),
        "{}",
        all.1
    );
    for said in ["2026-11-20", "COUNTER", "2026-12-05", "1500000"] {
        assert!(all.1.contains(said), "{said} is not in\n{}", all.1);
    }
    let late = ExportFilter {
        since: Some(UnixMs(NOW.0 + 1)),
        ..ExportFilter::default()
    };
    assert_eq!(export(late, NumbersShown::Masked).0, 1);
    let early = ExportFilter {
        until: Some(UnixMs(NOW.0 + 1)),
        ..ExportFilter::default()
    };
    assert_eq!(export(early, NumbersShown::Masked).0, 1);
    let other = ExportFilter {
        campaign: Some("CC-B1-HN".to_owned()),
        ..ExportFilter::default()
    };
    assert_eq!(export(other, NumbersShown::Masked).0, 0);
}

#[test]
fn totals_show_when_the_books_do_not_balance() {
    let place = Place::new();
    place.leads(3);
    let (mut store, _) = place.open(NOW);
    store
        .commit(&[
            intent(1, 1),
            closed(1, 1, SystemResult::Connected, LeadNext::AwaitsOutcome),
            intent(2, 2),
            closed(2, 2, SystemResult::Busy, again(0)),
            intent(3, 3),
        ])
        .unwrap();
    let totals = place.office().store_totals().unwrap();
    assert_eq!(
        (totals.attempts, totals.in_air, totals.awaiting_outcome),
        (3, 1, 1)
    );
    assert_eq!(totals.result(SystemResult::Busy), 1);
    assert!(totals.balance());
    place.sql("UPDATE attempt SET awaits_outcome = 0");
    assert!(
        !place.office().store_totals().unwrap().balance(),
        "an outcome is missing"
    );
    place.sql("UPDATE attempt SET awaits_outcome = (result IS 'CONNECTED'), person = 1, result = NULL WHERE id > 1");
    assert!(
        !place.office().store_totals().unwrap().balance(),
        "one person on two calls"
    );
}

#[test]
fn an_agent_logs_in_with_the_token_that_was_shown_once() {
    let place = Place::new();
    let mut office = place.office();
    let token = office
        .agent_add(
            "Minh",
            &[("PL-B2-HCM".to_owned(), 10), ("old".to_owned(), 1)],
            &[("vietnamese".to_owned(), 7)],
            &tandem::shell::store::AgentAudio::None,
        )
        .unwrap();
    let other = office
        .agent_add("Lan", &[], &[], &tandem::shell::store::AgentAudio::None)
        .unwrap();
    assert_eq!(token.len(), 64);
    assert_ne!(token, other);
    let minh = office.agent_by_token("Minh", &token).unwrap().unwrap();
    let seat = minh.seat(&names());
    assert_eq!(
        seat.campaigns,
        [(CampaignId(0), 10)],
        "a campaign that is not configured is left out"
    );
    assert_eq!(seat.skills, [(tandem::ids::SkillId(0), 7)]);
    for (name, token) in [
        ("Minh", &other[..]),
        ("Lan", &token),
        ("Nobody", &token),
        ("Minh", ""),
        ("minh", &token),
    ] {
        assert_eq!(office.agent_by_token(name, token).unwrap(), None, "{name}");
    }
    let kept = std::fs::read(place.path("tandem.db-wal")).unwrap();
    let shown = |needle: &[u8]| kept.windows(needle.len()).any(|window| window == needle);
    assert!(
        shown(b"Minh") && !shown(token.as_bytes()),
        "the token itself is not kept"
    );
    office.agent_disable("Minh", true).unwrap();
    assert_eq!(office.agent_by_token("Minh", &token).unwrap(), None);
    office.agent_disable("Minh", false).unwrap();
    assert!(office.agent_by_token("Minh", &token).unwrap().is_some());
    assert!(matches!(
        office.agent_add("Minh", &[], &[], &tandem::shell::store::AgentAudio::None),
        Err(StoreError::Taken { .. })
    ));
    assert!(matches!(
        office.agent_disable("Nobody", true),
        Err(StoreError::Unknown { .. })
    ));
    assert_eq!(office.agent_list().unwrap().len(), 2);
}

#[test]
fn how_a_call_sounded_is_kept_beside_it_and_exported() {
    use tandem::shell::store::{CallSound, DirectionSound};
    let place = Place::new();
    place.leads(2);
    let (mut store, _) = place.open(NOW);
    let sound = |attempt| {
        StoreOrder::Sound(Box::new(CallSound {
            attempt: AttemptId(attempt),
            first_audio_ms: Some(12),
            inward: DirectionSound {
                packets: 3_000,
                lost: Some(7),
                jitter_us: Some(1_250),
                mos_hundredths: Some(438),
            },
            outward: DirectionSound {
                packets: 2_990,
                lost: None,
                jitter_us: None,
                mos_hundredths: Some(405),
            },
            round_trip_us: Some(31_000),
        }))
    };
    // Before the end or after it, and for an attempt that nobody knows: the books do not care.
    store
        .commit(&[
            intent(1, 1),
            sound(1),
            closed(1, 1, SystemResult::Connected, LeadNext::AwaitsOutcome),
        ])
        .unwrap();
    let done = store
        .commit(&[
            intent(2, 2),
            closed(2, 2, SystemResult::Busy, again(9)),
            sound(77),
        ])
        .unwrap();
    assert_eq!(done.refused, 0);
    drop(store);
    let mut csv = Vec::new();
    place
        .office()
        .outcomes_export(&mut csv, &ExportFilter::default(), NumbersShown::Masked)
        .unwrap();
    let text = String::from_utf8(csv).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with(
        "first_audio_ms,packets_in,lost_in,jitter_in_us,mos_in,packets_out,lost_out,jitter_out_us,mos_out,round_trip_us,direction,announced_at"
    ));
    assert!(
        lines[1].ends_with(",12,3000,7,1250,4.38,2990,,,4.05,31000,OUT,"),
        "{}",
        lines[1]
    );
    assert!(lines[2].ends_with(",,,,,,,,,,,OUT,"), "{}", lines[2]);
}
