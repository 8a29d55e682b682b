//! Messages in one file, by [redb](https://docs.rs/redb).

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use ::redb::{
    Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition, TableError, TableHandle,
};

use super::{KeyChange, KeyValue, MemoryStore, Store, StoreError};

/// The name of the table is the version of what is in it.
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("dsys-gossip/1");

/// What redb may keep in memory; the messages are there anyway.
const CACHE: usize = 4 << 20;

/// A store in one file. Transactions are ACID; a write is durable when it returns.
#[derive(Clone, Debug)]
pub struct RedbStore {
    file: Arc<Database>,
    bounds: MemoryStore,
}

impl RedbStore {
    /// Opens a file, or makes it; keeps 64 MiB of messages. Blocks while a file is repaired whose process was killed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the file is no store or was damaged, [`StoreError::Newer`], [`StoreError::InUse`],
    /// [`StoreError::Full`], [`StoreError::Io`]. The file is left as it was.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        RedbStore::with(Database::builder().set_cache_size(CACHE).create(path).map_err(opening)?)
    }

    /// Keeps as much as this one would.
    #[must_use]
    pub fn bounded(mut self, bounds: MemoryStore) -> Self {
        self.bounds = bounds;
        self
    }

    fn with(file: Database) -> Result<Self, StoreError> {
        let transaction = file.begin_read().map_err(|error| using(error.into()))?;
        let tables = transaction.list_tables().map_err(|error| using(error.into()))?;
        if let Some(other) = tables.map(|table| table.name().to_owned()).find(|name| name != TABLE.name()) {
            return Err(match other.starts_with("dsys-gossip/") {
                true => StoreError::Newer(other),
                false => {
                    StoreError::Damaged(format!("it is the file of another program, with a table {other:?}"))
                }
            });
        }
        drop(transaction);
        Ok(RedbStore { file: Arc::new(file), bounds: MemoryStore::with_budget(64 << 20) })
    }

    /// Runs something that blocks where it may.
    async fn blocking<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Database) -> Result<T, ::redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let file = self.file.clone();
        match tokio::task::spawn_blocking(move || run(&file)).await {
            Ok(result) => result.map_err(using),
            Err(error) => Err(StoreError::Io(std::io::Error::other(error))),
        }
    }
}

impl Store for RedbStore {
    fn bounds(&self) -> MemoryStore {
        self.bounds.clone()
    }

    async fn write(&mut self, changes: Vec<KeyChange>) -> Result<(), StoreError> {
        self.blocking(move |file| {
            let transaction = file.begin_write()?;
            {
                let mut table = transaction.open_table(TABLE)?;
                for (key, value) in &changes {
                    match value {
                        Some(value) => drop(table.insert(key.as_slice(), value.as_slice())?),
                        None => drop(table.remove(key.as_slice())?),
                    }
                }
            }
            Ok(transaction.commit()?)
        })
        .await
    }

    async fn range(&mut self, after: Option<Vec<u8>>, most: usize) -> Result<Vec<KeyValue>, StoreError> {
        self.blocking(move |file| {
            let transaction = file.begin_read()?;
            let table = match transaction.open_table(TABLE) {
                // Nothing was ever written.
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut entries = Vec::new();
            for entry in table.range::<&[u8]>((from, Bound::Unbounded))?.take(most) {
                let (key, value) = entry?;
                entries.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(entries)
        })
        .await
    }
}

fn opening(error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse,
        DatabaseError::UpgradeRequired(version) => StoreError::Newer(format!("format {version} of its file")),
        other => using(other.into()),
    }
}

fn using(error: ::redb::Error) -> StoreError {
    use std::io::ErrorKind::{InvalidData, QuotaExceeded, StorageFull, UnexpectedEof};
    match error {
        ::redb::Error::Io(error) => match error.kind() {
            StorageFull | QuotaExceeded => StoreError::Full,
            InvalidData | UnexpectedEof => StoreError::Damaged(error.to_string()),
            _ => StoreError::Io(error),
        },
        // An earlier failure has poisoned the file; it says the same of all that follows.
        ::redb::Error::PreviousIo => StoreError::Io(std::io::Error::other(error.to_string())),
        other => StoreError::Damaged(other.to_string()),
    }
}

// Named here so that a change of redb's does not go unnoticed: a full disk is an `Io` with its own kind.
const _: fn(std::io::Error) -> StorageError = StorageError::Io;

#[cfg(test)]
mod tests;
