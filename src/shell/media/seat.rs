//! An agent as his media thread sees him: his standing leg, whether it lives, the microphone's check, and the call on it.
//!
//! Owns no socket and no packet; says what the floor and the desk must hear.

use super::MediaNews;
use crate::ids::AgentId;
use crate::time::Mono;
use crate::wire::desk::audio::AudioLeg;
use crate::wire::media::FRAME_MS;
use crate::wire::media::law::mean_level;
use std::time::Duration;

/// Nothing heard for this long: the leg is lost (design.md section 5).
const LOST_AFTER: Duration = Duration::from_secs(2);
/// Length of the tone that opens a check.
const TONE: Duration = Duration::from_millis(600);
/// Length of a check, tone included.
const CHECK: Duration = Duration::from_millis(3_600);
/// How loud a frame must be on average to count as voice: about -45 dBov, above a silent room and below a whisper.
const LOUD: u32 = 180;
/// Frames that must be so loud: 200 ms of voice.
const LOUD_FRAMES: u32 = (200 / FRAME_MS) as u32;

/// What an agent is heard through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing: his calls get comfort noise.
    Nothing,
    /// A browser; its session is kept by his id.
    Browser,
    /// A telephone: the lease of its leg.
    Phone(u64),
}

/// A check under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    began: Mono,
    loud: u32,
    /// Frames of the tone that were sent.
    pub tones: u64,
}

/// What to do with a frame of an agent who checks his microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    /// Play the next frame of the tone.
    Tone(u64),
    /// Play back what he said.
    Back,
}

/// A seat.
#[derive(Debug)]
pub(super) struct Seat {
    pub standing: Standing,
    /// The leg of the call that he is joined to.
    pub call: Option<u64>,
    pub muted: bool,
    /// When his voice was last heard; `None`: never on this leg.
    pub heard_at: Option<Mono>,
    /// Whether anything of him went to the present call's customer.
    pub was_heard_in_call: bool,
    connecting: bool,
    checked: bool,
    check: Option<Check>,
    told: (AudioLeg, bool, bool),
    ready_told: bool,
}

impl Default for Seat {
    fn default() -> Self {
        Seat {
            standing: Standing::Nothing,
            call: None,
            muted: false,
            heard_at: None,
            was_heard_in_call: false,
            connecting: false,
            checked: false,
            check: None,
            told: (AudioLeg::None, false, false),
            ready_told: false,
        }
    }
}

impl Seat {
    /// A leg is being set up.
    pub fn connect(&mut self, standing: Standing) {
        // A page loaded anew is the same head-set: its microphone was checked.
        self.standing = standing;
        self.connecting = true;
    }

    /// The leg is gone.
    pub fn disconnect(&mut self) {
        self.standing = Standing::Nothing;
        self.connecting = false;
        self.heard_at = None;
        self.check = None;
    }

    /// A telephone was picked up and speaks: nobody has to press a button on it.
    pub const fn pass(&mut self) {
        self.checked = true;
    }

    /// Begins the check.
    pub const fn begin_check(&mut self, now: Mono) {
        self.check = Some(Check {
            began: now,
            loud: 0,
            tones: 0,
        });
    }

    /// A frame of the agent during his check; what to play to him.
    pub fn hear_check(&mut self, payload_type: u8, payload: &[u8], now: Mono) -> Option<Echo> {
        let check = self.check.as_mut()?;
        if now.since(check.began) < TONE {
            check.tones += 1;
            return Some(Echo::Tone(check.tones - 1));
        }
        check.loud += u32::from(mean_level(payload, payload_type) >= LOUD);
        self.checked |= check.loud >= LOUD_FRAMES;
        Some(Echo::Back)
    }

    fn leg(&self, now: Mono) -> AudioLeg {
        match (self.standing, self.heard_at) {
            (Standing::Nothing, _) => AudioLeg::None,
            (_, Some(at)) if now.since(at) < LOST_AFTER => AudioLeg::Up,
            (_, Some(_)) => AudioLeg::Lost,
            (_, None) => AudioLeg::Connecting,
        }
    }

    /// Ends a check whose time is over. What the desk and the floor have not been told yet; `None`, `None`: nothing new.
    pub fn look(&mut self, agent: AgentId, now: Mono) -> (Option<MediaNews>, Option<bool>) {
        if self
            .check
            .is_some_and(|check| now.since(check.began) >= CHECK)
        {
            self.check = None;
        }
        let leg = self.leg(now);
        let tell = (leg, self.checked, self.check.is_some());
        let news = (tell != self.told).then_some(MediaNews::Leg {
            agent,
            leg,
            checked: tell.1,
            checking: tell.2,
        });
        self.told = tell;
        let ready = leg == AudioLeg::Up && self.checked;
        let told = (ready != self.ready_told).then_some(ready);
        self.ready_told = ready;
        (news, told)
    }

    /// The floor's lane was full: it must be told again.
    pub const fn untell_ready(&mut self) {
        self.ready_told = !self.ready_told;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::g711::encode_pcmu;
    use crate::wire::media::{PCMU, comfort_noise};

    const AGENT: AgentId = AgentId(1);

    fn ms(ms: u64) -> Mono {
        Mono(ms * 1_000)
    }
    fn voice() -> [u8; 160] {
        std::array::from_fn(|n| encode_pcmu(if n % 16 < 8 { 3_000 } else { -3_000 }))
    }
    fn seat() -> Seat {
        let mut seat = Seat::default();
        seat.connect(Standing::Browser);
        seat
    }
    /// Speaks for the whole check; what the floor was told at its end.
    fn checked(frame: &[u8]) -> Option<bool> {
        let mut seat = seat();
        seat.begin_check(ms(0));
        for n in 0..200 {
            seat.heard_at = Some(ms(n * 20));
            seat.hear_check(PCMU, frame, ms(n * 20));
        }
        seat.look(AGENT, ms(4_000)).1
    }

    #[test]
    fn a_voice_passes_the_check_and_a_silent_microphone_does_not() {
        assert_eq!(checked(&voice()), Some(true));
        assert_eq!(checked(comfort_noise(PCMU)), None);
        assert_eq!(checked(&[]), None);
    }

    #[test]
    fn the_agent_hears_the_tone_first_and_himself_after_it() {
        let mut seat = seat();
        seat.begin_check(ms(0));
        assert_eq!(seat.hear_check(PCMU, &voice(), ms(20)), Some(Echo::Tone(0)));
        assert_eq!(seat.hear_check(PCMU, &voice(), ms(40)), Some(Echo::Tone(1)));
        assert_eq!(seat.hear_check(PCMU, &voice(), ms(700)), Some(Echo::Back));
        seat.look(AGENT, ms(3_700));
        assert_eq!(seat.hear_check(PCMU, &voice(), ms(3_720)), None);
    }

    #[test]
    fn two_seconds_without_sound_are_told_once_and_so_is_the_return() {
        let mut seat = seat();
        seat.pass();
        seat.heard_at = Some(ms(0));
        assert_eq!(seat.look(AGENT, ms(100)).1, Some(true));
        assert_eq!(seat.look(AGENT, ms(1_999)).1, None);
        assert_eq!(seat.look(AGENT, ms(2_000)).1, Some(false));
        assert_eq!(seat.look(AGENT, ms(9_000)), (None, None));
        seat.heard_at = Some(ms(9_100));
        assert_eq!(seat.look(AGENT, ms(9_200)).1, Some(true));
    }
}
