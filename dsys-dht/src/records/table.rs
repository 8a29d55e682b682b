//! The records that a node keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dsys_core::NodeId;

use super::clock::UnixTime;
use super::record::{Checked, Kind, Record, RecordId, Rules, Worth};
use crate::Key;

/// The records that a node keeps, within a budget of bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    held: BTreeMap<RecordId, Held>,
    /// All by their expiry, and again those that are only cached.
    by_expiry: BTreeSet<(UnixTime, RecordId)>,
    cached: BTreeSet<(UnixTime, RecordId)>,
    bytes: usize,
}

/// A record that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) record: Record,
    pub(super) expires: UnixTime,
    /// A copy to shorten the way of others.
    pub(super) cached: bool,
    /// Published here.
    pub(super) own: bool,
}

/// How a record is to be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// For how long, if it does not say so itself.
    pub(super) ttl: Duration,
    pub(super) cached: bool,
    pub(super) own: bool,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is kept; if something changed that a disk should know, `true`.
    Yes(bool),
    /// There is no room.
    Full,
    /// This one stays instead.
    Older(Record),
}

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) providers: usize,
}

/// What a record costs beside its bytes.
const OVERHEAD: usize = 300;

impl Table {
    pub(super) fn get(&self, id: &RecordId, now: UnixTime) -> Option<&Held> {
        self.held.get(id).filter(|held| held.expires > now)
    }

    /// All records of a kind under a key that have not expired.
    pub(super) fn under(&self, key: Key, kind: Kind, now: UnixTime) -> impl Iterator<Item = &Held> {
        let from = RecordId { key, kind, owner: NodeId::from_bytes([0; 32]) };
        let to = RecordId { key, kind, owner: NodeId::from_bytes([255; 32]) };
        self.held.range(from..=to).map(|(_, held)| held).filter(move |held| held.expires > now)
    }

    /// All records from this id on, which is left out.
    pub(super) fn after(&self, id: Option<RecordId>) -> impl Iterator<Item = (&RecordId, &Held)> {
        let from = id.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.held.range((from, std::ops::Bound::Unbounded))
    }

    /// All records around a key, at most so many on each side of it.
    pub(super) fn around(&self, key: Key, most: usize) -> impl Iterator<Item = (&RecordId, &Held)> {
        let from = RecordId { key, kind: Kind::Immutable, owner: NodeId::from_bytes([0; 32]) };
        // The space is a ring, and the last are neighbours of the first.
        let up = self.held.range(from..).chain(self.held.range(..from)).take(most);
        let down = self.held.range(..from).rev().chain(self.held.range(from..).rev()).take(most);
        up.chain(down.take(self.held.len().saturating_sub(most)))
    }

    pub(super) fn contains(&self, id: &RecordId) -> bool {
        self.held.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in a record, if it is worth more than what is there and there is room.
    pub(super) fn put(
        &mut self,
        new: Checked,
        manner: Manner,
        now: UnixTime,
        rules: &Rules,
        bounds: Bounds,
    ) -> Kept {
        let Checked { id, record, expires } = new;
        let ttl = manner.ttl.min(rules.max_ttl);
        let until = if manner.cached { now.after(ttl) } else { expires.unwrap_or(now.after(ttl)) };
        let until = expires.map_or(until, |expires| expires.min(until));
        let mut held = Held { record, expires: until, cached: manner.cached, own: manner.own };
        if let Some(old) = self.get(&id, now) {
            match rules.worth(&held.record, &old.record) {
                Worth::Older => return Kept::Older(old.record.clone()),
                Worth::Newer => {}
                Worth::Same => {
                    held.expires = held.expires.max(old.expires);
                    // What is asked for in earnest is no mere copy any more.
                    held.cached &= old.cached;
                    held.own |= old.own;
                    if held == *old {
                        return Kept::Yes(false);
                    }
                }
            }
        }
        let replaced = self.remove(&id);
        if !self.make_room(&id, &held, bounds, now) {
            // What was there was worth less, but it is better than nothing.
            replaced.into_iter().for_each(|old| self.insert(id, old));
            return Kept::Full;
        }
        let durable = !held.cached;
        self.insert(id, held);
        Kept::Yes(durable)
    }

    /// Puts back what an earlier life had kept.
    pub(super) fn restore(&mut self, id: RecordId, held: Held) {
        self.remove(&id);
        self.insert(id, held);
    }

    pub(super) fn remove(&mut self, id: &RecordId) -> Option<Held> {
        let held = self.held.remove(id)?;
        self.by_expiry.remove(&(held.expires, *id));
        self.cached.remove(&(held.expires, *id));
        self.bytes = self.bytes.saturating_sub(held.record.size() + OVERHEAD);
        Some(held)
    }

    /// Takes out what has expired.
    pub(super) fn expire(&mut self, now: UnixTime) -> Vec<RecordId> {
        let mut gone = Vec::new();
        while let Some(&(expires, id)) = self.by_expiry.first()
            && expires <= now
        {
            self.remove(&id);
            gone.push(id);
        }
        gone
    }

    /// When the next one expires.
    pub(super) fn next_expiry(&self) -> Option<UnixTime> {
        self.by_expiry.first().map(|(expires, _)| *expires)
    }

    /// Our own record from now on, or no more.
    pub(super) fn set_own(&mut self, id: &RecordId, own: bool) {
        if let Some(held) = self.held.get_mut(id) {
            held.own = own;
        }
    }

    fn insert(&mut self, id: RecordId, held: Held) {
        self.bytes += held.record.size() + OVERHEAD;
        self.by_expiry.insert((held.expires, id));
        if held.cached {
            self.cached.insert((held.expires, id));
        }
        self.held.insert(id, held);
    }

    /// Makes room: mere copies go first, and of too many providers the one that expires first.
    fn make_room(&mut self, id: &RecordId, new: &Held, bounds: Bounds, now: UnixTime) -> bool {
        if id.kind == Kind::Provider && self.under(id.key, id.kind, now).count() >= bounds.providers {
            let soonest = self.under(id.key, id.kind, now).filter(|held| !held.own).min_by_key(|h| h.expires);
            let Some(soonest) = soonest.filter(|soonest| soonest.expires < new.expires) else { return false };
            let soonest = soonest.record.id();
            self.remove(&soonest);
        }
        let size = new.record.size() + OVERHEAD;
        while self.bytes + size > bounds.bytes {
            let Some(&(_, copy)) = self.cached.first() else { return false };
            self.remove(&copy);
        }
        true
    }
}
