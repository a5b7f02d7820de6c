//! Scenarios about calls: the real engine on one side, SIPp on the other, each a process of its own on loopback.
//!
//! [`sipp`] far ends and the caller to compare with, [`engine`] the engine with leads and agents, [`metrics`] what it says of
//! itself, [`rounds`] engine and SIPp in turns, [`books`] what must not happen; then one file for each scenario.

pub mod answered;
mod books;
mod engine;
pub mod invites;
pub mod live;
mod metrics;
mod rounds;
pub mod saturate;
mod sipp;
