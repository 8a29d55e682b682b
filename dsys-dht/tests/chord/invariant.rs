//! Zave's invariant, after every step of a simulated ring.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use dsys_core::{NodeId, Rng};
use dsys_dht::Key;
use dsys_dht::chord::{Chord, Config, VirtualNode};
use dsys_sim::{Crash, Network};

use crate::world::{invariant, is_ideal, network, placed};

const R: usize = 3;

fn config(virtual_nodes: u8) -> Config {
    Config { successors: R, virtual_nodes, stabilize: Duration::from_secs(3), ..Config::default() }
}

/// Zave's only condition on failures: none of them takes a member's last live successor, or its base's nodes.
fn may_fail(network: &Network<Chord>, node: NodeId, base: &[NodeId]) -> bool {
    let members = || {
        let others = network.machines().filter(|(id, _)| *id != node);
        others.flat_map(|(_, chord)| chord.virtual_nodes()).filter(|node| node.is_member())
    };
    let live: BTreeSet<Key> = members().map(VirtualNode::key).collect();
    !base.contains(&node)
        && members().all(|node| node.successors().iter().any(|next| live.contains(&next.key())))
}

#[test]
fn it_holds_after_every_step_while_nodes_join_and_fail_and_the_ring_is_ideal_in_the_end() {
    hold(1, 0..6);
}

#[test]
fn it_holds_with_virtual_nodes() {
    hold(3, 6..8);
}

fn hold(virtual_nodes: u8, seeds: Range<u64>) {
    let config = move || config(virtual_nodes);
    let (mut joined, mut failed) = (0, 0);
    let events = (seeds.end - seeds.start) * 50;
    for seed in seeds {
        let mut network = network(seed);
        let base: Vec<NodeId> = (0..=R as u32).map(|index| network.id(index)).collect();
        for &id in &base {
            network.add(placed(id, &base, config().into())).unwrap();
        }
        let begin = base.clone();
        network.set_spawn(move |id, _| {
            Chord::new(id, begin.iter().map(|node| (*node).into()).collect(), config())
        });
        network.run_for(Duration::from_millis(1));
        let mut rng = Rng::from_seed(seed);
        for _ in 0..50 {
            match rng.below(2) {
                0 => {
                    network.join();
                    joined += 1;
                }
                _ => {
                    let nodes: Vec<NodeId> = network.machines().map(|(id, _)| id).collect();
                    let node = *rng.choose(&nodes).unwrap();
                    if may_fail(&network, node, &base) {
                        network.crash(node, Crash::POWER);
                        failed += 1;
                    }
                }
            }
            let until = network.now() + Duration::from_millis(rng.below(4_000));
            while network.step_before(until) {
                if let Err(broken) = invariant(network.machines(), R) {
                    panic!("seed {seed}, {:?}: {broken}", network.now());
                }
            }
        }
        network.run_for(Duration::from_secs(200));
        is_ideal(network.machines()).unwrap();
    }
    assert!(joined * 3 > events && failed * 5 > events, "{joined} {failed} of {events}");
}
