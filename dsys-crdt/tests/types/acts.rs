//! One random change for each type, through its own methods.

use dsys_crdt::Agent;
use dsys_crdt::laws::Random;
use dsys_crdt::types::*;

pub(crate) type Nested = OrMap<u8, OrMap<u8, AddWinsSet<u8>>>;

/// A type with a random change.
pub(crate) trait Act:
    Replicated<Op: Clone + std::fmt::Debug> + Default + Clone + PartialEq + std::fmt::Debug
{
    fn act(&mut self, me: &Agent, random: &mut Random) -> Option<Self::Op>;
}

impl Act for GCounter {
    fn act(&mut self, me: &Agent, random: &mut Random) -> Option<Total> {
        let by = random.choose(&[0, 1, 7, u64::MAX / 3])?;
        self.increment(me, by).ok()
    }
}

impl Act for PnCounter {
    fn act(&mut self, me: &Agent, random: &mut Random) -> Option<Totals> {
        let by = random.choose(&[0, 1, -1, 5, -9, i64::MAX, i64::MIN])?;
        self.add(me, by).ok()
    }
}

impl Act for BoundedCounter {
    fn act(&mut self, me: &Agent, random: &mut Random) -> Option<BoundedOp> {
        let amount = random.below(4);
        match random.below(4) {
            0 => self.increment(me, amount).ok(),
            1 => {
                let to = Agent::new(random.choose(&["anna", "ben", "carla"])?).unwrap();
                self.transfer(me, &to, amount).ok()
            }
            _ => self.decrement(me, amount).ok(),
        }
    }
}

impl Act for LwwRegister<u8> {
    fn act(&mut self, me: &Agent, random: &mut Random) -> Option<Self> {
        let (now, value) = (random.below(20), random.below(5) as u8);
        self.set(me, now, value).ok()
    }
}

impl Act for GSet<u8> {
    fn act(&mut self, _: &Agent, random: &mut Random) -> Option<u8> {
        Some(self.add(random.below(6) as u8))
    }
}

impl Act for TwoPhaseSet<u8> {
    fn act(&mut self, _: &Agent, random: &mut Random) -> Option<TwoPhaseOp<u8>> {
        let element = random.below(6) as u8;
        if random.below(3) == 0 { self.remove(&element) } else { self.add(element) }
    }
}

impl Act for Tree {
    fn act(&mut self, me: &Agent, random: &mut Random) -> Option<Move> {
        let mut ids: Vec<TreeId> = self.moves().map(Move::id).collect();
        ids.sort();
        ids.dedup();
        let node = random.choose(&ids);
        ids.extend([TreeId::Root, TreeId::Root]);
        let parent = random.choose(&ids)?;
        let spot = match random.below(3) {
            0 => Spot::First,
            1 => Spot::Last,
            _ => Spot::At(random.below(self.count(&parent) as u64 + 1) as usize),
        };
        match random.below(5) {
            0 if ids.len() > 3 => self.delete(me, &node?).ok(),
            1 | 2 if ids.len() > 3 => self.move_to(me, &node?, &parent, spot).ok(),
            _ => self.create(me, &parent, spot).ok(),
        }
    }
}

/// A change in a store, wherever the store is.
pub(crate) trait ActStore: DotStore {
    fn prepare(&self, me: &Agent, random: &mut Random) -> Option<Prepared<Self::Edit>>;
}

impl<S: ActStore> Act for Causal<S> {
    fn act(&mut self, me: &Agent, random: &mut Random) -> Option<DotOp<S::Edit>> {
        match random.below(12) {
            0 => self.clear(me).unwrap(),
            _ => self.change(me, |store| store.prepare(me, random)).unwrap(),
        }
    }
}

impl ActStore for CausalCounter {
    fn prepare(&self, me: &Agent, random: &mut Random) -> Option<Prepared<i64>> {
        match random.below(4) {
            0 => self.reset(),
            _ => self.add(me, random.choose(&[1, -3, i64::MAX])?),
        }
    }
}

impl ActStore for MvRegister<u8> {
    fn prepare(&self, _: &Agent, random: &mut Random) -> Option<Prepared<u8>> {
        self.set(random.below(5) as u8)
    }
}

impl ActStore for AddWinsSet<u8> {
    fn prepare(&self, _: &Agent, random: &mut Random) -> Option<Prepared<MapEdit<u8, ()>>> {
        let element = random.below(4) as u8;
        if random.below(3) == 0 { self.remove(&element) } else { self.add(element) }
    }
}

impl ActStore for RemoveWinsSet<u8> {
    fn prepare(&self, _: &Agent, random: &mut Random) -> Option<Prepared<MapEdit<u8, bool>>> {
        let element = random.below(4) as u8;
        if random.below(3) == 0 { self.remove(element) } else { self.add(element) }
    }
}

impl<S: ActStore> ActStore for OrMap<u8, S> {
    fn prepare(&self, me: &Agent, random: &mut Random) -> Option<Prepared<Self::Edit>> {
        let key = random.below(3) as u8;
        match random.below(4) {
            0 => self.remove(&key),
            _ => self.update(key, |inner| inner.prepare(me, random)),
        }
    }
}
