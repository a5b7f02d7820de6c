//! A whole shift in virtual time on the shipped floor: what a pacing mode, a cap or a number of agents would come to.
//!
//! - [`scenario`] what a shift is made of; [`read`] makes it from TOML, all faults at once, and [`shipped`] holds ours
//! - [`draws`] and [`fate`]: what each list position and each piece of work comes to, whoever dials it and when
//! - [`world`] drives a [`crate::core::floor::Floor`] through the shift; [`lists`] is its store, [`seats`] are its agents
//! - [`score`] counts; [`cells`] are the shifts that a scenario asks for; [`odds`] what several seeds say together
//! - [`day`] makes a scenario out of what a store recorded
//!
//! It decides nothing about dialling: everything happens through the floor's own inputs and effects.

pub mod cells;
pub mod day;
pub mod draws;
pub mod fate;
pub mod lists;
pub mod odds;
pub mod read;
pub mod scenario;
pub mod score;
pub mod seats;
pub mod shipped;
#[cfg(test)]
mod tests;
pub mod world;
