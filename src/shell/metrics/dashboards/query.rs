//! PromQL out of metric names. The only place that writes a metric's name into a query.

use crate::shell::metrics::names::{CounterName, GaugeName, SecondsName, SizeName, TimingName};

/// What has a rate.
pub(super) trait Rises: Copy {
    fn series(self) -> &'static str;
}

impl Rises for CounterName {
    fn series(self) -> &'static str {
        self.name()
    }
}

impl Rises for SecondsName {
    fn series(self) -> &'static str {
        self.name()
    }
}

/// The engines chosen in the dashboard, and more matchers: `campaign=~"$campaign"`.
fn chosen(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { ", " };
    format!("{{job=\"tandem\", instance=~\"$instance\"{comma}{more}}}")
}

/// The value of a gauge.
pub(super) fn gauge(name: GaugeName, more: &str) -> String {
    format!("{}{}", name.name(), chosen(more))
}

/// Per second, over the window that Grafana finds fit for the resolution.
pub(super) fn rate(name: impl Rises, more: &str) -> String {
    format!("rate({}{}[$__rate_interval])", name.series(), chosen(more))
}

/// How many in the whole range of the dashboard.
pub(super) fn total(name: impl Rises, more: &str) -> String {
    format!("increase({}{}[$__range])", name.series(), chosen(more))
}

/// Whether a gauge changed: a mark for annotations.
pub(super) fn changes(name: GaugeName) -> String {
    format!("changes({}{}[1m]) > 0", name.name(), chosen(""))
}

/// A sum by labels; none: over all.
pub(super) fn sum(by: &str, of: &str) -> String {
    if by.is_empty() {
        format!("sum({of})")
    } else {
        format!("sum by ({by}) ({of})")
    }
}

/// A part of a whole; nothing where the whole is nothing.
pub(super) fn ratio(part: &str, whole: &str) -> String {
    format!("{part} / ({whole} > 0)")
}

/// A quantile over the window, of all chosen engines together; `by`: for each value of a label.
pub(super) fn quantile(quantile: f64, name: TimingName, by: &str) -> String {
    let by = if by.is_empty() {
        "le".to_owned()
    } else {
        format!("le, {by}")
    };
    let buckets = format!(
        "rate({}_bucket{}[$__rate_interval])",
        name.name(),
        chosen("")
    );
    format!("histogram_quantile({quantile}, {})", sum(&by, &buckets))
}

/// Buckets as they grew, for a heat map.
pub(super) fn buckets(name: TimingName) -> String {
    let grew = format!(
        "increase({}_bucket{}[$__rate_interval])",
        name.name(),
        chosen("")
    );
    sum("le", &grew)
}

/// Share of what took at most `le` seconds, which must be a bucket's bound.
pub(super) fn share_within(name: TimingName, le_us: u64) -> String {
    assert!(
        name.bounds_us().contains(&le_us),
        "{name:?} has no bucket of {le_us} us"
    );
    let le = format!("le=\"{}\"", le_us as f64 / 1e6);
    let part = format!(
        "rate({}_bucket{}[$__rate_interval])",
        name.name(),
        chosen(&le)
    );
    ratio(&sum("", &part), &sum("", &times(name, "")))
}

/// How often something was timed, per second.
pub(super) fn times(name: TimingName, more: &str) -> String {
    format!(
        "rate({}_count{}[$__rate_interval])",
        name.name(),
        chosen(more)
    )
}

/// The sizes of a histogram of numbers, added up, per second.
pub(super) fn sizes(name: SizeName) -> String {
    format!("rate({}_sum{}[$__rate_interval])", name.name(), chosen(""))
}

/// How many sizes were counted, per second.
pub(super) fn size_count(name: SizeName) -> String {
    format!(
        "rate({}_count{}[$__rate_interval])",
        name.name(),
        chosen("")
    )
}

/// The engine's own quantile since its start.
pub(super) fn own_quantile(name: TimingName, at: &str) -> String {
    let family = name
        .quantiles()
        .expect("one histogram, one set of quantiles");
    format!("{family}{}", chosen(&format!("at=\"{at}\"")))
}

/// What config/prometheus/recording.yml records; a test holds it to that file.
pub(super) fn recorded(name: &str, more: &str) -> String {
    format!("{name}{}", chosen(more))
}
