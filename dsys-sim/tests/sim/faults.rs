//! What happens to messages and clocks.

use dsys_sim::{Clock, Config, Connections, Faults, Latency, Letter};

use crate::probe::{Do, Saw, at, ms, plain, probes, stream};

/// What of 1,000 numbers arrives under these faults.
fn arrivals(config: Config) -> Vec<u32> {
    let (mut network, ids) = probes(config, 2);
    stream(&mut network, ids[0], ids[1], 1_000);
    network.run();
    network.machine(ids[1]).unwrap().messages()
}

#[test]
fn without_faults_everything_arrives_once_and_in_order() {
    let all: Vec<u32> = (0..1_000).collect();
    assert_eq!(arrivals(plain(1)), all);
    // Latencies that vary a hundredfold, and still in order.
    let wild = Latency::uniform(ms(1), ms(100));
    assert_eq!(arrivals(Config { latency: wild.clone(), ..plain(1) }), all);
    let connections = Connections::TRACKED;
    assert_eq!(arrivals(Config { latency: wild, connections, ..plain(1) }), all);
}

#[test]
fn loss_loses_its_share_and_counts_it() {
    let faults = Faults { loss: 0.3, ..Faults::NONE };
    let (mut network, ids) = probes(Config { faults, ..plain(1) }, 2);
    stream(&mut network, ids[0], ids[1], 1_000);
    network.run();
    let got = network.machine(ids[1]).unwrap().messages().len();
    assert!((640..760).contains(&got), "{got}");
    let (sender, receiver) = (network.counters(ids[0]), network.counters(ids[1]));
    assert_eq!((sender.sent, sender.lost), (1_000, 1_000 - got as u64));
    assert_eq!((receiver.received, receiver.received_bytes), (got as u64, 4 * got as u64));
    assert_eq!(sender.sent_bytes, 4_000);
}

#[test]
fn duplication_doubles_its_share() {
    let faults = Faults { duplication: 0.2, ..Faults::NONE };
    let got = arrivals(Config { faults, ..plain(1) });
    assert!((1_150..1_250).contains(&got.len()), "{}", got.len());
    let mut once = got.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), 1_000);
}

#[test]
fn reordering_takes_its_share_out_of_order() {
    let faults = Faults { reordering: 0.1, ..Faults::NONE };
    let got = arrivals(Config { faults, ..plain(1) });
    assert_eq!(got.len(), 1_000);
    let overtaken = got.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!((50..150).contains(&overtaken), "{overtaken}");
}

#[test]
fn a_one_way_cut_blocks_one_way() {
    let (mut network, ids) = probes(plain(1), 2);
    let cut = network.cut(&[ids[0]], &[ids[1]]);
    stream(&mut network, ids[0], ids[1], 10);
    stream(&mut network, ids[1], ids[0], 10);
    network.run_for(ms(100));
    assert!(network.machine(ids[1]).unwrap().messages().is_empty());
    assert_eq!(network.machine(ids[0]).unwrap().messages().len(), 10);
    assert!(network.heal_cut(cut));
    assert!(!network.heal_cut(cut));
    stream(&mut network, ids[0], ids[1], 10);
    network.run_for(ms(100));
    assert_eq!(network.machine(ids[1]).unwrap().messages().len(), 10);
}

#[test]
fn a_partial_partition_leaves_who_reaches_both_sides() {
    let (mut network, ids) = probes(plain(1), 3);
    network.partition(&[ids[0]], &[ids[1]]);
    for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
        network.command(ids[from], vec![Do::Send(ids[to], 10 * from as u32 + to as u32)]);
    }
    network.run();
    assert_eq!(network.machine(ids[0]).unwrap().messages(), [20]);
    assert_eq!(network.machine(ids[1]).unwrap().messages(), [21]);
    assert_eq!(network.machine(ids[2]).unwrap().messages(), [2, 12]);
}

#[test]
fn a_skewed_clock_shows_another_time_and_runs_at_another_rate() {
    let (mut network, ids) = probes(plain(1), 2);
    // Five seconds ahead, and a tenth too fast.
    network.set_clock(ids[1], Clock { offset: 5_000_000_000, drift: 100_000_000 });
    ids.iter().for_each(|id| network.command(*id, vec![Do::Timer('t', 1_100)]));
    network.run_until(at(1_050));
    assert!(network.machine(ids[0]).unwrap().when(&Saw::Timer('t')).is_empty());
    // After 1.0 s of true time it has counted 1.1 s.
    assert_eq!(network.machine(ids[1]).unwrap().when(&Saw::Timer('t')), [6_100]);
    network.run();
    assert_eq!(network.machine(ids[0]).unwrap().when(&Saw::Timer('t')), [1_100]);
}

#[test]
fn timers_are_replaced_and_cancelled_by_name() {
    let (mut network, ids) = probes(plain(1), 1);
    network
        .command(ids[0], vec![Do::Timer('a', 10), Do::Timer('b', 20), Do::Timer('a', 30), Do::Timer('c', 5)]);
    network.command(ids[0], vec![Do::Cancel('c')]);
    network.run();
    let probe = network.machine(ids[0]).unwrap();
    assert_eq!((probe.when(&Saw::Timer('a')), probe.when(&Saw::Timer('b'))), (vec![30], vec![20]));
    assert!(probe.when(&Saw::Timer('c')).is_empty());
    assert_eq!(network.stats().stale_timers, 2);
}

#[test]
fn a_liar_rewrites_withholds_and_forges_and_others_do_not() {
    let (mut network, ids) = probes(plain(1), 3);
    let third = ids[2];
    // What else is special about a node does not make it a liar.
    network.set_clock(ids[1], Clock::default());
    network.set_liars(&ids[..1], move |_, _, letter| match letter.message {
        0 => vec![],
        1 => vec![Letter { message: 100, ..letter }],
        _ => vec![letter.clone(), Letter { to: third, ..letter }],
    });
    stream(&mut network, ids[0], ids[1], 3);
    stream(&mut network, ids[1], ids[0], 3);
    network.forge(ids[0], Letter { to: ids[1], message: 0 });
    network.run();
    assert_eq!(network.machine(ids[1]).unwrap().messages(), [0, 100, 2]);
    assert_eq!(network.machine(ids[2]).unwrap().messages(), [2]);
    assert_eq!(network.machine(ids[0]).unwrap().messages(), [0, 1, 2], "an honest node's stay as they are");
}

#[test]
fn regions_set_how_long_a_message_takes() {
    let wan = Latency::regions(vec![vec![ms(2), ms(80)], vec![ms(60), ms(2)]]);
    let (mut network, ids) = probes(Config { latency: wan, ..plain(1) }, 3);
    network.command(ids[0], vec![Do::Send(ids[1], 1), Do::Send(ids[2], 2)]);
    network.command(ids[1], vec![Do::Send(ids[0], 3)]);
    network.run();
    let when = |to: usize, from: usize, number| {
        network.machine(ids[to]).unwrap().when(&Saw::Message(ids[from], number))
    };
    assert_eq!((when(1, 0, 1), when(2, 0, 2), when(0, 1, 3)), (vec![40], vec![1], vec![30]));
}

#[test]
fn order_holds_towards_many_peers_at_once() {
    let wild = Latency::uniform(ms(1), ms(100));
    let (mut network, ids) = probes(Config { latency: wild, ..plain(1) }, 30);
    ids.iter().skip(1).for_each(|to| stream(&mut network, ids[0], *to, 50));
    network.run();
    for id in ids.iter().skip(1) {
        assert_eq!(network.machine(*id).unwrap().messages(), (0..50).collect::<Vec<_>>());
    }
}
