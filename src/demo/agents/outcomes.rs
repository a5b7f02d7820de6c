//! What a scripted agent says of a call: a code by weight from the set in force, with everything that the code needs.
//!
//! Reads the set that the engine sent at log-in: another set gives other outcomes, not refusals.

use crate::demo::chance::Chance;
use crate::pii::Pii;
use crate::time::UnixMs;
use crate::wire::desk::card::CardBody;
use crate::wire::desk::client::{CallId, Instalment, Outcome, Paid, Promise};
use crate::wire::desk::outcome::{OutcomeNeeds, OutcomeRule, OutcomeSet};
use jiff::civil::Date;

/// Local time of the demo's borrowers, in seconds east of UTC: all live in Vietnam.
const OFFSET_S: i64 = 7 * 3_600;
const DAY_MS: i64 = 86_400_000;

/// How often a collector says what. Codes that end a lead for good are rare, or a list would be used up in an hour.
const WEIGHTS: [(u32, &str); 20] = [
    (26, "RPC_PTP"),
    (18, "RPC_NO_COMMIT"),
    (10, "RPC_CB"),
    (8, "RPC_REFUSE"),
    (6, "RPC_PAID"),
    (5, "RPC_PAYNOW"),
    (4, "RPC_PARTIAL_PLAN"),
    (4, "RPC_HARDSHIP"),
    (4, "BP"),
    (5, "TPC_MSG"),
    (3, "NO_SPEECH"),
    (3, "HANGUP"),
    (3, "VM_AGENT"),
    (2, "RPC_DISPUTE"),
    (2, "WRONG_NO"),
    (1, "TPC_REFUSES"),
    (1, "LANG"),
    (1, "ESCALATE"),
    (1, "FIELD_VISIT"),
    (1, "COMPLAINT"),
];

/// An outcome that the engine has to accept. `amount_due` of the card bounds promises; 0 if unknown.
pub fn draw(
    chance: &mut Chance,
    set: &OutcomeSet,
    call: CallId,
    request: u64,
    amount_due: i64,
    now: UnixMs,
) -> Outcome {
    let known: Vec<_> = WEIGHTS
        .iter()
        .filter_map(|(weight, code)| {
            let rule = set.codes.iter().find(|rule| rule.code == *code)?;
            Some((*weight, rule))
        })
        .collect();
    // A set without one of these codes: any code of it will do.
    let rule = chance
        .weighted(&known)
        .copied()
        .or_else(|| chance.pick(&set.codes));
    let mut outcome = bare(
        call,
        request,
        rule.map_or("RPC_NO_COMMIT", |rule| &rule.code),
    );
    if let Some(rule) = rule {
        fill(chance, &mut outcome, rule, amount_due.max(200_000), now);
    }
    if chance.happens(0.5) {
        outcome.note = Some(Pii::new(
            "Khách nghe máy, đã xác nhận thông tin.".to_owned(),
        ));
    }
    outcome
}

fn bare(call: CallId, request: u64, code: &str) -> Outcome {
    Outcome {
        request,
        call,
        code: code.to_owned(),
        promise: None,
        follow_up_at: None,
        reason: None,
        amount: None,
        paid: None,
        schedule: None,
        note: None,
        cooperation: None,
    }
}

fn fill(chance: &mut Chance, outcome: &mut Outcome, rule: &OutcomeRule, due: i64, now: UnixMs) {
    let part = |chance: &mut Chance| due * chance.between(30, 101) / 100 / 10_000 * 10_000 + 10_000;
    match rule.needs {
        OutcomeNeeds::Nothing if rule.may_promise && chance.happens(0.5) => {
            let amount = part(chance);
            outcome.promise = Some(promise(chance, amount, now));
        }
        OutcomeNeeds::Nothing => {}
        OutcomeNeeds::Promise => {
            let amount = part(chance);
            outcome.promise = Some(promise(chance, amount, now));
        }
        OutcomeNeeds::Paid => {
            outcome.paid = Some(Paid {
                at: day(now, -chance.between(0, 6)),
                method: "TRANSFER".to_owned(),
            });
        }
        OutcomeNeeds::Amount => outcome.amount = Some(part(chance)),
        OutcomeNeeds::Schedule => {
            let instalments = chance.between(2, 5);
            let amount = (due / instalments).max(10_000);
            let schedule = (0..instalments).map(|n| Instalment {
                due: day(now, 5 + 30 * n),
                amount,
            });
            outcome.schedule = Some(schedule.collect());
        }
        OutcomeNeeds::FollowUp => {
            // Tomorrow or later, between nine and seven, local time.
            let minute = chance.between(9 * 60, 19 * 60);
            let midnight = (local_day(now) + chance.between(1, 8)) * DAY_MS - OFFSET_S * 1_000;
            outcome.follow_up_at = Some(midnight + minute * 60_000);
        }
        OutcomeNeeds::Reason => {
            outcome.reason = Some(Pii::new("Khách nêu lý do qua điện thoại".to_owned()))
        }
    }
}

fn promise(chance: &mut Chance, amount: i64, now: UnixMs) -> Promise {
    Promise {
        amount,
        due: day(now, chance.between(1, 15)),
        method: Some(
            if chance.happens(0.5) {
                "TRANSFER"
            } else {
                "MOMO"
            }
            .to_owned(),
        ),
    }
}

/// What is due on a card; 0 if it does not say.
pub fn amount_due(card: &CardBody) -> i64 {
    card.loan.as_ref().map_or(0, |loan| loan.due)
}

/// Local days since 1970-01-01.
const fn local_day(now: UnixMs) -> i64 {
    (now.0 + OFFSET_S * 1_000).div_euclid(DAY_MS)
}

/// The local date `days` from today, ISO 8601.
fn day(now: UnixMs, days: i64) -> String {
    let epoch: Date = jiff::civil::date(1970, 1, 1);
    epoch
        .saturating_add(jiff::Span::new().days(local_day(now) + days))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::dispositions::{Contact, Disposition, Needs};
    use crate::ids::AttemptId;
    use crate::wire::desk::outcome::{ContactClass, check};

    fn set() -> OutcomeSet {
        let codes = Disposition::ALL.iter().map(|disposition| OutcomeRule {
            code: disposition.code().to_owned(),
            contact: match disposition.contact() {
                Contact::RightParty => ContactClass::RightParty,
                Contact::ThirdParty => ContactClass::ThirdParty,
                Contact::NoContact => ContactClass::NoContact,
            },
            needs: match disposition.needs() {
                Needs::Nothing => OutcomeNeeds::Nothing,
                Needs::Promise => OutcomeNeeds::Promise,
                Needs::PaidDetails => OutcomeNeeds::Paid,
                Needs::Amount => OutcomeNeeds::Amount,
                Needs::Schedule => OutcomeNeeds::Schedule,
                Needs::Time => OutcomeNeeds::FollowUp,
                Needs::Reason => OutcomeNeeds::Reason,
            },
            may_promise: *disposition == Disposition::BrokenPromise,
        });
        OutcomeSet {
            id: "OUT-COLL".to_owned(),
            version: 3,
            codes: codes.collect(),
        }
    }

    #[test]
    fn every_outcome_passes_the_engine_s_own_check_at_any_hour() {
        let set = set();
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..5_000_i64 {
            let now = UnixMs(1_795_429_262_318 + n * 1_234_567);
            let mut chance = Chance::new(n as u64);
            let outcome = draw(&mut chance, &set, CallId(AttemptId(1)), 1, n * 1_000, now);
            let verdict = check(&outcome, &set, now, OFFSET_S as i32);
            assert!(verdict.is_ok(), "{outcome:?}: {verdict:?}");
            seen.insert(outcome.code);
        }
        assert_eq!(seen.len(), WEIGHTS.len());
    }

    #[test]
    fn another_set_of_codes_is_served_too() {
        let mut set = set();
        set.codes.retain(|rule| rule.code == "DECEASED");
        let outcome = draw(
            &mut Chance::new(1),
            &set,
            CallId(AttemptId(1)),
            1,
            0,
            UnixMs(0),
        );
        assert_eq!(outcome.code, "DECEASED");
    }
}
