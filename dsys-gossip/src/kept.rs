//! The messages a node keeps for those that lack them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{NodeId, Time};

use crate::MessageId;

/// Recent messages, bounded by number, by bytes and by age. The oldest go first; they are lost to peers that ask late, not
/// to the app, which was given them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    messages: BTreeMap<MessageId, Message>,
    /// The oldest first.
    order: VecDeque<(MessageId, Time)>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Message {
    payload: Bytes,
    hops: u32,
    /// Who asked for it: nobody is sent it twice.
    given: Vec<NodeId>,
}

/// The bounds of [`Kept`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) most: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
}

impl Kept {
    /// The message and over how many links it came, for a peer that asks for it the first time. At most so many are given
    /// it.
    pub(crate) fn give(&mut self, id: MessageId, to: NodeId, most: usize) -> Option<(Bytes, u32)> {
        let message = self.messages.get_mut(&id)?;
        if message.given.len() >= most || message.given.contains(&to) {
            return None;
        }
        message.given.push(to);
        Some((message.payload.clone(), message.hops))
    }

    /// Keeps it no longer. Its name goes from the order when its turn comes.
    pub(crate) fn remove(&mut self, id: MessageId) {
        if let Some(old) = self.messages.remove(&id) {
            self.bytes -= old.payload.len();
        }
    }

    pub(crate) fn insert(&mut self, id: MessageId, payload: Bytes, hops: u32, now: Time, bounds: Bounds) {
        self.bytes += payload.len();
        if let Some(old) = self.messages.insert(id, Message { payload, hops, given: Vec::new() }) {
            self.bytes -= old.payload.len();
        } else {
            self.order.push_back((id, now));
        }
        while let Some((oldest, then)) = self.order.front().copied() {
            let over = self.order.len() > bounds.most || self.bytes > bounds.bytes;
            if !over && now - then <= bounds.age {
                break;
            }
            self.order.pop_front();
            if let Some(old) = self.messages.remove(&oldest) {
                self.bytes -= old.payload.len();
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
            (0..9).filter(|byte| kept.messages.contains_key(&MessageId([*byte; 16]))).collect::<Vec<u8>>()
        };
        (0..4).for_each(|byte| keep(&mut kept, byte, 1, 0));
        assert_eq!(held(&kept), [1, 2, 3], "by number");
        keep(&mut kept, 4, 9, 1);
        assert_eq!((held(&kept), kept.bytes), (vec![3, 4], 10), "by bytes");
        keep(&mut kept, 5, 0, 7);
        assert_eq!((held(&kept), kept.bytes), (vec![5], 0), "by age");
    }
}
