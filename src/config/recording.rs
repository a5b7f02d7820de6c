//! `[recording]`, and what a campaign says of recordings: `recording`, `recording_retention_days`, `recording_pause_max_s`.

use super::Config;
use super::reader::{Section, Sink};
use std::path::PathBuf;
use std::time::Duration;

/// Recordings of the whole engine.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordingConfig {
    /// Where they lie; absent: `recordings` in `data_dir`.
    pub directory: Option<PathBuf>,
    /// The site's keys; absent: `recording.key` in `data_dir`.
    pub site_key_file: Option<PathBuf>,
    /// Recordings under way at once. Default 1,000.
    pub calls_max: usize,
    /// Seconds of sound that may wait for the disk, of all recordings together. Default 4,096: some 68 MB.
    pub queue_chunks: usize,
    /// Longest time until what was written survives a power cut. Default 10 s.
    pub sync_every: Duration,
    /// What becomes of them afterwards. Default Ogg Opus.
    pub format: RecordingFormat,
    /// Longest life of a signed address. Default 300 s.
    pub link_life: Duration,
}

/// What becomes of a recording when its call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingFormat {
    /// Ogg Opus: an eighth of the room.
    Opus,
    /// It stays sealed G.711 and is given out as WAV.
    Wav,
}

/// Whether a campaign's conversations are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingMode {
    /// Not even by hand.
    Never,
    /// When somebody asks for it.
    OnDemand,
    /// From the join to the end.
    Always,
}

impl RecordingMode {
    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnDemand => "on_demand",
            Self::Always => "always",
        }
    }
}

/// What a campaign says of recordings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRule {
    /// Whether.
    pub mode: RecordingMode,
    /// For how many days they are kept. Default 180.
    pub retention_days: u32,
    /// After how long a pause ends by itself; zero: never. Default 300 s.
    pub pause_max: Duration,
}

impl Default for RecordingRule {
    fn default() -> Self {
        RecordingRule {
            mode: RecordingMode::Never,
            retention_days: 180,
            pause_max: Duration::from_secs(300),
        }
    }
}

impl Config {
    /// Where recordings lie.
    pub fn recording_directory(&self) -> PathBuf {
        let own = self.recording.directory.clone();
        own.unwrap_or_else(|| self.data_dir.join("recordings"))
    }

    /// The site's keys for recordings.
    pub fn recording_key_file(&self) -> PathBuf {
        let own = self.recording.site_key_file.clone();
        own.unwrap_or_else(|| self.data_dir.join("recording.key"))
    }
}

fn path(section: &mut Section<'_>, sink: &mut Sink<'_>, key: &'static str) -> Option<PathBuf> {
    let text = section.text(sink, key, "a path in quotes")?;
    Some(PathBuf::from(text.value))
}

/// Reads `[recording]`.
pub(super) fn read(mut section: Section<'_>, sink: &mut Sink<'_>) -> RecordingConfig {
    let read = &mut section;
    let config = RecordingConfig {
        directory: path(read, sink, "directory"),
        site_key_file: path(read, sink, "site_key_file"),
        calls_max: read.whole(sink, "calls_max", 1..=10_000, "recordings", 1_000) as usize,
        queue_chunks: read.whole(sink, "queue_chunks", 64..=65_536, "seconds of sound", 4_096)
            as usize,
        sync_every: read.seconds(sink, "sync_s", 1..=300, Duration::from_secs(10)),
        format: [RecordingFormat::Opus, RecordingFormat::Wav]
            [read.word(sink, "format", &["opus", "wav"], 0)],
        link_life: read.seconds(sink, "link_life_s", 10..=3_600, Duration::from_secs(300)),
    };
    section.finish(sink);
    config
}

/// Reads a campaign's keys.
pub(super) fn rule(section: &mut Section<'_>, sink: &mut Sink<'_>) -> RecordingRule {
    let usual = RecordingRule::default();
    let modes = [
        RecordingMode::Never,
        RecordingMode::OnDemand,
        RecordingMode::Always,
    ];
    let words = ["never", "on_demand", "always"];
    RecordingRule {
        mode: modes[section.word(sink, "recording", &words, 0)],
        retention_days: section.whole(
            sink,
            "recording_retention_days",
            1..=3_650,
            "days",
            u64::from(usual.retention_days),
        ) as u32,
        pause_max: section.seconds(sink, "recording_pause_max_s", 0..=3_600, usual.pause_max),
    }
}
