//! Deleting a message: its death certificate takes it from every log, and it never comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{NodeId, SecretKey, Time};
use dsys_gossip::envelope::Envelope;
use dsys_gossip::router::{Body, Command, Config, Event, Refused, Router, Wire};
use dsys_gossip::{MemoryStore, MessageId, plumtree, topic};
use dsys_sim::swarm::Campaign;
use dsys_sim::{Crash, Letter};

use super::SECOND;
use super::world::{World, epoch, join_again_and_again, name};

fn delete(world: &mut World, node: NodeId, id: MessageId) {
    world.command(node, Command::Delete { topic: name("a"), ticket: 77, id });
}

/// What was delivered: by whom, which message, and what it deletes.
fn delivered(world: &mut World) -> Vec<(NodeId, MessageId, Option<MessageId>)> {
    let events = world.network.take_events().into_iter();
    let given = events.filter_map(|emitted| match emitted.event {
        Event::Delivered(_, message) => Some((emitted.node, message.id, message.deletes)),
        _ => None,
    });
    given.collect()
}

fn tell(world: &mut World, from: NodeId, to: NodeId, envelope: &Envelope) {
    let (id, payload) = (envelope.digest().id(), envelope.encode());
    let message = plumtree::Message::Gossip { id, hops: 1, payload };
    let body = Body::Topic(topic::Message::Broadcast(message));
    world.network.forge(from, Letter { to, message: Wire { topic: name("a").id(), body } });
    world.network.run_for(2 * SECOND);
}

#[test]
fn a_deleted_message_is_gone_everywhere_and_whoever_comes_late_hears_only_that() {
    let mut world = World::new(1, 13, Config::default());
    let ids = world.ids.clone();
    let early = &ids[..12];
    world.join_all("a", early);
    world.network.run_for(10 * SECOND);
    world.network.take_events();
    for text in ["stays", "goes", "stays too"] {
        world.publish("a", ids[3], text);
        world.network.run_for(SECOND);
    }
    let message = delivered(&mut world).iter().filter(|(node, ..)| *node == ids[3]).nth(1).unwrap().1;
    let bytes = world.stats("a", ids[0]).kept_bytes;
    // Another cannot.
    delete(&mut world, ids[4], message);
    world.network.run_for(SECOND);
    let refused = world.network.take_events().into_iter().any(|emitted| {
        matches!(emitted.event, Event::Published { ticket: 77, outcome: Err(Refused::NotOurs) })
    });
    assert!(refused && world.log("a", ids[0]).len() == 3);
    delete(&mut world, ids[3], message);
    world.network.run_for(3 * SECOND);
    let told: BTreeSet<NodeId> =
        delivered(&mut world).into_iter().filter(|one| one.2 == Some(message)).map(|one| one.0).collect();
    assert_eq!(told, early.iter().copied().collect());
    world.join("a", ids[12], ids[7]);
    world.network.run_for(10 * SECOND);
    for id in &ids {
        assert_eq!(world.log("a", *id), ["stays", "stays too", ""], "{id:?}");
        let stats = world.stats("a", *id);
        assert_eq!((stats.deleted, stats.kept), (u64::from(*id != ids[12]), 3));
        assert_eq!(stats.kept_bytes, bytes + 16 - "goes".len());
        assert_eq!(stats.barred, 0, "nobody did wrong");
    }
}

#[test]
fn a_certificate_that_comes_first_keeps_its_message_out_and_costs_no_signature_check() {
    let mut world = World::new(5, 6, Config::default());
    let ids = world.ids.clone();
    let (victim, by) = (ids[0], ids[5]);
    world.join_all("a", &ids);
    world.network.run_for(40 * SECOND);
    let now = epoch().plus(world.network.now() - Time::ZERO);
    let end = now.plus(60 * SECOND);
    let message = Envelope::sign(&*world.keys[5], name("a"), 1, now, end, "back".into());
    let id = message.digest().id();
    let certificate = |key: usize, seq| Envelope::certify(&*world.keys[key], name("a"), seq, now, end, id);
    let (forged, real) = (certificate(4, 2), certificate(5, 3));
    world.network.take_events();
    // Of another: it goes round and means nothing.
    tell(&mut world, by, victim, &forged);
    assert_eq!(delivered(&mut world).len(), 6);
    tell(&mut world, by, victim, &real);
    assert_eq!(delivered(&mut world).len(), 6);
    let before = world.stats("a", victim).door;
    tell(&mut world, by, victim, &message);
    assert_eq!(delivered(&mut world), [], "nor does it go round");
    let after = world.stats("a", victim).door;
    assert_eq!((after.hashed, after.duplicates), (before.hashed, before.duplicates + 1));
    // With the forged one only, it is let in; and nobody deletes a deletion.
    let other = Envelope::sign(&*world.keys[5], name("a"), 4, now, end, "in".into());
    let forged = Envelope::certify(&*world.keys[4], name("a"), 5, now, end, other.digest().id());
    let again = Envelope::certify(&*world.keys[5], name("a"), 6, now, end, real.digest().id());
    let late = Envelope::certify(&*world.keys[4], name("a"), 7, now, end, other.digest().id());
    for envelope in [&forged, &other, &late, &again, &message] {
        tell(&mut world, by, victim, envelope);
    }
    assert_eq!(delivered(&mut world).len(), 24, "all but the last");
    for id in &ids {
        assert_eq!(world.log("a", *id).iter().filter(|text| !text.is_empty()).count(), 1);
    }
}

#[test]
fn a_reader_passes_over_what_was_deleted_and_a_full_store_forgets_certificates_last() {
    let mut world = World::new(1, 1, Config::default());
    let one = world.ids[0];
    world.network.crash(one, Crash::PROCESS);
    world.network.restart(one); // with room for 50
    world.command(one, Command::Join { topic: name("a"), contacts: vec![] });
    (0..4).for_each(|number| world.publish("a", one, &number.to_string()));
    world.network.run_for(SECOND);
    let ids: Vec<MessageId> = delivered(&mut world).into_iter().map(|one| one.1).collect();
    for id in [ids[0], ids[3], ids[1]] {
        delete(&mut world, one, id);
        world.network.run_for(SECOND);
    }
    assert_eq!(world.log("a", one), ["2", "", "", ""]);
    for number in 0..49 {
        world.publish("a", one, &number.to_string());
    }
    let log = world.log("a", one);
    assert_eq!((log.len(), log.iter().filter(|text| text.is_empty()).count()), (50, 1), "the oldest go");
    // The message was forgotten before: it is deleted wherever else it is.
    delete(&mut world, one, ids[2]);
    assert_eq!(world.log("a", one).last().unwrap(), "");
}

#[test]
fn in_no_schedule_of_faults_does_a_deleted_message_come_back() {
    let text = |number: u64| Bytes::from(number.to_string());
    // Deletions of messages that had come before, and of such that had not.
    let count = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let counted = count.clone();
    let signed = |id: &NodeId| Arc::new(SecretKey::from_bytes(*id.as_bytes()));
    let mut campaign = Campaign::new(move |id: NodeId, _: &[Vec<u8>], _: &[NodeId]| {
        let config = Config { compare_every: 5 * SECOND, ..Config::default() };
        Router::new(signed(&id), id, MemoryStore::with_budget(1 << 20), epoch(), config)
    })
    .work(move |network, nodes| {
        join_again_and_again(network, nodes);
        for number in 0..12u64 {
            let node = nodes[number as usize % nodes.len()];
            let at = Time::ZERO + Duration::from_millis(300 + 1_300 * number);
            let publish = Command::Publish { topic: name("a"), ticket: number, payload: text(number) };
            network.command_at(at, node, publish);
        }
        // A number is the time in microseconds in which the life began to publish, and one more each time. Whoever was
        // restarted meanwhile deletes messages that never were, which must not matter.
        for number in 0..6u64 {
            let node = nodes[number as usize % nodes.len()];
            let at = Time::ZERO + Duration::from_millis(2_000 + 1_300 * number);
            let written = epoch().plus(Duration::from_millis(300 + 1_300 * number));
            let seq = written.as_millis() * 1_000;
            let key = SecretKey::from_bytes(*node.as_bytes());
            let envelope = Envelope::sign(&key, name("a"), seq, written, written, text(number));
            let delete = Command::Delete { topic: name("a"), ticket: 50, id: envelope.digest().id() };
            network.command_at(at, node, delete);
        }
    })
    .invariant(move |network| {
        let mut given = BTreeSet::new();
        let mut last: BTreeMap<NodeId, (u32, Option<u64>)> = BTreeMap::new();
        let mut dead = BTreeSet::new();
        for emitted in network.events() {
            let Event::Delivered(_, message) = &emitted.event else { continue };
            // Places begin anew with each life.
            let life = last.entry(emitted.node).or_insert((0, None));
            if life.1.is_some_and(|place| message.place <= place) {
                life.0 += 1;
            }
            life.1 = Some(message.place);
            let life = (emitted.node, life.0);
            match message.deletes {
                Some(deleted) => {
                    counted[usize::from(!given.contains(&(life, deleted)))].fetch_add(1, Ordering::Relaxed);
                    dead.insert((life, deleted, message.origin));
                }
                None if dead.contains(&(life, message.id, message.origin)) => {
                    return Err(format!("{:?} was given {:?}, which is dead", emitted.node, message.id));
                }
                None => drop(given.insert((life, message.id))),
            }
        }
        Ok(())
    })
    .goal(|network| {
        let kept: Vec<(NodeId, usize)> =
            network.machines().map(|(id, node)| (id, node.store().len())).collect();
        let most = kept.iter().map(|(_, kept)| *kept).max().unwrap_or(0);
        let waits = network.now() < Time::ZERO + 40 * SECOND;
        match kept.iter().find(|(_, kept)| *kept != most || waits) {
            Some((id, kept)) => Err(format!("{id:?} has {kept} of {most}")),
            None => Ok(()),
        }
    });
    campaign.check_every = 200;
    campaign.patience = Duration::from_secs(100);
    if let Err(failure) = campaign.run(0..40) {
        panic!("{failure}");
    }
    assert!(count.iter().all(|one| one.load(Ordering::Relaxed) > 0), "{count:?}: nothing was shown");
}
