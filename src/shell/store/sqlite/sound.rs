//! Writes how a call sounded beside its attempt.

use crate::shell::store::CallSound;
use rusqlite::{Connection, params};

/// Keeps the figures; rows changed. The attempt's row is there since its intent; of an attempt that is not, nothing is kept.
pub(super) fn keep(db: &Connection, sound: &CallSound) -> rusqlite::Result<usize> {
    let whole =
        |figure: Option<u64>| figure.map(|figure| i64::try_from(figure).unwrap_or(i64::MAX));
    let (inward, outward) = (&sound.inward, &sound.outward);
    db.prepare_cached(
        "UPDATE attempt SET first_audio_ms = ?2, packets_in = ?3, lost_in = ?4, jitter_in_us = ?5, mos_in = ?6,
            packets_out = ?7, lost_out = ?8, jitter_out_us = ?9, mos_out = ?10, round_trip_us = ?11
         WHERE id = ?1",
    )?
    .execute(params![
        sound.attempt.0 as i64,
        sound.first_audio_ms,
        whole(Some(inward.packets)),
        whole(inward.lost),
        whole(inward.jitter_us),
        inward.mos_hundredths,
        whole(Some(outward.packets)),
        whole(outward.lost),
        whole(outward.jitter_us),
        outward.mos_hundredths,
        whole(sound.round_trip_us),
    ])
}
