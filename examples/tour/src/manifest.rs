//! What a folder contains: paths, sizes, and the hash of every chunk.

use std::cmp::Ordering;
use std::ops::Range;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

/// Files are cut into chunks of so many bytes; the last of a file may be shorter.
pub const CHUNK: usize = 256 * 1024;
/// At most this many files in a folder.
pub const MAX_FILES: usize = 100_000;
/// At most this many bytes in all files together: 256 GiB, about a million chunks.
pub const MAX_BYTES: u64 = 256 << 30;
/// At most this many bytes in a manifest on the wire.
pub const MAX_MANIFEST: usize = 64 << 20;
/// At most this many bytes in a path, and 255 in one of its parts.
pub const MAX_PATH: usize = 1_024;
/// Where a fetching node keeps what is not whole yet, inside its folder. No manifest may name it.
pub const PARTIAL: &str = ".tour-partial";

const MAX_PART: usize = 255;
const MAX_DEPTH: usize = 64;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// What a folder contains. A value of this type is sound: its paths stay inside a folder and are in order, without
/// repetition, and its chunks fit its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    name: String,
    files: Vec<FileEntry>,
    chunks: Vec<Hash>,
    /// The first chunk of each file.
    first: Vec<u32>,
    bytes: u64,
}

/// One file of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the folder, its parts separated by `/`.
    pub path: String,
    /// In bytes.
    pub size: u64,
}

/// One piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Which file.
    pub file: usize,
    /// Where in the file it begins.
    pub offset: u64,
    /// Its length in bytes, 1 to [`CHUNK`].
    pub length: usize,
    /// What it must hash to.
    pub hash: Hash,
}

/// Why a manifest is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// It does not decode.
    #[error("the manifest does not decode")]
    Malformed,
    /// See [`BadPath`].
    #[error("the manifest names {0:?}: {1}")]
    Path(String, BadPath),
    /// Paths are repeated or out of order, or one is both a file and a folder.
    #[error("the manifest names {0:?} twice, out of order, or as a file and a folder")]
    Order(String),
    /// There are no files.
    #[error("the manifest names no files")]
    Empty,
    /// More than [`MAX_FILES`].
    #[error("{0} files, where at most {MAX_FILES} can be shared")]
    TooManyFiles(usize),
    /// More than [`MAX_BYTES`], or a manifest of more than [`MAX_MANIFEST`].
    #[error("more than {} GiB in all, or too many names: share a smaller folder", MAX_BYTES >> 30)]
    TooLarge,
    /// The hashes are not as many as the sizes ask for.
    #[error("the manifest has {have} chunk hashes, where its sizes ask for {want}")]
    Chunks {
        /// There are.
        have: usize,
        /// There should be.
        want: u64,
    },
}

/// Why a path is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// Longer than [`MAX_PATH`], with a part above 255 bytes, or more than 64 parts.
    #[error("the path is too long")]
    TooLong,
    /// It is absolute, or has a part that is empty, `.` or `..`.
    #[error("the path could lead out of the folder")]
    Escapes,
    /// A backslash, or a control character.
    #[error("the path has a backslash or a control character")]
    Character,
    /// Its first part is [`PARTIAL`].
    #[error("the name is kept for unfinished files")]
    Reserved,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    name: String,
    files: Vec<FileEntry>,
    chunks: Vec<Hash>,
}

impl Manifest {
    /// A manifest of these files, in the order of [`by_parts`], and the hashes of their chunks.
    ///
    /// # Errors
    /// [`BadManifest`].
    pub fn new(name: String, files: Vec<FileEntry>, chunks: Vec<Hash>) -> Result<Self, BadManifest> {
        check_path(&name).map_err(|why| BadManifest::Path(name.clone(), why))?;
        if files.is_empty() {
            return Err(BadManifest::Empty);
        }
        if files.len() > MAX_FILES {
            return Err(BadManifest::TooManyFiles(files.len()));
        }
        let (mut bytes, mut want) = (0_u64, 0_u64);
        let mut first = Vec::with_capacity(files.len());
        let mut before: Option<&str> = None;
        for file in &files {
            check_path(&file.path).map_err(|why| BadManifest::Path(file.path.clone(), why))?;
            // In this order a file that were also a folder would stand right before what lies in it.
            let inside = |last: &str| file.path.strip_prefix(last).is_some_and(|rest| rest.starts_with('/'));
            if before.is_some_and(|last| by_parts(last, &file.path) != Ordering::Less || inside(last)) {
                return Err(BadManifest::Order(file.path.clone()));
            }
            before = Some(&file.path);
            bytes = bytes.saturating_add(file.size);
            if bytes > MAX_BYTES {
                return Err(BadManifest::TooLarge);
            }
            first.push(u32::try_from(want).map_err(|_| BadManifest::TooLarge)?);
            want += file.size.div_ceil(CHUNK as u64);
        }
        if chunks.len() as u64 != want {
            return Err(BadManifest::Chunks { have: chunks.len(), want });
        }
        Ok(Manifest { name, files, chunks, first, bytes })
    }

    /// Takes in what a peer sent.
    ///
    /// # Errors
    /// [`BadManifest`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadManifest> {
        if bytes.len() > MAX_MANIFEST {
            return Err(BadManifest::TooLarge);
        }
        match postcard::take_from_bytes::<Wire>(bytes) {
            Ok((wire, [])) => Manifest::new(wire.name, wire.files, wire.chunks),
            _ => Err(BadManifest::Malformed),
        }
    }

    /// The bytes that [`decode`](Self::decode) takes. Their hash names the folder's content.
    ///
    /// # Errors
    /// [`BadManifest::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, BadManifest> {
        let wire = Wire { name: self.name.clone(), files: self.files.clone(), chunks: self.chunks.clone() };
        match postcard::to_allocvec(&wire) {
            Ok(bytes) if bytes.len() <= MAX_MANIFEST => Ok(bytes),
            _ => Err(BadManifest::TooLarge),
        }
    }

    /// What the folder is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The files, in order.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// All files together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many chunks there are.
    pub fn chunk_count(&self) -> u32 {
        self.chunks.len() as u32
    }

    /// The chunk of this number.
    pub fn chunk(&self, index: u32) -> Option<Chunk> {
        let hash = *self.chunks.get(index as usize)?;
        // Empty files share the first chunk of their successor, so the last file that begins here is the one.
        let file = self.first.partition_point(|first| *first <= index).checked_sub(1)?;
        let offset = u64::from(index - self.first.get(file)?) * CHUNK as u64;
        let length = (self.files.get(file)?.size - offset).min(CHUNK as u64) as usize;
        Some(Chunk { file, offset, length, hash })
    }

    /// The chunks of a file.
    pub fn chunks_of(&self, file: usize) -> Range<u32> {
        let count = self.chunk_count();
        let at = |file: usize| self.first.get(file).copied().unwrap_or(count);
        at(file)..at(file + 1)
    }
}

/// The order of paths in a manifest: part by part, so that a folder's files stand together.
pub fn by_parts(left: &str, right: &str) -> Ordering {
    left.split('/').cmp(right.split('/'))
}

/// Whether a path that a peer sent stays inside the folder to which it is appended, on any system.
///
/// # Errors
/// [`BadPath`].
pub fn check_path(path: &str) -> Result<(), BadPath> {
    if path.len() > MAX_PATH {
        return Err(BadPath::TooLong);
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return Err(BadPath::Character);
    }
    for (depth, part) in path.split('/').enumerate() {
        if depth >= MAX_DEPTH || part.len() > MAX_PART {
            return Err(BadPath::TooLong);
        }
        // The system's own view as well: on Windows `C:` is no name.
        let mut components = Path::new(part).components();
        let named = matches!(components.next(), Some(Component::Normal(name)) if name == part);
        if !named || components.next().is_some() {
            return Err(BadPath::Escapes);
        }
        if depth == 0 && part.eq_ignore_ascii_case(PARTIAL) {
            return Err(BadPath::Reserved);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, size: u64) -> FileEntry {
        FileEntry { path: path.into(), size }
    }

    fn made(files: Vec<FileEntry>) -> Result<Manifest, BadManifest> {
        let chunks = files.iter().map(|file| file.size.div_ceil(CHUNK as u64)).sum::<u64>();
        Manifest::new("folder".into(), files, vec![[7; 32]; chunks as usize])
    }

    #[test]
    fn paths_that_could_lead_out_are_refused() {
        for path in ["/etc/passwd", "..", "a/../b", "a//b", "", "a/", "/", ".", "./a", "a/."] {
            assert_eq!(check_path(path), Err(BadPath::Escapes), "{path:?}");
        }
        for path in ["a\\b", "..\\a", "a\0b", "a\nb", "\x1b[2Ja", "\u{9b}a"] {
            assert_eq!(check_path(path), Err(BadPath::Character), "{path:?}");
        }
        for path in ["x".repeat(256), "x/".repeat(512) + "x", "x/".repeat(64) + "x"] {
            assert_eq!(check_path(&path), Err(BadPath::TooLong));
        }
        assert_eq!(check_path(".Tour-Partial/0"), Err(BadPath::Reserved));
        for path in ["a", "a/b.c", "...", "a b/ü", ".hidden", "a/.tour-partial"] {
            assert_eq!(check_path(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn repeated_unsorted_and_doubled_names_are_refused() {
        let order = |files: &[&str]| made(files.iter().map(|path| entry(path, 1)).collect());
        assert!(order(&["a", "a-b", "a.c"]).is_ok());
        assert!(order(&["a/b", "a/c/d", "a-b"]).is_ok());
        for files in [["a", "a"], ["b", "a"], ["a", "a/b"]] {
            assert!(matches!(order(&files), Err(BadManifest::Order(_))), "{files:?}");
        }
        assert_eq!(order(&[]), Err(BadManifest::Empty));
    }

    #[test]
    fn hashes_must_fit_sizes_and_sums_must_not_overflow() {
        let bad = Manifest::new("f".into(), vec![entry("a", CHUNK as u64 + 1)], vec![[0; 32]]);
        assert_eq!(bad, Err(BadManifest::Chunks { have: 1, want: 2 }));
        let huge = Manifest::new("f".into(), vec![entry("a", u64::MAX), entry("b", u64::MAX)], vec![]);
        assert_eq!(huge, Err(BadManifest::TooLarge));
        assert!(Manifest::new("../f".into(), vec![entry("a", 0)], vec![]).is_err());
    }

    #[test]
    fn chunks_lie_end_to_end_and_empty_files_have_none() {
        let big = CHUNK as u64 * 2 + 5;
        let manifest =
            made(vec![entry("a", 0), entry("b", big), entry("c", 0), entry("d", CHUNK as u64)]).unwrap();
        let cut: Vec<_> = (0..manifest.chunk_count())
            .map(|index| manifest.chunk(index).map(|c| (c.file, c.offset, c.length)).unwrap())
            .collect();
        let whole = CHUNK as u64;
        assert_eq!(cut, [(1, 0, CHUNK), (1, whole, CHUNK), (1, 2 * whole, 5), (3, 0, CHUNK)]);
        assert_eq!(manifest.chunk(4), None);
        assert_eq!((0..4).map(|file| manifest.chunks_of(file).len()).collect::<Vec<_>>(), [0, 3, 0, 1]);
        assert_eq!(Manifest::decode(&manifest.encode().unwrap()), Ok(manifest));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic() {
        let good = made(vec![entry("a", 3), entry("b", 9)]).unwrap().encode().unwrap();
        for cut in 0..good.len() {
            assert_eq!(Manifest::decode(&good[..cut]), Err(BadManifest::Malformed));
            let mut bent = good.clone();
            bent[cut] ^= 0xff;
            let _ = Manifest::decode(&bent);
        }
    }
}
