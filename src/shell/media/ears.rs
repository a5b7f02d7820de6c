//! Supervisors' ears: who listens to which agent, what each is to hear, and whose voice goes where. Frames of 20 ms, mixed.
//!
//! Owns a few frames for each ear and no socket. A recording that is paused is a call that nobody may listen to: then ears hear
//! silence, of both sides (PCI DSS 3.3.1).

use crate::ids::AgentId;
use crate::shell::api::ears::{EarId, EarMode};
use crate::shell::recording::Party;
use crate::time::Mono;
use crate::wire::media::law;
use crate::wire::media::mix::{Part, mix};
use crate::wire::media::{FRAME_MS, FRAME_SAMPLES};
use crate::wire::sip::sdp::Law;
use std::time::Duration;

/// Frames that wait at most for each voice: 80 ms, more than a network's usual jitter. The oldest makes room.
const FRAMES_MAX: usize = 4;
const FRAME: Duration = Duration::from_millis(FRAME_MS);
/// Frames behind which an ear's clock is set anew instead of caught up.
const BEHIND_MAX: Duration = Duration::from_millis(200);

type Frame = [u8; FRAME_SAMPLES];

/// The last frames of one voice, in PCMU.
#[derive(Debug)]
struct Voice {
    frames: [Frame; FRAMES_MAX],
    first: usize,
    waiting: usize,
}

impl Default for Voice {
    fn default() -> Self {
        Voice {
            frames: [[0xFF; FRAME_SAMPLES]; FRAMES_MAX],
            first: 0,
            waiting: 0,
        }
    }
}

impl Voice {
    /// Takes a payload in; longer than a frame, only its begin. Returns the oldest frame where there was no room for it.
    fn push(&mut self, law: Law, payload: &[u8]) -> Option<Frame> {
        let full = (self.waiting == FRAMES_MAX).then(|| self.pop()).flatten();
        let place = (self.first + self.waiting) % FRAMES_MAX;
        let frame = &mut self.frames[place];
        frame.fill(0xFF);
        let length = payload.len().min(FRAME_SAMPLES);
        frame[..length].copy_from_slice(&payload[..length]);
        law::convert_in_place(&mut frame[..length], law, Law::Mu);
        self.waiting += 1;
        full
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = (self.waiting > 0).then(|| self.frames[self.first])?;
        self.first = (self.first + 1) % FRAMES_MAX;
        self.waiting -= 1;
        Some(frame)
    }

    fn clear(&mut self) {
        self.waiting = 0;
    }
}

/// One supervisor.
#[derive(Debug)]
struct Ear {
    id: EarId,
    agent: AgentId,
    mode: EarMode,
    /// What he is to hear.
    customer: Voice,
    agents: Voice,
    /// What he said, for either.
    to_agent: Voice,
    to_customer: Voice,
    next: Mono,
}

/// All ears of a media thread.
#[derive(Debug, Default)]
pub(super) struct Ears {
    open: Vec<Ear>,
}

impl Ears {
    /// Whether nobody listens: the usual case, and then nothing here costs anything.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Opens one, or moves it to another agent.
    pub fn open(&mut self, id: EarId, agent: AgentId, mode: EarMode, at: Mono) {
        self.close(id);
        self.open.push(Ear {
            id,
            agent,
            mode,
            customer: Voice::default(),
            agents: Voice::default(),
            to_agent: Voice::default(),
            to_customer: Voice::default(),
            next: at + FRAME,
        });
    }

    /// Another mode; what was said in the old one and not heard yet is not heard any more.
    pub fn change(&mut self, id: EarId, mode: EarMode) {
        if let Some(ear) = self.open.iter_mut().find(|ear| ear.id == id) {
            ear.mode = mode;
            ear.to_agent.clear();
            ear.to_customer.clear();
        }
    }

    /// Closes one. `false`: it was not here.
    pub fn close(&mut self, id: EarId) -> bool {
        let before = self.open.len();
        self.open.retain(|ear| ear.id != id);
        self.open.len() < before
    }

    /// One party of an agent's call said this. `hidden`: nobody may listen now.
    pub fn hear(&mut self, agent: AgentId, party: Party, law: Law, payload: &[u8], hidden: bool) {
        for ear in self.open.iter_mut().filter(|ear| ear.agent == agent) {
            let voice = match party {
                Party::Customer => &mut ear.customer,
                Party::Agent => &mut ear.agents,
            };
            if hidden {
                voice.clear();
            } else {
                voice.push(law, payload);
            }
        }
    }

    /// A supervisor said this. `lone` is told a frame for a party whose side is so silent that nothing came to mix it with.
    pub fn speak(
        &mut self,
        id: EarId,
        law: Law,
        payload: &[u8],
        mut lone: impl FnMut(AgentId, Party, &Frame),
    ) {
        let Some(ear) = self.open.iter_mut().find(|ear| ear.id == id) else {
            return;
        };
        if ear.mode != EarMode::Listen
            && let Some(frame) = ear.to_agent.push(law, payload)
        {
            lone(ear.agent, Party::Agent, &frame);
        }
        if ear.mode == EarMode::Barge
            && let Some(frame) = ear.to_customer.push(law, payload)
        {
            lone(ear.agent, Party::Customer, &frame);
        }
    }

    /// Adds what supervisors said to a frame on its way to `party` of an agent's call. `None`: nothing is to be added.
    pub fn join_in(
        &mut self,
        agent: AgentId,
        party: Party,
        law: Law,
        payload: &[u8],
    ) -> Option<Frame> {
        let mut sum: Option<Frame> = None;
        for ear in self.open.iter_mut().filter(|ear| ear.agent == agent) {
            let voice = match party {
                Party::Agent => &mut ear.to_agent,
                Party::Customer => &mut ear.to_customer,
            };
            let Some(said) = voice.pop() else {
                continue;
            };
            let before = sum;
            let payload = before.as_ref().map_or(payload, |frame| &frame[..]);
            let parts = [
                Part { law, payload },
                Part {
                    law: Law::Mu,
                    payload: &said,
                },
            ];
            mix(&parts, law, sum.insert([0; FRAME_SAMPLES]));
        }
        sum
    }

    /// What each ear is to be sent now, in PCMU: both voices together, one frame for every 20 ms.
    pub fn due(&mut self, at: Mono, mut send: impl FnMut(EarId, &Frame)) {
        for ear in &mut self.open {
            if at.since(ear.next) > BEHIND_MAX {
                ear.next = at;
            }
            while ear.next <= at {
                ear.next = ear.next + FRAME;
                let voices = [ear.customer.pop(), ear.agents.pop()];
                let parts = voices.map(|frame| frame.unwrap_or([0xFF; FRAME_SAMPLES]));
                let parts = parts.each_ref().map(|payload| Part {
                    law: Law::Mu,
                    payload,
                });
                let mut frame = [0; FRAME_SAMPLES];
                mix(&parts, Law::Mu, &mut frame);
                send(ear.id, &frame);
            }
        }
    }

    /// Ears on an agent who is gone; they stay open until their supervisors close them, and hear silence.
    #[cfg(test)]
    fn of(&self, agent: AgentId) -> usize {
        self.open.iter().filter(|ear| ear.agent == agent).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::law::linear;

    const LAN: AgentId = AgentId(1);
    const MINH: AgentId = AgentId(2);
    const EAR: EarId = EarId(7);

    fn ms(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }
    /// A constant frame; its level in both laws is `level`.
    fn level(law: Law, level: i16) -> Frame {
        [law::encode(law, level); FRAME_SAMPLES]
    }
    fn levels(frame: &Frame, law: Law) -> i16 {
        linear(law)[usize::from(frame[80])]
    }
    fn is_near(seen: i16, want: i16) -> bool {
        (i32::from(seen) - i32::from(want)).abs() <= i32::from(want.unsigned_abs() / 8).max(16)
    }
    fn ears(mode: EarMode) -> Ears {
        let mut ears = Ears::default();
        ears.open(EAR, LAN, mode, ms(0));
        ears
    }
    fn heard(ears: &mut Ears, at: u64) -> Vec<i16> {
        let mut heard = Vec::new();
        ears.due(ms(at), |_, frame| heard.push(levels(frame, Law::Mu)));
        heard
    }

    #[test]
    fn an_ear_hears_both_of_its_own_agents_call_and_no_other() {
        let mut ears = ears(EarMode::Listen);
        ears.hear(LAN, Party::Customer, Law::A, &level(Law::A, 4_000), false);
        ears.hear(LAN, Party::Agent, Law::Mu, &level(Law::Mu, 2_000), false);
        ears.hear(MINH, Party::Agent, Law::Mu, &level(Law::Mu, 9_000), false);
        let first = heard(&mut ears, 20);
        assert!(first.len() == 1 && is_near(first[0], 6_000), "{first:?}");
        assert_eq!(heard(&mut ears, 40), [0], "then silence");
        assert_eq!(ears.of(MINH), 0);
    }

    #[test]
    fn a_listener_is_heard_by_nobody_a_whisper_by_the_agent_and_who_barges_in_by_both() {
        for (mode, agent, customer) in [
            (EarMode::Listen, false, false),
            (EarMode::Whisper, true, false),
            (EarMode::Barge, true, true),
        ] {
            let mut ears = ears(mode);
            ears.speak(EAR, Law::Mu, &level(Law::Mu, 3_000), |_, _, _| {});
            let voice = level(Law::A, 1_000);
            let mut joined = |party| {
                let frame = ears.join_in(LAN, party, Law::A, &voice)?;
                Some(is_near(levels(&frame, Law::A), 4_000))
            };
            assert_eq!(joined(Party::Agent), agent.then_some(true), "{mode:?}");
            assert_eq!(
                joined(Party::Customer),
                customer.then_some(true),
                "{mode:?}"
            );
        }
    }

    #[test]
    fn a_supervisor_is_heard_also_where_the_other_side_sends_nothing() {
        let mut ears = ears(EarMode::Barge);
        let mut alone = Vec::new();
        for n in 0..FRAMES_MAX + 2 {
            let voice = level(Law::Mu, 1_000 * (n as i16 + 1));
            ears.speak(EAR, Law::Mu, &voice, |agent, party, frame| {
                alone.push((agent, party, levels(frame, Law::Mu) / 900));
            });
        }
        assert_eq!(
            alone,
            [
                (LAN, Party::Agent, 1),
                (LAN, Party::Customer, 1),
                (LAN, Party::Agent, 2),
                (LAN, Party::Customer, 2),
            ]
        );
    }

    #[test]
    fn a_paused_recording_is_silence_in_every_ear_and_nothing_of_it_comes_later() {
        let mut ears = ears(EarMode::Listen);
        ears.hear(LAN, Party::Customer, Law::Mu, &level(Law::Mu, 4_000), false);
        ears.hear(LAN, Party::Customer, Law::Mu, &level(Law::Mu, 4_000), true);
        assert_eq!(heard(&mut ears, 40), [0, 0]);
        ears.hear(LAN, Party::Customer, Law::Mu, &level(Law::Mu, 4_000), false);
        assert!(is_near(heard(&mut ears, 60)[0], 4_000));
    }

    #[test]
    fn another_mode_forgets_what_was_said_in_the_old_one() {
        let mut ears = ears(EarMode::Barge);
        ears.speak(EAR, Law::Mu, &level(Law::Mu, 3_000), |_, _, _| {});
        ears.change(EAR, EarMode::Listen);
        ears.change(EAR, EarMode::Barge);
        let voice = level(Law::Mu, 0);
        assert!(
            ears.join_in(LAN, Party::Customer, Law::Mu, &voice)
                .is_none()
        );
        assert!(ears.close(EAR) && ears.is_empty() && !ears.close(EAR));
    }

    #[test]
    fn a_thread_that_stood_still_sends_no_burst() {
        let mut ears = ears(EarMode::Listen);
        assert_eq!(heard(&mut ears, 100).len(), 5);
        assert_eq!(heard(&mut ears, 10_000).len(), 1);
    }
}
