//! One incoming call of the simulated network, as a callee's user agent sees it (RFC 3261 s.13.3, 15, 17.2.1).
//!
//! Owns the call's stage and its deadlines; writes no message and opens no socket: it says which to send.
//! Every living stage ends by itself.

use super::fate::{Fate, Step};
use crate::time::Mono;
use crate::wire::media::tones::Sound;
use std::collections::VecDeque;
use std::time::Duration;

/// Round-trip estimate (RFC 3261 s.17.1.1.1).
const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions.
const T2: Duration = Duration::from_secs(4);
/// 64*T1: timers F, H, J, and the wait for the ACK of a 200.
const WAIT: Duration = Duration::from_secs(32);
/// Longest conversation: nothing stays for ever.
const TALK_MAX: Duration = Duration::from_secs(4 * 3_600);

/// Where the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No final response yet; the plan has a last step.
    Ringing,
    /// A final failure is out, its ACK is not in (timers G and H).
    Refused {
        /// Next retransmission; `None` over TCP.
        again: Option<Again>,
        /// When we stop waiting.
        until: Mono,
    },
    /// The 200 is out, its ACK is not in (s.13.3.1.4).
    Answered {
        /// Next retransmission, over any transport.
        again: Again,
        /// Then the call is ended with BYE.
        until: Mono,
    },
    /// In conversation.
    Talking {
        /// The callee hangs up.
        until: Mono,
    },
    /// Our BYE is out (timers E and F).
    HangingUp {
        /// Next retransmission; `None` over TCP.
        again: Option<Again>,
        /// When we stop waiting.
        until: Mono,
    },
    /// Over; what is repeated is answered as before (timers I and J).
    Lingering {
        /// When it is forgotten.
        until: Mono,
    },
    /// To be forgotten.
    Gone,
}

/// A retransmission to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    at: Mono,
    interval: Duration,
}

impl Again {
    fn first(now: Mono) -> Self {
        Again {
            at: now + T1,
            interval: T1,
        }
    }
    fn next(self, now: Mono) -> Self {
        let interval = (self.interval * 2).min(T2);
        Again {
            at: now + interval,
            interval,
        }
    }
}

/// What the far end said, or the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The INVITE came again.
    InviteAgain,
    /// ACK of our final response.
    Ack,
    /// CANCEL of the INVITE.
    Cancel,
    /// BYE in the dialog.
    Bye,
    /// A final response to our BYE.
    ByeAnswered,
    /// A deadline may have come.
    Timeout,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send a provisional response; with a sound: with SDP.
    Provisional(u16, Option<Sound>),
    /// Send a final failure, with this Q.850 cause (0: without).
    Refuse(u16, u8),
    /// Send the 200 with SDP; from now on the callee speaks.
    Answer,
    /// Send the last response to the INVITE once more.
    RepeatResponse,
    /// Send BYE.
    Bye,
    /// Send the same BYE once more.
    RepeatBye,
    /// 200 to the CANCEL or BYE at hand.
    Accept,
    /// 481 to it.
    NoSuchCall,
    /// The ACK came: the call is up.
    Confirmed,
    /// The call is over: keep its record, give its port back.
    Over(EndedBy),
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The caller sent BYE.
    Caller,
    /// The callee sent BYE.
    Callee,
    /// The caller sent CANCEL.
    Cancelled,
    /// The network refused it.
    Refused,
    /// No ACK for the 200 in 32 s, or no end in four hours.
    Lost,
    /// The simulator was stopped while it was up.
    Stopped,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    stage: Stage,
    plan: VecDeque<(Mono, Step)>,
    hangs_up_after: Option<Duration>,
    patience: Option<Duration>,
    /// Set at the answer; gone once a voice was heard.
    impatient_at: Option<Mono>,
    reliable: bool,
    over: bool,
}

impl Call {
    /// A call whose INVITE came now. `reliable`: over TCP.
    pub fn new(fate: &Fate, now: Mono, reliable: bool) -> Self {
        Call {
            stage: Stage::Ringing,
            plan: fate
                .steps
                .iter()
                .map(|(after, step)| (now + *after, *step))
                .collect(),
            hangs_up_after: fate.hangs_up_after,
            patience: fate.patience,
            impatient_at: None,
            reliable,
            over: false,
        }
    }

    /// Where it is.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether its record was ordered.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// A voice was heard on the line.
    pub const fn hear(&mut self) {
        self.impatient_at = None;
    }

    /// When it wants an [`Event::Timeout`]. `None` only for a call that is gone.
    pub fn next_timeout(&self) -> Option<Mono> {
        let sooner =
            |again: Option<Again>, until: Mono| again.map_or(until, |again| again.at.min(until));
        Some(match self.stage {
            Stage::Ringing => self.plan.front()?.0,
            Stage::Refused { again, until } | Stage::HangingUp { again, until } => {
                sooner(again, until)
            }
            Stage::Answered { again, until } => {
                sooner(Some(again), until).min(self.impatient_at.unwrap_or(until))
            }
            Stage::Talking { until } => self.impatient_at.map_or(until, |at| at.min(until)),
            Stage::Lingering { until } => until,
            Stage::Gone => return None,
        })
    }

    /// Takes an event up; what to do is appended to `acts`.
    pub fn handle(&mut self, now: Mono, event: Event, acts: &mut Vec<Act>) {
        match (self.stage, event) {
            (Stage::Ringing, Event::Timeout) => self.follow_plan(now, acts),
            (_, Event::Timeout) => self.check_deadline(now, acts),
            (Stage::Gone, Event::Bye | Event::Cancel) => acts.push(Act::NoSuchCall),
            (Stage::Gone, _) => {}

            (
                Stage::Ringing | Stage::Refused { .. } | Stage::Answered { .. },
                Event::InviteAgain,
            ) => {
                acts.push(Act::RepeatResponse);
            }
            // The ACK was there already: a copy that was long under way.
            (_, Event::InviteAgain) => {}

            (Stage::Ringing, Event::Cancel) => {
                acts.push(Act::Accept);
                self.refuse(now, 487, 0, EndedBy::Cancelled, acts);
            }
            // s.9.2: a CANCEL after the final response has no effect, but it is answered.
            (_, Event::Cancel) => acts.push(Act::Accept),

            (Stage::Refused { .. }, Event::Ack) => {
                self.stage = Stage::Lingering { until: now + T2 }
            }
            (Stage::Answered { .. }, Event::Ack) => {
                let until = now
                    + self
                        .hangs_up_after
                        .map_or(TALK_MAX, |after| after.min(TALK_MAX));
                self.stage = Stage::Talking { until };
                acts.push(Act::Confirmed);
            }
            (_, Event::Ack) => {}

            // BYE may overtake the ACK, or cross our own.
            (
                Stage::Answered { .. } | Stage::Talking { .. } | Stage::HangingUp { .. },
                Event::Bye,
            ) => {
                acts.push(Act::Accept);
                self.end(EndedBy::Caller, acts);
                self.stage = Stage::Lingering { until: now + WAIT };
            }
            (Stage::Lingering { .. }, Event::Bye) => acts.push(Act::Accept),
            (Stage::Ringing | Stage::Refused { .. }, Event::Bye) => acts.push(Act::NoSuchCall),

            (Stage::HangingUp { .. }, Event::ByeAnswered) => {
                self.stage = Stage::Lingering { until: now + WAIT };
            }
            (_, Event::ByeAnswered) => {}
        }
    }

    /// Ends the call because the simulator stops.
    pub fn stop(&mut self, now: Mono, acts: &mut Vec<Act>) {
        match self.stage {
            Stage::Ringing => self.refuse(now, 503, 41, EndedBy::Stopped, acts),
            Stage::Answered { .. } | Stage::Talking { .. } => {
                self.hang_up(now, EndedBy::Stopped, acts)
            }
            Stage::Refused { .. }
            | Stage::HangingUp { .. }
            | Stage::Lingering { .. }
            | Stage::Gone => {}
        }
    }

    fn follow_plan(&mut self, now: Mono, acts: &mut Vec<Act>) {
        while let Some((at, step)) = self.plan.front().copied() {
            if at > now || self.stage != Stage::Ringing {
                return;
            }
            self.plan.pop_front();
            match step {
                Step::Ring => acts.push(Act::Provisional(180, None)),
                Step::Progress(sound) => acts.push(Act::Provisional(183, Some(sound))),
                Step::Answer => {
                    self.impatient_at = self.patience.map(|patience| now + patience);
                    self.stage = Stage::Answered {
                        again: Again::first(now),
                        until: now + WAIT,
                    };
                    acts.push(Act::Answer);
                }
                Step::Fail { status, cause } => {
                    self.refuse(now, status, cause, EndedBy::Refused, acts)
                }
            }
        }
    }

    fn check_deadline(&mut self, now: Mono, acts: &mut Vec<Act>) {
        let due = |at: Mono| at <= now;
        match self.stage {
            Stage::Refused { until, .. }
            | Stage::HangingUp { until, .. }
            | Stage::Lingering { until }
                if due(until) =>
            {
                self.stage = Stage::Gone;
            }
            Stage::Refused {
                again: Some(again),
                until,
            } if due(again.at) => {
                acts.push(Act::RepeatResponse);
                self.stage = Stage::Refused {
                    again: Some(again.next(now)),
                    until,
                };
            }
            Stage::HangingUp {
                again: Some(again),
                until,
            } if due(again.at) => {
                acts.push(Act::RepeatBye);
                self.stage = Stage::HangingUp {
                    again: Some(again.next(now)),
                    until,
                };
            }
            // s.13.3.1.4: no ACK at all, so the session is ended.
            Stage::Answered { until, .. } if due(until) => self.hang_up(now, EndedBy::Lost, acts),
            Stage::Answered { again, until } if due(again.at) => {
                acts.push(Act::RepeatResponse);
                self.stage = Stage::Answered {
                    again: again.next(now),
                    until,
                };
            }
            Stage::Talking { until } if due(until) => self.hang_up(now, EndedBy::Callee, acts),
            // s.15: the callee may not send BYE before the ACK; an impatient person waits for it.
            Stage::Talking { .. } if self.impatient_at.is_some_and(due) => {
                self.hang_up(now, EndedBy::Callee, acts)
            }
            Stage::Answered { .. } if self.impatient_at.is_some_and(due) => {
                self.impatient_at = None;
                self.hangs_up_after = Some(Duration::ZERO);
            }
            Stage::Ringing
            | Stage::Refused { .. }
            | Stage::Answered { .. }
            | Stage::Talking { .. }
            | Stage::HangingUp { .. }
            | Stage::Lingering { .. }
            | Stage::Gone => {}
        }
    }

    fn refuse(&mut self, now: Mono, status: u16, cause: u8, by: EndedBy, acts: &mut Vec<Act>) {
        acts.push(Act::Refuse(status, cause));
        self.stage = Stage::Refused {
            again: (!self.reliable).then(|| Again::first(now)),
            until: now + WAIT,
        };
        self.end(by, acts);
    }

    fn hang_up(&mut self, now: Mono, by: EndedBy, acts: &mut Vec<Act>) {
        acts.push(Act::Bye);
        self.stage = Stage::HangingUp {
            again: (!self.reliable).then(|| Again::first(now)),
            until: now + WAIT,
        };
        self.end(by, acts);
    }

    fn end(&mut self, by: EndedBy, acts: &mut Vec<Act>) {
        if !self.over {
            self.over = true;
            acts.push(Act::Over(by));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::carrier::fate::Kind;

    fn person(hangs_up_after: Option<u64>, patience: Option<u64>) -> Fate {
        Fate {
            kind: Kind::Person,
            steps: vec![
                (Duration::from_millis(200), Step::Ring),
                (Duration::from_secs(5), Step::Answer),
            ],
            hangs_up_after: hangs_up_after.map(Duration::from_secs),
            patience: patience.map(Duration::from_secs),
        }
    }

    /// Plays `(milliseconds, event)` and all deadlines between them; returns `(milliseconds, act)`.
    fn play(fate: &Fate, reliable: bool, script: &[(u64, Event)]) -> Vec<(u64, Act)> {
        let mut call = Call::new(fate, Mono(0), reliable);
        let mut seen = Vec::new();
        let mut acts = Vec::new();
        for (ms, event) in script {
            while let Some(due) = call.next_timeout().filter(|due| due.0 / 1_000 <= *ms) {
                call.handle(due, Event::Timeout, &mut acts);
                seen.extend(acts.drain(..).map(|act| (due.0 / 1_000, act)));
            }
            call.handle(Mono::from_millis(*ms), *event, &mut acts);
            seen.extend(acts.drain(..).map(|act| (*ms, act)));
        }
        seen
    }

    #[test]
    fn a_200_is_repeated_with_growing_intervals_until_its_ack() {
        let acts = play(
            &person(None, None),
            true,
            &[
                (13_000, Event::Ack),
                (20_000, Event::Timeout),
                (21_000, Event::Bye),
            ],
        );
        assert_eq!(
            acts,
            [
                (200, Act::Provisional(180, None)),
                (5_000, Act::Answer),
                (5_500, Act::RepeatResponse),
                (6_500, Act::RepeatResponse),
                (8_500, Act::RepeatResponse),
                (12_500, Act::RepeatResponse),
                (13_000, Act::Confirmed),
                (21_000, Act::Accept),
                (21_000, Act::Over(EndedBy::Caller)),
            ]
        );
    }

    #[test]
    fn a_200_that_nobody_acknowledges_ends_in_bye() {
        let acts = play(&person(None, None), false, &[(80_000, Event::Timeout)]);
        assert!(acts.contains(&(37_000, Act::Bye)));
        assert!(acts.contains(&(37_000, Act::Over(EndedBy::Lost))));
        // Nobody answers the BYE either: it is repeated, then forgotten.
        assert_eq!(
            acts.iter()
                .filter(|(_, act)| *act == Act::RepeatBye)
                .count(),
            10
        );
    }

    #[test]
    fn a_cancel_while_it_rings_is_487_and_one_after_the_answer_changes_nothing() {
        let acts = play(
            &person(None, None),
            false,
            &[
                (1_000, Event::Cancel),
                (1_100, Event::Cancel),
                (1_200, Event::Ack),
                (9_000, Event::Timeout),
            ],
        );
        assert_eq!(
            acts[1..],
            [
                (1_000, Act::Accept),
                (1_000, Act::Refuse(487, 0)),
                (1_000, Act::Over(EndedBy::Cancelled)),
                (1_100, Act::Accept),
            ]
        );
        let acts = play(
            &person(Some(1), None),
            false,
            &[(5_000, Event::Cancel), (5_100, Event::Ack)],
        );
        assert_eq!(acts[2..], [(5_000, Act::Accept), (5_100, Act::Confirmed)]);
    }

    #[test]
    fn the_callee_hangs_up_after_its_time_and_repeats_its_bye() {
        let acts = play(
            &person(Some(3), None),
            false,
            &[
                (5_010, Event::Ack),
                (9_000, Event::ByeAnswered),
                (60_000, Event::Timeout),
            ],
        );
        assert_eq!(
            acts[3..],
            [
                (8_010, Act::Bye),
                (8_010, Act::Over(EndedBy::Callee)),
                (8_510, Act::RepeatBye),
            ]
        );
    }

    #[test]
    fn somebody_who_hears_nothing_hangs_up_and_somebody_who_hears_a_voice_stays() {
        let fate = person(None, Some(4));
        let acts = play(
            &fate,
            false,
            &[(5_010, Event::Ack), (10_000, Event::Timeout)],
        );
        assert!(acts.contains(&(9_000, Act::Bye)));
        // The ACK comes after the patience is over: BYE right after it, never before (s.15).
        let acts = play(
            &fate,
            false,
            &[(9_100, Event::Ack), (10_000, Event::Timeout)],
        );
        assert!(acts.contains(&(9_100, Act::Bye)) && acts.contains(&(9_100, Act::Confirmed)));
        let mut call = Call::new(&fate, Mono(0), false);
        let mut acts = Vec::new();
        call.handle(Mono::from_secs(5), Event::Timeout, &mut acts);
        call.handle(Mono::from_secs(5), Event::Ack, &mut acts);
        call.hear();
        call.handle(Mono::from_secs(60), Event::Timeout, &mut acts);
        assert!(!acts.contains(&Act::Bye));
    }

    #[test]
    fn a_bye_before_the_ack_ends_the_call_and_is_answered_each_time() {
        let acts = play(
            &person(None, None),
            false,
            &[
                (5_200, Event::Bye),
                (5_300, Event::Ack),
                (5_700, Event::Bye),
                (60_000, Event::Bye),
            ],
        );
        assert_eq!(
            acts[2..],
            [
                (5_200, Act::Accept),
                (5_200, Act::Over(EndedBy::Caller)),
                (5_700, Act::Accept),
                (60_000, Act::NoSuchCall),
            ]
        );
    }

    #[test]
    fn an_invite_that_comes_again_gets_the_last_response_again() {
        let acts = play(
            &person(None, None),
            false,
            &[
                (500, Event::InviteAgain),
                (5_100, Event::InviteAgain),
                (5_200, Event::Ack),
                (5_300, Event::InviteAgain),
            ],
        );
        let repeats: Vec<_> = acts
            .iter()
            .filter(|(_, act)| *act == Act::RepeatResponse)
            .map(|(ms, _)| *ms)
            .collect();
        assert_eq!(repeats, [500, 5_100]);
    }

    #[test]
    fn every_call_is_forgotten_by_itself_and_kept_once() {
        for reliable in [true, false] {
            for script in [
                &[][..],
                &[(5_100, Event::Ack)],
                &[(1_000, Event::Cancel)],
                &[(6_000, Event::Bye)],
            ] {
                let mut call = Call::new(&person(Some(20), None), Mono(0), reliable);
                let mut acts = Vec::new();
                let mut script = script.iter().peekable();
                for _ in 0..1_000 {
                    let Some(due) = call.next_timeout() else {
                        break;
                    };
                    if let Some((ms, event)) =
                        script.next_if(|(ms, _)| Mono::from_millis(*ms) <= due)
                    {
                        call.handle(Mono::from_millis(*ms), *event, &mut acts);
                    } else {
                        call.handle(due, Event::Timeout, &mut acts);
                    }
                }
                assert_eq!(call.stage(), Stage::Gone);
                let ends = acts
                    .iter()
                    .filter(|act| matches!(act, Act::Over(_)))
                    .count();
                assert_eq!(ends, 1, "{acts:?}");
            }
        }
    }
}
