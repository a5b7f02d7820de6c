//! Messages of the agent socket: JSON with full words, a version, and sequence numbers per agent.

pub mod facts;
