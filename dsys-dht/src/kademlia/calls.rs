//! Questions on their way, and how long answers take.

use std::collections::BTreeMap;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Time};

/// The questions on their way.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    open: BTreeMap<u32, Call>,
    next: u32,
    times: RoundTrips,
}

/// One question on its way.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) peer: NodeAddr,
    /// The lookup it belongs to; a probe belongs to none.
    pub(super) lookup: Option<u32>,
    pub(super) sent: Time,
    /// Whether another was asked in its place.
    pub(super) slow: bool,
}

impl Calls {
    /// Begins a question and gives its number.
    pub(super) fn open(&mut self, peer: NodeAddr, lookup: Option<u32>, now: Time) -> u32 {
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.insert(number, Call { peer, lookup, sent: now, slow: false });
        number
    }

    /// Takes out the question that this answers. Only who was asked can answer.
    pub(super) fn answered(&mut self, number: u32, from: NodeId, now: Time) -> Option<Call> {
        if self.open.get(&number)?.peer.id != from {
            return None;
        }
        let call = self.open.remove(&number)?;
        self.times.add(now - call.sent);
        Some(call)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Call> {
        self.open.get_mut(&number)
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Call> {
        self.open.remove(&number)
    }

    /// The numbers of those to this peer.
    pub(super) fn to(&self, peer: NodeId) -> Vec<u32> {
        self.open.iter().filter(|(_, call)| call.peer.id == peer).map(|(number, _)| *number).collect()
    }

    pub(super) fn is_asking(&self, peer: NodeId) -> bool {
        self.open.values().any(|call| call.peer.id == peer)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// After this long another node should be asked.
    pub(super) fn patience(&self, before_measured: Duration, timeout: Duration) -> Duration {
        self.times.patience().unwrap_or(before_measured).min(timeout)
    }
}

/// How long answers take: the smoothed mean and deviation of RFC 6298 §2, over all peers.
#[derive(Clone, Copy, Debug, Default)]
struct RoundTrips {
    /// Mean and deviation, in seconds.
    smoothed: Option<(f64, f64)>,
}

impl RoundTrips {
    fn add(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.smoothed = Some(match self.smoothed {
            // RFC 6298 (2.2) and (2.3), with its alpha 1/8 and beta 1/4.
            None => (took, took / 2.0),
            Some((mean, deviation)) => {
                let deviation = deviation + ((mean - took).abs() - deviation) / 4.0;
                (mean + (took - mean) / 8.0, deviation)
            }
        });
    }

    /// RFC 6298 (2.3): mean and four deviations; never below 10 ms, or a busy moment would double all requests.
    fn patience(self) -> Option<Duration> {
        let (mean, deviation) = self.smoothed?;
        Some(Duration::from_secs_f64((mean + 4.0 * deviation).clamp(0.01, 3_600.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_was_asked_can_answer() {
        let mut calls = Calls::default();
        let (a, b) = (NodeId::from_number(1), NodeId::from_number(2));
        let number = calls.open(a.into(), Some(7), Time::ZERO);
        assert!(calls.answered(number, b, Time::ZERO).is_none());
        assert!(calls.answered(number + 1, a, Time::ZERO).is_none());
        assert_eq!(calls.answered(number, a, Time::ZERO).and_then(|call| call.lookup), Some(7));
        assert!(calls.answered(number, a, Time::ZERO).is_none(), "once");
    }

    #[test]
    fn patience_follows_what_was_measured() {
        let mut times = RoundTrips::default();
        assert_eq!(times.patience(), None);
        (0..100).for_each(|_| times.add(Duration::from_millis(100)));
        let steady = times.patience().unwrap();
        assert!((100..105).contains(&steady.as_millis()), "{steady:?}");
        (0..100).for_each(|n| times.add(Duration::from_millis(if n % 2 == 0 { 50 } else { 150 })));
        let shaky = times.patience().unwrap();
        assert!((250..400).contains(&shaky.as_millis()), "{shaky:?}");
        (0..100).for_each(|_| times.add(Duration::ZERO));
        assert_eq!(times.patience(), Some(Duration::from_millis(10)));
    }
}
