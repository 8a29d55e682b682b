//! How well a topic's messages travel, measured from their signed timestamps.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::plumtree;

/// How well a topic's messages have travelled, as seen by one node. The names are those of Demers et al. 1987, §1.1, for
/// whom they are over all nodes; the mean of what all nodes see is theirs.
///
/// Delays are from the origin's timestamp to the delivery here, so they contain the difference of the two clocks. They are
/// of the last [`WINDOW`](Quality::WINDOW) messages that the tree brought; our own, and those that were fetched later, do
/// not count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Quality {
    /// Messages that the tree brought.
    pub delivered: u64,
    /// Messages written since we joined that the tree did not bring and catching up did, as a share of all.
    pub residue: f64,
    /// Payloads sent by us for each message.
    pub traffic: f64,
    /// Payloads that came though we had them, for each message.
    pub redundancy: f64,
    /// The mean delay.
    pub t_avg: Duration,
    /// The delay that 95 of 100 stayed below.
    pub t_95: Duration,
    /// The longest.
    pub t_last: Duration,
}

impl Quality {
    /// How many delays are remembered.
    pub const WINDOW: usize = 1_024;
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |delay: Duration| delay.as_secs_f64() * 1e3;
        write!(
            f,
            "{} messages, t_avg {:.0} ms, t_95 {:.0} ms, t_last {:.0} ms, traffic {:.2}, redundancy {:.3}, residue {:.4}",
            self.delivered,
            ms(self.t_avg),
            ms(self.t_95),
            ms(self.t_last),
            self.traffic,
            self.redundancy,
            self.residue
        )
    }
}

/// What it is computed from.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauge {
    /// Milliseconds.
    delays: VecDeque<u32>,
    delivered: u64,
    fetched: u64,
}

impl Gauge {
    pub(super) fn delivered(&mut self, delay: Duration) {
        self.delivered += 1;
        if self.delays.len() >= Quality::WINDOW {
            self.delays.pop_front();
        }
        self.delays.push_back(u32::try_from(delay.as_millis()).unwrap_or(u32::MAX));
    }

    /// The tree did not bring it.
    pub(super) fn fetched(&mut self) {
        self.fetched += 1;
    }

    pub(super) fn quality(&self, own: u64, tree: plumtree::Stats) -> Quality {
        let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
        let mut delays: Vec<u32> = self.delays.iter().copied().collect();
        delays.sort_unstable();
        let at = |rank: usize| Duration::from_millis(delays.get(rank).copied().unwrap_or(0).into());
        let sum: u64 = delays.iter().map(|delay| u64::from(*delay)).sum();
        let count = delays.len();
        Quality {
            delivered: self.delivered,
            residue: share(self.fetched, self.delivered + self.fetched),
            traffic: share(tree.payloads, self.delivered + own),
            redundancy: share(tree.duplicates, self.delivered),
            t_avg: Duration::from_millis(sum.checked_div(count as u64).unwrap_or(0)),
            // The nearest rank.
            t_95: at((count * 95).div_ceil(100).saturating_sub(1)),
            t_last: at(count.saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_shares_are_what_they_say() {
        let mut gauge = Gauge::default();
        assert_eq!(gauge.quality(0, plumtree::Stats::default()), Quality::default());
        (1..=100).rev().for_each(|ms| gauge.delivered(Duration::from_millis(ms)));
        (0..25).for_each(|_| gauge.fetched());
        let mut tree = plumtree::Stats::default();
        (tree.payloads, tree.duplicates) = (120, 50);
        let quality = gauge.quality(20, tree);
        assert_eq!(quality.t_95, Duration::from_millis(95));
        assert_eq!(quality.t_last, Duration::from_millis(100));
        assert_eq!(quality.t_avg, Duration::from_millis(50));
        assert_eq!((quality.residue, quality.traffic, quality.redundancy), (0.2, 1.0, 0.5));
        (0..5_000).for_each(|_| gauge.delivered(Duration::from_millis(7)));
        assert_eq!(gauge.quality(0, tree).t_last, Duration::from_millis(7), "the last 1,024");
    }
}
