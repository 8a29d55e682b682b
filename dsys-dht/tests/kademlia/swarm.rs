//! A few nodes under a random mix of faults for each seed; then all is healed, and they must know each other.

use std::time::Duration;

use dsys_dht::kademlia::{Config, Kademlia};
use dsys_dht::{Command, Key, Overlay, QueryId};
use dsys_sim::Connections;
use dsys_sim::swarm::Campaign;

#[test]
fn after_any_faults_all_nodes_know_each_other_again() {
    for connections in [Connections::None, Connections::TRACKED] {
        let mut campaign = Campaign::new(|me, _, peers| {
            let config = Config {
                k: 4,
                rejoin: (Duration::from_millis(200), Duration::from_secs(2)),
                refresh: Duration::from_secs(5),
                ..Config::default()
            };
            Kademlia::new(me, peers.iter().take(2).map(|peer| (*peer).into()).collect(), config)
        })
        .work(|network, nodes| {
            for (at, node) in nodes.iter().enumerate() {
                let key = Key::of_node(*node).random_at(0, &mut dsys_core::Rng::from_seed(at as u64));
                network.command(*node, Command::Find { query: QueryId(at as u64), key, steps: true });
            }
        })
        .invariant(|network| {
            let full = network.machines().find(|(_, machine)| machine.buckets().any(|contacts| contacts > 4));
            full.map_or(Ok(()), |(id, _)| Err(format!("{id:?} has a bucket that is too full")))
        })
        .goal(|network| {
            // With up to 5 nodes and k = 4, nobody need be left out.
            let others = network.machines().count() - 1;
            let lone = network.machines().find(|(_, machine)| machine.known() < others);
            lone.map_or(Ok(()), |(id, machine)| Err(format!("{id:?} knows {} of {others}", machine.known())))
        });
        campaign.nodes = 2..=5;
        campaign.config.connections = connections;
        campaign.longest = Duration::from_secs(20);
        campaign.patience = Duration::from_secs(60);
        if let Err(failure) = campaign.run(0..100) {
            panic!("{failure}");
        }
    }
}
