//! Writes: their order, and what a crash leaves of them.

use std::time::Duration;

use dsys_sim::{Change, Config, Crash};

use crate::probe::{Do, Saw, at, ms, plain, probes};

fn disk(latency: Duration, torn_records: bool, seed: u64) -> Config {
    Config { disk_latency: latency, torn_records, ..plain(seed) }
}

#[test]
fn what_follows_a_write_waits_for_it() {
    let (mut network, ids) = probes(disk(ms(50), true, 1), 2);
    let work = vec![Do::Send(ids[1], 1), Do::Store(1, 1), Do::Send(ids[1], 2), Do::Emit(3)];
    network.command(ids[0], work);
    // A later input's effects queue behind, though they have nothing to do with the write.
    network.command_at(at(20), ids[0], vec![Do::Send(ids[1], 4)]);
    network.run();
    let when = |number| network.machine(ids[1]).unwrap().when(&Saw::Message(ids[0], number));
    assert_eq!((when(1), when(2), when(4)), (vec![10], vec![60], vec![60]));
    assert_eq!(network.machine(ids[1]).unwrap().messages(), [1, 2, 4]);
    assert_eq!(network.machine(ids[0]).unwrap().when(&Saw::Stored(1)), [50]);
    assert_eq!(network.events()[0].time, at(50));
}

#[test]
fn writes_next_to_each_other_share_a_flush_and_others_follow_it() {
    let (mut network, ids) = probes(disk(ms(50), true, 1), 2);
    let work =
        vec![Do::Store(1, 1), Do::Store(2, 2), Do::Send(ids[1], 1), Do::Store(3, 3), Do::Send(ids[1], 2)];
    network.command(ids[0], work);
    network.run();
    let probe = network.machine(ids[0]).unwrap();
    let stored = [1, 2, 3].map(|token| probe.when(&Saw::Stored(token)));
    assert_eq!(stored, [vec![50], vec![50], vec![100]]);
    let arrived = [1, 2].map(|number| network.machine(ids[1]).unwrap().when(&Saw::Message(ids[0], number)));
    assert_eq!(arrived, [vec![60], vec![110]]);
}

#[test]
fn a_crash_loses_the_writes_on_their_way_and_what_waited_for_them() {
    let (mut lost, mut torn) = (0, 0);
    for seed in 0..60 {
        let tears = seed % 2 == 0;
        let (mut network, ids) = probes(disk(ms(50), tears, seed), 2);
        network.command(ids[0], vec![Do::Store(1, 1)]);
        network.command_at(at(100), ids[0], vec![Do::Store(2, 2), Do::Store(3, 3), Do::Send(ids[1], 5)]);
        network.run_until(at(120));
        network.crash(ids[0], Crash::POWER);
        assert!(network.machine(ids[0]).is_none());
        network.run_until(at(1_000));
        assert!(network.machine(ids[1]).unwrap().messages().is_empty(), "sent before it was durable");
        assert!(network.restart(ids[0]));
        network.run();
        let probe = network.machine(ids[0]).unwrap();
        assert!(
            [&[1][..], &[1, 2], &[1, 2, 3]].contains(&probe.records.as_slice()),
            "what was acknowledged, and a prefix: {:?}",
            probe.records
        );
        assert_eq!(probe.log, [(1_000, Saw::Start)], "nothing of its former life");
        lost += usize::from(probe.records.len() < 3);
        torn += network.stats().torn_records;
        assert!(tears || network.stats().torn_records == 0);
    }
    assert!(lost > 20 && torn > 10, "{lost} {torn}");
}

#[test]
fn a_checkpoint_replaces_all_records() {
    let (mut network, ids) = probes(disk(ms(5), true, 1), 1);
    let work = vec![Do::Store(1, 1), Do::Store(2, 2), Do::Checkpoint(3, 9), Do::Store(4, 4)];
    network.command(ids[0], work);
    network.run_until(at(100));
    network.crash(ids[0], Crash::PROCESS);
    network.restart(ids[0]);
    assert_eq!(network.machine(ids[0]).unwrap().records, [9, 4]);
}

#[test]
fn without_its_disk_a_node_remembers_nothing() {
    let (mut network, ids) = probes(disk(ms(5), true, 1), 1);
    network.command(ids[0], vec![Do::Store(1, 1)]);
    network.run_until(at(100));
    network.crash(ids[0], Crash::FIRE);
    network.restart(ids[0]);
    assert!(network.machine(ids[0]).unwrap().records.is_empty());
}

#[test]
fn a_node_whose_disk_is_full_stops() {
    let config = Config { max_disk: 250, ..disk(ms(5), true, 1) };
    let (mut network, ids) = probes(config, 2);
    for token in 0..4 {
        network.command_at(at(10 * token), ids[0], vec![Do::Store(token, 1), Do::Send(ids[1], token as u32)]);
    }
    network.run();
    assert!(network.machine(ids[0]).is_none());
    assert_eq!(network.stats().disk_full, 1);
    assert_eq!(network.machine(ids[1]).unwrap().messages(), [0, 1]);
}

#[test]
fn a_write_that_comes_during_a_flush_has_one_of_its_own() {
    let (mut network, ids) = probes(disk(ms(50), true, 1), 1);
    network.command(ids[0], vec![Do::Store(1, 1)]);
    network.command_at(at(20), ids[0], vec![Do::Store(2, 2)]);
    network.run();
    assert_eq!(network.machine(ids[0]).unwrap().when(&Saw::Stored(2)), [100]);
}

#[test]
fn nothing_of_a_former_life_is_written_sent_or_acknowledged() {
    let (mut network, ids) = probes(disk(ms(50), true, 1), 2);
    network.command(ids[0], vec![Do::Store(1, 1), Do::Send(ids[1], 1)]);
    network.schedule(at(20), Change::Crash(ids[0], Crash::PROCESS));
    network.schedule(at(30), Change::Restart(ids[0]));
    network.command_at(at(40), ids[0], vec![Do::Store(2, 2), Do::Send(ids[1], 2)]);
    network.run();
    let probe = network.machine(ids[0]).unwrap();
    assert_eq!((probe.when(&Saw::Stored(1)), probe.when(&Saw::Stored(2))), (vec![], vec![90]));
    assert_eq!(network.machine(ids[1]).unwrap().messages(), [2]);
}
