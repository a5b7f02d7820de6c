//! Who may log in: the question put to the store, and the limit on guessing.
//!
//! Owns the count of refused log-ins per source address. Never keeps a token.

use crate::ids::{AgentId, CampaignId, SkillId};
use crate::shell::store::AgentAudio;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The book of agents. Implemented by the store; asked on a thread that may wait.
pub trait AgentDirectory: Send + Sync {
    /// Checks name and token. Must take the same time for an unknown name as for a wrong token, and compare in constant time.
    fn login(&self, name: &str, token: &str) -> Result<LoggedIn, LoginRefused>;
}

/// An agent whose token is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// Who.
    pub agent: AgentId,
    /// Name to show.
    pub name: String,
    /// Campaigns served and their weights, 1..=100.
    pub campaigns: Vec<(CampaignId, u16)>,
    /// Skills and levels, 1..=10.
    pub skills: Vec<(SkillId, u8)>,
    /// How the agent is heard.
    pub audio: AgentAudio,
}

/// Why nobody is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// Unknown name, wrong token, or a disabled account: nobody outside learns which.
    #[error("name or token is wrong")]
    Wrong,
    /// The directory cannot be asked now.
    #[error("the directory cannot be asked")]
    Unavailable,
}

/// Refused log-ins that a source address has to its credit. A floor sits behind one address: a shift's mistyped tokens must pass,
/// a search through tokens must not (128-bit tokens at one guess in three seconds outlive the sun).
const CREDIT: f64 = 30.0;
/// Time in which one refused log-in is forgiven.
const FORGIVEN: Duration = Duration::from_secs(3);
/// Addresses remembered. When there are more, the one that has waited longest is forgiven.
const SOURCES_MAX: usize = 4_096;

/// Credit per source address; only addresses with refused log-ins are here.
#[derive(Debug, Default)]
pub(super) struct LoginLimiter {
    sources: HashMap<IpAddr, (f64, Instant)>,
}

impl LoginLimiter {
    /// Whether this source may try.
    pub(super) fn may_try(&mut self, source: IpAddr, now: Instant) -> bool {
        match self.sources.get(&source) {
            Some(&entry) => credit(entry, now) >= 1.0,
            None => true,
        }
    }

    /// A log-in of this source was refused.
    pub(super) fn refused(&mut self, source: IpAddr, now: Instant) {
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&source) {
            self.sources.retain(|_, entry| credit(*entry, now) < CREDIT);
            if self.sources.len() >= SOURCES_MAX {
                let longest = self
                    .sources
                    .iter()
                    .min_by_key(|(_, (_, since))| *since)
                    .map(|(source, _)| *source);
                if let Some(longest) = longest {
                    self.sources.remove(&longest);
                }
            }
        }
        let entry = self.sources.entry(source).or_insert((CREDIT, now));
        *entry = ((credit(*entry, now) - 1.0).max(0.0), now);
    }
}

fn credit((left, since): (f64, Instant), now: Instant) -> f64 {
    let forgiven = now.saturating_duration_since(since).as_secs_f64() / FORGIVEN.as_secs_f64();
    (left + forgiven).min(CREDIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_guesses_is_stopped_and_forgiven_with_time() {
        let start = Instant::now();
        let mut limiter = LoginLimiter::default();
        let guesser = IpAddr::from([127, 0, 0, 1]);
        let other = IpAddr::from([127, 0, 0, 2]);
        let mut tries = 0;
        while limiter.may_try(guesser, start) {
            limiter.refused(guesser, start);
            tries += 1;
            assert!(tries <= 30, "never stopped");
        }
        assert_eq!(tries, 30);
        assert!(
            limiter.may_try(other, start),
            "its neighbours are not punished"
        );
        let later = start + FORGIVEN;
        assert!(limiter.may_try(guesser, later));
        limiter.refused(guesser, later);
        assert!(
            !limiter.may_try(guesser, later),
            "one try for each three seconds"
        );
    }

    #[test]
    fn the_memory_for_sources_is_bounded() {
        let start = Instant::now();
        let mut limiter = LoginLimiter::default();
        for number in 0..(SOURCES_MAX as u32 + 500) {
            limiter.refused(IpAddr::from(number.to_be_bytes()), start);
        }
        assert_eq!(limiter.sources.len(), SOURCES_MAX);
    }
}
