//! What the app asks of a router and is told by it.

use std::sync::Arc;

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId};

use super::{CatchUpStats, FeedStats, Quality};
use crate::MessageId;
use crate::envelope::{DoorStats, Envelope, Timestamp, TopicName};
use crate::membership::full::{self, MemberInfo, Meta};
use crate::membership::partial;
use crate::path::Path;
use crate::plumtree;
use crate::store::Kept;

/// What the app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Take part in a topic, by these nodes; more contacts for one that was joined before.
    Join {
        /// Which.
        topic: TopicName,
        /// Who may let us in.
        contacts: Vec<NodeAddr>,
    },
    /// The same in a small topic, where all are neighbours of each other and know who is there; see
    /// [`Topic::full`](crate::topic::Topic::full). All nodes of a topic must join it in the same way.
    JoinFull {
        /// Which.
        topic: TopicName,
        /// Who may let us in.
        contacts: Vec<NodeAddr>,
    },
    /// From now on we say this of ourselves to the members of a small topic.
    Meta {
        /// Which.
        topic: TopicName,
        /// What.
        meta: Meta,
    },
    /// Feed these neighbours in a topic that was joined, from now on; see [`feed`](super::feed).
    Feed {
        /// Which.
        topic: TopicName,
        /// Whom.
        neighbours: Vec<NodeAddr>,
    },
    /// The link to this node is there now, as those who watch the radio, the cable or the calendar know. A driver that has
    /// connections says it by [`PeerUp`](dsys_core::Input::PeerUp).
    Contact(NodeId),
    /// Take part no longer. Messages of the topic are forgotten, unless they are [written down](super::Router::restore).
    Leave(TopicName),
    /// Tell everybody in a topic. Answered by [`Event::Published`].
    Publish {
        /// Which.
        topic: TopicName,
        /// What comes back with the answer.
        ticket: u64,
        /// What to tell.
        payload: Bytes,
    },
    /// Delete a message of our own, everywhere: tell everybody the certificate of its death. Answered by
    /// [`Event::Published`], of the certificate.
    Delete {
        /// In which topic.
        topic: TopicName,
        /// What comes back with the answer.
        ticket: u64,
        /// The message.
        id: MessageId,
    },
    /// Read the topic's log. Answered by [`Event::Page`].
    Read {
        /// Which.
        topic: TopicName,
        /// What comes back with the answer.
        ticket: u64,
        /// From where.
        from: Cursor,
        /// At most so many messages.
        most: usize,
    },
    /// It is now this late, as far as the driver's clock knows.
    Clock(Timestamp),
}

/// Where a reader of a topic's log begins. Places count up in the order in which messages came to this node, and mean
/// nothing to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cursor {
    /// At the oldest message that is kept.
    Oldest,
    /// At the next message that comes.
    Newest,
    /// Behind the message of this place.
    After(u64),
}

/// A message that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Its place in this node's log of the topic.
    pub place: u64,
    /// Its name.
    pub id: MessageId,
    /// Who wrote it; they have signed it.
    pub origin: NodeId,
    /// The origin's number for it. Larger than those of its earlier messages in the topic; the next larger one, unless
    /// the origin has started anew.
    pub seq: u64,
    /// When it was written, by the origin's clock.
    pub time: Timestamp,
    /// The way it came, if its hops were signed.
    pub path: Option<Arc<Path>>,
    /// Who gave it to us; ourselves for our own.
    pub from: NodeId,
    /// Over how many links it came, as far as those who passed it on said so.
    pub hops: u32,
    /// What it says; of a certificate nothing.
    pub payload: Bytes,
    /// If it is the certificate of a death: of which message. It was deleted if it was of the same origin, and then it is not
    /// in the log any more.
    pub deletes: Option<MessageId>,
    /// The whole, to show to others.
    pub envelope: Arc<Envelope>,
}

impl Message {
    pub(super) fn new(place: u64, kept: &Kept) -> Self {
        let deletes = kept.envelope.deletes();
        Message {
            place,
            id: kept.id,
            origin: kept.envelope.origin,
            seq: kept.envelope.seq,
            time: kept.envelope.time,
            path: kept.path.clone(),
            from: kept.from,
            hops: kept.hops,
            payload: if deletes.is_some() { Bytes::new() } else { kept.envelope.payload.clone() },
            deletes,
            envelope: kept.envelope.clone(),
        }
    }
}

/// A message of ours that went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Its name.
    pub id: MessageId,
    /// Our number for it.
    pub seq: u64,
    /// How many neighbours there were. If there were none it waits in the store for the first to ask for it.
    pub neighbours: usize,
}

/// Why a message of ours did not go out. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Longer than the topic allows.
    #[error("a message of {size} bytes is too large: at most {most} are allowed")]
    TooLarge {
        /// Its length.
        size: usize,
        /// The longest, in bytes.
        most: usize,
    },
    /// Another has written it: only its origin deletes a message.
    #[error("only its origin can delete a message, and this is another's")]
    NotOurs,
    /// Too many of ours wait to go out.
    #[error("too many messages wait to go out: slow down")]
    Full,
    /// The topic was left, or never joined.
    #[error("the topic was not joined, or was left")]
    NotJoined,
}

/// What the app is told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// This node is a neighbour in the topic now.
    Up(TopicName, NodeId),
    /// And now it is not.
    Down(TopicName, NodeId),
    /// How this member of a small topic is, whenever that changes.
    Member(TopicName, MemberInfo),
    /// A node that is [fed](super::feed) in the topic is there, or not any more.
    Contact {
        /// Which topic.
        topic: TopicName,
        /// Which node.
        peer: NodeId,
        /// Whether it is there.
        there: bool,
    },
    /// A message came for the first time, our own included.
    Delivered(TopicName, Message),
    /// The answer to [`Command::Publish`].
    Published {
        /// What was given.
        ticket: u64,
        /// How it went.
        outcome: Result<Published, Refused>,
    },
    /// The answer to [`Command::Read`].
    Page {
        /// What was given.
        ticket: u64,
        /// The messages, in the order of their places.
        messages: Vec<Message>,
        /// Where to read on.
        next: Cursor,
        /// How many messages between the cursor and the oldest that is kept are not kept any more.
        skipped: u64,
    },
    /// A topic was not joined: there are `max_topics`.
    TooMany(TopicName),
    /// How it goes in a topic.
    Report(TopicName, Quality, Box<Stats>),
}

/// What was counted in a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Neighbours now.
    pub neighbours: usize,
    /// Our own messages that went out,
    pub published: u64,
    /// and of these the ones for which there was no neighbour at the time.
    pub published_alone: u64,
    /// Our own messages not taken, because they were too large or too many waited, and others' that we were to delete.
    pub refused: u64,
    /// Our own messages that wait now.
    pub pending: usize,
    /// Messages of peers dropped because they sent more than their rate.
    pub limited: u64,
    /// Paths not believed; the message was dropped and its sender barred.
    pub bad_paths: u64,
    /// Peers barred for what they passed on.
    pub barred: u64,
    /// Messages that certificates have taken away here.
    pub deleted: u64,
    /// Messages kept, of all topics.
    pub kept: usize,
    /// About how many bytes they take.
    pub kept_bytes: usize,
    /// Messages, of all topics, that went for want of room.
    pub dropped: u64,
    /// Envelopes.
    pub door: DoorStats,
    /// Catching up.
    pub catch_up: CatchUpStats,
    /// The membership, where it is partial,
    pub membership: partial::Stats,
    /// and where it is full.
    pub members: full::Stats,
    /// The tree.
    pub broadcast: plumtree::Stats,
    /// Store and forward, of all topics.
    pub feed: FeedStats,
}
