//! The gate: may we dial this lead now? Answers with the first failing rule and the next lawful instant.
//!
//! Owns the ledger of attempts per person (over all campaigns and numbers) and what is in the air. A person has one
//! home floor, so the caps are exact. Asked twice: when the attempt is reserved, and when its INVITE is released.

use crate::core::Map;
use crate::core::effect::Refusal;
use crate::core::settings::{GateSettings, ZoneTable};
use crate::ids::{AttemptId, NumberId, PersonId, ZoneId};
use crate::time::{Mono, Now, UnixMs};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// A rule that holds a lead back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Gate {
    /// On a do-not-call list, or the person is blocked.
    Blocked,
    /// An attempt at this person or number is in the air.
    InAir,
    /// The lead has used all its attempts.
    AttemptsUsed,
    /// Outside the calling window in the person's time zone.
    Window,
    /// The person has had today's attempts.
    DayCap,
    /// The last attempt at this person is too recent.
    Gap,
}

impl Gate {
    /// All gates, in the order in which they are asked.
    pub const ALL: [Gate; 6] = [
        Self::Blocked,
        Self::InAir,
        Self::AttemptsUsed,
        Self::Window,
        Self::DayCap,
        Self::Gap,
    ];
    /// The code in records and metric labels.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Blocked => "DNC",
            Self::InAir => "IN_AIR",
            Self::AttemptsUsed => "ATTEMPTS_USED",
            Self::Window => "WINDOW",
            Self::DayCap => "CAPPED",
            Self::Gap => "GAP",
        }
    }
}

/// What holds a lead, and when it may be tried again; `None`: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) gate: Gate,
    pub(crate) next: Option<UnixMs>,
}

impl From<Held> for Refusal {
    fn from(held: Held) -> Self {
        Refusal::Held {
            gate: held.gate,
            next: held.next,
        }
    }
}

/// Whom the gate is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) person: PersonId,
    pub(crate) number: NumberId,
    pub(crate) zone: ZoneId,
    /// Attempts of the lead so far, and how many it may have.
    pub(crate) attempts: u16,
    pub(crate) attempts_max: u16,
    /// The store knows a block of this number or this person.
    pub(crate) blocked: bool,
    /// The attempt that asks for the second time: it does not hold itself.
    pub(crate) own: Option<AttemptId>,
}

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// How long a person without a lead in memory is remembered: longer than any reply of the store can be on its way.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// The end of a block that has none.
const FOR_GOOD: UnixMs = UnixMs(i64::MAX);
/// Attempts kept per person; a daily cap above it cannot be configured.
const ATTEMPTS_KEPT: usize = 32;

#[derive(Debug, Default)]
struct Person {
    in_air: Option<AttemptId>,
    /// No call before then; [`FOR_GOOD`]: never.
    blocked_until: Option<UnixMs>,
    /// A promise, a callback, a refusal: whatever number and list, no call before then.
    quiet_until: UnixMs,
    /// Leads of this person in the hot window.
    leads: u32,
    /// Attempts that counted, newest last.
    attempts: Vec<UnixMs>,
}

/// The gate and its ledger.
#[derive(Debug)]
pub(crate) struct Rules {
    zones: Vec<ZoneTable>,
    persons: Map<PersonId, Person>,
    numbers_in_air: Map<NumberId, AttemptId>,
    blocked_numbers: Map<NumberId, ()>,
    retiring: VecDeque<(Mono, PersonId)>,
}

impl Rules {
    pub(crate) fn new(zones: Vec<ZoneTable>) -> Self {
        Rules {
            zones,
            persons: Map::default(),
            numbers_in_air: Map::default(),
            blocked_numbers: Map::default(),
            retiring: VecDeque::new(),
        }
    }

    /// A zone's offsets; a new zone if the id is the next one.
    pub(crate) fn set_zone(&mut self, id: ZoneId, table: ZoneTable) {
        let number = usize::from(id.0);
        if let Some(zone) = self.zones.get_mut(number) {
            *zone = table;
        } else if number == self.zones.len() {
            self.zones.push(table);
        }
    }

    /// `Some(when)`: the window is closed in all zones there are, and opens first at `when` (never in the next eight days: the
    /// end of time). `None`: it is open somewhere.
    pub(crate) fn closed_everywhere(&self, gate: &GateSettings, now: UnixMs) -> Option<UnixMs> {
        let mut opens = UnixMs(i64::MAX);
        for zone in &self.zones {
            if let Some(at) = next_opening(zone, gate, now)? {
                opens = opens.min(at);
            }
        }
        (!self.zones.is_empty()).then_some(opens)
    }

    /// A lead of this person entered the hot window. `attempts` is what the store knew, newest first.
    pub(crate) fn admit(&mut self, person: PersonId, attempts: &[UnixMs]) {
        let entry = self.persons.entry(person).or_default();
        entry.leads += 1;
        // What this floor has counted itself is newer than what the store could read.
        for at in attempts.iter().rev() {
            if !entry.attempts.contains(at) {
                entry.attempts.push(*at);
            }
        }
        entry.attempts.sort_unstable();
        trim(&mut entry.attempts);
    }

    /// A lead of this person left the hot window.
    pub(crate) fn dismiss(&mut self, person: PersonId, now: Mono) {
        if let Some(entry) = self.persons.get_mut(&person) {
            entry.leads = entry.leads.saturating_sub(1);
            if entry.leads == 0 {
                self.retiring.push_back((now + FORGET_AFTER, person));
            }
        }
    }

    /// Forgets at most a handful of persons whose leads are gone; called once per tick.
    pub(crate) fn forget_some(&mut self, now: Mono) {
        for _ in 0..64 {
            match self.retiring.front() {
                Some((at, _)) if *at <= now => {}
                _ => return,
            }
            let Some((_, person)) = self.retiring.pop_front() else {
                return;
            };
            if let Some(entry) = self.persons.get(&person)
                && entry.leads == 0
                && entry.in_air.is_none()
            {
                self.persons.remove(&person);
            }
        }
    }

    /// No call may go to this number any more.
    pub(crate) fn block_number(&mut self, number: NumberId) -> Option<AttemptId> {
        self.blocked_numbers.insert(number, ());
        self.numbers_in_air.get(&number).copied()
    }

    /// No call may go to this person before `until`; `None`: ever again.
    pub(crate) fn block_person(
        &mut self,
        person: PersonId,
        until: Option<UnixMs>,
    ) -> Option<AttemptId> {
        let entry = self.persons.entry(person).or_default();
        entry.blocked_until = entry.blocked_until.max(Some(until.unwrap_or(FOR_GOOD)));
        entry.in_air
    }

    /// What was said on the phone holds for the person, not for one number: no call before `until`.
    pub(crate) fn quiet(&mut self, person: PersonId, until: UnixMs) {
        self.persons.entry(person).or_default().quiet_until = until;
    }

    /// May this person be dialled now?
    pub(crate) fn ask(&self, who: Candidate, gate: &GateSettings, now: Now) -> Result<(), Held> {
        let person = self.persons.get(&who.person);
        if who.blocked || self.blocked_numbers.contains_key(&who.number) {
            return Err(Held {
                gate: Gate::Blocked,
                next: None,
            });
        }
        if let Some(until) = person.and_then(|person| person.blocked_until)
            && now.unix < until
        {
            return Err(Held {
                gate: Gate::Blocked,
                next: (until != FOR_GOOD).then_some(until),
            });
        }
        let others =
            |holder: Option<&AttemptId>| holder.is_some_and(|holder| Some(*holder) != who.own);
        if others(self.numbers_in_air.get(&who.number))
            || others(person.and_then(|person| person.in_air.as_ref()))
        {
            return Err(Held {
                gate: Gate::InAir,
                next: Some(now.unix + Duration::from_secs(5)),
            });
        }
        if who.attempts >= who.attempts_max {
            return Err(Held {
                gate: Gate::AttemptsUsed,
                next: None,
            });
        }
        let Some(zone) = self.zones.get(usize::from(who.zone.0)) else {
            return Err(Held {
                gate: Gate::Window,
                next: None,
            });
        };
        if let Some(opens) = next_opening(zone, gate, now.unix) {
            return Err(Held {
                gate: Gate::Window,
                next: opens,
            });
        }
        let attempts = person.map_or(&[][..], |person| &person.attempts);
        let today = local_day(zone, now.unix);
        let so_far = attempts
            .iter()
            .rev()
            .filter(|at| local_day(zone, **at) == today)
            .count();
        if so_far >= usize::from(gate.attempts_per_day) {
            let tomorrow = start_of_local_day(zone, today + 1, now.unix);
            let opens = next_opening(zone, gate, tomorrow).unwrap_or(Some(tomorrow));
            return Err(Held {
                gate: Gate::DayCap,
                next: opens,
            });
        }
        if let Some(quiet) = person.map(|person| person.quiet_until)
            && now.unix < quiet
        {
            return Err(Held {
                gate: Gate::Gap,
                next: Some(quiet),
            });
        }
        if let Some(last) = attempts.last()
            && now.unix < *last + gate.gap_min
        {
            return Err(Held {
                gate: Gate::Gap,
                next: Some(*last + gate.gap_min),
            });
        }
        Ok(())
    }

    /// The attempt is in the air, or its lead on a screen: person and number are taken.
    pub(crate) fn reserve(&mut self, person: PersonId, number: NumberId, attempt: AttemptId) {
        self.persons.entry(person).or_default().in_air = Some(attempt);
        self.numbers_in_air.insert(number, attempt);
    }

    /// The attempt is over. `counted_at`: when it was made, if it counts against the caps.
    pub(crate) fn settle(
        &mut self,
        person: PersonId,
        number: NumberId,
        counted_at: Option<UnixMs>,
    ) {
        self.numbers_in_air.remove(&number);
        let entry = self.persons.entry(person).or_default();
        entry.in_air = None;
        if let Some(at) = counted_at {
            entry.attempts.push(at);
            trim(&mut entry.attempts);
        }
    }

    /// The attempt or preview that holds this person or this number.
    pub(crate) fn holder(&self, person: PersonId, number: NumberId) -> Option<AttemptId> {
        let person = self.persons.get(&person).and_then(|person| person.in_air);
        person.or_else(|| self.numbers_in_air.get(&number).copied())
    }

    /// Who is in the air, for `invariants`.
    pub(crate) fn in_air(&self) -> (usize, usize) {
        (
            self.persons
                .values()
                .filter(|person| person.in_air.is_some())
                .count(),
            self.numbers_in_air.len(),
        )
    }

    /// Whether this very attempt holds person and number, for `invariants`.
    pub(crate) fn holds(&self, person: PersonId, number: NumberId, attempt: AttemptId) -> bool {
        self.numbers_in_air.get(&number) == Some(&attempt)
            && self
                .persons
                .get(&person)
                .is_some_and(|person| person.in_air == Some(attempt))
    }
}

fn trim(attempts: &mut Vec<UnixMs>) {
    if attempts.len() > ATTEMPTS_KEPT {
        attempts.drain(..attempts.len() - ATTEMPTS_KEPT);
    }
}

/// Seconds that local time is ahead of UTC at `at`.
fn offset_s(zone: &ZoneTable, at: UnixMs) -> i64 {
    let after = zone.offsets.partition_point(|(from, _)| *from <= at);
    zone.offsets
        .get(after.saturating_sub(1))
        .map_or(0, |(_, offset)| i64::from(*offset))
}

fn local_ms(zone: &ZoneTable, at: UnixMs) -> i64 {
    at.0 + offset_s(zone, at) * 1_000
}

/// Days since 1970-01-01 on the local calendar.
fn local_day(zone: &ZoneTable, at: UnixMs) -> i64 {
    local_ms(zone, at).div_euclid(DAY_MS)
}

/// The local day at `at`, its number in its month (1..=31), and how many days that month has.
///
/// Days to dates after Howard Hinnant's "chrono-compatible low-level date algorithms": years begin in March, so that the leap day
/// is their last.
pub(crate) fn local_civil(zone: &ZoneTable, at: UnixMs) -> (i64, u32, u32) {
    let day = local_day(zone, at);
    let since = day + 719_468;
    let era = since.div_euclid(146_097);
    let of_era = since.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    // January and February belong to the civil year after.
    let year = year_of_era + era * 400 + i64::from(from_march >= 10);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match from_march {
        // March, May, July, August, October, December, January
        0 | 2 | 4 | 5 | 7 | 9 | 10 => 31,
        11 if is_leap => 29,
        11 => 28,
        _ => 30,
    };
    (day, of_month as u32, days)
}

/// The instant at which a local day begins; where a clock change makes it ambiguous, the later one.
pub(crate) fn start_of_local_day(zone: &ZoneTable, day: i64, near: UnixMs) -> UnixMs {
    let guess = UnixMs(day * DAY_MS - offset_s(zone, near) * 1_000);
    UnixMs(day * DAY_MS - offset_s(zone, guess) * 1_000).max(guess)
}

/// `None`: the window is open at `at`. `Some(when)`: it is closed; opens at `when`, or never in the next eight days.
fn next_opening(zone: &ZoneTable, gate: &GateSettings, at: UnixMs) -> Option<Option<UnixMs>> {
    let is_open = |at: UnixMs| {
        let minute = local_ms(zone, at).rem_euclid(DAY_MS) / MINUTE_MS;
        // 1970-01-01 was a Thursday; bit 0 is Monday.
        let weekday = (local_day(zone, at) + 3).rem_euclid(7);
        gate.weekdays >> weekday & 1 == 1
            && (i64::from(gate.window_from_min)..i64::from(gate.window_until_min)).contains(&minute)
    };
    if is_open(at) {
        return None;
    }
    let today = local_day(zone, at);
    Some((today..=today + 8).find_map(|day| {
        let opens =
            start_of_local_day(zone, day, at).0 + i64::from(gate.window_from_min) * MINUTE_MS;
        // On a day on which the clocks change, an hour either way may be needed.
        [-60, 0, 60]
            .into_iter()
            .map(|shift| UnixMs(opens + shift * MINUTE_MS))
            .find(|when| *when > at && is_open(*when))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HCM: i32 = 7 * 3_600;

    fn zone(offset: i32) -> ZoneTable {
        ZoneTable {
            name: "Asia/Ho_Chi_Minh".into(),
            offsets: vec![(UnixMs(0), offset)],
        }
    }

    fn gate() -> GateSettings {
        GateSettings {
            window_from_min: 480,
            window_until_min: 1_200,
            weekdays: 0x7f,
            attempts_per_day: 3,
            gap_min: Duration::from_secs(7_200),
        }
    }

    /// 2026-11-23 (a Monday) at local `hour`:`minute` in a zone `offset` seconds ahead.
    fn monday(hour: i64, minute: i64, offset: i32) -> Now {
        let midnight = 1_795_392_000_000; // 2026-11-23T00:00:00Z
        Now {
            mono: Mono(0),
            unix: UnixMs(midnight + (hour * 60 + minute) * MINUTE_MS - i64::from(offset) * 1_000),
        }
    }

    fn who() -> Candidate {
        Candidate {
            person: PersonId(1),
            number: NumberId(9),
            zone: ZoneId(0),
            attempts: 0,
            attempts_max: 20,
            blocked: false,
            own: None,
        }
    }

    fn rules() -> Rules {
        let mut rules = Rules::new(vec![zone(HCM)]);
        rules.admit(PersonId(1), &[]);
        rules
    }

    #[test]
    fn the_window_is_the_borrowers_and_names_the_next_opening() {
        let rules = rules();
        assert_eq!(rules.ask(who(), &gate(), monday(8, 0, HCM)), Ok(()));
        assert_eq!(rules.ask(who(), &gate(), monday(19, 59, HCM)), Ok(()));
        let early = rules.ask(who(), &gate(), monday(7, 59, HCM));
        assert_eq!(
            early,
            Err(Held {
                gate: Gate::Window,
                next: Some(monday(8, 0, HCM).unix)
            })
        );
        let late = rules.ask(who(), &gate(), monday(20, 0, HCM));
        assert_eq!(
            late,
            Err(Held {
                gate: Gate::Window,
                next: Some(monday(32, 0, HCM).unix)
            })
        );
    }

    #[test]
    fn a_day_that_is_not_allowed_is_skipped() {
        let gate = GateSettings {
            weekdays: 0b0111_1110,
            ..gate()
        }; // not on Monday
        let held = rules().ask(who(), &gate, monday(10, 0, HCM));
        assert_eq!(
            held,
            Err(Held {
                gate: Gate::Window,
                next: Some(monday(32, 0, HCM).unix)
            })
        );
    }

    #[test]
    fn the_third_attempt_of_a_day_is_the_last_and_midnight_is_local() {
        let mut rules = rules();
        for hour in [8, 11, 14] {
            assert_eq!(rules.ask(who(), &gate(), monday(hour, 0, HCM)), Ok(()));
            rules.reserve(PersonId(1), NumberId(9), AttemptId(hour as u64));
            rules.settle(PersonId(1), NumberId(9), Some(monday(hour, 0, HCM).unix));
        }
        let held = rules.ask(who(), &gate(), monday(19, 0, HCM));
        assert_eq!(
            held,
            Err(Held {
                gate: Gate::DayCap,
                next: Some(monday(32, 0, HCM).unix)
            })
        );
        assert_eq!(rules.ask(who(), &gate(), monday(32, 0, HCM)), Ok(()));
    }

    #[test]
    fn the_gap_holds_over_campaigns_and_numbers() {
        let mut rules = rules();
        rules.reserve(PersonId(1), NumberId(9), AttemptId(1));
        rules.settle(PersonId(1), NumberId(9), Some(monday(9, 0, HCM).unix));
        let other_number = Candidate {
            number: NumberId(10),
            ..who()
        };
        let held = rules.ask(other_number, &gate(), monday(10, 59, HCM));
        assert_eq!(
            held,
            Err(Held {
                gate: Gate::Gap,
                next: Some(monday(11, 0, HCM).unix)
            })
        );
        assert_eq!(rules.ask(other_number, &gate(), monday(11, 0, HCM)), Ok(()));
    }

    #[test]
    fn one_attempt_in_the_air_per_person_and_number() {
        let mut rules = rules();
        rules.reserve(PersonId(1), NumberId(9), AttemptId(7));
        let same_person = Candidate {
            number: NumberId(10),
            ..who()
        };
        let same_number = Candidate {
            person: PersonId(2),
            ..who()
        };
        for other in [same_person, same_number] {
            assert_eq!(
                rules
                    .ask(other, &gate(), monday(9, 0, HCM))
                    .map_err(|held| held.gate),
                Err(Gate::InAir)
            );
        }
        let itself = Candidate {
            own: Some(AttemptId(7)),
            ..who()
        };
        assert_eq!(
            rules.ask(itself, &gate(), monday(9, 0, HCM)),
            Ok(()),
            "an attempt does not hold itself at release"
        );
    }

    #[test]
    fn what_the_floor_counted_outlives_a_stale_answer_of_the_store() {
        let mut rules = rules();
        rules.settle(PersonId(1), NumberId(9), Some(monday(9, 0, HCM).unix));
        rules.dismiss(PersonId(1), Mono(0));
        rules.admit(PersonId(1), &[]); // read before the attempt was written
        assert_eq!(
            rules
                .ask(who(), &gate(), monday(9, 30, HCM))
                .map_err(|held| held.gate),
            Err(Gate::Gap)
        );
        rules.dismiss(PersonId(1), Mono(0));
        rules.forget_some(Mono(0) + FORGET_AFTER);
        assert_eq!(
            rules.ask(who(), &gate(), monday(9, 30, HCM)),
            Ok(()),
            "the store's facts are complete by then"
        );
    }

    #[test]
    fn blocked_numbers_and_persons_are_never_dialled() {
        let mut rules = rules();
        rules.reserve(PersonId(1), NumberId(9), AttemptId(7));
        assert_eq!(
            rules.block_number(NumberId(9)),
            Some(AttemptId(7)),
            "what rings is named"
        );
        rules.settle(PersonId(1), NumberId(9), None);
        let held = Err(Held {
            gate: Gate::Blocked,
            next: None,
        });
        assert_eq!(rules.ask(who(), &gate(), monday(9, 0, HCM)), held);
        assert_eq!(rules.block_person(PersonId(2), None), None);
        let person = Candidate {
            person: PersonId(2),
            number: NumberId(10),
            ..who()
        };
        assert_eq!(rules.ask(person, &gate(), monday(9, 0, HCM)), held);
    }

    #[test]
    fn a_clock_change_moves_the_window_with_local_time() {
        // America/New_York leaves daylight time on 2026-11-01 at 06:00Z.
        let zone = ZoneTable {
            name: "America/New_York".into(),
            offsets: vec![
                (UnixMs(0), -4 * 3_600),
                (UnixMs(1_793_512_800_000), -5 * 3_600),
            ],
        };
        let eight_local = UnixMs(1_793_512_800_000 + 7 * 3_600_000); // 13:00Z = 08:00 EST
        assert_eq!(next_opening(&zone, &gate(), eight_local), None);
        let before = UnixMs(eight_local.0 - 12 * 3_600_000); // 01:00Z = 21:00 EDT the evening before
        assert_eq!(
            next_opening(&zone, &gate(), before),
            Some(Some(eight_local))
        );
    }
}
