//! A QUIC connection behind the trait.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use dsys_core::NodeId;
use quinn::{ConnectionError, SendDatagramError};

use super::identity;
use super::stream::{QuicRecv, QuicSend};
use crate::error::{CloseReason, DatagramError};
use crate::transport::Connection;

/// One QUIC connection whose peer has proven its key.
#[derive(Clone, Debug)]
pub struct QuicConnection {
    quinn: quinn::Connection,
    peer: NodeId,
    shared: Arc<Shared>,
}

/// What a connection and its streams share.
#[derive(Debug)]
pub(super) struct Shared {
    /// How the connection ended, once anybody at this end knows; the code of our own close quinn does not keep.
    end: OnceLock<CloseReason>,
    bi: Allowance,
    uni: Allowance,
}

/// How many streams of one kind the peer may have open. quinn keeps some 130 bytes for each stream that *may* be
/// opened, so a connection begins with few, and is given more as it uses them.
#[derive(Debug)]
struct Allowance {
    live: AtomicU32,
    limit: AtomicU32,
    most: u32,
}

impl Allowance {
    fn new(most: u32) -> Self {
        Allowance { live: AtomicU32::new(0), limit: AtomicU32::new(most.min(FIRST_STREAMS)), most }
    }

    /// One more stream was accepted; gives the new limit if it is time for one.
    fn took(&self) -> Option<u32> {
        let live = self.live.fetch_add(1, Ordering::AcqRel) + 1;
        let limit = self.limit.load(Ordering::Acquire);
        if limit >= self.most || live < limit / 2 {
            return None;
        }
        let next = limit.saturating_mul(2).min(self.most);
        self.limit.compare_exchange(limit, next, Ordering::AcqRel, Ordering::Acquire).is_ok().then_some(next)
    }
}

/// So many streams of each kind a peer may open before any of them is accepted. Both kinds, the HELLO and some streams
/// of our own fit the 112 entries of quinn's next smaller table.
pub(super) const FIRST_STREAMS: u32 = 48;

/// The two kinds of streams.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Bi,
    Uni,
}

impl Shared {
    /// A stream that the peer opened is over.
    pub(super) fn ended(&self, kind: Kind) {
        self.allowance(kind).live.fetch_sub(1, Ordering::AcqRel);
    }

    /// How the connection ended, as far as anybody at this end has noticed.
    pub(super) fn end(&self) -> Option<&CloseReason> {
        self.end.get()
    }

    /// quinn's reason in our terms; the first that was seen stays.
    pub(super) fn ended_by(&self, error: ConnectionError) -> CloseReason {
        let reason = || match error {
            // Without a close of ours it was the endpoint's, at the end of the node, or all handles were dropped.
            ConnectionError::LocallyClosed => CloseReason::Local(crate::code::DONE),
            ConnectionError::ApplicationClosed(close) => CloseReason::Peer {
                code: u32::try_from(close.error_code.into_inner()).unwrap_or(u32::MAX),
                reason: words(&close.reason),
            },
            ConnectionError::TimedOut => CloseReason::TimedOut,
            ConnectionError::Reset => CloseReason::Reset,
            other => CloseReason::Transport(other.to_string()),
        };
        self.end.get_or_init(reason).clone()
    }

    fn allowance(&self, kind: Kind) -> &Allowance {
        match kind {
            Kind::Bi => &self.bi,
            Kind::Uni => &self.uni,
        }
    }
}

impl QuicConnection {
    /// `None` if the peer has shown no sound key, which the handshake does not let happen.
    pub(super) fn new(quinn: quinn::Connection, max_streams: u32) -> Option<Self> {
        let peer = identity::peer_id(&quinn)?;
        let shared = Shared {
            end: OnceLock::new(),
            bi: Allowance::new(max_streams),
            // One more carries the HELLO.
            uni: Allowance::new(max_streams.saturating_add(1)),
        };
        Some(QuicConnection { quinn, peer, shared: Arc::new(shared) })
    }

    pub(super) fn id(&self) -> NodeId {
        self.peer
    }

    fn sender(&self, quinn: quinn::SendStream) -> QuicSend {
        QuicSend::new(quinn, self.shared.clone())
    }

    /// A stream that we opened.
    fn receiver(&self, quinn: quinn::RecvStream) -> QuicRecv {
        QuicRecv::new(quinn, self.shared.clone(), None)
    }

    /// A stream that the peer opened, which may be the time to allow it more.
    fn taken(&self, quinn: quinn::RecvStream, kind: Kind) -> QuicRecv {
        if let Some(limit) = self.shared.allowance(kind).took() {
            match kind {
                Kind::Bi => self.quinn.set_max_concurrent_bi_streams(limit.into()),
                Kind::Uni => self.quinn.set_max_concurrent_uni_streams(limit.into()),
            }
        }
        QuicRecv::new(quinn, self.shared.clone(), Some(kind))
    }

    fn reason(&self, error: ConnectionError) -> CloseReason {
        self.shared.ended_by(error)
    }
}

impl Connection for QuicConnection {
    type Send = QuicSend;
    type Recv = QuicRecv;

    fn peer(&self) -> NodeId {
        self.peer
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        let addr = self.quinn.remote_address();
        Some(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
    }

    fn rtt(&self) -> Duration {
        self.quinn.rtt()
    }

    async fn open_bi(&self) -> Result<(QuicSend, QuicRecv), CloseReason> {
        let (send, recv) = self.quinn.open_bi().await.map_err(|error| self.reason(error))?;
        Ok((self.sender(send), self.receiver(recv)))
    }

    async fn open_uni(&self) -> Result<QuicSend, CloseReason> {
        let send = self.quinn.open_uni().await.map_err(|error| self.reason(error))?;
        Ok(self.sender(send))
    }

    async fn accept_bi(&self) -> Result<(QuicSend, QuicRecv), CloseReason> {
        let (send, recv) = self.quinn.accept_bi().await.map_err(|error| self.reason(error))?;
        Ok((self.sender(send), self.taken(recv, Kind::Bi)))
    }

    async fn accept_uni(&self) -> Result<QuicRecv, CloseReason> {
        let recv = self.quinn.accept_uni().await.map_err(|error| self.reason(error))?;
        Ok(self.taken(recv, Kind::Uni))
    }

    fn send_datagram(&self, data: Bytes) -> Result<(), DatagramError> {
        let size = data.len();
        self.quinn.send_datagram(data).map_err(|error| match error {
            SendDatagramError::TooLarge => {
                DatagramError::TooLarge { size, max: self.quinn.max_datagram_size().unwrap_or(0) }
            }
            SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled => DatagramError::Unsupported,
            SendDatagramError::ConnectionLost(error) => self.reason(error).into(),
        })
    }

    async fn recv_datagram(&self) -> Result<Bytes, CloseReason> {
        self.quinn.read_datagram().await.map_err(|error| self.reason(error))
    }

    fn max_datagram_size(&self) -> Option<usize> {
        self.quinn.max_datagram_size()
    }

    fn close(&self, code: u32, reason: &str) {
        // Only the first close counts, whoever's it was: by a later one quinn would forget why the connection ended.
        if self.quinn.close_reason().is_none() {
            let _ = self.shared.end.set(CloseReason::Local(code));
            self.quinn.close(code.into(), CloseReason::cut(reason).as_bytes());
        }
    }

    async fn closed(&self) -> CloseReason {
        self.reason(self.quinn.closed().await)
    }
}

/// What a peer says of its reasons, whatever the bytes and however many.
pub(super) fn words(reason: &[u8]) -> String {
    let text = String::from_utf8_lossy(reason.get(..CloseReason::MAX_WORDS).unwrap_or(reason));
    // Bytes that are no text have grown.
    CloseReason::cut(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_given_as_they_are_used() {
        let bi = || Allowance::new(200);
        let shared = Shared { end: OnceLock::new(), bi: bi(), uni: bi() };
        // One after the other they need no more than there are at first.
        for _ in 0..1_000 {
            assert_eq!(shared.allowance(Kind::Bi).took(), None);
            shared.ended(Kind::Bi);
        }
        let given: Vec<_> = (0..200).filter_map(|_| shared.allowance(Kind::Bi).took()).collect();
        assert_eq!(given, [96, 192, 200]);
        for _ in 0..200 {
            shared.ended(Kind::Bi);
        }
        assert_eq!((shared.bi.live.load(Ordering::Acquire), shared.uni.live.load(Ordering::Acquire)), (0, 0));
    }
}
