//! Scenarios about agents' sockets.

pub mod idle;
