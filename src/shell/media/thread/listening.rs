//! Supervisors on a media thread: their browsers' legs, and the way of voices between them and a call.

use super::super::MediaNews;
use super::super::browsers::Who;
use super::{Echo, MediaThread, Party, Standing};
use crate::core::input::{CallSign, Input};
use crate::ids::AgentId;
use crate::shell::api::ears::{EarId, EarMode};
use crate::shell::desks::{AnswerTo, AudioRefused};
use crate::time::Mono;
use crate::wire::media::rtp::RtpPacket;
use crate::wire::media::{FRAME_SAMPLES, PCMA, PCMU};
use crate::wire::sip::sdp::Law;

impl MediaThread {
    pub(super) fn ear_open(
        &mut self,
        (ear, agent, mode): (EarId, AgentId, EarMode),
        sdp: &str,
        answer: AnswerTo,
    ) {
        let at = self.clock.mono();
        let now = self.clock.instant(at);
        let answered = self
            .browsers
            .offer(Who::Ear(ear), sdp, super::random(), now);
        if answered.is_ok() {
            self.room.ears.open(ear, agent, mode, at);
        }
        answer(answered.map_err(|fault| AudioRefused::Offer(fault.to_string())));
        self.drain_of(Who::Ear(ear), at);
    }

    pub(super) fn ear_close(&mut self, ear: EarId) {
        if self.room.ears.close(ear) {
            self.browsers.remove(Who::Ear(ear));
        }
    }

    /// A supervisor's browser is gone: whoever wants to go on listening asks anew, and is audited anew.
    pub(super) fn ear_lost(&mut self, ear: EarId) {
        self.ear_close(ear);
        if let Some(sink) = self.news.get() {
            sink(MediaNews::EarGone(ear));
        }
    }

    /// A party of an agent's call said this: to the ears on him.
    pub(super) fn tell_ears(&mut self, agent: AgentId, party: Party, packet: &RtpPacket<'_>) {
        if self.room.ears.is_empty() {
            return;
        }
        let lease = self.room.seats.get(&agent).and_then(|seat| seat.call);
        let hidden = lease
            .and_then(|lease| self.room.legs.get_mut(lease))
            .is_none_or(|leg| leg.hidden);
        if let Some(law) = Law::of_payload_type(packet.payload_type) {
            self.room
                .ears
                .hear(agent, party, law, packet.payload, hidden);
        }
    }

    /// What supervisors add to a packet on its way to a party of an agent's call.
    pub(super) fn with_ears(
        &mut self,
        agent: AgentId,
        party: Party,
        packet: &RtpPacket<'_>,
    ) -> Option<[u8; FRAME_SAMPLES]> {
        if self.room.ears.is_empty() {
            return None;
        }
        let law = Law::of_payload_type(packet.payload_type)?;
        self.room.ears.join_in(agent, party, law, packet.payload)
    }

    /// A supervisor's packet.
    pub(super) fn ear_speaks(&mut self, ear: EarId, packet: &RtpPacket<'_>, at: Mono) {
        let Some(law) = Law::of_payload_type(packet.payload_type) else {
            return;
        };
        // Where a side is silent nothing comes to be mixed with: his frames then go by themselves.
        let mut lone = [None, None];
        let mut count = 0;
        self.room
            .ears
            .speak(ear, law, packet.payload, |agent, party, frame| {
                if let Some(place) = lone.get_mut(count) {
                    *place = Some((agent, party, *frame));
                }
                count += 1;
            });
        for (agent, party, frame) in lone.into_iter().flatten() {
            let packet = RtpPacket {
                payload_type: PCMU,
                payload: &frame,
                ..*packet
            };
            match party {
                Party::Agent => {
                    self.play_to(agent, &packet, at);
                    self.drain(agent, at);
                }
                Party::Customer => {
                    let lease = self.room.seats.get(&agent).and_then(|seat| seat.call);
                    if let Some(leg) = lease.and_then(|lease| self.room.legs.get_mut(lease)) {
                        leg.pass_on(&packet, at, &mut self.room.scratch, &self.counters);
                    }
                }
            }
        }
    }

    /// Sends each ear its frame.
    pub(super) fn send_to_ears(&mut self, at: Mono) {
        if self.room.ears.is_empty() {
            return;
        }
        let now = self.clock.instant(at);
        let mut sent = Vec::new();
        let browsers = &mut self.browsers;
        self.room.ears.due(at, |ear, frame| {
            if let Some(browser) = browsers.get_mut(Who::Ear(ear)) {
                let numbers = browser.stream.own_at(at);
                browser.write(numbers, PCMU, frame, now);
                sent.push(ear);
            }
        });
        for ear in sent {
            self.drain_of(Who::Ear(ear), at);
        }
    }

    /// A packet of an agent who is on a call, to its customer, and to whoever listens.
    pub(super) fn agent_to_customer(
        &mut self,
        agent: AgentId,
        lease: u64,
        packet: &RtpPacket<'_>,
        at: Mono,
    ) {
        self.tell_ears(agent, Party::Agent, packet);
        let joined = self.with_ears(agent, Party::Customer, packet);
        let payload = joined.as_ref().map_or(packet.payload, |frame| &frame[..]);
        let sent = RtpPacket { payload, ..*packet };
        let Some(leg) = self.room.legs.get_mut(lease) else {
            return;
        };
        if !leg.pass_on(&sent, at, &mut self.room.scratch, &self.counters) {
            return;
        }
        leg.record(Party::Agent, packet.payload_type, packet.payload, at);
        let attempt = leg.attempt();
        if let Some(seat) = self.room.seats.get_mut(&agent)
            && !std::mem::replace(&mut seat.was_heard_in_call, true)
            && let Some(attempt) = attempt
        {
            self.tell(Input::CallSign(attempt, CallSign::Heard));
        }
    }

    /// A frame of an agent who checks his microphone: the tone, or what he said, goes back to him.
    pub(super) fn echo(&mut self, agent: AgentId, echo: Echo, packet: &RtpPacket<'_>, at: Mono) {
        match echo {
            Echo::Back => self.play_to(agent, packet, at),
            Echo::Tone(n) => {
                let tone = &self.room.tone[usize::from(packet.payload_type == PCMA)];
                let frame = *tone.frame(n);
                let packet = RtpPacket {
                    payload: &frame,
                    ..*packet
                };
                self.play_to(agent, &packet, at);
            }
        }
        self.drain(agent, at);
    }

    /// A packet for an agent's own ear. [`MediaThread::drain`] sends it.
    pub(super) fn play_to(&mut self, agent: AgentId, packet: &RtpPacket<'_>, at: Mono) {
        let Some(seat) = self.room.seats.get(&agent) else {
            return;
        };
        match seat.standing {
            Standing::Nothing => {}
            Standing::Browser => {
                if Law::of_payload_type(packet.payload_type).is_none() {
                    return;
                }
                if let Some(browser) = self.browsers.get_mut(agent)
                    && let Some(numbers) = browser.stream.pass_on(packet, at)
                {
                    let now = self.clock.instant(at);
                    browser.write(numbers, packet.payload_type, packet.payload, now);
                }
            }
            Standing::Phone(lease) => {
                if let Some(leg) = self.room.legs.get_mut(lease) {
                    leg.pass_on(packet, at, &mut self.room.scratch, &self.counters);
                }
            }
        }
    }
}
