//! What is sent is what arrives.

use std::collections::HashMap;
use std::future::poll_fn;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::support::{
    Linked, bi, check, clause, expect_error, finish, linked, maybe, ok, pattern, read_all, step, uni,
};
use super::{Failure, Harness};
use crate::error::{DatagramError, StreamError};
use crate::transport::{Connection, RecvStream, SendStream};

/// 8 MiB in each direction of one stream, at once, arrive as they were sent.
///
/// # Errors
/// The clause is broken.
pub async fn large_transfers_arrive_intact<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("8 MiB in both directions at once arrive intact", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let ((mut send, mut hear), (mut answer, mut listen)) = bi(&left, &right, b"x").await?;
        let (forth, back) = (pattern(1, 8 << 20), pattern(2, 8 << 20));
        let ((), (), there, here) = tokio::try_join!(
            ok("writing forth", finish(&mut send, &forth)),
            ok("writing back", finish(&mut answer, &back)),
            ok("reading there", read_all(&mut listen)),
            ok("reading here", read_all(&mut hear)),
        )?;
        let there = there.strip_prefix(b"x").ok_or("the first byte is another")?;
        check(there == forth, || format!("{} bytes arrived of {}, or others", there.len(), forth.len()))?;
        check(here == back, || format!("{} bytes came back of {}, or others", here.len(), back.len()))
    })
    .await
}

/// Chunks arrive as bytes do: what is written is taken off the front of the chunk and nothing else is, each chunk
/// that is read has at most the size that was asked for, and the end is the end.
///
/// # Errors
/// The clause is broken.
pub async fn chunks_arrive_intact<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("chunks arrive intact and no larger than asked for", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let (mut send, mut recv) = uni(&left, &right, b"x").await?;
        // More than a window holds, so that a chunk is not written at once.
        let bytes = pattern(4, 1 << 20).repeat(24);
        let write = async {
            let mut rest = Bytes::from(bytes.clone());
            while !rest.is_empty() {
                let before = rest.len();
                ok("writing a chunk", poll_fn(|cx| send.poll_write_chunk(cx, &mut rest))).await?;
                check(rest.len() < before, || "a chunk was written, and nothing of it".into())?;
                check(bytes.ends_with(&rest), || "a write left something else than the rest".into())?;
            }
            ok("writing nothing", poll_fn(|cx| send.poll_write_chunk(cx, &mut rest))).await?;
            ok("finish", send.shutdown()).await?;
            let late = poll_fn(|cx| send.poll_write_chunk(cx, &mut Bytes::from_static(b"late"))).await.err();
            expect_error("writing a chunk after the end", late.as_ref(), &StreamError::Closed)
        };
        let read = async {
            let mut got = Vec::new();
            // Small at first, so that much waits to be read.
            for max in [1, 7, 1000].into_iter().cycle().take(300).chain(std::iter::repeat(100_000)) {
                let chunk = ok("reading a chunk", poll_fn(|cx| recv.poll_read_chunk(cx, max))).await?;
                let Some(chunk) = chunk else { break };
                check((1..=max).contains(&chunk.len()), || format!("{} bytes, of {max}", chunk.len()))?;
                got.extend_from_slice(&chunk);
            }
            let again = ok("reading past the end", poll_fn(|cx| recv.poll_read_chunk(cx, 10))).await?;
            check(again.is_none(), || "a chunk came after the end".into())?;
            Ok(got)
        };
        let ((), got) = tokio::try_join!(write, read)?;
        let got = got.strip_prefix(b"x").ok_or("the first byte is another")?;
        check(got == bytes, || format!("{} bytes arrived of {}, or others", got.len(), bytes.len()))
    })
    .await
}

/// 200 streams at once, from both ends, each with bytes of its own: each is answered with what it carried.
///
/// # Errors
/// The clause is broken.
pub async fn many_streams_arrive_intact<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("many streams at once arrive intact", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let mut servers = JoinSet::new();
        servers.spawn(answer_all(left.clone()));
        servers.spawn(answer_all(right.clone()));
        let mut asking = JoinSet::new();
        for number in 0..200 {
            asking.spawn(ask(if number % 2 == 0 { left.clone() } else { right.clone() }, number));
        }
        while let Some(asked) = step("200 streams at once", asking.join_next()).await? {
            asked.map_err(|error| error.to_string())??;
        }
        Ok(())
    })
    .await
}

/// A datagram arrives whole, or not at all, and at most once; one that is too large is refused with its size. A
/// transport without datagrams says so.
///
/// # Errors
/// The clause is broken.
pub async fn datagrams_arrive_whole<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("datagrams arrive whole or not at all, and too large ones are refused", async {
        let Linked { pair: _pair, left, right } = linked(harness).await?;
        let Some(max) = left.max_datagram_size() else {
            check(!harness.has_datagrams(), || "max_datagram_size is None".into())?;
            let sent = left.send_datagram(Bytes::from_static(b"x"));
            return check(sent == Err(DatagramError::Unsupported), || format!("a datagram gave {sent:?}"));
        };
        check(harness.has_datagrams(), || format!("max_datagram_size is {max}"))?;
        let large = Bytes::from(vec![0; max + 1]);
        match left.send_datagram(large) {
            Err(DatagramError::TooLarge { size, max: told }) if size == max + 1 && told < size => {}
            other => return Err(format!("a datagram of {} bytes, one too many, gave {other:?}", max + 1)),
        }
        let mut sent: HashMap<Bytes, usize> = HashMap::new();
        let mut got = 0;
        let everything = async {
            for round in 0_u64.. {
                for (number, size) in [8, 100, 1000, max].into_iter().enumerate() {
                    let data = Bytes::from(pattern(round * 4 + number as u64, size.min(max)));
                    sent.insert(data.clone(), 0);
                    left.send_datagram(data).map_err(|error| error.to_string())?;
                }
                while let Some(data) = maybe(right.recv_datagram()).await {
                    let data = data.map_err(|error| error.to_string())?;
                    let times =
                        sent.get_mut(&data).ok_or(format!("{} bytes came that were not sent", data.len()))?;
                    *times += 1;
                    got += 1;
                    check(*times == 1, || "a datagram came twice".into())?;
                    if got >= 20 {
                        return Ok(());
                    }
                }
            }
            Ok(())
        };
        step("receiving 20 datagrams of however many are sent", everything).await?
    })
    .await
}

async fn answer_all<C: Connection>(at: C) {
    let mut answers = JoinSet::new();
    while let Ok((mut send, mut recv)) = at.accept_bi().await {
        answers.spawn(async move {
            if let Ok(bytes) = read_all(&mut recv).await {
                // If it fails, whoever asked sees it.
                let _ = finish(&mut send, &bytes).await;
            }
        });
    }
}

async fn ask<C: Connection>(from: C, number: u64) -> Result<(), String> {
    let (mut send, mut recv) = ok("open_bi", from.open_bi()).await?;
    let bytes = pattern(number, 1000 + 97 * number as usize);
    ok("write", finish(&mut send, &bytes)).await?;
    let back = ok("read", read_all(&mut recv)).await?;
    check(back == bytes, || {
        format!("stream {number}: {} bytes came back of {}, or others", back.len(), bytes.len())
    })
}
