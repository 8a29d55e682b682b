//! Store and forward over links that are slow and mostly not there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId, SecretKey, Time};
use dsys_gossip::agent;
use dsys_gossip::envelope::Envelope;
use dsys_gossip::router::{Body, Command, Config, Event, FeedConfig, Rate, Router, Wire};
use dsys_gossip::{MemoryStore, MessageId};
use dsys_sim::{Change, Connections, Crash, Faults, Letter, Network, Notice};

use super::SECOND;
use super::world::{World, epoch, name};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// What a node sent, and when.
type Sent = Rc<RefCell<BTreeMap<NodeId, Vec<(Time, usize)>>>>;

/// The bytes of a frame as they stand on a stream.
fn frame(wire: &Wire) -> usize {
    let message = agent::Message::Topic(wire.clone());
    let length = postcard::to_allocvec(&message).unwrap().len();
    length + if length < 128 { 1 } else { 2 }
}

/// Five bytes a second, 300 at once.
fn slow() -> Config {
    let rate = Rate { messages: 100, bytes: 5, burst: Duration::from_secs(60) };
    let feed = FeedConfig { rate, answer_within: Duration::from_secs(300), ..FeedConfig::low_power() };
    Config { feed, ..Config::low_power() }
}

fn watch(world: &mut World) -> Sent {
    let sent = Sent::default();
    let (seen, ids) = (sent.clone(), world.ids.clone());
    // All of them, and none lies: what is sent is looked at on its way.
    let mut clock = Time::ZERO;
    world.network.set_liars(&ids, move |time, from, letter| {
        clock = clock.max(time);
        seen.borrow_mut().entry(from).or_default().push((clock, frame(&letter.message)));
        vec![letter]
    });
    sent
}

/// A line of nodes without connections, each of whose links is there for so long a day, at another hour each.
fn line(world: &mut World, contact: Duration, days: u32) {
    let ids = world.ids.clone();
    for (at, pair) in ids.windows(2).enumerate() {
        let hour = HOUR * (5 * at as u32 % 24);
        let mut from = Time::ZERO;
        for day in 0..days {
            let open = Time::ZERO + DAY * day + hour + HOUR;
            for (one, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                let cut = Change::Cut { from: vec![one], to: vec![other], lasting: open - from };
                world.network.schedule(from, cut);
                // Those who watch the radio say so.
                world.network.command_at(open + SECOND, one, Command::Contact(other));
            }
            from = open + contact;
        }
    }
    for (at, id) in ids.iter().enumerate() {
        let contacts = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
        let contacts = contacts.filter_map(|at| ids.get(at)).map(|id| NodeAddr::new(*id)).collect();
        world.command(*id, Command::Join { topic: name("a"), contacts });
    }
}

fn log(world: &mut World, id: NodeId) -> BTreeSet<String> {
    world.log("a", id).into_iter().collect()
}

/// No more than the pace allows in any stretch of time, and no frame too long.
fn check_pace(sent: &Sent, config: &FeedConfig) {
    for (node, frames) in sent.borrow().iter() {
        assert!(frames.iter().all(|(_, size)| *size <= config.max_frame), "{node:?}");
        for (at, (from, _)) in frames.iter().enumerate() {
            let mut bytes = 0;
            for (then, size) in &frames[at..] {
                bytes += size;
                let allowed = (*then - *from + config.rate.burst).as_secs_f64() * config.rate.bytes as f64;
                assert!(bytes as f64 <= allowed + 256.0, "{node:?}: {bytes} bytes in {:?}", *then - *from);
            }
        }
    }
}

#[test]
fn what_is_said_at_one_end_of_a_line_of_daily_contacts_reaches_the_other_within_days() {
    // Contacts are told, so there is no need to try.
    let config = Config { feed: FeedConfig { probe_every: 30 * DAY, ..slow().feed }, ..slow() };
    let mut world = World::new(1, 5, config.clone());
    let sent = watch(&mut world);
    line(&mut world, Duration::from_secs(600), 16);
    let ids = world.ids.clone();
    world.network.run_for(2 * HOUR);
    // One that takes three contacts of 3,000 bytes, and some that fit into one.
    let long = "long ".repeat(1_300);
    let long = &long[..4_096];
    let mut all = BTreeSet::from([long.to_owned()]);
    world.publish("a", ids[0], "first");
    world.publish("a", ids[0], long);
    world.publish("a", ids[4], "back");
    world.publish("a", ids[2], "middle");
    all.extend(["first", "back", "middle"].map(str::to_owned));
    world.network.run_for(15 * DAY);
    for (at, id) in ids.iter().enumerate() {
        let lacks: Vec<String> = all.difference(&log(&mut world, *id)).map(|text| text[..4].into()).collect();
        assert!(lacks.is_empty(), "{at} lacks {lacks:?}: {:?}", world.machine(*id).feed_stats());
        assert_eq!(world.machine(*id).assembling(), 0);
    }
    check_pace(&sent, &config.feed);
    let bytes: usize = sent.borrow().values().flatten().map(|(_, size)| size).sum();
    let carried = 4 * (4_096 + 5 + 4 + 6 + 4 * 123);
    println!("{bytes} bytes were sent for {carried} bytes over four links");
    // Each message crosses each link once, and little is said beside.
    assert!(bytes < carried * 6 / 5, "{bytes} for {carried}");
    for id in &ids {
        let stats = world.machine(*id).feed_stats();
        assert_eq!(stats.received as usize, world.log("a", *id).len() - own(&mut world, *id), "each once");
    }
}

fn own(world: &mut World, id: NodeId) -> usize {
    world.stats("a", id).published as usize
}

#[test]
fn where_nothing_waits_nothing_is_sent_and_one_who_is_away_costs_its_budget() {
    silence_and_budget(Connections::None);
    // Where each probe is a dial that fails.
    silence_and_budget(Connections::TRACKED);
}

fn silence_and_budget(connections: Connections) {
    let config = slow();
    let sim = dsys_sim::Config { connections, ..dsys_sim::Config::new(2) };
    let mut world = World::over(sim, 2, config.clone());
    let sent = watch(&mut world);
    let (one, other) = (world.ids[0], world.ids[1]);
    world.join("a", one, other);
    world.join("a", other, one);
    world.network.run_for(HOUR);
    world.publish("a", one, "hello");
    world.network.run_for(HOUR);
    assert_eq!(log(&mut world, other), BTreeSet::from(["hello".to_owned()]));
    let quiet = world.network.now();
    world.network.run_for(30 * DAY);
    let since = |from: Time| -> usize {
        let sent = sent.borrow();
        sent.values().flatten().filter(|(at, _)| *at > from).map(|(_, size)| size).sum()
    };
    assert!(since(Time::ZERO) > 200, "it was said somehow");
    assert_eq!(since(quiet), 0, "thirty days of silence");
    // Ten days without the other, while something waits for it.
    let cuts = world.network.partition(&[one], &[other]);
    world.publish("a", one, "are you there?");
    world.network.run_for(HOUR);
    let alone = world.network.now();
    world.network.run_for(10 * DAY);
    let (spent, budget) = (since(alone), 10 * config.feed.unprompted_a_day() as usize);
    assert!(spent > budget / 2 && spent <= budget, "{spent} of {budget}");
    cuts.into_iter().for_each(|cut| assert!(world.network.heal_cut(cut)));
    world.network.run_for(2 * HOUR);
    assert_eq!(world.log("a", other), ["are you there?"], "found by the next probe; the other has ended");
}

#[test]
fn what_waits_ends_with_its_life_and_a_leaf_hears_only_what_still_lives() {
    let config = Config { lifetime: 3 * DAY, ..slow() };
    let mut world = World::new(3, 2, config);
    let (one, other) = (world.ids[0], world.ids[1]);
    let cuts = world.network.partition(&[one], &[other]);
    world.join("a", one, other);
    world.publish("a", one, "old");
    world.network.run_for(2 * DAY);
    world.publish("a", one, "new");
    world.network.run_for(2 * DAY);
    cuts.into_iter().for_each(|cut| assert!(world.network.heal_cut(cut)));
    // It joins by itself, and is fed though it names nobody.
    world.command(other, Command::Join { topic: name("a"), contacts: vec![] });
    world.network.run_for(2 * HOUR);
    assert_eq!(world.log("a", other), ["new"]);
    world.publish("a", other, "thanks");
    world.network.run_for(HOUR);
    assert!(log(&mut world, one).contains("thanks"), "whoever is fed feeds back");
}

#[test]
fn lost_doubled_and_reordered_frames_cost_time_and_nothing_else() {
    for seed in 0..8 {
        let mut world = World::new(seed, 4, slow());
        let ids = world.ids.clone();
        let faults = Faults { loss: 0.2, duplication: 0.1, reordering: 0.2, reordering_delay: 5 * SECOND };
        world.network.set_faults(faults);
        line(&mut world, 12 * HOUR, 12);
        let mut all = BTreeSet::new();
        for (number, id) in ids.iter().enumerate() {
            let text = format!("{number} ").repeat(400 * (number % 3) + 1);
            world.publish("a", *id, &text);
            all.insert(text);
        }
        world.network.run_for(12 * DAY);
        for id in &ids {
            assert_eq!(log(&mut world, *id), all, "seed {seed}");
            assert_eq!(world.machine(*id).feed_stats().barred, 0, "seed {seed}");
        }
    }
}

#[test]
fn whoever_forgot_everything_is_given_it_again() {
    let mut world = World::new(5, 2, slow());
    let (one, other) = (world.ids[0], world.ids[1]);
    world.join("a", one, other);
    world.join("a", other, one);
    for text in ["x", "y", "z"] {
        world.publish("a", one, text);
    }
    world.network.run_for(2 * HOUR);
    assert_eq!(world.log("a", other), ["x", "y", "z"]);
    assert!(world.network.crash(other, Crash::FIRE));
    world.network.run_for(HOUR);
    assert!(world.network.restart(other));
    world.join("a", other, one);
    world.network.run_for(2 * HOUR);
    assert_eq!(world.log("a", other), ["x", "y", "z"]);
}

#[test]
fn places_and_messages_outlive_a_crash_so_nothing_is_offered_twice() {
    let config = Arc::new(slow());
    let keys: Vec<Arc<SecretKey>> = (1..4).map(|byte| Arc::new(SecretKey::from_bytes([byte; 32]))).collect();
    let ids: Vec<NodeId> = keys.iter().map(|key| key.public()).collect();
    let sim = dsys_sim::Config {
        connections: Connections::Tracked { timeout: Some(10 * SECOND), absent: Notice::Silent },
        ..dsys_sim::Config::new(6)
    };
    let mut network: Network<Router> = Network::new(sim);
    let make = move |id: NodeId, records: &[Vec<u8>]| {
        let key = keys.iter().find(|key| key.public() == id).unwrap().clone();
        let store = MemoryStore::with_budget(1 << 20);
        let router = Router::new(key, id, store, epoch(), config.clone());
        router.restore(records.iter().map(Vec::as_slice)).unwrap()
    };
    ids.iter().for_each(|id| network.add_named(*id, make(*id, &[])).unwrap());
    network.set_spawn(make);
    let join = |network: &mut Network<Router>, at: usize| {
        let contacts = ids.iter().enumerate().filter(|(other, _)| other.abs_diff(at) == 1);
        let contacts = contacts.map(|(_, id)| NodeAddr::new(*id)).collect();
        network.command(ids[at], Command::Join { topic: name("a"), contacts });
    };
    (0..3).for_each(|at| join(&mut network, at));
    let publish = |network: &mut Network<Router>, ticket: u64| {
        let payload = Bytes::from(vec![ticket as u8; 1_500]);
        network.command(ids[0], Command::Publish { topic: name("a"), ticket, payload });
    };
    publish(&mut network, 1);
    // The one in the middle crashes while it is being given the message, and once more when it has it.
    for wait in [200, 2_000] {
        network.run_for(Duration::from_secs(wait));
        assert!(network.crash(ids[1], Crash::POWER));
        network.run_for(HOUR);
        assert!(network.restart(ids[1]));
        join(&mut network, 1);
    }
    network.run_for(6 * HOUR);
    let received: Vec<u64> =
        ids.iter().map(|id| network.machine(*id).unwrap().feed_stats().received).collect();
    assert_eq!((received[0], received[2]), (0, 1), "the end has it, once");
    let before = network.machine(ids[1]).unwrap().feed_stats();
    assert_eq!((before.received, before.acknowledged), (0, 0), "it carried on with what it had; {before:?}");
    publish(&mut network, 2);
    network.run_for(3 * HOUR);
    let after = network.machine(ids[1]).unwrap().feed_stats();
    assert_eq!((after.received, after.acknowledged), (1, 1), "and the next is the next");
    let delivered = network.take_events().into_iter().filter(
        |emitted| matches!(&emitted.event, Event::Delivered(_, message) if message.payload.len() == 1_500),
    );
    assert_eq!(delivered.filter(|emitted| emitted.node == ids[2]).count(), 2);
}

#[test]
fn a_gateway_carries_between_a_tree_and_a_leaf_that_is_fed() {
    let mut world = World::new(7, 8, Config::default());
    let ids = world.ids.clone();
    world.join_all("a", &ids[..7]);
    world.network.run_for(10 * SECOND);
    // The last is alone, and speaks with the first only, frame by frame.
    let (gateway, leaf) = (ids[0], ids[7]);
    world.command(leaf, Command::Join { topic: name("a"), contacts: vec![] });
    let feed = Command::Feed { topic: name("a"), neighbours: vec![NodeAddr::new(gateway)] };
    world.command(leaf, feed);
    world.publish("a", ids[3], "down");
    world.publish("a", leaf, "up");
    world.network.run_for(60 * SECOND);
    for id in &ids {
        assert_eq!(log(&mut world, *id), BTreeSet::from(["down".to_owned(), "up".to_owned()]));
    }
    assert_eq!(world.stats("a", leaf).neighbours, 0, "no neighbour of the tree");
    let topic = world.machine(gateway).topic(&name("a")).unwrap();
    assert!(topic.neighbours().all(|id| id != leaf));
}

/// An honest node, and one that can say what it likes; both in the topic.
fn hostile() -> (World, NodeId, NodeId) {
    let mut world = World::new(8, 2, slow());
    let (victim, liar) = (world.ids[0], world.ids[1]);
    world.join("a", victim, liar);
    world.join("a", liar, victim);
    world.network.run_for(HOUR);
    world.network.set_liars(&[liar], |_, _, _| Vec::new());
    (world, victim, liar)
}

fn say(world: &mut World, from: NodeId, to: NodeId, body: Body) {
    world.network.forge(from, Letter { to, message: Wire { topic: name("a").id(), body } });
    world.network.run_for(30 * SECOND);
}

fn part(batch: u16, offset: u32, last: bool, bytes: Vec<u8>) -> Body {
    Body::Part { batch, which: 0, offset, last, answer: true, bytes: bytes.into() }
}

#[test]
fn parts_without_end_fill_one_message_and_cost_their_sender_the_place() {
    let (mut world, victim, liar) = hostile();
    say(&mut world, liar, victim, Body::Offer { batch: 9, log: 1, ids: vec![MessageId([5; 16]); 14] });
    let mut most = 0;
    for at in 0..40 {
        say(&mut world, liar, victim, part(9, at * 200, false, vec![7; 200]));
        // The same again, and one from further behind: neither is kept.
        say(&mut world, liar, victim, part(9, at * 200, false, vec![7; 200]));
        say(&mut world, liar, victim, part(9, at * 200 + 9_000, false, vec![7; 200]));
        most = most.max(world.machine(victim).assembling());
    }
    assert!(most > 3_000 && most <= 4_096 + 123, "{most}");
    let stats = world.machine(victim).feed_stats();
    assert_eq!((stats.barred, stats.received, world.machine(victim).assembling()), (1, 0, 0));
    assert_eq!(world.stats("a", victim).door.hashed, 0, "none was looked at");
}

#[test]
fn a_forged_message_costs_one_check_and_names_that_never_come_cost_their_batch() {
    let (mut world, victim, liar) = hostile();
    let now = epoch().plus(world.network.now() - Time::ZERO);
    let mut one = Envelope::sign(&world.keys[1], name("a"), 1, now, now.plus(DAY), "bad".into());
    one.signature = dsys_core::Signature::from_bytes([3; 64]);
    for batch in 0..50 {
        let ids = (0..14).map(|byte| MessageId([byte; 16])).collect();
        say(&mut world, liar, victim, Body::Offer { batch, log: batch, ids });
    }
    assert_eq!(world.machine(victim).feed_stats().barred, 0, "who knows: they may come");
    assert_eq!(world.stats("a", victim).door.hashed, 0);
    say(&mut world, liar, victim, Body::Offer { batch: 60, log: 1, ids: vec![one.digest().id()] });
    say(&mut world, liar, victim, part(60, 0, true, one.encode().to_vec()));
    let (stats, door) = (world.machine(victim).feed_stats(), world.stats("a", victim).door);
    assert_eq!((stats.barred, door.signatures_checked, door.forged), (1, 1, 1));
    // It is not listened to any more.
    say(&mut world, liar, victim, Body::Offer { batch: 61, log: 1, ids: vec![one.digest().id()] });
    say(&mut world, liar, victim, part(61, 0, true, one.encode().to_vec()));
    assert_eq!(world.stats("a", victim).door.signatures_checked, 1);
}

#[test]
fn a_neighbour_that_always_lacks_the_same_is_left_alone() {
    let (mut world, victim, liar) = hostile();
    let sent = watch(&mut world);
    world.publish("a", victim, &"x".repeat(4_000));
    let spent = || -> usize { sent.borrow().get(&victim).into_iter().flatten().map(|(_, size)| size).sum() };
    // Whatever is offered or sent, it says that it has nothing of it.
    for batch in 0..3_000 {
        let missing = Body::Need { batch: batch % 20, missing: 1, have: 0 };
        world
            .network
            .forge(liar, Letter { to: victim, message: Wire { topic: name("a").id(), body: missing } });
        world.network.run_for(20 * SECOND);
    }
    let elapsed = 3_000 * 20;
    println!("{} bytes in {elapsed} seconds", spent());
    // A window and its tries for each probe: well below what the pace would allow.
    assert!(spent() < elapsed * 5 / 2, "{}", spent());
}

#[test]
fn strangers_are_neighbours_only_so_far_as_there_is_room() {
    let config = Config { feed: FeedConfig { max_neighbours: 3, ..slow().feed }, ..slow() };
    let mut world = World::new(9, 8, config);
    let ids = world.ids.clone();
    world.command(ids[0], Command::Join { topic: name("a"), contacts: vec![] });
    world.command(ids[1], Command::Join { topic: name("b"), contacts: vec![NodeAddr::new(ids[0])] });
    for id in &ids[2..] {
        world.join("a", *id, ids[0]);
        world.network.run_for(HOUR);
    }
    world.publish("a", ids[0], "hello");
    world.network.run_for(3 * HOUR);
    let told = ids[2..].iter().filter(|id| !log(&mut world, **id).is_empty()).count();
    let stats = world.machine(ids[0]).feed_stats();
    assert_eq!(told, 3);
    assert!(stats.unmet >= 3, "{stats:?}");
    assert_eq!(world.machine(ids[0]).strangers(), 1, "a topic that is not ours is declined, once");
}
