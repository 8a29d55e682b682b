//! How fast a node catches up with a long history.

use std::time::Duration;

use dsys_gossip::router::{Command, Config};
use dsys_sim::Latency;

use super::world::{World, name};

/// Two nodes, 50 ms apart, of whom one has so many messages.
fn catch_up(messages: u64, change: impl FnOnce(&mut Config)) -> (Duration, World) {
    let mut config = Config::default();
    change(&mut config);
    let latency = Latency::constant(Duration::from_millis(50));
    let sim = dsys_sim::Config { latency, ..dsys_sim::Config::new(1) };
    let mut world = World::over(sim, 2, config);
    let (one, other) = (world.ids[0], world.ids[1]);
    world.command(one, Command::Join { topic: name("a"), contacts: vec![] });
    for number in 0..messages {
        world.publish("a", one, &number.to_string());
        if number % 512 == 0 {
            world.network.run_for(Duration::from_secs(1));
        }
    }
    world.network.run_for(Duration::from_secs(messages / 900 + 5));
    assert_eq!(world.stats("a", one).published, messages);
    let begin = world.network.now();
    world.join("a", other, one);
    while world.stats_of("a", other).is_none_or(|stats| stats.catch_up.fetched < messages) {
        world.network.run_for(Duration::from_millis(50));
        assert!(world.network.now() - begin < Duration::from_secs(600), "{:?}", world.stats("a", other));
    }
    world.network.take_events();
    (world.network.now() - begin, world)
}

#[test]
fn twenty_thousand_messages_over_a_link_of_fifty_milliseconds_come_as_fast_as_the_rate_allows() {
    let (took, world) = catch_up(20_000, |_| {});
    let (one, other) = (world.stats("a", world.ids[0]), world.stats("a", world.ids[1]));
    println!("20,000 messages took {took:?}; {:?}; given {}", other.catch_up, one.catch_up.given);
    // 2,000 a second, after 4,000 at once.
    assert!(took < Duration::from_secs(20), "{took:?}");
    // Little was sent twice.
    assert!(one.catch_up.given < 20_400, "{}", one.catch_up.given);
    assert_eq!(other.door.duplicates, 0);
}
