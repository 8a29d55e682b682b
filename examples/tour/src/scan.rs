//! Reads a folder of ours and writes down what it contains.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::manifest::{self, BadManifest, CHUNK, FileEntry, Hash, Manifest};

/// A folder as it was found.
#[derive(Debug)]
pub struct Scan {
    /// What it contains.
    pub manifest: Manifest,
    /// What was left out, and why; one sentence each.
    pub notes: Vec<String>,
}

/// Why a folder cannot be shared.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// There is nothing of this name.
    #[error("there is no folder {0}")]
    Missing(PathBuf),
    /// It is something else.
    #[error("{0} is not a folder: name the folder that holds the files")]
    NotAFolder(PathBuf),
    /// It holds no file that could be shared.
    #[error("{0} holds no files: there is nothing to share")]
    Empty(PathBuf),
    /// A file or folder in it cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is beyond a bound.
    #[error("{folder} cannot be shared: {why}")]
    Bounds {
        /// Which.
        folder: PathBuf,
        /// What is the matter.
        why: BadManifest,
    },
}

/// Reads all of `folder` and hashes it. Symlinks, special files and names that not every system can write are left
/// out with a note.
///
/// # Errors
/// [`ScanError`].
pub fn scan(folder: &Path) -> Result<Scan, ScanError> {
    let meta = fs::metadata(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ScanError::Missing(folder.into()),
        _ => ScanError::Unreadable { path: folder.into(), error },
    })?;
    if !meta.is_dir() {
        return Err(ScanError::NotAFolder(folder.into()));
    }
    let mut notes = Vec::new();
    let mut paths = Vec::new();
    walk(folder, &mut paths, &mut notes)?;
    paths.sort_by(|left, right| manifest::by_parts(left, right));
    if paths.is_empty() {
        return Err(ScanError::Empty(folder.into()));
    }
    let bounds = |why| ScanError::Bounds { folder: folder.into(), why };
    let (mut files, mut chunks) = (Vec::with_capacity(paths.len()), Vec::new());
    for path in paths {
        let file = folder.join(&path);
        let size =
            hash(&file, &mut chunks).map_err(|error| ScanError::Unreadable { path: file.clone(), error })?;
        files.push(FileEntry { path, size });
    }
    let manifest = Manifest::new(name_of(folder), files, chunks).map_err(bounds)?;
    Ok(Scan { manifest, notes })
}

/// What the folder is called, or a stand-in if it has no name that travels.
fn name_of(folder: &Path) -> String {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.into());
    let name = whole.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if manifest::check_path(name).is_ok() { name.into() } else { "folder".into() }
}

fn walk(folder: &Path, paths: &mut Vec<String>, notes: &mut Vec<String>) -> Result<(), ScanError> {
    let unreadable = |path: &Path, error| ScanError::Unreadable { path: path.into(), error };
    let mut open = vec![(folder.to_path_buf(), String::new())];
    while let Some((at, prefix)) = open.pop() {
        for item in fs::read_dir(&at).map_err(|error| unreadable(&at, error))? {
            let item = item.map_err(|error| unreadable(&at, error))?;
            let path = item.path();
            let Ok(name) = item.file_name().into_string() else {
                notes.push(format!("{} is left out: its name is not UTF-8", path.display()));
                continue;
            };
            let relative = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if let Err(why) = manifest::check_path(&relative) {
                notes.push(format!("{relative:?} is left out: {why}"));
                continue;
            }
            let kind = item.file_type().map_err(|error| unreadable(&path, error))?;
            if kind.is_dir() {
                open.push((path, relative));
            } else if !kind.is_file() {
                let what = if kind.is_symlink() { "a symlink" } else { "no ordinary file" };
                notes.push(format!("{relative} is left out: it is {what}"));
            } else if paths.len() >= manifest::MAX_FILES {
                let why = BadManifest::TooManyFiles(paths.len() + 1);
                return Err(ScanError::Bounds { folder: folder.into(), why });
            } else {
                paths.push(relative);
            }
        }
    }
    Ok(())
}

/// Appends the hashes of a file's chunks; says how long the file is.
pub(crate) fn hash(path: &Path, chunks: &mut Vec<Hash>) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut buffer = Vec::with_capacity(CHUNK);
    let mut size = 0;
    loop {
        buffer.clear();
        file.by_ref().take(CHUNK as u64).read_to_end(&mut buffer)?;
        size += buffer.len() as u64;
        if !buffer.is_empty() {
            chunks.push(*blake3::hash(&buffer).as_bytes());
        }
        if buffer.len() < CHUNK {
            return Ok(size);
        }
    }
}
