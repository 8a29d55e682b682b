//! Dials, connections, and how their end is noticed.

use dsys_core::NodeId;
use dsys_sim::{Change, Config, Connections, Crash, Latency, Network, Notice};

use crate::probe::{Do, Probe, Saw, at, ms, plain, probes, stream};

fn tracked(timeout: Option<u64>, absent: Notice) -> Config {
    Config { connections: Connections::Tracked { timeout: timeout.map(ms), absent }, ..plain(1) }
}

/// Two probes with a connection, at 100 ms.
fn connected(timeout: Option<u64>) -> (Network<Probe>, Vec<NodeId>) {
    let (mut network, ids) = probes(tracked(timeout, Notice::Refused), 2);
    network.command(ids[0], vec![Do::Send(ids[1], 7)]);
    network.run_until(at(100));
    (network, ids)
}

fn when(network: &Network<Probe>, node: NodeId, saw: Saw) -> Vec<u64> {
    network.machine(node).unwrap().when(&saw)
}

#[test]
fn the_first_message_dials_and_waits_for_the_answer() {
    let (network, ids) = connected(None);
    assert_eq!(when(&network, ids[1], Saw::Up(ids[0])), [10]);
    assert_eq!(when(&network, ids[0], Saw::Up(ids[1])), [20]);
    assert_eq!(when(&network, ids[1], Saw::Message(ids[0], 7)), [30]);
    assert_eq!(network.stats().dials, 1);
}

#[test]
fn without_connections_nobody_hears_of_any() {
    let (mut network, ids) = probes(plain(1), 2);
    network.command(ids[0], vec![Do::Send(ids[1], 7), Do::Send(NodeId::from_number(9), 7)]);
    network.run();
    assert_eq!(when(&network, ids[1], Saw::Message(ids[0], 7)), [10]);
    let talk = |saw: &Saw| matches!(saw, Saw::Up(_) | Saw::Down(_));
    assert!(network.machines().all(|(_, probe)| !probe.log.iter().any(|(_, saw)| talk(saw))));
    assert_eq!(network.counters(ids[0]).lost, 1);
}

#[test]
fn simultaneous_dials_become_one_connection() {
    for seed in 0..50 {
        let connections = Connections::TRACKED;
        let latency = Latency::uniform(ms(5), ms(50));
        let (mut network, ids) = probes(Config { connections, latency, ..plain(seed) }, 2);
        network.command(ids[0], vec![Do::Send(ids[1], 1)]);
        network.command_at(at(seed % 7), ids[1], vec![Do::Send(ids[0], 2)]);
        network.run_until(at(1_000));
        for (node, peer, number) in [(0, 1, 2), (1, 0, 1)] {
            assert_eq!(when(&network, ids[node], Saw::Up(ids[peer])).len(), 1, "seed {seed}");
            assert_eq!(when(&network, ids[node], Saw::Message(ids[peer], number)).len(), 1, "seed {seed}");
            assert_eq!(when(&network, ids[node], Saw::Down(ids[peer])).len(), 0, "seed {seed}");
        }
    }
}

#[test]
fn a_refused_dial_fails_after_a_round_trip_and_a_silent_one_after_the_timeout() {
    let stranger = NodeId::from_number(9);
    for (timeout, notice, expected) in [
        (Some(500), Notice::Refused, vec![120]),
        (Some(500), Notice::Silent, vec![600]),
        (None, Notice::Silent, vec![]),
    ] {
        let (mut network, ids) = probes(tracked(timeout, notice), 2);
        network.crash(ids[1], Crash { notice, keep_disk: true });
        let sends = vec![Do::Send(ids[1], 1), Do::Send(ids[1], 2), Do::Send(stranger, 3)];
        network.command_at(at(100), ids[0], sends);
        network.run();
        assert_eq!(when(&network, ids[0], Saw::Down(ids[1])), expected);
        assert_eq!(when(&network, ids[0], Saw::Down(stranger)), expected);
        assert_eq!(network.stats().failed_dials, 2 * expected.len() as u64);
        let lost = if expected.is_empty() { 1 } else { 3 };
        assert_eq!(network.counters(ids[0]).lost, lost, "those that waited for the dial");
    }
}

#[test]
fn a_dying_process_resets_its_connections_and_a_power_failure_leaves_them_to_the_timeout() {
    for (crash, timeout, expected) in [
        (Crash::PROCESS, Some(500), vec![110]),
        (Crash::POWER, Some(500), vec![600]),
        (Crash::POWER, None, vec![]),
    ] {
        let (mut network, ids) = connected(timeout);
        assert!(network.crash(ids[1], crash));
        assert!(!network.crash(ids[1], crash), "it is down");
        network.run();
        assert_eq!(when(&network, ids[0], Saw::Down(ids[1])), expected);
    }
}

#[test]
fn a_restarted_peer_resets_what_it_does_not_know() {
    let (mut network, ids) = connected(Some(60_000));
    network.crash(ids[1], Crash::POWER);
    assert!(network.restart(ids[1]));
    stream(&mut network, ids[0], ids[1], 1);
    network.run_until(at(1_000));
    assert_eq!(when(&network, ids[0], Saw::Down(ids[1])), [120], "long before the timeout");
    assert!(network.machine(ids[1]).unwrap().messages().is_empty());
    stream(&mut network, ids[0], ids[1], 1);
    network.run_until(at(2_000));
    assert_eq!(network.machine(ids[1]).unwrap().messages(), [0], "a new dial");
}

#[test]
fn what_an_earlier_connection_carried_does_not_arrive_on_a_later_one() {
    let (mut network, ids) = connected(Some(60_000));
    network.command(ids[0], vec![Do::Send(ids[1], 8)]);
    network.run_until(at(105));
    network.crash(ids[1], Crash::POWER);
    assert!(network.restart(ids[1]));
    // Its next life dials while the message is on its way.
    network.command(ids[1], vec![Do::Send(ids[0], 9)]);
    network.run_until(at(1_000));
    assert!(network.machine(ids[1]).unwrap().messages().is_empty());
    assert_eq!(network.counters(ids[0]).lost, 1);
}

#[test]
fn who_disconnects_is_gone_for_the_peer_and_may_dial_again() {
    let (mut network, ids) = connected(Some(500));
    network.command(ids[0], vec![Do::Disconnect(ids[1])]);
    network.run_until(at(200));
    assert_eq!(when(&network, ids[1], Saw::Down(ids[0])), [110]);
    assert_eq!(when(&network, ids[0], Saw::Down(ids[1])), [100], "at once");
    network.command(ids[1], vec![Do::Send(ids[0], 8)]);
    network.run();
    assert_eq!(when(&network, ids[0], Saw::Up(ids[1])).len(), 2);
    assert_eq!(when(&network, ids[0], Saw::Message(ids[1], 8)), [230]);
}

#[test]
fn a_cut_ends_connections_after_the_timeout_unless_it_is_healed_before() {
    for healed in [false, true] {
        let (mut network, ids) = connected(Some(500));
        let cuts = network.partition(&ids[..1], &ids[1..]);
        network.run_until(at(300));
        if healed {
            assert!(cuts.into_iter().all(|cut| network.heal_cut(cut)));
        }
        network.run();
        let expected = if healed { vec![] } else { vec![600] };
        assert_eq!(when(&network, ids[0], Saw::Down(ids[1])), expected);
        assert_eq!(when(&network, ids[1], Saw::Down(ids[0])), expected);
    }
}

#[test]
fn a_dial_into_a_cut_times_out() {
    // 0: the dial does not get through. 1: the answer does not, and the acceptor is left half open.
    for back in [false, true] {
        let (mut network, ids) = probes(tracked(Some(500), Notice::Refused), 2);
        if back {
            network.cut(&ids[1..], &ids[..1])
        } else {
            network.cut(&ids[..1], &ids[1..])
        };
        network.command(ids[0], vec![Do::Send(ids[1], 7)]);
        network.run();
        assert_eq!(when(&network, ids[0], Saw::Down(ids[1])), [500]);
        assert_eq!(when(&network, ids[1], Saw::Down(ids[0])), if back { vec![510] } else { vec![] });
    }
}

#[test]
fn a_hang_up_into_a_cut_is_noticed_after_the_timeout() {
    let (mut network, ids) = connected(Some(500));
    let cuts = network.partition(&ids[..1], &ids[1..]);
    network.command(ids[0], vec![Do::Disconnect(ids[1])]);
    network.run_until(at(300));
    // Healing does not help: the link is gone at one end.
    cuts.into_iter().for_each(|cut| assert!(network.heal_cut(cut)));
    network.run();
    assert_eq!(when(&network, ids[1], Saw::Down(ids[0])), [600]);
}

#[test]
fn a_new_dial_of_a_restarted_peer_replaces_its_old_connection() {
    let (mut network, ids) = connected(Some(60_000));
    network.crash(ids[0], Crash::POWER);
    network.restart(ids[0]);
    network.command(ids[0], vec![Do::Send(ids[1], 8)]);
    network.run_until(at(1_000));
    let log = &network.machine(ids[1]).unwrap().log;
    let after: Vec<_> = log.iter().filter(|(time, _)| *time >= 100).collect();
    let expected = [(110, Saw::Down(ids[0])), (110, Saw::Up(ids[0])), (130, Saw::Message(ids[0], 8))];
    assert_eq!(after, expected.iter().collect::<Vec<_>>());
}

#[test]
fn an_answer_to_a_former_life_is_reset() {
    let (mut network, ids) = probes(tracked(Some(60_000), Notice::Refused), 2);
    network.command(ids[0], vec![Do::Send(ids[1], 7)]);
    network.schedule(at(5), Change::Crash(ids[0], Crash::POWER));
    network.schedule(at(15), Change::Restart(ids[0]));
    network.run_until(at(1_000));
    assert_eq!(when(&network, ids[1], Saw::Up(ids[0])), [10]);
    assert_eq!(when(&network, ids[1], Saw::Down(ids[0])), [30]);
}

#[test]
fn a_dial_that_lost_the_tie_to_one_that_never_arrives_still_ends() {
    let (mut network, mut ids) = probes(tracked(Some(500), Notice::Refused), 2);
    ids.sort_unstable();
    // The smaller name's dial stands, and is cut off; the other one arrives and gives way to it.
    network.cut(&ids[..1], &ids[1..]);
    network.command(ids[0], vec![Do::Send(ids[1], 1)]);
    network.command(ids[1], vec![Do::Send(ids[0], 2)]);
    network.run();
    assert_eq!(when(&network, ids[0], Saw::Down(ids[1])), [500]);
    assert_eq!(when(&network, ids[1], Saw::Down(ids[0])), [500]);
}

#[test]
fn whoever_cannot_be_dialled_dials_and_is_seen_by_probes() {
    let (mut network, ids) = probes(tracked(Some(500), Notice::Refused), 3);
    network.schedule(at(1), Change::Dialable(ids[1], false));
    network.command_at(at(100), ids[0], vec![Do::Send(ids[1], 1), Do::Probe(ids[1]), Do::Probe(ids[2])]);
    network.run_until(at(900));
    assert_eq!(when(&network, ids[0], Saw::Probed(ids[2], true)), [120]);
    assert_eq!(when(&network, ids[0], Saw::Probed(ids[1], false)), [600]);
    assert_eq!(when(&network, ids[0], Saw::Down(ids[1])), [600]);
    // Its own dial stands, both ways, and still nobody new gets through.
    network.command_at(at(1_000), ids[1], vec![Do::Send(ids[0], 2)]);
    network.command_at(at(1_100), ids[0], vec![Do::Send(ids[1], 3), Do::Probe(ids[1])]);
    network.run_until(at(2_000));
    assert_eq!(network.machine(ids[0]).unwrap().messages(), [2]);
    assert_eq!(network.machine(ids[1]).unwrap().messages(), [3]);
    assert_eq!(when(&network, ids[0], Saw::Probed(ids[1], false)), [600, 1_600]);
    network.schedule(at(2_000), Change::Dialable(ids[1], true));
    network.schedule(at(2_000), Change::Leave(ids[2]));
    network.command_at(at(2_100), ids[0], vec![Do::Probe(ids[1]), Do::Probe(ids[2])]);
    network.run_until(at(3_000));
    assert_eq!(when(&network, ids[0], Saw::Probed(ids[1], true)), [2_120]);
    assert_eq!(when(&network, ids[0], Saw::Probed(ids[2], false)), [2_120], "refused at once");
    assert_eq!(network.stats().probes, 5);
}

#[test]
fn probes_go_the_way_of_dials() {
    let (mut network, ids) = probes(tracked(Some(500), Notice::Refused), 2);
    // Whoever crashes hears nothing of what it asked before.
    network.command_at(at(100), ids[0], vec![Do::Probe(ids[1])]);
    network.schedule(at(105), Change::Crash(ids[0], Crash::PROCESS));
    network.schedule(at(106), Change::Restart(ids[0]));
    network.run_until(at(200));
    assert!(!network.machine(ids[0]).unwrap().log.iter().any(|(_, saw)| matches!(saw, Saw::Probed(..))));
    // A cut either way, a node without power, a name that nobody has: silence.
    let one_way =
        |from: usize, to: usize| Change::Cut { from: vec![ids[from]], to: vec![ids[to]], lasting: ms(50) };
    network.schedule(at(1_000), one_way(0, 1));
    network.schedule(at(2_000), one_way(1, 0));
    network.schedule(at(3_000), Change::Crash(ids[1], Crash::POWER));
    for millis in [1_001, 2_001, 3_001] {
        network.command_at(at(millis), ids[0], vec![Do::Probe(ids[1])]);
    }
    network.command_at(at(3_001), ids[0], vec![Do::Probe(NodeId::from_number(9))]);
    network.run_until(at(5_000));
    assert_eq!(when(&network, ids[0], Saw::Probed(ids[1], false)), [1_501, 2_501, 3_501]);
    assert_eq!(when(&network, ids[0], Saw::Probed(NodeId::from_number(9), false)), [3_501]);
}
