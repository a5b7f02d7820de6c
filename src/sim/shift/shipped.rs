//! The scenarios that come with the program, from `config/scenarios`: at hand wherever the program is, and a start for one's own.

use super::read;
use super::scenario::Scenario;
use crate::config::Faults;
use std::path::Path;

macro_rules! shipped {
    ($($name:literal,)*) => {
        /// Name and text of each.
        pub const SHIPPED: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../config/scenarios/", $name, ".toml"))),)*
        ];
    };
}

shipped! {
    "table",
    "answer-rate-falls",
    "answer-rate-rises",
    "answer-rate-by-hour",
    "lunch",
    "segments-mixed",
    "segments-in-blocks",
    "trunk-outage",
    "long-talks",
    "lines-bind",
    "calls-per-second-bind",
    "agents-leave",
    "last-leads",
    "three-campaigns",
    "three-campaigns-merged",
    "collections-vietnam",
}

/// A shipped scenario by its name; `None`: there is none of this name.
pub fn shipped(name: &str) -> Option<Result<Scenario, Faults>> {
    let (name, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
    Some(read::scenario(text, Path::new(&format!("{name}.toml"))))
}
