//! The basic types: what changed travels as a delta, and the whole state now and then.

use dsys_crdt::Agent;
use dsys_crdt::laws::Random;
use dsys_crdt::types::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::acts::{Act, Nested};
use super::replica::Data;
use super::seeds;
use crate::args::Args;
use crate::report::Report;

pub(super) fn run(args: &Args, report: &mut Report) {
    if args.mine(4) {
        let seeds = seeds(args, 12);
        let mut of = Types { seeds, report };
        of.run::<GCounter>("g-counter");
        of.run::<PnCounter>("pn-counter");
        of.run::<BoundedCounter>("bounded counter");
        of.run::<LwwRegister<u8>>("lww register");
        of.run::<GSet<u8>>("g-set");
        of.run::<TwoPhaseSet<u8>>("2p-set");
        of.run::<Causal<CausalCounter>>("resettable counter");
        of.run::<Causal<MvRegister<u8>>>("mv register");
        of.run::<Causal<AddWinsSet<u8>>>("add-wins set");
        of.run::<Causal<RemoveWinsSet<u8>>>("remove-wins set");
        of.run::<Causal<Nested>>("nested or-map");
        of.run::<Tree>("tree");
    }
}

struct Types<'a> {
    seeds: u64,
    report: &'a mut Report,
}

impl Types<'_> {
    fn run<T: Act + Serialize + DeserializeOwned + 'static>(&mut self, name: &str) {
        super::replicas::<State<T>>(name, self.seeds, self.report);
    }
}

struct State<T> {
    me: Agent,
    state: T,
}

impl<T: Act + Serialize + DeserializeOwned + 'static> Data for State<T> {
    type Version = ();

    fn begin(me: Agent) -> Self {
        State { me, state: T::default() }
    }

    fn edit(&mut self, random: &mut Random) -> Result<Option<Vec<u8>>, String> {
        let Some(op) = self.state.act(&self.me, random) else { return Ok(None) };
        bytes(&T::delta(&op)).map(Some)
    }

    fn version(&self) {}

    fn lacking(&self, (): &()) -> Result<Option<Vec<u8>>, String> {
        bytes(&self.state).map(Some)
    }

    fn take(&mut self, told: &[u8]) -> Result<bool, String> {
        let state = postcard::from_bytes(told).map_err(|wrong| wrong.to_string())?;
        self.state.merge(&state);
        Ok(true)
    }

    fn content(&self) -> Result<Vec<u8>, String> {
        bytes(&self.state)
    }
}

fn bytes(value: &impl Serialize) -> Result<Vec<u8>, String> {
    postcard::to_allocvec(value).map_err(|wrong| wrong.to_string())
}
