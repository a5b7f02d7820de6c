//! SIP as bytes and state (RFC 3261): a front door before rsip's types, transactions, dialogs, authentication, SDP.
//!
//! [`endpoint::Endpoint`] is the whole surface for callers: told the time, handed datagrams and orders, it returns
//! datagrams, events and the next time it wants to be woken. It knows calls and trunks by number, and no campaign.
//!
//! Bytes come in through [`framing`] (streams only) and [`front_door`], which hands out a checked [`message::Message`];
//! they leave through [`draft`]. [`uri`] and [`via`] are parsed here because rsip's typed forms refuse IPv6 and folding.

pub mod ask;
pub mod auth;
mod call;
pub mod counters;
pub mod dialog;
pub mod draft;
pub mod endpoint;
pub mod event;
pub mod failure;
pub mod framing;
pub mod front_door;
pub mod headers;
pub mod message;
pub mod number;
mod requests;
pub mod scan;
pub mod sdes;
pub mod sdp;
pub mod transaction;
pub mod trunk;
pub mod uri;
pub mod via;
