//! States and operations that no honest replica makes.

use dsys_crdt::Agent;
use dsys_crdt::laws::{self, Random};
use dsys_crdt::types::*;
use proptest::prelude::*;
use serde::de::DeserializeOwned;

use crate::acts::{Act, Nested};

fn agent(name: &str) -> Agent {
    Agent::new(name).unwrap()
}

#[test]
fn counters_at_their_end_say_so_and_change_nothing() {
    let [anna, ben] = ["anna", "ben"].map(agent);
    let mut counter = GCounter::default();
    counter.apply(&Total { agent: ben.clone(), total: u64::MAX });
    counter.apply(&Total { agent: anna.clone(), total: u64::MAX - 1 });
    assert_eq!((counter.increment(&anna, 2), counter.increment(&ben, 1)), (Err(Full), Err(Full)));
    counter.increment(&anna, 1).unwrap();
    assert_eq!(counter.value(), 2 * u128::from(u64::MAX));

    let mut counter = PnCounter::default();
    for _ in 0..2 {
        counter.add(&anna, i64::MIN).unwrap_or_else(|_| Totals::Up(Total { agent: anna.clone(), total: 0 }));
    }
    assert_eq!(counter.value(), -(1 << 63), "the second would have passed the end");

    let mut counter = BoundedCounter::default();
    counter.apply(&BoundedOp::Gave { from: ben.clone(), to: anna.clone(), total: u64::MAX });
    assert_eq!(counter.rights(&ben), -i128::from(u64::MAX));
    assert_eq!(counter.transfer(&ben, &anna, 1), Err(RightsError::Lacking { has: -i128::from(u64::MAX) }));

    let mut counter: Causal<CausalCounter> = Causal::default();
    counter.change(&anna, |count| count.add(&anna, i64::MAX)).unwrap();
    assert_eq!(counter.change(&anna, |count| count.add(&anna, 1)), Ok(None));
    assert_eq!(counter.value(), i128::from(i64::MAX));
}

#[test]
fn a_clock_far_in_the_future_is_refused_before_it_rules() {
    let [anna, ben] = ["anna", "ben"].map(agent);
    let mut here = LwwRegister::default();
    here.set(&anna, 1_000, 1).unwrap();
    let forged = LwwRegister::default().set(&ben, u64::MAX, 2).unwrap();
    assert_eq!(forged.check(1_000, 60_000), Err(FarFuture { by: u64::MAX - 1_000 }));
    assert_eq!(here.check(0, 1_000), Ok(()));
    // Who merges it all the same can write no more, and is told so.
    here.merge(&forged);
    assert_eq!((here.set(&anna, 2_000, 3), here.get()), (Err(Full), Some(&2)));
}

#[test]
fn dots_at_the_end_of_the_numbers_use_up_their_agent_alone() {
    let [anna, ben] = ["anna", "ben"].map(agent);
    let mut set: Causal<AddWinsSet<u8>> = Causal::default();
    let mut forged = set.clone().change(&ben, |set| set.add(1)).unwrap().unwrap();
    forged.dot.seq = u64::MAX;
    forged.replaces = vec![forged.dot.clone(), Dot::new(anna.clone(), 9)];
    set.apply(&forged);
    assert!(set.contains(&1));
    assert_eq!(set.change(&ben, |set| set.add(2)), Err(Full));
    // Anna's number 9 was burnt; she goes on behind it.
    let next = set.change(&anna, |set| set.add(3)).unwrap().unwrap();
    assert_eq!(next.dot.seq, 10);
}

#[test]
fn a_dot_given_twice_still_leaves_states_that_merge_alike() {
    let ben = agent("ben");
    let mut left: Causal<AddWinsSet<u8>> = Causal::default();
    let mut right = left.clone();
    left.change(&ben, |set| set.add(1)).unwrap();
    right.change(&ben, |set| set.add(2)).unwrap();
    let mut values: Causal<MvRegister<u8>> = Causal::default();
    let mut others = values.clone();
    values.change(&ben, |value| value.set(1)).unwrap();
    others.change(&ben, |value| value.set(2)).unwrap();
    laws::states(&[left, right, Causal::default()]).unwrap();
    laws::states(&[values, others, Causal::default()]).unwrap();
}

#[test]
fn what_waits_for_ever_is_bounded() {
    let mut config = DeliveryConfig::default();
    config.max_waiting = 2;
    let mut delivery = Delivery::new(config);
    let ben = agent("ben");
    let envelope = |seq, after: &[(&str, u64)]| Envelope {
        dot: Dot::new(ben.clone(), seq),
        after: after.iter().map(|&(name, count)| (agent(name), count)).collect(),
        op: seq,
    };
    assert_eq!(delivery.receive(envelope(3, &[("ben", 4)])), Err(NotTaken::Cyclic));
    assert_eq!(delivery.receive(envelope(u64::MAX, &[])), Err(NotTaken::Cyclic));
    for seq in [1, 2, 2, 1] {
        assert_eq!(delivery.receive(envelope(seq, &[("carla", u64::MAX)])), Ok(Vec::new()));
    }
    assert_eq!((delivery.receive(envelope(3, &[])), delivery.waiting()), (Err(NotTaken::Waiting), 2));
    assert_eq!(delivery.receive(envelope(0, &[])).unwrap().len(), 1, "what is due is not held up");
}

#[test]
fn a_state_has_the_form_that_its_content_has() {
    type Set = Causal<AddWinsSet<u8>>;
    let read = |bytes: &[u8]| postcard::from_bytes::<Set>(bytes);
    // Store: element 7 by dot (a, 0). Seen: one change of a, nothing apart.
    let good = [1, 7, 1, 1, b'a', 0, 1, 1, b'a', 1, 0];
    assert!(read(&good).unwrap().contains(&7));
    assert!(read(&[1, 7, 1, 1, b'a', 0, 0, 0]).is_err(), "of a change it has not seen");
    assert!(read(&[1, 7, 2, 1, b'a', 0, 1, b'a', 0, 1, 1, b'a', 1, 0]).is_err(), "a dot twice");
    assert!(read(&[1, 7, 1, 0, 0, 1, 0, 1, 0]).is_err(), "an agent without a name");
    // Written another way: an element without a dot, an agent without changes, a change apart that is not.
    assert_eq!(read(&[1, 9, 0, 1, 1, b'a', 0, 0]).unwrap(), Set::default());
    let apart: Set = read(&[1, 7, 1, 1, b'a', 0, 0, 1, 1, b'a', 0]).unwrap();
    assert_eq!(postcard::to_allocvec(&apart).unwrap(), good);
    // A length that is not there.
    assert!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    let counter: GCounter = postcard::from_bytes(&[2, 1, b'a', 0, 1, b'b', 3]).unwrap();
    assert_eq!(counter.iter().collect::<Vec<_>>(), [(&agent("b"), 3)]);
}

/// Whatever bytes are read as a state, it merges by the laws, and writes as what it is.
fn stands<T: Act + serde::Serialize + DeserializeOwned>(bytes: &[u8]) {
    let mut honest = T::default();
    let mut random = Random::new(bytes.len() as u64);
    (0..4).for_each(|_| drop(honest.act(&agent("anna"), &mut random)));
    let good = postcard::to_allocvec(&honest).unwrap();
    assert_eq!(postcard::from_bytes::<T>(&good).as_ref(), Ok(&honest));
    let mut flipped = good.clone();
    for (at, byte) in bytes.iter().enumerate() {
        if let Some(target) = flipped.get_mut(usize::from(*byte) % good.len().max(1)) {
            *target ^= 1 << (at % 8);
        }
    }
    for bytes in [bytes, &flipped] {
        if let Ok(mut state) = postcard::from_bytes::<T>(bytes) {
            let written = postcard::to_allocvec(&state).unwrap();
            assert_eq!(postcard::from_bytes::<T>(&written).as_ref(), Ok(&state));
            laws::states(&[state.clone(), honest.clone(), T::default()]).unwrap();
            (0..4).for_each(|_| drop(state.act(&agent("anna"), &mut random)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_or_are_a_state(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        stands::<GCounter>(&bytes);
        stands::<PnCounter>(&bytes);
        stands::<BoundedCounter>(&bytes);
        stands::<Causal<CausalCounter>>(&bytes);
        stands::<LwwRegister<u8>>(&bytes);
        stands::<Causal<MvRegister<u8>>>(&bytes);
        stands::<GSet<u8>>(&bytes);
        stands::<TwoPhaseSet<u8>>(&bytes);
        stands::<Causal<AddWinsSet<u8>>>(&bytes);
        stands::<Causal<RemoveWinsSet<u8>>>(&bytes);
        stands::<Causal<Nested>>(&bytes);
        stands::<Tree>(&bytes);
    }
}
