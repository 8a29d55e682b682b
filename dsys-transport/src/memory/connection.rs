//! One end of a connection, as an app holds it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::NodeId;

use super::frame::{Kind, Side, StreamId};
use super::pipe::Pipe;
use super::recv::MemoryRecv;
use super::send::MemorySend;
use super::wakes::Event;
use crate::error::{CloseReason, DatagramError, code};
use crate::transport::Connection;

/// One end of a connection of a [`MemoryNetwork`](super::MemoryNetwork). Clones share it; when the last one is
/// dropped the connection is closed with [`code::DONE`](crate::code::DONE), whatever streams are still held.
///
/// As with QUIC, a stream that is reset or finished before its first byte does become visible to the peer: as one
/// that is reset, or empty.
#[derive(Clone)]
pub struct MemoryConnection(Arc<Handle>);

struct Handle {
    pipe: Arc<Pipe>,
    side: Side,
    peer: NodeId,
}

impl MemoryConnection {
    pub(super) fn new(pipe: Arc<Pipe>, side: Side, peer: NodeId) -> Self {
        MemoryConnection(Arc::new(Handle { pipe, side, peer }))
    }

    async fn open(&self, kind: Kind) -> Result<StreamId, CloseReason> {
        let Handle { pipe, side, .. } = &*self.0;
        pipe.until(*side, Event::Slot(kind), |state, _| {
            if let Some(reason) = &state.end(*side).closed {
                return Poll::Ready(Err(reason.clone()));
            }
            state.open(*side, kind).map_or(Poll::Pending, |id| Poll::Ready(Ok(id)))
        })
        .await
    }

    async fn accept(&self, kind: Kind) -> Result<StreamId, CloseReason> {
        let Handle { pipe, side, .. } = &*self.0;
        pipe.until(*side, Event::Arrived(kind), |state, _| {
            let end = state.end(*side);
            if let Some(reason) = &end.closed {
                return Poll::Ready(Err(reason.clone()));
            }
            end.kind(kind).arrived.pop_front().map_or(Poll::Pending, |id| Poll::Ready(Ok(id)))
        })
        .await
    }

    fn send_half(&self, id: StreamId) -> MemorySend {
        MemorySend::new(Arc::clone(&self.0.pipe), self.0.side, id)
    }

    fn recv_half(&self, id: StreamId) -> MemoryRecv {
        MemoryRecv::new(Arc::clone(&self.0.pipe), self.0.side, id)
    }
}

impl Connection for MemoryConnection {
    type Send = MemorySend;
    type Recv = MemoryRecv;

    fn peer(&self) -> NodeId {
        self.0.peer
    }

    /// `None`: there are no addresses.
    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// The latency there and back, without jitter.
    fn rtt(&self) -> Duration {
        self.0.pipe.with(|state, _| {
            let forth = state.conditions(Side::Dialler).latency.base;
            forth.saturating_add(state.conditions(Side::Acceptor).latency.base)
        })
    }

    async fn open_bi(&self) -> Result<(MemorySend, MemoryRecv), CloseReason> {
        let id = self.open(Kind::Bi).await?;
        Ok((self.send_half(id), self.recv_half(id)))
    }

    async fn open_uni(&self) -> Result<MemorySend, CloseReason> {
        Ok(self.send_half(self.open(Kind::Uni).await?))
    }

    async fn accept_bi(&self) -> Result<(MemorySend, MemoryRecv), CloseReason> {
        let id = self.accept(Kind::Bi).await?;
        Ok((self.send_half(id), self.recv_half(id)))
    }

    async fn accept_uni(&self) -> Result<MemoryRecv, CloseReason> {
        Ok(self.recv_half(self.accept(Kind::Uni).await?))
    }

    fn send_datagram(&self, data: Bytes) -> Result<(), DatagramError> {
        let Handle { pipe, side, .. } = &*self.0;
        pipe.with(|state, wakes| {
            if let Some(reason) = &state.end(*side).closed {
                return Err(reason.clone().into());
            }
            let max = state.config.max_datagram_size.ok_or(DatagramError::Unsupported)?;
            if data.len() > max {
                return Err(DatagramError::TooLarge { size: data.len(), max });
            }
            state.send_datagram(*side, data, wakes);
            Ok(())
        })
    }

    async fn recv_datagram(&self) -> Result<Bytes, CloseReason> {
        let Handle { pipe, side, .. } = &*self.0;
        pipe.until(*side, Event::Datagram, |state, _| {
            let end = state.end(*side);
            if let Some(reason) = &end.closed {
                return Poll::Ready(Err(reason.clone()));
            }
            end.datagrams.pop_front().map_or(Poll::Pending, |data| Poll::Ready(Ok(data)))
        })
        .await
    }

    fn max_datagram_size(&self) -> Option<usize> {
        self.0.pipe.with(|state, _| state.config.max_datagram_size)
    }

    fn close(&self, code: u32, reason: &str) {
        self.0.pipe.with(|state, wakes| state.close(self.0.side, code, reason, wakes));
    }

    async fn closed(&self) -> CloseReason {
        self.0.pipe.closed(self.0.side).await
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.pipe.with(|state, wakes| state.close(self.side, code::DONE, "", wakes));
    }
}

impl fmt::Debug for MemoryConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryConnection").field("peer", &self.0.peer).finish_non_exhaustive()
    }
}
