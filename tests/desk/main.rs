//! The agents' desks as a client sees them: a real server on a free port, real sockets, and the floor's part played by hand.

mod calls;
mod harness;
mod log_in;
mod outcomes;
mod pressure;
mod previews;
mod protocol;
mod resume;
