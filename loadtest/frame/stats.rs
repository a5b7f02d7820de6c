//! Figures of several runs or of many samples.

/// The value below which `share` (0..=1) of the samples lie; nearest rank. 0 for no samples.
pub fn quantile(samples: &mut [f64], share: f64) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    samples.sort_by(f64::total_cmp);
    let rank = (samples.len() as f64 * share).ceil().max(1.0) as usize;
    samples[rank.min(samples.len()) - 1]
}

/// The middle one; of an even number, the mean of the two in the middle.
pub fn median(samples: &[f64]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    match samples.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => samples[odd / 2],
        even => (samples[even / 2 - 1] + samples[even / 2]) / 2.0,
    }
}
