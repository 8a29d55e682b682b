//! The handle, over QUIC on loopback and over the network in memory.
#![cfg(feature = "net")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

mod stores;

use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeAddr, SecretKey};
use dsys_gossip::links::Detection;
use dsys_gossip::membership::full::{self, Meta, State};
use dsys_gossip::router::{Config, FeedConfig, Rate};
use dsys_gossip::{
    Cursor, DeleteError, Event, Gossip, JoinError, MemoryStore, Message, MetaError, PublishError, SpawnError,
    Subscription, TopicHandle,
};
use dsys_transport::{MemoryNetwork, Node, NodeConfig, Quic, QuicConfig};

#[derive(Clone)]
enum World {
    Quic,
    Memory(MemoryNetwork),
}

macro_rules! over_each_transport {
    ($($name:ident),* $(,)?) => {
        mod over_quic { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::World::Quic).await }
        )* }
        mod over_memory { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::World::Memory(super::MemoryNetwork::new())).await }
        )* }
    };
}

over_each_transport!(
    twenty_nodes_tell_each_other_and_a_late_one_gets_the_history,
    what_is_published_alone_waits_for_the_first_who_comes,
    a_slow_reader_is_told_what_it_missed,
    topics_are_left_and_joined_again,
    a_peer_that_is_cut_off_goes_down_and_comes_back_whole,
    ends_are_told,
    whoever_wrote_a_message_can_delete_it,
    with_low_power_what_waits_is_carried_from_contact_to_contact,
    a_leaf_is_fed_by_a_node_of_the_tree,
    members_are_known_with_what_they_say_of_themselves,
    in_a_small_topic_all_know_all,
);

impl World {
    fn node(&self) -> Node {
        let key = SecretKey::generate().unwrap();
        match self {
            World::Quic => {
                let quic = Quic::bind(&key, &["127.0.0.1:0".parse().unwrap()], QuicConfig::test());
                Node::new(quic.unwrap(), NodeConfig::default())
            }
            World::Memory(network) => Node::new(network.transport_of(&key), NodeConfig::default()),
        }
    }

    fn gossip(&self) -> (Node, Gossip) {
        let node = self.node();
        let gossip = Gossip::builder(&node).store(MemoryStore::with_budget(1 << 20)).spawn().unwrap();
        (node, gossip)
    }
}

/// Fails the test, instead of hanging it, when something does not come. Generous: it says nothing about speed.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(40), future).await {
        Ok(value) => value,
        Err(_) => panic!("still waiting: {what}"),
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The next message; other events are passed over.
async fn message(from: &mut Subscription) -> Message {
    soon("a message", async {
        loop {
            if let Event::Message(message) = from.next().await.unwrap() {
                return message;
            }
        }
    })
    .await
}

async fn texts(from: &mut Subscription, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(String::from_utf8(message(from).await.payload.to_vec()).unwrap());
    }
    texts
}

async fn twenty_nodes_tell_each_other_and_a_late_one_gets_the_history(world: World) {
    let (first, gossip) = world.gossip();
    let topic = gossip.open("news.announce").await.unwrap();
    let mut all = vec![(first.clone(), gossip, topic)];
    for _ in 1..20 {
        let (node, gossip) = world.gossip();
        let topic = gossip.join("news.announce", [first.ticket()]).await.unwrap();
        assert!(soon("a neighbour", topic.joined()).await);
        all.push((node, gossip, topic));
    }
    let mut readers: Vec<Subscription> =
        all.iter().map(|(_, _, topic)| topic.subscribe_from(Cursor::Oldest)).collect();
    for number in 0..30 {
        let published = all[number % 20].2.publish(format!("{number}")).await.unwrap();
        assert!(published.neighbours > 0);
        // One after the other, so that all logs have one order.
        for reader in &mut readers {
            let message = message(reader).await;
            assert_eq!(message.payload, number.to_string());
            assert_eq!((message.origin, message.id), (all[number % 20].0.id(), published.id));
        }
    }
    let (_node, late) = world.gossip();
    let topic = late.join("news.announce", [all[7].0.ticket()]).await.unwrap();
    let mut reader = topic.subscribe_from(Cursor::Oldest);
    let expected: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(texts(&mut reader, 30).await, expected);
    // What the tree brought and what catching up did, if the tree was slow, make all that others wrote.
    let fetched = || all[3].2.stats().catch_up.fetched;
    let written = (0..30).filter(|number| number % 20 != 3).count() as u64;
    until("measured", || all[3].2.quality().delivered + fetched() == written).await;
    let quality = all[3].2.quality();
    assert!(quality.t_last < Duration::from_secs(40) && quality.t_avg <= quality.t_last, "{quality}");
    until("counted", || topic.stats().catch_up.fetched > 0).await;
    assert_eq!(topic.stats().door.forged, 0);
}

async fn what_is_published_alone_waits_for_the_first_who_comes(world: World) {
    let (one, gossip) = world.gossip();
    let topic = gossip.open("a").await.unwrap();
    let published = topic.publish("first").await.unwrap();
    assert_eq!(published.neighbours, 0);
    let second = topic.publish("second").await.unwrap();
    assert_eq!(second.seq, published.seq + 1);
    assert_eq!(
        topic.publish(vec![0; 65_537]).await,
        Err(PublishError::TooLarge { size: 65_537, most: 65_536 })
    );
    until("counted", || topic.stats().published_alone == 2).await;
    let (_other, theirs) = world.gossip();
    let theirs = theirs.join("a", [one.ticket()]).await.unwrap();
    let mut reader = theirs.subscribe_from(Cursor::Oldest);
    assert_eq!(soon("up", reader.next()).await, Some(Event::PeerUp(one.id())));
    assert_eq!(texts(&mut reader, 2).await, ["first", "second"]);
    // The largest that may be goes through whole.
    topic.publish(vec![7; 65_536]).await.unwrap();
    assert_eq!(message(&mut reader).await.payload.len(), 65_536);
}

async fn a_slow_reader_is_told_what_it_missed(world: World) {
    let node = world.node();
    let store = MemoryStore::with_budget(1 << 20).messages(10);
    let gossip = Gossip::builder(&node).store(store).spawn().unwrap();
    let topic = gossip.open("a").await.unwrap();
    let mut reader = topic.subscribe();
    topic.publish("0").await.unwrap();
    assert_eq!(message(&mut reader).await.payload, "0");
    for number in 1..=50 {
        topic.publish(number.to_string()).await.unwrap();
    }
    // The place after 0 is the first of those that went.
    assert_eq!(soon("lagged", reader.next()).await, Some(Event::Lagged { skipped: 40 }));
    assert_eq!(message(&mut reader).await.payload, "41");
    let mut second = topic.subscribe_from(reader.cursor());
    assert_eq!(message(&mut second).await.payload, "42");
    assert_eq!(texts(&mut reader, 9).await.last().unwrap(), "50");
    let mut newest = topic.subscribe();
    topic.publish("51").await.unwrap();
    assert_eq!(message(&mut newest).await.payload, "51");
    // What is dropped half-way loses nothing.
    for _ in 0..3 {
        let cut = tokio::time::timeout(Duration::ZERO, newest.next()).await;
        assert!(cut.is_err());
    }
    topic.publish("52").await.unwrap();
    assert_eq!(message(&mut newest).await.payload, "52");
}

async fn topics_are_left_and_joined_again(world: World) {
    let (one, gossip) = world.gossip();
    let a = gossip.open("a").await.unwrap();
    let again = gossip.open("a").await.unwrap();
    let b = gossip.open("b").await.unwrap();
    let (other, theirs) = world.gossip();
    let their_a = theirs.join("a", [one.ticket()]).await.unwrap();
    let their_b = theirs.join("b", [one.ticket()]).await.unwrap();
    assert!(soon("a", their_a.joined()).await && soon("b", their_b.joined()).await);
    until("both ways", || a.neighbours() == [other.id()] && b.neighbours() == [other.id()]).await;
    let mut reader = a.subscribe();
    their_a.publish("one").await.unwrap();
    assert_eq!(texts(&mut reader, 1).await, ["one"]);
    drop(a);
    drop(reader);
    assert_eq!(again.neighbours(), [other.id()], "there is a handle still");
    drop(again);
    until("a was left", || their_a.neighbours().is_empty()).await;
    assert_eq!(their_b.neighbours(), [one.id()]);
    // Anew, with nothing in memory: what the other kept comes back.
    let a = gossip.join("a", [other.ticket()]).await.unwrap();
    let mut reader = a.subscribe_from(Cursor::Oldest);
    assert_eq!(texts(&mut reader, 1).await, ["one"]);
    let connections = one.stats().peers.len();
    assert_eq!(connections, 1, "one connection for all topics");
}

async fn a_peer_that_is_cut_off_goes_down_and_comes_back_whole(world: World) {
    let (one, gossip) = world.gossip();
    let topic = gossip.open("a").await.unwrap();
    let mut events = topic.subscribe();
    let node = world.node();
    let theirs = Gossip::builder(&node).spawn().unwrap();
    let their_topic = theirs.join("a", [one.ticket()]).await.unwrap();
    assert_eq!(soon("up", events.next()).await, Some(Event::PeerUp(node.id())));
    drop((their_topic, theirs));
    assert_eq!(soon("down", events.next()).await, Some(Event::PeerDown(node.id())));
    topic.publish("while it was away").await.unwrap();
    // The same node, anew.
    until("the tag is free", || Gossip::builder(&node).spawn().is_ok()).await;
    let theirs = soon("the tag is free", async {
        loop {
            match Gossip::builder(&node).spawn() {
                Ok(gossip) => return gossip,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
    let their_topic = theirs.join("a", [one.ticket()]).await.unwrap();
    let mut reader = their_topic.subscribe_from(Cursor::Oldest);
    assert_eq!(texts(&mut reader, 1).await, ["while it was away"]);
}

async fn ends_are_told(world: World) {
    let node = world.node();
    let nameless = Node::new(MemoryNetwork::new().transport(node.id()), NodeConfig::default());
    assert!(matches!(Gossip::builder(&nameless).spawn(), Err(SpawnError::NoSigner)));
    let config = Config { max_topics: 1, ..Config::default() };
    let gossip = Gossip::builder(&node).config(config).spawn().unwrap();
    assert!(matches!(Gossip::builder(&node).spawn(), Err(SpawnError::Protocol(_))));
    assert!(matches!(gossip.open("Not a name").await, Err(JoinError::Name(_))));
    let topic: TopicHandle = gossip.open("a").await.unwrap();
    assert_eq!(gossip.open("b").await.err(), Some(JoinError::TooMany(1)));
    let mut reader = topic.subscribe();
    assert!(topic.contact([NodeAddr::new(world.node().id())]).await.is_ok());
    soon("the end", node.shutdown(Duration::from_secs(2))).await;
    assert_eq!(soon("no more", reader.next()).await, None);
    assert_eq!(topic.publish("x").await, Err(PublishError::Ended));
    assert!(!topic.joined().await);
    assert_eq!(gossip.open("c").await.err(), Some(JoinError::Ended));
}

async fn whoever_wrote_a_message_can_delete_it(world: World) {
    let (one, gossip) = world.gossip();
    let ours = gossip.open("a").await.unwrap();
    let (_other, also) = world.gossip();
    let theirs = also.join("a", [one.ticket()]).await.unwrap();
    let mut reader = theirs.subscribe_from(Cursor::Oldest);
    let published = ours.publish("wrong").await.unwrap();
    let read = message(&mut reader).await;
    assert_eq!((read.id, read.deletes), (published.id, None));
    assert_eq!(theirs.delete(published.id).await, Err(DeleteError::NotOurs));
    ours.delete(published.id).await.unwrap();
    let deleted = soon("the deletion", async {
        loop {
            if let Event::Deleted { id, origin, .. } = reader.next().await.unwrap() {
                return (id, origin);
            }
        }
    });
    assert_eq!(deleted.await, (published.id, one.id()));
    ours.publish("right").await.unwrap();
    assert_eq!(texts(&mut theirs.subscribe_from(Cursor::Oldest), 1).await, ["right"]);
    assert_eq!(texts(&mut theirs.subscribe_from(reader.cursor()), 1).await, ["right"]);
}

async fn members_are_known_with_what_they_say_of_themselves(world: World) {
    let spawn = |node: &Node| {
        let swim = Detection::Swim(Arc::new(full::Config::default()));
        Gossip::builder(node).detection(swim).spawn().unwrap()
    };
    let (one, other) = (world.node(), world.node());
    let (first, second) = (spawn(&one), spawn(&other));
    let _topic = first.open("a").await.unwrap();
    let _theirs = second.join("a", [one.ticket()]).await.unwrap();
    let role = Meta::from([("role".to_owned(), "store".to_owned())]);
    first.members().tell(role.clone()).await.unwrap();
    let mut members = second.members();
    soon("what the other says of itself", async {
        while members.all().iter().all(|member| (member.id, &member.meta) != (one.id(), &role)) {
            assert!(members.changed().await);
        }
    })
    .await;
    let large = Meta::from([("role".to_owned(), "x".repeat(600))]);
    let most = full::Config::default().max_meta;
    assert_eq!(first.members().tell(large).await, Err(MetaError::TooLarge { size: 606, most }));
    // It dies without a word.
    one.shutdown(Duration::ZERO).await;
    soon("its death", async {
        while members.all().iter().all(|member| member.state != State::Down) {
            assert!(members.changed().await);
        }
    })
    .await;
    let (_node, gossip) = world.gossip();
    assert!(gossip.members().all().is_empty());
    assert_eq!(gossip.members().tell(role).await, Err(MetaError::NoMembers));
}

async fn with_low_power_what_waits_is_carried_from_contact_to_contact(world: World) {
    // As slow as a test can wait for: what it may cost is judged in the simulator.
    let rate = Rate { messages: 1_000, bytes: 20_000, burst: Duration::from_secs(1) };
    // What is lost where two connections become one is asked for again sooner than after minutes.
    let (probe_every, answer_within) = (Duration::from_millis(200), Duration::from_secs(2));
    let feed = FeedConfig { rate, probe_every, answer_within, ..FeedConfig::low_power() };
    let nodes = [world.node(), world.node(), world.node()];
    let start = |at: usize| Gossip::builder(&nodes[at]).low_power(feed.clone()).spawn().unwrap();
    let (first, last) = (start(0), start(2));
    let one = first.join("a", [nodes[1].addr()]).await.unwrap();
    let other = last.join("a", [nodes[1].addr()]).await.unwrap();
    let long = "a line that takes some frames ".repeat(40);
    assert_eq!(one.publish(long.clone()).await.unwrap().neighbours, 0, "nobody is there: it waits");
    let (mut events, mut back) = (other.subscribe_from(Cursor::Oldest), one.subscribe());
    // The one between them comes, who names nobody.
    let middle = start(1);
    let carrier = middle.open("a").await.unwrap();
    assert_eq!(message(&mut events).await.payload, long);
    other.publish("thanks").await.unwrap();
    assert_eq!(message(&mut back).await.payload, "thanks");
    until("who was heard", || carrier.neighbours().len() == 2).await;
    until("each came once", || carrier.stats().feed.received == 2).await;
}

async fn a_leaf_is_fed_by_a_node_of_the_tree(world: World) {
    let rate = Rate { messages: 1_000, bytes: 20_000, burst: Duration::from_secs(1) };
    let (_node, tree) = world.gossip();
    let (gateway_node, gateway) = world.gossip();
    let inside = tree.join("a", [gateway_node.addr()]).await.unwrap();
    let _gate = gateway.open("a").await.unwrap();
    assert!(soon("a neighbour", inside.joined()).await);
    let leaf_node = world.node();
    let answer_within = Duration::from_secs(2);
    let feed = FeedConfig { rate, answer_within, ..FeedConfig::low_power() };
    let leaf = Gossip::builder(&leaf_node).low_power(feed).spawn().unwrap();
    let outside = leaf.join("a", [gateway_node.addr()]).await.unwrap();
    let (mut up, mut down) = (inside.subscribe_from(Cursor::Oldest), outside.subscribe_from(Cursor::Oldest));
    outside.publish("up").await.unwrap();
    assert_eq!(message(&mut up).await.payload, "up");
    inside.publish("down").await.unwrap();
    while message(&mut down).await.payload != "down" {}
}

async fn in_a_small_topic_all_know_all(world: World) {
    let nodes: Vec<(Node, Gossip)> = (0..5).map(|_| world.gossip()).collect();
    let mut topics = Vec::new();
    for (_, gossip) in &nodes {
        topics.push(gossip.join_full("a", [nodes[0].0.ticket()]).await.unwrap());
    }
    until("all are neighbours", || topics.iter().all(|topic| topic.neighbours().len() == 4)).await;
    let role = Meta::from([("role".to_owned(), "host".to_owned())]);
    topics[0].members().tell(role.clone()).await.unwrap();
    let mut members = topics[3].members();
    soon("what the first says of itself", async {
        while members.all().iter().all(|one| (one.id, &one.meta) != (nodes[0].0.id(), &role)) {
            assert!(members.changed().await);
        }
    })
    .await;
    let mut events = topics[4].subscribe_from(Cursor::Oldest);
    topics[1].publish("hello").await.unwrap();
    assert_eq!(message(&mut events).await.payload, "hello");
    let large = Meta::from([("role".to_owned(), "x".repeat(600))]);
    let most = full::Config::default().max_meta;
    assert_eq!(topics[0].members().tell(large).await, Err(MetaError::TooLarge { size: 606, most }));
    let other = nodes[0].1.open("b").await.unwrap();
    assert_eq!(other.members().tell(role).await, Err(MetaError::NoMembers));
    // One is gone without a word.
    nodes[2].0.shutdown(Duration::ZERO).await;
    let gone = nodes[2].0.id();
    until("a death", || !topics[0].neighbours().contains(&gone)).await;
}
