//! Taking changes into the log, and finding out which count.

use std::collections::{BTreeMap, BTreeSet};

use dsys_core::NodeId;

use super::policy::Past;
use super::{Access, Bundle, Change, ChangeId, Log, Policy, Refused, is_signed};

/// What has come of changes that were received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// So many are new in the log, those included that had waited before.
    pub accepted: usize,
    /// What counts now and did not before, what it follows first: to be applied in this order. Those of the new ones that count,
    /// and behind a revocation or a fork older ones that somebody has built on now.
    pub counting: Vec<ChangeId>,
    /// Older changes have ceased to count: what was built of them is to be built again, from [`Log::counting`].
    pub rebuild: bool,
    /// Those that were refused, and why.
    pub refused: Vec<(ChangeId, Refused)>,
    /// Authors of whom a new branch was found: they have signed two changes in one place. [`Log::forks`] has the proofs.
    pub forked: Vec<NodeId>,
    /// The numbers of the older ones among those that count now.
    pub(crate) begun: Vec<u32>,
}

/// Which older changes count otherwise than they did.
#[derive(Debug, Default)]
pub(super) struct Recount {
    /// The first that has ceased to.
    ceased: Option<u32>,
    /// In ascending order.
    begun: Vec<u32>,
}

impl Recount {
    /// The first of all.
    pub(super) fn first(&self) -> Option<u32> {
        self.ceased.into_iter().chain(self.begun.first().copied()).min()
    }
}

impl<P: Policy> Log<P> {
    /// Takes in changes, in any order; `now` is the clock here, in milliseconds since 1970. Known ones are skipped, those
    /// that follow missing ones wait.
    pub fn receive(&mut self, changes: impl IntoIterator<Item = Change>, now: u64) -> Received {
        self.receive_bundle(Bundle::of(changes), now)
    }

    /// As [`Log::receive`], of changes that are named and in order already.
    pub fn receive_bundle(&mut self, bundle: Bundle, now: u64) -> Received {
        let mut received = Received::default();
        let (before, forks) = (self.entries.len(), self.forks.clone());
        let altered = bundle.altered.into_iter().filter(|id| !self.known.names.contains(id));
        received.refused.extend(altered.map(|id| (id, Refused::Body)));
        let mut signed = bundle.changes;
        if self.waiting.len() > 0 {
            for (id, change) in &mut signed {
                // One that waits has its signature; a second copy may have been sent without.
                if let Some(waited) = self.waiting.remove(id) {
                    *change = waited;
                }
            }
        }
        signed.retain(|(id, change)| {
            let new = !self.known.names.contains(id);
            let why = if new { self.look(change).err() } else { None };
            received.refused.extend(why.map(|why| (*id, why)));
            new && why.is_none()
        });
        authentic(&mut signed, &mut received.refused);
        let mut recount;
        loop {
            recount = Recount::default();
            for (id, change) in signed {
                self.take_within(id, change, now, &mut recount, &mut received);
            }
            // Where the change that vouched for others was refused itself, nobody could be shown whose they are.
            let orphans = self.orphans(before);
            if orphans.is_empty() {
                break;
            }
            signed = self.back_to(before, &forks);
            signed.retain(|(id, _)| !orphans.contains(id));
            received.refused.extend(orphans.into_iter().map(|id| (id, Refused::Unsigned)));
        }
        received.accepted = self.entries.len() - before;
        let Recount { ceased, mut begun } = self.count_from(before, &forks);
        begun.extend(recount.begun.into_iter().filter(|number| (*number as usize) < before));
        begun.sort_unstable();
        let older = |first: Option<u32>| first.is_some_and(|first| (first as usize) < before);
        received.rebuild = older(ceased) || older(recount.ceased);
        let counting = begun.iter().copied().chain(self.counting_from(before as u32));
        received.counting = counting.filter_map(|number| self.id_of(number)).collect();
        received.begun = begun;
        received.forked = std::mem::take(&mut self.branched).into_iter().collect();
        received
    }

    /// What can be said of a change alone, whose body is the one that its header names.
    pub(super) fn look(&self, change: &Change) -> Result<(), Refused> {
        let header = &change.header;
        if header.document != self.document {
            return Err(Refused::Document);
        }
        self.check_size(&change.body, header.others.len().max(header.access.len()))?;
        let one_form = header.others.is_sorted_by(|a, b| a < b)
            && header.previous.is_none_or(|previous| !header.others.contains(&previous));
        if !one_form {
            return Err(Refused::Malformed("what it follows is not in order"));
        }
        if header.previous.is_none() != (header.seq == 0) {
            return Err(Refused::WrongPrevious);
        }
        Ok(())
    }

    /// Whether a change may say this, and follow, or grant and revoke, so many.
    pub(super) fn check_size(&self, body: &[u8], names: usize) -> Result<(), Refused> {
        if body.len() > self.config.max_body {
            return Err(Refused::Malformed("the body is too long"));
        }
        if names > self.config.max_follows {
            return Err(Refused::Malformed("it follows, or grants, too much"));
        }
        Ok(())
    }

    /// As [`Log::take`]; but where changes were cut it says at once which count otherwise by it, and refuses what would have one
    /// of those that were cut do so, which nobody can build again here.
    fn take_within(
        &mut self,
        id: ChangeId,
        change: Change,
        now: u64,
        recount: &mut Recount,
        received: &mut Received,
    ) {
        if self.trimmed() == 0 {
            return self.take(id, change, now, received);
        }
        let (at, forks, branched) = (self.entries.len(), self.forks.clone(), self.branched.clone());
        self.take(id, change, now, received);
        let otherwise = self.count_from(at, &forks);
        if otherwise.first().is_some_and(|first| (first as usize) < self.trimmed()) {
            let removed = self.back_to(at, &forks);
            self.branched = branched;
            received.refused.extend(removed.into_iter().map(|(id, _)| (id, Refused::Trimmed)));
            return;
        }
        recount.ceased = recount.ceased.into_iter().chain(otherwise.ceased).min();
        recount.begun.extend(otherwise.begun);
    }

    /// Admits a change and those that have waited for it, or lets it wait.
    fn take(&mut self, id: ChangeId, change: Change, now: u64, received: &mut Received) {
        let (mut first, mut due) = (Some((id, change)), Vec::new());
        while let Some((id, change)) = first.take().or_else(|| due.pop()) {
            let (missing, author) = (self.missing_to(&change), change.header.author);
            let taken = match missing {
                None => self.admit(id, change, now),
                Some(_)
                    if self.waiting.len() >= self.config.max_waiting
                        || self.waiting.of(&author) >= self.config.max_waiting_of_author =>
                {
                    Err(Refused::Waiting)
                }
                // What waits has to be its author's word by itself: who knows what comes of those that vouch for it.
                Some(_) if change.signature.is_none() => Err(Refused::Unsigned),
                Some(missing) => {
                    self.waiting.insert(id, change, missing);
                    continue;
                }
            };
            match taken {
                Ok(()) => due.extend(self.waiting.wake(&id)),
                Err(why) => received.refused.push((id, why)),
            }
        }
    }

    fn missing_to(&self, change: &Change) -> Option<ChangeId> {
        change.header.follows().find(|id| !self.known.names.contains(id)).copied()
    }

    /// Puts a change whose signature is known to be good, and all of whose parents are here, into the log.
    pub(super) fn admit(&mut self, id: ChangeId, change: Change, now: u64) -> Result<(), Refused> {
        let header = &change.header;
        if self.known.graph.len() == u32::MAX {
            return Err(Refused::Full);
        }
        let by = header.wall.saturating_sub(now);
        if by > self.config.max_ahead {
            return Err(Refused::FarFuture { by });
        }
        let number = |id: &ChangeId| self.number(id);
        let (previous, graph) = (header.previous.as_ref().and_then(number), &self.known.graph);
        let goes_on =
            |previous: u32| *graph.author(previous) == header.author && graph.seq(previous) + 1 == header.seq;
        if !previous.is_none_or(goes_on) {
            return Err(Refused::WrongPrevious);
        }
        let others: Vec<u32> = header.others.iter().filter_map(number).collect();
        let sight = match (previous, others.as_slice()) {
            (Some(previous), []) => self.known.graph.sight(&[previous]),
            _ => self
                .known
                .graph
                .sight(&previous.into_iter().chain(others.iter().copied()).collect::<Vec<_>>()),
        };
        self.policy.check(&change, &Past { known: &self.known, sight: &sight })?;
        let oldest = self.known.graph.next_of(&header.author, previous).min();
        if oldest.is_some_and(|other| (other as usize) < self.trimmed()) {
            return Err(Refused::Trimmed);
        }
        let forks = oldest.is_some();
        if forks && self.known.graph.lines_of(&header.author) >= self.config.max_branches {
            return Err(Refused::Suspended);
        }
        let (author, seq) = (header.author, header.seq);
        let own = self.known.graph.push(author, previous, &others);
        if forks {
            self.branched.insert(author);
            let first = self.forks.entry(author).or_insert(seq);
            *first = seq.min(*first);
        }
        self.known.names.push(id);
        self.known.tips.insert(own);
        for parent in self.known.graph.parents(own) {
            self.known.tips.remove(parent);
        }
        self.known.access.extend(header.access.iter().map(|access| (own, *access)));
        self.entries.push(change);
        Ok(())
    }

    /// Unsigned changes among the last ones for which no later change of their author vouches.
    fn orphans(&self, before: usize) -> BTreeSet<ChangeId> {
        let mut vouched = vec![false; self.entries.len() - before];
        let mut orphans = BTreeSet::new();
        for at in (before..self.entries.len()).rev() {
            let after =
                self.known.graph.after(at as u32).and_then(|next| vouched.get(next as usize - before));
            let known = after == Some(&true) || self.at(at as u32).is_some_and(|it| it.signature.is_some());
            match vouched.get_mut(at - before) {
                Some(vouched) if known => *vouched = true,
                _ => orphans.extend(self.id_of(at as u32)),
            }
        }
        orphans
    }

    /// Takes the last changes out of the log again.
    fn back_to(&mut self, before: usize, forks: &BTreeMap<NodeId, u64>) -> Vec<(ChangeId, Change)> {
        let ids = self.known.names.all().iter().skip(before).copied().collect::<Vec<_>>();
        let removed = self.entries.split_off(before);
        removed.iter().for_each(|_| self.known.graph.pop());
        self.known.names.truncate(before);
        self.known.tips = self.known.graph.tips();
        self.known.access.retain(|(number, _)| (*number as usize) < before);
        self.forks.clone_from(forks);
        self.branched.clear();
        self.recount(before);
        ids.into_iter().zip(removed).collect()
    }

    /// Finds out which of the changes from `before` on count, where `forks` were known before them, and what they change for
    /// older ones. It costs what it touches, but for revocations and forks that are new.
    pub(super) fn count_from(&mut self, before: usize, forks: &BTreeMap<NodeId, u64>) -> Recount {
        let is_new = |(number, access): &(u32, Access)| {
            matches!(access, Access::Revoke(_)) && *number as usize >= before
        };
        if self.forks != *forks || self.known.access.iter().rev().any(is_new) {
            return self.recount(before);
        }
        // Nobody is suspended who was not before, so what has counted still does, with all that it follows.
        let mut backed = vec![false; self.entries.len() - before];
        let (mut begun, mut due) = (Vec::new(), Vec::new());
        for at in (before as u32..self.known.graph.len()).rev() {
            let is_backed = backed.get(at as usize - before) == Some(&true);
            let counts = is_backed || !self.is_suspended(at);
            self.entries.set_counts(at, counts);
            if counts {
                due.extend_from_slice(self.known.graph.parents(at));
                self.heads.extend(self.known.names.of(at).filter(|_| !is_backed));
            }
            while let Some(parent) = due.pop() {
                if let Some(new) = (parent as usize).checked_sub(before) {
                    backed.iter_mut().skip(new).take(1).for_each(|backed| *backed = true);
                } else if self.entries.counts(parent) {
                    self.known.names.of(parent).map(|parent| self.heads.remove(parent));
                } else {
                    self.entries.set_counts(parent, true);
                    begun.push(parent);
                    due.extend_from_slice(self.known.graph.parents(parent));
                }
            }
        }
        begun.sort_unstable();
        Recount { ceased: None, begun }
    }

    /// Finds out which changes count; gives those before a number for which it is otherwise than it was.
    fn recount(&mut self, before: usize) -> Recount {
        let mut backed = vec![false; self.entries.len()];
        let mut otherwise = Recount::default();
        self.heads.clear();
        for at in (0..self.entries.len()).rev() {
            let is_backed = backed.get(at) == Some(&true);
            let counts = is_backed || !self.is_suspended(at as u32);
            match self.entries.set_counts(at as u32, counts) {
                true if at < before && !counts => otherwise.ceased = Some(at as u32),
                true if at < before => otherwise.begun.push(at as u32),
                _ => {}
            }
            if counts && !is_backed {
                self.heads.extend(self.known.names.of(at as u32));
            }
            if counts {
                for &parent in self.known.graph.parents(at as u32) {
                    if let Some(parent) = backed.get_mut(parent as usize) {
                        *parent = true;
                    }
                }
            }
        }
        otherwise.begun.reverse();
        otherwise
    }

    /// Whether a change counts only if somebody else builds on it.
    fn is_suspended(&self, change: u32) -> bool {
        let graph = &self.known.graph;
        let author = graph.author(change);
        let concurrent = |other| !graph.has_seen(change, other) && !graph.has_seen(other, change);
        self.forks.get(author).is_some_and(|&first| graph.seq(change) >= first)
            || self.known.access.iter().any(|(number, access)| {
                *access == Access::Revoke(*author) && *number != change && concurrent(*number)
            })
    }
}

/// Leaves those changes that are their author's word. Each stands behind all that it follows.
fn authentic(changes: &mut Vec<(ChangeId, Change)>, refused: &mut Vec<(ChangeId, Refused)>) {
    // What those that come later vouch for; as a rule it is one change, the one before.
    let (mut vouched, mut next): (BTreeSet<(NodeId, ChangeId)>, _) = (BTreeSet::new(), None);
    let mut forged = Vec::new();
    for (at, (id, change)) in changes.iter().enumerate().rev() {
        let author = change.header.author;
        let is_vouched =
            next.take_if(|next| *next == (author, *id)).is_some() || vouched.remove(&(author, *id));
        let good = match &change.signature {
            None => is_vouched,
            Some(signature) => is_signed(id, &author, signature),
        };
        if good {
            if let Some(previous) = change.header.previous {
                vouched.extend(next.replace((author, previous)));
            }
        } else {
            refused.push((*id, Refused::Unsigned));
            forged.push(at);
        }
    }
    let mut at = 0;
    changes.retain(|_| {
        at += 1;
        forged.pop_if(|forged| *forged == at - 1).is_none()
    });
}
