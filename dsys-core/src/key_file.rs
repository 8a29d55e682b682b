//! A secret key in a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::SecretKey;

/// The file: this line, then 64 hexadecimal digits and a line feed.
const MAGIC: &str = "dsys-secret-key-1\n";
const LENGTH: usize = MAGIC.len() + 64 + 1;

impl SecretKey {
    /// Loads the key from `path`, or generates one and writes it there, readable by its owner only (mode 0600).
    ///
    /// The new file appears under its name whole and flushed to disk, or not at all. If two processes create it at
    /// once, both use the file that came first.
    ///
    /// # Errors
    /// [`KeyFileError`] names the file and what to do. An existing file is never changed.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Self, KeyFileError> {
        let path = path.as_ref();
        match Self::load(path) {
            Err(KeyFileError::Missing(_)) => create(path),
            other => other,
        }
    }

    /// Loads the key from `path`.
    ///
    /// # Errors
    /// [`KeyFileError`] names the file and what to do.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, KeyFileError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => KeyFileError::Missing(path.into()),
            _ => KeyFileError::Io { path: path.into(), doing: "read", error },
        })?;
        check_mode(&file, path)?;
        let mut text = String::new();
        file.take(LENGTH as u64 + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => KeyFileError::Malformed(path.into()),
            _ => KeyFileError::Io { path: path.into(), doing: "read", error },
        })?;
        parse(&text).map(SecretKey::from_bytes).ok_or_else(|| KeyFileError::Malformed(path.into()))
    }
}

/// Why a key file was not usable. The file was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is no such file.
    #[error("there is no key file {0}")]
    Missing(PathBuf),
    /// The file is not one of ours, or is damaged.
    #[error(
        "{0} is not a dsys key file, or it is damaged: restore it, or move it away to start with a new identity"
    )]
    Malformed(PathBuf),
    /// Others may read the file.
    #[error(
        "{path} can be read by others (mode {mode:03o}): run `chmod 600` on it, and make a new key if somebody may have seen it"
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The operating system refused.
    #[error("cannot {doing} the key file {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

fn create(path: &Path) -> Result<SecretKey, KeyFileError> {
    let failed = |error| KeyFileError::Io { path: path.into(), doing: "create", error };
    let key = SecretKey::generate().map_err(failed)?;
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(|error| failed(error.into()))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.new", u64::from_le_bytes(nonce)));
    let temporary = path.with_file_name(name);

    let written = write(&temporary, &key)
        // Unlike a rename, a link fails if the name is taken meanwhile.
        .and_then(|()| fs::hard_link(&temporary, path));
    // Best effort: a left-over temporary file holds no key that is in use.
    let _ = fs::remove_file(&temporary);
    match written {
        Ok(()) => {
            sync_folder(path).map_err(failed)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => SecretKey::load(path),
        Err(error) => Err(failed(error)),
    }
}

fn write(path: &Path, key: &SecretKey) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text(&key.expose_bytes()).as_bytes())?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(unix)]
fn check_mode(file: &File, path: &Path) -> Result<(), KeyFileError> {
    let metadata =
        file.metadata().map_err(|error| KeyFileError::Io { path: path.into(), doing: "read", error })?;
    let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::TooOpen { path: path.into(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &File, _: &Path) -> Result<(), KeyFileError> {
    Ok(())
}

pub(crate) fn text(seed: &[u8; 32]) -> String {
    let mut text = String::from(MAGIC);
    for byte in seed {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    text
}

pub(crate) fn parse(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(MAGIC)?.strip_suffix('\n')?;
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut seed = [0; 32];
    for (at, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(seed)
}
