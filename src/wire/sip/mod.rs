//! SIP as bytes and state (RFC 3261): a front door before rsip's types, transactions, dialogs, authentication, SDP.
//!
//! [`endpoint::Endpoint`] is the whole surface for callers: told the time, handed datagrams and orders, it returns
//! datagrams, events and the next time it wants to be woken. It knows calls and trunks by number, and no campaign.
