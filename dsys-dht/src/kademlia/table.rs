//! The routing table (§2.2, §2.4).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Time};

use super::Config;
use super::bucket::Bucket;
use super::contact::Contact;
use super::prefix::Prefix;
use crate::{Distance, Key};

/// The routing table: bucket `i` has the nodes that share exactly the first `i` bits with us, and the last bucket all
/// nearer ones, so it is the one that covers our own place.
#[derive(Clone, Debug)]
pub(super) struct Table {
    me: Key,
    k: usize,
    spares: usize,
    max_failures: u8,
    max_prefix_in_bucket: usize,
    max_prefix_in_table: usize,
    buckets: Vec<Bucket>,
    /// How many contacts each prefix has.
    prefixes: BTreeMap<Prefix, usize>,
}

/// What became of a node that the table was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is in the table already.
    Known,
    /// It would be taken in if it answered: ask it.
    Wanted,
    /// It was kept as a spare. If there is a contact here, it was not heard of for long: ask that one.
    Spare(Option<NodeId>),
    /// It is us, or its network has too many contacts already.
    Refused,
}

impl Table {
    pub(super) fn new(me: NodeId, config: &Config) -> Self {
        Table {
            me: Key::of_node(me),
            k: config.k,
            spares: config.spares,
            max_failures: config.max_failures,
            max_prefix_in_bucket: config.max_prefix_in_bucket,
            max_prefix_in_table: config.max_prefix_in_table,
            buckets: vec![Bucket::default()],
            prefixes: BTreeMap::new(),
        }
    }

    /// A node has answered us. Says whether it is a contact now.
    pub(super) fn answered(&mut self, addr: &NodeAddr, now: Time) -> bool {
        if self.refresh_contact(addr, now) {
            return true;
        }
        if Key::of_node(addr.id) == self.me || !self.admits(addr) {
            return false;
        }
        while self.must_split(addr.id) {
            self.split();
        }
        let (k, spares) = (self.k, self.spares);
        let at = self.place(addr.id);
        let Some(bucket) = self.buckets.get_mut(at) else { return false };
        let contact = Contact::new(addr, now);
        if bucket.contacts.len() >= k {
            // §2.2: whoever still answers stays, and the newcomer waits.
            let Some(gone) = bucket.worst() else {
                bucket.keep_spare(contact, spares);
                return false;
            };
            self.remove(gone);
        }
        let Some(bucket) = self.buckets.get_mut(at) else { return false };
        bucket.remove_spare(addr.id);
        bucket.contacts.push(contact);
        for prefix in Prefix::of_all(addr.direct()) {
            *self.prefixes.entry(prefix).or_default() += 1;
        }
        true
    }

    /// The mean of how long a contact's answers took, in seconds.
    pub(super) fn round_trip(&self, id: NodeId) -> Option<f32> {
        let bucket = self.buckets.get(self.place(id))?;
        bucket.contacts.iter().find(|contact| contact.id == id)?.round_trip
    }

    pub(super) fn set_round_trip(&mut self, id: NodeId, mean: Option<f32>) {
        let at = self.place(id);
        if let Some(contact) = self.buckets.get_mut(at).and_then(|bucket| bucket.contact(id)) {
            contact.round_trip = mean;
        }
    }

    /// Somebody asked us something, or was named as a server: is it worth asking whether it is there?
    pub(super) fn heard(&mut self, addr: &NodeAddr, now: Time, stale: Duration) -> Heard {
        if Key::of_node(addr.id) == self.me {
            return Heard::Refused;
        }
        let (admitted, splits) = (self.admits(addr), self.must_split(addr.id));
        let (k, spares) = (self.k, self.spares);
        let at = self.place(addr.id);
        let Some(bucket) = self.buckets.get_mut(at) else { return Heard::Refused };
        if let Some(contact) = bucket.contact(addr.id) {
            // It has moved, to another port perhaps: its answer will say that it is there.
            let moved = *contact.addrs != *addr.direct() && may_move(&contact.addrs, addr.direct());
            // Or it is back: else lookups would go around it until a refresh, which others may put off for ever.
            let wanted = moved || contact.failures > 0;
            return if wanted { Heard::Wanted } else { Heard::Known };
        }
        if !admitted {
            return Heard::Refused;
        }
        if splits || bucket.contacts.len() < k || bucket.worst().is_some() {
            return Heard::Wanted;
        }
        bucket.keep_spare(Contact::new(addr, now), spares);
        // §2.2: the contact seen longest ago is asked before a newer one may take its place; §4.1: not for each.
        let oldest = bucket.contacts.first().filter(|oldest| now - oldest.seen >= stale);
        Heard::Spare(oldest.map(|oldest| oldest.id))
    }

    /// A node did not answer. If a spare could take its place, that one should be asked.
    pub(super) fn failed(&mut self, id: NodeId) -> Option<NodeAddr> {
        let at = self.place(id);
        let most = self.max_failures;
        let bucket = self.buckets.get_mut(at)?;
        bucket.remove_spare(id);
        let contact = bucket.contact(id)?;
        contact.failures = contact.failures.saturating_add(1);
        let gone = contact.failures >= most;
        // §4.1: the spare seen last is the likeliest to be there.
        let spare = bucket.spares.pop();
        if gone {
            self.remove(id);
        }
        spare.map(|spare| spare.addr())
    }

    /// A contact has shown that it is there, by these addresses and no others.
    pub(super) fn found_at(&mut self, addr: &NodeAddr, now: Time) {
        let round_trip = self.round_trip(addr.id);
        self.remove(addr.id);
        self.answered(addr, now);
        self.set_round_trip(addr.id, round_trip);
    }

    /// A contact is not where it says.
    pub(super) fn expel(&mut self, id: NodeId) {
        self.remove(id);
        let at = self.place(id);
        self.buckets.get_mut(at).into_iter().for_each(|bucket| bucket.remove_spare(id));
    }

    pub(super) fn is_contact(&self, id: NodeId) -> bool {
        let bucket = self.buckets.get(self.place(id));
        bucket.is_some_and(|bucket| bucket.contacts.iter().any(|contact| contact.id == id))
    }

    /// A contact is named to nobody until it has answered again.
    pub(super) fn doubt(&mut self, id: NodeId) {
        let at = self.place(id);
        if let Some(contact) = self.buckets.get_mut(at).and_then(|bucket| bucket.contact(id)) {
            contact.failures = contact.failures.max(1);
        }
    }

    /// The contacts nearest to `key`, the nearest first, at most `most`. Doubtful ones only if there are no others.
    pub(super) fn nearest(&self, key: Key, most: usize) -> Vec<NodeAddr> {
        let mut nearest = self.nearest_in_any_order(key, most);
        nearest.sort_unstable_by_key(|node| Key::of_node(node.id).xor(key));
        nearest
    }

    /// As [`nearest`](Self::nearest), for those who sort for themselves.
    pub(super) fn nearest_in_any_order(&self, key: Key, most: usize) -> Vec<NodeAddr> {
        let sound = self.select(key, most, |contact| contact.failures == 0);
        if sound.is_empty() { self.select(key, most, |_| true) } else { sound }
    }

    fn select(&self, key: Key, most: usize, fits: impl Fn(&Contact) -> bool) -> Vec<NodeAddr> {
        let last = self.buckets.len() - 1;
        let at = self.me.common_prefix(key).min(last);
        // Contacts of bucket `at` share at least one bit more with the key than we do; those of all later buckets share
        // as many as we do; those of earlier buckets ever fewer. So these groups follow each other in distance.
        let groups = [at..at + 1, at + 1..last + 1].into_iter().chain((0..at).rev().map(|at| at..at + 1));
        let mut chosen: Vec<&Contact> = Vec::with_capacity(2 * most);
        for group in groups {
            let start = chosen.len();
            for bucket in self.buckets.get(group).unwrap_or_default() {
                chosen.extend(bucket.contacts.iter().filter(|contact| fits(contact)));
            }
            if chosen.len() > most {
                let group = chosen.get_mut(start..).unwrap_or_default();
                group.sort_unstable_by_key(|contact| Key::of_node(contact.id).xor(key));
            }
            if chosen.len() >= most {
                break;
            }
        }
        chosen.into_iter().take(most).map(Contact::addr).collect()
    }

    /// How far the `k`-th nearest sound contact is from `key`; `None` if there are fewer.
    pub(super) fn kth_nearest(&self, key: Key) -> Option<Distance> {
        let nearest = self.select(key, self.k, |contact| contact.failures == 0);
        let farthest = nearest.iter().map(|node| Key::of_node(node.id).xor(key)).max();
        farthest.filter(|_| nearest.len() == self.k)
    }

    pub(super) fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.buckets.iter().flat_map(|bucket| &bucket.contacts)
    }

    pub(super) fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.contacts.len()).sum()
    }

    pub(super) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    pub(super) fn bucket_len(&self, at: usize) -> usize {
        self.buckets.get(at).map_or(0, |bucket| bucket.contacts.len())
    }

    /// The contacts of a bucket that have failed, or were not heard of for so long.
    pub(super) fn doubtful(&self, bucket: usize, now: Time, silent: Duration) -> Vec<NodeAddr> {
        let contacts = self.buckets.get(bucket).map(|bucket| bucket.contacts.as_slice()).unwrap_or_default();
        let doubtful = contacts.iter().filter(|c| c.failures > 0 || now - c.seen >= silent);
        doubtful.map(Contact::addr).collect()
    }

    /// A key is looked up: its bucket needs no refresh for a while.
    pub(super) fn touch(&mut self, key: Key, now: Time) {
        let at = self.me.common_prefix(key).min(self.buckets.len() - 1);
        if let Some(bucket) = self.buckets.get_mut(at) {
            bucket.touched = now;
        }
    }

    /// The bucket in which nothing was looked up for longest, and since when.
    pub(super) fn idlest(&self) -> (usize, Time) {
        let idlest = self.buckets.iter().enumerate().min_by_key(|(_, bucket)| bucket.touched);
        idlest.map_or((0, Time::ZERO), |(at, bucket)| (at, bucket.touched))
    }

    /// Updates a contact and makes it the one seen last. `false` if it is none.
    fn refresh_contact(&mut self, addr: &NodeAddr, now: Time) -> bool {
        let at = self.place(addr.id);
        let Some(bucket) = self.buckets.get_mut(at) else { return false };
        let Some(mut contact) = bucket.remove(addr.id) else { return false };
        contact.seen = now;
        contact.failures = 0;
        if may_move(&contact.addrs, addr.direct()) {
            contact.addrs = addr.direct().into();
        }
        bucket.contacts.push(contact);
        true
    }

    fn remove(&mut self, id: NodeId) {
        let at = self.place(id);
        let Some(contact) = self.buckets.get_mut(at).and_then(|bucket| bucket.remove(id)) else { return };
        for prefix in Prefix::of_all(&contact.addrs) {
            if let Some(count) = self.prefixes.get_mut(&prefix) {
                *count -= 1;
                if *count == 0 {
                    self.prefixes.remove(&prefix);
                }
            }
        }
    }

    /// Whether the networks of this node have room for one more.
    fn admits(&self, addr: &NodeAddr) -> bool {
        let bucket = self.buckets.get(self.place(addr.id));
        let has = |addrs: &[SocketAddr], prefix| Prefix::of_all(addrs).any(|other| other == prefix);
        Prefix::of_all(addr.direct()).all(|prefix| {
            let in_table = self.prefixes.get(&prefix).copied().unwrap_or(0);
            let mut others = bucket.iter().flat_map(|bucket| &bucket.contacts).filter(|c| c.id != addr.id);
            let in_bucket = others.by_ref().filter(|contact| has(&contact.addrs, prefix)).count();
            in_table < self.max_prefix_in_table && in_bucket < self.max_prefix_in_bucket
        })
    }

    fn place(&self, id: NodeId) -> usize {
        self.me.common_prefix(Key::of_node(id)).min(self.buckets.len() - 1)
    }

    /// §2.4: a full bucket splits if it covers our own place.
    fn must_split(&self, id: NodeId) -> bool {
        let at = self.place(id);
        let full = self.bucket_len(at) >= self.k;
        full && at + 1 == self.buckets.len() && self.buckets.len() < Key::BITS
    }

    fn split(&mut self) {
        let at = self.buckets.len() - 1;
        let me = self.me;
        let Some(bucket) = self.buckets.get_mut(at) else { return };
        let nearer = |contact: &mut Contact| me.common_prefix(Key::of_node(contact.id)) > at;
        let new = Bucket {
            contacts: bucket.contacts.extract_if(.., nearer).collect(),
            spares: bucket.spares.extract_if(.., nearer).collect(),
            touched: bucket.touched,
        };
        self.buckets.push(new);
    }
}

/// Whether a contact may change its addresses as it stands: within its networks. Others count for their limits, so it
/// must be dropped first and taken in anew.
fn may_move(from: &[SocketAddr], to: &[SocketAddr]) -> bool {
    Prefix::of_all(from).eq(Prefix::of_all(to))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
