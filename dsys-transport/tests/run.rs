//! A machine on the driver, over every transport.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::probe::{Do, Probe, Seen, TAG, ask, heard, next, start};
use common::{World, raw, soon, until};
use dsys_core::NodeAddr;
use dsys_transport::{
    Connection as _, Death, MemoryDisk, NoDisk, RunConfig, RunError, TraceSink, Transport as _, run_with,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

over_each_transport!(
    messages_commands_events_and_timers,
    peers_come_up_before_their_messages_and_go_down,
    messages_keep_their_order,
    small_messages_may_go_as_datagrams,
    a_message_that_does_not_decode_costs_the_connection,
    a_write_is_durable_before_what_follows_it,
    a_machine_without_a_disk_stops_at_its_first_write,
    an_unreachable_peer_is_told_as_down,
    a_peer_that_does_not_speak_the_protocol_is_told_as_down,
    a_quiet_stream_ends_so_that_the_connection_may_close,
    shutdown_delivers_what_was_sent,
    a_trace_tells_what_happened,
    a_machine_has_its_peers_probed,
);

async fn messages_commands_events_and_timers(world: World) {
    let (a, b) = world.pair();
    let (mut on_a, mut on_b) = (start(&a).await, start(&b).await);
    ask(&on_a, Do::Learn(b.addr())).await;
    ask(&on_a, Do::Send(b.id(), b"hello".to_vec())).await;
    assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), b"hello".to_vec()));
    ask(&on_b, Do::Send(a.id(), b"hello yourself".to_vec())).await;
    assert_eq!(heard(&mut on_a).await, Seen::Heard(b.id(), b"hello yourself".to_vec()));
    // Set again: only the later counts. Cancelled: never rings.
    ask(&on_a, Do::Timers(vec![(1, 5), (2, 60_000), (3, 400), (2, 200), (4, 10)], vec![4])).await;
    for timer in [1, 2, 3] {
        assert_eq!(heard(&mut on_a).await, Seen::Rang(timer));
    }
    let stats = on_a.stats();
    assert_eq!((stats.sent, stats.received, stats.dropped), (1, 1, 0));
}

async fn peers_come_up_before_their_messages_and_go_down(world: World) {
    let (a, b) = world.pair();
    let (mut on_a, mut on_b) = (start(&a).await, start(&b).await);
    ask(&on_a, Do::Learn(b.addr())).await;
    ask(&on_a, Do::Send(b.id(), b"x".to_vec())).await;
    assert_eq!(next(&mut on_b).await, Seen::Up(a.id()));
    assert_eq!(next(&mut on_b).await, Seen::Heard(a.id(), b"x".to_vec()));
    assert_eq!(next(&mut on_a).await, Seen::Up(b.id()));
    ask(&on_b, Do::Disconnect(a.id())).await;
    assert_eq!(next(&mut on_a).await, Seen::Down(b.id()));
    assert_eq!(next(&mut on_b).await, Seen::Down(a.id()));
}

async fn messages_keep_their_order(world: World) {
    let (a, b) = world.pair();
    let (on_a, mut on_b) = (start(&a).await, start(&b).await);
    ask(&on_a, Do::Learn(b.addr())).await;
    for n in 0..1_000u32 {
        ask(&on_a, Do::Send(b.id(), n.to_be_bytes().repeat(1 + n as usize % 50))).await;
    }
    for n in 0..1_000u32 {
        let expected = n.to_be_bytes().repeat(1 + n as usize % 50);
        assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), expected));
    }
}

async fn small_messages_may_go_as_datagrams(world: World) {
    let (a, b) = world.pair();
    let mut config = RunConfig::default();
    config.datagrams_up_to = 100;
    let mut on_a = run_with(Probe, &a, TAG, NoDisk, config).unwrap();
    let mut on_b = start(&b).await;
    a.connect(b.addr()).await.unwrap();
    while next(&mut on_a).await != Seen::Up(b.id()) {}
    ask(&on_a, Do::Send(b.id(), vec![1; 50])).await;
    assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), vec![1; 50]));
    assert_eq!(b.stats().peers[0].streams, 0);
    ask(&on_a, Do::Send(b.id(), vec![2; 500])).await;
    assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), vec![2; 500]));
    until("both are counted", || on_a.stats().sent == 2).await;
    // Only the large one opened a stream.
    assert_eq!(b.stats().peers[0].streams, 1);
}

async fn a_message_that_does_not_decode_costs_the_connection(world: World) {
    let (a, b) = world.pair();
    let mut on_b = start(&b).await;
    let tag = dsys_transport::Tag::new(TAG).unwrap();
    let frames: [&[u8]; 3] = [
        // A vector of 200 bytes of which none are there.
        &[2, 200, 1],
        // A frame of 256 MiB.
        &[0x80, 0x80, 0x80, 0x80, 0x01],
        // A length that no encoder writes.
        &[0x80, 0x00],
    ];
    for frame in frames {
        let mut stream = a.open_uni(b.addr(), tag).await.unwrap();
        stream.write_chunk(frame.to_vec().into()).await.unwrap();
        until("disconnected", || a.stats().peers.is_empty() && b.stats().peers.is_empty()).await;
    }
    // A frame that is cut off, too; and then an honest one is heard.
    let mut stream = a.open_uni(b.addr(), tag).await.unwrap();
    stream.write_chunk(vec![9, 1, 2].into()).await.unwrap();
    stream.finish().await.unwrap();
    until("disconnected", || a.stats().peers.is_empty() && b.stats().peers.is_empty()).await;
    let mut stream = a.open_uni(b.addr(), tag).await.unwrap();
    stream.write_chunk(vec![2, 1, 42].into()).await.unwrap();
    assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), vec![42]));
}

async fn a_write_is_durable_before_what_follows_it(world: World) {
    let (a, b) = world.pair();
    let disk = MemoryDisk::default();
    let mut on_a = run_with(Probe, &a, TAG, disk.clone(), RunConfig::default()).unwrap();
    let mut on_b = start(&b).await;
    assert_eq!(next(&mut on_a).await, Seen::Started);
    ask(&on_a, Do::Learn(b.addr())).await;
    for token in 0..50 {
        ask(&on_a, Do::Keep(token, b.id())).await;
    }
    for token in 0..50u64 {
        let Seen::Heard(_, text) = heard(&mut on_b).await else { panic!("not a message") };
        assert_eq!(text, token.to_be_bytes());
        assert!(disk.records().contains(&text), "sent before it was durable");
    }
    for token in 0..50 {
        assert_eq!(heard(&mut on_a).await, Seen::Stored(token));
    }
    assert_eq!(disk.records().len(), 50);
}

async fn a_machine_without_a_disk_stops_at_its_first_write(world: World) {
    let (a, b) = world.pair();
    let mut on_a = start(&a).await;
    ask(&on_a, Do::Keep(1, b.id())).await;
    assert!(matches!(soon("end", on_a.ended()).await, Err(RunError::Disk(_))));
    assert!(on_a.command(Do::Tell(1)).await.is_err());
}

async fn an_unreachable_peer_is_told_as_down(world: World) {
    let (a, b) = world.pair();
    let mut on_a = start(&a).await;
    let to = b.addr();
    match &world {
        // A port on which nobody listens any more.
        World::Quic => drop(b.shutdown(Duration::ZERO).await),
        World::Memory(network) => drop(network.kill(b.id(), Death::Reset)),
    }
    ask(&on_a, Do::Learn(to.clone())).await;
    ask(&on_a, Do::Send(to.id, b"anybody?".to_vec())).await;
    assert_eq!(next(&mut on_a).await, Seen::Down(to.id));
}

async fn a_peer_that_does_not_speak_the_protocol_is_told_as_down(world: World) {
    let (a, b) = world.pair();
    let mut on_a = start(&a).await;
    let on_b = start(&b).await;
    ask(&on_a, Do::Learn(b.addr())).await;
    ask(&on_a, Do::Send(b.id(), b"hello".to_vec())).await;
    assert_eq!(next(&mut on_a).await, Seen::Up(b.id()));
    drop(on_b);
    assert_eq!(next(&mut on_a).await, Seen::Down(b.id()));
    // The connection still stands. Nobody reads, and the sender is told instead of writing into the void.
    ask(&on_a, Do::Send(b.id(), b"still there?".to_vec())).await;
    assert_eq!(next(&mut on_a).await, Seen::Down(b.id()));
    // Nor does such a message hold up the peer's end.
    let before = std::time::Instant::now();
    assert_eq!(soon("shutdown", b.shutdown(Duration::from_secs(10))).await.cut_off, 0);
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
}

async fn a_quiet_stream_ends_so_that_the_connection_may_close(world: World) {
    let (a, b) = world.pair();
    let mut config = RunConfig::default();
    config.stream_idle = Duration::from_millis(30);
    let on_a = run_with(Probe, &a, TAG, NoDisk, config).unwrap();
    let mut on_b = start(&b).await;
    ask(&on_a, Do::Learn(b.addr())).await;
    for n in 0..3u8 {
        ask(&on_a, Do::Send(b.id(), vec![n])).await;
        assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), vec![n]));
        until("no stream is left", || a.stats().peers[0].streams == 0 && b.stats().peers[0].streams == 0)
            .await;
    }
}

async fn shutdown_delivers_what_was_sent(world: World) {
    let (a, b) = world.pair();
    let (mut on_a, mut on_b) = (start(&a).await, start(&b).await);
    a.connect(b.addr()).await.unwrap();
    while next(&mut on_a).await != Seen::Up(b.id()) {}
    for n in 0..100u8 {
        ask(&on_a, Do::Send(b.id(), vec![n; 1_000])).await;
    }
    until("the machine has taken all commands", || on_a.stats().inputs >= 102).await;
    let report = soon("shutdown", a.shutdown(Duration::from_secs(10))).await;
    assert_eq!(report.cut_off, 0);
    assert!(soon("end", on_a.ended()).await.is_ok());
    for n in 0..100u8 {
        assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), vec![n; 1_000]));
    }
}

async fn a_trace_tells_what_happened(world: World) {
    let (a, b) = world.pair();
    let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut config = RunConfig::default();
    let sink = lines.clone();
    config.trace = Some(TraceSink::new(move |record| {
        let mut line = Vec::new();
        record.write_json(&mut line).unwrap();
        let text = String::from_utf8(line).unwrap();
        sink.lock().unwrap().push(text[text.find(",\"kind\"").unwrap() + 1..].to_owned());
    }));
    let mut on_a = run_with(Probe, &a, TAG, NoDisk, config).unwrap();
    let mut on_b = start(&b).await;
    ask(&on_a, Do::Learn(b.addr())).await;
    ask(&on_a, Do::Send(b.id(), vec![7; 10])).await;
    assert_eq!(heard(&mut on_b).await, Seen::Heard(a.id(), vec![7; 10]));
    ask(&on_b, Do::Send(a.id(), vec![8; 20])).await;
    while heard(&mut on_a).await != Seen::Heard(b.id(), vec![8; 20]) {}
    let lines = lines.lock().unwrap();
    let find = |kind: &str, rest: &str| lines.contains(&format!("\"kind\":\"{kind}\"{rest}}}\n"));
    assert!(find("start", "") && find("command", "") && find("emit", ""), "{lines:?}");
    // Ten bytes, their count, and the frame's length; as received, without the latter.
    assert!(find("send", &format!(",\"peer\":\"{}\",\"bytes\":12", b.id())), "{lines:?}");
    assert!(find("recv", &format!(",\"peer\":\"{}\",\"bytes\":21", b.id())), "{lines:?}");
    assert!(find("up", &format!(",\"peer\":\"{}\"", b.id())), "{lines:?}");
}

/// It says that it speaks the protocol on a stream of its own, which may come later than its first message.
#[tokio::test]
async fn whoever_sends_a_message_is_answered() {
    let victim = World::Quic.node();
    let mut machine = start(&victim).await;
    // Its HELLO names no protocol.
    let (transport, connection, _control) = raw::accepted(&victim).await;
    let mut stream = connection.open_uni().await.unwrap();
    let tag: Vec<u8> = [&[TAG.len() as u8], TAG.as_bytes()].concat();
    stream.write_all(&[&tag[..], &[2, 1, 42]].concat()).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(next(&mut machine).await, Seen::Up(transport.id()));
    assert_eq!(next(&mut machine).await, Seen::Heard(transport.id(), vec![42]));
    ask(&machine, Do::Send(transport.id(), b"yes?".to_vec())).await;
    let mut answer = soon("an answer", connection.accept_uni()).await.unwrap();
    let mut bytes = vec![0; tag.len() + 6];
    soon("its bytes", answer.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(bytes, [&tag[..], b"\x05\x04yes?"].concat());
}

async fn a_machine_has_its_peers_probed(world: World) {
    let (a, b) = world.pair();
    let (mut on_a, _on_b) = (start(&a).await, start(&b).await);
    // Not on behalf of somebody who is not even here.
    ask(&on_a, Do::Probe(b.addr())).await;
    assert_eq!(next(&mut on_a).await, Seen::Probed(b.addr(), false));
    a.connect(b.addr()).await.unwrap();
    while next(&mut on_a).await != Seen::Up(b.id()) {}
    // At what it has claimed, and at one of the addresses that it is asked for.
    ask(&on_a, Do::Probe(b.id().into())).await;
    let Seen::Probed(at, true) = next(&mut on_a).await else { panic!("not reached") };
    assert_eq!((at.id, at.direct()), (b.id(), b.addr().direct()));
    if let World::Quic = world {
        // Somebody else's door, though it would open: nobody knocks there.
        let elsewhere = "127.0.0.2:9".parse().unwrap();
        ask(&on_a, Do::Probe(NodeAddr::new(b.id()).with(elsewhere))).await;
        assert_eq!(next(&mut on_a).await, Seen::Probed(NodeAddr::new(b.id()).with(elsewhere), false));
        let both = NodeAddr::new(b.id()).with(elsewhere).with(b.addr().direct()[0]);
        ask(&on_a, Do::Probe(both)).await;
        assert_eq!(next(&mut on_a).await, Seen::Probed(b.addr(), true));
        // Its own address, but nobody there.
        let closed = "127.0.0.1:9".parse().unwrap();
        ask(&on_a, Do::Probe(NodeAddr::new(b.id()).with(closed))).await;
        assert_eq!(next(&mut on_a).await, Seen::Probed(NodeAddr::new(b.id()).with(closed), false));
    }
}
