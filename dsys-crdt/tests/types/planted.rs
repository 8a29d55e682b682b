//! Types that are wrong on purpose: each law finds one that no other law needs to find.

use dsys_crdt::Agent;
use dsys_crdt::laws::{self, Law, Random};
use dsys_crdt::types::{Merge, Replicated};

/// A register of one number, wrong in the way that `HOW` says.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wrong<const HOW: u8>(u64);

const SOUND: u8 = 0;
const OVERWRITES: u8 = 1;
const AVERAGES: u8 = 2;
const ADDS: u8 = 3;
const SHRINKS: u8 = 4;
const LAST_ARRIVAL_WINS: u8 = 5;
const FORGETFUL_DELTA: u8 = 6;

impl<const HOW: u8> Merge for Wrong<HOW> {
    fn merge(&mut self, other: &Self) {
        self.0 = match HOW {
            OVERWRITES if other.0 > 0 => other.0,
            OVERWRITES => self.0,
            AVERAGES => (self.0 + other.0) / 2,
            ADDS => self.0 + other.0,
            _ => self.0.max(other.0),
        };
    }
}

impl<const HOW: u8> Replicated for Wrong<HOW> {
    type Op = u64;

    fn apply(&mut self, op: &u64) {
        self.0 = match HOW {
            SHRINKS if *op == 0 => 0,
            LAST_ARRIVAL_WINS => *op,
            _ => self.0.max(*op),
        };
    }

    fn delta(op: &u64) -> Self {
        match HOW {
            // What it had before is known to others, it thinks, and a change by one is not.
            FORGETFUL_DELTA if op % 2 == 1 => Wrong(op - 1),
            _ => Wrong(*op),
        }
    }
}

fn verdict<const HOW: u8>() -> Option<Law> {
    let act = |state: &mut Wrong<HOW>, _: &Agent, random: &mut Random| {
        let op = match HOW {
            SHRINKS => random.below(9),
            _ => state.0 + random.below(3) + 1,
        };
        state.apply(&op);
        Some(op)
    };
    laws::histories(0..1_000, act).err().map(|broken| broken.law)
}

#[test]
fn every_law_finds_its_own_fault() {
    assert_eq!(verdict::<SOUND>(), None);
    assert_eq!(verdict::<OVERWRITES>(), Some(Law::Commutative));
    assert_eq!(verdict::<SHRINKS>(), Some(Law::Monotone));
    assert_eq!(verdict::<LAST_ARRIVAL_WINS>(), Some(Law::OpsAgree));
    assert_eq!(verdict::<FORGETFUL_DELTA>(), Some(Law::DeltasAgree));
}

#[test]
fn the_laws_of_states_find_theirs() {
    let states = [0, 1, 4, 9, 16].map(Wrong::<AVERAGES>);
    let law = |broken: laws::Broken| broken.law;
    assert_eq!(laws::states(&states).map_err(law), Err(Law::Associative));
    assert_eq!(laws::states(&[1, 2].map(Wrong::<ADDS>)).map_err(law), Err(Law::Idempotent));
    assert_eq!(laws::states(&[1, 2].map(Wrong::<OVERWRITES>)).map_err(law), Err(Law::Commutative));
    assert_eq!(laws::states(&[1, 2].map(Wrong::<SOUND>)), Ok(()));
}

#[test]
fn a_broken_law_says_where_to_see_it_again() {
    let act = |state: &mut Wrong<LAST_ARRIVAL_WINS>, _: &Agent, random: &mut Random| {
        let op = state.0 + random.below(3) + 1;
        state.apply(&op);
        Some(op)
    };
    let broken = laws::histories(0..1_000, act).unwrap_err();
    let seed = broken.seed.unwrap();
    assert_eq!(laws::histories(seed..seed + 1, act), Err(broken.clone()));
    assert!(broken.to_string().starts_with(&format!("OpsAgree does not hold (seed {seed}): [")), "{broken}");
}
