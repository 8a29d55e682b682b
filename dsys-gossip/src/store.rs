//! Where messages outlive the process.
//!
//! The router keeps its logs in memory, within the bounds of a [`MemoryStore`], and answers from there: a neighbour that
//! catches up never waits for a disk. A [`Store`] makes what changes in them durable, before anybody is told of it, and gives
//! it back at the next start.

mod memory;
mod record;
#[cfg(feature = "redb")]
mod redb;

#[cfg(feature = "net")]
use std::future::Future;

pub(crate) use memory::Kept;
pub use memory::MemoryStore;
pub(crate) use record::Change;
pub use record::DamagedRecord;

#[cfg(feature = "redb")]
pub use self::redb::RedbStore;

/// A key-value store with an order. Keys have 41 bytes at most; values are envelopes and a little more.
///
/// Implementations may be slow: each call is awaited by the one task that drives gossip, which takes no input meanwhile, and
/// gathers what comes in that time into one write.
#[cfg(feature = "net")]
pub trait Store: Send + 'static {
    /// The empty logs, which say what is kept of all that comes. What they drop is removed here too.
    fn bounds(&self) -> MemoryStore;

    /// Carries out all of these, in order, and returns when they are durable; `None` removes a key.
    ///
    /// # Errors
    /// [`StoreError`]: none of them was carried out. Gossip then stops, because it could not keep its word.
    fn write(&mut self, changes: Vec<KeyChange>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The first entries after a key, in the order of keys, at most `most`; from the beginning if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn range(
        &mut self,
        after: Option<Vec<u8>>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<KeyValue>, StoreError>> + Send;
}

/// A key and what is to lie there; `None` removes it.
#[cfg(feature = "net")]
pub type KeyChange = (Vec<u8>, Option<Vec<u8>>);
/// A key and what lies there.
#[cfg(feature = "net")]
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// Why a store did not do what it was asked to.
#[cfg(feature = "net")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room. Nothing was written.
    #[error("the store is full: free space on its disk, or raise its budget, and start again")]
    Full,
    /// The file is damaged, or no store at all.
    #[error("the store cannot be read ({0}): move the file away and start without it, or restore a copy")]
    Damaged(String),
    /// A later version of this crate has written it.
    #[error("the store is of a later version ({0}): update this program, or take another file")]
    Newer(String),
    /// Another process has it.
    #[error("the store is in use by another process: end that one, or take another file")]
    InUse,
    /// Something else.
    #[error("the store failed: {0}")]
    Io(#[from] std::io::Error),
}
