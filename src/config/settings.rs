//! [`Config`] -> [`Settings`]: what the floor obeys, with the time zones of its borrowers; and whether we may serve at all.

use super::Config;
use crate::core::settings::{Settings, ZoneTable};
use crate::time::UnixMs;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// First instant of every zone table: 2026-01-01T00:00:00Z. The first entry also serves all earlier instants.
const ZONES_FROM_S: i64 = 1_767_225_600;
/// Last instant of every zone table: thirty years on. Two entries a year are small, and an engine that runs for years must
/// not meet the end of its calendar.
const ZONES_UNTIL_S: i64 = ZONES_FROM_S + 30 * 365 * 86_400;

/// A zone that nobody knows: calling hours there cannot be kept, so nothing may be dialled there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a known time zone; expected an IANA name such as \"Asia/Ho_Chi_Minh\"")]
pub struct UnknownZone(pub String);

impl Config {
    /// What the floor starts with. `zones` become the table in this order (a `ZoneId` is an index); `first_attempt` is one
    /// more than the store has ever seen.
    pub fn settings(&self, zones: &[String], first_attempt: u64) -> Result<Settings, UnknownZone> {
        Ok(Settings {
            floor: self.floor.clone(),
            zones: zones
                .iter()
                .map(|name| zone_table(name))
                .collect::<Result<_, _>>()?,
            trunks: self
                .trunks
                .iter()
                .map(|trunk| trunk.settings.clone())
                .collect(),
            campaigns: self
                .campaigns
                .iter()
                .map(|campaign| campaign.settings.clone())
                .collect(),
            first_attempt,
        })
    }

    /// Which rule profiles are missing for the trunks that lead beyond this machine, a sentence for each country that is called from
    /// or to: nobody but the operator has checked windows, caps and numbers against its law.
    pub fn missing_rules(&self) -> Vec<String> {
        let trunks = self.trunks_beyond_loopback();
        if trunks.is_empty() {
            return Vec::new();
        }
        let mut countries: BTreeSet<String> = self
            .campaigns
            .iter()
            .filter_map(|campaign| phonenumber::parse(None, &campaign.caller_id).ok())
            .filter_map(|number| number.country().id())
            .map(|id| id.as_ref().to_owned())
            .collect();
        countries.insert(self.default_country.clone());
        let plural = if trunks.len() == 1 { "leads" } else { "lead" };
        let trunks = trunks.join(", ");
        countries
            .into_iter()
            .map(|country| {
                format!(
                    "no rule profile for {country} is in force, and {trunks} {plural} beyond this machine: calling hours, attempts, \
                     gaps, recording notices and abandon rules are what the campaigns say, not what the law there asks"
                )
            })
            .collect()
    }

    /// Names of the trunks that lead beyond this machine.
    pub(super) fn trunks_beyond_loopback(&self) -> Vec<String> {
        self.trunks
            .iter()
            .filter(|trunk| !trunk.address.ip().is_loopback())
            .map(|trunk| trunk.settings.name.clone())
            .collect()
    }
}

/// Every change of a zone's offset from 2026 to 2055.
pub fn zone_table(name: &str) -> Result<ZoneTable, UnknownZone> {
    let unknown = || UnknownZone(name.to_owned());
    let zone = TimeZone::get(name).map_err(|_| unknown())?;
    let from = Timestamp::from_second(ZONES_FROM_S).map_err(|_| unknown())?;
    let until = Timestamp::from_second(ZONES_UNTIL_S).map_err(|_| unknown())?;
    let mut offsets = vec![(
        UnixMs(from.as_millisecond()),
        zone.to_offset(from).seconds(),
    )];
    for change in zone.following(from) {
        if change.timestamp() > until {
            break;
        }
        let offset = change.offset().seconds();
        // Zones also change only their abbreviation: nothing to us.
        if offsets.last().is_some_and(|(_, last)| *last != offset) {
            offsets.push((UnixMs(change.timestamp().as_millisecond()), offset));
        }
    }
    Ok(ZoneTable {
        name: name.to_owned(),
        offsets,
    })
}
