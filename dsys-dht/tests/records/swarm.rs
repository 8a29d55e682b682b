//! A random mix of faults for each seed; then everything is healed, and what was stored must be found.

use std::time::Duration;

use dsys_core::Time;
use dsys_dht::QueryId;
use dsys_dht::kademlia::{self, Kademlia};
use dsys_dht::records::{Command, Config, Records};
use dsys_sim::Connections;
use dsys_sim::swarm::Campaign;

use crate::world::{EPOCH, mutable, value};

/// Two writers of one mutable record and one of an immutable one; whatever happens, in the end all agree.
#[test]
fn under_random_faults_nothing_is_lost_and_all_agree_in_the_end() {
    let settings = || {
        let mut config = Config::default();
        config.durable = true;
        config.repair = Duration::from_secs(3);
        config.republish = Duration::from_secs(8);
        config.timeout = Duration::from_secs(1);
        config
    };
    for connections in [Connections::None, Connections::TRACKED] {
        let mut campaign = Campaign::new(move |me, written, peers| {
            let kad = kademlia::Config {
                k: 4,
                rejoin: (Duration::from_millis(200), Duration::from_secs(2)),
                refresh: Duration::from_secs(5),
                ..kademlia::Config::default()
            };
            let overlay = Kademlia::new(me, peers.iter().take(2).map(|peer| (*peer).into()).collect(), kad);
            let records = Records::new(overlay, EPOCH, settings());
            records.restore(written.iter().map(Vec::as_slice)).unwrap()
        })
        .work(|network, nodes| {
            let put = |op, record| Command::Put { op: QueryId(op), record, after: None, steps: true };
            let last = nodes.len() - 1;
            let at = |seconds: u64| Time::from_nanos(seconds * 1_000_000_000);
            network.command_at(at(1), nodes[0], put(1, mutable(1, 1, "first")));
            network.command_at(at(2), nodes[last], put(2, mutable(1, 2, "second")));
            network.command_at(at(1), nodes[last], put(3, value("constant")));
        })
        .invariant(|network| {
            for (id, machine) in network.machines() {
                let stats = machine.stats();
                // What nobody has signed is nowhere, and nobody is accused of having sent it.
                if stats.violations > 0 || stats.records > 2 {
                    return Err(format!("{id:?}: {stats:?}"));
                }
            }
            Ok(())
        })
        .goal(|network| {
            // A put is lost only if its node was down when the app asked for it: then nobody has it.
            let all = network.machines().count();
            for id in [mutable(1, 1, "").id(), value("constant").id()] {
                let keepers = network.machines().filter(|(_, machine)| machine.keeps(&id)).count();
                if keepers != 0 && keepers < all.min(4) {
                    return Err(format!("{keepers} of {all} keep {id:?}"));
                }
            }
            let versions = network.machines().filter_map(|(_, machine)| {
                let text = format!("{machine:?}");
                let held = text.get(text.find("held: {")?..)?.to_owned();
                Some(held.contains("seq: 1")).filter(|_| held.contains("seq: "))
            });
            let versions: std::collections::BTreeSet<bool> = versions.collect();
            if versions.len() > 1 { Err("some have an older version".into()) } else { Ok(()) }
        });
        campaign.nodes = 2..=5;
        campaign.config.connections = connections;
        campaign.longest = Duration::from_secs(20);
        campaign.patience = Duration::from_secs(120);
        campaign.check_every = 20;
        if let Err(failure) = campaign.run(0..40) {
            panic!("{failure}");
        }
    }
}
