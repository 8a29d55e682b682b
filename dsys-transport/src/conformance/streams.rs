//! How streams begin and end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{
    Linked, bi, check, clause, drain, echo, expect_error, fill, finish, linked, maybe, ok, poll_then_drop,
    read_all, step, uni, write_until_error,
};
use super::{Failure, Harness};
use crate::error::{StreamError, code};
use crate::transport::{Connection, RecvStream, SendStream};

/// Clause 1: dropping an unfinished send stream resets it with [`code::CANCELLED`]: the reader never takes a part for
/// the whole.
///
/// # Errors
/// The clause is broken.
pub async fn dropping_an_unfinished_stream_resets_it<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("dropping an unfinished send stream resets it", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (send, mut recv) = uni(&left, &right, b"a part").await?;
        drop(send);
        let (_, error) = step("reading a dropped stream", drain(&mut recv)).await?;
        expect_error(
            "reading a dropped one-way stream",
            error.as_ref(),
            &StreamError::Reset(code::CANCELLED),
        )?;

        let ((send, _keep), (_answer, mut recv)) = bi(&left, &right, b"a part").await?;
        drop(send);
        let (_, error) = step("reading a dropped stream", drain(&mut recv)).await?;
        expect_error("reading a dropped two-way stream", error.as_ref(), &StreamError::Reset(code::CANCELLED))
    })
    .await
}

/// Clause 1: a stream that is dropped while a write on it waits is reset.
///
/// # Errors
/// The clause is broken.
pub async fn dropping_during_a_write_resets<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("dropping a send stream during a pending write resets it", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut send, mut recv) = uni(&left, &right, b"x").await?;
        let (filled, _) = fill(&mut send, 32 << 20).await?;
        let pending = poll_then_drop(send.write_all(b"never to arrive"), 1, false).await;
        drop(send);
        let (read, error) = step("reading a dropped stream", drain(&mut recv)).await?;
        let wrote = 1 + filled + pending.map_or(0, |_| 15);
        check(read <= wrote, || format!("{read} bytes were read, and {wrote} written"))?;
        expect_error("reading it", error.as_ref(), &StreamError::Reset(code::CANCELLED))
    })
    .await
}

/// Finishing gives the reader all that was written and then a clean end, also when the stream is dropped afterwards,
/// also when it is empty. Writing to a finished stream fails with [`StreamError::Closed`]; finishing again does
/// nothing.
///
/// # Errors
/// The clause is broken.
pub async fn finishing_is_a_clean_end<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("finishing a stream gives the reader all of it and a clean end", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut send, mut recv) = uni(&left, &right, b"all ").await?;
        ok("write", send.write_all(b"of it")).await?;
        ok("finish", send.shutdown()).await?;
        let late = step("writing to a finished stream", send.write_all(b"more")).await?.err();
        expect_error("writing to a finished stream", late.as_ref(), &StreamError::Closed)?;
        ok("finishing again", send.shutdown()).await?;
        drop(send);
        let text = ok("read", read_all(&mut recv)).await?;
        check(text == b"all of it", || format!("\"all of it\" was read as {text:?}"))?;
        let again = ok("reading past the end", recv.read(&mut [0; 8])).await?;
        check(again == 0, || format!("{again} bytes came after the end"))?;

        let mut send = ok("open_uni", left.open_uni()).await?;
        ok("finish", send.shutdown()).await?;
        drop(send);
        let mut recv = ok("accepting an empty stream", right.accept_uni()).await?;
        let text = ok("reading an empty stream", read_all(&mut recv)).await?;
        check(text.is_empty(), || format!("an empty stream was read as {text:?}"))
    })
    .await
}

/// A reset carries its code to the reader, and ends the writer's half with [`StreamError::Closed`].
///
/// # Errors
/// The clause is broken.
pub async fn reset_carries_its_code<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a reset carries its code to the reader", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut send, mut recv) = uni(&left, &right, b"a part").await?;
        send.reset(0x1234);
        send.reset(0x5678);
        let late = step("writing to a reset stream", send.write_all(b"more")).await?.err();
        expect_error("writing to a reset stream", late.as_ref(), &StreamError::Closed)?;
        let (_, error) = step("reading a reset stream", drain(&mut recv)).await?;
        expect_error("reading a reset stream", error.as_ref(), &StreamError::Reset(0x1234))
    })
    .await
}

/// A stop carries its code to the writer, whose writes fail from then on.
///
/// # Errors
/// The clause is broken.
pub async fn stop_carries_its_code<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a stop carries its code to the writer", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut send, mut recv) = uni(&left, &right, b"a part").await?;
        recv.stop(0x4321);
        let error = step("writing to a stopped stream", write_until_error(&mut send, 4 << 20)).await?;
        expect_error("writing to a stopped stream", error.as_ref(), &StreamError::Stopped(0x4321))?;
        let error = step("writing on", write_until_error(&mut send, 4 << 20)).await?;
        expect_error("writing on", error.as_ref(), &StreamError::Stopped(0x4321))
    })
    .await
}

/// Dropping a receiver before its end stops the writer with [`code::CANCELLED`], also one that waits for the window.
///
/// # Errors
/// The clause is broken.
pub async fn dropping_a_receiver_stops_the_sender<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("dropping a receiver before its end stops the sender", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut send, recv) = uni(&left, &right, b"a part").await?;
        fill(&mut send, 32 << 20).await?;
        let mut write = pin!(write_until_error(&mut send, 4 << 20));
        let first = poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await;
        drop(recv);
        let error = match first {
            Poll::Ready(error) => error,
            Poll::Pending => step("a write that waits when the receiver is dropped", write).await?,
        };
        expect_error("the write", error.as_ref(), &StreamError::Stopped(code::CANCELLED))
    })
    .await
}

/// A two-way stream of which one direction is finished, or reset, still carries the other.
///
/// # Errors
/// The clause is broken.
pub async fn a_half_closed_stream_still_answers<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a stream finished in one direction still carries the other", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        echo(&left, &right).await?;
        echo(&right, &left).await?;
        let ((mut send, mut hear), (mut answer, mut listen)) = bi(&left, &right, b"question").await?;
        send.reset(0x33);
        let (_, error) = step("reading the question", drain(&mut listen)).await?;
        expect_error("the question", error.as_ref(), &StreamError::Reset(0x33))?;
        ok("answering", finish(&mut answer, b"answer")).await?;
        let heard = ok("hearing", read_all(&mut hear)).await?;
        check(heard == b"answer", || format!("\"answer\" was read as {heard:?}"))
    })
    .await
}

/// Any priority is accepted, at any time; it changes the order at most, never the bytes.
///
/// # Errors
/// The clause is broken.
pub async fn priority_is_accepted<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("any priority is accepted", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        for priority in [0, 1, -1, i32::MAX, i32::MIN] {
            let mut send = ok("open_uni", left.open_uni()).await?;
            send.set_priority(priority);
            ok("write", send.write_all(&priority.to_be_bytes())).await?;
            send.set_priority(priority.wrapping_neg());
            ok("finish", send.shutdown()).await?;
            send.set_priority(priority);
            let mut recv = ok("accept_uni", right.accept_uni()).await?;
            let bytes = ok("read", read_all(&mut recv)).await?;
            check(bytes == priority.to_be_bytes(), || format!("priority {priority} was read as {bytes:?}"))?;
        }
        Ok(())
    })
    .await
}

/// Clause 6: a stream is invisible to the peer before its first byte.
///
/// # Errors
/// The clause is broken.
pub async fn a_stream_is_invisible_before_its_first_byte<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a stream is invisible to the peer before its first byte", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let mut silent = ok("open_uni", left.open_uni()).await?;
        // When an answer to something later is back, whatever the open might have sent has arrived.
        echo(&left, &right).await?;
        let early = maybe(right.accept_uni()).await;
        check(early.is_none(), || "a one-way stream was accepted before its first byte".into())?;
        ok("write", finish(&mut silent, b"now")).await?;
        let mut recv = ok("accepting after the first byte", right.accept_uni()).await?;
        let text = ok("read", read_all(&mut recv)).await?;
        check(text == b"now", || format!("\"now\" was read as {text:?}"))?;

        let (mut silent, _hear) = ok("open_bi", left.open_bi()).await?;
        let (mut send, mut recv) = uni(&left, &right, b"later").await?;
        ok("finish", send.shutdown()).await?;
        ok("read", read_all(&mut recv)).await?;
        let early = maybe(right.accept_bi()).await;
        check(early.is_none(), || "a two-way stream was accepted before its first byte".into())?;
        ok("write", finish(&mut silent, b"now")).await?;
        let (_answer, mut recv) = ok("accepting after the first byte", right.accept_bi()).await?;
        let text = ok("read", read_all(&mut recv)).await?;
        check(text == b"now", || format!("\"now\" was read as {text:?}"))
    })
    .await
}
