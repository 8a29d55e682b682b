//! From the machine's writes to a [`Store`].

use std::io;

use dsys_core::Write;
use dsys_transport::Disk;

use crate::records::{Change, RecordId};
use crate::store::{Store, StoreError};

/// A store, or none.
#[derive(Debug)]
pub(super) struct StoreDisk<S>(pub(super) S);

/// No store: records live as long as the process.
#[derive(Clone, Copy, Debug)]
pub struct NoStore;

/// Entries read at once.
const PAGE: usize = 256;

impl<S: Store> StoreDisk<S> {
    /// All that was written, the contacts first.
    pub(super) async fn load(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.0.range(after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(last.clone());
            for (key, value) in page {
                // Each entry says itself where it lies, so one that was mixed up or altered shows.
                let change = Change::decode(&value).filter(|change| place(change) == key);
                if change.is_none() {
                    return Err(StoreError::Damaged(format!("entry {} is damaged", all.len())));
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
            // The machine writes nothing but changes.
            let (Write::Append(bytes) | Write::Checkpoint(bytes)) = write;
            let Some(change) = Change::decode(&bytes) else { continue };
            let value = (!matches!(change, Change::Remove(_))).then_some(bytes);
            changes.push((place(&change), value));
        }
        self.0.write(changes).await.map_err(io::Error::other)
    }
}

/// Where a change lies: `c` for the contacts, `r` and the record's id otherwise.
fn place(change: &Change) -> Vec<u8> {
    let id: RecordId = match change {
        Change::Contacts(_) => return b"c".to_vec(),
        Change::Keep { record, .. } => record.id(),
        Change::Remove(id) => *id,
    };
    let mut place = b"r".to_vec();
    place.extend(postcard::to_allocvec(&id).unwrap_or_default());
    place
}

/// Never asked anything: the machine writes nothing without a store.
impl Store for NoStore {
    async fn write(&mut self, _: Vec<crate::store::Change>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn range(&mut self, _: Option<Vec<u8>>, _: usize) -> Result<Vec<crate::store::Entry>, StoreError> {
        Ok(Vec::new())
    }
}
