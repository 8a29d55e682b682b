//! The files of a folder on disk: read for peers, or written as chunks arrive.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::manifest::{Chunk, Manifest, PARTIAL};
use crate::scan;

/// One copy of a folder. A file stands under its own name only when it is whole and flushed to disk; until then its
/// chunks lie in [`PARTIAL`]. Every method may block: call it where that is allowed.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    manifest: Arc<Manifest>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    have: Vec<bool>,
    /// The chunks that are here, in the order of their coming: first and count.
    log: Vec<(u32, u32)>,
    /// Of each file: chunks that are missing, and whether it stands under its name.
    files: Vec<(u32, bool)>,
    unplaced: usize,
    bytes: u64,
}

/// Why a chunk was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("cannot {doing} {path}: {error}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Something else is in the way; it was left as it is.
    #[error("{0} exists with other content: it was not touched; move it away, or name another folder")]
    InTheWay(PathBuf),
    /// A folder on the way to a file is a symlink.
    #[error("{0} is a symlink: nothing is written through it; name another folder")]
    Symlink(PathBuf),
    /// The bytes are not what the manifest says.
    #[error("the chunk does not hash to what the manifest says")]
    WrongChunk,
    /// A file of ours is no longer what it was.
    #[error("{0} has changed since it was shared: that part of it can no longer be served")]
    Changed(PathBuf),
    /// There is no such chunk, or it is not here.
    #[error("the chunk is not here")]
    NotHere,
}

impl Store {
    /// The folder that was scanned: everything is there.
    pub fn source(folder: PathBuf, manifest: Arc<Manifest>) -> Self {
        let count = manifest.chunk_count();
        let state = State {
            have: vec![true; count as usize],
            log: if count == 0 { Vec::new() } else { vec![(0, count)] },
            files: vec![(0, true); manifest.files().len()],
            unplaced: 0,
            bytes: manifest.bytes(),
        };
        Store { folder, manifest, state: Mutex::new(state), changes: watch::Sender::new(0) }
    }

    /// A copy to be. Files that are there already with the right content count as fetched.
    ///
    /// # Errors
    /// [`StoreError`]; files with other content are never touched.
    pub fn create(folder: PathBuf, manifest: Arc<Manifest>) -> Result<Self, StoreError> {
        fs::create_dir_all(&folder).map_err(|error| io_error("create", &folder, error))?;
        let state = State {
            have: vec![false; manifest.chunk_count() as usize],
            log: Vec::new(),
            files: (0..manifest.files().len())
                .map(|at| (manifest.chunks_of(at).len() as u32, false))
                .collect(),
            unplaced: manifest.files().len(),
            bytes: 0,
        };
        let store = Store { folder, manifest, state: Mutex::new(state), changes: watch::Sender::new(0) };
        store.drop_partial()?;
        let partial = store.folder.join(PARTIAL);
        fs::create_dir(&partial).map_err(|error| io_error("create", &partial, error))?;
        for (at, file) in store.manifest.files().iter().enumerate() {
            let path = store.folder.join(&file.path);
            store.refuse_symlinks(&file.path)?;
            if fs::symlink_metadata(&path).is_ok() {
                store.adopt(at, &path)?;
            } else if file.size == 0 {
                let partial = store.partial(at);
                File::create(&partial).map_err(|error| io_error("create", &partial, error))?;
                store.place(at)?;
            }
        }
        Ok(store)
    }

    /// What is to be there.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Whether every file stands under its name.
    pub fn is_whole(&self) -> bool {
        self.state().unplaced == 0
    }

    /// How many bytes are here.
    pub fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// Resolves to a new number whenever chunks have come.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What came since the `from`th entry: runs of chunks, as first and count; at most `most` of them.
    pub fn since(&self, from: usize, most: usize) -> Vec<(u32, u32)> {
        self.state().log.iter().skip(from).take(most).copied().collect()
    }

    /// Reads a chunk and makes sure that it still is what was promised.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn get(&self, index: u32) -> Result<Vec<u8>, StoreError> {
        let chunk = self.manifest.chunk(index).ok_or(StoreError::NotHere)?;
        let placed = {
            let state = self.state();
            if !state.have.get(index as usize).is_some_and(|have| *have) {
                return Err(StoreError::NotHere);
            }
            state.files.get(chunk.file).is_some_and(|file| file.1)
        };
        let path = self.path(chunk.file);
        let read = match placed {
            true => read(&path, &chunk),
            // It may be placed this very moment.
            false => read(&self.partial(chunk.file), &chunk).or_else(|_| read(&path, &chunk)),
        };
        let data = match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(StoreError::Changed(path));
            }
            other => other.map_err(|error| io_error("read", &path, error))?,
        };
        if blake3::hash(&data) == chunk.hash { Ok(data) } else { Err(StoreError::Changed(path)) }
    }

    /// Checks a chunk and writes it down. `false` if it was here already.
    ///
    /// # Errors
    /// [`StoreError::WrongChunk`]: nothing was written; the others: the chunk does not count as here.
    pub fn put(&self, index: u32, data: &[u8]) -> Result<bool, StoreError> {
        let chunk = self.manifest.chunk(index).ok_or(StoreError::NotHere)?;
        if data.len() != chunk.length || blake3::hash(data) != chunk.hash {
            return Err(StoreError::WrongChunk);
        }
        if self.state().have.get(index as usize).is_none_or(|have| *have) {
            return Ok(false);
        }
        let partial = self.partial(chunk.file);
        write(&partial, &chunk, data).map_err(|error| io_error("write", &self.path(chunk.file), error))?;
        let last = {
            let mut state = self.state();
            match state.have.get_mut(index as usize) {
                Some(have) if !*have => *have = true,
                _ => return Ok(false),
            }
            state.bytes += chunk.length as u64;
            state.log.push((index, 1));
            state.files.get_mut(chunk.file).is_some_and(|file| {
                file.0 = file.0.saturating_sub(1);
                file.0 == 0
            })
        };
        if last {
            self.place(chunk.file)?;
        }
        self.changes.send_modify(|version| *version += 1);
        Ok(true)
    }

    /// Removes what is not whole.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn drop_partial(&self) -> Result<(), StoreError> {
        let partial = self.folder.join(PARTIAL);
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &partial, error)),
            _ => Ok(()),
        }
    }

    /// Flushes a file whose chunks are all here, and gives it its name.
    fn place(&self, at: usize) -> Result<(), StoreError> {
        let (partial, path) = (self.partial(at), self.path(at));
        let synced = File::options().write(true).open(&partial).and_then(|file| file.sync_data());
        synced.map_err(|error| io_error("flush", &path, error))?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| io_error("create", parent, error))?;
        }
        if fs::symlink_metadata(&path).is_ok() {
            return Err(StoreError::InTheWay(path));
        }
        fs::rename(&partial, &path).map_err(|error| io_error("name", &path, error))?;
        self.placed(at);
        Ok(())
    }

    fn placed(&self, at: usize) {
        let mut state = self.state();
        if let Some(file) = state.files.get_mut(at) {
            *file = (0, true);
        }
        state.unplaced = state.unplaced.saturating_sub(1);
        drop(state);
        self.changes.send_modify(|version| *version += 1);
    }

    /// Takes a file that is there already, if it is the one.
    fn adopt(&self, at: usize, path: &Path) -> Result<(), StoreError> {
        let in_the_way = || StoreError::InTheWay(path.into());
        let meta = fs::symlink_metadata(path).map_err(|error| io_error("read", path, error))?;
        let size = self.manifest.files().get(at).map_or(0, |file| file.size);
        if !meta.is_file() || meta.len() != size {
            return Err(in_the_way());
        }
        let mut hashes = Vec::new();
        scan::hash(path, &mut hashes).map_err(|error| io_error("read", path, error))?;
        let chunks = self.manifest.chunks_of(at);
        let want = chunks.clone().filter_map(|index| self.manifest.chunk(index)).map(|chunk| chunk.hash);
        if !want.eq(hashes) {
            return Err(in_the_way());
        }
        let mut state = self.state();
        for index in chunks.clone() {
            if let Some(have) = state.have.get_mut(index as usize) {
                *have = true;
            }
        }
        if !chunks.is_empty() {
            state.log.push((chunks.start, chunks.len() as u32));
        }
        state.bytes += size;
        drop(state);
        self.placed(at);
        Ok(())
    }

    /// A symlink that lies in the folder must not lead a peer's file out of it.
    fn refuse_symlinks(&self, path: &str) -> Result<(), StoreError> {
        let mut at = self.folder.clone();
        for part in path.split('/') {
            at.push(part);
            match fs::symlink_metadata(&at) {
                Ok(meta) if meta.is_symlink() => return Err(StoreError::Symlink(at)),
                Ok(_) => {}
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn path(&self, at: usize) -> PathBuf {
        self.manifest.files().get(at).map_or_else(|| self.folder.clone(), |file| self.folder.join(&file.path))
    }

    fn partial(&self, at: usize) -> PathBuf {
        self.folder.join(PARTIAL).join(at.to_string())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path, chunk: &Chunk) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(chunk.offset))?;
    let mut data = vec![0; chunk.length];
    file.read_exact(&mut data)?;
    Ok(data)
}

fn write(path: &Path, chunk: &Chunk, data: &[u8]) -> io::Result<()> {
    // Opened anew for each chunk: a folder may have more files than a process may hold open.
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.seek(SeekFrom::Start(chunk.offset))?;
    file.write_all(data)
}

fn io_error(doing: &'static str, path: &Path, error: io::Error) -> StoreError {
    StoreError::Io { doing, path: path.into(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::CHUNK;

    /// A folder with `a/b` of two chunks, its scan, and a place for a copy.
    fn sample() -> (tempfile::TempDir, Store, PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let shared = temporary.path().join("shared");
        fs::create_dir_all(shared.join("a")).unwrap();
        fs::write(shared.join("a/b"), vec![9; CHUNK + 3]).unwrap();
        let manifest = Arc::new(scan::scan(&shared).unwrap().manifest);
        let copy = temporary.path().join("copy");
        (temporary, Store::source(shared, manifest), copy)
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let (_temporary, source, copy) = sample();
        let store = Store::create(copy.clone(), source.manifest().clone()).unwrap();
        assert!(store.put(1, &source.get(1).unwrap()).unwrap());
        assert!(!copy.join("a").exists() && !store.is_whole());
        assert_eq!(store.get(1).unwrap(), [9; 3]);
        assert!(matches!(store.get(0), Err(StoreError::NotHere)));
        assert!(store.put(0, &source.get(0).unwrap()).unwrap());
        assert!(!store.put(0, &source.get(0).unwrap()).unwrap(), "once is enough");
        assert!(store.is_whole());
        assert_eq!(fs::read(copy.join("a/b")).unwrap(), vec![9; CHUNK + 3]);
        assert_eq!(store.since(0, 9), [(1, 1), (0, 1)]);
    }

    #[test]
    fn a_wrong_chunk_is_not_written() {
        let (_temporary, source, copy) = sample();
        let store = Store::create(copy.clone(), source.manifest().clone()).unwrap();
        for wrong in [&[9; 2][..], &[9; 4], &[8; 3], &[]] {
            assert!(matches!(store.put(1, wrong), Err(StoreError::WrongChunk)));
        }
        assert!(matches!(store.put(2, &[9; 3]), Err(StoreError::NotHere)));
        assert_eq!(fs::read_dir(copy.join(PARTIAL)).unwrap().count(), 0);
    }

    #[test]
    fn what_is_there_is_kept_or_refused_but_never_overwritten() {
        let (_temporary, source, copy) = sample();
        fs::create_dir_all(copy.join("a")).unwrap();
        fs::write(copy.join("a/b"), vec![9; CHUNK + 3]).unwrap();
        assert!(Store::create(copy.clone(), source.manifest().clone()).unwrap().is_whole());
        fs::write(copy.join("a/b"), b"mine").unwrap();
        let refused = Store::create(copy.clone(), source.manifest().clone());
        assert!(matches!(refused, Err(StoreError::InTheWay(_))));
        assert_eq!(fs::read(copy.join("a/b")).unwrap(), b"mine");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_symlink() {
        let (temporary, source, copy) = sample();
        let outside = temporary.path().join("outside");
        fs::create_dir_all(&outside).unwrap();
        fs::create_dir_all(&copy).unwrap();
        std::os::unix::fs::symlink(&outside, copy.join("a")).unwrap();
        let refused = Store::create(copy, source.manifest().clone());
        assert!(matches!(refused, Err(StoreError::Symlink(_))));
        assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_was_changed_is_not_served() {
        let (temporary, source, _) = sample();
        fs::write(temporary.path().join("shared/a/b"), vec![9; CHUNK]).unwrap();
        assert!(source.get(0).is_ok());
        assert!(matches!(source.get(1), Err(StoreError::Changed(_))));
    }
}
