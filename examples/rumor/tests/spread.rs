//! Who hears what, and when.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)] // clippy.toml's leave is for test functions, not their helpers

use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};
use dsys_sim::swarm::Campaign;
use dsys_sim::{Connections, Letter, Network};
use rumor::{Command, Config, Event, Message, Rumor, RumorId, Timer};

fn network(seed: u64, nodes: u32, config: Config, loss: f64) -> (Network<Rumor>, Vec<NodeId>) {
    let mut simulated = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) };
    simulated.faults.loss = loss;
    let mut network = Network::new(simulated);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    for id in &ids {
        network.add(Rumor::new(*id, ids.clone(), config.clone())).unwrap();
    }
    (network, ids)
}

fn publish(network: &mut Network<Rumor>, node: NodeId, text: &'static str) {
    network.command(node, Command::Publish(Bytes::from_static(text.as_bytes())));
}

fn heard(network: &Network<Rumor>) -> usize {
    network.events().iter().filter(|emitted| matches!(emitted.event, Event::Heard { .. })).count()
}

#[test]
fn with_anti_entropy_everybody_hears_everything_through_loss() {
    for seed in 0..120 {
        let (mut network, ids) = network(seed, 5, Config::default(), 0.2);
        publish(&mut network, ids[0], "one");
        publish(&mut network, ids[3], "two");
        network.run_for(Duration::from_secs(40));
        assert_eq!(heard(&network), 10, "--seed {seed}: each of five hears each of two, once");
    }
}

#[test]
fn a_thousand_nodes_hear_it_as_the_paper_says() {
    let residue = |k: u32| {
        let config = Config { k, anti_entropy: None, ..Config::default() };
        let (mut network, ids) = network(1, 1_000, config, 0.0);
        publish(&mut network, ids[0], "news");
        network.run();
        (1.0 - heard(&network) as f64 / 1_000.0, network.stats().sent)
    };
    let (one, few) = residue(1);
    let (four, many) = residue(4);
    // Demers et al. 1987, table 1 (push, feedback, counter): residue 0.18 for k = 1, 0.0036 for k = 4.
    assert!((0.10..0.25).contains(&one), "{one}");
    assert!(four < 0.02, "{four}");
    assert!(few < many);
}

#[test]
fn the_swarm_finds_nothing_to_complain_of() {
    let mut campaign = Campaign::new(|id, _, peers: &[NodeId]| Rumor::new(id, peers, Config::default()))
        .work(|network, nodes| {
            network.command(nodes[0], Command::Publish(Bytes::from_static(b"psst")));
        })
        .invariant(|network| {
            let many = network.machines().find(|(_, rumor)| rumor.rumors().len() > 1);
            many.map_or(Ok(()), |(id, _)| Err(format!("{id:?} heard more than was said")))
        })
        .goal(|network| {
            // If the publisher forgets before it tells anybody, nobody hears, and that is all right.
            let knowing = network.machines().filter(|(_, rumor)| rumor.rumors().len() == 1).count();
            let all = network.machines().count();
            if knowing == all || knowing == 0 {
                Ok(())
            } else {
                Err(format!("only {knowing} of {all} heard it"))
            }
        });
    campaign.check_every = 20;
    if let Err(failure) = campaign.run(0..100) {
        panic!("{failure}");
    }
}

#[test]
fn bounds_hold_and_are_told() {
    let config = Config { max_rumors: 2, max_payload: 10, ..Config::default() };
    let (mut network, ids) = network(1, 3, config, 0.0);
    publish(&mut network, ids[0], "one");
    publish(&mut network, ids[0], "much too long a rumour");
    publish(&mut network, ids[0], "two");
    publish(&mut network, ids[0], "three");
    network.run_for(Duration::from_secs(20));
    let refused: Vec<&Bytes> = network
        .events()
        .iter()
        .filter_map(|emitted| match &emitted.event {
            Event::Refused(payload) => Some(payload),
            _ => None,
        })
        .collect();
    assert_eq!(refused, ["much too long a rumour", "three"]);
    assert_eq!(network.machine(ids[0]).unwrap().stats().refused, 2);
    assert_eq!(heard(&network), 6);
    // A peer that pushes what is too long is answered as if it were known, so that it stops, and nothing is kept.
    let id = RumorId([9; 16]);
    let payload = Bytes::from_static(b"longer than ten bytes");
    network.forge(ids[1], Letter { to: ids[2], message: Message::Push { id, hops: 1, payload } });
    network.run_for(Duration::from_secs(1));
    assert!(!network.machine(ids[2]).unwrap().knows(id));
    assert!(network.machine(ids[2]).unwrap().stats().refused > 0);
}

#[test]
fn peers_that_connect_are_told_and_a_rumour_without_takers_cools() {
    let mut network = Network::new(dsys_sim::Config::new(1));
    let ids: Vec<NodeId> = (0..2).map(|index| network.id(index)).collect();
    let config = Config { anti_entropy: None, max_pushes: 5, ..Config::default() };
    // The first knows nobody; the second knows the first and says something.
    network.add(Rumor::new(ids[0], [], config.clone())).unwrap();
    network.add(Rumor::new(ids[1], [ids[0]], config)).unwrap();
    publish(&mut network, ids[1], "from afar");
    network.run_for(Duration::from_secs(2));
    assert_eq!(heard(&network), 2);
    publish(&mut network, ids[0], "answer");
    network.run_until(Time::ZERO + Duration::from_secs(60));
    assert_eq!(heard(&network), 4, "over the connection that the other opened");
    assert_eq!(network.queued(), 0, "all is quiet");
}

#[test]
fn only_unwelcome_pushes_in_a_row_cool_a_rumour() {
    let [me, peer] = [NodeId::from_number(1), NodeId::from_number(2)];
    let mut rumor = Rumor::new(me, [peer], Config { k: 2, anti_entropy: None, ..Config::default() });
    let mut rng = Rng::from_seed(1);
    let mut give = |input| {
        let mut effects = Vec::new();
        rumor.handle(input, &mut Context::new(Time::ZERO, &mut rng, &mut effects));
        effects
    };
    let pushed = |effects: &[Effect<Rumor>]| {
        effects.iter().any(|effect| matches!(effect, Effect::Send(_, Message::Push { .. })))
    };
    let heard = give(Input::Command(Command::Publish(Bytes::from_static(b"psst"))));
    let Some(Effect::Emit(Event::Heard { id, .. })) = heard.first() else { panic!("{heard:?}") };
    for knew in [true, false, true] {
        give(Input::Message(peer, Message::Feedback { id: *id, knew }));
    }
    assert!(pushed(&give(Input::Timer(Timer::Round))), "the news in between counts");
    give(Input::Message(peer, Message::Feedback { id: *id, knew: true }));
    assert!(!pushed(&give(Input::Timer(Timer::Round))), "two in a row");
}
