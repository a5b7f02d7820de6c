//! Protocols as bytes and state. Pure: told the time, handed its randomness; knows no campaign.

pub mod desk;
pub mod media;
pub mod sip;
