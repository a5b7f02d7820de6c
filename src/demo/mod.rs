//! The demo peers: real sockets, simulated people. Says that it is a simulator.

pub mod agents;
pub mod borrowers;
pub mod carrier;
pub mod chance;
pub mod run;
pub mod signals;
