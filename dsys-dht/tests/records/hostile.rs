//! Peers that break the rules: their records are not believed, and they cost neither records nor memory.

use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng, Signature};
use dsys_dht::Key;
use dsys_dht::kademlia::{self, Kademlia};
use dsys_dht::records::{Ask, Config, Letter, Message, Mutable, Record, Records, Refused, Tell, Value};
use dsys_sim::Letter as Envelope;

use crate::sweep::sweep;
use crate::world::{
    EPOCH, World, get, get_all, joined, mutable, network, no_cache, provider, put, settled, value,
};

/// Lets some nodes change what they say about records.
fn lie(network: &mut World, liars: &[NodeId], mut change: impl FnMut(&mut Letter) + 'static) {
    network.set_liars(liars, move |_, _, mut envelope| {
        envelope.message.letter.iter_mut().for_each(&mut change);
        vec![envelope]
    });
}

fn found(records: Vec<Record>) -> Tell {
    Tell::Found(records.into_iter().map(|record| (record, 1_000)).collect::<Vec<_>>().into())
}

#[test]
fn nodes_that_say_they_stored_and_did_not_lose_nothing() {
    let mut network = joined(60, 1, kademlia::Config::default(), no_cache());
    let liars: Vec<_> = (10..40).map(|index| network.id(index)).collect();
    lie(&mut network, &liars, |letter| {
        if let Letter::Tell { tell, .. } = letter {
            *tell = match tell {
                Tell::Found(_) => found(Vec::new()),
                _ => Tell::Stored,
            };
        }
    });
    for number in 0..20 {
        let (from, reader) = (network.id(1), network.id(50));
        let report = put(&mut network, from, value(&format!("number {number}"))).unwrap();
        assert_eq!(report.stored_on, 20, "nobody can tell");
        assert!(get(&mut network, reader, value(&format!("number {number}")).id()).is_ok());
    }
}

#[test]
fn answers_that_do_not_fit_the_question_are_not_believed() {
    let forged = |record: Record| match record {
        Record::Mutable(mut mutable) => {
            mutable.value = Value::new(b"forged".to_vec()).unwrap();
            Record::Mutable(mutable)
        }
        Record::Provider(mut provider) => {
            provider.addr = NodeAddr::new(NodeId::from_bytes([9; 32]));
            Record::Provider(provider)
        }
        other => other,
    };
    let key = value("wanted").id().key;
    let cases = [
        (value("wanted"), found(vec![value("another")])),
        (mutable(1, 1, "real"), found(vec![forged(mutable(1, 9, "real"))])),
        (mutable(1, 1, "real"), found(vec![mutable(2, 9, "another's")])),
        (provider(1, key), found(vec![forged(provider(1, key))])),
        (provider(1, key), found(vec![provider(2, value("other").id().key)])),
    ];
    for (seed, (record, answer)) in cases.into_iter().enumerate() {
        let mut network = joined(40, seed as u64, kademlia::Config::default(), no_cache());
        let from = network.id(1);
        put(&mut network, from, record.clone()).unwrap();
        let liars: Vec<_> = (5..20).map(|index| network.id(index)).collect();
        let lies = answer.clone();
        lie(&mut network, &liars, move |letter| {
            if let Letter::Tell { tell: tell @ Tell::Found(_), .. } = letter {
                *tell = lies.clone();
            }
        });
        let reader = network.id(30);
        let (got, all) = get_all(&mut network, reader, record.id(), 100);
        assert_eq!(got.unwrap().record, record, "case {seed}");
        assert!(all.iter().all(|found| *found == record), "case {seed}");
        if seed > 0 {
            let caught = network.machine(reader).unwrap().stats().violations;
            assert!(caught > 0, "case {seed}");
        }
    }
}

/// A node on its own, given a letter by hand.
fn tell_one(network: &mut World, ask: Ask) -> Tell {
    let (victim, other) = (network.id(0), network.id(1));
    let letter = Letter::Ask { call: 4_242, ask };
    let (heard, copy) = std::sync::mpsc::channel();
    network.set_liars(&[victim], move |_, _, envelope| {
        if let Some(Letter::Tell { call: 4_242, tell }) = &envelope.message.letter {
            heard.send(tell.clone()).unwrap();
        }
        vec![envelope]
    });
    let message = Message { overlay: None, letter: Some(letter) };
    network.forge(other, Envelope { to: victim, message });
    network.run_for(Duration::from_secs(1));
    copy.try_recv().expect("it was answered")
}

fn store(record: Record) -> Ask {
    Ask::Store { record, ttl: 1_000, after: None, cached: false }
}

#[test]
fn what_does_not_hold_is_not_kept() {
    let mut network = joined(2, 1, kademlia::Config::default(), Config::default());
    let sign = |expires: u64| {
        let value = Value::new(b"v".to_vec()).unwrap();
        Record::Mutable(Mutable::sign(
            &crate::world::secret(1),
            crate::world::salt("t"),
            1,
            dsys_dht::records::UnixTime(expires),
            value,
        ))
    };
    let Record::Mutable(mut unsigned) = mutable(1, 1, "x") else { panic!() };
    unsigned.signature = Signature::from_bytes([0; 64]);
    let Record::Mutable(mut older) = mutable(1, 1, "x") else { panic!() };
    older.seq = 2;
    for bad in [
        Record::Mutable(unsigned),
        Record::Mutable(older),
        sign(EPOCH.0 + 10),
        sign(u64::MAX),
        sign(0),
        Record::Custom { namespace: 3, key: Key::from_bytes([0; 32]), value: Value::default() },
    ] {
        let told = tell_one(&mut network, store(bad.clone()));
        assert!(matches!(told, Tell::Refused(Refused::Invalid(_))), "{bad:?}: {told:?}");
    }
    let victim = network.machine(network.id(0)).unwrap();
    assert_eq!((victim.stats().records, victim.stats().refused_invalid), (0, 6));
    assert_eq!(tell_one(&mut network, store(mutable(1, 5, "new"))), Tell::Stored);
    let told = tell_one(&mut network, store(mutable(1, 4, "old")));
    assert_eq!(told, Tell::Refused(Refused::Newer(Box::new(mutable(1, 5, "new")))));
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut network = joined(2, 1, kademlia::Config::default(), Config::default());
    let (victim, other) = (network.id(0), network.id(1));
    for call in 0..50 {
        for tell in [Tell::Stored, found(vec![value("gift")]), Tell::Wanted(vec![0, 1, 255].into())] {
            let letter = Some(Letter::Tell { call, tell });
            network.forge(other, Envelope { to: victim, message: Message { overlay: None, letter } });
        }
    }
    network.run_for(Duration::from_secs(5));
    let stats = network.machine(victim).unwrap().stats();
    assert_eq!((stats.unsolicited, stats.records), (150, 0));
}

#[test]
fn a_refusal_that_shows_no_newer_record_is_not_believed() {
    // An older version, and a newer one of another record.
    for shown in [mutable(1, 1, "older"), mutable(2, 9, "another's")] {
        let mut network = joined(40, 2, kademlia::Config::default(), no_cache());
        let liars: Vec<_> = (10..30).map(|index| network.id(index)).collect();
        lie(&mut network, &liars, move |letter| {
            if let Letter::Tell { tell: tell @ Tell::Stored, .. } = letter {
                *tell = Tell::Refused(Refused::Newer(Box::new(shown.clone())));
            }
        });
        let from = network.id(1);
        let report = put(&mut network, from, mutable(1, 2, "ours")).unwrap();
        assert!(report.stored_on >= 5 && report.stored_on < report.of, "{report:?}");
        assert!(network.machine(from).unwrap().stats().violations > 0);
    }
}

/// Twenty nodes whose ids are nearer to a key than any other's, and that say they have nothing.
fn hunted(seeds: std::ops::Range<u64>, store: impl Fn(&mut World, NodeId, Record)) {
    for seed in seeds {
        let mut network = settled(500, seed, kademlia::Config::default(), no_cache());
        let record = value(&format!("hunted {seed}"));
        let key = record.id().key;
        let mut rng = Rng::from_seed(seed);
        let first = network.id(0);
        let sybils: Vec<NodeId> =
            (0..20).map(|_| NodeId::from_bytes(*key.random_at(30, &mut rng).as_bytes())).collect();
        for sybil in &sybils {
            let overlay = Kademlia::new(*sybil, vec![first.into()], kademlia::Config::default());
            network.add_named(*sybil, Records::new(overlay, EPOCH, no_cache())).unwrap();
        }
        network.run_for(Duration::from_secs(60));
        lie(&mut network, &sybils, |letter| {
            if let Letter::Tell { tell, .. } = letter {
                *tell = match tell {
                    Tell::Found(_) => found(Vec::new()),
                    _ => Tell::Stored,
                };
            }
        });
        let writer = network.id(7);
        store(&mut network, writer, record.clone());
        let readers = (0..20).map(|_| rng.below(500) as u32).collect::<Vec<_>>();
        for reader in readers {
            let reader = network.id(reader);
            let got = get(&mut network, reader, record.id());
            assert!(got.is_ok(), "seed {seed}: {got:?}");
        }
    }
}

#[test]
fn twenty_sybils_around_a_key_do_not_hide_it() {
    hunted(0..5, |network, writer, record| {
        let report = put(network, writer, record).unwrap();
        assert!(report.of > 30, "{report:?}");
    });
}

#[test]
fn twenty_sybils_around_a_key_do_not_hide_it_from_a_sweep() {
    hunted(5..8, |network, writer, record| {
        let others = (0..40).map(|number| value(&format!("beside it {number}")));
        let report = sweep(network, writer, others.chain([record]).collect()).unwrap();
        assert!(report.fewest >= 18 && report.overtaken == 0, "{report:?}");
    });
}

#[test]
fn letters_to_a_node_that_knows_nobody_do_no_harm() {
    let mut network = network(1);
    let ids = [network.id(0), network.id(1)];
    for id in ids {
        let overlay = Kademlia::new(id, Vec::new(), kademlia::Config::default());
        network.add(Records::new(overlay, EPOCH, Config::default())).unwrap();
    }
    network.run_for(Duration::from_secs(1));
    network.forge(ids[1], Envelope { to: ids[0], message: Message { overlay: None, letter: None } });
    assert_eq!(tell_one(&mut network, store(value("x"))), Tell::Stored);
}
