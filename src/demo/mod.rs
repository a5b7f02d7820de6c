//! The demo peers: real sockets, simulated people. Says that it is a simulator.

pub mod borrowers;
pub mod carrier;
pub mod chance;
