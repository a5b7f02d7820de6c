//! One scrape of the engine's `/metrics`, as figures to be asked.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Longest wait for a scrape.
const WAIT: Duration = Duration::from_secs(5);

/// All samples of a scrape.
#[derive(Clone, Debug, Default)]
pub struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Asks the engine. Waits: not for a runtime's thread.
    pub fn of(web: &ureq::Agent, api: SocketAddr) -> Result<Scrape> {
        let mut answer = web.get(format!("http://{api}/metrics")).call()?;
        ensure!(answer.status() == 200, "/metrics says {}", answer.status());
        Scrape::parse(&answer.body_mut().read_to_string()?)
    }

    fn parse(text: &str) -> Result<Scrape> {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        samples
            .map(|line| {
                let (key, value) = line.rsplit_once(' ').context("an odd line of metrics")?;
                Ok((key.to_owned(), value.parse()?))
            })
            .collect::<Result<_>>()
            .map(Scrape)
    }

    /// A metric, added up over its labels; with `label`, only where the labels hold it (`kind="INVITE"`). 0 where absent.
    pub fn get(&self, name: &str, label: &str) -> f64 {
        self.of_name(name)
            .filter(|(labels, _)| labels.contains(label))
            .map(|(_, value)| value)
            .sum()
    }

    /// Upper bound of the bucket below which `share` of a histogram's samples since `before` lie, over all its labels, in the
    /// histogram's unit; infinite above the last bound, 0 without samples.
    pub fn quantile_since(&self, before: &Scrape, histogram: &str, share: f64) -> f64 {
        let name = format!("{histogram}_bucket");
        let mut buckets: BTreeMap<u64, f64> = BTreeMap::new();
        for (labels, value) in self.of_name(&name) {
            let Some(bound) = bound_of(labels) else {
                continue;
            };
            let earlier = before
                .0
                .get(&format!("{name}{labels}"))
                .copied()
                .unwrap_or(0.0);
            // Bounds are positive: their bits are ordered as they are.
            *buckets.entry(bound.to_bits()).or_default() += value - earlier;
        }
        let all = buckets.values().next_back().copied().unwrap_or(0.0);
        if all <= 0.0 {
            return 0.0;
        }
        let found = buckets.iter().find(|(_, below)| **below >= all * share);
        found.map_or(f64::INFINITY, |(bound, _)| f64::from_bits(*bound))
    }

    fn of_name<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0
            .range(name.to_owned()..)
            .take_while(move |(key, _)| key.starts_with(name))
            .filter_map(move |(key, value)| {
                let labels = &key[name.len()..];
                (labels.is_empty() || labels.starts_with('{')).then_some((labels, *value))
            })
    }
}

fn bound_of(labels: &str) -> Option<f64> {
    let (_, rest) = labels.split_once("le=\"")?;
    let (bound, _) = rest.split_once('"')?;
    match bound {
        "+Inf" => Some(f64::INFINITY),
        bound => bound.parse().ok(),
    }
}

/// A client for scrapes and probes.
pub fn web() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(WAIT))
        .proxy(None)
        .http_status_as_error(false)
        .build()
        .new_agent()
}
