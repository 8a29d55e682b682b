//! Blobs that documents refer to by hash: pictures, files, whatever is too large to be merged (feature `keys`).
//!
//! A document holds a [`Blob`], 32 bytes of hash and a length, wherever a value can stand; the bytes are elsewhere, in a
//! [`Blobs`]: here in memory or in a folder, in a blob store of the app's, behind peers that are asked for them. Sync does not
//! carry them: [`Doc::blobs`](crate::doc::Doc::blobs) says what a document refers to, for whoever fetches what is missing.
//!
//! ```
//! use dsys_core::SecretKey;
//! use dsys_crdt::blob::{Blobs, MemoryBlobs};
//! use dsys_crdt::change::{DocumentId, Open};
//! use dsys_crdt::doc::Doc;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let blobs = MemoryBlobs::default();
//! let picture = blobs.put(b"\x89PNG...".to_vec()).await?;
//! let mut doc = Doc::new(DocumentId::from_bytes([7; 32]), Open);
//! doc.change(&SecretKey::generate()?, 0, |note| note.set("/picture", picture))?;
//! for blob in doc.blobs() {
//!     assert_eq!(blobs.get(&blob).await?.as_deref(), Some(&b"\x89PNG..."[..]));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// A store is no machine: many tasks share it.
#![allow(clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a document knows of a blob. Which hash it is, is the [`Blobs`]' business: all replicas of a document have to use
/// such of one kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Blob {
    /// The hash of the bytes.
    pub hash: [u8; 32],
    /// How many bytes there are, as far as who put it there is to be believed.
    pub length: u64,
}

/// Where the bytes of blobs are.
pub trait Blobs: Send + Sync {
    /// Keeps bytes; gives their name. Bytes that are there already are kept once.
    ///
    /// # Errors
    /// If they cannot be kept. Nothing changed.
    fn put(&self, bytes: Vec<u8>) -> impl Future<Output = Result<Blob, BlobError>> + Send;

    /// The bytes of a name, checked against it; none if they are not there.
    ///
    /// # Errors
    /// If they cannot be read, or are not what they are called.
    fn get(&self, blob: &Blob) -> impl Future<Output = Result<Option<Vec<u8>>, BlobError>> + Send;
}

/// Why a blob cannot be kept or given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// What is kept under this name are other bytes, or another number of them.
    #[error("what is kept under {0:?} is something else: remove it, and fetch it again")]
    Damaged(Blob),
    /// The disk failed, or is full.
    #[error("the blob cannot be kept or read: {0}")]
    Io(String),
}

impl Blob {
    /// The name of these bytes, by SHA-256.
    pub fn sha256(bytes: &[u8]) -> Blob {
        Blob { hash: Sha256::digest(bytes).into(), length: bytes.len() as u64 }
    }

    /// The hash in hexadecimal.
    pub fn to_hex(&self) -> String {
        self.hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(self, bytes: Vec<u8>) -> Result<Option<Vec<u8>>, BlobError> {
        if Blob::sha256(&bytes) == self { Ok(Some(bytes)) } else { Err(BlobError::Damaged(self)) }
    }
}

impl fmt::Debug for Blob {
    /// The hash in hexadecimal, and the length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.to_hex(), self.length)
    }
}

/// Blobs in memory, by SHA-256.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    all: Mutex<BTreeMap<[u8; 32], Vec<u8>>>,
}

impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<Blob, BlobError> {
        let blob = Blob::sha256(&bytes);
        self.all.lock().unwrap_or_else(PoisonError::into_inner).insert(blob.hash, bytes);
        Ok(blob)
    }

    async fn get(&self, blob: &Blob) -> Result<Option<Vec<u8>>, BlobError> {
        let found = self.all.lock().unwrap_or_else(PoisonError::into_inner).get(&blob.hash).cloned();
        found.map_or(Ok(None), |bytes| blob.check(bytes))
    }
}

/// Blobs as files of a folder, each under its SHA-256 in hexadecimal. A file is there as a whole or not at all. It blocks
/// while it reads and writes.
#[derive(Clone, Debug)]
pub struct FolderBlobs {
    folder: PathBuf,
}

impl FolderBlobs {
    /// Those of a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn open(folder: impl AsRef<Path>) -> Result<FolderBlobs, BlobError> {
        std::fs::create_dir_all(&folder).map_err(io)?;
        Ok(FolderBlobs { folder: folder.as_ref().into() })
    }
}

impl Blobs for FolderBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<Blob, BlobError> {
        let blob = Blob::sha256(&bytes);
        let path = self.folder.join(blob.to_hex());
        if std::fs::metadata(&path).is_ok_and(|found| found.len() == blob.length) {
            return Ok(blob);
        }
        // Two who write the same at once write the same; each has a name of its own until it is whole.
        let unique = format!("{}-{:?}.part", blob.to_hex(), std::thread::current().id());
        let part = self.folder.join(format!("{}-{unique}", std::process::id()));
        let written = std::fs::File::create(&part).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&part, &path)
        });
        if written.is_err() {
            // It may not even be there.
            let _ = std::fs::remove_file(&part);
        }
        written.map(|()| blob).map_err(io)
    }

    async fn get(&self, blob: &Blob) -> Result<Option<Vec<u8>>, BlobError> {
        match std::fs::read(self.folder.join(blob.to_hex())) {
            Ok(bytes) => blob.check(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io(error)),
        }
    }
}

fn io(error: std::io::Error) -> BlobError {
    BlobError::Io(error.to_string())
}
