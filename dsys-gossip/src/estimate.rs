//! How long something takes, learned from how long it took.

use std::time::Duration;

use dsys_core::Time;

/// A smoothed mean and deviation: RFC 6298, §2, without its constants for a granularity and a least value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// Nanoseconds, 0 before the first sample.
    mean: u64,
    deviation: u64,
}

impl Estimate {
    /// Takes in one measurement.
    pub(crate) fn sample(&mut self, took: Duration) {
        // In eighths, so that sums cannot overflow.
        let eighth = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / 8;
        if self.mean == 0 {
            *self = Estimate { mean: eighth.saturating_mul(8), deviation: eighth.saturating_mul(4) };
        } else {
            let apart = self.mean.abs_diff(eighth.saturating_mul(8));
            self.mean = self.mean - self.mean / 8 + eighth;
            self.deviation = self.deviation - self.deviation / 4 + apart / 4;
        }
        self.mean = self.mean.max(1);
    }

    /// What it takes on average.
    pub(crate) fn mean(self) -> Option<Duration> {
        (self.mean > 0).then(|| Duration::from_nanos(self.mean))
    }

    /// What it seldom exceeds: the mean and four deviations.
    pub(crate) fn timeout(self) -> Option<Duration> {
        let most = self.mean.saturating_add(self.deviation.saturating_mul(4));
        self.mean().map(|_| Duration::from_nanos(most))
    }
}

/// The round trip to a peer, by pings and whatever else is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip {
    pub(crate) estimate: Estimate,
    /// When the last ping went out. [`Time::MAX`] if it was answered, or there was none: nodes have many of these.
    pinged: Time,
}

impl Default for RoundTrip {
    fn default() -> Self {
        RoundTrip { estimate: Estimate::default(), pinged: Time::MAX }
    }
}

impl RoundTrip {
    /// A ping goes out.
    pub(crate) fn ping(&mut self, now: Time) {
        self.pinged = now;
    }

    /// An answer to a ping has come; one that nobody asked for says nothing.
    pub(crate) fn pong(&mut self, now: Time) {
        let pinged = std::mem::replace(&mut self.pinged, Time::MAX);
        if pinged != Time::MAX {
            self.estimate.sample(now - pinged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_counts_for_one_ping() {
        let at = |millis: u64| Time::from_nanos(millis * 1_000_000);
        let mut trip = RoundTrip::default();
        trip.pong(at(5));
        assert_eq!(trip.estimate.mean(), None, "nobody asked");
        trip.ping(at(10));
        trip.ping(at(20));
        trip.pong(at(50));
        trip.pong(at(90));
        assert_eq!(trip.estimate.mean(), Some(Duration::from_millis(30)), "of the last ping, once");
    }

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
