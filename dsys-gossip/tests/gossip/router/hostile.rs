//! What hostile peers can do, and what it costs.

use std::time::Duration;

use bytes::Bytes;
use dsys_core::{NodeId, Rng, Signature};
use dsys_gossip::MessageId;
use dsys_gossip::envelope::Envelope;
use dsys_gossip::path::{Hops, extend};
use dsys_gossip::router::{Body, Config, Event, Rate, Stats, Wire};
use dsys_gossip::{plumtree, topic};
use dsys_sim::Letter;

use super::SECOND;
use super::world::{World, epoch, name};

/// Five honest nodes and, the last, a hostile one, all neighbours of each other.
fn world(change: impl FnOnce(&mut Config)) -> (World, NodeId, NodeId) {
    let mut world = World::with(5, 6, change);
    let ids = world.ids.clone();
    world.join_all("a", &ids);
    world.network.run_for(40 * SECOND);
    world.network.take_events();
    (world, ids[0], ids[5])
}

fn wire(body: Body) -> Wire {
    Wire { topic: name("a").id(), body }
}

fn gossip(id: MessageId, payload: Bytes) -> Wire {
    let message = plumtree::Message::Gossip { id, hops: 1, payload };
    wire(Body::Topic(topic::Message::Broadcast(message)))
}

fn send(world: &mut World, from: NodeId, to: NodeId, message: Wire) {
    world.network.forge(from, Letter { to, message });
}

fn delivered(world: &mut World) -> usize {
    let events = world.network.take_events();
    events.iter().filter(|emitted| matches!(emitted.event, Event::Delivered(..))).count()
}

#[test]
fn a_bad_envelope_reaches_nobody_costs_at_most_one_signature_check_and_its_sender_the_place() {
    let second = Duration::from_secs(1);
    type Change = fn(&mut Envelope);
    // What it is, what is done to it before signing and after, whether its sender is barred, signature checks.
    let cases: [(&str, Change, Change, bool, u64); 7] = [
        ("forged", |_| {}, |one| one.signature = Signature::from_bytes([3; 64]), true, 1),
        ("by another", |_| {}, |one| one.origin = NodeId::from_number(77), true, 1),
        ("expired", |one| one.expires = one.time, |_| {}, false, 0),
        (
            "old",
            |one| one.time = super::world::epoch().plus(Duration::ZERO),
            |one| {
                one.time = dsys_gossip::envelope::Timestamp::from_millis(5);
            },
            false,
            0,
        ),
        ("future-dated", |one| one.time = one.time.plus(Duration::from_secs(60)), |_| {}, false, 0),
        ("oversized", |one| one.payload = vec![0; 70_000].into(), |_| {}, true, 0),
        ("of another topic", |one| one.topic = name("b"), |_| {}, true, 0),
    ];
    for (what, before, after, barred, checks) in cases {
        let (mut world, victim, liar) = world(|_| {});
        let now = epoch().plus(world.network.now() - dsys_core::Time::ZERO);
        let mut one = Envelope::sign(&world.keys[5], name("a"), 1, now, now.plus(60 * second), "bad".into());
        before(&mut one);
        let mut one = Envelope::sign(&world.keys[5], one.topic, one.seq, one.time, one.expires, one.payload);
        after(&mut one);
        let stats = world.stats("a", victim);
        send(&mut world, liar, victim, gossip(one.digest().id(), one.encode()));
        world.network.run_for(2 * SECOND);
        let cost = world.stats("a", victim);
        let ids = world.ids.clone();
        assert_eq!(delivered(&mut world), 0, "{what}");
        assert_eq!(cost.door.signatures_checked - stats.door.signatures_checked, checks, "{what}");
        assert_eq!((cost.kept, cost.kept_bytes, cost.door.passed), (0, 0, 0), "{what}");
        assert_eq!(cost.barred, u64::from(barred), "{what}");
        let topic = world.machine(victim).topic(&name("a")).unwrap();
        assert_eq!(topic.neighbours().any(|id| id == liar), !barred, "{what}");
        // Nobody else has even seen it.
        for id in &ids[1..5] {
            assert_eq!(world.stats("a", *id).door.signatures_checked, 0, "{what}");
        }
    }
}

#[test]
fn a_replay_costs_neither_a_hash_nor_a_signature_check() {
    let (mut world, victim, liar) = world(|_| {});
    world.publish("a", world.ids[1], "once");
    world.network.run_for(2 * SECOND);
    assert_eq!(delivered(&mut world), 6);
    let kept = world.machine(liar).topic(&name("a")).unwrap().broadcast().stats();
    let before = world.stats("a", victim);
    // The same bytes again, as they are in the liar's log.
    let now = epoch().plus(world.network.now() - dsys_core::Time::ZERO);
    let fresh = Envelope::sign(&world.keys[5], name("a"), 1, now, now.plus(60 * SECOND), "mine".into());
    for _ in 0..100 {
        send(&mut world, liar, victim, gossip(fresh.digest().id(), fresh.encode()));
    }
    world.network.run_for(2 * SECOND);
    let cost = world.stats("a", victim);
    assert_eq!(
        (cost.door.hashed, cost.door.duplicates),
        (before.door.hashed + 1, before.door.duplicates + 99)
    );
    assert_eq!(cost.kept, 2);
    let once_each = delivered(&mut world);
    // The liar itself was sent it by those who passed it on.
    assert_eq!(once_each, 6, "{kept:?}");
}

#[test]
fn names_of_messages_that_do_not_exist_cost_bounded_memory_and_hide_nothing() {
    let (mut world, victim, liar) = world(|_| {});
    let mut rng = Rng::from_seed(1);
    let mut upto = 0;
    // Whatever it is asked, it has a full answer and more behind it; what is wanted of it never comes.
    world.network.set_liars(&[liar], move |_, _, letter| {
        let mut random = |count: usize| -> Vec<MessageId> {
            (0..count)
                .map(|_| {
                    let mut id = [0; 16];
                    rng.fill(&mut id);
                    MessageId(id)
                })
                .collect()
        };
        match &letter.message.body {
            Body::Names { .. } => {
                upto += 1;
                let body = Body::Names { upto: (7, upto), more: true, ids: random(256) };
                let fake = Letter { to: letter.to, message: wire(body) };
                // And once more that nobody asked for; and names over the tree.
                let tree = plumtree::Message::IHave(random(256));
                let tree = wire(Body::Topic(topic::Message::Broadcast(tree)));
                vec![fake.clone(), fake, Letter { to: letter.to, message: tree }]
            }
            Body::Give { .. } | Body::Gone(_) => Vec::new(),
            _ => vec![letter],
        }
    });
    let (mut most_offered, mut most_missing) = (0, 0);
    for number in 0..120 {
        if number % 10 == 0 {
            world.publish("a", world.ids[1 + number / 10 % 4], &number.to_string());
        }
        send(&mut world, liar, victim, wire(Body::News));
        for _ in 0..100 {
            world.network.run_for(Duration::from_millis(10));
            let machine = world.machine(victim);
            most_offered = most_offered.max(machine.offered(&name("a")));
            let tree = machine.topic(&name("a")).unwrap().broadcast();
            most_missing = most_missing.max(tree.missing());
        }
    }
    let stats: Stats = world.stats("a", victim);
    // One answer, and the real ones that others offer meanwhile.
    let bounds = 256..256 + 12;
    assert!(
        bounds.contains(&most_offered) && bounds.contains(&most_missing),
        "{most_offered}, {most_missing}"
    );
    assert!(stats.catch_up.unanswered > 5 && stats.catch_up.uninvited > 5, "{:?}", stats.catch_up);
    assert_eq!(stats.door.signatures_checked, 12, "only what was real was looked at");
    assert_eq!(world.log("a", victim).len(), 12);
}

#[test]
fn questions_without_end_are_answered_at_the_rate_of_one_peer() {
    let rate = Rate { messages: 100, bytes: 100_000, burst: SECOND };
    let (mut world, victim, liar) = world(|config| config.peer_rate = rate);
    for _ in 0..10 {
        world.publish("a", victim, &"x".repeat(10_000));
        world.network.run_for(SECOND);
    }
    let before = world.network.counters(liar).received_bytes;
    let ids: Vec<MessageId> = world
        .network
        .take_events()
        .into_iter()
        .filter_map(|emitted| match emitted.event {
            Event::Delivered(_, message) if emitted.node == victim => Some(message.id),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 10);
    // It has the messages, and wants them again and again; and grafts them.
    for _ in 0..1_000 {
        send(&mut world, liar, victim, wire(Body::Ask { after: None, compare: None }));
        send(&mut world, liar, victim, wire(Body::Want(ids.clone())));
        let graft = plumtree::Message::Graft(Some(ids[0]));
        send(&mut world, liar, victim, wire(Body::Topic(topic::Message::Broadcast(graft))));
        world.network.run_for(Duration::from_millis(10));
    }
    let got = world.network.counters(liar).received_bytes - before;
    // Ten seconds and the burst, its own questions counted as well; without limits it would be 100 MB.
    assert!((200_000..1_300_000).contains(&got), "{got} bytes");
    assert!(world.stats("a", victim).limited > 1_000);
    assert!(world.stats("a", world.ids[1]).limited == 0, "others do not notice");
}

#[test]
fn a_flood_is_dropped_unread_and_others_are_still_heard() {
    let rate = Rate { messages: 50, bytes: 1 << 20, burst: SECOND };
    let (mut world, victim, liar) = world(|config| config.peer_rate = rate);
    let now = epoch().plus(world.network.now() - dsys_core::Time::ZERO);
    let before = world.stats("a", victim);
    for seq in 0..2_000 {
        // Each of them good.
        let one = Envelope::sign(&world.keys[5], name("a"), seq, now, now.plus(60 * SECOND), "me".into());
        send(&mut world, liar, victim, gossip(one.digest().id(), one.encode()));
    }
    world.network.run_for(SECOND / 2);
    world.publish("a", world.ids[1], "heard");
    world.network.run_for(SECOND);
    let cost = world.stats("a", victim);
    let checked = cost.door.signatures_checked - before.door.signatures_checked;
    assert!((50..=140).contains(&checked), "{checked}");
    assert!(cost.limited > 1_800);
    assert!(world.log("a", victim).contains(&"heard".to_owned()));
}

#[test]
fn a_peer_that_lies_about_the_way_is_barred_after_as_many_checks_as_hops() {
    let (mut world, victim, liar) = world(|config| config.sign_hops = true);
    let now = epoch().plus(world.network.now() - dsys_core::Time::ZERO);
    let one = Envelope::sign(&world.keys[1], name("a"), 1, now, now.plus(60 * SECOND), "x".into());
    let id = one.digest().id();
    // "I had it from 1", who never said so.
    let mut hops: Hops = extend(&world.keys[5], id, None, world.ids[1], victim, 32);
    hops.signed.insert(0, (world.ids[1], Signature::from_bytes([1; 64])));
    hops.from = world.ids[1];
    let message = plumtree::Message::Gossip { id, hops: 2, payload: one.encode() };
    send(&mut world, liar, victim, wire(Body::Signed { message, hops }));
    world.network.run_for(2 * SECOND);
    let cost = world.stats("a", victim);
    assert_eq!((cost.bad_paths, cost.barred, cost.kept, delivered(&mut world)), (1, 1, 0, 0));
    // More hops than allowed: not one is checked.
    let (mut world, victim, liar) = self::world(|config| config.sign_hops = true);
    let hops = Hops { from: liar, signed: vec![(liar, Signature::from_bytes([1; 64])); 33] };
    let message = plumtree::Message::Gossip { id, hops: 2, payload: one.encode() };
    send(&mut world, liar, victim, wire(Body::Signed { message, hops }));
    world.network.run_for(2 * SECOND);
    assert_eq!((world.stats("a", victim).bad_paths, delivered(&mut world)), (1, 0));
}

#[test]
fn messages_for_a_topic_we_are_not_in_cost_nothing_and_whoever_asks_is_refused() {
    let mut world = World::new(1, 3, Config::default());
    let (one, other, third) = (world.ids[0], world.ids[1], world.ids[2]);
    world.join("a", other, one);
    world.join("a", third, other);
    world.network.run_for(20 * SECOND);
    assert!(world.machine(one).strangers() > 0);
    assert!(world.machine(one).store().is_empty() && world.machine(one).stats(&name("a")).is_none());
    assert_eq!(world.stats("a", other).neighbours, 1, "the third, not the first");
    // Later it joins after all, and is let in.
    world.join("a", one, third);
    world.network.run_for(20 * SECOND);
    assert_eq!(world.stats("a", one).neighbours, 2);
}
