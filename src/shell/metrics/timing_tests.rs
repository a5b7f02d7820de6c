//! What a distribution promises: HDR's cells, no loss between threads, and buckets that agree with the engine's quantiles.

use super::*;
use proptest::prelude::*;

const NAME: TimingName = TimingName::AnswerToPaint;

#[test]
fn cells_are_those_of_the_hdr_histogram() {
    let hdr = Histogram::<u64>::new_with_bounds(1, LONGEST_US, 2).unwrap();
    let mut last = None;
    for us in (0..70_000).chain([LONGEST_US - 1, LONGEST_US, 1 << 30, 7_200_000_000]) {
        let cell = cell_of(us);
        assert!(cell < CELLS, "{us}");
        assert_eq!(lowest_of(cell), hdr.lowest_equivalent(us), "{us}");
        if us < 70_000 {
            assert!(
                last.is_none_or(|last| cell == last || cell == last + 1),
                "{us}"
            );
            last = Some(cell);
        }
    }
}

#[test]
fn no_cell_holds_two_bounds() {
    for name in TimingName::ALL {
        let cells: Vec<usize> = name
            .bounds_us()
            .iter()
            .map(|bound| cell_of(*bound))
            .collect();
        assert!(cells.windows(2).all(|pair| pair[0] < pair[1]), "{name:?}");
    }
}

/// The buckets of a rendered histogram: upper bounds in seconds (the last is infinite) and cumulative counts.
fn buckets(text: &str) -> Vec<(f64, f64)> {
    text.lines()
        .filter_map(|line| line.split_once("_bucket{le=\"")?.1.split_once("\"} "))
        .map(|(le, count)| (le.parse().unwrap(), count.parse().unwrap()))
        .collect()
}

/// `histogram_quantile` as Prometheus computes it (promql/quantile.go, `bucketQuantile`) for a classic histogram.
fn histogram_quantile(quantile: f64, buckets: &[(f64, f64)]) -> f64 {
    let observations = buckets.last().unwrap().1;
    let mut rank = quantile * observations;
    let place = buckets[..buckets.len() - 1]
        .iter()
        .position(|(_, count)| *count >= rank)
        .unwrap_or(buckets.len() - 1);
    if place == buckets.len() - 1 {
        return buckets[buckets.len() - 2].0;
    }
    let (mut start, end, mut count) = (0.0, buckets[place].0, buckets[place].1);
    if place > 0 {
        start = buckets[place - 1].0;
        count -= buckets[place - 1].1;
        rank -= buckets[place - 1].1;
    }
    start + (end - start) * (rank / count)
}

/// The bucket that a value lies in; what is above all finite bounds is shown by Prometheus as the last of them.
fn bucket_of(seconds: f64, buckets: &[(f64, f64)]) -> usize {
    let finite = &buckets[..buckets.len() - 1];
    finite
        .iter()
        .position(|(le, _)| seconds <= *le * (1.0 + 1e-12))
        .unwrap_or(finite.len() - 1)
}

/// Values anywhere, and values as close to a bucket's bound as microseconds allow.
fn values(bounds: &'static [u64]) -> impl Strategy<Value = Vec<u64>> {
    let near = (0..bounds.len(), -700_i64..700)
        .prop_map(|(place, by)| bounds[place].saturating_add_signed(by));
    let close = (0..bounds.len(), -2_i64..=2)
        .prop_map(|(place, by)| bounds[place].saturating_add_signed(by));
    prop::collection::vec(prop_oneof![0u64..20_000_000, near, close], 1..200)
}

proptest! {
    #[test]
    fn quantiles_are_within_a_cell_of_the_truth(mut values in prop::collection::vec(0u64..20_000_000, 1..200)) {
        let timing = Timing::of(NAME);
        for us in &values {
            timing.record(Duration::from_micros(*us));
        }
        values.sort_unstable();
        let truth = values[(values.len() * 95).div_ceil(100) - 1];
        let got = timing.latency();
        prop_assert_eq!(got.count, values.len() as u64);
        prop_assert_eq!(got.max_us, *values.last().unwrap());
        prop_assert!(got.p95_us >= truth && got.p95_us - truth <= truth / 100 + 1, "{} for {}", got.p95_us, truth);
    }

    #[test]
    fn prometheus_finds_the_quantiles_of_the_engine_in_the_same_buckets(
        screens in values(TimingName::AnswerToPaint.bounds_us()),
        machines in values(TimingName::FloorTurn.bounds_us()),
        people in values(TimingName::Ring.bounds_us()),
    ) {
        for (name, values) in [
            (TimingName::AnswerToPaint, &screens),
            (TimingName::FloorTurn, &machines),
            (TimingName::Ring, &people),
        ] {
            let timing = Timing::of(name);
            for us in values {
                timing.record(Duration::from_micros(*us));
            }
            let mut text = String::new();
            timing.render(&mut text, "t", "");
            let buckets = buckets(&text);
            prop_assert_eq!(buckets.len(), name.bounds_us().len() + 1);
            let own = timing.latency();
            for (quantile, us) in [(0.50, own.p50_us), (0.95, own.p95_us), (0.99, own.p99_us)] {
                let theirs = histogram_quantile(quantile, &buckets);
                let ours = us as f64 / 1e6;
                prop_assert_eq!(
                    bucket_of(theirs, &buckets), bucket_of(ours, &buckets),
                    "p{}: Prometheus {}, engine {}\n{}", quantile * 100.0, theirs, ours, text
                );
            }
        }
    }

    #[test]
    fn buckets_are_exact(values in values(NAME.bounds_us())) {
        let timing = Timing::of(NAME);
        for us in &values {
            timing.record(Duration::from_micros(*us));
        }
        let mut text = String::new();
        timing.render(&mut text, "t", "");
        for ((_, count), bound) in buckets(&text).iter().zip(NAME.bounds_us()) {
            let truth = values.iter().filter(|us| *us <= bound).count();
            prop_assert_eq!(*count, truth as f64, "not above {}", bound);
        }
    }
}

#[test]
fn nothing_is_lost_when_threads_write_at_once() {
    let timing = Timing::of(NAME);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let timing = &timing;
            scope.spawn(move || {
                for us in 0..10_000 {
                    timing.record(Duration::from_micros(us % 300 + thread));
                }
            });
        }
    });
    let mut text = String::new();
    timing.render(&mut text, "t", "");
    assert_eq!(timing.latency().count, 40_000);
    assert!(text.contains("t_bucket{le=\"0.001\"} 40000"), "{text}");
    assert!(text.contains("t_count 40000"), "{text}");
}

#[test]
fn a_distribution_taken_over_is_the_same() {
    let (own, shown) = (Timing::of(NAME), Timing::of(NAME));
    for us in [3, 250_000, 250_001, 9_000_000] {
        own.record(Duration::from_micros(us));
        shown.take_over(&own);
    }
    let text = |timing: &Timing| {
        let mut text = String::new();
        timing.render(&mut text, "t", "");
        text
    };
    assert_eq!(text(&own), text(&shown));
    assert_eq!(own.latency(), shown.latency());
}

#[test]
fn an_absurd_length_is_kept_as_the_longest() {
    let timing = Timing::of(NAME);
    timing.record(Duration::from_secs(u64::MAX / 1_000_000));
    timing.record(Duration::ZERO);
    assert_eq!(timing.latency().count, 2);
    assert_eq!(timing.max_us(), LONGEST_US);
}
