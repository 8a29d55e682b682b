//! The receiving half of a stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::end::{Ended, RecvHalf};
use super::frame::{Side, StreamId};
use super::pipe::Pipe;
use super::state::State;
use super::wakes::Wakes;
use crate::error::{StreamError, code};
use crate::transport::RecvStream;

/// Bytes from the peer; see [`RecvStream`].
pub struct MemoryRecv {
    pipe: Arc<Pipe>,
    side: Side,
    id: StreamId,
    over: Option<Over>,
}

/// How this half ended.
#[derive(Clone, Copy)]
enum Over {
    Read,
    Reset(u32),
    Stopped,
}

/// What one read found.
enum Found {
    Bytes,
    Ended(Ended),
    Nothing,
}

impl MemoryRecv {
    pub(super) fn new(pipe: Arc<Pipe>, side: Side, id: StreamId) -> Self {
        MemoryRecv { pipe, side, id, over: None }
    }
}

impl AsyncRead for MemoryRecv {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.over {
            Some(Over::Read) => return Poll::Ready(Ok(())),
            Some(Over::Reset(code)) => return Poll::Ready(Err(StreamError::Reset(code).into())),
            Some(Over::Stopped) => return Poll::Ready(Err(StreamError::Closed.into())),
            None => {}
        }
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let (side, id) = (this.side, this.id);
        match this.pipe.with(|state, wakes| read(state, side, id, cx, buf, wakes))? {
            Found::Bytes => Poll::Ready(Ok(())),
            Found::Nothing => Poll::Pending,
            Found::Ended(Ended::Fin) => {
                this.over = Some(Over::Read);
                Poll::Ready(Ok(()))
            }
            Found::Ended(Ended::Reset(code)) => {
                this.over = Some(Over::Reset(code));
                Poll::Ready(Err(StreamError::Reset(code).into()))
            }
        }
    }
}

impl RecvStream for MemoryRecv {
    fn stop(&mut self, code: u32) {
        if self.over.is_some() {
            return;
        }
        self.over = Some(Over::Stopped);
        let (side, id) = (self.side, self.id);
        self.pipe.with(|state, wakes| {
            state.send_stop(side, id, code, wakes);
            done(state, side, id, wakes);
        });
    }
}

impl Drop for MemoryRecv {
    fn drop(&mut self) {
        self.stop(code::CANCELLED);
    }
}

impl fmt::Debug for MemoryRecv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRecv").field("id", &self.id).finish_non_exhaustive()
    }
}

fn read(
    state: &mut State,
    side: Side,
    id: StreamId,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    wakes: &mut Wakes,
) -> Result<Found, StreamError> {
    // Telling the writer of every read would wake it for crumbs; a quarter of the window never stalls it.
    let enough = (state.config.stream_window / 4).max(1);
    let end = state.end(side);
    if let Some(reason) = &end.closed {
        return Err(StreamError::Connection(reason.clone()));
    }
    let Some(half) = end.streams.get_mut(&id).and_then(|stream| stream.recv.as_mut()) else {
        return Err(StreamError::Closed);
    };
    let bytes = take(half, buf);
    if bytes == 0 {
        let Some(ended) = half.ended else {
            wakes.park(&mut half.waker, cx);
            return Ok(Found::Nothing);
        };
        done(state, side, id, wakes);
        return Ok(Found::Ended(ended));
    }
    half.uncredited += bytes;
    if half.ended.is_none() && half.uncredited >= enough {
        let credit = std::mem::take(&mut half.uncredited);
        state.send_credit(side, id, credit, wakes);
    }
    Ok(Found::Bytes)
}

/// Moves as much as there is and fits.
fn take(half: &mut RecvHalf, buf: &mut ReadBuf<'_>) -> usize {
    let before = buf.remaining();
    while buf.remaining() > 0
        && let Some(chunk) = half.chunks.front_mut()
    {
        let part = chunk.split_to(chunk.len().min(buf.remaining()));
        buf.put_slice(&part);
        if chunk.is_empty() {
            half.chunks.pop_front();
        }
    }
    before - buf.remaining()
}

fn done(state: &mut State, side: Side, id: StreamId, wakes: &mut Wakes) {
    if let Some(stream) = state.end(side).streams.get_mut(&id) {
        stream.recv = None;
    }
    state.forget_if_over(side, id, wakes);
}
