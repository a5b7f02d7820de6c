//! The first card: what decides the first sentence, and what must not be said. Staged as ready bytes while the phone rings.
//!
//! Owns the budget: with its envelope a card takes at most 2,048 bytes, whatever the importer brought. Never drops identity or
//! flags. The body is a JSON object without its opening brace, so that an envelope can be put in front without serialising again.

use crate::wire::desk::client::CardName;
use crate::wire::desk::expansion;
use crate::wire::desk::facts::{
    ContactFacts, CustomerFacts, LoanFacts, MoodFacts, PaymentFacts, PromiseFacts, RiskFacts,
    ScriptFacts,
};
use crate::wire::desk::server::ENVELOPE_BYTES_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Most bytes of a first card with its envelope (domain.md: two TCP segments).
pub const CARD_BYTES_MAX: usize = 2_048;
/// Most bytes of a staged body.
pub const BODY_BYTES_MAX: usize = CARD_BYTES_MAX - ENVELOPE_BYTES_MAX;

/// What the campaign adds to a person's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardContext {
    /// Name of the campaign ("PL-B2-HCM").
    pub campaign: String,
    /// Why people are called, where the lead brings no reason of its own.
    pub why: Option<String>,
    /// How the call came about: "auto", "preview", "manual".
    pub mode: String,
    /// Name and version of the outcome set.
    pub outcome_set: (String, u16),
    /// Codes for quick buttons, at most 6.
    pub hot: Vec<String>,
    /// After-call work, in seconds.
    pub wrap_s: u16,
    /// Country code of national numbers, with "+" ("+84"): such numbers are shown as people say them.
    pub home_prefix: String,
}

/// The first card, without its envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CardBody {
    /// `false`: only identity and flags are here, the rest follows as a `card` message. Absent: complete.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub complete: bool,
    /// Why this call.
    pub campaign: CardCampaign,
    /// Who it is.
    pub customer: CardCustomer,
    /// The loan that the call is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loan: Option<LoanFacts>,
    /// Risk and alert flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskFacts>,
    /// What must not be said or done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub care: Vec<String>,
    /// The first sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeting: Option<String>,
    /// The last promise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise: Option<PromiseFacts>,
    /// The last interaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<ContactFacts>,
    /// The last payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_payment: Option<PaymentFacts>,
    /// Which script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptFacts>,
    /// What to press afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<CardActions>,
    /// How the customer is to deal with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mood: Option<MoodFacts>,
    /// Cards that can be asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<CardName>,
    /// Parts left out for size; `expand` with `customer` brings them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Part>,
}

/// Why this call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CardCampaign {
    /// Name of the campaign.
    pub id: String,
    /// Why this person is called today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// "auto", "preview", "manual".
    pub mode: String,
}

/// Who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CardCustomer {
    /// Customer number of the bank.
    pub cif: String,
    /// Full name.
    pub name: String,
    /// Form of address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salutation: Option<String>,
    /// "INDIVIDUAL" or "ORGANIZATION".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Customer segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// Label of the dialled number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_label: Option<String>,
    /// The dialled number, masked ("09*****412").
    pub phone: String,
    /// What to ask before debt is discussed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<String>,
}

/// What to press afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CardActions {
    /// Name of the outcome set.
    pub outcome_set: String,
    /// Its version.
    pub version: u16,
    /// Codes for quick buttons.
    pub hot: Vec<String>,
    /// After-call work, in seconds.
    pub wrap_s: u16,
}

/// A part that can be left out for size, in the order in which parts go. The first four are domain.md's; the others follow
/// from "what decides the first sentence and what must not be said" read backwards.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// `last_contact.note`.
    Note,
    /// `greeting`.
    Greeting,
    /// `script.objections`.
    Objections,
    /// Sentences in `care`; codes stay.
    CareText,
    /// `mood`.
    Mood,
    /// `last_payment`.
    LastPayment,
    /// `last_contact`.
    LastContact,
    /// `actions.hot`: the whole set is in `welcome`.
    Hot,
    /// `campaign.why`.
    Why,
    /// `promise`.
    Promise,
    /// `script`.
    Script,
    /// `loan`.
    Loan,
    /// `customer.kind`, `segment`, `phone_label`, `verify`.
    CustomerDetail,
    /// `care` as a whole.
    Care,
    /// `risk` but its flags.
    RiskDetail,
    /// Flags beyond the tenth, or longer than 24 characters. Never left out whole.
    FlagsShortened,
}

impl Part {
    /// All parts that a card may lose, first to go first.
    pub const ORDER: [Part; 15] = [
        Self::Note,
        Self::Greeting,
        Self::Objections,
        Self::CareText,
        Self::Mood,
        Self::LastPayment,
        Self::LastContact,
        Self::Hot,
        Self::Why,
        Self::Promise,
        Self::Script,
        Self::Loan,
        Self::CustomerDetail,
        Self::Care,
        Self::RiskDetail,
    ];
}

/// A body, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct StagedBody {
    /// A JSON object without its opening brace.
    pub text: String,
    /// What was left out for size.
    pub dropped: Vec<Part>,
}

const fn yes() -> bool {
    true
}

/// Builds the first card's body. At most [`BODY_BYTES_MAX`] bytes, whatever the facts are.
pub fn stage(facts: CustomerFacts, e164: &str, context: &CardContext) -> StagedBody {
    let mut body = whole(facts, e164, context, &Bounds::FIRST);
    let mut text = written(&body);
    let order = Part::ORDER.iter();
    for part in order {
        if text.len() <= BODY_BYTES_MAX {
            break;
        }
        if without(&mut body, *part) {
            body.dropped.push(*part);
            text = written(&body);
        }
    }
    debug_assert!(text.len() <= BODY_BYTES_MAX, "identity and flags fit");
    StagedBody {
        text,
        dropped: body.dropped,
    }
}

/// Identity and flags only: what goes out at once where the staged body is not ready at the answer.
pub fn minimal(facts: CustomerFacts, e164: &str, context: &CardContext) -> StagedBody {
    let mut body = whole(facts, e164, context, &Bounds::FIRST);
    body.complete = false;
    for part in Part::ORDER {
        without(&mut body, part);
    }
    body.actions = None;
    body.dropped.clear();
    StagedBody {
        text: written(&body),
        dropped: Vec::new(),
    }
}

/// The whole card with nothing left out, for `expand`; longer texts than on the first card.
pub fn full(facts: CustomerFacts, e164: &str, context: &CardContext) -> CardBody {
    whole(facts, e164, context, &Bounds::EXPANDED)
}

/// The number as an agent may see it: "+84900000412" with home prefix "+84" is "09*****412".
pub fn masked_phone(e164: &str, home_prefix: &str) -> String {
    let shown = match e164.strip_prefix(home_prefix) {
        Some(rest) if !home_prefix.is_empty() => format!("0{rest}"),
        _ => e164.to_owned(),
    };
    let digits: Vec<char> = shown.chars().take(20).collect();
    // Of a short number, three and two digits would be most of it.
    let (head, tail) = if digits.len() >= 8 { (2, 3) } else { (0, 2) };
    digits
        .iter()
        .enumerate()
        .map(|(place, digit)| {
            if place < head || place + tail >= digits.len() {
                *digit
            } else {
                '*'
            }
        })
        .collect()
}

/// Longest texts, in characters. Above them a text ends in "…".
struct Bounds {
    name: usize,
    why: usize,
    greeting: usize,
    note: usize,
    care: usize,
    list: usize,
}

impl Bounds {
    /// domain.md section 1: why and note are short, a name has at most 60 characters (80 leaves room for a wrong one).
    const FIRST: Bounds = Bounds {
        name: 80,
        why: 80,
        greeting: 300,
        note: 120,
        care: 80,
        list: 10,
    };
    const EXPANDED: Bounds = Bounds {
        name: 200,
        why: 400,
        greeting: 600,
        note: 1_000,
        care: 200,
        list: 16,
    };
}

/// Longest code or short word, in characters.
const CODE_CHARS_MAX: usize = 24;

fn whole(facts: CustomerFacts, e164: &str, context: &CardContext, bounds: &Bounds) -> CardBody {
    let more = expansion::available(&facts);
    let mut dropped = Vec::new();
    let risk = facts.risk.map(|risk| {
        if risk.flags.len() > bounds.list
            || risk
                .flags
                .iter()
                .any(|flag| flag.chars().count() > CODE_CHARS_MAX)
        {
            dropped.push(Part::FlagsShortened);
        }
        RiskFacts {
            class: code(risk.class),
            score: risk.score,
            archetype: risk.archetype.map(code),
            flags: codes(risk.flags, bounds),
        }
    });
    CardBody {
        complete: true,
        campaign: CardCampaign {
            id: code(context.campaign.clone()),
            why: facts
                .why
                .or_else(|| context.why.clone())
                .map(|why| clipped(why, bounds.why)),
            mode: code(context.mode.clone()),
        },
        customer: CardCustomer {
            cif: code(facts.cif),
            name: clipped(facts.name, bounds.name),
            salutation: facts.salutation.map(|word| clipped(word, 16)),
            kind: facts.kind.map(code),
            segment: facts.segment.map(code),
            phone_label: facts.phone_label.map(code),
            phone: masked_phone(e164, &context.home_prefix),
            verify: codes(facts.verify, bounds),
        },
        loan: facts.loan.map(|loan| LoanFacts {
            account: code(loan.account),
            product: code(loan.product),
            bucket: code(loan.bucket),
            next_roll: loan.next_roll.map(code),
            currency: code(loan.currency),
            ..loan
        }),
        risk,
        care: facts
            .care
            .into_iter()
            .take(bounds.list)
            .map(|care| clipped(care, bounds.care))
            .collect(),
        greeting: facts
            .greeting
            .map(|greeting| clipped(greeting, bounds.greeting)),
        promise: facts.promise.map(|promise| PromiseFacts {
            id: code(promise.id),
            due: code(promise.due),
            state: code(promise.state),
            ..promise
        }),
        last_contact: facts.last_contact.map(|contact| ContactFacts {
            at: code(contact.at),
            channel: code(contact.channel),
            outcome: code(contact.outcome),
            by: contact.by.map(|by| clipped(by, 40)),
            note: contact.note.map(|note| clipped(note, bounds.note)),
        }),
        last_payment: facts.last_payment.map(|payment| PaymentFacts {
            at: code(payment.at),
            method: code(payment.method),
            ..payment
        }),
        script: facts.script.map(|script| ScriptFacts {
            id: code(script.id),
            opening: script.opening.map(|opening| clipped(opening, 40)),
            required: codes(script.required, bounds),
            objections: codes(script.objections, bounds),
            ..script
        }),
        actions: Some(CardActions {
            outcome_set: code(context.outcome_set.0.clone()),
            version: context.outcome_set.1,
            hot: context.hot.iter().take(6).cloned().map(code).collect(),
            wrap_s: context.wrap_s,
        }),
        mood: facts.mood.map(|mood| MoodFacts {
            cooperation: code(mood.cooperation),
            preference: mood.preference.map(code),
            best_hours: mood.best_hours.map(code),
            ..mood
        }),
        more,
        dropped,
    }
}

/// Leaves a part out; `false` if it was not there.
fn without(body: &mut CardBody, part: Part) -> bool {
    fn gone<T>(part: &mut Option<T>) -> bool {
        part.take().is_some()
    }
    fn emptied<T>(part: &mut Vec<T>) -> bool {
        !std::mem::take(part).is_empty()
    }
    match part {
        Part::Note => body
            .last_contact
            .as_mut()
            .is_some_and(|last| gone(&mut last.note)),
        Part::Greeting => gone(&mut body.greeting),
        Part::Objections => body
            .script
            .as_mut()
            .is_some_and(|script| emptied(&mut script.objections)),
        Part::CareText => {
            let before = body.care.len();
            body.care.retain(|care| is_code(care));
            body.care.len() < before
        }
        Part::Mood => gone(&mut body.mood),
        Part::LastPayment => gone(&mut body.last_payment),
        Part::LastContact => gone(&mut body.last_contact),
        Part::Hot => body
            .actions
            .as_mut()
            .is_some_and(|actions| emptied(&mut actions.hot)),
        Part::Why => gone(&mut body.campaign.why),
        Part::Promise => gone(&mut body.promise),
        Part::Script => gone(&mut body.script),
        Part::Loan => gone(&mut body.loan),
        Part::CustomerDetail => {
            let customer = &mut body.customer;
            gone(&mut customer.kind)
                | gone(&mut customer.segment)
                | gone(&mut customer.phone_label)
                | emptied(&mut customer.verify)
        }
        Part::Care => emptied(&mut body.care),
        Part::RiskDetail => body.risk.as_mut().is_some_and(|risk| {
            let was = !risk.class.is_empty() || risk.archetype.is_some();
            risk.class.clear();
            risk.archetype = None;
            was
        }),
        Part::FlagsShortened => false,
    }
}

/// The object without its opening brace.
fn written(body: &CardBody) -> String {
    let mut text = serde_json::to_string(body).expect("plain structures with text keys serialise");
    text.remove(0);
    text
}

fn is_code(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn code(text: String) -> String {
    clipped(text, CODE_CHARS_MAX)
}

fn codes(list: Vec<String>, bounds: &Bounds) -> Vec<String> {
    list.into_iter().take(bounds.list).map(code).collect()
}

/// Composed form (a decomposed "ễ" is three characters and breaks when cut), no control characters (each would take six bytes
/// and none belongs on a card), at most `chars` characters.
fn clipped(text: String, chars: usize) -> String {
    let composed = match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text,
        _ => text.nfc().collect(),
    };
    if composed.chars().count() <= chars && !composed.contains(char::is_control) {
        return composed;
    }
    let clean: Vec<char> = composed.chars().filter(|c| !c.is_control()).collect();
    if clean.len() <= chars {
        return clean.into_iter().collect();
    }
    let mut kept: String = clean[..chars.saturating_sub(1)].iter().collect();
    kept.push('…');
    kept
}

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
