//! The columns of a CSV list: their names, what stands in them, and where in a lead it goes. Knows no record.

use crate::shell::store::records::fields;
use serde_json::{Map, Value};

/// Columns of a file at most.
pub const COLUMNS_MAX: usize = 256;
/// What kind of value a fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Decimal,
    /// Words, separated by `|`.
    List,
    /// JSON.
    Json,
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

/// Columns of facts: the path in [`crate::wire::desk::facts::CustomerFacts`], and what stands there.
pub const FACT_COLUMNS: [(&str, Kind); 48] = [
    ("salutation", Kind::Text),
    ("kind", Kind::Text),
    ("segment", Kind::Text),
    ("phone_label", Kind::Text),
    ("verify", Kind::List),
    ("greeting", Kind::Text),
    ("why", Kind::Text),
    ("care", Kind::List),
    ("loan.count", Kind::Integer),
    ("loan.account", Kind::Text),
    ("loan.product", Kind::Text),
    ("loan.days_past_due", Kind::Integer),
    ("loan.bucket", Kind::Text),
    ("loan.due", Kind::Integer),
    ("loan.outstanding", Kind::Integer),
    ("loan.minimum_to_cure", Kind::Integer),
    ("loan.next_roll", Kind::Text),
    ("loan.currency", Kind::Text),
    ("risk.class", Kind::Text),
    ("risk.score", Kind::Integer),
    ("risk.archetype", Kind::Text),
    ("risk.flags", Kind::List),
    ("last_contact.at", Kind::Text),
    ("last_contact.channel", Kind::Text),
    ("last_contact.outcome", Kind::Text),
    ("last_contact.by", Kind::Text),
    ("last_contact.note", Kind::Text),
    ("last_payment.at", Kind::Text),
    ("last_payment.amount", Kind::Integer),
    ("last_payment.method", Kind::Text),
    ("promise.id", Kind::Text),
    ("promise.amount", Kind::Integer),
    ("promise.due", Kind::Text),
    ("promise.state", Kind::Text),
    ("promise.kept", Kind::Integer),
    ("promise.broken", Kind::Integer),
    ("script.id", Kind::Text),
    ("script.version", Kind::Integer),
    ("script.opening", Kind::Text),
    ("script.required", Kind::List),
    ("script.objections", Kind::List),
    ("mood.cooperation", Kind::Text),
    ("mood.reliability", Kind::Decimal),
    ("mood.preference", Kind::Text),
    ("mood.best_hours", Kind::Text),
    ("mood.hardship", Kind::Integer),
    ("mood.disputes", Kind::Integer),
    ("expansion", Kind::Json),
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

/// The value of a cell.
pub(super) fn value_of(path: &str, kind: Kind, field: &str) -> Result<Value, String> {
    Ok(match kind {
        Kind::Text => Value::from(field),
        Kind::Integer => field
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| format!("{path} is not a whole number"))?,
        Kind::Decimal => field
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Value::from)
            .ok_or_else(|| format!("{path} is not a number"))?,
        Kind::List => field
            .split('|')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(Value::from)
            .collect(),
        Kind::Json => serde_json::from_str(field).map_err(|_| format!("{path} is not JSON"))?,
    })
}

/// Sets "loan.due" within `{"loan":{}}`.
pub(super) fn put(facts: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            facts.insert(path.to_owned(), value);
        }
        Some((part, field)) => {
            let part = facts
                .entry(part)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(part) = part {
                part.insert(field.to_owned(), value);
            }
        }
    }
}
