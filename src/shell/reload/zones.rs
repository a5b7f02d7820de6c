//! A lead of a new time zone while the engine runs: the zone is put in force as soon as the hopper meets it.

use crate::config::zone_table;
use crate::core::input::Input;
use crate::core::settings::Edit;
use crate::ids::ZoneId;
use crate::shell::lanes::FloorLane;
use crate::shell::store::{SharedNames, ZoneLearner};
use std::sync::Arc;

/// Zones of one run: above all that IANA has. Each costs some sixty offsets.
const ZONES_MAX: usize = 1_024;

/// Puts zones in force that leads name: in the floor's table first, then in the names, so that no lead comes before its zone.
pub fn zone_learner(names: SharedNames, floor: FloorLane) -> ZoneLearner {
    Box::new(move |zone| {
        let edit = names.edit();
        let now = edit.now();
        if now.zones.iter().any(|known| known == zone) {
            return true;
        }
        // An import refuses zones that this machine does not know; one of another machine may still be in the store.
        let Ok(table) = zone_table(zone) else {
            return false;
        };
        if now.zones.len() >= ZONES_MAX {
            return false;
        }
        let id = ZoneId(now.zones.len() as u16);
        if floor
            .urgent(Input::Edits(vec![Edit::Zone(id, table)]))
            .is_err()
        {
            // The next refill meets the zone again.
            return false;
        }
        let mut next = (*now).clone();
        next.zones.push(zone.to_owned());
        edit.set(Arc::new(next));
        tracing::info!(zone, "A lead's time zone is new, and in force now.");
        true
    })
}
