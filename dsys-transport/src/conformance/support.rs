//! What the clauses share.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{DEADLINE, Failure, Harness, Pair};
use crate::error::StreamError;
use crate::transport::{Connection, RecvStream, SendStream, Transport};

/// How long one step may take before it counts as never.
const STEP: Duration = Duration::from_secs(25);

/// For how long nothing may happen before it counts as not happening. Too short a time can hide a fault and never
/// invents one.
const QUIET: Duration = Duration::from_millis(200);

pub(super) type Seen = Result<(), String>;
pub(super) type ConnectionOf<H> = <<H as Harness>::Transport as Transport>::Connection;

/// Polls `future` `polls` times, as often as it is woken, and drops it; gives its value if it is ready by then.
///
/// With `woken` it is dropped only when it was woken once more, without that last poll: what it was woken for must
/// not be lost with it.
pub async fn poll_then_drop<F: Future>(future: F, polls: usize, woken: bool) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 && !woken => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Every way to drop a future early that the clauses try, over and over.
pub(super) fn drops() -> impl Iterator<Item = (usize, bool)> {
    (0..5).flat_map(|polls| [(polls, false), (polls, true)]).cycle()
}

/// Runs one clause.
pub(super) async fn clause(clause: &'static str, test: impl Future<Output = Seen>) -> Result<(), Failure> {
    match tokio::time::timeout(DEADLINE, test).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(seen)) => Err(Failure { clause, seen }),
        Err(_) => Err(Failure { clause, seen: format!("it was not done after {DEADLINE:?}") }),
    }
}

/// Waits for something that must happen.
pub(super) async fn step<T>(what: &str, future: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(STEP, future).await.map_err(|_| format!("{what}: waited {STEP:?} in vain"))
}

/// Waits for something that must happen and succeed.
pub(super) async fn ok<T, E: Display>(
    what: &str,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    step(what, future).await?.map_err(|error| format!("{what}: {error}"))
}

/// Gives the value of something that may wait for ever, or `None` if it seems to.
pub(super) async fn maybe<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(QUIET, future).await.ok()
}

/// Fails with `seen()` unless `holds`.
pub(super) fn check(holds: bool, seen: impl FnOnce() -> String) -> Seen {
    if holds { Ok(()) } else { Err(seen()) }
}

/// A pair of transports with one connection; the left one dialled.
pub(super) struct Linked<H: Harness> {
    pub(super) pair: Pair<H::Transport>,
    pub(super) left: ConnectionOf<H>,
    pub(super) right: ConnectionOf<H>,
}

pub(super) async fn linked<H: Harness>(harness: &H) -> Result<Linked<H>, String> {
    let pair = ok("making a pair", harness.pair()).await?;
    let (left, right) = connect(&pair).await?;
    Ok(Linked { pair, left, right })
}

pub(super) async fn connect<T: Transport>(pair: &Pair<T>) -> Result<(T::Connection, T::Connection), String> {
    let (left, right) =
        tokio::join!(ok("dial", pair.left.dial(&pair.right_addr)), step("accept", pair.right.accept()));
    Ok((left?, right?.ok_or("accept gave None, though nobody shut the transport down")?))
}

/// A one-way stream with `bytes` on it already, and where they arrive.
pub(super) async fn uni<C: Connection>(from: &C, to: &C, bytes: &[u8]) -> Result<(C::Send, C::Recv), String> {
    let mut send = ok("open_uni", from.open_uni()).await?;
    ok("write", send.write_all(bytes)).await?;
    let recv = ok("accept_uni", to.accept_uni()).await?;
    Ok((send, recv))
}

/// Both ends of a two-way stream with `bytes` on it already.
pub(super) type Two<C> =
    ((<C as Connection>::Send, <C as Connection>::Recv), (<C as Connection>::Send, <C as Connection>::Recv));

pub(super) async fn bi<C: Connection>(from: &C, to: &C, bytes: &[u8]) -> Result<Two<C>, String> {
    let mut near = ok("open_bi", from.open_bi()).await?;
    ok("write", near.0.write_all(bytes)).await?;
    let far = ok("accept_bi", to.accept_bi()).await?;
    Ok((near, far))
}

/// A question and an answer on a new stream: the connection works, and whatever was sent before has had its time.
pub(super) async fn echo<C: Connection>(near: &C, far: &C) -> Seen {
    let ((mut ask, mut hear), (mut answer, mut listen)) = bi(near, far, b"ping").await?;
    ok("finish", ask.shutdown()).await?;
    let question = ok("read", read_all(&mut listen)).await?;
    ok("write", answer.write_all(&question)).await?;
    ok("finish", answer.shutdown()).await?;
    let heard = ok("read", read_all(&mut hear)).await?;
    check(heard == b"ping", || format!("an echo of \"ping\" came back as {heard:?}"))
}

pub(super) async fn finish(send: &mut impl SendStream, bytes: &[u8]) -> io::Result<()> {
    send.write_all(bytes).await?;
    send.shutdown().await
}

pub(super) async fn read_all(recv: &mut impl RecvStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    recv.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Reads until the stream ends; gives how many bytes came, and the error if it was not a clean end.
pub(super) async fn drain(recv: &mut impl RecvStream) -> (usize, Option<io::Error>) {
    let mut buf = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        match recv.read(&mut buf).await {
            Ok(0) => return (total, None),
            Ok(n) => total += n,
            Err(error) => return (total, Some(error)),
        }
    }
}

/// Writes until the stream fails, at most `limit` bytes; gives the error.
pub(super) async fn write_until_error(send: &mut impl SendStream, limit: usize) -> Option<io::Error> {
    let chunk = vec![7; 1024];
    for _ in 0..limit.div_ceil(chunk.len()) {
        if let Err(error) = send.write_all(&chunk).await {
            return Some(error);
        }
        // A transport may need the runtime to hear the peer.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    None
}

/// Fills the window of a stream that nobody reads; gives how many bytes fitted, and whether a write waited before
/// `limit` bytes were written.
pub(super) async fn fill(send: &mut impl SendStream, limit: usize) -> Result<(usize, bool), String> {
    let chunk = vec![5; 64 * 1024];
    let mut total = 0;
    while total < limit {
        match maybe(send.write(&chunk)).await {
            Some(written) => total += written.map_err(|error| format!("write: {error}"))?,
            None => return Ok((total, true)),
        }
    }
    Ok((total, false))
}

/// Fails unless a read or write failed with this very error.
pub(super) fn expect_error(what: &str, got: Option<&io::Error>, want: &StreamError) -> Seen {
    match got {
        None => Err(format!("{what}: no error came; \"{want}\" should have")),
        Some(error) => check(StreamError::of(error) == Some(want), || {
            format!("{what}: \"{error}\" came; \"{want}\" should have")
        }),
    }
}

/// Bytes that differ from place to place, so that a lost, doubled or swapped part shows.
pub(super) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = dsys_core::Rng::from_seed(seed);
    let mut bytes = vec![0; len];
    rng.fill(&mut bytes);
    bytes
}
