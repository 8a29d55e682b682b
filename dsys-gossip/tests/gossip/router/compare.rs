//! Catching up by cells, and by names where these are shorter; and what false cells cost.

use std::collections::BTreeSet;
use std::time::Duration;

use dsys_core::Rng;
use dsys_gossip::reconcile::Cell;
use dsys_gossip::router::{Body, CatchUpStats, Compare, Config, Rate, Wire};
use dsys_sim::{Crash, Letter};

use super::SECOND;
use super::world::{World, name};

fn fast(config: &mut Config) {
    let rate = Rate { messages: 1_000_000, bytes: 1 << 40, burst: SECOND };
    (config.peer_rate, config.publish_rate) = (rate, rate);
}

fn publish(world: &mut World, by: usize, numbers: std::ops::Range<usize>) {
    for number in numbers {
        world.publish("a", world.ids[by], &number.to_string());
        if number % 50 == 0 {
            world.network.run_for(Duration::from_millis(20));
        }
    }
    world.network.run_for(5 * SECOND);
}

/// Two have a history; the second is cut off while the first goes on, and comes back to a third, who has it all and whom it
/// has never met. What that took of the second: counters and bytes received.
fn away(history: usize, missed: usize, max_cells: usize) -> (CatchUpStats, u64) {
    let mut world = World::with(1, 3, |config| {
        fast(config);
        config.max_cells = max_cells;
    });
    let [first, second, third] = [world.ids[0], world.ids[1], world.ids[2]];
    world.join_all("a", &[first, second]);
    world.network.run_for(5 * SECOND);
    publish(&mut world, 0, 0..history);
    let cuts = world.network.partition(&[second], &[first, third]);
    world.network.run_for(20 * SECOND);
    publish(&mut world, 0, history..history + missed);
    world.join("a", third, first);
    // 64 messages at a time.
    world.network.run_for(120 * SECOND);
    assert_eq!(world.log("a", third).len(), history + missed);
    assert_eq!(world.log("a", second).len(), history);
    assert!(world.network.crash(first, Crash::PROCESS));
    cuts.into_iter().for_each(|cut| assert!(world.network.heal_cut(cut)));
    let before = world.stats("a", second).catch_up;
    let bytes = world.network.counters(second).received_bytes;
    world.join("a", second, third);
    world.network.run_for(120 * SECOND);
    let log: BTreeSet<String> = world.log("a", second).into_iter().collect();
    assert_eq!(log.len(), history + missed, "it has caught up whole");
    let after = world.stats("a", second).catch_up;
    let mut took = after;
    took.named -= before.named;
    took.compared -= before.compared;
    took.undecided -= before.undecided;
    took.fetched -= before.fetched;
    assert_eq!(took.fetched, missed as u64, "each once, and no other");
    (took, world.network.counters(second).received_bytes - bytes)
}

#[test]
fn ten_messages_of_two_thousand_are_found_by_cells_at_a_fraction_of_the_names() {
    let (took, bytes) = away(2_000, 10, 1_024);
    assert!((1..=2).contains(&took.compared) && took.undecided == 0, "{took:?}");
    assert!(took.named < 50, "{took:?}");
    let (names, by_names) = away(2_000, 10, 0);
    assert_eq!((names.compared, names.named), (0, 2_010));
    println!("2,000 messages, 10 lacking: {bytes} bytes by cells, {by_names} by names");
    // The bytes of the ten messages and of the membership are in both.
    assert!(bytes * 3 < by_names, "{bytes} and {by_names} bytes");
}

#[test]
fn more_differences_than_were_expected_take_a_second_answer() {
    // A difference that sizes do not show, of two that have much in common and have never met.
    let mut world = World::with(2, 3, fast);
    let ids = world.ids.clone();
    world.join_all("a", &ids[..1]);
    world.join("a", ids[1], ids[0]);
    world.join("a", ids[2], ids[0]);
    let cuts = world.network.partition(&ids[1..2], &ids[2..]);
    world.network.run_for(5 * SECOND);
    publish(&mut world, 0, 0..3_000);
    world.network.crash(ids[0], Crash::PROCESS);
    world.network.run_for(20 * SECOND);
    publish(&mut world, 1, 3_000..3_200);
    publish(&mut world, 2, 3_200..3_400);
    cuts.into_iter().for_each(|cut| assert!(world.network.heal_cut(cut)));
    world.join("a", ids[1], ids[2]);
    world.network.run_for(90 * SECOND);
    let mut undecided = 0;
    for id in &ids[1..] {
        let stats = world.stats("a", *id).catch_up;
        assert_eq!(world.log("a", *id).len(), 3_400, "{stats:?}");
        undecided += stats.undecided;
        assert!(stats.compared > stats.undecided, "{stats:?}");
    }
    assert!(undecided > 0, "100 differences are expected at first, and 400 there are");
}

#[test]
fn twenty_thousand_are_caught_up_with_whole_and_by_names_which_are_shorter_then() {
    let (took, _) = away(500, 20_000, 1_024);
    assert_eq!((took.compared, took.undecided), (0, 0), "{took:?}");
    assert!(took.named >= 20_000, "{took:?}");
}

#[test]
fn false_cells_cost_bounded_work_and_hide_nothing() {
    let mut world = World::with(5, 3, |config| {
        fast(config);
        config.max_cells = 256;
    });
    let ids = world.ids.clone();
    let (victim, liar) = (ids[0], ids[2]);
    world.join_all("a", &ids);
    world.network.run_for(5 * SECOND);
    publish(&mut world, 1, 0..1_000);
    let mut rng = Rng::from_seed(3);
    // Whatever it is asked it answers with cells: at random, or such that a name comes out of each.
    let mut upto = 0;
    world.network.set_liars(&[liar], move |_, _, letter| {
        let (Body::Names { .. } | Body::Cells { .. }) = &letter.message.body else { return vec![letter] };
        upto += 1;
        let mut random = || {
            let mut names = [0; 16];
            rng.fill(&mut names);
            Cell { count: rng.below(3) as i64 - 1, hashes: rng.next_u64(), names }
        };
        let cells = (0..256).map(|_| random()).collect();
        let body = Body::Cells { upto: (7, upto), key: (1, 2), cells };
        let fake = Letter { to: letter.to, message: Wire { topic: letter.message.topic, body } };
        vec![fake.clone(), fake]
    });
    let before = world.stats("a", victim).catch_up;
    let seconds = 120;
    for number in 0..seconds {
        // It asks to be asked, ten times a second.
        for _ in 0..10 {
            let news = Wire { topic: name("a").id(), body: Body::News };
            world.network.forge(liar, Letter { to: victim, message: news });
            world.network.run_for(SECOND / 10);
        }
        if number % 10 == 0 {
            world.publish("a", ids[1], &(1_000 + number).to_string());
        }
        assert!(world.machine(victim).offered(&name("a")) <= 256);
    }
    let after = world.stats("a", victim).catch_up;
    let compared = after.compared - before.compared;
    // Twice in each period of thirty seconds, with each of two neighbours.
    assert!((1..=2 * 2 * (seconds / 30 + 1)).contains(&compared), "{compared}");
    assert!(after.undecided > before.undecided && after.uninvited > before.uninvited + 20, "{after:?}");
    assert_eq!(world.log("a", victim).len(), 1_000 + 12);
    // More cells than there may be.
    let body = Body::Cells { upto: (7, 1), key: (1, 2), cells: vec![Cell::default(); 257] };
    let message = Wire { topic: name("a").id(), body };
    world.network.forge(liar, Letter { to: victim, message });
    world.network.run_for(SECOND);
    assert_eq!(world.stats("a", victim).barred, 1);
}

#[test]
fn cells_are_given_at_the_rate_of_one_peer() {
    let rate = Rate { messages: 1_000, bytes: 100_000, burst: SECOND };
    let mut world = World::with(5, 2, |config| {
        fast(config);
        config.peer_rate = rate;
    });
    let ids = world.ids.clone();
    world.join_all("a", &ids);
    world.network.run_for(5 * SECOND);
    publish(&mut world, 0, 0..1_000);
    world.network.run_for(60 * SECOND);
    let before = world.network.counters(ids[1]).received_bytes;
    let compare = Some(Compare { held: 1_000, expected: Some(350) });
    for _ in 0..5_000 {
        let ask = Wire { topic: name("a").id(), body: Body::Ask { after: None, compare } };
        world.network.forge(ids[1], Letter { to: ids[0], message: ask });
        world.network.run_for(Duration::from_millis(2));
    }
    let got = world.network.counters(ids[1]).received_bytes - before;
    // Ten seconds and the burst; 16 KB for each question would be 80 MB.
    assert!((200_000..1_300_000).contains(&got), "{got} bytes");
    assert!(world.stats("a", ids[0]).catch_up.cells_sent > 0);
}
