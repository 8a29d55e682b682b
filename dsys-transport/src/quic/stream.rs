//! QUIC streams behind the traits.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use quinn::{ReadError, VarInt, WriteError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Kind, Shared};
use crate::error::{StreamError, code};
use crate::transport::{RecvStream, SendStream};

/// The sending half of a QUIC stream.
#[derive(Debug)]
pub struct QuicSend {
    quinn: quinn::SendStream,
    /// Finished or reset: nothing is left for `drop` to do.
    ended: bool,
    shared: Arc<Shared>,
}

impl QuicSend {
    pub(super) fn new(quinn: quinn::SendStream, shared: Arc<Shared>) -> Self {
        QuicSend { quinn, ended: false, shared }
    }
}

impl SendStream for QuicSend {
    fn reset(&mut self, code: u32) {
        self.ended = true;
        // An error says that the stream is finished and acknowledged, or reset, and there is nothing to abandon.
        let _ = self.quinn.reset(code.into());
    }

    fn set_priority(&mut self, priority: i32) {
        // As above: a stream that ended has no priority.
        let _ = self.quinn.set_priority(priority);
    }

    fn poll_write_chunk(&mut self, cx: &mut Context<'_>, chunk: &mut Bytes) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Err(StreamError::Closed.into()));
        }
        if chunk.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // The future holds no state of its own: what is written is taken off `chunk` in the poll that writes it.
        let written = ready!(pin!(self.quinn.write_chunks(std::slice::from_mut(chunk))).poll(cx));
        Poll::Ready(written.map(drop).map_err(|error| write_error(error, &self.shared)))
    }
}

impl Drop for QuicSend {
    fn drop(&mut self) {
        // quinn would finish it, and a write that was cancelled would look like a clean end.
        if !self.ended {
            self.reset(code::CANCELLED);
        }
    }
}

impl AsyncWrite for QuicSend {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Err(StreamError::Closed.into()));
        }
        let written = ready!(Pin::new(&mut self.quinn).poll_write(cx, bytes));
        Poll::Ready(written.map_err(|error| write_error(error, &self.shared)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(end) = self.shared.end() {
            // quinn would say that all is well.
            return Poll::Ready(Err(StreamError::Connection(end.clone()).into()));
        }
        if !self.ended {
            self.ended = true;
            // An error says that the peer has stopped the stream, so that it has its end already.
            let _ = self.quinn.finish();
        }
        Poll::Ready(Ok(()))
    }
}

/// The receiving half of a QUIC stream.
#[derive(Debug)]
pub struct QuicRecv {
    quinn: quinn::RecvStream,
    /// Read to its end, reset or stopped.
    ended: bool,
    shared: Arc<Shared>,
    /// If the peer opened it.
    taken: Option<Kind>,
}

impl QuicRecv {
    pub(super) fn new(quinn: quinn::RecvStream, shared: Arc<Shared>, taken: Option<Kind>) -> Self {
        QuicRecv { quinn, ended: false, shared, taken }
    }

    fn end(&mut self, error: ReadError) -> io::Error {
        self.ended = true;
        read_error(error, &self.shared)
    }
}

impl RecvStream for QuicRecv {
    fn stop(&mut self, code: u32) {
        self.ended = true;
        // An error says that it was stopped already.
        let _ = self.quinn.stop(code.into());
    }

    fn poll_read_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<Option<Bytes>>> {
        // The future holds no state of its own: dropping it pending loses nothing, and the waker stays registered.
        let chunk = ready!(pin!(self.quinn.read_chunk(max, true)).poll(cx));
        match chunk {
            Ok(Some(chunk)) => Poll::Ready(Ok(Some(chunk.bytes))),
            Ok(None) => {
                self.ended = true;
                Poll::Ready(Ok(None))
            }
            Err(error) => Poll::Ready(Err(self.end(error))),
        }
    }
}

impl Drop for QuicRecv {
    fn drop(&mut self) {
        if !self.ended {
            self.stop(code::CANCELLED);
        }
        if let Some(kind) = self.taken {
            self.shared.ended(kind);
        }
    }
}

impl AsyncRead for QuicRecv {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match ready!(self.quinn.poll_read_buf(cx, buffer)) {
            Ok(()) => {
                if buffer.filled().len() == before && buffer.remaining() > 0 {
                    self.ended = true;
                }
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(self.end(error))),
        }
    }
}

fn write_error(error: WriteError, shared: &Shared) -> io::Error {
    match error {
        WriteError::Stopped(code) => StreamError::Stopped(narrow(code)).into(),
        WriteError::ConnectionLost(error) => StreamError::Connection(shared.ended_by(error)).into(),
        WriteError::ClosedStream | WriteError::ZeroRttRejected => StreamError::Closed.into(),
    }
}

fn read_error(error: ReadError, shared: &Shared) -> io::Error {
    match error {
        ReadError::Reset(code) => StreamError::Reset(narrow(code)).into(),
        ReadError::ConnectionLost(error) => StreamError::Connection(shared.ended_by(error)).into(),
        _ => StreamError::Closed.into(),
    }
}

fn narrow(code: VarInt) -> u32 {
    u32::try_from(code.into_inner()).unwrap_or(u32::MAX)
}
