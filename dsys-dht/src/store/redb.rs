//! Records in one file, by [redb](https://docs.rs/redb).

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use ::redb::{Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition, TableError};

use super::{Change, Entry, Store, StoreError};

/// The name of the table is the version of what is in it.
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("dsys-dht/1");

/// What redb may keep in memory; the records are there anyway.
const CACHE: usize = 4 << 20;

/// A store in one file. Transactions are ACID; a write is durable when it returns.
#[derive(Clone, Debug)]
pub struct RedbStore {
    file: Arc<Database>,
}

impl RedbStore {
    /// Opens a file, or makes it. Blocks while a file is repaired whose process was killed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the file is no store or was damaged, [`StoreError::InUse`], [`StoreError::Full`],
    /// [`StoreError::Io`]. The file is left as it was.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let file = Database::builder().set_cache_size(CACHE).create(path).map_err(opening)?;
        Ok(RedbStore { file: Arc::new(file) })
    }

    /// Runs something that blocks where it may.
    async fn blocking<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Database) -> Result<T, ::redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let file = self.file.clone();
        let ran = tokio::task::spawn_blocking(move || run(&file)).await;
        match ran {
            Ok(result) => result.map_err(using),
            Err(error) => Err(StoreError::Io(std::io::Error::other(error))),
        }
    }
}

impl Store for RedbStore {
    async fn write(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
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

    async fn range(&mut self, after: Option<Vec<u8>>, most: usize) -> Result<Vec<Entry>, StoreError> {
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
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};

    use ::redb::StorageBackend;
    use ::redb::backends::InMemoryBackend;

    use super::*;

    /// A disk on which only so many bytes fit.
    #[derive(Debug)]
    struct SmallDisk {
        bytes: InMemoryBackend,
        most: Arc<AtomicU64>,
    }

    impl StorageBackend for SmallDisk {
        fn len(&self) -> io::Result<u64> {
            self.bytes.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.bytes.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            if len > self.most.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.bytes.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.bytes.write(offset, data)
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_told_as_such_and_nothing_is_half_written() {
        let most = Arc::new(AtomicU64::new(1 << 22));
        let disk = SmallDisk { bytes: InMemoryBackend::new(), most };
        let file = Database::builder().create_with_backend(disk).unwrap();
        let mut store = RedbStore { file: Arc::new(file) };
        let mut written = 0_u32;
        let error = loop {
            let change = |part: u8| (vec![written as u8, part], Some(vec![7; 60_000]));
            match store.write(vec![change(0), change(1)]).await {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
            assert!(written < 200, "it never fills");
        };
        assert!(matches!(error, StoreError::Full), "{error:?}");
        assert!(error.to_string().contains("free space"));
    }
}
