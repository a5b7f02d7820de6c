//! One record of a list -> one checked lead. Says in words what is wrong with it; writes nothing.
//!
//! Columns and keys are documented in `docs/lead-import.md`; a test compares the two.

use crate::pii::Pii;
use crate::shell::store::cells;
use crate::shell::store::lead_columns::{FACT_COLUMNS, Header, LEAD_COLUMNS, Target};
use crate::shell::store::numbers::NumberReader;
use crate::shell::store::records::fields;
use crate::time::UnixMs;
use crate::wire::desk::facts::CustomerFacts;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Facts of one lead in bytes at most: a card is 2 KB, its expansions 6 KB.
const FACTS_BYTES_MAX: usize = 64 * 1024;

/// A lead as a list brings it, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadRow {
    /// Its campaign's name.
    pub campaign: Arc<str>,
    /// The customer number.
    pub cif: Pii<String>,
    /// The number in E.164.
    pub e164: Pii<String>,
    /// IANA name of the zone.
    pub zone: Arc<str>,
    /// Higher is dialled first.
    pub priority: i32,
    /// Not before this time; `None`: at once.
    pub not_before: Option<UnixMs>,
    /// Skills by name, levels 1..=10.
    pub needs: BTreeMap<String, u8>,
    /// Name of the only agent who may have the call.
    pub reserved_for: Option<String>,
    /// [`CustomerFacts`] as JSON.
    pub facts: Pii<String>,
}

/// What the configuration says about lists.
#[derive(Clone, Debug)]
pub struct ListRules {
    /// Campaigns that exist.
    pub campaigns: Vec<String>,
    /// Skills that exist.
    pub skills: Vec<String>,
    /// Campaign of records that name none.
    pub campaign: Option<String>,
    /// Country of numbers without "+", ISO 3166 ("VN").
    pub country: String,
    /// Zone of records that name none ("Asia/Ho_Chi_Minh").
    pub zone: String,
}

/// Turns records into leads. Remembers zones, and which blocks of numbers there are.
#[derive(Debug)]
pub struct RowReader {
    rules: ListRules,
    campaigns: Vec<Arc<str>>,
    numbers: NumberReader,
    zones: FxHashMap<String, Option<Arc<str>>>,
}

/// A line of JSON Lines.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLead {
    campaign: Option<String>,
    number: String,
    zone: Option<String>,
    #[serde(default)]
    priority: i32,
    not_before: Option<String>,
    #[serde(default)]
    needs: BTreeMap<String, u8>,
    reserved_for: Option<String>,
    facts: CustomerFacts,
}

impl RowReader {
    /// A reader by these rules; fails if the default country or zone is none.
    pub fn new(rules: ListRules) -> Result<Self, String> {
        let mut reader = RowReader {
            numbers: NumberReader::new(&rules.country)?,
            campaigns: rules.campaigns.iter().map(|name| name[..].into()).collect(),
            zones: FxHashMap::default(),
            rules,
        };
        let zone = reader.rules.zone.clone();
        reader.zone(&zone)?;
        Ok(reader)
    }

    /// A lead from a CSV record.
    pub fn csv(
        &mut self,
        header: &Header,
        record: &[u8],
        delimiter: u8,
    ) -> Result<LeadRow, String> {
        let text = text_of(record)?;
        let fields = fields(text.as_bytes(), delimiter);
        if fields.len() != header.0.len() {
            return Err(format!(
                "{} fields, the header has {}",
                fields.len(),
                header.0.len()
            ));
        }
        let mut lead: [&str; LEAD_COLUMNS.len()] = [""; LEAD_COLUMNS.len()];
        let mut facts = CustomerFacts::default();
        for (field, target) in fields.iter().zip(&header.0) {
            // The text was UTF-8 and is cut at ASCII bytes only.
            let field = std::str::from_utf8(field).map_err(|_| "not UTF-8".to_owned())?;
            let field = cells::original(field.trim());
            match target {
                Target::Lead(index) => lead[*index] = field,
                Target::Fact(_) if field.is_empty() => {}
                Target::Fact(index) => {
                    let (path, slot) = FACT_COLUMNS[*index];
                    slot.put(&mut facts, path, field)?;
                }
            }
        }
        let [
            campaign,
            cif,
            name,
            number,
            zone,
            priority,
            not_before,
            needs,
            reserved_for,
        ] = lead;
        cif.clone_into(&mut facts.cif);
        name.clone_into(&mut facts.name);
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.check(JsonLead {
            campaign: some(campaign),
            number: number.to_owned(),
            zone: some(zone),
            priority: match priority {
                "" => 0,
                digits => digits
                    .parse()
                    .map_err(|_| "priority is not a whole number".to_owned())?,
            },
            not_before: some(not_before),
            needs: needs_of(needs)?,
            reserved_for: some(reserved_for),
            facts,
        })
    }

    /// A lead from a line of JSON Lines.
    pub fn json(&mut self, record: &[u8]) -> Result<LeadRow, String> {
        let text = text_of(record)?;
        let lead: JsonLead = serde_json::from_str(&text).map_err(|fault| without_values(&fault))?;
        self.check(lead)
    }

    fn check(&mut self, lead: JsonLead) -> Result<LeadRow, String> {
        let campaign = lead
            .campaign
            .as_ref()
            .or(self.rules.campaign.as_ref())
            .ok_or_else(|| "no campaign".to_owned())?;
        let campaign = self
            .campaigns
            .iter()
            .find(|known| ***known == **campaign)
            .cloned()
            .ok_or_else(|| "no such campaign in the configuration".to_owned())?;
        for (skill, level) in &lead.needs {
            if !self.rules.skills.contains(skill) {
                return Err("needs a skill that is not in the configuration".to_owned());
            }
            if !(1..=10).contains(level) {
                return Err("a skill's level must be 1 to 10".to_owned());
            }
        }
        if lead.facts.cif.is_empty() || lead.facts.cif.len() > 64 {
            return Err("cif is missing or longer than 64 bytes".to_owned());
        }
        let zone = match &lead.zone {
            Some(zone) => self.zone(zone)?,
            None => self.zone(&self.rules.zone.clone())?,
        };
        let not_before = lead
            .not_before
            .as_deref()
            .map(|text| instant_of(text, &zone))
            .transpose()?;
        let facts = serde_json::to_string(&lead.facts).map_err(|fault| without_values(&fault))?;
        if facts.len() > FACTS_BYTES_MAX {
            return Err(format!(
                "facts of {} bytes, at most {FACTS_BYTES_MAX}",
                facts.len()
            ));
        }
        Ok(LeadRow {
            campaign,
            e164: Pii::new(self.number(&lead.number)?),
            cif: Pii::new(lead.facts.cif),
            zone,
            priority: lead.priority,
            not_before,
            needs: lead.needs,
            reserved_for: lead.reserved_for,
            facts: Pii::new(facts),
        })
    }

    /// A number as people write it, in E.164. Only what may be dialled: nothing that could become a part of a URI, no premium
    /// rate, no short code.
    pub fn number(&mut self, written: &str) -> Result<String, String> {
        self.numbers.read(written).map_err(str::to_owned)
    }

    /// The zone's own spelling of its name.
    fn zone(&mut self, name: &str) -> Result<Arc<str>, String> {
        /// Different spellings remembered; the world has about 600 zones.
        const REMEMBERED_MAX: usize = 2_000;
        let known = match self.zones.get(name) {
            Some(known) => known.clone(),
            None => {
                let found = jiff::tz::TimeZone::get(name)
                    .ok()
                    .and_then(|zone| zone.iana_name().map(Arc::from));
                if self.zones.len() < REMEMBERED_MAX && name.len() <= 64 {
                    self.zones.insert(name.to_owned(), found.clone());
                }
                found
            }
        };
        known.ok_or_else(|| "zone is not an IANA time zone (\"Asia/Ho_Chi_Minh\")".to_owned())
    }
}

/// The record as composed Unicode text. Names typed on different machines must compare equal.
fn text_of(record: &[u8]) -> Result<Cow<'_, str>, String> {
    let text = std::str::from_utf8(record).map_err(|_| "not UTF-8".to_owned())?;
    if text.contains('\0') {
        return Err("has a NUL byte".to_owned());
    }
    Ok(
        if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(text.nfc().collect())
        },
    )
}

/// Serde quotes values; a reason in a log or a report must not.
fn without_values(fault: &serde_json::Error) -> String {
    let what = match fault.classify() {
        serde_json::error::Category::Data => {
            // Of data faults only the names of our own fields are repeated.
            let said = fault.to_string();
            return if said.starts_with("unknown field") || said.starts_with("missing field") {
                said
            } else {
                format!("a value has the wrong type (column {})", fault.column())
            };
        }
        serde_json::error::Category::Eof => "ends too early",
        _ => "is not JSON",
    };
    format!("{what} (column {})", fault.column())
}

/// "vietnamese:5|late_stage" as needs; a level that is left out is 1.
fn needs_of(text: &str) -> Result<BTreeMap<String, u8>, String> {
    text.split('|')
        .map(str::trim)
        .filter(|need| !need.is_empty())
        .map(|need| match need.split_once(':') {
            None => Ok((need.to_owned(), 1)),
            Some((skill, level)) => level
                .trim()
                .parse()
                .map(|level| (skill.trim().to_owned(), level))
                .map_err(|_| "a skill's level must be 1 to 10".to_owned()),
        })
        .collect()
}

/// RFC 3339 with an offset, or a date with or without a time in the lead's zone.
fn instant_of(text: &str, zone: &str) -> Result<UnixMs, String> {
    let wrong =
        || "not_before is no time (\"2026-11-25T09:00:00+07:00\", \"2026-11-25 09:00\")".to_owned();
    let millis = match text.parse::<jiff::Timestamp>() {
        Ok(at) => at.as_millisecond(),
        Err(_) => text
            .parse::<jiff::civil::DateTime>()
            .or_else(|_| {
                text.parse::<jiff::civil::Date>()
                    .map(|day| day.to_datetime(jiff::civil::Time::midnight()))
            })
            .and_then(|local| local.in_tz(zone))
            .map_err(|_| wrong())?
            .timestamp()
            .as_millisecond(),
    };
    Ok(UnixMs(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::store::lead_columns::Slot;
    use proptest::prelude::*;

    fn reader() -> RowReader {
        RowReader::new(ListRules {
            campaigns: vec!["PL-B2-HCM".to_owned()],
            skills: vec!["vietnamese".to_owned(), "late_stage".to_owned()],
            campaign: Some("PL-B2-HCM".to_owned()),
            country: "VN".to_owned(),
            zone: "Asia/Ho_Chi_Minh".to_owned(),
        })
        .expect("good rules")
    }

    fn csv(header: &str, record: &str) -> Result<LeadRow, String> {
        let header = Header::read(header.as_bytes(), b',').expect("a good header");
        reader().csv(&header, record.as_bytes(), b',')
    }

    #[test]
    fn a_csv_record_becomes_a_lead_with_its_facts() {
        let lead = csv(
            "cif,name,number,priority,not_before,needs,loan.due,risk.flags,mood.reliability",
            "0021873465,Trần Thị Mai Hương,0900 000 412,7,2026-11-25 09:00,vietnamese:5|late_stage,4860000,BROKEN_PTP|HARDSHIP_HINT,0.4",
        )
        .expect("it is good");
        assert_eq!(lead.e164.expose(), "+84900000412");
        assert_eq!(&*lead.zone, "Asia/Ho_Chi_Minh");
        assert_eq!(lead.not_before, Some(UnixMs(1_795_572_000_000)));
        assert_eq!(lead.needs["vietnamese"], 5);
        assert_eq!(lead.needs["late_stage"], 1);
        let facts: CustomerFacts = serde_json::from_str(lead.facts.expose()).expect("facts");
        assert_eq!(facts.name, "Trần Thị Mai Hương");
        assert_eq!(facts.loan.expect("a loan").due, 4_860_000);
        assert_eq!(facts.risk.expect("a risk").flags.len(), 2);
    }

    #[test]
    fn a_name_in_parts_and_a_name_in_one_are_the_same_name() {
        let apart = "Trần Thị Mai Hương".nfd().collect::<String>();
        let lead = csv("cif,number,name", &format!("1,0900000412,{apart}")).expect("it is good");
        assert!(
            lead.facts.expose().contains("Trần Thị Mai Hương"),
            "not composed"
        );
        let json = format!(r#"{{"number":"0900000412","facts":{{"cif":"1","name":"{apart}"}}}}"#);
        let same = reader().json(json.as_bytes()).expect("it is good");
        assert_eq!(same.facts, lead.facts);
    }

    #[test]
    fn only_numbers_that_may_be_dialled_get_through() {
        let mut reader = reader();
        for (written, e164) in [
            ("+84900000412", "+84900000412"),
            ("'+84900000412", "+84900000412"),
            ("0900.000.412", "+84900000412"),
            ("00 84 900000412", "+84900000412"),
            ("(024) 3825 0000", "+842438250000"),
        ] {
            assert_eq!(reader.number(written).as_deref(), Ok(e164), "{written}");
        }
        for bad in [
            "",
            "113",
            "+84",
            "+1900123456",
            "19001234",
            "+19002345678",
            "0900000412;phone-context=evil",
            "0900000412@evil.example",
            "0900000412\r\nVia: x",
            "0900000412?Route=x",
            "+84 900 000 412 ext 5",
            "tel:0900000412",
            "٠٩٠٠٠٠٠٤١٢",
        ] {
            assert!(reader.number(bad).is_err(), "{bad:?} got through");
        }
    }

    #[test]
    fn every_fault_is_named() {
        for (header, record, reason) in [
            ("cif,number", "1", "fields"),
            ("cif,number", ",0900000412", "cif"),
            ("cif,number,zone", "1,0900000412,Asia/Saigon2", "zone"),
            ("cif,number,loan.due", "1,0900000412,4.860.000", "loan.due"),
            ("cif,number,risk.score", "1,0900000412,4000", "risk.score"),
            ("cif,number,mood.reliability", "1,0900000412,1e300", "mood"),
            ("cif,number,expansion", "1,0900000412,[]", "expansion"),
            ("cif,number,needs", "1,0900000412,klingon", "skill"),
            ("cif,number,needs", "1,0900000412,vietnamese:11", "level"),
            ("cif,number,campaign", "1,0900000412,OTHER", "campaign"),
            (
                "cif,number,not_before",
                "1,0900000412,tomorrow",
                "not_before",
            ),
            ("cif,number", "1,0900\u{0}000412", "NUL"),
        ] {
            let said = csv(header, record).expect_err(record);
            assert!(said.contains(reason), "{record}: {said}");
        }
        let unknown = reader()
            .json(br#"{"number":"0900000412","facts":{"cif":"1","dept":5}}"#)
            .expect_err("it must be refused");
        assert!(unknown.contains("`dept`"), "{unknown}");
        let misspelt = Header::read(b"cif,number,laon.due", b',').expect_err("misspelt");
        assert!(misspelt.contains("laon.due"), "{misspelt}");
        let headless = Header::read(b"0021873465,+84900000412", b',').expect_err("no header");
        assert!(!headless.contains("0021873465"), "{headless}");
        assert!(Header::read(b"cif,cif,number", b',').is_err());
        assert!(Header::read(b"cif", b',').is_err());
    }

    #[test]
    fn a_reason_repeats_no_value() {
        let said = reader()
            .json(br#"{"number":"0900000412","facts":{"cif":"1","loan":{"due":"secret canary"}}}"#)
            .expect_err("it must be refused");
        assert!(!said.contains("canary"), "{said}");
    }

    #[test]
    fn every_fact_column_fits_the_facts() {
        for (path, slot) in FACT_COLUMNS {
            // What stands in the cell, and in the facts.
            let (cell, value) = match slot {
                Slot::Text(_) | Slot::Words(_) => ("x", serde_json::json!("x")),
                Slot::Tiny(_) | Slot::Small(_) => ("7", serde_json::json!(7)),
                Slot::Amount(_) | Slot::MaybeAmount(_) => ("-7", serde_json::json!(-7)),
                Slot::Share(_) => ("0.5", serde_json::json!(0.5)),
                Slot::List(_) => ("a|b", serde_json::json!(["a", "b"])),
                Slot::Cards(_) => (r#""{""a"":1}""#, serde_json::json!({"a": 1})),
            };
            let lead = csv(
                &format!("cif,number,{path}"),
                &format!("1,0900000412,{cell}"),
            )
            .unwrap_or_else(|fault| panic!("{path}: {fault}"));
            let facts: serde_json::Value = serde_json::from_str(lead.facts.expose()).expect("JSON");
            let place = format!("/{}", path.replace('.', "/"));
            assert_eq!(facts.pointer(&place), Some(&value), "{path}: {facts}");
        }
    }

    #[test]
    fn every_column_is_in_the_documentation() {
        let page = include_str!("../../../docs/lead-import.md");
        for column in LEAD_COLUMNS
            .iter()
            .chain(FACT_COLUMNS.iter().map(|(path, _)| path))
        {
            assert!(
                page.contains(&format!("`{column}`")),
                "{column} is not documented"
            );
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_the_importer_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = reader();
            let header = Header::read(b"cif,number,name,zone,priority,not_before,needs,loan.due,expansion", b',')
                .expect("a good header");
            let _ = reader.csv(&header, &bytes, b',');
            let _ = reader.json(&bytes);
            let _ = Header::read(&bytes, b';');
        }

        #[test]
        fn no_field_makes_the_importer_panic(number in "\\PC{0,20}", zone in "\\PC{0,20}", when in "[0-9TZ:+ -]{0,25}", level in "\\PC{0,8}") {
            let line = serde_json::json!({
                "number": number, "zone": zone, "not_before": when, "facts": {"cif": level}
            });
            let _ = reader().json(line.to_string().as_bytes());
            let header = Header::read(b"cif;number;zone;not_before;needs", b';').expect("a good header");
            let _ = reader().csv(&header, format!("1;{number};{zone};{when};a:{level}").as_bytes(), b';');
        }

        #[test]
        fn whatever_number_gets_through_is_plain_e164(number in "[0-9+ ();=@.-]{0,24}") {
            if let Ok(e164) = reader().number(&number) {
                prop_assert!(cells::is_e164(&e164), "{}", e164);
            }
        }
    }
}
