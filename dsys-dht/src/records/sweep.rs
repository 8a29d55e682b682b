//! Storing many records at once: one search for each region of the space, not one for each record.
//!
//! The records are taken in the order of their keys. Whoever is found responsible for the first of them is so for those
//! beside it, near enough ([`Overlay::alike`]), and is asked to keep them all; then comes the next that is left. With far
//! more records than regions the searches cost next to nothing.

use std::collections::{BTreeMap, VecDeque};

use dsys_core::{Context, NodeAddr, NodeId, Time};

use super::call::About;
use super::command::Event;
use super::get::left;
use super::machine::{OpId, Operation, Records, without};
use super::message::{Ask, Refused, Tell};
use super::record::{Record, RecordId};
use super::report::{PutError, SweepReport};
use super::searches::Searches;
use crate::overlay::{FindError, Overlay, QueryReport};

/// A sweep on its way.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    /// Those whose region was not searched yet.
    left: BTreeMap<RecordId, Record>,
    /// Copies of this region that were not sent yet.
    queue: VecDeque<(NodeId, RecordId)>,
    region: BTreeMap<RecordId, Record>,
    /// Copies on their way.
    waiting: usize,
    /// How many keep each.
    copies: BTreeMap<RecordId, usize>,
    report: SweepReport,
    /// For those responsible for the next that is left, and who was found.
    searches: Searches,
    found: Vec<NodeId>,
    started: Time,
}

/// So many questions of one operation are on their way at once.
pub(super) const WINDOW: usize = 256;

impl<O: Overlay> Records<O> {
    pub(super) fn sweep(&mut self, op: OpId, records: Vec<Record>, cx: &mut Context<'_, Self>) {
        let mut sweep = Sweep {
            left: BTreeMap::new(),
            queue: VecDeque::new(),
            region: BTreeMap::new(),
            waiting: 0,
            copies: BTreeMap::new(),
            report: SweepReport::default(),
            searches: Searches::begun(),
            found: Vec::new(),
            started: cx.now(),
        };
        for record in records {
            sweep.report.records += 1;
            match self.publish_here(record.clone(), None, cx) {
                Ok(id) => {
                    sweep.copies.insert(id, 0);
                    sweep.left.insert(id, record);
                }
                Err(_) => sweep.report.refused += 1,
            }
        }
        self.operations.insert(op, Operation::Sweep(Box::new(sweep)));
        self.sweep_on(op, cx);
    }

    /// Sends what may be sent; searches the next region when this one is done; ends when all are.
    fn sweep_on(&mut self, op: OpId, cx: &mut Context<'_, Self>) {
        loop {
            let Some(Operation::Sweep(sweep)) = self.operations.get_mut(&op) else { return };
            if sweep.waiting >= WINDOW {
                return;
            }
            let Some((peer, id)) = sweep.queue.pop_front() else { break };
            let Some(record) = sweep.region.get(&id).cloned() else { continue };
            sweep.waiting += 1;
            sweep.report.stores += 1;
            let ask = Ask::Store { record, ttl: left(self.config.rules.max_ttl), after: None, cached: false };
            if !self.ask(peer, op, About::Sweep(id), ask, true, cx)
                && let Some(Operation::Sweep(sweep)) = self.operations.get_mut(&op)
            {
                sweep.waiting -= 1;
            }
        }
        let Some(Operation::Sweep(sweep)) = self.operations.get_mut(&op) else { return };
        if sweep.waiting > 0 {
            return;
        }
        sweep.region.clear();
        match sweep.left.first_key_value() {
            Some((id, _)) if !sweep.searches.no_peers => {
                let key = id.key;
                sweep.searches = Searches::begun();
                sweep.report.searches += 1;
                self.search(op, key, cx);
            }
            _ => self.swept(op, cx),
        }
    }

    pub(super) fn sweep_searched(
        &mut self,
        op: OpId,
        found: Result<Vec<NodeAddr>, FindError>,
        report: QueryReport,
        cx: &mut Context<'_, Self>,
    ) {
        let copies = self.overlay.copies();
        let Some(Operation::Sweep(sweep)) = self.operations.get_mut(&op) else { return };
        sweep.report.queried += report.requests;
        sweep.report.timeouts += report.failures;
        let mut found = sweep.searches.ended(found, report, copies);
        let Some((first, _)) = sweep.left.first_key_value() else { return };
        let key = first.key;
        if sweep.searches.are_around() {
            // As far as the record would lie if nobody had chosen an id to be near it.
            let reach = self.overlay.reach();
            found.retain(|node| self.overlay.distance(*node, key) <= reach);
        }
        let around = sweep.searches.around(&self.overlay, key, &found, cx.rng());
        let new = without(&found, &sweep.found.iter().copied().collect());
        sweep.found.extend(new);
        sweep.report.searches += around.len() as u32;
        let over = sweep.searches.are_over();
        around.into_iter().for_each(|key| self.search(op, key, cx));
        if over {
            self.sweep_region(op);
            self.sweep_on(op, cx);
        }
    }

    /// Takes out those that are to lie where the first that is left does, and plans their copies.
    fn sweep_region(&mut self, op: OpId) {
        let Some(Operation::Sweep(sweep)) = self.operations.get_mut(&op) else { return };
        let found = std::mem::take(&mut sweep.found);
        let Some((first, record)) = sweep.left.pop_first() else { return };
        let mut region = BTreeMap::from([(first, record)]);
        // Where ids crowd a key the nodes around it say nothing of its neighbours.
        while !sweep.searches.are_around()
            && let Some(next) = sweep.left.first_entry()
            && self.overlay.alike(first.key, &found, next.key().key)
        {
            let (id, record) = next.remove_entry();
            region.insert(id, record);
        }
        sweep.queue = region.keys().flat_map(|id| found.iter().map(|node| (*node, *id))).collect();
        sweep.region = region;
    }

    /// What a node says of a copy; `None`: nothing.
    pub(super) fn sweep_told(
        &mut self,
        op: OpId,
        peer: NodeId,
        id: RecordId,
        tell: Option<Tell>,
        cx: &mut Context<'_, Self>,
    ) {
        let Some(Operation::Sweep(sweep)) = self.operations.get_mut(&op) else { return };
        sweep.waiting -= 1;
        match tell {
            Some(Tell::Stored) => {
                sweep.report.stored += 1;
                sweep.copies.entry(id).and_modify(|copies| *copies += 1);
            }
            Some(Tell::Refused(Refused::Newer(newer))) => {
                let ours = sweep.region.get(&id).cloned();
                let newer = ours.and_then(|ours| self.shown_newer(peer, &ours, None, *newer, cx));
                if let (Some(newer), Some(Operation::Sweep(sweep))) = (newer, self.operations.get_mut(&op)) {
                    sweep.region.remove(&id);
                    sweep.copies.remove(&id);
                    sweep.report.overtaken += 1;
                    self.give_way(id, newer, cx);
                }
            }
            Some(_) => {}
            None => sweep.report.timeouts += 1,
        }
        self.sweep_on(op, cx);
    }

    fn swept(&mut self, op: OpId, cx: &mut Context<'_, Self>) {
        let Some(Operation::Sweep(sweep)) = self.finish(op, cx) else { return };
        let mut report = sweep.report;
        report.fewest = sweep.copies.values().min().copied().unwrap_or(0);
        report.elapsed = cx.now() - sweep.started;
        for (id, _) in sweep.copies.iter().filter(|(_, copies)| **copies == 0) {
            self.due.insert(*id, cx.now());
        }
        self.lonely |= sweep.searches.no_peers;
        let result = if sweep.searches.no_peers { Err(PutError::NoPeers) } else { Ok(report) };
        if let OpId::App(op) = op {
            cx.emit(Event::Swept { op, result });
        }
    }
}
