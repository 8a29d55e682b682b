//! Mutable records, providers, and kinds of the app's own.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::NodeId;
use dsys_dht::kademlia;
use dsys_dht::records::{
    Command, Config, Event, GetError, Invalid, Kind, Letter, Message, PutError, Record, Tell, Validator,
    Value, immutable_key, mutable_key,
};
use dsys_dht::{Key, QueryId};

use crate::world::{
    World, get, get_all, joined, keepers, mutable, nearest, no_cache, provider, put, put_after, salt, secret,
};

fn seq(record: &Record) -> u64 {
    match record {
        Record::Mutable(mutable) => mutable.seq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_higher_sequence_number_counts() {
    let mut network = joined(40, 1, kademlia::Config::default(), Config::default());
    let (one, other, third) = (network.id(3), network.id(9), network.id(20));
    let id = mutable(1, 1, "first").id();
    assert_eq!(id.key, mutable_key(secret(1).public(), &salt("test")));
    assert_eq!(put(&mut network, one, mutable(1, 1, "first")).unwrap().stored_on, 20);
    assert_eq!(put(&mut network, other, mutable(1, 2, "second")).unwrap().stored_on, 20);
    assert_eq!(seq(&get(&mut network, third, id).unwrap().record), 2);
    // Stale, and the same number with other words.
    let conflict = Err(PutError::Conflict { seq: 2 });
    assert_eq!(put(&mut network, third, mutable(1, 1, "late")), conflict);
    assert_eq!(put(&mut network, third, mutable(1, 2, "another second")), conflict);
    assert_eq!(get(&mut network, third, id).unwrap().record, mutable(1, 2, "second"));
    // Another publisher's, or of another salt, lies elsewhere.
    assert_ne!(mutable(2, 1, "first").id(), id);
    assert!(matches!(get(&mut network, one, mutable(2, 1, "").id()), Err(GetError::NotFound { .. })));
}

#[test]
fn compare_and_swap_refuses_whoever_was_overtaken() {
    let mut network = joined(40, 2, kademlia::Config::default(), Config::default());
    let (one, other) = (network.id(3), network.id(9));
    put(&mut network, one, mutable(1, 1, "first")).unwrap();
    put_after(&mut network, other, mutable(1, 3, "theirs"), Some(1)).unwrap();
    // A higher number would win if nobody compared.
    assert_eq!(
        put_after(&mut network, one, mutable(1, 4, "ours"), Some(1)),
        Err(PutError::Conflict { seq: 3 })
    );
    put_after(&mut network, one, mutable(1, 4, "merged"), Some(3)).unwrap();
}

#[test]
fn a_read_mends_what_is_behind() {
    let mut network = joined(40, 3, kademlia::Config::default(), Config::default());
    let (one, other) = (network.id(3), network.id(9));
    let id = mutable(1, 1, "first").id();
    put(&mut network, one, mutable(1, 1, "first")).unwrap();
    // The second version reaches only some of them.
    let holders = keepers(&network, id);
    let (away, rest): (Vec<_>, Vec<_>) = holders.iter().partition(|node| node.as_bytes()[31] % 2 == 0);
    let others: Vec<_> = network.ids().filter(|node| !away.contains(node)).collect();
    let cuts = network.partition(&away, &others);
    put(&mut network, one, mutable(1, 2, "second")).unwrap();
    cuts.into_iter().for_each(|cut| assert!(network.heal_cut(cut)));
    // Of those that a reader asks.
    let asked = nearest(network.ids().filter(|node| *node != other), id.key, 20);
    let behind = |network: &World| {
        let is_behind = |node: &&NodeId| format!("{:?}", network.machine(**node)).contains("seq: 1");
        asked.iter().filter(is_behind).count()
    };
    assert!(behind(&network) > 0 && !rest.is_empty());
    // All are asked, since so many cannot agree.
    let (got, _) = get_all(&mut network, other, id, 100);
    let got = got.unwrap();
    assert_eq!(seq(&got.record), 2);
    assert!(got.agreed >= rest.len() - 1 && got.agreed < holders.len(), "{got:?}");
    network.run_for(Duration::from_secs(5));
    assert_eq!(behind(&network), 0);
}

#[test]
fn a_quorum_ends_the_search_early() {
    let mut network = joined(200, 4, kademlia::Config::default(), Config::default());
    let (one, other) = (network.id(3), network.id(99));
    put(&mut network, one, mutable(1, 1, "first")).unwrap();
    let id = mutable(1, 1, "").id();
    let few = get_all(&mut network, other, id, 3).0.unwrap();
    let all = get_all(&mut network, other, id, 100).0.unwrap();
    assert!(few.agreed == 3 && few.queried < all.queried, "{few:?} {all:?}");
    // The writer keeps one as well, and may be asked.
    assert!(
        (20..=21).contains(&all.agreed),
        "fewer have it than were asked for, and that is no failure: {all:?}"
    );
}

#[test]
fn providers_are_told_as_they_are_found() {
    let mut network = joined(60, 5, kademlia::Config::default(), Config::default());
    let key = immutable_key(b"a film");
    for number in 1..=10 {
        let from = network.id(u32::from(number));
        assert_eq!(put(&mut network, from, provider(number, key)).unwrap().of, 20);
    }
    let (from, id) = (network.id(40), provider(1, key).id());
    let (got, found) = get_all(&mut network, from, id, 100);
    let got = got.unwrap();
    assert_eq!((found.len(), got.agreed), (10, 10));
    assert!((1..=10).all(|number| found.contains(&provider(number, key))));
    let (got, found) = get_all(&mut network, from, id, 1);
    assert!(!found.is_empty() && got.unwrap().queried < 20);
}

#[test]
fn the_first_provider_is_told_before_the_search_has_ended() {
    let mut network = joined(200, 6, kademlia::Config::default(), Config::default());
    let key = immutable_key(b"a film");
    let (from, other) = (network.id(1), network.id(150));
    put(&mut network, from, provider(1, key)).unwrap();
    network.take_events();
    network.command(
        other,
        Command::Get { op: QueryId(5), key, kind: Kind::Provider, enough: 100, steps: false },
    );
    network.run_for(Duration::from_secs(20));
    let events = network.take_events();
    let at = |is: fn(&Event) -> bool| events.iter().find(|e| is(&e.event)).unwrap().time;
    let (first, end) =
        (at(|event| matches!(event, Event::Found { .. })), at(|event| matches!(event, Event::Got { .. })));
    assert!(end - first > Duration::from_millis(100), "{first:?} {end:?}");
}

#[test]
fn no_key_has_more_providers_than_allowed_and_the_later_expiry_stays() {
    let mut config = Config::default();
    config.max_providers = 4;
    let mut network = joined(5, 7, kademlia::Config::default(), config);
    let (from, key) = (network.id(1), immutable_key(b"a film"));
    for number in 1..=20 {
        let _ = put(&mut network, from, provider(number, key));
    }
    for (_, machine) in network.machines() {
        let count = (1..=20).filter(|number| machine.keeps(&provider(*number, key).id())).count();
        // The publisher keeps its own beside those of others.
        assert!(count <= 4, "{count}");
    }
}

#[test]
fn everything_expires_and_what_has_is_not_believed() {
    let mut network = joined(30, 8, kademlia::Config::default(), Config::default());
    let (one, other) = (network.id(1), network.id(2));
    put(&mut network, one, mutable(1, 1, "for an hour")).unwrap();
    let id = mutable(1, 1, "").id();
    network.run_for(Duration::from_secs(3_500));
    assert!(get(&mut network, other, id).is_ok());
    network.run_for(Duration::from_secs(100));
    assert!(matches!(get(&mut network, other, id), Err(GetError::NotFound { .. })));
    network.run_for(Duration::from_secs(700));
    assert_eq!(keepers(&network, id), [], "and it is forgotten");
    assert_eq!(put(&mut network, one, mutable(1, 2, "too late")), Err(PutError::Invalid(Invalid::Expired)));
}

#[test]
fn what_is_published_lives_as_long_as_its_publisher_wants() {
    let mut config = no_cache();
    config.rules.max_ttl = Duration::from_secs(600);
    config.republish = Duration::from_secs(300);
    config.repair = Duration::from_secs(60);
    let mut network = joined(30, 9, kademlia::Config::default(), config);
    let (one, record) = (network.id(1), crate::world::value("kept alive"));
    put(&mut network, one, record.clone()).unwrap();
    network.run_for(Duration::from_secs(3_600));
    assert!(keepers(&network, record.id()).len() >= 20);
    network.command(one, Command::Unpublish(record.id()));
    // Holders offer it to each other, and that does not make it immortal.
    network.run_for(Duration::from_secs(1_300));
    assert_eq!(keepers(&network, record.id()), []);
}

#[test]
fn a_provider_is_asked_to_sign_again_before_its_record_expires() {
    let mut config = no_cache();
    config.rules.max_ttl = Duration::from_secs(7_200);
    config.republish = Duration::from_secs(1_000);
    config.repair = Duration::from_secs(100);
    let mut network = joined(20, 11, kademlia::Config::default(), config);
    let (from, key) = (network.id(1), immutable_key(b"a film"));
    put(&mut network, from, provider(1, key)).unwrap();
    network.take_events();
    network.run_for(Duration::from_secs(2_000));
    let asked = network.take_events();
    let renew = |event: &Event| *event == Event::Renew(provider(1, key).id());
    assert!(asked.iter().any(|emitted| emitted.node == from && renew(&emitted.event)));
    assert!(asked.iter().all(|emitted| emitted.node == from), "holders cannot");
}

#[test]
fn another_cannot_answer_in_a_peers_place() {
    let mut network = joined(30, 12, kademlia::Config::default(), no_cache());
    let (from, record) = (network.id(1), mutable(1, 1, "real"));
    put(&mut network, from, record.clone()).unwrap();
    // Two nodes answer, beside their own, all the questions that they guess others were asked.
    let liars = [network.id(5), network.id(6)];
    network.set_liars(&liars, |_, _, letter| {
        let guess = |call| dsys_sim::Letter {
            to: letter.to,
            message: Message {
                overlay: None,
                letter: Some(Letter::Tell {
                    call,
                    tell: Tell::Found(vec![(mutable(1, 9, "real"), 9)].into()),
                }),
            },
        };
        (0..40).map(guess).chain([letter.clone()]).collect()
    });
    let reader = network.id(20);
    let got = get_all(&mut network, reader, record.id(), 100).0.unwrap();
    // What they say is signed, so it counts once, for each, and only if they were asked.
    assert!(got.agreed <= 2 || seq(&got.record) == 1, "{got:?}");
    assert!(network.machine(reader).unwrap().stats().unsolicited > 20);
}

/// Numbers as text, under the key of all sevens; the greatest counts.
#[derive(Debug)]
struct Numbers;

impl Validator for Numbers {
    fn holds(&self, key: Key, value: &[u8]) -> bool {
        key == Key::from_bytes([7; 32]) && number(value).is_some()
    }

    fn compare(&self, _: Key, new: &[u8], old: &[u8]) -> Ordering {
        number(new).cmp(&number(old))
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[test]
fn an_app_brings_its_own_kind() {
    let mut config = Config::default();
    config.rules.validators.insert(1, Arc::new(Numbers));
    let mut network = joined(30, 10, kademlia::Config::default(), config);
    let custom = |namespace, key, text: &str| Record::Custom {
        namespace,
        key: Key::from_bytes([key; 32]),
        value: Value::new(text.as_bytes().to_vec()).unwrap(),
    };
    let (one, other) = (network.id(1), network.id(2));
    put(&mut network, one, custom(1, 7, "5")).unwrap();
    put(&mut network, other, custom(1, 7, "12")).unwrap();
    assert_eq!(put(&mut network, one, custom(1, 7, "7")), Err(PutError::Conflict { seq: 0 }));
    let got = get_all(&mut network, other, custom(1, 7, "").id(), 5).0.unwrap();
    assert_eq!(got.record, custom(1, 7, "12"));
    let refused = |record| Err(PutError::Invalid(record));
    assert_eq!(put(&mut network, one, custom(1, 7, "many")), refused(Invalid::Refused));
    assert_eq!(put(&mut network, one, custom(1, 8, "5")), refused(Invalid::Refused));
    assert_eq!(put(&mut network, one, custom(2, 7, "5")), refused(Invalid::UnknownKind));
}
