//! A simulated borrower who talks: says hello, listens until the agent has finished, answers, and asks where nobody speaks.
//!
//! Pure: told each 20 ms whether the agent is heard, says which frame is due. Its sentences are espeak-ng's (src/demo/voices).

use crate::wire::media::g711::{decode_pcmu, encode_pcma};
use crate::wire::media::law::mean_level;
use crate::wire::media::{FRAME_MS, FRAME_SAMPLES, PCMA, comfort_noise};

/// Time from the answer to the first word: the phone has to reach the ear.
const FIRST_WORD_MS: u64 = 350;
/// The agent must be heard for so long before it counts as speech: a click is no sentence.
const SPEECH_MS: u64 = 240;
/// Silence after which the agent has finished.
const TURN_MS: u64 = 800;
/// Silence after which somebody asks whether anybody is there.
const NOBODY_MS: u64 = 7_000;
/// How often that is asked before the borrower only listens.
const ASKED_MAX: u8 = 2;
/// Mean magnitude of a frame from which on it is a voice: -38 dBFS, above the hiss of a microphone.
const VOICE_LEVEL: u32 = 400;

type Frame = [u8; FRAME_SAMPLES];

/// The sentences of one voice in one law, as whole frames.
#[derive(Clone, Debug)]
pub struct Voice {
    hello: Vec<Frame>,
    anyone: Vec<Frame>,
    turns: Vec<Vec<Frame>>,
}

/// The languages of the simulated borrowers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Most of them.
    Vietnamese,
    /// Every fourth.
    English,
}

impl Language {
    /// The language of the `call`-th call.
    pub const fn of(call: u64) -> Self {
        if call % 4 == 3 {
            Language::English
        } else {
            Language::Vietnamese
        }
    }
}

macro_rules! sentence {
    ($name:literal) => {
        include_bytes!(concat!("../voices/", $name, ".wav")).as_slice()
    };
}

impl Voice {
    /// The voice of a language, for payload type 0 (PCMU) or 8 (PCMA).
    pub fn new(language: Language, payload_type: u8) -> Self {
        let [hello, anyone, turns @ ..] = match language {
            Language::Vietnamese => [
                sentence!("vi-hello"),
                sentence!("vi-anyone"),
                sentence!("vi-yes"),
                sentence!("vi-trouble"),
                sentence!("vi-part"),
                sentence!("vi-promise"),
                sentence!("vi-bye"),
            ],
            Language::English => [
                sentence!("en-hello"),
                sentence!("en-anyone"),
                sentence!("en-yes"),
                sentence!("en-trouble"),
                sentence!("en-part"),
                sentence!("en-promise"),
                sentence!("en-bye"),
            ],
        };
        let frames = |wav| frames(samples(wav), payload_type);
        Voice {
            hello: frames(hello),
            anyone: frames(anyone),
            turns: turns.map(frames).into(),
        }
    }

    fn sentence(&self, which: Sentence) -> &[Frame] {
        match which {
            Sentence::Hello => &self.hello,
            Sentence::Anyone => &self.anyone,
            // After the good-bye the borrower says yes to whatever else comes.
            Sentence::Turn(n) => self.turns.get(n).unwrap_or(&self.turns[0]),
        }
    }

    /// The frame that is due, or comfort noise.
    pub fn frame(&self, due: Option<Due>, payload_type: u8) -> &Frame {
        due.and_then(|due| self.sentence(due.sentence).get(due.frame))
            .unwrap_or(comfort_noise(payload_type))
    }
}

/// One of a voice's sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentence {
    /// After the answer.
    Hello,
    /// Nobody speaks.
    Anyone,
    /// The `n`-th answer to what the agent said.
    Turn(usize),
}

/// A frame of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which sentence.
    pub sentence: Sentence,
    /// Which frame of it.
    pub frame: usize,
}

/// One borrower's side of one conversation.
#[derive(Clone, Debug)]
pub struct Talk {
    speaking: Option<Due>,
    next: Sentence,
    turns: usize,
    /// Milliseconds of the agent's voice, and of silence, since the last sentence.
    heard_ms: u64,
    silent_ms: u64,
    asked: u8,
}

impl Default for Talk {
    fn default() -> Self {
        Talk {
            speaking: None,
            next: Sentence::Hello,
            turns: 0,
            heard_ms: 0,
            silent_ms: 0,
            asked: 0,
        }
    }
}

impl Talk {
    /// The next 20 ms. `agent_speaks`: his voice was there in the last 20 ms.
    pub fn step(&mut self, agent_speaks: bool, voice: &Voice) -> Option<Due> {
        if let Some(due) = self.speaking {
            let next = Due {
                frame: due.frame + 1,
                ..due
            };
            self.speaking = (next.frame < voice.sentence(due.sentence).len()).then_some(next);
            // Who speaks does not listen: an agent who talks into the sentence is heard from its end on.
            (self.heard_ms, self.silent_ms) = (0, 0);
            return self.speaking;
        }
        if agent_speaks {
            self.heard_ms += FRAME_MS;
            self.silent_ms = 0;
        } else {
            self.silent_ms += FRAME_MS;
        }
        let sentence = self.what_now()?;
        if let Sentence::Turn(_) = sentence {
            self.turns += 1;
        }
        self.next = Sentence::Turn(self.turns);
        (self.heard_ms, self.silent_ms) = (0, 0);
        self.speaking = Some(Due { sentence, frame: 0 });
        self.speaking
    }

    fn what_now(&mut self) -> Option<Sentence> {
        if self.next == Sentence::Hello {
            return (self.silent_ms + self.heard_ms >= FIRST_WORD_MS).then_some(Sentence::Hello);
        }
        if self.heard_ms >= SPEECH_MS {
            self.asked = 0;
            return (self.silent_ms >= TURN_MS).then_some(self.next);
        }
        if self.silent_ms >= NOBODY_MS && self.asked < ASKED_MAX {
            self.asked += 1;
            return Some(Sentence::Anyone);
        }
        None
    }
}

/// Whether a G.711 payload is loud enough for a voice.
pub fn is_voice(payload: &[u8], payload_type: u8) -> bool {
    mean_level(payload, payload_type) >= VOICE_LEVEL
}

/// The mu-law samples of a RIFF file; empty if it has no `data`. The files are ours, a test looks at each.
fn samples(wav: &'static [u8]) -> &'static [u8] {
    let mut at = 12;
    while let Some(head) = wav.get(at..at + 8) {
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let body = wav.get(at + 8..at + 8 + size).unwrap_or_default();
        if &head[..4] == b"data" {
            return body;
        }
        at += 8 + size + size % 2;
    }
    &[]
}

fn frames(samples: &[u8], payload_type: u8) -> Vec<Frame> {
    samples
        .chunks(FRAME_SAMPLES)
        .map(|chunk| {
            let mut frame = *comfort_noise(payload_type);
            for (to, from) in frame.iter_mut().zip(chunk) {
                *to = if payload_type == PCMA {
                    encode_pcma(decode_pcmu(*from))
                } else {
                    *from
                };
            }
            frame
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::PCMU;

    fn voice() -> Voice {
        Voice::new(Language::Vietnamese, PCMU)
    }

    /// Plays `(milliseconds, the agent speaks)` spans; gives when each sentence began.
    fn play(script: &[(u64, bool)]) -> Vec<(u64, Sentence)> {
        let (voice, mut talk, mut now) = (voice(), Talk::default(), 0);
        let mut said = Vec::new();
        for (length, speaks) in script {
            for _ in 0..length / FRAME_MS {
                now += FRAME_MS;
                if let Some(Due { sentence, frame: 0 }) = talk.step(*speaks, &voice) {
                    said.push((now, sentence));
                }
            }
        }
        said
    }

    #[test]
    fn every_sentence_is_speech_of_half_a_second_to_four_in_both_laws() {
        for language in [Language::Vietnamese, Language::English] {
            for law in [PCMU, PCMA] {
                let voice = Voice::new(language, law);
                assert_eq!(voice.turns.len(), 5);
                for sentence in [&voice.hello, &voice.anyone]
                    .into_iter()
                    .chain(&voice.turns)
                {
                    assert!((25..200).contains(&sentence.len()), "{}", sentence.len());
                    let loud = sentence
                        .iter()
                        .filter(|frame| is_voice(*frame, law))
                        .count();
                    assert!(loud * 3 > sentence.len(), "{loud} of {}", sentence.len());
                }
            }
        }
        assert!(!is_voice(comfort_noise(PCMU), PCMU) && !is_voice(comfort_noise(PCMA), PCMA));
    }

    #[test]
    fn the_borrower_says_hello_and_answers_each_time_the_agent_has_finished() {
        let said = play(&[
            (3_000, false),
            (2_000, true),
            (4_000, false),
            (100, true),
            (1_000, false),
            (1_500, true),
            (4_000, false),
        ]);
        let sentences: Vec<_> = said.iter().map(|(_, sentence)| *sentence).collect();
        // The click of 100 ms is no sentence.
        assert_eq!(
            sentences,
            [Sentence::Hello, Sentence::Turn(0), Sentence::Turn(1)]
        );
        assert_eq!(said[0].0, 360);
        assert_eq!(said[1].0, 3_000 + 2_000 + TURN_MS);
    }

    #[test]
    fn an_agent_who_pauses_within_a_sentence_is_not_interrupted() {
        let said = play(&[
            (3_000, false),
            (600, true),
            (500, false),
            (600, true),
            (700, false),
        ]);
        assert_eq!(said.len(), 1, "{said:?}");
    }

    #[test]
    fn where_nobody_speaks_it_is_asked_twice_and_then_only_listened() {
        let said = play(&[(60_000, false), (1_000, true), (2_000, false)]);
        let sentences: Vec<_> = said.iter().map(|(_, sentence)| *sentence).collect();
        assert_eq!(
            sentences,
            [
                Sentence::Hello,
                Sentence::Anyone,
                Sentence::Anyone,
                Sentence::Turn(0)
            ]
        );
    }

    #[test]
    fn the_last_answer_is_a_good_bye_and_what_comes_after_it_is_said_yes_to() {
        let voice = voice();
        assert_eq!(
            voice.sentence(Sentence::Turn(9)),
            voice.sentence(Sentence::Turn(0))
        );
        assert_ne!(
            voice.sentence(Sentence::Turn(4)),
            voice.sentence(Sentence::Turn(0))
        );
    }
}
