//! Nearer neighbours: that they are found, that the overlay stays whole, and what a liar gets by it.

use std::time::Duration;

use dsys_core::{Effect, Input, NodeAddr, NodeId};
use dsys_gossip::membership::partial::{Config, Event, Message, Partial, Timer};
use dsys_sim::{Latency, Network};

use super::partial::{Bench, addr, connected, tells};

const NODES: u32 = 200;

/// Four regions, 5 ms there and back within one and 200 ms between them; ten minutes after the last node came.
fn regions(config: &Config) -> (f64, f64, f64) {
    let ms = Duration::from_millis;
    let rows = (0..4).map(|a| (0..4).map(|b| if a == b { ms(5) } else { ms(200) }).collect()).collect();
    let simulated = dsys_sim::Config { latency: Latency::regions(rows), ..dsys_sim::Config::new(1) };
    let mut network = Network::new(simulated);
    let ids: Vec<NodeId> = (0..NODES).map(|index| network.id(index)).collect();
    for (at, id) in ids.iter().enumerate() {
        network.add(Partial::new(*id, config.clone())).unwrap();
        let contact = ids[..at].last().copied().map(NodeAddr::new);
        let join = dsys_gossip::membership::partial::Command::Join(contact.into_iter().collect());
        network.command(*id, join);
        network.run_for(ms(50));
    }
    network.run_for(Duration::from_secs(600));
    // Two answers may be under way at any moment.
    let whole = (0..50).fold(0.0_f64, |best, _| {
        network.run_for(ms(100));
        best.max(connected(&network).unwrap_or(0.0))
    });
    let (mut near, mut all) = (0, 0);
    for (place, id) in ids.iter().enumerate() {
        for peer in network.machine(*id).unwrap().neighbours() {
            let other = ids.iter().position(|id| *id == peer).unwrap();
            all += 1;
            near += usize::from(place % 4 == other % 4);
        }
    }
    (f64::from(near as u32) / f64::from(all), f64::from(all) / f64::from(NODES), whole)
}

#[test]
fn neighbours_become_near_and_the_overlay_stays_whole() {
    let (near, degree, whole) = regions(&Config { search_after: None, ..Config::default() });
    assert!(near < 0.35, "by chance a quarter is near: {near}");
    assert!(degree > 5.5 && whole == 1.0);
    let (near, degree, whole) = regions(&Config::default());
    // One in six is left to chance.
    assert!(near > 0.7, "{near}");
    assert!(degree > 5.5, "nobody ends with fewer neighbours: {degree}");
    assert!(whole == 1.0, "{whole}");
}

/// A node with two neighbours, 1 at 20 ms and 2 at 80 ms, both measured.
fn measured() -> Bench {
    let mut bench = Bench::new(Config { active: 2, unbiased: 0, ..Config::default() });
    bench.join(1);
    bench.join(2);
    bench.now += Duration::from_millis(20);
    bench.from(1, Message::Pong);
    bench.now += Duration::from_millis(60);
    bench.from(2, Message::Pong);
    bench
}

fn swap(peer: u64, millis: u32) -> Message {
    Message::Swap { addr: addr(peer), round_trip: millis * 1_000, old: Box::new(addr(9)) }
}

fn neighbours(bench: &Bench) -> Vec<NodeId> {
    bench.node.neighbours().collect()
}

#[test]
fn a_swap_gives_up_the_slowest_and_the_two_that_lose_find_each_other() {
    let mut bench = measured();
    assert!(tells(&bench.from(3, swap(3, 75)), 3, &Message::Refuse), "hardly nearer than the slowest");
    let effects = bench.from(3, swap(3, 40));
    assert!(tells(&effects, 3, &Message::Swapped(addr(2))));
    assert!(tells(&effects, 2, &Message::Instead { addr: addr(9), ask: false }));
    assert_eq!(neighbours(&bench), [addr(1).id, addr(3).id]);

    // The other side: it has measured 3 and asks it.
    let mut bench = measured();
    bench.from(1, Message::Shuffle { origin: Box::new(addr(1)), ttl: 0, nodes: vec![addr(3)] });
    let effects = bench.give(Input::Timer(Timer::Search));
    assert!(tells(&effects, 3, &Message::Ping));
    bench.now += Duration::from_millis(30);
    let effects = bench.from(3, Message::Disconnect);
    assert!(tells(&effects, 3, &Message::Swap { addr: addr(0), round_trip: 30_000, old: Box::new(addr(2)) }));
    let effects = bench.from(3, Message::Swapped(addr(8)));
    assert!(tells(&effects, 2, &Message::Instead { addr: addr(8), ask: true }));
    assert_eq!(neighbours(&bench), [addr(1).id, addr(3).id]);

    // One that is given up asks the other, or keeps its place for it.
    let mut bench = measured();
    let effects = bench.from(2, Message::Instead { addr: addr(8), ask: true });
    assert!(tells(&effects, 8, &Message::Neighbour { addr: addr(0), high: false }));
    let mut bench = measured();
    let effects = bench.from(2, Message::Instead { addr: addr(8), ask: false });
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Send(..))), "it waits: {effects:?}");
    let effects = bench.from(8, Message::Neighbour { addr: addr(0), high: false });
    assert!(!tells(&effects, 8, &Message::Accept), "it named another as itself");
    let effects = bench.from(7, Message::Neighbour { addr: addr(7), high: false });
    assert!(tells(&effects, 7, &Message::Accept), "there is room all the same");
}

#[test]
fn the_slowest_are_left_to_chance_and_a_refusal_changes_nothing() {
    let mut bench = Bench::new(Config { active: 2, unbiased: 2, ..Config::default() });
    bench.join(1);
    bench.join(2);
    bench.now += Duration::from_millis(80);
    bench.from(1, Message::Pong);
    bench.from(2, Message::Pong);
    assert!(tells(&bench.from(3, swap(3, 1)), 3, &Message::Refuse));

    let mut bench = measured();
    bench.from(1, Message::Shuffle { origin: Box::new(addr(1)), ttl: 0, nodes: vec![addr(3)] });
    bench.give(Input::Timer(Timer::Search));
    bench.from(3, Message::Disconnect);
    bench.from(3, Message::Refuse);
    assert_eq!(neighbours(&bench), [addr(1).id, addr(2).id]);
    assert!(bench.node.passive().contains(&addr(3)), "another time perhaps");
    // So does silence.
    bench.give(Input::Timer(Timer::Search));
    bench.from(3, Message::Disconnect);
    bench.give(Input::Timer(Timer::Asked(addr(3).id)));
    assert_eq!(neighbours(&bench), [addr(1).id, addr(2).id]);
}

#[test]
fn a_liar_gets_one_place_and_strangers_move_nobody() {
    let mut bench = measured();
    let effects = bench.from(3, swap(4, 1));
    assert!(effects.is_empty(), "it speaks for another: {effects:?}");
    // Whoever says it is near gets a place, as whoever says it is in need would. That is not worth more than one.
    bench.from(4, swap(4, 0));
    bench.from(4, swap(4, 0));
    assert_eq!(neighbours(&bench), [addr(1).id, addr(4).id]);
    for message in [Message::Instead { addr: addr(8), ask: true }, Message::Swapped(addr(8))] {
        let effects = bench.from(5, message);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Emit(Event::Down(_)))));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Send(to, _) if *to == addr(8).id)));
    }
    assert_eq!(neighbours(&bench), [addr(1).id, addr(4).id]);
    // However many say so, so many are heard until our own next shuffle.
    (100..1_000).for_each(|peer| drop(bench.from(peer, swap(peer, 0))));
    assert!(bench.node.stats().dropped > 600);
}
