//! How a node keeps its connections: dials, HELLOs, limits, and what it learns of addresses.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use common::raw::{
    CONTROL, GOAWAY, HELLO, Host, accepted, closed_with, hello_that_saw, intruder, read_error, say, two_keys,
};
use common::{World, addr_of, quic, soon, until};
use dsys_core::{NodeAddr, NodeId, SecretKey};
use dsys_transport::conformance::poll_then_drop;
use dsys_transport::{
    Connection, DialError, Node, NodeConfig, PeerChange, ProtocolConfig, ProtocolError, Quic, QuicConfig,
    StreamError, Tag, Transport, code,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

over_each_transport!(
    a_dropped_caller_leaves_the_dial_to_others,
    a_failed_dial_is_counted_and_forgotten,
    datagrams_beyond_the_queue_are_dropped_and_counted,
    a_watch_that_comes_late_hears_of_those_who_are_up,
    a_replaced_connection_is_down_and_up,
    a_flush_and_a_split_send_the_tag,
    a_node_speaks_so_many_protocols_and_no_more,
    a_budget_is_given_back,
);

fn tag(text: &str) -> Tag {
    Tag::new(text).unwrap()
}

/// A node over QUIC.
fn node(secret: &SecretKey, config: NodeConfig, dial_timeout: Duration) -> Node {
    let mut patience = QuicConfig::test();
    patience.dial_timeout = dial_timeout;
    patience.silence_timeout = Duration::from_secs(120);
    Node::new(Quic::bind(secret, &["127.0.0.1:0".parse().unwrap()], patience).unwrap(), config)
}

/// A socket that never answers. A packet that has come says that somebody dials it.
fn silent() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Lets `victim` dial `peer` at an address where nobody answers; gives the outcome, once the dial is under way.
async fn hanging_dial(
    victim: &Node,
    peer: NodeId,
) -> (UdpSocket, tokio::task::JoinHandle<Result<(), DialError>>) {
    let socket = silent();
    let (node, to) = (victim.clone(), NodeAddr::new(peer).with(socket.local_addr().unwrap()));
    let dial = tokio::spawn(async move { node.connect(to).await });
    until("its own dial is under way", || socket.peek(&mut [0; 8]).is_ok()).await;
    (socket, dial)
}

/// So long that no test sees it run out.
const NEVER: Duration = Duration::from_secs(120);

async fn a_dropped_caller_leaves_the_dial_to_others(world: World) {
    // On a busy machine a dial may be done before its caller is polled again; then nothing was dropped.
    let (a, b) = soon("a dial to drop", async {
        loop {
            let (a, b) = world.pair();
            if poll_then_drop(a.connect(b.addr()), 1, false).await.is_none() {
                return (a, b);
            }
        }
    })
    .await;
    // Nobody asks again.
    until("the dial goes on", || a.stats().dialled == 1 && b.stats().accepted == 1).await;
    until("it is up", || a.stats().peers.len() == 1 && b.stats().peers.len() == 1).await;

    let c = world.node();
    let dropped = c.connect(b.addr());
    let waiting = tokio::spawn({
        let (c, to) = (c.clone(), b.addr());
        async move { c.connect(to).await }
    });
    let _ = poll_then_drop(dropped, 1, false).await;
    soon("the other caller", waiting).await.unwrap().unwrap();
    // The link stands a moment before its dial is counted.
    until("one dial", || c.stats().dialled == 1).await;
    assert_eq!(b.stats().accepted, 2);
}

async fn a_failed_dial_is_counted_and_forgotten(world: World) {
    let (a, b) = world.pair();
    let stranger = SecretKey::generate().unwrap().public();
    let wrong = b.addr().direct().iter().fold(NodeAddr::new(stranger), |addr, at| addr.with(*at));
    assert!(soon("failure", a.connect(wrong.clone())).await.is_err());
    assert!(soon("failure", a.connect(wrong)).await.is_err());
    assert_eq!((a.stats().dials_failed, a.stats().dialled), (2, 0));
    a.connect(b.addr()).await.unwrap();
    assert_eq!((a.stats().dials_failed, a.stats().dialled), (2, 1));
}

async fn datagrams_beyond_the_queue_are_dropped_and_counted(world: World) {
    let (a, b) = world.pair();
    let mut config = ProtocolConfig::default();
    config.datagram_queue = 3;
    let protocol = b.protocol("dg/1", config).unwrap();
    a.connect(b.addr()).await.unwrap();
    for n in 0..8u8 {
        a.send_datagram(b.id(), tag("dg/1"), &[n]).unwrap();
    }
    until("five are counted", || b.stats().datagrams_dropped == 5).await;
    for n in 0..3 {
        assert_eq!(soon("datagram", protocol.recv_datagram()).await.unwrap().1, &[n][..]);
    }
    assert_eq!((b.stats().peers.len(), b.stats().received), (1, 8 * 6));
    assert_eq!(a.stats().sent, 8 * 6);
}

async fn a_watch_that_comes_late_hears_of_those_who_are_up(world: World) {
    let (a, b) = world.pair();
    a.connect(b.addr()).await.unwrap();
    assert_eq!(soon("up", a.watch_peers().next()).await, Some(PeerChange::Up(b.id())));
    let mut watch = a.watch_peers();
    drop(a);
    // Of the node that is gone it says that, and then no more.
    soon("the end", async { while watch.next().await.is_some() {} }).await;
}

async fn a_replaced_connection_is_down_and_up(world: World) {
    let (a, b) = world.pair();
    a.connect(b.addr()).await.unwrap();
    let mut watch = a.watch_peers();
    assert_eq!(soon("up", watch.next()).await, Some(PeerChange::Up(b.id())));
    a.disconnect(b.id(), 300, "again");
    until("gone", || a.stats().peers.is_empty()).await;
    a.connect(b.addr()).await.unwrap();
    // Nobody has looked meanwhile.
    assert_eq!(soon("down", watch.next()).await, Some(PeerChange::Down(b.id())));
    assert_eq!(soon("up", watch.next()).await, Some(PeerChange::Up(b.id())));
}

async fn a_flush_and_a_split_send_the_tag(world: World) {
    let (a, b) = world.pair();
    let protocol = b.protocol("up/1", ProtocolConfig::default()).unwrap();
    let mut flushed = a.open_uni(b.addr(), tag("up/1")).await.unwrap();
    flushed.flush().await.unwrap();
    soon("the flushed stream", protocol.accept_uni()).await.unwrap();
    let (_send, mut recv) = a.open(b.addr(), tag("up/1")).await.unwrap().into_split();
    let mut incoming = soon("the stream that was split", protocol.accept()).await.unwrap();
    incoming.stream.write_all(b"hello").await.unwrap();
    incoming.stream.finish().await.unwrap();
    assert_eq!(soon("answer", recv.read_to_end(10)).await.unwrap(), &b"hello"[..]);
}

async fn a_node_speaks_so_many_protocols_and_no_more(world: World) {
    let (a, b) = world.pair();
    let speak = |n: u32| b.protocol(&*format!("p/{n}"), ProtocolConfig::default());
    let mut spoken: Vec<_> = (0..64).map(|n| speak(n).unwrap()).collect();
    assert_eq!(speak(64).map(drop), Err(ProtocolError::TooMany));
    assert_eq!(speak(7).map(drop), Err(ProtocolError::Taken(tag("p/7"))));
    // So many fit a HELLO.
    soon("dial", a.connect(b.addr())).await.unwrap();
    assert_eq!(a.stats().peers[0].protocols.len(), 64);
    spoken.pop();
    speak(64).unwrap();
}

/// A stream that ends, or is refused, no longer counts for its protocol, its peer or its connection.
async fn a_budget_is_given_back(world: World) {
    let (a, b) = world.pair();
    let mut config = ProtocolConfig::default();
    config.max_streams = 2;
    config.max_streams_per_peer = 1;
    let protocol = b.protocol("few/1", config).unwrap();
    for round in 0..10u8 {
        let mut stream = soon("open", a.open(b.addr(), tag("few/1"))).await.unwrap();
        stream.write_all(&[round]).await.unwrap();
        let incoming = soon("accept", protocol.accept()).await.unwrap();
        let mut second = soon("open", a.open(b.addr(), tag("few/1"))).await.unwrap();
        let _ = second.write_all(&[round]).await;
        assert_eq!(read_error(&mut second).await, Some(StreamError::Reset(code::BUSY)), "round {round}");
        drop((stream, incoming, second));
        until("none is left", || a.stats().peers[0].streams == 0 && b.stats().peers[0].streams == 0).await;
    }
    assert_eq!(b.stats().busy, 10);
    // What was refused has taken nothing of what all peers share.
    let c = world.node();
    let mut streams = Vec::new();
    for node in [&a, &c] {
        let mut stream = soon("open", node.open(b.addr(), tag("few/1"))).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        streams.push((stream, soon("one each", protocol.accept()).await.unwrap()));
    }
}

/// DESIGN §4: of a simultaneous dial that of the smaller id stays. While its own dial is under way, the node with
/// the smaller id holds the other's, but for no longer than half of what the other waits for a HELLO.
#[tokio::test]
async fn a_dial_that_hangs_costs_the_other_one_half_the_hello_timeout() {
    let (small, large) = two_keys();
    let mut config = NodeConfig::default();
    config.hello_timeout = Duration::from_secs(3);
    let victim = node(&small, config, NEVER);
    let peer = quic(&large);
    let (_silent, own_dial) = hanging_dial(&victim, peer.id()).await;

    let connection = soon("dial", peer.dial(&victim.addr())).await.unwrap();
    let _control = say(&connection, &[CONTROL, HELLO]).await;
    let early = timeout(Duration::from_millis(300), connection.accept_uni()).await;
    assert!(early.is_err(), "the dial of the larger id was not held");
    // Beyond the hello timeout it would be closed with IDLE.
    let mut theirs = soon("HELLO", connection.accept_uni()).await.expect("a HELLO, not a close");
    theirs.read_u8().await.unwrap();
    until("it stands", || victim.stats().peers.len() == 1).await;
    assert!(!victim.stats().peers[0].dialled);
    own_dial.abort();
}

#[tokio::test]
async fn a_held_dial_is_taken_when_the_own_one_fails() {
    let (small, large) = two_keys();
    let mut config = NodeConfig::default();
    config.hello_timeout = NEVER;
    let victim = node(&small, config, Duration::from_secs(1));
    let peer = quic(&large);
    let (_silent, own_dial) = hanging_dial(&victim, peer.id()).await;
    let connection = soon("dial", peer.dial(&victim.addr())).await.unwrap();
    let _control = say(&connection, &[CONTROL, HELLO]).await;
    soon("HELLO", connection.accept_uni()).await.expect("a HELLO, not a close");
    // Whether it saw the other one stand in time is for the scheduler to say.
    let outcome = soon("its own dial", own_dial).await.unwrap();
    assert!(matches!(outcome, Ok(()) | Err(DialError::TimedOut(_))), "{outcome:?}");
}

#[tokio::test]
async fn the_dial_of_the_smaller_id_is_not_held() {
    let (small, large) = two_keys();
    let mut config = NodeConfig::default();
    config.hello_timeout = NEVER;
    let victim = node(&large, config, NEVER);
    let peer = quic(&small);
    let (_silent, own_dial) = hanging_dial(&victim, peer.id()).await;
    let connection = soon("dial", peer.dial(&victim.addr())).await.unwrap();
    let _control = say(&connection, &[CONTROL, HELLO]).await;
    soon("HELLO", connection.accept_uni()).await.expect("a HELLO, not a close");
    own_dial.abort();
}

#[tokio::test]
async fn a_held_dial_that_is_given_up_makes_room() {
    let (small, large) = two_keys();
    let mut config = NodeConfig::default();
    config.hello_timeout = NEVER;
    config.max_pending = 1;
    let victim = node(&small, config, NEVER);
    let peer = quic(&large);
    let (_silent, own_dial) = hanging_dial(&victim, peer.id()).await;
    let connection = soon("dial", peer.dial(&victim.addr())).await.unwrap();
    let _control = say(&connection, &[CONTROL, HELLO]).await;
    // While it is held there is no room for another that is to say HELLO.
    let (_one_more, refused) = intruder(&victim).await;
    closed_with(&refused, code::REFUSED, "connections").await;
    connection.close(0, "never mind");
    soon("room", async {
        loop {
            let (transport, connection) = intruder(&victim).await;
            let control = say(&connection, &[CONTROL, HELLO]).await;
            if connection.accept_uni().await.is_ok() {
                return drop((transport, control));
            }
        }
    })
    .await;
    own_dial.abort();
}

/// In a simultaneous dial the acceptor with the smaller id, whose own connection stands, declines the other's.
#[tokio::test]
async fn a_second_connection_is_judged_alike_at_both_ends() {
    for we_are_smaller in [true, false] {
        let (small, large) = two_keys();
        let (ours, theirs) = if we_are_smaller { (small, large) } else { (large, small) };
        let victim = node(&ours, NodeConfig::default(), NEVER);
        let host = Host::of(&theirs);
        let (dialled, (first, _control)) = tokio::join!(victim.connect(host.addr.clone()), host.welcome());
        dialled.unwrap();
        let second = soon("dial", host.transport.dial(&victim.addr())).await.unwrap();
        let _control = say(&second, &[CONTROL, HELLO]).await;
        if we_are_smaller {
            // A HELLO would say that it is welcome.
            assert!(soon("the verdict", second.accept_uni()).await.is_err());
            closed_with(&second, code::DUPLICATE, "kept").await;
            assert!(victim.stats().peers[0].dialled);
        } else {
            closed_with(&first, code::REPLACED, "newer").await;
            soon("HELLO", second.accept_uni()).await.unwrap();
            until("it stands", || victim.stats().peers.iter().any(|peer| !peer.dialled)).await;
        }
        assert_eq!(victim.stats().peers.len(), 1);

        // Of another instance it is a restarted peer, and nothing else counts.
        let third = soon("dial", host.transport.dial(&victim.addr())).await.unwrap();
        let _control = say(&third, &[CONTROL, &[5, 0, 2, 0, 0, 0]]).await;
        soon("HELLO", third.accept_uni()).await.expect("a restarted peer is taken");
    }
}

/// Of two connections that one and the same peer made it has lost the older, whoever has the smaller id.
#[tokio::test]
async fn of_two_dials_of_one_peer_the_newer_stays() {
    let (small, large) = two_keys();
    for (ours, theirs) in [(&small, &large), (&large, &small)] {
        let victim = node(ours, NodeConfig::default(), NEVER);
        let host = Host::of(theirs);
        let mut connections = Vec::new();
        for _ in 0..2 {
            let connection = soon("dial", host.transport.dial(&victim.addr())).await.unwrap();
            let control = say(&connection, &[CONTROL, HELLO]).await;
            soon("HELLO", connection.accept_uni()).await.expect("it is taken");
            connections.push((connection, control));
        }
        closed_with(&connections[0].0, code::REPLACED, "newer").await;
        assert_eq!(victim.stats().peers.len(), 1);
    }
}

/// Whoever is told that the other's dial is kept waits for it, and dials again if it never comes.
#[tokio::test]
async fn a_dial_that_is_declined_for_another_waits_for_it() {
    let (small, large) = two_keys();
    let victim = node(&large, NodeConfig::default(), NEVER);
    let host = Host::of(&small);
    let dial = tokio::spawn({
        let (victim, to) = (victim.clone(), host.addr.clone());
        async move { victim.connect(to).await }
    });
    let declined = soon("a dial", host.transport.accept()).await.unwrap();
    declined.close(code::DUPLICATE, "mine is kept");
    soon("it knows", declined.closed()).await;
    sleep(Duration::from_millis(300)).await;
    let kept = soon("dial", host.transport.dial(&victim.addr())).await.unwrap();
    let _control = say(&kept, &[CONTROL, HELLO]).await;
    soon("the link that stands", dial).await.unwrap().expect("the other dial's link");
    assert!(!victim.stats().peers[0].dialled);

    let mut config = NodeConfig::default();
    config.hello_timeout = Duration::from_millis(500);
    let victim = node(&large, config, NEVER);
    let dial = tokio::spawn({
        let (victim, to) = (victim.clone(), host.addr.clone());
        async move { victim.connect(to).await }
    });
    for _ in 0..2 {
        let declined = soon("a dial", host.transport.accept()).await.unwrap();
        declined.close(code::DUPLICATE, "mine is kept");
    }
    let outcome = soon("the verdict", dial).await.unwrap();
    assert!(matches!(outcome, Err(DialError::Declined { code: code::DUPLICATE, .. })), "{outcome:?}");
}

/// A dial under way is a connection to be, and one that is drained still is one.
#[tokio::test]
async fn dials_and_drains_count_as_connections() {
    let mut config = NodeConfig::default();
    config.max_connections = 1;
    let [one, other] = [(); 2].map(|()| node(&SecretKey::generate().unwrap(), config.clone(), NEVER));
    let host = Host::new();
    let (_silent, own_dial) = hanging_dial(&one, SecretKey::generate().unwrap().public()).await;
    assert_eq!(one.connect(host.addr.clone()).await, Err(DialError::TooManyConnections(1)));
    let (_transport, refused) = intruder(&one).await;
    closed_with(&refused, code::REFUSED, "connections").await;
    own_dial.abort();

    let protocol = other.protocol("slow/1", ProtocolConfig::default()).unwrap();
    let (_transport, connection, (mut control, _theirs)) = accepted(&other).await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(b"\x06slow/1").await.unwrap();
    let _incoming = soon("accept", protocol.accept()).await.unwrap();
    let mut watch = other.watch_peers();
    assert!(matches!(soon("up", watch.next()).await, Some(PeerChange::Up(_))));
    control.write_all(GOAWAY).await.unwrap();
    assert!(matches!(soon("drained", watch.next()).await, Some(PeerChange::Down(_))));
    assert_eq!(other.connect(host.addr.clone()).await, Err(DialError::TooManyConnections(1)));
}

/// The address that has worked is tried first the next time.
#[tokio::test]
async fn what_has_worked_is_tried_first() {
    let mut patience = QuicConfig::test();
    (patience.dial_stagger, patience.dial_timeout) = (Duration::from_secs(2), Duration::from_secs(15));
    let secret = SecretKey::generate().unwrap();
    let dialler = Node::new(
        Quic::bind(&secret, &["127.0.0.1:0".parse().unwrap()], patience).unwrap(),
        NodeConfig::default(),
    );
    let (target, dead) = (World::Quic.node(), silent());
    let to = NodeAddr::new(target.id()).with(dead.local_addr().unwrap()).with(target.addr().direct()[0]);
    soon("dial", dialler.connect(to)).await.unwrap();
    while dead.recv(&mut [0; 2_000]).is_ok() {}
    dialler.disconnect(target.id(), 300, "again");
    until("gone", || dialler.stats().peers.is_empty() && target.stats().peers.is_empty()).await;
    while dead.recv(&mut [0; 2_000]).is_ok() {}
    soon("dial by name", dialler.connect(target.id())).await.unwrap();
    assert!(dead.recv(&mut [0; 2_000]).is_err(), "the dead address was tried before");
}

/// Two instances of one node differ in what their HELLOs say.
#[tokio::test]
async fn a_restart_is_another_instance() {
    let secret = SecretKey::generate().unwrap();
    let mut instances = Vec::new();
    for _ in 0..3 {
        let victim = node(&secret, NodeConfig::default(), NEVER);
        let (_transport, _connection, (_control, mut theirs)) = accepted(&victim).await;
        let mut said = vec![0; CONTROL.len() + 1 + 1 + 8];
        soon("HELLO", theirs.read_exact(&mut said)).await.unwrap();
        // Behind the tag, the frame's length and the kind of message.
        instances.push(said.split_off(CONTROL.len() + 2));
    }
    assert!(instances[0] != instances[1] && instances[1] != instances[2], "{instances:?}");
}

#[tokio::test]
async fn an_acceptor_that_never_says_hello_is_given_up() {
    let mut config = NodeConfig::default();
    config.hello_timeout = Duration::from_millis(300);
    let victim = node(&SecretKey::generate().unwrap(), config, NEVER);
    let host = Host::new();
    let dial = tokio::spawn({
        let (victim, to) = (victim.clone(), host.addr.clone());
        async move { victim.connect(to).await }
    });
    let connection = soon("a dial", host.transport.accept()).await.unwrap();
    assert!(matches!(soon("the dial", dial).await.unwrap(), Err(DialError::TimedOut(_))));
    closed_with(&connection, code::IDLE, "HELLO").await;
    assert_eq!((victim.stats().dials_failed, victim.stats().peers.len()), (1, 0));
}

#[tokio::test]
async fn an_acceptor_that_says_something_else_is_given_up() {
    let victim = node(&SecretKey::generate().unwrap(), NodeConfig::default(), NEVER);
    let host = Host::new();
    let dial = tokio::spawn({
        let (victim, to) = (victim.clone(), host.addr.clone());
        async move { victim.connect(to).await }
    });
    let connection = soon("a dial", host.transport.accept()).await.unwrap();
    let _control = say(&connection, &[b"\x05other", HELLO]).await;
    assert!(matches!(soon("the dial", dial).await.unwrap(), Err(DialError::Unreachable { .. })));
    closed_with(&connection, code::VIOLATION, "HELLO").await;
}

#[tokio::test]
async fn connections_that_say_nothing_are_bounded_and_make_room() {
    let mut config = NodeConfig::default();
    config.max_pending = 2;
    config.hello_timeout = NEVER;
    let victim = node(&SecretKey::generate().unwrap(), config, NEVER);
    let (_one, first) = intruder(&victim).await;
    let (_two, second) = intruder(&victim).await;
    let (_three, third) = intruder(&victim).await;
    closed_with(&third, code::REFUSED, "connections").await;
    assert_eq!(victim.stats().refused, 1);
    // One goes, one says its HELLO: there is room for two again.
    first.close(0, "never mind");
    let _control = say(&second, &[CONTROL, HELLO]).await;
    soon("HELLO", second.accept_uni()).await.unwrap();
    soon("room for two", async {
        let mut inside = Vec::new();
        while inside.len() < 2 {
            let (transport, connection) = intruder(&victim).await;
            if timeout(Duration::from_millis(300), connection.closed()).await.is_err() {
                inside.push((transport, connection));
            }
        }
    })
    .await;
}

/// One peer alone may be wrong about our address, or lie.
#[tokio::test]
async fn an_address_that_two_peers_see_is_ours() {
    let victim = node(&SecretKey::generate().unwrap(), NodeConfig::default(), NEVER);
    let listens = victim.addr();
    let mut liars = Vec::new();
    for addr in [[9, 9, 9, 9], [7, 7, 7, 7], [7, 7, 7, 7]] {
        let (transport, connection) = intruder(&victim).await;
        let control = say(&connection, &[CONTROL, &hello_that_saw(addr, 77)]).await;
        soon("HELLO", connection.accept_uni()).await.unwrap();
        liars.push((transport, connection, control));
    }
    let seen: SocketAddr = "7.7.7.7:77".parse().unwrap();
    until("it is ours", || victim.addr() == listens.clone().with(seen)).await;
    // Once one of them is gone it is the word of one again.
    liars.pop().unwrap().1.close(0, "enough");
    until("it is not ours any more", || victim.addr() == listens).await;
    // However many say how many, two are enough for a ticket.
    for port in 1..5 {
        for _ in 0..2 {
            let (transport, connection) = intruder(&victim).await;
            let control = say(&connection, &[CONTROL, &hello_that_saw([8, 8, 8, 8], port)]).await;
            soon("HELLO", connection.accept_uni()).await.unwrap();
            liars.push((transport, connection, control));
        }
    }
    until("all are up", || victim.stats().peers.len() == 10).await;
    assert_eq!(victim.addr().direct().len(), listens.direct().len() + 2);
}

/// And what it sees of others it tells them.
#[tokio::test]
async fn a_peer_is_told_where_it_is_seen() {
    let victim = node(&SecretKey::generate().unwrap(), NodeConfig::default(), NEVER);
    let (transport, _connection, (_control, mut theirs)) = accepted(&victim).await;
    let port = transport.local_addrs()[0].port();
    // The end of the HELLO: an address of version 4, and the port as LEB128.
    let mut expected = vec![1, 0, 127, 0, 0, 1];
    let mut rest = port;
    while rest >= 0x80 {
        expected.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    expected.push(rest as u8);
    let mut said = Vec::new();
    soon("the whole HELLO", async {
        while !said.ends_with(&expected) {
            said.push(theirs.read_u8().await.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn addresses_are_learnt_from_dials_and_hellos() {
    let [a, b, c] = [(); 3].map(|()| World::Quic.node());
    // From the HELLO of one who has dialled us.
    b.connect(a.addr()).await.unwrap();
    until("it stands", || a.stats().peers.len() == 1).await;
    b.disconnect(a.id(), 300, "once");
    until("gone", || a.stats().peers.is_empty() && b.stats().peers.is_empty()).await;
    soon("dial by name", a.connect(b.id())).await.unwrap();
    // From a dial that has worked.
    a.disconnect(b.id(), 300, "twice");
    until("gone", || a.stats().peers.is_empty() && b.stats().peers.is_empty()).await;
    soon("dial by name", b.connect(a.id())).await.unwrap();
    // From the app, and from a dial that has not worked.
    c.add_addr(a.addr());
    soon("dial by name", c.connect(a.id())).await.unwrap();
    let target = quic(&SecretKey::generate().unwrap());
    let wrong = NodeAddr::new(target.id()).with(b.addr().direct()[0]);
    assert!(soon("failure", c.connect(wrong)).await.is_err());
    assert!(!matches!(soon("failure", c.connect(target.id())).await, Err(DialError::NoAddress(_))));
    drop(addr_of(&target));
}

/// What a dialler's own book holds is the acceptor's claims, too: all its addresses, not just the one that was given.
#[tokio::test]
async fn claims_of_the_acceptor_are_learnt() {
    let host = Host::new();
    let elsewhere = silent();
    let port = elsewhere.local_addr().unwrap().port();
    let victim = node(&SecretKey::generate().unwrap(), NodeConfig::default(), NEVER);
    let dial = tokio::spawn({
        let (victim, to) = (victim.clone(), host.addr.clone());
        async move { victim.connect(to).await }
    });
    let (connection, peer) = (soon("a dial", host.transport.accept()).await.unwrap(), host.addr.id);
    // Listens on 127.0.0.1 at a port in three bytes of LEB128.
    let low = [port as u8 | 0x80, (port >> 7) as u8 | 0x80, (port >> 14) as u8];
    let hello = [&[13, 0, 1, 0, 1, 0, 127, 0, 0, 1][..], &low, &[0]].concat();
    let control = say(&connection, &[CONTROL, &hello]).await;
    soon("the dial", dial).await.unwrap().unwrap();
    connection.close(0, "moved");
    until("gone", || victim.stats().peers.is_empty()).await;
    drop((control, connection, host));
    let again = tokio::spawn(async move { victim.connect(peer).await });
    until("the claimed address is dialled", || elsewhere.peek(&mut [0; 8]).is_ok()).await;
    again.abort();
}
