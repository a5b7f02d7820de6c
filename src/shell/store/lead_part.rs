//! A part of a list, read and checked, on its way from the thread that reads to the one that writes. Packed, because tens of thousands
//! of leads wait in it; and sorted, because a database that is given its keys in order touches a page once and not once a row. What
//! is written together lies together: to fetch it from all over the memory took the writer a tenth of its time.
//!
//! Where a part ends depends on the file alone: an import that goes on after it was cut off finds the same parts.

use crate::shell::store::lead_rows::LeadRow;
use crate::time::UnixMs;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Leads in a part at most. More sort better: with 65,536 of a million, about eight go to each page of an index.
pub const PART_LEADS: usize = 65_536;
/// Bytes of leads in a part at most. Two parts exist at a time.
pub const PART_BYTES: usize = 24 << 20;
/// Bytes of rejected records in a part at most.
pub const PART_REJECT_BYTES: usize = 2 << 20;
/// Of a rejected record so many bytes are repeated.
pub const REJECT_BYTES_MAX: usize = 8 * 1024;

/// A record that is not taken: its line, the reason, its beginning.
#[derive(Clone)]
pub struct Reject {
    /// The first line of the record.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// The record as it was, cut to [`REJECT_BYTES_MAX`].
    pub record: Vec<u8>,
}

impl Reject {
    /// A reject of this record.
    pub fn new(line: u64, reason: impl Into<String>, record: &[u8]) -> Self {
        Reject {
            line,
            reason: reason.into(),
            record: record[..record.len().min(REJECT_BYTES_MAX)].to_vec(),
        }
    }
}

/// Without the record, which is a borrower's.
impl std::fmt::Debug for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// A lead of a part.
#[derive(Clone, Copy)]
struct Packed {
    cif: (u32, u32),
    e164: (u32, u32),
    facts: (u32, u32),
    /// Names in [`LeadPart::names`].
    campaign: u32,
    zone: u32,
    /// Skills as JSON; the empty name for none.
    needs: u32,
    /// An agent's name.
    reserved_for: Option<u32>,
    priority: i32,
    not_before: Option<UnixMs>,
}

/// What of a lead is written to its row.
#[derive(Clone, Copy)]
pub struct LeadCells<'a> {
    /// Name of the campaign, as an index of [`LeadPart::names`].
    pub campaign: usize,
    /// Name of the zone, as an index of [`LeadPart::names`].
    pub zone: usize,
    /// Skills as JSON, "" for none, as an index of [`LeadPart::names`].
    pub needs: usize,
    /// Name of the only agent, as an index of [`LeadPart::names`].
    pub reserved_for: Option<usize>,
    /// Higher is dialled first.
    pub priority: i32,
    /// Not before this time; `None`: at once.
    pub not_before: Option<UnixMs>,
    /// Facts as JSON.
    pub facts: &'a str,
}

/// Leads in the order of the file, or, once they are sorted, of their customers; and what was rejected between them.
#[derive(Default)]
pub struct LeadPart {
    text: String,
    leads: Vec<Packed>,
    names: Vec<Arc<str>>,
    known: FxHashMap<Arc<str>, u32>,
    /// Leads by number, with the place of the number in `numbers`.
    by_number: Vec<(u32, u32)>,
    /// All numbers, in that order.
    numbers: String,
    /// Records of leads that may still be refused by the store, with their lines.
    origins: FxHashMap<u32, Reject>,
    /// Not taken, in the order of the file.
    pub rejects: Vec<Reject>,
    reject_bytes: usize,
    /// Records read for this part.
    pub read: u64,
}

/// How much there is, and nothing of it.
impl std::fmt::Debug for LeadPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeadPart")
            .field("leads", &self.leads.len())
            .field("rejects", &self.rejects.len())
            .finish_non_exhaustive()
    }
}

impl LeadPart {
    /// Adds a lead that stood in `line` as `record`.
    pub fn push(&mut self, lead: &LeadRow, line: u64, record: &[u8]) {
        let at = self.leads.len() as u32;
        let needs = if lead.needs.is_empty() {
            self.name("".into())
        } else {
            // Names and small numbers: writing them cannot fail.
            let json = serde_json::to_string(&lead.needs).unwrap_or_default();
            self.name(json.into())
        };
        let reserved_for = lead.reserved_for.as_ref().map(|agent| {
            let refusal = Reject::new(line, "reserved for an agent that is not there", record);
            self.reject_bytes += refusal.record.len();
            self.origins.insert(at, refusal);
            self.name(agent[..].into())
        });
        let packed = Packed {
            cif: self.keep(lead.cif.expose()),
            e164: self.keep(lead.e164.expose()),
            facts: self.keep(lead.facts.expose()),
            campaign: self.name(Arc::clone(&lead.campaign)),
            zone: self.name(Arc::clone(&lead.zone)),
            needs,
            reserved_for,
            priority: lead.priority,
            not_before: lead.not_before,
        };
        self.leads.push(packed);
    }

    /// Adds a record that is not taken.
    pub fn reject(&mut self, reject: Reject) {
        self.reject_bytes += reject.record.len();
        self.rejects.push(reject);
    }

    /// Whether nothing more is to be added.
    pub fn is_full(&self) -> bool {
        self.leads.len() >= PART_LEADS
            || self.text.len() >= PART_BYTES
            || self.reject_bytes >= PART_REJECT_BYTES
            || self.read >= PART_LEADS as u64
    }

    /// Puts the leads into the order of their customers; those of one customer stay in the order of the file.
    pub fn sort(&mut self) {
        let by_cif = self.sorted(|lead| lead.cif);
        let mut sorted = LeadPart {
            text: String::with_capacity(self.text.len()),
            leads: Vec::with_capacity(self.leads.len()),
            ..LeadPart::default()
        };
        let mut origins = FxHashMap::default();
        for (to, from) in by_cif.into_iter().enumerate() {
            let packed = self.leads[from as usize];
            let cif = sorted.keep(slice(&self.text, packed.cif));
            let e164 = sorted.keep(slice(&self.text, packed.e164));
            let facts = sorted.keep(slice(&self.text, packed.facts));
            sorted.leads.push(Packed {
                cif,
                e164,
                facts,
                ..packed
            });
            if let Some(origin) = self.origins.remove(&from) {
                origins.insert(to as u32, origin);
            }
        }
        (self.text, self.leads) = (sorted.text, sorted.leads);
        self.origins = origins;
        for lead in self.sorted(|lead| lead.e164) {
            self.by_number.push((lead, self.numbers.len() as u32));
            self.numbers
                .push_str(slice(&self.text, self.leads[lead as usize].e164));
        }
    }

    /// The leads by a text of theirs, equal ones as they were.
    fn sorted(&self, key: fn(&Packed) -> (u32, u32)) -> Vec<u32> {
        let text = |at: u32| slice(&self.text, key(&self.leads[at as usize]));
        // The texts lie all over the memory: nearly all are told apart by their beginnings, which lie side by side here.
        let mut order: Vec<(u128, u32)> = (0..self.leads.len() as u32)
            .map(|at| (beginning(text(at)), at))
            .collect();
        order.sort_unstable_by(|(begins, a), (other, b)| {
            begins
                .cmp(other)
                .then_with(|| text(*a).cmp(text(*b)))
                .then(a.cmp(b))
        });
        order.into_iter().map(|(_, at)| at).collect()
    }

    /// How many leads.
    pub fn len(&self) -> usize {
        self.leads.len()
    }

    /// Whether there is no lead.
    pub fn is_empty(&self) -> bool {
        self.leads.is_empty()
    }

    /// The `at`-th lead by number, and its number in E.164. Once it is sorted.
    pub fn by_number(&self, at: usize) -> (u32, &str) {
        let (lead, from) = self.by_number[at];
        let until = self
            .by_number
            .get(at + 1)
            .map_or(self.numbers.len(), |(_, next)| *next as usize);
        (lead, &self.numbers[from as usize..until])
    }

    /// Names of campaigns, zones, agents, and skills as JSON.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Which names are those of campaigns, or of zones, or of agents.
    pub fn names_of(&self, kind: NameKind) -> Vec<usize> {
        let mut wanted: Vec<u32> = self
            .leads
            .iter()
            .filter_map(|lead| match kind {
                NameKind::Campaign => Some(lead.campaign),
                NameKind::Zone => Some(lead.zone),
                NameKind::Agent => lead.reserved_for,
            })
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.into_iter().map(|at| at as usize).collect()
    }

    /// The customer number of a lead.
    pub fn cif(&self, lead: u32) -> &str {
        slice(&self.text, self.leads[lead as usize].cif)
    }

    /// The rest of a lead.
    pub fn cells(&self, lead: u32) -> LeadCells<'_> {
        let packed = &self.leads[lead as usize];
        LeadCells {
            campaign: packed.campaign as usize,
            zone: packed.zone as usize,
            needs: packed.needs as usize,
            reserved_for: packed.reserved_for.map(|at| at as usize),
            priority: packed.priority,
            not_before: packed.not_before,
            facts: slice(&self.text, packed.facts),
        }
    }

    /// What is said of a lead that the store refuses.
    pub fn refusal(&self, lead: u32) -> Option<&Reject> {
        self.origins.get(&lead)
    }

    fn name(&mut self, name: Arc<str>) -> u32 {
        if let Some(at) = self.known.get(&name) {
            return *at;
        }
        let at = self.names.len() as u32;
        self.names.push(Arc::clone(&name));
        self.known.insert(name, at);
        at
    }

    fn keep(&mut self, text: &str) -> (u32, u32) {
        let from = self.text.len() as u32;
        self.text.push_str(text);
        (from, self.text.len() as u32)
    }
}

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A campaign.
    Campaign,
    /// A time zone.
    Zone,
    /// An agent.
    Agent,
}

/// The first sixteen bytes as a number that compares as they do.
fn beginning(text: &str) -> u128 {
    let mut bytes = [0; 16];
    let length = text.len().min(16);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u128::from_be_bytes(bytes)
}

fn slice(text: &str, (from, until): (u32, u32)) -> &str {
    &text[from as usize..until as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pii::Pii;
    use std::collections::BTreeMap;

    fn lead(cif: &str, number: &str, facts: String) -> LeadRow {
        LeadRow {
            campaign: "PL-B2-HCM".into(),
            cif: Pii::new(cif.to_owned()),
            e164: Pii::new(number.to_owned()),
            zone: "Asia/Ho_Chi_Minh".into(),
            priority: 5,
            not_before: None,
            needs: BTreeMap::from([("vietnamese".to_owned(), 5)]),
            reserved_for: None,
            facts: Pii::new(facts),
        }
    }

    #[test]
    fn what_goes_in_comes_out_by_customer_and_by_number() {
        let mut part = LeadPart::default();
        for (line, cif, number) in [(2, "C2", "+841"), (3, "C1", "+843"), (4, "C2", "+84")] {
            let mut lead = lead(cif, number, format!("{{\"line\":{line}}}"));
            lead.reserved_for = Some("Minh".to_owned());
            part.push(&lead, line, b"the record");
        }
        part.sort();
        let facts: Vec<_> = (0..3)
            .map(|lead| (part.cif(lead), part.cells(lead).facts))
            .collect();
        assert_eq!(
            facts,
            [
                ("C1", "{\"line\":3}"),
                ("C2", "{\"line\":2}"),
                ("C2", "{\"line\":4}")
            ],
            "of one customer as in the file"
        );
        let numbers: Vec<_> = (0..3).map(|at| part.by_number(at)).collect();
        assert_eq!(numbers, [(2, "+84"), (1, "+841"), (0, "+843")]);
        let lines: Vec<_> = (0..3)
            .map(|lead| part.refusal(lead).map(|refusal| refusal.line))
            .collect();
        assert_eq!(lines, [Some(3), Some(2), Some(4)]);
        let cells = part.cells(0);
        assert_eq!(&*part.names()[cells.campaign], "PL-B2-HCM");
        assert_eq!(&*part.names()[cells.needs], "{\"vietnamese\":5}");
        assert_eq!(part.names_of(NameKind::Agent).len(), 1);
        assert!(!format!("{part:?}").contains("C1"));
    }

    #[test]
    fn long_texts_that_begin_alike_are_sorted_by_their_ends() {
        let mut part = LeadPart::default();
        for end in ["zz", "", "zy", "z", "zy"] {
            let cif = format!("customer-of-the-bank-{end}");
            part.push(&lead(&cif, &cif, end.to_owned()), 1, b"");
        }
        part.sort();
        let ends: Vec<_> = (0..5).map(|lead| part.cells(lead).facts).collect();
        assert_eq!(ends, ["", "z", "zy", "zy", "zz"]);
        let leads: Vec<_> = (0..5).map(|at| part.by_number(at).0).collect();
        assert_eq!(leads, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_part_is_full_before_it_fills_the_memory() {
        let mut part = LeadPart::default();
        let facts = "x".repeat(60_000);
        while !part.is_full() {
            part.push(&lead("C1", "+841", facts.clone()), 1, b"");
        }
        assert!(part.text.len() < PART_BYTES + 61_000);
        let mut part = LeadPart::default();
        while !part.is_full() {
            part.reject(Reject::new(1, "short code", &[b'x'; 100_000]));
        }
        assert!(part.rejects.len() <= PART_REJECT_BYTES / REJECT_BYTES_MAX + 1);
    }
}
