//! Documents in step with those of peers, as a machine (feature `sync`).
//!
//! Two peers tell each other the last changes that they have of a document that both share. Who lacks something asks *one* of
//! those who have it, whichever comes first, for what follows its own last changes: one round trip for whoever was away.
//! Another is asked when that one has been silent for a while ([`Config::turn`]). Who is asked and does not know the asker's
//! last changes says so by its own, and gets a sparse list of what is there
//! ([`Log::summary`](crate::change::Log::summary)); it sends what is not, and at most as much again.
//!
//! ```text
//! A                                   B
//! | Heads (my last changes; I want    |
//! |   what follows them)              |
//! |---------------------------------->|   knows them:  Changes, piece by piece
//! |<----------------------------------|   does not:    Heads (my last changes)
//! | Have (a sparse list of what I     |
//! |   have)                           |
//! |---------------------------------->|
//! | Changes 1, 2, 3, 4                |
//! |<----------------------------------|
//! | Stored 1                          |
//! |---------------------------------->|   durable, so that the next piece may come
//! ```
//!
//! A new change is pushed: by its author to all, and by those whom it reaches to their other peers, unless they had asked for
//! it, being behind: then they announce it. Who gets one twice says so ([`Message::Spare`]), and from then on that peer only
//! announces what it has from others: the links that remain are a tree (Plumtree: Leitão, Pereira & Rodrigues, "Epidemic
//! Broadcast Trees", SRDS 2007, §3).
//!
//! On a network, with documents in a [`Repo`](crate::repo::Repo) (feature `net`), it takes three lines:
//!
//! ```no_run
//! # async fn example(node: dsys_transport::Node, ticket: dsys_core::Ticket) -> Result<(), Box<dyn std::error::Error>> {
//! # use dsys_crdt::repo::{Doc, Repo};
//! # use dsys_crdt::sync::Sync;
//! let repo = Repo::open("notes.redb").await?;
//! let doc: Doc = repo.create("shopping")?;
//! let sync = Sync::spawn(&node, &repo)?;
//! sync.share(&doc, [ticket.0]).await?;
//! # Ok(()) }
//! ```
//!
//! **What was cut.** Who has cut its history ([`Doc::trim`](crate::doc::Doc::trim)) says so to who lacks some of that, and names what
//! is to be had first ([`Message::Trimmed`]); the app is told, and others are asked. Who refuses a change because it bears on what
//! was cut here tells the app, and asks for it no more: such a document is to be opened anew, from a peer who has all of it.
//!
//! **First sight.** Who has nothing of a document may ask for what it says, ahead of the changes ([`Config::preview`]): it is shown
//! apart from the document, as a peer's claim, and held against the changes when they are there.
//!
//! All of it may be lost, doubled or late: what a peer is not known to have stored is found out by its next heads.

mod asking;
mod config;
mod cut;
mod digest;
#[cfg(feature = "net")]
mod handle;
mod link;
mod machine;
mod message;
mod piece;
mod preview;
mod rounds;
mod words;

pub use config::Config;
#[cfg(feature = "net")]
pub use handle::{Builder, Ended, SpawnError, Sync};
pub use machine::{Library, Replicator};
pub use message::{DocumentRange, Message, Wish};
pub use preview::Preview;
pub use words::{Command, Event, Stats, Timer};

/// The last changes of a log, as peers are told of them.
#[cfg(feature = "net")]
pub(crate) fn heads<P: crate::change::Policy>(log: &crate::change::Log<P>) -> Vec<crate::change::ChangeId> {
    piece::heads(log, log.len() as u32, usize::MAX)
}
