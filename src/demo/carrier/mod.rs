//! `tandem carrier`: a simulated phone network on loopback. Real SIP and RTP, simulated people; says so in every header.
//!
//! - [`fate`] who answers, when, and for how long: from (seed, number, calls so far)
//! - [`call`] one call as the callee's user agent: responses, retransmissions, CANCEL, BYE both ways

pub mod call;
pub mod fate;
