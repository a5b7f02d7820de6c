//! The world: threads, sockets, disks, clocks. Translates; takes no dialling decision.

pub mod api;
pub mod callers;
pub mod cards;
pub mod decisions;
pub mod desks;
pub mod doctor;
pub mod floor_thread;
pub mod lanes;
pub mod learned;
pub mod log;
pub mod media;
pub mod metrics;
pub mod pacer;
pub mod pages;
pub mod progress_line;
pub mod recording;
pub mod reload;
pub mod replay;
pub mod router;
mod scrape;
pub mod serve;
mod signals;
pub mod sip;
pub mod sounds;
pub mod store;
pub mod systemd;
pub mod tls;
