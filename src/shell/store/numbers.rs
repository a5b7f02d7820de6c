//! A number as people write it -> E.164, or why not. The `phonenumber` crate judges; its verdicts are remembered by blocks.
//!
//! The crate takes 10 to 20 us for a number, which would be most of an import. Countries assign numbers in blocks: its patterns look
//! at some leading digits and let any digit follow. So
//! 1. from the patterns themselves it is worked out how many leading digits can matter (`Pattern`);
//! 2. the crate judges the first number of a block, that is, of all that are written alike up to those digits;
//! 3. its verdict goes for the rest of the block. A test compares the two over many countries, written in many ways.
//!
//! Patterns that cannot be read, and numbers written in a way that this room does not know, always go to the crate.

use crate::shell::store::cells;
use phonenumber::country;
use phonenumber::metadata::{DATABASE, Metadata};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Longest number that is read, in bytes, with all its spaces and signs.
const WRITTEN_MAX: usize = 40;
/// Digits beyond which no number goes (consts of the crate: 17 without country code, and what is dialled before).
const DIGITS_MAX: u8 = 24;
/// Blocks remembered: about 5 MB. Beyond, the crate is asked again.
const BLOCKS_MAX: usize = 1 << 16;

/// Reads numbers for one country.
pub struct NumberReader {
    country: country::Id,
    plan: Option<Plan>,
    blocks: FxHashMap<Vec<u8>, Verdict>,
}

/// Without the blocks: a short one is a whole number.
impl std::fmt::Debug for NumberReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NumberReader")
            .field("country", &self.country)
            .field("blocks", &self.blocks.len())
            .finish_non_exhaustive()
    }
}

/// What the crate said of a block.
#[derive(Clone)]
enum Verdict {
    /// Its numbers begin so in E.164; the digits that do not matter follow.
    Good(String),
    /// None of them is dialled.
    Bad(&'static str),
}

impl NumberReader {
    /// A reader for numbers that are written without "+" in this country (ISO 3166, "VN").
    pub fn new(country: &str) -> Result<Self, String> {
        let id = country
            .parse::<country::Id>()
            .map_err(|_| format!("{country:?} is no country (ISO 3166, \"VN\")"))?;
        Ok(NumberReader {
            country: id,
            plan: Plan::of(id),
            blocks: FxHashMap::default(),
        })
    }

    /// The number in E.164. Only what may be dialled: nothing that could become a part of a URI, no premium rate, no short code.
    pub fn read(&mut self, written: &str) -> Result<String, &'static str> {
        let written = cells::original(written.trim());
        if written.is_empty() {
            return Err("number is missing");
        }
        let plain = |byte: u8| byte.is_ascii_digit() || b" +-.()/".contains(&byte);
        if written.len() > WRITTEN_MAX || !written.bytes().all(plain) {
            return Err("number has signs that no phone number has");
        }
        let Some(leading) = self.plan.as_ref().and_then(|plan| plan.leading(written)) else {
            return judge(self.country, written);
        };
        // Its block: the number with every digit that cannot matter made the same.
        let (mut block, mut rest) = ([0_u8; WRITTEN_MAX], [0_u8; WRITTEN_MAX]);
        let (mut digits, mut follow) = (0, 0);
        for (at, byte) in written.bytes().enumerate() {
            block[at] = byte;
            if byte.is_ascii_digit() {
                digits += 1;
                if digits > leading {
                    block[at] = b'#';
                    rest[follow] = byte;
                    follow += 1;
                }
            }
        }
        let (block, rest) = (&block[..written.len()], &rest[..follow]);
        if let Some(verdict) = self.blocks.get(block) {
            return match verdict {
                Verdict::Good(head) => {
                    let mut e164 = String::with_capacity(head.len() + rest.len());
                    e164.push_str(head);
                    e164.extend(rest.iter().map(|digit| char::from(*digit)));
                    Ok(e164)
                }
                Verdict::Bad(reason) => Err(reason),
            };
        }
        let judged = judge(self.country, written);
        let verdict = match &judged {
            // Else the crate did more with it than this room knows of.
            Ok(e164) => e164
                .as_bytes()
                .strip_suffix(rest)
                .map(|head| Verdict::Good(e164[..head.len()].to_owned())),
            Err(reason) => Some(Verdict::Bad(reason)),
        };
        if let Some(verdict) = verdict
            && self.blocks.len() < BLOCKS_MAX
        {
            self.blocks.insert(block.to_vec(), verdict);
        }
        judged
    }
}

/// What the crate says.
fn judge(country: country::Id, written: &str) -> Result<String, &'static str> {
    let unclear = "number cannot be understood";
    let number = phonenumber::parse(Some(country), written).map_err(|_| unclear)?;
    if !phonenumber::is_valid(&number) {
        return Err("no such number in its country's plan");
    }
    match number.number_type(&DATABASE) {
        phonenumber::Type::PremiumRate | phonenumber::Type::SharedCost => {
            return Err("premium rate: not dialled");
        }
        _ => {}
    }
    let e164 = number.format().mode(phonenumber::Mode::E164).to_string();
    if cells::is_e164(&e164) {
        Ok(e164)
    } else {
        Err(unclear)
    }
}

/// How many leading digits matter in one country's numbers.
#[derive(Clone, Debug)]
struct Plan {
    /// The country code, "84".
    code: String,
    /// What is dialled before a national number, "0"; may be empty.
    prefix: String,
    /// What is dialled before a foreign number, if that is always the same: "00".
    abroad: Option<String>,
    /// First digits of whatever is dialled before a foreign number, as bits.
    abroad_first: u16,
    /// Leading digits of a national number that can matter.
    depth: usize,
}

impl Plan {
    /// `None`: not to be told from the patterns; then the crate is always asked.
    fn of(country: country::Id) -> Option<Plan> {
        let home = DATABASE.by_id(country.as_ref())?;
        let prefix = home.national_prefix().unwrap_or_default();
        // Where more than the prefix itself may be cut off (carrier codes), the crate cuts.
        if let Some(cut) = home.national_prefix_for_parsing()
            && cut.as_str() != prefix
        {
            return None;
        }
        let abroad = home.international_prefix()?.as_str();
        let abroad_shape = Pattern::of(abroad)?;
        // Countries that share a code are told apart by their patterns: all of them can matter.
        let mut depth = abroad_shape.length();
        for meta in DATABASE.by_code(&home.country_code())? {
            for pattern in patterns(meta) {
                depth = depth.max(Pattern::of(pattern)?.depth());
            }
        }
        Some(Plan {
            code: home.country_code().to_string(),
            prefix: prefix.to_owned(),
            abroad: is_digits(abroad).then(|| abroad.to_owned()),
            abroad_first: abroad_shape.first,
            depth,
        })
    }

    /// How many of its leading digits matter; `None`: it is written in a way that is left to the crate.
    fn leading(&self, written: &str) -> Option<usize> {
        let (has_plus, rest) = match written.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        if rest.contains('+') {
            return None;
        }
        let mut digits = [0_u8; WRITTEN_MAX];
        let mut count = 0;
        for byte in rest.bytes().filter(u8::is_ascii_digit) {
            digits[count] = byte;
            count += 1;
        }
        let digits = &digits[..count];
        let maybe_abroad = digits
            .first()
            .is_some_and(|first| self.abroad_first & (1 << (first - b'0')) != 0);
        let before = if has_plus {
            if maybe_abroad || !digits.starts_with(self.code.as_bytes()) {
                return None;
            }
            self.code.len()
        } else {
            let is_abroad = match &self.abroad {
                Some(abroad) => digits.starts_with(abroad.as_bytes()),
                None => maybe_abroad,
            };
            let is_national = !self.prefix.is_empty()
                && digits.starts_with(self.prefix.as_bytes())
                && !digits.starts_with(self.code.as_bytes());
            if is_abroad || !is_national {
                return None;
            }
            self.prefix.len()
        };
        // A second prefix, or zeros that the crate counts: the crate reads those.
        let national = &digits[before..];
        let first = *national.first()?;
        if first == b'0' || self.prefix.as_bytes().first() == Some(&first) {
            return None;
        }
        Some(before + self.depth)
    }
}

/// Every pattern that decides whether a national number is valid, and of which kind it is.
fn patterns(meta: &Metadata) -> impl Iterator<Item = &str> {
    let all = meta.descriptors();
    let kinds = [
        Some(all.general()),
        all.fixed_line(),
        all.mobile(),
        all.toll_free(),
        all.premium_rate(),
        all.shared_cost(),
        all.personal_number(),
        all.voip(),
        all.pager(),
        all.uan(),
        all.emergency(),
        all.voicemail(),
        all.short_code(),
        all.standard_rate(),
        all.carrier(),
        all.no_international(),
    ];
    kinds
        .into_iter()
        .flatten()
        .map(|kind| kind.national_number().as_str())
        .chain(meta.leading_digits().map(|leading| leading.as_str()))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a pattern over digits can match: for each way through it, its length and how many of its leading digits are not free.
///
/// A way whose last digits are all `\d` matches whatever they are. So beyond the depth of all ways, no digit decides whether
/// anything matches, be it a whole number or its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// (length, leading digits that are not free).
    ways: BTreeSet<(u8, u8)>,
    /// Digits that it may begin with, as bits.
    first: u16,
}

/// All ten digits.
const ANY: u16 = (1 << 10) - 1;

impl Pattern {
    /// Reads a pattern; `None` if there is something in it that is not known here.
    fn of(text: &str) -> Option<Pattern> {
        let squeezed: Vec<u8> = text
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let mut rest = &squeezed[..];
        let pattern = Pattern::choice(&mut rest)?;
        rest.is_empty().then_some(pattern)
    }

    fn depth(&self) -> usize {
        self.ways
            .iter()
            .map(|(_, depth)| usize::from(*depth))
            .max()
            .unwrap_or_default()
    }

    fn length(&self) -> usize {
        self.ways
            .iter()
            .map(|(length, _)| usize::from(*length))
            .max()
            .unwrap_or_default()
    }

    fn empty() -> Pattern {
        Pattern {
            ways: [(0, 0)].into(),
            first: 0,
        }
    }

    fn digit(set: u16) -> Pattern {
        Pattern {
            ways: [(1, u8::from(set != ANY))].into(),
            first: set,
        }
    }

    fn or(mut self, other: Pattern) -> Pattern {
        self.ways.extend(other.ways);
        self.first |= other.first;
        self
    }

    fn then(self, next: &Pattern) -> Pattern {
        let mut ways = BTreeSet::new();
        for (length, depth) in &self.ways {
            for (further, beyond) in &next.ways {
                let depth = if *beyond == 0 {
                    *depth
                } else {
                    length + beyond
                };
                // Nobody writes a number as long as that.
                if length + further <= DIGITS_MAX {
                    ways.insert((length + further, depth));
                }
            }
        }
        let may_be_empty = self.ways.contains(&(0, 0));
        Pattern {
            ways,
            first: self.first | if may_be_empty { next.first } else { 0 },
        }
    }

    fn choice(rest: &mut &[u8]) -> Option<Pattern> {
        let mut all = Pattern::sequence(rest)?;
        while let Some(after) = rest.strip_prefix(b"|") {
            *rest = after;
            all = all.or(Pattern::sequence(rest)?);
        }
        Some(all)
    }

    fn sequence(rest: &mut &[u8]) -> Option<Pattern> {
        let mut all = Pattern::empty();
        while !matches!(rest.first(), None | Some(b'|' | b')')) {
            let item = Pattern::item(rest)?;
            let (least, most) = times(rest)?;
            for n in 0..most {
                all = if n < least {
                    all.then(&item)
                } else {
                    all.then(&item.clone().or(Pattern::empty()))
                };
            }
        }
        Some(all)
    }

    fn item(rest: &mut &[u8]) -> Option<Pattern> {
        if let Some(after) = rest.strip_prefix(b"\\d") {
            *rest = after;
            return Some(Pattern::digit(ANY));
        }
        let (first, after) = rest.split_first()?;
        *rest = after;
        match first {
            b'0'..=b'9' => Some(Pattern::digit(1 << (first - b'0'))),
            b'(' => {
                *rest = rest.strip_prefix(b"?:").unwrap_or(rest);
                let inner = Pattern::choice(rest)?;
                *rest = rest.strip_prefix(b")")?;
                Some(inner)
            }
            b'[' => {
                let (class, after) = rest.split_at(rest.iter().position(|byte| *byte == b']')?);
                *rest = after.strip_prefix(b"]")?;
                class_of(class).map(Pattern::digit)
            }
            _ => None,
        }
    }
}

/// `013-9` as bits.
fn class_of(mut class: &[u8]) -> Option<u16> {
    let mut set = 0;
    while let Some((from, rest)) = class.split_first() {
        let (until, rest) = match rest {
            [b'-', until, rest @ ..] => (until, rest),
            rest => (from, rest),
        };
        if !(from.is_ascii_digit() && until.is_ascii_digit() && from <= until) {
            return None;
        }
        for digit in *from..=*until {
            set |= 1 << (digit - b'0');
        }
        class = rest;
    }
    (set != 0).then_some(set)
}

/// How often the item before it stands there: `?`, `{3}`, `{3,5}`, or nothing.
fn times(rest: &mut &[u8]) -> Option<(u8, u8)> {
    if let Some(after) = rest.strip_prefix(b"?") {
        *rest = after;
        return Some((0, 1));
    }
    let Some(after) = rest.strip_prefix(b"{") else {
        return (!matches!(rest.first(), Some(b'*' | b'+'))).then_some((1, 1));
    };
    let (inside, after) = after.split_at(after.iter().position(|byte| *byte == b'}')?);
    *rest = after.strip_prefix(b"}")?;
    let inside = std::str::from_utf8(inside).ok()?;
    let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
    let (least, most) = (least.parse().ok()?, most.parse().ok()?);
    (least <= most && most <= DIGITS_MAX).then_some((least, most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn depth(pattern: &str) -> Option<usize> {
        Pattern::of(pattern).map(|pattern| pattern.depth())
    }

    #[test]
    fn the_digits_that_matter_are_read_off_a_pattern() {
        assert_eq!(depth(r"\d{9}"), Some(0));
        assert_eq!(depth(r"[35]\d{8}"), Some(1));
        assert_eq!(depth(r"[0-9]\d"), Some(0));
        assert_eq!(depth(r"(?:5(?:2[238]|59)|89[6-9])\d{6}"), Some(3));
        assert_eq!(depth(r"12(?:0[13]|28)\d{4}|1800\d{4,6}"), Some(4));
        assert_eq!(
            depth(r"(?:\d{3})?5\d"),
            Some(4),
            "the digit behind what may be left out"
        );
        assert_eq!(depth(r"8\d{2}1"), Some(4), "a fixed digit at the end");
        for odd in [r"\d+", "1*", "[^0]", "(?=1)2", "1$", "(1", "[1", "1)"] {
            assert_eq!(depth(odd), None, "{odd}");
        }
    }

    #[test]
    fn vietnam_and_its_neighbours_are_remembered_by_blocks_large_enough_to_help() {
        for country in ["VN", "TH", "ID", "IN", "FR", "DE"] {
            let id: country::Id = country.parse().expect("a country");
            if let Some(plan) = Plan::of(id) {
                assert!(plan.depth >= 2, "{country}: {plan:?}");
            }
        }
        let plan = Plan::of(country::VN).expect("Vietnam's patterns are plain");
        assert!(plan.depth <= 5, "{plan:?}");
        assert_eq!(plan.leading("+84900000412"), Some(2 + plan.depth));
        assert_eq!(plan.leading("0900.000.412"), Some(1 + plan.depth));
        for odd in [
            "+1 202 555 0100",
            "0084900000412",
            "84900000412",
            "+84 0900",
            "",
            "+",
            "0+9",
        ] {
            assert_eq!(plan.leading(odd), None, "{odd}");
        }
    }

    #[test]
    fn every_block_of_vietnam_is_judged_as_the_crate_judges_its_numbers() {
        let mut reader = NumberReader::new("VN").expect("a country");
        // Each block is learned from its first number and asked about with another.
        for head in 0..10_000 {
            for tail in ["00000", "73519"] {
                for number in [format!("0{head:04}{tail}"), format!("+84{head:04}{tail}")] {
                    let said = reader.read(&number);
                    if tail != "00000" {
                        assert_eq!(said, judge(country::VN, &number), "{number}");
                    }
                }
            }
        }
        assert!(
            reader.blocks.len() > 5_000,
            "{} blocks",
            reader.blocks.len()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

        /// Pairs that are alike at the beginning: the second is judged from memory.
        #[test]
        fn what_is_remembered_is_what_the_crate_says(
            country in prop::sample::select(vec!["VN", "TH", "ID", "IN", "FR", "DE", "GB", "MY", "PH", "US", "BR", "IT", "JP"]),
            form in 0_usize..6,
            head in "[0-9]{1,7}",
            first in "[0-9]{2,8}",
            second in "[0-9]{8}",
        ) {
            let id: country::Id = country.parse().expect("a country");
            let mut reader = NumberReader::new(country).expect("a country");
            let code = DATABASE.by_id(country).expect("known").country_code();
            let write = |tail: &str| match form {
                0 => format!("+{code}{head}{tail}"),
                1 => format!("0{head}{tail}"),
                2 => format!("(0{head}) {tail}"),
                3 => format!("+{code} {head}-{tail}"),
                4 => format!("00{code}{head}.{tail}"),
                _ => format!("{head}{tail}"),
            };
            for tail in [&first[..], &second[..first.len()]] {
                let written = write(tail);
                prop_assert_eq!(reader.read(&written), judge(id, &written), "{} in {}", written, country);
            }
        }
    }
}
