//! Percentiles, and a summary that keeps no samples.

/// The smallest sample that at least this fraction of the samples do not exceed (nearest rank): 0.5 is the median, 1
/// the largest. `None` of no samples. NaN sorts last.
///
/// ```
/// use dsys_sim::measure::percentile;
///
/// let samples = [5.0, 1.0, 3.0, 2.0];
/// assert_eq!(percentile(&samples, 0.5), Some(2.0));
/// assert_eq!(percentile(&samples, 0.95), Some(5.0));
/// assert_eq!(percentile(&samples, 0.0), Some(1.0));
/// assert_eq!(percentile(&[], 0.5), None);
/// ```
pub fn percentile(samples: &[f64], fraction: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = (fraction.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// Count, mean, deviation, least and most of samples that are not kept (Welford 1962).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    count: u64,
    mean: f64,
    squares: f64,
    least: f64,
    most: f64,
}

impl Default for Summary {
    fn default() -> Self {
        Summary { count: 0, mean: 0.0, squares: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY }
    }
}

impl Summary {
    /// Takes in one sample.
    pub fn add(&mut self, sample: f64) {
        self.count += 1;
        let off = sample - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (sample - self.mean);
        self.least = self.least.min(sample);
        self.most = self.most.max(sample);
    }

    /// How many samples there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; `None` if there were none.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Their sample standard deviation; `None` if there were fewer than two.
    pub fn deviation(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }

    /// The least of them; `None` if there were none.
    pub fn least(&self) -> Option<f64> {
        (self.count > 0).then_some(self.least)
    }

    /// The most of them; `None` if there were none.
    pub fn most(&self) -> Option<f64> {
        (self.count > 0).then_some(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_agrees_with_the_samples() {
        let mut summary = Summary::default();
        assert_eq!((summary.mean(), summary.deviation(), summary.least()), (None, None, None));
        for sample in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            summary.add(sample);
        }
        assert_eq!((summary.count(), summary.mean()), (8, Some(5.0)));
        assert_eq!((summary.least(), summary.most()), (Some(2.0), Some(9.0)));
        let deviation = summary.deviation().unwrap();
        assert!((deviation - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
    }
}
