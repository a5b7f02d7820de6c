//! A seeded world in virtual time that drives the shipped floor. Opens no socket.
