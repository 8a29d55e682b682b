//! Two and three of five are apart for a while and go on: what lacks then is sent about once to each, by one who is asked.

use std::time::Duration;

use dsys_core::NodeId;
use dsys_sim::{Change, Config, Connections, Latency, Network};

use crate::converging::same;
use crate::replica::{Act, OURS, Replica};

/// What was sent after the healing.
#[derive(Debug)]
struct Sent {
    changes: u64,
    /// The least that it takes: each change once to each who lacks it.
    least: u64,
}

/// Each of the five makes a change each half second. Then, until all are alike: how many changes were sent.
fn healed(seed: u64, connections: Connections, apart: Duration) -> Sent {
    let latency = Latency::constant(Duration::from_millis(50)).jitter(0.2);
    let mut network = Network::new(Config { latency, connections, ..Config::new(seed) });
    let ids: Vec<NodeId> = (0..5).map(|index| network.id(index)).collect();
    let all = ids.clone();
    network.set_spawn(move |id, disk| {
        let others = all.iter().copied().filter(|other| *other != id).collect();
        Replica::new(id, disk, vec![(OURS, others)], &[])
    });
    ids.iter().for_each(|_| assert!(network.join().is_some()));
    let edit_for = |network: &mut Network<Replica>, time: Duration| {
        let end = network.now() + time;
        while network.now() < end {
            let seed = seed.wrapping_add(network.now().as_nanos()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ids.iter().for_each(|id| network.command(*id, Act::Edit(OURS, seed >> 33)));
            network.run_for(Duration::from_millis(500).min(end - network.now()));
        }
    };
    edit_for(&mut network, Duration::from_secs(3));
    let (two, three) = (ids[..2].to_vec(), ids[2..].to_vec());
    for (from, to) in [(two.clone(), three.clone()), (three, two)] {
        network.schedule(network.now(), Change::Cut { from, to, lasting: apart });
    }
    edit_for(&mut network, apart);
    let sent = |network: &Network<Replica>| -> u64 {
        network.machines().map(|(_, replica)| replica.sync.stats().sent).sum()
    };
    let doc = |at: usize| network.machine(ids[at]).unwrap().doc(&OURS).unwrap();
    let lacks = |one: usize, other: usize| doc(other).log().since(&doc(one).log().summary()).len() as u64;
    let least = 2 * lacks(0, 2) + 3 * lacks(2, 0);
    let (healed, before) = (network.now(), sent(&network));
    while let Err(why) = same(&network, |_| true) {
        assert!(network.now() < healed + Duration::from_secs(60), "seed {seed}, {apart:?}: {why}");
        network.run_for(Duration::from_millis(50));
    }
    // What is under way yet is counted too.
    network.run_for(Duration::from_secs(10));
    Sent { changes: sent(&network) - before, least }
}

/// Each of those who are behind asks one of those who are ahead, though there are several.
#[test]
fn what_lacked_after_a_partition_is_sent_about_once() {
    for connections in [Connections::TRACKED, Connections::None] {
        for apart in [1, 10, 25] {
            let runs = (0..2).map(|seed| healed(seed, connections, Duration::from_secs(apart)));
            let (changes, least) = runs.fold((0, 0), |sum, sent| (sum.0 + sent.changes, sum.1 + sent.least));
            assert!(
                changes < least * 3 / 2,
                "{connections:?}, {apart} s: {changes} changes sent for {least}"
            );
        }
    }
}
