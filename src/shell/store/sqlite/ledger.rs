//! The abandon ledgers on disk: one row for each campaign and minute in which somebody answered.
//!
//! A start reads the last 32 days of rows, never the attempts: how long it takes does not grow with the years. Rows are kept for
//! good; they are what a regulator asks for.

use super::names::Names;
use crate::core::ledger::{Exposure, Exposures, LedgerHistory};
use crate::ids::CampaignId;
use crate::shell::store::StoreNames;
use crate::time::UnixMs;
use rusqlite::Connection;

const MINUTE_MS: i64 = 60_000;
/// Minutes that a rolling window may still need: a day and an hour.
const MINUTES: i64 = 25 * 60;
/// Minutes that a fixed window may still need: 32 days.
const LONGEST: i64 = 32 * 24 * 60;
const QUARTER: i64 = 15;

/// Counts an answered call in its minute.
pub(super) fn keep(
    db: &Connection,
    campaign: i64,
    exposure: Exposure,
    at: UnixMs,
) -> rusqlite::Result<()> {
    let sql = match exposure {
        Exposure::Served => {
            "INSERT INTO ledger (campaign, minute, served) VALUES (?1, ?2, 1)
             ON CONFLICT (campaign, minute) DO UPDATE SET served = served + 1"
        }
        Exposure::Abandoned => {
            "INSERT INTO ledger (campaign, minute, abandoned) VALUES (?1, ?2, 1)
             ON CONFLICT (campaign, minute) DO UPDATE SET abandoned = abandoned + 1"
        }
        Exposure::LeftEarly => {
            "INSERT INTO ledger (campaign, minute, left_early) VALUES (?1, ?2, 1)
             ON CONFLICT (campaign, minute) DO UPDATE SET left_early = left_early + 1"
        }
        Exposure::Machine => {
            "INSERT INTO ledger (campaign, minute, machines) VALUES (?1, ?2, 1)
             ON CONFLICT (campaign, minute) DO UPDATE SET machines = machines + 1"
        }
    };
    db.prepare_cached(sql)?
        .execute((campaign, at.0.div_euclid(MINUTE_MS)))?;
    Ok(())
}

/// What is known of every campaign of `settings` from `first` on that somebody has ever answered to.
pub(super) fn histories(
    db: &Connection,
    names: &Names,
    settings: &StoreNames,
    first: usize,
    now: UnixMs,
) -> rusqlite::Result<Vec<(CampaignId, LedgerHistory)>> {
    let mut all = Vec::new();
    for number in first..settings.campaigns.len() {
        let campaign = CampaignId(number as u16);
        let Some(row) = names.campaign_row(campaign) else {
            continue;
        };
        let history = history(db, row, now)?;
        if !history.quarters.is_empty() {
            all.push((campaign, history));
        }
    }
    Ok(all)
}

fn history(db: &Connection, campaign: i64, now: UnixMs) -> rusqlite::Result<LedgerHistory> {
    let minute = now.0.div_euclid(MINUTE_MS);
    let read = |sql: &str, since: i64| -> rusqlite::Result<Vec<(i64, Exposures)>> {
        db.prepare_cached(sql)?
            .query_map((campaign, since), |row| {
                let count = |place: usize| row.get::<_, i64>(place).map(|count| count as u64);
                let counts = Exposures {
                    served: count(1)?,
                    abandoned: count(2)?,
                    left_early: count(3)?,
                    machines: count(4)?,
                };
                Ok((row.get(0)?, counts))
            })?
            .collect()
    };
    Ok(LedgerHistory {
        minutes: read(
            "SELECT minute, served, abandoned, left_early, machines FROM ledger
             WHERE campaign = ?1 AND minute >= ?2 ORDER BY minute",
            minute - MINUTES,
        )?,
        quarters: read(
            &format!(
                "SELECT minute / {QUARTER}, sum(served), sum(abandoned), sum(left_early), sum(machines) FROM ledger
                 WHERE campaign = ?1 AND minute >= ?2 GROUP BY minute / {QUARTER} ORDER BY minute / {QUARTER}"
            ),
            minute - LONGEST,
        )?,
    })
}
