//! Cards on request: contacts, references, loans, payments, timeline, script, each as the importer brought it.
//!
//! Owns their bound: 8,192 bytes with envelope. A list that is longer loses its last (oldest) entries and says so.

use crate::wire::desk::VERSION;
use crate::wire::desk::card::{CardContext, full};
use crate::wire::desk::client::{CallId, CardName};
use crate::wire::desk::facts::CustomerFacts;
use serde_json::Value;

/// Most bytes of a further card with its envelope.
pub const EXPANSION_BYTES_MAX: usize = 8_192;
/// Room for the envelope: its numbers and its longest card name, generously.
const ENVELOPE: usize = 192;

/// Cards beyond the first, with the key under which the importer keeps each.
const NAMES: [(CardName, &str); 6] = [
    (CardName::Contacts, "contacts"),
    (CardName::Loans, "loans"),
    (CardName::Timeline, "timeline"),
    (CardName::Payments, "payments"),
    (CardName::Script, "script"),
    (CardName::References, "references"),
];

/// A card that cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCard {
    /// Nothing is known.
    #[error("nothing is known for this card")]
    Unknown,
    /// One single entry is above the bound.
    #[error("the card is larger than 8,192 bytes")]
    TooLarge,
}

/// A card's body as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpansionBody {
    /// The body.
    pub json: String,
    /// Whether entries were left out for size.
    pub shortened: bool,
}

/// Which cards can be asked for.
pub fn available(facts: &CustomerFacts) -> Vec<CardName> {
    NAMES
        .iter()
        .filter(|(_, key)| facts.expansion.contains_key(*key))
        .map(|(name, _)| *name)
        .collect()
}

/// The body of a card.
pub fn body(
    mut facts: CustomerFacts,
    e164: &str,
    context: &CardContext,
    card: CardName,
) -> Result<ExpansionBody, NoCard> {
    let Some((_, key)) = NAMES.iter().find(|(name, _)| *name == card) else {
        let whole = full(facts, e164, context);
        let json =
            serde_json::to_string(&whole).expect("plain structures with text keys serialise");
        return if json.len() <= EXPANSION_BYTES_MAX - ENVELOPE {
            Ok(ExpansionBody {
                json,
                shortened: false,
            })
        } else {
            Err(NoCard::TooLarge)
        };
    };
    let value = facts.expansion.remove(*key).ok_or(NoCard::Unknown)?;
    bounded(value)
}

/// A `card` message that answers a request.
pub fn encode(
    sequence: u64,
    request: u64,
    call: CallId,
    card: CardName,
    body: &ExpansionBody,
) -> String {
    let name = NAMES
        .iter()
        .find(|(of, _)| *of == card)
        .map_or("customer", |(_, key)| key);
    let shortened = if body.shortened {
        r#""shortened":true,"#
    } else {
        ""
    };
    format!(
        r#"{{"version":{VERSION},"sequence":{sequence},"type":"card","request":{request},"call":"{call}","card":"{name}",{shortened}"body":{}}}"#,
        body.json
    )
}

fn bounded(mut value: Value) -> Result<ExpansionBody, NoCard> {
    let room = EXPANSION_BYTES_MAX - ENVELOPE;
    let text = |value: &Value| value.to_string();
    let json = text(&value);
    if json.len() <= room {
        return Ok(ExpansionBody {
            json,
            shortened: false,
        });
    }
    let Value::Array(entries) = &mut value else {
        return Err(NoCard::TooLarge);
    };
    // Brackets, then each entry with its comma: count once, cut once.
    let mut used = 2;
    let keep = entries
        .iter()
        .take_while(|entry| {
            used += text(entry).len() + 1;
            used <= room
        })
        .count();
    if keep == 0 {
        return Err(NoCard::TooLarge);
    }
    entries.truncate(keep);
    Ok(ExpansionBody {
        json: text(&value),
        shortened: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AttemptId;
    use crate::wire::desk::server::{ServerFrame, ServerMessage};
    use serde_json::json;

    fn context() -> CardContext {
        CardContext {
            campaign: "PL-B2-HCM".into(),
            why: None,
            mode: "auto".into(),
            outcome_set: ("OUT-COLL".into(), 3),
            hot: vec![],
            wrap_s: 25,
            home_prefix: "+84".into(),
        }
    }

    fn facts(timeline: Value) -> CustomerFacts {
        CustomerFacts {
            name: "Trần Thị Mai Hương".into(),
            expansion: [("timeline".to_owned(), timeline)].into(),
            ..CustomerFacts::default()
        }
    }

    #[test]
    fn a_long_timeline_keeps_its_newest_entries_and_says_so() {
        let entries: Vec<Value> = (0..200)
            .map(|id| json!({"id": id, "note": "Khách báo lương về trễ, hẹn thanh toán sau ngày 15"}))
            .collect();
        let body = body(facts(json!(entries)), "", &context(), CardName::Timeline).expect("a card");
        assert!(body.shortened);
        let text = encode(
            1 << 53,
            u64::MAX,
            CallId(AttemptId(u64::MAX)),
            CardName::Timeline,
            &body,
        );
        assert!(text.len() <= EXPANSION_BYTES_MAX, "{}", text.len());
        let frame = ServerFrame::parse(&text).expect("our own message");
        let ServerMessage::Card(card) = frame.message else {
            panic!("not a card: {text}");
        };
        assert!(card.shortened);
        let kept = card.body.as_array().expect("a list").clone();
        assert!(kept.len() > 50, "{}", kept.len());
        assert_eq!(kept, entries[..kept.len()]);
    }

    #[test]
    fn what_is_not_known_is_not_invented() {
        let known = facts(json!([]));
        assert_eq!(available(&known), [CardName::Timeline]);
        assert_eq!(
            body(known, "", &context(), CardName::Loans),
            Err(NoCard::Unknown)
        );
        assert_eq!(
            body(
                facts(json!({"text": "x".repeat(9_000)})),
                "",
                &context(),
                CardName::Timeline
            ),
            Err(NoCard::TooLarge)
        );
    }

    #[test]
    fn the_customer_card_brings_the_whole_first_card_again() {
        let mut known = facts(json!([]));
        known.greeting = Some("ạ".repeat(500));
        let body = body(known, "+84900000412", &context(), CardName::Customer).expect("a card");
        assert!(body.json.contains("09*****412"));
        assert_eq!(body.json.matches('ạ').count(), 500);
    }
}
