//! Zave's invariant, after every step of a simulated ring.

use std::time::Duration;

use dsys_core::{NodeId, Rng};
use dsys_dht::chord::{Chord, Config};
use dsys_sim::{Crash, Network};

use crate::world::{invariant, is_ideal, network, placed};

const R: usize = 3;

fn config() -> Config {
    Config { successors: R, stabilize: Duration::from_secs(3), ..Config::default() }
}

/// Zave's only condition on failures: none of them takes a member's last live successor, or its base's nodes.
fn may_fail(network: &Network<Chord>, node: NodeId, base: &[NodeId]) -> bool {
    let live: Vec<NodeId> = network.machines().filter(|(_, m)| m.is_member()).map(|(id, _)| id).collect();
    let keeps_one = |chord: &Chord| chord.successors().any(|next| next != node && live.contains(&next));
    !base.contains(&node)
        && network.machines().filter(|(id, _)| *id != node).all(|(_, m)| !m.is_member() || keeps_one(m))
}

#[test]
fn it_holds_after_every_step_while_nodes_join_and_fail_and_the_ring_is_ideal_in_the_end() {
    let (mut joined, mut failed) = (0, 0);
    for seed in 0..6 {
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
    assert!(joined > 100 && failed > 60, "{joined} {failed}");
}
