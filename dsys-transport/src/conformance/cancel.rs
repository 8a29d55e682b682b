//! Cancel safety: futures that are dropped after each number of polls, and what must not be lost with them.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{JoinSet, yield_now};

use super::pressure::{open_to_the_limit, retire};
use super::support::{
    Linked, check, clause, connect, drops, echo, finish, linked, maybe, ok, pattern, poll_then_drop,
    read_all, step,
};
use super::{Failure, Harness};
use crate::transport::{Connection, Transport};

/// How many things are awaited with futures that are dropped early.
const COUNT: u8 = 40;

/// After how long a datagram counts as lost.
const LATE: Duration = Duration::from_secs(2);

/// Clause 3: dropping a `dial` at any poll leaves nothing behind: what the acceptor may have seen of it is closed, and
/// the next dial works.
///
/// # Errors
/// The clause is broken.
pub async fn dial_is_cancel_safe<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a dropped dial leaves nothing behind", async {
        let pair = ok("making a pair", harness.pair()).await?;
        let dial = async {
            for (polls, woken) in drops().take(30) {
                let dial = pair.left.dial(&pair.right_addr);
                let early = step("a dial to be dropped", poll_then_drop(dial, polls, woken)).await?;
                if let Some(dialled) = early {
                    dialled.map_err(|error| format!("dial: {error}"))?;
                }
            }
            let live = ok("dial", pair.left.dial(&pair.right_addr)).await?;
            let mut send = ok("open_uni", live.open_uni()).await?;
            ok("write", finish(&mut send, b"live")).await?;
            Ok::<_, String>(live)
        };
        // Each connection that is accepted must show that it is the live one, or end.
        let accept = async {
            let mut seen = JoinSet::new();
            // Kept over the rounds: dropping an accept is for another clause.
            let mut accepting = pin!(pair.right.accept());
            let live = loop {
                tokio::select! {
                    accepted = &mut accepting => {
                        let far = accepted.ok_or("accept gave None")?;
                        accepting.set(pair.right.accept());
                        seen.spawn(async move {
                            let mut recv = far.accept_uni().await.ok()?;
                            read_all(&mut recv).await.ok().map(|text| (far, text))
                        });
                    }
                    Some(ended) = seen.join_next() => {
                        if let Some(live) = ended.map_err(|error| error.to_string())? {
                            break live;
                        }
                    }
                }
            };
            while let Some(ended) =
                step("the connections of dropped dials to close", seen.join_next()).await?
            {
                let another = ended.map_err(|error| error.to_string())?;
                check(another.is_none(), || "two connections carry the one stream".into())?;
            }
            Ok(live)
        };
        let (near, (far, text)) = tokio::try_join!(dial, accept)?;
        check(text == b"live", || format!("\"live\" was read as {text:?}"))?;
        echo(&near, &far).await
    })
    .await
}

/// Clause 3: no connection is lost, and none comes twice, when `accept` is dropped at any poll.
///
/// # Errors
/// The clause is broken.
pub async fn accept_is_cancel_safe<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a dropped accept loses no connection", async {
        let pair = ok("making a pair", harness.pair()).await?;
        let dial = async {
            let mut dialled = Vec::new();
            for number in 0..COUNT {
                let near = ok("dial", pair.left.dial(&pair.right_addr)).await?;
                let mut send = ok("open_uni", near.open_uni()).await?;
                ok("write", finish(&mut send, &[number])).await?;
                dialled.push(near);
            }
            Ok(dialled)
        };
        let accept = gather(
            || pair.right.accept(),
            async |far| {
                let far = far.ok_or("accept gave None")?;
                let mut recv = ok("accept_uni", far.accept_uni()).await?;
                let bytes = ok("read", read_all(&mut recv)).await?;
                Ok((bytes, Some(far)))
            },
        );
        let (_dialled, _accepted) = tokio::try_join!(dial, accept)?;
        Ok(())
    })
    .await
}

/// Clause 3: opens that are dropped while they wait open nothing, and take nothing of the limit.
///
/// # Errors
/// The clause is broken.
pub async fn open_is_cancel_safe<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a dropped open opens nothing", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut open, waited) = open_to_the_limit(&left).await?;
        if !waited {
            // Nothing ever waits here, which is for another clause to judge.
            return Ok(());
        }
        let limit = open.len();
        for round in 0..100 {
            let opened = poll_then_drop(left.open_uni(), round % 2, false).await;
            check(opened.is_none(), || "an open went through at the limit".into())?;
        }
        // One is woken by the first stream that the peer is done with, and dropped instead of polled.
        let (woken, retired) =
            tokio::join!(step("an open to be woken", poll_then_drop(left.open_uni(), 1, true)), async {
                yield_now().await;
                retire(&mut open, &right).await
            });
        check(woken?.is_none(), || "an open went through at the limit".into())?;
        retired?;
        let early = maybe(right.accept_uni()).await;
        check(early.is_none(), || "a stream was accepted that nobody opened".into())?;
        // If each open that is dropped took a stream with it, none would be left.
        for round in 0..limit + 100 {
            if let Some(opened) = poll_then_drop(left.open_uni(), 1, false).await {
                let mut send = opened.map_err(|error| error.to_string())?;
                ok("write", send.write_all(b"x")).await?;
                retire(&mut vec![send], &right).await.map_err(|error| format!("round {round}: {error}"))?;
            }
        }
        let mut last = ok("an open after many were dropped", left.open_uni()).await?;
        ok("write", last.write_all(b"x")).await?;
        retire(&mut vec![last], &right).await?;
        // Those of the other kind, too: what is opened is used to its end, and what is dropped was never there.
        for _ in 0..limit + 100 {
            if let Some(opened) = poll_then_drop(left.open_bi(), 1, false).await {
                let (mut send, mut hear) = opened.map_err(|error| error.to_string())?;
                ok("write", finish(&mut send, b"x")).await?;
                let (mut answer, mut listen) = ok("accept_bi", right.accept_bi()).await?;
                let text = ok("read", read_all(&mut listen)).await?;
                check(text == b"x", || format!("\"x\" was read as {text:?}"))?;
                ok("answer", answer.shutdown()).await?;
                ok("read", read_all(&mut hear)).await?;
            }
        }
        let early = maybe(right.accept_bi()).await;
        check(early.is_none(), || "a two-way stream was accepted that nobody opened".into())?;
        echo(&left, &right).await
    })
    .await
}

/// Clause 3: no stream is lost, and none comes twice, when `accept_uni` is dropped at any poll.
///
/// # Errors
/// The clause is broken.
pub async fn accept_uni_is_cancel_safe<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a dropped accept_uni loses no stream", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let open = async {
            for number in 0..COUNT {
                let mut send = ok("open_uni", left.open_uni()).await?;
                ok("write", finish(&mut send, &[number])).await?;
                let_the_other_wait().await;
            }
            Ok(())
        };
        let accept = gather(
            || right.accept_uni(),
            async |recv| {
                let mut recv = recv.map_err(|error| error.to_string())?;
                Ok((ok("read", read_all(&mut recv)).await?, None::<()>))
            },
        );
        tokio::try_join!(open, accept)?;
        Ok(())
    })
    .await
}

/// Clause 3: no stream is lost, and none comes twice, when `accept_bi` is dropped at any poll.
///
/// # Errors
/// The clause is broken.
pub async fn accept_bi_is_cancel_safe<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a dropped accept_bi loses no stream", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let open = async {
            let mut hear = Vec::new();
            for number in 0..COUNT {
                let (mut send, recv) = ok("open_bi", left.open_bi()).await?;
                ok("write", finish(&mut send, &[number])).await?;
                hear.push(recv);
                let_the_other_wait().await;
            }
            Ok(hear)
        };
        let accept = gather(
            || right.accept_bi(),
            async |both| {
                let (answer, mut recv) = both.map_err(|error| error.to_string())?;
                Ok((ok("read", read_all(&mut recv)).await?, Some(answer)))
            },
        );
        tokio::try_join!(open, accept)?;
        Ok(())
    })
    .await
}

/// Clause 3: no datagram is lost when `recv_datagram` is dropped at any poll. (Each is sent until it is received, as
/// the network may lose it.)
///
/// # Errors
/// The clause is broken.
pub async fn recv_datagram_is_cancel_safe<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a dropped recv_datagram loses no datagram", async {
        if !harness.has_datagrams() {
            return Ok(());
        }
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut missing, mut late): (BTreeSet<u8>, u8) = ((0..COUNT).collect(), 0);
        for (number, (polls, woken)) in (0..COUNT).zip(drops().filter(|(polls, _)| *polls > 0)) {
            let take = async {
                match poll_then_drop(right.recv_datagram(), polls, woken).await {
                    Some(got) => got,
                    None => right.recv_datagram().await,
                }
            };
            // In a task of its own, or each of its turns would count as a poll of the future that is dropped.
            let from = left.clone();
            let sent = tokio::spawn(async move {
                let_the_other_wait().await;
                from.send_datagram(Bytes::from(vec![number; 8])).map_err(|error| error.to_string())
            });
            // A late one is no lost one, and shows up in a later round.
            let took = tokio::time::timeout(LATE, take).await;
            sent.await.map_err(|error| error.to_string())??;
            let Ok(got) = took else {
                late += 1;
                check(late < COUNT / 8, || format!("{late} of {} datagrams were lost", number + 1))?;
                continue;
            };
            let got = got.map_err(|error| error.to_string())?;
            let first = got.first().copied().unwrap_or(u8::MAX);
            check(missing.remove(&first), || format!("{got:?} was read, which was not sent or came before"))?;
        }
        // Between two sockets of one machine a few may really be lost; a future that takes one with it loses more.
        let lost = missing.len();
        check(lost < usize::from(COUNT) / 8, || format!("{lost} of {COUNT} datagrams were lost"))
    })
    .await
}

/// Clause 3: dropping a pending `read` at any poll loses no bytes.
///
/// # Errors
/// The clause is broken.
pub async fn read_is_cancel_safe<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a dropped read loses no bytes", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let bytes = pattern(3, 400 * 1024);
        let write = async {
            let mut send = ok("open_uni", left.open_uni()).await?;
            for chunk in bytes.chunks(1024) {
                ok("write", send.write_all(chunk)).await?;
                let_the_other_wait().await;
            }
            ok("finish", send.shutdown()).await
        };
        let read = async {
            let mut recv = ok("accept_uni", right.accept_uni()).await?;
            let (mut got, mut buf) = (Vec::new(), [0; 3000]);
            for (polls, woken) in drops() {
                let read = poll_then_drop(recv.read(&mut buf), polls, woken);
                match step("a read to be dropped", read).await? {
                    Some(Ok(0)) => break,
                    Some(Ok(n)) => got.extend_from_slice(buf.get(..n).unwrap_or_default()),
                    Some(Err(error)) => return Err(format!("read: {error}")),
                    None => yield_now().await,
                }
            }
            Ok(got)
        };
        let ((), got) = tokio::try_join!(write, read)?;
        check(got == bytes, || format!("{} bytes arrived of {}, or others", got.len(), bytes.len()))
    })
    .await
}

/// Clause 3: a `write` that is dropped while it waits has written nothing.
///
/// # Errors
/// The clause is broken.
pub async fn write_is_cancel_safe<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a dropped write has written nothing", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let write = async {
            let mut send = ok("open_uni", left.open_uni()).await?;
            let mut written = Vec::new();
            for (attempt, (polls, woken)) in (0..).zip(drops()) {
                if written.len() > 8 << 20 {
                    break;
                }
                // Other bytes each time, so that those of a dropped write would show.
                let chunk = pattern(attempt, 200_000);
                match step("a write to be dropped", poll_then_drop(send.write(&chunk), polls, woken)).await? {
                    Some(Ok(n)) => {
                        written.extend_from_slice(chunk.get(..n).ok_or("more was written than given")?)
                    }
                    Some(Err(error)) => return Err(format!("write: {error}")),
                    None => yield_now().await,
                }
            }
            ok("finish", send.shutdown()).await?;
            Ok(written)
        };
        let read = async {
            let mut recv = ok("accept_uni", right.accept_uni()).await?;
            ok("read", read_all(&mut recv)).await
        };
        let (written, got) = tokio::try_join!(write, read)?;
        check(got == written, || format!("{} bytes arrived of {}, or others", got.len(), written.len()))
    })
    .await
}

/// Clause 3: `shutdown` may be dropped at any poll and called again; `closed` may, too.
///
/// # Errors
/// The clause is broken.
pub async fn shutdown_is_cancel_safe<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("shutdown and closed may be dropped and called again", async {
        for polls in 0..4 {
            let pair = ok("making a pair", harness.pair()).await?;
            let (near, far) = connect(&pair).await?;
            // Nothing ever wakes it, so it is polled once at most.
            let early = poll_then_drop(near.closed(), polls.min(1), false).await;
            check(early.is_none(), || "an open connection says that it is closed".into())?;
            let _ = poll_then_drop(pair.left.shutdown(), polls, false).await;
            step("shutdown", pair.left.shutdown()).await?;
            step("closed, here", near.closed()).await?;
            step("closed, at the peer", far.closed()).await?;
            let late = step("accept after the shutdown", pair.left.accept()).await?;
            check(late.is_none(), || "accept gave a connection after the shutdown".into())?;
        }
        Ok(())
    })
    .await
}

/// Awaits with futures that are dropped at every poll until each number came, once. `open` reads the number and may
/// give something to be kept to the end.
async fn gather<T, K, F: Future<Output = T>>(
    next: impl Fn() -> F,
    mut open: impl AsyncFnMut(T) -> Result<(Vec<u8>, Option<K>), String>,
) -> Result<Vec<K>, String> {
    let mut missing: BTreeSet<u8> = (0..COUNT).collect();
    let mut kept = Vec::new();
    for (polls, woken) in drops() {
        if missing.is_empty() {
            break;
        }
        let what = format!("{} of {COUNT} never came, and one is awaited", missing.len());
        let Some(got) = step(&what, poll_then_drop(next(), polls, woken)).await? else {
            yield_now().await;
            continue;
        };
        let (bytes, keep) = step("what came", open(got)).await??;
        kept.extend(keep);
        let number = bytes.first().copied().ok_or("what came was empty")?;
        check(missing.remove(&number), || format!("number {number} came twice, or was never sent"))?;
    }
    match step("nothing more", async { maybe(next()).await }).await? {
        None => Ok(kept),
        Some(_) => Err("more came than was sent".into()),
    }
}

/// Gives the other task the time to wait, so that what is sent next finds a pending future.
async fn let_the_other_wait() {
    for _ in 0..3 {
        yield_now().await;
    }
}
