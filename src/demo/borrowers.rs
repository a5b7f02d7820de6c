//! Seeded borrowers for demo and load test: believable Vietnamese customers in arrears, and not one of them real.
//!
//! Names are common ones put together by chance. Numbers lie in one block that looks unassigned (+84 900 000 000 and up); nobody
//! checked that it is, which is why the demo's carrier talks to loopback only. Writes the import formats of docs/lead-import.md.

use crate::demo::chance::Chance;
use crate::wire::desk::facts::{
    ContactFacts, CustomerFacts, LoanFacts, MoodFacts, PaymentFacts, PromiseFacts, RiskFacts,
    ScriptFacts,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::Write;

/// Borrowers that the block of numbers has room for.
pub const BORROWERS_MAX: u32 = 1_000_000;
/// All of them live here.
const ZONE: &str = "Asia/Ho_Chi_Minh";

const SURNAMES: [(u32, &str); 14] = [
    (38, "Nguyễn"),
    (12, "Trần"),
    (10, "Lê"),
    (7, "Phạm"),
    (5, "Hoàng"),
    (5, "Phan"),
    (4, "Vũ"),
    (4, "Võ"),
    (3, "Đặng"),
    (3, "Bùi"),
    (2, "Đỗ"),
    (2, "Hồ"),
    (2, "Ngô"),
    (2, "Dương"),
];
const WOMEN_MIDDLE: [&str; 8] = [
    "Thị",
    "Thị Mai",
    "Thị Thu",
    "Thị Ngọc",
    "Ngọc",
    "Thanh",
    "Thị Kim",
    "Bích",
];
const WOMEN_GIVEN: [&str; 12] = [
    "Hương", "Lan", "Hoa", "Hạnh", "Trang", "Thảo", "Nhung", "Phương", "Yến", "Hằng", "Quỳnh",
    "Linh",
];
const MEN_MIDDLE: [&str; 8] = ["Văn", "Hữu", "Đức", "Minh", "Quốc", "Công", "Đình", "Thanh"];
const MEN_GIVEN: [&str; 12] = [
    "Hùng", "Dũng", "Tuấn", "Sơn", "Long", "Thắng", "Bình", "Khánh", "Phúc", "Tâm", "Hiếu", "Nam",
];
const STREETS: [&str; 6] = [
    "Nguyễn Trãi",
    "Lê Lợi",
    "Trần Hưng Đạo",
    "Hai Bà Trưng",
    "Điện Biên Phủ",
    "Cách Mạng Tháng Tám",
];
const AGENTS: [&str; 5] = ["Lan P.", "Minh T.", "Hà N.", "Tú L.", "Vy D."];
const NOTES: [&str; 6] = [
    "Hẹn trả sau ngày lĩnh lương, chưa thanh toán",
    "Đang chờ bán hàng, xin thêm một tuần",
    "Đã chuyển khoản một phần, hẹn phần còn lại",
    "Máy bận, người nhà nghe",
    "Mất việc từ tháng trước, hỏi về cơ cấu nợ",
    "Đồng ý trả qua ví điện tử",
];
const METHODS: [&str; 4] = ["TRANSFER", "MOMO", "COUNTER", "DIRECT_DEBIT"];

/// One line of a JSON Lines import.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Borrower {
    /// Campaign by name.
    pub campaign: String,
    /// E.164.
    pub number: String,
    /// IANA zone.
    pub zone: String,
    /// Higher is dialled first.
    pub priority: i32,
    /// Everything for the card.
    pub facts: CustomerFacts,
}

/// How much is known of each borrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What the first card shows: about 1.5 KB.
    FirstCard,
    /// Contacts, references, loans, payments, timeline and script too: about 6 KB.
    Full,
}

/// What to make.
#[derive(Clone, Debug)]
pub struct BorrowerPlan<'a> {
    /// The same seed makes the same borrowers.
    pub seed: u64,
    /// Campaigns by name; borrowers are dealt out in turn.
    pub campaigns: &'a [String],
    /// Days past due are counted back from here.
    pub today: Date,
    /// How much to make up.
    pub detail: Detail,
}

/// The `index`-th borrower, 0..[`BORROWERS_MAX`]. Independent of all others: a list can be made in parts.
pub fn borrower(plan: &BorrowerPlan<'_>, index: u32) -> Borrower {
    let mut chance = Chance::of(plan.seed, "borrower", u64::from(index));
    let person = Person::draw(&mut chance);
    let loan = draw_loan(&mut chance, plan.today);
    let days = i64::from(loan.days_past_due);
    let number = number_of(index);
    let promise = draw_promise(&mut chance, &loan, plan.today);
    let broken = promise
        .as_ref()
        .is_some_and(|promise| promise.state == "BROKEN");
    let hardship = u8::from(chance.happens(0.12));
    let disputes = u8::from(chance.happens(0.05));
    let risk = draw_risk(&mut chance, days, broken, hardship);
    let mood = draw_mood(&mut chance, promise.as_ref(), hardship, disputes);
    let facts = CustomerFacts {
        cif: format!("{:010}", 20_000_000 + u64::from(index)),
        name: person.name.clone(),
        salutation: Some(person.salutation.to_owned()),
        kind: Some("INDIVIDUAL".to_owned()),
        segment: pick(
            &mut chance,
            &[
                "MASS-SALARIED",
                "MASS-SELF-EMPLOYED",
                "AFFLUENT",
                "SME-OWNER",
            ],
        ),
        phone_label: Some("MOBILE".to_owned()),
        verify: vec!["dob_year".to_owned(), "id_last4".to_owned()],
        greeting: Some(format!(
            "Dạ em chào {} {}, em gọi từ Ngân hàng. Em xin phép xác nhận thông tin trước khi trao đổi ạ.",
            person.salutation, person.given
        )),
        why: Some(why(&loan, broken)),
        last_contact: Some(ContactFacts {
            at: back(plan.today, chance.between(1, 15)),
            channel: "CALL".to_owned(),
            outcome: pick(
                &mut chance,
                &["BP", "RPC_NO_COMMIT", "RPC_PTP", "NO_ANSWER"],
            )
            .unwrap_or_default(),
            by: pick(&mut chance, &AGENTS),
            note: pick(&mut chance, &NOTES),
        }),
        last_payment: Some(PaymentFacts {
            at: back(plan.today, days + chance.between(1, 30)),
            amount: thousands(chance.between(300, 4_000)),
            method: pick(&mut chance, &METHODS).unwrap_or_default(),
        }),
        care: if chance.happens(0.3) {
            vec!["NO_3RD_PARTY".to_owned()]
        } else {
            Vec::new()
        },
        script: Some(ScriptFacts {
            id: format!(
                "S-{}-{}",
                loan.bucket,
                &risk.archetype.as_deref().unwrap_or("STD")[..3]
            ),
            version: 7,
            opening: Some("positive_incentive".to_owned()),
            required: vec!["REC_NOTICE".to_owned(), "ID_BEFORE_DEBT".to_owned()],
            objections: vec![
                "NO_MONEY".to_owned(),
                "PAID_ALREADY".to_owned(),
                "CALL_LATER".to_owned(),
            ],
        }),
        expansion: match plan.detail {
            Detail::FirstCard => Default::default(),
            Detail::Full => expansion(&mut chance, plan.today, &number, &loan),
        },
        promise,
        risk: Some(risk),
        mood: Some(mood),
        loan: Some(loan.clone()),
    };
    Borrower {
        campaign: campaign_of(plan, index),
        number,
        zone: ZONE.to_owned(),
        // Later and larger first, within what a person can follow on the list.
        priority: (days.min(360) + loan.due / 1_000_000) as i32,
        facts,
    }
}

/// Writes borrowers `0..count` as JSON Lines.
pub fn write_json_lines(
    plan: &BorrowerPlan<'_>,
    count: u32,
    mut out: impl Write,
) -> std::io::Result<()> {
    for index in 0..count.min(BORROWERS_MAX) {
        serde_json::to_writer(&mut out, &borrower(plan, index))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Writes borrowers `0..count` as CSV, with the facts that fit into columns (cards on request do not).
pub fn write_csv(plan: &BorrowerPlan<'_>, count: u32, out: impl Write) -> std::io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "campaign",
        "cif",
        "name",
        "number",
        "zone",
        "priority",
        "salutation",
        "why",
        "loan.account",
        "loan.product",
        "loan.days_past_due",
        "loan.bucket",
        "loan.due",
        "loan.outstanding",
        "loan.currency",
        "risk.class",
        "risk.score",
    ])?;
    for index in 0..count.min(BORROWERS_MAX) {
        let Borrower {
            campaign,
            number,
            zone,
            priority,
            facts,
        } = borrower(plan, index);
        let loan = facts.loan.unwrap_or_default();
        let risk = facts.risk.unwrap_or_default();
        csv.write_record([
            campaign,
            facts.cif,
            facts.name,
            number,
            zone,
            priority.to_string(),
            facts.salutation.unwrap_or_default(),
            facts.why.unwrap_or_default(),
            loan.account,
            loan.product,
            loan.days_past_due.to_string(),
            loan.bucket,
            loan.due.to_string(),
            loan.outstanding.to_string(),
            loan.currency,
            risk.class,
            risk.score.to_string(),
        ])?;
    }
    csv.flush()
}

/// The number of a borrower: the block from +84 900 000 000 on.
pub fn number_of(index: u32) -> String {
    format!("+84900{:06}", index % BORROWERS_MAX)
}

fn campaign_of(plan: &BorrowerPlan<'_>, index: u32) -> String {
    let count = plan.campaigns.len().max(1);
    plan.campaigns
        .get(index as usize % count)
        .cloned()
        .unwrap_or_default()
}

/// A name and how to address it.
struct Person {
    name: String,
    given: &'static str,
    salutation: &'static str,
}

impl Person {
    fn draw(chance: &mut Chance) -> Self {
        let surname = chance.weighted(&SURNAMES).copied().unwrap_or("Nguyễn");
        let older = chance.happens(0.25);
        let (middle, given, salutation): (&[&str], &[&'static str], _) = if chance.happens(0.5) {
            (
                &WOMEN_MIDDLE,
                &WOMEN_GIVEN,
                if older { "cô" } else { "chị" },
            )
        } else {
            (&MEN_MIDDLE, &MEN_GIVEN, if older { "chú" } else { "anh" })
        };
        let middle = chance.pick(middle).copied().unwrap_or_default();
        let given = given[chance.below(given.len() as u64) as usize];
        Person {
            name: format!("{surname} {middle} {given}"),
            given,
            salutation,
        }
    }
}

fn draw_loan(chance: &mut Chance, today: Date) -> LoanFacts {
    let days_past_due = match chance.below(100) {
        0..=44 => chance.between(1, 31),
        45..=74 => chance.between(31, 61),
        75..=89 => chance.between(61, 91),
        90..=96 => chance.between(91, 181),
        _ => chance.between(181, 400),
    };
    let product = chance
        .weighted(&[
            (45, "PERSONAL"),
            (25, "CREDIT_CARD"),
            (15, "CONSUMER_DURABLE"),
            (10, "AUTO"),
            (5, "SME"),
        ])
        .copied()
        .unwrap_or("PERSONAL");
    let instalment = chance.lognormal(2_600.0, 0.7) as i64 + 300;
    let cycles = days_past_due / 30 + 1;
    let outstanding = instalment * chance.between(8, 40);
    LoanFacts {
        count: 1 + chance.below(3) as u8,
        account: format!(
            "{}-{:04}-{:04}",
            &product[..2],
            chance.below(10_000),
            chance.below(10_000)
        ),
        product: product.to_owned(),
        days_past_due: days_past_due as u16,
        bucket: bucket(days_past_due).to_owned(),
        due: thousands(instalment * cycles),
        outstanding: thousands(outstanding.max(instalment * cycles)),
        minimum_to_cure: Some(thousands(instalment)),
        next_roll: Some(ahead(today, 30 - days_past_due % 30)),
        currency: "VND".to_owned(),
    }
}

/// domain.md, "DPD buckets".
const fn bucket(days_past_due: i64) -> &'static str {
    match days_past_due {
        ..=0 => "B0",
        1..=30 => "B1",
        31..=60 => "B2",
        61..=90 => "B3",
        91..=180 => "B4",
        181..=360 => "B5",
        _ => "B6",
    }
}

fn draw_promise(chance: &mut Chance, loan: &LoanFacts, today: Date) -> Option<PromiseFacts> {
    if !chance.happens(0.4) {
        return None;
    }
    let broken = chance.happens(0.6);
    Some(PromiseFacts {
        id: format!("P-{}", 10_000 + chance.below(90_000)),
        amount: (loan.due / 2).max(100_000) / 10_000 * 10_000,
        due: back(today, chance.between(2, 25)),
        state: if broken { "BROKEN" } else { "PARTIAL" }.to_owned(),
        kept: chance.below(4) as u16,
        broken: chance.below(3) as u16 + u16::from(broken),
    })
}

fn draw_risk(chance: &mut Chance, days: i64, broken: bool, hardship: u8) -> RiskFacts {
    let score = (days / 2 + if broken { 20 } else { 0 } + chance.between(5, 35)).min(100) as u8;
    let mut flags = Vec::new();
    if broken {
        flags.push("BROKEN_PTP".to_owned());
    }
    if hardship > 0 {
        flags.push("HARDSHIP_HINT".to_owned());
    }
    RiskFacts {
        class: match score {
            0..=35 => "LOW",
            36..=65 => "MEDIUM",
            _ => "HIGH",
        }
        .to_owned(),
        score,
        archetype: pick(chance, &["AUTONOMOUS", "ISOLATED", "AVOIDANT", "IMPULSIVE"]),
        flags,
    }
}

fn draw_mood(
    chance: &mut Chance,
    promise: Option<&PromiseFacts>,
    hardship: u8,
    disputes: u8,
) -> MoodFacts {
    let (kept, broken) = promise.map_or((1, 1), |promise| (promise.kept, promise.broken));
    MoodFacts {
        cooperation: pick(
            chance,
            &[
                "COOPERATIVE",
                "PARTIAL",
                "PARTIAL",
                "UNCOOPERATIVE",
                "UNKNOWN",
            ],
        )
        .unwrap_or_default(),
        // Two digits: a float of 32 bits prints longer than it is meant.
        reliability: (f32::from(kept + 1) / f32::from(kept + broken + 2) * 100.0).round() / 100.0,
        preference: pick(chance, &["ZALO", "CALL", "SMS"]),
        best_hours: pick(chance, &["9-11", "17-20", "12-13"]),
        hardship,
        disputes,
    }
}

fn why(loan: &LoanFacts, broken: bool) -> String {
    let millions = loan.due / 1_000_000;
    let promise = if broken { ", broken promise" } else { "" };
    format!(
        "{} days past due, {millions}m VND due{promise}",
        loan.days_past_due
    )
}

/// The cards on request, in the form of the agent protocol.
fn expansion(
    chance: &mut Chance,
    today: Date,
    number: &str,
    loan: &LoanFacts,
) -> std::collections::BTreeMap<String, Value> {
    let relative = Person::draw(chance);
    let instalment = loan.minimum_to_cure.unwrap_or(loan.due);
    let payments: Vec<_> = (1..=8)
        .map(|n| {
            json!({
                "at": back(today, i64::from(loan.days_past_due) + 30 * n),
                "amount": instalment,
                "method": pick(chance, &METHODS),
                "state": "POSTED",
            })
        })
        .collect();
    let timeline: Vec<_> = (0..10)
        .map(|n| {
            json!({
                "id": 9_000 - n,
                "at": format!("{}T{:02}:{:02}:00+07:00", back(today, 2 * n + 1), chance.between(8, 20), chance.below(60)),
                "channel": pick(chance, &["CALL", "CALL", "SMS", "EMAIL"]),
                "direction": "OUT",
                "outcome": pick(chance, &["NO_ANSWER", "RPC_NO_COMMIT", "RPC_PTP", "BP"]),
                "duration_s": chance.below(240),
                "by": pick(chance, &AGENTS),
                "note": pick(chance, &NOTES),
            })
        })
        .collect();
    let contacts = json!([
        {
            "id": 1, "kind": "PHONE", "label": "MOBILE", "value": number, "verified": "VERIFIED",
            "attempts": 10 + chance.below(40), "answers": chance.below(10), "dnc": false,
        },
        {
            "id": 2, "kind": "ADDRESS", "verified": "UNVERIFIED",
            "value": format!("{} {}, Quận {}, TP.HCM", 1 + chance.below(300), chance.pick(&STREETS).copied().unwrap_or_default(), 1 + chance.below(12)),
        },
    ]);
    let references = json!([{
        "name": relative.name, "relation": "FAMILY", "liable": false, "may_discuss": false,
    }]);
    let loans = json!([{
        "account": loan.account, "product": loan.product, "instalment": instalment, "due": loan.due,
        "outstanding": loan.outstanding, "days_past_due": loan.days_past_due, "bucket": loan.bucket, "rate": 19.2,
    }]);
    let script = json!({
        "steps": [
            {"step": "open", "text": "Dạ em chào {salutation} {name}, em là {agent} gọi từ {bank}."},
            {"step": "verify", "text": "Mình vui lòng cho em xin năm sinh và 4 số cuối CCCD ạ."},
            {"step": "ask", "text": "Mình có thể thanh toán hôm nay qua đường dẫn em gửi không ạ?"},
        ],
        "objections": {
            "NO_MONEY": "Em hiểu ạ. Mình có thể trả trước một phần và chia phần còn lại thành nhiều kỳ.",
            "PAID_ALREADY": "Mình cho em xin ngày và kênh thanh toán, em kiểm tra ngay.",
        },
    });
    [
        ("contacts", contacts),
        ("references", references),
        ("loans", loans),
        ("payments", Value::Array(payments)),
        ("timeline", Value::Array(timeline)),
        ("script", script),
    ]
    .map(|(name, card)| (name.to_owned(), card))
    .into()
}

const fn thousands(amount: i64) -> i64 {
    amount * 1_000
}

fn pick(chance: &mut Chance, choices: &[&str]) -> Option<String> {
    chance.pick(choices).map(|choice| (*choice).to_owned())
}

fn back(today: Date, days: i64) -> String {
    ahead(today, -days)
}

fn ahead(today: Date, days: i64) -> String {
    today
        .saturating_add(jiff::Span::new().days(days.clamp(-3_660, 3_660)))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn plan(campaigns: &[String]) -> BorrowerPlan<'_> {
        BorrowerPlan {
            seed: 4,
            campaigns,
            today: jiff::civil::date(2026, 11, 23),
            detail: Detail::Full,
        }
    }

    #[test]
    fn borrowers_are_the_same_for_a_seed_and_differ_between_themselves() {
        let campaigns = ["A".to_owned(), "B".to_owned()];
        let plan = plan(&campaigns);
        let list: Vec<_> = (0..500).map(|index| borrower(&plan, index)).collect();
        assert_eq!(borrower(&plan, 77), list[77]);
        let numbers: HashSet<_> = list.iter().map(|b| &b.number).collect();
        let customers: HashSet<_> = list.iter().map(|b| &b.facts.cif).collect();
        assert_eq!((numbers.len(), customers.len()), (500, 500));
        assert!(
            list.iter()
                .map(|b| &b.facts.name)
                .collect::<HashSet<_>>()
                .len()
                > 300
        );
        assert_eq!(list.iter().filter(|b| b.campaign == "A").count(), 250);
    }

    #[test]
    fn facts_agree_with_each_other() {
        let campaigns = ["A".to_owned()];
        let plan = plan(&campaigns);
        for borrower in (0..500).map(|index| borrower(&plan, index)) {
            let loan = borrower.facts.loan.unwrap();
            assert_eq!(loan.bucket, bucket(i64::from(loan.days_past_due)));
            assert!(loan.outstanding >= loan.due && loan.due >= loan.minimum_to_cure.unwrap());
            let flags = borrower.facts.risk.unwrap().flags;
            let broken = borrower.facts.promise.is_some_and(|p| p.state == "BROKEN");
            assert_eq!(flags.contains(&"BROKEN_PTP".to_owned()), broken);
            assert!(borrower.number.starts_with("+84900") && borrower.number.len() == 12);
            assert!(borrower.facts.why.unwrap().chars().count() <= 80);
        }
    }

    #[test]
    fn every_line_of_the_import_reads_back() {
        let campaigns = ["PL-B2-HCM".to_owned()];
        let plan = plan(&campaigns);
        let mut out = Vec::new();
        write_json_lines(&plan, 20, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let back: Vec<Borrower> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(back.len(), 20);
        assert_eq!(back[3], borrower(&plan, 3));
        let mut out = Vec::new();
        write_csv(&plan, 20, &mut out).unwrap();
        let mut csv = csv::Reader::from_reader(&out[..]);
        assert_eq!(csv.records().filter(|record| record.is_ok()).count(), 20);
    }
}
