//! What the driver of machines bounds, and how it ends.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use common::probe::{Do, Probe, Seen, TAG, ask, heard, next, start};
use common::{World, soon, until};
use dsys_core::{NodeId, Write};
use dsys_transport::{
    Disk, MemoryDisk, NoDisk, Node, NodeConfig, PeerChange, RunConfig, RunError, Running, Tag, run, run_with,
};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

over_each_transport!(
    a_machine_that_is_not_read_makes_its_peers_wait,
    a_slow_peer_costs_its_own_messages_only,
    commands_wait_for_room,
    peers_written_to_at_once_are_bounded,
    a_message_beyond_the_bound_is_dropped_and_counted,
    a_datagram_that_does_not_decode_costs_itself,
    nothing_is_sent_before_the_disk_has_answered,
    a_disk_that_fails_stops_the_machine_before_it_speaks,
    a_message_after_a_lost_connection_takes_a_new_one,
    a_disconnected_peer_hears_nothing_that_waited,
    a_dropped_machine_ends,
    a_machine_that_panics_says_so,
    a_node_that_ends_takes_its_machines_along,
);

fn config(change: impl FnOnce(&mut RunConfig)) -> RunConfig {
    let mut config = RunConfig::default();
    change(&mut config);
    config
}

/// What `look` gives once it no longer changes.
async fn settled(mut look: impl FnMut() -> u64) -> u64 {
    soon("it settles", async {
        let mut before = u64::MAX;
        loop {
            let now = look();
            if now == before {
                return now;
            }
            before = now;
            sleep(Duration::from_millis(300)).await;
        }
    })
    .await
}

const MANY: u64 = 1_500;

fn numbered(n: u64) -> Vec<u8> {
    let mut bytes = vec![7; 8_000];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// Inbox, events and streams are bounded, and what waits is not lost.
async fn a_machine_that_is_not_read_makes_its_peers_wait(world: World) {
    let (a, b) = world.pair();
    let roomy = config(|config| config.outbox = 10_000);
    let on_a = run_with(Probe, &a, TAG, NoDisk, roomy).unwrap();
    let narrow = config(|config| (config.event_queue, config.inbox) = (1, 1));
    let mut on_b = run_with(Probe, &b, TAG, NoDisk, narrow).unwrap();
    ask(&on_a, Do::Learn(b.addr())).await;
    // Its stream is being read when its machine stops.
    ask(&on_a, Do::Send(b.id(), b"first".to_vec())).await;
    while next(&mut on_b).await != Seen::Heard(a.id(), b"first".to_vec()) {}
    for n in 0..MANY {
        ask(&on_a, Do::Send(b.id(), numbered(n))).await;
    }
    let sent = settled(|| on_a.stats().sent).await;
    // The windows hold 1 MiB at most, and the driver takes inputs by the 64.
    assert!(sent < MANY / 3, "{sent} messages were taken of {MANY}");
    assert!(on_b.stats().received <= 130, "{:?}", on_b.stats());
    for n in 0..MANY {
        assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), numbered(n)));
    }
    until("all are counted", || (on_a.stats().sent, on_a.stats().dropped) == (MANY + 1, 0)).await;
}

async fn a_slow_peer_costs_its_own_messages_only(world: World) {
    let (a, b) = world.pair();
    let c = world.node();
    let small = config(|config| config.outbox = 8);
    let on_a = run_with(Probe, &a, TAG, NoDisk, small).unwrap();
    let _on_b = run_with(Probe, &b, TAG, NoDisk, config(|config| config.event_queue = 1)).unwrap();
    let mut on_c = start(&c).await;
    ask(&on_a, Do::Learn(b.addr())).await;
    ask(&on_a, Do::Learn(c.addr())).await;
    for n in 0..MANY {
        ask(&on_a, Do::Send(b.id(), numbered(n))).await;
    }
    // Start, the commands, and a connection that came up.
    until("all commands are taken", || on_a.stats().inputs >= MANY + 4).await;
    let sent = settled(|| on_a.stats().sent).await;
    let dropped = on_a.stats().dropped;
    // Eight wait, and the writer holds as many as it joins at most.
    assert!(dropped > 0 && sent + dropped <= MANY && sent + dropped >= MANY - 24, "{sent} and {dropped}");
    ask(&on_a, Do::Send(c.id(), b"still here".to_vec())).await;
    assert_eq!(heard(&mut on_c).await, Seen::Heard(a.id(), b"still here".to_vec()));
}

async fn commands_wait_for_room(world: World) {
    let (a, _b) = world.pair();
    let narrow = config(|config| (config.event_queue, config.command_queue) = (1, 4));
    let mut on_a = run_with(Probe, &a, TAG, NoDisk, narrow).unwrap();
    let mut taken = 0;
    while timeout(Duration::from_millis(300), on_a.command(Do::Tell(taken))).await.is_ok() {
        taken += 1;
        assert!(taken < 300, "no command ever waits");
    }
    // And none that was taken is lost.
    assert_eq!(heard(&mut on_a).await, Seen::Started);
    for n in 0..taken {
        assert_eq!(heard(&mut on_a).await, Seen::Told(n));
    }
}

/// On the virtual clock: timers ring when they are due, and those of one moment in the order of their names.
#[tokio::test(start_paused = true)]
async fn timers_ring_on_time() {
    let World::Memory(network) = World::memory() else { return };
    let node = Node::new(network.transport(NodeId::from_number(1)), NodeConfig::default());
    let mut running = start(&node).await;
    let begin = tokio::time::Instant::now();
    ask(&running, Do::Timers(vec![(3, 15_000), (1, 5_000), (4, 15_000), (2, 15_000)], vec![])).await;
    for (timer, due) in [(1, 5), (2, 15), (3, 15), (4, 15)] {
        assert_eq!(running.next_event().await, Some(Seen::Rang(timer)));
        let late = begin.elapsed().saturating_sub(Duration::from_secs(due));
        assert!(begin.elapsed() >= Duration::from_secs(due) && late < Duration::from_millis(10), "{late:?}");
    }
}

async fn peers_written_to_at_once_are_bounded(world: World) {
    let (a, b) = world.pair();
    let c = world.node();
    let one = config(|config| (config.max_outboxes, config.stream_idle) = (1, Duration::from_millis(50)));
    let on_a = run_with(Probe, &a, TAG, NoDisk, one).unwrap();
    let (mut on_b, mut on_c) = (start(&b).await, start(&c).await);
    ask(&on_a, Do::Learn(b.addr())).await;
    ask(&on_a, Do::Learn(c.addr())).await;
    // At once: no stream has been idle meanwhile.
    ask(&on_a, Do::Both([(b.id(), b"one".to_vec()), (c.id(), b"two".to_vec())])).await;
    assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), b"one".to_vec()));
    until("the other is counted", || on_a.stats().dropped == 1).await;
    // When the first has nothing more to be told there is room for the other.
    soon("room", async {
        loop {
            ask(&on_a, Do::Send(c.id(), b"two".to_vec())).await;
            if let Ok(seen) = timeout(Duration::from_millis(100), heard(&mut on_c)).await {
                return assert_eq!(seen, Seen::Heard(a.id(), b"two".to_vec()));
            }
        }
    })
    .await;
}

async fn a_message_beyond_the_bound_is_dropped_and_counted(world: World) {
    let (a, b) = world.pair();
    let short = config(|config| config.max_message = 100);
    let on_a = run_with(Probe, &a, TAG, NoDisk, short.clone()).unwrap();
    let mut on_b = run_with(Probe, &b, TAG, NoDisk, short).unwrap();
    assert_eq!(next(&mut on_b).await, Seen::Started);
    ask(&on_a, Do::Learn(b.addr())).await;
    // Their count takes another byte.
    ask(&on_a, Do::Send(b.id(), vec![1; 100])).await;
    ask(&on_a, Do::Send(b.id(), vec![2; 99])).await;
    assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), vec![2; 99]));
    until("both are counted", || (on_a.stats().sent, on_a.stats().dropped) == (1, 1)).await;
    // From somebody who keeps no such bound it costs the connection.
    let mut stream = a.open_uni(b.addr(), Tag::new(TAG).unwrap()).await.unwrap();
    stream.write_chunk(vec![101, 100].into()).await.unwrap();
    until("disconnected", || a.stats().peers.is_empty() && b.stats().peers.is_empty()).await;
}

async fn a_datagram_that_does_not_decode_costs_itself(world: World) {
    let (a, b) = world.pair();
    let mut on_b = start(&b).await;
    let tag = Tag::new(TAG).unwrap();
    let mut watch = b.watch_peers();
    a.connect(b.addr()).await.unwrap();
    assert_eq!(soon("up", watch.next()).await, Some(PeerChange::Up(a.id())));
    // A vector of five bytes of which one is there; one of one byte, and another byte.
    a.send_datagram(b.id(), tag, &[5, 1]).unwrap();
    a.send_datagram(b.id(), tag, &[1, 1, 1]).unwrap();
    a.send_datagram(b.id(), tag, &[1, 42]).unwrap();
    assert_eq!(next(&mut on_b).await, Seen::Heard(a.id(), vec![42]));
    assert_eq!(on_b.stats().received, 1);
    assert!(timeout(Duration::from_millis(200), watch.next()).await.is_err(), "it cost the connection");
}

/// A disk that writes when it may.
#[derive(Clone)]
struct Gated {
    gate: Arc<Semaphore>,
    disk: MemoryDisk,
}

impl Disk for Gated {
    async fn write(&mut self, writes: Vec<Write>) -> io::Result<()> {
        match self.gate.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return Err(io::Error::other("the disk is full")),
        }
        self.disk.write(writes).await
    }
}

fn gated() -> Gated {
    Gated { gate: Arc::new(Semaphore::new(0)), disk: MemoryDisk::default() }
}

async fn nothing_is_sent_before_the_disk_has_answered(world: World) {
    let (a, b) = world.pair();
    let disk = gated();
    let mut on_a = run_with(Probe, &a, TAG, disk.clone(), RunConfig::default()).unwrap();
    let mut on_b = start(&b).await;
    assert_eq!(next(&mut on_a).await, Seen::Started);
    a.connect(b.addr()).await.unwrap();
    assert_eq!(next(&mut on_a).await, Seen::Up(b.id()));
    for token in 0..5u64 {
        ask(&on_a, Do::Keep(token, b.id())).await;
        assert!(timeout(Duration::from_millis(100), heard(&mut on_b)).await.is_err(), "sent too early");
        assert!(
            timeout(Duration::from_millis(20), heard(&mut on_a)).await.is_err(),
            "acknowledged too early"
        );
        disk.gate.add_permits(1);
        assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), token.to_be_bytes().to_vec()));
        assert_eq!(heard(&mut on_a).await, Seen::Stored(token));
    }
    assert_eq!(disk.disk.records().len(), 5);
}

async fn a_disk_that_fails_stops_the_machine_before_it_speaks(world: World) {
    let (a, b) = world.pair();
    let disk = gated();
    let mut on_a = run_with(Probe, &a, TAG, disk.clone(), RunConfig::default()).unwrap();
    let mut on_b = start(&b).await;
    assert_eq!(next(&mut on_a).await, Seen::Started);
    a.connect(b.addr()).await.unwrap();
    ask(&on_a, Do::Keep(1, b.id())).await;
    disk.gate.close();
    assert!(matches!(soon("end", on_a.ended()).await, Err(RunError::Disk(_))));
    assert!(timeout(Duration::from_millis(200), heard(&mut on_b)).await.is_err(), "it spoke");
    assert_eq!(on_a.stats().sent, 0);
}

async fn a_message_after_a_lost_connection_takes_a_new_one(world: World) {
    let (a, b) = world.pair();
    let (mut on_a, mut on_b) = (start(&a).await, start(&b).await);
    ask(&on_a, Do::Learn(b.addr())).await;
    for n in 0..4u8 {
        ask(&on_a, Do::Send(b.id(), vec![n])).await;
        assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), vec![n]));
        b.disconnect(a.id(), 300, "again");
        while next(&mut on_a).await != Seen::Down(b.id()) {}
    }
}

async fn a_disconnected_peer_hears_nothing_that_waited(world: World) {
    let (a, b) = world.pair();
    let roomy = config(|config| config.outbox = 10_000);
    let mut on_a = run_with(Probe, &a, TAG, NoDisk, roomy).unwrap();
    let narrow = config(|config| (config.event_queue, config.inbox) = (1, 1));
    let mut on_b = run_with(Probe, &b, TAG, NoDisk, narrow).unwrap();
    ask(&on_a, Do::Learn(b.addr())).await;
    ask(&on_a, Do::Send(b.id(), b"first".to_vec())).await;
    while next(&mut on_b).await != Seen::Heard(a.id(), b"first".to_vec()) {}
    for n in 0..MANY {
        ask(&on_a, Do::Send(b.id(), numbered(n))).await;
    }
    let sent = settled(|| on_a.stats().sent).await;
    assert!(sent < MANY);
    ask(&on_a, Do::Disconnect(b.id())).await;
    while next(&mut on_a).await != Seen::Down(b.id()) {}
    ask(&on_a, Do::Send(b.id(), b"anew".to_vec())).await;
    let mut last = None;
    loop {
        match heard(&mut on_b).await {
            Seen::Heard(_, text) if text == b"anew" => break,
            Seen::Heard(_, text) => last = Some(text),
            other => panic!("{other:?}"),
        }
    }
    // It may have heard some of the first, and never the last.
    let last = last.map(|text: Vec<u8>| u64::from_be_bytes(text[..8].try_into().unwrap()));
    assert!(last.is_none_or(|last| last < MANY - 1), "{last:?}");
}

/// Its streams are not open yet when the end begins: GOAWAY waits for them.
#[tokio::test]
async fn what_a_machine_has_just_sent_goes_out_before_the_end() {
    let (a, b) = World::memory().pair();
    let (mut on_a, mut on_b) = (start(&a).await, start(&b).await);
    a.connect(b.addr()).await.unwrap();
    assert_eq!(next(&mut on_a).await, Seen::Up(b.id()));
    let before = on_a.stats().inputs;
    ask(&on_a, Do::Send(b.id(), b"farewell".to_vec())).await;
    // One thread runs the tasks in their turn: the one that is to write has not had its own when this one has.
    let ending = tokio::spawn({
        let a = a.clone();
        async move {
            while on_a.stats().inputs == before {
                poll_fn(|cx| {
                    let taken = on_a.stats().inputs > before;
                    cx.waker().wake_by_ref();
                    if taken { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
            a.shutdown(Duration::from_secs(60)).await
        }
    });
    assert_eq!(soon("shutdown", ending).await.unwrap().cut_off, 0);
    assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), b"farewell".to_vec()));
}

async fn a_dropped_machine_ends(world: World) {
    let (a, b) = world.pair();
    let on_a = start(&a).await;
    let commander = on_a.commander();
    drop(on_a);
    soon("it is gone", commander.closed()).await;
    // Its tag is free again.
    until("another may speak", || run(Probe, &a, TAG).is_ok()).await;
    drop(b);
}

async fn a_machine_that_panics_says_so(world: World) {
    let (a, _b) = world.pair();
    let mut on_a = start(&a).await;
    ask(&on_a, Do::Panic).await;
    assert!(matches!(soon("end", on_a.ended()).await, Err(RunError::Panicked)));
    assert_eq!(soon("no more events", on_a.next_event()).await, None);
    until("its tag is free", || run(Probe, &a, TAG).is_ok()).await;
}

async fn a_node_that_ends_takes_its_machines_along(world: World) {
    let (a, b) = world.pair();
    let ended = async |mut running: Running<Probe>| {
        assert!(soon("end", running.ended()).await.is_ok());
        while soon("no more events", running.next_event()).await.is_some() {}
        assert!(running.command(Do::Tell(1)).await.is_err());
    };
    let (on_a, on_b) = (start(&a).await, start(&b).await);
    soon("shutdown", a.shutdown(Duration::from_secs(10))).await;
    ended(on_a).await;
    // A machine keeps its node, so it ends before that can be dropped.
    drop(on_b);
    drop(b);
}
