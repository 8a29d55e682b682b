//! The way to a key: ever nearer nodes that come before it, until one says who owns it; then those are asked.

use std::collections::VecDeque;

use dsys_core::{NodeAddr, NodeId, Time};

use super::message::Ask;
use super::place::Place;
use super::virtual_node::Purpose;
use crate::{Distance, Key, QueryId, QueryReport};

/// A walk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Walk {
    pub(super) key: Key,
    pub(super) purpose: Purpose,
    /// Places that come before the key, the nearest first, with their hop.
    ahead: Vec<(Distance, Place, u32)>,
    /// Places asked before, each of which is asked once.
    asked: Vec<Key>,
    /// The owner, and those responsible with it, that were not yet asked.
    owners: VecDeque<Place>,
    /// Whose places among them were asked.
    owners_asked: Vec<NodeId>,
    /// Those of them that answered.
    confirmed: Vec<Place>,
    /// So many more of them are asked whether it is really theirs.
    checks: usize,
    redirects: u32,
    /// So many questions are on their way.
    pub(super) waiting: usize,
    /// Who named the owners.
    pub(super) last: Option<Place>,
    /// The nearest before the key that answered, and its hop, if its successors were not asked for yet. When all it named
    /// as nearer are gone, it comes right before the key.
    best: Option<(Place, u32)>,
    nearest: Option<Distance>,
    /// Its successors at and behind the key.
    behind: Vec<Place>,
    led: bool,
    hop: u32,
    pub(super) report: QueryReport,
    pub(super) started: Time,
}

/// Nodes remembered on the way.
const AHEAD: usize = 64;
/// Owners asked at once.
const ALPHA: usize = 3;
/// A walk is sent on to another owner at most so often.
const REDIRECTS: u32 = 4;

impl Walk {
    pub(super) fn new(key: Key, purpose: Purpose, now: Time) -> Self {
        Walk {
            key,
            purpose,
            ahead: Vec::new(),
            asked: Vec::new(),
            owners: VecDeque::new(),
            owners_asked: Vec::new(),
            confirmed: Vec::new(),
            checks: 1,
            redirects: 0,
            waiting: 0,
            last: None,
            best: None,
            nearest: None,
            behind: Vec::new(),
            led: false,
            hop: 0,
            report: QueryReport::default(),
            started: now,
        }
    }

    /// Places on the way.
    pub(super) fn add(&mut self, places: Vec<Place>, hop: u32) -> u32 {
        let mut new = 0;
        for place in places {
            let distance = place.key().clockwise(self.key);
            let Err(at) = self.ahead.binary_search_by_key(&distance, |(distance, ..)| *distance) else {
                continue;
            };
            if !self.asked.contains(&place.key()) {
                self.ahead.insert(at, (distance, place, hop));
                new += 1;
            }
        }
        self.ahead.truncate(AHEAD);
        new
    }

    /// The way has ended: these own the key.
    pub(super) fn lead(&mut self, owners: Vec<Place>, hop: u32) {
        self.led = true;
        self.hop = hop;
        self.owners = owners.into();
        self.ahead.clear();
    }

    pub(super) fn owners(&self) -> Vec<Place> {
        self.owners.iter().cloned().collect()
    }

    pub(super) fn has_led(&self) -> bool {
        self.led
    }

    /// One before the key has answered.
    pub(super) fn passed(&mut self, peer: &Place, hop: u32) {
        let distance = peer.key().clockwise(self.key);
        if self.nearest.is_none_or(|nearest| distance < nearest) {
            self.nearest = Some(distance);
            self.best = Some((peer.clone(), hop));
            self.behind.clear();
        }
    }

    /// Successors, at and behind the key, of whoever may come right before it.
    pub(super) fn set_behind(&mut self, behind: Vec<Place>) {
        self.behind = behind;
    }

    /// Whom to ask what next, whether as one of the owners, and its hop. On the way one after the other.
    pub(super) fn next(&mut self) -> Option<(Place, Ask, bool, u32)> {
        // Whoever lies farther back than a node that has answered would only lead there again.
        let nearer =
            |(distance, ..): &(Distance, _, _)| self.nearest.is_none_or(|nearest| *distance < nearest);
        let stuck = !self.led && self.waiting == 0 && !self.ahead.first().is_some_and(nearer);
        if stuck && !self.behind.is_empty() {
            let behind = std::mem::take(&mut self.behind);
            self.lead(behind, self.hop.max(1));
        } else if stuck && let Some((best, hop)) = self.best.take() {
            self.waiting += 1;
            self.last = Some(best.clone());
            self.hop = hop + 1;
            return Some((best, Ask::Neighbours, false, hop));
        }
        if self.led {
            if self.waiting >= ALPHA || !matches!(self.purpose, Purpose::App { .. }) {
                return None;
            }
            // The owner itself is asked; those behind it keep copies, one a node.
            let checks = self.checks > 0;
            let asked = |owner: &Place| self.owners_asked.contains(&owner.id());
            while !checks && self.owners.front().is_some_and(asked) {
                self.owners.pop_front();
            }
            let owner = self.owners.pop_front()?;
            self.owners_asked.push(owner.id());
            self.waiting += 1;
            self.checks = self.checks.saturating_sub(1);
            let ask = if checks { Ask::Owns(self.key) } else { Ask::Ping };
            return Some((owner, ask, true, self.hop));
        }
        if self.waiting > 0 || self.ahead.is_empty() {
            return None;
        }
        let (_, place, hop) = self.ahead.remove(0);
        self.asked.push(place.key());
        self.waiting += 1;
        Some((place, Ask::Way(self.key), false, hop))
    }

    /// Whether the app has asked for it under this name.
    pub(super) fn is_for(&self, name: QueryId) -> bool {
        matches!(self.purpose, Purpose::App { query, .. } if query == name)
    }

    pub(super) fn confirmed(&mut self, owner: Place) {
        self.confirmed.push(owner);
    }

    /// One of the owners names another in its place, which must be nearer. So nodes that have just joined are asked
    /// before those who lead to them know of them.
    pub(super) fn redirect(&mut self, by: &Place, to: Place) -> bool {
        let behind = |place: &Place| self.key.clockwise(place.key());
        let nearer = behind(&to) < behind(by);
        let known = |place: &Place| place.key() == to.key();
        if !nearer || self.redirects >= REDIRECTS || self.owners.iter().chain(&self.confirmed).any(known) {
            return false;
        }
        self.redirects += 1;
        self.checks += 1;
        self.owners.push_front(to);
        true
    }

    pub(super) fn is_done(&self) -> bool {
        let asks_owners = self.led && matches!(self.purpose, Purpose::App { .. });
        let led = self.led || self.best.is_none() && self.behind.is_empty();
        self.waiting == 0 && self.ahead.is_empty() && led && (!asks_owners || self.owners.is_empty())
    }

    /// The responsible nodes that answered, the owner first and `me` not among them; and what it cost.
    pub(super) fn finish(mut self, me: NodeId, now: Time) -> (Vec<NodeAddr>, QueryReport) {
        let key = self.key;
        self.confirmed.sort_by_key(|owner| key.clockwise(owner.key()));
        let mut found: Vec<NodeAddr> = Vec::with_capacity(self.confirmed.len());
        for owner in self.confirmed {
            if owner.id() != me && found.iter().all(|other| other.id != owner.id()) {
                found.push(owner.node().clone());
            }
        }
        self.report.hops = self.hop;
        self.report.elapsed = now - self.started;
        (found, self.report)
    }
}
