//! The floor: decides. Pure: no clock, socket, thread or randomness of its own; same inputs, same decisions.
//!
//! Shells see [`floor::Floor`], [`input::Input`], [`effect::Effect`], [`picture::Picture`] and [`settings`]; the rest is private to deciding.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod dispositions;
pub mod effect;
pub mod input;
pub mod picture;
pub mod results;
pub mod rules;
pub mod settings;
