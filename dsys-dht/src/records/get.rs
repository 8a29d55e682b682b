//! Finding a record.
//!
//! Each question of the walk carries ours, so a get needs no requests of its own, and ends where it finds.

use std::collections::BTreeSet;
use std::time::Duration;

use dsys_core::{Context, NodeAddr, NodeId, Time};

use super::call::About;
use super::command::Event;
use super::machine::{OpId, Operation, Records};
use super::message::{Ask, Tell};
use super::record::{Checked, Invalid, Kind, Record, Worth};
use super::report::{GetError, Got, PeerError};
use super::searches::Searches;
use super::table::Manner;
use crate::Key;
use crate::overlay::{FindError, Overlay, QueryReport};

/// A get on its way.
#[derive(Clone, Debug)]
pub(super) struct Get {
    key: Key,
    kind: Kind,
    enough: usize,
    pub(super) steps: bool,
    /// The best so far, for how long yet, and how far it was.
    best: Option<(Record, u32, u32)>,
    /// So many nodes have that version; of providers, how many were found.
    agreed: usize,
    providers: BTreeSet<NodeId>,
    /// Who answered, and whether it had the best version of then.
    answered: Vec<(NodeId, Option<Record>)>,
    searches: Searches,
    requests: u32,
    answers: u32,
    started: Time,
}

impl<O: Overlay> Records<O> {
    pub(super) fn get(
        &mut self,
        op: OpId,
        key: Key,
        kind: Kind,
        enough: usize,
        steps: bool,
        cx: &mut Context<'_, Self>,
    ) {
        let get = Get {
            key,
            kind,
            enough: enough.max(1),
            steps,
            best: None,
            agreed: 0,
            providers: BTreeSet::new(),
            answered: Vec::new(),
            searches: Searches::begun(),
            requests: 0,
            answers: 0,
            started: cx.now(),
        };
        self.operations.insert(op, Operation::Get(Box::new(get)));
        let now = self.now(cx);
        let here: Vec<(Record, u32)> = self
            .table
            .under(key, kind, now)
            // A copy of what cannot change is as good as the original.
            .filter(|held| !held.cached || kind == Kind::Immutable)
            .map(|held| (held.record.clone(), left(held.expires.since(now))))
            .collect();
        for (record, ttl) in here {
            self.heard(op, record, ttl, 0, cx);
        }
        if !self.get_satisfied(op, cx) {
            self.search(op, key, cx);
        }
    }

    /// The overlay asks a node on the way, and we ask it for the record.
    pub(super) fn get_asked(&mut self, op: OpId, peer: NodeId, hop: u32, cx: &mut Context<'_, Self>) {
        let Some(Operation::Get(get)) = self.operations.get_mut(&op) else { return };
        get.requests += 1;
        let ask = Ask::Get { key: get.key, kind: get.kind };
        self.ask(peer, op, About::Get { hop }, ask, false, cx);
    }

    pub(super) fn get_told(
        &mut self,
        op: OpId,
        peer: NodeId,
        hop: u32,
        tell: Tell,
        cx: &mut Context<'_, Self>,
    ) {
        let Some(Operation::Get(get)) = self.operations.get_mut(&op) else { return };
        get.answers += 1;
        let (key, kind) = (get.key, get.kind);
        let Tell::Found(found) = tell else { return };
        let now = self.now(cx);
        let mut had = None;
        for (record, ttl) in found.into_vec() {
            match self.config.rules.checked(record, now) {
                Ok(Checked { id, record, .. }) if id.key == key && id.kind == kind => {
                    had = Some(record.clone());
                    self.heard(op, record, ttl, hop, cx);
                }
                // Clocks differ, and so may what the apps hold for valid.
                Err(Invalid::Expired | Invalid::TooLasting | Invalid::UnknownKind | Invalid::Refused) => {}
                Ok(_) => return self.violation(peer, PeerError::WrongRecord, cx),
                Err(Invalid::Forged) => return self.violation(peer, PeerError::Forged, cx),
            }
        }
        if let Some(Operation::Get(get)) = self.operations.get_mut(&op) {
            get.answered.push((peer, had));
        }
        self.get_satisfied(op, cx);
    }

    /// A record that holds.
    fn heard(&mut self, op: OpId, record: Record, ttl: u32, hop: u32, cx: &mut Context<'_, Self>) {
        let Some(Operation::Get(get)) = self.operations.get_mut(&op) else { return };
        let news = match (&record, &get.best) {
            (Record::Provider(provider), _) => {
                let new = get.providers.insert(provider.addr.id);
                get.agreed += usize::from(new);
                if get.best.is_none() {
                    get.best = Some((record.clone(), ttl, hop));
                }
                new
            }
            (_, None) => {
                get.best = Some((record.clone(), ttl, hop));
                get.agreed = 1;
                true
            }
            (_, Some((best, best_ttl, _))) => match self.config.rules.worth(&record, best) {
                Worth::Newer => {
                    get.best = Some((record.clone(), ttl, hop));
                    get.agreed = 1;
                    true
                }
                Worth::Same => {
                    get.agreed += 1;
                    let ttl = ttl.max(*best_ttl);
                    get.best.iter_mut().for_each(|(_, best_ttl, _)| *best_ttl = ttl);
                    false
                }
                Worth::Older => false,
            },
        };
        if let (true, OpId::App(op)) = (news, op) {
            cx.emit(Event::Found { op, record });
        }
    }

    /// Ends a get that has found enough.
    fn get_satisfied(&mut self, op: OpId, cx: &mut Context<'_, Self>) -> bool {
        let Some(Operation::Get(get)) = self.operations.get(&op) else { return true };
        // What lies under its own hash needs nobody else's word.
        let enough = if get.kind == Kind::Immutable { 1 } else { get.enough };
        let satisfied = get.agreed >= enough;
        if satisfied {
            self.get_ended(op, cx);
        }
        satisfied
    }

    pub(super) fn get_searched(
        &mut self,
        op: OpId,
        found: Result<Vec<NodeAddr>, FindError>,
        report: QueryReport,
        cx: &mut Context<'_, Self>,
    ) {
        let copies = self.overlay.copies();
        let Some(Operation::Get(get)) = self.operations.get_mut(&op) else { return };
        let found = get.searches.ended(found, report, copies);
        if get.best.is_none() {
            // Somebody may have put nodes of their own around the key, which say that they have nothing.
            let around = get.searches.around(&self.overlay, get.key, &found, cx.rng());
            around.into_iter().for_each(|key| self.search(op, key, cx));
        }
        if matches!(self.operations.get(&op), Some(Operation::Get(get)) if get.searches.are_over()) {
            self.get_ended(op, cx);
        }
    }

    fn get_ended(&mut self, op: OpId, cx: &mut Context<'_, Self>) {
        let Some(Operation::Get(get)) = self.finish(op, cx) else { return };
        let (queried, timeouts) = (get.requests, get.searches.failures);
        let result = match &get.best {
            Some((record, _, hops)) => Ok(Got {
                record: record.clone(),
                agreed: get.agreed,
                queried,
                timeouts,
                hops: *hops,
                elapsed: cx.now() - get.started,
            }),
            None if get.searches.no_peers && queried == 0 => Err(GetError::NoPeers),
            None if get.answers.max(get.searches.answers) == 0 => Err(GetError::NobodyAnswered { queried }),
            None => Err(GetError::NotFound { queried, timeouts }),
        };
        if let OpId::App(op) = op {
            cx.emit(Event::Got { op, result });
        }
        self.improve(*get, cx);
    }

    /// Read repair: those near the key that had an older version or none get the best one, ourselves included. What
    /// cannot change goes only to the nearest node that had none (Kademlia §2.3), and to the asker, as mere copies unless
    /// it belongs there.
    fn improve(&mut self, get: Get, cx: &mut Context<'_, Self>) {
        let Some((best, ttl, hops)) = get.best else { return };
        if get.kind == Kind::Provider || hops == 0 && get.answered.is_empty() {
            return;
        }
        let (reach, rules) = (self.overlay.reach(), &self.config.rules);
        let lacks =
            |had: &Option<Record>| had.as_ref().is_none_or(|had| rules.worth(&best, had) == Worth::Newer);
        let mut lacking: Vec<NodeId> =
            get.answered.iter().filter(|(_, had)| lacks(had)).map(|(peer, _)| *peer).collect();
        lacking.sort_by_key(|peer| self.overlay.distance(*peer, get.key));
        lacking.truncate(if get.kind == Kind::Immutable { 1 } else { self.overlay.copies() });
        let cache = left(self.config.cache).min(ttl);
        for peer in lacking {
            let near = self.overlay.distance(peer, get.key) <= reach;
            let (ttl, cached) = if near { (ttl, false) } else { (cache, true) };
            if near || get.kind == Kind::Immutable && cache > 0 {
                let ask = Ask::Store { record: best.clone(), ttl, after: None, cached };
                self.ask(peer, OpId::Repair, About::Improve, ask, true, cx);
            }
        }
        let now = self.now(cx);
        let id = best.id();
        let ours = self.table.get(&id, now).is_some_and(|held| !held.cached);
        let copy = get.kind == Kind::Immutable && cache > 0 && !ours;
        if (ours || copy)
            && let Ok(checked) = self.config.rules.checked(best, now)
        {
            let manner = Manner { ttl: Duration::from_secs(cache.into()), cached: copy, own: false };
            self.keep(checked, manner, cx);
        }
    }
}

/// Whole seconds.
pub(super) fn left(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}
