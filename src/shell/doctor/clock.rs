//! The time: calling hours, caps and records hang on it. Whether somebody keeps it right, whether it can be right at all,
//! whether it runs evenly, and whether the zones of the borrowers are known.

use super::{Case, Finding, output_of};
use crate::shell::serve::store_path;
use crate::shell::store::sqlite::store_zones;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const CHECK: &str = "clock";
/// How long both clocks are compared.
const COMPARED: Duration = Duration::from_millis(1_000);
/// Difference within that time that is not even running: NTP slews by at most 0.05 %.
const DRIFT_MAX: Duration = Duration::from_millis(20);
/// Longest wait for systemd's word.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    vec![
        synchronised(),
        sane(SystemTime::now(), built()),
        even(),
        zones(case),
    ]
}

fn synchronised() -> Finding {
    // systemd-timesyncd leaves this file; timedatectl asks the kernel, so it knows chrony and ntpd too.
    let is_synchronised = Path::new("/run/systemd/timesync/synchronized").exists();
    let told = output_of(
        "timedatectl",
        &["show", "--property=NTPSynchronized", "--value"],
        PATIENCE,
    );
    match (is_synchronised, told.as_deref().map(str::trim)) {
        (true, _) | (false, Some("yes")) => Finding::ok(CHECK, "it is kept by NTP"),
        (false, Some("no")) => Finding::warning(
            CHECK,
            "nobody keeps it: NTP is not synchronised",
            "install systemd-timesyncd or chrony; calling hours and caps follow this clock",
        ),
        _ => Finding::warning(
            CHECK,
            "whether NTP keeps it cannot be told here",
            "in a container the host keeps it: look there (timedatectl)",
        ),
    }
}

/// When this program was built or installed: no time before it can be now.
fn built() -> Option<SystemTime> {
    std::env::current_exe()
        .and_then(std::fs::metadata)
        .and_then(|program| program.modified())
        .ok()
}

fn sane(now: SystemTime, built: Option<SystemTime>) -> Finding {
    // A day: programs are built in other time zones, and some file systems keep local time.
    let slack = Duration::from_secs(86_400);
    let says = now
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| jiff::Timestamp::from_second(since.as_secs() as i64).ok())
        .map_or_else(
            || "before 1970".to_owned(),
            |at| at.strftime("%F %H:%MZ").to_string(),
        );
    let is_before = built.is_some_and(|built| now + slack < built);
    if is_before {
        Finding::fault(
            CHECK,
            format!("it says {says}, and this program is younger than that"),
            "set the clock; every calling hour would be wrong",
        )
    } else {
        Finding::ok(CHECK, format!("it says {says}"))
    }
}

fn even() -> Finding {
    let (wall, steady) = (SystemTime::now(), Instant::now());
    std::thread::sleep(COMPARED);
    let (by_steady, by_wall) = (steady.elapsed(), wall.elapsed().unwrap_or_default());
    let drift = by_wall.abs_diff(by_steady);
    let what = format!(
        "within {} ms the wall clock and the steady clock part by {:.1} ms",
        by_steady.as_millis(),
        drift.as_secs_f64() * 1e3
    );
    if drift <= DRIFT_MAX {
        Finding::ok(CHECK, what)
    } else {
        Finding::warning(
            CHECK,
            what,
            "somebody sets the clock while we look: one time service only, and none that steps during calling hours",
        )
    }
}

fn zones(case: &Case<'_>) -> Finding {
    let mut zones = store_zones(&store_path(case.config)).unwrap_or_default();
    if !zones.contains(&case.config.default_zone) {
        zones.push(case.config.default_zone.clone());
    }
    match case.config.settings(&zones, 1) {
        Ok(_) => Finding::ok(
            CHECK,
            format!("{} time zones of borrowers, all known", zones.len()),
        ),
        Err(unknown) => Finding::fault(
            CHECK,
            format!("a lead names a zone that cannot be kept: {unknown}"),
            "correct the list and import it again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::doctor::Verdict;

    #[test]
    fn a_clock_before_the_programs_own_time_is_a_fault() {
        let built = UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        let of = |now: SystemTime| sane(now, Some(built)).verdict;
        assert_eq!(of(UNIX_EPOCH + Duration::from_secs(12)), Verdict::Fault);
        assert_eq!(of(built - Duration::from_secs(3_600)), Verdict::Ok);
        assert_eq!(of(built + Duration::from_secs(3_600)), Verdict::Ok);
    }
}
