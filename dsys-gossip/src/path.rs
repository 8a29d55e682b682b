//! Signed hop paths: which way a message came, said by those who passed it on.
//!
//! Whoever passes a message on signs a [`Statement`]: the message's name, from whom it had it, to whom it gave it. An
//! honest node takes a message from one peer only, whatever it hears later, so it says the same `previous` each time.
//! A node that tells two peers two stories has signed both, and wherever the two meet [`blame`] finds the [`Proof`],
//! which anybody can check who has nothing else.
//!
//! What a path does not show: that a node *withheld* a message (it says nothing, so it signs nothing), or was told by
//! another outside of the protocol. Nodes that do not sign are visible as the first `previous` of the path, which then
//! begins behind them.
//!
//! An honest node must not forget what it has signed while the message lives. [`Router`](crate::router::Router) remembers
//! names for longer than any envelope lives, and passes on what it may have known in an earlier life, or have forgotten
//! for want of room, without a statement.

use dsys_core::{Domain, NodeId, Signature, Signer};
use serde::{Deserialize, Serialize};

use crate::MessageId;

const HOP: Domain = Domain::from_static("dsys/gossip/hop/1");

/// "I had this message from `previous`, and gave it to `next`."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Which message.
    pub id: MessageId,
    /// Who says so.
    pub node: NodeId,
    /// Who it had it from; itself if it says that it wrote it.
    pub previous: NodeId,
    /// To whom it gave it.
    pub next: NodeId,
    /// Over name, previous and next.
    pub signature: Signature,
}

impl Statement {
    fn sign(key: &dyn Signer, id: MessageId, previous: NodeId, next: NodeId) -> Self {
        let signature = key.sign(HOP, &said(id, previous, next));
        Statement { id, node: key.public(), previous, next, signature }
    }

    /// Whether the node has signed it.
    pub fn is_signed(&self) -> bool {
        self.node.verify(HOP, &said(self.id, self.previous, self.next), &self.signature).is_ok()
    }
}

fn said(id: MessageId, previous: NodeId, next: NodeId) -> [u8; 80] {
    let mut bytes = [0; 80];
    let (name, nodes) = bytes.split_at_mut(16);
    let (before, after) = nodes.split_at_mut(32);
    name.copy_from_slice(&id.0);
    before.copy_from_slice(previous.as_bytes());
    after.copy_from_slice(next.as_bytes());
    bytes
}

/// The way of a message to us or to a peer, on the wire: each who signed has the one before it as its `previous` and the
/// one after it, or at the end the receiver, as its `next`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hops {
    /// From whom the first who signed had it; itself if it wrote the message.
    pub from: NodeId,
    /// Who signed, in the order of the way.
    pub signed: Vec<(NodeId, Signature)>,
}

/// The way a message came to a node, checked by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    id: MessageId,
    to: NodeId,
    hops: Hops,
}

/// Why a path is not believed. The peer that sent it is at fault: it had to check before it passed it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPath {
    /// Nobody signed, or more than may.
    #[error("a path names at least one node and no more than allowed")]
    Length,
    /// The last who signed is not the one who sent the message.
    #[error("the path does not end with the peer that sent it")]
    OtherSender,
    /// The path begins with a node that says it wrote the message, and did not.
    #[error("the path begins with a node that says it wrote the message, and did not")]
    OtherOrigin,
    /// A node is named twice: nobody passes a message on twice.
    #[error("the path comes by a node twice")]
    Loop,
    /// Somebody did not sign what the path says.
    #[error("a node did not sign what the path says of it")]
    Forged,
}

impl Path {
    /// Checks the way by which `sender` says that the message of `origin` came to us, `me`. Costs a signature check for
    /// each hop, the last hop first.
    ///
    /// # Errors
    /// [`BadPath`].
    pub fn check(
        id: MessageId,
        origin: NodeId,
        sender: NodeId,
        me: NodeId,
        hops: Hops,
        most: usize,
    ) -> Result<Self, BadPath> {
        let path = Path { id, to: me, hops };
        let signed = &path.hops.signed;
        let (Some((first, _)), Some((last, _))) = (signed.first(), signed.last()) else {
            return Err(BadPath::Length);
        };
        if signed.len() > most {
            return Err(BadPath::Length);
        }
        if *last != sender {
            return Err(BadPath::OtherSender);
        }
        if path.hops.from == *first && *first != origin {
            return Err(BadPath::OtherOrigin);
        }
        let twice = |(at, (node, _)): (usize, &(NodeId, Signature))| {
            signed.iter().skip(at + 1).any(|(other, _)| other == node) || (at > 0 && *node == path.hops.from)
        };
        if signed.iter().enumerate().any(twice) {
            return Err(BadPath::Loop);
        }
        let statements: Vec<Statement> = path.statements().collect();
        if statements.iter().rev().all(Statement::is_signed) { Ok(path) } else { Err(BadPath::Forged) }
    }

    /// The nodes that passed the message on, in the order of the way. The first is the origin, unless somebody before it
    /// did not sign or the path was cut.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        self.hops.signed.iter().map(|(node, _)| *node)
    }

    /// From whom the first of [`nodes`](Self::nodes) had it; itself if it wrote the message.
    pub fn from(&self) -> NodeId {
        self.hops.from
    }

    /// What each of them said.
    pub fn statements(&self) -> impl Iterator<Item = Statement> + '_ {
        let signed = &self.hops.signed;
        signed.iter().enumerate().map(|(at, (node, signature))| {
            let previous =
                at.checked_sub(1).and_then(|at| signed.get(at)).map_or(self.hops.from, |one| one.0);
            let next = signed.get(at + 1).map_or(self.to, |one| one.0);
            Statement { id: self.id, node: *node, previous, next, signature: *signature }
        })
    }
}

/// Adds our own statement for the next node. `came` is the way the message came to us, if it had one; `previous` is who
/// gave it to us, or ourselves. Of a way that would become longer than `most` the beginning is left out.
pub fn extend(
    key: &dyn Signer,
    id: MessageId,
    came: Option<&Path>,
    previous: NodeId,
    next: NodeId,
    most: usize,
) -> Hops {
    let mut hops = match came {
        Some(path) => path.hops.clone(),
        None => Hops { from: previous, signed: Vec::new() },
    };
    hops.signed.push((key.public(), Statement::sign(key, id, previous, next).signature));
    while hops.signed.len() > most.max(1) {
        hops.from = hops.signed.remove(0).0;
    }
    hops
}

/// Two statements of one node about one message that cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// What the node said,
    pub one: Statement,
    /// and what it said otherwise.
    pub other: Statement,
}

impl Proof {
    /// The node that is proven to have lied; `None` if this proves nothing.
    pub fn culprit(&self) -> Option<NodeId> {
        let (one, other) = (&self.one, &self.other);
        let contrary = one.node == other.node && one.id == other.id && one.previous != other.previous;
        (contrary && one.is_signed() && other.is_signed()).then_some(one.node)
    }
}

/// The nodes that two ways of one message prove to have lied. A checked [`Path`] alone proves nothing: it takes two.
pub fn blame(one: &Path, other: &Path) -> Vec<Proof> {
    let mut proofs = Vec::new();
    for said in one.statements() {
        for contrary in other.statements() {
            let proof = Proof { one: said.clone(), other: contrary };
            if proof.culprit().is_some() {
                proofs.push(proof);
            }
        }
    }
    proofs
}
