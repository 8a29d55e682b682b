//! What can go wrong below a [`Node`](crate::Node), and the codes that say so to the peer.

use std::io;

use dsys_core::NodeId;

/// The codes with which streams and connections end. They are part of the wire: a number never changes its meaning.
/// A protocol's own codes start at [`code::PROTOCOL`].
pub mod code {
    /// A clean end of a connection that is no longer needed.
    pub const DONE: u32 = 0;
    /// The stream's owner dropped it before its end.
    pub const CANCELLED: u32 = 1;
    /// No protocol of this tag is spoken here.
    pub const UNKNOWN_PROTOCOL: u32 = 2;
    /// The protocol is spoken, but its queue is full just now: try later.
    pub const BUSY: u32 = 3;
    /// The peer broke a rule of `dsys/1`; the reason names it.
    pub const VIOLATION: u32 = 4;
    /// Another connection between the same two nodes is kept. Said before HELLO: nothing on this one was looked at.
    pub const DUPLICATE: u32 = 5;
    /// The node shuts down.
    pub const GOING_AWAY: u32 = 6;
    /// Nothing was said for the configured time, or a HELLO or tag did not come in time.
    pub const IDLE: u32 = 7;
    /// The node takes no connection now: its limit is reached, or it shuts down. Said before HELLO: nothing on this one
    /// was looked at.
    pub const REFUSED: u32 = 8;
    /// The handler of a request failed; nothing can be said about its effect.
    pub const FAILED: u32 = 9;
    /// A frame was larger than the protocol allows, or did not decode.
    pub const BAD_FRAME: u32 = 10;
    /// The app, or a protocol of it, wants no connection with this peer.
    pub const DISCONNECTED: u32 = 11;
    /// A newer connection between the same two nodes has taken the place of this one.
    pub const REPLACED: u32 = 12;
    /// Codes from here on belong to the protocols.
    pub const PROTOCOL: u32 = 0x100;
}

/// Why a dial gave no connection. No connection was made, and nothing of the dial is left. The text shows the short
/// form of an id; the whole one is in the variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Neither the call nor the address book names an address.
    #[error("no address is known for {}: add one with `add_addr` or dial its ticket", .0.short())]
    NoAddress(NodeId),
    /// The node's own id was dialled.
    #[error("{} is this node itself", .0.short())]
    OwnId(NodeId),
    /// Nobody answered at any address in time.
    #[error("nobody answered for {} in time: is it running, and do its addresses still hold?", .0.short())]
    TimedOut(NodeId),
    /// Somebody answered, but did not prove the key that was dialled.
    #[error("what answered is not {}: it proved another key, or none", .0.short())]
    WrongIdentity(NodeId),
    /// The peer answered and declined, with this code and reason.
    #[error("{} declined the connection: {reason} (code {code})", .peer.short())]
    Declined {
        /// Who declined.
        peer: NodeId,
        /// One of [`code`].
        code: u32,
        /// In the peer's words.
        reason: String,
    },
    /// The addresses cannot be reached from here at all.
    #[error("cannot send to any address of {}: {reason}", .peer.short())]
    Unreachable {
        /// Who was dialled.
        peer: NodeId,
        /// What the system said.
        reason: String,
    },
    /// Our own limit of connections is reached.
    #[error("{0} connections are open, which is the limit: raise `max_connections` or disconnect one")]
    TooManyConnections(usize),
    /// The transport was shut down.
    #[error("this node is shut down")]
    ShutDown,
}

/// How a connection ended. What was written and not acknowledged above it may or may not have arrived.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// We closed it.
    #[error("closed by this node (code {0})")]
    Local(u32),
    /// The peer closed it.
    #[error("closed by the peer: {reason} (code {code})")]
    Peer {
        /// One of [`code`].
        code: u32,
        /// In the peer's words, at most 256 bytes.
        reason: String,
    },
    /// Nothing was heard for too long.
    #[error("the peer fell silent")]
    TimedOut,
    /// The peer forgot the connection, as after a restart.
    #[error("the peer has forgotten the connection")]
    Reset,
    /// The peer broke the rules of the transport, or the transport failed.
    #[error("the transport failed: {0}")]
    Transport(String),
}

impl CloseReason {
    /// The most of a peer's words that is sent or kept, in bytes.
    pub(crate) const MAX_WORDS: usize = 256;

    /// As much of a reason as is sent: whole characters.
    pub(crate) fn cut(words: &str) -> &str {
        (0..=words.len().min(Self::MAX_WORDS)).rev().find_map(|end| words.get(..end)).unwrap_or("")
    }
}

/// How a stream ended before its time. Carried inside an [`io::Error`]; [`StreamError::of`] takes it out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The peer abandoned its sending half: what was read before this is all there will be, and it is not complete.
    #[error("the peer reset the stream (code {0})")]
    Reset(u32),
    /// The peer wants no more: an unknown part of what was written was read.
    #[error("the peer stopped the stream (code {0})")]
    Stopped(u32),
    /// The whole connection ended.
    #[error("the connection ended: {0}")]
    Connection(#[from] CloseReason),
    /// The stream was finished, reset or stopped on this side already.
    #[error("the stream is already closed on this side")]
    Closed,
}

impl StreamError {
    /// The stream's own error inside an I/O error, if that is what it is.
    pub fn of(error: &io::Error) -> Option<&StreamError> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match &error {
            StreamError::Reset(_) => io::ErrorKind::ConnectionReset,
            StreamError::Stopped(_) => io::ErrorKind::BrokenPipe,
            StreamError::Connection(CloseReason::TimedOut) => io::ErrorKind::TimedOut,
            StreamError::Connection(_) => io::ErrorKind::NotConnected,
            StreamError::Closed => io::ErrorKind::BrokenPipe,
        };
        io::Error::new(kind, error)
    }
}

/// Why a datagram was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatagramError {
    /// Larger than fits just now; send it over a stream.
    #[error("{size} bytes do not fit a datagram of at most {max}: send it over a stream")]
    TooLarge {
        /// What was to be sent.
        size: usize,
        /// What fits.
        max: usize,
    },
    /// The peer or the transport has no datagrams.
    #[error("this connection carries no datagrams: use a stream")]
    Unsupported,
    /// The connection ended.
    #[error("the connection ended: {0}")]
    Connection(#[from] CloseReason),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dial_error_names_the_peer_in_short() {
        let id = NodeId::from_number(7);
        for error in [
            DialError::NoAddress(id),
            DialError::OwnId(id),
            DialError::TimedOut(id),
            DialError::WrongIdentity(id),
            DialError::Declined { peer: id, code: code::REFUSED, reason: "full".into() },
            DialError::Unreachable { peer: id, reason: "no route".into() },
        ] {
            let text = error.to_string();
            assert!(text.contains(&id.short()) && !text.contains(&id.to_string()), "{text}");
        }
    }
}
