//! A file against the one that was loaded before it: which keys say something else, where, and what a reload may do with each.
//!
//! Compares meanings, file to file: a default that is now written out is no change, and what a supervisor did since the last
//! load is not looked at. Never shows a secret.

use super::faults::place;
use super::keys::{Change, KEYS, Key, Read};
use super::load::{Sources, read};
use super::reader::Sink;
use super::shown::{ABSENT, Shown};
use super::{Config, Faults};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A checked configuration, with the places of its keys in the text.
pub struct Loaded {
    /// What the file means.
    pub config: Config,
    /// Its name, as faults and changes show it.
    pub file: PathBuf,
    text: String,
    /// Byte offset of each key that may be written, by its path with indices.
    places: BTreeMap<String, usize>,
}

/// One key that says something else.
#[derive(Clone, Debug)]
pub struct KeyChange {
    /// The key, with the name of its trunk or campaign: `campaigns["PL-B2-HCM"].cps_max`.
    pub key: String,
    /// Line in the new file, from 1; 0 if nothing there speaks of it (a removed trunk).
    pub line: usize,
    /// Column in characters, from 1; 0 as the line.
    pub column: usize,
    /// What the file before said; never a secret.
    pub old: String,
    /// What it says now; never a secret.
    pub new: String,
    /// What a reload does with it.
    pub rule: &'static Key,
}

impl KeyChange {
    /// Whether it needs a restart.
    pub fn needs_restart(&self) -> bool {
        self.rule.change == Change::Restart
    }
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.key, self.old, self.new)?;
        if self.needs_restart() {
            write!(f, "; needs a restart: {}", self.rule.why)?;
        }
        Ok(())
    }
}

impl Loaded {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Loaded, Faults> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Faults::whole_file(path, format!("cannot be read: {error}")))?;
        let sources = Sources {
            environment: &|name| std::env::var(name).ok(),
            file: &|path| std::fs::read_to_string(path),
        };
        Loaded::of(text, path, &sources)
    }

    pub(super) fn of(text: String, path: &Path, sources: &Sources<'_>) -> Result<Loaded, Faults> {
        let mut sink = Sink::new(&text);
        match read(&text, &mut sink, sources) {
            Ok(config) => {
                let places = sink.into_places();
                Ok(Loaded {
                    config,
                    file: path.to_owned(),
                    text,
                    places,
                })
            }
            Err(()) => Err(Faults {
                file: path.to_owned(),
                list: sink.into_faults(),
            }),
        }
    }

    /// Line and column of a key; of those that say the same thing, the one that is written.
    fn place(&self, table: &str, names: &[&str]) -> (usize, usize) {
        let paths = names.iter().map(|name| match table {
            "" => (*name).to_owned(),
            table => format!("{table}.{name}"),
        });
        // A key that is not written stands where its table begins: before all others of the table.
        let found = paths.filter_map(|path| self.places.get(&path)).max();
        found.map_or((0, 0), |offset| place(&self.text, *offset))
    }

    /// Everything that this file says otherwise than `before`, in the order of the table of keys.
    pub fn changes_since(&self, before: &Config) -> Vec<KeyChange> {
        let mut found = Vec::new();
        let trunks = in_both(&before.trunks, &self.config.trunks, |trunk| {
            &trunk.settings.name
        });
        let campaigns = in_both(&before.campaigns, &self.config.campaigns, |campaign| {
            &campaign.settings.name
        });
        for rule in KEYS {
            match &rule.read {
                Read::Engine(value) => {
                    let (old, new) = (value(before), value(&self.config));
                    self.note(&mut found, rule, ("", rule.name.to_owned()), &old, &new);
                }
                Read::Entries if rule.name == "trunks" => {
                    let names = |config: &Config| -> Vec<String> {
                        let names = config.trunks.iter().map(|trunk| &trunk.settings.name);
                        names.cloned().collect()
                    };
                    self.entries(&mut found, rule, &names(before), &names(&self.config));
                }
                Read::Entries => {
                    let names = |config: &Config| -> Vec<String> {
                        let names = config.campaigns.iter().map(|each| &each.settings.name);
                        names.cloned().collect()
                    };
                    self.entries(&mut found, rule, &names(before), &names(&self.config));
                }
                Read::Trunk(value) => {
                    for (index, trunk, old) in &trunks {
                        let table = format!("trunks[{index}]");
                        let shown = named(rule.name, &trunk.settings.name);
                        let (old, new) = (value(old), value(trunk));
                        self.note(&mut found, rule, (&table, shown), &old, &new);
                    }
                }
                Read::Campaign(value) => {
                    for (index, campaign, old) in &campaigns {
                        let table = format!("campaigns[{index}]");
                        let shown = named(rule.name, &campaign.settings.name);
                        let (old, new) = (value(before, old), value(&self.config, campaign));
                        self.note(&mut found, rule, (&table, shown), &old, &new);
                    }
                }
                Read::Within(_) => {}
            }
        }
        found
    }

    fn note(
        &self,
        found: &mut Vec<KeyChange>,
        rule: &'static Key,
        (table, key): (&str, String),
        old: &Shown,
        new: &Shown,
    ) {
        if old == new {
            return;
        }
        let last = |name: &'static str| match table {
            "" => name,
            _ => name.split_once('.').map_or(name, |(_, last)| last),
        };
        let parts = KEYS.iter().filter_map(|other| match other.read {
            Read::Within(whole) if whole == rule.name => Some(last(other.name)),
            _ => None,
        });
        let names: Vec<&str> = std::iter::once(last(rule.name)).chain(parts).collect();
        let (line, column) = self.place(table, &names);
        found.push(KeyChange {
            key,
            line,
            column,
            old: old.to_string(),
            new: new.to_string(),
            rule,
        });
    }

    /// Trunks or campaigns that came or went.
    fn entries(
        &self,
        found: &mut Vec<KeyChange>,
        rule: &'static Key,
        old: &[String],
        new: &[String],
    ) {
        for (index, name) in new.iter().enumerate() {
            if !old.contains(name) {
                let (line, column) = self.place(&format!("{}[{index}]", rule.name), &["name"]);
                found.push(KeyChange {
                    key: format!("{}[\"{name}\"]", rule.name),
                    line,
                    column,
                    old: ABSENT.to_owned(),
                    new: "added".to_owned(),
                    rule,
                });
            }
        }
        for name in old.iter().filter(|name| !new.contains(name)) {
            found.push(KeyChange {
                key: format!("{}[\"{name}\"]", rule.name),
                line: 0,
                column: 0,
                old: "there".to_owned(),
                new: "removed".to_owned(),
                rule,
            });
        }
    }
}

/// Entries that both files name: the place in the new one, the new, the old.
fn in_both<'c, T>(
    old: &'c [T],
    new: &'c [T],
    name: impl Fn(&T) -> &String,
) -> Vec<(usize, &'c T, &'c T)> {
    let known: BTreeMap<&String, &T> = old.iter().map(|entry| (name(entry), entry)).collect();
    let new = new.iter().enumerate();
    new.filter_map(|(place, entry)| Some((place, entry, *known.get(name(entry))?)))
        .collect()
}

/// `trunks.cps_max` of "carrier-a" as `trunks["carrier-a"].cps_max`.
fn named(key: &str, name: &str) -> String {
    match key.split_once('.') {
        Some((table, rest)) => format!("{table}[\"{name}\"].{rest}"),
        None => key.to_owned(),
    }
}
