//! The phi accrual failure detector.

use std::collections::VecDeque;
use std::time::Duration;

use dsys_core::Time;

use super::Detector;

/// What a [`PhiAccrual`] assumes.
#[derive(Clone, Debug, PartialEq)]
pub struct PhiConfig {
    /// A node is taken for dead from this phi on: once in 10^phi intervals that is wrong.
    pub threshold: f64,
    /// So many intervals are remembered, at least 2.
    pub window: usize,
    /// No deviation is taken for smaller: heartbeats that come like clockwork would make the least delay a death.
    pub least_deviation: Duration,
    /// The interval that is expected before one was seen; its deviation is a quarter of it.
    pub first: Duration,
}

impl Default for PhiConfig {
    /// A threshold of 8 and a window of 1,000, as in the paper (§V); a second between heartbeats; 10 ms.
    fn default() -> Self {
        PhiConfig {
            threshold: 8.0,
            window: 1_000,
            least_deviation: Duration::from_millis(10),
            first: Duration::from_secs(1),
        }
    }
}

/// Hayashibara, Défago, Yared, Katayama 2004, "The phi accrual failure detector".
///
/// The intervals between heartbeats are taken for normally distributed (§IV), with the mean and deviation of the last
/// [`PhiConfig::window`]. Phi is -log10 of the probability that a heartbeat comes later than now: the true tail of the
/// distribution, however far out, not an approximation by a logistic curve or an exponential.
#[derive(Clone, Debug)]
pub struct PhiAccrual {
    config: PhiConfig,
    beat: Option<u64>,
    since: Time,
    /// Nanoseconds, and their sums: whole numbers, so that nothing drifts.
    intervals: VecDeque<u64>,
    sum: u128,
    squares: u128,
}

/// No interval counts as longer: their squares must fit, so many times.
const LONGEST: u64 = 1 << 50;

impl PhiAccrual {
    /// Nothing is known, and a first heartbeat is expected from now on.
    pub fn new(config: PhiConfig, now: Time) -> Self {
        let first = u64::try_from(config.first.as_nanos()).unwrap_or(u64::MAX).min(LONGEST / 2);
        let mut new =
            PhiAccrual { config, beat: None, since: now, intervals: VecDeque::new(), sum: 0, squares: 0 };
        // Two intervals that would have the mean and the deviation that are expected: two equal ones that came by chance
        // must not make the third a death.
        [first - first / 4, first + first / 4].into_iter().for_each(|interval| new.remember(interval));
        new
    }

    /// How unlikely it is that the node lives and was not heard until now: 1 is one in 10, 2 one in 100.
    pub fn phi(&self, now: Time) -> f64 {
        let (mean, deviation) = self.expected();
        -log10_tail(((now - self.since).as_secs_f64() - mean) / deviation)
    }

    fn remember(&mut self, interval: u64) {
        if self.intervals.len() >= self.config.window.max(2)
            && let Some(old) = self.intervals.pop_front()
        {
            self.sum -= u128::from(old);
            self.squares -= u128::from(old) * u128::from(old);
        }
        self.intervals.push_back(interval);
        self.sum += u128::from(interval);
        self.squares += u128::from(interval) * u128::from(interval);
    }

    /// The mean and the deviation of the intervals, in seconds.
    fn expected(&self) -> (f64, f64) {
        let count = self.intervals.len().max(2) as u128;
        let least = self.config.least_deviation.as_secs_f64().max(1e-9);
        let variance = (count * self.squares - self.sum * self.sum) / (count * (count - 1));
        (self.sum as f64 / count as f64 / 1e9, ((variance as f64).sqrt() / 1e9).max(least))
    }
}

impl Detector for PhiAccrual {
    fn heard(&mut self, beat: u64, now: Time) {
        if self.beat.is_some_and(|highest| beat <= highest) {
            return;
        }
        // What was skipped was lost, or came by no way at all: the interval is of one heartbeat all the same, for this is how
        // late heartbeats come.
        if self.beat.is_some() {
            let interval = u64::try_from((now - self.since).as_nanos()).unwrap_or(u64::MAX).min(LONGEST);
            self.remember(interval);
        }
        (self.beat, self.since) = (Some(beat), now);
    }

    fn beat(&self) -> Option<u64> {
        self.beat
    }

    fn suspicion(&self, now: Time) -> f64 {
        self.phi(now) / self.config.threshold.max(1e-9)
    }
}

/// log10 of the probability that a normal variable exceeds its mean by `z` deviations. Computed as a logarithm, so that it
/// does not end where the probability itself becomes zero.
fn log10_tail(z: f64) -> f64 {
    let half = std::f64::consts::LN_2;
    let ln = match z {
        z if z < 0.0 => (-(10f64.powf(log10_tail(-z)))).ln_1p(),
        z if z < 3.0 => central(z).ln(),
        z => ln_mills(z) - z * z / 2.0 - (half + std::f64::consts::PI.ln()) / 2.0,
    };
    ln / std::f64::consts::LN_10
}

/// The tail for small z: 1/2 less the series of Marsaglia 2004, "Evaluating the normal distribution".
fn central(z: f64) -> f64 {
    let (mut term, mut sum, mut at) = (z, z, 1.0);
    while term > sum * 1e-17 {
        at += 2.0;
        term *= z * z / at;
        sum += term;
    }
    0.5 - sum * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The logarithm of Mills' ratio by its continued fraction (Laplace; Abramowitz and Stegun 26.2.14), for large z.
fn ln_mills(z: f64) -> f64 {
    let mut fraction = z;
    for at in (1..=120).rev() {
        fraction = z + f64::from(at) / fraction;
    }
    -fraction.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_that_of_the_tables() {
        // Abramowitz and Stegun, tables 26.1 and 26.2: Q(x), and -log10 Q(x) for large x.
        for (z, tail) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931_457),
            (2.0, 0.022_750_131_948_179),
            (3.0, 0.001_349_898_031_630),
        ] {
            assert!((10f64.powf(log10_tail(z)) / tail - 1.0).abs() < 1e-11, "{z}");
            assert!((10f64.powf(log10_tail(-z)) - (1.0 - tail)).abs() < 1e-11, "-{z}");
        }
        for (z, log) in [(5.0, 6.542_65), (10.0, 23.118_05), (50.0, 544.966_34), (500.0, 54_289.908_30)] {
            assert!((log10_tail(z) + log).abs() < 1e-5, "{z}: {}", log10_tail(z));
        }
        // Where one way of computing meets the other.
        assert!((log10_tail(3.0 - 1e-12) - log10_tail(3.0)).abs() < 1e-10);
    }
}
