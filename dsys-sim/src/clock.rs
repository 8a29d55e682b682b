//! A node's own clock.

use dsys_core::Time;

/// How a node's clock differs from the simulation's: what `Context::now` shows, and how long its timers really take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Nanoseconds by which the clock is ahead (or behind, if negative) at time 0.
    pub offset: i64,
    /// Parts per billion by which it runs fast (or slow, if negative); 50,000 is a bad quartz. Kept above -900
    /// million.
    pub drift: i64,
}

const BILLION: i128 = 1_000_000_000;

impl Clock {
    /// What the clock shows at this time of the simulation; never below zero.
    pub fn show(self, at: Time) -> Time {
        let elapsed = i128::from(at.as_nanos());
        let shown = elapsed * self.rate() / BILLION + i128::from(self.offset);
        Time::from_nanos(u64::try_from(shown.max(0)).unwrap_or(u64::MAX))
    }

    /// How long, in the simulation's nanoseconds, the clock takes to count `nanos`.
    pub(crate) fn real(self, nanos: u64) -> u64 {
        u64::try_from(i128::from(nanos) * BILLION / self.rate()).unwrap_or(u64::MAX)
    }

    fn rate(self) -> i128 {
        BILLION + i128::from(self.drift.max(-900_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_shows_more_and_its_timers_end_sooner() {
        let clock = Clock { offset: -500, drift: 100_000_000 };
        assert_eq!(clock.show(Time::from_nanos(10_000)), Time::from_nanos(10_500));
        assert_eq!(clock.show(Time::ZERO), Time::ZERO, "never below zero");
        assert_eq!(clock.real(11_000), 10_000);
        assert_eq!(Clock::default().real(77), 77);
    }
}
