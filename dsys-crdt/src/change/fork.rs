//! Proofs that an author has signed two changes in one place.

use dsys_core::{NodeId, Signature};
use serde::{Deserialize, Serialize};

use super::{Header, Log, Policy, is_signed};

/// A proof that an author has signed two changes in one place; whoever has it can check it alone. Nobody but the author, or
/// who has its key, can make one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// One branch.
    pub left: Branch,
    /// The other.
    pub right: Branch,
}

/// An author's changes from a fork on, to one that is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Each the previous one of the next.
    pub headers: Vec<Header>,
    /// The signature of the last.
    pub signature: Signature,
}

/// Why a [`Fork`] proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoFork {
    /// The changes do not follow each other to one that is signed.
    #[error("a branch does not lead to a signature of its author: it proves nothing")]
    Broken,
    /// The branches do not begin in one place of one author, or are the same.
    #[error("the branches are no two changes in one place: they prove nothing")]
    Apart,
}

impl Fork {
    /// Checks the proof; gives the author.
    ///
    /// # Errors
    /// If it proves nothing.
    pub fn verify(&self) -> Result<NodeId, NoFork> {
        let (left, right) = (self.left.first()?, self.right.first()?);
        let place = |header: &Header| (header.document, header.author, header.seq, header.previous);
        if place(left) != place(right) || left.id() == right.id() {
            return Err(NoFork::Apart);
        }
        Ok(left.author)
    }
}

impl Branch {
    /// The first change, if the last is signed and vouches for it.
    fn first(&self) -> Result<&Header, NoFork> {
        let (first, later) = self.headers.split_first().ok_or(NoFork::Broken)?;
        let mut id = first.id();
        for header in later {
            if header.previous != Some(id) || header.author != first.author {
                return Err(NoFork::Broken);
            }
            id = header.id();
        }
        if is_signed(&id, &first.author, &self.signature) { Ok(first) } else { Err(NoFork::Broken) }
    }
}

/// The proof for the first fork of an author in a log; none if one of the branches was cut.
pub(super) fn prove<P: Policy>(log: &Log<P>, author: &NodeId, seq: u64) -> Option<Fork> {
    let graph = &log.known.graph;
    let forked =
        (0..graph.len()).find(|&number| *graph.author(number) == *author && graph.seq(number) == seq)?;
    let mut branches = graph.next_of(author, graph.previous(forked)).map(|first| branch(log, first));
    Some(Fork { left: branches.next()??, right: branches.next()?? })
}

fn branch<P: Policy>(log: &Log<P>, first: u32) -> Option<Branch> {
    let mut headers = Vec::new();
    let mut at = first;
    loop {
        let change = log.at(at)?;
        headers.push(change.header.clone());
        if let Some(signature) = change.signature {
            return Some(Branch { headers, signature });
        }
        at = log.known.graph.after(at)?;
    }
}
