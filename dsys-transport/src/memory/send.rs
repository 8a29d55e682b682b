//! The sending half of a stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::frame::{Part, Side, StreamId};
use super::pipe::Pipe;
use super::state::State;
use super::wakes::Wakes;
use crate::error::{StreamError, code};
use crate::transport::SendStream;

/// Bytes to the peer; see [`SendStream`]. There is nothing to flush: what was written is on its way.
pub struct MemorySend {
    pipe: Arc<Pipe>,
    side: Side,
    id: StreamId,
    over: Option<Over>,
}

/// How this half ended.
#[derive(Clone, Copy)]
enum Over {
    Finished,
    Reset,
    Stopped(u32),
}

impl MemorySend {
    pub(super) fn new(pipe: Arc<Pipe>, side: Side, id: StreamId) -> Self {
        MemorySend { pipe, side, id, over: None }
    }

    /// Does `work` on this half, if neither side has ended it.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut State, &mut Wakes) -> Poll<Result<T, StreamError>>,
    ) -> Poll<io::Result<T>> {
        match self.over {
            Some(Over::Stopped(code)) => return Poll::Ready(Err(StreamError::Stopped(code).into())),
            Some(Over::Finished | Over::Reset) => return Poll::Ready(Err(StreamError::Closed.into())),
            None => {}
        }
        let (side, id) = (self.side, self.id);
        let result = self.pipe.with(|state, wakes| {
            let end = state.end(side);
            if let Some(reason) = &end.closed {
                return Poll::Ready(Err(StreamError::Connection(reason.clone())));
            }
            if let Some(code) = end.streams.get(&id).and_then(|stream| stream.send.as_ref()?.stopped) {
                done(state, side, id, wakes);
                return Poll::Ready(Err(StreamError::Stopped(code)));
            }
            work(state, wakes)
        });
        if let Poll::Ready(Err(StreamError::Stopped(code))) = &result {
            self.over = Some(Over::Stopped(*code));
        }
        result.map_err(io::Error::from)
    }
}

impl AsyncWrite for MemorySend {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let (side, id) = (this.side, this.id);
        this.with(|state, wakes| {
            let window = state.config.stream_window.max(1);
            let Some(half) = state.end(side).streams.get_mut(&id).and_then(|stream| stream.send.as_mut())
            else {
                return Poll::Ready(Err(StreamError::Closed));
            };
            let fits = window.saturating_sub(half.outstanding).min(buf.len());
            let Some(chunk) = buf.get(..fits).filter(|chunk| !chunk.is_empty()) else {
                if buf.is_empty() {
                    return Poll::Ready(Ok(0));
                }
                wakes.park(&mut half.waker, cx);
                return Poll::Pending;
            };
            half.outstanding += fits;
            state.send_part(side, id, Part::Data(Bytes::copy_from_slice(chunk)), wakes);
            Poll::Ready(Ok(fits))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(Over::Finished) = this.over {
            return Poll::Ready(Ok(()));
        }
        let (side, id) = (this.side, this.id);
        let result = this.with(|state, wakes| {
            state.send_part(side, id, Part::Fin, wakes);
            done(state, side, id, wakes);
            Poll::Ready(Ok(()))
        });
        if let Poll::Ready(Ok(())) = result {
            this.over = Some(Over::Finished);
        }
        result
    }
}

impl SendStream for MemorySend {
    fn reset(&mut self, code: u32) {
        if self.over.is_some() {
            return;
        }
        self.over = Some(Over::Reset);
        let (side, id) = (self.side, self.id);
        self.pipe.with(|state, wakes| {
            state.send_part(side, id, Part::Reset(code), wakes);
            done(state, side, id, wakes);
        });
    }

    /// Accepted and without effect: this network has no bandwidth that streams could compete for.
    fn set_priority(&mut self, _priority: i32) {}
}

impl Drop for MemorySend {
    fn drop(&mut self) {
        self.reset(code::CANCELLED);
    }
}

impl fmt::Debug for MemorySend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySend").field("id", &self.id).finish_non_exhaustive()
    }
}

fn done(state: &mut State, side: Side, id: StreamId, wakes: &mut Wakes) {
    if let Some(stream) = state.end(side).streams.get_mut(&id) {
        stream.send = None;
    }
    state.forget_if_over(side, id, wakes);
}
