//! later
use super::*;
/// x
#[derive(Debug, clap::Args)]
pub struct StaffingArgs {}
/// x
pub fn staffing(_a: &StaffingArgs) -> Result<(), SimulateError> {
    Ok(())
}
