//! Sound through the media plane: what a conversation costs in time and memory, beside a bare UDP relay, and how late it comes.

mod browser;
mod ends;
mod measure;
mod server;

pub use measure::{MediaArgs, measure};
pub use server::{ServerArgs, serve};
