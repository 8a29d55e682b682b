//! Storing a record on the nodes responsible for it.
//!
//! The walk and the stores are one: who lies within [`Overlay::reach`] of the key is asked to keep the record in the same
//! message that asks it for nearer nodes. When the walk has ended, only those are left that it had not asked.

use std::collections::BTreeMap;

use dsys_core::{Context, NodeAddr, NodeId, Time};

use super::call::About;
use super::change::Change;
use super::command::Event;
use super::machine::{OpId, Operation, Records, without};
use super::message::{Ask, Refused, Tell};
use super::record::{Checked, Record, RecordId, Worth};
use super::report::{PeerError, PutError, PutReport};
use super::searches::Searches;
use super::table::{Bounds, Kept, Manner};
use crate::Distance;
use crate::overlay::{FindError, Overlay, QueryReport};

/// A put on its way.
#[derive(Clone, Debug)]
pub(super) struct Put {
    record: Record,
    id: RecordId,
    /// Who is asked to keep it as soon as the walk meets them.
    reach: Distance,
    after: Option<u64>,
    pub(super) steps: bool,
    /// Who was asked to keep it.
    copies: BTreeMap<NodeId, Copy>,
    /// Who should have it.
    found: Vec<NodeId>,
    searches: Searches,
    /// A newer version that somebody has.
    newer: Option<Record>,
    report: PutReport,
    started: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    Waiting,
    Stored,
    Refused,
    Failed,
}

impl<O: Overlay> Records<O> {
    pub(super) fn put(
        &mut self,
        op: OpId,
        record: Record,
        after: Option<u64>,
        steps: bool,
        cx: &mut Context<'_, Self>,
    ) {
        let id = match self.publish_here(record.clone(), after, cx) {
            Ok(id) => id,
            Err(error) => return self.put_ended(op, Err(error), cx),
        };
        let put = Put {
            record,
            id,
            reach: self.overlay.reach(),
            after,
            steps,
            copies: BTreeMap::new(),
            found: Vec::new(),
            searches: Searches::begun(),
            newer: None,
            report: PutReport::default(),
            started: cx.now(),
        };
        self.operations.insert(op, Operation::Put(Box::new(put)));
        self.search(op, id.key, cx);
    }

    /// Checks a record of our own, keeps it here, whoever else does, and plans to publish it again.
    pub(super) fn publish_here(
        &mut self,
        record: Record,
        after: Option<u64>,
        cx: &mut Context<'_, Self>,
    ) -> Result<RecordId, PutError> {
        let checked = self.config.rules.checked(record, self.now(cx))?;
        let id = checked.id;
        self.keep_own(checked, after, cx)?;
        self.due.insert(id, cx.now() + self.config.republish);
        Ok(id)
    }

    fn keep_own(
        &mut self,
        checked: Checked,
        after: Option<u64>,
        cx: &mut Context<'_, Self>,
    ) -> Result<(), PutError> {
        let now = self.now(cx);
        if let (Some(after), Some(held)) = (after, self.table.get(&checked.id, now))
            && let Some(seq) = held.record.seq()
            && seq > after
        {
            return Err(PutError::Conflict { seq });
        }
        let manner = Manner { ttl: self.config.rules.max_ttl, cached: false, own: true };
        match self.keep(checked, manner, cx) {
            Kept::Yes(_) => Ok(()),
            Kept::Full => Err(PutError::Full),
            Kept::Older(newer) => Err(PutError::Conflict { seq: newer.seq().unwrap_or(0) }),
        }
    }

    /// Keeps a record, and writes that down.
    pub(super) fn keep(&mut self, checked: Checked, manner: Manner, cx: &mut Context<'_, Self>) -> Kept {
        let (id, now) = (checked.id, self.now(cx));
        self.forget_expired(cx);
        let bounds = Bounds { bytes: self.config.max_bytes, providers: self.config.max_providers };
        let kept = self.table.put(checked, manner, now, &self.config.rules, bounds);
        if let (Kept::Yes(true), Some(held)) = (&kept, self.table.get(&id, now)) {
            let change = Change::Keep { record: held.record.clone(), expires: held.expires, own: held.own };
            self.write(&change, cx);
        }
        kept
    }

    /// The overlay asks a node on the way: if it lies near the key it is asked to keep the record too.
    pub(super) fn put_asked(&mut self, op: OpId, peer: NodeId, cx: &mut Context<'_, Self>) {
        let Some(Operation::Put(put)) = self.operations.get(&op) else { return };
        if self.overlay.distance(peer, put.id.key) <= put.reach {
            self.store_on(op, peer, cx);
        }
    }

    fn store_on(&mut self, op: OpId, peer: NodeId, cx: &mut Context<'_, Self>) {
        let Some(Operation::Put(put)) = self.operations.get_mut(&op) else { return };
        if put.copies.contains_key(&peer) {
            return;
        }
        put.copies.insert(peer, Copy::Waiting);
        let ttl = u32::try_from(self.config.rules.max_ttl.as_secs()).unwrap_or(u32::MAX);
        let ask = Ask::Store { record: put.record.clone(), ttl, after: put.after, cached: false };
        if !self.ask(peer, op, About::Store, ask, true, cx) {
            self.copy(op, peer, Copy::Failed);
        }
    }

    fn copy(&mut self, op: OpId, peer: NodeId, copy: Copy) {
        if let Some(Operation::Put(put)) = self.operations.get_mut(&op) {
            put.copies.insert(peer, copy);
        }
    }

    pub(super) fn put_searched(
        &mut self,
        op: OpId,
        found: Result<Vec<NodeAddr>, FindError>,
        report: QueryReport,
        cx: &mut Context<'_, Self>,
    ) {
        let copies = self.overlay.copies();
        let Some(Operation::Put(put)) = self.operations.get_mut(&op) else { return };
        let key = put.id.key;
        let mut found = put.searches.ended(found, report, copies);
        if put.searches.are_around() {
            // As far as a record would lie if nobody had chosen an id to be near it.
            found.retain(|node| self.overlay.distance(*node, key) <= put.reach);
        }
        let around = put.searches.around(&self.overlay, key, &found, cx.rng());
        let new = without(&found, &put.found.iter().copied().collect());
        put.found.extend(&new);
        put.report.queried += new.iter().filter(|node| !put.copies.contains_key(node)).count() as u32;
        for node in new {
            self.store_on(op, node, cx);
        }
        for key in around {
            self.search(op, key, cx);
        }
        self.put_settled(op, cx);
    }

    pub(super) fn put_told(&mut self, op: OpId, peer: NodeId, tell: Tell, cx: &mut Context<'_, Self>) {
        let Some(Operation::Put(put)) = self.operations.get(&op) else { return };
        let copy = match tell {
            Tell::Stored => Copy::Stored,
            Tell::Refused(Refused::Newer(newer)) => {
                let (ours, after) = (put.record.clone(), put.after);
                let newer = self.shown_newer(peer, &ours, after, *newer, cx);
                let rules = &self.config.rules;
                if let (Some(newer), Some(Operation::Put(put))) = (newer, self.operations.get_mut(&op))
                    && put.newer.as_ref().is_none_or(|known| rules.worth(&newer, known) == Worth::Newer)
                {
                    put.newer = Some(newer);
                }
                Copy::Refused
            }
            Tell::Refused(_) | Tell::Found(_) | Tell::Wanted(_) => Copy::Refused,
        };
        self.copy(op, peer, copy);
        self.put_settled(op, cx);
    }

    /// A peer says that there is a newer version than ours. That is believed if it shows it.
    pub(super) fn shown_newer(
        &mut self,
        peer: NodeId,
        ours: &Record,
        after: Option<u64>,
        newer: Record,
        cx: &mut Context<'_, Self>,
    ) -> Option<Record> {
        let now = self.now(cx);
        let checked = self.config.rules.checked(newer, now).ok()?;
        let overtaken = after.is_some_and(|after| checked.record.seq().is_some_and(|seq| seq > after));
        let newer = overtaken || self.config.rules.worth(ours, &checked.record) == Worth::Older;
        if checked.id == ours.id() && newer {
            return Some(checked.record);
        }
        self.violation(peer, PeerError::WrongRecord, cx);
        None
    }

    pub(super) fn put_failed(&mut self, op: OpId, peer: NodeId, cx: &mut Context<'_, Self>) {
        if let Some(Operation::Put(put)) = self.operations.get_mut(&op) {
            put.report.timeouts += u32::from(put.found.contains(&peer));
        }
        self.copy(op, peer, Copy::Failed);
        self.put_settled(op, cx);
    }

    /// Ends a put when all who should have the record have said something.
    fn put_settled(&mut self, op: OpId, cx: &mut Context<'_, Self>) {
        let Some(Operation::Put(put)) = self.operations.get_mut(&op) else { return };
        let waiting = put.found.iter().any(|node| put.copies.get(node) == Some(&Copy::Waiting));
        if !put.searches.are_over() || waiting {
            return;
        }
        let mut report = put.report;
        report.queried += put.searches.requests;
        report.timeouts += put.searches.failures;
        report.hops = put.searches.hops;
        report.stored_on =
            put.found.iter().filter(|node| put.copies.get(node) == Some(&Copy::Stored)).count();
        report.of = put.found.len();
        report.elapsed = cx.now() - put.started;
        let (id, queried, timeouts) = (put.id, report.queried, report.timeouts);
        let newer = put.newer.take();
        let result = match (&newer, put.searches.no_peers, report.stored_on) {
            (Some(newer), ..) => Err(PutError::Conflict { seq: newer.seq().unwrap_or(0) }),
            (None, true, 0) => Err(PutError::NoPeers),
            (None, false, 0) => Err(PutError::NobodyStored { queried, timeouts }),
            _ => Ok(report),
        };
        if matches!(result, Err(PutError::NoPeers | PutError::NobodyStored { .. })) {
            self.due.insert(id, cx.now());
            self.lonely |= result == Err(PutError::NoPeers);
        }
        if let Some(newer) = newer {
            self.give_way(id, newer, cx);
        }
        self.put_ended(op, result, cx);
    }

    /// Another version than ours counts now.
    pub(super) fn give_way(&mut self, id: RecordId, newer: Record, cx: &mut Context<'_, Self>) {
        self.due.remove(&id);
        self.table.remove(&id);
        let now = self.now(cx);
        if let Ok(checked) = self.config.rules.checked(newer, now) {
            let manner = Manner { ttl: self.config.rules.max_ttl, cached: false, own: false };
            self.keep(checked, manner, cx);
        }
    }

    fn put_ended(&mut self, op: OpId, result: Result<PutReport, PutError>, cx: &mut Context<'_, Self>) {
        self.finish(op, cx);
        if let OpId::App(op) = op {
            cx.emit(Event::Put { op, result });
        }
    }
}
