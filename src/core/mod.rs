//! The floor: decides. Pure: no clock, socket, thread or randomness of its own; same inputs, same decisions.
//!
//! Shells see [`floor::Floor`], [`input::Input`], [`effect::Effect`], [`picture::Picture`] and [`settings`]; the rooms
//! behind them are private to deciding. Rooms import downward only: `floor` routes and imports the rooms, no room imports it.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod dispositions;
pub mod effect;
pub mod floor;
pub mod input;
pub mod ledger;
pub mod picture;
pub mod results;
pub mod rules;
pub mod settings;

mod agents;
mod backing;
mod calls;
mod explained;
mod invariants;
mod leads;
pub mod pacing;
mod previews;
mod reading;
mod timers;
mod trunks;

/// A map whose behaviour depends on its history alone (std's is seeded at random, which would break replay).
pub(crate) type Map<K, V> = rustc_hash::FxHashMap<K, V>;
