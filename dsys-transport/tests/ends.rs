//! How a node ends, and how its connections do: GOAWAY, the drain, the deadline, idleness; and what is left.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use common::probe::{Do, Probe, TAG};
use common::raw::{GOAWAY, accepted, closed_with, intruder, read_error};
use common::{World, soon, until};
use dsys_core::{NodeAddr, NodeId, SecretKey};
use dsys_transport::{
    Connection, DialError, MemoryConnection, MemoryNetwork, MemoryTransport, NoDisk, Node, NodeConfig,
    PeerChange, ProtocolConfig, Quic, QuicConfig, RpcConfig, RunConfig, StreamError, Tag, Transport, code,
    run_with,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

over_each_transport!(
    quiet_connections_drain_at_once,
    what_was_written_before_the_end_is_read_after_it,
    everything_that_waits_on_a_node_ends_with_it,
    a_machine_that_hangs_does_not_hold_up_the_deadline,
    a_shutdown_may_be_dropped_and_called_again,
);

fn tag(text: &str) -> Tag {
    Tag::new(text).unwrap()
}

const DRAINED_ONE: &[u8] = &[2, 3, 1];

/// Nobody has anything left to say, so nobody waits for the deadline.
async fn quiet_connections_drain_at_once(world: World) {
    let (a, b) = world.pair();
    a.connect(b.addr()).await.unwrap();
    let mut stream = a.open(b.addr(), tag("nobody/1")).await.unwrap();
    let _ = stream.finish().await;
    assert!(read_error(&mut stream).await.is_some());
    drop(stream);
    let report = soon("a shutdown long before its deadline", b.shutdown(Duration::from_secs(600))).await;
    assert_eq!(report.cut_off, 0);
    until("the peer knows", || a.stats().peers.is_empty()).await;
}

async fn what_was_written_before_the_end_is_read_after_it(world: World) {
    let (a, b) = world.pair();
    let protocol = a.protocol("late/1", ProtocolConfig::default()).unwrap();
    // As much as fits every window, on more streams than one, and at the end nothing is held here any more.
    for n in 0..10u8 {
        let mut stream = soon("open", b.open_uni(a.addr(), tag("late/1"))).await.unwrap();
        soon("write", stream.write_chunk(vec![n; 20_000].into())).await.unwrap();
        stream.finish().await.unwrap();
    }
    let ending = tokio::spawn(async move { b.shutdown(Duration::from_secs(60)).await });
    sleep(Duration::from_millis(300)).await;
    for n in 0..10u8 {
        let mut incoming = soon("accept", protocol.accept_uni()).await.unwrap();
        let text = soon("read", incoming.stream.read_to_end(100_000)).await.unwrap();
        assert!(text.len() == 20_000 && text.iter().all(|byte| *byte == n));
    }
    assert_eq!(soon("shutdown", ending).await.unwrap().cut_off, 0);
}

async fn everything_that_waits_on_a_node_ends_with_it(world: World) {
    let (a, b) = world.pair();
    let protocol = b.protocol("quiet/1", ProtocolConfig::default()).unwrap();
    a.connect(b.addr()).await.unwrap();
    let (accept, uni, datagram, closing, report) = soon("all of them", async {
        tokio::join!(
            protocol.accept(),
            protocol.accept_uni(),
            protocol.recv_datagram(),
            b.shutting_down(),
            b.shutdown(Duration::from_secs(10)),
        )
    })
    .await;
    assert!(accept.is_none() && uni.is_none() && datagram.is_none());
    assert_eq!((closing, report.cut_off), ((), 0));
    assert!(b.is_shutting_down() && b.stats().peers.is_empty());
    // And what comes later.
    assert!(soon("accept", protocol.accept()).await.is_none());
    assert!(
        matches!(b.open(a.addr(), tag("x/1")).await.map(drop), Err(error) if error == DialError::ShutDown.into())
    );
}

async fn a_machine_that_hangs_does_not_hold_up_the_deadline(world: World) {
    let (a, _b) = world.pair();
    let mut narrow = RunConfig::default();
    narrow.event_queue = 1;
    let running = run_with(Probe, &a, TAG, NoDisk, narrow).unwrap();
    // Nobody reads its events, so it waits with the second.
    for n in 0..3 {
        assert!(running.command(Do::Tell(n)).await.is_ok());
    }
    until("it waits", || running.stats().inputs >= 2).await;
    within_seconds(a.shutdown(Duration::from_millis(300))).await;
}

async fn a_shutdown_may_be_dropped_and_called_again(world: World) {
    let (a, b) = world.pair();
    let protocol = b.protocol("slow/1", ProtocolConfig::default()).unwrap();
    let mut stream = a.open(b.addr(), tag("slow/1")).await.unwrap();
    stream.write_all(b"?").await.unwrap();
    let incoming = soon("accept", protocol.accept()).await.unwrap();
    assert!(timeout(Duration::from_millis(50), b.shutdown(Duration::from_secs(60))).await.is_err());
    assert!(b.is_shutting_down());
    drop((incoming, stream));
    assert_eq!(soon("shutdown", b.shutdown(Duration::from_secs(60))).await.cut_off, 0);
}

/// A deadline of 300 ms, or less, is over after eight seconds on the slowest machine; what hangs takes longer.
async fn within_seconds<T>(ending: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(8), ending).await.expect("the deadline passed and nothing ended")
}

/// A transport whose end never comes.
struct Endless(MemoryTransport);

impl Transport for Endless {
    type Connection = MemoryConnection;

    fn id(&self) -> NodeId {
        self.0.id()
    }

    fn local_addrs(&self) -> Vec<SocketAddr> {
        self.0.local_addrs()
    }

    async fn dial(&self, to: &NodeAddr) -> Result<MemoryConnection, DialError> {
        self.0.dial(to).await
    }

    async fn accept(&self) -> Option<MemoryConnection> {
        self.0.accept().await
    }

    async fn shutdown(&self) {
        self.0.shutdown().await;
        std::future::pending().await
    }
}

/// On the virtual clock: whatever hangs, a shutdown takes its deadline and 200 ms.
#[tokio::test(start_paused = true)]
async fn a_shutdown_takes_its_deadline_and_200_ms_at_most() {
    let network = MemoryNetwork::new();
    let node = Node::new(Endless(network.transport(NodeId::from_number(1))), NodeConfig::default());
    let peer = Node::new(network.transport(NodeId::from_number(2)), NodeConfig::default());
    let mut narrow = RunConfig::default();
    narrow.event_queue = 1;
    let running = run_with(Probe, &node, TAG, NoDisk, narrow).unwrap();
    for n in 0..3 {
        assert!(running.command(Do::Tell(n)).await.is_ok());
    }
    let protocol = peer.protocol("slow/1", ProtocolConfig::default()).unwrap();
    let mut stream = node.open(peer.id(), tag("slow/1")).await.unwrap();
    stream.flush().await.unwrap();
    let _incoming = protocol.accept().await.unwrap();
    let begin = tokio::time::Instant::now();
    let report = node.shutdown(Duration::from_secs(3)).await;
    let took = begin.elapsed();
    assert_eq!(report.cut_off, 1);
    // The clock goes in steps of a millisecond, and the node looks every two.
    assert!((Duration::from_secs(3)..=Duration::from_millis(3_210)).contains(&took), "{took:?}");
}

/// A peer that keeps a stream open and hears no GOAWAY, a dial that nobody answers, and a handler that never ends.
#[tokio::test]
async fn a_deadline_holds_against_everybody() {
    let node = Node::new(
        Quic::bind(
            &SecretKey::generate().unwrap(),
            &["127.0.0.1:0".parse().unwrap()],
            // Patient: a dial waits for ten seconds, a silent peer for thirty.
            QuicConfig::wan(),
        )
        .unwrap(),
        NodeConfig::default(),
    );
    let _service = node.serve("hang/1", ProtocolConfig::default(), RpcConfig::default(), |_, _| {
        std::future::pending::<Result<bytes::Bytes, u32>>()
    });
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = NodeAddr::new(SecretKey::generate().unwrap().public()).with(silent.local_addr().unwrap());
    let dial = tokio::spawn({
        let node = node.clone();
        async move { node.connect(to).await }
    });
    let (_transport, connection, _control) = accepted(&node).await;
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(b"\x06hang/1").await.unwrap();
    send.shutdown().await.unwrap();
    until("it runs", || node.stats().peers[0].streams == 1).await;
    let report = within_seconds(node.shutdown(Duration::from_millis(300))).await;
    assert_eq!(report.cut_off, 1);
    assert_eq!(soon("the dial", dial).await.unwrap(), Err(DialError::ShutDown));
    closed_with(&connection, code::GOING_AWAY, "shuts down").await;
    assert!(read_error(&mut recv).await.is_some());
}

#[tokio::test]
async fn a_node_that_is_dropped_says_so() {
    let node = World::Quic.node();
    let protocol = node.protocol("x/1", ProtocolConfig::default()).unwrap();
    let (_transport, connection, _control) = accepted(&node).await;
    drop(node);
    // A protocol is a handle of its node.
    assert!(timeout(Duration::from_millis(100), connection.closed()).await.is_err());
    drop(protocol);
    closed_with(&connection, code::GOING_AWAY, "dropped").await;
}

/// While a node drains, what is new is told that it goes away.
#[tokio::test]
async fn a_node_that_drains_takes_nothing_new() {
    let node = World::Quic.node();
    let protocol = node.protocol("slow/1", ProtocolConfig::default()).unwrap();
    let (_transport, connection, (_ours, mut theirs)) = accepted(&node).await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(b"\x06slow/1").await.unwrap();
    let incoming = soon("accept", protocol.accept()).await.unwrap();
    let ending = tokio::spawn({
        let node = node.clone();
        async move { node.shutdown(Duration::from_secs(60)).await }
    });
    node.shutting_down().await;
    // Its HELLO, what it announced meanwhile, and GOAWAY.
    let mut said = Vec::new();
    soon("GOAWAY", async {
        while !said.ends_with(GOAWAY) {
            said.push(theirs.read_u8().await.unwrap());
        }
    })
    .await;
    let (mut late, mut answer) = connection.open_bi().await.unwrap();
    late.write_all(b"\x06slow/1late").await.unwrap();
    assert_eq!(read_error(&mut answer).await, Some(StreamError::Reset(code::GOING_AWAY)));
    let (_other, refused) = intruder(&node).await;
    closed_with(&refused, code::REFUSED, "shuts down").await;
    // What was taken before may end, and then the node says so.
    drop(incoming);
    soon("Drained", async {
        while !said.ends_with(&[2, 3, 0]) {
            said.push(theirs.read_u8().await.unwrap());
        }
    })
    .await;
    connection.close(code::DONE, "");
    assert_eq!(soon("shutdown", ending).await.unwrap().cut_off, 0);
}

/// GOAWAY and Drained, and only then a stream that they speak of: it is served before the connection is closed.
#[tokio::test]
async fn a_drain_waits_for_the_streams_that_it_counts() {
    let node = World::Quic.node();
    let protocol = node.protocol("echo/1", ProtocolConfig::default()).unwrap();
    let mut watch = node.watch_peers();
    let (transport, connection, (mut control, _theirs)) = accepted(&node).await;
    let peer = transport.id();
    assert_eq!(soon("up", watch.next()).await, Some(PeerChange::Up(peer)));
    control.write_all(GOAWAY).await.unwrap();
    control.write_all(DRAINED_ONE).await.unwrap();
    assert_eq!(soon("down, as nothing may be opened", watch.next()).await, Some(PeerChange::Down(peer)));
    assert!(matches!(node.open(peer, tag("x/1")).await.map(drop), Err(dsys_transport::OpenError::Dial(_))));
    assert!(timeout(Duration::from_millis(200), connection.closed()).await.is_err(), "closed too early");
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(b"\x06echo/1ping").await.unwrap();
    let mut incoming = soon("accept", protocol.accept()).await.unwrap();
    assert!(timeout(Duration::from_millis(200), connection.closed()).await.is_err(), "closed while in use");
    incoming.stream.write_all(b"pong").await.unwrap();
    incoming.stream.finish().await.unwrap();
    let mut answer = Vec::new();
    soon("answer", recv.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"pong");
    drop(incoming);
    closed_with(&connection, code::DONE, "over").await;
    until("gone", || node.stats().peers.is_empty()).await;
}

/// On the memory network's virtual clock: the times are exact.
fn idle_pair(limit: Duration) -> (Node, Node) {
    let network = MemoryNetwork::new();
    let mut config = NodeConfig::default();
    config.idle_timeout = limit;
    let impatient = Node::new(network.transport(NodeId::from_number(1)), config);
    (impatient, Node::new(network.transport(NodeId::from_number(2)), NodeConfig::default()))
}

#[tokio::test(start_paused = true)]
async fn datagrams_of_either_side_keep_a_connection() {
    for ours in [true, false] {
        let (a, b) = idle_pair(Duration::from_secs(10));
        a.connect(b.addr()).await.unwrap();
        for _ in 0..10 {
            sleep(Duration::from_secs(6)).await;
            let (from, to) = if ours { (&a, &b) } else { (&b, &a) };
            from.send_datagram(to.id(), tag("any/1"), b"x").expect("it stands");
        }
        // A quarter of the limit passes between two looks at it, twice.
        sleep(Duration::from_secs(16)).await;
        assert!(a.stats().peers.is_empty() && b.stats().peers.is_empty());
        assert_eq!(a.stats().dialled, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_idle_from_the_end_of_its_last_stream_on() {
    let (a, b) = idle_pair(Duration::from_secs(10));
    let protocol = b.protocol("quiet/1", ProtocolConfig::default()).unwrap();
    let mut stream = a.open(b.addr(), tag("quiet/1")).await.unwrap();
    stream.flush().await.unwrap();
    let incoming = protocol.accept().await.unwrap();
    sleep(Duration::from_secs(100)).await;
    assert_eq!((a.stats().peers.len(), a.stats().peers[0].streams), (1, 1));
    drop((stream, incoming));
    sleep(Duration::from_secs(9)).await;
    assert_eq!((a.stats().peers.len(), a.stats().peers[0].streams), (1, 0));
    sleep(Duration::from_secs(7)).await;
    assert!(a.stats().peers.is_empty() && b.stats().peers.is_empty());
}

/// Everything that a node can spawn, and after its end none of it is left on the runtime.
fn leaves_no_task(world: World, graceful: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (a, b) = (world.node(), world.node());
        let _service = b.serve("hang/1", ProtocolConfig::default(), RpcConfig::default(), |_, _| {
            std::future::pending::<Result<bytes::Bytes, u32>>()
        });
        let machines = [&a, &b].map(|node| run_with(Probe, node, TAG, NoDisk, RunConfig::default()).unwrap());
        assert!(machines[0].command(Do::Learn(b.addr())).await.is_ok());
        assert!(machines[0].command(Do::Send(b.id(), vec![1])).await.is_ok());
        until("it is heard", || machines[1].stats().received == 1).await;
        let mut hanging = a.open(b.addr(), tag("hang/1")).await.unwrap();
        hanging.finish().await.unwrap();
        // The machine's, and this one.
        until("it is open", || b.stats().peers[0].streams == 2).await;
        let mut untagged = a.open(b.addr(), tag("hang/1")).await.unwrap();
        untagged.flush().await.unwrap();
        assert!(tokio::runtime::Handle::current().metrics().num_alive_tasks() > 4);
        if graceful {
            within_seconds(a.shutdown(Duration::from_millis(100))).await;
            within_seconds(b.shutdown(Duration::from_millis(100))).await;
            if let World::Memory(_) = world {
                // The transport has no tasks of its own, so nothing is left though the node is still held.
                let metrics = tokio::runtime::Handle::current().metrics();
                until("no task is left", || metrics.num_alive_tasks() == 0).await;
            }
        }
        // A machine keeps its node.
        drop(machines);
        drop((a, b));
    });
    let left = || runtime.metrics().num_alive_tasks();
    // quinn's own end a little later, when the last packets are sent.
    runtime.block_on(until("no task is left", || left() == 0));
}

#[test]
fn shutdown_leaves_no_task_over_memory() {
    leaves_no_task(World::memory(), true);
}

#[test]
fn shutdown_leaves_no_task_over_quic() {
    leaves_no_task(World::Quic, true);
}

#[test]
fn dropping_a_node_leaves_no_task_over_memory() {
    leaves_no_task(World::memory(), false);
}

#[test]
fn dropping_a_node_leaves_no_task_over_quic() {
    leaves_no_task(World::Quic, false);
}
