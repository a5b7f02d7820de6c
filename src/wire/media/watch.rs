//! Watches one direction of a call: packets that stop coming, and packets that never carried a sound. Told the time; ends nothing
//! itself (reliability.md D6, D18, D20).

use crate::time::Mono;
use std::time::Duration;

/// How long silence may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchLimits {
    /// No packet for so long is an alarm. Default 5 s.
    pub alarm: Duration,
    /// No packet for so long and the leg is lost. Default 30 s.
    pub lost: Duration,
    /// The same while the trunk answers no OPTIONS. Default 5 s.
    pub lost_trunk_down: Duration,
    /// Packets came, none of them with a sound since the start: one-way audio. Default 10 s: who answers says hello before.
    pub one_way: Duration,
}

impl Default for WatchLimits {
    fn default() -> Self {
        WatchLimits {
            alarm: Duration::from_secs(5),
            lost: Duration::from_secs(30),
            lost_trunk_down: Duration::from_secs(5),
            one_way: Duration::from_secs(10),
        }
    }
}

/// What the watch has to say, each once until it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchNews {
    /// No packet for [`WatchLimits::alarm`].
    Alarm,
    /// Packets come again after an alarm.
    Back,
    /// No packet for [`WatchLimits::lost`]: end the call.
    Lost,
    /// Packets come, but not one had a sound yet.
    OneWay,
}

/// What holds while time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The far side said that it will not send (a=sendonly, recvonly or inactive, seen from it): silence is no fault.
    pub held: bool,
    /// The trunk does not answer OPTIONS.
    pub trunk_down: bool,
}

/// The watch over one direction.
#[derive(Clone, Debug)]
pub struct Watch {
    limits: WatchLimits,
    /// When a packet last came, or waiting began.
    heard: Mono,
    /// Since when sound is owed; reset by a hold.
    since: Mono,
    packets: bool,
    sounded: bool,
    alarmed: bool,
    lost: bool,
    one_way: bool,
}

impl Watch {
    /// Starts at the answer.
    pub const fn new(limits: WatchLimits, at: Mono) -> Self {
        Watch {
            limits,
            heard: at,
            since: at,
            packets: false,
            sounded: false,
            alarmed: false,
            lost: false,
            one_way: false,
        }
    }

    /// Whether the next packet's audio is to be looked at for [`Watch::heard`]: not any more once there was a sound.
    pub const fn listens(&self) -> bool {
        !self.sounded
    }

    /// A packet came; `loud` if it carries a sound (only asked for while [`Watch::listens`]).
    pub fn heard(&mut self, at: Mono, loud: bool) -> Option<WatchNews> {
        self.heard = self.heard.max(at);
        self.packets = true;
        self.sounded |= loud;
        std::mem::take(&mut self.alarmed).then_some(WatchNews::Back)
    }

    /// Time passed. Called some times a second; says one thing at a time.
    pub fn tick(&mut self, now: Mono, around: Circumstances) -> Option<WatchNews> {
        if around.held {
            // What was silent on hold is not silent since before the hold.
            self.heard = self.heard.max(now);
            self.since = self.since.max(now);
            return None;
        }
        let silent = now.since(self.heard);
        let limit = if around.trunk_down {
            self.limits.lost_trunk_down.min(self.limits.lost)
        } else {
            self.limits.lost
        };
        if silent >= self.limits.alarm && !self.alarmed && !self.lost {
            self.alarmed = true;
            return Some(WatchNews::Alarm);
        }
        if silent >= limit && !self.lost {
            self.lost = true;
            return Some(WatchNews::Lost);
        }
        let is_one_way = self.packets
            && !self.sounded
            && !self.alarmed
            && now.since(self.since) >= self.limits.one_way;
        if is_one_way && !self.one_way {
            self.one_way = true;
            return Some(WatchNews::OneWay);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Circumstances = Circumstances {
        held: false,
        trunk_down: false,
    };
    const HELD: Circumstances = Circumstances {
        held: true,
        trunk_down: false,
    };
    const DOWN: Circumstances = Circumstances {
        held: false,
        trunk_down: true,
    };

    /// Lets `seconds` pass in steps of 100 ms; a packet each step where `packet` says so (`Some(loud)`). All news with their second.
    fn check(spans: &[(u64, Circumstances, Option<bool>)]) -> Vec<(f64, WatchNews)> {
        let mut watch = Watch::new(WatchLimits::default(), Mono::from_secs(100));
        let mut news = Vec::new();
        let mut step = 0_u64;
        for (seconds, around, packet) in spans {
            for _ in 0..seconds * 10 {
                step += 1;
                let now = Mono::from_secs(100) + Duration::from_millis(100 * step);
                let mut note = |said: Option<WatchNews>| {
                    news.extend(said.map(|said| (step as f64 / 10.0, said)));
                };
                if let Some(loud) = packet {
                    note(watch.heard(now, *loud));
                }
                note(watch.tick(now, *around));
            }
        }
        news
    }

    #[test]
    fn silence_is_an_alarm_at_5_and_lost_at_30_seconds_once_each() {
        assert_eq!(
            check(&[(60, UP, None)]),
            [(5.0, WatchNews::Alarm), (30.0, WatchNews::Lost)]
        );
        assert_eq!(
            check(&[(10, UP, Some(true)), (40, UP, None)]),
            [(15.0, WatchNews::Alarm), (40.0, WatchNews::Lost)]
        );
    }

    #[test]
    fn a_trunk_that_is_down_has_5_seconds() {
        assert_eq!(
            check(&[(10, UP, Some(true)), (10, DOWN, None)]),
            [(15.0, WatchNews::Alarm), (15.1, WatchNews::Lost)]
        );
        // Down, but the voice goes on: nobody is cut off.
        assert_eq!(check(&[(60, DOWN, Some(true))]), []);
    }

    #[test]
    fn packets_that_come_again_end_the_alarm_and_start_the_clock_anew() {
        assert_eq!(
            check(&[(20, UP, None), (1, UP, Some(true)), (29, UP, None)]),
            [
                (5.0, WatchNews::Alarm),
                (20.1, WatchNews::Back),
                (26.0, WatchNews::Alarm),
            ]
        );
    }

    #[test]
    fn a_hold_of_any_length_ends_nothing_and_silence_counts_from_its_end() {
        assert_eq!(
            check(&[(1, UP, Some(true)), (3_600, HELD, None), (6, UP, None)]),
            [(3_606.0, WatchNews::Alarm)]
        );
        assert_eq!(
            check(&[(4, UP, None), (600, HELD, Some(false)), (4, UP, None)]),
            []
        );
    }

    #[test]
    fn packets_of_nothing_but_silence_are_one_way_audio() {
        assert_eq!(check(&[(60, UP, Some(false))]), [(10.0, WatchNews::OneWay)]);
        // Who listens silently after having spoken is not.
        assert_eq!(check(&[(1, UP, Some(true)), (60, UP, Some(false))]), []);
        // Held music is not owed.
        assert_eq!(check(&[(60, HELD, Some(false)), (9, UP, Some(false))]), []);
    }

    #[test]
    fn a_thousand_holds_have_no_false_end() {
        for hold in 0..1_000 {
            let news = check(&[(1, UP, Some(true)), (1 + hold % 97, HELD, None)]);
            assert_eq!(news, [], "hold {hold}");
        }
    }
}
