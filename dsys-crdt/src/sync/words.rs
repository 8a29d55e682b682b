//! What the app and a [`Replicator`](super::Replicator) say to each other.

use dsys_core::NodeId;

#[cfg(doc)]
use crate::change::Log;
use crate::change::{ChangeId, DocumentId};

/// What the app asks of a [`Replicator`](super::Replicator).
#[derive(Clone, Debug)]
pub enum Command {
    /// Name a document to these peers. Those who name it themselves, and may read it, get it anyway.
    Share(DocumentId, Vec<NodeId>),
    /// Forget who shares it; the library has it no longer.
    Unshare(DocumentId),
    /// More of a document is durable.
    Stored(DocumentId),
    /// What peers are to see of us, until we go.
    Presence(DocumentId, Vec<u8>),
}

/// What a [`Replicator`](super::Replicator) tells the app.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// As far as each has told, the peer and we have the same, durable on both sides.
    InStep(DocumentId, NodeId),
    /// A peer is sending much: so many changes have come in this connection, and so many are to come.
    Progress(DocumentId, NodeId, u64, u64),
    /// What a peer shows; nothing once it has gone.
    Presence(DocumentId, NodeId, Vec<u8>),
    /// The peer does not share the document with us.
    Declined(DocumentId, NodeId),
    /// The peer announces what it does not give: another has to.
    Withheld(DocumentId, NodeId),
    /// The peer has cut what we lack: somebody who has all of the document has to be asked, which is done if one is known.
    Trimmed(DocumentId, NodeId),
    /// The peer says what the document says, of which nothing is here yet: the library has it.
    Preview(DocumentId, NodeId),
    /// The changes that were said to say so are here: whether they do. Or, none, others have all of the document, and nothing of
    /// those. The library has dropped it.
    PreviewEnded(DocumentId, NodeId, Option<bool>),
    /// This change was refused, the first one, because it bears on what was cut here: the document goes on without it and
    /// what follows it, until it is opened anew from somebody who has all of it.
    Unmergeable(DocumentId, ChangeId),
    /// An author has signed two changes in one place: [`Log::forks`] has the proof.
    Forked(DocumentId, NodeId),
    /// What was counted so far, now and then.
    Counted(Stats),
}

/// The names of a [`Replicator`](super::Replicator)'s timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// To see what has no answer.
    Round,
    /// To announce what came from others.
    Announce,
    /// To send what follows a preview, which need not wait for that to be packed.
    Serve,
}

/// What a [`Replicator`](super::Replicator) has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Changes sent, those included that are not known to have arrived.
    pub sent: u64,
    /// Bytes of pieces sent.
    pub sent_bytes: u64,
    /// Changes taken in from peers.
    pub received: u64,
    /// Bytes of pieces received.
    pub received_bytes: u64,
    /// Changes of peers that were refused, for whatever reason.
    pub refused: u64,
    /// Pieces of which everything was known.
    pub spare: u64,
    /// Messages that no honest peer sends.
    pub violations: u64,
    /// Times that a peer did not give in time what it had announced.
    pub withheld: u64,
}
