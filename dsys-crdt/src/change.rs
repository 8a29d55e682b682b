//! Changes that are signed and name what they follow by its hash; and the [`Log`] that takes them in (feature `keys`).
//!
//! What a change says is bytes to this module: operations of any type here, or of your own. They arrive in causal order, each
//! once, and only from those whom a [`Policy`] lets write.
//!
//! ```
//! use dsys_core::SecretKey;
//! use dsys_crdt::change::{DocumentId, Log, Members};
//!
//! let (anna, ben) = (SecretKey::generate()?, SecretKey::generate()?);
//! let document = DocumentId::from_bytes([7; 32]);
//! let mut here = Log::new(document, Members::owned_by(anna.public()));
//! let mut there = here.clone();
//!
//! here.grant(&anna, 1_000, [ben.public()])?;
//! let sent = here.encode_since(&there.summary());
//! assert_eq!(there.decode_and_receive(&sent, 1_001)?.accepted, 1);
//! let change = there.commit(&ben, 1_002, b"add milk".to_vec())?;
//! let received = here.receive([change], 1_003);
//! assert_eq!(here.get(&received.counting[0]).unwrap().body, b"add milk");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How it works, and its limits: `ARCHITECTURE.md`, "How a document is kept".

mod bundle;
mod columns;
mod entries;
mod fork;
pub(crate) mod graph;
mod log;
mod policy;
mod receive;
pub(crate) mod saved;
mod trimmed;
mod waiting;

pub use bundle::Bundle;
pub use columns::{BundleError, decode, decode_within, encode};
use dsys_core::{Domain, NodeId, Signature, Signer};
pub use fork::{Branch, Fork, NoFork};
pub use log::{Log, LogConfig};
pub use policy::{Denied, Members, Open, Past, Policy};
pub use receive::Received;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::encoding::bytes::put;

/// The version of the format: it goes into every hash and every signature.
const DOMAIN: Domain = Domain::from_static("dsys/crdt/change/1");

/// The name of a change: the SHA-256 of its header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChangeId([u8; 32]);

/// The name of a document: 32 bytes, random or agreed on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentId([u8; 32]);

macro_rules! bytes {
    ($name:ident) => {
        impl $name {
            /// The name of these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                $name(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            /// The first bytes, in hexadecimal.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().take(5).try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    };
}
bytes!(ChangeId);
bytes!(DocumentId);

/// Who may write from now on, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Access {
    /// Lets a key write.
    Grant(NodeId),
    /// Lets it write no longer. Its changes that this one has not seen do not count.
    Revoke(NodeId),
}

/// What a change is, without what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Header {
    /// The document.
    pub document: DocumentId,
    /// Whose change it is.
    pub author: NodeId,
    /// Its number among the author's, from 0.
    pub seq: u64,
    /// The author's change before it; none for the first.
    pub previous: Option<ChangeId>,
    /// What else it follows: in ascending order, each once, without `previous`.
    pub others: Vec<ChangeId>,
    /// When it was made, by the author's clock, in milliseconds since 1970. Orders nothing.
    pub wall: u64,
    /// Whom it lets write, or no longer.
    pub access: Vec<Access>,
    /// The SHA-256 of the body.
    pub body: [u8; 32],
}

impl Header {
    /// The change's name.
    pub fn id(&self) -> ChangeId {
        self.id_by(&mut Vec::with_capacity(192 + 33 * (self.others.len() + self.access.len())))
    }

    /// [`Header::id`] with memory that was used for others.
    fn id_by(&self, bytes: &mut Vec<u8>) -> ChangeId {
        bytes.clear();
        bytes.extend_from_slice(DOMAIN.as_str().as_bytes());
        self.write(bytes);
        ChangeId(Sha256::digest(&bytes).into())
    }

    /// As postcard writes it, which takes every byte by itself: a history is hashed as fast as its headers are written.
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.document.0);
        to.extend_from_slice(self.author.as_bytes());
        put(to, self.seq);
        to.push(self.previous.is_some().into());
        to.extend(self.previous.iter().flat_map(|id| id.0));
        put(to, self.others.len() as u64);
        self.others.iter().for_each(|id| to.extend_from_slice(&id.0));
        put(to, self.wall);
        put(to, self.access.len() as u64);
        for access in &self.access {
            let (kind, key) = match access {
                Access::Grant(key) => (0, key),
                Access::Revoke(key) => (1, key),
            };
            to.push(kind);
            to.extend_from_slice(key.as_bytes());
        }
        to.extend_from_slice(&self.body);
    }

    /// All that it names: its previous change and the others.
    pub fn follows(&self) -> impl Iterator<Item = &ChangeId> {
        self.previous.iter().chain(&self.others)
    }
}

/// A change: one transaction of one author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it is.
    pub header: Header,
    /// What it says.
    pub body: Vec<u8>,
    /// The author's; none where a later change of the author vouches for this one.
    pub signature: Option<Signature>,
}

impl Change {
    fn signed(header: Header, body: Vec<u8>, key: &dyn Signer) -> (ChangeId, Change) {
        let id = header.id();
        let signature = Some(key.sign(DOMAIN, id.as_bytes()));
        (id, Change { header, body, signature })
    }
}

fn hash_of_body(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

fn is_signed(id: &ChangeId, author: &NodeId, signature: &Signature) -> bool {
    author.verify(DOMAIN, id.as_bytes(), signature).is_ok()
}

/// Why a change was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It belongs to another document.
    #[error("the change belongs to another document")]
    Document,
    /// The header is not in the one form, or names too many others, or the body is too long.
    #[error("the change is malformed: {0}")]
    Malformed(&'static str),
    /// Neither is it signed by its author, nor does a later change of the author vouch for it.
    #[error("the change is not signed by its author: forged, or altered on the way")]
    Unsigned,
    /// The body is not the one that the author signed.
    #[error("the body is not the one that was signed: altered on the way")]
    Body,
    /// It follows a change of another author as its own, or its number is not the next one.
    #[error("the change claims a number, or a previous change, that is not its author's")]
    WrongPrevious,
    /// The author's clock is too far ahead.
    #[error("the author's clock is {by} ms ahead: refused until then, check both clocks")]
    FarFuture {
        /// How far, in milliseconds.
        by: u64,
    },
    /// The policy says no.
    #[error("the author may not do this: {0}")]
    Denied(#[from] Denied),
    /// Too many changes of its author, or of all, wait for others that are missing.
    #[error("too many changes wait for missing ones: ask for all since the heads here")]
    Waiting,
    /// The author has signed two changes in one place, and is suspended for ever; or has done so too often.
    #[error(
        "this key is suspended here, because it has signed two changes in one place: go on under another"
    )]
    Suspended,
    /// The key was revoked, and has changes that the revocation had not seen and that do not count. Whatever it says follows
    /// them, so it would bring them back; a grant after the revocation does not change that.
    #[error(
        "this key was revoked, and has changes that do not count, which nothing may follow: make another key, and have that one granted"
    )]
    Behind,
    /// It says something of changes that were cut here: who has forked there, or which of them do not count any more. It
    /// cannot be taken in without them.
    #[error(
        "the change bears on history that was cut here: open the document anew from a peer who has all of it"
    )]
    Trimmed,
    /// The log has as many changes as it can number.
    #[error("the log is full: begin a new document")]
    Full,
}
