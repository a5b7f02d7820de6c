//! The store as it lies on the disk: its version, whether it is whole, how long its journal is. Looks, never migrates.

use super::{Case, Finding};
use crate::shell::serve::store_path;
use crate::shell::store::sqlite::{Wholeness, store_health};
use std::time::Duration;

const CHECK: &str = "store";
/// Longest look at the store's pages.
const LOOK_MAX: Duration = Duration::from_secs(3);
/// A journal of this length is not copied back any more: some reader holds it.
const WAL_LONG: u64 = 512 << 20;
/// Agents of a floor whose store is not there yet: what the house is built for.
pub(super) const AGENTS_GUESSED: u64 = 2_000;

/// What was found, and how many agents may log in.
pub(super) fn check(case: &Case<'_>) -> (Vec<Finding>, u64) {
    let path = store_path(case.config);
    let name = path.display();
    if !path.exists() {
        let finding = Finding::ok(
            CHECK,
            format!("{name} is not there yet; the first start makes it"),
        );
        return (vec![finding], AGENTS_GUESSED);
    }
    let health = match store_health(&path, LOOK_MAX) {
        Ok(health) => health,
        Err(error) => {
            let finding = Finding::fault(
                CHECK,
                format!("{name} cannot be opened: {error}"),
                "see who owns it; if it is damaged, restore the last backup",
            );
            return (vec![finding], AGENTS_GUESSED);
        }
    };
    let mut found = Vec::new();
    let (schema, known) = (health.schema, health.schema_known);
    found.push(if schema > known {
        Finding::fault(
            CHECK,
            format!("{name} has schema {schema}, this program knows {known}"),
            "start the newer program, or restore the copy made before it ran",
        )
    } else if schema < known {
        Finding::warning(
            CHECK,
            format!("{name} has schema {schema}; the next start brings it to {known}, and no older program opens it then"),
            "make a backup before the start",
        )
    } else {
        Finding::ok(CHECK, format!("{name} has schema {schema}, {} agents", health.agents))
    });
    found.push(match health.wholeness {
        Wholeness::Whole => Finding::ok(CHECK, format!("its {} MB are whole", health.octets >> 20)),
        Wholeness::NotSeenThrough => Finding::ok(
            CHECK,
            format!(
                "no damage was found within {} s; {} MB take longer (`sqlite3 {name} 'PRAGMA quick_check'` at a quiet hour)",
                LOOK_MAX.as_secs(),
                health.octets >> 20
            ),
        ),
        Wholeness::Damaged(what) => Finding::fault(
            CHECK,
            format!("it is damaged: {what}"),
            "stop the engine, keep the file for later, restore the last backup",
        ),
    });
    if health.wal_octets > WAL_LONG {
        found.push(Finding::warning(
            CHECK,
            format!("its journal (WAL) has {} MB", health.wal_octets >> 20),
            "end whoever reads the store for hours: a long report holds the journal",
        ));
    }
    (found, u64::from(health.agents))
}
