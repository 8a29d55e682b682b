//! How connections and transports end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Linked, bi, check, clause, drain, fill, linked, step, uni};
use super::{Failure, Harness};
use crate::error::{CloseReason, DatagramError, DialError, StreamError, code};
use crate::transport::{Connection, Transport};

/// Clause 5: a close is seen at the other end with its code and reason, and `closed` resolves at both, for those who
/// wait already and for those who come later. The reason is cut to 256 bytes.
///
/// # Errors
/// The clause is broken.
pub async fn close_is_seen_with_its_code<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a close is seen with its code and reason at the other end", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let early = right.clone();
        let (seen, ()) = tokio::join!(step("closed, at the other end", early.closed()), async {
            tokio::task::yield_now().await;
            left.close(0x77, "enough");
            left.close(0x78, "a second close changes nothing");
        });
        let want = CloseReason::Peer { code: 0x77, reason: "enough".into() };
        let seen = seen?;
        check(seen == want, || format!("the other end saw \"{seen}\""))?;
        let again = step("closed, asked again", right.closed()).await?;
        check(again == want, || format!("asked again, the other end saw \"{again}\""))?;
        let own = step("closed, at the end that closed", left.closed()).await?;
        check(own == CloseReason::Local(0x77), || format!("the end that closed saw \"{own}\""))?;

        let Linked { pair: _pair, left, right } = linked(harness).await?;
        left.close(1, &"\u{e4}".repeat(500));
        match step("closed, at the other end", right.closed()).await? {
            CloseReason::Peer { code: 1, reason } => check(reason.len() <= 256, || {
                format!("a reason of 1,000 bytes arrived as {} bytes", reason.len())
            }),
            other => Err(format!("the other end saw \"{other}\"")),
        }
    })
    .await
}

/// Clause 5: a close does not wait until what was written is read, and what was cut off never looks like a clean end.
///
/// # Errors
/// The clause is broken.
pub async fn close_is_abortive<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("close is abortive", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut send, mut recv) = uni(&left, &right, b"x").await?;
        let written = 1 + fill(&mut send, 32 << 20).await?.0;
        left.close(9, "now");
        // Nobody reads, and still both ends are closed.
        step("closed, here", left.closed()).await?;
        let reason = step("closed, at the other end, with bytes unread", right.closed()).await?;
        let (read, error) = step("reading after the close", drain(&mut recv)).await?;
        check(read <= written, || format!("{read} bytes were read, and {written} written"))?;
        stream_ended("reading a stream that the close cut off", error.as_ref(), &reason)?;
        let error = step("finishing after the close", send.shutdown()).await?.err();
        stream_ended("finishing after the close", error.as_ref(), &CloseReason::Local(9))
    })
    .await
}

/// Clause 5: when a connection is closed, every operation that waits on it fails, at both ends, and so does every
/// later one.
///
/// # Errors
/// The clause is broken.
pub async fn close_fails_what_is_pending<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("close fails whatever waits", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let datagrams = harness.has_datagrams();
        let here: IsRight = |reason| matches!(reason, CloseReason::Local(_));
        let there: IsRight = |reason| matches!(reason, CloseReason::Peer { .. });
        let one = pending(left.clone(), right.clone(), here, datagrams).await?;
        let other = pending(right.clone(), left.clone(), there, datagrams).await?;
        left.close(5, "over");
        one.await?;
        other.await
    })
    .await
}

/// Dropping every handle of a connection, streams included, closes it with [`code::DONE`].
///
/// # Errors
/// The clause is broken.
pub async fn dropping_all_handles_closes<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("dropping all handles of a connection closes it", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let clone = left.clone();
        drop(left);
        super::support::echo(&clone, &right).await?;
        drop(clone);
        let reason = step("closed, at the other end", right.closed()).await?;
        check(matches!(reason, CloseReason::Peer { code: code::DONE, .. }), || {
            format!("the other end saw \"{reason}\"")
        })
    })
    .await
}

/// Clause 5: `shutdown` closes every connection; afterwards, and for those who wait already, `accept` gives `None`
/// and `dial` fails with [`DialError::ShutDown`]. A second shutdown returns.
///
/// # Errors
/// The clause is broken.
pub async fn shutdown_ends_everything<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("shutdown ends connections, accept and dial", async {
        let Linked { pair, left, right } = linked(harness).await?;
        let (waiting, shut) =
            tokio::join!(step("an accept that waits at the shutdown", pair.left.accept()), async {
                tokio::task::yield_now().await;
                step("shutdown", pair.left.shutdown()).await
            });
        shut?;
        check(waiting?.is_none(), || "accept gave a connection that nobody made".into())?;
        step("closed, here", left.closed()).await?;
        let reason = step("closed, at the peer", right.closed()).await?;
        check(matches!(reason, CloseReason::Peer { .. }), || format!("the peer saw \"{reason}\""))?;
        let late = step("accept after the shutdown", pair.left.accept()).await?;
        check(late.is_none(), || "accept gave a connection after the shutdown".into())?;
        match step("dial after the shutdown", pair.left.dial(&pair.right_addr)).await? {
            Err(DialError::ShutDown) => {}
            Err(other) => return Err(format!("dial after the shutdown: {other}")),
            Ok(_) => return Err("dial gave a connection after the shutdown".into()),
        }
        step("a second shutdown", pair.left.shutdown()).await?;
        let dialled = step("dialling what is shut down", pair.right.dial(&pair.left_addr)).await?;
        check(dialled.is_err(), || "a transport that is shut down was dialled".into())
    })
    .await
}

type IsRight = fn(&CloseReason) -> bool;

/// Starts every operation that can wait at `near`, and gives a future that checks that each fails with what `closed`
/// gives, and that this is right.
async fn pending<C: Connection>(
    near: C,
    far: C,
    is_right: IsRight,
    datagrams: bool,
) -> Result<impl Future<Output = Result<(), String>>, String> {
    let ((_send, mut hear), far_end) = bi(&near, &far, b"x").await?;
    let (mut full, far_recv) = uni(&near, &far, b"x").await?;
    let (_, full_waits) = fill(&mut full, 32 << 20).await?;
    let mut waiting = Box::pin(async move {
        let _far = (far_end, far_recv, _send);
        let ops = async {
            let mut buf = [0; 8];
            tokio::join!(
                async { near.accept_uni().await.err() },
                async { near.accept_bi().await.err() },
                async { near.recv_datagram().await.err() },
                async { near.closed().await },
                async { hear.read(&mut buf).await.err() },
                async { full.write_all(&[0; 1 << 20]).await.err() },
            )
        };
        let (uni, bi, datagram, closed, read, write) = step("operations that wait at a close", ops).await?;
        check(is_right(&closed), || format!("closed gave \"{closed}\""))?;
        let reason = closed;
        let want = Some(reason.clone());
        check(uni == want, || format!("accept_uni gave {uni:?}, not {want:?}"))?;
        check(bi == want, || format!("accept_bi gave {bi:?}, not {want:?}"))?;
        check(datagram == want || !datagrams, || format!("recv_datagram gave {datagram:?}, not {want:?}"))?;
        stream_ended("a read that waits", read.as_ref(), &reason)?;
        if full_waits {
            stream_ended("a write that waits", write.as_ref(), &reason)?;
        }

        let uni = step("open_uni after the close", near.open_uni()).await?.err();
        check(uni == want, || format!("open_uni gave {uni:?}, not {want:?}"))?;
        let bi = step("open_bi after the close", near.open_bi()).await?.err();
        check(bi == want, || format!("open_bi gave {bi:?}, not {want:?}"))?;
        let sent = near.send_datagram(Bytes::from_static(b"late"));
        check(sent == Err(DatagramError::Connection(reason)) || !datagrams, || {
            format!("a datagram sent after the close gave {sent:?}")
        })?;
        let write = step("write after the close", full.write_all(b"late")).await?;
        check(write.is_err(), || "a write after the close succeeded".into())
    });
    // Once, so that they do wait before the close comes.
    let mut once = pin!(&mut waiting);
    match poll_fn(|cx| Poll::Ready(once.as_mut().poll(cx))).await {
        Poll::Ready(early) => Err(format!("operations that should wait did not: {early:?}")),
        Poll::Pending => Ok(waiting),
    }
}

fn stream_ended(what: &str, got: Option<&std::io::Error>, reason: &CloseReason) -> Result<(), String> {
    super::support::expect_error(what, got, &StreamError::Connection(reason.clone()))
}
