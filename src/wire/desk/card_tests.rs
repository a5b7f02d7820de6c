//! Tests of the first card: what it shows, what it drops, and that it always fits.

use super::*;
use crate::ids::AttemptId;
use crate::time::UnixMs;
use crate::wire::desk::client::CallId;
use crate::wire::desk::server::{ServerFrame, ServerMessage, connected};
use proptest::prelude::*;

fn context() -> CardContext {
    CardContext {
        campaign: "PL-B2-HCM".into(),
        why: Some("DPD 31-60".into()),
        mode: "auto".into(),
        outcome_set: ("OUT-COLL".into(), 3),
        hot: [
            "RPC_PTP",
            "RPC_CB",
            "RPC_REFUSE",
            "WRONG_NO",
            "RPC_HARDSHIP",
            "RPC_DISPUTE",
        ]
        .map(str::to_owned)
        .to_vec(),
        wrap_s: 25,
        home_prefix: "+84".into(),
    }
}

/// The example person of domain.md, as an importer would keep her.
fn huong() -> CustomerFacts {
    serde_json::from_str(include_str!("../../../tests/data/desk/huong.json"))
        .expect("a well-formed example")
}

/// The card as a client reads it.
fn read(body: &StagedBody) -> CardBody {
    let text = connected(
        48_213,
        CallId(AttemptId(7)),
        UnixMs(1_795_429_262_318),
        UnixMs(1_795_429_262_331),
        &body.text,
    );
    let frame = ServerFrame::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(frame.sequence, 48_213);
    let ServerMessage::CallConnected(call) = frame.message else {
        panic!("not a call: {text}");
    };
    assert!(text.len() <= CARD_BYTES_MAX, "{} bytes", text.len());
    call.card
}

#[test]
fn the_example_person_fits_with_every_fact() {
    let staged = stage(huong(), "+84900000412", &context());
    assert_eq!(staged.dropped, []);
    let card = read(&staged);
    let facts = huong();
    assert!(card.complete);
    assert_eq!(card.customer.name, "Trần Thị Mai Hương");
    assert_eq!(card.customer.cif, facts.cif);
    assert_eq!(card.customer.salutation.as_deref(), Some("chị"));
    assert_eq!(card.customer.phone, "09*****412");
    assert_eq!(card.customer.verify, facts.verify);
    assert_eq!(card.customer.segment, facts.segment);
    assert_eq!(card.campaign.why, facts.why);
    assert_eq!(card.greeting, facts.greeting);
    assert_eq!(card.loan, facts.loan);
    assert_eq!(card.risk, facts.risk);
    assert_eq!(card.last_contact, facts.last_contact);
    assert_eq!(card.last_payment, facts.last_payment);
    assert_eq!(card.promise, facts.promise);
    assert_eq!(card.care, facts.care);
    assert_eq!(card.script, facts.script);
    assert_eq!(card.mood, facts.mood);
    assert_eq!(card.more.len(), 6);
    assert_eq!(card.actions.map(|actions| actions.hot), Some(context().hot));
}

#[test]
fn the_checked_in_person_is_the_one_of_the_domain_example() {
    let shared = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/payload/auto_first_push.json"
    );
    let Ok(text) = std::fs::read_to_string(shared) else {
        println!("skipped: ../shared/payload is not here");
        return;
    };
    let want: serde_json::Value = serde_json::from_str(&text).expect("the example is JSON");
    let ours = serde_json::to_value(read(&stage(huong(), "+84900000412", &context())))
        .expect("serialises");
    for (theirs, our) in [
        ("/cmp/id", "/campaign/id"),
        ("/cmp/why", "/campaign/why"),
        ("/cmp/mode", "/campaign/mode"),
        ("/who/cif", "/customer/cif"),
        ("/who/name", "/customer/name"),
        ("/who/salute", "/customer/salutation"),
        ("/who/type", "/customer/kind"),
        ("/who/seg", "/customer/segment"),
        ("/who/phone", "/customer/phone_label"),
        ("/who/tel", "/customer/phone"),
        ("/who/verify", "/customer/verify"),
        ("/greet", "/greeting"),
        ("/loan/n", "/loan/count"),
        ("/loan/acct", "/loan/account"),
        ("/loan/prod", "/loan/product"),
        ("/loan/dpd", "/loan/days_past_due"),
        ("/loan/bkt", "/loan/bucket"),
        ("/loan/due", "/loan/due"),
        ("/loan/out", "/loan/outstanding"),
        ("/loan/min_cure", "/loan/minimum_to_cure"),
        ("/loan/next_roll", "/loan/next_roll"),
        ("/loan/ccy", "/loan/currency"),
        ("/risk/cls", "/risk/class"),
        ("/risk/score", "/risk/score"),
        ("/risk/arch", "/risk/archetype"),
        ("/risk/flags", "/risk/flags"),
        ("/last/at", "/last_contact/at"),
        ("/last/ch", "/last_contact/channel"),
        ("/last/out", "/last_contact/outcome"),
        ("/last/by", "/last_contact/by"),
        ("/last/note", "/last_contact/note"),
        ("/pay/at", "/last_payment/at"),
        ("/pay/amt", "/last_payment/amount"),
        ("/pay/via", "/last_payment/method"),
        ("/ptp/id", "/promise/id"),
        ("/ptp/amt", "/promise/amount"),
        ("/ptp/due", "/promise/due"),
        ("/ptp/st", "/promise/state"),
        ("/ptp/kept", "/promise/kept"),
        ("/ptp/broken", "/promise/broken"),
        ("/care", "/care"),
        ("/script/id", "/script/id"),
        ("/script/ver", "/script/version"),
        ("/script/open", "/script/opening"),
        ("/script/say", "/script/required"),
        ("/script/obj", "/script/objections"),
        ("/act/set", "/actions/outcome_set"),
        ("/act/ver", "/actions/version"),
        ("/act/hot", "/actions/hot"),
        ("/act/wrap_s", "/actions/wrap_s"),
        ("/mood/coop", "/mood/cooperation"),
        ("/mood/pref", "/mood/preference"),
        ("/mood/best", "/mood/best_hours"),
        ("/mood/hard", "/mood/hardship"),
        ("/mood/disp", "/mood/disputes"),
    ] {
        let wanted = want.pointer(theirs);
        assert!(wanted.is_some(), "{theirs} is gone from the example");
        assert_eq!(ours.pointer(our), wanted, "{theirs} -> {our}");
    }
}

#[test]
fn parts_go_in_the_order_of_the_domain_and_only_as_many_as_needed() {
    // Longer and longer: the dropped parts are always a prefix of the order, among those that were there.
    let mut seen = Vec::new();
    for length in (0..300).step_by(10) {
        let mut facts = huong();
        facts.greeting = Some("ạ".repeat(length.min(280)));
        facts.care = vec![
            "Không gọi trước 17 giờ ".repeat(length / 60),
            "NO_3RD_PARTY".into(),
        ];
        facts.verify = vec!["dob_year".repeat(length / 100); 1 + length / 40];
        facts.script = facts.script.map(|script| ScriptFacts {
            objections: vec!["NO_MONEY".into(); length / 30],
            ..script
        });
        let staged = stage(facts, "+84900000412", &context());
        let card = read(&staged);
        assert!(
            Part::ORDER.starts_with(&staged.dropped),
            "{:?} is not the start of the order",
            staged.dropped
        );
        assert_eq!(card.dropped, staged.dropped, "the client is told");
        assert_eq!(card.customer.name, "Trần Thị Mai Hương");
        assert!(card.care.contains(&"NO_3RD_PARTY".to_owned()));
        assert_eq!(card.risk.map(|risk| risk.flags.len()), Some(2));
        seen.push(staged.dropped.len());
    }
    assert_eq!(seen.first(), Some(&0));
    assert!(seen.last() >= Some(&2), "{seen:?}");
}

#[test]
fn a_sixty_character_vietnamese_name_stays_whole() {
    let name = "Nguyễn Phước Quỳnh Hương Thiện Mỹ Duyên Khuê Ngọc Trường Ân Ý";
    assert!(name.chars().count() >= 60);
    // As an importer on another system may bring it: decomposed.
    let decomposed: String = name.nfd().collect();
    assert_ne!(decomposed, name);
    let facts = CustomerFacts {
        name: decomposed,
        ..huong()
    };
    let card = read(&stage(facts, "+84900000412", &context()));
    assert_eq!(card.customer.name, name);
}

#[test]
fn a_card_not_ready_in_time_still_shows_who_and_what_to_beware_of() {
    let card = read(&minimal(huong(), "+84900000412", &context()));
    assert!(!card.complete);
    assert_eq!(card.customer.name, "Trần Thị Mai Hương");
    assert_eq!(
        card.risk.map(|risk| risk.flags),
        huong().risk.map(|risk| risk.flags)
    );
    assert_eq!(card.loan, None);
    assert_eq!(card.more.len(), 6);
}

#[test]
fn a_phone_is_masked_whatever_its_country_and_length() {
    for (e164, home, want) in [
        ("+84900000412", "+84", "09*****412"),
        ("+842800000077", "+84", "02******077"),
        ("+14155550123", "+84", "+1*******123"),
        ("+84900000412", "", "+8*******412"),
        ("113", "+84", "*13"),
        ("", "+84", ""),
        ("số điện thoại", "+84", "số********oại"),
    ] {
        assert_eq!(masked_phone(e164, home), want, "{e164}");
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        // Four bytes each, and what JSON must escape.
        "[😀\"\\\\\u{0}-\u{1f}]{0,400}",
        "\\PC{0,200}",
        "[A-Z_]{0,40}",
    ]
}

fn any_facts() -> impl Strategy<Value = CustomerFacts> {
    let texts = || proptest::collection::vec(text(), 0..20);
    (
        [text(), text(), text(), text(), text(), text()],
        [texts(), texts(), texts(), texts(), texts()],
        any::<[i64; 4]>(),
        proptest::bool::ANY,
    )
        .prop_map(|(one, lists, amounts, parts)| {
            let [a, b, c, d, e, f] = one;
            let [verify, flags, care, required, objections] = lists;
            CustomerFacts {
                cif: a.clone(),
                name: b.clone(),
                salutation: Some(c.clone()),
                kind: Some(d.clone()),
                segment: Some(e.clone()),
                phone_label: Some(f.clone()),
                verify,
                greeting: Some(d.clone()),
                why: Some(e.clone()),
                loan: parts.then(|| LoanFacts {
                    account: a.clone(),
                    product: b.clone(),
                    due: amounts[0],
                    outstanding: amounts[1],
                    ..LoanFacts::default()
                }),
                risk: Some(RiskFacts {
                    class: c.clone(),
                    score: 78,
                    archetype: Some(d.clone()),
                    flags,
                }),
                last_contact: Some(ContactFacts {
                    note: Some(f.clone()),
                    ..ContactFacts::default()
                }),
                promise: Some(PromiseFacts {
                    id: e.clone(),
                    amount: amounts[2],
                    ..PromiseFacts::default()
                }),
                care,
                script: Some(ScriptFacts {
                    id: f,
                    required,
                    objections,
                    ..ScriptFacts::default()
                }),
                last_payment: Some(PaymentFacts {
                    amount: amounts[3],
                    ..PaymentFacts::default()
                }),
                ..CustomerFacts::default()
            }
        })
}

proptest! {
    #[test]
    fn whatever_the_importer_brought_the_card_fits_and_keeps_identity_and_flags(
        facts in any_facts(),
        number in "\\PC{0,30}",
    ) {
        let flags = facts.risk.as_ref().map_or(0, |risk| risk.flags.len());
        let name = clipped(facts.name.clone(), 80);
        let card = read(&stage(facts, &number, &context()));
        prop_assert_eq!(card.customer.name, name);
        prop_assert_eq!(card.risk.map_or(0, |risk| risk.flags.len()), flags.min(10));
    }
}
