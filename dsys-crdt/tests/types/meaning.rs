//! What each type means where changes are concurrent.

use dsys_crdt::Agent;
use dsys_crdt::types::*;

fn agents() -> [Agent; 3] {
    ["anna", "ben", "carla"].map(|name| Agent::new(name).unwrap())
}

/// Both, after a merge in each direction.
fn meet<T: Merge + Clone + PartialEq + std::fmt::Debug>(a: &T, b: &T) -> T {
    let (mut ab, mut ba) = (a.clone(), b.clone());
    ab.merge(b);
    ba.merge(a);
    assert_eq!(ab, ba);
    ab
}

#[test]
fn rights_are_spent_once_wherever_they_are() {
    let [anna, ben, carla] = agents();
    let mut here = BoundedCounter::default();
    here.increment(&anna, 10).unwrap();
    here.transfer(&anna, &ben, 7).unwrap();
    let mut there = here.clone();
    there.transfer(&ben, &carla, 2).unwrap();
    assert_eq!(here.decrement(&anna, 4), Err(RightsError::Lacking { has: 3 }));
    here.decrement(&anna, 3).unwrap();
    there.decrement(&ben, 5).unwrap();
    assert_eq!(there.transfer(&ben, &anna, 1), Err(RightsError::Lacking { has: 0 }));
    let all = meet(&here, &there);
    assert_eq!((all.value(), all.rights(&anna), all.rights(&ben), all.rights(&carla)), (2, 0, 0, 2));
    assert!(there.transfer(&carla, &carla, 2).is_ok());
    assert_eq!(there.rights(&carla), 2, "what one passes to oneself is nothing");
}

#[test]
fn the_last_writer_wins_and_clocks_never_go_back() {
    let [anna, ben, _] = agents();
    let mut here = LwwRegister::default();
    here.set(&anna, 100, "a").unwrap();
    let mut there = here.clone();
    // Ben's clock is behind, but he has seen Anna's value.
    there.set(&ben, 7, "b").unwrap();
    assert_eq!(meet(&here, &there).get(), Some(&"b"));
    here.set(&anna, 101, "c").unwrap();
    assert_eq!(meet(&here, &there).get(), Some(&"b"), "equal times: the greater agent");
}

#[test]
fn concurrent_values_stay_until_somebody_has_seen_them() {
    let [anna, ben, _] = agents();
    let mut here: Causal<MvRegister<u8>> = Causal::default();
    let mut there = here.clone();
    here.change(&anna, |value| value.set(1)).unwrap();
    there.change(&ben, |value| value.set(2)).unwrap();
    let mut both = meet(&here, &there);
    assert_eq!(both.values().collect::<Vec<_>>(), [&1, &2]);
    both.change(&ben, |value| value.set(3)).unwrap();
    assert_eq!(meet(&both, &here).values().collect::<Vec<_>>(), [&3]);
}

#[test]
fn who_wins_in_a_set() {
    let [anna, ben, _] = agents();
    let mut here: Causal<AddWinsSet<u8>> = Causal::default();
    here.change(&anna, |set| set.add(1)).unwrap();
    let mut there = here.clone();
    here.change(&anna, |set| set.remove(&1)).unwrap();
    there.change(&ben, |set| set.add(1)).unwrap();
    assert!(meet(&here, &there).contains(&1));

    let mut here: Causal<RemoveWinsSet<u8>> = Causal::default();
    here.change(&anna, |set| set.add(1)).unwrap();
    let mut there = here.clone();
    here.change(&anna, |set| set.remove(1)).unwrap();
    there.change(&ben, |set| set.add(1)).unwrap();
    let mut both = meet(&here, &there);
    assert!(!both.contains(&1));
    both.change(&ben, |set| set.add(1)).unwrap();
    assert!(meet(&both, &here).contains(&1), "an addition that has seen the removal");

    let mut set = TwoPhaseSet::default();
    set.add(1).unwrap();
    set.remove(&1).unwrap();
    assert_eq!((set.add(1), set.contains(&1)), (None, false));
}

#[test]
fn nothing_stays_behind_of_what_was_removed() {
    let [anna, ..] = agents();
    let mut map: Causal<OrMap<u8, OrMap<u8, AddWinsSet<u8>>>> = Causal::default();
    for round in 0..50 {
        map.change(&anna, |map| map.update(1, |inner| inner.update(2, |set| set.add(round)))).unwrap();
        map.change(&anna, |map| map.remove(&1)).unwrap();
    }
    assert!(map.is_empty());
    assert_eq!((map.seen().count(&anna), map.seen().apart().count()), (100, 0));
    assert!(postcard::to_allocvec(&map).unwrap().len() < 12);
}

#[test]
fn maps_of_many_keys_merge_as_their_keys_do() {
    let [anna, ben, _] = agents();
    let set = |map: &mut Causal<OrMap<u32, MvRegister<u32>>>, agent: &Agent, keys: &[u32]| {
        for &key in keys {
            map.change(agent, |map| map.update(key, |value| value.set(key * 10))).unwrap();
        }
    };
    // Few and many new keys, at the front, between and behind; removals at either; a key written at both.
    for (news, gone) in [(vec![0, 35, 999], vec![40, 60]), ((1..400).step_by(2).collect(), vec![2, 398, 400])]
    {
        let mut here = Causal::default();
        set(&mut here, &anna, &(2..=400).step_by(2).collect::<Vec<u32>>());
        let mut there = here.clone();
        set(&mut there, &ben, &news);
        gone.iter().for_each(|key| drop(there.change(&ben, |map| map.remove(key)).unwrap()));
        set(&mut here, &anna, &[1_001, 60]);
        here.change(&anna, |map| map.remove(&100)).unwrap();
        let both = meet(&here, &there);
        let mut keys: Vec<u32> = (2..=400).step_by(2).chain(news).chain([1_001]).collect();
        // Ben had not seen that Anna wrote 60 again.
        keys.retain(|key| *key != 100 && (*key == 60 || !gone.contains(key)));
        keys.sort_unstable();
        assert!(both.iter().map(|(key, _)| key).eq(&keys));
        assert!(both.iter().all(|(key, value)| value.get() == Some(&(key * 10))));
        let bytes = postcard::to_allocvec(&both).unwrap();
        assert_eq!(postcard::from_bytes::<Causal<OrMap<u32, MvRegister<u32>>>>(&bytes).unwrap(), both);
        assert_eq!(meet(&Causal::default(), &both), both);
    }
}

#[test]
fn a_reset_takes_what_it_has_seen_and_an_agents_count_is_one() {
    let [anna, ben, _] = agents();
    let mut here: Causal<OrMap<u8, CausalCounter>> = Causal::default();
    here.change(&anna, |map| map.update(1, |count| count.add(&anna, 5))).unwrap();
    let mut there = here.clone();
    here.change(&anna, |map| map.remove(&1)).unwrap();
    let mut third = there.clone();
    third.change(&ben, |map| map.update(1, |count| count.add(&ben, 2))).unwrap();
    assert_eq!(meet(&here, &third).get(&1).unwrap().value(), 2);
    // As its documentation says: Anna's other device counts on, and her part comes back whole.
    there.change(&anna, |map| map.update(1, |count| count.add(&anna, 1))).unwrap();
    assert_eq!(there.get(&1).unwrap().value(), 6);
}

#[test]
fn delivery_puts_operations_in_order_once_each() {
    let [anna, ben, carla] = agents();
    let (mut a, mut b, mut c) = (Delivery::default(), Delivery::default(), Delivery::default());
    let first = a.send(&anna, 'x').unwrap();
    let second = a.send(&anna, 'y').unwrap();
    b.receive(first.clone()).unwrap();
    b.receive(second.clone()).unwrap();
    let third = b.send(&ben, 'z').unwrap();
    let mut got = String::new();
    for envelope in [&third, &second, &third, &first, &first, &second, &third] {
        got.extend(c.receive(envelope.clone()).unwrap().iter().map(|envelope| envelope.op));
    }
    assert_eq!((got.as_str(), c.waiting(), c.delivered().get(&ben)), ("xyz", 0, Some(&1)));
    let mut early = Delivery::default();
    early.receive(first).unwrap();
    assert_eq!(early.receive(third).unwrap(), [], "what its author knew is not all here");
    assert_eq!(c.send(&carla, 'w').unwrap().after.len(), 2);
}
