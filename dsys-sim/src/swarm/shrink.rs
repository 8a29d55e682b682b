//! From a failure to the least that still fails.

use std::time::Duration;

use dsys_core::Machine;

use super::{Campaign, Failure, Mix};

/// Seeds tried for each smaller mix: with a fault gone the rest falls differently, and the first seed may miss.
const SEEDS: u64 = 4;

impl<M: Machine<Message: Clone> + 'static> Campaign<M> {
    /// Drops faults one by one, halves the time, takes nodes away, as long as the run still breaks in the same way
    /// (invariant or goal); the seed may change. At most `max_shrinks` runs.
    pub fn shrink(&self, failure: Failure) -> Failure {
        let mut best = failure;
        let mut left = self.max_shrinks;
        'smaller: loop {
            for mix in self.smaller(&best.mix) {
                for seed in best.seed..best.seed.saturating_add(SEEDS) {
                    if left == 0 {
                        return best;
                    }
                    left -= 1;
                    match self.check(seed, &mix) {
                        Err(failure) if failure.broken == best.broken => {
                            best = failure;
                            continue 'smaller;
                        }
                        _ => {}
                    }
                }
            }
            return best;
        }
    }

    fn smaller(&self, mix: &Mix) -> Vec<Mix> {
        let without = mix.faults().into_iter().map(|fault| mix.clone().with(fault, 0.0));
        let mut smaller: Vec<Mix> = without.collect();
        let mut push = |change: &dyn Fn(&mut Mix)| {
            let mut less = mix.clone();
            change(&mut less);
            smaller.push(less);
        };
        for nodes in [mix.nodes / 2, mix.nodes.saturating_sub(1)] {
            if nodes >= *self.nodes.start() && nodes < mix.nodes {
                push(&|less| less.nodes = nodes);
            }
        }
        if mix.lasting.as_millis() > 100 {
            // Whole milliseconds, or the text would not be the whole truth.
            push(&|less| less.lasting = Duration::from_millis(mix.lasting.as_millis() as u64 / 2));
        }
        smaller
    }
}
