//! Writes `docs/metrics.md` from the names, so that the description cannot drift from the code. Part of the tests only:
//! `TANDEM_UPDATE_METRICS=1 cargo test --lib metrics` writes the file (and the dashboards) anew.

use super::names::{CounterName, GaugeName, Label, SecondsName, SizeName, TimingName};
use std::fmt::Write;

/// One family of series.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) labels: &'static [Label],
    pub(super) help: &'static str,
}

/// Every name there is, without the quantiles that stand beside histograms.
pub(super) fn catalogue() -> Vec<Entry> {
    let mut all = Vec::new();
    macro_rules! add {
        ($names:ident, $kind:literal) => {
            all.extend($names::ALL.iter().map(|name| Entry {
                name: name.name(),
                kind: $kind,
                labels: name.labels(),
                help: name.help(),
            }));
        };
    }
    add!(CounterName, "counter");
    add!(SecondsName, "counter");
    add!(GaugeName, "gauge");
    add!(TimingName, "histogram");
    add!(SizeName, "histogram");
    all
}

/// Rooms in the order of the document, and what each is about.
const ROOMS: [(&str, &str); 17] = [
    (
        "engine",
        "The process as a whole: version, readiness, threads, queues.",
    ),
    (
        "process",
        "What every Prometheus dashboard knows, read from /proc.",
    ),
    ("config", "The configuration in force."),
    ("floor", "The one thread that decides."),
    ("agent", "Agents' time."),
    ("campaign", "Campaigns: lines, results, gates."),
    ("call", "What a call costs in time."),
    ("trunk", "Routes to carriers, each under its name."),
    ("sip", "Signalling, all trunks together."),
    ("media", "RTP."),
    (
        "recording",
        "Recordings: written, sealed, converted, erased.",
    ),
    (
        "desk",
        "Agents' sockets and cards on their way to a screen.",
    ),
    ("card", "Cards made while the phone rings."),
    ("store", "What must survive."),
    ("hopper", "Leads on their way from the store to the floor."),
    ("api", "HTTP."),
    ("tls", "The certificate of API and desks."),
];

const HEAD: &str = "# Metrics

Made from `src/shell/metrics/names.rs` by a test; do not edit
(`TANDEM_UPDATE_METRICS=1 cargo test --lib metrics` writes it anew, with the dashboards).

`GET /metrics` on `api.listen` answers with all of them as Prometheus text; it wants no token and shows no person: no label
holds a number, a name, an agent or a Call-ID. Units are base units and stand in the name. Counters end in `_total` and count
since the start of the process. How to watch them: [operations.md](operations.md#metrics).

- **Histograms** are HDR histograms of two significant figures kept in atomics. Their buckets are sums of the same cells from
  which the engine computes its own quantiles (cells that a bucket's bound divides are counted in two parts), so
  `histogram_quantile` over the buckets and the engine's own figure lie in the same bucket, always.
- **Quantiles**: beside each histogram `X_seconds` without a label stand gauges `X_quantile_seconds{at=\"p50|p95|p99\"}`: since the
  start of the process, exact to 0.8 %. For a window, use `histogram_quantile` over `rate` of the buckets.
- **Series**: about 1,100 with two campaigns and two trunks, 35 for each campaign and 33 for each trunk more, at most some 12,200.
";

fn document() -> String {
    let entries = catalogue();
    let mut text = HEAD.to_owned();
    for (room, about) in ROOMS {
        let _ = writeln!(
            text,
            "\n## {room}\n\n{about}\n\n| name | type | labels | meaning |\n|---|---|---|---|"
        );
        for entry in entries.iter().filter(|entry| room_of(entry.name) == room) {
            let labels: Vec<String> = entry
                .labels
                .iter()
                .map(|label| format!("`{}`", label.key()))
                .collect();
            let (name, kind, help) = (entry.name, entry.kind, entry.help);
            let _ = writeln!(
                text,
                "| `{name}` | {kind} | {} | {help} |",
                labels.join(", ")
            );
        }
    }
    text += "\n## Labels\n\n| label | of | values at most | values |\n|---|---|---|---|\n";
    for label in Label::ALL {
        let of: Vec<&str> = entries
            .iter()
            .filter(|entry| entry.labels.contains(label))
            .map(|entry| room_of(entry.name))
            .collect();
        let mut of = of;
        of.dedup();
        let (key, most, meaning) = (label.key(), label.most(), label.meaning());
        let _ = writeln!(text, "| `{key}` | {} | {most} | {meaning} |", of.join(", "));
    }
    text
}

/// `tandem_floor_agents` -> "floor".
fn room_of(name: &str) -> &str {
    let words = name.strip_prefix("tandem_").unwrap_or(name);
    words.split('_').next().unwrap_or_default()
}

/// Compares a file that is checked in with what the code says now; writes it where the environment asks for it.
pub(super) fn compare(file: &str, now: &str) {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("TANDEM_UPDATE_METRICS").is_some() {
        std::fs::write(&path, now).expect("the working directory can be written");
    }
    let then = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        now == then,
        "{file} is not what the code says: run TANDEM_UPDATE_METRICS=1 cargo test --lib metrics"
    );
}

#[test]
fn the_reference_is_that_of_the_names() {
    let document = document();
    for entry in catalogue() {
        assert!(
            ROOMS.iter().any(|(room, _)| *room == room_of(entry.name)),
            "{}",
            entry.name
        );
        assert!(
            document.contains(&format!("| `{}` |", entry.name)),
            "{}",
            entry.name
        );
    }
    compare("docs/metrics.md", &document);
}
