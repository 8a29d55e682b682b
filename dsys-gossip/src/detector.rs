//! Failure detectors: has a node died, judging by when it was last heard?
//!
//! Each is fed with a node's heartbeats, which are numbered so that one that comes again, or by a longer way, does not count
//! as new, and says how much it suspects the node. [`Watch`] keeps one for each of many nodes and can pass on what it knows,
//! so that heartbeats may come by gossip (van Renesse, Minsky, Hayden 1998).
//!
//! | detector | source | suspects when |
//! |---|---|---|
//! | [`Deadline`] | Aguilera, Chen, Toueg 1997: heartbeat counters | no new heartbeat came for a fixed time |
//! | [`PhiAccrual`] | Hayashibara et al. 2004 | a heartbeat so late is less likely than 10^-phi |
//!
//! The third, probing, is a protocol of its own: [`membership::full`](crate::membership::full).

mod phi;
mod watch;

use std::time::Duration;

use dsys_core::Time;

pub use phi::{PhiAccrual, PhiConfig};
pub use watch::Watch;

/// Judges one node by its heartbeats.
pub trait Detector {
    /// The heartbeat of this number came. One that is not higher than all before it says nothing.
    fn heard(&mut self, beat: u64, now: Time);

    /// The highest heartbeat that came.
    fn beat(&self) -> Option<u64>;

    /// How much the node is suspected: 0 if it was heard just now; 1 and more if it should be taken for dead.
    fn suspicion(&self, now: Time) -> f64;
}

/// Suspects a node that was not heard for so long.
///
/// ```
/// use std::time::Duration;
/// use dsys_core::Time;
/// use dsys_gossip::detector::{Deadline, Detector};
///
/// let mut detector = Deadline::new(Duration::from_secs(4), Time::ZERO);
/// detector.heard(1, Time::ZERO + Duration::from_secs(2));
/// assert_eq!(detector.suspicion(Time::ZERO + Duration::from_secs(4)), 0.5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    timeout: Duration,
    beat: Option<u64>,
    since: Time,
}

impl Deadline {
    /// The node is given so long from now on, and from each heartbeat on.
    pub fn new(timeout: Duration, now: Time) -> Self {
        Deadline { timeout, beat: None, since: now }
    }
}

impl Detector for Deadline {
    fn heard(&mut self, beat: u64, now: Time) {
        if self.beat.is_none_or(|highest| beat > highest) {
            (self.beat, self.since) = (Some(beat), now);
        }
    }

    fn beat(&self) -> Option<u64> {
        self.beat
    }

    fn suspicion(&self, now: Time) -> f64 {
        (now - self.since).as_secs_f64() / self.timeout.as_secs_f64().max(1e-9)
    }
}
