//! What is known of one participant.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Version, Write};

/// What is known of one participant: its map, and up to which number.
#[derive(Clone, Debug, Default)]
pub(super) struct Participant {
    pub(super) version: Version,
    map: BTreeMap<Bytes, (u64, Option<Bytes>)>,
    /// The keys by the number of their last write.
    order: BTreeMap<u64, Bytes>,
}

impl Participant {
    /// One that has written nothing in this life.
    pub(super) fn new(life: u64) -> Self {
        Participant { version: Version { life, number: 0 }, ..Participant::default() }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.map.get(key)?.1.as_ref()
    }

    /// How many keys there are, those that were deleted included.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.map.contains_key(key)
    }

    /// All that is there, with the numbers.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Bytes, u64, &Bytes)> {
        self.map.iter().filter_map(|(key, (number, value))| Some((key, *number, value.as_ref()?)))
    }

    /// Takes in one write, of a number above all before.
    pub(super) fn write(&mut self, write: Write) {
        let Write { number, key, value } = write;
        self.version.number = number;
        if let Some((old, _)) = self.map.insert(key.clone(), (number, value)) {
            self.order.remove(&old);
        }
        self.order.insert(number, key);
    }

    /// What was written after this number, in order.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = Write> + '_ {
        let behind = number.checked_add(1).map(|first| self.order.range(first..));
        behind.into_iter().flatten().filter_map(|(number, key)| {
            let (_, value) = self.map.get(key)?;
            Some(Write { number: *number, key: key.clone(), value: value.clone() })
        })
    }

    /// How many writes there are after this number.
    pub(super) fn count_after(&self, number: u64) -> usize {
        number.checked_add(1).map_or(0, |first| self.order.range(first..).count())
    }
}
