//! The messages a node keeps for those that lack them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use dsys_core::Time;

use crate::MessageId;

/// Recent messages, bounded by number, by bytes and by age. The oldest go first; they are lost to peers that ask late, not
/// to the app, which was given them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    messages: BTreeMap<MessageId, (Bytes, u32)>,
    /// The oldest first.
    order: VecDeque<(MessageId, Time)>,
    bytes: usize,
}

/// The bounds of [`Kept`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) most: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
}

impl Kept {
    pub(crate) fn get(&self, id: MessageId) -> Option<&(Bytes, u32)> {
        self.messages.get(&id)
    }

    pub(crate) fn insert(&mut self, id: MessageId, payload: Bytes, hops: u32, now: Time, bounds: Bounds) {
        self.bytes += payload.len();
        if let Some((old, _)) = self.messages.insert(id, (payload, hops)) {
            self.bytes -= old.len();
        } else {
            self.order.push_back((id, now));
        }
        while let Some((oldest, then)) = self.order.front().copied() {
            let over = self.order.len() > bounds.most || self.bytes > bounds.bytes;
            if !over && now - then <= bounds.age {
                break;
            }
            self.order.pop_front();
            if let Some((payload, _)) = self.messages.remove(&oldest) {
                self.bytes -= payload.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_drops_the_oldest() {
        let at = |second: u64| Time::from_nanos(second * 1_000_000_000);
        let bounds = Bounds { most: 3, bytes: 10, age: Duration::from_secs(5) };
        let mut kept = Kept::default();
        let keep = |kept: &mut Kept, byte: u8, len: usize, second| {
            kept.insert(MessageId([byte; 16]), Bytes::from(vec![0; len]), 0, at(second), bounds);
        };
        let held = |kept: &Kept| {
            (0..9).filter(|byte| kept.get(MessageId([*byte; 16])).is_some()).collect::<Vec<u8>>()
        };
        (0..4).for_each(|byte| keep(&mut kept, byte, 1, 0));
        assert_eq!(held(&kept), [1, 2, 3], "by number");
        keep(&mut kept, 4, 9, 1);
        assert_eq!((held(&kept), kept.bytes), (vec![3, 4], 10), "by bytes");
        keep(&mut kept, 5, 0, 7);
        assert_eq!((held(&kept), kept.bytes), (vec![5], 0), "by age");
    }
}
