//! The traits that a transport implements. Apps meet [`Node`](crate::Node) and [`Stream`](crate::Stream) instead.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use dsys_core::{NodeAddr, NodeId, Signer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::{CloseReason, DatagramError, DialError, code};

/// What a transport counted of those who dialled it and got no connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportStats {
    /// Handshakes that failed: another protocol, an unsound key, a signature that does not fit, silence.
    pub handshakes_failed: u64,
    /// Handshakes refused because too many were under way.
    pub handshakes_refused: u64,
}

/// A way to reach nodes by their key: authenticated connections with many streams and, where it can, datagrams.
///
/// Implementers write plain `async fn`s. What each method owes is stated here and tested by the public
/// `conformance` suite, feature `conformance`.
pub trait Transport: Send + Sync + 'static {
    /// What a dial or an accept gives.
    type Connection: Connection;

    /// Our own name. Every connection proves it to the peer.
    fn id(&self) -> NodeId;

    /// Who signs in our name, for protocols whose messages are signed; `None`, this default, if the transport knows of
    /// no key. Signatures are bound to a [`Domain`](dsys_core::Domain), so that no protocol can sign for another one.
    fn signer(&self) -> Option<Arc<dyn Signer>> {
        None
    }

    /// Where this transport listens now, as far as it knows; empty if it has no socket addresses.
    fn local_addrs(&self) -> Vec<SocketAddr>;

    /// What it counted. A transport without handshakes leaves this default.
    fn stats(&self) -> TransportStats {
        TransportStats::default()
    }

    /// Connects to `to`, whose key has been proven when this returns. It may return before the peer has judged our
    /// own key (TLS 1.3 lets the dialler go first), so the peer is *up* only when it has said something.
    ///
    /// Cancel safety: dropping the future gives the dial up and leaves nothing behind.
    fn dial(&self, to: &NodeAddr) -> impl Future<Output = Result<Self::Connection, DialError>> + Send;

    /// Finds out whether `to` answers a connection from somebody new, and closes that connection as soon as the key is
    /// proven. Gives the address that answered, where there is such a thing.
    ///
    /// This default dials as usual. A transport whose peers may sit behind a NAT asks from a socket that they have
    /// never sent to: through the hole that their own packets have made, anybody is reached (RFC 4787 §5).
    ///
    /// # Errors
    /// As [`dial`](Self::dial): [`DialError`] if nobody of that key answered, or no socket could be had.
    ///
    /// Cancel safety: as [`dial`](Self::dial).
    fn probe(&self, to: &NodeAddr) -> impl Future<Output = Result<Option<SocketAddr>, DialError>> + Send {
        async {
            let connection = self.dial(to).await?;
            let addr = connection.remote_addr();
            connection.close(code::DONE, "only a probe");
            Ok(addr)
        }
    }

    /// The next connection that a peer made and whose key is proven; `None` once the transport is shut down.
    ///
    /// Cancel safety: no connection is lost by dropping the future.
    fn accept(&self) -> impl Future<Output = Option<Self::Connection>> + Send;

    /// Closes every connection, waits until the peers can know it (bounded by the transport, at most seconds), and
    /// frees the sockets. Afterwards `accept` gives `None` and `dial` fails with [`DialError::ShutDown`].
    ///
    /// Cancel safety: may be dropped and called again.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}

/// One authenticated connection. Clones are handles to the same connection; dropping them all closes it.
pub trait Connection: Clone + Send + Sync + 'static {
    /// The sending half of a stream.
    type Send: SendStream;
    /// The receiving half of a stream.
    type Recv: RecvStream;

    /// Who is at the other end: the key it has proven.
    fn peer(&self) -> NodeId;

    /// The address from which the peer's packets come, if there is such a thing.
    fn remote_addr(&self) -> Option<SocketAddr>;

    /// The present estimate of the round-trip time.
    fn rtt(&self) -> Duration;

    /// Opens a stream in both directions; waits while the peer's limit of streams is reached. The peer sees the
    /// stream when its first byte arrives, not before.
    ///
    /// Cancel safety: safe; nothing was opened.
    fn open_bi(&self) -> impl Future<Output = Result<(Self::Send, Self::Recv), CloseReason>> + Send;

    /// Opens a stream in our direction only; as [`open_bi`](Self::open_bi).
    fn open_uni(&self) -> impl Future<Output = Result<Self::Send, CloseReason>> + Send;

    /// The next stream in both directions that the peer opened.
    ///
    /// Cancel safety: safe; no stream is lost.
    fn accept_bi(&self) -> impl Future<Output = Result<(Self::Send, Self::Recv), CloseReason>> + Send;

    /// The next one-way stream that the peer opened. Cancel safety as [`accept_bi`](Self::accept_bi).
    fn accept_uni(&self) -> impl Future<Output = Result<Self::Recv, CloseReason>> + Send;

    /// Sends at most [`max_datagram_size`](Self::max_datagram_size) bytes, once, perhaps never to arrive. It never
    /// blocks and never fragments; when the queue is full the oldest datagrams are dropped.
    ///
    /// # Errors
    /// [`DatagramError`]; nothing was sent.
    fn send_datagram(&self, data: Bytes) -> Result<(), DatagramError>;

    /// The next datagram. Cancel safety: safe; no datagram is lost.
    fn recv_datagram(&self) -> impl Future<Output = Result<Bytes, CloseReason>> + Send;

    /// How large a datagram may be just now, in bytes; `None` where there are no datagrams.
    fn max_datagram_size(&self) -> Option<usize>;

    /// Closes at once: what was written and not yet delivered may be lost, at both ends. A graceful end is agreed
    /// between the peers before this. `reason` is cut to 256 bytes.
    fn close(&self, code: u32, reason: &str);

    /// Waits until the connection is closed, by whomever. Cancel safety: safe.
    fn closed(&self) -> impl Future<Output = CloseReason> + Send;
}

/// Bytes to the peer. `poll_shutdown` finishes the stream: the peer reads all that was written and then its end.
///
/// Dropping an unfinished stream *resets* it with [`code::CANCELLED`](crate::code::CANCELLED), so that a write that
/// was cancelled never looks like a clean end.
///
/// `poll_write` waits while the peer's window is full. Cancel safety: dropping a pending `write` wrote nothing;
/// dropping a pending `write_all` may have written a part.
///
/// Errors are [`std::io::Error`]s that carry a [`StreamError`](crate::StreamError).
pub trait SendStream: AsyncWrite + Send + Unpin + 'static {
    /// Abandons the stream: the peer's reads fail with [`StreamError::Reset`](crate::StreamError) and this code.
    /// Nothing happens once it is finished and acknowledged, or reset before.
    fn reset(&mut self, code: u32);

    /// Which of a connection's streams go first: the larger, the sooner. 0 at first.
    fn set_priority(&mut self, _priority: i32) {}

    /// Writes from the front of `chunk` and takes off it what was written, at least one byte unless it is empty,
    /// without copying where the transport can. This default copies.
    fn poll_write_chunk(&mut self, cx: &mut Context<'_>, chunk: &mut Bytes) -> Poll<io::Result<()>> {
        if !chunk.is_empty() {
            let written = ready!(Pin::new(self).poll_write(cx, chunk))?;
            chunk.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// Bytes from the peer. A read of zero bytes is the clean end.
///
/// Dropping it before its end stops it with [`code::CANCELLED`](crate::code::CANCELLED).
///
/// Cancel safety: dropping a pending `read` loses nothing; `read_exact` and the like may lose what they had read.
pub trait RecvStream: AsyncRead + Send + Unpin + 'static {
    /// Tells the peer that no more is wanted: its writes fail with [`StreamError::Stopped`](crate::StreamError).
    fn stop(&mut self, code: u32);

    /// The next at most `max` bytes as they lie in the transport's own memory, without copying them where it can;
    /// `None` at the clean end. This default copies.
    fn poll_read_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<Option<Bytes>>> {
        let mut bytes = vec![0; max.min(16 * 1024)];
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(self).poll_read(cx, &mut buffer))?;
        let length = buffer.filled().len();
        bytes.truncate(length);
        Poll::Ready(Ok((length > 0 || max == 0).then(|| bytes.into())))
    }
}
