//! A QUIC connection behind the trait.

use std::net::SocketAddr;
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
}

impl QuicConnection {
    /// `None` if the peer has shown no sound key, which the handshake does not let happen.
    pub(super) fn new(quinn: quinn::Connection) -> Option<Self> {
        let peer = identity::peer_id(&quinn)?;
        Some(QuicConnection { quinn, peer })
    }

    pub(super) fn id(&self) -> NodeId {
        self.peer
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
        let (send, recv) = self.quinn.open_bi().await.map_err(closed)?;
        Ok((QuicSend::new(send), QuicRecv::new(recv)))
    }

    async fn open_uni(&self) -> Result<QuicSend, CloseReason> {
        self.quinn.open_uni().await.map(QuicSend::new).map_err(closed)
    }

    async fn accept_bi(&self) -> Result<(QuicSend, QuicRecv), CloseReason> {
        let (send, recv) = self.quinn.accept_bi().await.map_err(closed)?;
        Ok((QuicSend::new(send), QuicRecv::new(recv)))
    }

    async fn accept_uni(&self) -> Result<QuicRecv, CloseReason> {
        self.quinn.accept_uni().await.map(QuicRecv::new).map_err(closed)
    }

    fn send_datagram(&self, data: Bytes) -> Result<(), DatagramError> {
        let size = data.len();
        self.quinn.send_datagram(data).map_err(|error| match error {
            SendDatagramError::TooLarge => {
                DatagramError::TooLarge { size, max: self.quinn.max_datagram_size().unwrap_or(0) }
            }
            SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled => DatagramError::Unsupported,
            SendDatagramError::ConnectionLost(error) => closed(error).into(),
        })
    }

    async fn recv_datagram(&self) -> Result<Bytes, CloseReason> {
        self.quinn.read_datagram().await.map_err(closed)
    }

    fn max_datagram_size(&self) -> Option<usize> {
        self.quinn.max_datagram_size()
    }

    fn close(&self, code: u32, reason: &str) {
        let bytes = reason.as_bytes();
        self.quinn.close(code.into(), bytes.get(..256).unwrap_or(bytes));
    }

    async fn closed(&self) -> CloseReason {
        closed(self.quinn.closed().await)
    }
}

/// quinn's reason in our terms.
pub(super) fn closed(error: ConnectionError) -> CloseReason {
    match error {
        ConnectionError::LocallyClosed => CloseReason::Local(crate::code::DONE),
        ConnectionError::ApplicationClosed(close) => CloseReason::Peer {
            code: u32::try_from(close.error_code.into_inner()).unwrap_or(u32::MAX),
            reason: String::from_utf8_lossy(&close.reason).chars().take(256).collect(),
        },
        ConnectionError::TimedOut => CloseReason::TimedOut,
        ConnectionError::Reset => CloseReason::Reset,
        other => CloseReason::Transport(other.to_string()),
    }
}
