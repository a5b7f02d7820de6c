//! Writes lists: leads of an import, and numbers for the do-not-call list. In transactions of about 5 ms, standing in line with the
//! engine's writer, whose intents are stale after 250 ms.
//!
//! A part of a list is written in three rounds, each in the order of an index: persons by customer number, numbers, leads by person.
//! So a page of an index is filled in one go, where rows in the file's order would write one page for each row and index.

use super::blocks::block_number;
use super::checkpoint::{Checkpointer, Work};
use super::line::Line;
use super::orders;
use super::schema::failed;
use crate::shell::store::StoreError;
use crate::shell::store::import::{ImportMark, LeadList, PartTally};
use crate::shell::store::lead_part::{LeadCells, LeadPart, NameKind};
use crate::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use rustc_hash::FxHashMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Rows are written for so long; the commit comes on top.
const TURN: Duration = Duration::from_millis(4);
/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 8;
/// A mark that nobody came back for is forgotten after so many days.
const MARK_DAYS: u32 = 30;

/// The writer of lists.
#[derive(Debug)]
pub(super) struct ListWriter<'a> {
    connection: &'a mut Connection,
    line: Line,
    checkpointer: Checkpointer,
}

impl<'a> ListWriter<'a> {
    /// While the list is written its commits do not wait for the disk; [`LeadList::finish`] does.
    pub(super) fn begin(connection: &'a mut Connection, path: &Path) -> Result<Self, StoreError> {
        let line = Line::open(path)?;
        let checkpointer = Checkpointer::start(path)?;
        // Rows, marks and names that are new in a part are made by this very connection: there is nothing in them for foreign keys
        // and checks to find, and they take a quarter of the time.
        set(
            connection,
            &[
                ("synchronous", "NORMAL"),
                ("foreign_keys", "OFF"),
                ("ignore_check_constraints", "ON"),
                ("wal_autocheckpoint", "0"),
                // Sorted rows go from page to page, and a page is not come back to; at every commit all of them are walked over.
                ("cache_size", "-12288"),
            ],
        )
        .map_err(failed("begin the import"))?;
        Ok(ListWriter {
            connection,
            line,
            checkpointer,
        })
    }

    /// Calls `turn` for what is left from `at` to `end`, in as many transactions as it takes.
    fn in_turns(
        &mut self,
        mut at: usize,
        end: usize,
        mut turn: impl FnMut(&Transaction<'_>, &Turn, usize) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<()> {
        while at < end {
            at = self.in_turn(at, end, &mut turn)?;
        }
        Ok(())
    }

    /// One transaction. `turn` is told the transaction, the time, and where to begin, and says where it ended.
    fn in_turn(
        &mut self,
        at: usize,
        end: usize,
        turn: impl FnOnce(&Transaction<'_>, &Turn, usize) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<usize> {
        let standing = self.line.stand();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        drop(standing);
        let now = orders::now(&transaction)?;
        let until = Instant::now() + TURN;
        let next = turn(&transaction, &Turn { now, until, end }, at)?;
        transaction.commit()?;
        self.checkpointer.committed(Work::Rows(next - at));
        Ok(next)
    }

    /// Rows of all persons of a part, by lead; and which of them are new.
    fn persons(&mut self, part: &LeadPart) -> rusqlite::Result<(Vec<i64>, Vec<bool>)> {
        self.keys(PERSONS, part.len(), |at| (at as u32, part.cif(at as u32)))
    }

    fn numbers(&mut self, part: &LeadPart) -> rusqlite::Result<Vec<i64>> {
        self.keys(NUMBERS, part.len(), |at| part.by_number(at))
            .map(|(rows, _)| rows)
    }

    /// Finds or makes the row of every lead's key. `key` tells lead and key, in the order of the keys.
    fn keys<'p>(
        &mut self,
        table: KeyTable,
        count: usize,
        key: impl Fn(usize) -> (u32, &'p str),
    ) -> rusqlite::Result<(Vec<i64>, Vec<bool>)> {
        // The different keys, and which one each lead has.
        let mut keys: Vec<&str> = Vec::with_capacity(count);
        let mut key_of = vec![0_u32; count];
        for at in 0..count {
            let (lead, key) = key(at);
            if keys.last() != Some(&key) {
                keys.push(key);
            }
            key_of[lead as usize] = keys.len() as u32 - 1;
        }
        let mut found = Vec::with_capacity(keys.len());
        // A list is mostly new, or mostly known: whichever the last ones were is tried first.
        let mut guess_new = true;
        self.in_turns(0, keys.len(), |transaction, turn, from| {
            let mut statements = KeyStatements::prepare(transaction, table)?;
            turn.each(from, |at| {
                let some = &keys[at..keys.len().min(at + KEYS_AT_ONCE)];
                guess_new = statements.rows(transaction, some, guess_new, &mut found)?;
                Ok(some.len())
            })
        })?;
        Ok(key_of.into_iter().map(|key| found[key as usize]).unzip())
    }

    /// Rows of the part's campaigns, zones and agents, by name. An agent who is not there has none.
    fn names(&mut self, part: &LeadPart) -> rusqlite::Result<FxHashMap<(NameKind, usize), i64>> {
        let standing = self.line.stand();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        drop(standing);
        let mut rows = FxHashMap::default();
        for (kind, find, make) in [
            (
                NameKind::Campaign,
                "SELECT id FROM campaign WHERE name = ?1",
                Some("INSERT INTO campaign (name) VALUES (?1)"),
            ),
            (
                NameKind::Zone,
                "SELECT id FROM zone WHERE name = ?1",
                Some("INSERT INTO zone (name) VALUES (?1)"),
            ),
            (
                NameKind::Agent,
                "SELECT id FROM agent WHERE name = ?1",
                None,
            ),
        ] {
            for at in part.names_of(kind) {
                let name: &str = &part.names()[at];
                let found = transaction
                    .prepare_cached(find)?
                    .query_row([name], |row| row.get(0))
                    .optional()?;
                let row = match (found, make) {
                    (Some(row), _) => row,
                    (None, Some(make)) => {
                        transaction.prepare_cached(make)?.execute([name])?;
                        transaction.last_insert_rowid()
                    }
                    (None, None) => continue,
                };
                rows.insert((kind, at), row);
            }
        }
        transaction.commit()?;
        Ok(rows)
    }

    fn keep_part(
        &mut self,
        part: &LeadPart,
        tally: &mut PartTally,
        mark: Option<(&str, &ImportMark)>,
        told: &mut dyn FnMut(&PartTally),
    ) -> rusqlite::Result<Vec<u32>> {
        let names = self.names(part)?;
        let has_agents = !part.names_of(NameKind::Agent).is_empty();
        let refused: Vec<u32> = (0..part.len() as u32)
            .filter(|_| has_agents)
            .filter(|lead| {
                let agent = part.cells(*lead).reserved_for;
                agent.is_some_and(|agent| !names.contains_key(&(NameKind::Agent, agent)))
            })
            .collect();
        let (persons, new) = self.persons(part)?;
        let numbers = self.numbers(part)?;
        // By person. The same in every run: rows of persons and numbers stay.
        let mut order: Vec<(i64, i64, u32)> = (0..part.len() as u32)
            .map(|lead| (persons[lead as usize], numbers[lead as usize], lead))
            .collect();
        order.sort_unstable();
        let mut is_refused = vec![false; part.len()];
        for lead in &refused {
            is_refused[*lead as usize] = true;
        }
        while (tally.done as usize) < part.len() {
            let mut counted = *tally;
            self.in_turn(
                tally.done as usize,
                part.len(),
                |transaction, turn, from| {
                    let mut leads = LeadStatements::prepare(transaction)?;
                    let end = turn.each(from, |at| {
                        let (person, number, lead) = order[at];
                        if is_refused[lead as usize] {
                            return Ok(1);
                        }
                        let cells = part.cells(lead);
                        let row = LeadColumns {
                            campaign: names[&(NameKind::Campaign, cells.campaign)],
                            person,
                            number,
                            zone: names[&(NameKind::Zone, cells.zone)],
                            needs: &part.names()[cells.needs],
                            reserved_for: cells
                                .reserved_for
                                .map(|agent| names[&(NameKind::Agent, agent)]),
                            cells,
                        };
                        // Nobody has spoken to a person who came in with this part, and who has no lead before this one.
                        let is_first = at
                            .checked_sub(1)
                            .is_none_or(|before| order[before].0 != person);
                        let is_untold = new[lead as usize] && is_first;
                        match leads.keep(transaction, &row, turn.now, is_untold)? {
                            Kept::New => counted.imported += 1,
                            Kept::Same => counted.duplicates += 1,
                            Kept::Updated => {
                                counted.duplicates += 1;
                                counted.updated += 1;
                            }
                        }
                        Ok(1)
                    })?;
                    counted.done = end as u64;
                    if let Some((import, mark)) = mark {
                        let part = mark.part.as_ref();
                        let mark = ImportMark {
                            part: part.map(|(digest, _)| (digest.clone(), counted)),
                            ..mark.clone()
                        };
                        write_mark(transaction, import, &mark, turn.now)?;
                    }
                    Ok(end)
                },
            )?;
            *tally = counted;
            told(tally);
        }
        Ok(refused)
    }
}

/// A transaction's time.
struct Turn {
    now: UnixMs,
    until: Instant,
    end: usize,
}

impl Turn {
    /// Calls `write` for what is left until the time is over; it says how many it took. Where it ended.
    fn each(
        &self,
        from: usize,
        mut write: impl FnMut(usize) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<usize> {
        let mut at = from;
        let mut look_at = from + ROWS_PER_LOOK;
        while at < self.end {
            at += write(at)?;
            if at >= look_at {
                if Instant::now() >= self.until {
                    break;
                }
                look_at = at + ROWS_PER_LOOK;
            }
        }
        Ok(at)
    }
}

impl Drop for ListWriter<'_> {
    /// Also after an import that failed: what the connection writes next must wait for the disk, and be checked.
    fn drop(&mut self) {
        let restored = set(
            self.connection,
            &[
                ("synchronous", "FULL"),
                ("foreign_keys", "ON"),
                ("ignore_check_constraints", "OFF"),
                ("wal_autocheckpoint", "1000"),
                ("cache_size", "-65536"),
            ],
        );
        if let Err(fault) = restored {
            tracing::error!(%fault, "The connection of the import cannot be used any more.");
        }
    }
}

fn set(connection: &Connection, pragmas: &[(&str, &str)]) -> rusqlite::Result<()> {
    for (name, value) in pragmas {
        // Some of them answer with a row, some do not.
        connection
            .prepare(&format!("PRAGMA {name} = {value}"))?
            .query([])?
            .next()?;
    }
    Ok(())
}

impl LeadList for ListWriter<'_> {
    fn mark(&mut self, import: &str) -> Result<Option<ImportMark>, StoreError> {
        let found: Option<String> = self
            .connection
            .query_row(
                "SELECT mark FROM import_mark WHERE import = ?1",
                [import],
                |row| row.get(0),
            )
            .optional()
            .map_err(failed("read how far the import got"))?;
        // One that this program cannot read is none: the import begins anew, and doubles nothing.
        Ok(found.and_then(|json| serde_json::from_str(&json).ok()))
    }

    fn set_mark(&mut self, import: &str, mark: Option<&ImportMark>) -> Result<(), StoreError> {
        let kept = self.in_turns(0, 1, |transaction, turn, _| {
            match mark {
                Some(mark) => write_mark(transaction, import, mark, turn.now)?,
                None => {
                    transaction.execute(
                        "DELETE FROM import_mark
                         WHERE import = ?1 OR at < (unixepoch() - ?2 * 86400) * 1000",
                        (import, MARK_DAYS),
                    )?;
                }
            }
            Ok(1)
        });
        kept.map_err(failed("keep how far the import got"))
    }

    fn keep(
        &mut self,
        part: &LeadPart,
        tally: &mut PartTally,
        mark: Option<(&str, &ImportMark)>,
        told: &mut dyn FnMut(&PartTally),
    ) -> Result<Vec<u32>, StoreError> {
        self.keep_part(part, tally, mark, told)
            .map_err(failed("write the list"))
    }

    fn block(&mut self, numbers: &[(String, String)]) -> Result<Vec<bool>, StoreError> {
        let mut new = Vec::with_capacity(numbers.len());
        self.in_turns(0, numbers.len(), |transaction, turn, from| {
            turn.each(from, |at| {
                let (number, reason) = &numbers[at];
                let there: bool = transaction
                    .prepare_cached("SELECT EXISTS (SELECT 1 FROM dnc WHERE e164 = ?1)")?
                    .query_row([number], |row| row.get(0))?;
                block_number(transaction, number, reason, turn.now)?;
                new.push(!there);
                Ok(1)
            })
        })
        .map_err(failed("write the list"))?;
        Ok(new)
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        let doing = failed("bring the list to the disk");
        set(self.connection, &[("synchronous", "FULL")]).map_err(&doing)?;
        // One commit that waits for the disk takes all commits before it along: the WAL is one file.
        let standing = self.line.stand();
        self.connection
            .execute(
                "INSERT INTO meta (key, value) VALUES ('last_import', unixepoch())
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [],
            )
            .map_err(&doing)?;
        drop(standing);
        Ok(())
    }
}

fn write_mark(
    db: &Connection,
    import: &str,
    mark: &ImportMark,
    now: UnixMs,
) -> rusqlite::Result<()> {
    let json = serde_json::to_string(mark)
        .map_err(|fault| rusqlite::Error::ToSqlConversionFailure(fault.into()))?;
    db.prepare_cached(
        "INSERT INTO import_mark (import, at, mark) VALUES (?1, ?2, ?3)
         ON CONFLICT (import) DO UPDATE SET at = excluded.at, mark = excluded.mark",
    )?
    .execute((import, now.0, json))?;
    Ok(())
}

/// A table that gives a row to every key.
#[derive(Clone, Copy, Debug)]
struct KeyTable {
    name: &'static str,
    key: &'static str,
}

const PERSONS: KeyTable = KeyTable {
    name: "person",
    key: "cif",
};
const NUMBERS: KeyTable = KeyTable {
    name: "number",
    key: "e164",
};
/// Keys that one statement adds: to begin a statement costs nearly as much as to add a row.
const KEYS_AT_ONCE: usize = 32;

struct KeyStatements<'a> {
    last: rusqlite::CachedStatement<'a>,
    find: rusqlite::CachedStatement<'a>,
    make: rusqlite::CachedStatement<'a>,
    make_many: rusqlite::CachedStatement<'a>,
}

impl<'a> KeyStatements<'a> {
    fn prepare(db: &'a Connection, table: KeyTable) -> rusqlite::Result<Self> {
        let KeyTable { name, key } = table;
        let many = vec!["(?, ?)"; KEYS_AT_ONCE].join(", ");
        Ok(KeyStatements {
            last: db.prepare_cached(&format!("SELECT coalesce(max(id), 0) FROM {name}"))?,
            find: db.prepare_cached(&format!("SELECT id FROM {name} WHERE {key} = ?1"))?,
            make: db.prepare_cached(&format!(
                "INSERT INTO {name} ({key}) VALUES (?1) ON CONFLICT DO NOTHING"
            ))?,
            // IGNORE and not ON CONFLICT: a statement that cannot fail half way keeps no journal of its own.
            make_many: db.prepare_cached(&format!(
                "INSERT OR IGNORE INTO {name} (id, {key}) VALUES {many}"
            ))?,
        })
    }

    /// Adds the row of each key, and whether it is new, to `found`. Whether all were new.
    fn rows(
        &mut self,
        db: &Connection,
        keys: &[&str],
        guess_new: bool,
        found: &mut Vec<(i64, bool)>,
    ) -> rusqlite::Result<bool> {
        if guess_new && keys.len() == KEYS_AT_ONCE {
            let last: i64 = self.last.query_row([], |row| row.get(0))?;
            for (n, key) in keys.iter().enumerate() {
                self.make_many
                    .raw_bind_parameter(2 * n + 1, last + 1 + n as i64)?;
                self.make_many.raw_bind_parameter(2 * n + 2, key)?;
            }
            if self.make_many.raw_execute()? == keys.len() {
                found.extend((last + 1..).take(keys.len()).map(|row| (row, true)));
                return Ok(true);
            }
            // Some were there.
            for key in keys {
                let row: i64 = self.find.query_row([key], |row| row.get(0))?;
                found.push((row, row > last));
            }
            return Ok(false);
        }
        let mut all_new = true;
        for key in keys {
            let known = self.find.query_row([key], |row| row.get(0)).optional()?;
            let row = match known {
                Some(row) => (row, false),
                None => {
                    self.make.execute([key])?;
                    (db.last_insert_rowid(), true)
                }
            };
            all_new &= row.1;
            found.push(row);
        }
        Ok(all_new)
    }
}

/// What became of a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    New,
    Updated,
    Same,
}

/// A lead with the rows that it names.
struct LeadColumns<'a> {
    campaign: i64,
    person: i64,
    number: i64,
    zone: i64,
    needs: &'a str,
    reserved_for: Option<i64>,
    cells: LeadCells<'a>,
}

struct LeadStatements<'a> {
    find: rusqlite::CachedStatement<'a>,
    add: rusqlite::CachedStatement<'a>,
    add_untold: rusqlite::CachedStatement<'a>,
    add_facts: rusqlite::CachedStatement<'a>,
    update: rusqlite::CachedStatement<'a>,
    update_facts: rusqlite::CachedStatement<'a>,
}

impl<'a> LeadStatements<'a> {
    fn prepare(db: &'a Connection) -> rusqlite::Result<Self> {
        Ok(LeadStatements {
            find: db.prepare_cached(
                "SELECT lead.id, (priority, zone, needs, reserved_for) IS (?4, ?5, ?6, ?7), lead_facts.facts IS ?8
                 FROM lead LEFT JOIN lead_facts ON lead_facts.lead = lead.id
                 WHERE campaign = ?1 AND person = ?2 AND number = ?3",
            )?,
            // A person who is held for some days, or left in peace after a call, is so on new lists too.
            add: db.prepare_cached(
                "INSERT INTO lead (campaign, person, number, zone, priority, not_before, needs, reserved_for, imported_at)
                 VALUES (?1, ?2, ?3, ?4, ?5,
                    max(?6, (SELECT quiet_until FROM person WHERE id = ?2),
                        coalesce((SELECT until FROM person_block WHERE person = ?2), 0)), ?7, ?8, ?9)",
            )?,
            add_untold: db.prepare_cached(
                "INSERT INTO lead (campaign, person, number, zone, priority, not_before, needs, reserved_for, imported_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
            )?,
            add_facts: db.prepare_cached("INSERT INTO lead_facts (lead, facts) VALUES (?1, ?2)")?,
            update: db.prepare_cached(
                "UPDATE lead SET priority = ?2, zone = ?3, needs = ?4, reserved_for = ?5 WHERE id = ?1",
            )?,
            update_facts: db.prepare_cached(
                "INSERT INTO lead_facts (lead, facts) VALUES (?1, ?2)
                 ON CONFLICT (lead) DO UPDATE SET facts = excluded.facts",
            )?,
        })
    }

    /// A lead is new, or it is on the list: then what the list knows better is taken over. Its past and its future are the floor's:
    /// attempts, not-before and an end stay as they are. `is_untold`: its person came in with this part, and has no other lead.
    fn keep(
        &mut self,
        db: &Connection,
        lead: &LeadColumns<'_>,
        now: UnixMs,
        is_untold: bool,
    ) -> rusqlite::Result<Kept> {
        let cells = &lead.cells;
        let values = (
            lead.campaign,
            lead.person,
            lead.number,
            lead.zone,
            cells.priority,
            cells.not_before.unwrap_or(now).0,
            lead.needs,
            lead.reserved_for,
            now.0,
        );
        if is_untold && self.add_untold.execute(values)? > 0 {
            self.add_facts
                .execute((db.last_insert_rowid(), cells.facts))?;
            return Ok(Kept::New);
        }
        let found: Option<(i64, bool, bool)> = self
            .find
            .query_row(
                (
                    lead.campaign,
                    lead.person,
                    lead.number,
                    cells.priority,
                    lead.zone,
                    lead.needs,
                    lead.reserved_for,
                    cells.facts,
                ),
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let Some((row, same_row, same_facts)) = found else {
            self.add.execute(values)?;
            self.add_facts
                .execute((db.last_insert_rowid(), cells.facts))?;
            return Ok(Kept::New);
        };
        if !same_row {
            self.update.execute((
                row,
                cells.priority,
                lead.zone,
                lead.needs,
                lead.reserved_for,
            ))?;
        }
        if !same_facts {
            self.update_facts.execute((row, cells.facts))?;
        }
        Ok(if same_row && same_facts {
            Kept::Same
        } else {
            Kept::Updated
        })
    }
}
