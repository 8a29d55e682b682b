//! A log as it is kept on one's own disk: nothing of it is verified again.
//!
//! A chunk is [`CHUNK`] changes: their names, then [`columns::encode`] of those that were not cut. The head is what the log knows
//! about them all.

use std::collections::BTreeSet;
use std::sync::Arc;

use dsys_core::NodeId;
use serde::{Deserialize, Serialize};

use super::entries::{CHUNK, Entries, Names};
use super::graph::Graph;
use super::log::Known;
use super::{Access, Bundle, ChangeId, DocumentId, Log, LogConfig, Policy, Refused};

/// What a log knows about its changes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    document: DocumentId,
    len: u32,
    /// So many were cut.
    cut: u32,
    authors: Vec<NodeId>,
    runs: Vec<Run>,
    /// The numbers in the order of the names.
    sorted: Vec<u32>,
    uncounted: Vec<u32>,
    heads: Vec<u32>,
    access: Vec<(u32, Access)>,
    forks: Vec<(NodeId, u64)>,
}

/// Changes in a row of one author, each following the one before alone, but for the first.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    author: u32,
    count: u32,
    previous: Option<u32>,
    others: Vec<u32>,
}

impl<P: Policy> Log<P> {
    pub(crate) fn head(&self) -> Head {
        let graph = &self.known.graph;
        let mut authors: Vec<NodeId> = Vec::new();
        let mut runs: Vec<Run> = Vec::new();
        for number in 0..graph.len() {
            let author = graph.author(number);
            let at = authors.iter().rposition(|known| known == author).unwrap_or_else(|| {
                authors.push(*author);
                authors.len() - 1
            }) as u32;
            let parents = graph.parents(number);
            let before = number.checked_sub(1);
            match runs.last_mut().filter(|run| run.author == at && before.is_some_and(|it| parents == [it])) {
                Some(run) => run.count += 1,
                None => {
                    let (previous, others) = match graph.previous(number) {
                        Some(previous) => (Some(previous), parents.get(1..).unwrap_or_default().to_vec()),
                        None => (None, parents.to_vec()),
                    };
                    runs.push(Run { author: at, count: 1, previous, others });
                }
            }
        }
        Head {
            document: self.document,
            len: graph.len(),
            cut: self.trimmed() as u32,
            authors,
            runs,
            sorted: self.known.names.sorted(),
            uncounted: (0..graph.len()).filter(|&number| !self.entries.counts(number)).collect(),
            heads: self.heads.iter().filter_map(|id| self.number(id)).collect(),
            access: self.known.access.clone(),
            forks: self.forks.iter().map(|(author, first)| (*author, *first)).collect(),
        }
    }

    /// The chunks from the one on that holds a change.
    pub(crate) fn chunks(&self, from: u32) -> impl Iterator<Item = (u32, Vec<u8>)> {
        (from as usize / CHUNK..self.len().div_ceil(CHUNK)).map(|at| {
            let ids = self.known.names.all().iter().skip(at * CHUNK).take(CHUNK);
            let mut bytes: Vec<u8> = ids.flat_map(ChangeId::as_bytes).copied().collect();
            bytes.extend(self.entries.chunk(at, self.known.names.all()));
            (at as u32, bytes)
        })
    }

    /// The log of a head and all chunks, and of what was built of those that were cut; none if they do not fit each other.
    pub(crate) fn of_saved(
        policy: P,
        config: LogConfig,
        head: Head,
        chunks: &[Vec<u8>],
        base: Option<Arc<[u8]>>,
    ) -> Option<Log<P>> {
        let (len, cut) = (head.len as usize, head.cut as usize);
        if cut > len || base.is_none() != (cut == 0) {
            return None;
        }
        let mut ids = Vec::with_capacity(len.min(chunks.len().saturating_mul(CHUNK)));
        let mut packed: Vec<Arc<[u8]>> = Vec::new();
        for (at, chunk) in chunks.iter().enumerate() {
            let count = len.checked_sub(at * CHUNK).filter(|left| *left > 0)?.min(CHUNK);
            let (names, rest) = chunk.split_at_checked(count * 32)?;
            ids.extend(names.as_chunks::<32>().0.iter().map(|name| ChangeId::from_bytes(*name)));
            packed.push(rest.into());
        }
        let mut graph = Graph::default();
        for Run { author, count, previous, others } in head.runs {
            let author = *head.authors.get(author as usize)?;
            let known = |parent: &u32| *parent < graph.len();
            if !previous.iter().chain(&others).all(known) || count as usize > len {
                return None;
            }
            let mut last = graph.push(author, previous, &others);
            for _ in 1..count {
                last = graph.push(author, Some(last), &[]);
            }
        }
        if ids.len() != len || graph.len() as usize != len || head.sorted.len() != len {
            return None;
        }
        let mut counts = vec![true; len];
        for number in head.uncounted {
            *counts.get_mut(number as usize)? = false;
        }
        let heads = head.heads.iter().map(|head| ids.get(*head as usize).copied());
        let heads = heads.collect::<Option<BTreeSet<ChangeId>>>()?;
        let tips = graph.tips();
        let known = Known { graph, tips, names: Names::saved(ids, head.sorted), access: head.access };
        Some(Log {
            known,
            entries: Entries::packed(packed, counts, cut),
            base,
            heads,
            forks: head.forks.into_iter().collect(),
            ..Log::with_config(head.document, policy, config)
        })
    }

    /// Takes in changes that were taken in before, in the same order, without verifying signatures; gives whether what was
    /// built of older ones is to be built again.
    pub(crate) fn replay(&mut self, bundle: Bundle) -> Result<bool, Refused> {
        let (before, forks) = (self.len(), self.forks.clone());
        for (id, change) in bundle.changes {
            if self.known.names.contains(&id) {
                continue;
            }
            self.look(&change)?;
            if !change.header.follows().all(|parent| self.known.names.contains(parent)) {
                return Err(Refused::Waiting);
            }
            self.admit(id, change, u64::MAX)?;
        }
        let changed = self.count_from(before, &forks).first().is_some();
        Ok(changed || !std::mem::take(&mut self.branched).is_empty())
    }
}
