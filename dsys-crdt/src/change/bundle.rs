//! Changes on their way into a log.

use std::collections::BTreeMap;

use super::{BundleError, Change, ChangeId, columns, hash_of_body};

/// Changes with their names, what they follow first, to be taken in by
/// [`Log::receive_bundle`](super::Log::receive_bundle): each is hashed once, here.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    pub(super) changes: Vec<(ChangeId, Change)>,
    /// Those whose body is not the one that the header names.
    pub(super) altered: Vec<ChangeId>,
    /// What it was decoded from, if the changes are in the same order.
    #[cfg_attr(not(feature = "net"), allow(dead_code))]
    bytes: Option<Vec<u8>>,
}

impl Bundle {
    /// Changes in any order.
    pub fn of(changes: impl IntoIterator<Item = Change>) -> Bundle {
        let named = changes.into_iter().map(|change| (change.header.id(), change));
        let (whole, altered): (Vec<_>, Vec<_>) =
            named.partition(|(_, change)| hash_of_body(&change.body) == change.header.body);
        let altered = altered.into_iter().map(|(id, _)| id).collect();
        Bundle { changes: parents_first(whole), altered, bytes: None }
    }

    /// Reads what [`encode`](super::encode) wrote and a peer has sent, with at most so many bytes when unpacked.
    ///
    /// # Errors
    /// If the bytes are none such.
    pub fn decode(bytes: Vec<u8>, most: usize) -> Result<Bundle, BundleError> {
        let (changes, ordered) = columns::decode_named(&bytes, most)?;
        let altered = Vec::new();
        Ok(match ordered {
            true => Bundle { changes, altered, bytes: Some(bytes) },
            false => Bundle { changes: parents_first(changes), altered, bytes: None },
        })
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len() + self.altered.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it was decoded from, if that says the same, with the changes' names.
    #[cfg(feature = "net")]
    pub(crate) fn take_bytes(&mut self) -> Option<(Vec<u8>, Vec<ChangeId>)> {
        let bytes = self.bytes.take()?;
        Some((bytes, self.changes.iter().map(|(id, _)| *id).collect()))
    }
}

/// In an order in which each comes behind all that it follows, and once.
fn parents_first(changes: Vec<(ChangeId, Change)>) -> Vec<(ChangeId, Change)> {
    let ids: Vec<ChangeId> = changes.iter().map(|(id, _)| *id).collect();
    let mut left: BTreeMap<ChangeId, Change> = BTreeMap::new();
    for (id, change) in changes {
        left.entry(id).or_insert(change);
    }
    let mut ordered = Vec::with_capacity(left.len());
    for id in ids {
        let mut path = vec![id];
        while let Some(id) = path.last().copied() {
            let parent =
                left.get(&id).and_then(|change| change.header.follows().find(|id| left.contains_key(id)));
            match parent {
                // Hashes cannot follow each other in a circle.
                Some(parent) => path.push(*parent),
                None => {
                    path.pop();
                    ordered.extend(left.remove_entry(&id));
                }
            }
        }
    }
    ordered
}
