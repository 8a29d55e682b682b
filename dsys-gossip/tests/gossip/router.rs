//! All topics of a node as one machine: joining, losing, catching up, reading, and what hostile peers can do.

mod compare;
mod deleting;
mod durable;
mod fast;
mod feed;
mod hostile;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeId, SecretKey, Time};
use dsys_gossip::path::{Proof, blame};
use dsys_gossip::router::{Command, Config, Cursor, Event, Published, Rate, Refused, Router};
use dsys_gossip::{MemoryStore, MessageId};
use dsys_sim::swarm::Campaign;
use dsys_sim::{Connections, Crash, Faults};

use world::{World, join_again_and_again, name};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn everybody_in_a_topic_is_told_once_and_nobody_else() {
    let mut world = World::new(1, 30, Config::default());
    let (inside, outside) = (world.ids[..20].to_vec(), world.ids[20..].to_vec());
    world.join_all("a", &inside);
    world.join_all("b", &outside);
    world.network.run_for(10 * SECOND);
    world.network.take_events();
    for (number, from) in [inside[3], inside[17], inside[3], outside[2]].into_iter().enumerate() {
        let topic = if number == 3 { "b" } else { "a" };
        world.publish(topic, from, &format!("message {number}"));
        world.network.run_for(SECOND);
    }
    world.network.run_for(3 * SECOND);
    let (mut given, mut seqs) = (Vec::new(), Vec::new());
    for emitted in world.network.take_events() {
        if let Event::Delivered(topic, message) = emitted.event {
            let text = String::from_utf8(message.payload.to_vec()).unwrap();
            given.push((topic.to_string(), text, emitted.node));
            if emitted.node == inside[5] {
                assert_eq!(message.envelope.origin, message.origin);
                seqs.push((message.origin, message.seq));
            }
        }
    }
    let mut expected = Vec::new();
    for number in 0..4 {
        let (topic, nodes) = if number == 3 { ("b", &outside) } else { ("a", &inside) };
        expected.extend(nodes.iter().map(|id| (topic.to_owned(), format!("message {number}"), *id)));
    }
    given.sort();
    expected.sort();
    assert_eq!(given, expected);
    assert_eq!((seqs[0].0, seqs[2].0, seqs[2].1), (inside[3], inside[3], seqs[0].1 + 1), "one more");
    let stats = world.stats("a", inside[5]);
    // The others' messages, each once: duplicates cost none.
    assert_eq!((stats.door.signatures_checked, stats.limited, stats.barred), (3, 0, 0));
    let quality = world.machine(inside[5]).quality(&name("a")).unwrap();
    assert!(quality.t_last >= quality.t_95 && quality.t_95 >= quality.t_avg, "{quality}");
    assert!(quality.t_avg > Duration::from_millis(10) && quality.t_last < SECOND, "{quality}");
    assert_eq!((quality.delivered, quality.residue), (3, 0.0));
}

#[test]
fn whoever_comes_late_or_was_away_gets_the_history_in_order() {
    for seed in 0..4 {
        let mut world = World::new(seed, 12, Config::default());
        let early = world.ids[..10].to_vec();
        world.join_all("a", &early);
        world.network.run_for(10 * SECOND);
        // More than one answer has names for, more than is wanted at once.
        for number in 0..600 {
            world.publish("a", early[number % 3], &number.to_string());
            world.network.run_for(Duration::from_millis(5));
        }
        world.network.run_for(5 * SECOND);
        let late = world.ids[10];
        world.network.take_events();
        world.join("a", late, early[4]);
        world.network.run_for(10 * SECOND);
        let log = world.log("a", late);
        let theirs = world.log("a", early[4]);
        assert_eq!(log.len(), 600, "seed {seed}");
        assert_eq!(log.iter().collect::<BTreeSet<_>>(), theirs.iter().collect());
        let stats = world.stats("a", late);
        assert_eq!((stats.catch_up.fetched, stats.door.duplicates), (600, 0), "seed {seed}: each once");
        let quality = world.machine(late).quality(&name("a")).unwrap();
        assert_eq!((quality.delivered, quality.residue), (0, 0.0), "history is no fault of the tree");
        // It restarts with nothing in memory, under the same name: what others remember of it must not matter.
        assert!(world.network.crash(late, Crash::PROCESS));
        world.network.run_for(SECOND);
        assert!(world.network.restart(late));
        world.join("a", late, early[5]);
        world.network.run_for(10 * SECOND);
        assert_eq!(world.log("a", late).len(), 600, "seed {seed}, again");
    }
}

#[test]
fn what_was_published_with_nobody_there_is_there_for_the_first_who_comes() {
    let mut world = World::new(3, 2, Config::default());
    let (one, other) = (world.ids[0], world.ids[1]);
    world.command(one, Command::Join { topic: name("a"), contacts: vec![] });
    for text in ["x", "y", "z"] {
        world.publish("a", one, text);
    }
    world.network.run_for(SECOND);
    let outcomes: Vec<usize> = world
        .network
        .take_events()
        .into_iter()
        .filter_map(|emitted| match emitted.event {
            Event::Published { outcome: Ok(Published { neighbours, .. }), .. } => Some(neighbours),
            _ => None,
        })
        .collect();
    assert_eq!((outcomes, world.stats("a", one).published_alone), (vec![0, 0, 0], 3));
    world.join("a", other, one);
    world.network.run_for(5 * SECOND);
    assert_eq!(world.log("a", other), ["x", "y", "z"]);
    assert_eq!(world.stats("a", one).published, 3);
}

#[test]
fn two_halves_that_were_apart_are_one_again() {
    for seed in 0..4 {
        let mut world = World::new(seed, 16, Config::default());
        let ids = world.ids.clone();
        world.join_all("a", &ids);
        world.network.run_for(15 * SECOND);
        let (one, other) = ids.split_at(8);
        let cuts = world.network.partition(one, other);
        world.network.run_for(20 * SECOND);
        for number in 0..40 {
            world.publish("a", ids[number % 16], &number.to_string());
            world.network.run_for(Duration::from_millis(100));
        }
        world.network.run_for(3 * SECOND);
        assert_eq!((world.log("a", one[1]).len(), world.log("a", other[1]).len()), (24, 16), "seed {seed}");
        cuts.into_iter().for_each(|cut| assert!(world.network.heal_cut(cut)));
        // Each half has dropped the other from its views; nobody tells them of each other.
        world.network.run_for(60 * SECOND);
        for id in &ids {
            assert_eq!(world.log("a", *id).len(), 40, "seed {seed}: {id:?}");
        }
    }
}

#[test]
fn with_a_third_of_all_messages_lost_everybody_has_everything_in_the_end() {
    for seed in 0..4 {
        let mut world = World::new(seed, 20, Config::default());
        let ids = world.ids.clone();
        world.join_all("a", &ids);
        world.network.run_for(15 * SECOND);
        world.network.set_faults(Faults { loss: 0.33, duplication: 0.1, reordering: 0.1, ..Faults::NONE });
        for number in 0..60 {
            world.publish("a", ids[number % 20], &number.to_string());
            world.network.run_for(Duration::from_millis(100));
        }
        world.network.run_for(30 * SECOND);
        world.network.set_faults(Faults::NONE);
        world.network.run_for(120 * SECOND);
        for id in &ids {
            assert_eq!(world.log("a", *id).len(), 60, "seed {seed}: {id:?}");
            assert_eq!(world.stats("a", *id).barred, 0, "nobody did wrong");
        }
    }
}

#[test]
fn a_reader_is_told_what_it_missed_and_reads_on() {
    let mut world = World::new(1, 1, Config::default());
    let one = world.ids[0];
    world.store = MemoryStore::with_budget(1 << 20).messages(50);
    world.network.crash(one, Crash::PROCESS);
    world.network.restart(one);
    world.command(one, Command::Join { topic: name("a"), contacts: vec![] });
    let read = |world: &mut World, from, most| {
        world.network.take_events();
        world.command(one, Command::Read { topic: name("a"), ticket: 9, from, most });
        world.network.run_for(Duration::from_millis(1));
        let page = world.network.take_events().into_iter().find_map(|emitted| match emitted.event {
            Event::Page { ticket: 9, messages, next, skipped } => {
                let texts = messages.iter().map(|one| String::from_utf8_lossy(&one.payload).into_owned());
                Some((texts.collect::<Vec<_>>().join(" "), next, skipped))
            }
            _ => None,
        });
        page.unwrap()
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(read(&mut world, Cursor::Oldest, 5), (text(""), Cursor::Oldest, 0));
    assert_eq!(read(&mut world, Cursor::Newest, 5), (text(""), Cursor::Oldest, 0));
    (0..4).for_each(|number| world.publish("a", one, &number.to_string()));
    assert_eq!(read(&mut world, Cursor::Oldest, 3), (text("0 1 2"), Cursor::After(2), 0));
    assert_eq!(read(&mut world, Cursor::After(2), 3), (text("3"), Cursor::After(3), 0));
    assert_eq!(read(&mut world, Cursor::After(3), 3), (text(""), Cursor::After(3), 0));
    assert_eq!(read(&mut world, Cursor::Newest, 3), (text(""), Cursor::After(3), 0));
    (4..100).for_each(|number| world.publish("a", one, &number.to_string()));
    assert_eq!(read(&mut world, Cursor::After(3), 2), (text("50 51"), Cursor::After(51), 46));
    assert_eq!(read(&mut world, Cursor::Oldest, 1), (text("50"), Cursor::After(50), 0));
    assert_eq!((world.stats("a", one).kept, world.stats("a", one).dropped), (50, 50));
    world.command(one, Command::Leave(name("a")));
    assert_eq!(read(&mut world, Cursor::Oldest, 1).0, "");
    assert!(world.machine(one).store().is_empty());
}

#[test]
fn our_own_messages_go_out_at_their_rate_and_what_does_not_fit_is_refused() {
    let rate = Rate { messages: 10, bytes: 1 << 20, burst: SECOND };
    let config = |config: &mut Config| {
        (config.publish_rate, config.max_pending) = (rate, 5);
        config.door.max_payload = 20;
        config.max_topics = 1;
    };
    let mut world = World::with(1, 1, config);
    let one = world.ids[0];
    world.publish("a", one, "too early");
    world.command(one, Command::Join { topic: name("a"), contacts: vec![] });
    world.command(one, Command::Join { topic: name("b"), contacts: vec![] });
    world.publish("a", one, &"x".repeat(21));
    (0..20).for_each(|number| world.publish("a", one, &number.to_string()));
    world.network.run_for(10 * SECOND);
    let (mut sent, mut refused, mut too_many) = (Vec::new(), Vec::new(), 0);
    for emitted in world.network.take_events() {
        match emitted.event {
            Event::Published { outcome: Ok(_), .. } => sent.push(emitted.time),
            Event::Published { outcome: Err(why), .. } => refused.push(why),
            Event::TooMany(topic) => too_many += u32::from(topic == name("b")),
            _ => {}
        }
    }
    let expected = [Refused::NotJoined, Refused::TooLarge { size: 21, most: 20 }];
    assert_eq!((&refused[..2], too_many), (&expected[..], 1));
    assert_eq!((refused.len() - 2, refused[2]), (5, Refused::Full));
    let later: Vec<Time> = sent.iter().copied().filter(|at| *at > Time::ZERO).collect();
    assert_eq!((sent.len(), later.len()), (15, 5));
    assert!(later.windows(2).all(|two| two[1] - two[0] == Duration::from_millis(100)), "{later:?}");
}

#[test]
fn a_signed_way_is_the_way_it_came_and_no_two_prove_anything() {
    for seed in 0..3 {
        let mut world = World::with(seed, 14, |config| config.sign_hops = true);
        let ids = world.ids.clone();
        world.join_all("a", &ids[..13]);
        // Until then a node might have known a message in an earlier life, and says nothing.
        world.publish("a", ids[0], "early");
        world.network.run_for(40 * SECOND);
        (0..5).for_each(|number| world.publish("a", ids[number], &number.to_string()));
        world.network.run_for(5 * SECOND);
        world.join("a", ids[13], ids[1]);
        world.network.run_for(5 * SECOND);
        let mut paths: Vec<(MessageId, _)> = Vec::new();
        let mut lengths = BTreeSet::new();
        for emitted in world.network.take_events() {
            let Event::Delivered(_, message) = emitted.event else { continue };
            if message.from == emitted.node {
                assert!(message.path.is_none(), "our own");
                continue;
            }
            if message.payload == "early" {
                // Only its origin signs.
                assert_eq!(message.path.is_some(), message.from == message.origin);
                continue;
            }
            let path = message.path.unwrap();
            let nodes: Vec<NodeId> = path.nodes().collect();
            assert_eq!(nodes.last(), Some(&message.from));
            assert_eq!((nodes[0], nodes.len()), (message.origin, message.hops as usize), "seed {seed}");
            lengths.insert(nodes.len());
            paths.push((message.id, path));
        }
        assert_eq!(paths.len(), 5 * 13, "seed {seed}");
        assert!(lengths.len() > 2, "{lengths:?} is no test");
        for (one_id, one) in &paths {
            for (other_id, other) in &paths {
                let proven: Vec<_> = blame(one, other).iter().filter_map(Proof::culprit).collect();
                assert!(one_id != other_id || proven.is_empty(), "seed {seed}: {proven:?} is honest");
            }
        }
    }
}

#[test]
fn two_runs_of_a_seed_are_one() {
    let run = || {
        let mut world = World::new(9, 10, Config::default());
        let ids = world.ids.clone();
        world.join_all("a", &ids);
        world.network.set_faults(Faults { loss: 0.1, ..Faults::NONE });
        for id in ids {
            world.publish("a", id, "x");
            world.network.run_for(SECOND);
        }
        world.network.trace_hash()
    };
    assert_eq!(run(), run());
    assert!(matches!(dsys_sim::Config::default().connections, Connections::Tracked { .. }));
}

#[test]
fn after_any_faults_every_log_has_the_same_messages_each_delivered_once() {
    // Nodes of the campaign have no keys: what they write is signed by keys made of their names.
    let mut campaign = Campaign::new(|id: NodeId, _: &[Vec<u8>], _: &[NodeId]| {
        let key = Arc::new(SecretKey::from_bytes(*id.as_bytes()));
        let config = Config { compare_every: 5 * SECOND, ..Config::default() };
        Router::new(key, id, MemoryStore::with_budget(1 << 20), world::epoch(), config)
    })
    .work(|network, nodes| {
        join_again_and_again(network, nodes);
        for number in 0..12u64 {
            let (payload, topic) = (number.to_string().into(), name("a"));
            let publish = Command::Publish { topic, ticket: number, payload };
            let node = nodes[number as usize % nodes.len()];
            network.command_at(Time::ZERO + Duration::from_millis(300 + 1_300 * number), node, publish);
        }
    })
    .invariant(|network| {
        // Nobody is barred, for nobody does wrong; and a life delivers no message twice.
        let barred =
            network.machines().find(|(_, node)| node.stats(&name("a")).is_some_and(|one| one.barred > 0));
        if let Some((id, _)) = barred {
            return Err(format!("{id:?} has barred somebody"));
        }
        let mut lives = BTreeSet::new();
        let mut last = std::collections::BTreeMap::new();
        for emitted in network.events() {
            if let Event::Delivered(_, message) = &emitted.event {
                // Places begin anew with each life.
                let life = last.entry(emitted.node).or_insert((0u32, None));
                if life.1.is_some_and(|place| message.place <= place) {
                    life.0 += 1;
                }
                life.1 = Some(message.place);
                if !lives.insert((emitted.node, life.0, message.id)) {
                    return Err(format!("{:?} was given {:?} twice", emitted.node, message.id));
                }
            }
        }
        Ok(())
    })
    .goal(|network| {
        let kept: Vec<(NodeId, usize)> =
            network.machines().map(|(id, node)| (id, node.store().len())).collect();
        let most = kept.iter().map(|(_, kept)| *kept).max().unwrap_or(0);
        let waits = network.now() < Time::ZERO + 40 * SECOND;
        match kept.iter().find(|(_, kept)| *kept < most || waits) {
            Some((id, kept)) => Err(format!("{id:?} has {kept} of {most}")),
            None => Ok(()),
        }
    });
    campaign.check_every = 200;
    campaign.patience = Duration::from_secs(100);
    if let Err(failure) = campaign.run(0..40) {
        panic!("{failure}");
    }
}
