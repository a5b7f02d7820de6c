//! Reads a TOML table key by key, and remembers what was asked: what is left over is an unknown key.
//!
//! Owns types, ranges and places of values. Never stops at a fault: it notes it, goes on with the default, and the whole
//! file fails at the end.

use super::faults::{Fault, nearest, place};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where faults are gathered, with the text that places them.
pub(crate) struct Sink<'t> {
    text: &'t str,
    faults: Vec<(usize, Fault)>,
    known: BTreeSet<String>,
    places: BTreeMap<String, usize>,
}

impl<'t> Sink<'t> {
    /// An empty sink for this text.
    pub(crate) fn new(text: &'t str) -> Self {
        Sink {
            text,
            faults: Vec::new(),
            known: BTreeSet::new(),
            places: BTreeMap::new(),
        }
    }

    /// Notes a fault at a byte offset.
    pub(crate) fn fault(&mut self, at: usize, key: String, what: String, expected: Option<String>) {
        self.guess(at, key, what, expected, None);
    }

    /// Notes a fault with the nearest valid word.
    pub(crate) fn guess(
        &mut self,
        at: usize,
        key: String,
        what: String,
        expected: Option<String>,
        did_you_mean: Option<String>,
    ) {
        let (line, column) = place(self.text, at);
        self.faults.push((
            at,
            Fault {
                line,
                column,
                key,
                what,
                expected,
                did_you_mean,
            },
        ));
    }

    /// All faults in the order of the file.
    pub(crate) fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|(at, _)| *at);
        self.faults.into_iter().map(|(_, fault)| fault).collect()
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// Byte offset of every key that was asked for, by its path with indices; where it is not written, of its table.
    pub(crate) fn into_places(self) -> BTreeMap<String, usize> {
        self.places
    }

    /// Every key that was asked for, without indices ("trunks.name").
    #[cfg(test)]
    pub(crate) fn known(&self) -> &BTreeSet<String> {
        &self.known
    }
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    /// The value.
    pub(crate) value: T,
    /// Byte offset in the file.
    pub(crate) at: usize,
}

/// A table that is being read.
pub(crate) struct Section<'t> {
    table: Option<&'t DeTable<'t>>,
    at: usize,
    path: String,
    pattern: String,
    asked: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// The file's own table.
    pub(crate) fn root(table: &'t DeTable<'t>) -> Self {
        Section {
            table: Some(table),
            at: 0,
            path: String::new(),
            pattern: String::new(),
            asked: Vec::new(),
        }
    }

    /// The key with its path.
    pub(crate) fn name(&self, key: &str) -> String {
        join(&self.path, key)
    }

    fn value(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
    ) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.push(key);
        sink.known.insert(join(&self.pattern, key));
        sink.places.insert(self.name(key), self.place_of(key));
        self.table.and_then(|table| table.get(key))
    }

    /// Whether the key is written here. Does not count as asking for it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Byte offset of a key's value, or of the table's head where it is absent.
    pub(crate) fn place_of(&self, key: &str) -> usize {
        self.table
            .and_then(|table| table.get(key))
            .map_or(self.at, |value| value.span().start)
    }

    /// Byte offset of a key's value inside a table of this one; `None` where it is not written.
    pub(crate) fn place_inside(&self, room: &str, key: &str) -> Option<usize> {
        let inner = self.table?.get(room)?.get_ref().as_table()?;
        Some(inner.get(key)?.span().start)
    }

    /// Notes a fault of a key that may be absent.
    pub(crate) fn fault(&self, sink: &mut Sink<'_>, key: &str, what: String, expected: &str) {
        sink.fault(
            self.place_of(key),
            self.name(key),
            what,
            (!expected.is_empty()).then(|| expected.to_owned()),
        );
    }

    /// A whole number within `range`; `of` is its unit.
    pub(crate) fn whole(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
        range: RangeInclusive<u64>,
        of: &str,
        default: u64,
    ) -> u64 {
        let Some(value) = self.value(sink, key) else {
            return default;
        };
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|digits| i128::from_str_radix(digits.as_str(), digits.radix()).ok());
        match number.and_then(|number| u64::try_from(number).ok()) {
            Some(number) if range.contains(&number) => number,
            _ => {
                let (least, most) = range.into_inner();
                let expected = format!("a whole number of {of}, {least} to {most}");
                self.fault(sink, key, describe(value.get_ref()), &expected);
                default
            }
        }
    }

    /// A number, whole or with decimals, within `range`; `None` where it is absent or wrong.
    pub(crate) fn decimal(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
        range: RangeInclusive<f64>,
        of: &str,
    ) -> Option<Placed<f64>> {
        let value = self.value(sink, key)?;
        match number_of(value.get_ref()).filter(|number| range.contains(number)) {
            Some(number) => Some(Placed {
                value: number,
                at: value.span().start,
            }),
            None => {
                let (least, most) = range.into_inner();
                let expected = format!("a number of {of}, {least} to {most}");
                self.fault(sink, key, describe(value.get_ref()), &expected);
                None
            }
        }
    }

    /// A length of time in whole seconds.
    pub(crate) fn seconds(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: Duration,
    ) -> Duration {
        Duration::from_secs(self.whole(sink, key, range, "seconds", default.as_secs()))
    }

    /// A length of time in whole milliseconds.
    pub(crate) fn millis(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: Duration,
    ) -> Duration {
        let default = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.whole(sink, key, range, "milliseconds", default))
    }

    /// A length of time in minutes, decimals allowed, or `"never"` (`Some(None)`).
    pub(crate) fn minutes_or_never(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Option<Option<Duration>> {
        let value = self.value(sink, key)?;
        if value.get_ref().as_str() == Some("never") {
            return Some(None);
        }
        match number_of(value.get_ref()).filter(|number| range.contains(number)) {
            Some(minutes) => Some(Some(Duration::from_millis(
                (minutes * 60_000.0).round() as u64
            ))),
            None => {
                let (least, most) = range.into_inner();
                let expected = format!("minutes, {least} to {most}, or \"never\"");
                self.fault(sink, key, describe(value.get_ref()), &expected);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, sink: &mut Sink<'_>, key: &'static str, default: bool) -> bool {
        let Some(value) = self.value(sink, key) else {
            return default;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.fault(sink, key, describe(value.get_ref()), "true or false");
            default
        })
    }

    /// A text; empty ones and control characters are faults.
    pub(crate) fn text(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
        expected: &str,
    ) -> Option<Placed<&'t str>> {
        let value = self.value(sink, key)?;
        let text = value.get_ref().as_str();
        match text.filter(|text| !text.trim().is_empty() && !text.chars().any(char::is_control)) {
            Some(text) => Some(Placed {
                value: text,
                at: value.span().start,
            }),
            None => {
                self.fault(sink, key, describe(value.get_ref()), expected);
                None
            }
        }
    }

    /// A text that must not be shown, not even where it is wrong.
    pub(crate) fn secret(&mut self, sink: &mut Sink<'_>, key: &'static str) -> Option<&'t str> {
        let value = self.value(sink, key)?;
        let text = value.get_ref().as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.fault(
                sink,
                key,
                "is not a text, or is empty".into(),
                "a text in quotes",
            );
        }
        text
    }

    /// A text that `parse` understands.
    pub(crate) fn parsed<T>(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(sink, key, expected)?;
        let parsed = parse(text.value);
        if parsed.is_none() {
            self.fault(sink, key, format!("is \"{}\"", text.value), expected);
        }
        parsed
    }

    /// One of a few words; gives its index.
    pub(crate) fn word(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
        words: &[&str],
        default: usize,
    ) -> usize {
        let expected = words
            .iter()
            .map(|word| format!("\"{word}\""))
            .collect::<Vec<_>>()
            .join(" or ");
        let Some(text) = self.text(sink, key, &expected) else {
            return default;
        };
        words
            .iter()
            .position(|word| *word == text.value)
            .unwrap_or_else(|| {
                sink.guess(
                    text.at,
                    self.name(key),
                    format!("is \"{}\"", text.value),
                    Some(expected),
                    nearest(text.value, words.iter().copied()).map(str::to_owned),
                );
                default
            })
    }

    /// A list of texts; `None` where the key is absent.
    pub(crate) fn texts(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
        expected: &str,
    ) -> Option<Vec<Placed<&'t str>>> {
        let value = self.value(sink, key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.fault(sink, key, describe(value.get_ref()), expected);
            return None;
        };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item
                .get_ref()
                .as_str()
                .filter(|text| !text.trim().is_empty() && !text.chars().any(char::is_control))
            {
                Some(text) => list.push(Placed {
                    value: text,
                    at: item.span().start,
                }),
                None => sink.fault(
                    item.span().start,
                    format!("{}[{index}]", self.name(key)),
                    describe(item.get_ref()),
                    Some(expected.to_owned()),
                ),
            }
        }
        Some(list)
    }

    /// A list of numbers within `range`, as many as `count` says; `None` where the key is absent or wrong.
    pub(crate) fn decimals(
        &mut self,
        sink: &mut Sink<'_>,
        key: &'static str,
        count: RangeInclusive<usize>,
        range: RangeInclusive<f64>,
        of: &str,
    ) -> Option<Vec<f64>> {
        let value = self.value(sink, key)?;
        let (least, most) = (range.start(), range.end());
        let length = match (count.start(), count.end()) {
            (least, most) if least == most => format!("{least}"),
            (least, most) => format!("{least} to {most}"),
        };
        let expected = format!("a list of {length} numbers of {of}, each {least} to {most}");
        let items = value
            .get_ref()
            .as_array()
            .filter(|items| count.contains(&items.len()));
        let Some(items) = items else {
            self.fault(sink, key, describe(value.get_ref()), &expected);
            return None;
        };
        let mut numbers = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match number_of(item.get_ref()).filter(|number| range.contains(number)) {
                Some(number) => numbers.push(number),
                None => sink.fault(
                    item.span().start,
                    format!("{}[{index}]", self.name(key)),
                    describe(item.get_ref()),
                    Some(expected.clone()),
                ),
            }
        }
        (numbers.len() == items.len()).then_some(numbers)
    }

    /// A table of its own; an empty one where it is absent, so that all defaults come from one place.
    pub(crate) fn table(&mut self, sink: &mut Sink<'_>, key: &'static str) -> Section<'t> {
        let value = self.value(sink, key);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (value, table) {
            let expected = format!("a table [{}]", self.name(key));
            self.fault(sink, key, describe(value.get_ref()), &expected);
        }
        Section {
            table,
            at: value.map_or(self.at, |value| value.span().start),
            path: self.name(key),
            pattern: join(&self.pattern, key),
            asked: Vec::new(),
        }
    }

    /// A list of tables.
    pub(crate) fn tables(&mut self, sink: &mut Sink<'_>, key: &'static str) -> Vec<Section<'t>> {
        let Some(value) = self.value(sink, key) else {
            return Vec::new();
        };
        let expected = format!("tables, each as [[{}]] or {{ .. }}", self.name(key));
        let Some(items) = value.get_ref().as_array() else {
            self.fault(sink, key, describe(value.get_ref()), &expected);
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{index}]", self.name(key));
            match item.get_ref().as_table() {
                Some(table) => sections.push(Section {
                    table: Some(table),
                    at: item.span().start,
                    path,
                    pattern: join(&self.pattern, key),
                    asked: Vec::new(),
                }),
                None => sink.fault(
                    item.span().start,
                    path,
                    describe(item.get_ref()),
                    Some(expected.clone()),
                ),
            }
        }
        sections
    }

    /// What nobody asked for is unknown: a misspelt key that is silently ignored costs a shift.
    pub(crate) fn finish(self, sink: &mut Sink<'_>) {
        for key in self.table.into_iter().flat_map(|table| table.keys()) {
            let written: &str = key.get_ref();
            if !self.asked.contains(&written) {
                sink.guess(
                    key.span().start,
                    join(&self.path, written),
                    "is not a known key".into(),
                    None,
                    nearest(written, self.asked.iter().copied()).map(str::to_owned),
                );
            }
        }
    }
}

/// Byte offset of a toml error, for a fault of syntax.
pub(crate) fn syntax_place(span: Option<Range<usize>>) -> usize {
    span.map_or(0, |span| span.start)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn number_of(value: &DeValue<'_>) -> Option<f64> {
    let whole = value
        .as_integer()
        .and_then(|digits| i64::from_str_radix(digits.as_str(), digits.radix()).ok())
        .map(|number| number as f64);
    whole
        .or_else(|| {
            value
                .as_float()
                .and_then(|digits| digits.as_str().parse().ok())
        })
        .filter(|number| number.is_finite())
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.trim().is_empty() => "is an empty text".to_owned(),
        DeValue::String(text) => format!("is the text {:?}", text.as_ref()),
        DeValue::Integer(number) => format!("is {number}"),
        DeValue::Float(number) => format!("is {number}"),
        DeValue::Boolean(flag) => format!("is {flag}"),
        DeValue::Datetime(_) => "is a date or time".to_owned(),
        DeValue::Array(_) => "is a list".to_owned(),
        DeValue::Table(_) => "is a table".to_owned(),
    }
}
