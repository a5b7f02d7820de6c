//! A seeded world in virtual time that drives the shipped floor: people, carriers, agents, a store, and mishaps.
//!
//! It is a simulator and says so. It opens no socket and reads no clock: a seed is a run, and a run has one trace hash.

pub mod judge;
mod promises;
pub mod rng;
pub mod shift;
pub mod world;
