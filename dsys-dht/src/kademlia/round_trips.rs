//! How long answers take: of all nodes, and of each.
//!
//! Of whoever has answered once or twice little is known, and to ask another in its place costs a request. So a peer's mean
//! begins as that of all, and becomes its own with each answer.

use std::time::Duration;

/// The smoothed mean and deviation of RFC 6298 §2 over all peers, and how far answers are from the mean of whoever gives
/// them. A peer's own mean is kept beside it ([`RoundTrips::smoothed`]).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrips {
    /// Mean and deviation over all, in seconds.
    all: Option<(f64, f64)>,
    /// The deviation from the peer's own mean, in seconds.
    own: Option<f64>,
}

impl RoundTrips {
    /// An answer took so long, by a peer whose answers took `own` seconds so far.
    pub(super) fn add(&mut self, took: Duration, own: Option<f32>) {
        let took = took.as_secs_f64();
        self.all = Some(match self.all {
            // RFC 6298 (2.2) and (2.3), with its alpha 1/8 and beta 1/4.
            None => (took, took / 2.0),
            Some((mean, deviation)) => {
                let deviation = deviation + ((mean - took).abs() - deviation) / 4.0;
                (mean + (took - mean) / 8.0, deviation)
            }
        });
        if let Some(own) = own {
            let off = (f64::from(own) - took).abs();
            self.own = Some(self.own.map_or(off, |deviation| deviation + (off - deviation) / 8.0));
        }
    }

    /// After this long another node should be asked in place of a peer whose answers took `own` seconds so far. RFC 6298
    /// (2.3): mean and four deviations; never below 10 ms, or a busy moment would double all requests. `None` until an
    /// answer has been measured.
    pub(super) fn patience(self, own: Option<f32>) -> Option<Duration> {
        let (mean, deviation) = match (own, self.own) {
            (Some(own), Some(deviation)) => (own.into(), deviation),
            _ => self.all?,
        };
        Some(Duration::from_secs_f64((mean + 4.0 * deviation).clamp(0.01, 3_600.0)))
    }

    /// The mean of a peer's answers, which was `own`, after one more, in seconds.
    pub(super) fn smoothed(self, own: Option<f32>, took: Duration) -> f32 {
        let took = took.as_secs_f32();
        let before = own.or(self.all.map(|(mean, _)| mean as f32)).unwrap_or(took);
        before + (took - before) / 4.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(times: impl IntoIterator<Item = u64>) -> RoundTrips {
        let mut trips = RoundTrips::default();
        times.into_iter().for_each(|took| trips.add(Duration::from_millis(took), None));
        trips
    }

    #[test]
    fn patience_follows_what_was_measured() {
        assert_eq!(RoundTrips::default().patience(None), None);
        let steady = after([100; 100]).patience(None).unwrap();
        assert!((100..105).contains(&steady.as_millis()), "{steady:?}");
        let shaky = after((0..100).map(|n| if n % 2 == 0 { 50 } else { 150 })).patience(None).unwrap();
        assert!((250..400).contains(&shaky.as_millis()), "{shaky:?}");
        assert_eq!(after([0; 100]).patience(None), Some(Duration::from_millis(10)));
    }

    #[test]
    fn whoever_is_near_is_waited_for_less_than_whoever_is_far() {
        let (mut trips, mut means) = (RoundTrips::default(), [None, None]);
        for _ in 0..50 {
            for (mean, took) in means.iter_mut().zip([20, 400]) {
                let took = Duration::from_millis(took);
                trips.add(took, *mean);
                *mean = Some(trips.smoothed(*mean, took));
            }
        }
        let patience = |own| trips.patience(own).unwrap().as_millis();
        assert!(
            patience(means[0]) < 40 && patience(means[1]) < 420,
            "{} {}",
            patience(means[0]),
            patience(means[1])
        );
        assert!(patience(None) > 600, "of somebody new");
    }
}
