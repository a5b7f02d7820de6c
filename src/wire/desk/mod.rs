//! Messages of the agent socket: JSON with full words, a version, and sequence numbers per agent. `docs/agent-protocol.md` is
//! the public description, [`schema`] its machine-readable twin.
//!
//! Pure: texts in, texts out. Knows no socket, no floor and no clock; the shell maps these types to the floor's and back.

pub mod audio;
pub mod card;
pub mod client;
pub mod expansion;
pub mod facts;
pub mod outcome;
pub mod preview;
pub mod schema;
pub mod server;

/// Version of the protocol, in `hello` and in every server message.
pub const VERSION: u32 = 1;
/// Path of the websocket.
pub const PATH: &str = "/agent";
/// Longest message of a client, in bytes. Longer ones close the socket with 1009 (RFC 6455 s.7.4.1).
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 16 * 1024;
