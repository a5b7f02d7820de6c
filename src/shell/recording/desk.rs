//! What agents say about their recordings over their sockets, put before the media plane. Everything else it hands through.

use super::recorder::{Recorder, RecordingNow};
use crate::ids::{AgentId, AttemptId};
use crate::shell::desks::DeskAudio;
use crate::shell::media::MediaPlane;
use crate::wire::desk::audio::{RecordAction, RecordingState};
use std::sync::Arc;

/// The desks' audio, with recordings.
pub struct WithRecorder {
    audio: Arc<dyn DeskAudio>,
    media: Arc<MediaPlane>,
    recorder: Arc<Recorder>,
}

impl WithRecorder {
    /// `audio` is asked for all that is no recording.
    pub fn new(audio: Arc<dyn DeskAudio>, media: Arc<MediaPlane>, recorder: Arc<Recorder>) -> Self {
        WithRecorder {
            audio,
            media,
            recorder,
        }
    }
}

impl From<RecordingNow> for RecordingState {
    fn from(now: RecordingNow) -> Self {
        match now {
            RecordingNow::Off => RecordingState::Off,
            RecordingNow::On => RecordingState::On,
            RecordingNow::Paused => RecordingState::Paused,
        }
    }
}

impl DeskAudio for WithRecorder {
    fn under(&self) -> Option<&dyn DeskAudio> {
        Some(&*self.audio)
    }

    fn record(
        &self,
        _agent: AgentId,
        attempt: AttemptId,
        action: RecordAction,
    ) -> Option<RecordingState> {
        let done = match action {
            RecordAction::Start => {
                let is_begun = match self.recorder.on_demand(attempt) {
                    Ok(tap) => self.media.record(attempt, tap),
                    Err(_) => false,
                };
                // Not begun: the call is over, or the campaign or the bound says no; or it runs already, and that is the answer.
                let now = if is_begun {
                    RecordingNow::On
                } else {
                    self.recorder.now(attempt)
                };
                Some(now).filter(|now| *now != RecordingNow::Off)
            }
            RecordAction::Pause | RecordAction::Resume => {
                let is_pause = action == RecordAction::Pause;
                let now = self.recorder.pause(attempt, is_pause).ok();
                if now.is_some() {
                    // For those who listen live; the recording itself is paused already.
                    let _ = self.media.pause_recording(attempt, is_pause);
                }
                now
            }
        };
        done.map(RecordingState::from)
    }
}
