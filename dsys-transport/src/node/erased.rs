//! The object-safe twins of [`Transport`] and [`Connection`], so that nothing above is generic over the transport.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{NodeAddr, Signer};

use super::dial::{self, Progress};
use super::link::Link;
use super::table::Shared;
use crate::error::{CloseReason, DatagramError, DialError};
use crate::transport::{Connection, RecvStream, SendStream, Transport, TransportStats};

pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
pub(super) type BoxSend = Box<dyn SendStream>;
pub(super) type BoxRecv = Box<dyn RecvStream>;

/// A transport of any kind. A dial goes all the way to a link, whose tasks know the connection's true type.
pub(super) trait DynTransport: Send + Sync {
    fn signer(&self) -> Option<Arc<dyn Signer>>;
    fn local_addrs(&self) -> Vec<SocketAddr>;
    fn stats(&self) -> TransportStats;
    fn dial(
        self: Arc<Self>,
        shared: Arc<Shared>,
        to: NodeAddr,
        progress: Progress,
    ) -> BoxFuture<'static, Result<Arc<Link>, DialError>>;
    fn probe(self: Arc<Self>, to: NodeAddr) -> BoxFuture<'static, Result<Option<SocketAddr>, DialError>>;
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

impl<T: Transport> DynTransport for T {
    fn signer(&self) -> Option<Arc<dyn Signer>> {
        Transport::signer(self)
    }

    fn local_addrs(&self) -> Vec<SocketAddr> {
        Transport::local_addrs(self)
    }

    fn stats(&self) -> TransportStats {
        Transport::stats(self)
    }

    fn dial(
        self: Arc<Self>,
        shared: Arc<Shared>,
        to: NodeAddr,
        progress: Progress,
    ) -> BoxFuture<'static, Result<Arc<Link>, DialError>> {
        Box::pin(async move { dial::establish(&shared, &*self, &to, &progress).await })
    }

    fn probe(self: Arc<Self>, to: NodeAddr) -> BoxFuture<'static, Result<Option<SocketAddr>, DialError>> {
        Box::pin(async move { Transport::probe(&*self, &to).await })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(Transport::shutdown(self))
    }
}

/// A connection of any kind, as far as a link's users need it.
pub(super) trait DynConnection: Send + Sync {
    fn remote_addr(&self) -> Option<SocketAddr>;
    fn rtt(&self) -> Duration;
    fn open_bi(&self) -> BoxFuture<'_, Result<(BoxSend, BoxRecv), CloseReason>>;
    fn open_uni(&self) -> BoxFuture<'_, Result<BoxSend, CloseReason>>;
    /// [`open_bi`](Self::open_bi) where nothing has to be waited for, which spares the future; `None` otherwise.
    fn try_open_bi(&self) -> Option<Result<(BoxSend, BoxRecv), CloseReason>>;
    fn try_open_uni(&self) -> Option<Result<BoxSend, CloseReason>>;
    fn send_datagram(&self, data: Bytes) -> Result<(), DatagramError>;
    fn max_datagram_size(&self) -> Option<usize>;
    fn close(&self, code: u32, reason: &str);
}

impl<C: Connection> DynConnection for C {
    fn remote_addr(&self) -> Option<SocketAddr> {
        Connection::remote_addr(self)
    }

    fn rtt(&self) -> Duration {
        Connection::rtt(self)
    }

    fn open_bi(&self) -> BoxFuture<'_, Result<(BoxSend, BoxRecv), CloseReason>> {
        Box::pin(async move {
            let (send, recv) = Connection::open_bi(self).await?;
            Ok((Box::new(send) as BoxSend, Box::new(recv) as BoxRecv))
        })
    }

    fn open_uni(&self) -> BoxFuture<'_, Result<BoxSend, CloseReason>> {
        Box::pin(async move { Ok(Box::new(Connection::open_uni(self).await?) as BoxSend) })
    }

    fn try_open_bi(&self) -> Option<Result<(BoxSend, BoxRecv), CloseReason>> {
        let opened = at_once(Connection::open_bi(self))?;
        Some(opened.map(|(send, recv)| (Box::new(send) as BoxSend, Box::new(recv) as BoxRecv)))
    }

    fn try_open_uni(&self) -> Option<Result<BoxSend, CloseReason>> {
        let opened = at_once(Connection::open_uni(self))?;
        Some(opened.map(|send| Box::new(send) as BoxSend))
    }

    fn send_datagram(&self, data: Bytes) -> Result<(), DatagramError> {
        Connection::send_datagram(self, data)
    }

    fn max_datagram_size(&self) -> Option<usize> {
        Connection::max_datagram_size(self)
    }

    fn close(&self, code: u32, reason: &str) {
        Connection::close(self, code, reason);
    }
}

/// The result of a future that has it already. One that is cancel safe may be begun again if not.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
