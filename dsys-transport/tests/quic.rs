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
    assert!(matches!(error, Err(DialError::WrongIdentity(_) | DialError::TimedOut(_))), "{error:?}");
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
