//! later
use super::*;
/// x
pub fn summary(_a: &Asked) -> String {
    String::new()
}
/// x
pub fn write(_a: &Asked, _d: &Path) -> Result<Vec<String>, SimulateError> {
    Ok(vec![])
}
