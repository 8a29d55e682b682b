//! What a document says, ahead of its history: there before it, replaced by it, held against it.

use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, SecretKey};
use dsys_crdt::change::{ChangeId, Open, encode};
use dsys_crdt::doc::{Doc as Alone, Value};
use dsys_crdt::repo::{Doc, Repo, Update};
use dsys_crdt::schema::{Counter, Crdt, Register, Text};
use dsys_crdt::sync::{Config as SyncConfig, Event, Message, Preview, Sync, Wish};
use dsys_sim::{Config, Connections, Crash, Latency, Network};

use crate::hostile::say;
use crate::network::{node, peer, until, update};
use crate::replica::{Act, OURS, Replica};

/// One who has nothing, and shares with a peer.
fn newcomer() -> (Network<Replica>, [NodeId; 2]) {
    let latency = Latency::constant(Duration::from_millis(50));
    let mut network = Network::new(Config { latency, connections: Connections::None, ..Config::new(1) });
    let ids = [network.id(0), network.id(1)];
    network.set_spawn(move |id, disk| {
        Replica::new(id, disk, vec![(OURS, if id == ids[0] { vec![ids[1]] } else { vec![] })], &[])
    });
    (network, ids)
}

fn value(network: &Network<Replica>, node: NodeId) -> Value {
    network.machine(node).unwrap().doc(&OURS).unwrap().value()
}

fn shown(network: &Network<Replica>, node: NodeId) -> Option<Value> {
    network.machine(node).unwrap().preview(&OURS).map(|preview| preview.doc().value())
}

fn told(network: &mut Network<Replica>) -> Vec<Event> {
    let events = network.take_events().into_iter().map(|emitted| emitted.event);
    events.filter(|event| matches!(event, Event::Preview(..) | Event::PreviewEnded(..))).collect()
}

#[test]
fn what_a_document_says_is_there_one_round_trip_before_its_history() {
    let (mut network, [here, there]) = newcomer();
    (0..2).for_each(|_| assert!(network.join().is_some()));
    network.crash(here, Crash::POWER);
    (0..60).for_each(|step| network.command(there, Act::Edit(OURS, step)));
    network.run_for(Duration::from_secs(2));
    let said = value(&network, there);
    network.restart(here);
    // The peer goes on, so that the version is not the last one when all of it has come.
    network.command_at(network.now() + Duration::from_millis(160), there, Act::Edit(OURS, 7));
    let begun = network.now();
    while shown(&network, here).is_none() {
        assert!(network.step());
    }
    assert!(network.now() <= begun + Duration::from_millis(110), "one way there and one back");
    assert_eq!(shown(&network, here), Some(said));
    assert_eq!(value(&network, here), Value::Map(Default::default()));
    assert_eq!(told(&mut network), [Event::Preview(OURS, there)]);
    network.run_for(Duration::from_secs(5));
    assert_eq!(told(&mut network), [Event::PreviewEnded(OURS, there, Some(true))]);
    assert_eq!((shown(&network, here), value(&network, here)), (None, value(&network, there)));

    // Who has something is told nothing of the kind.
    network.crash(here, Crash::PROCESS);
    network.command(there, Act::Edit(OURS, 8));
    network.run_for(Duration::from_secs(2));
    network.restart(here);
    network.run_for(Duration::from_secs(2));
    assert_eq!((told(&mut network), value(&network, here)), (vec![], value(&network, there)));
}

/// What a peer that is not there says, of a document with one change that sets a number.
fn story(said: i64) -> (Message, Message, Vec<ChangeId>) {
    let mut doc = Alone::new(OURS, Open);
    let change = doc.change(&SecretKey::from_bytes([3; 32]), 0, |doc| doc.set("/n", 1)).unwrap();
    let mut other = Alone::new(OURS, Open);
    other.change(&SecretKey::from_bytes([3; 32]), 0, |doc| doc.set("/n", said)).unwrap();
    let (heads, content) = (doc.heads(), Preview::encode(&other).unwrap());
    let preview = Message::Preview { document: OURS, heads: heads.clone(), content };
    (preview, Message::Changes { document: OURS, piece: 1, left: 0, changes: encode(&[change]) }, heads)
}

#[test]
fn a_preview_that_is_not_true_is_told_with_who_has_sent_it() {
    for said in [1, 2] {
        let (mut network, [here, peer]) = newcomer();
        (0..2).for_each(|_| assert!(network.join().is_some()));
        network.run_for(Duration::from_secs(1));
        network.crash(peer, Crash::POWER);
        let (preview, changes, heads) = story(said);
        // It asks whoever has something.
        say(&mut network, peer, here, Message::Heads { document: OURS, heads, wish: Wish::Nothing });
        say(&mut network, peer, here, preview.clone());
        assert_eq!(told(&mut network), [Event::Preview(OURS, peer)]);
        say(&mut network, peer, here, changes);
        assert_eq!(told(&mut network), [Event::PreviewEnded(OURS, peer, Some(said == 1))]);
        assert_eq!((shown(&network, here), value(&network, here)), (None, story_value()));
        // It is not listened to any more.
        say(&mut network, peer, here, preview);
        assert_eq!((told(&mut network), shown(&network, here)), (vec![], None));
    }
}

fn story_value() -> Value {
    Value::Map([("n".to_owned(), Value::Int(1))].into())
}

/// Of a version that nobody has: it goes when the document is what others have.
#[test]
fn a_preview_of_nothing_ends_too() {
    let (mut network, [here, peer]) = newcomer();
    (0..2).for_each(|_| assert!(network.join().is_some()));
    network.run_for(Duration::from_secs(1));
    network.crash(peer, Crash::POWER);
    let (preview, changes, heads) = story(2);
    let Message::Preview { document, content, .. } = preview else { unreachable!() };
    let none = vec![ChangeId::from_bytes([9; 32])];
    say(&mut network, peer, here, Message::Heads { document, heads: none.clone(), wish: Wish::Nothing });
    say(&mut network, peer, here, Message::Preview { document, heads: none, content });
    assert_eq!(told(&mut network), [Event::Preview(OURS, peer)]);
    say(&mut network, peer, here, changes);
    assert_eq!((told(&mut network), shown(&network, here).is_some()), (vec![], true));
    say(&mut network, peer, here, Message::Heads { document, heads, wish: Wish::Nothing });
    assert_eq!(told(&mut network), [Event::PreviewEnded(OURS, peer, None)]);
    assert_eq!(shown(&network, here), None);
}

#[test]
fn a_preview_that_is_none_is_a_violation() {
    let (mut network, [here, peer]) = newcomer();
    (0..2).for_each(|_| assert!(network.join().is_some()));
    network.run_for(Duration::from_secs(1));
    network.crash(peer, Crash::POWER);
    // Nor is one listened to that nobody has asked for, though nothing is here.
    say(&mut network, peer, here, story(1).0);
    assert_eq!((told(&mut network), shown(&network, here)), (vec![], None));
    let preview = |content| Message::Preview { document: OURS, heads: vec![], content };
    say(&mut network, peer, here, preview(vec![0; (4 << 20) + 1]));
    let heads = vec![ChangeId::from_bytes([9; 32])];
    say(&mut network, peer, here, Message::Heads { document: OURS, heads, wish: Wish::Nothing });
    say(&mut network, peer, here, preview(b"nonsense".to_vec()));
    // The document itself, two changes, is none either; nor is a bundle of zeros that would unpack to gigabytes.
    let mut doc = Alone::new(OURS, Open);
    let key = SecretKey::from_bytes([3; 32]);
    (0..2).for_each(|n| drop(doc.change(&key, 0, |doc| doc.set("/n", n)).unwrap()));
    say(&mut network, peer, here, preview(doc.encode_since(&[])));
    let mut bomb = b"dsyschg\x01".to_vec();
    bomb.extend([0x80, 0x80, 0x80, 0x80, 0x01]);
    bomb.resize(2_000_000, 0);
    say(&mut network, peer, here, preview(bomb));
    assert_eq!(network.machine(here).unwrap().sync.stats().violations, 4);
    assert_eq!((told(&mut network), shown(&network, here)), (vec![], None));
}

#[derive(Crdt)]
struct Note {
    title: Register<String>,
    body: Text,
    votes: Counter,
}

/// By its type, on a network; from who has cut the history, so that it stays until another gives that.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_looked_at_by_type_and_by_those_who_want_it_only() {
    let (anna, ben, carla) = (peer(), peer(), peer());
    let here: Doc<Note> = anna.repo.create("note").unwrap();
    here.change(|note| {
        note.title.set("Saturday")?;
        note.body.insert(0, "milk")?;
        note.votes.increment(2)
    })
    .unwrap();
    here.saved().await.unwrap();
    anna.sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();
    let whole: Doc<Note> = ben.repo.join("note", here.link()).unwrap();
    let mut updates = whole.subscribe();
    ben.sync.share(&whole, [anna.node.ticket().0]).await.unwrap();
    until("all of it", || whole.heads().unwrap() == here.heads().unwrap()).await;
    // Carla, too, did not ask for it.
    assert_eq!(here.trim(&here.heads().unwrap()).unwrap(), 1);
    let late: Doc<Note> = carla.repo.join("note", here.link()).unwrap();
    let mut without = late.subscribe();
    carla.sync.share(&late, [anna.node.ticket().0]).await.unwrap();
    let told = update(&mut without, |it| matches!(it, Update::Trimmed { .. } | Update::Preview { .. })).await;
    assert_eq!(told, Update::Trimmed { peer: anna.node.id() });
    assert!(late.preview(|_, _| ()).is_none());

    let (nodes, repo, mut config) = (node(), Repo::memory().unwrap(), SyncConfig::default());
    config.preview = true;
    let sync = Sync::builder(&nodes, &repo).config(config).spawn().unwrap();
    let new: Doc<Note> = repo.join("note", here.link()).unwrap();
    let mut previews = new.subscribe();
    sync.share(&new, [anna.node.ticket().0]).await.unwrap();
    update(&mut previews, |it| *it == Update::Preview { peer: anna.node.id() }).await;
    let seen = new.look_at_preview(|peer, note| {
        assert!(note.title.set("Sunday").is_err(), "it is to be read");
        (peer, note.title.get(), note.body.get(), note.votes.value())
    });
    assert_eq!(seen, Some((anna.node.id(), Some("Saturday".into()), "milk".into(), 2)));
    assert!(new.change(|note| note.votes.increment(1)).is_err(), "nothing has come");
    sync.share(&new, [ben.node.ticket().0]).await.unwrap();
    let ended = update(&mut previews, |it| matches!(it, Update::PreviewEnded { .. })).await;
    // Ben was asked as well, and his word has taken the place of Anna's.
    assert_eq!(ended, Update::PreviewEnded { peer: ben.node.id(), was_true: Some(true) });
    assert!(new.preview(|_, _| ()).is_none());
    assert_eq!(new.look(|note| note.votes.value()).unwrap(), 2);
    while let Ok(Some(it)) = tokio::time::timeout(Duration::ZERO, updates.next()).await {
        assert!(!matches!(it, Update::Preview { .. }));
    }
}
