//! What the simulation keeps for one node: the hot part in one place, the rest behind one pointer.

use std::collections::{BTreeSet, VecDeque};

use dsys_core::{Effect, Machine, NodeId};

use crate::disk::Disk;
use crate::links::{Link, Links};
use crate::{Clock, Counters, Notice};

pub(crate) struct Node<M: Machine> {
    /// `None` while the node is down.
    pub(crate) machine: Option<M>,
    pub(crate) timers: Timers<M::Timer>,
    pub(crate) counters: Counters,
    /// For each peer with a message on its way, the latest arrival. Empty where latencies keep the order anyway.
    pub(crate) arrivals: Vec<(u32, u64)>,
    /// Counts crashes, so that what belonged to an earlier life is recognised.
    pub(crate) life: u32,
    pub(crate) left: bool,
    pub(crate) cold: Option<Box<Cold<M>>>,
}

/// What most nodes of a large simulation never need.
pub(crate) struct Cold<M: Machine> {
    pub(crate) clock: Clock,
    pub(crate) liar: bool,
    pub(crate) notice: Notice,
    /// Whether others can open connections to it.
    pub(crate) dialable: bool,
    pub(crate) disk: Disk,
    pub(crate) flush_begun: u64,
    /// Effects that wait for the flush, in order.
    pub(crate) held: VecDeque<Effect<M>>,
    pub(crate) links: Links<M::Message>,
    /// Names that nobody has and that are being dialled.
    pub(crate) strangers: BTreeSet<NodeId>,
}

impl<M: Machine> Node<M> {
    pub(crate) fn new(machine: M) -> Self {
        Node {
            machine: Some(machine),
            timers: Timers::new(),
            counters: Counters::default(),
            arrivals: Vec::new(),
            life: 0,
            left: false,
            cold: None,
        }
    }

    pub(crate) fn cold(&mut self) -> &mut Cold<M> {
        self.cold.get_or_insert_with(|| {
            Box::new(Cold {
                clock: Clock::default(),
                liar: false,
                notice: Notice::Refused,
                dialable: true,
                disk: Disk::default(),
                flush_begun: 0,
                held: VecDeque::new(),
                links: Links::default(),
                strangers: BTreeSet::new(),
            })
        })
    }

    pub(crate) fn is_dialable(&self) -> bool {
        self.cold.as_ref().is_none_or(|cold| cold.dialable)
    }

    /// The link to this peer.
    #[inline]
    pub(crate) fn link(&self, peer: u32) -> Option<Link> {
        self.cold.as_ref()?.links.get(peer)
    }

    /// When a message to `to` drawn for `at` arrives if it must not overtake the one before it.
    pub(crate) fn in_order(&mut self, to: u32, at: u64, now: u64) -> u64 {
        if let Some(last) = self.arrivals.iter_mut().find(|last| last.0 == to) {
            last.1 = last.1.max(at);
            return last.1;
        }
        // Messages that have arrived bind nobody. Looked at only when the vector would grow, so it stays about as
        // long as the number of peers with something on its way.
        if self.arrivals.len() == self.arrivals.capacity() {
            self.arrivals.retain(|last| last.1 > now);
        }
        self.arrivals.push((to, at));
        at
    }
}

/// The timers that are set, by name. Most nodes have one or two, so the first needs no allocation.
pub(crate) struct Timers<T> {
    first: Option<(T, u32)>,
    rest: Vec<(T, u32)>,
    made: u32,
}

impl<T: Copy + Eq> Timers<T> {
    fn new() -> Self {
        Timers { first: None, rest: Vec::new(), made: 0 }
    }

    /// Sets or replaces; returns the generation that the queued event must bear to count.
    pub(crate) fn set(&mut self, timer: T) -> u32 {
        self.made = self.made.wrapping_add(1);
        let new = (timer, self.made);
        if let Some(old) = self.rest.iter_mut().find(|old| old.0 == timer) {
            *old = new;
        } else if self.first.is_none_or(|first| first.0 == timer) {
            self.first = Some(new);
        } else {
            self.rest.push(new);
        }
        self.made
    }

    pub(crate) fn cancel(&mut self, timer: T) {
        if self.first.is_some_and(|first| first.0 == timer) {
            self.first = None;
        } else if let Some(at) = self.rest.iter().position(|old| old.0 == timer) {
            self.rest.swap_remove(at);
        }
    }

    /// Whether this event is the timer's latest; if so the timer is no longer set.
    pub(crate) fn fire(&mut self, timer: T, generation: u32) -> bool {
        let set = |old: &(T, u32)| old.0 == timer && old.1 == generation;
        let fires = self.first.as_ref().is_some_and(set) || self.rest.iter().any(set);
        if fires {
            self.cancel(timer);
        }
        fires
    }

    /// The count goes on, so that no event of an earlier life can match.
    pub(crate) fn clear(&mut self) {
        self.first = None;
        self.rest.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_setting_of_a_timer_fires_and_once() {
        let mut timers = Timers::new();
        let (a1, b1, a2) = (timers.set('a'), timers.set('b'), timers.set('a'));
        assert!(!timers.fire('a', a1), "replaced");
        assert!(timers.fire('a', a2));
        assert!(!timers.fire('a', a2), "no longer set");
        let b2 = timers.set('b');
        assert!(!timers.fire('b', b1));
        timers.cancel('b');
        assert!(!timers.fire('b', b2), "cancelled");
        let c1 = timers.set('c');
        timers.clear();
        assert!(!timers.fire('c', c1));
        assert_ne!(timers.set('c'), c1);
    }

    #[test]
    fn arrivals_are_forgotten_once_they_are_past() {
        struct Idle;
        impl Machine for Idle {
            type Message = ();
            type Command = ();
            type Event = ();
            type Timer = ();
            fn handle(&mut self, _: dsys_core::Input<Self>, _: &mut dsys_core::Context<'_, Self>) {}
        }
        let mut node = Node::new(Idle);
        assert_eq!(node.in_order(7, 50, 0), 50);
        assert_eq!(node.in_order(7, 40, 10), 50, "not before the one ahead of it");
        assert_eq!(node.in_order(8, 40, 10), 40, "another peer");
        for peer in 0..10_000 {
            let now = 100 + u64::from(peer);
            node.in_order(peer, now + 5, now);
        }
        assert!(node.arrivals.len() < 20, "{}", node.arrivals.len());
    }
}
