//! Checks an agent's outcome: what its code needs, what it may not have, and every value's range.
//!
//! The table of codes is handed in: this room knows no floor. Told the time and the offset of local time from UTC.

use crate::time::UnixMs;
use crate::wire::desk::client::{ErrorCode, Fault, Instalment, Outcome, Paid, Promise};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest note, in characters.
pub const NOTE_CHARS_MAX: usize = 2_000;
/// Longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 200;
/// Largest amount, in whole units of the currency: a thousand thousand million catches a slipped finger, not a mortgage.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000;
/// How far ahead a promise or a callback may lie.
pub const DAYS_AHEAD_MAX: i64 = 60;
/// How far ahead the last instalment of a plan may lie.
pub const PLAN_DAYS_AHEAD_MAX: i64 = 2 * 366;
/// How long ago a payment may have been.
pub const PAID_DAYS_AGO_MAX: i64 = 366;
/// Most instalments of a plan.
pub const INSTALMENTS_MAX: usize = 24;
/// First hour, local time, at which a callback may be set (domain.md: 07-21).
const CALLBACK_FROM_HOUR: i64 = 7;
/// First hour at which it may not.
const CALLBACK_UNTIL_HOUR: i64 = 21;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// Which codes there are and what each needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeSet {
    /// Name of the set ("OUT-COLL").
    pub id: String,
    /// Its version: a client may cache by (id, version).
    pub version: u16,
    /// The codes, in the order of the set.
    pub codes: Vec<OutcomeRule>,
}

/// One code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeRule {
    /// The code ("RPC_PTP").
    pub code: String,
    /// Who was spoken to.
    pub contact: ContactClass,
    /// What must come with it.
    pub needs: OutcomeNeeds,
    /// Whether a promise may come with it although it is not needed ("BP").
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_promise: bool,
}

/// Who was spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactClass {
    /// The customer.
    RightParty,
    /// Somebody else.
    ThirdParty,
    /// Nobody who counts as a contact.
    NoContact,
}

/// What must come with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeNeeds {
    /// Nothing.
    Nothing,
    /// `promise`.
    Promise,
    /// `paid`.
    Paid,
    /// `amount`.
    Amount,
    /// `schedule`.
    Schedule,
    /// `follow_up_at`.
    FollowUp,
    /// `reason`.
    Reason,
}

/// How the customer is to deal with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cooperation {
    /// Keeps his word.
    Cooperative,
    /// In part.
    Partial,
    /// Does not.
    Uncooperative,
    /// Threatens or insults.
    Hostile,
    /// Never there.
    Unreachable,
    /// Not known.
    Unknown,
}

impl Cooperation {
    /// The word in records and exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cooperative => "COOPERATIVE",
            Self::Partial => "PARTIAL",
            Self::Uncooperative => "UNCOOPERATIVE",
            Self::Hostile => "HOSTILE",
            Self::Unreachable => "UNREACHABLE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Checks `outcome` against the set. Gives the lead's follow-up: the callback's time, or the end of the local day on which the
/// promise or the first instalment is due (the customer has that whole day to pay).
pub fn check(
    outcome: &Outcome,
    set: &OutcomeSet,
    now: UnixMs,
    zone_offset_s: i32,
) -> Result<Option<UnixMs>, Fault> {
    facts_of(outcome, set, now, zone_offset_s).map_err(|fault| fault.of_request(outcome.request))
}

fn facts_of(
    outcome: &Outcome,
    set: &OutcomeSet,
    now: UnixMs,
    zone_offset_s: i32,
) -> Result<Option<UnixMs>, Fault> {
    let Some(rule) = set.codes.iter().find(|rule| rule.code == outcome.code) else {
        return Err(bad("code", format!("not a code of {}", set.id)));
    };
    refuse_strays(outcome, rule)?;
    let local = LocalDay::of(now, zone_offset_s);
    if let Some(note) = &outcome.note {
        at_most("note", note.expose(), NOTE_CHARS_MAX)?;
    }
    if let Some(reason) = &outcome.reason {
        at_most("reason", reason.expose(), REASON_CHARS_MAX)?;
    }
    match rule.needs {
        OutcomeNeeds::Nothing => match &outcome.promise {
            Some(promise) => check_promise(promise, local).map(Some),
            None => Ok(None),
        },
        OutcomeNeeds::Promise => {
            let promise = needed(&outcome.promise, "promise")?;
            check_promise(promise, local).map(Some)
        }
        OutcomeNeeds::Paid => {
            check_paid(needed(&outcome.paid, "paid")?, local)?;
            Ok(None)
        }
        OutcomeNeeds::Amount => {
            check_amount("amount", *needed(&outcome.amount, "amount")?)?;
            Ok(None)
        }
        OutcomeNeeds::Schedule => {
            check_schedule(needed(&outcome.schedule, "schedule")?, local).map(Some)
        }
        OutcomeNeeds::FollowUp => {
            let at = *needed(&outcome.follow_up_at, "follow_up_at")?;
            check_callback(at, now, zone_offset_s).map(Some)
        }
        OutcomeNeeds::Reason => {
            let reason = needed(&outcome.reason, "reason")?;
            if reason.expose().trim().is_empty() {
                return Err(missing("reason"));
            }
            Ok(None)
        }
    }
}

/// A promise beside WRONG_NO is a slip of the hand, and would be lost in silence: refuse it by name.
fn refuse_strays(outcome: &Outcome, rule: &OutcomeRule) -> Result<(), Fault> {
    let strays = [
        (
            "promise",
            outcome.promise.is_some(),
            rule.needs == OutcomeNeeds::Promise || rule.may_promise,
        ),
        (
            "paid",
            outcome.paid.is_some(),
            rule.needs == OutcomeNeeds::Paid,
        ),
        (
            "amount",
            outcome.amount.is_some(),
            rule.needs == OutcomeNeeds::Amount,
        ),
        (
            "schedule",
            outcome.schedule.is_some(),
            rule.needs == OutcomeNeeds::Schedule,
        ),
        (
            "follow_up_at",
            outcome.follow_up_at.is_some(),
            rule.needs == OutcomeNeeds::FollowUp,
        ),
    ];
    for (field, present, welcome) in strays {
        if present && !welcome {
            return Err(bad(field, format!("does not go with {}", rule.code)));
        }
    }
    Ok(())
}

/// Today, where the customer lives.
#[derive(Clone, Copy)]
struct LocalDay {
    /// Days since 1970-01-01.
    today: i64,
    offset_ms: i64,
}

impl LocalDay {
    fn of(now: UnixMs, zone_offset_s: i32) -> Self {
        let offset_ms = i64::from(zone_offset_s) * 1_000;
        LocalDay {
            today: now.0.saturating_add(offset_ms).div_euclid(DAY_MS),
            offset_ms,
        }
    }
    /// Days from today to an ISO date.
    fn days_to(self, field: &str, date: &str) -> Result<i64, Fault> {
        days_since_1970(date)
            .map(|day| day - self.today)
            .ok_or_else(|| bad(field, "a date is written 2026-11-25"))
    }
    /// The end of the day that is `days` ahead.
    fn end_of(self, days: i64) -> UnixMs {
        UnixMs((self.today + days + 1) * DAY_MS - self.offset_ms)
    }
}

/// Only `YYYY-MM-DD`: the parser itself would also take times behind it.
fn days_since_1970(date: &str) -> Option<i64> {
    if date.len() != 10 {
        return None;
    }
    let date: Date = date.parse().ok()?;
    let days = date.since(jiff::civil::date(1970, 1, 1)).ok()?.get_days();
    Some(i64::from(days))
}

fn check_promise(promise: &Promise, local: LocalDay) -> Result<UnixMs, Fault> {
    check_amount("promise.amount", promise.amount)?;
    if let Some(method) = &promise.method {
        at_most("promise.method", method, 40)?;
    }
    let days = local.days_to("promise.due", &promise.due)?;
    within("promise.due", days, 0, DAYS_AHEAD_MAX)?;
    Ok(local.end_of(days))
}

fn check_paid(paid: &Paid, local: LocalDay) -> Result<(), Fault> {
    let days = local.days_to("paid.at", &paid.at)?;
    if days > 0 {
        return Err(bad("paid.at", "lies in the future"));
    }
    if days < -PAID_DAYS_AGO_MAX {
        return Err(bad(
            "paid.at",
            format!("more than {PAID_DAYS_AGO_MAX} days ago"),
        ));
    }
    if paid.method.trim().is_empty() {
        return Err(missing("paid.method"));
    }
    at_most("paid.method", &paid.method, 40)
}

fn check_schedule(schedule: &[Instalment], local: LocalDay) -> Result<UnixMs, Fault> {
    if !(1..=INSTALMENTS_MAX).contains(&schedule.len()) {
        return Err(bad(
            "schedule",
            format!("1 to {INSTALMENTS_MAX} instalments"),
        ));
    }
    let mut first = None;
    let mut last = i64::MIN;
    for (place, instalment) in schedule.iter().enumerate() {
        let due = format!("schedule[{place}].due");
        check_amount(&format!("schedule[{place}].amount"), instalment.amount)?;
        let days = local.days_to(&due, &instalment.due)?;
        let ahead = if place == 0 {
            DAYS_AHEAD_MAX
        } else {
            PLAN_DAYS_AHEAD_MAX
        };
        within(&due, days, 0, ahead)?;
        if days <= last {
            return Err(bad(&due, "instalments stand in the order of their dates"));
        }
        last = days;
        first.get_or_insert(days);
    }
    Ok(local.end_of(first.unwrap_or(0)))
}

fn check_callback(at: i64, now: UnixMs, zone_offset_s: i32) -> Result<UnixMs, Fault> {
    const FIELD: &str = "follow_up_at";
    if at <= now.0 {
        return Err(bad(FIELD, "lies in the past"));
    }
    if at - now.0 > DAYS_AHEAD_MAX * DAY_MS {
        return Err(bad(FIELD, format!("more than {DAYS_AHEAD_MAX} days ahead")));
    }
    let hour = at
        .saturating_add(i64::from(zone_offset_s) * 1_000)
        .rem_euclid(DAY_MS)
        / HOUR_MS;
    if !(CALLBACK_FROM_HOUR..CALLBACK_UNTIL_HOUR).contains(&hour) {
        return Err(bad(
            FIELD,
            "calls are allowed from 07:00 to 21:00 local time",
        ));
    }
    Ok(UnixMs(at))
}

fn check_amount(field: &str, amount: i64) -> Result<(), Fault> {
    if (1..=AMOUNT_MAX).contains(&amount) {
        Ok(())
    } else {
        Err(bad(field, format!("1 to {AMOUNT_MAX}")))
    }
}

fn within(field: &str, days: i64, from: i64, until: i64) -> Result<(), Fault> {
    if days < from {
        Err(bad(field, "lies in the past"))
    } else if days > until {
        Err(bad(field, format!("more than {until} days ahead")))
    } else {
        Ok(())
    }
}

fn at_most(field: &str, text: &str, chars: usize) -> Result<(), Fault> {
    if text.chars().count() <= chars {
        Ok(())
    } else {
        Err(bad(field, format!("at most {chars} characters")))
    }
}

fn needed<'a, T>(value: &'a Option<T>, field: &str) -> Result<&'a T, Fault> {
    value.as_ref().ok_or_else(|| missing(field))
}

fn missing(field: &str) -> Fault {
    Fault::field(ErrorCode::MissingField, field, "needed by this code")
}

fn bad(field: &str, message: impl Into<String>) -> Fault {
    Fault::field(ErrorCode::BadField, field, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AttemptId;
    use crate::pii::Pii;
    use crate::wire::desk::client::CallId;

    /// Monday 2026-11-23 17:21 in Ho Chi Minh City.
    const NOW: UnixMs = UnixMs(1_795_429_262_318);
    const VIETNAM: i32 = 7 * 3_600;

    fn set() -> OutcomeSet {
        let rule = |code: &str, needs, may_promise| OutcomeRule {
            code: code.into(),
            contact: ContactClass::RightParty,
            needs,
            may_promise,
        };
        OutcomeSet {
            id: "OUT-COLL".into(),
            version: 3,
            codes: vec![
                rule("RPC_PTP", OutcomeNeeds::Promise, false),
                rule("RPC_PAID", OutcomeNeeds::Paid, false),
                rule("RPC_PAYNOW", OutcomeNeeds::Amount, false),
                rule("RPC_PARTIAL_PLAN", OutcomeNeeds::Schedule, false),
                rule("RPC_CB", OutcomeNeeds::FollowUp, false),
                rule("RPC_REFUSE", OutcomeNeeds::Reason, false),
                rule("BP", OutcomeNeeds::Nothing, true),
                rule("WRONG_NO", OutcomeNeeds::Nothing, false),
            ],
        }
    }

    fn outcome(code: &str) -> Outcome {
        Outcome {
            request: 5,
            call: CallId(AttemptId(1)),
            code: code.into(),
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

    fn promise(amount: i64, due: &str) -> Option<Promise> {
        Some(Promise {
            amount,
            due: due.into(),
            method: None,
        })
    }

    /// `Ok(follow_up)` or `Err((code, field))`.
    fn said(outcome: Outcome) -> Result<Option<i64>, (&'static str, String)> {
        check(&outcome, &set(), NOW, VIETNAM)
            .map(|at| at.map(|at| at.0))
            .map_err(|fault| {
                assert_eq!(fault.request, Some(5));
                (fault.code.as_str(), fault.field.unwrap_or_default())
            })
    }

    fn refused(code: &'static str, field: &str) -> Result<Option<i64>, (&'static str, String)> {
        Err((code, field.to_owned()))
    }

    #[test]
    fn a_promise_needs_an_amount_and_a_date_from_today_to_sixty_days() {
        let with = |promise| Outcome {
            promise,
            ..outcome("RPC_PTP")
        };
        assert_eq!(said(with(None)), refused("missing_field", "promise"));
        for (amount, due, want) in [
            (0, "2026-11-25", "promise.amount"),
            (-1, "2026-11-25", "promise.amount"),
            (AMOUNT_MAX + 1, "2026-11-25", "promise.amount"),
            (1, "2026-11-22", "promise.due"),
            (1, "2027-01-23", "promise.due"),
            (1, "25/11/2026", "promise.due"),
            (1, "2026-02-30", "promise.due"),
            (1, "2026-11-25T10:00", "promise.due"),
        ] {
            assert_eq!(
                said(with(promise(amount, due))),
                refused("bad_field", want),
                "{amount} {due}"
            );
        }
        // 2026-11-25 ends at 17:00 UTC.
        assert_eq!(
            said(with(promise(3_230_000, "2026-11-25"))),
            Ok(Some(1_795_626_000_000))
        );
        assert!(said(with(promise(1, "2026-11-23"))).is_ok(), "today counts");
        assert!(
            said(with(promise(1, "2027-01-22"))).is_ok(),
            "the sixtieth day counts"
        );
    }

    #[test]
    fn today_is_the_customers_today() {
        // 2026-11-23 17:30 UTC is the 24th in Vietnam: a promise for the 23rd is late there, though not in London.
        let evening = UnixMs(1_795_455_000_000);
        let late = Outcome {
            promise: promise(1, "2026-11-23"),
            ..outcome("RPC_PTP")
        };
        assert!(check(&late, &set(), evening, VIETNAM).is_err());
        assert!(check(&late, &set(), evening, 0).is_ok());
    }

    #[test]
    fn a_callback_lies_ahead_and_between_seven_and_nine_in_the_evening() {
        let at = |follow_up_at| {
            said(Outcome {
                follow_up_at,
                ..outcome("RPC_CB")
            })
        };
        // Midnight of the 24th in Vietnam.
        let midnight = 1_795_453_200_000;
        assert_eq!(at(None), refused("missing_field", "follow_up_at"));
        for wrong in [
            NOW.0,
            0,
            i64::MAX,
            midnight + 7 * HOUR_MS - 1,
            midnight + 21 * HOUR_MS,
            midnight + 62 * DAY_MS + 12 * HOUR_MS,
        ] {
            assert_eq!(
                at(Some(wrong)),
                refused("bad_field", "follow_up_at"),
                "{wrong}"
            );
        }
        for right in [midnight + 7 * HOUR_MS, midnight + 21 * HOUR_MS - 1] {
            assert_eq!(at(Some(right)), Ok(Some(right)));
        }
    }

    #[test]
    fn each_code_asks_for_its_own_and_refuses_the_others() {
        assert_eq!(said(outcome("RPC_PAID")), refused("missing_field", "paid"));
        assert_eq!(
            said(outcome("RPC_PAYNOW")),
            refused("missing_field", "amount")
        );
        assert_eq!(
            said(outcome("RPC_PARTIAL_PLAN")),
            refused("missing_field", "schedule")
        );
        assert_eq!(
            said(outcome("RPC_REFUSE")),
            refused("missing_field", "reason")
        );
        assert_eq!(said(outcome("WRONG_NO")), Ok(None));
        assert_eq!(said(outcome("NOT_RECORDED")), refused("bad_field", "code"));
        assert_eq!(
            said(Outcome {
                promise: promise(1, "2026-11-25"),
                ..outcome("WRONG_NO")
            }),
            refused("bad_field", "promise")
        );
        assert_eq!(
            said(Outcome {
                reason: Some(Pii::new("  ".into())),
                ..outcome("RPC_REFUSE")
            }),
            refused("missing_field", "reason")
        );
        assert!(matches!(
            said(Outcome {
                promise: promise(1, "2026-11-25"),
                ..outcome("BP")
            }),
            Ok(Some(_))
        ));
        assert_eq!(said(outcome("BP")), Ok(None));
    }

    #[test]
    fn a_payment_lies_in_the_past_and_a_plan_in_the_order_of_its_dates() {
        let paid = |at: &str| {
            said(Outcome {
                paid: Some(Paid {
                    at: at.into(),
                    method: "MOMO".into(),
                }),
                ..outcome("RPC_PAID")
            })
        };
        assert_eq!(paid("2026-11-23"), Ok(None));
        assert_eq!(paid("2026-11-24"), refused("bad_field", "paid.at"));
        assert_eq!(paid("2020-01-01"), refused("bad_field", "paid.at"));
        let plan = |dates: &[&str]| {
            said(Outcome {
                schedule: Some(
                    dates
                        .iter()
                        .map(|due| Instalment {
                            due: (*due).into(),
                            amount: 1_000_000,
                        })
                        .collect(),
                ),
                ..outcome("RPC_PARTIAL_PLAN")
            })
        };
        assert_eq!(
            plan(&["2026-11-25", "2027-06-25"]),
            Ok(Some(1_795_626_000_000))
        );
        assert_eq!(
            plan(&["2026-12-25", "2026-11-25"]),
            refused("bad_field", "schedule[1].due")
        );
        assert_eq!(plan(&[]), refused("bad_field", "schedule"));
        assert_eq!(
            plan(&["2027-06-25"]),
            refused("bad_field", "schedule[0].due")
        );
    }

    #[test]
    fn a_note_is_counted_in_characters_not_in_bytes() {
        let note = |chars: usize| {
            said(Outcome {
                note: Some(Pii::new("ễ".repeat(chars))),
                ..outcome("WRONG_NO")
            })
        };
        assert_eq!(note(NOTE_CHARS_MAX), Ok(None));
        assert_eq!(note(NOTE_CHARS_MAX + 1), refused("bad_field", "note"));
    }
}
