//! The world: threads, sockets, disks, clocks. Translates; takes no dialling decision.

pub mod api;
pub mod cards;
pub mod desks;
pub mod lanes;
pub mod store;
