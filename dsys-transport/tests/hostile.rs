//! Peers that break the rules: each costs us one connection at most, and gets its own error.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::raw::{CONTROL, HELLO, accepted, closed_with, intruder, say};
use common::{World, addr_of, quic, soon, until};
use dsys_core::{NodeAddr, SecretKey};
use dsys_transport::{
    Connection, Node, NodeConfig, ProtocolConfig, RpcConfig, SendStream, Service, Tag, Transport, code,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A node that answers requests, and keeps its patience short.
fn victim() -> (Node, Service) {
    let mut config = NodeConfig::default();
    config.hello_timeout = Duration::from_millis(300);
    config.max_untagged = 4;
    let node = World::Quic.node_with(SecretKey::generate().unwrap(), config);
    let service = node
        .serve("echo/1", ProtocolConfig::default(), RpcConfig::default(), |_, request| async { Ok(request) })
        .unwrap();
    (node, service)
}

/// Someone else is still served.
async fn still_serves(victim: &Node) {
    let honest = World::Quic.node();
    let answer = soon("answer", honest.request(victim.addr(), Tag::new("echo/1").unwrap(), "x")).await;
    assert_eq!(answer.unwrap(), "x");
}

#[tokio::test]
async fn a_hello_that_never_comes() {
    let (victim, _service) = victim();
    let (_transport, connection) = intruder(&victim).await;
    closed_with(&connection, code::IDLE, "HELLO").await;
    assert_eq!(victim.stats().violations, 1);
    still_serves(&victim).await;
    assert!(victim.stats().peers.len() <= 1);
}

#[tokio::test]
async fn half_a_hello_and_then_nothing() {
    let (victim, _service) = victim();
    let (_transport, connection) = intruder(&victim).await;
    let _control = say(&connection, &[CONTROL, &HELLO[..3]]).await;
    closed_with(&connection, code::IDLE, "HELLO").await;
    still_serves(&victim).await;
}

#[tokio::test]
async fn garbage_instead_of_a_hello() {
    let garbage: [(&[&[u8]], &str); 6] = [
        (&[b"GET / HTTP/1.1\r\n\r\n"], "control stream"),
        (&[b"\x06echo/1", b"hello"], "control stream"),
        (&[CONTROL, &[1, 9]], "does not decode"),
        (&[CONTROL, &[1, 2]], "not a HELLO"),
        (&[CONTROL, &[0xff, 0xff, 0x7f]], "a frame of"),
        (&[CONTROL, &[0x80, 0x00]], "no encoder writes"),
    ];
    for (bytes, hint) in garbage {
        let (victim, _service) = victim();
        let (_transport, connection) = intruder(&victim).await;
        let _control = say(&connection, bytes).await;
        closed_with(&connection, code::VIOLATION, hint).await;
        until("it is counted", || victim.stats().violations == 1).await;
        still_serves(&victim).await;
    }
}

#[tokio::test]
async fn a_hello_that_names_too_much() {
    // 65 protocols, where 64 may be spoken.
    let mut body = vec![0, 1, 65];
    for n in 0..65u8 {
        body.extend([3, b'a', b'0' + n / 10, b'0' + n % 10]);
    }
    body.extend([0, 0]);
    let length = [(body.len() as u8 & 0x7f) | 0x80, (body.len() >> 7) as u8];
    let (victim, _service) = victim();
    let (_transport, connection) = intruder(&victim).await;
    let _control = say(&connection, &[CONTROL, &length, &body]).await;
    closed_with(&connection, code::VIOLATION, "65").await;
    still_serves(&victim).await;
}

#[tokio::test]
async fn a_second_hello_and_an_ended_control_stream() {
    let (victim, _service) = victim();
    let (_transport, connection) = intruder(&victim).await;
    let _control = say(&connection, &[CONTROL, HELLO, HELLO]).await;
    closed_with(&connection, code::VIOLATION, "second HELLO").await;

    let (_transport, connection) = intruder(&victim).await;
    let mut control = connection.open_uni().await.unwrap();
    control.write_all(&[CONTROL, HELLO].concat()).await.unwrap();
    control.shutdown().await.unwrap();
    closed_with(&connection, code::VIOLATION, "control stream ended").await;
    still_serves(&victim).await;
    until("both are counted", || victim.stats().violations == 2).await;
}

#[tokio::test]
async fn a_stream_that_begins_with_no_tag() {
    let (victim, _service) = victim();
    let (_transport, connection, _control) = accepted(&victim).await;
    for start in [&b"\x00"[..], b"\xff\xff\xff", b"\x03A B"] {
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(start).await.unwrap();
        let error = soon("refusal", recv.read_u8()).await.unwrap_err();
        assert_eq!(
            dsys_transport::StreamError::of(&error),
            Some(&dsys_transport::StreamError::Reset(code::VIOLATION))
        );
    }
    assert_eq!(victim.stats().violations, 3);
    still_serves(&victim).await;
}

#[tokio::test]
async fn half_a_tag_and_then_nothing_many_times() {
    let (victim, _service) = victim();
    let (_transport, connection, _control) = accepted(&victim).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(b"\x06ec").await.unwrap();
        held.push((send, recv));
    }
    // Four may wait, for a while; the fifth may not.
    let mut codes = Vec::new();
    for (_, recv) in &mut held {
        let error = soon("refusal", recv.read_u8()).await.unwrap_err();
        match dsys_transport::StreamError::of(&error) {
            Some(dsys_transport::StreamError::Reset(code)) => codes.push(*code),
            other => panic!("{other:?}"),
        }
    }
    codes.sort_unstable();
    assert_eq!(codes, [code::BUSY, code::IDLE, code::IDLE, code::IDLE, code::IDLE]);
    still_serves(&victim).await;
}

#[tokio::test]
async fn a_stream_that_is_reset_before_its_tag_was_only_cancelled() {
    let (victim, _service) = victim();
    let (_transport, connection, _control) = accepted(&victim).await;
    for tag in [&b"\x06"[..], b"\x06ec"] {
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(tag).await.unwrap();
        until("it is seen", || victim.stats().peers[0].streams == 1).await;
        send.reset(code::CANCELLED);
        until("it is over", || victim.stats().peers[0].streams == 0).await;
    }
    assert_eq!(victim.stats().violations, 0);
    still_serves(&victim).await;
}

#[tokio::test]
async fn more_streams_than_anybody_needs() {
    let (victim, _service) = victim();
    let (_transport, connection, _control) = accepted(&victim).await;
    // Requests that are never finished: the transport's own limit stops them, and others are served.
    let mut held = Vec::new();
    let open = async {
        loop {
            let (mut send, recv) = connection.open_bi().await.unwrap();
            send.write_all(b"\x06echo/1...").await.unwrap();
            held.push((send, recv));
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(1_500), open).await;
    assert!(held.len() <= 1_024, "{} streams are open", held.len());
    still_serves(&victim).await;
    assert!(victim.stats().peers.iter().all(|peer| peer.streams <= 1_024));
}

#[tokio::test]
async fn a_drain_that_never_comes_true() {
    let (victim, _service) = victim();
    let (_transport, _connection, (mut control, _theirs)) = accepted(&victim).await;
    // GOAWAY, then Drained of 2^63 streams.
    let drained = [11, 3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
    control.write_all(&[1, 2]).await.unwrap();
    control.write_all(&drained).await.unwrap();
    still_serves(&victim).await;
    // It holds its place as any quiet connection does, and no more than that.
    until("the honest one has left", || victim.stats().peers.len() == 1).await;
    assert_eq!(victim.stats().violations, 0);
}

#[tokio::test]
async fn a_wrong_key_never_gets_in() {
    let (victim, _service) = victim();
    let honest = quic(&SecretKey::generate().unwrap());
    // The addresses of one, the name of another.
    let other = addr_of(&honest);
    let claimed = victim.addr().direct().iter().fold(NodeAddr::new(other.id), |addr, at| addr.with(*at));
    assert!(honest.dial(&claimed).await.is_err());
    assert!(World::Quic.node().connect(claimed).await.is_err());
    still_serves(&victim).await;
}
