//! What of our own a leg plays: a prompt once, or music again and again. Owns the place in it; sends nothing.

use super::prompts::Prompt;
use crate::wire::media::FRAME_SAMPLES;
use crate::wire::sip::sdp::Law;
use std::sync::Arc;

/// A prompt under way.
#[derive(Debug)]
pub(super) struct Playing {
    prompt: Arc<Prompt>,
    next: usize,
}

impl Playing {
    /// From its begin.
    pub const fn new(prompt: Arc<Prompt>) -> Self {
        Playing { prompt, next: 0 }
    }

    /// The next frame; `None`: it is over.
    pub fn once(&mut self, law: Law) -> Option<&[u8; FRAME_SAMPLES]> {
        let frame = self.prompt.frame(law, self.next)?;
        self.next += 1;
        Some(frame)
    }

    /// The next frame of music, which has no end.
    pub fn again(&mut self, law: Law) -> &[u8; FRAME_SAMPLES] {
        let frame = self.prompt.looped(law, self.next);
        self.next += 1;
        frame
    }
}
