//! How much of one peer is listened to.

use std::collections::BTreeMap;
use std::time::Duration;

use dsys_core::{NodeId, Time};

/// So much a second, and at once what `burst` of time would bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Messages a second.
    pub messages: u32,
    /// Bytes a second.
    pub bytes: u64,
    /// How long something may come at once that would take so long.
    pub burst: Duration,
}

/// How far ahead of the present a sender's messages and bytes have been paid for: the generic cell rate algorithm
/// (ITU-T I.371, §A), one for each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    messages: Time,
    bytes: Time,
}

impl Meter {
    /// How long until so much may pass; nothing was counted if that is not zero.
    pub(super) fn pass(&mut self, bytes: usize, now: Time, rate: &Rate) -> Duration {
        let second = 1_000_000_000u128;
        let cost = |much: usize, of: u64| {
            Duration::from_nanos(
                u64::try_from(much as u128 * second / u128::from(of.max(1))).unwrap_or(u64::MAX),
            )
        };
        let messages = self.messages.max(now) + cost(1, rate.messages.into());
        let bytes = self.bytes.max(now) + cost(bytes, rate.bytes);
        // What is larger than a burst passes where nothing else is being paid for.
        let owed = self.messages.max(self.bytes) - now;
        let over = (messages.max(bytes) - now).saturating_sub(rate.burst).min(owed);
        if over.is_zero() {
            (self.messages, self.bytes) = (messages, bytes);
        }
        over
    }

    fn is_idle(&self, now: Time) -> bool {
        self.messages <= now && self.bytes <= now
    }
}

/// A meter for each peer that sends.
#[derive(Clone, Debug, Default)]
pub(super) struct Meters(BTreeMap<NodeId, Meter>);

impl Meters {
    /// Whether so much of this peer is listened to now. At most `most` peers are counted; idle ones make room.
    pub(super) fn pass(&mut self, peer: NodeId, bytes: usize, now: Time, rate: &Rate, most: usize) -> bool {
        if !self.0.contains_key(&peer) && self.0.len() >= most {
            self.0.retain(|_, meter| !meter.is_idle(now));
            if self.0.len() >= most {
                return false;
            }
        }
        self.0.entry(peer).or_default().pass(bytes, now, rate).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_only_the_rate_and_what_is_refused_costs_nothing() {
        let rate = Rate { messages: 10, bytes: 1_000, burst: Duration::from_secs(1) };
        let mut meter = Meter::default();
        let mut now = Time::ZERO;
        let passed = |meter: &mut Meter, bytes, now| {
            (0..100).filter(|_| meter.pass(bytes, now, &rate).is_zero()).count()
        };
        assert_eq!(passed(&mut meter, 1, now), 10, "by messages");
        now += Duration::from_millis(300);
        assert_eq!(passed(&mut meter, 1, now), 3);
        assert_eq!(meter.pass(1, now, &rate), Duration::from_millis(100), "and how long to wait");
        now += Duration::from_secs(10);
        assert_eq!(passed(&mut meter, 250, now), 4, "by bytes");
        now += Duration::from_secs(10);
        assert_eq!(passed(&mut meter, 5_000, now), 1, "one that is larger than a burst, alone");
    }

    #[test]
    fn so_many_peers_are_counted_and_idle_ones_make_room() {
        let rate = Rate { messages: 1, bytes: 1_000, burst: Duration::from_secs(1) };
        let (mut meters, mut now) = (Meters::default(), Time::ZERO);
        let pass =
            |meters: &mut Meters, number, now| meters.pass(NodeId::from_number(number), 1, now, &rate, 2);
        assert!(pass(&mut meters, 1, now) && pass(&mut meters, 2, now));
        assert!(!pass(&mut meters, 3, now) && !pass(&mut meters, 1, now));
        now += Duration::from_secs(1);
        assert!(pass(&mut meters, 3, now));
        assert!(meters.0.len() <= 2);
    }
}
