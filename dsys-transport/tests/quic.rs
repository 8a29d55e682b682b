//! What only QUIC has: sockets, address families, several addresses, presets.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod common;

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use common::{addr_of, soon};
use dsys_core::{NodeAddr, SecretKey};
use dsys_transport::{
    CloseReason, Connection, DialError, Node, NodeConfig, ProtocolConfig, Quic, QuicConfig, RpcConfig, Tag,
    Transport, code,
};

fn bind(addrs: &[&str], config: QuicConfig) -> std::io::Result<Quic> {
    let addrs: Vec<SocketAddr> = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
    Quic::bind(&SecretKey::generate().unwrap(), &addrs, config)
}

fn have_ipv6() -> bool {
    let have = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !have {
        println!("skipped: this machine has no IPv6");
    }
    have
}

/// Only this address of `quic`.
fn at(quic: &Quic, keep: impl Fn(&SocketAddr) -> bool) -> NodeAddr {
    let addrs = quic.local_addrs();
    let kept = addrs.iter().copied().find(keep).unwrap_or_else(|| panic!("not among {addrs:?}"));
    NodeAddr::new(quic.id()).with(kept)
}

#[tokio::test]
async fn one_socket_serves_both_families() {
    if !have_ipv6() {
        return;
    }
    let everywhere = bind(&[], QuicConfig::test()).unwrap();
    let other = bind(&[], QuicConfig::test()).unwrap();
    for family in [SocketAddr::is_ipv4, SocketAddr::is_ipv6] {
        let to = at(&everywhere, |addr| family(addr) && addr.ip().is_loopback());
        let connection = soon("dial", other.dial(&to)).await.unwrap();
        assert_eq!(connection.remote_addr(), Some(to.direct()[0]), "in its own form, not mapped");
        let accepted = soon("accept", everywhere.accept()).await.unwrap();
        assert_eq!(accepted.peer(), other.id());
        assert!(family(&accepted.remote_addr().unwrap()));
    }
}

#[tokio::test]
async fn several_sockets_serve_one_node() {
    if !have_ipv6() {
        return;
    }
    let both = bind(&["127.0.0.1:0", "[::1]:0"], QuicConfig::test()).unwrap();
    assert_eq!(both.local_addrs().len(), 2);
    for only in ["127.0.0.1:0", "[::1]:0"] {
        let one = bind(&[only], QuicConfig::test()).unwrap();
        // Both addresses are tried where one cannot be; and back again.
        let connection = soon("dial", one.dial(&addr_of(&both))).await.unwrap();
        assert_eq!(connection.peer(), both.id());
        let connection = soon("dial back", both.dial(&addr_of(&one))).await.unwrap();
        assert_eq!(connection.peer(), one.id());
    }
    let v4 = bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap();
    let unreachable = soon("dial", v4.dial(&at(&both, SocketAddr::is_ipv6))).await;
    assert!(matches!(unreachable, Err(DialError::Unreachable { .. })), "{:?}", unreachable.map(drop));
}

#[tokio::test]
async fn a_dead_address_costs_a_moment_and_a_wrong_one_is_passed_over() {
    let target = bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap();
    let impostor = bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dialler = bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap();
    let to = NodeAddr::new(target.id())
        .with(silent.local_addr().unwrap())
        .with(impostor.local_addrs()[0])
        .with(target.local_addrs()[0]);
    let connection = soon("dial", dialler.dial(&to)).await.unwrap();
    assert_eq!(connection.remote_addr(), Some(target.local_addrs()[0]));

    let nobody =
        NodeAddr::new(target.id()).with(silent.local_addr().unwrap()).with(impostor.local_addrs()[0]);
    let error = soon("failure", dialler.dial(&nobody)).await.map(drop);
    // Who answered wrongly says more than who did not answer.
    assert!(matches!(error, Err(DialError::WrongIdentity(_))), "{error:?}");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let first = bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap();
    let taken = first.local_addrs()[0].to_string();
    let error = bind(&[&taken], QuicConfig::test()).unwrap_err().to_string();
    assert!(error.contains(&taken) && error.contains("cannot listen"), "{error}");
}

#[tokio::test]
async fn presets_talk_to_one_another_and_lan_has_large_packets() {
    let [lan, wan, test] = [QuicConfig::lan(), QuicConfig::wan(), QuicConfig::test()]
        .map(|config| Node::new(bind(&["127.0.0.1:0"], config).unwrap(), NodeConfig::default()));
    let services: Vec<_> = [&lan, &wan, &test]
        .map(|node| {
            node.serve("echo/1", ProtocolConfig::default(), RpcConfig::default(), |_, text| async {
                Ok(text)
            })
        })
        .into_iter()
        .collect();
    let text = vec![5; 500_000];
    for (from, to) in [(&lan, &wan), (&wan, &test), (&test, &lan)] {
        let answer = soon("answer", from.request(to.addr(), Tag::new("echo/1").unwrap(), text.clone())).await;
        assert_eq!(answer.unwrap(), text);
    }
    let other = Node::new(bind(&["127.0.0.1:0"], QuicConfig::lan()).unwrap(), NodeConfig::default());
    soon("dial", other.connect(lan.addr())).await.unwrap();
    common::until("the path's MTU is found", || {
        other.stats().peers[0].max_datagram.is_some_and(|bytes| bytes > 6_000)
    })
    .await;
    drop(services);
}

#[tokio::test]
async fn a_silent_peer_is_given_up() {
    let (one, other) = (
        bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap(),
        bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap(),
    );
    let connection = soon("dial", one.dial(&addr_of(&other))).await.unwrap();
    // Gone without a word: nothing of it is ever polled or closed again.
    let runtime = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let silent = runtime.block_on(async { bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap() });
        (runtime, silent)
    });
    let (runtime, silent) = runtime.join().unwrap();
    drop(connection);
    let to = addr_of(&silent);
    let dial = one.dial(&to);
    let accepted = std::thread::spawn(move || {
        let accepted = runtime.block_on(silent.accept());
        (runtime, silent, accepted)
    });
    let connection = soon("dial", dial).await.unwrap();
    let frozen = accepted.join().unwrap();
    assert_eq!(soon("silence", connection.closed()).await, CloseReason::TimedOut);
    std::mem::forget(frozen);
}

#[tokio::test]
async fn codes_and_reasons_arrive() {
    let (one, other) = (
        bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap(),
        bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap(),
    );
    let connection = soon("dial", one.dial(&addr_of(&other))).await.unwrap();
    let accepted = soon("accept", other.accept()).await.unwrap();
    one.shutdown().await;
    let reason = soon("end", accepted.closed()).await;
    assert!(matches!(reason, CloseReason::Peer { code: code::GOING_AWAY, .. }), "{reason:?}");
    assert!(matches!(one.dial(&addr_of(&other)).await, Err(DialError::ShutDown)));
    drop(connection);
    assert!(tokio::time::timeout(Duration::from_secs(5), one.accept()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_dial_fails_with_why_it_ended() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = NodeAddr::new(SecretKey::generate().unwrap().public()).with(silent.local_addr().unwrap());
    let patient = |dial, silence| {
        let mut config = QuicConfig::test();
        (config.dial_timeout, config.silence_timeout) = (dial, silence);
        bind(&["127.0.0.1:0"], config).unwrap()
    };
    let (moment, never) = (Duration::from_millis(300), Duration::from_secs(120));
    for dialler in [patient(moment, never), patient(never, moment)] {
        let error = soon("patience", dialler.dial(&to)).await.map(drop);
        assert!(matches!(error, Err(DialError::TimedOut(_))), "{error:?}");
    }
    let dialler = patient(never, never);
    let (error, ()) = tokio::join!(soon("the end", dialler.dial(&to)), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        soon("shutdown", dialler.shutdown()).await;
    });
    assert!(matches!(error.map(drop), Err(DialError::ShutDown)));
}

/// Beyond the handshakes that may be under way a dialler is declined, and those who wait are not lost.
#[tokio::test]
async fn handshakes_at_once_are_bounded() {
    let mut config = QuicConfig::test();
    (config.max_handshakes, config.accept_queue) = (2, 1);
    let target = bind(&["127.0.0.1:0"], config).unwrap();
    let dialler = bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap();
    // One in the queue, and two that wait for room in it: the second of them has proven its address.
    let mut inside = Vec::new();
    for _ in 0..3 {
        inside.push(soon("dial", dialler.dial(&addr_of(&target))).await.unwrap());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let refused = soon("refusal", dialler.dial(&addr_of(&target))).await.map(drop);
    assert!(matches!(refused, Err(DialError::Declined { code: code::REFUSED, .. })), "{refused:?}");
    assert_eq!(target.stats().handshakes_refused, 1);
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.push(soon("accept", target.accept()).await.unwrap());
    }
    soon("room again", dialler.dial(&addr_of(&target))).await.unwrap();
    drop(inside);
}

/// RFC 9000 §8.1.2: with half of its handshakes under way a node answers with a Retry, and keeps nothing.
#[tokio::test]
async fn a_busy_node_asks_for_a_proof_of_address() {
    let mut config = QuicConfig::test();
    (config.max_handshakes, config.accept_queue) = (4, 1);
    let target = bind(&["127.0.0.1:0"], config).unwrap();
    let dialler = bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap();
    let mut held = Vec::new();
    for busy in [false, true] {
        // The first packet of a dial, as it would be sent from an address that the sender does not own.
        let decoy = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut packet = vec![0; 2_000];
        let to = NodeAddr::new(target.id()).with(decoy.local_addr().unwrap());
        let length = tokio::select! {
            length = decoy.recv(&mut packet) => length.unwrap(),
            dialled = dialler.dial(&to) => panic!("{:?}", dialled.map(drop)),
        };
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(&packet[..length], target.local_addrs()[0]).await.unwrap();
        soon("an answer", socket.recv(&mut packet)).await.unwrap();
        // RFC 9000 §17.2: a long header, a bit that may be anything (RFC 9287), and in two bits the packet's type:
        // 0 for Initial, 3 for Retry.
        assert_eq!(packet[0] & 0b1011_0000, if busy { 0b1011_0000 } else { 0b1000_0000 });
        // One in the queue, and two that wait for room in it.
        while held.len() < 3 {
            held.push(soon("dial", dialler.dial(&addr_of(&target))).await.unwrap());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// An accepted connection that says nothing is kept by its keep-alives, beyond the silence that would end it.
#[tokio::test]
async fn a_quiet_connection_is_kept() {
    let mut config = QuicConfig::test();
    (config.keep_alive, config.silence_timeout) = (Duration::from_millis(100), Duration::from_millis(1_500));
    let (one, other) =
        (bind(&["127.0.0.1:0"], config.clone()).unwrap(), bind(&["127.0.0.1:0"], config).unwrap());
    let near = soon("dial", one.dial(&addr_of(&other))).await.unwrap();
    let far = soon("accept", other.accept()).await.unwrap();
    for end in [&near, &far] {
        let closed = tokio::time::timeout(Duration::from_secs(3), end.closed()).await;
        assert!(closed.is_err(), "{closed:?}");
    }
}

/// The control stream takes none of the streams that a peer may open.
#[tokio::test]
async fn all_streams_are_the_protocols() {
    let mut config = QuicConfig::test();
    config.max_streams = 1;
    let [one, other] =
        [(); 2].map(|()| Node::new(bind(&["127.0.0.1:0"], config.clone()).unwrap(), NodeConfig::default()));
    let protocol = other.protocol("one/1", ProtocolConfig::default()).unwrap();
    let tag = Tag::new("one/1").unwrap();
    for _ in 0..3 {
        let mut way = soon("open_uni", one.open_uni(other.addr(), tag)).await.unwrap();
        soon("finish", way.finish()).await.unwrap();
        let mut there = soon("accept", protocol.accept_uni()).await.unwrap();
        assert!(soon("read", there.stream.read_to_end(1)).await.unwrap().is_empty());
        let mut both = soon("open", one.open(other.addr(), tag)).await.unwrap();
        soon("finish", both.finish()).await.unwrap();
        let mut there = soon("accept", protocol.accept()).await.unwrap();
        soon("read", there.stream.recv.read_to_end(1)).await.unwrap();
        soon("finish", there.stream.finish()).await.unwrap();
        soon("read", both.recv.read_to_end(1)).await.unwrap();
    }
}

/// When `shutdown` returns the peers have been told, though nothing runs here any more.
#[tokio::test]
async fn a_shutdown_returns_when_the_peers_can_know() {
    let stays = bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap();
    let to = addr_of(&stays);
    let goes = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let goes = bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap();
            let connection = soon("dial", goes.dial(&to)).await.unwrap();
            let control = connection.open_uni().await.unwrap();
            soon("shutdown", goes.shutdown()).await;
            std::mem::forget((goes, connection, control));
        });
        // The runtime ends here, and with it whatever was still to be sent.
    });
    let connection = soon("accept", stays.accept()).await.unwrap();
    let reason = soon("end", connection.closed()).await;
    assert!(matches!(reason, CloseReason::Peer { code: code::GOING_AWAY, .. }), "{reason:?}");
    goes.join().unwrap();
}

#[tokio::test]
async fn a_dropped_transport_takes_its_connections_along() {
    let (one, other) = (
        bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap(),
        bind(&["127.0.0.1:0"], QuicConfig::test()).unwrap(),
    );
    let connection = soon("dial", one.dial(&addr_of(&other))).await.unwrap();
    let accepted = soon("accept", other.accept()).await.unwrap();
    drop(one);
    let reason = soon("end", accepted.closed()).await;
    assert!(matches!(reason, CloseReason::Peer { code: code::GOING_AWAY, .. }), "{reason:?}");
    drop(connection);
}

#[tokio::test]
async fn an_unanswered_dial_does_not_hold_up_the_end() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let node = Node::new(bind(&["127.0.0.1:0"], QuicConfig::wan()).unwrap(), NodeConfig::default());
    let to = NodeAddr::new(SecretKey::generate().unwrap().public()).with(silent.local_addr().unwrap());
    let dial = tokio::spawn({
        let node = node.clone();
        async move { node.connect(to).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    soon("shutdown", node.shutdown(Duration::ZERO)).await;
    assert_eq!(soon("dial", dial).await.unwrap(), Err(DialError::ShutDown));
}
