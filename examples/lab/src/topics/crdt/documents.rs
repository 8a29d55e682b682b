//! Signed documents in step by the sync machine, with a disk: all end with the same, and nobody has forked.

use std::time::Duration;

use dsys_core::{NodeId, Time};
use dsys_crdt::laws::Random;
use dsys_sim::swarm::Campaign;
use dsys_sim::{Connections, Network};

use super::node::{Act, OURS, Replica};
use super::seeds;
use crate::args::Args;
use crate::report::Report;

/// Who asks whom.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Mesh,
    Line,
    Star,
}

pub(super) fn run(args: &Args, report: &mut Report) {
    let shapes = [("mesh", Shape::Mesh), ("line", Shape::Line), ("star", Shape::Star)];
    let links = [("connected", Connections::TRACKED), ("datagrams", Connections::None)];
    let all = shapes.iter().flat_map(|shape| links.iter().map(move |link| (shape, link)));
    for (item, ((shape_name, shape), (link_name, connections))) in all.enumerate() {
        if args.mine(5 + item) {
            let name = format!("docs, {shape_name}, {link_name}");
            super::campaign(&name, &campaign(*shape, *connections), seeds(args, 6), report);
        }
    }
}

fn neighbours(shape: Shape, id: NodeId, all: &[NodeId]) -> Vec<NodeId> {
    let at = all.iter().position(|other| *other == id).unwrap_or(0);
    match shape {
        Shape::Mesh => all.iter().copied().filter(|other| *other != id).collect(),
        Shape::Line => all.get(at + 1).copied().into_iter().collect(),
        Shape::Star => all.first().copied().into_iter().filter(|first| *first != id).collect(),
    }
}

fn campaign(shape: Shape, connections: Connections) -> Campaign<Replica> {
    let spawn = move |id: NodeId, disk: &[Vec<u8>], all: &[NodeId]| {
        Replica::new(id, disk, vec![(OURS, neighbours(shape, id, all))], &[])
    };
    let mut campaign = Campaign::new(spawn)
        .work(|network, nodes| {
            let mut random = Random::new(nodes.len() as u64);
            for step in 0..40 {
                let Some(node) = random.choose(nodes) else { continue };
                network.command_at(
                    Time::from_nanos(step * 97_000_000),
                    node,
                    Act::Edit(OURS, random.number()),
                );
            }
        })
        .goal(|network| {
            let changes = alike(network)?;
            if changes < 10 { Err(format!("{changes} changes are nearly nothing")) } else { Ok(()) }
        });
    campaign.config.connections = connections;
    campaign.nodes = 3..=5;
    campaign.check_every = 16;
    campaign.longest = Duration::from_secs(6);
    campaign.max_shrinks = 20;
    campaign
}

/// How many changes all have, if all have the same.
pub(super) fn alike(network: &Network<Replica>) -> Result<usize, String> {
    let mut first = None;
    for (id, replica) in network.machines() {
        let Some(doc) = replica.doc(&OURS) else { return Err(format!("{id:?} has no document")) };
        if !doc.log().forks().is_empty() {
            return Err(format!("{id:?} knows of a fork"));
        }
        let state = (doc.log().len(), doc.heads(), doc.value());
        let first = first.get_or_insert_with(|| state.clone());
        if *first != state {
            return Err(format!("{id:?} has {} changes: {:?}, not {:?}", state.0, state.2, first.2));
        }
    }
    Ok(first.map_or(0, |(changes, ..)| changes))
}
