//! Requests and one-way messages that are cut short, too long, too late or of the wrong kind.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::raw::{Host, accepted, read_error, write_error};
use common::{World, soon, until};
use dsys_core::{NodeAddr, SecretKey};
use dsys_transport::{
    Connection, DialError, Node, ProtocolConfig, QuicConnection, QuicRecv, QuicSend, RequestError, RpcConfig,
    SendStream, Service, StreamError, Tag, code,
};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

over_each_transport!(
    a_handler_that_runs_outlives_its_service,
    a_cut_off_request_is_never_handled,
    nobody_to_ask_is_told_apart,
);

fn tag(text: &str) -> Tag {
    Tag::new(text).unwrap()
}

/// A node that echoes requests on `echo/1` and takes messages on `news/1`, at most ten bytes long; and how many it
/// has handled.
fn strict(timeout: Duration) -> (Node, [Service; 2], Arc<AtomicUsize>) {
    let node = World::Quic.node();
    let handled = Arc::new(AtomicUsize::new(0));
    let mut config = RpcConfig::default();
    (config.timeout, config.max_request) = (timeout, 10);
    let count = handled.clone();
    let echo = node
        .serve("echo/1", ProtocolConfig::default(), config.clone(), move |_, text| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { Ok(text) }
        })
        .unwrap();
    let count = handled.clone();
    let news = node
        .receive("news/1", ProtocolConfig::default(), config, move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            async {}
        })
        .unwrap();
    (node, [echo, news], handled)
}

async fn ask(connection: &QuicConnection, bytes: &[u8]) -> (QuicSend, QuicRecv) {
    let (mut send, recv) = connection.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    (send, recv)
}

async fn tell(connection: &QuicConnection, bytes: &[u8]) -> QuicSend {
    let mut send = connection.open_uni().await.unwrap();
    send.write_all(bytes).await.unwrap();
    send
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up() {
    let (node, _services, handled) = strict(Duration::from_millis(200));
    let (_transport, connection, _control) = accepted(&node).await;
    let (mut send, mut recv) = ask(&connection, b"\x06echo/1half").await;
    assert_eq!(read_error(&mut recv).await, Some(StreamError::Reset(code::IDLE)));
    assert_eq!(write_error(&mut send).await, Some(StreamError::Stopped(code::IDLE)));
    let mut news = tell(&connection, b"\x06news/1half").await;
    // Writing more would make it too long first.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(write_error(&mut news).await, Some(StreamError::Stopped(code::IDLE)));
    assert_eq!(handled.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused() {
    let (node, _services, handled) = strict(Duration::from_secs(60));
    let (_transport, connection, _control) = accepted(&node).await;
    let (mut send, mut recv) = ask(&connection, b"\x06echo/1much too long").await;
    assert_eq!(read_error(&mut recv).await, Some(StreamError::Reset(code::BAD_FRAME)));
    assert_eq!(write_error(&mut send).await, Some(StreamError::Stopped(code::BAD_FRAME)));
    let mut news = tell(&connection, b"\x06news/1much too long").await;
    assert_eq!(write_error(&mut news).await, Some(StreamError::Stopped(code::BAD_FRAME)));
    // One byte too many is enough, without an end; also where the end comes, and in several pieces.
    let (_send, mut recv) = ask(&connection, b"\x06echo/1eleven byte").await;
    assert_eq!(read_error(&mut recv).await, Some(StreamError::Reset(code::BAD_FRAME)));
    let (mut send, mut recv) = ask(&connection, b"\x06echo/1eleven byte").await;
    send.shutdown().await.unwrap();
    assert_eq!(read_error(&mut recv).await, Some(StreamError::Reset(code::BAD_FRAME)));
    let (mut send, mut recv) = ask(&connection, b"\x06echo/1five.").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    send.write_all(b"six...").await.unwrap();
    assert_eq!(read_error(&mut recv).await, Some(StreamError::Reset(code::BAD_FRAME)));
    assert_eq!(handled.load(Ordering::SeqCst), 0);
    // Ten are not too many.
    let answer = soon("answer", World::Quic.node().request(node.addr(), tag("echo/1"), "ten bytes.")).await;
    assert_eq!(answer.unwrap(), "ten bytes.");
}

#[tokio::test]
async fn a_stream_of_the_wrong_kind_is_a_violation() {
    let (node, _services, handled) = strict(Duration::from_secs(60));
    let (_transport, connection, _control) = accepted(&node).await;
    let (mut send, mut recv) = ask(&connection, b"\x06news/1x").await;
    assert_eq!(read_error(&mut recv).await, Some(StreamError::Reset(code::VIOLATION)));
    assert_eq!(write_error(&mut send).await, Some(StreamError::Stopped(code::VIOLATION)));
    let mut message = tell(&connection, b"\x06echo/1x").await;
    assert_eq!(write_error(&mut message).await, Some(StreamError::Stopped(code::VIOLATION)));
    assert_eq!(handled.load(Ordering::SeqCst), 0);
}

/// What was cut off is never taken for the whole.
#[tokio::test]
async fn a_part_of_a_message_is_never_handled() {
    let (node, _services, handled) = strict(Duration::from_secs(60));
    let (_transport, connection, _control) = accepted(&node).await;
    for _ in 0..5 {
        let (mut send, mut recv) = ask(&connection, b"\x06echo/1part").await;
        // A reset overtakes what is not read yet, its tag among it.
        until("it is being read", || node.stats().peers[0].streams == 1).await;
        send.reset(77);
        assert_eq!(read_error(&mut recv).await, Some(StreamError::Reset(code::FAILED)));
        until("it is over", || node.stats().peers[0].streams == 0).await;
        let message = tell(&connection, b"\x06news/1part").await;
        until("it is being read", || node.stats().peers[0].streams == 1).await;
        drop(message);
        until("it is over", || node.stats().peers[0].streams == 0).await;
    }
    assert_eq!(handled.load(Ordering::SeqCst), 0);
    let mut whole = tell(&connection, b"\x06news/1whole").await;
    whole.shutdown().await.unwrap();
    until("the whole one is", || handled.load(Ordering::SeqCst) == 1).await;
}

/// Every code has its error, in whichever way it comes.
#[tokio::test]
async fn codes_become_errors() {
    let (node, host) = (World::Quic.node(), Host::new());
    let (dialled, (connection, _control)) = tokio::join!(node.connect(host.addr.clone()), host.welcome());
    dialled.unwrap();
    for number in [code::UNKNOWN_PROTOCOL, code::BUSY, code::GOING_AWAY, code::FAILED, code::PROTOCOL + 5] {
        for stops in [false, true] {
            let request = tokio::spawn({
                let (node, to) = (node.clone(), host.addr.id);
                // Far more than fits the window, so that a stop finds it writing.
                let size = if stops { 8 << 20 } else { 10 };
                async move { node.request(to, Tag::from_static("x/1"), vec![0; size]).await }
            });
            let (mut send, mut recv) = soon("a request", connection.accept_bi()).await.unwrap();
            if stops {
                dsys_transport::RecvStream::stop(&mut recv, number);
            }
            send.reset(number);
            let error = soon("the request", request).await.unwrap().unwrap_err();
            let right = match number {
                code::UNKNOWN_PROTOCOL => matches!(error, RequestError::UnknownProtocol),
                code::BUSY => matches!(error, RequestError::Busy),
                code::GOING_AWAY => matches!(error, RequestError::GoingAway),
                other => matches!(error, RequestError::Failed(code) if code == other),
            };
            assert!(right, "code {number}: {error:?}");
        }
    }
    let request = tokio::spawn({
        let (node, to) = (node.clone(), host.addr.id);
        async move { node.request(to, Tag::from_static("x/1"), "x").await }
    });
    let _stream = soon("a request", connection.accept_bi()).await.unwrap();
    connection.close(300, "gone");
    let error = soon("the request", request).await.unwrap().unwrap_err();
    assert!(matches!(error, RequestError::Lost(_)), "{error:?}");
}

#[tokio::test]
async fn a_dropped_request_is_abandoned() {
    let (node, host) = (World::Quic.node(), Host::new());
    let (dialled, (connection, _control)) = tokio::join!(node.connect(host.addr.clone()), host.welcome());
    dialled.unwrap();
    for (size, whole) in [(10, true), (8 << 20, false)] {
        let request = tokio::spawn({
            let (node, to) = (node.clone(), host.addr.id);
            async move { node.request(to, Tag::from_static("x/1"), vec![0; size]).await }
        });
        let (mut send, mut recv) = soon("a request", connection.accept_bi()).await.unwrap();
        if whole {
            assert_eq!(read_error(&mut recv).await, None);
        }
        request.abort();
        assert!(soon("it is dropped", request).await.is_err());
        assert_eq!(write_error(&mut send).await, Some(StreamError::Stopped(code::CANCELLED)));
        if !whole {
            assert_eq!(read_error(&mut recv).await, Some(StreamError::Reset(code::CANCELLED)));
        }
        until("its stream is counted off", || node.stats().peers[0].streams == 0).await;
    }
}

/// The time of a request is that of its dial, too.
#[tokio::test]
async fn a_request_waits_for_its_dial_no_longer_than_for_itself() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut patience = dsys_transport::QuicConfig::test();
    (patience.dial_timeout, patience.silence_timeout) = (Duration::from_secs(60), Duration::from_secs(60));
    let node = Node::new(
        dsys_transport::Quic::bind(
            &SecretKey::generate().unwrap(),
            &["127.0.0.1:0".parse().unwrap()],
            patience,
        )
        .unwrap(),
        dsys_transport::NodeConfig::default(),
    );
    let to = NodeAddr::new(SecretKey::generate().unwrap().public()).with(silent.local_addr().unwrap());
    let mut config = RpcConfig::default();
    config.timeout = Duration::from_millis(200);
    let late = soon("timeout", node.request_with(to, tag("x/1"), "x", &config)).await;
    assert!(matches!(late, Err(RequestError::TimedOut(after)) if after == config.timeout), "{late:?}");
}

async fn a_handler_that_runs_outlives_its_service(world: World) {
    let (a, b) = world.pair();
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (here, there) = (begun.clone(), go_on.clone());
    let service = b
        .serve("slow/1", ProtocolConfig::default(), RpcConfig::default(), move |_, text: Bytes| {
            let (begun, go_on) = (here.clone(), there.clone());
            async move {
                begun.notify_one();
                go_on.notified().await;
                Ok(text)
            }
        })
        .unwrap();
    let request = tokio::spawn({
        let (a, to) = (a.clone(), b.addr());
        async move { a.request(to, tag("slow/1"), "x").await }
    });
    soon("it runs", begun.notified()).await;
    drop(service);
    let refused = soon("refusal", a.request(b.addr(), tag("slow/1"), "y")).await;
    assert!(matches!(refused, Err(RequestError::UnknownProtocol)), "{refused:?}");
    go_on.notify_one();
    assert_eq!(soon("answer", request).await.unwrap().unwrap(), "x");
}

async fn a_cut_off_request_is_never_handled(world: World) {
    let (a, b) = world.pair();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = handled.clone();
    let mut config = RpcConfig::default();
    config.max_request = 64 << 20;
    let _service = b
        .serve("echo/1", ProtocolConfig::default(), config, move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok(Bytes::new()) }
        })
        .unwrap();
    a.connect(b.addr()).await.unwrap();
    for _ in 0..5 {
        let mut stream = a.open(b.addr(), tag("echo/1")).await.unwrap();
        stream.write_all(&[0; 20_000]).await.unwrap();
        drop(stream);
    }
    until("all are over", || b.stats().peers[0].streams == 0).await;
    assert_eq!(handled.load(Ordering::SeqCst), 0);
    soon("a whole one", a.request(b.id(), tag("echo/1"), vec![0; 20_000])).await.unwrap();
    assert_eq!(handled.load(Ordering::SeqCst), 1);
}

async fn nobody_to_ask_is_told_apart(world: World) {
    let (a, _b) = world.pair();
    let nobody = SecretKey::generate().unwrap().public();
    let error = soon("failure", a.request(nobody, tag("x/1"), "x")).await.unwrap_err();
    assert!(matches!(error, RequestError::Dial(_)), "{error:?}");
    let error = soon("failure", a.notify(nobody, tag("x/1"), "x")).await.unwrap_err();
    assert!(matches!(error, RequestError::Dial(_)), "{error:?}");
    let error = soon("failure", a.request(a.id(), tag("x/1"), "x")).await.unwrap_err();
    assert!(matches!(error, RequestError::Dial(DialError::OwnId(_))), "{error:?}");
}
