//! The first request to a peer goes out before the peer has said that it takes the connection. What that may change
//! for the caller, and what not.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{World, addr_of, quic, soon};
use dsys_core::SecretKey;
use dsys_transport::{
    CloseReason, Connection, DialError, Node, NodeConfig, ProtocolConfig, Quic, QuicConnection, QuicRecv,
    QuicSend, RequestError, RpcConfig, Service, Tag, Transport, code,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

over_each_transport!(simultaneous_first_requests_are_each_carried_out_once, a_full_node_has_done_nothing,);

const ECHO: Tag = Tag::from_static("echo/1");

fn counting(node: &Node) -> (Service, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let handler = move |_, request| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { Ok(request) }
    };
    (node.serve(ECHO, ProtocolConfig::default(), RpcConfig::default(), handler).unwrap(), count)
}

async fn simultaneous_first_requests_are_each_carried_out_once(world: World) {
    for _ in 0..25 {
        let (a, b) = world.pair();
        let (_at_a, count_a) = counting(&a);
        let (_at_b, count_b) = counting(&b);
        let (to_a, to_b) = (a.addr(), b.addr());
        let asking = async { tokio::join!(a.request(to_b, ECHO, "to b"), b.request(to_a, ECHO, "to a")) };
        let (from_b, from_a) = soon("both answers", asking).await;
        assert_eq!(from_b.unwrap(), "to b");
        assert_eq!(from_a.unwrap(), "to a");
        assert_eq!((count_a.load(Ordering::SeqCst), count_b.load(Ordering::SeqCst)), (1, 1));
    }
}

async fn a_full_node_has_done_nothing(world: World) {
    let mut config = NodeConfig::default();
    config.max_connections = 1;
    let hub = world.node_with(SecretKey::generate().unwrap(), config);
    let (_service, count) = counting(&hub);
    let (first, second) = (world.node(), world.node());
    assert_eq!(soon("answer", first.request(hub.addr(), ECHO, "x")).await.unwrap(), "x");
    let refused = soon("refusal", second.request(hub.addr(), ECHO, "x")).await;
    assert!(
        matches!(refused, Err(RequestError::Dial(DialError::Declined { code: code::REFUSED, .. }))),
        "{refused:?}"
    );
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

/// A request to a peer that has no node above its transport: the test plays it.
struct Asked {
    caller: Node,
    peer: Quic,
    answer: JoinHandle<Result<bytes::Bytes, RequestError>>,
}

fn asked() -> Asked {
    let mut config = NodeConfig::default();
    config.hello_timeout = Duration::from_millis(500);
    let caller = World::Quic.node_with(SecretKey::generate().unwrap(), config);
    let peer = quic(&SecretKey::generate().unwrap());
    let (node, to) = (caller.clone(), addr_of(&peer));
    Asked { caller, peer, answer: tokio::spawn(async move { node.request(to, ECHO, "early").await }) }
}

impl Asked {
    /// The connection and the request on it. No HELLO was said.
    async fn arrives(&self) -> (QuicConnection, QuicSend, QuicRecv) {
        let connection = soon("the dial", self.peer.accept()).await.unwrap();
        let (send, mut recv) = soon("the request", connection.accept_bi()).await.unwrap();
        let mut request = Vec::new();
        soon("its end", recv.read_to_end(&mut request)).await.unwrap();
        assert_eq!(request, b"\x06echo/1early");
        (connection, send, recv)
    }

    async fn outcome(self) -> Result<bytes::Bytes, RequestError> {
        soon("the outcome", self.answer).await.unwrap()
    }
}

/// A HELLO that names nothing; the stream must be kept.
async fn hello(connection: &QuicConnection) -> QuicSend {
    let mut control = connection.open_uni().await.unwrap();
    control.write_all(b"\x0edsys/control/1\x05\0\x01\0\0\0").await.unwrap();
    control.flush().await.unwrap();
    control
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_request_travels_with_the_hello() {
    let asked = asked();
    let (connection, mut send, _recv) = asked.arrives().await;
    let _control = hello(&connection).await;
    send.write_all(b"here").await.unwrap();
    send.shutdown().await.unwrap();
    assert_eq!(asked.outcome().await.unwrap(), "here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_may_overtake_the_hello() {
    let asked = asked();
    let (_connection, mut send, _recv) = asked.arrives().await;
    send.write_all(b"here").await.unwrap();
    send.shutdown().await.unwrap();
    assert_eq!(asked.outcome().await.unwrap(), "here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_request_goes_out_again() {
    let asked = asked();
    let (connection, _send, _recv) = asked.arrives().await;
    connection.close(code::DUPLICATE, "another one is kept");
    // The connection that the peer claims to keep does not exist: after a while the dial is due again.
    let connection = soon("the dial", asked.peer.accept()).await.unwrap();
    let _control = hello(&connection).await;
    let (mut send, _recv) = soon("the request", connection.accept_bi()).await.unwrap();
    send.write_all(b"here").await.unwrap();
    send.shutdown().await.unwrap();
    assert_eq!(asked.outcome().await.unwrap(), "here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_before_the_hello_means_that_nothing_was_done() {
    let asked = asked();
    let (connection, _send, _recv) = asked.arrives().await;
    connection.close(code::REFUSED, "full");
    let refused = asked.outcome().await;
    assert!(matches!(refused, Err(RequestError::Dial(DialError::Declined { .. }))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_other_end_may_have_carried_it_out() {
    let asked = asked();
    let (connection, _send, _recv) = asked.arrives().await;
    connection.close(code::GOING_AWAY, "shut down");
    let lost = asked.outcome().await;
    assert!(matches!(lost, Err(RequestError::Lost(CloseReason::Peer { .. }))), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_after_the_hello_may_have_carried_it_out() {
    let asked = asked();
    let (connection, _send, _recv) = asked.arrives().await;
    let _control = hello(&connection).await;
    let caller = asked.caller.clone();
    common::until("the HELLO is here", || caller.stats().peers.len() == 1).await;
    connection.close(code::REFUSED, "on second thought");
    let lost = asked.outcome().await;
    assert!(matches!(lost, Err(RequestError::Lost(CloseReason::Peer { .. }))), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_without_a_hello_is_not_waited_for() {
    let asked = asked();
    let (_connection, _send, _recv) = asked.arrives().await;
    // Far sooner than the request's own ten seconds.
    let lost = asked.outcome().await;
    assert!(matches!(lost, Err(RequestError::Lost(CloseReason::Local(code::IDLE)))), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_ends_an_early_request() {
    let asked = asked();
    let (_connection, _send, _recv) = asked.arrives().await;
    soon("shutdown", asked.caller.shutdown(Duration::ZERO)).await;
    let lost = asked.outcome().await;
    assert!(matches!(lost, Err(RequestError::Lost(CloseReason::Local(_)))), "{lost:?}");
}
