//! Every type obeys every law.

use dsys_crdt::laws;
use dsys_crdt::types::*;

use crate::acts::{Act, Nested};

fn obeys<T: Act>() {
    laws::histories::<T>(0..400, |state, me, random| state.act(me, random))
        .unwrap_or_else(|broken| panic!("{}: {broken}", std::any::type_name::<T>()));
}

#[test]
fn counters() {
    obeys::<GCounter>();
    obeys::<PnCounter>();
    obeys::<BoundedCounter>();
    obeys::<Causal<CausalCounter>>();
}

#[test]
fn registers() {
    obeys::<LwwRegister<u8>>();
    obeys::<Causal<MvRegister<u8>>>();
}

#[test]
fn sets() {
    obeys::<GSet<u8>>();
    obeys::<TwoPhaseSet<u8>>();
    obeys::<Causal<AddWinsSet<u8>>>();
    obeys::<Causal<RemoveWinsSet<u8>>>();
}

#[test]
fn maps() {
    obeys::<Causal<OrMap<u8, CausalCounter>>>();
    obeys::<Causal<OrMap<u8, MvRegister<u8>>>>();
    obeys::<Causal<OrMap<u8, RemoveWinsSet<u8>>>>();
    obeys::<Causal<Nested>>();
}

#[test]
fn trees() {
    obeys::<Tree>();
}
