//! Finding many immutable records at once: one search for each region of the space, then each record is asked of those
//! who were found there, the nearest first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dsys_core::{Context, NodeAddr, NodeId, Time};

use super::call::About;
use super::command::Event;
use super::machine::{OpId, Operation, Records};
use super::message::{Ask, Tell};
use super::record::{Checked, Invalid, Kind, Record};
use super::report::{BulkReport, GetError, GotMany, PeerError};
use super::sweep::WINDOW;
use crate::Key;
use crate::overlay::{FindError, Overlay, QueryId, QueryReport};

/// A bulk get on its way.
#[derive(Clone, Debug)]
pub(super) struct Bulk {
    /// Those whose region was not searched yet.
    left: BTreeSet<Key>,
    /// Of this region: whom to ask next, the nearest first.
    region: BTreeMap<Key, VecDeque<NodeId>>,
    /// Those of the region that may be asked for now.
    ready: VecDeque<Key>,
    /// Questions on their way.
    waiting: usize,
    found: BTreeMap<Key, Record>,
    missing: Vec<Key>,
    report: BulkReport,
    no_peers: bool,
    started: Time,
}

/// So many nodes are asked for a record before it counts as missing.
const TRIES: usize = 4;

impl<O: Overlay> Records<O> {
    pub(super) fn bulk(&mut self, name: QueryId, keys: Vec<Key>, cx: &mut Context<'_, Self>) {
        let mut bulk = Bulk {
            left: BTreeSet::new(),
            region: BTreeMap::new(),
            ready: VecDeque::new(),
            waiting: 0,
            found: BTreeMap::new(),
            missing: Vec::new(),
            report: BulkReport::default(),
            no_peers: false,
            started: cx.now(),
        };
        let now = self.now(cx);
        for key in keys {
            match self.table.under(key, Kind::Immutable, now).next() {
                Some(held) => drop(bulk.found.insert(key, held.record.clone())),
                None => drop(bulk.left.insert(key)),
            }
        }
        self.operations.insert(OpId::App(name), Operation::Bulk(Box::new(bulk)));
        self.bulk_on(OpId::App(name), cx);
    }

    /// Asks whom it may ask; searches the next region when this one is done; ends when all are.
    fn bulk_on(&mut self, op: OpId, cx: &mut Context<'_, Self>) {
        loop {
            let Some(Operation::Bulk(bulk)) = self.operations.get_mut(&op) else { return };
            if bulk.waiting >= WINDOW {
                return;
            }
            let Some(key) = bulk.ready.pop_front() else { break };
            let Some(peer) = bulk.region.get_mut(&key).and_then(VecDeque::pop_front) else {
                bulk.region.remove(&key);
                bulk.missing.push(key);
                continue;
            };
            bulk.waiting += 1;
            bulk.report.queried += 1;
            let ask = Ask::Get { key, kind: Kind::Immutable };
            if !self.ask(peer, op, About::Bulk(key), ask, true, cx) {
                return self.bulk_told(op, peer, key, None, cx);
            }
        }
        let Some(Operation::Bulk(bulk)) = self.operations.get_mut(&op) else { return };
        if bulk.waiting > 0 {
            return;
        }
        match bulk.left.first().copied() {
            Some(key) if !bulk.no_peers => {
                bulk.report.searches += 1;
                self.search(op, key, cx);
            }
            _ => self.bulk_ended(op, cx),
        }
    }

    pub(super) fn bulk_searched(
        &mut self,
        op: OpId,
        found: Result<Vec<NodeAddr>, FindError>,
        report: QueryReport,
        cx: &mut Context<'_, Self>,
    ) {
        let Some(Operation::Bulk(bulk)) = self.operations.get_mut(&op) else { return };
        bulk.report.queried += report.requests;
        bulk.report.timeouts += report.failures;
        bulk.no_peers |= found == Err(FindError::NoPeers);
        let found: Vec<NodeId> = found.unwrap_or_default().into_iter().map(|node| node.id).collect();
        if let Some(first) = bulk.left.first().copied().filter(|_| !bulk.no_peers) {
            while let Some(key) = bulk.left.first().copied()
                && (key == first || self.overlay.alike(first, &found, key))
            {
                bulk.left.remove(&key);
                let mut holders = found.clone();
                holders.sort_by_key(|node| self.overlay.distance(*node, key));
                holders.truncate(TRIES);
                bulk.region.insert(key, holders.into());
                bulk.ready.push_back(key);
            }
        }
        self.bulk_on(op, cx);
    }

    /// What a node has under a key; `None` if it did not say.
    pub(super) fn bulk_told(
        &mut self,
        op: OpId,
        peer: NodeId,
        key: Key,
        tell: Option<Tell>,
        cx: &mut Context<'_, Self>,
    ) {
        let now = self.now(cx);
        let Some(Operation::Bulk(bulk)) = self.operations.get_mut(&op) else { return };
        bulk.waiting -= 1;
        bulk.report.timeouts += u32::from(tell.is_none());
        let first = match tell {
            Some(Tell::Found(found)) => found.into_vec().into_iter().next(),
            _ => None,
        };
        match first.map(|(record, _)| self.config.rules.checked(record, now)) {
            Some(Ok(Checked { id, record, .. })) if id.key == key && id.kind == Kind::Immutable => {
                bulk.region.remove(&key);
                bulk.found.insert(key, record);
            }
            lie => {
                bulk.ready.push_back(key);
                match lie {
                    Some(Ok(_)) => self.violation(peer, PeerError::WrongRecord, cx),
                    Some(Err(Invalid::Forged)) => self.violation(peer, PeerError::Forged, cx),
                    Some(Err(_)) | None => {}
                }
            }
        }
        self.bulk_on(op, cx);
    }

    fn bulk_ended(&mut self, op: OpId, cx: &mut Context<'_, Self>) {
        let (Some(Operation::Bulk(bulk)), OpId::App(name)) = (self.finish(op, cx), op) else { return };
        let mut report = bulk.report;
        report.elapsed = cx.now() - bulk.started;
        let mut missing = bulk.missing;
        missing.extend(bulk.left);
        let result = match bulk.no_peers && bulk.found.is_empty() {
            true => Err(GetError::NoPeers),
            false => Ok(GotMany { found: bulk.found, missing, report }),
        };
        cx.emit(Event::Bulk { op: name, result });
    }
}
