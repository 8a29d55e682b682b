//! A rumour while a node is infective with it.

use bytes::Bytes;
use dsys_core::Rng;

use super::message::Update;
use super::{Judgement, Loss, Variant};
use crate::MessageId;

/// A rumour that is hot, and what became of it in this cycle.
#[derive(Clone, Debug)]
pub(super) struct Spreading {
    pub(super) id: MessageId,
    payload: Bytes,
    hops: u32,
    /// The cycle in which it was heard: it is spread from the next on.
    since: u64,
    counter: u32,
    /// Sent in our own contact of this cycle.
    pub(super) pushed: bool,
    /// Sent in answer to somebody's pull in this cycle.
    pub(super) gave: bool,
    news: bool,
    stale: bool,
}

impl Spreading {
    pub(super) fn new(id: MessageId, payload: Bytes, hops: u32, since: u64) -> Self {
        Spreading {
            id,
            payload,
            hops,
            since,
            counter: 0,
            pushed: false,
            gave: false,
            news: false,
            stale: false,
        }
    }

    /// Whether it was hot already when this cycle began.
    pub(super) fn before(&self, cycle: u64) -> bool {
        self.since < cycle
    }

    pub(super) fn update(&self) -> Update {
        Update { id: self.id, hops: self.hops.saturating_add(1), payload: self.payload.clone() }
    }

    pub(super) fn judged(&mut self, news: bool) {
        self.news |= news;
        self.stale |= !news;
    }

    /// The cycle before this one has ended. `false` if the node has lost interest.
    pub(super) fn settle(&mut self, cycle: u64, variant: Variant, max_cycles: u32, rng: &mut Rng) -> bool {
        let (news, counts) = match variant.judgement {
            Judgement::Blind => (false, self.pushed || self.gave),
            Judgement::Feedback => (self.news, self.stale && !self.news),
        };
        [self.pushed, self.gave, self.news, self.stale] = [false; 4];
        if cycle.saturating_sub(self.since) > u64::from(max_cycles) {
            return false;
        }
        match variant.loss {
            Loss::Coin { k } => !counts || !rng.chance(1.0 / f64::from(k.max(1))),
            Loss::Counter { k, reset } => {
                if news && reset {
                    self.counter = 0;
                }
                self.counter += u32::from(counts);
                self.counter < k.max(1)
            }
        }
    }
}
