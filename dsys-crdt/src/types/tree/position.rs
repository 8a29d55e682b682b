//! Where a node stands among its siblings: a fraction between those of its neighbours (fractional indexing).

use std::ops::Bound;
use std::sync::Arc;

use super::{Node, Spot, Tree, TreeError, TreeId};
use crate::types::Stamp;

/// A fraction between 0 and 1, in digits to the base 65,536: siblings stand in the order of theirs. At most
/// [`Position::MAX`] digits.
///
/// The last two digits depend on who made it and when, so that those made at once for one gap differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(Arc<[u16]>);

impl Position {
    /// The longest, in digits of two bytes.
    pub const MAX: usize = 512;

    /// A position of these digits, if they are not too many.
    pub fn from_digits(digits: &[u16]) -> Option<Position> {
        (digits.len() <= Self::MAX).then(|| Position(digits.into()))
    }

    /// One for where the order means nothing.
    #[cfg(feature = "keys")]
    pub(crate) fn first() -> Position {
        Position(Arc::new([1 << 15]))
    }

    /// The digits, the highest first.
    pub fn digits(&self) -> &[u16] {
        &self.0
    }

    /// The last two digits of a position that is made by an operation of that stamp.
    pub(crate) fn tail(stamp: &Stamp) -> [u16; 2] {
        let hash = stamp.agent.as_bytes().iter().fold(stamp.time, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5)
        });
        [(hash >> 32) as u16, (hash >> 48) as u16]
    }

    /// One between two others, near `low` or near `high`; none if there is no room, or `low` is not below `high`.
    fn between(
        low: Option<&Position>,
        high: Option<&Position>,
        near_low: bool,
        stamp: &Stamp,
    ) -> Option<Position> {
        const BASE: u32 = 1 << 16;
        let (mut low, mut high) = (low.map(Position::digits), high.map(Position::digits));
        let mut digits: Vec<u16> = Vec::with_capacity(3);
        loop {
            if digits.len() + 3 > Self::MAX {
                return None;
            }
            let at = digits.len();
            // A bound holds as long as the digits so far are its own. The digit 0 is never chosen: nothing fits before it.
            let least = low.and_then(|low| low.get(at)).copied();
            let most = match high {
                Some(high) => u32::from(*high.get(at)?),
                None => BASE,
            };
            let from = u32::from(least.unwrap_or(0));
            if most >= from + 2 {
                let middle = least.is_none() && most == BASE;
                digits.push(match middle {
                    true => 1 << 15,
                    false if high.is_none() || (least.is_some() && near_low) => from as u16 + 1,
                    false => (most - 1) as u16,
                });
                digits.extend(Self::tail(stamp));
                return Position::from_digits(&digits);
            }
            if most < from {
                return None;
            }
            digits.push(from as u16);
            if least.is_none() {
                low = None;
            }
            if most > from {
                high = None;
            }
        }
    }
}

impl Tree {
    /// A position for a spot among the children of `parent`; `node`, which moves there, does not count as one of them.
    pub(super) fn position(
        &self,
        parent: &Node,
        node: Option<u32>,
        spot: Spot<'_>,
        stamp: &Stamp,
    ) -> Result<Position, TreeError> {
        let sibling = |id: &TreeId| {
            let number = self.number(id).filter(|number| Some(*number) != node)?;
            let key = (self.node(number)?.place.as_ref()?.position.clone(), id.clone());
            parent.children.contains_key(&key).then_some(key)
        };
        let others =
            || parent.children.iter().filter(|(_, number)| Some(**number) != node).map(|(key, _)| key);
        let before = |key| {
            let below = parent.children.range((Bound::Unbounded, Bound::Excluded(key)));
            below.rev().find(|(_, number)| Some(**number) != node).map(|(key, _)| key)
        };
        let low = match spot {
            Spot::First => None,
            Spot::Last => others().next_back(),
            Spot::Before(id) => before(&sibling(id).ok_or(TreeError::Missing)?),
            Spot::After(id) => {
                let key = sibling(id).ok_or(TreeError::Missing)?;
                parent.children.get_key_value(&key).map(|(key, _)| key)
            }
            Spot::At(0) => None,
            Spot::At(index) => match others().nth(index - 1) {
                Some(key) => Some(key),
                None => return Err(TreeError::OutOfRange(others().count())),
            },
        };
        // Equal positions are a liar's: nothing fits in between, so the new one goes behind them.
        let high = match low {
            None => others().next(),
            Some(low) => {
                let above = parent.children.range((Bound::Excluded(low), Bound::Unbounded));
                let mut above = above.filter(|(_, number)| Some(**number) != node).map(|(key, _)| key);
                above.find(|(position, _)| *position > low.0)
            }
        };
        // The younger neighbour was put there last, and the next one probably goes the same way.
        let near_low = low.zip(high).is_some_and(|((_, low), (_, high))| low > high);
        Position::between(low.map(|key| &key.0), high.map(|key| &key.0), near_low, stamp)
            .ok_or(TreeError::NoRoom)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(to)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let digits: Vec<u16> = serde::Deserialize::deserialize(from)?;
        Position::from_digits(&digits)
            .ok_or_else(|| serde::de::Error::custom("a position has too many digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Agent;

    fn stamp(time: u64) -> Stamp {
        Stamp { time, agent: Agent::new("a").unwrap() }
    }

    #[test]
    fn there_is_room_for_many_in_one_direction() {
        for near_low in [true, false] {
            let mut low = Position::between(None, None, true, &stamp(1)).unwrap();
            let mut high = Position::between(Some(&low), None, true, &stamp(2)).unwrap();
            let mut longest = 0;
            for time in 0..20_000 {
                let new = Position::between(Some(&low), Some(&high), near_low, &stamp(time)).unwrap();
                assert!(low < new && new < high);
                longest = longest.max(new.digits().len());
                *(if near_low { &mut low } else { &mut high }) = new;
            }
            assert!(longest <= 10, "{longest} digits");
        }
    }

    #[test]
    fn between_any_two_there_is_one_until_it_grows_too_long() {
        let mut low = Position::from_digits(&[0, 0, 1]).unwrap();
        let mut high = Position::from_digits(&[0, 1]).unwrap();
        let mut rounds = 0;
        while let Some(new) = Position::between(Some(&low), Some(&high), rounds % 3 == 0, &stamp(rounds)) {
            assert!(low < new && new < high && new.digits().len() <= Position::MAX);
            *(if rounds % 2 == 0 { &mut low } else { &mut high }) = new;
            rounds += 1;
        }
        assert!(rounds > 250, "{rounds}");
        // A liar's: nothing lies before zero, between equals, or the wrong way round.
        let zero = Position::from_digits(&[0, 0]).unwrap();
        assert_eq!(Position::between(None, Some(&zero), true, &stamp(1)), None);
        assert_eq!(Position::between(Some(&low), Some(&low), true, &stamp(1)), None);
        assert_eq!(Position::between(Some(&high), Some(&low), true, &stamp(1)), None);
    }
}
