//! Keys of a telephone as RTP events (RFC 4733): a sender that presses them one after the other, a receiver that reports each once.
//!
//! Keys can be card numbers: nothing here is printed, `Debug` hides them. Owns no clock: the sender is asked for each frame of 20 ms.

use crate::wire::media::law::encode;
use crate::wire::media::{CLOCK_HZ, FRAME_SAMPLES};
use crate::wire::sip::sdp::Law;
use std::collections::VecDeque;

/// Keys that may wait to be sent; more are refused.
pub const KEYS_MAX: usize = 64;
/// Frames of one key: 100 ms. ITU-T Q.24 asks receivers for 40 ms; carriers' gateways that play the tone want more.
const KEY_FRAMES: u16 = 5;
/// Frames of silence behind a key: 60 ms, above the 40 ms of ITU-T Q.24. The three end packets lie in them.
const GAP_FRAMES: u16 = 3;
/// Times that the end of a key is sent (RFC 4733 s.2.5.1.4).
const ENDS: u16 = 3;
/// Frames of a "," in a dialled string: half a second.
const PAUSE_FRAMES: u16 = 25;
/// Bytes of one event (RFC 4733 s.2.3).
const EVENT_BYTES: usize = 4;
/// Power of the tone, in -dBm0 (RFC 4733 s.2.3.3): what telephones send.
const VOLUME: u8 = 10;
/// How far behind the newest key a packet is a straggler of an earlier one: 10 s. Further back, the sender's timeline began anew.
const STRAGGLER_MAX: u32 = 80_000;
/// Events in one packet that are read: a long packet must not cost time.
const BLOCKS_MAX: usize = 8;

/// A key, 0..=16: digits, `*`, `#`, A to D, flash (RFC 4733 s.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u8);

impl Key {
    /// The key that is written so; `None` for what no telephone has.
    pub const fn of(letter: char) -> Option<Key> {
        Some(Key(match letter {
            '0'..='9' => letter as u8 - b'0',
            '*' => 10,
            '#' => 11,
            'A'..='D' => letter as u8 - b'A' + 12,
            'a'..='d' => letter as u8 - b'a' + 12,
            '!' => 16,
            _ => return None,
        }))
    }

    const fn of_event(event: u8) -> Option<Key> {
        if event <= 16 { Some(Key(event)) } else { None }
    }

    /// Event code, 0..=16.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// As it is written: `0`..`9`, `*`, `#`, `A`..`D`, `!` for flash.
    pub const fn letter(self) -> char {
        match self.0 {
            0..=9 => (b'0' + self.0) as char,
            10 => '*',
            11 => '#',
            12..=15 => (b'A' + self.0 - 12) as char,
            _ => '!',
        }
    }
}

/// A key may be a digit of somebody's card.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(***)")
    }
}

/// Why a string is not sent. Nothing of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysRefused {
    /// It has a character that no telephone has.
    #[error("only 0-9, *, #, A-D, ! and , can be sent as keys")]
    NoKey,
    /// More than [`KEYS_MAX`] would wait.
    #[error("at most {KEYS_MAX} keys can wait")]
    TooMany,
}

/// What the sender wants sent in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFrame {
    /// Marker bit: the first packet of a key.
    pub marker: bool,
    /// Frames since the key's begin: the packet has the timestamp of that begin (RFC 4733 s.2.2.1).
    pub age_frames: u32,
    /// The payload.
    pub payload: [u8; EVENT_BYTES],
}

impl EventFrame {
    /// The same frame as a sound, for a far side that takes no events (ITU-T Q.23); `None` behind the key's end.
    pub fn sound(&self, law: Law) -> Option<[u8; FRAME_SAMPLES]> {
        const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
        const COLUMNS: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
        const PAD: [&[u8]; 4] = [b"123A", b"456B", b"789C", b"*0#D"];
        if self.age_frames >= u32::from(KEY_FRAMES) {
            return None;
        }
        let letter = Key::of_event(self.payload[0])?.letter();
        let row = PAD.iter().position(|row| row.contains(&(letter as u8)))?;
        let column = PAD[row].iter().position(|key| *key == letter as u8)?;
        let first = self.age_frames as usize * FRAME_SAMPLES;
        Some(std::array::from_fn(|n| {
            let turn = (first + n) as f64 / CLOCK_HZ as f64 * std::f64::consts::TAU;
            // About -9 dBm0 for each of the two.
            let level = ((turn * ROWS[row]).sin() + (turn * COLUMNS[column]).sin()) * 8_000.0;
            encode(law, level as i16)
        }))
    }
}

/// What waits to be sent.
#[derive(Clone, Copy, Debug)]
enum Step {
    Key(Key),
    Pause,
}

/// Presses keys, one after the other. While it presses, its packets take the place of audio.
#[derive(Clone, Debug, Default)]
pub struct KeySender {
    waiting: VecDeque<Step>,
    /// What is under way and its frame, from 0.
    current: Option<(Step, u16)>,
}

impl KeySender {
    /// Adds keys, as in "123#"; "," is a pause of half a second. All or nothing.
    pub fn press(&mut self, letters: &str) -> Result<(), KeysRefused> {
        let mut steps = Vec::new();
        for letter in letters.chars() {
            if steps.len() + self.waiting.len() >= KEYS_MAX {
                return Err(KeysRefused::TooMany);
            }
            steps.push(match letter {
                ',' => Step::Pause,
                other => Step::Key(Key::of(other).ok_or(KeysRefused::NoKey)?),
            });
        }
        self.waiting.extend(steps);
        Ok(())
    }

    /// Whether it is at work: audio of this frame is left out while it presses a key.
    pub fn is_busy(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    /// Goes on by one frame of 20 ms. `None`: nothing of ours in it, audio may be sent.
    pub fn frame(&mut self) -> Option<EventFrame> {
        let (step, frame) = match self.current.take() {
            Some(current) => current,
            None => (self.waiting.pop_front()?, 0),
        };
        let frames = match step {
            Step::Key(_) => KEY_FRAMES + GAP_FRAMES,
            Step::Pause => PAUSE_FRAMES,
        };
        if frame + 1 < frames {
            self.current = Some((step, frame + 1));
        }
        let Step::Key(key) = step else {
            return None;
        };
        if frame >= KEY_FRAMES + ENDS - 1 {
            return None;
        }
        // The last frame of the key is the first of its three ends; the duration stands from there on.
        let ended = frame + 1 >= KEY_FRAMES;
        let duration = (frame + 1).min(KEY_FRAMES) * FRAME_SAMPLES as u16;
        let [high, low] = duration.to_be_bytes();
        Some(EventFrame {
            marker: frame == 0,
            age_frames: u32::from(frame),
            payload: [key.event(), (u8::from(ended) << 7) | VOLUME, high, low],
        })
    }
}

/// Reports each key once, however often its packets are repeated or lost.
#[derive(Clone, Debug, Default)]
pub struct KeyReceiver {
    last: Option<Heard>,
}

/// The newest event.
#[derive(Clone, Copy, Debug)]
struct Heard {
    ssrc: u32,
    key: Key,
    begin: u32,
    duration: u16,
    ended: bool,
}

impl KeyReceiver {
    /// Takes a packet of the event payload type. `pressed` is told each key that is new, in order.
    pub fn receive(
        &mut self,
        ssrc: u32,
        timestamp: u32,
        payload: &[u8],
        mut pressed: impl FnMut(Key),
    ) {
        let mut begin = timestamp;
        // RFC 4733 s.2.5.1.5: several events in one packet follow one another without a gap.
        for block in payload.chunks_exact(EVENT_BYTES).take(BLOCKS_MAX) {
            let duration = u16::from_be_bytes([block[2], block[3]]);
            if let Some(key) = Key::of_event(block[0])
                && self.is_new(ssrc, begin, key, duration, block[1] & 0x80 != 0)
            {
                pressed(key);
            }
            begin = begin.wrapping_add(u32::from(duration));
        }
    }

    fn is_new(&mut self, ssrc: u32, begin: u32, key: Key, duration: u16, ended: bool) -> bool {
        let heard = Heard {
            ssrc,
            key,
            begin,
            duration,
            ended,
        };
        let Some(last) = self.last.as_mut().filter(|last| last.ssrc == ssrc) else {
            self.last = Some(heard);
            return true;
        };
        if begin == last.begin {
            last.duration = last.duration.max(duration);
            last.ended |= ended;
            // Another key with the same begin is a broken sender; it does not become a second press.
            return false;
        }
        if last.begin.wrapping_sub(begin) < STRAGGLER_MAX {
            return false;
        }
        // s.2.5.1.3: a key held beyond 8.19 s goes on as a new segment, without an end in between.
        let goes_on = !last.ended
            && last.key == key
            && last.duration == u16::MAX
            && begin == last.begin.wrapping_add(u32::from(u16::MAX));
        self.last = Some(heard);
        !goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `(timestamp, payload)` of all packets that "pressing" sends, from timestamp `start` on.
    fn packets(letters: &str, start: u32) -> Vec<(u32, EventFrame)> {
        let mut sender = KeySender::default();
        sender.press(letters).unwrap();
        let mut sent = Vec::new();
        let mut frame = 0_u32;
        while sender.is_busy() {
            if let Some(event) = sender.frame() {
                let begin = start.wrapping_add((frame - event.age_frames) * 160);
                sent.push((begin, event));
            }
            frame += 1;
        }
        sent
    }

    fn heard(packets: impl IntoIterator<Item = (u32, EventFrame)>) -> String {
        let mut receiver = KeyReceiver::default();
        let mut keys = String::new();
        for (timestamp, event) in packets {
            receiver.receive(7, timestamp, &event.payload, |key| keys.push(key.letter()));
        }
        keys
    }

    #[test]
    fn a_key_grows_frame_by_frame_and_its_end_is_sent_three_times() {
        let sent = packets("5", 1_000);
        let seen: Vec<_> = sent
            .iter()
            .map(|(begin, event)| {
                let duration = u16::from_be_bytes([event.payload[2], event.payload[3]]);
                (*begin, event.marker, event.payload[1] >> 7, duration)
            })
            .collect();
        assert_eq!(
            seen,
            [
                (1_000, true, 0, 160),
                (1_000, false, 0, 320),
                (1_000, false, 0, 480),
                (1_000, false, 0, 640),
                (1_000, false, 1, 800),
                (1_000, false, 1, 800),
                (1_000, false, 1, 800),
            ]
        );
        assert!(sent.iter().all(|(_, event)| event.payload[0] == 5));
    }

    #[test]
    fn what_is_pressed_is_heard_once_each_also_the_same_key_twice() {
        assert_eq!(heard(packets("1223#*0AD!", 0)), "1223#*0AD!");
        // Across the wrap of the timestamp.
        assert_eq!(heard(packets("99", u32::MAX - 500)), "99");
    }

    #[test]
    fn a_pause_lets_audio_through_and_counts_half_a_second() {
        let sent = packets("1,2", 0);
        let begins: std::collections::BTreeSet<u32> = sent.iter().map(|sent| sent.0).collect();
        assert_eq!(begins.into_iter().collect::<Vec<_>>(), [0, (8 + 25) * 160]);
    }

    #[test]
    fn a_string_with_a_letter_that_no_telephone_has_sends_nothing() {
        let mut sender = KeySender::default();
        assert_eq!(sender.press("12x"), Err(KeysRefused::NoKey));
        assert!(!sender.is_busy());
        assert_eq!(sender.press(&"1".repeat(KEYS_MAX)), Ok(()));
        assert_eq!(sender.press("1"), Err(KeysRefused::TooMany));
    }

    #[test]
    fn a_key_held_for_ten_seconds_is_one_key() {
        let mut receiver = KeyReceiver::default();
        let mut keys = String::new();
        let mut hear = |timestamp, duration: u16, end: u8| {
            let [high, low] = duration.to_be_bytes();
            receiver.receive(7, timestamp, &[1, end << 7, high, low], |key| {
                keys.push(key.letter());
            });
        };
        hear(0, 160, 0);
        hear(0, u16::MAX, 0);
        hear(65_535, 160, 0);
        hear(65_535, 16_000, 1);
        hear(90_000, 160, 0); // pressed again
        assert_eq!(keys, "11");
    }

    #[test]
    fn a_straggler_of_an_earlier_key_is_not_a_new_press() {
        let mut sent = packets("12", 0);
        let late = sent[3];
        sent.push(late);
        assert_eq!(heard(sent), "12");
    }

    #[test]
    fn a_key_as_a_sound_has_its_two_tones_and_no_other() {
        use crate::wire::media::law::linear;
        for (key, low, high) in [("5", 770.0, 1_336.0), ("#", 941.0, 1_477.0)] {
            let samples: Vec<f64> = packets(key, 0)
                .iter()
                .filter_map(|(_, event)| event.sound(Law::A))
                .flatten()
                .map(|code| f64::from(linear(Law::A)[usize::from(code)]))
                .collect();
            assert_eq!(samples.len(), 800, "100 ms, and none behind the end");
            // Goertzel, as receivers do it.
            let power = |hertz: f64| {
                let step = hertz / 8_000.0 * std::f64::consts::TAU;
                let (mut re, mut im) = (0.0, 0.0);
                for (n, sample) in samples.iter().enumerate() {
                    re += sample * (step * n as f64).cos();
                    im += sample * (step * n as f64).sin();
                }
                re.hypot(im) / samples.len() as f64
            };
            for hertz in [
                697.0, 770.0, 852.0, 941.0, 1_209.0, 1_336.0, 1_477.0, 1_633.0,
            ] {
                let is_there = hertz == low || hertz == high;
                assert_eq!(
                    power(hertz) > 2_000.0,
                    is_there,
                    "{key}: {hertz} Hz {}",
                    power(hertz)
                );
            }
        }
    }

    #[test]
    fn keys_are_not_printed() {
        let mut sender = KeySender::default();
        sender.press("4").unwrap();
        assert!(!format!("{sender:?}").contains('4'));
    }

    proptest! {
        #[test]
        fn no_key_is_lost_or_doubled_while_one_packet_of_each_arrives(
            keys in "[0-9*#A-D]{1,12}",
            kept in proptest::collection::vec((any::<bool>(), 1usize..3), 12 * 7),
            start: u32,
        ) {
            let sent = packets(&keys, start);
            let mut arrived = Vec::new();
            for (index, packet) in sent.iter().enumerate() {
                let (keep, copies) = kept[index];
                // The third end of each key always comes.
                if keep || index % 7 == 6 {
                    arrived.extend(std::iter::repeat_n(*packet, copies));
                }
            }
            prop_assert_eq!(heard(arrived), keys);
        }

        #[test]
        fn no_payload_makes_the_receiver_panic_or_report_more_than_it_reads(
            packets in proptest::collection::vec((any::<u32>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..64)), 0..40),
        ) {
            let mut receiver = KeyReceiver::default();
            for (ssrc, timestamp, payload) in packets {
                let mut reported = 0;
                receiver.receive(ssrc, timestamp, &payload, |_| reported += 1);
                prop_assert!(reported <= BLOCKS_MAX.min(payload.len() / 4));
            }
        }
    }
}
