//! Keeping records where they belong while nodes come and go: offers, republishing, expiry, and the hand-over of a node
//! that leaves.
//!
//! Nodes offer the ids of what they keep, many in one message, and send only what is wanted. So the usual round, in
//! which nothing is missing, costs one small message for each neighbour.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dsys_core::{Context, NodeId};

use super::call::About;
use super::change::Change;
use super::clock::UnixTime;
use super::command::Event;
use super::get::left;
use super::holder::version;
use super::machine::{OpId, Operation, Records, Timer};
use super::message::{Ask, MAX_OFFERED, Offered, Tell};
use super::record::{Record, RecordId};
use super::report::LeaveReport;
use crate::Key;
use crate::overlay::{Overlay, QueryId};

/// A leave on its way.
#[derive(Clone, Debug)]
pub(super) struct Leave {
    of: Vec<(RecordId, u64)>,
    handed: BTreeSet<RecordId>,
    /// Who did not answer.
    failed: BTreeSet<NodeId>,
    /// So many more times others are tried in their place.
    tries: u8,
}

/// Records offered in one round; the next follows a second later.
const ROUND: usize = 1_024;
/// So many of those next to a new node are asked for what it should keep.
const PULLED: usize = 2;
/// So many new nodes are given what they should keep in the time of one repair, each once.
const MAX_PULLS: usize = 256;
/// So many of our own records are published again by a sweep, fewer one by one.
const SWEPT: usize = 16;
/// A node that leaves tries other nodes so often in place of those that do not answer.
const TRIES: u8 = 4;

impl<O: Overlay> Records<O> {
    /// Plans the next upkeep, with a random tenth, so that nodes that began together do not stay together.
    pub(super) fn plan_upkeep(&self, cx: &mut Context<'_, Self>) {
        let most = u64::try_from(self.config.repair.as_micros()).unwrap_or(u64::MAX) / 10;
        let part = Duration::from_micros(cx.rng().below(most));
        cx.set_timer(Timer::Upkeep, self.config.repair + part);
    }

    pub(super) fn upkeep(&mut self, cx: &mut Context<'_, Self>) {
        self.forget_expired(cx);
        if self.leaving {
            return;
        }
        if self.swept.is_none() {
            self.publish_due(cx);
            if self.config.durable {
                let contacts = self.overlay.contacts(cx.now());
                self.write(&Change::Contacts(contacts), cx);
            }
        }
        let round: Vec<RecordId> = self.table.after(self.swept).take(ROUND).map(|(id, _)| *id).collect();
        self.swept = round.last().filter(|_| round.len() == ROUND).copied();
        let kept = self.entrusted(&round);
        self.offer(OpId::Repair, &kept, &BTreeSet::new(), cx);
        match self.swept {
            Some(_) => cx.set_timer(Timer::Upkeep, Duration::from_secs(1)),
            None => self.plan_upkeep(cx),
        }
    }

    pub(super) fn forget_expired(&mut self, cx: &mut Context<'_, Self>) {
        let now = self.now(cx);
        if self.table.next_expiry().is_none_or(|next| next > now) {
            return;
        }
        for id in self.table.expire(now) {
            self.due.remove(&id);
            self.write(&Change::Remove(id), cx);
        }
    }

    /// Publishes again what is due of our own, and asks for new signatures.
    pub(super) fn publish_due(&mut self, cx: &mut Context<'_, Self>) {
        let now = cx.now();
        let due: Vec<RecordId> = self.due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        let mut many = Vec::new();
        for id in due {
            let wall = self.now(cx);
            let Some(held) = self.table.get(&id, wall) else { continue };
            let (record, left) = (held.record.clone(), held.expires.since(wall));
            if matches!(record, Record::Provider(_)) && left < self.config.rules.max_ttl / 2 {
                cx.emit(Event::Renew(id));
            }
            many.push((id, record));
        }
        if many.len() >= SWEPT {
            // One at a time; what becomes due meanwhile waits for the next round.
            if !self.operations.contains_key(&OpId::Republish) {
                self.sweep(OpId::Republish, many.into_iter().map(|(_, record)| record).collect(), cx);
            }
            return;
        }
        for (id, record) in many {
            let room = self.operations.len() < self.config.max_operations;
            if room && !self.operations.contains_key(&OpId::Own(id)) {
                self.put(OpId::Own(id), record, None, false, cx);
            }
        }
    }

    /// Those of these records for which we are responsible as far as we know, with their versions. Whoever is far from
    /// a key does not know who else is; what it has published there it publishes again.
    fn entrusted(&self, ids: &[RecordId]) -> Vec<(RecordId, u64)> {
        let (me, copies) = (self.overlay.me(), self.overlay.copies());
        let is_ours = |key| {
            let nearest = self.overlay.nearest(key, copies);
            let last = nearest.last().map(|last| self.overlay.distance(last.id, key));
            nearest.len() < copies || last.is_some_and(|last| self.overlay.distance(me, key) < last)
        };
        let kept = ids.iter().filter_map(|id| Some((*id, self.table.get(id, UnixTime(0))?)));
        let kept = kept.filter(|(id, held)| !held.cached && is_ours(id.key));
        kept.map(|(id, held)| (id, version(&held.record))).collect()
    }

    /// Offers records to the nodes that should have them, as far as we know.
    fn offer(
        &mut self,
        op: OpId,
        records: &[(RecordId, u64)],
        failed: &BTreeSet<NodeId>,
        cx: &mut Context<'_, Self>,
    ) {
        let copies = self.overlay.copies();
        let mut offers: BTreeMap<NodeId, Vec<Offered>> = BTreeMap::new();
        for &(id, version) in records {
            let nearest = self.overlay.nearest(id.key, copies + failed.len());
            for node in nearest.into_iter().filter(|node| !failed.contains(&node.id)).take(copies) {
                offers.entry(node.id).or_default().push(Offered { id, version });
            }
        }
        for (peer, offered) in offers {
            for offered in offered.chunks(MAX_OFFERED) {
                let ask = Ask::Offer(offered.to_vec().into());
                self.ask(peer, op, About::Offer(offered.to_vec()), ask, true, cx);
            }
        }
    }

    /// A node that has joined does not wait for repair: it asks those next to it for what it should keep.
    pub(super) fn pull(&mut self, cx: &mut Context<'_, Self>) {
        if !self.overlay.serves() {
            return;
        }
        let here = Key::of_node(self.overlay.me());
        for node in self.overlay.nearest(here, PULLED) {
            self.ask(node.id, OpId::Repair, About::Pull, Ask::Pull, true, cx);
        }
    }

    /// A node that has joined asks for what it should keep, which lies around it.
    pub(super) fn pulled(&mut self, from: NodeId, cx: &mut Context<'_, Self>) {
        if self.leaving || !self.pulls.admits(from, MAX_PULLS, self.config.repair, cx.now()) {
            return;
        }
        let copies = self.overlay.copies();
        let is_theirs = |key| {
            let nearest = self.overlay.nearest(key, copies);
            let last = nearest.last().map(|last| self.overlay.distance(last.id, key));
            nearest.len() < copies || last.is_some_and(|last| self.overlay.distance(from, key) <= last)
        };
        let kept = self
            .table
            .around(Key::of_node(from), ROUND)
            .filter(|(id, held)| !held.cached && is_theirs(id.key));
        let offered: Vec<Offered> =
            kept.map(|(id, held)| Offered { id: *id, version: version(&held.record) }).collect();
        for offered in offered.chunks(MAX_OFFERED) {
            let ask = Ask::Offer(offered.to_vec().into());
            self.ask(from, OpId::Repair, About::Offer(offered.to_vec()), ask, true, cx);
        }
    }

    /// A node says what it wants of what we offered. The rest it has.
    pub(super) fn offer_told(
        &mut self,
        op: OpId,
        peer: NodeId,
        offered: &[Offered],
        tell: Tell,
        cx: &mut Context<'_, Self>,
    ) {
        let Tell::Wanted(wanted) = tell else { return self.offer_failed(op, peer, cx) };
        let wanted: BTreeSet<usize> = wanted.iter().map(|at| usize::from(*at)).collect();
        let now = self.now(cx);
        for (at, Offered { id, .. }) in offered.iter().enumerate() {
            if !wanted.contains(&at) {
                self.handed(op, *id);
                continue;
            }
            let Some(held) = self.table.get(id, now) else { continue };
            let ttl = left(held.expires.since(now));
            let ask = Ask::Store { record: held.record.clone(), ttl, after: None, cached: false };
            self.ask(peer, op, About::HandOver(*id), ask, true, cx);
        }
        self.leave_settled(op, cx);
    }

    pub(super) fn hand_over_told(
        &mut self,
        op: OpId,
        peer: NodeId,
        id: RecordId,
        tell: &Tell,
        cx: &mut Context<'_, Self>,
    ) {
        if *tell != Tell::Stored {
            return self.offer_failed(op, peer, cx);
        }
        self.stats.repaired += 1;
        self.handed(op, id);
        self.leave_settled(op, cx);
    }

    /// Hands everything over; from now on nothing is stored here.
    pub(super) fn leave(&mut self, op: QueryId, cx: &mut Context<'_, Self>) {
        self.leaving = true;
        self.forget_expired(cx);
        // All of them: those who are nearer may be gone already, and we would learn it too late.
        let kept = self.table.after(None).filter(|(_, held)| !held.cached);
        let kept: Vec<(RecordId, u64)> = kept.map(|(id, held)| (*id, version(&held.record))).collect();
        self.offer(OpId::App(op), &kept, &BTreeSet::new(), cx);
        let leave = Leave { of: kept, handed: BTreeSet::new(), failed: BTreeSet::new(), tries: TRIES };
        self.operations.insert(OpId::App(op), Operation::Leave(leave));
        self.leave_settled(OpId::App(op), cx);
    }

    pub(super) fn offer_failed(&mut self, op: OpId, peer: NodeId, cx: &mut Context<'_, Self>) {
        if let Some(Operation::Leave(leave)) = self.operations.get_mut(&op) {
            leave.failed.insert(peer);
        }
        self.leave_settled(op, cx);
    }

    fn handed(&mut self, op: OpId, id: RecordId) {
        if let Some(Operation::Leave(leave)) = self.operations.get_mut(&op) {
            leave.handed.insert(id);
        }
    }

    /// Ends a leave when nothing is on its way any more, or tries others in place of those that did not answer.
    pub(super) fn leave_settled(&mut self, op: OpId, cx: &mut Context<'_, Self>) {
        if self.calls.any(op) {
            return;
        }
        let (Some(Operation::Leave(leave)), OpId::App(name)) = (self.operations.get_mut(&op), op) else {
            return;
        };
        let left = leave.of.iter().filter(|(id, _)| !leave.handed.contains(id)).copied();
        let left: Vec<(RecordId, u64)> = left.collect();
        if !left.is_empty() && !leave.failed.is_empty() && leave.tries > 0 {
            leave.tries -= 1;
            let failed = leave.failed.clone();
            self.offer(op, &left, &failed, cx);
            if self.calls.any(op) {
                return;
            }
        }
        let Some(Operation::Leave(leave)) = self.finish(op, cx) else { return };
        let report = LeaveReport { handed: leave.handed.len(), of: leave.of.len() };
        cx.emit(Event::Left(name, report));
    }
}
