//! Times that are learned from the floor itself: how long until a phone is picked up, how long agents talk and wrap up.
//! Owns counts in bins over a prior, and forgets slowly; never sees a call or an agent.
//!
//! Only `+ - * /` and comparisons: the same floor learns the same everywhere, and a replay decides alike.

use super::kept::Counts;

/// Points of a distribution function: (seconds, share of all that took at most so long).
pub(super) type Points = [(f64, f64)];

/// What is kept when old counts fade.
const FADE: f64 = 0.8;

/// A distribution of short times in equal bins.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    width_s: f64,
    counts: Vec<f64>,
    total: f64,
    /// Above so many counts, all fade.
    memory: f64,
    share_before: Vec<f64>,
}

impl Spread {
    /// `bins` bins of `width_s` seconds that believe `prior` as much as `weight` observations.
    pub(super) fn new(
        width_s: f64,
        bins: usize,
        prior: &Points,
        weight: f64,
        memory: f64,
    ) -> Spread {
        let counts = (0..bins)
            .map(|bin| {
                let (from, until) = (bin as f64 * width_s, (bin + 1) as f64 * width_s);
                weight * (share_at(prior, until) - share_at(prior, from))
            })
            .collect();
        let mut spread = Spread {
            width_s,
            counts,
            total: weight,
            memory,
            share_before: Vec::new(),
        };
        spread.refresh();
        spread
    }

    pub(super) fn add(&mut self, seconds: f64) {
        let last = self.counts.len() - 1;
        let bin = ((seconds.max(0.0) / self.width_s) as usize).min(last);
        self.counts[bin] += 1.0;
        self.total += 1.0;
        fade(&mut self.counts, &mut self.total, self.memory);
    }

    /// Takes what was added into the answers of [`Spread::share`].
    pub(super) fn refresh(&mut self) {
        let mut sum = 0.0;
        self.share_before.clear();
        for count in &self.counts {
            self.share_before.push(sum / self.total);
            sum += count;
        }
        self.share_before.push(1.0);
    }

    /// Share that took at most so long, 0..=1.
    pub(super) fn share(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 {
            return 0.0;
        }
        let place = seconds / self.width_s;
        let bin = place as usize;
        match (self.share_before.get(bin), self.share_before.get(bin + 1)) {
            (Some(before), Some(after)) => before + (after - before) * (place - bin as f64),
            _ => 1.0,
        }
    }

    pub(super) fn mean_s(&self) -> f64 {
        let bins = self.counts.iter().enumerate();
        let sum: f64 = bins
            .map(|(bin, count)| count * (bin as f64 + 0.5) * self.width_s)
            .sum();
        sum / self.total
    }

    pub(super) fn kept(&self) -> Counts {
        Counts::of(self.width_s, &self.counts)
    }

    /// Goes on from kept counts, if they have its form: those of another engine may not.
    pub(super) fn take(&mut self, kept: &Counts) {
        let bins = self.counts.len();
        if let Some((counts, total)) = kept.read(self.width_s, bins, 2.0 * self.memory) {
            (self.counts, self.total) = (counts, total);
            self.refresh();
        }
    }
}

/// Longest time that [`Lasting`] tells apart, in seconds.
const LONGEST_S: usize = 1_024;

/// A distribution of long times, in bins that grow by 7 %.
#[derive(Clone, Debug)]
pub(super) struct Lasting {
    edges_s: Vec<f64>,
    counts: Vec<f64>,
    total: f64,
    memory: f64,
    /// Share that lasts longer than each whole second.
    longer: Vec<f64>,
}

impl Lasting {
    pub(super) fn new(prior: &Points, weight: f64, memory: f64) -> Lasting {
        let mut edges_s = vec![0.0];
        let mut edge: f64 = 1.0;
        while edge < 3_600.0 {
            edges_s.push(edge);
            edge = (edge * 1.07).max(edge + 1.0);
        }
        edges_s.push(3_600.0);
        let counts = edges_s
            .windows(2)
            .map(|bin| weight * (share_at(prior, bin[1]) - share_at(prior, bin[0])))
            .collect();
        let mut lasting = Lasting {
            edges_s,
            counts,
            total: weight,
            memory,
            longer: Vec::new(),
        };
        lasting.refresh();
        lasting
    }

    pub(super) fn add(&mut self, seconds: f64) {
        let bin = self.edges_s.partition_point(|edge| *edge <= seconds);
        let bin = bin.saturating_sub(1).min(self.counts.len() - 1);
        self.counts[bin] += 1.0;
        self.total += 1.0;
        fade(&mut self.counts, &mut self.total, self.memory);
    }

    pub(super) fn refresh(&mut self) {
        self.longer.clear();
        let (mut rest, mut bin) = (self.total, 0);
        for second in 0..=LONGEST_S {
            let at = second as f64;
            while bin < self.counts.len() && self.edges_s[bin + 1] <= at {
                rest -= self.counts[bin];
                bin += 1;
            }
            let begun = self.counts.get(bin).map_or(0.0, |count| {
                let (from, until) = (self.edges_s[bin], self.edges_s[bin + 1]);
                count * (at - from) / (until - from)
            });
            // Never nothing: whoever has talked for longer than anybody before is still expected to end.
            self.longer.push(((rest - begun) / self.total).max(1e-9));
        }
    }

    /// Share that lasts longer than so many seconds, above 0.
    pub(super) fn longer(&self, seconds: f64) -> f64 {
        let place = seconds.clamp(0.0, LONGEST_S as f64 - 1e-6);
        let whole = place as usize;
        match (self.longer.get(whole), self.longer.get(whole + 1)) {
            (Some(from), Some(until)) => from + (until - from) * (place - whole as f64),
            _ => 1e-9,
        }
    }

    pub(super) fn mean_s(&self) -> f64 {
        let bins = self.edges_s.windows(2).zip(&self.counts);
        let sum: f64 = bins
            .map(|(bin, count)| count * 0.5 * (bin[0] + bin[1]))
            .sum();
        sum / self.total
    }

    pub(super) fn kept(&self) -> Counts {
        Counts::of(0.0, &self.counts)
    }

    /// As [`Spread::take`]; the caller refreshes.
    pub(super) fn take(&mut self, kept: &Counts) {
        if let Some((counts, total)) = kept.read(0.0, self.counts.len(), 2.0 * self.memory) {
            (self.counts, self.total) = (counts, total);
        }
    }
}

fn fade(counts: &mut [f64], total: &mut f64, memory: f64) {
    if *total > memory {
        counts.iter_mut().for_each(|count| *count *= FADE);
        *total *= FADE;
    }
}

fn share_at(points: &Points, seconds: f64) -> f64 {
    let mut before = (0.0, 0.0);
    for point in points {
        if seconds < point.0 {
            let run = point.0 - before.0;
            return before.1 + (point.1 - before.1) * (seconds - before.0) / run;
        }
        before = *point;
    }
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_outweighs_the_prior_and_shares_run_from_none_to_all() {
        let mut spread = Spread::new(0.25, 160, &[(10.0, 0.0), (20.0, 1.0)], 20.0, 5_000.0);
        assert!((spread.share(15.0) - 0.5).abs() < 0.02);
        for _ in 0..2_000 {
            spread.add(5.1);
        }
        spread.refresh();
        assert!(spread.share(4.9) < 0.02 && spread.share(5.3) > 0.97);
        assert!((0.0..=1e-9).contains(&spread.share(0.0)) && spread.share(1e6) == 1.0);
        assert!((spread.mean_s() - 5.2).abs() < 0.2);
    }

    #[test]
    fn old_times_fade() {
        let mut lasting = Lasting::new(&[(0.0, 0.0), (60.0, 1.0)], 20.0, 500.0);
        for _ in 0..500 {
            lasting.add(30.0);
        }
        for _ in 0..3_000 {
            lasting.add(200.0);
        }
        lasting.refresh();
        assert!(lasting.longer(150.0) > 0.95, "{}", lasting.longer(150.0));
        assert!(lasting.longer(5_000.0) > 0.0);
        assert!((lasting.mean_s() - 200.0).abs() < 15.0);
    }
}
