//! Back-pressure: what waits, and what never does.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::support::{
    Linked, check, clause, drain, echo, fill, finish, linked, maybe, ok, read_all, step, uni,
};
use super::{Failure, Harness};
use crate::transport::Connection;

/// How many streams of each kind may be open at once, at least.
const STREAMS: usize = 1024;

/// Clause 4: a writer whose peer does not read waits after a bounded number of bytes, and goes on when it reads.
///
/// # Errors
/// The clause is broken.
pub async fn writes_wait_for_the_reader<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a writer without a reader waits, and goes on when it reads", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut send, mut recv) = uni(&left, &right, b"x").await?;
        let (filled, waited) = fill(&mut send, 256 << 20).await?;
        check(waited, || format!("{filled} bytes were written without waiting, and nobody reads"))?;
        // It holds up nobody else.
        echo(&left, &right).await?;
        let more = vec![9; 8 << 20];
        let (wrote, read) = tokio::join!(
            ok("writing on while the peer reads", async {
                send.write_all(&more).await?;
                send.shutdown().await
            }),
            step("reading all of it", drain(&mut recv)),
        );
        wrote?;
        let (read, error) = read?;
        check(error.is_none(), || format!("the read failed: {error:?}"))?;
        let written = 1 + filled + more.len();
        check(read == written, || format!("{written} bytes were written and {read} read"))
    })
    .await
}

/// Clause 4: an open waits while as many streams are open as the peer allows, is woken when the peer is done with
/// them, and then the full number can be opened again.
///
/// # Errors
/// The clause is broken.
pub async fn opens_wait_at_the_limit<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("an open waits at the limit of streams", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut open, waited) = open_to_the_limit(&left).await?;
        check(waited, || format!("{} streams are open and no open has waited", open.len()))?;
        let mut waiting = pin!(left.open_uni());
        let early = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await;
        retire(&mut open, &right).await?;
        let mut next = match early {
            Poll::Ready(opened) => opened.map_err(|error| error.to_string())?,
            Poll::Pending => ok("an open that waits while the peer finishes streams", waiting).await?,
        };
        ok("write", next.write_all(b"x")).await?;
        retire(&mut vec![next], &right).await?;
        let (mut again, _) = open_to_the_limit(&left).await?;
        retire(&mut again, &right).await
    })
    .await
}

/// Clause 4: at least 1,024 streams of each kind can be open at once with a peer that accepts them as they come.
///
/// # Errors
/// The clause is broken.
pub async fn a_thousand_streams_of_each_kind<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("1,024 streams of each kind can be open at once with a peer that accepts them", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut one_way, mut two_way) = (Vec::new(), Vec::new());
        for number in 0..STREAMS {
            let mut send = ok(&format!("opening one-way stream {number}"), left.open_uni()).await?;
            ok("write", send.write_all(b"x")).await?;
            let hear = ok(&format!("accepting one-way stream {number}"), right.accept_uni()).await?;
            one_way.push((send, hear));
            let mut both = ok(&format!("opening two-way stream {number}"), left.open_bi()).await?;
            ok("write", both.0.write_all(b"x")).await?;
            let theirs = ok(&format!("accepting two-way stream {number}"), right.accept_bi()).await?;
            two_way.push((both, theirs));
        }
        // All are open at both ends now.
        for (mut send, mut hear) in one_way {
            ok("finish", send.shutdown()).await?;
            let text = ok("read", read_all(&mut hear)).await?;
            check(text == b"x", || format!("\"x\" was read as {text:?}"))?;
        }
        for ((mut send, mut hear), (mut answer, mut listen)) in two_way {
            ok("finish", send.shutdown()).await?;
            let text = ok("read", read_all(&mut listen)).await?;
            check(text == b"x", || format!("\"x\" was read as {text:?}"))?;
            ok("answer", finish(&mut answer, b"y")).await?;
            let text = ok("read", read_all(&mut hear)).await?;
            check(text == b"y", || format!("\"y\" was read as {text:?}"))?;
        }
        Ok(())
    })
    .await
}

/// Clause 4: streams of a kind that the peer does not accept, and datagrams that it does not take, hold up nothing
/// else.
///
/// # Errors
/// The clause is broken.
pub async fn a_kind_not_accepted_blocks_nothing<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("streams that are not accepted do not block the others", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let mut ignored = Vec::new();
        for _ in 0..STREAMS {
            // However many there may be.
            let Some(opened) = maybe(left.open_uni()).await else { break };
            let mut send = opened.map_err(|error| error.to_string())?;
            ok("write", send.write_all(&[3; 512])).await?;
            ignored.push(send);
        }
        if harness.has_datagrams() {
            for _ in 0..STREAMS {
                left.send_datagram(Bytes::from_static(b"ignored")).map_err(|error| error.to_string())?;
            }
        }
        for _ in 0..8 {
            echo(&left, &right).await?;
            echo(&right, &left).await?;
            let (mut send, mut recv) = uni(&right, &left, b"x").await?;
            ok("finish", send.shutdown()).await?;
            ok("read", read_all(&mut recv)).await?;
        }
        Ok(())
    })
    .await
}

/// Clause 4: sending datagrams that nobody takes neither blocks nor fails, and harms nothing else.
///
/// # Errors
/// The clause is broken.
pub async fn datagram_send_never_blocks<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("sending a datagram never blocks", async {
        if !harness.has_datagrams() {
            return Ok(());
        }
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let size = left.max_datagram_size().ok_or("a transport with datagrams gives no size")?;
        let data = Bytes::from(vec![1; size.min(1000)]);
        for round in 0..20 {
            for _ in 0..1000 {
                left.send_datagram(data.clone()).map_err(|error| format!("round {round}: {error}"))?;
            }
            tokio::task::yield_now().await;
        }
        echo(&left, &right).await?;
        let first = ok("recv_datagram", async {
            loop {
                left.send_datagram(data.clone()).map_err(|error| error.to_string())?;
                if let Some(got) = maybe(right.recv_datagram()).await {
                    return got.map_err(|error| error.to_string());
                }
            }
        })
        .await?;
        check(first == data, || format!("{} bytes came of a datagram of {}", first.len(), data.len()))
    })
    .await
}

/// Opens one-way streams, each with a byte on it, until an open waits; says whether one did.
pub(super) async fn open_to_the_limit<C: Connection>(from: &C) -> Result<(Vec<C::Send>, bool), String> {
    let mut open = Vec::new();
    while open.len() < 16 * STREAMS {
        let Some(opened) = maybe(from.open_uni()).await else { return Ok((open, true)) };
        let mut send = opened.map_err(|error| error.to_string())?;
        ok("write", send.write_all(b"x")).await?;
        open.push(send);
    }
    Ok((open, false))
}

/// Finishes one-way streams and reads them to their ends.
pub(super) async fn retire<C: Connection>(open: &mut Vec<C::Send>, at: &C) -> Result<(), String> {
    let count = open.len();
    for mut send in open.drain(..) {
        ok("finish", send.shutdown()).await?;
    }
    for number in 0..count {
        let mut recv = ok(&format!("accepting stream {number} of {count}"), at.accept_uni()).await?;
        let text = ok("read", read_all(&mut recv)).await?;
        check(text == b"x", || format!("\"x\" was read as {text:?}"))?;
    }
    Ok(())
}
