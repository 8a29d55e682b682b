//! What one end of a connection knows.

use std::collections::{HashMap, VecDeque};
use std::task::Waker;

use bytes::Bytes;
use tokio::time::Instant;

use super::frame::{Kind, StreamId};
use crate::error::CloseReason;

#[derive(Debug, Default)]
pub(super) struct End {
    pub(super) closed: Option<CloseReason>,
    pub(super) streams: HashMap<StreamId, Stream>,
    pub(super) datagrams: VecDeque<Bytes>,
    pub(super) bi: PerKind,
    pub(super) uni: PerKind,
}

/// What each kind of stream has for itself, so that neither kind can hold up the other.
#[derive(Debug, Default)]
pub(super) struct PerKind {
    /// How many were opened here, ever; the number of the next one.
    pub(super) opened: u64,
    /// How many of them the peer is not done with.
    pub(super) open: usize,
    /// Opened by the peer and not yet accepted here.
    pub(super) arrived: VecDeque<StreamId>,
}

impl End {
    pub(super) fn kind(&mut self, kind: Kind) -> &mut PerKind {
        match kind {
            Kind::Bi => &mut self.bi,
            Kind::Uni => &mut self.uni,
        }
    }
}

/// A stream; a half that is over, or never was, is `None`.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) send: Option<SendHalf>,
    pub(super) recv: Option<RecvHalf>,
    /// The peer knows of the stream, or will when what was sent arrives.
    pub(super) known: bool,
    /// A stop that waits for the peer to know the stream.
    pub(super) stop: Option<u32>,
    /// When the latest of what we sent on it arrives; the next must not come sooner.
    pub(super) last_due: Option<Instant>,
}

impl Stream {
    pub(super) fn new(send: bool, recv: bool, known: bool) -> Self {
        Stream {
            send: send.then(SendHalf::default),
            recv: recv.then(RecvHalf::default),
            known,
            stop: None,
            last_due: None,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct SendHalf {
    /// Written, and not known to be read.
    pub(super) outstanding: usize,
    /// The peer wants no more.
    pub(super) stopped: Option<u32>,
    pub(super) waker: Option<Waker>,
}

#[derive(Debug, Default)]
pub(super) struct RecvHalf {
    pub(super) chunks: VecDeque<Bytes>,
    pub(super) ended: Option<Ended>,
    /// Read, and not yet told to the writer.
    pub(super) uncredited: usize,
    pub(super) waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    Fin,
    Reset(u32),
}
