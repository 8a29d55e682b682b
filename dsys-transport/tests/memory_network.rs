//! The switches of the memory network, on tokio's paused clock: the times are exact and cost nothing.

use std::time::Duration;

use bytes::Bytes;
use dsys_core::NodeId;
use dsys_transport::{
    CloseReason, Connection, Death, DialError, Latency, MemoryConfig, MemoryConnection, MemoryNetwork,
    MemoryTransport, StreamError, Transport, UnknownDials, code,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

const MS: Duration = Duration::from_millis(1);

/// A test keeps all of it: whoever is dropped is gone from the network.
struct Two {
    network: MemoryNetwork,
    a: MemoryTransport,
    b: MemoryTransport,
    near: MemoryConnection,
    far: MemoryConnection,
}

fn id(number: u64) -> NodeId {
    NodeId::from_number(number)
}

#[allow(clippy::unwrap_used, reason = "a part of the tests")]
async fn two(config: MemoryConfig) -> Two {
    let network = MemoryNetwork::with_config(config);
    let (a, b) = (network.transport(id(1)), network.transport(id(2)));
    let near = a.dial(&id(2).into()).await.unwrap();
    let far = b.accept().await.unwrap();
    Two { network, a, b, near, far }
}

/// Sends one byte from one end to the other on a stream of its own, and gives how long it took.
#[allow(clippy::unwrap_used, reason = "a part of the tests")]
async fn trip(from: &MemoryConnection, to: &MemoryConnection) -> Duration {
    let start = Instant::now();
    from.open_uni().await.unwrap().write_all(b"x").await.unwrap();
    to.accept_uni().await.unwrap();
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn latency_holds_in_each_direction_and_can_change() {
    let Two { network, a, b, near, far } = two(MemoryConfig::default()).await;
    assert_eq!(trip(&near, &far).await, Duration::ZERO);
    network.set_latency(30 * MS);
    network.set_latency_between(id(2), id(1), 50 * MS);
    // The clock of a paused runtime goes in steps of a millisecond.
    assert!((30 * MS..=32 * MS).contains(&trip(&near, &far).await));
    assert!((50 * MS..=52 * MS).contains(&trip(&far, &near).await));
    assert_eq!(near.rtt(), 80 * MS);

    let start = Instant::now();
    let again = a.dial(&id(2).into()).await.unwrap();
    assert!((80 * MS..=82 * MS).contains(&start.elapsed()), "a dial takes a round trip");
    drop(again);
    b.accept().await.unwrap();

    network.set_latency(Latency { base: 10 * MS, jitter: 20 * MS });
    let mut seen = Vec::new();
    for _ in 0..50 {
        seen.push(trip(&near, &far).await);
    }
    assert!(seen.iter().all(|took| (10 * MS..=32 * MS).contains(took)), "{seen:?}");
    assert!(seen.iter().max().unwrap() > &(20 * MS) && seen.iter().min().unwrap() < &(20 * MS), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn jitter_and_loss_keep_the_order_of_a_stream() {
    let Two { network, near, far, a: _a, b: _b } = two(MemoryConfig::default()).await;
    network.set_latency(Latency { base: MS, jitter: 40 * MS });
    network.set_loss(0.3);
    let mut send = near.open_uni().await.unwrap();
    for number in 0..=255 {
        send.write_all(&[number]).await.unwrap();
    }
    send.shutdown().await.unwrap();
    let mut got = Vec::new();
    far.accept_uni().await.unwrap().read_to_end(&mut got).await.unwrap();
    assert_eq!(got, (0..=255).collect::<Vec<u8>>());
    assert!(network.stats().chunks_delayed > 20);
}

#[tokio::test(start_paused = true)]
async fn lost_datagrams_are_gone_and_counted() {
    let Two { network, near, far, a: _a, b: _b } = two(MemoryConfig::default()).await;
    network.set_loss(0.5);
    for _ in 0..1000 {
        near.send_datagram(Bytes::from_static(b"x")).unwrap();
    }
    let mut got = 0;
    while timeout(MS, far.recv_datagram()).await.is_ok() {
        got += 1;
    }
    // Binomial with 1,000 and 1/2: beyond 400..600 lies one case in 10^9, and the seed is fixed.
    assert!((400..=600).contains(&got), "{got}");
    assert_eq!(network.stats().datagrams_lost, 1000 - got);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_oldest_datagrams() {
    for latency in [Duration::ZERO, 5 * MS] {
        let mut config = MemoryConfig::default();
        config.datagram_queue = 10;
        let Two { network, near, far, a: _a, b: _b } = two(config).await;
        network.set_latency(latency);
        for number in 0..25 {
            near.send_datagram(Bytes::from(vec![number])).unwrap();
        }
        let mut got = Vec::new();
        while let Ok(data) = timeout(10 * MS, far.recv_datagram()).await {
            got.extend_from_slice(&data.unwrap());
        }
        assert_eq!(got, (15..25).collect::<Vec<u8>>());
        assert_eq!(network.stats().datagrams_dropped, 15);
    }
}

#[tokio::test(start_paused = true)]
async fn a_healed_cut_delivers_what_was_kept() {
    let Two { network, near, far, a: _a, b: _b } = two(MemoryConfig::default()).await;
    network.set_latency(MS);
    let mut send = near.open_uni().await.unwrap();
    send.write_all(b"before ").await.unwrap();
    network.partition(&[id(1)], &[id(2)]);
    send.write_all(b"during ").await.unwrap();
    near.send_datagram(Bytes::from_static(b"lost")).unwrap();
    let cut = timeout(Duration::from_secs(20), far.accept_uni()).await;
    assert!(cut.is_err(), "a stream came through the cut");
    network.heal();
    send.write_all(b"after").await.unwrap();
    send.shutdown().await.unwrap();
    let mut text = String::new();
    far.accept_uni().await.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "before during after");
    assert!(timeout(Duration::from_secs(1), far.recv_datagram()).await.is_err());
    // The time that was cut does not count any more.
    assert!(timeout(Duration::from_secs(100), far.closed()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_cut_in_either_direction_times_out_at_both_ends() {
    for (from, to) in [(1, 2), (2, 1)] {
        let Two { network, near, far, a: _a, b: _b } = two(MemoryConfig::default()).await;
        let start = Instant::now();
        let mut send = near.open_uni().await.unwrap();
        network.block(id(from), id(to));
        assert_eq!(near.closed().await, CloseReason::TimedOut);
        assert_eq!(far.closed().await, CloseReason::TimedOut);
        let took = start.elapsed();
        assert!((Duration::from_secs(30)..Duration::from_secs(31)).contains(&took), "{took:?}");
        let error = send.write_all(b"x").await.unwrap_err();
        assert_eq!(StreamError::of(&error), Some(&StreamError::Connection(CloseReason::TimedOut)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dial_waits_out_a_cut_or_gives_up() {
    let Two { network, a, b: _b, near: _near, far: _far } = two(MemoryConfig::default()).await;
    network.partition(&[id(1)], &[id(2)]);
    assert_eq!(a.dial(&id(2).into()).await.unwrap_err(), DialError::TimedOut(id(2)));
    let to = id(2).into();
    let (dialled, ()) = tokio::join!(a.dial(&to), async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        network.heal();
    });
    assert_eq!(dialled.unwrap().peer(), id(2));
}

#[tokio::test(start_paused = true)]
async fn unknown_ids_are_refused_or_silent() {
    let network = MemoryNetwork::new();
    let a = network.transport(id(1));
    let start = Instant::now();
    assert!(matches!(a.dial(&id(9).into()).await, Err(DialError::Unreachable { .. })));
    assert_eq!(start.elapsed(), Duration::ZERO);
    network.set_unknown_dials(UnknownDials::Silent);
    assert_eq!(a.dial(&id(9).into()).await.unwrap_err(), DialError::TimedOut(id(9)));
    assert!(start.elapsed() >= Duration::from_secs(5));
    assert_eq!(a.dial(&id(1).into()).await.unwrap_err(), DialError::OwnId(id(1)));
}

#[tokio::test(start_paused = true)]
async fn a_killed_node_resets_its_peers_or_falls_silent() {
    for (death, reason, wait) in
        [(Death::Reset, CloseReason::Reset, 0), (Death::Silent, CloseReason::TimedOut, 30)]
    {
        let Two { network, a, b, near, far } = two(MemoryConfig::default()).await;
        let start = Instant::now();
        assert!(network.kill(id(2), death));
        assert!(!network.kill(id(2), death), "it was dead");
        // Healing mends cables, not machines.
        network.heal();
        assert_eq!(near.closed().await, reason);
        assert_eq!(start.elapsed().as_secs(), wait);
        assert!(matches!(far.closed().await, CloseReason::Transport(_)));
        assert!(b.accept().await.is_none());
        assert_eq!(b.dial(&id(1).into()).await.unwrap_err(), DialError::ShutDown);
        assert!(a.dial(&id(2).into()).await.is_err());
        // Started again, it is reached again, and its old handle does no harm when it goes.
        let reborn = network.transport(id(2));
        drop(b);
        a.dial(&id(2).into()).await.unwrap();
        assert_eq!(reborn.accept().await.unwrap().peer(), id(1));
    }
}

#[tokio::test(start_paused = true)]
async fn the_accept_queue_is_bounded() {
    let mut config = MemoryConfig::default();
    config.accept_queue = 3;
    let network = MemoryNetwork::with_config(config);
    let (a, b) = (network.transport(id(1)), network.transport(id(2)));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(a.dial(&id(2).into()).await.unwrap());
    }
    let declined = a.dial(&id(2).into()).await.unwrap_err();
    assert!(matches!(declined, DialError::Declined { code: code::BUSY, .. }), "{declined}");
    assert_eq!(network.stats().dials_declined, 1);
    b.accept().await.unwrap();
    a.dial(&id(2).into()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_window_bounds_what_is_written_and_small_ones_do_not_stall() {
    for (window, latency) in [(1, 0), (3, 0), (7, 5), (1000, 5)] {
        let mut config = MemoryConfig::default();
        config.stream_window = window;
        let Two { network, near, far, a: _a, b: _b } = two(config).await;
        network.set_latency(latency * MS);
        let mut send = near.open_uni().await.unwrap();
        assert_eq!(send.write(&vec![1; 5000]).await.unwrap(), window);
        assert!(timeout(100 * MS, send.write(&[1])).await.is_err(), "the window is full");
        let mut recv = far.accept_uni().await.unwrap();
        let ((), got) = tokio::join!(
            async {
                send.write_all(&vec![2; 300]).await.unwrap();
                send.shutdown().await.unwrap();
            },
            async {
                let mut got = Vec::new();
                recv.read_to_end(&mut got).await.unwrap();
                got
            }
        );
        assert_eq!(got.len(), window + 300);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_the_first_byte_stays_unseen_until_it() {
    for latency in [0, 5] {
        let Two { network, near, far, a: _a, b: _b } = two(MemoryConfig::default()).await;
        network.set_latency(latency * MS);
        let (mut send, recv) = near.open_bi().await.unwrap();
        drop(recv);
        assert!(timeout(100 * MS, far.accept_bi()).await.is_err());
        send.write_all(b"x").await.unwrap();
        let (mut answer, _recv) = far.accept_bi().await.unwrap();
        tokio::time::sleep(10 * MS).await;
        let error = answer.write_all(b"y").await.unwrap_err();
        assert_eq!(StreamError::of(&error), Some(&StreamError::Stopped(code::CANCELLED)));
    }
}

#[tokio::test(start_paused = true)]
async fn close_overtakes_what_is_on_its_way() {
    let Two { network, near, far, a: _a, b: _b } = two(MemoryConfig::default()).await;
    network.set_latency(10 * MS);
    let mut send = near.open_uni().await.unwrap();
    send.write_all(b"x").await.unwrap();
    near.close(7, "bye");
    assert_eq!(near.closed().await, CloseReason::Local(7));
    assert_eq!(far.accept_uni().await.unwrap_err(), CloseReason::Peer { code: 7, reason: "bye".into() });
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_its_peers_and_not_for_ever() {
    let Two { network, a, far, b: _b, near: _near } = two(MemoryConfig::default()).await;
    network.set_latency(100 * MS);
    let start = Instant::now();
    a.shutdown().await;
    assert!((100 * MS..200 * MS).contains(&start.elapsed()));
    let reason = far.closed().await;
    assert!(matches!(reason, CloseReason::Peer { code: code::GOING_AWAY, .. }), "{reason}");

    let Two { network, a, b: _b, near: _near, far: _far } = two(MemoryConfig::default()).await;
    network.partition(&[id(1)], &[id(2)]);
    let start = Instant::now();
    a.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_network_without_datagrams_says_so() {
    let mut config = MemoryConfig::default();
    config.max_datagram_size = None;
    let Two { near, network: _network, a: _a, b: _b, far: _far } = two(config).await;
    assert_eq!(near.max_datagram_size(), None);
    let sent = near.send_datagram(Bytes::from_static(b"x"));
    assert_eq!(sent, Err(dsys_transport::DatagramError::Unsupported));
}

#[tokio::test(start_paused = true)]
async fn durations_beyond_every_clock_mean_never() {
    let mut config = MemoryConfig::default();
    (config.idle_timeout, config.dial_timeout) = (Duration::MAX, Duration::MAX);
    let Two { network, near, far, a, b: _b } = two(config).await;
    network.set_latency(Duration::MAX);
    near.send_datagram(Bytes::from_static(b"x")).unwrap();
    near.open_uni().await.unwrap().write_all(b"x").await.unwrap();
    network.partition(&[id(1)], &[id(2)]);
    let year = Duration::from_secs(365 * 86_400);
    assert!(timeout(year, far.accept_uni()).await.is_err());
    assert!(timeout(year, near.closed()).await.is_err());
    assert!(timeout(year, a.dial(&id(2).into())).await.is_err());
}
