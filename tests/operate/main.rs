//! Operating it: the real program as an operator sees it. What reaches a log, what the service manager hears, what the
//! doctor says.
#![allow(clippy::unwrap_used)]

mod doctor;
mod people;
mod service;
mod site;
