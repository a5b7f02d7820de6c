//! Reads what the wire said of a failed INVITE: whose failure it is, and whether another trunk may be asked.

use crate::core::input::LegFailure;
use crate::core::results::SystemResult;

/// The meaning of a final failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// About the person or the number: the attempt ends with it.
    Final(SystemResult),
    /// About the trunk. Another one may be asked if the phone never rang.
    Trunk,
    /// "Not found" without a cause: a routing fault as often as a dead number. Two trunks that agree are believed.
    NotFound,
}

/// Reads a failure. The Reason header (RFC 3326) is believed before the status code (domain.md, "System results").
pub(crate) fn read(failure: LegFailure, rang: bool) -> Reading {
    use Reading::{Final, NotFound, Trunk};
    use SystemResult::{Busy, Invalid, NoAnswer, Rejected};
    match (failure.status, failure.q850) {
        // ITU-T Q.850: 1 unallocated number, 28 invalid number format.
        (404 | 484 | 410 | 604 | 500..=599 | 480, Some(1 | 28)) => Final(Invalid),
        // 17 user busy, 18 no user responding, 19 no answer, 20 subscriber absent, 21 call rejected.
        (480 | 500..=599, Some(17)) => Final(Busy),
        (404 | 480 | 500..=599, Some(18..=20)) => Final(NoAnswer),
        (403 | 480 | 500..=599, Some(21)) => Final(Rejected),
        (486 | 600, _) => Final(Busy),
        (603 | 607 | 608, _) => Final(Rejected),
        (410 | 604, _) => Final(Invalid),
        (404 | 484, _) => NotFound,
        // 408 after ringing is the phone that nobody took; before, it is the trunk.
        (480 | 487, _) => Final(NoAnswer),
        (408, _) if rang => Final(NoAnswer),
        _ => Trunk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, q850: Option<u8>, rang: bool, want: Reading) {
        assert_eq!(
            read(
                LegFailure {
                    status,
                    q850,
                    retry_after_s: None
                },
                rang
            ),
            want,
            "{status} cause {q850:?} rang {rang}"
        );
    }

    #[test]
    fn the_table_of_system_results_is_kept() {
        use Reading::{Final, NotFound, Trunk};
        use SystemResult::{Busy, Invalid, NoAnswer, Rejected};
        for (status, q850, rang, want) in [
            (486, None, true, Final(Busy)),
            (600, None, false, Final(Busy)),
            (603, None, true, Final(Rejected)),
            (607, None, false, Final(Rejected)),
            (608, None, false, Final(Rejected)),
            (403, Some(21), false, Final(Rejected)),
            (403, None, false, Trunk),
            (402, None, false, Trunk),
            (408, None, false, Trunk),
            (408, None, true, Final(NoAnswer)),
            (480, None, false, Final(NoAnswer)),
            (410, None, false, Final(Invalid)),
            (604, None, false, Final(Invalid)),
            (404, Some(1), false, Final(Invalid)),
            (484, Some(28), false, Final(Invalid)),
            (404, None, false, NotFound),
            (484, Some(16), false, NotFound),
            (488, None, false, Trunk),
            (500, None, false, Trunk),
            (503, None, false, Trunk),
            (503, Some(17), false, Final(Busy)),
            (0, None, false, Trunk),
            (302, None, false, Trunk),
        ] {
            check(status, q850, rang, want);
        }
    }
}
