//! What `Node` promises (DESIGN §4), over every transport.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::raw::{CONTROL, HELLO, Host, say};
use common::{World, soon, until};
use dsys_core::{Domain, NodeAddr, NodeId, SecretKey, Signer as _};
use dsys_transport::{
    Connection, DialError, MemoryNetwork, Node, NodeConfig, OpenError, PeerChange, ProtocolConfig,
    StreamError, Switch, Switched, Tag, Transport, code,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

over_each_transport!(
    bytes_go_both_ways,
    many_calls_share_one_dial,
    a_simultaneous_dial_ends_in_one_connection,
    a_reader_that_goes_first_sends_the_tag,
    an_unknown_tag_is_refused_and_costs_nothing_else,
    a_protocol_that_does_not_accept_is_busy_and_blocks_no_other,
    one_peer_cannot_take_all_streams,
    peers_are_watched,
    a_late_protocol_is_announced,
    an_idle_connection_closes_and_comes_again,
    a_connection_without_streams_is_released,
    a_restarted_peer_replaces_its_old_connection,
    a_dropped_stream_is_reset_and_a_finished_one_ends,
    datagrams_find_their_protocol,
    shutdown_waits_for_streams_and_leaves_nothing,
    shutdown_has_a_deadline,
    a_dropped_node_takes_its_connections_along,
    limits_of_connections_hold,
    dials_fail_with_what_happened,
    a_node_signs_in_its_own_name,
    a_probe_reaches_whoever_can_be_dialled_and_leaves_nothing,
);

fn tag(text: &str) -> Tag {
    Tag::new(text).unwrap()
}

/// Echoes streams of `tag` until the node ends.
fn echo(node: &Node, tag: &str) {
    let protocol = node.protocol(tag, ProtocolConfig::default()).unwrap();
    tokio::spawn(async move {
        while let Some(mut incoming) = protocol.accept().await {
            tokio::spawn(async move {
                let all = incoming.stream.recv.read_to_end(1 << 20).await?;
                incoming.stream.write_all(&all).await?;
                incoming.stream.finish().await
            });
        }
    });
}

async fn call(node: &Node, to: &Node, name: &str, text: &[u8]) -> Vec<u8> {
    let mut stream = soon("open", node.open(to.addr(), tag(name))).await.unwrap();
    stream.write_all(text).await.unwrap();
    stream.finish().await.unwrap();
    soon("answer", stream.recv.read_to_end(1 << 20)).await.unwrap().to_vec()
}

async fn bytes_go_both_ways(world: World) {
    let (a, b) = world.pair();
    echo(&b, "echo/1");
    let large: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    for text in [&b""[..], b"x", b"hello", &large] {
        assert_eq!(call(&a, &b, "echo/1", text).await, text);
    }
    let stats = a.stats();
    assert_eq!((stats.dialled, stats.peers.len()), (1, 1));
    assert!(stats.peers[0].sent > 300_000 && stats.peers[0].received > 300_000);
    until("streams are counted off", || a.stats().peers[0].streams == 0 && b.stats().peers[0].streams == 0)
        .await;
}

async fn many_calls_share_one_dial(world: World) {
    let (a, b) = world.pair();
    echo(&b, "echo/1");
    let calls: Vec<_> = (0..20u8)
        .map(|n| {
            let (a, b) = (a.clone(), b.clone());
            tokio::spawn(async move { call(&a, &b, "echo/1", &[n]).await })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), [n as u8]);
    }
    assert_eq!(a.stats().dialled, 1);
    assert_eq!(b.stats().accepted, 1);
}

async fn a_simultaneous_dial_ends_in_one_connection(world: World) {
    for _ in 0..10 {
        let (a, b) = world.pair();
        echo(&a, "echo/1");
        echo(&b, "echo/1");
        let (one, other) = tokio::join!(a.connect(b.addr()), b.connect(a.addr()));
        one.unwrap();
        other.unwrap();
        assert_eq!(call(&a, &b, "echo/1", b"1").await, b"1");
        assert_eq!(call(&b, &a, "echo/1", b"2").await, b"2");
        until("one connection is left", || a.stats().peers.len() == 1 && b.stats().peers.len() == 1).await;
        let (of_a, of_b) = (&a.stats().peers[0], &b.stats().peers[0]);
        // The same one: one side dialled it, the other did not.
        assert_ne!(of_a.dialled, of_b.dialled);
    }
}

async fn a_reader_that_goes_first_sends_the_tag(world: World) {
    let (a, b) = world.pair();
    let protocol = b.protocol("greeter/1", ProtocolConfig::default()).unwrap();
    let mut stream = a.open(b.addr(), tag("greeter/1")).await.unwrap();
    let (read, greeted) = tokio::join!(
        async {
            let mut text = [0; 5];
            soon("greeting", stream.read_exact(&mut text)).await.unwrap();
            text
        },
        async {
            let mut incoming = soon("accept", protocol.accept()).await.unwrap();
            incoming.stream.write_all(b"hello").await.unwrap();
            incoming
        }
    );
    assert_eq!(&read, b"hello");
    assert_eq!(greeted.peer, a.id());
}

async fn an_unknown_tag_is_refused_and_costs_nothing_else(world: World) {
    let (a, b) = world.pair();
    echo(&b, "echo/1");
    let mut stream = a.open(b.addr(), tag("nobody/1")).await.unwrap();
    // The refusal may come before the write is done.
    let _ = stream.write_all(b"anybody?").await;
    let error = soon("refusal", stream.recv.read_to_end(10)).await.unwrap_err();
    assert_eq!(StreamError::of(&error), Some(&StreamError::Reset(code::UNKNOWN_PROTOCOL)));
    assert_eq!(call(&a, &b, "echo/1", b"still there").await, b"still there");
    assert_eq!((b.stats().unknown_protocol, b.stats().accepted), (1, 1));
}

async fn a_protocol_that_does_not_accept_is_busy_and_blocks_no_other(world: World) {
    let (a, b) = world.pair();
    echo(&b, "echo/1");
    let mut config = ProtocolConfig::default();
    config.accept_queue = 4;
    let lazy = b.protocol("lazy/1", config).unwrap();
    let mut waiting = Vec::new();
    for n in 0..5u8 {
        let mut stream = a.open(b.addr(), tag("lazy/1")).await.unwrap();
        let _ = stream.write_all(&[n]).await;
        if n == 4 {
            let error = soon("BUSY", stream.recv.read_to_end(10)).await.unwrap_err();
            assert_eq!(StreamError::of(&error), Some(&StreamError::Reset(code::BUSY)));
        }
        waiting.push(stream);
    }
    until("it is counted", || b.stats().busy == 1).await;
    assert_eq!(call(&a, &b, "echo/1", b"other").await, b"other");
    for _ in 0..4 {
        soon("what was queued is not lost", lazy.accept()).await.unwrap();
    }
}

async fn one_peer_cannot_take_all_streams(world: World) {
    let (a, b) = world.pair();
    let c = world.node();
    let mut config = ProtocolConfig::default();
    config.max_streams_per_peer = 2;
    let protocol = b.protocol("few/1", config).unwrap();
    let mut held = Vec::new();
    for n in 0..3u8 {
        let mut stream = a.open(b.addr(), tag("few/1")).await.unwrap();
        let _ = stream.write_all(&[n]).await;
        if n < 2 {
            held.push(soon("accept", protocol.accept()).await.unwrap());
        } else {
            let error = soon("BUSY", stream.recv.read_to_end(10)).await.unwrap_err();
            assert_eq!(StreamError::of(&error), Some(&StreamError::Reset(code::BUSY)));
        }
        // Keeps the first two open.
        std::mem::forget(stream);
    }
    let mut stream = c.open(b.addr(), tag("few/1")).await.unwrap();
    stream.write_all(b"me too").await.unwrap();
    assert_eq!(soon("another peer is served", protocol.accept()).await.unwrap().peer, c.id());
}

async fn peers_are_watched(world: World) {
    let (a, b) = world.pair();
    echo(&b, "echo/1");
    let mut watch = a.watch_peers();
    let mut speakers = a.watch_protocol_peers(tag("echo/1"));
    let mut others = a.watch_protocol_peers(tag("other/1"));
    a.connect(b.addr()).await.unwrap();
    assert_eq!(soon("up", watch.next()).await, Some(PeerChange::Up(b.id())));
    assert_eq!(soon("up", speakers.next()).await, Some(PeerChange::Up(b.id())));
    b.disconnect(a.id(), 300, "enough");
    assert_eq!(soon("down", watch.next()).await, Some(PeerChange::Down(b.id())));
    assert_eq!(soon("down", speakers.next()).await, Some(PeerChange::Down(b.id())));
    // Nothing was ever said of a protocol that the peer does not speak.
    assert!(tokio::time::timeout(Duration::from_millis(50), others.next()).await.is_err());
}

async fn a_late_protocol_is_announced(world: World) {
    let (a, b) = world.pair();
    a.connect(b.addr()).await.unwrap();
    let mut watch = a.watch_protocol_peers(tag("late/1"));
    let late = b.protocol("late/1", ProtocolConfig::default()).unwrap();
    assert_eq!(soon("up", watch.next()).await, Some(PeerChange::Up(b.id())));
    drop(late);
    assert_eq!(soon("down", watch.next()).await, Some(PeerChange::Down(b.id())));
}

async fn an_idle_connection_closes_and_comes_again(world: World) {
    let mut config = NodeConfig::default();
    config.idle_timeout = Duration::from_millis(100);
    let a = world.node_with(SecretKey::generate().unwrap(), config);
    let b = world.node();
    echo(&b, "echo/1");
    assert_eq!(call(&a, &b, "echo/1", b"1").await, b"1");
    until("the connection is closed", || a.stats().peers.is_empty() && b.stats().peers.is_empty()).await;
    // The tag, its length, and one byte; what was carried is not forgotten with the connection.
    until("its bytes are counted on", || (a.stats().sent, a.stats().received) == (8, 1)).await;
    assert_eq!(call(&a, &b, "echo/1", b"2").await, b"2");
    assert_eq!(a.stats().dialled, 2);

    // A stream that lives keeps it, however quiet.
    let _quiet = a.open(b.addr(), tag("echo/1")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(a.stats().peers.len(), 1);
}

async fn a_connection_without_streams_is_released(world: World) {
    let (a, b) = world.pair();
    echo(&b, "echo/1");
    assert!(!a.release(b.id()), "there is none");
    let mut stream = a.open(b.addr(), tag("echo/1")).await.unwrap();
    stream.write_all(b"1").await.unwrap();
    assert!(!a.release(b.id()), "it is in use");
    assert_eq!(call(&a, &b, "echo/1", b"0").await, b"0");
    assert_eq!((a.stats().peers.len(), a.stats().dialled), (1, 1), "and stays so");
    stream.finish().await.unwrap();
    drop(stream);
    until("it is released", || a.release(b.id()) || a.stats().peers.is_empty()).await;
    until("it is closed", || a.stats().peers.is_empty() && b.stats().peers.is_empty()).await;
    assert_eq!(call(&a, &b, "echo/1", b"2").await, b"2");
    assert_eq!(a.stats().dialled, 2);
}

async fn a_restarted_peer_replaces_its_old_connection(world: World) {
    for smaller in [true, false] {
        // The peer is the one with the smaller id, then the other: who dialled first must not matter.
        let (small, large) = loop {
            let (one, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
            if one.public() < other.public() {
                break (one, other);
            }
        };
        let (ours, theirs) = if smaller { (large, small) } else { (small, large) };
        let a = world.node_with(ours, NodeConfig::default());
        echo(&a, "echo/1");
        let before = world.node_with(theirs.clone(), NodeConfig::default());
        a.connect(before.addr()).await.unwrap();
        match &world {
            // It vanishes without a word: the task that would say so is gone with it.
            World::Quic => std::mem::forget(before),
            World::Memory(network) => {
                network.kill(before.id(), dsys_transport::Death::Silent);
            }
        }
        let after = world.node_with(theirs, NodeConfig::default());
        assert_eq!(call(&after, &a, "echo/1", b"again").await, b"again");
        until("one connection is left", || a.stats().peers.len() == 1).await;
        assert!(!a.stats().peers[0].dialled);
    }
}

async fn a_dropped_stream_is_reset_and_a_finished_one_ends(world: World) {
    let (a, b) = world.pair();
    let protocol = b.protocol("up/1", ProtocolConfig::default()).unwrap();
    let mut dropped = a.open_uni(b.addr(), tag("up/1")).await.unwrap();
    dropped.write_all(b"half of").await.unwrap();
    let mut incoming = soon("accept", protocol.accept_uni()).await.unwrap();
    drop(dropped);
    let error = soon("reset", incoming.stream.read_to_end(100)).await.unwrap_err();
    assert_eq!(StreamError::of(&error), Some(&StreamError::Reset(code::CANCELLED)));

    let mut finished = a.open_uni(b.addr(), tag("up/1")).await.unwrap();
    finished.write_all(b"all of it").await.unwrap();
    finished.finish().await.unwrap();
    drop(finished);
    let mut incoming = soon("accept", protocol.accept_uni()).await.unwrap();
    assert_eq!(soon("end", incoming.stream.read_to_end(100)).await.unwrap(), &b"all of it"[..]);
}

async fn datagrams_find_their_protocol(world: World) {
    let (a, b) = world.pair();
    let protocol = b.protocol("dg/1", ProtocolConfig::default()).unwrap();
    assert!(a.send_datagram(b.id(), tag("dg/1"), b"nobody is connected").is_err());
    a.connect(b.addr()).await.unwrap();
    a.send_datagram(b.id(), tag("nobody/1"), b"lost").unwrap();
    a.send_datagram(b.id(), tag("dg/1"), b"found").unwrap();
    let (from, data) = soon("datagram", protocol.recv_datagram()).await.unwrap();
    assert_eq!((from, &data[..]), (a.id(), &b"found"[..]));
    assert_eq!(b.stats().datagrams_dropped, 1);
    assert!(a.send_datagram(b.id(), tag("dg/1"), &vec![0; 100_000]).is_err());
}

async fn shutdown_waits_for_streams_and_leaves_nothing(world: World) {
    let (a, b) = world.pair();
    let protocol = b.protocol("slow/1", ProtocolConfig::default()).unwrap();
    let mut stream = a.open(b.addr(), tag("slow/1")).await.unwrap();
    stream.write_all(b"?").await.unwrap();
    stream.finish().await.unwrap();
    let mut incoming = soon("accept", protocol.accept()).await.unwrap();
    let ending = tokio::spawn({
        let b = b.clone();
        async move { b.shutdown(Duration::from_secs(10)).await }
    });
    b.shutting_down().await;
    // Nothing new is taken on, what runs may go on.
    assert!(soon("no more accepted", protocol.accept()).await.is_none());
    until("GOAWAY has arrived", || a.watch_is_empty()).await;
    incoming.stream.write_all(b"!").await.unwrap();
    incoming.stream.finish().await.unwrap();
    assert_eq!(soon("answer", stream.recv.read_to_end(10)).await.unwrap(), &b"!"[..]);
    drop((incoming, stream));
    assert_eq!(soon("shutdown", ending).await.unwrap().cut_off, 0);
    assert!(matches!(b.connect(a.addr()).await, Err(DialError::ShutDown)));
    until("the peer knows", || a.stats().peers.is_empty()).await;
}

async fn shutdown_has_a_deadline(world: World) {
    let (a, b) = world.pair();
    let protocol = b.protocol("slow/1", ProtocolConfig::default()).unwrap();
    let mut stream = a.open(b.addr(), tag("slow/1")).await.unwrap();
    stream.write_all(b"never finished").await.unwrap();
    // One that nobody had accepted would be refused, not cut off.
    let incoming = soon("accept", protocol.accept()).await.unwrap();
    let report = soon("shutdown", b.shutdown(Duration::from_millis(50))).await;
    assert_eq!(report.cut_off, 1);
    drop(incoming);
    assert!(soon("cut off", stream.recv.read_to_end(100)).await.is_err());
}

async fn a_dropped_node_takes_its_connections_along(world: World) {
    let (a, b) = world.pair();
    a.connect(b.addr()).await.unwrap();
    drop(b);
    until("the peer knows", || a.stats().peers.is_empty()).await;
}

async fn limits_of_connections_hold(world: World) {
    let mut config = NodeConfig::default();
    config.max_connections = 2;
    let hub = world.node_with(SecretKey::generate().unwrap(), config);
    let peers: Vec<_> = (0..3).map(|_| world.node()).collect();
    peers[0].connect(hub.addr()).await.unwrap();
    peers[1].connect(hub.addr()).await.unwrap();
    until("both are in the table", || hub.stats().peers.len() == 2).await;
    let refused = soon("refusal", peers[2].connect(hub.addr())).await;
    assert!(matches!(refused, Err(DialError::Declined { code: code::REFUSED, .. })), "{refused:?}");
    assert!(matches!(hub.connect(peers[2].addr()).await, Err(DialError::TooManyConnections(2))));
    assert_eq!(hub.stats().refused, 1);
}

async fn dials_fail_with_what_happened(world: World) {
    let (a, b) = world.pair();
    assert!(matches!(a.connect(a.addr()).await, Err(DialError::OwnId(_))));
    if let World::Quic = world {
        let stranger = SecretKey::generate().unwrap().public();
        assert!(matches!(a.connect(stranger).await, Err(DialError::NoAddress(_))));
        // Somebody else lives there.
        let wrong = b.addr().direct().iter().fold(NodeAddr::new(stranger), |addr, at| addr.with(*at));
        assert!(matches!(a.connect(wrong).await, Err(DialError::WrongIdentity(_))));
        // Nobody does.
        let nobody = NodeAddr::new(stranger).with("127.0.0.1:9".parse().unwrap());
        let quiet = world.node();
        assert!(matches!(soon("gave up", quiet.connect(nobody)).await, Err(DialError::TimedOut(_))));
    }
    let error = a.open(NodeId::from_number(7), tag("x/1")).await.map(drop);
    assert!(matches!(error, Err(OpenError::Dial(_))));
}

/// What a test sees of a node that others do not.
trait Look {
    fn watch_is_empty(&self) -> bool;
}

impl Look for Node {
    fn watch_is_empty(&self) -> bool {
        let mut watch = self.watch_peers();
        let mut next = std::pin::pin!(watch.next());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        next.as_mut().poll(&mut cx).is_pending()
    }
}

#[tokio::test]
async fn a_protocol_that_begins_between_the_hellos_is_told() {
    let (host, node) = (Host::new(), World::Quic.node());
    let (dialler, to) = (node.clone(), host.addr.clone());
    let dial = tokio::spawn(async move { dialler.connect(to).await });
    let connection = soon("a dial", host.transport.accept()).await.unwrap();
    let mut theirs = soon("a HELLO", connection.accept_uni()).await.unwrap();
    let _late = node.protocol("late/1", ProtocolConfig::default()).unwrap();
    let _ours = say(&connection, &[CONTROL, HELLO]).await;
    soon("the dial", dial).await.unwrap().unwrap();
    let mut said = Vec::new();
    soon("the protocol is told", async {
        while !said.windows(6).any(|word| word == b"late/1") {
            said.push(theirs.read_u8().await.unwrap());
        }
    })
    .await;
}

async fn a_node_signs_in_its_own_name(world: World) {
    const DOMAIN: Domain = Domain::from_static("dsys/test/1");
    let node = world.node();
    let signer = node.signer().unwrap();
    let signature = signer.sign(DOMAIN, b"said");
    assert!(node.id().verify(DOMAIN, b"said", &signature).is_ok());
    assert!(signer.public() == node.id() && format!("{signer:?}").contains(&node.id().short()));
    let nameless = MemoryNetwork::new().transport(node.id());
    assert!(Node::new(nameless, NodeConfig::default()).signer().is_none());
}

#[tokio::test]
async fn a_cut_closes_what_stands_and_lets_nobody_in_or_out() {
    let (network, switch) = (MemoryNetwork::new(), Switch::default());
    let transport = Switched::new(network.transport(NodeId::from_number(1)), &switch);
    let node = Node::new(transport, NodeConfig::default());
    let other = Node::new(network.transport(NodeId::from_number(2)), NodeConfig::default());
    node.connect(other.addr()).await.unwrap();
    switch.cut(&node);
    until("nobody is up", || node.stats().peers.is_empty() && other.stats().peers.is_empty()).await;
    assert!(matches!(node.connect(other.addr()).await, Err(DialError::Unreachable { .. })));
    assert!(other.connect(node.addr()).await.is_err() && switch.is_cut());
    switch.heal();
    other.connect(node.addr()).await.unwrap();
}

async fn a_probe_reaches_whoever_can_be_dialled_and_leaves_nothing(world: World) {
    let (a, b) = world.pair();
    // Beside no connection, and beside one that goes on.
    for _ in 0..2 {
        let reached = soon("a probe", a.probe(b.addr())).await.unwrap();
        assert!(reached.id == b.id() && b.addr().direct().ends_with(reached.direct()), "{reached:?}");
        if a.stats().peers.is_empty() {
            a.connect(b.addr()).await.unwrap();
        }
    }
    echo(&b, "echo/1");
    assert_eq!(call(&a, &b, "echo/1", b"still here").await, b"still here");
    until("the probes are over", || b.stats().peers.len() == 1 && a.stats().peers.len() == 1).await;
    assert_eq!((b.stats().violations, b.stats().accepted, a.stats().dialled), (0, 1, 1));
    // Who has another key is somebody else, and who is gone does not answer.
    let stranger = NodeAddr::new(SecretKey::generate().unwrap().public());
    let stranger = b.addr().direct().iter().fold(stranger, |addr, at| addr.with(*at));
    soon("a stranger's key", a.probe(stranger)).await.unwrap_err();
    assert!(matches!(a.probe(a.addr()).await, Err(DialError::OwnId(_))));
    let gone = b.addr();
    b.shutdown(Duration::from_secs(5)).await;
    drop(b);
    soon("nobody", a.probe(gone)).await.unwrap_err();
}
