//! Reading states that others wrote: what is read has the one form that a state of its content has.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::marker::PhantomData;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::causal::{Causal, Context, Dot, DotFun, DotMap, DotStore};
use super::{BoundedCounter, GCounter, Move, Tree, TwoPhaseSet};
use crate::Agent;

/// How many places for elements are made by a claim of how many there are.
const MOST_AT_ONCE: usize = 1 << 10;

thread_local! {
    /// The name that was read last. A state names few agents, each many times in a row: they share one.
    static LAST: RefCell<Option<Agent>> = const { RefCell::new(None) };
}

impl Serialize for Agent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.as_bytes())
    }
}

impl<'de> Deserialize<'de> for Agent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Name;

        impl<'de> Visitor<'de> for Name {
            type Value = Agent;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an agent's name of 1 to 64 bytes")
            }

            fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Agent, E> {
                LAST.with_borrow_mut(|last| match last {
                    Some(agent) if agent.as_bytes() == name => Ok(agent.clone()),
                    _ => Ok(last.insert(Agent::new(name).map_err(E::custom)?).clone()),
                })
            }

            // Formats without bytes, such as JSON, have lists of numbers.
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut numbers: A) -> Result<Agent, A::Error> {
                let mut name = Vec::new();
                while let Some(byte) = numbers.next_element()? {
                    if name.len() == Agent::MAX {
                        return Err(A::Error::invalid_length(name.len() + 1, &self));
                    }
                    name.push(byte);
                }
                self.visit_bytes(&name)
            }
        }

        from.deserialize_bytes(Name)
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Context {
            counts: BTreeMap<Agent, u64>,
            apart: BTreeSet<Dot>,
        }

        let Context { mut counts, apart } = Deserialize::deserialize(from)?;
        counts.retain(|_, count| *count > 0);
        let mut context = super::Context { counts, apart: BTreeSet::new() };
        apart.into_iter().for_each(|dot| context.insert(dot));
        Ok(context)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for DotFun<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pieces: Vec<(Dot, V)> = Deserialize::deserialize(from)?;
        if !pieces.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(D::Error::custom("dots are not in ascending order"));
        }
        Ok(DotFun(pieces))
    }
}

impl<'de, K, S> Deserialize<'de> for DotMap<K, S>
where
    K: Deserialize<'de> + Clone + Ord + Debug,
    S: Deserialize<'de> + DotStore,
{
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Stores<K, S>(PhantomData<(K, S)>);

        impl<'de, K: Deserialize<'de> + Ord, S: Deserialize<'de> + DotStore> Visitor<'de> for Stores<K, S> {
            type Value = BTreeMap<K, S>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut stores = Vec::with_capacity(map.size_hint().unwrap_or(0).min(MOST_AT_ONCE));
                while let Some((key, store)) = map.next_entry::<K, S>()? {
                    if !store.is_empty() {
                        stores.push((key, store));
                    }
                }
                // In order as a rule, which is cheaper to build from than to put in one by one.
                Ok(stores.into_iter().collect())
            }
        }

        from.deserialize_map(Stores(PhantomData)).map(DotMap)
    }
}

impl<'de, S: Deserialize<'de> + DotStore> Deserialize<'de> for Causal<S> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Causal<S> {
            store: S,
            seen: Context,
        }

        let Causal { store, seen } = Deserialize::deserialize(from)?;
        let mut unseen = false;
        S::dots(&store, &mut |dot| unseen |= !seen.contains(dot));
        if unseen {
            return Err(D::Error::custom("a piece of the state is of a change that the state has not seen"));
        }
        Ok(super::Causal { store, seen })
    }
}

impl<'de> Deserialize<'de> for GCounter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut totals: BTreeMap<Agent, u64> = Deserialize::deserialize(from)?;
        totals.retain(|_, total| *total > 0);
        Ok(GCounter(totals))
    }
}

impl<'de> Deserialize<'de> for BoundedCounter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct BoundedCounter {
            rights: BTreeMap<(Agent, Agent), u64>,
            used: GCounter,
        }

        let BoundedCounter { mut rights, used } = Deserialize::deserialize(from)?;
        rights.retain(|_, total| *total > 0);
        Ok(super::BoundedCounter { rights, used })
    }
}

impl<'de, E: Deserialize<'de> + Ord> Deserialize<'de> for TwoPhaseSet<E> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(bound(deserialize = "E: Deserialize<'de> + Ord"))]
        struct TwoPhaseSet<E> {
            present: BTreeSet<E>,
            removed: BTreeSet<E>,
        }

        let TwoPhaseSet { mut present, removed } = Deserialize::deserialize(from)?;
        present.retain(|element| !removed.contains(element));
        Ok(super::TwoPhaseSet { present, removed })
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match to.is_human_readable() {
            true => to.collect_seq(self.moves()),
            false => to.serialize_bytes(&Tree::encode_moves(self.moves())),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Moves;

        impl serde::de::Visitor<'_> for Moves {
            type Value = Vec<Move>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the moves of a tree")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<Move>, E> {
                Tree::decode_moves(bytes).map_err(E::custom)
            }
        }

        let moves: Vec<Move> = match from.is_human_readable() {
            true => Deserialize::deserialize(from)?,
            false => from.deserialize_bytes(Moves)?,
        };
        let mut tree = Tree::default();
        tree.apply_all(moves);
        Ok(tree)
    }
}
