//! How connections and transports end.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::support::{Linked, bi, check, clause, drain, fill, linked, maybe, ok, step, uni};
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
        let (mut send, _recv) = uni(&right, &left, b"x").await?;
        left.close(0x77, "enough");
        step("closed, at the other end", right.closed()).await?;
        right.close(0x79, "too late to be the first");
        let again = step("closed, after a close of its own", right.closed()).await?;
        check(again == want, || format!("after a close of its own, the other end saw \"{again}\""))?;
        let error = step("finishing after both", send.shutdown()).await?.err();
        stream_ended("finishing a stream that the peer's close had ended", error.as_ref(), &want)?;

        let Linked { pair: _pair, left, right } = linked(harness).await?;
        left.close(1, &"\u{e4}".repeat(500));
        let seen = step("closed, at the other end", right.closed()).await?;
        let want = CloseReason::Peer { code: 1, reason: "\u{e4}".repeat(128) };
        check(seen == want, || format!("of a reason of 1,000 bytes the other end saw \"{seen}\""))?;

        // 256 is no multiple of three: a character is left out, not cut through.
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        left.close(2, &"\u{20ac}".repeat(200));
        let seen = step("closed, at the other end", right.closed()).await?;
        let want = CloseReason::Peer { code: 2, reason: "\u{20ac}".repeat(85) };
        check(seen == want, || format!("of a reason of 600 bytes the other end saw \"{seen}\""))
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
        // First the streams of both, or one would accept what is the other's.
        let (here, there) = (ready(left.clone(), right.clone()).await?, ready(right, left.clone()).await?);
        let (here, there) = (Waiting::start(here, datagrams), Waiting::start(there, datagrams));
        // A current-thread runtime runs the tasks now; they wait when the close comes.
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
        left.close(5, "over");
        let here = here.check(datagrams).await?;
        check(matches!(here, CloseReason::Local(_)), || format!("the end that closed saw \"{here}\""))?;
        let there = there.check(datagrams).await?;
        check(matches!(there, CloseReason::Peer { .. }), || format!("the other end saw \"{there}\""))
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
        // One that was made and that nobody took is not given afterwards.
        let pair = ok("making a pair", harness.pair()).await?;
        let waiting = ok("dial", pair.right.dial(&pair.left_addr)).await?;
        let early = maybe(waiting.closed()).await;
        check(early.is_none(), || "a connection that nobody took yet was closed".into())?;
        step("shutdown", pair.left.shutdown()).await?;
        step("closed, at the peer", waiting.closed()).await?;
        let late = step("accept after the shutdown", pair.left.accept()).await?;
        check(late.is_none(), || "accept gave a connection after the shutdown".into())?;
        // A dial into nothing may take as long as it likes to fail.
        let dialled = maybe(pair.right.dial(&pair.left_addr)).await;
        check(!matches!(dialled, Some(Ok(_))), || "a transport that is shut down was dialled".into())
    })
    .await
}

/// What came of an operation that waited.
enum Outcome {
    Connection(Option<CloseReason>),
    Stream(Option<io::Error>),
    /// It would have been ready without the close.
    Unasked,
}

/// One end with a stream that has nothing to read and one that has no room, and what keeps them so.
struct Ready<C: Connection> {
    near: C,
    hear: C::Recv,
    full: C::Send,
    full_waits: bool,
    send: C::Send,
    far: ((C::Send, C::Recv), C::Recv),
}

async fn ready<C: Connection>(near: C, far: C) -> Result<Ready<C>, String> {
    let ((send, hear), far_end) = bi(&near, &far, b"x").await?;
    let (mut full, far_recv) = uni(&near, &far, b"x").await?;
    let (_, full_waits) = fill(&mut full, 32 << 20).await?;
    Ok(Ready { near, hear, full, full_waits, send, far: (far_end, far_recv) })
}

/// Everything that can wait at one end, each in a task of its own: one waker cannot stand in for another.
struct Waiting<C: Connection> {
    near: C,
    tasks: JoinSet<(&'static str, Outcome)>,
    send: C::Send,
    _far: ((C::Send, C::Recv), C::Recv),
}

impl<C: Connection> Waiting<C> {
    fn start(ready: Ready<C>, datagrams: bool) -> Self {
        let Ready { near, mut hear, mut full, full_waits, send, far } = ready;
        let mut tasks = JoinSet::new();
        let c = near.clone();
        tasks.spawn(async move { ("accept_uni", Outcome::Connection(c.accept_uni().await.err())) });
        let c = near.clone();
        tasks.spawn(async move { ("accept_bi", Outcome::Connection(c.accept_bi().await.err())) });
        let c = near.clone();
        tasks.spawn(async move { ("closed", Outcome::Connection(Some(c.closed().await))) });
        if datagrams {
            let c = near.clone();
            tasks.spawn(async move { ("recv_datagram", Outcome::Connection(c.recv_datagram().await.err())) });
        }
        tasks.spawn(async move { ("read", Outcome::Stream(hear.read(&mut [0; 8]).await.err())) });
        tasks.spawn(async move {
            if !full_waits {
                return ("write", Outcome::Unasked);
            }
            ("write", Outcome::Stream(full.write_all(&[0; 1 << 20]).await.err()))
        });
        Waiting { near, tasks, send, _far: far }
    }

    /// Each must fail with what `closed` says, and so must whatever is tried from now on.
    async fn check(mut self, datagrams: bool) -> Result<CloseReason, String> {
        let near = &self.near;
        let reason = step("closed", near.closed()).await?;
        let want = Some(reason.clone());
        while let Some(ended) = step("an operation that waits at a close", self.tasks.join_next()).await? {
            match ended.map_err(|error| error.to_string())? {
                (what, Outcome::Connection(got)) => {
                    check(got == want, || format!("{what}, waiting, gave {got:?}, not {want:?}"))?;
                }
                (what, Outcome::Stream(got)) => stream_ended(what, got.as_ref(), &reason)?,
                (_, Outcome::Unasked) => {}
            }
        }
        let uni = step("open_uni after the close", near.open_uni()).await?.err();
        check(uni == want, || format!("open_uni gave {uni:?}, not {want:?}"))?;
        let bi = step("open_bi after the close", near.open_bi()).await?.err();
        check(bi == want, || format!("open_bi gave {bi:?}, not {want:?}"))?;
        let sent = near.send_datagram(Bytes::from_static(b"late"));
        check(sent == Err(DatagramError::Connection(reason.clone())) || !datagrams, || {
            format!("a datagram sent after the close gave {sent:?}")
        })?;
        let write = step("write after the close", self.send.write_all(b"late")).await?;
        check(write.is_err(), || "a write after the close succeeded".into())?;
        Ok(reason)
    }
}

fn stream_ended(what: &str, got: Option<&io::Error>, reason: &CloseReason) -> Result<(), String> {
    super::support::expect_error(what, got, &StreamError::Connection(reason.clone()))
}
