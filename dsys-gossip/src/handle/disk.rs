//! From the router's writes to a [`Store`].

use std::io;

use dsys_core::Write;
use dsys_transport::Disk;

use crate::store::{Change, KeyChange, KeyValue, MemoryStore, Store, StoreError};

/// A store, or one that outlives nothing.
#[derive(Debug)]
pub(super) struct StoreDisk<S>(pub(super) S);

/// Entries read at once.
const PAGE: usize = 256;

impl<S: Store> StoreDisk<S> {
    /// All that was written.
    pub(super) async fn load(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.0.range(after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(last.clone());
            for (key, value) in page {
                // Each entry says itself where it lies, so one that was mixed up or altered shows.
                if Change::decode(&value).is_none_or(|change| change.key() != key) {
                    let why = format!("entry {} is damaged, or of a later version", all.len());
                    return Err(StoreError::Damaged(why));
                }
                all.push(value);
            }
        }
    }
}

impl<S: Store> Disk for StoreDisk<S> {
    async fn write(&mut self, writes: Vec<Write>) -> io::Result<()> {
        let mut changes = Vec::with_capacity(writes.len());
        for write in writes {
            // The router writes nothing but changes.
            let (Write::Append(bytes) | Write::Checkpoint(bytes)) = write;
            let Some(change) = Change::decode(&bytes) else { continue };
            let value = (!matches!(change, Change::Gone { .. } | Change::Forgot { .. })).then_some(bytes);
            changes.push((change.key(), value));
        }
        self.0.write(changes).await.map_err(io::Error::other)
    }
}

/// In memory nothing outlives the process, so nothing is written.
impl Store for MemoryStore {
    fn bounds(&self) -> MemoryStore {
        self.clone()
    }

    async fn write(&mut self, _: Vec<KeyChange>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn range(&mut self, _: Option<Vec<u8>>, _: usize) -> Result<Vec<KeyValue>, StoreError> {
        Ok(Vec::new())
    }
}
