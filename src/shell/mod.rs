//! The world: threads, sockets, disks, clocks. Translates; takes no dialling decision.

pub mod api;
pub mod lanes;
pub mod sip;
pub mod store;
