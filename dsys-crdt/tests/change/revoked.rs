//! Revocation by causality: what the revocation has seen counts, and what others have built on.

use dsys_crdt::change::{Log, Members, Policy, Refused};

use crate::{key, members};

fn bodies<P: Policy>(log: &Log<P>) -> Vec<String> {
    let mut bodies: Vec<String> =
        log.counting().map(|(_, change)| String::from_utf8(change.body.clone()).unwrap()).collect();
    bodies.retain(|body| !body.is_empty());
    bodies.sort();
    bodies
}

fn say(log: &mut Log<Members>, author: u8, what: &str) {
    log.commit(&key(author), 0, what.into()).unwrap();
}

fn exchange(a: &mut Log<Members>, b: &mut Log<Members>) {
    let (to_a, to_b) = (b.since(&a.heads()), a.since(&b.heads()));
    a.receive(to_a, 0);
    b.receive(to_b, 0);
    assert_eq!((bodies(a), a.heads()), (bodies(b), b.heads()));
}

#[test]
fn what_a_revocation_has_not_seen_does_not_count() {
    let mut owner = members(2);
    let mut mallory = owner.clone();
    say(&mut mallory, 1, "seen");
    exchange(&mut owner, &mut mallory);
    owner.revoke(&key(0), 0, [key(1).public()]).unwrap();
    // Written later, and said to have been written before.
    say(&mut mallory, 1, "backdated");
    let received = owner.receive(mallory.since(&owner.heads()), 0);
    assert_eq!((received.accepted, received.counting.len(), received.rebuild), (1, 0, false));
    // The other way round: who had it first drops it.
    let received = mallory.receive(owner.since(&mallory.heads()), 0);
    assert_eq!((received.counting.len(), received.rebuild), (1, true));
    assert_eq!((bodies(&mallory), mallory.heads()), (vec!["seen".to_string()], owner.heads()));
    assert_eq!(mallory.commit(&key(1), 0, b"more".to_vec()), Err(Refused::Behind));
    say(&mut owner, 2, "on");
    exchange(&mut owner, &mut mallory);
}

#[test]
fn what_a_member_has_built_on_counts_and_a_new_grant_begins_anew() {
    let mut owner = members(2);
    let mut mallory = owner.clone();
    say(&mut mallory, 1, "before");
    let mut carla = owner.clone();
    exchange(&mut carla, &mut mallory);
    owner.revoke(&key(0), 0, [key(1).public()]).unwrap();
    say(&mut carla, 2, "built on it");
    say(&mut mallory, 1, "after");
    exchange(&mut owner, &mut carla);
    assert_eq!(bodies(&owner), ["before", "built on it"]);
    exchange(&mut owner, &mut mallory);
    assert_eq!(bodies(&owner), ["before", "built on it"]);
    // Mallory is a member again, under a grant that has seen the revocation; her key has a change that does not count.
    owner.grant(&key(0), 0, [key(1).public(), key(3).public()]).unwrap();
    exchange(&mut owner, &mut mallory);
    assert_eq!(mallory.commit(&key(1), 0, b"again".to_vec()), Err(Refused::Behind));
    say(&mut mallory, 3, "under another key");
    exchange(&mut owner, &mut mallory);
    assert_eq!(bodies(&owner).len(), 3);
}

/// Who is suspended goes on, and somebody builds on it each time: it is shown as it comes, and nothing is built again.
#[test]
fn what_begins_to_count_is_shown_and_nothing_is_built_again() {
    let mut owner = members(2);
    let (mut mallory, mut carla) = (owner.clone(), owner.clone());
    say(&mut mallory, 1, "seen");
    exchange(&mut owner, &mut mallory);
    owner.revoke(&key(0), 0, [key(1).public()]).unwrap();
    for round in 0..5 {
        say(&mut mallory, 1, &format!("mallory {round}"));
        let received = owner.receive(mallory.since(&owner.heads()), 0);
        assert_eq!((received.rebuild, received.counting.len()), (false, 0));
        carla.receive(mallory.since(&carla.heads()), 0);
        say(&mut carla, 2, &format!("carla {round}"));
        let received = owner.receive(carla.since(&owner.heads()), 0);
        assert_eq!((received.rebuild, received.counting.len()), (false, 2));
        let said: Vec<&[u8]> = received.counting.iter().map(|id| &owner.get(id).unwrap().body[..]).collect();
        assert_eq!(said, [format!("mallory {round}").as_bytes(), format!("carla {round}").as_bytes()]);
        assert_eq!(owner.heads().len(), 2, "the revocation, and what carla said");
    }
}

#[test]
fn a_revoked_member_who_knows_of_it_is_refused_by_all() {
    let mut owner = members(1);
    let mut member = owner.clone();
    say(&mut member, 1, "one");
    exchange(&mut owner, &mut member);
    owner.revoke(&key(0), 0, [key(1).public()]).unwrap();
    exchange(&mut owner, &mut member);
    assert!(matches!(member.commit(&key(1), 0, b"two".to_vec()), Err(Refused::Denied(_))));
    owner.grant(&key(0), 0, [key(1).public()]).unwrap();
    exchange(&mut owner, &mut member);
    say(&mut member, 1, "three");
    exchange(&mut owner, &mut member);
    assert_eq!(bodies(&owner), ["one", "three"]);
    assert!(matches!(owner.revoke(&key(0), 0, [key(0).public()]), Err(Refused::Denied(_))));
    assert!(matches!(member.grant(&key(1), 0, [key(2).public()]), Err(Refused::Denied(_))));
}
