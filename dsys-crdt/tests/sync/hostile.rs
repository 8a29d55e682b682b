//! Peers that say what no honest one does.

use std::time::Duration;

use dsys_core::{NodeId, Rng, SecretKey};
use dsys_crdt::change::{ChangeId, DocumentId, Open, decode, encode};
use dsys_crdt::doc::Doc;
use dsys_crdt::sync::{Event, Message, Wish};
use dsys_sim::{Config, Connections, Latency, Letter, Network};

use crate::replica::{Act, OURS, Replica};

/// Withholds, claims, alters, repeats.
pub(crate) fn lie(rng: &mut Rng, _: NodeId, letter: Letter<Message>) -> Vec<Letter<Message>> {
    let Letter { to, message } = letter;
    let mut noise = [0; 32];
    rng.fill(&mut noise);
    let other = match (rng.below(6), message.clone()) {
        (0, _) => return Vec::new(),
        (1, Message::Heads { document, wish, .. }) => {
            Message::Heads { document, heads: vec![ChangeId::from_bytes(noise)], wish }
        }
        (1, Message::Have { document, .. }) => Message::Have { document, have: Vec::new() },
        (2, Message::Changes { document, piece, left, mut changes }) => {
            let at = rng.index(changes.len());
            changes[at] ^= 1 << rng.below(8);
            Message::Changes { document, piece, left, changes }
        }
        (3, Message::Changes { document, piece, left, changes }) => {
            let mut changes = decode(&changes).unwrap_or_default();
            if let Some(change) = changes.first_mut() {
                change.body.push(7);
            }
            Message::Changes { document, piece, left, changes: encode(&changes) }
        }
        (4, Message::Stored { document, piece }) => Message::Stored { document, piece: piece + 1 },
        _ => message.clone(),
    };
    vec![Letter { to, message: other }, Letter { to, message }]
}

/// One honest node, and a peer that is not there: what it says is written here.
pub(crate) fn alone() -> (Network<Replica>, NodeId, NodeId) {
    let mut network = Network::new(Config {
        latency: Latency::constant(Duration::from_millis(1)),
        connections: Connections::None,
        ..Config::new(1)
    });
    let (here, peer) = (network.id(0), network.id(1));
    network.set_spawn(move |id, disk| Replica::new(id, disk, vec![(OURS, vec![])], &[]));
    (0..2).for_each(|_| assert!(network.join().is_some()));
    network.run_for(Duration::from_secs(1));
    network.crash(peer, dsys_sim::Crash::POWER);
    network.command(here, Act::Edit(OURS, 1));
    network.run_for(Duration::from_secs(1));
    (network, here, peer)
}

pub(crate) fn say(network: &mut Network<Replica>, from: NodeId, to: NodeId, message: Message) {
    network.forge(from, Letter { to, message });
    network.run_for(Duration::from_millis(100));
}

#[test]
fn who_announces_and_does_not_give_is_asked_so_often_and_no_more() {
    let (mut network, here, peer) = alone();
    for round in 0..200u64 {
        let mut head = [9; 32];
        head[..8].copy_from_slice(&round.to_le_bytes());
        let heads = vec![ChangeId::from_bytes(head)];
        say(&mut network, peer, here, Message::Heads { document: OURS, heads, wish: Wish::Nothing });
    }
    // In twenty seconds: pauses of 1, 2, and then 3 s, and .8 s for each answer.
    let stats = network.machine(here).unwrap().sync.stats();
    assert!((4..=8).contains(&stats.withheld), "{}", stats.withheld);
    let withheld = |emitted: &dsys_sim::Emitted<Event>| emitted.event == Event::Withheld(OURS, peer);
    assert_eq!(network.take_events().iter().filter(|emitted| withheld(emitted)).count(), 1);
}

/// It is asked first, and says again and again that it has more; the honest one is asked when it has been silent for a turn.
#[test]
fn who_announces_and_does_not_give_costs_the_others_a_turn() {
    let mut network = Network::new(Config {
        latency: Latency::constant(Duration::from_millis(1)),
        connections: Connections::None,
        ..Config::new(1)
    });
    let [here, honest, liar] = [0, 1, 2].map(|index| network.id(index));
    network.set_spawn(move |id, disk| {
        Replica::new(id, disk, vec![(OURS, if id == here { vec![liar, honest] } else { vec![] })], &[])
    });
    (0..3).for_each(|_| assert!(network.join().is_some()));
    [here, liar].into_iter().for_each(|id| assert!(network.crash(id, dsys_sim::Crash::POWER)));
    (0..30).for_each(|step| network.command(honest, Act::Edit(OURS, step)));
    network.run_for(Duration::from_secs(10));
    network.restart(here);
    let len = |network: &Network<Replica>| network.machine(here).unwrap().doc(&OURS).unwrap().log().len();
    for round in 0..6 {
        let heads = vec![ChangeId::from_bytes([9 + round; 32])];
        say(&mut network, liar, here, Message::Heads { document: OURS, heads, wish: Wish::Nothing });
        assert!(round != 1 || len(&network) == 0, "the liar was not asked first");
    }
    // Before it is taken for one that gives nothing: it may only be slow.
    assert_eq!((len(&network), network.machine(here).unwrap().sync.stats().withheld), (30, 0));
}

#[test]
fn who_asks_for_everything_again_and_again_gets_it_now_and_then() {
    let (mut network, here, peer) = alone();
    for _ in 0..100 {
        say(&mut network, peer, here, Message::Have { document: OURS, have: vec![] });
    }
    let sent = network.machine(here).unwrap().sync.stats().sent;
    assert!((2..=30).contains(&sent), "{sent} in ten seconds");
}

#[test]
fn what_is_too_much_or_no_piece_is_a_violation() {
    let (mut network, here, peer) = alone();
    let many = vec![ChangeId::from_bytes([1; 32]); 5_000];
    say(&mut network, peer, here, Message::Have { document: OURS, have: many.clone() });
    say(&mut network, peer, here, Message::Heads { document: OURS, heads: many, wish: Wish::Heads });
    say(&mut network, peer, here, Message::Presence { document: OURS, state: vec![0; 5_000] });
    let changes = |changes: Vec<u8>| Message::Changes { document: OURS, piece: 1, left: 0, changes };
    say(&mut network, peer, here, changes(b"nonsense".to_vec()));
    // An LZ4 block of zeros that would unpack to more than may be.
    let mut bomb = b"dsyschg\x01".to_vec();
    bomb.extend([0x80, 0x80, 0x80, 0x80, 0x01]);
    bomb.resize(2_000_000, 0);
    say(&mut network, peer, here, changes(bomb));
    assert_eq!(network.machine(here).unwrap().sync.stats().violations, 5);
}

#[test]
fn what_is_forged_is_counted_and_costs_the_connection() {
    let (mut network, here, peer) = alone();
    let mut theirs = Doc::new(OURS, Open);
    let change = theirs.change(&SecretKey::from_bytes([3; 32]), 0, |doc| doc.set("/a", 1)).unwrap();
    let mut forged = change.clone();
    forged.header.author = SecretKey::from_bytes([4; 32]).public();
    let bytes = encode(&[forged]);
    for piece in 1..=20 {
        let changes = bytes.clone();
        say(&mut network, peer, here, Message::Changes { document: OURS, piece, left: 0, changes });
    }
    let stats = network.machine(here).unwrap().sync.stats();
    assert_eq!((stats.refused, stats.violations), (20, 5), "from the sixteenth on");
    assert_eq!(network.machine(here).unwrap().doc(&OURS).unwrap().log().len(), 1);
    // What is sound is taken all the same.
    let changes = encode(&[change]);
    say(&mut network, peer, here, Message::Changes { document: OURS, piece: 30, left: 0, changes });
    assert_eq!(network.machine(here).unwrap().doc(&OURS).unwrap().log().len(), 2);
}

#[test]
fn who_signs_two_changes_in_one_place_is_found_out() {
    let (mut network, here, peer) = alone();
    let key = SecretKey::from_bytes([3; 32]);
    for (piece, value) in [(1, 1), (2, 2)] {
        let change = Doc::new(OURS, Open).change(&key, 0, |doc| doc.set("/a", value)).unwrap();
        let changes = encode(&[change]);
        say(&mut network, peer, here, Message::Changes { document: OURS, piece, left: 0, changes });
    }
    let forked = Event::Forked(OURS, key.public());
    assert!(network.take_events().iter().any(|emitted| emitted.event == forked));
    assert_eq!(network.machine(here).unwrap().doc(&OURS).unwrap().log().forks().len(), 1);
}

#[test]
fn what_is_not_shared_is_declined_and_costs_nothing() {
    let (mut network, here, peer) = alone();
    for number in 0..100 {
        let document = DocumentId::from_bytes([number + 10; 32]);
        say(&mut network, peer, here, Message::Have { document, have: vec![] });
        say(&mut network, peer, here, Message::Declined { document });
    }
    let stats = network.machine(here).unwrap().sync.stats();
    assert_eq!((stats.sent, stats.violations), (0, 0));
    assert_eq!(network.machine(here).unwrap().sync.shared().count(), 1);
}

/// Or a crash would let the author sign another change in its place.
#[test]
fn what_is_not_on_the_disk_is_told_to_nobody() {
    let (mut network, here, peer) = alone();
    network.command(here, Act::Edit(OURS, 2));
    network.forge(peer, Letter { to: here, message: Message::Have { document: OURS, have: vec![] } });
    // It takes 20 ms until the edit is written.
    network.run_for(Duration::from_millis(10));
    let replica = network.machine(here).unwrap();
    assert_eq!((replica.doc(&OURS).unwrap().log().len(), replica.sync.stats().sent), (2, 1));
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.machine(here).unwrap().sync.stats().sent, 2);
}
