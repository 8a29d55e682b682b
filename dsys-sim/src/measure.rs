//! What epidemics are measured by, computed from deliveries (Demers et al. 1987, §1.4; Leitão et al. 2007, "Epidemic
//! Broadcast Trees", §5).

mod summary;

use dsys_core::Time;
pub use summary::{Summary, percentile};

/// How one broadcast spread: fill it with one [`heard`](Spread::heard) for each node that got it.
///
/// ```
/// use dsys_core::Time;
/// use dsys_sim::measure::Spread;
///
/// let mut spread = Spread::new(4, Time::ZERO);
/// spread.heard(Time::from_nanos(0), 0); // the publisher
/// spread.heard(Time::from_nanos(2_000_000_000), 1);
/// spread.heard(Time::from_nanos(4_000_000_000), 2);
/// assert_eq!(spread.residue(), 0.25);
/// assert_eq!(spread.t_avg(), Some(2.0));
/// assert_eq!(spread.t_last(), Some(4.0));
/// assert_eq!(spread.traffic(12), 3.0);
/// assert_eq!(spread.redundancy(12), Some(5.0)); // 12 messages where 2 nodes besides the publisher got it
/// ```
#[derive(Clone, Debug)]
pub struct Spread {
    nodes: usize,
    start: Time,
    /// Seconds since the start, in the order in which they were told.
    times: Vec<f64>,
    hops: Summary,
}

impl Spread {
    /// A broadcast to `nodes` nodes, the publisher included, that starts at `start`.
    pub fn new(nodes: usize, start: Time) -> Self {
        Spread { nodes, start, times: Vec::new(), hops: Summary::default() }
    }

    /// A node got it, for the first time, over so many hops; the publisher counts, with 0 hops.
    pub fn heard(&mut self, at: Time, hops: u32) {
        self.times.push((at - self.start).as_secs_f64());
        self.hops.add(f64::from(hops));
    }

    /// How many nodes got it.
    pub fn reached(&self) -> usize {
        self.times.len()
    }

    /// `s` of Demers et al.: the fraction of nodes that never got it, 0 to 1.
    pub fn residue(&self) -> f64 {
        if self.nodes == 0 {
            return 0.0;
        }
        1.0 - self.times.len() as f64 / self.nodes as f64
    }

    /// Mean time from the start until a node that got it did, in seconds. `None` if nobody did.
    pub fn t_avg(&self) -> Option<f64> {
        (!self.times.is_empty()).then(|| self.times.iter().sum::<f64>() / self.times.len() as f64)
    }

    /// Seconds until 95 % of the nodes that got it had it.
    pub fn t_95(&self) -> Option<f64> {
        percentile(&self.times, 0.95)
    }

    /// Seconds until the last node that got it had it.
    pub fn t_last(&self) -> Option<f64> {
        percentile(&self.times, 1.0)
    }

    /// `m` of Demers et al.: messages per node.
    pub fn traffic(&self, messages: u64) -> f64 {
        messages as f64 / (self.nodes.max(1)) as f64
    }

    /// Relative message redundancy (Leitão et al. §5): payload messages per node reached beyond the publisher, less
    /// one. 0 is a perfect tree. `None` if nobody besides the publisher got it.
    pub fn redundancy(&self, payload_messages: u64) -> Option<f64> {
        (self.times.len() > 1).then(|| payload_messages as f64 / (self.times.len() - 1) as f64 - 1.0)
    }

    /// The hops over which nodes got it.
    pub fn hops(&self) -> Summary {
        self.hops
    }

    /// The curve of an epidemic: (seconds, residue) at each delivery, in order, for a plot.
    pub fn residue_over_time(&self) -> Vec<(f64, f64)> {
        let mut times = self.times.clone();
        times.sort_unstable_by(f64::total_cmp);
        let nodes = self.nodes.max(1) as f64;
        times.iter().enumerate().map(|(at, time)| (*time, 1.0 - (at + 1) as f64 / nodes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_the_start_and_the_curve_falls_to_the_residue() {
        let second = |n: u64| Time::from_nanos(n * 1_000_000_000);
        let mut spread = Spread::new(25, second(10));
        // Told out of order, as a trace of many nodes may be.
        (0..20).rev().for_each(|n| spread.heard(second(10 + n), n as u32));
        assert_eq!((spread.reached(), spread.t_95(), spread.t_last()), (20, Some(18.0), Some(19.0)));
        assert_eq!((spread.hops().mean(), spread.hops().most()), (Some(9.5), Some(19.0)));
        let curve = spread.residue_over_time();
        assert_eq!((curve.first(), curve.len()), (Some(&(0.0, 0.96)), 20));
        assert!(curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 > b.1));
        assert!((curve.last().unwrap().1 - spread.residue()).abs() < 1e-12);
        let nobody = Spread::new(3, Time::ZERO);
        assert_eq!((nobody.residue(), nobody.t_avg(), nobody.redundancy(5)), (1.0, None, None));
    }
}
