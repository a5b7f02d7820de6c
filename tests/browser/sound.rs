//! What a far end heard, judged by frequency (Goertzel) and level, by the time of the call.

use std::path::Path;
use tandem::demo::carrier::records::CallRecord;

/// Samples of one look: 50 ms, in which a tone differs from its neighbours by 20 Hz.
const WINDOW: usize = 400;
const RATE: f64 = 8_000.0;

/// A recording of a far end.
pub struct Heard {
    samples: Vec<f64>,
    /// Unix milliseconds of its first sample.
    begin_ms: i64,
}

impl Heard {
    /// A recording whose first sample came with the answer of `record`.
    pub fn read(path: &Path, record: &CallRecord) -> Heard {
        let mut heard = Heard::whole(path);
        heard.begin_ms = record.answered_at_ms.expect("answered");
        heard
    }

    /// One channel of our own recording that began at `begin_ms`.
    pub fn channel(path: &Path, channel: usize, begin_ms: i64) -> Heard {
        let reader = hound::WavReader::open(path)
            .unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        assert_eq!(
            (reader.spec().sample_rate, reader.spec().channels),
            (8_000, 2)
        );
        let samples = reader.into_samples::<i16>().skip(channel).step_by(2);
        Heard {
            samples: samples.map(|sample| f64::from(sample.unwrap())).collect(),
            begin_ms,
        }
    }

    /// Not one sample of the span is anything but zero.
    pub fn is_digital_silence(&self, span: (i64, i64)) {
        let looks = self.looks(span);
        let others = looks.iter().flat_map(|look| look.iter());
        let others = others.filter(|sample| **sample != 0.0).count();
        assert_eq!(others, 0, "samples of a paused span are kept");
    }

    /// A recording of unknown time.
    pub fn whole(path: &Path) -> Heard {
        let reader = hound::WavReader::open(path)
            .unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        assert_eq!(reader.spec().sample_rate, RATE as u32, "{}", path.display());
        let channels = usize::from(reader.spec().channels);
        let samples = reader
            .into_samples::<i16>()
            .step_by(channels)
            .map(|sample| f64::from(sample.unwrap()))
            .collect();
        Heard {
            samples,
            begin_ms: 0,
        }
    }

    /// Milliseconds in which the tone stands above everything else.
    pub fn tone_ms(&self, hertz: f64) -> u64 {
        let windows = self.samples.chunks_exact(WINDOW);
        windows
            .filter(|window| share_of(window, hertz) > 0.6 && level(window) > 100.0)
            .count() as u64
            * 50
    }

    /// At least nine in ten looks of the span are this tone.
    pub fn is_tone(&self, hertz: f64, span: (i64, i64)) {
        let share = self.share_of_tone(hertz, span);
        assert!(
            share >= 0.9,
            "{share:.2} of the span {span:?} is {hertz} Hz"
        );
    }

    /// At most one look in twenty is this tone.
    pub fn is_not_tone(&self, hertz: f64, span: (i64, i64)) {
        let share = self.share_of_tone(hertz, span);
        assert!(
            share <= 0.05,
            "{share:.2} of the span {span:?} is {hertz} Hz"
        );
    }

    /// Something can be heard in most looks.
    pub fn is_loud(&self, span: (i64, i64)) {
        let looks = self.looks(span);
        let loud = looks.iter().filter(|window| level(window) > 50.0).count();
        assert!(
            loud * 2 > looks.len(),
            "{loud} of {} looks can be heard",
            looks.len()
        );
    }

    /// Nothing can be heard.
    pub fn is_silent(&self, span: (i64, i64)) {
        let loudest = self
            .looks(span)
            .iter()
            .map(|window| level(window))
            .fold(0.0, f64::max);
        assert!(
            loudest < 50.0,
            "{loudest:.0} in a span that should be silent"
        );
    }

    fn share_of_tone(&self, hertz: f64, span: (i64, i64)) -> f64 {
        let looks = self.looks(span);
        let hits = looks
            .iter()
            .filter(|window| share_of(window, hertz) > 0.6 && level(window) > 100.0)
            .count();
        hits as f64 / looks.len() as f64
    }

    fn looks(&self, (from, until): (i64, i64)) -> Vec<&[f64]> {
        let place = |ms: i64| usize::try_from((ms - self.begin_ms) * 8).expect("after the answer");
        let (from, until) = (place(from), place(until).min(self.samples.len()));
        assert!(
            until > from + 4 * WINDOW,
            "the span {from}..{until} is too short; {} samples were heard",
            self.samples.len()
        );
        self.samples[from..until].chunks_exact(WINDOW).collect()
    }
}

/// Root mean square.
fn level(window: &[f64]) -> f64 {
    (window.iter().map(|sample| sample * sample).sum::<f64>() / window.len() as f64).sqrt()
}

/// Share of a window's energy that lies at a frequency (Goertzel's filter).
fn share_of(window: &[f64], hertz: f64) -> f64 {
    let all: f64 = window.iter().map(|sample| sample * sample).sum();
    if all == 0.0 {
        return 0.0;
    }
    let turn = 2.0 * (std::f64::consts::TAU * hertz / RATE).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in window {
        (one, two) = (sample + turn * one - two, one);
    }
    let power = one * one + two * two - turn * one * two;
    2.0 * power / (all * window.len() as f64)
}

#[test]
fn the_judge_tells_tones_from_each_other_from_noise_and_from_silence() {
    let of = |wave: &dyn Fn(f64) -> f64| -> Vec<f64> {
        (0..WINDOW).map(|n| wave(n as f64 / RATE)).collect()
    };
    let tone = |hertz: f64| of(&|t| 4_000.0 * (std::f64::consts::TAU * hertz * t + 0.3).sin());
    assert!(share_of(&tone(600.0), 600.0) > 0.99);
    assert!(share_of(&tone(1_000.0), 600.0) < 0.01);
    assert!(share_of(&tone(660.0), 600.0) < 0.2);
    assert!(share_of(&of(&|_| 0.0), 600.0) == 0.0);
    let mixed: Vec<f64> = tone(600.0)
        .iter()
        .zip(tone(1_000.0))
        .map(|(a, b)| a + b)
        .collect();
    assert!((share_of(&mixed, 600.0) - 0.5).abs() < 0.05);
}
