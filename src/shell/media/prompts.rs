//! Prompts: WAV files of a directory, read at the start into frames of both laws. Owns no socket; playing one is an index.
//!
//! Anything that cannot be played is a fault then, with file and reason: at the moment of an abandoned call it would be too late.

use crate::wire::media::law::encode;
use crate::wire::media::{CLOCK_HZ, FRAME_MS, FRAME_SAMPLES};
use crate::wire::sip::sdp::Law;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest prompt.
const SECONDS_MAX: u32 = 600;
/// Most prompts of a directory.
const PROMPTS_MAX: usize = 256;
/// Peak below which a file is as good as empty: -50 dB of full scale.
const PEAK_MIN: u16 = 104;

type Frame = [u8; FRAME_SAMPLES];

/// One prompt, ready to be sent in either law.
#[derive(Debug)]
pub struct Prompt {
    mu: Vec<Frame>,
    a: Vec<Frame>,
}

impl Prompt {
    /// The `n`-th frame of 20 ms; `None` behind the end.
    pub fn frame(&self, law: Law, n: usize) -> Option<&Frame> {
        self.of(law).get(n)
    }

    /// The `n`-th frame of the prompt played again and again, as music is.
    pub fn looped(&self, law: Law, n: usize) -> &Frame {
        let frames = self.of(law);
        // A prompt has at least one frame.
        &frames[n % frames.len()]
    }

    /// How long it takes, in whole frames.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.mu.len() as u64 * FRAME_MS)
    }

    const fn of(&self, law: Law) -> &Vec<Frame> {
        match law {
            Law::Mu => &self.mu,
            Law::A => &self.a,
        }
    }

    /// From samples at 8,000 Hz; the last frame is filled with silence.
    fn from_samples(samples: &[i16]) -> Self {
        let frames = |law| {
            samples
                .chunks(FRAME_SAMPLES)
                .map(|chunk| {
                    std::array::from_fn(|n| encode(law, chunk.get(n).copied().unwrap_or(0)))
                })
                .collect()
        };
        Prompt {
            mu: frames(Law::Mu),
            a: frames(Law::A),
        }
    }
}

/// Why a file cannot be played, or a directory not be read.
#[derive(Debug, thiserror::Error)]
pub enum PromptFault {
    /// The directory or an entry of it.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// More files than we take.
    #[error("{}: has more than {PROMPTS_MAX} prompts", .0.display())]
    TooMany(PathBuf),
    /// A name that no setting can ask for.
    #[error("{}: its name has more than letters, digits, \"-\", \"_\" and \".\"", .0.display())]
    Name(PathBuf),
    /// Not a WAV file that we understand.
    #[error("{}: is no WAV file: {what}", path.display())]
    NotWave {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another form of sound.
    #[error(
        "{}: has {channels} channel(s), {rate} Hz, {bits} bits; expected one channel, 8000 or 16000 Hz, 16 bits", path.display()
    )]
    Form {
        /// Which.
        path: PathBuf,
        /// Channels.
        channels: u16,
        /// Samples a second.
        rate: u32,
        /// Bits of a sample.
        bits: u16,
    },
    /// Too long to be one.
    #[error("{}: takes {seconds} s; at most {SECONDS_MAX}", path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
        /// Its length.
        seconds: u32,
    },
    /// Nothing is to be heard: a message that must be given would not be.
    #[error("{}: is silent", .0.display())]
    Silent(PathBuf),
}

/// All that is wrong with a directory of prompts.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct PromptFaults(pub Vec<PromptFault>);

/// All prompts of a directory. `Arc` inside: held by whoever plays one.
#[derive(Clone, Debug, Default)]
pub struct Prompts {
    by_name: BTreeMap<String, Arc<Prompt>>,
}

impl Prompts {
    /// Reads all `*.wav` of a directory, not of those below it. All faults at once.
    pub fn load(directory: &Path) -> Result<Prompts, PromptFaults> {
        let unreadable = |source| {
            PromptFaults(vec![PromptFault::Unreadable {
                path: directory.to_owned(),
                source,
            }])
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path
                .extension()
                .is_some_and(|end| end.eq_ignore_ascii_case("wav"))
            {
                paths.push(path);
            }
            if paths.len() > PROMPTS_MAX {
                return Err(PromptFaults(vec![PromptFault::TooMany(
                    directory.to_owned(),
                )]));
            }
        }
        paths.sort();
        let mut prompts = Prompts::default();
        let mut faults = Vec::new();
        for path in paths {
            match read(&path) {
                Ok((name, prompt)) => {
                    prompts.by_name.insert(name, Arc::new(prompt));
                }
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            Ok(prompts)
        } else {
            Err(PromptFaults(faults))
        }
    }

    /// The prompt of that name: the file's, as in "abandon.wav".
    pub fn get(&self, name: &str) -> Option<&Arc<Prompt>> {
        self.by_name.get(name)
    }

    /// All names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

fn read(path: &Path) -> Result<(String, Prompt), PromptFault> {
    let owned = || path.to_owned();
    let is_name = |name: &&str| {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        !name.starts_with('.') && name.chars().all(is_plain)
    };
    let name = path
        .file_name()
        .and_then(std::ffi::OsStr::to_str)
        .filter(is_name)
        .ok_or_else(|| PromptFault::Name(owned()))?;
    let fault = |error: hound::Error| match error {
        // A file that ends too soon is told as an error of input too, but none of the operating system's.
        hound::Error::IoError(source) if source.raw_os_error().is_some() => {
            PromptFault::Unreadable {
                path: owned(),
                source,
            }
        }
        other => PromptFault::NotWave {
            path: owned(),
            what: other.to_string(),
        },
    };
    let mut file = hound::WavReader::open(path).map_err(fault)?;
    let spec = file.spec();
    let is_fit = spec.channels == 1
        && matches!(spec.sample_rate, 8_000 | 16_000)
        && spec.bits_per_sample == 16
        && spec.sample_format == hound::SampleFormat::Int;
    if !is_fit {
        return Err(PromptFault::Form {
            path: owned(),
            channels: spec.channels,
            rate: spec.sample_rate,
            bits: spec.bits_per_sample,
        });
    }
    // What the header claims: nothing of a file that is too long is read.
    let seconds = file.duration() / spec.sample_rate;
    if seconds > SECONDS_MAX {
        return Err(PromptFault::TooLong {
            path: owned(),
            seconds,
        });
    }
    let samples: Vec<i16> = file.samples().collect::<Result<_, _>>().map_err(fault)?;
    if samples
        .iter()
        .all(|sample| sample.unsigned_abs() < PEAK_MIN)
    {
        return Err(PromptFault::Silent(owned()));
    }
    let samples = if u64::from(spec.sample_rate) == CLOCK_HZ {
        samples
    } else {
        halve(&samples)
    };
    Ok((name.to_owned(), Prompt::from_samples(&samples)))
}

/// Every second sample, after a low pass at 3.6 kHz (windowed sinc of 63 taps): without it, hiss above 4 kHz would whistle below.
fn halve(samples: &[i16]) -> Vec<i16> {
    const TAPS: usize = 63;
    const MIDDLE: usize = TAPS / 2;
    const CUT: f64 = 3_600.0 / 16_000.0;
    let mut taps: [f64; TAPS] = std::array::from_fn(|n| {
        let x = n as f64 - MIDDLE as f64;
        let sinc = if n == MIDDLE {
            2.0 * CUT
        } else {
            (std::f64::consts::TAU * CUT * x).sin() / (std::f64::consts::PI * x)
        };
        let turn = std::f64::consts::TAU * n as f64 / (TAPS - 1) as f64;
        sinc * (0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos())
    });
    let gain: f64 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= gain);
    (0..samples.len())
        .step_by(2)
        .map(|at| {
            let sum: f64 = taps
                .iter()
                .enumerate()
                .filter_map(|(n, tap)| {
                    let sample = samples.get((at + n).checked_sub(MIDDLE)?)?;
                    Some(tap * f64::from(*sample))
                })
                .sum();
            sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::media::law::{is_loud, linear};

    fn write(directory: &Path, name: &str, rate: u32, channels: u16, samples: &[i16]) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::create(directory.join(name), spec).unwrap();
        for sample in samples {
            file.write_sample(*sample).unwrap();
        }
        file.finalize().unwrap();
    }

    fn sine(hertz: f64, rate: u32, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| {
                let turn = hertz * n as f64 / f64::from(rate) * std::f64::consts::TAU;
                (turn.sin() * 8_000.0) as i16
            })
            .collect()
    }

    /// Root of the mean square over the frames between the edges.
    fn loudness(prompt: &Prompt, law: Law) -> f64 {
        let frames = &prompt.of(law)[2..prompt.of(law).len() - 2];
        let samples: Vec<f64> = frames
            .iter()
            .flatten()
            .map(|code| f64::from(linear(law)[usize::from(*code)]))
            .collect();
        let power = samples.iter().map(|sample| sample * sample).sum::<f64>();
        (power / samples.len() as f64).sqrt()
    }

    #[test]
    fn a_prompt_is_ready_in_both_laws_with_its_last_frame_filled_up() {
        let directory = tempfile::tempdir().unwrap();
        write(
            directory.path(),
            "one.wav",
            8_000,
            1,
            &sine(400.0, 8_000, 8_000 + 5),
        );
        std::fs::write(directory.path().join("README.md"), "not a prompt").unwrap();
        let prompts = Prompts::load(directory.path()).unwrap();
        assert_eq!(prompts.names().collect::<Vec<_>>(), ["one.wav"]);
        let prompt = prompts.get("one.wav").unwrap();
        assert_eq!(prompt.duration(), Duration::from_millis(1_020));
        for (law, silence) in [(Law::Mu, 0xFF), (Law::A, 0xD5)] {
            assert!((5_400.0..5_900.0).contains(&loudness(prompt, law)));
            assert_eq!(prompt.frame(law, 50).unwrap()[5..], [silence; 155]);
            assert!(prompt.frame(law, 51).is_none());
            assert_eq!(prompt.looped(law, 52), prompt.frame(law, 1).unwrap());
        }
    }

    #[test]
    fn sixteen_kilohertz_are_halved_and_what_a_telephone_cannot_carry_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        write(
            directory.path(),
            "low.wav",
            16_000,
            1,
            &sine(1_000.0, 16_000, 16_000),
        );
        let mut high = sine(5_000.0, 16_000, 16_000);
        high[0] = 8_000;
        write(directory.path(), "high.wav", 16_000, 1, &high);
        let prompts = Prompts::load(directory.path()).unwrap();
        let low = prompts.get("low.wav").unwrap();
        assert_eq!(low.duration(), Duration::from_secs(1));
        assert!((5_400.0..5_900.0).contains(&loudness(low, Law::Mu)));
        // Without the low pass, 5 kHz would be heard as 3 kHz at full strength.
        let alias = loudness(prompts.get("high.wav").unwrap(), Law::Mu);
        assert!(alias < 60.0, "{alias}");
    }

    #[test]
    fn every_fault_is_told_with_its_file_and_reason() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        write(at, "stereo.wav", 8_000, 2, &[1_000; 200]);
        write(at, "cd.wav", 44_100, 1, &[1_000; 200]);
        write(at, "silent.wav", 8_000, 1, &[3; 8_000]);
        write(at, "empty.wav", 8_000, 1, &[]);
        write(at, "Loud One.wav", 8_000, 1, &[1_000; 200]);
        std::fs::write(at.join("text.wav"), "hello").unwrap();
        std::fs::write(at.join("cut.wav"), b"RIFF").unwrap();
        write(at, "good.wav", 8_000, 1, &[1_000; 200]);
        let faults = Prompts::load(at).unwrap_err().0;
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| fault.to_string().replace(&format!("{}/", at.display()), ""))
            .collect();
        assert_eq!(
            lines,
            [
                "Loud One.wav: its name has more than letters, digits, \"-\", \"_\" and \".\"",
                "cd.wav: has 1 channel(s), 44100 Hz, 16 bits; expected one channel, 8000 or 16000 Hz, 16 bits",
                "cut.wav: is no WAV file: Failed to read enough bytes.",
                "empty.wav: is silent",
                "silent.wav: is silent",
                "stereo.wav: has 2 channel(s), 8000 Hz, 16 bits; expected one channel, 8000 or 16000 Hz, 16 bits",
                "text.wav: is no WAV file: Ill-formed WAVE file: no RIFF tag found",
            ]
        );
        let missing = Prompts::load(&at.join("none")).unwrap_err().0;
        assert!(missing[0].to_string().contains("none: cannot be read"));
    }

    #[test]
    fn the_prompts_that_come_with_the_product_can_be_played() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts");
        let prompts = Prompts::load(&directory).unwrap();
        for name in [
            "abandon.wav",
            "recording-notice.wav",
            "nobody-free.wav",
            "hold-music.wav",
        ] {
            let prompt = prompts
                .get(name)
                .unwrap_or_else(|| panic!("{name} is missing"));
            let loud = |n| is_loud(Law::A, prompt.frame(Law::A, n).unwrap());
            // The abandon message has begun to speak within half a second.
            assert!((0..25).any(loud), "{name}");
        }
    }
}
