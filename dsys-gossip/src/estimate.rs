//! How long something takes, learned from how long it took.

use std::time::Duration;

/// A smoothed mean and deviation: RFC 6298, §2, without its constants for a granularity and a least value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// Nanoseconds. `None` before the first sample.
    known: Option<(u64, u64)>,
}

impl Estimate {
    /// Takes in one measurement.
    pub(crate) fn sample(&mut self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / 8;
        self.known = Some(match self.known {
            // In eighths, so that sums cannot overflow.
            None => (took.saturating_mul(8), took.saturating_mul(4)),
            Some((mean, deviation)) => {
                let apart = mean.abs_diff(took.saturating_mul(8));
                (mean - mean / 8 + took, deviation - deviation / 4 + apart / 4)
            }
        });
    }

    /// What it takes on average.
    pub(crate) fn mean(self) -> Option<Duration> {
        self.known.map(|(mean, _)| Duration::from_nanos(mean))
    }

    /// What it seldom exceeds: the mean and four deviations.
    pub(crate) fn timeout(self) -> Option<Duration> {
        self.known
            .map(|(mean, deviation)| Duration::from_nanos(mean.saturating_add(deviation.saturating_mul(4))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_follows_what_is_measured() {
        let ms = Duration::from_millis;
        let mut estimate = Estimate::default();
        assert_eq!((estimate.mean(), estimate.timeout()), (None, None));
        estimate.sample(ms(80));
        // RFC 6298, §2.2: the deviation begins at half the first sample.
        assert_eq!((estimate.mean(), estimate.timeout()), (Some(ms(80)), Some(ms(240))));
        estimate.sample(ms(160));
        // §2.3: 3/4 of 40 and 1/4 of 80; 7/8 of 80 and 1/8 of 160.
        assert_eq!((estimate.mean(), estimate.timeout()), (Some(ms(90)), Some(ms(290))));
        (0..100).for_each(|_| estimate.sample(ms(20)));
        assert!(estimate.timeout().unwrap() < ms(21));
        estimate.sample(Duration::MAX);
        estimate.sample(Duration::MAX);
        assert!(estimate.timeout().unwrap() > Duration::from_secs(1 << 32));
    }
}
