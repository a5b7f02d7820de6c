//! Scenarios about agents' sockets.
//!
//! - `idle`, `ramp`, `storm`, `answers`: one scenario each
//! - `crew` the agents, `far_end` the people who answer, `stage` the floor between them, `bare` the push that is compared with

pub mod answers;
pub mod bare;
mod crew;
mod far_end;
pub mod idle;
pub mod ramp;
mod stage;
pub mod storm;
