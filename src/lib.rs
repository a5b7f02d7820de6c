//! Tandem: paces outbound calls, places them over SIP trunks, joins each answer to a free agent, keeps what came of it.
//!
//! The house, and who may import whom (kept by clippy and `tests/tidy.rs`):
//! - [`core`] decides. Pure. Imports `ids`, `time`, `pii` and its own rooms.
//! - [`wire`] speaks protocols as bytes and state. Pure. Knows no campaign.
//! - [`config`] turns settings as written into checked `core::settings`; all faults at once.
//! - [`shell`] touches the world. Sees `Floor`, `Input`, `Effect`, `Picture` and settings of core, and all of wire.
//! - [`sim`] is the other shell: a seeded world in virtual time around the same floor.
//! - [`simulate`] runs whole shifts of [`sim`] side by side for `tandem simulate`, and tells what came of them.
//! - [`demo`] holds the demo's real peers: the simulated carrier, scripted agents, generated borrowers.

pub mod config;
pub mod core;
pub mod demo;
pub mod ids;
pub mod pii;
pub mod shell;
pub mod sim;
pub mod simulate;
pub mod time;
pub mod trace;
pub mod wire;
