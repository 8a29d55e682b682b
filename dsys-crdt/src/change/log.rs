//! All changes of one document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dsys_core::{NodeId, Signature, Signer};

use super::entries::{Entries, Names};
use super::graph::Graph;
use super::receive::Received;
use super::waiting::Waiting;
use super::{
    Access, Bundle, BundleError, Change, ChangeId, DocumentId, Fork, Header, Past, Policy, Refused, columns,
    fork, hash_of_body,
};

/// All changes of one document that are known here, and those that wait for others.
///
/// A change *counts* unless its author is suspended (a revocation has not seen it, or its author has forked before it) and
/// nobody who counts has built on it. Which changes count depends on which are known, not on how they came.
#[derive(Clone, Debug)]
pub struct Log<P> {
    pub(super) document: DocumentId,
    pub(super) policy: P,
    pub(super) config: LogConfig,
    pub(super) known: Known,
    pub(super) entries: Entries,
    /// Those that count and that none that counts follows.
    pub(super) heads: BTreeSet<ChangeId>,
    pub(super) waiting: Waiting,
    /// The number at which each of these authors has forked first.
    pub(super) forks: BTreeMap<NodeId, u64>,
    /// Authors of whom a branch was found since the last call that told of them.
    pub(super) branched: BTreeSet<NodeId>,
    /// What was built of the changes that were cut.
    pub(super) base: Option<Arc<[u8]>>,
}

/// The bounds of a [`Log`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogConfig {
    /// The longest body, in bytes. At first 16 MiB.
    pub max_body: usize,
    /// So many other changes one may follow, and so many keys it may grant or revoke. At first 256. Where there are more heads,
    /// a commit joins them first.
    pub max_follows: usize,
    /// So far ahead of the clock here a change's may be, in milliseconds. At first a day.
    pub max_ahead: u64,
    /// So many changes wait for others at most. At first 65,536.
    pub max_waiting: usize,
    /// So many of one author. At first 16,384.
    pub max_waiting_of_author: usize,
    /// So many branches are kept of an author who forks. At first 64.
    pub max_branches: usize,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig {
            max_body: 16 << 20,
            max_follows: 256,
            max_ahead: 86_400_000,
            max_waiting: 65_536,
            max_waiting_of_author: 16_384,
            max_branches: 64,
        }
    }
}

/// What the changes in the log say about each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) graph: Graph,
    pub(super) names: Names,
    /// Those that no other follows, counting or not.
    pub(super) tips: BTreeSet<u32>,
    /// Grants and revocations, with the change that each is in.
    pub(super) access: Vec<(u32, Access)>,
}

impl<P: Policy> Log<P> {
    /// The log of a new document, or of one of which nothing is known yet.
    pub fn new(document: DocumentId, policy: P) -> Log<P> {
        Log::with_config(document, policy, LogConfig::default())
    }

    /// One with bounds of your own.
    pub fn with_config(document: DocumentId, policy: P, config: LogConfig) -> Log<P> {
        Log {
            document,
            policy,
            config,
            known: Known::default(),
            entries: Entries::default(),
            heads: BTreeSet::new(),
            waiting: Waiting::default(),
            forks: BTreeMap::new(),
            branched: BTreeSet::new(),
            base: None,
        }
    }

    /// The document.
    pub fn document(&self) -> DocumentId {
        self.document
    }

    /// Makes a change that follows all that counts here, at `wall` by the clock (milliseconds since 1970), for the others. Where
    /// that is more than a change may follow ([`LogConfig::max_follows`]), the same author joins it first by changes that say
    /// nothing, as few as it takes: [`Log::since`] the [`Log::heads`] of before has them, too.
    ///
    /// # Errors
    /// If the policy or the bounds refuse it, or the key is suspended ([`Refused::Suspended`], [`Refused::Behind`]).
    pub fn commit(&mut self, key: &dyn Signer, wall: u64, body: Vec<u8>) -> Result<Change, Refused> {
        self.commit_with(key, wall, body, Vec::new())
    }

    /// Lets keys write from now on. As [`Log::commit`].
    ///
    /// # Errors
    /// As there.
    pub fn grant(
        &mut self,
        key: &dyn Signer,
        wall: u64,
        to: impl IntoIterator<Item = NodeId>,
    ) -> Result<Change, Refused> {
        self.commit_with(key, wall, Vec::new(), to.into_iter().map(Access::Grant).collect())
    }

    /// Lets keys write no longer; what they have written and this replica has not seen does not count. As [`Log::commit`].
    ///
    /// # Errors
    /// As there.
    pub fn revoke(
        &mut self,
        key: &dyn Signer,
        wall: u64,
        from: impl IntoIterator<Item = NodeId>,
    ) -> Result<Change, Refused> {
        self.commit_with(key, wall, Vec::new(), from.into_iter().map(Access::Revoke).collect())
    }

    fn commit_with(
        &mut self,
        key: &dyn Signer,
        wall: u64,
        body: Vec<u8>,
        access: Vec<Access>,
    ) -> Result<Change, Refused> {
        let author = key.public();
        let last: Vec<u32> = self.known.graph.last_of(&author).collect();
        let (mut previous, mut seq) = match last.as_slice() {
            [] => (None, 0),
            _ if self.forks.contains_key(&author) => return Err(Refused::Suspended),
            [last] if self.entries.counts(*last) => (self.id_of(*last), self.known.graph.seq(*last) + 1),
            _ => return Err(Refused::Behind),
        };
        self.check_size(&body, access.len())?;
        let mut rest = self.heads_beside(previous);
        let mut parts: Vec<Vec<ChangeId>> = Vec::new();
        while rest.len() > self.config.max_follows {
            let more = rest.split_off(self.config.max_follows.max(1));
            parts.push(std::mem::replace(&mut rest, more));
        }
        if !parts.is_empty() {
            // Nothing is joined for a change that is refused then.
            let (seq, others) = (seq + parts.len() as u64, rest.clone());
            let (document, hash, access) = (self.document, hash_of_body(&body), access.clone());
            let header = Header { document, author, seq, previous, others, wall, access, body: hash };
            let parents: Vec<u32> =
                self.heads.iter().chain(&previous).filter_map(|id| self.number(id)).collect();
            let sight = self.known.graph.sight(&parents);
            let change = Change { header, body: body.clone(), signature: None };
            self.policy.check(&change, &Past { known: &self.known, sight: &sight })?;
        }
        for others in parts {
            let said = (Vec::new(), Vec::new());
            previous = Some(self.append(key, (seq, previous, others), wall, said)?.0);
            seq += 1;
        }
        Ok(self.append(key, (seq, previous, rest), wall, (body, access))?.1)
    }

    /// Signs a change that follows these, and takes it in.
    fn append(
        &mut self,
        key: &dyn Signer,
        (seq, previous, others): (u64, Option<ChangeId>, Vec<ChangeId>),
        wall: u64,
        (body, access): (Vec<u8>, Vec<Access>),
    ) -> Result<(ChangeId, Change), Refused> {
        let (document, author, hash) = (self.document, key.public(), hash_of_body(&body));
        let header = Header { document, author, seq, previous, others, wall, access, body: hash };
        let (id, change) = Change::signed(header, body, key);
        let before = self.entries.len();
        self.look(&change)?;
        self.admit(id, change.clone(), wall)?;
        self.count_from(before, &self.forks.clone());
        Ok((id, change))
    }

    fn heads_beside(&self, previous: Option<ChangeId>) -> Vec<ChangeId> {
        self.heads.iter().copied().filter(|head| Some(*head) != previous).collect()
    }

    /// How many changes an author's next commit makes to join heads, before the change itself.
    pub(crate) fn joins(&self, author: &NodeId) -> usize {
        let previous = self.known.graph.last_of(author).next().and_then(|last| self.id_of(last));
        self.heads_beside(previous).len().saturating_sub(1) / self.config.max_follows.max(1)
    }

    /// The changes that count and that no change that counts follows, in ascending order: the version here.
    pub fn heads(&self) -> Vec<ChangeId> {
        self.heads.iter().copied().collect()
    }

    /// What is known here, in short: for [`Log::since`] elsewhere. Of each author the last changes, and ever fewer of the
    /// earlier ones, so that somebody who does not know the last still finds where the two part: 32 bytes for each author
    /// and each doubling of its changes.
    pub fn summary(&self) -> Vec<ChangeId> {
        let sampled = self.known.graph.lines().flat_map(|line| {
            let back = std::iter::successors(Some(1usize), |back| back.checked_mul(2));
            back.map_while(|back| line.len().checked_sub(back).and_then(|at| line.get(at)))
        });
        sampled.filter_map(|&number| self.id_of(number)).collect()
    }

    /// What somebody lacks who has these changes ([`Log::summary`] or [`Log::heads`] there) and what they follow; what
    /// follows others comes behind them. Changes that are not known here say nothing. Of each author's changes the last is
    /// signed, which vouches for the others.
    pub fn since(&self, known: &[ChangeId]) -> Vec<Change> {
        let signed = self.sparingly_signed(&self.lacking(known)).into_iter().rev();
        signed.map(|(_, change, signature)| Change { signature, ..change.clone() }).collect()
    }

    /// The numbers of the changes that somebody lacks who has these and what they follow, in ascending order.
    pub(crate) fn lacking(&self, known: &[ChangeId]) -> Vec<u32> {
        let graph = &self.known.graph;
        let mut has = vec![false; self.entries.len()];
        for id in known {
            if let Some(has) = self.number(id).and_then(|number| has.get_mut(number as usize)) {
                *has = true;
            }
        }
        for number in (0..graph.len()).rev() {
            if has.get(number as usize) == Some(&true) {
                for &parent in graph.parents(number) {
                    if let Some(has) = has.get_mut(parent as usize) {
                        *has = true;
                    }
                }
            }
        }
        (0..graph.len()).filter(|&number| has.get(number as usize) == Some(&false)).collect()
    }

    /// Changes by their numbers as bytes.
    #[cfg(feature = "store")]
    pub(crate) fn encode_as_they_are(&self, numbers: std::ops::Range<u32>) -> Vec<u8> {
        columns::encode_named(numbers.filter_map(|number| {
            let change = self.at(number)?;
            Some((self.id_of(number)?, change, change.signature))
        }))
    }

    /// Changes by their numbers as bytes, without the signatures of those for which another of them vouches.
    pub(crate) fn encode_sparingly_signed(&self, numbers: &[u32]) -> Vec<u8> {
        columns::encode_named(self.sparingly_signed(numbers).into_iter().rev())
    }

    /// Changes by their numbers, the last first, without the signatures of those for which another of them vouches.
    fn sparingly_signed(&self, numbers: &[u32]) -> Vec<(ChangeId, &Change, Option<Signature>)> {
        // As a rule it is one change, the one before.
        let (mut vouched, mut next): (BTreeSet<ChangeId>, Option<ChangeId>) = (BTreeSet::new(), None);
        let signed = numbers.iter().rev().filter_map(|&number| {
            let (id, change) = (self.id_of(number)?, self.at(number)?);
            let is_vouched = next.take_if(|next| *next == id).is_some() || vouched.remove(&id);
            let signature = change.signature.filter(|_| !is_vouched);
            if let Some(previous) = change.header.previous {
                vouched.extend(next.replace(previous));
            }
            Some((id, change, signature))
        });
        signed.collect()
    }

    /// [`Log::since`] as bytes.
    pub fn encode_since(&self, known: &[ChangeId]) -> Vec<u8> {
        self.encode_sparingly_signed(&self.lacking(known))
    }

    /// Takes in what [`Log::encode_since`] gave at another replica; see [`Log::receive`].
    ///
    /// # Errors
    /// If the bytes are none such; nothing is changed then.
    pub fn decode_and_receive(&mut self, bytes: &[u8], now: u64) -> Result<Received, BundleError> {
        Ok(self.receive_bundle(Bundle::decode(bytes.to_vec(), usize::MAX)?, now))
    }

    /// A change that is in the log.
    pub fn get(&self, id: &ChangeId) -> Option<&Change> {
        self.number(id).and_then(|number| self.at(number))
    }

    /// Whether a change is in the log and counts.
    pub fn counts(&self, id: &ChangeId) -> bool {
        self.number(id).is_some_and(|number| self.entries.counts(number))
    }

    /// The changes that count, what they follow first.
    pub fn counting(&self) -> impl Iterator<Item = (&ChangeId, &Change)> {
        self.counting_from(0).filter_map(|number| Some((self.known.names.of(number)?, self.at(number)?)))
    }

    /// Whether one change has seen another, or is it; false if one of them is not in the log.
    pub fn has_seen(&self, id: &ChangeId, other: &ChangeId) -> bool {
        self.number(id)
            .zip(self.number(other))
            .is_some_and(|(id, other)| self.known.graph.has_seen(id, other))
    }

    /// A proof for every author who has signed two changes in one place.
    pub fn forks(&self) -> Vec<Fork> {
        self.forks.iter().filter_map(|(author, &seq)| fork::prove(self, author, seq)).collect()
    }

    /// The changes that others follow and that are not here: what to ask for.
    pub fn missing(&self) -> impl Iterator<Item = &ChangeId> {
        self.waiting.missing()
    }

    /// How many changes are in the log, counting or not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// How many changes wait for others.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The place of a change in the order of arrival.
    pub(crate) fn number(&self, id: &ChangeId) -> Option<u32> {
        self.known.names.get(id)
    }

    /// The numbers of the changes that no other follows, counting or not.
    #[cfg(feature = "sync")]
    pub(crate) fn tips(&self) -> impl Iterator<Item = u32> {
        self.known.tips.iter().copied()
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.known.graph
    }

    pub(crate) fn at(&self, number: u32) -> Option<&Change> {
        self.entries.get(number)
    }

    /// The name of a change by its number.
    pub(crate) fn id_of(&self, number: u32) -> Option<ChangeId> {
        self.known.names.of(number).copied()
    }

    /// The names of the changes from a number on.
    #[cfg(feature = "net")]
    pub(crate) fn names_from(&self, before: u32) -> &[ChangeId] {
        self.known.names.all().get(before as usize..).unwrap_or_default()
    }

    /// Whether a change counts, by its number.
    pub(crate) fn counts_at(&self, number: u32) -> bool {
        self.entries.counts(number)
    }

    /// The numbers of the changes that count, from `before` on.
    pub(crate) fn counting_from(&self, before: u32) -> impl Iterator<Item = u32> {
        (before..self.known.graph.len()).filter(|&number| self.entries.counts(number))
    }

    /// How many lines of changes there are: one for each author, and one more for each fork.
    pub(crate) fn branches(&self) -> usize {
        self.known.graph.lines().count()
    }

    /// The number at which an author has forked first.
    pub(crate) fn forked_at(&self, author: &NodeId) -> Option<u64> {
        self.forks.get(author).copied()
    }

    /// Whether its author has signed another change in this one's place.
    pub(crate) fn begins_branch(&self, number: u32) -> bool {
        let graph = &self.known.graph;
        graph.next_of(graph.author(number), graph.previous(number)).nth(1).is_some()
    }
}
