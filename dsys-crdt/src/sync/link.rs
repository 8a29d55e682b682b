//! One document with one peer.

use std::collections::VecDeque;

use dsys_core::Time;

use crate::change::ChangeId;

/// What is known of a peer's replica of a document, and what is on its way. Begins anew with each connection, but for
/// `invited`.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// We have named the document to the peer, and dial it for that.
    pub(super) invited: bool,
    /// The peer has said what it has.
    pub(super) heard: bool,
    /// The peer does not share it: when it said so last, and how often before.
    pub(super) declined: Option<(Time, u32)>,
    /// It is told of what comes from others, instead of being sent it.
    pub(super) lazy: bool,
    /// What it was told of that we have, and when.
    pub(super) told: Option<(Vec<ChangeId>, Time)>,
    /// Numbers of changes to be sent.
    pub(super) queue: VecDeque<u32>,
    /// Pieces that are not stored there yet, and when each was sent.
    pub(super) flight: VecDeque<(u64, Time)>,
    pub(super) pieces: u64,
    /// When we asked for what the peer had announced, and have not got.
    pub(super) asked: Option<Time>,
    /// How often it has not given what it had announced.
    pub(super) broken: u32,
    /// When it was last sent all that it lacked by its own list.
    pub(super) served: Option<Time>,
    /// Pieces of the peer's that are not durable yet, with how many changes there have to be.
    pub(super) parked: VecDeque<(u64, u32)>,
    pub(super) in_step: bool,
    pub(super) received: u64,
}

impl Link {
    /// After the connection has gone.
    pub(super) fn reset(&mut self) {
        *self = Link { invited: self.invited, ..Link::default() };
    }

    /// Nothing is on its way, nor to be sent.
    pub(super) fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.flight.is_empty()
    }
}
