//! The file: what is in which table of a redb database.
//!
//! | table | key | value |
//! |---|---|---|
//! | `dsys-crdt/meta` | `version`; `key`, `author` | 1; the repo's secret key, or whose it has to be |
//! | `dsys-crdt/1/documents` | document | name, rule, when it was made here |
//! | `dsys-crdt/1/changes` | document, number of the first change | changes in a row, as [`encode`](crate::change::encode) gives them |
//! | `dsys-crdt/1/states` | document | how many changes are in the snapshot; its head |
//! | `dsys-crdt/1/chunks` | document, number of the chunk | a chunk of the snapshot |
//!
//! Changes are appended; when a snapshot is written, those that are in it are removed in the same transaction.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ::redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError,
};
use dsys_core::{SecretKey, Signer};
use serde::{Deserialize, Serialize};

use super::{RepoError, Rule};
use crate::change::DocumentId;
use crate::doc::Snapshot;

/// A key and a value.
type Row = (Vec<u8>, Vec<u8>);
type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

const META: Bytes = TableDefinition::new("dsys-crdt/meta");
const DOCUMENTS: Bytes = TableDefinition::new("dsys-crdt/1/documents");
const CHANGES: Bytes = TableDefinition::new("dsys-crdt/1/changes");
const STATES: Bytes = TableDefinition::new("dsys-crdt/1/states");
const CHUNKS: Bytes = TableDefinition::new("dsys-crdt/1/chunks");

const VERSION: u8 = 1;

#[derive(Debug)]
pub(super) struct File {
    database: Database,
}

/// What is known about a document without opening it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Info {
    pub(super) name: String,
    pub(super) rule: Rule,
    /// When it was made here, by the clock; 0 if it was made elsewhere.
    pub(super) made: u64,
}

#[derive(Debug)]
pub(super) enum Write {
    Document(DocumentId, Info),
    /// Changes in a row, the first of which has this number.
    Changes(DocumentId, u32, Vec<u8>),
    Snapshot(DocumentId, Box<Snapshot>),
    Remove(DocumentId),
}

/// A document as it is in the file.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) snapshot: Option<Snapshot>,
    /// What came later, in order.
    pub(super) later: Vec<Vec<u8>>,
}

impl File {
    pub(super) fn open(path: &Path, cache: usize) -> Result<File, RepoError> {
        create_private(path)?;
        File::checked(Database::builder().set_cache_size(cache).create(path).map_err(opening)?)
    }

    pub(super) fn memory(cache: usize) -> Result<File, RepoError> {
        File::on(::redb::backends::InMemoryBackend::new(), cache)
    }

    pub(super) fn on(backend: impl StorageBackend, cache: usize) -> Result<File, RepoError> {
        File::checked(
            Database::builder().set_cache_size(cache).create_with_backend(backend).map_err(opening)?,
        )
    }

    fn checked(database: Database) -> Result<File, RepoError> {
        let file = File { database };
        match file.meta("version").map_err(using)?.as_deref() {
            Some([VERSION]) => Ok(file),
            Some([version]) => Err(RepoError::Newer(*version)),
            Some(_) => Err(RepoError::Damaged("the version".into())),
            None if file.is_empty().map_err(using)? => {
                file.begin().map_err(using)?;
                Ok(file)
            }
            None => Err(RepoError::NotRepo),
        }
    }

    fn is_empty(&self) -> Result<bool, ::redb::Error> {
        let transaction = self.database.begin_read()?;
        let mut tables = transaction.list_tables()?;
        Ok(tables.next().is_none())
    }

    fn begin(&self) -> Result<(), ::redb::Error> {
        let transaction = self.database.begin_write()?;
        for table in [DOCUMENTS, CHANGES, STATES, CHUNKS] {
            transaction.open_table(table)?;
        }
        transaction.open_table(META)?.insert(b"version".as_slice(), [VERSION].as_slice())?;
        Ok(transaction.commit()?)
    }

    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, ::redb::Error> {
        match self.database.begin_read()?.open_table(META) {
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            table => Ok(table?.get(name.as_bytes())?.map(|value| value.value().to_vec())),
        }
    }

    /// The key to write with: the one that is given, if the file is not another's; else the file's own, which is made if it
    /// has none.
    pub(super) fn key(&self, given: Option<Arc<dyn Signer>>) -> Result<Arc<dyn Signer>, RepoError> {
        let (kept, author) = (self.meta("key").map_err(using)?, self.meta("author").map_err(using)?);
        let kept = kept.map(|key| <[u8; 32]>::try_from(key).map(SecretKey::from_bytes));
        let kept = kept.transpose().map_err(|_| RepoError::Damaged("the key".into()))?;
        let is = |key: &dyn Signer, author: &[u8]| key.public().as_bytes().as_slice() == author;
        match (given, kept, author) {
            (Some(given), None, Some(author)) if !is(&*given, &author) => Err(RepoError::OtherKey),
            (Some(given), Some(kept), _) if given.public() != kept.public() => Err(RepoError::OtherKey),
            (Some(given), None, None) => {
                self.set("author", given.public().as_bytes()).map_err(using)?;
                Ok(given)
            }
            (Some(given), ..) => Ok(given),
            (None, Some(kept), _) => Ok(Arc::new(kept)),
            (None, None, Some(_)) => Err(RepoError::OtherKey),
            (None, None, None) => {
                let key =
                    SecretKey::generate().map_err(|error| RepoError::NoRandomness(error.to_string()))?;
                self.set("key", &key.expose_bytes()).map_err(using)?;
                Ok(Arc::new(key))
            }
        }
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), ::redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(META)?.insert(name.as_bytes(), value)?;
        Ok(transaction.commit()?)
    }

    pub(super) fn documents(&self) -> Result<BTreeMap<DocumentId, Info>, RepoError> {
        let read = || -> Result<Vec<Row>, ::redb::Error> {
            let table = self.database.begin_read()?.open_table(DOCUMENTS)?;
            table
                .iter()?
                .map(|row| row.map(|(key, value)| (key.value().into(), value.value().into())))
                .map(|row| Ok(row?))
                .collect()
        };
        let damaged = || RepoError::Damaged("the table of documents".into());
        let entry = |(key, value): Row| {
            let id: [u8; 32] = key.try_into().map_err(|_| damaged())?;
            Ok((DocumentId::from_bytes(id), postcard::from_bytes(&value).map_err(|_| damaged())?))
        };
        read().map_err(using)?.into_iter().map(entry).collect()
    }

    pub(super) fn load(&self, id: &DocumentId) -> Result<Kept, RepoError> {
        let read = || -> Result<Option<Kept>, ::redb::Error> {
            let transaction = self.database.begin_read()?;
            let mut kept = Kept::default();
            let state = transaction.open_table(STATES)?.get(id.as_bytes().as_slice())?;
            if let Some(state) = state {
                let Some((changes, head)) = state.value().split_first_chunk::<4>() else { return Ok(None) };
                let mut snapshot = Snapshot::default();
                (snapshot.changes, snapshot.head) = (u32::from_be_bytes(*changes), head.to_vec());
                let chunks = transaction.open_table(CHUNKS)?;
                for row in chunks.range::<&[u8]>(key(id, 0).as_slice()..=key(id, u32::MAX).as_slice())? {
                    let (chunk, bytes) = row?;
                    let Some(at) = chunk.value().last_chunk::<4>() else { return Ok(None) };
                    snapshot.chunks.push((u32::from_be_bytes(*at), bytes.value().to_vec()));
                }
                kept.snapshot = Some(snapshot);
            }
            let first = kept.snapshot.as_ref().map_or(0, |snapshot| snapshot.changes);
            let changes = transaction.open_table(CHANGES)?;
            for row in changes.range::<&[u8]>(key(id, first).as_slice()..=key(id, u32::MAX).as_slice())? {
                kept.later.push(row?.1.value().to_vec());
            }
            Ok(Some(kept))
        };
        read().map_err(using)?.ok_or_else(|| RepoError::Damaged("a document's state".into()))
    }

    /// Writes all or nothing; on the disk when it returns.
    pub(super) fn write(&self, writes: &[Write]) -> Result<(), RepoError> {
        let all = || -> Result<(), ::redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut documents = transaction.open_table(DOCUMENTS)?;
                let mut changes = transaction.open_table(CHANGES)?;
                let mut states = transaction.open_table(STATES)?;
                let mut chunks = transaction.open_table(CHUNKS)?;
                for write in writes {
                    match write {
                        Write::Document(id, info) => {
                            // Writing to memory fails only for types that postcard does not know.
                            let info = postcard::to_allocvec(info).unwrap_or_default();
                            documents.insert(id.as_bytes().as_slice(), info.as_slice())?;
                        }
                        Write::Changes(id, first, bytes) => {
                            changes.insert(key(id, *first).as_slice(), bytes.as_slice())?;
                        }
                        Write::Snapshot(id, snapshot) => {
                            let state = [snapshot.changes.to_be_bytes().as_slice(), &snapshot.head].concat();
                            states.insert(id.as_bytes().as_slice(), state.as_slice())?;
                            for (at, bytes) in &snapshot.chunks {
                                chunks.insert(key(id, *at).as_slice(), bytes.as_slice())?;
                            }
                            let kept = key(id, 0)..key(id, snapshot.changes);
                            changes.retain_in::<&[u8], _>(
                                kept.start.as_slice()..kept.end.as_slice(),
                                |_, _| false,
                            )?;
                        }
                        Write::Remove(id) => {
                            documents.remove(id.as_bytes().as_slice())?;
                            states.remove(id.as_bytes().as_slice())?;
                            let (first, last) = (key(id, 0), key(id, u32::MAX));
                            for table in [&mut changes, &mut chunks] {
                                table.retain_in::<&[u8], _>(first.as_slice()..=last.as_slice(), |_, _| {
                                    false
                                })?;
                            }
                        }
                    }
                }
            }
            Ok(transaction.commit()?)
        };
        all().map_err(using)
    }
}

fn key(id: &DocumentId, number: u32) -> Vec<u8> {
    [id.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

/// The file holds a key: nobody else reads it.
fn create_private(path: &Path) -> Result<(), RepoError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(RepoError::Io(error.to_string()))
        }
        _ => Ok(()),
    }
}

fn opening(error: DatabaseError) -> RepoError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => RepoError::InUse,
        other => using(other.into()),
    }
}

fn using(error: ::redb::Error) -> RepoError {
    use std::io::ErrorKind::{InvalidData, QuotaExceeded, StorageFull, UnexpectedEof};
    match error {
        ::redb::Error::Io(error) => match error.kind() {
            StorageFull | QuotaExceeded => RepoError::Full,
            InvalidData | UnexpectedEof => RepoError::Damaged(error.to_string()),
            _ => RepoError::Io(error.to_string()),
        },
        // An earlier failure has poisoned the file; it says the same of all that follows.
        ::redb::Error::PreviousIo => RepoError::Io(error.to_string()),
        other => RepoError::Damaged(other.to_string()),
    }
}
