//! The streams that apps and protocols meet, whatever the transport.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::erased::{BoxRecv, BoxSend};
use super::meter::{Tally, Usage};
use crate::tag::{Prefix, Tag};

/// So much of a first write travels with the tag in one buffer; it fits one packet of any path.
const WITH_TAG: usize = 1_024;

/// A stream in both directions: read it, write it, finish it.
///
/// Dropping it before [`finish`](Stream::finish) resets it, so that the peer never takes a part for the whole.
#[derive(Debug)]
pub struct Stream {
    /// The sending half.
    pub send: SendHalf,
    /// The receiving half.
    pub recv: RecvHalf,
}

impl Stream {
    /// Both halves, to be used by different tasks. A tag that waits for the first write goes out now.
    pub fn into_split(mut self) -> (SendHalf, RecvHalf) {
        // A new stream has room for 64 bytes, unless the whole connection is blocked. Then the tag stays with the
        // sending half and goes with its first write or flush.
        let _ = self.send.poll_pending(&mut Context::from_waker(Waker::noop()));
        (self.send, self.recv)
    }

    /// Ends our direction: the peer reads all that was written and then the end.
    ///
    /// # Errors
    /// [`StreamError`](crate::StreamError) inside, if the stream ended before.
    ///
    /// # Cancel safety
    /// May be called again.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.send.finish().await
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Whoever reads first waits for the peer, who must have seen the tag. If that cannot be written, the read
        // tells why.
        let _ = self.send.poll_pending(cx);
        Pin::new(&mut self.recv).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.send).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.send).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.send).poll_shutdown(cx)
    }
}

/// The sending half of a stream. Dropping it unfinished resets it with [`CANCELLED`](crate::code::CANCELLED).
pub struct SendHalf {
    inner: BoxSend,
    /// Goes out with the first bytes.
    tag: Option<Tag>,
    /// What goes out before anything else.
    pending: Bytes,
    tally: Tally,
}

impl SendHalf {
    pub(super) fn tagged(inner: BoxSend, tag: Tag, usage: Arc<Usage>) -> Self {
        SendHalf { inner, tag: Some(tag), pending: Bytes::new(), tally: Tally::sent(Some(usage)) }
    }

    pub(super) fn untagged(inner: BoxSend, usage: Option<Arc<Usage>>) -> Self {
        SendHalf { inner, tag: None, pending: Bytes::new(), tally: Tally::sent(usage) }
    }

    pub(super) fn set_usage(&mut self, usage: Arc<Usage>) {
        self.tally.set_usage(usage);
    }

    /// Writes all of `data`, without copying it where the transport can.
    ///
    /// # Errors
    /// [`StreamError`](crate::StreamError) inside; an unknown part was written.
    ///
    /// # Cancel safety
    /// A part may have been written, and up to 1 KiB more may follow with the next write.
    pub async fn write_chunk(&mut self, mut data: Bytes) -> io::Result<()> {
        if self.is_waiting() {
            let head = data.split_to(data.len().min(WITH_TAG));
            self.pending = self.pending_and(&head);
            self.tag = None;
            poll_fn(|cx| self.poll_pending(cx)).await?;
        }
        while !data.is_empty() {
            let before = data.len();
            poll_fn(|cx| self.inner.poll_write_chunk(cx, &mut data)).await?;
            self.tally.add(before - data.len());
        }
        Ok(())
    }

    /// Ends the stream: the peer reads all that was written and then the end.
    ///
    /// # Errors
    /// [`StreamError`](crate::StreamError) inside, if the stream ended before.
    ///
    /// # Cancel safety
    /// May be called again.
    pub async fn finish(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut *self).poll_shutdown(cx)).await
    }

    /// Abandons the stream; the peer's reads fail with this code.
    pub fn reset(&mut self, code: u32) {
        self.tag = None;
        self.pending = Bytes::new();
        self.inner.reset(code);
    }

    /// Which of a connection's streams go first: the larger, the sooner. 0 at first.
    pub fn set_priority(&mut self, priority: i32) {
        self.inner.set_priority(priority);
    }

    /// Whether something must go out before anything else.
    fn is_waiting(&self) -> bool {
        self.tag.is_some() || !self.pending.is_empty()
    }

    /// What must go out first, and `head` behind it.
    fn pending_and(&self, head: &[u8]) -> Bytes {
        let tag = self.tag.as_ref().map_or(0, Tag::prefix_len);
        let mut both = Vec::with_capacity(tag + self.pending.len() + head.len());
        if let Some(tag) = &self.tag {
            tag.write_prefix(&mut both);
        }
        both.extend_from_slice(&self.pending);
        both.extend_from_slice(head);
        both.into()
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.tag.is_some() {
            self.pending = self.pending_and(&[]);
            self.tag = None;
        }
        while !self.pending.is_empty() {
            let before = self.pending.len();
            ready!(self.inner.poll_write_chunk(cx, &mut self.pending))?;
            self.tally.add(before - self.pending.len());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SendHalf {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.is_waiting() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
            self.tally.add(written);
            return Poll::Ready(Ok(written));
        }
        let head = bytes.get(..bytes.len().min(WITH_TAG)).unwrap_or_default();
        let both = self.pending_and(head);
        let waiting = both.len() - head.len();
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &both))?;
        self.tally.add(written);
        self.tag = None;
        if written > waiting || head.is_empty() {
            self.pending = Bytes::new();
            return Poll::Ready(Ok(written - waiting));
        }
        self.pending = both.slice(written..waiting);
        // None of `bytes` went out. Come again: the next poll says whether there is room.
        self.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        self.tally.flush();
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for SendHalf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendHalf")
            .field("tag", &self.tag)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

/// The receiving half of a stream. Dropping it before its end stops it with [`CANCELLED`](crate::code::CANCELLED).
pub struct RecvHalf {
    inner: BoxRecv,
    /// What was read together with the tag.
    surplus: Bytes,
    tally: Tally,
}

impl RecvHalf {
    pub(super) fn untagged(inner: BoxRecv, usage: Option<Arc<Usage>>) -> Self {
        RecvHalf { inner, surplus: Bytes::new(), tally: Tally::received(usage) }
    }

    pub(super) fn set_usage(&mut self, usage: Arc<Usage>) {
        self.tally.set_usage(usage);
    }

    /// The next at most `max` bytes as they lie in the transport's memory; `None` at the clean end.
    ///
    /// # Errors
    /// [`StreamError`](crate::StreamError) inside.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost.
    pub async fn read_chunk(&mut self, max: usize) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_read_chunk(cx, max)).await
    }

    /// Everything up to the clean end, at most `max` bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if more come; [`StreamError`](crate::StreamError) inside otherwise.
    ///
    /// # Cancel safety
    /// What was read is lost.
    pub async fn read_to_end(&mut self, max: usize) -> io::Result<Bytes> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidData, format!("more than {max} bytes"));
        let Some(first) = self.read_chunk(max.saturating_add(1)).await? else {
            return Ok(Bytes::new());
        };
        if first.len() > max {
            return Err(too_long());
        }
        let Some(second) = self.read_chunk(max.saturating_add(1)).await? else {
            return Ok(first);
        };
        let mut all = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            if all.len().saturating_add(chunk.len()) > max {
                return Err(too_long());
            }
            all.extend_from_slice(&chunk);
            next = self.read_chunk(max).await?;
        }
        Ok(all.freeze())
    }

    /// Tells the peer that no more is wanted; its writes fail with this code.
    pub fn stop(&mut self, code: u32) {
        self.inner.stop(code);
    }

    /// The tag at the front; `None` if what comes is no tag. Cancel safety: safe.
    pub(super) async fn read_tag(&mut self) -> io::Result<Option<Tag>> {
        loop {
            match Tag::read_prefix(&self.surplus) {
                Prefix::Tag(tag, length) => {
                    self.surplus.advance(length);
                    self.tally.add(length);
                    return Ok(Some(tag));
                }
                Prefix::Malformed => return Ok(None),
                Prefix::Incomplete => {}
            }
            let chunk = poll_fn(|cx| self.inner.poll_read_chunk(cx, 64 * 1024)).await?;
            let Some(chunk) = chunk else {
                return Ok(None);
            };
            if self.surplus.is_empty() {
                self.surplus = chunk;
            } else {
                self.surplus = [self.surplus.as_ref(), chunk.as_ref()].concat().into();
            }
        }
    }

    fn poll_read_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<Option<Bytes>>> {
        if !self.surplus.is_empty() {
            let length = self.surplus.len().min(max);
            self.tally.add(length);
            return Poll::Ready(Ok(Some(self.surplus.split_to(length))));
        }
        let chunk = ready!(self.inner.poll_read_chunk(cx, max))?;
        match &chunk {
            Some(chunk) => self.tally.add(chunk.len()),
            None => self.tally.flush(),
        }
        Poll::Ready(Ok(chunk))
    }
}

impl AsyncRead for RecvHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.surplus.is_empty() {
            ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        } else {
            let length = self.surplus.len().min(buffer.remaining());
            buffer.put_slice(&self.surplus.split_to(length));
        }
        match buffer.filled().len() - before {
            0 => self.tally.flush(),
            read => self.tally.add(read),
        }
        Poll::Ready(Ok(()))
    }
}

impl std::fmt::Debug for RecvHalf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecvHalf").field("surplus", &self.surplus.len()).finish_non_exhaustive()
    }
}

/// Refuses a stream that the peer opened, in both directions.
pub(super) fn refuse(send: Option<SendHalf>, mut recv: RecvHalf, code: u32) {
    if let Some(mut send) = send {
        send.reset(code);
    }
    recv.stop(code);
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::Ordering;

    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::node::meter::Meter;
    use crate::transport::SendStream;

    /// Takes a byte at a time, and every other time none.
    #[derive(Default)]
    struct Dribble {
        taken: Arc<Mutex<Vec<u8>>>,
        blocked: bool,
    }

    impl AsyncWrite for Dribble {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.blocked = !self.blocked;
            if self.blocked {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let first = bytes.get(..1).unwrap_or_default();
            self.taken.lock().unwrap().extend_from_slice(first);
            Poll::Ready(Ok(first.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl SendStream for Dribble {
        fn reset(&mut self, _: u32) {}
    }

    fn dribble() -> (SendHalf, Arc<Mutex<Vec<u8>>>, Arc<Meter>) {
        let (inner, meter) = (Dribble::default(), Meter::new());
        let taken = inner.taken.clone();
        (SendHalf::tagged(Box::new(inner), Tag::from_static("echo/1"), Usage::outbound(&meter)), taken, meter)
    }

    #[tokio::test]
    async fn a_tag_goes_out_once_however_little_is_taken_of_it() {
        let (mut send, taken, meter) = dribble();
        send.write_all(b"hello").await.unwrap();
        send.finish().await.unwrap();
        assert_eq!(*taken.lock().unwrap(), b"\x06echo/1hello");
        assert_eq!(meter.sent.load(Ordering::Relaxed), 12);

        let (mut send, taken, _) = dribble();
        send.write_chunk("hello".into()).await.unwrap();
        assert_eq!(*taken.lock().unwrap(), b"\x06echo/1hello");

        let (mut send, taken, _) = dribble();
        send.finish().await.unwrap();
        assert_eq!(*taken.lock().unwrap(), b"\x06echo/1");
    }

    #[tokio::test]
    async fn a_write_that_was_dropped_is_not_made_twice() {
        for polls in 0..12 {
            let (mut send, taken, _) = dribble();
            for _ in 0..polls {
                let mut cx = Context::from_waker(Waker::noop());
                if Pin::new(&mut send).poll_write(&mut cx, b"lost").is_ready() {
                    break;
                }
            }
            let before = taken.lock().unwrap().len();
            send.write_all(b"hello").await.unwrap();
            let taken = taken.lock().unwrap();
            // Of what was dropped only what had been taken already may be there.
            let (tag, rest) = taken.split_at(7);
            assert_eq!(tag, b"\x06echo/1", "after {polls} polls");
            let lost = before.saturating_sub(7);
            assert_eq!(rest, [&b"lost"[..lost], b"hello"].concat(), "after {polls} polls");
        }
    }
}
