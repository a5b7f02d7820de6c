//! What every scenario shares: processes that it starts and ends, the engine's files, figures and their report.

pub mod bed;
pub mod process;
pub mod report;
pub mod stats;
