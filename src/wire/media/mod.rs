//! RTP as bytes and counters.
