//! The connections of one node, side by side in memory: each message looks one up at both of its ends.

use std::collections::BTreeMap;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) peer: u32,
    pub(crate) id: u32,
    /// Otherwise it is being dialled.
    pub(crate) up: bool,
}

impl Link {
    /// Numbers begin again at 1 after this one.
    pub(crate) const LAST: u32 = u32::MAX >> 1;
}

/// The connections of one node, at most one to each peer.
pub(crate) struct Links<T> {
    table: Table,
    /// What waits for a dial, for those that are not up.
    waiting: BTreeMap<u32, Vec<T>>,
}

impl<T> Default for Links<T> {
    fn default() -> Self {
        Links { table: Table::default(), waiting: BTreeMap::new() }
    }
}

impl<T> Links<T> {
    #[inline]
    pub(crate) fn get(&self, peer: u32) -> Option<Link> {
        let (_, slot) = self.table.find(peer)?;
        slot.link()
    }

    /// In order of peers.
    pub(crate) fn all(&self) -> Vec<Link> {
        let mut all: Vec<Link> = self.table.slots.iter().filter_map(|slot| slot.link()).collect();
        all.sort_unstable_by_key(|link| link.peer);
        all
    }

    /// A dial begins, and this message waits for it.
    pub(crate) fn dial(&mut self, peer: u32, id: u32, message: T) {
        self.table.set(Slot::of(Link { peer, id, up: false }));
        self.waiting.insert(peer, vec![message]);
    }

    /// One more message waits, if there are not as many already.
    pub(crate) fn wait(&mut self, peer: u32, message: T, most: usize) -> bool {
        let waiting = self.waiting.entry(peer).or_default();
        let room = waiting.len() < most;
        if room {
            waiting.push(message);
        }
        room
    }

    /// The link is up under this number; returns what has waited for it.
    pub(crate) fn raise(&mut self, peer: u32, id: u32) -> Vec<T> {
        self.table.set(Slot::of(Link { peer, id, up: true }));
        self.waiting.remove(&peer).unwrap_or_default()
    }

    /// The link is gone. If it was being dialled, what has waited for it.
    pub(crate) fn remove(&mut self, peer: u32) -> Option<Vec<T>> {
        self.table.remove(peer);
        self.waiting.remove(&peer)
    }

    /// All of them in order of peers, and what has waited for each.
    pub(crate) fn into_all(mut self) -> impl Iterator<Item = (Link, Vec<T>)> {
        self.all().into_iter().map(move |link| (link, self.waiting.remove(&link.peer).unwrap_or_default()))
    }
}

/// A hash table by linear probing, at most three quarters full: as a rule a search ends in the cache line where it begins.
#[derive(Default)]
struct Table {
    /// A power of two, or none.
    slots: Vec<Slot>,
    full: usize,
}

/// Peer, number and whether it is up, in eight bytes. Numbers of links are below 2^31; 0 is no link's.
#[derive(Clone, Copy, Default)]
struct Slot {
    peer: u32,
    number: u32,
}

impl Slot {
    fn of(link: Link) -> Slot {
        Slot { peer: link.peer, number: link.id << 1 | u32::from(link.up) }
    }

    fn is_empty(self) -> bool {
        self.number == 0
    }

    #[inline]
    fn link(self) -> Option<Link> {
        (!self.is_empty()).then_some(Link { peer: self.peer, id: self.number >> 1, up: self.number & 1 == 1 })
    }
}

impl Table {
    /// Where a search for this peer begins.
    #[inline]
    fn home(&self, peer: u32) -> usize {
        (peer.wrapping_mul(0x9e37_79b9) >> 7) as usize & self.slots.len().wrapping_sub(1)
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    #[inline]
    fn find(&self, peer: u32) -> Option<(usize, Slot)> {
        let mut at = self.home(peer);
        loop {
            let slot = *self.slots.get(at)?;
            if slot.is_empty() {
                return None;
            }
            if slot.peer == peer {
                return Some((at, slot));
            }
            at = self.next(at);
        }
    }

    fn set(&mut self, new: Slot) {
        let old = self.find(new.peer).map(|(at, _)| at);
        if let Some(slot) = old.and_then(|at| self.slots.get_mut(at)) {
            *slot = new;
            return;
        }
        if (self.full + 1) * 4 > self.slots.len() * 3 {
            let larger = vec![Slot::default(); (self.slots.len() * 2).max(8)];
            for slot in std::mem::replace(&mut self.slots, larger) {
                if !slot.is_empty() {
                    self.place(slot);
                }
            }
        }
        self.place(new);
        self.full += 1;
    }

    /// Puts what is not there where the search for it will end.
    fn place(&mut self, new: Slot) {
        let mut at = self.home(new.peer);
        while self.slots.get(at).is_some_and(|slot| !slot.is_empty()) {
            at = self.next(at);
        }
        self.slots.get_mut(at).into_iter().for_each(|slot| *slot = new);
    }

    /// What lies behind moves up, unless a search for it begins behind the hole (Knuth, The Art of Computer Programming
    /// 6.4, algorithm R).
    fn remove(&mut self, peer: u32) {
        let Some((mut hole, _)) = self.find(peer) else { return };
        self.full -= 1;
        let mut at = hole;
        loop {
            at = self.next(at);
            let Some(slot) = self.slots.get(at).copied().filter(|slot| !slot.is_empty()) else { break };
            let (home, mask) = (self.home(slot.peer), self.slots.len() - 1);
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.slots.get_mut(hole).into_iter().for_each(|empty| *empty = slot);
                hole = at;
            }
        }
        self.slots.get_mut(hole).into_iter().for_each(|empty| *empty = Slot::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_dial_comes_out_once() {
        let mut links = Links::default();
        links.dial(7, 1, 'a');
        links.dial(3, 2, 'x');
        assert!(links.wait(7, 'b', 2));
        assert!(!links.wait(7, 'c', 2), "there are two");
        assert_eq!(links.get(7), Some(Link { peer: 7, id: 1, up: false }));
        assert_eq!(links.raise(7, 4), ['a', 'b'], "under another number, if theirs was the dial that stands");
        assert_eq!(links.get(7), Some(Link { peer: 7, id: 4, up: true }));
        assert_eq!(links.all().iter().map(|link| link.peer).collect::<Vec<_>>(), [3, 7]);
        assert_eq!((links.remove(7), links.remove(7)), (None, None), "nothing waited");
        assert_eq!(links.remove(3), Some(vec!['x']));
        assert_eq!(links.get(3), None);
        links.dial(5, 6, 'y');
        links.raise(4, 5);
        let all: Vec<_> = links.into_all().map(|(link, waiting)| (link.peer, waiting)).collect();
        assert_eq!(all, [(4, vec![]), (5, vec!['y'])]);
    }

    #[test]
    fn the_table_agrees_with_an_ordered_map() {
        let (mut table, mut map) = (Links::<()>::default(), BTreeMap::new());
        let mut dice = crate::math::Dice::new(1);
        for step in 1..200_000 {
            // Dense and scattered names, growing and shrinking.
            let peer = (dice.below(60) as u32) * if dice.chance(0.5) { 1 } else { 0x0400_0000 };
            if dice.chance(if step % 2_000 < 1_000 { 0.7 } else { 0.3 }) {
                table.raise(peer, step);
                map.insert(peer, step);
            } else {
                table.remove(peer);
                map.remove(&peer);
            }
            let other = dice.below(60) as u32;
            assert_eq!(table.get(other).map(|link| link.id), map.get(&other).copied());
            assert_eq!(table.table.full, map.len());
        }
        let all: Vec<(u32, u32)> = table.all().iter().map(|link| (link.peer, link.id)).collect();
        assert_eq!(all, map.into_iter().collect::<Vec<_>>());
    }
}
