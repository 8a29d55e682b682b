//! Where records and contacts outlive the process.
//!
//! The machine keeps its records in memory, within a budget, and answers from there: a `get` of a peer never waits for a
//! disk. A [`Store`] makes its changes durable before anybody is told that a record is kept, and gives them back at the
//! next start.

#[cfg(feature = "redb")]
mod redb;

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Bound;
// The twin for tests is shared between a store and the one that takes its place after a restart.
#[allow(clippy::disallowed_types)]
use std::sync::Mutex;
use std::sync::{Arc, PoisonError};

#[cfg(feature = "redb")]
pub use redb::RedbStore;

/// A key-value store with an order. Keys are short; values have up to about 70 KiB.
///
/// Implementations may be slow: each call is awaited by the one task that drives the DHT, which takes no input
/// meanwhile, and gathers what comes in that time into one write.
pub trait Store: Send + 'static {
    /// Carries out all of these, in order, and returns when they are durable; `None` removes a key.
    ///
    /// # Errors
    /// [`StoreError`]: none of them was carried out. The DHT then stops, because it could not keep its word.
    fn write(&mut self, changes: Vec<Change>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The first entries after a key, in the order of keys, at most `most`; from the beginning if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn range(
        &mut self,
        after: Option<Vec<u8>>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;
}

/// A key and what is to lie there; `None` removes it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);
/// A key and what lies there.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room. Nothing was written.
    #[error("the store is full: free space on its disk, or raise its budget, and start again")]
    Full,
    /// The file is damaged, or no store at all.
    #[error("the store cannot be read ({0}): move the file away and start without it, or restore a copy")]
    Damaged(String),
    /// Another process has it.
    #[error("the store is in use by another process: end that one, or take another file")]
    InUse,
    /// Something else.
    #[error("the store failed: {0}")]
    Io(#[from] std::io::Error),
}

/// A store in memory, with a budget of bytes: for tests. Clones share what they keep, so that a DHT can be
/// "restarted".
#[derive(Clone, Debug)]
#[allow(clippy::disallowed_types)]
pub struct MemoryStore {
    entries: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
    most: usize,
}

impl MemoryStore {
    /// An empty one for so many bytes of keys and values.
    pub fn new(max_bytes: usize) -> Self {
        MemoryStore { entries: Arc::default(), most: max_bytes }
    }
}

impl Store for MemoryStore {
    async fn write(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut after = entries.clone();
        for (key, value) in changes {
            match value {
                Some(value) => after.insert(key, value),
                None => after.remove(&key),
            };
        }
        if after.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > self.most {
            return Err(StoreError::Full);
        }
        *entries = after;
        Ok(())
    }

    async fn range(&mut self, after: Option<Vec<u8>>, most: usize) -> Result<Vec<Entry>, StoreError> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = entries.range((from, Bound::Unbounded)).take(most);
        Ok(range.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
