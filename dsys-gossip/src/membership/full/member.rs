//! What is known of a node.

use std::collections::{BTreeMap, BTreeSet};

use dsys_core::{NodeAddr, NodeId, Time};

/// What a member says of itself: a small map. Changes raise the member's incarnation, which is its version.
pub type Meta = BTreeMap<String, String>;

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Nothing speaks against it.
    Alive,
    /// It did not answer, us or another.
    Suspect,
    /// It did not answer for long, or has left.
    Down,
}

/// What is known of a node.
#[derive(Clone, Debug)]
pub struct Member {
    /// Where it is reached.
    pub addr: NodeAddr,
    /// The version of what it says of itself.
    pub incarnation: u64,
    /// What it says of itself.
    pub meta: Meta,
    pub(super) doubt: Option<Doubt>,
    /// Since when it is down.
    pub(super) down: Option<Time>,
}

/// A suspicion.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    pub(super) since: Time,
    /// By probes of our own, not only by hearsay.
    pub(super) own: bool,
    /// Somebody has declared it down.
    pub(super) claimed: bool,
    /// Who shares it.
    pub(super) by: BTreeSet<NodeId>,
    /// Pings sent to see for ourselves.
    pub(super) pings: u8,
}

impl Member {
    /// How it is.
    pub fn state(&self) -> State {
        match (self.down, &self.doubt) {
            (Some(_), _) => State::Down,
            (None, Some(_)) => State::Suspect,
            (None, None) => State::Alive,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.down.is_none()
    }
}

/// About how many bytes it takes.
pub(crate) fn size(meta: &Meta) -> usize {
    meta.iter().map(|(key, value)| 2 + key.len() + value.len()).sum()
}

/// What is known of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberInfo {
    /// Which.
    pub id: NodeId,
    /// Where it is reached.
    pub addr: NodeAddr,
    /// How it is.
    pub state: State,
    /// What it says of itself.
    pub meta: Meta,
    /// The version of that: it only rises. By more than one if the member had to refute that it was dead.
    pub version: u64,
}
