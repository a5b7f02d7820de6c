//! Writes Grafana's dashboards (`config/grafana/dashboards`) from the metrics' names, so that no panel can ask for a metric
//! that does not exist. Part of the tests only: `TANDEM_UPDATE_METRICS=1 cargo test --lib metrics` writes the files anew.
//!
//! - `query` builds PromQL out of names · `panel` a panel, a row, a dashboard as Grafana wants them
//! - `floor`, `campaign`, `trunk`, `latency`, `store` what each dashboard shows
//! - `tests` compare with what is checked in, and check the form

mod campaign;
mod floor;
mod latency;
mod panel;
mod query;
mod store;
mod tests;
mod trunk;

use panel::Dashboard;

/// All dashboards, in the order of their names in Grafana's list.
fn all() -> [Dashboard; 5] {
    [
        floor::dashboard(),
        campaign::dashboard(),
        trunk::dashboard(),
        latency::dashboard(),
        store::dashboard(),
    ]
}
