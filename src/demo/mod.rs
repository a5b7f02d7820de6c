//! The demo peers: real sockets, simulated people. Says that it is a simulator.
