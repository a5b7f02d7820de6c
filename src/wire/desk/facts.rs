//! What is known of a borrower: written by the importer, kept by the store as JSON, shown by the card.
//!
//! Money is in whole units of the currency (VND has no minor unit), dates are ISO 8601. Every part may be absent: a card
//! shows what there is.

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// All facts of one lead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CustomerFacts {
    /// Customer number of the bank.
    pub cif: String,
    /// Full name, NFC.
    pub name: String,
    /// Form of address: "anh", "chị", "cô", "chú", "ông", "bà".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salutation: Option<String>,
    /// "INDIVIDUAL" or "ORGANIZATION".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Customer segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// Label of the dialled number: "MOBILE", "HOME", "WORK", "REFERENCE".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_label: Option<String>,
    /// What to ask before debt is discussed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<String>,
    /// The first sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greeting: Option<String>,
    /// Why this person is called today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The loan that the call is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loan: Option<LoanFacts>,
    /// Risk and alert flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskFacts>,
    /// The last interaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<ContactFacts>,
    /// The last payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_payment: Option<PaymentFacts>,
    /// The last promise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promise: Option<PromiseFacts>,
    /// Special handling: what must not be said or done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub care: Vec<String>,
    /// Which script, by id; texts are cached by the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptFacts>,
    /// Cooperation, reliability, preference, hardship, disputes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mood: Option<MoodFacts>,
    /// Cards on request: "contacts", "references", "loans", "payments", "timeline", "script", each as the client shows it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expansion: BTreeMap<String, Value>,
}

impl CustomerFacts {
    /// Reads all facts, of the expansion cards only which there are (their values are null). Several times faster than reading
    /// everything: the first card is staged for every attempt, and expansion cards are asked for in few calls.
    pub fn outline(text: &str) -> Result<CustomerFacts, serde_json::Error> {
        let Outline {
            cif,
            name,
            salutation,
            kind,
            segment,
            phone_label,
            verify,
            greeting,
            why,
            loan,
            risk,
            last_contact,
            last_payment,
            promise,
            care,
            script,
            mood,
            expansion,
        } = serde_json::from_str(text)?;
        Ok(CustomerFacts {
            cif,
            name,
            salutation,
            kind,
            segment,
            phone_label,
            verify,
            greeting,
            why,
            loan,
            risk,
            last_contact,
            last_payment,
            promise,
            care,
            script,
            mood,
            expansion: expansion
                .into_keys()
                .map(|card| (card, Value::Null))
                .collect(),
        })
    }
}

/// [`CustomerFacts`] field by field, reading past the expansion cards. A field added there must be added here: the test below
/// compares the two, and `outline` does not compile with one missing.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Outline {
    cif: String,
    name: String,
    salutation: Option<String>,
    kind: Option<String>,
    segment: Option<String>,
    phone_label: Option<String>,
    verify: Vec<String>,
    greeting: Option<String>,
    why: Option<String>,
    loan: Option<LoanFacts>,
    risk: Option<RiskFacts>,
    last_contact: Option<ContactFacts>,
    last_payment: Option<PaymentFacts>,
    promise: Option<PromiseFacts>,
    care: Vec<String>,
    script: Option<ScriptFacts>,
    mood: Option<MoodFacts>,
    expansion: BTreeMap<String, IgnoredAny>,
}

/// A loan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoanFacts {
    /// Loans of this customer.
    pub count: u8,
    /// Account.
    pub account: String,
    /// "PERSONAL", "CREDIT_CARD", "MORTGAGE", "AUTO", "CONSUMER_DURABLE", "SME".
    pub product: String,
    /// Days past due.
    pub days_past_due: u16,
    /// "B0".."B6".
    pub bucket: String,
    /// Due now.
    pub due: i64,
    /// Outstanding.
    pub outstanding: i64,
    /// Least payment that keeps the loan in its bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_to_cure: Option<i64>,
    /// When it rolls to the next bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_roll: Option<String>,
    /// ISO 4217.
    pub currency: String,
}

/// Risk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RiskFacts {
    /// "LOW", "MEDIUM", "HIGH".
    pub class: String,
    /// 0..=100.
    pub score: u8,
    /// "AUTONOMOUS", "ISOLATED", "AVOIDANT", "IMPULSIVE".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archetype: Option<String>,
    /// Alert flags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// An interaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContactFacts {
    /// Date.
    pub at: String,
    /// "CALL", "SMS", "EMAIL", "VISIT".
    pub channel: String,
    /// Outcome code.
    pub outcome: String,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A payment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PaymentFacts {
    /// Date.
    pub at: String,
    /// Amount.
    pub amount: i64,
    /// Method.
    pub method: String,
}

/// A promise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PromiseFacts {
    /// Id.
    pub id: String,
    /// Amount.
    pub amount: i64,
    /// Due date.
    pub due: String,
    /// "OPEN", "KEPT", "PARTIAL", "BROKEN", "CANCELLED", "RESCHEDULED".
    pub state: String,
    /// Promises kept so far.
    pub kept: u16,
    /// Promises broken so far.
    pub broken: u16,
}

/// A script, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScriptFacts {
    /// Id.
    pub id: String,
    /// Version.
    pub version: u16,
    /// Opening.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opening: Option<String>,
    /// Statements that must be said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// Objections with prepared answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objections: Vec<String>,
}

/// How the customer is to deal with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MoodFacts {
    /// "COOPERATIVE", "PARTIAL", "UNCOOPERATIVE", "HOSTILE", "UNREACHABLE", "UNKNOWN".
    pub cooperation: String,
    /// 0..=1.
    pub reliability: f32,
    /// Preferred channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preference: Option<String>,
    /// Best hours, "17-20".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_hours: Option<String>,
    /// Open hardship cases.
    pub hardship: u8,
    /// Open disputes.
    pub disputes: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_is_everything_but_the_expansion_cards_contents() {
        let text = include_str!("../../../tests/data/desk/huong.json");
        let mut whole: CustomerFacts = serde_json::from_str(text).expect("well-formed");
        assert_eq!(whole.expansion.len(), 6);
        for card in whole.expansion.values_mut() {
            assert_ne!(card.take(), Value::Null);
        }
        assert_eq!(CustomerFacts::outline(text).expect("well-formed"), whole);
    }

    #[test]
    fn an_outline_refuses_what_the_facts_refuse() {
        for text in [
            "{",
            "7",
            r#"{"nom":"Huong"}"#,
            r#"{"expansion":{"loans":}}"#,
        ] {
            assert!(CustomerFacts::outline(text).is_err(), "{text}");
            assert!(
                serde_json::from_str::<CustomerFacts>(text).is_err(),
                "{text}"
            );
        }
    }
}
