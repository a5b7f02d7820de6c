//! later
use super::*;
/// x
#[derive(Debug, clap::Args)]
pub struct CalibrateArgs {}
/// x
pub fn calibrate(_a: &CalibrateArgs) -> Result<(), SimulateError> {
    Ok(())
}
