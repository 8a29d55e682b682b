//! How long a message takes.

use std::sync::Arc;
use std::time::Duration;

use crate::math::{Dice, exp, mix};

/// How long a message takes from one node to another.
///
/// A model draws one latency for each message, or, after [`per_link`](Latency::per_link), one for each ordered pair
/// of nodes, which all its messages then share; [`jitter`](Latency::jitter) adds to either. Nothing is kept per
/// link: a link's latency is a hash of the seed and the two nodes.
///
/// Messages of one ordered pair stay in order (FIFO) unless [`Faults::reordering`](crate::Faults) takes some out.
/// Where every message of a link takes equally long that costs nothing. Otherwise the sender keeps the latest
/// arrival of each link with a message on its way, 16 bytes, and an early draw waits for it; a search among them
/// costs in proportion to their number, so a node that sends to thousands at once is better off with `per_link`.
///
/// ```
/// use std::time::Duration;
/// use dsys_sim::Latency;
///
/// let ms = Duration::from_millis;
/// // Two regions, 80 ms there and back between them, 2 ms within; a tenth of it as jitter.
/// let wan = Latency::regions(vec![vec![ms(2), ms(80)], vec![ms(80), ms(2)]]).jitter(0.1);
/// let lan = Latency::uniform(ms(1), ms(3)).per_link();
/// # let _ = (wan, lan);
/// ```
#[derive(Clone, Debug)]
pub struct Latency {
    model: Model,
    per_link: bool,
    jitter: f64,
}

#[derive(Clone, Debug)]
enum Model {
    Constant(u64),
    Uniform { least: u64, span: u64 },
    LogNormal { median: f64, sigma: f64 },
    Regions(Arc<[Vec<u64>]>),
}

impl Latency {
    /// Always the same, one way.
    pub fn constant(latency: Duration) -> Self {
        Self::of(Model::Constant(nanos(latency)))
    }

    /// Uniform between the two, one way. If `most` is less than `least`, always `least`.
    pub fn uniform(least: Duration, most: Duration) -> Self {
        let least = nanos(least);
        Self::of(Model::Uniform { least, span: nanos(most).saturating_sub(least) })
    }

    /// Log-normal with this median and shape `sigma` (the deviation of the logarithm), one way. Measured wide-area
    /// latencies are near `sigma` 0.5. The normal draw is cut off at six deviations.
    pub fn log_normal(median: Duration, sigma: f64) -> Self {
        Self::of(Model::LogNormal { median: nanos(median) as f64, sigma })
    }

    /// A matrix of round-trip times between regions, row by row; a message takes half of one. Nodes are dealt to the
    /// regions in turn: the i-th node lives in region `i % regions`. Missing fields of the matrix count as zero.
    pub fn regions(round_trips: Vec<Vec<Duration>>) -> Self {
        let rows = round_trips.iter().map(|row| row.iter().map(|rtt| nanos(*rtt) / 2).collect());
        Self::of(Model::Regions(rows.collect()))
    }

    /// Draws once for each ordered pair of nodes instead of once for each message.
    #[must_use]
    pub fn per_link(mut self) -> Self {
        self.per_link = true;
        self
    }

    /// Adds to each message a share of its latency drawn uniformly from `0..fraction`.
    #[must_use]
    pub fn jitter(mut self, fraction: f64) -> Self {
        self.jitter = fraction.max(0.0);
        self
    }

    /// Whether two messages of one link may take different times.
    pub(crate) fn varies(&self) -> bool {
        let fixed = self.per_link || matches!(self.model, Model::Constant(_) | Model::Regions(_));
        !fixed || self.jitter > 0.0
    }

    /// Nanoseconds for the next message.
    #[inline]
    pub(crate) fn draw(&self, seed: u64, from: u32, to: u32, dice: &mut Dice) -> u64 {
        let link = || {
            let pair = u64::from(from) << 32 | u64::from(to);
            Dice::new(mix(pair.wrapping_add(seed)))
        };
        let base = match &self.model {
            Model::Constant(latency) => *latency,
            Model::Uniform { least, span } => {
                let unit = if self.per_link { link().unit() } else { dice.unit() };
                least.saturating_add((unit * *span as f64) as u64)
            }
            Model::LogNormal { median, sigma } => {
                let z = if self.per_link { link().normal() } else { dice.normal() };
                (median * exp(sigma * z)) as u64
            }
            Model::Regions(rows) => {
                let count = rows.len().max(1);
                let row = rows.get(from as usize % count);
                row.and_then(|row| row.get(to as usize % count)).copied().unwrap_or(0)
            }
        };
        if self.jitter > 0.0 {
            base.saturating_add((base as f64 * self.jitter * dice.unit()) as u64)
        } else {
            base
        }
    }

    fn of(model: Model) -> Self {
        Latency { model, per_link: false, jitter: 0.0 }
    }
}

impl Default for Latency {
    /// Uniform between 10 and 100 ms.
    fn default() -> Self {
        Self::uniform(Duration::from_millis(10), Duration::from_millis(100))
    }
}

/// Nanoseconds, saturating at 584 years.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(latency: &Latency, from: u32, to: u32) -> Vec<u64> {
        let mut dice = Dice::new(1);
        (0..10_001).map(|_| latency.draw(9, from, to, &mut dice)).collect()
    }

    #[test]
    fn each_model_draws_from_its_distribution() {
        let ms = Duration::from_millis;
        assert!(draws(&Latency::constant(ms(7)), 0, 1).iter().all(|&t| t == 7_000_000));

        let mut uniform = draws(&Latency::uniform(ms(10), ms(20)), 0, 1);
        uniform.sort_unstable();
        assert!(uniform[0] >= 10_000_000 && uniform[10_000] <= 20_000_000);
        assert!(uniform[5_000].abs_diff(15_000_000) < 300_000, "{}", uniform[5_000]);

        let mut log_normal = draws(&Latency::log_normal(ms(50), 0.5), 0, 1);
        log_normal.sort_unstable();
        assert!(log_normal[5_000].abs_diff(50_000_000) < 2_000_000, "{}", log_normal[5_000]);
        // One deviation above the median is e^0.5 times it: the 84th percentile.
        assert!(log_normal[8_413].abs_diff(82_436_064) < 4_000_000, "{}", log_normal[8_413]);
    }

    #[test]
    fn regions_and_links_keep_their_own_latency() {
        let ms = Duration::from_millis;
        let wan = Latency::regions(vec![vec![ms(2), ms(80)], vec![ms(90), ms(2)]]);
        assert!(draws(&wan, 0, 2).iter().all(|&t| t == 1_000_000));
        assert!(draws(&wan, 0, 3).iter().all(|&t| t == 40_000_000));
        assert!(draws(&wan, 3, 0).iter().all(|&t| t == 45_000_000));
        assert!(!wan.varies() && wan.clone().jitter(0.1).varies());
        let jittered = draws(&wan.jitter(0.1), 0, 1);
        assert!(jittered.iter().all(|&t| (40_000_000..=44_000_000).contains(&t)));
        assert!(jittered.iter().max() > jittered.iter().min());

        let link = Latency::uniform(ms(10), ms(20)).per_link();
        let one = draws(&link, 0, 1);
        assert!(one.iter().all(|&t| t == one[0]));
        assert_ne!(one[0], draws(&link, 1, 0)[0]);
    }
}
