//! What travels between the two ends of a connection.

use bytes::Bytes;

/// One of the two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Dialler,
    Acceptor,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Dialler => Side::Acceptor,
            Side::Acceptor => Side::Dialler,
        }
    }
}

/// One thing for each side.
#[derive(Debug)]
pub(super) struct Sides<T> {
    dialler: T,
    acceptor: T,
}

impl<T> Sides<T> {
    pub(super) fn new(mut make: impl FnMut() -> T) -> Self {
        Sides { dialler: make(), acceptor: make() }
    }

    pub(super) fn get(&self, side: Side) -> &T {
        match side {
            Side::Dialler => &self.dialler,
            Side::Acceptor => &self.acceptor,
        }
    }

    pub(super) fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Dialler => &mut self.dialler,
            Side::Acceptor => &mut self.acceptor,
        }
    }
}

/// The two kinds of streams; each has its own limit and its own queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Bi,
    Uni,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct StreamId {
    pub(super) opener: Side,
    pub(super) kind: Kind,
    pub(super) number: u64,
}

#[derive(Debug)]
pub(super) enum Frame {
    /// From the sending half. `first` makes the stream known to the peer: frames of one stream arrive in order, so
    /// whatever comes for an unknown stream without it belongs to one that is over.
    Stream { id: StreamId, first: bool, part: Part },
    /// From the receiving half: no more is wanted.
    Stop { id: StreamId, code: u32 },
    /// From the receiving half: so many more bytes were read.
    Credit { id: StreamId, bytes: usize },
    /// The acceptor of a stream is done with it, and the opener may open another.
    Slot(Kind),
    /// The end of the connection.
    Close { code: u32, reason: String },
}

#[derive(Debug)]
pub(super) enum Part {
    Data(Bytes),
    Fin,
    Reset(u32),
}
