//! The columns of a CSV list: their names, what stands in them, and where in a lead it goes. Knows no record.

use crate::shell::store::records::fields;
use crate::wire::desk::facts::CustomerFacts;
use serde_json::Value;
use std::collections::BTreeMap;

/// Columns of a file at most.
pub const COLUMNS_MAX: usize = 256;
/// A field of the facts, and what may stand in its cell.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// Words.
    Text(fn(&mut CustomerFacts) -> &mut String),
    /// Words, or nothing.
    Words(fn(&mut CustomerFacts) -> &mut Option<String>),
    /// Words, separated by `|`.
    List(fn(&mut CustomerFacts) -> &mut Vec<String>),
    /// A whole number up to 255.
    Tiny(fn(&mut CustomerFacts) -> &mut u8),
    /// A whole number up to 65,535.
    Small(fn(&mut CustomerFacts) -> &mut u16),
    /// A whole number.
    Amount(fn(&mut CustomerFacts) -> &mut i64),
    /// A whole number, or nothing.
    MaybeAmount(fn(&mut CustomerFacts) -> &mut Option<i64>),
    /// A number.
    Share(fn(&mut CustomerFacts) -> &mut f32),
    /// A JSON object.
    Cards(fn(&mut CustomerFacts) -> &mut BTreeMap<String, Value>),
}

/// Columns that are not facts.
pub const LEAD_COLUMNS: [&str; 9] = [
    "campaign",
    "cif",
    "name",
    "number",
    "zone",
    "priority",
    "not_before",
    "needs",
    "reserved_for",
];

/// Columns of facts: the path in [`CustomerFacts`], and the field there.
pub(super) const FACT_COLUMNS: [(&str, Slot); 48] = [
    ("salutation", Slot::Words(|facts| &mut facts.salutation)),
    ("kind", Slot::Words(|facts| &mut facts.kind)),
    ("segment", Slot::Words(|facts| &mut facts.segment)),
    ("phone_label", Slot::Words(|facts| &mut facts.phone_label)),
    ("verify", Slot::List(|facts| &mut facts.verify)),
    ("greeting", Slot::Words(|facts| &mut facts.greeting)),
    ("why", Slot::Words(|facts| &mut facts.why)),
    ("care", Slot::List(|facts| &mut facts.care)),
    (
        "loan.count",
        Slot::Tiny(|facts| &mut facts.loan.get_or_insert_default().count),
    ),
    (
        "loan.account",
        Slot::Text(|facts| &mut facts.loan.get_or_insert_default().account),
    ),
    (
        "loan.product",
        Slot::Text(|facts| &mut facts.loan.get_or_insert_default().product),
    ),
    (
        "loan.days_past_due",
        Slot::Small(|facts| &mut facts.loan.get_or_insert_default().days_past_due),
    ),
    (
        "loan.bucket",
        Slot::Text(|facts| &mut facts.loan.get_or_insert_default().bucket),
    ),
    (
        "loan.due",
        Slot::Amount(|facts| &mut facts.loan.get_or_insert_default().due),
    ),
    (
        "loan.outstanding",
        Slot::Amount(|facts| &mut facts.loan.get_or_insert_default().outstanding),
    ),
    (
        "loan.minimum_to_cure",
        Slot::MaybeAmount(|facts| &mut facts.loan.get_or_insert_default().minimum_to_cure),
    ),
    (
        "loan.next_roll",
        Slot::Words(|facts| &mut facts.loan.get_or_insert_default().next_roll),
    ),
    (
        "loan.currency",
        Slot::Text(|facts| &mut facts.loan.get_or_insert_default().currency),
    ),
    (
        "risk.class",
        Slot::Text(|facts| &mut facts.risk.get_or_insert_default().class),
    ),
    (
        "risk.score",
        Slot::Tiny(|facts| &mut facts.risk.get_or_insert_default().score),
    ),
    (
        "risk.archetype",
        Slot::Words(|facts| &mut facts.risk.get_or_insert_default().archetype),
    ),
    (
        "risk.flags",
        Slot::List(|facts| &mut facts.risk.get_or_insert_default().flags),
    ),
    (
        "last_contact.at",
        Slot::Text(|facts| &mut facts.last_contact.get_or_insert_default().at),
    ),
    (
        "last_contact.channel",
        Slot::Text(|facts| &mut facts.last_contact.get_or_insert_default().channel),
    ),
    (
        "last_contact.outcome",
        Slot::Text(|facts| &mut facts.last_contact.get_or_insert_default().outcome),
    ),
    (
        "last_contact.by",
        Slot::Words(|facts| &mut facts.last_contact.get_or_insert_default().by),
    ),
    (
        "last_contact.note",
        Slot::Words(|facts| &mut facts.last_contact.get_or_insert_default().note),
    ),
    (
        "last_payment.at",
        Slot::Text(|facts| &mut facts.last_payment.get_or_insert_default().at),
    ),
    (
        "last_payment.amount",
        Slot::Amount(|facts| &mut facts.last_payment.get_or_insert_default().amount),
    ),
    (
        "last_payment.method",
        Slot::Text(|facts| &mut facts.last_payment.get_or_insert_default().method),
    ),
    (
        "promise.id",
        Slot::Text(|facts| &mut facts.promise.get_or_insert_default().id),
    ),
    (
        "promise.amount",
        Slot::Amount(|facts| &mut facts.promise.get_or_insert_default().amount),
    ),
    (
        "promise.due",
        Slot::Text(|facts| &mut facts.promise.get_or_insert_default().due),
    ),
    (
        "promise.state",
        Slot::Text(|facts| &mut facts.promise.get_or_insert_default().state),
    ),
    (
        "promise.kept",
        Slot::Small(|facts| &mut facts.promise.get_or_insert_default().kept),
    ),
    (
        "promise.broken",
        Slot::Small(|facts| &mut facts.promise.get_or_insert_default().broken),
    ),
    (
        "script.id",
        Slot::Text(|facts| &mut facts.script.get_or_insert_default().id),
    ),
    (
        "script.version",
        Slot::Small(|facts| &mut facts.script.get_or_insert_default().version),
    ),
    (
        "script.opening",
        Slot::Words(|facts| &mut facts.script.get_or_insert_default().opening),
    ),
    (
        "script.required",
        Slot::List(|facts| &mut facts.script.get_or_insert_default().required),
    ),
    (
        "script.objections",
        Slot::List(|facts| &mut facts.script.get_or_insert_default().objections),
    ),
    (
        "mood.cooperation",
        Slot::Text(|facts| &mut facts.mood.get_or_insert_default().cooperation),
    ),
    (
        "mood.reliability",
        Slot::Share(|facts| &mut facts.mood.get_or_insert_default().reliability),
    ),
    (
        "mood.preference",
        Slot::Words(|facts| &mut facts.mood.get_or_insert_default().preference),
    ),
    (
        "mood.best_hours",
        Slot::Words(|facts| &mut facts.mood.get_or_insert_default().best_hours),
    ),
    (
        "mood.hardship",
        Slot::Tiny(|facts| &mut facts.mood.get_or_insert_default().hardship),
    ),
    (
        "mood.disputes",
        Slot::Tiny(|facts| &mut facts.mood.get_or_insert_default().disputes),
    ),
    ("expansion", Slot::Cards(|facts| &mut facts.expansion)),
];

/// Where a column goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Lead(usize),
    Fact(usize),
}

/// The columns of a CSV file.
#[derive(Clone, Debug)]
pub struct Header(pub(super) Vec<Target>);

impl Header {
    /// Reads the header record. A name that is unknown or twice there is refused: a misspelt column must not be lost silently.
    pub fn read(record: &[u8], delimiter: u8) -> Result<Self, String> {
        let fields = fields(record, delimiter);
        if fields.len() > COLUMNS_MAX {
            return Err(format!(
                "{} columns, at most {COLUMNS_MAX} are read",
                fields.len()
            ));
        }
        let mut targets = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let name = std::str::from_utf8(field)
                .map_err(|_| "the header is not UTF-8".to_owned())?
                .trim()
                .to_ascii_lowercase();
            let lead = LEAD_COLUMNS.iter().position(|column| *column == name);
            let fact = FACT_COLUMNS.iter().position(|(column, _)| *column == name);
            targets.push(match (lead, fact) {
                (Some(index), _) => Target::Lead(index),
                (None, Some(index)) => Target::Fact(index),
                // A file without a header has a borrower there: only what looks like a column's name is repeated.
                (None, None) if is_column_like(&name) => {
                    return Err(format!("column {name:?} is not known"));
                }
                (None, None) => return Err(format!("column {} is not known", index + 1)),
            });
            if seen.contains(&name) {
                return Err(format!("column {name:?} is there twice"));
            }
            seen.push(name);
        }
        for needed in ["cif", "number"] {
            if !seen.iter().any(|name| name == needed) {
                return Err(format!("column {needed:?} is missing"));
            }
        }
        Ok(Header(targets))
    }
}

fn is_column_like(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.';
    (1..=40).contains(&name.len()) && name.bytes().all(plain)
}

impl Slot {
    /// Puts a cell's words into the facts. `path` is the column's name, for the reason why they do not fit.
    pub(super) fn put(
        self,
        facts: &mut CustomerFacts,
        path: &str,
        cell: &str,
    ) -> Result<(), String> {
        match self {
            Slot::Text(field) => cell.clone_into(field(facts)),
            Slot::Words(field) => *field(facts) = Some(cell.to_owned()),
            Slot::List(field) => {
                *field(facts) = cell
                    .split('|')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(str::to_owned)
                    .collect();
            }
            Slot::Tiny(field) => *field(facts) = whole(path, cell)?,
            Slot::Small(field) => *field(facts) = whole(path, cell)?,
            Slot::Amount(field) => *field(facts) = whole(path, cell)?,
            Slot::MaybeAmount(field) => *field(facts) = Some(whole(path, cell)?),
            Slot::Share(field) => {
                *field(facts) = cell
                    .parse::<f32>()
                    .ok()
                    .filter(|number| number.is_finite())
                    .ok_or_else(|| format!("{path} is not a number"))?;
            }
            Slot::Cards(field) => {
                *field(facts) = serde_json::from_str(cell)
                    .map_err(|_| format!("{path} is not a JSON object"))?;
            }
        }
        Ok(())
    }
}

fn whole<T: TryFrom<i64>>(path: &str, cell: &str) -> Result<T, String> {
    let number: i64 = cell
        .parse()
        .map_err(|_| format!("{path} is not a whole number"))?;
    T::try_from(number).map_err(|_| format!("{path} is out of range"))
}
