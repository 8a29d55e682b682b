//! A document whose history one has cut stays in step with those who had that; who had not is told so, and gets it from others.

use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, SecretKey};
use dsys_crdt::change::{Change, ChangeId, Open, encode};
use dsys_crdt::doc::Doc as Alone;
use dsys_crdt::repo::{Doc, Repo, Update};
use dsys_crdt::sync::{Command, Event, Message, Stats, Sync, Wish};
use dsys_sim::{Config, Connections, Crash, Latency, Network};

use crate::hostile::{alone, say};
use crate::network::{begun, node, peer, text, until, update};
use crate::replica::{Act, OURS, Replica};

/// So many nodes that share with those before them, each ten milliseconds from the others.
fn nodes<const N: usize>(shares: [&[usize]; N]) -> (Network<Replica>, [NodeId; N]) {
    let latency = Latency::constant(Duration::from_millis(10));
    let mut network = Network::new(Config { latency, connections: Connections::TRACKED, ..Config::new(1) });
    let ids = std::array::from_fn(|at| network.id(at as u32));
    let shares: Vec<Vec<NodeId>> = shares.iter().map(|at| at.iter().map(|at| ids[*at]).collect()).collect();
    network.set_spawn(move |id, disk| {
        let at = ids.iter().position(|other| *other == id).unwrap();
        Replica::new(id, disk, vec![(OURS, shares[at].clone())], &[])
    });
    ids.iter().for_each(|_| assert!(network.join().is_some()));
    (network, ids)
}

fn doc(network: &Network<Replica>, node: NodeId) -> &Alone<Open> {
    network.machine(node).unwrap().doc(&OURS).unwrap()
}

fn stats(network: &Network<Replica>, node: NodeId) -> Stats {
    network.machine(node).unwrap().sync.stats()
}

fn edit(network: &mut Network<Replica>, node: NodeId, times: u64) {
    (0..times).for_each(|step| network.command(node, Act::Edit(OURS, step)));
    network.run_for(Duration::from_secs(2));
}

fn trim(network: &mut Network<Replica>, node: NodeId, version: Vec<ChangeId>) {
    network.command(node, Act::Trim(OURS, version));
    network.run_for(Duration::from_millis(1));
    assert!(doc(network, node).log().trimmed() > 0);
}

fn count(network: &mut Network<Replica>, wanted: &Event) -> usize {
    network.take_events().iter().filter(|emitted| emitted.event == *wanted).count()
}

#[test]
fn who_lacks_what_was_cut_is_told_so_once_and_gets_it_from_another() {
    let (mut network, [anna, ben, carla]) = nodes([&[], &[0], &[0]]);
    network.crash(carla, Crash::POWER);
    edit(&mut network, anna, 30);
    let heads = doc(&network, ben).heads();
    assert_eq!(heads, doc(&network, anna).heads());
    trim(&mut network, anna, heads);
    network.take_events();
    let before = network.stats().sent;
    network.restart(carla);
    network.run_for(Duration::from_secs(60));
    let (told, sent) = (Event::Trimmed(OURS, anna), network.stats().sent - before);
    let events = network.take_events();
    assert_eq!(events.iter().filter(|it| it.event == told && it.node == carla).count(), 1);
    assert!(!events.iter().any(|it| it.event == Event::InStep(OURS, carla)), "with who has nothing");
    // It is announced by both to two every three seconds, and asked for as often.
    assert!((20..200).contains(&sent), "{sent} messages in a minute");
    assert_eq!((stats(&network, carla).withheld, doc(&network, carla).log().len()), (0, 0));

    // Ben has what was cut, and nothing else. As soon as that has come, Anna is asked.
    network.partition(&[anna], &[ben]);
    edit(&mut network, anna, 3);
    network.command(carla, Act::Sync(Command::Share(OURS, vec![ben])));
    network.run_for(Duration::from_millis(900));
    assert_eq!(doc(&network, carla).heads(), doc(&network, anna).heads());
    assert_eq!((stats(&network, carla).withheld, doc(&network, carla).log().len()), (0, 33));
    network.run_for(Duration::from_secs(2));
    assert_eq!(count(&mut network, &Event::InStep(OURS, anna)), 1);
}

fn history(key: u8, length: usize) -> Vec<Change> {
    let mut doc = Alone::new(OURS, Open);
    let key = SecretKey::from_bytes([key; 32]);
    (0..length).map(|number| doc.change(&key, 0, |doc| doc.set("/d", number as i64)).unwrap()).collect()
}

/// The list of a long line has its last changes, which the other does not know, and few of those before.
#[test]
fn a_sparse_list_does_not_hide_what_one_has() {
    let (mut network, [anna, carla]) = nodes([&[], &[0]]);
    let ids = [anna, carla];
    let cut = network.partition(&[anna], &[carla]);
    let line = history(3, 100);
    network.command(anna, Act::Take(OURS, encode(&line[..60])));
    network.command(carla, Act::Take(OURS, encode(&line)));
    network.run_for(Duration::from_secs(1));
    trim(&mut network, anna, vec![line[49].header.id()]);
    edit(&mut network, anna, 1);
    network.take_events();
    cut.into_iter().for_each(|cut| assert!(network.heal_cut(cut)));
    network.run_for(Duration::from_secs(20));
    assert_eq!(doc(&network, carla).heads(), doc(&network, anna).heads());
    assert_eq!(ids.map(|id| (doc(&network, id).log().len(), stats(&network, id).withheld)), [(101, 0); 2]);
    assert_eq!(count(&mut network, &Event::Trimmed(OURS, anna)), 0);
}

/// It costs an answer each time that it is asked, which is not often; a claim that is refuted by what is here costs as much.
#[test]
fn who_claims_to_have_cut_everything_is_asked_now_and_then() {
    for refuted in [false, true] {
        let (mut network, here, peer) = alone();
        let ours = doc(&network, here).heads();
        for round in 0..200u64 {
            let mut head = [9; 32];
            head[..8].copy_from_slice(&round.to_le_bytes());
            let heads = vec![ChangeId::from_bytes(head)];
            let after = if refuted { ours.clone() } else { heads.clone() };
            say(&mut network, peer, here, Message::Heads { document: OURS, heads, wish: Wish::Nothing });
            (0..3).for_each(|_| {
                let after = after.clone();
                say(&mut network, peer, here, Message::Trimmed { document: OURS, after });
            });
        }
        // In eighty seconds, where it would be asked anew after three.
        let (told, withheld) =
            (count(&mut network, &Event::Trimmed(OURS, peer)), stats(&network, here).withheld);
        let asked = if refuted { withheld } else { told as u64 };
        assert!((20..=32).contains(&asked), "{told} times told, {withheld} withheld");
        assert_eq!(if refuted { told as u64 } else { withheld }, 0);
    }
    let (mut network, here, peer) = alone();
    let after = vec![ChangeId::from_bytes([1; 32]); 5_000];
    say(&mut network, peer, here, Message::Trimmed { document: OURS, after });
    assert_eq!(stats(&network, here).violations, 1);
}

/// Somebody has forked in what was cut, and an honest one has built on it: sent in pieces, and one by one.
#[test]
fn what_bears_on_what_was_cut_is_refused_and_not_asked_for_again() {
    let (mut network, [anna, ben]) = nodes([&[], &[0]]);
    let line = history(3, 5);
    network.command(ben, Act::Take(OURS, encode(&line)));
    network.run_for(Duration::from_secs(2));
    edit(&mut network, anna, 2);
    let heads = doc(&network, anna).heads();
    trim(&mut network, anna, heads);
    let cut = network.partition(&[anna], &[ben]);
    // One who has met nobody but the forker builds on the other branch.
    let mut apart = Alone::new(OURS, Open);
    let [forker, honest] = [3, 4].map(|key| SecretKey::from_bytes([key; 32]));
    let mut other = vec![apart.change(&forker, 0, |doc| doc.set("/d", 7)).unwrap()];
    other.extend((0..23).map(|n| apart.change(&honest, 0, |doc| doc.set("/e", n)).unwrap()));
    network.command(ben, Act::Take(OURS, encode(&other[..21])));
    network.run_for(Duration::from_secs(2));
    network.take_events();
    cut.into_iter().for_each(|cut| assert!(network.heal_cut(cut)));
    network.run_for(Duration::from_secs(20));
    network.command(ben, Act::Take(OURS, encode(&other[21..])));
    edit(&mut network, anna, 2);
    network.run_for(Duration::from_secs(60));
    let id = other[0].header.id();
    assert_eq!(count(&mut network, &Event::Unmergeable(OURS, id)), 1);
    assert_eq!((doc(&network, anna).log().len(), doc(&network, ben).log().len()), (9, 33));
    let (ours, theirs) = (stats(&network, anna), stats(&network, ben));
    assert_eq!((ours.withheld, theirs.withheld), (0, 0));
    assert!(ours.refused <= 60 && theirs.sent <= 80, "{ours:?} {theirs:?}");
}

/// The owner turns away who had written, and has not seen what; somebody else has cut that.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_of_what_was_cut_is_told_to_the_app() {
    let (anna, ben) = (peer(), peer());
    let (owners, carla) = (node(), Repo::memory().unwrap());
    let sync = Sync::spawn(&owners, &carla).unwrap();
    let owned: Doc = carla.create("notes").unwrap();
    owned.change(|doc| doc.set("/n", 1)).unwrap();
    owned.grant([anna.repo.id(), ben.repo.id()]).unwrap();
    sync.share(&owned, [] as [NodeAddr; 0]).await.unwrap();
    let docs: [Doc; 2] = [&anna, &ben].map(|peer| peer.repo.join("notes", owned.link()).unwrap());
    for (peer, doc) in [&anna, &ben].into_iter().zip(&docs) {
        peer.sync.share(doc, [owners.ticket().0, anna.node.ticket().0]).await.unwrap();
        until("the grant", || doc.heads().unwrap() == owned.heads().unwrap()).await;
    }
    owners.shutdown(Duration::from_secs(5)).await;
    drop(sync);
    owned.revoke([ben.repo.id()]).unwrap();
    docs[1].change(|doc| doc.set("/n", 2)).unwrap();
    until("Ben's change", || docs[0].heads().unwrap() == docs[1].heads().unwrap()).await;
    assert_eq!(docs[0].trim(&docs[0].heads().unwrap()).unwrap(), 3);
    let mut updates = docs[0].subscribe();
    let again = node();
    let sync = Sync::spawn(&again, &carla).unwrap();
    sync.share(&owned, [anna.node.ticket().0]).await.unwrap();
    let told = update(&mut updates, |update| matches!(update, Update::Unmergeable { .. })).await;
    assert_eq!(told, Update::Unmergeable { change: owned.heads().unwrap()[0] });
    assert_eq!(docs[0].get("/n").unwrap(), Some(dsys_crdt::doc::Value::Int(2)));

    // Opened anew from who has all of it, it is what it is there.
    let link = docs[0].link();
    anna.sync.unshare(&docs[0]).await.unwrap();
    assert!(anna.repo.remove("notes").unwrap());
    let anew: Doc = anna.repo.join("notes", link).unwrap();
    anna.sync.share(&anew, [again.ticket().0]).await.unwrap();
    until("the owner's", || anew.get("/n").unwrap() == Some(dsys_crdt::doc::Value::Int(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_cut_goes_on_with_those_who_have_what_was_cut() {
    let (anna, ben, carla) = (peer(), peer(), peer());
    let here = begun(&anna.repo);
    for _ in 0..60 {
        here.change(|doc| doc.insert_text("/body", 0, "a")).unwrap();
    }
    anna.sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();
    let there: Doc = ben.repo.join("notes", here.link()).unwrap();
    ben.sync.share(&there, [anna.node.ticket().0]).await.unwrap();
    until("all of it with Ben", || there.heads().unwrap() == here.heads().unwrap()).await;
    assert_eq!(here.trim(&here.heads().unwrap()).unwrap(), 61);
    there.change(|doc| doc.insert_text("/body", 0, "b")).unwrap();
    here.change(|doc| doc.insert_text("/body", 0, "c")).unwrap();
    until("each other's", || text(&here).len() == 62 && text(&there) == text(&here)).await;

    // Anna has nothing that Carla could take in, and says so; Ben has.
    let late: Doc = carla.repo.join("notes", here.link()).unwrap();
    let mut updates = late.subscribe();
    carla.sync.share(&late, [anna.node.ticket().0]).await.unwrap();
    let told = update(&mut updates, |update| matches!(update, Update::Trimmed { .. })).await;
    assert_eq!(told, Update::Trimmed { peer: anna.node.id() });
    here.change(|doc| doc.insert_text("/body", 0, "d")).unwrap();
    until("it with Ben", || text(&there) == text(&here)).await;
    assert_eq!(late.read(|doc| doc.log().len()).unwrap(), 0);
    carla.sync.share(&late, [ben.node.ticket().0]).await.unwrap();
    until("all of it with Carla", || late.heads().unwrap() == here.heads().unwrap()).await;
    late.change(|doc| doc.insert_text("/body", 0, "e")).unwrap();
    until("Carla's with Anna", || text(&here) == text(&late) && text(&here).len() == 64).await;
    assert_eq!(here.read(|doc| doc.log().trimmed()).unwrap(), 61);
}
