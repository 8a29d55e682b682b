//! Wall-clock times: records outlive the processes that keep them.

use std::time::Duration;

use dsys_core::Time;
use serde::{Deserialize, Serialize};

/// Seconds since 1970, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// So much later, in whole seconds.
    #[must_use]
    pub fn after(self, time: Duration) -> UnixTime {
        UnixTime(self.0.saturating_add(time.as_secs()))
    }

    /// The time from `earlier` to this, or zero if that is later.
    pub fn since(self, earlier: UnixTime) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// The wall clock of a machine, which has none: what it was told, and how long ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// What the wall clock showed at `at`.
    shown: UnixTime,
    at: Time,
}

impl Clock {
    pub(super) fn new(shown: UnixTime, at: Time) -> Self {
        Clock { shown, at }
    }

    pub(super) fn now(&self, now: Time) -> UnixTime {
        self.shown.after(now - self.at)
    }
}
