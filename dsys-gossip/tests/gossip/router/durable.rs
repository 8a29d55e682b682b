//! What outlives a crash: published messages, deletions, numbers, and the places that others remember.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{Context, Effect, Input, Machine, NodeAddr, NodeId, Rng, SecretKey, Time, Write};
use dsys_gossip::router::{Command, Config, Cursor, Event, Published, Router};
use dsys_gossip::{MemoryStore, MessageId};
use dsys_sim::swarm::Campaign;
use dsys_sim::{Crash, Network};

use super::SECOND;
use super::world::{epoch, join_again_and_again, name};

fn router(id: NodeId, records: &[Vec<u8>], store: MemoryStore) -> Router {
    // Nodes of a campaign have no keys: theirs are made of their names.
    let key = Arc::new(SecretKey::from_bytes(*id.as_bytes()));
    let config = Config { compare_every: 5 * SECOND, ..Config::default() };
    let router = Router::new(key, id, store, epoch(), config);
    router.restore(records.iter().map(Vec::as_slice)).unwrap()
}

/// One node without others, and its disk.
struct Bench {
    router: Router,
    records: Vec<Vec<u8>>,
    rng: Rng,
    now: Time,
}

impl Bench {
    fn new() -> Self {
        let router = router(NodeId::from_number(7), &[], store());
        Bench { router, records: Vec::new(), rng: Rng::from_seed(1), now: Time::ZERO }
    }

    fn restart(&mut self) {
        self.router = router(NodeId::from_number(7), &self.records, store());
        self.give(Command::Join { topic: name("a"), contacts: vec![] });
    }

    fn give(&mut self, command: Command) -> Vec<Event> {
        self.now += SECOND;
        let mut effects = Vec::new();
        let mut cx = Context::new(self.now, &mut self.rng, &mut effects);
        self.router.handle(Input::Command(command), &mut cx);
        let mut events = Vec::new();
        for effect in effects {
            match effect {
                Effect::Store(_, Write::Append(record)) => self.records.push(record),
                Effect::Emit(event) => events.push(event),
                _ => {}
            }
        }
        events
    }

    fn publish(&mut self, text: &str) -> Published {
        let publish = Command::Publish { topic: name("a"), ticket: 1, payload: text.to_owned().into() };
        self.outcome(publish)
    }

    fn delete(&mut self, id: MessageId) -> Published {
        self.outcome(Command::Delete { topic: name("a"), ticket: 1, id })
    }

    fn outcome(&mut self, command: Command) -> Published {
        let outcome = self.give(command).into_iter().find_map(|event| match event {
            Event::Published { outcome, .. } => Some(outcome),
            _ => None,
        });
        outcome.unwrap().unwrap()
    }

    /// Places and texts.
    fn log(&mut self) -> Vec<(u64, String)> {
        let read = Command::Read { topic: name("a"), ticket: 0, from: Cursor::Oldest, most: 1_000 };
        let page = self.give(read).into_iter().find_map(|event| match event {
            Event::Page { messages, .. } => Some(messages),
            _ => None,
        });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        page.unwrap().iter().map(|message| (message.place, text(&message.payload))).collect()
    }
}

fn store() -> MemoryStore {
    MemoryStore::with_budget(1 << 20).messages(5)
}

#[test]
fn after_a_restart_history_is_there_and_numbers_and_places_go_on() {
    let mut bench = Bench::new();
    bench.give(Command::Join { topic: name("a"), contacts: vec![] });
    let one = bench.publish("one");
    let two = bench.publish("two");
    let expected = |texts: &[(u64, &str)]| -> Vec<(u64, String)> {
        texts.iter().map(|(place, text)| (*place, (*text).to_owned())).collect()
    };
    bench.restart();
    assert_eq!(bench.log(), expected(&[(0, "one"), (1, "two")]));
    let three = bench.publish("three");
    assert_eq!((two.seq, three.seq), (one.seq + 1, one.seq + 2));
    bench.delete(two.id);
    let log = expected(&[(0, "one"), (2, "three"), (3, "")]);
    assert_eq!(bench.log(), log);
    bench.restart();
    assert_eq!(bench.log(), log, "what was deleted stays so");
    // What the bounds drop is dropped at the next start as well.
    for number in 4..8 {
        bench.publish(&number.to_string());
    }
    let log = expected(&[(3, ""), (4, "4"), (5, "5"), (6, "6"), (7, "7")]);
    assert_eq!(bench.log(), log);
    bench.restart();
    assert_eq!(bench.log(), log);
    // To leave is not to forget.
    bench.give(Command::Leave(name("a")));
    bench.give(Command::Join { topic: name("a"), contacts: vec![] });
    assert_eq!(bench.log(), log);
    assert_eq!(bench.publish("8").seq, one.seq + 8);
}

#[test]
fn records_cut_off_anywhere_are_a_beginning_and_damaged_ones_are_named() {
    let mut bench = Bench::new();
    bench.give(Command::Join { topic: name("a"), contacts: vec![] });
    let ids: Vec<MessageId> = (0..6).map(|number| bench.publish(&number.to_string()).id).collect();
    bench.delete(ids[3]);
    let all = bench.records.clone();
    for count in 0..=all.len() {
        bench.records = all[..count].to_vec();
        bench.restart();
        assert!(bench.log().windows(2).all(|two| two[0].0 < two[1].0));
    }
    let key = || Arc::new(SecretKey::from_bytes([1; 32]));
    for (at, record) in all.iter().enumerate() {
        let mut damaged = all.clone();
        for (what, bytes) in [("cut", &record[..record.len() / 2]), ("newer", &[&[9], &record[1..]].concat())]
        {
            damaged[at] = bytes.to_vec();
            let router = Router::new(key(), key().public(), store(), epoch(), Config::default());
            let restored = router.restore(damaged.iter().map(Vec::as_slice));
            let error = restored.expect_err(what);
            assert_eq!(error.0, at, "{what}");
        }
    }
}

#[test]
fn whatever_crashes_nothing_that_was_published_is_lost_and_no_number_is_used_twice() {
    let mut campaign = Campaign::new(|id: NodeId, records: &[Vec<u8>], _: &[NodeId]| {
        router(id, records, MemoryStore::with_budget(1 << 20))
    })
    .work(|network, nodes| {
        join_again_and_again(network, nodes);
        for number in 0..24u64 {
            let (payload, topic) = (number.to_string().into(), name("a"));
            let publish = Command::Publish { topic, ticket: number, payload };
            let node = nodes[number as usize % nodes.len()];
            network.command_at(Time::ZERO + Duration::from_millis(300 + 700 * number), node, publish);
        }
    })
    .invariant(|network| {
        let mut numbers = BTreeSet::new();
        let mut published: BTreeMap<NodeId, usize> = BTreeMap::new();
        for emitted in network.events() {
            if let Event::Published { outcome: Ok(done), .. } = &emitted.event {
                *published.entry(emitted.node).or_default() += 1;
                if !numbers.insert((emitted.node, done.seq)) {
                    return Err(format!("{:?} has used {} twice", emitted.node, done.seq));
                }
            }
        }
        let lacks = network
            .machines()
            .find(|(id, node)| node.store().len() < published.get(id).copied().unwrap_or(0));
        match lacks {
            Some((id, node)) => Err(format!("{id:?} has {} and has published more", node.store().len())),
            None => Ok(()),
        }
    })
    .goal(|network| {
        let published = network
            .events()
            .iter()
            .filter(|emitted| matches!(emitted.event, Event::Published { outcome: Ok(_), .. }));
        let (least, waits) = (published.count(), network.now() < Time::ZERO + 40 * SECOND);
        match network.machines().find(|(_, node)| node.store().len() < least || waits) {
            Some((id, node)) => Err(format!("{id:?} has {} of {least}", node.store().len())),
            None => Ok(()),
        }
    });
    campaign.check_every = 200;
    campaign.patience = Duration::from_secs(100);
    if let Err(failure) = campaign.run(0..40) {
        panic!("{failure}");
    }
}

#[test]
fn after_a_restart_only_what_is_new_is_asked_for() {
    let mut network: Network<Router> = Network::new(dsys_sim::Config::new(3));
    let ids = [SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32])].map(|key| key.public());
    let make = |id: NodeId, records: &[Vec<u8>]| router(id, records, MemoryStore::with_budget(1 << 20));
    ids.iter().for_each(|id| network.add_named(*id, make(*id, &[])).unwrap());
    network.set_spawn(make);
    let join = |network: &mut Network<Router>, at: usize| {
        let contacts = vec![NodeAddr::new(ids[1 - at])];
        network.command(ids[at], Command::Join { topic: name("a"), contacts });
        network.run_for(20 * SECOND);
    };
    let publish = |network: &mut Network<Router>, numbers: std::ops::Range<u64>| {
        for number in numbers {
            let payload = number.to_string().into();
            network.command(ids[0], Command::Publish { topic: name("a"), ticket: number, payload });
        }
        network.run_for(20 * SECOND);
    };
    [0, 1].into_iter().for_each(|at| join(&mut network, at));
    publish(&mut network, 0..300);
    assert!(network.crash(ids[1], Crash::PROCESS));
    publish(&mut network, 300..305);
    assert!(network.restart(ids[1]));
    join(&mut network, 1);
    let machine = network.machine(ids[1]).unwrap();
    let stats = machine.stats(&name("a")).unwrap().catch_up;
    assert_eq!((machine.store().len(), stats.fetched, stats.compared), (305, 5, 0), "{stats:?}");
    assert!(stats.named < 20, "{stats:?}");
    // Nor does leaving forget it.
    network.command(ids[1], Command::Leave(name("a")));
    join(&mut network, 1);
    let stats = network.machine(ids[1]).unwrap().stats(&name("a")).unwrap().catch_up;
    assert!(stats.named < 20 && stats.asked > 0, "{stats:?}");
}
