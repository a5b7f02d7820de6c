//! Protocols as bytes and state. Pure: told the time, handed its randomness; knows no campaign.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod desk;
pub mod media;
pub mod sip;
